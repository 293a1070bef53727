/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tests/testdev.h"

enum {
	SECTOR = 512,
	IMAGE_SIZE = 64 * 1024,
};

/* ---- files in a scratch folder of each case ---- */

static struct scratch folder;
static char image[256];

static void write_image(void)
{
	int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, IMAGE_SIZE), 0);
	ck_assert_int_eq(close(fd), 0);
}

static void make_image(void)
{
	scratch_make(&folder);
	(void)snprintf(image, sizeof(image), "%s/image", folder.path);
	write_image();
}

static void remove_image(void)
{
	ck_assert_int_eq(unlink(image), 0);
	ck_assert_int_eq(rmdir(folder.path), 0);
}

static struct blkdev *open_image(unsigned flags, uint64_t offset, uint64_t size)
{
	struct blkdev *dev = NULL;

	ck_assert_int_eq(blkdev_open_path(image, flags, offset, size, &dev), 0);
	return dev;
}

static struct blkdev *new_mem(uint64_t size, uint32_t sector_size, uint8_t **bytes)
{
	struct blkdev *dev = NULL;

	ck_assert_int_eq(memdev_new(size, sector_size, bytes, &dev), 0);
	return dev;
}

static void fill(uint8_t *buf, size_t len, uint8_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed + i * 7 + i / 251);
}

/* ---- the handle ---- */

START_TEST(test_sector_size_must_be_a_power_of_two_from_512_to_4096)
{
	static const uint32_t bad[] = {0, 1, 256, 513, 768, 3072, 8192};
	struct blkdev *dev = NULL;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(memdev_new(IMAGE_SIZE, bad[i], NULL, &dev), -EINVAL);
		ck_assert_ptr_null(dev);
	}
	for (uint32_t size = 512; size <= 4096; size *= 2) {
		dev = new_mem(IMAGE_SIZE, size, NULL);
		ck_assert_uint_eq(blkdev_sector_size(dev), size);
		ck_assert_uint_eq(blkdev_physical_size(dev), size);
		blkdev_close(dev);
	}
}
END_TEST

START_TEST(test_size_is_rounded_down_to_whole_sectors)
{
	struct blkdev *dev = new_mem(4096 + 4095, 4096, NULL);

	ck_assert_uint_eq(blkdev_size(dev), 4096);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_close_takes_null)
{
	blkdev_close(NULL);
}
END_TEST

START_TEST(test_physical_size_can_be_set)
{
	struct blkdev *dev = new_mem(IMAGE_SIZE, SECTOR, NULL);

	blkdev_set_physical_size(dev, 4096);
	ck_assert_uint_eq(blkdev_physical_size(dev), 4096);
	ck_assert_uint_eq(blkdev_sector_size(dev), SECTOR);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_transfers_outside_or_not_aligned_are_refused_before_the_backend)
{
	static const struct {
		uint64_t offset;
		size_t len;
	} bad[] = {
		{1, 512},
		{0, 511},
		{256, 256},
		{IMAGE_SIZE, 512},
		{IMAGE_SIZE - 512, 1024},
		{0, IMAGE_SIZE + 512},
		{UINT64_MAX - 511, 512},
		{UINT64_MAX - 511, 1024},
		{512, SIZE_MAX - 511},
	};
	struct blkdev *dev = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev_stats stats;
	uint8_t buf[1024] = {0};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(blkdev_read(dev, bad[i].offset, buf, bad[i].len), -EINVAL);
		ck_assert_int_eq(blkdev_write(dev, bad[i].offset, buf, bad[i].len), -EINVAL);
	}
	stats = blkdev_get_stats(dev);
	ck_assert_uint_eq(stats.reads, 0);
	ck_assert_uint_eq(stats.writes, 0);
	/* The caller was wrong, not the device: writing goes on. */
	ck_assert_int_eq(blkdev_write(dev, 0, buf, 512), 0);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_transfer_of_nothing_does_nothing)
{
	struct blkdev *dev = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev_stats stats;

	ck_assert_int_eq(blkdev_read(dev, IMAGE_SIZE, NULL, 0), 0);
	ck_assert_int_eq(blkdev_write(dev, 0, NULL, 0), 0);
	stats = blkdev_get_stats(dev);
	ck_assert_uint_eq(stats.reads + stats.writes, 0);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_statistics_count_calls_and_bytes)
{
	struct blkdev *dev = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev_stats stats;
	uint8_t buf[2048] = {0};

	ck_assert_int_eq(blkdev_read(dev, 0, buf, 2048), 0);
	ck_assert_int_eq(blkdev_read(dev, 512, buf, 512), 0);
	ck_assert_int_eq(blkdev_write(dev, 1024, buf, 1024), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	stats = blkdev_get_stats(dev);
	ck_assert_uint_eq(stats.reads, 2);
	ck_assert_uint_eq(stats.bytes_read, 2560);
	ck_assert_uint_eq(stats.writes, 1);
	ck_assert_uint_eq(stats.bytes_written, 1024);
	ck_assert_uint_eq(stats.flushes, 1);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_identity_is_zero_unless_set)
{
	struct blkdev *dev = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev_identity identity = blkdev_get_identity(dev);

	ck_assert(!identity.block);
	ck_assert_uint_eq(identity.device | identity.inode | identity.offset, 0);

	blkdev_set_identity(dev, (struct blkdev_identity){.block = true, .device = 3});
	identity = blkdev_get_identity(dev);
	ck_assert(identity.block);
	ck_assert_uint_eq(identity.device, 3);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_buffers_are_aligned)
{
	size_t len;

	for (len = 0; len < 10000; len += 4999) {
		void *buf = blkdev_buffer_new(len);

		ck_assert_ptr_nonnull(buf);
		ck_assert_uint_eq((uintptr_t)buf % 4096, 0);
		free(buf);
	}
}
END_TEST

static void check_sticky(enum testdev_op op, int error)
{
	struct fault fault = {.ops = op, .error = error, .nth = 2};
	struct blkdev *mem = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev *dev = NULL;
	uint8_t buf[SECTOR] = {1};
	int r, first;

	ck_assert_int_eq(faultdev_new(mem, &fault, &dev), 0);
	ck_assert_int_eq(blkdev_write(dev, 0, buf, SECTOR), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	r = blkdev_write(dev, 0, buf, SECTOR);
	first = blkdev_flush(dev);
	ck_assert_int_eq(r, op == TESTDEV_WRITE ? error : 0);
	ck_assert_int_eq(first, error);

	ck_assert_int_eq(blkdev_write(dev, 512, buf, SECTOR), error);
	ck_assert_int_eq(blkdev_flush(dev), error);
	ck_assert_int_eq(blkdev_read(dev, 512, buf, SECTOR), 0);
	ck_assert_uint_eq(fault.n_calls, 2);
	blkdev_close(dev);
	blkdev_close(mem);
}

START_TEST(test_after_a_failed_write_nothing_more_is_written)
{
	check_sticky(TESTDEV_WRITE, -ENODATA);
}
END_TEST

START_TEST(test_after_a_failed_flush_nothing_more_is_written)
{
	check_sticky(TESTDEV_FLUSH, -EIO);
}
END_TEST

START_TEST(test_a_failed_read_spoils_nothing)
{
	struct fault fault = {.ops = TESTDEV_READ, .error = -EIO, .nth = 1};
	struct blkdev *mem = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev *dev = NULL;
	uint8_t buf[SECTOR] = {0};

	ck_assert_int_eq(faultdev_new(mem, &fault, &dev), 0);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), -EIO);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), 0);
	ck_assert_int_eq(blkdev_write(dev, 0, buf, SECTOR), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	blkdev_close(dev);
	blkdev_close(mem);
}
END_TEST

