/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fat_check(): volumes made by mkfs.fat and mtools pass; damaged in one way, they get a finding
 * that says what, where and how bad. Every case runs on FAT12, FAT16 and FAT32.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fat/internal.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tests/testdev.h"

enum { N_TYPES = 3, MAX_FINDINGS = 1100 };

static const char KERNEL[] = "/EFI/Linux/A long kernel name.efi"; /* four clusters */
static const char LOADER[] = "/EFI/BOOT/BOOTX64.EFI";             /* three clusters */
static const char CONF[] = "/loader/loader.conf";                 /* one cluster */
static const char EMPTY[] = "/empty.txt";

/* Made once in main(), copied by every test. */
static struct {
	uint8_t *bytes;
	uint64_t size;
} originals[N_TYPES];

struct test {
	uint8_t *bytes;
	uint64_t size;
	struct blkdev *dev;
	struct fat_volume *vol; /* as it was before the damage */
	struct fat_check_result result;
	bool checked;
	size_t n_findings;
	struct {
		enum fat_severity severity;
		char *text;
	} findings[MAX_FINDINGS];
};

/* ---- a volume and what is found in it ---- */

static struct test *test_new(int type)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->size = originals[type].size;
	t->bytes = malloc(t->size);
	ck_assert_ptr_nonnull(t->bytes);
	memcpy(t->bytes, originals[type].bytes, t->size);
	ck_assert_int_eq(memdev_wrap(t->bytes, t->size, 512, &t->dev), 0);
	ck_assert_int_eq(fat_open(t->dev, "test", NULL, &t->vol), 0);
	return t;
}

static void test_free(struct test *t)
{
	for (size_t i = 0; i < t->n_findings; i++)
		free(t->findings[i].text);
	fat_close(t->vol);
	blkdev_close(t->dev);
	free(t->bytes);
	free(t);
}

static void take_finding(void *userdata, enum fat_severity severity, const char *message)
{
	struct test *t = userdata;

	ck_assert_uint_lt(t->n_findings, MAX_FINDINGS);
	ck_assert_ptr_null(strchr(message, '\n'));
	t->findings[t->n_findings].severity = severity;
	t->findings[t->n_findings++].text = strdup(message);
}

static void run_check(struct test *t)
{
	struct fat_volume *vol;

	ck_assert_int_eq(fat_open(t->dev, "test", NULL, &vol), 0);
	ck_assert_int_eq(fat_check(vol, take_finding, t, &t->result), 0);
	t->checked = vol->checked;
	fat_close(vol);
	ck_assert(t->checked == (t->result.n_damage == 0));
}

static bool has_finding(const struct test *t, enum fat_severity severity, const char *a,
	const char *b)
{
	for (size_t i = 0; i < t->n_findings; i++)
		if (t->findings[i].severity == severity && strstr(t->findings[i].text, a) &&
			strstr(t->findings[i].text, b))
			return true;
	for (size_t i = 0; i < t->n_findings; i++)
		fprintf(stderr, "%d %s\n", (int)t->findings[i].severity, t->findings[i].text);
	fprintf(stderr, "not found: %s ... %s\n", a, b);
	return false;
}

/* Check, expect a finding with both texts, and free @t. */
static void expect_damage(struct test *t, const char *a, const char *b)
{
	run_check(t);
	ck_assert(has_finding(t, FAT_DAMAGE, a, b));
	test_free(t);
}

static void expect_harmless(struct test *t, const char *a, const char *b)
{
	run_check(t);
	ck_assert(has_finding(t, FAT_HARMLESS, a, b));
	ck_assert_uint_eq(t->result.n_damage, 0);
	test_free(t);
}

/* ---- places ---- */

static struct fat_entry find(struct test *t, const char *path)
{
	struct fat_entry entry;

	ck_assert_int_eq(fat_lookup(t->vol, path, &entry), 0);
	return entry;
}

/* The Nth cluster of a file, from 0. */
static uint32_t cluster_of(struct test *t, const char *path, uint32_t n)
{
	uint32_t cluster = find(t, path).first_cluster;

	for (; n > 0; n--)
		cluster = fat_next(t->vol, cluster);
	return cluster;
}

static uint32_t free_cluster(struct test *t)
{
	uint32_t last = t->vol->geo.n_clusters + 1, c = last;

	while (c > 2 && fat_next(t->vol, c) != FAT_FREE)
		c--;
	return c;
}

/* Slot @slot of directory @path, in the volume's bytes. */
static uint8_t *slot_at(struct test *t, const char *path, uint32_t slot)
{
	uint32_t cluster = strcmp(path, "/") == 0 ? 0 : find(t, path).first_cluster;
	struct fat_dir_image image;
	uint8_t *at;

	ck_assert_int_eq(fat_dir_image_load(t->vol, cluster, path, &image), 0);
	ck_assert_uint_lt(slot, image.n_slots);
	at = t->bytes + fat_dir_image_offset(t->vol, &image, slot);
	fat_dir_image_done(&image);
	return at;
}

static struct fat_short_slot *short_slot(struct test *t, const char *path)
{
	char parent[256];
	char *slash;

	snprintf(parent, sizeof parent, "%s", path);
	slash = strrchr(parent, '/');
	slash[slash == parent] = '\0';
	return (struct fat_short_slot *)(void *)slot_at(t, parent, find(t, path).short_slot);
}

static void set_start(struct test *t, const char *path, uint32_t cluster)
{
	fat_slot_set_cluster(t->vol, short_slot(t, path), cluster);
}

static uint32_t end_mark(const struct test *t)
{
	return FAT_EOC & (uint32_t)((1ull << t->vol->geo.type) - 1);
}

