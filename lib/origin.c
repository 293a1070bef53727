/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "lib/bls.h"
#include "lib/file.h"
#include "lib/origin.h"

/* ---- marks ---- */

/* Where boot counting renames what was started (UAPI.1 Boot Loader Specification, "Boot counting"). */
static bool have_counters(const char *dir)
{
	return fat_name_equal(dir, "/loader/entries") || fat_name_equal(dir, "/EFI/Linux");
}

/* From the file up to the root, so that no path is too long. */
static uint64_t hash_path(const struct fes_node *node)
{
	char identity[FAT_NAME_MAX];
	const char *name = node->key;
	uint64_t hash = 0;

	if (have_counters(node->parent->path)) {
		(void)fes_bls_identity(node->name, identity);
		name = identity;
	}
	for (; node->parent; node = node->parent, name = node->key)
		hash = XXH3_64bits_withSeed(name, strlen(name), hash);
	return hash;
}

static uint64_t add_slot(uint64_t hash, uint32_t size, const struct fat_short_slot *slot)
{
	struct {
		le32_t size;
		le16_t date, time;
	} rest = {le32_of(size), slot->write_date, slot->write_time};

	return XXH3_64bits_withSeed(&rest, sizeof rest, hash);
}

uint64_t fes_origin_mark(const struct fes_node *node)
{
	return add_slot(hash_path(node), node->size, fes_node_short(node));
}

static bool is_below_counters(const char *folded, size_t dir_len)
{
	char dir[sizeof "/loader/entries"];

	if (dir_len >= sizeof dir)
		return false;
	*(char *)mempcpy(dir, folded, dir_len) = '\0';
	return have_counters(dir);
}

/* Of the last part of a path. */
static uint64_t hash_name(const char *folded)
{
	const char *name = strrchr(folded, '/') + 1;
	char identity[FAT_NAME_MAX];

	if (is_below_counters(folded, (size_t)(name - folded) - 1)) {
		(void)fes_bls_identity(name, identity);
		name = identity;
	}
	return XXH3_64bits_withSeed(name, strlen(name), 0);
}

uint64_t fes_origin_mark_at(const char *folded, const struct fat_short_slot *slot)
{
	const char *end = strrchr(folded, '/');
	uint64_t hash = hash_name(folded);

	while (end > folded) {
		const char *slash = memrchr(folded, '/', (size_t)(end - folded));

		hash = XXH3_64bits_withSeed(slash + 1, (size_t)(end - slash - 1), hash);
		end = slash;
	}
	return add_slot(hash, le32_get(slot->size), slot);
}

static int by_number(const void *a, const void *b)
{
	uint64_t na = *(const uint64_t *)a, nb = *(const uint64_t *)b;

	return na < nb ? -1 : na > nb;
}

bool fes_origin_has(const struct fes_origin *origin, uint64_t mark)
{
	return origin->n_marks > 0 &&
		bsearch(&mark, origin->marks, origin->n_marks, sizeof mark, by_number);
}

size_t fes_origin_sort(uint64_t *marks, size_t n)
{
	size_t n_left = 0;

	if (n > 0)
		qsort(marks, n, sizeof *marks, by_number);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || marks[i] != marks[i - 1])
			marks[n_left++] = marks[i];
	return n_left;
}

/* ---- as text ---- */

static const char heading[] =
	"# fatespsync: what this ESP was made equal to, so that it is known what has come since\n";
static const char source_word[] = "source ", referred_word[] = "referred ";
static const char program_word[] = "program ", file_word[] = "file ", tree_word[] = "tree ";

enum {
	MARK_DIGITS = 16,
	FILE_LEN = sizeof file_word - 1 + MARK_DIGITS + 1,
	TREE_LEN = sizeof tree_word - 1 + (size_t)2 * MARK_DIGITS + 1, /* the last line */
};

static char *put_hex(char *at, uint64_t number)
{
	return at + sprintf(at, "%0*" PRIx64, MARK_DIGITS, number);
}

