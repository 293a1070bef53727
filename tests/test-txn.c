/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transactions: what a volume holds afterwards, what was written in which order, and what is left
 * when something goes wrong on the way. Every volume that was changed is judged by fsck.fat.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/fixture.h"
#include "tests/suite.h"
#include "tests/testdev.h"

enum {
	MAX_SETS = 24,
	SECTOR = 512
};

/* Clusters are sectors: a.efi has 6, b.efi 3, c.efi 2, and every directory one. */
static const struct fixture_file files[] = {
	{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	{.path = "/EFI/Linux/b.efi", .size = 1500, .seed = 2},
	{.path = "/EFI/Linux/sub/c.efi", .size = 600, .seed = 3},
	{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 2000, .seed = 4},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/foreign.txt", .size = 700, .seed = 5},
};

/* ---- sources ---- */

struct source {
	struct fat_source base; /* first: a pointer to it is one to us */
	uint8_t seed;
	uint32_t at;
	bool differs;
	unsigned n_read, n_compared; /* times to the end */
};

static struct source *source_of(struct fat_source *base)
{
	return (struct source *)(void *)base;
}

static int source_begin(struct fat_source *base, bool reading_back)
{
	struct source *source = source_of(base);

	(void)reading_back;
	source->at = 0;
	source->differs = false;
	return 0;
}

static int source_read(struct fat_source *base, void *buf, size_t len)
{
	struct source *source = source_of(base);
	uint8_t *to = buf;

	for (size_t i = 0; i < len; i++)
		to[i] = fixture_byte(source->seed, source->at++);
	return 0;
}

static int source_compare(struct fat_source *base, const void *buf, size_t len)
{
	struct source *source = source_of(base);
	const uint8_t *from = buf;

	for (size_t i = 0; i < len; i++)
		source->differs |= from[i] != fixture_byte(source->seed, source->at++);
	return 0;
}

static int source_end(struct fat_source *base, bool reading_back)
{
	struct source *source = source_of(base);

	if (source->at != base->size)
		return -EINVAL;
	if (!reading_back)
		source->n_read++;
	else
		source->n_compared++;
	return reading_back && source->differs ? -EIO : 0;
}

/* ---- a volume and a transaction on it ---- */

struct test {
	struct fixture *f;
	struct fat_txn *txn;
	struct trace trace;
	struct fault fault;
	struct blkdev *faulty, *dev; /* f->dev below a faultdev below a tracedev */
	struct fat_volume *vol;
	uint8_t sets[MAX_SETS][FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	char paths[MAX_SETS][256];
	struct source sources[MAX_SETS];
	unsigned n_sets, n_paths, n_sources;
	uint8_t boot[SECTOR];
	uint32_t head[2][2];
	unsigned n_before_commit;
	uint64_t calls_before_commit;
};

static void take_message(void *userdata, const char *message)
{
	struct fixture *f = userdata;

	strncat(f->messages, message, sizeof f->messages - strlen(f->messages) - 1);
}

/* Anew each time: a device handle refuses to write once a write has failed. */
static void stack_devices(struct test *t)
{
	blkdev_close(t->dev);
	blkdev_close(t->faulty);
	t->dev = t->faulty = NULL;
	ck_assert_int_eq(faultdev_new(t->f->dev, &t->fault, &t->faulty), 0);
	ck_assert_int_eq(tracedev_new(t->faulty, &t->trace, &t->dev), 0);
}

static void begin_on(struct test *t, struct blkdev *dev)
{
	struct fat_log log = {take_message, t->f};
	struct fat_check_result result;

	ck_assert_int_eq(fat_open(dev, "test", &log, &t->vol), 0);
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert_int_eq(fat_txn_begin(t->vol, &t->txn), 0);
	t->n_sets = t->n_paths = t->n_sources = 0;
}

static void begin(struct test *t)
{
	stack_devices(t);
	begin_on(t, t->dev);
}

static struct test *test_on(struct fixture *f)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->f = f;
	memcpy(t->boot, f->bytes, SECTOR);
	begin(t);
	for (unsigned copy = 0; copy < 2; copy++)
		ck_assert_int_eq(fat_table_read_head(t->vol, copy, t->head[copy]), 0);
	return t;
}

static struct test *new_test(int type)
{
	return test_on(fixture_new(type, files, sizeof files / sizeof *files));
}

static void end(struct test *t)
{
	fat_txn_free(t->txn);
	fat_close(t->vol);
	t->txn = NULL;
	t->vol = NULL;
}

static void free_test(struct test *t)
{
	end(t);
	blkdev_close(t->dev);
	blkdev_close(t->faulty);
	trace_done(&t->trace);
	fixture_free(t->f);
	free(t);
}

/* What no transaction may touch. */
static void expect_untouched(struct test *t)
{
	uint32_t head[2];

	ck_assert_mem_eq(t->f->bytes, t->boot, SECTOR);
	for (unsigned copy = 0; copy < 2; copy++) {
		ck_assert_int_eq(fat_table_read_head(t->vol, copy, head), 0);
		ck_assert_mem_eq(head, t->head[copy], sizeof head);
	}
}

static void layout(struct test *t)
{
	struct fat_space space;
	int r = fat_txn_layout(t->txn, &space);

	ck_assert_msg(r == 0, "%d: %s", r, t->f->messages);
	ck_assert_uint_le(space.needed, space.free);
}

/* Lay out and run what was planned; then the volume must be in best order. */
static void run(struct test *t)
{
	int r;

	layout(t);
	r = fat_txn_run(t->txn, NULL, NULL);
	ck_assert_msg(r == 0, "%d: %s", r, t->f->messages);
	ck_assert_str_eq(t->f->messages, "");
	expect_untouched(t);
	end(t);
	fixture_judge(t->f);
}

static uint32_t free_clusters(struct test *t)
{
	struct fat_volume *vol;
	struct fat_info info;

	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	fat_get_info(vol, &info);
	fat_close(vol);
	return info.free_clusters;
}

/* ---- items and places ---- */

static uint8_t *new_set(struct test *t)
{
	ck_assert_uint_lt(t->n_sets, MAX_SETS);
	return t->sets[t->n_sets++];
}

static struct fat_item *new_file(
	struct test *t, const char *long_name, const char *short_name, uint32_t size, uint8_t seed)
{
	uint8_t *set = new_set(t);
	uint32_t n = fixture_set(set, long_name, short_name, FAT_ATTR_ARCHIVE, size);
	struct source *source = NULL;

	if (size > 0) {
		source = &t->sources[t->n_sources++];
		*source = (struct source){.seed = seed};
		source->base = (struct fat_source){.size = size,
			.path = "a new file",
			.begin = source_begin,
			.read = source_read,
			.compare = source_compare,
			.end = source_end};
	}
	return fat_item_file(t->txn, set, n, source ? &source->base : NULL);
}

static struct fat_item *new_dir(struct test *t, const char *long_name, const char *short_name)
{
	uint8_t *set = new_set(t);
	uint32_t n = fixture_set(set, long_name, short_name, FAT_ATTR_DIRECTORY, 0);

	return fat_item_dir(t->txn, set, n);
}

/* The entry at @path with its chain. */
static struct fat_item *keep_as(struct test *t, const char *path, bool fixed)
{
	struct fat_entry entry = fixture_find(t->f, path);
	uint8_t *set = new_set(t);

	memcpy(set, entry.slots, sizeof entry.slots);
	return fat_item_keep(t->txn, set, entry.n_slots, entry.first_cluster, fixed);
}

static struct fat_item *keep(struct test *t, const char *path)
{
	return keep_as(t, path, false);
}

static void put(struct fat_item *dir, struct fat_item *child)
{
	ck_assert_ptr_nonnull(child);
	ck_assert_int_eq(fat_item_add(dir, child), 0);
}

/* A place in directory @path for a new entry. */
static struct fat_place in(struct test *t, const char *path)
{
	struct fat_place place = {.dir_path = t->paths[t->n_paths]};

	ck_assert_uint_lt(t->n_paths, MAX_SETS);
	(void)snprintf(t->paths[t->n_paths++], sizeof t->paths[0], "%s", path);
	if (strcmp(path, "/") != 0)
		place.dir_cluster = fixture_find(t->f, path).first_cluster;
	return place;
}

/* Where the entry of @path is. */
static struct fat_place at(struct test *t, const char *path)
{
	const char *name = strrchr(path, '/');
	char parent[256];
	struct fat_place place;

	(void)snprintf(parent, sizeof parent, "%.*s", (int)(name - path), path);
	place = in(t, *parent ? parent : "/");
	place.short_slot = fixture_find(t->f, path).short_slot;
	return place;
}

static void replace(struct test *t, const char *path, struct fat_item *item)
{
	struct fat_place place = at(t, path);

	ck_assert_ptr_nonnull(item);
	ck_assert_int_eq(fat_txn_replace(t->txn, &place, item), 0);
}

static void add(struct test *t, const char *dir, struct fat_item *item)
{
	struct fat_place place = in(t, dir);

	ck_assert_ptr_nonnull(item);
	ck_assert_int_eq(fat_txn_add(t->txn, &place, item), 0);
}

static void remove_at(struct test *t, const char *path)
{
	struct fat_place place = at(t, path);

	ck_assert_int_eq(fat_txn_remove(t->txn, &place), 0);
}

static void rename_at(struct test *t, const char *path, struct fat_item *item)
{
	struct fat_place place = at(t, path);

	ck_assert_ptr_nonnull(item);
	ck_assert_int_eq(fat_txn_rename(t->txn, &place, item), 0);
}

static const char *dot_cluster(struct test *t, const char *path, uint32_t slot, uint32_t *ret)
{
	struct fat_entry dir = fixture_find(t->f, path);
	struct fat_volume *vol;
	const uint8_t *bytes;

	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	bytes = t->f->bytes + fat_cluster_offset(vol, dir.first_cluster) + slot * FAT_SLOT_LEN;
	*ret = fat_slot_cluster(vol, (const struct fat_short_slot *)(const void *)bytes);
	fat_close(vol);
	return (const char *)bytes;
}

static void expect_dots(struct test *t, const char *path, uint32_t parent)
{
	uint32_t cluster;

	ck_assert_mem_eq(dot_cluster(t, path, 0, &cluster), ".          \x10\0", 13);
	ck_assert_uint_eq(cluster, fixture_find(t->f, path).first_cluster);
	ck_assert_mem_eq(dot_cluster(t, path, 1, &cluster), "..         \x10\0", 13);
	ck_assert_uint_eq(cluster, parent);
}

/* ---- new versions of directories ---- */

START_TEST(test_a_new_version_keeps_some_files_adds_and_drops_others)
{
	struct test *t = new_test(_i);
	uint32_t a = fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster;
	uint32_t old = fixture_find(t->f, "/EFI/Linux").first_cluster;
	uint32_t before = free_clusters(t);
	struct fat_item *dir = new_dir(t, NULL, "LINUX      ");

	put(dir, keep(t, "/EFI/Linux/a.efi"));
	put(dir, new_file(t, "a new kernel.efi", "ANEWKE~1EFI", 2048, 7));
	replace(t, "/EFI/Linux", dir);
	run(t);
	fixture_expect_file(t->f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/a new kernel.efi", 2048, 7);
	ck_assert(!fixture_has(t->f, "/EFI/Linux/b.efi"));
	ck_assert(!fixture_has(t->f, "/EFI/Linux/sub"));
	fixture_expect_file(t->f, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	fixture_expect_file(t->f, "/foreign.txt", 700, 5);
	ck_assert_uint_eq(fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster, a);
	ck_assert_uint_ne(fixture_find(t->f, "/EFI/Linux").first_cluster, old);
	/* Gone: b.efi 3, sub 1, c.efi 2. New: 4. */
	ck_assert_uint_eq(free_clusters(t), before + 6 - 4);
	free_test(t);
}
END_TEST

START_TEST(test_subdirectories_name_their_new_parent)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LINUX      "),
			*sub = new_dir(t, "sub", "SUB        ");
	struct fat_item *below = new_dir(t, NULL, "BELOW      ");
	uint32_t efi = fixture_find(t->f, "/EFI").first_cluster;

	put(dir, sub);
	put(sub, keep(t, "/EFI/Linux/sub/c.efi"));
	put(sub, below);
	put(below, new_file(t, NULL, "EMPTY      ", 0, 0));
	replace(t, "/EFI/Linux", dir);
	run(t);
	expect_dots(t, "/EFI/Linux", efi);
	expect_dots(t, "/EFI/Linux/sub", fixture_find(t->f, "/EFI/Linux").first_cluster);
	expect_dots(t, "/EFI/Linux/sub/BELOW", fixture_find(t->f, "/EFI/Linux/sub").first_cluster);
	fixture_expect_file(t->f, "/EFI/Linux/sub/c.efi", 600, 3);
	fixture_expect_file(t->f, "/EFI/Linux/sub/BELOW/EMPTY", 0, 0);
	free_test(t);
}
END_TEST

/* Also on FAT32, where the root has a cluster. */
START_TEST(test_children_of_the_root_name_cluster_0_as_their_parent)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LOADER     "),
			*added = new_dir(t, NULL, "ADDED      ");

	put(dir, new_file(t, NULL, "LOADER  CON", 10, 7));
	replace(t, "/loader", dir);
	add(t, "/", added);
	run(t);
	expect_dots(t, "/loader", 0);
	expect_dots(t, "/ADDED", 0);
	free_test(t);
}
END_TEST

/* 40 sets of 3 slots and the dots are 7.6 clusters. */
START_TEST(test_a_directory_of_many_clusters_is_written_whole)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LOADER     ");
	uint8_t sets[40][3 * FAT_SLOT_LEN];

	for (int i = 0; i < 40; i++) {
		char long_name[32], short_name[32];

		(void)snprintf(long_name, sizeof long_name, "entry number %d.conf", 10 + i);
		(void)snprintf(short_name, sizeof short_name, "ENTRY~%dCON", 10 + i);
		ck_assert_uint_eq(fixture_set(sets[i], long_name, short_name, 0x20, 0), 3);
		put(dir, fat_item_file(t->txn, sets[i], 3, NULL));
	}
	replace(t, "/loader", dir);
	run(t);
	ck_assert(fixture_has(t->f, "/loader/entry number 10.conf"));
	ck_assert(fixture_has(t->f, "/loader/ENTRY~49.CON"));
	ck_assert_uint_eq(fixture_find(t->f, "/loader/entry number 49.conf").short_slot, 121);
	free_test(t);
}
END_TEST

