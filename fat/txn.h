/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the transaction share: txn.c (protocol), shadow.c (new directory versions),
 * edit.c (entries in directories that stay), data.c (contents of new clusters). */

#include "fat/internal.h"

/* An item in one version of a directory. The short name may have to differ between versions. */
struct fat_child {
	struct fat_item *item;
	bool renamed;
	uint8_t short_name[11]; /* when renamed */
};

struct fat_item {
	struct fat_item *next_owned;
	enum fat_item_kind kind;
	const uint8_t *slots;
	uint32_t n_slots;
	bool fixed;
	struct fat_source *source; /* FILE, may be NULL */
	struct fat_child *children; /* DIR */
	uint32_t n_children;
	uint32_t room;

	/* From layout on. */
	bool counted;
	bool laid_out;
	bool written;
	bool verified;
	uint32_t first_cluster;  /* of KEEP from the beginning */
	uint32_t parent_cluster; /* DIR: what `..` names */
	uint32_t n_dir_slots;    /* DIR: dot entries included */
	struct fat_extents extents;
};

enum fat_step_kind {
	FAT_STEP_WRITE, /* one unit of a directory */
	FAT_STEP_LINK,  /* a directory's last cluster gets a successor */
};

/* What goes to the medium between two barriers of the commit phase. */
struct fat_step {
	enum fat_step_kind kind;
	uint64_t offset;  /* WRITE: of the unit, bytes from the start of the volume */
	uint64_t region_start, region_end; /* WRITE: the cluster or fixed root around it */
	uint8_t *before;  /* WRITE: what must stand there */
	uint8_t *after;   /* WRITE */
	uint32_t tail;    /* LINK: so far the last cluster */
	uint32_t cluster; /* LINK: its successor, holding zeros */
};

enum fat_op_kind {
	FAT_OP_REPLACE,
	FAT_OP_ADD,
	FAT_OP_RENAME,
	FAT_OP_REMOVE,
	FAT_OP_TIDY,
};

struct fat_op {
	enum fat_op_kind kind;
	struct fat_place place;
	struct fat_item *item; /* NULL for REMOVE and TIDY */

	/* From layout on. */
	uint32_t old_cluster;      /* else what stands there on the medium; 0: nothing */
	bool old_directory;
	struct fat_step *steps;
	uint32_t n_steps;
};

/* A directory that is edited where it stands. */
struct fat_editable {
	struct fat_editable *next;
	struct fat_dir_image image;
};

struct fat_txn {
	struct fat_volume *vol;
	struct fat_item *items;
	struct fat_op *ops;
	uint32_t n_ops;
	uint32_t room;
	struct fat_space_map *space;
	struct fat_editable *editables;
	uint32_t *grown; /* clusters that directories grow by */
	uint32_t n_grown;
	uint64_t needed_clusters;
	bool counting; /* there is too little room: layout only goes on to find out how little */
	bool laid_out;
	bool prepared;        /* and verified, and no commit failed */
	uint32_t n_committed; /* of ops, from the first on */
	int (*poll)(void *userdata); /* may be NULL */
	void *poll_userdata;
};

/* Whether to go on: 0, or what the caller's poll says. Not asked from the first commit on. */
int fat_txn_poll(const struct fat_txn *txn);

/* ---- shadow.c ---- */

/*
 * Give what is below @item names, and add up the clusters that it and all below it need, each item
 * once.
 */
int fat_shadow_count(struct fat_txn *txn, struct fat_item *item, const char *path);

/* Give @item and all below it clusters; `..` of a directory names @parent_cluster. */
int fat_shadow_layout(struct fat_txn *txn, struct fat_item *item, uint32_t parent_cluster);

/* The bytes of a laid-out directory, whole clusters. free() them. */
int fat_shadow_bytes(const struct fat_txn *txn, const struct fat_item *dir, uint8_t **ret,
	size_t *ret_len);

/*
 * Enter the names of an entry set into @names. With @fixed double names do not matter. Else
 * the name must be new (-EEXIST), and a short alias that is not gets replaced by another:
 * *@renamed is set and @short_name filled.
 */
int fat_names_enter_fixed(struct fat_nameset *names, const uint8_t *slots, uint32_t n_slots);
int fat_names_enter_name(struct fat_nameset *names, const uint8_t *slots, uint32_t n_slots);
int fat_names_enter_alias(struct fat_nameset *names, const uint8_t *slots, uint32_t n_slots,
	bool *renamed, uint8_t short_name[11]);

/* Zero what must be 0 in long-name slots: strict readers refuse such names (Windows, EDK2). */
void fat_slots_normalise(uint8_t *slots, uint32_t n_slots);

/* The decoded name of an entry set. */
void fat_slots_name(const uint8_t *slots, uint32_t n_slots, char ret[FAT_NAME_MAX]);

/* ---- edit.c ---- */

/* Work out the steps of @op on the directory it changes, in memory. */
int fat_edit_layout(struct fat_txn *txn, struct fat_op *op);
void fat_editables_free(struct fat_txn *txn);

/* ---- data.c ---- */

/* Write what @item and all below it need into their clusters. No barrier. */
int fat_data_write(struct fat_txn *txn, struct fat_item *item);

/* Read it back and compare. */
int fat_data_verify(struct fat_txn *txn, struct fat_item *item);

/* ---- release.c ---- */

/* Enter the new chains of @item and all below it into the table in memory. */
void fat_chains_enter(struct fat_txn *txn, const struct fat_item *item);

/*
 * Set to free, in memory, all clusters that the old versions used and the new ones do not.
 * @ret tells whether there were any.
 */
int fat_release_old(struct fat_txn *txn, bool *ret);
