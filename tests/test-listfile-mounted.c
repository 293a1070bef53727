/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list, written through a mount; here that is any folder, and system calls fail as told. */

#include <config.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/listfile.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static struct scratch root;
static dev_t device;
static char message[2048];
static unsigned n_messages;

/* ---- system calls that fail ---- */

enum call {
	CALL_OPENAT = 1 << 0,
	CALL_CREATE = 1 << 1, /* openat(2) that makes a file */
	CALL_FSTAT = 1 << 2,
	CALL_MKDIRAT = 1 << 3,
	CALL_WRITE = 1 << 4,
	CALL_FSYNC = 1 << 5,
	CALL_CLOSE = 1 << 6,
	CALL_RENAMEAT = 1 << 7,
	CALL_UNLINKAT = 1 << 8,
	CALL_ALL = (1 << 9) - 1,
};

static unsigned calls;    /* CALL_*: those that are counted and may fail */
static unsigned nth;      /* the one that fails, from 1; 0: none */
static bool sticky;       /* all later ones, too */
static unsigned n_calls;
static int call_error;
static bool short_writes; /* each write(2) takes one byte */

static bool fails(unsigned call)
{
	if (!(calls & call))
		return false;
	n_calls++;
	if (nth == 0 || n_calls < nth || (n_calls > nth && !sticky))
		return false;
	errno = call_error;
	return true;
}

#define WRAP(type_, name_, arguments_)   \
	type_ __real_##name_ arguments_; \
	type_ __wrap_##name_ arguments_; \
	type_ __wrap_##name_ arguments_

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	mode_t mode;
	va_list args;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return fails(flags & O_CREAT ? CALL_CREATE : CALL_OPENAT)
		? -1
		: __real_openat(dir, path, flags, mode);
}

WRAP(int, fstat, (int fd, struct stat *st))
{
	return fails(CALL_FSTAT) ? -1 : __real_fstat(fd, st);
}

WRAP(int, mkdirat, (int dir, const char *path, mode_t mode))
{
	return fails(CALL_MKDIRAT) ? -1 : __real_mkdirat(dir, path, mode);
}

WRAP(ssize_t, write, (int fd, const void *buf, size_t len))
{
	if (fails(CALL_WRITE))
		return -1;
	return __real_write(fd, buf, short_writes && len > 1 ? 1 : len);
}

WRAP(int, fsync, (int fd))
{
	return fails(CALL_FSYNC) ? -1 : __real_fsync(fd);
}

/* It closes all the same. */
WRAP(int, close, (int fd))
{
	bool fail = fails(CALL_CLOSE);
	int r = __real_close(fd);

	if (fail)
		errno = call_error;
	return fail ? -1 : r;
}

WRAP(int, renameat, (int old_dir, const char *old, int new_dir, const char *new))
{
	return fails(CALL_RENAMEAT) ? -1 : __real_renameat(old_dir, old, new_dir, new);
}

WRAP(int, unlinkat, (int dir, const char *path, int flags))
{
	return fails(CALL_UNLINKAT) ? -1 : __real_unlinkat(dir, path, flags);
}

/* ---- a mount point ---- */

static void setup(void)
{
	struct stat st;

	calls = 0;
	sticky = false;
	short_writes = false;
	scratch_make(&root);
	ck_assert_int_eq(stat(root.path, &st), 0);
	device = st.st_dev;
}

static void teardown(void)
{
	calls = 0;
	scratch_remove(&root);
}

static void take_message(void *userdata, const char *text)
{
	ck_assert_ptr_eq(userdata, message);
	(void)snprintf(message, sizeof message, "%s", text);
	n_messages++;
}

/* NULL: no list. */
static int write_text(const char *text)
{
	n_messages = 0;
	return fes_listfile_write_mounted(root.path, device, text, text ? strlen(text) : 0,
		take_message, message);
}

