/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From two volumes to a plan. A plan is compared as text: its commits in their order, then what it
 * tells people. Then it is carried out, and nothing may be left to do.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/planning.h"
#include "tests/suite.h"

enum {
	FAT12 = 0,
	FAT16 = 1,
	FAT32 = 2,
	TEXT_LEN = 4096, /* of a plan */
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Volumes of FAT16 and FAT12 with these files. */
#define NEW_TEST(primary, mirror)                                 \
	planning_new(fixture_new(FAT16, primary, COUNT(primary)), \
		fixture_new(FAT12, mirror, COUNT(mirror)))

/* ---- as text ---- */

static void print(char *text, const char *a, const char *b, const char *c, const char *d)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, TEXT_LEN - len, "%s%s%s%s\n", a, b, c, d);
}

static void print_site(char *text, const struct fes_site *site)
{
	static const char *const phases[] = {"payload: ", "loader: ", "removal: "};
	static const char *const kinds[] = {
		"rebuild ", "replace ", "touch ", "rename ", "tidy ", "add ", "remove "};
	const struct fes_node *node = site->p ? site->p : site->m;

	print(text, phases[site->phase], kinds[site->kind], node->path,
		site->retains ? ", retaining" : "");
}

static void print_change(char *text, const struct fes_change *change)
{
	static const char *const kinds[] = {
		NULL, "new ", "contents ", "removed ", "renamed ", "touched ", "tidied "};

	print(text, kinds[change->kind], change->path, change->old_path ? " from " : "",
		change->old_path ? change->old_path : "");
}

static void print_plan(char text[TEXT_LEN], const struct fes_plan *plan)
{
	text[0] = '\0';
	for (size_t i = 0; i < plan->n_sites; i++)
		print_site(text, &plan->sites[i]);
	for (size_t i = 0; i < plan->n_changes; i++)
		print_change(text, &plan->changes[i]);
}

static void expect_plan(struct planning *t, const char *text)
{
	int r = planning_make(t);
	char found[TEXT_LEN];

	ck_assert_msg(r == 0, "%d: %s", r, t->messages.text);
	print_plan(found, t->plan);
	ck_assert_str_eq(found, text);
}

/* Carry it out; another plan is empty then, and the mirror in best order. */
static void settle(struct planning *t)
{
	struct fes_apply apply = {.plan = t->plan, .digester = t->digester};
	struct fes_transaction *transaction;
	int r = fes_transaction_new(&apply, NULL, &transaction);

	ck_assert_msg(r == 0, "%d: %s", r, t->messages.text);
	r = fes_transaction_prepare(transaction);
	if (r == 0)
		r = fes_transaction_finish(transaction);
	fes_transaction_free(transaction);
	ck_assert_msg(r == 0, "%d: %s", r, t->messages.text);
	expect_plan(t, "");
	planning_drop(t);
	fixture_judge(t->mirror.f);
	ck_assert_str_eq(t->messages.text, "");
}

static void expect_and_settle(struct planning *t, const char *text)
{
	expect_plan(t, text);
	settle(t);
}

static void manage(struct planning *t, const char *path)
{
	ck_assert_int_eq(fes_managed_add(&t->managed, path), 0);
}

static void exclude(struct planning *t, const char *path)
{
	ck_assert_int_eq(fes_managed_exclude(&t->managed, path), 0);
}

/* ---- what is equal ---- */

static const struct fixture_file common[] = {
	{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	{.path = "/EFI/Linux/b.efi", .size = 1500, .seed = 2},
	{.path = "/EFI/Linux/sub/deep/c.efi", .size = 600, .seed = 3},
	{.path = "/EFI/Linux/sub/deep/d.efi", .size = 700, .seed = 4},
	{.path = "/EFI/Linux/sub/e.efi", .size = 800, .seed = 5},
	{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 900, .seed = 6},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/loader/entries/a.conf", .text = "title A\nlinux /EFI/Linux/a.efi"},
};

/* Two volumes with the same files, to be changed with mtools. */
static struct planning *new_common(void)
{
	return planning_new(fixture_new(FAT16, common, COUNT(common)),
		fixture_new(FAT12, common, COUNT(common)));
}

START_TEST(test_equal_volumes_need_nothing)
{
	static const int types[][2] = {
		{FAT12, FAT12}, {FAT12, FAT16}, {FAT16, FAT32}, {FAT32, FAT12}};
	struct planning *t = planning_new(fixture_new(types[_i][0], common, COUNT(common)),
		fixture_new(types[_i][1], common, COUNT(common)));

	expect_plan(t, "");
	planning_free(t);
}
END_TEST

START_TEST(test_what_is_not_managed_does_not_matter)
{
	static const struct fixture_file primary[] = {
		{.path = "/loader/loader.conf", .text = "timeout 3"},
		{.path = "/loader/random-seed", .size = 32, .seed = 1},
		{.path = "/loader/.#loader.conf", .size = 32, .seed = 1},
		{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 900, .seed = 2},
		{.path = "/vmlinuz", .size = 900, .seed = 3},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/vmlinuz", .size = 10, .seed = 4},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
		{.path = "/loader/random-seed", .size = 32, .seed = 5},
		{.path = "/EFI/Microsoft/Boot/BCD", .size = 900, .seed = 6},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_plan(t, "");
	planning_free(t);
}
END_TEST

/* mtools writes kernel.efi as a short name with flags; Linux adds a long name. */
START_TEST(test_slots_that_mean_the_same_are_equal)
{
	struct planning *t = new_common();
	struct fat_entry entry = fixture_find(t->mirror.f, "/EFI/Linux/b.efi");
	struct fat_entry dir = fixture_find(t->mirror.f, "/EFI/Linux");
	uint8_t *slots;

	fixture_open(t->mirror.f);
	slots = t->mirror.f->bytes + fat_cluster_offset(t->mirror.f->vol, dir.first_cluster);
	fixture_close(t->mirror.f);
	ck_assert_uint_eq(entry.short_slot, 4); /* behind the dots, sub and a.efi */
	(void)fixture_set(slots + 4 * 32, "b.efi", "B       EFI", 0x20, 1500);
	memcpy(slots + 5 * 32 + 13, entry.slots + 13, 19);
	fixture_judge(t->mirror.f);
	ck_assert_uint_eq(fixture_find(t->mirror.f, "/EFI/Linux/b.efi").n_slots, 2);
	expect_plan(t, "");
	planning_free(t);
}
END_TEST

/* ---- where it is done ---- */

START_TEST(test_the_lowest_directory_with_all_changes_is_rebuilt)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f, "echo other >x; mcopy -o -i x.img x ::/EFI/Linux/sub/deep/c.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux/sub/deep\n"
			     "contents /EFI/Linux/sub/deep/c.efi\n");
	fixture_do(
		t->primary.f, "mdel -i x.img ::/EFI/Linux/sub/deep/c.efi ::/EFI/Linux/sub/e.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux/sub\n"
			     "removed /EFI/Linux/sub/deep/c.efi\n"
			     "removed /EFI/Linux/sub/e.efi\n");
	fixture_do(t->primary.f, "echo new >x; mcopy -i x.img x ::/EFI/Linux/sub/new.efi; "
				 "mcopy -i x.img x ::/EFI/Linux/new.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "new /EFI/Linux/new.efi\n"
			     "new /EFI/Linux/sub/new.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/sub/deep/d.efi", 700, 4);
	planning_free(t);
}
END_TEST

