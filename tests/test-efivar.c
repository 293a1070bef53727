/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The partition that the firmware started the boot loader from, out of made-up EFI variables. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/efivar.h"
#include "tests/scratch.h"
#include "tests/suite.h"

#define PATH "/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define ENTRY_PATH "/sys/firmware/efi/efivars/LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define UUID_UPPER "3F2504E0-4F89-41D3-9A0C-0305E82C3301"

static struct scratch root;
static char found[FES_UUID_MAX];

/* ---- a kernel that says EINTR: calls of read(2) in this program come here ---- */

static unsigned n_interruptions; /* to come */
static unsigned n_reads;
static int read_error; /* 0: none */

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	n_reads++;
	if (n_interruptions > 0) {
		n_interruptions--;
		errno = EINTR;
		return -1;
	}
	if (read_error != 0) {
		errno = read_error;
		return -1;
	}
	return __real_read(fd, buf, len);
}

static void setup(void)
{
	scratch_make(&root);
	strcpy(found, "untouched");
	n_interruptions = 0;
	n_reads = 0;
	read_error = 0;
}

static void teardown(void)
{
	scratch_remove(&root);
}

/* ---- variables ---- */

/* Attributes, @text as UTF-16LE, and @n_more bytes of 0. */
static void write_variable(const char *text, size_t n_more)
{
	unsigned char bytes[2048] = {0x06, 0, 0, 0};
	size_t len = strlen(text);

	ck_assert_uint_le(4 + 2 * len + n_more, sizeof bytes);
	for (size_t i = 0; i < len; i++)
		bytes[4 + 2 * i] = (unsigned char)text[i];
	scratch_write(&root, PATH, bytes, 4 + 2 * len + n_more);
}

static void expect(int result, const char *uuid)
{
	ck_assert_int_eq(fes_efivar_loader_partuuid(root.path, found), result);
	ck_assert_str_eq(found, uuid);
}

static void expect_error(int result)
{
	expect(result, "untouched");
}

START_TEST(test_the_uuid_is_read)
{
	write_variable(UUID, 2);
	expect(0, UUID);
	ck_assert_uint_eq(n_reads, 1);
}
END_TEST

START_TEST(test_it_comes_in_lower_case)
{
	write_variable(UUID_UPPER, 2);
	expect(0, UUID);
}
END_TEST

START_TEST(test_the_nul_may_be_missing)
{
	write_variable(UUID, 0);
	expect(0, UUID);
	write_variable(UUID, 1);
	expect(0, UUID);
}
END_TEST

START_TEST(test_what_follows_the_nul_does_not_count)
{
	write_variable(UUID, 20);
	expect(0, UUID);
}
END_TEST

START_TEST(test_no_variable_is_not_there)
{
	expect_error(-ENOENT);
	scratch_make_folder(&root, "/sys");
	expect_error(-ENOENT);
	scratch_write_text(&root, "/sys/firmware/efi/efivars/x", "");
	expect_error(-ENOENT);
}
END_TEST

START_TEST(test_a_variable_of_no_bytes_is_not_there)
{
	scratch_write(&root, PATH, "", 0);
	expect_error(-ENOENT);
}
END_TEST

START_TEST(test_a_variable_without_all_attributes_is_refused)
{
	scratch_write(&root, PATH, "\x06\0\0", 3);
	expect_error(-EBADMSG);
	scratch_write(&root, PATH, "\x06\0\0\0", 4);
	expect_error(-EBADMSG);
}
END_TEST

static void write_entry(const char *text)
{
	unsigned char bytes[1024] = {0x06, 0, 0, 0};

	for (size_t i = 0; text[i]; i++)
		bytes[4 + 2 * i] = (unsigned char)text[i];
	scratch_write(&root, ENTRY_PATH, bytes, 4 + 2 * strlen(text) + 2);
}

START_TEST(test_the_booted_entry_is_read_in_lower_case)
{
	char entry[FES_ENTRY_ID_MAX];

	write_entry("Debian-6.1.conf");
	ck_assert_int_eq(fes_efivar_loader_entry(root.path, entry), 0);
	ck_assert_str_eq(entry, "debian-6.1.conf");
}
END_TEST

