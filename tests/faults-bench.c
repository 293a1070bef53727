/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults-wrap.h"
#include "tests/faults.h"

/*
 * A run is one of fes_sync_run(), with its threads and locks, on files that hold the volumes. What
 * it then opens to work on is not the file but a disk in memory: blkdev_open_path() is wrapped by
 * the linker for that. The looks that find out what the file is, before and after that, and whether
 * there is a list on the primary, go to it.
 */

enum {
	HOLE = 16 * 1024
};

static struct stand_in {
	const char *path;
	struct fault_disk *disk;
	struct blkdev *dev; /* NULL: handed out */
	unsigned n_opened;
	unsigned working; /* which opening is that to work on it */
} stand_ins[BENCH_MIRRORS + 1];
static size_t n_stand_ins;

int __real_blkdev_open_path(
	const char *path, unsigned flags, uint64_t offset, uint64_t size, struct blkdev **ret);
int __wrap_blkdev_open_path(
	const char *path, unsigned flags, uint64_t offset, uint64_t size, struct blkdev **ret);

int __wrap_blkdev_open_path(
	const char *path, unsigned flags, uint64_t offset, uint64_t size, struct blkdev **ret)
{
	for (size_t i = 0; i < n_stand_ins; i++) {
		struct stand_in *in = &stand_ins[i];

		if (strcmp(in->path, path) != 0)
			continue;
		in->n_opened++;
		if (in->n_opened == 1 && in->disk->hook)
			in->disk->hook(in->disk->userdata, 0, 0);
		if (in->n_opened != in->working) {
			cut_require(!(flags & BLKDEV_WRITABLE), "it is opened for writing once");
			break;
		}
		*ret = in->dev;
		in->dev = NULL;
		return 0;
	}
	return __real_blkdev_open_path(path, flags, offset, size, ret);
}

/* ---- begin and end ---- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* With holes where there is nothing, as most of a FAT32 volume is. */
void fault_image_write(const char *path, const struct cut_image *image)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t len;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)image->size), 0);
	for (uint64_t at = 0; at < image->size; at += len) {
		len = image->size - at < HOLE ? image->size - at : HOLE;
		if (!is_zero(image->bytes + at, len))
			ck_assert_int_eq(
				pwrite(fd, image->bytes + at, len, (off_t)at), (ssize_t)len);
	}
	ck_assert_int_eq(close(fd), 0);
}

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct fault_bench *bench = userdata;

	if (level == FES_LOG_ERROR)
		(void)snprintf(bench->message, sizeof bench->message, "%s", message);
}

static void make_folder(struct fault_bench *bench)
{
	scratch_make(&bench->folder);
	(void)snprintf(bench->primary_path, sizeof bench->primary_path, "%s/primary.img",
		bench->folder.path);
	for (int i = 0; i < BENCH_MIRRORS; i++)
		(void)snprintf(bench->mirror_paths[i], sizeof bench->mirror_paths[i],
			"%s/mirror%d.img", bench->folder.path, i);
}

struct cut_image fault_image_copy(struct cut_image image)
{
	struct cut_image copy = {.size = image.size, .bytes = malloc(image.size)};

	ck_assert_ptr_nonnull(copy.bytes);
	memcpy(copy.bytes, image.bytes, image.size);
	return copy;
}

static void manage(struct fes_managed *managed, const struct cut_workload *workload)
{
	ck_assert_int_eq(fes_managed_init(managed), 0);
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->manage[i]; i++)
		ck_assert_int_eq(fes_managed_add(managed, workload->manage[i]), 0);
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->exclude[i]; i++)
		ck_assert_int_eq(fes_managed_exclude(managed, workload->exclude[i]), 0);
}

/* A case has a thread, which would not come along when a test is forked off: only images stay. */
static void take_case(struct fault_bench *bench)
{
	static const struct cut_image none;
	const struct fault_subject *subject = bench->subject;
	struct cut_totals unused;
	struct cut_case *c =
		cut_case_new(bench->folder.path, subject->shape, subject->workload, &unused);

	bench->start = fault_image_copy(cut_case_start(c));
	bench->target = fault_image_copy(cut_case_primary(c));
	cut_case_free(c);
	manage(&bench->managed, subject->workload);
	bench->judge = malloc(sizeof *bench->judge);
	ck_assert_ptr_nonnull(bench->judge);
	cut_judge_init(bench->judge, &bench->managed, &bench->start, &bench->target, &none);
}

