/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sequences of changes to a primary, for test-sequences.c: which files there are before and after
 * one, each in one of three directories that a sync treats differently.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/powercut.h"

enum sequence_op {
	OP_ADD,       /* a file */
	OP_SMALLER,   /* a file gets fewer clusters, ... */
	OP_SAME_SIZE, /* ... other contents of its size, ... */
	OP_LARGER,    /* ... more clusters */
	OP_DELETE,    /* a file */
	OP_RENAME,    /* a file */
	OP_COUNT,     /* a file that counts boots is renamed */
	OP_MKDIR,     /* a directory with a file */
	OP_RMDIR,     /* one, with its file */
	OP_GROW,      /* so many files that the directory needs more clusters */
	OP_ENTRY,     /* a loader entry, and the payload it names */
	N_OPS,
};

enum sequence_place {
	PLACE_PAYLOAD, /* /EFI/Linux: gets a new version */
	PLACE_LOADER,  /* /loader/entries: likewise, in the phase after payload */
	PLACE_MIXED,   /* /mixed: holds something foreign, so it is edited in place */
	N_PLACES,
};

enum { SEQUENCE_MAX = 3, SEQUENCE_FILES = 512, SEQUENCE_TEXT = 64 * 1024 };

struct sequence {
	enum sequence_op ops[SEQUENCE_MAX];
	size_t n;
	/*
	 * Where each op works. Those in one place work on the same file as far as that makes sense:
	 * what was added is renamed, ...
	 */
	enum sequence_place places[SEQUENCE_MAX];
};

/* The files before and after a sequence: a list for struct cut_workload. */
struct sequence_tree {
	struct cut_file files[SEQUENCE_FILES + 1];
	size_t n;
	unsigned n_new;            /* numbers what is made anew */
	size_t subject[N_PLACES];  /* index + 1 of the file that was worked on last, 0: none */
	char text[SEQUENCE_TEXT];
	size_t used;
};

/* @grow: files that OP_GROW adds. */
void sequence_apply(const struct sequence *sequence, unsigned grow, struct sequence_tree *ret);

/* Equal for sequences that end in the same files. */
uint64_t sequence_tree_hash(const struct sequence_tree *tree);

/* "add in /EFI/Linux, rename in /mixed" */
void sequence_describe(const struct sequence *sequence, char *text, size_t len);
