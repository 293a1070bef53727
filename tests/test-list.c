/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of a machine's ESPs: what is understood, what is refused, and that the rest stays. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/list.h"
#include "tests/faults-wrap.h"
#include "tests/suite.h"

#define A "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define B "6f9619ff-8b86-d011-b42d-00c04fc964ff"
#define C "00000000-0000-0000-0000-00000000000c"
#define B_UPPER "6F9619FF-8B86-D011-B42D-00C04FC964FF"
#define MBR "deadbeef-01"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char message[1024];
static unsigned n_messages;

static void take_message(void *userdata, const char *text)
{
	ck_assert_ptr_eq(userdata, message);
	(void)snprintf(message, sizeof message, "%s", text);
	n_messages++;
}

static int parse_bytes(const char *text, size_t len, struct fes_list *ret)
{
	n_messages = 0;
	return fes_list_parse(text, len, take_message, message, ret);
}

static struct fes_list parse(const char *text)
{
	struct fes_list list;
	int r = parse_bytes(text, strlen(text), &list);

	ck_assert_msg(r == 0, "'%s': %s", text, message);
	ck_assert_uint_eq(n_messages, 0);
	return list;
}

static void expect_text(const struct fes_list *list, const char *text)
{
	char *found;
	size_t len;

	ck_assert_int_eq(fes_list_format(list, &found, &len), 0);
	ck_assert_str_eq(found, text);
	ck_assert_uint_eq(len, strlen(text));
	free(found);
}

static void expect_line(const struct fes_list *list, size_t i, enum fes_list_kind kind,
	const char *value)
{
	ck_assert_uint_lt(i, list->n);
	ck_assert_int_eq(list->lines[i].kind, kind);
	if (value)
		ck_assert_str_eq(list->lines[i].value, value);
	else
		ck_assert_ptr_null(list->lines[i].value);
}

/* A text of one line that is understood. */
static void expect_one(const char *text, enum fes_list_kind kind, const char *value)
{
	struct fes_list list = parse(text);

	ck_assert_uint_eq(list.n, 1);
	expect_line(&list, 0, kind, value);
	expect_text(&list, text);
	fes_list_done(&list);
}

static void expect_refused_bytes(const char *text, size_t len, const char *reason)
{
	struct fes_list list, untouched;

	memset(&list, 0x55, sizeof list);
	memset(&untouched, 0x55, sizeof untouched);
	ck_assert_msg(parse_bytes(text, len, &list) == -EBADMSG, "'%s'", text);
	ck_assert_uint_eq(n_messages, 1);
	ck_assert_msg(strstr(message, reason) != NULL, "'%s': %s", text, message);
	ck_assert_msg(memcmp(&list, &untouched, sizeof list) == 0, "'%s' left something", text);
}

static void expect_refused(const char *text, const char *reason)
{
	expect_refused_bytes(text, strlen(text), reason);
}

/* ---- parsing ---- */

START_TEST(test_all_kinds_of_lines_are_told_apart)
{
	static const char text[] = "# ESPs of this machine\n"
				   "\n" A "\n" B_UPPER "   # second disk\n"
				   "manage /EFI/BOOT\n"
				   "exclude /loader/keys\n";
	struct fes_list list = parse(text);

	ck_assert_uint_eq(list.n, 6);
	expect_line(&list, 0, FES_LIST_TEXT, NULL);
	expect_line(&list, 1, FES_LIST_TEXT, NULL);
	expect_line(&list, 2, FES_LIST_UUID, A);
	expect_line(&list, 3, FES_LIST_UUID, B);
	expect_line(&list, 4, FES_LIST_MANAGE, "/EFI/BOOT");
	expect_line(&list, 5, FES_LIST_EXCLUDE, "/loader/keys");
	ck_assert_str_eq(list.lines[3].text, B_UPPER "   # second disk\n");
	ck_assert_uint_eq(fes_list_count_uuids(&list), 2);
	expect_text(&list, text);
	fes_list_done(&list);
}
END_TEST

