/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/boots.h"

/* Of a volume that is being read. */
struct reading {
	struct fes_volume *volume;
	struct fes_loaders loaders;
};

static int push(struct fes_loaders *loaders, char *path)
{
	struct fes_loader_file *list =
		reallocarray(loaders->list, loaders->n + 1, sizeof(*loaders->list));

	if (!list) {
		free(path);
		return -ENOMEM;
	}
	loaders->list = list;
	list[loaders->n++] = (struct fes_loader_file){.path = path};
	return 0;
}

static int take(void *userdata, const struct fat_entry *entry)
{
	struct reading *reading = userdata;
	struct fes_loader_file *file;
	char *path;
	int r;

	if (!fes_loader_is_default_name(entry->name))
		return 0;
	if (asprintf(&path, "/EFI/BOOT/%s", entry->name) < 0)
		return -ENOMEM;
	r = push(&reading->loaders, path);
	if (r < 0)
		return r;
	file = &reading->loaders.list[reading->loaders.n - 1];
	return fes_loader_find(reading->volume, path, &file->kind, file->version,
		sizeof file->version);
}

int fes_loaders_read(struct fes_volume *volume, struct fes_loaders *ret)
{
	struct reading reading = {.volume = volume};
	int r = fes_boots_each_file(volume, "/EFI/BOOT", take, &reading);

	if (r < 0) {
		fes_loaders_done(&reading.loaders);
		return r;
	}
	*ret = reading.loaders;
	return 0;
}

void fes_loaders_done(struct fes_loaders *loaders)
{
	for (size_t i = 0; i < loaders->n; i++)
		free(loaders->list[i].path);
	free(loaders->list);
	*loaders = (struct fes_loaders){0};
}

static bool is_known(enum fes_loader_kind kind)
{
	return kind == FES_LOADER_SYSTEMD_BOOT || kind == FES_LOADER_SHIM;
}

/* What others start is not ours to judge, so only where it is known what the primary starts. */
static int compare(const struct fes_loader_file *file, struct fes_volume *mirror,
	struct fes_notes *notes)
{
	const char *what = file->kind == FES_LOADER_SHIM ? "shim" : "systemd-boot";
	enum fes_loader_kind kind;
	int r = is_known(file->kind) ? fes_loader_find(mirror, file->path, &kind, NULL, 0) : 0;

	if (r < 0 || !is_known(file->kind) || is_known(kind))
		return r;
	if (kind == FES_LOADER_NONE)
		return fes_notes_add(notes,
			"there is no %s, which on the primary is %s: a machine that starts from there would start nothing from this disk",
			file->path, what);
	return fes_notes_add(notes,
		"%s would start something else: it is neither systemd-boot nor shim, on the primary it is %s",
		file->path, what);
}

int fes_loaders_compare(const struct fes_loaders *loaders, struct fes_volume *mirror,
	struct fes_notes *notes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < loaders->n; i++)
		r = compare(&loaders->list[i], mirror, notes);
	return r;
}
