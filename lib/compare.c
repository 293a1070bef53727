/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bls.h"
#include "lib/internal.h"

/*
 * Which files of the primary are on the mirror, under which name. Contents are read only where
 * they can decide something: pairs of one path and size; and files that have no such pair but a
 * size that occurs among the other side's loners, which may have been renamed.
 */

void fes_comparison_free(struct fes_comparison *c)
{
	if (!c)
		return;
	free(c->twin);
	free(c->back);
	free(c->same);
	free(c->p_digest);
	free(c->m_digest);
	free(c->p_has);
	free(c->m_has);
	free(c);
}

static struct fes_comparison *new_comparison(const struct fes_tree *primary,
	const struct fes_tree *mirror)
{
	struct fes_comparison *c = calloc(1, sizeof *c);
	size_t np = primary->n_nodes, nm = mirror->n_nodes;

	if (!c)
		return NULL;
	c->primary = primary;
	c->mirror = mirror;
	c->twin = calloc(np, sizeof(*c->twin));
	c->back = calloc(nm, sizeof(*c->back));
	c->same = calloc(np, sizeof *c->same);
	c->p_digest = calloc(np, sizeof *c->p_digest);
	c->m_digest = calloc(nm, sizeof *c->m_digest);
	c->p_has = calloc(np, sizeof *c->p_has);
	c->m_has = calloc(nm, sizeof *c->m_has);
	if (c->twin && c->back && c->same && c->p_digest && c->m_digest && c->p_has && c->m_has)
		return c;
	fes_comparison_free(c);
	return NULL;
}

/* Whether something beside @p has the name of the mirror's @m. What is not mirrored claims nothing. */
static bool is_claimed(const struct fes_node *p, const struct fes_node *m)
{
	const struct fes_node *other = fes_node_child(p->parent, m);

	return other && other->role != FES_FOREIGN;
}

/* A choice of @dir, of the mirror, with the identity of the primary's @p, that no other name claims. */
static struct fes_node *find_identity(const struct fes_node *p, const struct fes_node *dir)
{
	char wanted[FAT_NAME_MAX], identity[FAT_NAME_MAX];

	(void)fes_bls_identity(p->name, wanted);
	for (size_t i = 0; i < dir->n_children; i++) {
		struct fes_node *m = dir->children[i];

		if (!fes_node_is_choice(m) || is_claimed(p, m))
			continue;
		(void)fes_bls_identity(m->name, identity);
		if (strcmp(identity, wanted) == 0)
			return m;
	}
	return NULL;
}

/* Entries and images keep their identity when a counter in their names changes. */
static struct fes_node *find_twin(const struct fes_node *p, const struct fes_node *dir)
{
	struct fes_node *m = fes_node_child(dir, p);

	return m || !fes_node_is_choice(p) ? m : find_identity(p, dir);
}

/*
 * Names pair without case: FAT cannot hold two that differ in nothing else. Whether they have to
 * be the same to the letter is for the plan to say.
 */
static void pair(struct fes_comparison *c, struct fes_node *p, struct fes_node *m)
{
	c->twin[p->id] = m;
	c->back[m->id] = p;
	if (!p->directory || !m->directory)
		return;
	for (size_t i = 0; i < p->n_children; i++) {
		struct fes_node *pc = p->children[i];
		struct fes_node *mc = find_twin(pc, m);

		if (mc && pc->role != FES_FOREIGN && mc->role != FES_FOREIGN)
			pair(c, pc, mc);
	}
}

/* The mirror's file that stands where @p does, if its contents can be equal at all. */
static const struct fes_node *comparable_twin(const struct fes_comparison *c,
	const struct fes_node *p)
{
	const struct fes_node *m = c->twin[p->id];

	return m && !m->directory && m->size == p->size && !m->untidy ? m : NULL;
}

static bool is_file(const struct fes_node *node)
{
	return !node->directory && node->role == FES_MANAGED;
}

/* Which files' contents are to be read, by id. */
struct wants {
	bool *p;
	bool *m;
};

/* A file of the mirror whose contents may turn up elsewhere on the primary. */
static bool may_have_moved(const struct fes_comparison *c, const struct wants *wants,
	const struct fes_node *m)
{
	const struct fes_node *p = c->back[m->id];

	if (!is_file(m) || m->size == 0 || m->untidy)
		return false;
	return wants->m[m->id] || !(p && !p->directory && p->size == m->size);
}

/* A file of the primary without a comparable twin. */
static bool is_loner(const struct fes_comparison *c, const struct wants *wants,
	const struct fes_node *p)
{
	(void)wants;
	return is_file(p) && p->size > 0 && !comparable_twin(c, p);
}

static int by_size(const void *a, const void *b)
{
	uint32_t sa = *(const uint32_t *)a, sb = *(const uint32_t *)b;

	return sa < sb ? -1 : sa > sb;
}

struct sizes {
	uint32_t *list;
	size_t n;
};

static bool has_size(const struct sizes *sizes, uint32_t size)
{
	return sizes->n > 0 && bsearch(&size, sizes->list, sizes->n, sizeof size, by_size);
}

static int collect_sizes(struct sizes *sizes, const struct fes_tree *tree,
	bool (*fits)(const struct fes_comparison *c, const struct wants *wants,
		const struct fes_node *node),
	const struct fes_comparison *c, const struct wants *wants)
{
	sizes->n = 0;
	sizes->list = malloc((tree->n_nodes + 1) * sizeof *sizes->list);
	if (!sizes->list)
		return -ENOMEM;
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (fits(c, wants, tree->nodes[i]))
			sizes->list[sizes->n++] = tree->nodes[i]->size;
	qsort(sizes->list, sizes->n, sizeof *sizes->list, by_size);
	return 0;
}

