/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans: what keeps its clusters under another name. */

#include <config.h>

#include <check.h>
#include <string.h>

#include "tests/plans.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

START_TEST(test_a_renamed_file_keeps_its_clusters)
{
	struct planning *t = plan_new_common();
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	fixture_do(t->primary.f, "mren -i x.img ::/EFI/Linux/a.efi 'a+3-1.efi'");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/a+3-1.efi from /EFI/Linux/a.efi\n");
	plan_expect_kept(t, "/EFI/Linux/a+3-1.efi", a);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a+3-1.efi", 3000, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_a_file_may_move_within_one_commit)
{
	struct planning *t = plan_new_common();
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	fixture_do(t->primary.f, "mmove -i x.img ::/EFI/Linux/a.efi ::/EFI/Linux/sub/deep/");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/sub/deep/a.efi from /EFI/Linux/a.efi\n");
	plan_expect_kept(t, "/EFI/Linux/sub/deep/a.efi", a);
	planning_free(t);
}
END_TEST

/* Between the two commits it would be in both, or in none. */
START_TEST(test_a_file_does_not_move_between_two_commits)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f, "mmove -i x.img ::/EFI/Linux/b.efi ::/EFI/systemd/");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "payload: rebuild /EFI/systemd\n"
				  "removed /EFI/Linux/b.efi\n"
				  "new /EFI/systemd/b.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/systemd/b.efi", 1500, 2);
	planning_free(t);
}
END_TEST

START_TEST(test_a_renamed_directory_keeps_the_clusters_of_its_files)
{
	struct planning *t = plan_new_common();
	uint32_t c = fixture_find(t->mirror.f, "/EFI/Linux/sub/deep/c.efi").first_cluster;
	char text[PLAN_TEXT_LEN];

	fixture_do(t->primary.f, "mren -i x.img ::/EFI/Linux/sub other");
	ck_assert_int_eq(planning_make(t), 0);
	plan_print(text, t->plan);
	ck_assert_ptr_nonnull(strstr(
		text, "renamed /EFI/Linux/other/deep/c.efi from /EFI/Linux/sub/deep/c.efi\n"));
	plan_settle(t);
	plan_expect_kept(t, "/EFI/Linux/other/deep/c.efi", c);
	planning_free(t);
}
END_TEST

START_TEST(test_one_chain_is_lent_once)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new1.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/new2.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/kept.efi", .size = 900, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/kept.efi", .size = 900, .seed = 1},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/new1.efi from /EFI/Linux/old.efi\n"
				  "new /EFI/Linux/new2.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/new1.efi", 900, 1);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/new2.efi", 900, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_of_two_equal_files_one_is_renamed_and_one_removed)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new.efi", .size = 900, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old2.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/old1.efi", .size = 900, .seed = 1},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/new.efi from /EFI/Linux/old1.efi\n"
				  "removed /EFI/Linux/old2.efi\n");
	planning_free(t);
}
END_TEST

/* Files of one size have to be told apart by their contents, of two sizes not. */
START_TEST(test_swapped_names_write_no_data)
{
	struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 2},
		{.path = "/EFI/Linux/b.efi", .size = 900, .seed = 1},
	};
	struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/b.efi", .size = 900, .seed = 2},
	};
	struct planning *t;
	uint32_t a, b;

	if (_i == 1)
		primary[0].size = mirror[1].size = 1700;
	t = PLANNING_OF(primary, mirror);
	a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;
	b = fixture_find(t->mirror.f, "/EFI/Linux/b.efi").first_cluster;
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/a.efi from /EFI/Linux/b.efi\n"
				  "renamed /EFI/Linux/b.efi from /EFI/Linux/a.efi\n");
	plan_expect_kept(t, "/EFI/Linux/a.efi", b);
	plan_expect_kept(t, "/EFI/Linux/b.efi", a);
	planning_free(t);
}
END_TEST

/* As kernel packages rotate: the old one gets another name, its name a new kernel. */
START_TEST(test_a_rotated_file_keeps_its_clusters)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/linux.efi", .size = 1800, .seed = 2},
		{.path = "/EFI/Linux/linux-old.efi", .size = 900, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/linux.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/linux-old.efi", .size = 700, .seed = 3},
	};
	struct planning *t = PLANNING_OF(primary, mirror);
	uint32_t cluster = fixture_find(t->mirror.f, "/EFI/Linux/linux.efi").first_cluster;

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/linux-old.efi from /EFI/Linux/linux.efi\n"
				  "contents /EFI/Linux/linux.efi\n");
	plan_expect_kept(t, "/EFI/Linux/linux-old.efi", cluster);
	planning_free(t);
}
END_TEST

