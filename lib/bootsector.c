/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stddef.h>
#include <string.h>

#include "fat/ondisk.h"

#include "lib/spec.h"

/*
 * What stands at the front of a disk or image is ambiguous: a FAT boot sector ends in 55AA as an
 * MBR does and has boot code where the MBR has its entries; a disk can carry a BPB in its MBR,
 * or begin with the boot sector of what was there before. The rule: a plausible BPB means a bare
 * volume, unless the four MBR entries are plausible too, each of them, and not all empty. (A
 * volume made by "mkfs.fat --mbr" has an entry that begins at sector 0 and covers the volume
 * itself; no real partition does.) Everything else is for libfdisk to say.
 */

enum {
	MBR_ENTRIES = 446,
	MBR_N_ENTRIES = 4,
	MBR_ENTRY_LEN = 16,
	MBR_ACTIVE = 0x80,
	MBR_PROTECTIVE = 0xee,
};

static uint32_t le32_at(const uint8_t *bytes)
{
	le32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32_get(value);
}

static bool entry_is_plausible(const uint8_t *entry, uint64_t n_sectors)
{
	uint8_t type = entry[4];
	uint32_t start = le32_at(entry + 8);
	uint32_t size = le32_at(entry + 12);

	if (entry[0] != 0 && entry[0] != MBR_ACTIVE)
		return false;
	if (type == 0)
		return start == 0 && size == 0;
	if (type == MBR_PROTECTIVE)
		return start > 0 && size > 0;
	return start > 0 && size > 0 && (uint64_t)start + size <= n_sectors;
}

bool fes_boot_has_mbr_entries(const struct fat_boot_sector *boot, uint64_t n_sectors)
{
	const uint8_t *sector = (const uint8_t *)boot;
	bool used = false;
	unsigned i;

	if (boot->end_signature[0] != 0x55 || boot->end_signature[1] != 0xaa)
		return false;
	for (i = 0; i < MBR_N_ENTRIES; i++) {
		const uint8_t *entry = sector + MBR_ENTRIES + (size_t)i * MBR_ENTRY_LEN;

		if (!entry_is_plausible(entry, n_sectors))
			return false;
		used = used || entry[4] != 0;
	}
	return used;
}

static bool is_power_of_two(unsigned n)
{
	return n > 0 && (n & (n - 1)) == 0;
}

bool fes_boot_has_bpb(const struct fat_boot_sector *boot)
{
	uint16_t sector_size = le16_get(boot->bytes_per_sector);

	if (memcmp(boot->u.fat16.type_text, "FAT1", 4) == 0 ||
		memcmp(boot->u.fat32.type_text, "FAT32", 5) == 0)
		return true;
	return is_power_of_two(sector_size) && sector_size >= 512 && sector_size <= 4096 &&
		is_power_of_two(boot->sectors_per_cluster) &&
		le16_get(boot->reserved_sectors) > 0 && boot->n_fats > 0 && boot->n_fats <= 4 &&
		(boot->media == 0xf0 || boot->media >= 0xf8);
}
