/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/needs.h"
#include "lib/own.h"

/* ---- memory: nodes live in blocks that are freed together ---- */

struct fes_block {
	struct fes_block *next;
	size_t used;
	size_t size;
	max_align_t bytes[];
};

enum { BLOCK_SIZE = 64 * 1024 };

static void *tree_alloc(struct fes_tree *tree, size_t len)
{
	struct fes_block *block = tree->blocks;
	void *at;

	len = (len + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!block || block->size - block->used < len) {
		size_t size = len > BLOCK_SIZE ? len : BLOCK_SIZE;

		block = malloc(sizeof *block + size);
		if (!block)
			return NULL;
		*block = (struct fes_block){.next = tree->blocks, .size = size};
		tree->blocks = block;
	}
	at = (char *)block->bytes + block->used;
	block->used += len;
	return memset(at, 0, len);
}

void fes_tree_free(struct fes_tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->n_nodes; i++)
		free(tree->nodes[i]->children);
	free(tree->nodes);
	fes_needs_free(tree->needs);
	while (tree->blocks) {
		struct fes_block *block = tree->blocks;

		tree->blocks = block->next;
		free(block);
	}
	free(tree);
}

/* ---- building ---- */

struct reader {
	struct fes_tree *tree;
	const struct fes_managed *managed;
	size_t room; /* in tree->nodes */
};

static const char *fold_name(struct fes_tree *tree, const char *name)
{
	char folded[FAT_NAME_MAX], *key;
	size_t len = fat_name_fold(name, folded);

	key = tree_alloc(tree, len + 1);
	if (key)
		memcpy(key, folded, len);
	return key;
}

static struct fes_node *new_node(struct reader *reader, struct fes_node *parent, const char *name)
{
	struct fes_tree *tree = reader->tree;
	size_t above = parent && parent->parent ? strlen(parent->path) : 0, len = strlen(name);
	struct fes_node *node;

	if (tree->n_nodes == reader->room) {
		size_t room = reader->room ? reader->room * 2 : 64;
		struct fes_node **nodes = realloc(tree->nodes, room * sizeof(*nodes));

		if (!nodes)
			return NULL;
		tree->nodes = nodes;
		reader->room = room;
	}
	node = tree_alloc(tree, sizeof *node);
	if (!node)
		return NULL;
	node->path = tree_alloc(tree, above + 1 + len + 1);
	if (!node->path)
		return NULL;
	if (above > 0)
		memcpy(node->path, parent->path, above);
	node->path[above] = '/';
	memcpy(node->path + above + 1, name, len);
	node->name = node->path + above + 1;
	node->key = fold_name(tree, name);
	if (!node->key)
		return NULL;
	node->parent = parent;
	node->id = tree->n_nodes;
	tree->nodes[tree->n_nodes++] = node;
	return node;
}

static int add_child(struct fes_node *dir, struct fes_node *child)
{
	size_t n = dir->n_children;

	if ((n & (n - 1)) == 0) { /* full at each power of two */
		struct fes_node **children = realloc(dir->children, (n ? n * 2 : 1) * sizeof(*children));

		if (!children)
			return -ENOMEM;
		dir->children = children;
	}
	dir->children[dir->n_children++] = child;
	return 0;
}

/* Foreign things matter only inside managed directories, which may have to be rebuilt around them. */
static bool matters(const struct fes_node *dir, enum fes_role role)
{
	return role != FES_FOREIGN || dir->role == FES_MANAGED;
}

/* A '/' in a name is no name that anybody could ask for, and it would look like a path. */
static int find_role(const struct reader *reader, struct fes_node *node)
{
	int role = FES_FOREIGN;

	if (!strchr(node->name, '/'))
		role = fes_needs_role(reader->tree->needs, reader->managed, node->path,
			node->directory);
	if (role < 0)
		return role;
	node->role = (enum fes_role)role;
	return 0;
}

