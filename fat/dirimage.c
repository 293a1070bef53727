/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

static int bad_chain(const struct fat_volume *vol, const char *path, uint32_t cluster)
{
	fat_report(vol, "%s: the directory's cluster chain leads to cluster %" PRIu32
		", which is none of it", path, cluster);
	return -EUCLEAN;
}

/* Follow the chain, bounded by the largest directory there can be. */
static int collect_clusters(struct fat_volume *vol, uint32_t first, const char *path,
	struct fat_dir_image *image)
{
	uint32_t limit = FAT_DIR_MAX_SLOTS * FAT_SLOT_LEN / vol->geo.cluster_size;
	uint32_t cluster = first, room = 0;

	if (limit == 0)
		limit = 1;
	do {
		if (!fat_cluster_valid(vol, cluster))
			return bad_chain(vol, path, cluster);
		if (image->n_clusters == limit) {
			fat_report(vol, "%s: the directory is longer than %u entries, or loops",
				path, FAT_DIR_MAX_SLOTS);
			return -EUCLEAN;
		}
		if (image->n_clusters == room) {
			uint32_t *more;

			room = room ? room * 2 : 4;
			more = realloc(image->clusters, room * sizeof *more);
			if (!more)
				return -ENOMEM;
			image->clusters = more;
		}
		image->clusters[image->n_clusters++] = cluster;
		cluster = fat_next(vol, cluster);
	} while (cluster != FAT_EOC);
	return 0;
}

static int read_bytes(struct fat_volume *vol, struct fat_dir_image *image)
{
	uint32_t len = image->n_slots * FAT_SLOT_LEN, done = 0;

	while (done < len) {
		uint64_t offset = fat_dir_image_offset(vol, image, done / FAT_SLOT_LEN);
		uint32_t run = image->clusters ? vol->geo.cluster_size : len;
		int r;

		while (done + run < len &&
			fat_dir_image_offset(vol, image, (done + run) / FAT_SLOT_LEN) == offset + run)
			run += vol->geo.cluster_size;
		r = blkdev_read(vol->dev, offset, image->bytes + done, run);
		if (r < 0) {
			fat_report(vol, "%s: cannot read the directory at byte %" PRIu64 ": %s",
				image->path, offset, strerror(-r));
			return r;
		}
		done += run;
	}
	return 0;
}

int fat_dir_image_load(struct fat_volume *vol, uint32_t first_cluster, const char *path,
	struct fat_dir_image *ret)
{
	struct fat_dir_image image = {.first_cluster = first_cluster};
	bool fixed = first_cluster == 0 && vol->geo.type != FAT_TYPE_32;
	int r = 0;

	image.path = strdup(path);
	if (!image.path)
		return -ENOMEM;
	if (!fixed)
		r = collect_clusters(vol, first_cluster ? first_cluster : vol->geo.root_cluster, path,
			&image);
	if (r == 0) {
		image.n_slots = fixed ? vol->geo.root_slots
			: image.n_clusters * (vol->geo.cluster_size / FAT_SLOT_LEN);
		image.bytes = blkdev_buffer_new((size_t)image.n_slots * FAT_SLOT_LEN);
		r = image.bytes ? read_bytes(vol, &image) : -ENOMEM;
	}
	if (r < 0) {
		fat_dir_image_done(&image);
		return r;
	}
	*ret = image;
	return 0;
}

void fat_dir_image_done(struct fat_dir_image *image)
{
	free(image->path);
	free(image->bytes);
	free(image->clusters);
	*image = (struct fat_dir_image){0};
}

uint64_t fat_dir_image_offset(const struct fat_volume *vol, const struct fat_dir_image *image,
	uint32_t slot)
{
	uint64_t byte = (uint64_t)slot * FAT_SLOT_LEN;

	if (!image->clusters)
		return vol->geo.root_offset + byte;
	return fat_cluster_offset(vol, image->clusters[byte / vol->geo.cluster_size]) +
		byte % vol->geo.cluster_size;
}