/* ---- image files ---- */

START_TEST(test_a_file_has_512_byte_sectors_and_its_own_size)
{
	struct blkdev *dev;

	ck_assert_int_eq(truncate(image, IMAGE_SIZE + 100), 0);
	dev = open_image(0, 0, 0);
	ck_assert_uint_eq(blkdev_size(dev), IMAGE_SIZE);
	ck_assert_uint_eq(blkdev_sector_size(dev), 512);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_what_is_written_to_a_file_is_read_back)
{
	struct blkdev *dev = open_image(BLKDEV_WRITABLE, 0, 0);
	uint8_t in[4096], out[4096];

	fill(in, sizeof(in), 3);
	ck_assert_int_eq(blkdev_write(dev, 8192, in, sizeof(in)), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	ck_assert_int_eq(blkdev_read(dev, 8192, out, sizeof(out)), 0);
	ck_assert_mem_eq(in, out, sizeof(in));
	blkdev_close(dev);

	dev = open_image(0, 8192, 0);
	ck_assert_int_eq(blkdev_read(dev, 512, out, 512), 0);
	ck_assert_mem_eq(in + 512, out, 512);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_part_of_a_file_is_a_device_of_its_own)
{
	struct blkdev *dev = open_image(BLKDEV_WRITABLE, 4096, 8192);
	uint8_t buf[512], whole[IMAGE_SIZE];
	FILE *file;

	fill(buf, sizeof(buf), 9);
	ck_assert_uint_eq(blkdev_size(dev), 8192);
	ck_assert_int_eq(blkdev_write(dev, 8192, buf, 512), -EINVAL);
	ck_assert_int_eq(blkdev_write(dev, 7680, buf, 512), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	blkdev_close(dev);

	file = fopen(image, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(whole, 1, sizeof(whole), file), sizeof(whole));
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_mem_eq(whole + 4096 + 7680, buf, 512);
	memset(whole + 4096 + 7680, 0, 512);
	for (size_t i = 0; i < sizeof(whole); i++)
		ck_assert_uint_eq(whole[i], 0);
}
END_TEST

START_TEST(test_a_part_outside_the_file_is_refused)
{
	struct blkdev *dev = NULL;

	ck_assert_int_eq(blkdev_open_path(image, 0, IMAGE_SIZE, 0, &dev), -ERANGE);
	ck_assert_int_eq(blkdev_open_path(image, 0, IMAGE_SIZE - 512, 1024, &dev), -ERANGE);
	ck_assert_int_eq(blkdev_open_path(image, 0, UINT64_MAX - 511, 512, &dev), -ERANGE);
	ck_assert_int_eq(blkdev_open_path(image, 0, 512, UINT64_MAX - 511, &dev), -ERANGE);
	ck_assert_ptr_null(dev);
}
END_TEST

START_TEST(test_a_device_opened_for_reading_refuses_writes)
{
	struct blkdev *dev = open_image(0, 0, 0);
	uint8_t buf[512] = {0};

	ck_assert_int_eq(blkdev_write(dev, 0, buf, 512), -EROFS);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	ck_assert_int_eq(blkdev_catch_up(dev), 0);
	ck_assert_uint_eq(blkdev_get_stats(dev).writes, 0);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_file_is_not_claimed)
{
	struct blkdev *first = open_image(BLKDEV_CLAIM, 0, 0);
	struct blkdev *second = open_image(BLKDEV_WRITABLE | BLKDEV_CLAIM, 0, 0);
	uint8_t buf[SECTOR] = {0};

	ck_assert_int_eq(blkdev_write(first, 0, buf, SECTOR), -EROFS);
	ck_assert_int_eq(blkdev_write(second, 0, buf, SECTOR), 0);
	blkdev_close(first);
	blkdev_close(second);
}
END_TEST

START_TEST(test_a_file_without_write_permission_is_read_only_even_for_root)
{
	struct blkdev *dev = NULL;

	ck_assert_int_eq(chmod(image, 0444), 0);
	ck_assert_int_eq(blkdev_open_path(image, BLKDEV_WRITABLE, 0, 0, &dev), -EROFS);
	ck_assert_int_eq(blkdev_open_path(image, BLKDEV_PROBE, 0, 0, &dev), -EROFS);
	ck_assert_ptr_null(dev);
	blkdev_close(open_image(0, 0, 0));
}
END_TEST

START_TEST(test_what_is_no_file_is_refused)
{
	struct blkdev *dev = NULL;
	char path[256];

	ck_assert_int_eq(blkdev_open_path(folder.path, 0, 0, 0, &dev), -EISDIR);
	ck_assert_int_eq(blkdev_open_path("/dev/null", BLKDEV_WRITABLE, 0, 0, &dev), -ENODEV);

	(void)snprintf(path, sizeof(path), "%s/missing", folder.path);
	ck_assert_int_eq(blkdev_open_path(path, 0, 0, 0, &dev), -ENOENT);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(blkdev_open_path(path, BLKDEV_WRITABLE, 0, 0, &dev), -ENODEV);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_ptr_null(dev);
}
END_TEST

START_TEST(test_a_file_that_shrank_is_an_io_error_and_no_short_read)
{
	struct blkdev *dev = open_image(0, 0, 0);
	uint8_t buf[2048] = {0};

	ck_assert_int_eq(truncate(image, 1024), 0);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, sizeof(buf)), -EIO);
	ck_assert_int_eq(blkdev_read(dev, 4096, buf, sizeof(buf)), -EIO);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, 1024), 0);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_file_may_grow_or_lose_its_name_and_is_still_the_same)
{
	struct blkdev *dev = open_image(BLKDEV_WRITABLE, 4096, 8192);
	uint64_t size;

	ck_assert_int_eq(blkdev_recheck(dev, &size), 0);
	ck_assert_int_eq(truncate(image, IMAGE_SIZE * 2), 0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), 0);
	ck_assert_int_eq(truncate(image, 4096 + 8192), 0);
	ck_assert_int_eq(unlink(image), 0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), 0);
	blkdev_close(dev);
	write_image();
}
END_TEST

