/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/reader.h"

enum {
	SLOT = 32,
	PATH_LEN = 4096,
	MAX_SET = 21,
	MAX_UNITS = 260,
	MAX_DEPTH = 66,
	ATTR_LABEL = 0x08,
	ATTR_DIRECTORY = 0x10,
	ATTR_LONG = 0x0f,
};

static bool give_up(struct reader *reader, const char *why, const char *path)
{
	if (!*reader->why)
		(void)snprintf(reader->why, sizeof reader->why, "%s: %.120s", why, path);
	return false;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | get16(at + 2) << 16;
}

/* ---- boot sector ---- */

static bool read_boot(struct reader *reader)
{
	const uint8_t *boot = reader->bytes;
	uint64_t sector = get16(boot + 11), sectors = get16(boot + 19), fat_sectors = get16(boot + 22);
	uint64_t end;

	if (sectors == 0)
		sectors = get32(boot + 32);
	reader->bits = fat_sectors ? 16 : 32;
	if (fat_sectors == 0)
		fat_sectors = get32(boot + 36);
	reader->n_fats = boot[16];
	reader->cluster_size = (uint32_t)(sector * boot[13]);
	reader->root_slots = get16(boot + 17);
	reader->fat_offset = get16(boot + 14) * sector;
	reader->fat_size = fat_sectors * sector;
	reader->root_offset = reader->fat_offset + reader->n_fats * reader->fat_size;
	reader->data_offset = reader->root_offset + reader->root_slots * SLOT;
	if (sector == 0 || reader->cluster_size == 0 || sectors * sector > reader->size ||
		reader->data_offset >= sectors * sector)
		return give_up(reader, "sizes", "boot sector");
	reader->n_clusters =
		(uint32_t)((sectors * sector - reader->data_offset) / reader->cluster_size);
	if (reader->bits == 16 && reader->n_clusters < 4085)
		reader->bits = 12;
	if (reader->bits == 32)
		reader->root_cluster = get32(boot + 44);
	if (reader->bits == 32 && get16(boot + 48) != 0xffff)
		reader->fsinfo_offset = get16(boot + 48) * sector;
	end = ((uint64_t)reader->n_clusters + 2) * reader->bits;
	return end <= reader->fat_size * 8 || give_up(reader, "FAT too small", "boot sector");
}

/* ---- chains ---- */

static uint32_t entry(const struct reader *reader, unsigned copy, uint32_t cluster)
{
	const uint8_t *fat = reader->bytes + reader->fat_offset + copy * reader->fat_size;

	switch (reader->bits) {
	case 12:
		fat += cluster * 3 / 2;
		return cluster % 2 ? get16(fat) >> 4 : get16(fat) & 0xfff;
	case 16:
		return get16(fat + (size_t)cluster * 2);
	default:
		return get32(fat + (size_t)cluster * 4) & 0x0fffffff;
	}
}

static bool is_end(const struct reader *reader, uint32_t value)
{
	return value >= (reader->bits == 32 ? 0x0ffffff8 : (1u << reader->bits) - 8);
}

static bool is_bad(const struct reader *reader, uint32_t value)
{
	return value == (reader->bits == 32 ? 0x0ffffff7 : (1u << reader->bits) - 9);
}

/* Clusters belong to one chain only, so none is met twice. */
static bool take_chain(struct reader *reader, uint32_t first, struct reader_node *node)
{
	uint32_t cluster = first, room = 0;

	if (is_end(reader, first))
		return give_up(reader, "begins with an end mark", node->path);
	while (!is_end(reader, cluster)) {
		if (cluster < 2 || cluster - 2 >= reader->n_clusters || reader->taken[cluster])
			return give_up(reader, "chain", node->path);
		reader->taken[cluster] = 1;
		if (node->n_chain == room) {
			room = room ? room * 2 : 4;
			node->chain = reallocarray(node->chain, room, sizeof *node->chain);
			if (!node->chain)
				return give_up(reader, "memory", node->path);
		}
		node->chain[node->n_chain++] = cluster;
		cluster = entry(reader, 0, cluster);
	}
	return true;
}

