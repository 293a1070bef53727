/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One mirror, synced as a whole: what changes or gets lost meanwhile is noticed before the commits. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"
#include "tests/syncing.h"

enum { FAT12 = 0, FAT16 = 1 };

static const struct fixture_file new_files[] = {
	{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 1},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
};
static const struct fixture_file old_files[] = {
	{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 2},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct syncing *new_test(void)
{
	return syncing_new(fixture_new(FAT16, new_files, COUNT(new_files)),
		fixture_new(FAT12, old_files, COUNT(old_files)));
}

/* The mirror has room for one of the large files only: the old one goes first. */
static struct syncing *new_tight(void)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 1},
		{.path = "/EFI/Linux/new.efi", .size = 300000, .seed = 3},
	};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/kernel.efi", .size = 3000, .seed = 2},
		{.path = "/EFI/Linux/old.efi", .size = 300000, .seed = 4},
	};

	return syncing_new(fixture_new(FAT16, primary, COUNT(primary)),
		fixture_new_mkfs("-F 12 -s 1 x.img 400", mirror, COUNT(mirror)));
}

/* It was told that what goes is removed first. */
static bool has_two_steps(const struct syncing *t)
{
	return strstr(t->messages.text, "removing first") != NULL;
}

/* Nothing was committed, and @reason was told. */
static void expect_state(struct syncing *t, enum fes_mirror_state state, const char *reason)
{
	ck_assert_int_eq(syncing_run(t), state);
	ck_assert_msg(strstr(t->messages.last, reason) != NULL, "%s", t->messages.last);
	(void)fixture_check(t->mirror.f);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/kernel.efi", 3000, 2);
}

static void expect_stop(struct syncing *t, const char *reason)
{
	expect_state(t, FES_MIRROR_FAILED, reason);
}

static uint8_t *kernel_bytes(struct syncing *t)
{
	uint32_t cluster = fixture_find(t->primary.f, "/EFI/Linux/kernel.efi").first_cluster;

	return t->primary.f->bytes + fat_cluster_offset(t->primary.volume->fat, cluster);
}

START_TEST(test_a_mirror_becomes_equal)
{
	struct syncing *t = new_test();

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_judge(t->mirror.f);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/kernel.efi", 3000, 1);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	syncing_free(t);
}
END_TEST

START_TEST(test_a_mirror_without_room_becomes_equal_in_two_steps)
{
	struct syncing *t = new_tight();

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert(has_two_steps(t));
	fixture_judge(t->mirror.f);
	fixture_expect_file(t->mirror.f, "/EFI/Linux/new.efi", 300000, 3);
	syncing_free(t);
}
END_TEST

/* Since the tree was read, the kernel got another time. */
static void touch_kernel(struct syncing *t)
{
	struct fat_entry dir = fixture_find(t->primary.f, "/EFI/Linux");
	struct fat_entry file = fixture_find(t->primary.f, "/EFI/Linux/kernel.efi");
	uint8_t *slot = t->primary.f->bytes +
		fat_cluster_offset(t->primary.volume->fat, dir.first_cluster) +
		(size_t)file.short_slot * FAT_SLOT_LEN;

	slot[offsetof(struct fat_short_slot, write_time)] ^= 0x20;
}

START_TEST(test_a_primary_whose_entries_change_is_noticed)
{
	struct syncing *t = new_test();

	touch_kernel(t);
	expect_stop(t, "changed while it was read");
	syncing_free(t);
}
END_TEST

/* The first step removes what the primary may have again by now. */
START_TEST(test_a_primary_that_changes_is_noticed_before_anything_is_removed)
{
	struct syncing *t = new_tight();

	touch_kernel(t);
	expect_state(t, FES_MIRROR_REFUSED, "changed while it was read");
	ck_assert(has_two_steps(t));
	fixture_expect_file(t->mirror.f, "/EFI/Linux/old.efi", 300000, 4);
	syncing_free(t);
}
END_TEST

/* The file's last cluster goes into use elsewhere: entries alone do not tell. */
START_TEST(test_a_primary_whose_table_changes_is_noticed)
{
	struct syncing *t = new_test();
	uint32_t cluster = fixture_find(t->primary.f, "/EFI/Linux/kernel.efi").first_cluster;
	uint8_t *entry = t->primary.f->bytes + t->primary.volume->fat->geo.fat_offset +
		(size_t)cluster * 2;

	entry[0] ^= 0x40;
	expect_stop(t, "changed while it was read");
	syncing_free(t);
}
END_TEST

