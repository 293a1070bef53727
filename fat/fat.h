/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * FAT12, FAT16 and FAT32 volumes: reading, checking, and changing them so that a power cut at
 * any moment leaves a sound volume.
 *
 * Functions return 0 or a negative errno. The place that finds a problem reports it once, with
 * path and cluster, through the volume's log; callers only pass the number up.
 *
 *   -EUCLEAN    the volume is inconsistent
 *   -EMEDIUMTYPE no FAT volume at all
 *   -EIO        the device failed, or gave back something else than was written
 *   -ENOTSUP    a valid volume that we do not write to
 *   -ENOSPC     not enough free clusters, or a directory that cannot grow
 *   -EEXIST     a name collides with another that must stay
 *   -ESTALE     somebody else changed the volume, or the device's size, while it was ours
 *   -EINVAL     the caller is wrong
 *   -ENOMEM
 *
 * Other errnos come from the device. A volume may be read by several threads at once; changing
 * it belongs to one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fat/blkdev.h"
#include "fat/ondisk.h"

struct fat_volume;
struct fat_dir;
struct fat_file;
struct fat_txn;

enum {
	FAT_NAME_MAX = 255 * 3 + 1, /* bytes of a decoded name with its NUL */
	FAT_DEPTH_MAX = 64,         /* directories below each other that we follow */
};

enum fat_type {
	FAT_TYPE_12 = 12,
	FAT_TYPE_16 = 16,
	FAT_TYPE_32 = 32,
};

/* Where messages go: one line each, without newline, that names volume, place and reason. */
struct fat_log {
	void (*emit)(void *userdata, const char *message);
	void *userdata;
};

/* Make one line of @text that moves no cursor: control characters become '?'. */
void fat_log_sanitize(char *text);

struct fat_info {
	enum fat_type type;
	uint32_t sector_size;    /* bytes */
	uint32_t cluster_size;   /* bytes */
	uint32_t n_clusters;
	uint32_t free_clusters;
	uint64_t size;           /* bytes, as the BPB says */
	unsigned n_fats;
	bool has_serial;
	uint32_t serial;
	char label[12];          /* from the boot sector, trailing blanks removed */
	bool dirty;              /* the boot sector or FAT[1] says: not unmounted cleanly */
};

/* ---- volume ---- */

/*
 * Open the FAT volume on @dev and read its allocation table.
 *
 * @dev is borrowed and must outlive the volume. @name begins every message. @log may be NULL;
 * it is copied.
 *
 * Returns 0, -EMEDIUMTYPE, -EUCLEAN (a BPB that contradicts itself or the device), -ENOTSUP
 * (sectors smaller than the device's, more than two FAT copies, mirroring off, version not 0),
 * -ENOMEM or a device error.
 */
int fat_open(struct blkdev *dev, const char *name, const struct fat_log *log,
	struct fat_volume **ret);

/* Close @vol; NULL is fine. */
void fat_close(struct fat_volume *vol);

/* Send messages to @log (copied) from now on. */
void fat_set_log(struct fat_volume *vol, const struct fat_log *log);

void fat_get_info(const struct fat_volume *vol, struct fat_info *ret);

/*
 * Read the first FAT copy again and compare it with what fat_open() read.
 *
 * Returns 0, -ESTALE (it changed; reported) or a device error.
 */
int fat_reread_table(struct fat_volume *vol);

/* ---- directories and files ---- */

/* One entry set: a short entry with the long-name slots that belong to it. */
struct fat_entry {
	char name[FAT_NAME_MAX]; /* UTF-8; lone surrogates as three bytes each */
	uint8_t attributes;      /* FAT_ATTR_* */
	uint32_t first_cluster;  /* 0: none, or the root directory */
	uint32_t size;           /* bytes; 0 for directories */
	uint32_t short_slot;     /* index of the short entry in its directory */
	uint32_t n_slots;        /* 1 to FAT_SET_MAX_SLOTS, the short entry included */
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN]; /* as on disk, the short entry last */
};

