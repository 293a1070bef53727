/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Boot loader entries as text: which files they name; and names without their counters. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/fat.h"
#include "lib/bls.h"
#include "lib/paths.h"
#include "tests/faults-wrap.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void parse_bytes(const char *text, size_t len, struct fes_bls *ret)
{
	/* Of its own, so that a byte too far is noticed. */
	char *copy = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	ck_assert_int_eq(fes_bls_parse(copy, len, ret), 0);
	free(copy);
}

/* "3 initrd [/a b] /a /b\n": number, key, the one path, the several. */
static char *describe(const struct fes_bls *bls)
{
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(file);
	for (size_t i = 0; i < bls->n_lines; i++) {
		const struct fes_bls_line *line = &bls->lines[i];

		(void)fprintf(file, "%u %s [%s]", line->number, line->key,
			line->whole ? line->whole : "");
		for (size_t j = 0; j < line->n_parts; j++)
			(void)fprintf(file, " %s", line->parts[j]);
		(void)fputc('\n', file);
	}
	ck_assert_int_eq(fclose(file), 0);
	return text;
}

static void expect_bytes(const char *text, size_t len, const char *wanted)
{
	struct fes_bls bls;
	char *found;

	parse_bytes(text, len, &bls);
	found = describe(&bls);
	ck_assert_msg(strcmp(found, wanted) == 0, "'%s' is\n%snot\n%s", text, found, wanted);
	free(found);
	fes_bls_done(&bls);
}

static void expect(const char *text, const char *wanted)
{
	expect_bytes(text, strlen(text), wanted);
}

/* ---- lines ---- */

START_TEST(test_lines_that_name_files_are_found_in_their_order)
{
	expect("title A machine\n"
	       "version 6.1\n"
	       "sort-key debian\n"
	       "linux /a/linux\n"
	       "initrd /a/1\n"
	       "initrd /a/2\n"
	       "options root=/dev/sda1 initrd=/no\n"
	       "devicetree /a/dt\n"
	       "devicetree-overlay /a/o\n"
	       "architecture x64\n"
	       "profile 1\n"
	       "extra /a/x\n"
	       "efi /e\n"
	       "uki /u\n",
		"4 linux [/a/linux]\n"
		"5 initrd [/a/1]\n"
		"6 initrd [/a/2]\n"
		"8 devicetree [/a/dt]\n"
		"9 devicetree-overlay [/a/o]\n"
		"12 extra [/a/x]\n"
		"13 efi [/e]\n"
		"14 uki [/u]\n");
}
END_TEST

START_TEST(test_any_line_end_will_do)
{
	expect("linux /a\r\ninitrd /b\r\n\r\nextra /c\r\n",
		"1 linux [/a]\n2 initrd [/b]\n4 extra [/c]\n");
	expect("linux /a\rinitrd /b\r\rextra /c\r",
		"1 linux [/a]\n2 initrd [/b]\n4 extra [/c]\n");
	expect("linux /a\n\ninitrd /b", "1 linux [/a]\n3 initrd [/b]\n");
	expect("linux /a\r", "1 linux [/a]\n");
	expect("\nlinux /a", "2 linux [/a]\n");
}
END_TEST

START_TEST(test_a_nul_ends_a_line)
{
	expect_bytes("linux /a\0initrd /b\0", 19, "1 linux [/a]\n2 initrd [/b]\n");
	expect_bytes("\0\0linux /a", 10, "3 linux [/a]\n");
	expect_bytes("linux /a\0b\n", 11, "1 linux [/a]\n");
}
END_TEST

START_TEST(test_blanks_around_keys_and_values_mean_nothing)
{
	expect("linux\t/a\n", "1 linux [/a]\n");
	expect("\t linux \t /a \t \r\n", "1 linux [/a]\n");
	expect("linux /a   \t\n", "1 linux [/a]\n");
}
END_TEST