/* The 14 free slots of one cluster of 16: no end mark is left. */
START_TEST(test_a_directory_may_fill_its_cluster)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LOADER     ");
	uint32_t before = free_clusters(t);

	for (int i = 0; i < 14; i++) {
		char short_name[32];

		(void)snprintf(short_name, sizeof short_name, "F%02d        ", i);
		put(dir, new_file(t, NULL, short_name, 0, 0));
	}
	replace(t, "/loader", dir);
	run(t);
	ck_assert(fixture_has(t->f, "/loader/F13"));
	ck_assert_uint_eq(free_clusters(t), before + 1); /* loader.conf is gone */
	free_test(t);
}
END_TEST

/* As Linux makes them: the long name for its case, the short name the same in capitals. */
START_TEST(test_names_are_copied_verbatim)
{
	static const char *const names[][2] = {{"vmlinuz", "VMLINUZ    "},
		{"Kernel.efi", "KERNEL  EFI"}, {"a long name.efi", "ALONGN~1EFI"},
		{"a long name too.efi", "ALONGN~2EFI"}};
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, "Linux", "LINUX      ");

	for (size_t i = 0; i < 4; i++)
		put(dir, new_file(t, names[i][0], names[i][1], 0, 0));
	replace(t, "/EFI/Linux", dir);
	add(t, "/", new_file(t, "initrd", "INITRD     ", 0, 0));
	run(t);
	for (size_t i = 0; i < 4; i++) {
		char path[64];
		struct fat_entry entry;

		(void)snprintf(path, sizeof path, "/EFI/Linux/%s", names[i][0]);
		entry = fixture_find(t->f, path);
		ck_assert_mem_eq(fat_entry_short(&entry)->name, names[i][1], 11);
		ck_assert_mem_eq(entry.slots, t->sets[1 + i], (size_t)entry.n_slots * FAT_SLOT_LEN);
	}
	ck_assert(fixture_has(t->f, "/INITRD"));
	free_test(t);
}
END_TEST

START_TEST(test_attributes_times_and_case_flags_are_copied)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LOADER     ");
	struct fat_item *file = new_file(t, NULL, "README  TXT", 10, 7);
	uint8_t *entry = t->sets[1];
	struct fat_entry found;

	entry[11] = 0x27;
	entry[12] = FAT_CASE_BASE | FAT_CASE_EXT;
	for (int i = 13; i < 20; i++)
		entry[i] = (uint8_t)(0x21 + i);
	put(dir, file);
	replace(t, "/loader", dir);
	run(t);
	found = fixture_find(t->f, "/loader/readme.txt");
	ck_assert_str_eq(found.name, "readme.txt");
	ck_assert_mem_eq(found.slots, entry, 20);
	ck_assert_mem_eq(found.slots + 22, entry + 22, 4);
	free_test(t);
}
END_TEST

/* ---- single entries ---- */

START_TEST(test_a_replaced_file_has_the_new_contents_under_the_old_name)
{
	struct test *t = new_test(_i);
	struct fat_entry before = fixture_find(t->f, "/foreign.txt"), after;
	uint32_t n_free = free_clusters(t);

	replace(t, "/foreign.txt", new_file(t, "some other name", "OTHER      ", 5000, 7));
	replace(t, "/EFI/BOOT/BOOTX64.EFI", new_file(t, NULL, "BOOTX64 EFI", 512, 8));
	run(t);
	fixture_expect_file(t->f, "/foreign.txt", 5000, 7);
	fixture_expect_file(t->f, "/EFI/BOOT/BOOTX64.EFI", 512, 8);
	after = fixture_find(t->f, "/foreign.txt");
	ck_assert_uint_eq(after.short_slot, before.short_slot);
	ck_assert_str_eq(after.name, before.name);
	ck_assert_mem_eq(fat_entry_short(&after)->name, fat_entry_short(&before)->name, 11);
	ck_assert_uint_eq(fat_entry_short(&after)->write_date.byte[1], 0x5a);
	ck_assert_uint_eq(free_clusters(t), n_free + 2 - 10 + 4 - 1);
	free_test(t);
}
END_TEST

START_TEST(test_an_empty_file_has_no_cluster)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t);
	struct fat_entry entry;

	replace(t, "/foreign.txt", new_file(t, NULL, "FOREIGN TXT", 0, 0));
	run(t);
	entry = fixture_find(t->f, "/foreign.txt");
	ck_assert_uint_eq(entry.size, 0);
	ck_assert_uint_eq(entry.first_cluster, 0);
	ck_assert_uint_eq(free_clusters(t), n_free + 2);
	begin(t);
	replace(t, "/foreign.txt", new_file(t, NULL, "FOREIGN TXT", 1024, 7));
	run(t);
	fixture_expect_file(t->f, "/foreign.txt", 1024, 7);
	ck_assert_uint_eq(free_clusters(t), n_free);
	free_test(t);
}
END_TEST

/* What memory held there is nobody's business. */
START_TEST(test_behind_the_end_of_a_file_are_zeros)
{
	struct test *t = new_test(_i);
	uint64_t first = fat_cluster_offset(t->vol, 2);
	const uint8_t *file;

	add(t, "/", new_file(t, NULL, "NEW        ", 600, 7));
	run(t);
	file = t->f->bytes + first +
		(uint64_t)(fixture_find(t->f, "/NEW").first_cluster - 2) * SECTOR;
	for (uint32_t at = 600; at < 2 * SECTOR; at++)
		ck_assert_uint_eq(file[at], 0);
	free_test(t);
}
END_TEST

START_TEST(test_other_times_are_one_sector)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t);
	struct fat_item *item = keep(t, "/foreign.txt");
	struct fat_entry entry;

	t->sets[0][11] = FAT_ATTR_READ_ONLY;
	t->sets[0][22] = 0x11;
	replace(t, "/foreign.txt", item);
	layout(t);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_ptr_eq(strchr(t->trace.text, '\n'), t->trace.text + t->trace.len - 1);
	ck_assert_ptr_nonnull(strstr(t->trace.text, "+512\n"));
	end(t);
	fixture_judge(t->f);
	entry = fixture_find(t->f, "/foreign.txt");
	ck_assert_uint_eq(entry.attributes, FAT_ATTR_READ_ONLY);
	ck_assert_uint_eq(entry.slots[22], 0x11);
	fixture_expect_file(t->f, "/foreign.txt", 700, 5);
	ck_assert_uint_eq(free_clusters(t), n_free);
	free_test(t);
}
END_TEST

START_TEST(test_files_and_directories_are_added)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, "a new directory", "ANEWDI~1   ");

	put(dir, new_file(t, "in it", "INIT       ", 100, 7));
	add(t, "/", new_file(t, NULL, "KERNEL     ", 1025, 8));
	add(t, "/EFI", dir);
	add(t, "/EFI/BOOT", new_file(t, "grub long name.efi", "GRUBLO~1EFI", 0, 0));
	run(t);
	fixture_expect_file(t->f, "/KERNEL", 1025, 8);
	fixture_expect_file(t->f, "/EFI/a new directory/in it", 100, 7);
	fixture_expect_file(t->f, "/EFI/BOOT/grub long name.efi", 0, 0);
	expect_dots(t, "/EFI/a new directory", fixture_find(t->f, "/EFI").first_cluster);
	fixture_expect_file(t->f, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	free_test(t);
}
END_TEST

START_TEST(test_files_and_directories_are_removed)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t);

	remove_at(t, "/EFI/Linux");
	remove_at(t, "/foreign.txt");
	remove_at(t, "/EFI/BOOT/BOOTX64.EFI");
	run(t);
	ck_assert(!fixture_has(t->f, "/EFI/Linux"));
	ck_assert(!fixture_has(t->f, "/foreign.txt"));
	ck_assert(!fixture_has(t->f, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert(fixture_has(t->f, "/EFI/BOOT"));
	ck_assert(fixture_has(t->f, "/loader/loader.conf"));
	ck_assert_uint_eq(free_clusters(t), n_free + 1 + 6 + 3 + 1 + 2 + 2 + 4);
	free_test(t);
}
END_TEST

START_TEST(test_a_removed_name_can_be_added_again_at_once)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, "Foreign.TXT", "FOREIGN TXT");

	remove_at(t, "/foreign.txt");
	add(t, "/", dir);
	run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/foreign.txt").attributes, FAT_ATTR_DIRECTORY);
	free_test(t);
}
END_TEST

START_TEST(test_the_freed_slots_are_used_again)
{
	struct test *t = new_test(_i);
	uint32_t slot = fixture_find(t->f, "/foreign.txt").short_slot;

	remove_at(t, "/foreign.txt");
	run(t);
	begin(t);
	add(t, "/", new_file(t, NULL, "OTHER      ", 0, 0));
	run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/OTHER").short_slot, slot);
	free_test(t);
}
END_TEST

/* ---- renames ---- */

/* The chain of @path under another name. */
static struct fat_item *keep_under(
	struct test *t, const char *path, const char *long_name, const char *short_name)
{
	struct fat_entry entry = fixture_find(t->f, path);
	uint8_t *set = new_set(t);
	uint32_t n = fixture_set(set, long_name, short_name, entry.attributes, entry.size);

	return fat_item_keep(t->txn, set, n, entry.first_cluster, false);
}

