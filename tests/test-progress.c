/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What fes_sync_set_progress() tells, during runs on image files. */

#include <config.h>

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "lib/fatespsync.h"
#include "tests/scratch.h"
#include "tests/suite.h"

enum {
	MIB = 1024 * 1024,
	KERNEL = 3 * MIB + 517, /* bytes of the file that is new */
	KEPT = 2 * MIB,         /* bytes of the one that is on both */
	EVENTS_MAX = 256,
	NAMES_MAX = 4,
	PHASE_MAX = FES_PROGRESS_DONE,
};

struct event {
	const char *name;
	enum fes_progress_phase phase;
	uint64_t done, total;
};

static struct scratch scratch;

__attribute__((format(printf, 1, 2))) static void run_shell(const char *format, ...)
{
	char command[1024], text[768];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	(void)snprintf(command, sizeof command, "set -e; PATH=$PATH:/usr/sbin:/sbin; cd '%s'; %s",
		scratch.path, text);
	ck_assert_msg(system(command) == 0, "%s", text);
}

/* ---- a run, and what is told of it ---- */

struct test {
	struct fes_context *context;
	struct fes_sync *sync;
	struct event events[EVENTS_MAX];
	size_t n_events;
	char names[NAMES_MAX][300];
	size_t n_names;
	bool telling; /* as the calls come one at a time, no thread sees it true */
	bool overlapped;
	bool interrupt; /* in the middle of copying */
	uint64_t began_ms;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const char *remember_name(struct test *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->n_names && strcmp(t->names[i], name) != 0; i++)
		;
	if (i == t->n_names && i < NAMES_MAX)
		(void)snprintf(t->names[t->n_names++], sizeof t->names[0], "%s", name);
	return t->names[i];
}

static void note_event(void *userdata, const struct fes_mirror *mirror,
	enum fes_progress_phase phase, uint64_t done, uint64_t total)
{
	struct test *t = userdata;

	t->overlapped |= t->telling;
	t->telling = true;
	if (t->n_events < EVENTS_MAX)
		t->events[t->n_events++] = (struct event){
			remember_name(t, fes_mirror_get_name(mirror)), phase, done, total};
	if (t->interrupt && phase == FES_PROGRESS_COPY)
		fes_interrupt(t->context);
	t->telling = false;
}

static void note_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct test *t = userdata;

	(void)level;
	(void)message;
	t->overlapped |= t->telling;
}

static void make_volume(const char *name, const char *fill)
{
	run_shell("rm -f %s; mkfs.fat -C -F 16 %s 32768 >log;"
		  " mmd -i %s ::/EFI ::/EFI/Linux; mcopy -i %s kept ::/EFI/Linux/kept.efi; %s",
		name, name, name, name, fill);
}

static void make_volumes(void)
{
	scratch_make(&scratch);
	run_shell("head -c %d /dev/urandom >kept; head -c %d /dev/urandom >kernel", KEPT, KERNEL);
	make_volume("primary", "mcopy -i primary kernel ::/EFI/Linux/new.efi");
	make_volume("mirror", "");
}

static void remove_volumes(void)
{
	scratch_remove(&scratch);
}

static const char *path_of(const char *name)
{
	static char path[300];

	(void)snprintf(path, sizeof path, "%s/%s", scratch.path, name);
	return path;
}

static struct test *new_test(void)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->began_ms = now_ms();
	ck_assert_int_eq(fes_new(&t->context), 0);
	fes_set_log(t->context, note_message, t);
	ck_assert_int_eq(fes_sync_new(t->context, &t->sync), 0);
	fes_sync_set_progress(t->sync, note_event, t);
	ck_assert_int_eq(fes_sync_set_primary(t->sync, path_of("primary")), 0);
	return t;
}

static void add_mirror(struct test *t, const char *name)
{
	ck_assert_int_eq(fes_sync_add_mirror(t->sync, path_of(name)), 0);
}

static void run(struct test *t)
{
	ck_assert_int_eq(fes_sync_run(t->sync), 0);
	ck_assert_uint_lt(t->n_events, EVENTS_MAX);
	ck_assert(!t->overlapped);
}

static void free_test(struct test *t)
{
	fes_sync_free(t->sync);
	fes_free(t->context);
	free(t);
}

/* The last event of @phase about the volume @name; NULL: there was none. */
static const struct event *last_of(const struct test *t, const char *name,
	enum fes_progress_phase phase)
{
	const struct event *last = NULL;

