/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "tests/faults.h"

enum {
	SECTOR = 512,
	FIRST_ROOM = 8192
};

struct fault_write {
	uint64_t offset;
	uint8_t before[SECTOR], after[SECTOR];
};

void fault_disk_init(struct fault_disk *disk, const struct cut_image *image)
{
	*disk = (struct fault_disk){
		.image = {.bytes = malloc(image->size), .size = image->size},
		.writes = malloc(FIRST_ROOM * sizeof *disk->writes),
		.room = FIRST_ROOM,
	};
	cut_require(disk->image.bytes && disk->writes, "memory");
	memcpy(disk->image.bytes, image->bytes, image->size);
	(void)pthread_mutex_init(&disk->lock, NULL);
}

void fault_disk_done(struct fault_disk *disk)
{
	(void)pthread_mutex_destroy(&disk->lock);
	free(disk->writes);
	free(disk->image.bytes);
}

static void begin(struct fault_disk *disk, unsigned op, uint64_t *counter)
{
	(void)pthread_mutex_lock(&disk->lock);
	++*counter;
	if (disk->hook)
		disk->hook(disk->userdata, op, *counter);
}

static void end(struct fault_disk *disk)
{
	(void)pthread_mutex_unlock(&disk->lock);
}

static int disk_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	struct fault_disk *disk = impl;

	begin(disk, TESTDEV_READ, &disk->n_reads);
	memcpy(buf, disk->image.bytes + offset, len);
	end(disk);
	return 0;
}

static void note_sector(struct fault_disk *disk, uint64_t offset, const uint8_t *data)
{
	struct fault_write *write = &disk->writes[disk->n];

	if (disk->n == disk->room) {
		disk->room *= 2;
		disk->writes = realloc(disk->writes, disk->room * sizeof *disk->writes);
		cut_require(disk->writes != NULL, "memory");
		write = &disk->writes[disk->n];
	}
	write->offset = offset;
	memcpy(write->before, disk->image.bytes + offset, SECTOR);
	memcpy(write->after, data, SECTOR);
	memcpy(disk->image.bytes + offset, data, SECTOR);
	disk->n++;
}

static int disk_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct fault_disk *disk = impl;

	begin(disk, TESTDEV_WRITE, &disk->n_writes);
	for (size_t at = 0; at < len; at += SECTOR)
		note_sector(disk, offset + at, (const uint8_t *)buf + at);
	end(disk);
	return 0;
}

static int disk_flush(void *impl)
{
	struct fault_disk *disk = impl;

	begin(disk, TESTDEV_FLUSH, &disk->n_flushes);
	disk->n_durable = disk->n;
	end(disk);
	return 0;
}

static void disk_close(void *impl)
{
	struct fault_disk *disk = impl;
	uint64_t unused = 0;

	begin(disk, 0, &unused);
	end(disk);
}

struct blkdev *fault_disk_open(struct fault_disk *disk)
{
	static const struct blkdev_ops ops = {
		.read = disk_read,
		.write = disk_write,
		.flush = disk_flush,
		.close = disk_close,
	};
	struct blkdev *dev;

	disk->n_reads = disk->n_writes = disk->n_flushes = 0;
	cut_require(blkdev_new(&ops, disk, disk->image.size, SECTOR, &dev) == 0, "device");
	return dev;
}

/* Bring the sectors that were written from number @n on to what they were. */
static void take_back(struct fault_disk *disk, size_t n)
{
	for (size_t i = disk->n; i-- > n;)
		memcpy(disk->image.bytes + disk->writes[i].offset, disk->writes[i].before, SECTOR);
}

static void put_there(struct fault_disk *disk, size_t i)
{
	memcpy(disk->image.bytes + disk->writes[i].offset, disk->writes[i].after, SECTOR);
}

void fault_disk_undo(struct fault_disk *disk, size_t n)
{
	take_back(disk, n);
	disk->n = disk->n_durable = n;
}

bool fault_disk_cut(struct fault_disk *disk, size_t i)
{
	size_t n = disk->n - disk->n_durable, chosen = (i - 1) / 2;
	bool alone = (i - 1) % 2 == 0;

	if (n == 0 || i > 2 * n)
		return false;
	take_back(disk, disk->n_durable);
	for (size_t w = 0; i > 0 && w < n; w++)
		if ((w == chosen) == alone)
			put_there(disk, disk->n_durable + w);
	return true;
}

void fault_disk_all(struct fault_disk *disk)
{
	for (size_t i = disk->n_durable; i < disk->n; i++)
		put_there(disk, i);
}
