/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bringing a new list to the primary. Private to lib/. */

#include "lib/internal.h"

/*
 * Write @text (NULL: no list any more) to /loader/esp-sync of the volume that @spec names, instead
 * of @expected (NULL: there is no list). Goes through the mount of a mounted volume. Locks the disk
 * meanwhile.
 *
 * Returns 0; -ESTALE (it is no longer @expected, or the volume no longer what @spec says), -EBUSY
 * (mounted where it cannot be seen), -EAGAIN (locked by somebody else), -EROFS, -ENOSPC, -EUCLEAN
 * (damaged) or an error of the device; reported. After an error the list is as it was, unless a
 * message says that this cannot be seen.
 */
int fes_list_store(struct fes_context *context, const struct fes_spec *spec, const char *expected,
	const char *text);
