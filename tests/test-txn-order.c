/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Transactions: what is written in which order, and what has to be so before. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/txn-work.h"

START_TEST(test_prepare_commit_and_release_follow_each_other_with_a_barrier_each)
{
	static const char *const names[] = {"EFI", "root", NULL};
	static const char want[] =
		"data flush fat2 flush fat1 flush EFI flush root flush fat1 flush fat2 flush";
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *linux_dir = txn_new_dir(t, NULL, "LINUX      ");
	struct fat_item *loader = txn_new_dir(t, NULL, "LOADER     ");
	struct fat_geometry geo = t->vol->geo;
	uint32_t dirs[] = {fixture_find(t->f, "/EFI").first_cluster, geo.root_cluster};
	char text[1024];

	txn_put(linux_dir, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(linux_dir, txn_new_file(t, NULL, "NEW1    EFI", 3000, 7));
	txn_put(linux_dir, txn_new_file(t, NULL, "NEW2    EFI", 4000, 8));
	txn_put(loader, txn_new_file(t, NULL, "LOADER  CON", 20, 9));
	txn_replace(t, "/EFI/Linux", linux_dir);
	txn_replace(t, "/loader", loader);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	txn_run(t);
	txn_describe(t, &geo, names, dirs, text, sizeof text);
	ck_assert_int_eq(strncmp(text, want, strlen(want)), 0);
	ck_assert_str_eq(text + strlen(want), _i == 2 ? " fsinfo flush" : "");
	txn_test_free(t);
}
END_TEST

/* A reader of the first copy sees it last, as with all that is prepared. */
START_TEST(test_a_directory_grows_in_the_last_copy_first)
{
	static const char *const names[] = {"full", NULL};
	static const char want[] =
		"data flush fat2 flush fat1 flush fat2 flush fat1 flush data flush";
	struct txn_test *t = txn_test_new(_i);
	struct fat_geometry geo = t->vol->geo;
	uint32_t dirs[1];
	char text[1024];

	fixture_do(t->f, "mmd -i x.img ::/full");
	txn_fill_dir(t, "/full", 14);
	dirs[0] = fixture_find(t->f, "/full").first_cluster;
	txn_add(t, "/full", txn_new_file(t, NULL, "ONEMORE    ", 10, 7));
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	txn_run(t);
	txn_describe(t, &geo, names, dirs, text, sizeof text);
	ck_assert_int_eq(strncmp(text, want, strlen(want)), 0);
	txn_test_free(t);
}
END_TEST

/* Every byte of it: cluster numbers follow from the files above. */
START_TEST(test_a_replaced_file_on_fat12_writes_just_this)
{
	static const char want[] = "write 20480+1024\n" /* 2 new clusters */
				   "flush\n"
				   "write 3584+512\n" /* FAT copy 2 */
				   "flush\n"
				   "write 512+512\n" /* FAT copy 1 */
				   "flush\n"
				   "write 6656+512\n" /* the root */
				   "flush\n"
				   "write 512+512\n" /* free the old clusters */
				   "flush\n"
				   "write 3584+512\n"
				   "flush\n";
	struct txn_test *t = txn_test_new(0);

	ck_assert_uint_eq(t->vol->geo.fat_size, 3072);
	txn_replace(t, "/foreign.txt", txn_new_file(t, NULL, "FOREIGN TXT", 1000, 7));
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	txn_run(t);
	ck_assert_str_eq(t->trace.text, want);
	txn_test_free(t);
}
END_TEST

START_TEST(test_the_device_is_looked_at_first_before_a_commit_and_last)
{
	static const char want[] = "recheck\n"
				   "write 20480+1024\n"
				   "write 3584+512\n"
				   "write 512+512\n"
				   "recheck\n"
				   "write 6656+512\n"
				   "write 512+512\n"
				   "write 3584+512\n"
				   "recheck\n";
	struct txn_test *t = txn_test_new(0);

	txn_replace(t, "/foreign.txt", txn_new_file(t, NULL, "FOREIGN TXT", 1000, 7));
	t->trace.ops = TESTDEV_WRITE | TESTDEV_RECHECK;
	txn_run(t);
	ck_assert_str_eq(t->trace.text, want);
	txn_test_free(t);
}
END_TEST

START_TEST(test_nothing_to_do_writes_nothing)
{
	struct txn_test *t = txn_test_new(_i);

	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	txn_run(t);
	ck_assert_ptr_null(t->trace.text);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_run_needs_a_layout)
{
	struct txn_test *t = txn_test_new(_i);

	txn_remove(t, "/foreign.txt");
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	txn_test_free(t);
}
END_TEST

/* ---- the state before ---- */

START_TEST(test_only_a_checked_volume_without_damage_can_be_changed)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_check_result result;
	struct fat_volume *vol;
	struct fat_txn *txn = NULL;
	uint32_t a = fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster;

	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	ck_assert_int_eq(fat_txn_begin(vol, &txn), -EUCLEAN);
	fat_table_set(vol, a, FAT_EOC); /* a short chain */
	ck_assert_int_ge(fat_table_write(vol, 0), 1);
	ck_assert_int_ge(fat_table_write(vol, 1), 1);
	ck_assert_int_eq(fat_check(vol, NULL, NULL, &result), 0);
	ck_assert_uint_gt(result.n_damage, 0);
	ck_assert_int_eq(fat_txn_begin(vol, &txn), -EUCLEAN);
	ck_assert_ptr_null(txn);
	fat_close(vol);
	txn_test_free(t);
}
END_TEST

