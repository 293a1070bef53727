/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Directories and files: which slots make an entry, finding it, and reading what it names. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/fixture.h"
#include "tests/suite.h"
#include "tests/testdev.h"

enum {
	MAX_SLOTS = 64
};

/* ---- entry sets, slot by slot ---- */

struct slots {
	uint8_t bytes[MAX_SLOTS * FAT_SLOT_LEN];
	uint32_t n;
	uint32_t at; /* of the next set */
};

static uint8_t *slot(struct slots *s, uint32_t i)
{
	return s->bytes + (size_t)i * FAT_SLOT_LEN;
}

/* Append an entry set; returns its first slot. */
static uint32_t put(struct slots *s, const char *long_name, const char *short_name)
{
	uint32_t first = s->n;

	s->n += fixture_set(slot(s, s->n), long_name, short_name, FAT_ATTR_ARCHIVE, 0);
	return first;
}

/* The next set is @name, of @n_slots. Returns its problems. */
static unsigned expect_set(struct slots *s, const char *name, uint32_t n_slots)
{
	struct fat_volume vol = {.geo.type = FAT_TYPE_16};
	struct fat_entry entry;
	struct fat_set set;

	ck_assert_int_eq(fat_set_next(s->bytes, MAX_SLOTS, &s->at, &set), 1);
	ck_assert_uint_eq(set.n_slots, n_slots);
	ck_assert_uint_eq(s->at, set.short_slot + 1);
	fat_set_decode(&vol, s->bytes, &set, &entry);
	ck_assert_str_eq(entry.name, name);
	ck_assert_uint_eq(entry.n_slots, n_slots);
	ck_assert_uint_eq(entry.short_slot, set.short_slot);
	return set.problems;
}

static unsigned expect_end(struct slots *s)
{
	struct fat_set set;

	ck_assert_int_eq(fat_set_next(s->bytes, MAX_SLOTS, &s->at, &set), 0);
	return set.problems;
}

static const char LONG[] = "a name in three slots, no less"; /* 30 units */
static const char SHORT[] = "ANAMEI~1   ";

START_TEST(test_long_and_short_sets_follow_each_other)
{
	struct slots s = {0};

	put(&s, LONG, SHORT);
	put(&s, NULL, "README  TXT");
	put(&s, "b", "B~1        ");
	ck_assert_uint_eq(expect_set(&s, LONG, 4), 0);
	ck_assert_uint_eq(expect_set(&s, "README.TXT", 1), 0);
	ck_assert_uint_eq(expect_set(&s, "b", 2), 0);
	ck_assert_uint_eq(expect_end(&s), 0);
}
END_TEST

START_TEST(test_names_have_up_to_255_units_in_20_slots)
{
	struct slots s = {0};
	char name[256] = "";

	memset(name, 'n', 255);
	put(&s, name, SHORT);
	ck_assert_uint_eq(expect_set(&s, name, 21), 0);
	name[247] = '\0'; /* 19 slots without an end mark */
	put(&s, name, SHORT);
	ck_assert_uint_eq(expect_set(&s, name, 20), 0);
}
END_TEST

START_TEST(test_a_name_of_260_units_is_none)
{
	struct slots s = {0};
	char name[261] = "";

	memset(name, 'n', 260);
	put(&s, name, SHORT);
	ck_assert_uint_ne(expect_set(&s, "ANAMEI~1", 1) & FAT_SET_ORPHAN, 0);
}
END_TEST

START_TEST(test_deleted_slots_between_sets_mean_nothing)
{
	struct slots s = {0};
	uint32_t old = put(&s, LONG, SHORT);

	for (uint32_t i = old; i < s.n; i++)
		slot(&s, i)[0] = FAT_SLOT_DELETED;
	put(&s, "b", "B~1        ");
	ck_assert_uint_eq(expect_set(&s, "b", 2), 0);
}
END_TEST

START_TEST(test_a_long_name_with_a_slot_missing_is_none)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct slots s = {0};

		put(&s, LONG, SHORT);
		slot(&s, i)[0] = FAT_SLOT_DELETED;
		ck_assert_uint_eq(expect_set(&s, "ANAMEI~1", 1) & FAT_SET_ORPHAN, FAT_SET_ORPHAN);
	}
}
END_TEST