START_TEST(test_keys_are_taken_in_any_case_and_whole)
{
	expect("LINUX /a\nInitrd /b\nDeviceTree-Overlay /c\n",
		"1 linux [/a]\n2 initrd [/b]\n3 devicetree-overlay [/c]\n");
	expect("linux: /a\nlinu /a\nlinuxx /a\nlinux=/a\nlinux-x /a\ndevicetree-overla /a\n", "");
}
END_TEST

START_TEST(test_a_value_has_the_case_that_was_given)
{
	expect("linux /EFI/Linux/LINUX\n", "1 linux [/EFI/Linux/LINUX]\n");
}
END_TEST

START_TEST(test_comments_and_empty_lines_name_nothing)
{
	expect("#linux /a\n  # linux /b\n\t#\n\n \t \nlinux /c\n", "6 linux [/c]\n");
	expect("linux /a#b\n", "1 linux [/a#b]\n");
	expect("", "");
	expect("\n", "");
	expect("# no more than this", "");
}
END_TEST

START_TEST(test_a_key_without_a_value_names_nothing)
{
	expect("linux\ninitrd \nextra\t\n efi", "");
	expect("linux \"\"\nlinux ''\n", "");
}
END_TEST

START_TEST(test_quotes_around_a_value_do_not_belong_to_it)
{
	expect("linux \"/a b\"\nlinux '/c'\n", "1 linux [/a b]\n2 linux [/c]\n");
	expect("initrd \"/a /b\"\n", "1 initrd [/a /b] /a /b\n");
	expect("linux /a'b\nlinux '/a\n", "1 linux [/a'b]\n2 linux [/'/a]\n");
	expect("linux \"/a\nlinux '\n", "1 linux []\n2 linux [/']\n");
}
END_TEST

START_TEST(test_the_value_is_kept_as_it_stands_there)
{
	struct fes_bls bls;

	parse_bytes("linux \t \\a//b/../c \r\n", 20, &bls);
	ck_assert_uint_eq(bls.n_lines, 1);
	ck_assert_str_eq(bls.lines[0].value, "\\a//b/../c");
	ck_assert_ptr_null(bls.lines[0].whole);
	fes_bls_done(&bls);
	ck_assert_uint_eq(bls.n_lines, 0);
}
END_TEST

static void expect_url(const char *text, bool wanted)
{
	struct fes_bls bls;

	parse_bytes(text, strlen(text), &bls);
	ck_assert_msg(bls.has_url == wanted, "'%s'", text);
	ck_assert_uint_eq(bls.n_lines, 0);
	fes_bls_done(&bls);
}

START_TEST(test_a_url_is_noticed_and_no_file)
{
	expect_url("uki-url https://x/y.efi\n", true);
	expect_url("UKI-URL :y.efi", true);
	expect_url("uki-url\n", false);
	expect_url("#uki-url x\n", false);
	expect_url("url x\n", false);
}
END_TEST

/* ---- paths ---- */

START_TEST(test_a_path_begins_with_one_slash_and_has_one_between_its_parts)
{
	expect("linux a\n", "1 linux [/a]\n");
	expect("linux a/b\n", "1 linux [/a/b]\n");
	expect("linux ///a//b///c\n", "1 linux [/a/b/c]\n");
	expect("linux \\a\\b\n", "1 linux [/a/b]\n");
	expect("linux \\\\a\\/b\n", "1 linux [/a/b]\n");
	expect("linux EFI\\Linux\\a.efi\n", "1 linux [/EFI/Linux/a.efi]\n");
}
END_TEST

START_TEST(test_what_leaves_a_directory_or_stays_in_it_is_no_path)
{
	expect("linux ..\n", "1 linux []\n");
	expect("linux .\n", "1 linux []\n");
	expect("linux /\n", "1 linux []\n");
	expect("linux \\\n", "1 linux []\n");
	expect("linux ../a\n", "1 linux []\n");
	expect("linux /a/../b\n", "1 linux []\n");
	expect("linux /a/./b\n", "1 linux []\n");
	expect("linux /a/..\n", "1 linux []\n");
	expect("linux \\a\\..\\b\n", "1 linux []\n");
	expect("linux /a/...\n", "1 linux []\n");
}
END_TEST

