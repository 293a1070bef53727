/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/internal.h"
#include "lib/mounts.h"

/*
 * Who is in the way of writing. Of a block device the kernel says whether it is mounted or held,
 * and keeps others from mounting it meanwhile. Nobody can claim a file, so it has to be looked
 * whether an image is mounted through a loop device.
 */

/* The device number of a block device, 0 for a file. */
static dev_t block_device(const struct fes_spec *spec)
{
	struct stat st;

	return stat(spec->path, &st) == 0 && S_ISBLK(st.st_mode) ? st.st_rdev : 0;
}

static const struct fes_mount *find_mount(const char *root, const struct fes_mounts *mounts,
	const struct fes_spec *spec)
{
	for (size_t i = 0; i < mounts->n; i++)
		if (fes_spec_on_device(root, spec, mounts->mounts[i].device))
			return fes_mounts_of(mounts, mounts->mounts[i].device);
	return NULL;
}

int fes_spec_require_unmounted(const char *root, const struct fes_spec *spec)
{
	struct fes_mounts mounts;
	int r;

	if (block_device(spec))
		return 0;
	r = fes_mounts_read(root, 0, &mounts);
	if (r < 0)
		return r == -ENOMEM ? r : 0; /* nothing can be seen without /proc */
	r = find_mount(root, &mounts, spec) ? -EBUSY : 0;
	fes_mounts_done(&mounts);
	return r;
}

static void blame_loop(const char *root, const struct fes_spec *spec, char *buf, size_t len)
{
	const struct fes_mount *mount;
	struct fes_mounts mounts;

	(void)snprintf(buf, len, "it is in use");
	if (fes_mounts_read(root, 0, &mounts) < 0)
		return;
	mount = find_mount(root, &mounts, spec);
	if (mount)
		(void)snprintf(buf, len, "it is mounted at %s through a loop device", mount->path);
	fes_mounts_done(&mounts);
	fat_log_sanitize(buf);
}

static void append(char *buf, size_t len, const char *text)
{
	size_t used = strlen(buf);

	(void)snprintf(buf + used, len - used, "%s", text);
}

void fes_spec_blame(const char *root, const struct fes_spec *spec, char *buf, size_t len)
{
	dev_t device = block_device(spec);

	if (device)
		fes_mounts_blame(root, device, buf, len);
	else
		blame_loop(root, spec, buf, len);
	if (strncmp(buf, "it is mounted", strlen("it is mounted")) == 0)
		append(buf, len, "; unmount it first");
}
