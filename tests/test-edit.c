/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Changes of the list: it is the new one on all ESPs, or it is everywhere what it was, whatever
 * fails in between. Disk a is the primary.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "lib/edit.h"
#include "lib/liststore.h"
#include "tests/faults-wrap.h"
#include "tests/machine.h"
#include "tests/suite.h"

enum { A, B, C };

#define UUID_A "aaaaaaaa-1111-4222-8333-000000000001\n"
#define UUID_B "bbbbbbbb-1111-4222-8333-000000000002\n"
#define UUID_C "cccccccc-1111-4222-8333-000000000003\n"
#define HEADER "# The EFI System Partitions of this machine, by partition UUID; see fatespsync(8).\n"

static struct machine m;

static void do_once(void (**what)(void))
{
	void (*now)(void) = *what;

	*what = NULL;
	if (now)
		now();
}

/* ---- what happens when the list was written: calls of fes_list_store() come here ---- */

static void (*before_store)(void), (*after_store)(void); /* once; NULL: nothing */
static unsigned n_stores;

int __real_fes_list_store(struct fes_context *context, const struct fes_spec *spec,
	const char *expected, const char *text);
int __wrap_fes_list_store(struct fes_context *context, const struct fes_spec *spec,
	const char *expected, const char *text);

int __wrap_fes_list_store(struct fes_context *context, const struct fes_spec *spec,
	const char *expected, const char *text)
{
	int r;

	do_once(&before_store);
	r = __real_fes_list_store(context, spec, expected, text);
	n_stores++;
	do_once(&after_store);
	return r;
}

/* ---- and what happens before a run beside the one in hand ---- */

static void (*before_side_run)(void); /* once; NULL: nothing */

int __real_fes_edit_new_side_run(
	const struct fes_sync *sync, unsigned flags, struct fes_sync **ret);
int __wrap_fes_edit_new_side_run(
	const struct fes_sync *sync, unsigned flags, struct fes_sync **ret);

int __wrap_fes_edit_new_side_run(
	const struct fes_sync *sync, unsigned flags, struct fes_sync **ret)
{
	do_once(&before_side_run);
	return __real_fes_edit_new_side_run(sync, flags, ret);
}

/* ---- and a kernel that writes what was written to a mount: calls of syncfs(2) come here ---- */

static bool kernel_writes;

int __wrap_syncfs(int fd);

int __wrap_syncfs(int fd)
{
	(void)fd;
	if (kernel_writes)
		machine_do(&m, "if test -e efi" MACHINE_LIST "; then"
			       " mcopy -o -i a.img$esp efi" MACHINE_LIST " ::/loader; else"
			       " mdel -i a.img$esp ::" MACHINE_LIST " 2>/dev/null || true; fi");
	return 0;
}

static void setup(void)
{
	wrap_fault = (struct wrap_fault){0};
	kernel_writes = false;
	before_store = after_store = before_side_run = NULL;
	n_stores = 0;
	machine_start(&m);
}

static void teardown(void)
{
	machine_stop(&m);
}

/* ---- a run ---- */

static struct fes_sync *new_run(void)
{
	struct fes_sync *sync;

	ck_assert_int_eq(fes_sync_new(m.context, &sync), 0);
	ck_assert_int_eq(fes_sync_set_primary(sync, m.tags[A]), 0);
	return sync;
}

static struct fes_sync *new_addition(int i)
{
	struct fes_sync *sync = new_run();

	ck_assert_int_eq(fes_sync_add_to_list(sync, m.paths[i]), 0);
	return sync;
}

/* The state of disk @i in @sync, 0 when it is no mirror there. */
static enum fes_mirror_state state_of(const struct fes_sync *sync, int i)
{
	const struct fes_mirror *mirror;

	for (size_t k = 0; (mirror = fes_sync_get_mirror(sync, k)); k++)
		if (strcmp(fes_mirror_get_spec(mirror), m.tags[i]) == 0)
			return fes_mirror_get_state(mirror);
	return 0;
}

static int run_with(struct fes_sync *sync, struct wrap_fault fault)
{
	int r;

	wrap_fault = fault;
	r = fes_sync_run(sync);
	wrap_fault.calls = 0;
	return r;
}

