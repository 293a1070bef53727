/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list as a file: read from a volume, written to one, and through a mount. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fat/internal.h"
#include "lib/internal.h"
#include "lib/list.h"
#include "lib/listfile.h"
#include "tests/faults-wrap.h"
#include "tests/fixture.h"
#include "tests/powercut.h"
#include "tests/suite.h"
#include "tests/testdev.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define A "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define B "6f9619ff-8b86-d011-b42d-00c04fc964ff"
#define LIST "/loader/esp-sync"

enum { FAT12, FAT16, FAT32 };

/* ---- a clock that stands still: calls of time(2) in this program come here ---- */

enum { FEBRUARY_29 = 951868799 }; /* 2000-02-29 23:59:59 UTC */

static time_t now;

time_t __wrap_time(time_t *ret);

time_t __wrap_time(time_t *ret)
{
	if (ret)
		*ret = now;
	return now;
}

/* ---- volumes ---- */

static const struct fixture_file no_loader[] = {
	{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 1},
	{.path = "/A foreign file with a long name.txt", .size = 700, .seed = 2},
};
static const struct fixture_file no_list[] = {
	{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/loader/random-seed", .size = 32, .seed = 3},
};
static const struct fixture_file with_list[] = {
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = LIST, .text = "# old\n" A},
	{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 1},
	{.path = "/loader/random-seed", .size = 32, .seed = 3},
};

static struct fixture *f;
static struct fes_context *context;
static struct fault fault;   /* of the device */
static struct blkdev *below; /* under it */
static struct fes_volume *volume;
static char message[4096]; /* the last one */
static unsigned n_messages;

static void take_message(void *userdata, enum fes_log_level level, const char *text)
{
	(void)userdata;
	(void)level;
	(void)snprintf(message, sizeof message, "%s", text);
	n_messages++;
}

static void setup(void)
{
	(void)setenv("TZ", "UTC", 1);
	tzset();
	now = FEBRUARY_29;
	fault = (struct fault){0};
	n_messages = 0;
	ck_assert_int_eq(fes_new(&context), 0);
	fes_set_log(context, take_message, NULL);
}

static void close_volume(void)
{
	fes_volume_close(volume);
	blkdev_close(below);
	volume = NULL;
	below = NULL;
}

static void teardown(void)
{
	close_volume();
	if (f)
		fixture_free(f);
	f = NULL;
	fes_free(context);
}

/* Open the volume on @dev, which is owned. */
static void open_device(struct blkdev *dev)
{
	struct fat_check_result check;

	ck_assert_int_eq(fes_volume_adopt(context, dev, "esp", &volume, NULL), 0);
	ck_assert_int_eq(fes_volume_require_sound(volume, &check), 0);
	n_messages = 0;
}

/* Open that of the case, above a device that may fail. */
static void open_volume(void)
{
	struct blkdev *dev;

	close_volume();
	ck_assert_int_eq(memdev_wrap(f->bytes, f->size, 512, &below), 0);
	ck_assert_int_eq(faultdev_new(below, &fault, &dev), 0);
	open_device(dev);
}

/* ---- reading ---- */

static void expect_read(int result, const char *text)
{
	struct fes_list list;
	size_t len;
	char *found;

	open_volume();
	ck_assert_int_eq(fes_listfile_read(volume, &list), result);
	if (result < 0)
		return;
	ck_assert_int_eq(fes_list_format(&list, &found, &len), 0);
	ck_assert_str_eq(found, text);
	ck_assert_uint_eq(n_messages, 0);
	free(found);
	fes_list_done(&list);
}

static void expect_no_read(int result, const char *reason)
{
	expect_read(result, NULL);
	ck_assert_uint_eq(n_messages, reason ? 1 : 0);
	if (reason)
		ck_assert_msg(strstr(message, reason) == message, "%s", message);
}

START_TEST(test_the_list_is_read)
{
	f = fixture_new(_i, with_list, COUNT(with_list));
	expect_read(0, "# old\n" A "\n");
}
END_TEST

