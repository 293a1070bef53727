/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/needs.h"

/* What to say of a primary whose entries are odd: nothing here keeps it from being mirrored. */

enum {
	TOLD_MAX = 20,    /* warnings about entries; more tell nothing new */
	LACKS_MAX = 1000, /* files found missing, told or not: each took reads of the device */
	TEXT_MAX = 200,   /* bytes of a value; a line of an entry can be as long as the entry */
};

static const char without_a_byte[] = "is empty, so this entry cannot be booted, here or from a mirror";

struct warner {
	const struct fes_needs *needs;
	const struct fes_managed *managed;
	const struct fes_tree *tree;
	struct fes_type1_place place;
	bool judged; /* what makes an entry incomplete is told elsewhere */
	const struct fes_type1 *entry;
	const struct fes_bls_line *line;
	bool any_empty; /* of the entry: an initrd without a byte */
	unsigned n_found; /* what there was to tell */
	unsigned n_lacks;
};

static bool is_told(struct warner *w)
{
	return w->n_found++ < TOLD_MAX;
}

static bool is_enough(const struct warner *w)
{
	return w->n_found > TOLD_MAX || w->n_lacks > LACKS_MAX;
}

static void warn(struct warner *w, const char *text)
{
	const struct fes_volume *volume = w->tree->volume;
	const char *value = w->line->value;
	int shown = fes_log_measure(value, TEXT_MAX);

	if (is_told(w))
		fes_log(volume->context, FES_LOG_WARNING, "%s: %s: line %u: %s %.*s%s: %s",
			volume->name, w->entry->path, w->line->number, w->line->key, shown, value,
			value[shown] ? "..." : "", text);
}

static void warn_of_lack(struct warner *w, const char *text)
{
	w->n_lacks++;
	if (!w->judged)
		warn(w, text);
}

static bool is_copied(const struct warner *w, const char *path)
{
	const struct fes_node *node = fes_tree_find(w->tree, path);

	return node && node->role == FES_MANAGED;
}

static bool is_any_copied(const struct warner *w)
{
	if (w->line->whole && is_copied(w, w->line->whole))
		return true;
	for (size_t i = 0; i < w->line->n_parts; i++)
		if (is_copied(w, w->line->parts[i]))
			return true;
	return false;
}

static const char *describe_lack(const struct warner *w)
{
	struct fat_entry entry;

	if (!w->line->whole || fat_lookup(w->tree->volume->fat, w->line->whole, &entry) < 0)
		return "is missing, so this entry cannot be booted, here or from a mirror";
	if (entry.attributes & FAT_ATTR_DIRECTORY)
		return "is a directory; it is not mirrored for that";
	return without_a_byte;
}

static int warn_of_line(struct warner *w)
{
	int r;

	if (!w->line->whole && w->line->n_parts == 0) {
		warn_of_lack(w, "is no path of a file on this volume; nothing is mirrored for it");
		return 0;
	}
	r = fes_type1_find_files(&w->place, w->line);
	if (r < 0)
		return r;
	w->any_empty |= r == FES_TYPE1_EMPTY;
	if (r == FES_TYPE1_THERE || (r == FES_TYPE1_EMPTY && !fes_bls_is_program(w->line))) {
		if (!is_any_copied(w))
			warn(w, "is excluded, or belongs to another system: not mirrored, so a mirror may not boot this entry");
		return 0;
	}
	warn_of_lack(w, describe_lack(w));
	return 0;
}

/* One initrd without a byte is skipped by boot loaders; without any other there is none. */
static int warn_of_initrds(struct warner *w)
{
	int r = fes_type1_find_missing(&w->place, w->entry, &w->line);

	if (r <= 0 || !w->line || !fes_bls_is_initrd(w->line))
		return r < 0 ? r : 0;
	r = fes_type1_find_files(&w->place, w->line);
	if (r == FES_TYPE1_EMPTY)
		warn_of_lack(w, without_a_byte);
	return r < 0 ? r : 0;
}

static int warn_of_entry(struct warner *w)
{
	const struct fes_volume *volume = w->tree->volume;
	int r = 0;

	if (w->entry->unread && !w->judged && is_told(w))
		fes_log(volume->context, FES_LOG_WARNING,
			"%s: %s: too large for an entry; what it refers to is not mirrored", volume->name,
			w->entry->path);
	for (size_t i = 0; r == 0 && !is_enough(w) && i < w->entry->bls.n_lines; i++) {
		w->line = &w->entry->bls.lines[i];
		r = warn_of_line(w);
	}
	return r == 0 && w->any_empty && !is_enough(w) ? warn_of_initrds(w) : r;
}

/* The name with the identity of @node that is mirrored in its place; NULL: none. */
static const struct fes_node *find_mirrored(const struct fes_node *node)
{
	char wanted[FAT_NAME_MAX], identity[FAT_NAME_MAX];

	(void)fes_bls_identity(node->name, wanted);
	for (size_t i = 0; i < node->parent->n_children; i++) {
		const struct fes_node *other = node->parent->children[i];

		if (!fes_node_is_choice(other))
			continue;
		(void)fes_bls_identity(other->name, identity);
		if (strcmp(identity, wanted) == 0)
			return other;
	}
	return NULL;
}

/* Of names with one identity boot counting may take either: systemd-bless-boot(8) then does nothing. */
static void warn_of_doubles(struct warner *w)
{
	const struct fes_volume *volume = w->tree->volume;

	for (size_t i = 1; !is_enough(w) && i < w->tree->n_nodes; i++) {
		const struct fes_node *node = w->tree->nodes[i], *mirrored = NULL;

		if (node->role == FES_FOREIGN && fes_node_stands_as_choice(node) &&
			!fes_managed_is_left_alone(w->managed, node->path))
			mirrored = find_mirrored(node);
		if (mirrored && is_told(w))
			fes_log(volume->context, FES_LOG_WARNING,
				"%s: %s: differs from %s only in its boot counter; that one is mirrored, this one is not: remove the one that is wrong",
				volume->name, node->path, mirrored->name);
	}
}

static void warn_of_rest(const struct warner *w)
{
	const struct fes_volume *volume = w->tree->volume;

	if (is_enough(w))
		fes_log(volume->context, FES_LOG_WARNING,
			"%s: more problems with boot entries: the rest was not looked into",
			volume->name);
}

int fes_needs_warn(const struct fes_needs *needs, const struct fes_managed *managed,
	const struct fes_tree *tree, bool judged)
{
	struct warner w = {
		.needs = needs, .managed = managed, .tree = tree, .judged = judged,
		.place = {.volume = tree->volume, .tree = tree},
	};
	int r = 0;

	warn_of_doubles(&w);
	if (needs->has_swtpm)
		fes_log(tree->volume->context, FES_LOG_WARNING,
			"%s: /loader/swtpm: not mirrored: it is the state of a software TPM, which a system booted from a mirror starts without",
			tree->volume->name);
	for (size_t i = 0; r == 0 && !is_enough(&w) && i < needs->entries.n; i++) {
		w.entry = &needs->entries.list[i];
		w.any_empty = false;
		r = warn_of_entry(&w);
	}
	if (r == 0)
		warn_of_rest(&w);
	return r;
}