/* There are eight end marks, and a sync leaves those that are not its own as they are. */
static bool same_value(const struct reader *reader, uint32_t a, uint32_t b)
{
	return a == b || (is_end(reader, a) && is_end(reader, b));
}

/* Both copies say the same of each cluster; what is in no chain is free or bad, or lost. */
static void compare_tables(struct reader *reader)
{
	reader->copies_equal = true;
	for (uint32_t c = 2; c < reader->n_clusters + 2; c++) {
		uint32_t value = entry(reader, 0, c);

		if (reader->n_fats > 1 && !same_value(reader, entry(reader, 1, c), value))
			reader->copies_equal = false;
		if (!reader->taken[c] && value != 0 && !is_bad(reader, value))
			reader->n_lost++;
	}
}

/* ---- names ---- */

static size_t put_utf8(char *at, uint32_t c)
{
	if (c < 0x80) {
		at[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		at[0] = (char)(0xc0 | c >> 6);
		at[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	at[0] = (char)(0xe0 | c >> 12);
	at[1] = (char)(0x80 | (c >> 6 & 0x3f));
	at[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

/* Bytes that need a code page are told apart, no more. */
static void short_name(const uint8_t *slot, char *name)
{
	int base = 8, ext = 3;

	while (base > 0 && slot[base - 1] == ' ')
		base--;
	while (ext > 0 && slot[8 + ext - 1] == ' ')
		ext--;
	for (int i = 0; i < base; i++) {
		uint8_t byte = i == 0 && slot[0] == 0x05 ? 0xe5 : slot[i];

		if (slot[12] & 0x08 && byte >= 'A' && byte <= 'Z')
			byte |= 0x20;
		name += put_utf8(name, byte < 0x80 ? byte : 0xe000u + byte);
	}
	if (ext > 0)
		*name++ = '.';
	for (int i = 0; i < ext; i++) {
		uint8_t byte = slot[8 + i];

		if (slot[12] & 0x10 && byte >= 'A' && byte <= 'Z')
			byte |= 0x20;
		name += put_utf8(name, byte < 0x80 ? byte : 0xe000u + byte);
	}
	*name = '\0';
}

static unsigned sum_of(const uint8_t *name)
{
	unsigned sum = 0;

	for (int i = 0; i < 11; i++)
		sum = ((sum >> 1 | sum << 7) + name[i]) & 0xff;
	return sum;
}

/* Length in units of the name in @n_long slots, 0 when they are none of @slot. */
static size_t long_units(const uint8_t *slots, uint32_t n_long, uint16_t *units)
{
	static const uint8_t places[] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
	unsigned sum = sum_of(slots + (size_t)n_long * SLOT);
	size_t n = 0;

	for (uint32_t part = 1; part <= n_long; part++) {
		const uint8_t *slot = slots + (size_t)(n_long - part) * SLOT;

		if (slot[0] != (part | (part == n_long ? 0x40u : 0)) || slot[13] != sum)
			return 0;
		for (size_t i = 0; i < sizeof places; i++)
			units[n++] = (uint16_t)get16(slot + places[i]);
	}
	for (size_t i = 0; i < n; i++)
		if (units[i] == 0)
			return i;
	return n;
}

static void long_name(const uint16_t *units, size_t n, char *name)
{
	for (size_t i = 0; i < n; i++)
		name += put_utf8(name, units[i]);
	*name = '\0';
}

/* ---- roles ---- */

static bool is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncasecmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static enum reader_role role_of(const char *path, const char *name,
	const struct reader_rules *rules)
{
	const char *const managed[] = {"/loader", "/EFI/Linux", "/EFI/systemd", rules->managed};
	size_t n = rules->managed ? 4 : 3;

	if (strchr(name, '/') || strncmp(name, ".#", 2) == 0 ||
		(rules->excluded && is_within(path, rules->excluded)) ||
		is_within(path, "/loader/random-seed") || is_within(path, "/loader/swtpm") ||
		is_within(path, "/loader/esp-sync.was"))
		return READER_FOREIGN;
	for (size_t i = 0; i < n; i++)
		if (is_within(path, managed[i]))
			return READER_MANAGED;
	for (size_t i = 0; i < n; i++)
		if (is_within(managed[i], path))
			return READER_PARENT;
	return READER_FOREIGN;
}

/* ---- directories ---- */

struct walk {
	const struct reader_rules *rules;
	struct reader_node *dir; /* copied out of the list, which moves */
	unsigned depth;
};

static bool read_dir(struct reader *reader, const struct walk *walk);

static const uint8_t *slot_at(const struct reader *reader, const struct reader_node *dir, uint32_t i)
{
	uint64_t offset = (uint64_t)i * SLOT;

	if (!dir->chain)
		return i < reader->root_slots ? reader->bytes + reader->root_offset + offset : NULL;
	if (offset / reader->cluster_size >= dir->n_chain)
		return NULL;
	return reader_bytes(reader, dir, (uint32_t)offset);
}

static struct reader_node *add_node(struct reader *reader, const struct walk *walk,
	const uint8_t *set, uint32_t n_slots)
{
	const uint8_t *slot = set + (size_t)(n_slots - 1) * SLOT;
	char name[MAX_UNITS * 3 + 1], path[PATH_LEN];
	uint16_t units[MAX_UNITS];
	size_t n = n_slots > 1 ? long_units(set, n_slots - 1, units) : 0;
	struct reader_node *node;

	if (n > 255)
		n = 0;
	if (n > 0)
		long_name(units, n, name);
	else
		short_name(slot, name);
	if (snprintf(path, sizeof path, "%s/%s", walk->dir->path, name) >= PATH_LEN)
		return NULL;
	reader->nodes = reallocarray(reader->nodes, reader->n_nodes + 1, sizeof *node);
	if (!reader->nodes)
		return NULL;
	node = &reader->nodes[reader->n_nodes++];
	*node = (struct reader_node){
		.path = strdup(path),
		.directory = slot[11] & ATTR_DIRECTORY,
		.parent = walk->depth > 0 && walk->dir->chain ? walk->dir->chain[0] : 0,
		.size = get32(slot + 28),
		.n_slots = n > 0 ? n_slots : 1,
	};
	node->slots = malloc((size_t)node->n_slots * SLOT);
	if (!node->path || !node->slots)
		return NULL;
	node->name = node->path + strlen(walk->dir->path) + 1;
	node->role = walk->dir->role == READER_FOREIGN ? READER_FOREIGN
						       : role_of(path, node->name, walk->rules);
	memcpy(node->slots, slot - (size_t)(node->n_slots - 1) * SLOT,
		(size_t)node->n_slots * SLOT);
	return node;
}

static bool read_set(struct reader *reader, const struct walk *walk, const uint8_t *set,
	uint32_t n_slots)
{
	const uint8_t *slot = set + (size_t)(n_slots - 1) * SLOT;
	struct walk below = {.rules = walk->rules, .depth = walk->depth + 1};
	uint32_t first = get16(slot + 26);
	struct reader_node *node, copy;

	if (slot[11] & ATTR_LABEL || slot[0] == '.')
		return true;
	node = add_node(reader, walk, set, n_slots);
	if (!node)
		return give_up(reader, "memory, or too deep", walk->dir->path);
	if (reader->bits == 32)
		first |= get16(slot + 20) << 16;
	if ((first != 0 || node->directory) && !take_chain(reader, first, node))
		return false;
	if (!node->directory)
		return (uint64_t)node->n_chain * reader->cluster_size >= node->size ||
			give_up(reader, "too short", node->path);
	if (walk->depth > MAX_DEPTH)
		return give_up(reader, "too deep", node->path);
	copy = *node;
	below.dir = &copy;
	return read_dir(reader, &below);
}

static bool dot_is(const struct reader *reader, const uint8_t *slot, const char *name,
	uint32_t cluster)
{
	uint32_t first = get16(slot + 26);

	if (reader->bits == 32)
		first |= get16(slot + 20) << 16;
	return memcmp(slot, name, 11) == 0 && slot[11] & ATTR_DIRECTORY &&
		(first == cluster || (cluster == 0 && first == reader->root_cluster));
}

static bool read_dir(struct reader *reader, const struct walk *walk)
{
	uint8_t set[MAX_SET * SLOT];
	uint32_t n = 0;

	if (walk->depth > 0 &&
		(!dot_is(reader, slot_at(reader, walk->dir, 0), ".          ",
			 walk->dir->chain[0]) ||
			!dot_is(reader, slot_at(reader, walk->dir, 1), "..         ",
				walk->dir->parent)))
		return give_up(reader, "dot entries", walk->dir->path);
	for (uint32_t i = 0;; i++) {
		const uint8_t *slot = slot_at(reader, walk->dir, i);

		if (!slot || *slot == 0)
			return true;
		if (*slot == 0xe5) {
			n = 0;
			continue;
		}
		if ((slot[11] & 0x3f) == ATTR_LONG && slot[0] & 0x40)
			n = 0;
		if (n == MAX_SET)
			n = 0;
		memcpy(set + (size_t)n++ * SLOT, slot, SLOT);
		if ((slot[11] & 0x3f) == ATTR_LONG)
			continue;
		if (!read_set(reader, walk, set, n))
			return false;
		n = 0;
	}
}

/* ---- all ---- */

static int by_path(const void *a, const void *b)
{
	const struct reader_node *na = a, *nb = b;

	return strcasecmp(na->path, nb->path);
}

bool reader_read(struct reader *reader, const uint8_t *bytes, uint64_t size,
	const struct reader_rules *rules)
{
	struct reader_node root = {.path = (char[]){""}, .directory = true, .role = READER_PARENT};
	struct walk walk = {.rules = rules, .dir = &root};
	bool sound;

	*reader = (struct reader){.bytes = bytes, .size = size};
	if (!read_boot(reader))
		return false;
	reader->taken = calloc((size_t)reader->n_clusters + 2, 1);
	if (!reader->taken)
		return give_up(reader, "memory", "");
	sound = reader->root_cluster == 0 || take_chain(reader, reader->root_cluster, &root);
	sound = sound && read_dir(reader, &walk);
	free(root.chain);
	if (!sound)
		return false;
	compare_tables(reader);
	if (reader->n_nodes > 0)
		qsort(reader->nodes, reader->n_nodes, sizeof *reader->nodes, by_path);
	return true;
}

void reader_done(struct reader *reader)
{
	for (size_t i = 0; i < reader->n_nodes; i++) {
		free(reader->nodes[i].path);
		free(reader->nodes[i].chain);
		free(reader->nodes[i].slots);
	}
	free(reader->nodes);
	free(reader->taken);
}

const struct reader_node *reader_find(const struct reader *reader, const char *path)
{
	struct reader_node key = {.path = strdup(path)};
	const struct reader_node *found = NULL;

	if (key.path && reader->n_nodes > 0)
		found = bsearch(&key, reader->nodes, reader->n_nodes, sizeof key, by_path);
	free(key.path);
	return found;
}

const uint8_t *reader_bytes(const struct reader *reader, const struct reader_node *node,
	uint32_t offset)
{
	uint32_t cluster = node->chain[offset / reader->cluster_size];

	return reader->bytes + reader->data_offset +
		(uint64_t)(cluster - 2) * reader->cluster_size + offset % reader->cluster_size;
}

uint32_t reader_cluster_at(const struct reader *reader, uint64_t offset)
{
	if (offset < reader->data_offset)
		return 0;
	return (uint32_t)((offset - reader->data_offset) / reader->cluster_size) + 2;
}
