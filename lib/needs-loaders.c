/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boots.h"
#include "lib/file.h"
#include "lib/needs-find.h"

/* What firmware starts by itself, and what that needs. */

static char *join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/*
 * What shim takes from its own directory. It starts fbx64.efi (which reads the vendors' CSV files),
 * mmx64.efi, and without the former grubx64.efi, as it calls any second stage (shim, README.fallback).
 * It believes the certificates in shim_certificate*.efi, and takes over what revocations*.efi revokes
 * (shim.c, load_certs(), load_revocations()).
 */
static bool is_helper(const char *name)
{
	static const char *const begins[] = {"fb", "mm", "grub", "shim_certificate", "revocations"};

	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
		if (fes_file_has_shape(name, begins[i], ".efi"))
			return true;
	return false;
}

static int find_helper(void *userdata, const char *dir, const struct fat_entry *entry)
{
	const struct fes_finder *finder = userdata;
	char *path;
	int r;

	if (fes_file_is_dir(entry) || !is_helper(entry->name))
		return 0;
	path = join(dir, entry->name);
	r = path ? fes_finder_need_file(finder, path) : -ENOMEM;
	free(path);
	return r;
}

/* The search for vendors' directories. */
struct search {
	const struct fes_finder *finder;
	bool any;   /* with the shim that is in /EFI/BOOT */
	size_t n;   /* others */
	char *path; /* the first of these, owned */
};

struct vendor {
	const struct fes_needs *needs;
	bool shim, csv;
	bool same; /* one of its shims is as long as one in /EFI/BOOT */
};

static bool is_as_long_as_shim(const struct fes_needs *needs, uint32_t size)
{
	for (size_t i = 0; i < needs->loaders.n; i++)
		if (needs->loaders.list[i].kind == FES_LOADER_SHIM &&
			needs->loaders.list[i].size == size)
			return true;
	return false;
}

static int look_at_vendor_file(void *userdata, const char *dir, const struct fat_entry *entry)
{
	struct vendor *vendor = userdata;

	(void)dir;
	if (fes_file_is_dir(entry))
		return 0;
	if (fes_file_has_shape(entry->name, "shim", ".efi")) {
		vendor->shim = true;
		vendor->same |= is_as_long_as_shim(vendor->needs, entry->size);
	}
	vendor->csv |= fes_file_has_shape(entry->name, "BOOT", ".CSV");
	return 0;
}

/* Firmware updates wait in a directory of a vendor's. */
static int need_vendor(const struct fes_finder *finder, const char *path)
{
	char *capsules = join(path, "fw");
	int r = capsules ? fes_paths_add(&finder->needs->kept, capsules) : -ENOMEM;

	free(capsules);
	return r < 0 ? r : fes_paths_add(&finder->needs->dirs, path);
}

static int take_vendor(struct search *search, const struct vendor *vendor, const char *path)
{
	if (vendor->same) {
		search->any = true;
		return need_vendor(search->finder, path);
	}
	if (search->n++ > 0)
		return 0;
	search->path = strdup(path);
	return search->path ? 0 : -ENOMEM;
}

/* A vendor has a shim, and the CSV file that tells shim's fallback what to start. */
static int look_at_vendor(void *userdata, const char *path)
{
	struct search *search = userdata;
	struct vendor vendor = {.needs = search->finder->needs};
	int r;

	if (fes_path_is_off_limits(path))
		return 0;
	r = fes_file_each(search->finder->volume, path, look_at_vendor_file, &vendor);
	return r == 0 && vendor.shim && vendor.csv ? take_vendor(search, &vendor, path) : r;
}

/*
 * The vendor whose shim is in /EFI/BOOT; others are other systems'. Where that one is older, or newer, than
 * every vendor's, because only one of the two places was written last, it is clear only if there is one.
 */
static int find_vendor(const struct fes_finder *finder)
{
	struct search search = {.finder = finder};
	int r = fes_vendors_each(finder->volume, look_at_vendor, &search);

	if (r == 0 && !search.any && search.n == 1)
		r = need_vendor(finder, search.path);
	free(search.path);
	return r;
}

static bool has_shim(const struct fes_needs *needs)
{
	for (size_t i = 0; i < needs->loaders.n; i++)
		if (needs->loaders.list[i].kind == FES_LOADER_SHIM)
			return true;
	return false;
}

int fes_finder_find_loaders(struct fes_finder *finder)
{
	struct fes_loaders *loaders = &finder->needs->loaders;
	int r = fes_loaders_read(finder->volume, loaders);

	for (size_t i = 0; r == 0 && i < loaders->n; i++)
		if (fes_loader_is_known(loaders->list[i].kind))
			r = fes_finder_need_file(finder, loaders->list[i].path);
	if (r < 0 || !has_shim(finder->needs))
		return r;
	r = fes_file_each(finder->volume, "/EFI/BOOT", find_helper, finder);
	return r < 0 ? r : find_vendor(finder);
}

/* What shim on the mirror starts is left to it as long as the primary's has nothing to start in its place. */
int fes_finder_find_old_helpers(const struct fes_finder *finder)
{
	const struct fes_paths *referred = &finder->needs->origin.referred;
	struct fes_needs *needs = finder->needs;
	int starts, r = 0;

	if (!has_shim(finder->primary->needs))
		return 0;
	starts = fes_boots_shim_starts(finder->primary->volume);
	if (starts < 0)
		return starts;
	for (size_t i = 0; r == 0 && i < referred->n; i++) {
		const char *path = referred->list[i];

		if (fes_path_within(path, "/EFI/BOOT") && is_helper(strrchr(path, '/') + 1))
			r = fes_paths_add(starts ? &needs->referred : &needs->waiting, path);
	}
	return r;
}