START_TEST(test_the_name_may_be_in_any_case)
{
	static const struct fixture_file files[] = {{.path = "/Loader/Esp-Sync", .text = A}};

	f = fixture_new(FAT12, files, COUNT(files));
	expect_read(0, A "\n");
}
END_TEST

START_TEST(test_an_empty_list_is_read)
{
	static const struct fixture_file files[] = {{.path = LIST, .size = 0}};

	f = fixture_new(FAT12, files, COUNT(files));
	expect_read(0, "");
}
END_TEST

START_TEST(test_a_list_of_64_kib_is_read)
{
	struct fes_list list;

	f = fixture_new(FAT16, no_list, COUNT(no_list));
	fixture_do(f, "head -c 65536 /dev/zero | tr '\\0' '#' | mcopy -i x.img - ::" LIST);
	open_volume();
	ck_assert_int_eq(fes_listfile_read(volume, &list), 0);
	ck_assert_uint_eq(list.n, 1);
	ck_assert_uint_eq(strlen(list.lines[0].text), FES_LIST_MAX);
	fes_list_done(&list);
}
END_TEST

START_TEST(test_no_list_is_told_apart_and_needs_no_message)
{
	f = fixture_new(FAT12, no_list, COUNT(no_list));
	expect_no_read(-ENOENT, NULL);
	fixture_free(f);
	f = fixture_new(FAT12, no_loader, COUNT(no_loader));
	expect_no_read(-ENOENT, NULL);
}
END_TEST

START_TEST(test_a_list_that_is_none_is_refused_with_its_line)
{
	static const struct fixture_file files[] = {{.path = LIST, .text = A "\n\nmange /x"}};

	f = fixture_new(FAT12, files, COUNT(files));
	expect_no_read(-EBADMSG, "esp: /loader/esp-sync: line 3: 'mange' is no partition UUID");
}
END_TEST

START_TEST(test_a_list_that_is_too_large_is_refused_unread)
{
	static const struct fixture_file files[] = {{.path = LIST, .size = 65537, .seed = 1}};
	uint64_t n_reads;

	f = fixture_new(FAT12, no_list, COUNT(no_list));
	open_volume();
	fault = (struct fault){.ops = TESTDEV_READ};
	ck_assert_int_eq(fes_listfile_read(volume, &(struct fes_list){0}), -ENOENT);
	n_reads = fault.n_calls;
	fixture_free(f);

	f = fixture_new(FAT12, files, COUNT(files));
	open_volume();
	fault.n_calls = 0;
	ck_assert_int_eq(fes_listfile_read(volume, &(struct fes_list){0}), -EBADMSG);
	ck_assert_uint_eq(fault.n_calls, n_reads);
	expect_no_read(-EBADMSG, "esp: /loader/esp-sync: 65537 bytes are too many");
}
END_TEST

START_TEST(test_what_is_in_the_way_is_named)
{
	static const struct fixture_file dir[] = {{.path = "/loader/esp-sync/"},
		{.path = "/loader/esp-sync/x", .text = "x"}};
	static const struct fixture_file file[] = {{.path = "/loader", .text = "x"}};

	f = fixture_new(FAT12, dir, COUNT(dir));
	expect_no_read(-EISDIR, "esp: /loader/esp-sync: Is a directory; move it");
	fixture_free(f);
	f = fixture_new(FAT12, file, COUNT(file));
	expect_no_read(-ENOTDIR, "esp: /loader: Not a directory; move it");
}
END_TEST

START_TEST(test_a_device_that_fails_is_an_error_that_is_reported)
{
	struct fes_list list;

	f = fixture_new(FAT12, with_list, COUNT(with_list));
	open_volume();
	for (uint64_t nth = 1;; nth++) {
		fault = (struct fault){.ops = TESTDEV_READ, .error = -EIO, .nth = nth};
		n_messages = 0;
		if (fes_listfile_read(volume, &list) == 0)
			break;
		ck_assert_uint_eq(fault.n_fired, 1);
		ck_assert_uint_eq(n_messages, 1);
	}
	ck_assert_uint_eq(fault.n_fired, 0);
	fes_list_done(&list);
}
END_TEST

