/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"

/*
 * Free space as a list of runs in ascending order, made once per transaction. Allocation takes
 * clusters out of the list only; the table learns of them when the transaction is run, so that a
 * plan that does not fit costs nothing.
 */
struct fat_space_map {
	struct fat_extent *runs; /* count may be 0: used up */
	uint32_t n_runs;
	uint64_t n_clusters;
	uint32_t first_fit; /* runs before this one are used up */
};

static bool is_free(const struct fat_volume *vol, uint32_t cluster)
{
	uint32_t next = fat_next(vol, cluster);

	if (next == FAT_FREE)
		return true;
	return next != FAT_BAD && !fat_bit_get(vol->reachable, cluster);
}

static int add_run(struct fat_space_map *map, struct fat_extent run, uint32_t *room)
{
	if (map->n_runs == *room) {
		uint32_t more = *room ? *room * 2 : 64;
		struct fat_extent *runs = realloc(map->runs, (size_t)more * sizeof *runs);

		if (!runs)
			return -ENOMEM;
		map->runs = runs;
		*room = more;
	}
	map->runs[map->n_runs++] = run;
	map->n_clusters += run.count;
	return 0;
}

int fat_space_map_new(const struct fat_volume *vol, struct fat_space_map **ret)
{
	struct fat_space_map *map = calloc(1, sizeof *map);
	uint32_t room = 0, end = vol->geo.n_clusters + 2;
	int r = 0;

	if (!map)
		return -ENOMEM;
	for (uint32_t c = 2; r == 0 && c < end; c++) {
		uint32_t first = c;

		while (c < end && is_free(vol, c))
			c++;
		if (c > first)
			r = add_run(map, (struct fat_extent){first, c - first}, &room);
	}
	if (r < 0) {
		fat_space_map_free(map);
		return r;
	}
	*ret = map;
	return 0;
}

void fat_space_map_free(struct fat_space_map *map)
{
	if (!map)
		return;
	free(map->runs);
	free(map);
}

uint64_t fat_space_map_clusters(const struct fat_space_map *map)
{
	return map->n_clusters;
}

/* Take the first @count clusters of run @i. */
static struct fat_extent take_from(struct fat_space_map *map, uint32_t i, uint32_t count)
{
	struct fat_extent *run = &map->runs[i];
	struct fat_extent taken = {run->first, count};

	run->first += count;
	run->count -= count;
	map->n_clusters -= count;
	return taken;
}

static int compare_counts(const void *a, const void *b, void *userdata)
{
	const struct fat_extent *runs = userdata;
	uint32_t ia = *(const uint32_t *)a, ib = *(const uint32_t *)b;

	if (runs[ia].count != runs[ib].count)
		return runs[ia].count > runs[ib].count ? -1 : 1;
	return ia < ib ? -1 : ia > ib;
}

static int compare_firsts(const void *a, const void *b)
{
	uint32_t fa = ((const struct fat_extent *)a)->first, fb = ((const struct fat_extent *)b)->first;

	return fa < fb ? -1 : fa > fb;
}

/* No single run is long enough: the longest ones together, in ascending order. */
static int take_longest(struct fat_space_map *map, uint32_t count, struct fat_extents *ret)
{
	uint32_t *order = malloc((size_t)map->n_runs * sizeof *order);
	struct fat_extents extents = {0};
	uint32_t left = count;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < map->n_runs; i++)
		order[i] = i;
	qsort_r(order, map->n_runs, sizeof *order, compare_counts, map->runs);
	for (uint64_t sum = 0; sum < count; extents.n++)
		sum += map->runs[order[extents.n]].count;
	extents.list = malloc((size_t)extents.n * sizeof *extents.list);
	for (uint32_t i = 0; extents.list && i < extents.n; i++) {
		uint32_t here = map->runs[order[i]].count;

		extents.list[i] = take_from(map, order[i], here < left ? here : left);
		left -= extents.list[i].count;
	}
	free(order);
	if (!extents.list)
		return -ENOMEM;
	qsort(extents.list, extents.n, sizeof *extents.list, compare_firsts);
	*ret = extents;
	return 0;
}

int fat_space_map_take(struct fat_space_map *map, uint32_t count, struct fat_extents *ret)
{
	uint32_t i;

	if (count == 0) {
		*ret = (struct fat_extents){0};
		return 0;
	}
	if (count > map->n_clusters)
		return -ENOSPC;
	while (map->first_fit < map->n_runs && map->runs[map->first_fit].count == 0)
		map->first_fit++;
	for (i = map->first_fit; i < map->n_runs; i++)
		if (map->runs[i].count >= count)
			break;
	if (i == map->n_runs)
		return take_longest(map, count, ret);
	ret->list = malloc(sizeof *ret->list);
	if (!ret->list)
		return -ENOMEM;
	ret->list[0] = take_from(map, i, count);
	ret->n = 1;
	return 0;
}

/* Take cluster @cluster out of the middle of run @i; the tail becomes a run of its own. */
static bool split_run(struct fat_space_map *map, uint32_t i, uint32_t cluster)
{
	struct fat_extent run = map->runs[i];
	struct fat_extent *runs;
	uint32_t before = cluster - run.first, after = run.count - before - 1;

	if (after > 0 && before > 0) {
		runs = realloc(map->runs, ((size_t)map->n_runs + 1) * sizeof *runs);
		if (!runs)
			return false;
		memmove(runs + i + 2, runs + i + 1, (map->n_runs - i - 1) * sizeof *runs);
		runs[i + 1] = (struct fat_extent){cluster + 1, after};
		map->runs = runs;
		map->n_runs++;
	}
	map->runs[i] = before > 0 ? (struct fat_extent){run.first, before}
				  : (struct fat_extent){cluster + 1, after};
	map->n_clusters--;
	return true;
}

uint32_t fat_space_map_take_one(struct fat_space_map *map,
	bool (*fits)(uint32_t cluster, const void *userdata), const void *userdata)
{
	for (uint32_t i = 0; i < map->n_runs; i++)
		for (uint32_t j = 0; j < map->runs[i].count; j++) {
			uint32_t cluster = map->runs[i].first + j;

			if (fits(cluster, userdata))
				return split_run(map, i, cluster) ? cluster : 0;
		}
	return 0;
}