/* The calls of @calls for disk @i fail from the @nth on. */
static int run_failing(struct fes_sync *sync, unsigned calls, int i, uint64_t nth)
{
	return run_with(sync, (struct wrap_fault){
		.error = EIO,
		.nth = nth,
		.sticky = true,
		.inode = machine_inode(&m, i),
		.calls = calls,
	});
}

static void sync_all(void)
{
	struct fes_sync *sync;

	machine_reboot(&m);
	sync = new_run();
	ck_assert_msg(fes_sync_run(sync) == 0, "%s", m.log);
	ck_assert_str_eq(m.log, "");
	fes_sync_free(sync);
}

/* The list @text is on disk A, and those that it names are in sync. This becomes the start. */
static void begin_with_list(const char *text)
{
	machine_do(&m, "printf '%%s' '%s' | mcopy -i a.img$esp - ::" MACHINE_LIST, text);
	sync_all();
	machine_keep(&m);
}

static void expect_lists(const char *a, const char *b, const char *c)
{
	machine_expect(&m, A, MACHINE_LIST, a);
	machine_expect(&m, B, MACHINE_LIST, b);
	machine_expect(&m, C, MACHINE_LIST, c);
}

static void expect_listed(const struct fes_sync *sync, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_ptr_nonnull(fes_sync_get_listed(sync, i));
	ck_assert_ptr_null(fes_sync_get_listed(sync, n));
}

/* ---- good ends ---- */

START_TEST(test_a_new_list_reaches_all)
{
	struct fes_sync *sync = new_addition(B);

	ck_assert_int_eq(fes_sync_add_to_list(sync, m.tags[C]), 0);
	ck_assert_int_eq(fes_sync_run(sync), 0);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_SYNCED);
	ck_assert_int_eq(state_of(sync, C), FES_MIRROR_SYNCED);
	ck_assert(fes_sync_list_changed(sync));
	expect_listed(sync, 3);
	expect_lists(HEADER UUID_A UUID_B UUID_C, HEADER UUID_A UUID_B UUID_C,
		HEADER UUID_A UUID_B UUID_C);
	for (int i = 0; i < MACHINE_DISKS; i++) {
		machine_expect(&m, i, "/EFI/Linux/linux.efi", "new\n");
		machine_expect_sound(&m, i);
	}
	fes_sync_free(sync);
}
END_TEST

static unsigned count_said(const char *text)
{
	unsigned n = 0;

	for (const char *at = m.log; (at = strstr(at, text)); at++)
		n++;
	return n;
}

/* There is a run beside it to try the new one, and another that takes the list back. */
START_TEST(test_a_disk_that_cannot_be_read_is_named_once)
{
	struct fes_sync *sync = new_addition(B);

	machine_do(&m, "rm c.img");
	ck_assert_int_eq(run_failing(sync, WRAP_WRITE, B, 3), 0);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_FAILED);
	ck_assert_uint_eq(count_said("c.img"), 1);
	fes_sync_free(sync);
}
END_TEST

/* ---- a new mirror that fails ---- */

/* Let B fail from its @nth write on while it is added. Returns whether there was one. */
static bool add_failing(uint64_t nth)
{
	struct fes_sync *sync = new_addition(B);
	bool fired;

	ck_assert_int_eq(run_failing(sync, WRAP_WRITE, B, nth), 0);
	fired = wrap_fault.n_fired > 0;
	ck_assert_int_eq(fes_sync_list_changed(sync), !fired);
	if (fired) {
		ck_assert_int_eq(state_of(sync, B), FES_MIRROR_FAILED);
		ck_assert(machine_said(&m, "error: ", "b.img"));
		ck_assert(machine_said(&m, "warning: ", "the list is again as it was"));
	}
	fes_sync_free(sync);
	return fired;
}

START_TEST(test_a_new_mirror_that_fails_leaves_no_list_where_there_was_none)
{
	for (uint64_t nth = 1; add_failing(nth); nth++) {
		machine_expect(&m, A, MACHINE_LIST, NULL);
		machine_expect_sound(&m, A);
		machine_restore(&m);
		machine_reboot(&m);
	}
	expect_lists(HEADER UUID_A UUID_B, HEADER UUID_A UUID_B, NULL);
}
END_TEST