/* ---- writing to a volume ---- */

/* NULL: no list. */
static int write_text(const char *text)
{
	return fes_listfile_write_volume(volume, text, text ? strlen(text) : 0);
}

/* Others find the same, and nothing wrong. */
static void expect_text(const char *text)
{
	char *found;
	int status;

	close_volume();
	fixture_judge(f);
	found = fixture_shell(f, &status, "mtype -i x.img ::" LIST);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(found, text);
	free(found);
}

static void write_and_expect(const char *text)
{
	open_volume();
	ck_assert_msg(write_text(text) == 0, "%s", message);
	ck_assert_uint_eq(n_messages, 0);
	expect_text(text);
}

/* What stands in the short entry of @path. */
static struct fat_short_slot short_slot(const char *path)
{
	struct fat_entry entry = fixture_find(f, path);
	struct fat_short_slot slot;

	memcpy(&slot, entry.slots + (size_t)(entry.n_slots - 1) * FAT_SLOT_LEN, sizeof slot);
	return slot;
}

static void expect_times(const char *path, int year, int month, int day, int hour, int minute,
	int second)
{
	struct fat_short_slot slot = short_slot(path);
	int date = (year - 1980) << 9 | month << 5 | day;
	int of_day = hour << 11 | minute << 5 | second / 2;

	ck_assert_int_eq(le16_get(slot.write_date), date);
	ck_assert_int_eq(le16_get(slot.create_date), date);
	ck_assert_int_eq(le16_get(slot.access_date), date);
	ck_assert_int_eq(le16_get(slot.write_time), of_day);
	ck_assert_int_eq(le16_get(slot.create_time), of_day);
	ck_assert_int_eq(slot.create_centis, second % 2 * 100);
}

START_TEST(test_a_list_is_replaced)
{
	f = fixture_new(_i, with_list, COUNT(with_list));
	write_and_expect("# new\n" A "\n" B "\n");
	fixture_expect_file(f, "/EFI/Linux/kernel.efi", 3000, 1);
	fixture_expect_file(f, "/loader/random-seed", 32, 3);
	expect_times(LIST, 2000, 2, 29, 23, 59, 59);
	write_and_expect(A "\n");
}
END_TEST

START_TEST(test_a_list_is_added)
{
	f = fixture_new(_i, no_list, COUNT(no_list));
	write_and_expect(A "\n" B "\n");
	fixture_expect_file(f, "/loader/random-seed", 32, 3);
	ck_assert_str_eq(fixture_find(f, LIST).name, "esp-sync");
	ck_assert_uint_eq(fixture_find(f, LIST).attributes, FAT_ATTR_ARCHIVE);
	expect_times(LIST, 2000, 2, 29, 23, 59, 59);
}
END_TEST

START_TEST(test_a_list_is_added_with_its_directory)
{
	f = fixture_new(_i, no_loader, COUNT(no_loader));
	write_and_expect(A "\n" B "\n");
	fixture_expect_file(f, "/EFI/Linux/kernel.efi", 3000, 1);
	fixture_expect_file(f, "/A foreign file with a long name.txt", 700, 2);
	ck_assert_str_eq(fixture_find(f, "/loader").name, "loader");
	ck_assert_uint_eq(fixture_find(f, "/loader").attributes, FAT_ATTR_DIRECTORY);
	expect_times("/loader", 2000, 2, 29, 23, 59, 59);
	expect_times(LIST, 2000, 2, 29, 23, 59, 59);
}
END_TEST

START_TEST(test_an_entry_that_is_there_keeps_name_and_attributes)
{
	static const struct fixture_file files[] = {{.path = "/Loader/Esp-Sync", .text = A}};
	struct fat_entry before, after;

	f = fixture_new(FAT12, files, COUNT(files));
	fixture_do(f, "mattrib -i x.img +h +s -a ::/Loader/Esp-Sync");
	before = fixture_find(f, LIST);
	ck_assert_uint_eq(before.n_slots, 2);
	write_and_expect(B "\n");
	after = fixture_find(f, LIST);
	ck_assert_str_eq(after.name, "Esp-Sync");
	ck_assert_uint_eq(after.attributes, FAT_ATTR_HIDDEN | FAT_ATTR_SYSTEM);
	ck_assert_uint_eq(after.short_slot, before.short_slot);
	ck_assert_uint_eq(after.n_slots, 2);
	ck_assert_mem_eq(after.slots, before.slots, FAT_SLOT_LEN + 12);
}
END_TEST

