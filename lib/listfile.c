/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/list.h"
#include "lib/listfile.h"
#include "lib/own.h"
#include "lib/source.h"

static const char dir_path[] = "/loader";
static const char file_path[] = FES_LIST_PATH;

/* ---- looking it up ---- */

static int report_error(struct fes_volume *volume, const char *path, int error)
{
	fes_volume_report(volume, "%s: %s; move it out of the way", path, strerror(-error));
	return error;
}

/* Returns 1 and the entry of /loader, 0 when there is none, or a negative errno. */
static int find_dir(struct fes_volume *volume, struct fat_entry *ret)
{
	int r = fes_file_find(volume, dir_path, ret);

	return r <= 0 || fes_file_is_dir(ret) ? r : report_error(volume, dir_path, -ENOTDIR);
}

/* The same for the list in it. */
static int find_file(struct fes_volume *volume, struct fat_entry *ret)
{
	int r = fes_file_find(volume, file_path, ret);

	return r > 0 && fes_file_is_dir(ret) ? report_error(volume, file_path, -EISDIR) : r;
}

/* ---- reading ---- */

static void report_line(void *userdata, const char *message)
{
	fes_volume_report(userdata, "%s: %s", file_path, message);
}

static int parse_file(struct fes_volume *volume, const struct fat_entry *entry,
	struct fes_list *ret)
{
	void *text = NULL;
	int64_t n = fes_file_load(volume, entry->first_cluster, entry->size, file_path, &text);
	int r = n < 0 ? (int)n : fes_list_parse(text, (size_t)n, report_line, volume, ret);

	free(text);
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

/* ---- the transaction ---- */

struct writer {
	struct fes_volume *volume;
	struct fat_txn *txn;
	struct fes_bytes_source source; /* no bytes: there shall be no list */
	bool has_dir, has_file;
	struct fat_entry dir, file; /* as they are, where they are */
	uint8_t new_dir[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	uint8_t new_file[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
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

static struct fat_item *make_file(struct writer *w, const uint8_t *slots, uint32_t n_slots)
{
	return fat_item_file(w->txn, slots, n_slots,
		w->source.base.size > 0 ? &w->source.base : NULL);
}

static int plan_replacement(struct writer *w)
{
	struct fat_place place = {w->dir.first_cluster, dir_path, w->file.short_slot};
	struct fat_item *item;

	fes_own_slots_renew(w->file.slots, w->file.n_slots, w->source.base.size);
	item = make_file(w, w->file.slots, w->file.n_slots);
	return item ? fat_txn_replace(w->txn, &place, item) : -ENOMEM;
}

static int plan_addition(struct writer *w)
{
	struct fat_place place = {w->dir.first_cluster, dir_path, 0}, root = {0, "/", 0};
	struct fat_item *file, *dir;
	uint32_t n;
	int r;

	n = fes_own_slots_new(file_path, FAT_ATTR_ARCHIVE, w->source.base.size, w->new_file);
	file = make_file(w, w->new_file, n);
	if (!file)
		return -ENOMEM;
	if (w->has_dir)
		return fat_txn_add(w->txn, &place, file);
	n = fes_own_slots_new(dir_path, FAT_ATTR_DIRECTORY, 0, w->new_dir);
	dir = fat_item_dir(w->txn, w->new_dir, n);
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
	if (!w->source.bytes)
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

	if (r < 0 || (!w->source.bytes && !w->has_file))
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
	writer.source = fes_source_of_bytes(volume, file_path, text, (uint32_t)len);
	r = write_list(&writer);
	fat_txn_free(writer.txn);
	return r;
}