START_TEST(test_a_slash_at_the_end_means_no_file)
{
	expect("linux /a/\nlinux /a//\nlinux a\\\n", "1 linux []\n2 linux []\n3 linux []\n");
}
END_TEST

START_TEST(test_dots_at_the_end_of_a_name_do_not_belong_to_it)
{
	expect("linux /a./b..\n", "1 linux [/a/b]\n");
	expect("linux /.a/..b/c.d\n", "1 linux [/.a/..b/c.d]\n");
}
END_TEST

START_TEST(test_what_no_name_can_hold_makes_no_path)
{
	static const char forbidden[] = "\"*:<>?|\x01\x1f\x0b";

	for (size_t i = 0; i < sizeof forbidden - 1; i++) {
		char text[] = "linux /a/b-c/d\n";

		text[10] = forbidden[i];
		expect(text, "1 linux []\n");
	}
	expect("linux /a\tb\n", "1 linux []\n");
	expect("linux /$%&'()+,-;=@[]^_`{}~!#\x7f\n", "1 linux [/$%&'()+,-;=@[]^_`{}~!#\x7f]\n");
}
END_TEST

START_TEST(test_names_beyond_ascii_are_utf8)
{
	expect("linux /\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80\n",
		"1 linux [/\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80]\n");
	expect("linux /\xed\xa0\x80\n", "1 linux [/\xed\xa0\x80]\n"); /* half a pair */
	expect("linux /\xe4\n", "1 linux []\n");                     /* Latin-1 */
	expect("linux /\xe4/a\n", "1 linux []\n");
	expect("linux /\x80\n", "1 linux []\n");
	expect("linux /\xc0\xaf\n", "1 linux []\n"); /* '/', too long */
	expect("linux /\xe0\x80\xaf\n", "1 linux []\n");
	expect("linux /\xf0\x80\x80\xaf\n", "1 linux []\n");
	expect("linux /\xf4\x90\x80\x80\n", "1 linux []\n"); /* behind the last character */
	expect("linux /\xf5\x80\x80\x80\n", "1 linux []\n");
	expect("linux /a\xe2\x82", "1 linux []\n");
	expect("linux /a\xf0", "1 linux []\n");
	expect("linux /a\xc3\x00", "1 linux []\n");
}
END_TEST

/* A line "linux /ccc...", where @c stands @n times. */
static void expect_long_name(const char *c, size_t n, bool fits)
{
	char text[2048] = "linux /", wanted[2048] = "1 linux [";

	for (size_t i = 0; i < n; i++)
		(void)strcat(text, c);
	if (fits)
		(void)strcat(wanted, text + strlen("linux "));
	(void)strcat(wanted, "]\n");
	(void)strcat(text, "\n");
	expect(text, wanted);
}

START_TEST(test_a_name_has_up_to_255_units_of_utf16)
{
	expect_long_name("a", 255, true);
	expect_long_name("a", 256, false);
	expect_long_name("\xe2\x82\xac", 255, true);
	expect_long_name("\xe2\x82\xac", 256, false);
	expect_long_name("\xf0\x9f\x98\x80", 127, true);
	expect_long_name("\xf0\x9f\x98\x80", 128, false);
}
END_TEST

/* "KEY " and slashes up to @len bytes, ending in 'x', then another line. */
static void expect_long_line(size_t len)
{
	static const char next[] = "\nlinux /b\n";
	char *text = malloc(len + sizeof next);
	struct fes_bls bls;

	ck_assert_ptr_nonnull(text);
	memcpy(text, "initrd ", 7);
	memset(text + 7, '/', len - 7);
	text[len - 1] = 'x';
	memcpy(text + len, next, sizeof next);
	parse_bytes(text, len + sizeof next - 1, &bls);
	ck_assert_uint_eq(bls.n_lines, 2);
	ck_assert_str_eq(bls.lines[0].whole, "/x");
	ck_assert_uint_eq(strlen(bls.lines[0].value), len - 7);
	ck_assert_str_eq(bls.lines[1].whole, "/b");
	ck_assert_uint_eq(bls.lines[1].number, 2);
	fes_bls_done(&bls);
	free(text);
}

