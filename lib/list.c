/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/fat.h"

#include "lib/internal.h"
#include "lib/list.h"

/* ---- parts of lines ---- */

/* Some bytes of a line, which belong to somebody else. */
struct span {
	const char *at;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span skip(struct span span, size_t len)
{
	return (struct span){span.at + len, span.len - len};
}

static struct span trim(struct span span)
{
	while (span.len > 0 && is_blank(span.at[0]))
		span = skip(span, 1);
	while (span.len > 0 && is_blank(span.at[span.len - 1]))
		span.len--;
	return span;
}

static struct span without_line_end(struct span line)
{
	if (line.len > 0 && line.at[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static struct span without_comment(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.at[i] == '#' && (i == 0 || is_blank(line.at[i - 1])))
			line.len = i;
	return line;
}

static struct span first_word(struct span span)
{
	size_t len = 0;

	while (len < span.len && !is_blank(span.at[len]))
		len++;
	return (struct span){span.at, len};
}

static bool span_is(struct span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

/* ---- UUIDs ---- */

/* 'x' stands for a hex digit. GPT's, and what Linux makes of an MBR's signature and number. */
static const char *const uuid_forms[] = {"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "xxxxxxxx-xx"};

static bool has_form(struct span span, const char *form)
{
	if (span.len != strlen(form))
		return false;
	for (size_t i = 0; i < span.len; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)span.at[i]) : span.at[i] != form[i])
			return false;
	return true;
}

static bool is_uuid(struct span span)
{
	for (size_t i = 0; i < sizeof uuid_forms / sizeof *uuid_forms; i++)
		if (has_form(span, uuid_forms[i]))
			return true;
	return false;
}

static void make_lower(char *uuid)
{
	for (; *uuid; uuid++)
		*uuid = (char)tolower((unsigned char)*uuid);
}

bool fes_list_is_uuid(const char *text)
{
	return is_uuid((struct span){text, strlen(text)});
}

/* ---- lines ---- */

static void line_done(struct fes_list_line *line)
{
	free(line->text);
	free(line->value);
}

/* Both are copied; a value of no bytes is none. */
static int line_init(struct fes_list_line *line, enum fes_list_kind kind, struct span text,
	struct span value)
{
	*line = (struct fes_list_line){
		.kind = kind,
		.text = strndup(text.at, text.len),
		.value = value.len > 0 ? strndup(value.at, value.len) : NULL,
	};
	if (!line->text || (value.len > 0 && !line->value)) {
		line_done(line);
		return -ENOMEM;
	}
	if (kind == FES_LIST_UUID)
		make_lower(line->value);
	return 0;
}

/* Make room for one more line and put @line, which is owned from success on, at @index. */
static int insert_line(struct fes_list *list, size_t index, const struct fes_list_line *line)
{
	struct fes_list_line *more = realloc(list->lines, (list->n + 1) * sizeof *more);

	if (!more)
		return -ENOMEM;
	memmove(more + index + 1, more + index, (list->n - index) * sizeof *more);
	more[index] = *line;
	list->lines = more;
	list->n++;
	return 0;
}

static struct fes_list_line *find_uuid(const struct fes_list *list, const char *uuid)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->lines[i].kind == FES_LIST_UUID &&
			strcasecmp(list->lines[i].value, uuid) == 0)
			return &list->lines[i];
	return NULL;
}

void fes_list_done(struct fes_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		line_done(&list->lines[i]);
	free(list->lines);
	*list = (struct fes_list){0};
}

bool fes_list_has(const struct fes_list *list, const char *uuid)
{
	return find_uuid(list, uuid) != NULL;
}

size_t fes_list_count_uuids(const struct fes_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += list->lines[i].kind == FES_LIST_UUID;
	return n;
}

/* ---- parsing ---- */

struct parser {
	void (*report)(void *userdata, const char *message);
	void *userdata;
	struct fes_list list; /* the lines so far */
};

enum { SHOWN_MAX = 100 }; /* bytes of a word in a message */

__attribute__((format(printf, 2, 3))) static int refuse(const struct parser *parser,
	const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	fat_log_sanitize(message);
	parser->report(parser->userdata, message);
	return -EBADMSG;
}

/* The same for the line in hand. */
static int refuse_line(const struct parser *parser, const char *what, struct span word)
{
	int shown = word.len > SHOWN_MAX ? fes_log_measure(word.at, SHOWN_MAX) : (int)word.len;

	return refuse(parser, "line %zu: '%.*s%s' %s", parser->list.n + 1, shown, word.at,
		word.len > SHOWN_MAX ? "..." : "", what);
}

static int parse_uuid(const struct parser *parser, struct span text, struct span value,
	struct fes_list_line *ret)
{
	const struct fes_list_line *twin;
	struct fes_list_line line;
	int r = line_init(&line, FES_LIST_UUID, text, value);

