/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that a sync gives a mirror of its own, beside what it copies: where and when they come. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/own.h"
#include "tests/planning.h"
#include "tests/suite.h"

enum { FAT12 = 0, FAT16 = 1 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct planning *p;
static struct fes_transaction *transaction;

static const uint8_t seed[32] = "a seed that nobody can know of";
static const uint8_t origin[1500] = "what it was made equal to, in three sectors";

static const struct fes_own_file both[] = {
	{.path = FES_ORIGIN_PATH, .bytes = origin, .len = sizeof origin, .first = true},
	{.path = FES_SEED_PATH, .bytes = seed, .len = sizeof seed},
};

static void set_up(void)
{
	p = planning_new(NULL, NULL);
}

static void drop_plan(void)
{
	fes_transaction_free(transaction);
	transaction = NULL;
	planning_drop(p);
}

static void tear_down(void)
{
	drop_plan();
	planning_free(p);
}

static int lay_out(const struct fes_own_file *own, size_t n_own)
{
	struct fes_apply apply = {.own = own, .n_own = n_own};

	drop_plan();
	ck_assert_int_eq(planning_make(p), 0);
	apply.plan = p->plan;
	apply.digester = p->digester;
	return fes_transaction_new(&apply, NULL, &transaction);
}

static void prepare_with(const struct fes_own_file *own, size_t n_own)
{
	int r = lay_out(own, n_own);

	ck_assert_msg(r == 0, "%d: %s", r, p->messages.text);
	r = fes_transaction_prepare(transaction);
	ck_assert_msg(r == 0, "%d: %s", r, p->messages.text);
}

static void finish(void)
{
	int r = fes_transaction_finish(transaction);

	ck_assert_msg(r == 0, "%d: %s", r, p->messages.text);
	ck_assert_str_eq(p->messages.text, "");
}

/* Carry it out; nothing is left to do but what is the mirror's own, and it is in best order. */
static void apply(const struct fes_own_file *own, size_t n_own)
{
	prepare_with(own, n_own);
	finish();
	ck_assert_int_eq(lay_out(NULL, 0), 0);
	ck_assert_uint_eq(p->plan->n_changes, 0);
	ck_assert_uint_eq(p->plan->n_sites, 0);
	drop_plan();
	fixture_judge(p->mirror.f);
}

static void make(const struct fixture_file *of_primary, size_t n_primary,
	const struct fixture_file *of_mirror, size_t n_mirror)
{
	p->primary.f = fixture_new(FAT16, of_primary, n_primary);
	p->mirror.f = fixture_new(FAT12, of_mirror, n_mirror);
}
#define MAKE(primary, mirror) make(primary, COUNT(primary), mirror, COUNT(mirror))

static void expect_bytes(const char *path, const void *want, size_t len)
{
	struct fat_entry entry = fixture_find(p->mirror.f, path);
	struct fat_file *file;
	uint8_t found[4096];

	ck_assert_uint_eq(entry.size, len);
	fixture_open(p->mirror.f);
	ck_assert_int_eq(fat_file_open(p->mirror.f->vol, entry.first_cluster, entry.size, path,
		&file), 0);
	ck_assert_int_eq(fat_file_read(file, found, sizeof found), (int64_t)len);
	fat_file_close(file);
	fixture_close(p->mirror.f);
	ck_assert_mem_eq(found, want, len);
}

static void expect_both(void)
{
	expect_bytes(FES_ORIGIN_PATH, origin, sizeof origin);
	expect_bytes(FES_SEED_PATH, seed, sizeof seed);
	ck_assert_str_eq(fixture_find(p->mirror.f, FES_ORIGIN_PATH).name, "esp-sync.was");
	ck_assert_str_eq(fixture_find(p->mirror.f, FES_SEED_PATH).name, "random-seed");
}

static const struct fixture_file common[] = {
	{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/loader/entries/a.conf", .text = "title A\nlinux /EFI/Linux/a.efi"},
};

static const struct fixture_file changed[] = {
	{.path = "/EFI/Linux/a.efi", .size = 3100, .seed = 2},
	{.path = "/loader/loader.conf", .text = "timeout 5"},
	{.path = "/loader/entries/a.conf", .text = "title A\nlinux /EFI/Linux/a.efi"},
};

static const struct fixture_file with_old[] = {
	{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/loader/entries/a.conf", .text = "title A\nlinux /EFI/Linux/a.efi"},
	{.path = "/loader/esp-sync.was", .size = 2100, .seed = 7},
	{.path = "/loader/random-seed", .size = 600, .seed = 8},
};

/* ---- with a new version of /loader ---- */

START_TEST(test_a_new_loader_directory_brings_them)
{
	make(common, COUNT(common), NULL, 0);
	apply(both, COUNT(both));
	expect_both();
}
END_TEST

START_TEST(test_a_new_version_of_the_loader_directory_brings_new_ones)
{
	MAKE(changed, common);
	apply(both, COUNT(both));
	expect_both();
}
END_TEST

START_TEST(test_a_new_version_of_the_loader_directory_replaces_old_ones)
{
	MAKE(changed, with_old);
	apply(both, COUNT(both));
	expect_both();
}
END_TEST

START_TEST(test_those_that_are_not_due_stay_as_they_are)
{
	MAKE(changed, with_old);
	apply(both, 1);
	expect_bytes(FES_ORIGIN_PATH, origin, sizeof origin);
	fixture_expect_file(p->mirror.f, FES_SEED_PATH, 600, 8);
}
END_TEST

START_TEST(test_a_short_name_that_is_taken_makes_way)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/random-stuff", .text = "has RANDOM~1, too"},
	};

	make(files, COUNT(files), NULL, 0);
	apply(both, COUNT(both));
	expect_both();
	fixture_free(p->primary.f);
	fixture_free(p->mirror.f);
	make(files, COUNT(files), files, COUNT(files));
	apply(both, COUNT(both));
	expect_both();
}
END_TEST

/* ---- where it stays ---- */

START_TEST(test_nothing_else_to_do_is_no_reason_to_leave_them_out)
{
	MAKE(common, common);
	apply(both, COUNT(both));
	expect_both();
}
END_TEST

START_TEST(test_old_ones_are_replaced_where_they_stand)
{
	MAKE(common, with_old);
	fixture_do(p->mirror.f, "mren -i x.img ::/loader/esp-sync.was ::/loader/x && "
		"mren -i x.img ::/loader/x ::/loader/ESP-Sync.was && "
		"mattrib -i x.img +h ::/loader/ESP-Sync.was");
	apply(both, COUNT(both));
	expect_bytes(FES_ORIGIN_PATH, origin, sizeof origin);
	expect_bytes(FES_SEED_PATH, seed, sizeof seed);
	ck_assert_str_eq(fixture_find(p->mirror.f, FES_ORIGIN_PATH).name, "ESP-Sync.was");
	ck_assert(fixture_find(p->mirror.f, FES_ORIGIN_PATH).attributes & FAT_ATTR_HIDDEN);
}
END_TEST

START_TEST(test_a_change_below_does_not_lose_them)
{
	static const struct fixture_file below[] = {
		{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
		{.path = "/loader/entries/a.conf", .text = "title B\nlinux /EFI/Linux/a.efi"},
	};

	MAKE(below, with_old);
	apply(both, COUNT(both));
	expect_both();
}
END_TEST

START_TEST(test_a_mixed_loader_directory_gets_them_in_place)
{
	MAKE(changed, common);
	fixture_do(p->mirror.f, "mmd -i x.img ::/loader/swtpm && "
		"printf old | mcopy -i x.img - ::/loader/esp-sync.was");
	apply(both, COUNT(both));
	expect_both();
	ck_assert(fixture_has(p->mirror.f, "/loader/swtpm"));
}
END_TEST

/* ---- the first commit ---- */

START_TEST(test_what_comes_first_is_committed_before_all_else)
{
	MAKE(changed, with_old);
	fixture_do(p->primary.f, "mdel -i x.img ::/EFI/Linux/a.efi");
	prepare_with(both, COUNT(both));
	ck_assert_int_eq(fes_transaction_commit_payload(transaction), 1);
	expect_bytes(FES_ORIGIN_PATH, origin, sizeof origin);
	fixture_expect_file(p->mirror.f, FES_SEED_PATH, 600, 8);
	expect_bytes("/loader/loader.conf", "timeout 3\n", 10);
	finish();
	expect_both();
	expect_bytes("/loader/loader.conf", "timeout 5\n", 10);
}
END_TEST

START_TEST(test_a_new_one_comes_first_or_last_where_the_directory_stays)
{
	MAKE(common, common);
	prepare_with(both, COUNT(both));
	ck_assert_int_eq(fes_transaction_commit_payload(transaction), 1);
	expect_bytes(FES_ORIGIN_PATH, origin, sizeof origin);
	ck_assert(!fixture_has(p->mirror.f, FES_SEED_PATH));
	finish();
	expect_both();
}
END_TEST

/* ---- where they are left out ---- */

static void expect_none(void)
{
	ck_assert(!fixture_has(p->mirror.f, FES_ORIGIN_PATH));
	ck_assert(!fixture_has(p->mirror.f, FES_SEED_PATH));
}

START_TEST(test_no_directory_is_made_for_them)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	};