START_TEST(test_a_deleted_slot_parts_a_name_from_its_entry)
{
	struct slots s = {0};
	uint32_t first = put(&s, LONG, SHORT);

	memcpy(slot(&s, first + 4), slot(&s, first + 3), FAT_SLOT_LEN);
	slot(&s, first + 3)[0] = FAT_SLOT_DELETED;
	ck_assert_uint_ne(expect_set(&s, "ANAMEI~1", 1) & FAT_SET_ORPHAN, 0);
}
END_TEST

START_TEST(test_a_wrong_checksum_leaves_the_short_name)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct slots s = {0};

		put(&s, LONG, SHORT);
		slot(&s, i)[13] ^= 1;
		ck_assert_uint_ne(expect_set(&s, "ANAMEI~1", 1) & FAT_SET_ORPHAN, 0);
	}
}
END_TEST

START_TEST(test_the_long_name_of_another_entry_is_told_from_other_orphans)
{
	struct slots s = {0};

	put(&s, LONG, SHORT);
	memcpy(slot(&s, 3), "OTHER      ", 11);
	ck_assert_uint_eq(expect_set(&s, "OTHER", 1), FAT_SET_ORPHAN | FAT_SET_CHECKSUM);
}
END_TEST

START_TEST(test_slots_out_of_order_are_orphans)
{
	static const uint8_t wrong[][3] = {{0x43, 1, 2}, {0x43, 3, 1}, {0x43, 2, 2}, {3, 2, 1},
		{0x44, 2, 1}, {0x42, 2, 1}, {0x43, 2, 0x41}, {0x40, 2, 1}, {0x55, 2, 1},
		{0xc3, 2, 1}};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct slots s = {0};

		put(&s, LONG, SHORT);
		for (uint32_t j = 0; j < 3; j++)
			slot(&s, j)[0] = wrong[i][j];
		if (wrong[i][2] == 0x41) /* a name of one slot, and two orphans before it */
			ck_assert_uint_ne(expect_set(&s, "a name in thr", 2) & FAT_SET_ORPHAN, 0);
		else
			ck_assert_uint_ne(expect_set(&s, "ANAMEI~1", 1) & FAT_SET_ORPHAN, 0);
	}
}
END_TEST

START_TEST(test_orphans_before_a_whole_set_do_not_hurt_it)
{
	struct slots s = {0};

	put(&s, LONG, SHORT);
	s.n = 2; /* two slots of it */
	put(&s, "b", "B~1        ");
	ck_assert_uint_eq(expect_set(&s, "b", 2), FAT_SET_ORPHAN);
	ck_assert_uint_eq(expect_end(&s), 0);
}
END_TEST

START_TEST(test_orphans_before_the_end_are_told)
{
	struct slots s = {0};

	put(&s, LONG, SHORT);
	slot(&s, 3)[0] = FAT_SLOT_END;
	ck_assert_uint_eq(expect_end(&s), FAT_SET_ORPHAN);
}
END_TEST

START_TEST(test_nothing_stands_behind_the_end_mark)
{
	struct slots s = {0};

	put(&s, NULL, "A          ");
	s.n++;
	put(&s, NULL, "B          ");
	ck_assert_uint_eq(expect_set(&s, "A", 1), 0);
	ck_assert_uint_eq(expect_end(&s), 0);
	ck_assert_uint_eq(expect_end(&s), 0);
}
END_TEST

START_TEST(test_a_directory_may_be_full_to_its_last_slot)
{
	struct slots s = {0};

	for (int i = 0; i < MAX_SLOTS / 4; i++)
		put(&s, LONG, SHORT);
	for (int i = 0; i < MAX_SLOTS / 4; i++)
		ck_assert_uint_eq(expect_set(&s, LONG, 4), 0);
	ck_assert_uint_eq(expect_end(&s), 0);
}
END_TEST

/* Windows and EDK2 refuse such a name, Linux and fsck.fat read it. */
START_TEST(test_odd_fields_and_padding_are_told_and_the_name_is_read)
{
	struct slots s = {0};
	uint32_t a = put(&s, LONG, SHORT), b = put(&s, LONG, SHORT), c = put(&s, LONG, SHORT);

	slot(&s, a)[12] = 1;
	slot(&s, b + 1)[26] = 1;
	slot(&s, c)[30] = 'x'; /* behind the end of the name */
	ck_assert_uint_eq(expect_set(&s, LONG, 4), FAT_SET_FIELDS);
	ck_assert_uint_eq(expect_set(&s, LONG, 4), FAT_SET_FIELDS);
	ck_assert_uint_eq(expect_set(&s, LONG, 4), FAT_SET_PADDING);
}
END_TEST

