/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How far the work on one mirror is, in one line. Pure: numbers in, text out. */

#include <stddef.h>
#include <stdint.h>

#include "lib/fatespsync.h"

enum {
	PROGRESS_LINE_MAX = 1024, /* bytes of a line with its NUL */
	PROGRESS_FIGURES = 60,    /* columns that what stands behind the name takes, with blanks */
};

struct progress_figures {
	const char *name; /* of the mirror, as text_put() prints it */
	enum fes_progress_phase phase;
	uint64_t done, total;  /* bytes; total is 0 when it is not known */
	uint64_t elapsed_ms;   /* since the phase began */
};

const char *progress_phase_word(enum fes_progress_phase phase);

/*
 * Columns of @text, which is UTF-8, at most: what may be wide counts as wide, so that a line of them
 * never wraps.
 */
size_t progress_columns(const char *text);

/*
 * For a terminal: at most @columns wide, the name in @name_columns, cut in the middle if it is longer.
 * What does not fit behind it is left out whole, from the end on.
 */
void progress_line_draw(const struct progress_figures *figures, size_t name_columns, size_t columns,
	char ret[PROGRESS_LINE_MAX]);

/* For a log: as it is now; and when the phase has ended. */
void progress_line_tell(const struct progress_figures *figures, char ret[PROGRESS_LINE_MAX]);
void progress_line_tell_end(const struct progress_figures *figures, char ret[PROGRESS_LINE_MAX]);