START_TEST(test_a_text_may_be_empty_or_of_64_kib)
{
	char *text = malloc(FES_LIST_MAX + 2);

	ck_assert_ptr_nonnull(text);
	memset(text, '#', FES_LIST_MAX + 1);
	text[FES_LIST_MAX + 1] = '\0';
	f = fixture_new(FAT12, with_list, COUNT(with_list));
	open_volume();
	ck_assert_int_eq(write_text(text), -EFBIG);
	text[FES_LIST_MAX] = '\0';
	ck_assert_int_eq(write_text(text), 0);
	close_volume();
	fixture_judge(f);
	expect_read(0, text);
	write_and_expect("");
	write_and_expect(A "\n");
	free(text);
}
END_TEST

static void remove_and_expect(void)
{
	open_volume();
	ck_assert_msg(write_text(NULL) == 0, "%s", message);
	ck_assert_uint_eq(n_messages, 0);
	close_volume();
	fixture_judge(f);
	ck_assert(!fixture_has(f, LIST));
}

START_TEST(test_a_list_is_removed)
{
	f = fixture_new(_i, with_list, COUNT(with_list));
	remove_and_expect();
	fixture_expect_file(f, "/EFI/Linux/kernel.efi", 3000, 1);
	fixture_expect_file(f, "/loader/random-seed", 32, 3);
	write_and_expect(A "\n");
}
END_TEST

START_TEST(test_a_list_that_is_not_there_need_not_be_removed)
{
	f = fixture_new(FAT12, no_list, COUNT(no_list));
	fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	remove_and_expect();
	fixture_free(f);
	f = fixture_new(FAT12, no_loader, COUNT(no_loader));
	remove_and_expect();
	ck_assert_uint_eq(fault.n_calls, 0);
}
END_TEST

/* As of the writer's time zone; and a clock that FAT has no time for. */
START_TEST(test_times_are_local_and_inside_of_what_fat_has)
{
	f = fixture_new(FAT12, no_loader, COUNT(no_loader));
	(void)setenv("TZ", "XXX-1", 1);
	tzset();
	write_and_expect(A);
	expect_times(LIST, 2000, 3, 1, 0, 59, 59);
	now = 0;
	write_and_expect(A);
	expect_times(LIST, 1980, 1, 1, 0, 0, 0);
	now = 4354819200 + 3600; /* 2108 */
	write_and_expect(A);
	expect_times(LIST, 2107, 12, 31, 23, 59, 58);
}
END_TEST

/* Nothing was written, and @reason was told. */
static void expect_refused(int result, const char *reason)
{
	uint8_t *before = malloc(f->size);

	ck_assert_ptr_nonnull(before);
	memcpy(before, f->bytes, f->size);
	open_volume();
	ck_assert_int_eq(write_text(A "\n"), result);
	ck_assert_uint_eq(n_messages, reason ? 1 : 0);
	if (reason)
		ck_assert_msg(strstr(message, reason) == message, "%s", message);
	ck_assert(memcmp(before, f->bytes, f->size) == 0);
	free(before);
}

START_TEST(test_what_is_in_the_way_stays)
{
	static const struct fixture_file dir[] = {{.path = "/loader/esp-sync/"},
		{.path = "/loader/esp-sync/x", .text = "x"}};
	static const struct fixture_file file[] = {{.path = "/loader", .text = "x"}};

	f = fixture_new(FAT12, dir, COUNT(dir));
	expect_refused(-EISDIR, "esp: /loader/esp-sync: Is a directory");
	fixture_free(f);
	f = fixture_new(FAT12, file, COUNT(file));
	expect_refused(-ENOTDIR, "esp: /loader: Not a directory");
}
END_TEST

