/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading a primary that somebody has mounted and writes to. What a pass begins with, and the pauses
 * between tries, are moments at which the volume changes: fes_primary_read() gets the kernel's memory
 * written with blkdev_catch_up(), and waits with nanosleep(2).
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/primary.h"
#include "tests/faults-wrap.h"
#include "tests/side.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define KERNEL "/EFI/Linux/kernel.efi"

enum { FAT12, PASSES = 2, TRIES = 6 };

static const struct fixture_file files[] = {
	{.path = KERNEL, .size = 3000, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/loader/entries/a.conf", .text = "linux " KERNEL},
	{.path = "/foreign.txt", .size = 700, .seed = 2},
};

static struct fixture *f;
static uint8_t *kernel_slot; /* its short entry in the image */
static struct esp *esp; /* errors are kept alone */
static struct fes_managed managed;
static struct fes_tree *tree;

/* ---- moments ---- */

static void (*at_pass)(unsigned n);  /* the @n-th begins, from 1; NULL: nothing happens */
static void (*at_pause)(unsigned n); /* likewise */
static unsigned n_passes, n_pauses;
static uint64_t paused_ms;

int __real_blkdev_catch_up(struct blkdev *dev);
int __wrap_blkdev_catch_up(struct blkdev *dev);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

int __wrap_blkdev_catch_up(struct blkdev *dev)
{
	n_passes++;
	if (at_pass)
		at_pass(n_passes);
	return __real_blkdev_catch_up(dev);
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	n_pauses++;
	paused_ms += (uint64_t)time->tv_sec * 1000 + (uint64_t)time->tv_nsec / 1000000;
	if (at_pause)
		at_pause(n_pauses);
	return 0;
}

/* ---- the volume ---- */

static void setup(void)
{
	wrap_fault = (struct wrap_fault){0};
	at_pass = at_pause = NULL;
	n_passes = n_pauses = 0;
	paused_ms = 0;
	tree = NULL;
	f = fixture_new(FAT12, files, COUNT(files));
	kernel_slot = memmem(f->bytes, f->size, "KERNEL  EFI", 11);
	ck_assert_ptr_nonnull(kernel_slot);
	ck_assert_int_eq(fes_managed_init(&managed), 0);
	esp = esp_new(f);
	esp->messages.levels = 1u << FES_LOG_ERROR;
	esp->side.volume->shared = true;
}

static void teardown(void)
{
	fes_tree_free(tree);
	fes_managed_done(&managed);
	esp_free(esp);
}

static int read_primary(void)
{
	return fes_primary_read(esp->side.volume, &managed, &tree);
}


static const struct fes_node *find_kernel(void)
{
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (strcmp(tree->nodes[i]->path, KERNEL) == 0)
			return tree->nodes[i];
	ck_abort_msg("no kernel");
	return NULL;
}

static void expect_what_stands_there(void)
{
	ck_assert_mem_eq(fes_node_short(find_kernel()), kernel_slot, FAT_SLOT_LEN);
}

/* FAT12 entry of the @n-th cluster before the end, which is free. */
static void toggle_free_cluster(void)
{
	uint8_t *fat = f->bytes + 512;
	unsigned cluster = 2000;

	fat[cluster * 3 / 2] ^= 0xff;
	fat[cluster * 3 / 2 + 1] ^= 0x0f;
}

static void toggle_time(void)
{
	kernel_slot[offsetof(struct fat_short_slot, write_time)] ^= 1;
}

/* The kernel's chain ends nowhere. */
static void toggle_damage(void)
{
	kernel_slot[offsetof(struct fat_short_slot, cluster_low) + 1] ^= 0x70;
}

static void expect_one_message(const char *text)
{
	ck_assert_msg(esp->messages.n == 1, "%s", esp->messages.text);
	ck_assert_msg(strstr(esp->messages.text, text) != NULL, "%s", esp->messages.text);
}

/* ---- it stands still in the end ---- */

START_TEST(test_what_two_passes_find_alike_is_believed)
{
	ck_assert_int_eq(read_primary(), 0);
	expect_what_stands_there();
	ck_assert_uint_eq(n_passes, PASSES);
	ck_assert_uint_eq(n_pauses, 0);
	ck_assert_str_eq(esp->messages.text, "");
}
END_TEST

static void change_time_once(unsigned n)
{
	if (n == PASSES)
		toggle_time();
}

static void change_table_once(unsigned n)
{
	if (n == PASSES)
		toggle_free_cluster();
}

START_TEST(test_what_two_passes_find_different_is_read_again)
{
	void (*const changes[])(unsigned n) = {change_time_once, change_table_once};

	at_pass = changes[_i];
	ck_assert_int_eq(read_primary(), 0);
	expect_what_stands_there();
	ck_assert_uint_eq(n_passes, 2 * PASSES);
	ck_assert_uint_eq(n_pauses, 1);
	ck_assert_str_eq(esp->messages.text, "");
}
END_TEST

static void mend(unsigned n)
{
	if (n == 3)
		toggle_damage();
}

START_TEST(test_what_looks_damaged_for_a_moment_is_not)
{
	toggle_damage();
	at_pause = mend;
	ck_assert_int_eq(read_primary(), 0);
	expect_what_stands_there();
	ck_assert_uint_eq(n_pauses, 3);
	ck_assert_str_eq(esp->messages.text, "");
	ck_assert(!esp->side.volume->holding_back);
}
END_TEST

/* ---- it does not ---- */

START_TEST(test_what_is_damaged_for_good_is_damaged)
{
	toggle_damage();
	ck_assert_int_eq(read_primary(), -EUCLEAN);
	expect_one_message("damaged: ");
	ck_assert_uint_eq(n_pauses, TRIES - 1);
	ck_assert_uint_eq(paused_ms, 3100);
}
END_TEST

static void change_time(unsigned n)
{
	if (n % PASSES == 0)
		toggle_time();
}

static void change_table(unsigned n)
{
	if (n % PASSES == 0)
		toggle_free_cluster();
}

START_TEST(test_what_never_stands_still_is_not_read)
{
	void (*const changes[])(unsigned n) = {change_time, change_table};

	at_pass = changes[_i];
	ck_assert_int_eq(read_primary(), -ESTALE);
	expect_one_message("esp: is being written to all the time; run again when that is over");
	ck_assert_uint_eq(n_passes, TRIES * PASSES);
	ck_assert_uint_eq(n_pauses, TRIES - 1);
	ck_assert_ptr_null(tree);
}
END_TEST

/* In turns, and damaged at last: that may have been a moment, too. */
static void change_or_damage(unsigned n)
{
	if (n == (TRIES - 1) * PASSES + 1)
		toggle_damage();
	else
		change_time(n);
}

START_TEST(test_what_changes_and_is_damaged_last_is_damaged)
{
	at_pass = change_or_damage;
	ck_assert_int_eq(read_primary(), -EUCLEAN);
	expect_one_message("damaged: ");
}
END_TEST

START_TEST(test_a_device_that_fails_is_not_tried_again)
{
	uint64_t nth;

	for (nth = 1;; nth++) {
		messages_clear(&esp->messages);
		esp->side.fault = (struct fault){.ops = TESTDEV_READ, .error = -EIO, .nth = nth};
		if (read_primary() == 0)
			break;
		ck_assert_uint_eq(esp->side.fault.n_fired, 1);
		ck_assert_uint_eq(n_pauses, 0);
		expect_one_message("Input/output error");
	}
	ck_assert_uint_gt(nth, 8);
	expect_what_stands_there();
}
END_TEST

static void interrupt(unsigned n)
{
	if (n == 2)
		fes_interrupt(esp->context);
}

START_TEST(test_an_interruption_ends_it_without_a_word)
{
	toggle_damage();
	at_pause = interrupt;
	ck_assert_int_eq(read_primary(), -ECANCELED);
	ck_assert_uint_eq(n_pauses, 2);
	ck_assert_str_eq(esp->messages.text, "");
	ck_assert(!esp->side.volume->holding_back);
}
END_TEST

START_TEST(test_without_memory_nothing_is_believed)
{
	uint64_t nth = 0;
	int r;

	do {
		at_pass = change_time_once;
		n_passes = 0;
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = ++nth};
		r = read_primary();
		wrap_fault.calls = 0;
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
	} while (r < 0);
	ck_assert_uint_gt(nth, 20);
	expect_what_stands_there();
}
END_TEST