	if (r < 0)
		return r;
	twin = find_uuid(&parser->list, line.value);
	if (twin) {
		r = refuse(parser, "line %zu: %s stands on line %zu already",
			parser->list.n + 1, line.value, (size_t)(twin - parser->list.lines) + 1);
		line_done(&line);
		return r;
	}
	*ret = line;
	return 0;
}

static int parse_path(const struct parser *parser, enum fes_list_kind kind, struct span text,
	struct span word, struct span value, struct fes_list_line *ret)
{
	struct fes_list_line line;
	int r;

	if (value.len == 0)
		return refuse_line(parser, "needs a path behind it", word);
	r = line_init(&line, kind, text, value);
	if (r < 0)
		return r;
	if (!fes_path_is_valid(line.value)) {
		line_done(&line);
		return refuse_line(parser,
			"is no path below the root: it must begin with '/' and hold no '.' or '..'",
			value);
	}
	*ret = line;
	return 0;
}

static int parse_line(const struct parser *parser, struct span text, struct fes_list_line *ret)
{
	struct span all = trim(without_comment(without_line_end(text)));
	struct span word = first_word(all), rest = trim(skip(all, word.len));

	if (word.len == 0)
		return line_init(ret, FES_LIST_TEXT, text, word);
	if (span_is(word, "manage"))
		return parse_path(parser, FES_LIST_MANAGE, text, word, rest, ret);
	if (span_is(word, "exclude"))
		return parse_path(parser, FES_LIST_EXCLUDE, text, word, rest, ret);
	if (!is_uuid(word))
		return refuse_line(parser, "is no partition UUID, 'manage' or 'exclude'", word);
	if (rest.len > 0)
		return refuse_line(parser, "behind the UUID is no comment, which begins with '#'",
			rest);
	return parse_uuid(parser, text, word, ret);
}

/* From the beginning of @text up to and with its first line end. */
static struct span first_line(struct span text)
{
	const char *end = memchr(text.at, '\n', text.len);

