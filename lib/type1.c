/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/type1.h"

/* ---- reading ---- */

struct reader {
	struct fes_volume *volume;
	char *dir_path;
	uint64_t total; /* bytes of entries read so far */
	struct fes_type1s entries;
};

static int parse_file(struct reader *reader, const struct fat_entry *entry, struct fes_type1 *type1)
{
	void *text = NULL;
	int64_t n = fes_file_load(reader->volume, entry->first_cluster, entry->size, type1->path,
		&text);
	int r = n < 0 ? (int)n : fes_bls_parse(text, (size_t)n, &type1->bls);

	free(text);
	return r;
}

static int fill(struct reader *reader, const struct fat_entry *entry, struct fes_type1 *type1)
{
	if (asprintf(&type1->path, "%s/%s", reader->dir_path, entry->name) < 0) {
		type1->path = NULL;
		return -ENOMEM;
	}
	type1->name = type1->path + strlen(reader->dir_path) + 1;
	type1->slot = *fat_entry_short(entry);
	type1->unread = entry->size > FES_TYPE1_MAX ||
		reader->total + entry->size > FES_TYPE1_TOTAL_MAX;
	if (type1->unread)
		return 0;
	reader->total += entry->size;
	return parse_file(reader, entry, type1);
}

/* Room for one more entry: the array doubles. */
static int make_room(struct fes_type1s *entries)
{
	struct fes_type1 *list;

	if (entries->n & (entries->n - 1))
		return 0;
	list = reallocarray(entries->list, entries->n ? entries->n * 2 : 1, sizeof *list);
	if (!list)
		return -ENOMEM;
	entries->list = list;
	return 0;
}

static int add(struct reader *reader, const struct fat_entry *entry)
{
	struct fes_type1 *type1;
	int r = make_room(&reader->entries);

	if (r < 0)
		return r;
	type1 = &reader->entries.list[reader->entries.n++];
	*type1 = (struct fes_type1){0};
	return fill(reader, entry, type1);
}

static int read_dir(struct reader *reader, uint32_t first_cluster)
{
	struct fat_entry entry;
	struct fat_dir *dir;
	int r = fat_dir_open(reader->volume->fat, first_cluster, reader->dir_path, &dir);

	if (r < 0)
		return r;
	while (r == 0 && fat_dir_next(dir, &entry) > 0)
		if (!fes_file_is_dir(&entry) && fes_bls_is_entry_name(entry.name))
			r = add(reader, &entry);
	fat_dir_close(dir);
	return r;
}

/* Find /loader/entries, and how both names are written there. Returns 1, 0 or a negative errno. */
static int find_dir(struct reader *reader, uint32_t *ret)
{
	struct fat_entry loader, entries;
	int r = fes_file_find(reader->volume, "/loader", &loader);

	if (r > 0)
		r = fes_file_find(reader->volume, "/loader/entries", &entries);
	if (r <= 0)
		return r;
	if (!fes_file_is_dir(&entries) || entries.first_cluster == 0)
		return 0;
	if (asprintf(&reader->dir_path, "/%s/%s", loader.name, entries.name) < 0) {
		reader->dir_path = NULL;
		return -ENOMEM;
	}
	*ret = entries.first_cluster;
	return 1;
}

static int compare_paths(const void *a, const void *b)
{
	const struct fes_type1 *first = a, *second = b;

	return strcmp(first->path, second->path);
}

int fes_type1s_read(struct fes_volume *volume, struct fes_type1s *ret)
{
	struct reader reader = {.volume = volume};
	struct fes_type1s *entries = &reader.entries;
	uint32_t first_cluster;
	int r = find_dir(&reader, &first_cluster);

	if (r > 0)
		r = read_dir(&reader, first_cluster);
	free(reader.dir_path);
	if (r < 0) {
		fes_type1s_done(entries);
		return r;
	}
	if (entries->n > 1)
		qsort(entries->list, entries->n, sizeof *entries->list, compare_paths);
	*ret = *entries;
	return 0;
}

void fes_type1s_done(struct fes_type1s *entries)
{
	for (size_t i = 0; i < entries->n; i++) {
		free(entries->list[i].path);
		fes_bls_done(&entries->list[i].bls);
	}
	free(entries->list);
	*entries = (struct fes_type1s){0};
}

/* ---- are the files there ---- */

int fes_volume_has_file(struct fes_volume *volume, const char *path)
{
	struct fat_entry entry;
	int r = fes_file_find(volume, path, &entry);

	return r > 0 ? !fes_file_is_dir(&entry) : r;
}

static int found(bool directory, uint32_t size)
{
	if (directory)
		return FES_TYPE1_MISSING;
	return size > 0 ? FES_TYPE1_THERE : FES_TYPE1_EMPTY;
}

static int find_file(const struct fes_type1_place *place, const char *path)
{
	const struct fes_node *node;
	struct fat_entry entry;
	int r;

	if (place->sync && fes_comparison_settles(place->sync, path, &node))
		return node ? found(node->directory, node->size) : FES_TYPE1_MISSING;
	node = place->tree ? fes_tree_find(place->tree, path) : NULL;
	if (node)
		return found(node->directory, node->size);
	if (place->left && *place->left == 0)
		return FES_TYPE1_THERE;
	if (place->left)
		(*place->left)--;
	r = fes_file_find(place->volume, path, &entry);
	return r <= 0 ? r : found(fes_file_is_dir(&entry), entry.size);
}

int fes_type1_find_files(const struct fes_type1_place *place, const struct fes_bls_line *line)
{
	int r = line->whole ? find_file(place, line->whole) : FES_TYPE1_MISSING, all = r;

	if (r != FES_TYPE1_MISSING)
		return r;
	for (size_t i = 0; i < line->n_parts; i++) {
		r = find_file(place, line->parts[i]);
		if (r <= FES_TYPE1_MISSING)
			return r;
		all = r > all ? r : all;
	}
	return all;
}

int fes_type1_find_missing(const struct fes_type1_place *place, const struct fes_type1 *entry,
	const struct fes_bls_line **ret)
{
	const struct fes_bls_line *empty = NULL; /* the first initrd, if all are so far */
	bool bootable = entry->unread || entry->bls.has_url, any_initrd = false;

	for (size_t i = 0; i < entry->bls.n_lines; i++) {
		const struct fes_bls_line *line = &entry->bls.lines[i];
		bool program = fes_bls_is_program(line);
		int r = fes_type1_find_files(place, line);

		if (r < 0)
			return r;
		if (r == FES_TYPE1_MISSING || (program && r == FES_TYPE1_EMPTY)) {
			*ret = line;
			return 1;
		}
		if (fes_bls_is_initrd(line) && (r == FES_TYPE1_THERE || !any_initrd))
			empty = r == FES_TYPE1_EMPTY ? line : NULL;
		any_initrd |= fes_bls_is_initrd(line);
		bootable |= program;
	}
	if (bootable && !empty)
		return 0;
	*ret = empty;
	return 1;
}
