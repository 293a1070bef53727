/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which ESP is the primary when nobody names one. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/sync.h"
#include "tests/faults-wrap.h"
#include "tests/machine.h"
#include "tests/suite.h"

enum { A, B, C };

static struct machine m;

static void setup(void)
{
	wrap_fault = (struct wrap_fault){0};
	machine_start(&m);
}

static void teardown(void)
{
	machine_stop(&m);
}

static void expect_primary(const char *want)
{
	char *found;

	ck_assert_msg(fes_find_default_primary(m.context, &found) == 0, "%s", m.log);
	ck_assert_str_eq(found, want);
	ck_assert_str_eq(m.log, "");
	free(found);
}

static void expect_mounted_image(int i)
{
	char name[PATH_MAX + 8];

	(void)snprintf(name, sizeof name, "%s:1", m.paths[i]);
	expect_primary(name);
}

static void expect_none(int result, const char *why)
{
	char *found;

	ck_assert_int_eq(fes_find_default_primary(m.context, &found), result);
	ck_assert_msg(machine_said(&m, "error: no primary: ", why), "%s", m.log);
	ck_assert(machine_said(&m, "error: ", "--primary=VOLUME"));
}

/* ---- what was booted ---- */

START_TEST(test_it_is_the_one_that_was_booted_wherever_others_are_mounted)
{
	machine_boot_from(&m, "BBBBBBBB-1111-4222-8333-000000000002");
	machine_mount(&m, A, "/efi");
	expect_primary(m.tags[B]);
}
END_TEST

START_TEST(test_what_was_booted_and_is_not_there_is_no_primary)
{
	machine_boot_from(&m, "DDDDDDDD-1111-4222-8333-000000000004");
	machine_mount(&m, A, "/efi");
	expect_none(-ENOENT, "partition dddddddd-1111-4222-8333-000000000004");
}
END_TEST

START_TEST(test_a_variable_that_holds_no_uuid_is_no_answer)
{
	machine_boot_from(&m, "yes");
	machine_mount(&m, A, "/efi");
	expect_none(-EBADMSG, "LoaderDevicePartUUID");
}
END_TEST

/* ---- what is mounted ---- */

START_TEST(test_where_firmware_says_nothing_it_is_the_one_that_is_mounted)
{
	machine_mount(&m, B, "/boot");
	machine_mount(&m, A, "/mnt");
	expect_mounted_image(B);
}
END_TEST

/* As bootctl(1) does. */
START_TEST(test_of_several_that_are_mounted_efi_comes_before_boot)
{
	machine_mount(&m, A, "/boot/efi");
	machine_mount(&m, B, "/boot");
	expect_mounted_image(B);
	machine_mount(&m, C, "/efi");
	expect_mounted_image(C);
}
END_TEST

START_TEST(test_without_anything_there_is_no_primary)
{
	expect_none(-ENOENT, "/efi, /boot or /boot/efi");
	machine_mount(&m, A, "/mnt");
	expect_none(-ENOENT, "/efi, /boot or /boot/efi");
}
END_TEST

/* ---- an ESP of the list that is mounted ---- */

static const struct fes_seen *see(const char *uuid)
{
	const struct fes_scan *scan;

	ck_assert_int_eq(fes_host_scan(&m.context->host, NULL, NULL, &scan), 0);
	for (size_t i = 0; i < scan->n; i++)
		if (fes_seen_has_tag(&scan->seen[i], "PARTUUID", uuid))
			return &scan->seen[i];
	ck_abort_msg("%s is not seen", uuid);
	return NULL;
}

START_TEST(test_it_is_known_where_system_tools_look_for_an_esp)
{
	const char *path;

	machine_mount(&m, A, "/mnt");
	machine_mount(&m, B, "/boot/efi");
	ck_assert_int_eq(fes_find_usual_mount(m.context, see(machine_uuids[A]), &path), 0);
	ck_assert_ptr_null(path);
	ck_assert_int_eq(fes_find_usual_mount(m.context, see(machine_uuids[B]), &path), 0);
	ck_assert_str_eq(path, "/boot/efi");
}
END_TEST

/* Without memory nobody may take it for one that is not mounted. */
START_TEST(test_what_is_not_known_for_want_of_memory_is_an_error)
{
	const struct fes_seen *seen;
	const char *path;
	uint64_t nth = 0;
	int r;

	machine_mount(&m, B, "/efi");
	seen = see(machine_uuids[B]);
	do {
		path = NULL;
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = ++nth};
		r = fes_find_usual_mount(m.context, seen, &path);
		wrap_fault.calls = 0;
		ck_assert(r == 0 ? path != NULL : r == -ENOMEM);
	} while (wrap_fault.n_fired > 0);
	ck_assert_uint_gt(nth, 3);
}
END_TEST

START_TEST(test_without_memory_none_is_the_primary)
{
	uint64_t nth = 0;
	char *found;
	int r;

	machine_mount(&m, B, "/efi");
	(void)see(machine_uuids[B]);
	do {
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = ++nth};
		r = fes_find_default_primary(m.context, &found);
		wrap_fault.calls = 0;
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
		if (r == 0)
			free(found);
	} while (wrap_fault.n_fired > 0);
	ck_assert_uint_gt(nth, 3);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_it_is_the_one_that_was_booted_wherever_others_are_mounted,
		test_what_was_booted_and_is_not_there_is_no_primary,
		test_a_variable_that_holds_no_uuid_is_no_answer,
		test_where_firmware_says_nothing_it_is_the_one_that_is_mounted,
		test_of_several_that_are_mounted_efi_comes_before_boot,
		test_without_anything_there_is_no_primary,
		test_it_is_known_where_system_tools_look_for_an_esp,
		test_what_is_not_known_for_want_of_memory_is_an_error,
		test_without_memory_none_is_the_primary,
	};
	TCase *tc = tcase_create("default");
	Suite *suite = suite_create("default");

	if (!machine_tools())
		return 77;
	tcase_add_unchecked_fixture(tc, machine_prepare, machine_forget);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
