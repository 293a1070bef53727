/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "lib/seed.h"
#include "tests/fuzz/change.h"
#include "tests/fuzz/judge.h"
#include "tests/fuzz/target.h"

/*
 * Sync one volume to another, either of which may be anything: it is refused and nothing written,
 * or the mirror passes the judge, and a second sync finds nothing to do.
 */

const unsigned fuzz_n_roles = 2;
unsigned fuzz_n_good;

enum {
	OPTION_DRY_RUN = 1 << 0, /* before */
	OPTION_MORE = 1 << 1,    /* is managed: what is foreign else */
	OPTION_KEYS = 1 << 2,    /* are excluded: then /loader is edited in place */
	OPTION_ADDONS = 1 << 3,  /* are excluded: then /EFI/Linux is */
};

struct pair {
	struct fes_context *context;
	struct fes_managed managed;
	struct reader_rules rules;
	struct fuzz_seed *primary_seed, *mirror_seed;
	struct fes_volume *primary;
	struct fes_tree *tree;
};

struct outcome {
	enum fes_mirror_state state;
	uint64_t writes;
	size_t n_changes;
	char message[1024];
};

static void look_at_text(void *userdata, enum fes_log_level level, const char *message)
{
	(void)userdata;
	(void)level;
	if (strchr(message, '\n'))
		fuzz_fail("not one line: %s", message);
}

/* So that an input does the same each time. */
static ssize_t give_entropy(void *buf, size_t len, unsigned flags)
{
	(void)flags;
	memset(buf, 0x5e, len);
	return (ssize_t)len;
}

static void require(int r, const char *what)
{
	if (r < 0)
		fuzz_fail("%s: %s", what, strerror(-r));
}

static bool open_volume(struct fes_context *context, struct fuzz_seed *seed, bool writable,
	const char *name, struct fes_volume **ret)
{
	struct blkdev *dev = fuzz_seed_device(seed, writable);

	if (fes_volume_adopt(context, dev, name, ret, NULL) == 0)
		return true;
	blkdev_close(dev);
	return false;
}

/* ---- one sync ---- */

static struct outcome take_outcome(const struct fes_mirror *mirror)
{
	struct outcome outcome = {
		.state = mirror->state,
		.writes = mirror->stats.writes,
		.n_changes = mirror->n_changes,
	};

	if (mirror->message)
		(void)snprintf(outcome.message, sizeof outcome.message, "%s", mirror->message);
	return outcome;
}

static struct outcome sync_mirror(const struct pair *pair, unsigned flags)
{
	struct fes_mirror mirror = {0};
	struct fes_run run = {
		.context = pair->context,
		.primary = pair->primary,
		.tree = pair->tree,
		.managed = &pair->managed,
		.flags = flags,
	};
	struct outcome outcome;

	if (!open_volume(pair->context, pair->mirror_seed, !(flags & FES_SYNC_DRY_RUN), "mirror",
		    &mirror.volume))
		return (struct outcome){.state = FES_MIRROR_REFUSED};
	require(fes_digester_start(pair->tree, &run.digester), "digester");
	fes_mirror_sync(&mirror, &run);
	fes_digester_stop(run.digester);
	outcome = take_outcome(&mirror);
	fes_mirror_done(&mirror);
	return outcome;
}

/* ---- what must be true of it ---- */

static void check_mirror(const struct pair *pair)
{
	struct fat_check_result result;
	struct fes_volume *volume;

	if (!open_volume(pair->context, pair->mirror_seed, false, "mirror", &volume))
		fuzz_fail("after the sync it is no volume");
	require(fes_volume_require_sound(volume, &result), "after the sync it is damaged");
	if (result.lost_clusters > 0 || result.fat_copies_differ || result.free_count_wrong)
		fuzz_fail("after the sync there is something to tidy up");
	fes_volume_close(volume);
}