	make(files, COUNT(files), NULL, 0);
	apply(both, COUNT(both));
	expect_none();
}
END_TEST

START_TEST(test_no_directory_stays_for_them)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	};

	MAKE(files, common);
	apply(both, COUNT(both));
	expect_none();
	ck_assert(!fixture_has(p->mirror.f, "/loader"));
}
END_TEST

START_TEST(test_what_it_was_made_equal_to_keeps_no_directory)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	};

	MAKE(files, with_old);
	fixture_do(p->mirror.f, "mdel -i x.img ::/loader/random-seed");
	apply(NULL, 0);
	ck_assert(!fixture_has(p->mirror.f, "/loader"));
}
END_TEST

START_TEST(test_a_directory_that_stays_for_others_keeps_them)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	};

	MAKE(files, with_old);
	apply(both, COUNT(both));
	expect_both();
}
END_TEST

START_TEST(test_an_excluded_directory_gets_none)
{
	ck_assert_int_eq(fes_managed_exclude(&p->managed, "/loader"), 0);
	MAKE(changed, common);
	apply(both, COUNT(both));
	expect_none();
}
END_TEST

START_TEST(test_a_directory_in_the_place_of_one_is_left_alone)
{
	MAKE(changed, common);
	fixture_do(p->mirror.f, "mmd -i x.img ::/loader/random-seed && "
		"printf x | mcopy -i x.img - ::/loader/random-seed/x");
	apply(both, COUNT(both));
	expect_bytes(FES_ORIGIN_PATH, origin, sizeof origin);
	expect_bytes("/loader/random-seed/x", "x", 1);
}
END_TEST

