/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The contents of the primary's files on their way to a mirror. Private to lib/. */

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
