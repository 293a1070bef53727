/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What booting needs beside the managed directories: found on a primary and, from there, on a mirror. */

#include <config.h>

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/needs.h"
#include "tests/side.h"
#include "tests/suite.h"

struct test {
	struct messages warnings;
	struct fes_context *context;
	struct fes_managed managed;
	struct side primary, mirror;
};

#define LOADER "#### LoaderInfo: systemd-boot 262 ####\n"
#define SHIM "UEFI SHIM\n$Version: 15.8 $\n"
#define N(list) (sizeof(list) / sizeof(*(list)))

static struct test *test_new(void)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->warnings.levels = 1u << FES_LOG_WARNING;
	t->context = messages_new_context(&t->warnings);
	ck_assert_int_eq(fes_managed_init(&t->managed), 0);
	return t;
}

static void read_primary(struct test *t, const struct fixture_file *files, size_t n)
{
	t->primary.f = fixture_new(0, files, n);
	side_open(&t->primary, t->context, "volume");
	side_read(&t->primary, &t->managed);
}

static void read_mirror(struct test *t, const struct fixture_file *files, size_t n, bool force)
{
	t->mirror.f = fixture_new(0, files, n);
	side_open(&t->mirror, t->context, "volume");
	side_check(&t->mirror);
	ck_assert_int_eq(fes_tree_read_mirror(t->mirror.volume, &t->managed, t->primary.tree, force,
		&t->mirror.tree), 0);
}

static void test_free(struct test *t)
{
	side_done(&t->primary);
	side_done(&t->mirror);
	fes_managed_done(&t->managed);
	fes_free(t->context);
	free(t);
}

static bool is_managed(const struct side *side, const char *path)
{
	const struct fes_node *node = fes_tree_find(side->tree, path);

	return node && node->role == FES_MANAGED;
}

static const struct fixture_file debian[] = {
	{.path = "/loader/entries/deb.conf", .text = "linux deb/2/linux\ninitrd /deb/2/initrd\n"},
	{.path = "/deb/2/linux", .text = "k"},
	{.path = "/deb/2/initrd", .text = "i"},
	{.path = "/deb/2/unused", .text = "u"},
	{.path = "/deb/1/linux", .text = "k"},
	{.path = "/other/1/linux", .text = "k"},
	{.path = "/vmlinuz", .text = "k"},
};

START_TEST(test_what_entries_refer_to_is_managed_and_what_is_beside_it_is_not)
{
	struct test *t = test_new();

	read_primary(t, debian, N(debian));
	ck_assert(is_managed(&t->primary, "/deb"));
	ck_assert(is_managed(&t->primary, "/deb/2/linux"));
	ck_assert(is_managed(&t->primary, "/DEB/2/INITRD"));
	ck_assert(!is_managed(&t->primary, "/deb/2/unused"));
	ck_assert(!is_managed(&t->primary, "/deb/1"));
	ck_assert(!is_managed(&t->primary, "/other"));
	ck_assert(!is_managed(&t->primary, "/vmlinuz"));
	test_free(t);
}
END_TEST

static const struct fixture_file old_debian[] = {
	{.path = "/loader/entries/deb.conf", .text = "linux /deb/1/linux\nefi /EFI/memtest/mt.efi\n"},
	{.path = "/loader/entries/gone.conf", .text = "linux /home/linux\n"},
	{.path = "/EFI/memtest/mt.efi", .text = "m"},
	{.path = "/deb/1/linux", .text = "k"},
	{.path = "/deb/1/foreign", .text = "f"},
	{.path = "/other/1/linux", .text = "k"},
	{.path = "/home/me", .text = "m"},
};

START_TEST(test_of_a_mirror_what_its_own_entries_refer_to_is_managed_too)
{
	struct test *t = test_new();

	read_primary(t, debian, N(debian));
	read_mirror(t, old_debian, N(old_debian), false);
	ck_assert(is_managed(&t->mirror, "/deb/1/linux"));
	ck_assert(!is_managed(&t->mirror, "/deb/1/foreign"));
	ck_assert(!is_managed(&t->mirror, "/other"));
	ck_assert(!is_managed(&t->mirror, "/home"));
	ck_assert(!is_managed(&t->mirror, "/EFI/memtest/mt.efi"));
	test_free(t);
}
END_TEST

