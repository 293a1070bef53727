/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lib/internal.h"

/* Small enough to stay in a core's cache between reading and hashing. */
enum { PIECE = 256 * 1024 };

/* Who is told of bytes that were read. */
struct reader {
	void (*tell)(void *userdata, uint64_t bytes);
	void *userdata;
};

static int digest_stream(struct fes_volume *volume, struct fat_file *file, XXH3_state_t *state,
	const struct reader *reader, uint8_t *buf)
{
	int64_t n = 1;
	int r = 0;

	if (XXH3_128bits_reset(state) != XXH_OK)
		return -ENOMEM;
	while (r == 0 && n > 0) {
		n = fat_file_read(file, buf, PIECE);
		if (n > 0 && XXH3_128bits_update(state, buf, (size_t)n) != XXH_OK)
			return -EINVAL;
		if (n > 0)
			reader->tell(reader->userdata, (uint64_t)n);
		r = n < 0 ? (int)n : fes_poll(volume->context);
	}
	return r;
}

static int digest_file(struct fes_volume *volume, const struct fes_node *node,
	const struct reader *reader, struct fes_digest *ret)
{
	XXH3_state_t *state = XXH3_createState();
	uint8_t *buf = blkdev_buffer_new(PIECE);
	struct fat_file *file = NULL;
	int r = -ENOMEM;

	if (state && buf)
		r = fat_file_open(volume->fat, node->first_cluster, node->size, node->path, &file);
	if (r == 0)
		r = digest_stream(volume, file, state, reader, buf);
	if (r == 0) {
		XXH128_hash_t hash = XXH3_128bits_digest(state);

		*ret = (struct fes_digest){.high = hash.high64, .low = hash.low64};
	}
	fat_file_close(file);
	free(buf);
	(void)XXH3_freeState(state);
	return r;
}

static void tell_progress(void *userdata, uint64_t bytes)
{
	fes_progress_add(userdata, bytes);
}

int fes_digest_file(struct fes_volume *volume, const struct fes_node *node, struct fes_digest *ret)
{
	struct reader reader = {tell_progress, volume->progress};

	return digest_file(volume, node, &reader, ret);
}

/* ---- the primary's ---- */

enum job_state {
	JOB_NONE = 0,
	JOB_WANTED,
	JOB_DONE,
};

struct job {
	enum job_state state;
	int error;
	uint64_t bytes; /* that were read so far */
	struct fes_digest digest;
};

/* The queue is in the order of wanting; each node is in it at most once. */
struct fes_digester {
	const struct fes_tree *tree;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *jobs; /* by node id */
	size_t *queue;
	size_t n_queued, n_taken;
	bool stopping;
	int error; /* the first one */
};

static bool take_job(struct fes_digester *d, size_t *ret)
{
	bool got;

	(void)pthread_mutex_lock(&d->lock);
	while (d->n_taken == d->n_queued && !d->stopping)
		(void)pthread_cond_wait(&d->changed, &d->lock);
	got = !d->stopping;
	if (got)
		*ret = d->queue[d->n_taken++];
	(void)pthread_mutex_unlock(&d->lock);
	return got;
}

static void finish_job(struct fes_digester *d, size_t id, int error, struct fes_digest digest)
{
	(void)pthread_mutex_lock(&d->lock);
	d->jobs[id] = (struct job){.state = JOB_DONE, .error = error, .digest = digest};
	if (d->error == 0 && error != -ECANCELED)
		d->error = error;
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
}

/* Who waits for a large file wants to know how far it is. */
struct reading {
	struct fes_digester *d;
	size_t id;
};

static void note_bytes(void *userdata, uint64_t bytes)
{
	struct reading *reading = userdata;
	struct fes_digester *d = reading->d;

	(void)pthread_mutex_lock(&d->lock);
	d->jobs[reading->id].bytes += bytes;
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
}

static void *run_jobs(void *userdata)
{
	struct fes_digester *d = userdata;
	size_t id;

	while (take_job(d, &id)) {
		struct fes_digest digest = {0};
		struct reading reading = {d, id};
		struct reader reader = {note_bytes, &reading};
		int r = digest_file(d->tree->volume, d->tree->nodes[id], &reader, &digest);

		finish_job(d, id, r, digest);
	}
	return NULL;
}

static void digester_free(struct fes_digester *d)
{
	(void)pthread_cond_destroy(&d->changed);
	(void)pthread_mutex_destroy(&d->lock);
	free(d->jobs);
	free(d->queue);
	free(d);
}

int fes_digester_start(const struct fes_tree *primary, struct fes_digester **ret)
{
	struct fes_digester *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	d->tree = primary;
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_cond_init(&d->changed, NULL);
	d->jobs = calloc(primary->n_nodes, sizeof *d->jobs);
	d->queue = calloc(primary->n_nodes, sizeof *d->queue);
	if (!d->jobs || !d->queue || pthread_create(&d->thread, NULL, run_jobs, d) != 0) {
		digester_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

void fes_digester_stop(struct fes_digester *d)
{
	if (!d)
		return;
	(void)pthread_mutex_lock(&d->lock);
	d->stopping = true;
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
	(void)pthread_join(d->thread, NULL);
	digester_free(d);
}

void fes_digester_want(struct fes_digester *d, const struct fes_node *node)
{
	(void)pthread_mutex_lock(&d->lock);
	if (d->jobs[node->id].state == JOB_NONE) {
		d->jobs[node->id].state = JOB_WANTED;
		d->queue[d->n_queued++] = node->id;
		(void)pthread_cond_broadcast(&d->changed);
	}
	(void)pthread_mutex_unlock(&d->lock);
}

/* What is told may take its time, and nobody else should wait for it. The lock is held. */
static uint64_t tell_bytes(struct fes_digester *d, struct fes_progress *progress, uint64_t bytes)
{
	(void)pthread_mutex_unlock(&d->lock);
	fes_progress_add(progress, bytes);
	(void)pthread_mutex_lock(&d->lock);
	return bytes;
}

int fes_digester_get(struct fes_digester *d, const struct fes_node *node,
	struct fes_progress *progress, struct fes_digest *ret)
{
	const struct job *job = &d->jobs[node->id];
	uint64_t told = 0;
	int r;

	(void)pthread_mutex_lock(&d->lock);
	while (job->state == JOB_WANTED)
		if (progress && job->bytes > told)
			told += tell_bytes(d, progress, job->bytes - told);
		else
			(void)pthread_cond_wait(&d->changed, &d->lock);
	r = job->state == JOB_DONE ? job->error : -EINVAL;
	if (r == 0)
		*ret = job->digest;
	(void)pthread_mutex_unlock(&d->lock);
	if (r == 0)
		fes_progress_add(progress, node->size - told);
	return r;
}

bool fes_digester_has(struct fes_digester *d, const struct fes_node *node)
{
	bool has;

	(void)pthread_mutex_lock(&d->lock);
	has = d->jobs[node->id].state == JOB_DONE;
	(void)pthread_mutex_unlock(&d->lock);
	return has;
}

void fes_digester_note_error(struct fes_digester *d, int error)
{
	(void)pthread_mutex_lock(&d->lock);
	if (d->error == 0)
		d->error = error;
	(void)pthread_mutex_unlock(&d->lock);
}

int fes_digester_error(struct fes_digester *d)
{
	int error;

	(void)pthread_mutex_lock(&d->lock);
	error = d->error;
	(void)pthread_mutex_unlock(&d->lock);
	return error;
}
