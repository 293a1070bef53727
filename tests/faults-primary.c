/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults.h"

/*
 * The primary changes at its nth read. Whatever the moment: each file of the mirror is as it was,
 * or one that the primary really held, and the next run brings what the primary holds then.
 *
 * The primary is a mirror that was synced before; then its files are torn into single clusters, so
 * that reading one takes several reads.
 */

/* What the primary turns into. */
struct change {
	const struct fault_bench *bench;
	struct cut_image before, after;
	struct cut_judge judge; /* knows both */
	uint64_t at;            /* the read before which it happens */
	bool happened;
};

/* Sync mirror 0, and keep what it is then. It shall not have the seed that other mirrors get. */
static struct cut_image sync_image(struct fault_bench *bench)
{
	struct fault_outcome outcome;

	fes_set_entropy(bench->context, NULL);
	outcome = fault_bench_run(bench, (struct fault_plan){0});
	fes_set_entropy(bench->context, cut_entropy);
	ck_assert_int_eq(outcome.run, 0);
	ck_assert_int_eq(outcome.states[0], FES_MIRROR_SYNCED);
	return fault_image_copy(bench->mirrors[0].image);
}

static void put_primary(struct fault_bench *bench, const struct cut_image *image)
{
	fault_disk_done(&bench->primary);
	fault_disk_init(&bench->primary, image);
}

/* ---- ways to change ---- */

static const struct cut_node *find_file(const struct cut_snapshot *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->nodes[i].path, path) == 0)
			return &s->nodes[i];
	ck_abort_msg("no file %s", path);
	return NULL;
}

static uint8_t *cluster_of(
	const struct cut_image *image, const struct cut_snapshot *s, uint32_t cluster)
{
	return image->bytes + s->data_offset + (uint64_t)(cluster - 2) * s->cluster_size;
}

/* The short entry of @node in @image. */
static uint8_t *entry_of(const struct cut_image *image, const struct cut_node *node)
{
	const uint8_t *slot = node->slots + (size_t)(node->n_slots - 1) * FAT_SLOT_LEN;
	uint8_t *at = memmem(image->bytes, image->size, slot, FAT_SLOT_LEN);

	ck_assert_ptr_nonnull(at);
	return at;
}

static const char new_file[] = "/EFI/Linux/new.efi";
static const char same_size[] = "/EFI/Linux/same-size.efi";
static const char equal[] = "/EFI/Linux/equal.efi";

/* Every byte of the contents, and nothing that tells. */
static void change_contents(struct change *change, const char *path)
{
	const struct cut_snapshot *s = &change->judge.after;
	const struct cut_node *node = find_file(s, path);

	for (uint32_t i = 0; i < node->n_chain; i++) {
		uint8_t *at = cluster_of(&change->after, s, node->chain[i]);

		for (uint32_t b = 0; b < s->cluster_size; b++)
			at[b] ^= 0x55;
	}
}

static void change_new_file(struct change *change)
{
	change_contents(change, new_file);
}

static void change_file_of_same_size(struct change *change)
{
	change_contents(change, same_size);
}

static void change_equal_file(struct change *change)
{
	change_contents(change, equal);
}

static void change_file_and_time(struct change *change)
{
	uint8_t *entry = entry_of(&change->after, find_file(&change->judge.after, same_size));

	entry[offsetof(struct fat_short_slot, write_time)] ^= 0x01;
	change_contents(change, same_size);
}

static void change_attributes(struct change *change)
{
	uint8_t *entry = entry_of(&change->after, find_file(&change->judge.after, equal));

	entry[offsetof(struct fat_short_slot, attributes)] ^= FAT_ATTR_HIDDEN;
}

static void set_fat12_entry(
	struct cut_image *image, const struct fat_geometry *geo, uint32_t cluster, unsigned value)
{
	for (unsigned copy = 0; copy < geo->n_fats; copy++) {
		uint8_t *at =
			image->bytes + geo->fat_offset + copy * geo->fat_size + cluster * 3 / 2;
		unsigned old = at[0] | (unsigned)at[1] << 8;
		unsigned new = cluster % 2 ? (old & 0x000f) | value << 4 : (old & 0xf000) | value;

		at[0] = (uint8_t) new;
		at[1] = (uint8_t)(new >> 8);
	}
}