START_TEST(test_lines_can_be_of_any_length)
{
	expect_long_line(4096);
	expect_long_line(4097);
	expect_long_line(64 * 1024);
	expect_long_line(1024 * 1024);
}
END_TEST

/* "linux " and "/a", @n times, of which the last ones have @len bytes more in all. */
static void expect_deep_path(size_t n, size_t len, bool fits)
{
	char *text = calloc(1, 6 + n * 2 + len + 1), *at;
	struct fes_bls bls;

	ck_assert_ptr_nonnull(text);
	at = stpcpy(text, "linux ");
	for (size_t i = n; i > 0; i--) {
		size_t more = len / i;

		at = stpcpy(at, "/a");
		memset(at, 'a', more);
		at += more;
		len -= more;
	}
	parse_bytes(text, (size_t)(at - text), &bls);
	ck_assert_uint_eq(bls.n_lines, 1);
	if (fits)
		ck_assert_str_eq(bls.lines[0].whole, text + 6);
	else
		ck_assert_ptr_null(bls.lines[0].whole);
	fes_bls_done(&bls);
	free(text);
}

START_TEST(test_what_lies_deeper_than_we_read_is_no_path)
{
	expect_deep_path(FES_PATH_PARTS_MAX, 0, true);
	expect_deep_path(FES_PATH_PARTS_MAX + 1, 0, false);
	expect_deep_path(60000, 0, false);
}
END_TEST

START_TEST(test_a_path_has_up_to_4096_bytes)
{
	expect_deep_path(32, FES_PATH_LEN_MAX - 64, true);
	expect_deep_path(32, FES_PATH_LEN_MAX - 64 + 1, false);
}
END_TEST

START_TEST(test_a_long_comment_hides_nothing)
{
	static char text[65536 + 32];

	memset(text, '#', 65536);
	(void)strcpy(text + 65536, "\nlinux /a\n");
	expect(text, "2 linux [/a]\n");
}
END_TEST

/* ---- both readings ---- */

START_TEST(test_several_paths_on_a_line_can_also_be_one_with_blanks)
{
	expect("initrd /ucode.img /initrd.img\n",
		"1 initrd [/ucode.img /initrd.img] /ucode.img /initrd.img\n");
	expect("initrd a \t  \\b\\c\n", "1 initrd [] /a /b/c\n");
	expect("devicetree-overlay /a /b /c\n", "1 devicetree-overlay [/a /b /c] /a /b /c\n");
	expect("extra x.cred y.cred\n", "1 extra [/x.cred y.cred] /x.cred /y.cred\n");
}
END_TEST

START_TEST(test_other_lines_have_one_path)
{
	expect("linux /a b\nuki /a b\nefi /a b\ndevicetree /a b\n",
		"1 linux [/a b]\n2 uki [/a b]\n3 efi [/a b]\n4 devicetree [/a b]\n");
}
END_TEST

START_TEST(test_where_one_of_several_is_no_path_there_is_one_reading)
{
	expect("initrd /a /../b\n", "1 initrd []\n");
	expect("initrd /a ../b\n", "1 initrd [/a /b]\n");
	expect("initrd /a :\n", "1 initrd []\n");
	expect("initrd /a /b/\n", "1 initrd []\n");
	expect("initrd /a. b\n", "1 initrd [/a. b] /a /b\n");
	expect("initrd /a/ b\n", "1 initrd [/a/ b]\n");
}
END_TEST