START_TEST(test_a_rename_is_one_sector)
{
	struct test *t = new_test(_i);
	uint32_t b = fixture_find(t->f, "/EFI/Linux/b.efi").first_cluster,
		 n_free = free_clusters(t);

	rename_at(t, "/EFI/Linux/b.efi",
		keep_under(t, "/EFI/Linux/b.efi", "b with a longer name.efi", "BWITHA~1EFI"));
	layout(t);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_ptr_eq(strchr(t->trace.text, '\n'), t->trace.text + t->trace.len - 1);
	ck_assert_ptr_nonnull(strstr(t->trace.text, "+512\n"));
	end(t);
	fixture_judge(t->f);
	ck_assert(!fixture_has(t->f, "/EFI/Linux/b.efi"));
	fixture_expect_file(t->f, "/EFI/Linux/b with a longer name.efi", 1500, 2);
	fixture_expect_file(t->f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/sub/c.efi", 600, 3);
	ck_assert_uint_eq(
		fixture_find(t->f, "/EFI/Linux/b with a longer name.efi").first_cluster, b);
	ck_assert_uint_eq(free_clusters(t), n_free);
	free_test(t);
}
END_TEST

START_TEST(test_a_rename_may_change_the_case_only)
{
	struct test *t = new_test(_i);

	rename_at(t, "/foreign.txt", keep_under(t, "/foreign.txt", "Foreign.Txt", "FOREIGN TXT"));
	rename_at(t, "/EFI/BOOT", keep_under(t, "/EFI/BOOT", "Boot", "BOOT       "));
	run(t);
	ck_assert_str_eq(fixture_find(t->f, "/foreign.txt").name, "Foreign.Txt");
	ck_assert_str_eq(fixture_find(t->f, "/EFI/BOOT").name, "Boot");
	fixture_expect_file(t->f, "/Foreign.Txt", 700, 5);
	fixture_expect_file(t->f, "/EFI/Boot/BOOTX64.EFI", 2000, 4);
	free_test(t);
}
END_TEST

START_TEST(test_a_rename_may_bring_other_contents)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t);

	rename_at(t, "/foreign.txt", new_file(t, "New name.txt", "NEWNAM~1TXT", 1500, 7));
	run(t);
	ck_assert(!fixture_has(t->f, "/foreign.txt"));
	fixture_expect_file(t->f, "/New name.txt", 1500, 7);
	ck_assert_uint_eq(free_clusters(t), n_free + 2 - 3);
	free_test(t);
}
END_TEST

START_TEST(test_a_rename_to_a_name_that_is_there_is_refused)
{
	struct test *t = new_test(_i);
	struct fat_space space;

	rename_at(t, "/EFI/Linux/b.efi", keep_under(t, "/EFI/Linux/b.efi", "A.Efi", "AEFI~1     "));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -EEXIST);
	free_test(t);
}
END_TEST

static uint8_t *slot_of(struct test *t, const char *dir, uint32_t slot)
{
	uint32_t cluster = fixture_find(t->f, dir).first_cluster;

	return t->f->bytes + fat_cluster_offset(t->vol, cluster) + (size_t)slot * FAT_SLOT_LEN;
}

/* 16 slots: dots, 14 files, no room for two slots more. */
START_TEST(test_a_rename_that_is_more_than_one_write_is_refused)
{
	struct test *t = new_test(_i);
	struct fat_space space;

	fixture_do(t->f, "mmd -i x.img ::/full; for i in $(seq 10 23); do : >F$i; done; "
			 "mcopy -i x.img F* ::/full/");
	end(t);
	begin(t);
	rename_at(t, "/full/F15", new_file(t, "f15", "F15        ", 0, 0));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -EXDEV);
	ck_assert_str_eq(t->f->messages, "");
	free_test(t);
}
END_TEST

/* Slots: dots, an orphan, F, G, an orphan, the end mark. */
START_TEST(test_a_renamed_entry_does_not_go_behind_the_end_mark)
{
	struct test *t = new_test(_i);
	uint8_t orphan[2 * FAT_SLOT_LEN];

	fixture_do(t->f, "mmd -i x.img ::/d");
	(void)fixture_set(orphan, "orphan", "ORPHAN~1   ", 0x20, 0);
	memcpy(slot_of(t, "/d", 2), orphan, FAT_SLOT_LEN);
	(void)fixture_set(slot_of(t, "/d", 3), NULL, "F          ", 0x20, 0);
	(void)fixture_set(slot_of(t, "/d", 4), NULL, "G          ", 0x20, 0);
	memcpy(slot_of(t, "/d", 5), orphan, FAT_SLOT_LEN);
	end(t);
	begin(t);
	rename_at(t, "/d/F", new_file(t, NULL, "NEWNAME    ", 0, 0));
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	(void)fixture_check(t->f);
	ck_assert(fixture_has(t->f, "/d/NEWNAME"));
	ck_assert(fixture_has(t->f, "/d/G"));
	ck_assert(!fixture_has(t->f, "/d/F"));
	free_test(t);
}
END_TEST

/* ---- tidying up ---- */

START_TEST(test_orphans_go_and_everything_else_stays)
{
	struct test *t = new_test(_i);
	struct fat_place place;
	struct fat_entry orphan;

	fixture_do(t->f, "for i in $(seq 10 29); do : >\"a file with number $i\"; done; "
			 "mmd -i x.img ::/d; mcopy -i x.img a* ::/d/");
	for (int i = 12; i < 30; i += 5) {
		char path[64];

		(void)snprintf(path, sizeof path, "/d/a file with number %d", i);
		orphan = fixture_find(t->f, path);
		if (orphan.short_slot < 16) /* the directory's first cluster */
			*slot_of(t, "/d", orphan.short_slot) = FAT_SLOT_DELETED;
	}
	end(t);
	begin(t);
	place = in(t, "/d");
	ck_assert_int_eq(fat_txn_tidy(t->txn, &place), 0);
	run(t);
	ck_assert(!fixture_has(t->f, "/d/a file with number 12"));
	ck_assert(fixture_has(t->f, "/d/a file with number 10"));
	ck_assert(fixture_has(t->f, "/d/a file with number 29"));
	free_test(t);
}
END_TEST

/* ---- several versions ---- */

START_TEST(test_a_later_version_of_the_same_directory_wins)
{
	struct test *t = new_test(_i);
	struct fat_item *first = new_dir(t, NULL, "LINUX      "),
			*second = new_dir(t, NULL, "LINUX      ");
	struct fat_item *shared = new_file(t, NULL, "NEW     EFI", 2500, 7);
	uint32_t n_free = free_clusters(t);

	put(first, keep(t, "/EFI/Linux/a.efi"));
	put(first, keep(t, "/EFI/Linux/b.efi"));
	put(first, shared);
	put(first, new_file(t, NULL, "DOOMED     ", 512 * 7, 8));
	put(second, keep(t, "/EFI/Linux/a.efi"));
	put(second, shared);
	replace(t, "/EFI/Linux", first);
	replace(t, "/EFI/Linux", second);
	run(t);
	fixture_expect_file(t->f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/NEW.EFI", 2500, 7);
	ck_assert(!fixture_has(t->f, "/EFI/Linux/b.efi"));
	ck_assert(!fixture_has(t->f, "/EFI/Linux/DOOMED"));
	ck_assert_uint_eq(t->sources[0].n_read, 1);
	ck_assert_uint_eq(t->sources[0].n_compared, 1);
	ck_assert_uint_eq(free_clusters(t), n_free + 3 + 1 + 2 - 5);
	free_test(t);
}
END_TEST

START_TEST(test_a_shared_file_needs_room_once)
{
	struct test *t = new_test(_i);
	struct fat_item *first = new_dir(t, NULL, "LINUX      "),
			*second = new_dir(t, NULL, "LINUX      ");
	struct fat_item *shared = new_file(t, NULL, "NEW     EFI", 2500, 7);
	struct fat_space space;

	put(first, shared);
	put(second, shared);
	replace(t, "/EFI/Linux", first);
	replace(t, "/EFI/Linux", second);
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), 0);
	ck_assert_uint_eq(space.needed, (1 + 1 + 5) * SECTOR);
	ck_assert_uint_eq(space.free, (uint64_t)free_clusters(t) * SECTOR);
	free_test(t);
}
END_TEST

/* A file that moves to another directory of the same new version keeps its clusters. */
START_TEST(test_a_chain_may_move_within_a_version)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LINUX      "),
			*sub = new_dir(t, NULL, "NEWSUB     ");
	uint32_t a = fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster;

	put(dir, sub);
	put(sub, keep(t, "/EFI/Linux/a.efi"));
	put(dir, keep(t, "/EFI/Linux/sub/c.efi"));
	replace(t, "/EFI/Linux", dir);
	run(t);
	fixture_expect_file(t->f, "/EFI/Linux/NEWSUB/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/c.efi", 600, 3);
	ck_assert_uint_eq(fixture_find(t->f, "/EFI/Linux/NEWSUB/a.efi").first_cluster, a);
	free_test(t);
}
END_TEST

/* ---- names that collide ---- */

static void expect_nothing_written(struct test *t, int error)
{
	struct fat_space space;

	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), error);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	end(t);
	fixture_judge(t->f);
}

START_TEST(test_a_taken_short_name_is_changed_with_its_checksums)
{
	struct test *t = new_test(_i);
	struct fat_entry entry;

	fixture_do(t->f, "echo >'long name one.txt'; mcopy -i x.img long* ::/");
	end(t);
	begin(t);
	add(t, "/", new_file(t, "long name two.txt", "LONGNA~1TXT", 10, 7));
	run(t);
	entry = fixture_find(t->f, "/long name two.txt");
	ck_assert_mem_ne(fat_entry_short(&entry)->name, "LONGNA~1TXT", 11);
	ck_assert_mem_eq(fat_entry_short(&entry)->name + 8, "TXT", 3);
	fixture_expect_file(t->f, "/long name two.txt", 10, 7);
	entry = fixture_find(t->f, "/LONGNA~1.TXT");
	ck_assert_str_eq(entry.name, "long name one.txt");
	free_test(t);
}
END_TEST

START_TEST(test_two_new_files_with_one_short_name_get_two)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LOADER     ");

	put(dir, new_file(t, "first name.conf", "NAME~1  CON", 0, 0));
	put(dir, new_file(t, "second name.conf", "NAME~1  CON", 0, 0));
	put(dir, new_file(t, "name~1.con", "NAME~2  CON", 0, 0)); /* a name that is an alias */
	replace(t, "/loader", dir);
	run(t);
	ck_assert(fixture_has(t->f, "/loader/first name.conf"));
	ck_assert(fixture_has(t->f, "/loader/second name.conf"));
	ck_assert_str_eq(fixture_find(t->f, "/loader/NAME~1.CON").name, "name~1.con");
	free_test(t);
}
END_TEST

START_TEST(test_names_that_must_stay_make_others_give_way)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LOADER     ");

	fixture_do(t->f, "echo >'foreign name.conf'; mcopy -i x.img foreign* ::/loader/");
	end(t);
	begin(t);
	dir = new_dir(t, NULL, "LOADER     ");
	put(dir, new_file(t, "foreign news.conf", "FOREIG~1CON", 0, 0));
	put(dir, keep_as(t, "/loader/foreign name.conf", true));
	replace(t, "/loader", dir);
	run(t);
	ck_assert_str_eq(fixture_find(t->f, "/loader/FOREIG~1.CON").name, "foreign name.conf");
	ck_assert(fixture_has(t->f, "/loader/foreign news.conf"));
	free_test(t);
}
END_TEST

START_TEST(test_a_name_that_is_there_in_other_case_is_refused)
{
	struct test *t = new_test(_i);

	add(t, "/", new_file(t, "Foreign.Txt", "OTHER~1 TXT", 0, 0));
	expect_nothing_written(t, -EEXIST);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "/: 'Foreign.Txt'"));
	free_test(t);
}
END_TEST

START_TEST(test_a_name_without_alias_that_is_taken_is_refused)
{
	struct test *t = new_test(_i);

	add(t, "/EFI", new_file(t, NULL, "LINUX      ", 0, 0));
	expect_nothing_written(t, -EEXIST);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "/EFI: 'LINUX'"));
	free_test(t);
}
END_TEST

START_TEST(test_two_equal_names_in_one_version_are_refused)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LINUX      ");

	put(dir, new_file(t, "Same name", "SAMENA~1   ", 0, 0));
	put(dir, new_file(t, "same NAME", "SAMENA~2   ", 0, 0));
	replace(t, "/EFI/Linux", dir);
	expect_nothing_written(t, -EEXIST);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "same NAME"));
	free_test(t);
}
END_TEST

/* The label is an entry of the root, but no file: mkfs.fat -n EFI and a directory EFI go together.
 */
/* Somebody may want to make room first, and should know before that it would be in vain. */
START_TEST(test_names_that_collide_are_refused_whether_there_is_room_or_not)
{
	struct test *t = new_test(_i);
	struct fat_item *dir = new_dir(t, NULL, "LINUX      ");
	uint32_t too_much = (free_clusters(t) + 1) * 512;

	put(dir, new_file(t, "Same name", "SAMENA~1   ", too_much, 1));
	put(dir, new_file(t, "same NAME", "SAMENA~2   ", 0, 0));
	replace(t, "/EFI/Linux", dir);
	expect_nothing_written(t, -EEXIST);
	free_test(t);
}
END_TEST

