/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fes_interrupt() at every moment that can be told from another: during each call to the mirror's
 * device and to the primary's. What is left is judged as after a power cut.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/internal.h"
#include "tests/powercut.h"

static char *scratch;
static struct cut_totals *totals;

/* ---- volumes and trees ---- */

static const struct cut_shape shapes[] = {
	{.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 2000,
		.n_fragments = 20},
	{.fat_bits = 16, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 4800},
	{.fat_bits = 32, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 65600},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static const struct cut_file foreign_files[] = {
	{"/EFI/Microsoft/Boot/bootmgfw.efi", "1538@41", NULL},
	{"/EFI/Linux/mine/own.efi", "700@42", NULL},
	{"/startup.nsh", "33@46", NULL},
	{NULL, NULL, NULL},
};

/* An upgrade with each kind of commit: /EFI/Linux is mixed, /loader and /EFI/systemd are not. */
static const struct cut_file upgraded_files[] = {
	{"/loader/loader.conf", "=timeout 3\n", "=timeout 5\n"},
	{"/loader/entries/old.conf", "=linux /EFI/Linux/a kernel named old.efi\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /EFI/Linux/a kernel named new.efi\n"},
	{"/EFI/Linux/a kernel named old.efi", "5000@1", NULL},
	{"/EFI/Linux/a kernel named new.efi", NULL, "5100@2"},
	{"/EFI/Linux/counted+3-0.efi", "1500@3", NULL},
	{"/EFI/Linux/counted+2-1.efi", NULL, "1500@3"},
	{"/EFI/Linux/replaced.efi", "1000@4", "1400@5"},
	{"/EFI/systemd/systemd-bootx64.efi", "3000@6", "3100@7"},
	{NULL, NULL, NULL},
};
static const struct cut_workload upgrade = {
	.files = upgraded_files,
	.foreign = foreign_files,
	.exclude = {"/EFI/Linux/mine"},
};

/* Not both kernels beside each other; each alone fits. */
static const struct cut_shape small = {
	.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 420};
static const struct cut_file swapped_kernels[] = {
	{"/loader/entries/old.conf", "=linux /EFI/Linux/old.efi\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /EFI/Linux/new.efi\n"},
	{"/loader/entries/rescue.conf", "=linux /EFI/Linux/rescue.efi\n",
		"=linux /EFI/Linux/rescue.efi\n"},
	{"/EFI/Linux/old.efi", "128000@1", NULL},
	{"/EFI/Linux/new.efi", NULL, "130000@2"},
	{"/EFI/Linux/rescue.efi", "10000@3", "10000@3"},
	{NULL, NULL, NULL},
};
static const struct cut_workload two_steps = {.files = swapped_kernels};

/* ---- the sync of one mirror ---- */

static const struct cut_effort effort = {
	.states_per_epoch = 64,
	.hidden_per_epoch = 8,
	.recover_every = 1,
	.fsck_every = 41,
	.outside_every = 41,
};

/* What it says is what it did, and the next run finishes the job. */
static void judge_interrupted(struct cut_case *c, const struct cut_interruption *it,
	const struct write_log *log)
{
	ck_assert_int_eq(it->state, it->writes > 0 ? FES_MIRROR_FAILED : FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(it->message, "interrupted"), "message: '%s'", it->message);
	if (it->writes == 0)
		ck_assert_ptr_nonnull(strstr(it->message, "nothing was written"));
	if (!cut_is_visible(c, log))
		ck_assert_uint_le(it->more_flushes, 1);
	ck_assert_msg(cut_enumerate(c, log, &effort), "%s", cut_case_fault(c));
}

static uint64_t step(void)
{
	return cut_level() == CUT_QUICK ? 5 : 1;
}

/*
 * Interrupt the sync during each call. Until some call it stops and a reader sees no change; from
 * there on it ends well.
 */
static void interrupt_each_call(struct cut_case *c, bool of_primary)
{
	struct cut_interruption it = {.in_time = true};
	uint64_t n_stopped = 0, n_finished = 0;

	for (uint64_t k = 1; it.in_time; k += step()) {
		struct write_log *log = cut_record_interrupted(c, k, of_primary, &it);

		if (it.state == FES_MIRROR_SYNCED) {
			ck_assert_str_eq(it.message, "");
			ck_assert(cut_is_visible(c, log));
			n_finished++;
		} else {
			ck_assert_msg(n_finished == 0, "call %llu", (unsigned long long)k);
			ck_assert(!cut_is_visible(c, log));
			judge_interrupted(c, &it, log);
			n_stopped++;
		}
		write_log_free(log);
	}
	ck_assert_uint_gt(n_stopped, 1);
	ck_assert_uint_gt(n_finished, of_primary ? 0 : 1);
}

START_TEST(test_a_sync_stops_before_the_first_commit_or_ends_well)
{
	struct cut_case *c = cut_case_new(scratch, &shapes[_i], &upgrade, totals);

	interrupt_each_call(c, false);
	interrupt_each_call(c, true);
	cut_case_free(c);
}
END_TEST

/* Removing first is a sync of its own; after it there is a safe point, too. */
START_TEST(test_a_sync_in_two_steps_stops_before_either)
{
	struct cut_case *c = cut_case_new(scratch, &small, &two_steps, totals);
	struct cut_interruption it = {.in_time = true};
	unsigned n_early = 0, n_between = 0;

	for (uint64_t k = 1; it.in_time; k += step()) {
		struct write_log *log = cut_record_interrupted(c, k, false, &it);

		if (it.state != FES_MIRROR_SYNCED) {
			judge_interrupted(c, &it, log);
			n_early += !cut_is_visible(c, log);
			n_between += cut_is_visible(c, log);
			ck_assert_int_eq(cut_is_visible(c, log),
				strstr(it.message, "was removed") != NULL);
		}
		write_log_free(log);
	}
	ck_assert_uint_gt(n_early, 5);
	ck_assert_uint_gt(n_between, 5);
	cut_case_free(c);
}
END_TEST

/* ---- a whole run ---- */

static void save(const char *path, struct cut_image image)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(image.bytes, 1, image.size, f), image.size);
	ck_assert_int_eq(fclose(f), 0);
	free(image.bytes);
}

