/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether a disk boots, and what is worth a warning. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boots.h"
#include "tests/faults-wrap.h"
#include "tests/side.h"
#include "tests/suite.h"

enum { FAT12 = 0, FAT16 = 1, FAT32 = 2 };

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SYSTEMD_BOOT "MZ #### LoaderInfo: systemd-boot 252.39-1 ####"
#define SHIM "MZ UEFI SHIM\n$Version: 15.8 $\n"
#define LOADER {.path = "/EFI/BOOT/BOOTX64.EFI", .text = SYSTEMD_BOOT}

/* One volume, and what is said of it. */
struct subject {
	struct side on;
	struct fes_notes notes;
	uint32_t lost_clusters;
};

struct test {
	struct fes_context *context;
	struct subject esp, xbootldr;
	char *lacking;
};

static void open_subject(struct test *t, struct subject *subject, struct fixture *fixture)
{
	subject->on.f = fixture;
	side_open(&subject->on, t->context, "volume");
}

static struct test *new_test(struct fixture *esp)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(fes_new(&t->context), 0);
	open_subject(t, &t->esp, esp);
	return t;
}

#define TEST_WITH(files) new_test(fixture_new(FAT32, files, COUNT(files)))

static void close_subject(struct subject *subject)
{
	side_done(&subject->on);
	fes_notes_done(&subject->notes);
}

static void free_test(struct test *t)
{
	close_subject(&t->esp);
	close_subject(&t->xbootldr);
	free(t->lacking);
	fes_free(t->context);
	free(t);
}

static struct fes_boots_volume judged(struct subject *subject)
{
	return (struct fes_boots_volume){
		subject->on.volume, &subject->notes, subject->lost_clusters};
}

static const char *judge(struct test *t)
{
	struct fes_boots_volume esp = judged(&t->esp), xbootldr = judged(&t->xbootldr);

	ck_assert_int_eq(
		fes_boots_judge(&esp, xbootldr.volume ? &xbootldr : NULL, &t->lacking), 0);
	return t->lacking;
}

/* The notes are these, in this order, and no others. */
static void expect_notes(const struct subject *subject, const char *expected, ...)
{
	va_list args;
	size_t i = 0;

	va_start(args, expected);
	for (; expected; expected = va_arg(args, const char *), i++) {
		const char *note = fes_notes_get(&subject->notes, i);

		ck_assert_msg(note != NULL, "no note: %s", expected);
		ck_assert_msg(strcmp(note, expected) == 0, "%s\nis not\n%s", note, expected);
	}
	va_end(args);
	ck_assert_msg(!fes_notes_get(&subject->notes, i), "one more: %s",
		fes_notes_get(&subject->notes, i));
}

/* ---- what a disk lacks ---- */

static const struct fixture_file whole[] = {
	LOADER,
	{.path = "/token/6.1/linux", .size = 3000, .seed = 1},
	{.path = "/token/6.1/initrd", .size = 5000, .seed = 2},
	{.path = "/loader/entries/token-6.1+3.conf",
		.text = "title One\nlinux /token/6.1/linux\ninitrd /token/6.1/initrd\n"},
};

START_TEST(test_a_loader_and_a_complete_entry_boot)
{
	struct test *t = TEST_WITH(whole);

	ck_assert_str_eq(judge(t), "");
	expect_notes(&t->esp, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_a_loader_and_an_image_boot)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/BOOT/bootaa64.efi", .text = "of another machine"},
		{.path = "/EFI/Linux/one.efi", .size = 5000, .seed = 1},
	};
	struct test *t = TEST_WITH(files);

	ck_assert_str_eq(judge(t), "");
	expect_notes(&t->esp, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_an_empty_volume_lacks_all)
{
	struct test *t = new_test(fixture_new(FAT32, NULL, 0));

	ck_assert_str_eq(judge(t),
		"no boot loader in /EFI/BOOT, no boot entry in /loader/entries or /EFI/Linux");
	expect_notes(&t->esp, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_what_firmware_does_not_start_is_no_loader)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/BOOT/BOOT.EFI", .text = "no architecture"},
		{.path = "/EFI/BOOT/grubx64.efi", .text = "another name"},
		{.path = "/EFI/BOOT/BOOTX64.EFI/", .text = "a directory"},
		{.path = "/EFI/systemd/systemd-bootx64.efi", .text = SYSTEMD_BOOT},
		{.path = "/EFI/Linux/one.efi", .size = 5000, .seed = 1},
	};
	struct test *t = TEST_WITH(files);

	ck_assert_str_eq(judge(t), "no boot loader in /EFI/BOOT");
	free_test(t);
}
END_TEST

