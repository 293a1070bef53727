/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The allocation table: what the entries on disk mean, and that writing one changes its own
 * bits and no other. The volumes here are a boot sector and two FAT copies full of noise where no
 * entry is; entries are packed and unpacked by this program's own few lines.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/testdev.h"

enum {
	N_TYPES = 3,
	SECTOR = 512,
	MAX_DIFFERENCES = 16
};

static const struct shape {
	enum fat_type type;
	uint32_t n_clusters;
	uint32_t reserved; /* sectors */
	uint32_t fat_sectors;
	uint32_t end, bad; /* as the type writes them */
} shapes[N_TYPES] = {
	{FAT_TYPE_12, 1000, 1, 4, 0xfff, 0xff7}, {FAT_TYPE_16, 5000, 1, 21, 0xffff, 0xfff7},
	{FAT_TYPE_32, 70000, 32, 550, 0x0fffffff, 0x0ffffff7}, /* more than a piece of 256 KiB */
};

struct test {
	const struct shape *shape;
	uint8_t *bytes;
	uint64_t size;
	struct trace trace;
	struct fault fault;
	struct blkdev *mem, *faulty, *dev;
	struct fat_volume *vol;
	char messages[1024];
};

static uint8_t *copy_of(struct test *t, unsigned copy)
{
	return t->bytes + (size_t)(t->shape->reserved + copy * t->shape->fat_sectors) * SECTOR;
}

/* ---- entries, packed and unpacked without the code under test ---- */

static uint32_t get_raw(struct test *t, unsigned copy, uint32_t cluster)
{
	const uint8_t *at = copy_of(t, copy);

	if (t->shape->type == FAT_TYPE_32) {
		at += (size_t)cluster * 4;
		return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
	}
	if (t->shape->type == FAT_TYPE_16)
		return at[(size_t)cluster * 2] | (uint32_t)at[(size_t)cluster * 2 + 1] << 8;
	at += cluster / 2 * 3; /* two entries in three bytes */
	return cluster % 2 ? at[1] >> 4 | (uint32_t)at[2] << 4
			   : at[0] | (uint32_t)(at[1] & 0x0f) << 8;
}

static void put_raw(struct test *t, unsigned copy, uint32_t cluster, uint32_t value)
{
	uint8_t *at = copy_of(t, copy);
	size_t len = t->shape->type == FAT_TYPE_32 ? 4 : 2;

	if (t->shape->type != FAT_TYPE_12) {
		for (size_t i = 0; i < len; i++)
			at[cluster * len + i] = (uint8_t)(value >> (8 * i));
		return;
	}
	at += cluster / 2 * 3;
	if (cluster % 2) {
		at[1] = (uint8_t)((at[1] & 0x0f) | value << 4);
		at[2] = (uint8_t)(value >> 4);
	} else {
		at[0] = (uint8_t)value;
		at[1] = (uint8_t)((at[1] & 0xf0) | value >> 8);
	}
}

static void put_both(struct test *t, uint32_t cluster, uint32_t value)
{
	put_raw(t, 0, cluster, value);
	put_raw(t, 1, cluster, value);
}

/* ---- volumes ---- */

static void put_boot_sector(struct test *t)
{
	const struct shape *shape = t->shape;
	bool fat32 = shape->type == FAT_TYPE_32;
	struct fat_boot_sector boot = {
		.bytes_per_sector = le16_of(SECTOR),
		.sectors_per_cluster = 1,
		.reserved_sectors = le16_of((uint16_t)shape->reserved),
		.n_fats = 2,
		.root_entries = le16_of(fat32 ? 0 : 16),
		.total_sectors_32 = le32_of((uint32_t)(t->size / SECTOR)),
		.media = 0xf8,
		.fat_sectors_16 = le16_of(fat32 ? 0 : (uint16_t)shape->fat_sectors),
	};

	if (fat32) {
		boot.u.fat32.fat_sectors = le32_of(shape->fat_sectors);
		boot.u.fat32.root_cluster = le32_of(2);
	}
	memcpy(t->bytes, &boot, sizeof boot);
}

