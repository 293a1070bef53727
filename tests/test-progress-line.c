/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From numbers to the line that tells how far a sync is, and when there is one at all. */

#include <config.h>

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"
#include "tools/progress-line.h"
#include "tools/progress.h"

static const uint64_t MIB = 1024 * 1024;

static struct progress_figures copying(uint64_t done_mib, uint64_t total_mib, uint64_t elapsed_ms)
{
	return (struct progress_figures){.name = "/dev/sdb1",
		.phase = FES_PROGRESS_COPY,
		.done = done_mib * MIB,
		.total = total_mib * MIB,
		.elapsed_ms = elapsed_ms};
}

static void expect_drawn(struct progress_figures figures, size_t name_columns, size_t columns,
	const char *want)
{
	char line[PROGRESS_LINE_MAX];

	progress_line_draw(&figures, name_columns, columns, line);
	ck_assert_str_eq(line, want);
	ck_assert_uint_le(progress_columns(line), columns);
}

/* ---- for a terminal ---- */

START_TEST(test_a_line_has_name_phase_share_bytes_rate_and_time_left)
{
	expect_drawn(copying(60, 100, 2000), 9, 80,
		"/dev/sdb1  copy      60%  60.0 MiB of 100.0 MiB   30.0 MiB/s  0:02 left");
	expect_drawn(copying(1, 7300, 1000), 9, 80,
		"/dev/sdb1  copy       0%  1.0 MiB of 7.1 GiB      1.0 MiB/s   2:01:39 left");
}
END_TEST

START_TEST(test_what_is_not_known_is_left_out)
{
	struct progress_figures figures = copying(0, 100, 5000);

	/* Nothing has come through: no rate. Too early: none, either. */
	expect_drawn(figures, 9, 80, "/dev/sdb1  copy       0%  0 B of 100.0 MiB");
	expect_drawn(copying(40, 100, 499), 9, 80, "/dev/sdb1  copy      40%  40.0 MiB of 100.0 MiB");
	/* Centuries are no forecast. */
	figures.done = 1000;
	expect_drawn(figures, 9, 80,
		"/dev/sdb1  copy       0%  1000 B of 100.0 MiB     200 B/s");
	/* All is through: nothing is left. */
	expect_drawn(copying(100, 100, 2000), 9, 80,
		"/dev/sdb1  copy     100%  100.0 MiB of 100.0 MiB  50.0 MiB/s");
}
END_TEST

START_TEST(test_a_phase_of_unknown_length_tells_the_time)
{
	struct progress_figures figures = {
		.name = "/dev/sdb1", .phase = FES_PROGRESS_FLUSH, .elapsed_ms = 999};

	expect_drawn(figures, 9, 80, "/dev/sdb1  flush");
	figures.elapsed_ms = 61000;
	expect_drawn(figures, 9, 80, "/dev/sdb1  flush    1:01");
}
END_TEST

START_TEST(test_a_hundred_percent_is_all)
{
	struct progress_figures figures = copying(0, 0, 0);
	char line[PROGRESS_LINE_MAX];

	figures.done = 999999;
	figures.total = 1000000;
	progress_line_draw(&figures, 9, 80, line);
	ck_assert_ptr_nonnull(strstr(line, " 99%"));
	figures.done = UINT64_MAX - 1;
	figures.total = UINT64_MAX;
	figures.elapsed_ms = UINT64_MAX;
	progress_line_draw(&figures, 9, 80, line);
	ck_assert_ptr_nonnull(strstr(line, " 99%"));
	/* More than there is to do is a mistake of somebody else. */
	figures.done = 3;
	figures.total = 2;
	progress_line_draw(&figures, 9, 80, line);
	ck_assert_ptr_nonnull(strstr(line, "100%"));
}
END_TEST

START_TEST(test_in_a_narrow_window_parts_are_left_out_from_the_end)
{
	struct progress_figures figures = copying(60, 100, 2000);

	expect_drawn(figures, 9, 60,
		"/dev/sdb1  copy      60%  60.0 MiB of 100.0 MiB   30.0 MiB/s");
	expect_drawn(figures, 9, 59, "/dev/sdb1  copy      60%  60.0 MiB of 100.0 MiB");
	expect_drawn(figures, 9, 30, "/dev/sdb1  copy      60%");
	expect_drawn(figures, 9, 20, "/dev/sdb1  copy");
	expect_drawn(figures, 9, 9, "/dev/sdb1");
}
END_TEST

