/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For the tests of plans. A plan is compared as text: its commits in their order, a line each, then
 * what it tells people.
 */

#include <check.h>

#include "tests/planning.h"

enum {
	FAT12 = 0,
	FAT16 = 1,
	FAT32 = 2,
	PLAN_N_COMMON = 8,
	PLAN_TEXT_LEN = 4096,
};

/* Volumes of FAT16 and FAT12 with these files. */
#define PLANNING_OF(primary, mirror)                                                   \
	planning_new(fixture_new(FAT16, primary, sizeof(primary) / sizeof *(primary)), \
		fixture_new(FAT12, mirror, sizeof(mirror) / sizeof *(mirror)))

/* Two volumes with the same files, to be changed with mtools. */
extern const struct fixture_file plan_common[PLAN_N_COMMON];
struct planning *plan_new_common(void);

/* What counts as managed, as --manage and --exclude say it. */
void plan_manage(struct planning *t, const char *path);
void plan_exclude(struct planning *t, const char *path);

/* A line for each commit of @plan, then one for each change. */
void plan_print(char text[PLAN_TEXT_LEN], const struct fes_plan *plan);

/* Plan: @text is what comes out. */
void plan_expect(struct planning *t, const char *text);

/* Carry it out; another plan is empty then, and the mirror in best order. */
void plan_settle(struct planning *t);
void plan_expect_and_settle(struct planning *t, const char *text);

/* The clusters of the file at @path begin where they did, at @cluster. */
void plan_expect_kept(struct planning *t, const char *path, uint32_t cluster);

/* A case @name of @suite: each of @tests runs with _i from 0 to @loops - 1. */
void plan_add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n, int loops);
