/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

/*
 * From two trees to the places ("sites") where the mirror has to change, each of which becomes
 * one commit.
 *
 * A managed directory with nothing foreign below that has a place of its own is not edited: it is
 * rebuilt, at the lowest directory that holds all its changes. Mixed directories (the
 * root, /EFI, or where a foreign directory lies inside a managed one) are edited entry by entry.
 *
 * Order (order.c): payload, then /loader, then the removal of what may not go before (retain.c): it is
 * retained in the first version of its directory and left out of a second one, which is committed last.
 *
 * Files that were renamed are found by rename.c; what people get to see is listed by changes.c.
 */

struct planner {
	struct fes_plan *plan;
	const struct fes_comparison *c;
	size_t sites_room;
};

/* What has to happen in and below a directory of the mirror that can be rebuilt. */
enum need {
	NEED_NOTHING,
	NEED_TOUCH,   /* only its own entry */
	NEED_BELOW,   /* something in one place further down */
	NEED_REBUILD, /* this directory */
};

struct verdict {
	enum need need;
	struct fes_node *p, *m; /* the place */
};

void fes_plan_free(struct fes_plan *plan)
{
	if (!plan)
		return;
	free(plan->chain);
	free(plan->moved);
	free(plan->retained);
	free(plan->sites);
	free(plan->changes);
	free(plan);
}

static int push_site(struct planner *planner, struct fes_site site)
{
	struct fes_plan *plan = planner->plan;

	if (plan->n_sites == planner->sites_room) {
		size_t room = planner->sites_room ? planner->sites_room * 2 : 16;
		struct fes_site *sites = realloc(plan->sites, room * sizeof *sites);

		if (!sites)
			return -ENOMEM;
		plan->sites = sites;
		planner->sites_room = room;
	}
	plan->sites[plan->n_sites++] = site;
	return 0;
}

static int push_kind(struct planner *planner, enum fes_site_kind kind, struct fes_node *p,
	struct fes_node *m)
{
	const struct fes_node *place = p ? p : m;

	return push_site(planner,
		(struct fes_site){.kind = kind, .phase = fes_phase_of(place), .p = p, .m = m});
}

/* ---- where does it differ ---- */

static bool file_differs(const struct fes_comparison *c, const struct fes_node *p,
	const struct fes_node *m)
{
	return !c->same[p->id] || !fes_node_same_meta(p, m);
}

static struct verdict judge_dir(const struct fes_comparison *c, struct fes_node *p,
	struct fes_node *m);

/* Whether the entry of @p in the mirror's directory has to change, apart from what is below it. */
static bool entry_differs(const struct fes_comparison *c, const struct fes_node *p)
{
	const struct fes_node *m = c->twin[p->id];

	if (!m || m->directory != p->directory || fes_node_name_differs(p, m))
		return true;
	return !p->directory && file_differs(c, p, m);
}

/* Whether anything of @m goes when the primary has nothing in its place. */
static bool loses_anything(const struct fes_node *m)
{
	if (m->role != FES_MANAGED)
		return false;
	if (!m->holds_foreign)
		return true;
	for (size_t i = 0; i < m->n_children; i++)
		if (loses_anything(m->children[i]))
			return true;
	return false;
}

static bool lost_child(const struct fes_comparison *c, const struct fes_node *m)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (!c->back[m->children[i]->id] && loses_anything(m->children[i]))
			return true;
	return false;
}

/* Fold what is below a child directory and the child's own entry into one verdict. */
static struct verdict judge_child(const struct fes_comparison *c, struct fes_node *p,
	struct fes_node *m)
{
	struct verdict below = judge_dir(c, p, m);
	bool touched = !fes_node_same_entry(p, m);

	if (below.need == NEED_NOTHING)
		return (struct verdict){touched ? NEED_TOUCH : NEED_NOTHING, p, m};
	/* Rebuilding rewrites the entry, so it takes the touch along; a place below does not. */
	if (touched)
		return (struct verdict){NEED_REBUILD, p, m};
	return below;
}

