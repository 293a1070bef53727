/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/direction.h"
#include "lib/needs.h"
#include "lib/work.h"

enum { NAMED_MAX = 2, NAMED_WHEN_LOST_MAX = 20 };

/* @text is taken over. NULL when memory is or was out. */
static char *append(char *text, const char *between, const char *more)
{
	char *longer;

	if (!text || asprintf(&longer, "%s%s%s", text, between, more) < 0)
		longer = NULL;
	free(text);
	return longer;
}

/* "/a, /b and 3 more" */
static char *name_lost(const struct fes_lost *lost, size_t n_named)
{
	char *text = strdup(""), rest[32];

	for (size_t i = 0; i < lost->n && i < n_named; i++)
		text = append(text, i == 0 ? "" : ", ", lost->nodes[i]->path);
	if (lost->n <= n_named)
		return text;
	(void)snprintf(rest, sizeof rest, "%zu more", lost->n - n_named);
	return append(text, " and ", rest);
}

/* Which sync it was that both were equal after, in words. */
static char *name_sync(const struct fes_work *work)
{
	const struct fes_volume *primary = work->run->primary;
	char *text;
	int n;

	if (!work->origin.known)
		n = asprintf(&text, "%s was synced from it", primary->name);
	else if (fes_origin_names(&work->origin, primary))
		n = asprintf(&text, "it was synced from %s", primary->name);
	else
		n = asprintf(&text, "it was synced from another ESP (%s)", work->origin.source);
	return n < 0 ? NULL : text;
}

static int refuse(const struct fes_work *work, const struct fes_lost *lost)
{
	struct fes_volume *volume = work->mirror->volume;
	const struct fes_volume *esp = work->esp ? work->esp->volume : volume;
	char *sync = name_sync(work), *files = name_lost(lost, NAMED_MAX);
	int r = sync && files ? -EREMCHG : -ENOMEM;

	for (size_t i = 0; i < lost->n; i++)
		fes_log(work->run->context, FES_LOG_INFO, "%s: %s: did not come from a sync", volume->name,
			lost->nodes[i]->path);
	if (r == -EREMCHG)
		fes_volume_report(volume,
			"has files that came after %s, or were never part of a sync: this one would destroy %s; if this is the one to keep, sync the other way round (--primary=%s); --force goes on",
			sync, files, esp->name);
	free(sync);
	free(files);
	return r;
}

static int warn(const struct fes_work *work, const struct fes_lost *lost)
{
	char *sync = name_sync(work), *files = name_lost(lost, NAMED_WHEN_LOST_MAX);
	int r = sync && files ? 0 : -ENOMEM;

	if (r == 0)
		fes_mirror_note(work->run->context, work->mirror,
			"files that came after %s, or were never part of a sync, are removed or overwritten because of --force: %s",
			sync, files);
	free(sync);
	free(files);
	return r;
}

static int require_nothing_lost(const struct fes_work *work, const struct fes_origin *primary)
{
	struct fes_lost lost;
	int r = fes_lost_find(work->plan, &work->origin, primary, &lost);

	if (r < 0)
		return r;
	if (lost.n > 0)
		r = work->run->flags & FES_SYNC_FORCE ? warn(work, &lost) : refuse(work, &lost);
	fes_lost_done(&lost);
	return r;
}

int fes_work_require_direction(struct fes_work *work)
{
	struct fes_origin primary = {0};
	int r;

	fes_origin_done(&work->origin);
	work->origin = work->tree->needs->origin;
	work->tree->needs->origin = (struct fes_origin){0};
	if (work->plan->n_changes == 0)
		return 0;
	r = fes_own_find(work->run->tree, FES_ORIGIN_PATH)
		? fes_origin_read(work->run->primary, &primary)
		: 0;
	if (r == 0)
		r = require_nothing_lost(work, &primary);
	fes_origin_done(&primary);
	return r;
}

/* ---- what is remembered ---- */

/* Whether there will be a directory for it. One with nothing but what is the primary's goes with that. */
static bool has_place(const struct fes_comparison *c)
{
	const struct fes_node *dir = fes_own_find_dir(c->mirror);

	return fes_own_find_dir(c->primary) || (dir && dir->holds_foreign);
}

int fes_work_add_origin(struct fes_work *work)
{
	const struct fes_comparison *c = work->comparison;
	struct fes_origin origin;
	size_t len = 0;
	char *text;
	bool due;
	int r;

	if (!has_place(c) || fes_managed_excludes(work->run->managed, FES_ORIGIN_PATH))
		return 0;
	r = fes_origin_renew(c, &work->origin, &origin, &due);
	if (r < 0)
		return r;
	text = due ? fes_origin_print(&origin, &len) : NULL;
	fes_origin_done(&origin);
	if (due && !text)
		return -ENOMEM;
	if (!due || len > FES_ORIGIN_MAX) {
		free(text);
		return 0;
	}
	work->own[work->n_own++] = (struct fes_own_file){
		.path = FES_ORIGIN_PATH,
		.bytes = (uint8_t *)text,
		.len = (uint32_t)len,
		.first = true,
	};
	return 0;
}
