/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is mounted where, and who keeps a device busy, on made-up systems. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/mounts.h"
#include "tests/faults-wrap.h"
#include "tests/scratch.h"
#include "tests/suite.h"

#define ESP makedev(8, 1)

static struct scratch root;
static struct fes_mounts mounts;

static void setup(void)
{
	scratch_make(&root);
	mounts = (struct fes_mounts){0};
}

static void teardown(void)
{
	fes_mounts_done(&mounts);
	scratch_remove(&root);
}

/* What this process sees is @text. */
static void read_text(const char *text)
{
	scratch_write_text(&root, "/proc/self/mountinfo", text);
	fes_mounts_done(&mounts);
	ck_assert_int_eq(fes_mounts_read(root.path, 0, &mounts), 0);
}

/* ---- reading ---- */

START_TEST(test_a_line_is_taken_apart)
{
	read_text("36 35 8:1 / /boot/efi rw,noatime master:1 - vfat /dev/sda1 rw,quiet\n");
	ck_assert_uint_eq(mounts.n, 1);
	ck_assert_uint_eq(mounts.mounts[0].device, ESP);
	ck_assert_str_eq(mounts.mounts[0].root, "/");
	ck_assert_str_eq(mounts.mounts[0].path, "/boot/efi");
	ck_assert_str_eq(mounts.mounts[0].type, "vfat");
	ck_assert(!mounts.mounts[0].read_only);
}
END_TEST

START_TEST(test_optional_fields_may_be_many_or_none)
{
	read_text("36 35 8:1 / /none rw - vfat /dev/sda1 rw\n"
		  "37 35 8:2 / /one rw shared:7 - vfat /dev/sda2 rw\n"
		  "38 35 8:3 / /many rw shared:7 master:3 propagate_from:2 unbindable new-one "
		  "- vfat /dev/sda3 rw\n");
	ck_assert_uint_eq(mounts.n, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(mounts.mounts[i].device, makedev(8, i + 1));
		ck_assert_str_eq(mounts.mounts[i].type, "vfat");
	}
	ck_assert_str_eq(mounts.mounts[2].path, "/many");
}
END_TEST

START_TEST(test_octal_escapes_are_decoded)
{
	read_text("36 35 8:1 /a\\040b /my\\040esp\\011\\012\\134040\\043 rw - vfat /dev/sda1 rw\n");
	ck_assert_uint_eq(mounts.n, 1);
	ck_assert_str_eq(mounts.mounts[0].root, "/a b");
	ck_assert_str_eq(mounts.mounts[0].path, "/my esp\t\n\\040#");
}
END_TEST

START_TEST(test_what_is_no_escape_stays)
{
	read_text("36 35 8:1 / /a\\04/\\9/\\400\\ rw - vfat /dev/sda1 rw\n");
	ck_assert_str_eq(mounts.mounts[0].path, "/a\\04/\\9/\\400\\");
}
END_TEST

START_TEST(test_read_only_is_the_mount_or_the_file_system)
{
	read_text("36 35 8:1 / /1 rw - vfat /dev/sda1 rw\n"
		  "36 35 8:1 / /2 ro,noatime - vfat /dev/sda1 rw\n"
		  "36 35 8:1 / /3 rw - vfat /dev/sda1 ro\n"
		  "36 35 8:1 / /4 nodev,ro - vfat /dev/sda1 errors=remount,ro\n"
		  "36 35 8:1 / /5 rw,root - vfat /dev/sda1 rw,errors=remount-ro,x=ro,rose\n");
	ck_assert_uint_eq(mounts.n, 5);
	for (size_t i = 0; i < mounts.n; i++)
		ck_assert_int_eq(mounts.mounts[i].read_only, i >= 1 && i <= 3);
}
END_TEST

/* tmpfs can be mounted from "". */
START_TEST(test_a_source_may_be_of_no_bytes)
{
	read_text("36 35 0:40 / /tmp rw shared:1 - tmpfs  ro,size=1k\n");
	ck_assert_uint_eq(mounts.n, 1);
	ck_assert_str_eq(mounts.mounts[0].type, "tmpfs");
	ck_assert(mounts.mounts[0].read_only);
}
END_TEST