/* The lowest directory that holds all changes of @m, which is not mixed. */
static struct verdict judge_dir(const struct fes_comparison *c, struct fes_node *p,
	struct fes_node *m)
{
	struct verdict rebuild = {NEED_REBUILD, p, m}, only = {NEED_NOTHING, p, m};

	if (m->untidy || lost_child(c, m))
		return rebuild;
	for (size_t i = 0; i < p->n_children; i++) {
		struct fes_node *pc = p->children[i];
		struct verdict verdict;

		if (pc->role == FES_FOREIGN)
			continue;
		if (entry_differs(c, pc))
			return rebuild;
		if (!pc->directory)
			continue;
		verdict = judge_child(c, pc, c->twin[pc->id]);
		if (verdict.need == NEED_NOTHING)
			continue;
		if (only.need != NEED_NOTHING)
			return rebuild;
		only = verdict;
	}
	return only;
}

/* ---- sites ---- */

static int push_verdict(struct planner *planner, struct verdict verdict)
{
	switch (verdict.need) {
	case NEED_TOUCH:
		return push_kind(planner, FES_SITE_TOUCH, verdict.p, verdict.m);
	case NEED_REBUILD:
		return push_kind(planner, FES_SITE_REBUILD, verdict.p, verdict.m);
	default:
		return 0;
	}
}

static int report_kinds(const struct fes_comparison *c, const struct fes_node *p,
	const struct fes_node *m)
{
	fes_volume_report(c->mirror->volume,
		"%s: is a %s here but a %s on the primary; it is not ours to replace: move it away or use --exclude",
		m->path, m->directory ? "directory" : "file", p->directory ? "directory" : "file");
	return -EEXIST;
}

static int edit_dir(struct planner *planner, struct fes_node *p, struct fes_node *m);

/* What holds something foreign cannot go whole: only what is ours in it does. */
static int remove_node(struct planner *planner, struct fes_node *m)
{
	if (m->holds_foreign)
		return edit_dir(planner, NULL, m);
	return push_kind(planner, FES_SITE_REMOVE, NULL, m);
}

static int edit_file(struct planner *planner, struct fes_node *p, struct fes_node *m)
{
	bool same = planner->c->same[p->id];

	if (fes_node_name_differs(p, m))
		return push_kind(planner, FES_SITE_RENAME, p, m);
	if (!same)
		return push_kind(planner, FES_SITE_REPLACE, p, m);
	return fes_node_same_meta(p, m) ? 0 : push_kind(planner, FES_SITE_TOUCH, p, m);
}

static int edit_pair(struct planner *planner, struct fes_node *p, struct fes_node *m)
{
	int r;

	if (!p->directory)
		return edit_file(planner, p, m);
	if (!m->mixed)
		return fes_node_name_differs(p, m) ? push_kind(planner, FES_SITE_RENAME, p, m)
					  : push_verdict(planner, judge_child(planner->c, p, m));
	r = edit_dir(planner, p, m);
	if (r < 0 || m->role == FES_PARENT)
		return r;
	if (fes_node_name_differs(p, m))
		return push_kind(planner, FES_SITE_RENAME, p, m);
	return fes_node_same_entry(p, m) ? 0 : push_kind(planner, FES_SITE_TOUCH, p, m);
}

/* Another kind of thing stands there, which is ours: see refuse_clashes(). */
static int edit_clash(struct planner *planner, struct fes_node *p, struct fes_node *m)
{
	size_t first = planner->plan->n_sites;
	int r = remove_node(planner, m);

	for (size_t i = first; i < planner->plan->n_sites; i++)
		planner->plan->sites[i].phase = fes_phase_of(p);
	return r < 0 ? r : push_site(planner, (struct fes_site){
		.kind = FES_SITE_ADD, .phase = fes_phase_of(p), .p = p, .m = m->parent});
}

