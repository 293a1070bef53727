/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/syncing.h"

static void close_primary(struct syncing *s)
{
	fes_digester_stop(s->digester);
	s->digester = NULL;
	side_close(&s->primary);
}

void syncing_read_primary(struct syncing *s)
{
	close_primary(s);
	side_open(&s->primary, s->context, "primary");
	side_read(&s->primary, &s->managed);
	ck_assert_int_eq(fes_digester_start(s->primary.tree, &s->digester), 0);
}

struct syncing *syncing_new(struct fixture *primary, struct fixture *mirror)
{
	struct syncing *s = calloc(1, sizeof *s);

	ck_assert_ptr_nonnull(s);
	s->context = messages_new_context(&s->messages);
	ck_assert_int_eq(fes_managed_init(&s->managed), 0);
	s->primary.f = primary;
	s->mirror.f = mirror;
	syncing_read_primary(s);
	return s;
}

void syncing_free(struct syncing *s)
{
	close_primary(s);
	side_done(&s->primary);
	side_done(&s->mirror);
	fes_managed_done(&s->managed);
	fes_free(s->context);
	free(s);
}

static void take_result(struct syncing *s, const struct fes_mirror *mirror)
{
	const char *note = fes_mirror_get_note(mirror, 0);

	(void)snprintf(s->message, sizeof s->message, "%s", mirror->message ? mirror->message : "");
	(void)snprintf(s->note, sizeof s->note, "%s", note ? note : "");
	s->stats = mirror->stats;
}

enum fes_mirror_state syncing_run(struct syncing *s)
{
	struct fes_mirror mirror = {.spec.kind = s->kind};
	struct fes_run run = {
		.context = s->context,
		.primary = s->primary.volume,
		.tree = s->primary.tree,
		.managed = &s->managed,
		.digester = s->digester,
		.flags = s->flags,
		.random_seed = s->random_seed,
	};
	enum fes_mirror_state state;

	side_open(&s->mirror, s->context, "mirror");
	mirror.volume = s->mirror.volume;
	s->mirror.volume = NULL; /* it is the mirror's now */
	fes_mirror_sync(&mirror, &run);
	state = mirror.state;
	take_result(s, &mirror);
	fes_mirror_done(&mirror);
	side_close(&s->mirror);
	return state;
}
