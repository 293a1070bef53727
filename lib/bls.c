/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fat/fat.h"

#include "lib/bls.h"
#include "lib/paths.h"

/*
 * Lines are split and trimmed as systemd-boot does it (systemd, src/boot/efi-string.c,
 * line_get_key_value()): it drops quotes around a value, takes CR for the end of a line and has '#'
 * behind blanks for a comment. Keys are taken in any case, more than it does: a file too many that
 * is kept is better than one too few. It stops at a NUL, where bootctl goes on with a new line.
 */

struct text {
	const char *start;
	size_t len;
};

struct key {
	const char *name;
	bool several; /* its value can be read as several paths */
};

static const struct key keys[] = {
	{"linux", false},
	{"initrd", true},
	{"efi", false},
	{"uki", false},
	{"devicetree", false},
	{"devicetree-overlay", true},
	{"extra", true},
};

/* ---- text ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_line_end(char c)
{
	return c == '\n' || c == '\r' || c == '\0';
}

static struct text skip(struct text text, size_t n)
{
	return (struct text){text.start + n, text.len - n};
}

static size_t measure_blanks(struct text text)
{
	size_t n = 0;

	while (n < text.len && is_blank(text.start[n]))
		n++;
	return n;
}

static size_t measure_word(struct text text)
{
	size_t n = 0;

	while (n < text.len && !is_blank(text.start[n]))
		n++;
	return n;
}

static struct text trim(struct text text)
{
	text = skip(text, measure_blanks(text));
	while (text.len > 0 && is_blank(text.start[text.len - 1]))
		text.len--;
	return text;
}

static struct text unquote(struct text text)
{
	char first = text.len > 1 ? *text.start : '\0';

	if ((first == '"' || first == '\'') && text.start[text.len - 1] == first)
		return trim((struct text){text.start + 1, text.len - 2});
	return text;
}

static struct text take_line(struct text *rest)
{
	struct text line = *rest;
	size_t n = 0;

	while (n < rest->len && !is_line_end(rest->start[n]))
		n++;
	line.len = n;
	if (n + 1 < rest->len && rest->start[n] == '\r' && rest->start[n + 1] == '\n')
		n++;
	*rest = skip(*rest, n < rest->len ? n + 1 : n);
	return trim(line);
}

static bool text_equal(struct text text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.start, word, text.len) == 0;
}

static char *copy_text(struct text text)
{
	return strndup(text.start, text.len);
}

/* ---- paths ---- */

static bool is_separator(char c)
{
	return c == '/' || c == '\\';
}

/*
 * Length in bytes of the UTF-8 character at @text, 0 if it is none. Surrogates, which a name on a
 * FAT volume can hold one by one, count as characters of three bytes (see struct fat_entry).
 */
static size_t measure_character(struct text text)
{
	uint8_t first = (uint8_t)*text.start;
	size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (n == 0 || n > text.len || first > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((uint8_t)text.start[i] & 0xc0) != 0x80)
			return 0;
	if (first == 0xe0 && (uint8_t)text.start[1] < 0xa0)
		return 0;
	if (first == 0xf0 && (uint8_t)text.start[1] < 0x90)
		return 0;
	if (first == 0xf4 && (uint8_t)text.start[1] >= 0x90)
		return 0;
	return n;
}

/* Microsoft FAT Specification 1.03, "Long File Names": no long name has these, nor controls. */
static bool is_forbidden(char c)
{
	return (uint8_t)c < 0x20 || strchr("\"*:<>?|", c);
}

/* Whether a long name can be @part: up to 255 units of UTF-16. */
static bool is_name(struct text part)
{
	size_t n_units = 0;

	while (part.len > 0) {
		size_t n = measure_character(part);

		if (n == 0 || is_forbidden(*part.start))
			return false;
		n_units += n == 4 ? 2 : 1;
		part = skip(part, n);
	}
	return n_units > 0 && n_units <= 255;
}

/*
 * The next part of a path. Dots at its end do not belong to a name (as above, "trailing periods are
 * ignored"), so that nothing is left of "." and "..".
 */
