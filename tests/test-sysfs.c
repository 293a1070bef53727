/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Disks and partitions, found in a made-up /sys as Linux lays it out. */

#include <config.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/spec.h"
#include "tests/suite.h"
#include "tests/sysroot.h"

static struct scratch scratch;
static const char *root;

static void make_root(void)
{
	scratch_make(&scratch);
	root = scratch.path;
}

static void remove_root(void)
{
	scratch_remove(&scratch);
}

static void put(const char *dir, const char *name, const char *text)
{
	sysroot_put(&scratch, dir, name, text);
}

static void put_sda(void)
{
	sysroot_put_device(&scratch, "pci/block/sda", "8:0", "409600");
	put("pci/block/sda", "queue/logical_block_size", "4096");
	sysroot_put_partition(&scratch, "pci/block/sda/sda1", "8:1", "1", "2048", "204800");
	sysroot_put_partition(&scratch, "pci/block/sda/sda15", "259:3", "15", "206848", "8");
}

/* ---- disks and partitions ---- */

START_TEST(test_a_partition_knows_its_number_and_its_disk)
{
	unsigned number = 0;
	dev_t disk = 0;

	put_sda();
	ck_assert(fes_sysfs_partition_number(root, makedev(259, 3), &number));
	ck_assert_uint_eq(number, 15);
	ck_assert(fes_sysfs_find_disk(root, makedev(259, 3), &disk));
	ck_assert(disk == makedev(8, 0));
}
END_TEST

START_TEST(test_a_disk_is_no_partition_and_has_no_disk)
{
	unsigned number;
	dev_t disk;

	put_sda();
	ck_assert(!fes_sysfs_partition_number(root, makedev(8, 0), &number));
	ck_assert(!fes_sysfs_find_disk(root, makedev(8, 0), &disk));
}
END_TEST

START_TEST(test_a_partition_is_found_by_its_number_with_its_place_in_bytes)
{
	uint64_t offset, size;
	dev_t device;

	put_sda();
	ck_assert(fes_sysfs_find_partition(root, makedev(8, 0), 1, &device, &offset, &size));
	ck_assert(device == makedev(8, 1));
	ck_assert_uint_eq(offset, 1024 * 1024);
	ck_assert_uint_eq(size, 100 * 1024 * 1024);
	ck_assert(fes_sysfs_find_partition(root, makedev(8, 0), 15, &device, &offset, &size));
	ck_assert(device == makedev(259, 3));
	ck_assert_uint_eq(size, 4096);
	ck_assert(!fes_sysfs_find_partition(root, makedev(8, 0), 2, &device, &offset, &size));
}
END_TEST

START_TEST(test_what_is_not_there_is_not_found)
{
	uint64_t offset, size;
	unsigned number;
	dev_t device;
	char path[64];

	put_sda();
	ck_assert(!fes_sysfs_partition_number(root, makedev(8, 99), &number));
	ck_assert(!fes_sysfs_find_disk(root, makedev(8, 99), &device));
	ck_assert(!fes_sysfs_find_partition(root, makedev(8, 99), 1, &device, &offset, &size));
	ck_assert(!fes_sysfs_find_backing(
		root, makedev(8, 99), path, sizeof path, &offset, &size));
	ck_assert(!fes_sysfs_partition_number("/nonexistent", makedev(8, 1), &number));
}
END_TEST

START_TEST(test_attributes_that_make_no_sense_are_as_if_missing)
{
	static const struct {
		const char *attribute, *text;
	} bad[] = {
		{"start", "some"},
		{"start", ""},
		{"start", "1 2"},
		{"start", "99999999999999999999"},
		{"size", "36028797018963968"}, /* 2 to the 64th bytes */
		{"dev", "259"},
		{"dev", "259:3x"},
		{"dev", "4294967296:0"},
		{"partition", "4294967297"},
		{"partition", "x"},
	};
	uint64_t offset, size;
	unsigned number;
	dev_t device;

	put_sda();
	put("pci/block/sda/sda15", bad[_i].attribute, bad[_i].text);
	ck_assert(!fes_sysfs_find_partition(root, makedev(8, 0), 15, &device, &offset, &size));
	ck_assert_int_eq(fes_sysfs_partition_number(root, makedev(259, 3), &number),
		strcmp(bad[_i].attribute, "partition") != 0);
	ck_assert_uint_eq(sizeof bad / sizeof *bad, 10);
}
END_TEST

/* ---- loop devices ---- */

static void put_loop(void)
{
	sysroot_put_device(&scratch, "virtual/block/loop7", "7:7", "8000");
	sysroot_put_backing(&scratch, "virtual/block/loop7", "/images/a disk.img", "4096");
	sysroot_put_partition(&scratch, "virtual/block/loop7/loop7p2", "259:9", "2", "100", "50");
}

