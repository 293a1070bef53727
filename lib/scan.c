/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/internal.h"
#include "lib/patience.h"

/*
 * Looking at every disk. Each has a thread of its own, for a dying one may take its time: what it
 * finds after the others have been waited for is dropped. Neither udev nor its links are needed.
 */

enum {
	PATIENCE_MS = 10000, /* disks that sleep need as long to wake up */
	VALUE_MAX = 256,
};

struct look {
	struct job *job;
	char *path;
	char *root;
	bool named;   /* by the user: if it cannot be read, that is said */
	bool done;    /* guarded by the job's lock, as is what follows */
	bool failed;
	int result;
	char *message; /* why it failed, or cannot be used as it is */
	struct fes_seen *seen;
	size_t n;
};

/* Lives as long as the last of its threads, or as who waits for them. */
struct job {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t n_users;
	struct look *looks;
	size_t n;
};

/* ---- what is on one disk ---- */

static void seen_done(struct fes_seen *seen)
{
	free(seen->disk);
	free(seen->node);
	free(seen->name);
}

static void free_seen(struct fes_seen *seen, size_t n)
{
	for (size_t i = 0; i < n; i++)
		seen_done(&seen[i]);
	free(seen);
}

/* @new is owned in any case. On a block device everything has a node. */
static int push_seen(struct look *look, const struct fes_disk *disk, struct fes_seen *new)
{
	bool whole = new->disk && new->name && (new->node || !disk->device);
	struct fes_seen *larger = NULL;

	if (whole)
		larger = realloc(look->seen, (look->n + 1) * sizeof *larger);
	if (!larger) {
		seen_done(new);
		return -ENOMEM;
	}
	look->seen = larger;
	larger[look->n++] = *new;
	return 0;
}

static int see_whole(struct look *look, const struct fes_disk *disk)
{
	struct fes_seen seen = {
		.disk = strdup(look->path),
		.name = strdup(look->path),
		.size = disk->size,
	};

	if (disk->device)
		seen.node = strdup(look->path);
	return push_seen(look, disk, &seen);
}

static char *name_partition(const char *path, unsigned number)
{
	char *name;

	return asprintf(&name, "%s:%u", path, number) < 0 ? NULL : name;
}

/* A partition that the kernel does not know, or sees elsewhere, cannot be used and is not seen. */
static int see_partition(struct look *look, const struct fes_disk *disk,
	const struct fes_partition *partition)
{
	struct fes_seen seen = {
		.number = partition->number,
		.offset = partition->offset,
		.size = partition->size,
		.kind = partition->kind,
	};
	int r;

	if (partition->is_container)
		return 0;
	if (disk->device) {
		r = fes_disk_find_node(disk, look->root, partition, &seen.node);
		if (r < 0)
			return r == -ENOMEM ? r : 0;
	}
	seen.disk = strdup(look->path);
	seen.name = seen.node ? strdup(seen.node) : name_partition(look->path, partition->number);
	memcpy(seen.uuid, partition->uuid, sizeof seen.uuid);
	memcpy(seen.label, partition->label, sizeof seen.label);
	return push_seen(look, disk, &seen);
}

static int see_all(struct look *look, const struct fes_disk *disk)
{
	struct fes_parttable table = {0};
	int r = fes_disk_look(disk, &table);

	/* A disk with nothing on it that we know is nothing special. */
	if (r == -EMEDIUMTYPE)
		return 0;
	if (r == 0 && !table.type[0])
		r = see_whole(look, disk);
	for (size_t i = 0; r == 0 && i < table.n_partitions; i++)
		r = see_partition(look, disk, &table.partitions[i]);
	fes_parttable_done(&table);
	return r;
}

static void keep_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct look *look = userdata;

	if (level != FES_LOG_ERROR || look->message)
		return;
	look->message = strdup(message);
}

static void look_at(struct look *look)
{
	struct fes_disk disk = {
		.report = keep_message, .userdata = look, .path = look->path, .fd = -1};
	int r = fes_disk_open(&disk);

	look->failed = r < 0;
	if (r == 0)
		r = see_all(look, &disk);
	fes_disk_close(&disk);
	look->failed |= r < 0;
	look->result = look->failed && !look->message ? -ENOMEM : r;
}

/* ---- all disks, side by side ---- */

static void drop_look(struct look *look)
{
	free_seen(look->seen, look->n);
	free(look->message);
	free(look->path);
	free(look->root);
}

