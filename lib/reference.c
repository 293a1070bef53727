/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/needs.h"

/* Which payload the mirror's type #1 entries may need. */

struct fes_references {
	struct fes_paths paths; /* of what is referred to */
	struct fes_paths above; /* of directories on the way there */
	struct fes_paths companions; /* of directories with what images take along */
	bool everything; /* some entry was not read: whatever there is may be needed */
};

static int add_path(struct fes_references *references, const char *path)
{
	char *companion = fes_bls_companion(path);
	int r = companion ? fes_paths_add(&references->companions, companion) : -ENOMEM;

	free(companion);
	if (r == 0)
		r = fes_paths_add(&references->paths, path);
	return r < 0 ? r : fes_paths_add_above(&references->above, path);
}

static int add_line(struct fes_references *references, const struct fes_bls_line *line)
{
	int r = line->whole ? add_path(references, line->whole) : 0;

	for (size_t i = 0; r == 0 && i < line->n_parts; i++)
		r = add_path(references, line->parts[i]);
	return r;
}

static int add_entry(struct fes_references *references, const struct fes_type1 *entry)
{
	int r = 0;

	references->everything |= entry->unread;
	for (size_t i = 0; r == 0 && i < entry->bls.n_lines; i++)
		r = add_line(references, &entry->bls.lines[i]);
	return r;
}

int fes_references_new(const struct fes_tree *mirror, const bool *ignored,
	struct fes_references **ret)
{
	struct fes_references *references = calloc(1, sizeof *references);
	int r = 0;

	if (!references)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < mirror->needs->entries.n; i++) {
		const struct fes_type1 *entry = &mirror->needs->entries.list[i];
		const struct fes_node *node = fes_tree_find(mirror, entry->path);

		if (!node || !ignored || !ignored[node->id])
			r = add_entry(references, entry);
	}
	if (r < 0) {
		fes_references_free(references);
		return r;
	}
	fes_paths_settle(&references->paths);
	fes_paths_settle(&references->above);
	fes_paths_settle(&references->companions);
	*ret = references;
	return 0;
}

void fes_references_free(struct fes_references *references)
{
	if (!references)
		return;
	fes_paths_done(&references->paths);
	fes_paths_done(&references->above);
	fes_paths_done(&references->companions);
	free(references);
}

bool fes_references_has(const struct fes_references *references, const struct fes_node *node)
{
	char *folded;
	bool has;

	if (references->everything)
		return true;
	folded = fes_path_fold(node->path);
	if (!folded)
		return true;
	has = fes_paths_has(&references->paths, folded) ||
		fes_paths_cover(&references->companions, folded) ||
		(node->directory && fes_paths_has(&references->above, folded));
	free(folded);
	return has;
}
