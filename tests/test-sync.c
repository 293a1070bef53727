/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole runs of fes_sync_run() on disk images that must be left alone. Some are partitioned anew
 * after it was found out what they are, while their locks are being taken: blkdev_lock_path() is
 * wrapped by the linker for that.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "lib/fatespsync.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static struct scratch scratch;
static const char *folder;
static char *meanwhile; /* the shell command that comes before the mirror is locked; NULL: none */

int __real_blkdev_lock_path(const char *path, bool exclusive);
int __wrap_blkdev_lock_path(const char *path, bool exclusive);

__attribute__((format(printf, 1, 2))) static void run_shell(const char *format, ...)
{
	char command[1024], text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	(void)snprintf(command, sizeof command, "set -e; PATH=$PATH:/usr/sbin:/sbin; cd '%s'; %s",
		folder, text);
	ck_assert_msg(system(command) == 0, "%s", text);
}

int __wrap_blkdev_lock_path(const char *path, bool exclusive)
{
	char *command = exclusive ? meanwhile : NULL;

	if (exclusive)
		meanwhile = NULL;
	if (command)
		run_shell("%s", command);
	return __real_blkdev_lock_path(path, exclusive);
}

static void make_folder(void)
{
	scratch_make(&scratch);
	folder = scratch.path;
}

static void remove_folder(void)
{
	scratch_remove(&scratch);
}

/* ---- a run ---- */

struct test {
	struct fes_context *context;
	struct fes_sync *sync;
	char log[4096];
};

static void append_log(void *userdata, enum fes_log_level level, const char *message)
{
	struct test *t = userdata;

	(void)level;
	strncat(t->log, message, sizeof t->log - strlen(t->log) - 1);
}

/* A disk of 6 MiB whose ESP, of 4 MiB, has @text in a file. */
static void make_disk(const char *name, const char *uuid, const char *text)
{
	run_shell("truncate -s 6M %s; echo 'start=2048, size=8192, type=U, uuid=%s' |"
		  " sfdisk -q --label gpt %s",
		name, uuid, name);
	run_shell("mkfs.fat --offset 2048 %s 4096 >log 2>&1;"
		  " mmd -i %s@@1M ::/EFI ::/EFI/Linux; echo '%s' >text;"
		  " mcopy -i %s@@1M text ::/EFI/Linux/a.efi",
		name, name, text, name);
}

static void add_mirror(struct test *t, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	ck_assert_int_eq(fes_sync_add_mirror(t->sync, path), 0);
}

/* A run from the disk "primary". */
static struct test *new_run(void)
{
	struct test *t = calloc(1, sizeof *t);
	char path[256];

	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(fes_new(&t->context), 0);
	fes_set_log(t->context, append_log, t);
	ck_assert_int_eq(fes_sync_new(t->context, &t->sync), 0);
	(void)snprintf(path, sizeof path, "%s/primary", folder);
	ck_assert_int_eq(fes_sync_set_primary(t->sync, path), 0);
	return t;
}

static struct test *new_test(void)
{
	struct test *t;

	make_disk("primary", "11111111-1111-1111-1111-111111111111", "new");
	make_disk("mirror", "22222222-2222-2222-2222-222222222222", "old");
	t = new_run();
	add_mirror(t, "mirror");
	return t;
}

static void free_test(struct test *t)
{
	fes_sync_free(t->sync);
	fes_free(t->context);
	free(t);
}

static void expect_said(const struct test *t, const char *name)
{
	char want[512];

	(void)snprintf(want, sizeof want, "%s/%s: no longer what it was when this run began", folder,
		name);
	ck_assert_msg(strncmp(t->log, want, strlen(want)) == 0, "%s", t->log);
}

/* A mirror that is changed by the shell command meanwhile is not written to. */
static void expect_refused(const char *change)
{
	struct test *t = new_test();
	const struct fes_mirror *mirror = fes_sync_get_mirror(t->sync, 0);
	char command[512];

	(void)snprintf(command, sizeof command, "%s; cp mirror kept", change);
	meanwhile = command;
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_ptr_null(meanwhile);
	ck_assert_int_eq(fes_mirror_get_state(mirror), FES_MIRROR_REFUSED);
	expect_said(t, "mirror");
	ck_assert_str_eq(fes_mirror_get_message(mirror), t->log);
	run_shell("cmp mirror kept");
	free_test(t);
}