	for (size_t i = 0; i < t->n_events; i++)
		if (t->events[i].phase == phase && strcmp(t->events[i].name, path_of(name)) == 0)
			last = &t->events[i];
	return last;
}

static void expect_whole(const struct test *t, const char *name, enum fes_progress_phase phase,
	uint64_t total)
{
	const struct event *event = last_of(t, name, phase);

	ck_assert_msg(event, "nothing was told of phase %d", phase);
	ck_assert_uint_eq(event->total, total);
	ck_assert_uint_eq(event->done, total);
}

/* Of one mirror: phases only go on, bytes only grow up to those in all, which do not change. */
static void expect_order(const struct test *t, const char *name)
{
	const struct event *before = NULL;

	for (size_t i = 0; i < t->n_events; i++) {
		const struct event *event = &t->events[i];

		if (strcmp(event->name, path_of(name)) != 0)
			continue;
		ck_assert(event->total == 0 || event->done <= event->total);
		if (!before || event->phase != before->phase)
			ck_assert_uint_eq(event->done, 0);
		if (before && event->phase == before->phase) {
			ck_assert_uint_ge(event->done, before->done);
			ck_assert_uint_eq(event->total, before->total);
		}
		ck_assert(!before || event->phase >= before->phase);
		before = event;
	}
	ck_assert_ptr_nonnull(before);
	ck_assert_int_eq(before->phase, FES_PROGRESS_DONE);
}

/* ---- cases ---- */

START_TEST(test_a_sync_tells_the_bytes_that_it_reads_writes_and_reads_back)
{
	struct test *t = new_test();

	add_mirror(t, "mirror");
	run(t);
	ck_assert_int_eq(fes_mirror_get_state(fes_sync_get_mirror(t->sync, 0)), FES_MIRROR_SYNCED);
	expect_order(t, "mirror");
	expect_whole(t, "mirror", FES_PROGRESS_CHECK, 0);
	expect_whole(t, "mirror", FES_PROGRESS_COMPARE, KEPT);
	expect_whole(t, "mirror", FES_PROGRESS_COPY, KERNEL);
	expect_whole(t, "mirror", FES_PROGRESS_FLUSH, 0);
	expect_whole(t, "mirror", FES_PROGRESS_VERIFY, KERNEL);
	expect_whole(t, "mirror", FES_PROGRESS_COMMIT, 0);
	free_test(t);
}
END_TEST

START_TEST(test_a_mirror_in_sync_is_only_compared)
{
	struct test *t = new_test();

	run_shell("cp primary mirror");
	add_mirror(t, "mirror");
	run(t);
	expect_order(t, "mirror");
	expect_whole(t, "mirror", FES_PROGRESS_COMPARE, KEPT + KERNEL);
	ck_assert_ptr_null(last_of(t, "mirror", FES_PROGRESS_COPY));
	ck_assert_ptr_null(last_of(t, "mirror", FES_PROGRESS_COMMIT));
	free_test(t);
}
END_TEST

START_TEST(test_a_dry_run_does_not_copy)
{
	struct test *t = new_test();

	add_mirror(t, "mirror");
	fes_sync_set_flags(t->sync, FES_SYNC_DRY_RUN);
	run(t);
	expect_order(t, "mirror");
	ck_assert_ptr_null(last_of(t, "mirror", FES_PROGRESS_COPY));
	free_test(t);
}
END_TEST

/* The primary has more to read than the mirror, which may have to wait for it, or not. */
START_TEST(test_who_waits_for_the_primary_is_told_all_of_its_bytes)
{
	struct test *t = new_test();
	const struct event *event;

	run_shell("mren -i mirror ::/EFI/Linux/kept.efi ::/EFI/Linux/old.efi;"
		  " for i in 1 2 3 4 5; do mcopy -i primary kept ::/EFI/Linux/$i.efi; done");
	add_mirror(t, "mirror");
	fes_sync_set_flags(t->sync, FES_SYNC_DRY_RUN);
	run(t);
	expect_order(t, "mirror");
	expect_whole(t, "mirror", FES_PROGRESS_COMPARE, KEPT);
	event = last_of(t, "mirror", FES_PROGRESS_PRIMARY);
	if (event)
		expect_whole(t, "mirror", FES_PROGRESS_PRIMARY, event->total);
	free_test(t);
}
END_TEST

