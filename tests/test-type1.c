/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The entries of a volume: which there are, what they name, and whether that is there. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/type1.h"
#include "tests/faults-wrap.h"
#include "tests/side.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { MIB = 1024 * 1024 };

static struct fes_type1s read_entries(struct esp *esp)
{
	struct fes_type1s entries;

	ck_assert_int_eq(fes_type1s_read(esp->side.volume, &entries), 0);
	return entries;
}

/* ---- which there are ---- */

static void expect_paths(struct esp *esp, const char *const *paths, size_t n)
{
	struct fes_type1s entries = read_entries(esp);

	ck_assert_uint_eq(entries.n, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(entries.list[i].path, paths[i]);
		ck_assert_str_eq(entries.list[i].name, strrchr(paths[i], '/') + 1);
	}
	fes_type1s_done(&entries);
	ck_assert_uint_eq(entries.n, 0);
}

START_TEST(test_entries_are_found_by_their_names_and_in_order)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/entries/b+3.conf", .text = "linux /b"},
		{.path = "/loader/entries/a.conf", .text = "linux /a"},
		{.path = "/loader/entries/C.CONF", .text = "linux /c"},
		{.path = "/loader/entries/.hidden.conf", .text = "linux /d"},
		{.path = "/loader/entries/auto-x.conf", .text = "linux /d"},
		{.path = "/loader/entries/readme.txt", .text = "linux /d"},
		{.path = "/loader/entries/a.conf.bak", .text = "linux /d"},
		{.path = "/loader/entries/dir.conf/x.conf", .text = "linux /d"},
		{.path = "/loader/x.conf", .text = "linux /d"},
		{.path = "/entries/x.conf", .text = "linux /d"},
	};
	static const char *const paths[] = {"/loader/entries/C.CONF", "/loader/entries/a.conf",
		"/loader/entries/b+3.conf"};
	struct esp *esp = esp_new(fixture_new(_i, files, COUNT(files)));

	expect_paths(esp, paths, COUNT(paths));
	ck_assert_str_eq(esp->messages.text, "");
	esp_free(esp);
}
END_TEST

START_TEST(test_paths_are_as_the_volume_writes_them)
{
	static const struct fixture_file files[] = {
		{.path = "/Loader/ENTRIES/Debian.conf", .text = "linux /b"},
	};
	static const char *const paths[] = {"/Loader/ENTRIES/Debian.conf"};
	struct esp *esp = esp_new(fixture_new(_i, files, COUNT(files)));

	expect_paths(esp, paths, COUNT(paths));
	esp_free(esp);
}
END_TEST

START_TEST(test_a_volume_without_entries_has_none)
{
	static const struct fixture_file empty[] = {{.path = "/loader/entries/"}};
	static const struct fixture_file none[] = {{.path = "/loader/"}};
	static const struct fixture_file file[] = {{.path = "/loader/entries", .text = "linux /a"}};
	static const struct fixture_file flat[] = {{.path = "/loader", .text = "linux /a"}};
	static const struct fixture_file *const volumes[] = {empty, none, file, flat, NULL};
	struct esp *esp = esp_new(fixture_new(0, volumes[_i], volumes[_i] ? 1 : 0));

	expect_paths(esp, NULL, 0);
	ck_assert_str_eq(esp->messages.text, "");
	esp_free(esp);
}
END_TEST

/* ---- what is read ---- */

START_TEST(test_an_entry_is_read_to_its_end)
{
	static char text[5000];
	static const struct fixture_file empty[] = {
		{.path = "/loader/entries/empty.conf", .size = 0},
		{.path = "/loader/entries/long.conf", .text = text},
	};
	struct fes_type1s entries;
	struct esp *esp;

	memset(text, '#', sizeof text);
	(void)strcpy(text + sizeof text - 20, "\nlinux /at-the-end");
	esp = esp_new(fixture_new(_i, empty, COUNT(empty)));
	entries = read_entries(esp);
	ck_assert_uint_eq(entries.n, 2);
	ck_assert_uint_eq(entries.list[0].bls.n_lines, 0);
	ck_assert(!entries.list[0].unread);
	ck_assert_uint_eq(entries.list[1].bls.n_lines, 1);
	ck_assert_str_eq(entries.list[1].bls.lines[0].whole, "/at-the-end");
	fes_type1s_done(&entries);
	esp_free(esp);
}
END_TEST