START_TEST(test_the_label_takes_no_name)
{
	struct test *t = new_test(_i);

	add(t, "/", new_dir(t, NULL, "ESP        "));
	run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/ESP").attributes, FAT_ATTR_DIRECTORY);
	fixture_do(t->f, "mlabel -s -i x.img :: | grep -q ESP");
	free_test(t);
}
END_TEST

/* ---- where entries are put ---- */

static void fill_dir(struct test *t, const char *dir, int n)
{
	fixture_do(t->f, "for i in $(seq 100 %d); do : >F$i; done; mcopy -i x.img F* ::%s/", 99 + n,
		dir);
	end(t);
	begin(t);
}

/* 64 slots: the label, 3 entries, and 60 more. */
START_TEST(test_a_full_fixed_root_is_refused)
{
	struct test *t = new_test(_i);
	struct fat_space space;

	fill_dir(t, "", 60);
	add(t, "/", new_file(t, NULL, "ONEMORE    ", 0, 0));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_le(space.needed, space.free);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "test: /: "));
	free_test(t);
}
END_TEST

START_TEST(test_the_last_slot_of_a_fixed_root_can_be_used)
{
	struct test *t = new_test(_i);

	fill_dir(t, "", 59);
	add(t, "/", new_file(t, NULL, "ONEMORE    ", 0, 0));
	run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/ONEMORE").short_slot, 63);
	free_test(t);
}
END_TEST

/* One cluster has 16 slots, of which the dots and 14 files take all. */
START_TEST(test_a_full_directory_grows)
{
	struct test *t = new_test(_i);
	uint32_t n_free;

	fixture_do(t->f, "mmd -i x.img ::/full");
	fill_dir(t, "/full", 14);
	n_free = free_clusters(t);
	add(t, "/full", new_file(t, "a long name.efi", "ALONGN~1EFI", 600, 7));
	run(t);
	fixture_expect_file(t->f, "/full/a long name.efi", 600, 7);
	ck_assert_uint_eq(fixture_find(t->f, "/full/a long name.efi").short_slot, 16 + 2);
	ck_assert(fixture_has(t->f, "/full/F113"));
	ck_assert_uint_eq(free_clusters(t), n_free - 3);
	free_test(t);
}
END_TEST

START_TEST(test_the_root_of_fat32_grows)
{
	struct test *t = new_test(2);

	fill_dir(t, "", 12);
	add(t, "/", new_file(t, "a long name.efi", "ALONGN~1EFI", 600, 7));
	run(t);
	fixture_expect_file(t->f, "/a long name.efi", 600, 7);
	ck_assert_uint_ge(fixture_find(t->f, "/a long name.efi").short_slot, 16);
	free_test(t);
}
END_TEST

/* 20 slots are more than a sector of 16 holds, so two clusters may be needed at once. */
START_TEST(test_a_directory_grows_by_what_the_longest_name_needs)
{
	struct test *t = new_test(_i);
	char name[256] = "", path[300];

	memset(name, 'n', 250);
	fixture_do(t->f, "mmd -i x.img ::/full");
	fill_dir(t, "/full", 14);
	add(t, "/full", new_file(t, name, "NNNNNN~1   ", 600, 7));
	run(t);
	(void)snprintf(path, sizeof path, "/full/%s", name);
	fixture_expect_file(t->f, path, 600, 7);
	free_test(t);
}
END_TEST

/* A set that fits into the rest of no sector goes to the next one, behind deleted slots. */
START_TEST(test_a_set_stays_in_one_sector_if_it_can)
{
	struct test *t = new_test(_i);
	struct fat_entry entry;

	fixture_do(t->f, "mmd -i x.img ::/some");
	fill_dir(t, "/some", 30);
	fixture_do(t->f, "mdel -i x.img ::/some/F128 ::/some/F129 ::/some/F113");
	end(t);
	begin(t);
	add(t, "/some", new_file(t, "three slots in a row", "THREES~1   ", 0, 0));
	run(t);
	entry = fixture_find(t->f, "/some/three slots in a row");
	ck_assert_uint_eq(entry.n_slots, 3);
	ck_assert_uint_eq((entry.short_slot - 2) / 16, entry.short_slot / 16);
	free_test(t);
}
END_TEST

/* sleuthkit and others pair long-name slots with whatever short entry follows. */
START_TEST(test_a_lone_short_entry_does_not_follow_an_orphan)
{
	struct test *t = new_test(_i);
	struct fat_entry added, orphan;
	struct fat_volume *vol;
	const uint8_t *before;

	fixture_do(t->f, "mmd -i x.img ::/d; : >'a file with a long name'; : >other; "
			 "mcopy -i x.img a* ::/d/; mcopy -i x.img other ::/d/");
	orphan = fixture_find(t->f, "/d/a file with a long name");
	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	before = t->f->bytes + fat_cluster_offset(vol, fixture_find(t->f, "/d").first_cluster);
	t->f->bytes[before - t->f->bytes + orphan.short_slot * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	end(t);
	begin(t);
	add(t, "/d", new_file(t, NULL, "LONE       ", 0, 0));
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	end(t);
	(void)fixture_check(t->f);
	added = fixture_find(t->f, "/d/LONE");
	before += (added.short_slot - 1) * FAT_SLOT_LEN;
	ck_assert(before[11] != FAT_ATTR_LONG_NAME || before[0] == FAT_SLOT_DELETED);
	fat_close(vol);
	free_test(t);
}
END_TEST

/* The slot behind the last orphan is the end mark; what is added must not stand behind that. */
START_TEST(test_an_orphan_before_the_end_mark_hides_nothing)
{
	struct test *t = new_test(_i);
	uint8_t orphan[2 * FAT_SLOT_LEN];
	uint32_t slot;

	fixture_do(t->f, "mmd -i x.img ::/d");
	(void)fixture_set(orphan, "orphan", "ORPHAN~1   ", 0x20, 0);
	memcpy(slot_of(t, "/d", 2), orphan, FAT_SLOT_LEN);
	end(t);
	begin(t);
	add(t, "/d", new_file(t, NULL, "LONE       ", 0, 0));
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	(void)fixture_check(t->f);
	slot = fixture_find(t->f, "/d/LONE").short_slot;
	ck_assert(*slot_of(t, "/d", slot - 1) == FAT_SLOT_DELETED);
	free_test(t);
}
END_TEST

/* ---- room ---- */

START_TEST(test_too_little_room_is_told_in_bytes_and_nothing_is_written)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t);
	struct fat_space space = {0};

	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	add(t, "/", new_file(t, NULL, "BIG        ", (n_free + 1) * SECTOR, 7));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_eq(space.needed, (uint64_t)(n_free + 1) * SECTOR);
	ck_assert_uint_eq(space.free, (uint64_t)n_free * SECTOR);
	ck_assert_str_eq(t->f->messages, "");
	ck_assert_ptr_null(t->trace.text);
	end(t);
	fixture_judge(t->f);
	free_test(t);
}
END_TEST

START_TEST(test_the_last_cluster_can_be_used)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t);

	add(t, "/", new_file(t, NULL, "BIG        ", n_free * SECTOR, 7));
	run(t);
	ck_assert_uint_eq(free_clusters(t), 0);
	fixture_expect_file(t->f, "/BIG", n_free * SECTOR, 7);
	free_test(t);
}
END_TEST

/* FAT32 has numbers of more than 16 bits, whose high half stands elsewhere in an entry. */
START_TEST(test_clusters_beyond_65535_can_be_used)
{
	struct test *t = new_test(2);
	uint64_t copies = t->vol->geo.fat_offset;
	struct fat_item *dir;

	for (uint32_t c = 2; c < 65536; c++)
		for (unsigned copy = 0; copy < 2 && fat_next(t->vol, c) == FAT_FREE; copy++) {
			uint8_t *entry = t->f->bytes + copies + copy * t->vol->geo.fat_size +
				(uint64_t)c * 4;

			memcpy(entry, "\xf7\xff\xff\x0f", 4);
		}
	end(t);
	begin(t);
	dir = new_dir(t, NULL, "LINUX      ");
	put(dir, new_file(t, NULL, "NEW        ", 600, 7));
	replace(t, "/EFI/Linux", dir);
	add(t, "/", new_file(t, NULL, "ADDED      ", 600, 8));
	run(t);
	ck_assert_uint_gt(fixture_find(t->f, "/ADDED").first_cluster, 65535);
	fixture_expect_file(t->f, "/EFI/Linux/NEW", 600, 7);
	fixture_expect_file(t->f, "/ADDED", 600, 8);
	free_test(t);
}
END_TEST

START_TEST(test_a_directory_that_cannot_grow_for_want_of_clusters_is_told_so)
{
	struct test *t = new_test(_i);
	struct fat_space space;

	fixture_do(t->f, "mmd -i x.img ::/full");
	fill_dir(t, "/full", 14);
	add(t, "/", new_file(t, NULL, "BIG        ", free_clusters(t) * SECTOR, 7));
	add(t, "/full", new_file(t, NULL, "ONEMORE    ", 0, 0));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_eq(space.needed, space.free + SECTOR);
	free_test(t);
}
END_TEST

/* ---- what is written, in which order ---- */

static const char *region_of(const struct fat_geometry *geo, uint64_t offset)
{
	if (offset < geo->fat_offset)
		return offset == geo->fsinfo_offset && offset > 0 ? "fsinfo" : "RESERVED";
	if (offset < geo->fat_offset + geo->fat_size)
		return "fat1";
	if (offset < geo->fat_offset + geo->n_fats * geo->fat_size)
		return "fat2";
	return offset < geo->data_offset ? "root" : NULL;
}

/*
 * The trace with names for offsets, and writes to one region that follow each other as one. @dirs:
 * first clusters of directories that are edited, by the names in @names; other clusters are "data".
 */
static void describe(struct test *t, const struct fat_geometry *geo, const char *const *names,
	const uint32_t *dirs, char *ret, size_t size)
{
	const char *last = "";

	*ret = '\0';
	for (const char *line = t->trace.text; line && *line; line = strchr(line, '\n') + 1) {
		const char *region = "flush";
		unsigned long long offset;

		if (sscanf(line, "write %llu", &offset) == 1) {
			region = region_of(geo, offset);
			for (size_t i = 0; !region && names[i]; i++)
				if ((offset - geo->data_offset) / geo->cluster_size + 2 == dirs[i])
					region = names[i];
			region = region ? region : "data";
		}
		if (strcmp(region, last) != 0 || strcmp(region, "flush") == 0)
			(void)snprintf(ret + strlen(ret), size - strlen(ret), "%s%s",
				*ret ? " " : "", region);
		last = region;
	}
}

START_TEST(test_prepare_commit_and_release_follow_each_other_with_a_barrier_each)
{
	static const char *const names[] = {"EFI", "root", NULL};
	static const char want[] =
		"data flush fat2 flush fat1 flush EFI flush root flush fat1 flush fat2 flush";
	struct test *t = new_test(_i);
	struct fat_item *linux_dir = new_dir(t, NULL, "LINUX      ");
	struct fat_item *loader = new_dir(t, NULL, "LOADER     ");
	struct fat_geometry geo = t->vol->geo;
	uint32_t dirs[] = {fixture_find(t->f, "/EFI").first_cluster, geo.root_cluster};
	char text[1024];

	put(linux_dir, keep(t, "/EFI/Linux/a.efi"));
	put(linux_dir, new_file(t, NULL, "NEW1    EFI", 3000, 7));
	put(linux_dir, new_file(t, NULL, "NEW2    EFI", 4000, 8));
	put(loader, new_file(t, NULL, "LOADER  CON", 20, 9));
	replace(t, "/EFI/Linux", linux_dir);
	replace(t, "/loader", loader);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	run(t);
	describe(t, &geo, names, dirs, text, sizeof text);
	ck_assert_int_eq(strncmp(text, want, strlen(want)), 0);
	ck_assert_str_eq(text + strlen(want), _i == 2 ? " fsinfo flush" : "");
	free_test(t);
}
END_TEST

/* A reader of the first copy sees it last, as with all that is prepared. */
START_TEST(test_a_directory_grows_in_the_last_copy_first)
{
	static const char *const names[] = {"full", NULL};
	static const char want[] = "data flush fat2 flush fat1 flush fat2 flush fat1 flush data flush";
	struct test *t = new_test(_i);
	struct fat_geometry geo = t->vol->geo;
	uint32_t dirs[1];
	char text[1024];

	fixture_do(t->f, "mmd -i x.img ::/full");
	fill_dir(t, "/full", 14);
	dirs[0] = fixture_find(t->f, "/full").first_cluster;
	add(t, "/full", new_file(t, NULL, "ONEMORE    ", 10, 7));
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	run(t);
	describe(t, &geo, names, dirs, text, sizeof text);
	ck_assert_int_eq(strncmp(text, want, strlen(want)), 0);
	free_test(t);
}
END_TEST

