/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

static int read_boot_sector(struct fat_volume *vol)
{
	uint32_t unit = blkdev_sector_size(vol->dev);
	uint8_t *buf;
	int r;

	if (blkdev_size(vol->dev) < unit) {
		fat_report(vol, "empty: %" PRIu64 " bytes", blkdev_size(vol->dev));
		return -EMEDIUMTYPE;
	}
	buf = blkdev_buffer_new(unit);
	if (!buf)
		return -ENOMEM;
	r = blkdev_read(vol->dev, 0, buf, unit);
	if (r < 0)
		fat_report(vol, "cannot read the boot sector: %s", strerror(-r));
	else
		memcpy(&vol->boot, buf, sizeof vol->boot);
	free(buf);
	return r;
}

static int decode_geometry(struct fat_volume *vol)
{
	uint64_t device_size = blkdev_size(vol->dev);
	uint32_t unit = blkdev_sector_size(vol->dev);
	const char *why;
	int r;

	r = fat_geometry_decode(&vol->boot, &vol->geo, &why);
	if (r < 0) {
		fat_report(vol, "not usable: %s", why);
		return r;
	}
	if (vol->geo.sector_size < unit) {
		fat_report(vol,
			"not usable: sectors of %" PRIu32 " bytes on a device with sectors of %" PRIu32
			" bytes; Linux cannot mount that either: make the volume anew with mkfs.fat -S %" PRIu32,
			vol->geo.sector_size, unit, unit);
		return -ENOTSUP;
	}
	if (vol->geo.size > device_size) {
		fat_report(vol,
			"truncated: the boot sector says %" PRIu64 " bytes, but there are only %" PRIu64
			" (%" PRIu64 " missing)",
			vol->geo.size, device_size, vol->geo.size - device_size);
		return -EUCLEAN;
	}
	return 0;
}

int fat_open(struct blkdev *dev, const char *name, const struct fat_log *log,
	struct fat_volume **ret)
{
	struct fat_volume *vol = calloc(1, sizeof *vol);
	int r;

	if (!vol)
		return -ENOMEM;
	vol->dev = dev;
	if (log)
		vol->log = *log;
	vol->name = strdup(name);
	r = vol->name ? 0 : -ENOMEM;
	if (r == 0)
		r = read_boot_sector(vol);
	if (r == 0)
		r = decode_geometry(vol);
	if (r == 0)
		r = fat_table_load(vol);
	if (r < 0) {
		fat_close(vol);
		return r;
	}
	*ret = vol;
	return 0;
}

void fat_close(struct fat_volume *vol)
{
	if (!vol)
		return;
	fat_table_free(&vol->table);
	free(vol->reachable);
	free(vol->name);
	free(vol);
}

void fat_set_log(struct fat_volume *vol, const struct fat_log *log)
{
	vol->log = *log;
}

void fat_get_info(const struct fat_volume *vol, struct fat_info *ret)
{
	const struct fat_geometry *geo = &vol->geo;
	uint32_t clean = geo->type == FAT_TYPE_32 ? 0x08000000 : 0x8000;

	*ret = (struct fat_info){
		.type = geo->type,
		.sector_size = geo->sector_size,
		.cluster_size = geo->cluster_size,
		.n_clusters = geo->n_clusters,
		.free_clusters = fat_count_free(vol),
		.size = geo->size,
		.n_fats = geo->n_fats,
		.has_serial = geo->has_serial,
		.serial = geo->serial,
		.dirty = (geo->state & FAT_STATE_DIRTY) ||
			(geo->type != FAT_TYPE_12 && !(vol->table.head[1] & clean)),
	};
	if (!geo->has_label)
		return;
	memcpy(ret->label, geo->label, sizeof geo->label);
	for (size_t i = sizeof geo->label; i > 0 && ret->label[i - 1] == ' '; i--)
		ret->label[i - 1] = '\0';
	if (strcmp(ret->label, "NO NAME") == 0) /* the specification's word for none */
		ret->label[0] = '\0';
}

bool fat_chain_fits(const struct fat_volume *vol, uint32_t first_cluster, uint32_t size)
{
	uint32_t want = fat_clusters_for(vol, size);
	uint32_t cluster = first_cluster;

	if (want == 0)
		return first_cluster == 0;
	for (; want > 0; want--) {
		if (!fat_cluster_valid(vol, cluster))
			return false;
		cluster = fat_next(vol, cluster);
	}
	return cluster == FAT_EOC;
}