START_TEST(test_a_file_that_ends_before_its_part_does_is_noticed)
{
	struct blkdev *dev = open_image(0, 4096, 8192);
	uint64_t size = 0;

	ck_assert_int_eq(truncate(image, 4096 + 8191), 0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), -ESTALE);
	ck_assert_uint_eq(size, 8191);
	ck_assert_int_eq(truncate(image, 100), 0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), -ESTALE);
	ck_assert_uint_eq(size, 0);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_file_is_known_by_any_of_its_names)
{
	struct blkdev_identity a, b, c;
	struct blkdev *dev;
	char path[256];

	dev = open_image(0, 0, 0);
	a = blkdev_get_identity(dev);
	blkdev_close(dev);

	(void)snprintf(path, sizeof(path), "%s/other", folder.path);
	ck_assert_int_eq(link(image, path), 0);
	ck_assert_int_eq(blkdev_open_path(path, BLKDEV_WRITABLE, 0, 0, &dev), 0);
	b = blkdev_get_identity(dev);
	blkdev_close(dev);
	ck_assert_int_eq(unlink(path), 0);

	dev = open_image(0, 4096, 0);
	c = blkdev_get_identity(dev);
	blkdev_close(dev);

	ck_assert(!a.block && !b.block);
	ck_assert_uint_ne(a.inode, 0);
	ck_assert_uint_eq(a.device, b.device);
	ck_assert_uint_eq(a.inode, b.inode);
	ck_assert_uint_eq(a.offset, 0);
	ck_assert_uint_eq(c.inode, a.inode);
	ck_assert_uint_eq(c.offset, 4096);
}
END_TEST

static bool page_is_cached(uint64_t offset)
{
	unsigned char cached = 0;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *map;
	int fd;

	fd = open(image, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)(offset - offset % page));
	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(mincore(map, page, &cached), 0);
	ck_assert_int_eq(munmap(map, page), 0);
	ck_assert_int_eq(close(fd), 0);
	return (cached & 1) != 0;
}

static bool cache_can_be_dropped(void)
{
	uint8_t buf[512];
	bool dropped;
	int fd;

	fd = open(image, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	ck_assert_int_eq(fsync(fd), 0);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	dropped = !page_is_cached(0);
	ck_assert_int_eq(close(fd), 0);
	return dropped;
}

START_TEST(test_after_a_flush_reads_come_from_the_medium)
{
	struct blkdev *dev;
	uint8_t buf[512];

	/* A tmpfs has no medium but the cache. */
	if (!cache_can_be_dropped())
		return;

	dev = open_image(BLKDEV_WRITABLE, 512, 0);
	fill(buf, sizeof(buf), 5);
	ck_assert_int_eq(blkdev_write(dev, 20480, buf, sizeof(buf)), 0);
	ck_assert(page_is_cached(20480 + 512));
	ck_assert_int_eq(blkdev_flush(dev), 0);
	ck_assert(!page_is_cached(20480 + 512));
	blkdev_close(dev);
}
END_TEST

struct reader {
	struct blkdev *dev;
	const uint8_t *expected;
	int result;
};

static void *read_repeatedly(void *userdata)
{
	struct reader *reader = userdata;
	uint8_t buf[1024];
	uint64_t offset;

	for (unsigned i = 0; i < 200; i++) {
		offset = (uint64_t)i * 512 % (IMAGE_SIZE - 1024);
		reader->result = blkdev_read(reader->dev, offset, buf, sizeof(buf));
		if (reader->result == 0 && memcmp(buf, reader->expected + offset, 1024) != 0)
			reader->result = -EUCLEAN;
		if (reader->result < 0)
			break;
	}
	return NULL;
}

START_TEST(test_several_threads_read_at_once)
{
	static uint8_t expected[IMAGE_SIZE];
	struct blkdev *dev = open_image(BLKDEV_WRITABLE, 0, 0);
	struct reader readers[4];
	pthread_t threads[4];

	fill(expected, sizeof(expected), 11);
	ck_assert_int_eq(blkdev_write(dev, 0, expected, sizeof(expected)), 0);
	for (size_t i = 0; i < 4; i++) {
		int r;

		readers[i] = (struct reader){.dev = dev, .expected = expected};
		r = pthread_create(&threads[i], NULL, read_repeatedly, &readers[i]);
		ck_assert_int_eq(r, 0);
	}
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(readers[i].result, 0);
	}
	ck_assert_uint_eq(blkdev_get_stats(dev).reads, 800);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_descriptors_do_not_leak_into_programs_we_start)
{
	struct blkdev *dev = open_image(BLKDEV_WRITABLE, 0, 0);
	int lock = blkdev_lock_path(image, true);
	char path[64];
	ssize_t n;

	ck_assert_int_ge(lock, 0);
	for (int fd = 3; fd < 256; fd++) {
		char target[128];

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, image) == 0)
			ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
	ck_assert_int_eq(close(lock), 0);
	blkdev_close(dev);
}
END_TEST

