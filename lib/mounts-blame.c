/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fat/fat.h"

#include "lib/mounts.h"

/*
 * Who keeps a device busy. The kernel only says that somebody does (EBUSY of an exclusive open);
 * what is found here is for a message and decides nothing.
 */

/* The first line of the file whose path @format makes. False when there is nothing in it. */
__attribute__((format(printf, 3, 4))) static bool read_line(char *buf, size_t len,
	const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	FILE *file;
	bool found;

	va_start(args, format);
	(void)vsnprintf(path, sizeof path, format, args);
	va_end(args);
	file = fopen(path, "re");
	if (!file)
		return false;
	found = fgets(buf, (int)len, file) != NULL;
	(void)fclose(file);
	if (found)
		buf[strcspn(buf, "\n")] = '\0';
	return found && buf[0] != '\0';
}

/* ---- this process's mounts ---- */

static bool blame_mount(const char *root, dev_t device, char *buf, size_t len)
{
	struct fes_mounts mounts;
	const struct fes_mount *mount;

	if (fes_mounts_read(root, 0, &mounts) < 0)
		return false;
	mount = fes_mounts_of(&mounts, device);
	if (mount)
		(void)snprintf(buf, len, "it is mounted at %s", mount->path);
	fes_mounts_done(&mounts);
	return mount != NULL;
}

/* ---- holders ---- */

static int is_holder(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* @whose: "it", "its disk". @block: the device's directory in sysfs. */
static bool blame_holder_in(const char *whose, const char *block, char *buf, size_t len)
{
	char path[PATH_MAX], name[256];
	struct dirent **holders;
	const char *first;
	int n;

	(void)snprintf(path, sizeof path, "%s/holders", block);
	n = scandir(path, &holders, is_holder, versionsort);
	if (n < 0)
		return false;
	first = n > 0 ? holders[0]->d_name : NULL;
	if (first && read_line(name, sizeof name, "%s/%s/dm/name", path, first))
		(void)snprintf(buf, len, "%s belongs to %s (%s)", whose, name, first);
	else if (first)
		(void)snprintf(buf, len, "%s belongs to %s", whose, first);
	for (int i = 0; i < n; i++)
		free(holders[i]);
	free(holders);
	return n > 0;
}

/* Who holds a whole disk (multipath, a RAID of disks) holds its partitions, too. */
static bool blame_holder(const char *root, dev_t device, char *buf, size_t len)
{
	char block[PATH_MAX], disk[PATH_MAX];
	int n = snprintf(block, sizeof block, "%s/sys/dev/block/%u:%u", root, major(device),
		minor(device));

	if (n < 0 || (size_t)n + sizeof "/.." > sizeof disk)
		return false;
	(void)stpcpy(stpcpy(disk, block), "/..");
	return blame_holder_in("it", block, buf, len) ||
		blame_holder_in("its disk", disk, buf, len);
}

/* ---- the mounts of other processes ---- */

static int is_process(const struct dirent *entry)
{
	const char *name = entry->d_name;

	return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

enum { NAMESPACE_MAX = 64 }; /* bytes of "mnt:[4026531832]" and the like */

/* What the mount namespace of a process is called; "" when that may not be seen. */
static void read_namespace(const char *root, const char *process, char ret[NAMESPACE_MAX])
{
	char path[PATH_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof path, "%s/proc/%s/ns/mnt", root, process);
	n = readlink(path, ret, NAMESPACE_MAX - 1);
	ret[n > 0 ? n : 0] = '\0';
}

static bool shares_namespace(const char *root, const char *process, const char *own)
{
	char its[NAMESPACE_MAX];

	read_namespace(root, process, its);
	return its[0] != '\0' && strcmp(its, own) == 0;
}

static bool blame_process(const char *root, const char *process, dev_t device, char *buf,
	size_t len)
{
	const struct fes_mount *mount;
	struct fes_mounts mounts;
	char name[64];

	if (fes_mounts_read(root, strtol(process, NULL, 10), &mounts) < 0)
		return false;
	mount = fes_mounts_of(&mounts, device);
	if (mount && read_line(name, sizeof name, "%s/proc/%s/comm", root, process))
		(void)snprintf(buf, len,
			"it is mounted at %s in the mount namespace of process %s (%s)",
			mount->path, process, name);
	else if (mount)
		(void)snprintf(buf, len, "it is mounted at %s in the mount namespace of process %s",
			mount->path, process);
	fes_mounts_done(&mounts);
	return mount != NULL;
}

/* Most processes share our namespace, which has been looked at. */
static bool blame_namespace(const char *root, dev_t device, char *buf, size_t len)
{
	char path[PATH_MAX], own[NAMESPACE_MAX];
	struct dirent **processes;
	bool found = false;
	int n;

	read_namespace(root, "self", own);
	(void)snprintf(path, sizeof path, "%s/proc", root);
	n = scandir(path, &processes, is_process, versionsort);
	if (n < 0)
		return false;
	for (int i = 0; i < n; i++) {
		const char *process = processes[i]->d_name;

		if (!found && !shares_namespace(root, process, own))
			found = blame_process(root, process, device, buf, len);
		free(processes[i]);
	}
	free(processes);
	return found;
}

void fes_mounts_blame(const char *root, dev_t device, char *buf, size_t len)
{
	if (!blame_mount(root, device, buf, len) && !blame_holder(root, device, buf, len) &&
		!blame_namespace(root, device, buf, len))
		(void)snprintf(buf, len, "it is mounted or in use, by whom cannot be seen");
	fat_log_sanitize(buf);
}
