/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One mirror, synced as a whole: what changes or gets lost meanwhile is noticed before the commits. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "lib/internal.h"
#include "tests/fixture.h"
#include "tests/testdev.h"

enum { FAT12 = 0, FAT16 = 1 };

struct test {
	struct fes_context *context;
	struct fes_managed managed;
	struct fixture *primary, *mirror;
	struct fes_volume *volume; /* the primary's */
	struct fes_tree *tree;
	struct fes_digester *digester;
	struct fault fault; /* of the mirror */
	char message[1024]; /* the last one */
	bool two_steps;     /* it was told that what goes is removed first */
	bool force;
	char note[1024];    /* the mirror's first */
};

static const struct fixture_file new_files[] = {
	{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
};
static const struct fixture_file old_files[] = {
	{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 2},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
};

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct test *t = userdata;

	(void)level;
	t->two_steps |= strstr(message, "removing first") != NULL;
	(void)snprintf(t->message, sizeof t->message, "%s", message);
}

static struct fes_volume *adopt(struct test *t, struct blkdev *dev, const char *name)
{
	struct fes_volume *volume;

	ck_assert_int_eq(fes_volume_adopt(t->context, dev, name, &volume, NULL), 0);
	return volume;
}

static void open_primary(struct test *t)
{
	struct fat_check_result check;
	struct blkdev *dev;

	ck_assert_int_eq(memdev_wrap(t->primary->bytes, t->primary->size, 512, &dev), 0);
	t->volume = adopt(t, dev, "primary");
	ck_assert_int_eq(fes_volume_require_sound(t->volume, &check), 0);
	ck_assert_int_eq(fes_tree_read(t->volume, &t->managed, &t->tree), 0);
	ck_assert_int_eq(fes_digester_start(t->tree, &t->digester), 0);
}

static struct test *test_with(struct fixture *primary, struct fixture *mirror)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->primary = primary;
	t->mirror = mirror;
	ck_assert_int_eq(fes_new(&t->context), 0);
	fes_set_log(t->context, take_message, t);
	ck_assert_int_eq(fes_managed_init(&t->managed), 0);
	open_primary(t);
	return t;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct test *new_test(void)
{
	return test_with(fixture_new(FAT16, new_files, COUNT(new_files)),
		fixture_new(FAT12, old_files, COUNT(old_files)));
}

/* The mirror has room for one of the large files only: the old one goes first. */
static struct test *new_tight(void)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 1},
		{.path = "/EFI/Linux/new.efi", .size = 300000, .seed = 3},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 2},
		{.path = "/EFI/Linux/old.efi", .size = 300000, .seed = 4},
	};

	return test_with(fixture_new(FAT16, primary, COUNT(primary)),
		fixture_new_mkfs("-F 12 -s 1 x.img 400", mirror, COUNT(mirror)));
}

static void close_primary(struct test *t)
{
	fes_digester_stop(t->digester);
	fes_tree_free(t->tree);
	fes_volume_close(t->volume);
}

static void free_test(struct test *t)
{
	close_primary(t);
	fixture_free(t->primary);
	fixture_free(t->mirror);
	fes_managed_done(&t->managed);
	fes_free(t->context);
	free(t);
}

static enum fes_mirror_state sync_mirror(struct test *t)
{
	struct fes_mirror mirror = {0};
	struct fes_run run = {
		.context = t->context,
		.primary = t->volume,
		.tree = t->tree,
		.managed = &t->managed,
		.digester = t->digester,
		.flags = t->force ? FES_SYNC_FORCE : 0,
	};
	const char *note;
	struct blkdev *below, *dev;
	enum fes_mirror_state state;

	ck_assert_int_eq(memdev_wrap(t->mirror->bytes, t->mirror->size, 512, &below), 0);
	ck_assert_int_eq(faultdev_new(below, &t->fault, &dev), 0);
	mirror.volume = adopt(t, dev, "mirror");
	fes_mirror_sync(&mirror, &run);
	state = mirror.state;
	note = fes_mirror_get_note(&mirror, 0);
	(void)snprintf(t->note, sizeof t->note, "%s", note ? note : "");
	fes_mirror_done(&mirror);
	blkdev_close(below);
	return state;
}