START_TEST(test_thousands_of_paths_on_a_line_are_all_found)
{
	enum { N = 30000 };
	char *text = malloc(6 + N * 2 + 1);
	struct fes_bls bls;

	ck_assert_ptr_nonnull(text);
	memcpy(text, "extra ", 6);
	for (size_t i = 0; i < N; i++)
		memcpy(text + 6 + i * 2, "x ", 2);
	parse_bytes(text, 6 + N * 2, &bls);
	ck_assert_uint_eq(bls.n_lines, 1);
	ck_assert_uint_eq(bls.lines[0].n_parts, N);
	for (size_t i = 0; i < N; i++)
		ck_assert_str_eq(bls.lines[0].parts[i], "/x");
	fes_bls_done(&bls);
	free(text);
}
END_TEST

/* ---- any bytes ---- */

static void expect_path(const char *path)
{
	ck_assert_int_eq(path[0], '/');
	ck_assert_int_ne(path[strlen(path) - 1], '/');
	ck_assert_ptr_null(strstr(path, "//"));
	ck_assert_ptr_null(strstr(path, "./"));
	ck_assert_ptr_null(strpbrk(path, "\\\r\n\t"));
}

START_TEST(test_any_bytes_give_paths_or_none)
{
	static const char *const pieces[] = {"linux", "initrd", "extra", " ", "\t", "\n", "\r", "/",
		"\\", ".", "..", "a", "\"", "'", "#", "\xc3", "\xa4", "\xf0", "\xe0\x80", "uki-url",
		":"};
	uint32_t state = 1;

	for (int i = 0; i < 20000; i++) {
		char text[256] = "";
		struct fes_bls bls;

		for (int j = 0; j < 24; j++) {
			state = state * 1664525u + 1013904223u;
			(void)strcat(text, pieces[(state >> 16) % COUNT(pieces)]);
		}
		parse_bytes(text, strlen(text), &bls);
		for (size_t j = 0; j < bls.n_lines; j++) {
			ck_assert_int_ne(bls.lines[j].value[0], '\0');
			if (bls.lines[j].whole)
				expect_path(bls.lines[j].whole);
			for (size_t k = 0; k < bls.lines[j].n_parts; k++)
				expect_path(bls.lines[j].parts[k]);
		}
		fes_bls_done(&bls);
	}
}
END_TEST

START_TEST(test_without_memory_there_is_no_answer)
{
	static const char text[] = "linux /a\ninitrd /a /b\nextra /x\nefi /y\nuki /z\n";
	struct fes_bls bls, untouched;
	uint64_t nth = 1;
	int r;

	memset(&untouched, 0x55, sizeof untouched);
	do {
		memset(&bls, 0x55, sizeof bls);
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth++};
		r = fes_bls_parse(text, sizeof text - 1, &bls);
		wrap_fault.calls = 0;
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
		if (r < 0)
			ck_assert_int_eq(memcmp(&bls, &untouched, sizeof bls), 0);
	} while (r < 0);
	ck_assert_uint_eq(bls.n_lines, 5);
	ck_assert_uint_gt(nth, 10);
	fes_bls_done(&bls);
}
END_TEST

/* ---- names ---- */

static void expect_identity(const char *name, bool counted, const char *wanted)
{
	char found[FAT_NAME_MAX], folded[FAT_NAME_MAX];

	(void)fat_name_fold(wanted, folded);
	ck_assert_msg(fes_bls_identity(name, found) == counted, "%s", name);
	ck_assert_msg(strcmp(found, folded) == 0, "%s is %s", name, found);
}

START_TEST(test_a_counter_is_no_part_of_an_identity)
{
	expect_identity("x+3.conf", true, "x.conf");
	expect_identity("x+2-1.conf", true, "x.conf");
	expect_identity("x+0-3.conf", true, "x.conf");
	expect_identity("x+0.efi", true, "x.efi");
	expect_identity("x+10.conf", true, "x.conf");
	expect_identity("x+09-01.efi", true, "x.efi");
	expect_identity("x.conf", false, "x.conf");
}
END_TEST

START_TEST(test_case_does_not_matter_for_an_identity)
{
	expect_identity("x+3.CONF", true, "X.conf");
	expect_identity("X+3.efi", true, "x.EFI");
	expect_identity("\xc3\xa4+3.conf", true, "\xc3\x84.conf");
	expect_identity("\xc3\xb7+3.conf", true, "\xc3\xb7.conf"); /* no letter */
}
END_TEST

