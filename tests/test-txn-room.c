/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Transactions: where entries are put, and how much room there is. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/transaction.h"

/* ---- where entries are put ---- */

/* 64 slots: the label, 3 entries, and 60 more. */
START_TEST(test_a_full_fixed_root_is_refused)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_space space;

	txn_fill_dir(t, "", 60);
	txn_add(t, "/", txn_new_file(t, NULL, "ONEMORE    ", 0, 0));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_le(space.needed, space.free);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "test: /: "));
	txn_test_free(t);
}
END_TEST

START_TEST(test_the_last_slot_of_a_fixed_root_can_be_used)
{
	struct txn_test *t = txn_test_new(_i);

	txn_fill_dir(t, "", 59);
	txn_add(t, "/", txn_new_file(t, NULL, "ONEMORE    ", 0, 0));
	txn_run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/ONEMORE").short_slot, 63);
	txn_test_free(t);
}
END_TEST

/* One cluster has 16 slots, of which the dots and 14 files take all. */
START_TEST(test_a_full_directory_grows)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free;

	fixture_do(t->f, "mmd -i x.img ::/full");
	txn_fill_dir(t, "/full", 14);
	n_free = txn_free_clusters(t);
	txn_add(t, "/full", txn_new_file(t, "a long name.efi", "ALONGN~1EFI", 600, 7));
	txn_run(t);
	fixture_expect_file(t->f, "/full/a long name.efi", 600, 7);
	ck_assert_uint_eq(fixture_find(t->f, "/full/a long name.efi").short_slot, 16 + 2);
	ck_assert(fixture_has(t->f, "/full/F113"));
	ck_assert_uint_eq(txn_free_clusters(t), n_free - 3);
	txn_test_free(t);
}
END_TEST

START_TEST(test_the_root_of_fat32_grows)
{
	struct txn_test *t = txn_test_new(2);

	txn_fill_dir(t, "", 12);
	txn_add(t, "/", txn_new_file(t, "a long name.efi", "ALONGN~1EFI", 600, 7));
	txn_run(t);
	fixture_expect_file(t->f, "/a long name.efi", 600, 7);
	ck_assert_uint_ge(fixture_find(t->f, "/a long name.efi").short_slot, 16);
	txn_test_free(t);
}
END_TEST

/* 20 slots are more than a sector of 16 holds, so two clusters may be needed at once. */
START_TEST(test_a_directory_grows_by_what_the_longest_name_needs)
{
	struct txn_test *t = txn_test_new(_i);
	char name[256] = "", path[300];

	memset(name, 'n', 250);
	fixture_do(t->f, "mmd -i x.img ::/full");
	txn_fill_dir(t, "/full", 14);
	txn_add(t, "/full", txn_new_file(t, name, "NNNNNN~1   ", 600, 7));
	txn_run(t);
	(void)snprintf(path, sizeof path, "/full/%s", name);
	fixture_expect_file(t->f, path, 600, 7);
	txn_test_free(t);
}
END_TEST

/* A set that fits into the rest of no sector goes to the next one, behind deleted slots. */
START_TEST(test_a_set_stays_in_one_sector_if_it_can)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_entry entry;

	fixture_do(t->f, "mmd -i x.img ::/some");
	txn_fill_dir(t, "/some", 30);
	fixture_do(t->f, "mdel -i x.img ::/some/F128 ::/some/F129 ::/some/F113");
	txn_end(t);
	txn_begin(t);
	txn_add(t, "/some", txn_new_file(t, "three slots in a row", "THREES~1   ", 0, 0));
	txn_run(t);
	entry = fixture_find(t->f, "/some/three slots in a row");
	ck_assert_uint_eq(entry.n_slots, 3);
	ck_assert_uint_eq((entry.short_slot - 2) / 16, entry.short_slot / 16);
	txn_test_free(t);
}
END_TEST

