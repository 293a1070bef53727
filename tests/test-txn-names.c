/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Transactions: names that collide. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/transaction.h"

static void expect_nothing_written(struct txn_test *t, int error)
{
	struct fat_space space;

	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), error);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	txn_end(t);
	fixture_judge(t->f);
}

START_TEST(test_a_taken_short_name_is_changed_with_its_checksums)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_entry entry;

	fixture_do(t->f, "echo >'long name one.txt'; mcopy -i x.img long* ::/");
	txn_end(t);
	txn_begin(t);
	txn_add(t, "/", txn_new_file(t, "long name two.txt", "LONGNA~1TXT", 10, 7));
	txn_run(t);
	entry = fixture_find(t->f, "/long name two.txt");
	ck_assert_mem_ne(fat_entry_short(&entry)->name, "LONGNA~1TXT", 11);
	ck_assert_mem_eq(fat_entry_short(&entry)->name + 8, "TXT", 3);
	fixture_expect_file(t->f, "/long name two.txt", 10, 7);
	entry = fixture_find(t->f, "/LONGNA~1.TXT");
	ck_assert_str_eq(entry.name, "long name one.txt");
	txn_test_free(t);
}
END_TEST

START_TEST(test_two_new_files_with_one_short_name_get_two)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LOADER     ");

	txn_put(dir, txn_new_file(t, "first name.conf", "NAME~1  CON", 0, 0));
	txn_put(dir, txn_new_file(t, "second name.conf", "NAME~1  CON", 0, 0));
	txn_put(dir,
		txn_new_file(t, "name~1.con", "NAME~2  CON", 0, 0)); /* a name that is an alias */
	txn_replace(t, "/loader", dir);
	txn_run(t);
	ck_assert(fixture_has(t->f, "/loader/first name.conf"));
	ck_assert(fixture_has(t->f, "/loader/second name.conf"));
	ck_assert_str_eq(fixture_find(t->f, "/loader/NAME~1.CON").name, "name~1.con");
	txn_test_free(t);
}
END_TEST

START_TEST(test_names_that_must_stay_make_others_give_way)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LOADER     ");

	fixture_do(t->f, "echo >'foreign name.conf'; mcopy -i x.img foreign* ::/loader/");
	txn_end(t);
	txn_begin(t);
	dir = txn_new_dir(t, NULL, "LOADER     ");
	txn_put(dir, txn_new_file(t, "foreign news.conf", "FOREIG~1CON", 0, 0));
	txn_put(dir, txn_keep_as(t, "/loader/foreign name.conf", true));
	txn_replace(t, "/loader", dir);
	txn_run(t);
	ck_assert_str_eq(fixture_find(t->f, "/loader/FOREIG~1.CON").name, "foreign name.conf");
	ck_assert(fixture_has(t->f, "/loader/foreign news.conf"));
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_name_that_is_there_in_other_case_is_refused)
{
	struct txn_test *t = txn_test_new(_i);

	txn_add(t, "/", txn_new_file(t, "Foreign.Txt", "OTHER~1 TXT", 0, 0));
	expect_nothing_written(t, -EEXIST);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "/: 'Foreign.Txt'"));
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_name_without_alias_that_is_taken_is_refused)
{
	struct txn_test *t = txn_test_new(_i);

	txn_add(t, "/EFI", txn_new_file(t, NULL, "LINUX      ", 0, 0));
	expect_nothing_written(t, -EEXIST);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "/EFI: 'LINUX'"));
	txn_test_free(t);
}
END_TEST

START_TEST(test_two_equal_names_in_one_version_are_refused)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LINUX      ");

	txn_put(dir, txn_new_file(t, "Same name", "SAMENA~1   ", 0, 0));
	txn_put(dir, txn_new_file(t, "same NAME", "SAMENA~2   ", 0, 0));
	txn_replace(t, "/EFI/Linux", dir);
	expect_nothing_written(t, -EEXIST);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "same NAME"));
	txn_test_free(t);
}
END_TEST

/* The label is an entry of the root, but no file: mkfs.fat -n EFI and a directory EFI go together.
 */
/* Somebody may want to make room first, and should know before that it would be in vain. */
START_TEST(test_names_that_collide_are_refused_whether_there_is_room_or_not)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LINUX      ");
	uint32_t too_much = (txn_free_clusters(t) + 1) * 512;

	txn_put(dir, txn_new_file(t, "Same name", "SAMENA~1   ", too_much, 1));
	txn_put(dir, txn_new_file(t, "same NAME", "SAMENA~2   ", 0, 0));
	txn_replace(t, "/EFI/Linux", dir);
	expect_nothing_written(t, -EEXIST);
	txn_test_free(t);
}
END_TEST

START_TEST(test_the_label_takes_no_name)
{
	struct txn_test *t = txn_test_new(_i);

	txn_add(t, "/", txn_new_dir(t, NULL, "ESP        "));
	txn_run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/ESP").attributes, FAT_ATTR_DIRECTORY);
	fixture_do(t->f, "mlabel -s -i x.img :: | grep -q ESP");
	txn_test_free(t);
}
END_TEST

static void add_names(Suite *suite)
{
	const TTest *const tests[] = {
		test_a_taken_short_name_is_changed_with_its_checksums,
		test_two_new_files_with_one_short_name_get_two,
		test_names_that_must_stay_make_others_give_way,
		test_a_name_that_is_there_in_other_case_is_refused,
		test_a_name_without_alias_that_is_taken_is_refused,
		test_two_equal_names_in_one_version_are_refused,
		test_names_that_collide_are_refused_whether_there_is_room_or_not,
		test_the_label_takes_no_name,
	};

	txn_add_case(suite, "names", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("txn-names");
	add_names(suite);
	return suite_run(suite);
}
