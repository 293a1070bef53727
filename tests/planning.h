/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a primary and a mirror in memory to a plan. What goes wrong fails the running case. */

#include <stdbool.h>

#include "tests/side.h"

struct planning {
	struct messages messages;
	struct fes_context *context;
	struct fes_managed managed;
	struct side primary, mirror; /* "primary", "mirror" */
	struct fes_digester *digester;
	struct fes_comparison *comparison;
	struct fes_plan *plan;
	bool quick, keep_images; /* as fes_compare() and fes_plan_make() take them */
};

/* The fixtures are owned; NULL: there is none yet. */
struct planning *planning_new(struct fixture *primary, struct fixture *mirror);
void planning_free(struct planning *p);

/*
 * Read both volumes, which must be sound, compare them and plan, all anew. Reads that come after those
 * of the trees are in the traces of both sides. Returns what fes_plan_make() does.
 */
int planning_make(struct planning *p);

/* Drop the plan and close the volumes. */
void planning_drop(struct planning *p);
