/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a sync goes the right way: what the mirror would lose, and what it shall remember. Pure; see
 * HACKING.md, "Direction". Private to lib/.
 */

#include "lib/origin.h"

struct fes_lost {
	const struct fes_node **nodes; /* of the mirror, by path */
	size_t n;
};

/*
 * Find the files of the mirror that a plan removes or gives other contents, and that neither the
 * mirror's origin @own nor the primary's @primary knows: they came to the mirror in other ways than by
 * a sync from this machine's primary. None on the first sync.
 *
 * Returns 0 or -ENOMEM. Free with fes_lost_done().
 */
int fes_lost_find(const struct fes_plan *plan, const struct fes_origin *own,
	const struct fes_origin *primary, struct fes_lost *ret);
void fes_lost_done(struct fes_lost *lost);

/*
 * What the mirror shall remember from before the first change on: marks of all that it has and of all
 * that it gets, and the source; and, up to a number, what @old has beside. *@ret_due: whether it is
 * another than @old in what matters.
 *
 * Returns 0 or -ENOMEM. Free @ret with fes_origin_done().
 */
int fes_origin_renew(const struct fes_comparison *comparison, const struct fes_origin *old,
	struct fes_origin *ret, bool *ret_due);
