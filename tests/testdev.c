/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/testdev.h"

/* ---- memdev ---- */

struct memdev {
	uint8_t *bytes;
	bool owned;
};

static int memdev_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	const struct memdev *mem = impl;

	memcpy(buf, mem->bytes + offset, len);
	return 0;
}

static int memdev_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct memdev *mem = impl;

	memcpy(mem->bytes + offset, buf, len);
	return 0;
}

static int memdev_flush(void *impl)
{
	(void)impl;
	return 0;
}

static void memdev_close(void *impl)
{
	struct memdev *mem = impl;

	if (mem->owned)
		free(mem->bytes);
	free(mem);
}

static const struct blkdev_ops memdev_ops = {
	.read = memdev_read,
	.write = memdev_write,
	.flush = memdev_flush,
	.close = memdev_close,
};

static int make_memdev(uint8_t *bytes, bool owned, uint64_t size, uint32_t sector_size,
	struct blkdev **ret)
{
	struct memdev *mem;
	int r;

	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return -ENOMEM;
	mem->bytes = bytes;
	mem->owned = owned;

	r = blkdev_new(&memdev_ops, mem, size, sector_size, ret);
	if (r < 0)
		free(mem);
	return r;
}

int memdev_wrap(uint8_t *bytes, uint64_t size, uint32_t sector_size, struct blkdev **ret)
{
	return make_memdev(bytes, false, size, sector_size, ret);
}

int memdev_new(uint64_t size, uint32_t sector_size, uint8_t **bytes, struct blkdev **ret)
{
	uint8_t *mem;
	int r;

	mem = calloc(1, size > 0 ? (size_t)size : 1);
	if (!mem)
		return -ENOMEM;

	r = make_memdev(mem, true, size, sector_size, ret);
	if (r < 0) {
		free(mem);
		return r;
	}
	if (bytes)
		*bytes = mem;
	return 0;
}

static int read_file(int fd, uint8_t *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, bytes + done, len - done);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int load_fd(int fd, uint32_t sector_size, uint8_t **bytes, struct blkdev **ret)
{
	struct blkdev *dev;
	uint8_t *mem;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = memdev_new((uint64_t)st.st_size, sector_size, &mem, &dev);
	if (r < 0)
		return r;

	r = read_file(fd, mem, (size_t)st.st_size);
	if (r < 0) {
		blkdev_close(dev);
		return r;
	}
	if (bytes)
		*bytes = mem;
	*ret = dev;
	return 0;
}

int memdev_load(const char *path, uint32_t sector_size, uint8_t **bytes, struct blkdev **ret)
{
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = load_fd(fd, sector_size, bytes, ret);
	(void)close(fd);
	return r;
}

/* ---- faultdev ---- */

struct faultdev {
	struct blkdev *next;
	struct fault *fault;
};

/* The one decision; the calls below ask it and forward. */
static bool fires(struct fault *fault, unsigned op)
{
	uint64_t call;

	if ((fault->ops & op) == 0)
		return false;
	call = atomic_fetch_add(&fault->n_calls, 1) + 1;
	if (fault->nth == 0 || call < fault->nth || (call > fault->nth && !fault->sticky))
		return false;
	(void)atomic_fetch_add(&fault->n_fired, 1);
	return true;
}

static int faultdev_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	struct faultdev *dev = impl;
	int r;

	if (!fires(dev->fault, TESTDEV_READ))
		return blkdev_read(dev->next, offset, buf, len);
	if (dev->fault->kind != FAULT_FLIP && dev->fault->kind != FAULT_LATE)
		return dev->fault->error;

	r = blkdev_read(dev->next, offset, buf, len);
	if (r == 0 && dev->fault->kind == FAULT_LATE)
		return dev->fault->error;
	((uint8_t *)buf)[0] ^= 1;
	return r;
}

