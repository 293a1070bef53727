/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "fat/fat.h"
#include "lib/bls.h"
#include "lib/loader.h"
#include "tests/fuzz/seed.h"
#include "tests/fuzz/target.h"

/*
 * The bytes of a boot loader entry, of a name and of a program, whatever they hold. A path that is
 * read from an entry is one that the next entry could name.
 */

const unsigned fuzz_n_roles = 0;
unsigned fuzz_n_good;

/* The way @path is written it is read again. */
static void check_path(const char *path)
{
	size_t len = strlen(path);
	struct fes_bls bls;
	char *text;

	if (len < 2 || path[0] != '/' || path[len - 1] == '/' || strpbrk(path, "\\\r\n\t\""))
		fuzz_fail("'%s' is no path", path);
	text = malloc(len + 7);
	if (!text)
		abort();
	memcpy(text, "linux ", 6);
	memcpy(text + 6, path, len + 1);
	if (fes_bls_parse(text, len + 6, &bls) < 0)
		abort();
	/* A blank at the end would belong to the line. */
	if (path[len - 1] != ' ' && (bls.n_lines != 1 || strcmp(bls.lines[0].whole, path) != 0))
		fuzz_fail("'%s' is read as another path", path);
	fes_bls_done(&bls);
	free(text);
}

static void check_line(const struct fes_bls_line *line, unsigned n_lines)
{
	if (line->number == 0 || line->number > n_lines || !*line->value)
		fuzz_fail("line %u of %u, '%s'", line->number, n_lines, line->value);
	if (line->whole)
		check_path(line->whole);
	for (size_t i = 0; i < line->n_parts; i++)
		check_path(line->parts[i]);
}

static void read_entry(const char *bytes, size_t size)
{
	struct fes_bls bls;
	unsigned last = 0;

	if (fes_bls_parse(bytes, size, &bls) < 0)
		abort();
	for (size_t i = 0; i < bls.n_lines; i++) {
		check_line(&bls.lines[i], (unsigned)size + 1);
		if (bls.lines[i].number <= last)
			fuzz_fail("line %u behind line %u", bls.lines[i].number, last);
		last = bls.lines[i].number;
	}
	fuzz_n_good += bls.n_lines > 0;
	fes_bls_done(&bls);
}

/* Who is known by an identity has it himself. */
static void read_name(const char *bytes, size_t size)
{
	char name[FAT_NAME_MAX] = "", identity[FAT_NAME_MAX], again[FAT_NAME_MAX];

	memcpy(name, bytes, size < sizeof name ? size : sizeof name - 1);
	if (!fes_bls_identity(name, identity)) {
		(void)fat_name_fold(name, again);
		if (strcmp(identity, again) != 0)
			fuzz_fail("'%s', which is not counted, is known as '%s'", name, identity);
	} else if (strlen(identity) < strlen(".efi") + 1) {
		fuzz_fail("nothing is left of '%s'", name);
	}
	(void)fes_bls_is_entry_name(name);
	(void)fes_bls_is_image_name(name);
	(void)fes_loader_is_default_name(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char version[32];

	read_entry((const char *)data, size);
	read_name((const char *)data, size);
	(void)fes_loader_identify(data, size, version, sizeof version);
	if (strlen(version) >= sizeof version)
		fuzz_fail("a version without end");
	return 0;
}
