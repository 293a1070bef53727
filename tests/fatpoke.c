/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fatpoke IMAGE VERB...: damage a sound FAT image, one way at a time.
 *
 *   byte OFFSET HEX              bytes of the image
 *   fat COPY CLUSTER VALUE       a FAT entry; COPY 0 is all, VALUE may be "end" or "bad"
 *   entry PATH OFFSET HEX        bytes of the short entry of PATH, from OFFSET on
 *   slot DIR INDEX OFFSET HEX    bytes of a slot of the directory DIR
 *   cluster PATH N               print the Nth cluster (from 0) of PATH
 *   free N                       print the Nth free cluster (from 0)
 *   last                         print the last cluster
 *   noise SEED                   one to four random changes of metadata, mostly one
 *
 * Places are found with fat/ before anything is changed; several commands may follow one
 * another, separated by "--".
 */

#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fat/internal.h"

enum { MAX_DIRS = 64 };

struct image {
	int fd;
	struct blkdev *dev;
	struct fat_volume *vol;
	uint64_t random;
	uint32_t dirs[MAX_DIRS]; /* first clusters; 0: the root */
	uint32_t n_dirs;
};

static void put_bytes(const struct image *image, uint64_t offset, const void *bytes, size_t len)
{
	if (pwrite(image->fd, bytes, len, (off_t)offset) != (ssize_t)len)
		err(1, "write");
}

static void get_bytes(const struct image *image, uint64_t offset, void *bytes, size_t len)
{
	if (pread(image->fd, bytes, len, (off_t)offset) != (ssize_t)len)
		err(1, "read");
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (end == text || *end)
		errx(1, "%s: not a number", text);
	return n;
}

static void put_hex(const struct image *image, uint64_t offset, const char *hex)
{
	for (; hex[0] && hex[1]; hex += 2) {
		char digits[3] = {hex[0], hex[1], '\0'};
		uint8_t byte = (uint8_t)strtoul(digits, NULL, 16);

		put_bytes(image, offset++, &byte, 1);
	}
}

/* ---- FAT entries ---- */

/* FAT32 entries lose their top nibble here only when @value has one to give. */
static void put_entry_at(const struct image *image, uint64_t start, uint32_t cluster,
	uint32_t value)
{
	unsigned bits = image->vol->geo.type;
	uint8_t old[4], bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
		(uint8_t)(value >> 24)};

	start += (uint64_t)cluster * bits / 8;
	get_bytes(image, start, old, bits == 32 ? 4 : 2);
	if (bits == 12 && cluster % 2) {
		bytes[1] = (uint8_t)(value >> 4);
		bytes[0] = (uint8_t)((old[0] & 0x0f) | value << 4);
	} else if (bits == 12) {
		bytes[1] = (uint8_t)((old[1] & 0xf0) | (bytes[1] & 0x0f));
	}
	put_bytes(image, start, bytes, bits == 32 ? 4 : 2);
}

static void put_entry(const struct image *image, unsigned copy, uint32_t cluster, uint32_t value)
{
	const struct fat_geometry *geo = &image->vol->geo;

	for (unsigned i = 0; i < geo->n_fats; i++)
		if (copy == 0 || copy == i + 1)
			put_entry_at(image, geo->fat_offset + i * geo->fat_size, cluster, value);
}

static uint32_t entry_value(const struct image *image, const char *text)
{
	unsigned bits = image->vol->geo.type == FAT_TYPE_32 ? 28 : image->vol->geo.type;

	if (strcmp(text, "end") == 0)
		return (1u << bits) - 1;
	if (strcmp(text, "bad") == 0)
		return (1u << bits) - 9;
	return (uint32_t)number(text);
}

/* ---- directories ---- */

static struct fat_dir_image load_dir(const struct image *image, uint32_t cluster)
{
	struct fat_dir_image dir;
	int r = fat_dir_image_load(image->vol, cluster, "directory", &dir);

	if (r < 0)
		errx(1, "directory at %" PRIu32 ": %s", cluster, strerror(-r));
	return dir;
}

static struct fat_entry find(const struct image *image, const char *path)
{
	struct fat_entry entry;
	int r = fat_lookup(image->vol, path, &entry);

	if (r < 0)
		errx(1, "%s: %s", path, strerror(-r));
	return entry;
}

static uint32_t dir_cluster(const struct image *image, const char *path)
{
	return strcmp(path, "/") == 0 ? 0 : find(image, path).first_cluster;
}