START_TEST(test_a_mirror_that_stays_what_it_is_is_synced)
{
	struct test *t = new_test();

	meanwhile = (char[]){"touch mirror"};
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_str_eq(t->log, "");
	ck_assert_int_eq(fes_mirror_get_state(fes_sync_get_mirror(t->sync, 0)), FES_MIRROR_SYNCED);
	run_shell("mtype -i mirror@@1M ::/EFI/Linux/a.efi | grep -q new");
	free_test(t);
}
END_TEST

/* It still holds a volume where it did. */
START_TEST(test_a_mirror_that_becomes_another_partition_is_not_touched)
{
	expect_refused("sfdisk -q --part-uuid mirror 1"
		       " 33333333-3333-3333-3333-333333333333");
}
END_TEST

START_TEST(test_a_mirror_that_becomes_larger_is_not_touched)
{
	expect_refused("echo ,9000 | sfdisk -q -N 1 mirror");
}
END_TEST

START_TEST(test_from_a_primary_that_becomes_another_partition_nothing_is_copied)
{
	struct test *t = new_test();

	meanwhile = (char[]){"sfdisk -q --part-uuid primary 1"
			     " 33333333-3333-3333-3333-333333333333; cp mirror kept"};
	ck_assert_int_eq(fes_sync_run(t->sync), -ESTALE);
	expect_said(t, "primary");
	run_shell("cmp mirror kept");
	free_test(t);
}
END_TEST

/* ---- disks with an XBOOTLDR ---- */

/* An ESP, an XBOOTLDR, another partition, each of 2 MiB with @text in a file. */
static void make_pair(const char *name, const char *text)
{
	run_shell("truncate -s 8M %s; printf '%%s\\n' 'start=2048, size=4096, type=U'"
		  " 'start=6144, size=4096, type=BC13C2FF-59E6-4262-A352-B275FD6F7172'"
		  " 'start=10240, size=4096, type=L' |"
		  " sfdisk -q --no-tell-kernel --label gpt %s; echo '%s' >text",
		name, name, text);
	for (int at = 1; at <= 5; at += 2)
		run_shell("mkfs.fat --offset %d %s 2048 >log 2>&1;"
			  " mmd -i %s@@%dM ::/EFI ::/EFI/Linux;"
			  " mcopy -i %s@@%dM text ::/EFI/Linux/a.efi",
			at * 2048, name, name, at, name, at);
}

static struct test *new_pairs(void)
{
	make_pair("primary", "new");
	make_pair("mirror", "old");
	return new_run();
}

static void expect_text(const char *disk, int mib, const char *text)
{
	run_shell("mtype -i %s@@%dM ::/EFI/Linux/a.efi | grep -q %s", disk, mib, text);
}

/* All of these are refused, and nothing is written. */
static void expect_all_refused(struct test *t, const char *why)
{
	run_shell("cp mirror kept; cp primary kept-primary");
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	for (size_t i = 0; i < fes_sync_get_n_mirrors(t->sync); i++)
		ck_assert_int_eq(fes_mirror_get_state(fes_sync_get_mirror(t->sync, i)),
			FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->log, why) != NULL, "%s", t->log);
	run_shell("cmp mirror kept; cmp primary kept-primary");
	free_test(t);
}

START_TEST(test_an_xbootldr_goes_along)
{
	struct test *t = new_pairs();
	const struct fes_mirror *xbootldr;

	add_mirror(t, "mirror");
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_str_eq(t->log, "");
	xbootldr = fes_mirror_get_xbootldr(fes_sync_get_mirror(t->sync, 0));
	ck_assert_ptr_nonnull(xbootldr);
	ck_assert_int_eq(fes_mirror_get_state(xbootldr), FES_MIRROR_SYNCED);
	ck_assert_ptr_nonnull(fes_sync_get_primary_xbootldr(t->sync));
	expect_text("mirror", 1, "new");
	expect_text("mirror", 3, "new");
	expect_text("mirror", 5, "old");
	free_test(t);
}
END_TEST

