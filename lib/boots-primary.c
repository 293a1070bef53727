/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/primary.h"
#include "lib/sync.h"

static struct fes_volume *xbootldr_of(const struct fes_sync *sync)
{
	return sync->xbootldr.there ? sync->xbootldr.volume : NULL;
}

static int judge(const struct fes_sync *sync, struct fes_primary_boots *ret)
{
	struct fes_boots_volume esp = {.volume = sync->primary, .notes = &ret->notes};
	struct fes_boots_volume xbootldr = {.volume = xbootldr_of(sync),
		.notes = &ret->xbootldr_notes};

	return fes_boots_judge(&esp, xbootldr.volume ? &xbootldr : NULL, &ret->lacking);
}

/* While a volume is written to by somebody else, what makes no sense may be a passing state. */
static void hold_back(struct fes_volume *volume)
{
	if (volume && volume->shared)
		fes_volume_hold_back(volume);
}

static void let_go(struct fes_volume *volume)
{
	if (!volume || !volume->shared)
		return;
	fes_volume_forget_held(volume);
	fes_volume_let_go(volume);
}

int fes_sync_judge_primary(struct fes_sync *sync)
{
	struct fes_primary_boots boots = {0};
	int r;

	if (!(sync->flags & FES_SYNC_BOOTS))
		return 0;
	hold_back(sync->primary);
	hold_back(xbootldr_of(sync));
	r = judge(sync, &boots);
	let_go(sync->primary);
	let_go(xbootldr_of(sync));
	fes_primary_boots_done(&sync->boots);
	if (r == 0)
		sync->boots = boots;
	else
		fes_primary_boots_done(&boots);
	return r == -ENOMEM ? r : 0;
}

static int open_and_judge(struct fes_sync *sync)
{
	int r = fes_xbootldr_find(sync);

	if (r == 0)
		r = fes_xbootldr_open(sync);
	if (r < 0)
		return r;
	fes_volume_close(sync->primary);
	sync->primary = NULL;
	r = fes_primary_open(sync->context, &sync->primary_spec, &sync->primary);
	if (r == 0)
		r = fes_sync_judge_primary(sync);
	if (sync->primary)
		fes_volume_release(sync->primary);
	if (sync->xbootldr.volume)
		fes_volume_release(sync->xbootldr.volume);
	return r;
}

int fes_sync_judge_primary_alone(struct fes_sync *sync)
{
	int lock, r;

	if (!(sync->flags & FES_SYNC_BOOTS))
		return 0;
	lock = fes_lock_for_reading(sync->context, &sync->primary_spec);
	if (lock < 0)
		return lock;
	r = open_and_judge(sync);
	(void)close(lock);
	return r;
}

void fes_primary_boots_done(struct fes_primary_boots *boots)
{
	free(boots->lacking);
	fes_notes_done(&boots->notes);
	fes_notes_done(&boots->xbootldr_notes);
	*boots = (struct fes_primary_boots){0};
}

const char *fes_sync_get_primary_lacking(const struct fes_sync *sync)
{
	return sync->boots.lacking;
}

const char *fes_sync_get_primary_note(const struct fes_sync *sync, size_t i)
{
	return fes_notes_get(&sync->boots.notes, i);
}

const char *fes_sync_get_primary_xbootldr_note(const struct fes_sync *sync, size_t i)
{
	return fes_notes_get(&sync->boots.xbootldr_notes, i);
}
