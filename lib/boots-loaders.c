/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/boots.h"

/* The namesake of @file in @loaders, or NULL. */
static const struct fes_loader_file *find(const struct fes_loaders *loaders,
	const struct fes_loader_file *file)
{
	for (size_t i = 0; i < loaders->n; i++)
		if (fat_name_equal(loaders->list[i].path, file->path))
			return &loaders->list[i];
	return NULL;
}

/* What others start is not ours to judge, so only where it is known what the primary starts. */
static int compare(const struct fes_loader_file *file, const struct fes_loader_file *twin,
	struct fes_notes *notes)
{
	const char *what = file->kind == FES_LOADER_SHIM ? "shim" : "systemd-boot";

	if (!fes_loader_is_known(file->kind) || (twin && fes_loader_is_known(twin->kind)))
		return 0;
	if (!twin)
		return fes_notes_add(notes,
			"there is no %s, which on the primary is %s: a machine that starts from there would start nothing from this disk",
			file->path, what);
	return fes_notes_add(notes,
		"%s would start something else: it is neither systemd-boot nor shim, on the primary it is %s",
		file->path, what);
}

int fes_loaders_compare(const struct fes_loaders *loaders, struct fes_volume *mirror,
	const char *told, struct fes_notes *notes)
{
	struct fes_loaders others;
	int r = fes_loaders_read(mirror, &others);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && others.n > 0 && i < loaders->n; i++) {
		const struct fes_loader_file *file = &loaders->list[i];

		if (!told || !fat_name_equal(file->path, told))
			r = compare(file, find(&others, file), notes);
	}
	fes_loaders_done(&others);
	return r;
}