START_TEST(test_mirrors_side_by_side_are_told_apart_and_one_at_a_time)
{
	struct test *t = new_test();

	run_shell("cp mirror second; cp mirror third");
	add_mirror(t, "mirror");
	add_mirror(t, "second");
	add_mirror(t, "third");
	run(t);
	ck_assert_uint_eq(t->n_names, 3);
	for (size_t i = 0; i < t->n_names; i++) {
		const char *name = strrchr(t->names[i], '/') + 1;

		expect_order(t, name);
		expect_whole(t, name, FES_PROGRESS_VERIFY, KERNEL);
	}
	free_test(t);
}
END_TEST

/* Whatever the machine does meanwhile, no more than this can come. */
START_TEST(test_the_rate_is_bounded)
{
	struct test *t = new_test();

	add_mirror(t, "mirror");
	run(t);
	ck_assert_uint_le(t->n_events, 2 * PHASE_MAX + (now_ms() - t->began_ms) / 100);
	free_test(t);
}
END_TEST

START_TEST(test_a_refused_mirror_ends)
{
	struct test *t = new_test();

	run_shell("head -c 1M /dev/zero >none");
	add_mirror(t, "none");
	run(t);
	/* What holds no volume is found out before it is a mirror's turn. */
	if (t->n_events > 0)
		expect_order(t, "none");
	free_test(t);
}
END_TEST

START_TEST(test_the_callback_may_interrupt)
{
	struct test *t = new_test();

	add_mirror(t, "mirror");
	t->interrupt = true;
	run(t);
	ck_assert_int_ge(fes_mirror_get_state(fes_sync_get_mirror(t->sync, 0)), FES_MIRROR_REFUSED);
	expect_order(t, "mirror");
	ck_assert_ptr_null(last_of(t, "mirror", FES_PROGRESS_COMMIT));
	free_test(t);
}
END_TEST

START_TEST(test_a_mirror_that_somebody_else_holds_is_waited_for)
{
	struct test *t = new_test();
	int lock = blkdev_lock_path(path_of("mirror"), true);

	ck_assert_int_ge(lock, 0);
	fes_set_timeout(t->context, 1);
	add_mirror(t, "mirror");
	run(t);
	ck_assert_ptr_nonnull(last_of(t, "mirror", FES_PROGRESS_WAIT));
	ck_assert_ptr_null(last_of(t, "mirror", FES_PROGRESS_CHECK));
	expect_order(t, "mirror");
	(void)close(lock);
	free_test(t);
}
END_TEST

START_TEST(test_nobody_has_to_listen)
{
	struct test *t = new_test();

	fes_sync_set_progress(t->sync, NULL, NULL);
	add_mirror(t, "mirror");
	run(t);
	ck_assert_uint_eq(t->n_events, 0);
	ck_assert_int_eq(fes_mirror_get_state(fes_sync_get_mirror(t->sync, 0)), FES_MIRROR_SYNCED);
	free_test(t);
}
END_TEST

static bool has_tools(void)
{
	return system("PATH=$PATH:/sbin:/usr/sbin; for t in mkfs.fat mcopy; do"
		      " command -v $t >/dev/null || exit 1; done") == 0;
}

int main(void)
{
	TCase *tc = tcase_create("progress");
	Suite *suite = suite_create("progress");

	if (!has_tools()) {
		puts("mkfs.fat or mtools not found: skipped");
		return 77;
	}
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, make_volumes, remove_volumes);
	tcase_add_test(tc, test_a_sync_tells_the_bytes_that_it_reads_writes_and_reads_back);
	tcase_add_test(tc, test_a_mirror_in_sync_is_only_compared);
	tcase_add_test(tc, test_a_dry_run_does_not_copy);
	tcase_add_test(tc, test_who_waits_for_the_primary_is_told_all_of_its_bytes);
	tcase_add_test(tc, test_mirrors_side_by_side_are_told_apart_and_one_at_a_time);
	tcase_add_test(tc, test_the_rate_is_bounded);
	tcase_add_test(tc, test_a_refused_mirror_ends);
	tcase_add_test(tc, test_the_callback_may_interrupt);
	tcase_add_test(tc, test_a_mirror_that_somebody_else_holds_is_waited_for);
	tcase_add_test(tc, test_nobody_has_to_listen);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
