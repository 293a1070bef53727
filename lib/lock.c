/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/internal.h"

/*
 * flock() on whole-disk nodes, as systemd's "Locking Block Device Access" asks for, and on image
 * files. A file locked twice by one process through two descriptors would wait for itself, so
 * requests are sorted and merged first.
 */

enum { SLICE_MS = 100 }; /* how long an interruption may go unnoticed */

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

int fes_lock_path(struct fes_context *context, const char *path, bool exclusive)
{
	unsigned left = context->timeout_seconds * 1000u;
	int r = fes_poll(context);

	while (r == 0) {
		unsigned slice = left < SLICE_MS ? left : SLICE_MS;
		int fd = blkdev_lock_path(path, exclusive, slice);

		if (fd != -EAGAIN || left == 0)
			return fd;
		left -= slice;
		r = fes_poll(context);
	}
	return r;
}

static void report(struct fes_context *context, const struct fes_lock_request *request)
{
	const char *name = request->spec->name;

	if (request->result == -ECANCELED)
		return; /* whoever interrupted knows */
	if (request->result == -EAGAIN)
		fes_log(context, FES_LOG_ERROR,
			"%s: another run (or udev) holds %s; waited %u seconds: try again, or wait longer with --timeout",
			name, request->spec->lock_path, context->timeout_seconds);
	else
		fes_log(context, FES_LOG_ERROR, "%s: %s cannot be locked: %s", name,
			request->spec->lock_path, strerror(-request->result));
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
static int take_one(struct fes_context *context, const struct target *targets, size_t n)
{
	bool exclusive = false;
	int fd;

	for (size_t i = 0; i < n; i++)
		exclusive |= targets[i].request->exclusive;
	fd = fes_lock_path(context, targets[0].request->spec->lock_path, exclusive);
	for (size_t i = 0; fd < 0 && i < n; i++) {
		targets[i].request->result = fd;
		report(context, targets[i].request);
	}
	return fd;
}

int fes_locks_take(struct fes_context *context, struct fes_lock_request *requests, size_t n,
	struct fes_locks *ret)
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
		fd = take_one(context, &targets[i], same);
		if (fd >= 0)
			locks.fds[locks.n++] = fd;
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