/* Contents are overwritten where they stand after they were compared, before they are copied. */
START_TEST(test_contents_that_change_before_they_are_copied_are_noticed)
{
	struct syncing *t = new_test();
	const struct fes_node *kernel = fes_tree_find(t->primary.tree, "/EFI/Linux/kernel.efi");
	struct fes_digest digest;

	ck_assert_ptr_nonnull(kernel);
	fes_digester_want(t->digester, kernel);
	ck_assert_int_eq(fes_digester_get(t->digester, kernel, NULL, &digest), 0);
	kernel_bytes(t)[100] ^= 1;
	expect_stop(t, "changed while it was read");
	syncing_free(t);
}
END_TEST

/* Lose the nth write. Returns whether it was the kernel's. */
static bool lose_write(uint64_t nth)
{
	struct syncing *t = new_test();
	bool kernel;

	t->mirror.fault = (struct fault){.ops = TESTDEV_WRITE, .kind = FAULT_DROP, .nth = nth};
	expect_stop(t, "read back");
	ck_assert_uint_eq(t->mirror.fault.n_fired, 1);
	kernel = strstr(t->messages.last, "/EFI/Linux/kernel.efi: what was read back") != NULL;
	syncing_free(t);
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
	struct syncing *t = new_test();
	bool fired;

	t->mirror.fault = (struct fault){.ops = TESTDEV_RECHECK, .error = -ESTALE, .nth = nth};
	if (syncing_run(t) == FES_MIRROR_SYNCED)
		ck_assert_uint_eq(t->mirror.fault.n_fired, 0);
	else
		ck_assert_msg(strstr(t->messages.last, "mirror: its size changed") != NULL, "%s",
			t->messages.last);
	fired = t->mirror.fault.n_fired > 0;
	syncing_free(t);
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

static struct syncing *new_changed(void)
{
	struct syncing *t = new_test();

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_do(t->mirror.f, "printf own | mcopy -i x.img - ::/EFI/Linux/mine.efi");
	return t;
}

START_TEST(test_a_mirror_that_changed_by_itself_is_refused)
{
	struct syncing *t = new_changed();

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->messages.last, "mirror: has files that came after") &&
			strstr(t->messages.last, " /EFI/Linux/mine.efi; "),
		"%s", t->messages.last);
	ck_assert(fixture_has(t->mirror.f, "/EFI/Linux/mine.efi"));
	syncing_free(t);
}
END_TEST

START_TEST(test_force_goes_on_and_notes_what_went)
{
	struct syncing *t = new_changed();

	t->flags = FES_SYNC_FORCE;
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert_msg(strstr(t->note, "--force: /EFI/Linux/mine.efi") != NULL, "%s", t->note);
	ck_assert(!fixture_has(t->mirror.f, "/EFI/Linux/mine.efi"));
	fixture_judge(t->mirror.f);
	t->flags = 0;
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	syncing_free(t);
}
END_TEST

/* ---- a primary that could not be booted from ---- */

static const struct fixture_file no_entry[] = {
	{.path = "/loader/loader.conf", .text = "timeout 3"},
};
static const struct fixture_file broken_entry[] = {
	{.path = "/loader/entries/a.conf", .text = "linux /k/linux"},
};
static const struct fixture_file whole_entry[] = {
	{.path = "/loader/entries/a.conf", .text = "linux /k/linux"},
	{.path = "/k/linux", .size = 3000, .seed = 1},
};

static struct syncing *new_broken(const struct fixture_file *primary, size_t n)
{
	return syncing_new(fixture_new(FAT16, primary, n),
		fixture_new(FAT12, whole_entry, COUNT(whole_entry)));
}

static void expect_no_loss_of(struct syncing *t, const char *what)
{
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->message, what) != NULL, "%s", t->message);
	ck_assert_uint_eq(t->stats.writes, 0);
	fixture_expect_file(t->mirror.f, "/k/linux", 3000, 1);
}

static void expect_no_loss(struct syncing *t)
{
	expect_no_loss_of(t, "there are complete boot entries on its disk");
}

START_TEST(test_a_primary_that_is_broken_takes_no_entry_from_a_mirror)
{
	struct syncing *t = new_broken(broken_entry, COUNT(broken_entry));

	expect_no_loss(t);
	ck_assert_msg(!strstr(t->message, "the other way round"), "%s", t->message);
	t->flags = FES_SYNC_FORCE;
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/k/linux"));
	syncing_free(t);
}
END_TEST

