/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans: what goes later than the rest, and what changes its kind. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/plans.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- what an old loader entry still needs ---- */

static const struct fixture_file old_kernel[] = {
	{.path = "/EFI/Linux/linux-1.efi", .size = 900, .seed = 1},
	{.path = "/EFI/Linux/unnamed.efi", .size = 950, .seed = 2},
	{.path = "/loader/entries/linux.conf", .text = "linux /EFI/LINUX/LINUX-1.EFI"},
};
static const struct fixture_file new_kernel[] = {
	{.path = "/EFI/Linux/linux-2.efi", .size = 1900, .seed = 3},
	{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/linux-2.efi"},
};

START_TEST(test_a_kernel_goes_after_the_entry_that_names_it)
{
	struct planning *t = PLANNING_OF(new_kernel, old_kernel);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
				  "loader: rebuild /loader/entries\n"
				  "removal: rebuild /EFI/Linux\n"
				  "removed /EFI/Linux/linux-1.efi\n"
				  "new /EFI/Linux/linux-2.efi\n"
				  "removed /EFI/Linux/unnamed.efi\n"
				  "contents /loader/entries/linux.conf\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/linux-2.efi", 1900, 3);
	planning_free(t);
}
END_TEST

START_TEST(test_only_what_is_named_is_retained)
{
	struct planning *t = PLANNING_OF(new_kernel, old_kernel);
	const struct fes_tree *tree;
	size_t n = 0;

	ck_assert_int_eq(planning_make(t), 0);
	tree = t->mirror.tree;
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (t->plan->retained[i]) {
			ck_assert_str_eq(tree->nodes[i]->path, "/EFI/Linux/linux-1.efi");
			n++;
		}
	ck_assert_uint_eq(n, 1);
	planning_free(t);
}
END_TEST

/* Not only the first. */
START_TEST(test_what_any_entry_names_is_retained)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/c.efi", .size = 900, .seed = 3},
		{.path = "/loader/entries/one.conf", .text = "linux /EFI/Linux/c.efi"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 901, .seed = 1},
		{.path = "/EFI/Linux/b.efi", .size = 902, .seed = 2},
		{.path = "/loader/entries/one.conf", .text = "linux /EFI/Linux/a.efi"},
		{.path = "/loader/entries/two.conf", .text = "linux /EFI/Linux/b.efi"},
	};
	struct planning *t = PLANNING_OF(primary, mirror);
	size_t n = 0;

	ck_assert_int_eq(planning_make(t), 0);
	for (size_t i = 0; i < t->mirror.tree->n_nodes; i++)
		n += t->plan->retained[i];
	ck_assert_uint_eq(n, 2);
	planning_free(t);
}
END_TEST

START_TEST(test_without_a_change_of_entries_nothing_is_retained)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f, "mdel -i x.img ::/EFI/Linux/a.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "removed /EFI/Linux/a.efi\n");
	planning_free(t);
}
END_TEST

/* kernel-install removes the entry first: the files are still on the primary, where nobody names them. */
START_TEST(test_a_kernel_that_the_primary_no_longer_names_goes_after_its_entry)
{
	static const struct fixture_file primary[] = {
		{.path = "/deb/26/linux", .size = 900, .seed = 1},
		{.path = "/deb/27/linux", .size = 900, .seed = 2},
		{.path = "/deb/linux-26", .size = 901, .seed = 3},
		{.path = "/loader/entries/27.conf", .text = "linux /deb/27/linux"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/deb/26/linux", .size = 900, .seed = 1},
		{.path = "/deb/linux-26", .size = 901, .seed = 3},
		{.path = "/loader/entries/26.conf",
			.text = "linux /deb/26/linux\ninitrd /deb/linux-26"},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /deb, retaining\n"
				  "loader: rebuild /loader/entries\n"
				  "removal: rebuild /deb\n"
				  "removed /deb/26\n"
				  "removed /deb/26/linux\n"
				  "new /deb/27\n"
				  "new /deb/27/linux\n"
				  "removed /deb/linux-26\n"
				  "removed /loader/entries/26.conf\n"
				  "new /loader/entries/27.conf\n");
	planning_free(t);
}
END_TEST

/* Nothing else boots until the kernel is there, although no entry changes. */
START_TEST(test_an_image_goes_after_the_kernel_that_an_entry_waits_for)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/stays.efi"},
		{.path = "/k/linux", .size = 900, .seed = 1},
		{.path = "/loader/entries/waiting.conf", .text = "linux /k/linux"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/stays.efi"},
		{.path = "/EFI/Linux/goes.efi", .size = 900, .seed = 2},
		{.path = "/loader/entries/waiting.conf", .text = "linux /k/linux"},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
				  "payload: add /k\n"
				  "removal: rebuild /EFI/Linux\n"
				  "removed /EFI/Linux/goes.efi\n"
				  "new /k\n"
				  "new /k/linux\n");
	planning_free(t);
}
END_TEST

