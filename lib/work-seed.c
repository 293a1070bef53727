/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/seed.h"
#include "lib/work.h"

/*
 * When a mirror gets a random seed. One that can be renewed is renewed where it stands, after all
 * else; where there is none, or one that is too short for that, a new file comes with the
 * transaction.
 */

/* Only the boot loader looks for one, on the ESP. */
static bool may_touch_seed(const struct fes_work *work)
{
	const struct fes_run *run = work->run;

	return run->random_seed != FES_RANDOM_SEED_NEVER && !(run->flags & FES_SYNC_DRY_RUN) &&
		work->mirror->spec.kind != FES_PARTITION_XBOOTLDR &&
		!fes_managed_excludes(run->managed, FES_SEED_PATH);
}

/* What a machine does without on its primary, its mirrors need not have. */
static bool wants_seed(const struct fes_run *run)
{
	const struct fes_node *p = fes_tree_find(run->tree, FES_SEED_PATH);

	return run->random_seed == FES_RANDOM_SEED_ALWAYS || (p && !p->directory);
}

static bool needs_another_file(const struct fes_node *m)
{
	return !m ||
		(!m->directory && m->size < FES_SEED_LEN &&
			!(fes_node_short(m)->attributes & FAT_ATTR_READ_ONLY));
}

static int add_own(struct fes_work *work, uint8_t *seed)
{
	assert(work->n_own < FES_OWN_MAX);
	work->own[work->n_own++] =
		(struct fes_own_file){.path = FES_SEED_PATH, .bytes = seed, .len = FES_SEED_LEN};
	work->made_seed = true;
	return 0;
}

/* What stands there is no seed, but goes into it like one. */
static int make_seed(struct fes_work *work, const struct fes_node *m)
{
	uint32_t first_cluster = m ? m->first_cluster : 0, size = m ? m->size : 0;
	uint8_t *seed = malloc(FES_SEED_LEN);
	int r;

	if (!seed)
		return -ENOMEM;
	r = fes_seed_mint_from(work->mirror->volume, first_cluster, size, seed);
	if (r == 0)
		return add_own(work, seed);
	free(seed);
	if (r != -EAGAIN)
		return r;
	fes_mirror_note(work->run->context, work->mirror,
		"random seed: none was made, because the kernel gives no entropy");
	return 0;
}

int fes_work_add_seed(struct fes_work *work)
{
	const struct fes_node *m = fes_tree_find(work->tree, FES_SEED_PATH);

	work->made_seed = false;
	if (!may_touch_seed(work) || !needs_another_file(m) || !wants_seed(work->run))
		return 0;
	if (m && m->first_cluster > 0)
		work->old_seed = m->first_cluster;
	return make_seed(work, m);
}

static int renew(struct fes_work *work)
{
	struct fes_mirror *mirror = work->mirror;
	const char *note = NULL;
	int r = fes_seed_renew(mirror->volume, &note);

	if (note)
		fes_mirror_note(work->run->context, mirror, "%s", note);
	return r == -ENOENT ? 0 : r;
}

/*
 * Whether a mirror that did not change has the primary's, as after dd(1). One that cannot be read is
 * told, and no reason to call a mirror failed whose files are in sync.
 */
static bool has_primarys(const struct fes_work *work)
{
	const struct fes_run *run = work->run;
	const struct fes_node *p = fes_tree_find(run->tree, FES_SEED_PATH);
	const struct fes_node *m = fes_tree_find(work->tree, FES_SEED_PATH);
	struct fes_seed_place ours, theirs;

	if (!p || p->directory || !m || m->directory)
		return false;
	ours = (struct fes_seed_place){run->primary, p->first_cluster, p->size};
	theirs = (struct fes_seed_place){work->mirror->volume, m->first_cluster, m->size};
	return fes_seed_equal(&ours, &theirs) > 0;
}

static bool is_due(const struct fes_work *work, bool changed)
{
	return changed || work->run->random_seed == FES_RANDOM_SEED_ALWAYS || has_primarys(work);
}

int fes_work_renew_seed(struct fes_work *work, bool changed)
{
	int r = 0;

	if (!may_touch_seed(work))
		return 0;
	if (work->old_seed > 0)
		r = fat_wipe_free(work->mirror->volume->fat, work->old_seed, FES_SEED_PATH);
	if (r == 0 && !work->made_seed && is_due(work, changed))
		r = renew(work);
	work->seed_failed = r < 0;
	work->error = r;
	return r;
}