/* Every byte of it: cluster numbers follow from the files above. */
START_TEST(test_a_replaced_file_on_fat12_writes_just_this)
{
	static const char want[] = "write 20480+1024\n" /* 2 new clusters */
				   "flush\n"
				   "write 3584+512\n" /* FAT copy 2 */
				   "flush\n"
				   "write 512+512\n" /* FAT copy 1 */
				   "flush\n"
				   "write 6656+512\n" /* the root */
				   "flush\n"
				   "write 512+512\n" /* free the old clusters */
				   "flush\n"
				   "write 3584+512\n"
				   "flush\n";
	struct test *t = new_test(0);

	ck_assert_uint_eq(t->vol->geo.fat_size, 3072);
	replace(t, "/foreign.txt", new_file(t, NULL, "FOREIGN TXT", 1000, 7));
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	run(t);
	ck_assert_str_eq(t->trace.text, want);
	free_test(t);
}
END_TEST

START_TEST(test_the_device_is_looked_at_first_before_a_commit_and_last)
{
	static const char want[] = "recheck\n"
				   "write 20480+1024\n"
				   "write 3584+512\n"
				   "write 512+512\n"
				   "recheck\n"
				   "write 6656+512\n"
				   "write 512+512\n"
				   "write 3584+512\n"
				   "recheck\n";
	struct test *t = new_test(0);

	replace(t, "/foreign.txt", new_file(t, NULL, "FOREIGN TXT", 1000, 7));
	t->trace.ops = TESTDEV_WRITE | TESTDEV_RECHECK;
	run(t);
	ck_assert_str_eq(t->trace.text, want);
	free_test(t);
}
END_TEST

START_TEST(test_nothing_to_do_writes_nothing)
{
	struct test *t = new_test(_i);

	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	run(t);
	ck_assert_ptr_null(t->trace.text);
	free_test(t);
}
END_TEST

START_TEST(test_a_run_needs_a_layout)
{
	struct test *t = new_test(_i);

	remove_at(t, "/foreign.txt");
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	free_test(t);
}
END_TEST

/* ---- the state before ---- */

START_TEST(test_only_a_checked_volume_without_damage_can_be_changed)
{
	struct test *t = new_test(_i);
	struct fat_check_result result;
	struct fat_volume *vol;
	struct fat_txn *txn = NULL;
	uint32_t a = fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster;

	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	ck_assert_int_eq(fat_txn_begin(vol, &txn), -EUCLEAN);
	fat_table_set(vol, a, FAT_EOC); /* a short chain */
	ck_assert_int_ge(fat_table_write(vol, 0), 1);
	ck_assert_int_ge(fat_table_write(vol, 1), 1);
	ck_assert_int_eq(fat_check(vol, NULL, NULL, &result), 0);
	ck_assert_uint_gt(result.n_damage, 0);
	ck_assert_int_eq(fat_txn_begin(vol, &txn), -EUCLEAN);
	ck_assert_ptr_null(txn);
	fat_close(vol);
	free_test(t);
}
END_TEST

START_TEST(test_after_a_run_the_volume_must_be_checked_again)
{
	struct test *t = new_test(_i);
	struct fat_check_result result;
	struct fat_txn *txn;

	remove_at(t, "/foreign.txt");
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_int_eq(fat_txn_begin(t->vol, &txn), -EUCLEAN);
	ck_assert_int_eq(fat_check(t->vol, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.n_damage + result.n_harmless, 0);
	ck_assert_int_eq(fat_txn_begin(t->vol, &txn), 0);
	fat_txn_free(txn);
	free_test(t);
}
END_TEST

/* With 4085 or 4086 clusters drivers disagree whether it is FAT12 or FAT16. */
START_TEST(test_a_volume_between_fat12_and_fat16_is_never_written)
{
	struct fixture *f = fixture_new(1, files, sizeof files / sizeof *files);
	struct fat_check_result result;
	struct fat_txn *txn = NULL;
	uint32_t total;

	fixture_open(f);
	total = (uint32_t)(f->vol->geo.data_offset / SECTOR) + 4085 + (uint32_t)_i;
	f->bytes[0x13] = (uint8_t)total;
	f->bytes[0x14] = (uint8_t)(total >> 8);
	fixture_open(f);
	ck_assert_uint_eq(f->vol->geo.n_clusters, 4085u + (uint32_t)_i);
	ck_assert_int_eq(fat_check(f->vol, NULL, NULL, &result), 0);
	ck_assert_uint_eq(result.n_damage, 0);
	ck_assert_int_eq(fat_txn_begin(f->vol, &txn), -ENOTSUP);
	ck_assert_ptr_null(txn);
	fixture_free(f);
}
END_TEST

static void set_fat(struct test *t, unsigned copy, uint32_t cluster, uint32_t value)
{
	struct fat_volume *vol;

	ck_assert_int_eq(fat_open(t->f->dev, "test", NULL, &vol), 0);
	fat_table_set(vol, cluster, value);
	ck_assert_int_eq(fat_table_write(vol, copy), 1);
	fat_close(vol);
}

START_TEST(test_lost_clusters_are_freed_and_copies_evened_out)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t), last = t->vol->geo.n_clusters + 1;

	set_fat(t, 0, last, FAT_EOC); /* lost, in both copies */
	set_fat(t, 1, last, FAT_EOC);
	set_fat(t, 0, last - 1, last - 1); /* a lost loop, in the first copy */
	set_fat(t, 1, last - 5, 7);        /* something in the second copy */
	end(t);
	begin(t);
	run(t);
	ck_assert_uint_eq(free_clusters(t), n_free);
	begin(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	run(t);
	ck_assert_ptr_null(t->trace.text);
	free_test(t);
}
END_TEST

START_TEST(test_lost_clusters_are_room_for_what_is_new)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t);

	for (uint32_t i = 0; i < 5; i++)
		for (unsigned copy = 0; copy < 2; copy++)
			set_fat(t, copy, t->vol->geo.n_clusters + 1 - 3 * i, FAT_EOC);
	end(t);
	begin(t);
	add(t, "/", new_file(t, NULL, "BIG        ", n_free * SECTOR, 7));
	run(t);
	fixture_expect_file(t->f, "/BIG", n_free * SECTOR, 7);
	ck_assert_uint_eq(free_clusters(t), 0);
	free_test(t);
}
END_TEST

START_TEST(test_bad_clusters_are_never_used)
{
	struct test *t = new_test(_i);
	uint32_t n_free = free_clusters(t), bad = t->vol->geo.n_clusters - 5;

	set_fat(t, 0, bad, FAT_BAD);
	set_fat(t, 1, bad, FAT_BAD);
	end(t);
	begin(t);
	add(t, "/", new_file(t, NULL, "BIG        ", (n_free - 1) * SECTOR, 7));
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_uint_eq(fat_next(t->vol, bad), FAT_BAD);
	fixture_expect_file(t->f, "/BIG", (n_free - 1) * SECTOR, 7);
	free_test(t);
}
END_TEST

