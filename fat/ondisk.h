/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Structures as they stand on a FAT volume. No code.
 *
 * Source: Microsoft, "FAT: General Overview of On-Disk Format" (FAT32 File System
 * Specification), version 1.03, 6 December 2000.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "fat/le.h"

enum {
	FAT_BOOT_SECTOR_LEN = 512, /* the part that has a meaning, whatever the sector size */
	FAT_SLOT_LEN = 32,         /* one directory slot */
	FAT_LFN_UNITS = 13,        /* UTF-16 units in one long-name slot */
	FAT_LFN_MAX_SLOTS = 20,
	FAT_SET_MAX_SLOTS = FAT_LFN_MAX_SLOTS + 1,
	FAT_NAME_MAX_UNITS = 255,
	FAT_DIR_MAX_SLOTS = 65536, /* 2 MiB; Linux, Windows and EDK2 go no further */
};

/* "BPB: BIOS Parameter Block". The first 36 bytes are common to all types. */
struct fat_boot_sector {
	uint8_t jump[3];
	uint8_t oem[8];
	le16_t bytes_per_sector;     /* 512, 1024, 2048, 4096 */
	uint8_t sectors_per_cluster; /* power of two, 1 to 128 */
	le16_t reserved_sectors;     /* sectors before the first FAT copy, at least 1 */
	uint8_t n_fats;              /* FAT copies, usually 2 */
	le16_t root_entries;         /* slots of the fixed root; 0 on FAT32 */
	le16_t total_sectors_16;     /* 0: see total_sectors_32 */
	uint8_t media;               /* repeated in the low byte of FAT[0] */
	le16_t fat_sectors_16;       /* sectors in one FAT copy; 0 means FAT32 */
	le16_t sectors_per_track;
	le16_t heads;
	le32_t hidden_sectors;
	le32_t total_sectors_32;
	union {
		struct {
			uint8_t drive;
			uint8_t state; /* bit 0: dirty (Linux, Windows) */
			uint8_t signature; /* 0x29: the next three fields are there */
			le32_t serial;
			uint8_t label[11];
			uint8_t type_text[8];
			uint8_t code[448];
		} fat16; /* FAT12 too */
		struct {
			le32_t fat_sectors;
			le16_t ext_flags; /* bit 7: no mirroring, bits 0-3: the active copy */
			le16_t version;   /* must be 0 */
			le32_t root_cluster;
			le16_t fsinfo_sector; /* 0 or 0xFFFF: none */
			le16_t backup_sector; /* 0 or 0xFFFF: none */
			uint8_t reserved[12];
			uint8_t drive;
			uint8_t state;
			uint8_t signature;
			le32_t serial;
			uint8_t label[11];
			uint8_t type_text[8];
			uint8_t code[420];
		} fat32;
	} u;
	uint8_t end_signature[2]; /* 0x55 0xAA at offset 510, whatever the sector size */
};
static_assert(sizeof(struct fat_boot_sector) == FAT_BOOT_SECTOR_LEN, "boot sector");
static_assert(offsetof(struct fat_boot_sector, total_sectors_32) == 0x20, "total sectors");
static_assert(offsetof(struct fat_boot_sector, u.fat16.state) == 0x25, "FAT16 state");
static_assert(offsetof(struct fat_boot_sector, u.fat16.serial) == 0x27, "FAT16 serial");
static_assert(offsetof(struct fat_boot_sector, u.fat32.root_cluster) == 0x2c, "root cluster");
static_assert(offsetof(struct fat_boot_sector, u.fat32.state) == 0x41, "FAT32 state");
static_assert(offsetof(struct fat_boot_sector, u.fat32.serial) == 0x43, "FAT32 serial");

enum {
	FAT_STATE_DIRTY = 0x01,      /* boot sector, state byte */
	FAT_EXT_NO_MIRRORING = 0x80, /* boot sector, ext_flags */
	FAT_EXTENDED_SIGNATURE = 0x29,
};

/* "FAT32 FSInfo Sector Structure and Backup Boot Sector" */
struct fat_fsinfo {
	le32_t lead_signature; /* FAT_FSINFO_LEAD */
	uint8_t reserved1[480];
	le32_t struct_signature; /* FAT_FSINFO_STRUCT */
	le32_t free_clusters;    /* 0xFFFFFFFF: unknown. A hint, yet mtools believes it */
	le32_t next_free;        /* where to look first; 0xFFFFFFFF: unknown */
	uint8_t reserved2[12];
	le32_t trail_signature; /* FAT_FSINFO_TRAIL */
};
static_assert(sizeof(struct fat_fsinfo) == 512, "FSInfo");
static_assert(offsetof(struct fat_fsinfo, free_clusters) == 488, "FSInfo free count");

#define FAT_FSINFO_LEAD 0x41615252u
#define FAT_FSINFO_STRUCT 0x61417272u
#define FAT_FSINFO_TRAIL 0xaa550000u
#define FAT_FSINFO_UNKNOWN 0xffffffffu

enum {
	FAT_ATTR_READ_ONLY = 0x01,
	FAT_ATTR_HIDDEN = 0x02,
	FAT_ATTR_SYSTEM = 0x04,
	FAT_ATTR_VOLUME = 0x08,
	FAT_ATTR_DIRECTORY = 0x10,
	FAT_ATTR_ARCHIVE = 0x20,
	FAT_ATTR_LONG_NAME = 0x0f, /* all four low bits: a long-name slot */
	FAT_ATTR_LONG_MASK = 0x3f,
	FAT_ATTR_UNKNOWN = 0xc0, /* must be clear; GRUB hides entries that have them */
};

enum {
	FAT_CASE_BASE = 0x08, /* short name without long name: base is lower case */
	FAT_CASE_EXT = 0x10,  /* extension is lower case */
};

enum {
	FAT_SLOT_END = 0x00,     /* first name byte: this slot and all after it are unused */
	FAT_SLOT_DELETED = 0xe5, /* first name byte: unused */
	FAT_SLOT_KANJI = 0x05,   /* stands for a real 0xE5 */
};

/* "FAT Directory Structure": a short entry */
struct fat_short_slot {
	uint8_t name[11];
	uint8_t attributes;
	uint8_t case_flags;   /* FAT_CASE_*; Windows keeps others here */
	uint8_t create_centis; /* 10 ms units, 0 to 199 */
	le16_t create_time;
	le16_t create_date;
	le16_t access_date;
	le16_t cluster_high; /* FAT32 only; 0 on FAT12 and FAT16 */
	le16_t write_time;
	le16_t write_date;
	le16_t cluster_low;
	le32_t size; /* bytes; 0 for directories */
};
static_assert(sizeof(struct fat_short_slot) == FAT_SLOT_LEN, "short entry");
static_assert(offsetof(struct fat_short_slot, cluster_low) == 26, "cluster");

/* "FAT Long Directory Entries": stored last part first, before the short entry */
struct fat_long_slot {
	uint8_t ordinal; /* 1 to 20; the first one stored has FAT_LFN_LAST set */
	le16_t units1[5];
	uint8_t attributes; /* FAT_ATTR_LONG_NAME */
	uint8_t type;       /* 0 */
	uint8_t checksum;   /* of the 11 bytes of the short name */
	le16_t units2[6];
	le16_t cluster_low; /* 0 */
	le16_t units3[2];
};
static_assert(sizeof(struct fat_long_slot) == FAT_SLOT_LEN, "long-name slot");

enum { FAT_LFN_LAST = 0x40 };