/* Nothing was committed, and @reason was told. */
static void expect_state(struct test *t, enum fes_mirror_state state, const char *reason)
{
	ck_assert_int_eq(sync_mirror(t), state);
	ck_assert_msg(strstr(t->message, reason) != NULL, "%s", t->message);
	(void)fixture_check(t->mirror);
	fixture_expect_file(t->mirror, "/EFI/Linux/kernel.efi", 3000, 2);
}

static void expect_stop(struct test *t, const char *reason)
{
	expect_state(t, FES_MIRROR_FAILED, reason);
}

static uint8_t *kernel_bytes(struct test *t)
{
	uint32_t cluster = fixture_find(t->primary, "/EFI/Linux/kernel.efi").first_cluster;

	return t->primary->bytes + fat_cluster_offset(t->volume->fat, cluster);
}

START_TEST(test_a_mirror_becomes_equal)
{
	struct test *t = new_test();

	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_SYNCED);
	fixture_judge(t->mirror);
	fixture_expect_file(t->mirror, "/EFI/Linux/kernel.efi", 3000, 1);
	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_IN_SYNC);
	free_test(t);
}
END_TEST

START_TEST(test_a_mirror_without_room_becomes_equal_in_two_steps)
{
	struct test *t = new_tight();

	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_SYNCED);
	ck_assert(t->two_steps);
	fixture_judge(t->mirror);
	fixture_expect_file(t->mirror, "/EFI/Linux/new.efi", 300000, 3);
	free_test(t);
}
END_TEST

/* Since the tree was read, the kernel got another time. */
static void touch_kernel(struct test *t)
{
	struct fat_entry dir = fixture_find(t->primary, "/EFI/Linux");
	struct fat_entry file = fixture_find(t->primary, "/EFI/Linux/kernel.efi");
	uint8_t *slot = t->primary->bytes + fat_cluster_offset(t->volume->fat, dir.first_cluster) +
		(size_t)file.short_slot * FAT_SLOT_LEN;

	slot[offsetof(struct fat_short_slot, write_time)] ^= 0x20;
}

START_TEST(test_a_primary_whose_entries_change_is_noticed)
{
	struct test *t = new_test();

	touch_kernel(t);
	expect_stop(t, "changed while it was read");
	free_test(t);
}
END_TEST

/* The first step removes what the primary may have again by now. */
START_TEST(test_a_primary_that_changes_is_noticed_before_anything_is_removed)
{
	struct test *t = new_tight();

	touch_kernel(t);
	expect_state(t, FES_MIRROR_REFUSED, "changed while it was read");
	ck_assert(t->two_steps);
	fixture_expect_file(t->mirror, "/EFI/Linux/old.efi", 300000, 4);
	free_test(t);
}
END_TEST

/* The file's last cluster goes into use elsewhere: entries alone do not tell. */
START_TEST(test_a_primary_whose_table_changes_is_noticed)
{
	struct test *t = new_test();
	uint32_t cluster = fixture_find(t->primary, "/EFI/Linux/kernel.efi").first_cluster;
	uint8_t *entry = t->primary->bytes + t->volume->fat->geo.fat_offset +
		(size_t)cluster * 2;

	entry[0] ^= 0x40;
	expect_stop(t, "changed while it was read");
	free_test(t);
}
END_TEST

/* Contents are overwritten where they stand after they were compared, before they are copied. */
START_TEST(test_contents_that_change_before_they_are_copied_are_noticed)
{
	struct test *t = new_test();
	struct fes_digest digest;

	for (size_t i = 0; i < t->tree->n_nodes; i++)
		if (strcmp(t->tree->nodes[i]->path, "/EFI/Linux/kernel.efi") == 0) {
			fes_digester_want(t->digester, t->tree->nodes[i]);
			ck_assert_int_eq(
				fes_digester_get(t->digester, t->tree->nodes[i], &digest), 0);
		}
	kernel_bytes(t)[100] ^= 1;
	expect_stop(t, "changed while it was read");
	free_test(t);
}
END_TEST

