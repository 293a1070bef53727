/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "fat/internal.h"
#include "tests/powercut.h"

/*
 * A case is a mirror, a primary, and a log of the sync between them. Between two flushes a
 * power cut leaves any subset of the sectors written: powercut-subsets.c says which are built.
 * What is written where no reader looks is not enumerated; random subsets of it must do, the rest
 * filled with garbage (a sector that is torn in no way a device would tear it).
 *
 * All states are made in one image by changing sectors, and changing them back. A hash of it that
 * follows each change tells which states have been there before, of which there are many: "all of
 * this epoch" is "nothing of the next".
 */

/* Calls to a device, one of which interrupts the sync. */
struct tap {
	struct fes_context *context;
	_Atomic uint64_t n;           /* calls so far */
	uint64_t nth;                 /* the one that interrupts, 0: none */
	_Atomic uint64_t more_writes; /* that began after the interruption, through either tap */
	_Atomic uint64_t more_flushes;
};

/* A primary, opened. */
struct source {
	struct cut_image image;
	struct blkdev *below; /* of the tap */
	struct tap tap;
	struct fes_volume *volume;
	struct fes_tree *tree;
	struct fes_digester *digester;
};

struct cut_case {
	const char *dir;
	const struct cut_shape *shape;
	struct cut_totals *totals;
	struct fes_context *context;
	struct fes_managed managed; /* as the sync is told */
	struct fes_managed judged;  /* ... and what it has to find out */
	struct fes_managed judged_of_primary; /* see struct cut_judge */
	struct source primary;
	struct source other;     /* no volume: none */
	struct source *in_force; /* one of the two */
	struct cut_image start;
	struct cut_image work; /* equal to start but while states are made in it */
	uint64_t hash;         /* of what is in it */
	struct cut_seen seen;
	struct cut_judge judge;
	uint64_t random;
	uint64_t counter; /* of distinct states, for what is done to every nth */
	uint64_t commits; /* distinct states around commits */
	uint64_t finals;  /* distinct states in which recoveries ended */
	bool removed_first, lacked_room;
	char message[1024]; /* the last one of the library */
	char fault[4096];
};

/* A mirror's own files have the time of the sync: states that differ in nothing else are one. */
time_t __wrap_time(time_t *ret);
time_t __wrap_time(time_t *ret)
{
	const time_t now = 1800000000;

	if (ret)
		*ret = now;
	return now;
}

__attribute__((format(printf, 2, 3))) static bool fault(struct cut_case *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(c->fault, sizeof c->fault, format, args);
	va_end(args);
	return false;
}

/* ---- the image in which states are made ---- */

enum { UNIT = 512 }; /* bytes that are hashed together */

static void put(struct cut_case *c, uint64_t offset, const uint8_t *data, size_t len)
{
	uint8_t *at = c->work.bytes + offset;

	for (size_t i = 0; i < len; i += UNIT)
		c->hash ^= XXH3_64bits_withSeed(at + i, UNIT, offset + i) ^
			XXH3_64bits_withSeed(data + i, UNIT, offset + i);
	memcpy(at, data, len);
}

/* What has been done to a state; it need not be done again to an equal one. */
enum done {
	DONE_JUDGED = 1,
	DONE_RECOVERED,
	DONE_FINAL, /* a good sync ended in it, and the one after wrote nothing */
	DONE_NESTED,
};

static bool first_time(struct cut_case *c, enum done done)
{
	bool other = c->in_force == &c->other;

	return cut_seen_add(&c->seen, c->hash ^ (uint64_t)done << 56 ^ (uint64_t)other << 60);
}

/* ---- a device over it whose writes can be taken back ---- */

struct undo {
	struct cut_case *c;
	struct undo_sector {
		uint64_t offset;
		uint8_t before[UNIT];
	} *sectors;
	size_t n, room;
};

static int undo_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	const struct undo *undo = impl;

	memcpy(buf, undo->c->work.bytes + offset, len);
	return 0;
}

