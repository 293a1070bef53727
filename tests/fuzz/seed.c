/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/fuzz/seed.h"

enum { LINE_LEN = 16, MAX_DIRS = 64 };

static const char *const names[FUZZ_N_SEEDS] = {
	"fat12-old",
	"fat12-new",
	"fat12-4096",
	"fat12-fragmented",
	"fat12-full",
	"fat12-half-done",
	"fat12-one-copy",
	"fat16-old",
	"fat16-new",
	"fat16-empty",
	"fat32-old",
	"fat32-new",
};

/* What libFuzzer calls has no other way to keep something from one run to the next. */
static struct fuzz_seed *loaded[FUZZ_N_SEEDS][2];

void fuzz_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	abort();
}

static void require(bool ok, const char *what)
{
	if (!ok)
		fuzz_fail("harness: %s", what);
}

const char *fuzz_seed_name(unsigned i)
{
	return names[i];
}

/* ---- what od printed ---- */

static FILE *open_text(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/tests/fuzz/seeds/%s.od", srcdir ? srcdir : ".", name);
	file = fopen(path, "re");
	if (!file)
		fuzz_fail("%s: cannot be opened; set srcdir", path);
	return file;
}

/* The last line is the size and no more. */
static uint64_t read_size(FILE *file)
{
	char text[80] = "";

	while (fgets(text, sizeof text, file))
		;
	rewind(file);
	return strtoull(text, NULL, 16);
}

/* Memory that is not written to stays zero and costs nothing. */
static void put_line(struct fuzz_seed *seed, uint64_t offset, const uint8_t *line)
{
	static const uint8_t zeros[LINE_LEN];

	require(offset + LINE_LEN <= seed->size, "a line behind the end of the seed");
	if (memcmp(line, zeros, LINE_LEN) != 0)
		memcpy(seed->bytes + offset, line, LINE_LEN);
}

static void parse_line(char *text, uint8_t *line)
{
	for (int i = 0; i < LINE_LEN; i++)
		line[i] = (uint8_t)strtoul(text, &text, 16);
}

/* "*" stands for lines equal to the one before it. */
static void read_lines(struct fuzz_seed *seed, FILE *file)
{
	uint8_t line[LINE_LEN] = {0};
	uint64_t next = 0;
	char text[80];

	while (fgets(text, sizeof text, file)) {
		uint64_t offset;
		char *at;

		if (*text == '*')
			continue;
		offset = strtoull(text, &at, 16);
		for (; next < offset; next += LINE_LEN)
			put_line(seed, next, line);
		if (offset == seed->size)
			return;
		parse_line(at, line);
	}
	fuzz_fail("harness: seed %s has no end", seed->name);
}

