/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Transactions: what is left when something goes wrong on the way. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/txn-work.h"

START_TEST(test_the_work_of_the_following_cases_works)
{
	struct txn_test *t = txn_work_new(_i);

	ck_assert_int_eq(txn_work_state(t->f), 0);
	txn_work_plan(t);
	txn_run(t);
	ck_assert_int_eq(txn_work_state(t->f), 5);
	txn_test_free(t);
}
END_TEST

static int refuse(void *userdata)
{
	(void)userdata;
	return -ECANCELED;
}

START_TEST(test_a_refusal_before_the_commit_leaves_lost_clusters_at_most)
{
	struct txn_test *t = txn_work_new(_i);
	uint32_t n_free = txn_free_clusters(t);

	txn_work_plan(t);
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, refuse, NULL), -ECANCELED);
	txn_expect_untouched(t);
	txn_end(t);
	ck_assert_uint_gt(fixture_check(t->f).lost_clusters, 0);
	ck_assert_int_eq(txn_work_state(t->f), 0);
	txn_work_tidy_up(t);
	fixture_judge(t->f);
	ck_assert_uint_eq(txn_free_clusters(t), n_free);
	ck_assert_int_eq(txn_work_state(t->f), 0);
	txn_test_free(t);
}
END_TEST

/* Commit up to number @end: so much is done then, and what is done already is not done again. */
static void expect_commits(struct txn_test *t, uint32_t end)
{
	uint64_t n_calls;

	ck_assert_int_eq(fat_txn_commit(t->txn, end), 0);
	ck_assert_int_eq(txn_work_state(t->f), (int)end);
	n_calls = t->fault.n_calls;
	ck_assert_int_eq(fat_txn_commit(t->txn, end / 2), 0);
	ck_assert_uint_eq(t->fault.n_calls, n_calls);
}

/* Between two commits there is time for something else. */
START_TEST(test_commits_are_done_when_it_is_said)
{
	static const uint32_t ends[] = {0, 1, 1, 4, 5};
	struct txn_test *t = txn_work_new(_i);

	t->fault.ops = TESTDEV_ALL;
	txn_work_plan(t);
	ck_assert_uint_eq(fat_txn_count(t->txn), 5);
	txn_layout(t);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	ck_assert_int_eq(txn_work_state(t->f), 0);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		expect_commits(t, ends[i]);
	ck_assert_int_eq(fat_txn_release(t->txn), 0);
	txn_expect_untouched(t);
	txn_end(t);
	fixture_judge(t->f);
	ck_assert_int_eq(txn_work_state(t->f), 5);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_transaction_that_is_given_up_between_commits_leaves_a_sound_volume)
{
	struct txn_test *t = txn_work_new(_i);

	txn_work_plan(t);
	txn_layout(t);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	ck_assert_int_eq(fat_txn_commit(t->txn, 3), 0);
	txn_end(t);
	ck_assert_int_eq(txn_work_state(t->f), 3);
	txn_work_tidy_up(t);
	fixture_judge(t->f);
	ck_assert_int_eq(txn_work_state(t->f), 3);
	txn_test_free(t);
}
END_TEST

START_TEST(test_steps_that_are_out_of_turn_are_refused)
{
	struct txn_test *t = txn_work_new(_i);

	txn_work_plan(t);
	txn_layout(t);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_commit(t->txn, 1), -EINVAL);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	trace_done(&t->trace);
	ck_assert_int_eq(fat_txn_prepare(t->txn), -EINVAL);
	ck_assert_int_eq(fat_txn_commit(t->txn, 6), -EINVAL);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	ck_assert_int_eq(fat_txn_commit(t->txn, 4), 0);
	trace_done(&t->trace);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	txn_test_free(t);
}
END_TEST

