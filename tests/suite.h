/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each libcheck program of the tests ends with. */

#include <check.h>
#include <stddef.h>

/* Add @n tests to @tc, each of which runs with _i from 0 to @end - 1. */
void suite_add_tests(TCase *tc, const TTest *const tests[], size_t n, int end);

/* A new case @name of @suite with these tests, which belongs to the suite. */
TCase *suite_add_case(
	Suite *suite, const char *name, const TTest *const tests[], size_t n, int end);

/* Run @suite, which is freed, as the environment says. Returns the program's exit status. */
int suite_run(Suite *suite);
