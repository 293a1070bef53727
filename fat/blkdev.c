/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fat/blkdev.h"

enum {
	SECTOR_SIZE_MIN = 512,
	SECTOR_SIZE_MAX = 4096,
	BUFFER_ALIGNMENT = 4096, /* serves every sector size, and pages on most machines */
};

/* Reads come from several threads, so what they count is atomic; nothing is ordered by it. */
struct blkdev {
	const struct blkdev_ops *ops;
	void *impl;
	uint64_t size;
	uint32_t sector_size;
	uint32_t physical_size;
	struct blkdev_identity identity;
	int write_error; /* the first negative errno of a write or flush, else 0 */
	_Atomic uint64_t reads;
	_Atomic uint64_t bytes_read;
	_Atomic uint64_t writes;
	_Atomic uint64_t bytes_written;
	_Atomic uint64_t flushes;
};

static bool sector_size_valid(uint32_t size)
{
	return size >= SECTOR_SIZE_MIN && size <= SECTOR_SIZE_MAX && (size & (size - 1)) == 0;
}

static bool range_valid(const struct blkdev *dev, uint64_t offset, size_t len)
{
	uint32_t mask = dev->sector_size - 1;

	if ((offset & mask) != 0 || (len & mask) != 0)
		return false;
	return offset <= dev->size && len <= dev->size - offset;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	(void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

int blkdev_new(const struct blkdev_ops *ops, void *impl, uint64_t size, uint32_t sector_size,
	struct blkdev **ret)
{
	struct blkdev *dev;

	assert(ops->read && ops->close);

	if (!sector_size_valid(sector_size))
		return -EINVAL;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;

	dev->ops = ops;
	dev->impl = impl;
	dev->size = size - size % sector_size;
	dev->sector_size = sector_size;
	dev->physical_size = sector_size;
	*ret = dev;
	return 0;
}

void blkdev_close(struct blkdev *dev)
{
	if (!dev)
		return;
	dev->ops->close(dev->impl);
	free(dev);
}

uint64_t blkdev_size(const struct blkdev *dev)
{
	return dev->size;
}

uint32_t blkdev_sector_size(const struct blkdev *dev)
{
	return dev->sector_size;
}

uint32_t blkdev_physical_size(const struct blkdev *dev)
{
	return dev->physical_size;
}

void blkdev_set_physical_size(struct blkdev *dev, uint32_t size)
{
	assert(size > 0 && size % dev->sector_size == 0);
	dev->physical_size = size;
}

struct blkdev_stats blkdev_get_stats(const struct blkdev *dev)
{
	return (struct blkdev_stats){
		.reads = counted(&dev->reads),
		.bytes_read = counted(&dev->bytes_read),
		.writes = counted(&dev->writes),
		.bytes_written = counted(&dev->bytes_written),
		.flushes = counted(&dev->flushes),
	};
}

struct blkdev_identity blkdev_get_identity(const struct blkdev *dev)
{
	return dev->identity;
}

void blkdev_set_identity(struct blkdev *dev, struct blkdev_identity identity)
{
	dev->identity = identity;
}

int blkdev_read(struct blkdev *dev, uint64_t offset, void *buf, size_t len)
{
	int r;

	if (!range_valid(dev, offset, len))
		return -EINVAL;
	if (len == 0)
		return 0;

	count(&dev->reads, 1);
	count(&dev->bytes_read, len);
	r = dev->ops->read(dev->impl, offset, buf, len);
	assert(r <= 0);
	return r;
}

int blkdev_write(struct blkdev *dev, uint64_t offset, const void *buf, size_t len)
{
	int r;

	if (!range_valid(dev, offset, len))
		return -EINVAL;
	if (!dev->ops->write)
		return -EROFS;
	if (dev->write_error < 0)
		return dev->write_error;
	if (len == 0)
		return 0;

	count(&dev->writes, 1);
	count(&dev->bytes_written, len);
	r = dev->ops->write(dev->impl, offset, buf, len);
	assert(r <= 0);
	dev->write_error = r;
	return r;
}

int blkdev_flush(struct blkdev *dev)
{
	int r;

	/* Linux reports a failed write-back once; the next fdatasync() would claim success. */
	if (dev->write_error < 0)
		return dev->write_error;
	if (!dev->ops->flush)
		return 0;

	count(&dev->flushes, 1);
	r = dev->ops->flush(dev->impl);
	assert(r <= 0);
	dev->write_error = r;
	return r;
}

int blkdev_recheck(struct blkdev *dev, uint64_t *ret_size)
{
	int r;

	if (!dev->ops->recheck)
		return 0;
	r = dev->ops->recheck(dev->impl, ret_size);
	assert(r <= 0);
	return r;
}

int blkdev_catch_up(struct blkdev *dev)
{
	int r;

	if (!dev->ops->catch_up)
		return 0;
	r = dev->ops->catch_up(dev->impl);
	assert(r <= 0);
	return r;
}

void *blkdev_buffer_new(size_t len)
{
	void *buf;

	if (posix_memalign(&buf, BUFFER_ALIGNMENT, len > 0 ? len : 1) != 0)
		return NULL;
	return buf;
}