static int write_half(struct faultdev *dev, uint64_t offset, const void *buf, size_t len)
{
	size_t sector_size = blkdev_sector_size(dev->next);
	size_t half = len / 2 - len / 2 % sector_size;
	int r;

	r = blkdev_write(dev->next, offset, buf, half);
	return r < 0 ? r : dev->fault->error;
}

static int write_late(struct faultdev *dev, uint64_t offset, const void *buf, size_t len)
{
	int r;

	r = blkdev_write(dev->next, offset, buf, len);
	return r < 0 ? r : dev->fault->error;
}

static int write_flipped(struct faultdev *dev, uint64_t offset, const void *buf, size_t len)
{
	uint8_t *copy;
	int r;

	copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, buf, len);
	copy[0] ^= 1;
	r = blkdev_write(dev->next, offset, copy, len);
	free(copy);
	return r;
}

static int faultdev_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct faultdev *dev = impl;

	if (!fires(dev->fault, TESTDEV_WRITE))
		return blkdev_write(dev->next, offset, buf, len);

	switch (dev->fault->kind) {
	case FAULT_HALF:
		return write_half(dev, offset, buf, len);
	case FAULT_LATE:
		return write_late(dev, offset, buf, len);
	case FAULT_DROP:
		return 0;
	case FAULT_TEAR:
		(void)write_half(dev, offset, buf, len);
		return 0;
	case FAULT_FLIP:
		return write_flipped(dev, offset, buf, len);
	case FAULT_ERROR:
		break;
	}
	return dev->fault->error;
}

static int faultdev_flush(void *impl)
{
	struct faultdev *dev = impl;
	int r = 0;

	if (!fires(dev->fault, TESTDEV_FLUSH))
		return blkdev_flush(dev->next);
	if (dev->fault->kind == FAULT_LATE)
		r = blkdev_flush(dev->next);
	return r < 0 || dev->fault->kind == FAULT_DROP ? r : dev->fault->error;
}

/* A device of another size has half of it. */
static int faultdev_recheck(void *impl, uint64_t *ret_size)
{
	struct faultdev *dev = impl;

	if (!fires(dev->fault, TESTDEV_RECHECK))
		return blkdev_recheck(dev->next, ret_size);
	if (dev->fault->error == -ESTALE)
		*ret_size = blkdev_size(dev->next) / 2;
	return dev->fault->error;
}

static const struct blkdev_ops faultdev_ops = {
	.read = faultdev_read,
	.write = faultdev_write,
	.flush = faultdev_flush,
	.recheck = faultdev_recheck,
	.close = free,
};

int faultdev_new(struct blkdev *next, struct fault *fault, struct blkdev **ret)
{
	struct faultdev *dev;
	int r;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->next = next;
	dev->fault = fault;

	r = blkdev_new(&faultdev_ops, dev, blkdev_size(next), blkdev_sector_size(next), ret);
	if (r < 0) {
		free(dev);
		return r;
	}
	blkdev_set_physical_size(*ret, blkdev_physical_size(next));
	return 0;
}

/* ---- tracedev ---- */

struct tracedev {
	struct blkdev *next;
	struct trace *trace;
	pthread_mutex_t mutex; /* the text grows from every thread that reads */
};

static int append(struct trace *trace, const char *line)
{
	size_t len = strlen(line);
	char *text;

	text = realloc(trace->text, trace->len + len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text + trace->len, line, len + 1);
	trace->text = text;
	trace->len += len;
	return 0;
}

static int note(struct tracedev *dev, unsigned op, const char *line)
{
	int r;

	if ((dev->trace->ops & op) == 0)
		return 0;
	(void)pthread_mutex_lock(&dev->mutex);
	r = append(dev->trace, line);
	(void)pthread_mutex_unlock(&dev->mutex);
	return r;
}

static int note_transfer(struct tracedev *dev, unsigned op, uint64_t offset, size_t len)
{
	const char *verb = op == TESTDEV_READ ? "read" : "write";
	char line[64];

	(void)snprintf(line, sizeof(line), "%s %" PRIu64 "+%zu\n", verb, offset, len);
	return note(dev, op, line);
}