/* What another boot loader starts is not looked into. */
START_TEST(test_a_primary_without_entries_takes_over_a_disk_that_was_never_synced)
{
	struct syncing *t = new_broken(no_entry, COUNT(no_entry));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/loader/entries/a.conf"));
	syncing_free(t);
}
END_TEST

START_TEST(test_a_primary_that_lost_its_entries_takes_none_from_its_mirror)
{
	struct syncing *t = new_broken(whole_entry, COUNT(whole_entry));
	struct fixture *emptied = fixture_new(FAT16, no_entry, COUNT(no_entry));

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	fixture_free(t->primary.f);
	t->primary.f = emptied;
	syncing_read_primary(t);
	expect_no_loss(t);
	ck_assert_msg(strstr(t->message, "the other way round (--primary=mirror)") != NULL, "%s",
		t->message);
	syncing_free(t);
}
END_TEST

/* The kernel is excluded, and only the mirror has it. */
START_TEST(test_what_a_mirror_keeps_and_boots_from_is_not_lost)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/entries/a.conf", .text = "linux /k/linux"},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
	};
	struct syncing *t = new_broken(files, COUNT(files));

	ck_assert_int_eq(fes_managed_exclude(&t->managed, "/k"), 0);
	syncing_read_primary(t);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/k/linux", 3000, 1);
	syncing_free(t);
}
END_TEST

START_TEST(test_a_mirror_that_does_not_boot_has_nothing_to_lose)
{
	struct syncing *t = new_broken(broken_entry, COUNT(broken_entry));

	fixture_do(t->mirror.f, "mdel -i x.img ::/k/linux");
	fixture_do(t->mirror.f, "printf 'linux /k/none' | mcopy -o -i x.img - ::/loader/entries/a.conf");
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	syncing_free(t);
}
END_TEST

/* Of two entries the one whose kernel is there names a file that is another system's. */
static const struct fixture_file theirs_entry[] = {
	{.path = "/loader/entries/a.conf", .text = "linux /k/linux"},
	{.path = "/loader/entries/windows.conf", .text = "efi /EFI/Microsoft/Boot/bootmgfw.efi"},
	{.path = "/EFI/Microsoft/Boot/bootmgfw.efi", .size = 2000, .seed = 2},
};

START_TEST(test_an_entry_that_boots_the_primary_alone_does_not_stand_for_those_of_a_mirror)
{
	struct syncing *t = new_broken(theirs_entry, COUNT(theirs_entry));

	expect_no_loss(t);
	ck_assert_msg(strstr(t->message, "but those on the primary's (primary) name files that are not mirrored") != NULL,
		"%s", t->message);
	syncing_free(t);
}
END_TEST

static const struct fixture_file shell_entry[] = {
	{.path = "/loader/entries/a.conf", .text = "linux /k/linux"},
	{.path = "/loader/entries/shell.conf", .text = "efi /shellx64.efi"},
	{.path = "/shellx64.efi", .size = 2000, .seed = 2},
};

START_TEST(test_a_program_does_not_stand_for_a_system_that_lost_its_kernel)
{
	struct syncing *t = new_broken(shell_entry, COUNT(shell_entry));

	expect_no_loss_of(t, "there are complete boot entries with a kernel on its disk, but none on the primary's");
	syncing_free(t);
}
END_TEST

/* Nothing tells that there was another system: the program may boot one. */
START_TEST(test_a_program_that_is_all_a_primary_has_takes_a_disk_over)
{
	struct syncing *t = new_broken(shell_entry + 1, COUNT(shell_entry) - 1);

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/k/linux"));
	syncing_free(t);
}
END_TEST

/* The mirror has that system, too: its entry can be booted there. */
START_TEST(test_an_entry_whose_files_the_mirror_has_of_its_own_does)
{
	struct syncing *t = new_broken(theirs_entry, COUNT(theirs_entry));

	fixture_do(t->mirror.f, "mmd -i x.img ::/EFI ::/EFI/Microsoft ::/EFI/Microsoft/Boot");
	fixture_do(t->mirror.f, "printf own | mcopy -i x.img - ::/EFI/Microsoft/Boot/bootmgfw.efi");
	fixture_do(t->primary.f, "mdel -i x.img ::/loader/entries/a.conf");
	syncing_read_primary(t);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(t->mirror.f, "/k/linux"));
	syncing_free(t);
}
END_TEST

