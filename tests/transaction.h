/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For the tests of transactions: a volume, a transaction on it with items whose contents are made
 * up, a trace of what is written, and faults. What goes wrong on the way fails the running case.
 */

#include <check.h>

#include "tests/fixture.h"
#include "tests/testdev.h"

enum {
	TXN_MAX_SETS = 24,
	TXN_SECTOR = 512,
	TXN_N_FILES = 6,
};

/* Clusters are sectors: a.efi has 6, b.efi 3, c.efi 2, and every directory one. */
extern const struct fixture_file txn_files[TXN_N_FILES];

/* A new file's contents. */
struct txn_source {
	struct fat_source base; /* first: a pointer to it is one to us */
	uint8_t seed;
	uint32_t at;
	bool differs;
	unsigned n_read, n_compared; /* times to the end */
};

struct txn_test {
	struct fixture *f;
	struct fat_txn *txn;
	struct trace trace;
	struct fault fault;
	struct blkdev *faulty, *dev; /* f->dev below a faultdev below a tracedev */
	struct fat_volume *vol;
	uint8_t sets[TXN_MAX_SETS][FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	char paths[TXN_MAX_SETS][256];
	struct txn_source sources[TXN_MAX_SETS];
	unsigned n_sets, n_paths, n_sources;
	uint8_t boot[TXN_SECTOR];
	uint32_t head[2][2];
	unsigned n_before_commit;
	uint64_t calls_before_commit;
};

/* ---- a volume and a transaction on it ---- */

/* A transaction is begun on the small volume of a type with txn_files, or on @f, which is owned. */
struct txn_test *txn_test_new(int type);
struct txn_test *txn_test_on(struct fixture *f);
void txn_test_free(struct txn_test *t);

/* Give up what was begun, and begin anew: on devices of its own, or on @dev. */
void txn_end(struct txn_test *t);
void txn_begin(struct txn_test *t);
void txn_begin_on(struct txn_test *t, struct blkdev *dev);

/* Anew each time: a device handle refuses to write once a write has failed. */
void txn_stack_devices(struct txn_test *t);

/* What no transaction may touch is as it was. */
void txn_expect_untouched(struct txn_test *t);

void txn_layout(struct txn_test *t);

/* Lay out and run what was planned; then the volume must be in best order. */
void txn_run(struct txn_test *t);

uint32_t txn_free_clusters(struct txn_test *t);

/* ---- items and places ---- */

/* Room for an entry set, until the transaction ends. */
uint8_t *txn_new_set(struct txn_test *t);

struct fat_item *txn_new_file(struct txn_test *t, const char *long_name, const char *short_name,
	uint32_t size, uint8_t seed);
struct fat_item *txn_new_dir(struct txn_test *t, const char *long_name, const char *short_name);

/* The entry at @path with its chain; @fixed: its short name must stay. */
struct fat_item *txn_keep(struct txn_test *t, const char *path);
struct fat_item *txn_keep_as(struct txn_test *t, const char *path, bool fixed);

void txn_put(struct fat_item *dir, struct fat_item *child);

/* A place in directory @path for a new entry; where the entry of @path is. */
struct fat_place txn_in(struct txn_test *t, const char *path);
struct fat_place txn_at(struct txn_test *t, const char *path);

void txn_replace(struct txn_test *t, const char *path, struct fat_item *item);
void txn_add(struct txn_test *t, const char *dir, struct fat_item *item);
void txn_remove(struct txn_test *t, const char *path);
void txn_rename(struct txn_test *t, const char *path, struct fat_item *item);

/* ---- what is there, and what was written ---- */

/* @n files of a short name each: F100, F101, ... The transaction begins anew. */
void txn_fill_dir(struct txn_test *t, const char *dir, int n);

/* The bytes of a slot of directory @dir, whose first cluster it is in. */
uint8_t *txn_slot_of(struct txn_test *t, const char *dir, uint32_t slot);

/* Give @cluster's entry in one FAT copy a value. */
void txn_set_fat(struct txn_test *t, unsigned copy, uint32_t cluster, uint32_t value);

/*
 * The trace with names for offsets, and writes to one region that follow each other as one. @dirs:
 * first clusters of directories that are edited, by the names in @names, of which the last is NULL;
 * other clusters are "data".
 */
void txn_describe(struct txn_test *t, const struct fat_geometry *geo, const char *const *names,
	const uint32_t *dirs, char *ret, size_t size);

/* ---- suites ---- */

/* A case @name of @suite: each of @tests runs with _i from 0 to @loops - 1. */
void txn_add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n, int loops);
