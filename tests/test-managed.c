/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which paths a sync makes equal, which it leaves alone, and which only lead somewhere. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"
#include "lib/paths.h"
#include "tests/suite.h"

static struct fes_managed set;

static void setup(void)
{
	ck_assert_int_eq(fes_managed_init(&set), 0);
}

static void teardown(void)
{
	fes_managed_done(&set);
}

static void expect(const char *path, enum fes_role role)
{
	ck_assert_msg(fes_managed_role(&set, path) == role, "%s is %d", path,
		(int)fes_managed_role(&set, path));
}

START_TEST(test_what_systemd_boot_needs_is_managed)
{
	expect("/loader", FES_MANAGED);
	expect("/loader/loader.conf", FES_MANAGED);
	expect("/loader/entries/a.conf", FES_MANAGED);
	expect("/EFI/Linux", FES_MANAGED);
	expect("/EFI/Linux/kernel.efi", FES_MANAGED);
	expect("/EFI/Linux/kernel.efi.extra.d/x.addon.efi", FES_MANAGED);
	expect("/EFI/systemd/systemd-bootx64.efi", FES_MANAGED);
}
END_TEST

START_TEST(test_the_way_to_something_managed_is_a_parent)
{
	expect("/", FES_PARENT);
	expect("/EFI", FES_PARENT);
}
END_TEST

START_TEST(test_everything_else_is_foreign)
{
	expect("/EFI/BOOT", FES_FOREIGN);
	expect("/EFI/BOOT/BOOTX64.EFI", FES_FOREIGN);
	expect("/EFI/Microsoft/Boot/BCD", FES_FOREIGN);
	expect("/vmlinuz", FES_FOREIGN);
	expect("/Linux", FES_FOREIGN);
	expect("/Linux/EFI", FES_FOREIGN);
	expect("/EFI/loader", FES_FOREIGN);
}
END_TEST

START_TEST(test_a_longer_or_shorter_name_is_another)
{
	expect("/EFI/Linux2", FES_FOREIGN);
	expect("/EFI/Linux2/x.efi", FES_FOREIGN);
	expect("/EFI/Linu", FES_FOREIGN);
	expect("/EFI/Linux.efi", FES_FOREIGN);
	expect("/loaders", FES_FOREIGN);
	expect("/loader.efi", FES_FOREIGN);
	expect("/EF", FES_FOREIGN);
	expect("/EFI2", FES_FOREIGN);
}
END_TEST

START_TEST(test_case_does_not_matter)
{
	expect("/LOADER/Entries/X.conf", FES_MANAGED);
	expect("/efi/LINUX/x.efi", FES_MANAGED);
	expect("/efi", FES_PARENT);
	expect("/Loader/Random-Seed", FES_FOREIGN);
	ck_assert_int_eq(fes_managed_add(&set, "/Größe"), 0);
	expect("/GRÖßE", FES_MANAGED);
	expect("/GRÖSSE", FES_FOREIGN);
}
END_TEST

START_TEST(test_each_volumes_own_is_foreign_inside_of_the_managed)
{
	expect("/loader/random-seed", FES_FOREIGN);
	expect("/loader/esp-sync.was", FES_FOREIGN);
	expect("/loader/swtpm", FES_FOREIGN);
	expect("/loader/swtpm/state", FES_FOREIGN);
	expect("/loader/random-seed.conf", FES_MANAGED);
	expect("/loader/random", FES_MANAGED);
	expect("/EFI/Linux/random-seed", FES_MANAGED);
	expect("/loader/entries/random-seed", FES_MANAGED);
}
END_TEST

START_TEST(test_waiting_firmware_updates_are_foreign)
{
	ck_assert_int_eq(fes_managed_add(&set, "/EFI"), 0);
	expect("/EFI/systemd/fw", FES_FOREIGN);
	expect("/EFI/systemd/fw/fwupd-1.cap", FES_FOREIGN);
	expect("/EFI/UpdateCapsule", FES_FOREIGN);
	expect("/efi/updatecapsule/1.cap", FES_FOREIGN);
	expect("/EFI/systemd", FES_MANAGED);
	expect("/EFI/systemd/fwupdx64.efi", FES_MANAGED);
	expect("/EFI/fw", FES_MANAGED);
}
END_TEST

