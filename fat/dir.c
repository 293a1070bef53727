/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

struct fat_dir {
	struct fat_volume *vol;
	struct fat_dir_image image;
	uint32_t slot;
	bool untidy;
};

int fat_dir_open(struct fat_volume *vol, uint32_t first_cluster, const char *path,
	struct fat_dir **ret)
{
	struct fat_dir *dir = calloc(1, sizeof *dir);
	int r;

	if (!dir)
		return -ENOMEM;
	dir->vol = vol;
	r = fat_dir_image_load(vol, first_cluster, path, &dir->image);
	if (r < 0) {
		free(dir);
		return r;
	}
	*ret = dir;
	return 0;
}

int fat_dir_next(struct fat_dir *dir, struct fat_entry *ret)
{
	struct fat_set set;

	for (;;) {
		const struct fat_short_slot *at;
		int r = fat_set_next(dir->image.bytes, dir->image.n_slots, &dir->slot, &set);

		dir->untidy |= (set.problems & (FAT_SET_ORPHAN | FAT_SET_CHECKSUM)) != 0;
		if (r == 0)
			return 0;
		at = (const struct fat_short_slot *)(const void *)(dir->image.bytes +
			(size_t)set.short_slot * FAT_SLOT_LEN);
		if (fat_slot_is_label(at) || fat_slot_is_dot(at))
			continue;
		fat_set_decode(dir->vol, dir->image.bytes, &set, ret);
		return 1;
	}
}

bool fat_dir_untidy(const struct fat_dir *dir)
{
	return dir->untidy;
}

void fat_dir_close(struct fat_dir *dir)
{
	if (!dir)
		return;
	fat_dir_image_done(&dir->image);
	free(dir);
}

/* Whether @name is the long or the short name of @entry. */
static bool entry_matches(const struct fat_entry *entry, const char *name)
{
	const struct fat_short_slot *at = fat_entry_short(entry);
	char short_name[FAT_NAME_MAX];

	if (fat_name_equal(entry->name, name))
		return true;
	if (entry->n_slots == 1)
		return false;
	fat_short_name_decode(at->name, 0, short_name);
	return fat_name_equal(short_name, name);
}

static int find_in_dir(struct fat_volume *vol, uint32_t cluster, const char *dir_path,
	const char *name, struct fat_entry *ret)
{
	struct fat_dir *dir;
	int r;

	r = fat_dir_open(vol, cluster, dir_path, &dir);
	if (r < 0)
		return r;
	while ((r = fat_dir_next(dir, ret)) > 0)
		if (entry_matches(ret, name))
			break;
	fat_dir_close(dir);
	return r > 0 ? 0 : -ENOENT;
}

int fat_lookup(struct fat_volume *vol, const char *path, struct fat_entry *ret)
{
	struct fat_entry entry = {.attributes = FAT_ATTR_DIRECTORY};
	char name[FAT_NAME_MAX];
	bool found = false;

	while (*path == '/')
		path++;
	while (*path) {
		size_t len = strcspn(path, "/");
		int r;

		if (len >= sizeof name)
			return -ENOENT;
		if (!(entry.attributes & FAT_ATTR_DIRECTORY))
			return -ENOTDIR;
		memcpy(name, path, len);
		name[len] = '\0';
		r = find_in_dir(vol, entry.first_cluster, found ? entry.name : "/", name, &entry);
		if (r < 0)
			return r;
		found = true;
		path += len + strspn(path + len, "/");
	}
	if (!found)
		return -ENOENT;
	*ret = entry;
	return 0;
}
