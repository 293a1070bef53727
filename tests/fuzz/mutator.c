/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "tests/fuzz/draw.h"
#include "tests/fuzz/target.h"

/* libFuzzer's own mutations know nothing of what an input means; now and then that is good. */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct fuzz_random random = {seed};
	struct fuzz_input input;

	if (max_size < FUZZ_INPUT_MAX || fuzz_draw(&random, 16) == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	input = fuzz_input_decode(data, size);
	do
		fuzz_vary(&random, &input, fuzz_n_roles);
	while (fuzz_draw(&random, 3) == 0);
	return fuzz_input_encode(&input, data);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
	size_t size2, uint8_t *out, size_t max_size, unsigned seed)
{
	struct fuzz_random random = {seed};
	struct fuzz_input input = fuzz_input_decode(data1, size1);
	struct fuzz_input other = fuzz_input_decode(data2, size2);

	if (max_size < FUZZ_INPUT_MAX)
		return 0;
	fuzz_cross(&random, &input, &other);
	return fuzz_input_encode(&input, out);
}