static int add_entry(struct reader *reader, struct fes_node *dir, const struct fat_entry *entry)
{
	struct fat_volume *fat = reader->tree->volume->fat;
	struct fes_node *node = new_node(reader, dir, entry->name);
	size_t len = (size_t)entry->n_slots * FAT_SLOT_LEN;
	int r;

	if (!node)
		return -ENOMEM;
	node->directory = entry->attributes & FAT_ATTR_DIRECTORY;
	r = find_role(reader, node);
	if (r < 0)
		return r;
	if (!matters(dir, node->role)) {
		reader->tree->n_nodes--; /* the block keeps a few bytes of it */
		return 0;
	}
	node->size = entry->size;
	node->first_cluster = entry->first_cluster;
	node->short_slot = entry->short_slot;
	node->n_slots = entry->n_slots;
	node->slots = tree_alloc(reader->tree, len);
	if (!node->slots)
		return -ENOMEM;
	memcpy(node->slots, entry->slots, len);
	if (!node->directory)
		node->untidy = !fat_chain_fits(fat, node->first_cluster, node->size);
	return add_child(dir, node);
}

static int by_key(const void *a, const void *b)
{
	const struct fes_node *const *na = a, *const *nb = b;

	return strcmp((*na)->key, (*nb)->key);
}

static int read_entries(struct reader *reader, struct fes_node *dir)
{
	struct fat_entry entry;
	struct fat_dir *fat_dir;
	int r;

	r = fat_dir_open(reader->tree->volume->fat, dir->first_cluster, dir->path, &fat_dir);
	if (r < 0)
		return r;
	while (r == 0 && fat_dir_next(fat_dir, &entry) > 0)
		r = add_entry(reader, dir, &entry);
	dir->untidy = dir->role == FES_MANAGED && fat_dir_untidy(fat_dir);
	fat_dir_close(fat_dir);
	if (r == 0 && dir->n_children > 0)
		qsort(dir->children, dir->n_children, sizeof *dir->children, by_key);
	return r;
}

/* What a directory was made equal to says nothing without it: the two go together. */
static bool keeps_its_directory(const struct fes_node *child)
{
	return child->role == FES_FOREIGN &&
		(child->directory || !fat_name_equal(child->path, FES_ORIGIN_PATH));
}

/*
 * A foreign file in a managed directory goes into each new version of it. A foreign directory
 * does not: its `..` names the old one. What holds one, at any depth, is edited in place.
 */
static void note_foreign(struct fes_node *dir)
{
	dir->mixed = dir->role == FES_PARENT;
	dir->holds_foreign = dir->mixed;
	for (size_t i = 0; i < dir->n_children; i++) {
		const struct fes_node *child = dir->children[i];
		bool foreign = keeps_its_directory(child);

		dir->holds_foreign |= foreign || child->holds_foreign;
		dir->mixed |= child->directory && (foreign || child->mixed);
	}
}

/* A file of that name which came later is nobody's but its owner's. */
static int settle_referred(const struct reader *reader, struct fes_node *node)
{
	const struct fes_needs *needs = reader->tree->needs;
	char *folded;

	if (needs->referred.n == 0 || node->directory || node->role != FES_MANAGED)
		return 0;
	folded = fes_path_fold(node->path);
	if (!folded)
		return -ENOMEM;
	if (fes_needs_referred(needs, reader->managed, folded) &&
		!fes_origin_has(&needs->origin, fes_origin_mark(node)))
		node->role = FES_FOREIGN;
	free(folded);
	return 0;
}

static bool holds_managed(const struct fes_node *dir)
{
	for (size_t i = 0; i < dir->n_children; i++)
		if (dir->children[i]->role == FES_MANAGED)
			return true;
	return false;
}

/* One on the way to what is referred to, but not there, is not ours. */
static int settle_role(const struct reader *reader, struct fes_node *dir)
{
	const struct fes_needs *needs = reader->tree->needs;
	char *folded;

	if (dir->role != FES_MANAGED)
		return 0;
	folded = fes_path_fold(dir->path);
	if (!folded)
		return -ENOMEM;
	dir->on_the_way = fes_needs_leads(needs, reader->managed, folded);
	if (!holds_managed(dir) && fes_needs_perhaps(needs, reader->managed, folded))
		dir->role = FES_FOREIGN;
	free(folded);
	return 0;
}

