/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Waiting for the primary and all that is on its list. What happens meanwhile happens right before
 * poll(2) is called, which then has all the time in the world: it has to return for what happened.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "tests/faults-wrap.h"
#include "tests/machine.h"
#include "tests/suite.h"

enum { A, B, C };

#define UUID_A "aaaaaaaa-1111-4222-8333-000000000001\n"
#define UUID_B "bbbbbbbb-1111-4222-8333-000000000002\n"
#define UUID_C "cccccccc-1111-4222-8333-000000000003\n"

static struct machine m;

/* ---- system calls ---- */

static void (*meanwhile)(unsigned n); /* the @n-th wait begins, from 1; NULL: nothing happens */
static unsigned n_waits, n_pauses;
static int timeout_ms;                /* of the last wait */
static bool blind;                    /* there is no inotify */

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	/* That of a moment, in which more may happen. */
	if (timeout < 100)
		return __real_poll(fds, n, timeout);
	n_waits++;
	timeout_ms = timeout;
	if (meanwhile)
		meanwhile(n_waits);
	return __real_poll(fds, n, blind ? 0 : -1);
}

int __wrap_inotify_init1(int flags)
{
	if (!blind)
		return __real_inotify_init1(flags);
	errno = EMFILE;
	return -1;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	n_pauses++;
	return 0;
}

/* ---- waiting ---- */

static char missing[1024]; /* a line each */

static void take_missing(void *userdata, const char *partuuid)
{
	size_t len = strlen(missing);

	ck_assert_ptr_eq(userdata, &m);
	(void)snprintf(missing + len, sizeof missing - len, "%s\n",
		partuuid ? partuuid : "primary");
}

static int wait_for(const char *primary, unsigned seconds)
{
	missing[0] = '\0';
	return fes_wait(m.context, primary, seconds, take_missing, &m);
}

static void put_list(const char *text)
{
	machine_do(&m, "printf '%%s' '%s' | mcopy -o -i a.img$esp - ::" MACHINE_LIST, text);
}

static void setup(void)
{
	wrap_fault = (struct wrap_fault){0};
	meanwhile = NULL;
	n_waits = n_pauses = 0;
	blind = false;
	machine_start(&m);
	put_list(UUID_A UUID_B UUID_C);
}

static void teardown(void)
{
	machine_stop(&m);
}

START_TEST(test_when_all_are_there_nobody_waits)
{
	ck_assert_int_eq(wait_for(m.paths[A], 60), 0);
	ck_assert_uint_eq(n_waits, 0);
	ck_assert_str_eq(missing, "");
	ck_assert_str_eq(m.log, "");
}
END_TEST

START_TEST(test_without_a_list_there_is_nobody_to_wait_for)
{
	machine_do(&m, "mdel -i a.img$esp ::" MACHINE_LIST "; rm b.img c.img");
	ck_assert_int_eq(wait_for(m.paths[A], 60), 0);
	ck_assert_uint_eq(n_waits, 0);
}
END_TEST

START_TEST(test_when_time_is_up_those_that_are_missing_are_named)
{
	machine_do(&m, "rm b.img c.img");
	ck_assert_int_eq(wait_for(m.paths[A], 0), -ETIMEDOUT);
	ck_assert_str_eq(missing, UUID_B UUID_C);
	ck_assert_int_eq(fes_wait(m.context, m.paths[A], 0, NULL, NULL), -ETIMEDOUT);
}
END_TEST

START_TEST(test_when_time_is_up_a_primary_that_is_missing_is_named)
{
	machine_do(&m, "rm a.img");
	ck_assert_int_eq(wait_for(m.paths[A], 0), -ETIMEDOUT);
	ck_assert_str_eq(missing, "primary\n");
	ck_assert(machine_said(&m, "error: ", "a.img: cannot be opened: No such file"));
}
END_TEST

/* ---- who comes ---- */

static void bring_b(unsigned n)
{
	if (n == 1)
		machine_do(&m, "mv hidden b.img");
}

START_TEST(test_an_image_that_appears_is_noticed)
{
	machine_do(&m, "mv b.img hidden");
	meanwhile = bring_b;
	ck_assert_int_eq(wait_for(m.paths[A], 60), 0);
	ck_assert_uint_eq(n_waits, 1);
	ck_assert_str_eq(m.log, "");
}
END_TEST