static char *put_tree(char *at, const char *text)
{
	XXH128_hash_t hash = XXH3_128bits(text, (size_t)(at - text));

	at = put_hex(stpcpy(at, tree_word), hash.high64);
	return stpcpy(put_hex(at, hash.low64), "\n");
}

static size_t paths_len(const struct fes_paths *paths, const char *word)
{
	size_t len = 0;

	for (size_t i = 0; i < paths->n; i++)
		len += strlen(word) + strlen(paths->list[i]) + 1;
	return len;
}

static char *put_paths(char *at, const struct fes_paths *paths, const char *word)
{
	for (size_t i = 0; i < paths->n; i++)
		at = stpcpy(stpcpy(stpcpy(at, word), paths->list[i]), "\n");
	return at;
}

char *fes_origin_print(const struct fes_origin *origin, size_t *ret_len)
{
	size_t room = sizeof heading + sizeof source_word + strlen(origin->source) +
		paths_len(&origin->referred, referred_word) +
		paths_len(&origin->programs, program_word) + origin->n_marks * FILE_LEN + TREE_LEN;
	char *text = malloc(room), *at = text;

	if (!text)
		return NULL;
	at = stpcpy(stpcpy(at, heading), source_word);
	at = stpcpy(stpcpy(at, origin->source), "\n");
	at = put_paths(at, &origin->referred, referred_word);
	at = put_paths(at, &origin->programs, program_word);
	for (size_t i = 0; i < origin->n_marks; i++)
		at = stpcpy(put_hex(stpcpy(at, file_word), origin->marks[i]), "\n");
	at = put_tree(at, text);
	*ret_len = (size_t)(at - text);
	return text;
}

/* What is left of a text, or a line of it. */
struct span {
	const char *at;
	size_t len;
};

/* The next line of @text, which is moved behind it. Lines end with LF, the last one, too. */
static bool next_line(struct span *text, struct span *ret)
{
	const char *end = text->len > 0 ? memchr(text->at, '\n', text->len) : NULL;

	if (!end)
		return false;
	*ret = (struct span){text->at, (size_t)(end - text->at)};
	text->len -= ret->len + 1;
	text->at = end + 1;
	return true;
}

/* Whether @line begins with @word; then it is moved behind it. */
static bool skip_word(struct span *line, const char *word)
{
	size_t len = strlen(word);

	if (line->len < len || memcmp(line->at, word, len) != 0)
		return false;
	line->at += len;
	line->len -= len;
	return true;
}

static bool parse_hex(struct span line, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t number = 0;

	if (line.len != MARK_DIGITS)
		return false;
	for (size_t i = 0; i < line.len; i++) {
		const char *digit = memchr(digits, line.at[i], sizeof digits - 1);

		if (!digit)
			return false;
		number = number << 4 | (uint64_t)(digit - digits);
	}
	*ret = number;
	return true;
}

/* It comes up in messages. */
static bool is_source(struct span line)
{
	if (line.len == 0 || line.len >= FES_ORIGIN_NAME_MAX)
		return false;
	for (size_t i = 0; i < line.len; i++)
		if (!isalnum((unsigned char)line.at[i]) && line.at[i] != '-')
			return false;
	return true;
}

static int take_source(struct span line, struct fes_origin *origin)
{
	if (origin->source || !is_source(line))
		return -EBADMSG;
	origin->source = strndup(line.at, line.len);
	return origin->source ? 0 : -ENOMEM;
}

static int take_mark(struct span line, struct fes_origin *origin)
{
	uint64_t mark;

	if (!parse_hex(line, &mark))
		return -EBADMSG;
	if (origin->n_marks > 0 && mark <= origin->marks[origin->n_marks - 1])
		return -EBADMSG;
	origin->marks[origin->n_marks++] = mark;
	return 0;
}

static int take_path(struct span line, struct fes_paths *paths)
{
	char *path = strndup(line.at, line.len);
	int r = path ? 0 : -ENOMEM;

	if (r == 0 && (strlen(path) != line.len || !fes_path_is_valid(path)))
		r = -EBADMSG;
	if (r == 0)
		r = fes_paths_add(paths, path);
	free(path);
	return r;
}

