/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

/*
 * The allocation table in memory is FAT copy 0, decoded: one 32-bit number per cluster. Writing
 * goes sector by sector and copy by copy: the sectors of the copy are read, the entries that
 * lie in them are patched bit by bit, and what did change is written. So FAT[0], FAT[1], the top
 * nibbles of FAT32 and whatever follows the last cluster stay as each copy has them.
 *
 * A FAT12 entry can lie in two sectors. Patching works on bytes, so such an entry is written
 * half by half; the transaction only does that where no reader looks (or when only one half
 * changes).
 */

enum { PIECE = 256 * 1024 }; /* bytes of a FAT copy handled at once; a multiple of any sector */

/* A piece of one FAT copy in memory. */
struct window {
	uint8_t *bytes;
	uint64_t start; /* offset in the copy */
	size_t len;
};

static uint32_t widen(const struct fat_volume *vol, uint32_t value)
{
	uint32_t bad = vol->geo.type == FAT_TYPE_12 ? 0xff7
		: vol->geo.type == FAT_TYPE_16      ? 0xfff7
						    : FAT_BAD;

	value &= FAT_EOC; /* FAT32 entries have 28 bits, the top four are not ours */
	if (value > bad)
		return FAT_EOC;
	return value == bad ? FAT_BAD : value;
}

static uint32_t narrow(const struct fat_volume *vol, uint32_t value)
{
	uint32_t mask = vol->geo.type == FAT_TYPE_12 ? 0xfff
		: vol->geo.type == FAT_TYPE_16       ? 0xffff
						     : 0x0fffffff;

	return value & mask;
}

/* First byte of the entry of @cluster, from the start of a copy. "FAT Data Structure". */
static uint64_t entry_offset(const struct fat_volume *vol, uint64_t cluster)
{
	switch (vol->geo.type) {
	case FAT_TYPE_12:
		return cluster + cluster / 2;
	case FAT_TYPE_16:
		return cluster * 2;
	default:
		return cluster * 4;
	}
}

/* Bytes that hold (part of) an entry. */
static unsigned entry_len(const struct fat_volume *vol)
{
	return vol->geo.type == FAT_TYPE_32 ? 4 : 2;
}

/* Which bits of byte @i of the entry are the entry's own. */
static uint8_t entry_mask(const struct fat_volume *vol, uint32_t cluster, unsigned i)
{
	if (vol->geo.type == FAT_TYPE_32)
		return i == 3 ? 0x0f : 0xff;
	if (vol->geo.type == FAT_TYPE_16)
		return 0xff;
	if (cluster % 2 == 0)
		return i == 1 ? 0x0f : 0xff;
	return i == 0 ? 0xf0 : 0xff;
}

/* Byte @i of the entry for @value. */
static uint8_t entry_byte(const struct fat_volume *vol, uint32_t cluster, uint32_t value,
	unsigned i)
{
	if (vol->geo.type == FAT_TYPE_12 && cluster % 2 != 0)
		value <<= 4;
	return (uint8_t)(value >> (8 * i));
}

/* The entry as it stands, the top nibble of FAT32 included. */
static uint32_t entry_decode(const struct fat_volume *vol, uint32_t cluster, const uint8_t *at)
{
	uint32_t value = (uint32_t)at[0] | (uint32_t)at[1] << 8;

	if (vol->geo.type == FAT_TYPE_32)
		return value | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
	if (vol->geo.type == FAT_TYPE_16)
		return value;
	return cluster % 2 == 0 ? value & 0xfff : value >> 4;
}

/* First cluster whose entry begins at or after byte @offset, or ends after it. */
static uint32_t first_cluster_at(const struct fat_volume *vol, uint64_t offset)
{
	uint64_t cluster = offset * 8 / vol->geo.type;

	if (cluster > 0)
		cluster--; /* FAT12: an entry that began in the sector before */
	while (entry_offset(vol, cluster) + entry_len(vol) <= offset)
		cluster++;
	return cluster < 2 ? 2 : (uint32_t)cluster;
}

static uint64_t last_cluster(const struct fat_volume *vol)
{
	return (uint64_t)vol->geo.n_clusters + 1;
}

