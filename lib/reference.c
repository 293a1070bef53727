/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

/*
 * Which payload the mirror's loader entries may need. Entries are not parsed: a file counts as
 * needed when its name occurs anywhere in one. A yes too many only means that it goes a little
 * later.
 */

enum { TOTAL_MAX = 4 * 1024 * 1024 }; /* bytes of entries that are looked at */

struct fes_references {
	char *text; /* all entries one after the other, folded */
	size_t len;
	bool everything; /* too much or unreadable: whatever there is may be needed */
};

static void fold_ascii(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] + ('a' - 'A'));
}

static int append_file(struct fes_references *references, struct fes_volume *volume,
	const struct fes_node *node)
{
	size_t room = ((size_t)node->size + 4095) / 4096 * 4096;
	struct fat_file *file;
	char *text;
	int64_t n;
	int r;

	text = realloc(references->text, references->len + room + 1);
	if (!text)
		return -ENOMEM;
	references->text = text;
	r = fat_file_open(volume->fat, node->first_cluster, node->size, node->path, &file);
	if (r < 0)
		return r;
	n = room > 0 ? fat_file_read(file, text + references->len, room) : 0;
	fat_file_close(file);
	if (n < 0)
		return (int)n;
	references->len += (size_t)n;
	text[references->len++] = '\n';
	return 0;
}

static bool is_entry(const struct fes_node *node)
{
	return !node->directory && node->role == FES_MANAGED &&
		fes_path_within(node->path, "/loader/entries");
}

int fes_references_read(const struct fes_tree *mirror, const bool *ignored,
	struct fes_references **ret)
{
	struct fes_references *references = calloc(1, sizeof *references);
	int r = 0;

	if (!references)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < mirror->n_nodes && !references->everything; i++) {
		const struct fes_node *node = mirror->nodes[i];

		if (!is_entry(node) || (ignored && ignored[node->id]))
			continue;
		references->everything = (uint64_t)references->len + node->size >= TOTAL_MAX;
		if (!references->everything)
			r = append_file(references, mirror->volume, node);
	}
	if (r < 0) {
		fes_references_free(references);
		return r;
	}
	fold_ascii(references->text, references->len);
	*ret = references;
	return 0;
}

void fes_references_free(struct fes_references *references)
{
	if (!references)
		return;
	free(references->text);
	free(references);
}

static bool mentions(const struct fes_references *references, const char *name)
{
	char folded[FAT_NAME_MAX];
	size_t len = strlen(name);

	if (references->everything)
		return true;
	if (len >= sizeof folded || references->len == 0)
		return false;
	memcpy(folded, name, len);
	fold_ascii(folded, len);
	return memmem(references->text, references->len, folded, len) != NULL;
}

bool fes_references_has(const struct fes_references *references, const struct fes_node *node)
{
	if (!node->directory)
		return mentions(references, node->name);
	for (size_t i = 0; i < node->n_children; i++)
		if (fes_references_has(references, node->children[i]))
			return true;
	return false;
}
