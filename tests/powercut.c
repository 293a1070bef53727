/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/powercut.h"

/*
 * A case is a mirror, a primary, and a log of the sync between them. Between two flushes a
 * power cut leaves any subset of the sectors written: all of them are built where they are few,
 * else none, all, each missing, each alone, prefixes from both ends, and random ones. What
 * is written where no reader looks is not enumerated; random subsets of it must do, the rest
 * filled with garbage (a sector that is torn in no way a device would tear it).
 */

/* A primary, opened. */
struct source {
	struct cut_image image;
	struct fes_volume *volume;
	struct fes_tree *tree;
	struct fes_digester *digester;
};

struct cut_case {
	const char *dir;
	const struct cut_shape *shape;
	struct cut_totals *totals;
	struct fes_context *context;
	struct fes_managed managed;
	struct source primary;
	struct source other;     /* no volume: none */
	struct source *in_force; /* one of the two */
	struct cut_image start;
	struct cut_judge judge;
	uint64_t random;
	uint64_t counter; /* of states, for what is done to every nth */
	bool removed_first;
	char message[1024]; /* the last one of the library */
	char fault[4096];
};

/* splitmix64, Sebastiano Vigna, public domain: https://prng.di.unimi.it/splitmix64.c */
static uint64_t next_random(struct cut_case *c)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

__attribute__((format(printf, 2, 3))) static bool fault(struct cut_case *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(c->fault, sizeof c->fault, format, args);
	va_end(args);
	return false;
}

/* ---- a device whose writes can be taken back ---- */

struct undo {
	uint8_t *bytes;
	struct undo_sector {
		uint64_t offset;
		uint8_t before[512];
	} *sectors;
	size_t n, room;
};

static int undo_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	const struct undo *undo = impl;

	memcpy(buf, undo->bytes + offset, len);
	return 0;
}

static int undo_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct undo *undo = impl;

	for (size_t at = 0; at < len; at += 512) {
		if (undo->n == undo->room) {
			undo->room = undo->room ? undo->room * 2 : 64;
			undo->sectors = realloc(undo->sectors, undo->room * sizeof *undo->sectors);
			cut_require(undo->sectors != NULL, "memory");
		}
		undo->sectors[undo->n].offset = offset + at;
		memcpy(undo->sectors[undo->n++].before, undo->bytes + offset + at, 512);
	}
	memcpy(undo->bytes + offset, buf, len);
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

static struct blkdev *undo_device(struct undo *undo, uint64_t size, uint32_t sector_size)
{
	static const struct blkdev_ops ops = {
		.read = undo_read,
		.write = undo_write,
		.flush = undo_flush,
		.close = undo_close,
	};
	struct blkdev *dev;

	cut_require(blkdev_new(&ops, undo, size, sector_size, &dev) == 0, "device");
	return dev;
}

