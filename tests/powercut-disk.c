/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "tests/powercut-disk.h"

/*
 * The two volumes lie one behind the other in one image, with a log over all of it. A flush of one
 * volume makes everything durable: so it is with a disk, and since each step ends with a flush the
 * volume that is not being written to never has anything left to be flushed, which is checked.
 *
 * The files of the primary come in two versions: that of before the sync is synced at first, and
 * again after some of the power cuts, as if the primary had changed its mind.
 */

/* A version of one of the primary's volumes, opened. */
struct source {
	struct cut_image image;
	struct fes_volume *volume;
	struct fes_tree *tree;
	struct fes_digester *digester;
};

enum version { BEFORE, AFTER, N_VERSIONS };

struct half {
	uint64_t offset, size; /* in the image */
	struct source sources[N_VERSIONS];
	struct cut_judge judge;
};

struct cut_disk {
	const char *dir;
	const struct cut_disk_workload *workload;
	struct cut_totals *totals;
	struct fes_context *context;
	struct fes_managed managed;
	struct half halves[CUT_VOLUMES];
	struct cut_image start; /* both volumes */
	struct cut_seen seen;
	uint64_t random;
	uint64_t counter; /* of distinct states */
	bool removed_first;
	char messages[2048]; /* of the library, since the sync began */
	char fault[4096];
};

__attribute__((format(printf, 2, 3))) static bool fault(struct cut_disk *disk, const char *format,
	...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(disk->fault, sizeof disk->fault, format, args);
	va_end(args);
	return false;
}

static const char *name_of(int i)
{
	return i == CUT_ESP ? "ESP" : "XBOOTLDR";
}

/* ---- a volume of a disk ---- */

struct part {
	struct blkdev *whole;
	uint64_t offset;
	bool dirty;
	const struct part *other;
};

static int part_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	const struct part *part = impl;

	return blkdev_read(part->whole, part->offset + offset, buf, len);
}

static int part_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct part *part = impl;

	cut_require(!part->other->dirty, "what is written to the other volume is flushed");
	part->dirty = true;
	return blkdev_write(part->whole, part->offset + offset, buf, len);
}

static int part_flush(void *impl)
{
	struct part *part = impl;

	part->dirty = false;
	return blkdev_flush(part->whole);
}

static void part_close(void *impl)
{
	(void)impl;
}

static struct blkdev *part_device(struct part *part, uint64_t size)
{
	static const struct blkdev_ops ops = {
		.read = part_read,
		.write = part_write,
		.flush = part_flush,
		.close = part_close,
	};
	struct blkdev *dev;

	cut_require(blkdev_new(&ops, part, size, 512, &dev) == 0, "device");
	return dev;
}

/* ---- one sync ---- */

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct cut_disk *disk = userdata;
	size_t len = strlen(disk->messages);

	if (strstr(message, "removing first"))
		disk->removed_first = true;
	if (level == FES_LOG_ERROR)
		(void)snprintf(disk->messages + len, sizeof disk->messages - len, "; %s", message);
}

static struct fes_volume *adopt(struct cut_disk *disk, struct blkdev *dev, const char *name)
{
	struct fes_volume *volume;

	cut_require(fes_volume_adopt(disk->context, dev, name, &volume, NULL) == 0, name);
	return volume;
}

static struct fes_run run_of(struct cut_disk *disk, int i, enum version version)
{
	const struct source *source = &disk->halves[i].sources[version];

	return (struct fes_run){
		.context = disk->context,
		.primary = source->volume,
		.tree = source->tree,
		.managed = &disk->managed,
		.digester = source->digester,
	};
}

struct outcome {
	enum fes_mirror_state states[CUT_VOLUMES];
	uint64_t writes;
};

/* Sync both volumes on @whole, which stays open. */
static struct outcome sync_disk(struct cut_disk *disk, enum version version, struct blkdev *whole)
{
	struct fes_run run = run_of(disk, CUT_ESP, version);
	struct fes_run xbootldr_run = run_of(disk, CUT_XBOOTLDR, version);
	struct fes_mirror esp = {0}, *xbootldr = calloc(1, sizeof *xbootldr);
	struct part parts[CUT_VOLUMES];
	struct outcome outcome;

