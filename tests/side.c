/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdlib.h>

#include "tests/side.h"

void side_open(struct side *side, struct fes_context *context, const char *name)
{
	struct blkdev *dev;

	ck_assert_int_eq(memdev_wrap(side->f->bytes, side->f->size, 512, &side->memory), 0);
	ck_assert_int_eq(faultdev_new(side->memory, &side->fault, &side->faulty), 0);
	ck_assert_int_eq(tracedev_new(side->faulty, &side->trace, &dev), 0);
	ck_assert_int_eq(fes_volume_adopt(context, dev, name, &side->volume, NULL), 0);
}

void side_check(struct side *side)
{
	struct fat_check_result result;

	ck_assert_int_eq(fes_volume_require_sound(side->volume, &result), 0);
}

void side_read(struct side *side, const struct fes_managed *managed)
{
	side_check(side);
	ck_assert_int_eq(fes_tree_read(side->volume, managed, &side->tree), 0);
}

void side_close(struct side *side)
{
	fes_tree_free(side->tree);
	fes_volume_close(side->volume);
	blkdev_close(side->faulty);
	blkdev_close(side->memory);
	side->tree = NULL;
	side->volume = NULL;
	side->faulty = side->memory = NULL;
}

void side_done(struct side *side)
{
	side_close(side);
	trace_done(&side->trace);
	if (side->f)
		fixture_free(side->f);
	side->f = NULL;
}

struct esp *esp_new(struct fixture *fixture)
{
	struct esp *esp = calloc(1, sizeof *esp);

	ck_assert_ptr_nonnull(esp);
	esp->context = messages_new_context(&esp->messages);
	esp->side.f = fixture;
	side_open(&esp->side, esp->context, "esp");
	return esp;
}

void esp_free(struct esp *esp)
{
	side_done(&esp->side);
	fes_free(esp->context);
	free(esp);
}