START_TEST(test_an_entry_of_more_than_a_mib_is_not_read)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/entries/a.conf", .size = FES_TYPE1_MAX, .seed = 1},
		{.path = "/loader/entries/b.conf", .size = FES_TYPE1_MAX + 1, .seed = 1},
		{.path = "/loader/entries/c.conf", .text = "linux /c"},
	};
	const struct fes_bls_line *line;
	struct fes_type1s entries;
	struct esp *esp = esp_new(fixture_new(1, files, COUNT(files)));

	entries = read_entries(esp);
	ck_assert_uint_eq(entries.n, 3);
	ck_assert(!entries.list[0].unread);
	ck_assert(entries.list[1].unread);
	ck_assert_uint_eq(entries.list[1].bls.n_lines, 0);
	ck_assert_int_eq(fes_type1_find_missing(&(struct fes_type1_place){.volume = esp->side.volume}, &entries.list[1], &line), 0);
	ck_assert_uint_eq(entries.list[2].bls.n_lines, 1);
	fes_type1s_done(&entries);
	esp_free(esp);
}
END_TEST

START_TEST(test_of_all_entries_16_mib_are_read)
{
	enum { N = FES_TYPE1_TOTAL_MAX / MIB };
	static struct fixture_file files[N + 2];
	static char paths[N + 2][40];
	struct fes_type1s entries;
	struct esp *esp;

	for (size_t i = 0; i < COUNT(files); i++) {
		(void)snprintf(paths[i], sizeof paths[i], "/loader/entries/%02zu.conf", i);
		files[i] = (struct fixture_file){.path = paths[i], .size = MIB, .seed = 1};
	}
	files[N + 1].size = 0;
	esp = esp_new(fixture_new_mkfs("-F 16 -s 8 x.img 20480", files, COUNT(files)));
	entries = read_entries(esp);
	ck_assert_uint_eq(entries.n, N + 2);
	for (size_t i = 0; i < N; i++)
		ck_assert(!entries.list[i].unread);
	ck_assert(entries.list[N].unread);
	ck_assert(!entries.list[N + 1].unread);
	fes_type1s_done(&entries);
	esp_free(esp);
}
END_TEST

/* ---- is it there ---- */

static const struct fixture_file payload[] = {
	{.path = "/vmlinuz", .size = 700, .seed = 1},
	{.path = "/initrd.img", .size = 700, .seed = 2},
	{.path = "/token/6.1/linux", .size = 700, .seed = 3},
	{.path = "/with blanks/a b", .size = 700, .seed = 4},
	{.path = "/empty", .size = 0},
};

START_TEST(test_a_file_is_there_in_any_case_and_a_directory_is_no_file)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/vmlinuz"), 1);
	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/TOKEN/6.1/Linux"), 1);
	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/empty"), 1);
	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/token/6.1"), 0);
	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/token/6.1/initrd"), 0);
	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/token/6.2/linux"), 0);
	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/vmlinuz/linux"), 0);
	ck_assert_int_eq(fes_volume_has_file(esp->side.volume, "/"), 0);
	ck_assert_str_eq(esp->messages.text, "");
	esp_free(esp);
}
END_TEST

/* What the entry @text lacks: the value of a line; NULL: nothing; "": something to boot. */
static void expect_missing(struct esp *esp, const char *text, const char *value)
{
	struct fes_type1 entry = {0};
	const struct fes_bls_line *line = NULL;
	int r;

	ck_assert_int_eq(fes_bls_parse(text, strlen(text), &entry.bls), 0);
	r = fes_type1_find_missing(&(struct fes_type1_place){.volume = esp->side.volume}, &entry, &line);
	ck_assert_msg(r == (value != NULL), "'%s': %d", text, r);
	ck_assert_msg(!r || (line != NULL) == (*value != '\0'), "'%s'", text);
	if (line)
		ck_assert_str_eq(line->value, value);
	fes_bls_done(&entry.bls);
}

START_TEST(test_an_entry_is_complete_when_all_its_files_are_there)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	expect_missing(esp, "linux /vmlinuz\ninitrd /initrd.img\n", NULL);
	expect_missing(esp, "linux \\token\\6.1\\LINUX\n", NULL);
	expect_missing(esp, "uki vmlinuz\n", NULL);
	expect_missing(esp, "efi vmlinuz\n", NULL);
	expect_missing(esp, "linux /vmlinux\n", "/vmlinux");
	expect_missing(
		esp, "linux /vmlinuz\ninitrd /initrd.img\ninitrd /microcode\n", "/microcode");
	expect_missing(esp, "linux /a\ninitrd /b\n", "/a");
	expect_missing(esp, "linux /vmlinuz\ndevicetree /dt\n", "/dt");
	expect_missing(
		esp, "linux /vmlinuz\ndevicetree-overlay /initrd.img /o\n", "/initrd.img /o");
	expect_missing(esp, "linux /vmlinuz\nextra /x\n", "/x");
	esp_free(esp);
}
END_TEST

