/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults-wrap.h"
#include "tests/faults.h"

/*
 * One of three mirrors is dead: one of its calls does not return before the two others are done. If
 * these waited for it, all would wait for ever, and the test's time would run out.
 */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned n_ended; /* of the others */
	unsigned op;      /* the dead one's call that waits: this op, */
	uint64_t nth;     /* this number */
	bool waited;
};

static void note_end(void *userdata, unsigned op, uint64_t nth)
{
	struct gate *gate = userdata;

	if (op != 0 || nth == 0)
		return;
	(void)pthread_mutex_lock(&gate->lock);
	gate->n_ended++;
	(void)pthread_cond_broadcast(&gate->changed);
	(void)pthread_mutex_unlock(&gate->lock);
}

static void wait_for_others(void *userdata, unsigned op, uint64_t nth)
{
	struct gate *gate = userdata;

	if (op != gate->op || nth != gate->nth)
		return;
	(void)pthread_mutex_lock(&gate->lock);
	gate->waited = true;
	while (gate->n_ended < BENCH_MIRRORS - 1)
		(void)pthread_cond_wait(&gate->changed, &gate->lock);
	(void)pthread_mutex_unlock(&gate->lock);
}

static void hang_gate(struct fault_bench *bench, struct gate *gate, size_t dead)
{
	for (size_t i = 0; i < BENCH_MIRRORS; i++) {
		bench->mirrors[i].hook = i == dead ? wait_for_others : note_end;
		bench->mirrors[i].userdata = gate;
	}
}

static void take_gate_away(struct fault_bench *bench)
{
	for (size_t i = 0; i < BENCH_MIRRORS; i++)
		bench->mirrors[i].hook = NULL;
}

/* The others are to the byte what they are when nobody is dead. */
static void expect_others(const struct fault_bench *bench, const struct fault_outcome *outcome,
	size_t dead, const struct cut_image *expected, const char *what)
{
	for (size_t i = 0; i < BENCH_MIRRORS; i++) {
		if (i == dead)
			continue;
		ck_assert_msg(outcome->run == 0 && outcome->states[i] == FES_MIRROR_SYNCED,
			"%s: %d, state %d", what, outcome->run, (int)outcome->states[i]);
		ck_assert_msg(
			memcmp(bench->mirrors[i].image.bytes, expected->bytes, expected->size) == 0,
			"%s: mirror %zu is not as without it", what, i);
	}
}

static void undo(struct fault_bench *bench)
{
	for (size_t i = 0; i < BENCH_MIRRORS; i++)
		fault_disk_undo(&bench->mirrors[i], 0);
}

/* When the call returns at last, it fails and so do all others; with @late it just was slow. */
static bool try_dead(struct fault_bench *bench, size_t dead, unsigned op, uint64_t nth, bool late,
	const struct cut_image *expected)
{
	struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.op = op,
		.nth = nth};
	struct fault fault = {.ops = op,
		.kind = FAULT_LATE,
		.error = -EIO,
		.nth = late ? 0 : nth,
		.sticky = true};
	struct fault_plan plan = {0};
	struct fault_outcome outcome;
	char what[128];

	plan.mirrors[dead] = &fault;
	(void)snprintf(
		what, sizeof what, "mirror %zu waits in call %d of kind %u", dead, (int)nth, op);
	hang_gate(bench, &gate, dead);
	outcome = fault_bench_run(bench, plan);
	take_gate_away(bench);
	expect_others(bench, &outcome, dead, expected, what);
	ck_assert_msg((outcome.states[dead] == FES_MIRROR_SYNCED) == (late || !gate.waited),
		"%s: state %d", what, (int)outcome.states[dead]);
	fault_bench_judge(bench, &outcome, dead, what);
	fault_totals->mirrors += gate.waited;
	undo(bench);
	return gate.waited;
}

static struct cut_image image_without_fault(struct fault_bench *bench)
{
	const struct cut_image *image = &bench->mirrors[0].image;
	struct fault_outcome outcome = fault_bench_run(bench, (struct fault_plan){0});
	struct cut_image ret = {.size = image->size, .bytes = malloc(image->size)};

	ck_assert_ptr_nonnull(ret.bytes);
	memcpy(ret.bytes, image->bytes, ret.size);
	expect_others(bench, &outcome, BENCH_MIRRORS, &ret, "nobody is dead");
	undo(bench);
	return ret;
}

START_TEST(test_a_dead_mirror_holds_no_other_back)
{
	static const unsigned ops[] = {TESTDEV_READ, TESTDEV_WRITE, TESTDEV_FLUSH};
	struct fault_bench *bench =
		fault_bench_new(fault_subject_find("changes on FAT12"), BENCH_MIRRORS);
	struct cut_image expected = image_without_fault(bench);
	uint64_t step = faults_step(5);

	for (size_t dead = 0; dead < BENCH_MIRRORS; dead++)
		for (uint64_t nth = 1; try_dead(bench, dead, ops[_i], nth, nth % 2, &expected);)
			nth += step;
	free(expected.bytes);
	fault_bench_free(bench);
}
END_TEST

/* Already what it is takes its time to be found out. */
START_TEST(test_a_mirror_that_does_not_say_what_it_is_holds_no_other_back)
{
	struct fault_bench *bench =
		fault_bench_new(fault_subject_find("changes on FAT12"), BENCH_MIRRORS);
	struct cut_image expected = image_without_fault(bench);

	ck_assert(try_dead(bench, (size_t)_i, 0, 0, true, &expected));
	free(expected.bytes);
	fault_bench_free(bench);
}
END_TEST

/* ---- what is no volume at all ---- */

static void put_nothing(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
}

static void put_fifo(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void put_directory(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void put_zeros(const char *path)
{
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(truncate(path, 1024 * 1024), 0);
}

static void put_half(const char *path)
{
	ck_assert_int_eq(truncate(path, 300 * 1024), 0);
}

START_TEST(test_what_is_no_volume_stops_no_other_mirror)
{
	static void (*const puts[])(const char *path) = {
		put_nothing, put_fifo, put_directory, put_zeros, put_half};
	struct fault_bench *bench =
		fault_bench_new(fault_subject_find("changes on FAT12"), BENCH_MIRRORS);
	struct fault_outcome outcome;

	puts[_i](bench->mirror_paths[1]);
	bench->on_files = true;
	outcome = fault_bench_run(bench, (struct fault_plan){0});
	ck_assert_int_eq(outcome.run, 0);
	ck_assert_int_eq(outcome.states[0], FES_MIRROR_SYNCED);
	ck_assert_int_eq(outcome.states[1], FES_MIRROR_REFUSED);
	ck_assert_int_eq(outcome.states[2], FES_MIRROR_SYNCED);
	ck_assert_msg(*outcome.messages[1], "a reason is given");
	fault_totals->mirrors++;
	fault_bench_free(bench);
}
END_TEST

void faults_add_mirror_cases(Suite *suite)
{
	TCase *tc = tcase_create("mirrors");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_a_dead_mirror_holds_no_other_back, 0, 3);
	tcase_add_loop_test(tc, test_a_mirror_that_does_not_say_what_it_is_holds_no_other_back, 0,
		BENCH_MIRRORS);
	tcase_add_loop_test(tc, test_what_is_no_volume_stops_no_other_mirror, 0, 5);
	suite_add_tcase(suite, tc);
}