START_TEST(test_private_and_excluded_files_are_not_managed_though_entries_refer_to_them)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/entries/a.conf",
			.text = "linux /a/linux\ninitrd /loader/random-seed\ninitrd /x/.#new\n"
				"efi /EFI/Microsoft/Boot/bootmgfw.efi\n"},
		{.path = "/loader/random-seed", .text = "seed"},
		{.path = "/a/linux", .text = "k"},
		{.path = "/x/.#new", .text = "n"},
		{.path = "/EFI/Microsoft/Boot/bootmgfw.efi", .text = "w"},
	};
	struct test *t = test_new();

	ck_assert_int_eq(fes_managed_exclude(&t->managed, "/a"), 0);
	read_primary(t, files, N(files));
	ck_assert(!is_managed(&t->primary, "/a/linux"));
	ck_assert(!is_managed(&t->primary, "/x/.#new"));
	ck_assert(!is_managed(&t->primary, "/loader/random-seed"));
	ck_assert(!is_managed(&t->primary, "/EFI/Microsoft/Boot/bootmgfw.efi"));
	test_free(t);
}
END_TEST

static const struct fixture_file with_shim[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
	{.path = "/EFI/BOOT/fbx64.efi", .text = "f"},
	{.path = "/EFI/BOOT/mmx64.efi", .text = "m"},
	{.path = "/EFI/BOOT/shim_certificate_0.efi", .text = "c"},
	{.path = "/EFI/BOOT/revocations_sbat.efi", .text = "r"},
	{.path = "/EFI/BOOT/notes.txt", .text = "n"},
	{.path = "/EFI/debian/shimx64.efi", .text = SHIM},
	{.path = "/EFI/debian/BOOTX64.CSV", .text = "c"},
	{.path = "/EFI/debian/fw/capsule.cap", .text = "c"},
	{.path = "/EFI/fedora/shimx64.efi", .text = SHIM},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
};

START_TEST(test_shim_takes_its_helpers_and_its_vendors_folder_along)
{
	struct test *t = test_new();

	read_primary(t, with_shim, N(with_shim));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/fbx64.efi"));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/mmx64.efi"));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/shim_certificate_0.efi"));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/revocations_sbat.efi"));
	ck_assert(!is_managed(&t->primary, "/EFI/BOOT/notes.txt"));
	ck_assert(is_managed(&t->primary, "/EFI/debian/BOOTX64.CSV"));
	ck_assert(!is_managed(&t->primary, "/EFI/debian/fw"));
	ck_assert(!is_managed(&t->primary, "/EFI/fedora"));
	test_free(t);
}
END_TEST

static const struct fixture_file with_systemd_boot[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = LOADER},
	{.path = "/EFI/BOOT/fbx64.efi", .text = "f"},
	{.path = "/EFI/debian/shimx64.efi", .text = SHIM},
	{.path = "/EFI/debian/BOOTX64.CSV", .text = "c"},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
};

START_TEST(test_systemd_boot_stands_alone)
{
	struct test *t = test_new();

	read_primary(t, with_systemd_boot, N(with_systemd_boot));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert(!is_managed(&t->primary, "/EFI/BOOT/fbx64.efi"));
	ck_assert(!is_managed(&t->primary, "/EFI/debian"));
	test_free(t);
}
END_TEST

static const struct fixture_file with_grub[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "grub"},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
};

