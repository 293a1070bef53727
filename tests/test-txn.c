/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transactions: what a volume holds afterwards. Every volume that was changed is judged by fsck.fat.
 * Files beside this one: names that collide, room, order, faults, power cuts.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/transaction.h"

static const char *dot_cluster(struct txn_test *t, const char *path, uint32_t slot, uint32_t *ret)
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

static void expect_dots(struct txn_test *t, const char *path, uint32_t parent)
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
	struct txn_test *t = txn_test_new(_i);
	uint32_t a = fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster;
	uint32_t old = fixture_find(t->f, "/EFI/Linux").first_cluster;
	uint32_t before = txn_free_clusters(t);
	struct fat_item *dir = txn_new_dir(t, NULL, "LINUX      ");

	txn_put(dir, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(dir, txn_new_file(t, "a new kernel.efi", "ANEWKE~1EFI", 2048, 7));
	txn_replace(t, "/EFI/Linux", dir);
	txn_run(t);
	fixture_expect_file(t->f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/a new kernel.efi", 2048, 7);
	ck_assert(!fixture_has(t->f, "/EFI/Linux/b.efi"));
	ck_assert(!fixture_has(t->f, "/EFI/Linux/sub"));
	fixture_expect_file(t->f, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	fixture_expect_file(t->f, "/foreign.txt", 700, 5);
	ck_assert_uint_eq(fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster, a);
	ck_assert_uint_ne(fixture_find(t->f, "/EFI/Linux").first_cluster, old);
	/* Gone: b.efi 3, sub 1, c.efi 2. New: 4. */
	ck_assert_uint_eq(txn_free_clusters(t), before + 6 - 4);
	txn_test_free(t);
}
END_TEST

START_TEST(test_subdirectories_name_their_new_parent)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LINUX      "),
			*sub = txn_new_dir(t, "sub", "SUB        ");
	struct fat_item *below = txn_new_dir(t, NULL, "BELOW      ");
	uint32_t efi = fixture_find(t->f, "/EFI").first_cluster;

	txn_put(dir, sub);
	txn_put(sub, txn_keep(t, "/EFI/Linux/sub/c.efi"));
	txn_put(sub, below);
	txn_put(below, txn_new_file(t, NULL, "EMPTY      ", 0, 0));
	txn_replace(t, "/EFI/Linux", dir);
	txn_run(t);
	expect_dots(t, "/EFI/Linux", efi);
	expect_dots(t, "/EFI/Linux/sub", fixture_find(t->f, "/EFI/Linux").first_cluster);
	expect_dots(t, "/EFI/Linux/sub/BELOW", fixture_find(t->f, "/EFI/Linux/sub").first_cluster);
	fixture_expect_file(t->f, "/EFI/Linux/sub/c.efi", 600, 3);
	fixture_expect_file(t->f, "/EFI/Linux/sub/BELOW/EMPTY", 0, 0);
	txn_test_free(t);
}
END_TEST

/* Also on FAT32, where the root has a cluster. */
START_TEST(test_children_of_the_root_name_cluster_0_as_their_parent)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LOADER     "),
			*added = txn_new_dir(t, NULL, "ADDED      ");

	txn_put(dir, txn_new_file(t, NULL, "LOADER  CON", 10, 7));
	txn_replace(t, "/loader", dir);
	txn_add(t, "/", added);
	txn_run(t);
	expect_dots(t, "/loader", 0);
	expect_dots(t, "/ADDED", 0);
	txn_test_free(t);
}
END_TEST