/* The last one to leave switches off the light. */
static void leave(struct job *job)
{
	bool last;

	(void)pthread_mutex_lock(&job->lock);
	last = --job->n_users == 0;
	(void)pthread_mutex_unlock(&job->lock);
	if (!last)
		return;
	for (size_t i = 0; i < job->n; i++)
		drop_look(&job->looks[i]);
	(void)pthread_cond_destroy(&job->changed);
	(void)pthread_mutex_destroy(&job->lock);
	free(job->looks);
	free(job);
}

static void *run_look(void *userdata)
{
	struct look *look = userdata, found = *look;
	struct job *job = look->job;

	look_at(&found);
	(void)pthread_mutex_lock(&job->lock);
	*look = found;
	look->done = true;
	(void)pthread_cond_broadcast(&job->changed);
	(void)pthread_mutex_unlock(&job->lock);
	leave(job);
	return NULL;
}

static void start_look(struct look *look)
{
	pthread_t thread;

	(void)pthread_mutex_lock(&look->job->lock);
	look->job->n_users++;
	(void)pthread_mutex_unlock(&look->job->lock);
	if (pthread_create(&thread, NULL, run_look, look) == 0)
		(void)pthread_detach(thread);
	else
		(void)run_look(look);
}

static size_t count_pending(const struct job *job)
{
	size_t n = 0;

	for (size_t i = 0; i < job->n; i++)
		n += !job->looks[i].done;
	return n;
}

/* The lock is held. */
static void wait_for(struct job *job)
{
	struct timespec end = fes_in_ms(PATIENCE_MS);
	int r = 0;

	while (r == 0 && count_pending(job) > 0)
		r = pthread_cond_timedwait(&job->changed, &job->lock, &end);
}

static int add_look(struct job *job, char *path, const char *root, bool named)
{
	struct look *looks = realloc(job->looks, (job->n + 1) * sizeof *looks);

	if (looks)
		job->looks = looks;
	if (!looks || !path) {
		free(path);
		return -ENOMEM;
	}
	looks[job->n++] = (struct look){
		.job = job, .path = path, .root = strdup(root), .named = named};
	return looks[job->n - 1].root ? 0 : -ENOMEM;
}

/* By any name, for else each partition of it would seem to be there twice. */
static bool is_named_before(const struct fes_host *host, size_t i)
{
	const struct fes_spec disk = {.path = host->disks[i]};

	for (size_t j = 0; j < i; j++) {
		const struct fes_spec other = {.path = host->disks[j]};

		if (fes_spec_same(fes_host_root(host), &disk, &other))
			return true;
	}
	return false;
}

static int add_named_disks(struct job *job, const struct fes_host *host)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < host->n_disks; i++)
		if (!is_named_before(host, i))
			r = add_look(job, strdup(host->disks[i]), fes_host_root(host), true);
	return r;
}

static int add_machine_disks(struct job *job, const struct fes_host *host)
{
	dev_t *devices;
	size_t n;
	int r = fes_sysfs_list_disks(fes_host_root(host), &devices, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++) {
		char *node = fes_disk_node_of(devices[i]);

		/* Without a node there is nothing to open. */
		if (node)
			r = add_look(job, node, fes_host_root(host), false);
	}
	free(devices);
	return r;
}

static int new_job(const struct fes_host *host, struct job **ret)
{
	struct job *job = calloc(1, sizeof *job);
	int r;

	if (!job)
		return -ENOMEM;
	(void)pthread_mutex_init(&job->lock, NULL);
	fes_cond_init(&job->changed);
	job->n_users = 1;
	r = host->n_disks > 0 ? add_named_disks(job, host) : add_machine_disks(job, host);
	if (r < 0) {
		leave(job);
		return r;
	}
	*ret = job;
	return 0;
}

/* ---- what was found ---- */

static int by_name(const void *a, const void *b)
{
	const struct fes_seen *sa = a, *sb = b;

	if (strcmp(sa->disk, sb->disk) != 0)
		return strverscmp(sa->disk, sb->disk);
	return sa->number < sb->number ? -1 : sa->number > sb->number;
}

/* Take over what @look found. */
static int take(struct fes_scan *scan, struct look *look)
{
	struct fes_seen *larger;

	if (look->n == 0)
		return 0;
	larger = realloc(scan->seen, (scan->n + look->n) * sizeof *larger);
	if (!larger)
		return -ENOMEM;
	memcpy(larger + scan->n, look->seen, look->n * sizeof *larger);
	scan->seen = larger;
	scan->n += look->n;
	free(look->seen);
	look->seen = NULL;
	look->n = 0;
	return 0;
}

