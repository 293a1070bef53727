/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which boot loader a program is. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loader.h"
#include "tests/faults-wrap.h"
#include "tests/side.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define BOOT_MARK "#### LoaderInfo: systemd-boot 252.39-1~deb12u2 ####"
#define STUB_MARK "#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####"
#define SHIM_MARK "UEFI SHIM\n$Version: 15.8 $\n$BuildMachine: Linux x86_64 $\n"
#define SBAT "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"
#define SHIM_SBAT SBAT "shim,4,UEFI shim,shim,1,https://github.com/rhboot/shim\n"
#define GRUB_SBAT SBAT "grub,4,Free Software Foundation,grub,2.12,https://gnu.org/software/grub/\n"

static void expect_bytes(const char *bytes, size_t len, enum fes_loader_kind kind,
	const char *version)
{
	/* Of its own, so that a byte too far is noticed. */
	char *copy = malloc(len ? len : 1), found[64] = "?";

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, len);
	ck_assert_msg(fes_loader_identify(copy, len, found, sizeof found) == kind, "'%s'", bytes);
	ck_assert_str_eq(found, version);
	ck_assert_msg(fes_loader_identify(copy, len, NULL, 0) == kind, "'%s'", bytes);
	free(copy);
}

static void expect(const char *text, enum fes_loader_kind kind, const char *version)
{
	expect_bytes(text, strlen(text), kind, version);
}

/* ---- what is said of itself ---- */

START_TEST(test_systemd_boot_says_who_it_is)
{
	expect(BOOT_MARK, FES_LOADER_SYSTEMD_BOOT, "systemd-boot 252.39-1~deb12u2");
	expect("MZ..." BOOT_MARK "...", FES_LOADER_SYSTEMD_BOOT, "systemd-boot 252.39-1~deb12u2");
	expect_bytes("MZ\0\0" BOOT_MARK "\0\0\0", 4 + sizeof BOOT_MARK + 2,
		FES_LOADER_SYSTEMD_BOOT, "systemd-boot 252.39-1~deb12u2");
	expect("#### LoaderInfo: systemd-boot 262 ####", FES_LOADER_SYSTEMD_BOOT,
		"systemd-boot 262");
}
END_TEST

START_TEST(test_its_stub_is_another_program)
{
	expect("MZ" STUB_MARK, FES_LOADER_OTHER, "");
	/* An image with systemd-boot, or a shim, in its initrd. */
	expect("MZ" STUB_MARK "..." BOOT_MARK "..." SHIM_MARK SHIM_SBAT, FES_LOADER_OTHER, "");
}
END_TEST

START_TEST(test_a_mark_that_is_not_whole_is_none)
{
	expect("#### LoaderInfo: systemd-boot 252", FES_LOADER_OTHER, "");
	expect("#### LoaderInfo: systemd-boot 252 ###", FES_LOADER_OTHER, "");
	expect("#### LoaderInfo: ", FES_LOADER_OTHER, "");
	expect("#### LoaderInfo: ####", FES_LOADER_OTHER, "");
	expect("#### LoaderInfo: systemd-boot ####", FES_LOADER_OTHER, "");
	expect("#### LoaderInfo: systemd-bootx 252 ####", FES_LOADER_OTHER, "");
	expect("#### LoaderInfo: systemd-boot 252\n ####", FES_LOADER_OTHER, "");
	expect("#### LoaderInfo: systemd-boot \xff ####", FES_LOADER_OTHER, "");
	expect("### LoaderInfo: systemd-boot 252 ####", FES_LOADER_OTHER, "");
	expect("LoaderInfo: systemd-boot 252", FES_LOADER_OTHER, "");
}
END_TEST

START_TEST(test_an_endless_version_is_none)
{
	char text[4096] = "#### LoaderInfo: systemd-boot ";

	memset(text + strlen(text), '1', 3000);
	(void)strcat(text, " ####");
	expect(text, FES_LOADER_OTHER, "");
}
END_TEST

START_TEST(test_shim_says_who_it_is_or_its_table_does)
{
	expect("MZ" SHIM_MARK, FES_LOADER_SHIM, "shim 15.8");
	expect("MZ" SHIM_SBAT, FES_LOADER_SHIM, "");
	expect("MZ" SHIM_SBAT SHIM_MARK, FES_LOADER_SHIM, "shim 15.8");
	expect("MZ" SBAT "shim,1,UEFI shim,shim,1,x\nshim.debian,1,Debian,shim,15.4,x\n",
		FES_LOADER_SHIM, "");
	expect("UEFI SHIM\n$Version", FES_LOADER_SHIM, "");
	expect("UEFI SHIM\n$Version: 15", FES_LOADER_SHIM, "");
	expect("UEFI SHIM\n$Version: 1\x01 $", FES_LOADER_SHIM, "");
}
END_TEST

