/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/needs.h"

/*
 * What systemd-boot offers to boot: image files in /EFI/Linux and entries in /loader/entries, not
 * what lies in directories below, such as add-ons (systemd, src/boot/boot.c:
 * config_load_type1_entries(), config_load_type2_entries()).
 */

static bool is_in(const struct fes_node *node, const char *dir)
{
	return node->parent && fat_name_equal(node->parent->path, dir);
}

static bool stands_as_entry(const struct fes_node *node)
{
	return !node->directory && fes_bls_is_entry_name(node->name) &&
		is_in(node, "/loader/entries");
}

bool fes_node_stands_as_choice(const struct fes_node *node)
{
	return stands_as_entry(node) || (!node->directory && fes_bls_is_image_name(node->name) &&
		is_in(node, "/EFI/Linux"));
}

bool fes_node_is_entry(const struct fes_node *node)
{
	return node->role == FES_MANAGED && stands_as_entry(node);
}

bool fes_node_is_choice(const struct fes_node *node)
{
	return node->role == FES_MANAGED && fes_node_stands_as_choice(node);
}

/* "x.efi.extra.d" has what the image "x.efi" takes along (systemd-stub(7)). */
bool fes_node_is_companion(const struct fes_node *node)
{
	size_t len = strlen(node->name), n = strlen(".extra.d");

	return node->directory && node->role == FES_MANAGED && len > n &&
		fat_name_equal(node->name + len - n, ".extra.d") && is_in(node, "/EFI/Linux");
}

static enum fes_bootable boots(const struct fes_node *node)
{
	if (!fes_node_is_choice(node) || !node->complete)
		return FES_BOOTS_NOTHING;
	return node->program ? FES_BOOTS_PROGRAM : FES_BOOTS_SYSTEM;
}

enum fes_bootable fes_tree_boots(const struct fes_tree *tree)
{
	enum fes_bootable best = FES_BOOTS_NOTHING;

	for (size_t i = 0; i < tree->n_nodes; i++)
		if (boots(tree->nodes[i]) > best)
			best = boots(tree->nodes[i]);
	return best;
}

bool fes_tree_lacks_system(const struct fes_tree *tree)
{
	for (size_t i = 0; i < tree->n_nodes; i++) {
		const struct fes_node *node = tree->nodes[i];

		if (fes_node_is_choice(node) && !node->complete && !node->program)
			return true;
	}
	return false;
}

bool fes_tree_offers_choice(const struct fes_tree *tree)
{
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (fes_node_is_choice(tree->nodes[i]))
			return true;
	return false;
}

/* ---- which of them could be booted ---- */

/*
 * Entries name few files that are neither managed nor beside what is, so that they are in no tree. Where
 * somebody has made up very many, each costs a search through its directory.
 */
enum { LOOKUPS_MAX = 1000 };

static bool is_program(const struct fes_type1 *entry)
{
	return !entry->unread && !fes_bls_starts_system(&entry->bls);
}

static int judge_entry(struct fes_tree *tree, const struct fes_type1 *entry, unsigned *left)
{
	struct fes_type1_place place = {.volume = tree->volume, .tree = tree, .left = left};
	struct fes_node *node = fes_tree_find(tree, entry->path);
	const struct fes_bls_line *line;
	int r;

	if (!node)
		return 0;
	r = fes_type1_find_missing(&place, entry, &line);
	node->complete = r == 0;
	node->program = is_program(entry);
	return r < 0 ? r : 0;
}

int fes_tree_judge_choices(struct fes_tree *tree)
{
	const struct fes_type1s *entries = &tree->needs->entries;
	unsigned left = LOOKUPS_MAX;
	int r = 0;

	for (size_t i = 0; i < tree->n_nodes; i++)
		tree->nodes[i]->complete = fes_node_stands_as_choice(tree->nodes[i]) &&
			tree->nodes[i]->size > 0;
	for (size_t i = 0; r == 0 && i < entries->n; i++)
		r = judge_entry(tree, &entries->list[i], &left);
	return r;
}

/* ---- which could be booted after a sync ---- */

/* What the primary's @entry boots, if it comes with all that it names: enum fes_bootable, or an error. */
static int entry_comes(const struct fes_type1_place *place, const struct fes_type1 *entry)
{
	const struct fes_node *p = fes_tree_find(place->sync->primary, entry->path);
	const struct fes_bls_line *line;
	int r;

	if (!p || !fes_node_is_entry(p))
		return 0;
	r = fes_type1_find_missing(place, entry, &line);
	if (r != 0)
		return r < 0 ? r : FES_BOOTS_NOTHING;
	return is_program(entry) ? FES_BOOTS_PROGRAM : FES_BOOTS_SYSTEM;
}

static bool image_comes(const struct fes_tree *primary)
{
	for (size_t i = 0; i < primary->n_nodes; i++) {
		const struct fes_node *p = primary->nodes[i];

		if (fes_node_is_choice(p) && !fes_node_is_entry(p) && p->size > 0)
			return true;
	}
	return false;
}

int fes_choice_comes(const struct fes_comparison *c, const struct fes_type1s *entries)
{
	unsigned left = LOOKUPS_MAX;
	struct fes_type1_place place = {
		.volume = c->mirror->volume, .tree = c->mirror, .sync = c, .left = &left};
	int best = image_comes(c->primary) ? FES_BOOTS_SYSTEM : FES_BOOTS_NOTHING;

	for (size_t i = 0; best < FES_BOOTS_SYSTEM && i < entries->n; i++) {
		int r = entry_comes(&place, &entries->list[i]);

		if (r < 0)
			return r;
		best = r > best ? r : best;
	}
	return best;
}

/* ---- one identity, one name ---- */

struct named {
	struct fes_node *node;
	char *identity;
	bool counted;
};

/* The one that stays comes first. */
static int by_identity(const void *a, const void *b)
{
	const struct named *na = a, *nb = b;
	int order = strcmp(na->identity, nb->identity);

	if (order == 0 && na->node->parent != nb->node->parent)
		return na->node->parent->id < nb->node->parent->id ? -1 : 1;
	if (order == 0 && na->counted != nb->counted)
		return na->counted ? 1 : -1;
	return order != 0 ? order : strcmp(na->node->key, nb->node->key);
}

static int list_choices(const struct fes_tree *tree, struct named *list, size_t *n)
{
	for (size_t i = 0; i < tree->n_nodes; i++) {
		struct fes_node *node = tree->nodes[i];
		char identity[FAT_NAME_MAX];

		if (!fes_node_is_choice(node))
			continue;
		list[*n].node = node;
		list[*n].counted = fes_bls_identity(node->name, identity);
		list[*n].identity = strdup(identity);
		if (!list[*n].identity)
			return -ENOMEM;
		(*n)++;
	}
	return 0;
}

int fes_tree_drop_doubles(struct fes_tree *tree)
{
	struct named *list = calloc(tree->n_nodes, sizeof *list);
	size_t n = 0;
	int r;

	if (!list)
		return -ENOMEM;
	r = list_choices(tree, list, &n);
	if (r == 0 && n > 0)
		qsort(list, n, sizeof *list, by_identity);
	for (size_t i = 1; r == 0 && i < n; i++)
		if (list[i].node->parent == list[i - 1].node->parent &&
			strcmp(list[i].identity, list[i - 1].identity) == 0)
			list[i].node->role = FES_FOREIGN;
	for (size_t i = 0; i < n; i++)
		free(list[i].identity);
	free(list);
	return r;
}
