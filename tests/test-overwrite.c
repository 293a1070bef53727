/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Contents that change where they stand: what the clusters hold afterwards, what was written in
 * which order, what a power cut or a bad device leaves, and that nothing else of the volume
 * changes.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/fixture.h"
#include "tests/suite.h"
#include "tests/testdev.h"

enum {
	SECTOR = 512,
	HEAD = 32,
	N_SHAPES = 5,
};

static const char path[] = "/loader/random-seed";
static const struct fixture_file files[] = {
	{.path = "/loader/entries/a.conf", .text = "title a"},
	{.path = path, .size = 1300, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
};

/* Clusters of a sector, of more, and with larger sectors. */
static const char *const shapes[N_SHAPES] = {
	"-F 12 -s 1 x.img 1440",
	"-F 16 -s 1 x.img 4200",
	"-F 32 -s 1 x.img 34000",
	"-F 12 -s 8 -R 2 x.img 4096",
	"-F 12 -S 4096 -s 1 x.img 8192",
};

struct test {
	struct fixture *f;
	struct trace trace;
	struct fault fault;
	struct blkdev *faulty, *dev; /* f->dev below a faultdev below a tracedev */
	struct fat_volume *vol;
	struct fat_entry entry;
	uint8_t *before; /* the image as it was */
	uint8_t head[HEAD];
};

static void take_message(void *userdata, const char *message)
{
	struct fixture *f = userdata;

	strncat(f->messages, message, sizeof f->messages - strlen(f->messages) - 1);
}

static void close_volume(struct test *t)
{
	fat_close(t->vol);
	blkdev_close(t->dev);
	blkdev_close(t->faulty);
	t->vol = NULL;
	t->dev = t->faulty = NULL;
}

/* Anew each time: a device handle refuses to write once a write has failed. */
static void open_volume(struct test *t)
{
	struct fat_log log = {take_message, t->f};
	struct fat_check_result result;

	close_volume(t);
	ck_assert_int_eq(faultdev_new(t->f->dev, &t->fault, &t->faulty), 0);
	ck_assert_int_eq(tracedev_new(t->faulty, &t->trace, &t->dev), 0);
	ck_assert_int_eq(fat_open(t->dev, "test", &log, &t->vol), 0);
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
}

static struct test *new_test(int shape)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->f = fixture_new_mkfs(shapes[shape], files, sizeof files / sizeof *files);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH | TESTDEV_RECHECK;
	open_volume(t);
	t->entry = fixture_find(t->f, path);
	t->before = malloc(t->f->size);
	ck_assert_ptr_nonnull(t->before);
	memcpy(t->before, t->f->bytes, t->f->size);
	memset(t->head, 0xa5, sizeof t->head);
	return t;
}

static void free_test(struct test *t)
{
	close_volume(t);
	trace_done(&t->trace);
	fixture_free(t->f);
	free(t->before);
	free(t);
}

static int overwrite(struct test *t)
{
	return fat_file_overwrite(
		t->vol, t->entry.first_cluster, t->entry.size, path, t->head, HEAD);
}

static uint64_t file_offset(const struct test *t)
{
	return fat_cluster_offset(t->vol, t->entry.first_cluster);
}

/* Bytes in the clusters of the file, which follow each other. */
static size_t file_room(const struct test *t)
{
	return (size_t)fat_clusters_for(t->vol, t->entry.size) * t->vol->geo.cluster_size;
}

static void expect_nothing_else_changed(const struct test *t, const uint8_t *image)
{
	uint64_t start = file_offset(t), end = start + file_room(t);

	ck_assert_mem_eq(image, t->before, start);
	ck_assert_mem_eq(image + end, t->before + end, t->f->size - end);
}

static void expect_new(const struct test *t, const uint8_t *image)
{
	const uint8_t *bytes = image + file_offset(t);

	ck_assert_mem_eq(bytes, t->head, HEAD);
	for (size_t i = HEAD; i < file_room(t); i++)
		ck_assert_msg(bytes[i] == 0, "byte %zu is not zero", i);
	expect_nothing_else_changed(t, image);
}

/* ---- what is there afterwards ---- */

START_TEST(test_nothing_but_the_new_bytes_is_left)
{
	struct test *t = new_test(_i);

	/* What a longer file has left. */
	memset(t->f->bytes + file_offset(t) + t->entry.size, 0xee, file_room(t) - t->entry.size);
	ck_assert_int_eq(overwrite(t), 0);
	expect_new(t, t->f->bytes);
	ck_assert_str_eq(t->f->messages, "");
	close_volume(t);
	fixture_judge(t->f);
	free_test(t);
}
END_TEST