START_TEST(test_a_loader_without_a_byte_is_none)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .size = 0},
		{.path = "/EFI/Linux/one.efi", .size = 5000, .seed = 1},
	};
	struct test *t = TEST_WITH(files);

	ck_assert_str_eq(judge(t), "the boot loader in /EFI/BOOT is empty");
	free_test(t);
}
END_TEST

/* ---- shim ---- */

#define SHIM_FILE {.path = "/EFI/BOOT/BOOTX64.EFI", .text = SHIM}
#define IMAGE_FILE {.path = "/EFI/Linux/one.efi", .size = 5000, .seed = 1}
#define NO_STAGE "nothing for shim in /EFI/BOOT to start"
enum { BESIDE_SHIM_MAX = 4 };

/* What a disk with a shim lacks, with these files beside it. */
static const struct {
	struct fixture_file files[BESIDE_SHIM_MAX];
	const char *lacking;
} beside_shim[] = {
	{{{0}}, NO_STAGE},
	{{{.path = "/EFI/BOOT/grubx64.efi", .text = "any"}}, ""},
	{{{.path = "/EFI/BOOT/grubx64.efi", .size = 0}}, NO_STAGE},
	{{{.path = "/EFI/BOOT/grubx64.efi/x", .text = "any"}}, NO_STAGE},
	{{{.path = "/EFI/debian/grubx64.efi", .text = "any"}}, NO_STAGE},
	{{{.path = "/EFI/BOOT/mmx64.efi", .text = "any"}}, NO_STAGE},
	{{{.path = "/EFI/BOOT/fbx64.efi", .text = "any"}}, NO_STAGE},
	{{{.path = "/EFI/debian/BOOTX64.CSV", .text = "any"}}, NO_STAGE},
	{{{.path = "/EFI/BOOT/fbx64.efi", .text = "any"},
		{.path = "/EFI/debian/BOOTX64.CSV", .text = "any"}}, ""},
	{{{.path = "/EFI/BOOT/FBX64.EFI", .text = "any"}, {.path = "/EFI/other/x", .text = "any"},
		{.path = "/EFI/vendor/bootx64.csv", .text = "any"}}, ""},
	{{{.path = "/EFI/BOOT/fbx64.efi", .text = "any"},
		{.path = "/EFI/debian/BOOTX64.CSV", .size = 0}}, NO_STAGE},
	{{{.path = "/EFI/BOOT/fbx64.efi", .text = "any"},
		{.path = "/EFI/BOOT/BOOTX64.CSV", .text = "any"}}, NO_STAGE},
	{{{.path = "/EFI/BOOT/BOOTAA64.EFI", .text = SYSTEMD_BOOT}}, ""},
};

START_TEST(test_shim_alone_starts_nothing)
{
	struct fixture_file files[2 + BESIDE_SHIM_MAX] = {SHIM_FILE, IMAGE_FILE};
	struct test *t;
	size_t n = 2;

	for (const struct fixture_file *file = beside_shim[_i].files; file->path; file++)
		files[n++] = *file;
	t = new_test(fixture_new(FAT32, files, n));
	ck_assert_str_eq(judge(t), beside_shim[_i].lacking);
	free_test(t);
}
END_TEST

START_TEST(test_hidden_entries_and_images_do_not_count)
{
	static const struct fixture_file files[] = {
		LOADER,
		{.path = "/token/linux", .size = 3000, .seed = 1},
		{.path = "/loader/entries/auto-one.conf", .text = "linux /token/linux"},
		{.path = "/loader/entries/one.conf.bak", .text = "linux /token/linux"},
		{.path = "/EFI/Linux/.#one.efi", .size = 5000, .seed = 1},
		{.path = "/EFI/Linux/one.efi.extra.d/two.efi", .size = 5000, .seed = 1},
	};
	struct test *t = TEST_WITH(files);

	ck_assert_str_eq(judge(t), "no boot entry in /loader/entries or /EFI/Linux");
	free_test(t);
}
END_TEST

/* ---- entries that are not complete ---- */