static void load_bytes(struct fuzz_seed *seed)
{
	FILE *file = open_text(seed->name);

	seed->size = read_size(file);
	seed->bytes = mmap(NULL, seed->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	require(seed->bytes != MAP_FAILED, "memory for a seed");
	read_lines(seed, file);
	(void)fclose(file);
}

/* ---- places ---- */

static void *grow(void *list, size_t n, size_t size)
{
	list = reallocarray(list, n + 1, size);
	require(list != NULL, "memory");
	return list;
}

static void add_dir(struct fuzz_seed *seed, const struct fat_volume *vol,
	const struct fat_dir_image *image)
{
	struct fuzz_dir dir = {.n_slots = image->n_slots};

	dir.slots = calloc(image->n_slots, sizeof *dir.slots);
	require(dir.slots != NULL, "memory");
	for (uint32_t i = 0; i < image->n_slots; i++)
		dir.slots[i] = fat_dir_image_offset(vol, image, i);
	seed->dirs = grow(seed->dirs, seed->n_dirs, sizeof *seed->dirs);
	seed->dirs[seed->n_dirs++] = dir;
}

static void find_places_below(struct fuzz_seed *seed, struct fat_volume *vol, uint32_t cluster)
{
	uint32_t slot = 0, dir = seed->n_dirs;
	struct fat_dir_image image;
	struct fat_set set;

	require(fat_dir_image_load(vol, cluster, "seed", &image) == 0, "a directory of a seed");
	require(dir < MAX_DIRS, "number of directories");
	add_dir(seed, vol, &image);
	while (fat_set_next(image.bytes, image.n_slots, &slot, &set) > 0) {
		struct fat_entry entry;

		fat_set_decode(vol, image.bytes, &set, &entry);
		seed->sets = grow(seed->sets, seed->n_sets, sizeof *seed->sets);
		seed->sets[seed->n_sets++] = (struct fuzz_set){
			.dir = dir, .first = slot - set.n_slots, .n_slots = set.n_slots};
		if (entry.attributes & FAT_ATTR_DIRECTORY &&
			!fat_slot_is_dot(fat_entry_short(&entry)))
			find_places_below(seed, vol, entry.first_cluster);
	}
	fat_dir_image_done(&image);
}

static void find_used(struct fuzz_seed *seed, const struct fat_volume *vol)
{
	for (uint32_t i = 0; i < vol->geo.n_clusters; i++) {
		if (fat_next(vol, i + 2) == FAT_FREE)
			continue;
		seed->used = grow(seed->used, seed->n_used, sizeof *seed->used);
		seed->used[seed->n_used++] = i + 2;
	}
}

static void find_places(struct fuzz_seed *seed)
{
	struct blkdev *dev = fuzz_seed_device(seed, false);
	struct fat_volume *vol;

	require(fat_open(dev, seed->name, NULL, &vol) == 0, "a seed is no volume");
	seed->geo = vol->geo;
	find_places_below(seed, vol, 0);
	find_used(seed, vol);
	fat_close(vol);
	blkdev_close(dev);
}

static struct fuzz_seed *load(const char *name)
{
	struct fuzz_seed *seed = calloc(1, sizeof *seed);

	require(seed != NULL, "memory");
	seed->name = name;
	load_bytes(seed);
	/* Before the geometry is known. */
	seed->geo.sector_size = (uint32_t)(seed->bytes[11] | seed->bytes[12] << 8);
	find_places(seed);
	return seed;
}

struct fuzz_seed *fuzz_seed_get(unsigned i, unsigned role)
{
	if (!loaded[i][role])
		loaded[i][role] = load(names[i]);
	return loaded[i][role];
}

static void unload(struct fuzz_seed *seed)
{
	if (!seed)
		return;
	for (uint32_t i = 0; i < seed->n_dirs; i++)
		free(seed->dirs[i].slots);
	free(seed->dirs);
	free(seed->sets);
	free(seed->used);
	free(seed->old);
	(void)munmap(seed->bytes, seed->size);
	free(seed);
}

void fuzz_seeds_done(void)
{
	for (unsigned i = 0; i < FUZZ_N_SEEDS; i++)
		for (unsigned role = 0; role < 2; role++) {
			unload(loaded[i][role]);
			loaded[i][role] = NULL;
		}
}

/* ---- changes ---- */

static void keep_sector(struct fuzz_seed *seed, uint64_t offset)
{
	struct fuzz_old_sector *old;

	if (seed->n_old > seed->mark && seed->old[seed->n_old - 1].offset == offset)
		return;
	if (seed->n_old == seed->room_old) {
		seed->room_old = seed->room_old ? seed->room_old * 2 : 256;
		seed->old = reallocarray(seed->old, seed->room_old, sizeof *seed->old);
		require(seed->old != NULL, "memory");
	}
	old = &seed->old[seed->n_old++];
	old->offset = offset;
	memcpy(old->bytes, seed->bytes + offset, sizeof old->bytes);
}

void fuzz_seed_put(struct fuzz_seed *seed, uint64_t offset, const void *bytes, size_t len)
{
	if (offset >= seed->size)
		return;
	if (len > seed->size - offset)
		len = (size_t)(seed->size - offset);
	for (uint64_t at = offset / 512 * 512; at < offset + len; at += 512)
		keep_sector(seed, at);
	memcpy(seed->bytes + offset, bytes, len);
}

void fuzz_seed_mark(struct fuzz_seed *seed)
{
	seed->mark = seed->n_old;
}

void fuzz_seed_reset(struct fuzz_seed *seed)
{
	seed->mark = 0;
	while (seed->n_old > 0) {
		const struct fuzz_old_sector *old = &seed->old[--seed->n_old];

		memcpy(seed->bytes + old->offset, old->bytes, sizeof old->bytes);
	}
}

/* ---- the device ---- */

static int seed_read(void *impl, uint64_t offset, void *buf, size_t len)
{
	const struct fuzz_seed *seed = impl;

	memcpy(buf, seed->bytes + offset, len);
	return 0;
}

static int seed_write(void *impl, uint64_t offset, const void *buf, size_t len)
{
	fuzz_seed_put(impl, offset, buf, len);
	return 0;
}

static int seed_flush(void *impl)
{
	(void)impl;
	return 0;
}

/* The seed outlives its devices. */
static void seed_close(void *impl)
{
	(void)impl;
}

struct blkdev *fuzz_seed_device(struct fuzz_seed *seed, bool writable)
{
	static const struct blkdev_ops reading = {.read = seed_read, .close = seed_close};
	static const struct blkdev_ops writing = {
		.read = seed_read,
		.write = seed_write,
		.flush = seed_flush,
		.close = seed_close,
	};
	struct blkdev *dev;

	require(blkdev_new(writable ? &writing : &reading, seed, seed->size, seed->geo.sector_size,
			&dev) == 0,
		"a device over a seed");
	return dev;
}
