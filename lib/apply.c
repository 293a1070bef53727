/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apply-own.h"
#include "lib/bls.h"

/* From the sites of a plan to a transaction of fat/, and what is done with that. */

/* Which renames in mixed directories are done by copying: one write each cannot do them. */
enum copying {
	COPY_NOTHING,
	COPY_RENAMED, /* but not what changes in case or counter only */
	COPY_ALL,
};

struct fes_transaction {
	struct fes_apply apply;
	const struct fes_comparison *c;
	struct fes_volume *primary, *mirror;
	struct fat_txn *txn;
	struct fat_item **files;     /* [primary id]: the item of a new file, shared by versions */
	struct fat_source **sources; /* [primary id] */
	struct fes_own_items own;
	enum copying copying;
	bool retaining; /* the site in hand: what is to be removed later still stays in */
	uint32_t n_payload; /* commits that come first */
};

/* ---- items ---- */

static struct fat_item *build_new_file(struct fes_transaction *t, const struct fes_node *p)
{
	if (t->files[p->id])
		return t->files[p->id];
	if (p->size > 0) {
		t->sources[p->id] = fes_source_new(t->primary, t->mirror, p, t->apply.digester);
		if (!t->sources[p->id])
			return NULL;
	}
	t->files[p->id] = fat_item_file(t->txn, p->slots, p->n_slots, t->sources[p->id]);
	return t->files[p->id];
}

static struct fat_item *build_file(struct fes_transaction *t, const struct fes_node *p)
{
	const struct fes_node *chain = t->apply.plan->chain[p->id];

	if (chain)
		return fat_item_keep(t->txn, p->slots, p->n_slots, chain->first_cluster, false);
	return build_new_file(t, p);
}

static int by_slot(const void *a, const void *b)
{
	const struct fes_node *const *na = a, *const *nb = b;

	return (*na)->short_slot < (*nb)->short_slot ? -1 : (*na)->short_slot > (*nb)->short_slot;
}

/* Add what @build makes of each child, in the order in which they stand in the directory. */
static int add_children(struct fes_transaction *t, struct fat_item *dir, const struct fes_node *node,
	struct fat_item *(*build)(struct fes_transaction *t, const struct fes_node *child, bool *skip))
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
		struct fat_item *item = build(t, order[i], &skip);

		if (!skip)
			r = item ? fat_item_add(dir, item) : -ENOMEM;
	}
	free(order);
	return r;
}

static struct fat_item *build_dir(struct fes_transaction *t, const struct fes_node *p,
	const struct fes_node *m);

static struct fat_item *build_child(struct fes_transaction *t, const struct fes_node *p, bool *skip)
{
	*skip = !fes_node_leads_to_managed(p);
	if (*skip)
		return NULL;
	return p->directory ? build_dir(t, p, t->c->twin[p->id]) : build_file(t, p);
}

/* Whether the mirror's @m comes whole into the version that is being built. */
static bool is_retained(const struct fes_transaction *t, const struct fes_node *m)
{
	return t->retaining && t->apply.plan->retained[m->id];
}

/*
 * What is foreign in a rebuilt directory is files only, and stays as it is, but for the mirror's own;
 * so do directories that the primary does not have and that hold some, with nothing else in them.
 */
static struct fat_item *build_foreign(struct fes_transaction *t, const struct fes_node *m, bool *skip)
{
	bool remains = !t->c->back[m->id] && m->holds_foreign && !is_retained(t, m);
	struct fat_item *dir;

	*skip = (m->role != FES_FOREIGN && !remains) || fes_own_items_supersede(&t->own, m);
	if (*skip)
		return NULL;
	if (m->role == FES_FOREIGN)
		return fat_item_keep(t->txn, m->slots, m->n_slots, m->first_cluster, true);
	dir = fat_item_dir(t->txn, m->slots, m->n_slots);
	return dir && add_children(t, dir, m, build_foreign) == 0 ? dir : NULL;
}

static struct fat_item *build_old(struct fes_transaction *t, const struct fes_node *m, bool *skip)
{
	struct fat_item *item;

	*skip = false;
	if (!m->directory)
		return fat_item_keep(t->txn, m->slots, m->n_slots, m->first_cluster,
			m->role == FES_FOREIGN);
	item = fat_item_dir(t->txn, m->slots, m->n_slots);
	return item && add_children(t, item, m, build_old) == 0 ? item : NULL;
}