	cut_require(xbootldr != NULL, "memory");
	for (int i = 0; i < CUT_VOLUMES; i++)
		parts[i] = (struct part){whole, disk->halves[i].offset, false, &parts[!i]};
	*disk->messages = '\0';
	run.xbootldr = &xbootldr_run;
	esp.xbootldr = xbootldr;
	esp.volume = adopt(disk, part_device(&parts[CUT_ESP], disk->halves[CUT_ESP].size), "ESP");
	xbootldr->volume = adopt(disk,
		part_device(&parts[CUT_XBOOTLDR], disk->halves[CUT_XBOOTLDR].size), "XBOOTLDR");
	fes_mirror_sync(&esp, &run);
	outcome = (struct outcome){
		{esp.state, xbootldr->state}, esp.stats.writes + xbootldr->stats.writes};
	fes_mirror_done(&esp);
	return outcome;
}

static bool is_good(const struct outcome *outcome)
{
	for (int i = 0; i < CUT_VOLUMES; i++)
		if (outcome->states[i] != FES_MIRROR_SYNCED && outcome->states[i] != FES_MIRROR_IN_SYNC)
			return false;
	return true;
}

static struct outcome sync_image(struct cut_disk *disk, enum version version,
	const struct cut_image *image)
{
	struct outcome outcome;
	struct blkdev *dev;

	cut_require(memdev_wrap(image->bytes, image->size, 512, &dev) == 0, "device");
	outcome = sync_disk(disk, version, dev);
	blkdev_close(dev);
	return outcome;
}

/* ---- the judge ---- */

static struct cut_image part_of(const struct half *half, const struct cut_image *image)
{
	return (struct cut_image){image->bytes + half->offset, half->size};
}

static bool judge_volumes(struct cut_disk *disk, const struct cut_image *image, bool final)
{
	for (int i = 0; i < CUT_VOLUMES; i++) {
		struct half *half = &disk->halves[i];
		struct cut_image part = part_of(half, image);

		if (!cut_judge(&half->judge, &part, final))
			return fault(disk, "%s: %s", name_of(i), half->judge.fault);
	}
	return true;
}

/* Whether a file has the size that it has in the end, and had another at first. */
static bool is_new(const struct half *half, const char *path)
{
	const struct cut_node *now = cut_snapshot_find(&half->judge.now, path);
	const struct cut_node *after = cut_snapshot_find(&half->judge.after, path);

	return now && after && now->size == after->size;
}

static bool is_old(const struct half *half, const char *path)
{
	const struct cut_node *now = cut_snapshot_find(&half->judge.now, path);
	const struct cut_node *before = cut_snapshot_find(&half->judge.before, path);

	return now && before && now->size == before->size;
}

/* The boot loader, then what it may have to understand, then what tells it which to take. */
static bool judge_order(struct cut_disk *disk)
{
	const struct half *esp = &disk->halves[CUT_ESP], *xbootldr = &disk->halves[CUT_XBOOTLDR];
	const struct cut_markers *markers = &disk->workload->markers;

	if (!markers->xbootldr)
		return true;
	if (!disk->workload->leads)
		return !is_new(xbootldr, markers->xbootldr) || is_new(esp, markers->loader) ||
			fault(disk, "the XBOOTLDR is new before the ESP's loader");
	if (is_new(xbootldr, markers->xbootldr) && is_old(esp, markers->payload))
		return fault(disk, "the XBOOTLDR is new before the ESP's payload");
	return !is_new(esp, markers->loader) || is_new(xbootldr, markers->xbootldr) ||
		fault(disk, "the ESP's loader is new before the XBOOTLDR");
}

static bool judge_disk(struct cut_disk *disk, const struct cut_image *image)
{
	if (!judge_volumes(disk, image, false))
		return false;
	if (!cut_snapshot_has_choice(&disk->halves[CUT_ESP].judge.now) &&
		!cut_snapshot_has_choice(&disk->halves[CUT_XBOOTLDR].judge.now))
		return fault(disk, "nothing to boot is left on either volume");
	return true;
}

static void aim_at(struct cut_disk *disk, enum version version)
{
	for (int i = 0; i < CUT_VOLUMES; i++) {
		struct cut_judge *judge = &disk->halves[i].judge;

		judge->target = version == AFTER ? &judge->after : &judge->other;
	}
}

static bool judge_fsck(struct cut_disk *disk, const struct cut_image *image)
{
	for (int i = 0; i < CUT_VOLUMES; i++) {
		struct cut_image part = part_of(&disk->halves[i], image);

		disk->totals->fsck_runs++;
		if (!cut_fsck_accepts(disk->dir, &part, true, false, disk->fault,
			    sizeof disk->fault))
			return false;
	}
	return true;
}