START_TEST(test_a_full_volume_is_refused_with_figures)
{
	f = fixture_new(FAT12, with_list, COUNT(with_list));
	fixture_do(f, "free=$(mdir -i x.img | tail -n 2 | tr -dc 0-9) && "
		      "head -c $free /dev/zero | mcopy -i x.img - ::/fill");
	expect_refused(-ENOSPC,
		"esp: /loader/esp-sync: no room: 512 bytes are needed and 0 are free");
}
END_TEST

START_TEST(test_a_full_root_is_refused)
{
	f = fixture_new(FAT12, no_loader, COUNT(no_loader));
	fixture_do(f, "i=0; while echo x | mcopy -i x.img - ::/X$i 2>/dev/null; do "
		      "i=$((i + 1)); done; test $i -gt 50");
	expect_refused(-ENOSPC, "esp: /: the directory is full");
}
END_TEST

/* 16 slots of 512 bytes are full: the dots and 14 files. */
START_TEST(test_a_full_directory_grows)
{
	f = fixture_new(_i, no_list, COUNT(no_list));
	fixture_do(f, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "
		      "echo x | mcopy -i x.img - ::/loader/X$i; done");
	write_and_expect(A "\n" B "\n");
}
END_TEST

START_TEST(test_an_interruption_changes_nothing)
{
	f = fixture_new(FAT12, with_list, COUNT(with_list));
	fes_interrupt(context);
	expect_refused(-ECANCELED, NULL);
}
END_TEST

/* ---- devices that fail ---- */

static const char new_text[] = "# new, of more than one cluster\n" A "\n" B "\n";

/* Whether there is none. */
static bool is_gone(void)
{
	(void)fixture_check(f);
	return !fixture_has(f, LIST);
}

/* Whether the list is the new one; else there is none, or the old one. */
static bool is_new(void)
{
	struct fes_list list;
	bool found;
	int r;

	(void)fixture_check(f);
	open_volume();
	r = fes_listfile_read(volume, &list);
	ck_assert(r == 0 || r == -ENOENT);
	if (r < 0)
		return false;
	found = fes_list_has(&list, B);
	ck_assert_uint_eq(list.n, found ? 3 : 2);
	fes_list_done(&list);
	return found;
}

/* Clusters of a list that went before its release failed are freed when there is one again. */
static void try_again(const char *text)
{
	if (text) {
		write_and_expect(text);
		return;
	}
	open_volume();
	ck_assert_int_eq(write_text(NULL), 0);
	ck_assert(is_gone());
	write_and_expect(new_text);
}

/* Let call after call to the device fail as @kind says. Returns how many did. */
static unsigned fail_each_call(unsigned ops, enum fault_kind kind, const char *text)
{
	uint8_t *before = malloc(f->size);
	bool fired = true;
	unsigned nth;

	ck_assert_ptr_nonnull(before);
	memcpy(before, f->bytes, f->size);
	for (nth = 0; fired; nth++) {
		int r;

		open_volume();
		fault = (struct fault){.ops = ops, .kind = kind, .error = -EIO, .nth = nth + 1};
		r = write_text(text);
		fired = fault.n_fired > 0;
		fault = (struct fault){0};
		ck_assert(r == 0 || (fired && n_messages > 0));
		ck_assert(r < 0 || (text ? is_new() : is_gone()));
		try_again(text);
		memcpy(f->bytes, before, f->size);
	}
	free(before);
	return nth - 1;
}

static void fail_in_all_ways(const char *text)
{
	unsigned n = text ? 4 : 3;

	ck_assert_uint_ge(fail_each_call(TESTDEV_READ, FAULT_ERROR, text), n);
	ck_assert_uint_ge(fail_each_call(TESTDEV_WRITE, FAULT_ERROR, text), n);
	ck_assert_uint_ge(fail_each_call(TESTDEV_WRITE, FAULT_HALF, text), n);
	ck_assert_uint_ge(fail_each_call(TESTDEV_WRITE, FAULT_LATE, text), n);
	ck_assert_uint_ge(fail_each_call(TESTDEV_WRITE, FAULT_DROP, text), n);
	ck_assert_uint_ge(fail_each_call(TESTDEV_FLUSH, FAULT_ERROR, text), n);
}