static void want_twins(struct fes_comparison *c, bool quick, struct wants *wants)
{
	for (size_t i = 0; i < c->primary->n_nodes; i++) {
		const struct fes_node *p = c->primary->nodes[i], *m = comparable_twin(c, p);

		if (!m || p->directory)
			continue;
		c->same[i] = p->size == 0 || (quick && fes_node_same_meta(p, m));
		if (!c->same[i])
			wants->p[i] = wants->m[m->id] = true;
	}
}

static int want_moved(struct fes_comparison *c, struct wants *wants)
{
	struct sizes moved = {0}, loners = {0};
	int r = collect_sizes(&moved, c->mirror, may_have_moved, c, wants);

	if (r == 0)
		r = collect_sizes(&loners, c->primary, is_loner, c, wants);
	for (size_t i = 0; r == 0 && i < c->primary->n_nodes; i++)
		if (is_loner(c, wants, c->primary->nodes[i]) && has_size(&moved, c->primary->nodes[i]->size))
			wants->p[i] = true;
	for (size_t i = 0; r == 0 && i < c->mirror->n_nodes; i++)
		if (may_have_moved(c, wants, c->mirror->nodes[i]) &&
			has_size(&loners, c->mirror->nodes[i]->size))
			wants->m[i] = true;
	free(moved.list);
	free(loners.list);
	return r;
}

/* Of all files of @tree that are wanted. */
static uint64_t count_bytes(const struct fes_tree *tree, const bool *wanted)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < tree->n_nodes; i++)
		if (wanted[i])
			bytes += tree->nodes[i]->size;
	return bytes;
}

static int read_mirror(struct fes_comparison *c, const struct wants *wants)
{
	uint64_t bytes = count_bytes(c->mirror, wants->m);
	int r = 0;

	if (bytes > 0)
		fes_progress_begin(c->mirror->volume->progress, FES_PROGRESS_COMPARE, bytes);
	for (size_t i = 0; r == 0 && i < c->mirror->n_nodes; i++)
		if (wants->m[i]) {
			r = fes_digest_file(c->mirror->volume, c->mirror->nodes[i], &c->m_digest[i]);
			c->m_has[i] = r == 0;
		}
	return r;
}

/* Of file @i of the primary, which is not wanted any more then. */
static int take_digest(struct fes_comparison *c, struct fes_digester *digester,
	const struct wants *wants, size_t i, struct fes_progress *progress)
{
	int r = fes_digester_get(digester, c->primary->nodes[i], progress, &c->p_digest[i]);

	c->p_has[i] = r == 0;
	wants->p[i] = false;
	return r;
}

/* First what is there already: what is waited for is known then. */
static int take_digests(struct fes_comparison *c, struct fes_digester *digester,
	const struct wants *wants)
{
	struct fes_progress *progress = c->mirror->volume->progress;
	uint64_t bytes;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->primary->n_nodes; i++)
		if (wants->p[i] && fes_digester_has(digester, c->primary->nodes[i]))
			r = take_digest(c, digester, wants, i, NULL);
	bytes = count_bytes(c->primary, wants->p);
	if (r == 0 && bytes > 0)
		fes_progress_begin(progress, FES_PROGRESS_PRIMARY, bytes);
	for (size_t i = 0; r == 0 && i < c->primary->n_nodes; i++)
		if (wants->p[i])
			r = take_digest(c, digester, wants, i, progress);
	return r;
}

/* The primary's thread reads its files while this one reads the mirror's. */
static int read_contents(struct fes_comparison *c, struct fes_digester *digester,
	const struct wants *wants)
{
	int r;

	for (size_t i = 0; i < c->primary->n_nodes; i++)
		if (wants->p[i])
			fes_digester_want(digester, c->primary->nodes[i]);
	r = read_mirror(c, wants);
	return r < 0 ? r : take_digests(c, digester, wants);
}

static void settle_twins(struct fes_comparison *c)
{
	for (size_t i = 0; i < c->primary->n_nodes; i++) {
		const struct fes_node *m = comparable_twin(c, c->primary->nodes[i]);

		if (m && c->p_has[i] && c->m_has[m->id])
			c->same[i] = fes_digest_equal(c->p_digest[i], c->m_digest[m->id]);
	}
}

static int compare_contents(struct fes_comparison *c, struct fes_digester *digester, bool quick)
{
	struct wants wants = {
		.p = calloc(c->primary->n_nodes, sizeof *wants.p),
		.m = calloc(c->mirror->n_nodes, sizeof *wants.m),
	};
	int r = wants.p && wants.m ? 0 : -ENOMEM;

	if (r == 0) {
		want_twins(c, quick, &wants);
		r = want_moved(c, &wants);
	}
	if (r == 0)
		r = read_contents(c, digester, &wants);
	if (r == 0)
		settle_twins(c);
	free(wants.p);
	free(wants.m);
	return r;
}

bool fes_comparison_settles(const struct fes_comparison *c, const char *path,
	const struct fes_node **ret)
{
	const struct fes_node *p = fes_tree_find(c->primary, path);
	const struct fes_node *m = fes_tree_find(c->mirror, path);

	*ret = p && p->role == FES_MANAGED ? p : NULL;
	return *ret || (m && m->role == FES_MANAGED);
}

int fes_compare(const struct fes_tree *primary, const struct fes_tree *mirror,
	struct fes_digester *digester, bool quick, struct fes_comparison **ret)
{
	struct fes_comparison *c = new_comparison(primary, mirror);
	int r;

	if (!c)
		return -ENOMEM;
	pair(c, primary->root, mirror->root);
	r = compare_contents(c, digester, quick);
	if (r < 0) {
		fes_comparison_free(c);
		return r;
	}
	*ret = c;
	return 0;
}