START_TEST(test_after_a_commit_that_failed_nothing_is_written)
{
	struct txn_test *t = txn_work_new(_i);

	txn_work_plan(t);
	txn_layout(t);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	ck_assert_int_eq(fat_txn_commit(t->txn, 1), -EIO);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_commit(t->txn, 5), -EINVAL);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	txn_end(t);
	ck_assert_int_eq(txn_work_state(t->f), 0);
	txn_work_tidy_up(t);
	txn_test_free(t);
}
END_TEST

/* A poll that says stop when it is asked for the nth time. */
struct stopper {
	struct txn_test *t;
	unsigned n, nth;
	uint64_t calls; /* of the device, when it was asked last */
};

static int stop_at_nth(void *userdata)
{
	struct stopper *stopper = userdata;

	stopper->calls = stopper->t->fault.n_calls;
	return ++stopper->n == stopper->nth ? -ECANCELED : 0;
}

/* Run the work and stop it at the nth poll. Returns whether there was an nth one. */
static bool run_stopped(struct txn_test *t, unsigned nth)
{
	struct stopper stopper = {.t = t, .nth = nth};
	int r;

	fixture_reset(t->f);
	txn_begin(t);
	txn_work_plan(t);
	txn_layout(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE | TESTDEV_FLUSH};
	fat_txn_set_poll(t->txn, stop_at_nth, &stopper);
	r = fat_txn_run(t->txn, NULL, NULL);
	txn_end(t);
	ck_assert_str_eq(t->f->messages, "");
	if (stopper.n < nth) {
		ck_assert_int_eq(r, 0);
		ck_assert_int_eq(txn_work_state(t->f), 5);
		ck_assert_uint_gt(t->fault.n_calls, stopper.calls);
		return false;
	}
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_uint_eq(t->fault.n_calls, stopper.calls);
	ck_assert_int_eq(txn_work_state(t->f), 0);
	return true;
}

START_TEST(test_a_stop_at_any_poll_writes_no_more_and_commits_nothing)
{
	struct txn_test *t = txn_work_new(_i);
	uint32_t n_free = txn_free_clusters(t);
	unsigned nth = 1;

	txn_end(t);
	while (run_stopped(t, nth)) {
		txn_work_tidy_up(t);
		fixture_judge(t->f);
		ck_assert_uint_eq(txn_free_clusters(t), n_free);
		nth++;
	}
	ck_assert_uint_gt(nth, 10); /* items both ways, two FAT copies, the commit */
	txn_test_free(t);
}
END_TEST

struct intruder {
	struct txn_test *t;
	uint64_t offset;
};

static int intrude(void *userdata)
{
	struct intruder *intruder = userdata;

	intruder->t->f->bytes[intruder->offset] ^= 0x20;
	return 0;
}

/* Another entry in the same sector changes, as when a firmware writes its log. */
START_TEST(test_a_foreign_write_is_not_overwritten)
{
	struct txn_test *t = txn_work_new(_i);
	struct fat_entry entry = fixture_find(t->f, "/EFI/BOOT");
	struct intruder intruder = {t, 0};
	uint8_t byte;

	txn_work_plan(t);
	intruder.offset = fat_cluster_offset(t->vol, fixture_find(t->f, "/EFI").first_cluster) +
			  entry.short_slot * FAT_SLOT_LEN + 22;
	byte = t->f->bytes[intruder.offset];
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, intrude, &intruder), -ESTALE);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "changed by somebody else"));
	ck_assert_uint_eq(t->f->bytes[intruder.offset], byte ^ 0x20);
	txn_end(t);
	(void)fixture_check(t->f);
	ck_assert_int_eq(txn_work_state(t->f), 0);
	txn_test_free(t);
}
END_TEST

