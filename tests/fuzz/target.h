/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What libFuzzer calls and what it offers; it has no header of its own for C. */

#include <stddef.h>
#include <stdint.h>

/* The target: run one input. Returns 0; a finding ends the program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many inputs were good for all that the target does. A corpus without any proves nothing. */
extern unsigned fuzz_n_good;

/* How many volumes an input of the target changes. */
extern const unsigned fuzz_n_roles;

/* Vary the @size bytes at @data, which have room for @max_size. Returns the new size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
	size_t size2, uint8_t *out, size_t max_size, unsigned seed);

/* libFuzzer's own mutations. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
