/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "tests/faults.h"

/*
 * The nth read, write or flush fails, once or from then on; or a write is lost or changed on its
 * way and nothing tells.
 */

struct way {
	const char *name;
	unsigned op;
	enum fault_kind kind;
	bool sticky;
};

static void describe(char *text, size_t len, const struct fault_bench *bench, const struct way *way,
	const struct fault *fault)
{
	(void)snprintf(text, len, "%s: %s number %llu%s, errno %d", bench->subject->name, way->name,
		(unsigned long long)fault->nth, way->sticky ? " and all later ones" : "",
		-fault->error);
}

/* Run with a fault of @mirror (else of the primary). False when there is no such call any more. */
static bool run_with(
	struct fault_bench *bench, struct fault *fault, bool mirror, struct fault_outcome *ret)
{
	struct fault_plan plan = {0};

	if (mirror)
		plan.mirrors[0] = fault;
	else
		plan.primary = fault;
	*ret = fault_bench_run(bench, plan);
	return fault->n_fired > 0;
}

static struct fault fault_of(const struct way *way, uint64_t nth, int error)
{
	return (struct fault){.ops = way->op,
		.kind = way->kind,
		.error = error,
		.nth = nth,
		.sticky = way->sticky};
}

static void expect_clean_run(
	struct fault_bench *bench, const struct fault_outcome *outcome, const char *what)
{
	ck_assert_msg(outcome->run == 0 && outcome->states[0] == FES_MIRROR_SYNCED,
		"%s: without a fault: %d, state %d: %s", what, outcome->run,
		(int)outcome->states[0], bench->message);
}

/* ---- devices that fail ---- */

/* No read gives ENOSPC, which a vanished device gives for writes. */
static const int errors[][2] = {{-EIO, -EIO}, {-ENODATA, -ENODATA}, {-ETIMEDOUT, -ENOSPC}};
enum {
	N_ERRORS = sizeof errors / sizeof *errors
};

static int error_of(const struct way *way, uint64_t n)
{
	return errors[n % N_ERRORS][way->op & TESTDEV_READ ? 0 : 1];
}

/* Nobody may call a run a success in which a call failed, and everybody is told why. */
static void expect_failure(
	const struct fault_bench *bench, const struct fault_outcome *outcome, const char *what)
{
	ck_assert_msg(outcome->run < 0 || outcome->states[0] == FES_MIRROR_FAILED ||
			      outcome->states[0] == FES_MIRROR_REFUSED,
		"%s: ended well", what);
	ck_assert_msg(*bench->message, "%s: no word about it", what);
	ck_assert_msg(outcome->run < 0 || *outcome->messages[0], "%s: no reason is known", what);
}

static bool try_error(
	struct fault_bench *bench, const struct way *way, bool mirror, uint64_t nth, int error)
{
	struct fault fault = fault_of(way, nth, error);
	struct fault_outcome outcome;
	char what[256];
	bool fired = run_with(bench, &fault, mirror, &outcome);

	describe(what, sizeof what, bench, way, &fault);
	if (fired) {
		fault_totals->device++;
		expect_failure(bench, &outcome, what);
		fault_bench_assess(bench, &outcome, 0, what);
	} else {
		expect_clean_run(bench, &outcome, what);
	}
	fault_disk_undo(&bench->mirrors[0], 0);
	return fired;
}

static void try_way(struct fault_bench *bench, const struct way *way, bool mirror)
{
	uint64_t step = faults_step(bench->subject->step), n = 0;
	bool fired = true;

	for (uint64_t nth = 1; fired; nth += step, n++) {
		if (!faults_full() || way->kind != FAULT_ERROR) {
			fired = try_error(bench, way, mirror, nth, error_of(way, n));
			continue;
		}
		for (unsigned i = 0; i < N_ERRORS; i++)
			fired = try_error(bench, way, mirror, nth, error_of(way, i));
	}
	ck_assert_uint_gt(n, 1);
}