static void put_fat_in_copy(struct test *t, unsigned copy, uint32_t cluster, uint32_t value)
{
	unsigned bits = t->vol->geo.type;
	uint8_t *at = t->bytes + t->vol->geo.fat_offset + copy * t->vol->geo.fat_size +
		(uint64_t)cluster * bits / 8;

	if (bits == 12 && cluster % 2) {
		at[0] = (uint8_t)((at[0] & 0x0f) | value << 4);
		at[1] = (uint8_t)(value >> 4);
		return;
	}
	at[0] = (uint8_t)value;
	at[1] = bits == 12 ? (uint8_t)((at[1] & 0xf0) | (value >> 8 & 0x0f))
			   : (uint8_t)(value >> 8);
	if (bits == 32) {
		at[2] = (uint8_t)(value >> 16);
		at[3] = (uint8_t)(value >> 24);
	}
}

static void put_fat(struct test *t, uint32_t cluster, uint32_t value)
{
	put_fat_in_copy(t, 0, cluster, value);
	put_fat_in_copy(t, 1, cluster, value);
}

static const char *cluster_text(const char *format, uint32_t cluster)
{
	static char text[64];

	snprintf(text, sizeof text, format, cluster);
	return text;
}

/* The first unused slot of a directory. */
static uint32_t end_slot(struct test *t, const char *path)
{
	uint32_t slot = 0;

	while (*slot_at(t, path, slot) != FAT_SLOT_END)
		slot++;
	return slot;
}

static void add_slot(struct test *t, const char *path, const struct fat_short_slot *slot)
{
	memcpy(slot_at(t, path, end_slot(t, path)), slot, sizeof *slot);
}

/* ---- clean ---- */

START_TEST(test_clean_volume_has_no_finding)
{
	struct test *t = test_new(_i);

	run_check(t);
	ck_assert_uint_eq(t->n_findings, 0);
	ck_assert_uint_eq(t->result.n_harmless + t->result.n_damage, 0);
	ck_assert_uint_eq(t->result.lost_clusters, 0);
	ck_assert(!t->result.fat_copies_differ && !t->result.free_count_wrong);
	test_free(t);
}
END_TEST

START_TEST(test_second_check_forgets_the_first)
{
	struct test *t = test_new(_i);
	struct fat_check_result result;
	uint32_t cluster = free_cluster(t);

	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert(t->vol->checked);
	ck_assert(fat_bit_get(t->vol->reachable, cluster_of(t, KERNEL, 3)));
	ck_assert(!fat_bit_get(t->vol->reachable, cluster));
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.n_harmless + result.n_damage, 0);
	test_free(t);
}
END_TEST

START_TEST(test_read_error_is_no_finding)
{
	struct test *t = test_new(_i);
	struct fat_check_result result;
	uint64_t n;

	for (n = 1;; n++) {
		struct fault fault = {.ops = TESTDEV_READ, .error = -EIO};
		struct blkdev *dev;
		struct fat_volume *vol;
		int r;

		ck_assert_int_eq(faultdev_new(t->dev, &fault, &dev), 0);
		ck_assert_int_eq(fat_open(dev, "test", NULL, &vol), 0);
		fault.n_calls = 0;
		fault.nth = n;
		r = fat_check(vol, take_finding, t, &result);
		ck_assert_int_eq(r, fault.n_fired ? -EIO : 0);
		ck_assert(vol->checked == (r == 0));
		fat_close(vol);
		blkdev_close(dev);
		if (!fault.n_fired)
			break;
	}
	ck_assert_uint_gt(n, 4);
	ck_assert_uint_eq(t->n_findings, 0);
	test_free(t);
}
END_TEST

/* ---- chains ---- */

START_TEST(test_loop_names_both_ends)
{
	struct test *t = test_new(_i);
	uint32_t last = cluster_of(t, KERNEL, 3), second = cluster_of(t, KERNEL, 1);
	char text[64];

	put_fat(t, last, second);
	snprintf(text, sizeof text, "loops: cluster %u links back to %u", last, second);
	expect_damage(t, "/EFI/Linux/A long kernel name.efi: ", text);
}
END_TEST

START_TEST(test_loop_of_a_directory_is_damage)
{
	struct test *t = test_new(_i);

	put_fat(t, cluster_of(t, "/loader/entries", 0), cluster_of(t, "/loader/entries", 0));
	expect_damage(t, "/loader/entries: ", "loops");
}
END_TEST

START_TEST(test_cross_link_names_both_files)
{
	struct test *t = test_new(_i);
	uint32_t shared = cluster_of(t, LOADER, 1);

	put_fat(t, cluster_of(t, KERNEL, 0), shared);
	run_check(t);
	ck_assert(has_finding(t, FAT_DAMAGE, KERNEL, LOADER));
	ck_assert(has_finding(t, FAT_DAMAGE, "cross-linked", cluster_text("cluster %u ", shared)));
	test_free(t);
}
END_TEST

START_TEST(test_two_entries_with_one_chain_are_cross_linked)
{
	struct test *t = test_new(_i);

	set_start(t, CONF, cluster_of(t, LOADER, 0));
	run_check(t);
	ck_assert(has_finding(t, FAT_DAMAGE, CONF, LOADER));
	test_free(t);
}
END_TEST

START_TEST(test_file_sharing_a_directory_is_cross_linked)
{
	struct test *t = test_new(_i);

	set_start(t, CONF, cluster_of(t, "/EFI", 0));
	expect_damage(t, "/loader/loader.conf: cross-linked", " /EFI,");
}
END_TEST

START_TEST(test_directory_pointing_to_its_parent_is_damage)
{
	struct test *t = test_new(_i);

	set_start(t, "/EFI/BOOT", cluster_of(t, "/EFI", 0));
	expect_damage(t, "/EFI/BOOT: cross-linked", " /EFI,");
}
END_TEST

