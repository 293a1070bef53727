/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>

#include "tests/fuzz/draw.h"

/* splitmix64, Sebastiano Vigna, public domain: https://prng.di.unimi.it/splitmix64.c */
static uint64_t next(struct fuzz_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t fuzz_draw(struct fuzz_random *random, uint32_t below)
{
	return below ? (uint32_t)((next(random) >> 32) % below) : 0;
}

/* ---- numbers ---- */

/* Of any width: near zero, near the ends, powers of two, or anything. */
static uint32_t draw_number(struct fuzz_random *random)
{
	switch (fuzz_draw(random, 5)) {
	case 0:
		return fuzz_draw(random, 4);
	case 1:
		return UINT32_MAX - fuzz_draw(random, 4);
	case 2:
		return (1u << fuzz_draw(random, 32)) - fuzz_draw(random, 2);
	case 3:
		return fuzz_draw(random, 256);
	default:
		return fuzz_draw(random, UINT32_MAX);
	}
}

static uint32_t draw_used(struct fuzz_random *random, const struct fuzz_seed *seed)
{
	return seed->n_used ? seed->used[fuzz_draw(random, seed->n_used)] : 2;
}

static uint32_t draw_cluster(struct fuzz_random *random, const struct fuzz_seed *seed)
{
	switch (fuzz_draw(random, 8)) {
	case 0:
		return fuzz_draw(random, seed->geo.n_clusters + 2);
	case 1:
		return seed->geo.n_clusters + fuzz_draw(random, 2);
	case 2:
		return seed->n_used ? seed->used[seed->n_used - 1] + fuzz_draw(random, 16) : 2;
	default:
		return draw_used(random, seed);
	}
}

/* Free, reserved, bad, end, a link to something used or free, or out of range. */
static uint32_t draw_value(struct fuzz_random *random, const struct fuzz_seed *seed)
{
	uint32_t end = (uint32_t)((1ull << (seed->geo.type == 32 ? 28 : seed->geo.type)) - 1);

	switch (fuzz_draw(random, 10)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return end - 8; /* bad */
	case 3:
	case 4:
		return end - fuzz_draw(random, 8);
	case 5:
		return seed->geo.n_clusters + fuzz_draw(random, 4);
	case 6:
		return draw_number(random);
	default:
		return draw_cluster(random, seed);
	}
}

/* A character: letters, what is not allowed, what folds, surrogates, or anything. */
static uint32_t draw_unit(struct fuzz_random *random)
{
	static const uint16_t odd[] = {0, 0x20, 0x2e, '/', '\\', '*', 0x05, 0xe5, 0x7f, 0x80, 0xe4,
		0xc4, 0xdf, 0xff, 0x131, 0x212a, 0xd800, 0xdc00, 0xffff, 0xfffe};

	if (fuzz_draw(random, 2) == 0)
		return odd[fuzz_draw(random, sizeof odd / sizeof *odd)];
	return fuzz_draw(random, 2) ? 0x41 + fuzz_draw(random, 58) : fuzz_draw(random, 0x10000);
}

/* ---- places ---- */

static uint32_t first_slot_of(const struct fuzz_seed *seed, uint32_t dir)
{
	uint32_t number = 0;

	for (uint32_t i = 0; i < dir; i++)
		number += seed->dirs[i].n_slots;
	return number;
}

/* A slot of some entry set, or one of the first behind the last set of a directory. */
static uint32_t draw_slot(struct fuzz_random *random, const struct fuzz_seed *seed)
{
	const struct fuzz_set *set;
	uint32_t first, n = 0;

	if (seed->n_sets == 0)
		return fuzz_draw(random, 16);
	set = &seed->sets[fuzz_draw(random, seed->n_sets)];
	first = first_slot_of(seed, set->dir);
	if (fuzz_draw(random, 4) > 0)
		return first + set->first + fuzz_draw(random, set->n_slots);
	for (uint32_t i = 0; i < seed->n_sets; i++)
		if (seed->sets[i].dir == set->dir)
			n = seed->sets[i].first + seed->sets[i].n_slots;
	return first + n + fuzz_draw(random, 3);
}

/* The number of the slot with the short entry of a set. */
static uint32_t draw_short(struct fuzz_random *random, const struct fuzz_seed *seed)
{
	const struct fuzz_set *set;

	if (seed->n_sets == 0)
		return 0;
	set = &seed->sets[fuzz_draw(random, seed->n_sets)];
	return first_slot_of(seed, set->dir) + set->first + set->n_slots - 1;
}

/* ---- changes ---- */

static uint32_t draw_field_value(struct fuzz_random *random, const struct fuzz_seed *seed)
{
	switch (fuzz_draw(random, 4)) {
	case 0:
		return 512u << fuzz_draw(random, 5);
	case 1:
		return (uint32_t)(seed->size / 512) + 2 - fuzz_draw(random, 5);
	case 2:
		return draw_cluster(random, seed);
	default:
		return draw_number(random);
	}
}

/* A field of a short entry: attributes, case, times, cluster, size. */
static void draw_entry_field(struct fuzz_random *random, const struct fuzz_seed *seed,
	struct fuzz_change *change)
{
	static const uint8_t attributes[] = {0x00, 0x01, 0x02, 0x06, 0x08, 0x0f, 0x10, 0x11, 0x16,
		0x18, 0x20, 0x2f, 0x30, 0x40, 0x4f, 0x80, 0xff};
	change->place = le16_of((uint16_t)draw_short(random, seed));
	switch (fuzz_draw(random, 7)) {
	case 0:
		change->a = le32_of(11);
		change->b = le32_of(attributes[fuzz_draw(random, sizeof attributes)]);
		break;
	case 1:
		change->a = le32_of(12 + fuzz_draw(random, 2));
		change->b = le32_of(fuzz_draw(random, 256));
		break;
	case 2:
		change->a = le32_of(14 + fuzz_draw(random, 12));
		change->b = le32_of(draw_number(random));
		break;
	case 3:
		change->a = le32_of(26);
		change->detail = 1;
		change->b = le32_of(draw_cluster(random, seed));
		break;
	case 4:
		change->a = le32_of(fuzz_draw(random, 2) ? 20 : 26);
		change->detail = 1;
		change->b = le32_of(draw_value(random, seed) >> (fuzz_draw(random, 2) ? 16 : 0));
		break;
	default:
		change->a = le32_of(28);
		change->detail = 3;
		change->b = le32_of(fuzz_draw(random, 2) ? fuzz_draw(random, 4096)
						       : draw_number(random));
	}
}

static void draw_slot_bytes(struct fuzz_random *random, const struct fuzz_seed *seed,
	struct fuzz_change *change)
{
	static const uint8_t firsts[] = {0x00, 0xe5, 0x05, 0x20, 0x2e, 0x41, 0x42, 0x01, 0x61};

	if (fuzz_draw(random, 3) > 0) {
		draw_entry_field(random, seed, change);
		return;
	}
	change->place = le16_of((uint16_t)draw_slot(random, seed));
	if (fuzz_draw(random, 2) == 0) {
		change->b = le32_of(firsts[fuzz_draw(random, sizeof firsts)]);
		return;
	}
	change->a = le32_of(fuzz_draw(random, FAT_SLOT_LEN));
	change->b = le32_of(fuzz_draw(random, 256));
}

static void draw_fat(struct fuzz_random *random, const struct fuzz_seed *seed,
	struct fuzz_change *change)
{
	uint32_t cluster = draw_cluster(random, seed);

	if (fuzz_draw(random, 16) == 0)
		cluster = fuzz_draw(random, 2);
	change->detail = (uint8_t)(fuzz_draw(random, 3) ? 0 : fuzz_draw(random, 3));
	change->place = le16_of((uint16_t)fuzz_draw(random, 40));
	change->a = le32_of(cluster);
	change->b = le32_of(draw_value(random, seed));
}

static void draw_new_set(struct fuzz_random *random, const struct fuzz_seed *seed,
	struct fuzz_change *change)
{
	static const uint8_t attributes[] = {0x20, 0x20, 0x00, 0x10, 0x21, 0x08};
	uint32_t slot = draw_slot(random, seed) & 0x3ff;

	slot |= (uint32_t)attributes[fuzz_draw(random, sizeof attributes)] << 10;
	change->place = le16_of((uint16_t)slot);
	change->detail = (uint8_t)fuzz_draw(random, 26);
	change->a = le32_of(fuzz_draw(random, 4) ? fuzz_draw(random, 30) : fuzz_draw(random, 256));
	change->b = le32_of(fuzz_draw(random, 2) ? 0 : draw_value(random, seed));
}

/* Directories and entries are where a little goes far. */
static uint64_t draw_offset(struct fuzz_random *random, const struct fuzz_seed *seed)
{
	const struct fat_geometry *geo = &seed->geo;

	switch (fuzz_draw(random, 4)) {
	case 0:
		return fuzz_draw(random, (uint32_t)geo->fat_offset);
	case 1:
		return geo->fat_offset + fuzz_draw(random, (uint32_t)(geo->fat_size * geo->n_fats));
	default:
		return geo->data_offset + fuzz_draw(random, geo->cluster_size) +
			(uint64_t)(draw_used(random, seed) - 2) * geo->cluster_size;
	}
}

static void draw_bytes(struct fuzz_random *random, const struct fuzz_seed *seed,
	struct fuzz_change *change)
{
	change->detail = (uint8_t)fuzz_draw(random, 4);
	change->a = le32_of((uint32_t)draw_offset(random, seed));
	change->b = le32_of(draw_number(random));
}

static enum fuzz_kind draw_kind(struct fuzz_random *random)
{
	static const uint8_t weights[FUZZ_N_KINDS] = {
		[FUZZ_FIELD] = 4,
		[FUZZ_FAT] = 14,
		[FUZZ_CHAIN] = 4,
		[FUZZ_SLOT] = 24,
		[FUZZ_SHORT] = 8,
		[FUZZ_LONG] = 8,
		[FUZZ_CHECKSUM] = 2,
		[FUZZ_COPY] = 5,
		[FUZZ_DELETE] = 8,
		[FUZZ_CREATE] = 8,
		[FUZZ_BYTES] = 10,
		[FUZZ_FULL] = 5,
	};
	uint32_t n = fuzz_draw(random, 100), kind = 0;

	while (n >= weights[kind])
		n -= weights[kind++];
	return (enum fuzz_kind)kind;
}

struct fuzz_change fuzz_draw_change(struct fuzz_random *random, const struct fuzz_input *input,
	unsigned role)
{
	const struct fuzz_seed *seed = fuzz_seed_get(input->seeds[role], role);
	enum fuzz_kind kind = draw_kind(random);
	struct fuzz_change change = {
		.kind = (uint8_t)kind,
		.place = le16_of((uint16_t)fuzz_draw(random, seed->n_sets)),
		.detail = (uint8_t)(fuzz_draw(random, 4) == 0),
	};

	switch (kind) {
	case FUZZ_FIELD:
		change.place = le16_of((uint16_t)fuzz_draw(random, fuzz_count_fields()));
		change.a = le32_of(draw_field_value(random, seed));
		break;
	case FUZZ_FAT:
	case FUZZ_CHAIN:
		draw_fat(random, seed, &change);
		break;
	case FUZZ_SLOT:
		draw_slot_bytes(random, seed, &change);
		break;
	case FUZZ_COPY:
		change.detail = (uint8_t)fuzz_draw(random, 4);
		change.place = le16_of((uint16_t)draw_slot(random, seed));
		change.a = le32_of(draw_slot(random, seed));
		break;
	case FUZZ_CREATE:
		draw_new_set(random, seed, &change);
		break;
	case FUZZ_BYTES:
		draw_bytes(random, seed, &change);
		break;
	case FUZZ_FULL:
		change.detail = (uint8_t)fuzz_draw(random, 4);
		change.a = le32_of(fuzz_draw(random, fuzz_draw(random, 2) ? 512 : 40));
		break;
	default:
		change.a = le32_of(fuzz_draw(random, 60));
		change.b = le32_of(draw_unit(random));
	}
	if (role)
		change.detail |= FUZZ_MIRROR;
	return change;
}

/* ---- variations ---- */

static void insert(struct fuzz_random *random, struct fuzz_input *input,
	struct fuzz_change change)
{
	unsigned at = fuzz_draw(random, input->n_changes + 1);

	if (input->n_changes == FUZZ_CHANGES_MAX)
		return;
	memmove(&input->changes[at + 1], &input->changes[at],
		(input->n_changes - at) * sizeof change);
	input->changes[at] = change;
	input->n_changes++;
}

static void drop(struct fuzz_random *random, struct fuzz_input *input)
{
	unsigned at = fuzz_draw(random, input->n_changes);

	if (input->n_changes == 0)
		return;
	input->n_changes--;
	memmove(&input->changes[at], &input->changes[at + 1],
		(input->n_changes - at) * sizeof *input->changes);
}

static uint32_t nudge(struct fuzz_random *random, uint32_t n)
{
	switch (fuzz_draw(random, 3)) {
	case 0:
		return n + fuzz_draw(random, 9) - 4;
	case 1:
		return n ^ 1u << fuzz_draw(random, 32);
	default:
		return draw_number(random);
	}
}

static void alter(struct fuzz_random *random, struct fuzz_input *input)
{
	struct fuzz_change *change = &input->changes[fuzz_draw(random, input->n_changes)];

	switch (fuzz_draw(random, 5)) {
	case 0:
		change->kind = (uint8_t)fuzz_draw(random, FUZZ_N_KINDS);
		break;
	case 1:
		change->detail = (uint8_t)(change->detail ^ 1u << fuzz_draw(random, 8));
		break;
	case 2:
		change->place = le16_of((uint16_t)nudge(random, le16_get(change->place)));
		break;
	case 3:
		change->a = le32_of(nudge(random, le32_get(change->a)));
		break;
	default:
		change->b = le32_of(nudge(random, le32_get(change->b)));
	}
}

static void vary_head(struct fuzz_random *random, struct fuzz_input *input, unsigned n_roles)
{
	if (fuzz_draw(random, 2) == 0)
		input->options = (uint8_t)(input->options ^ 1u << fuzz_draw(random, 4));
	else
		input->seeds[fuzz_draw(random, n_roles)] = (uint8_t)fuzz_draw(random, FUZZ_N_SEEDS);
}

void fuzz_vary(struct fuzz_random *random, struct fuzz_input *input, unsigned n_roles)
{
	uint32_t what = fuzz_draw(random, 16);

	if (what < 8 || input->n_changes == 0)
		insert(random, input, fuzz_draw_change(random, input, fuzz_draw(random, n_roles)));
	else if (what < 10)
		drop(random, input);
	else if (what < 11)
		insert(random, input, input->changes[fuzz_draw(random, input->n_changes)]);
	else if (what < 15)
		alter(random, input);
	else
		vary_head(random, input, n_roles);
}

void fuzz_cross(struct fuzz_random *random, struct fuzz_input *input,
	const struct fuzz_input *other)
{
	for (unsigned i = 0; i < other->n_changes; i++)
		if (fuzz_draw(random, 2) == 0)
			insert(random, input, other->changes[i]);
}
