/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>

#include "tests/fuzz/change.h"

/*
 * Changes find their places in the seed as it was made, whatever the changes before them did: each
 * can be taken out of an input without another meaning for the rest.
 */

enum sector { BOOT, BACKUP, FSINFO };

struct field {
	enum sector sector;
	uint16_t offset; /* bytes */
	uint8_t len;
};

static const struct field fields[] = {
	{BOOT, 0, 1},
	{BOOT, 0x0b, 2},  /* bytes per sector */
	{BOOT, 0x0d, 1},  /* sectors per cluster */
	{BOOT, 0x0e, 2},  /* reserved sectors */
	{BOOT, 0x10, 1},  /* FAT copies */
	{BOOT, 0x11, 2},  /* root entries */
	{BOOT, 0x13, 2},  /* sectors, 16 bits */
	{BOOT, 0x15, 1},  /* media */
	{BOOT, 0x16, 2},  /* sectors of a FAT, 16 bits; 0: FAT32 */
	{BOOT, 0x1c, 4},  /* hidden sectors */
	{BOOT, 0x20, 4},  /* sectors, 32 bits */
	{BOOT, 0x24, 4},  /* FAT32: sectors of a FAT; else drive, state, signature */
	{BOOT, 0x25, 1},  /* FAT16: state */
	{BOOT, 0x26, 1},  /* FAT16: signature */
	{BOOT, 0x28, 2},  /* FAT32: flags */
	{BOOT, 0x2a, 2},  /* FAT32: version */
	{BOOT, 0x2b, 4},  /* FAT16: label */
	{BOOT, 0x2c, 4},  /* FAT32: root cluster */
	{BOOT, 0x30, 2},  /* FAT32: FSInfo */
	{BOOT, 0x32, 2},  /* FAT32: backup */
	{BOOT, 0x41, 1},  /* FAT32: state */
	{BOOT, 0x42, 1},  /* FAT32: signature */
	{BOOT, 0x47, 4},  /* FAT32: label */
	{BOOT, 0x1fe, 2}, /* end signature */
	{BACKUP, 0x0b, 2},
	{BACKUP, 0x20, 4},
	{BACKUP, 0x2c, 4},
	{BACKUP, 0x1fe, 2},
	{FSINFO, 0x000, 4}, /* signatures */
	{FSINFO, 0x1e4, 4},
	{FSINFO, 0x1fc, 4},
	{FSINFO, 0x1e8, 4}, /* free clusters */
	{FSINFO, 0x1ec, 4}, /* next free */
};

static const uint8_t unit_offsets[] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};

unsigned fuzz_count_fields(void)
{
	return sizeof fields / sizeof *fields;
}

/* ---- the form ---- */

struct fuzz_input fuzz_input_decode(const uint8_t *bytes, size_t len)
{
	struct fuzz_input input = {0};

	if (len > FUZZ_INPUT_MAX)
		len = FUZZ_INPUT_MAX;
	memcpy(&input, bytes, len);
	if (len > 4)
		input.n_changes = (unsigned)((len - 4) / sizeof *input.changes);
	input.seeds[0] %= FUZZ_N_SEEDS;
	input.seeds[1] %= FUZZ_N_SEEDS;
	for (unsigned i = 0; i < input.n_changes; i++)
		input.changes[i].kind %= FUZZ_N_KINDS;
	return input;
}

size_t fuzz_input_encode(const struct fuzz_input *input, uint8_t ret[FUZZ_INPUT_MAX])
{
	size_t len = 4 + input->n_changes * sizeof *input->changes;

	memcpy(ret, input, len);
	return len;
}

/* ---- FAT entries ---- */

