/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An input of the fuzzers: which seeds, and a few changes to them. Every sequence of bytes is an
 * input, numbers too large are folded into their range, and what is left over at the end is
 * ignored.
 */

#include <stdint.h>

#include "tests/fuzz/seed.h"

enum {
	FUZZ_CHANGES_MAX = 48,
	FUZZ_INPUT_MAX = 4 + FUZZ_CHANGES_MAX * 12, /* bytes */
};

enum fuzz_kind {
	FUZZ_FIELD,    /* the field number place of boot sectors or FSInfo becomes a */
	FUZZ_FAT,      /* the FAT entry of cluster a becomes b */
	FUZZ_CHAIN,    /* place clusters from a on become a chain that ends with b */
	FUZZ_SLOT,     /* from byte a of slot number place on: detail bytes of b */
	FUZZ_SHORT,    /* byte a of the short name of set number place becomes b */
	FUZZ_LONG,     /* unit a of the long name of set number place becomes b */
	FUZZ_CHECKSUM, /* the checksums in set number place are made right */
	FUZZ_COPY,     /* detail slots from number place on are copied to slot number a */
	FUZZ_DELETE,   /* set number place is deleted */
	FUZZ_CREATE,   /* a set with a name of a units at slot number place, first cluster b */
	FUZZ_BYTES,    /* from byte a of the volume on: detail bytes of b */
	FUZZ_FULL,     /* all free clusters but a are marked bad; detail: every so manyth */
	FUZZ_N_KINDS,
};

enum {
	FUZZ_MIRROR = 0x80,      /* of detail: the second volume is changed and not the first */
	FUZZ_DETAIL_MASK = 0x7f,
	FUZZ_COPY_FIRST = 1, /* detail of FUZZ_FAT and FUZZ_CHAIN: one FAT copy only */
	FUZZ_COPY_SECOND = 2,
	FUZZ_LEAVE_CHECKSUM = 1, /* of FUZZ_SHORT: do not repair it */
	FUZZ_SHORT_ONLY = 1,     /* of FUZZ_DELETE: the long name stays behind */
};

/* As it stands in an input. */
struct fuzz_change {
	uint8_t kind;   /* modulo FUZZ_N_KINDS */
	uint8_t detail;
	le16_t place;
	le32_t a;
	le32_t b;
};
static_assert(sizeof(struct fuzz_change) == 12, "a change");

struct fuzz_input {
	uint8_t seeds[2]; /* modulo FUZZ_N_SEEDS: primary and mirror, or one volume and nothing */
	uint8_t options;  /* the target's own */
	uint8_t unused;
	struct fuzz_change changes[FUZZ_CHANGES_MAX];
	unsigned n_changes; /* not stored */
};
static_assert(offsetof(struct fuzz_input, n_changes) == FUZZ_INPUT_MAX, "an input");

struct fuzz_input fuzz_input_decode(const uint8_t *bytes, size_t len);

/* Returns the length in bytes. */
size_t fuzz_input_encode(const struct fuzz_input *input, uint8_t ret[FUZZ_INPUT_MAX]);

/* Make those changes to @seed that are meant for @role. */
void fuzz_input_apply(const struct fuzz_input *input, struct fuzz_seed *seed, unsigned role);

unsigned fuzz_count_fields(void);
