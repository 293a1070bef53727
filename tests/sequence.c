/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "tests/sequence.h"

static const char *const op_names[N_OPS] = {
	[OP_ADD] = "add",
	[OP_SMALLER] = "replace by smaller",
	[OP_SAME_SIZE] = "replace by same size",
	[OP_LARGER] = "replace by larger",
	[OP_DELETE] = "delete",
	[OP_RENAME] = "rename",
	[OP_COUNT] = "count",
	[OP_MKDIR] = "mkdir",
	[OP_RMDIR] = "rmdir",
	[OP_GROW] = "grow",
	[OP_ENTRY] = "entry and payload",
};
static const char *const place_paths[N_PLACES] = {
	[PLACE_PAYLOAD] = "/EFI/Linux",
	[PLACE_LOADER] = "/loader/entries",
	[PLACE_MIXED] = "/mixed",
};

/* ---- a tree under construction ---- */

__attribute__((format(printf, 2, 3))) static const char *print(struct sequence_tree *tree,
	const char *format, ...)
{
	char *at = tree->text + tree->used;
	size_t room = sizeof tree->text - tree->used;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(at, room, format, args);
	va_end(args);
	cut_require(len >= 0 && (size_t)len < room, "room for texts");
	tree->used += (size_t)len + 1;
	return at;
}

static size_t find_file(const struct sequence_tree *tree, const char *path)
{
	for (size_t i = 0; i < tree->n; i++)
		if (strcmp(tree->files[i].path, path) == 0)
			return i;
	return tree->n;
}

static bool exists(const struct sequence_tree *tree, const char *path)
{
	size_t at = find_file(tree, path);

	return at < tree->n && tree->files[at].after;
}

/* Returns the file's index. */
static size_t put_file(struct sequence_tree *tree, const char *path, const char *spec)
{
	size_t at = find_file(tree, path);

	cut_require(at < SEQUENCE_FILES, "room for files");
	if (at == tree->n)
		tree->files[tree->n++] = (struct cut_file){.path = path};
	tree->files[at].after = spec;
	return at;
}

static void put_before(struct sequence_tree *tree, const char *path, const char *spec)
{
	tree->files[put_file(tree, path, spec)].before = spec;
}

/* ---- what is there before ---- */

static const char *count_path(struct sequence_tree *tree, enum sequence_place place, unsigned done)
{
	return print(tree, "%s/counts its boots+%u-%u.%s", place_paths[place], 3 - done, done,
		place == PLACE_LOADER ? "conf" : "efi");
}

static void put_place(struct sequence_tree *tree, enum sequence_place place)
{
	static const unsigned sizes[] = {900, 700, 1100};
	const char *path = place_paths[place];
	const char *counted = place == PLACE_LOADER ? "=linux /EFI/Linux/base.efi\n" : "600@9";

	for (unsigned i = 0; i < 3; i++)
		put_before(tree, print(tree, "%s/%s%u.bin", path, i == 2 ? "long name " : "file", i),
			print(tree, "%u@%u:%u", sizes[i], place * 10 + i, i));
	put_before(tree, count_path(tree, place, 0), counted);
	for (unsigned i = 0; i < 3; i++)
		put_before(tree, print(tree, "%s/old-%u.d/inner.bin", path, i),
			print(tree, "%u@%u", 100 + i, place * 10 + 5 + i));
}

static void put_base(struct sequence_tree *tree)
{
	tree->n = 0;
	tree->n_new = 0;
	tree->used = 0;
	memset(tree->subject, 0, sizeof tree->subject);
	put_before(tree, "/loader/loader.conf", "=timeout 3\n");
	put_before(tree, "/loader/entries/base.conf", "=linux /EFI/Linux/base.efi\n");
	put_before(tree, "/EFI/Linux/base.efi", "600@77");
	for (unsigned place = 0; place < N_PLACES; place++)
		put_place(tree, place);
}

/* ---- ops ---- */

/* The file worked on last, or the next one that is there; NULL when all are gone. */
static struct cut_file *subject(struct sequence_tree *tree, enum sequence_place place)
{
	if (tree->subject[place] > 0 && tree->files[tree->subject[place] - 1].after)
		return &tree->files[tree->subject[place] - 1];
	for (unsigned i = 0; i < 3; i++) {
		const char *path = print(tree, "%s/%s%u.bin", place_paths[place],
			i == 2 ? "long name " : "file", i);

		if (!exists(tree, path))
			continue;
		tree->subject[place] = find_file(tree, path) + 1;
		return &tree->files[tree->subject[place] - 1];
	}
	return NULL;
}

static void add(struct sequence_tree *tree, enum sequence_place place)
{
	unsigned n = tree->n_new++;

	tree->subject[place] = 1 + put_file(tree,
		print(tree, "%s/added as number %u.bin", place_paths[place], n),
		print(tree, "%u@%u", 800 + n, 100 + n));
}

