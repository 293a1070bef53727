/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fatfill IMAGE VERB...: bring a FAT image into states that mkfs.fat and mtools cannot make, and
 * print what they do not show. An independent judge: it has its own FAT code on purpose and must
 * never use fat/.
 *
 *   free                 the number of free clusters
 *   meta                 reserved region without the FSInfo figures, FAT[0] and FAT[1] of each
 *                        copy, label entry, in hex
 *   tree                 a line per entry with all that a mirror shares with its primary
 *   raw                  the same with slots, clusters and a digest of the contents
 *   grow PATH SIZE       give an empty file a chain for SIZE bytes; the contents are what is there
 *   fill PATH KEEP       give an empty file all free clusters but KEEP
 *   fragment PATH KEEP   give an empty file every second free cluster, leaving at least KEEP
 *   mark PATH EVERY      write a number into every EVERYth cluster of a file
 *   lose COUNT           make a chain that no entry names
 *   differ COUNT         make such a chain in the last FAT copy only
 *   orphan PATH          delete a file but leave its long-name slots
 *
 * PATH has no leading slash. Only tables and entries are written, so that a big image stays
 * sparse; the FSInfo count is kept right.
 */

#include <config.h>

#include <err.h>
#include <inttypes.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	SLOT_LEN = 32,
	MAX_SET = 21,
	MAX_DEPTH = 64,
	MAX_PATH = 8192,
	ATTR_LABEL = 0x08,
	ATTR_DIRECTORY = 0x10,
	ATTR_LONG_NAME = 0x0f,
};

struct image {
	int fd;
	bool changed;
	unsigned bits; /* 12, 16, 32 */
	uint32_t sector_size;
	uint32_t cluster_size;
	uint32_t reserved_len; /* bytes */
	uint32_t n_fats;
	uint64_t fat_len; /* bytes of one copy */
	uint64_t root_offset; /* FAT12 and FAT16 */
	uint32_t root_len;
	uint32_t root_cluster; /* FAT32 */
	uint32_t fsinfo_offset; /* 0: none */
	uint64_t data_offset;
	uint32_t n_clusters;
	uint8_t *fat; /* the first copy */
	uint64_t next_data; /* where the last SEEK_DATA led */
	uint64_t asked_data; /* and from where */
};

struct entry {
	char path[MAX_PATH];
	uint32_t first_cluster;
	uint32_t size;
	uint32_t n_slots;
	uint8_t slots[MAX_SET][SLOT_LEN];
	uint64_t offsets[MAX_SET]; /* of the slots, in the image */
};

/* Returns true to end the walk. */
typedef bool (*entry_fn)(struct image *image, const struct entry *entry, void *userdata);

struct directory {
	uint32_t n_slots;
	uint8_t *slots;
	uint64_t *offsets;
};

/* ---- bytes ---- */

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | get16(p + 2) << 16;
}

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value);
	put16(p + 2, value >> 16);
}

static void *allocate(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		err(EXIT_FAILURE, "memory");
	return p;
}

static void read_at(const struct image *image, uint64_t offset, void *buf, size_t len)
{
	ssize_t n = pread(image->fd, buf, len, (off_t)offset);

	if (n < 0)
		err(EXIT_FAILURE, "read at %" PRIu64, offset);
	if ((size_t)n != len)
		errx(EXIT_FAILURE, "short read at %" PRIu64, offset);
}

static void write_at(const struct image *image, uint64_t offset, const void *buf, size_t len)
{
	ssize_t n = pwrite(image->fd, buf, len, (off_t)offset);

	if (n < 0)
		err(EXIT_FAILURE, "write at %" PRIu64, offset);
	if ((size_t)n != len)
		errx(EXIT_FAILURE, "short write at %" PRIu64, offset);
}

static uint32_t parse_number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (!*text || *end || value > UINT32_MAX)
		errx(EXIT_FAILURE, "not a number: %s", text);
	return (uint32_t)value;
}

/* ---- the table ---- */

static uint32_t fat_get(const struct image *image, uint32_t cluster)
{
	uint32_t both;

	if (image->bits == 32)
		return get32(image->fat + 4 * (size_t)cluster) & 0x0fffffff;
	if (image->bits == 16)
		return get16(image->fat + 2 * (size_t)cluster);
	both = get16(image->fat + cluster + cluster / 2);
	return cluster % 2 ? both >> 4 : both & 0xfff;
}

