/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what a user writes for a volume to what can be opened. Private to lib/. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All strings are owned; free them with fes_spec_done(). */
struct fes_spec {
	char *spec;      /* as the user gave it */
	char *path;      /* the node or file to open */
	char *lock_path; /* what to lock: the whole-disk node of a partition, or the file itself */
	uint64_t offset; /* bytes; the part of @path that is the volume */
	uint64_t size;   /* bytes; 0 with offset 0: all of it */
	char *name;      /* for messages: "/dev/sda1", "esp.img", "disk.img:1" when so given */
	char *partuuid;  /* lower case, or NULL when there is none or it cannot be seen */
};

/*
 * Find the volume that @spec names; see fes_volume_open() for what it may be.
 *
 * Nothing is written, and a whole disk with partitions is never what @ret names. That there is a
 * sound FAT volume in a partition is left to whoever opens it. @report gets exactly one message
 * for every failure but -ENOMEM; it begins with the name.
 *
 * Returns 0, or
 *   -ENOENT, -EACCES, ...  as open(2); also when no block device has the tag
 *   -ENOMEDIUM    a drive without a disk
 *   -EISDIR       a directory
 *   -ENODEV       neither a file nor a block device
 *   -EINVAL       an unusable partition number
 *   -EMEDIUMTYPE  no FAT volume and no partition table with an ESP; no such partition; or a
 *                 RAID member, whose array is what should be named
 *   -ENOTUNIQ     several ESPs; the message lists them
 *   -ENXIO        a disk's partition without a node of its own
 *   -EUCLEAN      a partition that is not inside the disk, or that the kernel sees elsewhere
 *   -ENOMEM
 */
int fes_spec_resolve(const char *spec, void (*report)(void *userdata, const char *message),
	void *userdata, struct fes_spec *ret);

/* Free what @spec holds; one that is all zero is fine. */
void fes_spec_done(struct fes_spec *spec);

/*
 * Say in @buf what stands @size bytes (0: to the end) from @offset on in @path: "an ext4 file
 * system", "a RAID member (linux_raid_member)", "a text file", "nothing (all zeroes in the
 * first 64 KiB)", "no file system that is known", ...; it completes "it holds".
 *
 * Returns 0, or an errno of open(2) or read(2), or -ENOMEM; then @buf is left alone.
 */
int fes_spec_describe_contents(const char *path, uint64_t offset, uint64_t size, char *buf,
	size_t len);

/* errno as a negative number that can never mean success. */
static inline int fes_last_error(void)
{
	int error = errno;

	return error > 0 ? -error : -EIO;
}

/* ---- bootsector.c: what the first sector of a disk or image can be ---- */

struct fat_boot_sector;

/* Less strict than fat_open(), which says what is wrong with a FAT volume that is one. */
bool fes_boot_has_bpb(const struct fat_boot_sector *boot);

/*
 * Whether @boot is an MBR with at least one entry, none of which can be anything else on a disk
 * of @n_sectors.
 */
bool fes_boot_has_mbr_entries(const struct fat_boot_sector *boot, uint64_t n_sectors);

/* ---- contents.c: what libblkid sees ---- */

enum fes_contents_usage {
	FES_CONTENTS_NONE = 0,        /* nothing that libblkid knows */
	FES_CONTENTS_FILE_SYSTEM = 1, /* or swap, or encrypted */
	FES_CONTENTS_RAID = 2,        /* a member of a RAID or of something like it */
};

/*
 * What libblkid sees in a part of @fd, at its beginning or at its end; @type gets its word for
 * it ("ext4"). A RAID signature wins over a file system that stands there too. Partition tables
 * count as nothing.
 *
 * Returns a fes_contents_usage, or -ENOMEM.
 */
int fes_contents_probe(int fd, uint64_t offset, uint64_t size, char *type, size_t len);

/* ---- parttable.c: what libfdisk sees ---- */

struct fes_partition {
	unsigned number; /* from 1 */
	uint64_t offset; /* bytes */
	uint64_t size;   /* bytes */
	bool is_esp;
	bool is_container; /* an extended partition */
	char uuid[40];      /* lower case; "" when there is none */
};

struct fes_parttable {
	char type[16]; /* "gpt", "dos", ...; "" when there is no table */
	struct fes_partition *partitions;
	size_t n_partitions;
	bool protective_only; /* an MBR that protects a GPT which is not there */
};

/*
 * Read the partition table of the disk or image @fd. @sector_size is that of a disk image; 0 for
 * a block device, which knows its own. @path is for libfdisk, which does not open it.
 *
 * Returns 0, also when there is none; -ENOMEM or -EIO. Free with fes_parttable_done().
 */
int fes_parttable_read(int fd, const char *path, uint32_t sector_size, struct fes_parttable *ret);
void fes_parttable_done(struct fes_parttable *table);

/* ---- sysfs.c: disks and partitions as the kernel sees them ---- */

/* False when @device is no partition. */
bool fes_sysfs_partition_number(dev_t device, unsigned *ret);

bool fes_sysfs_find_disk(dev_t partition, dev_t *ret);

/* @offset and @size: bytes on the disk. False when the kernel has no such partition. */
bool fes_sysfs_find_partition(dev_t disk, unsigned number, dev_t *device, uint64_t *offset,
	uint64_t *size);

/*
 * If @device is a loop device or a partition of one: the path of the file behind it in @path (a
 * name of @len bytes at most), where in the file it begins and how long it is, in bytes. One level
 * is followed.
 */
bool fes_sysfs_find_backing(dev_t device, char *path, size_t len, uint64_t *offset, uint64_t *size);
