/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "tests/faults-wrap.h"
#include "tests/faults.h"

/*
 * The nth allocation fails, once or from then on. Those of a run's threads are counted together, so
 * which one the nth is varies a little from run to run.
 */

/* Whether there was such an allocation. */
static bool count(void)
{
	if (wrap_fault.n_fired > 0)
		fault_totals->memory++;
	return wrap_fault.n_fired > 0;
}

/* ---- a sync ---- */

/* Lost memory for a message alone may go unnoticed; a success is judged as one. */
static bool try_sync(struct fault_bench *bench, uint64_t nth, bool sticky, const char *when)
{
	struct fault_outcome outcome;
	char what[256];
	bool fired;

	(void)snprintf(what, sizeof what, "%s: allocation %llu%s%s", bench->subject->name,
		(unsigned long long)nth, sticky ? " and all later ones" : "", when);
	wrap_fault = (struct wrap_fault){.nth = nth, .sticky = sticky};
	bench->wrapped = WRAP_MEMORY;
	outcome = fault_bench_run(bench, (struct fault_plan){0});
	bench->wrapped = 0;
	fired = count();
	ck_assert_msg(outcome.run == 0 || outcome.run == -ENOMEM, "%s: %d", what, outcome.run);
	fault_bench_judge(bench, &outcome, 0, what);
	if (bench->mirrors[0].n > 0 && outcome.states[0] == FES_MIRROR_FAILED)
		fault_bench_recover(bench, 0, what);
	return fired;
}

static void try_syncs(struct fault_bench *bench, bool sticky)
{
	uint64_t step = faults_step(13);

	for (uint64_t nth = 1; try_sync(bench, nth, sticky, ""); nth += step)
		fault_disk_undo(&bench->mirrors[0], 0);
	fault_disk_undo(&bench->mirrors[0], 0);
}

START_TEST(test_a_sync_without_memory_does_no_harm)
{
	static const char *const names[] = {
		"changes on FAT12", "mixed on FAT16", "two steps on FAT12", "growing on FAT12"};
	struct fault_bench *bench = fault_bench_of(fault_subject_find(names[_i]));

	try_syncs(bench, false);
	try_syncs(bench, true);
}
END_TEST

/* What a power cut leaves half way through the writes of a good run. */
static void cut_half_way(struct fault_bench *bench)
{
	struct fault_disk *disk = &bench->mirrors[0];
	struct fault cut = {.ops = TESTDEV_WRITE | TESTDEV_FLUSH, .error = -EIO, .sticky = true};
	struct fault_plan plan = {.mirrors = {&cut}};

	(void)fault_bench_run(bench, (struct fault_plan){0});
	cut.nth = (disk->n_writes + disk->n_flushes) / 2;
	fault_disk_undo(disk, 0);
	(void)fault_bench_run(bench, plan);
	ck_assert_uint_gt(disk->n, 0);
	disk->n_durable = disk->n;
}

START_TEST(test_a_recovery_without_memory_does_no_harm)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("changes on FAT12"));
	uint64_t step = faults_step(13);
	size_t n;

	cut_half_way(bench);
	n = bench->mirrors[0].n;
	for (uint64_t nth = 1; try_sync(bench, nth, _i == 1, ", in a recovery"); nth += step)
		fault_disk_undo(&bench->mirrors[0], n);
	fault_disk_undo(&bench->mirrors[0], 0);
}
END_TEST

/* ---- looking into a volume ---- */

static int ignore_entry(void *userdata, const struct fes_entry *entry)
{
	(void)userdata;
	return fes_entry_get_name(entry) ? 0 : -EINVAL;
}

static void ignore_finding(void *userdata, enum fes_severity severity, const char *message)
{
	(void)userdata;
	(void)severity;
	(void)message;
}

static int ignore_data(void *userdata, const void *data, size_t len)
{
	(void)userdata;
	return data && len > 0 ? 0 : -EINVAL;
}

/* All that the verbs check, ls and cat do. */
static int look(const char *path)
{
	struct fes_context *context;
	struct fes_volume *volume;
	int r = fes_new(&context);

	if (r < 0)
		return r;
	r = fes_volume_open(context, path, &volume);
	if (r == 0) {
		r = fes_volume_check(volume, ignore_finding, NULL);
		if (r == 0)
			r = fes_volume_list(volume, "/EFI/Linux", ignore_entry, NULL);
		if (r == 0)
			r = fes_volume_read(volume, "/EFI/Linux/equal.efi", ignore_data, NULL);
		fes_volume_close(volume);
	}
	fes_free(context);
	return r;
}

START_TEST(test_looking_into_a_volume_without_memory_fails_cleanly)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("changes on FAT12"));
	bool fired = true;

	for (uint64_t nth = 1; fired; nth++) {
		int r;

		wrap_fault =
			(struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth, .sticky = _i == 1};
		r = look(bench->mirror_paths[0]);
		wrap_fault.calls = 0;
		fired = count();
		ck_assert_msg(r == (fired ? -ENOMEM : 0), "allocation %d: %d", (int)nth, r);
	}
}
END_TEST

void faults_add_memory_cases(Suite *suite)
{
	TCase *tc = tcase_create("memory");

	tcase_set_timeout(tc, 600);
	tcase_add_unchecked_fixture(tc, fault_benches_prepare, NULL);
	tcase_add_loop_test(tc, test_a_sync_without_memory_does_no_harm, 0, 4);
	tcase_add_loop_test(tc, test_a_recovery_without_memory_does_no_harm, 0, 2);
	tcase_add_loop_test(tc, test_looking_into_a_volume_without_memory_fails_cleanly, 0, 2);
	suite_add_tcase(suite, tc);
}
