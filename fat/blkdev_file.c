/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fat/blkdev.h"

/*
 * The backend on block devices and image files.
 *
 * Block devices are opened with O_DIRECT, because the page cache of a device node is stale in
 * many ways (another node of the same disk, a mount, a failed write-back that left pages
 * "clean") and what we read must be what stands there. Image files go through the page cache,
 * which makes comparing them cheap; what was written to them is dropped from it after each
 * barrier, so that verifying reads the medium. The barrier is fdatasync() alone: close() flushes
 * nothing and reports nothing, and O_DSYNC costs a cache flush per write.
 */

enum {
	FILE_SECTOR_SIZE = 512,
	SECTOR_SIZE_MAX = 4096,
	BOUNCE_MAX = 1024 * 1024,
	CACHE_PAGE_MAX = 64 * 1024, /* no machine has larger pages by default */
};

struct file_device {
	int fd;
	bool block;
	bool writable;
	uint64_t offset;      /* bytes; of the device's byte 0 in the file */
	uint64_t end;         /* bytes; where the file may not end before, and a block device has to */
	uint32_t alignment;   /* bytes; memory must be aligned to it (O_DIRECT), 0: need not */
	uint64_t cached_from; /* written since the last flush, in bytes of the file; */
	uint64_t cached_to;   /* equal: nothing */
};

/* errno as a negative number that can never mean success. */
static int last_error(void)
{
	int error = errno;

	return error > 0 ? -error : -EIO;
}

/*
 * A block device that vanished gives ENOSPC for writes. An image file gives it when the file
 * system below it is full, which is just what people need to be told.
 */
static int last_write_error(const struct file_device *file)
{
	int r = last_error();

	return r == -ENOSPC && file->block ? -EIO : r;
}

static bool transfer_is_odd(const struct file_device *file, size_t done)
{
	return file->alignment > 0 && done % file->alignment != 0;
}

