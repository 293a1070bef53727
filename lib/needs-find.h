/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of lib/needs.h that find out what booting needs. */

#include "lib/needs.h"

/* What is being found out, of which volume. All is borrowed. */
struct fes_finder {
	struct fes_needs *needs;
	struct fes_volume *volume;
	const struct fes_managed *managed;
	const struct fes_tree *primary; /* NULL: @volume is the primary */
};

/* ---- needs.c ---- */

/* Whether @path is other systems': Windows', firmware updates, the file system's own. */
bool fes_path_is_off_limits(const char *path);

/* The file at @path is needed, unless it is off limits or managed anyway. 0 or -ENOMEM. */
int fes_finder_need_file(const struct fes_finder *finder, const char *path);

/* ---- needs-loaders.c ---- */

/* Find what firmware starts by itself. Errors of fes_needs_find(). */
int fes_finder_find_loaders(struct fes_finder *finder);

/*
 * Find helpers that the mirror got with the primary's shim: shim goes on to start what the primary has not
 * any more, such as the fallback that comes before its second stage. Errors of fes_needs_find().
 */
int fes_finder_find_old_helpers(const struct fes_finder *finder);

/* ---- needs-mirror.c ---- */

/*
 * Whether the mirror's file at @path, whose short entry is @slot, came there by a sync, or was there at
 * one, and was not changed since. 1, 0 or -ENOMEM.
 */
int fes_finder_has_mark(const struct fes_finder *finder, const char *path,
	const struct fat_short_slot *slot);

/*
 * What is different on a mirror: files that were referred to once come in, and what is its own
 * stays.
 * @force as for fes_needs_find_mirror(). Errors of that.
 */
int fes_finder_find_referred(const struct fes_finder *finder);
int fes_finder_need_referred(const struct fes_finder *finder, const char *path);
int fes_finder_keep_own(const struct fes_finder *finder, bool force);