/* Run the work with the nth write gone wrong silently. Returns whether there was an nth one. */
static bool run_lying(struct txn_test *t, enum fault_kind kind, uint64_t nth)
{
	bool fired;
	int r, state;

	fixture_reset(t->f);
	txn_begin(t);
	txn_work_plan(t);
	t->n_before_commit = 0;
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .kind = kind, .nth = nth};
	r = txn_work_run(t);
	fired = t->fault.n_fired > 0;
	txn_end(t);
	t->fault.nth = 0;
	if (!fired)
		return false;
	state = txn_work_state(t->f);
	if (t->n_before_commit == 0)
		ck_assert_msg(
			r < 0 && state == 0, "write %u: %d, state %d", (unsigned)nth, r, state);
	else if (nth <= t->calls_before_commit)
		ck_abort_msg(
			"write %u was lost and nobody noticed before the commit", (unsigned)nth);
	return true;
}

/* At each write, or, on FAT32, which has many, at some. */
static void lie_at_each_write(int type, enum fault_kind kind)
{
	struct txn_test *t = txn_work_new(type);
	uint64_t nth = 1;

	txn_end(t);
	while (run_lying(t, kind, nth))
		nth += type == 2 ? 5 : 1;
	ck_assert_uint_gt(nth, 15);
	txn_test_free(t);
}

START_TEST(test_a_lost_write_is_noticed_before_the_commit)
{
	lie_at_each_write(_i, FAULT_DROP);
}
END_TEST

/* Clusters of several sectors, of which the first ones get through. */
START_TEST(test_half_a_lost_write_is_noticed_before_the_commit)
{
	struct txn_test *t =
		txn_test_on(fixture_new_mkfs("-F 12 -s 4 x.img 1024", txn_files, TXN_N_FILES));
	uint64_t nth = 1;

	txn_work_fill(t, 62);
	txn_end(t);
	while (run_lying(t, FAULT_TEAR, nth))
		nth++;
	ck_assert_uint_gt(nth, 15);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_flipped_bit_is_noticed_before_the_commit)
{
	lie_at_each_write(_i, FAULT_FLIP);
}
END_TEST

/* The commit's own sector is read back, too. */
START_TEST(test_a_lost_commit_is_noticed)
{
	struct txn_test *t = txn_work_new(_i);

	txn_work_plan(t);
	txn_layout(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE};
	ck_assert_int_eq(fat_txn_run(t->txn, txn_work_note_before_commit, t), 0);
	txn_end(t);
	fixture_reset(t->f);
	txn_begin(t);
	txn_work_plan(t);
	t->fault = (struct fault){
		.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = t->calls_before_commit + 1};
	ck_assert_int_eq(txn_work_run(t), -EIO);
	txn_end(t);
	ck_assert_int_eq(txn_work_state(t->f), 0);
	txn_work_tidy_up(t);
	fixture_judge(t->f);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_lost_link_is_noticed)
{
	struct txn_test *t = txn_work_new(_i / 2);

	txn_work_plan_one_more(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE};
	ck_assert_int_eq(txn_work_run(t), 0);
	txn_end(t);
	fixture_reset(t->f);
	txn_begin(t);
	txn_work_plan_one_more(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE,
		.kind = FAULT_DROP,
		.nth = t->calls_before_commit + 1 + (unsigned)_i % 2};
	ck_assert_int_eq(txn_work_run(t), -EIO);
	txn_end(t);
	ck_assert(!fixture_has(t->f, "/full/ONEMORE"));
	txn_work_tidy_up(t);
	fixture_judge(t->f);
	txn_test_free(t);
}
END_TEST

/* Its writes: the commit, the two FAT copies, FSInfo. */
static int run_removal(struct txn_test *t, uint64_t lost)
{
	int r;

	fixture_reset(t->f);
	txn_begin(t);
	txn_remove(t, "/foreign.txt");
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = lost};
	r = txn_work_run(t);
	txn_end(t);
	return r;
}

