/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names: from the bytes on disk to UTF-8, comparing them, and making short ones. */

#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/fixture.h"
#include "tests/suite.h"

#define BYTES(literal) ((const uint8_t *)(literal))

/* ---- checksum ---- */

/* Values of the specification's ChkSum(), computed apart from this program. */
START_TEST(test_checksum_is_the_specifications)
{
	ck_assert_uint_eq(fat_lfn_checksum(BYTES("README  TXT")), 0x73);
	ck_assert_uint_eq(fat_lfn_checksum(BYTES("LOADER~1CON")), 0xb6);
	ck_assert_uint_eq(fat_lfn_checksum(BYTES("VMLINUZ    ")), 0xcc);
	ck_assert_uint_eq(fat_lfn_checksum(BYTES("           ")), 0xf7);
}
END_TEST

/* 0x05 stands for 0xE5, but it is 0x05 that is summed up. */
START_TEST(test_checksum_takes_the_bytes_as_stored)
{
	ck_assert_uint_eq(fat_lfn_checksum(BYTES("\005BC        ")), 0x25);
}
END_TEST

/* ---- short names ---- */

static const char *short_name(const char *bytes, uint8_t case_flags)
{
	static char name[FAT_NAME_MAX];

	fat_short_name_decode(BYTES(bytes), case_flags, name);
	return name;
}

START_TEST(test_short_name_loses_its_padding)
{
	ck_assert_str_eq(short_name("README  TXT", 0), "README.TXT");
	ck_assert_str_eq(short_name("VMLINUZ    ", 0), "VMLINUZ");
	ck_assert_str_eq(short_name("BOOTX64 EFI", 0), "BOOTX64.EFI");
	ck_assert_str_eq(short_name("12345678123", 0), "12345678.123");
	ck_assert_str_eq(short_name("A       B  ", 0), "A.B");
	ck_assert_str_eq(short_name("A B     C D", 0), "A B.C D");
}
END_TEST

START_TEST(test_case_flags_lower_base_and_extension_apart)
{
	ck_assert_str_eq(short_name("README~1TXT", FAT_CASE_BASE), "readme~1.TXT");
	ck_assert_str_eq(short_name("README~1TXT", FAT_CASE_EXT), "README~1.txt");
	ck_assert_str_eq(short_name("README~1TXT", FAT_CASE_BASE | FAT_CASE_EXT), "readme~1.txt");
}
END_TEST

/* Windows keeps encryption flags in the same byte. */
START_TEST(test_other_case_flags_mean_nothing)
{
	ck_assert_str_eq(short_name("README  TXT", 0xe7), "README.TXT");
}
END_TEST

START_TEST(test_leading_0x05_is_a_real_0xe5)
{
	ck_assert_str_eq(short_name("\005BC     TXT", 0), "σBC.TXT");
	ck_assert_str_eq(short_name("A\345C     TXT", 0), "AσC.TXT");
}
END_TEST

/* The table as Python's codec "cp437" prints it. */
START_TEST(test_high_bytes_are_code_page_437)
{
	static const char all[] = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ"
				  "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐"
				  "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
				  "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
	const char *at = all;

	for (unsigned byte = 0x80; byte < 0x100; byte++) {
		char bytes[] = "A          ", want[8] = "A";
		size_t len = 1;

		while (((uint8_t)at[len] & 0xc0) == 0x80)
			len++;
		memcpy(want + 1, at, len);
		bytes[1] = (char)byte;
		ck_assert_str_eq(short_name(bytes, 0), want);
		at += len;
	}
	ck_assert_int_eq(*at, 0);
}
END_TEST

/* ---- UTF-16 ---- */

static const char *utf8_of(const uint16_t *units, size_t n)
{
	static char name[FAT_NAME_MAX];

	fat_utf16_decode(units, n, name);
	return name;
}

