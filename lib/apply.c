/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"
#include "lib/source.h"

/* From the sites of a plan to a transaction of fat/. */

/* Which renames in mixed directories are done by copying: one write each cannot do them. */
enum copying {
	COPY_NOTHING,
	COPY_RENAMED, /* but not what changes in case only */
	COPY_ALL,
};

struct builder {
	const struct fes_apply *apply;
	const struct fes_comparison *c;
	struct fes_volume *primary, *mirror;
	struct fat_txn *txn;
	struct fat_item **files;     /* [primary id]: the item of a new file, shared by versions */
	struct fat_source **sources; /* [primary id] */
	enum copying copying;
	bool retaining; /* the site in hand: what is to be removed later still stays in */
};

/* ---- items ---- */

static struct fat_item *build_new_file(struct builder *b, const struct fes_node *p)
{
	if (b->files[p->id])
		return b->files[p->id];
	if (p->size > 0) {
		b->sources[p->id] = fes_source_new(b->primary, b->mirror, p, b->apply->digester);
		if (!b->sources[p->id])
			return NULL;
	}
	b->files[p->id] = fat_item_file(b->txn, p->slots, p->n_slots, b->sources[p->id]);
	return b->files[p->id];
}

static struct fat_item *build_file(struct builder *b, const struct fes_node *p)
{
	const struct fes_node *chain = b->apply->plan->chain[p->id];

	if (chain)
		return fat_item_keep(b->txn, p->slots, p->n_slots, chain->first_cluster, false);
	return build_new_file(b, p);
}

static int by_slot(const void *a, const void *b)
{
	const struct fes_node *const *na = a, *const *nb = b;

	return (*na)->short_slot < (*nb)->short_slot ? -1 : (*na)->short_slot > (*nb)->short_slot;
}

/* Add what @build makes of each child, in the order in which they stand in the directory. */
static int add_children(struct builder *b, struct fat_item *dir, const struct fes_node *node,
	struct fat_item *(*build)(struct builder *b, const struct fes_node *child, bool *skip))
{
	struct fes_node **order;
	int r = 0;

	if (node->n_children == 0)
		return 0;
	order = malloc(node->n_children * sizeof(*order));
	if (!order)
		return -ENOMEM;
	memcpy(order, node->children, node->n_children * sizeof(*order));
	qsort(order, node->n_children, sizeof(*order), by_slot);
	for (size_t i = 0; r == 0 && i < node->n_children; i++) {
		bool skip = false;
		struct fat_item *item = build(b, order[i], &skip);

		if (!skip)
			r = item ? fat_item_add(dir, item) : -ENOMEM;
	}
	free(order);
	return r;
}

static struct fat_item *build_dir(struct builder *b, const struct fes_node *p,
	const struct fes_node *m);

static struct fat_item *build_child(struct builder *b, const struct fes_node *p, bool *skip)
{
	*skip = !fes_node_leads_to_managed(p);
	if (*skip)
		return NULL;
	return p->directory ? build_dir(b, p, b->c->twin[p->id]) : build_file(b, p);
}

/* Whether the mirror's @m comes whole into the version that is being built. */
static bool is_retained(const struct builder *b, const struct fes_node *m)
{
	return b->retaining && b->apply->plan->retained[m->id];
}

/*
 * What is foreign in a rebuilt directory is files only, and stays as it is; so do directories that
 * the primary does not have and that hold some, with nothing else in them.
 */
static struct fat_item *build_foreign(struct builder *b, const struct fes_node *m, bool *skip)
{
	bool remains = !b->c->back[m->id] && m->holds_foreign && !is_retained(b, m);
	struct fat_item *dir;

	*skip = m->role != FES_FOREIGN && !remains;
	if (*skip)
		return NULL;
	if (m->role == FES_FOREIGN)
		return fat_item_keep(b->txn, m->slots, m->n_slots, m->first_cluster, true);
	dir = fat_item_dir(b->txn, m->slots, m->n_slots);
	return dir && add_children(b, dir, m, build_foreign) == 0 ? dir : NULL;
}

static struct fat_item *build_old(struct builder *b, const struct fes_node *m, bool *skip)
{
	struct fat_item *item;

	*skip = false;
	if (!m->directory)
		return fat_item_keep(b->txn, m->slots, m->n_slots, m->first_cluster,
			m->role == FES_FOREIGN);
	item = fat_item_dir(b->txn, m->slots, m->n_slots);
	return item && add_children(b, item, m, build_old) == 0 ? item : NULL;
}