/* The kernel is beside the boot loader, and the mirror keeps another one there. */
START_TEST(test_an_entry_whose_kernel_finds_its_place_kept_does_not_stand_for_those_of_a_mirror)
{
	static const struct fixture_file files[] = {
		{.path = "/loader/entries/b.conf", .text = "linux /EFI/BOOT/linux"},
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "#### LoaderInfo: systemd-boot 252 ####"},
		{.path = "/EFI/BOOT/linux", .size = 3000, .seed = 2},
	};
	struct syncing *t = new_broken(files, COUNT(files));

	fixture_do(t->mirror.f, "mmd -i x.img ::/EFI ::/EFI/BOOT");
	fixture_do(t->mirror.f, "printf GRUB | mcopy -i x.img - ::/EFI/BOOT/BOOTX64.EFI");
	expect_no_loss(t);
	t->flags = FES_SYNC_FORCE;
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_expect_file(t->mirror.f, "/EFI/BOOT/linux", 3000, 2);
	syncing_free(t);
}
END_TEST

/* ---- boot loaders ---- */

#define SYSTEMD_BOOT {.path = "/EFI/BOOT/BOOTX64.EFI", .text = "#### LoaderInfo: systemd-boot 252 ####"}
#define SHIM {.path = "/EFI/BOOT/BOOTX64.EFI", .text = "UEFI SHIM\n$Version: 15.8 $"}
#define FALLBACK {.path = "/EFI/BOOT/fbx64.efi", .size = 900, .seed = 3}
#define VENDOR {.path = "/EFI/debian/shimx64.efi", .text = "UEFI SHIM\n$Version: 15.8 $"}, \
	{.path = "/EFI/debian/grubx64.efi", .size = 3000, .seed = 4}

/* An ESP of the machine whose boot loader changes. */
static struct fixture *esp_with(int type, const struct fixture_file *files, size_t n)
{
	struct fixture_file all[8] = {whole_entry[0], whole_entry[1]};

	ck_assert_uint_le(n, COUNT(all) - 2);
	for (size_t i = 0; i < n; i++)
		all[2 + i] = files[i];
	return fixture_new(type, all, n + 2);
}

/* The mirror was never synced. */
static struct syncing *new_loaders(const struct fixture_file *primary, size_t n_primary,
	const struct fixture_file *mirror, size_t n_mirror)
{
	return syncing_new(esp_with(FAT16, primary, n_primary), esp_with(FAT12, mirror, n_mirror));
}

static void expect_loader_kept(struct syncing *t)
{
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->message, "mirror: its boot loader in /EFI/BOOT has something to start") &&
		strstr(t->message, "(primary)") && strstr(t->message, "--force goes on"), "%s", t->message);
	ck_assert_uint_eq(t->stats.writes, 0);
	t->flags = FES_SYNC_FORCE;
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	syncing_free(t);
}

static void expect_loader_taken(struct syncing *t)
{
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_judge(t->mirror.f);
	syncing_free(t);
}

static const struct fixture_file systemd_boot[] = {SYSTEMD_BOOT};
static const struct fixture_file shim_alone[] = {SHIM};
static const struct fixture_file shim_and_grub[] = {
	SHIM, {.path = "/EFI/BOOT/grubx64.efi", .size = 3000, .seed = 4}};
static const struct fixture_file shim_and_empty_grub[] = {SHIM, {.path = "/EFI/BOOT/grubx64.efi"}};
static const struct fixture_file shim_and_fallback[] = {
	SHIM, FALLBACK, VENDOR, {.path = "/EFI/debian/BOOTX64.CSV", .text = "shimx64.efi,debian"}};
static const struct fixture_file shim_and_empty_csv[] = {
	SHIM, FALLBACK, VENDOR, {.path = "/EFI/debian/BOOTX64.CSV"}};
static const struct fixture_file grub[] = {{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "GRUB"}};

static const struct fixture_file empty_loader[] = {{.path = "/EFI/BOOT/BOOTX64.EFI"}};

