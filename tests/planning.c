/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdlib.h>

#include "tests/planning.h"

struct planning *planning_new(struct fixture *primary, struct fixture *mirror)
{
	struct planning *p = calloc(1, sizeof *p);

	ck_assert_ptr_nonnull(p);
	p->context = messages_new_context(&p->messages);
	ck_assert_int_eq(fes_managed_init(&p->managed), 0);
	p->primary.f = primary;
	p->mirror.f = mirror;
	return p;
}

void planning_drop(struct planning *p)
{
	fes_plan_free(p->plan);
	fes_comparison_free(p->comparison);
	fes_digester_stop(p->digester);
	p->plan = NULL;
	p->comparison = NULL;
	p->digester = NULL;
	side_close(&p->primary);
	side_close(&p->mirror);
}

void planning_free(struct planning *p)
{
	planning_drop(p);
	side_done(&p->primary);
	side_done(&p->mirror);
	fes_managed_done(&p->managed);
	fes_free(p->context);
	free(p);
}

static void read_side(struct planning *p, struct side *side, const char *name)
{
	trace_done(&side->trace);
	side->trace.ops = 0;
	side_open(side, p->context, name);
	side_read(side, &p->managed);
	side->trace.ops = TESTDEV_READ;
}

int planning_make(struct planning *p)
{
	planning_drop(p);
	read_side(p, &p->primary, "primary");
	read_side(p, &p->mirror, "mirror");
	ck_assert_int_eq(fes_digester_start(p->primary.tree, &p->digester), 0);
	ck_assert_int_eq(fes_compare(p->primary.tree, p->mirror.tree, p->digester, p->quick,
		&p->comparison), 0);
	return fes_plan_make(p->comparison, p->keep_images, &p->plan);
}
