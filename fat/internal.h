/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Struct bodies and calls shared inside fat/ only. */

#include "fat/fat.h"

/* ---- geometry.c: boot sector to validated numbers; pure ---- */

/* All offsets and sizes are bytes from the start of the volume. */
struct fat_geometry {
	enum fat_type type;
	uint32_t sector_size;
	uint32_t cluster_size;
	uint64_t fat_offset;  /* of FAT copy 0 */
	uint64_t fat_size;    /* of each copy */
	unsigned n_fats;      /* 1 or 2 */
	uint32_t root_slots;  /* of the fixed root; 0 on FAT32 */
	uint64_t root_offset; /* of the fixed root */
	uint64_t data_offset; /* of cluster 2 */
	uint32_t n_clusters;  /* valid numbers are 2 to n_clusters + 1 */
	uint32_t root_cluster; /* FAT32; else 0 */
	uint64_t fsinfo_offset; /* 0: none */
	uint64_t backup_offset; /* of the backup boot sector; 0: none */
	uint64_t size;
	uint8_t media;
	uint8_t state; /* FAT_STATE_* */
	bool has_serial;
	uint32_t serial;
	bool has_label;
	uint8_t label[11]; /* as on disk */
};

/*
 * Decode @boot (512 bytes). On error @why is set to a static text that completes "not usable:".
 *
 * Returns 0, -EMEDIUMTYPE, -EUCLEAN or -ENOTSUP. The device's size is not looked at.
 */
int fat_geometry_decode(const struct fat_boot_sector *boot, struct fat_geometry *ret,
	const char **why);

/* ---- table.c: the allocation table ---- */

/* Meaning of a table value, after masking to 28 bits on FAT32 and widening on the others. */
enum {
	FAT_FREE = 0,
	FAT_RESERVED = 1,
	FAT_BAD = 0x0ffffff7,
	FAT_EOC = 0x0fffffff, /* every end-of-chain value is read as this one */
};

struct fat_table {
	uint32_t *next;      /* [n_clusters + 2]; FAT12/16 end and bad marks widened to 28 bits */
	uint32_t head[2];    /* FAT[0] and FAT[1] of copy 0 as on disk, top nibble included */
	bool high_nibble;    /* FAT32: some entry has top bits set (GRUB does not mask them) */
	uint8_t *dirty;      /* bitmap over the sectors of one copy: differs from the medium */
	uint64_t n_dirty_sectors; /* size of that bitmap in bits */
	uint8_t *changed;    /* bitmap over clusters: set or touched since fat_table_clean() */
	uint64_t written[2]; /* hash of the dirty sectors as each copy was left by writing */
};

struct fat_volume {
	struct blkdev *dev;
	char *name;
	struct fat_log log;
	struct fat_geometry geo;
	struct fat_boot_sector boot;
	struct fat_table table;
	bool checked;        /* reachable[] is true and there is no damage */
	uint8_t *reachable;  /* bitmap over cluster numbers, from fat_check() */
	struct fat_check_result check; /* of the last fat_check() */
};

int fat_table_load(struct fat_volume *vol);
void fat_table_free(struct fat_table *table);

/* Change one entry in memory and note its sectors as dirty. */
void fat_table_set(struct fat_volume *vol, uint32_t cluster, uint32_t value);

/* The same for an entry that did not change in memory but may differ in a copy. */
void fat_table_touch(struct fat_volume *vol, uint32_t cluster);

/* Forget what is dirty. */
void fat_table_clean(struct fat_volume *vol);

/*
 * Bring the dirty sectors of FAT copy @copy on the medium to what memory says. Entries 0 and 1,
 * FAT32 top nibbles and what lies after the last cluster stay as that copy has them, and so does
 * the spelling of end marks that are not ours. No barrier.
 *
 * Returns the number of writes issued, or a negative errno.
 */
int64_t fat_table_write(struct fat_volume *vol, unsigned copy);

/*
 * Read the dirty sectors of @copy, which fat_table_write() has written, back and compare every
 * byte. 0, -EIO (reported) or a device error.
 */
int fat_table_verify(struct fat_volume *vol, unsigned copy);

/*
 * Read FAT copy @copy in pieces and call @fn for every cluster whose entry differs from memory,
 * with the value it has there. A negative return of @fn ends the loop and is passed on.
 */
int fat_table_compare(struct fat_volume *vol, unsigned copy,
	int (*fn)(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata),
	void *userdata);

/* The entry of @cluster (0 and 1 too) as it stands in copy @copy, FAT32's top nibble included. */
int fat_table_read_raw(struct fat_volume *vol, unsigned copy, uint32_t cluster, uint32_t *ret);