START_TEST(test_lines_that_make_no_sense_are_skipped)
{
	read_text("\n"
		  "x\n"
		  "36 35 8:1 / /short rw\n"
		  "36 35 8:1 / /no-dash rw vfat /dev/sda1 rw\n"
		  "36 35 8:1 / /no-options rw - vfat /dev/sda1\n"
		  "36 35 8 / /no-minor rw - vfat /dev/sda1 rw\n"
		  "36 35 8: / /no-minor rw - vfat /dev/sda1 rw\n"
		  "36 35 :1 / /no-major rw - vfat /dev/sda1 rw\n"
		  "36 35 8:1x / /no-number rw - vfat /dev/sda1 rw\n"
		  "36 35 8:99999999999 / /no-number rw - vfat /dev/sda1 rw\n"
		  "36 35 8:1 / /right rw - vfat /dev/sda1 rw");
	ck_assert_uint_eq(mounts.n, 1);
	ck_assert_str_eq(mounts.mounts[0].path, "/right");
}
END_TEST

START_TEST(test_nothing_mounted_is_no_error)
{
	read_text("");
	ck_assert_uint_eq(mounts.n, 0);
	ck_assert_ptr_null(fes_mounts_of(&mounts, ESP));
	ck_assert_ptr_null(fes_mounts_at(&mounts, "/"));
}
END_TEST

START_TEST(test_another_process_is_asked_by_its_number)
{
	read_text("36 35 8:1 / /mine rw - vfat /dev/sda1 rw\n");
	scratch_write_text(&root, "/proc/812/mountinfo",
		"36 35 8:1 / /its rw - vfat /dev/sda1 rw\n");
	fes_mounts_done(&mounts);
	ck_assert_int_eq(fes_mounts_read(root.path, 812, &mounts), 0);
	ck_assert_str_eq(mounts.mounts[0].path, "/its");
	fes_mounts_done(&mounts);
	ck_assert_int_eq(fes_mounts_read(root.path, 813, &mounts), -ENOENT);
	ck_assert_uint_eq(mounts.n, 0);
}
END_TEST

START_TEST(test_a_mountinfo_that_cannot_be_read_is_an_error)
{
	ck_assert_int_eq(fes_mounts_read(root.path, 0, &mounts), -ENOENT);
	scratch_make_folder(&root, "/proc");
	scratch_make_folder(&root, "/proc/self");
	scratch_make_folder(&root, "/proc/self/mountinfo");
	ck_assert_int_eq(fes_mounts_read(root.path, 0, &mounts), -EISDIR);
	ck_assert_ptr_null(mounts.mounts);
}
END_TEST

START_TEST(test_without_memory_nothing_is_read)
{
	uint64_t nth = 1;
	int r;

	scratch_write_text(&root, "/proc/self/mountinfo",
		"36 35 8:1 / /a rw - vfat /dev/sda1 rw\n36 35 8:2 / /b rw - vfat /dev/sda2 rw\n");
	do {
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth++};
		r = fes_mounts_read(root.path, 0, &mounts);
		wrap_fault.calls = 0;
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
		ck_assert_uint_eq(mounts.n, r < 0 ? 0 : 2);
	} while (r < 0);
	ck_assert_uint_gt(nth, 8);
}
END_TEST

/* The one that runs this: what is mounted at / is what stat(2) finds there. */
START_TEST(test_a_real_system_is_understood)
{
	const struct fes_mount *mount;
	struct stat st;

	if (fes_mounts_read("", 0, &mounts) < 0)
		return;
	mount = fes_mounts_at(&mounts, "/proc");
	if (!mount || stat("/proc", &st) < 0)
		return;
	ck_assert_str_eq(mount->type, "proc");
	ck_assert_uint_eq(mount->device, st.st_dev);
}
END_TEST

