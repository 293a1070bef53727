/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files in /loader that each volume has of its own and that a sync writes: never copied, no
 * difference between two volumes. Private to lib/.
 */

#include "lib/internal.h"

#define FES_ORIGIN_PATH "/loader/esp-sync.was" /* see origin.h */
#define FES_SEED_PATH "/loader/random-seed"    /* see seed.h */

#define FES_OWN_DIR "/loader"

enum { FES_OWN_MAX = 2 }; /* of a mirror */

struct fes_own_file {
	const char *path;     /* one of the above; borrowed */
	const uint8_t *bytes; /* its new contents; borrowed until the transaction is freed */
	uint32_t len;         /* more than 0 */
	/*
	 * It gets its contents in the very first commit, before anything else changes; one that is new
	 * comes with the new version of /loader where there will be one. Others come with that or last of
	 * all. Where there is no room for it, an old one goes in the first commit.
	 */
	bool first;
};

/* Whether @node is the directory for them, and ours to write to. */
bool fes_own_belong_in(const struct fes_node *node);

/* That directory, and what stands at the path of an own file, in @tree; NULL if there is none. */
const struct fes_node *fes_own_find_dir(const struct fes_tree *tree);
const struct fes_node *fes_own_find(const struct fes_tree *tree, const char *path);

/*
 * The entry set of what is new at @path (ASCII, ours to choose), in local time: long name and short
 * name, which the transaction changes where it is taken. Returns how many slots there are in @slots;
 * the short one is last.
 */
uint32_t fes_own_slots_new(const char *path, uint8_t attributes, uint32_t size,
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN]);

/* Size and times of an entry set that is there. */
void fes_own_slots_renew(uint8_t *slots, uint32_t n_slots, uint32_t size);