static struct fat_item *build_retained(struct fes_transaction *t, const struct fes_node *m, bool *skip)
{
	*skip = !is_retained(t, m);
	return *skip ? NULL : build_old(t, m, skip);
}

/* A version of the primary's @p for the mirror, whose directory so far is @m (or NULL). */
static struct fat_item *build_dir(struct fes_transaction *t, const struct fes_node *p,
	const struct fes_node *m)
{
	struct fat_item *dir = fat_item_dir(t->txn, p->slots, p->n_slots);
	int r;

	if (!dir)
		return NULL;
	r = add_children(t, dir, p, build_child);
	if (r == 0 && m && m->directory)
		r = add_children(t, dir, m, build_foreign);
	if (r == 0 && m && m->directory)
		r = add_children(t, dir, m, build_retained);
	if (r == 0 && fes_own_belong_in(p))
		r = fes_own_items_fill(&t->own, dir);
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

static int replace(struct fes_transaction *t, const struct fes_site *site, struct fat_item *item)
{
	struct fat_place place = place_of(site->m->parent, site->m);

	return item ? fat_txn_replace(t->txn, &place, item) : -ENOMEM;
}

static int refuse_case(const struct fes_transaction *t, const struct fes_site *site)
{
	fes_volume_report(t->mirror,
		"%s: is called '%s' on the primary, and its directory sector has no room to change that in one write; rename it there",
		site->m->path, site->p->name);
	return -EEXIST;
}

static int rename_entry(struct fes_transaction *t, const struct fes_site *site);

/* Counters are no part of what a boot loader tells two by. */
static bool is_same_choice(const struct fes_node *p, const struct fes_node *m)
{
	char ours[FAT_NAME_MAX], theirs[FAT_NAME_MAX];

	if (!fes_node_is_choice(p))
		return false;
	(void)fes_bls_identity(p->name, ours);
	(void)fes_bls_identity(m->name, theirs);
	return strcmp(ours, theirs) == 0;
}

/*
 * FAT cannot hold two names that differ only in case: then the old one goes first. A boot loader had
 * better not find two that differ only in a counter, but less than nothing at all: so these are renamed
 * where that can be done, and else stand side by side until the old one goes.
 */
static int copy_renamed(struct fes_transaction *t, const struct fes_site *site)
{
	struct fat_place old = place_of(site->m->parent, site->m), dir = place_of(site->m->parent, NULL);
	bool clash = fat_name_equal(site->p->name, site->m->name);
	struct fat_item *item;
	int r;

	if (t->copying < COPY_ALL && (clash || is_same_choice(site->p, site->m)))
		return rename_entry(t, site); /* nearly always possible in place */
	if (site->p->directory)
		return refuse_case(t, site);
	item = build_new_file(t, site->p);
	r = item ? 0 : -ENOMEM;
	if (r == 0 && clash)
		r = fat_txn_remove(t->txn, &old);
	if (r == 0)
		r = fat_txn_add(t->txn, &dir, item);
	if (r == 0 && !clash)
		r = fat_txn_remove(t->txn, &old);
	return r;
}

static int rename_entry(struct fes_transaction *t, const struct fes_site *site)
{
	const struct fes_node *p = site->p, *m = site->m;
	struct fat_place place = place_of(m->parent, m);
	struct fat_item *item;

	if (!p->directory)
		item = build_file(t, p);
	else if (m->mixed)
		item = fat_item_keep(t->txn, p->slots, p->n_slots, m->first_cluster, false);
	else
		item = build_dir(t, p, m);
	return item ? fat_txn_rename(t->txn, &place, item) : -ENOMEM;
}

static int build_site(struct fes_transaction *t, const struct fes_site *site)
{
	const struct fes_node *p = site->p, *m = site->m;
	struct fat_place place;
	struct fat_item *item;
	bool skip;

	t->retaining = site->retains;
	switch (site->kind) {
	case FES_SITE_REBUILD:
		return replace(t, site, build_dir(t, p, m));
	case FES_SITE_REPLACE:
		return replace(t, site, build_file(t, p));
	case FES_SITE_TOUCH:
		item = fat_item_keep(t->txn, p->slots, p->n_slots, m->first_cluster, false);
		return replace(t, site, item);
	case FES_SITE_RENAME:
		return t->copying > COPY_NOTHING ? copy_renamed(t, site) : rename_entry(t, site);
	case FES_SITE_TIDY:
		place = place_of(m, NULL);
		return fat_txn_tidy(t->txn, &place);
	case FES_SITE_ADD:
		place = place_of(m, NULL);
		item = build_child(t, p, &skip);
		return item ? fat_txn_add(t->txn, &place, item) : -ENOMEM;
	case FES_SITE_REMOVE:
		fes_own_items_note_removal(&t->own, m);
		place = place_of(m->parent, m);
		return fat_txn_remove(t->txn, &place);
	}
	return -EINVAL;
}

static int begin(const struct fes_apply *apply, enum copying copying,
	struct fes_transaction **ret)
{
	const struct fes_comparison *c = apply->plan->comparison;
	struct fes_transaction *t = calloc(1, sizeof *t);
	int r = -ENOMEM;

	if (!t)
		return -ENOMEM;
	t->apply = *apply;
	t->c = c;
	t->primary = c->primary->volume;
	t->mirror = c->mirror->volume;
	t->copying = copying;
	t->files = calloc(c->primary->n_nodes, sizeof(*t->files));
	t->sources = calloc(c->primary->n_nodes, sizeof(*t->sources));
	if (t->files && t->sources)
		r = fat_txn_begin(t->mirror->fat, &t->txn);
	if (r < 0) {
		fes_transaction_free(t);
		return r;
	}
	fat_txn_set_poll(t->txn, apply->poll, apply->userdata);
	*ret = t;
	return 0;
}

void fes_transaction_free(struct fes_transaction *t)
{
	if (!t)
		return;
	fat_txn_free(t->txn);
	for (size_t i = 0; t->sources && i < t->c->primary->n_nodes; i++)
		fes_source_free(t->sources[i]);
	free(t->sources);
	free(t->files);
	free(t);
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
static int find_room(const struct fes_apply *apply, struct fat_space space, uint64_t *ret_lacking)
{
	uint64_t lacking = space.needed - space.free, removable;
	struct fes_removals removals;
	int r = fes_removals_find(apply->plan, apply->running, lacking, &removals);

	if (r < 0)
		return r;
	removable = removals.bytes;
	fes_removals_done(&removals);
	if (!ret_lacking || removable < lacking)
		return report_too_small(apply, space, removable);
	*ret_lacking = lacking;
	return -ENOSPC;
}

static int build_sites(struct fes_transaction *t)
{
	const struct fes_plan *plan = t->apply.plan;
	int r = fes_own_items_put_first(&t->own);

	t->n_payload = fat_txn_count(t->txn);
	for (size_t i = 0; r == 0 && i < plan->n_sites; i++) {
		r = build_site(t, &plan->sites[i]);
		if (plan->sites[i].phase == FES_PHASE_PAYLOAD)
			t->n_payload = fat_txn_count(t->txn);
	}
	return r < 0 ? r : fes_own_items_put_rest(&t->own);
}

static int lay_out(const struct fes_apply *apply, enum copying copying, bool without_own,
	uint64_t *ret_lacking, struct fes_transaction **ret)
{
	struct fat_space space = {0};
	struct fes_transaction *t;
	int r = begin(apply, copying, &t);

	if (r < 0)
		return r;
	r = fes_own_items_make(apply, t->txn, without_own, &t->own);
	if (r == 0)
		r = build_sites(t);
	if (r == 0)
		r = fat_txn_layout(t->txn, &space);
	if (r == -ENOSPC && space.needed > space.free)
		r = find_room(apply, space, ret_lacking);
	if (r < 0) {
		fes_transaction_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

static int lay_out_somehow(const struct fes_apply *apply, bool without_own, uint64_t *ret_lacking,
	struct fes_transaction **ret)
{
	int r;

	if (ret_lacking)
		*ret_lacking = 0;
	r = lay_out(apply, COPY_NOTHING, without_own, ret_lacking, ret);
	if (r == -EXDEV)
		r = lay_out(apply, COPY_RENAMED, without_own, ret_lacking, ret);
	return r == -EXDEV ? lay_out(apply, COPY_ALL, without_own, ret_lacking, ret) : r;
}

/* No mirror stays behind for want of room for what is not copied. */
int fes_transaction_new(const struct fes_apply *apply, uint64_t *ret_lacking,
	struct fes_transaction **ret)
{
	struct fes_volume *mirror = apply->plan->comparison->mirror->volume;
	bool again;
	int r;

	if (apply->n_own == 0)
		return lay_out_somehow(apply, false, ret_lacking, ret);
	fes_volume_hold_back(mirror);
	r = lay_out_somehow(apply, false, ret_lacking, ret);
	again = r == -ENOSPC || r == -EEXIST;
	if (again)
		fes_volume_forget_held(mirror);
	fes_volume_let_go(mirror);
	return again ? lay_out_somehow(apply, true, ret_lacking, ret) : r;
}

bool fes_transaction_leaves_out(const struct fes_transaction *t)
{
	return t->own.left_out;
}

/*
 * What is copied is read twice: see lib/source.c. The digester runs ahead of the copying. Returns how
 * much that is, in bytes.
 */
static uint64_t want_digests(const struct fes_transaction *t)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < t->c->primary->n_nodes; i++)
		if (t->sources[i]) {
			fes_digester_want(t->apply.digester, t->c->primary->nodes[i]);
			bytes += t->sources[i]->size;
		}
	return bytes;
}

int fes_transaction_prepare(struct fes_transaction *t)
{
	fes_progress_copy(t->mirror->progress, want_digests(t));
	return fat_txn_prepare(t->txn);
}

int fes_transaction_commit_payload(struct fes_transaction *t)
{
	int r;

	if (t->n_payload > 0)
		fes_progress_begin(t->mirror->progress, FES_PROGRESS_COMMIT, 0);
	r = fat_txn_commit(t->txn, t->n_payload);
	return r < 0 ? r : t->n_payload > 0;
}

int fes_transaction_finish(struct fes_transaction *t)
{
	int r;

	fes_progress_begin(t->mirror->progress, FES_PROGRESS_COMMIT, 0);
	r = fat_txn_commit(t->txn, fat_txn_count(t->txn));
	return r < 0 ? r : fat_txn_release(t->txn);
}

static int remove_nodes(struct fes_transaction *t, const struct fes_removals *removals)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < removals->n; i++) {
		const struct fes_node *node = removals->nodes[i];
		struct fat_place place = place_of(node->parent, node);

		r = fat_txn_remove(t->txn, &place);
	}
	return r;
}

