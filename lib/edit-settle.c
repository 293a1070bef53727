/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/edit.h"
#include "lib/liststore.h"

/* The end of a change of the list: no ESP that is not on it may keep a list that names others. */

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

static bool is_in_sync(const struct fes_mirror *mirror)
{
	return mirror->state == FES_MIRROR_SYNCED || mirror->state == FES_MIRROR_IN_SYNC;
}

/* ---- those that came ---- */

static bool has_failed(const struct fes_sync *sync, const char *uuid)
{
	for (size_t i = 0; i < sync->n_mirrors; i++) {
		const struct fes_mirror *mirror = &sync->mirrors[i];
		const char *found = strchr(mirror->spec_text, '=');

		if (found && strcasecmp(found + 1, uuid) == 0)
			return !is_in_sync(mirror) ||
				(mirror->xbootldr && !is_in_sync(mirror->xbootldr));
	}
	return false;
}

static bool any_new_failed(const struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_edits; i++)
		if (sync->edits[i].new_uuid && has_failed(sync, sync->edits[i].new_uuid))
			return true;
	return false;
}

/* Bring the old list back to the primary. */
static int put_back(struct fes_sync *sync)
{
	char *text;
	size_t len;
	int r = fes_list_format(&sync->list, &text, &len);

	if (r < 0)
		return r;
	r = fes_list_store(sync->context, &sync->primary_spec, text, sync->old_list);
	free(text);
	if (r < 0)
		return r;
	sync->list_changed = false;
	(void)fes_edit_take_old_list(sync); /* only for who asks what is on it */
	return 0;
}

/* What was interrupted has its old files, and copying the new ones could take long. */
static bool may_have_new_list(const struct fes_mirror *mirror, bool interrupted)
{
	return mirror->stats.writes > 0 && (is_in_sync(mirror) || !interrupted);
}

/* A run with those that may hold the new list. */
static int new_run_of_changed(const struct fes_sync *sync, bool interrupted, struct fes_sync **ret)
{
	struct fes_sync *side = NULL;
	int r = fes_edit_new_side_run(sync, sync->flags, &side);

	for (size_t i = 0; r == 0 && i < sync->n_mirrors; i++)
		if (may_have_new_list(&sync->mirrors[i], interrupted))
			r = fes_sync_add_mirror(side, sync->mirrors[i].spec_text);
	if (r < 0) {
		fes_sync_free(side);
		return r;
	}
	*ret = side;
	return 0;
}

static void warn_of_copies(const struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_mirrors; i++)
		if (!is_in_sync(&sync->mirrors[i]))
			fes_log(sync->context, FES_LOG_WARNING,
				"%s: its copy of the list may be the one that was taken back: do not boot from it before it is synced, or wipe it",
				sync->mirrors[i].spec_text);
}

/* As good as it goes: why a mirror failed has been told. */
static void put_back_on_mirrors(struct fes_sync *sync, bool interrupted)
{
	struct fes_sync *side;

	if (new_run_of_changed(sync, interrupted, &side) < 0) {
		fes_log(sync->context, FES_LOG_WARNING,
			"out of memory: mirrors may hold the list that was taken back; sync them");
		return;
	}
	if (side->n_mirrors > 0) {
		fes_mute(sync->context, true);
		(void)fes_sync_run(side);
		fes_mute(sync->context, false);
		warn_of_copies(side);
	}
	fes_sync_free(side);
}

/* The new list is on the primary already: an interruption does not end this, which is short. */
static void undo(struct fes_sync *sync)
{
	bool interrupted = fes_poll(sync->context) < 0;
	int r;

	fes_insist(sync->context, true);
	r = put_back(sync);
	if (r < 0)
		fes_log(sync->context, FES_LOG_ERROR,
			"%s: the list could not be taken back (%s) and stays changed: the next sync goes on with it; else change it once more",
			sync->primary_spec.name, strerror(-r));
	else
		fes_log(sync->context, FES_LOG_WARNING, "%s: the list is again as it was",
			sync->primary_spec.name);
	if (r == 0)
		put_back_on_mirrors(sync, interrupted);
	fes_insist(sync->context, false);
}

/* ---- those that went ---- */

/* What cannot be seen may be there. */
static bool is_there(struct fes_sync *sync, const char *uuid)
{
	const struct fes_scan *scan;

	if (fes_host_scan(&sync->context->host, log_message, sync->context, &scan) < 0)
		return true;
	for (size_t i = 0; i < scan->n; i++)
		if (fes_seen_has_tag(&scan->seen[i], "PARTUUID", uuid))
			return true;
	return false;
}

/* One more sync: the list that it brings does not name it any more. */
static bool sync_removed(struct fes_sync *sync, const char *uuid)
{
	struct fes_sync *side;
	bool done = false;
	char tag[64];

	(void)snprintf(tag, sizeof tag, "PARTUUID=%s", uuid);
	if (fes_edit_new_side_run(sync, sync->flags, &side) < 0)
		return false;
	if (fes_sync_add_mirror(side, tag) == 0 && fes_sync_run(side) == 0)
		done = is_in_sync(&side->mirrors[0]);
	fes_sync_free(side);
	return done;
}

/* Booted from, an ESP that went must not take the others for its mirrors. */
static void tell_removed(struct fes_sync *sync, const struct fes_edit *edit)
{
	if (!edit->old_uuid || fes_list_has(&sync->list, edit->old_uuid))
		return;
	if (!is_there(sync, edit->old_uuid) || sync_removed(sync, edit->old_uuid))
		return;
	fes_log(sync->context, FES_LOG_WARNING,
		"%s: is off the list, but its own copy of the list still names it: do not boot from it, or wipe it",
		edit->old);
}

int fes_edit_settle(struct fes_sync *sync, int r)
{
	if (sync->flags & FES_SYNC_DRY_RUN || !sync->list_changed)
		return r;
	if (r < 0 || any_new_failed(sync)) {
		undo(sync);
		return r;
	}
	for (size_t i = 0; i < sync->n_edits; i++)
		tell_removed(sync, &sync->edits[i]);
	return r;
}
