/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what a user writes for a volume to what can be opened. Private to lib/. */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/fatespsync.h"

struct fes_scan;

/* Where to look for disks and for what the system knows. Zeroes are a real system. */
struct fes_host {
	char *root;          /* NULL: none; else what stands before /sys, /proc and mount points */
	char **disks;        /* only these disks and images are searched; none: all of the machine */
	size_t n_disks;
	pthread_mutex_t lock;
	struct fes_scan *scan; /* what the search found, once it was needed: see fes_host_scan() */
};

/* What stands before "/sys": "" on a real system. */
static inline const char *fes_host_root(const struct fes_host *host)
{
	return host->root ? host->root : "";
}

/* All strings are owned; free them with fes_spec_done(). */
struct fes_spec {
	char *spec;      /* as the user gave it */
	char *path;      /* the node or file to open */
	char *lock_path; /* what to lock: the whole-disk node of a partition, or the file itself */
	uint64_t offset; /* bytes; the part of @path that is the volume */
	uint64_t size;   /* bytes; 0 with offset 0: all of it */
	uint32_t sector_size; /* of the disk that the table is on, bytes; 0: no table was seen */
	char *name;      /* for messages: "/dev/sda1", "esp.img", "disk.img:1" when so given */
	char *partuuid;  /* lower case, or NULL when there is none or it cannot be seen */
	char *xbootldr;  /* the first XBOOTLDR of the same disk, to be resolved; or NULL */
	enum fes_partition_kind kind;
};

/*
 * Find the volume that @spec names; see fes_volume_open() for what it may be.
 *
 * Nothing is written, and a whole disk with partitions is never what @ret names. That there is a
 * sound FAT volume in a partition is left to whoever opens it. Tags are looked for in what
 * fes_host_scan() finds. @report gets exactly one error for every failure but -ENOMEM, which begins
 * with the name; and warnings, about a damaged partition table for instance.
 *
 * Returns 0, or
 *   -ENOENT, -EACCES, ...  as open(2); also when no block device has the tag
 *   -ENOMEDIUM    a drive without a disk
 *   -EISDIR       a directory
 *   -ENODEV       neither a file nor a block device
 *   -EINVAL       an unusable partition number
 *   -EMEDIUMTYPE  no FAT volume and no partition table with an ESP; no such partition; or a
 *                 RAID member, whose array is what should be named
 *   -ENOTUNIQ     several ESPs, or several with the tag; the message lists them
 *   -ENXIO        a disk's partition without a node of its own
 *   -EUCLEAN      a partition that is not inside the disk, or that the kernel sees elsewhere
 *   -ENOMEM
 */
int fes_spec_resolve(struct fes_host *host, const char *spec, fes_log_fn report, void *userdata,
	struct fes_spec *ret);

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

/*
 * What libblkid finds for @tag ("UUID", "LABEL") of the file system in a part of @fd, in @value; ""
 * when there is none. 0 or -ENOMEM.
 */
int fes_contents_tag(int fd, uint64_t offset, uint64_t size, const char *tag, char *value,
	size_t len);

/* ---- parttable.c: what libfdisk sees ---- */

struct fes_partition {
	unsigned number; /* from 1 */
	uint64_t offset; /* bytes */
	uint64_t size;   /* bytes */
	enum fes_partition_kind kind;
	bool is_container; /* an extended partition */
	char uuid[40];      /* lower case; "" when there is none */
	char label[112];    /* GPT's partition name; "" when there is none */
};

struct fes_parttable {
	char type[16]; /* "gpt", "dos", ...; "" when there is no table */
	uint32_t sector_size; /* of the disk, bytes */
	struct fes_partition *partitions;
	size_t n_partitions;
	bool protective_only; /* an MBR that protects a GPT which is not there */
	char *warning;        /* what libfdisk has to say about damage, or NULL */
};

/*
 * Read the partition table of the disk or image @path. @sector_size is that of a disk image; 0 for
 * a block device, which knows its own.
 *
 * Returns 0, also when there is none; -ENOMEM or -EIO. Free with fes_parttable_done().
 */
int fes_parttable_read(const char *path, uint32_t sector_size, struct fes_parttable *ret);
void fes_parttable_done(struct fes_parttable *table);

/* ---- disk.c: a disk or image, and what stands at its front ---- */

