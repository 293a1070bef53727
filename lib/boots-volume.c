/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <inttypes.h>

#include "lib/boots.h"

/*
 * What is no damage, and yet keeps somebody from reading a volume.
 *
 * UEFI Specification 2.10, section 13.3.1: FAT32 for a system partition, FAT12 or FAT16 for
 * removable media. In fact EDK2 reads all three.
 *
 * Whether it is FAT12 or FAT16 follows from the number of clusters, and for a volume with 4085 or
 * 4086 of them drivers come to different results: Linux and EDK2 take it for FAT16, Windows does
 * not.
 *
 * EDK2 (FatPkg/EnhancedFatDxe/Init.c, FatOpenDevice()) takes FAT32 with fewer than 65525 clusters
 * for damaged, which mkfs.fat -F 32 makes of small partitions.
 */

enum {
	FAT16_CLUSTERS_MIN = 4085,
	FAT16_CLUSTERS_SURE = 4087, /* for all */
	FAT32_CLUSTERS_MIN = 65525,
};

static int note_type(struct fes_notes *notes, const struct fat_info *info)
{
	if (info->type == FAT_TYPE_32 && info->n_clusters >= FAT32_CLUSTERS_MIN)
		return 0;
	if (info->type == FAT_TYPE_32)
		return fes_notes_add(notes,
			"FAT32 with only %" PRIu32
			" clusters: this firmware may not read it, much of it takes fewer than %d for damage; format it with smaller clusters",
			info->n_clusters, FAT32_CLUSTERS_MIN);
	if (info->n_clusters >= FAT16_CLUSTERS_MIN && info->n_clusters < FAT16_CLUSTERS_SURE)
		return fes_notes_add(notes,
			"with %" PRIu32
			" clusters it is FAT16 for some systems and FAT12 for others; format it with clusters of another size",
			info->n_clusters);
	return fes_notes_add(notes,
		"FAT%d: UEFI asks for FAT32 on system partitions, and this firmware may not read it",
		(int)info->type);
}

static int note_sector_size(struct fes_notes *notes, uint32_t own, uint32_t disk)
{
	if (own == disk || disk == 0)
		return 0;
	return fes_notes_add(notes,
		"the file system has sectors of %" PRIu32 " bytes, the disk has sectors of %" PRIu32
		": %s does not mount that, and this firmware may not read it",
		own, disk, own < disk ? "Linux" : "Windows");
}

int fes_boots_note_readers(const struct fes_boots_volume *judged)
{
	const struct fes_volume *volume = judged->volume;
	int r = note_type(judged->notes, &volume->info);

	return r < 0 ? r : note_sector_size(judged->notes, volume->info.sector_size,
		volume->disk_sector_size);
}

int fes_boots_note_room(const struct fes_boots_volume *judged, uint64_t needed)
{
	struct fat_info info;
	uint64_t free;

	fat_get_info(judged->volume->fat, &info);
	free = ((uint64_t)info.free_clusters + judged->lost_clusters) * info.cluster_size;
	if (free >= needed)
		return 0;
	return fes_notes_add(judged->notes,
		"no room for a further kernel: %" PRIu64 " bytes are free, the largest one here takes %" PRIu64,
		free, needed);
}