START_TEST(test_after_a_run_the_volume_must_be_checked_again)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_check_result result;
	struct fat_txn *txn;

	txn_remove(t, "/foreign.txt");
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_int_eq(fat_txn_begin(t->vol, &txn), -EUCLEAN);
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.n_damage + result.n_harmless, 0);
	ck_assert_int_eq(fat_txn_begin(t->vol, &txn), 0);
	fat_txn_free(txn);
	txn_test_free(t);
}
END_TEST

/* With 4085 or 4086 clusters drivers disagree whether it is FAT12 or FAT16. */
START_TEST(test_a_volume_between_fat12_and_fat16_is_never_written)
{
	struct fixture *f = fixture_new(1, txn_files, TXN_N_FILES);
	struct fat_check_result result;
	struct fat_txn *txn = NULL;
	uint32_t total;

	fixture_open(f);
	total = (uint32_t)(f->vol->geo.data_offset / TXN_SECTOR) + 4085 + (uint32_t)_i;
	f->bytes[0x13] = (uint8_t)total;
	f->bytes[0x14] = (uint8_t)(total >> 8);
	fixture_open(f);
	ck_assert_uint_eq(f->vol->geo.n_clusters, 4085u + (uint32_t)_i);
	ck_assert_int_eq(fat_check(f->vol, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.n_damage, 0);
	ck_assert_int_eq(fat_txn_begin(f->vol, &txn), -ENOTSUP);
	ck_assert_ptr_null(txn);
	fixture_free(f);
}
END_TEST

START_TEST(test_lost_clusters_are_freed_and_copies_evened_out)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t), last = t->vol->geo.n_clusters + 1;

	txn_set_fat(t, 0, last, FAT_EOC); /* lost, in both copies */
	txn_set_fat(t, 1, last, FAT_EOC);
	txn_set_fat(t, 0, last - 1, last - 1); /* a lost loop, in the first copy */
	txn_set_fat(t, 1, last - 5, 7);        /* something in the second copy */
	txn_end(t);
	txn_begin(t);
	txn_run(t);
	ck_assert_uint_eq(txn_free_clusters(t), n_free);
	txn_begin(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	txn_run(t);
	ck_assert_ptr_null(t->trace.text);
	txn_test_free(t);
}
END_TEST

static uint8_t *fsinfo_field(struct txn_test *t, size_t offset)
{
	return t->f->bytes + t->vol->geo.fsinfo_offset + offset;
}

