/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole runs from a primary that is mounted and changes while it is copied: it is read anew, some
 * times, and those mirrors to which nothing was committed get what it holds then. Disk a is the
 * primary, mounted at /efi of a made-up system.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/sync.h"
#include "tests/machine.h"
#include "tests/suite.h"

enum { A, B, C, RESTARTS = 3 };

static struct machine m;

/* ---- moments: what is to be written is asked for before each look at the primary ---- */

static void (*at_look)(unsigned n); /* the @n-th of the run, from 1; NULL: nothing happens */
static _Atomic unsigned n_looks;

int __real_blkdev_catch_up(struct blkdev *dev);
int __wrap_blkdev_catch_up(struct blkdev *dev);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

int __wrap_blkdev_catch_up(struct blkdev *dev)
{
	unsigned n = ++n_looks;

	if (at_look)
		at_look(n);
	return __real_blkdev_catch_up(dev);
}

/* Nobody has to wait for anything here. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	return 0;
}

/* ---- what becomes of a mirror, made up ---- */

static void (*make_up)(struct fes_mirror *mirror, const struct fes_run *run); /* NULL: not */
static _Atomic unsigned n_tries[MACHINE_DISKS];

void __real_fes_mirror_sync(struct fes_mirror *mirror, const struct fes_run *run);
void __wrap_fes_mirror_sync(struct fes_mirror *mirror, const struct fes_run *run);

static int disk_of(const struct fes_mirror *mirror)
{
	for (int i = 0; i < MACHINE_DISKS; i++)
		if (strcmp(mirror->spec.path, m.paths[i]) == 0)
			return i;
	return A;
}

void __wrap_fes_mirror_sync(struct fes_mirror *mirror, const struct fes_run *run)
{
	n_tries[disk_of(mirror)]++;
	if (!make_up) {
		__real_fes_mirror_sync(mirror, run);
		return;
	}
	make_up(mirror, run);
	fes_volume_release(mirror->volume);
}

/* ---- the primary ---- */

static off_t slot_offset; /* of the short entry of linux.efi, bytes */

static off_t find_slot(void)
{
	static uint8_t bytes[4 * 1024 * 1024];
	int fd = open(m.paths[A], O_RDONLY | O_CLOEXEC);
	const uint8_t *at;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	n = read(fd, bytes, sizeof bytes);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(close(fd), 0);
	at = memmem(bytes, (size_t)n, "LINUX   EFI", 11);
	ck_assert_ptr_nonnull(at);
	return at - bytes;
}

/* No checks here, which are for one thread. */
static void toggle_byte(size_t offset, uint8_t mask)
{
	int fd = open(m.paths[A], O_RDWR | O_CLOEXEC);
	off_t at = slot_offset + (off_t)offset;
	uint8_t byte;

	if (pread(fd, &byte, 1, at) != 1)
		abort();
	byte ^= mask;
	if (pwrite(fd, &byte, 1, at) != 1)
		abort();
	(void)close(fd);
}

/* By a minute. */
static void toggle_time(void)
{
	toggle_byte(offsetof(struct fat_short_slot, write_time), 0x20);
}

static void toggle_damage(void)
{
	toggle_byte(offsetof(struct fat_short_slot, cluster_low) + 1, 0x70);
}

static void expect_in_sync(int i)
{
	machine_expect(&m, i, "/EFI/Linux/linux.efi", "new\n");
	machine_do(&m, "list() { mdir -i $1$esp ::/EFI/Linux | grep -i linux.*efi; };"
		       " list a.img >a; list %c.img | cmp a", 'a' + i);
}

/* ---- a run ---- */

static struct fes_sync *the_run;

static void new_run(int n_mirrors)
{
	fes_sync_free(the_run);
	machine_reboot(&m);
	n_looks = 0;
	memset(n_tries, 0, sizeof n_tries);
	ck_assert_int_eq(fes_sync_new(m.context, &the_run), 0);
	ck_assert_int_eq(fes_sync_set_primary(the_run, m.paths[A]), 0);
	for (int i = B; i < B + n_mirrors; i++)
		ck_assert_int_eq(fes_sync_add_mirror(the_run, m.paths[i]), 0);
}

