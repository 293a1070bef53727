/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/check.h"

/*
 * The second FAT copy against the first. Readers use the first; a sync makes the second equal,
 * which is right only where nothing in use is at stake. A power cut in our own writing leaves
 * copies that differ on clusters which nothing reaches, or that disagree on whether a directory
 * goes on after its last cluster with others that are still empty.
 */

enum {
	PIECE = 256 * 1024, /* bytes read at once; a multiple of any sector */
	MAX_GROWING = 16,   /* directories that grow at the same time; more is no power cut */
	MAX_UNUSED = 1024 * 1024, /* differences of unused clusters that are remembered */
};

struct difference {
	uint32_t cluster;
	uint32_t value; /* in the second copy */
};

struct differences {
	struct check *check;
	struct difference *unused; /* by cluster */
	uint32_t n_unused, unused_room;
	struct difference used[MAX_GROWING]; /* the first */
	uint32_t n_used;
};

static int remember_unused(struct differences *d, struct difference difference)
{
	uint32_t n = d->n_unused++;

	if (n >= MAX_UNUSED)
		return 0;
	if (n == d->unused_room) {
		uint32_t room = d->unused_room ? d->unused_room * 2 : 64;
		struct difference *more = reallocarray(d->unused, room, sizeof *more);

		if (!more)
			return -ENOMEM;
		d->unused = more;
		d->unused_room = room;
	}
	d->unused[n] = difference;
	return 0;
}

static int take_difference(struct fat_volume *vol, uint32_t cluster, uint32_t value,
	void *userdata)
{
	struct difference difference = {cluster, value};
	struct differences *d = userdata;

	if (!fat_bit_get(vol->reachable, cluster))
		return remember_unused(d, difference);
	if (d->n_used < MAX_GROWING)
		d->used[d->n_used] = difference;
	d->n_used++;
	return 0;
}

/* Bytes of a copy that are entries of clusters, the first two included. */
static uint64_t entries_len(const struct fat_volume *vol)
{
	return (((uint64_t)vol->geo.n_clusters + 2) * vol->geo.type + 7) / 8;
}

static int compare_pieces(struct fat_volume *vol, uint8_t *first, uint8_t *second, bool *ret_equal)
{
	uint64_t len = entries_len(vol), sector = vol->geo.sector_size;

	*ret_equal = true;
	for (uint64_t at = 0; *ret_equal && at < len; at += PIECE) {
		uint64_t offset = vol->geo.fat_offset + at;
		size_t used = (size_t)(len - at < PIECE ? len - at : PIECE);
		size_t whole = (size_t)((used + sector - 1) / sector * sector);
		int r;

		r = blkdev_read(vol->dev, offset, first, whole);
		if (r == 0)
			r = blkdev_read(vol->dev, offset + vol->geo.fat_size, second, whole);
		if (r < 0) {
			fat_report(vol,
				"cannot read the FAT copies at byte %" PRIu64 " of each: %s", at,
				strerror(-r));
			return r;
		}
		*ret_equal = memcmp(first, second, used) == 0;
	}
	return 0;
}

/* Bit for bit, what fsck.fat looks at. */
static int compare_bytes(struct fat_volume *vol, bool *ret_equal)
{
	uint8_t *first = blkdev_buffer_new(PIECE), *second = blkdev_buffer_new(PIECE);
	int r = -ENOMEM;

	if (first && second)
		r = compare_pieces(vol, first, second, ret_equal);
	free(first);
	free(second);
	return r;
}

static int compare_clusters(const void *a, const void *b)
{
	const struct difference *x = a, *y = b;

	return x->cluster < y->cluster ? -1 : x->cluster > y->cluster;
}