START_TEST(test_another_boot_loader_is_neither_copied_nor_replaced)
{
	struct test *t = test_new();
	struct fes_tree *copy;

	read_primary(t, with_grub, N(with_grub));
	ck_assert(!is_managed(&t->primary, "/EFI/BOOT/BOOTX64.EFI"));
	test_free(t);

	t = test_new();
	read_primary(t, with_systemd_boot, N(with_systemd_boot));
	read_mirror(t, with_grub, N(with_grub), false);
	ck_assert(!is_managed(&t->mirror, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert_str_eq(t->mirror.tree->needs->other_loader, "/EFI/BOOT/BOOTX64.EFI");
	ck_assert_int_eq(fes_tree_copy_for(t->primary.tree, t->mirror.tree->needs, &copy), 0);
	ck_assert_int_eq(fes_tree_find(copy, "/EFI/BOOT/BOOTX64.EFI")->role, FES_FOREIGN);
	ck_assert_int_eq(fes_tree_find(copy, "/loader/loader.conf")->role, FES_MANAGED);
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/BOOTX64.EFI"));
	fes_tree_free(copy);
	test_free(t);
}
END_TEST

START_TEST(test_another_boot_loader_keeps_what_it_may_start_and_no_machine_from_ours)
{
	static const struct fixture_file ours[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = LOADER},
		{.path = "/EFI/BOOT/BOOTIA32.EFI", .text = LOADER},
		{.path = "/EFI/BOOT/BOOTAA64.EFI", .text = SHIM},
		{.path = "/EFI/BOOT/grubaa64.efi", .text = "g"},
	};
	static const struct fixture_file theirs[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = LOADER "old"},
		{.path = "/EFI/BOOT/BOOTIA32.EFI", .text = "refind"},
		{.path = "/EFI/BOOT/grubaa64.efi", .text = "theirs"},
	};
	struct test *t = test_new();
	struct fes_tree *copy;

	read_primary(t, ours, N(ours));
	read_mirror(t, theirs, N(theirs), false);
	ck_assert(is_managed(&t->mirror, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert(!is_managed(&t->mirror, "/EFI/BOOT/BOOTIA32.EFI"));
	ck_assert(!is_managed(&t->mirror, "/EFI/BOOT/grubaa64.efi"));
	ck_assert_str_eq(t->mirror.tree->needs->other_loader, "/EFI/BOOT/BOOTIA32.EFI");
	ck_assert_int_eq(fes_tree_copy_for(t->primary.tree, t->mirror.tree->needs, &copy), 0);
	ck_assert_int_eq(fes_tree_find(copy, "/EFI/BOOT/BOOTX64.EFI")->role, FES_MANAGED);
	ck_assert_int_eq(fes_tree_find(copy, "/EFI/BOOT/BOOTIA32.EFI")->role, FES_FOREIGN);
	ck_assert_int_eq(fes_tree_find(copy, "/EFI/BOOT/BOOTAA64.EFI")->role, FES_FOREIGN);
	fes_tree_free(copy);
	test_free(t);
}
END_TEST

/* --force would not replace it either. */
START_TEST(test_what_is_excluded_is_not_called_kept)
{
	static const struct fixture_file ours[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "#### LoaderInfo: systemd-boot 252 ####"},
		{.path = FES_MIXIN_PATH, .text = "ours"},
	};
	static const struct fixture_file theirs[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "grub"},
		{.path = FES_MIXIN_PATH, .text = "theirs"},
	};
	struct test *t = test_new();

	ck_assert_int_eq(fes_managed_exclude(&t->managed, "/EFI/BOOT"), 0);
	ck_assert_int_eq(fes_managed_exclude(&t->managed, FES_MIXIN_PATH), 0);
	read_primary(t, ours, N(ours));
	read_mirror(t, theirs, N(theirs), false);
	ck_assert(!is_managed(&t->mirror, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert(!is_managed(&t->mirror, FES_MIXIN_PATH));
	ck_assert_ptr_null(t->mirror.tree->needs->other_loader);
	ck_assert(!t->mirror.tree->needs->other_mixin);
	test_free(t);
}
END_TEST

START_TEST(test_forced_it_is_replaced)
{
	struct test *t = test_new();

	read_primary(t, with_systemd_boot, N(with_systemd_boot));
	read_mirror(t, with_grub, N(with_grub), true);
	ck_assert(is_managed(&t->mirror, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert_ptr_null(t->mirror.tree->needs->other_loader);
	test_free(t);
}
END_TEST

/* A boot secret on primary and mirror (NULL: none): whether the mirror's counts as managed. */
static bool mixin_is_managed(const char *primary, const char *mirror, bool force)
{
	const struct fixture_file ours[] = {
		{.path = "/loader/loader.conf", .text = "timeout 3\n"},
		{.path = FES_MIXIN_PATH, .text = primary},
	};
	const struct fixture_file theirs[] = {
		{.path = FES_MIXIN_PATH, .text = *mirror ? mirror : NULL}};
	struct test *t = test_new();
	bool managed;

	read_primary(t, ours, primary ? 2 : 1);
	read_mirror(t, theirs, 1, force);
	managed = is_managed(&t->mirror, FES_MIXIN_PATH);
	test_free(t);
	return managed;
}

START_TEST(test_another_boot_secret_stays)
{
	ck_assert(!mixin_is_managed("ours", "their", false));
	ck_assert(!mixin_is_managed(NULL, "their", false));
	ck_assert(!mixin_is_managed(NULL, "their", true));
	ck_assert(mixin_is_managed("ours", "their", true));
	ck_assert(mixin_is_managed("ours", "ours", false));
	ck_assert(mixin_is_managed("ours", "", false));
}
END_TEST

/* systemd's has 32 bytes; of a longer one the end counts, too. */
START_TEST(test_a_boot_secret_that_differs_far_behind_stays)
{
	char ours[201], theirs[201];

	memset(ours, 'x', 200);
	ours[200] = '\0';
	memcpy(theirs, ours, sizeof theirs);
	theirs[199] = 'y';
	ck_assert(!mixin_is_managed(ours, theirs, false));
}
END_TEST

static const struct fixture_file with_secret[] = {{.path = FES_MIXIN_PATH, .text = "their"}};
static const struct fixture_file with_empty_secret[] = {
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
	{.path = FES_MIXIN_PATH, .size = 0},
};

/* A power cut leaves it so, until systemd-stub fills it. */
START_TEST(test_an_empty_boot_secret_is_no_reason_to_replace_one)
{
	struct test *t = test_new();
	struct fes_tree *copy;

	read_primary(t, with_empty_secret, N(with_empty_secret));
	read_mirror(t, with_secret, N(with_secret), false);
	ck_assert(!is_managed(&t->mirror, FES_MIXIN_PATH));
	ck_assert_int_eq(fes_tree_copy_for(t->primary.tree, t->mirror.tree->needs, &copy), 0);
	ck_assert_int_eq(fes_tree_find(copy, FES_MIXIN_PATH)->role, FES_FOREIGN);
	ck_assert_uint_ne(t->mirror.tree->needs->kept.n, t->primary.tree->needs->kept.n);
	fes_tree_free(copy);
	test_free(t);
}
END_TEST

static const struct fixture_file with_two_systems[] = {
	{.path = "/loader/entries/ours.conf", .text = "linux /k/old\ninitrd /k/shared\n"},
	{.path = "/loader/entries/theirs.conf",
		.text = "linux /t/linux\ninitrd /k/shared\nefi /EFI/Linux/t.efi\n"},
	{.path = "/k/old", .text = "o"},
	{.path = "/k/shared", .text = "s"},
	{.path = "/t/linux", .text = "t"},
	{.path = "/EFI/Linux/t.efi", .text = "t"},
};

START_TEST(test_what_an_excluded_entry_needs_stays_with_it)
{
	struct test *t = test_new();

	ck_assert_int_eq(fes_managed_exclude(&t->managed, "/loader/entries/theirs.conf"), 0);
	read_primary(t, debian, N(debian));
	read_mirror(t, with_two_systems, N(with_two_systems), false);
	ck_assert(is_managed(&t->mirror, "/k/old"));
	ck_assert(!is_managed(&t->mirror, "/k/shared"));
	ck_assert(!is_managed(&t->mirror, "/t/linux"));
	ck_assert(!is_managed(&t->mirror, "/EFI/Linux/t.efi"));
	test_free(t);
}
END_TEST

static const struct fixture_file with_own_image[] = {
	{.path = "/loader/entries/own.conf", .text = "uki /k/own.efi\n"},
	{.path = "/loader/entries/theirs.conf", .text = "uki /k/own+3.efi\nuki /k/own.efi\n"},
	{.path = "/k/own.efi", .text = "k"},
	{.path = "/k/own.efi.extra.d/a.cred", .text = "c"},
};

START_TEST(test_what_an_image_of_an_excluded_entry_takes_along_stays_with_it)
{
	struct test *t = test_new();

	ck_assert_int_eq(fes_managed_exclude(&t->managed, "/loader/entries/theirs.conf"), 0);
	read_primary(t, debian, N(debian));
	read_mirror(t, with_own_image, N(with_own_image), false);
	ck_assert(!is_managed(&t->mirror, "/k/own.efi"));
	ck_assert(!is_managed(&t->mirror, "/k/own.efi.extra.d/a.cred"));
	test_free(t);
}
END_TEST

START_TEST(test_what_the_primarys_image_takes_along_is_the_primarys)
{
	struct test *t = test_new();

	ck_assert_int_eq(fes_managed_exclude(&t->managed, "/loader/entries/theirs.conf"), 0);
	read_primary(t, with_own_image, N(with_own_image));
	read_mirror(t, with_own_image, N(with_own_image), false);
	ck_assert(is_managed(&t->mirror, "/k/own.efi.extra.d/a.cred"));
	test_free(t);
}
END_TEST

START_TEST(test_an_excluded_entry_of_the_primary_needs_nothing)
{
	struct test *t = test_new();

	ck_assert_int_eq(fes_managed_exclude(&t->managed, "/loader/entries/theirs.conf"), 0);
	read_primary(t, with_two_systems, N(with_two_systems));
	ck_assert(is_managed(&t->primary, "/k/shared"));
	ck_assert(!is_managed(&t->primary, "/t/linux"));
	test_free(t);
}
END_TEST

static const struct fixture_file with_grub_entry[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "grub"},
	{.path = "/loader/entries/g.conf", .text = "efi /EFI/BOOT/BOOTX64.EFI\n"},
};
static const struct fixture_file with_refind[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "refind"},
};

START_TEST(test_an_entry_is_no_reason_to_replace_another_boot_loader)
{
	struct test *t = test_new();

	read_primary(t, with_grub_entry, N(with_grub_entry));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/BOOTX64.EFI"));
	read_mirror(t, with_refind, N(with_refind), false);
	ck_assert(!is_managed(&t->mirror, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert_str_eq(t->mirror.tree->needs->other_loader, "/EFI/BOOT/BOOTX64.EFI");
	test_free(t);
}
END_TEST

START_TEST(test_of_several_vendors_only_that_of_the_shim_is_managed)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
		{.path = "/EFI/debian/shimx64.efi", .text = SHIM},
		{.path = "/EFI/debian/BOOTX64.CSV", .text = "c"},
		{.path = "/EFI/ubuntu/shimx64.efi", .text = SHIM "longer"},
		{.path = "/EFI/ubuntu/BOOTX64.CSV", .text = "c"},
	};
	struct test *t = test_new();

	read_primary(t, files, N(files));
	ck_assert(is_managed(&t->primary, "/EFI/debian/BOOTX64.CSV"));
	ck_assert(!is_managed(&t->primary, "/EFI/ubuntu"));
	test_free(t);
}
END_TEST

/* Only one of the two places was written last. */
START_TEST(test_the_only_vendor_is_managed_though_its_shim_is_another_one)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
		{.path = "/EFI/BOOT/shimx64.efi", .text = SHIM "shortest"},
		{.path = "/EFI/BOOT/BOOTX64.CSV", .text = "c"},
		{.path = "/EFI/debian/shimx64.efi", .text = SHIM "longer"},
		{.path = "/EFI/debian/BOOTX64.CSV", .text = "c"},
		{.path = "/EFI/fedora/shimx64.efi", .text = SHIM "without a CSV"},
	};
	struct test *t = test_new();

	read_primary(t, files, N(files));
	ck_assert(is_managed(&t->primary, "/EFI/debian/shimx64.efi"));
	ck_assert(is_managed(&t->primary, "/EFI/debian/BOOTX64.CSV"));
	ck_assert(!is_managed(&t->primary, "/EFI/fedora"));
	test_free(t);
}
END_TEST

