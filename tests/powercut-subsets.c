/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/powercut.h"

/* How much is tried: which states are built, and which have been built before. */

enum { N_RANDOM = 2000, FIRST_ROOM = 1024 };

/* splitmix64, Sebastiano Vigna, public domain: https://prng.di.unimi.it/splitmix64.c */
uint64_t cut_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

enum cut_level cut_level(void)
{
	if (getenv("FATESPSYNC_TEST_QUICK"))
		return CUT_QUICK;
	return getenv("FATESPSYNC_TEST_FULL") ? CUT_FULL : CUT_NORMAL;
}

void cut_totals_print(const struct cut_totals *totals)
{
	printf("%llu states, %llu of them while recovering; %llu distinct ones judged; "
	       "%llu recoveries; fsck.fat asked %llu times, mtools %llu times\n",
		(unsigned long long)totals->states, (unsigned long long)totals->nested,
		(unsigned long long)totals->distinct, (unsigned long long)totals->recoveries,
		(unsigned long long)totals->fsck_runs, (unsigned long long)totals->mtools_runs);
}

/* ---- subsets ---- */

static bool takes_all(const struct cut_subsets *subsets)
{
	return subsets->n < 32 && UINT64_C(1) << subsets->n <= subsets->cap;
}

static uint64_t count_pairs(uint64_t n)
{
	return n * (n - 1) / 2;
}

static uint64_t count_listed(const struct cut_subsets *subsets)
{
	return 2 + 4 * subsets->n + 2 * count_pairs(subsets->n) + N_RANDOM;
}

static bool takes_whole_list(const struct cut_subsets *subsets)
{
	return subsets->cap >= CUT_EXHAUSTIVE || count_listed(subsets) <= subsets->cap;
}

uint64_t cut_subsets_count(const struct cut_subsets *subsets)
{
	if (takes_all(subsets))
		return UINT64_C(1) << subsets->n;
	return takes_whole_list(subsets) ? count_listed(subsets) : subsets->cap;
}

static void set_from(uint8_t *chosen, size_t from, size_t to)
{
	for (size_t v = from; v < to; v++)
		fat_bit_set(chosen, v);
}

/* Pair number @i of things that are all @on and the pair is not, or the other way round. */
static void choose_pair(size_t n, uint64_t i, bool on, uint8_t *chosen)
{
	size_t a = 0;

	while (i >= n - 1 - a)
		i -= n - 1 - a++;
	if (on) {
		fat_bit_set(chosen, a);
		fat_bit_set(chosen, a + 1 + i);
		return;
	}
	set_from(chosen, 0, n);
	fat_bit_clear(chosen, a);
	fat_bit_clear(chosen, a + 1 + i);
}

static void choose_random(const struct cut_subsets *subsets, uint8_t *chosen)
{
	for (size_t v = 0; v < subsets->n; v++)
		if (cut_random(subsets->random) % 2)
			fat_bit_set(chosen, v);
}

/* One of those that differ from none or all by one end: @kind of four, at @at. */
static void choose_single(size_t n, uint64_t kind, size_t at, uint8_t *chosen)
{
	if (kind == 0) {
		set_from(chosen, 0, n);
		fat_bit_clear(chosen, at);
	} else if (kind == 1) {
		fat_bit_set(chosen, at);
	} else if (kind == 2) {
		set_from(chosen, 0, at + 1);
	} else {
		set_from(chosen, at, n);
	}
}

static void choose_listed(const struct cut_subsets *subsets, uint64_t i, uint8_t *chosen)
{
	size_t n = subsets->n;
	uint64_t pairs = count_pairs(n);

	if (i < 2) {
		set_from(chosen, 0, i * n);
		return;
	}
	i -= 2;
	if (i < 4 * n)
		choose_single(n, i / n, i % n, chosen);
	else if (i < 4 * n + 2 * pairs)
		choose_pair(n, (i - 4 * n) % pairs, i - 4 * n < pairs, chosen);
	else
		choose_random(subsets, chosen);
}

void cut_subsets_choose(const struct cut_subsets *subsets, uint64_t i, uint8_t *chosen)
{
	memset(chosen, 0, subsets->n / 8 + 1);
	if (takes_all(subsets)) {
		/* none and all first */
		uint64_t last = (UINT64_C(1) << subsets->n) - 1, bits = i == 1 ? last : i == last ? 1 : i;

		for (size_t v = 0; v < subsets->n; v++)
			if (bits >> v & 1)
				fat_bit_set(chosen, v);
		return;
	}
	if (i >= 2 && !takes_whole_list(subsets))
		i = 2 + (i - 2) * (count_listed(subsets) - 2) / (subsets->cap - 2);
	choose_listed(subsets, i, chosen);
}

/* ---- seen ---- */

static uint64_t *find_slot(uint64_t *slots, size_t room, uint64_t hash)
{
	size_t at = hash % room;

	while (slots[at] != 0 && slots[at] != hash)
		at = (at + 1) % room;
	return &slots[at];
}

static void grow(struct cut_seen *seen)
{
	size_t room = seen->room ? seen->room * 2 : FIRST_ROOM;
	uint64_t *slots = calloc(room, sizeof *slots);

	cut_require(slots != NULL, "memory");
	for (size_t i = 0; i < seen->room; i++)
		if (seen->slots[i] != 0)
			*find_slot(slots, room, seen->slots[i]) = seen->slots[i];
	free(seen->slots);
	seen->slots = slots;
	seen->room = room;
}

bool cut_seen_add(struct cut_seen *seen, uint64_t hash)
{
	uint64_t *slot;

	hash += hash == 0;
	if (seen->n * 2 >= seen->room)
		grow(seen);
	slot = find_slot(seen->slots, seen->room, hash);
	if (*slot == hash)
		return false;
	*slot = hash;
	seen->n++;
	return true;
}

void cut_seen_clear(struct cut_seen *seen)
{
	free(seen->slots);
	*seen = (struct cut_seen){0};
}
