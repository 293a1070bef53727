/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells people how far a sync is, on stderr: on a terminal a line for each mirror that is drawn again
 * and again in its place, and elsewhere whole lines.
 *
 * Drawing has a thread of its own, so that the time goes on while a disk does nothing. The cursor is
 * left below the lines, at the beginning of one: whatever ends the program, the next prompt has a line
 * of its own.
 */

#include <stdbool.h>

#include "lib/fatespsync.h"

enum progress_wish {
	PROGRESS_AUTO, /* on a terminal, if it takes long */
	PROGRESS_YES,
	PROGRESS_NO,
};

enum progress_mode {
	PROGRESS_OFF,
	PROGRESS_DRAWN,
	PROGRESS_TOLD,
};

/* What the mode depends on. */
struct progress_surroundings {
	enum progress_wish wish;
	bool err_terminal; /* stderr is one */
	bool out_terminal;
	bool dumb;
	bool quiet;
	bool json;
};

enum progress_mode progress_choose(const struct progress_surroundings *surroundings);

/* Whether to draw after so long. */
bool progress_is_due(enum progress_wish wish, uint64_t elapsed_ms);

struct progress;

/* *@ret is NULL for PROGRESS_OFF. Returns 0 or a negative errno: then there is none, either. */
int progress_start(enum progress_wish wish, enum progress_mode mode, struct progress **ret);

/* Tidy up, wait for the thread, and free it. NULL is fine. */
void progress_stop(struct progress *progress);

/* A fes_progress_fn; @userdata is a struct progress. */
void progress_note(void *userdata, const struct fes_mirror *mirror, enum fes_progress_phase phase,
	uint64_t done, uint64_t total);

/* Whatever else is printed on the terminal stands between these two. NULL is fine. */
void progress_give_way(struct progress *progress);
void progress_go_on(struct progress *progress);