START_TEST(test_what_a_new_image_takes_along_comes_before_it)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/new.efi.extra.d/root.addon.efi", .size = 100, .seed = 2},
		{.path = "/EFI/Linux/old.efi", .size = 901, .seed = 3},
		{.path = "/EFI/Linux/old.efi.extra.d/root.addon.efi", .size = 101, .seed = 4},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/.#mine/keep", .size = 10, .seed = 5},
		{.path = "/EFI/Linux/old.efi", .size = 902, .seed = 6},
		{.path = "/EFI/Linux/old.efi.extra.d/root.addon.efi", .size = 102, .seed = 7},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: add /EFI/Linux/new.efi.extra.d\n"
				  "payload: add /EFI/Linux/new.efi\n"
				  "payload: replace /EFI/Linux/old.efi\n"
				  "payload: rebuild /EFI/Linux/old.efi.extra.d\n"
				  "new /EFI/Linux/new.efi\n"
				  "new /EFI/Linux/new.efi.extra.d\n"
				  "new /EFI/Linux/new.efi.extra.d/root.addon.efi\n"
				  "contents /EFI/Linux/old.efi\n"
				  "contents /EFI/Linux/old.efi.extra.d/root.addon.efi\n");
	planning_free(t);
}
END_TEST

/* A memory test is nothing to boot until the new kernel is there. */
START_TEST(test_an_image_goes_after_the_new_kernel_though_a_program_stays)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/test", .size = 900, .seed = 1},
		{.path = "/k/linux", .size = 900, .seed = 2},
		{.path = "/loader/entries/new.conf", .text = "linux /k/linux"},
		{.path = "/loader/entries/test.conf", .text = "efi /EFI/Linux/test"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old.efi", .size = 900, .seed = 3},
		{.path = "/EFI/Linux/test", .size = 900, .seed = 1},
		{.path = "/loader/entries/test.conf", .text = "efi /EFI/Linux/test"},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
				  "payload: add /k\n"
				  "loader: rebuild /loader/entries\n"
				  "removal: rebuild /EFI/Linux\n"
				  "removed /EFI/Linux/old.efi\n"
				  "new /k\n"
				  "new /k/linux\n"
				  "new /loader/entries/new.conf\n");
	planning_free(t);
}
END_TEST