/* ---- recovery ---- */

static bool every(uint64_t counter, unsigned n)
{
	return n > 0 && counter % n == 0;
}

static bool recover(struct cut_disk *disk, enum version version, const struct cut_image *image)
{
	struct outcome first = sync_image(disk, version, image), second;

	if (!is_good(&first))
		return fault(disk, "the next sync ends in states %d and %d%s", first.states[0],
			first.states[1], disk->messages);
	if (!judge_volumes(disk, image, true))
		return false;
	second = sync_image(disk, version, image);
	if (!is_good(&second) || second.writes > 0)
		return fault(disk, "the sync after the next ends in states %d and %d with %llu writes",
			second.states[0], second.states[1], (unsigned long long)second.writes);
	return true;
}

static bool judge_recovery(struct cut_disk *disk, enum version version,
	const struct cut_image *image, const struct cut_effort *effort)
{
	struct cut_image copy = cut_image_copy(image);
	bool fine;

	if (disk->workload->tight)
		version = AFTER;
	aim_at(disk, version);
	fine = recover(disk, version, &copy);
	if (fine && every(++disk->totals->recoveries, effort->final_every))
		fine = judge_fsck(disk, &copy);
	aim_at(disk, AFTER);
	free(copy.bytes);
	return fine;
}

/* ---- epochs ---- */

/* Whether an epoch writes to clusters that no reader sees. */
static bool is_hidden(struct cut_disk *disk, const struct cut_image *image,
	const struct sector_version *version)
{
	const struct half *half = &disk->halves[version->offset >= disk->halves[1].offset];
	const struct fat_geometry *geo = &half->judge.geo;
	uint64_t offset = version->offset - half->offset;
	struct cut_image part = part_of(half, image);
	uint8_t *reachable = calloc((geo->n_clusters + 2) / 8 + 1, 1);
	uint64_t cluster;
	bool hidden;

	cut_require(reachable != NULL, "memory");
	if (offset < geo->data_offset) {
		free(reachable);
		return false;
	}
	cluster = (offset - geo->data_offset) / geo->cluster_size + 2;
	cut_judge_reachable((struct cut_judge *)(uintptr_t)&half->judge, &part, reachable);
	hidden = !fat_bit_get(reachable, cluster);
	free(reachable);
	return hidden;
}

/* All of an epoch is of one kind; the first sector tells. */
static bool epoch_is_hidden(struct cut_disk *disk, const struct cut_image *image,
	const struct write_log *log, size_t epoch)
{
	return write_log_n_versions(log, epoch) > 0 &&
		is_hidden(disk, image, write_log_version(log, epoch, 0));
}

struct walk {
	const struct write_log *log;
	const struct cut_effort *effort;
	struct cut_image image; /* as the epoch begins, or with a state in it */
	size_t epoch;
	bool nested;
};

static bool enumerate(struct cut_disk *disk, const struct write_log *log,
	const struct cut_effort *effort, bool nested);

/* Cut the recovery from the state as well, with the primary as it was at first again. */
static bool judge_nested(struct cut_disk *disk, const struct walk *walk)
{
	struct cut_effort less = *walk->effort;
	struct cut_image copy = cut_image_copy(&walk->image);
	struct write_log *log;
	struct blkdev *below, *dev;
	bool fine;

	less.states_per_epoch = walk->effort->nested_per_epoch;
	less.hidden_per_epoch = 2;
	cut_require(memdev_wrap(copy.bytes, copy.size, 512, &below) == 0, "device");
	cut_require(logdev_new(below, &log, &dev) == 0, "logdev");
	(void)sync_disk(disk, disk->workload->tight ? AFTER : BEFORE, dev);
	blkdev_close(dev);
	blkdev_close(below);
	free(copy.bytes);
	fine = enumerate(disk, log, &less, true);
	write_log_free(log);
	return fine;
}

