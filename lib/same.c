/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <sys/stat.h>

#include "lib/internal.h"

static uint64_t end_of(const struct fes_spec *spec)
{
	return spec->size == 0 ? UINT64_MAX : spec->offset + spec->size;
}

static bool overlap(const struct fes_spec *a, const struct fes_spec *b)
{
	return a->offset < end_of(b) && b->offset < end_of(a);
}

bool fes_spec_same(const struct fes_spec *a, const struct fes_spec *b)
{
	struct stat sa, sb;

	if (stat(a->path, &sa) < 0 || stat(b->path, &sb) < 0)
		return false;
	if (S_ISBLK(sa.st_mode) != S_ISBLK(sb.st_mode))
		return false;
	if (S_ISBLK(sa.st_mode))
		return sa.st_rdev == sb.st_rdev && overlap(a, b);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino && overlap(a, b);
}