START_TEST(test_an_xbootldr_that_becomes_another_partition_is_not_touched)
{
	struct test *t = new_pairs();

	meanwhile = (char[]){"sfdisk -q --no-tell-kernel --part-uuid mirror 2"
			     " 33333333-3333-3333-3333-333333333333; cp mirror kept"};
	add_mirror(t, "mirror");
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_ptr_null(meanwhile);
	expect_said(t, "mirror:2");
	run_shell("cmp mirror kept");
	free_test(t);
}
END_TEST

START_TEST(test_the_primarys_xbootldr_is_nobodys_mirror)
{
	struct test *t = new_pairs();

	add_mirror(t, "primary:2");
	expect_all_refused(t, "this is the XBOOTLDR partition of the primary's disk");
}
END_TEST

START_TEST(test_an_xbootldr_is_not_written_to_as_an_esp_as_well)
{
	struct test *t = new_pairs();

	add_mirror(t, _i == 0 ? "mirror:1" : "mirror:2");
	add_mirror(t, _i == 0 ? "mirror:2" : "mirror:1");
	expect_all_refused(t, "goes along with the ESP of its disk");
}
END_TEST

START_TEST(test_an_xbootldr_goes_along_with_one_esp_only)
{
	struct test *t = new_pairs();

	add_mirror(t, "mirror:1");
	add_mirror(t, "mirror:3");
	expect_all_refused(t, "another ESP is named, too");
}
END_TEST

START_TEST(test_on_the_primarys_disk_its_xbootldr_is_not_written_to)
{
	struct test *t = new_pairs();

	run_shell("echo other >text; mcopy -D o -i primary@@5M text ::/EFI/Linux/a.efi;"
		  " dd if=primary of=kept bs=1M skip=3 count=2 2>/dev/null");
	add_mirror(t, "primary:3");
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_str_eq(t->log, "");
	ck_assert_ptr_null(fes_mirror_get_xbootldr(fes_sync_get_mirror(t->sync, 0)));
	expect_text("primary", 5, "new");
	run_shell("dd if=primary bs=1M skip=3 count=2 2>/dev/null | cmp - kept");
	free_test(t);
}
END_TEST

/* ---- images that are mounted ---- */

/* On a made-up system on which the kernel shows the mirror as a loop device. */
START_TEST(test_a_mirror_that_is_mounted_through_a_loop_device_is_not_touched)
{
	struct test *t = new_test();
	const struct fes_mirror *mirror = fes_sync_get_mirror(t->sync, 0);
	char want[512];

	run_shell("mkdir -p sys/dev/block/7:7/loop proc/self; cd sys/dev/block/7:7;"
		  " echo 12288 >size; echo '%s/mirror' >loop/backing_file; echo 0 >loop/offset",
		folder);
	run_shell("echo '9 1 7:7 / /mnt rw - vfat /dev/loop7 rw' >proc/self/mountinfo;"
		  " cp mirror kept");
	ck_assert_int_eq(fes_set_root(t->context, folder), 0);
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_int_eq(fes_mirror_get_state(mirror), FES_MIRROR_REFUSED);
	(void)snprintf(want, sizeof want,
		"%s/mirror: cannot be opened for writing: it is mounted at /mnt", folder);
	ck_assert_msg(strncmp(t->log, want, strlen(want)) == 0, "%s", t->log);
	run_shell("cmp mirror kept");
	free_test(t);
}
END_TEST

/* ---- what does not go together, or comes too late ---- */

#define SOME_UUID "44444444-4444-4444-4444-444444444444"

static int fill_primary(struct fes_sync *sync)
{
	return fes_sync_set_primary(sync, "other");
}

static int fill_mirror(struct fes_sync *sync)
{
	return fes_sync_add_mirror(sync, "other");
}

static int fill_managed(struct fes_sync *sync)
{
	return fes_sync_add_managed(sync, "/other");
}

static int fill_excluded(struct fes_sync *sync)
{
	return fes_sync_add_excluded(sync, "/other");
}

static int list_addition(struct fes_sync *sync)
{
	return fes_sync_add_to_list(sync, "other");
}

static int list_removal(struct fes_sync *sync)
{
	return fes_sync_remove_from_list(sync, SOME_UUID);
}

static int list_replacement(struct fes_sync *sync)
{
	return fes_sync_replace_on_list(sync, SOME_UUID, "other");
}

static int (*const fillings[])(struct fes_sync *sync) = {
	list_addition, list_removal, list_replacement, fill_primary, fill_mirror, fill_managed,
	fill_excluded,
};