START_TEST(test_chain_into_a_free_cluster_is_damage)
{
	struct test *t = test_new(_i);
	uint32_t cluster = cluster_of(t, KERNEL, 2);

	put_fat(t, cluster, FAT_FREE);
	expect_damage(t, KERNEL, cluster_text("cluster %u is marked free", cluster));
}
END_TEST

START_TEST(test_chain_into_a_bad_cluster_is_damage)
{
	struct test *t = test_new(_i);
	uint32_t cluster = cluster_of(t, KERNEL, 2);

	put_fat(t, cluster, end_mark(t) - 8);
	expect_damage(t, KERNEL, cluster_text("cluster %u is marked bad", cluster));
}
END_TEST

START_TEST(test_bad_cluster_outside_of_chains_is_fine)
{
	struct test *t = test_new(_i);

	put_fat(t, free_cluster(t), end_mark(t) - 8);
	run_check(t);
	ck_assert_uint_eq(t->result.n_damage, 0);
	ck_assert_uint_eq(t->result.lost_clusters, 0);
	/* only the free count of FAT32 tells */
	ck_assert_uint_eq(t->n_findings, t->vol->geo.type == FAT_TYPE_32);
	test_free(t);
}
END_TEST

START_TEST(test_link_out_of_range_is_damage)
{
	static const uint32_t values[] = {1, 0, 6};

	for (int i = 0; i < 3; i++) {
		struct test *t = test_new(_i);
		uint32_t cluster = cluster_of(t, LOADER, 1);
		uint32_t to = i == 1 ? t->vol->geo.n_clusters + 2 : values[i];

		if (i == 2)
			to = t->vol->geo.n_clusters + values[i];
		put_fat(t, cluster, to);
		expect_damage(t, LOADER, cluster_text("cluster %u links to", cluster));
	}
}
END_TEST

START_TEST(test_start_out_of_range_is_damage)
{
	for (int i = 0; i < 2; i++) {
		struct test *t = test_new(_i);

		set_start(t, CONF, i ? t->vol->geo.n_clusters + 2 : 1);
		expect_damage(t, CONF, "begins at cluster");
	}
}
END_TEST

/* On FAT32 a first cluster can be the very number that ends chains. */
START_TEST(test_start_at_an_end_mark_is_damage)
{
	static const char *const paths[] = {CONF, EMPTY, "/EFI/BOOT"};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct test *t = test_new(_i);

		set_start(t, paths[i], FAT_EOC);
		expect_damage(t, paths[i], "begins at cluster");
	}
}
END_TEST

START_TEST(test_size_without_a_cluster_is_damage)
{
	struct test *t = test_new(_i);

	short_slot(t, EMPTY)->size = le32_of(7);
	expect_damage(t, EMPTY, "size of 7 bytes and no cluster");
}
END_TEST

START_TEST(test_short_chain_is_damage)
{
	struct test *t = test_new(_i);

	put_fat(t, cluster_of(t, KERNEL, 1), end_mark(t));
	expect_damage(t, KERNEL, "too short: 2 clusters");
}
END_TEST

START_TEST(test_long_chain_is_harmless)
{
	struct test *t = test_new(_i);

	short_slot(t, KERNEL)->size = le32_of(1);
	expect_harmless(t, KERNEL, "too long: 4 clusters");
}
END_TEST

START_TEST(test_cluster_of_an_empty_file_is_harmless)
{
	struct test *t = test_new(_i);

	short_slot(t, CONF)->size = le32_of(0);
	expect_harmless(t, CONF, "too long: 1 clusters");
}
END_TEST

START_TEST(test_lost_clusters_are_one_harmless_finding)
{
	struct test *t = test_new(_i);
	uint32_t cluster = free_cluster(t);

	put_fat(t, cluster, end_mark(t));
	put_fat(t, cluster - 1, cluster);
	run_check(t);
	ck_assert_uint_eq(t->result.lost_clusters, 2);
	ck_assert_uint_eq(t->result.n_damage, 0);
	ck_assert(has_finding(t, FAT_HARMLESS, "lost clusters: 2",
		cluster_text("the first is %u", cluster - 1)));
	test_free(t);
}
END_TEST

START_TEST(test_lost_loop_ends)
{
	struct test *t = test_new(_i);
	uint32_t cluster = free_cluster(t);

	put_fat(t, cluster, cluster);
	expect_harmless(t, "lost clusters: 1", "");
}
END_TEST

/* ---- directories ---- */

START_TEST(test_directory_without_a_cluster_is_damage)
{
	struct test *t = test_new(_i);

	set_start(t, "/EFI/BOOT", 0);
	expect_damage(t, "/EFI/BOOT: ", "without a cluster");
}
END_TEST

START_TEST(test_directory_with_a_size_is_harmless)
{
	struct test *t = test_new(_i);

	short_slot(t, "/EFI/BOOT")->size = le32_of(512);
	expect_harmless(t, "/EFI/BOOT: ", "size (512)");
}
END_TEST

START_TEST(test_too_large_directory_is_damage)
{
	struct test *t = test_new(_i);
	uint32_t n = FAT_DIR_MAX_SLOTS * FAT_SLOT_LEN / t->vol->geo.cluster_size + 1;
	uint32_t cluster = cluster_of(t, "/loader/entries", 0), to = free_cluster(t) + 1 - n;

	if (n > t->vol->geo.n_clusters / 2) {
		test_free(t); /* too small a volume */
		return;
	}
	for (; n > 0; n--) {
		put_fat(t, cluster, to);
		cluster = to++;
	}
	put_fat(t, cluster, end_mark(t));
	expect_damage(t, "/loader/entries: ", "more than the 65536 entries");
}
END_TEST

