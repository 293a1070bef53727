/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/boots.h"

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcasecmp(name + len - suffix_len, suffix) == 0;
}

/*
 * UEFI Specification 2.10, section 3.5.1.1: BOOTX64.EFI, BOOTAA64.EFI and so on, for whichever
 * machine.
 */
static bool is_default_loader(const char *name)
{
	return strncasecmp(name, "boot", 4) == 0 && has_suffix(name + 4, ".efi");
}

/* UAPI.1 Boot Loader Specification: types #1 and #2. Boot loaders skip names that begin so. */
static bool is_passed_over(const char *name)
{
	return name[0] == '.' || strncasecmp(name, "auto-", 5) == 0;
}

static bool is_entry(const char *name)
{
	return !is_passed_over(name) && has_suffix(name, ".conf");
}

static bool is_image(const char *name)
{
	return !is_passed_over(name) && has_suffix(name, ".efi");
}

/* Whether a file in directory @path has a name that @matches. A directory that is missing has none. */
static int find_file(struct fes_volume *volume, const char *path,
	bool (*matches)(const char *name), bool *ret)
{
	struct fat_entry entry;
	struct fat_dir *dir = NULL;
	int r = fat_lookup(volume->fat, path, &entry);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0 && !(entry.attributes & FAT_ATTR_DIRECTORY && entry.first_cluster))
		return 0;
	if (r == 0)
		r = fat_dir_open(volume->fat, entry.first_cluster, path, &dir);
	if (r < 0)
		return r;
	while (!*ret && (r = fat_dir_next(dir, &entry)) > 0)
		*ret = !(entry.attributes & FAT_ATTR_DIRECTORY) && matches(entry.name);
	fat_dir_close(dir);
	return r < 0 ? r : 0;
}

static int find_choice(struct fes_volume *volume, bool *ret)
{
	int r;

	if (!volume)
		return 0;
	r = find_file(volume, "/loader/entries", is_entry, ret);
	return r < 0 ? r : find_file(volume, "/EFI/Linux", is_image, ret);
}

int fes_boots_find_lacking(struct fes_volume *esp, struct fes_volume *xbootldr, char **ret)
{
	bool loader = false, choice = false;
	const char *text = "";
	int r = find_file(esp, "/EFI/BOOT", is_default_loader, &loader);

	if (r == 0)
		r = find_choice(esp, &choice);
	if (r == 0)
		r = find_choice(xbootldr, &choice);
	if (r < 0)
		return r;
	if (!loader && !choice)
		text = "no boot loader in /EFI/BOOT, no boot entry";
	else if (!loader)
		text = "no boot loader in /EFI/BOOT";
	else if (!choice)
		text = "no boot entry in /loader/entries or /EFI/Linux";
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}
