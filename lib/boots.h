/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a machine could boot from an ESP. Private to lib/. */

#include "lib/internal.h"

/*
 * Say what @esp, with @xbootldr beside it (NULL: none), lacks to be booted from: a boot loader where
 * firmware looks for one, something that it could start. "" when it lacks nothing. free() *@ret.
 *
 * Returns 0, -EUCLEAN, -ENOMEM or a device error.
 */
int fes_boots_find_lacking(struct fes_volume *esp, struct fes_volume *xbootldr, char **ret);