static uint64_t copy_offset(const struct fat_volume *vol, unsigned copy)
{
	return vol->geo.fat_offset + copy * vol->geo.fat_size;
}

/* The bytes of a copy that hold entries, in whole sectors. */
static uint64_t used_size(const struct fat_volume *vol)
{
	uint64_t end = entry_offset(vol, last_cluster(vol)) + entry_len(vol);
	uint64_t size = (end + vol->geo.sector_size - 1) / vol->geo.sector_size *
		vol->geo.sector_size;

	return size < vol->geo.fat_size ? size : vol->geo.fat_size;
}

static int read_piece(struct fat_volume *vol, unsigned copy, struct window *window)
{
	int r = blkdev_read(vol->dev, copy_offset(vol, copy) + window->start, window->bytes,
		window->len);

	if (r < 0)
		fat_report(vol, "cannot read FAT copy %u at byte %" PRIu64 ": %s", copy + 1,
			window->start, strerror(-r));
	return r;
}

/*
 * Walk FAT copy @copy piece by piece and call @fn for every cluster's entry. FAT12 entries that
 * straddle two pieces are carried over.
 */
static int each_entry(struct fat_volume *vol, unsigned copy,
	int (*fn)(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata),
	void *userdata)
{
	uint64_t size = used_size(vol), last = last_cluster(vol);
	struct window window = {.len = PIECE};
	uint32_t cluster = 0;
	uint8_t carry = 0;
	int r = 0;

	window.bytes = blkdev_buffer_new(PIECE);
	if (!window.bytes)
		return -ENOMEM;
	for (window.start = 0; r >= 0 && window.start < size; window.start += window.len) {
		if (window.len > size - window.start)
			window.len = (size_t)(size - window.start);
		r = read_piece(vol, copy, &window);
		for (; r >= 0 && cluster <= last; cluster++) {
			uint64_t at = entry_offset(vol, cluster);
			uint8_t straddling[4] = {0}; /* FAT12 only, which uses two */

			if (at + entry_len(vol) > window.start + window.len)
				break;
			if (at < window.start) {
				straddling[0] = carry;
				straddling[1] = window.bytes[0];
				r = fn(vol, cluster, entry_decode(vol, cluster, straddling), userdata);
				continue;
			}
			r = fn(vol, cluster,
				entry_decode(vol, cluster, window.bytes + (at - window.start)), userdata);
		}
		carry = window.bytes[window.len - 1];
	}
	free(window.bytes);
	return r < 0 ? r : 0;
}

static int store_entry(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata)
{
	(void)userdata;
	if (cluster < 2) {
		vol->table.head[cluster] = value;
		return 0;
	}
	vol->table.next[cluster] = widen(vol, value);
	vol->table.high_nibble |= value > FAT_EOC;
	return 0;
}

int fat_table_load(struct fat_volume *vol)
{
	struct fat_table *table = &vol->table;

	table->n_dirty_sectors = vol->geo.fat_size / vol->geo.sector_size;
	table->next = calloc((size_t)vol->geo.n_clusters + 2, sizeof *table->next);
	table->dirty = calloc((size_t)(table->n_dirty_sectors / 8 + 1), 1);
	table->changed = calloc(((size_t)vol->geo.n_clusters + 2) / 8 + 1, 1);
	if (!table->next || !table->dirty || !table->changed)
		return -ENOMEM;
	return each_entry(vol, 0, store_entry, NULL);
}

void fat_table_free(struct fat_table *table)
{
	free(table->next);
	free(table->dirty);
	free(table->changed);
}

void fat_table_touch(struct fat_volume *vol, uint32_t cluster)
{
	uint64_t at = entry_offset(vol, cluster);

	assert(fat_cluster_valid(vol, cluster));
	fat_bit_set(vol->table.changed, cluster);
	fat_bit_set(vol->table.dirty, at / vol->geo.sector_size);
	fat_bit_set(vol->table.dirty, (at + entry_len(vol) - 1) / vol->geo.sector_size);
}

void fat_table_set(struct fat_volume *vol, uint32_t cluster, uint32_t value)
{
	fat_table_touch(vol, cluster);
	vol->table.next[cluster] = value;
}

