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

bool fes_node_is_choice(const struct fes_node *node)
{
	if (node->directory || node->role != FES_MANAGED || is_hidden(node->name))
		return false;
	if (is_ending(node->name, ".efi"))
		return fat_name_equal(node->parent->path, "/EFI/Linux");
	return is_ending(node->name, ".conf") && fat_name_equal(node->parent->path, "/loader/entries");
}