static struct fat_item *build_retained(struct builder *b, const struct fes_node *m, bool *skip)
{
	*skip = !is_retained(b, m);
	return *skip ? NULL : build_old(b, m, skip);
}

/* A version of the primary's @p for the mirror, whose directory so far is @m (or NULL). */
static struct fat_item *build_dir(struct builder *b, const struct fes_node *p,
	const struct fes_node *m)
{
	struct fat_item *dir = fat_item_dir(b->txn, p->slots, p->n_slots);
	int r;

	if (!dir)
		return NULL;
	r = add_children(b, dir, p, build_child);
	if (r == 0 && m && m->directory)
		r = add_children(b, dir, m, build_foreign);
	if (r == 0 && m && m->directory)
		r = add_children(b, dir, m, build_retained);
	return r == 0 ? dir : NULL;
}

/* ---- operations ---- */

static struct fat_place place_of(const struct fes_node *dir, const struct fes_node *entry)
{
	return (struct fat_place){
		.dir_cluster = dir->first_cluster,
		.dir_path = dir->path,
		.short_slot = entry ? entry->short_slot : 0,
	};
}

static int replace(struct builder *b, const struct fes_site *site, struct fat_item *item)
{
	struct fat_place place = place_of(site->m->parent, site->m);

	return item ? fat_txn_replace(b->txn, &place, item) : -ENOMEM;
}

static int refuse_case(const struct builder *b, const struct fes_site *site)
{
	fes_volume_report(b->mirror,
		"%s: is called '%s' on the primary, and its directory sector has no room to change that in one write; rename it there",
		site->m->path, site->p->name);
	return -EEXIST;
}

static int rename_entry(struct builder *b, const struct fes_site *site);

/* FAT cannot hold two names that differ only in case: then the old one goes first. */
static int copy_renamed(struct builder *b, const struct fes_site *site)
{
	struct fat_place old = place_of(site->m->parent, site->m), dir = place_of(site->m->parent, NULL);
	bool clash = fat_name_equal(site->p->name, site->m->name);
	struct fat_item *item;
	int r;

	if (clash && b->copying < COPY_ALL)
		return rename_entry(b, site); /* nearly always possible in place */
	if (site->p->directory)
		return refuse_case(b, site);
	item = build_new_file(b, site->p);
	r = item ? 0 : -ENOMEM;
	if (r == 0 && clash)
		r = fat_txn_remove(b->txn, &old);
	if (r == 0)
		r = fat_txn_add(b->txn, &dir, item);
	if (r == 0 && !clash)
		r = fat_txn_remove(b->txn, &old);
	return r;
}

static int rename_entry(struct builder *b, const struct fes_site *site)
{
	const struct fes_node *p = site->p, *m = site->m;
	struct fat_place place = place_of(m->parent, m);
	struct fat_item *item;

	if (!p->directory)
		item = build_file(b, p);
	else if (m->mixed)
		item = fat_item_keep(b->txn, p->slots, p->n_slots, m->first_cluster, false);
	else
		item = build_dir(b, p, m);
	return item ? fat_txn_rename(b->txn, &place, item) : -ENOMEM;
}

static int build_site(struct builder *b, const struct fes_site *site)
{
	const struct fes_node *p = site->p, *m = site->m;
	struct fat_place place;
	struct fat_item *item;
	bool skip;

	b->retaining = site->retains;
	switch (site->kind) {
	case FES_SITE_REBUILD:
		return replace(b, site, build_dir(b, p, m));
	case FES_SITE_REPLACE:
		return replace(b, site, build_file(b, p));
	case FES_SITE_TOUCH:
		item = fat_item_keep(b->txn, p->slots, p->n_slots, m->first_cluster, false);
		return replace(b, site, item);
	case FES_SITE_RENAME:
		return b->copying > COPY_NOTHING ? copy_renamed(b, site) : rename_entry(b, site);
	case FES_SITE_TIDY:
		place = place_of(m, NULL);
		return fat_txn_tidy(b->txn, &place);
	case FES_SITE_ADD:
		place = place_of(m, NULL);
		item = build_child(b, p, &skip);
		return item ? fat_txn_add(b->txn, &place, item) : -ENOMEM;
	case FES_SITE_REMOVE:
		place = place_of(m->parent, m);
		return fat_txn_remove(b->txn, &place);
	}
	return -EINVAL;
}