void fat_table_clean(struct fat_volume *vol)
{
	memset(vol->table.dirty, 0, (size_t)(vol->table.n_dirty_sectors / 8 + 1));
	memset(vol->table.changed, 0, ((size_t)vol->geo.n_clusters + 2) / 8 + 1);
}

/* The next run of dirty sectors from *@sector on, at most a piece long. False when none is left. */
static bool next_dirty_run(const struct fat_volume *vol, uint64_t *sector, struct window *window)
{
	const struct fat_table *table = &vol->table;
	uint64_t size = vol->geo.sector_size, s = *sector, first;

	while (s < table->n_dirty_sectors && !fat_bit_get(table->dirty, s))
		s++;
	if (s == table->n_dirty_sectors)
		return false;
	first = s;
	while (s < table->n_dirty_sectors && fat_bit_get(table->dirty, s) &&
		(s - first + 1) * size <= PIECE)
		s++;
	window->start = first * size;
	window->len = (size_t)((s - first) * size);
	*sector = s;
	return true;
}

/* Patch the entries that lie in @window to what memory says. Returns whether a byte changed. */
static bool patch_window(const struct fat_volume *vol, struct window *window)
{
	uint64_t end = window->start + window->len;
	bool changed = false;

	for (uint64_t c = first_cluster_at(vol, window->start); c <= last_cluster(vol); c++) {
		uint32_t cluster = (uint32_t)c;
		uint64_t at = entry_offset(vol, cluster);
		uint32_t value = narrow(vol, fat_next(vol, cluster));

		if (at >= end)
			break;
		/*
		 * Half of a FAT12 entry: one that changed has both its sectors dirty, and they are in
		 * one window, since a FAT12 table is shorter than a piece.
		 */
		if (at < window->start || at + entry_len(vol) > end)
			continue;
		/* Any end mark is as good as another: do not rewrite others' 0xFFF8 as 0xFFFF. */
		if (!fat_bit_get(vol->table.changed, c) &&
			widen(vol, entry_decode(vol, cluster, window->bytes + (at - window->start))) ==
				fat_next(vol, cluster))
			continue;
		for (unsigned i = 0; i < entry_len(vol); i++) {
			uint8_t mask = entry_mask(vol, cluster, i), *byte, want;

			byte = window->bytes + (at + i - window->start);
			want = (uint8_t)((*byte & ~mask) | (entry_byte(vol, cluster, value, i) & mask));
			changed |= want != *byte;
			*byte = want;
		}
	}
	return changed;
}

static int write_piece(struct fat_volume *vol, unsigned copy, const struct window *window)
{
	int r = blkdev_write(vol->dev, copy_offset(vol, copy) + window->start, window->bytes,
		window->len);

	if (r < 0)
		fat_report(vol, "cannot write FAT copy %u at byte %" PRIu64 ": %s", copy + 1,
			window->start, strerror(-r));
	return r;
}

/* FNV-1a: what is looked for are bits that a device lost, not an enemy's. */
static uint64_t hash_window(uint64_t hash, const struct window *window)
{
	for (size_t i = 0; i < window->len; i++)
		hash = (hash ^ window->bytes[i]) * 1099511628211u;
	return hash;
}

int64_t fat_table_write(struct fat_volume *vol, unsigned copy)
{
	struct window window = {.bytes = blkdev_buffer_new(PIECE)};
	uint64_t sector = 0, hash = 0;
	int64_t n = 0;
	int r = 0;

	if (!window.bytes)
		return -ENOMEM;
	while (r >= 0 && next_dirty_run(vol, &sector, &window)) {
		bool changed;

		r = read_piece(vol, copy, &window);
		if (r < 0)
			continue;
		changed = patch_window(vol, &window);
		hash = hash_window(hash, &window);
		if (!changed)
			continue;
		r = write_piece(vol, copy, &window);
		n++;
	}
	free(window.bytes);
	vol->table.written[copy] = hash;
	return r < 0 ? r : n;
}

/*
 * Entries are compared with memory, which says where they differ; the hash finds the rest: FAT[0]
 * and FAT[1], top nibbles, what lies after the last cluster.
 */
