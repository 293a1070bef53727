/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Free space. Volumes are pictures, a character per cluster from cluster 2 on:
 * '.' free, '#' in a file, 'L' lost, 'x' bad.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"

enum {
	MAX_CLUSTERS = 256
};

struct test {
	struct fat_volume vol;
	uint32_t next[MAX_CLUSTERS + 2];
	uint8_t reachable[MAX_CLUSTERS / 8 + 2];
	char picture[MAX_CLUSTERS + 1];
	struct fat_space_map *map;
};

static struct test *new_test(const char *picture)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	ck_assert_uint_le(strlen(picture), MAX_CLUSTERS);
	strcpy(t->picture, picture);
	t->vol.geo.n_clusters = (uint32_t)strlen(picture);
	t->vol.table.next = t->next;
	t->vol.reachable = t->reachable;
	for (uint32_t i = 0; picture[i]; i++) {
		t->next[i + 2] = picture[i] == '.'   ? FAT_FREE
				 : picture[i] == 'x' ? FAT_BAD
						     : FAT_EOC;
		if (picture[i] == '#')
			fat_bit_set(t->reachable, i + 2);
	}
	ck_assert_int_eq(fat_space_map_new(&t->vol, &t->map), 0);
	return t;
}

static void free_test(struct test *t)
{
	fat_space_map_free(t->map);
	free(t);
}

/* Mark a cluster in the picture; it must have been free and not taken before. */
static void mark(struct test *t, uint32_t cluster, char mark)
{
	ck_assert_uint_ge(cluster, 2);
	ck_assert_uint_lt(cluster - 2, t->vol.geo.n_clusters);
	ck_assert(t->picture[cluster - 2] == '.' || t->picture[cluster - 2] == 'L');
	t->picture[cluster - 2] = mark;
}

/* Take clusters and mark them. Returns the number of runs, or a negative errno. */
static int take(struct test *t, uint32_t count, char as)
{
	struct fat_extents extents = {0};
	uint32_t sum = 0, last = 0;
	int r = fat_space_map_take(t->map, count, &extents);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < extents.n; i++) {
		ck_assert_uint_gt(extents.list[i].count, 0);
		ck_assert_uint_gt(extents.list[i].first, last); /* a chain runs upwards */
		for (uint32_t j = 0; j < extents.list[i].count; j++)
			mark(t, extents.list[i].first + j, as);
		last = extents.list[i].first + extents.list[i].count - 1;
		sum += extents.list[i].count;
	}
	ck_assert_uint_eq(sum, count);
	free(extents.list);
	return (int)extents.n;
}

START_TEST(test_free_and_lost_clusters_are_free_and_others_never)
{
	struct test *t = new_test("..##xLL#..x");

	ck_assert_uint_eq(fat_space_map_clusters(t->map), 6);
	ck_assert_int_eq(take(t, 6, 'A'), 3);
	ck_assert_str_eq(t->picture, "AA##xAA#AAx");
	ck_assert_uint_eq(fat_space_map_clusters(t->map), 0);
	ck_assert_int_eq(take(t, 1, 'B'), -ENOSPC);
	free_test(t);
}
END_TEST

START_TEST(test_neighbours_that_are_free_and_lost_are_one_run)
{
	struct test *t = new_test("#.LL.#");

	ck_assert_int_eq(take(t, 4, 'A'), 1);
	ck_assert_str_eq(t->picture, "#AAAA#");
	free_test(t);
}
END_TEST

START_TEST(test_one_run_is_taken_if_there_is_one)
{
	struct test *t = new_test("..#...#.....#....");

	ck_assert_int_eq(take(t, 4, 'A'), 1);
	ck_assert_int_eq(take(t, 4, 'B'), 1);
	ck_assert_int_eq(take(t, 3, 'C'), 1);
	ck_assert_int_eq(take(t, 2, 'D'), 1);
	ck_assert_str_eq(t->picture, "DD#CCC#AAAA.#BBBB");
	free_test(t);
}
END_TEST

START_TEST(test_a_run_of_just_the_length_at_the_end_is_found)
{
	struct test *t = new_test(".#.#.#...");

	ck_assert_int_eq(take(t, 3, 'A'), 1);
	ck_assert_str_eq(t->picture, ".#.#.#AAA");
	free_test(t);
}
END_TEST

START_TEST(test_else_as_few_runs_as_possible)
{
	struct test *t = new_test(".#..#....#.#...#.");

	ck_assert_int_eq(take(t, 6, 'A'), 2);
	ck_assert_uint_eq(fat_space_map_clusters(t->map), 6);
	ck_assert_int_eq(take(t, 6, 'B'), 5);
	ck_assert_int_eq(take(t, 1, 'C'), -ENOSPC);
	ck_assert_ptr_null(strchr(t->picture, '.'));
	free_test(t);
}
END_TEST

START_TEST(test_too_many_takes_nothing)
{
	struct test *t = new_test("..#...x.");

	ck_assert_int_eq(take(t, 7, 'A'), -ENOSPC);
	ck_assert_int_eq(take(t, UINT32_MAX, 'A'), -ENOSPC);
	ck_assert_uint_eq(fat_space_map_clusters(t->map), 6);
	ck_assert_int_eq(take(t, 6, 'A'), 3);
	ck_assert_str_eq(t->picture, "AA#AAAxA");
	free_test(t);
}
END_TEST

