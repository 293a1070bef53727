/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/listfile.h"
#include "lib/primary.h"
#include "lib/sync.h"

/* From the list on the primary to mirrors. */

enum { TRIES = 4, PAUSE_MS = 200 };

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

/* ---- reading it ---- */

/* Of a file system that is being written to, a list that makes no sense may do so a moment later. */
static bool read_once(struct fes_sync *sync, bool last, int *ret)
{
	struct fes_volume *volume;
	bool shared;

	*ret = fes_primary_open(sync->context, &sync->primary_spec, &volume);
	if (*ret < 0)
		return true;
	shared = volume->shared;
	if (shared && !last)
		fes_volume_hold_back(volume);
	*ret = fes_listfile_read(volume, &sync->list);
	if (shared && !last && *ret < 0)
		fes_volume_forget_held(volume);
	fes_volume_let_go(volume);
	fes_volume_release(volume);
	fes_volume_close(sync->primary);
	sync->primary = volume;
	return *ret == 0 || *ret == -ENOENT || *ret == -ENOMEM || !shared;
}

static int read_list(struct fes_sync *sync)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	int lock, r = 0;

	lock = fes_lock_for_reading(sync->context, &sync->primary_spec);
	if (lock < 0)
		return lock;
	for (unsigned i = 0; i < TRIES && !read_once(sync, i + 1 == TRIES, &r); i++)
		(void)nanosleep(&pause, NULL);
	(void)close(lock);
	return r;
}

/* ---- what it says ---- */

static int take_paths(struct fes_sync *sync)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sync->list.n; i++) {
		const struct fes_list_line *line = &sync->list.lines[i];

		if (line->kind == FES_LIST_MANAGE)
			r = fes_managed_add(&sync->managed, line->value);
		else if (line->kind == FES_LIST_EXCLUDE)
			r = fes_managed_exclude(&sync->managed, line->value);
	}
	return r;
}

int fes_sync_require_listed(struct fes_sync *sync)
{
	const char *uuid = sync->primary_spec.partuuid;

	if (uuid && fes_list_has(&sync->list, uuid))
		return 0;
	fes_log(sync->context, FES_LOG_ERROR,
		"%s: its own partition UUID (%s) is not on its list %s: it was taken off, or the list comes from another machine; sync from another ESP with --primary=VOLUME, or correct the list",
		sync->primary_spec.name, uuid ? uuid : "it has none", FES_LIST_PATH);
	return -ENOKEY;
}

static const struct fes_seen *find_seen(const struct fes_scan *scan, const char *uuid)
{
	for (size_t i = 0; i < scan->n; i++)
		if (fes_seen_has_tag(&scan->seen[i], "PARTUUID", uuid))
			return &scan->seen[i];
	return NULL;
}

/* The UUID on line @i, unless it is that of the primary. */
static const char *other_uuid(const struct fes_sync *sync, size_t i)
{
	const struct fes_list_line *line = &sync->list.lines[i];
	const char *own = sync->primary_spec.partuuid;

	if (line->kind != FES_LIST_UUID || (own && strcasecmp(line->value, own) == 0))
		return NULL;
	return line->value;
}

/* ---- which is the primary? ---- */

static int refuse_mounted(struct fes_sync *sync, const struct fes_seen *seen, const char *mount)
{
	fes_log(sync->context, FES_LOG_ERROR,
		"which ESP is the primary? It would be %s, but %s, which is on the list, is mounted at %s, where system tools write to; name the one to copy from with --primary=%s or --primary=%s",
		sync->primary_spec.name, seen->name, mount, sync->primary_spec.name, seen->name);
	return -ENOTUNIQ;
}

static int require_unmounted(struct fes_sync *sync, const struct fes_seen *seen)
{
	const char *mount;
	int r = fes_find_usual_mount(sync->context, seen, &mount);

	return r < 0 || !mount ? r : refuse_mounted(sync, seen, mount);
}

int fes_sync_require_sole_primary(struct fes_sync *sync)
{
	const struct fes_scan *scan;
	int r = 0;

	if (sync->primary_given || fes_list_count_uuids(&sync->list) == 0)
		return 0;
	r = fes_host_scan(&sync->context->host, log_message, sync->context, &scan);
	for (size_t i = 0; r == 0 && i < sync->list.n; i++) {
		const char *uuid = other_uuid(sync, i);
		const struct fes_seen *seen = uuid ? find_seen(scan, uuid) : NULL;

		if (seen)
			r = require_unmounted(sync, seen);
	}
	return r;
}

/* ---- the mirrors on it ---- */

/* Missing is only what is on none of the disks. Whether it is, a disk that cannot be read keeps open. */
static int miss_or_refuse(struct fes_sync *sync, const struct fes_scan *scan)
{
	struct fes_mirror *mirror = &sync->mirrors[sync->n_mirrors - 1];
	char *why;

	if (!scan->why) {
		fes_mirror_miss(mirror);
		return 0;
	}
	if (asprintf(&why, "is on the list and may be on a disk that cannot be read (%s)",
		    scan->why) < 0)
		return -ENOMEM;
	fes_sync_refuse(sync->context, mirror, why);
	free(why);
	return 0;
}

static int push_listed(struct fes_sync *sync, const struct fes_scan *scan, const char *uuid)
{
	char text[64];
	int r;

	(void)snprintf(text, sizeof text, "PARTUUID=%s", uuid);
	r = fes_sync_push_mirror(sync, text, true);
	return r < 0 || find_seen(scan, uuid) ? r : miss_or_refuse(sync, scan);
}

static void warn_of_missing(struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_mirrors; i++)
		if (sync->mirrors[i].state == FES_MIRROR_MISSING)
			fes_log(sync->context, FES_LOG_WARNING, "%s: %s",
				sync->mirrors[i].spec_text, sync->mirrors[i].message);
}

static int take_mirrors(struct fes_sync *sync)
{
	const struct fes_scan *scan;
	int r = fes_host_scan(&sync->context->host, log_message, sync->context, &scan);

	if (r == 0)
		r = fes_sync_require_listed(sync);
	for (size_t i = 0; r == 0 && i < sync->list.n; i++) {
		const char *uuid = other_uuid(sync, i);

		if (uuid)
			r = push_listed(sync, scan, uuid);
	}
	if (r == 0)
		warn_of_missing(sync);
	return r;
}

int fes_sync_read_list(struct fes_sync *sync)
{
	int r = read_list(sync);

	sync->has_list = r == 0;
	return r == -ENOENT ? 0 : r;
}

int fes_sync_take_list(struct fes_sync *sync)
{
	int r = take_paths(sync);

	if (r < 0 || sync->mirrors_given)
		return r;
	if (fes_list_count_uuids(&sync->list) > 0)
		return take_mirrors(sync);
	fes_log(sync->context, FES_LOG_INFO,
		"%s: has no list %s, so it has no mirrors; 'fatespsync add' makes one",
		sync->primary_spec.name, FES_LIST_PATH);
	return 0;
}