static void undo_all(struct undo *undo)
{
	while (undo->n > 0) {
		const struct undo_sector *sector = &undo->sectors[--undo->n];

		memcpy(undo->bytes + sector->offset, sector->before, 512);
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
	if (level == FES_LOG_ERROR)
		(void)snprintf(c->message, sizeof c->message, "%s", message);
}

static void source_open(struct cut_case *c, struct source *source, struct cut_image image)
{
	struct fat_check_result check;
	struct blkdev *dev;

	*source = (struct source){.image = image};
	ck_assert_int_eq(memdev_wrap(image.bytes, image.size, 512, &dev), 0);
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

struct write_log *cut_record(struct cut_case *c, enum fes_mirror_state expected,
	uint64_t drop_flush, bool drop_more)
{
	struct cut_image image = {.size = c->start.size, .bytes = malloc(c->start.size)};
	struct fault drop = {
		.ops = TESTDEV_FLUSH, .kind = FAULT_DROP, .nth = drop_flush, .sticky = drop_more};
	struct blkdev *below, *log_dev, *dev;
	struct write_log *log;
	struct outcome outcome;

	ck_assert_ptr_nonnull(image.bytes);
	memcpy(image.bytes, c->start.bytes, image.size);
	ck_assert_int_eq(memdev_wrap(image.bytes, image.size, device_sector(c), &below), 0);
	ck_assert_int_eq(logdev_new(below, &log, &log_dev), 0);
	ck_assert_int_eq(faultdev_new(log_dev, &drop, &dev), 0);
	outcome = sync_device(c, c->in_force, dev);
	blkdev_close(log_dev);
	blkdev_close(below);
	if (outcome.state != expected) {
		(void)fault(c, "the sync ended in state %d: %s", (int)outcome.state, c->message);
	} else if (expected == FES_MIRROR_SYNCED && !cut_judge(&c->judge, &image, true)) {
		(void)fault(c, "after the sync: %s", c->judge.fault);
		outcome.state = FES_MIRROR_FAILED;
	}
	free(image.bytes);
	if (outcome.state == expected)
		return log;
	write_log_free(log);
	return NULL;
}

/* ---- recovery ---- */

static bool judge_fsck(struct cut_case *c, const struct cut_image *image, bool final)
{
	c->totals->fsck_runs++;
	return cut_fsck_accepts(c->dir, image, final, c->judge.orphans_stay, c->fault,
		sizeof c->fault);
}

static bool recover(struct cut_case *c, const struct cut_image *image, struct undo *undo, bool fsck)
{
	uint32_t sector = device_sector(c);
	struct outcome first = sync_device(c, c->in_force, undo_device(undo, image->size, sector));
	struct outcome second;

	if (first.state != FES_MIRROR_SYNCED && first.state != FES_MIRROR_IN_SYNC)
		return fault(c, "the next sync ends in state %d: %s", (int)first.state, c->message);
	if (!cut_judge(&c->judge, image, true))
		return fault(c, "after the next sync: %s", c->judge.fault);
	if (fsck && !judge_fsck(c, image, true))
		return false;
	second = sync_device(c, c->in_force, undo_device(undo, image->size, sector));
	if (second.state != FES_MIRROR_IN_SYNC || second.writes > 0)
		return fault(c, "the sync after the next ends in state %d with %llu writes: %s",
			(int)second.state, (unsigned long long)second.writes, c->message);
	return true;
}

static bool judge_recovery(struct cut_case *c, const struct cut_image *image, bool fsck)
{
	struct undo undo = {.bytes = image->bytes};
	bool fine;

	c->totals->recoveries++;
	fine = recover(c, image, &undo, fsck);
	undo_all(&undo);
	return fine;
}

/* ---- which subsets ---- */

static bool all_subsets(size_t n, unsigned cap)
{
	return n < 16 && (1u << n) <= cap;
}

static unsigned count_subsets(size_t n, unsigned cap)
{
	return all_subsets(n, cap) ? 1u << n : cap;
}

static bool in_sample(struct cut_case *c, size_t version, size_t n, unsigned i, unsigned cap)
{
	size_t at = (size_t)((i - 2) / 5) * n / ((cap - 2) / 5 + 1);

	switch ((i - 2) % 5) {
	case 0:
		return version != at;
	case 1:
		return version == at;
	case 2:
		return version <= at;
	case 3:
		return version >= n - 1 - at;
	default:
		return next_random(c) % 2;
	}
}

/* The subset number @i of @n versions as a bitmap. */
static void choose(struct cut_case *c, size_t n, unsigned i, unsigned cap, uint8_t *chosen)
{
	memset(chosen, 0, n / 8 + 1);
	for (size_t v = 0; v < n; v++) {
		bool in = all_subsets(n, cap) ? i >> v & 1 : i < 2 ? i : in_sample(c, v, n, i, cap);

		if (in)
			fat_bit_set(chosen, v);
	}
}

/* ---- epochs ---- */

/* Whether nothing that the epoch writes can be seen through either FAT copy. */
static bool is_hidden(struct cut_case *c, const struct write_log *log, size_t epoch,
	const struct cut_image *image)
{
	const struct fat_geometry *geo = &c->judge.geo;
	uint8_t *reachable = calloc((geo->n_clusters + 2) / 8 + 1, 1);
	bool hidden = true;

	cut_require(reachable != NULL, "memory");
	cut_judge_reachable(&c->judge, image, reachable);
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
	const uint8_t *chosen, const struct cut_image *image)
{
	for (size_t i = 0; i < write_log_n_versions(log, epoch); i++) {
		uint8_t *sector = image->bytes + write_log_version(log, epoch, i)->offset;

		if (fat_bit_get(chosen, i))
			continue;
		for (uint32_t at = 0; at < write_log_sector_size(log); at += 8) {
			uint64_t random = next_random(c);

			memcpy(sector + at, &random, sizeof random);
		}
	}
}

static bool every(uint64_t counter, unsigned n)
{
	return n > 0 && counter % n == 0;
}

static bool enumerate(struct cut_case *c, const struct write_log *log,
	const struct cut_effort *effort, bool nested);

static void use_primary(struct cut_case *c, struct source *source)
{
	c->in_force = source;
	c->judge.target = source == &c->other ? &c->judge.other : &c->judge.after;
}

/* Cut the recovery from @image as well. */
static bool judge_nested(struct cut_case *c, const struct cut_image *image,
	const struct cut_effort *effort)
{
	struct cut_effort less = *effort;
	struct undo undo = {.bytes = image->bytes};
	struct blkdev *below = undo_device(&undo, image->size, device_sector(c)), *dev;
	struct write_log *log;
	bool fine;

	less.states_per_epoch = effort->nested_per_epoch;
	less.hidden_per_epoch = 2;
	less.recover_every = 7;
	less.fsck_every = 4 * effort->fsck_every;
	if (c->other.volume)
		use_primary(c, &c->other);
	cut_require(logdev_new(below, &log, &dev) == 0, "logdev");
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

static bool judge_state(struct cut_case *c, const struct cut_image *image,
	const struct cut_effort *effort, struct moment moment)
{
	uint64_t counter = ++c->counter;
	bool fsck = every(counter, effort->fsck_every);

	c->totals->states++;
	if (moment.nested)
		c->totals->nested++;
	if (!cut_judge(&c->judge, image, false))
		return fault(c, "%s", c->judge.fault);
	if (fsck && !judge_fsck(c, image, false))
		return false;
	if (fsck || every(counter, effort->recover_every) || (moment.commit && !moment.nested))
		if (!judge_recovery(c, image, fsck))
			return false;
	if (!moment.nested && every(counter, effort->nested_every))
		return judge_nested(c, image, effort);
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

static void keep_image(const struct cut_case *c, const struct cut_image *image)
{
	char path[512];
	FILE *f;

	if (!getenv("KEEP"))
		return;
	(void)snprintf(path, sizeof path, "%s/fault.img", c->dir);
	f = fopen(path, "we");
	if (!f)
		return;
	(void)fwrite(image->bytes, 1, image->size, f);
	(void)fclose(f);
}

static bool judge_epoch(struct cut_case *c, const struct write_log *log, size_t epoch,
	const struct cut_image *image, const struct cut_effort *effort, bool nested)
{
	size_t n = write_log_n_versions(log, epoch);
	bool hidden = n > 4 && is_hidden(c, log, epoch, image);
	unsigned cap = hidden ? effort->hidden_per_epoch : effort->states_per_epoch;
	struct moment moment = {.commit = n <= 2, .nested = nested};
	uint8_t *chosen = malloc(n / 8 + 1);
	bool fine = true;

	cut_require(chosen != NULL, "memory");
	for (unsigned i = 0; fine && i < count_subsets(n, cap); i++) {
		choose(c, n, i, cap, chosen);
		logdev_apply(log, epoch, chosen, image->bytes);
		if (hidden && i >= 2)
			fill_with_garbage(c, log, epoch, chosen, image);
		fine = judge_state(c, image, effort, moment);
		if (!fine) {
			describe(c, log, epoch, chosen);
			keep_image(c, image);
		}
		logdev_revert(log, epoch, image->bytes);
	}
	free(chosen);
	return fine;
}

/* From before the epoch to after it. */
static void pass_epoch(const struct write_log *log, size_t epoch, const struct cut_image *image)
{
	for (size_t i = 0; i < write_log_n_versions(log, epoch); i++) {
		const struct sector_version *version = write_log_version(log, epoch, i);

		memcpy(image->bytes + version->offset, version->data, write_log_sector_size(log));
	}
}

static bool enumerate(struct cut_case *c, const struct write_log *log,
	const struct cut_effort *effort, bool nested)
{
	struct cut_image image = {.size = write_log_image_size(log)};
	bool fine = true;

	image.bytes = malloc(image.size);
	cut_require(image.bytes != NULL, "memory");
	logdev_build(log, 0, NULL, image.bytes);
	for (size_t e = 0; fine && e < write_log_n_epochs(log); e++) {
		fine = judge_epoch(c, log, e, &image, effort, nested);
		pass_epoch(log, e, &image);
	}
	free(image.bytes);
	return fine;
}

bool cut_enumerate(struct cut_case *c, const struct write_log *log, const struct cut_effort *effort)
{
	return enumerate(c, log, effort, false);
}

uint64_t cut_flush_before_commit(struct cut_case *c, const struct write_log *log)
{
	const struct fat_geometry *geo = &c->judge.geo;
	uint64_t fat_end = geo->fat_offset + geo->n_fats * geo->fat_size;
	struct cut_image image = {.size = c->start.size, .bytes = malloc(c->start.size)};
	size_t e;

	ck_assert_ptr_nonnull(image.bytes);
	logdev_build(log, 0, NULL, image.bytes);
	for (e = 0; e < write_log_n_epochs(log); e++) {
		bool in_fat = write_log_n_versions(log, e) > 0 &&
			write_log_version(log, e, 0)->offset < fat_end;

		if (write_log_n_versions(log, e) > 0 && !in_fat && !is_hidden(c, log, e, &image))
			break;
		pass_epoch(log, e, &image);
	}
	free(image.bytes);
	ck_assert_uint_gt(e, 0);
	ck_assert_uint_lt(e, write_log_n_epochs(log));
	return e;
}

/* ---- begin and end ---- */

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
	fes_set_log(c->context, take_message, c);
	ck_assert_int_eq(fes_managed_init(&c->managed), 0);
	add_paths(&c->managed, workload);
	c->start = cut_make_mirror(dir, shape, workload->foreign);
	sync_before(c, workload);
	source_open(c, &c->primary, cut_make_primary(dir, workload->files, true));
	if (workload->other)
		source_open(c, &c->other, cut_make_primary(c->dir, workload->other, true));
	cut_judge_init(&c->judge, &c->managed, &c->start, &c->primary.image, &c->other.image);
	use_primary(c, &c->primary);
	c->judge.orphans_stay = workload->orphans_stay;
	ck_assert_msg(cut_judge(&c->judge, &c->start, false), "at first: %s", c->judge.fault);
	return c;
}

void cut_case_free(struct cut_case *c)
{
	cut_judge_done(&c->judge);
	source_close(&c->primary);
	source_close(&c->other);
	fes_managed_done(&c->managed);
	fes_free(c->context);
	free(c->start.bytes);
	free(c);
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

const char *cut_case_fault(const struct cut_case *c)
{
	return c->fault;
}