/* The entry of @cluster, which is unused in the first copy, in the second; 0 if not known. */
static uint32_t second_entry(const struct differences *d, uint32_t cluster)
{
	struct difference key = {.cluster = cluster};
	uint32_t n = d->n_unused < MAX_UNUSED ? d->n_unused : MAX_UNUSED;
	const struct difference *found = NULL;

	if (n > 0)
		found = bsearch(&key, d->unused, n, sizeof key, compare_clusters);
	if (found)
		return found->value;
	return d->n_unused > MAX_UNUSED ? FAT_FREE : fat_next(d->check->vol, cluster);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static int is_empty_cluster(struct fat_volume *vol, uint32_t cluster, uint8_t *buf, bool *ret)
{
	int r = blkdev_read(vol->dev, fat_cluster_offset(vol, cluster), buf, vol->geo.cluster_size);

	if (r < 0)
		fat_report(vol, "cannot read cluster %" PRIu32 ": %s", cluster, strerror(-r));
	else
		*ret = is_zero(buf, vol->geo.cluster_size);
	return r;
}

static bool is_in_directory(const struct check *check, uint32_t cluster)
{
	for (uint32_t i = 0; i < check->n_dirs; i++) {
		uint32_t c = check_dir_cluster(check, i);

		if (c == 0 || (i == 0 && check->n_unread_dirs > 0))
			continue;
		for (; c != FAT_EOC; c = fat_next(check->vol, c))
			if (c == cluster)
				return true;
	}
	return false;
}

/* Whether the first or the second copy ends a chain from @cluster on with nothing but zeros. */
static int is_empty_tail(const struct differences *d, bool second, uint32_t cluster, bool *ret)
{
	struct fat_volume *vol = d->check->vol;
	uint32_t limit = FAT_DIR_MAX_SLOTS * FAT_SLOT_LEN / vol->geo.cluster_size;
	uint8_t *buf = blkdev_buffer_new(vol->geo.cluster_size);
	bool empty = true;
	int r = buf ? 0 : -ENOMEM;

	for (; r >= 0 && empty && cluster != FAT_EOC; limit--) {
		/* What goes on in the second copy only must be nobody's in the first. */
		empty = limit > 0 && fat_cluster_valid(vol, cluster) &&
			!(second && fat_bit_get(vol->reachable, cluster));
		if (!empty)
			break;
		r = is_empty_cluster(vol, cluster, buf, &empty);
		cluster = second ? second_entry(d, cluster) : fat_next(vol, cluster);
	}
	free(buf);
	if (r >= 0)
		*ret = empty;
	return r;
}

/* Whether the copies differ only because a directory was about to grow there. */
static int is_growing(const struct differences *d, struct difference difference, bool *ret)
{
	uint32_t first = fat_next(d->check->vol, difference.cluster);

	*ret = false;
	if ((first == FAT_EOC) == (difference.value == FAT_EOC) ||
		!is_in_directory(d->check, difference.cluster))
		return 0;
	if (first == FAT_EOC)
		return is_empty_tail(d, true, difference.value, ret);
	return is_empty_tail(d, false, first, ret);
}

/* The first difference that no growing directory explains; UINT32_MAX: there is none. */
static int find_damage(const struct differences *d, uint32_t *ret)
{
	*ret = UINT32_MAX;
	for (uint32_t i = 0; i < d->n_used && i < MAX_GROWING; i++) {
		bool growing;
		int r;

		r = is_growing(d, d->used[i], &growing);
		if (r < 0)
			return r;
		if (!growing) {
			*ret = i;
			return 0;
		}
	}
	if (d->n_used > MAX_GROWING)
		*ret = 0;
	return 0;
}

static void give_harmless(const struct differences *d)
{
	d->check->result.fat_copies_differ = d->n_unused > 0 || d->n_used > 0;
	if (d->n_used > 0)
		check_finding(d->check, FAT_HARMLESS, NULL,
			"the FAT copies differ on cluster %" PRIu32
			", where a directory was about to grow, and on %" PRIu32
			" clusters of no file",
			d->used[0].cluster, d->n_unused);
	else if (d->n_unused > 0)
		check_finding(d->check, FAT_HARMLESS, NULL,
			"the FAT copies differ on %" PRIu32
			" clusters of no file, the first is %" PRIu32,
			d->n_unused, d->unused[0].cluster);
	else if (!d->check->heads_differ)
		check_finding(d->check, FAT_HARMLESS, NULL,
			"the FAT copies differ in bits without a meaning");
}

static int judge(const struct differences *d)
{
	struct check_watch watch = {.n_others = d->n_used - 1};
	uint32_t damage;
	int r;

	r = find_damage(d, &damage);
	if (r < 0)
		return r;
	if (damage == UINT32_MAX) {
		give_harmless(d);
		return 0;
	}
	watch.cluster = d->used[damage].cluster;
	watch.value = d->used[damage].value;
	return check_watch_add(d->check, watch);
}

int check_copies(struct check *check)
{
	struct differences d = {.check = check};
	bool equal;
	int r;

	if (check->vol->geo.n_fats < 2)
		return 0;
	r = compare_bytes(check->vol, &equal);
	if (r < 0 || equal)
		return r;
	r = fat_table_compare(check->vol, 1, take_difference, &d);
	if (r == 0)
		r = judge(&d);
	free(d.unused);
	return r;
}
