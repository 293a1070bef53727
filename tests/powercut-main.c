/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/powercut.h"

/* What the test programs around power cuts begin and end with. */

static int run_suite(const struct cut_program *program, const struct cut_totals *totals)
{
	SRunner *runner = srunner_create(program->make_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (program->print)
		program->print();
	cut_totals_print(totals);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cut_main(const struct cut_program *program, char **scratch, void **shared)
{
	size_t size = program->shared_size ? program->shared_size : sizeof(struct cut_totals);
	int status;

	if (!cut_tools_found())
		return 77;
	*shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*scratch = cut_scratch_make();
	if (*shared == MAP_FAILED || !*scratch) {
		perror("scratch folder");
		return EXIT_FAILURE;
	}
	status = run_suite(program, *shared);
	cut_scratch_remove(*scratch);
	return status;
}