START_TEST(test_a_new_mirror_that_fails_leaves_the_list_as_it_was)
{
	static const char old[] = "# ours\n" UUID_A "\n" UUID_C "# end";

	begin_with_list(old);
	for (uint64_t nth = 1; add_failing(nth); nth++) {
		machine_expect(&m, A, MACHINE_LIST, old);
		machine_expect(&m, C, MACHINE_LIST, old);
		machine_expect_sound(&m, A);
		machine_expect_sound(&m, C);
		machine_restore(&m);
		machine_reboot(&m);
	}
	machine_expect(&m, B, MACHINE_LIST, "# ours\n" UUID_A "\n" UUID_C UUID_B "# end");
}
END_TEST

/* What was synced with it holds no list that names it. */
START_TEST(test_a_new_mirror_beside_one_that_fails_keeps_no_list)
{
	struct fes_sync *sync = new_addition(B);

	ck_assert_int_eq(fes_sync_add_to_list(sync, m.tags[C]), 0);
	ck_assert_int_eq(run_failing(sync, WRAP_WRITE, B, 1), 0);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_FAILED);
	ck_assert_int_eq(state_of(sync, C), FES_MIRROR_SYNCED);
	expect_listed(sync, 0);
	expect_lists(NULL, NULL, NULL);
	machine_expect_sound(&m, C);
	ck_assert(machine_said(&m, "warning: ", m.tags[B]));
	ck_assert(!machine_said(&m, "warning: ", m.tags[C]));
	fes_sync_free(sync);
}
END_TEST

START_TEST(test_a_replacement_that_fails_leaves_the_list_as_it_was)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B);
	sync = new_run();
	ck_assert_int_eq(fes_sync_replace_on_list(sync, m.tags[B], m.paths[C]), 0);
	ck_assert_int_eq(run_failing(sync, WRAP_WRITE, C, 3), 0);
	ck_assert_int_eq(state_of(sync, C), FES_MIRROR_FAILED);
	ck_assert(!fes_sync_list_changed(sync));
	expect_listed(sync, 2);
	machine_expect(&m, A, MACHINE_LIST, UUID_A UUID_B);
	ck_assert(machine_is_kept(&m, B));
	fes_sync_free(sync);
}
END_TEST

static void run_without_change(struct fes_sync *sync)
{
	ck_assert_int_eq(fes_sync_run(sync), 0);
	ck_assert(!fes_sync_list_changed(sync));
	ck_assert_uint_eq(n_stores, 0);
	for (int i = 0; i < MACHINE_DISKS; i++)
		ck_assert(machine_is_kept(&m, i));
}

static void expect_no_change(struct fes_sync *sync)
{
	run_without_change(sync);
	ck_assert_str_eq(m.log, "");
	fes_sync_free(sync);
}

static void expect_refused(struct fes_sync *sync, const char *why)
{
	const struct fes_mirror *mirror;

	run_without_change(sync);
	mirror = fes_sync_get_mirror(sync, fes_sync_get_n_mirrors(sync) - 1);
	ck_assert_int_eq(fes_mirror_get_state(mirror), FES_MIRROR_REFUSED);
	ck_assert_ptr_nonnull(strstr(fes_mirror_get_message(mirror), why));
	ck_assert_msg(machine_said(&m, "error: ", why), "%s", m.log);
	fes_sync_free(sync);
}

START_TEST(test_whoever_is_on_the_list_can_be_added_and_nothing_changes)
{
	begin_with_list(UUID_A UUID_B);
	expect_no_change(new_addition(B));
}
END_TEST

START_TEST(test_to_replace_one_by_itself_changes_nothing)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B);
	sync = new_run();
	ck_assert_int_eq(fes_sync_replace_on_list(sync, m.tags[B], m.paths[B]), 0);
	expect_no_change(sync);
}
END_TEST

/* An editor may have left one. */
START_TEST(test_a_list_of_no_bytes_can_be_added_to)
{
	struct fes_sync *sync = new_addition(B);

	machine_do(&m, "mcopy -i a.img$esp /dev/null ::" MACHINE_LIST);
	ck_assert_msg(fes_sync_run(sync) == 0, "%s", m.log);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_SYNCED);
	expect_lists(HEADER UUID_A UUID_B, HEADER UUID_A UUID_B, NULL);
	fes_sync_free(sync);
}
END_TEST

