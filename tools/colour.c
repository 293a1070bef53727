/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/colour.h"
#include "tools/terminal.h"
#include "tools/text.h"

/*
 * Sources: systemd(1), Environment, SYSTEMD_COLORS; systemd's src/basic/ansi-color.c of 2026, which
 * agrees with version 252 where that knows a value; no-color.org, but that there an empty NO_COLOR does
 * not count: systemd takes any.
 *
 *   SYSTEMD_COLORS  yes, 16, 256, 24bit: always. no: never. auto-16, auto-256, auto-24bit, anything
 *                   else: as if it were not set.
 *   NO_COLOR        set: never.
 *   else            on a terminal, unless TERM is "dumb" or not set.
 */

/* 1: always, 0: never, -1: it depends. */
static int parse_wish(const char *text)
{
	static const char *const numbers[] = {"16", "256", "24bit"};

	if (!text)
		return -1;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (strcmp(text, numbers[i]) == 0)
			return 1;
	return text_parse_boolean(text) < 0 ? -1 : text_parse_boolean(text);
}

bool colour_choose(const struct colour_wishes *wishes, bool terminal)
{
	int wish = parse_wish(wishes->systemd_colors);

	if (wish >= 0)
		return wish;
	if (wishes->no_color)
		return false;
	return terminal && !terminal_is_dumb(wishes->term);
}

bool colour_is_wanted(int fd)
{
	struct colour_wishes wishes = {
		.systemd_colors = getenv("SYSTEMD_COLORS"),
		.no_color = getenv("NO_COLOR"),
		.term = getenv("TERM"),
	};

	return colour_choose(&wishes, isatty(fd));
}

static const char *sequence_of(enum colour colour)
{
	switch (colour) {
	case COLOUR_GOOD:
		return "\033[32m"; /* green */
	case COLOUR_WARNING:
		return "\033[33m"; /* yellow */
	case COLOUR_BAD:
		return "\033[31m"; /* red */
	case COLOUR_HEADLINE:
		return "\033[1m"; /* bold */
	}
	return "";
}

void colour_begin(FILE *out, bool wanted, enum colour colour)
{
	if (wanted)
		fputs(sequence_of(colour), out);
}

void colour_end(FILE *out, bool wanted)
{
	if (wanted)
		fputs("\033[0m", out);
}