/* ---- locks ---- */

START_TEST(test_an_exclusive_lock_keeps_others_out_until_it_is_closed)
{
	int first = blkdev_lock_path(image, true);

	ck_assert_int_ge(first, 0);
	ck_assert_int_eq(blkdev_lock_path(image, true), -EAGAIN);
	ck_assert_int_eq(blkdev_lock_path(image, false), -EAGAIN);
	ck_assert_int_eq(close(first), 0);

	first = blkdev_lock_path(image, true);
	ck_assert_int_ge(first, 0);
	ck_assert_int_eq(close(first), 0);
}
END_TEST

START_TEST(test_shared_locks_go_together)
{
	int first = blkdev_lock_path(image, false);
	int second = blkdev_lock_path(image, false);

	ck_assert_int_ge(first, 0);
	ck_assert_int_ge(second, 0);
	ck_assert_int_eq(blkdev_lock_path(image, true), -EAGAIN);
	ck_assert_int_eq(close(first), 0);
	ck_assert_int_eq(close(second), 0);
}
END_TEST

START_TEST(test_locking_what_is_missing_fails)
{
	ck_assert_int_eq(blkdev_lock_path("/nonexistent/x", false), -ENOENT);
}
END_TEST

/* ---- block devices: a loop device, where there can be one ---- */

static char loop_path[32];

static bool attach_loop(bool read_only)
{
	struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control, number, loop = -1;
	bool attached;

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return false;
	number = ioctl(control, LOOP_CTL_GET_FREE);
	(void)close(control);
	if (number < 0)
		return false;

	(void)snprintf(loop_path, sizeof(loop_path), "/dev/loop%d", number);
	loop = open(loop_path, O_RDWR | O_CLOEXEC);
	if (loop < 0)
		return false;
	if (read_only)
		config.info.lo_flags |= LO_FLAGS_READ_ONLY;
	config.fd = (unsigned)open(image, O_RDWR | O_CLOEXEC);
	attached = ioctl(loop, LOOP_CONFIGURE, &config) == 0;
	(void)close((int)config.fd);
	/* Stays open, and with it the loop device attached, until the case's process ends. */
	if (!attached)
		(void)close(loop);
	return attached;
}

START_TEST(test_a_block_device_takes_memory_at_any_address)
{
	uint8_t in[8192 + 1], out[8192 + 3];
	struct blkdev *dev = NULL;
	int r;

	if (!attach_loop(false))
		return;
	r = blkdev_open_path(loop_path, BLKDEV_WRITABLE, 0, 0, &dev);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(blkdev_size(dev), IMAGE_SIZE);
	ck_assert_uint_eq(blkdev_physical_size(dev) % blkdev_sector_size(dev), 0);
	ck_assert(blkdev_get_identity(dev).block);
	ck_assert_uint_eq(blkdev_get_identity(dev).inode, 0);

	fill(in, sizeof(in), 17);
	ck_assert_int_eq(blkdev_write(dev, 4096, in + 1, 8192), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	ck_assert_int_eq(blkdev_read(dev, 4096, out + 3, 8192), 0);
	ck_assert_mem_eq(in + 1, out + 3, 8192);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_block_device_is_claimed_for_writing_only)
{
	struct blkdev *first = NULL, *second = NULL;

	if (!attach_loop(false))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_WRITABLE, 0, 0, &first), 0);
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_WRITABLE, 0, 0, &second), -EBUSY);
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 0, 0, &second), 0);
	blkdev_close(first);
	blkdev_close(second);
}
END_TEST

START_TEST(test_a_block_device_can_be_claimed_for_reading)
{
	struct blkdev *claimed = NULL, *other = NULL;
	uint8_t buf[SECTOR] = {0};

	if (!attach_loop(false))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_CLAIM, 0, 0, &claimed), 0);
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_CLAIM, 0, 0, &other), -EBUSY);
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_WRITABLE, 0, 0, &other), -EBUSY);
	ck_assert_int_eq(blkdev_read(claimed, 0, buf, SECTOR), 0);
	ck_assert_int_eq(blkdev_write(claimed, 0, buf, SECTOR), -EROFS);
	blkdev_close(claimed);
}
END_TEST

START_TEST(test_a_write_protected_block_device_is_refused_for_writing)
{
	struct blkdev *dev = NULL;

	if (!attach_loop(true))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_WRITABLE, 0, 0, &dev), -EROFS);
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_PROBE, 0, 0, &dev), -EROFS);
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 0, 0, &dev), 0);
	blkdev_close(dev);
}
END_TEST