static bool judge_state(struct cut_disk *disk, const struct walk *walk)
{
	const struct cut_effort *effort = walk->effort;
	bool commit = write_log_n_versions(walk->log, walk->epoch) <= 2;

	disk->totals->states++;
	disk->totals->nested += walk->nested;
	if (!cut_seen_add(&disk->seen, XXH3_64bits(walk->image.bytes, walk->image.size)))
		return true;
	disk->totals->distinct++;
	disk->counter++;
	if (!judge_disk(disk, &walk->image))
		return false;
	if (walk->nested)
		return !every(disk->counter, effort->nested_recover_every) ||
			judge_recovery(disk, AFTER, &walk->image, effort);
	if (!judge_order(disk))
		return false;
	if ((commit || every(disk->counter, effort->recover_every)) &&
		!judge_recovery(disk, disk->counter % 2 ? AFTER : BEFORE, &walk->image, effort))
		return false;
	return !every(disk->counter, effort->nested_every) || judge_nested(disk, walk);
}

static bool judge_epoch(struct cut_disk *disk, struct walk *walk, bool hidden)
{
	struct cut_subsets subsets = {
		.n = write_log_n_versions(walk->log, walk->epoch),
		.cap = hidden ? walk->effort->hidden_per_epoch : walk->effort->states_per_epoch,
		.random = &disk->random,
	};
	uint8_t *chosen = malloc(subsets.n / 8 + 1);
	uint64_t count = cut_subsets_count(&subsets);
	bool fine = true;

	cut_require(chosen != NULL, "memory");
	for (uint64_t i = 0; fine && i < count; i++) {
		cut_subsets_choose(&subsets, i, chosen);
		logdev_apply(walk->log, walk->epoch, chosen, walk->image.bytes);
		fine = judge_state(disk, walk);
		logdev_revert(walk->log, walk->epoch, walk->image.bytes);
	}
	free(chosen);
	return fine;
}

static void describe(struct cut_disk *disk, const struct walk *walk)
{
	char why[1024];

	(void)snprintf(why, sizeof why, "%.1000s", disk->fault);
	(void)fault(disk, "%sepoch %zu of %zu: %s", walk->nested ? "while recovering: " : "",
		walk->epoch, write_log_n_epochs(walk->log), why);
}

/* Once a reader has seen a change, only what readers see, and tables, may be written. */
static bool judge_copying(struct cut_disk *disk, bool hidden, bool *visible, uint64_t first_offset)
{
	const struct half *half = &disk->halves[first_offset >= disk->halves[1].offset];

	if (hidden && *visible && !disk->removed_first)
		return fault(disk, "something is copied after the first change that can be seen");
	if (!hidden && first_offset - half->offset >= half->judge.geo.data_offset)
		*visible = true;
	return true;
}

static bool enumerate(struct cut_disk *disk, const struct write_log *log,
	const struct cut_effort *effort, bool nested)
{
	struct walk walk = {.log = log, .effort = effort, .nested = nested};
	bool visible = false, fine = true;

	walk.image.size = write_log_image_size(log);
	walk.image.bytes = malloc(walk.image.size);
	cut_require(walk.image.bytes != NULL, "memory");
	for (; fine && walk.epoch < write_log_n_epochs(log); walk.epoch++) {
		bool hidden;

		logdev_build(log, walk.epoch, NULL, walk.image.bytes);
		hidden = epoch_is_hidden(disk, &walk.image, log, walk.epoch);
		if (write_log_n_versions(log, walk.epoch) > 0)
			fine = judge_copying(disk, hidden, &visible,
				write_log_version(log, walk.epoch, 0)->offset);
		fine = fine && judge_epoch(disk, &walk, hidden);
		if (!fine)
			describe(disk, &walk);
	}
	free(walk.image.bytes);
	return fine;
}

bool cut_disk_prove(struct cut_disk *disk, const struct cut_effort *effort)
{
	struct cut_image copy = cut_image_copy(&disk->start);
	struct blkdev *below, *dev;
	struct write_log *log;
	struct outcome outcome;
	bool fine;

	ck_assert_int_eq(memdev_wrap(copy.bytes, copy.size, 512, &below), 0);
	ck_assert_int_eq(logdev_new(below, &log, &dev), 0);
	outcome = sync_disk(disk, AFTER, dev);
	fine = is_good(&outcome) && judge_volumes(disk, &copy, true);
	blkdev_close(dev);
	blkdev_close(below);
	free(copy.bytes);
	if (!is_good(&outcome))
		(void)fault(disk, "the sync ended in states %d and %d%s", outcome.states[0],
			outcome.states[1], disk->messages);
	fine = fine && enumerate(disk, log, effort, false);
	write_log_free(log);
	return fine;
}

/* ---- begin and end ---- */