static int builder_begin(struct builder *b, const struct fes_apply *apply, enum copying copying)
{
	const struct fes_comparison *c = apply->plan->comparison;

	*b = (struct builder){
		.apply = apply,
		.c = c,
		.primary = c->primary->volume,
		.mirror = c->mirror->volume,
		.copying = copying,
	};
	b->files = calloc(c->primary->n_nodes, sizeof(*b->files));
	b->sources = calloc(c->primary->n_nodes, sizeof(*b->sources));
	if (!b->files || !b->sources)
		return -ENOMEM;
	return fat_txn_begin(b->mirror->fat, &b->txn);
}

static void builder_end(struct builder *b)
{
	fat_txn_free(b->txn);
	for (size_t i = 0; b->sources && i < b->c->primary->n_nodes; i++)
		fes_source_free(b->sources[i]);
	free(b->sources);
	free(b->files);
}

/* What is copied is read twice: see lib/source.c. The digester runs ahead of the copying. */
static void want_digests(const struct builder *b)
{
	for (size_t i = 0; i < b->c->primary->n_nodes; i++)
		if (b->sources[i])
			fes_digester_want(b->apply->digester, b->c->primary->nodes[i]);
}

static int run(struct builder *b)
{
	if (b->apply->dry_run)
		return 0;
	fat_txn_set_poll(b->txn, b->apply->poll, b->apply->userdata);
	want_digests(b);
	return fat_txn_run(b->txn, b->apply->before_commit, b->apply->userdata);
}

static int report_too_small(const struct fes_apply *apply, struct fat_space space, uint64_t removable)
{
	uint64_t reachable = space.free + removable;

	fes_volume_report(apply->plan->comparison->mirror->volume,
		"too small: %" PRIu64 " bytes missing: what is new must fit beside what is there, "
		"that takes %" PRIu64 " bytes, but %" PRIu64 " are free and %" PRIu64
		" more would be after removing what the primary no longer has; %s",
		space.needed > reachable ? space.needed - reachable : 0, space.needed, space.free,
		removable,
		apply->second_step ? "what the primary no longer has was removed, no more was changed"
				   : "nothing was written");
	return -ENOSPC;
}

/* Too little room: would removing first help? */
static int find_room(const struct fes_apply *apply, struct fat_space space, bool *ret_short)
{
	struct fes_removals removals;
	uint64_t removable;
	int r = fes_removals_find(apply->plan, &removals);

	if (r < 0)
		return r;
	removable = removals.bytes;
	fes_removals_done(&removals);
	if (!ret_short || removable == 0 || space.needed > space.free + removable)
		return report_too_small(apply, space, removable);
	*ret_short = true;
	return -ENOSPC;
}

static int apply_plan(const struct fes_apply *apply, enum copying copying, bool *ret_short)
{
	const struct fes_plan *plan = apply->plan;
	struct fat_space space = {0};
	struct builder b;
	int r = builder_begin(&b, apply, copying);

	for (size_t i = 0; r == 0 && i < plan->n_sites; i++)
		r = build_site(&b, &plan->sites[i]);
	if (r == 0)
		r = fat_txn_layout(b.txn, &space);
	if (r == -ENOSPC && space.needed > space.free)
		r = find_room(apply, space, ret_short);
	if (r == 0)
		r = run(&b);
	builder_end(&b);
	return r;
}

int fes_apply_plan(const struct fes_apply *apply, bool *ret_short)
{
	int r;

	if (ret_short)
		*ret_short = false;
	r = apply_plan(apply, COPY_NOTHING, ret_short);
	if (r == -EXDEV)
		r = apply_plan(apply, COPY_RENAMED, ret_short);
	return r == -EXDEV ? apply_plan(apply, COPY_ALL, ret_short) : r;
}

/*
 * Entries are taken out where they stand: a new version of their directory would need room, and
 * there may be none at all.
 */
int fes_apply_removals(const struct fes_apply *apply)
{
	struct fes_removals removals;
	struct fat_space space;
	struct builder b;
	int r = fes_removals_find(apply->plan, &removals);

	if (r < 0)
		return r;
	r = builder_begin(&b, apply, COPY_NOTHING);
	for (size_t i = 0; r == 0 && i < removals.n; i++) {
		struct fat_place place = place_of(removals.nodes[i]->parent, removals.nodes[i]);

		r = fat_txn_remove(b.txn, &place);
	}
	if (r == 0)
		r = fat_txn_layout(b.txn, &space);
	if (r == 0)
		r = run(&b);
	builder_end(&b);
	fes_removals_done(&removals);
	return r;
}