START_TEST(test_an_unknown_or_wrong_free_count_is_put_right_and_the_hint_left)
{
	struct txn_test *t = txn_test_new(2);
	uint32_t n_free = txn_free_clusters(t);
	le32_t count = le32_of(0xffffffff), hint = le32_of(1234);

	memcpy(fsinfo_field(t, 488), &count, 4);
	memcpy(fsinfo_field(t, 492), &hint, 4);
	txn_remove(t, "/foreign.txt");
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	memcpy(&count, fsinfo_field(t, 488), 4);
	ck_assert_uint_eq(le32_get(count), n_free + 2);
	ck_assert_mem_eq(fsinfo_field(t, 492), &hint, 4);
	txn_end(t);
	fixture_judge(t->f);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_sector_that_is_no_fsinfo_is_left_alone)
{
	static const size_t signatures[] = {0, 484, 508};

	for (size_t i = 0; i < 3; i++) {
		struct txn_test *t = txn_test_new(2);
		uint8_t before[TXN_SECTOR];

		*fsinfo_field(t, signatures[i]) ^= 0xff;
		memcpy(before, fsinfo_field(t, 0), TXN_SECTOR);
		txn_remove(t, "/foreign.txt");
		txn_layout(t);
		ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
		ck_assert_mem_eq(fsinfo_field(t, 0), before, TXN_SECTOR);
		txn_test_free(t);
	}
}
END_TEST

/* ---- other geometries ---- */

static const char *const geometries[] = {
	"-F 12 -s 8 -f 1 -r 64 x.img 4096",
	"-F 16 -s 8 -r 512 x.img 40000",
	"-F 16 -S 4096 -s 1 x.img 40000",
	"-F 32 -S 2048 -s 1 x.img 140000",
};