static void fat_set(const struct image *image, uint32_t cluster, uint32_t value)
{
	uint8_t *p;

	if (image->bits == 32) {
		p = image->fat + 4 * (size_t)cluster;
		put32(p, (get32(p) & 0xf0000000) | (value & 0x0fffffff));
		return;
	}
	if (image->bits == 16) {
		put16(image->fat + 2 * (size_t)cluster, value);
		return;
	}
	p = image->fat + cluster + cluster / 2;
	if (cluster % 2)
		put16(p, (get16(p) & 0xf) | (value & 0xfff) << 4);
	else
		put16(p, (get16(p) & 0xf000) | (value & 0xfff));
}

static bool is_chained(const struct image *image, uint32_t cluster)
{
	return cluster >= 2 && cluster < image->n_clusters + 2;
}

static uint32_t count_free(const struct image *image)
{
	uint32_t n = 0;

	for (uint32_t c = 2; c < image->n_clusters + 2; c++)
		n += !fat_get(image, c);
	return n;
}

static uint64_t cluster_offset(const struct image *image, uint32_t cluster)
{
	return image->data_offset + (uint64_t)(cluster - 2) * image->cluster_size;
}

static void save_fsinfo(const struct image *image)
{
	uint8_t sector[512];

	if (!image->fsinfo_offset)
		return;
	read_at(image, image->fsinfo_offset, sector, sizeof(sector));
	if (memcmp(sector, "RRaA", 4) || memcmp(sector + 484, "rrAa", 4))
		return;
	put32(sector + 488, count_free(image));
	write_at(image, image->fsinfo_offset, sector, sizeof(sector));
}

static void save(const struct image *image)
{
	for (uint32_t i = 0; i < image->n_fats; i++)
		write_at(image, image->reserved_len + i * image->fat_len, image->fat,
			(size_t)image->fat_len);
	save_fsinfo(image);
}

/*
 * Chain @count free clusters, taking one and passing over @skip between any two while that
 * leaves enough of them. Returns the first, 0 when @count is 0.
 */
static uint32_t chain_free(struct image *image, uint32_t count, uint32_t skip)
{
	uint32_t first = 0, last = 0, to_skip = 0;

	if (count > count_free(image))
		errx(EXIT_FAILURE, "%" PRIu32 " clusters wanted, %" PRIu32 " free", count,
			count_free(image));
	for (uint32_t c = 2; c < image->n_clusters + 2 && count; c++) {
		if (fat_get(image, c))
			continue;
		if (to_skip) {
			to_skip--;
			continue;
		}
		fat_set(image, c, 0x0fffffff);
		if (last)
			fat_set(image, last, c);
		else
			first = c;
		last = c;
		to_skip = skip;
		count--;
	}
	if (count)
		errx(EXIT_FAILURE, "%" PRIu32 " clusters missing", count);
	image->changed = true;
	return first;
}

/* ---- the boot sector ---- */

static void parse_boot_sector(struct image *image, const uint8_t *b)
{
	uint32_t reserved = get16(b + 14), root_entries = get16(b + 17);
	uint32_t total = get16(b + 19) ? get16(b + 19) : get32(b + 32);
	uint32_t fat_sectors = get16(b + 22) ? get16(b + 22) : get32(b + 36);
	uint64_t first_data;

	image->sector_size = get16(b + 11);
	image->cluster_size = image->sector_size * b[13];
	image->n_fats = b[16];
	if (image->sector_size < 512 || !b[13] || !image->n_fats || !fat_sectors)
		errx(EXIT_FAILURE, "not a FAT volume");

	image->reserved_len = reserved * image->sector_size;
	image->fat_len = (uint64_t)fat_sectors * image->sector_size;
	image->root_offset = image->reserved_len + image->n_fats * image->fat_len;
	image->root_len = root_entries * SLOT_LEN;
	image->data_offset = image->root_offset + image->root_len;
	first_data = image->data_offset / image->sector_size;
	if (first_data >= total)
		errx(EXIT_FAILURE, "no data region");
	image->n_clusters = (total - (uint32_t)first_data) / b[13];

	if (!get16(b + 22)) {
		image->bits = 32;
		image->root_cluster = get32(b + 44);
		image->fsinfo_offset = get16(b + 48) * image->sector_size;
	} else {
		image->bits = image->n_clusters < 4085 ? 12 : 16;
	}
	if ((uint64_t)(image->n_clusters + 2) * image->bits > image->fat_len * 8)
		errx(EXIT_FAILURE, "the FAT is too small");
}

