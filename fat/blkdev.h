/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A block device: what a FAT volume lives on. The code above never knows whether that is a
 * partition, an image file or a test.
 *
 * The contract, which every backend keeps and the power-cut tests test:
 *
 * 1. A transfer is whole or failed: 0 or a negative errno. There are no short counts.
 * 2. Offsets and lengths are bytes, multiples of the sector size, inside the device; anything
 *    else is refused with -EINVAL before a backend sees it.
 * 3. Writes before a successful flush are durable. Writes after it may be there or not, sector
 *    by sector, in any order. One sector is never torn.
 * 4. What is read after a flush comes from the medium as far as the system allows, not from a
 *    cache of what was written.
 * 5. After a failed write or flush nobody knows what is on the medium; every further write and
 *    flush is refused with the same errno. Reads go on.
 *
 * Reads may run in several threads at once; writes and flushes belong to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blkdev;

/*
 * What a backend does. @write and @flush are NULL for a device that cannot be written to, @recheck
 * for one that stays what it is, @catch_up for one that nobody else writes to. They return 0 or a
 * negative errno, and never see a length of 0.
 */
struct blkdev_ops {
	int (*read)(void *impl, uint64_t offset, void *buf, size_t len);
	int (*write)(void *impl, uint64_t offset, const void *buf, size_t len);
	int (*flush)(void *impl);
	int (*recheck)(void *impl, uint64_t *ret_size);
	int (*catch_up)(void *impl);
	void (*close)(void *impl);
};

/* What was handed to the backend, failed calls included. */
struct blkdev_stats {
	uint64_t reads;
	uint64_t bytes_read;
	uint64_t writes;
	uint64_t bytes_written;
	uint64_t flushes;
};

/* What a device is, to tell whether two of them are the same. */
struct blkdev_identity {
	bool block;      /* a block device: device is its number; else a file: device and inode */
	uint64_t device;
	uint64_t inode;  /* 0 for block devices */
	uint64_t offset; /* bytes from the start of the device or file */
};

/*
 * Make a device of @size bytes and @sector_size bytes per sector (a power of two, 512 to 4096)
 * out of @ops and @impl.
 *
 * @size is rounded down to whole sectors. The device owns @impl from success on and gives it
 * to ops->close. On failure @impl stays the caller's.
 *
 * Returns 0, or
 *   -EINVAL  the sector size is no power of two from 512 to 4096
 *   -ENOMEM
 */
int blkdev_new(const struct blkdev_ops *ops, void *impl, uint64_t size, uint32_t sector_size,
	struct blkdev **ret);

/* Close @dev (NULL is fine). No flush is implied and no error is reported. */
void blkdev_close(struct blkdev *dev);

/* Bytes, a multiple of the sector size. */
uint64_t blkdev_size(const struct blkdev *dev);

/* Bytes; the largest unit that a power cut leaves whole. */
uint32_t blkdev_sector_size(const struct blkdev *dev);

/*
 * Bytes that the device handles at once inside (a multiple of the sector size): a write that
 * covers them whole spares it a read-modify-write. Equal to the sector size unless set.
 */
uint32_t blkdev_physical_size(const struct blkdev *dev);
void blkdev_set_physical_size(struct blkdev *dev, uint32_t size);

struct blkdev_stats blkdev_get_stats(const struct blkdev *dev);

/*
 * Transfer @len bytes at @offset (both bytes, multiples of the sector size).
 *
 * Returns 0, or
 *   -EINVAL  not aligned, or outside the device
 *   -EROFS   (write) the device was opened for reading
 *   -EIO or any other errno that the system gives for a failing device
 */
int blkdev_read(struct blkdev *dev, uint64_t offset, void *buf, size_t len);
int blkdev_write(struct blkdev *dev, uint64_t offset, const void *buf, size_t len);

/* The barrier: everything written so far is durable when this returns 0. */
int blkdev_flush(struct blkdev *dev);

/*
 * Whether @dev still is what was opened: there, as large, and as writable. An image file may grow.
 *
 * Returns 0, or
 *   -ENXIO   it is gone
 *   -ESTALE  it has another size now: *@ret_size, in bytes
 *   -EROFS   it was opened for writing and became write-protected
 *   any other errno that the system gives for a failing device
 */
int blkdev_recheck(struct blkdev *dev, uint64_t *ret_size);

/*
 * Let @dev catch up with what others have written to it through the kernel: have a file system that
 * is mounted from a block device, in whatever namespace, write what it still holds back, and forget
 * what is cached of the device. Nothing for an image file. The kernel does not tell whether the file
 * system could write: syncfs() does, where the mount can be reached.
 *
 * Returns 0, or
 *   -EACCES, -EPERM  only root may ask for that
 *   any other errno that the system gives for a failing device
 */
int blkdev_catch_up(struct blkdev *dev);

/*
 * A buffer of @len bytes aligned for any device (free() it), or NULL. Other buffers work too
 * but are copied on devices that need alignment.
 */
void *blkdev_buffer_new(size_t len);

enum blkdev_flags {
	BLKDEV_WRITABLE = 1 << 0, /* of a block device: claims it, too */
	BLKDEV_CLAIM = 1 << 1,    /* nobody can mount the block device meanwhile; nothing for a file */
	BLKDEV_PROBE = 1 << 2,    /* to find out whether it could be written: -EROFS as if it were */
};

/*
 * Open the file or block device @path, or the part of it that begins @offset bytes in and is
 * @size bytes long (0: to the end); @flags: BLKDEV_*. An image file has 512-byte sectors.
 *
 * Returns 0, or
 *   -EBUSY    (to claim) a block device that is mounted or held by md, dm, ...
 *   -EROFS    for writing, or probing: write-protected device, or a file without any write permission bit
 *   -EISDIR   a directory
 *   -ENODEV   neither file nor block device
 *   -ERANGE   the part lies (partly) outside
 *   -EINVAL   the part of a block device does not begin on one of its sectors
 *   -ENOTSUP  a block device with sectors of more than 4096 bytes
 *   -ENOENT, -EACCES, ... as open(2)
 */
int blkdev_open_path(const char *path, unsigned flags, uint64_t offset, uint64_t size,
	struct blkdev **ret);

/* The identity of a device made by blkdev_open_path(); all zero for others. */
struct blkdev_identity blkdev_get_identity(const struct blkdev *dev);
void blkdev_set_identity(struct blkdev *dev, struct blkdev_identity identity);

/*
 * Hold the advisory lock (flock) that keeps other runs, and udev, away from @path: the whole-disk
 * node of a partition, or the image file itself. Does not wait.
 *
 * Returns a file descriptor to close() when done, or
 *   -EAGAIN  somebody else holds it
 *   -ENOENT, -EACCES, ... as open(2)
 */
int blkdev_lock_path(const char *path, bool exclusive);
