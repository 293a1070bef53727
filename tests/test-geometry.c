/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From boot sectors to numbers: what the specification and the readers agree on, the borders
 * between the types, and boot sectors that lie.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/suite.h"
#include "tests/testdev.h"

/* ---- boot sectors ---- */

/* 512-byte sectors and clusters, 1 reserved, 2 copies, 512 root entries (32 sectors). */
static struct fat_boot_sector fat16_with(uint32_t n_clusters, uint16_t fat_sectors)
{
	struct fat_boot_sector boot = {
		.jump = {0xeb, 0x3c, 0x90},
		.bytes_per_sector = le16_of(512),
		.sectors_per_cluster = 1,
		.reserved_sectors = le16_of(1),
		.n_fats = 2,
		.root_entries = le16_of(512),
		.total_sectors_32 = le32_of(1u + 2u * fat_sectors + 32 + n_clusters),
		.media = 0xf8,
		.fat_sectors_16 = le16_of(fat_sectors),
		.end_signature = {0x55, 0xaa},
	};

	return boot;
}

/* 512-byte sectors and clusters, 32 reserved, 2 copies. */
static struct fat_boot_sector fat32_with(uint32_t n_clusters, uint32_t fat_sectors)
{
	struct fat_boot_sector boot = {
		.jump = {0xeb, 0x58, 0x90},
		.bytes_per_sector = le16_of(512),
		.sectors_per_cluster = 1,
		.reserved_sectors = le16_of(32),
		.n_fats = 2,
		.total_sectors_32 = le32_of(32 + 2 * fat_sectors + n_clusters),
		.media = 0xf8,
		.end_signature = {0x55, 0xaa},
	};

	boot.u.fat32.fat_sectors = le32_of(fat_sectors);
	boot.u.fat32.root_cluster = le32_of(2);
	boot.u.fat32.fsinfo_sector = le16_of(1);
	boot.u.fat32.backup_sector = le16_of(6);
	return boot;
}

static struct fat_geometry decode(const struct fat_boot_sector *boot)
{
	struct fat_geometry geo;
	const char *why = NULL;
	int r = fat_geometry_decode(boot, &geo, &why);

	ck_assert_msg(r == 0, "%d: %s", r, why);
	return geo;
}

static void expect_refusal(const struct fat_boot_sector *boot, int error)
{
	struct fat_geometry geo, untouched;
	const char *why = NULL;

	memset(&geo, 0x5a, sizeof geo);
	memset(&untouched, 0x5a, sizeof untouched);
	ck_assert_int_eq(fat_geometry_decode(boot, &geo, &why), error);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_gt(strlen(why), 0);
	ck_assert_mem_eq(&geo, &untouched, sizeof geo);
}

/* ---- where things lie ---- */

/* A 1.44 MB floppy disk: 2847 clusters behind 33 sectors. */
START_TEST(test_fat12_lies_where_the_specification_says)
{
	struct fat_boot_sector boot = fat16_with(0, 9);
	struct fat_geometry geo;

	boot.root_entries = le16_of(224);
	boot.total_sectors_16 = le16_of(2880);
	boot.total_sectors_32 = le32_of(0);
	boot.media = 0xf0;
	geo = decode(&boot);
	ck_assert_int_eq(geo.type, FAT_TYPE_12);
	ck_assert_uint_eq(geo.sector_size, 512);
	ck_assert_uint_eq(geo.cluster_size, 512);
	ck_assert_uint_eq(geo.fat_offset, 512);
	ck_assert_uint_eq(geo.fat_size, 9 * 512);
	ck_assert_uint_eq(geo.n_fats, 2);
	ck_assert_uint_eq(geo.root_slots, 224);
	ck_assert_uint_eq(geo.root_offset, 19 * 512);
	ck_assert_uint_eq(geo.data_offset, 33 * 512);
	ck_assert_uint_eq(geo.n_clusters, 2847);
	ck_assert_uint_eq(geo.root_cluster, 0);
	ck_assert_uint_eq(geo.fsinfo_offset, 0);
	ck_assert_uint_eq(geo.backup_offset, 0);
	ck_assert_uint_eq(geo.size, 2880 * 512);
	ck_assert_uint_eq(geo.media, 0xf0);
}
END_TEST

