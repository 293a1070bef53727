/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether two names stand for the same storage, and whether a mount is on it. */

#include <config.h>

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/internal.h"
#include "tests/suite.h"
#include "tests/sysroot.h"

enum { MIB = 1024 * 1024 };

static struct scratch scratch;
static const char *root;
static char disk[PATH_MAX], other[PATH_MAX], link_to_disk[PATH_MAX];

/* A disk image, of which loop7 shows all from 1 MiB on. loop7p1 is its third MiB. */
static void setup(void)
{
	scratch_make(&scratch);
	root = scratch.path;
	scratch_write_text(&scratch, "/disk.img", "");
	scratch_write_text(&scratch, "/other.img", "");
	scratch_link(&scratch, "/link.img", "disk.img");
	(void)snprintf(disk, sizeof disk, "%s/disk.img", root);
	(void)snprintf(other, sizeof other, "%s/other.img", root);
	(void)snprintf(link_to_disk, sizeof link_to_disk, "%s/link.img", root);
	sysroot_put_device(&scratch, "virtual/block/loop7", "7:7", "14336");
	sysroot_put_backing(&scratch, "virtual/block/loop7", disk, "1048576");
	sysroot_put_partition(&scratch, "virtual/block/loop7/loop7p1", "259:5", "1", "2048", "2048");
	sysroot_put_device(&scratch, "pci/block/sda", "8:0", "16384");
	sysroot_put_partition(&scratch, "pci/block/sda/sda1", "8:1", "1", "2048", "2048");
}

static void teardown(void)
{
	scratch_remove(&scratch);
}

/* A part of a file or device; a size of 0: all of it. */
static struct fes_spec part(char *path, uint64_t offset, uint64_t size)
{
	return (struct fes_spec){.path = path, .offset = offset, .size = size};
}

static bool same(struct fes_spec a, struct fes_spec b)
{
	bool is_same = fes_spec_same(root, &a, &b);

	ck_assert_int_eq(fes_spec_same(root, &b, &a), is_same);
	return is_same;
}

static bool on_device(struct fes_spec spec, unsigned major, unsigned minor)
{
	return fes_spec_on_device(root, &spec, makedev(major, minor));
}

/* A node of the made-up system. Only root may make one; false: cannot. */
static bool make_node(char node[PATH_MAX], const char *name, unsigned major, unsigned minor)
{
	(void)snprintf(node, PATH_MAX, "%s/%s", root, name);
	return mknod(node, S_IFBLK | 0600, makedev(major, minor)) == 0;
}

/* ---- two names ---- */

START_TEST(test_a_file_is_the_same_by_any_name)
{
	char hard_link[PATH_MAX];

	(void)snprintf(hard_link, sizeof hard_link, "%s/hard.img", root);
	ck_assert_int_eq(link(disk, hard_link), 0);
	ck_assert(same(part(disk, 0, 0), part(disk, 0, 0)));
	ck_assert(same(part(disk, 0, 0), part(link_to_disk, 0, 0)));
	ck_assert(same(part(disk, 0, 0), part(hard_link, 0, 0)));
	ck_assert(!same(part(disk, 0, 0), part(other, 0, 0)));
}
END_TEST

START_TEST(test_parts_are_the_same_when_they_overlap)
{
	ck_assert(same(part(disk, 0, 0), part(disk, 3 * MIB, MIB)));
	ck_assert(same(part(disk, MIB, MIB), part(disk, 2 * MIB - 512, MIB)));
	ck_assert(!same(part(disk, MIB, MIB), part(disk, 2 * MIB, MIB)));
	ck_assert(!same(part(disk, MIB, MIB), part(disk, 0, MIB)));
}
END_TEST

START_TEST(test_what_is_not_there_is_nothing)
{
	char missing[] = "/nonexistent/x";

	ck_assert(!same(part(missing, 0, 0), part(missing, 0, 0)));
	ck_assert(!on_device(part(missing, 0, 0), 7, 7));
}
END_TEST