START_TEST(test_wrong_dot_is_damage)
{
	struct test *t = test_new(_i);
	uint8_t *slot = slot_at(t, "/EFI/BOOT", 0);

	fat_slot_set_cluster(t->vol, (struct fat_short_slot *)(void *)slot, 2);
	expect_damage(t, "/EFI/BOOT: '.' points to cluster 2", "");
}
END_TEST

START_TEST(test_missing_dot_is_damage)
{
	struct test *t = test_new(_i);

	*slot_at(t, "/EFI/BOOT", 0) = FAT_SLOT_DELETED;
	expect_damage(t, "/EFI/BOOT: no '.'", "");
}
END_TEST

START_TEST(test_missing_dot_dot_is_damage)
{
	struct test *t = test_new(_i);

	slot_at(t, "/EFI/BOOT", 1)[11] = 0;
	expect_damage(t, "/EFI/BOOT: no '..'", "");
}
END_TEST

START_TEST(test_dot_dot_to_another_directory_is_damage)
{
	struct test *t = test_new(_i);
	uint8_t *slot = slot_at(t, "/EFI/BOOT", 1);

	fat_slot_set_cluster(t->vol, (struct fat_short_slot *)(void *)slot,
		cluster_of(t, "/loader", 0));
	expect_damage(t, "/EFI/BOOT: '..' points to cluster",
		cluster_text("parent directory is %u", cluster_of(t, "/EFI", 0)));
}
END_TEST

START_TEST(test_dot_dot_with_the_roots_cluster_is_harmless)
{
	struct test *t = test_new(_i);
	uint8_t *slot = slot_at(t, "/EFI", 1);

	if (t->vol->geo.type != FAT_TYPE_32) {
		test_free(t);
		return;
	}
	fat_slot_set_cluster(t->vol, (struct fat_short_slot *)(void *)slot,
		t->vol->geo.root_cluster);
	expect_harmless(t, "/EFI: '..' points to the root by its cluster", "");
}
END_TEST

START_TEST(test_entry_behind_the_end_mark_is_damage)
{
	struct test *t = test_new(_i);
	uint32_t end = end_slot(t, "/EFI/BOOT");

	memcpy(slot_at(t, "/EFI/BOOT", end + 2), slot_at(t, "/EFI/BOOT", 2), FAT_SLOT_LEN);
	expect_damage(t, "/EFI/BOOT: ", cluster_text("slot %u behind the end mark", end + 2));
}
END_TEST

START_TEST(test_broken_root_chain_is_damage)
{
	struct test *t = test_new(_i);

	if (t->vol->geo.type != FAT_TYPE_32) {
		test_free(t);
		return;
	}
	put_fat(t, t->vol->geo.root_cluster, FAT_FREE);
	expect_damage(t, "/: cluster chain broken",
		cluster_text("cluster %u is marked free", t->vol->geo.root_cluster));
}
END_TEST

/* A hostile volume: each cluster a directory with one more in it. */
START_TEST(test_deep_nesting_ends_and_cuts_paths)
{
	struct test *t = test_new(_i);
	struct fat_short_slot dot = {.name = ".          ", .attributes = FAT_ATTR_DIRECTORY};
	struct fat_short_slot sub = {.name = "ABCDEFGH   ", .attributes = FAT_ATTR_DIRECTORY};
	uint32_t depth = t->vol->geo.n_clusters / 2, last = free_cluster(t);
	uint32_t parent = 0, cluster = last + 1 - depth;

	fat_slot_set_cluster(t->vol, &sub, cluster);
	add_slot(t, "/", &sub);
	for (; cluster <= last; parent = cluster++) {
		uint8_t *at = t->bytes + fat_cluster_offset(t->vol, cluster);

		memset(at, 0, t->vol->geo.cluster_size);
		put_fat(t, cluster, end_mark(t));
		memset(dot.name, ' ', sizeof dot.name);
		dot.name[0] = '.';
		fat_slot_set_cluster(t->vol, &dot, cluster);
		memcpy(at, &dot, sizeof dot);
		dot.name[1] = '.';
		fat_slot_set_cluster(t->vol, &dot, parent);
		memcpy(at + FAT_SLOT_LEN, &dot, sizeof dot);
		fat_slot_set_cluster(t->vol, &sub, cluster == last ? 1 : cluster + 1);
		memcpy(at + 2 * FAT_SLOT_LEN, &sub, sizeof sub);
	}
	run_check(t);
	ck_assert(has_finding(t, FAT_DAMAGE, "begins at cluster 1", "ABCDEFGH"));
	ck_assert_uint_eq(t->result.n_damage, 1);
	for (size_t i = 0; i < t->n_findings; i++)
		ck_assert_uint_lt(strlen(t->findings[i].text), 4300);
	test_free(t);
}
END_TEST

START_TEST(test_findings_are_limited)
{
	struct test *t = test_new(_i);
	struct fat_short_slot slot = {.name = "X       BAD", .attributes = FAT_ATTR_ARCHIVE};
	uint32_t n_slots = 2048, n = n_slots * FAT_SLOT_LEN / t->vol->geo.cluster_size;
	uint32_t cluster = cluster_of(t, "/loader/entries", 0), to = free_cluster(t) + 1 - n;
	uint32_t first = to, number = 0;

	for (; n > 0; n--) {
		put_fat(t, cluster, to);
		cluster = to++;
	}
	put_fat(t, cluster, end_mark(t));
	fat_slot_set_cluster(t->vol, &slot, 1);
	while (*slot_at(t, "/loader/entries", number) != FAT_SLOT_END)
		number++;
	/* the rest of the first cluster stays free of holes */
	for (uint32_t i = number; i < t->vol->geo.cluster_size / FAT_SLOT_LEN; i++)
		*slot_at(t, "/loader/entries", i) = FAT_SLOT_DELETED;
	for (uint32_t i = 0; i < n_slots; i++) {
		snprintf((char *)slot.name, 9, "X%07u", i);
		memcpy(slot.name + 8, "BAD", 3);
		memcpy(t->bytes + fat_cluster_offset(t->vol, first) + (uint64_t)i * FAT_SLOT_LEN,
			&slot, sizeof slot);
	}
	run_check(t);
	ck_assert_uint_ge(t->result.n_damage, n_slots);
	ck_assert_uint_eq(t->n_findings, 1001);
	ck_assert(has_finding(t, FAT_DAMAGE, "and ", " more"));
	test_free(t);
}
END_TEST