START_TEST(test_fat32_lies_where_the_specification_says)
{
	struct fat_boot_sector boot = fat32_with(0, 1024);
	struct fat_geometry geo;

	boot.bytes_per_sector = le16_of(4096);
	boot.sectors_per_cluster = 8;
	boot.total_sectors_32 = le32_of(32 + 2048 + 70000 * 8 + 7);
	geo = decode(&boot);
	ck_assert_int_eq(geo.type, FAT_TYPE_32);
	ck_assert_uint_eq(geo.sector_size, 4096);
	ck_assert_uint_eq(geo.cluster_size, 32768);
	ck_assert_uint_eq(geo.fat_offset, 32 * 4096);
	ck_assert_uint_eq(geo.fat_size, 1024 * 4096);
	ck_assert_uint_eq(geo.root_slots, 0);
	ck_assert_uint_eq(geo.data_offset, (32 + 2048) * 4096);
	ck_assert_uint_eq(geo.n_clusters, 70000);
	ck_assert_uint_eq(geo.root_cluster, 2);
	ck_assert_uint_eq(geo.fsinfo_offset, 4096);
	ck_assert_uint_eq(geo.backup_offset, 6 * 4096);
	ck_assert_uint_eq(geo.size, (uint64_t)(32 + 2048 + 70000 * 8 + 7) * 4096);
}
END_TEST

START_TEST(test_one_fat_copy_is_enough)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);
	struct fat_geometry geo;

	boot.n_fats = 1;
	geo = decode(&boot);
	ck_assert_uint_eq(geo.n_fats, 1);
	ck_assert_uint_eq(geo.root_offset, 21 * 512);
	ck_assert_uint_eq(geo.n_clusters, 5020);
}
END_TEST

/* 128 sectors of 4096 bytes, 2^32 - 1 sectors. */
START_TEST(test_the_largest_volume_is_16_tib)
{
	struct fat_boot_sector boot = fat32_with(0, 32768);
	struct fat_geometry geo;

	boot.bytes_per_sector = le16_of(4096);
	boot.sectors_per_cluster = 128;
	boot.total_sectors_32 = le32_of(0xffffffff);
	geo = decode(&boot);
	ck_assert_uint_eq(geo.cluster_size, 524288);
	ck_assert_uint_eq(geo.size, 0xffffffffull * 4096);
	ck_assert_uint_eq(geo.n_clusters, (0xffffffffu - 32 - 65536) / 128);
}
END_TEST

/* ---- the type ---- */

START_TEST(test_fewer_than_4085_clusters_are_fat12)
{
	struct fat_boot_sector fat12 = fat16_with(4084, 16), fat16 = fat16_with(4085, 16);

	ck_assert_int_eq(decode(&fat12).type, FAT_TYPE_12);
	ck_assert_uint_eq(decode(&fat12).n_clusters, 4084);
	ck_assert_int_eq(decode(&fat16).type, FAT_TYPE_16);
	ck_assert_uint_eq(decode(&fat16).n_clusters, 4085);
}
END_TEST

START_TEST(test_fat16_ends_at_65524_clusters)
{
	struct fat_boot_sector last = fat16_with(65524, 256), beyond = fat16_with(65525, 256);

	ck_assert_int_eq(decode(&last).type, FAT_TYPE_16);
	expect_refusal(&beyond, -EUCLEAN);
}
END_TEST

/* Linux, Windows, EDK2 and fsck.fat go by the FAT's size; a guess by count would move the root. */
START_TEST(test_fat32_with_few_clusters_stays_fat32)
{
	static const uint32_t counts[] = {1, 4084, 4085, 65524, 65525};

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct fat_boot_sector boot = fat32_with(counts[i], 513);

		ck_assert_int_eq(decode(&boot).type, FAT_TYPE_32);
		ck_assert_uint_eq(decode(&boot).n_clusters, counts[i]);
	}
}
END_TEST