static int read_dir(struct reader *reader, struct fes_node *dir, unsigned depth)
{
	int r;

	if (depth > FAT_DEPTH_MAX) {
		fes_volume_report(reader->tree->volume, "%s: directories nested deeper than %u",
			dir->path, FAT_DEPTH_MAX);
		return -EUCLEAN;
	}
	r = read_entries(reader, dir);
	for (size_t i = 0; r == 0 && i < dir->n_children; i++) {
		struct fes_node *child = dir->children[i];

		if (child->directory && child->role != FES_FOREIGN)
			r = read_dir(reader, child, depth + 1);
		if (r == 0)
			r = settle_referred(reader, child);
	}
	if (r == 0)
		r = settle_role(reader, dir);
	note_foreign(dir);
	return r;
}

/* @needs is taken over, on failure, too. */
static int read_tree(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_needs *needs, struct fes_tree **ret)
{
	struct reader reader = {.managed = managed};
	int r = -ENOMEM;

	reader.tree = calloc(1, sizeof *reader.tree);
	if (!reader.tree) {
		fes_needs_free(needs);
		return -ENOMEM;
	}
	reader.tree->volume = volume;
	reader.tree->needs = needs;
	reader.tree->root = new_node(&reader, NULL, "");
	if (reader.tree->root) {
		reader.tree->root->role = FES_PARENT;
		reader.tree->root->directory = true;
		r = read_dir(&reader, reader.tree->root, 0);
	}
	if (r < 0) {
		fes_tree_free(reader.tree);
		return r;
	}
	*ret = reader.tree;
	return 0;
}

static void mark_shims(const struct fes_tree *tree)
{
	const struct fes_loaders *loaders = &tree->needs->loaders;

	for (size_t i = 0; i < loaders->n; i++) {
		struct fes_node *node = fes_tree_find(tree, loaders->list[i].path);

		if (node)
			node->shim = loaders->list[i].kind == FES_LOADER_SHIM;
	}
}

int fes_tree_read(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_tree **ret)
{
	struct fes_tree *tree = NULL;
	struct fes_needs *needs;
	int r = fes_needs_find(volume, managed, &needs);

	if (r == 0)
		r = read_tree(volume, managed, needs, &tree);
	if (r == 0)
		r = fes_tree_drop_doubles(tree);
	if (r == 0)
		r = fes_tree_judge_choices(tree);
	if (r == 0)
		r = fes_needs_settle(tree->needs, tree);
	if (r == 0)
		mark_shims(tree);
	if (r < 0) {
		fes_tree_free(tree);
		return r;
	}
	*ret = tree;
	return 0;
}

int fes_tree_read_mirror(struct fes_volume *volume, const struct fes_managed *managed,
	const struct fes_tree *primary, bool force, struct fes_tree **ret)
{
	struct fes_tree *tree = NULL;
	struct fes_needs *needs;
	int r = fes_needs_find_mirror(volume, managed, primary, force, &needs);

	if (r == 0)
		r = read_tree(volume, managed, needs, &tree);
	if (r == 0)
		r = fes_tree_judge_choices(tree);
	if (r < 0) {
		fes_tree_free(tree);
		return r;
	}
	*ret = tree;
	return 0;
}

/* ---- copying ---- */

static struct fes_node *copy_node(struct fes_tree *tree, const struct fes_node *from)
{
	struct fes_node *node = tree_alloc(tree, sizeof *node);

	if (!node)
		return NULL;
	*node = *from;
	node->children = NULL;
	tree->nodes[tree->n_nodes++] = node;
	if (from->n_children == 0)
		return node;
	node->children = malloc(from->n_children * sizeof(*node->children));
	return node->children ? node : NULL;
}

/* @from is one of the tree that was copied; nodes have the same ids. */
static void link_node(const struct fes_tree *tree, const struct fes_node *from)
{
	struct fes_node *node = tree->nodes[from->id];

	node->parent = from->parent ? tree->nodes[from->parent->id] : NULL;
	for (size_t i = 0; i < from->n_children; i++)
		node->children[i] = tree->nodes[from->children[i]->id];
}

static int leave_out(const struct fes_tree *tree, const struct fes_needs *mirror)
{
	for (size_t i = 1; i < tree->n_nodes; i++) {
		char *folded = fes_path_fold(tree->nodes[i]->path);

		if (!folded)
			return -ENOMEM;
		if (fes_paths_cover(&mirror->kept, folded))
			tree->nodes[i]->role = FES_FOREIGN;
		free(folded);
	}
	return 0;
}

