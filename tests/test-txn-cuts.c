/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Transactions: what is left when the power is cut. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/txn-work.h"

struct cutter {
	struct write_log *log;
	uint8_t *image;
	size_t n_states;
	int (*state)(struct fat_volume *vol); /* what must not be negative, nor less than before */
	int least;
};

/* The image as it would be read through its second FAT copy. */
static void swap_copies(uint8_t *image, const struct fat_geometry *geo)
{
	uint8_t *a = image + geo->fat_offset, *b = a + geo->fat_size;

	for (uint64_t i = 0; i < geo->fat_size; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static void judge_state(struct cutter *cutter, struct blkdev *dev, size_t epoch)
{
	struct fat_check_result result;
	struct fat_geometry geo;
	struct fat_volume *vol;

	for (int copy = 0; copy < 2; copy++) {
		int state;

		ck_assert_int_eq(fat_open(dev, "test", NULL, &vol), 0);
		ck_assert_int_eq(fat_check(vol, NULL, NULL, &result), 0);
		geo = vol->geo;
		state = cutter->state(vol);
		fat_close(vol);
		ck_assert_msg(result.n_damage == 0 && state >= cutter->least,
			"epoch %zu, copy %d: %u damaged, state %d", epoch, copy, result.n_damage,
			state);
		swap_copies(cutter->image, &geo);
	}
	cutter->n_states++;
}

/* Try nothing, all, each version alone, all but one, and each beginning of an epoch. */
static void cut_epoch(struct cutter *cutter, struct blkdev *dev, size_t epoch)
{
	size_t n = write_log_n_versions(cutter->log, epoch);
	uint8_t *chosen = calloc(n / 8 + 1, 1);

	logdev_build(cutter->log, epoch, NULL, cutter->image);
	judge_state(cutter, dev, epoch);
	for (size_t i = 0; i < 3 * n; i++) {
		for (size_t j = 0; j < n; j++) {
			bool on = i < n ? j == i : i < 2 * n ? j != i - n : j <= i - 2 * n;

			if (on)
				fat_bit_set(chosen, j);
			else
				fat_bit_clear(chosen, j);
		}
		logdev_apply(cutter->log, epoch, chosen, cutter->image);
		judge_state(cutter, dev, epoch);
		logdev_revert(cutter->log, epoch, cutter->image);
	}
	free(chosen);
}

/* Run the transaction of @t on a logdev; @plan makes it. */
static size_t cut_everywhere(
	struct txn_test *t, void (*plan)(struct txn_test *t), int (*state)(struct fat_volume *vol))
{
	struct cutter cutter = {.state = state};
	struct blkdev *logged, *dev;

	txn_end(t);
	ck_assert_int_eq(logdev_new(t->f->dev, &cutter.log, &logged), 0);
	txn_begin_on(t, logged);
	plan(t);
	ck_assert_int_eq(txn_work_run(t), 0);
	txn_end(t);
	blkdev_close(logged);
	cutter.image = malloc(write_log_image_size(cutter.log));
	ck_assert_int_eq(memdev_wrap(cutter.image, t->f->size, TXN_SECTOR, &dev), 0);
	for (size_t epoch = 0; epoch < write_log_n_epochs(cutter.log); epoch++)
		cut_epoch(&cutter, dev, epoch);
	blkdev_close(dev);
	free(cutter.image);
	write_log_free(cutter.log);
	return cutter.n_states;
}

START_TEST(test_power_may_be_cut_at_any_write)
{
	struct txn_test *t = txn_work_new(_i);

	ck_assert_uint_gt(cut_everywhere(t, txn_work_plan, txn_work_state_of), 50);
	txn_test_free(t);
}
END_TEST

static int full_is_there(struct fat_volume *vol)
{
	return txn_work_is_there(vol, "/full/F113") ? 0 : -1;
}

/*
 * The FAT12 entry of cluster 341 lies in two sectors; here it is the directory's last cluster,
 * and half a link leads anywhere.
 */
static struct txn_test *new_full_at_341(void)
{
	static const struct fixture_file filler[] = {
		{.path = "/filler", .size = 339 * 512, .seed = 1}};
	struct txn_test *t = txn_test_on(fixture_new(0, filler, 1));

	fixture_do(t->f, "mmd -i x.img ::/full");
	txn_fill_dir(t, "/full", 14);
	ck_assert_uint_eq(fixture_find(t->f, "/full").first_cluster, 341);
	return t;
}

START_TEST(test_a_directory_grows_at_an_entry_in_two_sectors)
{
	struct txn_test *t = new_full_at_341();

	ck_assert_uint_gt(cut_everywhere(t, txn_work_plan_one_more, full_is_there), 8);
	fixture_judge(t->f);
	fixture_expect_file(t->f, "/full/ONEMORE", 10, 7);
	txn_test_free(t);
}
END_TEST

/*
 * All of 0xFF8 to 0xFFF end a chain, but half a link is harmless only where 0xFFF was. What one FAT
 * copy has there says nothing about the other.
 */
START_TEST(test_a_directory_does_not_grow_at_another_end_mark_in_two_sectors)
{
	struct txn_test *t = new_full_at_341();
	uint64_t copy = t->vol->geo.fat_offset + (uint64_t)_i * t->vol->geo.fat_size;
	uint8_t *low = t->f->bytes + copy + 511;
	struct fat_space space;

	*low = (uint8_t)((*low & 0x0f) | 0x80); /* of 0xFF8 */
	txn_end(t);
	txn_begin(t);
	txn_work_plan_one_more(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_le(space.needed, space.free);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "test: /full: the directory is full"));
	ck_assert_ptr_null(t->trace.text);
	txn_test_free(t);
}
END_TEST

static void add_cuts(Suite *suite)
{
	const TTest *const cuts[] = {test_power_may_be_cut_at_any_write};
	const TTest *const fat12[] = {test_a_directory_grows_at_an_entry_in_two_sectors};
	const TTest *const end_marks[] = {
		test_a_directory_does_not_grow_at_another_end_mark_in_two_sectors};
	txn_add_case(suite, "power cuts", cuts, 1, 2);
	txn_add_case(suite, "FAT12", fat12, 1, 1);
	txn_add_case(suite, "end marks", end_marks, 1, 2);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("txn-cuts");
	add_cuts(suite);
	return suite_run(suite);
}