/* Let the @k-th of @which calls fail. */
static int write_failing(unsigned which, unsigned k, int error, const char *text)
{
	int r;

	calls = which;
	nth = k;
	n_calls = 0;
	call_error = error;
	r = write_text(text);
	calls = 0;
	return r;
}

/* The text of the list; "" when there is none. */
static const char *text_now(void)
{
	static char text[100000];
	char path[300];
	size_t len;
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/loader/esp-sync", root.path);
	file = fopen(path, "re");
	if (!file)
		return "";
	len = fread(text, 1, sizeof text - 1, file);
	(void)fclose(file);
	text[len] = '\0';
	return text;
}

/* In loader/, the dots not among them. */
static unsigned count_files(void)
{
	char path[300];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof path, "%s/loader", root.path);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	ck_assert_int_eq(closedir(dir), 0);
	return n;
}

/* There is one message, and it says all this. */
static void expect_message(const char *where, const char *why, const char *what_to_do)
{
	char begin[400];

	ck_assert_uint_eq(n_messages, 1);
	(void)snprintf(begin, sizeof begin, "%s%s", root.path, where);
	ck_assert_msg(strncmp(message, begin, strlen(begin)) == 0, "%s", message);
	ck_assert_msg(strstr(message, why) != NULL, "%s", message);
	ck_assert_msg(strstr(message, what_to_do) != NULL, "%s", message);
}

/* ---- good ends ---- */

START_TEST(test_a_list_is_made_with_its_directory)
{
	ck_assert_int_eq(write_text("new\n"), 0);
	ck_assert_str_eq(text_now(), "new\n");
	ck_assert_uint_eq(count_files(), 1);
	ck_assert_uint_eq(n_messages, 0);
}
END_TEST

START_TEST(test_a_list_is_replaced_and_others_stay)
{
	scratch_write_text(&root, "/loader/esp-sync", "old, and longer\n");
	scratch_write_text(&root, "/loader/loader.conf", "timeout 3\n");
	ck_assert_int_eq(write_text("new\n"), 0);
	ck_assert_str_eq(text_now(), "new\n");
	ck_assert_uint_eq(count_files(), 2);
	ck_assert_int_eq(write_text(""), 0);
	ck_assert_str_eq(text_now(), "");
	ck_assert_uint_eq(count_files(), 2);
}
END_TEST

START_TEST(test_short_and_interrupted_writes_go_on)
{
	short_writes = true;
	ck_assert_int_eq(write_text("new\n"), 0);
	ck_assert_str_eq(text_now(), "new\n");
	ck_assert_int_eq(write_failing(CALL_WRITE, 2, EINTR, "newer\n"), 0);
	ck_assert_str_eq(text_now(), "newer\n");
}
END_TEST

