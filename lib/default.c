/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/efivar.h"
#include "lib/mounts.h"
#include "lib/sync.h"

/* Where bootctl(1) looks for the ESP, in this order. */
static const char *const usual_mounts[] = {"/efi", "/boot", "/boot/efi"};

enum { N_USUAL = sizeof usual_mounts / sizeof usual_mounts[0] };

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

/* ---- what is mounted ---- */

static bool is_on_device(const char *root, const struct fes_seen *seen, dev_t device)
{
	struct fes_spec spec = fes_spec_of_seen(seen);

	return fes_spec_on_device(root, &spec, device);
}

/* A system without /proc has no mounts that could be seen. */
static int read_mounts(const char *root, struct fes_mounts *ret)
{
	int r = fes_mounts_read(root, 0, ret);

	if (r < 0)
		*ret = (struct fes_mounts){0};
	return r == -ENOMEM ? r : 0;
}

int fes_find_usual_mount(struct fes_context *context, const struct fes_seen *seen,
	const char **ret)
{
	const char *root = fes_host_root(&context->host), *found = NULL;
	struct fes_mounts mounts;
	int r = read_mounts(root, &mounts);

	if (r < 0)
		return r;
	for (size_t i = 0; !found && i < N_USUAL; i++) {
		const struct fes_mount *mount = fes_mounts_at(&mounts, usual_mounts[i]);

		if (mount && is_on_device(root, seen, mount->device))
			found = usual_mounts[i];
	}
	fes_mounts_done(&mounts);
	*ret = found;
	return 0;
}

static const struct fes_seen *find_esp_on(const char *root, const struct fes_scan *scan,
	dev_t device)
{
	for (size_t i = 0; i < scan->n; i++)
		if (scan->seen[i].kind == FES_PARTITION_ESP &&
			is_on_device(root, &scan->seen[i], device))
			return &scan->seen[i];
	return NULL;
}

/* The first place counts, whichever disk comes first. */
static int find_mounted(const char *root, const struct fes_scan *scan, const struct fes_seen **ret)
{
	struct fes_mounts mounts;
	int r = read_mounts(root, &mounts);

	*ret = NULL;
	for (size_t i = 0; r == 0 && !*ret && i < N_USUAL; i++) {
		const struct fes_mount *mount = fes_mounts_at(&mounts, usual_mounts[i]);

		if (mount)
			*ret = find_esp_on(root, scan, mount->device);
	}
	fes_mounts_done(&mounts);
	return r;
}

static int use_mounted(struct fes_context *context, const struct fes_scan *scan, char **ret)
{
	const struct fes_seen *seen;
	int r = find_mounted(fes_host_root(&context->host), scan, &seen);

	if (r < 0)
		return r;
	if (!seen) {
		fes_log(context, FES_LOG_ERROR,
			"no primary: firmware does not say which ESP it booted (no EFI variable LoaderDevicePartUUID), and none is mounted at /efi, /boot or /boot/efi; name the one to copy from with --primary=VOLUME");
		return -ENOENT;
	}
	*ret = strdup(seen->name);
	return *ret ? 0 : -ENOMEM;
}

/* ---- what was booted ---- */

static const struct fes_seen *find_uuid(const struct fes_scan *scan, const char *uuid)
{
	for (size_t i = 0; i < scan->n; i++)
		if (fes_seen_has_tag(&scan->seen[i], "PARTUUID", uuid))
			return &scan->seen[i];
	return NULL;
}

/* A boot loader may have been started from the XBOOTLDR next to the ESP. */
static const struct fes_seen *find_esp_beside(const struct fes_scan *scan,
	const struct fes_seen *seen)
{
	for (size_t i = 0; i < scan->n; i++)
		if (scan->seen[i].kind == FES_PARTITION_ESP &&
			strcmp(scan->seen[i].disk, seen->disk) == 0)
			return &scan->seen[i];
	return NULL;
}

static int use_booted(struct fes_context *context, const struct fes_scan *scan, const char *uuid,
	char **ret)
{
	const struct fes_seen *seen = find_uuid(scan, uuid);

	if (seen && seen->kind == FES_PARTITION_XBOOTLDR)
		seen = find_esp_beside(scan, seen);
	if (!seen) {
		fes_log(context, FES_LOG_ERROR,
			"no primary: firmware booted from partition %s, which is on none of the disks that can be seen; name the one to copy from with --primary=VOLUME",
			uuid);
		return -ENOENT;
	}
	/* By its UUID, so that a second partition with the same one is noticed. */
	if (seen->uuid[0])
		return asprintf(ret, "PARTUUID=%s", seen->uuid) < 0 ? -ENOMEM : 0;
	*ret = strdup(seen->name);
	return *ret ? 0 : -ENOMEM;
}

int fes_find_default_primary(struct fes_context *context, char **ret)
{
	const struct fes_scan *scan;
	char uuid[FES_UUID_MAX];
	int r = fes_host_scan(&context->host, log_message, context, &scan);

	if (r < 0)
		return r;
	r = fes_efivar_loader_partuuid(fes_host_root(&context->host), uuid);
	if (r == 0)
		return use_booted(context, scan, uuid, ret);
	if (r == -ENOENT)
		return use_mounted(context, scan, ret);
	if (r == -EBADMSG)
		fes_log(context, FES_LOG_ERROR,
			"no primary: EFI variable LoaderDevicePartUUID holds no partition UUID; name the one to copy from with --primary=VOLUME");
	else
		fes_log(context, FES_LOG_ERROR,
			"no primary: EFI variable LoaderDevicePartUUID cannot be read: %s; name the one to copy from with --primary=VOLUME",
			strerror(-r));
	return r;
}