/* Times stay, so that only contents tell. */
static void replace(struct sequence_tree *tree, enum sequence_place place, int clusters)
{
	struct cut_file *file = subject(tree, place);
	unsigned size, seed, day;
	int n;

	if (!file)
		return;
	n = sscanf(file->after, "%u@%u:%u", &size, &seed, &day);
	cut_require(n >= 2, "a size");
	if (n == 2)
		day = seed;
	size = clusters < 0 ? size / 3 : size + (unsigned)clusters * 512;
	file->after = print(tree, "%u@%u:%u", size, seed + 500, day);
}

static void delete(struct sequence_tree *tree, enum sequence_place place)
{
	struct cut_file *file = subject(tree, place);

	if (file)
		file->after = NULL;
	tree->subject[place] = 0;
}

static void rename_file(struct sequence_tree *tree, enum sequence_place place)
{
	struct cut_file *file = subject(tree, place);
	const char *spec;

	if (!file)
		return;
	spec = file->after;
	file->after = NULL;
	tree->subject[place] = 1 + put_file(tree,
		print(tree, "%s/renamed as number %u.bin", place_paths[place], tree->n_new++), spec);
}

static void count(struct sequence_tree *tree, enum sequence_place place)
{
	for (unsigned done = 0; done < 3; done++) {
		size_t at = find_file(tree, count_path(tree, place, done));
		const char *spec = at < tree->n ? tree->files[at].after : NULL;

		if (!spec)
			continue;
		tree->files[at].after = NULL;
		(void)put_file(tree, count_path(tree, place, done + 1), spec);
		return;
	}
}

static void make_directory(struct sequence_tree *tree, enum sequence_place place)
{
	unsigned n = tree->n_new++;

	(void)put_file(tree, print(tree, "%s/new-%u.d/inner.bin", place_paths[place], n),
		print(tree, "%u@%u", 600 + n, 200 + n));
}

/* What was made last, else what was there before. */
static void remove_directory(struct sequence_tree *tree, enum sequence_place place)
{
	const char *path;

	for (unsigned n = tree->n_new; n-- > 0;) {
		path = print(tree, "%s/new-%u.d/inner.bin", place_paths[place], n);
		if (!exists(tree, path))
			continue;
		tree->files[find_file(tree, path)].after = NULL;
		return;
	}
	for (unsigned n = 0; n < 3; n++) {
		path = print(tree, "%s/old-%u.d/inner.bin", place_paths[place], n);
		if (!exists(tree, path))
			continue;
		tree->files[find_file(tree, path)].after = NULL;
		return;
	}
}

static void grow(struct sequence_tree *tree, enum sequence_place place, unsigned n_files)
{
	unsigned n = tree->n_new++;

	for (unsigned i = 0; i < n_files; i++)
		(void)put_file(tree, print(tree, "%s/g%u-%03u.bin", place_paths[place], n, i),
			"0@1");
}

static void add_entry(struct sequence_tree *tree, enum sequence_place place)
{
	unsigned n = tree->n_new++;
	const char *payload = print(tree, "%s/payload-%u.efi", place_paths[place], n);

	(void)put_file(tree, payload, print(tree, "%u@%u", 700 + n, 300 + n));
	(void)put_file(tree, print(tree, "/loader/entries/new-%u.conf", n),
		print(tree, "=linux %s\n", payload));
}

static void apply(struct sequence_tree *tree, enum sequence_op op, enum sequence_place place,
	unsigned grow_by)
{
	switch (op) {
	case OP_ADD:
		add(tree, place);
		break;
	case OP_SMALLER:
		replace(tree, place, -1);
		break;
	case OP_SAME_SIZE:
		replace(tree, place, 0);
		break;
	case OP_LARGER:
		replace(tree, place, 2);
		break;
	case OP_DELETE:
		delete(tree, place);
		break;
	case OP_RENAME:
		rename_file(tree, place);
		break;
	case OP_COUNT:
		count(tree, place);
		break;
	case OP_MKDIR:
		make_directory(tree, place);
		break;
	case OP_RMDIR:
		remove_directory(tree, place);
		break;
	case OP_GROW:
		grow(tree, place, grow_by);
		break;
	case OP_ENTRY:
		add_entry(tree, place);
		break;
	case N_OPS:
		break;
	}
}

void sequence_apply(const struct sequence *sequence, unsigned grow_by, struct sequence_tree *ret)
{
	put_base(ret);
	for (size_t i = 0; i < sequence->n; i++)
		apply(ret, sequence->ops[i], sequence->places[i], grow_by);
	ret->files[ret->n] = (struct cut_file){0};
}

uint64_t sequence_tree_hash(const struct sequence_tree *tree)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < tree->n; i++) {
		const struct cut_file *file = &tree->files[i];

		if (file->after)
			hash += XXH3_64bits_withSeed(file->after, strlen(file->after),
				XXH3_64bits(file->path, strlen(file->path)));
	}
	return hash;
}

void sequence_describe(const struct sequence *sequence, char *text, size_t len)
{
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < sequence->n && used < len; i++)
		used += (size_t)snprintf(text + used, len - used, "%s%s in %s", i > 0 ? ", " : "",
			op_names[sequence->ops[i]], place_paths[sequence->places[i]]);
}