/* With a free count in FSInfo that only a release which is whole makes true. */
START_TEST(test_a_lost_release_is_noticed_and_nothing_written_after_it)
{
	struct txn_test *t = txn_test_new(2);

	txn_end(t);
	ck_assert_int_eq(run_removal(t, 0), 0);
	ck_assert_uint_eq(t->fault.n_calls, 4);
	for (uint64_t lost = 2; lost <= 3; lost++) {
		ck_assert_int_eq(run_removal(t, lost), -EIO);
		ck_assert_uint_eq(t->fault.n_calls, 3);
		ck_assert(!fixture_has(t->f, "/foreign.txt"));
		txn_work_tidy_up(t);
	}
	txn_test_free(t);
}
END_TEST

/* Returns whether there was an nth call. */
static bool run_failing(struct txn_test *t, enum fault_kind kind, unsigned ops, uint64_t nth)
{
	bool fired;
	int r;

	fixture_reset(t->f);
	txn_begin(t);
	txn_work_plan(t);
	t->fault = (struct fault){
		.ops = ops, .kind = kind, .error = -EIO, .nth = nth, .sticky = nth % 2};
	r = txn_work_run(t);
	fired = t->fault.n_fired > 0;
	txn_end(t);
	if (!fired) {
		ck_assert_int_eq(r, 0);
		return false;
	}
	ck_assert_msg(r == -EIO, "call %u: %d", (unsigned)nth, r);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "test: "));
	(void)fixture_check(t->f);
	ck_assert_msg(txn_work_state(t->f) >= 0, "call %u", (unsigned)nth);
	txn_work_tidy_up(t);
	ck_assert_msg(txn_work_state(t->f) >= 0, "call %u, tidied up", (unsigned)nth);
	return true;
}

static void fail_every_call(int type, enum fault_kind kind, unsigned ops, unsigned at_least)
{
	struct txn_test *t = txn_work_new(type);
	uint64_t nth = 1;

	txn_end(t);
	while (run_failing(t, kind, ops, nth))
		nth += type == 2 ? 5 : 1; /* that volume is large */
	ck_assert_uint_gt(nth, at_least);
	txn_test_free(t);
}

START_TEST(test_any_failing_write_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_ERROR, TESTDEV_WRITE, 15);
}
END_TEST

START_TEST(test_any_half_write_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_HALF, TESTDEV_WRITE, 15);
}
END_TEST

START_TEST(test_any_failing_read_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_ERROR, TESTDEV_READ, 30);
}
END_TEST

START_TEST(test_any_failing_barrier_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_ERROR, TESTDEV_FLUSH, 8);
}
END_TEST

/* What is said of a device that is not what it was, of @size bytes. */
static void expect_words(struct txn_test *t, int error, uint64_t size)
{
	char want[128];

	if (error == -ENXIO)
		(void)snprintf(want, sizeof want, "test: the device is gone");
	else if (error == -EROFS)
		(void)snprintf(want, sizeof want, "test: it became write-protected");
	else if (error == -ESTALE)
		(void)snprintf(want, sizeof want, "test: its size changed from %llu to %llu bytes",
			(unsigned long long)size, (unsigned long long)size / 2);
	else
		(void)snprintf(want, sizeof want, "%s", strerror(-error));
	ck_assert_msg(strstr(t->f->messages, want) != NULL, "%s", t->f->messages);
}

/* From the nth look at it on the device is another. Returns whether there was an nth one. */
static bool run_on_device_that_changes(struct txn_test *t, uint64_t nth, int error, int commits)
{
	uint64_t size = blkdev_size(t->f->dev);
	bool fired;
	int r;

	fixture_reset(t->f);
	txn_begin(t);
	txn_work_plan(t);
	trace_done(&t->trace);
	t->fault =
		(struct fault){.ops = TESTDEV_RECHECK, .error = error, .nth = nth, .sticky = true};
	r = txn_work_run(t);
	fired = t->fault.n_fired > 0;
	txn_end(t);
	if (!fired) {
		ck_assert_int_eq(r, 0);
		return false;
	}
	ck_assert_int_eq(r, error);
	expect_words(t, error, size);
	ck_assert_uint_eq(t->fault.n_fired, 1);
	ck_assert_str_eq(t->trace.text + t->trace.len - strlen("recheck\n"), "recheck\n");
	ck_assert_int_eq(txn_work_state(t->f), commits);
	return true;
}