static void setup(void)
{
	the_run = NULL;
	at_look = NULL;
	make_up = NULL;
	machine_start(&m);
	machine_mount(&m, A, "/efi");
	slot_offset = find_slot();
}

static void teardown(void)
{
	fes_sync_free(the_run);
	machine_stop(&m);
}

static enum fes_mirror_state state_of(int i)
{
	return fes_mirror_get_state(fes_sync_get_mirror(the_run, (size_t)(i - B)));
}

static unsigned count_lines(const char *begin)
{
	unsigned n = 0;

	for (const char *at = m.log; (at = strstr(at, begin)); at++)
		n++;
	return n;
}

/* ---- it changes once ---- */

static unsigned moment;

static void change_at_moment(unsigned n)
{
	if (n == moment)
		toggle_time();
}

START_TEST(test_whenever_it_changes_once_the_mirror_gets_the_new_state)
{
	unsigned n_restarted = 0;

	at_look = change_at_moment;
	for (moment = 1;; moment++) {
		machine_restore(&m);
		new_run(1);
		ck_assert_int_eq(fes_sync_run(the_run), 0);
		ck_assert_int_eq(state_of(B), FES_MIRROR_SYNCED);
		ck_assert_str_eq(m.log, "");
		expect_in_sync(B);
		machine_expect_sound(&m, B);
		if (n_looks < moment)
			break;
		n_restarted += n_tries[B] > 1;
	}
	ck_assert_uint_ge(moment, 5);
	ck_assert_uint_ge(n_restarted, 1);
}
END_TEST

/* ---- it changes again and again ---- */

/* From the first look for the list on: one to open it, two passes, one before the commit. */
static void change_before_commits(unsigned n)
{
	if (n > 1 && (n - 1) % 4 == 0)
		toggle_time();
}

START_TEST(test_it_is_not_read_anew_forever)
{
	at_look = change_before_commits;
	new_run(1);
	ck_assert_int_eq(fes_sync_run(the_run), 0);
	ck_assert_uint_eq(n_tries[B], 1 + RESTARTS);
	ck_assert_int_eq(state_of(B), FES_MIRROR_FAILED);
	ck_assert_uint_eq(count_lines("error: "), 1);
	ck_assert(machine_said(&m, "error: ", "changed while it was read; nothing was committed"));
	machine_expect(&m, B, "/EFI/Linux/linux.efi", "old\n");

	at_look = NULL;
	new_run(1);
	ck_assert_int_eq(fes_sync_run(the_run), 0);
	ck_assert_int_eq(state_of(B), FES_MIRROR_SYNCED);
	ck_assert_uint_eq(n_tries[B], 1);
	ck_assert_str_eq(m.log, "");
	expect_in_sync(B);
	machine_expect_sound(&m, B);
}
END_TEST

static void change_always(unsigned n)
{
	(void)n;
	toggle_time();
}

START_TEST(test_what_never_stands_still_is_not_copied)
{
	at_look = change_always;
	new_run(1);
	ck_assert_int_eq(fes_sync_run(the_run), -ESTALE);
	ck_assert_uint_eq(n_tries[B], 0);
	ck_assert_uint_eq(count_lines("error: "), 1);
	ck_assert(machine_said(&m, "error: ", "is being written to all the time"));
	ck_assert(machine_is_kept(&m, B));
}
END_TEST

/* ---- what becomes of several ---- */

static void report_change(const struct fes_run *run, const struct fes_mirror *mirror)
{
	fes_volume_report(run->primary, "changed while it was read; nothing was committed to %s",
		mirror->volume->name);
}

/* C is done at once, B when the primary was read anew. */
static void let_b_wait(struct fes_mirror *mirror, const struct fes_run *run)
{
	bool stale = disk_of(mirror) == B && n_tries[B] == 1;

	if (stale)
		report_change(run, mirror);
	mirror->stale = stale;
	mirror->stats.writes = 9;
	mirror->state = stale ? FES_MIRROR_FAILED : FES_MIRROR_SYNCED;
}