START_TEST(test_type_text_jump_and_end_signature_decide_nothing)
{
	struct fat_boot_sector fat12 = fat16_with(2000, 6), fat32 = fat32_with(70000, 600);

	memcpy(fat12.u.fat16.type_text, "FAT32   ", 8);
	memset(fat12.jump, 0, sizeof fat12.jump);
	memset(fat12.end_signature, 0, sizeof fat12.end_signature);
	ck_assert_int_eq(decode(&fat12).type, FAT_TYPE_12);
	memcpy(fat32.u.fat32.type_text, "FAT12   ", 8);
	ck_assert_int_eq(decode(&fat32).type, FAT_TYPE_32);
}
END_TEST

/* ---- limits of single fields ---- */

START_TEST(test_sectors_have_512_to_4096_bytes)
{
	static const uint16_t wrong[] = {0, 1, 32, 256, 511, 513, 768, 1536, 8192, 32768, 65535};

	for (uint16_t size = 512; size <= 4096; size = (uint16_t)(size * 2)) {
		struct fat_boot_sector boot = fat16_with(5000, 30);

		boot.bytes_per_sector = le16_of(size);
		ck_assert_uint_eq(decode(&boot).sector_size, size);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct fat_boot_sector boot = fat16_with(5000, 30);

		boot.bytes_per_sector = le16_of(wrong[i]);
		expect_refusal(&boot, -EMEDIUMTYPE);
	}
}
END_TEST

START_TEST(test_clusters_have_a_power_of_two_of_sectors)
{
	for (unsigned n = 0; n < 256; n++) {
		struct fat_boot_sector boot = fat16_with(60000, 256);

		boot.sectors_per_cluster = (uint8_t)n;
		if (n == 1 || n == 2 || n == 4 || n == 8 || n == 16 || n == 32 || n == 64 ||
			n == 128)
			ck_assert_uint_eq(decode(&boot).cluster_size, 512 * n);
		else
			expect_refusal(&boot, -EMEDIUMTYPE);
	}
}
END_TEST

START_TEST(test_media_byte_is_f0_or_f8_and_up)
{
	for (unsigned media = 0; media < 256; media++) {
		struct fat_boot_sector boot = fat16_with(5000, 20);

		boot.media = (uint8_t)media;
		if (media == 0xf0 || media >= 0xf8)
			ck_assert_uint_eq(decode(&boot).media, media);
		else
			expect_refusal(&boot, -EMEDIUMTYPE);
	}
}
END_TEST

START_TEST(test_no_reserved_sector_is_no_fat)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);

	boot.reserved_sectors = le16_of(0);
	expect_refusal(&boot, -EMEDIUMTYPE);
}
END_TEST

START_TEST(test_number_of_copies_is_1_or_2)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);

	boot.n_fats = 0;
	expect_refusal(&boot, -EMEDIUMTYPE);
	boot.n_fats = 3;
	expect_refusal(&boot, -ENOTSUP);
	boot.n_fats = 255;
	expect_refusal(&boot, -ENOTSUP);
}
END_TEST

START_TEST(test_fixed_root_is_whole_sectors_and_not_empty)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);

	boot.root_entries = le16_of(513);
	expect_refusal(&boot, -EUCLEAN);
	boot.root_entries = le16_of(0);
	expect_refusal(&boot, -EUCLEAN);
	boot.root_entries = le16_of(16);
	ck_assert_uint_eq(decode(&boot).root_slots, 16);
}
END_TEST

/* 16 entries fill a sector of 512 bytes, and half a one of 1024. */
START_TEST(test_root_is_counted_in_the_volumes_own_sectors)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);

	boot.bytes_per_sector = le16_of(1024);
	boot.root_entries = le16_of(16);
	expect_refusal(&boot, -EUCLEAN);
	boot.root_entries = le16_of(64);
	ck_assert_uint_eq(decode(&boot).data_offset, (1 + 40 + 2) * 1024);
}
END_TEST