START_TEST(test_a_directory_does_not_complete_an_entry)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	expect_missing(esp, "linux /token/6.1\n", "/token/6.1");
	expect_missing(esp, "linux /token/6.1/\n", "/token/6.1/");
	esp_free(esp);
}
END_TEST

START_TEST(test_what_is_no_path_is_missing)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	expect_missing(esp, "linux /token/../vmlinuz\n", "/token/../vmlinuz");
	expect_missing(esp, "linux /vmlinuz\ninitrd /\n", "/");
	esp_free(esp);
}
END_TEST

START_TEST(test_either_reading_of_a_line_completes_it)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	expect_missing(esp, "linux /vmlinuz\ninitrd /with blanks/a b\n", NULL);
	expect_missing(esp, "linux /vmlinuz\ninitrd /initrd.img /empty\n", NULL);
	expect_missing(esp, "linux /vmlinuz\ninitrd /initrd.img empty token/6.1/linux\n", NULL);
	expect_missing(esp, "linux /vmlinuz\ninitrd /initrd.img /none\n", "/initrd.img /none");
	expect_missing(esp, "linux /vmlinuz\ninitrd /none /initrd.img\n", "/none /initrd.img");
	expect_missing(esp, "linux /vmlinuz /empty\n", "/vmlinuz /empty");
	expect_missing(esp, "linux /with blanks/a b\n", NULL);
	esp_free(esp);
}
END_TEST

START_TEST(test_a_program_without_a_byte_is_missing)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	expect_missing(esp, "linux /empty\ninitrd /initrd.img\n", "/empty");
	expect_missing(esp, "uki /empty\n", "/empty");
	expect_missing(esp, "efi empty\n", "empty");
	expect_missing(esp, "linux /vmlinuz\nextra /empty\n", NULL);
	esp_free(esp);
}
END_TEST

/* Boot loaders skip empty ones, but what is left then is no initrd at all. */
START_TEST(test_initrds_without_a_byte_are_missing_unless_another_has_some)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	expect_missing(esp, "linux /vmlinuz\ninitrd /empty\n", "/empty");
	expect_missing(esp, "linux /vmlinuz\ninitrd /empty\ninitrd empty\n", "/empty");
	expect_missing(esp, "linux /vmlinuz\ninitrd /empty /empty\n", "/empty /empty");
	expect_missing(esp, "initrd /empty\nlinux /vmlinuz\ninitrd /initrd.img\n", NULL);
	expect_missing(esp, "initrd /initrd.img\nlinux /vmlinuz\ninitrd /empty\n", NULL);
	expect_missing(esp, "linux /vmlinuz\ninitrd /empty /initrd.img\n", NULL);
	esp_free(esp);
}
END_TEST

/* Who makes up very many paths gets no more looked up. */
START_TEST(test_beyond_a_number_of_paths_all_count_as_there)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));
	unsigned left = 2;
	struct fes_type1_place place = {.volume = esp->side.volume, .left = &left};
	const char *text = "linux /vmlinuz\ninitrd /initrd.img\nextra /none\n";
	const struct fes_bls_line *line = NULL;
	struct fes_type1 entry = {0};

	ck_assert_int_eq(fes_bls_parse(text, strlen(text), &entry.bls), 0);
	ck_assert_int_eq(fes_type1_find_missing(&place, &entry, &line), 0);
	ck_assert_uint_eq(left, 0);
	left = 3;
	ck_assert_int_eq(fes_type1_find_missing(&place, &entry, &line), 1);
	ck_assert_str_eq(line->value, "/none");
	fes_bls_done(&entry.bls);
	esp_free(esp);
}
END_TEST

START_TEST(test_an_entry_that_names_nothing_to_boot_lacks_that)
{
	struct esp *esp = esp_new(fixture_new(_i, payload, COUNT(payload)));

	expect_missing(esp, "", "");
	expect_missing(esp, "title x\n", "");
	expect_missing(esp, "initrd /initrd.img\n", "");
	expect_missing(esp, "uki-url https://x/y.efi\n", NULL);
	expect_missing(esp, "uki-url https://x/y.efi\ninitrd /none\n", "/none");
	esp_free(esp);
}
END_TEST

/* ---- what fails ---- */

static const struct fixture_file some[] = {
	{.path = "/loader/entries/a.conf", .text = "linux /vmlinuz\ninitrd /a /b"},
	{.path = "/loader/entries/b.conf", .text = "linux /vmlinuz"},
	{.path = "/loader/entries/c.conf", .text = "linux /vmlinuz"},
	{.path = "/vmlinuz", .size = 700, .seed = 1},
};