/* 40 sets of 3 slots and the dots are 7.6 clusters. */
START_TEST(test_a_directory_of_many_clusters_is_written_whole)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LOADER     ");
	uint8_t sets[40][3 * FAT_SLOT_LEN];

	for (int i = 0; i < 40; i++) {
		char long_name[32], short_name[32];

		(void)snprintf(long_name, sizeof long_name, "entry number %d.conf", 10 + i);
		(void)snprintf(short_name, sizeof short_name, "ENTRY~%dCON", 10 + i);
		ck_assert_uint_eq(fixture_set(sets[i], long_name, short_name, 0x20, 0), 3);
		txn_put(dir, fat_item_file(t->txn, sets[i], 3, NULL));
	}
	txn_replace(t, "/loader", dir);
	txn_run(t);
	ck_assert(fixture_has(t->f, "/loader/entry number 10.conf"));
	ck_assert(fixture_has(t->f, "/loader/ENTRY~49.CON"));
	ck_assert_uint_eq(fixture_find(t->f, "/loader/entry number 49.conf").short_slot, 121);
	txn_test_free(t);
}
END_TEST

/* The 14 free slots of one cluster of 16: no end mark is left. */
START_TEST(test_a_directory_may_fill_its_cluster)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LOADER     ");
	uint32_t before = txn_free_clusters(t);

	for (int i = 0; i < 14; i++) {
		char short_name[32];

		(void)snprintf(short_name, sizeof short_name, "F%02d        ", i);
		txn_put(dir, txn_new_file(t, NULL, short_name, 0, 0));
	}
	txn_replace(t, "/loader", dir);
	txn_run(t);
	ck_assert(fixture_has(t->f, "/loader/F13"));
	ck_assert_uint_eq(txn_free_clusters(t), before + 1); /* loader.conf is gone */
	txn_test_free(t);
}
END_TEST

/* As Linux makes them: the long name for its case, the short name the same in capitals. */
START_TEST(test_names_are_copied_verbatim)
{
	static const char *const names[][2] = {{"vmlinuz", "VMLINUZ    "},
		{"Kernel.efi", "KERNEL  EFI"}, {"a long name.efi", "ALONGN~1EFI"},
		{"a long name too.efi", "ALONGN~2EFI"}};
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, "Linux", "LINUX      ");

	for (size_t i = 0; i < 4; i++)
		txn_put(dir, txn_new_file(t, names[i][0], names[i][1], 0, 0));
	txn_replace(t, "/EFI/Linux", dir);
	txn_add(t, "/", txn_new_file(t, "initrd", "INITRD     ", 0, 0));
	txn_run(t);
	for (size_t i = 0; i < 4; i++) {
		char path[64];
		struct fat_entry entry;

		(void)snprintf(path, sizeof path, "/EFI/Linux/%s", names[i][0]);
		entry = fixture_find(t->f, path);
		ck_assert_mem_eq(fat_entry_short(&entry)->name, names[i][1], 11);
		ck_assert_mem_eq(entry.slots, t->sets[1 + i], (size_t)entry.n_slots * FAT_SLOT_LEN);
	}
	ck_assert(fixture_has(t->f, "/INITRD"));
	txn_test_free(t);
}
END_TEST

START_TEST(test_attributes_times_and_case_flags_are_copied)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LOADER     ");
	struct fat_item *file = txn_new_file(t, NULL, "README  TXT", 10, 7);
	uint8_t *entry = t->sets[1];
	struct fat_entry found;

	entry[11] = 0x27;
	entry[12] = FAT_CASE_BASE | FAT_CASE_EXT;
	for (int i = 13; i < 20; i++)
		entry[i] = (uint8_t)(0x21 + i);
	txn_put(dir, file);
	txn_replace(t, "/loader", dir);
	txn_run(t);
	found = fixture_find(t->f, "/loader/readme.txt");
	ck_assert_str_eq(found.name, "readme.txt");
	ck_assert_mem_eq(found.slots, entry, 20);
	ck_assert_mem_eq(found.slots + 22, entry + 22, 4);
	txn_test_free(t);
}
END_TEST

/* ---- single entries ---- */

