/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

/* Reading goes straight into the caller's buffer, in runs of neighbouring clusters. */
struct fat_file {
	struct fat_volume *vol;
	char *path;
	uint32_t cluster;    /* that holds the next byte */
	uint32_t in_cluster; /* bytes of it already read; a multiple of the sector size */
	uint32_t left;       /* bytes to the end of the file */
};

int fat_file_open(struct fat_volume *vol, uint32_t first_cluster, uint32_t size,
	const char *path, struct fat_file **ret)
{
	struct fat_file *file = calloc(1, sizeof *file);

	if (!file)
		return -ENOMEM;
	*file = (struct fat_file){
		.vol = vol, .path = strdup(path), .cluster = first_cluster, .left = size};
	if (!file->path) {
		free(file);
		return -ENOMEM;
	}
	*ret = file;
	return 0;
}

void fat_file_close(struct fat_file *file)
{
	if (!file)
		return;
	free(file->path);
	free(file);
}

/* Move to the next cluster when the current one is used up. */
static int advance(struct fat_file *file)
{
	if (file->in_cluster == file->vol->geo.cluster_size) {
		file->cluster = fat_next(file->vol, file->cluster);
		file->in_cluster = 0;
	}
	if (fat_cluster_valid(file->vol, file->cluster))
		return 0;
	fat_report(file->vol, "%s: the cluster chain ends before the file does", file->path);
	return -EUCLEAN;
}

/* Bytes from here on that lie one after the other on the device, at most @want. */
static size_t contiguous(const struct fat_file *file, size_t want)
{
	uint32_t size = file->vol->geo.cluster_size, cluster = file->cluster;
	size_t run = size - file->in_cluster;

	while (run < want && fat_next(file->vol, cluster) == cluster + 1 &&
		fat_cluster_valid(file->vol, cluster + 1)) {
		cluster++;
		run += size;
	}
	return run < want ? run : want;
}

/* Step over @run bytes that begin in the current cluster and lie in one row. */
static void skip(struct fat_file *file, size_t run)
{
	uint64_t to = (uint64_t)file->in_cluster + run;
	uint32_t size = file->vol->geo.cluster_size;
	uint32_t steps = (uint32_t)((to - 1) / size);

	file->cluster += steps;
	file->in_cluster = (uint32_t)(to - (uint64_t)steps * size);
}

static int read_run(struct fat_file *file, uint8_t *to, size_t len)
{
	uint64_t offset = fat_cluster_offset(file->vol, file->cluster) + file->in_cluster;
	int r = blkdev_read(file->vol->dev, offset, to, len);

	if (r < 0)
		fat_report(file->vol, "%s: cannot read cluster %" PRIu32 " (byte %" PRIu64 "): %s",
			file->path, file->cluster, offset, strerror(-r));
	return r;
}

int64_t fat_file_read(struct fat_file *file, void *buf, size_t len)
{
	uint32_t sector = file->vol->geo.sector_size;
	size_t want = len < file->left ? len : file->left, done = 0;

	if (len == 0 || len % sector != 0)
		return -EINVAL;
	while (done < want) {
		size_t rest = (want - done + sector - 1) / sector * sector, run;
		int r = advance(file);

		if (r < 0)
			return r;
		run = contiguous(file, rest);
		r = read_run(file, (uint8_t *)buf + done, run);
		if (r < 0)
			return r;
		skip(file, run);
		done += run;
	}
	file->left -= (uint32_t)want;
	return (int64_t)want;
}
