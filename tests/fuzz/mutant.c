/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * mutant VERB...: volumes made by the fuzzers' mutator, for programs that judge whole images.
 *
 *   draw FIRST COUNT     print so many random inputs, a line "NAME HEX" each
 *   write DIR            read such lines; write DIR/NAME.img for each that makes a volume of which
 *                        our check has nothing to say, and print NAME
 *   extract IMAGE DIR    copy all files and directories of a volume into the folder DIR; print names
 *                        that mtools reads in another way, or the host cannot hold, and why
 */

#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/draw.h"

enum { PAGE = 4096, LINE_LEN = 200 + 2 * FUZZ_INPUT_MAX, PATH_LEN = 4096 };

/* ---- draw ---- */

static struct fuzz_input draw_input(struct fuzz_random *random)
{
	struct fuzz_input input = {.seeds = {(uint8_t)fuzz_draw(random, FUZZ_N_SEEDS)}};
	unsigned n = 1 + fuzz_draw(random, 4);

	for (unsigned i = 0; i < n; i++)
		input.changes[input.n_changes++] = fuzz_draw_change(random, &input, 0);
	return input;
}

static void draw(unsigned long first, unsigned long count)
{
	for (unsigned long i = first; i < first + count; i++) {
		struct fuzz_random random = {i};
		struct fuzz_input input = draw_input(&random);
		uint8_t bytes[FUZZ_INPUT_MAX];
		size_t len = fuzz_input_encode(&input, bytes);

		printf("%s-%lu ", fuzz_seed_name(input.seeds[0]), i);
		for (size_t j = 0; j < len; j++)
			printf("%02x", bytes[j]);
		printf("\n");
	}
}

/* ---- write ---- */

static bool is_clean(struct fuzz_seed *seed)
{
	struct blkdev *dev = fuzz_seed_device(seed, false);
	struct fat_check_result result = {.n_damage = 1};
	struct fat_volume *vol;

	if (fat_open(dev, "mutant", NULL, &vol) == 0) {
		if (fat_check(vol, NULL, NULL, &result) < 0)
			errx(1, "the check failed");
		fat_close(vol);
	}
	blkdev_close(dev);
	return result.n_damage + result.n_harmless == 0;
}

/* Pages of zeros become holes. */
static void write_image(const struct fuzz_seed *seed, const char *path)
{
	static const uint8_t zeros[PAGE];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool written;

	if (fd < 0)
		err(1, "%s", path);
	written = ftruncate(fd, (off_t)seed->size) == 0;
	for (uint64_t at = 0; at < seed->size; at += PAGE) {
		size_t len = seed->size - at < PAGE ? (size_t)(seed->size - at) : PAGE;

		if (memcmp(seed->bytes + at, zeros, len) != 0)
			written &= pwrite(fd, seed->bytes + at, len, (off_t)at) == (ssize_t)len;
	}
	if (!written || close(fd) < 0)
		err(1, "%s", path);
}

static void write_if_clean(const struct fuzz_input *input, const char *name, const char *dir)
{
	struct fuzz_seed *seed = fuzz_seed_get(input->seeds[0], 0);
	char path[PATH_LEN];

	fuzz_input_apply(input, seed, 0);
	if (is_clean(seed)) {
		(void)snprintf(path, sizeof path, "%s/%s.img", dir, name);
		write_image(seed, path);
		printf("%s\n", name);
	}
	fuzz_seed_reset(seed);
}

static void write_clean(const char *dir)
{
	char line[LINE_LEN], name[200], hex[LINE_LEN];

	while (fgets(line, sizeof line, stdin)) {
		uint8_t bytes[FUZZ_INPUT_MAX];
		struct fuzz_input input;
		size_t n = 0;

		if (*line == '#' || sscanf(line, "%199s %s", name, hex) != 2)
			continue;
		while (n < sizeof bytes && sscanf(hex + 2 * n, "%2hhx", &bytes[n]) == 1)
			n++;
		input = fuzz_input_decode(bytes, n);
		write_if_clean(&input, name, dir);
	}
}

/* ---- extract ---- */

/* Whether a blank stands before something else. */
static bool has_gap(const uint8_t *bytes, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (bytes[i - 1] == ' ' && bytes[i] != ' ')
			return true;
	return false;
}

/* Half a surrogate pair, which we give as three bytes all the same. */
static bool has_surrogate(const char *name)
{
	for (; *name; name++)
		if ((uint8_t)name[0] == 0xed && (uint8_t)name[1] >= 0xa0)
			return true;
	return false;
}

static const char *why_odd(const struct fat_entry *entry)
{
	const uint8_t *name = fat_entry_short(entry)->name;

	if (strlen(entry->name) > NAME_MAX)
		return "more than 255 bytes";
	if (has_surrogate(entry->name))
		return "half a surrogate pair";
	if (entry->n_slots == 1 && (has_gap(name, 8) || has_gap(name + 8, 3)))
		return "a blank within a short name";
	return NULL;
}

static void extract_file(struct fat_volume *vol, const struct fat_entry *entry, const char *path)
{
	uint8_t buf[4 * PAGE];
	FILE *out = fopen(path, "wxe");
	struct fat_file *file;
	int64_t n;

	if (!out)
		err(1, "%s", path);
	if (fat_file_open(vol, entry->first_cluster, entry->size, path, &file) < 0)
		errx(1, "%s: cannot be opened", path);
	while ((n = fat_file_read(file, buf, sizeof buf)) > 0)
		if (fwrite(buf, 1, (size_t)n, out) != (size_t)n)
			err(1, "%s", path);
	if (n < 0 || fclose(out) != 0)
		errx(1, "%s: cannot be copied", path);
	fat_file_close(file);
}

static void extract_dir(struct fat_volume *vol, uint32_t cluster, const char *path)
{
	struct fat_entry entry;
	struct fat_dir *dir;

	if (fat_dir_open(vol, cluster, path, &dir) < 0)
		errx(1, "%s: cannot be read", path);
	while (fat_dir_next(dir, &entry) > 0) {
		const char *why = why_odd(&entry);
		char below[PATH_LEN];

		if (why) {
			printf("%s: %s\n", entry.name, why);
			continue;
		}
		if (snprintf(below, sizeof below, "%s/%s", path, entry.name) >= PATH_LEN)
			errx(1, "%s: too long", path);
		if (!(entry.attributes & FAT_ATTR_DIRECTORY)) {
			extract_file(vol, &entry, below);
			continue;
		}
		if (mkdir(below, 0700) < 0)
			err(1, "%s", below);
		extract_dir(vol, entry.first_cluster, below);
	}
	fat_dir_close(dir);
}

static void extract(const char *image, const char *dir)
{
	struct fat_volume *vol;
	struct blkdev *dev;

	if (blkdev_open_path(image, 0, 0, 0, &dev) < 0 || fat_open(dev, image, NULL, &vol) < 0)
		errx(1, "%s: cannot be opened", image);
	extract_dir(vol, 0, dir);
	fat_close(vol);
	blkdev_close(dev);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "draw") == 0)
		draw(strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
	else if (argc == 3 && strcmp(argv[1], "write") == 0)
		write_clean(argv[2]);
	else if (argc == 4 && strcmp(argv[1], "extract") == 0)
		extract(argv[2], argv[3]);
	else
		errx(1, "usage: mutant draw FIRST COUNT | write DIR | extract IMAGE DIR");
	fuzz_seeds_done();
	return fflush(stdout) == 0 ? 0 : 1;
}