START_TEST(test_a_replaced_file_has_the_new_contents_under_the_old_name)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_entry before = fixture_find(t->f, "/foreign.txt"), after;
	uint32_t n_free = txn_free_clusters(t);

	txn_replace(t, "/foreign.txt", txn_new_file(t, "some other name", "OTHER      ", 5000, 7));
	txn_replace(t, "/EFI/BOOT/BOOTX64.EFI", txn_new_file(t, NULL, "BOOTX64 EFI", 512, 8));
	txn_run(t);
	fixture_expect_file(t->f, "/foreign.txt", 5000, 7);
	fixture_expect_file(t->f, "/EFI/BOOT/BOOTX64.EFI", 512, 8);
	after = fixture_find(t->f, "/foreign.txt");
	ck_assert_uint_eq(after.short_slot, before.short_slot);
	ck_assert_str_eq(after.name, before.name);
	ck_assert_mem_eq(fat_entry_short(&after)->name, fat_entry_short(&before)->name, 11);
	ck_assert_uint_eq(fat_entry_short(&after)->write_date.byte[1], 0x5a);
	ck_assert_uint_eq(txn_free_clusters(t), n_free + 2 - 10 + 4 - 1);
	txn_test_free(t);
}
END_TEST

START_TEST(test_an_empty_file_has_no_cluster)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t);
	struct fat_entry entry;

	txn_replace(t, "/foreign.txt", txn_new_file(t, NULL, "FOREIGN TXT", 0, 0));
	txn_run(t);
	entry = fixture_find(t->f, "/foreign.txt");
	ck_assert_uint_eq(entry.size, 0);
	ck_assert_uint_eq(entry.first_cluster, 0);
	ck_assert_uint_eq(txn_free_clusters(t), n_free + 2);
	txn_begin(t);
	txn_replace(t, "/foreign.txt", txn_new_file(t, NULL, "FOREIGN TXT", 1024, 7));
	txn_run(t);
	fixture_expect_file(t->f, "/foreign.txt", 1024, 7);
	ck_assert_uint_eq(txn_free_clusters(t), n_free);
	txn_test_free(t);
}
END_TEST

/* What memory held there is nobody's business. */
START_TEST(test_behind_the_end_of_a_file_are_zeros)
{
	struct txn_test *t = txn_test_new(_i);
	uint64_t first = fat_cluster_offset(t->vol, 2);
	const uint8_t *file;

	txn_add(t, "/", txn_new_file(t, NULL, "NEW        ", 600, 7));
	txn_run(t);
	file = t->f->bytes + first +
	       (uint64_t)(fixture_find(t->f, "/NEW").first_cluster - 2) * TXN_SECTOR;
	for (uint32_t at = 600; at < 2 * TXN_SECTOR; at++)
		ck_assert_uint_eq(file[at], 0);
	txn_test_free(t);
}
END_TEST

START_TEST(test_other_times_are_one_sector)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t);
	struct fat_item *item = txn_keep(t, "/foreign.txt");
	struct fat_entry entry;

	t->sets[0][11] = FAT_ATTR_READ_ONLY;
	t->sets[0][22] = 0x11;
	txn_replace(t, "/foreign.txt", item);
	txn_layout(t);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_ptr_eq(strchr(t->trace.text, '\n'), t->trace.text + t->trace.len - 1);
	ck_assert_ptr_nonnull(strstr(t->trace.text, "+512\n"));
	txn_end(t);
	fixture_judge(t->f);
	entry = fixture_find(t->f, "/foreign.txt");
	ck_assert_uint_eq(entry.attributes, FAT_ATTR_READ_ONLY);
	ck_assert_uint_eq(entry.slots[22], 0x11);
	fixture_expect_file(t->f, "/foreign.txt", 700, 5);
	ck_assert_uint_eq(txn_free_clusters(t), n_free);
	txn_test_free(t);
}
END_TEST

START_TEST(test_files_and_directories_are_added)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, "a new directory", "ANEWDI~1   ");

	txn_put(dir, txn_new_file(t, "in it", "INIT       ", 100, 7));
	txn_add(t, "/", txn_new_file(t, NULL, "KERNEL     ", 1025, 8));
	txn_add(t, "/EFI", dir);
	txn_add(t, "/EFI/BOOT", txn_new_file(t, "grub long name.efi", "GRUBLO~1EFI", 0, 0));
	txn_run(t);
	fixture_expect_file(t->f, "/KERNEL", 1025, 8);
	fixture_expect_file(t->f, "/EFI/a new directory/in it", 100, 7);
	fixture_expect_file(t->f, "/EFI/BOOT/grub long name.efi", 0, 0);
	expect_dots(t, "/EFI/a new directory", fixture_find(t->f, "/EFI").first_cluster);
	fixture_expect_file(t->f, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	txn_test_free(t);
}
END_TEST