START_TEST(test_utf16_becomes_utf8)
{
	static const uint16_t units[] = {'a', 0x7f, 0x80, 0xe9, 0x7ff, 0x800, 0x20ac, 0xffff};

	ck_assert_str_eq(utf8_of(units, 8), "a\x7f\xc2\x80é\u07ff\u0800€\xef\xbf\xbf");
	ck_assert_str_eq(utf8_of(units, 0), "");
}
END_TEST

START_TEST(test_surrogate_pairs_become_one_character)
{
	static const uint16_t units[] = {0xd83d, 0xde00, 'x', 0xd800, 0xdc00, 0xdbff, 0xdfff};

	ck_assert_str_eq(utf8_of(units, 7), "\U0001F600x\U00010000\U0010FFFF");
}
END_TEST

START_TEST(test_lone_surrogates_are_three_bytes_each)
{
	static const uint16_t high_at_end[] = {'a', 0xd83d}, low[] = {0xde00, 'b'};
	static const uint16_t swapped[] = {0xde00, 0xd83d}, twice[] = {0xd83d, 0xd83d, 0xde00};

	ck_assert_str_eq(utf8_of(high_at_end, 2), "a\xed\xa0\xbd");
	ck_assert_str_eq(utf8_of(low, 2), "\xed\xb8\x80"
					  "b");
	ck_assert_str_eq(utf8_of(swapped, 2), "\xed\xb8\x80\xed\xa0\xbd");
	ck_assert_str_eq(utf8_of(twice, 3), "\xed\xa0\xbd\U0001F600");
}
END_TEST

START_TEST(test_255_units_of_three_bytes_fit)
{
	uint16_t units[255];
	char name[FAT_NAME_MAX];

	for (size_t i = 0; i < 255; i++)
		units[i] = 0x20ac;
	fat_utf16_decode(units, 255, name);
	ck_assert_uint_eq(strlen(name), 765);
	ck_assert_mem_eq(name + 762, "€", 4);
}
END_TEST

/* ---- long names ---- */

static void expect_long_name(const char *name, uint32_t n_slots)
{
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	uint32_t n = fixture_set(slots, name, "SHORT      ", 0, 0);
	uint16_t units[260];

	ck_assert_uint_eq(n, n_slots);
	ck_assert_uint_eq(fat_lfn_units(slots, n, units), strlen(name));
	for (size_t i = 0; name[i]; i++)
		ck_assert_uint_eq(units[i], (uint8_t)name[i]);
}

START_TEST(test_long_names_are_put_together_from_the_last_slot_on)
{
	char longest[256];

	expect_long_name("x", 2);
	expect_long_name("thirteen.unit", 2); /* no end mark: the slot is full */
	expect_long_name("fourteen.units", 3);
	expect_long_name("twenty-six units, two slot", 3);
	for (size_t i = 0; i < 255; i++)
		longest[i] = (char)('a' + i % 26);
	longest[255] = '\0';
	expect_long_name(longest, 21);
}
END_TEST

/* ---- comparing ---- */

/* Folding and comparing are one rule. */
static bool same(const char *a, const char *b)
{
	char fa[FAT_NAME_MAX], fb[FAT_NAME_MAX];
	bool equal = fat_name_equal(a, b);

	ck_assert_uint_eq(fat_name_fold(a, fa), strlen(fa));
	ck_assert_uint_eq(fat_name_fold(b, fb), strlen(fb));
	ck_assert(equal == (strcmp(fa, fb) == 0));
	ck_assert(equal == fat_name_equal(b, a));
	return equal;
}

START_TEST(test_ascii_letters_have_no_case)
{
	ck_assert(same("Loader.Conf", "lOADER.cONF"));
	ck_assert(same("", ""));
	ck_assert(!same("loader.conf", "loader.con"));
	ck_assert(!same("", "a"));
	ck_assert(!same("[", "{")); /* as far apart as 'A' and 'a' */
	ck_assert(!same("@", "`"));
}
END_TEST