/* A damaged table may be why one is missing; other disks that cannot be read need not matter. */
static enum fes_log_level level_of(const struct look *look)
{
	return look->failed && (look->named || look->result == -EUCLEAN) ? FES_LOG_WARNING :
		FES_LOG_INFO;
}

static void report_look(const struct look *look, fes_log_fn report, void *userdata)
{
	char text[512];

	if (!look->done) {
		(void)snprintf(text, sizeof text,
			"%.256s: does not answer; gone on without it", look->path);
		report(userdata, FES_LOG_WARNING, text);
	} else if (look->message) {
		report(userdata, level_of(look), look->message);
	}
}

/* A disk that is there and cannot be read may have anything on it. */
static bool is_doubtful(const struct look *look)
{
	if (!look->done)
		return true;
	return look->failed && look->result != -ENOENT && look->result != -ENOTDIR &&
		look->result != -ENXIO && look->result != -ENOMEDIUM;
}

static int note_doubt(struct fes_scan *scan, const struct look *look)
{
	if (scan->why || !is_doubtful(look))
		return 0;
	if (look->done && look->message)
		scan->why = strdup(look->message);
	else if (asprintf(&scan->why, "%s: does not answer", look->path) < 0)
		scan->why = NULL;
	return scan->why ? 0 : -ENOMEM;
}

static int collect(struct job *job, struct fes_scan *scan, fes_log_fn report, void *userdata)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < job->n; i++) {
		struct look *look = &job->looks[i];

		report_look(look, report, userdata);
		scan->n_unreadable += !look->done || look->failed;
		r = note_doubt(scan, look);
		if (r < 0 || !look->done)
			continue;
		r = look->result == -ENOMEM ? -ENOMEM : take(scan, look);
	}
	return r;
}

static void free_scan(struct fes_scan *scan)
{
	if (!scan)
		return;
	free_seen(scan->seen, scan->n);
	free(scan->why);
	free(scan);
}

static int scan_disks(const struct fes_host *host, fes_log_fn report, void *userdata,
	struct fes_scan **ret)
{
	struct fes_scan *scan = calloc(1, sizeof *scan);
	struct job *job;
	int r;

	if (!scan)
		return -ENOMEM;
	r = new_job(host, &job);
	if (r < 0) {
		free(scan);
		return r;
	}
	for (size_t i = 0; i < job->n; i++)
		start_look(&job->looks[i]);
	(void)pthread_mutex_lock(&job->lock);
	wait_for(job);
	r = collect(job, scan, report, userdata);
	(void)pthread_mutex_unlock(&job->lock);
	leave(job);
	if (r < 0) {
		free_scan(scan);
		return r;
	}
	if (scan->n > 1)
		qsort(scan->seen, scan->n, sizeof *scan->seen, by_name);
	*ret = scan;
	return 0;
}

int fes_host_scan(struct fes_host *host, fes_log_fn report, void *userdata,
	const struct fes_scan **ret)
{
	int r = 0;

	(void)pthread_mutex_lock(&host->lock);
	if (!host->scan)
		r = scan_disks(host, report, userdata, &host->scan);
	if (r == 0)
		*ret = host->scan;
	(void)pthread_mutex_unlock(&host->lock);
	return r;
}

void fes_host_forget(struct fes_host *host)
{
	(void)pthread_mutex_lock(&host->lock);
	free_scan(host->scan);
	host->scan = NULL;
	(void)pthread_mutex_unlock(&host->lock);
}

/* ---- tags ---- */

/* What libblkid says of a file system; "" when it cannot be read. */
static void read_tag(const struct fes_seen *seen, const char *tag, char value[VALUE_MAX])
{
	int fd = open(seen->node ? seen->node : seen->disk, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	value[0] = '\0';
	if (fd < 0)
		return;
	if (fes_contents_tag(fd, seen->node ? 0 : seen->offset, seen->node ? 0 : seen->size, tag,
		    value, VALUE_MAX) < 0)
		value[0] = '\0';
	(void)close(fd);
}

bool fes_seen_has_tag(const struct fes_seen *seen, const char *tag, const char *value)
{
	char found[VALUE_MAX];

	/* Users copy UUIDs from anywhere, in any case. */
	if (strcmp(tag, "PARTUUID") == 0)
		return strcasecmp(seen->uuid, value) == 0;
	if (strcmp(tag, "PARTLABEL") == 0)
		return strcmp(seen->label, value) == 0;
	read_tag(seen, tag, found);
	return strcmp(tag, "UUID") == 0 ? strcasecmp(found, value) == 0 : strcmp(found, value) == 0;
}