START_TEST(test_the_high_cluster_half_counts_on_fat32_only)
{
	struct fat_volume fat16 = {.geo.type = FAT_TYPE_16}, fat32 = {.geo.type = FAT_TYPE_32};
	struct fat_short_slot entry = {.cluster_high = le16_of(1), .cluster_low = le16_of(2)};

	ck_assert_uint_eq(fat_slot_cluster(&fat16, &entry), 2);
	ck_assert_uint_eq(fat_slot_cluster(&fat32, &entry), 0x10002);
	fat_slot_set_cluster(&fat16, &entry, 0x1234);
	ck_assert_uint_eq(le16_get(entry.cluster_high), 0);
	ck_assert_uint_eq(le16_get(entry.cluster_low), 0x1234);
	fat_slot_set_cluster(&fat32, &entry, 0x0abcdef0);
	ck_assert_uint_eq(fat_slot_cluster(&fat32, &entry), 0x0abcdef0);
}
END_TEST

/* ---- directories of real volumes ---- */

static const struct fixture_file files[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 3000, .seed = 1},
	{.path = "/EFI/Linux/A long kernel name.efi", .size = 1500, .seed = 2},
	{.path = "/EFI/Linux/readme.txt", .size = 10, .seed = 3},
	{.path = "/loader/entries/"},
	{.path = "/empty", .size = 0},
};

static struct fixture *new_volume(int type)
{
	struct fixture *f = fixture_new(type, files, sizeof files / sizeof *files);

	fixture_open(f);
	return f;
}

/* The names in @path, each followed by a blank. */
static char *names_in(struct fixture *f, const char *path, bool *untidy)
{
	struct fat_entry entry = {0};
	struct fat_dir *dir;
	char *text = calloc(1, 65536);

	if (strcmp(path, "/") != 0)
		ck_assert_int_eq(fat_lookup(f->vol, path, &entry), 0);
	ck_assert_int_eq(fat_dir_open(f->vol, entry.first_cluster, path, &dir), 0);
	while (fat_dir_next(dir, &entry) > 0) {
		strcat(text, entry.name);
		strcat(text, "|");
	}
	if (untidy)
		*untidy = fat_dir_untidy(dir);
	fat_dir_close(dir);
	return text;
}

static void expect_names(struct fixture *f, const char *path, const char *names)
{
	bool untidy;
	char *text = names_in(f, path, &untidy);

	ck_assert_str_eq(text, names);
	ck_assert(!untidy);
	free(text);
}

START_TEST(test_entries_come_without_labels_and_dots)
{
	struct fixture *f = new_volume(_i);

	expect_names(f, "/", "EFI|loader|empty|");
	expect_names(f, "/EFI", "BOOT|Linux|");
	expect_names(f, "/EFI/Linux", "A long kernel name.efi|readme.txt|");
	expect_names(f, "/loader/entries", "");
	fixture_free(f);
}
END_TEST

START_TEST(test_an_entry_says_what_the_directory_says)
{
	struct fixture *f = new_volume(_i);
	struct fat_entry entry;

	ck_assert_int_eq(fat_lookup(f->vol, "/EFI/BOOT/BOOTX64.EFI", &entry), 0);
	ck_assert_uint_eq(entry.size, 3000);
	ck_assert_uint_eq(entry.attributes, FAT_ATTR_ARCHIVE);
	ck_assert_uint_eq(entry.n_slots, 1);
	ck_assert_uint_eq(entry.short_slot, 2);
	ck_assert_mem_eq(fat_entry_short(&entry)->name, "BOOTX64 EFI", 11);
	ck_assert_mem_eq(f->bytes + fat_cluster_offset(f->vol, entry.first_cluster),
		((uint8_t[]){fixture_byte(1, 0), fixture_byte(1, 1), fixture_byte(1, 2)}), 3);
	ck_assert_int_eq(fat_lookup(f->vol, "/EFI", &entry), 0);
	ck_assert_uint_eq(entry.attributes, FAT_ATTR_DIRECTORY);
	ck_assert_uint_eq(entry.size, 0);
	ck_assert_int_eq(fat_lookup(f->vol, "/empty", &entry), 0);
	ck_assert_uint_eq(entry.first_cluster, 0);
	fixture_free(f);
}
END_TEST

