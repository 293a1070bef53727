/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

/*
 * A set of byte strings: open addressing with linear probing over one growing store of bytes,
 * so that directories of thousands of entries are searched for duplicates in linear time.
 */

struct slot {
	uint32_t hash;
	uint32_t offset; /* in the store, plus 1; 0: empty */
	uint32_t len;
};

struct fat_nameset {
	struct slot *slots;
	size_t n_slots; /* power of two */
	size_t n_used;
	uint8_t *store;
	size_t store_len, store_size;
};

struct fat_nameset *fat_nameset_new(void)
{
	struct fat_nameset *set = calloc(1, sizeof *set);

	if (!set)
		return NULL;
	set->n_slots = 64;
	set->slots = calloc(set->n_slots, sizeof *set->slots);
	if (!set->slots) {
		free(set);
		return NULL;
	}
	return set;
}

void fat_nameset_free(struct fat_nameset *set)
{
	if (!set)
		return;
	free(set->slots);
	free(set->store);
	free(set);
}

static uint32_t hash_bytes(const uint8_t *bytes, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

/* The slot that holds the bytes, or the empty one where they belong. */
static struct slot *find(const struct fat_nameset *set, uint32_t hash, const void *bytes, size_t len)
{
	size_t i = hash & (set->n_slots - 1);

	for (;; i = (i + 1) & (set->n_slots - 1)) {
		struct slot *slot = &set->slots[i];

		if (slot->offset == 0)
			return slot;
		if (slot->hash == hash && slot->len == len &&
			memcmp(set->store + slot->offset - 1, bytes, len) == 0)
			return slot;
	}
}

static int grow_slots(struct fat_nameset *set)
{
	struct fat_nameset bigger = *set;

	bigger.n_slots = set->n_slots * 2;
	bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < set->n_slots; i++) {
		const struct slot *old = &set->slots[i];

		if (old->offset != 0)
			*find(&bigger, old->hash, set->store + old->offset - 1, old->len) = *old;
	}
	free(set->slots);
	*set = bigger;
	return 0;
}

static int store_bytes(struct fat_nameset *set, const void *bytes, size_t len)
{
	if (set->store_len + len > UINT32_MAX / 2)
		return -ENOMEM;
	if (set->store_len + len > set->store_size) {
		size_t size = (set->store_len + len) * 2;
		uint8_t *store = realloc(set->store, size);

		if (!store)
			return -ENOMEM;
		set->store = store;
		set->store_size = size;
	}
	if (len > 0)
		memcpy(set->store + set->store_len, bytes, len);
	set->store_len += len;
	return 0;
}

int fat_nameset_add(struct fat_nameset *set, const void *bytes, size_t len)
{
	uint32_t hash = hash_bytes(bytes, len);
	struct slot *slot = find(set, hash, bytes, len);
	int r;

	if (slot->offset != 0)
		return 0;
	if (set->n_used + 1 > set->n_slots / 2) {
		r = grow_slots(set);
		if (r < 0)
			return r;
		slot = find(set, hash, bytes, len);
	}
	r = store_bytes(set, bytes, len);
	if (r < 0)
		return r;
	*slot = (struct slot){hash, (uint32_t)(set->store_len - len) + 1, (uint32_t)len};
	set->n_used++;
	return 1;
}

bool fat_nameset_has(const struct fat_nameset *set, const void *bytes, size_t len)
{
	return find(set, hash_bytes(bytes, len), bytes, len)->offset != 0;
}
