/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether there are colours, as systemd's programs decide it. */

#include <config.h>

#include <check.h>
#include <stdlib.h>

#include "tests/suite.h"
#include "tools/colour.h"

static bool choose(const char *systemd_colors, const char *no_color, const char *term, bool terminal)
{
	struct colour_wishes wishes = {systemd_colors, no_color, term};

	return colour_choose(&wishes, terminal);
}

START_TEST(test_there_are_colours_on_a_terminal_only)
{
	ck_assert(choose(NULL, NULL, "xterm", true));
	ck_assert(choose(NULL, NULL, "linux", true));
	ck_assert(!choose(NULL, NULL, "xterm", false));
}
END_TEST

START_TEST(test_a_terminal_that_can_do_nothing_gets_none)
{
	ck_assert(!choose(NULL, NULL, "dumb", true));
	ck_assert(!choose(NULL, NULL, NULL, true));
}
END_TEST

START_TEST(test_no_color_means_none_whatever_its_value)
{
	ck_assert(!choose(NULL, "1", "xterm", true));
	ck_assert(!choose(NULL, "0", "xterm", true));
	ck_assert(!choose(NULL, "", "xterm", true));
}
END_TEST

START_TEST(test_systemd_colors_overrides_all_else)
{
	static const char *const yes[] = {"1", "yes", "true", "on", "TRUE", "y", "t", "16", "256", "24bit"};
	static const char *const no[] = {"0", "no", "false", "off", "False", "n", "f"};

	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
		ck_assert_msg(choose(yes[i], NULL, "xterm", true), "%s", yes[i]);
		ck_assert_msg(choose(yes[i], "1", "dumb", false), "%s", yes[i]);
	}
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
		ck_assert_msg(!choose(no[i], NULL, "xterm", true), "%s", no[i]);
}
END_TEST

START_TEST(test_a_number_of_colours_for_terminals_changes_nothing_elsewhere)
{
	static const char *const some[] = {"auto-16", "auto-256", "auto-24bit"};

	for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
		ck_assert(choose(some[i], NULL, "xterm", true));
		ck_assert(!choose(some[i], NULL, "xterm", false));
		ck_assert(!choose(some[i], NULL, "dumb", true));
		ck_assert(!choose(some[i], "", "xterm", true));
	}
}
END_TEST

START_TEST(test_nonsense_counts_for_nothing)
{
	static const char *const some[] = {"", "perhaps", "auto", "17", " 1"};

	for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
		ck_assert(choose(some[i], NULL, "xterm", true));
		ck_assert(!choose(some[i], NULL, "xterm", false));
		ck_assert(!choose(some[i], "1", "xterm", true));
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("colour");
	Suite *suite = suite_create("colour");

	tcase_add_test(tc, test_there_are_colours_on_a_terminal_only);
	tcase_add_test(tc, test_a_terminal_that_can_do_nothing_gets_none);
	tcase_add_test(tc, test_no_color_means_none_whatever_its_value);
	tcase_add_test(tc, test_systemd_colors_overrides_all_else);
	tcase_add_test(tc, test_a_number_of_colours_for_terminals_changes_nothing_elsewhere);
	tcase_add_test(tc, test_nonsense_counts_for_nothing);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
