/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What booting needs, on a mirror that was synced before: what goes with its entry, and what stays. */

#include <config.h>

#include <check.h>
#include <stdbool.h>
#include <string.h>

#include "tests/suite.h"
#include "tests/syncing.h"

enum { FAT12 = 0, FAT16 = 1 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Sync again, from a primary that is like that now. */
static enum fes_mirror_state sync_from(struct syncing *t, struct fixture *primary)
{
	fixture_free(t->primary.f);
	t->primary.f = primary;
	syncing_read_primary(t);
	return syncing_run(t);
}

static const struct fixture_file with_program[] = {
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	{.path = "/EFI/fedora/grubx64.efi", .size = 2000, .seed = 2},
	{.path = "/EFI/arch/vmlinuz", .size = 2000, .seed = 3},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
	{.path = "/loader/entries/f.conf", .text = "efi /EFI/fedora/grubx64.efi\n"},
	{.path = "/loader/entries/a.conf", .text = "linux /EFI/arch/vmlinuz\n"},
};

START_TEST(test_a_program_that_is_named_no_more_stays_and_a_kernel_goes)
{
	struct syncing *t = syncing_new(fixture_new(FAT16, with_program, COUNT(with_program)),
		fixture_new(FAT16, with_program + 1, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_program, COUNT(with_program) - 2)),
		FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/fedora/grubx64.efi", 2000, 2);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/arch/vmlinuz"));
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	syncing_free(t);
}
END_TEST

static const struct fixture_file with_image[] = {
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
	{.path = "/loader/entries/i.conf", .text = "uki /k/i+3.efi\n"},
	{.path = "/k/i+3.efi", .size = 2000, .seed = 5},
	{.path = "/k/i.efi.extra.d/x.cred", .size = 100, .seed = 6},
};

/* The power went when the entry was gone, and these were not yet. */
START_TEST(test_what_an_image_takes_along_goes_with_its_entry_at_last)
{
	struct syncing *t = syncing_new(fixture_new(FAT16, with_image, COUNT(with_image)),
		fixture_new(FAT16, with_image, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/k/i.efi.extra.d/x.cred", 100, 6);
	fixture_do(t->mirror.f, "mdel -i x.img ::/loader/entries/i.conf");
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_image, 2)), FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/k"));
	syncing_free(t);
}
END_TEST

static const struct fixture_file with_efi_image[] = {
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
	{.path = "/EFI/k/i.efi", .size = 2000, .seed = 5},
	{.path = "/EFI/k/i.efi.extra.d/x.cred", .size = 100, .seed = 6},
	{.path = "/loader/entries/i.conf", .text = "efi /EFI/k/i.efi\n"},
};
enum { N_WITHOUT_IMAGE = 2, N_WITHOUT_EFI_ENTRY = COUNT(with_efi_image) - 1 };

static struct syncing *new_with_efi_image(void)
{
	struct syncing *t = syncing_new(fixture_new(FAT16, with_efi_image, COUNT(with_efi_image)),
		fixture_new(FAT16, with_efi_image, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/k/i.efi.extra.d/x.cred", 100, 6);
	return t;
}

START_TEST(test_what_an_image_of_a_program_that_stays_takes_along_stays_with_it)
{
	struct syncing *t = new_with_efi_image();

	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_efi_image, N_WITHOUT_EFI_ENTRY)),
		FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/k/i.efi", 2000, 5);
	fixture_expect_file(t->mirror.f, "/EFI/k/i.efi.extra.d/x.cred", 100, 6);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	syncing_free(t);
}
END_TEST

START_TEST(test_a_program_that_the_primary_has_lost_goes_with_its_entry)
{
	struct syncing *t = new_with_efi_image();

	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_efi_image, N_WITHOUT_IMAGE)),
		FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/k"));
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	syncing_free(t);
}
END_TEST

/* With a change in between, which writes anew what the mirror remembers. */
START_TEST(test_a_program_that_the_primary_loses_later_than_its_entry_goes_then)
{
	struct syncing *t = new_with_efi_image();
	struct fixture *changed = fixture_new(FAT16, with_efi_image, N_WITHOUT_EFI_ENTRY);

	fixture_do(changed, "printf x | mcopy -i x.img - ::/loader/new.conf");
	ck_assert_int_eq(sync_from(t, changed), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/k/i.efi", 2000, 5);
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_efi_image, N_WITHOUT_IMAGE)),
		FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/k"));
	syncing_free(t);
}
END_TEST

