/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/sysroot.h"

void sysroot_put(const struct scratch *root, const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX], line[PATH_MAX];

	(void)snprintf(path, sizeof path, "/sys/devices/%s/%s", dir, name);
	(void)snprintf(line, sizeof line, "%s\n", text);
	scratch_write_text(root, path, line);
}

void sysroot_put_device(const struct scratch *root, const char *dir, const char *number,
	const char *size)
{
	char link[PATH_MAX], target[PATH_MAX];
	const char *slash = strrchr(dir, '/');

	ck_assert_ptr_nonnull(slash);
	sysroot_put(root, dir, "dev", number);
	sysroot_put(root, dir, "size", size);
	(void)snprintf(target, sizeof target, "../../devices/%s", dir);
	(void)snprintf(link, sizeof link, "/sys/dev/block/%s", number);
	scratch_link(root, link, target);
	(void)snprintf(link, sizeof link, "/sys/class/block%s", slash);
	scratch_link(root, link, target);
}

void sysroot_put_partition(const struct scratch *root, const char *dir, const char *number,
	const char *partition, const char *start, const char *size)
{
	sysroot_put_device(root, dir, number, size);
	sysroot_put(root, dir, "partition", partition);
	sysroot_put(root, dir, "start", start);
}

void sysroot_put_backing(const struct scratch *root, const char *dir, const char *file,
	const char *offset)
{
	sysroot_put(root, dir, "loop/backing_file", file);
	sysroot_put(root, dir, "loop/offset", offset);
}