int fes_tree_copy_for(const struct fes_tree *primary, const struct fes_needs *mirror,
	struct fes_tree **ret)
{
	struct fes_tree *tree = calloc(1, sizeof *tree);
	int r = 0;

	if (!tree)
		return -ENOMEM;
	tree->volume = primary->volume;
	tree->nodes = calloc(primary->n_nodes, sizeof(*tree->nodes));
	for (size_t i = 0; r == 0 && i < primary->n_nodes; i++)
		if (!tree->nodes || !copy_node(tree, primary->nodes[i]))
			r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < primary->n_nodes; i++)
		link_node(tree, primary->nodes[i]);
	if (r == 0)
		r = leave_out(tree, mirror);
	if (r < 0) {
		fes_tree_free(tree);
		return r;
	}
	tree->root = tree->nodes[primary->root->id];
	*ret = tree;
	return 0;
}

/* ---- asking ---- */

struct fes_node *fes_node_child(const struct fes_node *dir, const struct fes_node *like)
{
	size_t low = 0, high = dir->n_children;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(dir->children[mid]->key, like->key);

		if (order == 0)
			return dir->children[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* The first @len bytes of @part, which no name is longer than. */
static struct fes_node *child_of_name(const struct fes_node *dir, const char *part, size_t len)
{
	char name[FAT_NAME_MAX], key[FAT_NAME_MAX];

	if (len >= sizeof name)
		return NULL;
	memcpy(name, part, len);
	name[len] = '\0';
	(void)fat_name_fold(name, key);
	return fes_node_child(dir, &(struct fes_node){.key = key});
}

struct fes_node *fes_tree_find(const struct fes_tree *tree, const char *path)
{
	struct fes_node *node = tree->root;

	while (node && *(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		node = child_of_name(node, path, len);
		path += len;
	}
	return node;
}

bool fes_node_leads_to_managed(const struct fes_node *node)
{
	if (node->role != FES_PARENT)
		return node->role == FES_MANAGED;
	for (size_t i = 0; i < node->n_children; i++)
		if (fes_node_leads_to_managed(node->children[i]))
			return true;
	return false;
}

bool fes_node_name_differs(const struct fes_node *p, const struct fes_node *m)
{
	return p->parent->role == FES_MANAGED && strcmp(p->name, m->name) != 0;
}

bool fes_node_same_meta(const struct fes_node *a, const struct fes_node *b)
{
	const struct fat_short_slot *sa = fes_node_short(a), *sb = fes_node_short(b);

	return sa->attributes == sb->attributes && sa->create_centis == sb->create_centis &&
		le16_get(sa->create_time) == le16_get(sb->create_time) &&
		le16_get(sa->create_date) == le16_get(sb->create_date) &&
		le16_get(sa->write_time) == le16_get(sb->write_time) &&
		le16_get(sa->write_date) == le16_get(sb->write_date);
}

bool fes_node_same_entry(const struct fes_node *p, const struct fes_node *m)
{
	if (p->on_the_way)
		return fes_node_short(p)->attributes == fes_node_short(m)->attributes;
	return fes_node_same_meta(p, m);
}

/* Reading a file through Linux changes its access date: that is no change. */
static bool same_slots(const struct fes_node *a, const struct fes_node *b)
{
	size_t before = (size_t)(a->n_slots - 1) * FAT_SLOT_LEN;
	const struct fat_short_slot *sa = fes_node_short(a), *sb = fes_node_short(b);

	return memcmp(a->slots, b->slots, before) == 0 &&
		memcmp(sa->name, sb->name, sizeof sa->name) == 0 && fes_node_same_meta(a, b) &&
		a->size == b->size && a->first_cluster == b->first_cluster;
}

bool fes_tree_same(const struct fes_tree *a, const struct fes_tree *b)
{
	if (a->n_nodes != b->n_nodes)
		return false;
	for (size_t i = 1; i < a->n_nodes; i++) {
		const struct fes_node *na = a->nodes[i], *nb = b->nodes[i];

		if (na->n_slots != nb->n_slots || strcmp(na->path, nb->path) != 0 ||
			!same_slots(na, nb))
			return false;
	}
	return true;
}