/* ---- at a path ---- */

START_TEST(test_the_last_mount_at_a_path_is_what_one_sees)
{
	read_text("36 35 8:1 / /boot rw - vfat /dev/sda1 rw\n"
		  "37 35 8:2 / /efi rw - vfat /dev/sda2 rw\n"
		  "38 36 8:3 / /boot rw - vfat /dev/sda3 rw\n"
		  "39 38 8:4 / /boot/efi rw - vfat /dev/sda4 rw\n");
	ck_assert_uint_eq(fes_mounts_at(&mounts, "/boot")->device, makedev(8, 3));
	ck_assert_uint_eq(fes_mounts_at(&mounts, "/efi")->device, makedev(8, 2));
	ck_assert_ptr_null(fes_mounts_at(&mounts, "/"));
	ck_assert_ptr_null(fes_mounts_at(&mounts, "/boot/"));
}
END_TEST

START_TEST(test_an_autofs_is_not_what_one_sees)
{
	read_text("36 35 0:30 / /efi rw - autofs systemd-1 rw,fd=30\n"
		  "37 36 8:1 / /efi rw - vfat /dev/sda1 rw\n"
		  "38 35 0:31 / /boot rw - autofs systemd-1 rw,fd=31\n");
	ck_assert_uint_eq(fes_mounts_at(&mounts, "/efi")->device, ESP);
	ck_assert_ptr_null(fes_mounts_at(&mounts, "/boot"));
}
END_TEST

/* ---- of a device ---- */

static void expect_way(const char *text, const char *path)
{
	const struct fes_mount *mount;

	read_text(text);
	mount = fes_mounts_of(&mounts, ESP);
	ck_assert_ptr_nonnull(mount);
	ck_assert_str_eq(mount->path, path);
}

START_TEST(test_a_device_is_found_among_others)
{
	expect_way("36 35 8:17 / /a rw - vfat /dev/sdb1 rw\n"
		   "36 35 8:1 / /b rw - vfat /dev/sda1 rw\n"
		   "36 35 1:8 / /c rw - vfat /dev/ram8 rw\n",
		"/b");
	ck_assert_ptr_null(fes_mounts_of(&mounts, makedev(8, 2)));
}
END_TEST

START_TEST(test_a_whole_mount_is_better_than_a_part)
{
	expect_way("36 35 8:1 /EFI /part rw - vfat /dev/sda1 rw\n"
		   "36 35 8:1 / /whole rw - vfat /dev/sda1 rw\n",
		"/whole");
	expect_way("36 35 8:1 /EFI /part rw - vfat /dev/sda1 rw\n"
		   "36 35 8:1 / /whole ro - vfat /dev/sda1 rw\n",
		"/whole");
	expect_way("36 35 8:1 /EFI /part rw - vfat /dev/sda1 rw\n", "/part");
}
END_TEST

START_TEST(test_a_writable_mount_is_better_than_a_read_only_one)
{
	expect_way("36 35 8:1 / /ro ro - vfat /dev/sda1 rw\n"
		   "36 35 8:1 / /rw rw - vfat /dev/sda1 rw\n"
		   "36 35 8:1 / /ro2 ro - vfat /dev/sda1 rw\n",
		"/rw");
	expect_way("36 35 8:1 / /first rw - vfat /dev/sda1 rw\n"
		   "36 35 8:1 / /second rw - vfat /dev/sda1 rw\n",
		"/first");
}
END_TEST

START_TEST(test_a_mount_that_is_covered_is_the_last_choice)
{
	expect_way("36 35 8:1 / /covered rw - vfat /dev/sda1 rw\n"
		   "37 36 8:2 / /covered rw - vfat /dev/sda2 rw\n"
		   "38 35 8:1 / /seen ro - vfat /dev/sda1 rw\n",
		"/seen");
	expect_way("36 35 8:1 / /covered rw - vfat /dev/sda1 rw\n"
		   "37 36 8:2 / /covered rw - vfat /dev/sda2 rw\n",
		"/covered");
}
END_TEST

