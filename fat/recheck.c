/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fat/internal.h"

int fat_recheck_device(const struct fat_volume *vol)
{
	uint64_t size = 0;
	int r = blkdev_recheck(vol->dev, &size);

	switch (-r) {
	case 0:
		break;
	case ENXIO:
		fat_report(vol, "the device is gone");
		break;
	case EROFS:
		fat_report(vol, "it became write-protected");
		break;
	case ESTALE:
		fat_report(vol,
			"its size changed from %" PRIu64 " to %" PRIu64 " bytes since it was opened",
			blkdev_size(vol->dev), size);
		break;
	default:
		fat_report(vol, "the device does not say whether it is still the same: %s",
			strerror(-r));
	}
	return r;
}

/* All that is known so far of a disk that was pulled out is that transfers fail. */
int fat_blame_device(const struct fat_volume *vol, int r)
{
	if (r == -EIO || r == -ENODEV)
		(void)fat_recheck_device(vol);
	return r;
}
