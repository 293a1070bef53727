/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Devices for tests, under the interface of fat/blkdev.h. They stack: faultdev, tracedev, tapdev
 * and logdev pass calls on to the device below, which they borrow and which must outlive them.
 * Reads may come from several threads, as with any device.
 *
 * Functions return 0, -ENOMEM, or what blkdev_new() and the device below return.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fat/blkdev.h"

/* ---- memdev: bytes in memory ---- */

/*
 * A device of @size zero bytes. *@bytes (may be NULL) are its contents, to look at and to change
 * behind its back; they live as long as the device.
 */
int memdev_new(uint64_t size, uint32_t sector_size, uint8_t **bytes, struct blkdev **ret);

/* A device over the @size bytes at @bytes, which stay the caller's and outlive the device. */
int memdev_wrap(uint8_t *bytes, uint64_t size, uint32_t sector_size, struct blkdev **ret);

/* Like memdev_new(), with the contents of the file @path; also errors of open(2) and read(2). */
int memdev_load(const char *path, uint32_t sector_size, uint8_t **bytes, struct blkdev **ret);

/* ---- faultdev: the nth call fails ---- */

enum testdev_op {
	TESTDEV_READ = 1 << 0,
	TESTDEV_WRITE = 1 << 1,
	TESTDEV_FLUSH = 1 << 2,
	TESTDEV_ALL = TESTDEV_READ | TESTDEV_WRITE | TESTDEV_FLUSH, /* what transfers */
	TESTDEV_RECHECK = 1 << 3,
};

enum fault_kind {
	FAULT_ERROR, /* nothing happens and the call returns error; a recheck always does so */
	FAULT_HALF,  /* a write does its first half (in whole sectors), then FAULT_ERROR */
	FAULT_LATE,  /* the call does all that it should, then FAULT_ERROR */
	FAULT_DROP,  /* a write or flush does nothing and returns 0: a lying device */
	FAULT_TEAR,  /* a write does its first half (in whole sectors) and returns 0 */
	FAULT_FLIP,  /* a read or write returns 0 but the first bit of its data is flipped */
};

/*
 * Which call fails and how. To run every error path, loop: begin with nth = 1 and count up until
 * n_fired stays 0.
 */
struct fault {
	unsigned ops;         /* TESTDEV_*: the calls that are counted and may fail */
	enum fault_kind kind;
	int error;            /* negative errno, for those that fail */
	uint64_t nth;         /* the call that fails, from 1; 0: none */
	bool sticky;          /* all later ones too */
	_Atomic uint64_t n_calls; /* so far; set to 0 to count from anew */
	_Atomic uint64_t n_fired; /* how many of them failed */
};

/* @fault is borrowed, and may be changed between calls. */
int faultdev_new(struct blkdev *next, struct fault *fault, struct blkdev **ret);

/* ---- tracedev: a text line per call ---- */

/*
 * "read 512+512\n", "write 4096+512\n" (offset+length, bytes), "flush\n" and "recheck\n", also for
 * calls that then fail. Free with trace_done().
 */
struct trace {
	unsigned ops; /* TESTDEV_*: which calls leave a line */
	char *text;   /* NULL before the first line, then ends with NUL */
	size_t len;
};

/* @trace is borrowed. Only @trace->ops is looked at at first; the rest must be zero. */
int tracedev_new(struct blkdev *next, struct trace *trace, struct blkdev **ret);

/* Free the text and be ready to go on. */
void trace_done(struct trace *trace);

/* ---- tapdev: somebody is told of each call before it is made, but for rechecks ---- */

typedef void (*tap_fn)(void *userdata, enum testdev_op op);

int tapdev_new(struct blkdev *next, tap_fn fn, void *userdata, struct blkdev **ret);

/* ---- logdev: what a power cut could leave ---- */

/*
 * The log of a device: what stood on it at first (if that is kept), and every write since. Flushes divide it into
 * epochs. Epoch e is what was written after flush number e and before the next; the last epoch is
 * the running one and may be empty.
 *
 * A power cut in epoch e leaves all writes of earlier epochs and any subset of the sector
 * versions of epoch e. A sector version is one sector of one write; of two versions of
 * one sector the later wins when both are chosen, so that subsets reach every version. A version
 * that changes nothing against the one before it is left out.
 */
struct write_log;

struct sector_version {
	uint64_t offset;       /* bytes */
	const uint8_t *data;   /* one sector of it */
	const uint8_t *before; /* the same sector when the epoch began */
	size_t write;          /* the number of the write in its epoch, from 0 */
};

/*
 * Record what goes through *@ret to @next, beginning with a copy of its contents. The log is the
 * caller's and outlives the device; write_log_free() it.
 *
 * Writes and flushes that fail below are not logged, so a faultdev belongs above a logdev.
 */
int logdev_new(struct blkdev *next, struct write_log **log, struct blkdev **ret);

/* The same without that copy, for large devices: there is no logdev_build() then. */
int logdev_new_light(struct blkdev *next, struct write_log **log, struct blkdev **ret);

void write_log_free(struct write_log *log); /* NULL is fine */

uint64_t write_log_image_size(const struct write_log *log);
uint32_t write_log_sector_size(const struct write_log *log);
size_t write_log_n_epochs(const struct write_log *log); /* flushes + 1 */

/* Sector versions in @epoch, in the order in which they were written. */
size_t write_log_n_versions(const struct write_log *log, size_t epoch);
const struct sector_version *write_log_version(const struct write_log *log, size_t epoch,
	size_t i);

/*
 * Make the image that a power cut in @epoch leaves when the sector versions chosen in the bitmap
 * @chosen got through (version i is bit i % 8 of byte i / 8; NULL: none). @image holds
 * write_log_image_size() bytes.
 *
 * @epoch may be write_log_n_epochs(), with @chosen NULL: the image with everything.
 */
void logdev_build(const struct write_log *log, size_t epoch, const uint8_t *chosen,
	uint8_t *image);

/*
 * The same in small steps, without copying the whole image for each state: @image must be as
 * logdev_build(log, epoch, NULL, image) leaves it. logdev_apply() adds the chosen versions and
 * logdev_revert() brings back every sector of the epoch.
 */
void logdev_apply(const struct write_log *log, size_t epoch, const uint8_t *chosen,
	uint8_t *image);
void logdev_revert(const struct write_log *log, size_t epoch, uint8_t *image);