/* The FAT copies: other noise in each, and free entries. */
static struct test *new_test(int type)
{
	struct test *t = calloc(1, sizeof *t);
	size_t fat_size;

	ck_assert_ptr_nonnull(t);
	t->shape = &shapes[type];
	fat_size = (size_t)t->shape->fat_sectors * SECTOR;
	t->size = (uint64_t)(t->shape->reserved + 2 * t->shape->fat_sectors +
			     (t->shape->type == FAT_TYPE_32 ? 0 : 1) + t->shape->n_clusters) *
		  SECTOR;
	ck_assert_int_eq(memdev_new(t->size, SECTOR, &t->bytes, &t->mem), 0);
	ck_assert_int_eq(faultdev_new(t->mem, &t->fault, &t->faulty), 0);
	ck_assert_int_eq(tracedev_new(t->faulty, &t->trace, &t->dev), 0);
	put_boot_sector(t);
	memset(copy_of(t, 0), 0xa5, fat_size);
	memset(copy_of(t, 1), 0x5a, fat_size);
	for (uint32_t c = 2; c < t->shape->n_clusters + 2; c++)
		put_both(t, c, 0);
	return t;
}

static void take_message(void *userdata, const char *message)
{
	struct test *t = userdata;

	strncat(t->messages, message, sizeof t->messages - strlen(t->messages) - 1);
}

static void open_volume(struct test *t)
{
	struct fat_log log = {take_message, t};

	ck_assert_int_eq(fat_open(t->dev, "disk.img", &log, &t->vol), 0);
}

static void free_test(struct test *t)
{
	fat_close(t->vol);
	blkdev_close(t->dev);
	blkdev_close(t->faulty);
	blkdev_close(t->mem);
	trace_done(&t->trace);
	free(t);
}

static uint32_t last_cluster(const struct test *t)
{
	return t->shape->n_clusters + 1;
}

/* ---- reading ---- */

START_TEST(test_links_free_and_bad_entries_are_read)
{
	struct test *t = new_test(_i);

	put_both(t, 2, 3);
	put_both(t, 3, last_cluster(t));
	put_both(t, last_cluster(t), t->shape->end);
	put_both(t, 10, t->shape->bad);
	put_both(t, 11, 1);
	open_volume(t);
	ck_assert_uint_eq(fat_next(t->vol, 2), 3);
	ck_assert_uint_eq(fat_next(t->vol, 3), last_cluster(t));
	ck_assert_uint_eq(fat_next(t->vol, last_cluster(t)), FAT_EOC);
	ck_assert_uint_eq(fat_next(t->vol, 4), FAT_FREE);
	ck_assert_uint_eq(fat_next(t->vol, 10), FAT_BAD);
	ck_assert_uint_eq(fat_next(t->vol, 11), FAT_RESERVED);
	ck_assert_uint_eq(fat_count_free(t->vol), t->shape->n_clusters - 5);
	free_test(t);
}
END_TEST

START_TEST(test_every_entry_is_read)
{
	struct test *t = new_test(_i);
	uint32_t wrong = 0;

	for (uint32_t c = 2; c <= last_cluster(t); c++)
		put_both(t, c, 2 + c * 7 % t->shape->n_clusters);
	open_volume(t);
	for (uint32_t c = 2; c <= last_cluster(t); c++)
		wrong += fat_next(t->vol, c) != 2 + c * 7 % t->shape->n_clusters;
	ck_assert_uint_eq(wrong, 0);
	free_test(t);
}
END_TEST