static void put_entry_at(struct fuzz_seed *seed, uint64_t start, uint32_t cluster, uint32_t value)
{
	uint64_t at = start + (uint64_t)cluster * seed->geo.type / 8;
	uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
		(uint8_t)(value >> 24)};

	if (seed->geo.type == FAT_TYPE_12 && cluster % 2) {
		bytes[1] = (uint8_t)(value >> 4);
		bytes[0] = (uint8_t)((seed->bytes[at] & 0x0f) | value << 4);
	} else if (seed->geo.type == FAT_TYPE_12) {
		bytes[1] = (uint8_t)((seed->bytes[at + 1] & 0xf0) | (bytes[1] & 0x0f));
	}
	fuzz_seed_put(seed, at, bytes, seed->geo.type == FAT_TYPE_32 ? 4 : 2);
}

static void put_entry(struct fuzz_seed *seed, unsigned copies, uint32_t cluster, uint32_t value)
{
	const struct fat_geometry *geo = &seed->geo;

	cluster %= geo->n_clusters + 2;
	if (copies != FUZZ_COPY_SECOND)
		put_entry_at(seed, geo->fat_offset, cluster, value);
	if (copies != FUZZ_COPY_FIRST && geo->n_fats > 1)
		put_entry_at(seed, geo->fat_offset + geo->fat_size, cluster, value);
}

/* More would only take time. */
static void put_chain(struct fuzz_seed *seed, const struct fuzz_change *change, unsigned detail)
{
	uint32_t n = le16_get(change->place) % 256u, first = le32_get(change->a);

	for (uint32_t i = 0; i < n; i++)
		put_entry(seed, detail, first + i, first + i + 1);
	put_entry(seed, detail, first + n, le32_get(change->b));
}

static uint32_t get_entry(const struct fuzz_seed *seed, uint32_t cluster)
{
	const uint8_t *at = seed->bytes + seed->geo.fat_offset +
		(uint64_t)cluster * seed->geo.type / 8;
	uint32_t value = (uint32_t)at[0] | (uint32_t)at[1] << 8;

	if (seed->geo.type == FAT_TYPE_12)
		return cluster % 2 ? value >> 4 : value & 0xfff;
	if (seed->geo.type == FAT_TYPE_32)
		value |= (uint32_t)at[2] << 16 | (uint32_t)(at[3] & 0x0f) << 24;
	return value;
}

static void fill_copy(struct fuzz_seed *seed, unsigned copy, uint32_t keep, unsigned every)
{
	uint32_t bad = (uint32_t)(FAT_BAD & ((1ull << seed->geo.type) - 1)), n = 0;

	for (uint32_t c = 2; c < seed->geo.n_clusters + 2; c++) {
		if (get_entry(seed, c) != 0 || n++ < keep)
			continue;
		if (every < 2 || n % every != 0)
			put_entry(seed, copy, c, bad);
	}
}

/* Bad clusters are what nobody can use and no check minds. The first copy says what is free. */
static void fill_up(struct fuzz_seed *seed, const struct fuzz_change *change, unsigned detail)
{
	fill_copy(seed, FUZZ_COPY_SECOND, le32_get(change->a) % 512, detail);
	fill_copy(seed, FUZZ_COPY_FIRST, le32_get(change->a) % 512, detail);
}

/* ---- slots ---- */

struct slot {
	const struct fuzz_dir *dir;
	uint32_t index;
};

/* Slots are numbered through all directories. */
static struct slot find_slot(const struct fuzz_seed *seed, uint32_t number)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < seed->n_dirs; i++)
		total += seed->dirs[i].n_slots;
	number %= total;
	for (uint32_t i = 0; i < seed->n_dirs; i++) {
		if (number < seed->dirs[i].n_slots)
			return (struct slot){&seed->dirs[i], number};
		number -= seed->dirs[i].n_slots;
	}
	fuzz_fail("harness: slots were not counted right");
}

/* Where the slot @i after @slot stands, or behind the end of the volume. */
static uint64_t slot_offset(const struct slot *slot, uint32_t i)
{
	if (slot->index + i >= slot->dir->n_slots)
		return UINT64_MAX;
	return slot->dir->slots[slot->index + i];
}

static void put_slot_bytes(struct fuzz_seed *seed, const struct fuzz_change *change,
	unsigned detail)
{
	struct slot slot = find_slot(seed, le16_get(change->place));
	uint32_t at = le32_get(change->a) % FAT_SLOT_LEN;

	fuzz_seed_put(seed, slot_offset(&slot, 0) + at, &change->b, detail % 4 + 1);
}

