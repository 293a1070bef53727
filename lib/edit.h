/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changes of the list: add, remove, replace. Private to lib/. */

#include "lib/sync.h"

/* Free the edits. */
void fes_edits_done(struct fes_sync *sync);

/*
 * Check sync->edits and, unless this is a dry run or one of them is refused, change the list on the
 * primary; sync->list is the new one then. An edit that is refused becomes a mirror with the reason, and
 * the list stays; then sync->edit_refused is set.
 *
 * Returns 0, or an error that keeps the primary's list from being changed; reported.
 */
int fes_edit_list(struct fes_sync *sync);

/*
 * A run beside @sync, with its primary and paths, and no mirrors yet. Returns 0 or -ENOMEM; free with
 * fes_sync_free().
 */
int fes_edit_new_side_run(const struct fes_sync *sync, unsigned flags, struct fes_sync **ret);

/* Make sync->list the one that there was before all changes. Returns 0 or -ENOMEM. */
int fes_edit_take_old_list(struct fes_sync *sync);

/* ---- edit-settle.c ---- */

/*
 * After the sync, which returned @r: if it failed as a whole, or an ESP that was put on the list
 * could not be synced, the old list comes back. Returns @r.
 */
int fes_edit_settle(struct fes_sync *sync, int r);