START_TEST(test_eight_values_are_end_marks)
{
	struct test *t = new_test(_i);

	for (uint32_t i = 0; i < 8; i++)
		put_both(t, 20 + i, t->shape->end - i);
	put_both(t, 30, t->shape->bad - 1);
	open_volume(t);
	for (uint32_t i = 0; i < 8; i++)
		ck_assert_uint_eq(fat_next(t->vol, 20 + i), FAT_EOC);
	ck_assert_uint_eq(fat_next(t->vol, 30), t->shape->bad - 1);
	ck_assert(!fat_cluster_valid(t->vol, fat_next(t->vol, 30)));
	free_test(t);
}
END_TEST

START_TEST(test_the_top_nibble_of_fat32_is_not_read)
{
	struct test *t = new_test(2);

	put_both(t, 2, 0x50000003);
	put_both(t, 3, 0xf0000000);
	put_both(t, 4, 0x3ffffff8);
	put_both(t, 5, 0x9ffffff7);
	open_volume(t);
	ck_assert_uint_eq(fat_next(t->vol, 2), 3);
	ck_assert_uint_eq(fat_next(t->vol, 3), FAT_FREE);
	ck_assert_uint_eq(fat_next(t->vol, 4), FAT_EOC);
	ck_assert_uint_eq(fat_next(t->vol, 5), FAT_BAD);
	ck_assert(t->vol->table.high_nibble);
	free_test(t);
}
END_TEST

START_TEST(test_the_first_two_entries_are_read_raw)
{
	struct test *t = new_test(_i);
	uint32_t head[2];

	put_raw(t, 0, 0, 0xff8);
	put_raw(t, 0, 1, 0x7ff);
	put_raw(t, 1, 0, 0xff0);
	put_raw(t, 1, 1, 0xbff);
	open_volume(t);
	ck_assert_uint_eq(t->vol->table.head[0], 0xff8);
	ck_assert_uint_eq(t->vol->table.head[1], 0x7ff);
	ck_assert(!t->vol->table.high_nibble);
	ck_assert_int_eq(fat_table_read_head(t->vol, 1, head), 0);
	ck_assert_uint_eq(head[0], 0xff0);
	ck_assert_uint_eq(head[1], 0xbff);
	free_test(t);
}
END_TEST

START_TEST(test_any_entry_can_be_read_raw_from_either_copy)
{
	static const uint32_t clusters[] = {2, 3, 340, 341, 342, 682, 683};
	struct test *t = new_test(_i);

	for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++) {
		put_raw(t, 0, clusters[i], 0xff8 + (uint32_t)i % 8);
		put_raw(t, 1, clusters[i], 0x123 + (uint32_t)i);
	}
	open_volume(t);
	for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++) {
		uint32_t raw;

		ck_assert_int_eq(fat_table_read_raw(t->vol, 0, clusters[i], &raw), 0);
		ck_assert_uint_eq(raw, 0xff8 + i % 8);
		ck_assert_int_eq(fat_table_read_raw(t->vol, 1, clusters[i], &raw), 0);
		ck_assert_uint_eq(raw, 0x123 + i);
	}
	free_test(t);
}
END_TEST

START_TEST(test_a_read_error_is_reported_and_passed_on)
{
	struct test *t = new_test(_i);
	struct fat_log log = {take_message, t};

	t->fault = (struct fault){.ops = TESTDEV_READ, .error = -EIO, .nth = 2};
	ck_assert_int_eq(fat_open(t->dev, "disk.img", &log, &t->vol), -EIO);
	ck_assert_ptr_null(t->vol);
	ck_assert_ptr_nonnull(strstr(t->messages, "disk.img: "));
	ck_assert_ptr_nonnull(strstr(t->messages, "FAT copy 1"));
	free_test(t);
}
END_TEST

/* ---- writing ---- */

/* Both copies as they stand, for comparison. */
static uint8_t *snapshot(struct test *t)
{
	uint8_t *all = malloc(t->size);

	ck_assert_ptr_nonnull(all);
	memcpy(all, t->bytes, t->size);
	return all;
}

