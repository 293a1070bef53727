/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What test-powercut.c is made of: volumes built by mkfs.fat and mtools (powercut-image.c), a judge
 * over what a power cut left (powercut-judge.c), the choice of states (powercut-subsets.c), and
 * the enumeration of all that one can leave (powercut.c).
 */

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fat/internal.h"
#include "lib/seed.h"
#include "tests/testdev.h"

/*
 * A file of a tree: path, what it holds before and after. "BYTES@SEED" or "BYTES@SEED:DAY" (DAY: of
 * the modification time, else SEED), "=TEXT", or NULL: not there. A path ending in '/' is an empty
 * directory, "" its contents. A foreign file is made from before; with after it is deleted again
 * once all others are there, and leaves a gap.
 */
struct cut_file {
	const char *path;
	const char *before;
	const char *after;
};

enum { CUT_PATHS_MAX = 4, CUT_UNNAMED_MAX = 16 };

struct cut_workload {
	const struct cut_file *files;   /* of the primary, last path NULL */
	const struct cut_file *foreign; /* on the mirror, last path NULL; or NULL. See cut_file */
	const struct cut_file *other;   /* what the primary holds after a power cut; NULL: files */
	const char *manage[CUT_PATHS_MAX];
	const char *exclude[CUT_PATHS_MAX];
	/* What the sync has to find out to be managed, and what it has to leave alone there. */
	const char *finds[CUT_PATHS_MAX];
	const char *leaves[CUT_PATHS_MAX];
	/* What the primary still has after, where no entry names it any more: it goes from the mirror. */
	const char *unnamed[CUT_UNNAMED_MAX];
	const char *together; /* files that begin so are all old or all new; or NULL */
	bool blank; /* the mirror begins with what is foreign only */
	/* A file whose counter changes is copied: for a commit it has both names. */
	bool side_by_side;
	/*
	 * Long-name slots that an interrupted removal orphans in a directory that is not managed
	 * stay there: nobody can tell whose they are.
	 */
	bool orphans_stay;
	/*
	 * With too little room for the origin nothing tells what was about to go from what is foreign, once
	 * no entry names it: a power cut then leaves it for good.
	 */
	bool untold_stay;
};

struct cut_shape {
	unsigned fat_bits;
	unsigned sector_size;     /* bytes, of the volume */
	unsigned cluster_sectors;
	unsigned n_clusters;      /* about */
	unsigned n_fats;          /* 0: 2 */
	unsigned root_slots;      /* of the fixed root, 0: 512 */
	unsigned device_sector;   /* bytes, 0: 512 */
	unsigned physical_sector; /* bytes, 0: as the device's */
	unsigned n_fragments;     /* gaps before the free space */
	unsigned gap;             /* clusters of each and of what stands between two; see below */
};

enum { CUT_GAP = 6, CUT_BETWEEN = 40 }; /* clusters, unless the shape says */

struct cut_effort {
	unsigned states_per_epoch; /* see struct cut_subsets */
	unsigned hidden_per_epoch; /* when all that is written is out of any reader's sight */
	unsigned recover_every;    /* run the sync again; 1: on each distinct state, 0: never */
	unsigned fsck_every;       /* ... and all is judged by programs that are not ours, too, ... */
	unsigned outside_every;    /* ... and, of the states around commits, every so many */
	unsigned final_every;      /* fsck.fat on what a recovery ends in, if that is new */
	unsigned nested_every;     /* cut the recovery, too */
	unsigned nested_per_epoch;
	unsigned nested_recover_every;
};

/* How much is asked for: FATESPSYNC_TEST_QUICK=1 or FATESPSYNC_TEST_FULL=1 in the environment. */
enum cut_level {
	CUT_QUICK,
	CUT_NORMAL,
	CUT_FULL,
};

enum cut_level cut_level(void);

/* Shared between the processes of a test program. */
struct cut_totals {
	uint64_t states;
	uint64_t distinct; /* of them, in their case; only these are judged */
	uint64_t recoveries;
	uint64_t nested;
	uint64_t fsck_runs;
	uint64_t mtools_runs;
};

void cut_totals_print(const struct cut_totals *totals);

/* ---- powercut-main.c ---- */

struct cut_program {
	Suite *(*make_suite)(void);
	void (*print)(void); /* what was counted beside the totals; NULL: nothing was */
	size_t shared_size;  /* bytes; 0: of struct cut_totals alone */
};

/*
 * main() of a test program. Before the suite is made, *@scratch is a folder for volumes and *@shared
 * memory, all zero, that the cases share although each is a process of its own. It begins
 * with struct cut_totals, which are printed in the end.
 */