/* A device that vanished reads as 0 bytes: too few without an error is an I/O error. */
static int read_all(const struct file_device *file, uint64_t offset, uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(file->fd, buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return last_error();
		if (n == 0 || transfer_is_odd(file, (size_t)n))
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int write_all(const struct file_device *file, uint64_t offset, const uint8_t *buf,
	size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(file->fd, buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return last_write_error(file);
		if (n == 0 || transfer_is_odd(file, (size_t)n))
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static bool needs_bounce(const struct file_device *file, const void *buf)
{
	return file->alignment > 0 && (uintptr_t)buf % file->alignment != 0;
}

static size_t bounce_size(size_t len)
{
	return len < BOUNCE_MAX ? len : BOUNCE_MAX;
}

static int read_bounced(const struct file_device *file, uint64_t offset, uint8_t *buf, size_t len)
{
	size_t done = 0;
	uint8_t *bounce;
	int r = 0;

	bounce = blkdev_buffer_new(bounce_size(len));
	if (!bounce)
		return -ENOMEM;

	while (r == 0 && done < len) {
		size_t n = bounce_size(len - done);

		r = read_all(file, offset + done, bounce, n);
		if (r == 0)
			memcpy(buf + done, bounce, n);
		done += n;
	}
	free(bounce);
	return r;
}

static int write_bounced(const struct file_device *file, uint64_t offset, const uint8_t *buf,
	size_t len)
{
	size_t done = 0;
	uint8_t *bounce;
	int r = 0;

	bounce = blkdev_buffer_new(bounce_size(len));
	if (!bounce)
		return -ENOMEM;

	while (r == 0 && done < len) {
		size_t n = bounce_size(len - done);

		memcpy(bounce, buf + done, n);
		r = write_all(file, offset + done, bounce, n);
		done += n;
	}
	free(bounce);
	return r;
}

static int file_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	const struct file_device *file = impl;

	if (needs_bounce(file, buf))
		return read_bounced(file, file->offset + offset, buf, len);
	return read_all(file, file->offset + offset, buf, len);
}

static void note_written(struct file_device *file, uint64_t from, uint64_t to)
{
	if (file->cached_from == file->cached_to) {
		file->cached_from = from;
		file->cached_to = to;
		return;
	}
	if (from < file->cached_from)
		file->cached_from = from;
	if (to > file->cached_to)
		file->cached_to = to;
}

static int file_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct file_device *file = impl;
	uint64_t from = file->offset + offset;

	note_written(file, from, from + len);
	if (needs_bounce(file, buf))
		return write_bounced(file, from, buf, len);
	return write_all(file, from, buf, len);
}

/* Only whole pages are dropped, so the range is widened to them. Best effort by its nature. */
static void drop_cache(const struct file_device *file, uint64_t from, uint64_t to)
{
	uint64_t start = from - from % CACHE_PAGE_MAX;
	uint64_t end = to + CACHE_PAGE_MAX;

	(void)posix_fadvise(file->fd, (off_t)start, (off_t)(end - start), POSIX_FADV_DONTNEED);
}

static int file_flush(void *impl)
{
	struct file_device *file = impl;

	if (fdatasync(file->fd) < 0)
		return last_write_error(file);

	if (file->alignment == 0 && file->cached_from != file->cached_to)
		drop_cache(file, file->cached_from, file->cached_to);
	file->cached_from = file->cached_to = 0;
	return 0;
}

/* A file whose server forgot it is as gone as a disk that was pulled out. */
static int last_recheck_error(void)
{
	int r = last_error();

	return r == -ENODEV || r == -ESTALE ? -ENXIO : r;
}

static uint64_t size_from(uint64_t offset, uint64_t end)
{
	return end > offset ? end - offset : 0;
}

/* A partition keeps its size when its disk goes away, but the kernel takes its node away. */
static int recheck_block(const struct file_device *file, uint64_t *ret_size)
{
	int read_only = 0;
	struct stat st;
	uint64_t end;

	if (fstat(file->fd, &st) < 0 || ioctl(file->fd, BLKGETSIZE64, &end) < 0)
		return last_recheck_error();
	if (st.st_nlink == 0 || end == 0)
		return -ENXIO;
	if (end != file->end) {
		*ret_size = size_from(file->offset, end);
		return -ESTALE;
	}
	if (file->writable && ioctl(file->fd, BLKROGET, &read_only) < 0)
		return last_recheck_error();
	return read_only ? -EROFS : 0;
}

static int recheck_file(const struct file_device *file, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return last_recheck_error();
	if ((uint64_t)st.st_size >= file->end)
		return 0;
	*ret_size = size_from(file->offset, (uint64_t)st.st_size);
	return -ESTALE;
}

static int file_recheck(void *impl, uint64_t *ret_size)
{
	const struct file_device *file = impl;

	return file->block ? recheck_block(file, ret_size) : recheck_file(file, ret_size);
}

static int file_catch_up(void *impl)
{
	const struct file_device *file = impl;

	return file->block && ioctl(file->fd, BLKFLSBUF, 0) < 0 ? last_error() : 0;
}

static void file_close(void *impl)
{
	struct file_device *file = impl;

	/* Everything that matters was flushed; what close() may report is about nothing. */
	(void)close(file->fd);
	free(file);
}

static const struct blkdev_ops readable_ops = {
	.read = file_read,
	.recheck = file_recheck,
	.catch_up = file_catch_up,
	.close = file_close,
};

static const struct blkdev_ops writable_ops = {
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.recheck = file_recheck,
	.catch_up = file_catch_up,
	.close = file_close,
};

/* What open_node() found out. */
struct opened {
	int fd;
	bool direct;
	struct stat st;
	uint64_t size; /* bytes, all of it */
	uint32_t sector_size;
	uint32_t physical_size;
};

static int check_type(const struct stat *st, bool writable)
{
	const mode_t any_write = S_IWUSR | S_IWGRP | S_IWOTH;

	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (S_ISBLK(st->st_mode))
		return 0;
	if (!S_ISREG(st->st_mode))
		return -ENODEV;
	/* Root could write all the same, but somebody said that this file shall stay. */
	if (writable && (st->st_mode & any_write) == 0)
		return -EROFS;
	return 0;
}

static int open_fd(const char *path, int how)
{
	int fd = open(path, how | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? last_error() : fd;
}

static int open_block(const char *path, unsigned flags, bool *direct)
{
	int how = flags & BLKDEV_WRITABLE ? O_RDWR : O_RDONLY;
	int fd;

	/* Without O_CREAT this claims a block device, whoever else may have it mounted and where. */
	if (flags & (BLKDEV_WRITABLE | BLKDEV_CLAIM))
		how |= O_EXCL;
	fd = open_fd(path, how | O_DIRECT);
	*direct = fd >= 0;
	if (fd != -EINVAL)
		return fd;
	return open_fd(path, how);
}

static bool same_node(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_rdev == b->st_rdev &&
		(a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

static int measure_block(struct opened *opened, bool writable)
{
	unsigned physical_size;
	int sector_size, read_only;
	uint64_t size;

	if (ioctl(opened->fd, BLKGETSIZE64, &size) < 0 ||
		ioctl(opened->fd, BLKSSZGET, &sector_size) < 0 ||
		ioctl(opened->fd, BLKPBSZGET, &physical_size) < 0 ||
		ioctl(opened->fd, BLKROGET, &read_only) < 0)
		return last_error();

	/* Some drivers let a protected device be opened for writing. */
	if (writable && read_only)
		return -EROFS;
	/* A drive without a disk, or one that was pulled out. */
	if (size == 0)
		return -ENOMEDIUM;
	if (sector_size < FILE_SECTOR_SIZE || sector_size > SECTOR_SIZE_MAX)
		return -ENOTSUP;

	opened->size = size;
	opened->sector_size = (uint32_t)sector_size;
	opened->physical_size = physical_size % opened->sector_size == 0 && physical_size > 0 ?
		physical_size : opened->sector_size;
	return 0;
}

static int measure(struct opened *opened, bool writable)
{
	if (S_ISBLK(opened->st.st_mode))
		return measure_block(opened, writable);

	opened->size = (uint64_t)opened->st.st_size;
	opened->sector_size = FILE_SECTOR_SIZE;
	opened->physical_size = FILE_SECTOR_SIZE;
	return 0;
}

/* On success the caller closes ret->fd. */
static int open_node(const char *path, unsigned flags, struct opened *ret)
{
	bool writable = flags & BLKDEV_WRITABLE, written = flags & (BLKDEV_WRITABLE | BLKDEV_PROBE);
	struct opened opened = {.fd = -1};
	struct stat st;
	int r;

	/* Looked at first: opening a FIFO waits, opening some devices does things. */
	if (stat(path, &st) < 0)
		return last_error();
	r = check_type(&st, written);
	if (r < 0)
		return r;

	if (S_ISBLK(st.st_mode))
		opened.fd = open_block(path, flags, &opened.direct);
	else
		opened.fd = open_fd(path, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK);
	if (opened.fd < 0)
		return opened.fd;

	if (fstat(opened.fd, &opened.st) < 0)
		r = last_error();
	else if (!same_node(&st, &opened.st))
		r = -ENODEV;
	else
		r = measure(&opened, written);
	if (r < 0) {
		(void)close(opened.fd);
		return r;
	}
	*ret = opened;
	return 0;
}

static int check_part(const struct opened *opened, uint64_t offset, uint64_t size)
{
	if (offset > opened->size || size > opened->size - offset)
		return -ERANGE;
	if (offset > 0 && offset == opened->size)
		return -ERANGE;
	if (S_ISBLK(opened->st.st_mode) && offset % opened->sector_size != 0)
		return -EINVAL;
	return 0;
}

static struct blkdev_identity identity_of(const struct stat *st, uint64_t offset)
{
	if (S_ISBLK(st->st_mode))
		return (struct blkdev_identity){
			.block = true, .device = st->st_rdev, .offset = offset};
	return (struct blkdev_identity){
		.device = st->st_dev, .inode = st->st_ino, .offset = offset};
}

/* On success the device owns opened->fd. */
static int make_device(const struct opened *opened, bool writable, uint64_t offset, uint64_t size,
	struct blkdev **ret)
{
	struct file_device *file;
	struct blkdev *dev;
	int r;

	r = check_part(opened, offset, size);
	if (r < 0)
		return r;

	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->fd = opened->fd;
	file->block = S_ISBLK(opened->st.st_mode);
	file->writable = writable;
	file->offset = offset;
	file->alignment = opened->direct ? opened->sector_size : 0;

	r = blkdev_new(writable ? &writable_ops : &readable_ops, file,
		size > 0 ? size : opened->size - offset, opened->sector_size, &dev);
	if (r < 0) {
		free(file);
		return r;
	}
	file->end = file->block ? opened->size : offset + blkdev_size(dev);
	blkdev_set_physical_size(dev, opened->physical_size);
	blkdev_set_identity(dev, identity_of(&opened->st, offset));
	if (file->block && !opened->direct)
		drop_cache(file, 0, opened->size);
	*ret = dev;
	return 0;
}

int blkdev_open_path(const char *path, unsigned flags, uint64_t offset, uint64_t size,
	struct blkdev **ret)
{
	struct opened opened = {.fd = -1};
	int r;

	r = open_node(path, flags, &opened);
	if (r < 0)
		return r;

	r = make_device(&opened, flags & BLKDEV_WRITABLE, offset, size, ret);
	if (r < 0)
		(void)close(opened.fd);
	return r;
}

static int lock_fd(int fd, int operation)
{
	while (flock(fd, operation | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		return errno == EWOULDBLOCK ? -EAGAIN : last_error();
	}
	return 0;
}

int blkdev_lock_path(const char *path, bool exclusive)
{
	int fd, r;

	fd = open_fd(path, O_RDONLY);
	if (fd < 0)
		return fd;

	r = lock_fd(fd, exclusive ? LOCK_EX : LOCK_SH);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}