/* ---- names ---- */

START_TEST(test_duplicate_short_name_is_damage)
{
	struct test *t = test_new(_i);
	struct fat_short_slot copy = *short_slot(t, EMPTY);

	add_slot(t, "/", &copy);
	expect_damage(t, EMPTY, "duplicate");
}
END_TEST

START_TEST(test_names_equal_but_for_case_are_damage)
{
	struct test *t = test_new(_i);
	struct fat_entry entry = find(t, KERNEL);
	uint32_t at = end_slot(t, "/EFI/Linux");
	uint8_t other[11];

	memcpy(other, fat_entry_short(&entry)->name, sizeof other);
	other[0] = 'Q';
	entry.slots[(entry.n_slots - 2) * FAT_SLOT_LEN + 1] = 'a'; /* the first unit of the name */
	fat_slots_set_short_name(entry.slots, entry.n_slots, other);
	memset(entry.slots + (entry.n_slots - 1) * FAT_SLOT_LEN + 26, 0, 6);
	memset(entry.slots + (entry.n_slots - 1) * FAT_SLOT_LEN + 20, 0, 2);
	for (uint32_t i = 0; i < entry.n_slots; i++)
		memcpy(slot_at(t, "/EFI/Linux", at + i), entry.slots + i * FAT_SLOT_LEN,
			FAT_SLOT_LEN);
	expect_damage(t, "/EFI/Linux/a long kernel name.efi: duplicate", "but for case");
}
END_TEST

/* The long name of one is the short name of the other. */
START_TEST(test_long_name_that_is_anothers_alias_is_damage)
{
	struct test *t = test_new(_i);
	struct fat_entry entry = find(t, KERNEL);
	struct fat_long_slot lfn = {.ordinal = FAT_LFN_LAST | 1, .attributes = FAT_ATTR_LONG_NAME};
	struct fat_short_slot slot = {.name = "OTHER   X  ", .attributes = FAT_ATTR_ARCHIVE};
	uint32_t at = end_slot(t, "/EFI/Linux");
	char alias[FAT_NAME_MAX];
	uint16_t units[FAT_LFN_UNITS];
	size_t len;

	fat_short_name_decode(fat_entry_short(&entry)->name, 0, alias);
	len = strlen(alias);
	for (size_t i = 0; i < FAT_LFN_UNITS; i++)
		units[i] = i < len ? (uint8_t)alias[i] : i == len ? 0 : 0xffff;
	for (int i = 0; i < 5; i++)
		lfn.units1[i] = le16_of(units[i]);
	for (int i = 0; i < 6; i++)
		lfn.units2[i] = le16_of(units[5 + i]);
	for (int i = 0; i < 2; i++)
		lfn.units3[i] = le16_of(units[11 + i]);
	lfn.checksum = fat_lfn_checksum(slot.name);
	memcpy(slot_at(t, "/EFI/Linux", at), &lfn, sizeof lfn);
	memcpy(slot_at(t, "/EFI/Linux", at + 1), &slot, sizeof slot);
	expect_damage(t, "/EFI/Linux/", "duplicate");
}
END_TEST

START_TEST(test_stray_dot_entry_is_damage)
{
	struct test *t = test_new(_i);

	short_slot(t, EMPTY)->name[0] = '.';
	expect_damage(t, "stray dot entry", "");
}
END_TEST

START_TEST(test_bad_short_names_are_harmless)
{
	static const char bytes[] = "\x01 \"*+,./:;<=>?[\\]|a\x7f";

	for (size_t i = 0; i < sizeof bytes - 1; i++) {
		struct test *t = test_new(_i);

		/* not the first: a dot there makes a dot entry; a blank must be first */
		short_slot(t, EMPTY)->name[bytes[i] == ' ' ? 0 : 1] = (uint8_t)bytes[i];
		expect_harmless(t, "short name with characters", "");
	}
}
END_TEST

START_TEST(test_control_characters_are_not_printed)
{
	struct test *t = test_new(_i);

	memcpy(short_slot(t, EMPTY)->name, "\n\x1b[2J", 5);
	run_check(t);
	for (size_t i = 0; i < t->n_findings; i++)
		for (const char *at = t->findings[i].text; *at; at++)
			ck_assert((uint8_t)*at >= 0x20);
	ck_assert_uint_gt(t->n_findings, 0);
	test_free(t);
}
END_TEST

static uint8_t *first_long_slot(struct test *t, const char *dir, const char *path)
{
	struct fat_entry entry = find(t, path);

	ck_assert_uint_gt(entry.n_slots, 2);
	return slot_at(t, dir, entry.short_slot + 1 - entry.n_slots);
}

START_TEST(test_long_name_faults_are_harmless)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *text;
	} cases[] = {
		{0, FAT_SLOT_DELETED, "orphaned"},
		{0, 0x47, "orphaned"},
		{12, 1, "type or cluster field"},
		{26, 1, "type or cluster field"},
		{13, 0x99, "orphaned"},
		{30, 0x20, "not ended as it must be"},
		{11, 0x4f, "unknown attribute bits"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct test *t = test_new(_i);

		first_long_slot(t, "/EFI/Linux", KERNEL)[cases[i].at] = cases[i].value;
		expect_harmless(t, "/EFI/Linux", cases[i].text);
	}
}
END_TEST