START_TEST(test_of_several_vendors_with_other_shims_none_is_managed)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM},
		{.path = "/EFI/debian/shimx64.efi", .text = SHIM "longer"},
		{.path = "/EFI/debian/BOOTX64.CSV", .text = "c"},
		{.path = "/EFI/ubuntu/shimx64.efi", .text = SHIM "longest"},
		{.path = "/EFI/ubuntu/BOOTX64.CSV", .text = "c"},
	};
	struct test *t = test_new();

	read_primary(t, files, N(files));
	ck_assert(is_managed(&t->primary, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert(!is_managed(&t->primary, "/EFI/debian"));
	ck_assert(!is_managed(&t->primary, "/EFI/ubuntu"));
	test_free(t);
}
END_TEST

START_TEST(test_of_two_names_with_one_identity_one_is_managed)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/entries/a+3.conf", .text = "linux /k\n"},
		{.path = "/loader/entries/A.conf", .text = "linux /k\n"},
		{.path = "/EFI/Linux/b+2-1.efi", .text = "b"},
		{.path = "/EFI/Linux/b+3.efi", .text = "b"},
		{.path = "/k", .text = "k"},
	};
	struct test *t = test_new();

	read_primary(t, files, N(files));
	ck_assert(is_managed(&t->primary, "/loader/entries/A.conf"));
	ck_assert(!is_managed(&t->primary, "/loader/entries/a+3.conf"));
	ck_assert(is_managed(&t->primary, "/EFI/Linux/b+2-1.efi"));
	ck_assert(!is_managed(&t->primary, "/EFI/Linux/b+3.efi"));
	ck_assert_int_eq(fes_needs_warn(t->primary.tree->needs, &t->managed, t->primary.tree,
		false), 0);
	ck_assert_ptr_nonnull(strstr(t->warnings.text, "/loader/entries/a+3.conf"));
	ck_assert_ptr_nonnull(strstr(t->warnings.text, "/EFI/Linux/b+3.efi"));
	test_free(t);
}
END_TEST