enum { N_LIST_CHANGES = 3, N_FILLINGS = sizeof fillings / sizeof *fillings };

/* The primary is not there: who would have opened it says that. */
static void expect_wrong(struct test *t, const char *why)
{
	ck_assert_int_eq(fes_sync_run(t->sync), -EINVAL);
	ck_assert_str_eq(t->log, why);
	ck_assert_ptr_null(fes_sync_get_primary(t->sync));
	ck_assert_int_eq(fes_sync_run(t->sync), -EALREADY);
	ck_assert_str_eq(t->log, why);
	free_test(t);
}

/* The list says whom a run is about, or the caller does. */
START_TEST(test_a_list_is_not_changed_beside_mirrors_that_were_named)
{
	for (int first = 0; first < 2; first++) {
		struct test *t = new_run();

		if (first == 0)
			add_mirror(t, "mirror");
		ck_assert_int_eq(fillings[_i](t->sync), 0);
		if (first == 1)
			add_mirror(t, "mirror");
		expect_wrong(t,
			"mirrors were named, and changes of the list, too: a change of the list syncs all that are on it, and no others");
	}
}
END_TEST

/* It may be one that is to keep the run from something. */
START_TEST(test_a_flag_of_a_later_version_is_refused)
{
	struct test *t = new_run();

	add_mirror(t, "mirror");
	fes_sync_set_flags(t->sync, FES_SYNC_FORCE | 1U << 4 | 1U << 31);
	expect_wrong(t,
		"flags 0x80000010 are none that this version of the library knows (" PACKAGE_VERSION ")");
}
END_TEST

START_TEST(test_all_flags_are_known)
{
	struct test *t = new_test();

	fes_sync_set_flags(t->sync,
		FES_SYNC_DRY_RUN | FES_SYNC_QUICK | FES_SYNC_FORCE | FES_SYNC_BOOTS);
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	free_test(t);
}
END_TEST

START_TEST(test_after_the_run_nothing_is_added)
{
	struct test *t = new_test();

	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_int_eq(fillings[_i](t->sync), -EALREADY);
	ck_assert_uint_eq(fes_sync_get_n_mirrors(t->sync), 1);
	ck_assert_str_eq(t->log, "");
	free_test(t);
}
END_TEST

static bool has_tools(void)
{
	return system("PATH=$PATH:/sbin:/usr/sbin; for t in mkfs.fat mcopy sfdisk; do"
		      " command -v $t >/dev/null || exit 1; done") == 0;
}

int main(void)
{
	TCase *tc = tcase_create("sync");
	Suite *suite = suite_create("sync");

	if (!has_tools()) {
		puts("mkfs.fat, mtools or sfdisk not found: skipped");
		return 77;
	}
	tcase_add_checked_fixture(tc, make_folder, remove_folder);
	tcase_add_test(tc, test_a_mirror_that_stays_what_it_is_is_synced);
	tcase_add_test(tc, test_a_mirror_that_becomes_another_partition_is_not_touched);
	tcase_add_test(tc, test_a_mirror_that_becomes_larger_is_not_touched);
	tcase_add_test(tc, test_from_a_primary_that_becomes_another_partition_nothing_is_copied);
	tcase_add_test(tc, test_an_xbootldr_goes_along);
	tcase_add_test(tc, test_an_xbootldr_that_becomes_another_partition_is_not_touched);
	tcase_add_test(tc, test_the_primarys_xbootldr_is_nobodys_mirror);
	tcase_add_loop_test(tc, test_an_xbootldr_is_not_written_to_as_an_esp_as_well, 0, 2);
	tcase_add_test(tc, test_an_xbootldr_goes_along_with_one_esp_only);
	tcase_add_test(tc, test_on_the_primarys_disk_its_xbootldr_is_not_written_to);
	tcase_add_test(tc, test_a_mirror_that_is_mounted_through_a_loop_device_is_not_touched);
	tcase_add_loop_test(tc, test_a_list_is_not_changed_beside_mirrors_that_were_named, 0,
		N_LIST_CHANGES);
	tcase_add_test(tc, test_a_flag_of_a_later_version_is_refused);
	tcase_add_test(tc, test_all_flags_are_known);
	tcase_add_loop_test(tc, test_after_the_run_nothing_is_added, 0, N_FILLINGS);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