START_TEST(test_fat32_has_no_fixed_root)
{
	struct fat_boot_sector boot = fat32_with(70000, 600);

	boot.root_entries = le16_of(512);
	expect_refusal(&boot, -EUCLEAN);
}
END_TEST

START_TEST(test_hidden_sectors_and_heads_decide_nothing)
{
	struct fat_boot_sector plain = fat16_with(5000, 20), odd = fat16_with(5000, 20);
	struct fat_geometry a, b;

	odd.hidden_sectors = le32_of(0xffffffff);
	odd.heads = le16_of(0xffff);
	odd.sectors_per_track = le16_of(0xffff);
	a = decode(&plain);
	b = decode(&odd);
	ck_assert_uint_eq(a.fat_offset, b.fat_offset);
	ck_assert_uint_eq(a.data_offset, b.data_offset);
	ck_assert_uint_eq(a.n_clusters, b.n_clusters);
	ck_assert_uint_eq(a.size, b.size);
}
END_TEST

/* ---- the total ---- */

START_TEST(test_the_16_bit_total_goes_first)
{
	struct fat_boot_sector boot = fat16_with(0, 20);

	boot.total_sectors_16 = le16_of(1 + 40 + 32 + 4500);
	boot.total_sectors_32 = le32_of(0xffffffff);
	ck_assert_uint_eq(decode(&boot).n_clusters, 4500);
	ck_assert_uint_eq(decode(&boot).size, (1 + 40 + 32 + 4500) * 512);
}
END_TEST

/* mkfs.fat 4.2 stores the total of a small FAT32 volume like that. */
START_TEST(test_fat32_may_use_the_16_bit_total)
{
	struct fat_boot_sector boot = fat32_with(0, 520);

	boot.total_sectors_16 = le16_of(32 + 1040 + 3000);
	boot.total_sectors_32 = le32_of(0);
	ck_assert_uint_eq(decode(&boot).n_clusters, 3000);
}
END_TEST

START_TEST(test_a_total_that_leaves_no_cluster_is_refused)
{
	static const uint32_t totals[] = {0, 1, 72, 73, 76};

	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
		struct fat_boot_sector boot = fat16_with(0, 20);

		boot.sectors_per_cluster = 4;
		boot.total_sectors_32 = le32_of(totals[i]); /* data begins at sector 73 */
		expect_refusal(&boot, -EUCLEAN);
	}
}
END_TEST

START_TEST(test_sectors_that_make_no_cluster_do_not_count)
{
	struct fat_boot_sector boot = fat16_with(0, 20);

	boot.sectors_per_cluster = 4;
	boot.total_sectors_32 = le32_of(73 + 4 * 100 + 3);
	ck_assert_uint_eq(decode(&boot).n_clusters, 100);
}
END_TEST

/* ---- the FAT's size ---- */

/* Entries 0 and 1 stand for no cluster. */
START_TEST(test_the_fat_must_hold_an_entry_for_every_cluster)
{
	struct fat_boot_sector fat12 = fat16_with(339, 1), fat16 = fat16_with(4864 - 2, 19);
	struct fat_boot_sector fat32 = fat32_with(128 * 600 - 2, 600);

	ck_assert_uint_eq(decode(&fat12).n_clusters, 339); /* 341 * 12 bits in 4096 */
	ck_assert_uint_eq(decode(&fat16).n_clusters, 4862);
	ck_assert_uint_eq(decode(&fat32).n_clusters, 76798);
	fat12 = fat16_with(340, 1);
	fat16 = fat16_with(4864 - 1, 19);
	fat32 = fat32_with(128 * 600 - 1, 600);
	expect_refusal(&fat12, -EUCLEAN);
	expect_refusal(&fat16, -EUCLEAN);
	expect_refusal(&fat32, -EUCLEAN);
}
END_TEST

START_TEST(test_a_fat_without_sectors_is_refused)
{
	struct fat_boot_sector boot = fat32_with(70000, 600);

	boot.u.fat32.fat_sectors = le32_of(0);
	expect_refusal(&boot, -EUCLEAN);
}
END_TEST