static int tracedev_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	struct tracedev *dev = impl;
	int r;

	r = note_transfer(dev, TESTDEV_READ, offset, len);
	return r < 0 ? r : blkdev_read(dev->next, offset, buf, len);
}

static int tracedev_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct tracedev *dev = impl;
	int r;

	r = note_transfer(dev, TESTDEV_WRITE, offset, len);
	return r < 0 ? r : blkdev_write(dev->next, offset, buf, len);
}

static int tracedev_flush(void *impl)
{
	struct tracedev *dev = impl;
	int r;

	r = note(dev, TESTDEV_FLUSH, "flush\n");
	return r < 0 ? r : blkdev_flush(dev->next);
}

static int tracedev_recheck(void *impl, uint64_t *ret_size)
{
	struct tracedev *dev = impl;
	int r;

	r = note(dev, TESTDEV_RECHECK, "recheck\n");
	return r < 0 ? r : blkdev_recheck(dev->next, ret_size);
}

static void tracedev_close(void *impl)
{
	struct tracedev *dev = impl;

	(void)pthread_mutex_destroy(&dev->mutex);
	free(dev);
}

static const struct blkdev_ops tracedev_ops = {
	.read = tracedev_read,
	.write = tracedev_write,
	.flush = tracedev_flush,
	.recheck = tracedev_recheck,
	.close = tracedev_close,
};

int tracedev_new(struct blkdev *next, struct trace *trace, struct blkdev **ret)
{
	struct tracedev *dev;
	int r;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->next = next;
	dev->trace = trace;
	(void)pthread_mutex_init(&dev->mutex, NULL);

	r = blkdev_new(&tracedev_ops, dev, blkdev_size(next), blkdev_sector_size(next), ret);
	if (r < 0) {
		tracedev_close(dev);
		return r;
	}
	blkdev_set_physical_size(*ret, blkdev_physical_size(next));
	return 0;
}

void trace_done(struct trace *trace)
{
	free(trace->text);
	trace->text = NULL;
	trace->len = 0;
}

/* ---- tapdev ---- */

struct tapdev {
	struct blkdev *next;
	tap_fn fn;
	void *userdata;
};

static int tapdev_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	const struct tapdev *dev = impl;

	dev->fn(dev->userdata, TESTDEV_READ);
	return blkdev_read(dev->next, offset, buf, len);
}

static int tapdev_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	const struct tapdev *dev = impl;

	dev->fn(dev->userdata, TESTDEV_WRITE);
	return blkdev_write(dev->next, offset, buf, len);
}

static int tapdev_flush(void *impl)
{
	const struct tapdev *dev = impl;

	dev->fn(dev->userdata, TESTDEV_FLUSH);
	return blkdev_flush(dev->next);
}

static int tapdev_recheck(void *impl, uint64_t *ret_size)
{
	const struct tapdev *dev = impl;

	return blkdev_recheck(dev->next, ret_size);
}

static const struct blkdev_ops tapdev_ops = {
	.read = tapdev_read,
	.write = tapdev_write,
	.flush = tapdev_flush,
	.recheck = tapdev_recheck,
	.close = free,
};

int tapdev_new(struct blkdev *next, tap_fn fn, void *userdata, struct blkdev **ret)
{
	struct tapdev *dev = malloc(sizeof(*dev));
	int r;

	if (!dev)
		return -ENOMEM;
	*dev = (struct tapdev){next, fn, userdata};
	r = blkdev_new(&tapdev_ops, dev, blkdev_size(next), blkdev_sector_size(next), ret);
	if (r < 0) {
		free(dev);
		return r;
	}
	blkdev_set_physical_size(*ret, blkdev_physical_size(next));
	return 0;
}

/* ---- logdev ---- */

struct epoch {
	struct sector_version *versions;
	size_t n_versions;
	size_t n_writes;
};