/* The image is @want, apart from the entry of @cluster in @copy, which is @value. */
static void expect_changed(
	struct test *t, uint8_t *want, unsigned copy, uint32_t cluster, uint32_t value)
{
	struct test other = *t;

	ck_assert_uint_eq(get_raw(t, copy, cluster), value);
	other.bytes = want;
	put_raw(&other, copy, cluster, value);
	ck_assert_int_eq(memcmp(t->bytes, want, t->size), 0);
}

/* Cluster 341 of FAT12 has its entry in two sectors, as has 682. */
START_TEST(test_a_write_changes_one_entry_in_one_copy)
{
	static const uint32_t clusters[] = {
		2, 3, 255, 256, 340, 341, 342, 681, 682, 683, 1000, 1001};
	struct test *t = new_test(_i);
	uint8_t *want = snapshot(t);

	open_volume(t);
	for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++) {
		fat_table_clean(t->vol);
		fat_table_set(t->vol, clusters[i], 0x2bc);
		ck_assert_int_eq(fat_table_write(t->vol, 1), 1);
		expect_changed(t, want, 1, clusters[i], 0x2bc);
		ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
		expect_changed(t, want, 0, clusters[i], 0x2bc);
		ck_assert_int_eq(fat_table_verify(t->vol, 0), 0);
		ck_assert_int_eq(fat_table_verify(t->vol, 1), 0);
	}
	free(want);
	free_test(t);
}
END_TEST

/* What stands behind the last entry, and FAT[0] and FAT[1], are noise here, other in each copy. */
START_TEST(test_the_ends_of_each_copy_stay_as_they_are)
{
	struct test *t = new_test(_i);
	uint8_t *want = snapshot(t);

	open_volume(t);
	fat_table_set(t->vol, 2, FAT_EOC);
	fat_table_set(t->vol, last_cluster(t), FAT_EOC);
	ck_assert_int_ge(fat_table_write(t->vol, 0), 1);
	ck_assert_int_ge(fat_table_write(t->vol, 1), 1);
	for (unsigned copy = 0; copy < 2; copy++) {
		struct test other = *t;

		other.bytes = want;
		put_raw(&other, copy, 2, t->shape->end);
		put_raw(&other, copy, last_cluster(t), t->shape->end);
	}
	ck_assert_int_eq(memcmp(t->bytes, want, t->size), 0);
	free(want);
	free_test(t);
}
END_TEST

START_TEST(test_each_copy_keeps_its_top_nibbles)
{
	struct test *t = new_test(2);

	put_raw(t, 0, 100, 0x50000000);
	put_raw(t, 1, 100, 0xa0000000);
	open_volume(t);
	fat_table_set(t->vol, 100, FAT_EOC);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	ck_assert_int_eq(fat_table_write(t->vol, 1), 1);
	ck_assert_uint_eq(get_raw(t, 0, 100), 0x5fffffff);
	ck_assert_uint_eq(get_raw(t, 1, 100), 0xafffffff);
	fat_table_set(t->vol, 100, FAT_FREE);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	ck_assert_uint_eq(get_raw(t, 0, 100), 0x50000000);
	free_test(t);
}
END_TEST

START_TEST(test_end_and_bad_marks_are_written_as_the_type_has_them)
{
	struct test *t = new_test(_i);

	open_volume(t);
	fat_table_set(t->vol, 50, FAT_EOC);
	fat_table_set(t->vol, 51, FAT_BAD);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	ck_assert_uint_eq(get_raw(t, 0, 50), t->shape->end);
	ck_assert_uint_eq(get_raw(t, 0, 51), t->shape->bad);
	free_test(t);
}
END_TEST

/* What others wrote stays as they spelt it, in the sector beside ours too. */
START_TEST(test_other_end_marks_are_not_rewritten)
{
	struct test *t = new_test(_i);

	put_both(t, 100, t->shape->end - 7);
	put_both(t, 102, t->shape->end - 4);
	open_volume(t);
	fat_table_set(t->vol, 101, 0x123);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	ck_assert_uint_eq(get_raw(t, 0, 100), t->shape->end - 7);
	ck_assert_uint_eq(get_raw(t, 0, 101), 0x123);
	ck_assert_uint_eq(get_raw(t, 0, 102), t->shape->end - 4);
	free_test(t);
}
END_TEST

