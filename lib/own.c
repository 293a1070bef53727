/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>
#include <time.h>

#include "lib/own.h"

bool fes_own_belong_in(const struct fes_node *node)
{
	return node->directory && node->role == FES_MANAGED && fat_name_equal(node->path, FES_OWN_DIR);
}

const struct fes_node *fes_own_find_dir(const struct fes_tree *tree)
{
	const struct fes_node *root = tree->root;

	for (size_t i = 0; i < root->n_children; i++)
		if (fes_own_belong_in(root->children[i]))
			return root->children[i];
	return NULL;
}

const struct fes_node *fes_own_find(const struct fes_tree *tree, const char *path)
{
	const struct fes_node *dir = fes_own_find_dir(tree);

	for (size_t i = 0; dir && i < dir->n_children; i++)
		if (fat_name_equal(dir->children[i]->path, path))
			return dir->children[i];
	return NULL;
}

/*
 * FAT has local time, in steps of two seconds, from 1980 to 2107. A clock that was never set, as in
 * an initramfs, is earlier.
 */
static struct tm time_on_fat(time_t now)
{
	static const struct tm first = {.tm_year = 80, .tm_mday = 1};
	static const struct tm last = {.tm_year = 207, .tm_mon = 11, .tm_mday = 31,
		.tm_hour = 23, .tm_min = 59, .tm_sec = 58};
	struct tm tm;

	if (!localtime_r(&now, &tm) || tm.tm_year < first.tm_year)
		return first;
	return tm.tm_year > last.tm_year ? last : tm;
}

static void set_times(struct fat_short_slot *slot)
{
	struct tm tm = time_on_fat(time(NULL));
	int seconds = tm.tm_sec < 59 ? tm.tm_sec : 59; /* a leap second has no place */
	le16_t date = le16_of((uint16_t)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 |
		tm.tm_mday));
	le16_t hour = le16_of((uint16_t)(tm.tm_hour << 11 | tm.tm_min << 5 | seconds / 2));

	slot->create_centis = (uint8_t)(seconds % 2 * 100);
	slot->create_date = slot->access_date = slot->write_date = date;
	slot->create_time = slot->write_time = hour;
}

void fes_own_slots_renew(uint8_t *slots, uint32_t n_slots, uint32_t size)
{
	uint8_t *at = slots + (size_t)(n_slots - 1) * FAT_SLOT_LEN;
	struct fat_short_slot slot;

	memcpy(&slot, at, sizeof slot);
	slot.size = le32_of(size);
	set_times(&slot);
	memcpy(at, &slot, sizeof slot);
}

uint32_t fes_own_slots_new(const char *path, uint8_t attributes, uint32_t size,
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN])
{
	uint32_t n = fat_slots_make(strrchr(path, '/') + 1, attributes, slots);

	fes_own_slots_renew(slots, n, size);
	return n;
}