START_TEST(test_what_is_odd_is_named)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/entries/a.conf",
			.text = "linux /k\ninitrd ../up\ninitrd /gone\ndevicetree /dir\n"
				"efi /EFI/Microsoft/w.efi\ninitrd /i /j\n"},
		{.path = "/k", .text = "k"},
		{.path = "/i", .text = "i"},
		{.path = "/j", .text = "j"},
		{.path = "/dir/"},
		{.path = "/EFI/Microsoft/w.efi", .text = "w"},
		{.path = "/loader/swtpm/state", .text = "s"},
	};
	static const char *const named[] = {"line 2: initrd ../up", "line 3: initrd /gone",
		"line 4: devicetree /dir", "line 5: efi /EFI/Microsoft/w.efi", "/loader/swtpm"};
	struct test *t = test_new();

	read_primary(t, files, N(files));
	ck_assert_int_eq(fes_needs_warn(t->primary.tree->needs, &t->managed, t->primary.tree,
		false), 0);
	for (size_t i = 0; i < N(named); i++)
		ck_assert_msg(strstr(t->warnings.text, named[i]), "%s in %s", named[i],
			t->warnings.text);
	ck_assert_ptr_null(strstr(t->warnings.text, "line 1:"));
	ck_assert_ptr_null(strstr(t->warnings.text, "line 6:"));
	test_free(t);
}
END_TEST