/* ---- blame ---- */

static void expect_blame(const char *text)
{
	char found[512];

	memset(found, 'x', sizeof found);
	fes_mounts_blame(root.path, ESP, found, sizeof found);
	ck_assert_str_eq(found, text);
}

static const char unknown[] = "it is mounted or in use, by whom cannot be seen";

START_TEST(test_who_cannot_be_seen_is_not_named)
{
	expect_blame(unknown);
	read_text("36 35 8:2 / /efi rw - vfat /dev/sda2 rw\n");
	scratch_write_text(&root, "/proc/1/mountinfo", "36 35 8:2 / /efi rw - vfat /dev/sda2 rw\n");
	scratch_make_folder(&root, "/sys");
	expect_blame(unknown);
}
END_TEST

START_TEST(test_a_mount_is_named)
{
	read_text("36 35 8:1 / /boot/my\\040esp rw - vfat /dev/sda1 rw\n");
	expect_blame("it is mounted at /boot/my esp");
}
END_TEST

START_TEST(test_messages_are_of_one_line_and_fit)
{
	char found[20];

	read_text("36 35 8:1 / /boot/\\012x rw - vfat /dev/sda1 rw\n");
	expect_blame("it is mounted at /boot/?x");
	fes_mounts_blame(root.path, ESP, found, sizeof found);
	ck_assert_str_eq(found, "it is mounted at /b");
}
END_TEST

START_TEST(test_a_holder_is_named)
{
	scratch_make_folder(&root, "/sys");
	scratch_make_folder(&root, "/sys/dev");
	scratch_make_folder(&root, "/sys/dev/block");
	scratch_make_folder(&root, "/sys/dev/block/8:1");
	scratch_make_folder(&root, "/sys/dev/block/8:1/holders");
	expect_blame(unknown);
	scratch_make_folder(&root, "/sys/dev/block/8:1/holders/md0");
	expect_blame("it belongs to md0");
}
END_TEST

START_TEST(test_a_device_mapping_is_called_by_its_name)
{
	scratch_write_text(&root, "/sys/block/dm-0/dm/name", "vg-esp\n");
	scratch_make_folder(&root, "/sys/dev");
	scratch_make_folder(&root, "/sys/dev/block");
	scratch_make_folder(&root, "/sys/dev/block/8:1");
	scratch_make_folder(&root, "/sys/dev/block/8:1/holders");
	scratch_link(&root, "/sys/dev/block/8:1/holders/dm-0", "../../../../block/dm-0");
	expect_blame("it belongs to vg-esp (dm-0)");
}
END_TEST

/* As sysfs has it: the entries of /sys/dev/block are links into the tree of devices. */
START_TEST(test_who_holds_the_whole_disk_holds_the_partition)
{
	scratch_write_text(&root, "/sys/devices/sda/holders/dm-3/dm/name", "mpatha\n");
	scratch_write_text(&root, "/sys/devices/sda/sda1/partition", "1\n");
	scratch_make_folder(&root, "/sys/devices/sda/sda1/holders");
	scratch_link(&root, "/sys/dev/block/8:1", "../../devices/sda/sda1");
	expect_blame("its disk belongs to mpatha (dm-3)");
	scratch_make_folder(&root, "/sys/devices/sda/sda1/holders/md127");
	expect_blame("it belongs to md127");
}
END_TEST

START_TEST(test_a_mount_comes_before_a_holder)
{
	read_text("36 35 8:1 / /efi rw - vfat /dev/sda1 rw\n");
	scratch_write_text(&root, "/sys/dev/block/8:1/holders/md0/x", "");
	expect_blame("it is mounted at /efi");
}
END_TEST

static const char elsewhere[] = "36 35 8:1 / /mnt rw - vfat /dev/sda1 rw\n";