static int undo_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	const uint8_t *bytes = buf;
	struct undo *undo = impl;

	for (size_t at = 0; at < len; at += UNIT) {
		if (undo->n == undo->room) {
			undo->room = undo->room ? undo->room * 2 : 64;
			undo->sectors = realloc(undo->sectors, undo->room * sizeof *undo->sectors);
			cut_require(undo->sectors != NULL, "memory");
		}
		undo->sectors[undo->n].offset = offset + at;
		memcpy(undo->sectors[undo->n++].before, undo->c->work.bytes + offset + at, UNIT);
		put(undo->c, offset + at, bytes + at, UNIT);
	}
	return 0;
}

static int undo_flush(void *impl)
{
	(void)impl;
	return 0;
}

static void undo_close(void *impl)
{
	(void)impl;
}

static struct blkdev *undo_device(struct undo *undo, uint32_t sector_size)
{
	static const struct blkdev_ops ops = {
		.read = undo_read,
		.write = undo_write,
		.flush = undo_flush,
		.close = undo_close,
	};
	struct blkdev *dev;

	cut_require(blkdev_new(&ops, undo, undo->c->work.size, sector_size, &dev) == 0, "device");
	return dev;
}

static void undo_all(struct undo *undo)
{
	while (undo->n > 0) {
		const struct undo_sector *sector = &undo->sectors[--undo->n];

		put(undo->c, sector->offset, sector->before, UNIT);
	}
	free(undo->sectors);
	undo->sectors = NULL;
	undo->room = 0;
}

/* ---- one sync ---- */

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct cut_case *c = userdata;

	if (strstr(message, "removing first"))
		c->removed_first = true;
	if (strstr(message, "too small: "))
		c->lacked_room = true;
	if (level == FES_LOG_ERROR)
		(void)snprintf(c->message, sizeof c->message, "%s", message);
}

static void count_call(void *userdata, enum testdev_op op)
{
	struct tap *tap = userdata;

	if (fes_poll(tap->context) < 0 && op == TESTDEV_WRITE)
		tap->more_writes++;
	if (fes_poll(tap->context) < 0 && op == TESTDEV_FLUSH)
		tap->more_flushes++;
	if (++tap->n == tap->nth)
		fes_interrupt(tap->context);
}

static void source_open(struct cut_case *c, struct source *source, struct cut_image image)
{
	struct fat_check_result check;
	struct blkdev *dev;

	*source = (struct source){.image = image, .tap.context = c->context};
	ck_assert_int_eq(memdev_wrap(image.bytes, image.size, 512, &source->below), 0);
	ck_assert_int_eq(tapdev_new(source->below, count_call, &source->tap, &dev), 0);
	ck_assert_int_eq(fes_volume_adopt(c->context, dev, "primary", &source->volume, NULL), 0);
	ck_assert_msg(fes_volume_require_sound(source->volume, &check) == 0, "%s", c->message);
	ck_assert_int_eq(fes_tree_read(source->volume, &c->managed, &source->tree), 0);
	ck_assert_int_eq(fes_digester_start(source->tree, &source->digester), 0);
}

static void source_close(struct source *source)
{
	if (!source->volume)
		return;
	fes_digester_stop(source->digester);
	fes_tree_free(source->tree);
	fes_volume_close(source->volume);
	blkdev_close(source->below);
	free(source->image.bytes);
}

struct outcome {
	enum fes_mirror_state state;
	uint64_t writes;
};

/* Sync the volume on @dev, which is closed. */
static struct outcome sync_device(struct cut_case *c, const struct source *source,
	struct blkdev *dev)
{
	struct fes_mirror mirror = {0};
	struct fes_run run = {
		.context = c->context,
		.primary = source->volume,
		.tree = source->tree,
		.managed = &c->managed,
		.digester = source->digester,
	};
	struct outcome outcome;

	*c->message = '\0';
	if (c->shape->physical_sector)
		blkdev_set_physical_size(dev, c->shape->physical_sector);
	if (fes_volume_adopt(c->context, dev, "mirror", &mirror.volume, NULL) < 0)
		ck_abort_msg("%s", c->message);
	fes_mirror_sync(&mirror, &run);
	if (mirror.message)
		(void)snprintf(c->message, sizeof c->message, "%s", mirror.message);
	outcome = (struct outcome){mirror.state, mirror.stats.writes};
	fes_mirror_done(&mirror);
	return outcome;
}

