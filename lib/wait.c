/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "lib/sync.h"

/*
 * Waiting for disks. The kernel makes a node in /dev for each partition that it finds, with udev or
 * without, and images appear in their folders: inotify tells of both. Where it does not (a /dev that
 * somebody fills by hand), a look from time to time does.
 */

enum {
	LOOK_MS = 5000,
	SETTLE_MS = 50, /* nodes come in crowds */
};

struct waiter {
	struct fes_context *context;
	const char *primary;
	int watch;
	uint64_t end_ms;
	char **missing; /* NULL entries stand for the primary */
	size_t n_missing;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

/* ---- who is missing ---- */

static void forget_missing(struct waiter *waiter)
{
	for (size_t i = 0; i < waiter->n_missing; i++)
		free(waiter->missing[i]);
	free(waiter->missing);
	waiter->missing = NULL;
	waiter->n_missing = 0;
}

static int push_missing(struct waiter *waiter, const char *uuid)
{
	char **larger = realloc(waiter->missing, (waiter->n_missing + 1) * sizeof *larger);
	char *copy = uuid ? strdup(uuid) : NULL;

	if (larger)
		waiter->missing = larger;
	if (!larger || (uuid && !copy)) {
		free(copy);
		return -ENOMEM;
	}
	larger[waiter->n_missing++] = copy;
	return 0;
}

static bool is_there(const struct fes_scan *scan, const char *uuid)
{
	for (size_t i = 0; i < scan->n; i++)
		if (fes_seen_has_tag(&scan->seen[i], "PARTUUID", uuid))
			return true;
	return false;
}

/* The primary has been read, whether it is on a disk that is searched or not. */
static int find_missing(struct waiter *waiter, const struct fes_sync *sync)
{
	const char *primary = sync->primary_spec.partuuid, *uuid;
	const struct fes_scan *scan;
	int r = fes_host_scan(&waiter->context->host, log_message, waiter->context, &scan);

	for (size_t i = 0; r == 0 && (uuid = fes_sync_get_listed(sync, i)); i++)
		if (!(primary && strcasecmp(uuid, primary) == 0) && !is_there(scan, uuid))
			r = push_missing(waiter, uuid);
	return r;
}

/* A primary that is not there may come, and so may its list when it is being written. */
static bool may_come(int r)
{
	return r == -ENOENT || r == -ENXIO || r == -ENODEV || r == -ENOMEDIUM ||
		r == -EMEDIUMTYPE || r == -EAGAIN || r == -EIO;
}

static uint64_t left_ms(const struct waiter *waiter)
{
	uint64_t now = now_ms();

	return waiter->end_ms > now ? waiter->end_ms - now : 0;
}

/* Who has locked the primary may have it for longer than there is time. */
static int read_list(struct waiter *waiter, struct fes_sync *sync)
{
	struct fes_context *context = waiter->context;
	unsigned patience = context->timeout_seconds;
	uint64_t left = left_ms(waiter) / 1000;
	int r;

	fes_set_timeout(context, left < patience ? (unsigned)left : patience);
	r = fes_sync_read_list(sync);
	fes_set_timeout(context, patience);
	return r;
}

/* Returns 0 when all are there, -EAGAIN when some are missing, or an error. */
static int look(struct waiter *waiter)
{
	struct fes_sync *sync;
	int r;

	forget_missing(waiter);
	fes_host_forget(&waiter->context->host);
	r = fes_sync_new(waiter->context, &sync);
	if (r < 0)
		return r;
	if (waiter->primary)
		r = fes_sync_set_primary(sync, waiter->primary);
	if (r == 0)
		r = fes_sync_find_primary(sync);
	if (r == 0)
		r = read_list(waiter, sync);
	if (r == 0)
		r = find_missing(waiter, sync);
	else if (may_come(r))
		r = push_missing(waiter, NULL);
	fes_sync_free(sync);
	return r == 0 && waiter->n_missing > 0 ? -EAGAIN : r;
}

/* ---- what happens meanwhile ---- */

static int watch_parent(int watch, const char *path, uint32_t events)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	/* One that cannot be watched is looked at from time to time. */
	(void)inotify_add_watch(watch, dirname(copy), events);
	free(copy);
	return 0;
}

static int start_watching(struct waiter *waiter)
{
	const struct fes_host *host = &waiter->context->host;
	const uint32_t nodes = IN_CREATE | IN_MOVED_TO | IN_ATTRIB, files = nodes | IN_CLOSE_WRITE;
	int r = 0;

	waiter->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (waiter->watch < 0)
		return 0;
	(void)inotify_add_watch(waiter->watch, "/dev", nodes);
	for (size_t i = 0; r == 0 && i < host->n_disks; i++)
		r = watch_parent(waiter->watch, host->disks[i], files);
	if (r == 0 && waiter->primary)
		r = watch_parent(waiter->watch, waiter->primary, files);
	return r;
}

static void drain(int watch)
{
	char buf[4096];

	while (read(watch, buf, sizeof buf) > 0)
		;
}

static void wait_for_change(struct waiter *waiter)
{
	struct pollfd fds[] = {
		{.fd = fes_wake_fd(waiter->context), .events = POLLIN},
		{.fd = waiter->watch, .events = POLLIN},
	};
	uint64_t left = left_ms(waiter);

	/* Woken early by a signal, or without inotify, we only look once more often. */
	if (poll(fds, 2, left < LOOK_MS ? (int)left : LOOK_MS) <= 0 || !fds[1].revents)
		return;
	(void)poll(fds, 1, SETTLE_MS);
	drain(waiter->watch);
}

static int wait_for_all(struct waiter *waiter)
{
	int r;

	for (;;) {
		r = fes_poll(waiter->context);
		if (r == 0)
			r = look(waiter);
		if (r != -EAGAIN)
			return r;
		if (now_ms() >= waiter->end_ms)
			return -ETIMEDOUT;
		wait_for_change(waiter);
	}
}

/* Whether it is the primary that is missing: then nothing else is known to be. */
static bool primary_missing(const struct waiter *waiter)
{
	return waiter->n_missing > 0 && !waiter->missing[0];
}

/* What there is to say about the primary or its list is told by looking once more. */
static int run(struct waiter *waiter)
{
	int r = start_watching(waiter);

	/* Before it is asked whether to go on: an interruption is seen, or heard. */
	(void)fes_wake_fd(waiter->context);
	fes_mute(waiter->context, true);
	if (r == 0)
		r = wait_for_all(waiter);
	fes_mute(waiter->context, false);
	if (r < 0 && r != -ECANCELED && (r != -ETIMEDOUT || primary_missing(waiter))) {
		r = look(waiter);
		r = r == -EAGAIN ? -ETIMEDOUT : r;
	}
	return r;
}

int fes_wait(struct fes_context *context, const char *primary, unsigned seconds, fes_missing_fn fn,
	void *userdata)
{
	struct waiter waiter = {
		.context = context,
		.primary = primary,
		.watch = -1,
		.end_ms = now_ms() + (uint64_t)seconds * 1000,
	};
	int r = run(&waiter);

	for (size_t i = 0; r == -ETIMEDOUT && fn && i < waiter.n_missing; i++)
		fn(userdata, waiter.missing[i]);
	forget_missing(&waiter);
	if (waiter.watch >= 0)
		(void)close(waiter.watch);
	return r;
}
