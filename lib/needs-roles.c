/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/needs.h"

/* What follows from what is needed: whose is what. */

static enum fes_role role_of_folded(const struct fes_needs *needs, enum fes_role role,
	const char *folded, bool directory)
{
	if (fes_paths_cover(&needs->kept, folded))
		return FES_FOREIGN;
	if (role == FES_MANAGED || fes_paths_cover(&needs->dirs, folded))
		return FES_MANAGED;
	if (!directory)
		return fes_paths_has(&needs->files, folded) ||
				       fes_paths_has(&needs->referred, folded)
			       ? FES_MANAGED
			       : role;
	if (role == FES_PARENT)
		return FES_PARENT;
	return fes_paths_has(&needs->leading, folded) || fes_paths_has(&needs->perhaps, folded)
		       ? FES_MANAGED
		       : role;
}

int fes_needs_role(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *path, bool directory)
{
	enum fes_role role = fes_managed_role(managed, path);
	char *folded;

	if (!needs || fes_managed_is_left_alone(managed, path))
		return (int)role;
	folded = fes_path_fold(path);
	if (!folded)
		return -ENOMEM;
	role = role_of_folded(needs, role, folded, directory);
	free(folded);
	return (int)role;
}

bool fes_needs_referred(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded)
{
	return fes_paths_has(&needs->referred, folded) && !fes_paths_has(&needs->files, folded) &&
	       !fes_paths_cover(&needs->dirs, folded) &&
	       fes_managed_role(managed, folded) != FES_MANAGED;
}

bool fes_needs_leads(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded)
{
	return !fes_paths_cover(&needs->dirs, folded) &&
		fes_managed_role(managed, folded) != FES_MANAGED;
}

bool fes_needs_perhaps(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded)
{
	return fes_paths_has(&needs->perhaps, folded) && !fes_paths_has(&needs->leading, folded) &&
		fes_needs_leads(needs, managed, folded);
}

static int keep_file(struct fes_needs *needs, struct fes_paths *files, const char *folded)
{
	int r = fes_paths_add(files, folded);

	return r < 0 ? r : fes_paths_add_above(&needs->leading, folded);
}

int fes_needs_settle(struct fes_needs *needs, const struct fes_tree *tree)
{
	struct fes_paths files = {0};
	int r = 0;

	fes_paths_done(&needs->leading);
	for (size_t i = 1; r == 0 && i < tree->n_nodes; i++) {
		const struct fes_node *node = tree->nodes[i];
		char *folded;

		if (node->role != FES_MANAGED)
			continue;
		folded = fes_path_fold(node->path);
		if (!folded)
			r = -ENOMEM;
		else if (!node->directory && fes_paths_has(&needs->files, folded))
			r = keep_file(needs, &files, folded);
		else if (node->directory && fes_paths_has(&needs->dirs, folded))
			r = fes_paths_add_above(&needs->leading, folded);
		free(folded);
	}
	if (r < 0) {
		fes_paths_done(&files);
		return r;
	}
	fes_paths_done(&needs->files);
	fes_paths_done(&needs->perhaps);
	needs->files = files;
	fes_paths_settle(&needs->files);
	fes_paths_settle(&needs->leading);
	return 0;
}