START_TEST(test_changes_in_two_managed_directories_are_two_commits)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f, "mdel -i x.img ::/EFI/Linux/b.efi; echo timeout 5 >x; "
				 "mcopy -o -i x.img x ::/loader/loader.conf; "
				 "mcopy -o -i x.img x ::/EFI/systemd/systemd-bootx64.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "payload: rebuild /EFI/systemd\n"
			     "loader: rebuild /loader\n"
			     "removed /EFI/Linux/b.efi\n"
			     "contents /EFI/systemd/systemd-bootx64.efi\n"
			     "contents /loader/loader.conf\n");
	planning_free(t);
}
END_TEST

START_TEST(test_an_empty_mirror_gets_everything)
{
	struct planning *t =
		planning_new(fixture_new(FAT16, common, COUNT(common)),
			fixture_new(FAT12, NULL, 0));

	expect_and_settle(t, "payload: add /EFI\n"
			     "loader: add /loader\n"
			     "new /EFI\n"
			     "new /EFI/Linux\n"
			     "new /EFI/Linux/a.efi\n"
			     "new /EFI/Linux/b.efi\n"
			     "new /EFI/Linux/sub\n"
			     "new /EFI/Linux/sub/deep\n"
			     "new /EFI/Linux/sub/deep/c.efi\n"
			     "new /EFI/Linux/sub/deep/d.efi\n"
			     "new /EFI/Linux/sub/e.efi\n"
			     "new /EFI/systemd\n"
			     "new /EFI/systemd/systemd-bootx64.efi\n"
			     "new /loader\n"
			     "new /loader/entries\n"
			     "new /loader/entries/a.conf\n"
			     "new /loader/loader.conf\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/sub/deep/c.efi", 600, 3);
	planning_free(t);
}
END_TEST

/* What else is in the primary's /EFI is none of the mirror's business. */
START_TEST(test_a_new_parent_brings_only_what_is_managed)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 2},
		{.path = "/loader/random-seed", .size = 32, .seed = 3},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
	};
	struct planning *t =
		planning_new(fixture_new(FAT16, primary, COUNT(primary)),
			fixture_new(FAT12, NULL, 0));

	expect_and_settle(t, "payload: add /EFI\n"
			     "loader: add /loader\n"
			     "new /EFI\n"
			     "new /EFI/Linux\n"
			     "new /EFI/Linux/a.efi\n"
			     "new /loader\n"
			     "new /loader/loader.conf\n");
	ck_assert(!fixture_has(t->mirror.f, "/EFI/BOOT"));
	ck_assert(!fixture_has(t->mirror.f, "/loader/random-seed"));
	planning_free(t);
}
END_TEST

START_TEST(test_a_label_like_a_directory_is_in_nobodys_way)
{
	struct planning *t = planning_new(fixture_new(FAT16, common, COUNT(common)),
		fixture_new_mkfs("-F 12 -s 1 -n LOADER x.img 1024", NULL, 0));

	ck_assert_int_eq(planning_make(t), 0);
	settle(t);
	planning_free(t);
}
END_TEST

START_TEST(test_a_managed_directory_that_is_gone_is_removed)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f, "mdeltree -i x.img ::/EFI/systemd");
	expect_and_settle(t, "payload: remove /EFI/systemd\n"
			     "removed /EFI/systemd\n"
			     "removed /EFI/systemd/systemd-bootx64.efi\n");
	ck_assert(fixture_has(t->mirror.f, "/EFI"));
	fixture_do(t->primary.f, "mdeltree -i x.img ::/EFI ::/loader");
	expect_and_settle(t, "loader: remove /loader\n"
			     "removal: remove /EFI/Linux\n"
			     "removed /EFI/Linux\n"
			     "removed /EFI/Linux/a.efi\n"
			     "removed /EFI/Linux/b.efi\n"
			     "removed /EFI/Linux/sub\n"
			     "removed /EFI/Linux/sub/deep\n"
			     "removed /EFI/Linux/sub/deep/c.efi\n"
			     "removed /EFI/Linux/sub/deep/d.efi\n"
			     "removed /EFI/Linux/sub/e.efi\n"
			     "removed /loader\n"
			     "removed /loader/entries\n"
			     "removed /loader/entries/a.conf\n"
			     "removed /loader/loader.conf\n");
	planning_free(t);
}
END_TEST

/* ---- what is foreign inside ---- */

START_TEST(test_private_files_stay_when_their_directory_is_rebuilt)
{
	static const struct fixture_file primary[] = {
		{.path = "/loader/loader.conf", .text = "timeout 3"},
		{.path = "/loader/random-seed", .size = 32, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/loader/random-seed", .size = 40, .seed = 2},
		{.path = "/loader/loader.conf", .text = "timeout 5"},
	};
	struct planning *t = NEW_TEST(primary, mirror);
	uint32_t seed = fixture_find(t->mirror.f, "/loader/random-seed").first_cluster;

	expect_and_settle(t, "loader: rebuild /loader\n"
			     "contents /loader/loader.conf\n");
	fixture_expect_file(t->mirror.f, "/loader/random-seed", 40, 2);
	ck_assert_uint_eq(fixture_find(t->mirror.f, "/loader/random-seed").first_cluster, seed);
	planning_free(t);
}
END_TEST

/* Its `..` names the directory, so that cannot move. */
START_TEST(test_a_directory_with_a_foreign_directory_is_edited_in_place)
{
	static const struct fixture_file primary[] = {
		{.path = "/loader/loader.conf", .text = "timeout 3"},
		{.path = "/loader/new.conf", .text = "new"},
		{.path = "/loader/entries/a.conf", .text = "title A"},
		{.path = "/loader/keys/db", .size = 10, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/loader/swtpm/state", .size = 600, .seed = 2},
		{.path = "/loader/loader.conf", .text = "timeout 5"},
		{.path = "/loader/entries/a.conf", .text = "title B"},
		{.path = "/loader/old.conf", .text = "old"},
		{.path = "/loader/gone/x", .text = "x"},
	};
	struct planning *t = NEW_TEST(primary, mirror);
	uint32_t cluster = fixture_find(t->mirror.f, "/loader").first_cluster;

	expect_and_settle(t, "loader: rebuild /loader/entries\n"
			     "loader: add /loader/keys\n"
			     "loader: replace /loader/loader.conf\n"
			     "loader: add /loader/new.conf\n"
			     "loader: remove /loader/gone\n"
			     "loader: remove /loader/old.conf\n"
			     "contents /loader/entries/a.conf\n"
			     "removed /loader/gone\n"
			     "removed /loader/gone/x\n"
			     "new /loader/keys\n"
			     "new /loader/keys/db\n"
			     "contents /loader/loader.conf\n"
			     "new /loader/new.conf\n"
			     "removed /loader/old.conf\n");
	ck_assert_uint_eq(fixture_find(t->mirror.f, "/loader").first_cluster, cluster);
	fixture_expect_file(t->mirror.f, "/loader/swtpm/state", 600, 2);
	planning_free(t);
}
END_TEST

/* Whatever is foreign, the directories above it stay. */
START_TEST(test_what_is_foreign_stays_in_a_directory_that_goes)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/systemd/x.efi", .size = 600, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/systemd/x.efi", .size = 600, .seed = 1},
		{.path = "/EFI/Linux/directory/x.efi", .size = 600, .seed = 2},
		{.path = "/EFI/Linux/old.efi", .size = 700, .seed = 3},
		{.path = "/EFI/Linux/sub/mine.efi", .size = 800, .seed = 4},
		{.path = "/EFI/Linux/sub/old.efi", .size = 900, .seed = 5},
		{.path = "/loader/random-seed", .size = 32, .seed = 6},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	exclude(t, "/EFI/Linux/directory");
	exclude(t, "/EFI/Linux/sub/mine.efi");
	expect_and_settle(t, "payload: remove /EFI/Linux/sub/old.efi\n"
			     "loader: remove /loader/loader.conf\n"
			     "removal: remove /EFI/Linux/old.efi\n"
			     "removed /EFI/Linux/old.efi\n"
			     "removed /EFI/Linux/sub/old.efi\n"
			     "removed /loader/loader.conf\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/directory/x.efi", 600, 2);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/sub/mine.efi", 800, 4);
	fixture_expect_file(t->mirror.f, "/loader/random-seed", 32, 6);
	planning_free(t);
}
END_TEST