/* What the loop device makes of the file's size now. */
static void resize_loop(off_t size)
{
	int loop = open(loop_path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(loop, 0);
	ck_assert_int_eq(truncate(image, size), 0);
	ck_assert_int_eq(ioctl(loop, LOOP_SET_CAPACITY), 0);
	ck_assert_int_eq(close(loop), 0);
}

START_TEST(test_a_block_device_of_another_size_is_noticed)
{
	struct blkdev *dev = NULL;
	uint64_t size = 0;

	if (!attach_loop(false))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_WRITABLE, 4096, 8192, &dev), 0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), 0);
	resize_loop(IMAGE_SIZE * 2);
	ck_assert_int_eq(blkdev_recheck(dev, &size), -ESTALE);
	ck_assert_uint_eq(size, IMAGE_SIZE * 2 - 4096);
	resize_loop(IMAGE_SIZE);
	ck_assert_int_eq(blkdev_recheck(dev, &size), 0);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_block_device_without_a_size_is_gone)
{
	struct blkdev *dev = NULL;
	uint64_t size;

	if (!attach_loop(false))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 0, 0, &dev), 0);
	resize_loop(0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), -ENXIO);
	blkdev_close(dev);
}
END_TEST

/* A node of our own for it stands for the one that the kernel takes away with the device. */
START_TEST(test_a_block_device_whose_node_was_taken_away_is_gone)
{
	struct blkdev *dev = NULL;
	struct stat st;
	char node[256];
	uint64_t size;

	if (!attach_loop(false))
		return;
	(void)snprintf(node, sizeof(node), "%s/node", folder.path);
	ck_assert_int_eq(stat(loop_path, &st), 0);
	ck_assert_int_eq(mknod(node, S_IFBLK | 0600, st.st_rdev), 0);
	if (blkdev_open_path(node, 0, 0, 0, &dev) == 0) {
		ck_assert_int_eq(blkdev_recheck(dev, &size), 0);
		ck_assert_int_eq(unlink(node), 0);
		ck_assert_int_eq(blkdev_recheck(dev, &size), -ENXIO);
	}
	(void)unlink(node); /* on a file system without devices it could not be opened */
	blkdev_close(dev);
}
END_TEST

static void protect_loop(int read_only)
{
	int loop = open(loop_path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(loop, 0);
	ck_assert_int_eq(ioctl(loop, BLKROSET, &read_only), 0);
	ck_assert_int_eq(close(loop), 0);
}

START_TEST(test_a_block_device_that_became_write_protected_is_noticed_where_that_matters)
{
	struct blkdev *writable = NULL, *readable = NULL;
	uint64_t size;

	if (!attach_loop(false))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, BLKDEV_WRITABLE, 0, 0, &writable), 0);
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 0, 0, &readable), 0);
	protect_loop(1);
	ck_assert_int_eq(blkdev_recheck(writable, &size), -EROFS);
	ck_assert_int_eq(blkdev_recheck(readable, &size), 0);
	protect_loop(0);
	ck_assert_int_eq(blkdev_recheck(writable, &size), 0);
	blkdev_close(writable);
	blkdev_close(readable);
}
END_TEST

/* What others wrote is in the block device's cache; the file behind it does not have it yet. */
START_TEST(test_a_block_device_catches_up_with_what_others_wrote)
{
	struct blkdev *dev = NULL, *file;
	uint8_t in[SECTOR], out[SECTOR];
	int loop;

	if (!attach_loop(false))
		return;
	fill(in, sizeof(in), 23);
	loop = open(loop_path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(loop, 0);
	ck_assert_int_eq(pwrite(loop, in, sizeof(in), 8192), sizeof(in));
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 0, 0, &dev), 0);
	ck_assert_int_eq(blkdev_catch_up(dev), 0);
	file = open_image(0, 0, 0);
	ck_assert_int_eq(blkdev_read(file, 8192, out, sizeof(out)), 0);
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_int_eq(close(loop), 0);
	blkdev_close(file);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_who_may_only_read_a_block_device_cannot_make_others_write)
{
	const uid_t nobody = 65534;
	struct blkdev *dev = NULL;

	if (!attach_loop(false))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 0, 0, &dev), 0);
	if (seteuid(nobody) == 0) {
		ck_assert_int_eq(blkdev_catch_up(dev), -EACCES);
		ck_assert_int_eq(seteuid(0), 0);
	}
	blkdev_close(dev);
}
END_TEST

START_TEST(test_a_part_of_a_block_device_begins_on_a_sector)
{
	struct blkdev *dev = NULL;

	if (!attach_loop(false))
		return;
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 100, 0, &dev), -EINVAL);
	ck_assert_int_eq(blkdev_open_path(loop_path, 0, 4096, 0, &dev), 0);
	ck_assert_uint_eq(blkdev_size(dev), IMAGE_SIZE - 4096);
	blkdev_close(dev);
}
END_TEST

/* ---- the test devices themselves ---- */

START_TEST(test_memdev_shows_its_bytes)
{
	uint8_t *bytes = NULL, buf[SECTOR];
	struct blkdev *dev = new_mem(IMAGE_SIZE, SECTOR, &bytes);

	bytes[1024] = 0xab;
	ck_assert_int_eq(blkdev_read(dev, 1024, buf, SECTOR), 0);
	ck_assert_uint_eq(buf[0], 0xab);
	buf[1] = 0xcd;
	ck_assert_int_eq(blkdev_write(dev, 0, buf, SECTOR), 0);
	ck_assert_uint_eq(bytes[1], 0xcd);
	blkdev_close(dev);
}
END_TEST

START_TEST(test_memdev_over_bytes_of_the_caller_leaves_them)
{
	uint8_t bytes[1024] = {0}, buf[512] = {7};
	struct blkdev *dev = NULL;

	ck_assert_int_eq(memdev_wrap(bytes, sizeof(bytes), SECTOR, &dev), 0);
	ck_assert_int_eq(blkdev_write(dev, 512, buf, 512), 0);
	blkdev_close(dev);
	ck_assert_uint_eq(bytes[512], 7);
}
END_TEST