START_TEST(test_a_loop_device_is_a_part_of_the_file_behind_it)
{
	uint64_t offset = 0, size = 0;
	char path[64] = "";

	put_loop();
	ck_assert(fes_sysfs_find_backing(root, makedev(7, 7), path, sizeof path, &offset, &size));
	ck_assert_str_eq(path, "/images/a disk.img");
	ck_assert_uint_eq(offset, 4096);
	ck_assert_uint_eq(size, 8000 * 512);
}
END_TEST

START_TEST(test_a_partition_of_a_loop_device_is_a_smaller_part)
{
	uint64_t offset = 0, size = 0;
	char path[64] = "";

	put_loop();
	ck_assert(fes_sysfs_find_backing(root, makedev(259, 9), path, sizeof path, &offset, &size));
	ck_assert_str_eq(path, "/images/a disk.img");
	ck_assert_uint_eq(offset, 4096 + 100 * 512);
	ck_assert_uint_eq(size, 50 * 512);
}
END_TEST

START_TEST(test_other_devices_have_no_file_behind_them)
{
	uint64_t offset, size;
	char path[64];

	put_sda();
	ck_assert(!fes_sysfs_find_backing(root, makedev(8, 0), path, sizeof path, &offset, &size));
	ck_assert(!fes_sysfs_find_backing(root, makedev(8, 1), path, sizeof path, &offset, &size));
}
END_TEST

/* ---- all disks ---- */

static bool is_listed(dev_t device)
{
	dev_t *disks = NULL;
	bool listed = false;
	size_t n = 0;

	ck_assert_int_eq(fes_sysfs_list_disks(root, &disks, &n), 0);
	for (size_t i = 0; i < n; i++)
		listed |= disks[i] == device;
	free(disks);
	return listed;
}

START_TEST(test_disks_are_listed_and_their_partitions_are_not)
{
	put_sda();
	put_loop();
	put("pci/block/sda", "holders/.keep", "");
	ck_assert(is_listed(makedev(8, 0)));
	ck_assert(is_listed(makedev(7, 7)));
	ck_assert(!is_listed(makedev(8, 1)));
	ck_assert(!is_listed(makedev(259, 9)));
}
END_TEST

START_TEST(test_what_holds_nothing_that_lasts_is_not_listed)
{
	sysroot_put_device(&scratch, "virtual/block/loop0", "7:0", "0");
	sysroot_put_device(&scratch, "virtual/block/ram0", "1:0", "8192");
	sysroot_put_device(&scratch, "pci/block/sr0", "11:0", "8192");
	sysroot_put_device(&scratch, "platform/block/fd0", "2:0", "2880");
	ck_assert(!is_listed(makedev(7, 0)));
	ck_assert(!is_listed(makedev(1, 0)));
	ck_assert(!is_listed(makedev(11, 0)));
	ck_assert(!is_listed(makedev(2, 0)));
}
END_TEST

START_TEST(test_what_another_device_holds_is_not_listed_but_that_is)
{
	put_sda();
	put("pci/block/sda", "holders/dm-0", "");
	sysroot_put_device(&scratch, "virtual/block/dm-0", "254:0", "409600");
	put("virtual/block/dm-0", "dm/suspended", "0");
	ck_assert(!is_listed(makedev(8, 0)));
	ck_assert(is_listed(makedev(254, 0)));
	put("virtual/block/dm-0", "dm/suspended", "1");
	ck_assert(!is_listed(makedev(254, 0)));
}
END_TEST

START_TEST(test_without_sysfs_there_are_no_disks)
{
	dev_t *disks = NULL;
	size_t n = 1;

	ck_assert_int_eq(fes_sysfs_list_disks(root, &disks, &n), 0);
	ck_assert_uint_eq(n, 0);
	free(disks);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("sysfs");
	Suite *suite = suite_create("sysfs");

	tcase_add_checked_fixture(tc, make_root, remove_root);
	tcase_add_test(tc, test_a_partition_knows_its_number_and_its_disk);
	tcase_add_test(tc, test_a_disk_is_no_partition_and_has_no_disk);
	tcase_add_test(tc, test_a_partition_is_found_by_its_number_with_its_place_in_bytes);
	tcase_add_test(tc, test_what_is_not_there_is_not_found);
	tcase_add_loop_test(tc, test_attributes_that_make_no_sense_are_as_if_missing, 0, 10);
	tcase_add_test(tc, test_a_loop_device_is_a_part_of_the_file_behind_it);
	tcase_add_test(tc, test_a_partition_of_a_loop_device_is_a_smaller_part);
	tcase_add_test(tc, test_other_devices_have_no_file_behind_them);
	tcase_add_test(tc, test_disks_are_listed_and_their_partitions_are_not);
	tcase_add_test(tc, test_what_holds_nothing_that_lasts_is_not_listed);
	tcase_add_test(tc, test_what_another_device_holds_is_not_listed_but_that_is);
	tcase_add_test(tc, test_without_sysfs_there_are_no_disks);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
