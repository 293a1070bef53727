/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/scratch.h"

const char *scratch_parent(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp ? tmp : "/tmp";
}

void scratch_make(struct scratch *scratch)
{
	ck_assert_int_lt(snprintf(scratch->path, sizeof scratch->path, "%s/fatespsync-XXXXXX",
		scratch_parent()), (int)sizeof scratch->path);
	ck_assert_ptr_nonnull(mkdtemp(scratch->path));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

bool scratch_try_remove(const struct scratch *scratch)
{
	return nftw(scratch->path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

void scratch_remove(const struct scratch *scratch)
{
	ck_assert(scratch_try_remove(scratch));
}

static void full_path(const struct scratch *scratch, const char *path, char ret[PATH_MAX])
{
	ck_assert_int_lt(snprintf(ret, PATH_MAX, "%s%s", scratch->path, path), PATH_MAX);
}

static void make_parents(const struct scratch *scratch, char *full)
{
	char *slash = full + strlen(scratch->path) + 1;

	for (; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		ck_assert(mkdir(full, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

void scratch_write(const struct scratch *scratch, const char *path, const void *bytes, size_t len)
{
	char full[PATH_MAX];
	FILE *file;

	full_path(scratch, path, full);
	make_parents(scratch, full);
	file = fopen(full, "we");
	ck_assert_msg(file != NULL, "%s", full);
	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

void scratch_write_text(const struct scratch *scratch, const char *path, const char *text)
{
	scratch_write(scratch, path, text, strlen(text));
}

void scratch_make_folder(const struct scratch *scratch, const char *path)
{
	char full[PATH_MAX];

	full_path(scratch, path, full);
	make_parents(scratch, full);
	ck_assert_int_eq(mkdir(full, 0700), 0);
}

void scratch_link(const struct scratch *scratch, const char *path, const char *target)
{
	char full[PATH_MAX];

	full_path(scratch, path, full);
	make_parents(scratch, full);
	ck_assert_int_eq(symlink(target, full), 0);
}
