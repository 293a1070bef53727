/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>

#include "tests/powercut.h"

/* How thoroughly a case is tried, and that it is proved. */

struct cut_effort cut_effort_for(const struct cut_shape *shape, const struct cut_normal *normal)
{
	/* In the order of the struct: states and hidden ones per epoch; every so many of the rest. */
	static const struct cut_effort full = {CUT_EXHAUSTIVE, 40, 1, 211, 1, 1, 5, 64, 5};
	static const struct cut_effort full32 = {CUT_EXHAUSTIVE, 20, 2, 211, 3, 3, 31, 24, 7};
	static const struct cut_effort quick = {60, 10, 5, 61, 40, 97, 34, 6, 7};
	static const struct cut_effort quick32 = {12, 4, 7, 47, 60, 97, 94, 4, 7};
	bool is_fat32 = shape->fat_bits == 32;

	if (cut_level() == CUT_FULL)
		return is_fat32 ? full32 : full;
	if (cut_level() == CUT_QUICK)
		return is_fat32 ? quick32 : quick;
	return is_fat32 ? normal->fat32 : normal->others;
}

struct write_log *cut_record_good(struct cut_case *c, struct fault *fault)
{
	struct write_log *log;

	ck_assert_msg(cut_record(c, fault, &log) == FES_MIRROR_SYNCED, "%s", cut_case_fault(c));
	return log;
}

void cut_prove(struct cut_case *c, const struct cut_effort *effort)
{
	struct write_log *log = cut_record_good(c, NULL);

	ck_assert_msg(cut_enumerate(c, log, effort), "%s", cut_case_fault(c));
	ck_assert_msg(write_log_n_versions(log, write_log_n_epochs(log) - 1) == 0,
		"what was written last is not durable when the sync ends");
	write_log_free(log);
}