START_TEST(test_the_last_plus_counts)
{
	expect_identity("a+b.conf", false, "a+b.conf");
	expect_identity("a+b+3.conf", true, "a+b.conf");
	expect_identity("x++3.conf", true, "x+.conf");
	expect_identity("x+3+.conf", false, "x+3+.conf");
	expect_identity("x+3+4.conf", true, "x+3.conf");
	expect_identity("x+3+b.conf", false, "x+3+b.conf");
}
END_TEST

START_TEST(test_what_is_no_counter_stays)
{
	expect_identity("+.conf", false, "+.conf");
	expect_identity("+3.conf", false, "+3.conf");
	expect_identity("x+.conf", false, "x+.conf");
	expect_identity("x+3-.conf", false, "x+3-.conf");
	expect_identity("x+-3.conf", false, "x+-3.conf");
	expect_identity("x+3-1-2.conf", false, "x+3-1-2.conf");
	expect_identity("x+3 .conf", false, "x+3 .conf");
	expect_identity("x+ 3.conf", false, "x+ 3.conf");
	expect_identity("x+3a.conf", false, "x+3a.conf");
	expect_identity("x+0x3.conf", false, "x+0x3.conf");
	expect_identity("x-3.conf", false, "x-3.conf");
	expect_identity("+", false, "+");
	expect_identity("", false, "");
}
END_TEST

START_TEST(test_other_files_have_no_counter)
{
	expect_identity("x+3", false, "x+3");
	expect_identity("x+3.", false, "x+3.");
	expect_identity("x+3.cfg", false, "x+3.cfg");
	expect_identity("x+3.conf.bak", false, "x+3.conf.bak");
	expect_identity("x+3.config", false, "x+3.config");
	expect_identity("x+3.conf ", false, "x+3.conf ");
	expect_identity("x+3.efi.extra.d", false, "x+3.efi.extra.d");
}
END_TEST

START_TEST(test_a_number_that_boot_loaders_do_not_take_is_no_counter)
{
	expect_identity("x+2147483647-2147483647.conf", true, "x.conf");
	expect_identity("x+2147483648.conf", false, "x+2147483648.conf");
	expect_identity("x+1-2147483648.conf", false, "x+1-2147483648.conf");
	expect_identity("x+99999999999999999999999999.conf", false,
		"x+99999999999999999999999999.conf");
	expect_identity("x+00000000000000000000000003.conf", true, "x.conf");
}
END_TEST

START_TEST(test_an_entry_without_tries_left_is_bad)
{
	ck_assert(fes_bls_is_bad("x+0-3.conf"));
	ck_assert(fes_bls_is_bad("x+0.efi"));
	ck_assert(fes_bls_is_bad("x+00-1.EFI"));
	ck_assert(fes_bls_is_bad("x+3+0.conf"));
	ck_assert(!fes_bls_is_bad("x.conf"));
	ck_assert(!fes_bls_is_bad("x+1-3.conf"));
	ck_assert(!fes_bls_is_bad("x+01.conf"));
	ck_assert(!fes_bls_is_bad("x+3-0.conf"));
	ck_assert(!fes_bls_is_bad("x+10.efi"));
	ck_assert(!fes_bls_is_bad("x+0+3.conf"));
	ck_assert(!fes_bls_is_bad("x+0.cfg"));
	ck_assert(!fes_bls_is_bad("x+0-.conf"));
	ck_assert(!fes_bls_is_bad("+0.conf"));
	ck_assert(!fes_bls_is_bad("x+.conf"));
	ck_assert(!fes_bls_is_bad(""));
}
END_TEST