/* A kernel can be in there, and what is private keeps /loader from being new as a whole. */
START_TEST(test_folders_beside_the_entries_are_payload)
{
	static const struct fixture_file primary[] = {
		{.path = "/loader/entries/new.conf", .text = "linux /loader/k/new"},
		{.path = "/loader/k/new", .size = 900, .seed = 1},
		{.path = "/loader/loader.conf", .text = "default new.conf"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/loader/entries/old.conf", .text = "linux /loader/a/old"},
		{.path = "/loader/a/old", .size = 900, .seed = 2},
		{.path = "/loader/loader.conf", .text = "default old.conf"},
		{.path = "/loader/swtpm/state", .size = 100, .seed = 3},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: add /loader/k\n"
				  "loader: rebuild /loader/entries\n"
				  "loader: replace /loader/loader.conf\n"
				  "removal: remove /loader/a\n"
				  "removed /loader/a\n"
				  "removed /loader/a/old\n"
				  "new /loader/entries/new.conf\n"
				  "removed /loader/entries/old.conf\n"
				  "new /loader/k\n"
				  "new /loader/k/new\n"
				  "contents /loader/loader.conf\n");
	planning_free(t);
}
END_TEST

/* The old name is named by an entry; until that is gone, both names are there. */
START_TEST(test_a_renamed_kernel_that_an_entry_names_is_there_under_both_names)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new.efi", .size = 900, .seed = 1},
		{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/new.efi"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old.efi", .size = 900, .seed = 1},
		{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/old.efi"},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
				  "loader: rebuild /loader/entries\n"
				  "removal: rebuild /EFI/Linux\n"
				  "new /EFI/Linux/new.efi\n"
				  "removed /EFI/Linux/old.efi\n"
				  "contents /loader/entries/linux.conf\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/new.efi", 900, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_a_named_directory_goes_after_its_entry)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new/linux", .size = 900, .seed = 1},
		{.path = "/loader/entries/new.conf", .text = "linux /EFI/Linux/new/linux"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old/vmlinuz", .size = 800, .seed = 2},
		{.path = "/EFI/Linux/old/initrd", .size = 700, .seed = 3},
		{.path = "/EFI/systemd/shell.efi", .size = 600, .seed = 4},
		{.path = "/loader/entries/old.conf",
			.text = "linux /EFI/Linux/old/vmlinuz\nefi /EFI/systemd/Shell.efi"},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
				  "loader: rebuild /loader/entries\n"
				  "removal: remove /EFI/systemd\n"
				  "removal: rebuild /EFI/Linux\n"
				  "new /EFI/Linux/new\n"
				  "new /EFI/Linux/new/linux\n"
				  "removed /EFI/Linux/old\n"
				  "removed /EFI/Linux/old/initrd\n"
				  "removed /EFI/Linux/old/vmlinuz\n"
				  "removed /EFI/systemd\n"
				  "removed /EFI/systemd/shell.efi\n"
				  "new /loader/entries/new.conf\n"
				  "removed /loader/entries/old.conf\n");
	planning_free(t);
}
END_TEST

START_TEST(test_in_a_mixed_directory_a_named_kernel_goes_last)
{
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/linux-1.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/unnamed.efi", .size = 950, .seed = 2},
		{.path = "/EFI/Linux/mine/x", .size = 10, .seed = 3},
		{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/linux-1.efi"},
	};
	struct planning *t = PLANNING_OF(new_kernel, mirror);

	plan_exclude(t, "/EFI/Linux/mine");
	plan_expect_and_settle(t, "payload: add /EFI/Linux/linux-2.efi\n"
				  "payload: remove /EFI/Linux/unnamed.efi\n"
				  "loader: rebuild /loader/entries\n"
				  "removal: remove /EFI/Linux/linux-1.efi\n"
				  "removed /EFI/Linux/linux-1.efi\n"
				  "new /EFI/Linux/linux-2.efi\n"
				  "removed /EFI/Linux/unnamed.efi\n"
				  "contents /loader/entries/linux.conf\n");
	planning_free(t);
}
END_TEST

/* ---- images that are kept until the end ---- */

static const struct fixture_file three_images[] = {
	{.path = "/EFI/Linux/goes.efi", .size = 900, .seed = 1},
	{.path = "/EFI/Linux/named.efi", .size = 950, .seed = 2},
	{.path = "/EFI/Linux/stays.efi", .size = 1000, .seed = 3},
	{.path = "/EFI/Linux/goes.efi.extra.d/net.addon.efi", .size = 600, .seed = 4},
	{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 700, .seed = 5},
};

static bool is_retained(const struct planning *t, const char *path)
{
	const struct fes_tree *tree = t->plan->comparison->mirror;

	for (size_t i = 0; i < tree->n_nodes; i++)
		if (strcmp(tree->nodes[i]->path, path) == 0)
			return t->plan->retained[i];
	return false;
}

START_TEST(test_images_are_kept_although_no_entry_changes)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/renamed.efi", .size = 950, .seed = 2},
		{.path = "/EFI/Linux/stays.efi", .size = 1000, .seed = 3},
		{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 700, .seed = 5},
	};
	struct planning *t = PLANNING_OF(primary, three_images);

	t->keep_images = true;
	ck_assert_int_eq(planning_make(t), 0);
	ck_assert(is_retained(t, "/EFI/Linux/goes.efi"));
	ck_assert(is_retained(t, "/EFI/Linux/goes.efi.extra.d"));
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
				  "removal: rebuild /EFI/Linux\n"
				  "removed /EFI/Linux/goes.efi\n"
				  "removed /EFI/Linux/goes.efi.extra.d\n"
				  "removed /EFI/Linux/goes.efi.extra.d/net.addon.efi\n"
				  "renamed /EFI/Linux/renamed.efi from /EFI/Linux/named.efi\n");
	planning_free(t);
}
END_TEST