struct fault_bench *fault_bench_new(const struct fault_subject *subject, size_t n_mirrors)
{
	struct fault_bench *bench = calloc(1, sizeof *bench);

	ck_assert_ptr_nonnull(bench);
	bench->subject = subject;
	make_folder(bench);
	take_case(bench);
	ck_assert_int_eq(fes_new(&bench->context), 0);
	fes_set_entropy(bench->context, cut_entropy);
	fes_set_log(bench->context, take_message, bench);
	fault_disk_init(&bench->primary, &bench->target);
	fault_image_write(bench->primary_path, &bench->target);
	bench->n_mirrors = n_mirrors;
	for (size_t i = 0; i < n_mirrors; i++) {
		fault_disk_init(&bench->mirrors[i], &bench->start);
		fault_image_write(bench->mirror_paths[i], &bench->start);
	}
	return bench;
}

void fault_bench_free(struct fault_bench *bench)
{
	fault_disk_done(&bench->primary);
	for (size_t i = 0; i < bench->n_mirrors; i++)
		fault_disk_done(&bench->mirrors[i]);
	cut_require(scratch_try_remove(&bench->folder), bench->folder.path);
	fes_free(bench->context);
	cut_judge_done(bench->judge);
	free(bench->judge);
	fes_managed_done(&bench->managed);
	free(bench->start.bytes);
	free(bench->target.bytes);
	free(bench);
}

static struct fault_bench *prepared[FAULT_SUBJECTS];

void fault_benches_prepare(void)
{
	for (size_t i = 0; i < FAULT_SUBJECTS && !prepared[i]; i++)
		prepared[i] = fault_bench_new(&fault_subjects[i], 1);
}

void fault_benches_forget(void)
{
	for (size_t i = 0; i < FAULT_SUBJECTS; i++)
		if (prepared[i])
			fault_bench_free(prepared[i]);
}

struct fault_bench *fault_bench_of(const struct fault_subject *subject)
{
	return prepared[subject - fault_subjects];
}

/* ---- one run ---- */

/* What lies below a stand-in stays ours. */
struct stack {
	struct blkdev *below[BENCH_MIRRORS + 1];
};

static void put_stand_in(struct stack *stack, const char *path, struct fault_disk *disk,
	struct fault *fault, unsigned working)
{
	struct blkdev *dev = fault_disk_open(disk);

	stack->below[n_stand_ins] = NULL;
	if (fault) {
		fault->n_calls = fault->n_fired = 0;
		stack->below[n_stand_ins] = dev;
		cut_require(faultdev_new(stack->below[n_stand_ins], fault, &dev) == 0, "faultdev");
	}
	stand_ins[n_stand_ins++] = (struct stand_in){
		.path = path, .disk = disk, .dev = dev, .working = working};
}

static void drop_stand_ins(const struct stack *stack)
{
	for (size_t i = 0; i < n_stand_ins; i++) {
		blkdev_close(stand_ins[i].dev);
		blkdev_close(stack->below[i]);
	}
	n_stand_ins = 0;
}

static int configure(const struct fault_bench *bench, struct fes_sync *sync)
{
	const struct cut_workload *workload = bench->subject->workload;
	int r = fes_sync_set_primary(sync, bench->primary_path);

	for (size_t i = 0; r == 0 && i < bench->n_mirrors; i++)
		r = fes_sync_add_mirror(sync, bench->mirror_paths[i]);
	for (size_t i = 0; r == 0 && i < CUT_PATHS_MAX && workload->manage[i]; i++)
		r = fes_sync_add_managed(sync, workload->manage[i]);
	for (size_t i = 0; r == 0 && i < CUT_PATHS_MAX && workload->exclude[i]; i++)
		r = fes_sync_add_excluded(sync, workload->exclude[i]);
	return r;
}

static void take_outcome(const struct fes_sync *sync, struct fault_outcome *outcome)
{
	for (size_t i = 0; outcome->run == 0 && i < fes_sync_get_n_mirrors(sync); i++) {
		const struct fes_mirror *mirror = fes_sync_get_mirror(sync, i);
		const char *message = fes_mirror_get_message(mirror);

		outcome->states[i] = fes_mirror_get_state(mirror);
		(void)snprintf(outcome->messages[i], sizeof outcome->messages[i], "%s",
			message ? message : "");
	}
}

static struct fault_outcome run(const struct fault_bench *bench)
{
	struct fault_outcome outcome = {0};
	struct fes_sync *sync;

