/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <string.h>

#include "tests/txn-work.h"

void txn_work_plan(struct txn_test *t)
{
	struct fat_item *first = txn_new_dir(t, NULL, "LINUX      "),
			*second = txn_new_dir(t, NULL, "LINUX      ");
	struct fat_item *added = txn_new_dir(t, "a new directory", "ANEWDI~1   ");
	struct fat_item *shared = txn_new_file(t, "a new kernel.efi", "ANEWKE~1EFI", 2500, 7);

	txn_put(first, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(first, txn_keep(t, "/EFI/Linux/b.efi"));
	txn_put(first, shared);
	txn_put(second, txn_keep(t, "/EFI/Linux/a.efi"));
	txn_put(second, shared);
	txn_put(added, txn_new_file(t, NULL, "INIT       ", 100, 8));
	txn_replace(t, "/EFI/Linux", first);
	txn_add(t, "/full", added);
	txn_replace(t, "/EFI/BOOT/BOOTX64.EFI", txn_new_file(t, NULL, "BOOTX64 EFI", 1000, 9));
	txn_replace(t, "/EFI/Linux", second);
	txn_remove(t, "/loader");
}

/* What was deleted long ago; else a lost write of zeros would be none. */
static void fill_free_clusters(struct txn_test *t, uint32_t n)
{
	for (uint32_t c = 2; n > 0 && fat_cluster_valid(t->vol, c); c++)
		if (fat_next(t->vol, c) == FAT_FREE) {
			memset(t->f->bytes + fat_cluster_offset(t->vol, c), 0xee,
				t->vol->geo.cluster_size);
			n--;
		}
}

void txn_work_fill(struct txn_test *t, int n_full)
{
	fixture_do(t->f, "mmd -i x.img ::/full");
	txn_fill_dir(t, "/full", n_full);
	fill_free_clusters(t, 100);
	fixture_do(t->f, "true"); /* what fixture_reset() brings back */
}

struct txn_test *txn_work_new(int type)
{
	struct txn_test *t = txn_test_new(type);

	txn_work_fill(t, 14);
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

bool txn_work_is_there(struct fat_volume *vol, const char *path)
{
	struct fat_entry entry;

	return fat_lookup(vol, path, &entry) == 0;
}

int txn_work_state_of(struct fat_volume *vol)
{
	bool kernel = is_file(vol, "/EFI/Linux/a new kernel.efi", 2500, 7);
	bool b = is_file(vol, "/EFI/Linux/b.efi", 1500, 2);
	bool added = is_file(vol, "/full/a new directory/INIT", 100, 8);
	bool old_boot = is_file(vol, "/EFI/BOOT/BOOTX64.EFI", 2000, 4);
	bool new_boot = is_file(vol, "/EFI/BOOT/BOOTX64.EFI", 1000, 9);
	bool loader = txn_work_is_there(vol, "/loader/loader.conf");

	if (!is_file(vol, "/EFI/Linux/a.efi", 3000, 1) || !is_file(vol, "/foreign.txt", 700, 5) ||
		!txn_work_is_there(vol, "/full/F113") || old_boot == new_boot)
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

int txn_work_state(struct fixture *f)
{
	struct fat_volume *vol;
	int n;

	ck_assert_int_eq(fat_open(f->dev, "test", NULL, &vol), 0);
	n = txn_work_state_of(vol);
	fat_close(vol);
	return n;
}

int txn_work_note_before_commit(void *userdata)
{
	struct txn_test *t = userdata;

	t->n_before_commit++;
	t->calls_before_commit = t->fault.n_calls;
	return 0;
}

int txn_work_run(struct txn_test *t)
{
	struct fat_space space;
	int r = fat_txn_layout(t->txn, &space);

	return r < 0 ? r : fat_txn_run(t->txn, txn_work_note_before_commit, t);
}

void txn_work_tidy_up(struct txn_test *t)
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

void txn_work_plan_one_more(struct txn_test *t)
{
	txn_add(t, "/full", txn_new_file(t, NULL, "ONEMORE    ", 10, 7));
}