int fat_table_verify(struct fat_volume *vol, unsigned copy)
{
	struct window window = {.bytes = blkdev_buffer_new(PIECE)};
	uint64_t sector = 0, hash = 0;
	int r = 0;

	if (!window.bytes)
		return -ENOMEM;
	while (r >= 0 && next_dirty_run(vol, &sector, &window)) {
		r = read_piece(vol, copy, &window);
		if (r < 0)
			continue;
		hash = hash_window(hash, &window);
		if (!patch_window(vol, &window))
			continue;
		fat_report(vol,
			"FAT copy %u read back differs from what was written at byte %" PRIu64
			": the device lost a write",
			copy + 1, window.start);
		r = -EIO;
	}
	free(window.bytes);
	if (r == 0 && hash != vol->table.written[copy]) {
		fat_report(vol,
			"FAT copy %u read back differs from what was written, beside the entries: the "
			"device changed data",
			copy + 1);
		r = -EIO;
	}
	return r;
}

struct compare {
	int (*fn)(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata);
	void *userdata;
};

static int compare_entry(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata)
{
	const struct compare *compare = userdata;

	if (cluster < 2 || widen(vol, value) == fat_next(vol, cluster))
		return 0;
	return compare->fn(vol, cluster, widen(vol, value), compare->userdata);
}

int fat_table_compare(struct fat_volume *vol, unsigned copy,
	int (*fn)(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata),
	void *userdata)
{
	struct compare compare = {fn, userdata};

	return each_entry(vol, copy, compare_entry, &compare);
}

/* The sectors of @copy that hold the entry of @cluster. Free window->bytes in any case. */
static int read_around(struct fat_volume *vol, unsigned copy, uint32_t cluster,
	struct window *window)
{
	uint32_t sector = vol->geo.sector_size;
	uint64_t at = entry_offset(vol, cluster), start = at / sector * sector;
	uint64_t end = (at + entry_len(vol) + sector - 1) / sector * sector;

	window->start = start;
	window->len = (size_t)(end - start);
	window->bytes = blkdev_buffer_new(window->len);
	return window->bytes ? read_piece(vol, copy, window) : -ENOMEM;
}

int fat_table_read_raw(struct fat_volume *vol, unsigned copy, uint32_t cluster, uint32_t *ret)
{
	struct window window = {0};
	int r = read_around(vol, copy, cluster, &window);

	if (r == 0)
		*ret = entry_decode(vol, cluster,
			window.bytes + (entry_offset(vol, cluster) - window.start));
	free(window.bytes);
	return r;
}

int fat_table_copy_entry(struct fat_volume *vol, unsigned copy, uint32_t cluster)
{
	struct window window = {0};
	uint32_t value;
	uint8_t *at;
	int r = fat_table_read_raw(vol, 0, cluster, &value);

	if (r == 0)
		r = read_around(vol, copy, cluster, &window);
	if (r == 0) {
		at = window.bytes + (entry_offset(vol, cluster) - window.start);
		for (unsigned i = 0; i < entry_len(vol); i++) {
			uint8_t mask = entry_mask(vol, cluster, i);

			at[i] = (uint8_t)((at[i] & ~mask) | (entry_byte(vol, cluster, value, i) & mask));
		}
		r = write_piece(vol, copy, &window);
	}
	free(window.bytes);
	return r;
}

int fat_table_read_head(struct fat_volume *vol, unsigned copy, uint32_t ret[2])
{
	uint32_t head[2] = {0};

	for (uint32_t i = 0; i < 2; i++) {
		int r = fat_table_read_raw(vol, copy, i, &head[i]);

		if (r < 0)
			return r;
	}
	ret[0] = head[0];
	ret[1] = head[1];
	return 0;
}

static int refuse_difference(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata)
{
	(void)value;
	(void)userdata;
	fat_report(vol, "changed while it was read: FAT entry of cluster %" PRIu32, cluster);
	return -ESTALE;
}

int fat_reread_table(struct fat_volume *vol)
{
	return fat_table_compare(vol, 0, refuse_difference, NULL);
}

uint32_t fat_count_free(const struct fat_volume *vol)
{
	uint32_t n = 0;

	for (uint32_t c = 2; c - 2 < vol->geo.n_clusters; c++)
		n += fat_next(vol, c) == FAT_FREE;
	return n;
}