/* Twice 0x80000000 sectors are none in 32 bits: data would begin right behind the boot sectors. */
START_TEST(test_the_start_of_data_does_not_wrap)
{
	static const uint32_t sizes[] = {
		0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0xfffffff0};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct fat_boot_sector boot = fat32_with(70000, 600);

		boot.u.fat32.fat_sectors = le32_of(sizes[i]);
		boot.total_sectors_32 = le32_of(100000);
		expect_refusal(&boot, -EUCLEAN);
		boot.total_sectors_32 = le32_of(0xffffffff);
		if (sizes[i] > 0x7fffffff)
			expect_refusal(&boot, -EUCLEAN);
	}
}
END_TEST

/* Cluster numbers have 28 bits, of which the highest are marks. */
START_TEST(test_more_clusters_than_fat32_can_number_are_refused)
{
	struct fat_boot_sector last = fat32_with(0x0ffffff5, 0x200000);
	struct fat_boot_sector beyond = fat32_with(0x0ffffff6, 0x200000);

	ck_assert_uint_eq(decode(&last).n_clusters, 0x0ffffff5);
	expect_refusal(&beyond, -EUCLEAN);
}
END_TEST

/* ---- FAT32 only ---- */

START_TEST(test_switched_off_mirroring_is_refused)
{
	struct fat_boot_sector boot = fat32_with(70000, 600);

	boot.u.fat32.ext_flags = le16_of(0x0080);
	expect_refusal(&boot, -ENOTSUP);
	boot.u.fat32.ext_flags = le16_of(0x0081);
	expect_refusal(&boot, -ENOTSUP);
	boot.u.fat32.ext_flags =
		le16_of(0x000f); /* the active copy, unused while mirroring is on */
	ck_assert_int_eq(decode(&boot).type, FAT_TYPE_32);
}
END_TEST

START_TEST(test_an_unknown_version_is_refused)
{
	struct fat_boot_sector boot = fat32_with(70000, 600);

	boot.u.fat32.version = le16_of(1);
	expect_refusal(&boot, -ENOTSUP);
	boot.u.fat32.version = le16_of(0x0100);
	expect_refusal(&boot, -ENOTSUP);
}
END_TEST

START_TEST(test_the_root_cluster_is_one_of_the_volumes)
{
	static const uint32_t wrong[] = {0, 1, 70002, 0x0fffffff, 0xffffffff};
	struct fat_boot_sector boot = fat32_with(70000, 600);

	boot.u.fat32.root_cluster = le32_of(70001);
	ck_assert_uint_eq(decode(&boot).root_cluster, 70001);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		boot.u.fat32.root_cluster = le32_of(wrong[i]);
		expect_refusal(&boot, -EUCLEAN);
	}
}
END_TEST

START_TEST(test_fsinfo_and_backup_lie_in_the_reserved_region_or_are_none)
{
	static const uint16_t none[] = {0, 32, 33, 0xffff};
	struct fat_boot_sector boot = fat32_with(70000, 600);

	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		boot.u.fat32.fsinfo_sector = le16_of(none[i]);
		boot.u.fat32.backup_sector = le16_of(31);
		ck_assert_uint_eq(decode(&boot).fsinfo_offset, 0);
		ck_assert_uint_eq(decode(&boot).backup_offset, 31 * 512);
		boot.u.fat32.fsinfo_sector = le16_of(31);
		boot.u.fat32.backup_sector = le16_of(none[i]);
		ck_assert_uint_eq(decode(&boot).fsinfo_offset, 31 * 512);
		ck_assert_uint_eq(decode(&boot).backup_offset, 0);
	}
}
END_TEST

/* No boot sector is ever written, so what claims to be both is not FSInfo. */
START_TEST(test_a_sector_that_is_backup_and_fsinfo_is_the_backup)
{
	struct fat_boot_sector boot = fat32_with(70000, 600);

	boot.u.fat32.fsinfo_sector = boot.u.fat32.backup_sector = le16_of(6);
	ck_assert_uint_eq(decode(&boot).fsinfo_offset, 0);
	ck_assert_uint_eq(decode(&boot).backup_offset, 6 * 512);
}
END_TEST