/* Another one comes first; and the one that is waited for grows in its place. */
static void bring_bit_by_bit(unsigned n)
{
	if (n == 1)
		machine_do(&m, "echo >other");
	if (n == 2)
		machine_do(&m, "head -c 1M hidden >b.img");
	if (n >= 3)
		machine_do(&m, "cat hidden >b.img");
}

START_TEST(test_an_image_that_is_being_written_is_waited_for)
{
	machine_do(&m, "mv b.img hidden");
	meanwhile = bring_bit_by_bit;
	ck_assert_int_eq(wait_for(m.paths[A], 60), 0);
	ck_assert_uint_ge(n_waits, 3);
}
END_TEST

static void bring_a(unsigned n)
{
	if (n == 1)
		machine_do(&m, "mv hidden a.img");
}

static void bring_a_then_b(unsigned n)
{
	if (n == 1)
		machine_do(&m, "mv hidden-a a.img");
	if (n == 2)
		machine_do(&m, "mv hidden-b b.img");
}

START_TEST(test_a_primary_that_comes_is_asked_for_its_list)
{
	const char *const names[] = {m.paths[A], m.tags[A]};

	machine_do(&m, "mv a.img hidden");
	meanwhile = bring_a;
	ck_assert_int_eq(wait_for(names[_i], 60), 0);
	ck_assert_uint_eq(n_waits, 1);
	ck_assert_str_eq(m.log, "");

	machine_do(&m, "mv a.img hidden-a; mv b.img hidden-b");
	meanwhile = bring_a_then_b;
	n_waits = 0;
	ck_assert_int_eq(wait_for(names[_i], 60), 0);
	ck_assert_uint_eq(n_waits, 2);
}
END_TEST

START_TEST(test_a_default_primary_may_come_too)
{
	machine_boot_from(&m, machine_uuids[A]);
	machine_do(&m, "mv a.img hidden");
	meanwhile = bring_a;
	ck_assert_int_eq(wait_for(NULL, 60), 0);
	ck_assert_uint_eq(n_waits, 1);
}
END_TEST

/* Now and then, but not all the time. */
START_TEST(test_where_nothing_is_told_it_is_looked_at_times)
{
	blind = true;
	machine_do(&m, "mv b.img hidden");
	meanwhile = bring_b;
	ck_assert_int_eq(wait_for(m.paths[A], 60), 0);
	ck_assert_uint_eq(n_waits, 1);
	ck_assert_int_ge(timeout_ms, 1000);
	ck_assert_int_le(timeout_ms, 5000);
}
END_TEST

START_TEST(test_nobody_waits_longer_than_there_is_time)
{
	machine_do(&m, "mv b.img hidden");
	meanwhile = bring_b;
	ck_assert_int_eq(wait_for(m.paths[A], 2), 0);
	ck_assert_int_le(timeout_ms, 2000);
}
END_TEST

/* ---- an end before the time is up ---- */

static void interrupt(unsigned n)
{
	(void)n;
	fes_interrupt(m.context);
}

/* By a signal, say, in the moment before poll(2) is called. */
START_TEST(test_an_interruption_before_a_wait_ends_it)
{
	machine_do(&m, "rm b.img");
	meanwhile = interrupt;
	ck_assert_int_eq(wait_for(m.paths[A], 60), -ECANCELED);
	ck_assert_uint_eq(n_waits, 1);
	ck_assert_str_eq(m.log, "");
	ck_assert_str_eq(missing, "");
}
END_TEST

static void *interrupt_soon(void *userdata)
{
	(void)userdata;
	(void)usleep(20000);
	fes_interrupt(m.context);
	return NULL;
}

static pthread_t thread;

static void have_it_interrupted(unsigned n)
{
	(void)n;
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
}