static void expect_found(struct fixture *f, const char *path, const char *name)
{
	struct fat_entry entry;

	ck_assert_int_eq(fat_lookup(f->vol, path, &entry), 0);
	ck_assert_str_eq(entry.name, name);
}

START_TEST(test_lookup_takes_any_case_and_short_names)
{
	struct fixture *f = new_volume(_i);

	expect_found(f, "/efi/linux/A LONG KERNEL NAME.EFI", "A long kernel name.efi");
	expect_found(f, "/EFI/LINUX/ALONGK~1.EFI", "A long kernel name.efi");
	expect_found(f, "/efi/linux/alongk~1.efi", "A long kernel name.efi");
	expect_found(f, "/EFI/Linux/README.TXT", "readme.txt");
	expect_found(f, "//EFI///Linux//readme.txt", "readme.txt");
	expect_found(f, "/LOADER/", "loader");
	fixture_free(f);
}
END_TEST

START_TEST(test_lookup_says_what_is_missing)
{
	struct fixture *f = new_volume(_i);
	struct fat_entry entry;

	ck_assert_int_eq(fat_lookup(f->vol, "/EFI/Linux/readme", &entry), -ENOENT);
	ck_assert_int_eq(fat_lookup(f->vol, "/EFI/Linux2/readme.txt", &entry), -ENOENT);
	ck_assert_int_eq(fat_lookup(f->vol, "/EFI/Linux/readme.txt/x", &entry), -ENOTDIR);
	ck_assert_int_eq(fat_lookup(f->vol, "/", &entry), -ENOENT);
	ck_assert_int_eq(fat_lookup(f->vol, "", &entry), -ENOENT);
	ck_assert_int_eq(fat_lookup(f->vol, "/ESP", &entry), -ENOENT); /* the label */
	ck_assert_int_eq(fat_lookup(f->vol, "/EFI/..", &entry), -ENOENT);
	ck_assert_str_eq(f->messages, "");
	fixture_free(f);
}
END_TEST

/* 40 sets of three slots cross sectors and clusters. */
START_TEST(test_sets_cross_sectors_and_clusters)
{
	struct fixture *f = fixture_new(_i, NULL, 0);
	char want[4096] = "";

	fixture_do(f, "for i in $(seq 100 139); do : >\"the file with number $i\"; done; "
		      "mmd -i x.img ::/d; mcopy -i x.img the* ::/d/");
	fixture_open(f);
	for (int i = 100; i < 140; i++) {
		char name[64];

		(void)snprintf(name, sizeof name, "the file with number %d|", i);
		strcat(want, name);
	}
	expect_names(f, "/d", want);
	ck_assert_uint_eq(
		fixture_find(f, "/d/THE FILE WITH NUMBER 139").short_slot, 2 + 40 * 3 - 1);
	fixture_free(f);
}
END_TEST

START_TEST(test_mtools_longest_name_is_read)
{
	struct fixture *f = fixture_new(_i, NULL, 0);
	char name[256] = "";

	memset(name, 'x', 250);
	fixture_do(f, "echo >f; mcopy -i x.img f ::/%s", name);
	fixture_open(f);
	ck_assert_uint_eq(fixture_find(f, "/XXXXXX~1").n_slots, 21);
	expect_found(f, "/XXXXXX~1", name);
	fixture_free(f);
}
END_TEST

/* A FAT32 root grows like any directory; the fixed one has 64 slots here. */
START_TEST(test_the_root_is_read_whole)
{
	struct fixture *f = fixture_new(_i, NULL, 0);
	char *text;

	fixture_do(f, "for i in $(seq 10 69); do : >F$i; done; mcopy -i x.img F* ::/");
	fixture_open(f);
	text = names_in(f, "/", NULL);
	ck_assert_uint_eq(strlen(text), 60 * 4);
	ck_assert_ptr_nonnull(strstr(text, "F10|"));
	ck_assert_ptr_nonnull(strstr(text, "F69|"));
	free(text);
	fixture_free(f);
}
END_TEST

