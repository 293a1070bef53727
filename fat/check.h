/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the check*.c files: the state of one fat_check(), and how findings are given. */

#include "fat/internal.h"

enum {
	CHECK_PATH_MAX = 4096,     /* bytes of a printed path with its NUL; the front is cut */
	CHECK_MAX_FINDINGS = 1000, /* given to the caller, the rest is only counted */
	CHECK_NAMES_MAX = 16 * 1024 * 1024, /* bytes of directory names kept for printing */
};

/* A directory whose chain is sound. They are a queue in the array, each read after its parent. */
struct check_dir {
	uint32_t first_cluster; /* 0: the root */
	uint32_t parent;        /* index; the root is its own parent */
	char *name;             /* NULL: the root, or no room was left for names */
};

/* What a finding is about. */
struct check_place {
	uint32_t dir;     /* index of a directory ... */
	const char *name; /* ... and an entry in it, or NULL for the directory itself */
};

/*
 * A cluster whose (first) owner has to be found before a finding can be given. Owners are not
 * stored, a second walk in the same order meets them again.
 */
struct check_watch {
	uint32_t cluster;
	char *path;       /* the second owner; NULL: the FAT copies differ on this cluster */
	uint32_t value;   /* path == NULL: the entry in the second FAT copy ... */
	uint32_t n_others; /* ... and how many more differ */
	bool found;
};

struct check {
	struct fat_volume *vol;
	fat_finding_fn fn;
	void *userdata;
	struct fat_check_result result;
	uint32_t n_withheld;
	enum fat_severity withheld_severity;

	bool second_walk; /* nothing is found any more, only owners */
	struct check_dir *dirs;
	uint32_t n_dirs, dirs_room;
	size_t names_len;
	uint32_t n_unread_dirs; /* damaged, what is in them is not known */
	struct check_watch *watches;
	uint32_t n_watches, watches_room;
	uint8_t *watched; /* bitmap over cluster numbers, NULL before the second walk */

	bool heads_differ; /* FAT[0] or FAT[1] in the two copies */
	uint32_t n_labels;
	uint8_t label[11]; /* the first in the root, as on disk */
};

/*
 * Count a finding and give it to the caller: "<path of @place>: text", or the text alone when
 * @place is NULL. Control characters in it become '?'. Nothing happens in the second walk.
 */
void check_finding(struct check *check, enum fat_severity severity,
	const struct check_place *place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The path of @place, printed to the end of @buf. */
const char *check_path(const struct check *check, const struct check_place *place,
	char buf[CHECK_PATH_MAX]);

/* Bytes of a short name or label as text: what is not ASCII depends on a code page. */
void check_text(const uint8_t *bytes, size_t len, char *ret);

/* First cluster of a directory's chain, also of the root's; 0 for a fixed root. */
uint32_t check_dir_cluster(const struct check *check, uint32_t dir);

/* Put off a finding until the owner of watch->cluster is known. @watch->path goes over. */
int check_watch_add(struct check *check, struct check_watch watch);

/* ---- check-boot.c: boot sectors, FSInfo, the first two FAT entries ---- */

int check_boot(struct check *check);
int check_fsinfo(struct check *check);
int check_head(struct check *check);

/* Compare the label of the boot sector with the one that the walk has met. */
void check_label(struct check *check);

/* ---- check-tree.c: everything that can be reached ---- */

/* Walk all directories, set vol->reachable. Returns 0, -ENOMEM or a device error. */
int check_tree(struct check *check);

/* ---- check-entry.c: what one directory entry says, clusters aside ---- */

/* The names of one directory, to find those that mean the same. */
struct check_names {
	struct fat_nameset *raw;    /* the 11 bytes of short names */
	struct fat_nameset *folded; /* long and short names as readers compare them */
};

int check_names_new(struct check_names *ret);
void check_names_done(struct check_names *names);

/* Attributes, fields and characters of the short entry @slot and of @entry's long name. */
void check_entry_fields(struct check *check, const struct check_place *place,
	const struct fat_entry *entry);

/* Returns 0 or -ENOMEM. */
int check_entry_names(struct check *check, const struct check_place *place,
	const struct fat_entry *entry, struct check_names *names);

void check_label_entry(struct check *check, const struct check_place *place,
	const struct fat_entry *entry);

void check_set_problems(struct check *check, const struct check_place *place, unsigned problems);

/* `.` and `..` in the first two slots of directory @dir, which is not the root. */
void check_dots(struct check *check, uint32_t dir, const struct fat_dir_image *image);

/* What stands behind the end mark, and unknown attributes in long-name slots. */
void check_slots(struct check *check, uint32_t dir, const struct fat_dir_image *image);

/* ---- check-copies.c: the second FAT copy against the first ---- */

int check_copies(struct check *check);