static uint32_t device_sector(const struct cut_case *c)
{
	return c->shape->device_sector ? c->shape->device_sector : 512;
}

/* How the sync of a whole mirror ended; after a good one it is judged. */
static enum fes_mirror_state settle(struct cut_case *c, struct outcome outcome)
{
	bool good = outcome.state == FES_MIRROR_SYNCED || outcome.state == FES_MIRROR_IN_SYNC;

	if (outcome.state == FES_MIRROR_REFUSED && outcome.writes > 0) {
		(void)fault(c, "refused after %llu writes: %s", (unsigned long long)outcome.writes,
			c->message);
		return FES_MIRROR_FAILED;
	}
	if (good && !cut_judge(&c->judge, &c->work, true)) {
		(void)fault(c, "after the sync: %s", c->judge.fault);
		return FES_MIRROR_FAILED;
	}
	if (!good)
		(void)fault(c, "the sync ended in state %d: %s", (int)outcome.state, c->message);
	return outcome.state;
}

enum fes_mirror_state cut_record(struct cut_case *c, struct fault *fault_, struct write_log **ret)
{
	struct undo undo = {.c = c};
	struct fault none = {0};
	struct blkdev *below, *log_dev, *dev;
	enum fes_mirror_state state;

	below = undo_device(&undo, device_sector(c));
	ck_assert_int_eq(logdev_new_light(below, ret, &log_dev), 0);
	ck_assert_int_eq(faultdev_new(log_dev, fault_ ? fault_ : &none, &dev), 0);
	state = settle(c, sync_device(c, c->in_force, dev));
	blkdev_close(log_dev);
	blkdev_close(below);
	undo_all(&undo);
	return state;
}

/* The interruption is over, and digests that it cost are made again. */
static void take_back_interruption(struct cut_case *c)
{
	c->primary.tap.nth = 0;
	atomic_store(&c->context->interrupted, false);
	fes_digester_stop(c->primary.digester);
	ck_assert_int_eq(fes_digester_start(c->primary.tree, &c->primary.digester), 0);
}

struct write_log *cut_record_interrupted(struct cut_case *c, uint64_t k, bool of_primary,
	struct cut_interruption *ret)
{
	struct cut_image image = {.size = c->start.size, .bytes = malloc(c->start.size)};
	struct tap tap = {.context = c->context, .nth = of_primary ? 0 : k};
	struct blkdev *below, *log_dev, *dev;
	struct write_log *log;
	struct outcome outcome;

	ck_assert_ptr_nonnull(image.bytes);
	memcpy(image.bytes, c->start.bytes, image.size);
	ck_assert_int_eq(memdev_wrap(image.bytes, image.size, device_sector(c), &below), 0);
	ck_assert_int_eq(logdev_new(below, &log, &log_dev), 0);
	ck_assert_int_eq(tapdev_new(log_dev, count_call, &tap, &dev), 0);
	c->primary.tap.n = 0;
	c->primary.tap.nth = of_primary ? k : 0;
	outcome = sync_device(c, &c->primary, dev);
	*ret = (struct cut_interruption){
		.state = outcome.state,
		.in_time = fes_poll(c->context) < 0,
		.writes = outcome.writes,
		.more_writes = tap.more_writes,
		.more_flushes = tap.more_flushes,
	};
	(void)snprintf(ret->message, sizeof ret->message, "%.255s", c->message);
	take_back_interruption(c);
	blkdev_close(log_dev);
	blkdev_close(below);
	if (outcome.state == FES_MIRROR_SYNCED)
		ck_assert_msg(cut_judge(&c->judge, &image, true), "call %llu: %s",
			(unsigned long long)k, c->judge.fault);
	free(image.bytes);
	return log;
}

/* ---- recovery ---- */