int cut_main(const struct cut_program *program, char **scratch, void **shared);

/* ---- powercut-image.c ---- */

/* An image in memory. */
struct cut_image {
	uint8_t *bytes;
	uint64_t size;
};

/* free() image.bytes. */
struct cut_image cut_image_copy(const struct cut_image *image);

/* ck_assert() writes to a file each time, which is too slow for what is done often. */
void cut_require(bool ok, const char *what);

/* Whether the programs are there that volumes are made with, and made ready; else says so. */
bool cut_tools_found(void);

/* A new folder for volumes, NULL on errors. It stays when KEEP is in the environment. */
char *cut_scratch_make(void);
void cut_scratch_remove(char *path); /* frees it, too */

/* Make a volume in the folder @dir. free() image.bytes. */
struct cut_image cut_make_primary(const char *dir, const struct cut_file *files, bool after);
struct cut_image cut_make_mirror(const char *dir, const struct cut_shape *shape,
	const struct cut_file *foreign);

/*
 * Whether fsck.fat -n says only what is harmless about @image (with @final: nothing, but for
 * orphaned long names with @orphans). Else @complaint gets what it says.
 */
bool cut_fsck_accepts(const char *dir, const struct cut_image *image, bool final, bool orphans,
	char *complaint, size_t len);

/*
 * Whether mtools find the same files in @image as we did, whose finds are in @snapshot. Else
 * @complaint tells.
 */
struct cut_snapshot;
bool cut_mtools_agree(const char *dir, const struct cut_image *image,
	const struct cut_snapshot *snapshot, char *complaint, size_t len);

/* ---- powercut-judge.c ---- */

struct cut_node {
	const char *path;
	enum fes_role role;
	bool directory;
	uint32_t size;
	uint32_t first_cluster;
	uint32_t n_chain;
	const uint32_t *chain;
	uint32_t n_slots;
	const uint8_t *slots;
};

/* All entries of a volume by path; contents stay in the image. */
struct cut_snapshot {
	const uint8_t *image;
	uint64_t data_offset;
	uint32_t cluster_size;
	struct cut_node *nodes;
	size_t n;
	uint8_t *arena;
	size_t used;
};

/* The @len bytes, of one sector, at @offset of a file. */
const uint8_t *cut_bytes_at(const struct cut_snapshot *snapshot, const struct cut_node *node,
	uint32_t offset);

struct cut_judge {
	const struct fes_managed *managed;
	const struct fes_managed *of_primary; /* managed, but for what its entries do not name */
	struct fat_geometry geo;
	const uint8_t *start;       /* the mirror's image as it was at first */
	struct cut_snapshot before; /* of it */
	struct cut_snapshot after;  /* of the primary */
	struct cut_snapshot other;  /* of another, which comes after a power cut; may be empty */
	const struct cut_snapshot *target; /* one of the two */
	struct cut_snapshot now;
	bool orphans_stay;
	bool untold_stay;
	bool side_by_side;    /* see struct cut_workload */
	const char *together; /* see struct cut_workload */
	bool has_choices; /* there is something to boot in both */
	bool has_loaders; /* there is a boot loader that starts something in both */
	uint64_t label_offset; /* of the label's slot, 0: none */
	char fault[1024];
};

/* @other may have no bytes. */
void cut_judge_init(struct cut_judge *judge, const struct fes_managed *managed,
	const struct cut_image *start, const struct cut_image *primary,
	const struct cut_image *other);
void cut_judge_done(struct cut_judge *judge);

/* Of primaries less is managed than on the mirror: the same ones, looked at anew. */
void cut_judge_narrow(struct cut_judge *judge, const struct fes_managed *of_primary,
	const struct cut_image *primary, const struct cut_image *other);

/* Another primary; what was known of the one before is gone. */
void cut_judge_set_primary(struct cut_judge *judge, const struct cut_image *primary);

/*
 * Whether @image is what a power cut may leave (with @final: what a sync that ended well leaves).
 * Else judge->fault says why not. The image is changed meanwhile and is as before afterwards.
 */
bool cut_judge(struct cut_judge *judge, const struct cut_image *image, bool final);

/* The entry at @path, or NULL. */
const struct cut_node *cut_snapshot_find(const struct cut_snapshot *snapshot, const char *path);

/* For fes_set_entropy(): the same each time. */
ssize_t cut_entropy(void *buf, size_t len, unsigned flags);

/* Whether there is something to boot. */
bool cut_snapshot_has_choice(const struct cut_snapshot *snapshot);

/* Mark the clusters that can be reached through either FAT copy in @bits, by cluster number. */
void cut_judge_reachable(struct cut_judge *judge, const struct cut_image *image, uint8_t *bits);