START_TEST(test_bad_clusters_stay_bad_when_lost_ones_are_freed)
{
	struct test *t = new_test(_i);
	uint32_t bad = t->vol->geo.n_clusters - 5, lost = bad + 2;

	for (unsigned copy = 0; copy < 2; copy++)
		set_fat(t, copy, bad, FAT_BAD);
	for (unsigned copy = 0; copy < 2; copy++)
		set_fat(t, copy, lost, FAT_EOC);
	end(t);
	begin(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_uint_eq(fat_next(t->vol, bad), FAT_BAD);
	ck_assert_uint_eq(fat_next(t->vol, lost), FAT_FREE);
	free_test(t);
}
END_TEST

static uint8_t *fsinfo_field(struct test *t, size_t offset)
{
	return t->f->bytes + t->vol->geo.fsinfo_offset + offset;
}

START_TEST(test_an_unknown_or_wrong_free_count_is_put_right_and_the_hint_left)
{
	struct test *t = new_test(2);
	uint32_t n_free = free_clusters(t);
	le32_t count = le32_of(0xffffffff), hint = le32_of(1234);

	memcpy(fsinfo_field(t, 488), &count, 4);
	memcpy(fsinfo_field(t, 492), &hint, 4);
	remove_at(t, "/foreign.txt");
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	memcpy(&count, fsinfo_field(t, 488), 4);
	ck_assert_uint_eq(le32_get(count), n_free + 2);
	ck_assert_mem_eq(fsinfo_field(t, 492), &hint, 4);
	end(t);
	fixture_judge(t->f);
	free_test(t);
}
END_TEST

START_TEST(test_a_sector_that_is_no_fsinfo_is_left_alone)
{
	static const size_t signatures[] = {0, 484, 508};

	for (size_t i = 0; i < 3; i++) {
		struct test *t = new_test(2);
		uint8_t before[SECTOR];

		*fsinfo_field(t, signatures[i]) ^= 0xff;
		memcpy(before, fsinfo_field(t, 0), SECTOR);
		remove_at(t, "/foreign.txt");
		layout(t);
		ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
		ck_assert_mem_eq(fsinfo_field(t, 0), before, SECTOR);
		free_test(t);
	}
}
END_TEST

/* ---- other geometries ---- */

static const char *const geometries[] = {
	"-F 12 -s 8 -f 1 -r 64 x.img 4096",
	"-F 16 -s 8 -r 512 x.img 40000",
	"-F 16 -S 4096 -s 1 x.img 40000",
	"-F 32 -S 2048 -s 1 x.img 140000",
};

START_TEST(test_other_sectors_clusters_and_one_copy)
{
	struct fixture *f = fixture_new_mkfs(geometries[_i], files, sizeof files / sizeof *files);
	struct test *t = calloc(1, sizeof *t);
	struct fat_item *dir;

	t->f = f;
	stack_devices(t);
	blkdev_set_physical_size(t->dev, 4096);
	begin_on(t, t->dev);
	dir = new_dir(t, NULL, "LINUX      ");
	put(dir, keep(t, "/EFI/Linux/a.efi"));
	put(dir, new_file(t, "a new kernel.efi", "ANEWKE~1EFI", 20480, 7));
	replace(t, "/EFI/Linux", dir);
	remove_at(t, "/foreign.txt");
	add(t, "/EFI/BOOT", new_file(t, "grub long name.efi", "GRUBLO~1EFI", 1, 8));
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	end(t);
	fixture_judge(f);
	fixture_expect_file(f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(f, "/EFI/Linux/a new kernel.efi", 20480, 7);
	fixture_expect_file(f, "/EFI/BOOT/grub long name.efi", 1, 8);
	fixture_expect_file(f, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	ck_assert(!fixture_has(f, "/foreign.txt"));
	free_test(t);
}
END_TEST

/* ---- when something goes wrong ---- */

/*
 * The work of the cases below: a directory is replaced twice, one is added, one removed, a file
 * replaced, and a directory grows. Old and new state of all of it can be told apart.
 */
static void plan_work(struct test *t)
{
	struct fat_item *first = new_dir(t, NULL, "LINUX      "),
			*second = new_dir(t, NULL, "LINUX      ");
	struct fat_item *added = new_dir(t, "a new directory", "ANEWDI~1   ");
	struct fat_item *shared = new_file(t, "a new kernel.efi", "ANEWKE~1EFI", 2500, 7);

	put(first, keep(t, "/EFI/Linux/a.efi"));
	put(first, keep(t, "/EFI/Linux/b.efi"));
	put(first, shared);
	put(second, keep(t, "/EFI/Linux/a.efi"));
	put(second, shared);
	put(added, new_file(t, NULL, "INIT       ", 100, 8));
	replace(t, "/EFI/Linux", first);
	add(t, "/full", added);
	replace(t, "/EFI/BOOT/BOOTX64.EFI", new_file(t, NULL, "BOOTX64 EFI", 1000, 9));
	replace(t, "/EFI/Linux", second);
	remove_at(t, "/loader");
}

/* What was deleted long ago; else a lost write of zeros would be none. */
static void fill_free_clusters(struct test *t, uint32_t n)
{
	for (uint32_t c = 2; n > 0 && fat_cluster_valid(t->vol, c); c++)
		if (fat_next(t->vol, c) == FAT_FREE) {
			memset(t->f->bytes + fat_cluster_offset(t->vol, c), 0xee,
				t->vol->geo.cluster_size);
			n--;
		}
}

/* @n_full: files that, with the dots, take a cluster's slots. */
static void fill_work(struct test *t, int n_full)
{
	fixture_do(t->f, "mmd -i x.img ::/full");
	fill_dir(t, "/full", n_full);
	fill_free_clusters(t, 100);
	fixture_do(t->f, "true"); /* what fixture_reset() brings back */
}

static struct test *new_work(int type)
{
	struct test *t = new_test(type);

	fill_work(t, 14);
	return t;
}

/* Whether the file is there with just these contents. */
static bool is_file(struct fat_volume *vol, const char *path, uint32_t size, uint8_t seed)
{
	struct fat_entry entry;
	struct fat_file *file;
	uint8_t buf[4096];
	bool equal;

	if (fat_lookup(vol, path, &entry) < 0 || entry.size != size)
		return false;
	ck_assert_int_eq(fat_file_open(vol, entry.first_cluster, size, path, &file), 0);
	equal = fat_file_read(file, buf, sizeof buf) == size;
	for (uint32_t i = 0; i < size; i++)
		equal = equal && buf[i] == fixture_byte(seed, i);
	fat_file_close(file);
	return equal;
}

static bool is_there(struct fat_volume *vol, const char *path)
{
	struct fat_entry entry;

	return fat_lookup(vol, path, &entry) == 0;
}

/* How many of the commits, which follow each other, are done; -1: something is broken. */
static int commits_done(struct fat_volume *vol)
{
	bool kernel = is_file(vol, "/EFI/Linux/a new kernel.efi", 2500, 7);
	bool b = is_file(vol, "/EFI/Linux/b.efi", 1500, 2);
	bool added = is_file(vol, "/full/a new directory/INIT", 100, 8);
	bool old_boot = is_file(vol, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	bool new_boot = is_file(vol, "/EFI/BOOT/BOOTX64.EFI", 1000, 9);
	bool loader = is_there(vol, "/loader/loader.conf");

	if (!is_file(vol, "/EFI/Linux/a.efi", 3000, 1) || !is_file(vol, "/foreign.txt", 700, 5) ||
		!is_there(vol, "/full/F113") || old_boot == new_boot)
		return -1;
	if (!kernel)
		return b && !added && old_boot && loader ? 0 : -1;
	if (!added)
		return b && old_boot && loader ? 1 : -1;
	if (old_boot)
		return b && loader ? 2 : -1;
	if (b)
		return loader ? 3 : -1;
	return loader ? 4 : 5;
}

static int state_of(struct fixture *f)
{
	struct fat_volume *vol;
	int n;

	ck_assert_int_eq(fat_open(f->dev, "test", NULL, &vol), 0);
	n = commits_done(vol);
	fat_close(vol);
	return n;
}

static int note_before_commit(void *userdata)
{
	struct test *t = userdata;

	t->n_before_commit++;
	t->calls_before_commit = t->fault.n_calls;
	return 0;
}

static int run_work(struct test *t)
{
	struct fat_space space;
	int r = fat_txn_layout(t->txn, &space);

	return r < 0 ? r : fat_txn_run(t->txn, note_before_commit, t);
}

/* Whatever was left: another run without a plan makes it spotless. */
static void tidy_up(struct test *t)
{
	struct fat_check_result result;

	t->fault.nth = 0;
	fixture_open(t->f);
	ck_assert_int_eq(fat_txn_begin(t->f->vol, &t->txn), 0);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	fat_txn_free(t->txn);
	t->txn = NULL;
	fixture_close(t->f);
	result = fixture_check(t->f);
	ck_assert_uint_eq(result.lost_clusters, 0);
	ck_assert(!result.fat_copies_differ);
	ck_assert(!result.free_count_wrong);
}

START_TEST(test_the_work_of_the_following_cases_works)
{
	struct test *t = new_work(_i);

	ck_assert_int_eq(state_of(t->f), 0);
	plan_work(t);
	run(t);
	ck_assert_int_eq(state_of(t->f), 5);
	free_test(t);
}
END_TEST

static int refuse(void *userdata)
{
	(void)userdata;
	return -ECANCELED;
}

START_TEST(test_a_refusal_before_the_commit_leaves_lost_clusters_at_most)
{
	struct test *t = new_work(_i);
	uint32_t n_free = free_clusters(t);

	plan_work(t);
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, refuse, NULL), -ECANCELED);
	expect_untouched(t);
	end(t);
	ck_assert_uint_gt(fixture_check(t->f).lost_clusters, 0);
	ck_assert_int_eq(state_of(t->f), 0);
	tidy_up(t);
	fixture_judge(t->f);
	ck_assert_uint_eq(free_clusters(t), n_free);
	ck_assert_int_eq(state_of(t->f), 0);
	free_test(t);
}
END_TEST

/* Commit up to number @end: so much is done then, and what is done already is not done again. */
static void expect_commits(struct test *t, uint32_t end)
{
	uint64_t n_calls;

	ck_assert_int_eq(fat_txn_commit(t->txn, end), 0);
	ck_assert_int_eq(state_of(t->f), (int)end);
	n_calls = t->fault.n_calls;
	ck_assert_int_eq(fat_txn_commit(t->txn, end / 2), 0);
	ck_assert_uint_eq(t->fault.n_calls, n_calls);
}

/* Between two commits there is time for something else. */
START_TEST(test_commits_are_done_when_it_is_said)
{
	static const uint32_t ends[] = {0, 1, 1, 4, 5};
	struct test *t = new_work(_i);

	t->fault.ops = TESTDEV_ALL;
	plan_work(t);
	ck_assert_uint_eq(fat_txn_count(t->txn), 5);
	layout(t);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	ck_assert_int_eq(state_of(t->f), 0);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		expect_commits(t, ends[i]);
	ck_assert_int_eq(fat_txn_release(t->txn), 0);
	expect_untouched(t);
	end(t);
	fixture_judge(t->f);
	ck_assert_int_eq(state_of(t->f), 5);
	free_test(t);
}
END_TEST

START_TEST(test_a_transaction_that_is_given_up_between_commits_leaves_a_sound_volume)
{
	struct test *t = new_work(_i);

	plan_work(t);
	layout(t);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	ck_assert_int_eq(fat_txn_commit(t->txn, 3), 0);
	end(t);
	ck_assert_int_eq(state_of(t->f), 3);
	tidy_up(t);
	fixture_judge(t->f);
	ck_assert_int_eq(state_of(t->f), 3);
	free_test(t);
}
END_TEST

START_TEST(test_steps_that_are_out_of_turn_are_refused)
{
	struct test *t = new_work(_i);

	plan_work(t);
	layout(t);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_commit(t->txn, 1), -EINVAL);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	trace_done(&t->trace);
	ck_assert_int_eq(fat_txn_prepare(t->txn), -EINVAL);
	ck_assert_int_eq(fat_txn_commit(t->txn, 6), -EINVAL);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	ck_assert_int_eq(fat_txn_commit(t->txn, 4), 0);
	trace_done(&t->trace);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	free_test(t);
}
END_TEST

START_TEST(test_after_a_commit_that_failed_nothing_is_written)
{
	struct test *t = new_work(_i);

	plan_work(t);
	layout(t);
	ck_assert_int_eq(fat_txn_prepare(t->txn), 0);
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	ck_assert_int_eq(fat_txn_commit(t->txn, 1), -EIO);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_commit(t->txn, 5), -EINVAL);
	ck_assert_int_eq(fat_txn_release(t->txn), -EINVAL);
	ck_assert_ptr_null(t->trace.text);
	end(t);
	ck_assert_int_eq(state_of(t->f), 0);
	tidy_up(t);
	free_test(t);
}
END_TEST

/* A poll that says stop when it is asked for the nth time. */
struct stopper {
	struct test *t;
	unsigned n, nth;
	uint64_t calls; /* of the device, when it was asked last */
};

static int stop_at_nth(void *userdata)
{
	struct stopper *stopper = userdata;

	stopper->calls = stopper->t->fault.n_calls;
	return ++stopper->n == stopper->nth ? -ECANCELED : 0;
}

/* Run the work and stop it at the nth poll. Returns whether there was an nth one. */
static bool run_stopped(struct test *t, unsigned nth)
{
	struct stopper stopper = {.t = t, .nth = nth};
	int r;

	fixture_reset(t->f);
	begin(t);
	plan_work(t);
	layout(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE | TESTDEV_FLUSH};
	fat_txn_set_poll(t->txn, stop_at_nth, &stopper);
	r = fat_txn_run(t->txn, NULL, NULL);
	end(t);
	ck_assert_str_eq(t->f->messages, "");
	if (stopper.n < nth) {
		ck_assert_int_eq(r, 0);
		ck_assert_int_eq(state_of(t->f), 5);
		ck_assert_uint_gt(t->fault.n_calls, stopper.calls);
		return false;
	}
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_uint_eq(t->fault.n_calls, stopper.calls);
	ck_assert_int_eq(state_of(t->f), 0);
	return true;
}

START_TEST(test_a_stop_at_any_poll_writes_no_more_and_commits_nothing)
{
	struct test *t = new_work(_i);
	uint32_t n_free = free_clusters(t);
	unsigned nth = 1;

	end(t);
	while (run_stopped(t, nth)) {
		tidy_up(t);
		fixture_judge(t->f);
		ck_assert_uint_eq(free_clusters(t), n_free);
		nth++;
	}
	ck_assert_uint_gt(nth, 10); /* items both ways, two FAT copies, the commit */
	free_test(t);
}
END_TEST

struct intruder {
	struct test *t;
	uint64_t offset;
};

static int intrude(void *userdata)
{
	struct intruder *intruder = userdata;

	intruder->t->f->bytes[intruder->offset] ^= 0x20;
	return 0;
}

/* Another entry in the same sector changes, as when a firmware writes its log. */
START_TEST(test_a_foreign_write_is_not_overwritten)
{
	struct test *t = new_work(_i);
	struct fat_entry entry = fixture_find(t->f, "/EFI/BOOT");
	struct intruder intruder = {t, 0};
	uint8_t byte;

	plan_work(t);
	intruder.offset = fat_cluster_offset(t->vol, fixture_find(t->f, "/EFI").first_cluster) +
			  entry.short_slot * FAT_SLOT_LEN + 22;
	byte = t->f->bytes[intruder.offset];
	layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, intrude, &intruder), -ESTALE);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "changed by somebody else"));
	ck_assert_uint_eq(t->f->bytes[intruder.offset], byte ^ 0x20);
	end(t);
	(void)fixture_check(t->f);
	ck_assert_int_eq(state_of(t->f), 0);
	free_test(t);
}
END_TEST

/* Run the work with the nth write gone wrong silently. Returns whether there was an nth one. */
static bool run_lying(struct test *t, enum fault_kind kind, uint64_t nth)
{
	bool fired;
	int r, state;

	fixture_reset(t->f);
	begin(t);
	plan_work(t);
	t->n_before_commit = 0;
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .kind = kind, .nth = nth};
	r = run_work(t);
	fired = t->fault.n_fired > 0;
	end(t);
	t->fault.nth = 0;
	if (!fired)
		return false;
	state = state_of(t->f);
	if (t->n_before_commit == 0)
		ck_assert_msg(
			r < 0 && state == 0, "write %u: %d, state %d", (unsigned)nth, r, state);
	else if (nth <= t->calls_before_commit)
		ck_abort_msg(
			"write %u was lost and nobody noticed before the commit", (unsigned)nth);
	return true;
}

START_TEST(test_a_lost_write_is_noticed_before_the_commit)
{
	struct test *t = new_work(_i);
	uint64_t nth = 1;

	end(t);
	while (run_lying(t, FAULT_DROP, nth))
		nth += _i == 2 ? 5 : 1;
	ck_assert_uint_gt(nth, 15);
	free_test(t);
}
END_TEST

/* Clusters of several sectors, of which the first ones get through. */
START_TEST(test_half_a_lost_write_is_noticed_before_the_commit)
{
	struct test *t = test_on(
		fixture_new_mkfs("-F 12 -s 4 x.img 1024", files, sizeof files / sizeof *files));
	uint64_t nth = 1;

	fill_work(t, 62);
	end(t);
	while (run_lying(t, FAULT_TEAR, nth))
		nth++;
	ck_assert_uint_gt(nth, 15);
	free_test(t);
}
END_TEST

