/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * No fault hurts a mirror: whatever fails on the way, be it a device, memory, a system call, a
 * neighbouring mirror or a primary that does not hold still, the run says so, every mirror is
 * one that a power cut could have left, and the next run puts it right.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/faults.h"

struct fault_totals *fault_totals;

bool faults_full(void)
{
	const char *full = getenv("FATESPSYNC_TEST_FULL");

	return full && strcmp(full, "1") == 0;
}

uint64_t faults_step(uint64_t step)
{
	if (faults_full())
		return 1;
	return getenv("FATESPSYNC_TEST_QUICK") ? step * 5 : step;
}

static bool have_tools(void)
{
	return system("for t in mkfs.fat fsck.fat mcopy mdel mmd; do "
		      "command -v $t >/dev/null || exit 1; done") == 0;
}

/* What the tests count, they count in processes of their own. */
static bool set_up(void)
{
	void *shared = mmap(NULL, sizeof *fault_totals, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return false;
	fault_totals = shared;
	return true;
}

static void print_totals(void)
{
	const struct fault_totals *t = fault_totals;

	printf("faults: %llu of devices, %llu of them in a recovery; %llu writes lost or changed; "
	       "%llu of memory; %llu of system calls; %llu runs of the program with such; %llu "
	       "dead mirrors; %llu primaries that changed; %llu states judged\n",
		(unsigned long long)(t->device + t->pairs), (unsigned long long)t->pairs,
		(unsigned long long)t->lies, (unsigned long long)t->memory,
		(unsigned long long)t->calls, (unsigned long long)t->programs,
		(unsigned long long)t->mirrors, (unsigned long long)t->changes,
		(unsigned long long)t->states);
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("faults");

	faults_add_device_cases(suite);
	faults_add_memory_cases(suite);
	faults_add_call_cases(suite);
	faults_add_program_cases(suite);
	faults_add_mirror_cases(suite);
	faults_add_primary_cases(suite);
	return suite;
}

int main(void)
{
	SRunner *runner;
	int failed;

	(void)setenv("TZ", "UTC", 1);
	(void)setenv("MTOOLSRC", "/dev/null", 1);
	(void)setenv("MTOOLS_SKIP_CHECK", "1", 1);
	if (!have_tools()) {
		puts("mkfs.fat, fsck.fat or mtools not found: skipped");
		return 77;
	}
	if (!set_up()) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	runner = srunner_create(make_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	fault_benches_forget();
	print_totals();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