static uint64_t slot_offset(const struct image *image, uint32_t cluster, uint32_t slot)
{
	struct fat_dir_image dir = load_dir(image, cluster);
	uint64_t offset;

	if (slot >= dir.n_slots)
		errx(1, "slot %" PRIu32 " of %" PRIu32, slot, dir.n_slots);
	offset = fat_dir_image_offset(image->vol, &dir, slot);
	fat_dir_image_done(&dir);
	return offset;
}

static uint64_t entry_offset(const struct image *image, const char *path)
{
	char *parent = strdup(path);
	uint64_t offset;
	char *slash;

	if (!parent)
		errx(1, "no memory");
	slash = strrchr(parent, '/');
	slash[slash == parent] = '\0';
	offset = slot_offset(image, dir_cluster(image, parent), find(image, path).short_slot);
	free(parent);
	return offset;
}

static uint32_t nth_cluster(const struct image *image, const char *path, uint64_t n)
{
	uint32_t cluster = find(image, path).first_cluster;

	for (; n > 0 && fat_cluster_valid(image->vol, cluster); n--)
		cluster = fat_next(image->vol, cluster);
	return cluster;
}

static uint32_t nth_free(const struct image *image, uint64_t n)
{
	uint32_t last = image->vol->geo.n_clusters + 1;

	for (uint32_t c = 2; c <= last; c++)
		if (fat_next(image->vol, c) == FAT_FREE && n-- == 0)
			return c;
	errx(1, "not that many free clusters");
}

/* ---- noise ---- */

/* xorshift64*: the same numbers everywhere. */
static uint32_t draw(struct image *image, uint32_t below)
{
	image->random ^= image->random >> 12;
	image->random ^= image->random << 25;
	image->random ^= image->random >> 27;
	return below ? (uint32_t)((image->random * 0x2545f4914f6cdd1dull >> 32) % below) : 0;
}

static uint32_t draw_used(struct image *image)
{
	uint32_t n = image->vol->geo.n_clusters, c = 2 + draw(image, n);

	for (uint32_t i = 0; i < n; i++) {
		if (fat_next(image->vol, c) != FAT_FREE)
			return c;
		c = c - 2 + 1 < n ? c + 1 : 2;
	}
	return 2;
}

/* A FAT entry's value that somebody could trip over. */
static uint32_t draw_value(struct image *image)
{
	switch (draw(image, 8)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return entry_value(image, "bad");
	case 3:
		return entry_value(image, "end") - draw(image, 16);
	case 4:
		return image->vol->geo.n_clusters + draw(image, 4);
	case 5:
		return 2 + draw(image, image->vol->geo.n_clusters);
	default:
		return draw_used(image);
	}
}

static void spoil_fat(struct image *image)
{
	unsigned copy = draw(image, 4) == 0 ? 1 + draw(image, 2) : 0;
	uint32_t cluster = draw(image, 16) == 0 ? draw(image, 2) : draw_used(image);

	put_entry(image, copy, cluster, draw_value(image));
}

/* The root and some directories below it. */
static void find_dirs(struct image *image)
{
	image->n_dirs = 1;
	for (uint32_t i = 0; i < image->n_dirs; i++) {
		struct fat_dir *dir;
		struct fat_entry entry;

		if (fat_dir_open(image->vol, image->dirs[i], "directory", &dir) < 0)
			errx(1, "directory at %" PRIu32, image->dirs[i]);
		while (fat_dir_next(dir, &entry) > 0)
			if (entry.attributes & FAT_ATTR_DIRECTORY && image->n_dirs < MAX_DIRS)
				image->dirs[image->n_dirs++] = entry.first_cluster;
		fat_dir_close(dir);
	}
}

static uint64_t draw_slot(struct image *image)
{
	struct fat_dir_image dir = load_dir(image, image->dirs[draw(image, image->n_dirs)]);
	uint32_t used = 0;
	uint64_t offset;

	while (used < dir.n_slots && dir.bytes[(size_t)used * FAT_SLOT_LEN] != FAT_SLOT_END)
		used++;
	if (used < dir.n_slots && draw(image, 16) == 0)
		used = dir.n_slots;
	offset = fat_dir_image_offset(
		image->vol, &dir, draw(image, used + 1 < dir.n_slots ? used + 1 : dir.n_slots));
	fat_dir_image_done(&dir);
	return offset;
}