	return (struct span){text.at, end ? (size_t)(end - text.at) + 1 : text.len};
}

static size_t count_lines(struct span text)
{
	size_t n = 0;

	for (; text.len > 0; n++)
		text = skip(text, first_line(text).len);
	return n;
}

static int parse_lines(struct parser *parser, struct span text)
{
	struct fes_list *list = &parser->list;
	size_t n = count_lines(text);

	list->lines = n > 0 ? calloc(n, sizeof *list->lines) : NULL;
	if (n > 0 && !list->lines)
		return -ENOMEM;
	while (list->n < n) {
		struct span line = first_line(text);
		int r = parse_line(parser, line, &list->lines[list->n]);

		if (r < 0)
			return r;
		list->n++;
		text = skip(text, line.len);
	}
	return 0;
}

/* What an editor may have made of the text as a whole; word by word it would be a riddle. */
static int check_text(const struct parser *parser, struct span text)
{
	if (text.len > FES_LIST_MAX)
		return refuse(parser, "%zu bytes are too many for a list, which has %d at most",
			text.len, FES_LIST_MAX);
	if (text.len > 0 && memchr(text.at, '\0', text.len))
		return refuse(parser, "holds NUL bytes, like UTF-16; it must be UTF-8 or ASCII");
	if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
		return refuse(parser, "line 1: begins with a byte order mark; save it without");
	return 0;
}

int fes_list_parse(const char *text, size_t len,
	void (*report)(void *userdata, const char *message), void *userdata, struct fes_list *ret)
{
	struct parser parser = {.report = report, .userdata = userdata};
	struct span all = {text, len};
	int r = check_text(&parser, all);

	if (r == 0)
		r = parse_lines(&parser, all);
	if (r < 0) {
		fes_list_done(&parser.list);
		return r;
	}
	*ret = parser.list;
	return 0;
}

/* ---- changing ---- */

static size_t text_len(const struct fes_list *list)
{
	size_t len = 0;

	for (size_t i = 0; i < list->n; i++)
		len += strlen(list->lines[i].text);
	return len;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Of the first line that has one. */
static const char *usual_line_end(const struct fes_list *list)
{
	return list->n > 0 && ends_with(list->lines[0].text, "\r\n") ? "\r\n" : "\n";
}

/* What @line, the last one, lacks to be followed by another. */
static const char *missing_line_end(const struct fes_list_line *line, const char *usual)
{
	if (ends_with(line->text, "\n"))
		return "";
	return ends_with(line->text, "\r") ? "\n" : usual;
}

/* Behind the last UUID, or behind everything. */
static size_t place_for_uuid(const struct fes_list *list)
{
	for (size_t i = list->n; i > 0; i--)
		if (list->lines[i - 1].kind == FES_LIST_UUID)
			return i;
	return list->n;
}

/* @text becomes that of @line, which keeps it. */
static void set_text(struct fes_list_line *line, char *text)
{
	free(line->text);
	line->text = text;
}

static int new_uuid_line(const char *uuid, const char *line_end, struct fes_list_line *ret)
{
	char text[FES_LIST_UUID_MAX + 2];
	int len = snprintf(text, sizeof text, "%s%s", uuid, line_end);

	make_lower(text);
	return line_init(ret, FES_LIST_UUID, (struct span){text, (size_t)len},
		(struct span){text, strlen(uuid)});
}

/* Put @line at @index; the one before it gets the line end that it @lacks. */
static int put_line(struct fes_list *list, size_t index, const char *lacks,
	const struct fes_list_line *line)
{
	char *before = NULL;
	int r;

	if (*lacks && asprintf(&before, "%s%s", list->lines[index - 1].text, lacks) < 0)
		return -ENOMEM;
	r = insert_line(list, index, line);
	if (r < 0)
		free(before);
	else if (before)
		set_text(&list->lines[index - 1], before);
	return r;
}

int fes_list_add(struct fes_list *list, const char *uuid)
{
	const char *line_end = usual_line_end(list), *lacks = "";
	size_t index = place_for_uuid(list);
	struct fes_list_line line;
	int r;

	if (!fes_list_is_uuid(uuid))
		return -EINVAL;
	if (fes_list_has(list, uuid))
		return -EEXIST;
	if (index > 0)
		lacks = missing_line_end(&list->lines[index - 1], line_end);
	if (text_len(list) + strlen(lacks) + strlen(uuid) + strlen(line_end) > FES_LIST_MAX)
		return -EFBIG;
	r = new_uuid_line(uuid, line_end, &line);
	if (r < 0)
		return r;
	r = put_line(list, index, lacks, &line);
	if (r < 0)
		line_done(&line);
	return r;
}

int fes_list_remove(struct fes_list *list, const char *uuid)
{
	struct fes_list_line *line = find_uuid(list, uuid);

	if (!line)
		return -ENOENT;
	line_done(line);
	list->n--;
	memmove(line, line + 1, (size_t)(list->lines + list->n - line) * sizeof *line);
	return 0;
}

/* The text of @line with @uuid in the place of its own. */
static char *text_with_uuid(const struct fes_list_line *line, const char *uuid)
{
	size_t before = strspn(line->text, " \t");
	const char *behind = line->text + before + strlen(line->value);
	char *text;

	if (asprintf(&text, "%.*s%s%s", (int)before, line->text, uuid, behind) < 0)
		return NULL;
	return text;
}

int fes_list_replace(struct fes_list *list, const char *old, const char *new)
{
	struct fes_list_line *line = find_uuid(list, old);
	char *value, *text;

	if (!fes_list_is_uuid(new))
		return -EINVAL;
	if (!line)
		return -ENOENT;
	if (fes_list_has(list, new))
		return -EEXIST;
	if (text_len(list) - strlen(line->value) + strlen(new) > FES_LIST_MAX)
		return -EFBIG;
	value = strdup(new);
	if (!value)
		return -ENOMEM;
	make_lower(value);
	text = text_with_uuid(line, value);
	if (!text) {
		free(value);
		return -ENOMEM;
	}
	free(line->value);
	line->value = value;
	set_text(line, text);
	return 0;
}

int fes_list_format(const struct fes_list *list, char **ret, size_t *ret_len)
{
	char *text = malloc(text_len(list) + 1), *at = text;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++)
		at = stpcpy(at, list->lines[i].text);
	*at = '\0';
	*ret = text;
	*ret_len = (size_t)(at - text);
	return 0;
}
