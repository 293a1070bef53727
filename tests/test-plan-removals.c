/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans: what goes first for want of room. */

#include <config.h>

#include <check.h>
#include <string.h>

#include "tests/plans.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool can_go(struct planning *t, const char *running, const char *path)
{
	struct fes_removals removals;
	bool found = false;

	ck_assert_int_eq(planning_make(t), 0);
	ck_assert_int_eq(fes_removals_find(t->plan, running, 0, &removals), 0);
	for (size_t i = 0; i < removals.n; i++)
		found |= strcmp(removals.nodes[i]->path, path) == 0;
	fes_removals_done(&removals);
	return found;
}

static const struct fixture_file new_image[] = {{.path = "/EFI/Linux/new.efi", .text = "n"}};

START_TEST(test_what_boot_counting_found_bad_goes_before_what_is_good)
{
	static const struct fixture_file images[] = {
		{.path = "/EFI/Linux/a.efi", .text = "a"},
		{.path = "/EFI/Linux/b+0-3.efi", .text = "b"},
		{.path = "/EFI/Linux/c+0.efi", .text = "c"},
	};
	struct planning *t = PLANNING_OF(new_image, images);

	ck_assert(!can_go(t, NULL, "/EFI/Linux/a.efi"));
	ck_assert(can_go(t, NULL, "/EFI/Linux/b+0-3.efi"));
	ck_assert(can_go(t, NULL, "/EFI/Linux/c+0.efi"));
	planning_free(t);
}
END_TEST

START_TEST(test_a_bad_one_that_stays_is_not_the_last_choice)
{
	static const struct fixture_file bad[] = {{.path = "/EFI/Linux/b+0-3.efi", .text = "b"}};
	static const struct fixture_file images[] = {
		{.path = "/EFI/Linux/a.efi", .text = "a"},
		{.path = "/EFI/Linux/b+0-3.efi", .text = "b"},
	};
	struct planning *t = PLANNING_OF(bad, images);

	ck_assert(!can_go(t, NULL, "/EFI/Linux/a.efi"));
	planning_free(t);
}
END_TEST

START_TEST(test_where_all_are_bad_one_that_stays_is_enough)
{
	static const struct fixture_file bad[] = {{.path = "/EFI/Linux/b+0-3.efi", .text = "b"}};
	static const struct fixture_file images[] = {
		{.path = "/EFI/Linux/a+0-3.efi", .text = "a"},
		{.path = "/EFI/Linux/b+0-3.efi", .text = "b"},
	};
	struct planning *t = PLANNING_OF(bad, images);

	ck_assert(can_go(t, NULL, "/EFI/Linux/a+0-3.efi"));
	planning_free(t);
	t = PLANNING_OF(new_image, images);
	ck_assert(can_go(t, NULL, "/EFI/Linux/a+0-3.efi"));
	ck_assert(!can_go(t, NULL, "/EFI/Linux/b+0-3.efi"));
	planning_free(t);
}
END_TEST

/* It may be a shell, or a memory test. */
START_TEST(test_an_efi_program_that_stays_is_not_the_last_choice)
{
	static const struct fixture_file primary[] = {
		{.path = "/loader/entries/new.conf", .text = "linux /EFI/Linux/new"},
		{.path = "/EFI/Linux/new", .text = "n"},
		{.path = "/loader/entries/shell.conf", .text = "efi /EFI/Linux/shell"},
		{.path = "/EFI/Linux/shell", .text = "s"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/loader/entries/old.conf", .text = "linux /EFI/Linux/old"},
		{.path = "/EFI/Linux/old", .text = "o"},
		{.path = "/loader/entries/shell.conf", .text = "efi /EFI/Linux/shell"},
		{.path = "/EFI/Linux/shell", .text = "s"},
		{.path = "/loader/entries/test.conf", .text = "efi /EFI/Linux/test"},
		{.path = "/EFI/Linux/test", .text = "t"},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	ck_assert(!can_go(t, NULL, "/loader/entries/old.conf"));
	ck_assert(!can_go(t, NULL, "/EFI/Linux/old"));
	ck_assert(can_go(t, NULL, "/loader/entries/test.conf"));
	planning_free(t);
}
END_TEST

static bool stays_running(const char *running)
{
	static const struct fixture_file images[] = {
		{.path = "/loader/entries/c.conf", .text = "efi /c"},
		{.path = "/c", .text = "c"},
		{.path = "/EFI/Linux/A+2-1.efi", .text = "a"},
		{.path = "/EFI/Linux/b.efi", .text = "b"},
	};
	struct planning *t = PLANNING_OF(new_image, images);
	bool stays = !can_go(t, running, "/EFI/Linux/A+2-1.efi");

	planning_free(t);
	return stays;
}

START_TEST(test_an_image_runs_in_any_of_its_profiles)
{
	ck_assert(stays_running("a.efi"));
	ck_assert(stays_running("a.efi@1"));
	ck_assert(stays_running("a.efi@factory-reset"));
	ck_assert(stays_running("a.efi@b.efi@2"));
	ck_assert(stays_running("a.efi@"));
	ck_assert(!stays_running("b.efi@a.efi"));
	ck_assert(!stays_running("c.conf@1"));
	ck_assert(!stays_running("a.efi1"));
	ck_assert(!stays_running("aa.efi@1"));
	ck_assert(!stays_running("a@1"));
}
END_TEST

static void add_removals(Suite *suite)
{
	const TTest *const tests[] = {
		test_what_boot_counting_found_bad_goes_before_what_is_good,
		test_a_bad_one_that_stays_is_not_the_last_choice,
		test_where_all_are_bad_one_that_stays_is_enough,
		test_an_efi_program_that_stays_is_not_the_last_choice,
		test_an_image_runs_in_any_of_its_profiles,
	};

	plan_add_case(suite, "removals", tests, COUNT(tests), 1);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("plan-removals");
	add_removals(suite);
	return suite_run(suite);
}
