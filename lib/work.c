/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/needs.h"
#include "lib/work.h"

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
static int copy_changes(struct fes_work *work)
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

/* ---- finding out ---- */

static int note(struct fes_work *work, int r)
{
	work->error = r;
	return r;
}

static void drop_transaction(struct fes_work *work)
{
	fes_transaction_free(work->transaction);
	work->transaction = NULL;
}

static void drop_own(struct fes_work *work)
{
	for (size_t i = 0; i < work->n_own; i++) {
		uint8_t *bytes = (uint8_t *)(uintptr_t)work->own[i].bytes;

		if (bytes)
			explicit_bzero(bytes, work->own[i].len); /* a random seed is secret */
		free(bytes);
	}
	work->n_own = 0;
}

static void drop_plan(struct fes_work *work)
{
	drop_transaction(work);
	drop_own(work);
	fes_plan_free(work->plan);
	fes_comparison_free(work->comparison);
	fes_tree_free(work->copy);
	fes_tree_free(work->tree);
	work->plan = NULL;
	work->comparison = NULL;
	work->copy = NULL;
	work->tree = NULL;
}

static int poll_context(void *userdata)
{
	const struct fes_work *work = userdata;

	return fes_poll(work->run->context);
}

/* What is kept on the mirror though the primary has something else there. */
static int note_kept(struct fes_work *work)
{
	const struct fes_needs *needs = work->tree->needs;
	struct fes_context *context = work->run->context;

	if (needs->other_loader)
		fes_mirror_note(context, work->mirror,
			"%s: is another boot loader than the primary's: not replaced, so this mirror would start something else; --force replaces it",
			needs->other_loader);
	if (needs->other_mixin)
		fes_mirror_note(context, work->mirror,
			FES_MIXIN_PATH ": differs from the primary's, and secrets may depend on it: not replaced; --force replaces it");
	if (needs->replaces_mixin)
		fes_mirror_note(context, work->mirror,
			FES_MIXIN_PATH ": replaced by the primary's because of --force: secrets that depend on the old one can be had no more");
	if (needs->kept.n == work->run->tree->needs->kept.n)
		return 0;
	return fes_tree_copy_for(work->run->tree, needs, &work->copy);
}

static int read_trees(struct fes_work *work)
{
	const struct fes_run *run = work->run;
	int r = fes_tree_read_mirror(work->mirror->volume, run->managed, run->tree,
		run->flags & FES_SYNC_FORCE, &work->tree);

	return r < 0 ? r : note_kept(work);
}

static int make_plan(struct fes_work *work)
{
	const struct fes_run *run = work->run;
	int r = poll_context(work);

	fes_progress_begin(work->mirror->volume->progress, FES_PROGRESS_CHECK, 0);
	if (r == 0)
		r = fes_volume_require_sound(work->mirror->volume, &work->check);
	if (r == 0)
		r = poll_context(work);
	if (r == 0)
		r = read_trees(work);
	if (r == 0)
		r = fes_compare(work->copy ? work->copy : run->tree, work->tree, run->digester,
			run->flags & FES_SYNC_QUICK, &work->comparison);
	return r < 0 ? r : fes_plan_make(work->comparison, work->keep_images, &work->plan);
}

static struct fes_apply how_to_apply(struct fes_work *work)
{
	return (struct fes_apply){
		.plan = work->plan,
		.second_step = work->removed_first,
		.digester = work->run->digester,
		.running = work->run->running,
		.own = work->own,
		.n_own = work->n_own,
		.poll = poll_context,
		.userdata = work,
	};
}

static int lay_out(struct fes_work *work)
{
	struct fes_apply how = how_to_apply(work);
	uint64_t lacking = 0;
	int r = fes_transaction_new(&how, work->removed_first ? NULL : &lacking,
		&work->transaction);

	work->own_left_out = r == 0 && fes_transaction_leaves_out(work->transaction);
	if (r != -ENOSPC || lacking == 0)
		return r;
	work->lacks_room = lacking;
	fes_log(work->run->context, FES_LOG_INFO,
		"%s: too little room for old and new side by side: removing first what the primary no longer has",
		work->mirror->volume->name);
	return 0;
}

/* What the mirror gets of its own. Where room is made first, that comes with the rest. */
static int collect_own(struct fes_work *work)
{
	int r;

	drop_own(work);
	if (work->run->flags & FES_SYNC_DRY_RUN)
		return 0;
	r = fes_work_add_origin(work);
	return r < 0 ? r : fes_work_add_seed(work);
}

bool fes_work_is_due(const struct fes_work *work)
{
	return work->mirror->n_changes > 0 || work->n_own > 0;
}

static int lay_out_what_is_due(struct fes_work *work)
{
	int r = collect_own(work);

	return r == 0 && fes_work_is_due(work) ? lay_out(work) : r;
}

int fes_work_plan(struct fes_work *work)
{
	int r = work->mirror->state != 0 ? -ENODEV : make_plan(work);

	if (r == 0)
		r = copy_changes(work);
	if (r == 0)
		r = fes_work_require_direction(work);
	if (r == 0)
		r = lay_out_what_is_due(work);
	return note(work, r);
}

int fes_work_plan_removals(struct fes_work *work)
{
	struct fes_apply how = how_to_apply(work);

	drop_transaction(work);
	if (work->lacks_room == 0)
		return 0;
	work->removing = true;
	return note(work, fes_transaction_new_removals(&how, work->lacks_room, &work->transaction));
}