	outcome.run = fes_sync_new(bench->context, &sync);
	if (outcome.run < 0)
		return outcome;
	outcome.run = configure(bench, sync);
	if (outcome.run == 0)
		outcome.run = fes_sync_run(sync);
	take_outcome(sync, &outcome);
	fes_sync_free(sync);
	return outcome;
}

static struct fault_outcome run_wrapped(const struct fault_bench *bench)
{
	struct fault_outcome outcome;

	wrap_fault.calls = bench->wrapped;
	outcome = run(bench);
	wrap_fault.calls = 0;
	return outcome;
}

struct fault_outcome fault_bench_run(struct fault_bench *bench, struct fault_plan plan)
{
	struct fault_outcome outcome;
	struct stack stack;

	*bench->message = '\0';
	if (bench->on_files)
		return run_wrapped(bench);
	put_stand_in(&stack, bench->primary_path, &bench->primary, plan.primary, 3);
	for (size_t i = 0; i < bench->n_mirrors; i++)
		put_stand_in(&stack, bench->mirror_paths[i], &bench->mirrors[i], plan.mirrors[i],
			2);
	outcome = run_wrapped(bench);
	drop_stand_ins(&stack);
	return outcome;
}

/* ---- afterwards ---- */

__attribute__((format(printf, 3, 4))) static void require(
	bool ok, const char *what, const char *format, ...)
{
	char text[2048];
	va_list args;

	if (ok)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	ck_abort_msg("%s: %s", what, text);
}

static bool succeeded(const struct fault_outcome *outcome, size_t i)
{
	return outcome->run == 0 && (outcome->states[i] == FES_MIRROR_SYNCED ||
					    outcome->states[i] == FES_MIRROR_IN_SYNC);
}

static void judge_image(struct fault_bench *bench, const struct cut_image *image, bool final,
	const char *what, const char *when)
{
	fault_totals->states++;
	require(cut_judge(bench->judge, image, final), what, "%s: %s", when, bench->judge->fault);
}

/* What the run says about mirror @i against what it wrote. */
static void judge_report(const struct fault_outcome *outcome, const struct fault_disk *disk,
	size_t i, const char *what)
{
	enum fes_mirror_state state = outcome->states[i];

	require(outcome->run == 0 || disk->n_writes == 0, what, "the run failed and had written");
	require(outcome->run < 0 || succeeded(outcome, i) || state == FES_MIRROR_FAILED ||
			(state == FES_MIRROR_REFUSED && disk->n_writes == 0),
		what, "ended in state %d with %llu writes", (int)state,
		(unsigned long long)disk->n_writes);
}

void fault_bench_judge(
	struct fault_bench *bench, const struct fault_outcome *outcome, size_t i, const char *what)
{
	struct fault_disk *disk = &bench->mirrors[i];
	size_t step = faults_full() ? 1 : 1 + (disk->n - disk->n_durable) / 4;

	judge_report(outcome, disk, i, what);
	judge_image(bench, &disk->image, succeeded(outcome, i), what, "afterwards");
	for (size_t cut = 0; fault_disk_cut(disk, cut); cut += step)
		judge_image(bench, &disk->image, false, what, "what was not flushed cut off");
	fault_disk_all(disk);
}

void fault_bench_recover(struct fault_bench *bench, size_t i, const char *what)
{
	struct fault_disk *disk = &bench->mirrors[i];
	size_t n = disk->n, n_durable = disk->n_durable;
	struct fault_plan good = {0};
	struct fault_outcome outcome = fault_bench_run(bench, good);

	require(succeeded(&outcome, i), what, "the next run returns %d, state %d: %s", outcome.run,
		(int)outcome.states[i], bench->message);
	judge_image(bench, &disk->image, true, what, "after the next run");
	outcome = fault_bench_run(bench, good);
	require(outcome.run == 0 && outcome.states[i] == FES_MIRROR_IN_SYNC && disk->n_writes == 0,
		what, "the run after the next returns %d, state %d, %llu writes: %s", outcome.run,
		(int)outcome.states[i], (unsigned long long)disk->n_writes, bench->message);
	fault_disk_undo(disk, n);
	disk->n_durable = n_durable;
}

void fault_bench_assess(
	struct fault_bench *bench, const struct fault_outcome *outcome, size_t i, const char *what)
{
	fault_bench_judge(bench, outcome, i, what);
	fault_bench_recover(bench, i, what);
}