START_TEST(test_a_foreign_file_below_a_lost_subdirectory_stays)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 600, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 600, .seed = 2},
		{.path = "/EFI/Linux/sub/deep/mine.efi", .size = 800, .seed = 4},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	exclude(t, "/EFI/Linux/sub/deep/mine.efi");
	ck_assert_int_eq(planning_make(t), 0);
	settle(t);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a.efi", 600, 1);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/sub/deep/mine.efi", 800, 4);
	planning_free(t);
}
END_TEST

START_TEST(test_a_directory_with_foreign_files_does_not_become_a_file)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/x", .size = 600, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/x/mine.efi", .size = 600, .seed = 2},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	exclude(t, "/EFI/Linux/x/mine.efi");
	ck_assert_int_eq(planning_make(t), -EEXIST);
	ck_assert_ptr_nonnull(strstr(t->messages.text, "mirror: /EFI/Linux/x: "));
	planning_free(t);
}
END_TEST

START_TEST(test_a_managed_file_among_foreign_ones_is_handled_alone)
{
	static const struct fixture_file primary[] = {
		{.path = "/vendor/changed.bin", .size = 900, .seed = 1},
		{.path = "/vendor/new.bin", .size = 800, .seed = 2},
		{.path = "/vendor/foreign.bin", .size = 800, .seed = 3},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/vendor/foreign.bin", .size = 10, .seed = 4},
		{.path = "/vendor/gone.bin", .size = 600, .seed = 5},
		{.path = "/vendor/changed.bin", .size = 900, .seed = 6},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	manage(t, "/vendor/changed.bin");
	manage(t, "/vendor/new.bin");
	manage(t, "/vendor/gone.bin");
	expect_and_settle(t, "payload: replace /vendor/changed.bin\n"
			     "payload: add /vendor/new.bin\n"
			     "payload: remove /vendor/gone.bin\n"
			     "contents /vendor/changed.bin\n"
			     "removed /vendor/gone.bin\n"
			     "new /vendor/new.bin\n");
	fixture_expect_file(t->mirror.f, "/vendor/foreign.bin", 10, 4);
	fixture_expect_file(t->mirror.f, "/vendor/changed.bin", 900, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_a_whole_tree_can_be_managed_but_for_a_part)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 2},
		{.path = "/EFI/Microsoft/Boot/BCD", .size = 900, .seed = 3},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 900, .seed = 4},
		{.path = "/EFI/Microsoft/Boot/BCD", .size = 900, .seed = 5},
		{.path = "/EFI/old/x", .size = 900, .seed = 6},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	manage(t, "/EFI");
	exclude(t, "/EFI/Microsoft");
	expect_and_settle(t, "payload: rebuild /EFI/BOOT\n"
			     "payload: add /EFI/Linux\n"
			     "payload: remove /EFI/old\n"
			     "contents /EFI/BOOT/BOOTX64.EFI\n"
			     "new /EFI/Linux\n"
			     "new /EFI/Linux/a.efi\n"
			     "removed /EFI/old\n"
			     "removed /EFI/old/x\n");
	fixture_expect_file(t->mirror.f, "/EFI/Microsoft/Boot/BCD", 900, 5);
	planning_free(t);
}
END_TEST

START_TEST(test_empty_directories_come_and_go)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new/"}, {.path = "/loader/entries/"}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old/"}, {.path = "/EFI/systemd/"}};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "payload: remove /EFI/systemd\n"
			     "loader: add /loader\n"
			     "new /EFI/Linux/new\n"
			     "removed /EFI/Linux/old\n"
			     "removed /EFI/systemd\n"
			     "new /loader\n"
			     "new /loader/entries\n");
	planning_free(t);
}
END_TEST

/* The foreign file has the alias that the primary's new one has, too. */
START_TEST(test_foreign_files_keep_their_short_names)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a new kernel.efi", .size = 900, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a new kettle.efi", .size = 800, .seed = 2}};
	struct planning *t = NEW_TEST(primary, mirror);

	exclude(t, "/EFI/Linux/a new kettle.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "new /EFI/Linux/a new kernel.efi\n");
	ck_assert_str_eq(
		fixture_find(t->mirror.f, "/EFI/Linux/ANEWKE~1.EFI").name, "a new kettle.efi");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a new kernel.efi", 900, 1);
	planning_free(t);
}
END_TEST

/* ---- renames ---- */

/* Clusters stay where they are. */
static void expect_kept(struct planning *t, const char *path, uint32_t cluster)
{
	ck_assert_uint_eq(fixture_find(t->mirror.f, path).first_cluster, cluster);
}

START_TEST(test_a_renamed_file_keeps_its_clusters)
{
	struct planning *t = new_common();
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	fixture_do(t->primary.f, "mren -i x.img ::/EFI/Linux/a.efi 'a+3-1.efi'");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/a+3-1.efi from /EFI/Linux/a.efi\n");
	expect_kept(t, "/EFI/Linux/a+3-1.efi", a);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a+3-1.efi", 3000, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_a_file_may_move_within_one_commit)
{
	struct planning *t = new_common();
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	fixture_do(t->primary.f, "mmove -i x.img ::/EFI/Linux/a.efi ::/EFI/Linux/sub/deep/");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/sub/deep/a.efi from /EFI/Linux/a.efi\n");
	expect_kept(t, "/EFI/Linux/sub/deep/a.efi", a);
	planning_free(t);
}
END_TEST

/* Between the two commits it would be in both, or in none. */
START_TEST(test_a_file_does_not_move_between_two_commits)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f, "mmove -i x.img ::/EFI/Linux/b.efi ::/EFI/systemd/");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "payload: rebuild /EFI/systemd\n"
			     "removed /EFI/Linux/b.efi\n"
			     "new /EFI/systemd/b.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/systemd/b.efi", 1500, 2);
	planning_free(t);
}
END_TEST