START_TEST(test_taking_none_needs_no_room)
{
	struct test *t = new_test("####");

	ck_assert_uint_eq(fat_space_map_clusters(t->map), 0);
	ck_assert_int_eq(take(t, 0, 'A'), 0);
	free_test(t);
}
END_TEST

START_TEST(test_a_map_may_be_freed_before_it_was_made)
{
	fat_space_map_free(NULL);
}
END_TEST

/* ---- one cluster with a condition ---- */

static bool is_wanted(uint32_t cluster, const void *userdata)
{
	const uint32_t *wanted = userdata;

	return cluster >= *wanted;
}

static uint32_t take_one(struct test *t, uint32_t from)
{
	uint32_t cluster = fat_space_map_take_one(t->map, is_wanted, &from);

	if (cluster)
		mark(t, cluster, '1');
	return cluster;
}

START_TEST(test_the_first_cluster_that_fits_is_taken_out_of_its_run)
{
	struct test *t = new_test("#.....#.");

	ck_assert_uint_eq(take_one(t, 5), 5); /* in the middle */
	ck_assert_uint_eq(take_one(t, 5), 6); /* at the beginning of what is left */
	ck_assert_uint_eq(take_one(t, 7), 7); /* the last one of it */
	ck_assert_uint_eq(take_one(t, 4), 4); /* at the end of the first part */
	ck_assert_str_eq(t->picture, "#.1111#.");
	ck_assert_uint_eq(fat_space_map_clusters(t->map), 2);
	ck_assert_uint_eq(take_one(t, 10), 0);
	ck_assert_uint_eq(fat_space_map_clusters(t->map), 2);
	ck_assert_int_eq(take(t, 2, 'A'), 2);
	ck_assert_str_eq(t->picture, "#A1111#A");
	ck_assert_uint_eq(take_one(t, 0), 0);
	free_test(t);
}
END_TEST

START_TEST(test_a_cluster_that_was_taken_alone_divides_its_run)
{
	struct test *t = new_test(".......#.");

	ck_assert_uint_eq(take_one(t, 5), 5);
	ck_assert_int_eq(take(t, 4, 'A'), 2);
	ck_assert_int_eq(take(t, 3, 'B'), 2);
	ck_assert_ptr_null(strchr(t->picture, '.'));
	free_test(t);
}
END_TEST

/* ---- anything ---- */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* In how many runs at least @count clusters of the picture lie. */
static int fewest_runs(const char *picture, uint32_t count)
{
	uint32_t lengths[MAX_CLUSTERS + 1] = {0}, run = 0;
	int n = 0;

	for (const char *at = picture;; at++) {
		if (*at == '.' || *at == 'L') {
			run++;
			continue;
		}
		lengths[run]++;
		run = 0;
		if (!*at)
			break;
	}
	for (uint32_t len = MAX_CLUSTERS; len > 0; len--)
		for (; lengths[len] > 0 && count > 0; lengths[len]--, n++)
			count = count > len ? count - len : 0;
	return count > 0 ? -ENOSPC : n;
}

/* mark() fails when a cluster is given twice or was never free. */
START_TEST(test_whatever_the_volume_looks_like)
{
	uint32_t state = (uint32_t)_i + 1;
	char picture[MAX_CLUSTERS + 1] = "";
	size_t len = 1 + next_random(&state) % MAX_CLUSTERS;
	uint32_t used = next_random(&state) % 8;
	struct test *t;

	for (size_t i = 0; i < len; i++)
		picture[i] = next_random(&state) % 8 < used ? "#x"[next_random(&state) % 2]
							    : "..L"[next_random(&state) % 3];
	t = new_test(picture);
	for (int i = 0; i < 30; i++) {
		uint32_t count = next_random(&state) % 20;
		int want = fewest_runs(t->picture, count);

		if (i % 4 == 3)
			(void)take_one(t, next_random(&state) % MAX_CLUSTERS);
		else
			ck_assert_int_eq(take(t, count, 'A'), want);
	}
	free_test(t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("alloc");
	TCase *tc = tcase_create("alloc");

	tcase_add_test(tc, test_free_and_lost_clusters_are_free_and_others_never);
	tcase_add_test(tc, test_neighbours_that_are_free_and_lost_are_one_run);
	tcase_add_test(tc, test_one_run_is_taken_if_there_is_one);
	tcase_add_test(tc, test_a_run_of_just_the_length_at_the_end_is_found);
	tcase_add_test(tc, test_else_as_few_runs_as_possible);
	tcase_add_test(tc, test_too_many_takes_nothing);
	tcase_add_test(tc, test_taking_none_needs_no_room);
	tcase_add_test(tc, test_a_map_may_be_freed_before_it_was_made);
	tcase_add_test(tc, test_the_first_cluster_that_fits_is_taken_out_of_its_run);
	tcase_add_test(tc, test_a_cluster_that_was_taken_alone_divides_its_run);
	tcase_add_loop_test(tc, test_whatever_the_volume_looks_like, 0, 50);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
