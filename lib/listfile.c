/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/internal.h"
#include "lib/list.h"
#include "lib/listfile.h"

static const char dir_path[] = "/loader";
static const char file_path[] = FES_LIST_PATH;

/* ---- looking it up ---- */

static bool is_directory(const struct fat_entry *entry)
{
	return (entry->attributes & FAT_ATTR_DIRECTORY) != 0;
}

static int report_error(struct fes_volume *volume, const char *path, int error)
{
	fes_volume_report(volume, "%s: %s; move it out of the way", path, strerror(-error));
	return error;
}

/* Returns 1 and the entry of /loader, 0 when there is none, or a negative errno. */
static int find_dir(struct fes_volume *volume, struct fat_entry *ret)
{
	int r = fat_lookup(volume->fat, dir_path, ret);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return is_directory(ret) ? 1 : report_error(volume, dir_path, -ENOTDIR);
}

/* The same for the list in it. */
static int find_file(struct fes_volume *volume, struct fat_entry *ret)
{
	int r = fat_lookup(volume->fat, file_path, ret);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return is_directory(ret) ? report_error(volume, file_path, -EISDIR) : 1;
}

/* ---- reading ---- */

static void report_line(void *userdata, const char *message)
{
	fes_volume_report(userdata, "%s: %s", file_path, message);
}

static int parse_file(struct fes_volume *volume, const struct fat_entry *entry,
	struct fes_list *ret)
{
	size_t room = ((size_t)entry->size / 4096 + 1) * 4096; /* whole sectors of any size */
	struct fat_file *file;
	char *text;
	int64_t n;
	int r;

	r = fat_file_open(volume->fat, entry->first_cluster, entry->size, file_path, &file);
	if (r < 0)
		return r;
	text = blkdev_buffer_new(room);
	n = text ? fat_file_read(file, text, room) : -ENOMEM;
	r = n < 0 ? (int)n : fes_list_parse(text, (size_t)n, report_line, volume, ret);
	free(text);
	fat_file_close(file);
	return r;
}

int fes_listfile_read(struct fes_volume *volume, struct fes_list *ret)
{
	struct fat_entry dir, file;
	int r = find_dir(volume, &dir);

	if (r > 0)
		r = find_file(volume, &file);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (file.size > FES_LIST_MAX) {
		fes_volume_report(volume,
			"%s: %" PRIu32 " bytes are too many for a list, which has %d at most",
			file_path, file.size, FES_LIST_MAX);
		return -EBADMSG;
	}
	return parse_file(volume, &file, ret);
}

/* ---- the text, for the transaction ---- */

struct text_source {
	struct fat_source base;
	struct fes_volume *volume;
	const char *text;
	size_t at;
	bool differs; /* what stands on the medium */
};

static struct text_source *source_of(struct fat_source *base)
{
	return (struct text_source *)(void *)base;
}

static int begin(struct fat_source *base, bool reading_back)
{
	(void)reading_back;
	source_of(base)->at = 0;
	return 0;
}

static int read_text(struct fat_source *base, void *buf, size_t len)
{
	struct text_source *source = source_of(base);

	memcpy(buf, source->text + source->at, len);
	source->at += len;
	return 0;
}

static int compare_text(struct fat_source *base, const void *buf, size_t len)
{
	struct text_source *source = source_of(base);

	source->differs |= memcmp(buf, source->text + source->at, len) != 0;
	source->at += len;
	return 0;
}

static int end(struct fat_source *base, bool reading_back)
{
	struct text_source *source = source_of(base);

	(void)reading_back;
	if (!source->differs)
		return 0;
	fes_volume_report(source->volume,
		"%s: what was read back is not what was written: the device lost or changed data; "
		"the list is as it was",
		file_path);
	return -EIO;
}

static struct text_source text_source(struct fes_volume *volume, const char *text, size_t len)
{
	return (struct text_source){
		.base = {.size = (uint32_t)len,
			.path = file_path,
			.begin = begin,
			.read = read_text,
			.compare = compare_text,
			.end = end},
		.volume = volume,
		.text = text,
	};
}

/* ---- entries ---- */

/*
 * FAT has local time, in steps of two seconds, from 1980 to 2107. A clock that was never set, as in
 * an initramfs, is earlier.
 */
static struct tm time_on_fat(time_t now)
{
	static const struct tm first = {.tm_year = 80, .tm_mday = 1};
	static const struct tm last = {.tm_year = 207, .tm_mon = 11, .tm_mday = 31,
		.tm_hour = 23, .tm_min = 59, .tm_sec = 58};
	struct tm tm;

	if (!localtime_r(&now, &tm) || tm.tm_year < first.tm_year)
		return first;
	return tm.tm_year > last.tm_year ? last : tm;
}