static void copy_slots(struct fuzz_seed *seed, const struct fuzz_change *change, unsigned detail)
{
	struct slot from = find_slot(seed, le16_get(change->place));
	struct slot to = find_slot(seed, le32_get(change->a));

	for (uint32_t i = 0; i < detail % FAT_SET_MAX_SLOTS + 1; i++) {
		uint8_t slot[FAT_SLOT_LEN];

		if (slot_offset(&from, i) == UINT64_MAX)
			return;
		memcpy(slot, seed->bytes + slot_offset(&from, i), sizeof slot);
		fuzz_seed_put(seed, slot_offset(&to, i), slot, sizeof slot);
	}
}

/* ---- entry sets ---- */

/* NULL when there are no sets. */
static const struct fuzz_set *find_set(const struct fuzz_seed *seed, uint32_t number)
{
	return seed->n_sets ? &seed->sets[number % seed->n_sets] : NULL;
}

static uint64_t set_offset(const struct fuzz_seed *seed, const struct fuzz_set *set, uint32_t i)
{
	return seed->dirs[set->dir].slots[set->first + i];
}

static uint8_t checksum(const uint8_t *name)
{
	unsigned sum = 0;

	for (int i = 0; i < 11; i++)
		sum = ((sum >> 1 | sum << 7) + name[i]) & 0xff;
	return (uint8_t)sum;
}

static void repair_checksum(struct fuzz_seed *seed, const struct fuzz_set *set)
{
	uint8_t sum = checksum(seed->bytes + set_offset(seed, set, set->n_slots - 1));

	for (uint32_t i = 0; i + 1 < set->n_slots; i++)
		fuzz_seed_put(seed, set_offset(seed, set, i) + 13, &sum, 1);
}

static void put_short_byte(struct fuzz_seed *seed, const struct fuzz_set *set,
	const struct fuzz_change *change, unsigned detail)
{
	uint64_t offset = set_offset(seed, set, set->n_slots - 1);

	fuzz_seed_put(seed, offset + le32_get(change->a) % 11, &change->b, 1);
	if (!(detail & FUZZ_LEAVE_CHECKSUM))
		repair_checksum(seed, set);
}

static void put_long_unit(struct fuzz_seed *seed, const struct fuzz_set *set,
	const struct fuzz_change *change)
{
	uint32_t n = set->n_slots - 1, unit;

	if (n == 0)
		return;
	unit = le32_get(change->a) % (n * FAT_LFN_UNITS);
	fuzz_seed_put(seed,
		set_offset(seed, set, n - 1 - unit / FAT_LFN_UNITS) +
			unit_offsets[unit % FAT_LFN_UNITS],
		&change->b, 2);
}

static void delete_set(struct fuzz_seed *seed, const struct fuzz_set *set, unsigned detail)
{
	uint8_t mark = FAT_SLOT_DELETED;

	for (uint32_t i = detail & FUZZ_SHORT_ONLY ? set->n_slots - 1 : 0; i < set->n_slots; i++)
		fuzz_seed_put(seed, set_offset(seed, set, i), &mark, 1);
}

static void change_set(struct fuzz_seed *seed, const struct fuzz_change *change, unsigned detail)
{
	const struct fuzz_set *set = find_set(seed, le16_get(change->place));

	if (!set)
		return;
	switch (change->kind) {
	case FUZZ_SHORT:
		put_short_byte(seed, set, change, detail);
		break;
	case FUZZ_LONG:
		put_long_unit(seed, set, change);
		break;
	case FUZZ_CHECKSUM:
		repair_checksum(seed, set);
		break;
	default:
		delete_set(seed, set, detail);
	}
}

/* ---- new entry sets ---- */

static void put_unit(uint8_t *slot, uint32_t i, unsigned unit)
{
	slot[unit_offsets[i]] = (uint8_t)unit;
	slot[unit_offsets[i] + 1] = (uint8_t)(unit >> 8);
}

