/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/check.h"

/*
 * The reserved region and the first two FAT entries. A sync never writes there, but for the free
 * count, so nearly all of it is harmless; what is wrong is said because firmware, mtools or
 * fsck.fat mind.
 */

enum {
	FIRST_FAT16 = 4085, /* clusters; some drivers put the border at 4086 or 4087 */
	FIRST_CERTAIN_FAT16 = 4087,
	FIRST_FAT32 = 65525,
};

static int read_sector(struct check *check, uint64_t offset, const char *what, void *ret,
	size_t len)
{
	struct fat_volume *vol = check->vol;
	uint8_t *buf = blkdev_buffer_new(vol->geo.sector_size);
	int r;

	if (!buf)
		return -ENOMEM;
	r = blkdev_read(vol->dev, offset, buf, vol->geo.sector_size);
	if (r < 0)
		fat_report(
			vol, "cannot read %s at byte %" PRIu64 ": %s", what, offset, strerror(-r));
	else
		memcpy(ret, buf, len);
	free(buf);
	return r;
}

static void check_cluster_count(struct check *check)
{
	const struct fat_geometry *geo = &check->vol->geo;
	uint32_t n = geo->n_clusters;

	if (geo->type == FAT_TYPE_32 && n < FIRST_FAT32)
		check_finding(check, FAT_HARMLESS, NULL,
			"FAT32 with only %" PRIu32
			" clusters: firmware may not read it, it wants %u",
			n, FIRST_FAT32);
	if (geo->type != FAT_TYPE_32 && n >= FIRST_FAT16 && n < FIRST_CERTAIN_FAT16)
		check_finding(check, FAT_HARMLESS, NULL,
			"%" PRIu32 " clusters: some systems take this FAT16 volume for FAT12", n);
}

static int check_backup(struct check *check)
{
	const struct fat_geometry *geo = &check->vol->geo;
	struct fat_boot_sector backup;
	int r;

	if (geo->type != FAT_TYPE_32)
		return 0;
	if (geo->backup_offset == 0) {
		check_finding(check, FAT_HARMLESS, NULL, "no backup boot sector");
		return 0;
	}
	r = read_sector(
		check, geo->backup_offset, "the backup boot sector", &backup, sizeof backup);
	if (r < 0)
		return r;
	if (memcmp(&backup, &check->vol->boot, sizeof backup) != 0)
		check_finding(check, FAT_HARMLESS, NULL,
			"the backup boot sector (sector %" PRIu64 ") differs from the boot sector",
			geo->backup_offset / geo->sector_size);
	return 0;
}

int check_boot(struct check *check)
{
	if (check->vol->geo.state & FAT_STATE_DIRTY)
		check_finding(check, FAT_HARMLESS, NULL,
			"marked dirty in the boot sector: mounted now, or not unmounted properly");
	check_cluster_count(check);
	return check_backup(check);
}

static bool fsinfo_valid(const struct fat_fsinfo *info)
{
	return le32_get(info->lead_signature) == FAT_FSINFO_LEAD &&
		le32_get(info->struct_signature) == FAT_FSINFO_STRUCT &&
		le32_get(info->trail_signature) == FAT_FSINFO_TRAIL;
}

int check_fsinfo(struct check *check)
{
	const struct fat_geometry *geo = &check->vol->geo;
	uint32_t is_free = fat_count_free(check->vol), says;
	struct fat_fsinfo info;
	int r;

	if (geo->type != FAT_TYPE_32)
		return 0;
	if (geo->fsinfo_offset == 0) {
		check_finding(check, FAT_HARMLESS, NULL, "no FSInfo sector");
		return 0;
	}
	r = read_sector(check, geo->fsinfo_offset, "the FSInfo sector", &info, sizeof info);
	if (r < 0)
		return r;
	if (!fsinfo_valid(&info)) {
		check_finding(check, FAT_HARMLESS, NULL,
			"wrong signatures in the FSInfo sector (sector %" PRIu64
			"): the volume may not be found by its UUID",
			geo->fsinfo_offset / geo->sector_size);
		return 0;
	}
	says = le32_get(info.free_clusters);
	check->result.free_count_wrong = says != is_free;
	if (says == FAT_FSINFO_UNKNOWN)
		check_finding(check, FAT_HARMLESS, NULL,
			"free count in the FSInfo sector not set, it should be %" PRIu32, is_free);
	else if (says != is_free)
		check_finding(check, FAT_HARMLESS, NULL,
			"free count in the FSInfo sector wrong: %" PRIu32 " instead of %" PRIu32,
			says, is_free);
	return 0;
}

