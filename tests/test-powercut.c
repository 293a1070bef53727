/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * No power cut hurts a mirror: whatever subset of the sectors written since the last flush is there
 * afterwards, the volume is sound through either FAT copy, every file is wholly old or wholly
 * new, every loader entry has its kernel, what is foreign is as it was, and the next sync ends
 * well.
 */

#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "tests/powercut.h"

static char *scratch;
static struct cut_totals *totals;

/* ---- volumes ---- */

static const struct cut_shape fat12 = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 2000,
	.n_fragments = 38,
};
static const struct cut_shape fat12_big_sectors = {
	.fat_bits = 12,
	.sector_size = 4096,
	.cluster_sectors = 1,
	.n_clusters = 460,
	.n_fragments = 5,
};
static const struct cut_shape fat12_4kn = {
	.fat_bits = 12,
	.sector_size = 4096,
	.cluster_sectors = 1,
	.n_clusters = 460,
	.device_sector = 4096,
};
static const struct cut_shape fat12_512e = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 8,
	.n_clusters = 460,
	.physical_sector = 4096,
};
static const struct cut_shape fat12_one_copy = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 2,
	.n_clusters = 1000,
	.n_fats = 1,
	.n_fragments = 5,
};
static const struct cut_shape fat16 = {
	.fat_bits = 16,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 4800,
	.n_fragments = 75,
};
static const struct cut_shape fat32 = {
	.fat_bits = 32,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 65600,
	.n_fragments = 30,
};

/* ---- trees ---- */

#define OLD_KERNEL "/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1/6.1.0-26-amd64"
#define NEW_KERNEL "/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1/6.1.0-27-amd64"
#define NEXT_KERNEL "/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1/6.1.0-28-amd64"
#define ENTRY "/loader/entries/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-"

static const struct cut_file foreign_files[] = {
	{"/EFI/Microsoft/Boot/bootmgfw.efi", "1538@41", NULL},
	{"/EFI/Microsoft/Boot/Fonts/segoe ui long name.ttf", "1023@42", NULL},
	{"/EFI/debian/grub.cfg", "120@43", NULL},
	{"/startup.nsh", "33@46", NULL},
	{"/A foreign file with a long name.txt", "515@47", NULL},
	{"/loader/random-seed", "32@48", NULL},
	{"/loader/.#bootctlrandom-seed0123456789abcdef", "32@49", NULL},
	{NULL, NULL, NULL},
};

/* Every kind of change in directories that are ours alone. */
static const struct cut_file changed_files[] = {
	{"/loader/loader.conf", "130@1", "140@2"},
	{"/loader/entries.srel", "6@3", "6@3"},
	{"/loader/touched.cfg", "77@6:1", "77@6:2"},
	{"/loader/now-empty", "900@7", "0@8"},
	{"/loader/was-empty", "0@9", "20@10"},
	{"/loader/random-seed", "32@12", "32@13"},
	{"/loader/entries/keeps its long name.conf", "=linux /EFI/Linux/equal.efi\n",
		"=linux /EFI/Linux/equal.efi\n"},
	{"/loader/entries/Mixed Case+3-1 Entry.conf", "=linux /EFI/Linux/equal.efi\n", NULL},
	{"/loader/entries/Mixed Case+2-2 Entry.conf", NULL, "=linux /EFI/Linux/equal.efi\n"},
	{"/loader/keys/auto/deep/PK.auth", "512@25", "512@26"},
	{"/loader/keys/auto/db.auth", "513@27", "513@27"},
	{"/loader/keys/gone/further/KEK.auth", "1024@28", NULL},
	{"/loader/addons/new.addon.efi", NULL, "511@29"},
	{"/loader/kind", "100@60", NULL},
	{"/loader/kind/file", NULL, "100@61"},
	{"/EFI/Linux/smaller.efi", "2053@30", "700@31"},
	{"/EFI/Linux/larger.efi", "700@32", "2560@33"},
	{"/EFI/Linux/equal.efi", "1536@34", "1536@34"},
	{"/EFI/Linux/same-size.efi", "1024@35:1", "1024@36:1"},
	{"/EFI/Linux/swapped-a.efi", "1100@37", "1100@38"},
	{"/EFI/Linux/swapped-b.efi", "1100@38", "1100@37"},
	{"/EFI/Linux/arch+3.efi", "3591@39", NULL},
	{"/EFI/Linux/arch+2-1.efi", NULL, "3591@39"},
	{"/EFI/Linux/Case.efi", "600@50", NULL},
	{"/EFI/Linux/case.efi", NULL, "600@50"},
	{"/EFI/Linux/gone.efi", "900@51", NULL},
	{"/EFI/Linux/arch.efi.extra.d/net.addon.efi", NULL, "600@52"},
	{"/EFI/Linux/rmdir.d/net.addon.efi", "600@53", NULL},
	{"/EFI/Linux/empty.d/", "", ""},
	{"/EFI/systemd/systemd-bootx64.efi", "2049@54", "2100@55"},
	{NULL, NULL, NULL},
};
static const struct cut_workload changes = {.files = changed_files, .foreign = foreign_files};
static const struct cut_workload first_sync = {.files = changed_files, .blank = true};

