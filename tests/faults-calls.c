/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/faults-wrap.h"
#include "tests/faults.h"

/* The nth pread(), pwrite() or fdatasync() on a file fails, falls short or is interrupted. */

static uint64_t inode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_ino;
}

/* What the file holds becomes what the disk in memory holds, to be judged there. */
static void load_mirror(struct fault_bench *bench)
{
	struct fault_disk *disk = &bench->mirrors[0];
	FILE *f = fopen(bench->mirror_paths[0], "re");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(disk->image.bytes, 1, disk->image.size, f), disk->image.size);
	ck_assert_int_eq(fclose(f), 0);
}

static void restore(struct fault_bench *bench)
{
	fault_image_write(bench->mirror_paths[0], &bench->start);
}

struct way {
	const char *name;
	unsigned calls;
	enum wrap_how how;
	int error;
	bool harmless; /* the rest is asked for, and the run goes on as if nothing had been */
};

static const struct way ways[] = {
	{"pread: EIO", WRAP_READ, WRAP_ERROR, EIO, false},
	{"pread: ENODATA", WRAP_READ, WRAP_ERROR, ENODATA, false},
	{"pread: EINTR", WRAP_READ, WRAP_ERROR, EINTR, true},
	{"pread: 0", WRAP_READ, WRAP_ZERO, 0, false},
	{"pread: a byte short", WRAP_READ, WRAP_ODD, 0, true},
	{"pwrite: EIO", WRAP_WRITE, WRAP_ERROR, EIO, false},
	{"pwrite: ENOSPC", WRAP_WRITE, WRAP_ERROR, ENOSPC, false},
	{"pwrite: EINTR", WRAP_WRITE, WRAP_ERROR, EINTR, true},
	{"pwrite: 0", WRAP_WRITE, WRAP_ZERO, 0, false},
	{"pwrite: a byte short", WRAP_WRITE, WRAP_ODD, 0, true},
	{"fdatasync: EIO", WRAP_SYNC, WRAP_ERROR, EIO, false},
	{"fdatasync: ENOSPC", WRAP_SYNC, WRAP_ERROR, ENOSPC, false},
};
enum {
	N_WAYS = sizeof ways / sizeof *ways
};

static void expect(
	const struct fault_outcome *outcome, const struct way *way, bool fired, const char *what)
{
	bool well = outcome->run == 0 && outcome->states[0] == FES_MIRROR_SYNCED;

	ck_assert_msg(well == (!fired || way->harmless), "%s: %d, state %d: %s", what, outcome->run,
		(int)outcome->states[0], outcome->messages[0]);
	ck_assert_msg(well || outcome->run < 0 || *outcome->messages[0], "%s: no reason", what);
}

static void judge(struct fault_bench *bench, const struct fault_outcome *outcome, const char *what)
{
	bool well = outcome->run == 0 && outcome->states[0] == FES_MIRROR_SYNCED;

	load_mirror(bench);
	fault_totals->states++;
	ck_assert_msg(cut_judge(bench->judge, &bench->mirrors[0].image, well), "%s: %s", what,
		bench->judge->fault);
	if (!well)
		fault_bench_recover(bench, 0, what);
	fault_disk_undo(&bench->mirrors[0], 0);
}

/* With short transfers all later ones may be so, too: there is progress. */
static bool try_way(
	struct fault_bench *bench, const struct way *way, const char *path, uint64_t nth)
{
	struct fault_outcome outcome;
	char what[128];
	bool fired;

	(void)snprintf(what, sizeof what, "call %llu: %s of %s", (unsigned long long)nth, way->name,
		strrchr(path, '/'));
	wrap_fault = (struct wrap_fault){
		.how = way->how, .error = way->error, .nth = nth, .inode = inode_of(path)};
	bench->wrapped = way->calls;
	bench->on_files = true;
	outcome = fault_bench_run(bench, (struct fault_plan){0});
	bench->on_files = false;
	bench->wrapped = 0;
	fired = wrap_fault.n_fired > 0;
	fault_totals->calls += fired;
	expect(&outcome, way, fired, what);
	judge(bench, &outcome, what);
	restore(bench);
	return fired;
}

START_TEST(test_system_calls_that_fail_or_fall_short_are_noticed_or_repeated)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("upgrade on FAT12"));
	uint64_t step = faults_step(9);

	for (uint64_t nth = 1; try_way(bench, &ways[_i], bench->mirror_paths[0], nth); nth += step)
		;
	for (uint64_t nth = 1;
		ways[_i].calls == WRAP_READ && try_way(bench, &ways[_i], bench->primary_path, nth);
		nth += step)
		;
}
END_TEST

void faults_add_call_cases(Suite *suite)
{
	TCase *tc = tcase_create("system calls");

	tcase_set_timeout(tc, 600);
	tcase_add_unchecked_fixture(tc, fault_benches_prepare, NULL);
	tcase_add_loop_test(
		tc, test_system_calls_that_fail_or_fall_short_are_noticed_or_repeated, 0, N_WAYS);
	suite_add_tcase(suite, tc);
}