START_TEST(test_a_renamed_image_is_not_kept_under_its_old_name)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/goes.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/goes.efi.extra.d/net.addon.efi", .size = 600, .seed = 4},
		{.path = "/EFI/Linux/renamed.efi", .size = 950, .seed = 2},
		{.path = "/EFI/Linux/stays.efi", .size = 1000, .seed = 3},
		{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 700, .seed = 5},
	};
	struct planning *t = PLANNING_OF(primary, three_images);

	t->keep_images = true;
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/renamed.efi from /EFI/Linux/named.efi\n");
	planning_free(t);
}
END_TEST

START_TEST(test_a_directory_of_images_is_kept_whole)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 800, .seed = 6},
	};
	struct planning *t = PLANNING_OF(primary, three_images);

	t->keep_images = true;
	plan_expect(t, "payload: rebuild /EFI/systemd\n"
		       "removal: remove /EFI/Linux\n"
		       "removed /EFI/Linux\n"
		       "removed /EFI/Linux/goes.efi\n"
		       "removed /EFI/Linux/goes.efi.extra.d\n"
		       "removed /EFI/Linux/goes.efi.extra.d/net.addon.efi\n"
		       "removed /EFI/Linux/named.efi\n"
		       "removed /EFI/Linux/stays.efi\n"
		       "contents /EFI/systemd/systemd-bootx64.efi\n");
	plan_settle(t);
	planning_free(t);
}
END_TEST

/* ---- what firmware starts, and what that starts ---- */

#define SYSTEMD_BOOT "#### LoaderInfo: systemd-boot 252 ####"
#define SHIM "UEFI SHIM\n$Version: 15.8 $\n"

static const struct fixture_file without_shim[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SYSTEMD_BOOT},
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
};
static const struct fixture_file with_shim[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
	{.path = "/EFI/BOOT/grubx64.efi", .text = SYSTEMD_BOOT},
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
};
static const struct fixture_file with_fallback[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
	{.path = "/EFI/BOOT/fbx64.efi", .size = 800, .seed = 2},
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	{.path = "/EFI/debian/shimx64.efi", .text = SHIM},
	{.path = "/EFI/debian/BOOTX64.CSV", .text = "shimx64.efi,debian,,"},
};
static const char foreign_folder[] = "mmd -i x.img ::/EFI/BOOT/icons";

START_TEST(test_shim_comes_after_the_vendor_that_its_fallback_starts)
{
	struct planning *t = PLANNING_OF(with_fallback, without_shim);

	plan_expect_and_settle(t, "payload: add /EFI/debian\n"
				  "payload: rebuild /EFI/BOOT\n"
				  "contents /EFI/BOOT/BOOTX64.EFI\n"
				  "new /EFI/BOOT/fbx64.efi\n"
				  "new /EFI/debian\n"
				  "new /EFI/debian/BOOTX64.CSV\n"
				  "new /EFI/debian/shimx64.efi\n");
	planning_free(t);
}
END_TEST

START_TEST(test_shim_comes_after_its_helpers_where_they_are_replaced_one_by_one)
{
	struct planning *t = PLANNING_OF(with_shim, without_shim);

	fixture_do(t->mirror.f, foreign_folder);
	plan_expect_and_settle(t, "payload: add /EFI/BOOT/grubx64.efi\n"
				  "payload: replace /EFI/BOOT/BOOTX64.EFI\n"
				  "contents /EFI/BOOT/BOOTX64.EFI\n"
				  "new /EFI/BOOT/grubx64.efi\n");
	planning_free(t);
}
END_TEST

