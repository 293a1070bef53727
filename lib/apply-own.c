/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/apply-own.h"

static uint32_t make_slots(struct fes_own_item *own)
{
	if (!own->m)
		return fes_own_slots_new(own->file->path, FAT_ATTR_ARCHIVE, own->file->len, own->slots);
	memcpy(own->slots, own->m->slots, (size_t)own->m->n_slots * FAT_SLOT_LEN);
	fes_own_slots_renew(own->slots, own->m->n_slots, own->file->len);
	return own->m->n_slots;
}

/* A directory of that name is left alone, and there is no such file then. */
static int make_item(struct fes_own_items *items, const struct fes_own_file *file,
	const struct fes_tree *mirror)
{
	struct fes_own_item *own = &items->list[items->n];

	*own = (struct fes_own_item){
		.file = file,
		.m = fes_own_find(mirror, file->path),
		.source = fes_source_of_bytes(mirror->volume, file->path, file->bytes, file->len),
	};
	if (own->m && own->m->directory)
		return 0;
	own->item = fat_item_file(items->txn, own->slots, make_slots(own), &own->source.base);
	if (!own->item)
		return -ENOMEM;
	items->n++;
	return 0;
}

/* Whether the directory gets a new version, or goes. */
static bool is_renewed(const struct fes_plan *plan, const struct fes_node *dir)
{
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct fes_site *site = &plan->sites[i];

		if (site->m == dir && (site->kind == FES_SITE_REBUILD || site->kind == FES_SITE_RENAME ||
			site->kind == FES_SITE_REMOVE))
			return true;
	}
	return false;
}

int fes_own_items_make(const struct fes_apply *apply, struct fat_txn *txn, bool left_out,
	struct fes_own_items *ret)
{
	const struct fes_tree *mirror = apply->plan->comparison->mirror;
	int r = 0;

	assert(apply->n_own <= FES_OWN_MAX);
	*ret = (struct fes_own_items){
		.txn = txn,
		.dir = fes_own_find_dir(mirror),
		.left_out = left_out,
	};
	ret->dir_stays = ret->dir && !is_renewed(apply->plan, ret->dir);
	for (size_t i = 0; r == 0 && i < apply->n_own; i++)
		r = make_item(ret, &apply->own[i], mirror);
	return r;
}

/* Where @own stands on the mirror, or if it is new, where it comes. */
static struct fat_place place_of(const struct fes_own_items *items, const struct fes_own_item *own)
{
	return (struct fat_place){
		.dir_cluster = items->dir->first_cluster,
		.dir_path = items->dir->path,
		.short_slot = own->m ? own->m->short_slot : 0,
	};
}

/* One that is new comes with a new version of its directory, if there is one. */
static bool comes_first(const struct fes_own_items *items, const struct fes_own_item *own)
{
	return own->file->first && (own->m || items->dir_stays);
}

int fes_own_items_put_first(struct fes_own_items *items)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < items->n; i++) {
		struct fes_own_item *own = &items->list[i];
		struct fat_place place;

		if (!comes_first(items, own))
			continue;
		place = place_of(items, own);
		if (!own->m)
			r = items->left_out ? 0 : fat_txn_add(items->txn, &place, own->item);
		else
			r = items->left_out ? fat_txn_remove(items->txn, &place)
					    : fat_txn_replace(items->txn, &place, own->item);
	}
	return r;
}

int fes_own_items_fill(struct fes_own_items *items, struct fat_item *dir)
{
	int r = 0;

	for (size_t i = 0; r == 0 && !items->left_out && i < items->n; i++) {
		r = fat_item_add(dir, items->list[i].item);
		items->list[i].placed = true;
	}
	return r;
}

bool fes_own_items_supersede(const struct fes_own_items *items, const struct fes_node *m)
{
	for (size_t i = 0; i < items->n; i++)
		if (items->list[i].m == m)
			return !items->left_out || items->list[i].file->first;
	return false;
}

void fes_own_items_note_removal(struct fes_own_items *items, const struct fes_node *m)
{
	if (items->dir == m)
		items->dir = NULL;
}

int fes_own_items_put_rest(struct fes_own_items *items)
{
	int r = 0;

	for (size_t i = 0; r == 0 && items->dir && !items->left_out && i < items->n; i++) {
		struct fes_own_item *own = &items->list[i];
		struct fat_place place = place_of(items, own);

		if (own->placed || comes_first(items, own))
			continue;
		r = own->m ? fat_txn_replace(items->txn, &place, own->item)
			   : fat_txn_add(items->txn, &place, own->item);
	}
	return r;
}