START_TEST(test_wrong_long_name_checksum_is_harmless)
{
	struct test *t = test_new(_i);

	short_slot(t, KERNEL)->name[0] = 'Z';
	expect_harmless(t, "/EFI/Linux/Z", "wrong checksum");
}
END_TEST

START_TEST(test_orphans_at_the_end_are_harmless)
{
	struct test *t = test_new(_i);
	uint8_t *end = slot_at(t, "/EFI/Linux", end_slot(t, "/EFI/Linux"));

	memcpy(end, first_long_slot(t, "/EFI/Linux", KERNEL), FAT_SLOT_LEN);
	expect_harmless(t, "/EFI/Linux: orphaned", "at the end");
}
END_TEST

/* ---- attributes and fields ---- */

START_TEST(test_unknown_attributes_are_harmless)
{
	struct test *t = test_new(_i);

	short_slot(t, CONF)->attributes |= 0x80;
	expect_harmless(t, CONF, "unknown attribute bits 0x80");
}
END_TEST

START_TEST(test_label_and_directory_at_once_is_harmless)
{
	struct test *t = test_new(_i);

	short_slot(t, EMPTY)->attributes |= FAT_ATTR_VOLUME | FAT_ATTR_DIRECTORY;
	expect_harmless(t, "", "both as a directory and as a volume label");
}
END_TEST

START_TEST(test_label_with_a_cluster_is_damage)
{
	struct test *t = test_new(_i);

	short_slot(t, CONF)->attributes = FAT_ATTR_VOLUME;
	expect_damage(t, CONF, "volume label with a cluster");
}
END_TEST

START_TEST(test_second_label_is_harmless)
{
	struct test *t = test_new(_i);
	struct fat_short_slot label = {.name = "OTHER      ", .attributes = FAT_ATTR_VOLUME};

	add_slot(t, "/", &label);
	expect_harmless(t, "/OTHER: another volume label", "");
}
END_TEST

START_TEST(test_high_cluster_half_is_harmless_below_fat32)
{
	struct test *t = test_new(_i);

	if (t->vol->geo.type == FAT_TYPE_32) {
		test_free(t);
		return;
	}
	short_slot(t, CONF)->cluster_high = le16_of(1);
	expect_harmless(t, CONF, "high half");
}
END_TEST

/* ---- FAT copies ---- */

START_TEST(test_copies_that_differ_on_used_clusters_are_damage)
{
	struct test *t = test_new(_i);
	uint32_t cluster = cluster_of(t, KERNEL, 1);

	put_fat_in_copy(t, 1, cluster, end_mark(t));
	expect_damage(t, KERNEL, cluster_text("FAT copies differ on cluster %u", cluster));
}
END_TEST

START_TEST(test_copies_that_differ_on_unused_clusters_are_harmless)
{
	struct test *t = test_new(_i);
	uint32_t cluster = free_cluster(t);

	put_fat_in_copy(t, 1, cluster, end_mark(t));
	run_check(t);
	ck_assert(has_finding(t, FAT_HARMLESS, "FAT copies differ on 1 clusters of no file",
		cluster_text("the first is %u", cluster)));
	ck_assert(t->result.fat_copies_differ);
	ck_assert_uint_eq(t->result.n_damage, 0);
	test_free(t);
}
END_TEST

/* Power went while a directory grew by two clusters: either copy may be ahead. */
static void check_growing(int type, bool second_ahead, const char *path, uint8_t content,
	bool expect_sound)
{
	struct test *t = test_new(type);
	uint32_t added = free_cluster(t), tail = cluster_of(t, path, 0);

	while (fat_next(t->vol, tail) != FAT_EOC)
		tail = fat_next(t->vol, tail);
	memset(t->bytes + fat_cluster_offset(t->vol, added), 0, t->vol->geo.cluster_size);
	memset(t->bytes + fat_cluster_offset(t->vol, added - 1), 0, t->vol->geo.cluster_size);
	t->bytes[fat_cluster_offset(t->vol, added) + 5] = content;
	put_fat(t, added - 1, added);
	put_fat(t, added, end_mark(t));
	put_fat_in_copy(t, second_ahead ? 1 : 0, tail, added - 1);
	run_check(t);
	ck_assert(t->result.fat_copies_differ == expect_sound);
	ck_assert_uint_eq(t->result.n_damage, !expect_sound);
	ck_assert(has_finding(t, expect_sound ? FAT_HARMLESS : FAT_DAMAGE,
		expect_sound ? "about to grow" : path, cluster_text("cluster %u", tail)));
	test_free(t);
}

START_TEST(test_growing_directory_is_harmless)
{
	check_growing(_i, true, "/loader/entries", 0, true);
	check_growing(_i, false, "/loader/entries", 0, true);
}
END_TEST

START_TEST(test_growing_into_other_contents_is_damage)
{
	check_growing(_i, true, "/loader/entries", 1, false);
}
END_TEST

START_TEST(test_copies_of_a_growing_file_are_damage)
{
	check_growing(_i, true, KERNEL, 0, false);
}
END_TEST

START_TEST(test_other_end_mark_in_one_copy_is_harmless)
{
	struct test *t = test_new(_i);

	put_fat_in_copy(t, 1, cluster_of(t, KERNEL, 3), end_mark(t) - 7);
	expect_harmless(t, "FAT copies differ in bits without a meaning", "");
}
END_TEST

/* ---- the head of the FAT, boot sectors, FSInfo ---- */

