/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/txn.h"

/*
 * New versions of directories. A version is a list of entry sets, laid out one after the other
 * behind `.` and `..`; it is given names and counted, given clusters, and turned into bytes, in that
 * order. Everything below a new directory is new too, because `..` names the parent's cluster;
 * files keep their chains.
 */

enum { ALIAS_ATTEMPTS = 4096 };

static const struct fat_short_slot *short_of(const uint8_t *slots, uint32_t n_slots)
{
	return (const struct fat_short_slot *)(const void *)(slots +
		(size_t)(n_slots - 1) * FAT_SLOT_LEN);
}

void fat_slots_name(const uint8_t *slots, uint32_t n_slots, char ret[FAT_NAME_MAX])
{
	const struct fat_short_slot *entry = short_of(slots, n_slots);
	uint16_t units[260];

	if (n_slots == 1)
		fat_short_name_decode(entry->name, entry->case_flags, ret);
	else
		fat_utf16_decode(units, fat_lfn_units(slots, n_slots, units), ret);
}

void fat_slots_normalise(uint8_t *slots, uint32_t n_slots)
{
	for (uint32_t i = 0; i + 1 < n_slots; i++) {
		uint8_t *slot = slots + (size_t)i * FAT_SLOT_LEN;

		slot[offsetof(struct fat_long_slot, type)] = 0;
		memset(slot + offsetof(struct fat_long_slot, cluster_low), 0, sizeof(le16_t));
	}
}

static int enter_folded(struct fat_nameset *names, const char *name)
{
	char folded[FAT_NAME_MAX];
	size_t len = fat_name_fold(name, folded);

	return fat_nameset_add(names, folded, len);
}

static int enter_short(struct fat_nameset *names, const uint8_t short_name[11])
{
	char name[FAT_NAME_MAX];

	fat_short_name_decode(short_name, 0, name);
	return enter_folded(names, name);
}

int fat_names_enter_fixed(struct fat_nameset *names, const uint8_t *slots, uint32_t n_slots)
{
	char name[FAT_NAME_MAX];
	int r;

	fat_slots_name(slots, n_slots, name);
	r = enter_folded(names, name);
	if (r < 0)
		return r;
	r = enter_short(names, short_of(slots, n_slots)->name);
	return r < 0 ? r : 0;
}

int fat_names_enter_name(struct fat_nameset *names, const uint8_t *slots, uint32_t n_slots)
{
	char name[FAT_NAME_MAX];
	int r;

	fat_slots_name(slots, n_slots, name);
	r = enter_folded(names, name);
	return r == 0 ? -EEXIST : r < 0 ? r : 0;
}

/* "vmlinuz" and VMLINUZ, as Linux makes them: the same to a reader, and entered as the name. */
static bool alias_is_name(const uint8_t *slots, uint32_t n_slots)
{
	char name[FAT_NAME_MAX], alias[FAT_NAME_MAX];

	fat_slots_name(slots, n_slots, name);
	fat_short_name_decode(short_of(slots, n_slots)->name, 0, alias);
	return fat_name_equal(name, alias);
}

int fat_names_enter_alias(struct fat_nameset *names, const uint8_t *slots, uint32_t n_slots,
	bool *renamed, uint8_t short_name[11])
{
	int r;

	*renamed = false;
	if (n_slots == 1 || alias_is_name(slots, n_slots))
		return 0;
	r = enter_short(names, short_of(slots, n_slots)->name);
	for (unsigned attempt = 0; r == 0 && attempt < ALIAS_ATTEMPTS; attempt++) {
		*renamed = true;
		fat_short_name_alternative(slots, n_slots, attempt, short_name);
		r = enter_short(names, short_name);
	}
	return r == 0 ? -EEXIST : r < 0 ? r : 0;
}

/* @path is that of the directory which stays; @dir may lie deeper. */
static int report_clash(const struct fat_txn *txn, const char *path, const struct fat_item *dir,
	const struct fat_child *child)
{
	char name[FAT_NAME_MAX], dir_name[FAT_NAME_MAX];

	fat_slots_name(child->item->slots, child->item->n_slots, name);
	fat_slots_name(dir->slots, dir->n_slots, dir_name);
	fat_report(txn->vol,
		"%s: in '%s', '%s' collides with the name or the short name of another entry that must stay",
		path, dir_name, name);
	return -EEXIST;
}

/*
 * An alias that is also somebody's long name is no alias: enter all names first. Whoever has a
 * long name can take another alias.
 */
static int assign_names(const struct fat_txn *txn, struct fat_item *dir, const char *path,
	struct fat_nameset *names)
{
	for (uint32_t i = 0; i < dir->n_children; i++) {
		const struct fat_item *item = dir->children[i].item;
		int r = item->fixed ? fat_names_enter_fixed(names, item->slots, item->n_slots) : 0;

		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < dir->n_children; i++) {
		const struct fat_item *item = dir->children[i].item;
		int r = item->fixed ? 0 : fat_names_enter_name(names, item->slots, item->n_slots);

		if (r < 0)
			return r == -EEXIST ? report_clash(txn, path, dir, &dir->children[i]) : r;
	}
	for (uint32_t i = 0; i < dir->n_children; i++) {
		struct fat_child *child = &dir->children[i];
		int r = child->item->fixed ? 0
					   : fat_names_enter_alias(names, child->item->slots,
						     child->item->n_slots, &child->renamed,
						     child->short_name);

		if (r < 0)
			return r == -EEXIST ? report_clash(txn, path, dir, child) : r;
	}
	return 0;
}