START_TEST(test_no_width_is_too_small_or_too_large)
{
	struct progress_figures figures = copying(60, 100, 2000);
	char line[PROGRESS_LINE_MAX], name[5000];

	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	figures.name = name;
	for (size_t columns = 0; columns < 5000; columns++) {
		progress_line_draw(&figures, columns, columns, line);
		ck_assert_uint_le(progress_columns(line), columns);
		ck_assert_uint_lt(strlen(line), sizeof line);
	}
}
END_TEST

START_TEST(test_a_long_name_is_cut_in_the_middle)
{
	struct progress_figures figures = copying(0, 0, 0);

	figures.name = "/home/somebody/images/mirror-of-the-esp.img";
	expect_drawn(figures, 20, 80, "/home...-the-esp.img  copy");
	figures.name = "/dev/sdb1";
	expect_drawn(figures, 12, 80, "/dev/sdb1     copy");
}
END_TEST

START_TEST(test_no_character_is_cut)
{
	struct progress_figures figures = copying(0, 0, 0);

	/* Umlauts take one column each; these three may take two each. */
	figures.name = "\303\274\303\274\303\274\303\274\303\274\303\274\303\274\303\274";
	expect_drawn(figures, 6, 80, "\303\274...\303\274\303\274  copy");
	figures.name = "\344\270\200\344\270\201\344\270\202";
	expect_drawn(figures, 6, 80, "\344\270\200\344\270\201\344\270\202  copy");
	expect_drawn(figures, 5, 80, "...\344\270\202  copy");
	expect_drawn(figures, 4, 80, "...   copy");
	ck_assert_uint_eq(progress_columns(figures.name), 6);
}
END_TEST

/* ---- for a log ---- */

static void expect_told(struct progress_figures figures, const char *want)
{
	char line[PROGRESS_LINE_MAX];

	progress_line_tell(&figures, line);
	ck_assert_str_eq(line, want);
}

static void expect_told_end(struct progress_figures figures, const char *want)
{
	char line[PROGRESS_LINE_MAX];

	progress_line_tell_end(&figures, line);
	ck_assert_str_eq(line, want);
}

START_TEST(test_a_log_gets_whole_sentences)
{
	struct progress_figures figures = {
		.name = "/dev/sdb1", .phase = FES_PROGRESS_WAIT, .elapsed_ms = 20000};

	expect_told(copying(60, 100, 20000),
		"/dev/sdb1: copy: 60.0 MiB of 100.0 MiB (60%), 3.0 MiB/s, 0:14 left");
	expect_told(copying(0, 100, 20000), "/dev/sdb1: copy: 0 B of 100.0 MiB (0%)");
	expect_told(figures, "/dev/sdb1: wait: for 0:20");
}
END_TEST

START_TEST(test_the_end_of_a_phase_tells_what_it_took)
{
	struct progress_figures figures = {
		.name = "/dev/sdb1", .phase = FES_PROGRESS_CHECK, .elapsed_ms = 1290};

	expect_told_end(copying(100, 100, 20050), "/dev/sdb1: copy: 100.0 MiB in 20.0 s, 4.9 MiB/s");
	expect_told_end(copying(100, 100, 50), "/dev/sdb1: copy: 100.0 MiB in 0.0 s");
	expect_told_end(copying(60, 100, 2000),
		"/dev/sdb1: copy: 60.0 MiB of 100.0 MiB in 2.0 s, 30.0 MiB/s");
	expect_told_end(figures, "/dev/sdb1: check: done in 1.2 s");
}
END_TEST

START_TEST(test_a_name_of_any_length_leaves_room_for_the_rest)
{
	struct progress_figures figures = copying(100, 100, 2000);
	char line[PROGRESS_LINE_MAX], name[5000] = "";

	for (size_t i = 0; i + 2 < sizeof name; i += 2)
		memcpy(name + i, "\303\274", 3);
	figures.name = name;
	progress_line_tell_end(&figures, line);
	ck_assert_ptr_nonnull(strstr(line, ": copy: 100.0 MiB in 2.0 s, 50.0 MiB/s"));
	ck_assert_uint_lt(strlen(line), sizeof line);
}
END_TEST

