/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/fat.h"
#include "fat/le.h"

#include "lib/internal.h"

/* Looking into one volume: what the verbs check, ls and cat need. */

enum {
	READ_LEN = 1024 * 1024, /* bytes; a multiple of every sector size */
	MODIFIED_MAX = sizeof "2107-15-31 31:63:62", /* fields need not be in their range */
};

struct fes_entry {
	const struct fat_entry *fat;
	char modified[MODIFIED_MAX];
};

/* Whoever finds a problem reports it, but for this one. */
static int report_no_memory(struct fes_volume *volume, int r)
{
	if (r == -ENOMEM)
		fes_volume_report(volume, "out of memory");
	return r;
}

/* ---- check ---- */

struct finding_receiver {
	fes_finding_fn fn;
	void *userdata;
};

static void receive_finding(void *userdata, enum fat_severity severity, const char *message)
{
	const struct finding_receiver *receiver = userdata;

	receiver->fn(receiver->userdata, severity == FAT_DAMAGE ? FES_DAMAGE : FES_HARMLESS,
		message);
}

int fes_volume_check(struct fes_volume *volume, fes_finding_fn fn, void *userdata)
{
	struct finding_receiver receiver = {.fn = fn, .userdata = userdata};
	struct fat_check_result result;
	int r;

	r = fat_check(volume->fat, fn ? receive_finding : NULL, &receiver, &result);
	if (r < 0)
		return report_no_memory(volume, r);
	if (result.n_damage > 0)
		return FES_DAMAGE;
	return result.n_harmless > 0 ? FES_HARMLESS : 0;
}

/* ---- list ---- */

/* FAT's date and time words; a date of 0 says that there is none. */
static void format_modified(const struct fat_short_slot *slot, char ret[MODIFIED_MAX])
{
	unsigned date = le16_get(slot->write_date);
	unsigned time = le16_get(slot->write_time);

	if (date == 0) {
		ret[0] = '\0';
		return;
	}
	snprintf(ret, MODIFIED_MAX, "%04u-%02u-%02u %02u:%02u:%02u", 1980 + (date >> 9),
		date >> 5 & 0x0f, date & 0x1f, time >> 11, time >> 5 & 0x3f, (time & 0x1f) * 2);
}

static int give_entry(const struct fat_entry *fat, fes_entry_fn fn, void *userdata)
{
	struct fes_entry entry = {.fat = fat};

	format_modified(fat_entry_short(fat), entry.modified);
	return fn(userdata, &entry);
}

static int list_directory(struct fes_volume *volume, uint32_t first_cluster, const char *path,
	fes_entry_fn fn, void *userdata)
{
	struct fat_entry entry;
	struct fat_dir *dir;
	int r;

	r = fat_dir_open(volume->fat, first_cluster, path, &dir);
	if (r < 0)
		return r;

	for (;;) {
		r = fat_dir_next(dir, &entry);
		if (r <= 0)
			break;
		r = give_entry(&entry, fn, userdata);
		if (r != 0)
			break;
	}
	fat_dir_close(dir);
	return r;
}

static bool is_root(const char *path)
{
	return path[strspn(path, "/")] == '\0';
}

static bool entry_is_directory(const struct fat_entry *entry)
{
	return (entry->attributes & FAT_ATTR_DIRECTORY) != 0;
}

/* As fat_lookup(), and reports a missing path. */
static int look_up(struct fes_volume *volume, const char *path, struct fat_entry *ret)
{
	int r = fat_lookup(volume->fat, path, ret);

	if (r == -ENOENT || r == -ENOTDIR)
		fes_volume_report(volume, "%s: %s", path, strerror(-r));
	return r;
}

static int list_path(struct fes_volume *volume, const char *path, fes_entry_fn fn, void *userdata)
{
	struct fat_entry entry;
	int r;

	if (is_root(path))
		return list_directory(volume, 0, "/", fn, userdata);

	r = look_up(volume, path, &entry);
	if (r < 0)
		return r;
	if (!entry_is_directory(&entry))
		return give_entry(&entry, fn, userdata);

	/* Cluster 0 would open the root under another name. */
	if (entry.first_cluster == 0) {
		fes_volume_report(volume, "%s: a directory without clusters", path);
		return -EUCLEAN;
	}
	return list_directory(volume, entry.first_cluster, path, fn, userdata);
}

int fes_volume_list(struct fes_volume *volume, const char *path, fes_entry_fn fn, void *userdata)
{
	return report_no_memory(volume, list_path(volume, path, fn, userdata));
}

const char *fes_entry_get_name(const struct fes_entry *entry)
{
	return entry->fat->name;
}

bool fes_entry_is_directory(const struct fes_entry *entry)
{
	return entry_is_directory(entry->fat);
}

uint32_t fes_entry_get_size(const struct fes_entry *entry)
{
	return entry->fat->size;
}

uint8_t fes_entry_get_attributes(const struct fes_entry *entry)
{
	return entry->fat->attributes;
}

const char *fes_entry_get_modified(const struct fes_entry *entry)
{
	return entry->modified;
}

/* ---- read ---- */

static int give_data(struct fat_file *file, uint8_t *buf, fes_data_fn fn, void *userdata)
{
	for (;;) {
		int64_t len = fat_file_read(file, buf, READ_LEN);
		int r;

		if (len <= 0)
			return (int)len;
		r = fn(userdata, buf, (size_t)len);
		if (r != 0)
			return r;
	}
}

static int read_file(struct fes_volume *volume, const struct fat_entry *entry, const char *path,
	fes_data_fn fn, void *userdata)
{
	struct fat_file *file;
	uint8_t *buf;
	int r;

	r = fat_file_open(volume->fat, entry->first_cluster, entry->size, path, &file);
	if (r < 0)
		return r;

	buf = blkdev_buffer_new(READ_LEN);
	r = buf ? give_data(file, buf, fn, userdata) : -ENOMEM;
	free(buf);
	fat_file_close(file);
	return r;
}

static int read_path(struct fes_volume *volume, const char *path, fes_data_fn fn, void *userdata)
{
	struct fat_entry entry = {.attributes = FAT_ATTR_DIRECTORY};
	int r;

	if (!is_root(path)) {
		r = look_up(volume, path, &entry);
		if (r < 0)
			return r;
	}
	if (entry_is_directory(&entry)) {
		fes_volume_report(volume, "%s: %s", path, strerror(EISDIR));
		return -EISDIR;
	}
	return read_file(volume, &entry, path, fn, userdata);
}

int fes_volume_read(struct fes_volume *volume, const char *path, fes_data_fn fn, void *userdata)
{
	return report_no_memory(volume, read_path(volume, path, fn, userdata));
}