static bool every(uint64_t counter, unsigned n)
{
	return n > 0 && counter % n == 0;
}

static bool judge_fsck(struct cut_case *c, bool final)
{
	c->totals->fsck_runs++;
	return cut_fsck_accepts(c->dir, &c->work, final, c->judge.orphans_stay, c->fault,
		sizeof c->fault);
}

/* By those who share no code with us. */
static bool judge_outside(struct cut_case *c)
{
	c->totals->mtools_runs++;
	return judge_fsck(c, false) &&
		cut_mtools_agree(c->dir, &c->work, &c->judge.now, c->fault, sizeof c->fault);
}

static bool recover(struct cut_case *c, struct undo *undo, const struct cut_effort *effort)
{
	uint32_t sector = device_sector(c);
	struct outcome first = sync_device(c, c->in_force, undo_device(undo, sector)), second;

	if (first.state != FES_MIRROR_SYNCED && first.state != FES_MIRROR_IN_SYNC)
		return fault(c, "the next sync ends in state %d: %s", (int)first.state, c->message);
	if (!first_time(c, DONE_FINAL))
		return true;
	if (!cut_judge(&c->judge, &c->work, true))
		return fault(c, "after the next sync: %s", c->judge.fault);
	if (every(++c->finals, effort->final_every) && !judge_fsck(c, true))
		return false;
	second = sync_device(c, c->in_force, undo_device(undo, sector));
	if (second.state != FES_MIRROR_IN_SYNC || second.writes > 0)
		return fault(c, "the sync after the next ends in state %d with %llu writes: %s",
			(int)second.state, (unsigned long long)second.writes, c->message);
	return true;
}

static bool judge_recovery(struct cut_case *c, const struct cut_effort *effort)
{
	struct undo undo = {.c = c};
	bool fine;

	c->totals->recoveries++;
	fine = recover(c, &undo, effort);
	undo_all(&undo);
	return fine;
}

/* ---- epochs ---- */

static void put_chosen(struct cut_case *c, const struct write_log *log, size_t epoch,
	const uint8_t *chosen)
{
	for (size_t i = 0; i < write_log_n_versions(log, epoch); i++) {
		const struct sector_version *version = write_log_version(log, epoch, i);

		if (!chosen || fat_bit_get(chosen, i))
			put(c, version->offset, version->data, write_log_sector_size(log));
	}
}

static void take_back(struct cut_case *c, const struct write_log *log, size_t epoch)
{
	for (size_t i = 0; i < write_log_n_versions(log, epoch); i++) {
		const struct sector_version *version = write_log_version(log, epoch, i);

		put(c, version->offset, version->before, write_log_sector_size(log));
	}
}

/* Whether nothing that the epoch writes can be seen through either FAT copy. */
static bool is_hidden(struct cut_case *c, const struct write_log *log, size_t epoch)
{
	const struct fat_geometry *geo = &c->judge.geo;
	uint8_t *reachable = calloc((geo->n_clusters + 2) / 8 + 1, 1);
	bool hidden = true;

	cut_require(reachable != NULL, "memory");
	cut_judge_reachable(&c->judge, &c->work, reachable);
	for (size_t i = 0; hidden && i < write_log_n_versions(log, epoch); i++) {
		uint64_t offset = write_log_version(log, epoch, i)->offset, cluster;

		cluster = offset < geo->data_offset
			? 0
			: (offset - geo->data_offset) / geo->cluster_size + 2;
		hidden = cluster >= 2 && cluster < geo->n_clusters + 2 &&
			!fat_bit_get(reachable, cluster);
	}
	free(reachable);
	return hidden;
}

static void fill_with_garbage(struct cut_case *c, const struct write_log *log, size_t epoch,
	const uint8_t *chosen)
{
	size_t len = write_log_sector_size(log);
	uint64_t garbage[4096 / 8];

	for (size_t i = 0; i < write_log_n_versions(log, epoch); i++) {
		if (fat_bit_get(chosen, i))
			continue;
		for (size_t at = 0; at < len / 8; at++)
			garbage[at] = cut_random(&c->random);
		put(c, write_log_version(log, epoch, i)->offset, (uint8_t *)garbage, len);
	}
}