START_TEST(test_the_longest_names_have_an_identity)
{
	char name[FAT_NAME_MAX] = "", wanted[FAT_NAME_MAX] = "";

	for (int i = 0; i < 248; i++) {
		(void)strcat(name, "\xe2\x82\xac");
		(void)strcat(wanted, "\xe2\x82\xac");
	}
	(void)strcat(name, "+3.conf");
	(void)strcat(wanted, ".conf");
	expect_identity(name, true, wanted);
}
END_TEST

START_TEST(test_what_boot_loaders_pass_over_is_no_entry_and_no_image)
{
	ck_assert(fes_bls_is_entry_name("a.conf"));
	ck_assert(fes_bls_is_entry_name("A+3.CONF"));
	ck_assert(fes_bls_is_entry_name("autobahn.conf"));
	ck_assert(fes_bls_is_entry_name("x.auto-.conf"));
	ck_assert(!fes_bls_is_entry_name(".conf"));
	ck_assert(!fes_bls_is_entry_name(".a.conf"));
	ck_assert(!fes_bls_is_entry_name(".#a.conf"));
	ck_assert(!fes_bls_is_entry_name("auto-a.conf"));
	ck_assert(!fes_bls_is_entry_name("AUTO-a.conf"));
	ck_assert(!fes_bls_is_entry_name("a.efi"));
	ck_assert(!fes_bls_is_entry_name("aconf"));
	ck_assert(!fes_bls_is_entry_name("a.conf~"));
	ck_assert(!fes_bls_is_entry_name("conf"));
	ck_assert(!fes_bls_is_entry_name(""));
	ck_assert(fes_bls_is_image_name("a.efi"));
	ck_assert(fes_bls_is_image_name("a+2-1.EFI"));
	ck_assert(!fes_bls_is_image_name(".efi"));
	ck_assert(!fes_bls_is_image_name(".a.efi"));
	ck_assert(!fes_bls_is_image_name("Auto-a.efi"));
	ck_assert(!fes_bls_is_image_name("a.conf"));
	ck_assert(!fes_bls_is_image_name("a.efi.extra.d"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_lines_that_name_files_are_found_in_their_order,
		test_any_line_end_will_do,
		test_a_nul_ends_a_line,
		test_blanks_around_keys_and_values_mean_nothing,
		test_keys_are_taken_in_any_case_and_whole,
		test_a_value_has_the_case_that_was_given,
		test_comments_and_empty_lines_name_nothing,
		test_a_key_without_a_value_names_nothing,
		test_quotes_around_a_value_do_not_belong_to_it,
		test_the_value_is_kept_as_it_stands_there,
		test_a_url_is_noticed_and_no_file,
		test_a_path_begins_with_one_slash_and_has_one_between_its_parts,
		test_what_leaves_a_directory_or_stays_in_it_is_no_path,
		test_a_slash_at_the_end_means_no_file,
		test_dots_at_the_end_of_a_name_do_not_belong_to_it,
		test_what_no_name_can_hold_makes_no_path,
		test_names_beyond_ascii_are_utf8,
		test_a_name_has_up_to_255_units_of_utf16,
		test_lines_can_be_of_any_length,
		test_what_lies_deeper_than_we_read_is_no_path,
		test_a_path_has_up_to_4096_bytes,
		test_a_long_comment_hides_nothing,
		test_several_paths_on_a_line_can_also_be_one_with_blanks,
		test_other_lines_have_one_path,
		test_where_one_of_several_is_no_path_there_is_one_reading,
		test_thousands_of_paths_on_a_line_are_all_found,
		test_any_bytes_give_paths_or_none,
		test_without_memory_there_is_no_answer,
		test_a_counter_is_no_part_of_an_identity,
		test_case_does_not_matter_for_an_identity,
		test_the_last_plus_counts,
		test_what_is_no_counter_stays,
		test_other_files_have_no_counter,
		test_a_number_that_boot_loaders_do_not_take_is_no_counter,
		test_an_entry_without_tries_left_is_bad,
		test_the_longest_names_have_an_identity,
		test_what_boot_loaders_pass_over_is_no_entry_and_no_image,
	};
	Suite *suite = suite_create("bls");
	TCase *tc = tcase_create("bls");

	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
