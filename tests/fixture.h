/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * FAT volumes for unit tests: made by mkfs.fat and filled by mtools, then held in memory, and
 * judged by fsck.fat. What goes wrong on the way fails the running case.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fat/internal.h"

enum {
	FIXTURE_N_TYPES = 3
}; /* _i of a loop test: FAT12, FAT16, FAT32 */

/* What a volume is filled with, in this order. */
struct fixture_file {
	const char *path; /* "/EFI/Linux/a.efi", parents are made; "/EFI/Linux/" is a directory */
	const char *text; /* the contents, or NULL: */
	uint32_t size;    /* so many bytes ... */
	uint8_t seed;     /* ... of fixture_byte() */
};

struct fixture {
	uint8_t *bytes; /* the image, to look at and to change */
	uint64_t size;
	struct blkdev *dev;     /* 512-byte sectors */
	struct fat_volume *vol; /* NULL until fixture_open() */
	char messages[8192];    /* what the volume reported, a line each */
	int fd;                 /* the image as it was made; -1 before */
};

/* Whether mkfs.fat, fsck.fat and mtools are there; says on stderr what is missing. */
bool fixture_tools(void);

/* The small volume of a type: clusters of one sector, label "ESP". */
struct fixture *fixture_new(int type, const struct fixture_file *files, size_t n_files);

/*
 * Make what fixture_new() gives for @files once, for all cases: an unchecked fixture of their test
 * case, and its counterpart.
 */
void fixture_prepare(const struct fixture_file *files, size_t n_files);
void fixture_forget(void);

/* @mkfs: options and "x.img KIB". */
struct fixture *fixture_new_mkfs(
	const char *mkfs, const struct fixture_file *files, size_t n_files);
void fixture_free(struct fixture *f);

/* Open the volume of @f anew, and check it: it must have no damage. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

/* The image as it was made, and no volume open. */
void fixture_reset(struct fixture *f);

/*
 * Run a shell command in an empty folder in which x.img is the image, and take the image as the
 * command leaves it. Returns what the command printed; free() it. @status: its exit status; when
 * NULL it must be 0.
 */
char *fixture_shell(struct fixture *f, int *status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for commands that need no answer. */
void fixture_do(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fill the volume of @f with a file "/fill", but for @n_left clusters. */
void fixture_fill_but(struct fixture *f, uint32_t n_left);

/* Neither fat_check() nor fsck.fat has anything to say about the image. */
void fixture_judge(struct fixture *f);

/* fat_check() on the image as it stands: no damage. */
struct fat_check_result fixture_check(struct fixture *f);

/* Byte @i of the contents with @seed. */
static inline uint8_t fixture_byte(uint8_t seed, uint32_t i)
{
	return (uint8_t)(seed * 31u + i * 7u + i / 251u);
}

/* The entry at @path, which must be there, of a freshly read volume. */
struct fat_entry fixture_find(struct fixture *f, const char *path);
bool fixture_has(struct fixture *f, const char *path);

/* The file at @path is @size bytes of @seed, for us and for mtools. */
void fixture_expect_file(struct fixture *f, const char *path, uint32_t size, uint8_t seed);

/*
 * An entry set: long-name slots for @long_name (NULL: none; ASCII) and the short entry. Returns the
 * number of slots. @slots has room for FAT_SET_MAX_SLOTS.
 */
uint32_t fixture_set(uint8_t *slots, const char *long_name, const char *short_name,
	uint8_t attributes, uint32_t size);