static void source_open(struct cut_disk *disk, struct source *source, const struct cut_file *files,
	bool after)
{
	struct fat_check_result check;
	struct blkdev *dev;

	source->image = cut_make_primary(disk->dir, files, after);
	ck_assert_int_eq(memdev_wrap(source->image.bytes, source->image.size, 512, &dev), 0);
	source->volume = adopt(disk, dev, "primary");
	ck_assert_int_eq(fes_volume_require_sound(source->volume, &check), 0);
	ck_assert_int_eq(fes_tree_read(source->volume, &disk->managed, &source->tree), 0);
	ck_assert_int_eq(fes_digester_start(source->tree, &source->digester), 0);
}

static void source_close(struct source *source)
{
	fes_digester_stop(source->digester);
	fes_tree_free(source->tree);
	fes_volume_close(source->volume);
	free(source->image.bytes);
}

static struct cut_image make_mirror(struct cut_disk *disk, int i)
{
	const struct cut_disk_workload *workload = disk->workload;
	struct cut_shape shape = {
		.fat_bits = 12,
		.sector_size = 512,
		.cluster_sectors = 1,
		.n_clusters = workload->n_clusters[i] ? workload->n_clusters[i] : 300,
	};

	return cut_make_mirror(disk->dir, &shape, workload->foreign[i]);
}

/* The mirror's volumes one behind the other, with the files of before on them. */
static void make_start(struct cut_disk *disk)
{
	struct cut_image images[CUT_VOLUMES];
	struct outcome outcome;

	for (int i = 0; i < CUT_VOLUMES; i++) {
		images[i] = make_mirror(disk, i);
		disk->halves[i].offset = disk->start.size;
		disk->halves[i].size = images[i].size;
		disk->start.size += images[i].size;
	}
	disk->start.bytes = malloc(disk->start.size);
	ck_assert_ptr_nonnull(disk->start.bytes);
	for (int i = 0; i < CUT_VOLUMES; i++) {
		memcpy(disk->start.bytes + disk->halves[i].offset, images[i].bytes, images[i].size);
		free(images[i].bytes);
	}
	outcome = sync_image(disk, BEFORE, &disk->start);
	ck_assert_msg(is_good(&outcome), "the first sync%s", disk->messages);
	disk->removed_first = false;
}

static void begin_judge(struct cut_disk *disk, struct half *half)
{
	struct cut_image start = part_of(half, &disk->start);

	cut_judge_init(&half->judge, &disk->managed, &start, &half->sources[AFTER].image,
		&half->sources[BEFORE].image);
}

struct cut_disk *cut_disk_new(const char *dir, const struct cut_disk_workload *workload,
	struct cut_totals *totals)
{
	struct cut_disk *disk = calloc(1, sizeof *disk);

	ck_assert_ptr_nonnull(disk);
	disk->dir = dir;
	disk->workload = workload;
	disk->totals = totals;
	ck_assert_int_eq(fes_new(&disk->context), 0);
	fes_set_entropy(disk->context, cut_entropy);
	fes_set_log(disk->context, take_message, disk);
	ck_assert_int_eq(fes_managed_init(&disk->managed), 0);
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->manage[i]; i++)
		ck_assert_int_eq(fes_managed_add(&disk->managed, workload->manage[i]), 0);
	for (int i = 0; i < CUT_VOLUMES; i++)
		for (int v = 0; v < N_VERSIONS; v++)
			source_open(disk, &disk->halves[i].sources[v], workload->files[i],
				v == AFTER);
	make_start(disk);
	for (int i = 0; i < CUT_VOLUMES; i++)
		begin_judge(disk, &disk->halves[i]);
	ck_assert_msg(judge_disk(disk, &disk->start), "at first: %s", disk->fault);
	return disk;
}

void cut_disk_free(struct cut_disk *disk)
{
	for (int i = 0; i < CUT_VOLUMES; i++) {
		cut_judge_done(&disk->halves[i].judge);
		for (int v = 0; v < N_VERSIONS; v++)
			source_close(&disk->halves[i].sources[v]);
	}
	cut_seen_clear(&disk->seen);
	fes_managed_done(&disk->managed);
	fes_free(disk->context);
	free(disk->start.bytes);
	free(disk);
}

const char *cut_disk_fault(const struct cut_disk *disk)
{
	return disk->fault;
}

bool cut_disk_removed_first(const struct cut_disk *disk)
{
	return disk->removed_first;
}
