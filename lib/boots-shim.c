/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "lib/boots.h"
#include "lib/file.h"

void fes_shim_note_beside(struct fes_shim_stages *stages, const char *name, uint32_t size)
{
	stages->second |= size > 0 && fes_file_has_shape(name, "grub", ".efi");
	stages->fallback |= size > 0 && fes_file_has_shape(name, "fb", ".efi");
}

void fes_shim_note_vendors(struct fes_shim_stages *stages, const char *name, uint32_t size)
{
	stages->csv |= size > 0 && fes_file_has_shape(name, "BOOT", ".CSV");
}

bool fes_shim_starts(const struct fes_shim_stages *stages)
{
	return stages->second || (stages->fallback && stages->csv);
}

/* ---- of a volume ---- */

struct search {
	struct fes_volume *volume;
	struct fes_shim_stages stages;
};

static int take_stage(void *userdata, const char *dir, const struct fat_entry *entry)
{
	struct search *search = userdata;

	(void)dir;
	if (!fes_file_is_dir(entry))
		fes_shim_note_beside(&search->stages, entry->name, entry->size);
	return 0;
}

static int take_csv(void *userdata, const char *dir, const struct fat_entry *entry)
{
	struct search *search = userdata;

	(void)dir;
	if (!fes_file_is_dir(entry))
		fes_shim_note_vendors(&search->stages, entry->name, entry->size);
	return 0;
}

static int take_vendor(void *userdata, const char *path)
{
	struct search *search = userdata;

	return fes_file_each(search->volume, path, take_csv, search);
}

int fes_boots_shim_starts(struct fes_volume *esp)
{
	struct search search = {.volume = esp};
	int r = fes_file_each(esp, "/EFI/BOOT", take_stage, &search);

	if (r == 0 && search.stages.fallback)
		r = fes_vendors_each(esp, take_vendor, &search);
	return r < 0 ? r : fes_shim_starts(&search.stages);
}