/* It has five operations: with the first and the last look that makes seven. */
START_TEST(test_nothing_is_written_to_a_device_that_is_another_now)
{
	static const int commits[] = {0, 0, 1, 2, 3, 4, 5};
	static const int errors[] = {-ENXIO, -ESTALE, -EROFS, -ENOTTY};
	struct txn_test *t = txn_work_new(_i);

	txn_end(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH | TESTDEV_RECHECK;
	for (uint64_t nth = 1; nth <= 7; nth++) {
		ck_assert(run_on_device_that_changes(t, nth, errors[nth % 4], commits[nth - 1]));
		if (nth == 1)
			ck_assert_str_eq(t->trace.text, "recheck\n");
		txn_work_tidy_up(t);
	}
	ck_assert(!run_on_device_that_changes(t, 8, -ENXIO, 5));
	txn_test_free(t);
}
END_TEST

/* Writes fail from the first on; the look that comes after that finds the device gone. */
START_TEST(test_a_device_that_fails_because_it_is_gone_is_said_to_be_gone)
{
	struct fault gone = {.ops = TESTDEV_RECHECK, .error = -ENXIO, .nth = 2};
	struct txn_test *t = txn_work_new(_i);
	struct blkdev *below, *dev;

	txn_end(t);
	ck_assert_int_eq(faultdev_new(t->f->dev, &gone, &below), 0);
	ck_assert_int_eq(faultdev_new(below, &t->fault, &dev), 0);
	txn_begin_on(t, dev);
	txn_work_plan(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	ck_assert_int_eq(txn_work_run(t), -EIO);
	ck_assert_uint_eq(gone.n_fired, 1);
	expect_words(t, -EIO, 0);
	expect_words(t, -ENXIO, 0);
	txn_end(t);
	blkdev_close(dev);
	blkdev_close(below);
	txn_test_free(t);
}
END_TEST

static void add_faults(Suite *suite)
{
	const TTest *const tests[] = {
		test_the_work_of_the_following_cases_works,
		test_a_refusal_before_the_commit_leaves_lost_clusters_at_most,
		test_commits_are_done_when_it_is_said,
		test_a_transaction_that_is_given_up_between_commits_leaves_a_sound_volume,
		test_steps_that_are_out_of_turn_are_refused,
		test_after_a_commit_that_failed_nothing_is_written,
		test_a_stop_at_any_poll_writes_no_more_and_commits_nothing,
		test_a_foreign_write_is_not_overwritten,
		test_a_lost_write_is_noticed_before_the_commit,
		test_a_flipped_bit_is_noticed_before_the_commit,
		test_a_lost_commit_is_noticed,
		test_any_failing_write_leaves_a_sound_volume,
		test_any_half_write_leaves_a_sound_volume,
		test_any_failing_read_leaves_a_sound_volume,
		test_any_failing_barrier_leaves_a_sound_volume,
		test_nothing_is_written_to_a_device_that_is_another_now,
		test_a_device_that_fails_because_it_is_gone_is_said_to_be_gone,
	};
	const TTest *const halves[] = {test_half_a_lost_write_is_noticed_before_the_commit};
	const TTest *const links[] = {test_a_lost_link_is_noticed};
	const TTest *const release[] = {
		test_a_lost_release_is_noticed_and_nothing_written_after_it};

	txn_add_case(suite, "faults", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	txn_add_case(suite, "half writes", halves, 1, 1);
	txn_add_case(suite, "links", links, 1, 2 * FIXTURE_N_TYPES);
	txn_add_case(suite, "release", release, 1, 1);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("txn-faults");
	add_faults(suite);
	return suite_run(suite);
}