static unsigned count_in(const char *text, const char *wanted)
{
	unsigned n = 0;

	for (; (text = strstr(text, wanted)); text++)
		n++;
	return n;
}

/* "linux /k" and then @n lines of "initrd /gone". */
static struct test *test_with_missing(unsigned n)
{
	char *text = malloc(9 + n * 13 + 1), *at = text;
	struct fixture_file files[] = {
		{.path = "/loader/entries/a.conf", .text = text},
		{.path = "/k", .text = "k"},
	};
	struct test *t = test_new();

	ck_assert_ptr_nonnull(text);
	at = stpcpy(at, "linux /k\n");
	while (n-- > 0)
		at = stpcpy(at, "initrd /gone\n");
	read_primary(t, files, N(files));
	free(text);
	return t;
}

static void expect_warnings(unsigned n, bool judged, unsigned n_lines, bool more)
{
	struct test *t = test_with_missing(n);

	ck_assert_int_eq(fes_needs_warn(t->primary.tree->needs, &t->managed, t->primary.tree,
		judged), 0);
	ck_assert_uint_eq(count_in(t->warnings.text, "initrd /gone"), n_lines);
	ck_assert_uint_eq(count_in(t->warnings.text, "more problems"), more);
	test_free(t);
}

START_TEST(test_of_many_problems_some_are_named)
{
	expect_warnings(20, false, 20, false);
	expect_warnings(21, false, 20, true);
	expect_warnings(5000, false, 20, true);
	expect_warnings(1000, true, 0, false);
	expect_warnings(5000, true, 0, true);
}
END_TEST