static int edit_child(struct planner *planner, struct fes_node *p, struct fes_node *dir)
{
	struct fes_node *m = planner->c->twin[p->id];

	if (!fes_node_leads_to_managed(p))
		return p->role == FES_PARENT && m && m->directory ? edit_dir(planner, p, m) : 0;
	if (!m)
		return push_site(planner, (struct fes_site){
			.kind = FES_SITE_ADD, .phase = fes_phase_of(p), .p = p, .m = dir});
	return m->directory == p->directory ? edit_pair(planner, p, m) : edit_clash(planner, p, m);
}

/* Bring a mixed directory @m in line with @p (NULL: the primary has none), entry by entry. */
static int edit_dir(struct planner *planner, struct fes_node *p, struct fes_node *m)
{
	int r = 0;

	if (m->untidy)
		r = push_kind(planner, FES_SITE_TIDY, NULL, m);
	for (size_t i = 0; r == 0 && p && i < p->n_children; i++)
		r = edit_child(planner, p->children[i], m);
	for (size_t i = 0; r == 0 && i < m->n_children; i++) {
		struct fes_node *mc = m->children[i];

		if (planner->c->back[mc->id])
			continue;
		if (mc->role == FES_MANAGED)
			r = remove_node(planner, mc);
		else if (mc->role == FES_PARENT && mc->directory)
			r = edit_dir(planner, NULL, mc);
	}
	return r;
}

/* A managed root, or what holds something foreign, is not ours to replace by another kind. */
static int refuse_clashes(const struct fes_comparison *c)
{
	for (size_t i = 1; i < c->primary->n_nodes; i++) {
		const struct fes_node *p = c->primary->nodes[i], *m = c->twin[i];

		if (!m || m->directory == p->directory || !fes_node_leads_to_managed(p))
			continue;
		if (m->parent->role == FES_PARENT || m->holds_foreign)
			return report_kinds(c, p, m);
	}
	return 0;
}

/* A directory that retains something gets a second new version without it, last of all. */
static int push_last_versions(struct planner *planner)
{
	struct fes_plan *plan = planner->plan;
	size_t n = plan->n_sites;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct fes_site last = plan->sites[i];

		if (!last.retains)
			continue;
		last.phase = FES_PHASE_REMOVAL;
		last.retains = false;
		r = push_site(planner, last);
	}
	return r;
}

/* ---- the whole ---- */

static struct fes_plan *new_plan(const struct fes_comparison *c)
{
	struct fes_plan *plan = calloc(1, sizeof *plan);

	if (!plan)
		return NULL;
	plan->comparison = c;
	plan->chain = calloc(c->primary->n_nodes, sizeof(*plan->chain));
	plan->moved = calloc(c->mirror->n_nodes, sizeof *plan->moved);
	plan->retained = calloc(c->mirror->n_nodes, sizeof *plan->retained);
	if (plan->chain && plan->moved && plan->retained)
		return plan;
	fes_plan_free(plan);
	return NULL;
}

static int make(struct planner *planner, bool keep_images)
{
	struct fes_plan *plan = planner->plan;
	const struct fes_comparison *c = planner->c;
	int r = refuse_clashes(c);

	if (r == 0)
		r = edit_dir(planner, c->primary->root, c->mirror->root);
	if (r < 0)
		return r;
	r = fes_plan_retain(plan, keep_images);
	if (r == 0)
		r = push_last_versions(planner);
	if (r == 0)
		r = fes_plan_find_renames(plan);
	if (r == 0)
		r = fes_plan_list_changes(plan);
	if (r == 0)
		r = fes_plan_sort(plan);
	return r;
}

int fes_plan_make(const struct fes_comparison *comparison, bool keep_images,
	struct fes_plan **ret)
{
	struct planner planner = {.plan = new_plan(comparison), .c = comparison};
	int r;

	if (!planner.plan)
		return -ENOMEM;
	r = make(&planner, keep_images);
	if (r < 0) {
		fes_plan_free(planner.plan);
		return r;
	}
	*ret = planner.plan;
	return 0;
}
