/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Power cuts while both volumes of a mirror's disk, ESP and XBOOTLDR, are brought in line: one log
 * of both, and a judge over what is left on the disk as a whole.
 */

#include "tests/powercut.h"

enum { CUT_ESP, CUT_XBOOTLDR, CUT_VOLUMES };

/* Files of which the sizes tell how far the sync is; NULL: there is no such. */
struct cut_markers {
	const char *payload;  /* of the ESP */
	const char *loader;   /* of the ESP */
	const char *xbootldr; /* in the XBOOTLDR's /loader */
};

struct cut_disk_workload {
	const struct cut_file *files[CUT_VOLUMES];   /* of the primary */
	const struct cut_file *foreign[CUT_VOLUMES]; /* on the mirror; or NULL */
	unsigned n_clusters[CUT_VOLUMES];            /* of the mirror's, about; 0: enough */
	struct cut_markers markers;
	const char *manage[CUT_PATHS_MAX];
	bool leads; /* there is something to boot on the primary's XBOOTLDR */
	bool tight; /* there may be no room for going back */
};

struct cut_disk;

struct cut_disk *cut_disk_new(const char *dir, const struct cut_disk_workload *workload,
	struct cut_totals *totals);
void cut_disk_free(struct cut_disk *disk);

/*
 * Sync the disk once and judge all that power cuts leave: on each volume what cut_judge() says; at
 * any time something to boot on one of the two; what comes in the order of the markers; and unless
 * something had to go first for want of room, all is copied before the first change that a reader
 * sees. The next sync ends well, also if the primary is as it was at first again.
 *
 * Returns whether all of it is as it must be; else cut_disk_fault() tells what was found first.
 */
bool cut_disk_prove(struct cut_disk *disk, const struct cut_effort *effort);
const char *cut_disk_fault(const struct cut_disk *disk);

/* Whether something had to go first. */
bool cut_disk_removed_first(const struct cut_disk *disk);