struct write_log {
	uint64_t size;
	uint32_t sector_size;
	uint8_t *base; /* NULL: none kept */
	struct epoch *epochs;
	size_t n_epochs;
};

struct logdev {
	struct blkdev *next;
	struct write_log *log;
};

static struct epoch *running(struct write_log *log)
{
	return &log->epochs[log->n_epochs - 1];
}

static int add_epoch(struct write_log *log)
{
	struct epoch *epochs;

	epochs = realloc(log->epochs, (log->n_epochs + 1) * sizeof(*epochs));
	if (!epochs)
		return -ENOMEM;
	epochs[log->n_epochs] = (struct epoch){0};
	log->epochs = epochs;
	log->n_epochs++;
	return 0;
}

/* What the sector held when the running epoch began: @now, unless it was written since. */
static const uint8_t *at_epoch_begin(struct write_log *log, uint64_t offset, const uint8_t *now)
{
	const struct epoch *epoch = running(log);

	for (size_t i = 0; i < epoch->n_versions; i++)
		if (epoch->versions[i].offset == offset)
			return epoch->versions[i].before;
	return now;
}

/* One allocation holds both sectors of a version: the data and what was there before. */
static int add_version(struct write_log *log, uint64_t offset, const uint8_t *now,
	const uint8_t *data)
{
	struct epoch *epoch = running(log);
	struct sector_version *versions;
	uint8_t *copy;

	versions = realloc(epoch->versions, (epoch->n_versions + 1) * sizeof(*versions));
	if (!versions)
		return -ENOMEM;
	epoch->versions = versions;

	copy = malloc((size_t)log->sector_size * 2);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, log->sector_size);
	memcpy(copy + log->sector_size, at_epoch_begin(log, offset, now), log->sector_size);
	versions[epoch->n_versions++] = (struct sector_version){
		.offset = offset,
		.data = copy,
		.before = copy + log->sector_size,
		.write = epoch->n_writes,
	};
	return 0;
}

/* @now: what the device held there before this write. */
static int log_write(struct write_log *log, uint64_t offset, const uint8_t *now,
	const uint8_t *data, size_t len)
{
	size_t done;
	int r;

	for (done = 0; done < len; done += log->sector_size) {
		if (memcmp(now + done, data + done, log->sector_size) == 0)
			continue;
		r = add_version(log, offset + done, now + done, data + done);
		if (r < 0)
			return r;
	}
	running(log)->n_writes++;
	return 0;
}

static int logdev_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	struct logdev *dev = impl;

	return blkdev_read(dev->next, offset, buf, len);
}

static int logdev_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	struct logdev *dev = impl;
	uint8_t *now = blkdev_buffer_new(len);
	int r;

	if (!now)
		return -ENOMEM;
	r = blkdev_read(dev->next, offset, now, len);
	if (r == 0)
		r = blkdev_write(dev->next, offset, buf, len);
	if (r == 0)
		r = log_write(dev->log, offset, now, buf, len);
	free(now);
	return r;
}

static int logdev_flush(void *impl)
{
	struct logdev *dev = impl;
	int r;

	r = blkdev_flush(dev->next);
	return r < 0 ? r : add_epoch(dev->log);
}

static int logdev_recheck(void *impl, uint64_t *ret_size)
{
	const struct logdev *dev = impl;

	return blkdev_recheck(dev->next, ret_size);
}

static const struct blkdev_ops logdev_ops = {
	.read = logdev_read,
	.write = logdev_write,
	.flush = logdev_flush,
	.recheck = logdev_recheck,
	.close = free,
};

static int keep_base(struct write_log *log, struct blkdev *dev)
{
	log->base = blkdev_buffer_new((size_t)log->size);
	return log->base ? blkdev_read(dev, 0, log->base, (size_t)log->size) : -ENOMEM;
}