START_TEST(test_an_end_mark_that_we_set_is_the_usual_one)
{
	struct test *t = new_test(_i);

	put_both(t, 100, t->shape->end - 7);
	open_volume(t);
	fat_table_set(t->vol, 100, FAT_EOC);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	ck_assert_uint_eq(get_raw(t, 0, 100), t->shape->end);
	free_test(t);
}
END_TEST

/* Of the entry of cluster 341 or 682 only one half lies in the sector that is written. */
START_TEST(test_other_end_marks_across_two_sectors_are_not_rewritten)
{
	static const uint32_t straddling[] = {341, 682};

	for (size_t i = 0; i < 2; i++)
		for (uint32_t mark = 0xff8; mark <= 0xfff; mark++) {
			struct test *t = new_test(0);
			uint8_t *want;

			put_both(t, straddling[i], mark);
			want = snapshot(t);
			open_volume(t);
			fat_table_set(t->vol, straddling[i] - 10, 0x123);
			ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
			expect_changed(t, want, 0, straddling[i] - 10, 0x123);
			fat_table_clean(t->vol);
			fat_table_set(t->vol, straddling[i] + 10, 0x123);
			ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
			expect_changed(t, want, 0, straddling[i] + 10, 0x123);
			free(want);
			free_test(t);
		}
}
END_TEST

/* ---- what is written ---- */

static void expect_writes(struct test *t, unsigned copy, int64_t n, const char *lines)
{
	trace_done(&t->trace);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_table_write(t->vol, copy), n);
	ck_assert_str_eq(t->trace.text ? t->trace.text : "", lines);
}

/* FAT16: 256 entries in a sector; the copies begin at sectors 1 and 22. */
START_TEST(test_only_sectors_with_changes_are_written)
{
	struct test *t = new_test(1);

	open_volume(t);
	expect_writes(t, 0, 0, "");
	fat_table_set(t->vol, 300, FAT_EOC);
	expect_writes(t, 0, 1, "write 1024+512\n");
	expect_writes(t, 1, 1, "write 11776+512\n");
	expect_writes(t, 1, 0, "");
	fat_table_set(t->vol, 301, FAT_EOC);
	fat_table_set(t->vol, 600, FAT_EOC);
	fat_table_set(t->vol, 2000, FAT_EOC);
	expect_writes(t, 0, 2, "write 1024+1024\nwrite 4096+512\n");
	free_test(t);
}
END_TEST

START_TEST(test_an_entry_in_two_sectors_writes_both_at_once)
{
	struct test *t = new_test(0);

	open_volume(t);
	fat_table_set(t->vol, 341, FAT_EOC);
	expect_writes(t, 0, 1, "write 512+1024\n");
	free_test(t);
}
END_TEST

START_TEST(test_clean_forgets_what_was_dirty)
{
	struct test *t = new_test(_i);

	open_volume(t);
	fat_table_set(t->vol, 300, FAT_EOC);
	fat_table_clean(t->vol);
	expect_writes(t, 0, 0, "");
	fat_table_touch(t->vol, 300);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	ck_assert_uint_eq(get_raw(t, 0, 300), t->shape->end);
	free_test(t);
}
END_TEST

/* 256 KiB into the copy begins the entry of cluster 65536. */
START_TEST(test_a_table_longer_than_a_piece_is_written_and_verified)
{
	struct test *t = new_test(2);
	uint32_t wrong = 0;

	open_volume(t);
	for (uint32_t c = 2; c <= last_cluster(t); c++)
		fat_table_set(t->vol, c, c ^ 1);
	expect_writes(t, 0, 2, "write 16384+262144\nwrite 278528+17920\n");
	for (uint32_t c = 2; c <= last_cluster(t); c++)
		wrong += get_raw(t, 0, c) != (c ^ 1);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(fat_table_verify(t->vol, 0), 0);
	put_raw(t, 0, 65536, 2);
	ck_assert_int_eq(fat_table_verify(t->vol, 0), -EIO);
	free_test(t);
}
END_TEST

