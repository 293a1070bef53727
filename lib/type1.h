/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The type #1 entries of a volume. Private to lib/. */

#include "lib/bls.h"
#include "lib/internal.h"

enum {
	FES_TYPE1_MAX = 1024 * 1024,        /* bytes of an entry that is looked at */
	FES_TYPE1_TOTAL_MAX = 16 * 1024 * 1024, /* of all */
};

struct fes_type1 {
	char *path;         /* "/loader/entries/x+3.conf", as on the volume */
	const char *name;   /* its last part */
	struct fat_short_slot slot;
	struct fes_bls bls;
	bool unread;        /* too large, or too much in all: what it refers to is not known */
};

struct fes_type1s {
	struct fes_type1 *list; /* by path, in strcmp() order */
	size_t n;
};

/*
 * Read the entries in /loader/entries: files that fes_bls_is_entry_name(). None, if there is no such
 * directory. Nothing is logged but errors of reading.
 *
 * Returns 0, -EUCLEAN, -ENOMEM or a device error. Free with fes_type1s_done().
 */
int fes_type1s_read(struct fes_volume *volume, struct fes_type1s *ret);
void fes_type1s_done(struct fes_type1s *entries);

/*
 * Whether a file (not a directory) stands at @path on @volume: 1, 0, or a negative errno of reading.
 */
int fes_volume_has_file(struct fes_volume *volume, const char *path);

/* What an entry names may be there and have no bytes: as a power cut, or a full volume, leaves it. */
enum fes_type1_found {
	FES_TYPE1_MISSING = 0,
	FES_TYPE1_EMPTY, /* all there, and none has any bytes */
	FES_TYPE1_THERE,
};

/* Where the files of entries are looked for. */
struct fes_type1_place {
	struct fes_volume *volume;
	const struct fes_tree *tree; /* what has been read of it; NULL: nothing */
	const struct fes_comparison *sync; /* it is a mirror, as this sync leaves it; NULL: as it is */
	unsigned *left; /* paths that may be looked up beside that; after these all count as there. NULL: any */
};

/*
 * Whether all files that @line names are there, by one reading or the other: an enum fes_type1_found or
 * a negative errno.
 */
int fes_type1_find_files(const struct fes_type1_place *place, const struct fes_bls_line *line);

/*
 * The first line of @entry of which something is missing, 1 and *@ret; 0 when there is none, or a
 * negative errno. A kernel, UKI or EFI program (keys linux, uki, efi) without a byte counts as missing,
 * and so do initrds if none of the entry has any; boot loaders skip an empty one beside others (systemd,
 * src/boot/boot.c, initrd_prepare()). An entry that names no program at all cannot be booted either: 1
 * and NULL; but one with a URL can. One that is not read counts as complete.
 */
int fes_type1_find_missing(const struct fes_type1_place *place, const struct fes_type1 *entry,
	const struct fes_bls_line **ret);