/* Read all and look for what is missing. */
static int look(struct esp *esp)
{
	struct fes_type1s entries, untouched;
	const struct fes_bls_line *line;
	int r;

	memset(&entries, 0x55, sizeof entries);
	memset(&untouched, 0x55, sizeof untouched);
	r = fes_type1s_read(esp->side.volume, &entries);
	if (r < 0) {
		wrap_fault.calls = 0; /* libcheck allocates */
		ck_assert_int_eq(memcmp(&entries, &untouched, sizeof entries), 0);
		return r;
	}
	for (size_t i = 0; r >= 0 && i < entries.n; i++)
		r = fes_type1_find_missing(&(struct fes_type1_place){.volume = esp->side.volume}, &entries.list[i], &line);
	wrap_fault.calls = 0;
	ck_assert_uint_eq(entries.n, 3);
	fes_type1s_done(&entries);
	return r;
}

START_TEST(test_each_read_that_fails_is_an_error)
{
	uint64_t nth = 0;
	struct esp *esp = esp_new(fixture_new(_i, some, COUNT(some)));
	struct fault *fault = &esp->side.fault;

	do {
		fault->nth = ++nth;
		fault->n_calls = 0;
		fault->n_fired = 0;
		fault->ops = TESTDEV_READ;
		fault->error = -EIO;
		messages_clear(&esp->messages);
		ck_assert_int_eq(look(esp) < 0, fault->n_fired > 0);
		ck_assert_int_eq(esp->messages.n > 0, fault->n_fired > 0);
	} while (fault->n_fired > 0);
	ck_assert_uint_gt(nth, 10);
	esp_free(esp);
}
END_TEST

START_TEST(test_without_memory_there_is_no_answer)
{
	uint64_t nth = 1;
	int r;
	struct esp *esp = esp_new(fixture_new(_i, some, COUNT(some)));

	do {
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth++};
		r = look(esp);
		ck_assert_int_eq(r < 0, wrap_fault.n_fired > 0);
		if (r < 0)
			ck_assert_int_eq(r, -ENOMEM);
	} while (r < 0);
	ck_assert_uint_gt(nth, 30);
	esp_free(esp);
}
END_TEST

START_TEST(test_a_broken_entry_is_an_error)
{
	struct esp *esp = esp_new(fixture_new(0, some, COUNT(some)));
	struct fixture *f = esp->side.f;
	struct fat_entry entry = fixture_find(f, "/loader/entries/a.conf");
	struct fes_type1s entries;
	uint8_t *slot;

	slot = memmem(f->bytes, f->size, fat_entry_short(&entry), FAT_SLOT_LEN);
	ck_assert_ptr_nonnull(slot);
	slot[offsetof(struct fat_short_slot, size) + 1] = 0x40; /* longer than its chain */
	ck_assert_int_eq(fes_type1s_read(esp->side.volume, &entries), -EUCLEAN);
	ck_assert_uint_gt(esp->messages.n, 0);
	esp_free(esp);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("type1");
	Suite *suite = suite_create("type1");
	int n = FIXTURE_N_TYPES;

	if (!fixture_tools())
		return 77;
	tcase_add_loop_test(tc, test_entries_are_found_by_their_names_and_in_order, 0, n);
	tcase_add_loop_test(tc, test_paths_are_as_the_volume_writes_them, 0, n);
	tcase_add_loop_test(tc, test_a_volume_without_entries_has_none, 0, 5);
	tcase_add_loop_test(tc, test_an_entry_is_read_to_its_end, 0, n);
	tcase_add_test(tc, test_an_entry_of_more_than_a_mib_is_not_read);
	tcase_add_test(tc, test_of_all_entries_16_mib_are_read);
	tcase_add_loop_test(tc, test_a_file_is_there_in_any_case_and_a_directory_is_no_file, 0, n);
	tcase_add_test(tc, test_an_entry_is_complete_when_all_its_files_are_there);
	tcase_add_test(tc, test_a_directory_does_not_complete_an_entry);
	tcase_add_test(tc, test_what_is_no_path_is_missing);
	tcase_add_test(tc, test_either_reading_of_a_line_completes_it);
	tcase_add_test(tc, test_a_program_without_a_byte_is_missing);
	tcase_add_test(tc, test_beyond_a_number_of_paths_all_count_as_there);
	tcase_add_test(tc, test_initrds_without_a_byte_are_missing_unless_another_has_some);
	tcase_add_test(tc, test_an_entry_that_names_nothing_to_boot_lacks_that);
	tcase_add_test(tc, test_each_read_that_fails_is_an_error);
	tcase_add_test(tc, test_without_memory_there_is_no_answer);
	tcase_add_test(tc, test_a_broken_entry_is_an_error);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
