/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of the terminal behind a descriptor. */

#include <stdbool.h>

struct terminal_size {
	unsigned columns;
	unsigned rows;
};

/* Whether @term ($TERM, NULL: not set) says that it can do no more than print. */
bool terminal_is_dumb(const char *term);

/* As it is now: windows change. 80 columns and 24 rows where it does not say. */
struct terminal_size terminal_get_size(int fd);

/* Whether it is not ours at the moment, because a shell runs us in the background. */
bool terminal_is_taken(int fd);