START_TEST(test_a_renamed_directory_keeps_the_clusters_of_its_files)
{
	struct planning *t = new_common();
	uint32_t c = fixture_find(t->mirror.f, "/EFI/Linux/sub/deep/c.efi").first_cluster;
	char text[TEXT_LEN];

	fixture_do(t->primary.f, "mren -i x.img ::/EFI/Linux/sub other");
	ck_assert_int_eq(planning_make(t), 0);
	print_plan(text, t->plan);
	ck_assert_ptr_nonnull(strstr(text,
		"renamed /EFI/Linux/other/deep/c.efi from /EFI/Linux/sub/deep/c.efi\n"));
	settle(t);
	expect_kept(t, "/EFI/Linux/other/deep/c.efi", c);
	planning_free(t);
}
END_TEST

START_TEST(test_one_chain_is_lent_once)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new1.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/new2.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/kept.efi", .size = 900, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/kept.efi", .size = 900, .seed = 1},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/new1.efi from /EFI/Linux/old.efi\n"
			     "new /EFI/Linux/new2.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/new1.efi", 900, 1);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/new2.efi", 900, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_of_two_equal_files_one_is_renamed_and_one_removed)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new.efi", .size = 900, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old2.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/old1.efi", .size = 900, .seed = 1},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/new.efi from /EFI/Linux/old1.efi\n"
			     "removed /EFI/Linux/old2.efi\n");
	planning_free(t);
}
END_TEST

/* Files of one size have to be told apart by their contents, of two sizes not. */
START_TEST(test_swapped_names_write_no_data)
{
	struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 2},
		{.path = "/EFI/Linux/b.efi", .size = 900, .seed = 1},
	};
	struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/b.efi", .size = 900, .seed = 2},
	};
	struct planning *t;
	uint32_t a, b;

	if (_i == 1)
		primary[0].size = mirror[1].size = 1700;
	t = NEW_TEST(primary, mirror);
	a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;
	b = fixture_find(t->mirror.f, "/EFI/Linux/b.efi").first_cluster;
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/a.efi from /EFI/Linux/b.efi\n"
			     "renamed /EFI/Linux/b.efi from /EFI/Linux/a.efi\n");
	expect_kept(t, "/EFI/Linux/a.efi", b);
	expect_kept(t, "/EFI/Linux/b.efi", a);
	planning_free(t);
}
END_TEST

/* As kernel packages rotate: the old one gets another name, its name a new kernel. */
START_TEST(test_a_rotated_file_keeps_its_clusters)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/linux.efi", .size = 1800, .seed = 2},
		{.path = "/EFI/Linux/linux-old.efi", .size = 900, .seed = 1},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/linux.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/linux-old.efi", .size = 700, .seed = 3},
	};
	struct planning *t = NEW_TEST(primary, mirror);
	uint32_t cluster = fixture_find(t->mirror.f, "/EFI/Linux/linux.efi").first_cluster;

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/linux-old.efi from /EFI/Linux/linux.efi\n"
			     "contents /EFI/Linux/linux.efi\n");
	expect_kept(t, "/EFI/Linux/linux-old.efi", cluster);
	planning_free(t);
}
END_TEST

START_TEST(test_empty_files_are_not_renamed)
{
	static const struct fixture_file primary[] = {{.path = "/EFI/Linux/new"}};
	static const struct fixture_file mirror[] = {{.path = "/EFI/Linux/old"}};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "new /EFI/Linux/new\n"
			     "removed /EFI/Linux/old\n");
	planning_free(t);
}
END_TEST

START_TEST(test_another_case_is_another_name)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/A.EFI", .size = 900, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1}};
	struct planning *t = NEW_TEST(primary, mirror);
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/A.EFI from /EFI/Linux/a.efi\n");
	ck_assert_str_eq(fixture_find(t->mirror.f, "/EFI/Linux/a.efi").name, "A.EFI");
	expect_kept(t, "/EFI/Linux/A.EFI", a);
	planning_free(t);
}
END_TEST

/* What systemd-boot calls Linux may have been made as LINUX by an installer. */
START_TEST(test_managed_roots_and_their_parents_have_no_case)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/LOADER/loader.conf", .text = "timeout 3"},
		{.path = "/efi/LINUX/a.efi", .size = 900, .seed = 1},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_plan(t, "");
	planning_free(t);
}
END_TEST

static struct planning *new_mixed(
	const struct fixture_file *primary, const struct fixture_file *mirror)
{
	struct planning *t =
		planning_new(fixture_new(FAT16, primary, 1), fixture_new(FAT12, mirror, 2));

	exclude(t, "/EFI/Linux/mine");
	return t;
}

START_TEST(test_in_a_mixed_directory_a_file_is_renamed_in_place)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a+2-1.efi", .size = 900, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a+3.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	struct planning *t = new_mixed(primary, mirror);

	expect_and_settle(t, "payload: rename /EFI/Linux/a+2-1.efi\n"
			     "renamed /EFI/Linux/a+2-1.efi from /EFI/Linux/a+3.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a+2-1.efi", 900, 1);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/Linux/a+3.efi"));
	fixture_expect_file(t->mirror.f, "/EFI/Linux/mine/x.efi", 10, 2);
	planning_free(t);
}
END_TEST

START_TEST(test_in_a_mixed_directory_only_the_case_may_change)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/Kernel.efi", .size = 900, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	static const struct fixture_file other[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 800, .seed = 3},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	struct planning *t = new_mixed(primary, _i == 0 ? mirror : other);

	ck_assert_int_eq(planning_make(t), 0);
	settle(t);
	ck_assert_str_eq(fixture_find(t->mirror.f, "/EFI/Linux/kernel.efi").name, "Kernel.efi");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/Kernel.efi", 900, 1);
	planning_free(t);
}
END_TEST

/* ---- what an old loader entry still needs ---- */

static const struct fixture_file old_kernel[] = {
	{.path = "/EFI/Linux/linux-1.efi", .size = 900, .seed = 1},
	{.path = "/EFI/Linux/unnamed.efi", .size = 950, .seed = 2},
	{.path = "/loader/entries/linux.conf", .text = "linux /EFI/LINUX/LINUX-1.EFI"},
};
static const struct fixture_file new_kernel[] = {
	{.path = "/EFI/Linux/linux-2.efi", .size = 1900, .seed = 3},
	{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/linux-2.efi"},
};

START_TEST(test_a_kernel_goes_after_the_entry_that_names_it)
{
	struct planning *t = NEW_TEST(new_kernel, old_kernel);

	expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
			     "loader: rebuild /loader/entries\n"
			     "removal: rebuild /EFI/Linux\n"
			     "removed /EFI/Linux/linux-1.efi\n"
			     "new /EFI/Linux/linux-2.efi\n"
			     "removed /EFI/Linux/unnamed.efi\n"
			     "contents /loader/entries/linux.conf\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/linux-2.efi", 1900, 3);
	planning_free(t);
}
END_TEST