START_TEST(test_a_list_of_no_bytes_is_one_again)
{
	struct fes_sync *sync = new_addition(B);

	machine_do(&m, "mcopy -i a.img$esp /dev/null ::" MACHINE_LIST);
	ck_assert_int_eq(run_failing(sync, WRAP_WRITE, B, 1), 0);
	machine_expect(&m, A, MACHINE_LIST, "");
	fes_sync_free(sync);
}
END_TEST

/* ---- a primary that is mounted ---- */

/* The list goes through the mount, and comes to the disk when the kernel is asked to write. */
static void mount_primary(void)
{
	machine_mount_folder(&m, A, "/efi");
	machine_do(&m, "mkdir efi/loader; mcopy -n -i a.img$esp ::" MACHINE_LIST
		       " efi/loader 2>/dev/null || true");
	kernel_writes = true;
}

START_TEST(test_the_list_of_a_mounted_primary_goes_through_the_mount)
{
	struct fes_sync *sync = new_addition(B);

	mount_primary();
	ck_assert_int_eq(fes_sync_run(sync), 0);
	ck_assert_str_eq(m.log, "");
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_SYNCED);
	machine_do(&m, "printf '%%s' '%s' | cmp - efi/loader/esp-sync", HEADER UUID_A UUID_B);
	expect_lists(HEADER UUID_A UUID_B, HEADER UUID_A UUID_B, NULL);
	fes_sync_free(sync);
}
END_TEST

START_TEST(test_a_list_that_went_through_a_mount_can_be_taken_back)
{
	struct fes_sync *sync = new_addition(B);

	mount_primary();
	ck_assert_int_eq(run_failing(sync, WRAP_WRITE, B, 1), 0);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_FAILED);
	ck_assert(!fes_sync_list_changed(sync));
	machine_do(&m, "test ! -e efi/loader/esp-sync");
	machine_expect(&m, A, MACHINE_LIST, NULL);
	fes_sync_free(sync);
}
END_TEST

START_TEST(test_a_list_that_is_mounted_where_nobody_sees_it_stays)
{
	struct fes_sync *sync = new_addition(B);

	machine_mount(&m, A, "/elsewhere");
	ck_assert_int_eq(fes_sync_run(sync), -ENOENT);
	ck_assert(machine_said(&m, "error: ", "/elsewhere: the volume cannot be reached there"));
	for (int i = 0; i < MACHINE_DISKS; i++)
		ck_assert(machine_is_kept(&m, i));
	fes_sync_free(sync);
}
END_TEST

/* ---- who may come ---- */

static void give_serial(int to, unsigned serial)
{
	machine_do(&m, "mlabel -N %08x -i %c.img$esp ::", serial, 'a' + to);
	machine_keep(&m);
}

/* As a copy made with dd(1) does, whose partition got another UUID. */
START_TEST(test_whoever_has_the_serial_of_the_primary_is_refused)
{
	give_serial(B, 0x11111111);
	expect_refused(new_addition(B), "a.img:1 (1111-1111)");
}
END_TEST

START_TEST(test_whoever_has_the_serial_of_one_on_the_list_is_refused)
{
	begin_with_list(UUID_A UUID_C);
	give_serial(B, 0x33333333);
	expect_refused(new_addition(B), "cccccccc-1111-4222-8333-000000000003 (3333-3333)");
}
END_TEST

START_TEST(test_two_that_come_with_one_serial_are_refused)
{
	struct fes_sync *sync = new_addition(B);

	give_serial(C, 0x22222222);
	ck_assert_int_eq(fes_sync_add_to_list(sync, m.paths[C]), 0);
	expect_refused(sync, "b.img (2222-2222)");
}
END_TEST

START_TEST(test_with_force_a_serial_may_be_there_twice)
{
	struct fes_sync *sync = new_addition(B);

	give_serial(B, 0x11111111);
	fes_sync_set_flags(sync, FES_SYNC_FORCE);
	ck_assert_int_eq(fes_sync_run(sync), 0);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_SYNCED);
	fes_sync_free(sync);
}
END_TEST

/* ---- is it the right primary? ---- */