/* An old shim lasts until there is systemd-boot, and until then what it starts. */
START_TEST(test_what_shim_starts_goes_after_shim)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/AAA/note.txt", .size = 100, .seed = 3},
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SYSTEMD_BOOT},
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/AAA/shimx64.efi", .text = SHIM},
		{.path = "/EFI/AAA/BOOTX64.CSV", .text = "shimx64.efi,debian,,"},
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
		{.path = "/EFI/BOOT/fbx64.efi", .size = 800, .seed = 2},
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	fixture_do(t->mirror.f, foreign_folder);
	plan_manage(t, "/EFI/AAA");
	plan_expect_and_settle(t, "payload: replace /EFI/BOOT/BOOTX64.EFI\n"
				  "payload: rebuild /EFI/AAA\n"
				  "payload: remove /EFI/BOOT/fbx64.efi\n"
				  "removed /EFI/AAA/BOOTX64.CSV\n"
				  "new /EFI/AAA/note.txt\n"
				  "removed /EFI/AAA/shimx64.efi\n"
				  "contents /EFI/BOOT/BOOTX64.EFI\n"
				  "removed /EFI/BOOT/fbx64.efi\n");
	planning_free(t);
}
END_TEST

/* Its vendor comes after its second stage in the order of names. */
START_TEST(test_an_old_second_stage_goes_after_the_new_vendor)
{
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
		{.path = "/EFI/BOOT/grubx64.efi", .text = SYSTEMD_BOOT},
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	};
	struct planning *t = PLANNING_OF(with_fallback, mirror);

	fixture_do(t->mirror.f, foreign_folder);
	plan_expect_and_settle(t, "payload: add /EFI/BOOT/fbx64.efi\n"
				  "payload: add /EFI/debian\n"
				  "payload: remove /EFI/BOOT/grubx64.efi\n"
				  "new /EFI/BOOT/fbx64.efi\n"
				  "removed /EFI/BOOT/grubx64.efi\n"
				  "new /EFI/debian\n"
				  "new /EFI/debian/BOOTX64.CSV\n"
				  "new /EFI/debian/shimx64.efi\n");
	planning_free(t);
}
END_TEST

/* Something of another kind makes way for it first, whatever comes last. */
START_TEST(test_a_directory_in_the_place_of_shim_makes_way)
{
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI/x", .size = 100, .seed = 4},
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	};
	struct planning *t = PLANNING_OF(with_shim, mirror);

	plan_manage(t, "/EFI/BOOT");
	plan_exclude(t, "/EFI/BOOT/icons");
	fixture_do(t->mirror.f, foreign_folder);
	plan_expect_and_settle(t, "payload: add /EFI/BOOT/grubx64.efi\n"
				  "payload: remove /EFI/BOOT/BOOTX64.EFI\n"
				  "payload: add /EFI/BOOT/BOOTX64.EFI\n"
				  "removed /EFI/BOOT/BOOTX64.EFI\n"
				  "removed /EFI/BOOT/BOOTX64.EFI/x\n"
				  "new /EFI/BOOT/BOOTX64.EFI\n"
				  "new /EFI/BOOT/grubx64.efi\n");
	planning_free(t);
}
END_TEST

/* ---- files become directories, and the other way round ---- */

START_TEST(test_in_a_managed_directory_the_kind_may_change)
{
	static const struct fixture_file a[] = {
		{.path = "/EFI/Linux/x/y", .size = 600, .seed = 1},
		{.path = "/EFI/Linux/z", .size = 600, .seed = 2},
	};
	static const struct fixture_file b[] = {
		{.path = "/EFI/Linux/x", .size = 600, .seed = 3},
		{.path = "/EFI/Linux/z/y", .size = 600, .seed = 4},
	};
	struct planning *t = PLANNING_OF(a, b);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "removed /EFI/Linux/x\n"
				  "new /EFI/Linux/x\n"
				  "new /EFI/Linux/x/y\n"
				  "removed /EFI/Linux/z\n"
				  "removed /EFI/Linux/z/y\n"
				  "new /EFI/Linux/z\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/x/y", 600, 1);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/z", 600, 2);
	planning_free(t);
}
END_TEST

START_TEST(test_in_a_mixed_managed_directory_the_kind_may_change)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/x/y", .size = 600, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/x", .size = 600, .seed = 3},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_exclude(t, "/EFI/Linux/mine");
	plan_expect_and_settle(t, "payload: remove /EFI/Linux/x\n"
				  "payload: add /EFI/Linux/x\n"
				  "removed /EFI/Linux/x\n"
				  "new /EFI/Linux/x\n"
				  "new /EFI/Linux/x/y\n");
	planning_free(t);
}
END_TEST