START_TEST(test_a_loop_device_is_the_part_of_the_file_that_it_shows)
{
	char loop[PATH_MAX], partition[PATH_MAX];

	if (!make_node(loop, "loop7", 7, 7) || !make_node(partition, "loop7p1", 259, 5))
		return;
	ck_assert(same(part(loop, 0, 0), part(disk, 0, 0)));
	ck_assert(same(part(loop, 0, MIB), part(disk, MIB, MIB)));
	ck_assert(!same(part(loop, 0, 0), part(disk, 0, MIB)));
	ck_assert(!same(part(loop, 0, 0), part(disk, 8 * MIB, MIB)));
	ck_assert(!same(part(loop, 0, 0), part(other, 0, 0)));
	ck_assert(same(part(partition, 0, 0), part(disk, 2 * MIB, MIB)));
	ck_assert(same(part(partition, 0, 0), part(loop, MIB, MIB)));
	ck_assert(!same(part(partition, 0, 0), part(disk, MIB, MIB)));
	ck_assert(!same(part(partition, 0, 0), part(disk, 3 * MIB, MIB)));
}
END_TEST

START_TEST(test_a_device_is_known_by_its_number)
{
	char a[PATH_MAX], b[PATH_MAX], c[PATH_MAX];

	if (!make_node(a, "sda1", 8, 1) || !make_node(b, "esp", 8, 1) ||
		!make_node(c, "sda2", 8, 2))
		return;
	ck_assert(same(part(a, 0, 0), part(b, 0, 0)));
	ck_assert(!same(part(a, 0, 0), part(c, 0, 0)));
	ck_assert(!same(part(a, 0, 0), part(disk, 0, 0)));
}
END_TEST

/* ---- a mount ---- */

START_TEST(test_a_mount_of_the_loop_device_is_on_the_file)
{
	ck_assert(on_device(part(disk, 0, 0), 7, 7));
	ck_assert(on_device(part(link_to_disk, 0, 0), 7, 7));
	ck_assert(on_device(part(disk, MIB, MIB), 7, 7));
	ck_assert(!on_device(part(disk, 0, MIB), 7, 7));
	ck_assert(!on_device(part(other, 0, 0), 7, 7));
}
END_TEST

START_TEST(test_a_mount_of_a_partition_of_it_is_on_that_part_of_the_file)
{
	ck_assert(on_device(part(disk, 0, 0), 259, 5));
	ck_assert(on_device(part(disk, 2 * MIB, MIB), 259, 5));
	ck_assert(!on_device(part(disk, 3 * MIB, MIB), 259, 5));
	ck_assert(!on_device(part(disk, MIB, MIB), 259, 5));
}
END_TEST

/* The file system that the image lies on is another matter. */
START_TEST(test_other_mounts_are_not_on_the_file)
{
	struct stat st;

	ck_assert_int_eq(stat(disk, &st), 0);
	ck_assert(!on_device(part(disk, 0, 0), major(st.st_dev), minor(st.st_dev)));
	ck_assert(!on_device(part(disk, 0, 0), 8, 1));
	ck_assert(!on_device(part(disk, 0, 0), 0, 23));
}
END_TEST

START_TEST(test_a_mount_of_a_device_is_on_that_device)
{
	char sda1[PATH_MAX], loop[PATH_MAX];

	if (!make_node(sda1, "sda1", 8, 1) || !make_node(loop, "loop7", 7, 7))
		return;
	ck_assert(on_device(part(sda1, 0, 0), 8, 1));
	ck_assert(!on_device(part(sda1, 0, 0), 8, 2));
	ck_assert(on_device(part(loop, 0, 0), 7, 7));
	ck_assert(on_device(part(loop, 0, 0), 259, 5));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("same");
	Suite *suite = suite_create("same");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_a_file_is_the_same_by_any_name);
	tcase_add_test(tc, test_parts_are_the_same_when_they_overlap);
	tcase_add_test(tc, test_what_is_not_there_is_nothing);
	tcase_add_test(tc, test_a_loop_device_is_the_part_of_the_file_that_it_shows);
	tcase_add_test(tc, test_a_device_is_known_by_its_number);
	tcase_add_test(tc, test_a_mount_of_the_loop_device_is_on_the_file);
	tcase_add_test(tc, test_a_mount_of_a_partition_of_it_is_on_that_part_of_the_file);
	tcase_add_test(tc, test_other_mounts_are_not_on_the_file);
	tcase_add_test(tc, test_a_mount_of_a_device_is_on_that_device);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