START_TEST(test_empty_files_are_not_renamed)
{
	static const struct fixture_file primary[] = {{.path = "/EFI/Linux/new"}};
	static const struct fixture_file mirror[] = {{.path = "/EFI/Linux/old"}};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "new /EFI/Linux/new\n"
				  "removed /EFI/Linux/old\n");
	planning_free(t);
}
END_TEST

START_TEST(test_another_case_is_another_name)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/A.EFI", .size = 900, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1}};
	struct planning *t = PLANNING_OF(primary, mirror);
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/A.EFI from /EFI/Linux/a.efi\n");
	ck_assert_str_eq(fixture_find(t->mirror.f, "/EFI/Linux/a.efi").name, "A.EFI");
	plan_expect_kept(t, "/EFI/Linux/A.EFI", a);
	planning_free(t);
}
END_TEST

/* What systemd-boot calls Linux may have been made as LINUX by an installer. */
START_TEST(test_managed_roots_and_their_parents_have_no_case)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/LOADER/loader.conf", .text = "timeout 3"},
		{.path = "/efi/LINUX/a.efi", .size = 900, .seed = 1},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect(t, "");
	planning_free(t);
}
END_TEST

static struct planning *new_mixed(
	const struct fixture_file *primary, const struct fixture_file *mirror)
{
	struct planning *t =
		planning_new(fixture_new(FAT16, primary, 1), fixture_new(FAT12, mirror, 2));

	plan_exclude(t, "/EFI/Linux/mine");
	return t;
}

START_TEST(test_in_a_mixed_directory_a_file_is_renamed_in_place)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a+2-1.efi", .size = 900, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a+3.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	struct planning *t = new_mixed(primary, mirror);

	plan_expect_and_settle(t, "payload: rename /EFI/Linux/a+2-1.efi\n"
				  "renamed /EFI/Linux/a+2-1.efi from /EFI/Linux/a+3.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a+2-1.efi", 900, 1);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/Linux/a+3.efi"));
	fixture_expect_file(t->mirror.f, "/EFI/Linux/mine/x.efi", 10, 2);
	planning_free(t);
}
END_TEST

/* Of the two names of the primary only that without a counter is mirrored, and claims the mirror's. */
START_TEST(test_a_name_that_is_not_mirrored_claims_none)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/a+3.efi", .size = 800, .seed = 2}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a+3.efi", .size = 700, .seed = 3},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 4}};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_exclude(t, "/EFI/Linux/mine");
	plan_expect_and_settle(t, "payload: rename /EFI/Linux/a.efi\n"
				  "contents /EFI/Linux/a.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a.efi", 900, 1);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/Linux/a+3.efi"));
	planning_free(t);
}
END_TEST

START_TEST(test_in_a_mixed_directory_only_the_case_may_change)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/Kernel.efi", .size = 900, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	static const struct fixture_file other[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 800, .seed = 3},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	struct planning *t = new_mixed(primary, _i == 0 ? mirror : other);

	ck_assert_int_eq(planning_make(t), 0);
	plan_settle(t);
	ck_assert_str_eq(fixture_find(t->mirror.f, "/EFI/Linux/kernel.efi").name, "Kernel.efi");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/Kernel.efi", 900, 1);
	planning_free(t);
}
END_TEST

static void add_renames(Suite *suite)
{
	const TTest *const tests[] = {
		test_a_renamed_file_keeps_its_clusters,
		test_a_file_may_move_within_one_commit,
		test_a_file_does_not_move_between_two_commits,
		test_a_renamed_directory_keeps_the_clusters_of_its_files,
		test_one_chain_is_lent_once,
		test_of_two_equal_files_one_is_renamed_and_one_removed,
		test_a_rotated_file_keeps_its_clusters,
		test_empty_files_are_not_renamed,
		test_another_case_is_another_name,
		test_managed_roots_and_their_parents_have_no_case,
		test_in_a_mixed_directory_a_file_is_renamed_in_place,
		test_a_name_that_is_not_mirrored_claims_none,
	};
	const TTest *const twice[] = {test_swapped_names_write_no_data,
		test_in_a_mixed_directory_only_the_case_may_change};

	plan_add_case(suite, "renames", tests, COUNT(tests), 1);
	plan_add_case(suite, "swaps", twice, COUNT(twice), 2);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("plan-renames");
	add_renames(suite);
	return suite_run(suite);
}