/* What stands where a managed root shall be is not ours. */
/* What makes way goes in the same phase, and first. */
START_TEST(test_what_is_not_changed_with_its_directory_may_change_its_kind)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 600, .seed = 1},
		{.path = "/EFI/Linux/a.efi.extra.d/x", .size = 60, .seed = 2},
		{.path = "/loader/a/db", .size = 61, .seed = 3},
		{.path = "/loader/keys", .size = 62, .seed = 4},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/.#mine/x", .size = 10, .seed = 5},
		{.path = "/EFI/Linux/a.efi", .size = 600, .seed = 1},
		{.path = "/EFI/Linux/a.efi.extra.d", .size = 63, .seed = 6},
		{.path = "/loader/a", .size = 64, .seed = 7},
		{.path = "/loader/keys/db", .size = 65, .seed = 8},
		{.path = "/loader/swtpm/x", .size = 66, .seed = 9},
	};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: remove /EFI/Linux/a.efi.extra.d\n"
				  "payload: add /EFI/Linux/a.efi.extra.d\n"
				  "payload: remove /loader/a\n"
				  "payload: add /loader/a\n"
				  "loader: remove /loader/keys\n"
				  "loader: add /loader/keys\n"
				  "removed /EFI/Linux/a.efi.extra.d\n"
				  "new /EFI/Linux/a.efi.extra.d\n"
				  "new /EFI/Linux/a.efi.extra.d/x\n"
				  "removed /loader/a\n"
				  "new /loader/a\n"
				  "new /loader/a/db\n"
				  "removed /loader/keys\n"
				  "removed /loader/keys/db\n"
				  "new /loader/keys\n");
	planning_free(t);
}
END_TEST

START_TEST(test_a_foreign_thing_of_another_kind_is_refused)
{
	static const struct fixture_file mirrors[][1] = {
		{{.path = "/loader", .size = 600, .seed = 1}},
		{{.path = "/EFI", .size = 600, .seed = 1}},
		{{.path = "/EFI/linux", .size = 600, .seed = 1}},
	};
	static const char *const paths[] = {
		"mirror: /loader: ", "mirror: /EFI: ", "mirror: /EFI/linux: "};
	struct planning *t = planning_new(
		fixture_new(FAT16, plan_common, PLAN_N_COMMON), fixture_new(FAT12, mirrors[_i], 1));

	ck_assert_int_eq(planning_make(t), -EEXIST);
	ck_assert_ptr_null(t->plan);
	ck_assert_ptr_nonnull(strstr(t->messages.text, paths[_i]));
	planning_free(t);
}
END_TEST

static void add_order(Suite *suite)
{
	const TTest *const tests[] = {
		test_a_kernel_goes_after_the_entry_that_names_it,
		test_only_what_is_named_is_retained,
		test_what_any_entry_names_is_retained,
		test_without_a_change_of_entries_nothing_is_retained,
		test_a_renamed_kernel_that_an_entry_names_is_there_under_both_names,
		test_a_named_directory_goes_after_its_entry,
		test_folders_beside_the_entries_are_payload,
		test_an_image_goes_after_the_new_kernel_though_a_program_stays,
		test_what_a_new_image_takes_along_comes_before_it,
		test_a_kernel_that_the_primary_no_longer_names_goes_after_its_entry,
		test_an_image_goes_after_the_kernel_that_an_entry_waits_for,
		test_in_a_mixed_directory_a_named_kernel_goes_last,
		test_images_are_kept_although_no_entry_changes,
		test_a_renamed_image_is_not_kept_under_its_old_name,
		test_a_directory_of_images_is_kept_whole,
		test_shim_comes_after_the_vendor_that_its_fallback_starts,
		test_shim_comes_after_its_helpers_where_they_are_replaced_one_by_one,
		test_what_shim_starts_goes_after_shim,
		test_an_old_second_stage_goes_after_the_new_vendor,
		test_a_directory_in_the_place_of_shim_makes_way,
		test_in_a_managed_directory_the_kind_may_change,
		test_in_a_mixed_managed_directory_the_kind_may_change,
		test_what_is_not_changed_with_its_directory_may_change_its_kind,
	};
	const TTest *const refused[] = {test_a_foreign_thing_of_another_kind_is_refused};

	plan_add_case(suite, "order", tests, COUNT(tests), 1);
	plan_add_case(suite, "refused", refused, 1, 3);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("plan-order");
	add_order(suite);
	return suite_run(suite);
}