START_TEST(test_every_phase_has_a_word_of_its_own_that_fits)
{
	for (int a = FES_PROGRESS_WAIT; a <= FES_PROGRESS_DONE; a++) {
		ck_assert_uint_le(strlen(progress_phase_word((enum fes_progress_phase)a)), 7);
		for (int b = FES_PROGRESS_WAIT; b < a; b++)
			ck_assert_str_ne(progress_phase_word((enum fes_progress_phase)a), progress_phase_word((enum fes_progress_phase)b));
	}
}
END_TEST

/* ---- whether ---- */

static const struct progress_surroundings terminal = {
	.wish = PROGRESS_AUTO, .err_terminal = true, .out_terminal = true};

START_TEST(test_by_itself_it_is_drawn_on_a_terminal_only)
{
	struct progress_surroundings s = terminal;

	ck_assert_int_eq(progress_choose(&s), PROGRESS_DRAWN);
	s.out_terminal = false;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_DRAWN);
	s.err_terminal = false;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_OFF);
	s.out_terminal = true;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_OFF);
	s = terminal;
	s.dumb = true;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_OFF);
}
END_TEST

START_TEST(test_by_itself_it_is_quiet_and_keeps_off_json)
{
	struct progress_surroundings s = terminal;

	s.quiet = true;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_OFF);
	s = terminal;
	s.json = true;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_OFF);
	s.out_terminal = false; /* JSON goes to a file, somebody looks on */
	ck_assert_int_eq(progress_choose(&s), PROGRESS_DRAWN);
}
END_TEST

START_TEST(test_who_says_yes_gets_it)
{
	struct progress_surroundings s = terminal;

	s.wish = PROGRESS_YES;
	s.quiet = s.json = true;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_DRAWN);
	s.dumb = true;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_TOLD);
	s.dumb = s.err_terminal = false;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_TOLD);
}
END_TEST

START_TEST(test_who_says_no_gets_none)
{
	struct progress_surroundings s = terminal;

	s.wish = PROGRESS_NO;
	ck_assert_int_eq(progress_choose(&s), PROGRESS_OFF);
}
END_TEST

START_TEST(test_it_is_due_after_half_a_second)
{
	ck_assert(!progress_is_due(PROGRESS_AUTO, 0));
	ck_assert(!progress_is_due(PROGRESS_AUTO, 499));
	ck_assert(progress_is_due(PROGRESS_AUTO, 500));
	ck_assert(progress_is_due(PROGRESS_YES, 0));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("progress-line");
	Suite *suite = suite_create("progress-line");

	tcase_add_test(tc, test_a_line_has_name_phase_share_bytes_rate_and_time_left);
	tcase_add_test(tc, test_what_is_not_known_is_left_out);
	tcase_add_test(tc, test_a_phase_of_unknown_length_tells_the_time);
	tcase_add_test(tc, test_a_hundred_percent_is_all);
	tcase_add_test(tc, test_in_a_narrow_window_parts_are_left_out_from_the_end);
	tcase_add_test(tc, test_no_width_is_too_small_or_too_large);
	tcase_add_test(tc, test_a_long_name_is_cut_in_the_middle);
	tcase_add_test(tc, test_no_character_is_cut);
	tcase_add_test(tc, test_a_log_gets_whole_sentences);
	tcase_add_test(tc, test_the_end_of_a_phase_tells_what_it_took);
	tcase_add_test(tc, test_a_name_of_any_length_leaves_room_for_the_rest);
	tcase_add_test(tc, test_every_phase_has_a_word_of_its_own_that_fits);
	tcase_add_test(tc, test_by_itself_it_is_drawn_on_a_terminal_only);
	tcase_add_test(tc, test_by_itself_it_is_quiet_and_keeps_off_json);
	tcase_add_test(tc, test_who_says_yes_gets_it);
	tcase_add_test(tc, test_who_says_no_gets_none);
	tcase_add_test(tc, test_it_is_due_after_half_a_second);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