int fes_work_plan_rest(struct fes_work *work)
{
	int r = 0;

	if (work->removed_first) {
		drop_plan(work);
		r = make_plan(work);
	}
	work->removing = false;
	if (r == 0)
		r = lay_out_what_is_due(work);
	return note(work, r);
}

void fes_work_forgive(struct fes_work *work)
{
	if (work->done && (work->error == -ECANCELED || work->error == -ESTALE))
		work->error = 0;
}

int fes_work_plan_left_out(struct fes_work *work)
{
	int r;

	if (!work->done || !work->own_left_out) {
		drop_transaction(work);
		return 0;
	}
	drop_plan(work);
	r = make_plan(work);
	if (r == 0)
		r = lay_out_what_is_due(work);
	return note(work, r);
}

/* ---- doing it ---- */

int fes_work_prepare(struct fes_work *work)
{
	return work->transaction ? note(work, fes_transaction_prepare(work->transaction)) : 0;
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

int fes_work_look_again(struct fes_work *work)
{
	int r = fes_run_look_again(work->run);

	if (r == -ESTALE)
		fes_volume_report(work->run->primary,
			"changed while it was read; nothing was committed to %s; run again",
			work->mirror->volume->name);
	if (r == 0)
		r = poll_context(work);
	return note(work, r);
}

int fes_work_commit_payload(struct fes_work *work)
{
	int r = work->transaction ? fes_transaction_commit_payload(work->transaction) : 0;

	work->committed |= r > 0;
	return note(work, r < 0 ? r : 0);
}

int fes_work_finish(struct fes_work *work)
{
	int r = work->transaction ? fes_transaction_finish(work->transaction) : 0;

	if (r == 0 && work->removing)
		work->removed_first = true;
	else if (r == 0)
		work->done = true;
	return note(work, r);
}

/* ---- what came of it ---- */

static void report_interruption(const struct fes_work *work)
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

static const char *name_of(const struct fes_mirror *mirror)
{
	if (mirror->volume)
		return mirror->volume->name;
	return mirror->resolved ? mirror->spec.name : mirror->spec_text;
}

static const char *how_far(const struct fes_work *work)
{
	if (work->committed)
		return "only a part was changed";
	if (work->removed_first)
		return "what the primary no longer has was removed, no more was changed";
	if (work->mirror->stats.writes > 0)
		return "its files are as they were";
	return "nothing was written to it";
}

static void report_partner(const struct fes_work *work, const struct fes_work *partner)
{
	bool is_esp = partner->mirror == work->mirror->xbootldr;

	fes_volume_report(work->mirror->volume,
		"%s, because the %s of its disk, %s, could not be brought in line",
		how_far(work), is_esp ? "XBOOTLDR" : "ESP", name_of(partner->mirror));
}

/* The reason is what was said last about the mirror, or else about the primary. */
static void note_failure(const struct fes_work *work, int error)
{
	struct fes_mirror *mirror = work->mirror;

	mirror->state = mirror->stats.writes > 0 ? FES_MIRROR_FAILED : FES_MIRROR_REFUSED;
	mirror->stale = error == -ESTALE && atomic_load(&work->run->primary->changed);
	if (work->seed_failed)
		fes_volume_report(mirror->volume,
			"its files are in sync, but its random seed could not be renewed; --random-seed=always tries again: %s",
			strerror(-error));
	else if (error == -ENOMEM)
		fes_volume_report(mirror->volume, "out of memory");
	if (error == -ECANCELED)
		report_interruption(work);
	mirror->message = fes_volume_copy_error(mirror->volume);
	if (!mirror->message)
		mirror->message = fes_volume_copy_error(work->run->primary);
	if (!mirror->message)
		mirror->message = strdup(strerror(-error));
}

/* It ended before its turn came. */
static void note_partner(const struct fes_work *work, const struct fes_work *partner)
{
	if (partner->error != -ECANCELED)
		report_partner(work, partner);
	note_failure(work, partner->error == -ECANCELED ? -ECANCELED : 0);
}

static void tell_of_left_out(const struct fes_work *work)
{
	if (work->error < 0 || !work->own_left_out || work->n_own == 0)
		return;
	fes_mirror_note(work->run->context, work->mirror,
		"too little room for files of its own, %s among them; remove something from it",
		work->own[0].path);
}

void fes_work_settle(struct fes_work *work, const struct fes_work *partner)
{
	struct fes_mirror *mirror = work->mirror;

	if (mirror->state != 0)
		return;
	tell_of_left_out(work);
	mirror->stats = blkdev_get_stats(mirror->volume->dev);
	if (work->error < 0)
		note_failure(work, work->error);
	else if (mirror->n_changes == 0)
		mirror->state = FES_MIRROR_IN_SYNC;
	else if (work->done)
		mirror->state = FES_MIRROR_SYNCED;
	else if (partner && partner->error < 0)
		note_partner(work, partner);
	else
		mirror->state = FES_MIRROR_DIFFERS;
}

void fes_work_done(struct fes_work *work)
{
	drop_plan(work);
	fes_origin_done(&work->origin);
	if (work->mirror->volume)
		fes_volume_release(work->mirror->volume);
}