/* Name, attributes, cluster and size are where it hurts. */
static void spoil_slot(struct image *image)
{
	static const uint8_t firsts[] = {0x00, 0xe5, 0x05, 0x20, 0x2e, 0x41, 0x42, 0x01};
	static const uint8_t attributes[] = {
		0x00, 0x08, 0x0f, 0x10, 0x18, 0x20, 0x2f, 0x40, 0x4f, 0x80};
	uint64_t offset = draw_slot(image);
	uint32_t cluster = draw_used(image);
	uint8_t byte = (uint8_t)draw(image, 256);
	uint8_t low[2] = {(uint8_t)cluster, (uint8_t)(cluster >> 8)};

	switch (draw(image, 6)) {
	case 0:
		put_bytes(image, offset, &firsts[draw(image, sizeof firsts)], 1);
		break;
	case 1:
		put_bytes(image, offset + 11, &attributes[draw(image, sizeof attributes)], 1);
		break;
	case 2:
		put_bytes(image, offset + 26, low, 2);
		break;
	case 3:
		put_bytes(image, offset + 28 + draw(image, 4), &byte, 1);
		break;
	default:
		put_bytes(image, offset + draw(image, FAT_SLOT_LEN), &byte, 1);
	}
}

static void spoil_reserved(struct image *image)
{
	const struct fat_geometry *geo = &image->vol->geo;
	uint8_t byte = (uint8_t)draw(image, 256);
	uint64_t offset = draw(image, 90);

	if (geo->type == FAT_TYPE_32 && draw(image, 2) == 0)
		offset = geo->fsinfo_offset +
			 (draw(image, 2) ? 484 + draw(image, 28) : draw(image, 4));
	else if (geo->type == FAT_TYPE_32 && draw(image, 3) == 0)
		offset = geo->backup_offset + draw(image, 90);
	put_bytes(image, offset, &byte, 1);
}

static void spoil(struct image *image, uint64_t seed)
{
	uint32_t n;

	find_dirs(image);
	image->random = (seed + 1) * 0x9e3779b97f4a7c15ull;
	n = draw(image, 2) ? 1 : 1 + draw(image, 4);
	for (; n > 0; n--) {
		uint32_t which = draw(image, 16);

		if (which < 6)
			spoil_fat(image);
		else if (which < 15)
			spoil_slot(image);
		else
			spoil_reserved(image);
	}
}

/* ---- commands ---- */

static void run(struct image *image, int n, char **words)
{
	const char *verb = words[0];

	if (strcmp(verb, "byte") == 0 && n == 3)
		put_hex(image, number(words[1]), words[2]);
	else if (strcmp(verb, "fat") == 0 && n == 4)
		put_entry(image, (unsigned)number(words[1]), (uint32_t)number(words[2]),
			entry_value(image, words[3]));
	else if (strcmp(verb, "entry") == 0 && n == 4)
		put_hex(image, entry_offset(image, words[1]) + number(words[2]), words[3]);
	else if (strcmp(verb, "slot") == 0 && n == 5)
		put_hex(image,
			slot_offset(
				image, dir_cluster(image, words[1]), (uint32_t)number(words[2])) +
				number(words[3]),
			words[4]);
	else if (strcmp(verb, "cluster") == 0 && n == 3)
		printf("%" PRIu32 "\n", nth_cluster(image, words[1], number(words[2])));
	else if (strcmp(verb, "free") == 0 && n == 2)
		printf("%" PRIu32 "\n", nth_free(image, number(words[1])));
	else if (strcmp(verb, "last") == 0 && n == 1)
		printf("%" PRIu32 "\n", image->vol->geo.n_clusters + 1);
	else if (strcmp(verb, "noise") == 0 && n == 2)
		spoil(image, number(words[1]));
	else
		errx(1, "%s: no such command", verb);
}

static struct image open_image(const char *path)
{
	struct image image = {.fd = open(path, O_RDWR | O_CLOEXEC)};
	int r;

	if (image.fd < 0)
		err(1, "%s", path);
	r = blkdev_open_path(path, 0, 0, 0, &image.dev);
	if (r == 0)
		r = fat_open(image.dev, path, NULL, &image.vol);
	if (r < 0)
		errx(1, "%s: %s", path, strerror(-r));
	return image;
}

int main(int argc, char **argv)
{
	struct image image;

	if (argc < 3)
		errx(1, "usage: fatpoke IMAGE VERB... [-- VERB...]...");
	image = open_image(argv[1]);
	for (int i = 2; i < argc;) {
		int n = 0;

		while (i + n < argc && strcmp(argv[i + n], "--") != 0)
			n++;
		if (n > 0)
			run(&image, n, argv + i);
		i += n + 1;
	}
	fat_close(image.vol);
	blkdev_close(image.dev);
	return close(image.fd) == 0 ? 0 : 1;
}