START_TEST(test_spoilt_first_entry_is_damage)
{
	for (unsigned copy = 0; copy < 2; copy++) {
		struct test *t = test_new(_i);

		put_fat_in_copy(t, copy, 0, end_mark(t) & 0xf8 & ~0x100u);
		expect_damage(t, cluster_text("FAT copy %u seems corrupt", copy + 1), "entry 0");
	}
}
END_TEST

START_TEST(test_wrong_media_byte_is_harmless)
{
	struct test *t = test_new(_i);

	put_fat(t, 0, (end_mark(t) & ~0xffu) | 0xf0);
	expect_harmless(t, "media byte 0xf0", "");
}
END_TEST

START_TEST(test_dirty_marks_are_harmless)
{
	for (int i = 0; i < 2; i++) {
		struct test *t = test_new(_i);
		unsigned bits = t->vol->geo.type;

		if (i == 0 && bits != 12)
			put_fat(t, 1, end_mark(t) & ~(bits == 16 ? 0x8000u : 0x8000000u));
		else
			t->bytes[bits == 32 ? 0x41 : 0x25] |= 1;
		expect_harmless(t, "marked dirty", "");
	}
}
END_TEST

START_TEST(test_error_flag_is_harmless)
{
	struct test *t = test_new(_i);

	put_fat(t, 1, 0);
	expect_harmless(t, "entry 1 of the FAT", "");
}
END_TEST

START_TEST(test_missing_label_is_harmless)
{
	struct test *t = test_new(_i);

	for (uint32_t i = 0;; i++) {
		uint8_t *slot = slot_at(t, "/", i);

		if (slot[0] != FAT_SLOT_DELETED && slot[11] == FAT_ATTR_VOLUME) {
			slot[0] = FAT_SLOT_DELETED;
			break;
		}
	}
	expect_harmless(t, "volume label 'ESP'", "none in the root directory");
}
END_TEST

START_TEST(test_other_label_is_harmless)
{
	struct test *t = test_new(_i);

	t->bytes[t->vol->geo.type == FAT_TYPE_32 ? 0x47 : 0x2b] = 'X';
	expect_harmless(t, "volume label 'XSP' in the boot sector", "'ESP' in the root directory");
}
END_TEST

START_TEST(test_top_nibble_is_harmless)
{
	struct test *t = test_new(2);

	put_fat(t, cluster_of(t, KERNEL, 3), 0xffffffff);
	expect_harmless(t, "top four bits", "");
}
END_TEST