START_TEST(test_only_what_is_named_is_retained)
{
	struct planning *t = NEW_TEST(new_kernel, old_kernel);
	const struct fes_tree *tree;
	size_t n = 0;

	ck_assert_int_eq(planning_make(t), 0);
	tree = t->mirror.tree;
	for (size_t i = 0; i < tree->n_nodes; i++)
		if (t->plan->retained[i]) {
			ck_assert_str_eq(tree->nodes[i]->path, "/EFI/Linux/linux-1.efi");
			n++;
		}
	ck_assert_uint_eq(n, 1);
	planning_free(t);
}
END_TEST

/* Not only the first. */
START_TEST(test_what_any_entry_names_is_retained)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/c.efi", .size = 900, .seed = 3},
		{.path = "/loader/entries/one.conf", .text = "linux /EFI/Linux/c.efi"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 901, .seed = 1},
		{.path = "/EFI/Linux/b.efi", .size = 902, .seed = 2},
		{.path = "/loader/entries/one.conf", .text = "linux /EFI/Linux/a.efi"},
		{.path = "/loader/entries/two.conf", .text = "linux /EFI/Linux/b.efi"},
	};
	struct planning *t = NEW_TEST(primary, mirror);
	size_t n = 0;

	ck_assert_int_eq(planning_make(t), 0);
	for (size_t i = 0; i < t->mirror.tree->n_nodes; i++)
		n += t->plan->retained[i];
	ck_assert_uint_eq(n, 2);
	planning_free(t);
}
END_TEST

START_TEST(test_without_a_change_of_entries_nothing_is_retained)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f, "mdel -i x.img ::/EFI/Linux/a.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "removed /EFI/Linux/a.efi\n");
	planning_free(t);
}
END_TEST

/* The old name is named by an entry; until that is gone, both names are there. */
START_TEST(test_a_renamed_kernel_that_an_entry_names_is_there_under_both_names)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new.efi", .size = 900, .seed = 1},
		{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/new.efi"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old.efi", .size = 900, .seed = 1},
		{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/old.efi"},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
			     "loader: rebuild /loader/entries\n"
			     "removal: rebuild /EFI/Linux\n"
			     "new /EFI/Linux/new.efi\n"
			     "removed /EFI/Linux/old.efi\n"
			     "contents /loader/entries/linux.conf\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/new.efi", 900, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_a_named_directory_goes_after_its_entry)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/new/linux", .size = 900, .seed = 1},
		{.path = "/loader/entries/new.conf", .text = "linux /EFI/Linux/new/linux"},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/old/vmlinuz", .size = 800, .seed = 2},
		{.path = "/EFI/Linux/old/initrd", .size = 700, .seed = 3},
		{.path = "/EFI/systemd/shell.efi", .size = 600, .seed = 4},
		{.path = "/loader/entries/old.conf",
			.text = "linux /EFI/Linux/old/vmlinuz\nefi /EFI/systemd/Shell.efi"},
	};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
			     "loader: rebuild /loader/entries\n"
			     "removal: remove /EFI/systemd\n"
			     "removal: rebuild /EFI/Linux\n"
			     "new /EFI/Linux/new\n"
			     "new /EFI/Linux/new/linux\n"
			     "removed /EFI/Linux/old\n"
			     "removed /EFI/Linux/old/initrd\n"
			     "removed /EFI/Linux/old/vmlinuz\n"
			     "removed /EFI/systemd\n"
			     "removed /EFI/systemd/shell.efi\n"
			     "new /loader/entries/new.conf\n"
			     "removed /loader/entries/old.conf\n");
	planning_free(t);
}
END_TEST

START_TEST(test_in_a_mixed_directory_a_named_kernel_goes_last)
{
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/linux-1.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/unnamed.efi", .size = 950, .seed = 2},
		{.path = "/EFI/Linux/mine/x", .size = 10, .seed = 3},
		{.path = "/loader/entries/linux.conf", .text = "linux /EFI/Linux/linux-1.efi"},
	};
	struct planning *t = NEW_TEST(new_kernel, mirror);

	exclude(t, "/EFI/Linux/mine");
	expect_and_settle(t, "payload: add /EFI/Linux/linux-2.efi\n"
			     "payload: remove /EFI/Linux/unnamed.efi\n"
			     "loader: rebuild /loader/entries\n"
			     "removal: remove /EFI/Linux/linux-1.efi\n"
			     "removed /EFI/Linux/linux-1.efi\n"
			     "new /EFI/Linux/linux-2.efi\n"
			     "removed /EFI/Linux/unnamed.efi\n"
			     "contents /loader/entries/linux.conf\n");
	planning_free(t);
}
END_TEST

/* ---- images that are kept until the end ---- */

static const struct fixture_file three_images[] = {
	{.path = "/EFI/Linux/goes.efi", .size = 900, .seed = 1},
	{.path = "/EFI/Linux/named.efi", .size = 950, .seed = 2},
	{.path = "/EFI/Linux/stays.efi", .size = 1000, .seed = 3},
	{.path = "/EFI/Linux/goes.efi.extra.d/net.addon.efi", .size = 600, .seed = 4},
	{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 700, .seed = 5},
};

static bool is_retained(const struct planning *t, const char *path)
{
	const struct fes_tree *tree = t->plan->comparison->mirror;

	for (size_t i = 0; i < tree->n_nodes; i++)
		if (strcmp(tree->nodes[i]->path, path) == 0)
			return t->plan->retained[i];
	return false;
}

START_TEST(test_images_are_kept_although_no_entry_changes)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/renamed.efi", .size = 950, .seed = 2},
		{.path = "/EFI/Linux/stays.efi", .size = 1000, .seed = 3},
		{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 700, .seed = 5},
	};
	struct planning *t = NEW_TEST(primary, three_images);

	t->keep_images = true;
	ck_assert_int_eq(planning_make(t), 0);
	ck_assert(is_retained(t, "/EFI/Linux/goes.efi"));
	ck_assert(is_retained(t, "/EFI/Linux/goes.efi.extra.d"));
	expect_and_settle(t, "payload: rebuild /EFI/Linux, retaining\n"
			     "removal: rebuild /EFI/Linux\n"
			     "removed /EFI/Linux/goes.efi\n"
			     "removed /EFI/Linux/goes.efi.extra.d\n"
			     "removed /EFI/Linux/goes.efi.extra.d/net.addon.efi\n"
			     "renamed /EFI/Linux/renamed.efi from /EFI/Linux/named.efi\n");
	planning_free(t);
}
END_TEST

