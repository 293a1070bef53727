/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the contents of new files come from. Private to lib/. */

#include "lib/internal.h"

/*
 * A source that reads @node of @primary and checks what is read back from @mirror. Everything is
 * borrowed; free it after the transaction. NULL when memory is out.
 *
 * Its digest must have been asked for (fes_digester_want()) before the transaction runs.
 */
struct fat_source *fes_source_new(struct fes_volume *primary, struct fes_volume *mirror,
	const struct fes_node *node, struct fes_digester *digester);
void fes_source_free(struct fat_source *source);

/* A source of bytes in memory. All is borrowed. */
struct fes_bytes_source {
	struct fat_source base; /* first: a pointer to it is one to us */
	struct fes_volume *volume;
	const uint8_t *bytes;
	size_t at;
	bool differs; /* what stands on the medium */
};

/* @len is more than 0. What is read back has to be the same. @path is for messages. */
struct fes_bytes_source fes_source_of_bytes(struct fes_volume *volume, const char *path,
	const void *bytes, uint32_t len);