/* Part @part (from 1) of a name of @len units that all are different. */
static void make_long_slot(uint8_t *slot, uint32_t part, uint32_t len, uint8_t sum)
{
	uint32_t n_parts = (len + FAT_LFN_UNITS - 1) / FAT_LFN_UNITS;

	memset(slot, 0, FAT_SLOT_LEN);
	slot[0] = (uint8_t)(part | (part == n_parts ? FAT_LFN_LAST : 0));
	slot[11] = FAT_ATTR_LONG_NAME;
	slot[13] = sum;
	for (uint32_t i = 0; i < FAT_LFN_UNITS; i++) {
		uint32_t at = (part - 1) * FAT_LFN_UNITS + i;
		unsigned unit = at < len ? 0x3400 + at + (len << 8) : at == len ? 0 : 0xffff;

		put_unit(slot, i, unit);
	}
}

/* The attributes are the high byte of place, of which slots use little; the size is 1 or 0. */
static void create_set(struct fuzz_seed *seed, const struct fuzz_change *change, unsigned detail)
{
	struct slot at = find_slot(seed, le16_get(change->place) & 0x3ff);
	uint32_t len = le32_get(change->a) & 0xff, n = (len + FAT_LFN_UNITS - 1) / FAT_LFN_UNITS;
	uint32_t cluster = le32_get(change->b);
	uint8_t entry[FAT_SLOT_LEN] = "FUZZ    NEW", slot[FAT_SLOT_LEN];

	entry[4] = (uint8_t)('A' + detail % 26);
	entry[11] = (uint8_t)(le16_get(change->place) >> 10);
	entry[20] = (uint8_t)(cluster >> 16);
	entry[21] = (uint8_t)(cluster >> 24);
	entry[26] = (uint8_t)cluster;
	entry[27] = (uint8_t)(cluster >> 8);
	entry[28] = cluster != 0 && !(entry[11] & FAT_ATTR_DIRECTORY);
	for (uint32_t i = 0; i < n; i++) {
		make_long_slot(slot, n - i, len, checksum(entry));
		fuzz_seed_put(seed, slot_offset(&at, i), slot, sizeof slot);
	}
	fuzz_seed_put(seed, slot_offset(&at, n), entry, sizeof entry);
}

/* ---- all ---- */

static void put_field(struct fuzz_seed *seed, const struct fuzz_change *change)
{
	const struct field *field = &fields[le16_get(change->place) % fuzz_count_fields()];
	const uint64_t starts[] = {0, seed->geo.backup_offset, seed->geo.fsinfo_offset};

	fuzz_seed_put(seed, starts[field->sector] + field->offset, &change->a, field->len);
}

static void apply(struct fuzz_seed *seed, const struct fuzz_change *change)
{
	unsigned detail = change->detail & FUZZ_DETAIL_MASK;

	switch ((enum fuzz_kind)change->kind) {
	case FUZZ_FIELD:
		put_field(seed, change);
		break;
	case FUZZ_FAT:
		put_entry(seed, detail, le32_get(change->a), le32_get(change->b));
		break;
	case FUZZ_CHAIN:
		put_chain(seed, change, detail);
		break;
	case FUZZ_SLOT:
		put_slot_bytes(seed, change, detail);
		break;
	case FUZZ_COPY:
		copy_slots(seed, change, detail);
		break;
	case FUZZ_CREATE:
		create_set(seed, change, detail);
		break;
	case FUZZ_BYTES:
		fuzz_seed_put(seed, le32_get(change->a) % seed->size, &change->b, detail % 4 + 1);
		break;
	case FUZZ_FULL:
		fill_up(seed, change, detail);
		break;
	default:
		change_set(seed, change, detail);
	}
}

void fuzz_input_apply(const struct fuzz_input *input, struct fuzz_seed *seed, unsigned role)
{
	for (unsigned i = 0; i < input->n_changes; i++)
		if (!!(input->changes[i].detail & FUZZ_MIRROR) == !!role)
			apply(seed, &input->changes[i]);
}