struct fes_disk {
	fes_log_fn report; /* gets errors and warnings that begin with @path */
	void *userdata;
	const char *path;  /* borrowed */
	int fd;            /* for libblkid, */
	struct blkdev *dev; /* and for ourselves */
	dev_t device;      /* of a block device, else 0 */
	uint64_t size;     /* bytes */
};

/* Report "path: text" as an error and return @error. %m stands for @error. */
int fes_disk_fail(const struct fes_disk *disk, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Open disk->path for reading. Returns 0, or an error of fes_spec_resolve() (reported); call
 * fes_disk_close() in any case.
 */
int fes_disk_open(struct fes_disk *disk);
void fes_disk_close(struct fes_disk *disk);

/*
 * Look at the front. @table stays empty (no type) when the disk or image is a FAT volume itself.
 * Returns 0; -EMEDIUMTYPE when it is neither that nor has a partition table, -EUCLEAN when its GPT
 * is damaged beyond use, or -EIO, ... (reported); or -ENOMEM.
 */
int fes_disk_look(const struct fes_disk *disk, struct fes_parttable *table);

/*
 * The node of a partition that its table and the kernel see at one place; free() it.
 * Returns 0, -ENXIO or -EUCLEAN (reported).
 */
int fes_disk_find_node(const struct fes_disk *disk, const char *root,
	const struct fes_partition *partition, char **ret);

/* The node of a device number, or NULL; free() it. */
char *fes_disk_node_of(dev_t device);

/* ---- scan.c: all that can be seen ---- */

/* A partition, or a disk or image without a partition table. */
struct fes_seen {
	char *disk;      /* node or file */
	char *node;      /* of the partition; NULL in an image */
	char *name;      /* what a user can write for it: "/dev/sda1", "disk.img:1", "esp.img" */
	unsigned number; /* of the partition; 0: all of the disk */
	uint64_t offset, size; /* bytes */
	enum fes_partition_kind kind;
	char uuid[40];   /* "" when there is none */
	char label[112]; /* the partition's */
};

struct fes_scan {
	struct fes_seen *seen;
	size_t n;
	size_t n_unreadable; /* disks that could not be looked at */
	char *why;           /* for the first of them that is there all the same: the reason; or NULL */
};

/*
 * What there is on the host's disks: found at the first call and kept until fes_host_forget().
 * Disks are looked at side by side, each once. One that is named in host->disks and cannot be read
 * is reported as a warning; so is one whose partition table is damaged, and one that takes longer
 * than a few seconds. It is gone on without them.
 *
 * Returns 0 or -ENOMEM. @ret is borrowed from @host.
 */
int fes_host_scan(struct fes_host *host, fes_log_fn report, void *userdata,
	const struct fes_scan **ret);
void fes_host_forget(struct fes_host *host);

/* Whether @seen has the tag: "PARTUUID", "PARTLABEL", "UUID" or "LABEL". The last two read it. */
bool fes_seen_has_tag(const struct fes_seen *seen, const char *tag, const char *value);

/* ---- sysfs.c: disks and partitions as the kernel sees them; @root as of fes_host_root() ---- */

/* False when @device is no partition. */
bool fes_sysfs_partition_number(const char *root, dev_t device, unsigned *ret);

bool fes_sysfs_find_disk(const char *root, dev_t partition, dev_t *ret);

/* @offset and @size: bytes on the disk. False when the kernel has no such partition. */
bool fes_sysfs_find_partition(const char *root, dev_t disk, unsigned number, dev_t *device,
	uint64_t *offset, uint64_t *size);

/*
 * If @device is a loop device or a partition of one: the path of the file behind it in @path (a
 * name of @len bytes at most), where in the file it begins and how long it is, in bytes. One level
 * is followed.
 */
bool fes_sysfs_find_backing(const char *root, dev_t device, char *path, size_t len,
	uint64_t *offset, uint64_t *size);

/*
 * All disks that may have partitions or a volume: not partitions, not what is empty, suspended or
 * held by a device above it (multipath, md), no floppies, no optical drives, no RAM disks.
 *
 * Returns 0 or -ENOMEM. free() @ret.
 */
int fes_sysfs_list_disks(const char *root, dev_t **ret, size_t *ret_n);