/* EDK2 folds these; the multiplication and division signs and y with diaeresis are no pairs. */
START_TEST(test_latin_1_letters_have_no_case)
{
	ck_assert(same("é", "É"));
	ck_assert(same("àþö", "ÀÞÖ"));
	ck_assert(!same("÷", "×"));
	ck_assert(!same("ÿ", "ß"));
	ck_assert(!same("ÿ", "Ÿ"));
	ck_assert(!same("e", "é"));
}
END_TEST

START_TEST(test_other_letters_have_case)
{
	ck_assert(!same("σ", "Σ"));
	ck_assert(!same("я", "Я"));
	ck_assert(!same("\U00010428", "\U00010400"));
	ck_assert(same("日本語\U0001F600", "日本語\U0001F600"));
}
END_TEST

/* No name on a volume is made of them, but what a list or an entry says may be. */
START_TEST(test_bytes_that_are_no_text_are_no_name)
{
	ck_assert(!same("a\xf0" "b", "a"));
	ck_assert(!same("a\xc0\x80", "a"));
	ck_assert(!same("a\xe4", "a"));
	ck_assert(!same("a\xe4", "ä"));
	ck_assert(!same("\x80", "\xc2\x80"));
	ck_assert(!same("a\xc0\xaf" "b", "a/b"));
	ck_assert(!same("\xe4", "\xf6"));
	ck_assert(!same("\xe4\xb8", "\xe4\xb9"));
	ck_assert(same("\xe4\xb8", "\xe4\xb8"));
	ck_assert(same("a\xf0" "b", "A\xf0" "B"));
	ck_assert(same("\xed\xa0\x80", "\xed\xa0\x80")); /* half a pair, which a name can have */
}
END_TEST

START_TEST(test_the_longest_names_are_compared_to_their_end)
{
	char a[FAT_NAME_MAX] = "", b[FAT_NAME_MAX];

	for (size_t i = 0; i < 254; i++)
		memcpy(a + 3 * i, "日", 4);
	memcpy(b, a, sizeof b);
	memcpy(a + 762, "本", 4);
	memcpy(b + 762, "語", 4);
	ck_assert(!same(a, b));
	ck_assert(same(a, a));
}
END_TEST

/* ---- other short names ---- */

static bool short_byte_legal(uint8_t byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       (byte != 0 && strchr("$%'-_@~`!(){}^#&", byte));
}

/* Legal bytes, padding behind them only, and none of it leading. */
static bool short_name_legal(const uint8_t name[11])
{
	bool padding = false;

	if (name[0] == ' ')
		return false;
	for (int i = 0; i < 11; i++) {
		padding = i == 8 ? false : padding;
		if (name[i] == ' ')
			padding = true;
		else if (padding || !short_byte_legal(name[i]))
			return false;
	}
	return true;
}

static void make_alternative(
	const char *long_name, const char *old, unsigned attempt, uint8_t ret[11])
{
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	uint32_t n = fixture_set(slots, long_name, old, 0, 0);

	fat_short_name_alternative(slots, n, attempt, ret);
}

START_TEST(test_alternatives_are_legal_and_keep_the_extension)
{
	static const char *const old[] = {"LINUX~1 EFI", "A       EFI", "\005X~1    CON",
		"_#      C  ", "a+b     X  ", "\204\204      EFI"};

	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		for (unsigned attempt = 0; attempt < 50; attempt++) {
			uint8_t name[11];

			make_alternative("a long name.efi", old[i], attempt, name);
			ck_assert(short_name_legal(name));
			ck_assert_mem_eq(name + 8, old[i] + 8, 3);
			ck_assert_mem_ne(name, old[i], 11);
		}
}
END_TEST

