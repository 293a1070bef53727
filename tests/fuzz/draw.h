/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random inputs and random variations of them: what the fuzzers' mutator is made of. */

#include "tests/fuzz/change.h"

struct fuzz_random {
	uint64_t state;
};

/* A number below @below; 0 when that is 0. */
uint32_t fuzz_draw(struct fuzz_random *random, uint32_t below);

/* A change that somebody could trip over, of the volume @role of @input. */
struct fuzz_change fuzz_draw_change(struct fuzz_random *random, const struct fuzz_input *input,
	unsigned role);

/* Add, drop, repeat or alter a change of one of the @n_roles volumes, or take other seeds. */
void fuzz_vary(struct fuzz_random *random, struct fuzz_input *input, unsigned n_roles);

/* Take changes of @other in. */
void fuzz_cross(struct fuzz_random *random, struct fuzz_input *input,
	const struct fuzz_input *other);