static const struct way mirror_ways[] = {
	{"read", TESTDEV_READ, FAULT_ERROR, false},
	{"read", TESTDEV_READ, FAULT_ERROR, true},
	{"write that does nothing", TESTDEV_WRITE, FAULT_ERROR, false},
	{"write or flush", TESTDEV_WRITE | TESTDEV_FLUSH, FAULT_ERROR, true},
	{"write that does half", TESTDEV_WRITE, FAULT_HALF, false},
	{"write that does all", TESTDEV_WRITE, FAULT_LATE, false},
	{"flush that does nothing", TESTDEV_FLUSH, FAULT_ERROR, false},
	{"flush that does all", TESTDEV_FLUSH, FAULT_LATE, false},
	{"call", TESTDEV_ALL, FAULT_ERROR, true},
};
static const struct way primary_ways[] = {
	{"read of the primary", TESTDEV_READ, FAULT_ERROR, false},
	{"read of the primary", TESTDEV_READ, FAULT_ERROR, true},
};

START_TEST(test_a_mirror_that_fails_stays_bootable_and_is_put_right)
{
	struct fault_bench *bench = fault_bench_of(&fault_subjects[_i]);

	for (size_t i = 0; i < sizeof mirror_ways / sizeof *mirror_ways; i++)
		try_way(bench, &mirror_ways[i], true);
}
END_TEST

START_TEST(test_a_primary_that_fails_leaves_the_mirror_bootable)
{
	struct fault_bench *bench = fault_bench_of(&fault_subjects[_i]);

	for (size_t i = 0; i < sizeof primary_ways / sizeof *primary_ways; i++)
		try_way(bench, &primary_ways[i], false);
}
END_TEST

/* Where the primary gives nothing any more before the first write, the run as a whole failed. */
START_TEST(test_a_run_fails_when_the_primary_does_and_nothing_was_written)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("changes on FAT12"));
	struct fault_outcome outcome;
	bool fired = true;

	for (uint64_t nth = 1; fired; nth++) {
		struct fault fault = fault_of(&primary_ways[1], nth, -EIO);

		fired = run_with(bench, &fault, false, &outcome);
		ck_assert_msg(
			outcome.run == 0 || bench->mirrors[0].n_writes == 0, "read %d", (int)nth);
		ck_assert_msg(!fired || outcome.run == -EIO || bench->mirrors[0].n_writes > 0,
			"read %d: %d, state %d", (int)nth, outcome.run, (int)outcome.states[0]);
		fault_disk_undo(&bench->mirrors[0], 0);
	}
}
END_TEST

/* ---- the recovery fails, too ---- */

/* The first run stops at write number @nth as in a power cut; the second meets @way. */
static bool try_pair(
	struct fault_bench *bench, uint64_t nth, const struct way *way, uint64_t second)
{
	const struct way *cut = &mirror_ways[3];
	struct fault first = fault_of(cut, nth, -EIO), then = fault_of(way, second, -EIO);
	struct fault_disk *disk = &bench->mirrors[0];
	struct fault_outcome outcome;
	char what[256], text[512];
	bool fired = run_with(bench, &first, true, &outcome);

	if (fired) {
		size_t n = disk->n;

		disk->n_durable = n;
		if (run_with(bench, &then, true, &outcome)) {
			fault_totals->pairs++;
			describe(what, sizeof what, bench, way, &then);
			(void)snprintf(text, sizeof text, "%s, after %llu writes and flushes", what,
				(unsigned long long)nth - 1);
			expect_failure(bench, &outcome, text);
			fault_bench_assess(bench, &outcome, 0, text);
		}
	}
	fault_disk_undo(disk, 0);
	return fired && then.n_fired > 0;
}

/* The first faults of a recovery are strided so that with those of the first run all meet. */
static void try_pairs(struct fault_bench *bench, const struct way *way)
{
	uint64_t step = faults_full() ? 3 : 17, stride = faults_full() ? 7 : 31;
	bool fired = true;

	for (uint64_t nth = 2; fired; nth += step) {
		fired = try_pair(bench, nth, way, 1);
		for (uint64_t second = 2 + nth % stride; fired; second += stride)
			if (!try_pair(bench, nth, way, second))
				break;
	}
}

START_TEST(test_a_recovery_that_fails_is_recovered_from)
{
	static const char *const names[] = {
		"upgrade on FAT12", "mixed on FAT16", "growing on FAT12", "two steps on FAT12"};
	struct fault_bench *bench = fault_bench_of(fault_subject_find(names[_i]));

	try_pairs(bench, &mirror_ways[1]);
	try_pairs(bench, &mirror_ways[3]);
	try_pairs(bench, &mirror_ways[4]);
}
END_TEST

/* ---- devices that lie ---- */