static void open_image(struct image *image, const char *path)
{
	uint8_t boot[512];

	*image = (struct image){ .fd = open(path, O_RDWR | O_CLOEXEC) };
	if (image->fd < 0)
		err(EXIT_FAILURE, "%s", path);
	read_at(image, 0, boot, sizeof(boot));
	parse_boot_sector(image, boot);
	image->fat = allocate((size_t)image->fat_len, 1);
	read_at(image, image->reserved_len, image->fat, (size_t)image->fat_len);
}

/* ---- directories ---- */

static void add_slots(const struct image *image, struct directory *dir, uint64_t offset,
	uint32_t len)
{
	uint32_t n = dir->n_slots + len / SLOT_LEN;

	dir->slots = realloc(dir->slots, (size_t)n * SLOT_LEN);
	dir->offsets = realloc(dir->offsets, (size_t)n * sizeof(*dir->offsets));
	if (!dir->slots || !dir->offsets)
		err(EXIT_FAILURE, "memory");
	read_at(image, offset, dir->slots + (size_t)dir->n_slots * SLOT_LEN, len);
	for (uint32_t i = dir->n_slots; i < n; i++)
		dir->offsets[i] = offset + (uint64_t)(i - dir->n_slots) * SLOT_LEN;
	dir->n_slots = n;
}

static void read_directory(const struct image *image, uint32_t cluster, struct directory *dir)
{
	uint32_t left = image->n_clusters;

	*dir = (struct directory){ 0 };
	if (!cluster && image->bits != 32) {
		add_slots(image, dir, image->root_offset, image->root_len);
		return;
	}
	if (!cluster)
		cluster = image->root_cluster;
	for (; is_chained(image, cluster) && left; left--) {
		add_slots(image, dir, cluster_offset(image, cluster), image->cluster_size);
		cluster = fat_get(image, cluster);
	}
}

static void free_directory(struct directory *dir)
{
	free(dir->slots);
	free(dir->offsets);
}