START_TEST(test_clusters_may_lie_anywhere)
{
	struct test *t = new_test(_i);
	uint32_t size = t->vol->geo.cluster_size, a = t->entry.first_cluster, b = a + 9;
	const uint8_t *at_b = t->f->bytes + fat_cluster_offset(t->vol, b);

	memset(t->f->bytes + fat_cluster_offset(t->vol, b), 0xee, size);
	memcpy(t->before, t->f->bytes, t->f->size);
	t->vol->table.next[a] = b;
	t->vol->table.next[b] = FAT_EOC;
	t->entry.size = size + 1;
	ck_assert_int_eq(overwrite(t), 0);
	ck_assert_mem_eq(t->f->bytes + file_offset(t), t->head, HEAD);
	ck_assert_mem_eq(
		t->f->bytes + file_offset(t) + size, t->before + file_offset(t) + size, size);
	for (uint32_t i = 0; i < size; i++)
		ck_assert_uint_eq(at_b[i], 0);
	free_test(t);
}
END_TEST

START_TEST(test_a_file_may_be_as_long_as_the_new_bytes)
{
	struct test *t = new_test(_i);

	t->entry.size = HEAD;
	ck_assert_int_eq(overwrite(t), 0);
	expect_new(t, t->f->bytes);
	free_test(t);
}
END_TEST

/* ---- clusters that no file has ---- */

START_TEST(test_a_free_cluster_is_wiped)
{
	struct test *t = new_test(_i);
	uint32_t size = t->vol->geo.cluster_size, cluster = t->vol->geo.n_clusters + 1;
	uint64_t at = fat_cluster_offset(t->vol, cluster);

	memset(t->f->bytes + at, 0xee, size);
	ck_assert_int_eq(fat_wipe_free(t->vol, cluster, path), 0);
	for (uint32_t i = 0; i < size; i++)
		ck_assert_uint_eq(t->f->bytes[at + i], 0);
	ck_assert_mem_eq(t->f->bytes, t->before, at);
	ck_assert_str_eq(t->f->messages, "");
	free_test(t);
}
END_TEST

START_TEST(test_what_is_not_free_is_not_wiped)
{
	struct test *t = new_test(_i);
	const uint32_t clusters[] = {0, 1, t->entry.first_cluster, t->vol->geo.n_clusters + 2};

	for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++)
		ck_assert_int_eq(fat_wipe_free(t->vol, clusters[i], path), 0);
	ck_assert_ptr_null(t->trace.text);
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	fat_close(t->vol);
	ck_assert_int_eq(fat_open(t->dev, "test", NULL, &t->vol), 0);
	ck_assert_int_eq(fat_wipe_free(t->vol, t->vol->geo.n_clusters + 1, path), -EUCLEAN);
	free_test(t);
}
END_TEST

/* ---- order ---- */

static void expect_trace(const struct test *t, const char *want)
{
	ck_assert_str_eq(t->trace.text ? t->trace.text : "", want);
}

/* Three clusters of a sector each. */
START_TEST(test_the_new_bytes_are_durable_before_anything_else_is_written)
{
	struct test *t = new_test(0);
	uint64_t at = file_offset(t);
	char want[256];

	(void)snprintf(want, sizeof want,
		"recheck\nwrite %llu+512\nflush\nwrite %llu+512\nwrite %llu+512\nflush\nrecheck\n",
		(unsigned long long)at, (unsigned long long)at + 512,
		(unsigned long long)at + 1024);
	ck_assert_int_eq(overwrite(t), 0);
	expect_trace(t, want);
	free_test(t);
}
END_TEST

START_TEST(test_the_second_time_one_sector_is_written)
{
	struct test *t = new_test(_i);
	char want[128];

	ck_assert_int_eq(overwrite(t), 0);
	trace_done(&t->trace);
	memset(t->head, 0x5a, sizeof t->head);
	ck_assert_int_eq(overwrite(t), 0);
	(void)snprintf(want, sizeof want, "recheck\nwrite %llu+512\nflush\nrecheck\n",
		(unsigned long long)file_offset(t));
	expect_trace(t, want);
	expect_new(t, t->f->bytes);
	free_test(t);
}
END_TEST

/* The neighbours of the sector are written as they are: a power cut cannot hurt them. */
START_TEST(test_a_block_is_written_whole_where_the_cluster_holds_it)
{
	struct test *t = new_test(3);
	char want[128];

	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	blkdev_set_physical_size(t->dev, 4096);
	ck_assert_uint_eq(file_offset(t) % 4096, 0);
	(void)snprintf(want, sizeof want, "write %1$llu+4096\nflush\nwrite %1$llu+4096\nflush\n",
		(unsigned long long)file_offset(t));
	ck_assert_int_eq(overwrite(t), 0);
	expect_trace(t, want);
	expect_new(t, t->f->bytes);
	free_test(t);
}
END_TEST

