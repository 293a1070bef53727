/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A mirror's own files in a transaction: see own.h, and apply.c for all else. Private to lib/. */

#include "lib/own.h"
#include "lib/source.h"

struct fes_own_item {
	const struct fes_own_file *file;
	const struct fes_node *m; /* what the mirror has in its place; NULL: nothing */
	struct fes_bytes_source source;
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	struct fat_item *item;
	bool placed; /* it is in a new version of /loader */
};

struct fes_own_items {
	struct fat_txn *txn;
	const struct fes_node *dir; /* the mirror's /loader; NULL: none that stays */
	struct fes_own_item list[FES_OWN_MAX];
	size_t n;
	bool dir_stays; /* no new version of it comes */
	bool left_out; /* there is no room for them */
};

/*
 * Make the items of apply->own in @txn. @ret must stay where it is until the transaction is freed.
 *
 * With @left_out nothing new is made. What would come first is removed instead where the mirror has an
 * old version of it: that would tell what is not true any more. Returns 0 or -ENOMEM.
 */
int fes_own_items_make(const struct fes_apply *apply, struct fat_txn *txn, bool left_out,
	struct fes_own_items *ret);

/* Plan the commits that are the first of all. 0 or -ENOMEM. */
int fes_own_items_put_first(struct fes_own_items *items);

/* Add them to a new version of /loader. 0 or -ENOMEM. */
int fes_own_items_fill(struct fes_own_items *items, struct fat_item *dir);

/* Whether one takes the place of the mirror's @m in it. */
bool fes_own_items_supersede(const struct fes_own_items *items, const struct fes_node *m);

/* The mirror's @m goes whole. */
void fes_own_items_note_removal(struct fes_own_items *items, const struct fes_node *m);

/* Plan the commits of what no new version of /loader has brought: the last ones. 0 or -ENOMEM. */
int fes_own_items_put_rest(struct fes_own_items *items);