START_TEST(test_damaged_long_names_make_a_directory_untidy)
{
	struct fixture *f = new_volume(_i);
	struct fat_entry dir = fixture_find(f, "/EFI/Linux");
	bool untidy = false;
	char *text;

	f->bytes[fat_cluster_offset(f->vol, dir.first_cluster) + 2 * FAT_SLOT_LEN + 13] ^= 0xff;
	text = names_in(f, "/EFI/Linux", &untidy);
	ck_assert(untidy);
	ck_assert_str_eq(text, "ALONGK~1.EFI|readme.txt|");
	free(text);
	fixture_free(f);
}
END_TEST

static void expect_unreadable(struct fixture *f, uint32_t cluster, int error)
{
	struct fat_dir *dir = NULL;

	ck_assert_int_eq(fat_dir_open(f->vol, cluster, "/some/path", &dir), error);
	ck_assert_ptr_null(dir);
	ck_assert_ptr_nonnull(strstr(f->messages, "test: "));
	ck_assert_ptr_nonnull(strstr(f->messages, "/some/path"));
	f->messages[0] = '\0';
}

START_TEST(test_directories_with_broken_chains_are_refused)
{
	struct fixture *f = new_volume(_i);
	uint32_t first = fixture_find(f, "/EFI/Linux").first_cluster;
	uint32_t end = f->vol->geo.n_clusters + 2, other = end - 10;
	uint32_t wrong[] = {first, FAT_FREE, FAT_RESERVED, FAT_BAD, end, end + 1000000};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		fat_table_set(f->vol, first, wrong[i]);
		expect_unreadable(f, first, -EUCLEAN);
	}
	fat_table_set(f->vol, first, other); /* a loop of two */
	fat_table_set(f->vol, other, first);
	expect_unreadable(f, first, -EUCLEAN);
	expect_unreadable(f, 1, -EUCLEAN);
	expect_unreadable(f, end, -EUCLEAN);
	expect_unreadable(f, 0x0fffffff, -EUCLEAN);
	expect_unreadable(f, 0xffffffff, -EUCLEAN);
	fixture_free(f);
}
END_TEST

/* 2 MiB are 4096 clusters of a sector. */
START_TEST(test_directories_have_at_most_65536_slots)
{
	struct fixture *f = fixture_new(1, NULL, 0);
	struct fat_dir_image image;

	fixture_open(f);
	for (uint32_t c = 100; c < 100 + 4095; c++)
		fat_table_set(f->vol, c, c + 1);
	fat_table_set(f->vol, 100 + 4095, FAT_EOC);
	ck_assert_int_eq(fat_dir_image_load(f->vol, 100, "/d", &image), 0);
	ck_assert_uint_eq(image.n_slots, 65536);
	ck_assert_uint_eq(image.n_clusters, 4096);
	ck_assert_uint_eq(fat_dir_image_offset(f->vol, &image, 17),
		fat_cluster_offset(f->vol, 101) + FAT_SLOT_LEN);
	fat_dir_image_done(&image);
	fat_table_set(f->vol, 100 + 4095, 100 + 4096);
	fat_table_set(f->vol, 100 + 4096, FAT_EOC);
	expect_unreadable(f, 100, -EUCLEAN);
	fixture_free(f);
}
END_TEST

START_TEST(test_a_read_error_in_a_directory_is_reported)
{
	struct fixture *f = new_volume(_i);
	struct fault fault = {.ops = TESTDEV_READ, .error = -EIO};
	struct fat_log log = f->vol->log;
	struct fat_volume *vol;
	struct fat_dir *dir;
	struct blkdev *dev;

	ck_assert_int_eq(faultdev_new(f->dev, &fault, &dev), 0);
	ck_assert_int_eq(fat_open(dev, "test", &log, &vol), 0);
	fault.nth = 1;
	fault.n_calls = 0;
	ck_assert_int_eq(fat_dir_open(vol, 0, "/", &dir), -EIO);
	ck_assert_ptr_nonnull(strstr(f->messages, "test: /: "));
	fat_close(vol);
	blkdev_close(dev);
	fixture_free(f);
}
END_TEST

/* ---- files ---- */