/* ---- identity ---- */

START_TEST(test_serial_and_label_count_with_their_signature_only)
{
	struct fat_boot_sector fat16 = fat16_with(5000, 20), fat32 = fat32_with(70000, 600);

	fat16.u.fat16.serial = fat32.u.fat32.serial = le32_of(0x1234abcd);
	memcpy(fat16.u.fat16.label, "SIXTEEN    ", 11);
	memcpy(fat32.u.fat32.label, "THIRTYTWO  ", 11);
	ck_assert(!decode(&fat16).has_serial && !decode(&fat16).has_label);
	ck_assert(!decode(&fat32).has_serial && !decode(&fat32).has_label);
	fat16.u.fat16.signature = fat32.u.fat32.signature = 0x29;
	ck_assert(decode(&fat16).has_serial && decode(&fat16).has_label);
	ck_assert_uint_eq(decode(&fat16).serial, 0x1234abcd);
	ck_assert_uint_eq(decode(&fat32).serial, 0x1234abcd);
	ck_assert_mem_eq(decode(&fat16).label, "SIXTEEN    ", 11);
	ck_assert_mem_eq(decode(&fat32).label, "THIRTYTWO  ", 11);
}
END_TEST

START_TEST(test_the_state_byte_is_read_where_the_type_has_it)
{
	struct fat_boot_sector fat16 = fat16_with(5000, 20), fat32 = fat32_with(70000, 600);

	((uint8_t *)&fat16)[0x25] = 0x01;
	((uint8_t *)&fat32)[0x41] = 0x03;
	ck_assert_uint_eq(decode(&fat16).state, 0x01);
	ck_assert_uint_eq(decode(&fat32).state, 0x03);
}
END_TEST

/* ---- whatever stands there ---- */

/* Nothing that is accepted leads out of the volume. */
static bool consistent(const struct fat_geometry *geo)
{
	uint64_t last = geo->n_clusters + 1ull;
	uint64_t fats_end = geo->fat_offset + geo->n_fats * geo->fat_size;
	bool fat32 = geo->type == FAT_TYPE_32;

	return geo->sector_size >= 512 && geo->cluster_size >= geo->sector_size && last > 1 &&
	       geo->fat_offset >= geo->sector_size && geo->data_offset % geo->sector_size == 0 &&
	       geo->data_offset >= fats_end + geo->root_slots * 32ull &&
	       geo->data_offset + (last - 1) * geo->cluster_size <= geo->size &&
	       (last + 1) * geo->type <= geo->fat_size * 8 && fat32 == (geo->root_slots == 0) &&
	       (!fat32 || (geo->root_cluster >= 2 && geo->root_cluster <= last)) &&
	       geo->fsinfo_offset < geo->fat_offset && geo->backup_offset < geo->fat_offset;
}

