/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/direction.h"
#include "lib/needs.h"

/*
 * Marks of before are kept: what is managed differs from run to run (--manage, --exclude, what entries
 * refer to), and what is not in one is still known in the next. More than these would be from long ago.
 */
enum { OLD_MARKS_MAX = 1024 };

/* Each ESP gets its boot secret once and keeps it: where it comes from says nothing. */
static bool has_mark(const struct fes_node *node)
{
	return node->role == FES_MANAGED && !node->directory &&
		!fat_name_equal(node->path, "/loader/boot-secret-mixin");
}

/* ---- what would be lost ---- */

/* Whether the contents of the mirror's @m are gone from it when the plan is done. */
static bool goes(const struct fes_plan *plan, const struct fes_node *m)
{
	const struct fes_node *p = plan->comparison->back[m->id];

	if (plan->moved[m->id])
		return false;
	if (!p || p->directory)
		return true;
	return m->size > 0 && !plan->comparison->same[p->id];
}

/*
 * A copy of another ESP, made with dd(1): its origin names itself as the source, because it was the
 * copied one that was synced from it.
 */
static bool is_copy(const struct fes_origin *own, const struct fes_comparison *c)
{
	return fes_origin_names(own, c->mirror->volume) && !fes_origin_names(own, c->primary->volume);
}

/* Who was never synced with this primary, or was overwritten since, has nothing to remember. */
static bool is_first_sync(const struct fes_origin *own, const struct fes_origin *primary,
	const struct fes_comparison *c)
{
	return own->known ? is_copy(own, c) : !fes_origin_names(primary, c->mirror->volume);
}

static int by_path(const void *a, const void *b)
{
	const struct fes_node *const *na = a, *const *nb = b;

	return strcmp((*na)->path, (*nb)->path);
}

static bool is_known(const struct fes_node *m, const struct fes_origin *own,
	const struct fes_origin *primary)
{
	uint64_t mark = fes_origin_mark(m);

	return fes_origin_has(own, mark) || fes_origin_has(primary, mark);
}

int fes_lost_find(const struct fes_plan *plan, const struct fes_origin *own,
	const struct fes_origin *primary, struct fes_lost *ret)
{
	const struct fes_tree *mirror = plan->comparison->mirror;
	struct fes_lost lost = {0};

	if (is_first_sync(own, primary, plan->comparison)) {
		*ret = lost;
		return 0;
	}
	lost.nodes = calloc(mirror->n_nodes, sizeof(*lost.nodes));
	if (!lost.nodes)
		return -ENOMEM;
	for (size_t i = 0; i < mirror->n_nodes; i++) {
		const struct fes_node *m = mirror->nodes[i];

		if (has_mark(m) && goes(plan, m) && !is_known(m, own, primary))
			lost.nodes[lost.n++] = m;
	}
	qsort(lost.nodes, lost.n, sizeof *lost.nodes, by_path);
	*ret = lost;
	return 0;
}

void fes_lost_done(struct fes_lost *lost)
{
	free(lost->nodes);
	*lost = (struct fes_lost){0};
}

/* ---- what is to be remembered ---- */

static size_t collect_marks(const struct fes_tree *tree, uint64_t *marks)
{
	size_t n = 0;

	for (size_t i = 0; i < tree->n_nodes; i++)
		if (has_mark(tree->nodes[i]))
			marks[n++] = fes_origin_mark(tree->nodes[i]);
	return n;
}

static bool has_all(const struct fes_origin *old, const struct fes_origin *now)
{
	for (size_t i = 0; i < now->n_marks; i++)
		if (!fes_origin_has(old, now->marks[i]))
			return false;
	return true;
}

static void keep_old_marks(const struct fes_origin *old, struct fes_origin *now)
{
	size_t n = now->n_marks;

	for (size_t i = 0; i < old->n_marks; i++)
		if (!fes_origin_has(now, old->marks[i]))
			now->marks[n++] = old->marks[i];
	if (n - now->n_marks <= OLD_MARKS_MAX)
		now->n_marks = fes_origin_sort(now->marks, n);
}