START_TEST(test_a_device_that_fails_leaves_the_old_list_or_the_new_one)
{
	f = fixture_new(FAT12, with_list, COUNT(with_list));
	fail_in_all_ways(new_text);
	fail_in_all_ways(NULL);
}
END_TEST

START_TEST(test_a_device_that_fails_leaves_no_half_directory)
{
	f = fixture_new(FAT12, no_loader, COUNT(no_loader));
	fail_in_all_ways(new_text);
}
END_TEST

START_TEST(test_data_that_gets_lost_are_noticed)
{
	f = fixture_new(FAT12, with_list, COUNT(with_list));
	open_volume();
	fault = (struct fault){.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = 1};
	ck_assert_int_eq(write_text(new_text), -EIO);
	ck_assert_msg(strstr(message, "what was read back is not what was written"), "%s", message);
	fault = (struct fault){0};
	ck_assert(!is_new());
}
END_TEST

START_TEST(test_without_memory_the_old_list_or_the_new_one_stays)
{
	uint64_t nth = 1;
	int r;

	f = fixture_new(FAT12, with_list, COUNT(with_list));
	do {
		fixture_reset(f);
		open_volume();
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth++};
		r = write_text(new_text);
		wrap_fault.calls = 0;
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
		ck_assert(is_new() || r < 0);
	} while (r < 0);
	ck_assert_uint_gt(nth, 20);
}
END_TEST

/* ---- power cuts ---- */

struct cuts {
	struct cut_image start, state;
	struct cut_judge judge;
	struct write_log *log;
};

static struct cut_image copy_image(void)
{
	return cut_image_copy(&(struct cut_image){f->bytes, f->size});
}

/* Write @text to the volume in @image, and log how. */
static struct write_log *record(struct cut_image image, const char *text)
{
	struct write_log *log;
	struct blkdev *dev;

	close_volume();
	ck_assert_int_eq(memdev_wrap(image.bytes, image.size, 512, &below), 0);
	ck_assert_int_eq(logdev_new_light(below, &log, &dev), 0);
	open_device(dev);
	ck_assert_msg(write_text(text) == 0, "%s", message);
	close_volume();
	return log;
}

/* The other way round. */
static void take_back(struct write_log *log, struct cut_image image)
{
	for (size_t epoch = write_log_n_epochs(log); epoch > 0; epoch--)
		logdev_revert(log, epoch - 1, image.bytes);
	write_log_free(log);
}

/*
 * What power comes back to: sound, and old or new; and the next try ends well. Where there is no
 * list any more it has nothing to do, so that what is lost stays lost.
 */
static void judge_state(struct cuts *cuts, const char *text)
{
	struct write_log *log;

	if (!cut_judge(&cuts->judge, &cuts->state, false))
		ck_abort_msg("%s", cuts->judge.fault);
	log = record(cuts->state, text);
	if (!cut_judge(&cuts->judge, &cuts->state, text != NULL))
		ck_abort_msg("after the next try: %s", cuts->judge.fault);
	take_back(log, cuts->state);
}

/* Returns the number of states. */
static uint64_t judge_epoch(struct cuts *cuts, size_t epoch, const char *text)
{
	uint64_t random = 1;
	struct cut_subsets subsets = {
		.n = write_log_n_versions(cuts->log, epoch),
		.cap = 64,
		.random = &random,
	};
	uint8_t *chosen = malloc(subsets.n / 8 + 1);
	uint64_t count = cut_subsets_count(&subsets);

	ck_assert_ptr_nonnull(chosen);
	for (uint64_t i = 0; i < count; i++) {
		cut_subsets_choose(&subsets, i, chosen);
		logdev_apply(cuts->log, epoch, chosen, cuts->state.bytes);
		judge_state(cuts, text);
		logdev_revert(cuts->log, epoch, cuts->state.bytes);
	}
	memset(chosen, 0xff, subsets.n / 8 + 1);
	logdev_apply(cuts->log, epoch, chosen, cuts->state.bytes);
	free(chosen);
	return count;
}

