/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is mounted where, as /proc/PID/mountinfo tells. Private to lib/. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fes_mount {
	dev_t device;   /* of a file system on a block device: that device */
	char *root;     /* what of it is mounted: "/" unless it is a bind mount of a part */
	char *path;     /* the mount point as the process sees it */
	char *type;     /* "vfat" */
	bool read_only; /* the mount or the file system is */
};

/* In the order of mountinfo: what was mounted later, and may cover what is before it, is last. */
struct fes_mounts {
	struct fes_mount *mounts;
	size_t n;
};

/*
 * Read the mounts that process @pid sees; 0: this one. @root: see struct fes_host.
 *
 * Returns 0, -ENOMEM, or an errno of open(2) or read(2), -ENOENT and -EACCES among them; a line
 * that makes no sense is skipped. Free with fes_mounts_done().
 */
int fes_mounts_read(const char *root, long pid, struct fes_mounts *ret);
void fes_mounts_done(struct fes_mounts *mounts);

/* What one sees at mount point @path: the last mount there that is no autofs; or NULL. */
const struct fes_mount *fes_mounts_at(const struct fes_mounts *mounts, const char *path);

/*
 * The best way to reach @device, or NULL: what is not covered by another mount at its own path
 * comes first, then a whole mount (root "/"), then a writable one. A mount further up can cover it
 * still: whoever opens the path looks whether it is on @device.
 */
const struct fes_mount *fes_mounts_of(const struct fes_mounts *mounts, dev_t device);

/*
 * Say in @buf who keeps @device busy: "it is mounted at /boot/efi", "it belongs to md0", "its disk
 * belongs to mpatha (dm-3)", "it is mounted at /mnt in the mount namespace of process 812
 * (systemd-udevd)", "it is mounted or in use, by whom cannot be seen". Looks at the mounts of this
 * process, then at the holders in sysfs, then at the mounts of all processes of other namespaces
 * that may be looked at. One line without control characters. Never fails.
 */
void fes_mounts_blame(const char *root, dev_t device, char *buf, size_t len);