/* Whether it goes with its entry, at the latest when the primary has it no more. */
static bool is_referred(const struct fes_needs *needs, const char *folded)
{
	return fes_paths_has(&needs->files, folded) || fes_paths_has(&needs->referred, folded) ||
		fes_paths_cover(&needs->companions, folded);
}

/* Whether it is listed as a program: see struct fes_origin. */
static bool is_program(const struct fes_needs *needs, const struct fes_origin *old, const char *folded)
{
	return fes_paths_cover(&needs->programs, folded) || fes_paths_has(&old->programs, folded);
}

/* What is managed of @tree because entries refer to it. A line of text cannot hold any name. */
static int collect_referred(const struct fes_tree *tree, const struct fes_needs *needs,
	const struct fes_origin *old, struct fes_origin *now)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->n_nodes; i++) {
		const struct fes_node *node = tree->nodes[i];
		char *folded;

		if (!has_mark(node) || strpbrk(node->path, "\n\r"))
			continue;
		folded = fes_path_fold(node->path);
		if (!folded)
			return -ENOMEM;
		if (is_referred(needs, folded))
			r = fes_paths_add(is_program(needs, old, folded) ? &now->programs : &now->referred,
				folded);
		free(folded);
	}
	return r;
}

/* What no entry names any more, and stays until the primary is as it takes. */
static int keep_waiting(const struct fes_paths *waiting, const struct fes_paths *old,
	struct fes_paths *now)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < old->n; i++)
		if (fes_paths_has(waiting, old->list[i]))
			r = fes_paths_add(now, old->list[i]);
	return r;
}

static int collect_all_referred(const struct fes_comparison *c, const struct fes_origin *old,
	struct fes_origin *now)
{
	const struct fes_needs *needs = c->mirror->needs; /* with the primary's */
	int r = collect_referred(c->primary, needs, old, now);

	if (r == 0)
		r = collect_referred(c->mirror, needs, old, now);
	if (r == 0)
		r = keep_waiting(&needs->waiting, &old->programs, &now->programs);
	if (r == 0)
		r = keep_waiting(&needs->waiting, &old->referred, &now->referred);
	fes_paths_settle(&now->referred);
	fes_paths_settle(&now->programs);
	return r;
}

static bool has_all_paths(const struct fes_paths *old, const struct fes_paths *now)
{
	for (size_t i = 0; i < now->n; i++)
		if (!fes_paths_has(old, now->list[i]))
			return false;
	return true;
}

static bool refers_to_more(const struct fes_origin *old, const struct fes_origin *now)
{
	return !has_all_paths(&old->referred, &now->referred) ||
		!has_all_paths(&old->programs, &now->programs);
}

int fes_origin_renew(const struct fes_comparison *comparison, const struct fes_origin *old,
	struct fes_origin *ret, bool *ret_due)
{
	const struct fes_tree *primary = comparison->primary, *mirror = comparison->mirror;
	char source[FES_ORIGIN_NAME_MAX];
	struct fes_origin now = {.known = true};

	fes_origin_name_source(primary->volume, source);
	now.source = strdup(source);
	now.marks = calloc(primary->n_nodes + mirror->n_nodes + old->n_marks, sizeof *now.marks);
	if (!now.source || !now.marks || collect_all_referred(comparison, old, &now) < 0) {
		fes_origin_done(&now);
		return -ENOMEM;
	}
	now.n_marks = collect_marks(primary, now.marks);
	now.n_marks += collect_marks(mirror, now.marks + now.n_marks);
	now.n_marks = fes_origin_sort(now.marks, now.n_marks);
	*ret_due = !old->known || strcmp(old->source, source) != 0 || !has_all(old, &now) ||
		refers_to_more(old, &now);
	keep_old_marks(old, &now);
	*ret = now;
	return 0;
}