struct run {
	char primary[64], mirrors[2][64];
	struct fes_context *context;
	struct fes_sync *sync;
	char log[1024];
};

static void append_log(void *userdata, enum fes_log_level level, const char *message)
{
	struct run *run = userdata;
	size_t len = strlen(run->log);

	(void)level;
	(void)snprintf(run->log + len, sizeof run->log - len, "%s\n", message);
}

static void run_begin(struct run *run)
{
	*run = (struct run){0};
	(void)snprintf(run->primary, sizeof run->primary, "%s/primary.img", scratch);
	save(run->primary, cut_make_primary(scratch, upgraded_files, true));
	ck_assert_int_eq(fes_new(&run->context), 0);
	fes_set_log(run->context, append_log, run);
	ck_assert_int_eq(fes_sync_new(run->context, &run->sync), 0);
	ck_assert_int_eq(fes_sync_set_primary(run->sync, run->primary), 0);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(run->mirrors[i], sizeof run->mirrors[i], "%s/m%d.img", scratch, i);
		save(run->mirrors[i], cut_make_mirror(scratch, &shapes[0], foreign_files));
		ck_assert_int_eq(fes_sync_add_mirror(run->sync, run->mirrors[i]), 0);
	}
}

static void run_end(struct run *run)
{
	fes_sync_free(run->sync);
	fes_free(run->context);
}

static void expect_untouched(const struct run *run, size_t i)
{
	const struct fes_mirror *mirror = fes_sync_get_mirror(run->sync, i);

	ck_assert_int_eq(fes_mirror_get_state(mirror), FES_MIRROR_REFUSED);
	ck_assert_ptr_nonnull(strstr(fes_mirror_get_message(mirror), "interrupted"));
	ck_assert_ptr_nonnull(strstr(run->log, fes_mirror_get_message(mirror)));
	ck_assert_uint_eq(fes_mirror_get_writes(mirror), 0);
}

START_TEST(test_mirrors_that_were_not_begun_say_that_nothing_was_written)
{
	struct run run;

	run_begin(&run);
	fes_interrupt(run.context);
	ck_assert_int_eq(fes_sync_run(run.sync), -ECANCELED);
	expect_untouched(&run, 0);
	expect_untouched(&run, 1);
	run_end(&run);
}
END_TEST

static void *interrupt_soon(void *userdata)
{
	(void)usleep(150 * 1000);
	fes_interrupt(userdata);
	return NULL;
}

/* Without an interruption these would take a month, or a lifetime. */
static int run_locked(struct run *run, const char *locked, unsigned seconds)
{
	pthread_t thread;
	int lock, r;

	fes_set_timeout(run->context, seconds);
	lock = blkdev_lock_path(locked, true);
	ck_assert_int_ge(lock, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_soon, run->context), 0);
	r = fes_sync_run(run->sync);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(close(lock), 0);
	return r;
}

START_TEST(test_waiting_for_the_primary_ends)
{
	struct run run;

	run_begin(&run);
	ck_assert_int_eq(run_locked(&run, run.primary, 2000000), -ECANCELED);
	expect_untouched(&run, 0);
	expect_untouched(&run, 1);
	run_end(&run);
}
END_TEST

START_TEST(test_waiting_for_a_mirror_ends)
{
	struct run run;

	run_begin(&run);
	ck_assert_int_eq(run_locked(&run, run.mirrors[1], 2000000), 0);
	expect_untouched(&run, 1);
	run_end(&run);
}
END_TEST

/* The first one would be 0 milliseconds in 32 bits. */
START_TEST(test_what_is_waited_for_longest_is_waited_for)
{
	static const unsigned seconds[] = {1u << 29, UINT_MAX};
	struct run run;

	run_begin(&run);
	ck_assert_int_eq(run_locked(&run, run.primary, seconds[_i]), -ECANCELED);
	run_end(&run);
}
END_TEST

START_TEST(test_an_interrupted_volume_is_not_waited_for)
{
	struct fes_volume *volume;
	struct run run;

	run_begin(&run);
	fes_interrupt(run.context);
	ck_assert_int_eq(fes_volume_open(run.context, run.primary, &volume), -ECANCELED);
	ck_assert_str_eq(run.log, "");
	run_end(&run);
}
END_TEST

/* ---- all of it ---- */

static Suite *make_suite(void)
{
	Suite *suite = suite_create("interrupt");
	TCase *tc = tcase_create("interrupt");

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, test_a_sync_stops_before_the_first_commit_or_ends_well, 0, N_SHAPES);
	tcase_add_test(tc, test_a_sync_in_two_steps_stops_before_either);
	tcase_add_test(tc, test_mirrors_that_were_not_begun_say_that_nothing_was_written);
	tcase_add_test(tc, test_waiting_for_the_primary_ends);
	tcase_add_test(tc, test_waiting_for_a_mirror_ends);
	tcase_add_loop_test(tc, test_what_is_waited_for_longest_is_waited_for, 0, 2);
	tcase_add_test(tc, test_an_interrupted_volume_is_not_waited_for);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	static const struct cut_program program = {.make_suite = make_suite};

	return cut_main(&program, &scratch, (void **)&totals);
}
