/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From two volumes to a plan: what is equal, where it is done, and what is foreign there. Files
 * beside this one: renames, the order of commits, single entries, and what goes first for want of
 * room.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/plans.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

START_TEST(test_equal_volumes_need_nothing)
{
	static const int types[][2] = {
		{FAT12, FAT12}, {FAT12, FAT16}, {FAT16, FAT32}, {FAT32, FAT12}};
	struct planning *t = planning_new(fixture_new(types[_i][0], plan_common, PLAN_N_COMMON),
		fixture_new(types[_i][1], plan_common, PLAN_N_COMMON));

	plan_expect(t, "");
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect(t, "");
	planning_free(t);
}
END_TEST

/* mtools writes kernel.efi as a short name with flags; Linux adds a long name. */
START_TEST(test_slots_that_mean_the_same_are_equal)
{
	struct planning *t = plan_new_common();
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
	plan_expect(t, "");
	planning_free(t);
}
END_TEST

/* ---- where it is done ---- */

START_TEST(test_the_lowest_directory_with_all_changes_is_rebuilt)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f, "echo other >x; mcopy -o -i x.img x ::/EFI/Linux/sub/deep/c.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux/sub/deep\n"
				  "contents /EFI/Linux/sub/deep/c.efi\n");
	fixture_do(
		t->primary.f, "mdel -i x.img ::/EFI/Linux/sub/deep/c.efi ::/EFI/Linux/sub/e.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux/sub\n"
				  "removed /EFI/Linux/sub/deep/c.efi\n"
				  "removed /EFI/Linux/sub/e.efi\n");
	fixture_do(t->primary.f, "echo new >x; mcopy -i x.img x ::/EFI/Linux/sub/new.efi; "
				 "mcopy -i x.img x ::/EFI/Linux/new.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "new /EFI/Linux/new.efi\n"
				  "new /EFI/Linux/sub/new.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a.efi", 3000, 1);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/sub/deep/d.efi", 700, 4);
	planning_free(t);
}
END_TEST

START_TEST(test_changes_in_two_managed_directories_are_two_commits)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f, "mdel -i x.img ::/EFI/Linux/b.efi; echo timeout 5 >x; "
				 "mcopy -o -i x.img x ::/loader/loader.conf; "
				 "mcopy -o -i x.img x ::/EFI/systemd/systemd-bootx64.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
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
	struct planning *t = planning_new(
		fixture_new(FAT16, plan_common, PLAN_N_COMMON), fixture_new(FAT12, NULL, 0));

	plan_expect_and_settle(t, "payload: add /EFI\n"
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
	struct planning *t = planning_new(
		fixture_new(FAT16, primary, COUNT(primary)), fixture_new(FAT12, NULL, 0));

	plan_expect_and_settle(t, "payload: add /EFI\n"
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
	struct planning *t = planning_new(fixture_new(FAT16, plan_common, PLAN_N_COMMON),
		fixture_new_mkfs("-F 12 -s 1 -n LOADER x.img 1024", NULL, 0));

	ck_assert_int_eq(planning_make(t), 0);
	plan_settle(t);
	planning_free(t);
}
END_TEST

START_TEST(test_a_managed_directory_that_is_gone_is_removed)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f, "mdeltree -i x.img ::/EFI/systemd");
	plan_expect_and_settle(t, "payload: remove /EFI/systemd\n"
				  "removed /EFI/systemd\n"
				  "removed /EFI/systemd/systemd-bootx64.efi\n");
	ck_assert(fixture_has(t->mirror.f, "/EFI"));
	fixture_do(t->primary.f, "mdeltree -i x.img ::/EFI ::/loader");
	plan_expect_and_settle(t, "loader: remove /loader\n"
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
	struct planning *t = PLANNING_OF(primary, mirror);
	uint32_t seed = fixture_find(t->mirror.f, "/loader/random-seed").first_cluster;

	plan_expect_and_settle(t, "loader: rebuild /loader\n"
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
	struct planning *t = PLANNING_OF(primary, mirror);
	uint32_t cluster = fixture_find(t->mirror.f, "/loader").first_cluster;

	plan_expect_and_settle(t, "payload: add /loader/keys\n"
				  "payload: remove /loader/gone\n"
				  "loader: rebuild /loader/entries\n"
				  "loader: replace /loader/loader.conf\n"
				  "loader: add /loader/new.conf\n"
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_exclude(t, "/EFI/Linux/directory");
	plan_exclude(t, "/EFI/Linux/sub/mine.efi");
	plan_expect_and_settle(t, "payload: remove /EFI/Linux/sub/old.efi\n"
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_exclude(t, "/EFI/Linux/sub/deep/mine.efi");
	ck_assert_int_eq(planning_make(t), 0);
	plan_settle(t);
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_exclude(t, "/EFI/Linux/x/mine.efi");
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_manage(t, "/vendor/changed.bin");
	plan_manage(t, "/vendor/new.bin");
	plan_manage(t, "/vendor/gone.bin");
	plan_expect_and_settle(t, "payload: replace /vendor/changed.bin\n"
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_manage(t, "/EFI");
	plan_exclude(t, "/EFI/Microsoft");
	plan_expect_and_settle(t, "payload: rebuild /EFI/BOOT\n"
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
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
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_exclude(t, "/EFI/Linux/a new kettle.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "new /EFI/Linux/a new kernel.efi\n");
	ck_assert_str_eq(
		fixture_find(t->mirror.f, "/EFI/Linux/ANEWKE~1.EFI").name, "a new kettle.efi");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a new kernel.efi", 900, 1);
	planning_free(t);
}
END_TEST

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

	plan_add_case(suite, "types", types, 1, 4);
	plan_add_case(suite, "places", tests, COUNT(tests), 1);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("plan");
	add_places(suite);
	return suite_run(suite);
}
