/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>
#include <strings.h>

#include "lib/internal.h"

/*
 * What systemd-boot offers to boot: image files in /EFI/Linux and entries in /loader/entries, not
 * what lies in directories below, such as add-ons (systemd, src/boot/boot.c:
 * config_load_type1_entries(), config_load_type2_entries()).
 */

static bool is_ending(const char *name, const char *ending)
{
	const char *dot = strrchr(name, '.');

	return dot && fat_name_equal(dot, ending);
}

/* Names that begin so are passed over, in any case. */
static bool is_hidden(const char *name)
{
	return name[0] == '.' || strncasecmp(name, "auto-", 5) == 0;
}

static bool is_in(const struct fes_node *node, const char *dir)
{
	return node->parent && fat_name_equal(node->parent->path, dir);
}

bool fes_node_is_choice(const struct fes_node *node)
{
	if (node->directory || node->role != FES_MANAGED || is_hidden(node->name))
		return false;
	if (is_ending(node->name, ".efi"))
		return is_in(node, "/EFI/Linux");
	return is_ending(node->name, ".conf") && is_in(node, "/loader/entries");
}

/* "x.efi.extra.d" has what the image "x.efi" takes along (systemd-stub(7)). */
bool fes_node_is_companion(const struct fes_node *node)
{
	size_t len = strlen(node->name), n = strlen(".extra.d");

	return node->directory && node->role == FES_MANAGED && len > n &&
		fat_name_equal(node->name + len - n, ".extra.d") && is_in(node, "/EFI/Linux");
}

bool fes_tree_has_choice(const struct fes_tree *tree)
{
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (fes_node_is_choice(tree->nodes[i]))
			return true;
	return false;
}