/* Its system updated it there. */
START_TEST(test_a_program_that_was_changed_in_its_place_stays)
{
	struct syncing *t = new_with_efi_image();

	fixture_do(t->mirror.f, "printf own | mcopy -D o -i x.img - ::/EFI/k/i.efi");
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_efi_image, N_WITHOUT_IMAGE)),
		FES_MIRROR_SYNCED);
	ck_assert(fixture_has(t->mirror.f, "/EFI/k/i.efi"));
	syncing_free(t);
}
END_TEST

static const struct fixture_file with_forgotten_program[] = {
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	{.path = "/loader/entries/gone.conf", .text = "efi /EFI/k/i.efi\n"},
	{.path = "/EFI/k/i.efi", .size = 1000, .seed = 4},
};

START_TEST(test_a_foreign_program_that_the_primary_names_and_lacks_stays)
{
	struct syncing *t = syncing_new(fixture_new(FAT16, with_forgotten_program, 2),
		fixture_new(FAT16, with_forgotten_program + 2, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_forgotten_program, 1)),
		FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/k/i.efi", 1000, 4);
	syncing_free(t);
}
END_TEST

/* It may come later: the folders are the same ones on both then. */
START_TEST(test_what_an_image_that_is_not_there_would_take_along_is_in_sync)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/loader/entries/i.conf", .text = "efi /EFI/k/i.efi\nlinux /k/j\n"},
		{.path = "/EFI/k/i.efi.extra.d/x.cred", .size = 100, .seed = 6},
		{.path = "/k/j.extra.d/x.cred", .size = 100, .seed = 7},
	};
	struct syncing *t = syncing_new(fixture_new(FAT16, files, COUNT(files)),
		fixture_new(FAT16, files, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	fixture_expect_file(t->mirror.f, "/k/j.extra.d/x.cred", 100, 7);
	syncing_free(t);
}
END_TEST

static const struct fixture_file with_forgotten_entry[] = {
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
	{.path = "/loader/entries/gone+3.conf", .text = "linux /k/linux\n"},
	{.path = "/k/linux", .size = 1000, .seed = 4},
};
enum { N_WITHOUT_KERNEL = COUNT(with_forgotten_entry) - 1 };

/* When the mirror has the entry, too, that does not make it ours. */
START_TEST(test_a_foreign_file_that_the_primary_names_and_lacks_stays_foreign)
{
	struct syncing *t = syncing_new(fixture_new(FAT16, with_forgotten_entry, N_WITHOUT_KERNEL),
		fixture_new(FAT16, with_forgotten_entry + N_WITHOUT_KERNEL, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_forgotten_entry, 1)),
		FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/k/linux", 1000, 4);
	syncing_free(t);
}
END_TEST

/* What it got by a sync is not its own: it goes as the primary's did. */
START_TEST(test_a_file_that_the_primary_names_and_has_lost_goes)
{
	struct syncing *t = syncing_new(
		fixture_new(FAT16, with_forgotten_entry, COUNT(with_forgotten_entry)),
		fixture_new(FAT16, with_forgotten_entry, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/k/linux", 1000, 4);
	ck_assert_int_eq(
		sync_from(t, fixture_new(FAT16, with_forgotten_entry, N_WITHOUT_KERNEL)),
		FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/k"));
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	syncing_free(t);
}
END_TEST

/* Its system updated it there: that is no reason to take its entry away and leave it behind. */
START_TEST(test_a_kernel_that_was_changed_in_its_place_is_not_foreign_for_that)
{
	struct syncing *t = syncing_new(
		fixture_new(FAT16, with_forgotten_entry, COUNT(with_forgotten_entry)),
		fixture_new(FAT16, with_forgotten_entry, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_do(t->mirror.f, "printf own | mcopy -D o -i x.img - ::/k/linux");
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_forgotten_entry, 2)),
		FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->message, " /k/linux; ") != NULL, "%s", t->message);
	syncing_free(t);
}
END_TEST

static const struct fixture_file with_shim[] = {
	{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3\n"},
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "UEFI SHIM\n$Version: 15.8 $\n"},
	{.path = "/EFI/BOOT/grubx64.efi", .size = 700, .seed = 7},
	{.path = "/EFI/BOOT/fbx64.efi", .size = 800, .seed = 8},
};
enum { N_WITHOUT_FALLBACK = COUNT(with_shim) - 1, N_WITHOUT_SHIM = 2 };

static struct syncing *new_with_shim(void)
{
	struct syncing *t = syncing_new(fixture_new(FAT16, with_shim, COUNT(with_shim)),
		fixture_new(FAT16, with_shim, 1));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/BOOT/fbx64.efi", 800, 8);
	return t;
}

START_TEST(test_shim_loses_the_fallback_that_the_primary_has_lost)
{
	struct syncing *t = new_with_shim();

	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_shim, N_WITHOUT_FALLBACK)),
		FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/BOOT/fbx64.efi"));
	fixture_expect_file(t->mirror.f, "/EFI/BOOT/grubx64.efi", 700, 7);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	syncing_free(t);
}
END_TEST

