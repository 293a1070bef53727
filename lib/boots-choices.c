/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/boots.h"
#include "lib/file.h"
#include "lib/type1.h"

enum {
	TOLD_MAX = 8,   /* entries that are named because they are not complete */
	TEXT_MAX = 300, /* bytes of a path in a note; a line of an entry can be as long as the entry */
};

/* The choices of one volume. */
struct count {
	const struct fes_boots_volume *judged;
	struct fes_choices choices;
	size_t n_told;
	uint64_t cluster_size; /* bytes */
};

static uint64_t size_in_clusters(const struct count *count, uint32_t size)
{
	return (size + count->cluster_size - 1) / count->cluster_size * count->cluster_size;
}

static void add_complete(struct count *count, uint64_t size)
{
	count->choices.n_complete++;
	if (size > count->choices.largest)
		count->choices.largest = size;
}

static int shown(const char *text)
{
	return fes_log_measure(text, TEXT_MAX);
}

/* ---- what is wrong with an entry ---- */

/* Of several paths on a line: the first that is missing, or empty, if another one is there. */
static int find_missing_part(const struct count *count, const struct fes_bls_line *line,
	const char **ret)
{
	const char *missing = NULL;
	size_t n_there = 0;

	for (size_t i = 0; i < line->n_parts; i++) {
		int r = fes_volume_has_file(count->judged->volume, line->parts[i]);

		if (r < 0)
			return r;
		if (r > 0)
			n_there++;
		else if (!missing)
			missing = line->parts[i];
	}
	*ret = n_there == 0 ? NULL : missing ? missing : line->parts[0];
	return 0;
}

static int describe(const struct count *count, const struct fes_type1 *entry, const char *path,
	const char *key)
{
	struct fat_entry found;
	int r = fes_file_find(count->judged->volume, path, &found);

	return r < 0 ? r : fes_notes_add(count->judged->notes, "%.*s: %.*s (%s) is %s",
		shown(entry->path), entry->path, shown(path), path, key,
		r == 0 ? "missing" : fes_file_is_dir(&found) ? "a directory" : "empty");
}

static int note_missing(const struct count *count, const struct fes_type1 *entry,
	const struct fes_bls_line *line)
{
	const char *path = line->whole;
	int r = path ? fes_volume_has_file(count->judged->volume, path) : 0;

	if (r == 0)
		r = find_missing_part(count, line, &path);
	if (r < 0)
		return r;
	if (!path)
		path = line->whole;
	if (path)
		return describe(count, entry, path, line->key);
	return fes_notes_add(count->judged->notes, "%.*s: '%.*s' (%s) names no file",
		shown(entry->path), entry->path, shown(line->value), line->value, line->key);
}

/* Beyond some the names of entries tell nothing new; how many there are is told at the end. */
static bool is_told(struct count *count)
{
	return count->n_told++ < TOLD_MAX;
}

static int reject(struct count *count, const struct fes_type1 *entry,
	const struct fes_bls_line *line)
{
	if (!is_told(count))
		return 0;
	if (line)
		return note_missing(count, entry, line);
	return fes_notes_add(count->judged->notes,
		"%.*s: names nothing to boot (linux, uki, efi)", shown(entry->path), entry->path);
}

/* ---- what it takes ---- */

static int add_file(const struct count *count, const char *path, uint64_t *size)
{
	struct fat_entry found;
	int r = fes_file_find(count->judged->volume, path, &found);

	if (r <= 0)
		return r;
	*size += size_in_clusters(count, found.size);
	return 0;
}

/* Of a complete line. One path with blanks in it wins where both readings hold. */
static int add_line(const struct count *count, const struct fes_bls_line *line, uint64_t *size)
{
	int r = line->whole ? fes_volume_has_file(count->judged->volume, line->whole) : 0;

	if (r < 0)
		return r;
	if (r > 0)
		return add_file(count, line->whole, size);
	for (size_t i = 0; r == 0 && i < line->n_parts; i++)
		r = add_file(count, line->parts[i], size);
	return r;
}

static int take_whole(struct count *count, const struct fes_type1 *entry)
{
	uint64_t size = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < entry->bls.n_lines; i++)
		r = add_line(count, &entry->bls.lines[i], &size);
	if (r == 0)
		add_complete(count, size);
	return r;
}

/* It may be complete, and boot loaders may read it. */
static int take_unread(struct count *count, const struct fes_type1 *entry)
{
	add_complete(count, 0);
	return fes_notes_add(count->judged->notes,
		"%.*s: is too large to be looked into", shown(entry->path), entry->path);
}

static int take_entry(struct count *count, const struct fes_type1 *entry)
{
	struct fes_type1_place place = {.volume = count->judged->volume};
	const struct fes_bls_line *line;
	int r = fes_type1_find_missing(&place, entry, &line);

	if (r < 0)
		return r;
	count->choices.n++;
	if (r > 0)
		return reject(count, entry, line);
	return entry->unread ? take_unread(count, entry) : take_whole(count, entry);
}

static int take_entries(struct count *count)
{
	struct fes_type1s entries;
	int r = fes_type1s_read(count->judged->volume, &entries);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < entries.n; i++)
		r = take_entry(count, &entries.list[i]);
	fes_type1s_done(&entries);
	return r;
}

/* ---- images ---- */

/* A unified kernel image has all in it. */
static int take_image(void *userdata, const char *dir, const struct fat_entry *entry)
{
	struct count *count = userdata;

	if (fes_file_is_dir(entry) || !fes_bls_is_image_name(entry->name))
		return 0;
	count->choices.n++;
	if (entry->size > 0)
		add_complete(count, size_in_clusters(count, entry->size));
	else if (is_told(count))
		return fes_notes_add(count->judged->notes, "%s/%.*s: is empty", dir,
			shown(entry->name), entry->name);
	return 0;
}

static int note_rest(const struct count *count)
{
	size_t n = count->n_told > TOLD_MAX ? count->n_told - TOLD_MAX : 0;

	return n == 0 ? 0 : fes_notes_add(count->judged->notes,
		"%zu more boot entr%s not complete", n, n == 1 ? "y is" : "ies are");
}

int fes_boots_add_choices(const struct fes_boots_volume *judged, struct fes_choices *ret)
{
	struct count count = {
		.judged = judged,
		.choices = *ret,
		.cluster_size = judged->volume->info.cluster_size,
	};
	int r = take_entries(&count);

	if (r == 0)
		r = fes_file_each(judged->volume, "/EFI/Linux", take_image, &count);
	if (r == 0)
		r = note_rest(&count);
	if (r == 0)
		*ret = count.choices;
	return r;
}
