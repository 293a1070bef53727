/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>

#include "fat/internal.h"

/*
 * Which slots belong together. Long-name slots are collected until the short entry that they
 * describe; whatever does not fit (order, checksum, a deleted slot between) makes them orphans
 * and leaves the short name. What only some readers mind is a problem flag, not a refusal.
 */

/* A run of long-name slots that may still become the long name of the short entry behind it. */
struct run {
	uint32_t first; /* slot */
	uint32_t n;     /* slots so far */
	uint32_t want;  /* slots that the first one announces */
	unsigned problems;
};

static const struct fat_long_slot *long_at(const uint8_t *bytes, uint32_t slot)
{
	return (const struct fat_long_slot *)(const void *)(bytes + (size_t)slot * FAT_SLOT_LEN);
}

static const struct fat_short_slot *short_at(const uint8_t *bytes, uint32_t slot)
{
	return (const struct fat_short_slot *)(const void *)(bytes + (size_t)slot * FAT_SLOT_LEN);
}

static void drop_run(struct run *run)
{
	if (run->n > 0)
		run->problems |= FAT_SET_ORPHAN;
	run->n = 0;
}

/* Take a long-name slot into the run, beginning a new one where it does not fit. */
static void collect(struct run *run, const uint8_t *bytes, uint32_t slot)
{
	const struct fat_long_slot *at = long_at(bytes, slot);
	uint32_t ordinal = at->ordinal & 0x3f;

	if (at->ordinal & FAT_LFN_LAST && !(at->ordinal & 0x80)) {
		drop_run(run);
		if (ordinal == 0 || ordinal > FAT_LFN_MAX_SLOTS) {
			run->problems |= FAT_SET_ORPHAN;
			return;
		}
		run->first = slot;
		run->want = ordinal;
		run->n = 1;
	} else if (run->n > 0 && at->ordinal == run->want - run->n &&
		at->checksum == long_at(bytes, run->first)->checksum) {
		run->n++;
	} else {
		drop_run(run);
		run->problems |= FAT_SET_ORPHAN;
		return;
	}
	if (at->type != 0 || le16_get(at->cluster_low) != 0)
		run->problems |= FAT_SET_FIELDS;
}

/*
 * A name that does not fill its last slot ends with one 0x0000 and then 0xFFFF; one that does
 * has no end mark ("FAT Long Directory Entries").
 */
static bool padding_valid(const uint8_t *bytes, const struct run *run)
{
	uint16_t units[FAT_LFN_MAX_SLOTS * FAT_LFN_UNITS];
	size_t n = 0, len = 0;

	for (uint32_t s = run->n; s > 0; s--)
		for (int i = 0; i < FAT_LFN_UNITS; i++)
			units[n++] = fat_long_slot_unit(long_at(bytes, run->first + s - 1), i);
	while (len < n && units[len] != 0)
		len++;
	if (len + FAT_LFN_UNITS <= n || len > FAT_NAME_MAX_UNITS)
		return false;
	for (size_t i = len + 1; i < n; i++)
		if (units[i] != 0xffff)
			return false;
	return true;
}

/* Whether there is a name at all: not empty, not too long. */
static bool name_usable(const uint8_t *bytes, const struct run *run)
{
	uint16_t units[260];
	size_t n = fat_lfn_units(bytes + (size_t)run->first * FAT_SLOT_LEN, run->n + 1, units);

	return n > 0 && n <= FAT_NAME_MAX_UNITS;
}

static void finish_set(const uint8_t *bytes, uint32_t slot, struct run *run, struct fat_set *ret)
{
	const struct fat_short_slot *entry = short_at(bytes, slot);

	*ret = (struct fat_set){.short_slot = slot, .n_slots = 1};
	if (run->n > 0 && run->n == run->want && name_usable(bytes, run)) {
		if (long_at(bytes, run->first)->checksum == fat_lfn_checksum(entry->name)) {
			ret->n_slots = run->n + 1;
			if (!padding_valid(bytes, run))
				run->problems |= FAT_SET_PADDING;
		} else {
			run->problems |= FAT_SET_CHECKSUM | FAT_SET_ORPHAN;
		}
	} else {
		drop_run(run);
	}
	ret->problems = run->problems;
}

int fat_set_next(const uint8_t *bytes, uint32_t n_slots, uint32_t *slot, struct fat_set *ret)
{
	struct run run = {0};

	for (; *slot < n_slots; (*slot)++) {
		const struct fat_short_slot *at = short_at(bytes, *slot);

		if (at->name[0] == FAT_SLOT_END)
			break;
		if (at->name[0] == FAT_SLOT_DELETED) {
			drop_run(&run);
		} else if (fat_slot_is_long(at)) {
			collect(&run, bytes, *slot);
		} else {
			finish_set(bytes, *slot, &run, ret);
			(*slot)++;
			return 1;
		}
	}
	drop_run(&run);
	*ret = (struct fat_set){.short_slot = *slot, .problems = run.problems};
	return 0;
}

uint32_t fat_slot_cluster(const struct fat_volume *vol, const struct fat_short_slot *slot)
{
	uint32_t cluster = le16_get(slot->cluster_low);

	if (vol->geo.type == FAT_TYPE_32)
		cluster |= (uint32_t)le16_get(slot->cluster_high) << 16;
	return cluster;
}

void fat_slot_set_cluster(const struct fat_volume *vol, struct fat_short_slot *slot,
	uint32_t cluster)
{
	bool fat32 = vol->geo.type == FAT_TYPE_32;

	slot->cluster_low = le16_of((uint16_t)cluster);
	slot->cluster_high = le16_of(fat32 ? (uint16_t)(cluster >> 16) : 0);
}

void fat_set_decode(const struct fat_volume *vol, const uint8_t *bytes, const struct fat_set *set,
	struct fat_entry *ret)
{
	const struct fat_short_slot *at = short_at(bytes, set->short_slot);
	uint16_t units[260];

	memcpy(ret->slots, bytes + (size_t)(set->short_slot + 1 - set->n_slots) * FAT_SLOT_LEN,
		(size_t)set->n_slots * FAT_SLOT_LEN);
	ret->short_slot = set->short_slot;
	ret->n_slots = set->n_slots;
	ret->attributes = at->attributes;
	ret->first_cluster = fat_slot_cluster(vol, at);
	ret->size = at->attributes & FAT_ATTR_DIRECTORY ? 0 : le32_get(at->size);
	if (set->n_slots == 1)
		fat_short_name_decode(at->name, at->case_flags, ret->name);
	else
		fat_utf16_decode(units, fat_lfn_units(ret->slots, set->n_slots, units), ret->name);
}