START_TEST(test_an_interruption_in_a_wait_ends_it)
{
	machine_do(&m, "rm b.img");
	meanwhile = have_it_interrupted;
	ck_assert_int_eq(wait_for(m.paths[A], 60), -ECANCELED);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(test_whoever_was_interrupted_does_not_begin)
{
	machine_do(&m, "rm b.img");
	fes_interrupt(m.context);
	ck_assert_int_eq(wait_for(m.paths[A], 60), -ECANCELED);
	ck_assert_uint_eq(n_waits, 0);
}
END_TEST

/* A handler of signals must not spoil what it interrupts. */
START_TEST(test_to_interrupt_leaves_errno_alone)
{
	machine_do(&m, "rm b.img");
	(void)wait_for(m.paths[A], 0);
	for (int i = 0; i < 3; i++) {
		errno = EXDEV;
		fes_interrupt(m.context);
		ck_assert_int_eq(errno, EXDEV);
	}
}
END_TEST

START_TEST(test_a_list_that_makes_no_sense_ends_it)
{
	put_list(UUID_A "yes\n");
	ck_assert_int_eq(wait_for(m.paths[A], 60), -EBADMSG);
	ck_assert_uint_eq(n_waits, 0);
	ck_assert(machine_said(&m, "error: ", "line 2: 'yes' is no partition UUID"));
}
END_TEST

static void spoil_list(unsigned n)
{
	(void)n;
	put_list("yes\n");
}

START_TEST(test_a_list_that_makes_no_sense_any_more_ends_it)
{
	machine_do(&m, "rm b.img");
	meanwhile = spoil_list;
	ck_assert_int_eq(wait_for(m.paths[A], 60), -EBADMSG);
	ck_assert(machine_said(&m, "error: ", "line 1: 'yes' is no partition UUID"));
}
END_TEST

/* Another run has it; then it may change the list, and there is time to look again. */
START_TEST(test_a_lock_is_not_waited_for_longer_than_there_is_time)
{
	int lock = blkdev_lock_path(m.paths[A], true);

	ck_assert_int_ge(lock, 0);
	ck_assert_int_eq(wait_for(m.paths[A], 0), -ETIMEDOUT);
	ck_assert_str_eq(missing, "primary\n");
	ck_assert_uint_eq(n_pauses, 0);
	ck_assert(machine_said(&m, "error: ", "a.img: another run holds it"));
	ck_assert_int_eq(close(lock), 0);
}
END_TEST

/* ---- without memory ---- */

static bool wait_without_memory(uint64_t nth, bool sticky, int result)
{
	int r;

	wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth, .sticky = sticky};
	r = fes_wait(m.context, m.paths[A], 0, NULL, NULL);
	wrap_fault.calls = 0;
	ck_assert_msg(r == result || (wrap_fault.n_fired > 0 && r == -ENOMEM), "%d: %s", r, m.log);
	return wrap_fault.n_fired > 0;
}

START_TEST(test_without_memory_nobody_is_taken_for_missing_or_there)
{
	static const int results[] = {0, -ETIMEDOUT};
	uint64_t nth;

	if (results[_i] < 0)
		machine_do(&m, "rm b.img");
	for (nth = 1; wait_without_memory(nth, false, results[_i]); nth++)
		;
	ck_assert_uint_gt(nth, 50);
	for (nth = 1; wait_without_memory(nth, true, results[_i]); nth++)
		;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_when_all_are_there_nobody_waits,
		test_without_a_list_there_is_nobody_to_wait_for,
		test_when_time_is_up_those_that_are_missing_are_named,
		test_when_time_is_up_a_primary_that_is_missing_is_named,
		test_an_image_that_appears_is_noticed,
		test_an_image_that_is_being_written_is_waited_for,
		test_a_default_primary_may_come_too,
		test_where_nothing_is_told_it_is_looked_at_times,
		test_nobody_waits_longer_than_there_is_time,
		test_an_interruption_before_a_wait_ends_it,
		test_an_interruption_in_a_wait_ends_it,
		test_whoever_was_interrupted_does_not_begin,
		test_to_interrupt_leaves_errno_alone,
		test_a_list_that_makes_no_sense_ends_it,
		test_a_list_that_makes_no_sense_any_more_ends_it,
		test_a_lock_is_not_waited_for_longer_than_there_is_time,
	};
	TCase *tc = tcase_create("wait");
	Suite *suite = suite_create("wait");

	if (!machine_tools())
		return 77;
	tcase_set_timeout(tc, 10);
	tcase_add_unchecked_fixture(tc, machine_prepare, machine_forget);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, test_a_primary_that_comes_is_asked_for_its_list, 0, 2);
	tcase_add_loop_test(tc, test_without_memory_nobody_is_taken_for_missing_or_there, 0, 2);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