START_TEST(test_only_those_are_done_again_that_it_changed_for)
{
	make_up = let_b_wait;
	new_run(2);
	ck_assert_int_eq(fes_sync_run(the_run), 0);
	ck_assert_uint_eq(n_tries[B], 2);
	ck_assert_uint_eq(n_tries[C], 1);
	ck_assert_int_eq(state_of(B), FES_MIRROR_SYNCED);
	ck_assert_int_eq(state_of(C), FES_MIRROR_SYNCED);
	ck_assert_str_eq(m.log, "");
}
END_TEST

/* A file cannot be read, which says nothing about the others. */
static void let_b_wait_and_c_fail(struct fes_mirror *mirror, const struct fes_run *run)
{
	let_b_wait(mirror, run);
	if (disk_of(mirror) != C)
		return;
	fes_volume_report(run->primary, "cannot read a file");
	fes_digester_note_error(run->digester, -EIO);
	mirror->state = FES_MIRROR_FAILED;
}

START_TEST(test_why_another_one_failed_is_said_though_it_is_read_anew)
{
	make_up = let_b_wait_and_c_fail;
	new_run(2);
	ck_assert_int_eq(fes_sync_run(the_run), 0);
	ck_assert_int_eq(state_of(B), FES_MIRROR_SYNCED);
	ck_assert_int_eq(state_of(C), FES_MIRROR_FAILED);
	ck_assert(machine_said(&m, "error: ", "cannot read a file"));
}
END_TEST

/* What was prepared on it is no state that anybody sees, but it was written. */
static void let_b_wait_for_what_is_damaged(struct fes_mirror *mirror, const struct fes_run *run)
{
	let_b_wait(mirror, run);
	toggle_damage();
}

START_TEST(test_whoever_waited_in_vain_has_failed_if_it_was_written_to)
{
	make_up = let_b_wait_for_what_is_damaged;
	new_run(1);
	ck_assert_int_eq(fes_sync_run(the_run), 0);
	ck_assert_uint_eq(n_tries[B], 1);
	ck_assert_int_eq(state_of(B), FES_MIRROR_FAILED);
	ck_assert(machine_said(&m, "error: ", "a.img: damaged"));
	ck_assert(machine_said(&m, "error: ", "b.img: the primary could not be read again"));
	ck_assert(!machine_said(&m, "", "nothing was written"));
}
END_TEST

static void let_b_wait_and_interrupt(struct fes_mirror *mirror, const struct fes_run *run)
{
	let_b_wait(mirror, run);
	fes_interrupt(run->context);
}

START_TEST(test_whoever_waits_when_it_is_interrupted_is_not_done)
{
	make_up = let_b_wait_and_interrupt;
	new_run(1);
	ck_assert_int_eq(fes_sync_run(the_run), 0);
	ck_assert_uint_eq(n_tries[B], 1);
	ck_assert_int_eq(state_of(B), FES_MIRROR_FAILED);
	ck_assert(machine_said(&m, "error: ", "b.img: interrupted"));
	ck_assert(!machine_said(&m, "", "nothing was written"));
}
END_TEST

/* Not being mounted, it has no reason to change. */
START_TEST(test_what_nobody_writes_to_is_read_once)
{
	machine_do(&m, "rm proc/self/mountinfo");
	make_up = let_b_wait;
	new_run(1);
	ck_assert_int_eq(fes_sync_run(the_run), 0);
	ck_assert_uint_eq(n_tries[B], 1);
	ck_assert_int_eq(state_of(B), FES_MIRROR_FAILED);
	ck_assert(machine_said(&m, "error: ", "changed while it was read"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_whenever_it_changes_once_the_mirror_gets_the_new_state,
		test_it_is_not_read_anew_forever,
		test_what_never_stands_still_is_not_copied,
		test_only_those_are_done_again_that_it_changed_for,
		test_why_another_one_failed_is_said_though_it_is_read_anew,
		test_whoever_waited_in_vain_has_failed_if_it_was_written_to,
		test_whoever_waits_when_it_is_interrupted_is_not_done,
		test_what_nobody_writes_to_is_read_once,
	};
	TCase *tc = tcase_create("restarts");
	Suite *suite = suite_create("restarts");

	if (!machine_tools())
		return 77;
	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, machine_prepare, machine_forget);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
