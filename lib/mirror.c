/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boots.h"

/* One mirror, from opening to releasing it: check, tree, comparison, plan, apply. */

struct work {
	struct fes_mirror *mirror;
	const struct fes_run *run;
	struct fat_check_result check;
	struct fes_tree *tree;
	struct fes_comparison *comparison;
	struct fes_plan *plan;
	bool removed_first; /* ... what the primary no longer has, for want of room */
};

void fes_mirror_refuse(struct fes_mirror *mirror, const char *message)
{
	mirror->state = FES_MIRROR_REFUSED;
	if (!mirror->message)
		mirror->message = strdup(message);
}

void fes_mirror_miss(struct fes_mirror *mirror)
{
	mirror->state = FES_MIRROR_MISSING;
	mirror->message = strdup("missing: it is on the list, but on none of the disks that can be seen");
}

static void free_changes(struct fes_mirror *mirror)
{
	for (size_t i = 0; i < mirror->n_changes; i++) {
		free((char *)(uintptr_t)mirror->changes[i].path);
		free((char *)(uintptr_t)mirror->changes[i].old_path);
	}
	free(mirror->changes);
}

void fes_mirror_reset(struct fes_mirror *mirror)
{
	fes_volume_close(mirror->volume);
	mirror->volume = NULL;
	free_changes(mirror);
	mirror->changes = NULL;
	mirror->n_changes = 0;
	free(mirror->message);
	mirror->message = NULL;
	free(mirror->lacking);
	mirror->lacking = NULL;
	mirror->state = 0;
	mirror->stale = false;
}

void fes_mirror_done(struct fes_mirror *mirror)
{
	fes_volume_close(mirror->volume);
	if (mirror->resolved)
		fes_spec_done(&mirror->spec);
	free_changes(mirror);
	free(mirror->message);
	free(mirror->lacking);
	free(mirror->spec_text);
}

/* ---- what is to tell ---- */

static bool needs_tidying(const struct fat_check_result *check)
{
	return check->lost_clusters > 0 || check->fat_copies_differ || check->free_count_wrong;
}

static int copy_change(struct fes_mirror *mirror, struct fes_change change)
{
	struct fes_change *to = &mirror->changes[mirror->n_changes];

	*to = change;
	to->path = strdup(change.path);
	to->old_path = change.old_path ? strdup(change.old_path) : NULL;
	mirror->n_changes++;
	return to->path && (to->old_path || !change.old_path) ? 0 : -ENOMEM;
}

/* The trees go when the mirror is done, what was found stays. */
static int copy_changes(struct work *work)
{
	struct fes_mirror *mirror = work->mirror;
	const struct fes_plan *plan = work->plan;
	int r = 0;

	mirror->changes = calloc(plan->n_changes + 1, sizeof *mirror->changes);
	if (!mirror->changes)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < plan->n_changes; i++)
		r = copy_change(mirror, plan->changes[i]);
	if (r == 0 && needs_tidying(&work->check))
		r = copy_change(mirror, (struct fes_change){.kind = FES_CHANGE_TIDIED, .path = "/"});
	return r;
}

/* ---- the steps ---- */

static void drop_plan(struct work *work)
{
	fes_plan_free(work->plan);
	fes_comparison_free(work->comparison);
	fes_tree_free(work->tree);
	work->plan = NULL;
	work->comparison = NULL;
	work->tree = NULL;
}

static int poll_context(void *userdata)
{
	const struct work *work = userdata;

	return fes_poll(work->run->context);
}

static int make_plan(struct work *work)
{
	const struct fes_run *run = work->run;
	struct fes_volume *volume = work->mirror->volume;
	int r = poll_context(work);

	if (r == 0)
		r = fes_volume_require_sound(volume, &work->check);
	if (r == 0)
		r = poll_context(work);
	if (r == 0)
		r = fes_tree_read(volume, run->managed, &work->tree);
	if (r == 0)
		r = fes_compare(run->tree, work->tree, run->digester, run->flags & FES_SYNC_QUICK,
			&work->comparison);
	return r < 0 ? r : fes_plan_make(work->comparison, false, &work->plan);
}

static int compare_again(const struct fes_run *run)
{
	struct fes_tree *now = NULL;
	bool same;
	int r = fes_volume_look_again(run->primary);

	if (r == 0)
		r = fes_tree_read(run->primary, run->managed, &now);
	if (r < 0)
		return r;
	same = fes_tree_same(run->tree, now);
	fes_tree_free(now);
	return same ? 0 : -ESTALE;
}

int fes_run_look_again(const struct fes_run *run)
{
	int r = compare_again(run);

	if (r == -ESTALE)
		atomic_store(&run->primary->changed, true);
	return r;
}

/* The last look before a commit: is the primary still what the plan was made from? */
static int primary_unchanged(const struct work *work)
{
	int r = fes_run_look_again(work->run);

	if (r == -ESTALE)
		fes_volume_report(work->run->primary,
			"changed while it was read; nothing was committed to %s; run again",
			work->mirror->volume->name);
	return r;
}

static struct fes_apply how_to_apply(struct work *work)
{
	return (struct fes_apply){
		.plan = work->plan,
		.second_step = work->removed_first,
		.digester = work->run->digester,
		.poll = poll_context,
		.userdata = work,
	};
}

static int carry_out(struct work *work, struct fes_transaction *transaction)
{
	int r = fes_transaction_prepare(transaction);

	if (r == 0)
		r = primary_unchanged(work);
	if (r == 0)
		r = poll_context(work);
	return r < 0 ? r : fes_transaction_finish(transaction);
}

