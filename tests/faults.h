/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What test-faults.c is made of: a bench on which whole runs of fes_sync_run() go wrong in a way
 * that is chosen (faults-bench.c), the volumes they work on (faults-cases.c), and a file for each
 * kind of fault.
 */

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/powercut.h"
#include "tests/scratch.h"
#include "tests/testdev.h"

/* Shared between the processes of a test program. */
struct fault_totals {
	_Atomic uint64_t device;   /* faults of devices that fail */
	_Atomic uint64_t lies;     /* writes dropped or changed */
	_Atomic uint64_t memory;   /* allocations that failed */
	_Atomic uint64_t calls;    /* system calls that failed or fell short */
	_Atomic uint64_t programs; /* runs of the program with one of the two before */
	_Atomic uint64_t pairs;    /* of the faults of devices: during a recovery */
	_Atomic uint64_t changes;  /* of a primary while it was read */
	_Atomic uint64_t mirrors;  /* dead ones beside others */
	_Atomic uint64_t states;   /* judged */
};
extern struct fault_totals *fault_totals;

/* With FATESPSYNC_TEST_FULL=1 everything is tried, else a part of it. */
bool faults_full(void);

/* How far to go on from the nth call: by @step, but by 1 in a full test. */
uint64_t faults_step(uint64_t step);

/* ---- faults-cases.c: what is synced, and where to ---- */

struct fault_subject {
	const char *name;
	const struct cut_shape *shape;
	const struct cut_workload *workload;
	unsigned step; /* try every so manieth fault in the short test */
};

enum {
	FAULT_SUBJECTS = 8
};
extern const struct fault_subject fault_subjects[FAULT_SUBJECTS];

/* Those that are looked up by name fail the case when there is none. */
const struct fault_subject *fault_subject_find(const char *name);

/* ---- faults-disk.c ---- */

/*
 * A disk in memory: what was written since the last flush is known, and everything can be taken
 * back. One call at a time goes on in it.
 */
struct fault_disk {
	struct cut_image image;
	struct fault_write *writes; /* in their order, a sector each */
	size_t n, room;
	size_t n_durable; /* of them, flushed */
	/*
	 * Called before each TESTDEV_* with how manieth of its kind it is, from 1; with 0 and 1 when
	 * the device is closed; with 0 and 0 when it is opened to find out what it is. NULL: not.
	 */
	void (*hook)(void *userdata, unsigned op, uint64_t nth);
	void *userdata;
	uint64_t n_reads, n_writes, n_flushes; /* calls */
	pthread_mutex_t lock;
};

/* A disk with a copy of @image. */
void fault_disk_init(struct fault_disk *disk, const struct cut_image *image);
void fault_disk_done(struct fault_disk *disk);
struct blkdev *fault_disk_open(struct fault_disk *disk);

/* Take back what came after the first @n sectors that were written. */
void fault_disk_undo(struct fault_disk *disk, size_t n);

/*
 * Bring the disk to what a power cut may leave, number @i: of the sectors written since the last
 * flush none is there, or one of them, or all but one. Returns false when there is no such number.
 * fault_disk_all() brings them back.
 */
bool fault_disk_cut(struct fault_disk *disk, size_t i);
void fault_disk_all(struct fault_disk *disk);

/* ---- faults-bench.c ---- */

enum {
	BENCH_MIRRORS = 3
};

/* The volumes of a case of cut_case_new(), with its mirror there several times. */
struct fault_bench {
	const struct fault_subject *subject;
	struct cut_image start;  /* of a mirror */
	struct cut_image target; /* of the primary */
	struct fes_managed managed;
	struct cut_judge *judge;
	struct fes_context *context;
	struct scratch folder;
	char primary_path[256];
	char mirror_paths[BENCH_MIRRORS][256];
	struct fault_disk primary;
	struct fault_disk mirrors[BENCH_MIRRORS];
	size_t n_mirrors;
	bool on_files;      /* run on the files, not on the disks in memory */
	unsigned wrapped;   /* WRAP_*: calls of a run that may fail as wrap_fault says */
	char message[1024]; /* the last error that was logged */
};

struct fault_bench *fault_bench_new(const struct fault_subject *subject, size_t n_mirrors);
void fault_bench_free(struct fault_bench *bench);

/*
 * Make a bench for each subject, once for all cases: an unchecked fixture of their test cases. A
 * case leaves the bench as it was. Its counterpart is for the end of the program.
 */
void fault_benches_prepare(void);
void fault_benches_forget(void);
struct fault_bench *fault_bench_of(const struct fault_subject *subject);

/* The copy's bytes are the caller's. */
struct cut_image fault_image_copy(struct cut_image image);

/* Make a file of an image. */
void fault_image_write(const char *path, const struct cut_image *image);

/* What goes wrong in a run; NULL: nothing. */
struct fault_plan {
	struct fault *primary;
	struct fault *mirrors[BENCH_MIRRORS];
};

/* How a run ended. */
struct fault_outcome {
	int run; /* what fes_sync_run(), or a call before it, returned */
	enum fes_mirror_state states[BENCH_MIRRORS]; /* 0: not known */
	char messages[BENCH_MIRRORS][512];           /* "" for none */
};

struct fault_outcome fault_bench_run(struct fault_bench *bench, struct fault_plan plan);

/*
 * After a run in which something went wrong: its report is true, mirror @i is what a power cut may
 * leave, also when what was not flushed is missing in part, and the next runs put it right. The
 * disk keeps what the run wrote. @what is for messages.
 */
void fault_bench_assess(
	struct fault_bench *bench, const struct fault_outcome *outcome, size_t i, const char *what);

/* The two halves of it. */
void fault_bench_judge(
	struct fault_bench *bench, const struct fault_outcome *outcome, size_t i, const char *what);
void fault_bench_recover(struct fault_bench *bench, size_t i, const char *what);

/* ---- a test case each ---- */

void faults_add_device_cases(Suite *suite);
void faults_add_memory_cases(Suite *suite);
void faults_add_call_cases(Suite *suite);
void faults_add_mirror_cases(Suite *suite);
void faults_add_primary_cases(Suite *suite);
void faults_add_program_cases(Suite *suite);