/* A chain of the clusters @list (ends with 0) in memory, filled with @seed. Returns the first. */
static uint32_t make_chain(struct fixture *f, const uint32_t *list, uint8_t seed)
{
	uint32_t size = f->vol->geo.cluster_size;

	for (uint32_t i = 0; list[i]; i++) {
		fat_table_set(f->vol, list[i], list[i + 1] ? list[i + 1] : FAT_EOC);
		for (uint32_t j = 0; j < size; j++)
			f->bytes[fat_cluster_offset(f->vol, list[i]) + j] =
				fixture_byte(seed, i * size + j);
	}
	return list[0];
}

/* Read in steps of @step; every byte must be right, and none be there after the end. */
static void expect_contents(struct fixture *f, uint32_t first, uint32_t size, size_t step)
{
	uint8_t *buf = malloc(step);
	struct fat_file *file;
	uint32_t at = 0;
	int64_t n;

	ck_assert_ptr_nonnull(buf);
	ck_assert_int_eq(fat_file_open(f->vol, first, size, "/a/file", &file), 0);
	while ((n = fat_file_read(file, buf, step)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			if (buf[i] != fixture_byte(9, at + i))
				ck_abort_msg("byte %u in steps of %zu", at + i, step);
		at += (uint32_t)n;
		ck_assert(n == (int64_t)step || at == size);
	}
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(at, size);
	ck_assert_int_eq(fat_file_read(file, buf, step), 0);
	fat_file_close(file);
	free(buf);
}

START_TEST(test_files_of_any_length_are_read_in_any_step)
{
	static const uint32_t in_a_row[] = {100, 101, 102, 103, 104, 105, 106, 107, 0};
	static const uint32_t scattered[] = {300, 200, 201, 202, 150, 400, 399, 398, 0};
	static const uint32_t sizes[] = {1, 511, 512, 513, 1024, 1537, 2048, 4095, 4096};
	static const size_t steps[] = {512, 1024, 1536, 4096, 65536};
	struct fixture *f = new_volume(_i);
	uint32_t a = make_chain(f, in_a_row, 9), b = make_chain(f, scattered, 9);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t j = 0; j < sizeof steps / sizeof *steps; j++) {
			expect_contents(f, a, sizes[i], steps[j]);
			expect_contents(f, b, sizes[i], steps[j]);
		}
	expect_contents(f, 0, 0, 512);
	ck_assert_str_eq(f->messages, "");
	fixture_free(f);
}
END_TEST

START_TEST(test_large_clusters_are_read_in_small_steps)
{
	static const uint32_t chain[] = {30, 10, 11, 0};
	struct fixture *f = fixture_new_mkfs("-F 12 -s 8 x.img 1024", NULL, 0);

	fixture_open(f);
	(void)make_chain(f, chain, 9);
	expect_contents(f, 30, 12288, 512);
	expect_contents(f, 30, 12287, 1536);
	expect_contents(f, 30, 4096, 4096);
	expect_contents(f, 30, 8193, 65536);
	fixture_free(f);
}
END_TEST

START_TEST(test_what_mtools_wrote_is_read)
{
	struct fixture *f = new_volume(_i);

	fixture_expect_file(f, "/EFI/BOOT/BOOTX64.EFI", 3000, 1);
	fixture_expect_file(f, "/EFI/Linux/A long kernel name.efi", 1500, 2);
	fixture_expect_file(f, "/EFI/Linux/readme.txt", 10, 3);
	fixture_expect_file(f, "/empty", 0, 0);
	fixture_free(f);
}
END_TEST

START_TEST(test_clusters_in_a_row_are_one_read)
{
	static const uint32_t chain[] = {100, 101, 102, 103, 200, 201, 0};
	struct fixture *f = new_volume(1);
	struct trace trace = {.ops = TESTDEV_READ};
	struct fat_file *file;
	char want[200];
	uint8_t buf[4096];

	(void)make_chain(f, chain, 9);
	ck_assert_int_eq(tracedev_new(f->dev, &trace, &f->vol->dev), 0);
	ck_assert_int_eq(fat_file_open(f->vol, 100, 2600, "/a/file", &file), 0);
	ck_assert_int_eq(fat_file_read(file, buf, sizeof buf), 2600);
	(void)snprintf(want, sizeof want, "read %llu+2048\nread %llu+1024\n",
		(unsigned long long)fat_cluster_offset(f->vol, 100),
		(unsigned long long)fat_cluster_offset(f->vol, 200));
	ck_assert_str_eq(trace.text, want);
	fat_file_close(file);
	blkdev_close(f->vol->dev);
	trace_done(&trace);
	fixture_free(f);
}
END_TEST

