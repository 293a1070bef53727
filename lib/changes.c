/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

/* What differs, path by path, for people. */

struct lister {
	struct fes_plan *plan;
	const struct fes_comparison *c;
	size_t room;
};

static int push_change(struct lister *lister, enum fes_change_kind kind,
	const struct fes_node *node, const struct fes_node *old)
{
	struct fes_plan *plan = lister->plan;

	if (plan->n_changes == lister->room) {
		size_t room = lister->room ? lister->room * 2 : 16;
		struct fes_change *changes = realloc(plan->changes, room * sizeof *changes);

		if (!changes)
			return -ENOMEM;
		plan->changes = changes;
		lister->room = room;
	}
	plan->changes[plan->n_changes++] = (struct fes_change){
		.kind = kind,
		.path = node->path,
		.old_path = old ? old->path : NULL,
		.size = node->size,
		.directory = node->directory,
	};
	return 0;
}

/* A file that nobody had under this path. */
static int list_new(struct lister *lister, const struct fes_node *p)
{
	const struct fes_node *chain = lister->plan->chain[p->id];
	int r = push_change(lister, chain ? FES_CHANGE_RENAMED : FES_CHANGE_NEW, p, chain);

	for (size_t i = 0; r == 0 && i < p->n_children; i++)
		if (fes_node_leads_to_managed(p->children[i]))
			r = list_new(lister, p->children[i]);
	return r;
}

static int list_removed(struct lister *lister, const struct fes_node *m)
{
	bool moved = lister->plan->moved[m->id] && !m->directory;
	int r = 0;

	if (m->role == FES_MANAGED && !moved && !m->holds_foreign)
		r = push_change(lister, FES_CHANGE_REMOVED, m, NULL);
	for (size_t i = 0; r == 0 && i < m->n_children; i++)
		if (m->children[i]->role != FES_FOREIGN)
			r = list_removed(lister, m->children[i]);
	return r;
}

static int list_pair(struct lister *lister, const struct fes_node *p, const struct fes_node *m)
{
	const struct fes_node *chain = lister->plan->chain[p->id];
	bool renamed = fes_node_name_differs(p, m);
	bool meta = p->role == FES_PARENT || fes_node_same_entry(p, m);

	if (p->directory && renamed)
		return push_change(lister, FES_CHANGE_RENAMED, p, m);
	if (p->directory)
		return meta && !m->untidy ? 0 : push_change(lister, FES_CHANGE_TOUCHED, p, NULL);
	if (chain && (chain != m || renamed))
		return push_change(lister, FES_CHANGE_RENAMED, p, chain);
	if (lister->c->same[p->id])
		return meta ? 0 : push_change(lister, FES_CHANGE_TOUCHED, p, NULL);
	return push_change(lister, FES_CHANGE_CONTENTS, p, NULL);
}

static int list_dir(struct lister *lister, const struct fes_node *p, const struct fes_node *m);

static int list_one(struct lister *lister, const struct fes_node *p)
{
	const struct fes_node *m = lister->c->twin[p->id];
	int r;

	if (!m)
		return list_new(lister, p);
	if (m->directory != p->directory) {
		r = list_removed(lister, m);
		return r < 0 ? r : list_new(lister, p);
	}
	r = p->parent ? list_pair(lister, p, m) : 0;
	return r < 0 || !p->directory ? r : list_dir(lister, p, m);
}

/* Both lists are sorted by folded name: merge them, so that the result is in the order of paths. */
static int list_dir(struct lister *lister, const struct fes_node *p, const struct fes_node *m)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < p->n_children || j < m->n_children)) {
		const struct fes_node *pc = i < p->n_children ? p->children[i] : NULL;
		const struct fes_node *mc = j < m->n_children ? m->children[j] : NULL;

		if (pc && (!mc || strcmp(pc->key, mc->key) <= 0)) {
			if (fes_node_leads_to_managed(pc))
				r = list_one(lister, pc);
			else if (lister->c->twin[pc->id])
				r = list_dir(lister, pc, lister->c->twin[pc->id]);
			i++;
		} else if (mc) {
			bool lost = mc->role != FES_FOREIGN && !lister->c->back[mc->id];

			r = lost ? list_removed(lister, mc) : 0;
			j++;
		}
	}
	return r;
}

int fes_plan_list_changes(struct fes_plan *plan)
{
	struct lister lister = {.plan = plan, .c = plan->comparison};

	return list_one(&lister, plan->comparison->primary->root);
}
