/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/boots.h"
#include "lib/file.h"

/* What could be started from a mirror's /EFI/BOOT once it is in sync: what comes, and what stays its own. */
struct outlook {
	const struct fes_comparison *c;
	bool starts, shim; /* there is one that starts something of its own accord; a shim */
	struct fes_shim_stages stages;
};

static bool can_start(const struct outlook *outlook)
{
	return outlook->starts || (outlook->shim && fes_shim_starts(&outlook->stages));
}

static void note_loader(struct outlook *outlook, enum fes_loader_kind kind)
{
	outlook->starts |= kind == FES_LOADER_SYSTEMD_BOOT || kind == FES_LOADER_OTHER;
	outlook->shim |= kind == FES_LOADER_SHIM;
}

static void note_stage(struct outlook *outlook, bool beside, const char *name, uint32_t size)
{
	if (beside)
		fes_shim_note_beside(&outlook->stages, name, size);
	else
		fes_shim_note_vendors(&outlook->stages, name, size);
}

/* ---- what comes ---- */

static bool comes(const struct fes_comparison *c, const struct fes_loader_file *file)
{
	const struct fes_node *p;

	return fes_comparison_settles(c, file->path, &p) && p;
}

static void note_stages_that_come(struct outlook *outlook, const struct fes_node *dir)
{
	bool beside = fat_name_equal(dir->name, "BOOT");

	for (size_t i = 0; i < dir->n_children; i++) {
		const struct fes_node *p = dir->children[i];

		if (p->role == FES_MANAGED && !p->directory)
			note_stage(outlook, beside, p->name, p->size);
	}
}

static void note_what_comes(struct outlook *outlook, const struct fes_loaders *loaders)
{
	const struct fes_node *efi = fes_tree_find(outlook->c->primary, "/EFI");

	for (size_t i = 0; i < loaders->n; i++)
		if (comes(outlook->c, &loaders->list[i]))
			note_loader(outlook, loaders->list[i].kind);
	for (size_t i = 0; efi && i < efi->n_children; i++)
		note_stages_that_come(outlook, efi->children[i]);
}

/* ---- what stays ---- */

static int take_own(struct outlook *outlook, const char *path, const struct fat_entry *entry)
{
	bool beside = fes_path_within(path, "/EFI/BOOT");
	enum fes_loader_kind kind;
	const struct fes_node *p;
	int r = 0;

	if (fes_comparison_settles(outlook->c, path, &p))
		return 0;
	note_stage(outlook, beside, entry->name, entry->size);
	if (!beside || !fes_loader_is_default_name(entry->name))
		return 0;
	r = fes_loader_find(outlook->c->mirror->volume, path, &kind, NULL, 0);
	if (r == 0)
		note_loader(outlook, kind);
	return r;
}

static int take_file(void *userdata, const char *dir, const struct fat_entry *entry)
{
	char *path;
	int r;

	if (fes_file_is_dir(entry))
		return 0;
	if (asprintf(&path, "%s/%s", dir, entry->name) < 0)
		return -ENOMEM;
	r = take_own(userdata, path, entry);
	free(path);
	return r;
}

static int take_vendor(void *userdata, const char *path)
{
	const struct outlook *outlook = userdata;

	return fes_file_each(outlook->c->mirror->volume, path, take_file, userdata);
}

/* ---- both ---- */

bool fes_loaders_any_comes(const struct fes_comparison *c, const struct fes_loaders *loaders)
{
	for (size_t i = 0; i < loaders->n; i++)
		if (comes(c, &loaders->list[i]))
			return true;
	return false;
}

int fes_loaders_will_start(const struct fes_comparison *c, const struct fes_loaders *loaders)
{
	struct outlook outlook = {.c = c};
	int r = 0;

	note_what_comes(&outlook, loaders);
	if (!can_start(&outlook))
		r = fes_file_each(c->mirror->volume, "/EFI/BOOT", take_file, &outlook);
	if (r == 0 && !can_start(&outlook))
		r = fes_vendors_each(c->mirror->volume, take_vendor, &outlook);
	return r < 0 ? r : can_start(&outlook);
}