static void set_times(struct fat_short_slot *slot)
{
	struct tm tm = time_on_fat(time(NULL));
	int seconds = tm.tm_sec < 59 ? tm.tm_sec : 59; /* a leap second has no place */
	le16_t date = le16_of((uint16_t)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 |
		tm.tm_mday));
	le16_t hour = le16_of((uint16_t)(tm.tm_hour << 11 | tm.tm_min << 5 | seconds / 2));

	slot->create_centis = (uint8_t)(seconds % 2 * 100);
	slot->create_date = slot->access_date = slot->write_date = date;
	slot->create_time = slot->write_time = hour;
}

/* Short names, which the case flag shows in lower case: no long name is needed. */
static struct fat_short_slot new_slot(const char name[11], uint8_t attributes, uint32_t size)
{
	struct fat_short_slot slot = {
		.attributes = attributes,
		.case_flags = FAT_CASE_BASE,
		.size = le32_of(size),
	};

	memcpy(slot.name, name, sizeof slot.name);
	set_times(&slot);
	return slot;
}

/* Size and times of the entry set in @entry; all else stays. */
static void renew_slots(struct fat_entry *entry, uint32_t size)
{
	uint8_t *at = entry->slots + (size_t)(entry->n_slots - 1) * FAT_SLOT_LEN;
	struct fat_short_slot slot;

	memcpy(&slot, at, sizeof slot);
	slot.size = le32_of(size);
	set_times(&slot);
	memcpy(at, &slot, sizeof slot);
}

/* ---- the transaction ---- */

struct writer {
	struct fes_volume *volume;
	struct fat_txn *txn;
	struct text_source source;
	bool has_dir, has_file;
	struct fat_entry dir, file; /* as they are, where they are */
	struct fat_short_slot new_dir, new_file;
};

static int find_entries(struct writer *w)
{
	int r = find_dir(w->volume, &w->dir);

	w->has_dir = r > 0;
	if (r > 0)
		r = find_file(w->volume, &w->file);
	w->has_file = w->has_dir && r > 0;
	return r < 0 ? r : 0;
}

static struct fat_item *make_file(struct writer *w, const void *slots, uint32_t n_slots)
{
	return fat_item_file(w->txn, slots, n_slots,
		w->source.base.size > 0 ? &w->source.base : NULL);
}

static int plan_replacement(struct writer *w)
{
	struct fat_place place = {w->dir.first_cluster, dir_path, w->file.short_slot};
	struct fat_item *item;

	renew_slots(&w->file, w->source.base.size);
	item = make_file(w, w->file.slots, w->file.n_slots);
	return item ? fat_txn_replace(w->txn, &place, item) : -ENOMEM;
}

static int plan_addition(struct writer *w)
{
	struct fat_place place = {w->dir.first_cluster, dir_path, 0}, root = {0, "/", 0};
	struct fat_item *file, *dir;
	int r;

	w->new_file = new_slot("ESP-SYNC   ", FAT_ATTR_ARCHIVE, w->source.base.size);
	file = make_file(w, &w->new_file, 1);
	if (!file)
		return -ENOMEM;
	if (w->has_dir)
		return fat_txn_add(w->txn, &place, file);
	w->new_dir = new_slot("LOADER     ", FAT_ATTR_DIRECTORY, 0);
	dir = fat_item_dir(w->txn, (const uint8_t *)&w->new_dir, 1);
	r = dir ? fat_item_add(dir, file) : -ENOMEM;
	return r < 0 ? r : fat_txn_add(w->txn, &root, dir);
}

static int plan_removal(struct writer *w)
{
	struct fat_place place = {w->dir.first_cluster, dir_path, w->file.short_slot};

	return fat_txn_remove(w->txn, &place);
}

static int plan(struct writer *w)
{
	if (!w->source.text)
		return plan_removal(w);
	return w->has_file ? plan_replacement(w) : plan_addition(w);
}

static int lay_out(struct writer *w)
{
	struct fat_space space = {0};
	int r = fat_txn_layout(w->txn, &space);

	if (r == -ENOSPC && space.needed > space.free)
		fes_volume_report(w->volume,
			"%s: no room: %" PRIu64 " bytes are needed and %" PRIu64
			" are free; remove something",
			file_path, space.needed, space.free);
	return r;
}

static int poll_context(void *userdata)
{
	return fes_poll(userdata);
}

static int write_list(struct writer *w)
{
	int r = find_entries(w);

	if (r < 0 || (!w->source.text && !w->has_file))
		return r;
	r = fat_txn_begin(w->volume->fat, &w->txn);
	if (r == 0)
		r = plan(w);
	if (r == 0)
		r = lay_out(w);
	if (r < 0)
		return r;
	fat_txn_set_poll(w->txn, poll_context, w->volume->context);
	return fat_txn_run(w->txn, NULL, NULL);
}

int fes_listfile_write_volume(struct fes_volume *volume, const char *text, size_t len)
{
	struct writer writer = {.volume = volume};
	int r;

	if (len > FES_LIST_MAX)
		return -EFBIG;
	writer.source = text_source(volume, text, len);
	r = write_list(&writer);
	fat_txn_free(writer.txn);
	return r;
}