/* Of two that it could be none is written to before somebody says which. */
START_TEST(test_a_list_is_not_written_while_two_may_be_the_primary)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B);
	machine_boot_from(&m, machine_uuids[A]);
	machine_mount(&m, B, "/boot/efi");
	ck_assert_int_eq(fes_sync_new(m.context, &sync), 0);
	ck_assert_int_eq(fes_sync_add_to_list(sync, m.paths[C]), 0);
	ck_assert_int_eq(fes_sync_run(sync), -ENOTUNIQ);
	ck_assert_uint_eq(n_stores, 0);
	ck_assert(machine_said(&m, "error: ", "which ESP is the primary?"));
	for (int i = 0; i < MACHINE_DISKS; i++)
		ck_assert(machine_is_kept(&m, i));
	fes_sync_free(sync);
}
END_TEST

/* What is copied from the wrong one is as wrong on a mirror that the user named. */
START_TEST(test_nothing_is_copied_while_two_may_be_the_primary)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B);
	machine_boot_from(&m, machine_uuids[A]);
	machine_mount(&m, B, "/boot/efi");
	ck_assert_int_eq(fes_sync_new(m.context, &sync), 0);
	ck_assert_int_eq(fes_sync_add_mirror(sync, m.paths[C]), 0);
	ck_assert_int_eq(fes_sync_run(sync), -ENOTUNIQ);
	ck_assert(machine_is_kept(&m, C));
	fes_sync_free(sync);
}
END_TEST

START_TEST(test_whoever_says_which_is_the_primary_is_believed)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B);
	machine_boot_from(&m, machine_uuids[B]);
	machine_mount(&m, C, "/boot/efi");
	sync = new_addition(B);
	ck_assert_int_eq(fes_sync_run(sync), 0);
	fes_sync_free(sync);
}
END_TEST

static void partition_anew(void)
{
	machine_do(&m, "sfdisk -q --no-tell-kernel --part-uuid a.img 1"
		       " dddddddd-1111-4222-8333-000000000004");
}

/* The disk was partitioned anew after it was found out what is on it. */
START_TEST(test_a_list_is_not_written_to_a_partition_that_is_another_now)
{
	struct fes_sync *sync = new_addition(B);

	before_store = partition_anew;
	ck_assert_int_eq(fes_sync_run(sync), -ESTALE);
	ck_assert_uint_eq(n_stores, 1);
	ck_assert(machine_said(&m, "error: ", "a.img:1: no longer what it was when this run"));
	expect_lists(NULL, NULL, NULL);
	fes_sync_free(sync);
}
END_TEST

/* ---- a primary that fails ---- */

/* Of the @calls for the primary the @nth fails. Returns whether there was one. */
static bool add_with_error(unsigned calls, uint64_t nth)
{
	struct fes_sync *sync = new_addition(B);
	int r = run_with(sync, (struct wrap_fault){
		.error = EIO,
		.nth = nth,
		.inode = machine_inode(&m, A),
		.calls = calls,
	});

	ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -EIO : 0);
	ck_assert_int_eq(fes_sync_list_changed(sync), r == 0);
	expect_listed(sync, r == 0 ? 2 : 0);
	machine_expect(&m, A, MACHINE_LIST, r == 0 ? HEADER UUID_A UUID_B : NULL);
	if (r < 0) {
		ck_assert(machine_said(&m, "error: ", "a.img"));
		ck_assert(!machine_said(&m, "error: ", "cannot be seen"));
		ck_assert(machine_is_kept(&m, B));
	}
	fes_sync_free(sync);
	machine_restore(&m);
	machine_reboot(&m);
	return r < 0;
}

/* Also where the device failed after it had taken the new one. */
START_TEST(test_a_primary_that_fails_to_take_the_list_has_the_old_one)
{
	uint64_t nth;

	for (nth = 1; add_with_error(WRAP_WRITE, nth); nth++)
		;
	ck_assert_uint_gt(nth, 4);
	for (nth = 1; add_with_error(WRAP_SYNC, nth); nth++)
		;
	ck_assert_uint_gt(nth, 4);
}
END_TEST

/* ---- a run that fails as a whole ---- */

static void interrupt(void)
{
	fes_interrupt(m.context);
}

START_TEST(test_an_interruption_leaves_the_list_as_it_was)
{
	static const char old[] = UUID_A UUID_C;
	struct fes_sync *sync;

	begin_with_list(old);
	sync = new_addition(B);
	after_store = interrupt;
	ck_assert_int_eq(fes_sync_run(sync), -ECANCELED);
	ck_assert_uint_eq(n_stores, 2);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_REFUSED);
	ck_assert(!fes_sync_list_changed(sync));
	expect_listed(sync, 2);
	machine_expect(&m, A, MACHINE_LIST, old);
	ck_assert(machine_is_kept(&m, B));
	ck_assert(machine_is_kept(&m, C));
	fes_sync_free(sync);
}
END_TEST