/* Lose the nth write. Returns whether it was the kernel's. */
static bool lose_write(uint64_t nth)
{
	struct test *t = new_test();
	bool kernel;

	t->fault = (struct fault){.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = nth};
	expect_stop(t, "read back");
	ck_assert_uint_eq(t->fault.n_fired, 1);
	kernel = strstr(t->message, "/EFI/Linux/kernel.efi: what was read back") != NULL;
	free_test(t);
	return kernel;
}

/* Contents come first, in no order that matters here. */
START_TEST(test_contents_that_the_mirror_loses_are_noticed)
{
	uint64_t nth = 1;

	while (!lose_write(nth))
		nth++;
}
END_TEST

/* Its size changes, so says the nth look at it. Returns whether there was an nth one. */
static bool sync_cut_short(uint64_t nth)
{
	struct test *t = new_test();
	bool fired;

	t->fault = (struct fault){.ops = TESTDEV_RECHECK, .error = -ESTALE, .nth = nth};
	if (sync_mirror(t) == FES_MIRROR_SYNCED)
		ck_assert_uint_eq(t->fault.n_fired, 0);
	else
		ck_assert_msg(strstr(t->message, "mirror: its size changed") != NULL, "%s",
			t->message);
	fired = t->fault.n_fired > 0;
	free_test(t);
	return fired;
}

START_TEST(test_a_mirror_that_is_cut_short_meanwhile_is_not_called_synced)
{
	uint64_t nth = 1;

	while (sync_cut_short(nth))
		nth++;
	ck_assert_uint_gt(nth, 3); /* first, before a commit, last */
}
END_TEST

/* What is told several times, as of a primary that is read anew, is known once. */
START_TEST(test_each_note_is_kept_once)
{
	struct fes_context *context;
	struct fes_mirror mirror = {0};

	ck_assert_int_eq(fes_new(&context), 0);
	ck_assert_ptr_null(fes_mirror_get_note(&mirror, 0));
	fes_mirror_note(context, &mirror, "%s is kept", "/a");
	fes_mirror_note(context, &mirror, "%s is kept", "/b\nor not");
	fes_mirror_note(context, &mirror, "%s is kept", "/a");
	ck_assert_str_eq(fes_mirror_get_note(&mirror, 0), "/a is kept");
	ck_assert_str_eq(fes_mirror_get_note(&mirror, 1), "/b?or not is kept");
	ck_assert_ptr_null(fes_mirror_get_note(&mirror, 2));
	fes_mirror_reset(&mirror);
	ck_assert_ptr_null(fes_mirror_get_note(&mirror, 0));
	fes_free(context);
}
END_TEST

/* ---- what is the mirror's own ---- */

static struct test *new_changed(void)
{
	struct test *t = new_test();

	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_SYNCED);
	fixture_do(t->mirror, "printf own | mcopy -i x.img - ::/EFI/Linux/mine.efi");
	return t;
}

START_TEST(test_a_mirror_that_changed_by_itself_is_refused)
{
	struct test *t = new_changed();

	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->message, "mirror: has files that came after") &&
			strstr(t->message, " /EFI/Linux/mine.efi; "),
		"%s", t->message);
	ck_assert(fixture_has(t->mirror, "/EFI/Linux/mine.efi"));
	free_test(t);
}
END_TEST

START_TEST(test_force_goes_on_and_notes_what_went)
{
	struct test *t = new_changed();

	t->force = true;
	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_SYNCED);
	ck_assert_msg(strstr(t->note, "--force: /EFI/Linux/mine.efi") != NULL, "%s", t->note);
	ck_assert(!fixture_has(t->mirror, "/EFI/Linux/mine.efi"));
	fixture_judge(t->mirror);
	t->force = false;
	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_IN_SYNC);
	free_test(t);
}
END_TEST

/* Sync from another primary. */
static enum fes_mirror_state sync_from(struct test *t, struct fixture *primary)
{
	struct fixture *own = t->primary;
	enum fes_mirror_state state;

	close_primary(t);
	t->primary = primary;
	open_primary(t);
	state = sync_mirror(t);
	close_primary(t);
	t->primary = own;
	open_primary(t);
	return state;
}