START_TEST(test_a_write_error_is_reported_and_passed_on)
{
	struct test *t = new_test(_i);

	open_volume(t);
	fat_table_set(t->vol, 300, FAT_EOC);
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .error = -ENOSPC, .nth = 1};
	ck_assert_int_eq(fat_table_write(t->vol, 1), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(t->messages, "FAT copy 2"));
	free_test(t);
}
END_TEST

/* ---- verifying ---- */

START_TEST(test_verify_finds_a_lost_write)
{
	struct test *t = new_test(_i);

	open_volume(t);
	fat_table_set(t->vol, 300, FAT_EOC);
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = 1};
	ck_assert_int_eq(fat_table_write(t->vol, 1), 1);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	ck_assert_int_eq(fat_table_verify(t->vol, 0), 0);
	ck_assert_int_eq(fat_table_verify(t->vol, 1), -EIO);
	ck_assert_ptr_nonnull(strstr(t->messages, "FAT copy 2"));
	free_test(t);
}
END_TEST

START_TEST(test_verify_finds_damage_beside_the_changed_entry)
{
	struct test *t = new_test(_i);

	open_volume(t);
	fat_table_set(t->vol, 300, FAT_EOC);
	ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
	put_raw(t, 0, 303, 2);
	ck_assert_int_eq(fat_table_verify(t->vol, 0), -EIO);
	free_test(t);
}
END_TEST

/* The media byte in FAT[0], FAT[1], and the noise behind the last entry. */
START_TEST(test_verify_finds_damage_where_no_cluster_has_its_entry)
{
	for (int i = 0; i < 3; i++) {
		struct test *t = new_test(_i);
		uint8_t *copy = copy_of(t, 0);
		size_t last = (size_t)t->shape->fat_sectors * SECTOR - 1;

		open_volume(t);
		fat_table_set(t->vol, i < 2 ? 3 : last_cluster(t), FAT_EOC);
		ck_assert_int_eq(fat_table_write(t->vol, 0), 1);
		while (i == 2 && last > 0 && copy[last - 1] == 0xa5)
			last--;
		copy[i == 0 ? 0 : i == 1 ? 2 : last] ^= 1;
		ck_assert_int_eq(fat_table_verify(t->vol, 0), -EIO);
		free_test(t);
	}
}
END_TEST

/* ---- comparing ---- */

struct differences {
	uint32_t n;
	uint32_t cluster[MAX_DIFFERENCES], value[MAX_DIFFERENCES];
	int answer;
};

static int note_difference(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata)
{
	struct differences *d = userdata;

	ck_assert(fat_cluster_valid(vol, cluster));
	ck_assert_uint_lt(d->n, MAX_DIFFERENCES);
	d->cluster[d->n] = cluster;
	d->value[d->n++] = value;
	return d->answer;
}

START_TEST(test_compare_names_every_entry_that_means_something_else)
{
	struct test *t = new_test(_i);
	struct differences d = {0};

	put_raw(t, 1, 341, 0x234);
	put_raw(t, 1, 500, t->shape->end - 3);
	put_raw(t, 1, last_cluster(t), t->shape->bad);
	open_volume(t);
	ck_assert_int_eq(fat_table_compare(t->vol, 0, note_difference, &d), 0);
	ck_assert_uint_eq(d.n, 0);
	ck_assert_int_eq(fat_table_compare(t->vol, 1, note_difference, &d), 0);
	ck_assert_uint_eq(d.n, 3);
	ck_assert_uint_eq(d.cluster[0], 341);
	ck_assert_uint_eq(d.value[0], 0x234);
	ck_assert_uint_eq(d.cluster[1], 500);
	ck_assert_uint_eq(d.value[1], FAT_EOC);
	ck_assert_uint_eq(d.cluster[2], last_cluster(t));
	ck_assert_uint_eq(d.value[2], FAT_BAD);
	free_test(t);
}
END_TEST

