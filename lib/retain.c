/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "lib/internal.h"

/*
 * What may not go before the loader entries are new: payload that the mirror's present entries may
 * refer to; and images that can be booted themselves, if nothing else could be until then or they
 * are to be found on another volume only by then.
 */

struct retainer {
	struct fes_plan *plan;
	struct fes_references *references; /* of the mirror's entries; NULL: they stay as they are */
	bool images;
};

static bool any_site(const struct fes_plan *plan, enum fes_phase phase)
{
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].phase == phase)
			return true;
	return false;
}

static bool is_image(const struct fes_node *node)
{
	return fes_node_is_choice(node) && !fes_node_is_entry(node);
}

static bool any_complete(const struct fes_tree *tree, bool (*fits)(const struct fes_node *node))
{
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (tree->nodes[i]->complete && fits(tree->nodes[i]))
			return true;
	return false;
}

/* Of an EFI program nobody knows what it starts; it may be a shell. */
static bool is_entry_of_system(const struct fes_node *node)
{
	return fes_node_is_entry(node) && !node->program;
}

/*
 * The mirror's images are all that boots until the rest is done: its entries are still there after the
 * payload, and so are the primary's images already, but none of them is complete.
 */
static bool only_images_boot(const struct fes_comparison *c)
{
	return any_complete(c->mirror, is_image) && !any_complete(c->mirror, is_entry_of_system) &&
		!any_complete(c->primary, is_image);
}

/* The mirror's image @m only gets another name: it is there all the time. */
static bool is_renamed(const struct fes_comparison *c, const struct fes_node *m)
{
	const struct fes_node *dir = c->back[m->parent->id];

	for (size_t i = 0; dir && c->m_has[m->id] && i < dir->n_children; i++) {
		const struct fes_node *p = dir->children[i];

		if (is_image(p) && !c->same[p->id] && c->p_has[p->id] &&
			fes_digest_equal(c->p_digest[p->id], c->m_digest[m->id]))
			return true;
	}
	return false;
}

static bool holds_image(const struct fes_comparison *c, const struct fes_node *m)
{
	if (is_image(m))
		return !is_renamed(c, m);
	if (fes_node_is_companion(m))
		return true;
	for (size_t i = 0; i < m->n_children; i++)
		if (holds_image(c, m->children[i]))
			return true;
	return false;
}

static bool still_needed(const struct retainer *retainer, const struct fes_node *m)
{
	if (retainer->references && fes_references_has(retainer->references, m))
		return true;
	return retainer->images && holds_image(retainer->plan->comparison, m);
}

/* Its name is needed for something else already. What of the primary is not mirrored needs none. */
static bool name_taken(const struct fes_node *m, const struct fes_node *p_dir)
{
	const struct fes_node *child = p_dir ? fes_node_child(p_dir, m) : NULL;

	return child && fes_node_leads_to_managed(child);
}

/* Mark what is retained below directory @m, which becomes a version of @p. */
static bool retain_below(struct retainer *retainer, const struct fes_node *p,
	const struct fes_node *m)
{
	struct fes_plan *plan = retainer->plan;
	bool any = false;

	for (size_t i = 0; i < m->n_children; i++) {
		const struct fes_node *mc = m->children[i], *twin = plan->comparison->back[mc->id];

		if (mc->role != FES_MANAGED)
			continue;
		if (twin && twin->directory && mc->directory)
			any |= retain_below(retainer, twin, mc);
		else if (!twin && !name_taken(mc, p) && still_needed(retainer, mc))
			any = plan->retained[mc->id] = true;
	}
	return any;
}

static void retain(struct retainer *retainer, struct fes_site *site)
{
	const struct fes_comparison *c = retainer->plan->comparison;

	if (site->kind == FES_SITE_REMOVE && still_needed(retainer, site->m) &&
		!name_taken(site->m, c->back[site->m->parent->id]))
		site->phase = FES_PHASE_REMOVAL;
	if (site->kind == FES_SITE_REBUILD)
		site->retains = retain_below(retainer, site->p, site->m);
}

int fes_plan_retain(struct fes_plan *plan, bool keep_images)
{
	struct retainer retainer = {
		.plan = plan,
		.images = keep_images || only_images_boot(plan->comparison),
	};
	bool entries_change = any_site(plan, FES_PHASE_LOADER);
	int r = 0;

	if (!any_site(plan, FES_PHASE_PAYLOAD) || !(entries_change || retainer.images))
		return 0;
	if (entries_change)
		r = fes_references_new(plan->comparison->mirror, NULL, &retainer.references);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->n_sites; i++)
		if (plan->sites[i].phase == FES_PHASE_PAYLOAD)
			retain(&retainer, &plan->sites[i]);
	fes_references_free(retainer.references);
	return 0;
}