START_TEST(test_a_flipped_bit_is_noticed_before_the_commit)
{
	struct test *t = new_work(_i);
	uint64_t nth = 1;

	end(t);
	while (run_lying(t, FAULT_FLIP, nth))
		nth += _i == 2 ? 5 : 1;
	ck_assert_uint_gt(nth, 15);
	free_test(t);
}
END_TEST

/* The commit's own sector is read back, too. */
START_TEST(test_a_lost_commit_is_noticed)
{
	struct test *t = new_work(_i);

	plan_work(t);
	layout(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE};
	ck_assert_int_eq(fat_txn_run(t->txn, note_before_commit, t), 0);
	end(t);
	fixture_reset(t->f);
	begin(t);
	plan_work(t);
	t->fault = (struct fault){
		.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = t->calls_before_commit + 1};
	ck_assert_int_eq(run_work(t), -EIO);
	end(t);
	ck_assert_int_eq(state_of(t->f), 0);
	tidy_up(t);
	fixture_judge(t->f);
	free_test(t);
}
END_TEST

static void plan_one_more(struct test *t)
{
	add(t, "/full", new_file(t, NULL, "ONEMORE    ", 10, 7));
}

/* The cluster that a directory grows by is linked after the others were verified. */
START_TEST(test_a_lost_link_is_noticed)
{
	struct test *t = new_work(_i / 2);

	plan_one_more(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE};
	ck_assert_int_eq(run_work(t), 0);
	end(t);
	fixture_reset(t->f);
	begin(t);
	plan_one_more(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE,
		.kind = FAULT_DROP,
		.nth = t->calls_before_commit + 1 + (unsigned)_i % 2};
	ck_assert_int_eq(run_work(t), -EIO);
	end(t);
	ck_assert(!fixture_has(t->f, "/full/ONEMORE"));
	tidy_up(t);
	fixture_judge(t->f);
	free_test(t);
}
END_TEST

/* Its writes: the commit, the two FAT copies, FSInfo. */
static int run_removal(struct test *t, uint64_t lost)
{
	int r;

	fixture_reset(t->f);
	begin(t);
	remove_at(t, "/foreign.txt");
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = lost};
	r = run_work(t);
	end(t);
	return r;
}

/* With a free count in FSInfo that only a release which is whole makes true. */
START_TEST(test_a_lost_release_is_noticed_and_nothing_written_after_it)
{
	struct test *t = new_test(2);

	end(t);
	ck_assert_int_eq(run_removal(t, 0), 0);
	ck_assert_uint_eq(t->fault.n_calls, 4);
	for (uint64_t lost = 2; lost <= 3; lost++) {
		ck_assert_int_eq(run_removal(t, lost), -EIO);
		ck_assert_uint_eq(t->fault.n_calls, 3);
		ck_assert(!fixture_has(t->f, "/foreign.txt"));
		tidy_up(t);
	}
	free_test(t);
}
END_TEST

/* Returns whether there was an nth call. */
static bool run_failing(struct test *t, enum fault_kind kind, unsigned ops, uint64_t nth)
{
	bool fired;
	int r;

	fixture_reset(t->f);
	begin(t);
	plan_work(t);
	t->fault = (struct fault){
		.ops = ops, .kind = kind, .error = -EIO, .nth = nth, .sticky = nth % 2};
	r = run_work(t);
	fired = t->fault.n_fired > 0;
	end(t);
	if (!fired) {
		ck_assert_int_eq(r, 0);
		return false;
	}
	ck_assert_msg(r == -EIO, "call %u: %d", (unsigned)nth, r);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "test: "));
	(void)fixture_check(t->f);
	ck_assert_msg(state_of(t->f) >= 0, "call %u", (unsigned)nth);
	tidy_up(t);
	ck_assert_msg(state_of(t->f) >= 0, "call %u, tidied up", (unsigned)nth);
	return true;
}

static void fail_every_call(int type, enum fault_kind kind, unsigned ops, unsigned at_least)
{
	struct test *t = new_work(type);
	uint64_t nth = 1;

	end(t);
	while (run_failing(t, kind, ops, nth))
		nth += type == 2 ? 5 : 1; /* that volume is large */
	ck_assert_uint_gt(nth, at_least);
	free_test(t);
}

START_TEST(test_any_failing_write_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_ERROR, TESTDEV_WRITE, 15);
}
END_TEST

START_TEST(test_any_half_write_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_HALF, TESTDEV_WRITE, 15);
}
END_TEST

START_TEST(test_any_failing_read_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_ERROR, TESTDEV_READ, 30);
}
END_TEST

START_TEST(test_any_failing_barrier_leaves_a_sound_volume)
{
	fail_every_call(_i, FAULT_ERROR, TESTDEV_FLUSH, 8);
}
END_TEST

/* What is said of a device that is not what it was, of @size bytes. */
static void expect_words(struct test *t, int error, uint64_t size)
{
	char want[128];

	if (error == -ENXIO)
		(void)snprintf(want, sizeof want, "test: the device is gone");
	else if (error == -EROFS)
		(void)snprintf(want, sizeof want, "test: it became write-protected");
	else if (error == -ESTALE)
		(void)snprintf(want, sizeof want, "test: its size changed from %llu to %llu bytes",
			(unsigned long long)size, (unsigned long long)size / 2);
	else
		(void)snprintf(want, sizeof want, "%s", strerror(-error));
	ck_assert_msg(strstr(t->f->messages, want) != NULL, "%s", t->f->messages);
}

/* From the nth look at it on the device is another. Returns whether there was an nth one. */
static bool run_on_device_that_changes(struct test *t, uint64_t nth, int error, int commits)
{
	uint64_t size = blkdev_size(t->f->dev);
	bool fired;
	int r;

	fixture_reset(t->f);
	begin(t);
	plan_work(t);
	trace_done(&t->trace);
	t->fault = (struct fault){
		.ops = TESTDEV_RECHECK, .error = error, .nth = nth, .sticky = true};
	r = run_work(t);
	fired = t->fault.n_fired > 0;
	end(t);
	if (!fired) {
		ck_assert_int_eq(r, 0);
		return false;
	}
	ck_assert_int_eq(r, error);
	expect_words(t, error, size);
	ck_assert_uint_eq(t->fault.n_fired, 1);
	ck_assert_str_eq(t->trace.text + t->trace.len - strlen("recheck\n"), "recheck\n");
	ck_assert_int_eq(state_of(t->f), commits);
	return true;
}