static bool enumerate(struct cut_case *c, const struct write_log *log,
	const struct cut_effort *effort, bool nested);

static void use_primary(struct cut_case *c, struct source *source)
{
	c->in_force = source;
	c->judge.target = source == &c->other ? &c->judge.other : &c->judge.after;
}

/* Cut the recovery from the state as well. */
static bool judge_nested(struct cut_case *c, const struct cut_effort *effort)
{
	struct cut_effort less = *effort;
	struct undo undo = {.c = c};
	struct blkdev *below = undo_device(&undo, device_sector(c)), *dev;
	struct write_log *log;
	bool fine;

	less.states_per_epoch = effort->nested_per_epoch;
	less.hidden_per_epoch = 2;
	less.recover_every = effort->nested_recover_every;
	less.fsck_every = 4 * effort->fsck_every;
	if (c->other.volume)
		use_primary(c, &c->other);
	cut_require(logdev_new_light(below, &log, &dev) == 0, "logdev");
	(void)sync_device(c, c->in_force, dev);
	blkdev_close(below);
	undo_all(&undo);
	fine = enumerate(c, log, &less, true);
	write_log_free(log);
	use_primary(c, &c->primary);
	return fine;
}

/* What is special about an epoch. */
struct moment {
	bool commit; /* few sectors: here it happens */
	bool nested;
};

static bool outsiders_turn(struct cut_case *c, const struct cut_effort *effort,
	struct moment moment)
{
	if (every(c->counter, effort->fsck_every))
		return true;
	return moment.commit && !moment.nested && every(++c->commits, effort->outside_every);
}

static bool judge_state(struct cut_case *c, const struct cut_effort *effort, struct moment moment)
{
	uint64_t counter = c->counter;
	bool recovers;

	c->totals->states++;
	if (moment.nested)
		c->totals->nested++;
	if (first_time(c, DONE_JUDGED)) {
		counter = ++c->counter;
		c->totals->distinct++;
		if (!cut_judge(&c->judge, &c->work, false))
			return fault(c, "%s", c->judge.fault);
		if (outsiders_turn(c, effort, moment) && !judge_outside(c))
			return false;
	}
	recovers = every(counter, effort->recover_every) || (moment.commit && !moment.nested);
	if (recovers && first_time(c, DONE_RECOVERED) && !judge_recovery(c, effort))
		return false;
	if (!moment.nested && every(counter, effort->nested_every) && first_time(c, DONE_NESTED))
		return judge_nested(c, effort);
	return true;
}

static void describe(struct cut_case *c, const struct write_log *log, size_t epoch,
	const uint8_t *chosen)
{
	char why[1024];
	size_t n = write_log_n_versions(log, epoch), len;

	(void)snprintf(why, sizeof why, "%.1000s", c->fault);
	(void)fault(c, "epoch %zu of %zu, of %zu sectors these are there:", epoch,
		write_log_n_epochs(log), n);
	for (size_t i = 0; i < n && i < 64; i++) {
		len = strlen(c->fault);
		(void)snprintf(c->fault + len, sizeof c->fault - len, " %s%llu",
			fat_bit_get(chosen, i) ? "" : "not ",
			(unsigned long long)write_log_version(log, epoch, i)->offset);
	}
	len = strlen(c->fault);
	(void)snprintf(c->fault + len, sizeof c->fault - len, ": %s", why);
}

static void keep_image(const struct cut_case *c)
{
	char path[512];
	FILE *f;

	if (!getenv("KEEP"))
		return;
	(void)snprintf(path, sizeof path, "%s/fault.img", c->dir);
	f = fopen(path, "we");
	if (!f)
		return;
	(void)fwrite(c->work.bytes, 1, c->work.size, f);
	(void)fclose(f);
}