/* The short entry of @entry. */
static inline const struct fat_short_slot *fat_entry_short(const struct fat_entry *entry)
{
	return (const struct fat_short_slot *)(const void *)&entry
		->slots[(size_t)(entry->n_slots - 1) * FAT_SLOT_LEN];
}

/*
 * Open the directory whose chain begins at @first_cluster (0: the root). @path is used in
 * messages only.
 *
 * The directory is read whole (at most 2 MiB). Returns 0, -EUCLEAN, -ENOMEM or a device error.
 */
int fat_dir_open(struct fat_volume *vol, uint32_t first_cluster, const char *path,
	struct fat_dir **ret);

/*
 * Decode the next entry of @dir into @ret; volume labels, `.` and `..` are passed over.
 *
 * Damaged or orphaned long-name slots are passed over, their file keeps its short name;
 * fat_dir_untidy() tells afterwards whether there were any.
 *
 * Returns 1 and an entry, or 0 at the end.
 */
int fat_dir_next(struct fat_dir *dir, struct fat_entry *ret);
bool fat_dir_untidy(const struct fat_dir *dir);
void fat_dir_close(struct fat_dir *dir);

/*
 * Find @path ("/EFI/BOOT/x.efi", any case, long or short names; "/" is not an entry) on @vol.
 *
 * Returns 0, -ENOENT, -ENOTDIR, or as fat_dir_open(). A missing path is not reported.
 */
int fat_lookup(struct fat_volume *vol, const char *path, struct fat_entry *ret);

/*
 * Open a file for reading from its beginning: @size bytes in the chain that begins at
 * @first_cluster. @path is used in messages only and is copied. The volume is borrowed.
 */
int fat_file_open(struct fat_volume *vol, uint32_t first_cluster, uint32_t size,
	const char *path, struct fat_file **ret);

/*
 * Read the next bytes of @file into @buf, whose length @len must be a positive multiple of the
 * volume's sector size.
 *
 * Bytes of @buf after the returned count may be overwritten. Returns the number of bytes (less
 * than @len at the end of the file only, 0 after it), -EUCLEAN (the chain ends early) or a
 * device error.
 */
int64_t fat_file_read(struct fat_file *file, void *buf, size_t len);
void fat_file_close(struct fat_file *file);

/*
 * Change the contents of a file where they stand: the @head_len bytes of @head come to its
 * beginning in one write of one sector, and when they are durable all else in its @size bytes
 * becomes zero, up to the end of its last cluster. Its directory entry stays as it is. A power cut
 * leaves the old or the new @head_len bytes, and behind the new ones old bytes or zeros. See
 * fat/overwrite.c.
 *
 * @vol was checked since it was opened; transactions since then do not matter. @path is used in
 * messages only. After an error of the device @vol must be closed.
 *
 * Returns 0, -EINVAL (@head is empty, longer than the file or than a sector of the device),
 * -EUCLEAN (not checked, damage, or the chain ends early: the last is reported), -EIO, -ESTALE,
 * -ENOMEM or a device error.
 */
int fat_file_overwrite(struct fat_volume *vol, uint32_t first_cluster, uint32_t size,
	const char *path, const void *head, size_t head_len);

/*
 * Make @cluster zero if it is free, and do nothing if it is not: what was in a file that is gone
 * shall not be left on the medium. @path is how messages call it. Errors as above.
 */
int fat_wipe_free(struct fat_volume *vol, uint32_t cluster, const char *path);

/* Whether a chain has exactly the clusters that @size bytes need (0 bytes: no chain). */
bool fat_chain_fits(const struct fat_volume *vol, uint32_t first_cluster, uint32_t size);

/* ---- names ---- */

/*
 * Compare two UTF-8 names as FAT does: ASCII and Latin-1 letters without case (what firmware
 * folds: UEFI's Latin-1 rule; EDK2 FatStrUpr).
 */
bool fat_name_equal(const char *a, const char *b);

/* The form of a name that is the same for all that fat_name_equal() calls equal. Returns its length. */
size_t fat_name_fold(const char *name, char ret[FAT_NAME_MAX]);