START_TEST(test_who_only_knows_of_shim_is_another_program)
{
	expect("MZ" GRUB_SBAT, FES_LOADER_OTHER, "");
	expect("MZ" SBAT "systemd,1,The systemd Developers,systemd,252,https://systemd.io/\n"
	       "shim_loaded shim.c shim,",
		FES_LOADER_OTHER, "");
	/* What is revoked. */
	expect("sbat,1,2023012900\nshim,2\ngrub,3\n", FES_LOADER_OTHER, "");
	expect("sbat,1,2023012900\nshim,2", FES_LOADER_OTHER, "");
	expect("\nshim,", FES_LOADER_OTHER, "");
	expect("\nshim,,x", FES_LOADER_OTHER, "");
	expect("\nshim,x,1", FES_LOADER_OTHER, "");
	expect("\nshim.debian,1,Debian,shim,15.4,x\n", FES_LOADER_OTHER, "");
	expect("Linux UEFI SHIM", FES_LOADER_OTHER, "");
}
END_TEST

START_TEST(test_a_list_of_what_is_revoked_hides_no_shim)
{
	expect("sbat,1,2023012900\nshim,2\ngrub,3\n\0" SHIM_SBAT, FES_LOADER_OTHER, "");
	expect_bytes("sbat,1,2023012900\nshim,2\ngrub,3\n\0" SHIM_SBAT,
		sizeof "sbat,1,2023012900\nshim,2\ngrub,3\n\0" SHIM_SBAT - 1, FES_LOADER_SHIM, "");
}
END_TEST

START_TEST(test_anything_else_is_another_program)
{
	expect("", FES_LOADER_NONE, "");
	expect("MZ", FES_LOADER_OTHER, "");
	expect("text", FES_LOADER_OTHER, "");
}
END_TEST

START_TEST(test_a_short_buffer_gets_as_much_as_fits)
{
	char version[8] = "?";

	ck_assert_int_eq(fes_loader_identify(BOOT_MARK, sizeof BOOT_MARK - 1, version,
				 sizeof version),
		FES_LOADER_SYSTEMD_BOOT);
	ck_assert_str_eq(version, "systemd");
}
END_TEST

/* ---- names ---- */

START_TEST(test_firmware_starts_a_name_for_each_machine)
{
	static const char *const names[] = {"BOOTX64.EFI", "bootx64.efi", "BootAA64.efi",
		"BOOTIA32.EFI", "BOOTIA64.EFI", "BOOTARM.EFI", "BOOTRISCV32.EFI",
		"BOOTRISCV64.EFI", "BOOTRISCV128.EFI", "BOOTLOONGARCH32.EFI",
		"BOOTLOONGARCH64.EFI"};
	static const char *const others[] = {"", "BOOT.EFI", "BOOT", "BOOTX64", "BOOTX64.CSV",
		"BOOTX64.EFI.bak", "BOOTX64.EF", "XBOOTX64.EFI", "BOOTMGFW.EFI", "fbx64.efi",
		"mmx64.efi", "grubx64.efi", "shimx64.efi", "systemd-bootx64.efi", ".BOOTX64.EFI"};

	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(fes_loader_is_default_name(names[i]), "%s", names[i]);
	for (size_t i = 0; i < COUNT(others); i++)
		ck_assert_msg(!fes_loader_is_default_name(others[i]), "%s", others[i]);
}
END_TEST

/* ---- on a volume ---- */

static void expect_file(
	struct esp *esp, const char *path, enum fes_loader_kind kind, const char *version)
{
	enum fes_loader_kind found = (enum fes_loader_kind)99;
	char text[64] = "?";

	ck_assert_int_eq(fes_loader_find(esp->side.volume, path, &found, text, sizeof text), 0);
	ck_assert_msg(found == kind, "%s is %d", path, (int)found);
	ck_assert_str_eq(text, version);
	ck_assert_int_eq(fes_loader_find(esp->side.volume, path, &found, NULL, 0), 0);
	ck_assert_int_eq(found, kind);
}

static const struct fixture_file programs[] = {
	{.path = "/EFI/BOOT/BOOTX64.EFI", .text = "MZ" BOOT_MARK},
	{.path = "/EFI/BOOT/BOOTIA32.EFI", .text = "MZ" SHIM_MARK},
	{.path = "/EFI/BOOT/BOOTARM.EFI", .text = "MZ" GRUB_SBAT},
	{.path = "/EFI/BOOT/BOOTIA64.EFI", .size = 0},
	{.path = "/EFI/BOOT/BOOTAA64.EFI/"},
};

