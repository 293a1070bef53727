/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file of a volume, looked up and read whole. Private to lib/. */

#include "lib/internal.h"

static inline bool fes_file_is_dir(const struct fat_entry *entry)
{
	return (entry->attributes & FAT_ATTR_DIRECTORY) != 0;
}

/* Whether @name begins with @begin and ends with @end, in any case. */
bool fes_file_has_shape(const char *name, const char *begin, const char *end);

/*
 * Look @path up. Returns 1 and the entry, 0 when nothing stands there, or an error of fat_lookup(),
 * reported.
 */
int fes_file_find(struct fes_volume *volume, const char *path, struct fat_entry *ret);

/*
 * Read @size bytes of the chain that begins at @first_cluster into memory that is the caller's to
 * free(); there are a few bytes more. How large a file may be is for the caller to say before.
 * @path is for messages.
 *
 * Returns how many bytes there are, -EUCLEAN, -ENOMEM (not reported) or a device error, with @ret
 * untouched.
 */
int64_t fes_file_load(struct fes_volume *volume, uint32_t first_cluster, uint32_t size,
	const char *path, void **ret);

/*
 * Call @fn for all that stands in directory @dir, until it returns anything but 0. Where there is
 * no such directory there is nothing. Returns what @fn did, 0, or an error of fat_dir_open(),
 * reported.
 */
typedef int (*fes_file_fn)(void *userdata, const char *dir, const struct fat_entry *entry);
int fes_file_each(struct fes_volume *volume, const char *dir, fes_file_fn fn, void *userdata);