/* ck_assert() is too slow for so many. */
static bool decodes_well(const struct fat_boot_sector *boot)
{
	struct fat_geometry geo;
	const char *why = NULL;
	int r = fat_geometry_decode(boot, &geo, &why);

	return r == 0 ? consistent(&geo) : r == -EMEDIUMTYPE || r == -EUCLEAN || r == -ENOTSUP;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

START_TEST(test_hostile_bytes_are_refused_or_consistent)
{
	static const uint8_t values[] = {0, 1, 2, 0x10, 0x7f, 0x80, 0xfe, 0xff};
	uint32_t state = 1;

	for (int i = 0; i < 300000; i++) {
		struct fat_boot_sector boot = i % 2 ? fat16_with(5000, 20) : fat32_with(70000, 600);
		uint8_t *bytes = (uint8_t *)&boot;

		for (uint32_t n = 1 + next_random(&state) % 4; n > 0; n--)
			bytes[0x0b + next_random(&state) % 0x29] =
				values[next_random(&state) % sizeof values];
		if (!decodes_well(&boot))
			ck_abort_msg("round %d", i);
	}
}
END_TEST

START_TEST(test_zeros_and_noise_are_no_fat)
{
	struct fat_boot_sector boot = {0};

	expect_refusal(&boot, -EMEDIUMTYPE);
	memset(&boot, 0xff, sizeof boot);
	expect_refusal(&boot, -EMEDIUMTYPE);
	memset(&boot, 'a', sizeof boot);
	expect_refusal(&boot, -EMEDIUMTYPE);
}
END_TEST

/* ---- against the device ---- */

static char messages[1024];

static void take_message(void *userdata, const char *message)
{
	(void)userdata;
	strncat(messages, message, sizeof messages - strlen(messages) - 1);
}

/* Open a volume with @boot on a device of @size bytes; the FAT is all zeros. */
static int open_on(const struct fat_boot_sector *boot, uint64_t size, uint32_t sector_size,
	struct fat_info *info)
{
	struct fat_log log = {take_message, NULL};
	struct fat_volume *vol = NULL;
	struct blkdev *dev;
	uint8_t *bytes;
	int r;

	messages[0] = '\0';
	ck_assert_int_eq(memdev_new(size, sector_size, &bytes, &dev), 0);
	if (size >= sizeof *boot)
		memcpy(bytes, boot, sizeof *boot);
	r = fat_open(dev, "disk.img", &log, &vol);
	if (r == 0)
		fat_get_info(vol, info);
	else
		ck_assert_ptr_null(vol);
	fat_close(vol);
	blkdev_close(dev);
	return r;
}

static const uint64_t size_of_5000 = (1 + 40 + 32 + 5000) * 512;

START_TEST(test_a_volume_that_ends_with_its_device_opens)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);
	struct fat_info info;

	boot.u.fat16.signature = 0x29;
	boot.u.fat16.serial = le32_of(0x1234abcd);
	memcpy(boot.u.fat16.label, "ESP        ", 11);
	ck_assert_int_eq(open_on(&boot, size_of_5000, 512, &info), 0);
	ck_assert_str_eq(messages, "");
	ck_assert_int_eq(info.type, FAT_TYPE_16);
	ck_assert_uint_eq(info.n_clusters, 5000);
	ck_assert_uint_eq(info.free_clusters, 5000);
	ck_assert_uint_eq(info.size, size_of_5000);
	ck_assert(info.has_serial);
	ck_assert_uint_eq(info.serial, 0x1234abcd);
	ck_assert_str_eq(info.label, "ESP");
}
END_TEST

START_TEST(test_no_name_is_no_label)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);
	struct fat_info info;

	boot.u.fat16.signature = 0x29;
	memcpy(boot.u.fat16.label, "NO NAME    ", 11);
	ck_assert_int_eq(open_on(&boot, size_of_5000, 512, &info), 0);
	ck_assert_str_eq(info.label, "");
}
END_TEST

START_TEST(test_a_truncated_volume_is_refused_with_the_missing_bytes)
{
	struct fat_boot_sector boot = fat16_with(5000, 20);
	struct fat_info info;

	ck_assert_int_eq(open_on(&boot, size_of_5000 - 1024, 512, &info), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(messages, "disk.img: "));
	ck_assert_ptr_nonnull(strstr(messages, "1024 missing"));
}
END_TEST

START_TEST(test_an_empty_device_is_no_fat)
{
	struct fat_boot_sector boot = {0};
	struct fat_info info;

	ck_assert_int_eq(open_on(&boot, 0, 512, &info), -EMEDIUMTYPE);
	ck_assert_int_eq(open_on(&boot, 4096, 512, &info), -EMEDIUMTYPE);
	ck_assert_ptr_nonnull(strstr(messages, "disk.img: "));
}
END_TEST

/* Linux cannot mount that; the other way round it can. */
START_TEST(test_sectors_are_not_smaller_than_the_devices)
{
	struct fat_boot_sector small = fat16_with(5000, 20), large = fat16_with(5000, 20);
	struct fat_info info;

	ck_assert_int_eq(open_on(&small, 4u << 20, 4096, &info), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(messages, "4096"));
	large.bytes_per_sector = le16_of(2048);
	ck_assert_int_eq(open_on(&large, 4 * size_of_5000, 512, &info), 0);
	ck_assert_uint_eq(info.sector_size, 2048);
}
END_TEST

