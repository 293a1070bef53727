/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>

#include "tests/faults.h"

/*
 * Small volumes, so that a fault at every call is not too much: what happens in every phase of the
 * write protocol happens here, too, but once.
 */

static const struct cut_shape fat12 = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 1500,
	.n_fragments = 12,
};
static const struct cut_shape fat16 = {
	.fat_bits = 16,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 4800,
	.n_fragments = 12,
};
static const struct cut_shape fat32 = {
	.fat_bits = 32,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 65600,
	.n_fragments = 12,
};
static const struct cut_shape fat12_plain = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 1000,
};
/* Not both kernels beside each other, each alone does. */
static const struct cut_shape fat12_small = {
	.fat_bits = 12,
	.sector_size = 512,
	.cluster_sectors = 1,
	.n_clusters = 420,
};

static const struct cut_file foreign_files[] = {
	{"/EFI/Microsoft/Boot/bootmgfw.efi", "1538@41", NULL},
	{"/A foreign file with a long name.txt", "515@47", NULL},
	{"/loader/random-seed", "32@48", NULL},
	{NULL, NULL, NULL},
};

static const struct cut_file changed_files[] = {
	{"/loader/loader.conf", "130@1", "140@2"},
	{"/loader/touched.cfg", "77@6:1", "77@6:2"},
	{"/loader/entries/keeps its long name.conf", "=linux /EFI/Linux/equal.efi\n",
		"=linux /EFI/Linux/equal.efi\n"},
	{"/loader/entries/Mixed Case+3-1 Entry.conf", "=linux /EFI/Linux/equal.efi\n", NULL},
	{"/loader/entries/Mixed Case+2-2 Entry.conf", NULL, "=linux /EFI/Linux/equal.efi\n"},
	{"/loader/keys/gone/further/KEK.auth", "1024@28", NULL},
	{"/EFI/Linux/larger.efi", "700@32", "2560@33"},
	{"/EFI/Linux/equal.efi", "1536@34", "1536@34"},
	{"/EFI/Linux/same-size.efi", "9024@35:1", "9024@36:1"},
	{"/EFI/Linux/arch+3.efi", "3591@39", NULL},
	{"/EFI/Linux/arch+2-1.efi", NULL, "3591@39"},
	{"/EFI/Linux/new.efi", NULL, "12000@52"},
	{NULL, NULL, NULL},
};
static const struct cut_workload changes = {.files = changed_files, .foreign = foreign_files};

#define OLD_KERNEL "/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1/6.1.0-26-amd64"
#define NEW_KERNEL "/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1/6.1.0-27-amd64"
#define ENTRY "/loader/entries/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-"

static const struct cut_file upgraded_files[] = {
	{ENTRY "26-amd64.conf",
		"=title Debian\nlinux " OLD_KERNEL "/linux\ninitrd " OLD_KERNEL "/initrd.img\n",
		NULL},
	{ENTRY "27-amd64+3.conf", NULL,
		"=title Debian\nlinux " NEW_KERNEL "/linux\ninitrd " NEW_KERNEL "/initrd.img\n"},
	{OLD_KERNEL "/linux", "5121@1", NULL},
	{OLD_KERNEL "/initrd.img", "9000@2", NULL},
	{NEW_KERNEL "/linux", NULL, "5632@4"},
	{NEW_KERNEL "/initrd.img", NULL, "9300@5"},
	{"/EFI/systemd/systemd-bootx64.efi", "3000@10", "3100@11"},
	{"/EFI/BOOT/BOOTX64.EFI", "3000@10", "3100@11"},
	{NULL, NULL, NULL},
};
static const struct cut_workload upgrade = {
	.files = upgraded_files,
	.foreign = foreign_files,
	.manage = {"/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1", "/EFI/BOOT"},
};

