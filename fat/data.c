/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/txn.h"

/*
 * Contents of new clusters: files piece by piece from their source, directories from memory.
 * Reading back takes the same way in the other direction.
 */

enum { PIECE = 1024 * 1024 }; /* a multiple of every cluster size there is (512 KiB at most) */

/* How far the sequential transfer of an item's clusters has come. */
struct cursor {
	const struct fat_extent *extent;
	uint32_t cluster; /* within the extent */
};

typedef int (*transfer_fn)(struct fat_volume *vol, uint64_t offset, uint8_t *buf, size_t len);

static int transfer_out(struct fat_volume *vol, uint64_t offset, uint8_t *buf, size_t len)
{
	int r = blkdev_write(vol->dev, offset, buf, len);

	if (r < 0)
		fat_report(vol, "cannot write at byte %" PRIu64 ": %s", offset, strerror(-r));
	return r;
}

static int transfer_in(struct fat_volume *vol, uint64_t offset, uint8_t *buf, size_t len)
{
	int r = blkdev_read(vol->dev, offset, buf, len);

	if (r < 0)
		fat_report(vol, "cannot read back at byte %" PRIu64 ": %s", offset, strerror(-r));
	return r;
}

/*
 * Move the next @len bytes, in as few transfers as the extents allow. @len is a multiple of the
 * sector size, and of the cluster size but for the last call.
 */
static int transfer(struct fat_volume *vol, struct cursor *cursor, uint8_t *buf, size_t len,
	transfer_fn fn)
{
	uint32_t cluster_size = vol->geo.cluster_size;

	while (len > 0) {
		uint64_t here = (uint64_t)(cursor->extent->count - cursor->cluster) * cluster_size;
		size_t n = here < len ? (size_t)here : len;
		int r = fn(vol, fat_cluster_offset(vol, cursor->extent->first + cursor->cluster), buf, n);

		if (r < 0)
			return r;
		buf += n;
		len -= n;
		cursor->cluster += (uint32_t)(n / cluster_size);
		if (cursor->cluster == cursor->extent->count) {
			cursor->extent++;
			cursor->cluster = 0;
		}
	}
	return 0;
}

static size_t round_up(const struct fat_volume *vol, size_t len)
{
	return (len + vol->geo.sector_size - 1) / vol->geo.sector_size * vol->geo.sector_size;
}

/* One piece from the source to the medium; what the last sector has left over becomes zero. */
static int copy_piece(struct fat_txn *txn, struct fat_item *item, struct cursor *cursor,
	uint8_t *buf, size_t len)
{
	size_t whole = round_up(txn->vol, len);
	int r = item->source->read(item->source, buf, len);

	if (r < 0)
		return r;
	memset(buf + len, 0, whole - len);
	return transfer(txn->vol, cursor, buf, whole, transfer_out);
}

static int compare_piece(struct fat_txn *txn, struct fat_item *item, struct cursor *cursor,
	uint8_t *buf, size_t len)
{
	int r = transfer(txn->vol, cursor, buf, round_up(txn->vol, len), transfer_in);

	return r < 0 ? r : item->source->compare(item->source, buf, len);
}

static int each_piece(struct fat_txn *txn, struct fat_item *item, bool reading_back)
{
	struct fat_source *source = item->source;
	struct cursor cursor = {.extent = item->extents.list};
	uint8_t *buf = blkdev_buffer_new(PIECE);
	uint32_t left = source->size;
	int r;

	if (!buf)
		return -ENOMEM;
	r = source->begin(source, reading_back);
	while (r == 0 && left > 0) {
		uint32_t len = left < PIECE ? left : PIECE;

		r = fat_txn_poll(txn);
		if (r == 0)
			r = (reading_back ? compare_piece : copy_piece)(txn, item, &cursor, buf, len);
		left -= len;
	}
	if (r == 0)
		r = source->end(source, reading_back);
	free(buf);
	return r;
}

static int write_dir(struct fat_txn *txn, const struct fat_item *dir)
{
	struct cursor cursor = {.extent = dir->extents.list};
	uint8_t *bytes;
	size_t len;
	int r = fat_shadow_bytes(txn, dir, &bytes, &len);

	if (r < 0)
		return r;
	r = transfer(txn->vol, &cursor, bytes, len, transfer_out);
	free(bytes);
	return r;
}

static int verify_dir(struct fat_txn *txn, const struct fat_item *dir)
{
	struct cursor cursor = {.extent = dir->extents.list};
	uint8_t *bytes, *found;
	size_t len;
	int r = fat_shadow_bytes(txn, dir, &bytes, &len);

	if (r < 0)
		return r;
	found = blkdev_buffer_new(len);
	r = found ? transfer(txn->vol, &cursor, found, len, transfer_in) : -ENOMEM;
	if (r == 0 && memcmp(bytes, found, len) != 0) {
		fat_report(txn->vol,
			"a directory read back from cluster %" PRIu32
			" differs from what was written: the device lost a write",
			dir->first_cluster);
		r = -EIO;
	}
	free(found);
	free(bytes);
	return r;
}

/* A file may stand in several versions of a directory, and is written once. */
int fat_data_write(struct fat_txn *txn, struct fat_item *item)
{
	int r;

	if (item->written)
		return 0;
	item->written = true;
	if (item->kind == FAT_ITEM_FILE && item->source)
		return each_piece(txn, item, false);
	if (item->kind != FAT_ITEM_DIR)
		return 0;
	r = fat_txn_poll(txn);
	for (uint32_t i = 0; r == 0 && i < item->n_children; i++)
		r = fat_data_write(txn, item->children[i].item);
	return r < 0 ? r : write_dir(txn, item);
}

int fat_data_verify(struct fat_txn *txn, struct fat_item *item)
{
	int r;

	if (item->verified)
		return 0;
	item->verified = true;
	if (item->kind == FAT_ITEM_FILE && item->source)
		return each_piece(txn, item, true);
	if (item->kind != FAT_ITEM_DIR)
		return 0;
	r = fat_txn_poll(txn);
	for (uint32_t i = 0; r == 0 && i < item->n_children; i++)
		r = fat_data_verify(txn, item->children[i].item);
	return r < 0 ? r : verify_dir(txn, item);
}