START_TEST(test_a_mount_in_another_namespace_is_named_with_its_process)
{
	read_text("36 35 8:2 / /efi rw - vfat /dev/sda2 rw\n");
	scratch_write_text(&root, "/proc/1/mountinfo", "");
	scratch_write_text(&root, "/proc/812/mountinfo", elsewhere);
	scratch_write_text(&root, "/proc/812/comm", "systemd-udevd\n");
	expect_blame("it is mounted at /mnt in the mount namespace of process 812 (systemd-udevd)");
}
END_TEST

START_TEST(test_a_process_without_a_name_is_named_by_its_number)
{
	scratch_write_text(&root, "/proc/812/mountinfo", elsewhere);
	expect_blame("it is mounted at /mnt in the mount namespace of process 812");
}
END_TEST

START_TEST(test_the_oldest_of_several_processes_is_named)
{
	scratch_write_text(&root, "/proc/1000/mountinfo", elsewhere);
	scratch_write_text(&root, "/proc/99/mountinfo", elsewhere);
	scratch_write_text(&root, "/proc/812/mountinfo", elsewhere);
	expect_blame("it is mounted at /mnt in the mount namespace of process 99");
}
END_TEST

/* One may be gone by now, and others may not be looked at. */
START_TEST(test_processes_that_cannot_be_seen_are_passed_over)
{
	scratch_make_folder(&root, "/proc");
	scratch_make_folder(&root, "/proc/5");
	scratch_write_text(&root, "/proc/6", "");
	scratch_write_text(&root, "/proc/sys/mountinfo", elsewhere);
	scratch_write_text(&root, "/proc/7a/mountinfo", elsewhere);
	expect_blame(unknown);
	scratch_write_text(&root, "/proc/8/mountinfo", elsewhere);
	expect_blame("it is mounted at /mnt in the mount namespace of process 8");
}
END_TEST

START_TEST(test_processes_of_our_namespace_are_not_asked)
{
	read_text("");
	scratch_link(&root, "/proc/self/ns/mnt", "mnt:[4026531841]");
	scratch_write_text(&root, "/proc/7/mountinfo", elsewhere);
	scratch_link(&root, "/proc/7/ns/mnt", "mnt:[4026531841]");
	expect_blame(unknown);
	scratch_write_text(&root, "/proc/8/mountinfo", elsewhere);
	scratch_link(&root, "/proc/8/ns/mnt", "mnt:[4026531840]");
	expect_blame("it is mounted at /mnt in the mount namespace of process 8");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_line_is_taken_apart,
		test_optional_fields_may_be_many_or_none,
		test_octal_escapes_are_decoded,
		test_what_is_no_escape_stays,
		test_read_only_is_the_mount_or_the_file_system,
		test_a_source_may_be_of_no_bytes,
		test_lines_that_make_no_sense_are_skipped,
		test_nothing_mounted_is_no_error,
		test_another_process_is_asked_by_its_number,
		test_a_mountinfo_that_cannot_be_read_is_an_error,
		test_without_memory_nothing_is_read,
		test_a_real_system_is_understood,
		test_the_last_mount_at_a_path_is_what_one_sees,
		test_an_autofs_is_not_what_one_sees,
		test_a_device_is_found_among_others,
		test_a_whole_mount_is_better_than_a_part,
		test_a_writable_mount_is_better_than_a_read_only_one,
		test_a_mount_that_is_covered_is_the_last_choice,
		test_who_cannot_be_seen_is_not_named,
		test_a_mount_is_named,
		test_messages_are_of_one_line_and_fit,
		test_a_holder_is_named,
		test_a_device_mapping_is_called_by_its_name,
		test_who_holds_the_whole_disk_holds_the_partition,
		test_a_mount_comes_before_a_holder,
		test_a_mount_in_another_namespace_is_named_with_its_process,
		test_a_process_without_a_name_is_named_by_its_number,
		test_the_oldest_of_several_processes_is_named,
		test_processes_that_cannot_be_seen_are_passed_over,
		test_processes_of_our_namespace_are_not_asked,
	};
	Suite *suite = suite_create("mounts");
	TCase *tc = tcase_create("mounts");

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