/* ---- nobody else writes to it ---- */

START_TEST(test_what_is_claimed_is_damaged_at_once)
{
	esp->side.volume->shared = false;
	toggle_damage();
	ck_assert_int_eq(read_primary(), -EUCLEAN);
	expect_one_message("damaged: ");
	ck_assert_uint_eq(n_pauses + n_passes, 0);
}
END_TEST

START_TEST(test_what_is_claimed_is_read_once)
{
	esp->side.volume->shared = false;
	ck_assert_int_eq(read_primary(), 0);
	expect_what_stands_there();
	ck_assert_uint_eq(n_passes, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_what_two_passes_find_alike_is_believed,
		test_what_looks_damaged_for_a_moment_is_not,
		test_what_is_damaged_for_good_is_damaged,
		test_what_changes_and_is_damaged_last_is_damaged,
		test_a_device_that_fails_is_not_tried_again,
		test_an_interruption_ends_it_without_a_word,
		test_without_memory_nothing_is_believed,
		test_what_is_claimed_is_damaged_at_once,
		test_what_is_claimed_is_read_once,
	};
	TCase *tc = tcase_create("shared");
	Suite *suite = suite_create("shared");

	if (!fixture_tools())
		return 77;
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, test_what_two_passes_find_different_is_read_again, 0, 2);
	tcase_add_loop_test(tc, test_what_never_stands_still_is_not_read, 0, 2);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