START_TEST(test_alternatives_are_the_same_in_every_run)
{
	uint8_t a[11], b[11];

	make_alternative("a long name.efi", "ALONGN~1EFI", 3, a);
	make_alternative("a long name.efi", "ALONGN~1EFI", 3, b);
	ck_assert_mem_eq(a, b, 11);
}
END_TEST

START_TEST(test_every_attempt_gives_another_one)
{
	struct fat_nameset *seen = fat_nameset_new();

	for (unsigned attempt = 0; attempt < 100; attempt++) {
		uint8_t name[11];

		make_alternative("a long name.efi", "ALONGN~1EFI", attempt, name);
		ck_assert_int_eq(fat_nameset_add(seen, name, 11), 1);
	}
	fat_nameset_free(seen);
}
END_TEST

/* As kernels in one folder are called; the first attempt must do in nearly all cases. */
START_TEST(test_many_names_get_different_ones)
{
	struct fat_nameset *seen = fat_nameset_new();
	unsigned n_new = 0;

	for (unsigned i = 0; i < 200; i++) {
		char long_name[64];
		uint8_t name[11];

		(void)snprintf(long_name, sizeof long_name, "linux-6.1.0-%u-amd64.efi", i);
		make_alternative(long_name, "LINUX-~1EFI", 0, name);
		n_new += (unsigned)fat_nameset_add(seen, name, 11);
	}
	ck_assert_uint_ge(n_new, 195);
	fat_nameset_free(seen);
}
END_TEST

START_TEST(test_another_short_name_changes_it_and_the_checksums_only)
{
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN], want[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	uint32_t n = fixture_set(slots, "a name of three slots, or so", "ANAMEO~1   ", 0x20, 77);
	uint32_t slot = 0;
	struct fat_set set;

	ck_assert_uint_eq(n, 4);
	fat_slots_set_short_name(slots, n, BYTES("AN1234~5   "));
	(void)fixture_set(want, "a name of three slots, or so", "AN1234~5   ", 0x20, 77);
	ck_assert_mem_eq(slots, want, (size_t)n * FAT_SLOT_LEN);
	ck_assert_int_eq(fat_set_next(slots, n, &slot, &set), 1);
	ck_assert_uint_eq(set.n_slots, 4);
	ck_assert_uint_eq(set.problems, 0);
}
END_TEST

/* ---- entry sets of our own ---- */

/* What a reader finds in the set of @name, which has no slot but those of one entry. */
static struct fat_short_slot expect_made(const char *name, uint32_t n_slots)
{
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	struct fat_set set;
	uint16_t units[260];
	char found[FAT_NAME_MAX];
	struct fat_short_slot entry;
	uint32_t at = 0, n = fat_slots_make(name, FAT_ATTR_ARCHIVE, slots);

	ck_assert_uint_eq(n, n_slots);
	ck_assert_int_eq(fat_set_next(slots, n, &at, &set), 1);
	ck_assert_uint_eq(set.n_slots, n);
	ck_assert_uint_eq(set.problems, 0);
	memcpy(&entry, slots + (size_t)(n - 1) * FAT_SLOT_LEN, sizeof entry);
	if (n == 1)
		fat_short_name_decode(entry.name, entry.case_flags, found);
	else
		fat_utf16_decode(units, fat_lfn_units(slots, n, units), found);
	ck_assert_str_eq(found, name);
	ck_assert_uint_eq(entry.attributes, FAT_ATTR_ARCHIVE);
	return entry;
}

static void expect_short_name(const char *name, uint32_t n_slots, const char *short_name)
{
	ck_assert_mem_eq(expect_made(name, n_slots).name, short_name, 11);
}

START_TEST(test_a_name_of_one_case_needs_no_long_name)
{
	expect_short_name("esp-sync", 1, "ESP-SYNC   ");
	expect_short_name("esp-sync.was", 1, "ESP-SYNCWAS");
	expect_short_name("LOADER", 1, "LOADER     ");
	expect_short_name("loader.TXT", 1, "LOADER  TXT");
	expect_short_name("12.3", 1, "12      3  ");
}
END_TEST

