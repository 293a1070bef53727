/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

/*
 * A file of the mirror that the primary has under another name lends its clusters to it, but only
 * within one site of the plan: between two commits nobody may own a chain twice, or lose it.
 */

/* A mirror's file that may lend its chain. */
struct lender {
	struct fes_digest digest;
	struct fes_node *m;
	bool lent;
};

static int by_digest(const void *a, const void *b)
{
	const struct lender *la = a, *lb = b;

	if (la->digest.high != lb->digest.high)
		return la->digest.high < lb->digest.high ? -1 : 1;
	if (la->digest.low != lb->digest.low)
		return la->digest.low < lb->digest.low ? -1 : 1;
	return strcmp(la->m->path, lb->m->path);
}

/*
 * Files below @m that nobody keeps under their own path. One that is retained is still needed
 * where it is.
 */
static size_t collect_lenders(const struct fes_plan *plan, struct fes_node *m,
	struct lender *lenders, size_t n)
{
	const struct fes_comparison *c = plan->comparison;

	for (size_t i = 0; i < m->n_children; i++) {
		struct fes_node *mc = m->children[i];
		const struct fes_node *twin = c->back[mc->id];

		if (mc->role != FES_MANAGED || plan->retained[mc->id])
			continue;
		if (mc->directory)
			n = collect_lenders(plan, mc, lenders, n);
		else if (c->m_has[mc->id] && !(twin && !twin->directory && c->same[twin->id]))
			lenders[n++] = (struct lender){c->m_digest[mc->id], mc, false};
	}
	return n;
}

static struct lender *find_lender(struct lender *lenders, size_t n, struct fes_digest digest)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct fes_digest at = lenders[mid].digest;

		if (at.high < digest.high || (at.high == digest.high && at.low < digest.low))
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n && fes_digest_equal(lenders[low].digest, digest); low++)
		if (!lenders[low].lent)
			return &lenders[low];
	return NULL;
}

/* Give every file below @p a chain of the mirror's if there is one with its contents. */
static void assign_chains(struct fes_plan *plan, const struct fes_node *p,
	struct lender *lenders, size_t n)
{
	const struct fes_comparison *c = plan->comparison;

	for (size_t i = 0; i < p->n_children; i++) {
		const struct fes_node *pc = p->children[i];
		struct lender *lender;

		if (pc->role == FES_FOREIGN)
			continue;
		if (pc->directory) {
			assign_chains(plan, pc, lenders, n);
			continue;
		}
		if (c->same[pc->id])
			plan->chain[pc->id] = c->twin[pc->id];
		if (c->same[pc->id] || !c->p_has[pc->id])
			continue;
		lender = find_lender(lenders, n, c->p_digest[pc->id]);
		if (!lender || lender->m->size != pc->size)
			continue;
		lender->lent = true;
		plan->chain[pc->id] = lender->m;
		plan->moved[lender->m->id] = true;
	}
}

/* ---- in mixed directories: an entry to be added that is one to be removed ---- */

/* Not one whose name the primary uses for a directory: that removal makes way for an addition. */
static bool is_renamed(const struct fes_plan *plan, const struct fes_site *add,
	const struct fes_site *remove)
{
	const struct fes_comparison *c = plan->comparison;
	const struct fes_node *p = add->p, *m = remove->m;

	return remove->kind == FES_SITE_REMOVE && remove->phase == add->phase &&
		m->parent == add->m && !m->directory && !c->back[m->id] &&
		m->size == p->size && c->m_has[m->id] &&
		fes_digest_equal(c->p_digest[p->id], c->m_digest[m->id]);
}

static void drop_site(struct fes_plan *plan, size_t i)
{
	memmove(&plan->sites[i], &plan->sites[i + 1], (plan->n_sites - i - 1) * sizeof *plan->sites);
	plan->n_sites--;
}

static void join_sites(struct fes_plan *plan, struct fes_site *add)
{
	for (size_t i = 0; i < plan->n_sites; i++) {
		struct fes_node *m = plan->sites[i].m;

		if (!is_renamed(plan, add, &plan->sites[i]))
			continue;
		add->kind = FES_SITE_RENAME;
		add->m = m;
		plan->chain[add->p->id] = m;
		plan->moved[m->id] = true;
		drop_site(plan, i);
		return;
	}
}

static void join_all_sites(struct fes_plan *plan)
{
	for (size_t i = plan->n_sites; i-- > 0;) {
		struct fes_site *site = &plan->sites[i];

		if (i < plan->n_sites && site->kind == FES_SITE_ADD && !site->p->directory &&
			plan->comparison->p_has[site->p->id])
			join_sites(plan, site);
	}
}

/* A directory that only changes the case of its name in a mixed one is rebuilt along with that. */
static bool rebuilds(const struct fes_site *site)
{
	return site->kind == FES_SITE_REBUILD ||
		(site->kind == FES_SITE_RENAME && site->p->directory && !site->m->mixed);
}

int fes_plan_find_renames(struct fes_plan *plan)
{
	struct lender *lenders = malloc((plan->comparison->mirror->n_nodes + 1) * sizeof *lenders);

	if (!lenders)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_sites; i++) {
		const struct fes_site *site = &plan->sites[i];
		size_t n;

		if (site->kind == FES_SITE_RENAME && plan->comparison->same[site->p->id])
			plan->chain[site->p->id] = site->m;
		if (!rebuilds(site) || site->phase == FES_PHASE_REMOVAL)
			continue;
		n = collect_lenders(plan, site->m, lenders, 0);
		if (n > 0)
			qsort(lenders, n, sizeof *lenders, by_digest);
		assign_chains(plan, site->p, lenders, n);
	}
	free(lenders);
	join_all_sites(plan);
	return 0;
}