static size_t put_utf8(char *p, uint32_t c)
{
	if (c < 0x80) {
		p[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (char)(0xc0 | c >> 6);
		p[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (char)(0xe0 | c >> 12);
		p[1] = (char)(0x80 | (c >> 6 & 0x3f));
		p[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (char)(0xf0 | c >> 18);
	p[1] = (char)(0x80 | (c >> 12 & 0x3f));
	p[2] = (char)(0x80 | (c >> 6 & 0x3f));
	p[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static void decode_long_name(const struct entry *entry, char *name)
{
	static const uint8_t where[13] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
	uint32_t high = 0;

	for (uint32_t i = entry->n_slots - 1; i-- > 0;)
		for (size_t k = 0; k < 13; k++) {
			uint32_t unit = get16(entry->slots[i] + where[k]);

			if (!unit || unit == 0xffff)
				break;
			if (unit >= 0xd800 && unit < 0xdc00) {
				high = unit;
				continue;
			}
			if (unit >= 0xdc00 && unit < 0xe000 && high)
				unit = 0x10000 + ((high & 0x3ff) << 10 | (unit & 0x3ff));
			high = 0;
			name += put_utf8(name, unit);
		}
	*name = '\0';
}

static void decode_short_name(const uint8_t *slot, char *name)
{
	for (size_t i = 0; i < 11; i++) {
		bool lower = slot[12] & (i < 8 ? 0x08 : 0x10);
		uint8_t c = slot[i];

		if (i == 8 && memcmp(slot + 8, "   ", 3))
			*name++ = '.';
		if (c == ' ')
			continue;
		if (lower && c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		name += put_utf8(name, c);
	}
	*name = '\0';
}

static uint8_t short_name_checksum(const uint8_t *name)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < 11; i++)
		sum = (uint8_t)((sum << 7 | sum >> 1) + name[i]);
	return sum;
}

/* How many long-name slots directly before slot @at belong to it. */
static uint32_t count_long_slots(const struct directory *dir, uint32_t at)
{
	uint8_t sum = short_name_checksum(dir->slots + (size_t)at * SLOT_LEN);

	for (uint32_t n = 1; n < MAX_SET && n <= at; n++) {
		const uint8_t *slot = dir->slots + (size_t)(at - n) * SLOT_LEN;

		if (slot[11] != ATTR_LONG_NAME || slot[13] != sum || (slot[0] & 0x3f) != n)
			return 0;
		if (slot[0] & 0x40)
			return n;
	}
	return 0;
}

static void decode_entry(const struct image *image, const struct directory *dir, uint32_t at,
	const char *parent, struct entry *ret)
{
	uint32_t first = at - count_long_slots(dir, at);
	const uint8_t *slot = dir->slots + (size_t)at * SLOT_LEN;
	int n;

	ret->n_slots = at - first + 1;
	memcpy(ret->slots, dir->slots + (size_t)first * SLOT_LEN,
		(size_t)ret->n_slots * SLOT_LEN);
	memcpy(ret->offsets, dir->offsets + first, ret->n_slots * sizeof(*ret->offsets));
	ret->first_cluster = get16(slot + 26);
	if (image->bits == 32)
		ret->first_cluster |= get16(slot + 20) << 16;
	ret->size = get32(slot + 28);

	n = snprintf(ret->path, sizeof(ret->path), "%s%s", parent, *parent ? "/" : "");
	if (n < 0 || (size_t)n + 1024 > sizeof(ret->path))
		errx(EXIT_FAILURE, "the path is too long: %s", parent);
	if (ret->n_slots > 1)
		decode_long_name(ret, ret->path + n);
	else
		decode_short_name(slot, ret->path + n);
}

static bool walk(struct image *image, uint32_t cluster, const char *parent, unsigned depth,
	entry_fn fn, void *userdata)
{
	struct entry *entry = allocate(1, sizeof(*entry));
	struct directory dir;
	bool done = false;

	if (depth > MAX_DEPTH)
		errx(EXIT_FAILURE, "too deep: %s", parent);
	read_directory(image, cluster, &dir);
	for (uint32_t i = 0; i < dir.n_slots && !done; i++) {
		const uint8_t *slot = dir.slots + (size_t)i * SLOT_LEN;

		if (!slot[0])
			break;
		if (slot[0] == 0xe5 || slot[0] == '.' || slot[11] & ATTR_LABEL)
			continue;
		decode_entry(image, &dir, i, parent, entry);
		done = fn(image, entry, userdata);
		if (!done && slot[11] & ATTR_DIRECTORY)
			done = walk(image, entry->first_cluster, entry->path, depth + 1, fn,
				userdata);
	}
	free_directory(&dir);
	free(entry);
	return done;
}

static bool match_path(struct image *image, const struct entry *entry, void *userdata)
{
	struct entry *wanted = userdata;

	(void)image;
	if (strcasecmp(entry->path, wanted->path))
		return false;
	*wanted = *entry;
	return true;
}

static void find(struct image *image, const char *path, struct entry *ret)
{
	if (snprintf(ret->path, sizeof(ret->path), "%s", path) >= (int)sizeof(ret->path) ||
	    !walk(image, 0, "", 0, match_path, ret))
		errx(EXIT_FAILURE, "no such entry: %s", path);
}

/* ---- looking ---- */

static void print_hex(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
}

static void print_reserved(const struct image *image)
{
	static const uint8_t zeroes[16];
	uint8_t *p = allocate(image->reserved_len, 1);

	read_at(image, 0, p, image->reserved_len);
	if (image->fsinfo_offset && image->fsinfo_offset < image->reserved_len)
		memset(p + image->fsinfo_offset + 488, 0, 8);
	for (uint32_t i = 0; i < image->reserved_len; i += 16) {
		if (!memcmp(p + i, zeroes, sizeof(zeroes)))
			continue;
		printf("reserved %06" PRIx32 " ", i);
		print_hex(p + i, 16);
		putchar('\n');
	}
	free(p);
}

static void print_label(const struct image *image)
{
	struct directory dir;

	read_directory(image, 0, &dir);
	for (uint32_t i = 0; i < dir.n_slots; i++) {
		const uint8_t *slot = dir.slots + (size_t)i * SLOT_LEN;

		if (!slot[0])
			break;
		if (slot[0] == 0xe5 || slot[11] == ATTR_LONG_NAME || !(slot[11] & ATTR_LABEL))
			continue;
		printf("label %" PRIu32 " ", i);
		print_hex(slot, SLOT_LEN);
		putchar('\n');
	}
	free_directory(&dir);
}

static void print_meta(const struct image *image)
{
	size_t len = image->bits == 12 ? 3 : image->bits / 4;

	print_reserved(image);
	for (uint32_t i = 0; i < image->n_fats; i++) {
		uint8_t head[8];

		read_at(image, image->reserved_len + i * image->fat_len, head, sizeof(head));
		printf("copy %" PRIu32 " ", i);
		print_hex(head, len);
		putchar('\n');
	}
	print_label(image);
}

static bool print_tree_entry(struct image *image, const struct entry *entry, void *userdata)
{
	const uint8_t *slot = entry->slots[entry->n_slots - 1];

	(void)image;
	(void)userdata;
	printf("%s\tattributes %02x case %02x created ", entry->path, slot[11], slot[12]);
	print_hex(slot + 13, 5);
	printf(" modified ");
	print_hex(slot + 22, 4);
	printf(" size %" PRIu32 "\n", entry->size);
	return false;
}

static bool is_hole(struct image *image, uint64_t offset)
{
	off_t found;

	if (offset >= image->asked_data && offset + image->cluster_size <= image->next_data)
		return true;
	found = lseek(image->fd, (off_t)offset, SEEK_DATA);
	image->asked_data = offset;
	image->next_data = found < 0 ? UINT64_MAX : (uint64_t)found;
	return offset + image->cluster_size <= image->next_data;
}

/* FNV-1a by words; a cluster of zeroes and a hole count as equal. */
static uint64_t mix_cluster(struct image *image, uint32_t cluster, uint32_t n, uint64_t digest,
	uint8_t *buf)
{
	uint64_t any = 0;

	if (is_hole(image, cluster_offset(image, cluster)))
		return digest;
	read_at(image, cluster_offset(image, cluster), buf, image->cluster_size);
	for (uint32_t i = 0; i < image->cluster_size; i += 4)
		any |= get32(buf + i);
	if (!any)
		return digest;
	digest = (digest ^ n) * 0x100000001b3;
	for (uint32_t i = 0; i < image->cluster_size; i += 4)
		digest = (digest ^ get32(buf + i)) * 0x100000001b3;
	return digest;
}

static bool print_raw_entry(struct image *image, const struct entry *entry, void *userdata)
{
	uint64_t chain = 0xcbf29ce484222325, contents = chain;
	bool directory = entry->slots[entry->n_slots - 1][11] & ATTR_DIRECTORY;
	uint8_t *buf = allocate(image->cluster_size, 1);
	uint32_t n = 0;

	(void)userdata;
	for (uint32_t c = entry->first_cluster; is_chained(image, c) && !directory;
	     c = fat_get(image, c), n++) {
		if (n > image->n_clusters)
			errx(EXIT_FAILURE, "a loop: %s", entry->path);
		chain = (chain ^ c) * 0x100000001b3;
		contents = mix_cluster(image, c, n, contents, buf);
	}
	printf("%s\tslots ", entry->path);
	print_hex(entry->slots[0], (size_t)entry->n_slots * SLOT_LEN);
	printf(" clusters %" PRIu32 " chain %016" PRIx64 " contents %016" PRIx64 "\n", n, chain,
		contents);
	free(buf);
	return false;
}

/* ---- changing ---- */

static void grow(struct image *image, const char *path, uint32_t count, uint32_t size,
	uint32_t skip)
{
	struct entry *entry = allocate(1, sizeof(*entry));
	uint8_t *slot;
	uint32_t first;

	find(image, path, entry);
	slot = entry->slots[entry->n_slots - 1];
	if (entry->first_cluster || entry->size || slot[11] & ATTR_DIRECTORY)
		errx(EXIT_FAILURE, "not an empty file: %s", path);
	first = chain_free(image, count, skip);
	put16(slot + 26, first);
	if (image->bits == 32)
		put16(slot + 20, first >> 16);
	put32(slot + 28, size);
	write_at(image, entry->offsets[entry->n_slots - 1], slot, SLOT_LEN);
	free(entry);
}

static void take(struct image *image, const char *path, uint32_t count, uint32_t skip)
{
	uint64_t size = (uint64_t)count * image->cluster_size;

	if (size > UINT32_MAX)
		errx(EXIT_FAILURE, "%" PRIu32 " clusters are too many for a file", count);
	grow(image, path, count, (uint32_t)size, skip);
}

static void fragment(struct image *image, const char *path, uint32_t keep)
{
	uint32_t n = count_free(image);

	take(image, path, n / 2 < n - keep ? n / 2 : n - keep, 1);
}

/* So that a chain given by grow() has contents that show where each cluster belongs. */
static void mark(struct image *image, const char *path, uint32_t every)
{
	struct entry *entry = allocate(1, sizeof(*entry));
	uint32_t n = 0;

	find(image, path, entry);
	for (uint32_t c = entry->first_cluster; is_chained(image, c); c = fat_get(image, c), n++) {
		uint8_t number[4];

		if (!every || n % every)
			continue;
		put32(number, n + 1);
		write_at(image, cluster_offset(image, c), number, sizeof(number));
	}
	free(entry);
}

static void differ(struct image *image, uint32_t count)
{
	uint64_t last = image->reserved_len + (image->n_fats - 1) * image->fat_len;

	if (image->n_fats < 2)
		errx(EXIT_FAILURE, "there is one FAT copy only");
	chain_free(image, count, 0);
	write_at(image, last, image->fat, (size_t)image->fat_len);
	image->changed = false;
}

static void orphan(struct image *image, const char *path)
{
	struct entry *entry = allocate(1, sizeof(*entry));
	uint32_t next;

	find(image, path, entry);
	if (entry->n_slots < 2)
		errx(EXIT_FAILURE, "no long name: %s", path);
	for (uint32_t c = entry->first_cluster; is_chained(image, c); c = next) {
		next = fat_get(image, c);
		fat_set(image, c, 0);
	}
	write_at(image, entry->offsets[entry->n_slots - 1], "\xe5", 1);
	image->changed = true;
	free(entry);
}

static bool look(struct image *image, const char *verb)
{
	if (!strcmp(verb, "free"))
		printf("%" PRIu32 "\n", count_free(image));
	else if (!strcmp(verb, "meta"))
		print_meta(image);
	else if (!strcmp(verb, "tree"))
		walk(image, 0, "", 0, print_tree_entry, NULL);
	else if (!strcmp(verb, "raw"))
		walk(image, 0, "", 0, print_raw_entry, NULL);
	else
		return false;
	return true;
}

static bool change(struct image *image, const char *verb, const char *argument)
{
	if (!strcmp(verb, "lose"))
		chain_free(image, parse_number(argument), 0);
	else if (!strcmp(verb, "differ"))
		differ(image, parse_number(argument));
	else if (!strcmp(verb, "orphan"))
		orphan(image, argument);
	else
		return false;
	return true;
}

static bool change_file(struct image *image, const char *verb, const char *path, uint32_t number)
{
	uint32_t n = count_free(image), unit = image->cluster_size;

	if (!strcmp(verb, "grow")) {
		grow(image, path, number / unit + !!(number % unit), number, 0);
		return true;
	}
	if (!strcmp(verb, "mark")) {
		mark(image, path, number);
		return true;
	}
	if (strcmp(verb, "fill") && strcmp(verb, "fragment"))
		return false;
	if (number > n)
		errx(EXIT_FAILURE, "only %" PRIu32 " clusters are free", n);
	if (!strcmp(verb, "fill"))
		take(image, path, n - number, 0);
	else
		fragment(image, path, number);
	return true;
}

int main(int argc, char **argv)
{
	struct image image;
	bool known = false;

	if (argc < 3 || argc > 5)
		errx(2, "usage: fatfill IMAGE VERB [ARGUMENT...]");
	open_image(&image, argv[1]);
	if (argc == 3)
		known = look(&image, argv[2]);
	else if (argc == 4)
		known = change(&image, argv[2], argv[3]);
	else
		known = change_file(&image, argv[2], argv[3], parse_number(argv[4]));
	if (!known)
		errx(2, "no such verb, or not with these arguments: %s", argv[2]);
	if (image.changed)
		save(&image);
	free(image.fat);
	if (close(image.fd) || fflush(stdout))
		err(EXIT_FAILURE, "%s", argv[1]);
	return EXIT_SUCCESS;
}
