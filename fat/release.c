/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/txn.h"

/*
 * Which clusters change hands. Per operation, in order: everything that its old version used is
 * marked, then everything that the new version uses is unmarked. What is marked at the end is
 * used by nobody any more. Chains that a new version kept are thus spared, and so are the
 * versions in between freed.
 */

struct marking {
	struct fat_volume *vol;
	uint8_t *bits; /* over cluster numbers */
	bool set;
};

static void mark(const struct marking *m, uint32_t cluster)
{
	if (m->set)
		fat_bit_set(m->bits, cluster);
	else
		fat_bit_clear(m->bits, cluster);
}

/* The volume was checked: chains end. The bound is for what changed since under our hands. */
static void mark_chain(const struct marking *m, uint32_t first)
{
	uint32_t left = m->vol->geo.n_clusters;

	for (uint32_t c = first; left > 0 && fat_cluster_valid(m->vol, c); left--) {
		mark(m, c);
		c = fat_next(m->vol, c);
	}
}

static int mark_tree(const struct marking *m, uint32_t first, bool directory, unsigned depth);

static int mark_children(const struct marking *m, uint32_t first, unsigned depth)
{
	struct fat_dir *dir;
	struct fat_entry entry;
	int r = fat_dir_open(m->vol, first, "an old directory", &dir);

	if (r < 0)
		return r;
	while (r == 0 && fat_dir_next(dir, &entry) > 0)
		r = mark_tree(m, entry.first_cluster, entry.attributes & FAT_ATTR_DIRECTORY, depth + 1);
	fat_dir_close(dir);
	return r;
}

/* A file or directory as it stands on the medium, with all below it. */
static int mark_tree(const struct marking *m, uint32_t first, bool directory, unsigned depth)
{
	if (first == 0)
		return 0;
	if (depth > FAT_DEPTH_MAX) {
		fat_report(m->vol, "directories nested deeper than %u", FAT_DEPTH_MAX);
		return -EUCLEAN;
	}
	if (directory) {
		int r = mark_children(m, first, depth);

		if (r < 0)
			return r;
	}
	mark_chain(m, first);
	return 0;
}

static int mark_item(const struct marking *m, const struct fat_item *item)
{
	const struct fat_short_slot *entry = (const struct fat_short_slot *)(const void *)(item->slots +
		(size_t)(item->n_slots - 1) * FAT_SLOT_LEN);

	if (item->kind == FAT_ITEM_KEEP)
		return mark_tree(m, item->first_cluster, entry->attributes & FAT_ATTR_DIRECTORY, 0);
	mark_chain(m, item->first_cluster);
	for (uint32_t i = 0; i < item->n_children; i++) {
		int r = mark_item(m, item->children[i].item);

		if (r < 0)
			return r;
	}
	return 0;
}

/* An entry that only got other times or attributes: nothing changes hands. */
static bool keeps_chain(const struct fat_op *op)
{
	return op->item && op->item->kind == FAT_ITEM_KEEP &&
		op->item->first_cluster == op->old_cluster;
}

static int mark_op(struct marking *m, const struct fat_op *op)
{
	int r;

	if (keeps_chain(op))
		return 0;
	m->set = true;
	r = mark_tree(m, op->old_cluster, op->old_directory, 0);
	m->set = false;
	if (r == 0 && op->item)
		r = mark_item(m, op->item);
	return r;
}

int fat_release_old(struct fat_txn *txn, bool *ret)
{
	struct marking m = {.vol = txn->vol};
	uint32_t end = txn->vol->geo.n_clusters + 2;
	bool any = false;
	int r = 0;

	m.bits = calloc(end / 8 + 1, 1);
	if (!m.bits)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < txn->n_ops; i++)
		r = mark_op(&m, &txn->ops[i]);
	for (uint32_t c = 2; r == 0 && c < end; c++)
		if (fat_bit_get(m.bits, c)) {
			fat_table_set(txn->vol, c, FAT_FREE);
			any = true;
		}
	free(m.bits);
	if (r == 0)
		*ret = any;
	return r;
}

static void enter_extents(struct fat_volume *vol, const struct fat_extents *extents)
{
	for (uint32_t i = 0; i < extents->n; i++) {
		struct fat_extent run = extents->list[i];
		uint32_t last = run.first + run.count - 1;
		uint32_t after = i + 1 < extents->n ? extents->list[i + 1].first : FAT_EOC;

		for (uint32_t c = run.first; c < last; c++)
			fat_table_set(vol, c, c + 1);
		fat_table_set(vol, last, after);
	}
}

void fat_chains_enter(struct fat_txn *txn, const struct fat_item *item)
{
	if (item->kind == FAT_ITEM_KEEP)
		return;
	enter_extents(txn->vol, &item->extents);
	for (uint32_t i = 0; i < item->n_children; i++)
		fat_chains_enter(txn, item->children[i].item);
}