/*
 * Make the entry set of a new entry: names and attributes; times, size and cluster are 0.
 *
 * @name is ours to choose: ASCII, of characters that FAT allows in short names, not beginning with a
 * dot. It gets long-name slots only if a short entry with case flags cannot show it. Returns the
 * number of slots in @slots; the short entry is the last.
 */
uint32_t fat_slots_make(const char *name, uint8_t attributes,
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN]);

/* ---- check ---- */

enum fat_severity {
	FAT_HARMLESS = 1, /* no reader is hurt: lost clusters, stale FAT copy, wrong hint ... */
	FAT_DAMAGE = 2,   /* some reader is: cross-links, loops, wrong sizes ... */
};

typedef void (*fat_finding_fn)(void *userdata, enum fat_severity severity, const char *message);

struct fat_check_result {
	uint32_t n_harmless;
	uint32_t n_damage;
	uint32_t lost_clusters;  /* allocated, reachable from nowhere */
	bool fat_copies_differ;  /* on clusters that are reachable from nowhere */
	bool free_count_wrong;   /* FSInfo can be written and does not hold the true count */
};

/*
 * Check the whole volume without writing. Every finding goes to @fn (may be NULL).
 *
 * Returns 0 when the check was completed, whatever it found (look at @ret), or a device error
 * or -ENOMEM. Only a volume that was checked and has no damage can be changed.
 */
int fat_check(struct fat_volume *vol, fat_finding_fn fn, void *userdata,
	struct fat_check_result *ret);

/* ---- transaction ---- */

/*
 * Where the contents of a new file come from, and go for comparison when they are read back.
 * The functions are called in order: begin, read until all @size bytes are there; later begin,
 * compare until all bytes are through, end.
 */
struct fat_source {
	uint32_t size; /* bytes, more than 0 */
	const char *path;
	int (*begin)(struct fat_source *source, bool reading_back);
	/* Give the next @len bytes; a multiple of 4096 but for the last call. @buf has room for as
	 * much rounded up to 4096. */
	int (*read)(struct fat_source *source, void *buf, size_t len);
	/* Take the next @len bytes that stand on the medium. */
	int (*compare)(struct fat_source *source, const void *buf, size_t len);
	/* All are through: 0, or -EIO when they are not what was read. */
	int (*end)(struct fat_source *source, bool reading_back);
};

enum fat_item_kind {
	FAT_ITEM_KEEP, /* a chain that is on the volume already */
	FAT_ITEM_FILE, /* new contents */
	FAT_ITEM_DIR,  /* a directory, new with all that is in it */
};

/* One entry set of a directory version that is being prepared. Owned by the transaction. */
struct fat_item;

/*
 * Begin to change @vol, which must have passed fat_check() since it was opened or last changed.
 *
 * The volume is borrowed; one transaction at a time. Nothing is written before fat_txn_prepare().
 * Returns 0, -EUCLEAN (damage, or not checked), -ENOTSUP, -ENOMEM.
 */
int fat_txn_begin(struct fat_volume *vol, struct fat_txn **ret);

/* Forget @txn; NULL is fine. What was committed stays. */
void fat_txn_free(struct fat_txn *txn);

/*
 * New items with the entry set @slots (@n_slots of 32 bytes, the short entry last; borrowed
 * until the transaction is freed). Only its cluster fields, and for want of a free short name
 * its short name, will differ on the volume; and fields of long-name slots that must be 0 are. NULL when memory is out.
 *
 * keep: the chain beginning at @first_cluster (0: none) becomes that of the entry.
 *       @fixed: the names must stay as they are, others give way.
 * file: contents come from @source (NULL: an empty file; borrowed until the transaction is freed).
 * dir:  a new directory; fill it with fat_item_add(). A file item may be added to several
 *       versions of a directory and is written once.
 */
struct fat_item *fat_item_keep(struct fat_txn *txn, const uint8_t *slots, uint32_t n_slots,
	uint32_t first_cluster, bool fixed);