static int make_logdev(struct blkdev *next, struct write_log *log, struct blkdev **ret)
{
	struct logdev *dev;
	int r;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->next = next;
	dev->log = log;

	r = blkdev_new(&logdev_ops, dev, log->size, log->sector_size, ret);
	if (r < 0) {
		free(dev);
		return r;
	}
	blkdev_set_physical_size(*ret, blkdev_physical_size(next));
	return 0;
}

static int new_logdev(struct blkdev *next, bool with_base, struct write_log **ret_log,
	struct blkdev **ret)
{
	struct write_log *log;
	int r;

	log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->size = blkdev_size(next);
	log->sector_size = blkdev_sector_size(next);

	r = add_epoch(log);
	if (r == 0 && with_base)
		r = keep_base(log, next);
	if (r == 0)
		r = make_logdev(next, log, ret);
	if (r < 0) {
		write_log_free(log);
		return r;
	}
	*ret_log = log;
	return 0;
}

int logdev_new(struct blkdev *next, struct write_log **log, struct blkdev **ret)
{
	return new_logdev(next, true, log, ret);
}

int logdev_new_light(struct blkdev *next, struct write_log **log, struct blkdev **ret)
{
	return new_logdev(next, false, log, ret);
}

static void free_epoch(struct epoch *epoch)
{
	size_t i;

	/* The data is ours, const only for those who look at it. */
	for (i = 0; i < epoch->n_versions; i++)
		free((void *)(uintptr_t)epoch->versions[i].data);
	free(epoch->versions);
}

void write_log_free(struct write_log *log)
{
	size_t i;

	if (!log)
		return;
	for (i = 0; i < log->n_epochs; i++)
		free_epoch(&log->epochs[i]);
	free(log->epochs);
	free(log->base);
	free(log);
}

uint64_t write_log_image_size(const struct write_log *log)
{
	return log->size;
}

uint32_t write_log_sector_size(const struct write_log *log)
{
	return log->sector_size;
}

size_t write_log_n_epochs(const struct write_log *log)
{
	return log->n_epochs;
}

size_t write_log_n_versions(const struct write_log *log, size_t epoch)
{
	assert(epoch < log->n_epochs);
	return log->epochs[epoch].n_versions;
}

const struct sector_version *write_log_version(const struct write_log *log, size_t epoch, size_t i)
{
	assert(epoch < log->n_epochs && i < log->epochs[epoch].n_versions);
	return &log->epochs[epoch].versions[i];
}

static bool is_chosen(const uint8_t *chosen, size_t i)
{
	return (chosen[i / 8] >> (i % 8) & 1) != 0;
}

static void apply_all(const struct write_log *log, size_t epoch, uint8_t *image)
{
	const struct epoch *from = &log->epochs[epoch];
	size_t i;

	for (i = 0; i < from->n_versions; i++)
		memcpy(image + from->versions[i].offset, from->versions[i].data, log->sector_size);
}

void logdev_apply(const struct write_log *log, size_t epoch, const uint8_t *chosen, uint8_t *image)
{
	const struct epoch *from = &log->epochs[epoch];
	size_t i;

	assert(epoch < log->n_epochs);
	for (i = 0; i < from->n_versions; i++)
		if (is_chosen(chosen, i))
			memcpy(image + from->versions[i].offset, from->versions[i].data,
				log->sector_size);
}

void logdev_revert(const struct write_log *log, size_t epoch, uint8_t *image)
{
	const struct epoch *from = &log->epochs[epoch];
	size_t i;

	assert(epoch < log->n_epochs);
	for (i = 0; i < from->n_versions; i++)
		memcpy(image + from->versions[i].offset, from->versions[i].before,
			log->sector_size);
}

void logdev_build(const struct write_log *log, size_t epoch, const uint8_t *chosen, uint8_t *image)
{
	size_t i;

	assert(log->base);
	assert(epoch < log->n_epochs || (epoch == log->n_epochs && !chosen));

	memcpy(image, log->base, (size_t)log->size);
	for (i = 0; i < epoch; i++)
		apply_all(log, i, image);
	if (chosen)
		logdev_apply(log, epoch, chosen, image);
}