/* The mirror's seed is too short to be one: it becomes another file, and the old one is wiped. */
static const struct cut_file short_seed_files[] = {
	{"/loader/loader.conf", "130@1", "140@2"},
	{"/loader/entries/a.conf", "=linux /EFI/Linux/a.efi\n", "=linux /EFI/Linux/a.efi\n"},
	{"/loader/random-seed", NULL, "32@13"},
	{"/EFI/Linux/a.efi", "700@30", "700@30"},
	{NULL, NULL, NULL},
};
static const struct cut_file short_seed[] = {
	{"/loader/random-seed", "20@48", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_workload seed_is_replaced = {
	.files = short_seed_files, .foreign = short_seed};
static const struct cut_workload first_beside_foreign = {
	.files = changed_files,
	.foreign = foreign_files,
	.blank = true,
};

/* Type #1 entries, UKIs, the boot loader and a counter, all in one go. */
static const struct cut_file upgraded_files[] = {
	{"/loader/loader.conf", "=timeout 3\n", "=timeout 3\n"},
	{ENTRY "25-amd64.conf",
		"=linux /EFI/Linux/common.efi\ninitrd " OLD_KERNEL "/microcode\n",
		"=linux /EFI/Linux/common.efi\ninitrd " OLD_KERNEL "/microcode\n"},
	{ENTRY "26-amd64.conf",
		"=title Debian\nlinux " OLD_KERNEL "/linux\ninitrd " OLD_KERNEL "/initrd.img\n",
		NULL},
	{ENTRY "27-amd64+3.conf", NULL,
		"=title Debian\nlinux " NEW_KERNEL "/linux\ninitrd " NEW_KERNEL "/initrd.img\n"},
	{"/loader/entries/current.conf",
		"=linux " OLD_KERNEL "/linux\ninitrd " OLD_KERNEL "/initrd.img\n",
		"=linux " NEW_KERNEL "/linux\ninitrd " NEW_KERNEL "/initrd.img\n"},
	{"/loader/entries/arch+3-0.conf", "=efi /EFI/Linux/common.efi\n", NULL},
	{"/loader/entries/arch+2-1.conf", NULL, "=efi /EFI/Linux/common.efi\n"},
	{OLD_KERNEL "/linux", "5121@1", NULL},
	{OLD_KERNEL "/initrd.img", "9000@2", NULL},
	{OLD_KERNEL "/microcode", "300@3", "300@3"},
	{NEW_KERNEL "/linux", NULL, "5632@4"},
	{NEW_KERNEL "/initrd.img", NULL, "9300@5"},
	{"/EFI/Linux/common.efi", "2000@6", "2000@6"},
	{"/EFI/Linux/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-26-amd64.efi", "4000@7", NULL},
	{"/EFI/Linux/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-27-amd64+3.efi", NULL, "4100@8"},
	{"/EFI/Linux/counted+3-0.efi", "1500@9", NULL},
	{"/EFI/Linux/counted+2-1.efi", NULL, "1500@9"},
	{"/EFI/systemd/systemd-bootx64.efi", "3000@10", "3100@11"},
	{"/EFI/BOOT/BOOTX64.EFI", "3000@10", "3100@11"},
	{NULL, NULL, NULL},
};
static const struct cut_file next_files[] = {
	{"/loader/loader.conf", NULL, "=timeout 3\n"},
	{ENTRY "28-amd64+3.conf", NULL,
		"=title Debian\nlinux " NEXT_KERNEL "/linux\ninitrd " NEXT_KERNEL "/initrd.img\n"},
	{"/loader/entries/arch.conf", NULL, "=efi /EFI/Linux/common.efi\n"},
	{NEXT_KERNEL "/linux", NULL, "7000@14"},
	{NEXT_KERNEL "/initrd.img", NULL, "9300@5"},
	{"/EFI/Linux/common.efi", NULL, "2100@12"},
	{"/EFI/systemd/systemd-bootx64.efi", NULL, "3000@10"},
	{"/EFI/BOOT/BOOTX64.EFI", NULL, "3200@13"},
	{NULL, NULL, NULL},
};
static const struct cut_workload upgrade_then_next = {
	.files = upgraded_files,
	.foreign = foreign_files,
	.other = next_files,
	.manage = {"/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1", "/EFI/BOOT"},
};
static const struct cut_workload upgrade = {
	.files = upgraded_files,
	.foreign = foreign_files,
	.manage = {"/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1", "/EFI/BOOT"},
};

/* The directory of the kernels comes, or goes, as a whole. */
static const struct cut_file moved_files[] = {
	{"/loader/entries/a.conf", "=linux /old kernels/linux\n", NULL},
	{"/loader/entries/b.conf", NULL, "=linux /new kernels in long names/linux\n"},
	{"/old kernels/linux", "3000@1", NULL},
	{"/old kernels/deep/er/initrd", "2000@2", NULL},
	{"/new kernels in long names/linux", NULL, "3100@3"},
	{"/new kernels in long names/deep/initrd", NULL, "2000@2"},
	{NULL, NULL, NULL},
};
static const struct cut_workload moved = {
	.files = moved_files,
	.foreign = foreign_files,
	.manage = {"/old kernels", "/new kernels in long names"},
};

/* Foreign directories inside managed ones, so that these are edited where they stand. */
static const struct cut_file mixed_foreign[] = {
	{"/EFI/Linux/mine/own.efi", "1538@41", NULL},
	{"/EFI/Linux/mine/too/own.efi", "38@42", NULL},
	{"/loader/keys/mine/PK.auth", "120@43", NULL},
	{"/loader/entries/mine/x", "20@44", NULL},
	{"/README.TXT", "33@45", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_file mixed_files[] = {
	{"/loader/entries/first entry with a long name.conf",
		"=linux /EFI/Linux/the first kernel, its name is long.efi\n", NULL},
	{"/loader/entries/second entry with a long name.conf", NULL,
		"=linux /EFI/Linux/the second kernel, its name is long.efi\n"},
	{"/loader/entries/stays.conf", "=linux /EFI/Linux/stays.efi\n",
		"=linux /EFI/Linux/stays.efi\n"},
	{"/loader/keys/db.auth", "500@2", "600@3"},
	{"/loader/keys/auto/PK.auth", "500@4", "500@5"},
	{"/loader/loader.conf", "50@6", "51@7"},
	{"/EFI/Linux/the first kernel, its name is long.efi", "3000@8", NULL},
	{"/EFI/Linux/the second kernel, its name is long.efi", NULL, "3100@9"},
	{"/EFI/Linux/stays.efi", "1000@10", "1000@10"},
	{"/EFI/Linux/replaced.efi", "1000@11", "2100@12"},
	{"/EFI/Linux/shrunk.efi", "2000@13", "0@14"},
	{"/EFI/Linux/touched.efi", "700@15:1", "700@15:2"},
	{"/EFI/Linux/counted+3-0.efi", "1500@16", NULL},
	{"/EFI/Linux/counted+2-1.efi", NULL, "1500@16"},
	{"/EFI/Linux/a directory that goes.d/x", "700@17", NULL},
	{"/EFI/Linux/a directory that comes.d/x", NULL, "700@18"},
	{"/EFI/Linux/a directory that stays.d/x", "700@19", "800@20"},
	{"/EFI/systemd/systemd-bootx64.efi", "2049@21", "2100@22"},
	{"/one managed file in the root.cfg", "100@23", "200@24"},
	{"/a managed file that goes away.cfg", "100@25", NULL},
	{"/a managed file that comes along.cfg", NULL, "100@26"},
	{NULL, NULL, NULL},
};
static const struct cut_workload mixed = {
	.files = mixed_files,
	.foreign = mixed_foreign,
	.manage = {"/one managed file in the root.cfg", "/a managed file that goes away.cfg",
		"/a managed file that comes along.cfg"},
	.exclude = {"/EFI/Linux/mine", "/loader/keys/mine", "/loader/entries/mine"},
};

/* Names of which only the case changes, and a file that becomes a directory. */
static const struct cut_file renamed_files[] = {
	{"/EFI/Linux/Kernel.efi", "3000@1", NULL},
	{"/EFI/Linux/kernel.efi", NULL, "3000@1"},
	{"/EFI/Linux/stays.efi", "100@1", "100@1"},
	{NULL, NULL, NULL},
};
static const struct cut_file renamed_kernel[] = {
	{"/loader/entries/a.conf", "=linux /EFI/Linux/kernel.efi\n",
		"=linux /EFI/Linux/kernel.efi\n"},
	{"/EFI/Linux/Kernel.efi", "3000@1", NULL},
	{"/EFI/Linux/kernel.efi", NULL, "3000@1"},
	{NULL, NULL, NULL},
};
static const struct cut_file renamed_with_entry[] = {
	{"/loader/entries/a.conf", "=title kernel.efi\n", "=title KERNEL.EFI\n"},
	{"/EFI/Linux/Kernel.efi", "3000@1", NULL},
	{"/EFI/Linux/kernel.efi", NULL, "3000@2"},
	{NULL, NULL, NULL},
};
static const struct cut_file changed_kind[] = {
	{"/loader/entries/a.conf", "=extra /EFI/Linux/thing\n", "=extra /EFI/Linux/thing/x.efi\n"},
	{"/EFI/Linux/thing", "3000@1", NULL},
	{"/EFI/Linux/thing/x.efi", NULL, "3000@1"},
	{NULL, NULL, NULL},
};
static const struct cut_file renamed_along[] = {
	{"/loader/entries/a.conf", "=linux /EFI/Linux/old.efi\n", "=linux /EFI/Linux/new.efi\n"},
	{"/EFI/Linux/old.efi", "3000@1", NULL},
	{"/EFI/Linux/new.efi", NULL, "3000@1"},
	{NULL, NULL, NULL},
};
/* All that there is to boot is an image of its own, and then an entry; or the other way round. */
static const struct cut_file image_to_entry[] = {
	{"/loader/entries/a.conf", NULL, "=linux /EFI/Linux/linux\n"},
	{"/EFI/Linux/a.efi", "3000@1", NULL},
	{"/EFI/Linux/a.efi.extra.d/net.addon.efi", "600@3", NULL},
	{"/EFI/Linux/linux", NULL, "2900@2"},
	{NULL, NULL, NULL},
};
static const struct cut_file entry_to_image[] = {
	{"/loader/entries/a.conf", "=linux /EFI/Linux/linux\n", NULL},
	{"/EFI/Linux/a.efi", NULL, "3000@1"},
	{"/EFI/Linux/linux", "2900@2", NULL},
	{NULL, NULL, NULL},
};
/* The image is renamed meanwhile, as each try to boot it does. */
static const struct cut_file counted_beside_entry[] = {
	{"/loader/entries/a.conf", NULL, "=linux /EFI/Linux/linux\n"},
	{"/EFI/Linux/a+3.efi", "3000@1", NULL},
	{"/EFI/Linux/a+2-1.efi", NULL, "3000@1"},
	{"/EFI/Linux/linux", NULL, "2900@2"},
	{NULL, NULL, NULL},
};
/* What there is to boot gets a name that has no room in its sector, so that it is copied. */
static const struct cut_file renamed_in_a_crowd[] = {
	{"/EFI/Linux/A.EFI", "3000@1", NULL},
	{"/EFI/Linux/A-RATHER-LONG.EFI", NULL, "3000@1"},
	{NULL, NULL, NULL},
};
static const struct cut_file crowd[] = {
	{"/EFI/Linux/MINE/OWN.BIN", "20@41", NULL}, {"/EFI/Linux/.#1", "1@1", NULL},
	{"/EFI/Linux/.#2", "1@2", NULL}, {"/EFI/Linux/.#3", "1@3", NULL},
	{"/EFI/Linux/.#4", "1@4", NULL}, {"/EFI/Linux/.#5", "1@5", NULL},
	{"/EFI/Linux/.#6", "1@6", NULL},
	{NULL, NULL, NULL},
};
#define MIXED_WORKLOAD(files_) \
	{ \
		.files = (files_), .foreign = mixed_foreign, .exclude = {"/EFI/Linux/mine"}, \
	}
static const struct cut_workload odd_renames[] = {
	{.files = renamed_files},
	{.files = renamed_with_entry},
	{.files = changed_kind},
	{.files = renamed_kernel},
	MIXED_WORKLOAD(renamed_files),
	MIXED_WORKLOAD(renamed_with_entry),
	MIXED_WORKLOAD(changed_kind),
	MIXED_WORKLOAD(renamed_kernel),
	{.files = renamed_along},
	MIXED_WORKLOAD(renamed_along),
	{.files = renamed_in_a_crowd, .foreign = crowd, .exclude = {"/EFI/Linux/MINE"}},
};
static const struct cut_workload other_choices[] = {
	{.files = image_to_entry},
	{.files = entry_to_image},
	{.files = counted_beside_entry},
	MIXED_WORKLOAD(image_to_entry),
	MIXED_WORKLOAD(entry_to_image),
	MIXED_WORKLOAD(counted_beside_entry),
};

/* ---- directories without room ---- */

/*
 * /EFI has no slot left in its cluster, 341 or 682 with what lies before it: the FAT12 entry of
 * these lies in two sectors.
 */
#define FULL_EFI \
	{"/EFI/FOREIGN1.D/", "", NULL}, {"/EFI/FOREIGN2.D/", "", NULL}, \
	{"/EFI/FOREIGN3.D/", "", NULL}, {"/EFI/FOREIGN4.D/", "", NULL}, \
	{"/EFI/FOREIGN5.TXT", "10@5", NULL}, {"/EFI/FOREIGN6.TXT", "10@6", NULL}, \
	{"/EFI/FOREIGN7.TXT", "10@7", NULL}, {"/EFI/FOREIGN8.TXT", "10@8", NULL}, \
	{"/EFI/FOREIGN9.TXT", "10@9", NULL}, {"/EFI/FOREIGNA.TXT", "10@10", NULL}, \
	{"/EFI/FOREIGNB.TXT", "10@11", NULL}, {"/EFI/FOREIGNC.TXT", "10@12", NULL}, \
	{"/EFI/FOREIGND.TXT", "10@13", NULL}, {"/EFI/FOREIGNE.TXT", "10@14", NULL}, \
	{NULL, NULL, NULL},
static const struct cut_file full_efi_at_341[] = {{"/AAA.BIN", "173568@1", NULL}, FULL_EFI};
static const struct cut_file full_efi_at_682[] = {{"/AAA.BIN", "348160@1", NULL}, FULL_EFI};

/* The root of FAT32: 16 slots with the label. */
static const struct cut_file full_root[] = {
	{"/F01.TXT", "1@1", NULL}, {"/F02.TXT", "1@2", NULL}, {"/F03.TXT", "1@3", NULL},
	{"/F04.TXT", "1@4", NULL}, {"/F05.TXT", "1@5", NULL}, {"/F06.TXT", "1@6", NULL},
	{"/F07.TXT", "1@7", NULL}, {"/F08.TXT", "1@8", NULL}, {"/F09.TXT", "1@9", NULL},
	{"/F10.TXT", "1@10", NULL}, {"/F11.TXT", "1@11", NULL}, {"/F12.TXT", "1@12", NULL},
	{"/F13.TXT", "1@13", NULL}, {"/F14.TXT", "1@14", NULL}, {"/F15.TXT", "1@15", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_file few_files[] = {
	{"/loader/entries/a.conf", NULL, "=linux /EFI/Linux/a.efi\n"},
	{"/EFI/Linux/a.efi", NULL, "1600@1"},
	{"/EFI/systemd/systemd-bootx64.efi", NULL, "1000@2"},
	{"/one managed file in the root.cfg", NULL, "100@3"},
	{NULL, NULL, NULL},
};
static const struct cut_file other_files[] = {
	{"/loader/entries/b.conf", NULL, "=linux /EFI/Linux/b.efi\n"},
	{"/EFI/Linux/b.efi", NULL, "9000@7"},
	{"/EFI/Linux/c.efi", NULL, "9000@8"},
	{NULL, NULL, NULL},
};
/* Other contents, which come to stand just where those of few_files do: no FAT sector changes. */
static const struct cut_file few_files_again[] = {
	{"/loader/entries/a.conf", NULL, "=linux /EFI/Linux/a.efi\n"},
	{"/EFI/Linux/a.efi", NULL, "1600@11"},
	{"/EFI/systemd/systemd-bootx64.efi", NULL, "1000@12"},
	{"/one managed file in the root.cfg", NULL, "100@13"},
	{NULL, NULL, NULL},
};
#define FEW_WORKLOAD(foreign_, other_) \
	{ \
		.files = few_files, .foreign = (foreign_), .other = (other_), .blank = true, \
		.manage = {"/one managed file in the root.cfg"}, \
	}
static const struct cut_workload efi_grows_at_341 = FEW_WORKLOAD(full_efi_at_341, NULL);
static const struct cut_workload efi_grows_at_682 = FEW_WORKLOAD(full_efi_at_682, NULL);
static const struct cut_workload efi_grows_then_other = FEW_WORKLOAD(full_efi_at_341, other_files);
static const struct cut_workload few_then_again = FEW_WORKLOAD(NULL, few_files_again);
static const struct cut_workload root_grows = FEW_WORKLOAD(full_root, NULL);
static const struct cut_workload root_grows_then_other = FEW_WORKLOAD(full_root, other_files);

/*
 * A fixed root of two sectors with free slots 13 to 18 only: what needs four slots has
 * to straddle the sectors. Names in the order of the alphabet.
 */
static const struct cut_file tight_root[] = {
	{"/F01.TXT", "1@1", NULL}, {"/F02.TXT", "1@2", NULL}, {"/F03.TXT", "1@3", NULL},
	{"/F04.TXT", "1@4", NULL}, {"/F05.TXT", "1@5", NULL}, {"/F06.TXT", "1@6", NULL},
	{"/F07.TXT", "1@7", NULL}, {"/F08.TXT", "1@8", NULL}, {"/F09.TXT", "1@9", NULL},
	{"/F10.TXT", "1@10", NULL}, {"/F11.TXT", "1@11", NULL}, {"/F12.TXT", "1@12", NULL},
	{"/MAKES ROOM, a long name that goes away and needs six slots.txt", "1@13", "-"},
	{"/Z01.TXT", "1@14", NULL}, {"/Z02.TXT", "1@15", NULL}, {"/Z03.TXT", "1@16", NULL},
	{"/Z04.TXT", "1@17", NULL}, {"/Z05.TXT", "1@18", NULL}, {"/Z06.TXT", "1@19", NULL},
	{"/Z07.TXT", "1@20", NULL}, {"/Z08.TXT", "1@21", NULL}, {"/Z09.TXT", "1@22", NULL},
	{"/Z10.TXT", "1@23", NULL}, {"/Z11.TXT", "1@24", NULL}, {"/Z12.TXT", "1@25", NULL},
	{"/Z13.TXT", "1@26", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_file straddling_files[] = {
	{"/a managed file in the root with a name that is long.cfg", NULL, "100@3"},
	{NULL, NULL, NULL},
};
static const struct cut_file straddling_gone[] = {
	{"/a managed file in the root with a name that is long.cfg", "100@3", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_workload straddling_add = {
	.files = straddling_files,
	.foreign = tight_root,
	.manage = {"/a managed file in the root with a name that is long.cfg"},
	.blank = true,
};
static const struct cut_workload straddling_removal = {
	.files = straddling_gone,
	.foreign = tight_root,
	.manage = {"/a managed file in the root with a name that is long.cfg"},
	.orphans_stay = true,
};

static const struct cut_shape fat12_tight_root = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 500,
	.root_slots = 32,
};
static const struct cut_shape fat12_plain = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 1000,
};
static const struct cut_shape fat16_plain = {
	.fat_bits = 16,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 4800,
};

/* ---- volumes without room ---- */

/* 420 clusters: not both kernels beside each other, each alone does. */
static const struct cut_shape fat12_small = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 420,
};
static const struct cut_file swapped_kernels[] = {
	{"/loader/entries/old.conf", "=linux /EFI/Linux/old.efi\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /EFI/Linux/new.efi\n"},
	{"/loader/entries/rescue.conf", "=linux /EFI/Linux/rescue.efi\n",
		"=linux /EFI/Linux/rescue.efi\n"},
	{"/EFI/Linux/old.efi", "128000@1", NULL},
	{"/EFI/Linux/new.efi", NULL, "130000@2"},
	{"/EFI/Linux/rescue.efi", "10000@3", "10000@3"},
	{NULL, NULL, NULL},
};
static const struct cut_workload two_steps = {.files = swapped_kernels, .foreign = foreign_files};

/* Of the images that go, the one that stays until the end keeps what it takes along. */
static const struct cut_file swapped_images[] = {
	{"/EFI/Linux/old.efi", "128000@1", NULL},
	{"/EFI/Linux/rescue.efi", "10000@3", NULL},
	{"/EFI/Linux/rescue.efi.extra.d/net.addon.efi", "600@4", NULL},
	{"/EFI/Linux/new.efi", NULL, "130000@2"},
	{NULL, NULL, NULL},
};
static const struct cut_workload two_steps_of_images = {.files = swapped_images};

/* The entry keeps its name and names another kernel: as long as it stays, so must the old one. */
static const struct cut_file redirected_kernels[] = {
	{"/loader/entries/current.conf", "=linux /EFI/Linux/old.efi\n",
		"=linux /EFI/Linux/new.efi\n"},
	{"/loader/entries/rescue.conf", "=linux /EFI/Linux/rescue.efi\n",
		"=linux /EFI/Linux/rescue.efi\n"},
	{"/EFI/Linux/old.efi", "128000@1", NULL},
	{"/EFI/Linux/new.efi", NULL, "130000@2"},
	{"/EFI/Linux/rescue.efi", "10000@3", "10000@3"},
	{NULL, NULL, NULL},
};
static const struct cut_workload no_room_redirected = {.files = redirected_kernels};

/* Removing would make room, but then a name is taken by what is foreign. */
static const struct cut_file swapped_beside_a_clash[] = {
	{"/loader/entries/old.conf", "=linux /EFI/Linux/old.efi\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /EFI/Linux/new.efi\n"},
	{"/loader/entries/rescue.conf", "=linux /EFI/Linux/rescue.efi\n",
		"=linux /EFI/Linux/rescue.efi\n"},
	{"/loader/rANDOM~1", NULL, "10@5"},
	{"/EFI/Linux/old.efi", "128000@1", NULL},
	{"/EFI/Linux/new.efi", NULL, "130000@2"},
	{"/EFI/Linux/rescue.efi", "10000@3", "10000@3"},
	{NULL, NULL, NULL},
};
static const struct cut_file foreign_seed[] = {
	{"/loader/random-seed", "32@48", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_workload no_room_and_a_clash = {
	.files = swapped_beside_a_clash,
	.foreign = foreign_seed,
};

/* Everything is replaced: the last bootable choice has to stay, and then there is no room. */
static const struct cut_file last_choices[] = {
	{"/EFI/Linux/old.efi", "128000@1", NULL},
	{"/EFI/Linux/new.efi", NULL, "130000@2"},
	{NULL, NULL, NULL},
};
static const struct cut_workload no_room = {.files = last_choices};

/* Neither what lies further down nor what is hidden can be booted. */
static const struct cut_file last_choices_with_company[] = {
	{"/EFI/Linux/old.efi", "128000@1", NULL},
	{"/EFI/Linux/new.efi", NULL, "130000@2"},
	{"/EFI/Linux/stays.efi.extra.d/net.addon.efi", "600@3", "600@3"},
	{"/EFI/Linux/AUTO-stays.efi", "600@4", "600@4"},
	{"/EFI/Linux/.stays.efi", "600@5", "600@5"},
	{"/loader/entries/further/stays.conf", "=efi /EFI/Linux/AUTO-stays.efi\n",
		"=efi /EFI/Linux/AUTO-stays.efi\n"},
	{NULL, NULL, NULL},
};
static const struct cut_workload no_room_with_company = {.files = last_choices_with_company};

/* ---- how much ---- */

/* In the order of struct cut_effort. */
static const struct cut_normal normal = {
	{600, 40, 5, 61, 3, 5, 17, 24, 7},
	{60, 12, 7, 47, 17, 31, 47, 6, 7},
};

/* ---- cases ---- */

static struct cut_case *begin(const struct cut_shape *shape, const struct cut_workload *workload)
{
	return cut_case_new(scratch, shape, workload, totals);
}

static void prove(const struct cut_shape *shape, const struct cut_workload *workload)
{
	struct cut_effort effort = cut_effort_for(shape, &normal);
	struct cut_case *c = begin(shape, workload);

	cut_prove(c, &effort);
	cut_case_free(c);
}

static const struct cut_shape *const shapes[] = {
	&fat12,
	&fat12_big_sectors,
	&fat12_4kn,
	&fat12_512e,
	&fat12_one_copy,
	&fat16,
	&fat32,
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(test_first_sync_into_an_empty_volume)
{
	prove(shapes[_i], &first_sync);
}
END_TEST

START_TEST(test_a_random_seed_is_replaced)
{
	prove(shapes[_i], &seed_is_replaced);
}
END_TEST

START_TEST(test_first_sync_beside_foreign_files)
{
	prove(shapes[_i], &first_beside_foreign);
}
END_TEST

START_TEST(test_every_kind_of_change)
{
	prove(shapes[_i], &changes);
}
END_TEST

START_TEST(test_kernel_upgrade)
{
	prove(shapes[_i], &upgrade);
}
END_TEST

START_TEST(test_directories_that_come_and_go)
{
	prove(shapes[_i], &moved);
}
END_TEST

START_TEST(test_mixed_directories)
{
	prove(shapes[_i], &mixed);
}
END_TEST

START_TEST(test_the_last_choice_becomes_one_of_another_kind)
{
	prove(&fat12, &other_choices[_i]);
}
END_TEST

START_TEST(test_odd_renames)
{
	prove(&fat12, &odd_renames[_i]);
}
END_TEST

/* Cut every recovery as well. */
static void prove_deeply(const struct cut_shape *shape, const struct cut_workload *workload,
	const char *path, uint32_t cluster)
{
	struct cut_effort effort = cut_effort_for(shape, &normal);
	struct cut_case *c = begin(shape, workload);

	if (path)
		ck_assert_uint_eq(cut_case_first_cluster(c, path), cluster);
	effort.nested_every = shape->fat_bits == 32 ? 17 : cut_level() == CUT_QUICK ? 4 : 1;
	cut_prove(c, &effort);
	cut_case_free(c);
}

START_TEST(test_primary_changes_after_the_power_cut)
{
	prove_deeply(_i == 0 ? &fat12 : &fat32, &upgrade_then_next, NULL, 0);
}
END_TEST

START_TEST(test_directory_grows_from_a_fat12_entry_in_two_sectors)
{
	static const struct {
		const struct cut_workload *workload;
		uint32_t cluster;
	} cases[] = {
		{&efi_grows_at_341, 341},
		{&efi_grows_at_682, 682},
		{&efi_grows_then_other, 341},
	};

	prove_deeply(&fat12_plain, cases[_i].workload, "/EFI", cases[_i].cluster);
}
END_TEST

START_TEST(test_directory_grows)
{
	prove_deeply(_i % 2 ? &fat32 : &fat16_plain,
		_i < 2 ? &efi_grows_at_341 : &efi_grows_then_other, NULL, 0);
}
END_TEST

START_TEST(test_other_contents_take_the_clusters_of_an_interrupted_sync)
{
	struct cut_effort effort = cut_effort_for(&fat12_plain, &normal);
	struct cut_case *c = begin(&fat12_plain, &few_then_again);

	effort.nested_every = 1;
	cut_prove(c, &effort);
	cut_case_free(c);
}
END_TEST

START_TEST(test_root_grows)
{
	prove_deeply(&fat32, _i == 0 ? &root_grows : &root_grows_then_other, NULL, 0);
}
END_TEST

START_TEST(test_entry_set_in_two_sectors_is_added)
{
	prove_deeply(&fat12_tight_root, &straddling_add, NULL, 0);
}
END_TEST

START_TEST(test_entry_set_in_two_sectors_is_removed)
{
	prove_deeply(&fat12_tight_root, &straddling_removal, NULL, 0);
}
END_TEST

START_TEST(test_old_goes_first_when_room_is_short)
{
	static const struct cut_workload *const workloads[] = {&two_steps, &two_steps_of_images};
	struct cut_effort effort = cut_effort_for(&fat12_small, &normal);
	struct cut_case *c = begin(&fat12_small, workloads[_i]);

	effort.nested_every = 7;
	cut_prove(c, &effort);
	ck_assert(cut_case_removed_first(c));
	cut_case_free(c);
}
END_TEST

START_TEST(test_without_room_nothing_is_written)
{
	static const struct cut_workload *const workloads[] = {
		&no_room, &no_room_with_company, &no_room_redirected, &no_room_and_a_clash};
	struct cut_case *c = begin(&fat12_small, workloads[_i]);
	struct write_log *log;

	ck_assert_int_eq(cut_record(c, NULL, &log), FES_MIRROR_REFUSED);
	ck_assert_uint_eq(write_log_n_epochs(log), 1);
	ck_assert_uint_eq(write_log_n_versions(log, 0), 0);
	write_log_free(log);
	cut_case_free(c);
}
END_TEST

/* ---- the judge is judged ---- */

/* Whether something is found when flush number @k (0: none) is swallowed. */
static bool is_caught(struct cut_case *c, uint64_t k, bool all_later)
{
	static const struct cut_effort effort = {
		.states_per_epoch = 600, .hidden_per_epoch = 20, .recover_every = 1000000};
	struct fault drop = {
		.ops = TESTDEV_FLUSH, .kind = FAULT_DROP, .nth = k, .sticky = all_later};
	struct write_log *log = cut_record_good(c, &drop);
	bool caught;

	caught = !cut_enumerate(c, log, &effort);
	write_log_free(log);
	return caught;
}

/*
 * The barrier before the first commit, and the last ones: before payload that the old entries
 * need goes, and before clusters are freed.
 */
START_TEST(test_a_missing_barrier_is_found)
{
	struct cut_case *c = begin(&fat12, &upgrade);
	struct write_log *log = cut_record_good(c, NULL);
	uint64_t commit, n;

	commit = cut_flush_before_commit(c, log);
	n = write_log_n_epochs(log) - 2; /* the very last one is behind the random seed */
	ck_assert(!is_caught(c, 0, false));
	ck_assert(is_caught(c, 1, true));
	ck_assert(is_caught(c, commit, false));
	ck_assert(is_caught(c, n - 3, false));
	ck_assert(is_caught(c, n - 2, false));
	write_log_free(log);
	cut_case_free(c);
}
END_TEST

/* Before a directory's last cluster gets a successor, and before that is used. */
START_TEST(test_a_missing_barrier_of_a_growing_directory_is_found)
{
	struct cut_case *c = begin(&fat12_plain, &efi_grows_at_341);
	struct write_log *log = cut_record_good(c, NULL);
	uint64_t commit;

	commit = cut_flush_before_commit(c, log);
	ck_assert(is_caught(c, commit - 2, false));
	ck_assert(is_caught(c, commit, false));
	write_log_free(log);
	cut_case_free(c);
}
END_TEST

/* Before the long-name slots, which the first commit writes, and before the short entry. */
START_TEST(test_a_missing_barrier_of_a_straddling_set_is_found)
{
	struct cut_case *c = begin(&fat12_tight_root, &straddling_add);
	struct write_log *log = cut_record_good(c, NULL);

	ck_assert(is_caught(c, cut_flush_before_commit(c, log) + 1, false));
	write_log_free(log);
	cut_case_free(c);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 600);
	suite_add_tcase(suite, tc);
	return tc;
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("powercut");
	TCase *tc = add_case(suite, "every shape");

	tcase_add_loop_test(tc, test_first_sync_into_an_empty_volume, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_first_sync_beside_foreign_files, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_a_random_seed_is_replaced, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_every_kind_of_change, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_kernel_upgrade, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_directories_that_come_and_go, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_mixed_directories, 0, N_SHAPES);

	tc = add_case(suite, "where it is tight");
	tcase_add_loop_test(tc, test_the_last_choice_becomes_one_of_another_kind, 0,
		sizeof other_choices / sizeof *other_choices);
	tcase_add_loop_test(tc, test_odd_renames, 0,
		sizeof odd_renames / sizeof *odd_renames);
	tcase_add_loop_test(tc, test_primary_changes_after_the_power_cut, 0, 2);
	tcase_add_loop_test(tc, test_directory_grows_from_a_fat12_entry_in_two_sectors, 0, 3);
	tcase_add_loop_test(tc, test_directory_grows, 0, 4);
	tcase_add_test(tc, test_other_contents_take_the_clusters_of_an_interrupted_sync);
	tcase_add_loop_test(tc, test_root_grows, 0, 2);
	tcase_add_test(tc, test_entry_set_in_two_sectors_is_added);
	tcase_add_test(tc, test_entry_set_in_two_sectors_is_removed);
	tcase_add_loop_test(tc, test_old_goes_first_when_room_is_short, 0, 2);
	tcase_add_loop_test(tc, test_without_room_nothing_is_written, 0, 4);

	tc = add_case(suite, "without a barrier");
	tcase_add_test(tc, test_a_missing_barrier_is_found);
	tcase_add_test(tc, test_a_missing_barrier_of_a_growing_directory_is_found);
	tcase_add_test(tc, test_a_missing_barrier_of_a_straddling_set_is_found);
	return suite;
}

int main(void)
{
	static const struct cut_program program = {.make_suite = make_suite};

	return cut_main(&program, &scratch, (void **)&totals);
}