static const struct {
	const char *text;
	const char *why; /* after the entry's path */
} incomplete[] = {
	{"linux /token/6.2/linux", "/token/6.2/linux (linux) is missing"},
	{"LINUX\ttoken\\6.2\\linux\r\n", "/token/6.2/linux (linux) is missing"},
	{"linux /token/linux\ninitrd /token/initrd", "/token/initrd (initrd) is missing"},
	{"linux /token/linux\ninitrd /token/linux/x", "/token/linux/x (initrd) is missing"},
	{"linux /token/linux\ninitrd /token/ucode /token/gone",
		"/token/gone (initrd) is missing"},
	{"linux /token/linux\ninitrd /no such file", "/no such file (initrd) is missing"},
	{"linux /token/linux\ndevicetree /a.dtb", "/a.dtb (devicetree) is missing"},
	{"linux /token/linux\nextra /token/ucode /x.cred", "/x.cred (extra) is missing"},
	{"uki /EFI/Linux/gone.efi", "/EFI/Linux/gone.efi (uki) is missing"},
	{"linux /token", "/token (linux) is a directory"},
	{"linux /token/empty", "/token/empty (linux) is empty"},
	{"linux /token/linux\ninitrd /token/empty", "/token/empty (initrd) is empty"},
	{"linux /token/linux\ninitrd /token/empty /token/empty", "/token/empty (initrd) is empty"},
	{"linux ../token/linux", "'../token/linux' (linux) names no file"},
	{"title One\ninitrd /token/linux", "names nothing to boot (linux, uki, efi)"},
};

static const struct fixture_file payload[] = {
	LOADER,
	{.path = "/token/linux", .size = 3000, .seed = 1},
	{.path = "/token/ucode", .size = 1000, .seed = 2},
	{.path = "/token/empty", .size = 0},
	{.path = "/token/my initrd", .size = 1000, .seed = 3},
};
enum { N_PAYLOAD = COUNT(payload) };

/* Those files, with one or two entries. */
static struct test *new_entries(const char *text, const char *second)
{
	struct fixture_file files[N_PAYLOAD + 2];

	memcpy(files, payload, sizeof payload);
	files[N_PAYLOAD] = (struct fixture_file){.path = "/loader/entries/x.conf", .text = text};
	files[N_PAYLOAD + 1] = (struct fixture_file){.path = "/loader/entries/y.conf", .text = second};
	return new_test(fixture_new(FAT32, files, N_PAYLOAD + (second ? 2 : 1)));
}