/* ---- all of them ---- */

static TCase *layout_case(void)
{
	TCase *tc = tcase_create("layout");

	tcase_add_test(tc, test_fat12_lies_where_the_specification_says);
	tcase_add_test(tc, test_fat32_lies_where_the_specification_says);
	tcase_add_test(tc, test_one_fat_copy_is_enough);
	tcase_add_test(tc, test_the_largest_volume_is_16_tib);
	tcase_add_test(tc, test_fewer_than_4085_clusters_are_fat12);
	tcase_add_test(tc, test_fat16_ends_at_65524_clusters);
	tcase_add_test(tc, test_fat32_with_few_clusters_stays_fat32);
	tcase_add_test(tc, test_type_text_jump_and_end_signature_decide_nothing);
	return tc;
}

static TCase *fields_case(void)
{
	TCase *tc = tcase_create("fields");

	tcase_add_test(tc, test_sectors_have_512_to_4096_bytes);
	tcase_add_test(tc, test_clusters_have_a_power_of_two_of_sectors);
	tcase_add_test(tc, test_media_byte_is_f0_or_f8_and_up);
	tcase_add_test(tc, test_no_reserved_sector_is_no_fat);
	tcase_add_test(tc, test_number_of_copies_is_1_or_2);
	tcase_add_test(tc, test_fixed_root_is_whole_sectors_and_not_empty);
	tcase_add_test(tc, test_root_is_counted_in_the_volumes_own_sectors);
	tcase_add_test(tc, test_fat32_has_no_fixed_root);
	tcase_add_test(tc, test_hidden_sectors_and_heads_decide_nothing);
	tcase_add_test(tc, test_the_16_bit_total_goes_first);
	tcase_add_test(tc, test_fat32_may_use_the_16_bit_total);
	tcase_add_test(tc, test_a_total_that_leaves_no_cluster_is_refused);
	tcase_add_test(tc, test_sectors_that_make_no_cluster_do_not_count);
	tcase_add_test(tc, test_the_fat_must_hold_an_entry_for_every_cluster);
	tcase_add_test(tc, test_a_fat_without_sectors_is_refused);
	tcase_add_test(tc, test_the_start_of_data_does_not_wrap);
	tcase_add_test(tc, test_more_clusters_than_fat32_can_number_are_refused);
	tcase_add_test(tc, test_switched_off_mirroring_is_refused);
	tcase_add_test(tc, test_an_unknown_version_is_refused);
	tcase_add_test(tc, test_the_root_cluster_is_one_of_the_volumes);
	tcase_add_test(tc, test_fsinfo_and_backup_lie_in_the_reserved_region_or_are_none);
	tcase_add_test(tc, test_a_sector_that_is_backup_and_fsinfo_is_the_backup);
	tcase_add_test(tc, test_serial_and_label_count_with_their_signature_only);
	tcase_add_test(tc, test_the_state_byte_is_read_where_the_type_has_it);
	tcase_add_test(tc, test_hostile_bytes_are_refused_or_consistent);
	tcase_add_test(tc, test_zeros_and_noise_are_no_fat);
	tcase_set_timeout(tc, 60);
	return tc;
}

static TCase *device_case(void)
{
	TCase *tc = tcase_create("device");

	tcase_add_test(tc, test_a_volume_that_ends_with_its_device_opens);
	tcase_add_test(tc, test_no_name_is_no_label);
	tcase_add_test(tc, test_a_truncated_volume_is_refused_with_the_missing_bytes);
	tcase_add_test(tc, test_an_empty_device_is_no_fat);
	tcase_add_test(tc, test_sectors_are_not_smaller_than_the_devices);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("geometry");

	suite_add_tcase(suite, layout_case());
	suite_add_tcase(suite, fields_case());
	suite_add_tcase(suite, device_case());
	return suite_run(suite);
}