static void require_nothing_to_do(const struct pair *pair)
{
	struct outcome again = sync_mirror(pair, 0);

	if (again.state != FES_MIRROR_IN_SYNC || again.writes > 0)
		fuzz_fail("the second sync ends in state %d with %llu writes: %s", (int)again.state,
			(unsigned long long)again.writes, again.message);
}

static void judge_outcome(const struct pair *pair, const struct judge *judge,
	const struct outcome *outcome)
{
	switch (outcome->state) {
	case FES_MIRROR_REFUSED:
		judge_untouched(judge);
		break;
	case FES_MIRROR_IN_SYNC: /* it may have got files of its own */
	case FES_MIRROR_SYNCED:
		judge_synced(judge);
		check_mirror(pair);
		require_nothing_to_do(pair);
		fuzz_n_good++;
		break;
	default:
		fuzz_fail("the sync ends in state %d: %s", (int)outcome->state, outcome->message);
	}
}

static void sync_and_judge(const struct pair *pair, unsigned options)
{
	struct outcome dry = {0}, outcome;
	struct judge judge;

	judge_begin(&judge, pair->primary_seed, pair->mirror_seed, &pair->rules);
	if (options & OPTION_DRY_RUN) {
		dry = sync_mirror(pair, FES_SYNC_DRY_RUN);
		judge_untouched(&judge);
	}
	outcome = sync_mirror(pair, 0);
	judge_outcome(pair, &judge, &outcome);
	if (options & OPTION_DRY_RUN &&
		(dry.state == FES_MIRROR_DIFFERS) != (outcome.state == FES_MIRROR_SYNCED))
		fuzz_fail("the dry run ends in state %d, the sync in %d: %s", (int)dry.state,
			(int)outcome.state, outcome.message);
	if (options & OPTION_DRY_RUN && dry.n_changes != outcome.n_changes)
		fuzz_fail("%zu changes in the dry run, %zu in the sync", dry.n_changes,
			outcome.n_changes);
	judge_end(&judge);
}

/* ---- the pair ---- */

static void choose_managed(struct pair *pair, unsigned options)
{
	require(fes_managed_init(&pair->managed), "managed set");
	if (options & OPTION_MORE)
		pair->rules.managed = "/EFI/Microsoft/Boot";
	if (options & OPTION_KEYS)
		pair->rules.excluded = "/loader/keys";
	else if (options & OPTION_ADDONS)
		pair->rules.excluded = "/EFI/Linux/arch.efi.extra.d";
	if (pair->rules.managed)
		require(fes_managed_add(&pair->managed, pair->rules.managed), "managed set");
	if (pair->rules.excluded)
		require(fes_managed_exclude(&pair->managed, pair->rules.excluded), "managed set");
}

static void use_primary(struct pair *pair, unsigned options)
{
	struct fat_check_result result;

	if (fes_volume_require_sound(pair->primary, &result) < 0 ||
		fes_tree_read(pair->primary, &pair->managed, &pair->tree) < 0)
		return;
	sync_and_judge(pair, options);
	fes_tree_free(pair->tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_input_decode(data, size);
	struct pair pair = {
		.primary_seed = fuzz_seed_get(input.seeds[0], 0),
		.mirror_seed = fuzz_seed_get(input.seeds[1], 1),
	};

	fuzz_input_apply(&input, pair.primary_seed, 0);
	fuzz_input_apply(&input, pair.mirror_seed, 1);
	require(fes_new(&pair.context), "context");
	fes_set_log(pair.context, look_at_text, NULL);
	fes_set_entropy(pair.context, give_entropy);
	choose_managed(&pair, input.options);
	if (open_volume(pair.context, pair.primary_seed, false, "primary", &pair.primary)) {
		use_primary(&pair, input.options);
		fes_volume_close(pair.primary);
	}
	fes_managed_done(&pair.managed);
	fes_free(pair.context);
	fuzz_seed_reset(pair.primary_seed);
	fuzz_seed_reset(pair.mirror_seed);
	return 0;
}