/* From the list on to its last read. Returns whether there was such a read. */
static bool add_with_read_error(uint64_t nth, unsigned *n_failed)
{
	struct fes_sync *sync = new_addition(B);
	int r = run_with(sync, (struct wrap_fault){
		.error = EIO,
		.nth = nth,
		.inode = machine_inode(&m, A),
		.calls = WRAP_READ,
	});
	bool fired = wrap_fault.n_fired > 0, done = state_of(sync, B) == FES_MIRROR_SYNCED;

	ck_assert(r == 0 || (fired && !done));
	ck_assert_int_eq(fes_sync_list_changed(sync), r == 0 && done);
	machine_expect(&m, A, MACHINE_LIST, r == 0 && done ? HEADER UUID_A UUID_B : NULL);
	ck_assert((r == 0 && done) || machine_said(&m, "error: ", ""));
	*n_failed += r < 0 && n_stores > 0;
	fes_sync_free(sync);
	machine_restore(&m);
	machine_reboot(&m);
	n_stores = 0;
	return fired;
}

START_TEST(test_a_primary_that_fails_once_has_the_list_that_it_had)
{
	unsigned n_failed = 0;

	for (uint64_t nth = 1; add_with_read_error(nth, &n_failed); nth++)
		;
	ck_assert_uint_gt(n_failed, 5);
}
END_TEST

static int lock = -1;

static void lock_primary(void)
{
	lock = blkdev_lock_path(m.paths[A], true);
	ck_assert_int_ge(lock, 0);
}

/* Then it is said, and the next run ends it. */
START_TEST(test_a_list_that_cannot_be_taken_back_stays)
{
	struct fes_sync *sync = new_addition(B);

	fes_set_timeout(m.context, 0);
	after_store = lock_primary;
	ck_assert_int_eq(fes_sync_run(sync), -EAGAIN);
	ck_assert(fes_sync_list_changed(sync));
	expect_listed(sync, 2);
	ck_assert(machine_said(&m, "error: ", "the list could not be taken back"));
	expect_lists(HEADER UUID_A UUID_B, NULL, NULL);
	ck_assert_int_eq(close(lock), 0);
	sync_all();
	machine_expect(&m, B, MACHINE_LIST, HEADER UUID_A UUID_B);
	fes_sync_free(sync);
}
END_TEST

/* ---- removing ---- */

static struct fes_sync *new_removal(const char *spec)
{
	struct fes_sync *sync = new_run();

	ck_assert_int_eq(fes_sync_remove_from_list(sync, spec), 0);
	return sync;
}

START_TEST(test_a_removal_reaches_all_and_the_one_that_went)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B UUID_C);
	sync = new_removal(m.paths[C]);
	ck_assert_int_eq(fes_sync_run(sync), 0);
	ck_assert_str_eq(m.log, "");
	ck_assert(fes_sync_list_changed(sync));
	ck_assert_uint_eq(fes_sync_get_n_mirrors(sync), 1);
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_SYNCED);
	expect_lists(UUID_A UUID_B, UUID_A UUID_B, UUID_A UUID_B);
	fes_sync_free(sync);
}
END_TEST

START_TEST(test_whoever_is_gone_can_be_removed)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B UUID_C);
	machine_do(&m, "rm c.img");
	sync = new_removal(m.tags[C]);
	ck_assert_int_eq(fes_sync_run(sync), 0);
	ck_assert(!machine_said(&m, "error: ", ""));
	ck_assert(!machine_said(&m, "warning: ", "off the list"));
	machine_expect(&m, A, MACHINE_LIST, UUID_A UUID_B);
	machine_expect(&m, B, MACHINE_LIST, UUID_A UUID_B);
	fes_sync_free(sync);
}
END_TEST

/* It is off the list all the same. */
static void expect_warned_of_c(struct fes_sync *sync, int r)
{
	ck_assert_int_eq(r, 0);
	ck_assert(fes_sync_list_changed(sync));
	ck_assert(machine_said(&m, "warning: ",
		"is off the list, but its own copy of the list still names it"));
	machine_expect(&m, A, MACHINE_LIST, UUID_A UUID_B);
	fes_sync_free(sync);
}

