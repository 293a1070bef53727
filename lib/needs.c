/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/needs-find.h"

/* No entry makes them ours. */
static const char *const off_limits[] = {
	"/EFI/Microsoft",
	"/EFI/UpdateCapsule",
	"/System Volume Information",
};

bool fes_path_is_off_limits(const char *path)
{
	for (size_t i = 0; i < sizeof off_limits / sizeof *off_limits; i++)
		if (fes_path_within(path, off_limits[i]))
			return true;
	return false;
}

void fes_needs_free(struct fes_needs *needs)
{
	if (!needs)
		return;
	fes_type1s_done(&needs->entries);
	fes_loaders_done(&needs->loaders);
	fes_paths_done(&needs->files);
	fes_paths_done(&needs->programs);
	fes_paths_done(&needs->dirs);
	fes_paths_done(&needs->companions);
	fes_paths_done(&needs->leading);
	fes_paths_done(&needs->perhaps);
	fes_paths_done(&needs->kept);
	fes_paths_done(&needs->referred);
	fes_paths_done(&needs->waiting);
	fes_origin_done(&needs->origin);
	free(needs);
}

static void settle_paths(struct fes_needs *needs)
{
	fes_paths_settle(&needs->files);
	fes_paths_settle(&needs->programs);
	fes_paths_settle(&needs->dirs);
	fes_paths_settle(&needs->companions);
	fes_paths_settle(&needs->leading);
	fes_paths_settle(&needs->perhaps);
	fes_paths_settle(&needs->kept);
	fes_paths_settle(&needs->referred);
	fes_paths_settle(&needs->waiting);
}

/* ---- entries ---- */

static bool is_ours_to_need(const struct fes_finder *finder, const char *path)
{
	return !fes_path_is_off_limits(path) &&
		fes_managed_role(finder->managed, path) != FES_MANAGED;
}

int fes_finder_need_file(const struct fes_finder *finder, const char *path)
{
	struct fes_needs *needs = finder->needs;
	int r;

	if (!is_ours_to_need(finder, path))
		return 0;
	r = fes_paths_add(&needs->files, path);
	return r < 0 ? r : fes_paths_add_above(&needs->perhaps, path);
}

/* An EFI program may be another vendor's boot loader; a kernel in /EFI is that of the entry. */
static bool may_be_theirs(const struct fes_bls_line *line, const char *path)
{
	const char *above = strcmp(line->key, "efi") == 0 ? "/EFI" : "/EFI/BOOT";

	return fes_path_within(path, above);
}

/* What an image takes along decides how it boots. */
static int need_companion(const struct fes_finder *finder, const char *path, bool theirs)
{
	struct fes_needs *needs = finder->needs;
	char *companion = fes_bls_companion(path);
	int r = companion ? fes_paths_add(&needs->dirs, companion) : -ENOMEM;

	if (r == 0)
		r = fes_paths_add(&needs->companions, companion);
	if (r == 0 && theirs)
		r = fes_paths_add(&needs->programs, companion);
	free(companion);
	return r;
}

static int need_file(const struct fes_finder *finder, const struct fes_bls_line *line,
	const char *path, bool theirs)
{
	int r = fes_finder_need_file(finder, path);

	if (r < 0 || !fes_bls_is_program(line) || !is_ours_to_need(finder, path))
		return r;
	return need_companion(finder, path, theirs);
}

static int need_on_primary(const struct fes_finder *finder, const struct fes_bls_line *line,
	const char *path)
{
	bool theirs = may_be_theirs(line, path);
	int r = theirs ? fes_paths_add(&finder->needs->programs, path) : 0;

	return r < 0 ? r : need_file(finder, line, path, theirs);
}

/* Whether a sync that brought the mirror an entry found what that refers to ours. 1, 0 or -ENOMEM. */
static int was_referred(const struct fes_finder *finder, const char *path)
{
	char *folded = fes_path_fold(path);
	bool was = folded && fes_paths_has(&finder->needs->origin.referred, folded);

	free(folded);
	return folded ? was : -ENOMEM;
}

/*
 * An entry that came by a sync makes nothing ours that was not ours then: it may name what the primary
 * lacks, and the mirror has of its own.
 */
static int need_on_mirror(const struct fes_finder *finder, const struct fes_bls_line *line,
	bool synced, const char *path)
{
	int r = synced ? was_referred(finder, path) : 1;

	if (r < 0)
		return r;
	return r > 0 ? need_file(finder, line, path, false)
		     : fes_finder_need_referred(finder, path);
}

static int need_path(const struct fes_finder *finder, const struct fes_bls_line *line, bool synced,
	const char *path)
{
	if (!finder->primary)
		return need_on_primary(finder, line, path);
	return may_be_theirs(line, path) ? 0 : need_on_mirror(finder, line, synced, path);
}

static int need_line(const struct fes_finder *finder, const struct fes_bls_line *line, bool synced)
{
	int r = line->whole ? need_path(finder, line, synced, line->whole) : 0;

	for (size_t i = 0; r == 0 && i < line->n_parts; i++)
		r = need_path(finder, line, synced, line->parts[i]);
	return r;
}

static bool is_primarys(const struct fes_finder *finder, const char *path)
{
	const struct fes_node *p = fes_tree_find(finder->primary, path);

	return p && p->role == FES_MANAGED;
}

