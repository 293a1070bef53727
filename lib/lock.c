/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/internal.h"

/*
 * flock() on whole-disk nodes, as systemd's "Locking Block Device Access" asks for, and on image
 * files. A file locked twice by one process through two descriptors would be in its own way, so
 * requests are sorted and merged first.
 *
 * A run that needs several locks only ever tries them, and holds none while it waits to try
 * again: so two runs cannot wait for each other, whatever they need.
 */

enum { PAUSE_MS = 50 };

struct target {
	struct fes_lock_request *request;
	dev_t device;
	ino_t inode;
};

static int by_identity(const void *a, const void *b)
{
	const struct target *ta = a, *tb = b;

	if (ta->device != tb->device)
		return ta->device < tb->device ? -1 : 1;
	return ta->inode < tb->inode ? -1 : ta->inode > tb->inode;
}

void fes_lock_pause(unsigned *left_ms)
{
	unsigned ms = *left_ms < PAUSE_MS ? *left_ms : PAUSE_MS;
	struct timespec time = {.tv_nsec = (long)ms * 1000000};

	(void)nanosleep(&time, NULL); /* woken early, we only ask once more often */
	*left_ms -= ms;
}

int fes_lock_wait(struct fes_context *context, const char *path, bool exclusive)
{
	unsigned left_ms = fes_lock_patience(context);
	int r = fes_poll(context);

	while (r == 0) {
		int fd = blkdev_lock_path(path, exclusive);

		if (fd != -EAGAIN || left_ms == 0)
			return fd;
		fes_lock_pause(&left_ms);
		r = fes_poll(context);
	}
	return r;
}

static void describe_holder(const char *path, char *ret, size_t len)
{
	long holder = fes_lock_find_holder(path);

	if (holder > 0)
		(void)snprintf(ret, len, "process %ld", holder);
	else
		(void)snprintf(ret, len, "another run (or udev)");
}

static void report(struct fes_context *context, struct fes_lock_request *request)
{
	const char *path = request->spec->lock_path;
	char holder[64];

	if (request->result == -EAGAIN) {
		describe_holder(path, holder, sizeof holder);
		(void)snprintf(request->why, sizeof request->why,
			"%s holds the lock of %.256s, still after %u seconds: try again, or wait longer with --timeout",
			holder, path, context->timeout_seconds);
	} else {
		(void)snprintf(request->why, sizeof request->why, "%.256s cannot be locked: %s",
			path, strerror(-request->result));
	}
	fes_log(context, FES_LOG_ERROR, "%s: %s", request->spec->name, request->why);
}

static void identify(struct fes_context *context, struct fes_lock_request *request,
	struct target *targets, size_t *n)
{
	struct stat st;

	request->result = 0;
	if (!request->spec)
		return;
	if (stat(request->spec->lock_path, &st) < 0) {
		request->result = -errno;
		report(context, request);
		return;
	}
	targets[(*n)++] = (struct target){
		.request = request,
		.device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev,
		.inode = S_ISBLK(st.st_mode) ? 0 : st.st_ino,
	};
}

/* Lock the disk of targets[0..n), which are the same. */
static int try_one(const struct target *targets, size_t n)
{
	bool exclusive = false;

	for (size_t i = 0; i < n; i++)
		exclusive |= targets[i].request->exclusive;
	return blkdev_lock_path(targets[0].request->spec->lock_path, exclusive);
}

int fes_locks_try(struct fes_context *context, struct fes_lock_request *requests, size_t n,
	bool report_held, struct fes_locks *ret)
{
	struct target *targets = calloc(n, sizeof *targets);
	struct fes_locks locks = {.fds = calloc(n, sizeof *locks.fds)};
	size_t n_targets = 0, same;

	if (!targets || !locks.fds) {
		free(targets);
		free(locks.fds);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		identify(context, &requests[i], targets, &n_targets);
	qsort(targets, n_targets, sizeof *targets, by_identity);
	for (size_t i = 0; i < n_targets; i += same) {
		int fd;

		same = 1;
		while (i + same < n_targets && by_identity(&targets[i], &targets[i + same]) == 0)
			same++;
		fd = try_one(&targets[i], same);
		if (fd >= 0)
			locks.fds[locks.n++] = fd;
		for (size_t j = i; fd < 0 && j < i + same; j++) {
			targets[j].request->result = fd;
			if (report_held || fd != -EAGAIN)
				report(context, targets[j].request);
		}
	}
	free(targets);
	*ret = locks;
	return 0;
}

void fes_locks_done(struct fes_locks *locks)
{
	for (size_t i = 0; i < locks->n; i++)
		(void)close(locks->fds[i]);
	free(locks->fds);
	*locks = (struct fes_locks){0};
}
