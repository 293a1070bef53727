/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/internal.h"

/* What a volume stands on, and which part of it. */
struct storage {
	bool block;
	dev_t device;
	ino_t inode; /* 0 for block devices */
	uint64_t offset, end; /* bytes */
};

static bool take_file(const char *path, struct storage *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	ret->block = S_ISBLK(st.st_mode);
	ret->device = ret->block ? st.st_rdev : st.st_dev;
	ret->inode = ret->block ? 0 : st.st_ino;
	return true;
}

/* A loop device is one more name of a part of the file behind it. */
static void follow_loop(const char *root, struct storage *storage)
{
	struct storage file = *storage;
	char path[PATH_MAX];
	uint64_t start, size;

	if (!storage->block ||
		!fes_sysfs_find_backing(root, storage->device, path, sizeof path, &start, &size) ||
		!take_file(path, &file))
		return;
	file.offset += start;
	file.end = (storage->end < size ? storage->end : size) + start;
	*storage = file;
}

static bool find_storage(const char *root, const struct fes_spec *spec, struct storage *ret)
{
	*ret = (struct storage){
		.offset = spec->offset,
		.end = spec->size == 0 ? UINT64_MAX : spec->offset + spec->size,
	};
	if (!take_file(spec->path, ret))
		return false;
	follow_loop(root, ret);
	return true;
}

static bool overlap(const struct storage *a, const struct storage *b)
{
	return a->block == b->block && a->device == b->device && a->inode == b->inode &&
		a->offset < b->end && b->offset < a->end;
}

bool fes_spec_same(const char *root, const struct fes_spec *a, const struct fes_spec *b)
{
	struct storage sa, sb;

	return find_storage(root, a, &sa) && find_storage(root, b, &sb) && overlap(&sa, &sb);
}

bool fes_spec_on_device(const char *root, const struct fes_spec *spec, dev_t device)
{
	struct storage mounted = {.block = true, .device = device, .end = UINT64_MAX};
	struct storage named;

	follow_loop(root, &mounted);
	return find_storage(root, spec, &named) && overlap(&named, &mounted);
}

struct fes_spec fes_spec_of_seen(const struct fes_seen *seen)
{
	return (struct fes_spec){
		.path = seen->node ? seen->node : seen->disk,
		.offset = seen->node ? 0 : seen->offset,
		.size = seen->node ? 0 : seen->size,
	};
}

/* ---- looking again ---- */

struct errors {
	fes_log_fn report;
	void *userdata;
};

/* Warnings were given when it was looked at first. */
static void pass_error(void *userdata, enum fes_log_level level, const char *message)
{
	const struct errors *errors = userdata;

	if (level == FES_LOG_ERROR)
		errors->report(errors->userdata, level, message);
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool spec_equal(const struct fes_spec *a, const struct fes_spec *b)
{
	return text_equal(a->path, b->path) && a->offset == b->offset && a->size == b->size &&
		text_equal(a->partuuid, b->partuuid);
}

int fes_spec_look_again(struct fes_host *host, const struct fes_spec *spec, fes_log_fn report,
	void *userdata)
{
	struct errors errors = {report, userdata};
	struct fes_spec now;
	char message[512];
	bool equal;
	int r;

	r = fes_spec_resolve(host, spec->spec, pass_error, &errors, &now);
	if (r < 0)
		return r;
	equal = spec_equal(spec, &now);
	fes_spec_done(&now);
	if (equal)
		return 0;
	(void)snprintf(message, sizeof message,
		"%.256s: no longer what it was when this run began; run again", spec->name);
	report(userdata, FES_LOG_ERROR, message);
	return -ESTALE;
}