START_TEST(test_whoever_cannot_be_told_that_it_went_is_named)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B UUID_C);
	sync = new_removal(m.tags[C]);
	expect_warned_of_c(sync, run_failing(sync, WRAP_WRITE, C, 1));
	ck_assert(machine_said(&m, "error: ", "c.img"));
}
END_TEST

START_TEST(test_whoever_the_primary_cannot_tell_that_it_went_is_named)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B UUID_C);
	sync = new_removal(m.tags[C]);
	fes_set_timeout(m.context, 0);
	before_side_run = lock_primary;
	expect_warned_of_c(sync, fes_sync_run(sync));
	ck_assert_int_eq(close(lock), 0);
}
END_TEST

START_TEST(test_a_mirror_that_fails_does_not_undo_a_removal)
{
	struct fes_sync *sync;

	begin_with_list(UUID_A UUID_B UUID_C);
	sync = new_removal(m.tags[C]);
	ck_assert_int_eq(run_failing(sync, WRAP_WRITE, B, 1), 0);
	ck_assert(fes_sync_list_changed(sync));
	ck_assert_int_eq(state_of(sync, B), FES_MIRROR_FAILED);
	expect_lists(UUID_A UUID_B, UUID_A UUID_B UUID_C, UUID_A UUID_B);
	fes_sync_free(sync);
	sync_all();
	machine_expect(&m, B, MACHINE_LIST, UUID_A UUID_B);
}
END_TEST

/* ---- without memory ---- */

/* How far to go on from one call that fails: by @step, but by 1 in a full test. */
static uint64_t step_of(uint64_t step)
{
	const char *full = getenv("FATESPSYNC_TEST_FULL");

	if (full && strcmp(full, "1") == 0)
		return 1;
	return getenv("FATESPSYNC_TEST_QUICK") ? step * 5 : step;
}

static struct fes_sync *add_b(void)
{
	return new_addition(B);
}

static struct fes_sync *replace_b(void)
{
	struct fes_sync *sync = new_run();

	ck_assert_int_eq(fes_sync_replace_on_list(sync, m.tags[B], m.tags[C]), 0);
	return sync;
}

static struct fes_sync *remove_b(void)
{
	return new_removal(m.tags[B]);
}

static const struct {
	struct fes_sync *(*make)(void);
	const char *old, *new; /* lists */
	int comes; /* who has the new one in the end */
} edits[] = {
	{add_b, NULL, HEADER UUID_A UUID_B, B},
	{replace_b, UUID_A UUID_B, UUID_A UUID_C, C},
	{remove_b, UUID_A UUID_B UUID_C, UUID_A UUID_C, C},
};

enum { N_EDITS = sizeof edits / sizeof *edits };

static bool is_done(const struct fes_sync *sync, int r, int i)
{
	enum fes_mirror_state state = state_of(sync, i);

	return r == 0 && (state == FES_MIRROR_SYNCED || state == FES_MIRROR_IN_SYNC);
}

static bool is_text(const char *found, const char *text)
{
	return found && text ? strcmp(found, text) == 0 : found == text;
}

/* What is said of the list is true, and failure has a reason. */
static void judge_edit(const struct fes_sync *sync, int r, int i)
{
	bool changed = fes_sync_list_changed(sync);
	bool unknown = machine_said(&m, "error: ", "the old or the new one cannot be seen");
	char *list = machine_read(&m, A, MACHINE_LIST);

	ck_assert_msg((unknown && is_text(list, edits[i].new)) ||
			is_text(list, changed ? edits[i].new : edits[i].old),
		"%s", m.log);
	free(list);
	if (is_done(sync, r, edits[i].comes))
		ck_assert(changed);
	else
		ck_assert_str_ne(m.log, "");
}

/* Returns whether there was such an allocation. */
static bool edit_without_memory(int i, uint64_t nth, bool sticky)
{
	struct fes_sync *sync = edits[i].make();
	int r = run_with(sync, (struct wrap_fault){
		.nth = nth,
		.sticky = sticky,
		.calls = WRAP_MEMORY,
	});
	bool fired = wrap_fault.n_fired > 0;

	judge_edit(sync, r, i);
	ck_assert(fired || r == 0);
	fes_sync_free(sync);
	machine_reboot(&m);
	machine_restore(&m);
	return fired;
}