static int keep_companion(const struct fes_finder *finder, const char *path)
{
	char *companion = fes_bls_companion(path);
	int r = companion ? 0 : -ENOMEM;

	if (r == 0 && !is_primarys(finder, companion))
		r = fes_paths_add(&finder->needs->kept, companion);
	free(companion);
	return r;
}

/* What an entry that stays needs has to stay, too, unless the primary has it as well. */
static int keep_path(const struct fes_finder *finder, const struct fes_bls_line *line,
	const char *path)
{
	int r;

	if (is_primarys(finder, path))
		return 0;
	r = fes_paths_add(&finder->needs->kept, path);
	return r < 0 || !fes_bls_is_program(line) ? r : keep_companion(finder, path);
}

static int keep_line(const struct fes_finder *finder, const struct fes_bls_line *line)
{
	int r = line->whole ? keep_path(finder, line, line->whole) : 0;

	for (size_t i = 0; r == 0 && i < line->n_parts; i++)
		r = keep_path(finder, line, line->parts[i]);
	return r;
}

static int refer(const struct fes_finder *finder, const struct fes_type1 *entry)
{
	bool left_alone = fes_managed_is_left_alone(finder->managed, entry->path);
	int synced = fes_finder_has_mark(finder, entry->path, &entry->slot);
	int r = synced < 0 ? synced : 0;

	for (size_t i = 0; r == 0 && i < entry->bls.n_lines; i++)
		if (!left_alone)
			r = need_line(finder, &entry->bls.lines[i], synced > 0);
		else if (finder->primary)
			r = keep_line(finder, &entry->bls.lines[i]);
	return r;
}

static int find_references(const struct fes_finder *finder)
{
	struct fes_type1s *entries = &finder->needs->entries;
	int r = fes_type1s_read(finder->volume, entries);

	for (size_t i = 0; r == 0 && i < entries->n; i++)
		r = refer(finder, &entries->list[i]);
	return r;
}

/* ---- what is in /loader beside entries ---- */

/* One of no bytes is filled by systemd-stub, so it counts as none. */
static int read_mixin(struct fes_volume *volume, struct fes_needs *needs)
{
	struct fat_entry entry;
	void *bytes = NULL;
	int64_t n;
	int r = fes_file_find(volume, FES_MIXIN_PATH, &entry);

	if (r <= 0 || fes_file_is_dir(&entry))
		return r < 0 ? r : 0;
	needs->mixin_len = entry.size;
	if (entry.size == 0 || entry.size > sizeof needs->mixin)
		return 0;
	n = fes_file_load(volume, entry.first_cluster, entry.size, FES_MIXIN_PATH, &bytes);
	if (n < 0)
		return (int)n;
	memcpy(needs->mixin, bytes, (size_t)n);
	explicit_bzero(bytes, (size_t)n);
	free(bytes);
	return 0;
}

static int find_swtpm(struct fes_volume *volume, struct fes_needs *needs)
{
	struct fat_entry entry;
	int r = fes_file_find(volume, "/loader/swtpm", &entry);

	needs->has_swtpm = r > 0;
	return r < 0 ? r : 0;
}

/* ---- all of it ---- */

static int find_on_primary(struct fes_finder *finder)
{
	int r = find_references(finder);

	if (r == 0)
		r = fes_finder_find_loaders(finder);
	if (r == 0)
		r = read_mixin(finder->volume, finder->needs);
	return r < 0 ? r : find_swtpm(finder->volume, finder->needs);
}

static int take_over(struct fes_needs *needs, const struct fes_needs *primary)
{
	int r = fes_paths_add_all(&needs->files, &primary->files);

	if (r == 0)
		r = fes_paths_add_all(&needs->programs, &primary->programs);
	if (r == 0)
		r = fes_paths_add_all(&needs->dirs, &primary->dirs);
	if (r == 0)
		r = fes_paths_add_all(&needs->companions, &primary->companions);
	if (r == 0)
		r = fes_paths_add_all(&needs->leading, &primary->leading);
	return r < 0 ? r : fes_paths_add_all(&needs->kept, &primary->kept);
}

static int find_on_mirror(const struct fes_finder *finder, bool force)
{
	int r = fes_origin_read(finder->volume, &finder->needs->origin);

	if (r == 0)
		r = find_references(finder);
	if (r == 0)
		r = fes_finder_find_referred(finder);
	if (r == 0)
		r = read_mixin(finder->volume, finder->needs);
	if (r == 0)
		r = take_over(finder->needs, finder->primary->needs);
	return r < 0 ? r : fes_finder_keep_own(finder, force);
}

static int finish(const struct fes_finder *finder, int r, struct fes_needs **ret)
{
	if (r < 0) {
		fes_needs_free(finder->needs);
		return r;
	}
	settle_paths(finder->needs);
	*ret = finder->needs;
	return 0;
}

int fes_needs_find(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_needs **ret)
{
	struct fes_finder finder = {.volume = volume, .managed = managed};

	finder.needs = calloc(1, sizeof *finder.needs);
	return finish(&finder, finder.needs ? find_on_primary(&finder) : -ENOMEM, ret);
}

int fes_needs_find_mirror(struct fes_volume *mirror, const struct fes_managed *managed,
	const struct fes_tree *primary, bool force, struct fes_needs **ret)
{
	struct fes_finder finder = {.volume = mirror, .managed = managed, .primary = primary};

	finder.needs = calloc(1, sizeof *finder.needs);
	return finish(&finder, finder.needs ? find_on_mirror(&finder, force) : -ENOMEM, ret);
}