START_TEST(test_fsinfo_faults_are_harmless)
{
	static const struct {
		size_t at;
		uint32_t value;
		const char *text;
		bool writable;
	} cases[] = {
		{0, 0, "wrong signatures", false},
		{484, 0, "wrong signatures", false},
		{508, 0, "wrong signatures", false},
		{488, 3, "free count in the FSInfo sector wrong: 3 instead of", true},
		{488, FAT_FSINFO_UNKNOWN, "not set", true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct test *t = test_new(2);
		le32_t value = le32_of(cases[i].value);

		memcpy(t->bytes + t->vol->geo.fsinfo_offset + cases[i].at, &value, sizeof value);
		run_check(t);
		ck_assert(has_finding(t, FAT_HARMLESS, cases[i].text, ""));
		ck_assert(t->result.free_count_wrong == cases[i].writable);
		ck_assert_uint_eq(t->result.n_damage, 0);
		test_free(t);
	}
}
END_TEST

START_TEST(test_missing_reserved_sectors_are_harmless)
{
	struct test *t = test_new(2);

	memset(t->bytes + 0x30, 0, 4);
	run_check(t);
	ck_assert(has_finding(t, FAT_HARMLESS, "no FSInfo sector", ""));
	ck_assert(has_finding(t, FAT_HARMLESS, "no backup boot sector", ""));
	test_free(t);
}
END_TEST

START_TEST(test_other_backup_boot_sector_is_harmless)
{
	struct test *t = test_new(2);

	t->bytes[t->vol->geo.backup_offset + 0x43] ^= 1;
	expect_harmless(t, "backup boot sector (sector 6) differs", "");
}
END_TEST

/* The volume of mkfs.fat, cut to fewer clusters. */
START_TEST(test_too_few_clusters_are_harmless)
{
	static const uint32_t counts[] = {0, 4085, 65524};
	static const char *const texts[] = {"", "take this FAT16 volume for FAT12",
		"firmware may not read it"};
	struct test *t = test_new(_i);
	const struct fat_geometry *geo = &t->vol->geo;
	uint32_t total = (uint32_t)((geo->data_offset +
		(uint64_t)counts[_i] * geo->cluster_size) / geo->sector_size);
	le32_t field = le32_of(total);

	if (counts[_i] == 0) {
		test_free(t);
		return;
	}
	t->bytes[0x13] = t->bytes[0x14] = 0;
	memcpy(t->bytes + 0x20, &field, sizeof field);
	run_check(t);
	ck_assert(has_finding(t, FAT_HARMLESS, cluster_text("%u clusters", counts[_i]), ""));
	ck_assert(has_finding(t, FAT_HARMLESS, texts[_i], ""));
	ck_assert_uint_eq(t->result.n_damage, 0);
	test_free(t);
}
END_TEST

/* ---- making the volumes ---- */

static bool make_original(int type, const char *dir)
{
	static const char *const mkfs[N_TYPES] = {
		"truncate -s 1536K x.img && mkfs.fat -F 12 -s 1 -n ESP x.img",
		"truncate -s 8M x.img && mkfs.fat -F 16 -s 1 -n ESP x.img",
		"truncate -s 36M x.img && mkfs.fat -F 32 -s 1 -n ESP x.img",
	};
	static const char fill[] =
		"head -c 1500 /dev/zero >c3 && head -c 2048 /dev/zero >c4 && echo x >c1 && : >c0 "
		"&& "
		"MTOOLSRC=/dev/null && export MTOOLSRC && "
		"mmd -i x.img ::/EFI ::/EFI/BOOT ::/EFI/Linux ::/loader ::/loader/entries && "
		"mcopy -i x.img c3 ::/EFI/BOOT/BOOTX64.EFI && "
		"mcopy -i x.img c4 '::/EFI/Linux/A long kernel name.efi' && "
		"mcopy -i x.img c1 ::/loader/loader.conf && mcopy -i x.img c0 ::/empty.txt";
	char command[2048], path[512];
	struct blkdev *dev;
	uint8_t *bytes;

	snprintf(command, sizeof command,
		"cd '%s' && rm -f x.img && PATH=$PATH:/usr/sbin:/sbin && { %s && %s; } >log 2>&1",
		dir, mkfs[type], fill);
	snprintf(path, sizeof path, "%s/x.img", dir);
	if (system(command) != 0 || memdev_load(path, 512, &bytes, &dev) < 0)
		return false;
	originals[type].size = blkdev_size(dev);
	originals[type].bytes = malloc(originals[type].size);
	if (originals[type].bytes)
		memcpy(originals[type].bytes, bytes, originals[type].size);
	blkdev_close(dev);
	return originals[type].bytes != NULL;
}

static bool make_originals(void)
{
	char dir[256], command[300];
	bool made = true;

	snprintf(dir, sizeof dir, "%s/test-check.XXXXXX", scratch_parent());
	if (!mkdtemp(dir))
		return false;
	for (int type = 0; type < N_TYPES; type++)
		made = made && make_original(type, dir);
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	return system(command) == 0 && made;
}

static void add(Suite *suite, const char *name, const TTest *const *tests, size_t n, int types)
{
	TCase *tcase = suite_add_case(suite, name, tests, n, types);

	tcase_set_timeout(tcase, 120);
}

#define ADD(suite, name, types, ...)                                                               \
	do {                                                                                       \
		const TTest *const tests_[] = {__VA_ARGS__};                                       \
		add(suite, name, tests_, sizeof tests_ / sizeof *tests_, types);                   \
	} while (0)

static Suite *check_suite(void)
{
	Suite *suite = suite_create("check");

	ADD(suite, "clean", N_TYPES, test_clean_volume_has_no_finding,
		test_second_check_forgets_the_first, test_read_error_is_no_finding);
	ADD(suite, "chains", N_TYPES, test_loop_names_both_ends, test_loop_of_a_directory_is_damage,
		test_cross_link_names_both_files, test_two_entries_with_one_chain_are_cross_linked,
		test_file_sharing_a_directory_is_cross_linked,
		test_directory_pointing_to_its_parent_is_damage,
		test_chain_into_a_free_cluster_is_damage, test_chain_into_a_bad_cluster_is_damage,
		test_bad_cluster_outside_of_chains_is_fine, test_link_out_of_range_is_damage,
		test_start_out_of_range_is_damage, test_start_at_an_end_mark_is_damage,
		test_size_without_a_cluster_is_damage, test_short_chain_is_damage,
		test_long_chain_is_harmless, test_cluster_of_an_empty_file_is_harmless,
		test_lost_clusters_are_one_harmless_finding, test_lost_loop_ends);
	ADD(suite, "directories", N_TYPES, test_directory_without_a_cluster_is_damage,
		test_directory_with_a_size_is_harmless, test_too_large_directory_is_damage,
		test_wrong_dot_is_damage, test_missing_dot_is_damage,
		test_missing_dot_dot_is_damage, test_dot_dot_to_another_directory_is_damage,
		test_dot_dot_with_the_roots_cluster_is_harmless,
		test_entry_behind_the_end_mark_is_damage, test_broken_root_chain_is_damage,
		test_deep_nesting_ends_and_cuts_paths, test_findings_are_limited);
	ADD(suite, "names", N_TYPES, test_duplicate_short_name_is_damage,
		test_names_equal_but_for_case_are_damage,
		test_long_name_that_is_anothers_alias_is_damage, test_stray_dot_entry_is_damage,
		test_bad_short_names_are_harmless, test_control_characters_are_not_printed,
		test_long_name_faults_are_harmless, test_wrong_long_name_checksum_is_harmless,
		test_orphans_at_the_end_are_harmless);
	ADD(suite, "fields", N_TYPES, test_unknown_attributes_are_harmless,
		test_label_and_directory_at_once_is_harmless, test_label_with_a_cluster_is_damage,
		test_second_label_is_harmless, test_high_cluster_half_is_harmless_below_fat32);
	ADD(suite, "copies", N_TYPES, test_copies_that_differ_on_used_clusters_are_damage,
		test_copies_that_differ_on_unused_clusters_are_harmless,
		test_growing_directory_is_harmless, test_growing_into_other_contents_is_damage,
		test_copies_of_a_growing_file_are_damage,
		test_other_end_mark_in_one_copy_is_harmless);
	ADD(suite, "head", N_TYPES, test_spoilt_first_entry_is_damage,
		test_wrong_media_byte_is_harmless, test_dirty_marks_are_harmless,
		test_error_flag_is_harmless, test_missing_label_is_harmless,
		test_other_label_is_harmless, test_too_few_clusters_are_harmless);
	ADD(suite, "fat32", 1, test_top_nibble_is_harmless, test_fsinfo_faults_are_harmless,
		test_missing_reserved_sectors_are_harmless,
		test_other_backup_boot_sector_is_harmless);
	return suite;
}

int main(void)
{
	SRunner *runner;
	int failed;

	if (!make_originals()) {
		fputs("mkfs.fat or mtools is missing: skipped\n", stderr);
		return 77;
	}
	runner = srunner_create(check_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	for (int type = 0; type < N_TYPES; type++)
		free(originals[type].bytes);
	return failed == 0 ? 0 : 1;
}
