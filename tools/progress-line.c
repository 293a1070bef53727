/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/progress-line.h"
#include "tools/text.h"

enum {
	RATE_AFTER_MS = 500, /* what is measured in less time says nothing */
	LEFT_MAX = 100 * 3600, /* seconds; more is no forecast */
	COLUMNS_MAX = 240,
	NAME_MAX_BYTES = 2 * COLUMNS_MAX + 1, /* no character has more than two for a column */
	PART_MAX = 96, /* bytes */
};

const char *progress_phase_word(enum fes_progress_phase phase)
{
	switch (phase) {
	case FES_PROGRESS_WAIT:
		return "wait";
	case FES_PROGRESS_CHECK:
		return "check";
	case FES_PROGRESS_COMPARE:
		return "compare";
	case FES_PROGRESS_PRIMARY:
		return "primary";
	case FES_PROGRESS_COPY:
		return "copy";
	case FES_PROGRESS_FLUSH:
		return "flush";
	case FES_PROGRESS_VERIFY:
		return "verify";
	case FES_PROGRESS_COMMIT:
		return "commit";
	case FES_PROGRESS_DONE:
		return "done";
	}
	return "work";
}

/* ---- numbers ---- */

/* Bytes per second; 0: not known. */
static uint64_t rate_of(const struct progress_figures *f)
{
	if (f->elapsed_ms < RATE_AFTER_MS)
		return 0;
	if (f->done > UINT64_MAX / 1000)
		return f->done / (f->elapsed_ms / 1000 + 1);
	return f->done * 1000 / f->elapsed_ms;
}

/* Seconds, rounded up; 0: not known. */
static uint64_t left_of(const struct progress_figures *f)
{
	uint64_t rate = rate_of(f), left;

	if (rate == 0 || f->done >= f->total)
		return 0;
	left = (f->total - f->done - 1) / rate + 1;
	return left < LEFT_MAX ? left : 0;
}

/* 100 is all. */
static unsigned percent_of(const struct progress_figures *f)
{
	uint64_t percent;

	if (f->done >= f->total)
		return 100;
	percent = f->done > UINT64_MAX / 100 ? f->done / (f->total / 100) : f->done * 100 / f->total;
	return percent < 99 ? (unsigned)percent : 99;
}

static void format_seconds(uint64_t seconds, char ret[TEXT_SIZE_MAX])
{
	unsigned minutes = (unsigned)(seconds / 60 % 60), rest = (unsigned)(seconds % 60);

	if (seconds < 3600)
		snprintf(ret, TEXT_SIZE_MAX, "%u:%02u", minutes, rest);
	else
		snprintf(ret, TEXT_SIZE_MAX, "%" PRIu64 ":%02u:%02u", seconds / 3600, minutes, rest);
}

/* "60.1 MiB of 98.0 MiB"; without the latter when it is not known. */
static void format_bytes(const struct progress_figures *f, char ret[PART_MAX])
{
	char done[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX];

	text_format_size(f->done, done);
	text_format_size(f->total, total);
	snprintf(ret, PART_MAX, "%s%s%s", done, f->total > 0 ? " of " : "",
		f->total > 0 ? total : "");
}

/* ---- columns ---- */

static bool begins_character(char byte)
{
	return ((uint8_t)byte & 0xc0) != 0x80;
}

/* Nothing before U+0800 is wide. */
static size_t columns_at(const char *text)
{
	if (!begins_character(*text))
		return 0;
	return (uint8_t)*text >= 0xe0 ? 2 : 1;
}

size_t progress_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += columns_at(text);
	return columns;
}

/* Bytes of @text that fit into @columns, in whole characters. */
static size_t fitting(const char *text, size_t columns)
{
	size_t i, used = 0;

	for (i = 0; text[i]; i++) {
		used += columns_at(text + i);
		if (used > columns)
			break;
	}
	return i;
}

/* Where the last @columns of @text begin, at most. */
static const char *fitting_end(const char *text, size_t columns)
{
	const char *from = text + strlen(text);
	size_t used = 0;

	for (const char *at = from; at > text;) {
		at--;
		used += columns_at(at);
		if (used > columns)
			break;
		if (begins_character(*at))
			from = at;
	}
	return from;
}

/* @name in just @columns. The end of a path tells more than its beginning. */
static void put_name(const char *name, size_t columns, char ret[PROGRESS_LINE_MAX])
{
	static const char cut[] = "...";
	size_t room = columns > strlen(cut) ? columns - strlen(cut) : 0, len;

	if (progress_columns(name) <= columns || room == 0)
		snprintf(ret, NAME_MAX_BYTES, "%.*s", (int)fitting(name, columns), name);
	else
		snprintf(ret, NAME_MAX_BYTES, "%.*s%s%s", (int)fitting(name, room / 3), name, cut,
			fitting_end(name, room - room / 3));
	len = strlen(ret);
	for (size_t used = progress_columns(ret); used < columns; used++)
		ret[len++] = ' ';
	ret[len] = '\0';
}

/* ---- for a terminal ---- */