START_TEST(test_compare_ends_when_told_to)
{
	struct test *t = new_test(_i);
	struct differences d = {.answer = -ECANCELED};

	put_raw(t, 1, 10, 5);
	put_raw(t, 1, 11, 5);
	open_volume(t);
	ck_assert_int_eq(fat_table_compare(t->vol, 1, note_difference, &d), -ECANCELED);
	ck_assert_uint_eq(d.n, 1);
	free_test(t);
}
END_TEST

START_TEST(test_other_end_marks_and_top_nibbles_are_no_difference)
{
	struct test *t = new_test(_i);
	struct differences d = {0};

	put_raw(t, 0, 10, t->shape->end);
	put_raw(t, 1, 10, t->shape->end - 7);
	if (t->shape->type == FAT_TYPE_32)
		put_raw(t, 1, 11, 0xf0000000);
	open_volume(t);
	ck_assert_int_eq(fat_table_compare(t->vol, 1, note_difference, &d), 0);
	ck_assert_uint_eq(d.n, 0);
	free_test(t);
}
END_TEST

START_TEST(test_a_change_behind_our_back_is_seen)
{
	struct test *t = new_test(_i);

	open_volume(t);
	put_raw(t, 1, 341, 0x234);
	ck_assert_int_eq(fat_reread_table(t->vol), 0);
	ck_assert_str_eq(t->messages, "");
	put_raw(t, 0, 341, 0x234);
	ck_assert_int_eq(fat_reread_table(t->vol), -ESTALE);
	ck_assert_ptr_nonnull(strstr(t->messages, "341"));
	free_test(t);
}
END_TEST

/* ---- all of them ---- */

int main(void)
{
	const TTest *const all_types[] = {
		test_links_free_and_bad_entries_are_read,
		test_every_entry_is_read,
		test_eight_values_are_end_marks,
		test_the_first_two_entries_are_read_raw,
		test_any_entry_can_be_read_raw_from_either_copy,
		test_a_read_error_is_reported_and_passed_on,
		test_a_write_changes_one_entry_in_one_copy,
		test_the_ends_of_each_copy_stay_as_they_are,
		test_end_and_bad_marks_are_written_as_the_type_has_them,
		test_other_end_marks_are_not_rewritten,
		test_an_end_mark_that_we_set_is_the_usual_one,
		test_clean_forgets_what_was_dirty,
		test_a_write_error_is_reported_and_passed_on,
		test_verify_finds_a_lost_write,
		test_verify_finds_damage_beside_the_changed_entry,
		test_verify_finds_damage_where_no_cluster_has_its_entry,
		test_compare_names_every_entry_that_means_something_else,
		test_compare_ends_when_told_to,
		test_other_end_marks_and_top_nibbles_are_no_difference,
		test_a_change_behind_our_back_is_seen,
	};
	const TTest *const one_type[] = {
		test_the_top_nibble_of_fat32_is_not_read,
		test_each_copy_keeps_its_top_nibbles,
		test_other_end_marks_across_two_sectors_are_not_rewritten,
		test_only_sectors_with_changes_are_written,
		test_an_entry_in_two_sectors_writes_both_at_once,
		test_a_table_longer_than_a_piece_is_written_and_verified,
	};
	Suite *suite = suite_create("table");
	TCase *tc = tcase_create("table");

	tcase_set_timeout(tc, 60);
	suite_add_tests(tc, all_types, sizeof(all_types) / sizeof(*all_types), N_TYPES);
	suite_add_tests(tc, one_type, sizeof(one_type) / sizeof(*one_type), 1);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