/* sleuthkit and others pair long-name slots with whatever short entry follows. */
START_TEST(test_a_lone_short_entry_does_not_follow_an_orphan)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_entry added, orphan;
	struct fat_volume *vol;
	const uint8_t *before;

	fixture_do(t->f, "mmd -i x.img ::/d; : >'a file with a long name'; : >other; "
			 "mcopy -i x.img a* ::/d/; mcopy -i x.img other ::/d/");
	orphan = fixture_find(t->f, "/d/a file with a long name");
	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	before = t->f->bytes + fat_cluster_offset(vol, fixture_find(t->f, "/d").first_cluster);
	t->f->bytes[before - t->f->bytes + orphan.short_slot * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	txn_end(t);
	txn_begin(t);
	txn_add(t, "/d", txn_new_file(t, NULL, "LONE       ", 0, 0));
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	txn_end(t);
	(void)fixture_check(t->f);
	added = fixture_find(t->f, "/d/LONE");
	before += (added.short_slot - 1) * FAT_SLOT_LEN;
	ck_assert(before[11] != FAT_ATTR_LONG_NAME || before[0] == FAT_SLOT_DELETED);
	fat_close(vol);
	txn_test_free(t);
}
END_TEST

/* The slot behind the last orphan is the end mark; what is added must not stand behind that. */
START_TEST(test_an_orphan_before_the_end_mark_hides_nothing)
{
	struct txn_test *t = txn_test_new(_i);
	uint8_t orphan[2 * FAT_SLOT_LEN];
	uint32_t slot;

	fixture_do(t->f, "mmd -i x.img ::/d");
	(void)fixture_set(orphan, "orphan", "ORPHAN~1   ", 0x20, 0);
	memcpy(txn_slot_of(t, "/d", 2), orphan, FAT_SLOT_LEN);
	txn_end(t);
	txn_begin(t);
	txn_add(t, "/d", txn_new_file(t, NULL, "LONE       ", 0, 0));
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	(void)fixture_check(t->f);
	slot = fixture_find(t->f, "/d/LONE").short_slot;
	ck_assert(*txn_slot_of(t, "/d", slot - 1) == FAT_SLOT_DELETED);
	txn_test_free(t);
}
END_TEST

/* ---- room ---- */

START_TEST(test_too_little_room_is_told_in_bytes_and_nothing_is_written)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t);
	struct fat_space space = {0};

	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	txn_add(t, "/", txn_new_file(t, NULL, "BIG        ", (n_free + 1) * TXN_SECTOR, 7));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_eq(space.needed, (uint64_t)(n_free + 1) * TXN_SECTOR);
	ck_assert_uint_eq(space.free, (uint64_t)n_free * TXN_SECTOR);
	ck_assert_str_eq(t->f->messages, "");
	ck_assert_ptr_null(t->trace.text);
	txn_end(t);
	fixture_judge(t->f);
	txn_test_free(t);
}
END_TEST

START_TEST(test_the_last_cluster_can_be_used)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t);

	txn_add(t, "/", txn_new_file(t, NULL, "BIG        ", n_free * TXN_SECTOR, 7));
	txn_run(t);
	ck_assert_uint_eq(txn_free_clusters(t), 0);
	fixture_expect_file(t->f, "/BIG", n_free * TXN_SECTOR, 7);
	txn_test_free(t);
}
END_TEST

/* FAT32 has numbers of more than 16 bits, whose high half stands elsewhere in an entry. */
START_TEST(test_clusters_beyond_65535_can_be_used)
{
	struct txn_test *t = txn_test_new(2);
	uint64_t copies = t->vol->geo.fat_offset;
	struct fat_item *dir;

	for (uint32_t c = 2; c < 65536; c++)
		for (unsigned copy = 0; copy < 2 && fat_next(t->vol, c) == FAT_FREE; copy++) {
			uint8_t *entry = t->f->bytes + copies + copy * t->vol->geo.fat_size +
					 (uint64_t)c * 4;

			memcpy(entry, "\xf7\xff\xff\x0f", 4);
		}
	txn_end(t);
	txn_begin(t);
	dir = txn_new_dir(t, NULL, "LINUX      ");
	txn_put(dir, txn_new_file(t, NULL, "NEW        ", 600, 7));
	txn_replace(t, "/EFI/Linux", dir);
	txn_add(t, "/", txn_new_file(t, NULL, "ADDED      ", 600, 8));
	txn_run(t);
	ck_assert_uint_gt(fixture_find(t->f, "/ADDED").first_cluster, 65535);
	fixture_expect_file(t->f, "/EFI/Linux/NEW", 600, 7);
	fixture_expect_file(t->f, "/ADDED", 600, 8);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_directory_that_cannot_grow_for_want_of_clusters_is_told_so)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_space space;

	fixture_do(t->f, "mmd -i x.img ::/full");
	txn_fill_dir(t, "/full", 14);
	txn_add(t, "/", txn_new_file(t, NULL, "BIG        ", txn_free_clusters(t) * TXN_SECTOR, 7));
	txn_add(t, "/full", txn_new_file(t, NULL, "ONEMORE    ", 0, 0));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_eq(space.needed, space.free + TXN_SECTOR);
	txn_test_free(t);
}
END_TEST