START_TEST(test_other_names_get_long_name_slots)
{
	expect_short_name("random-seed", 2, "RANDOM~1   ");
	expect_short_name("Loader", 2, "LOADER~1   ");
	expect_short_name("a.conf", 2, "A~1     CON");
	expect_short_name("thirteen-char", 2, "THIRTE~1   ");
	expect_short_name("fourteen-chars", 3, "FOURTE~1   ");
}
END_TEST

START_TEST(test_the_longest_name_gets_an_entry_set)
{
	char name[256];

	memset(name, 'x', 255);
	name[255] = '\0';
	(void)expect_made(name, FAT_SET_MAX_SLOTS);
}
END_TEST


/* ---- sets of names ---- */

START_TEST(test_a_name_is_in_the_set_once)
{
	struct fat_nameset *set = fat_nameset_new();

	ck_assert(!fat_nameset_has(set, "EFI", 3));
	ck_assert_int_eq(fat_nameset_add(set, "EFI", 3), 1);
	ck_assert_int_eq(fat_nameset_add(set, "EFI", 3), 0);
	ck_assert(fat_nameset_has(set, "EFI", 3));
	ck_assert(!fat_nameset_has(set, "EF", 2));
	ck_assert(!fat_nameset_has(set, "EFI\0", 4));
	ck_assert_int_eq(fat_nameset_add(set, "", 0), 1);
	ck_assert_int_eq(fat_nameset_add(set, "", 0), 0);
	ck_assert_int_eq(fat_nameset_add(set, "A\0B", 3), 1);
	ck_assert(!fat_nameset_has(set, "A\0C", 3));
	fat_nameset_free(set);
	fat_nameset_free(NULL);
}
END_TEST

START_TEST(test_a_set_holds_thousands_of_names)
{
	struct fat_nameset *set = fat_nameset_new();
	unsigned n_new = 0, n_old = 0;

	for (uint32_t i = 0; i < 20000; i++)
		n_new += (unsigned)fat_nameset_add(set, &i, sizeof i);
	for (uint32_t i = 0; i < 40000; i++)
		n_old += fat_nameset_has(set, &i, sizeof i);
	ck_assert_uint_eq(n_new, 20000);
	ck_assert_uint_eq(n_old, 20000);
	fat_nameset_free(set);
}
END_TEST

/* ---- all of them ---- */

int main(void)
{
	const TTest *const tests[] = {
		test_checksum_is_the_specifications,
		test_checksum_takes_the_bytes_as_stored,
		test_short_name_loses_its_padding,
		test_case_flags_lower_base_and_extension_apart,
		test_other_case_flags_mean_nothing,
		test_leading_0x05_is_a_real_0xe5,
		test_high_bytes_are_code_page_437,
		test_utf16_becomes_utf8,
		test_surrogate_pairs_become_one_character,
		test_lone_surrogates_are_three_bytes_each,
		test_255_units_of_three_bytes_fit,
		test_long_names_are_put_together_from_the_last_slot_on,
		test_ascii_letters_have_no_case,
		test_latin_1_letters_have_no_case,
		test_other_letters_have_case,
		test_bytes_that_are_no_text_are_no_name,
		test_the_longest_names_are_compared_to_their_end,
		test_alternatives_are_legal_and_keep_the_extension,
		test_alternatives_are_the_same_in_every_run,
		test_every_attempt_gives_another_one,
		test_many_names_get_different_ones,
		test_another_short_name_changes_it_and_the_checksums_only,
		test_a_name_of_one_case_needs_no_long_name,
		test_other_names_get_long_name_slots,
		test_the_longest_name_gets_an_entry_set,
		test_a_name_is_in_the_set_once,
		test_a_set_holds_thousands_of_names,
	};
	Suite *suite = suite_create("name");
	TCase *tc = tcase_create("name");

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