static int name_children(const struct fat_txn *txn, struct fat_item *dir, const char *path)
{
	struct fat_nameset *names = fat_nameset_new();
	int r = names ? assign_names(txn, dir, path, names) : -ENOMEM;

	fat_nameset_free(names);
	return r;
}

/* Names come before clusters: those that collide do so whether there is room or not. */
static int count_dir(struct fat_txn *txn, struct fat_item *dir, const char *path)
{
	uint64_t slots = 2;
	int r = name_children(txn, dir, path);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < dir->n_children; i++) {
		r = fat_shadow_count(txn, dir->children[i].item, path);
		if (r < 0)
			return r;
		slots += dir->children[i].item->n_slots;
	}
	if (slots > FAT_DIR_MAX_SLOTS) {
		fat_report(txn->vol, "%s: a directory cannot hold %" PRIu64 " slots (at most %u)", path,
			slots, FAT_DIR_MAX_SLOTS);
		return -ENOSPC;
	}
	dir->n_dir_slots = (uint32_t)slots;
	txn->needed_clusters += fat_clusters_for(txn->vol, slots * FAT_SLOT_LEN);
	return 0;
}

int fat_shadow_count(struct fat_txn *txn, struct fat_item *item, const char *path)
{
	if (item->counted)
		return 0;
	item->counted = true;
	if (item->kind == FAT_ITEM_FILE && item->source)
		txn->needed_clusters += fat_clusters_for(txn->vol, item->source->size);
	if (item->kind == FAT_ITEM_DIR)
		return count_dir(txn, item, path);
	return 0;
}

static int take_clusters(struct fat_txn *txn, struct fat_item *item, uint64_t bytes)
{
	int r = fat_space_map_take(txn->space, fat_clusters_for(txn->vol, bytes), &item->extents);

	if (r < 0)
		return r;
	item->first_cluster = item->extents.n > 0 ? item->extents.list[0].first : 0;
	return 0;
}

static int layout_dir(struct fat_txn *txn, struct fat_item *dir, uint32_t parent_cluster)
{
	int r = take_clusters(txn, dir, (uint64_t)dir->n_dir_slots * FAT_SLOT_LEN);

	dir->parent_cluster = parent_cluster;
	for (uint32_t i = 0; r == 0 && i < dir->n_children; i++)
		r = fat_shadow_layout(txn, dir->children[i].item, dir->first_cluster);
	return r;
}

int fat_shadow_layout(struct fat_txn *txn, struct fat_item *item, uint32_t parent_cluster)
{
	if (item->laid_out)
		return 0;
	item->laid_out = true;
	if (item->kind == FAT_ITEM_DIR)
		return layout_dir(txn, item, parent_cluster);
	if (item->kind == FAT_ITEM_FILE)
		return take_clusters(txn, item, item->source ? item->source->size : 0);
	return 0;
}

/* `.` and `..`, with the times of the directory's own entry. */
static void put_dot(const struct fat_txn *txn, const struct fat_item *dir, uint8_t *at, int n_dots,
	uint32_t cluster)
{
	struct fat_short_slot slot = *short_of(dir->slots, dir->n_slots);

	memset(slot.name, ' ', sizeof slot.name);
	memset(slot.name, '.', (size_t)n_dots);
	slot.attributes = FAT_ATTR_DIRECTORY;
	slot.case_flags = 0;
	slot.size = le32_of(0);
	fat_slot_set_cluster(txn->vol, &slot, cluster);
	memcpy(at, &slot, sizeof slot);
}

/* A directory's size field is 0; a file's comes from the entry set it was made with. */
static uint8_t *put_child(const struct fat_txn *txn, const struct fat_child *child, uint8_t *at)
{
	const struct fat_item *item = child->item;
	size_t len = (size_t)item->n_slots * FAT_SLOT_LEN;
	struct fat_short_slot slot;

	memcpy(at, item->slots, len);
	if (!item->fixed)
		fat_slots_normalise(at, item->n_slots);
	if (child->renamed)
		fat_slots_set_short_name(at, item->n_slots, child->short_name);
	memcpy(&slot, at + len - FAT_SLOT_LEN, sizeof slot);
	fat_slot_set_cluster(txn->vol, &slot, item->first_cluster);
	if (slot.attributes & FAT_ATTR_DIRECTORY)
		slot.size = le32_of(0);
	memcpy(at + len - FAT_SLOT_LEN, &slot, sizeof slot);
	return at + len;
}

int fat_shadow_bytes(const struct fat_txn *txn, const struct fat_item *dir, uint8_t **ret,
	size_t *ret_len)
{
	size_t len = (size_t)fat_clusters_for(txn->vol, (uint64_t)dir->n_dir_slots * FAT_SLOT_LEN) *
		txn->vol->geo.cluster_size;
	uint8_t *bytes = blkdev_buffer_new(len), *at;

	if (!bytes)
		return -ENOMEM;
	memset(bytes, 0, len);
	put_dot(txn, dir, bytes, 1, dir->first_cluster);
	put_dot(txn, dir, bytes + FAT_SLOT_LEN, 2, dir->parent_cluster);
	at = bytes + (size_t)2 * FAT_SLOT_LEN;
	for (uint32_t i = 0; i < dir->n_children; i++)
		at = put_child(txn, &dir->children[i], at);
	*ret = bytes;
	*ret_len = len;
	return 0;
}
