/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/needs.h"

struct finder {
	const struct fes_plan *plan;
	const struct fes_comparison *c;
	const char *running; /* see struct fes_run */
	bool *keep; /* [mirror id]: may not go, whatever the primary has */
	struct fes_removals *found;
};

/*
 * Of the profiles of an image all but the first are entries of their own: "x.efi@ID" (systemd,
 * src/boot/boot.c, boot_entry_add_type2()). An ID may hold anything, and so may a name.
 */
static bool is_profile_of(const char *running, const char *identity)
{
	size_t len = strlen(identity);

	return strncmp(running, identity, len) == 0 && running[len] == '@';
}

static bool is_running(const struct finder *finder, const struct fes_node *choice)
{
	char identity[FAT_NAME_MAX], running[FAT_NAME_MAX];

	if (!finder->running)
		return false;
	(void)fes_bls_identity(choice->name, identity);
	(void)fes_bls_identity(finder->running, running);
	return strcmp(identity, running) == 0 ||
		(fes_bls_is_image_name(choice->name) && is_profile_of(running, identity));
}

/* Boot counting tells more than what runs now, and that more than a name. */
static bool is_better(const struct finder *finder, const struct fes_node *choice,
	const struct fes_node *than)
{
	bool bad = fes_bls_is_bad(choice->name), running = is_running(finder, choice);

	if (bad != fes_bls_is_bad(than->name))
		return !bad;
	if (choice->program != than->program)
		return than->program;
	if (running != is_running(finder, than))
		return running;
	return strverscmp(choice->name, than->name) > 0;
}

static bool is_doubtful(const struct fes_node *choice)
{
	return choice->program || fes_bls_is_bad(choice->name);
}

/*
 * The choice without which the mirror would have none that can be booted: the best of those that
 * go. NULL when one stays anyhow; but one that boot counting has found bad, or of which no more is known
 * than that it is an EFI program, does only where no other is left.
 */
static const struct fes_node *find_last_choice(const struct finder *finder)
{
	const struct fes_comparison *c = finder->c;
	const struct fes_node *last = NULL, *doubtful = NULL; /* goes; stays, but */

	for (size_t i = 0; i < c->mirror->n_nodes; i++) {
		const struct fes_node *m = c->mirror->nodes[i];

		if (!fes_node_is_choice(m) || !m->complete)
			continue;
		if (c->back[m->id] && !is_doubtful(m))
			return NULL;
		if (c->back[m->id])
			doubtful = m;
		else if (!last || is_better(finder, m, last))
			last = m;
	}
	return doubtful && last && is_doubtful(last) ? NULL : last;
}

static bool stays(const struct finder *finder, const struct fes_node *m)
{
	bool moved = finder->plan->moved[m->id] && !m->directory;

	if (m->role != FES_MANAGED || moved || finder->c->back[m->id] || finder->keep[m->id])
		return true;
	for (size_t i = 0; i < m->n_children; i++)
		if (stays(finder, m->children[i]))
			return true;
	return false;
}

/* An entry that stays, be it to be replaced later, still names what the mirror has now. */
static int read_references(const struct finder *finder, struct fes_references **ret)
{
	const struct fes_tree *mirror = finder->c->mirror;
	bool *goes = calloc(mirror->n_nodes, sizeof *goes);
	int r;

	if (!goes)
		return -ENOMEM;
	for (size_t i = 0; i < mirror->n_nodes; i++)
		goes[i] = !stays(finder, mirror->nodes[i]);
	r = fes_references_new(mirror, goes, ret);
	free(goes);
	return r;
}

static int keep_payload(struct finder *finder)
{
	const struct fes_tree *mirror = finder->c->mirror;
	struct fes_references *references;
	int r = read_references(finder, &references);

	if (r < 0)
		return r;
	for (size_t i = 0; i < mirror->n_nodes; i++) {
		const struct fes_node *m = mirror->nodes[i];

		if (m->role == FES_MANAGED && fes_phase_of(m) == FES_PHASE_PAYLOAD &&
			fes_references_has(references, m))
			finder->keep[m->id] = true;
	}
	fes_references_free(references);
	return 0;
}

static bool lies_in_companion(const struct fes_node *node)
{
	for (; node; node = node->parent)
		if (fes_node_is_companion(node))
			return true;
	return false;
}

/* With what images take along: which of it belongs to this one does not matter. */
static void keep_choice(struct finder *finder, const struct fes_node *choice)
{
	const struct fes_tree *mirror = finder->c->mirror;

	finder->keep[choice->id] = true;
	for (size_t i = 0; i < mirror->n_nodes; i++)
		finder->keep[i] |= lies_in_companion(mirror->nodes[i]);
}

static void keep_running(struct finder *finder)
{
	const struct fes_tree *mirror = finder->c->mirror;

	for (size_t i = 0; i < mirror->n_nodes; i++)
		if (fes_node_is_choice(mirror->nodes[i]) && is_running(finder, mirror->nodes[i]))
			keep_choice(finder, mirror->nodes[i]);
}

static int protect_choices(struct finder *finder, bool running)
{
	const struct fes_node *choice = find_last_choice(finder);

	if (choice)
		keep_choice(finder, choice);
	if (running)
		keep_running(finder);
	return keep_payload(finder);
}

/* A directory counts as one cluster: the estimate errs on the safe side. */
static uint64_t bytes_of(const struct fes_volume *volume, const struct fes_node *m)
{
	uint64_t cluster = volume->info.cluster_size, len = m->directory ? 1 : m->size;
	uint64_t bytes = (len + cluster - 1) / cluster * cluster;

	for (size_t i = 0; i < m->n_children; i++)
		bytes += bytes_of(volume, m->children[i]);
	return bytes;
}

/* The topmost nodes below @m that can go whole. */
static void collect(struct finder *finder, const struct fes_node *m, enum fes_phase phase)
{
	struct fes_removals *found = finder->found;

	for (size_t i = 0; i < m->n_children; i++) {
		const struct fes_node *mc = m->children[i];

		if (mc->role == FES_FOREIGN)
			continue;
		if (stays(finder, mc)) {
			collect(finder, mc, phase);
			continue;
		}
		if (fes_phase_of(mc) != phase)
			continue;
		found->nodes[found->n++] = mc;
		found->bytes += bytes_of(finder->c->mirror->volume, mc);
	}
}

static int find(const struct fes_plan *plan, const char *running, bool keep,
	struct fes_removals *ret)
{
	const struct fes_comparison *c = plan->comparison;
	struct fes_removals found = {.nodes = calloc(c->mirror->n_nodes, sizeof(*found.nodes))};
	struct finder finder = {.plan = plan, .c = c, .running = running, .found = &found};
	int r = -ENOMEM;

	finder.keep = calloc(c->mirror->n_nodes, sizeof *finder.keep);
	if (found.nodes && finder.keep)
		r = protect_choices(&finder, keep);
	if (r == 0) {
		collect(&finder, c->mirror->root, FES_PHASE_LOADER);
		collect(&finder, c->mirror->root, FES_PHASE_PAYLOAD);
		*ret = found;
	}
	free(finder.keep);
	if (r < 0)
		fes_removals_done(&found);
	return r;
}

int fes_removals_find(const struct fes_plan *plan, const char *running, uint64_t wanted,
	struct fes_removals *ret)
{
	int r = find(plan, running, running != NULL, ret);

	if (r < 0 || !running || ret->bytes >= wanted)
		return r;
	fes_removals_done(ret);
	return find(plan, running, false, ret);
}

void fes_removals_done(struct fes_removals *removals)
{
	free(removals->nodes);
	*removals = (struct fes_removals){0};
}
