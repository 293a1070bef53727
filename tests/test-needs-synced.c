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

static Suite *make_suite(void)
{
	Suite *suite = suite_create("needs-synced");
	TCase *tc = tcase_create("needs-synced");

	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, test_a_program_that_is_named_no_more_stays_and_a_kernel_goes);
	return suite;
}

int main(void)
{
	if (!fixture_tools())
		return 77;
	return suite_run(make_suite());
}