START_TEST(test_a_renamed_image_is_not_kept_under_its_old_name)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/goes.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/goes.efi.extra.d/net.addon.efi", .size = 600, .seed = 4},
		{.path = "/EFI/Linux/renamed.efi", .size = 950, .seed = 2},
		{.path = "/EFI/Linux/stays.efi", .size = 1000, .seed = 3},
		{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 700, .seed = 5},
	};
	struct planning *t = NEW_TEST(primary, three_images);

	t->keep_images = true;
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/renamed.efi from /EFI/Linux/named.efi\n");
	planning_free(t);
}
END_TEST

START_TEST(test_a_directory_of_images_is_kept_whole)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 800, .seed = 6},
	};
	struct planning *t = NEW_TEST(primary, three_images);

	t->keep_images = true;
	expect_plan(t, "payload: rebuild /EFI/systemd\n"
		       "removal: remove /EFI/Linux\n"
		       "removed /EFI/Linux\n"
		       "removed /EFI/Linux/goes.efi\n"
		       "removed /EFI/Linux/goes.efi.extra.d\n"
		       "removed /EFI/Linux/goes.efi.extra.d/net.addon.efi\n"
		       "removed /EFI/Linux/named.efi\n"
		       "removed /EFI/Linux/stays.efi\n"
		       "contents /EFI/systemd/systemd-bootx64.efi\n");
	settle(t);
	planning_free(t);
}
END_TEST

/* ---- files become directories, and the other way round ---- */

START_TEST(test_in_a_managed_directory_the_kind_may_change)
{
	static const struct fixture_file a[] = {
		{.path = "/EFI/Linux/x/y", .size = 600, .seed = 1},
		{.path = "/EFI/Linux/z", .size = 600, .seed = 2},
	};
	static const struct fixture_file b[] = {
		{.path = "/EFI/Linux/x", .size = 600, .seed = 3},
		{.path = "/EFI/Linux/z/y", .size = 600, .seed = 4},
	};
	struct planning *t = NEW_TEST(a, b);

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "removed /EFI/Linux/x\n"
			     "new /EFI/Linux/x\n"
			     "new /EFI/Linux/x/y\n"
			     "removed /EFI/Linux/z\n"
			     "removed /EFI/Linux/z/y\n"
			     "new /EFI/Linux/z\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/x/y", 600, 1);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/z", 600, 2);
	planning_free(t);
}
END_TEST

START_TEST(test_in_a_mixed_managed_directory_the_kind_may_change)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/x/y", .size = 600, .seed = 1}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/x", .size = 600, .seed = 3},
		{.path = "/EFI/Linux/mine/x.efi", .size = 10, .seed = 2}};
	struct planning *t = new_mixed(primary, mirror);

	expect_and_settle(t, "payload: remove /EFI/Linux/x\n"
			     "payload: add /EFI/Linux/x\n"
			     "removed /EFI/Linux/x\n"
			     "new /EFI/Linux/x\n"
			     "new /EFI/Linux/x/y\n");
	planning_free(t);
}
END_TEST

/* What stands where a managed root shall be is not ours. */
START_TEST(test_a_foreign_thing_of_another_kind_is_refused)
{
	static const struct fixture_file mirrors[][1] = {
		{{.path = "/loader", .size = 600, .seed = 1}},
		{{.path = "/EFI", .size = 600, .seed = 1}},
		{{.path = "/EFI/linux", .size = 600, .seed = 1}},
	};
	static const char *const paths[] = {
		"mirror: /loader: ", "mirror: /EFI: ", "mirror: /EFI/linux: "};
	struct planning *t = planning_new(
		fixture_new(FAT16, common, COUNT(common)), fixture_new(FAT12, mirrors[_i], 1));

	ck_assert_int_eq(planning_make(t), -EEXIST);
	ck_assert_ptr_null(t->plan);
	ck_assert_ptr_nonnull(strstr(t->messages.text, paths[_i]));
	planning_free(t);
}
END_TEST

/* ---- only times or attributes; untidy directories ---- */

START_TEST(test_other_attributes_write_no_data)
{
	struct planning *t = new_common();
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	fixture_do(t->primary.f, "mattrib +r -i x.img ::/EFI/Linux/a.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "touched /EFI/Linux/a.efi\n");
	expect_kept(t, "/EFI/Linux/a.efi", a);
	ck_assert_uint_ne(fixture_find(t->mirror.f, "/EFI/Linux/a.efi").attributes & 1, 0);
	planning_free(t);
}
END_TEST

START_TEST(test_other_attributes_of_a_directory_are_one_touch)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f,
		"mattrib +h -i x.img ::/EFI/Linux/sub; mattrib +s -i x.img ::/loader");
	expect_and_settle(t, "payload: touch /EFI/Linux/sub\n"
			     "loader: touch /loader\n"
			     "touched /EFI/Linux/sub\n"
			     "touched /loader\n");
	planning_free(t);
}
END_TEST

/* The new version below alone would leave the directory's own entry as it was. */
START_TEST(test_other_attributes_of_a_directory_go_with_what_changed_below)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f, "echo other >x; mcopy -o -i x.img x ::/EFI/Linux/sub/deep/c.efi; "
				 "mattrib +h -i x.img ::/EFI/Linux/sub");
	expect_and_settle(t, "payload: rebuild /EFI/Linux/sub\n"
			     "touched /EFI/Linux/sub\n"
			     "contents /EFI/Linux/sub/deep/c.efi\n");
	ck_assert_uint_ne(fixture_find(t->mirror.f, "/EFI/Linux/sub").attributes & 2, 0);
	planning_free(t);
}
END_TEST

/* /TOKEN with a kernel, made at . */
static void make_token(struct fixture *f, unsigned epoch)
{
	fixture_do(f,
		"export SOURCE_DATE_EPOCH=%u; mmd -i x.img ::/TOKEN; "
		"echo kernel >linux; touch -d @1700000000 linux; mcopy -m -i x.img linux ::/TOKEN; "
		"printf 'linux /TOKEN/linux\n' >t.conf; touch -d @1700000000 t.conf; "
		"mcopy -m -i x.img t.conf ::/loader/entries",
		epoch);
}

/* kernel-install deletes a kernel's folder when its plugins are through. */
START_TEST(test_the_time_of_a_directory_on_the_way_to_a_kernel_does_not_count)
{
	struct planning *t = new_common();

	make_token(t->primary.f, 1750000000);
	make_token(t->mirror.f, 1740000000);
	expect_plan(t, "");
	planning_drop(t);
	fixture_do(t->primary.f, "mattrib +h -i x.img ::/TOKEN");
	expect_and_settle(t, "payload: touch /TOKEN\n"
			     "touched /TOKEN\n");
	planning_free(t);
}
END_TEST

/* Of /EFI only the way through it matters. */
START_TEST(test_attributes_of_a_parent_are_its_volumes_own)
{
	struct planning *t = new_common();

	fixture_do(t->primary.f, "mattrib +h -i x.img ::/EFI");
	expect_plan(t, "");
	planning_free(t);
}
END_TEST

