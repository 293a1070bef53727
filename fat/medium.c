/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>

#include "fat/internal.h"

int fat_barrier(struct fat_volume *vol)
{
	int r = blkdev_flush(vol->dev);

	if (r < 0)
		fat_report(vol, "the device cannot make writes durable: %s", strerror(-r));
	return r;
}

void fat_surrounding_block(const struct fat_volume *vol, uint64_t offset, uint64_t region_start,
	uint64_t region_end, uint64_t *ret_offset, size_t *ret_len)
{
	uint32_t unit = blkdev_sector_size(vol->dev), block = blkdev_physical_size(vol->dev);
	uint64_t start = offset / block * block;

	*ret_offset = offset;
	*ret_len = unit;
	if (start < region_start || start + block > region_end)
		return;
	*ret_offset = start;
	*ret_len = block;
}
