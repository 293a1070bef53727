/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a mirror was last made equal to. A small file on it, FES_ORIGIN_PATH, has a mark for each file
 * that a sync found or put there, and the source. A file of the mirror that has no mark, and that the
 * primary has not, came from somebody else: a system that was booted from this mirror, say. A sync would
 * destroy it, so it is refused. See HACKING.md, "Direction". Private to lib/.
 */

#include "lib/own.h"
#include "lib/paths.h"

enum { FES_ORIGIN_MAX = 16 * 1024 * 1024 }; /* bytes of such a file */

struct fes_origin {
	bool known;      /* there is such a file, and it is whole */
	char *source;    /* see fes_origin_name_source(); NULL unless known */
	uint64_t *marks; /* ascending, each once */
	size_t n_marks;
	/*
	 * Files that are managed because entries refer to them, folded: when these entries are gone, and
	 * the power with them, nothing else tells that they are not foreign. Only as long as they have a
	 * mark.
	 */
	struct fes_paths referred;
	struct fes_paths programs; /* the same, where they go only if the primary has them no more */
};

/*
 * The mark of a file: XXH3-64 of its path, folded, without a counter where its name may have one
 * (fes_bls_identity()), of its size, and of its write date and time. Not of its contents: what a
 * system changes gets another time, and what only a failing medium changed shall be mended, not refused.
 */
uint64_t fes_origin_mark(const struct fes_node *node);

/* The same of a file at @folded (fes_path_fold()). */
uint64_t fes_origin_mark_at(const char *folded, const struct fat_short_slot *slot);

bool fes_origin_has(const struct fes_origin *origin, uint64_t mark);

/* Sort marks, drop double ones. Returns how many are left. */
size_t fes_origin_sort(uint64_t *marks, size_t n);

/*
 * Lines "source ...", "referred /PATH", "program /PATH", "file <16 hex digits>" in ascending order, and at
 * the end "tree <32 hex digits>", the XXH3-128 of all before. '#' begins a comment.
 *
 * What is not whole is -EBADMSG (not reported), @ret untouched. Or -ENOMEM. Free @ret with
 * fes_origin_done(). fes_origin_print() returns text to free(), or NULL when memory is out.
 */
int fes_origin_parse(const char *text, size_t len, struct fes_origin *ret);
char *fes_origin_print(const struct fes_origin *origin, size_t *ret_len);
void fes_origin_done(struct fes_origin *origin);

/*
 * Read that of @volume. None, or one that is not whole (logged as a warning), is not known.
 * Returns 0, -ENOMEM or an error of reading, reported.
 */
int fes_origin_read(struct fes_volume *volume, struct fes_origin *ret);

enum { FES_ORIGIN_NAME_MAX = 64 };

/*
 * How an origin calls @volume: its PARTUUID in lower case, else its serial "1234-ABCD", else "-", which
 * is no name.
 */
void fes_origin_name_source(const struct fes_volume *volume, char ret[FES_ORIGIN_NAME_MAX]);

/* Whether @origin is known and its source is @volume. */
bool fes_origin_names(const struct fes_origin *origin, const struct fes_volume *volume);