START_TEST(test_too_little_room_for_them_alone_leaves_them_out)
{
	MAKE(common, common);
	fixture_fill_but(p->mirror.f, 3); /* the origin would need three */
	prepare_with(both, COUNT(both));
	ck_assert(fes_transaction_leaves_out(transaction));
	finish();
	expect_none();
}
END_TEST

START_TEST(test_enough_room_does_not_leave_them_out)
{
	MAKE(common, common);
	fixture_fill_but(p->mirror.f, 4);
	prepare_with(both, COUNT(both));
	ck_assert(!fes_transaction_leaves_out(transaction));
	finish();
	expect_both();
}
END_TEST

START_TEST(test_an_old_one_that_would_not_be_true_goes_instead)
{
	MAKE(changed, with_old);
	fixture_fill_but(p->mirror.f, 11); /* a.efi has seven, loader.conf one; three directories */
	prepare_with(both, COUNT(both));
	ck_assert(fes_transaction_leaves_out(transaction));
	ck_assert_int_eq(fes_transaction_commit_payload(transaction), 1);
	ck_assert(!fixture_has(p->mirror.f, FES_ORIGIN_PATH));
	finish();
	ck_assert(!fixture_has(p->mirror.f, FES_ORIGIN_PATH));
	fixture_expect_file(p->mirror.f, FES_SEED_PATH, 600, 8);
	expect_bytes("/loader/loader.conf", "timeout 5\n", 10);
	drop_plan();
	fixture_judge(p->mirror.f);
}
END_TEST