/* Three versions of a primary; the one in the middle is synced in part. */
START_TEST(test_a_sync_that_failed_at_any_write_leaves_nothing_of_its_own)
{
	static const struct fixture_file next_files[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 3100, .seed = 5},
		{.path = "/loader/loader.conf", .text = "timeout 30"},
	};
	static const struct fixture_file last_files[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 3200, .seed = 6},
		{.path = "/loader/loader.conf", .text = "timeout 300"},
	};
	struct test *t = test_with(fixture_new(FAT16, old_files, COUNT(old_files)),
		fixture_new(FAT12, old_files, COUNT(old_files)));
	struct fixture *next = fixture_new(FAT16, next_files, COUNT(next_files));
	struct fixture *last = fixture_new(FAT16, last_files, COUNT(last_files));
	uint8_t *start = malloc(t->mirror->size);
	enum fes_mirror_state state = FES_MIRROR_FAILED;

	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_IN_SYNC);
	memcpy(start, t->mirror->bytes, t->mirror->size);
	for (uint64_t n = 1; state == FES_MIRROR_FAILED; n++) {
		memcpy(t->mirror->bytes, start, t->mirror->size);
		t->fault = (struct fault){
			.ops = TESTDEV_WRITE, .error = -EIO, .nth = n, .sticky = true};
		state = sync_from(t, next);
		t->fault = (struct fault){0};
		ck_assert_msg(sync_from(t, last) == FES_MIRROR_SYNCED, "write %d: %s", (int)n,
			t->message);
	}
	ck_assert_int_eq(state, FES_MIRROR_SYNCED);
	free(start);
	fixture_free(next);
	fixture_free(last);
	free_test(t);
}
END_TEST

/* Six clusters for the kernel and one for its directory: none for what the mirror remembers. */
START_TEST(test_what_found_no_room_comes_when_the_old_contents_are_gone)
{
	struct test *t = new_test();

	fixture_fill_but(t->mirror, 7);
	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_SYNCED);
	ck_assert_str_eq(t->note, "");
	ck_assert(!t->two_steps);
	ck_assert(fixture_has(t->mirror, "/loader/esp-sync.was"));
	fixture_judge(t->mirror);
	free_test(t);
}
END_TEST

START_TEST(test_what_finds_no_room_at_all_is_noted)
{
	struct test *t = new_test();

	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_SYNCED);
	fixture_do(t->mirror, "mdel -i x.img ::/loader/esp-sync.was");
	fixture_fill_but(t->mirror, 0);
	ck_assert_int_eq(sync_mirror(t), FES_MIRROR_IN_SYNC);
	ck_assert_ptr_nonnull(strstr(t->note, "too little room for files of its own"));
	ck_assert(!fixture_has(t->mirror, "/loader/esp-sync.was"));
	free_test(t);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mirror");
	Suite *suite = suite_create("mirror");
	SRunner *runner;
	int failed;

	if (!fixture_tools())
		return 77;
	tcase_add_test(tc, test_a_mirror_becomes_equal);
	tcase_add_test(tc, test_a_mirror_without_room_becomes_equal_in_two_steps);
	tcase_add_test(tc, test_a_primary_whose_entries_change_is_noticed);
	tcase_add_test(tc, test_a_primary_that_changes_is_noticed_before_anything_is_removed);
	tcase_add_test(tc, test_a_primary_whose_table_changes_is_noticed);
	tcase_add_test(tc, test_contents_that_change_before_they_are_copied_are_noticed);
	tcase_add_test(tc, test_contents_that_the_mirror_loses_are_noticed);
	tcase_add_test(tc, test_a_mirror_that_is_cut_short_meanwhile_is_not_called_synced);
	tcase_add_test(tc, test_each_note_is_kept_once);
	tcase_add_test(tc, test_a_mirror_that_changed_by_itself_is_refused);
	tcase_add_test(tc, test_force_goes_on_and_notes_what_went);
	tcase_add_test(tc, test_a_sync_that_failed_at_any_write_leaves_nothing_of_its_own);
	tcase_add_test(tc, test_what_found_no_room_comes_when_the_old_contents_are_gone);
	tcase_add_test(tc, test_what_finds_no_room_at_all_is_noted);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