START_TEST(test_a_booted_entry_that_is_unknown_or_too_long_is_told)
{
	char entry[FES_ENTRY_ID_MAX] = "untouched", longer[FES_ENTRY_ID_MAX + 1];

	ck_assert_int_eq(fes_efivar_loader_entry(root.path, entry), -ENOENT);
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	write_entry(longer);
	ck_assert_int_eq(fes_efivar_loader_entry(root.path, entry), -EBADMSG);
	ck_assert_str_eq(entry, "untouched");
}
END_TEST

START_TEST(test_what_is_no_uuid_is_refused)
{
	static const char *const wrong[] = {"", "x", "{" UUID "}", UUID "0", " " UUID, UUID " ",
		"3f2504e0-4f89-41d3-9a0c-0305e82c330", "3f2504e0-4f89-41d3-9a0c-0305e82c330g"};
	char longer[1000];

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_variable(wrong[i], 2);
		expect_error(-EBADMSG);
	}
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	write_variable(longer, 2);
	expect_error(-EBADMSG);
	write_variable(UUID, 1200);
	expect_error(-EBADMSG);
}
END_TEST

/* Not UTF-16LE: the UUID byte by byte, and in big endian. */
START_TEST(test_other_encodings_are_refused)
{
	unsigned char bytes[4 + 2 * 36] = {0x06};

	scratch_write_text(&root, PATH, "\x06\x01\x01\x01" UUID);
	expect_error(-EBADMSG);
	for (size_t i = 0; i < 36; i++)
		bytes[4 + 2 * i + 1] = (unsigned char)UUID[i];
	scratch_write(&root, PATH, bytes, sizeof bytes);
	expect_error(-EBADMSG);
}
END_TEST

/* A letter of another script whose low byte is that of the right digit. */
START_TEST(test_only_ascii_is_taken)
{
	unsigned char bytes[4 + 2 * 36] = {0x06};

	for (size_t i = 0; i < 36; i++)
		bytes[4 + 2 * i] = (unsigned char)UUID[i];
	bytes[4 + 2 * 35 + 1] = 0x04;
	scratch_write(&root, PATH, bytes, sizeof bytes);
	expect_error(-EBADMSG);
}
END_TEST

START_TEST(test_reading_is_tried_again_when_the_kernel_is_busy)
{
	write_variable(UUID, 2);
	n_interruptions = 19;
	expect(0, UUID);
	strcpy(found, "untouched");
	n_interruptions = 24;
	expect(0, UUID);
}
END_TEST

START_TEST(test_reading_is_not_tried_forever)
{
	write_variable(UUID, 2);
	n_interruptions = 1000000;
	expect_error(-EBUSY);
	ck_assert_uint_eq(n_reads, 25);
}
END_TEST

START_TEST(test_other_errors_are_told_at_once)
{
	write_variable(UUID, 2);
	read_error = EIO;
	expect_error(-EIO);
	ck_assert_uint_eq(n_reads, 1);
}
END_TEST

START_TEST(test_a_folder_of_that_name_is_an_error)
{
	scratch_write_text(&root, PATH "/x", "");
	expect_error(-EISDIR);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_the_uuid_is_read,
		test_it_comes_in_lower_case,
		test_the_nul_may_be_missing,
		test_what_follows_the_nul_does_not_count,
		test_no_variable_is_not_there,
		test_a_variable_of_no_bytes_is_not_there,
		test_a_variable_without_all_attributes_is_refused,
		test_the_booted_entry_is_read_in_lower_case,
		test_a_booted_entry_that_is_unknown_or_too_long_is_told,
		test_what_is_no_uuid_is_refused,
		test_other_encodings_are_refused,
		test_only_ascii_is_taken,
		test_reading_is_tried_again_when_the_kernel_is_busy,
		test_reading_is_not_tried_forever,
		test_other_errors_are_told_at_once,
		test_a_folder_of_that_name_is_an_error,
	};
	Suite *suite = suite_create("efivar");
	TCase *tc = tcase_create("efivar");

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
