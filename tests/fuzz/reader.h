/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Another reader of FAT volumes, which judges the one that is tested and shares no code with it.
 * It takes only what is sound: anything odd in chains or tables, and it gives up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reader_role {
	READER_FOREIGN,
	READER_PARENT, /* on the way to what is managed */
	READER_MANAGED,
};

/* Paths besides those that are managed always; NULL: none. */
struct reader_rules {
	const char *managed;
	const char *excluded;
};

struct reader_node {
	char *path;       /* "/EFI/Linux/x.efi", from long names where there are any */
	const char *name; /* the last part */
	enum reader_role role;
	bool directory;
	uint32_t parent; /* first cluster of the directory it is in, 0: the root */
	uint32_t size;
	uint32_t *chain;
	uint32_t n_chain;
	uint8_t *slots; /* of its entry set */
	uint32_t n_slots;
};

struct reader {
	const uint8_t *bytes;
	uint64_t size;
	unsigned bits;
	unsigned n_fats;
	uint32_t cluster_size;
	uint32_t n_clusters;
	uint64_t fat_offset, fat_size;
	uint64_t root_offset, data_offset;
	uint64_t fsinfo_offset; /* 0: none */
	uint32_t root_slots, root_cluster;
	uint8_t *taken; /* by cluster */
	uint32_t n_lost;
	bool copies_equal;
	struct reader_node *nodes; /* by path, without case */
	size_t n_nodes;
	char why[200]; /* it gave up */
};

/*
 * Read the volume in the @size bytes, which stay the caller's. Returns whether it is sound; else
 * reader->why says what is not. Free with reader_done() either way.
 */
bool reader_read(struct reader *reader, const uint8_t *bytes, uint64_t size,
	const struct reader_rules *rules);
void reader_done(struct reader *reader);

/* The node whose path is @path but for the case of ASCII letters, or NULL. */
const struct reader_node *reader_find(const struct reader *reader, const char *path);

/* Byte @offset of the node's contents, and all bytes up to the end of that cluster. */
const uint8_t *reader_bytes(const struct reader *reader, const struct reader_node *node,
	uint32_t offset);

/* The cluster at @offset (bytes from the start of the volume), or 0. */
uint32_t reader_cluster_at(const struct reader *reader, uint64_t offset);