START_TEST(test_other_sectors_clusters_and_one_copy)
{
	struct fixture *f = fixture_new_mkfs(geometries[_i], txn_files, TXN_N_FILES);
	struct txn_test *t = calloc(1, sizeof *t);
	struct fat_item *dir;

	t->f = f;
	txn_stack_devices(t);
	blkdev_set_physical_size(t->dev, 4096);
	txn_begin_on(t, t->dev);
	dir = txn_new_dir(t, NULL, "LINUX      ");
	txn_put(dir, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(dir, txn_new_file(t, "a new kernel.efi", "ANEWKE~1EFI", 20480, 7));
	txn_replace(t, "/EFI/Linux", dir);
	txn_remove(t, "/foreign.txt");
	txn_add(t, "/EFI/BOOT", txn_new_file(t, "grub long name.efi", "GRUBLO~1EFI", 1, 8));
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	txn_end(t);
	fixture_judge(f);
	fixture_expect_file(f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(f, "/EFI/Linux/a new kernel.efi", 20480, 7);
	fixture_expect_file(f, "/EFI/BOOT/grub long name.efi", 1, 8);
	fixture_expect_file(f, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	ck_assert(!fixture_has(f, "/foreign.txt"));
	txn_test_free(t);
}
END_TEST

/* ---- entry sets in two sectors ---- */

static const char straddling_name[] =
	"a name so long that it takes seven slots, and even a few more letters";

static void plan_straddling(struct txn_test *t)
{
	txn_add(t, "/d", txn_new_file(t, straddling_name, "ANAMES~1   ", 10, 7));
}

/* Of 16 slots in the last sector 2 are free; the set of 7 has no room in another one. */
static struct txn_test *new_straddling(int type)
{
	struct txn_test *t =
		txn_test_on(fixture_new_mkfs(type == 0   ? "-F 12 -s 4 -r 64 x.img 1024"
					     : type == 1 ? "-F 16 -s 4 -r 64 x.img 20480"
							 : "-F 32 -s 4 x.img 140000",
			txn_files, TXN_N_FILES));

	fixture_do(t->f, "mmd -i x.img ::/d");
	txn_fill_dir(t, "/d", 62);
	fixture_do(t->f, "mdel -i x.img ::/d/F112 ::/d/F113 ::/d/F114 ::/d/F115 ::/d/F116 "
			 "::/d/F117 ::/d/F118");
	txn_end(t);
	txn_begin(t);
	return t;
}

START_TEST(test_a_set_in_two_sectors_begins_with_the_long_name)
{
	static const char *const names[] = {"d", NULL};
	struct txn_test *t = new_straddling(_i);
	struct fat_geometry geo = t->vol->geo;
	uint32_t dirs[] = {fixture_find(t->f, "/d").first_cluster};
	uint64_t at_dir = fat_cluster_offset(t->vol, dirs[0]);
	char text[256], want[256], path[128];

	plan_straddling(t);
	txn_layout(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	txn_describe(t, &geo, names, dirs, text, sizeof text);
	ck_assert_int_eq(strncmp(text, "data flush fat2 flush fat1 flush d flush d flush", 48), 0);
	(void)snprintf(want, sizeof want, "write %llu+512\nflush\nwrite %llu+512\nflush\n",
		(unsigned long long)at_dir, (unsigned long long)at_dir + 512);
	ck_assert_ptr_nonnull(strstr(t->trace.text, want));
	txn_end(t);
	fixture_judge(t->f);
	(void)snprintf(path, sizeof path, "/d/%s", straddling_name);
	fixture_expect_file(t->f, path, 10, 7);

	txn_begin(t);
	txn_remove(t, path);
	txn_layout(t);
	trace_done(&t->trace);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	(void)snprintf(want, sizeof want, "write %llu+512\nflush\nwrite %llu+512\nflush\n",
		(unsigned long long)at_dir + 512, (unsigned long long)at_dir);
	ck_assert_int_eq(strncmp(t->trace.text, want, strlen(want)), 0);
	txn_end(t);
	fixture_judge(t->f);
	txn_test_free(t);
}
END_TEST

/* The next run uses the very slots, so that nothing piles up. */
START_TEST(test_an_interrupted_addition_is_taken_up_where_it_ended)
{
	struct txn_test *t = new_straddling(_i);
	char path[128];

	plan_straddling(t);
	txn_layout(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE};
	ck_assert_int_eq(fat_txn_run(t->txn, txn_work_note_before_commit, t), 0);
	txn_end(t);
	(void)snprintf(path, sizeof path, "/d/%s", straddling_name);
	txn_begin(t);
	txn_remove(t, path);
	txn_run(t);
	txn_begin(t);
	plan_straddling(t);
	txn_layout(t);
	t->fault = (struct fault){
		.ops = TESTDEV_WRITE, .error = -EIO, .nth = t->calls_before_commit + 2};
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), -EIO);
	txn_end(t);
	ck_assert(!fixture_has(t->f, path));
	t->fault.nth = 0;
	t->f->messages[0] = '\0';
	txn_begin(t);
	plan_straddling(t);
	txn_run(t);
	fixture_expect_file(t->f, path, 10, 7);
	txn_test_free(t);
}
END_TEST

static void add_order(Suite *suite)
{
	const TTest *const tests[] = {
		test_prepare_commit_and_release_follow_each_other_with_a_barrier_each,
		test_a_directory_grows_in_the_last_copy_first,
		test_nothing_to_do_writes_nothing,
		test_a_run_needs_a_layout,
		test_only_a_checked_volume_without_damage_can_be_changed,
		test_after_a_run_the_volume_must_be_checked_again,
		test_lost_clusters_are_freed_and_copies_evened_out,
		test_a_set_in_two_sectors_begins_with_the_long_name,
		test_an_interrupted_addition_is_taken_up_where_it_ended,
	};
	const TTest *const one_type[] = {
		test_a_replaced_file_on_fat12_writes_just_this,
		test_the_device_is_looked_at_first_before_a_commit_and_last,
		test_an_unknown_or_wrong_free_count_is_put_right_and_the_hint_left,
		test_a_sector_that_is_no_fsinfo_is_left_alone,
	};
	const TTest *const border[] = {test_a_volume_between_fat12_and_fat16_is_never_written};
	const TTest *const other[] = {test_other_sectors_clusters_and_one_copy};

	txn_add_case(suite, "order", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	txn_add_case(suite, "fsinfo", one_type, sizeof(one_type) / sizeof(*one_type), 1);
	txn_add_case(suite, "border", border, 1, 2);
	txn_add_case(suite, "geometries", other, 1, sizeof geometries / sizeof *geometries);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("txn-order");
	add_order(suite);
	return suite_run(suite);
}