START_TEST(test_a_long_value_is_cut_between_characters)
{
	char text[1024] = "linux /";
	struct fixture_file files[] = {{.path = "/loader/entries/a.conf", .text = text}};
	struct test *t = test_new();

	for (int i = 0; i < 100; i++)
		(void)strcat(text, "\xe2\x82\xac");
	read_primary(t, files, N(files));
	ck_assert_int_eq(fes_needs_warn(t->primary.tree->needs, &t->managed, t->primary.tree,
		false), 0);
	ck_assert_uint_eq(count_in(t->warnings.text, "\xe2\x82\xac"), 66);
	ck_assert_ptr_nonnull(strstr(t->warnings.text, "\xe2\x82\xac...: is missing"));
	test_free(t);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("needs");
	TCase *tc = tcase_create("needs");

	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, test_what_entries_refer_to_is_managed_and_what_is_beside_it_is_not);
	tcase_add_test(tc, test_of_a_mirror_what_its_own_entries_refer_to_is_managed_too);
	tcase_add_test(tc, test_private_and_excluded_files_are_not_managed_though_entries_refer_to_them);
	tcase_add_test(tc, test_shim_takes_its_helpers_and_its_vendors_folder_along);
	tcase_add_test(tc, test_systemd_boot_stands_alone);
	tcase_add_test(tc, test_another_boot_loader_is_neither_copied_nor_replaced);
	tcase_add_test(tc, test_another_boot_loader_keeps_what_it_may_start_and_no_machine_from_ours);
	tcase_add_test(tc, test_what_is_excluded_is_not_called_kept);
	tcase_add_test(tc, test_forced_it_is_replaced);
	tcase_add_test(tc, test_another_boot_secret_stays);
	tcase_add_test(tc, test_a_boot_secret_that_differs_far_behind_stays);
	tcase_add_test(tc, test_an_empty_boot_secret_is_no_reason_to_replace_one);
	tcase_add_test(tc, test_what_an_excluded_entry_needs_stays_with_it);
	tcase_add_test(tc, test_what_an_image_of_an_excluded_entry_takes_along_stays_with_it);
	tcase_add_test(tc, test_what_the_primarys_image_takes_along_is_the_primarys);
	tcase_add_test(tc, test_an_excluded_entry_of_the_primary_needs_nothing);
	tcase_add_test(tc, test_an_entry_is_no_reason_to_replace_another_boot_loader);
	tcase_add_test(tc, test_of_several_vendors_only_that_of_the_shim_is_managed);
	tcase_add_test(tc, test_the_only_vendor_is_managed_though_its_shim_is_another_one);
	tcase_add_test(tc, test_of_several_vendors_with_other_shims_none_is_managed);
	tcase_add_test(tc, test_of_two_names_with_one_identity_one_is_managed);
	tcase_add_test(tc, test_what_is_odd_is_named);
	tcase_add_test(tc, test_of_many_problems_some_are_named);
	tcase_add_test(tc, test_a_long_value_is_cut_between_characters);
	return suite;
}

int main(void)
{

	if (!fixture_tools())
		return 77;
	return suite_run(make_suite());
}
