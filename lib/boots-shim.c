/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "lib/boots.h"
#include "lib/file.h"

/* What shim may start. */
struct stages {
	struct fes_volume *volume;
	bool second, fallback, csv;
};

static int take_stage(void *userdata, const char *dir, const struct fat_entry *entry)
{
	struct stages *stages = userdata;

	(void)dir;
	if (fes_file_is_dir(entry) || entry->size == 0)
		return 0;
	stages->second |= fes_file_has_shape(entry->name, "grub", ".efi");
	stages->fallback |= fes_file_has_shape(entry->name, "fb", ".efi");
	return 0;
}

static int take_csv(void *userdata, const char *dir, const struct fat_entry *entry)
{
	struct stages *stages = userdata;

	(void)dir;
	stages->csv |= !fes_file_is_dir(entry) && entry->size > 0 &&
		fes_file_has_shape(entry->name, "BOOT", ".CSV");
	return 0;
}

static int take_vendor(void *userdata, const char *path)
{
	struct stages *stages = userdata;

	return fes_file_each(stages->volume, path, take_csv, stages);
}

int fes_boots_shim_starts(struct fes_volume *esp)
{
	struct stages stages = {.volume = esp};
	int r = fes_file_each(esp, "/EFI/BOOT", take_stage, &stages);

	if (r == 0 && stages.fallback)
		r = fes_vendors_each(esp, take_vendor, &stages);
	return r < 0 ? r : stages.second || (stages.fallback && stages.csv);
}