/* An older run left one there. */
START_TEST(test_a_temporary_name_that_is_taken_is_no_obstacle)
{
	ck_assert_int_eq(write_failing(CALL_CREATE, 1, EEXIST, "new\n"), 0);
	ck_assert_str_eq(text_now(), "new\n");
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

/* The new file first, then its name; so does a new directory. */
START_TEST(test_all_is_on_the_disk_at_the_end)
{
	ck_assert_int_eq(write_failing(CALL_FSYNC, 0, 0, "new\n"), 0);
	ck_assert_uint_eq(n_calls, 3);
	ck_assert_int_eq(write_failing(CALL_FSYNC, 0, 0, "newer\n"), 0);
	ck_assert_uint_eq(n_calls, 2);
}
END_TEST

START_TEST(test_a_list_is_removed_and_others_stay)
{
	scratch_write_text(&root, "/loader/esp-sync", "old\n");
	scratch_write_text(&root, "/loader/loader.conf", "timeout 3\n");
	ck_assert_int_eq(write_failing(CALL_FSYNC, 0, 0, NULL), 0);
	ck_assert_uint_eq(n_calls, 1);
	ck_assert_str_eq(text_now(), "");
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(test_a_list_that_is_not_there_need_not_be_removed)
{
	scratch_write_text(&root, "/loader/loader.conf", "timeout 3\n");
	ck_assert_int_eq(write_text(NULL), 0);
	ck_assert_uint_eq(count_files(), 1);
	scratch_remove(&root);

	scratch_make(&root);
	ck_assert_int_eq(write_text(NULL), 0);
	ck_assert_uint_eq(n_messages, 0);
	ck_assert_int_eq(rmdir(root.path), 0);
	ck_assert_int_eq(mkdir(root.path, 0700), 0);
}
END_TEST

/* ---- bad ends ---- */

START_TEST(test_whatever_call_fails_the_old_list_stays)
{
	static const char old[] = "old\n";
	unsigned k;

	for (k = 1;; k++) {
		int r;

		scratch_write_text(&root, "/loader/esp-sync", old);
		r = write_failing(CALL_ALL & ~(unsigned)CALL_FSYNC, k, EIO, "new\n");
		ck_assert_uint_eq(count_files(), 1);
		if (r == 0)
			break;
		ck_assert_int_eq(r, -EIO);
		expect_message("", "Input/output error", "dmesg");
		ck_assert_str_eq(text_now(), old);
	}
	/* root, its device, loader/, the file, its bytes, its end, its name */
	ck_assert_uint_eq(k, 8);
	ck_assert_str_eq(text_now(), "new\n");
}
END_TEST

START_TEST(test_whatever_call_fails_no_half_list_is_made)
{
	unsigned k;

	for (k = 1;; k++) {
		int r = write_failing(CALL_ALL & ~(unsigned)CALL_FSYNC, k, EIO, "new\n");

		if (r == 0)
			break;
		ck_assert_int_eq(r, -EIO);
		ck_assert_uint_eq(n_messages, 1);
		ck_assert_uint_eq(count_files(), 0);
		scratch_remove(&root);
		scratch_make(&root);
	}
	/* as above, and loader/ is made and opened once more */
	ck_assert_uint_eq(k, 10);
	ck_assert_str_eq(text_now(), "new\n");
}
END_TEST

START_TEST(test_whatever_call_fails_a_list_that_is_to_go_stays)
{
	static const unsigned removal = CALL_OPENAT | CALL_FSTAT | CALL_UNLINKAT;
	unsigned k;

	scratch_write_text(&root, "/loader/esp-sync", "old\n");
	for (k = 1; write_failing(removal, k, EROFS, NULL) == -EROFS; k++) {
		expect_message("", "Read-only file system", "mount -o remount,rw");
		ck_assert_str_eq(text_now(), "old\n");
	}
	/* root, its device, loader/, the list */
	ck_assert_uint_eq(k, 5);
	ck_assert_str_eq(text_now(), "");
}
END_TEST

START_TEST(test_a_removal_that_may_not_be_on_the_disk_is_an_error)
{
	scratch_write_text(&root, "/loader/esp-sync", "old\n");
	ck_assert_int_eq(write_failing(CALL_FSYNC, 1, EIO, NULL), -EIO);
	expect_message("/loader/esp-sync: was removed, but may still be on the disk",
		"Input/output error", "dmesg");
}
END_TEST

START_TEST(test_a_file_that_is_not_on_the_disk_gets_no_name)
{
	scratch_write_text(&root, "/loader/esp-sync", "old\n");
	ck_assert_int_eq(write_failing(CALL_FSYNC, 1, EIO, "new\n"), -EIO);
	expect_message("/loader/esp-sync: cannot be written", "Input/output error", "dmesg");
	ck_assert_str_eq(text_now(), "old\n");
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(test_a_name_that_may_not_be_on_the_disk_is_an_error)
{
	scratch_write_text(&root, "/loader/esp-sync", "old\n");
	ck_assert_int_eq(write_failing(CALL_FSYNC, 2, EIO, "new\n"), -EIO);
	expect_message("/loader/esp-sync: was replaced, but may not be on the disk",
		"Input/output error", "dmesg");
	ck_assert_str_eq(text_now(), "new\n");
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(test_a_read_only_mount_is_to_be_remounted)
{
	scratch_write_text(&root, "/loader/esp-sync", "old\n");
	ck_assert_int_eq(write_failing(CALL_CREATE, 1, EROFS, "new\n"), -EROFS);
	expect_message("/loader: ", "Read-only file system", "mount -o remount,rw");
	ck_assert_str_eq(text_now(), "old\n");
	ck_assert_int_eq(write_failing(CALL_WRITE, 1, ENOSPC, "new\n"), -ENOSPC);
	expect_message("/loader/esp-sync: ", "No space left", "remove something from that volume");
	ck_assert_int_eq(write_failing(CALL_CREATE, 1, EACCES, "new\n"), -EACCES);
	expect_message("/loader: ", "Permission denied", "as root");
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(test_names_are_not_tried_forever)
{
	scratch_write_text(&root, "/loader/esp-sync", "old\n");
	sticky = true;
	ck_assert_int_eq(write_failing(CALL_CREATE, 1, EEXIST, "new\n"), -EEXIST);
	ck_assert_uint_eq(n_calls, 10);
	ck_assert_uint_eq(n_messages, 1);
	ck_assert_str_eq(text_now(), "old\n");
}
END_TEST

START_TEST(test_what_is_in_the_way_is_named)
{
	scratch_write_text(&root, "/loader", "x");
	ck_assert_int_eq(write_text("new\n"), -ENOTDIR);
	expect_message("/loader: cannot be opened", "Not a directory", "move that out of the way");
	scratch_remove(&root);

	scratch_make(&root);
	scratch_write_text(&root, "/loader/esp-sync/x", "x");
	ck_assert_int_eq(write_text("new\n"), -EISDIR);
	expect_message("/loader/esp-sync: cannot be replaced", "Is a directory", "move that");
	ck_assert_uint_eq(count_files(), 1);
}
END_TEST

/* vfat has none; whoever makes one elsewhere does not get us to follow it. */
START_TEST(test_links_are_not_followed)
{
	scratch_make_folder(&root, "/elsewhere");
	scratch_link(&root, "/loader", "elsewhere");
	ck_assert_int_eq(write_text("new\n"), -ENOTDIR);
	ck_assert_str_eq(text_now(), "");
}
END_TEST

START_TEST(test_another_volume_at_that_path_is_left_alone)
{
	device++;
	ck_assert_int_eq(write_text("new\n"), -ENODEV);
	expect_message(": ", "cannot be reached", "something else is mounted over it");
	ck_assert_uint_eq(count_files(), 0);
	ck_assert_int_eq(rmdir(root.path), 0);
	ck_assert_int_eq(write_text("new\n"), -ENOENT);
	expect_message(": ", "No such file", "");
	ck_assert_int_eq(mkdir(root.path, 0700), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_list_is_made_with_its_directory,
		test_a_list_is_replaced_and_others_stay,
		test_short_and_interrupted_writes_go_on,
		test_a_temporary_name_that_is_taken_is_no_obstacle,
		test_all_is_on_the_disk_at_the_end,
		test_a_list_is_removed_and_others_stay,
		test_a_list_that_is_not_there_need_not_be_removed,
		test_whatever_call_fails_the_old_list_stays,
		test_whatever_call_fails_no_half_list_is_made,
		test_whatever_call_fails_a_list_that_is_to_go_stays,
		test_a_removal_that_may_not_be_on_the_disk_is_an_error,
		test_a_file_that_is_not_on_the_disk_gets_no_name,
		test_a_name_that_may_not_be_on_the_disk_is_an_error,
		test_a_read_only_mount_is_to_be_remounted,
		test_names_are_not_tried_forever,
		test_what_is_in_the_way_is_named,
		test_links_are_not_followed,
		test_another_volume_at_that_path_is_left_alone,
	};
	Suite *suite = suite_create("listfile-mounted");
	TCase *tc = tcase_create("listfile-mounted");

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
