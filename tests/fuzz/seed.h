/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A seed volume in memory, as it was made by make-seeds.sh, and the places in it that are worth
 * changing. All changes, those of a sync too, are undone by fuzz_seed_reset(), so that a run costs
 * what it touches and not the size of the volume.
 *
 * What goes wrong here is a mistake of the harness: it ends the program.
 */

#include <stddef.h>
#include <stdint.h>

#include "fat/internal.h"

enum { FUZZ_N_SEEDS = 12 };

/* A directory of a seed: where its slots stand, in bytes from the start of the volume. */
struct fuzz_dir {
	uint64_t *slots;
	uint32_t n_slots;
};

/* An entry set of a seed. */
struct fuzz_set {
	uint32_t dir;   /* index */
	uint32_t first; /* slot */
	uint32_t n_slots;
};

/* A sector as it was before a write. */
struct fuzz_old_sector {
	uint64_t offset; /* bytes */
	uint8_t bytes[512];
};

struct fuzz_seed {
	const char *name;
	uint8_t *bytes;
	uint64_t size;
	struct fat_geometry geo;
	struct fuzz_dir *dirs;
	uint32_t n_dirs;
	struct fuzz_set *sets;
	uint32_t n_sets;
	uint32_t *used; /* clusters in use, ascending */
	uint32_t n_used;
	struct fuzz_old_sector *old; /* oldest first; one sector may be there more than once */
	size_t n_old, room_old;
	size_t mark; /* what comes after that many was written by the code under test */
};

const char *fuzz_seed_name(unsigned i);

/*
 * The seed number @i, read from tests/fuzz/seeds below $srcdir when it is asked for first. @role 0
 * and 1 are two copies of it, so that a volume can be synced to what it began as.
 */
struct fuzz_seed *fuzz_seed_get(unsigned i, unsigned role);

/* Put @len bytes at @offset; what reaches over the end is left out. */
void fuzz_seed_put(struct fuzz_seed *seed, uint64_t offset, const void *bytes, size_t len);
void fuzz_seed_reset(struct fuzz_seed *seed);

/* From now on it is not the harness that writes: see mark. */
void fuzz_seed_mark(struct fuzz_seed *seed);

/* A device over the seed's bytes, with the sectors of its volume; reads only unless @writable. */
struct blkdev *fuzz_seed_device(struct fuzz_seed *seed, bool writable);

/* Free all seeds. */
void fuzz_seeds_done(void);

/* End the program with what is wrong, in the way that a fuzzer takes for a finding. */
void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
