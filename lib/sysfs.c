/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/spec.h"

/*
 * Disks and their partitions as sysfs shows them. A system without sysfs, or a device that is not
 * there, is like a disk without partitions.
 */

enum {
	DIR_MAX = 64,
	SYSFS_SECTOR = 512, /* whatever the disk's sectors are */
};

static void sysfs_dir(dev_t device, char ret[DIR_MAX])
{
	(void)snprintf(ret, DIR_MAX, "/sys/dev/block/%u:%u", major(device), minor(device));
}

/* The first line of the attribute @dir/@name. */
static bool sysfs_read(const char *dir, const char *name, char *buf, size_t len)
{
	char path[PATH_MAX];
	FILE *file;
	bool found;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	found = fgets(buf, (int)len, file) != NULL;
	(void)fclose(file);
	if (found)
		buf[strcspn(buf, "\n")] = '\0';
	return found;
}

static bool sysfs_read_number(const char *dir, const char *name, uint64_t *ret)
{
	char text[32], *end;
	uint64_t number;

	if (!sysfs_read(dir, name, text, sizeof(text)))
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end)
		return false;
	*ret = number;
	return true;
}

static bool sysfs_read_device(const char *dir, dev_t *ret)
{
	unsigned long maj, min;
	char text[32], *colon, *end;

	if (!sysfs_read(dir, "dev", text, sizeof(text)))
		return false;
	errno = 0;
	maj = strtoul(text, &colon, 10);
	if (*colon != ':')
		return false;
	min = strtoul(colon + 1, &end, 10);
	if (errno != 0 || *end || maj > UINT_MAX || min > UINT_MAX)
		return false;
	*ret = makedev((unsigned)maj, (unsigned)min);
	return true;
}

/* Offset and size of a partition as the kernel has them, in bytes. */
static bool sysfs_read_extent(const char *dir, uint64_t *offset, uint64_t *size)
{
	uint64_t start, n_sectors;

	return sysfs_read_number(dir, "start", &start) &&
		sysfs_read_number(dir, "size", &n_sectors) &&
		!__builtin_mul_overflow(start, (uint64_t)SYSFS_SECTOR, offset) &&
		!__builtin_mul_overflow(n_sectors, (uint64_t)SYSFS_SECTOR, size);
}

/* The directory of partition @number of the disk with directory @disk. */
static bool find_partition_dir(const char *disk, unsigned number, char *ret, size_t len)
{
	struct dirent *entry;
	bool found = false;
	uint64_t n;
	DIR *dir;

	dir = opendir(disk);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(ret, len, "%s/%s", disk, entry->d_name);
		found = sysfs_read_number(ret, "partition", &n) && n == number;
	}
	(void)closedir(dir);
	return found;
}

bool fes_sysfs_partition_number(dev_t device, unsigned *ret)
{
	char dir[DIR_MAX];
	uint64_t number;

	sysfs_dir(device, dir);
	if (!sysfs_read_number(dir, "partition", &number) || number > UINT_MAX)
		return false;
	*ret = (unsigned)number;
	return true;
}

bool fes_sysfs_find_disk(dev_t partition, dev_t *ret)
{
	char dir[DIR_MAX], parent[DIR_MAX + 3];

	sysfs_dir(partition, dir);
	(void)snprintf(parent, sizeof(parent), "%s/..", dir);
	return sysfs_read_device(parent, ret);
}

bool fes_sysfs_find_partition(dev_t disk, unsigned number, dev_t *device, uint64_t *offset,
	uint64_t *size)
{
	char disk_dir[DIR_MAX], dir[PATH_MAX];

	sysfs_dir(disk, disk_dir);
	return find_partition_dir(disk_dir, number, dir, sizeof(dir)) &&
		sysfs_read_device(dir, device) && sysfs_read_extent(dir, offset, size);
}

bool fes_sysfs_find_backing(dev_t device, char *path, size_t len, uint64_t *offset, uint64_t *size)
{
	uint64_t start = 0, within, n_sectors;
	dev_t disk = device;
	char dir[DIR_MAX];

	sysfs_dir(device, dir);
	if (!sysfs_read_number(dir, "size", &n_sectors))
		return false;
	if (fes_sysfs_find_disk(device, &disk) && !sysfs_read_number(dir, "start", &start))
		return false;
	sysfs_dir(disk, dir);
	if (!sysfs_read(dir, "loop/backing_file", path, len) ||
		!sysfs_read_number(dir, "loop/offset", &within))
		return false;
	*offset = within + start * SYSFS_SECTOR;
	*size = n_sectors * SYSFS_SECTOR;
	return true;
}