static bool judge_epoch(struct cut_case *c, const struct write_log *log, size_t epoch,
	const struct cut_effort *effort, bool nested)
{
	size_t n = write_log_n_versions(log, epoch);
	bool hidden = n > 4 && is_hidden(c, log, epoch);
	struct cut_subsets subsets = {
		.n = n,
		.cap = hidden ? effort->hidden_per_epoch : effort->states_per_epoch,
		.random = &c->random,
	};
	struct moment moment = {.commit = n <= 2, .nested = nested};
	uint8_t *chosen = malloc(n / 8 + 1);
	uint64_t count = cut_subsets_count(&subsets);
	bool fine = true;

	cut_require(chosen != NULL, "memory");
	for (uint64_t i = 0; fine && i < count; i++) {
		cut_subsets_choose(&subsets, i, chosen);
		put_chosen(c, log, epoch, chosen);
		if (hidden && i >= 2)
			fill_with_garbage(c, log, epoch, chosen);
		fine = judge_state(c, effort, moment);
		if (!fine) {
			describe(c, log, epoch, chosen);
			keep_image(c);
		}
		take_back(c, log, epoch);
	}
	free(chosen);
	return fine;
}

static bool enumerate(struct cut_case *c, const struct write_log *log,
	const struct cut_effort *effort, bool nested)
{
	size_t e = 0;
	bool fine = true;

	for (; fine && e < write_log_n_epochs(log); e++) {
		fine = judge_epoch(c, log, e, effort, nested);
		put_chosen(c, log, e, NULL);
	}
	while (e-- > 0)
		take_back(c, log, e);
	return fine;
}

bool cut_enumerate(struct cut_case *c, const struct write_log *log, const struct cut_effort *effort)
{
	bool fine = enumerate(c, log, effort, false);

	cut_require(memcmp(c->work.bytes, c->start.bytes, c->start.size) == 0, "taking back");
	return fine;
}

/* The first epoch that changes what a reader sees; past the last when none does. */
static size_t first_visible_epoch(struct cut_case *c, const struct write_log *log)
{
	const struct fat_geometry *geo = &c->judge.geo;
	uint64_t fat_end = geo->fat_offset + geo->n_fats * geo->fat_size;
	size_t e, found;

	for (e = 0; e < write_log_n_epochs(log); e++) {
		bool in_fat = write_log_n_versions(log, e) > 0 &&
			write_log_version(log, e, 0)->offset < fat_end;

		if (write_log_n_versions(log, e) > 0 && !in_fat && !is_hidden(c, log, e))
			break;
		put_chosen(c, log, e, NULL);
	}
	found = e;
	while (e-- > 0)
		take_back(c, log, e);
	return found;
}

bool cut_is_visible(struct cut_case *c, const struct write_log *log)
{
	return first_visible_epoch(c, log) < write_log_n_epochs(log);
}

uint64_t cut_flush_before_commit(struct cut_case *c, const struct write_log *log)
{
	size_t e = first_visible_epoch(c, log);

	ck_assert_uint_gt(e, 0);
	ck_assert_uint_lt(e, write_log_n_epochs(log));
	return e;
}

/* ---- begin and end ---- */

static void add_findings(struct fes_managed *managed, const struct cut_workload *workload)
{
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->finds[i]; i++)
		ck_assert_int_eq(fes_managed_add(managed, workload->finds[i]), 0);
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->leaves[i]; i++)
		ck_assert_int_eq(fes_managed_exclude(managed, workload->leaves[i]), 0);
}

static void exclude_unnamed(struct fes_managed *managed, const struct cut_workload *workload)
{
	for (size_t i = 0; i < CUT_UNNAMED_MAX && workload->unnamed[i]; i++)
		ck_assert_int_eq(fes_managed_exclude(managed, workload->unnamed[i]), 0);
}

static void add_paths(struct fes_managed *managed, const struct cut_workload *workload)
{
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->manage[i]; i++)
		ck_assert_int_eq(fes_managed_add(managed, workload->manage[i]), 0);
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->exclude[i]; i++)
		ck_assert_int_eq(fes_managed_exclude(managed, workload->exclude[i]), 0);
}

