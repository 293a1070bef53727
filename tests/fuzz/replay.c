/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/change.h"
#include "tests/fuzz/target.h"

/*
 * Run the target over a corpus, a text file with a line "NAME HEX" for each input, or over those
 * of its inputs that are named. No fuzzer is needed.
 */

enum { LINE_LEN = 200 + 2 * FUZZ_INPUT_MAX };

static size_t parse_hex(const char *text, uint8_t *bytes)
{
	size_t n = 0;
	unsigned byte;

	while (n < FUZZ_INPUT_MAX && sscanf(text + 2 * n, "%2x", &byte) == 1)
		bytes[n++] = (uint8_t)byte;
	return n;
}

/* In memory that ends where the input does, for those who watch. */
static void run(const char *hex)
{
	uint8_t bytes[FUZZ_INPUT_MAX], *copy;
	size_t n = parse_hex(hex, bytes);

	copy = malloc(n + 1);
	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static bool is_wanted(const char *name, int n_names, char **names)
{
	for (int i = 0; i < n_names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return n_names == 0;
}

/* The name is written first: nobody comes back from a finding. */
static unsigned run_all(FILE *file, int n_names, char **names)
{
	char line[LINE_LEN], name[200], hex[LINE_LEN];
	unsigned n = 0;

	while (fgets(line, sizeof line, file)) {
		if (*line == '#' || sscanf(line, "%199s %s", name, hex) != 2 ||
			!is_wanted(name, n_names, names))
			continue;
		(void)fprintf(stderr, "%s\n", name);
		run(hex);
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	char path[4096];
	const char *srcdir = getenv("srcdir");
	unsigned n;
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/tests/fuzz/%s", srcdir ? srcdir : ".", CORPUS);
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		return EXIT_FAILURE;
	}
	n = run_all(file, argc - 1, argv + 1);
	(void)fclose(file);
	fuzz_seeds_done();
	printf("%u inputs, %u of them good\n", n, fuzz_n_good);
	return n > 0 && (fuzz_n_good > 0 || argc > 1) ? EXIT_SUCCESS : EXIT_FAILURE;
}
