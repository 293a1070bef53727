/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must be true of a mirror after a sync that says it went well. The judge reads all volumes
 * with a reader of its own; that the library's check has nothing to say is looked at besides.
 */

#include "tests/fuzz/reader.h"
#include "tests/fuzz/seed.h"

struct judge {
	struct fuzz_seed *mirror;
	struct reader_rules rules;
	struct reader primary; /* as it is all the time */
	struct reader before;  /* the mirror, before the sync; its chains and slots are copies */
	bool primary_sound;
	bool mirror_sound;
};

/* Look at both volumes and mark the mirror. */
void judge_begin(struct judge *judge, const struct fuzz_seed *primary, struct fuzz_seed *mirror,
	const struct reader_rules *rules);
void judge_end(struct judge *judge);

/* End the program unless the mirror is as it must be after a sync, or when it needs none. */
void judge_synced(const struct judge *judge);

/* End the program if anything was written since judge_begin(). */
void judge_untouched(const struct judge *judge);