/* Bring the mirror to the state before, with the sync that is tested later. */
static void sync_before(struct cut_case *c, const struct cut_workload *workload)
{
	struct source old;
	struct outcome outcome;
	struct blkdev *dev;

	if (workload->blank)
		return;
	source_open(c, &old, cut_make_primary(c->dir, workload->files, false));
	ck_assert_int_eq(memdev_wrap(c->start.bytes, c->start.size, device_sector(c), &dev), 0);
	outcome = sync_device(c, &old, dev);
	ck_assert_msg(outcome.state == FES_MIRROR_SYNCED, "first sync: state %d: %s",
		(int)outcome.state, c->message);
	source_close(&old);
	c->removed_first = false;
}

struct cut_case *cut_case_new(const char *dir, const struct cut_shape *shape,
	const struct cut_workload *workload, struct cut_totals *totals)
{
	struct cut_case *c = calloc(1, sizeof *c);

	ck_assert_ptr_nonnull(c);
	c->dir = dir;
	c->shape = shape;
	c->totals = totals;
	ck_assert_int_eq(fes_new(&c->context), 0);
	fes_set_entropy(c->context, cut_entropy);
	fes_set_log(c->context, take_message, c);
	ck_assert_int_eq(fes_managed_init(&c->managed), 0);
	add_paths(&c->managed, workload);
	ck_assert_int_eq(fes_managed_init(&c->judged), 0);
	add_paths(&c->judged, workload);
	add_findings(&c->judged, workload);
	ck_assert_int_eq(fes_managed_init(&c->judged_of_primary), 0);
	add_paths(&c->judged_of_primary, workload);
	add_findings(&c->judged_of_primary, workload);
	exclude_unnamed(&c->judged_of_primary, workload);
	c->start = cut_make_mirror(dir, shape, workload->foreign);
	sync_before(c, workload);
	c->work = cut_image_copy(&c->start);
	source_open(c, &c->primary, cut_make_primary(dir, workload->files, true));
	if (workload->other)
		source_open(c, &c->other, cut_make_primary(c->dir, workload->other, true));
	cut_judge_init(&c->judge, &c->judged, &c->start, &c->primary.image, &c->other.image);
	cut_judge_narrow(&c->judge, &c->judged_of_primary, &c->primary.image, &c->other.image);
	use_primary(c, &c->primary);
	c->judge.orphans_stay = workload->orphans_stay;
	c->judge.untold_stay = workload->untold_stay;
	c->judge.together = workload->together;
	c->judge.side_by_side = workload->side_by_side;
	ck_assert_msg(cut_judge(&c->judge, &c->start, false), "at first: %s", c->judge.fault);
	return c;
}

void cut_case_set_primary(struct cut_case *c, struct cut_image image)
{
	source_close(&c->primary);
	source_open(c, &c->primary, image);
	cut_judge_set_primary(&c->judge, &c->primary.image);
	cut_seen_clear(&c->seen);
	c->removed_first = c->lacked_room = false;
}

void cut_case_free(struct cut_case *c)
{
	cut_judge_done(&c->judge);
	cut_seen_clear(&c->seen);
	source_close(&c->primary);
	source_close(&c->other);
	fes_managed_done(&c->managed);
	fes_managed_done(&c->judged);
	fes_managed_done(&c->judged_of_primary);
	fes_free(c->context);
	free(c->start.bytes);
	free(c->work.bytes);
	free(c);
}

struct cut_image cut_case_start(const struct cut_case *c)
{
	return c->start;
}

struct cut_image cut_case_primary(const struct cut_case *c)
{
	return c->primary.image;
}

uint32_t cut_case_first_cluster(const struct cut_case *c, const char *path)
{
	for (size_t i = 0; i < c->judge.before.n; i++)
		if (strcmp(c->judge.before.nodes[i].path, path) == 0)
			return c->judge.before.nodes[i].first_cluster;
	return 0;
}

bool cut_case_removed_first(const struct cut_case *c)
{
	return c->removed_first;
}

bool cut_case_lacked_room(const struct cut_case *c)
{
	return c->lacked_room;
}

const char *cut_case_fault(const struct cut_case *c)
{
	return c->fault;
}