/* ---- powercut-subsets.c ---- */

enum { CUT_EXHAUSTIVE = 4096 };

/*
 * Which of the 2^n subsets of @n things are tried: all if there are at most @cap. Else none, all,
 * each one missing, each alone, beginnings and ends, each two missing, each two alone, and 2,000
 * random ones; at most @cap of these, spread evenly, unless that is CUT_EXHAUSTIVE or more.
 */
struct cut_subsets {
	size_t n;
	unsigned cap;
	uint64_t *random; /* state of the generator */
};

uint64_t cut_subsets_count(const struct cut_subsets *subsets);

/* Set subset number @i as a bitmap of n / 8 + 1 bytes. The first is none and the second is all. */
void cut_subsets_choose(const struct cut_subsets *subsets, uint64_t i, uint8_t *chosen);

uint64_t cut_random(uint64_t *state);

/* A set of hashes. All zero: empty. */
struct cut_seen {
	uint64_t *slots; /* 0: free */
	size_t n, room;
};

/* Whether @hash is new. */
bool cut_seen_add(struct cut_seen *seen, uint64_t hash);
void cut_seen_clear(struct cut_seen *seen);

/* ---- powercut.c ---- */

struct cut_case;

struct cut_case *cut_case_new(const char *dir, const struct cut_shape *shape,
	const struct cut_workload *workload, struct cut_totals *totals);
void cut_case_free(struct cut_case *c);

/* What a case begins with, for other ways to hurt a mirror. The bytes stay the case's. */
struct cut_image cut_case_start(const struct cut_case *c);   /* the mirror before the sync */
struct cut_image cut_case_primary(const struct cut_case *c);

/* First cluster of @path on the mirror before the sync. */
uint32_t cut_case_first_cluster(const struct cut_case *c, const char *path);

/* Whether the runs so far removed something first, or refused, for want of room. */
bool cut_case_removed_first(const struct cut_case *c);
bool cut_case_lacked_room(const struct cut_case *c);

/*
 * Another primary for the mirror as it was at first; @image is owned. The case must have no other
 * primary for after a power cut.
 */
void cut_case_set_primary(struct cut_case *c, struct cut_image image);

/*
 * Sync the mirror once and log it in *@log, which is the caller's, whatever comes of it.
 *
 * Returns the mirror's state. A good one was judged, and is FES_MIRROR_FAILED if the judge found
 * fault. Unless it is good, cut_case_fault() has the reason. @fault (NULL: none) is in force.
 */
enum fes_mirror_state cut_record(struct cut_case *c, struct fault *fault, struct write_log **log);

/* What became of a sync that was interrupted. */
struct cut_interruption {
	enum fes_mirror_state state;
	bool in_time;        /* fes_interrupt() was called before the sync ended */
	uint64_t writes;     /* in all */
	uint64_t more_writes, more_flushes; /* that began after the interruption */
	char message[256];   /* the mirror's, "" when there is none */
};

/*
 * Sync the mirror once and log it, with fes_interrupt() in the midst of call number @k (from 1) to
 * the device of the mirror or, with @of_primary, to that of the primary.
 */
struct write_log *cut_record_interrupted(struct cut_case *c, uint64_t k, bool of_primary,
	struct cut_interruption *ret);

/* Whether something in @log changes what a reader of the mirror sees through either FAT copy. */
bool cut_is_visible(struct cut_case *c, const struct write_log *log);

/*
 * The flush that ends the epoch before the first commit: the first epoch that changes what a
 * reader sees.
 */
uint64_t cut_flush_before_commit(struct cut_case *c, const struct write_log *log);

/*
 * Judge what power cuts leave at every moment of @log. Returns whether all of it is as it must be;
 * else cut_case_fault() tells what was found first.
 */
bool cut_enumerate(struct cut_case *c, const struct write_log *log,
	const struct cut_effort *effort);
const char *cut_case_fault(const struct cut_case *c);

/* ---- powercut-prove.c ---- */

/* What a program does when neither more nor less is asked for. */
struct cut_normal {
	struct cut_effort others; /* FAT12, FAT16 */
	struct cut_effort fat32;
};

/* The effort for a volume of @shape at the level that is asked for. */
struct cut_effort cut_effort_for(const struct cut_shape *shape, const struct cut_normal *normal);

/* cut_record(), which has to end well. write_log_free() the log. */
struct write_log *cut_record_good(struct cut_case *c, struct fault *fault);

/*
 * Record a sync, which has to end well, and judge all that a power cut can leave of it: nothing may
 * be wrong, and what was written last must be durable when the sync ends.
 */
void cut_prove(struct cut_case *c, const struct cut_effort *effort);
