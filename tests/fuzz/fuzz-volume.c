/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/change.h"
#include "tests/fuzz/reader.h"
#include "tests/fuzz/target.h"

/*
 * Open, check, walk every directory and read every file of one volume, whatever it holds. What is
 * sound by our check is readable to the last byte; what is not may be refused anywhere, but ends.
 */

const unsigned fuzz_n_roles = 1;
unsigned fuzz_n_good;

enum {
	PIECE = 16 * 1024,
	MAX_DIRS = 200,                /* of a damaged volume: entries may name each other */
	MAX_BYTES = 4 * 1024 * 1024,
};

struct reading {
	struct fat_volume *vol;
	bool sound;
	unsigned n_dirs;
	uint64_t n_bytes;
	uint8_t buf[PIECE];
};

static void look_at_text(void *userdata, const char *message)
{
	(void)userdata;
	if (strpbrk(message, "\n\r") || strlen(message) > 8192)
		fuzz_fail("not one line: %s", message);
}

static void look_at_finding(void *userdata, enum fat_severity severity, const char *message)
{
	uint32_t *worst = userdata;

	if (severity > *worst)
		*worst = severity;
	look_at_text(NULL, message);
}

static void read_file(struct reading *reading, const struct fat_entry *entry, const char *path)
{
	struct fat_file *file;
	uint64_t done = 0;
	int64_t n = fat_file_open(reading->vol, entry->first_cluster, entry->size, path, &file);

	if (n < 0 && reading->sound)
		fuzz_fail("%s: sound, and cannot be opened", path);
	if (n < 0)
		return;
	while (reading->n_bytes < MAX_BYTES &&
		(n = fat_file_read(file, reading->buf, sizeof reading->buf)) > 0) {
		done += (uint64_t)n;
		reading->n_bytes += (uint64_t)n;
	}
	fat_file_close(file);
	if (done > entry->size || (n == 0 && done < entry->size && reading->n_bytes < MAX_BYTES))
		fuzz_fail("%s: %llu bytes of %u", path, (unsigned long long)done, entry->size);
	if (n < 0 && reading->sound)
		fuzz_fail("%s: sound, and cannot be read", path);
}

/* What directories list is found by its path. */
static void look_up(const struct reading *reading, const char *path)
{
	struct fat_entry found;

	if (reading->sound && fat_lookup(reading->vol, path, &found) < 0)
		fuzz_fail("%s: not found", path);
}

/* A part of @path with a '/' in it makes it the path of something else: then it is not @plain. */
static void read_dir(struct reading *reading, uint32_t cluster, const char *path, bool plain,
	unsigned depth)
{
	struct fat_entry entry;
	struct fat_dir *dir;
	int r;

	if (reading->n_dirs++ >= MAX_DIRS || depth > FAT_DEPTH_MAX)
		return;
	r = fat_dir_open(reading->vol, cluster, path, &dir);
	if (r < 0 && reading->sound)
		fuzz_fail("%s: sound, and cannot be opened", path);
	if (r < 0)
		return;
	while (fat_dir_next(dir, &entry) > 0) {
		bool below_plain = plain && !strchr(entry.name, '/');
		char below[4096];

		(void)snprintf(below, sizeof below, "%s/%s", path, entry.name);
		if (depth < 3 && below_plain)
			look_up(reading, below);
		if (entry.attributes & FAT_ATTR_DIRECTORY)
			read_dir(reading, entry.first_cluster, below, below_plain, depth + 1);
		else
			read_file(reading, &entry, below);
	}
	(void)fat_dir_untidy(dir);
	fat_dir_close(dir);
}

/* What we call sound, another reader can read, and it counts the same. */
static void compare_readers(const struct fuzz_seed *seed, const struct fat_check_result *result)
{
	struct reader_rules rules = {0};
	struct reader reader;

	if (!reader_read(&reader, seed->bytes, seed->size, &rules))
		fuzz_fail("sound, yet: %s", reader.why);
	if (reader.n_lost != result->lost_clusters)
		fuzz_fail("%u lost clusters, not %u", reader.n_lost, result->lost_clusters);
	if (!reader.copies_equal && !result->fat_copies_differ)
		fuzz_fail("the FAT copies differ");
	reader_done(&reader);
}

static void use_volume(struct fat_volume *vol, const struct fuzz_seed *seed)
{
	struct reading reading = {.vol = vol};
	struct fat_check_result result;
	uint32_t worst = 0;
	struct fat_txn *txn = NULL;
	struct fat_info info;
	int r;

	fat_get_info(vol, &info);
	if (fat_check(vol, look_at_finding, &worst, &result) < 0)
		fuzz_fail("the check did not end");
	if (worst != (result.n_damage ? FAT_DAMAGE : result.n_harmless ? FAT_HARMLESS : 0u))
		fuzz_fail("findings and counts differ");
	reading.sound = result.n_damage == 0;
	if (reading.sound)
		compare_readers(seed, &result);
	fuzz_n_good += reading.sound;
	r = fat_txn_begin(vol, &txn);
	if ((r == 0) != reading.sound)
		fuzz_fail("changing it is another matter than checking it: %d", r);
	fat_txn_free(txn);
	read_dir(&reading, 0, "", true, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_input_decode(data, size);
	struct fuzz_seed *seed = fuzz_seed_get(input.seeds[0], 0);
	struct fat_log log = {look_at_text, NULL};
	struct fat_volume *vol;
	struct blkdev *dev;

	fuzz_input_apply(&input, seed, 0);
	dev = fuzz_seed_device(seed, false);
	if (fat_open(dev, "volume", &log, &vol) == 0) {
		use_volume(vol, seed);
		fat_close(vol);
	}
	blkdev_close(dev);
	fuzz_seed_reset(seed);
	return 0;
}