static int apply(struct work *work, bool *ret_short)
{
	struct fes_apply how = how_to_apply(work);
	struct fes_transaction *transaction;
	int r = fes_transaction_new(&how, ret_short, &transaction);

	if (r < 0)
		return r;
	if (!(work->run->flags & FES_SYNC_DRY_RUN))
		r = carry_out(work, transaction);
	fes_transaction_free(transaction);
	return r;
}

static int apply_removals(struct work *work)
{
	struct fes_apply how = how_to_apply(work);
	struct fes_transaction *transaction;
	int r = fes_transaction_new_removals(&how, &transaction);

	if (r < 0)
		return r;
	r = carry_out(work, transaction);
	fes_transaction_free(transaction);
	return r;
}

/* First a transaction that only removes, then look again and do the rest. */
static int apply_in_two_steps(struct work *work)
{
	int r;

	fes_log(work->run->context, FES_LOG_INFO,
		"%s: too little room for old and new side by side: removing first what the primary no longer has",
		work->mirror->volume->name);
	if (work->run->flags & FES_SYNC_DRY_RUN)
		return 0;
	r = apply_removals(work);
	drop_plan(work);
	work->removed_first = r == 0;
	if (r == 0)
		r = make_plan(work);
	return r < 0 ? r : apply(work, NULL);
}

static int bring_in_line(struct work *work)
{
	struct fes_mirror *mirror = work->mirror;
	bool dry_run = work->run->flags & FES_SYNC_DRY_RUN, too_short = false;
	int r = make_plan(work);

	if (r == 0)
		r = copy_changes(work);
	if (r < 0)
		return r;
	if (mirror->n_changes == 0) {
		mirror->state = FES_MIRROR_IN_SYNC;
		return 0;
	}
	r = apply(work, &too_short);
	if (r == -ENOSPC && too_short)
		r = apply_in_two_steps(work);
	if (r == 0)
		mirror->state = dry_run ? FES_MIRROR_DIFFERS : FES_MIRROR_SYNCED;
	return r;
}

static void report_interruption(struct work *work)
{
	struct fes_volume *volume = work->mirror->volume;

	if (work->removed_first)
		fes_volume_report(volume,
			"interrupted: what the primary no longer has was removed, no more was changed; run again");
	else if (work->mirror->stats.writes > 0)
		fes_volume_report(volume,
			"interrupted before the commit: its files are as they were; run again");
	else
		fes_volume_report(volume, "interrupted; nothing was written to it");
}

/* The reason is what was said last about the mirror, or else about the primary. */
static void note_failure(struct work *work, int error)
{
	struct fes_mirror *mirror = work->mirror;

	mirror->state = mirror->stats.writes > 0 ? FES_MIRROR_FAILED : FES_MIRROR_REFUSED;
	mirror->stale = error == -ESTALE && atomic_load(&work->run->primary->changed);
	if (error == -ENOMEM)
		fes_volume_report(mirror->volume, "out of memory");
	if (error == -ECANCELED)
		report_interruption(work);
	mirror->message = fes_volume_copy_error(mirror->volume);
	if (!mirror->message)
		mirror->message = fes_volume_copy_error(work->run->primary);
	if (!mirror->message)
		mirror->message = strdup(strerror(-error));
}

void fes_mirror_sync(struct fes_mirror *mirror, const struct fes_run *run)
{
	struct work work = {.mirror = mirror, .run = run};
	int r = bring_in_line(&work);

	if (r == 0 && run->flags & FES_SYNC_DRY_RUN)
		r = fes_boots_find_lacking(mirror->volume, NULL, &mirror->lacking);
	drop_plan(&work);
	mirror->stats = blkdev_get_stats(mirror->volume->dev);
	if (r < 0)
		note_failure(&work, r);
	fes_volume_release(mirror->volume);
}

/* ---- results ---- */

enum fes_mirror_state fes_mirror_get_state(const struct fes_mirror *mirror)
{
	return mirror->state;
}

const char *fes_mirror_get_spec(const struct fes_mirror *mirror)
{
	return mirror->spec_text;
}

const char *fes_mirror_get_name(const struct fes_mirror *mirror)
{
	return mirror->resolved ? mirror->spec.name : NULL;
}

const char *fes_mirror_get_partuuid(const struct fes_mirror *mirror)
{
	return mirror->resolved ? mirror->spec.partuuid : NULL;
}

const char *fes_mirror_get_message(const struct fes_mirror *mirror)
{
	return mirror->message;
}

const struct fes_volume *fes_mirror_get_volume(const struct fes_mirror *mirror)
{
	return mirror->volume;
}

const char *fes_mirror_get_lacking(const struct fes_mirror *mirror)
{
	return mirror->lacking;
}

uint64_t fes_mirror_get_bytes_written(const struct fes_mirror *mirror)
{
	return mirror->stats.bytes_written;
}

uint64_t fes_mirror_get_writes(const struct fes_mirror *mirror)
{
	return mirror->stats.writes;
}

uint64_t fes_mirror_get_barriers(const struct fes_mirror *mirror)
{
	return mirror->stats.flushes;
}

size_t fes_mirror_get_n_changes(const struct fes_mirror *mirror)
{
	return mirror->n_changes;
}

const struct fes_change *fes_mirror_get_change(const struct fes_mirror *mirror, size_t i)
{
	return i < mirror->n_changes ? &mirror->changes[i] : NULL;
}

enum fes_change_kind fes_change_get_kind(const struct fes_change *change)
{
	return change->kind;
}

const char *fes_change_get_path(const struct fes_change *change)
{
	return change->path;
}

const char *fes_change_get_old_path(const struct fes_change *change)
{
	return change->old_path;
}

uint32_t fes_change_get_size(const struct fes_change *change)
{
	return change->size;
}

bool fes_change_is_directory(const struct fes_change *change)
{
	return change->directory;
}
