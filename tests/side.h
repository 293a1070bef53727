/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A volume of the library over the memory of a fixture, on a device that may fail and can be
 * traced: one side of a sync, or an ESP by itself. What goes wrong on the way fails the running case.
 */

#include "lib/internal.h"
#include "tests/fixture.h"
#include "tests/messages.h"
#include "tests/testdev.h"

/* All zero but for the fixture: closed. */
struct side {
	struct fixture *f;       /* owned; NULL: none yet */
	struct blkdev *memory;   /* over its bytes; below ... */
	struct fault fault;
	struct blkdev *faulty;   /* ... the device that this is of, and that below ... */
	struct trace trace;      /* ... what the volume is on */
	struct fes_volume *volume;
	struct fes_tree *tree;   /* NULL until it is read */
};

/* Open the volume, as @name in messages. */
void side_open(struct side *side, struct fes_context *context, const char *name);

/* The volume, which was just opened, must be sound. */
void side_check(struct side *side);

/* The same; then read its tree. */
void side_read(struct side *side, const struct fes_managed *managed);

/* Close the volume; fixture, fault and trace stay. Fine when it is closed already. */
void side_close(struct side *side);

/* Close it, and free all that it has. */
void side_done(struct side *side);

/* ---- one that stands alone ---- */

struct esp {
	struct messages messages;
	struct fes_context *context;
	struct side side;
};

/* The volume of @fixture, which is owned, opened as "esp". */
struct esp *esp_new(struct fixture *fixture);
void esp_free(struct esp *esp);
