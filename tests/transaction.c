/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"
#include "tests/transaction.h"

const struct fixture_file txn_files[] = {
	{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	{.path = "/EFI/Linux/b.efi", .size = 1500, .seed = 2},
	{.path = "/EFI/Linux/sub/c.efi", .size = 600, .seed = 3},
	{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 2000, .seed = 4},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/foreign.txt", .size = 700, .seed = 5},
};

/* ---- sources ---- */

static struct txn_source *source_of(struct fat_source *base)
{
	return (struct txn_source *)(void *)base;
}

static int source_begin(struct fat_source *base, bool reading_back)
{
	struct txn_source *source = source_of(base);

	(void)reading_back;
	source->at = 0;
	source->differs = false;
	return 0;
}

static int source_read(struct fat_source *base, void *buf, size_t len)
{
	struct txn_source *source = source_of(base);
	uint8_t *to = buf;

	for (size_t i = 0; i < len; i++)
		to[i] = fixture_byte(source->seed, source->at++);
	return 0;
}

static int source_compare(struct fat_source *base, const void *buf, size_t len)
{
	struct txn_source *source = source_of(base);
	const uint8_t *from = buf;

	for (size_t i = 0; i < len; i++)
		source->differs |= from[i] != fixture_byte(source->seed, source->at++);
	return 0;
}

static int source_end(struct fat_source *base, bool reading_back)
{
	struct txn_source *source = source_of(base);

	if (source->at != base->size)
		return -EINVAL;
	if (!reading_back)
		source->n_read++;
	else
		source->n_compared++;
	return reading_back && source->differs ? -EIO : 0;
}

/* ---- a volume and a transaction on it ---- */

static void take_message(void *userdata, const char *message)
{
	struct fixture *f = userdata;

	strncat(f->messages, message, sizeof f->messages - strlen(f->messages) - 1);
}

void txn_stack_devices(struct txn_test *t)
{
	blkdev_close(t->dev);
	blkdev_close(t->faulty);
	t->dev = t->faulty = NULL;
	ck_assert_int_eq(faultdev_new(t->f->dev, &t->fault, &t->faulty), 0);
	ck_assert_int_eq(tracedev_new(t->faulty, &t->trace, &t->dev), 0);
}

void txn_begin_on(struct txn_test *t, struct blkdev *dev)
{
	struct fat_log log = {take_message, t->f};
	struct fat_check_result result;

	ck_assert_int_eq(fat_open(dev, "test", &log, &t->vol), 0);
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert_int_eq(fat_txn_begin(t->vol, &t->txn), 0);
	t->n_sets = t->n_paths = t->n_sources = 0;
}

void txn_begin(struct txn_test *t)
{
	txn_stack_devices(t);
	txn_begin_on(t, t->dev);
}

struct txn_test *txn_test_on(struct fixture *f)
{
	struct txn_test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->f = f;
	memcpy(t->boot, f->bytes, TXN_SECTOR);
	txn_begin(t);
	for (unsigned copy = 0; copy < 2; copy++)
		ck_assert_int_eq(fat_table_read_head(t->vol, copy, t->head[copy]), 0);
	return t;
}

struct txn_test *txn_test_new(int type)
{
	return txn_test_on(fixture_new(type, txn_files, TXN_N_FILES));
}

void txn_end(struct txn_test *t)
{
	fat_txn_free(t->txn);
	fat_close(t->vol);
	t->txn = NULL;
	t->vol = NULL;
}

void txn_test_free(struct txn_test *t)
{
	txn_end(t);
	blkdev_close(t->dev);
	blkdev_close(t->faulty);
	trace_done(&t->trace);
	fixture_free(t->f);
	free(t);
}

void txn_expect_untouched(struct txn_test *t)
{
	uint32_t head[2];

	ck_assert_mem_eq(t->f->bytes, t->boot, TXN_SECTOR);
	for (unsigned copy = 0; copy < 2; copy++) {
		ck_assert_int_eq(fat_table_read_head(t->vol, copy, head), 0);
		ck_assert_mem_eq(head, t->head[copy], sizeof head);
	}
}

void txn_layout(struct txn_test *t)
{
	struct fat_space space;
	int r = fat_txn_layout(t->txn, &space);

	ck_assert_msg(r == 0, "%d: %s", r, t->f->messages);
	ck_assert_uint_le(space.needed, space.free);
}

void txn_run(struct txn_test *t)
{
	int r;

	txn_layout(t);
	r = fat_txn_run(t->txn, NULL, NULL);
	ck_assert_msg(r == 0, "%d: %s", r, t->f->messages);
	ck_assert_str_eq(t->f->messages, "");
	txn_expect_untouched(t);
	txn_end(t);
	fixture_judge(t->f);
}

uint32_t txn_free_clusters(struct txn_test *t)
{
	struct fat_volume *vol;
	struct fat_info info;

	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	fat_get_info(vol, &info);
	fat_close(vol);
	return info.free_clusters;
}

/* ---- items and places ---- */

uint8_t *txn_new_set(struct txn_test *t)
{
	ck_assert_uint_lt(t->n_sets, TXN_MAX_SETS);
	return t->sets[t->n_sets++];
}

struct fat_item *txn_new_file(struct txn_test *t, const char *long_name, const char *short_name,
	uint32_t size, uint8_t seed)
{
	uint8_t *set = txn_new_set(t);
	uint32_t n = fixture_set(set, long_name, short_name, FAT_ATTR_ARCHIVE, size);
	struct txn_source *source = NULL;

	if (size > 0) {
		source = &t->sources[t->n_sources++];
		*source = (struct txn_source){.seed = seed};
		source->base = (struct fat_source){.size = size,
			.path = "a new file",
			.begin = source_begin,
			.read = source_read,
			.compare = source_compare,
			.end = source_end};
	}
	return fat_item_file(t->txn, set, n, source ? &source->base : NULL);
}

struct fat_item *txn_new_dir(struct txn_test *t, const char *long_name, const char *short_name)
{
	uint8_t *set = txn_new_set(t);
	uint32_t n = fixture_set(set, long_name, short_name, FAT_ATTR_DIRECTORY, 0);

	return fat_item_dir(t->txn, set, n);
}

struct fat_item *txn_keep_as(struct txn_test *t, const char *path, bool fixed)
{
	struct fat_entry entry = fixture_find(t->f, path);
	uint8_t *set = txn_new_set(t);

	memcpy(set, entry.slots, sizeof entry.slots);
	return fat_item_keep(t->txn, set, entry.n_slots, entry.first_cluster, fixed);
}

struct fat_item *txn_keep(struct txn_test *t, const char *path)
{
	return txn_keep_as(t, path, false);
}

void txn_put(struct fat_item *dir, struct fat_item *child)
{
	ck_assert_ptr_nonnull(child);
	ck_assert_int_eq(fat_item_add(dir, child), 0);
}

struct fat_place txn_in(struct txn_test *t, const char *path)
{
	struct fat_place place = {.dir_path = t->paths[t->n_paths]};

	ck_assert_uint_lt(t->n_paths, TXN_MAX_SETS);
	(void)snprintf(t->paths[t->n_paths++], sizeof t->paths[0], "%s", path);
	if (strcmp(path, "/") != 0)
		place.dir_cluster = fixture_find(t->f, path).first_cluster;
	return place;
}

struct fat_place txn_at(struct txn_test *t, const char *path)
{
	const char *name = strrchr(path, '/');
	char parent[256];
	struct fat_place place;

	(void)snprintf(parent, sizeof parent, "%.*s", (int)(name - path), path);
	place = txn_in(t, *parent ? parent : "/");
	place.short_slot = fixture_find(t->f, path).short_slot;
	return place;
}

void txn_replace(struct txn_test *t, const char *path, struct fat_item *item)
{
	struct fat_place place = txn_at(t, path);

	ck_assert_ptr_nonnull(item);
	ck_assert_int_eq(fat_txn_replace(t->txn, &place, item), 0);
}

void txn_add(struct txn_test *t, const char *dir, struct fat_item *item)
{
	struct fat_place place = txn_in(t, dir);

	ck_assert_ptr_nonnull(item);
	ck_assert_int_eq(fat_txn_add(t->txn, &place, item), 0);
}

void txn_remove(struct txn_test *t, const char *path)
{
	struct fat_place place = txn_at(t, path);

	ck_assert_int_eq(fat_txn_remove(t->txn, &place), 0);
}

void txn_rename(struct txn_test *t, const char *path, struct fat_item *item)
{
	struct fat_place place = txn_at(t, path);

	ck_assert_ptr_nonnull(item);
	ck_assert_int_eq(fat_txn_rename(t->txn, &place, item), 0);
}

/* ---- what is there, and what was written ---- */

void txn_fill_dir(struct txn_test *t, const char *dir, int n)
{
	fixture_do(t->f, "for i in $(seq 100 %d); do : >F$i; done; mcopy -i x.img F* ::%s/", 99 + n,
		dir);
	txn_end(t);
	txn_begin(t);
}

static const char *region_of(const struct fat_geometry *geo, uint64_t offset)
{
	if (offset < geo->fat_offset)
		return offset == geo->fsinfo_offset && offset > 0 ? "fsinfo" : "RESERVED";
	if (offset < geo->fat_offset + geo->fat_size)
		return "fat1";
	if (offset < geo->fat_offset + geo->n_fats * geo->fat_size)
		return "fat2";
	return offset < geo->data_offset ? "root" : NULL;
}

void txn_describe(struct txn_test *t, const struct fat_geometry *geo, const char *const *names,
	const uint32_t *dirs, char *ret, size_t size)
{
	const char *last = "";

	*ret = '\0';
	for (const char *line = t->trace.text; line && *line; line = strchr(line, '\n') + 1) {
		const char *region = "flush";
		unsigned long long offset;

		if (sscanf(line, "write %llu", &offset) == 1) {
			region = region_of(geo, offset);
			for (size_t i = 0; !region && names[i]; i++)
				if ((offset - geo->data_offset) / geo->cluster_size + 2 == dirs[i])
					region = names[i];
			region = region ? region : "data";
		}
		if (strcmp(region, last) != 0 || strcmp(region, "flush") == 0)
			(void)snprintf(ret + strlen(ret), size - strlen(ret), "%s%s",
				*ret ? " " : "", region);
		last = region;
	}
}

uint8_t *txn_slot_of(struct txn_test *t, const char *dir, uint32_t slot)
{
	uint32_t cluster = fixture_find(t->f, dir).first_cluster;

	return t->f->bytes + fat_cluster_offset(t->vol, cluster) + (size_t)slot * FAT_SLOT_LEN;
}

void txn_set_fat(struct txn_test *t, unsigned copy, uint32_t cluster, uint32_t value)
{
	struct fat_volume *vol;

	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	fat_table_set(vol, cluster, value);
	ck_assert_int_eq(fat_table_write(vol, copy), 1);
	fat_close(vol);
}

/* ---- suites ---- */

static void prepare(void)
{
	fixture_prepare(txn_files, TXN_N_FILES);
}

void txn_add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n, int loops)
{
	TCase *tc = suite_add_case(suite, name, tests, n, loops);

	tcase_set_timeout(tc, 120);
	tcase_add_unchecked_fixture(tc, prepare, fixture_forget);
}