START_TEST(test_without_memory_the_list_is_the_old_one_or_the_new_one)
{
	uint64_t nth, step = step_of(37);

	if (edits[_i].old)
		begin_with_list(edits[_i].old);
	for (nth = 1; edit_without_memory(_i, nth, false); nth += step)
		;
	ck_assert_uint_gt(nth, 200);
	for (nth = 1; edit_without_memory(_i, nth, true); nth += step)
		;
}
END_TEST

/* ---- power cuts ---- */

/* What was written up to some write is there, and nothing that came later. */
static bool cut_edit(int i, uint64_t nth)
{
	struct fes_sync *sync = edits[i].make();
	bool fired;
	char *list;

	(void)run_with(sync, (struct wrap_fault){
		.error = EIO,
		.nth = nth,
		.sticky = true,
		.calls = WRAP_WRITE | WRAP_SYNC,
	});
	fired = wrap_fault.n_fired > 0;
	fes_sync_free(sync);

	sync_all();
	list = machine_read(&m, A, MACHINE_LIST);
	ck_assert(is_text(list, edits[i].old) || is_text(list, edits[i].new));
	if (is_text(list, edits[i].new))
		machine_expect(&m, edits[i].comes, MACHINE_LIST, edits[i].new);
	free(list);
	machine_restore(&m);
	return fired;
}

START_TEST(test_after_a_power_cut_the_next_run_goes_on_with_the_list)
{
	uint64_t nth;

	if (edits[_i].old)
		begin_with_list(edits[_i].old);
	for (nth = 1; cut_edit(_i, nth); nth += step_of(5))
		;
	ck_assert_uint_gt(nth, 20);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_new_list_reaches_all,
		test_a_disk_that_cannot_be_read_is_named_once,
		test_a_new_mirror_that_fails_leaves_no_list_where_there_was_none,
		test_a_new_mirror_that_fails_leaves_the_list_as_it_was,
		test_a_new_mirror_beside_one_that_fails_keeps_no_list,
		test_a_replacement_that_fails_leaves_the_list_as_it_was,
		test_whoever_is_on_the_list_can_be_added_and_nothing_changes,
		test_to_replace_one_by_itself_changes_nothing,
		test_a_list_of_no_bytes_can_be_added_to,
		test_a_list_of_no_bytes_is_one_again,
		test_the_list_of_a_mounted_primary_goes_through_the_mount,
		test_a_list_that_went_through_a_mount_can_be_taken_back,
		test_a_list_that_is_mounted_where_nobody_sees_it_stays,
		test_whoever_has_the_serial_of_the_primary_is_refused,
		test_whoever_has_the_serial_of_one_on_the_list_is_refused,
		test_two_that_come_with_one_serial_are_refused,
		test_with_force_a_serial_may_be_there_twice,
		test_a_list_is_not_written_while_two_may_be_the_primary,
		test_nothing_is_copied_while_two_may_be_the_primary,
		test_whoever_says_which_is_the_primary_is_believed,
		test_a_list_is_not_written_to_a_partition_that_is_another_now,
		test_a_primary_that_fails_to_take_the_list_has_the_old_one,
		test_an_interruption_leaves_the_list_as_it_was,
		test_a_primary_that_fails_once_has_the_list_that_it_had,
		test_a_list_that_cannot_be_taken_back_stays,
		test_a_removal_reaches_all_and_the_one_that_went,
		test_whoever_is_gone_can_be_removed,
		test_whoever_cannot_be_told_that_it_went_is_named,
		test_whoever_the_primary_cannot_tell_that_it_went_is_named,
		test_a_mirror_that_fails_does_not_undo_a_removal,
	};
	TCase *tc = tcase_create("edit");
	Suite *suite = suite_create("edit");

	if (!machine_tools())
		return 77;
	tcase_set_timeout(tc, 600);
	tcase_add_unchecked_fixture(tc, machine_prepare, machine_forget);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(
		tc, test_without_memory_the_list_is_the_old_one_or_the_new_one, 0, N_EDITS);
	tcase_add_loop_test(
		tc, test_after_a_power_cut_the_next_run_goes_on_with_the_list, 0, N_EDITS);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
