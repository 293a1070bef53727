/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/internal.h"
#include "lib/mounts.h"

/*
 * A mounted file system keeps in memory what was written last. Linux's vfat cannot be frozen, so all
 * that can be done is to have it write all that, and look whether it stayed like that.
 */

static dev_t find_device(const char *root, const struct fes_mounts *mounts,
	const struct fes_spec *spec)
{
	for (size_t i = 0; i < mounts->n; i++)
		if (fes_spec_on_device(root, spec, mounts->mounts[i].device))
			return mounts->mounts[i].device;
	return 0;
}

/* The mount point may be covered by another one; then it is of no use. */
static int open_mount(const char *root, const struct fes_mount *mount)
{
	struct stat st;
	char *path;
	int fd;

	if (asprintf(&path, "%s%s", root, mount->path) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_dev == mount->device)
		return fd;
	(void)close(fd);
	return -1;
}

static int take_mount(struct fes_volume *volume, const char *root, const struct fes_mount *mount)
{
	volume->shared = true;
	volume->mount = open_mount(root, mount);
	volume->mount_device = mount->device;
	/* A bind mount of a part shows not all of it. */
	if (strcmp(mount->root, "/") != 0)
		return 0;
	volume->mount_path = strdup(mount->path);
	return volume->mount_path ? 0 : -ENOMEM;
}

int fes_volume_find_mount(struct fes_volume *volume, const struct fes_spec *spec)
{
	const char *root = fes_host_root(&volume->context->host);
	struct fes_mounts mounts;
	dev_t device;
	int r = fes_mounts_read(root, 0, &mounts);

	if (r < 0)
		return r == -ENOMEM ? r : 0; /* a system without /proc */
	device = find_device(root, &mounts, spec);
	if (device)
		r = take_mount(volume, root, fes_mounts_of(&mounts, device));
	fes_mounts_done(&mounts);
	return r;
}

/* Not every user may, and there may be nothing to write. */
static int settle_device(struct fes_volume *volume)
{
	int r = blkdev_catch_up(volume->dev);

	if (r == -EACCES || r == -EPERM)
		return 0;
	return r;
}

int fes_volume_settle(struct fes_volume *volume)
{
	int r;

	if (!volume->shared)
		return 0;
	if (volume->mount >= 0)
		r = syncfs(volume->mount) < 0 ? fes_last_error() : 0;
	else
		r = settle_device(volume);
	if (r < 0)
		fes_volume_report(volume,
			"what is mounted on it cannot write what it has in memory: %s",
			strerror(-r));
	return r;
}

int fes_volume_look_again(struct fes_volume *volume)
{
	int r = fes_volume_settle(volume);

	return r < 0 ? r : fat_reread_table(volume->fat);
}
