/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"
#include "lib/loader.h"

/*
 * In which order the sites of a plan become commits: phase by phase, and in each what boots first.
 * Payload goes so that the boot loader which firmware finds by itself has what it starts, the old one as
 * well as the new one.
 */

/* What lies in folders beside the entries is none of what the boot loader reads first. */
static bool is_beside_entries(const struct fes_node *node)
{
	size_t above = strlen("/loader/");

	return strlen(node->path) > above && !fes_path_within(node->path, "/loader/entries") &&
		(node->directory || strchr(node->path + above, '/'));
}

enum fes_phase fes_phase_of(const struct fes_node *node)
{
	bool loader = fes_path_within(node->path, "/loader") && !is_beside_entries(node);

	return loader ? FES_PHASE_LOADER : FES_PHASE_PAYLOAD;
}

/* Of sites in one phase. */
enum rank {
	/*
	 * systemd-boot, which starts what comes in later phases; one that is neither this nor shim: what it
	 * starts is not looked into; what a new image takes along; and slots that are nobody's.
	 */
	RANK_FIRST,
	RANK_COMES,
	RANK_SHIM,   /* starts what lies beside it, and its fallback what vendors have: see boots-shim.c */
	RANK_GOES,   /* an old shim may have started it; entries that do not boot come no sooner */
};

static bool is_loader(const struct fes_node *node)
{
	return !node->directory && fes_loader_is_default_name(node->name) &&
		fat_name_equal(node->parent->path, "/EFI/BOOT");
}

static bool is_shim(const struct fes_node *node)
{
	return node->shim;
}

/* Whether @node is such a file, or the directory of one. */
static bool has(const struct fes_node *node, bool (*fits)(const struct fes_node *node))
{
	if (node->directory && fat_name_equal(node->path, "/EFI/BOOT"))
		for (size_t i = 0; i < node->n_children; i++)
			if (fits(node->children[i]))
				return true;
	return !node->directory && fits(node);
}

static enum rank rank_of_node(const struct fes_node *p)
{
	if (has(p, is_shim))
		return RANK_SHIM;
	return has(p, is_loader) ? RANK_FIRST : RANK_COMES;
}

/* One of which the primary lacks something may come in place of one that is complete. */
static bool is_broken_choice(const struct fes_node *p)
{
	return !p->directory && fes_node_is_choice(p) && !p->complete;
}

/* What is only replaced belongs to the image that is there. */
static bool is_new_companion(const struct fes_site *site, const struct fes_node *p)
{
	return (site->kind == FES_SITE_ADD || site->kind == FES_SITE_REMOVE) && fes_node_is_companion(p);
}

/* What makes way for something of another kind goes right before that. */
static enum rank rank_of(const struct fes_plan *plan, const struct fes_site *site)
{
	const struct fes_node *p = site->p ? site->p : plan->comparison->back[site->m->id];

	if (site->phase == FES_PHASE_REMOVAL)
		return RANK_COMES;
	if (site->kind == FES_SITE_TIDY || (p && is_new_companion(site, p)))
		return RANK_FIRST;
	if (!p || is_broken_choice(p))
		return RANK_GOES;
	return site->phase == FES_PHASE_PAYLOAD ? rank_of_node(p) : RANK_COMES;
}

/* Stable: sites of one phase and rank keep the order in which they were found. */
int fes_plan_sort(struct fes_plan *plan)
{
	struct fes_site *sorted = malloc((plan->n_sites + 1) * sizeof *sorted);
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (int phase = FES_PHASE_PAYLOAD; phase <= FES_PHASE_REMOVAL; phase++)
		for (int rank = RANK_FIRST; rank <= RANK_GOES; rank++)
			for (size_t i = 0; i < plan->n_sites; i++)
				if ((int)plan->sites[i].phase == phase &&
					(int)rank_of(plan, &plan->sites[i]) == rank)
					sorted[n++] = plan->sites[i];
	free(plan->sites);
	plan->sites = sorted;
	return 0;
}