START_TEST(test_reading_needs_whole_sectors)
{
	struct fixture *f = new_volume(_i);
	uint8_t buf[1024];
	struct fat_file *file;

	ck_assert_int_eq(fat_file_open(f->vol, 0, 0, "/a/file", &file), 0);
	ck_assert_int_eq(fat_file_read(file, buf, 0), -EINVAL);
	ck_assert_int_eq(fat_file_read(file, buf, 1), -EINVAL);
	ck_assert_int_eq(fat_file_read(file, buf, 513), -EINVAL);
	fat_file_close(file);
	fat_file_close(NULL);
	fixture_free(f);
}
END_TEST

static void expect_broken(struct fixture *f, uint32_t first, uint32_t size)
{
	uint8_t *buf = malloc(65536);
	struct fat_file *file;

	ck_assert_int_eq(fat_file_open(f->vol, first, size, "/a/file", &file), 0);
	ck_assert_int_eq(fat_file_read(file, buf, 65536), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(f->messages, "/a/file"));
	f->messages[0] = '\0';
	fat_file_close(file);
	free(buf);
}

START_TEST(test_a_chain_that_ends_early_is_refused)
{
	static const uint32_t chain[] = {100, 101, 0};
	struct fixture *f = new_volume(_i);
	uint32_t end = f->vol->geo.n_clusters + 2;
	uint32_t wrong[] = {FAT_EOC, FAT_FREE, FAT_RESERVED, FAT_BAD, end, end + 1, end + 1000000};

	(void)make_chain(f, chain, 9);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		fat_table_set(f->vol, 101, wrong[i]);
		expect_broken(f, 100, 1025);
		expect_broken(f, wrong[i], 1);
	}
	fixture_free(f);
}
END_TEST

START_TEST(test_names_with_control_characters_are_reported_in_one_line)
{
	struct fixture *f = new_volume(_i);
	struct fat_file *file;
	uint8_t buf[4096];

	ck_assert_int_eq(fat_file_open(f->vol, FAT_EOC, 1, "/a\nb\x1b[2J\xc2\x9b", &file), 0);
	ck_assert_int_eq(fat_file_read(file, buf, sizeof buf), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(f->messages, "test: /a?b?[2J??: "));
	fat_file_close(file);
	fixture_free(f);
}
END_TEST

/* The link from the last cluster to the next number, which is none, looks like a row. */
START_TEST(test_a_chain_that_runs_over_the_end_of_the_volume_is_refused)
{
	struct fixture *f = new_volume(_i);
	uint32_t last = f->vol->geo.n_clusters + 1;

	fat_table_set(f->vol, last - 1, last);
	fat_table_set(f->vol, last, last + 1);
	expect_broken(f, last - 1, 5000);
	fixture_free(f);
}
END_TEST

START_TEST(test_a_chain_fits_when_it_has_just_the_clusters_of_the_size)
{
	static const uint32_t chain[] = {100, 101, 50, 0};
	struct fixture *f = new_volume(_i);

	(void)make_chain(f, chain, 9);
	ck_assert(fat_chain_fits(f->vol, 100, 1536));
	ck_assert(fat_chain_fits(f->vol, 100, 1025));
	ck_assert(!fat_chain_fits(f->vol, 100, 1024));
	ck_assert(!fat_chain_fits(f->vol, 100, 1537));
	ck_assert(!fat_chain_fits(f->vol, 100, 0xffffffff));
	ck_assert(!fat_chain_fits(f->vol, 100, 0));
	ck_assert(fat_chain_fits(f->vol, 0, 0));
	ck_assert(!fat_chain_fits(f->vol, 0, 1));
	ck_assert(!fat_chain_fits(f->vol, 1, 1));
	ck_assert(!fat_chain_fits(f->vol, f->vol->geo.n_clusters + 2, 1));
	fat_table_set(f->vol, 50, 100); /* a loop */
	ck_assert(!fat_chain_fits(f->vol, 100, 1536));
	ck_assert(!fat_chain_fits(f->vol, 100, 0xffffffff) || f->vol->geo.type == FAT_TYPE_32);
	fixture_free(f);
}
END_TEST

