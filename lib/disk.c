/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "fat/ondisk.h"

#include "lib/spec.h"

enum {
	SECTOR = 512,
	LARGE_SECTOR = 4096,
	CONTENTS_MAX = 128,
};

/* ---- messages ---- */

static int say(const struct fes_disk *disk, enum fes_log_level level, const char *text)
{
	char *message;

	if (asprintf(&message, "%s: %s", disk->path, text) < 0)
		return -ENOMEM;
	disk->report(disk->userdata, level, message);
	free(message);
	return 0;
}

int fes_disk_fail(const struct fes_disk *disk, int error, const char *format, ...)
{
	va_list args;
	char *text;
	int n, r;

	errno = -error;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	r = say(disk, FES_LOG_ERROR, text);
	free(text);
	return r < 0 ? r : error;
}

/* ---- opening ---- */

static int fail_open(const struct fes_disk *disk, int error)
{
	return fes_disk_fail(disk, error, "cannot be opened: %m");
}

static int check_type(const struct fes_disk *disk, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return fes_disk_fail(disk, -EISDIR,
			"is a directory; name the partition or image, not where it is mounted");
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return fes_disk_fail(disk, -ENODEV, "is neither a file nor a block device");
	return 0;
}

int fes_disk_open(struct fes_disk *disk)
{
	struct stat st;
	int r;

	if (stat(disk->path, &st) < 0)
		return fail_open(disk, fes_last_error());
	r = check_type(disk, &st);
	if (r < 0)
		return r;

	r = blkdev_open_path(disk->path, 0, 0, 0, &disk->dev);
	if (r < 0)
		return fail_open(disk, r);
	disk->fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (disk->fd < 0)
		return fail_open(disk, fes_last_error());
	disk->device = S_ISBLK(st.st_mode) ? st.st_rdev : 0;
	/* A file that is shorter than a sector has a size, too. */
	disk->size = S_ISBLK(st.st_mode) ? blkdev_size(disk->dev) : (uint64_t)st.st_size;
	return 0;
}

void fes_disk_close(struct fes_disk *disk)
{
	if (disk->fd >= 0)
		(void)close(disk->fd);
	blkdev_close(disk->dev);
}

/* ---- what stands at the front ---- */

static int read_boot_sector(const struct fes_disk *disk, struct fat_boot_sector *ret)
{
	size_t len = blkdev_sector_size(disk->dev);
	void *sector;
	int r;

	sector = blkdev_buffer_new(len);
	if (!sector)
		return -ENOMEM;
	r = blkdev_read(disk->dev, 0, sector, len);
	if (r == 0)
		memcpy(ret, sector, sizeof(*ret));
	free(sector);
	return r < 0 ? fes_disk_fail(disk, r, "cannot be read: %m") : 0;
}

static int fail_no_fat(const struct fes_disk *disk)
{
	char contents[CONTENTS_MAX];
	int r;

	r = fes_spec_describe_contents(disk->path, 0, 0, contents, sizeof(contents));
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fes_disk_fail(disk, r, "cannot be read: %m");
	return fes_disk_fail(disk, -EMEDIUMTYPE, "no FAT volume: it holds %s", contents);
}

static bool is_gpt(const struct fes_parttable *table)
{
	return strcmp(table->type, "gpt") == 0;
}

/*
 * Read the partition table. An image does not say how large its sectors are: 512 bytes unless
 * only with 4096 there is a table. A GPT of the other size shows as its protective MBR alone.
 */
static int read_table(const struct fes_disk *disk, struct fes_parttable *ret)
{
	struct fes_parttable table, other;
	bool is_file = disk->device == 0;
	int r;

	r = fes_parttable_read(disk->path, is_file ? SECTOR : 0, &table);
	if (r < 0)
		return r;
	if (!is_file || is_gpt(&table) || (table.type[0] && !table.protective_only)) {
		*ret = table;
		return 0;
	}

	r = fes_parttable_read(disk->path, LARGE_SECTOR, &other);
	if (r < 0) {
		fes_parttable_done(&table);
		return r;
	}
	if (is_gpt(&other) || !table.type[0]) {
		fes_parttable_done(&table);
		*ret = other;
		return 0;
	}
	fes_parttable_done(&other);
	*ret = table;
	return 0;
}

/* Boot code of exFAT, NTFS and others stands where an MBR has its entries. */
static int table_is_boot_code(const struct fes_disk *disk, const struct fes_parttable *table,
	const struct fat_boot_sector *boot)
{
	char type[CONTENTS_MAX];
	int usage;

	if (strcmp(table->type, "dos") != 0)
		return 0;
	if (fes_boot_has_mbr_entries(boot, disk->size / SECTOR))
		return 0;
	usage = fes_contents_probe(disk->fd, 0, 0, type, sizeof(type));
	return usage < 0 ? usage : usage != FES_CONTENTS_NONE;
}

/*
 * Look at the front of a disk or image. @table stays empty (no type) when it is a volume itself.
 */
int fes_disk_look(const struct fes_disk *disk, struct fes_parttable *table)
{
	struct fes_parttable found;
	struct fat_boot_sector boot;
	bool bare;
	int r;

	if (disk->size < sizeof(boot))
		return fail_no_fat(disk);
	r = read_boot_sector(disk, &boot);
	if (r < 0)
		return r;

	bare = fes_boot_has_bpb(&boot);
	if (bare && !fes_boot_has_mbr_entries(&boot, disk->size / SECTOR))
		return 0;

	r = read_table(disk, &found);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fes_disk_fail(disk, r, "its partition table cannot be read: %m");
	r = found.type[0] ? table_is_boot_code(disk, &found, &boot) : !bare;
	if (r == 0 && found.protective_only)
		r = fes_disk_fail(disk, -EUCLEAN,
			"has a protective MBR but no readable GPT: truncated or damaged");
	if (r != 0) {
		fes_parttable_done(&found);
		return r < 0 ? r : fail_no_fat(disk);
	}
	*table = found;
	return 0;
}

/* ---- nodes ---- */

char *fes_disk_node_of(dev_t device)
{
	return blkid_devno_to_devname(device);
}

static int fail_no_node(const struct fes_disk *disk, unsigned number)
{
	return fes_disk_fail(disk, -ENXIO,
		"the kernel has no device for partition %u; run \"partx --add\" on the disk",
		number);
}

/* A partition that the table and the kernel see at one place. */
int fes_disk_find_node(const struct fes_disk *disk, const char *root,
	const struct fes_partition *partition, char **ret)
{
	uint64_t offset, size;
	dev_t device;
	char *node;

	if (!fes_sysfs_find_partition(
		    root, disk->device, partition->number, &device, &offset, &size))
		return fail_no_node(disk, partition->number);
	if (offset != partition->offset || size != partition->size)
		return fes_disk_fail(disk, -EUCLEAN,
			"the kernel sees partition %u elsewhere than its table says; "
			"run \"partprobe\"",
			partition->number);
	node = fes_disk_node_of(device);
	if (!node)
		return fail_no_node(disk, partition->number);
	*ret = node;
	return 0;
}