/* Write the entry of @cluster into copy @copy just as it stands in copy 0. No barrier. */
int fat_table_copy_entry(struct fat_volume *vol, unsigned copy, uint32_t cluster);

/* FAT[0] and FAT[1] of copy @copy, raw. */
int fat_table_read_head(struct fat_volume *vol, unsigned copy, uint32_t ret[2]);

static inline bool fat_cluster_valid(const struct fat_volume *vol, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < vol->geo.n_clusters;
}

static inline uint32_t fat_next(const struct fat_volume *vol, uint32_t cluster)
{
	return vol->table.next[cluster];
}

static inline uint64_t fat_cluster_offset(const struct fat_volume *vol, uint32_t cluster)
{
	return vol->geo.data_offset + (uint64_t)(cluster - 2) * vol->geo.cluster_size;
}

/* Clusters that @size bytes need. */
static inline uint32_t fat_clusters_for(const struct fat_volume *vol, uint64_t size)
{
	return (uint32_t)((size + vol->geo.cluster_size - 1) / vol->geo.cluster_size);
}

uint32_t fat_count_free(const struct fat_volume *vol);

/* ---- bitmap.h-like helpers over cluster numbers ---- */

static inline bool fat_bit_get(const uint8_t *bits, uint64_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static inline void fat_bit_set(uint8_t *bits, uint64_t i)
{
	bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static inline void fat_bit_clear(uint8_t *bits, uint64_t i)
{
	bits[i / 8] &= (uint8_t)~(1u << (i % 8));
}

/* ---- long-name slots ---- */

/* UTF-16 unit @i (0 to 12) of a long-name slot. */
static inline uint16_t fat_long_slot_unit(const struct fat_long_slot *slot, int i)
{
	if (i < 5)
		return le16_get(slot->units1[i]);
	if (i < 11)
		return le16_get(slot->units2[i - 5]);
	return le16_get(slot->units3[i - 11]);
}

/* Whether a slot is one of a long name, going by its attributes. */
static inline bool fat_slot_is_long(const struct fat_short_slot *slot)
{
	return (slot->attributes & FAT_ATTR_LONG_MASK) == FAT_ATTR_LONG_NAME;
}

/* ---- log.c ---- */

/* Report a problem: "@vol->name: text". */
void fat_report(const struct fat_volume *vol, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- recheck.c ---- */

/* Whether the device still is what was opened: 0, or an error of blkdev_recheck(), reported. */
int fat_recheck_device(const struct fat_volume *vol);

/*
 * If @r is what transfers return on a device that was pulled out, find out whether it was, and
 * report that. Returns @r.
 */
int fat_blame_device(const struct fat_volume *vol, int r);

/* ---- medium.c ---- */

/* The barrier: blkdev_flush(), with its error reported. Nothing else in fat/ or lib/ calls that. */
int fat_barrier(struct fat_volume *vol);

/*
 * The block around the unit at @offset that the device handles at once, unless it reaches out of
 * the region from @region_start to @region_end (all bytes): written whole, with neighbours as they
 * are, it spares drives with emulated sectors a read-modify-write that a power cut could hurt.
 */
void fat_surrounding_block(const struct fat_volume *vol, uint64_t offset, uint64_t region_start,
	uint64_t region_end, uint64_t *ret_offset, size_t *ret_len);

/* ---- name.c: pure ---- */

uint8_t fat_lfn_checksum(const uint8_t short_name[11]);

/* Decode 11 bytes and case flags to UTF-8 ("readme.txt"); bytes over 0x7F as code page 437. */
void fat_short_name_decode(const uint8_t short_name[11], uint8_t case_flags,
	char ret[FAT_NAME_MAX]);

/* UTF-16 units to UTF-8. At most FAT_NAME_MAX_UNITS units. */
void fat_utf16_decode(const uint16_t *units, size_t n_units, char ret[FAT_NAME_MAX]);

/*
 * Put together the long name of the @n_slots - 1 long slots at @slots, which fat_dir_next() has
 * found to belong to the short entry behind them. Returns the number of units.
 */
size_t fat_lfn_units(const uint8_t *slots, uint32_t n_slots, uint16_t units[260]);

/*
 * Make another short name for an entry set: two characters of the old one, four hex digits of
 * a hash over the long name and @attempt, and a numeric tail; the extension is kept.
 */
void fat_short_name_alternative(const uint8_t *slots, uint32_t n_slots, unsigned attempt,
	uint8_t ret[11]);

/* Give the entry set another short name: short entry and all checksums. */
void fat_slots_set_short_name(uint8_t *slots, uint32_t n_slots, const uint8_t short_name[11]);

/* ---- nameset.c: a set of byte strings ---- */

struct fat_nameset;

struct fat_nameset *fat_nameset_new(void);
void fat_nameset_free(struct fat_nameset *set);

/* 1 when @bytes was not in @set and is now, 0 when it was, -ENOMEM. The bytes are copied. */
int fat_nameset_add(struct fat_nameset *set, const void *bytes, size_t len);
bool fat_nameset_has(const struct fat_nameset *set, const void *bytes, size_t len);

/* ---- dirimage.c: a directory in memory ---- */

struct fat_dir_image {
	uint32_t first_cluster; /* 0: the root, fixed or not */
	char *path;
	uint8_t *bytes;         /* n_slots * 32 */
	uint32_t n_slots;
	uint32_t *clusters;     /* NULL for the fixed root */
	uint32_t n_clusters;
};

/*
 * Read a directory whole. The chain is followed at most to FAT_DIR_MAX_SLOTS.
 *
 * Returns 0, -EUCLEAN (reported), -ENOMEM or a device error. Free with fat_dir_image_done().
 */
int fat_dir_image_load(struct fat_volume *vol, uint32_t first_cluster, const char *path,
	struct fat_dir_image *ret);
void fat_dir_image_done(struct fat_dir_image *image);

/* Where slot @slot stands, in bytes from the start of the volume. */
uint64_t fat_dir_image_offset(const struct fat_volume *vol, const struct fat_dir_image *image,
	uint32_t slot);

/* ---- entryset.c: which slots belong together; pure ---- */

enum fat_set_problem {
	FAT_SET_ORPHAN = 1 << 0,    /* long-name slots before the set that belong to nothing */
	FAT_SET_CHECKSUM = 1 << 1,  /* ... that would fit but for the checksum */
	FAT_SET_FIELDS = 1 << 2,    /* a long-name slot's type or cluster is not 0 */
	FAT_SET_PADDING = 1 << 3,   /* a long name not ended as it must be */
};

/* What stands at and after a slot. */
struct fat_set {
	uint32_t short_slot; /* index of the short entry */
	uint32_t n_slots;    /* 1: no (usable) long name */
	unsigned problems;   /* FAT_SET_* */
};

/*
 * Find the next entry set of @image from slot *@slot on and move *@slot behind it. Labels and
 * dot entries are sets too.
 *
 * Returns 1 and a set; or 0 at the end marker or the end, when @ret->problems can still say
 * that orphaned slots stood before it.
 */
int fat_set_next(const uint8_t *bytes, uint32_t n_slots, uint32_t *slot, struct fat_set *ret);

/* First cluster in a short entry; the high half counts on FAT32 only. */
uint32_t fat_slot_cluster(const struct fat_volume *vol, const struct fat_short_slot *slot);
void fat_slot_set_cluster(const struct fat_volume *vol, struct fat_short_slot *slot,
	uint32_t cluster);

/* Decode the set into an entry. */
void fat_set_decode(const struct fat_volume *vol, const uint8_t *bytes, const struct fat_set *set,
	struct fat_entry *ret);

static inline bool fat_slot_is_dot(const struct fat_short_slot *slot)
{
	return slot->name[0] == '.';
}

static inline bool fat_slot_is_label(const struct fat_short_slot *slot)
{
	return (slot->attributes & FAT_ATTR_VOLUME) != 0;
}

/* ---- alloc.c: free space as runs of clusters ---- */

struct fat_extent {
	uint32_t first; /* cluster */
	uint32_t count; /* clusters, more than 0 */
};

struct fat_extents {
	struct fat_extent *list;
	uint32_t n;
};

struct fat_space_map;

/* All clusters that are free, or that fat_check() found lost. */
int fat_space_map_new(const struct fat_volume *vol, struct fat_space_map **ret);
void fat_space_map_free(struct fat_space_map *map);
uint64_t fat_space_map_clusters(const struct fat_space_map *map);

/*
 * Take @count clusters out of @map: in one run if there is one, else in as few as possible.
 * Returns 0, -ENOSPC (nothing taken) or -ENOMEM. Free ret->list.
 */
int fat_space_map_take(struct fat_space_map *map, uint32_t count, struct fat_extents *ret);

/* Take the one cluster for which @fits says true first; 0 when there is none. */
uint32_t fat_space_map_take_one(struct fat_space_map *map,
	bool (*fits)(uint32_t cluster, const void *userdata), const void *userdata);
