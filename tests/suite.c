/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdlib.h>

#include "tests/suite.h"

void suite_add_tests(TCase *tc, const TTest *const tests[], size_t n, int end)
{
	for (size_t i = 0; i < n; i++)
		tcase_add_loop_test(tc, tests[i], 0, end);
}

TCase *suite_add_case(
	Suite *suite, const char *name, const TTest *const tests[], size_t n, int end)
{
	TCase *tc = tcase_create(name);

	suite_add_tests(tc, tests, n, end);
	suite_add_tcase(suite, tc);
	return tc;
}

int suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