START_TEST(test_an_access_date_is_no_change)
{
	struct planning *t = new_common();
	struct fat_entry entry = fixture_find(t->primary.f, "/EFI/Linux/a.efi");
	struct fat_entry dir = fixture_find(t->primary.f, "/EFI/Linux");

	fixture_open(t->primary.f);
	t->primary.f->bytes[fat_cluster_offset(t->primary.f->vol, dir.first_cluster) +
			    entry.short_slot * FAT_SLOT_LEN + 18] ^= 1;
	expect_plan(t, "");
	planning_free(t);
}
END_TEST

START_TEST(test_leftovers_of_long_names_are_tidied_up)
{
	struct planning *t = new_common();
	struct fat_entry orphan;
	uint64_t dir;

	fixture_do(t->mirror.f, ": >'a long name.efi'; mcopy -i x.img a* ::/EFI/Linux/sub/");
	orphan = fixture_find(t->mirror.f, "/EFI/Linux/sub/a long name.efi");
	fixture_open(t->mirror.f);
	dir = fat_cluster_offset(
		t->mirror.f->vol, fixture_find(t->mirror.f, "/EFI/Linux/sub").first_cluster);
	fixture_close(t->mirror.f);
	t->mirror.f->bytes[dir + orphan.short_slot * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	expect_and_settle(t, "payload: rebuild /EFI/Linux/sub\n"
			     "touched /EFI/Linux/sub\n");
	planning_free(t);
}
END_TEST

START_TEST(test_a_chain_too_long_is_replaced)
{
	struct planning *t = new_common();
	struct fat_entry b = fixture_find(t->mirror.f, "/EFI/Linux/b.efi");
	uint32_t tail, end;

	fixture_open(t->mirror.f);
	end = t->mirror.f->vol->geo.n_clusters + 1;
	for (tail = b.first_cluster; fat_next(t->mirror.f->vol, tail) != FAT_EOC;)
		tail = fat_next(t->mirror.f->vol, tail);
	fat_table_set(t->mirror.f->vol, tail, end);
	fat_table_set(t->mirror.f->vol, end, FAT_EOC);
	ck_assert_int_ge(fat_table_write(t->mirror.f->vol, 0), 1);
	ck_assert_int_ge(fat_table_write(t->mirror.f->vol, 1), 1);
	fixture_close(t->mirror.f);
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "contents /EFI/Linux/b.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/b.efi", 1500, 2);
	planning_free(t);
}
END_TEST

/* ---- quick ---- */

/* A bit in the mirror's file that no size and no time tells of. */
static struct planning *new_rotten(void)
{
	struct planning *t = new_common();
	struct fat_entry a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi");

	fixture_open(t->mirror.f);
	t->mirror.f->bytes[fat_cluster_offset(t->mirror.f->vol, a.first_cluster) + 77] ^= 1;
	fixture_close(t->mirror.f);
	return t;
}

START_TEST(test_contents_are_compared)
{
	struct planning *t = new_rotten();

	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "contents /EFI/Linux/a.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a.efi", 3000, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_quick_takes_size_times_and_attributes_for_the_contents)
{
	struct planning *t = new_rotten();

	t->quick = true;
	expect_plan(t, "");
	ck_assert_ptr_null(t->primary.trace.text);
	ck_assert_ptr_null(t->mirror.trace.text);
	fixture_do(t->primary.f, "mattrib +r -i x.img ::/EFI/Linux/a.efi");
	expect_plan(t, "payload: rebuild /EFI/Linux\n"
		       "contents /EFI/Linux/a.efi\n");
	planning_free(t);
}
END_TEST

START_TEST(test_quick_still_finds_renames)
{
	struct planning *t = new_common();

	t->quick = true;
	fixture_do(t->primary.f, "mren -i x.img ::/EFI/Linux/a.efi other.efi");
	expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
			     "renamed /EFI/Linux/other.efi from /EFI/Linux/a.efi\n");
	planning_free(t);
}
END_TEST

/* Only what can decide something: sizes differ, so nothing is read. */
START_TEST(test_files_of_another_size_are_not_read)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/new.efi", .size = 901, .seed = 2}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 902, .seed = 3},
		{.path = "/EFI/Linux/old.efi", .size = 903, .seed = 4}};
	struct planning *t = NEW_TEST(primary, mirror);

	expect_plan(t, "payload: rebuild /EFI/Linux\n"
		       "contents /EFI/Linux/a.efi\n"
		       "new /EFI/Linux/new.efi\n"
		       "removed /EFI/Linux/old.efi\n");
	ck_assert_ptr_null(t->primary.trace.text);
	ck_assert_ptr_null(t->mirror.trace.text);
	planning_free(t);
}
END_TEST

/* ---- messages ---- */

START_TEST(test_names_with_newlines_are_logged_in_one_line)
{
	struct messages messages = {0};
	struct fes_context *context = messages_new_context(&messages);

	fes_log(context, FES_LOG_ERROR, "esp.img: %s", "/loader/a\n\rb: not mirrored");
	ck_assert_str_eq(messages.text, "esp.img: /loader/a??b: not mirrored\n");
	fes_free(context);
}
END_TEST

/* ---- all of them ---- */

static void prepare(void)
{
	fixture_prepare(common, COUNT(common));
}

/* ---- what goes first for want of room ---- */

static bool can_go(struct planning *t, const char *running, const char *path)
{
	struct fes_removals removals;
	bool found = false;

	ck_assert_int_eq(planning_make(t), 0);
	ck_assert_int_eq(fes_removals_find(t->plan, running, 0, &removals), 0);
	for (size_t i = 0; i < removals.n; i++)
		found |= strcmp(removals.nodes[i]->path, path) == 0;
	fes_removals_done(&removals);
	return found;
}

static const struct fixture_file new_image[] = {{.path = "/EFI/Linux/new.efi", .text = "n"}};

START_TEST(test_what_boot_counting_found_bad_goes_before_what_is_good)
{
	static const struct fixture_file images[] = {
		{.path = "/EFI/Linux/a.efi", .text = "a"},
		{.path = "/EFI/Linux/b+0-3.efi", .text = "b"},
		{.path = "/EFI/Linux/c+0.efi", .text = "c"},
	};
	struct planning *t = NEW_TEST(new_image, images);

	ck_assert(!can_go(t, NULL, "/EFI/Linux/a.efi"));
	ck_assert(can_go(t, NULL, "/EFI/Linux/b+0-3.efi"));
	ck_assert(can_go(t, NULL, "/EFI/Linux/c+0.efi"));
	planning_free(t);
}
END_TEST

START_TEST(test_a_bad_one_that_stays_is_not_the_last_choice)
{
	static const struct fixture_file bad[] = {{.path = "/EFI/Linux/b+0-3.efi", .text = "b"}};
	static const struct fixture_file images[] = {
		{.path = "/EFI/Linux/a.efi", .text = "a"},
		{.path = "/EFI/Linux/b+0-3.efi", .text = "b"},
	};
	struct planning *t = NEW_TEST(bad, images);

	ck_assert(!can_go(t, NULL, "/EFI/Linux/a.efi"));
	planning_free(t);
}
END_TEST