static struct text take_part(struct text *rest)
{
	struct text part;
	size_t n = 0;

	while (n < rest->len && is_separator(rest->start[n]))
		n++;
	*rest = skip(*rest, n);
	for (n = 0; n < rest->len && !is_separator(rest->start[n]);)
		n++;
	part = (struct text){rest->start, n};
	*rest = skip(*rest, n);
	while (part.len > 0 && part.start[part.len - 1] == '.')
		part.len--;
	return part;
}

/*
 * Write the path that @text means to @to, which has @text.len + 2 bytes. Returns how many were
 * written, with NUL, or 0 if it is none.
 */
static size_t normalise(struct text text, char *to)
{
	char *at = to;

	if (text.len == 0 || is_separator(text.start[text.len - 1]))
		return 0;
	for (unsigned n = 1; text.len > 0; n++) {
		struct text part = take_part(&text);

		if (!is_name(part) || n > FES_PATH_PARTS_MAX ||
			(size_t)(at - to) + 1 + part.len > FES_PATH_LEN_MAX)
			return 0;
		*at++ = '/';
		memcpy(at, part.start, part.len);
		at += part.len;
	}
	*at++ = '\0';
	return (size_t)(at - to);
}

static int read_whole(struct text value, char **ret)
{
	char *path = malloc(value.len + 2);

	if (!path)
		return -ENOMEM;
	if (normalise(value, path) == 0) {
		free(path);
		path = NULL;
	}
	*ret = path;
	return 0;
}

static size_t count_words(struct text text)
{
	size_t n = 0;

	for (text = trim(text); text.len > 0; text = trim(skip(text, measure_word(text))))
		n++;
	return n;
}

/* The paths stand in one piece of memory with the array of them, whose first element owns both. */
static int read_parts(struct text value, struct fes_bls_line *line)
{
	size_t n_words = count_words(value), n = 0;
	char **parts, *at;

	if (n_words < 2)
		return 0;
	parts = malloc(n_words * (sizeof *parts + 2) + value.len);
	if (!parts)
		return -ENOMEM;
	at = (char *)(parts + n_words);
	for (struct text rest = trim(value); rest.len > 0; n++) {
		size_t len = measure_word(rest);
		size_t written = normalise((struct text){rest.start, len}, at);

		if (written == 0) {
			free(parts);
			return 0;
		}
		parts[n] = at;
		at += written;
		rest = trim(skip(rest, len));
	}
	line->parts = parts;
	line->n_parts = n_words;
	return 0;
}

/* ---- lines ---- */

static const struct key *find_key(struct text word)
{
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (text_equal(word, keys[i].name))
			return &keys[i];
	return NULL;
}

static void free_line(struct fes_bls_line *line)
{
	free(line->value);
	free(line->whole);
	free(line->parts);
}

static int fill_line(const struct key *key, struct text value, unsigned number,
	struct fes_bls_line *ret)
{
	struct fes_bls_line line = {.key = key->name, .number = number};
	int r;

	line.value = copy_text(value);
	r = line.value ? read_whole(value, &line.whole) : -ENOMEM;
	if (r == 0 && key->several)
		r = read_parts(value, &line);
	if (r < 0) {
		free_line(&line);
		return r;
	}
	*ret = line;
	return 0;
}

/* Room for one more line: the array doubles. */
static int make_room(struct fes_bls *bls)
{
	struct fes_bls_line *lines;

	if (bls->n_lines & (bls->n_lines - 1))
		return 0;
	lines = reallocarray(bls->lines, bls->n_lines ? bls->n_lines * 2 : 1, sizeof *lines);
	if (!lines)
		return -ENOMEM;
	bls->lines = lines;
	return 0;
}

static int add_line(struct fes_bls *bls, struct text line, unsigned number)
{
	struct text word = {line.start, measure_word(line)};
	struct text value = unquote(trim(skip(line, word.len)));
	const struct key *key = find_key(word);
	int r;

	if (value.len > 0 && text_equal(word, "uki-url"))
		bls->has_url = true;
	if (!key || value.len == 0)
		return 0;
	r = make_room(bls);
	if (r == 0)
		r = fill_line(key, value, number, &bls->lines[bls->n_lines]);
	if (r == 0)
		bls->n_lines++;
	return r;
}