/* @part, in the place that it has in other lines, too, if there is room. Returns whether. */
static bool put_part(char line[PROGRESS_LINE_MAX], size_t columns, const char *part, int width)
{
	size_t len = strlen(line), room = PROGRESS_LINE_MAX - len;

	if (progress_columns(line) + 2 + strlen(part) > columns || room < PART_MAX)
		return false;
	snprintf(line + len, room, "  %-*s", width, part);
	return true;
}

static void cut_blanks(char *line)
{
	size_t len = strlen(line);

	while (len > 0 && line[len - 1] == ' ')
		line[--len] = '\0';
}

static bool put_elapsed(const struct progress_figures *f, size_t columns,
	char line[PROGRESS_LINE_MAX])
{
	char elapsed[TEXT_SIZE_MAX];

	format_seconds(f->elapsed_ms / 1000, elapsed);
	return f->elapsed_ms >= 1000 && put_part(line, columns, elapsed, 0);
}

static bool put_percent(const struct progress_figures *f, size_t columns,
	char line[PROGRESS_LINE_MAX])
{
	char part[PART_MAX];

	snprintf(part, sizeof part, "%3u%%", percent_of(f));
	return put_part(line, columns, part, 4);
}

static bool put_bytes(const struct progress_figures *f, size_t columns,
	char line[PROGRESS_LINE_MAX])
{
	char part[PART_MAX];

	format_bytes(f, part);
	return put_part(line, columns, part, 22);
}

static bool put_rate(const struct progress_figures *f, size_t columns, char line[PROGRESS_LINE_MAX])
{
	char rate[TEXT_SIZE_MAX], part[PART_MAX];

	if (rate_of(f) == 0)
		return false;
	text_format_size(rate_of(f), rate);
	snprintf(part, sizeof part, "%s/s", rate);
	return put_part(line, columns, part, 10);
}

static bool put_left(const struct progress_figures *f, size_t columns, char line[PROGRESS_LINE_MAX])
{
	char left[TEXT_SIZE_MAX], part[PART_MAX];

	if (left_of(f) == 0)
		return false;
	format_seconds(left_of(f), left);
	snprintf(part, sizeof part, "%s left", left);
	return put_part(line, columns, part, 0);
}

static void put_figures(const struct progress_figures *f, size_t columns,
	char line[PROGRESS_LINE_MAX])
{
	if (f->total == 0)
		(void)put_elapsed(f, columns, line);
	else if (put_percent(f, columns, line) && put_bytes(f, columns, line) &&
		put_rate(f, columns, line))
		(void)put_left(f, columns, line);
}

void progress_line_draw(const struct progress_figures *f, size_t name_columns, size_t columns,
	char ret[PROGRESS_LINE_MAX])
{
	if (columns > COLUMNS_MAX)
		columns = COLUMNS_MAX;
	put_name(f->name, name_columns < columns ? name_columns : columns, ret);
	if (put_part(ret, columns, progress_phase_word(f->phase), 7))
		put_figures(f, columns, ret);
	cut_blanks(ret);
}

/* ---- for a log ---- */

static int put_beginning(const struct progress_figures *f, char ret[PROGRESS_LINE_MAX])
{
	size_t columns = progress_columns(f->name);
	char name[PROGRESS_LINE_MAX];

	put_name(f->name, columns < COLUMNS_MAX ? columns : COLUMNS_MAX, name);
	return snprintf(ret, PROGRESS_LINE_MAX, "%s: %s: ", name, progress_phase_word(f->phase));
}

void progress_line_tell(const struct progress_figures *f, char ret[PROGRESS_LINE_MAX])
{
	char bytes[PART_MAX], rate[TEXT_SIZE_MAX], left[TEXT_SIZE_MAX];
	char *end = ret + put_beginning(f, ret);

	if (f->total == 0) {
		format_seconds(f->elapsed_ms / 1000, left);
		(void)sprintf(end, "for %s", left);
		return;
	}
	format_bytes(f, bytes);
	text_format_size(rate_of(f), rate);
	format_seconds(left_of(f), left);
	end += sprintf(end, "%s (%u%%)", bytes, percent_of(f));
	if (rate_of(f) > 0)
		end += sprintf(end, ", %s/s", rate);
	if (left_of(f) > 0)
		(void)sprintf(end, ", %s left", left);
}

void progress_line_tell_end(const struct progress_figures *f, char ret[PROGRESS_LINE_MAX])
{
	struct progress_figures through = *f;
	char bytes[PART_MAX], rate[TEXT_SIZE_MAX];
	char *end = ret + put_beginning(f, ret);

	if (f->done >= f->total)
		through.total = 0; /* one number says both */
	format_bytes(&through, bytes);
	text_format_size(rate_of(f), rate);
	end += sprintf(end, "%s in %" PRIu64 ".%" PRIu64 " s", f->total > 0 ? bytes : "done",
		f->elapsed_ms / 1000, f->elapsed_ms % 1000 / 100);
	if (rate_of(f) > 0 && f->total > 0)
		(void)sprintf(end, ", %s/s", rate);
}