START_TEST(test_where_all_are_bad_one_that_stays_is_enough)
{
	static const struct fixture_file bad[] = {{.path = "/EFI/Linux/b+0-3.efi", .text = "b"}};
	static const struct fixture_file images[] = {
		{.path = "/EFI/Linux/a+0-3.efi", .text = "a"},
		{.path = "/EFI/Linux/b+0-3.efi", .text = "b"},
	};
	struct planning *t = NEW_TEST(bad, images);

	ck_assert(can_go(t, NULL, "/EFI/Linux/a+0-3.efi"));
	planning_free(t);
	t = NEW_TEST(new_image, images);
	ck_assert(can_go(t, NULL, "/EFI/Linux/a+0-3.efi"));
	ck_assert(!can_go(t, NULL, "/EFI/Linux/b+0-3.efi"));
	planning_free(t);
}
END_TEST

static bool stays_running(const char *running)
{
	static const struct fixture_file images[] = {
		{.path = "/loader/entries/c.conf", .text = "efi /c"},
		{.path = "/c", .text = "c"},
		{.path = "/EFI/Linux/A+2-1.efi", .text = "a"},
		{.path = "/EFI/Linux/b.efi", .text = "b"},
	};
	struct planning *t = NEW_TEST(new_image, images);
	bool stays = !can_go(t, running, "/EFI/Linux/A+2-1.efi");

	planning_free(t);
	return stays;
}

START_TEST(test_an_image_runs_in_any_of_its_profiles)
{
	ck_assert(stays_running("a.efi"));
	ck_assert(stays_running("a.efi@1"));
	ck_assert(stays_running("a.efi@factory-reset"));
	ck_assert(stays_running("a.efi@b.efi@2"));
	ck_assert(stays_running("a.efi@"));
	ck_assert(!stays_running("b.efi@a.efi"));
	ck_assert(!stays_running("c.conf@1"));
	ck_assert(!stays_running("a.efi1"));
	ck_assert(!stays_running("aa.efi@1"));
	ck_assert(!stays_running("a@1"));
}
END_TEST

static void add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n, int loops)
{
	TCase *tc = suite_add_case(suite, name, tests, n, loops);

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, prepare, fixture_forget);
}

static void add_places(Suite *suite)
{
	const TTest *const types[] = {test_equal_volumes_need_nothing};
	const TTest *const tests[] = {
		test_what_is_not_managed_does_not_matter,
		test_slots_that_mean_the_same_are_equal,
		test_the_lowest_directory_with_all_changes_is_rebuilt,
		test_changes_in_two_managed_directories_are_two_commits,
		test_an_empty_mirror_gets_everything,
		test_a_new_parent_brings_only_what_is_managed,
		test_a_label_like_a_directory_is_in_nobodys_way,
		test_a_managed_directory_that_is_gone_is_removed,
		test_private_files_stay_when_their_directory_is_rebuilt,
		test_a_directory_with_a_foreign_directory_is_edited_in_place,
		test_what_is_foreign_stays_in_a_directory_that_goes,
		test_a_foreign_file_below_a_lost_subdirectory_stays,
		test_a_directory_with_foreign_files_does_not_become_a_file,
		test_a_managed_file_among_foreign_ones_is_handled_alone,
		test_a_whole_tree_can_be_managed_but_for_a_part,
		test_empty_directories_come_and_go,
		test_foreign_files_keep_their_short_names,
	};

	add_case(suite, "types", types, 1, 4);
	add_case(suite, "places", tests, COUNT(tests), 1);
}

static void add_renames(Suite *suite)
{
	const TTest *const tests[] = {
		test_a_renamed_file_keeps_its_clusters,
		test_a_file_may_move_within_one_commit,
		test_a_file_does_not_move_between_two_commits,
		test_a_renamed_directory_keeps_the_clusters_of_its_files,
		test_one_chain_is_lent_once,
		test_of_two_equal_files_one_is_renamed_and_one_removed,
		test_a_rotated_file_keeps_its_clusters,
		test_empty_files_are_not_renamed,
		test_another_case_is_another_name,
		test_managed_roots_and_their_parents_have_no_case,
		test_in_a_mixed_directory_a_file_is_renamed_in_place,
	};
	const TTest *const twice[] = {test_swapped_names_write_no_data,
		test_in_a_mixed_directory_only_the_case_may_change};

	add_case(suite, "renames", tests, COUNT(tests), 1);
	add_case(suite, "swaps", twice, COUNT(twice), 2);
}

static void add_order(Suite *suite)
{
	const TTest *const tests[] = {
		test_a_kernel_goes_after_the_entry_that_names_it,
		test_only_what_is_named_is_retained,
		test_what_any_entry_names_is_retained,
		test_without_a_change_of_entries_nothing_is_retained,
		test_a_renamed_kernel_that_an_entry_names_is_there_under_both_names,
		test_a_named_directory_goes_after_its_entry,
		test_in_a_mixed_directory_a_named_kernel_goes_last,
		test_images_are_kept_although_no_entry_changes,
		test_a_renamed_image_is_not_kept_under_its_old_name,
		test_a_directory_of_images_is_kept_whole,
		test_in_a_managed_directory_the_kind_may_change,
		test_in_a_mixed_managed_directory_the_kind_may_change,
	};
	const TTest *const refused[] = {test_a_foreign_thing_of_another_kind_is_refused};

	add_case(suite, "order", tests, COUNT(tests), 1);
	add_case(suite, "refused", refused, 1, 3);
}

static void add_removals(Suite *suite)
{
	const TTest *const tests[] = {
		test_what_boot_counting_found_bad_goes_before_what_is_good,
		test_a_bad_one_that_stays_is_not_the_last_choice,
		test_where_all_are_bad_one_that_stays_is_enough,
		test_an_image_runs_in_any_of_its_profiles,
	};

	add_case(suite, "removals", tests, COUNT(tests), 1);
}

static void add_entries(Suite *suite)
{
	const TTest *const tests[] = {
		test_other_attributes_write_no_data,
		test_other_attributes_of_a_directory_are_one_touch,
		test_the_time_of_a_directory_on_the_way_to_a_kernel_does_not_count,
		test_other_attributes_of_a_directory_go_with_what_changed_below,
		test_attributes_of_a_parent_are_its_volumes_own,
		test_an_access_date_is_no_change,
		test_leftovers_of_long_names_are_tidied_up,
		test_a_chain_too_long_is_replaced,
		test_contents_are_compared,
		test_quick_takes_size_times_and_attributes_for_the_contents,
		test_quick_still_finds_renames,
		test_files_of_another_size_are_not_read,
		test_names_with_newlines_are_logged_in_one_line,
	};

	add_case(suite, "entries", tests, COUNT(tests), 1);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("plan");
	add_places(suite);
	add_renames(suite);
	add_order(suite);
	add_removals(suite);
	add_entries(suite);
	return suite_run(suite);
}