START_TEST(test_memdev_loads_a_file_and_leaves_it)
{
	struct blkdev *dev = open_image(BLKDEV_WRITABLE, 0, 0);
	uint8_t buf[512], *bytes = NULL;

	fill(buf, sizeof(buf), 1);
	ck_assert_int_eq(blkdev_write(dev, 1024, buf, 512), 0);
	blkdev_close(dev);

	ck_assert_int_eq(memdev_load(image, 1024, &bytes, &dev), 0);
	ck_assert_uint_eq(blkdev_size(dev), IMAGE_SIZE);
	ck_assert_mem_eq(bytes + 1024, buf, 512);
	memset(bytes, 0xff, IMAGE_SIZE);
	blkdev_close(dev);

	dev = open_image(0, 0, 0);
	ck_assert_int_eq(blkdev_read(dev, 1024, buf, 512), 0);
	ck_assert_uint_eq(buf[0], 1);
	blkdev_close(dev);
	ck_assert_int_eq(memdev_load("/nonexistent/x", 512, &bytes, &dev), -ENOENT);
}
END_TEST

/* What @kind leaves of a write of two sectors of 0x11, and what the write returns. */
static int faulty_write(enum fault_kind kind, uint8_t *bytes_after, size_t len)
{
	struct fault fault = {.ops = TESTDEV_WRITE, .kind = kind, .error = -EIO, .nth = 1};
	struct blkdev *mem, *dev = NULL;
	uint8_t *bytes = NULL, buf[1024];
	int r;

	mem = new_mem(IMAGE_SIZE, SECTOR, &bytes);
	memset(buf, 0x11, sizeof(buf));
	ck_assert_int_eq(faultdev_new(mem, &fault, &dev), 0);
	r = blkdev_write(dev, 0, buf, sizeof(buf));
	ck_assert_uint_eq(fault.n_fired, 1);
	memcpy(bytes_after, bytes, len);
	blkdev_close(dev);
	blkdev_close(mem);
	return r;
}

START_TEST(test_faultdev_fails_in_each_of_its_ways)
{
	uint8_t bytes[1024];

	ck_assert_int_eq(faulty_write(FAULT_ERROR, bytes, sizeof(bytes)), -EIO);
	ck_assert_uint_eq(bytes[0] | bytes[512], 0);
	ck_assert_int_eq(faulty_write(FAULT_HALF, bytes, sizeof(bytes)), -EIO);
	ck_assert_uint_eq(bytes[511], 0x11);
	ck_assert_uint_eq(bytes[512], 0);
	ck_assert_int_eq(faulty_write(FAULT_LATE, bytes, sizeof(bytes)), -EIO);
	ck_assert_uint_eq(bytes[0] & bytes[1023], 0x11);
	ck_assert_int_eq(faulty_write(FAULT_DROP, bytes, sizeof(bytes)), 0);
	ck_assert_uint_eq(bytes[0] | bytes[512], 0);
	ck_assert_int_eq(faulty_write(FAULT_FLIP, bytes, sizeof(bytes)), 0);
	ck_assert_uint_eq(bytes[0], 0x10);
	ck_assert_uint_eq(bytes[1], 0x11);
}
END_TEST

START_TEST(test_faultdev_fails_at_the_nth_call_of_the_kinds_asked_for)
{
	struct fault fault = {.ops = TESTDEV_READ, .error = -EIO, .nth = 3};
	struct blkdev *mem = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev *dev = NULL;
	uint8_t buf[SECTOR] = {0};

	ck_assert_int_eq(faultdev_new(mem, &fault, &dev), 0);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), 0);
	ck_assert_int_eq(blkdev_write(dev, 0, buf, SECTOR), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), 0);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), -EIO);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), 0);

	fault.sticky = true;
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), -EIO);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), -EIO);
	ck_assert_uint_eq(fault.n_calls, 6);
	ck_assert_uint_eq(fault.n_fired, 3);

	fault.kind = FAULT_FLIP;
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), 0);
	ck_assert_uint_eq(buf[0], 1);
	blkdev_close(dev);
	blkdev_close(mem);
}
END_TEST

START_TEST(test_faultdev_is_gone_from_the_nth_recheck_on)
{
	struct fault fault = {
		.ops = TESTDEV_RECHECK, .error = -ESTALE, .nth = 2, .sticky = true};
	struct blkdev *mem = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev *dev = NULL;
	uint8_t buf[SECTOR] = {0};
	uint64_t size = 0;

	ck_assert_int_eq(blkdev_recheck(mem, &size), 0);
	ck_assert_int_eq(faultdev_new(mem, &fault, &dev), 0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), 0);
	ck_assert_int_eq(blkdev_recheck(dev, &size), -ESTALE);
	ck_assert_uint_eq(size, IMAGE_SIZE / 2);
	fault.error = -ENXIO;
	ck_assert_int_eq(blkdev_recheck(dev, &size), -ENXIO);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, SECTOR), 0);
	blkdev_close(dev);
	blkdev_close(mem);
}
END_TEST

START_TEST(test_tracedev_writes_a_line_per_call)
{
	struct trace trace = {.ops = TESTDEV_WRITE | TESTDEV_FLUSH};
	struct blkdev *mem = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev *dev = NULL;
	uint8_t buf[1024] = {0};

	ck_assert_int_eq(tracedev_new(mem, &trace, &dev), 0);
	ck_assert_int_eq(blkdev_read(dev, 0, buf, 512), 0);
	ck_assert_ptr_null(trace.text);
	ck_assert_int_eq(blkdev_write(dev, 4096, buf, 512), 0);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	trace.ops = TESTDEV_ALL;
	ck_assert_int_eq(blkdev_read(dev, 0, buf, 1024), 0);
	ck_assert_str_eq(trace.text, "write 4096+512\nflush\nread 0+1024\n");
	ck_assert_uint_eq(trace.len, strlen(trace.text));
	trace_done(&trace);
	blkdev_close(dev);
	blkdev_close(mem);
}
END_TEST

static void write_byte(struct blkdev *dev, uint64_t sector, uint8_t byte)
{
	uint8_t buf[SECTOR];

	memset(buf, byte, sizeof(buf));
	ck_assert_int_eq(blkdev_write(dev, sector * SECTOR, buf, sizeof(buf)), 0);
}

