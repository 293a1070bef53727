/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How far the work on a mirror is, and who is told: see fes_sync_set_progress(). Private to lib/. */

#include "lib/fatespsync.h"

/* Who is told, of all mirrors of a run. */
struct fes_listener {
	struct fes_context *context;
	fes_progress_fn fn; /* NULL: nobody */
	void *userdata;
};

/* Of one mirror. One thread's matter, and all zero as long as nobody listens. */
struct fes_progress {
	const struct fes_listener *listener;
	const struct fes_mirror *mirror;
	enum fes_progress_phase phase; /* 0: none yet */
	uint64_t done, total;          /* bytes */
	uint64_t to_copy;              /* bytes; as many are read back */
	uint64_t told_done;
	uint64_t told_ms; /* when */
};

/* In all of these @progress may be NULL. */

/* From now on changes of @progress are told to @listener, which is borrowed, as those of @mirror. */
void fes_progress_attach(struct fes_progress *progress, const struct fes_listener *listener,
	const struct fes_mirror *mirror);

/* The next phase, or the same anew. @total: bytes, 0: not known. */
void fes_progress_begin(struct fes_progress *progress, enum fes_progress_phase phase,
	uint64_t total);

/* So many bytes more are through. When all is copied that was to be, it is flushed. */
void fes_progress_add(struct fes_progress *progress, uint64_t bytes);

/* Copying begins; what is copied is being read back, if that is not known yet. */
void fes_progress_copy(struct fes_progress *progress, uint64_t total);
void fes_progress_read_back(struct fes_progress *progress);

/* If anything was told, then that this was all. */
void fes_progress_end(struct fes_progress *progress);