START_TEST(test_files_and_directories_are_removed)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t);

	txn_remove(t, "/EFI/Linux");
	txn_remove(t, "/foreign.txt");
	txn_remove(t, "/EFI/BOOT/BOOTX64.EFI");
	txn_run(t);
	ck_assert(!fixture_has(t->f, "/EFI/Linux"));
	ck_assert(!fixture_has(t->f, "/foreign.txt"));
	ck_assert(!fixture_has(t->f, "/EFI/BOOT/BOOTX64.EFI"));
	ck_assert(fixture_has(t->f, "/EFI/BOOT"));
	ck_assert(fixture_has(t->f, "/loader/loader.conf"));
	ck_assert_uint_eq(txn_free_clusters(t), n_free + 1 + 6 + 3 + 1 + 2 + 2 + 4);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_removed_name_can_be_added_again_at_once)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, "Foreign.TXT", "FOREIGN TXT");

	txn_remove(t, "/foreign.txt");
	txn_add(t, "/", dir);
	txn_run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/foreign.txt").attributes, FAT_ATTR_DIRECTORY);
	txn_test_free(t);
}
END_TEST

START_TEST(test_the_freed_slots_are_used_again)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t slot = fixture_find(t->f, "/foreign.txt").short_slot;

	txn_remove(t, "/foreign.txt");
	txn_run(t);
	txn_begin(t);
	txn_add(t, "/", txn_new_file(t, NULL, "OTHER      ", 0, 0));
	txn_run(t);
	ck_assert_uint_eq(fixture_find(t->f, "/OTHER").short_slot, slot);
	txn_test_free(t);
}
END_TEST

/* ---- renames ---- */

/* The chain of @path under another name. */
static struct fat_item *keep_under(
	struct txn_test *t, const char *path, const char *long_name, const char *short_name)
{
	struct fat_entry entry = fixture_find(t->f, path);
	uint8_t *set = txn_new_set(t);
	uint32_t n = fixture_set(set, long_name, short_name, entry.attributes, entry.size);

	return fat_item_keep(t->txn, set, n, entry.first_cluster, false);
}

START_TEST(test_a_rename_is_one_sector)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t b = fixture_find(t->f, "/EFI/Linux/b.efi").first_cluster,
		 n_free = txn_free_clusters(t);

	txn_rename(t, "/EFI/Linux/b.efi",
		keep_under(t, "/EFI/Linux/b.efi", "b with a longer name.efi", "BWITHA~1EFI"));
	txn_layout(t);
	t->trace.ops = TESTDEV_WRITE;
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	ck_assert_ptr_eq(strchr(t->trace.text, '\n'), t->trace.text + t->trace.len - 1);
	ck_assert_ptr_nonnull(strstr(t->trace.text, "+512\n"));
	txn_end(t);
	fixture_judge(t->f);
	ck_assert(!fixture_has(t->f, "/EFI/Linux/b.efi"));
	fixture_expect_file(t->f, "/EFI/Linux/b with a longer name.efi", 1500, 2);
	fixture_expect_file(t->f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/sub/c.efi", 600, 3);
	ck_assert_uint_eq(
		fixture_find(t->f, "/EFI/Linux/b with a longer name.efi").first_cluster, b);
	ck_assert_uint_eq(txn_free_clusters(t), n_free);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_rename_may_change_the_case_only)
{
	struct txn_test *t = txn_test_new(_i);

	txn_rename(t, "/foreign.txt", keep_under(t, "/foreign.txt", "Foreign.Txt", "FOREIGN TXT"));
	txn_rename(t, "/EFI/BOOT", keep_under(t, "/EFI/BOOT", "Boot", "BOOT       "));
	txn_run(t);
	ck_assert_str_eq(fixture_find(t->f, "/foreign.txt").name, "Foreign.Txt");
	ck_assert_str_eq(fixture_find(t->f, "/EFI/BOOT").name, "Boot");
	fixture_expect_file(t->f, "/Foreign.Txt", 700, 5);
	fixture_expect_file(t->f, "/EFI/Boot/BOOTX64.EFI", 2000, 4);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_rename_may_bring_other_contents)
{
	struct txn_test *t = txn_test_new(_i);
	uint32_t n_free = txn_free_clusters(t);

	txn_rename(t, "/foreign.txt", txn_new_file(t, "New name.txt", "NEWNAM~1TXT", 1500, 7));
	txn_run(t);
	ck_assert(!fixture_has(t->f, "/foreign.txt"));
	fixture_expect_file(t->f, "/New name.txt", 1500, 7);
	ck_assert_uint_eq(txn_free_clusters(t), n_free + 2 - 3);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_rename_to_a_name_that_is_there_is_refused)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_space space;

	txn_rename(
		t, "/EFI/Linux/b.efi", keep_under(t, "/EFI/Linux/b.efi", "A.Efi", "AEFI~1     "));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -EEXIST);
	txn_test_free(t);
}
END_TEST