/*
 * Epoch 0: sector 1 := 1, sector 2 := 2, sector 1 := 3. Epoch 1: sector 1 := 4. Epoch 2: nothing,
 * as sector 2 := 2 changes nothing. Sector 0 was 9 before.
 */
static struct write_log *make_log(void)
{
	struct write_log *log = NULL;
	struct blkdev *mem, *dev = NULL;
	uint8_t *bytes = NULL;

	mem = new_mem(4 * SECTOR, SECTOR, &bytes);
	memset(bytes, 9, SECTOR);
	ck_assert_int_eq(logdev_new(mem, &log, &dev), 0);
	write_byte(dev, 1, 1);
	write_byte(dev, 2, 2);
	write_byte(dev, 1, 3);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	write_byte(dev, 1, 4);
	ck_assert_int_eq(blkdev_flush(dev), 0);
	write_byte(dev, 2, 2);
	blkdev_close(dev);
	blkdev_close(mem);
	return log;
}

static void check_image(const uint8_t *bytes, uint8_t sector0, uint8_t sector1, uint8_t sector2)
{
	ck_assert_uint_eq(bytes[0], sector0);
	ck_assert_uint_eq(bytes[SECTOR], sector1);
	ck_assert_uint_eq(bytes[2 * SECTOR - 1], sector1);
	ck_assert_uint_eq(bytes[2 * SECTOR], sector2);
	ck_assert_uint_eq(bytes[3 * SECTOR], 0);
}

START_TEST(test_logdev_counts_epochs_and_sector_versions)
{
	struct write_log *log = make_log();
	const struct sector_version *version;

	ck_assert_uint_eq(write_log_image_size(log), 4 * SECTOR);
	ck_assert_uint_eq(write_log_sector_size(log), SECTOR);
	ck_assert_uint_eq(write_log_n_epochs(log), 3);
	ck_assert_uint_eq(write_log_n_versions(log, 0), 3);
	ck_assert_uint_eq(write_log_n_versions(log, 1), 1);
	ck_assert_uint_eq(write_log_n_versions(log, 2), 0);

	version = write_log_version(log, 0, 2);
	ck_assert_uint_eq(version->offset, SECTOR);
	ck_assert_uint_eq(version->data[0], 3);
	ck_assert_uint_eq(version->before[0], 0);
	ck_assert_uint_eq(version->write, 2);
	ck_assert_uint_eq(write_log_version(log, 1, 0)->before[0], 3);
	write_log_free(log);
}
END_TEST

START_TEST(test_logdev_builds_every_state_a_power_cut_could_leave)
{
	static const struct {
		uint8_t chosen, sector1, sector2;
	} states[] = {{0, 0, 0}, {1, 1, 0}, {2, 0, 2}, {3, 1, 2}, {4, 3, 0}, {5, 3, 0}, {7, 3, 2}};
	struct write_log *log = make_log();
	uint8_t bytes[4 * SECTOR];
	uint8_t all = 0xff;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		logdev_build(log, 0, &states[i].chosen, bytes);
		check_image(bytes, 9, states[i].sector1, states[i].sector2);
	}
	logdev_build(log, 1, NULL, bytes);
	check_image(bytes, 9, 3, 2);
	logdev_build(log, 1, &all, bytes);
	check_image(bytes, 9, 4, 2);
	logdev_build(log, 3, NULL, bytes);
	check_image(bytes, 9, 4, 2);
	write_log_free(log);
}
END_TEST

START_TEST(test_logdev_goes_from_state_to_state_in_small_steps)
{
	struct write_log *log = make_log();
	uint8_t bytes[4 * SECTOR];
	uint8_t chosen = 1;

	logdev_build(log, 1, NULL, bytes);
	logdev_apply(log, 1, &chosen, bytes);
	check_image(bytes, 9, 4, 2);
	logdev_revert(log, 1, bytes);
	check_image(bytes, 9, 3, 2);

	logdev_build(log, 0, NULL, bytes);
	chosen = 4;
	logdev_apply(log, 0, &chosen, bytes);
	check_image(bytes, 9, 3, 0);
	logdev_revert(log, 0, bytes);
	check_image(bytes, 9, 0, 0);
	write_log_free(log);
}
END_TEST

START_TEST(test_stacked_devices_pass_on_what_they_stand_on)
{
	struct fault fault = {.ops = TESTDEV_ALL};
	struct trace trace = {.ops = TESTDEV_ALL};
	struct blkdev *mem = new_mem(IMAGE_SIZE, 1024, NULL);
	struct blkdev *a = NULL, *b = NULL, *c = NULL;
	struct write_log *log = NULL;

	blkdev_set_physical_size(mem, 4096);
	ck_assert_int_eq(logdev_new(mem, &log, &a), 0);
	ck_assert_int_eq(tracedev_new(a, &trace, &b), 0);
	ck_assert_int_eq(faultdev_new(b, &fault, &c), 0);
	ck_assert_uint_eq(blkdev_size(c), IMAGE_SIZE);
	ck_assert_uint_eq(blkdev_sector_size(c), 1024);
	ck_assert_uint_eq(blkdev_physical_size(c), 4096);
	blkdev_close(c);
	blkdev_close(b);
	blkdev_close(a);
	blkdev_close(mem);
	write_log_free(log);
	trace_done(&trace);
}
END_TEST

static void ignore_call(void *userdata, enum testdev_op op)
{
	(void)userdata;
	(void)op;
}

START_TEST(test_stacked_devices_pass_on_a_recheck)
{
	struct fault fault = {.ops = TESTDEV_RECHECK, .error = -ENXIO, .nth = 2};
	struct trace trace = {.ops = TESTDEV_RECHECK};
	struct blkdev *mem = new_mem(IMAGE_SIZE, SECTOR, NULL);
	struct blkdev *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	struct write_log *log = NULL;
	uint64_t size;

	ck_assert_int_eq(faultdev_new(mem, &fault, &a), 0);
	ck_assert_int_eq(logdev_new(a, &log, &b), 0);
	ck_assert_int_eq(tapdev_new(b, ignore_call, NULL, &c), 0);
	ck_assert_int_eq(tracedev_new(c, &trace, &d), 0);
	ck_assert_int_eq(blkdev_recheck(d, &size), 0);
	ck_assert_int_eq(blkdev_recheck(d, &size), -ENXIO);
	ck_assert_str_eq(trace.text, "recheck\nrecheck\n");
	blkdev_close(d);
	blkdev_close(c);
	blkdev_close(b);
	blkdev_close(a);
	blkdev_close(mem);
	write_log_free(log);
	trace_done(&trace);
}
END_TEST