static unsigned fat12_entry(
	const struct cut_image *image, const struct fat_geometry *geo, uint32_t cluster)
{
	const uint8_t *at = image->bytes + geo->fat_offset + cluster * 3 / 2;
	unsigned both = at[0] | (unsigned)at[1] << 8;

	return cluster % 2 ? both >> 4 : both & 0xfff;
}

static uint32_t free_cluster(const struct cut_image *image, const struct fat_geometry *geo)
{
	for (uint32_t c = geo->n_clusters + 1; c >= 2; c--)
		if (fat12_entry(image, geo, c) == 0)
			return c;
	ck_abort_msg("no cluster is free");
	return 0;
}

static void take_cluster(struct change *change)
{
	const struct fat_geometry *geo = &change->judge.geo;

	set_fat12_entry(&change->after, geo, free_cluster(&change->after, geo), 0xfff);
}

/* Cluster number @i (not the first) of a file goes elsewhere, and what it was is used anew. */
static void move_cluster_of(
	const struct change *change, struct cut_image *image, const char *path, uint32_t i)
{
	const struct cut_snapshot *s = &change->judge.after;
	const struct fat_geometry *geo = &change->judge.geo;
	const struct cut_node *node = find_file(s, path);
	uint32_t from = node->chain[i], to = free_cluster(image, geo);

	memcpy(cluster_of(image, s, to), cluster_of(image, s, from), s->cluster_size);
	memset(cluster_of(image, s, from), 0xaa, s->cluster_size);
	set_fat12_entry(image, geo, to, fat12_entry(image, geo, from));
	set_fat12_entry(image, geo, node->chain[i - 1], to);
	set_fat12_entry(image, geo, from, 0);
}

static void move_cluster(struct change *change)
{
	move_cluster_of(change, &change->after, new_file, 2);
}

/* Every other cluster goes elsewhere. */
static void tear_file(struct change *change, const char *path)
{
	uint32_t n = find_file(&change->judge.after, path)->n_chain;

	ck_assert_uint_gt(n, 2);
	for (uint32_t i = 1; i < n; i += 2)
		move_cluster_of(change, &change->before, path, i);
}

/* ---- one change at one moment ---- */

static void change_at_read(void *userdata, unsigned op, uint64_t nth)
{
	struct change *change = userdata;
	struct fault_disk *disk = (struct fault_disk *)(uintptr_t)&change->bench->primary;

	if (op != TESTDEV_READ || nth != change->at)
		return;
	memcpy(disk->image.bytes, change->after.bytes, disk->image.size);
	change->happened = true;
}

/* Success means all of the one or all of the other. */
static void expect_one_of_both(struct change *change, const char *what)
{
	const struct cut_image *image = &change->bench->mirrors[0].image;
	struct cut_judge *judge = &change->judge;
	char why[256];
	bool fine;

	judge->target = &judge->after;
	fine = cut_judge(judge, image, true);
	(void)snprintf(why, sizeof why, "%.255s", judge->fault);
	judge->target = &judge->other;
	ck_assert_msg(fine || cut_judge(judge, image, true),
		"%s: not as before: %s; nor as after: %s", what, why, judge->fault);
}

static void try_moment(struct fault_bench *bench, struct change *change, const char *what)
{
	struct fault_disk *disk = &bench->mirrors[0];
	struct cut_judge *usual = bench->judge;
	struct fault_outcome outcome;

	bench->primary.hook = change_at_read;
	bench->primary.userdata = change;
	outcome = fault_bench_run(bench, (struct fault_plan){0});
	bench->primary.hook = NULL;
	fault_totals->states++;
	change->judge.target = &change->judge.other;
	ck_assert_msg(cut_judge(&change->judge, &disk->image, false), "%s: %s", what,
		change->judge.fault);
	if (outcome.run == 0 && outcome.states[0] == FES_MIRROR_SYNCED)
		expect_one_of_both(change, what);
	else
		ck_assert_msg(*bench->message, "%s: no word about it", what);
	change->judge.target = change->happened ? &change->judge.other : &change->judge.after;
	bench->judge = &change->judge;
	fault_bench_recover(bench, 0, what);
	bench->judge = usual;
	fault_disk_undo(disk, 0);
	memcpy(bench->primary.image.bytes, change->before.bytes, change->before.size);
}