START_TEST(test_a_shim_that_starts_nothing_does_not_replace_what_starts)
{
	expect_loader_kept(new_loaders(shim_alone, COUNT(shim_alone), systemd_boot, COUNT(systemd_boot)));
	expect_loader_kept(new_loaders(shim_and_empty_grub, COUNT(shim_and_empty_grub), systemd_boot,
		COUNT(systemd_boot)));
	expect_loader_kept(new_loaders(shim_and_empty_grub, COUNT(shim_and_empty_grub), shim_and_grub,
		COUNT(shim_and_grub)));
	expect_loader_kept(new_loaders(shim_and_empty_csv, COUNT(shim_and_empty_csv), shim_and_fallback,
		COUNT(shim_and_fallback)));
}
END_TEST

START_TEST(test_a_shim_that_starts_something_replaces_what_starts)
{
	expect_loader_taken(new_loaders(shim_and_grub, COUNT(shim_and_grub), systemd_boot,
		COUNT(systemd_boot)));
	expect_loader_taken(new_loaders(shim_and_fallback, COUNT(shim_and_fallback), systemd_boot,
		COUNT(systemd_boot)));
}
END_TEST

/* What is beside shim on the mirror and not on the primary is the mirror's own, and stays. */
START_TEST(test_a_shim_may_start_what_the_mirror_has)
{
	static const struct fixture_file other_shim[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "UEFI SHIM\n$Version: 15.7 $"},
		{.path = "/EFI/BOOT/grubx64.efi", .size = 3000, .seed = 4},
	};
	static const struct fixture_file other_shim_and_csv[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "UEFI SHIM\n$Version: 15.7 $"}, FALLBACK,
		{.path = "/EFI/debian/BOOTX64.CSV", .text = "shimx64.efi,debian"},
	};

	expect_loader_taken(new_loaders(shim_alone, COUNT(shim_alone), other_shim, COUNT(other_shim)));
	expect_loader_taken(new_loaders(shim_alone, COUNT(shim_alone), other_shim_and_csv,
		COUNT(other_shim_and_csv)));
}
END_TEST

START_TEST(test_a_mirror_that_starts_nothing_takes_any_loader)
{
	expect_loader_taken(new_loaders(shim_alone, COUNT(shim_alone), NULL, 0));
	expect_loader_taken(new_loaders(shim_alone, COUNT(shim_alone), empty_loader, COUNT(empty_loader)));
}
END_TEST

/* GRUB is taken only if that is asked for. Without any, firmware may start something else on the primary. */
START_TEST(test_a_primary_with_another_loader_or_none_is_in_order)
{
	struct syncing *t = new_loaders(grub, COUNT(grub), systemd_boot, COUNT(systemd_boot));

	ck_assert_int_eq(fes_managed_add(&t->managed, "/EFI/BOOT"), 0);
	syncing_read_primary(t);
	expect_loader_taken(t);
	t = new_loaders(NULL, 0, systemd_boot, COUNT(systemd_boot));
	ck_assert_int_eq(fes_managed_add(&t->managed, "/EFI/BOOT"), 0);
	syncing_read_primary(t);
	expect_loader_taken(t);
	t = new_loaders(grub, COUNT(grub), systemd_boot, COUNT(systemd_boot));
	fixture_do(t->primary.f, "printf more | mcopy -i x.img - ::/loader/loader.conf");
	syncing_read_primary(t);
	expect_loader_taken(t);
}
END_TEST

START_TEST(test_a_primary_whose_loader_is_empty_or_lost_takes_none_from_its_mirror)
{
	struct syncing *t = new_loaders(empty_loader, COUNT(empty_loader), grub, COUNT(grub));

	ck_assert_int_eq(fes_managed_add(&t->managed, "/EFI/BOOT"), 0);
	syncing_read_primary(t);
	expect_loader_kept(t);
	t = new_loaders(grub, COUNT(grub), grub, COUNT(grub));
	ck_assert_int_eq(fes_managed_add(&t->managed, "/EFI/BOOT"), 0);
	syncing_read_primary(t);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	fixture_do(t->primary.f, "mdel -i x.img ::/EFI/BOOT/BOOTX64.EFI");
	syncing_read_primary(t);
	expect_loader_kept(t);
}
END_TEST

/* ---- a sync that fails in part ---- */

/* Sync from another primary. */
static enum fes_mirror_state sync_from(struct syncing *t, struct fixture *primary)
{
	struct fixture *own = t->primary.f;
	enum fes_mirror_state state;

