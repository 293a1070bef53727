/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "fat/internal.h"

/*
 * From the boot sector to numbers that can be trusted. Everything is computed in 64 bits in a
 * local and copied out at the end. What only some readers take is refused here when a wrong
 * guess would change where structures lie, and left to fat_check() when it would not.
 */

static bool is_power_of_two(uint32_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* "FAT Type Determination" goes by the cluster count; yet every driver first asks this. */
static bool is_fat32(const struct fat_boot_sector *boot)
{
	return le16_get(boot->fat_sectors_16) == 0;
}

static bool media_valid(uint8_t media)
{
	return media == 0xf0 || media >= 0xf8;
}

/* Whether this is a FAT boot sector at all: fields that no other format has like this. */
static const char *why_not_fat(const struct fat_boot_sector *boot)
{
	uint32_t sector = le16_get(boot->bytes_per_sector);

	if (!is_power_of_two(sector) || sector < 512 || sector > 4096)
		return "no FAT boot sector (bytes per sector)";
	if (!is_power_of_two(boot->sectors_per_cluster))
		return "no FAT boot sector (sectors per cluster)";
	if (le16_get(boot->reserved_sectors) == 0)
		return "no FAT boot sector (reserved sectors)";
	if (boot->n_fats == 0)
		return "no FAT boot sector (number of FAT copies)";
	if (!media_valid(boot->media))
		return "no FAT boot sector (media byte)";
	return NULL;
}

static void decode_identity(const struct fat_boot_sector *boot, struct fat_geometry *geo)
{
	bool fat32 = geo->type == FAT_TYPE_32;

	geo->state = fat32 ? boot->u.fat32.state : boot->u.fat16.state;
	if ((fat32 ? boot->u.fat32.signature : boot->u.fat16.signature) != FAT_EXTENDED_SIGNATURE)
		return;
	geo->has_serial = geo->has_label = true;
	geo->serial = le32_get(fat32 ? boot->u.fat32.serial : boot->u.fat16.serial);
	memcpy(geo->label, fat32 ? boot->u.fat32.label : boot->u.fat16.label, sizeof geo->label);
}

static uint64_t reserved_sector_offset(const struct fat_boot_sector *boot, le16_t sector)
{
	uint16_t number = le16_get(sector);

	if (number == 0 || number >= le16_get(boot->reserved_sectors))
		return 0;
	return (uint64_t)number * le16_get(boot->bytes_per_sector);
}

static int decode_fat32(const struct fat_boot_sector *boot, struct fat_geometry *geo,
	const char **why)
{
	if (le16_get(boot->u.fat32.version) != 0) {
		*why = "a FAT32 version that is not known";
		return -ENOTSUP;
	}
	if (le16_get(boot->u.fat32.ext_flags) & FAT_EXT_NO_MIRRORING) {
		*why = "mirroring of the FAT copies is switched off, firmware refuses that too";
		return -ENOTSUP;
	}
	if (le16_get(boot->root_entries) != 0) {
		*why = "the boot sector gives FAT32 a fixed root directory";
		return -EUCLEAN;
	}
	geo->root_cluster = le32_get(boot->u.fat32.root_cluster);
	if (geo->root_cluster < 2 || geo->root_cluster - 2 >= geo->n_clusters) {
		*why = "the root directory's first cluster lies outside the volume";
		return -EUCLEAN;
	}
	geo->fsinfo_offset = reserved_sector_offset(boot, boot->u.fat32.fsinfo_sector);
	geo->backup_offset = reserved_sector_offset(boot, boot->u.fat32.backup_sector);
	if (geo->fsinfo_offset == geo->backup_offset)
		geo->fsinfo_offset = 0;
	return 0;
}

/* "FAT Type Determination"; at the borders as Linux, EDK2 and fsck.fat do it. */
static enum fat_type type_of(const struct fat_boot_sector *boot, uint32_t n_clusters)
{
	if (is_fat32(boot))
		return FAT_TYPE_32;
	return n_clusters < 4085 ? FAT_TYPE_12 : FAT_TYPE_16;
}

static int decode_layout(const struct fat_boot_sector *boot, struct fat_geometry *geo,
	const char **why)
{
	uint64_t sector = le16_get(boot->bytes_per_sector);
	uint64_t reserved = le16_get(boot->reserved_sectors);
	uint64_t fat_sectors = is_fat32(boot) ? le32_get(boot->u.fat32.fat_sectors)
					      : le16_get(boot->fat_sectors_16);
	uint64_t total = le16_get(boot->total_sectors_16);
	uint64_t root_bytes = (uint64_t)le16_get(boot->root_entries) * FAT_SLOT_LEN;
	uint64_t data, clusters;

	if (total == 0)
		total = le32_get(boot->total_sectors_32);
	if (fat_sectors == 0) {
		*why = "the boot sector gives the FAT no sectors";
		return -EUCLEAN;
	}
	if (root_bytes % sector != 0) {
		*why = "the root directory is no whole number of sectors";
		return -EUCLEAN;
	}
	data = reserved + boot->n_fats * fat_sectors + root_bytes / sector;
	if (total <= data) {
		*why = "the boot sector leaves no room for data";
		return -EUCLEAN;
	}
	clusters = (total - data) / boot->sectors_per_cluster;
	if (clusters == 0 || clusters > FAT_BAD - 2) {
		*why = "the boot sector gives an impossible number of clusters";
		return -EUCLEAN;
	}

	geo->sector_size = (uint32_t)sector;
	geo->cluster_size = (uint32_t)(sector * boot->sectors_per_cluster);
	geo->fat_offset = reserved * sector;
	geo->fat_size = fat_sectors * sector;
	geo->n_fats = boot->n_fats;
	geo->root_slots = le16_get(boot->root_entries);
	geo->root_offset = geo->fat_offset + geo->n_fats * geo->fat_size;
	geo->data_offset = data * sector;
	geo->n_clusters = (uint32_t)clusters;
	geo->size = total * sector;
	geo->media = boot->media;
	geo->type = type_of(boot, geo->n_clusters);
	return 0;
}

/* More clusters than the FAT has entries: drivers clip silently, each at another place. */
static int check_capacity(const struct fat_geometry *geo, const char **why)
{
	uint64_t entries = geo->fat_size * 8 / geo->type;

	if (geo->type == FAT_TYPE_16 && geo->n_clusters >= 65525) {
		*why = "too many clusters for FAT16";
		return -EUCLEAN;
	}
	if ((uint64_t)geo->n_clusters + 2 > entries) {
		*why = "the FAT is too small for the number of clusters";
		return -EUCLEAN;
	}
	if (geo->type != FAT_TYPE_32 && geo->root_slots == 0) {
		*why = "the boot sector gives no root directory";
		return -EUCLEAN;
	}
	return 0;
}

int fat_geometry_decode(const struct fat_boot_sector *boot, struct fat_geometry *ret,
	const char **why)
{
	struct fat_geometry geo = {0};
	int r;

	*why = why_not_fat(boot);
	if (*why)
		return -EMEDIUMTYPE;
	if (boot->n_fats > 2) {
		*why = "more than two FAT copies";
		return -ENOTSUP;
	}
	r = decode_layout(boot, &geo, why);
	if (r < 0)
		return r;
	r = check_capacity(&geo, why);
	if (r < 0)
		return r;
	if (geo.type == FAT_TYPE_32) {
		r = decode_fat32(boot, &geo, why);
		if (r < 0)
			return r;
	}
	decode_identity(boot, &geo);
	*ret = geo;
	return 0;
}