static void try_moments(
	struct fault_bench *bench, struct change *change, const char *name, uint64_t step)
{
	char what[128];

	cut_judge_done(&change->judge);
	cut_judge_init(
		&change->judge, &bench->managed, &bench->start, &change->before, &change->after);
	do {
		change->at += step;
		change->happened = false;
		(void)snprintf(what, sizeof what, "%s at read %d", name, (int)change->at);
		try_moment(bench, change, what);
		fault_totals->changes += change->happened;
	} while (change->happened);
}

static void begin(struct fault_bench *bench, struct change *change)
{
	struct cut_image none = {0};

	*change = (struct change){.bench = bench, .before = sync_image(bench)};
	fault_disk_undo(&bench->mirrors[0], 0);
	cut_judge_init(&change->judge, &bench->managed, &change->before, &change->before, &none);
	tear_file(change, new_file);
	tear_file(change, same_size);
	tear_file(change, equal);
	cut_judge_done(&change->judge);
	change->after = fault_image_copy(change->before);
	cut_judge_init(&change->judge, &bench->managed, &change->before, &change->before, &none);
}

static void end(struct fault_bench *bench, struct change *change)
{
	cut_judge_done(&change->judge);
	free(change->before.bytes);
	free(change->after.bytes);
	put_primary(bench, &bench->target);
}

static const struct {
	const char *name;
	void (*make)(struct change *change);
} changes[] = {
	{"a new file's contents", change_new_file},
	{"contents of a file of the same size", change_file_of_same_size},
	{"contents of an equal file", change_equal_file},
	{"contents and time", change_file_and_time},
	{"attributes", change_attributes},
	{"a cluster is taken", take_cluster},
	{"a cluster is moved", move_cluster},
};
enum {
	N_CHANGES = sizeof changes / sizeof *changes
};

START_TEST(test_nothing_comes_from_a_primary_half_before_and_half_after_a_change)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("changes on FAT12"));
	struct change change;

	begin(bench, &change);
	changes[_i].make(&change);
	put_primary(bench, &change.before);
	try_moments(bench, &change, changes[_i].name, faults_step(2));
	end(bench, &change);
}
END_TEST

/* What somebody else's sync makes of the primary meanwhile. */
static const struct cut_file next_files[] = {
	{"/loader/loader.conf", NULL, "150@3"},
	{"/loader/entries/another.conf", NULL, "=linux /EFI/Linux/another.efi\n"},
	{"/loader/entries/keeps its long name.conf", NULL, "=linux /EFI/Linux/equal.efi\n"},
	{"/EFI/Linux/equal.efi", NULL, "1536@34"},
	{"/EFI/Linux/another.efi", NULL, "9000@71"},
	{"/EFI/Linux/same-size.efi", NULL, "9024@72:2"},
	{NULL, NULL, NULL},
};

START_TEST(test_nothing_comes_from_a_primary_half_before_and_half_after_a_sync)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("changes on FAT12"));
	struct cut_image next = cut_make_primary(bench->folder.path, next_files, true);
	struct change change;

	change = (struct change){.bench = bench, .before = sync_image(bench)};
	put_primary(bench, &next);
	change.after = sync_image(bench);
	fault_disk_undo(&bench->mirrors[0], 0);
	cut_judge_init(
		&change.judge, &bench->managed, &bench->start, &change.before, &change.after);
	put_primary(bench, &change.before);
	try_moments(bench, &change, "a sync", faults_step(2));
	free(next.bytes);
	end(bench, &change);
}
END_TEST

void faults_add_primary_cases(Suite *suite)
{
	TCase *tc = tcase_create("primary");

	tcase_set_timeout(tc, 600);
	tcase_add_unchecked_fixture(tc, fault_benches_prepare, NULL);
	tcase_add_loop_test(tc,
		test_nothing_comes_from_a_primary_half_before_and_half_after_a_change, 0,
		N_CHANGES);
	tcase_add_test(tc, test_nothing_comes_from_a_primary_half_before_and_half_after_a_sync);
	suite_add_tcase(suite, tc);
}
