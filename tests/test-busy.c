/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is in the way of writing to an image or a device, on a made-up system. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/internal.h"
#include "tests/suite.h"
#include "tests/sysroot.h"

enum { MIB = 1024 * 1024 };

static struct scratch scratch;
static const char *root;
static char disk[PATH_MAX], node[PATH_MAX];

/* loop7 shows all of a disk image, and loop7p1 its second MiB. */
static void setup(void)
{
	scratch_make(&scratch);
	root = scratch.path;
	scratch_write_text(&scratch, "/disk.img", "");
	(void)snprintf(disk, sizeof disk, "%s/disk.img", root);
	(void)snprintf(node, sizeof node, "%s/sda1", root);
	sysroot_put_device(&scratch, "virtual/block/loop7", "7:7", "16384");
	sysroot_put_backing(&scratch, "virtual/block/loop7", disk, "0");
	sysroot_put_partition(&scratch, "virtual/block/loop7/loop7p1", "259:5", "1", "2048", "2048");
}

static void teardown(void)
{
	scratch_remove(&scratch);
}

static void put_mounts(const char *text)
{
	scratch_write_text(&scratch, "/proc/self/mountinfo", text);
}

/* Only root may make one; false: cannot. */
static bool make_node(void)
{
	return mknod(node, S_IFBLK | 0600, makedev(8, 1)) == 0;
}

static void expect_blame(const struct fes_spec *spec, const char *want)
{
	char why[256];

	fes_spec_blame(root, spec, why, sizeof why);
	ck_assert_str_eq(why, want);
}

START_TEST(test_an_image_that_is_not_mounted_is_free)
{
	struct fes_spec spec = {.path = disk};

	put_mounts("36 35 8:1 / / rw - ext4 /dev/sda1 rw\n");
	ck_assert_int_eq(fes_spec_require_unmounted(root, &spec), 0);
}
END_TEST

START_TEST(test_an_image_that_is_mounted_is_busy)
{
	struct fes_spec spec = {.path = disk};

	put_mounts("36 35 8:1 / / rw - ext4 /dev/sda1 rw\n"
		   "37 36 7:7 / /mnt\\040here ro - vfat /dev/loop7 ro\n");
	ck_assert_int_eq(fes_spec_require_unmounted(root, &spec), -EBUSY);
	expect_blame(&spec, "it is mounted at /mnt here through a loop device; unmount it first");
}
END_TEST

START_TEST(test_a_partition_in_an_image_is_busy_when_that_one_is_mounted)
{
	struct fes_spec first = {.path = disk, .offset = MIB, .size = MIB};
	struct fes_spec second = {.path = disk, .offset = 2 * MIB, .size = MIB};

	put_mounts("37 36 259:5 / /mnt rw - vfat /dev/loop7p1 rw\n");
	ck_assert_int_eq(fes_spec_require_unmounted(root, &first), -EBUSY);
	ck_assert_int_eq(fes_spec_require_unmounted(root, &second), 0);
	expect_blame(&first, "it is mounted at /mnt through a loop device; unmount it first");
	expect_blame(&second, "it is in use");
}
END_TEST

START_TEST(test_without_proc_an_image_is_free)
{
	struct fes_spec spec = {.path = disk};

	ck_assert_int_eq(fes_spec_require_unmounted(root, &spec), 0);
	expect_blame(&spec, "it is in use");
}
END_TEST

/* A message only: what the kernel says when the device is opened counts. */
START_TEST(test_a_device_is_blamed_on_its_mount)
{
	struct fes_spec spec = {.path = node};

	if (!make_node())
		return;
	put_mounts("36 35 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n");
	ck_assert_int_eq(fes_spec_require_unmounted(root, &spec), 0);
	expect_blame(&spec, "it is mounted at /boot/efi; unmount it first");
}
END_TEST

START_TEST(test_a_device_is_blamed_on_its_holder)
{
	struct fes_spec spec = {.path = node};

	if (!make_node())
		return;
	sysroot_put_device(&scratch, "pci/block/sda", "8:0", "16384");
	sysroot_put_partition(&scratch, "pci/block/sda/sda1", "8:1", "1", "2048", "2048");
	sysroot_put(&scratch, "pci/block/sda/sda1", "holders/md0/size", "2048");
	put_mounts("36 35 9:0 / /boot/efi rw - vfat /dev/md0 rw\n");
	expect_blame(&spec, "it belongs to md0");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("busy");
	Suite *suite = suite_create("busy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_an_image_that_is_not_mounted_is_free);
	tcase_add_test(tc, test_an_image_that_is_mounted_is_busy);
	tcase_add_test(tc, test_a_partition_in_an_image_is_busy_when_that_one_is_mounted);
	tcase_add_test(tc, test_without_proc_an_image_is_free);
	tcase_add_test(tc, test_a_device_is_blamed_on_its_mount);
	tcase_add_test(tc, test_a_device_is_blamed_on_its_holder);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
