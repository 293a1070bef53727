/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/needs-find.h"

/* A shim that is to become systemd-boot may be another system's; the other way round it is ours. */
static bool is_foreign(enum fes_loader_kind theirs, enum fes_loader_kind ours)
{
	return theirs == FES_LOADER_OTHER ||
	       (theirs == FES_LOADER_SHIM && ours == FES_LOADER_SYSTEMD_BOOT);
}

int fes_finder_has_mark(const struct fes_finder *finder, const char *path,
	const struct fat_short_slot *slot)
{
	char *folded = fes_path_fold(path);
	bool has;

	if (!folded)
		return -ENOMEM;
	has = fes_origin_has(&finder->needs->origin, fes_origin_mark_at(folded, slot));
	free(folded);
	return has;
}

/* 1, 0 or an error. */
static int came_by_sync(const struct fes_finder *finder, const char *path)
{
	struct fat_entry entry;
	int r = fes_file_find(finder->volume, path, &entry);

	return r <= 0 ? r : fes_finder_has_mark(finder, path, fat_entry_short(&entry));
}

static int keep_if_foreign(const struct fes_finder *finder, const char *path,
	enum fes_loader_kind ours)
{
	enum fes_loader_kind kind = FES_LOADER_NONE;
	int r;

	if (fes_managed_role(finder->managed, path) == FES_MANAGED ||
		fes_managed_excludes(finder->managed, path))
		return 0; /* the user has decided */
	r = fes_loader_find(finder->volume, path, &kind, NULL, 0);
	if (r < 0 || !is_foreign(kind, ours))
		return r;
	r = came_by_sync(finder, path);
	if (r != 0)
		return r < 0 ? r : 0;
	finder->needs->other_loader = path;
	return fes_paths_add(&finder->needs->kept, path);
}

static bool is_systemd_boot(const struct fes_loaders *loaders, const char *path)
{
	for (size_t i = 0; i < loaders->n; i++)
		if (loaders->list[i].kind == FES_LOADER_SYSTEMD_BOOT &&
			fat_name_equal(loaders->list[i].path, path))
			return true;
	return false;
}

/*
 * What a foreign loader starts is beside it: nothing of ours comes between. systemd-boot for another kind
 * of machine is nothing that it would start, and needs nothing that is there.
 */
static int keep_what_is_beside(const struct fes_finder *finder)
{
	const struct fes_node *dir = fes_tree_find(finder->primary, "/EFI/BOOT");
	int r = 0;

	for (size_t i = 0; r == 0 && dir && i < dir->n_children; i++)
		if (!is_systemd_boot(&finder->primary->needs->loaders, dir->children[i]->path))
			r = fes_paths_add(&finder->needs->kept, dir->children[i]->path);
	return r;
}

/* One that is neither systemd-boot nor shim is managed, too, when an entry refers to it. */
static int keep_foreign_loader(const struct fes_finder *finder)
{
	const struct fes_loaders *loaders = &finder->primary->needs->loaders;
	int r = 0;

	for (size_t i = 0; r == 0 && i < loaders->n; i++) {
		const struct fes_loader_file *file = &loaders->list[i];
		const struct fes_node *node = fes_tree_find(finder->primary, file->path);

		if (node && node->role == FES_MANAGED)
			r = keep_if_foreign(finder, file->path, file->kind);
	}
	return r == 0 && finder->needs->other_loader ? keep_what_is_beside(finder) : r;
}

/* A secret that was made on the mirror protects what was sealed there. */
static int keep_mixin(const struct fes_finder *finder, const struct fes_needs *primary, bool force)
{
	struct fes_needs *needs = finder->needs;
	bool same = needs->mixin_len == primary->mixin_len &&
		    needs->mixin_len <= sizeof needs->mixin &&
		    memcmp(needs->mixin, primary->mixin, needs->mixin_len) == 0;

	if (needs->mixin_len == 0 || same || fes_managed_excludes(finder->managed, FES_MIXIN_PATH))
		return 0;
	needs->replaces_mixin = force && primary->mixin_len > 0;
	if (needs->replaces_mixin)
		return 0;
	needs->other_mixin = primary->mixin_len > 0;
	return fes_paths_add(&needs->kept, FES_MIXIN_PATH);
}

static bool is_needed(const struct fes_finder *finder, const char *path)
{
	return !fes_path_is_off_limits(path) && !fes_path_within(path, "/EFI/BOOT") &&
	       fes_managed_role(finder->managed, path) != FES_MANAGED;
}

int fes_finder_need_referred(const struct fes_finder *finder, const char *path)
{
	int r;

	if (!is_needed(finder, path))
		return 0;
	r = fes_paths_add(&finder->needs->referred, path);
	return r < 0 ? r : fes_paths_add_above(&finder->needs->perhaps, path);
}

/* Each costs a search through its directory. Of more than these all count as there. */
enum { LOOKED_UP_MAX = 1000 };

/*
 * What may be another system's stays as long as the primary has it, and is remembered: who removes an entry
 * removes what it names later, or never.
 */
static int find_programs(const struct fes_finder *finder)
{
	const struct fes_paths *programs = &finder->needs->origin.programs;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < programs->n; i++) {
		const char *path = programs->list[i];

		r = i < LOOKED_UP_MAX ? fes_volume_has_file(finder->primary->volume, path) : 1;
		if (r >= 0)
			r = r > 0 ? fes_paths_add(&finder->needs->waiting, path)
				  : fes_finder_need_referred(finder, path);
	}
	return r;
}

int fes_finder_find_referred(const struct fes_finder *finder)
{
	const struct fes_paths *referred = &finder->needs->origin.referred;
	int r = 0;

	for (size_t i = 0; r == 0 && i < referred->n; i++)
		r = fes_finder_need_referred(finder, referred->list[i]);
	return r < 0 ? r : find_programs(finder);
}

int fes_finder_keep_own(const struct fes_finder *finder, bool force)
{
	int r = force ? 0 : keep_foreign_loader(finder);

	if (r == 0 && !finder->needs->other_loader)
		r = fes_finder_find_old_helpers(finder);
	return r < 0 ? r : keep_mixin(finder, finder->primary->needs, force);
}
