/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sets of paths, compared as FAT compares names. Private to lib/. */

#include <stdbool.h>
#include <stddef.h>

#include "fat/fat.h"

/* Of a path with one '/' before each part. A longer one leads to nothing that we would read. */
enum {
	FES_PATH_PARTS_MAX = FAT_DEPTH_MAX + 1, /* a file in the deepest directory */
	FES_PATH_LEN_MAX = 4096,                /* bytes, without NUL */
};

struct fes_paths {
	char **list; /* folded, after fes_paths_settle() in strcmp() order and each once */
	size_t n;
	size_t room;
};

/*
 * @path with each part in the form of fat_name_fold(), one '/' before each part. free() it; NULL: out of
 * memory. "" is the root's.
 */
char *fes_path_fold(const char *path);

/* Put @path into the set. 0 or -ENOMEM. */
int fes_paths_add(struct fes_paths *paths, const char *path);

/* The directories above @path, but for the root; of more than FES_PATH_PARTS_MAX the topmost. */
int fes_paths_add_above(struct fes_paths *paths, const char *path);

/* All of @from. */
int fes_paths_add_all(struct fes_paths *paths, const struct fes_paths *from);

/* To be called when all are in it, before it is asked. */
void fes_paths_settle(struct fes_paths *paths);
void fes_paths_done(struct fes_paths *paths);

/* Whether @folded, a path as fes_path_fold() gives it, is in the set; whether it is or lies below one. */
bool fes_paths_has(const struct fes_paths *paths, const char *folded);
bool fes_paths_cover(const struct fes_paths *paths, const char *folded);