START_TEST(test_programs_are_found_on_a_volume)
{
	struct esp *esp = esp_new(fixture_new(_i, programs, COUNT(programs)));

	expect_file(esp, "/EFI/BOOT/BOOTX64.EFI", FES_LOADER_SYSTEMD_BOOT,
		"systemd-boot 252.39-1~deb12u2");
	expect_file(esp, "/efi/boot/bootia32.efi", FES_LOADER_SHIM, "shim 15.8");
	expect_file(esp, "/EFI/BOOT/BOOTARM.EFI", FES_LOADER_OTHER, "");
	expect_file(esp, "/EFI/BOOT/BOOTIA64.EFI", FES_LOADER_NONE, "");
	expect_file(esp, "/EFI/BOOT/BOOTAA64.EFI", FES_LOADER_OTHER, "");
	expect_file(esp, "/EFI/BOOT/BOOTRISCV64.EFI", FES_LOADER_NONE, "");
	expect_file(esp, "/EFI/BOOT/BOOTX64.EFI/x", FES_LOADER_NONE, "");
	expect_file(esp, "/EFI/systemd/systemd-bootx64.efi", FES_LOADER_NONE, "");
	ck_assert_str_eq(esp->messages.text, "");
	esp_free(esp);
}
END_TEST

/* Put the mark of systemd-boot into "/x.efi" of @size bytes, @at bytes behind its beginning. */
static void mark_file(struct fixture *f, uint32_t at)
{
	fixture_do(f,
		"mcopy -n -o -i x.img ::/x.efi x && printf '%%s' '%s' | "
		"dd of=x bs=1 seek=%u conv=notrunc status=none && mcopy -D o -i x.img x ::/x.efi",
		BOOT_MARK, at);
}

START_TEST(test_a_mark_is_found_wherever_it_lies)
{
	/* Around the ends of a sector, of a cluster and of 64 KiB. */
	static const uint32_t places[] = {0, 500, 4070, 65510, 131070, 262130, 300000 - 51};
	static const struct fixture_file files[] = {{.path = "/x.efi", .size = 300000, .seed = 1}};
	struct fixture *f = fixture_new(1, files, COUNT(files));
	struct esp *esp;

	mark_file(f, places[_i]);
	esp = esp_new(f);
	expect_file(esp, "/x.efi", FES_LOADER_SYSTEMD_BOOT, "systemd-boot 252.39-1~deb12u2");
	esp_free(esp);
}
END_TEST

START_TEST(test_a_mark_behind_the_end_of_a_file_is_none)
{
	static const struct fixture_file files[] = {{.path = "/x.efi", .text = "MZ" BOOT_MARK}};
	struct fixture *f = fixture_new(0, files, COUNT(files));
	struct fat_entry entry = fixture_find(f, "/x.efi");
	struct esp *esp;
	uint8_t *slot;

	slot = memmem(f->bytes, f->size, fat_entry_short(&entry), FAT_SLOT_LEN);
	ck_assert_ptr_nonnull(slot);
	slot[offsetof(struct fat_short_slot, size)] = 40;
	esp = esp_new(f);
	expect_file(esp, "/x.efi", FES_LOADER_OTHER, "");
	esp_free(esp);
}
END_TEST

START_TEST(test_a_program_of_more_than_16_mib_is_not_looked_into)
{
	static const struct fixture_file files[] = {
		{.path = "/x.efi", .size = FES_LOADER_MAX + 1, .seed = 1}};
	struct fixture *f = fixture_new_mkfs("-F 16 -s 8 x.img 20480", files, COUNT(files));
	struct esp *esp;

	mark_file(f, 4096);
	esp = esp_new(f);
	esp->side.fault = (struct fault){.ops = TESTDEV_READ};
	expect_file(esp, "/x.efi", FES_LOADER_OTHER, "");
	ck_assert_uint_le(esp->side.fault.n_calls, 4); /* directories, twice */
	esp_free(esp);
}
END_TEST