/* Foreign directories inside managed ones, so that these are edited where they stand. */
static const struct cut_file mixed_foreign[] = {
	{"/EFI/Linux/mine/own.efi", "1538@41", NULL},
	{"/loader/entries/mine/x", "20@44", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_file mixed_files[] = {
	{"/loader/entries/first entry with a long name.conf",
		"=linux /EFI/Linux/the first kernel, its name is long.efi\n", NULL},
	{"/loader/entries/second entry with a long name.conf", NULL,
		"=linux /EFI/Linux/the second kernel, its name is long.efi\n"},
	{"/EFI/Linux/the first kernel, its name is long.efi", "3000@8", NULL},
	{"/EFI/Linux/the second kernel, its name is long.efi", NULL, "3100@9"},
	{"/EFI/Linux/replaced.efi", "1000@11", "2100@12"},
	{"/EFI/Linux/counted+3-0.efi", "1500@16", NULL},
	{"/EFI/Linux/counted+2-1.efi", NULL, "1500@16"},
	{"/EFI/Linux/a directory that goes.d/x", "700@17", NULL},
	{"/EFI/Linux/a directory that stays.d/x", "700@19", "800@20"},
	{NULL, NULL, NULL},
};
static const struct cut_workload mixed = {
	.files = mixed_files,
	.foreign = mixed_foreign,
	.exclude = {"/EFI/Linux/mine", "/loader/entries/mine"},
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
static const struct cut_workload two_steps = {.files = swapped_kernels};

/* /EFI has no slot left in its cluster. */
static const struct cut_file full_efi[] = {
	{"/EFI/FOREIGN1.D/", "", NULL},
	{"/EFI/FOREIGN2.D/", "", NULL},
	{"/EFI/FOREIGN3.D/", "", NULL},
	{"/EFI/FOREIGN4.D/", "", NULL},
	{"/EFI/FOREIGN5.TXT", "10@5", NULL},
	{"/EFI/FOREIGN6.TXT", "10@6", NULL},
	{"/EFI/FOREIGN7.TXT", "10@7", NULL},
	{"/EFI/FOREIGN8.TXT", "10@8", NULL},
	{"/EFI/FOREIGN9.TXT", "10@9", NULL},
	{"/EFI/FOREIGNA.TXT", "10@10", NULL},
	{"/EFI/FOREIGNB.TXT", "10@11", NULL},
	{"/EFI/FOREIGNC.TXT", "10@12", NULL},
	{"/EFI/FOREIGND.TXT", "10@13", NULL},
	{"/EFI/FOREIGNE.TXT", "10@14", NULL},
	{NULL, NULL, NULL},
};
static const struct cut_file few_files[] = {
	{"/loader/entries/a.conf", NULL, "=linux /EFI/Linux/a.efi\n"},
	{"/EFI/Linux/a.efi", NULL, "1600@1"},
	{"/EFI/systemd/systemd-bootx64.efi", NULL, "1000@2"},
	{"/one managed file in the root.cfg", NULL, "100@3"},
	{NULL, NULL, NULL},
};
static const struct cut_workload growing = {
	.files = few_files,
	.foreign = full_efi,
	.manage = {"/one managed file in the root.cfg"},
	.blank = true,
};

const struct fault_subject fault_subjects[FAULT_SUBJECTS] = {
	{"changes on FAT12", &fat12, &changes, 5},
	{"changes on FAT16", &fat16, &changes, 11},
	{"changes on FAT32", &fat32, &changes, 23},
	{"upgrade on FAT12", &fat12, &upgrade, 7},
	{"upgrade on FAT32", &fat32, &upgrade, 29},
	{"mixed on FAT16", &fat16, &mixed, 7},
	{"two steps on FAT12", &fat12_small, &two_steps, 7},
	{"growing on FAT12", &fat12_plain, &growing, 5},
};

const struct fault_subject *fault_subject_find(const char *name)
{
	for (size_t i = 0; i < FAULT_SUBJECTS; i++)
		if (strcmp(fault_subjects[i].name, name) == 0)
			return &fault_subjects[i];
	ck_abort_msg("no subject '%s'", name);
	return NULL;
}
