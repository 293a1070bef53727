/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/file.h"

bool fes_file_has_shape(const char *name, const char *begin, const char *end)
{
	size_t len = strlen(name), n_begin = strlen(begin), n_end = strlen(end);

	return len >= n_begin + n_end && strncasecmp(name, begin, n_begin) == 0 &&
		strcasecmp(name + len - n_end, end) == 0;
}

int fes_file_find(struct fes_volume *volume, const char *path, struct fat_entry *ret)
{
	int r = fat_lookup(volume->fat, path, ret);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	return r < 0 ? r : 1;
}

int64_t fes_file_load(struct fes_volume *volume, uint32_t first_cluster, uint32_t size,
	const char *path, void **ret)
{
	size_t room = ((size_t)size / 4096 + 1) * 4096; /* whole sectors of any size */
	struct fat_file *file;
	void *bytes;
	int64_t n;
	int r;

	r = fat_file_open(volume->fat, first_cluster, size, path, &file);
	if (r < 0)
		return r;
	bytes = blkdev_buffer_new(room);
	n = bytes ? fat_file_read(file, bytes, room) : -ENOMEM;
	fat_file_close(file);
	if (n < 0)
		free(bytes);
	else
		*ret = bytes;
	return n;
}

int fes_file_each(struct fes_volume *volume, const char *dir, fes_file_fn fn, void *userdata)
{
	struct fat_entry entry;
	struct fat_dir *fat_dir;
	int r = fes_file_find(volume, dir, &entry);

	if (r <= 0 || !fes_file_is_dir(&entry) || entry.first_cluster == 0)
		return r < 0 ? r : 0;
	r = fat_dir_open(volume->fat, entry.first_cluster, dir, &fat_dir);
	if (r < 0)
		return r;
	while (r == 0 && fat_dir_next(fat_dir, &entry) > 0)
		r = fn(userdata, dir, &entry);
	fat_dir_close(fat_dir);
	return r;
}