START_TEST(test_a_block_that_reaches_out_of_the_cluster_is_not_written)
{
	struct test *t = new_test(0);

	blkdev_set_physical_size(t->dev, 4096);
	ck_assert_int_eq(overwrite(t), 0);
	expect_new(t, t->f->bytes);
	ck_assert_ptr_null(strstr(t->trace.text, "+4096"));
	free_test(t);
}
END_TEST

/* ---- power cuts ---- */

static bool is_new(const struct test *t, const uint8_t *image)
{
	return memcmp(image + file_offset(t), t->head, HEAD) == 0;
}

/* Each byte is an old one or a new one, and the first ones are all of one kind. */
static void judge_state(const struct test *t, const uint8_t *image, bool durable)
{
	const uint8_t *bytes = image + file_offset(t), *old = t->before + file_offset(t);

	ck_assert(is_new(t, image) || (!durable && memcmp(bytes, old, HEAD) == 0));
	for (size_t i = HEAD; i < file_room(t); i++)
		ck_assert(bytes[i] == 0 ||
			  (bytes[i] == old[i] && (i >= SECTOR || !is_new(t, image))));
	expect_nothing_else_changed(t, image);
}

/* All subsets of what is written between two barriers. */
static size_t cut_epoch(
	const struct test *t, const struct write_log *log, size_t epoch, uint8_t *image)
{
	size_t n = write_log_n_versions(log, epoch), n_states = (size_t)1 << n;

	ck_assert_uint_lt(n, 8);
	logdev_build(log, epoch, NULL, image);
	for (size_t i = 0; i < n_states; i++) {
		uint8_t chosen = (uint8_t)i;

		logdev_apply(log, epoch, &chosen, image);
		judge_state(t, image, epoch > 0);
		logdev_revert(log, epoch, image);
	}
	return n_states;
}

START_TEST(test_power_may_be_cut_at_any_write)
{
	struct test *t = new_test(_i);
	struct fat_check_result result;
	struct write_log *log;
	struct blkdev *logged;
	size_t n_states = 0;
	uint8_t *image;

	close_volume(t);
	ck_assert_int_eq(logdev_new(t->f->dev, &log, &logged), 0);
	blkdev_set_physical_size(logged, 4096);
	ck_assert_int_eq(fat_open(logged, "test", NULL, &t->vol), 0);
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert_int_eq(overwrite(t), 0);
	ck_assert_uint_eq(write_log_n_epochs(log), 3);
	image = malloc(write_log_image_size(log));
	for (size_t epoch = 0; epoch < write_log_n_epochs(log); epoch++)
		n_states += cut_epoch(t, log, epoch, image);
	ck_assert_uint_ge(n_states, 2 + 4 + 1);
	free(image);
	fat_close(t->vol);
	t->vol = NULL;
	blkdev_close(logged);
	write_log_free(log);
	free_test(t);
}
END_TEST

/* ---- devices that fail ---- */

START_TEST(test_any_failing_call_is_told)
{
	static const unsigned ops[] = {TESTDEV_READ, TESTDEV_WRITE, TESTDEV_FLUSH, TESTDEV_RECHECK};
	struct test *t = new_test(0);

	t->fault = (struct fault){.ops = ops[_i], .error = -EIO};
	for (uint64_t nth = 1;; nth++) {
		memcpy(t->f->bytes, t->before, t->f->size);
		open_volume(t);
		t->f->messages[0] = '\0';
		t->fault.nth = nth;
		t->fault.n_calls = t->fault.n_fired = 0;
		if (overwrite(t) == 0)
			break;
		ck_assert_uint_eq(t->fault.n_fired, 1);
		ck_assert_str_ne(t->f->messages, "");
		judge_state(t, t->f->bytes, false);
	}
	ck_assert_uint_eq(t->fault.n_fired, 0);
	ck_assert_uint_ge(t->fault.n_calls, 2);
	free_test(t);
}
END_TEST

static void expect_noticed(struct test *t, enum fault_kind kind)
{
	for (uint64_t nth = 1; nth <= 3; nth++) {
		memcpy(t->f->bytes, t->before, t->f->size);
		open_volume(t);
		t->f->messages[0] = '\0';
		t->fault = (struct fault){.ops = TESTDEV_WRITE, .kind = kind, .nth = nth};
		ck_assert_int_eq(overwrite(t), -EIO);
		ck_assert_ptr_nonnull(strstr(t->f->messages, "read back"));
	}
}