/* 16 slots: dots, 14 files, no room for two slots more. */
START_TEST(test_a_rename_that_is_more_than_one_write_is_refused)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_space space;

	fixture_do(t->f, "mmd -i x.img ::/full; for i in $(seq 10 23); do : >F$i; done; "
			 "mcopy -i x.img F* ::/full/");
	txn_end(t);
	txn_begin(t);
	txn_rename(t, "/full/F15", txn_new_file(t, "f15", "F15        ", 0, 0));
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), -EXDEV);
	ck_assert_str_eq(t->f->messages, "");
	txn_test_free(t);
}
END_TEST

/* Slots: dots, an orphan, F, G, an orphan, the end mark. */
START_TEST(test_a_renamed_entry_does_not_go_behind_the_end_mark)
{
	struct txn_test *t = txn_test_new(_i);
	uint8_t orphan[2 * FAT_SLOT_LEN];

	fixture_do(t->f, "mmd -i x.img ::/d");
	(void)fixture_set(orphan, "orphan", "ORPHAN~1   ", 0x20, 0);
	memcpy(txn_slot_of(t, "/d", 2), orphan, FAT_SLOT_LEN);
	(void)fixture_set(txn_slot_of(t, "/d", 3), NULL, "F          ", 0x20, 0);
	(void)fixture_set(txn_slot_of(t, "/d", 4), NULL, "G          ", 0x20, 0);
	memcpy(txn_slot_of(t, "/d", 5), orphan, FAT_SLOT_LEN);
	txn_end(t);
	txn_begin(t);
	txn_rename(t, "/d/F", txn_new_file(t, NULL, "NEWNAME    ", 0, 0));
	txn_layout(t);
	ck_assert_int_eq(fat_txn_run(t->txn, NULL, NULL), 0);
	(void)fixture_check(t->f);
	ck_assert(fixture_has(t->f, "/d/NEWNAME"));
	ck_assert(fixture_has(t->f, "/d/G"));
	ck_assert(!fixture_has(t->f, "/d/F"));
	txn_test_free(t);
}
END_TEST

/* ---- tidying up ---- */

START_TEST(test_orphans_go_and_everything_else_stays)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_place place;
	struct fat_entry orphan;

	fixture_do(t->f, "for i in $(seq 10 29); do : >\"a file with number $i\"; done; "
			 "mmd -i x.img ::/d; mcopy -i x.img a* ::/d/");
	for (int i = 12; i < 30; i += 5) {
		char path[64];

		(void)snprintf(path, sizeof path, "/d/a file with number %d", i);
		orphan = fixture_find(t->f, path);
		if (orphan.short_slot < 16) /* the directory's first cluster */
			*txn_slot_of(t, "/d", orphan.short_slot) = FAT_SLOT_DELETED;
	}
	txn_end(t);
	txn_begin(t);
	place = txn_in(t, "/d");
	ck_assert_int_eq(fat_txn_tidy(t->txn, &place), 0);
	txn_run(t);
	ck_assert(!fixture_has(t->f, "/d/a file with number 12"));
	ck_assert(fixture_has(t->f, "/d/a file with number 10"));
	ck_assert(fixture_has(t->f, "/d/a file with number 29"));
	txn_test_free(t);
}
END_TEST