static int lay_out_removals(const struct fes_apply *apply, uint64_t wanted,
	struct fes_transaction **ret)
{
	struct fes_removals removals;
	struct fes_transaction *t;
	struct fat_space space;
	uint64_t removable = 0;
	int r = begin(apply, COPY_NOTHING, &t);

	if (r < 0)
		return r;
	r = fes_own_items_make(apply, t->txn, false, &t->own);
	t->own.dir_stays = t->own.dir != NULL;
	if (r == 0)
		r = fes_own_items_put_first(&t->own);
	if (r == 0)
		r = fes_removals_find(apply->plan, apply->running, wanted, &removals);
	if (r == 0) {
		r = remove_nodes(t, &removals);
		removable = removals.bytes;
		fes_removals_done(&removals);
	}
	if (r == 0)
		r = fat_txn_layout(t->txn, &space);
	if (r == 0 && apply->n_own > 0 && removable < wanted + space.needed)
		r = -ENOSPC; /* what is noted would take the room that is to be made */
	if (r < 0) {
		fes_transaction_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

/*
 * Entries are taken out where they stand: a new version of their directory would need room, and
 * there may be none at all. Then what leaves cannot be noted either, and if the power is cut before it
 * is gone, it stays as if it were foreign.
 */
int fes_transaction_new_removals(const struct fes_apply *apply, uint64_t wanted,
	struct fes_transaction **ret)
{
	struct fes_volume *mirror = apply->plan->comparison->mirror->volume;
	struct fes_apply without_own = *apply;
	int r;

	without_own.n_own = 0;
	if (apply->n_own == 0)
		return lay_out_removals(apply, wanted, ret);
	fes_volume_hold_back(mirror);
	r = lay_out_removals(apply, wanted, ret);
	if (r == -ENOSPC)
		fes_volume_forget_held(mirror);
	fes_volume_let_go(mirror);
	return r == -ENOSPC ? lay_out_removals(&without_own, wanted, ret) : r;
}
