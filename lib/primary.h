/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading a primary that may be mounted and written to meanwhile. Private to lib/. */

#include "lib/internal.h"

/*
 * Open the primary for reading. Where it is not mounted it is claimed, so that nobody mounts it as
 * long as it is read; else volume->shared is set.
 *
 * Returns 0 or an error of fes_volume_open() (logged).
 */
int fes_primary_open(struct fes_context *context, const struct fes_spec *spec,
	struct fes_volume **ret);

/*
 * Read what there is of the managed set. Of a shared volume only what two passes found alike is
 * believed, nor does one that is damaged count as damaged at once: a file system that is being written
 * to looks so for a moment. Some tries, some time apart.
 *
 * Returns 0, -EUCLEAN (damaged), -ESTALE (it never stood still), -ECANCELED (not reported), -ENOMEM or
 * a device error; reported.
 */
int fes_primary_read(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_tree **ret);