	t->primary.f = primary;
	syncing_read_primary(t);
	state = syncing_run(t);
	t->primary.f = own;
	syncing_read_primary(t);
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
	struct syncing *t = syncing_new(fixture_new(FAT16, old_files, COUNT(old_files)),
		fixture_new(FAT12, old_files, COUNT(old_files)));
	struct fixture *next = fixture_new(FAT16, next_files, COUNT(next_files));
	struct fixture *last = fixture_new(FAT16, last_files, COUNT(last_files));
	uint8_t *start = malloc(t->mirror.f->size);
	enum fes_mirror_state state = FES_MIRROR_FAILED;

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	memcpy(start, t->mirror.f->bytes, t->mirror.f->size);
	for (uint64_t n = 1; state == FES_MIRROR_FAILED; n++) {
		memcpy(t->mirror.f->bytes, start, t->mirror.f->size);
		t->mirror.fault = (struct fault){
			.ops = TESTDEV_WRITE, .error = -EIO, .nth = n, .sticky = true};
		state = sync_from(t, next);
		t->mirror.fault = (struct fault){0};
		ck_assert_msg(sync_from(t, last) == FES_MIRROR_SYNCED, "write %d: %s", (int)n,
			t->messages.last);
	}
	ck_assert_int_eq(state, FES_MIRROR_SYNCED);
	free(start);
	fixture_free(next);
	fixture_free(last);
	syncing_free(t);
}
END_TEST

/* Six clusters for the kernel and one for its directory: none for what the mirror remembers. */
START_TEST(test_what_found_no_room_comes_when_the_old_contents_are_gone)
{
	struct syncing *t = new_test();

	fixture_fill_but(t->mirror.f, 7);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	ck_assert_str_eq(t->note, "");
	ck_assert(!has_two_steps(t));
	ck_assert(fixture_has(t->mirror.f, "/loader/esp-sync.was"));
	fixture_judge(t->mirror.f);
	syncing_free(t);
}
END_TEST

START_TEST(test_what_finds_no_room_at_all_is_noted)
{
	struct syncing *t = new_test();

	ck_assert_int_eq(syncing_run(t), FES_MIRROR_SYNCED);
	fixture_do(t->mirror.f, "mdel -i x.img ::/loader/esp-sync.was");
	fixture_fill_but(t->mirror.f, 0);
	ck_assert_int_eq(syncing_run(t), FES_MIRROR_IN_SYNC);
	ck_assert_ptr_nonnull(strstr(t->note, "too little room for files of its own"));
	ck_assert(!fixture_has(t->mirror.f, "/loader/esp-sync.was"));
	syncing_free(t);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("mirror");
	Suite *suite = suite_create("mirror");

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
	tcase_add_test(tc, test_a_primary_that_is_broken_takes_no_entry_from_a_mirror);
	tcase_add_test(tc, test_a_primary_without_entries_takes_over_a_disk_that_was_never_synced);
	tcase_add_test(tc, test_a_primary_that_lost_its_entries_takes_none_from_its_mirror);
	tcase_add_test(tc, test_what_a_mirror_keeps_and_boots_from_is_not_lost);
	tcase_add_test(tc, test_a_mirror_that_does_not_boot_has_nothing_to_lose);
	tcase_add_test(tc, test_an_entry_that_boots_the_primary_alone_does_not_stand_for_those_of_a_mirror);
	tcase_add_test(tc, test_a_program_does_not_stand_for_a_system_that_lost_its_kernel);
	tcase_add_test(tc, test_a_program_that_is_all_a_primary_has_takes_a_disk_over);
	tcase_add_test(tc, test_an_entry_whose_files_the_mirror_has_of_its_own_does);
	tcase_add_test(tc, test_an_entry_whose_kernel_finds_its_place_kept_does_not_stand_for_those_of_a_mirror);
	tcase_add_test(tc, test_a_shim_that_starts_nothing_does_not_replace_what_starts);
	tcase_add_test(tc, test_a_shim_that_starts_something_replaces_what_starts);
	tcase_add_test(tc, test_a_shim_may_start_what_the_mirror_has);
	tcase_add_test(tc, test_a_mirror_that_starts_nothing_takes_any_loader);
	tcase_add_test(tc, test_a_primary_with_another_loader_or_none_is_in_order);
	tcase_add_test(tc, test_a_primary_whose_loader_is_empty_or_lost_takes_none_from_its_mirror);
	tcase_add_test(tc, test_a_sync_that_failed_at_any_write_leaves_nothing_of_its_own);
	tcase_add_test(tc, test_what_found_no_room_comes_when_the_old_contents_are_gone);
	tcase_add_test(tc, test_what_finds_no_room_at_all_is_noted);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