struct fat_item *fat_item_file(struct fat_txn *txn, const uint8_t *slots, uint32_t n_slots,
	struct fat_source *source);
struct fat_item *fat_item_dir(struct fat_txn *txn, const uint8_t *slots, uint32_t n_slots);
int fat_item_add(struct fat_item *dir, struct fat_item *child);

/* An entry of a directory that stays where it is. */
struct fat_place {
	uint32_t dir_cluster; /* first cluster of the directory, 0: the root */
	const char *dir_path; /* for messages; borrowed until the transaction is freed */
	uint32_t short_slot;  /* the entry's short slot; unused to add and to tidy */
};

/*
 * Plan a commit. Commits happen in the order of these calls.
 *
 * replace: the entry at @place gets cluster, size, attributes and times of @item, in one sector
 *          write; its names stay. Replacing the same entry again is a later version of it.
 * add:     a new entry set in the directory @place.
 * rename:  the entry at @place becomes the entry set of @item, names and all, in one sector
 *          write. Where slots of that sector do not allow it, fat_txn_layout() says -EXDEV.
 * remove:  the entry set of @place goes away.
 * tidy:    long-name slots that belong to no entry go from the directory @place.
 *
 * Return 0 or -ENOMEM; what stands in the way is found by fat_txn_layout().
 */
int fat_txn_replace(struct fat_txn *txn, const struct fat_place *place, struct fat_item *item);
int fat_txn_add(struct fat_txn *txn, const struct fat_place *place, struct fat_item *item);
int fat_txn_rename(struct fat_txn *txn, const struct fat_place *place, struct fat_item *item);
int fat_txn_remove(struct fat_txn *txn, const struct fat_place *place);
int fat_txn_tidy(struct fat_txn *txn, const struct fat_place *place);

struct fat_space {
	uint64_t needed; /* bytes, whole clusters */
	uint64_t free;   /* bytes, whole clusters, lost clusters included */
};

/*
 * Find a place for everything, in memory. Writes nothing.
 *
 * @ret is set on success and with -ENOSPC for want of clusters. Returns 0, -ENOSPC (reported
 * unless @ret->needed > @ret->free, which the caller can put better), -EXDEV (not reported),
 * -EEXIST, -EUCLEAN, -ENOMEM or a device error.
 */
int fat_txn_layout(struct fat_txn *txn, struct fat_space *ret);

/*
 * Let fat_txn_prepare() ask @poll before each piece of data that it writes or reads back and before
 * each FAT copy, and fat_txn_run() a last time before the first commit. A negative errno stops there,
 * with nothing changed that a reader sees, and is what they return.
 */
void fat_txn_set_poll(struct fat_txn *txn, int (*poll)(void *userdata), void *userdata);

/*
 * Write all that is new into free clusters and read it back. No reader sees any of it. See the
 * comment at the head of fat/txn.c for what stands on the medium at each moment.
 *
 * After an error of this or of the next two the volume must be closed; it is sound, and the next
 * transaction tidies up. Returns 0, -EINVAL (not laid out, or done before), -EIO, -ENOMEM, or an
 * error of a source, of the poll or of the device.
 */
int fat_txn_prepare(struct fat_txn *txn);

/* How many commits have been planned so far. */
uint32_t fat_txn_count(const struct fat_txn *txn);

/*
 * Do the commits that are not done yet of the first @end ones.
 *
 * Returns 0, -EINVAL (not prepared), -ESTALE, -EIO, -ENOMEM or a device error: commits before the one
 * that failed are done.
 */
int fat_txn_commit(struct fat_txn *txn, uint32_t end);

/*
 * When all commits are done: free what only the old versions used. With no planned commit it only
 * frees lost clusters and evens out FAT copies and the free count. Errors as above.
 */
int fat_txn_release(struct fat_txn *txn);

/*
 * All of it: prepare, call @before_commit (may be NULL; anything but 0 stops here with nothing
 * changed), commit, release.
 */
int fat_txn_run(struct fat_txn *txn, int (*before_commit)(void *userdata), void *userdata);
