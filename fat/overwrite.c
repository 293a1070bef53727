/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

/*
 * Contents that are changed where they stand, so that the old ones are gone from the medium.
 *
 *   head     One sector gets the new bytes, with zeros behind them. Barrier, read back.
 *            Power cut: it has the old bytes or the new ones.
 *   rest     All else in the file's clusters becomes zero. Barrier, read back.
 *            Power cut: some of it is zero.
 *
 * Clusters become zero to their ends: behind the end of the file can be what is left of a longer
 * one, and nobody reads that.
 *
 * The device is asked whether it still is what was opened before the first write and at the end.
 * What is written may be secret, and so are buffers with it.
 */

struct overwrite {
	struct fat_volume *vol;
	const char *path;
	uint32_t first_cluster;
	uint32_t n_clusters;
	const void *head;
	size_t head_len; /* 0: all of it becomes zero */
	uint8_t *want;  /* a cluster as it is to be */
	uint8_t *found; /* a cluster as it is */
	bool wrote;
};

static void free_secret(void *buf, size_t len)
{
	if (buf)
		explicit_bzero(buf, len);
	free(buf);
}

static int report_failure(const struct overwrite *o, const char *what, uint64_t offset, int r)
{
	fat_report(o->vol, "%s: %s at byte %" PRIu64 ": %s", o->path, what, offset, strerror(-r));
	return r;
}

static int read_at(const struct overwrite *o, uint64_t offset, size_t len)
{
	int r = blkdev_read(o->vol->dev, offset, o->found, len);

	return r < 0 ? report_failure(o, "cannot be read", offset, r) : 0;
}

static int write_at(const struct overwrite *o, uint64_t offset, const void *bytes, size_t len)
{
	int r = blkdev_write(o->vol->dev, offset, bytes, len);

	return r < 0 ? report_failure(o, "cannot be overwritten", offset, r) : 0;
}

static int read_back_at(const struct overwrite *o, uint64_t offset, size_t len)
{
	int r = read_at(o, offset, len);

	if (r == 0 && memcmp(o->found, o->want, len) != 0)
		r = report_failure(o, "cannot be read back as written", offset, -EIO);
	return r;
}

static int overwrite_head(struct overwrite *o)
{
	uint64_t start = fat_cluster_offset(o->vol, o->first_cluster), offset;
	uint32_t unit = blkdev_sector_size(o->vol->dev);
	size_t len;
	int r;

	fat_surrounding_block(
		o->vol, start, start, start + o->vol->geo.cluster_size, &offset, &len);
	r = read_at(o, offset, len);
	if (r < 0)
		return r;
	memcpy(o->found, o->want, unit);
	r = write_at(o, offset, o->found, len);
	if (r == 0)
		r = fat_barrier(o->vol);
	return r < 0 ? r : read_back_at(o, start, unit);
}

/* Clusters that are zero already are not written: the next time there is nothing to do. */
static int clear_cluster(struct overwrite *o, uint32_t cluster)
{
	uint64_t offset = fat_cluster_offset(o->vol, cluster);
	size_t len = o->vol->geo.cluster_size;
	int r = read_at(o, offset, len);

	if (r < 0 || memcmp(o->found, o->want, len) == 0)
		return r;
	o->wrote = true;
	return write_at(o, offset, o->want, len);
}

static int check_cluster(struct overwrite *o, uint32_t cluster)
{
	return read_back_at(o, fat_cluster_offset(o->vol, cluster), o->vol->geo.cluster_size);
}

static void want_head(struct overwrite *o)
{
	memset(o->want, 0, o->vol->geo.cluster_size);
	if (o->head_len > 0)
		memcpy(o->want, o->head, o->head_len);
}

/* For each cluster of the file, with o->want as it is to be. The chain was checked. */
static int each_cluster(struct overwrite *o, int (*step)(struct overwrite *o, uint32_t cluster))
{
	uint32_t cluster = o->first_cluster;
	int r = 0;

	want_head(o);
	for (uint32_t i = 0; r == 0 && i < o->n_clusters; i++) {
		r = step(o, cluster);
		memset(o->want, 0, o->head_len);
		cluster = fat_next(o->vol, cluster);
	}
	return r;
}

static int clear_rest(struct overwrite *o)
{
	int r = each_cluster(o, clear_cluster);

	if (r < 0 || !o->wrote)
		return r;
	r = fat_barrier(o->vol);
	return r < 0 ? r : each_cluster(o, check_cluster);
}

static int overwrite(struct overwrite *o)
{
	int r = fat_recheck_device(o->vol);

	want_head(o);
	if (r == 0 && o->head_len > 0)
		r = overwrite_head(o);
	if (r == 0)
		r = clear_rest(o);
	if (r == 0)
		r = fat_recheck_device(o->vol);
	return fat_blame_device(o->vol, r);
}

static int overwrite_with_buffers(struct overwrite *o)
{
	size_t len = o->vol->geo.cluster_size;
	int r;

	o->want = blkdev_buffer_new(len);
	o->found = blkdev_buffer_new(len);
	r = o->want && o->found ? overwrite(o) : -ENOMEM;
	free_secret(o->want, len);
	free_secret(o->found, len);
	return r;
}

static bool is_sound(const struct fat_volume *vol)
{
	return vol->reachable && vol->check.n_damage == 0;
}

/* Also that each is there: a volume that has no damage may have changed under our hands. */
static int require_chain(const struct overwrite *o)
{
	uint32_t cluster = o->first_cluster;

	for (uint32_t i = 0; i < o->n_clusters; i++) {
		if (!fat_cluster_valid(o->vol, cluster)) {
			fat_report(
				o->vol, "%s: the cluster chain ends before the file does", o->path);
			return -EUCLEAN;
		}
		cluster = fat_next(o->vol, cluster);
	}
	return 0;
}

int fat_file_overwrite(struct fat_volume *vol, uint32_t first_cluster, uint32_t size,
	const char *path, const void *head, size_t head_len)
{
	struct overwrite o = {
		.vol = vol,
		.path = path,
		.first_cluster = first_cluster,
		.n_clusters = fat_clusters_for(vol, size),
		.head = head,
		.head_len = head_len,
	};
	int r;

	if (head_len == 0 || head_len > size || head_len > blkdev_sector_size(vol->dev))
		return -EINVAL;
	if (!is_sound(vol))
		return -EUCLEAN;
	r = require_chain(&o);
	return r < 0 ? r : overwrite_with_buffers(&o);
}

int fat_wipe_free(struct fat_volume *vol, uint32_t cluster, const char *path)
{
	struct overwrite o = {.vol = vol, .path = path, .first_cluster = cluster, .n_clusters = 1};

	if (!is_sound(vol))
		return -EUCLEAN;
	if (!fat_cluster_valid(vol, cluster) || fat_next(vol, cluster) != FAT_FREE)
		return 0;
	return overwrite_with_buffers(&o);
}