START_TEST(test_a_lost_or_changed_write_is_noticed)
{
	struct test *t = new_test(0);

	expect_noticed(t, FAULT_DROP);
	expect_noticed(t, FAULT_FLIP);
	free_test(t);
}
END_TEST

START_TEST(test_nothing_is_written_to_a_device_that_is_another_now)
{
	struct test *t = new_test(0);

	t->fault = (struct fault){.ops = TESTDEV_RECHECK, .error = -ESTALE, .nth = 1};
	ck_assert_int_eq(overwrite(t), -ESTALE);
	expect_trace(t, "recheck\n");
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	free_test(t);
}
END_TEST

/* ---- refusals ---- */

START_TEST(test_what_does_not_fit_a_sector_or_the_file_is_refused)
{
	struct test *t = new_test(_i);
	uint8_t bytes[SECTOR + 1] = {0};
	uint32_t first = t->entry.first_cluster;

	ck_assert_int_eq(fat_file_overwrite(t->vol, first, 1300, path, bytes, 0), -EINVAL);
	ck_assert_int_eq(fat_file_overwrite(t->vol, first, 1300, path, bytes, SECTOR + 1), -EINVAL);
	ck_assert_int_eq(fat_file_overwrite(t->vol, first, HEAD - 1, path, bytes, HEAD), -EINVAL);
	expect_trace(t, "");
	free_test(t);
}
END_TEST

START_TEST(test_a_chain_that_ends_early_is_refused_before_any_write)
{
	struct test *t = new_test(0);

	t->entry.size += 2 * SECTOR;
	ck_assert_int_eq(overwrite(t), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(t->f->messages, path));
	t->entry.first_cluster = 0;
	ck_assert_int_eq(overwrite(t), -EUCLEAN);
	t->entry.first_cluster = t->vol->geo.n_clusters + 2;
	ck_assert_int_eq(overwrite(t), -EUCLEAN);
	expect_trace(t, "");
	free_test(t);
}
END_TEST

START_TEST(test_a_volume_that_was_not_checked_is_refused)
{
	struct test *t = new_test(0);

	fat_close(t->vol);
	ck_assert_int_eq(fat_open(t->dev, "test", NULL, &t->vol), 0);
	ck_assert_int_eq(overwrite(t), -EUCLEAN);
	expect_trace(t, "");
	free_test(t);
}
END_TEST

START_TEST(test_a_volume_with_damage_is_refused)
{
	struct test *t = new_test(0);
	struct fat_entry other = fixture_find(t->f, "/loader/loader.conf");
	struct fat_check_result result;

	/* Two files on one cluster. */
	t->vol->table.next[t->entry.first_cluster] = other.first_cluster;
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert_uint_gt(result.n_damage, 0);
	t->entry.size = SECTOR + 1;
	ck_assert_int_eq(overwrite(t), -EUCLEAN);
	expect_trace(t, "");
	free_test(t);
}
END_TEST

int main(void)
{
	const TTest *const shaped[] = {
		test_nothing_but_the_new_bytes_is_left,
		test_clusters_may_lie_anywhere,
		test_a_file_may_be_as_long_as_the_new_bytes,
		test_the_second_time_one_sector_is_written,
		test_power_may_be_cut_at_any_write,
		test_what_does_not_fit_a_sector_or_the_file_is_refused,
		test_a_free_cluster_is_wiped,
		test_what_is_not_free_is_not_wiped,
	};
	const TTest *const once[] = {
		test_the_new_bytes_are_durable_before_anything_else_is_written,
		test_a_block_is_written_whole_where_the_cluster_holds_it,
		test_a_block_that_reaches_out_of_the_cluster_is_not_written,
		test_a_lost_or_changed_write_is_noticed,
		test_nothing_is_written_to_a_device_that_is_another_now,
		test_a_chain_that_ends_early_is_refused_before_any_write,
		test_a_volume_that_was_not_checked_is_refused,
		test_a_volume_with_damage_is_refused,
	};
	const TTest *const calls[] = {test_any_failing_call_is_told};
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("overwrite");
	(void)suite_add_case(suite, "shapes", shaped, sizeof shaped / sizeof *shaped, N_SHAPES);
	(void)suite_add_case(suite, "once", once, sizeof once / sizeof *once, 1);
	(void)suite_add_case(suite, "calls", calls, 1, 4);
	return suite_run(suite);
}