/* The machine may boot in another way; the disk shall not lose its own. */
START_TEST(test_shim_keeps_its_fallback_as_long_as_the_primarys_starts_nothing)
{
	struct syncing *t = new_with_shim();
	struct fixture *bare = fixture_new(FAT16, with_shim, N_WITHOUT_FALLBACK - 1);

	fixture_do(bare, "printf x | mcopy -i x.img - ::/loader/new.conf");
	ck_assert_int_eq(sync_from(t, bare), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/BOOT/fbx64.efi", 800, 8);
	fixture_expect_file(t->mirror.f, "/EFI/BOOT/grubx64.efi", 700, 7);
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_shim, N_WITHOUT_FALLBACK)),
		FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/BOOT/fbx64.efi"));
	syncing_free(t);
}
END_TEST

START_TEST(test_a_fallback_that_is_somebody_elses_stays)
{
	struct syncing *t = new_with_shim();

	fixture_do(t->mirror.f, "printf own | mcopy -D o -i x.img - ::/EFI/BOOT/fbx64.efi");
	ck_assert_int_eq(sync_from(t, fixture_new(FAT16, with_shim, N_WITHOUT_FALLBACK)),
		FES_MIRROR_IN_SYNC);
	ck_assert(fixture_has(t->mirror.f, "/EFI/BOOT/fbx64.efi"));
	syncing_free(t);
}
END_TEST

START_TEST(test_without_shim_on_the_primary_its_helpers_stay)
{
	struct syncing *t = new_with_shim();

	(void)sync_from(t, fixture_new(FAT16, with_shim, N_WITHOUT_SHIM));
	ck_assert(fixture_has(t->mirror.f, "/EFI/BOOT/fbx64.efi"));
	ck_assert(fixture_has(t->mirror.f, "/EFI/BOOT/grubx64.efi"));
	syncing_free(t);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("needs-synced");
	TCase *tc = tcase_create("needs-synced");

	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, test_a_program_that_is_named_no_more_stays_and_a_kernel_goes);
	tcase_add_test(tc, test_a_foreign_file_that_the_primary_names_and_lacks_stays_foreign);
	tcase_add_test(tc, test_a_file_that_the_primary_names_and_has_lost_goes);
	tcase_add_test(tc, test_a_kernel_that_was_changed_in_its_place_is_not_foreign_for_that);
	tcase_add_test(tc, test_what_an_image_takes_along_goes_with_its_entry_at_last);
	tcase_add_test(tc, test_what_an_image_of_a_program_that_stays_takes_along_stays_with_it);
	tcase_add_test(tc, test_a_program_that_the_primary_has_lost_goes_with_its_entry);
	tcase_add_test(tc, test_a_program_that_the_primary_loses_later_than_its_entry_goes_then);
	tcase_add_test(tc, test_a_program_that_was_changed_in_its_place_stays);
	tcase_add_test(tc, test_a_foreign_program_that_the_primary_names_and_lacks_stays);
	tcase_add_test(tc, test_what_an_image_that_is_not_there_would_take_along_is_in_sync);
	tcase_add_test(tc, test_shim_loses_the_fallback_that_the_primary_has_lost);
	tcase_add_test(tc, test_shim_keeps_its_fallback_as_long_as_the_primarys_starts_nothing);
	tcase_add_test(tc, test_a_fallback_that_is_somebody_elses_stays);
	tcase_add_test(tc, test_without_shim_on_the_primary_its_helpers_stay);
	return suite;
}

int main(void)
{
	if (!fixture_tools())
		return 77;
	return suite_run(make_suite());
}