/* Cut the power at each moment while @text is written to the volume of the case. */
static void cut(const char *text)
{
	struct cuts cuts = {.start = copy_image(), .state = copy_image()};
	struct fes_managed managed;
	struct cut_image image = {f->bytes, f->size};
	uint64_t states = 0;

	cuts.log = record(image, text);
	ck_assert_int_eq(fes_managed_init(&managed), 0);
	cut_judge_init(&cuts.judge, &managed, &cuts.start, &image, &(struct cut_image){0});
	for (size_t epoch = 0; epoch < write_log_n_epochs(cuts.log); epoch++)
		states += judge_epoch(&cuts, epoch, text);
	ck_assert_uint_ge(states, 7);
	ck_assert(memcmp(cuts.state.bytes, f->bytes, f->size) == 0);
	cut_judge_done(&cuts.judge);
	fes_managed_done(&managed);
	write_log_free(cuts.log);
	free(cuts.state.bytes);
	free(cuts.start.bytes);
}

/* Three clusters and a bit. */
static void make_text(char *text, size_t size)
{
	memset(text, '#', size - 1);
	text[size - 1] = '\0';
}

START_TEST(test_power_cuts_leave_the_old_list_or_the_new_one)
{
	char text[1600];

	make_text(text, sizeof text);
	f = fixture_new(_i, with_list, COUNT(with_list));
	cut(text);
	cut(A "\n");
	cut("");
	cut(text);
	cut(NULL);
}
END_TEST

START_TEST(test_power_cuts_leave_no_list_or_the_new_one)
{
	char text[1600];

	make_text(text, sizeof text);
	f = fixture_new(_i, no_list, COUNT(no_list));
	cut(text);
}
END_TEST

START_TEST(test_power_cuts_leave_no_directory_or_one_with_the_list)
{
	char text[1600];

	make_text(text, sizeof text);
	f = fixture_new(_i, no_loader, COUNT(no_loader));
	cut(text);
}
END_TEST

int main(void)
{
	const TTest *const one_type[] = {
		test_the_name_may_be_in_any_case,
		test_an_empty_list_is_read,
		test_a_list_of_64_kib_is_read,
		test_no_list_is_told_apart_and_needs_no_message,
		test_a_list_that_is_none_is_refused_with_its_line,
		test_a_list_that_is_too_large_is_refused_unread,
		test_what_is_in_the_way_is_named,
		test_a_device_that_fails_is_an_error_that_is_reported,
		test_an_entry_that_is_there_keeps_name_and_attributes,
		test_a_text_may_be_empty_or_of_64_kib,
		test_a_list_that_is_not_there_need_not_be_removed,
		test_times_are_local_and_inside_of_what_fat_has,
		test_what_is_in_the_way_stays,
		test_a_full_volume_is_refused_with_figures,
		test_a_full_root_is_refused,
		test_an_interruption_changes_nothing,
		test_a_device_that_fails_leaves_the_old_list_or_the_new_one,
		test_a_device_that_fails_leaves_no_half_directory,
		test_data_that_gets_lost_are_noticed,
		test_without_memory_the_old_list_or_the_new_one_stays,
	};
	const TTest *const each_type[] = {
		test_the_list_is_read,
		test_a_list_is_replaced,
		test_a_list_is_added,
		test_a_list_is_added_with_its_directory,
		test_a_list_is_removed,
		test_a_full_directory_grows,
		test_power_cuts_leave_the_old_list_or_the_new_one,
		test_power_cuts_leave_no_list_or_the_new_one,
		test_power_cuts_leave_no_directory_or_one_with_the_list,
	};
	Suite *suite = suite_create("listfile");
	TCase *tc = tcase_create("listfile");

	if (!fixture_tools())
		return 77;
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tests(tc, one_type, COUNT(one_type), 1);
	suite_add_tests(tc, each_type, COUNT(each_type), FIXTURE_N_TYPES);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
