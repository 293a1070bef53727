/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every sequence of up to three changes to a primary, on every kind of volume: no power cut while a
 * mirror follows hurts it. The judge is that of test-powercut.c.
 *
 * Sequences that end in the same files are tried once. FATESPSYNC_TEST_FULL=1 tries all that are
 * left, on every volume; else a sample of them, other ones on each.
 */

#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sequence.h"

enum { N_SHARES = 8, SEQUENCES_MAX = 8192 };

static char *scratch;

/* ---- volumes ---- */

#define ROOT(n) {"/F" #n ".TXT", "1@" #n, NULL}
#define ROOT_TEN(n) \
	ROOT(n##0), ROOT(n##1), ROOT(n##2), ROOT(n##3), ROOT(n##4), ROOT(n##5), ROOT(n##6), \
		ROOT(n##7), ROOT(n##8), ROOT(n##9)
#define FOREIGN \
	{"/EFI/Microsoft/Boot/bootmgfw.efi", "700@41", NULL}, \
	{"/mixed/keep.d/kept although foreign.bin", "600@42", NULL}, \
	{"/loader/random-seed", "32@43", NULL}, \
	{"/startup.nsh", "33@44", NULL}

static const struct cut_file foreign_files[] = {FOREIGN, {NULL, NULL, NULL}};
/* With what is there before the change, this makes the free space begin just before cluster 341. */
static const struct cut_file foreign_up_to_straddle[] = {
	FOREIGN, {"/filler.bin", "138240@45", NULL}, {NULL, NULL, NULL}};
static const struct cut_file foreign_nearly_full[] = {
	FOREIGN, {"/filler.bin", "49152@45", NULL}, {NULL, NULL, NULL}};
/* 32 slots: the label, EFI, and 28 files; "loader" and "mixed" just fit. */
static const struct cut_file foreign_full_root[] = {
	{"/EFI/Microsoft/Boot/bootmgfw.efi", "700@41", NULL},
	ROOT_TEN(1), ROOT_TEN(2), ROOT(30), ROOT(31), ROOT(32), ROOT(33), ROOT(34), ROOT(35),
	ROOT(36), ROOT(37),
	{NULL, NULL, NULL},
};

struct layout {
	const char *name;
	struct cut_shape shape;
	const struct cut_file *foreign;
	bool blank;
	unsigned grow;          /* files that make a directory grow */
	unsigned nested_every;  /* in full: of distinct states, for sequences of less than three */
	unsigned nested_longer; /* for those of three */
};

static const struct layout layouts[] = {
	{
		.name = "FAT12",
		.shape = {.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 300},
		.foreign = foreign_files,
		.grow = 14,
		.nested_every = 1,
		.nested_longer = 7,
	},
	{
		.name = "FAT12 with entries in two sectors",
		.shape = {.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 800},
		.foreign = foreign_up_to_straddle,
		.grow = 14,
		.nested_every = 3,
		.nested_longer = 31,
	},
	{
		.name = "FAT16",
		.shape = {.fat_bits = 16, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 4200},
		.foreign = foreign_files,
		.grow = 14,
		.nested_every = 11,
		.nested_longer = 101,
	},
	{
		.name = "FAT32",
		.shape = {.fat_bits = 32, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 65600},
		.foreign = foreign_files,
		.grow = 14,
		.nested_every = 31,
		.nested_longer = 503,
	},
	{
		.name = "fragmented",
		.shape = {.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 660,
			.n_fragments = 300, .gap = 1}, /* no more room than in the gaps */
		.foreign = foreign_files,
		.grow = 14,
		.nested_every = 5,
		.nested_longer = 61,
	},
	{
		.name = "nearly full",
		.shape = {.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 168},
		.foreign = foreign_nearly_full,
		.grow = 14,
		.nested_every = 3,
		.nested_longer = 31,
	},
	{
		.name = "full fixed root",
		.shape = {.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 300,
			.root_slots = 32},
		.foreign = foreign_full_root,
		.grow = 14,
		.nested_every = 3,
		.nested_longer = 31,
	},
	{
		.name = "empty",
		.shape = {.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 300},
		.blank = true,
		.grow = 14,
		.nested_every = 3,
		.nested_longer = 31,
	},
	{
		.name = "4096-byte sectors",
		.shape = {.fat_bits = 12, .sector_size = 4096, .cluster_sectors = 1, .n_clusters = 120,
			.device_sector = 4096},
		.foreign = foreign_files,
		.grow = 120,
		.nested_every = 3,
		.nested_longer = 31,
	},
};
enum { N_LAYOUTS = sizeof layouts / sizeof *layouts };

/* ---- sequences ---- */

/* What the processes of the cases share. */
struct shared {
	struct cut_totals totals;
	uint64_t workloads;
	uint64_t two_steps; /* old went first, for want of room */
	uint64_t refused;   /* for want of room, without a write */
};

static struct shared *shared;
static struct sequence sequences[SEQUENCES_MAX];
static size_t n_sequences;
static size_t n_all; /* with those that end in the same files */

static void consider(const struct sequence *sequence, struct cut_seen *seen)
{
	static struct sequence_tree tree;

	n_all++;
	sequence_apply(sequence, 14, &tree);
	if (!cut_seen_add(seen, sequence_tree_hash(&tree)))
		return;
	cut_require(n_sequences < SEQUENCES_MAX, "room for sequences");
	sequences[n_sequences++] = *sequence;
}

/* In three places in turn; in one; in the mixed one: the last two by turns for long ones. */
static void consider_places(struct sequence *sequence, unsigned number, struct cut_seen *seen)
{
	static const enum sequence_place places[][SEQUENCE_MAX] = {
		{PLACE_PAYLOAD, PLACE_LOADER, PLACE_MIXED},
		{PLACE_PAYLOAD, PLACE_PAYLOAD, PLACE_PAYLOAD},
		{PLACE_MIXED, PLACE_MIXED, PLACE_MIXED},
	};
	enum { N = sizeof places / sizeof *places };

	for (size_t i = 0; i < N; i++) {
		if (sequence->n == SEQUENCE_MAX && i == 1 + number % 2)
			continue;
		memcpy(sequence->places, places[i], sizeof places[i]);
		consider(sequence, seen);
	}
}

/* Shorter ones first. */
static void list_sequences(void)
{
	struct cut_seen seen = {0};
	unsigned total = 1;

	for (size_t n = 1; n <= SEQUENCE_MAX; n++) {
		total *= N_OPS;
		for (unsigned i = 0; i < total; i++) {
			struct sequence sequence = {.n = n};
			unsigned rest = i;

			for (size_t at = 0; at < n; at++, rest /= N_OPS)
				sequence.ops[at] = rest % N_OPS;
			consider_places(&sequence, i, &seen);
		}
	}
	cut_seen_clear(&seen);
}

/* ---- how much ---- */

/* A share is a process; each has to make the volumes. */
static size_t n_shares(void)
{
	return cut_level() == CUT_FULL ? N_SHARES : 1;
}

static struct cut_effort effort_for(const struct layout *layout, const struct sequence *sequence)
{
	struct cut_effort effort = {
		.states_per_epoch = CUT_EXHAUSTIVE,
		.hidden_per_epoch = 6,
		.recover_every = layout->shape.fat_bits == 32 ? 3 : 1,
		.fsck_every = 997,
		.outside_every = 50,
		.final_every = 40,
		.nested_every = sequence->n < 3 ? layout->nested_every : layout->nested_longer,
		.nested_per_epoch = 64,
		.nested_recover_every = 5,
	};

	if (cut_level() != CUT_FULL) {
		effort.states_per_epoch = 64;
		effort.recover_every = 3;
		effort.fsck_every = 499;
		effort.nested_every = layout->nested_longer;
	}
	return effort;
}

/* Whether sequence number @i is tried on layout number @layout. */
static bool in_sample(size_t i, size_t layout)
{
	size_t every = cut_level() == CUT_FULL ? 1 : cut_level() == CUT_QUICK ? 601 : 97;

	if (layouts[layout].shape.fat_bits == 32 && cut_level() != CUT_FULL)
		every *= 3;
	return (i + layout * 13) % every == 0;
}

/* ---- cases ---- */

static struct cut_case *open_case(const struct layout *layout)
{
	static struct sequence_tree base;
	static const struct sequence nothing;
	struct cut_workload workload = {
		.files = base.files,
		.foreign = layout->foreign,
		.manage = {"/mixed"},
		.exclude = {"/mixed/keep.d"},
		.blank = layout->blank,
	};

	sequence_apply(&nothing, 0, &base);
	return cut_case_new(scratch, &layout->shape, &workload, &shared->totals);
}

static bool ended_well(const struct cut_case *c, enum fes_mirror_state state)
{
	return state == FES_MIRROR_SYNCED || state == FES_MIRROR_IN_SYNC ||
		(state == FES_MIRROR_REFUSED && cut_case_lacked_room(c));
}

static void try_sequence(struct cut_case *c, const struct layout *layout,
	const struct sequence *sequence, struct cut_image primary)
{
	struct cut_effort effort = effort_for(layout, sequence);
	enum fes_mirror_state state;
	struct write_log *log;
	char what[256];

	sequence_describe(sequence, what, sizeof what);
	cut_case_set_primary(c, primary);
	state = cut_record(c, NULL, &log);
	shared->workloads++;
	shared->refused += state == FES_MIRROR_REFUSED;
	shared->two_steps += cut_case_removed_first(c);
	ck_assert_msg(ended_well(c, state), "%s: %s: %s", layout->name, what, cut_case_fault(c));
	ck_assert_msg(state == FES_MIRROR_REFUSED || cut_enumerate(c, log, &effort), "%s: %s: %s", layout->name, what,
		cut_case_fault(c));
	write_log_free(log);
}

/* The primary after sequence number @i; most layouts share one. */
struct primary {
	size_t i;
	unsigned grow;
	struct cut_image image;
};

static struct cut_image get_primary(struct primary *primary, size_t i, unsigned grow)
{
	static struct sequence_tree tree;

	if (primary->image.bytes && primary->i == i && primary->grow == grow)
		return cut_image_copy(&primary->image);
	free(primary->image.bytes);
	sequence_apply(&sequences[i], grow, &tree);
	*primary = (struct primary){i, grow, cut_make_primary(scratch, tree.files, true)};
	return cut_image_copy(&primary->image);
}

static void try_layouts(struct cut_case **cases, size_t i, struct primary *primary)
{
	for (size_t l = 0; l < N_LAYOUTS; l++) {
		if (!in_sample(i, l))
			continue;
		if (!cases[l])
			cases[l] = open_case(&layouts[l]);
		try_sequence(cases[l], &layouts[l], &sequences[i],
			get_primary(primary, i, layouts[l].grow));
	}
}

START_TEST(test_no_power_cut_hurts)
{
	struct cut_case *cases[N_LAYOUTS] = {0};
	struct primary primary = {0};

	for (size_t i = (size_t)_i; i < n_sequences; i += n_shares())
		try_layouts(cases, i, &primary);
	for (size_t l = 0; l < N_LAYOUTS; l++)
		if (cases[l])
			cut_case_free(cases[l]);
	free(primary.image.bytes);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("sequences");
	TCase *tc = tcase_create("every layout");

	list_sequences();
	tcase_set_timeout(tc, 1800);
	tcase_add_loop_test(tc, test_no_power_cut_hurts, 0, (int)n_shares());
	suite_add_tcase(suite, tc);
	return suite;
}

static void print_counts(void)
{
	printf("%zu sequences, %zu with different ends; %llu tried on %d kinds of volumes, of these "
	       "%llu in two steps and %llu refused for want of room\n",
		n_all, n_sequences, (unsigned long long)shared->workloads, (int)N_LAYOUTS,
		(unsigned long long)shared->two_steps, (unsigned long long)shared->refused);
}

int main(void)
{
	static const struct cut_program program = {make_suite, print_counts, sizeof *shared};

	return cut_main(&program, &scratch, (void **)&shared);
}