/* An entry with all bits set. */
static uint32_t ones(const struct fat_volume *vol)
{
	return vol->geo.type == FAT_TYPE_12   ? 0xfff
	       : vol->geo.type == FAT_TYPE_16 ? 0xffff
					      : FAT_EOC;
}

/* FAT[0]: the media byte below ones. Those who doubt a FAT copy doubt it by these bits. */
static void check_media(struct check *check, unsigned copy, uint32_t head)
{
	uint32_t want = (ones(check->vol) & ~0xffu) | check->vol->geo.media;

	head &= ones(check->vol);
	if ((head | 0xff) != (want | 0xff))
		check_finding(check, FAT_DAMAGE, NULL,
			"FAT copy %u seems corrupt: its entry 0 is 0x%" PRIx32
			" instead of 0x%" PRIx32,
			copy + 1, head, want);
	else if (head != want)
		check_finding(check, FAT_HARMLESS, NULL,
			"media byte 0x%02" PRIx32 " in FAT copy %u, 0x%02x in the boot sector",
			head & 0xff, copy + 1, check->vol->geo.media);
}

/*
 * FAT[1]: all ones, but that the two topmost bits are flags on FAT16 and FAT32. Windows clears
 * the top bit of the 32 instead.
 */
static void check_flags(struct check *check, uint32_t head)
{
	const struct fat_volume *vol = check->vol;
	uint32_t top = (ones(vol) >> 1) + 1, value = head & ones(vol);
	bool windows_dirty = vol->geo.type == FAT_TYPE_32 && head >> 28 == 7;

	if (vol->geo.type == FAT_TYPE_12) {
		top = 0;
	} else {
		if (!(value & top) || windows_dirty)
			check_finding(check, FAT_HARMLESS, NULL,
				"marked dirty in entry 1 of the FAT: not unmounted properly%s",
				vol->geo.type == FAT_TYPE_16 ? "; mtools refuses it" : "");
		if (!(value & top >> 1))
			check_finding(check, FAT_HARMLESS, NULL,
				"entry 1 of the FAT says that the device had errors");
	}
	if ((value | top | top >> 1) < (ones(vol) & ~7u))
		check_finding(check, FAT_HARMLESS, NULL,
			"entry 1 of the FAT is 0x%" PRIx32 ", no end mark", value);
}

int check_head(struct check *check)
{
	struct fat_volume *vol = check->vol;
	uint32_t head[2];
	int r;

	check_media(check, 0, vol->table.head[0]);
	check_flags(check, vol->table.head[1]);
	if (vol->table.high_nibble)
		check_finding(check, FAT_HARMLESS, NULL,
			"the top four bits of some FAT entries are set; GRUB cannot read such "
			"files");
	if (vol->geo.n_fats < 2)
		return 0;
	r = fat_table_read_head(vol, 1, head);
	if (r < 0)
		return r;
	if (head[0] != vol->table.head[0])
		check_media(check, 1, head[0]);
	check->heads_differ = memcmp(head, vol->table.head, sizeof head) != 0;
	if (check->heads_differ)
		check_finding(check, FAT_HARMLESS, NULL,
			"the FAT copies differ in the first two entries: 0x%" PRIx32 " 0x%" PRIx32
			" and 0x%" PRIx32 " 0x%" PRIx32,
			vol->table.head[0], vol->table.head[1], head[0], head[1]);
	return 0;
}

static bool label_valid(const uint8_t label[11])
{
	for (size_t i = 0; i < 11; i++)
		if (label[i] < 0x20 || strchr("\"*+,./:;<=>?[\\]|", label[i]))
			return false;
	return label[0] != ' ';
}

static void compare_labels(struct check *check)
{
	const uint8_t *in_boot = check->vol->geo.label;
	char boot[12], root[12];

	check_text(in_boot, 11, boot);
	check_text(check->label, 11, root);
	if (check->n_labels == 0 && memcmp(in_boot, "NO NAME    ", 11) != 0)
		check_finding(check, FAT_HARMLESS, NULL,
			"volume label '%s' in the boot sector, none in the root directory", boot);
	if (check->n_labels > 0 && memcmp(in_boot, check->label, 11) != 0)
		check_finding(check, FAT_HARMLESS, NULL,
			"volume label '%s' in the boot sector, '%s' in the root directory", boot,
			root);
}

void check_label(struct check *check)
{
	if (check->n_labels > 0 && check->label[0] == FAT_SLOT_KANJI)
		check->label[0] = FAT_SLOT_DELETED;
	if (check->n_labels > 0 && !label_valid(check->label))
		check_finding(check, FAT_HARMLESS, NULL,
			"volume label in the root directory with characters that are not allowed");
	if (check->vol->geo.has_label)
		compare_labels(check);
	else
		check_finding(check, FAT_HARMLESS, NULL,
			"boot sector without serial number and label");
}