START_TEST(test_a_read_error_in_a_file_is_reported)
{
	static const uint32_t chain[] = {100, 0};
	struct fixture *f = new_volume(_i);
	struct fault fault = {.ops = TESTDEV_READ, .error = -EIO, .nth = 1};
	struct fat_file *file;
	uint8_t buf[512];

	(void)make_chain(f, chain, 9);
	ck_assert_int_eq(faultdev_new(f->dev, &fault, &f->vol->dev), 0);
	ck_assert_int_eq(fat_file_open(f->vol, 100, 10, "/a/file", &file), 0);
	ck_assert_int_eq(fat_file_read(file, buf, 512), -EIO);
	ck_assert_ptr_nonnull(strstr(f->messages, "/a/file"));
	fat_file_close(file);
	blkdev_close(f->vol->dev);
	fixture_free(f);
}
END_TEST

/* ---- all of them ---- */

static void prepare(void)
{
	fixture_prepare(files, sizeof files / sizeof *files);
}

/* Cases for all types use the common volumes. */
static void add(Suite *suite, const char *name, const TTest *const *tests, size_t n, int types)
{
	TCase *tc = suite_add_case(suite, name, tests, n, types);

	tcase_set_timeout(tc, 60);
	if (types == FIXTURE_N_TYPES)
		tcase_add_unchecked_fixture(tc, prepare, fixture_forget);
}

static void add_sets(Suite *suite)
{
	const TTest *const tests[] = {
		test_long_and_short_sets_follow_each_other,
		test_names_have_up_to_255_units_in_20_slots,
		test_a_name_of_260_units_is_none,
		test_deleted_slots_between_sets_mean_nothing,
		test_a_long_name_with_a_slot_missing_is_none,
		test_a_deleted_slot_parts_a_name_from_its_entry,
		test_a_wrong_checksum_leaves_the_short_name,
		test_the_long_name_of_another_entry_is_told_from_other_orphans,
		test_slots_out_of_order_are_orphans,
		test_orphans_before_a_whole_set_do_not_hurt_it,
		test_orphans_before_the_end_are_told,
		test_nothing_stands_behind_the_end_mark,
		test_a_directory_may_be_full_to_its_last_slot,
		test_odd_fields_and_padding_are_told_and_the_name_is_read,
		test_the_high_cluster_half_counts_on_fat32_only,
	};

	add(suite, "sets", tests, sizeof(tests) / sizeof(*tests), 1);
}

static void add_directories(Suite *suite)
{
	const TTest *const tests[] = {
		test_entries_come_without_labels_and_dots,
		test_an_entry_says_what_the_directory_says,
		test_lookup_takes_any_case_and_short_names,
		test_lookup_says_what_is_missing,
		test_sets_cross_sectors_and_clusters,
		test_mtools_longest_name_is_read,
		test_the_root_is_read_whole,
		test_damaged_long_names_make_a_directory_untidy,
		test_directories_with_broken_chains_are_refused,
		test_a_read_error_in_a_directory_is_reported,
	};
	const TTest *const one_type[] = {test_directories_have_at_most_65536_slots};

	add(suite, "directories", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	add(suite, "length", one_type, 1, 1);
}

static void add_files(Suite *suite)
{
	const TTest *const tests[] = {
		test_files_of_any_length_are_read_in_any_step,
		test_what_mtools_wrote_is_read,
		test_reading_needs_whole_sectors,
		test_a_chain_that_ends_early_is_refused,
		test_names_with_control_characters_are_reported_in_one_line,
		test_a_chain_that_runs_over_the_end_of_the_volume_is_refused,
		test_a_chain_fits_when_it_has_just_the_clusters_of_the_size,
		test_a_read_error_in_a_file_is_reported,
	};
	const TTest *const one_type[] = {
		test_large_clusters_are_read_in_small_steps, test_clusters_in_a_row_are_one_read};

	add(suite, "files", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	add(suite, "transfers", one_type, sizeof(one_type) / sizeof(*one_type), 1);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("dir");
	add_sets(suite);
	add_directories(suite);
	add_files(suite);
	return suite_run(suite);
}