/* The list itself is the same on all of a machine's volumes. */
START_TEST(test_the_list_is_managed)
{
	expect("/loader/esp-sync", FES_MANAGED);
}
END_TEST

START_TEST(test_temporary_files_are_foreign_at_any_depth)
{
	expect("/loader/.#loader.conf0123456789abcdef", FES_FOREIGN);
	expect("/EFI/Linux/.#x", FES_FOREIGN);
	expect("/EFI/Linux/.x", FES_MANAGED);
	expect("/EFI/Linux/x.#", FES_MANAGED);
	expect("/EFI/Linux/#x", FES_MANAGED);
}
END_TEST

START_TEST(test_more_can_be_managed)
{
	ck_assert_int_eq(fes_managed_add(&set, "/EFI/BOOT"), 0);
	ck_assert_int_eq(fes_managed_add(&set, "/vendor/deep/file.bin"), 0);
	expect("/EFI/BOOT/BOOTX64.EFI", FES_MANAGED);
	expect("/vendor/deep/file.bin", FES_MANAGED);
	expect("/vendor/deep", FES_PARENT);
	expect("/vendor", FES_PARENT);
	expect("/vendor/deep/file2.bin", FES_FOREIGN);
	expect("/vendor/other", FES_FOREIGN);
}
END_TEST

START_TEST(test_excluding_wins)
{
	ck_assert_int_eq(fes_managed_exclude(&set, "/EFI/Linux/mine.efi"), 0);
	ck_assert_int_eq(fes_managed_exclude(&set, "/loader/keys"), 0);
	ck_assert_int_eq(fes_managed_add(&set, "/loader/keys/db"), 0);
	expect("/EFI/Linux/mine.efi", FES_FOREIGN);
	expect("/EFI/LINUX/MINE.EFI", FES_FOREIGN);
	expect("/EFI/Linux/mine.efi2", FES_MANAGED);
	expect("/EFI/Linux", FES_MANAGED);
	expect("/loader/keys", FES_FOREIGN);
	expect("/loader/keys/db", FES_FOREIGN);
	expect("/loader/keys/db/x", FES_FOREIGN);
}
END_TEST

START_TEST(test_excluding_a_parent_excludes_what_is_below)
{
	ck_assert_int_eq(fes_managed_exclude(&set, "/EFI"), 0);
	expect("/EFI", FES_FOREIGN);
	expect("/EFI/Linux/x.efi", FES_FOREIGN);
	expect("/loader/loader.conf", FES_MANAGED);
}
END_TEST

START_TEST(test_slashes_too_many_mean_nothing)
{
	ck_assert_int_eq(fes_managed_add(&set, "//EFI///BOOT//"), 0);
	ck_assert_int_eq(fes_managed_exclude(&set, "/EFI/Linux/old/"), 0);
	expect("/EFI/BOOT", FES_MANAGED);
	expect("/EFI/BOOT/grub.cfg", FES_MANAGED);
	expect("/EFI/BOOT2", FES_FOREIGN);
	expect("/EFI", FES_PARENT);
	expect("/EFI/Linux/old", FES_FOREIGN);
	expect("/EFI/Linux/old/x", FES_FOREIGN);
}
END_TEST

START_TEST(test_paths_that_mean_nothing_are_refused)
{
	static const char *const wrong[] = {"", "/", "//", "EFI/BOOT", "./EFI", ".", "..", "/.",
		"/..", "/EFI/..", "/EFI/../loader", "/EFI/./BOOT", "/EFI/BOOT/.", "/../EFI"};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		ck_assert_msg(fes_managed_add(&set, wrong[i]) == -EINVAL, "'%s'", wrong[i]);
		ck_assert_msg(fes_managed_exclude(&set, wrong[i]) == -EINVAL, "'%s'", wrong[i]);
	}
	expect("/vmlinuz", FES_FOREIGN);
	expect("/loader/loader.conf", FES_MANAGED);
	ck_assert_int_eq(fes_managed_add(&set, "/.hidden"), 0);
	ck_assert_int_eq(fes_managed_add(&set, "/..."), 0);
}
END_TEST