/* It has five operations: with the first and the last look that makes seven. */
START_TEST(test_nothing_is_written_to_a_device_that_is_another_now)
{
	static const int commits[] = {0, 0, 1, 2, 3, 4, 5};
	static const int errors[] = {-ENXIO, -ESTALE, -EROFS, -ENOTTY};
	struct test *t = new_work(_i);

	end(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH | TESTDEV_RECHECK;
	for (uint64_t nth = 1; nth <= 7; nth++) {
		ck_assert(run_on_device_that_changes(
			t, nth, errors[nth % 4], commits[nth - 1]));
		if (nth == 1)
			ck_assert_str_eq(t->trace.text, "recheck\n");
		tidy_up(t);
	}
	ck_assert(!run_on_device_that_changes(t, 8, -ENXIO, 5));
	free_test(t);
}
END_TEST

/* Writes fail from the first on; the look that comes after that finds the device gone. */
START_TEST(test_a_device_that_fails_because_it_is_gone_is_said_to_be_gone)
{
	struct fault gone = {.ops = TESTDEV_RECHECK, .error = -ENXIO, .nth = 2};
	struct test *t = new_work(_i);
	struct blkdev *below, *dev;

	end(t);
	ck_assert_int_eq(faultdev_new(t->f->dev, &gone, &below), 0);
	ck_assert_int_eq(faultdev_new(below, &t->fault, &dev), 0);
	begin_on(t, dev);
	plan_work(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	ck_assert_int_eq(run_work(t), -EIO);
	ck_assert_uint_eq(gone.n_fired, 1);
	expect_words(t, -EIO, 0);
	expect_words(t, -ENXIO, 0);
	end(t);
	blkdev_close(dev);
	blkdev_close(below);
	free_test(t);
}
END_TEST

/* ---- power cuts ---- */

struct cutter {
	struct write_log *log;
	uint8_t *image;
	size_t n_states;
	int (*state)(struct fat_volume *vol); /* what must not be negative, nor less than before */
	int least;
};

/* The image as it would be read through its second FAT copy. */
static void swap_copies(uint8_t *image, const struct fat_geometry *geo)
{
	uint8_t *a = image + geo->fat_offset, *b = a + geo->fat_size;

	for (uint64_t i = 0; i < geo->fat_size; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static void judge_state(struct cutter *cutter, struct blkdev *dev, size_t epoch)
{
	struct fat_check_result result;
	struct fat_geometry geo;
	struct fat_volume *vol;

	for (int copy = 0; copy < 2; copy++) {
		int state;

		ck_assert_int_eq(fat_open(dev, "test", NULL, &vol), 0);
		ck_assert_int_eq(fat_check(vol, NULL, NULL, &result), 0);
		geo = vol->geo;
		state = cutter->state(vol);
		fat_close(vol);
		ck_assert_msg(result.n_damage == 0 && state >= cutter->least,
			"epoch %zu, copy %d: %u damaged, state %d", epoch, copy, result.n_damage,
			state);
		swap_copies(cutter->image, &geo);
	}
	cutter->n_states++;
}

/* Try nothing, all, each version alone, all but one, and each beginning of an epoch. */
static void cut_epoch(struct cutter *cutter, struct blkdev *dev, size_t epoch)
{
	size_t n = write_log_n_versions(cutter->log, epoch);
	uint8_t *chosen = calloc(n / 8 + 1, 1);

	logdev_build(cutter->log, epoch, NULL, cutter->image);
	judge_state(cutter, dev, epoch);
	for (size_t i = 0; i < 3 * n; i++) {
		for (size_t j = 0; j < n; j++) {
			bool on = i < n ? j == i : i < 2 * n ? j != i - n : j <= i - 2 * n;

			if (on)
				fat_bit_set(chosen, j);
			else
				fat_bit_clear(chosen, j);
		}
		logdev_apply(cutter->log, epoch, chosen, cutter->image);
		judge_state(cutter, dev, epoch);
		logdev_revert(cutter->log, epoch, cutter->image);
	}
	free(chosen);
}

/* Run the transaction of @t on a logdev; @plan makes it. */
static size_t cut_everywhere(
	struct test *t, void (*plan)(struct test *t), int (*state)(struct fat_volume *vol))
{
	struct cutter cutter = {.state = state};
	struct blkdev *logged, *dev;

	end(t);
	ck_assert_int_eq(logdev_new(t->f->dev, &cutter.log, &logged), 0);
	begin_on(t, logged);
	plan(t);
	ck_assert_int_eq(run_work(t), 0);
	end(t);
	blkdev_close(logged);
	cutter.image = malloc(write_log_image_size(cutter.log));
	ck_assert_int_eq(memdev_wrap(cutter.image, t->f->size, SECTOR, &dev), 0);
	for (size_t epoch = 0; epoch < write_log_n_epochs(cutter.log); epoch++)
		cut_epoch(&cutter, dev, epoch);
	blkdev_close(dev);
	free(cutter.image);
	write_log_free(cutter.log);
	return cutter.n_states;
}

START_TEST(test_power_may_be_cut_at_any_write)
{
	struct test *t = new_work(_i);

	ck_assert_uint_gt(cut_everywhere(t, plan_work, commits_done), 50);
	free_test(t);
}
END_TEST

static int full_is_there(struct fat_volume *vol)
{
	return is_there(vol, "/full/F113") ? 0 : -1;
}

/*
 * The FAT12 entry of cluster 341 lies in two sectors; here it is the directory's last cluster,
 * and half a link leads anywhere.
 */
static struct test *new_full_at_341(void)
{
	static const struct fixture_file filler[] = {
		{.path = "/filler", .size = 339 * 512, .seed = 1}};
	struct test *t = test_on(fixture_new(0, filler, 1));

	fixture_do(t->f, "mmd -i x.img ::/full");
	fill_dir(t, "/full", 14);
	ck_assert_uint_eq(fixture_find(t->f, "/full").first_cluster, 341);
	return t;
}

START_TEST(test_a_directory_grows_at_an_entry_in_two_sectors)
{
	struct test *t = new_full_at_341();

	ck_assert_uint_gt(cut_everywhere(t, plan_one_more, full_is_there), 8);
	fixture_judge(t->f);
	fixture_expect_file(t->f, "/full/ONEMORE", 10, 7);
	free_test(t);
}
END_TEST

/*
 * All of 0xFF8 to 0xFFF end a chain, but half a link is harmless only where 0xFFF was. What one FAT
 * copy has there says nothing about the other.
 */
START_TEST(test_a_directory_does_not_grow_at_another_end_mark_in_two_sectors)
{
	struct test *t = new_full_at_341();
	uint64_t copy = t->vol->geo.fat_offset + (uint64_t)_i * t->vol->geo.fat_size;
	uint8_t *low = t->f->bytes + copy + 511;
	struct fat_space space;

	*low = (uint8_t)((*low & 0x0f) | 0x80); /* of 0xFF8 */
	end(t);
	begin(t);
	plan_one_more(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -ENOSPC);
	ck_assert_uint_le(space.needed, space.free);
	ck_assert_ptr_nonnull(strstr(t->f->messages, "test: /full: the directory is full"));
	ck_assert_ptr_null(t->trace.text);
	free_test(t);
}
END_TEST

/* ---- entry sets in two sectors ---- */

static const char straddling_name[] =
	"a name so long that it takes seven slots, and even a few more letters";

static void plan_straddling(struct test *t)
{
	add(t, "/d", new_file(t, straddling_name, "ANAMES~1   ", 10, 7));
}

/* Of 16 slots in the last sector 2 are free; the set of 7 has no room in another one. */
static struct test *new_straddling(int type)
{
	struct test *t = test_on(fixture_new_mkfs(type == 0   ? "-F 12 -s 4 -r 64 x.img 1024"
						  : type == 1 ? "-F 16 -s 4 -r 64 x.img 20480"
							      : "-F 32 -s 4 x.img 140000",
		files, sizeof files / sizeof *files));

	fixture_do(t->f, "mmd -i x.img ::/d");
	fill_dir(t, "/d", 62);
	fixture_do(t->f, "mdel -i x.img ::/d/F112 ::/d/F113 ::/d/F114 ::/d/F115 ::/d/F116 "
			 "::/d/F117 ::/d/F118");
	end(t);
	begin(t);
	return t;
}

START_TEST(test_a_set_in_two_sectors_begins_with_the_long_name)
{
	static const char *const names[] = {"d", NULL};
	struct test *t = new_straddling(_i);
	struct fat_geometry geo = t->vol->geo;
	uint32_t dirs[] = {fixture_find(t->f, "/d").first_cluster};
	uint64_t at_dir = fat_cluster_offset(t->vol, dirs[0]);
	char text[256], want[256], path[128];

	plan_straddling(t);
	layout(t);
	t->trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	describe(t, &geo, names, dirs, text, sizeof text);
	ck_assert_int_eq(strncmp(text, "data flush fat2 flush fat1 flush d flush d flush", 48), 0);
	(void)snprintf(want, sizeof want, "write %llu+512\nflush\nwrite %llu+512\nflush\n",
		(unsigned long long)at_dir, (unsigned long long)at_dir + 512);
	ck_assert_ptr_nonnull(strstr(t->trace.text, want));
	end(t);
	fixture_judge(t->f);
	(void)snprintf(path, sizeof path, "/d/%s", straddling_name);
	fixture_expect_file(t->f, path, 10, 7);

	begin(t);
	remove_at(t, path);
	layout(t);
	trace_done(&t->trace);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	(void)snprintf(want, sizeof want, "write %llu+512\nflush\nwrite %llu+512\nflush\n",
		(unsigned long long)at_dir + 512, (unsigned long long)at_dir);
	ck_assert_int_eq(strncmp(t->trace.text, want, strlen(want)), 0);
	end(t);
	fixture_judge(t->f);
	free_test(t);
}
END_TEST

/* The next run uses the very slots, so that nothing piles up. */
START_TEST(test_an_interrupted_addition_is_taken_up_where_it_ended)
{
	struct test *t = new_straddling(_i);
	char path[128];

	plan_straddling(t);
	layout(t);
	t->fault = (struct fault){.ops = TESTDEV_WRITE};
	ck_assert_int_eq(fat_txn_run(t->txn, note_before_commit, t), 0);
	end(t);
	(void)snprintf(path, sizeof path, "/d/%s", straddling_name);
	begin(t);
	remove_at(t, path);
	run(t);
	begin(t);
	plan_straddling(t);
	layout(t);
	t->fault = (struct fault){
		.ops = TESTDEV_WRITE, .error = -EIO, .nth = t->calls_before_commit + 2};
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), -EIO);
	end(t);
	ck_assert(!fixture_has(t->f, path));
	t->fault.nth = 0;
	t->f->messages[0] = '\0';
	begin(t);
	plan_straddling(t);
	run(t);
	fixture_expect_file(t->f, path, 10, 7);
	free_test(t);
}
END_TEST

/* ---- all of them ---- */

static void prepare(void)
{
	fixture_prepare(files, sizeof files / sizeof *files);
}

static void add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n, int loops)
{
	TCase *tc = suite_add_case(suite, name, tests, n, loops);

	tcase_set_timeout(tc, 120);
	tcase_add_unchecked_fixture(tc, prepare, fixture_forget);
}

static void add_contents(Suite *suite)
{
	const TTest *const tests[] = {
		test_a_new_version_keeps_some_files_adds_and_drops_others,
		test_subdirectories_name_their_new_parent,
		test_children_of_the_root_name_cluster_0_as_their_parent,
		test_a_directory_of_many_clusters_is_written_whole,
		test_a_directory_may_fill_its_cluster,
		test_names_are_copied_verbatim,
		test_attributes_times_and_case_flags_are_copied,
		test_a_replaced_file_has_the_new_contents_under_the_old_name,
		test_an_empty_file_has_no_cluster,
		test_behind_the_end_of_a_file_are_zeros,
		test_other_times_are_one_sector,
		test_files_and_directories_are_added,
		test_files_and_directories_are_removed,
		test_a_removed_name_can_be_added_again_at_once,
		test_the_freed_slots_are_used_again,
		test_a_rename_is_one_sector,
		test_a_rename_may_change_the_case_only,
		test_a_rename_may_bring_other_contents,
		test_a_rename_to_a_name_that_is_there_is_refused,
		test_a_rename_that_is_more_than_one_write_is_refused,
		test_a_renamed_entry_does_not_go_behind_the_end_mark,
		test_orphans_go_and_everything_else_stays,
		test_a_later_version_of_the_same_directory_wins,
		test_a_shared_file_needs_room_once,
		test_a_chain_may_move_within_a_version,
	};

	add_case(suite, "contents", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
}

static void add_names(Suite *suite)
{
	const TTest *const tests[] = {
		test_a_taken_short_name_is_changed_with_its_checksums,
		test_two_new_files_with_one_short_name_get_two,
		test_names_that_must_stay_make_others_give_way,
		test_a_name_that_is_there_in_other_case_is_refused,
		test_a_name_without_alias_that_is_taken_is_refused,
		test_two_equal_names_in_one_version_are_refused,
		test_names_that_collide_are_refused_whether_there_is_room_or_not,
		test_the_label_takes_no_name,
	};

	add_case(suite, "names", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
}

static void add_room(Suite *suite)
{
	const TTest *const fixed_root[] = {
		test_a_full_fixed_root_is_refused, test_the_last_slot_of_a_fixed_root_can_be_used};
	const TTest *const chained_root[] = {
		test_the_root_of_fat32_grows, test_clusters_beyond_65535_can_be_used};
	const TTest *const tests[] = {
		test_a_full_directory_grows,
		test_a_directory_grows_by_what_the_longest_name_needs,
		test_a_set_stays_in_one_sector_if_it_can,
		test_a_lone_short_entry_does_not_follow_an_orphan,
		test_an_orphan_before_the_end_mark_hides_nothing,
		test_too_little_room_is_told_in_bytes_and_nothing_is_written,
		test_a_directory_that_cannot_grow_for_want_of_clusters_is_told_so,
	};
	const TTest *const whole_volume[] = {test_the_last_cluster_can_be_used,
		test_lost_clusters_are_room_for_what_is_new, test_bad_clusters_are_never_used,
		test_bad_clusters_stay_bad_when_lost_ones_are_freed};

	add_case(suite, "fixed root", fixed_root, 2, 2);
	add_case(suite, "chained root", chained_root, 2, 1);
	add_case(suite, "room", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	add_case(suite, "whole volume", whole_volume, 4, 2);
}

static void add_order(Suite *suite)
{
	const TTest *const tests[] = {
		test_prepare_commit_and_release_follow_each_other_with_a_barrier_each,
		test_a_directory_grows_in_the_last_copy_first,
		test_nothing_to_do_writes_nothing,
		test_a_run_needs_a_layout,
		test_only_a_checked_volume_without_damage_can_be_changed,
		test_after_a_run_the_volume_must_be_checked_again,
		test_lost_clusters_are_freed_and_copies_evened_out,
		test_a_set_in_two_sectors_begins_with_the_long_name,
		test_an_interrupted_addition_is_taken_up_where_it_ended,
	};
	const TTest *const one_type[] = {
		test_a_replaced_file_on_fat12_writes_just_this,
		test_the_device_is_looked_at_first_before_a_commit_and_last,
		test_an_unknown_or_wrong_free_count_is_put_right_and_the_hint_left,
		test_a_sector_that_is_no_fsinfo_is_left_alone,
	};
	const TTest *const border[] = {test_a_volume_between_fat12_and_fat16_is_never_written};
	const TTest *const other[] = {test_other_sectors_clusters_and_one_copy};

	add_case(suite, "order", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	add_case(suite, "fsinfo", one_type, sizeof(one_type) / sizeof(*one_type), 1);
	add_case(suite, "border", border, 1, 2);
	add_case(suite, "geometries", other, 1, sizeof geometries / sizeof *geometries);
}

static void add_faults(Suite *suite)
{
	const TTest *const tests[] = {
		test_the_work_of_the_following_cases_works,
		test_a_refusal_before_the_commit_leaves_lost_clusters_at_most,
		test_commits_are_done_when_it_is_said,
		test_a_transaction_that_is_given_up_between_commits_leaves_a_sound_volume,
		test_steps_that_are_out_of_turn_are_refused,
		test_after_a_commit_that_failed_nothing_is_written,
		test_a_stop_at_any_poll_writes_no_more_and_commits_nothing,
		test_a_foreign_write_is_not_overwritten,
		test_a_lost_write_is_noticed_before_the_commit,
		test_a_flipped_bit_is_noticed_before_the_commit,
		test_a_lost_commit_is_noticed,
		test_any_failing_write_leaves_a_sound_volume,
		test_any_half_write_leaves_a_sound_volume,
		test_any_failing_read_leaves_a_sound_volume,
		test_any_failing_barrier_leaves_a_sound_volume,
		test_nothing_is_written_to_a_device_that_is_another_now,
		test_a_device_that_fails_because_it_is_gone_is_said_to_be_gone,
	};
	const TTest *const halves[] = {test_half_a_lost_write_is_noticed_before_the_commit};
	const TTest *const links[] = {test_a_lost_link_is_noticed};
	const TTest *const release[] = {
		test_a_lost_release_is_noticed_and_nothing_written_after_it};
	const TTest *const cuts[] = {test_power_may_be_cut_at_any_write};
	const TTest *const fat12[] = {test_a_directory_grows_at_an_entry_in_two_sectors};
	const TTest *const end_marks[] = {
		test_a_directory_does_not_grow_at_another_end_mark_in_two_sectors};

	add_case(suite, "faults", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
	add_case(suite, "half writes", halves, 1, 1);
	add_case(suite, "links", links, 1, 2 * FIXTURE_N_TYPES);
	add_case(suite, "release", release, 1, 1);
	add_case(suite, "power cuts", cuts, 1, 2);
	add_case(suite, "FAT12", fat12, 1, 1);
	add_case(suite, "end marks", end_marks, 1, 2);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("txn");
	add_contents(suite);
	add_names(suite);
	add_room(suite);
	add_order(suite);
	add_faults(suite);
	return suite_run(suite);
}