static bool is_success(const struct fault_outcome *outcome)
{
	return outcome->run == 0 && outcome->states[0] == FES_MIRROR_SYNCED;
}

static bool try_drop(struct fault_bench *bench, const struct way *way, uint64_t nth)
{
	struct fault fault = fault_of(way, nth, 0);
	struct fault_outcome outcome;
	char what[256];
	bool fired = run_with(bench, &fault, true, &outcome);

	describe(what, sizeof what, bench, way, &fault);
	if (fired) {
		fault_totals->lies++;
		fault_bench_assess(bench, &outcome, 0, what);
	}
	fault_disk_undo(&bench->mirrors[0], 0);
	return fired;
}

static const struct way drop_once = {"lost write", TESTDEV_WRITE, FAULT_DROP, false};
static const struct way drop_all = {"lost write", TESTDEV_WRITE, FAULT_DROP, true};
static const struct way tear_once = {"write of which half is lost", TESTDEV_WRITE, FAULT_TEAR, false};
static const struct way flip_once = {"changed write", TESTDEV_WRITE, FAULT_FLIP, false};

START_TEST(test_lost_writes_are_noticed_or_harmless)
{
	struct fault_bench *bench = fault_bench_of(&fault_subjects[_i]);
	uint64_t step = (faults_step(bench->subject->step) + 1) / 2;

	for (uint64_t nth = 1; try_drop(bench, &drop_once, nth); nth += step)
		;
	for (uint64_t nth = 1; try_drop(bench, &drop_all, nth); nth += step)
		;
	for (uint64_t nth = 1; try_drop(bench, &tear_once, nth); nth += step)
		;
}
END_TEST

/*
 * The bit that is changed may be a neighbour's that shares the sector, and then it is too late to
 * save it. But it is said, and the next run repairs or refuses it.
 */
static void assess_flip(
	struct fault_bench *bench, const struct fault_outcome *outcome, const char *what)
{
	struct fault_disk *disk = &bench->mirrors[0];
	struct fault_outcome next;

	if (cut_judge(bench->judge, &disk->image, is_success(outcome))) {
		fault_bench_assess(bench, outcome, 0, what);
		return;
	}
	ck_assert_msg(!is_success(outcome), "%s: ended well, yet %s", what, bench->judge->fault);
	ck_assert_msg(*outcome->messages[0], "%s: no reason is known", what);
	next = fault_bench_run(bench, (struct fault_plan){0});
	ck_assert_msg(is_success(&next) || disk->n_writes == 0, "%s: written to after that", what);
}

static bool try_flip(struct fault_bench *bench, uint64_t nth)
{
	struct fault fault = fault_of(&flip_once, nth, 0);
	struct fault_outcome outcome;
	char what[256];
	bool fired = run_with(bench, &fault, true, &outcome);

	describe(what, sizeof what, bench, &flip_once, &fault);
	if (fired) {
		fault_totals->lies++;
		assess_flip(bench, &outcome, what);
	}
	fault_disk_undo(&bench->mirrors[0], 0);
	return fired;
}

START_TEST(test_changed_writes_are_noticed)
{
	struct fault_bench *bench = fault_bench_of(&fault_subjects[_i]);
	uint64_t step = (faults_step(bench->subject->step) + 1) / 2;

	for (uint64_t nth = 1; try_flip(bench, nth); nth += step)
		;
}
END_TEST

void faults_add_device_cases(Suite *suite)
{
	TCase *tc = tcase_create("devices");

	tcase_set_timeout(tc, 600);
	tcase_add_unchecked_fixture(tc, fault_benches_prepare, NULL);
	tcase_add_loop_test(
		tc, test_a_mirror_that_fails_stays_bootable_and_is_put_right, 0, FAULT_SUBJECTS);
	tcase_add_loop_test(
		tc, test_a_primary_that_fails_leaves_the_mirror_bootable, 0, FAULT_SUBJECTS);
	tcase_add_test(tc, test_a_run_fails_when_the_primary_does_and_nothing_was_written);
	tcase_add_loop_test(tc, test_a_recovery_that_fails_is_recovered_from, 0, 4);
	tcase_add_loop_test(tc, test_lost_writes_are_noticed_or_harmless, 0, FAULT_SUBJECTS);
	tcase_add_loop_test(tc, test_changed_writes_are_noticed, 0, FAULT_SUBJECTS);
	suite_add_tcase(suite, tc);
}
