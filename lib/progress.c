/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <time.h>

#include "lib/internal.h"

enum { INTERVAL_MS = 100 };

static uint64_t now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_heard(const struct fes_progress *progress)
{
	return progress && progress->listener && progress->listener->fn;
}

static void tell(struct fes_progress *progress)
{
	const struct fes_listener *listener = progress->listener;

	progress->told_ms = now_ms();
	progress->told_done = progress->done;
	(void)pthread_mutex_lock(&listener->context->log_lock);
	listener->fn(listener->userdata, progress->mirror, progress->phase, progress->done,
		progress->total);
	(void)pthread_mutex_unlock(&listener->context->log_lock);
}

void fes_progress_attach(struct fes_progress *progress, const struct fes_listener *listener,
	const struct fes_mirror *mirror)
{
	if (!progress)
		return;
	progress->listener = listener;
	progress->mirror = mirror;
}

void fes_progress_begin(struct fes_progress *progress, enum fes_progress_phase phase,
	uint64_t total)
{
	if (!is_heard(progress))
		return;
	if (progress->phase == phase && progress->done == 0 && progress->total == total)
		return; /* that is known */
	if (progress->done != progress->told_done)
		tell(progress);
	progress->phase = phase;
	progress->done = 0;
	progress->total = total;
	tell(progress);
}

void fes_progress_add(struct fes_progress *progress, uint64_t bytes)
{
	if (!is_heard(progress))
		return;
	progress->done += bytes;
	if (progress->phase == FES_PROGRESS_COPY && progress->done == progress->total)
		fes_progress_begin(progress, FES_PROGRESS_FLUSH, 0);
	else if (now_ms() - progress->told_ms >= INTERVAL_MS)
		tell(progress);
}

void fes_progress_copy(struct fes_progress *progress, uint64_t total)
{
	if (!is_heard(progress))
		return;
	progress->to_copy = total;
	fes_progress_begin(progress, FES_PROGRESS_COPY, total);
}

void fes_progress_read_back(struct fes_progress *progress)
{
	if (is_heard(progress) && progress->phase != FES_PROGRESS_VERIFY)
		fes_progress_begin(progress, FES_PROGRESS_VERIFY, progress->to_copy);
}

void fes_progress_end(struct fes_progress *progress)
{
	if (is_heard(progress) && progress->phase != 0 && progress->phase != FES_PROGRESS_DONE)
		fes_progress_begin(progress, FES_PROGRESS_DONE, 0);
}
