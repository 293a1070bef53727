/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done to one volume of a mirror, step by step. Private to lib/; see pair.c. */

#include "lib/origin.h"
#include "lib/own.h"

struct fes_work {
	struct fes_mirror *mirror;
	const struct fes_run *run; /* about the primary that belongs to it */
	const struct fes_mirror *esp; /* of the same disk; NULL: this is it */
	bool keep_images;          /* see fes_plan_make() */
	struct fat_check_result check;
	struct fes_tree *tree;
	struct fes_tree *copy;      /* of the primary's, as this mirror shall have it; NULL: just so */
	struct fes_comparison *comparison;
	struct fes_plan *plan;
	struct fes_origin origin; /* what the mirror was last made equal to */
	struct fes_own_file own[FES_OWN_MAX]; /* that are due; their bytes are owned */
	size_t n_own;
	struct fes_transaction *transaction; /* NULL: there is nothing to do, or it is not laid out */
	uint64_t lacks_room; /* bytes, for old and new side by side */
	bool removing;      /* the transaction is the one that makes room */
	bool removed_first; /* ... and it is done */
	bool committed;     /* part of what the plan says */
	bool done;          /* all of it */
	bool own_left_out;  /* for want of room */
	bool made_seed;     /* one of own is a random seed */
	uint32_t old_seed;  /* first cluster of what it replaces; 0: nothing */
	bool seed_failed;   /* work->error is about that alone */
	int error;          /* of the step that failed */
};

/*
 * The steps. Each returns 0 or an error, which is in work->error then, too, and was reported but
 * for -ENOMEM, -ECANCELED, and -ENODEV, which stands for what the mirror was refused for before.
 * Where there is nothing to do, they do nothing.
 */

/*
 * Find out what to do and where it finds room. Without enough of it at once, but if what the
 * primary no longer has goes first, this succeeds with work->lacks_room.
 */
int fes_work_plan(struct fes_work *work);

/* To make room: lay out what goes first; and when that is gone, what is left to do. */
int fes_work_plan_removals(struct fes_work *work);
int fes_work_plan_rest(struct fes_work *work);

/*
 * When all is done: lay out own files that there was no room for beside the old contents. That this was
 * interrupted, or that the primary has changed again, is no failure then: forgive that.
 */
int fes_work_plan_left_out(struct fes_work *work);
void fes_work_forgive(struct fes_work *work);

/* Whether there is anything to do. */
bool fes_work_is_due(const struct fes_work *work);

/* See fes_transaction_prepare() and so on. */
int fes_work_prepare(struct fes_work *work);
int fes_work_commit_payload(struct fes_work *work);
int fes_work_finish(struct fes_work *work);

/* Whether the primary still is what the plan was made from, and nobody wants to stop. */
int fes_work_look_again(struct fes_work *work);

/*
 * When all is done, on the volume and on the one that goes along: renew the mirror's random seed if that
 * is due. @changed: something was different on one of them.
 */
int fes_work_renew_seed(struct fes_work *work, bool changed);

/* Note what came of it in the mirror. @partner (NULL: none) goes along, and may be why it ended. */
void fes_work_settle(struct fes_work *work, const struct fes_work *partner);

/* Forget all but that, and close the volume. */
void fes_work_done(struct fes_work *work);

/* ---- work-direction.c: parts of fes_work_plan() ---- */

/*
 * Look whether a sync would destroy what came to the mirror in other ways than by one: it is refused
 * then, unless that is forced. Reads work->origin.
 *
 * Returns 0, -EREMCHG (reported), -ENOMEM or an error of reading (reported).
 */
int fes_work_require_direction(struct fes_work *work);

/* If it is due, put the new origin on @work->own. 0 or -ENOMEM. */
int fes_work_add_origin(struct fes_work *work);

/* ---- work-seed.c ---- */

/*
 * If the mirror needs a random seed and has none that could be renewed, put one on @work->own. 0 or an
 * error of fes_seed_mint_from(), as that reports them.
 */
int fes_work_add_seed(struct fes_work *work);
