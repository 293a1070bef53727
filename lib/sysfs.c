/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/major.h>
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
	SYSFS_SECTOR = 512, /* whatever the disk's sectors are */
};

static void sysfs_dir(const char *root, dev_t device, char ret[PATH_MAX])
{
	(void)snprintf(ret, PATH_MAX, "%s/sys/dev/block/%u:%u", root, major(device), minor(device));
}

/* The first line of the attribute @dir/@name. */
static bool sysfs_read(const char *dir, const char *name, char *buf, size_t len)
{
	char path[PATH_MAX];
	FILE *file;
	bool found;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return false;
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
		found = (size_t)snprintf(ret, len, "%s/%s", disk, entry->d_name) < len &&
			sysfs_read_number(ret, "partition", &n) && n == number;
	}
	(void)closedir(dir);
	return found;
}

bool fes_sysfs_partition_number(const char *root, dev_t device, unsigned *ret)
{
	char dir[PATH_MAX];
	uint64_t number;

	sysfs_dir(root, device, dir);
	if (!sysfs_read_number(dir, "partition", &number) || number > UINT_MAX)
		return false;
	*ret = (unsigned)number;
	return true;
}

bool fes_sysfs_find_disk(const char *root, dev_t partition, dev_t *ret)
{
	char dir[PATH_MAX], parent[PATH_MAX + 3];

	sysfs_dir(root, partition, dir);
	(void)snprintf(parent, sizeof(parent), "%s/..", dir);
	return sysfs_read_device(parent, ret);
}

bool fes_sysfs_find_partition(const char *root, dev_t disk, unsigned number, dev_t *device,
	uint64_t *offset, uint64_t *size)
{
	char disk_dir[PATH_MAX], dir[PATH_MAX];

	sysfs_dir(root, disk, disk_dir);
	return find_partition_dir(disk_dir, number, dir, sizeof(dir)) &&
		sysfs_read_device(dir, device) && sysfs_read_extent(dir, offset, size);
}

bool fes_sysfs_find_backing(const char *root, dev_t device, char *path, size_t len,
	uint64_t *offset, uint64_t *size)
{
	uint64_t start = 0, within, n_sectors;
	dev_t disk = device;
	char dir[PATH_MAX];

	sysfs_dir(root, device, dir);
	if (!sysfs_read_number(dir, "size", &n_sectors))
		return false;
	if (fes_sysfs_find_disk(root, device, &disk) && !sysfs_read_number(dir, "start", &start))
		return false;
	sysfs_dir(root, disk, dir);
	if (!sysfs_read(dir, "loop/backing_file", path, len) ||
		!sysfs_read_number(dir, "loop/offset", &within))
		return false;
	*offset = within + start * SYSFS_SECTOR;
	*size = n_sectors * SYSFS_SECTOR;
	return true;
}

/* ---- all of them ---- */

static bool is_empty_dir(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool empty = true;
	DIR *stream;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return true;
	stream = opendir(path);
	if (!stream)
		return true;
	while (empty && (entry = readdir(stream)))
		empty = entry->d_name[0] == '.';
	(void)closedir(stream);
	return empty;
}

/* Opening a floppy or optical drive turns motors, and a RAM disk holds nothing that lasts. */
static bool is_ignored(dev_t device)
{
	switch (major(device)) {
	case RAMDISK_MAJOR:
	case FLOPPY_MAJOR:
	case SCSI_CDROM_MAJOR:
		return true;
	default:
		return false;
	}
}

/* Reading from a suspended dm device would wait for whoever suspended it. */
static bool is_disk(const char *dir, dev_t *ret)
{
	uint64_t partition, size, suspended;

	if (sysfs_read_number(dir, "partition", &partition))
		return false;
	if (!sysfs_read_number(dir, "size", &size) || size == 0)
		return false;
	if (sysfs_read_number(dir, "dm/suspended", &suspended) && suspended)
		return false;
	return is_empty_dir(dir, "holders") && sysfs_read_device(dir, ret) && !is_ignored(*ret);
}

static int push_device(dev_t device, dev_t **devices, size_t *n)
{
	dev_t *larger = realloc(*devices, (*n + 1) * sizeof(*larger));

	if (!larger)
		return -ENOMEM;
	larger[(*n)++] = device;
	*devices = larger;
	return 0;
}

int fes_sysfs_list_disks(const char *root, dev_t **ret, size_t *ret_n)
{
	char blocks[PATH_MAX], dir[PATH_MAX + NAME_MAX + 2];
	struct dirent *entry;
	dev_t device, *devices = NULL;
	size_t n = 0;
	DIR *stream;
	int r = 0;

	(void)snprintf(blocks, sizeof(blocks), "%s/sys/class/block", root);
	stream = opendir(blocks);
	while (stream && r == 0 && (entry = readdir(stream))) {
		(void)snprintf(dir, sizeof(dir), "%s/%s", blocks, entry->d_name);
		if (entry->d_name[0] != '.' && is_disk(dir, &device))
			r = push_device(device, &devices, &n);
	}
	if (stream)
		(void)closedir(stream);
	if (r < 0) {
		free(devices);
		return r;
	}
	*ret = devices;
	*ret_n = n;
	return 0;
}
