/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Colours: whether, and which. They take no columns, and say nothing that the words do not say. */

#include <stdbool.h>
#include <stdio.h>

/* What the user wants, as in the environment; NULL: not set. */
struct colour_wishes {
	const char *systemd_colors; /* $SYSTEMD_COLORS */
	const char *no_color;       /* $NO_COLOR */
	const char *term;           /* $TERM */
};

/*
 * As systemd's programs decide: see colour.c. @terminal: whether that is what is printed to. How many
 * colours it has does not matter, we need the base ones only.
 */
bool colour_choose(const struct colour_wishes *wishes, bool terminal);

/* The same of a descriptor, with the wishes in the environment. */
bool colour_is_wanted(int fd);

enum colour {
	COLOUR_GOOD,
	COLOUR_WARNING,
	COLOUR_BAD,
	COLOUR_HEADLINE,
};

/* All that is printed in between has that colour. With @wanted false they do nothing. */
void colour_begin(FILE *out, bool wanted, enum colour colour);
void colour_end(FILE *out, bool wanted);