int fes_bls_parse(const char *text, size_t len, struct fes_bls *ret)
{
	struct text rest = {text, len};
	struct fes_bls bls = {0};

	for (unsigned number = 1; rest.len > 0; number++) {
		int r = add_line(&bls, take_line(&rest), number);

		if (r < 0) {
			fes_bls_done(&bls);
			return r;
		}
	}
	*ret = bls;
	return 0;
}

void fes_bls_done(struct fes_bls *bls)
{
	for (size_t i = 0; i < bls->n_lines; i++)
		free_line(&bls->lines[i]);
	free(bls->lines);
	*bls = (struct fes_bls){0};
}

/* ---- names ---- */

static bool has_ending(const char *name, const char *ending)
{
	size_t len = strlen(name), n = strlen(ending);

	return len >= n && strcasecmp(name + len - n, ending) == 0;
}

/* Behind the number at @at; NULL if there is none, or one that is no counter for boot loaders. */
static const char *pass_number(const char *at)
{
	const char *start = at;
	uint64_t number = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		number = number * 10 + (uint64_t)(*at - '0');
		if (number > INT_MAX)
			return NULL;
	}
	return at > start ? at : NULL;
}

/* The ending behind the counter that begins at @plus; NULL if that is none. */
static const char *pass_counter(const char *plus)
{
	const char *at = pass_number(plus + 1);

	if (at && *at == '-')
		at = pass_number(at + 1);
	if (!at || (strcasecmp(at, ".conf") != 0 && strcasecmp(at, ".efi") != 0))
		return NULL;
	return at;
}

char *fes_bls_companion(const char *path)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash + 1 - path) : 0;
	char identity[FAT_NAME_MAX], *companion;

	(void)fes_bls_identity(path + dir_len, identity);
	return asprintf(&companion, "%.*s%s.extra.d", dir_len, path, identity) < 0 ? NULL : companion;
}

bool fes_bls_identity(const char *name, char *ret)
{
	const char *plus = strrchr(name, '+'), *ending = NULL;
	char stripped[FAT_NAME_MAX];
	size_t len = plus ? (size_t)(plus - name) : 0;

	if (len > 0 && len < sizeof stripped)
		ending = pass_counter(plus);
	if (!ending || strlen(ending) >= sizeof stripped - len) {
		(void)fat_name_fold(name, ret);
		return false;
	}
	memcpy(stripped, name, len);
	memcpy(stripped + len, ending, strlen(ending) + 1);
	(void)fat_name_fold(stripped, ret);
	return true;
}

bool fes_bls_is_bad(const char *name)
{
	const char *plus = strrchr(name, '+'), *at;

	if (!plus || plus == name || !pass_counter(plus))
		return false;
	at = plus + 1 + strspn(plus + 1, "0");
	return *at < '0' || *at > '9';
}

static bool is_hidden(const char *name)
{
	return name[0] == '.' || strncasecmp(name, "auto-", 5) == 0;
}

bool fes_bls_is_entry_name(const char *name)
{
	return !is_hidden(name) && has_ending(name, ".conf");
}

bool fes_bls_is_image_name(const char *name)
{
	return !is_hidden(name) && has_ending(name, ".efi");
}

bool fes_bls_is_program(const struct fes_bls_line *line)
{
	return strcmp(line->key, "linux") == 0 || strcmp(line->key, "uki") == 0 ||
		strcmp(line->key, "efi") == 0;
}

bool fes_bls_is_initrd(const struct fes_bls_line *line)
{
	return strcmp(line->key, "initrd") == 0;
}

bool fes_bls_starts_system(const struct fes_bls *bls)
{
	for (size_t i = 0; i < bls->n_lines; i++)
		if (fes_bls_is_program(&bls->lines[i]) && strcmp(bls->lines[i].key, "efi") != 0)
			return true;
	return bls->has_url;
}