/* ---- several versions ---- */

START_TEST(test_a_later_version_of_the_same_directory_wins)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *first = txn_new_dir(t, NULL, "LINUX      "),
			*second = txn_new_dir(t, NULL, "LINUX      ");
	struct fat_item *shared = txn_new_file(t, NULL, "NEW     EFI", 2500, 7);
	uint32_t n_free = txn_free_clusters(t);

	txn_put(first, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(first, txn_keep(t, "/EFI/Linux/b.efi"));
	txn_put(first, shared);
	txn_put(first, txn_new_file(t, NULL, "DOOMED     ", 512 * 7, 8));
	txn_put(second, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(second, shared);
	txn_replace(t, "/EFI/Linux", first);
	txn_replace(t, "/EFI/Linux", second);
	txn_run(t);
	fixture_expect_file(t->f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/NEW.EFI", 2500, 7);
	ck_assert(!fixture_has(t->f, "/EFI/Linux/b.efi"));
	ck_assert(!fixture_has(t->f, "/EFI/Linux/DOOMED"));
	ck_assert_uint_eq(t->sources[0].n_read, 1);
	ck_assert_uint_eq(t->sources[0].n_compared, 1);
	ck_assert_uint_eq(txn_free_clusters(t), n_free + 3 + 1 + 2 - 5);
	txn_test_free(t);
}
END_TEST

START_TEST(test_a_shared_file_needs_room_once)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *first = txn_new_dir(t, NULL, "LINUX      "),
			*second = txn_new_dir(t, NULL, "LINUX      ");
	struct fat_item *shared = txn_new_file(t, NULL, "NEW     EFI", 2500, 7);
	struct fat_space space;

	txn_put(first, shared);
	txn_put(second, shared);
	txn_replace(t, "/EFI/Linux", first);
	txn_replace(t, "/EFI/Linux", second);
	ck_assert_int_eq(fat_txn_layout(t->txn, &space), 0);
	ck_assert_uint_eq(space.needed, (1 + 1 + 5) * TXN_SECTOR);
	ck_assert_uint_eq(space.free, (uint64_t)txn_free_clusters(t) * TXN_SECTOR);
	txn_test_free(t);
}
END_TEST

/* A file that moves to another directory of the same new version keeps its clusters. */
START_TEST(test_a_chain_may_move_within_a_version)
{
	struct txn_test *t = txn_test_new(_i);
	struct fat_item *dir = txn_new_dir(t, NULL, "LINUX      "),
			*sub = txn_new_dir(t, NULL, "NEWSUB     ");
	uint32_t a = fixture_find(t->f, "/EFI/Linux/a.efi").first_cluster;

	txn_put(dir, sub);
	txn_put(sub, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(dir, txn_keep(t, "/EFI/Linux/sub/c.efi"));
	txn_replace(t, "/EFI/Linux", dir);
	txn_run(t);
	fixture_expect_file(t->f, "/EFI/Linux/NEWSUB/a.efi", 3000, 1);
	fixture_expect_file(t->f, "/EFI/Linux/c.efi", 600, 3);
	ck_assert_uint_eq(fixture_find(t->f, "/EFI/Linux/NEWSUB/a.efi").first_cluster, a);
	txn_test_free(t);
}
END_TEST

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

	txn_add_case(suite, "contents", tests, sizeof(tests) / sizeof(*tests), FIXTURE_N_TYPES);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("txn");
	add_contents(suite);
	return suite_run(suite);
}