START_TEST(test_lost_clusters_are_room_for_what_is_new)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t);

	for (uint32_t i = 0; i < 5; i++)
		for (unsigned copy = 0; copy < 2; copy++)
			txn_set_fat(t, copy, t->vol->geo.n_clusters + 1 - 3 * i, FAT_EOC);
	txn_end(t);
	txn_begin(t);
	txn_add(t, "/", txn_new_file(t, NULL, "BIG        ", n_free * TXN_SECTOR, 7));
	txn_run(t);
	fixture_expect_file(t->f, "/BIG", n_free * TXN_SECTOR, 7);
	ck_assert_uint_eq(txn_free_clusters(t), 0);
	txn_test_free(t);
}
END_TEST

START_TEST(test_bad_clusters_are_never_used)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t), bad = t->vol->geo.n_clusters - 5;

	txn_set_fat(t, 0, bad, FAT_BAD);
	txn_set_fat(t, 1, bad, FAT_BAD);
	txn_end(t);
	txn_begin(t);
	txn_add(t, "/", txn_new_file(t, NULL, "BIG        ", (n_free - 1) * TXN_SECTOR, 7));
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_uint_eq(fat_next(t->vol, bad), FAT_BAD);
	fixture_expect_file(t->f, "/BIG", (n_free - 1) * TXN_SECTOR, 7);
	txn_test_free(t);
}
END_TEST

START_TEST(test_bad_clusters_stay_bad_when_lost_ones_are_freed)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t bad = t->vol->geo.n_clusters - 5, lost = bad + 2;

	for (unsigned copy = 0; copy < 2; copy++)
		txn_set_fat(t, copy, bad, FAT_BAD);
	for (unsigned copy = 0; copy < 2; copy++)
		txn_set_fat(t, copy, lost, FAT_EOC);
	txn_end(t);
	txn_begin(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_uint_eq(fat_next(t->vol, bad), FAT_BAD);
	ck_assert_uint_eq(fat_next(t->vol, lost), FAT_FREE);
	txn_test_free(t);
}
END_TEST

static void add_room(Suite *suite)
{
	const TTest *const fixed_root[] = {
		test_a_full_fixed_root_is_refused, test_the_last_slot_of_a_fixed_root_can_be_used};
	const TTest *const chained_root[] = {
		test_the_root_of_fat32_grows, test_clusters_beyond_65535_can_be_used};
	const TTest *const tests[] = {
		test_a_full_directory_grows,
		test_a_directory_grows_by_what_the_longest_name_needs,
		test_a_set_stays_in_one_sector_if_it_can,
		test_a_lone_short_entry_does_not_follow_an_orphan,
		test_an_orphan_before_the_end_mark_hides_nothing,
		test_too_little_room_is_told_in_bytes_and_nothing_is_written,
		test_a_directory_that_cannot_grow_for_want_of_clusters_is_told_so,
	};
	const TTest *const whole_volume[] = {test_the_last_cluster_can_be_used,
		test_lost_clusters_are_room_for_what_is_new, test_bad_clusters_are_never_used,
		test_bad_clusters_stay_bad_when_lost_ones_are_freed};

	txn_add_case(suite, "fixed root", fixed_root, 2, 2);
	txn_add_case(suite, "chained root", chained_root, 2, 1);
	txn_add_case(suite, "room", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	txn_add_case(suite, "whole volume", whole_volume, 4, 2);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("txn-room");
	add_room(suite);
	return suite_run(suite);
}
