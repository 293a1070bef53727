/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boots.h"
#include "lib/file.h"

/* ---- whether there is one ---- */

static bool has(const struct fes_loaders *loaders, enum fes_loader_kind kind)
{
	for (size_t i = 0; i < loaders->n; i++)
		if (loaders->list[i].kind == kind)
			return true;
	return false;
}

static int describe_lack(struct fes_volume *esp, const struct fes_loaders *loaders,
	const char **ret)
{
	int r;

	*ret = NULL;
	if (has(loaders, FES_LOADER_SYSTEMD_BOOT) || has(loaders, FES_LOADER_OTHER))
		return 0;
	if (!has(loaders, FES_LOADER_SHIM)) {
		*ret = loaders->n > 0 ? "the boot loader in /EFI/BOOT is empty"
				      : "no boot loader in /EFI/BOOT";
		return 0;
	}
	r = fes_boots_shim_starts(esp);
	if (r == 0)
		*ret = "nothing for shim in /EFI/BOOT to start";
	return r < 0 ? r : 0;
}

int fes_boots_find_loader(struct fes_volume *esp, const char **ret_lacking)
{
	struct fes_loaders loaders;
	int r = fes_loaders_read(esp, &loaders);

	if (r < 0)
		return r;
	r = describe_lack(esp, &loaders, ret_lacking);
	fes_loaders_done(&loaders);
	return r;
}

/* ---- whether it is the primary's ---- */

/* A disk whose machine starts something from it. */
struct comparer {
	struct fes_volume *primary, *mirror;
	const struct fes_loaders *loaders, *others; /* of each of them */
	struct fes_notes *notes;
};

/* The namesake of @file in @loaders, or NULL. */
static const struct fes_loader_file *find(const struct fes_loaders *loaders,
	const struct fes_loader_file *file)
{
	for (size_t i = 0; i < loaders->n; i++)
		if (fat_name_equal(loaders->list[i].path, file->path))
			return &loaders->list[i];
	return NULL;
}

static const char *describe(enum fes_loader_kind kind)
{
	if (!fes_loader_is_known(kind))
		return "neither systemd-boot nor shim";
	return kind == FES_LOADER_SHIM ? "shim" : "systemd-boot";
}

/* The primary starts @file, of which it is known what it is. */
static int compare_known(const struct fes_loader_file *file, const struct fes_loader_file *twin,
	struct fes_notes *notes)
{
	const char *what = describe(file->kind);

	if (!fes_loader_is_known(file->kind) || (twin && fes_loader_is_known(twin->kind)))
		return 0;
	if (!twin)
		return fes_notes_add(notes,
			"there is no %s, which on the primary is %s: a machine that starts from there would start nothing from this disk",
			file->path, what);
	if (twin->kind == FES_LOADER_NONE)
		return fes_notes_add(notes,
			"%s is empty, on the primary it is %s: a machine that starts from there would start nothing from this disk",
			file->path, what);
	return fes_notes_add(notes,
		"%s would start something else: it is %s, on the primary it is %s", file->path,
		describe(twin->kind), what);
}

/* 1 and the bytes, 0 if it is not as it was any more, or an error. */
static int load(struct fes_volume *volume, const struct fes_loader_file *file, void **ret)
{
	struct fat_entry entry;
	int64_t n;
	int r = fes_file_find(volume, file->path, &entry);

	if (r <= 0 || entry.size != file->size)
		return r < 0 ? r : 0;
	n = fes_file_load(volume, entry.first_cluster, entry.size, file->path, ret);
	return n < 0 ? (int)n : 1;
}

/* 1, 0 or an error. What is too large to be looked into is the same if it is as long. */
static int same_bytes(const struct comparer *c, const struct fes_loader_file *ours,
	const struct fes_loader_file *theirs)
{
	void *a = NULL, *b = NULL;
	int r;

	if (ours->size != theirs->size || ours->size > FES_LOADER_MAX)
		return ours->size == theirs->size;
	r = load(c->primary, ours, &a);
	if (r > 0)
		r = load(c->mirror, theirs, &b);
	if (r > 0)
		r = memcmp(a, b, ours->size) == 0;
	free(a);
	free(b);
	return r;
}

/* systemd-boot starts what is mirrored. */
static int compare_with_none(const struct comparer *c, const struct fes_loader_file *file)
{
	if (file->kind == FES_LOADER_NONE || file->kind == FES_LOADER_SYSTEMD_BOOT)
		return 0;
	return fes_notes_add(c->notes,
		"%s may start something else: it is %s, on the primary there is none", file->path,
		describe(file->kind));
}

/*
 * The primary has @twin in the place of the mirror's @file, which is neither systemd-boot nor shim. What
 * such a program starts is not ours to judge.
 */
static int compare_with_other(const struct comparer *c, const struct fes_loader_file *file,
	const struct fes_loader_file *twin)
{
	int r;

	if (file->kind == FES_LOADER_NONE)
		return 0;
	if (fes_loader_is_known(file->kind))
		return fes_notes_add(c->notes,
			"%s would start something else: it is %s, on the primary it is %s", file->path,
			describe(file->kind), describe(twin->kind));
	r = same_bytes(c, twin, file);
	return r != 0 ? (r < 0 ? r : 0) : fes_notes_add(c->notes,
		"%s may start something else: it is another program than on the primary, and not mirrored, since it is neither systemd-boot nor shim",
		file->path);
}

/* The mirror starts @file, and the primary nothing of which it is known what it is. */
static int compare_unknown(const struct comparer *c, const struct fes_loader_file *file)
{
	const struct fes_loader_file *twin = find(c->loaders, file);

	if (!twin || twin->kind == FES_LOADER_NONE)
		return compare_with_none(c, file);
	return fes_loader_is_known(twin->kind) ? 0 : compare_with_other(c, file, twin);
}

static bool is_told(const struct fes_loader_file *file, const char *told)
{
	return told && fat_name_equal(file->path, told);
}

static int compare(const struct comparer *c, const char *told)
{
	const struct fes_loaders *loaders = c->loaders, *others = c->others;
	int r = 0;

	for (size_t i = 0; r == 0 && others->n > 0 && i < loaders->n; i++)
		if (!is_told(&loaders->list[i], told))
			r = compare_known(&loaders->list[i], find(others, &loaders->list[i]), c->notes);
	for (size_t i = 0; r == 0 && i < others->n; i++)
		if (!is_told(&others->list[i], told))
			r = compare_unknown(c, &others->list[i]);
	return r;
}

int fes_loaders_compare(struct fes_volume *primary, const struct fes_loaders *loaders,
	struct fes_volume *mirror, const char *told, struct fes_notes *notes)
{
	struct fes_loaders others;
	struct comparer comparer = {primary, mirror, loaders, &others, notes};
	int r = fes_loaders_read(mirror, &others);

	if (r < 0)
		return r;
	r = compare(&comparer, told);
	fes_loaders_done(&others);
	return r;
}