/* What distributions ship, when it is installed. */
START_TEST(test_the_real_programs_are_told_apart)
{
	static const struct {
		const char *path;
		enum fes_loader_kind kind;
		const char *version;
	} real[] = {
		{"/usr/lib/systemd/boot/efi/systemd-bootx64.efi", FES_LOADER_SYSTEMD_BOOT,
			"systemd-boot "},
		{"/usr/lib/systemd/boot/efi/linuxx64.efi.stub", FES_LOADER_OTHER, ""},
		{"/usr/lib/shim/shimx64.efi", FES_LOADER_SHIM, "shim "},
		{"/usr/lib/shim/shimx64.efi.signed", FES_LOADER_SHIM, "shim "},
		{"/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi", FES_LOADER_OTHER, ""},
	};
	static char bytes[FES_LOADER_MAX];
	FILE *file = fopen(real[_i].path, "r");
	char version[64];
	size_t len;

	if (!file) {
		(void)fprintf(stderr, "%s is missing: not looked at\n", real[_i].path);
		return;
	}
	len = fread(bytes, 1, sizeof bytes, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(fes_loader_identify(bytes, len, version, sizeof version), real[_i].kind);
	ck_assert_int_eq(strncmp(version, real[_i].version, strlen(real[_i].version)), 0);
	ck_assert_int_eq(version[0] == '\0', real[_i].version[0] == '\0');
}
END_TEST

/* ---- what fails ---- */

static int look(struct esp *esp)
{
	enum fes_loader_kind found = (enum fes_loader_kind)99;
	char version[64] = "?";
	int r = fes_loader_find(esp->side.volume, "/EFI/BOOT/BOOTX64.EFI", &found, version,
		sizeof version);

	wrap_fault.calls = 0; /* libcheck allocates */
	if (r == 0) {
		ck_assert_int_eq(found, FES_LOADER_SYSTEMD_BOOT);
		return 0;
	}
	ck_assert_int_eq(found, 99);
	ck_assert_str_eq(version, "?");
	return r;
}

START_TEST(test_each_read_that_fails_is_an_error)
{
	struct esp *esp = esp_new(fixture_new(_i, programs, COUNT(programs)));
	struct fault *fault = &esp->side.fault;

	*fault = (struct fault){.ops = TESTDEV_READ, .error = -EIO};
	do {
		fault->nth++;
		fault->n_calls = 0;
		fault->n_fired = 0;
		messages_clear(&esp->messages);
		ck_assert_int_eq(look(esp), fault->n_fired > 0 ? -EIO : 0);
		ck_assert_int_eq(esp->messages.n > 0, fault->n_fired > 0);
	} while (fault->n_fired > 0);
	ck_assert_uint_gt(fault->nth, 3);
	esp_free(esp);
}
END_TEST

START_TEST(test_without_memory_there_is_no_answer)
{
	struct esp *esp = esp_new(fixture_new(_i, programs, COUNT(programs)));
	uint64_t nth = 1;
	int r;

	do {
		wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth++};
		r = look(esp);
		ck_assert_int_eq(r, wrap_fault.n_fired > 0 ? -ENOMEM : 0);
	} while (r < 0);
	ck_assert_uint_gt(nth, 5);
	esp_free(esp);
}
END_TEST

int main(void)
{
	TCase *text = tcase_create("text"), *files = tcase_create("files");
	Suite *suite = suite_create("loader");
	int n = FIXTURE_N_TYPES;

	if (!fixture_tools())
		return 77;
	tcase_add_test(text, test_systemd_boot_says_who_it_is);
	tcase_add_test(text, test_its_stub_is_another_program);
	tcase_add_test(text, test_a_mark_that_is_not_whole_is_none);
	tcase_add_test(text, test_an_endless_version_is_none);
	tcase_add_test(text, test_shim_says_who_it_is_or_its_table_does);
	tcase_add_test(text, test_who_only_knows_of_shim_is_another_program);
	tcase_add_test(text, test_a_list_of_what_is_revoked_hides_no_shim);
	tcase_add_test(text, test_anything_else_is_another_program);
	tcase_add_test(text, test_a_short_buffer_gets_as_much_as_fits);
	tcase_add_test(text, test_firmware_starts_a_name_for_each_machine);
	tcase_add_loop_test(text, test_the_real_programs_are_told_apart, 0, 5);
	tcase_add_loop_test(files, test_programs_are_found_on_a_volume, 0, n);
	tcase_add_loop_test(files, test_a_mark_is_found_wherever_it_lies, 0, 7);
	tcase_add_test(files, test_a_mark_behind_the_end_of_a_file_is_none);
	tcase_add_test(files, test_a_program_of_more_than_16_mib_is_not_looked_into);
	tcase_add_test(files, test_each_read_that_fails_is_an_error);
	tcase_add_test(files, test_without_memory_there_is_no_answer);
	suite_add_tcase(suite, text);
	suite_add_tcase(suite, files);
	return suite_run(suite);
}