static int take_line(struct span line, struct fes_origin *origin)
{
	if (line.len == 0 || line.at[0] == '#')
		return 0;
	if (skip_word(&line, file_word))
		return take_mark(line, origin);
	if (skip_word(&line, referred_word))
		return take_path(line, &origin->referred);
	if (skip_word(&line, program_word))
		return take_path(line, &origin->programs);
	return skip_word(&line, source_word) ? take_source(line, origin) : -EBADMSG;
}

static bool is_whole(const char *text, size_t len)
{
	char tree[TREE_LEN + 1];
	XXH128_hash_t hash;

	if (len < TREE_LEN)
		return false;
	hash = XXH3_128bits(text, len - TREE_LEN);
	(void)stpcpy(put_hex(put_hex(stpcpy(tree, tree_word), hash.high64), hash.low64), "\n");
	return memcmp(text + len - TREE_LEN, tree, TREE_LEN) == 0;
}

static int parse_lines(struct span text, struct fes_origin *origin)
{
	struct span line;
	int r = 0;

	origin->marks = calloc(text.len / FILE_LEN + 1, sizeof *origin->marks);
	if (!origin->marks)
		return -ENOMEM;
	while (r == 0 && next_line(&text, &line))
		r = take_line(line, origin);
	if (r == 0 && (text.len > 0 || !origin->source))
		r = -EBADMSG;
	fes_paths_settle(&origin->referred);
	fes_paths_settle(&origin->programs);
	return r;
}

int fes_origin_parse(const char *text, size_t len, struct fes_origin *ret)
{
	struct fes_origin origin = {.known = true};
	int r;

	if (!is_whole(text, len))
		return -EBADMSG;
	r = parse_lines((struct span){text, len - TREE_LEN}, &origin);
	if (r < 0)
		fes_origin_done(&origin);
	else
		*ret = origin;
	return r;
}

void fes_origin_done(struct fes_origin *origin)
{
	free(origin->source);
	free(origin->marks);
	fes_paths_done(&origin->referred);
	fes_paths_done(&origin->programs);
	*origin = (struct fes_origin){0};
}

/* ---- on a volume ---- */

static int read_file(struct fes_volume *volume, const struct fat_entry *entry,
	struct fes_origin *ret)
{
	void *text = NULL;
	int64_t n = fes_file_load(volume, entry->first_cluster, entry->size, FES_ORIGIN_PATH, &text);
	int r = n < 0 ? (int)n : fes_origin_parse(text, (size_t)n, ret);

	free(text);
	return r;
}

static bool can_be_origin(const struct fat_entry *entry)
{
	return !fes_file_is_dir(entry) && entry->size <= FES_ORIGIN_MAX;
}

int fes_origin_read(struct fes_volume *volume, struct fes_origin *ret)
{
	struct fes_origin origin = {0};
	struct fat_entry entry;
	int r = fes_file_find(volume, FES_ORIGIN_PATH, &entry);

	if (r > 0)
		r = can_be_origin(&entry) ? read_file(volume, &entry, &origin) : -EBADMSG;
	if (r == -EBADMSG)
		fes_log(volume->context, FES_LOG_WARNING,
			"%s: %s: damaged: what this ESP was synced from is not known any more",
			volume->name, FES_ORIGIN_PATH);
	if (r < 0 && r != -EBADMSG)
		return r;
	*ret = origin;
	return 0;
}

void fes_origin_name_source(const struct fes_volume *volume, char ret[FES_ORIGIN_NAME_MAX])
{
	const char *name = volume->partuuid ? volume->partuuid : volume->serial;
	size_t len = strlen(name);

	if (!is_source((struct span){name, len})) {
		name = "-";
		len = 1;
	}
	for (size_t i = 0; i < len; i++)
		ret[i] = volume->partuuid ? (char)tolower((unsigned char)name[i]) : name[i];
	ret[len] = '\0';
}

bool fes_origin_names(const struct fes_origin *origin, const struct fes_volume *volume)
{
	char name[FES_ORIGIN_NAME_MAX];

	fes_origin_name_source(volume, name);
	return origin->known && strcmp(name, "-") != 0 && strcmp(origin->source, name) == 0;
}
