/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A mirror in memory is synced with a primary in memory. What goes wrong fails the running case. */

#include "tests/side.h"

struct syncing {
	struct messages messages;
	struct fes_context *context;
	struct fes_managed managed;
	struct side primary; /* "primary", which is read */
	struct side mirror;  /* "mirror", which is open during a run alone; its device may fail */
	struct fes_digester *digester;
	/* What is asked for. */
	enum fes_random_seed random_seed;
	enum fes_partition_kind kind; /* of the mirror */
	unsigned flags;
	/* What became of the last run. */
	char message[1024]; /* the mirror's, "" when there is none */
	char note[1024];    /* its first one, or "" */
	struct blkdev_stats stats;
};

/* The fixtures are owned. */
struct syncing *syncing_new(struct fixture *primary, struct fixture *mirror);
void syncing_free(struct syncing *s);

/* Read the primary anew; its fixture may be another now. */
void syncing_read_primary(struct syncing *s);

enum fes_mirror_state syncing_run(struct syncing *s);