START_TEST(test_what_an_entry_lacks_is_named)
{
	struct test *t = new_entries(incomplete[_i].text, NULL);
	char note[256];

	ck_assert_str_eq(judge(t), "no complete boot entry in /loader/entries or /EFI/Linux");
	(void)snprintf(note, sizeof note, "/loader/entries/x.conf: %s", incomplete[_i].why);
	expect_notes(&t->esp, note, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_beside_a_complete_entry_it_is_a_warning)
{
	struct test *t = new_entries(incomplete[_i].text, "linux /token/linux\n");
	char note[256];

	ck_assert_str_eq(judge(t), "");
	(void)snprintf(note, sizeof note, "/loader/entries/x.conf: %s", incomplete[_i].why);
	expect_notes(&t->esp, note, NULL);
	free_test(t);
}
END_TEST

static char *append(char *at, const char *text, size_t n)
{
	for (; n > 0; n--)
		at = stpcpy(at, text);
	return at;
}

/* Of the name of the entry, which fixtures take in Latin-1, and of what is missing. */
START_TEST(test_long_names_are_cut_between_characters)
{
	char path[1024], text[1024], note[1024], *end;
	const struct fixture_file files[] = {LOADER, {.path = path, .text = text}};
	struct test *t;

	strcpy(append(stpcpy(path, "/loader/entries/x"), "\xfc", 200), ".conf");
	append(stpcpy(text, "linux /"), "ü", 200);
	end = append(stpcpy(note, "/loader/entries/x"), "ü", 141);
	strcpy(append(stpcpy(end, ": /"), "ü", 149), " (linux) is missing");
	t = TEST_WITH(files);
	ck_assert_str_eq(judge(t), "no complete boot entry in /loader/entries or /EFI/Linux");
	expect_notes(&t->esp, note, NULL);
	free_test(t);
}
END_TEST

static const char *const complete[] = {
	"linux /token/linux",
	"linux /token/linux\ninitrd /token/ucode /token/linux",
	"linux /token/linux\ninitrd /token/my initrd",
	"linux /token/linux\ninitrd /token/ucode\ninitrd token/my initrd\t\r\n",
	"efi \\token\\linux",
	"linux /token/linux\ninitrd /token/empty\ninitrd /token/ucode",
};

START_TEST(test_either_reading_of_blanks_is_complete)
{
	struct test *t = new_entries(complete[_i], NULL);

	ck_assert_str_eq(judge(t), "");
	expect_notes(&t->esp, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_an_image_without_a_byte_is_not_complete)
{
	static const struct fixture_file files[] = {
		LOADER,
		{.path = "/EFI/Linux/one+3.efi", .size = 0},
	};
	struct test *t = TEST_WITH(files);

	ck_assert_str_eq(judge(t), "no complete boot entry in /loader/entries or /EFI/Linux");
	expect_notes(&t->esp, "/EFI/Linux/one+3.efi: is empty", NULL);
	free_test(t);
}
END_TEST

START_TEST(test_many_incomplete_entries_are_named_in_part)
{
	struct fixture_file files[11] = {LOADER};
	char paths[10][64];
	struct test *t;

	for (size_t i = 0; i < 10; i++) {
		(void)snprintf(paths[i], sizeof paths[i], "/loader/entries/%zu.conf", i);
		files[i + 1] = (struct fixture_file){.path = paths[i], .text = "linux /gone"};
	}
	t = TEST_WITH(files);
	ck_assert_str_ne(judge(t), "");
	ck_assert_uint_eq(t->esp.notes.n, 9);
	ck_assert_str_eq(t->esp.notes.list[0], "/loader/entries/0.conf: /gone (linux) is missing");
	ck_assert_str_eq(t->esp.notes.list[8], "2 more boot entries are not complete");
	free_test(t);
}
END_TEST

START_TEST(test_an_entry_that_is_not_read_passes_and_is_told)
{
	static const struct fixture_file files[] = {
		LOADER,
		{.path = "/loader/entries/x.conf", .size = 1024 * 1024 + 1, .seed = 1},
	};
	struct test *t = TEST_WITH(files);

	ck_assert_str_eq(judge(t), "");
	expect_notes(&t->esp, "/loader/entries/x.conf: is too large to be looked into", NULL);
	free_test(t);
}
END_TEST

START_TEST(test_what_nobody_asks_for_is_not_noted)
{
	struct test *t = new_entries("linux /gone", NULL);
	struct fes_boots_volume esp = {.volume = t->esp.on.volume};

	ck_assert_int_eq(fes_boots_judge(&esp, NULL, &t->lacking), 0);
	ck_assert_str_eq(t->lacking, "no complete boot entry in /loader/entries or /EFI/Linux");
	free_test(t);
}
END_TEST

/* ---- with an XBOOTLDR ---- */

static struct test *new_pair(const struct fixture_file *files, size_t n)
{
	struct test *t = TEST_WITH(payload);

	open_subject(t, &t->xbootldr, fixture_new(FAT32, files, n));
	return t;
}

START_TEST(test_an_entry_beside_its_kernel_on_the_xbootldr_boots)
{
	static const struct fixture_file files[] = {
		{.path = "/6.1/linux", .size = 3000, .seed = 1},
		{.path = "/loader/entries/x.conf", .text = "linux /6.1/linux"},
	};
	struct test *t = new_pair(files, COUNT(files));

	ck_assert_str_eq(judge(t), "");
	expect_notes(&t->esp, NULL);
	expect_notes(&t->xbootldr, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_a_kernel_on_the_esp_does_not_complete_an_entry_on_the_xbootldr)
{
	static const struct fixture_file files[] = {
		{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "no firmware looks here"},
		{.path = "/loader/entries/x.conf", .text = "linux /token/linux"},
	};
	struct test *t = new_pair(files, COUNT(files));

	ck_assert_str_eq(judge(t), "no complete boot entry in /loader/entries or /EFI/Linux");
	expect_notes(&t->esp, NULL);
	expect_notes(&t->xbootldr,
		"/loader/entries/x.conf: /token/linux (linux) is missing", NULL);
	free_test(t);
}
END_TEST

/* ---- room ---- */

/* 200 KiB of FAT12 with clusters of 512 bytes, and these files. */
static struct test *new_tight(const struct fixture_file *files, size_t n)
{
	struct test *t = new_test(fixture_new_mkfs("-F 12 -s 1 x.img 200", files, n));

	(void)judge(t);
	ck_assert_ptr_nonnull(strstr(fes_notes_get(&t->esp.notes, 0), "FAT12"));
	return t;
}

static const struct fixture_file large[] = {
	LOADER,
	{.path = "/linux", .size = 30001, .seed = 1},
	{.path = "/initrd", .size = 70000, .seed = 2},
	{.path = "/loader/entries/x.conf", .text = "linux /linux\ninitrd /initrd"},
	{.path = "/EFI/Linux/small.efi", .size = 9000, .seed = 3},
};

START_TEST(test_too_little_room_for_another_kernel_is_told_in_figures)
{
	struct test *t = new_tight(large, COUNT(large));
	unsigned long long free_bytes, needed;
	const char *note = fes_notes_get(&t->esp.notes, 1);

	ck_assert_str_eq(t->lacking, "");
	ck_assert_ptr_nonnull(note);
	ck_assert_int_eq(sscanf(note,
		"no room for a further kernel: %llu bytes are free, the largest one here takes %llu",
		&free_bytes, &needed), 2);
	ck_assert_uint_eq(needed, 30208 + 70144); /* whole clusters */
	ck_assert_uint_eq(free_bytes, fes_volume_get_free(t->esp.on.volume));
	ck_assert_uint_lt(free_bytes, needed);
	free_test(t);
}
END_TEST

START_TEST(test_lost_clusters_will_be_free)
{
	struct test *t = new_tight(large, COUNT(large));
	uint32_t missing = (30208 + 70144) / 512 - t->esp.on.volume->info.free_clusters;

	free(t->lacking);
	fes_notes_done(&t->esp.notes);
	t->esp.lost_clusters = missing - 1;
	(void)judge(t);
	ck_assert_uint_eq(t->esp.notes.n, 2);
	free(t->lacking);
	fes_notes_done(&t->esp.notes);
	t->esp.lost_clusters = missing;
	(void)judge(t);
	ck_assert_uint_eq(t->esp.notes.n, 1);
	free_test(t);
}
END_TEST

START_TEST(test_an_image_counts_as_a_kernel_and_what_is_incomplete_does_not)
{
	static const struct fixture_file files[] = {
		LOADER,
		{.path = "/initrd", .size = 50000, .seed = 2},
		{.path = "/loader/entries/x.conf", .text = "linux /gone\ninitrd /initrd"},
		{.path = "/EFI/Linux/large.efi", .size = 100000, .seed = 3},
	};
	struct test *t = new_tight(files, COUNT(files));
	const char *note = fes_notes_get(&t->esp.notes, 2);

	ck_assert_ptr_nonnull(note);
	ck_assert_ptr_nonnull(strstr(note, "the largest one here takes 100352"));
	free_test(t);
}
END_TEST

/* ---- the file system ---- */

static const struct {
	const char *mkfs;
	uint32_t n_clusters; /* 0: whatever comes out */
	const char *note;    /* NULL: none */
} systems[] = {
	{"-F 12 -s 1 x.img 200", 0,
		"FAT12: UEFI asks for FAT32 on system partitions, and this firmware may not read it"},
	{"-F 16 -s 1 x.img 3000", 0,
		"FAT16: UEFI asks for FAT32 on system partitions, and this firmware may not read it"},
	{"-F 32 -s 1 x.img 2000", 0, "clusters: this firmware may not read it"},
	{"-F 32 -s 1 -f 1 -R 32 x.img 40000", 65524,
		"FAT32 with only 65524 clusters: this firmware may not read it, much of it takes fewer than 65525 for damage; format it with smaller clusters"},
	{"-F 32 -s 1 -f 1 -R 32 x.img 40000", 65525, NULL},
	{"-F 16 -s 1 x.img 3000", 4084, "FAT12"},
	{"-F 16 -s 1 x.img 3000", 4085, "it is FAT16 for some systems and FAT12 for others"},
	{"-F 16 -s 1 x.img 3000", 4086, "it is FAT16 for some systems and FAT12 for others"},
	{"-F 16 -s 1 x.img 3000", 4087, "FAT16: UEFI asks for FAT32"},
};

/* The total number of sectors that gives so many clusters. */
static void set_clusters(struct fixture *f, uint32_t n)
{
	struct fat_boot_sector *boot = (struct fat_boot_sector *)(void *)f->bytes;
	uint32_t fat_size = le16_get(boot->fat_sectors_16);
	uint32_t sectors = le16_get(boot->reserved_sectors) + le16_get(boot->root_entries) / 16u + n;

	if (fat_size == 0)
		fat_size = le32_get(boot->u.fat32.fat_sectors);
	sectors += boot->n_fats * fat_size;
	boot->total_sectors_16 = le16_of(0);
	boot->total_sectors_32 = le32_of(sectors);
}

START_TEST(test_file_systems_that_firmware_may_not_read_are_told)
{
	struct fixture *f = fixture_new_mkfs(systems[_i].mkfs, NULL, 0);
	struct fes_boots_volume esp;
	const char *note;
	struct test *t;

	if (systems[_i].n_clusters)
		set_clusters(f, systems[_i].n_clusters);
	t = new_test(f);
	if (systems[_i].n_clusters)
		ck_assert_uint_eq(t->esp.on.volume->info.n_clusters, systems[_i].n_clusters);
	esp = judged(&t->esp);
	ck_assert_int_eq(fes_boots_note_readers(&esp), 0);
	note = fes_notes_get(&t->esp.notes, 0);
	if (!systems[_i].note)
		ck_assert_ptr_null(note);
	else
		ck_assert_msg(note && strstr(note, systems[_i].note), "%s", note ? note : "none");
	free_test(t);
}
END_TEST

static const struct {
	uint32_t disk;
	const char *who;
} disks[] = {
	{512, NULL},
	{0, NULL}, /* not known */
	{4096, "the file system has sectors of 512 bytes, the disk has sectors of 4096: Linux does not mount that, and this firmware may not read it"},
};

START_TEST(test_sectors_unlike_those_of_the_disk_are_told)
{
	struct test *t = new_test(fixture_new(FAT32, NULL, 0));

	t->esp.on.volume->disk_sector_size = disks[_i].disk;
	(void)judge(t);
	expect_notes(&t->esp, disks[_i].who, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_sectors_larger_than_those_of_the_disk_are_told)
{
	struct test *t = new_test(fixture_new_mkfs("-F 12 -S 4096 -s 1 x.img 2000", NULL, 0));

	t->esp.on.volume->disk_sector_size = 512;
	(void)judge(t);
	ck_assert_str_eq(fes_notes_get(&t->esp.notes, 1),
		"the file system has sectors of 4096 bytes, the disk has sectors of 512: Windows does not mount that, and this firmware may not read it");
	free_test(t);
}
END_TEST

/* ---- another boot loader ---- */

#define ANOTHER_PROGRAM \
	"/EFI/BOOT/BOOTX64.EFI may start something else: it is another program than on the primary, and not mirrored, since it is neither systemd-boot nor shim"

static const struct {
	const char *primary, *mirror; /* NULL: no such file */
	const char *note;
} loaders[] = {
	{SYSTEMD_BOOT, SYSTEMD_BOOT, NULL},
	{SYSTEMD_BOOT, SHIM, NULL},
	{SHIM, SYSTEMD_BOOT, NULL},
	{"GRUB", "GRUB", NULL},
	{"GRUB", "grub", ANOTHER_PROGRAM},
	{"GRUB", "something", ANOTHER_PROGRAM},
	{"GRUB", SYSTEMD_BOOT,
		"/EFI/BOOT/BOOTX64.EFI would start something else: it is systemd-boot, on the primary it is neither systemd-boot nor shim"},
	{"GRUB", SHIM,
		"/EFI/BOOT/BOOTX64.EFI would start something else: it is shim, on the primary it is neither systemd-boot nor shim"},
	{"GRUB", "", NULL},
	{"GRUB", NULL, NULL},
	{"", "GRUB",
		"/EFI/BOOT/BOOTX64.EFI may start something else: it is neither systemd-boot nor shim, on the primary there is none"},
	{NULL, "GRUB",
		"/EFI/BOOT/BOOTX64.EFI may start something else: it is neither systemd-boot nor shim, on the primary there is none"},
	{NULL, "", NULL},
	{NULL, SYSTEMD_BOOT, NULL},
	{NULL, SHIM,
		"/EFI/BOOT/BOOTX64.EFI may start something else: it is shim, on the primary there is none"},
	{SYSTEMD_BOOT, "GRUB",
		"/EFI/BOOT/BOOTX64.EFI would start something else: it is neither systemd-boot nor shim, on the primary it is systemd-boot"},
	{SHIM, "GRUB",
		"/EFI/BOOT/BOOTX64.EFI would start something else: it is neither systemd-boot nor shim, on the primary it is shim"},
	{SYSTEMD_BOOT, NULL, NULL},
	{SYSTEMD_BOOT, "",
		"/EFI/BOOT/BOOTX64.EFI is empty, on the primary it is systemd-boot: a machine that starts from there would start nothing from this disk"},
};

/* "": without a byte. */
static struct fixture *new_loader(const char *text)
{
	struct fixture_file file = {
		.path = "/EFI/BOOT/BOOTX64.EFI", .text = text && *text ? text : NULL,
	};

	return fixture_new(FAT12, &file, text ? 1 : 0);
}

/* What there is to note of the mirror, beside @primary, which is freed. */
static void compare_with(struct test *t, struct fixture *primary, const char *told)
{
	struct fes_loaders of_primary = {0};
	struct subject subject = {0};

	open_subject(t, &subject, primary);
	ck_assert_int_eq(fes_loaders_read(subject.on.volume, &of_primary), 0);
	ck_assert_int_eq(
		fes_loaders_compare(subject.on.volume, &of_primary, t->esp.on.volume, told,
			&t->esp.notes), 0);
	fes_loaders_done(&of_primary);
	close_subject(&subject);
}

START_TEST(test_a_mirror_that_would_start_something_else_is_told)
{
	struct test *t = new_test(new_loader(loaders[_i].mirror));

	compare_with(t, new_loader(loaders[_i].primary), NULL);
	expect_notes(&t->esp, loaders[_i].note, NULL);
	free_test(t);
}
END_TEST

static struct fixture *new_large_loader(uint32_t size, uint8_t seed)
{
	struct fixture_file file = {.path = "/EFI/BOOT/BOOTX64.EFI", .size = size, .seed = seed};

	return fixture_new(FAT32, &file, 1);
}

static const struct {
	uint32_t size, mirror_size;
	const char *note;
} very_large[] = {
	{FES_LOADER_MAX, FES_LOADER_MAX, ANOTHER_PROGRAM},
	{FES_LOADER_MAX + 1, FES_LOADER_MAX + 1, NULL},
	{FES_LOADER_MAX + 1, FES_LOADER_MAX + 2, ANOTHER_PROGRAM},
};

START_TEST(test_of_a_very_large_loader_only_the_size_is_compared)
{
	struct test *t = new_test(new_large_loader(very_large[_i].mirror_size, 2));

	compare_with(t, new_large_loader(very_large[_i].size, 1), NULL);
	expect_notes(&t->esp, very_large[_i].note, NULL);
	free_test(t);
}
END_TEST

/* A primary can be mounted: what was read of it need not be true any more. */
START_TEST(test_a_loader_that_went_or_grew_since_it_was_read_is_another)
{
	static const char *const now[] = {NULL, "GRUB 2"};
	struct test *t = new_test(new_loader("GRUB"));
	struct fes_loaders before = {0};
	struct subject primary = {0};

	open_subject(t, &primary, new_loader(now[_i]));
	ck_assert_int_eq(fes_loaders_read(t->esp.on.volume, &before), 0);
	ck_assert_int_eq(
		fes_loaders_compare(primary.on.volume, &before, t->esp.on.volume, NULL,
			&t->esp.notes), 0);
	expect_notes(&t->esp, ANOTHER_PROGRAM, NULL);
	fes_loaders_done(&before);
	close_subject(&primary);
	free_test(t);
}
END_TEST

static const struct fixture_file both_machines[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = SYSTEMD_BOOT},
	{.path = "/EFI/BOOT/BOOTAA64.EFI", .text = SHIM},
};
static const struct fixture_file one_machine[] = {
	{.path = "/efi/boot/bootx64.efi", .text = "GRUB"},
};

static struct test *compare_machines(const char *told)
{
	struct test *t = new_test(fixture_new(FAT12, one_machine, COUNT(one_machine)));

	compare_with(t, fixture_new(FAT12, both_machines, COUNT(both_machines)), told);
	return t;
}

#define MISSING_LOADER \
	"there is no /EFI/BOOT/BOOTAA64.EFI, which on the primary is shim: a machine that starts from there would start nothing from this disk"

START_TEST(test_each_machine_is_told_of_by_itself)
{
	struct test *t = compare_machines(NULL);

	expect_notes(&t->esp,
		"/EFI/BOOT/BOOTX64.EFI would start something else: it is neither systemd-boot nor shim, on the primary it is systemd-boot",
		MISSING_LOADER, NULL);
	free_test(t);
}
END_TEST

START_TEST(test_what_was_told_before_is_not_told_again)
{
	struct test *t = compare_machines("/EFI/boot/BOOTX64.EFI");

	expect_notes(&t->esp, MISSING_LOADER, NULL);
	free_test(t);
}
END_TEST

/* ---- failures ---- */

/* All of it, of a disk that there is much to say about. */
static int judge_all(struct test *t)
{
	struct fes_boots_volume esp = judged(&t->esp);
	struct fes_loaders found = {0};
	int r = fes_boots_judge(&esp, NULL, &t->lacking);

	if (r == 0)
		r = fes_loaders_read(t->esp.on.volume, &found);
	if (r == 0)
		r = fes_loaders_compare(t->esp.on.volume, &found, t->esp.on.volume, NULL, &t->esp.notes);
	fes_loaders_done(&found);
	return r;
}

static void forget(struct test *t)
{
	free(t->lacking);
	t->lacking = NULL;
	fes_notes_done(&t->esp.notes);
}

START_TEST(test_without_memory_nothing_is_said_and_nothing_is_lost)
{
	struct test *t = new_entries("linux /token/linux\ninitrd /token/ucode /gone\n",
		"linux /token/linux\n");
	uint64_t nth = 1;
	int r;

	do {
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth++};
		r = judge_all(t);
		wrap_fault.calls = 0;
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
		ck_assert(r == 0 || !t->lacking || !*t->lacking);
		forget(t);
	} while (r < 0);
	ck_assert_uint_gt(nth, 20);
	free_test(t);
}
END_TEST

START_TEST(test_what_cannot_be_read_is_an_error)
{
	struct test *t = new_entries("linux /token/linux\n", NULL);
	uint64_t nth = 1;
	int r;

	do {
		t->esp.on.fault = (struct fault){.ops = TESTDEV_READ, .error = -EIO, .nth = nth++};
		r = judge_all(t);
		ck_assert_int_eq(r, t->esp.on.fault.n_fired > 0 ? -EIO : 0);
		forget(t);
	} while (r < 0);
	ck_assert_uint_gt(nth, 5);
	free_test(t);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("boots");
	Suite *suite = suite_create("boots");

	if (!fixture_tools())
		return 77;
	tcase_add_test(tc, test_a_loader_and_a_complete_entry_boot);
	tcase_add_test(tc, test_a_loader_and_an_image_boot);
	tcase_add_test(tc, test_an_empty_volume_lacks_all);
	tcase_add_test(tc, test_what_firmware_does_not_start_is_no_loader);
	tcase_add_test(tc, test_a_loader_without_a_byte_is_none);
	tcase_add_test(tc, test_hidden_entries_and_images_do_not_count);
	tcase_add_loop_test(tc, test_shim_alone_starts_nothing, 0, COUNT(beside_shim));
	tcase_add_loop_test(tc, test_what_an_entry_lacks_is_named, 0, COUNT(incomplete));
	tcase_add_loop_test(tc, test_beside_a_complete_entry_it_is_a_warning, 0, COUNT(incomplete));
	tcase_add_test(tc, test_long_names_are_cut_between_characters);
	tcase_add_loop_test(tc, test_either_reading_of_blanks_is_complete, 0, COUNT(complete));
	tcase_add_test(tc, test_an_image_without_a_byte_is_not_complete);
	tcase_add_test(tc, test_many_incomplete_entries_are_named_in_part);
	tcase_add_test(tc, test_an_entry_that_is_not_read_passes_and_is_told);
	tcase_add_test(tc, test_what_nobody_asks_for_is_not_noted);
	tcase_add_test(tc, test_an_entry_beside_its_kernel_on_the_xbootldr_boots);
	tcase_add_test(tc, test_a_kernel_on_the_esp_does_not_complete_an_entry_on_the_xbootldr);
	tcase_add_test(tc, test_too_little_room_for_another_kernel_is_told_in_figures);
	tcase_add_test(tc, test_lost_clusters_will_be_free);
	tcase_add_test(tc, test_an_image_counts_as_a_kernel_and_what_is_incomplete_does_not);
	tcase_add_loop_test(tc, test_file_systems_that_firmware_may_not_read_are_told, 0,
		COUNT(systems));
	tcase_add_loop_test(tc, test_sectors_unlike_those_of_the_disk_are_told, 0, COUNT(disks));
	tcase_add_test(tc, test_sectors_larger_than_those_of_the_disk_are_told);
	tcase_add_loop_test(tc, test_a_mirror_that_would_start_something_else_is_told, 0,
		COUNT(loaders));
	tcase_add_test(tc, test_each_machine_is_told_of_by_itself);
	tcase_add_test(tc, test_what_was_told_before_is_not_told_again);
	tcase_add_loop_test(tc, test_of_a_very_large_loader_only_the_size_is_compared, 0,
		COUNT(very_large));
	tcase_add_loop_test(tc, test_a_loader_that_went_or_grew_since_it_was_read_is_another, 0, 2);
	tcase_add_test(tc, test_without_memory_nothing_is_said_and_nothing_is_lost);
	tcase_add_test(tc, test_what_cannot_be_read_is_an_error);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