START_TEST(test_too_little_room_for_what_is_copied_is_still_told)
{
	MAKE(changed, common);
	fixture_fill_but(p->mirror.f, 5);
	ck_assert_int_eq(lay_out(both, COUNT(both)), -ENOSPC);
	ck_assert_ptr_eq(strstr(p->messages.text, "mirror: "), p->messages.text);
	ck_assert_ptr_nonnull(strstr(p->messages.text, "too small: 3072 bytes missing"));
	ck_assert_ptr_null(strstr(p->messages.text + 1, "mirror: "));
}
END_TEST

/* A name that somebody else's file has as its short one, which nobody may change. */
START_TEST(test_a_name_that_is_taken_leaves_them_out)
{
	uint8_t old[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN], set[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	struct fat_entry entry;
	uint32_t n;
	uint8_t *at;

	MAKE(changed, common);
	fixture_do(p->mirror.f, "printf x | mcopy -i x.img - ::/loader/.#esp-sync.was");
	entry = fixture_find(p->mirror.f, "/loader/.#esp-sync.was");
	memcpy(old, entry.slots, (size_t)entry.n_slots * FAT_SLOT_LEN);
	memcpy(set, old, sizeof set);
	fat_slots_set_short_name(set, entry.n_slots, (const uint8_t *)"ESP-SYNCWAS");
	n = entry.n_slots * FAT_SLOT_LEN;
	at = memmem(p->mirror.f->bytes, p->mirror.f->size, old, n);
	ck_assert_ptr_nonnull(at);
	memcpy(at, set, n);
	fixture_close(p->mirror.f);
	prepare_with(both, COUNT(both));
	ck_assert(fes_transaction_leaves_out(transaction));
	finish();
	expect_bytes("/loader/.#esp-sync.was", "x", 1);
	expect_bytes("/loader/loader.conf", "timeout 5\n", 10);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_new_loader_directory_brings_them,
		test_a_new_version_of_the_loader_directory_brings_new_ones,
		test_a_new_version_of_the_loader_directory_replaces_old_ones,
		test_those_that_are_not_due_stay_as_they_are,
		test_a_short_name_that_is_taken_makes_way,
		test_nothing_else_to_do_is_no_reason_to_leave_them_out,
		test_old_ones_are_replaced_where_they_stand,
		test_a_change_below_does_not_lose_them,
		test_a_mixed_loader_directory_gets_them_in_place,
		test_what_comes_first_is_committed_before_all_else,
		test_a_new_one_comes_first_or_last_where_the_directory_stays,
		test_no_directory_is_made_for_them,
		test_no_directory_stays_for_them,
		test_what_it_was_made_equal_to_keeps_no_directory,
		test_a_directory_that_stays_for_others_keeps_them,
		test_an_excluded_directory_gets_none,
		test_a_directory_in_the_place_of_one_is_left_alone,
		test_too_little_room_for_them_alone_leaves_them_out,
		test_enough_room_does_not_leave_them_out,
		test_an_old_one_that_would_not_be_true_goes_instead,
		test_too_little_room_for_what_is_copied_is_still_told,
		test_a_name_that_is_taken_leaves_them_out,
	};
	Suite *suite = suite_create("own");
	TCase *tc = tcase_create("own");

	if (!fixture_tools())
		return 77;
	tcase_add_checked_fixture(tc, set_up, tear_down);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