START_TEST(test_a_uuid_is_gpts_or_mbrs_in_any_case)
{
	static const char *const right[] = {A, B, B_UPPER, MBR, "DEADBEEF-0f", C};
	static const char *const wrong[] = {"", "-", A "0", "0" A, "3f2504e0-4f89-41d3-9a0c-0305e82c330",
		"3f2504e0-4f89-41d3-9a0c-0305e82c330g", "3f2504e04f8941d39a0c0305e82c3301",
		"{3f2504e0-4f89-41d3-9a0c-0305e82c33}", "3f2504e0_4f89_41d3_9a0c_0305e82c3301",
		"deadbeef-1", "deadbeef-001", "deadbeef", "1234-ABCD", " " A, A " "};

	for (size_t i = 0; i < COUNT(right); i++)
		ck_assert_msg(fes_list_is_uuid(right[i]), "%s", right[i]);
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(!fes_list_is_uuid(wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(test_uuids_are_values_in_lower_case)
{
	expect_one(B_UPPER "\n", FES_LIST_UUID, B);
	expect_one("DEADBEEF-0A\n", FES_LIST_UUID, "deadbeef-0a");
}
END_TEST

START_TEST(test_blanks_around_values_mean_nothing)
{
	expect_one(" \t" A "\t \n", FES_LIST_UUID, A);
	expect_one("\tmanage \t /EFI/BOOT \t\n", FES_LIST_MANAGE, "/EFI/BOOT");
	expect_one("  exclude /x", FES_LIST_EXCLUDE, "/x");
	expect_one(" \t\n", FES_LIST_TEXT, NULL);
}
END_TEST

START_TEST(test_crlf_and_a_missing_last_line_end_are_fine)
{
	expect_one(A, FES_LIST_UUID, A);
	expect_one(A "\r\n", FES_LIST_UUID, A);
	expect_one(A "\r", FES_LIST_UUID, A);
	expect_one("manage /EFI\r\n", FES_LIST_MANAGE, "/EFI");
	expect_one("# x\r\n", FES_LIST_TEXT, NULL);
	expect_one("\r\n", FES_LIST_TEXT, NULL);
}
END_TEST

START_TEST(test_comments_begin_at_the_start_or_after_a_blank)
{
	expect_one("#" A "\n", FES_LIST_TEXT, NULL);
	expect_one("  # no word here counts\n", FES_LIST_TEXT, NULL);
	expect_one(A " # manage /x\n", FES_LIST_UUID, A);
	expect_one(A "\t#\n", FES_LIST_UUID, A);
	expect_one("manage /a#b # c # d\n", FES_LIST_MANAGE, "/a#b");
	expect_refused(A "#x\n", "line 1: '" A "#x' is no partition UUID");
}
END_TEST

START_TEST(test_blanks_inside_a_path_are_part_of_it)
{
	expect_one("manage /System Volume  Information\n", FES_LIST_MANAGE,
		"/System Volume  Information");
	expect_one("exclude /EFI/my loader/ # mine\n", FES_LIST_EXCLUDE, "/EFI/my loader/");
}
END_TEST

START_TEST(test_no_text_is_an_empty_list)
{
	struct fes_list list = parse("");

	ck_assert_uint_eq(list.n, 0);
	ck_assert_uint_eq(fes_list_count_uuids(&list), 0);
	ck_assert(!fes_list_has(&list, A));
	expect_text(&list, "");
	fes_list_done(&list);
	fes_list_done(&list);
}
END_TEST

START_TEST(test_words_that_mean_nothing_are_refused_with_their_line)
{
	expect_refused("x\n", "line 1: 'x' is no partition UUID, 'manage' or 'exclude'");
	expect_refused("# a\n\n" A "\nMANAGE /x\n", "line 4: 'MANAGE'");
	expect_refused("managed /x\n", "'managed'");
	expect_refused("manage/x\n", "'manage/x'");
	expect_refused("PARTUUID=" A "\n", "'PARTUUID=" A "'");
	expect_refused(A " " B "\n", "line 1: '" B "' behind the UUID");
	expect_refused("3f2504e0-4f89-41d3-9a0c-0305e82c330\n", "line 1");
	expect_refused(A "\r" B "\n", "line 1");
}
END_TEST

START_TEST(test_a_uuid_that_stands_there_twice_is_refused)
{
	expect_refused(B "\n" A "\n\n" A "\n", "line 4: " A " stands on line 2 already");
	expect_refused(B "\n" B_UPPER " # again\n", "line 2: " B " stands on line 1 already");
	expect_refused(MBR "\n" MBR, "line 2");
}
END_TEST

START_TEST(test_paths_that_mean_nothing_are_refused)
{
	static const char *const wrong[] = {"EFI/BOOT", "/", "//", ".", "/..", "/EFI/../x", "/EFI/./x",
		"\\EFI\\BOOT", "\"/EFI/BOOT\""};
	char text[64];

	for (size_t i = 0; i < COUNT(wrong); i++) {
		(void)snprintf(text, sizeof text, A "\nmanage %s\n", wrong[i]);
		expect_refused(text, "line 2");
		expect_refused(text, wrong[i]);
	}
	expect_refused("manage\n", "line 1: 'manage' needs a path");
	expect_refused("exclude # /x\n", "line 1: 'exclude' needs a path");
}
END_TEST

START_TEST(test_what_an_editor_may_do_to_a_text_is_called_by_name)
{
	static const char utf16[] = "\xff\xfe\x33\0\x66\0\n";
	static const char nul[] = A "\n\0";

	expect_refused_bytes(utf16, sizeof utf16 - 1, "UTF-16");
	expect_refused_bytes(nul, sizeof nul - 1, "NUL");
	expect_refused("\xef\xbb\xbf" A "\n", "byte order mark");
}
END_TEST

START_TEST(test_a_text_can_be_64_kib_long_and_no_longer)
{
	char *text = malloc(FES_LIST_MAX + 2);
	struct fes_list list;

	ck_assert_ptr_nonnull(text);
	memset(text, '#', FES_LIST_MAX + 1);
	text[FES_LIST_MAX] = '\0';
	list = parse(text);
	ck_assert_uint_eq(list.n, 1);
	fes_list_done(&list);
	memset(text, '\n', FES_LIST_MAX);
	list = parse(text);
	ck_assert_uint_eq(list.n, FES_LIST_MAX);
	expect_text(&list, text);
	fes_list_done(&list);
	text[FES_LIST_MAX] = '\n';
	expect_refused_bytes(text, FES_LIST_MAX + 1, "65537 bytes are too many");
	free(text);
}
END_TEST

#define U10 "üüüüüüüüüü"

/* They go to terminals and logs. */
START_TEST(test_messages_are_short_and_of_one_line)
{
	char text[2000];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	expect_refused(text, "...' is no partition UUID");
	ck_assert_uint_lt(strlen(message), 200);
	expect_refused("x" U10 U10 U10 U10 U10 U10 "\n",
		"line 1: 'x" U10 U10 U10 U10 "üüüüüüüüü...' is no partition UUID");
	expect_refused("\033[31mx\x7f\n", "'?[31mx?'");
	expect_refused("manage x\ry\n", "'x?y'");
}
END_TEST

/* ---- changing ---- */

START_TEST(test_a_uuid_is_found_in_any_case)
{
	struct fes_list list = parse("# " C "\nmanage /" C "\n" A "\n" B_UPPER "\n");

	ck_assert(fes_list_has(&list, A));
	ck_assert(fes_list_has(&list, B));
	ck_assert(fes_list_has(&list, B_UPPER));
	ck_assert(!fes_list_has(&list, C));
	ck_assert(!fes_list_has(&list, ""));
	fes_list_done(&list);
}
END_TEST

static void expect_added(const char *before, const char *uuid, const char *after)
{
	struct fes_list list = parse(before), again;

	ck_assert_int_eq(fes_list_add(&list, uuid), 0);
	ck_assert(fes_list_has(&list, uuid));
	expect_text(&list, after);
	again = parse(after);
	ck_assert_uint_eq(again.n, list.n);
	for (size_t i = 0; i < list.n; i++) {
		ck_assert_str_eq(again.lines[i].text, list.lines[i].text);
		expect_line(&again, i, list.lines[i].kind, list.lines[i].value);
	}
	fes_list_done(&again);
	fes_list_done(&list);
}

START_TEST(test_what_is_added_stands_behind_the_last_uuid)
{
	expect_added("", A, A "\n");
	expect_added(A "\n", B_UPPER, A "\n" B "\n");
	expect_added("# a\n" A " # x\n\nmanage /x\n# end\n", B,
		"# a\n" A " # x\n" B "\n\nmanage /x\n# end\n");
	expect_added(A "\n# b\n" B "\nexclude /x", C, A "\n# b\n" B "\n" C "\nexclude /x");
	expect_added("# nobody yet\nmanage /x\n", MBR, "# nobody yet\nmanage /x\n" MBR "\n");
}
END_TEST

START_TEST(test_what_is_added_ends_as_other_lines_do)
{
	expect_added(A "\r\n", B, A "\r\n" B "\r\n");
	expect_added(A "\r\n# x\r\n", B, A "\r\n" B "\r\n# x\r\n");
	expect_added("# x\r\n" A, B, "# x\r\n" A "\r\n" B "\r\n");
	expect_added(A, B, A "\n" B "\n");
	expect_added(A "\r", B, A "\r\n" B "\n");
	expect_added("# x", A, "# x\n" A "\n");
}
END_TEST

START_TEST(test_what_cannot_be_added_changes_nothing)
{
	static const char text[] = "# x\n" A "\n" B_UPPER "\n";
	struct fes_list list = parse(text);

	ck_assert_int_eq(fes_list_add(&list, A), -EEXIST);
	ck_assert_int_eq(fes_list_add(&list, B), -EEXIST);
	ck_assert_int_eq(fes_list_add(&list, "x"), -EINVAL);
	ck_assert_int_eq(fes_list_add(&list, C "\n" MBR), -EINVAL);
	expect_text(&list, text);
	fes_list_done(&list);
}
END_TEST

static void expect_removed(const char *before, const char *uuid, const char *after)
{
	struct fes_list list = parse(before);

	ck_assert_int_eq(fes_list_remove(&list, uuid), 0);
	ck_assert(!fes_list_has(&list, uuid));
	expect_text(&list, after);
	ck_assert_int_eq(fes_list_remove(&list, uuid), -ENOENT);
	expect_text(&list, after);
	fes_list_done(&list);
}

START_TEST(test_what_is_removed_takes_its_line_along_and_no_other)
{
	expect_removed(A "\n", A, "");
	expect_removed("# a\n" A " # first\n# b\n" B "\n\nmanage /x\n", A,
		"# a\n# b\n" B "\n\nmanage /x\n");
	expect_removed(A "\r\n" B_UPPER, B, A "\r\n");
	expect_removed(A "\n  " B "\t\n" MBR "\n", B_UPPER, A "\n" MBR "\n");
}
END_TEST

static void expect_replaced(const char *before, const char *old, const char *new,
	const char *after)
{
	struct fes_list list = parse(before);

	ck_assert_int_eq(fes_list_replace(&list, old, new), 0);
	ck_assert(fes_list_has(&list, new));
	ck_assert(!fes_list_has(&list, old));
	expect_text(&list, after);
	fes_list_done(&list);
}

START_TEST(test_what_is_replaced_keeps_the_rest_of_its_line)
{
	expect_replaced(A "\n" B "\n", A, C, C "\n" B "\n");
	expect_replaced("\t" B_UPPER "  # was " B_UPPER "\r\n# x\r\n", B, MBR,
		"\t" MBR "  # was " B_UPPER "\r\n# x\r\n");
	expect_replaced(" " MBR, MBR, B_UPPER, " " B);
}
END_TEST

START_TEST(test_what_cannot_be_replaced_changes_nothing)
{
	static const char text[] = "# x\n" A "\n" B_UPPER "\n";
	struct fes_list list = parse(text);

	ck_assert_int_eq(fes_list_replace(&list, C, MBR), -ENOENT);
	ck_assert_int_eq(fes_list_replace(&list, A, B), -EEXIST);
	ck_assert_int_eq(fes_list_replace(&list, A, A), -EEXIST);
	ck_assert_int_eq(fes_list_replace(&list, A, "x"), -EINVAL);
	expect_text(&list, text);
	fes_list_done(&list);
}
END_TEST

/* Else it could not be read again. */
START_TEST(test_a_list_does_not_grow_beyond_what_is_read)
{
	char *text = malloc(FES_LIST_MAX + 1);
	struct fes_list list;

	ck_assert_ptr_nonnull(text);
	memset(text, '#', FES_LIST_MAX);
	text[FES_LIST_MAX] = '\0';
	memcpy(text, MBR "\n", strlen(MBR "\n"));
	list = parse(text);
	ck_assert_int_eq(fes_list_add(&list, A), -EFBIG);
	ck_assert_int_eq(fes_list_replace(&list, MBR, A), -EFBIG);
	expect_text(&list, text);
	ck_assert_int_eq(fes_list_replace(&list, MBR, "deadbeef-02"), 0);
	fes_list_done(&list);

	text[FES_LIST_MAX - strlen(A "\n")] = '\0';
	list = parse(text);
	ck_assert_int_eq(fes_list_add(&list, A), 0);
	ck_assert_int_eq(fes_list_add(&list, B), -EFBIG);
	fes_list_done(&list);
	free(text);
}
END_TEST

/* ---- without memory ---- */

/* The one that the calls below are made on, and its text. */
static struct fes_list victim;
static const char victim_text[] = "# x\n" A "\nmanage /x\n" B;

static int try_parsing(void)
{
	struct fes_list list;
	int r = parse_bytes(victim_text, strlen(victim_text), &list);

	if (r == 0)
		fes_list_done(&list);
	return r;
}

static int try_adding(void)
{
	return fes_list_add(&victim, C);
}

static int try_replacing(void)
{
	return fes_list_replace(&victim, A, MBR);
}

static int try_formatting(void)
{
	char *text;
	size_t len;
	int r = fes_list_format(&victim, &text, &len);

	if (r == 0)
		free(text);
	return r;
}

START_TEST(test_without_memory_nothing_changes)
{
	static int (*const tries[])(void) = {
		try_parsing, try_adding, try_replacing, try_formatting};
	uint64_t nth = 1;
	int r;

	victim = parse(victim_text);
	do {
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth++};
		r = tries[_i]();
		wrap_fault.calls = 0;
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
		if (r < 0)
			expect_text(&victim, victim_text);
	} while (r < 0);
	ck_assert_uint_gt(nth, 2); /* at least one failed */
	fes_list_done(&victim);
}
END_TEST

/* ---- whatever the bytes ---- */

static uint32_t draw(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % n;
}

static size_t draw_bytes(uint64_t *state, char *text, size_t max)
{
	size_t len = draw(state, (uint32_t)max);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)draw(state, 256);
	return len;
}

/* Pieces that make up lists, in any order: some are lists. */
static size_t draw_pieces(uint64_t *state, char *text, size_t max)
{
	static const char *const pieces[] = {A, B, B_UPPER, C, MBR, "manage ", "exclude ", "/EFI/x",
		" ", "\t", "#", "# x", "\n", "\n", "\n", "\n", "\r\n", "\r", "/", "..", "x"};
	size_t len = 0;

	for (uint32_t n = draw(state, 12); n > 0; n--) {
		const char *piece = pieces[draw(state, COUNT(pieces))];

		if (len + strlen(piece) > max)
			break;
		memcpy(text + len, piece, strlen(piece));
		len += strlen(piece);
	}
	return len;
}

/* Returns whether @text is a list, which then is what it was when written anew. */
static bool try_text(const char *text, size_t len)
{
	char *copy = malloc(len + 1), *formatted; /* sanitizers see what is read beyond its end */
	struct fes_list list;
	size_t formatted_len;
	int r;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	r = parse_bytes(copy, len, &list);
	free(copy);
	if (r < 0) {
		ck_assert_int_eq(r, -EBADMSG);
		ck_assert_uint_eq(n_messages, 1);
		return false;
	}
	ck_assert_int_eq(fes_list_format(&list, &formatted, &formatted_len), 0);
	ck_assert_uint_eq(formatted_len, len);
	ck_assert_mem_eq(formatted, text, len);
	free(formatted);
	fes_list_done(&list);
	return true;
}

START_TEST(test_any_bytes_are_a_list_or_refused)
{
	uint64_t state = 1;
	unsigned n_lists = 0;
	char text[512];

	for (unsigned i = 0; i < 5000; i++)
		(void)try_text(text, draw_bytes(&state, text, i % 2 ? 16 : sizeof text));
	for (unsigned i = 0; i < 5000; i++)
		n_lists += try_text(text, draw_pieces(&state, text, sizeof text));
	ck_assert_uint_gt(n_lists, 500);
}
END_TEST

/* What was added can be removed again, and everything else is as before. */
START_TEST(test_adding_and_removing_leaves_every_other_byte)
{
	static const char fresh[] = "12345678-9abc-def0-1234-56789abcdef0";
	uint64_t state = 2;
	char text[512];
	unsigned n_lists = 0;

	for (unsigned i = 0; i < 5000; i++) {
		size_t len = draw_pieces(&state, text, sizeof text - 1);
		struct fes_list list;

		if (parse_bytes(text, len, &list) < 0)
			continue;
		text[len] = '\0';
		ck_assert_int_eq(fes_list_add(&list, fresh), 0);
		ck_assert_int_eq(fes_list_remove(&list, fresh), 0);
		if (len > 0 && text[len - 1] == '\n')
			expect_text(&list, text);
		fes_list_done(&list);
		n_lists++;
	}
	ck_assert_uint_gt(n_lists, 500);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_all_kinds_of_lines_are_told_apart,
		test_a_uuid_is_gpts_or_mbrs_in_any_case,
		test_uuids_are_values_in_lower_case,
		test_blanks_around_values_mean_nothing,
		test_crlf_and_a_missing_last_line_end_are_fine,
		test_comments_begin_at_the_start_or_after_a_blank,
		test_blanks_inside_a_path_are_part_of_it,
		test_no_text_is_an_empty_list,
		test_words_that_mean_nothing_are_refused_with_their_line,
		test_a_uuid_that_stands_there_twice_is_refused,
		test_paths_that_mean_nothing_are_refused,
		test_what_an_editor_may_do_to_a_text_is_called_by_name,
		test_a_text_can_be_64_kib_long_and_no_longer,
		test_messages_are_short_and_of_one_line,
		test_a_uuid_is_found_in_any_case,
		test_what_is_added_stands_behind_the_last_uuid,
		test_what_is_added_ends_as_other_lines_do,
		test_what_cannot_be_added_changes_nothing,
		test_what_is_removed_takes_its_line_along_and_no_other,
		test_what_is_replaced_keeps_the_rest_of_its_line,
		test_what_cannot_be_replaced_changes_nothing,
		test_a_list_does_not_grow_beyond_what_is_read,
		test_any_bytes_are_a_list_or_refused,
		test_adding_and_removing_leaves_every_other_byte,
	};
	Suite *suite = suite_create("list");
	TCase *tc = tcase_create("list");

	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, test_without_memory_nothing_changes, 0, 4);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