START_TEST(test_a_name_longer_than_any_on_fat_is_refused)
{
	char path[1024] = "/";

	memset(path + 1, 'x', 1000);
	ck_assert_int_eq(fes_managed_add(&set, path), -EINVAL);
	path[256] = '\0'; /* 255 characters */
	ck_assert_int_eq(fes_managed_add(&set, path), 0);
	expect(path, FES_MANAGED);
}
END_TEST

START_TEST(test_a_path_beyond_what_we_read_is_refused)
{
	char path[FES_PATH_LEN_MAX + 2] = "";

	for (int i = 0; i < FES_PATH_PARTS_MAX; i++)
		(void)strcat(path, "/a");
	ck_assert(fes_path_is_valid(path));
	ck_assert(!fes_path_is_valid(strcat(path, "/a")));
	memset(path, 'x', FES_PATH_LEN_MAX + 1);
	for (int i = 0; i < FES_PATH_LEN_MAX; i += 128)
		path[i] = '/';
	ck_assert(!fes_path_is_valid(path));
	path[FES_PATH_LEN_MAX] = '\0';
	ck_assert(fes_path_is_valid(path));
}
END_TEST

static void expect_above(const char *path, const char *const *wanted, size_t n)
{
	struct fes_paths paths = {0};

	ck_assert_int_eq(fes_paths_add_above(&paths, path), 0);
	fes_paths_settle(&paths);
	ck_assert_uint_eq(paths.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(paths.list[i], wanted[i]);
	fes_paths_done(&paths);
}

START_TEST(test_what_lies_above_a_path_is_all_but_the_root)
{
	static const char *const above[] = {"/1", "/1/2"};

	expect_above("", NULL, 0);
	expect_above("/1", NULL, 0);
	expect_above("/1/2", above, 1);
	expect_above("/1//2/3", above, 2);
}
END_TEST

START_TEST(test_of_a_path_beyond_what_we_read_not_all_is_above)
{
	struct fes_paths paths = {0};
	char path[4096] = "";

	for (size_t i = 0; i < sizeof path - 1; i++)
		path[i] = "/a"[i % 2];
	ck_assert_int_eq(fes_paths_add_above(&paths, path), 0);
	ck_assert_uint_eq(paths.n, FES_PATH_PARTS_MAX);
	fes_paths_done(&paths);
}
END_TEST

START_TEST(test_a_path_lies_within_itself_and_what_is_above)
{
	ck_assert(fes_path_within("/loader", "/loader"));
	ck_assert(fes_path_within("/loader/entries", "/loader"));
	ck_assert(fes_path_within("/LOADER/", "/loader"));
	ck_assert(fes_path_within("/loader", "/loader/"));
	ck_assert(fes_path_within("/anything", "/"));
	ck_assert(fes_path_within("/", "/"));
	ck_assert(!fes_path_within("/", "/loader"));
	ck_assert(!fes_path_within("/load", "/loader"));
	ck_assert(!fes_path_within("/loader2", "/loader"));
	ck_assert(!fes_path_within("/EFI/loader", "/loader"));
	ck_assert(!fes_path_within("/loader", "/loader/entries"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_what_systemd_boot_needs_is_managed,
		test_the_way_to_something_managed_is_a_parent,
		test_everything_else_is_foreign,
		test_a_longer_or_shorter_name_is_another,
		test_case_does_not_matter,
		test_each_volumes_own_is_foreign_inside_of_the_managed,
		test_waiting_firmware_updates_are_foreign,
		test_the_list_is_managed,
		test_temporary_files_are_foreign_at_any_depth,
		test_more_can_be_managed,
		test_excluding_wins,
		test_excluding_a_parent_excludes_what_is_below,
		test_slashes_too_many_mean_nothing,
		test_paths_that_mean_nothing_are_refused,
		test_a_name_longer_than_any_on_fat_is_refused,
		test_a_path_beyond_what_we_read_is_refused,
		test_what_lies_above_a_path_is_all_but_the_root,
		test_of_a_path_beyond_what_we_read_not_all_is_above,
		test_a_path_lies_within_itself_and_what_is_above,
	};
	Suite *suite = suite_create("managed");
	TCase *tc = tcase_create("managed");

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