static TCase *handle_case(void)
{
	TCase *tc = tcase_create("handle");

	tcase_add_test(tc, test_sector_size_must_be_a_power_of_two_from_512_to_4096);
	tcase_add_test(tc, test_size_is_rounded_down_to_whole_sectors);
	tcase_add_test(tc, test_close_takes_null);
	tcase_add_test(tc, test_physical_size_can_be_set);
	tcase_add_test(tc, test_transfers_outside_or_not_aligned_are_refused_before_the_backend);
	tcase_add_test(tc, test_a_transfer_of_nothing_does_nothing);
	tcase_add_test(tc, test_statistics_count_calls_and_bytes);
	tcase_add_test(tc, test_identity_is_zero_unless_set);
	tcase_add_test(tc, test_buffers_are_aligned);
	tcase_add_test(tc, test_after_a_failed_write_nothing_more_is_written);
	tcase_add_test(tc, test_after_a_failed_flush_nothing_more_is_written);
	tcase_add_test(tc, test_a_failed_read_spoils_nothing);
	return tc;
}

static TCase *file_case(void)
{
	TCase *tc = tcase_create("file");

	tcase_add_checked_fixture(tc, make_image, remove_image);
	tcase_add_test(tc, test_a_file_has_512_byte_sectors_and_its_own_size);
	tcase_add_test(tc, test_what_is_written_to_a_file_is_read_back);
	tcase_add_test(tc, test_a_part_of_a_file_is_a_device_of_its_own);
	tcase_add_test(tc, test_a_part_outside_the_file_is_refused);
	tcase_add_test(tc, test_a_device_opened_for_reading_refuses_writes);
	tcase_add_test(tc, test_a_file_is_not_claimed);
	tcase_add_test(tc, test_a_file_without_write_permission_is_read_only_even_for_root);
	tcase_add_test(tc, test_what_is_no_file_is_refused);
	tcase_add_test(tc, test_a_file_that_shrank_is_an_io_error_and_no_short_read);
	tcase_add_test(tc, test_a_file_may_grow_or_lose_its_name_and_is_still_the_same);
	tcase_add_test(tc, test_a_file_that_ends_before_its_part_does_is_noticed);
	tcase_add_test(tc, test_a_file_is_known_by_any_of_its_names);
	tcase_add_test(tc, test_after_a_flush_reads_come_from_the_medium);
	tcase_add_test(tc, test_several_threads_read_at_once);
	tcase_add_test(tc, test_descriptors_do_not_leak_into_programs_we_start);
	tcase_add_test(tc, test_an_exclusive_lock_keeps_others_out_until_it_is_closed);
	tcase_add_test(tc, test_shared_locks_go_together);
	tcase_add_test(tc, test_locking_what_is_missing_fails);
	return tc;
}

static TCase *block_case(void)
{
	TCase *tc = tcase_create("block");

	tcase_add_checked_fixture(tc, make_image, remove_image);
	tcase_add_test(tc, test_a_block_device_takes_memory_at_any_address);
	tcase_add_test(tc, test_a_block_device_is_claimed_for_writing_only);
	tcase_add_test(tc, test_a_block_device_can_be_claimed_for_reading);
	tcase_add_test(tc, test_a_write_protected_block_device_is_refused_for_writing);
	tcase_add_test(tc, test_a_block_device_of_another_size_is_noticed);
	tcase_add_test(tc, test_a_block_device_without_a_size_is_gone);
	tcase_add_test(tc, test_a_block_device_whose_node_was_taken_away_is_gone);
	tcase_add_test(tc, test_a_block_device_that_became_write_protected_is_noticed_where_that_matters);
	tcase_add_test(tc, test_a_block_device_catches_up_with_what_others_wrote);
	tcase_add_test(tc, test_who_may_only_read_a_block_device_cannot_make_others_write);
	tcase_add_test(tc, test_a_part_of_a_block_device_begins_on_a_sector);
	return tc;
}

static TCase *testdev_case(void)
{
	TCase *tc = tcase_create("testdev");

	tcase_add_checked_fixture(tc, make_image, remove_image);
	tcase_add_test(tc, test_memdev_shows_its_bytes);
	tcase_add_test(tc, test_memdev_over_bytes_of_the_caller_leaves_them);
	tcase_add_test(tc, test_memdev_loads_a_file_and_leaves_it);
	tcase_add_test(tc, test_faultdev_fails_in_each_of_its_ways);
	tcase_add_test(tc, test_faultdev_fails_at_the_nth_call_of_the_kinds_asked_for);
	tcase_add_test(tc, test_faultdev_is_gone_from_the_nth_recheck_on);
	tcase_add_test(tc, test_tracedev_writes_a_line_per_call);
	tcase_add_test(tc, test_logdev_counts_epochs_and_sector_versions);
	tcase_add_test(tc, test_logdev_builds_every_state_a_power_cut_could_leave);
	tcase_add_test(tc, test_logdev_goes_from_state_to_state_in_small_steps);
	tcase_add_test(tc, test_stacked_devices_pass_on_what_they_stand_on);
	tcase_add_test(tc, test_stacked_devices_pass_on_a_recheck);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("blkdev");

	suite_add_tcase(suite, handle_case());
	suite_add_tcase(suite, file_case());
	suite_add_tcase(suite, block_case());
	suite_add_tcase(suite, testdev_case());
	return suite_run(suite);
}
