/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>

#include "tests/powercut.h"

/*
 * Power cuts while what booting needs changes: files that entries refer to, wherever they are, boot
 * loaders, and counters. No state may have an entry without its files, two names of one identity, or
 * nothing to boot; but two names where one cannot be changed in place.
 */

static char *scratch;
static struct cut_totals *totals;

static const struct cut_shape fat12 = {
	.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 1100,
	.n_fragments = 3,
};
static const struct cut_shape fat12_small = {
	.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 430,
};
static const struct cut_shape fat16 = {
	.fat_bits = 16, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 4300,
};
static const struct cut_shape fat32 = {
	.fat_bits = 32, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 66000,
};
static const struct cut_shape *const shapes[] = {&fat12, &fat16, &fat32};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

#define LOADER(version) "=#### LoaderInfo: systemd-boot " version " ####\n"
#define SHIM(version) "=UEFI SHIM\n$Version: " version " $\n"
#define FIXED {"/loader/loader.conf", "=timeout 3\n", "=timeout 3\n"}
#define FILLER "77500" /* bytes that leave a cluster or so */
#define END {NULL, NULL, NULL}

/* A Debian kernel upgrade. Another machine's folder is on the mirror, and a note in ours. */
static const struct cut_file debian_files[] = {
	FIXED,
	{"/loader/entries/deb-26.conf", "=linux /deb/26/linux\ninitrd /deb/26/initrd.img\n", NULL},
	{"/loader/entries/deb-27+3.conf", "=linux /deb/27/linux\ninitrd /deb/27/initrd.img\n",
		"=linux /deb/27/linux\ninitrd /deb/27/initrd.img\n"},
	{"/loader/entries/deb-28+3.conf", NULL,
		"=linux /deb/28/LINUX\ninitrd /deb/28/initrd.img\n"},
	{"/deb/26/linux", "5121@1", NULL},
	{"/deb/26/initrd.img", "9000@2", NULL},
	{"/deb/27/linux", "5000@3", "5000@3"},
	{"/deb/27/initrd.img", "900@4", "900@4"},
	{"/deb/28/linux", NULL, "5632@5"},
	{"/deb/28/initrd.img", NULL, "9300@6"},
	END,
};
static const struct cut_file other_machine[] = {
	{"/deb/NOTE.TXT", "700@7", NULL},
	{"/other/1/linux", "1200@8", NULL},
	{"/EFI/Microsoft/Boot/bootmgfw.efi", "600@9", NULL},
	END,
};
static const struct cut_file next_files[] = {
	FIXED,
	{"/loader/entries/deb-29+3.conf", NULL, "=linux /deb/29/linux\ninitrd /deb/29/initrd.img\n"},
	{"/deb/29/linux", NULL, "6000@10"},
	{"/deb/29/initrd.img", NULL, "9300@6"},
	END,
};

/* kernel-install removes the entry first: the files are still on the primary, where nobody names them. */
static const struct cut_file leftover_files[] = {
	FIXED,
	{"/loader/entries/deb-26.conf", "=linux /deb/26/linux\ninitrd /initrd-26\n", NULL},
	{"/loader/entries/deb-27+3.conf", NULL, "=linux /deb/27/linux\ninitrd /initrd-27\n"},
	{"/deb/26/linux", "5121@1", "5121@1"},
	{"/initrd-26", "2100@2", "2100@2"},
	{"/deb/27/linux", NULL, "5000@3"},
	{"/initrd-27", NULL, "2200@4"},
	END,
};

/* An image makes way for an entry that was there all the time, without its kernel. */
static const struct cut_file waiting_files[] = {
	FIXED,
	{"/loader/entries/waiting.conf", "=linux /k/linux\n", "=linux /k/linux\n"},
	{"/k/linux", NULL, "3000@20"},
	{"/EFI/Linux/image+3.efi", "6000@19", NULL},
	{"/EFI/Linux/note.txt", "=stays\n", "=stays\n"},
	END,
};

/* What boots is replaced by what does not, and the other way round, entry by entry. */
static const struct cut_file broken_files[] = {
	FIXED,
	{"/loader/entries/a.conf", "=linux /k/linux\n", "=linux /k/linux\ninitrd /k/gone\n"},
	{"/loader/entries/b+3.conf", "=linux /k/linux\n", NULL},
	{"/loader/entries/b.conf", NULL, "=linux /k/gone\n"},
	{"/loader/entries/c.conf", "=linux /k/gone\n", "=linux /k/linux\n"},
	{"/k/linux", "3000@20", "3000@20"},
	END,
};
static const struct cut_file entries_in_place[] = {
	{"/loader/entries/.#mine/keep.bin", "300@35", NULL},
	END,
};

/* /loader cannot be new as a whole, and kernels lie in there. */
static const struct cut_file below_loader_files[] = {
	FIXED,
	{"/loader/entries/old.conf", "=linux /loader/a/linux\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /loader/z/linux\n"},
	{"/loader/a/linux", "3000@20", NULL},
	{"/loader/z/linux", NULL, "3100@21"},
	END,
};
static const struct cut_file private_folder[] = {
	{"/loader/swtpm/state", "300@22", NULL},
	END,
};

/* The same names all the time, in the root: kernel and initrd are new together. */
static const struct cut_file arch_files[] = {
	FIXED,
	{"/loader/entries/arch.conf",
		"=linux /vmlinuz-linux\ninitrd /intel-ucode.img /initramfs-linux.img\n",
		"=linux /vmlinuz-linux\ninitrd /intel-ucode.img /initramfs-linux.img\n"},
	{"/loader/entries/arch-fallback.conf",
		"=linux /vmlinuz-linux\ninitrd /initramfs-linux-fallback.img\n",
		"=linux /vmlinuz-linux\ninitrd /initramfs-linux-fallback.img\n"},
	{"/loader/entries/lts.conf", "=linux /vmlinuz-lts\n", NULL},
	{"/intel-ucode.img", "700@11", "700@11"},
	{"/vmlinuz-linux", "5000@12", "5400@13"},
	{"/initramfs-linux.img", "7000@14", "7200@15"},
	{"/initramfs-linux-fallback.img", "9000@16", "9100@17"},
	{"/vmlinuz-lts", "3000@18", NULL},
	END,
};

/* systemd-boot is updated along with a UKI that becomes an entry with files in a folder. */
static const struct cut_file loader_files[] = {
	FIXED,
	{"/EFI/systemd/systemd-bootx64.efi", LOADER("252"), LOADER("262")},
	{"/EFI/BOOT/BOOTX64.EFI", LOADER("252"), LOADER("262")},
	{"/EFI/Linux/image+3.efi", "6000@19", NULL},
	{"/loader/entries/image.conf", NULL, "=linux /img/linux\ninitrd /img/initrd\n"},
	{"/img/linux", NULL, "4000@20"},
	{"/img/initrd", NULL, "2000@21"},
	END,
};
static const struct cut_file beside_loader[] = {
	{"/EFI/BOOT/GRUB.CFG", "300@22", NULL},
	END,
};

/* The same beside an entry that was forgotten: it names a kernel that is long gone. */
static const struct cut_file forgotten_files[] = {
	FIXED,
	{"/EFI/Linux/image+3.efi", "6000@19", NULL},
	{"/loader/entries/gone.conf", "=linux /gone/linux\n", "=linux /gone/linux\n"},
	{"/loader/entries/image.conf", NULL, "=linux /img/linux\ninitrd /img/initrd\n"},
	{"/img/linux", NULL, "4000@20"},
	{"/img/initrd", NULL, "2000@21"},
	END,
};

/* What shim loads it verifies: old and new ones do not go together. */
static const struct cut_file shim_files[] = {
	FIXED,
	{"/EFI/systemd/systemd-bootx64.efi", LOADER("262"), LOADER("262")},
	{"/EFI/BOOT/BOOTX64.EFI", SHIM("15.7"), SHIM("15.8")},
	{"/EFI/BOOT/fbx64.efi", "3000@23", "3100@24"},
	{"/EFI/BOOT/mmx64.efi", "2000@25", "2200@26"},
	{"/EFI/debian/shimx64.efi", SHIM("15.7"), SHIM("15.8")},
	{"/EFI/debian/BOOTX64.CSV", "90@27", "90@27"},
	{"/EFI/debian/fbx64.efi", "3000@23", "3100@24"},
	{"/EFI/Linux/image.efi", "1000@28", "1000@28"},
	END,
};

/* From systemd-boot to shim, by way of its second stage or of its fallback. */
static const struct cut_file to_shim_files[] = {
	FIXED,
	{"/EFI/BOOT/BOOTX64.EFI", LOADER("252"), SHIM("15.8")},
	{"/EFI/BOOT/grubx64.efi", NULL, LOADER("252")},
	{"/EFI/Linux/image.efi", "1000@28", "1000@28"},
	END,
};
static const struct cut_file to_fallback_files[] = {
	FIXED,
	{"/EFI/BOOT/BOOTX64.EFI", LOADER("252"), SHIM("15.8")},
	{"/EFI/BOOT/fbx64.efi", NULL, "3100@24"},
	{"/EFI/debian/shimx64.efi", NULL, SHIM("15.8")},
	{"/EFI/debian/BOOTX64.CSV", NULL, "90@27"},
	{"/EFI/debian/grubx64.efi", NULL, LOADER("252")},
	{"/EFI/Linux/image.efi", "1000@28", "1000@28"},
	END,
};
/* Shim goes, and so does all that it started. */
static const struct cut_file from_shim_files[] = {
	FIXED,
	{"/EFI/AAA/shimx64.efi", SHIM("15.7"), NULL},
	{"/EFI/AAA/BOOTX64.CSV", "90@27", NULL},
	{"/EFI/AAA/note.txt", NULL, "100@44"},
	{"/EFI/BOOT/BOOTX64.EFI", SHIM("15.7"), LOADER("252")},
	{"/EFI/BOOT/fbx64.efi", "3100@24", NULL},
	{"/EFI/Linux/image.efi", "1000@28", "1000@28"},
	END,
};
static const struct cut_file folder_beside_loader[] = {
	{"/EFI/BOOT/icons/os.png", "300@22", NULL},
	END,
};

/* Counters, with and without other contents; where directories can be rebuilt, and where not. */
static const struct cut_file counted_files[] = {
	FIXED,
	{"/loader/entries/a+3.conf", "=linux /c/linux\n", NULL},
	{"/loader/entries/a+2-1.conf", NULL, "=linux /c/linux\n"},
	{"/loader/entries/b+1-2.conf", "=linux /c/linux\n", NULL},
	{"/loader/entries/b.conf", NULL, "=linux /c/linux\ninitrd /c/initrd\n"},
	{"/c/linux", "3000@29", "3000@29"},
	{"/c/initrd", NULL, "800@30"},
	{"/EFI/Linux/u+3.efi", "2000@31", NULL},
	{"/EFI/Linux/u+2-1.efi", NULL, "2000@31"},
	{"/EFI/Linux/v+3.efi", "2000@32", NULL},
	{"/EFI/Linux/v.efi", NULL, "2100@33"},
	END,
};
static const struct cut_file foreign_folders[] = {
	{"/EFI/Linux/.#mine/keep.bin", "300@34", NULL},
	{"/loader/entries/.#mine/keep.bin", "300@35", NULL},
	END,
};

/* The only choice gets a name that takes a slot more than its sector has, so that it is copied. */
static const struct cut_file crowded_image[] = {
	FIXED,
	{"/EFI/Linux/a-kernel-with-a-name+3.efi", "3000@41", NULL},
	{"/EFI/Linux/a-kernel-with-a-name+2-1.efi", NULL, "3000@41"},
	END,
};
static const struct cut_file image_crowd[] = {
	{"/EFI/Linux/MINE/OWN.BIN", "20@42", NULL}, {"/EFI/Linux/.#1", "1@1", NULL},
	{"/EFI/Linux/.#2", "1@2", NULL}, {"/EFI/Linux/.#3", "1@3", NULL},
	{"/EFI/Linux/.#4", "1@4", NULL}, {"/EFI/Linux/.#5", "1@5", NULL},
	END,
};
static const struct cut_file crowded_entry[] = {
	FIXED,
	{"/c/linux", "3000@43", "3000@43"},
	{"/loader/entries/a-entry-with-a-name+3.conf", "=linux /c/linux\n", NULL},
	{"/loader/entries/a-entry-with-a-name+2-1.conf", NULL, "=linux /c/linux\n"},
	END,
};
/* One name has to be copied, the other need not. */
static const struct cut_file half_crowded[] = {
	FIXED,
	{"/c/linux", "3000@43", "3000@43"},
	{"/EFI/Linux/A.EFI", "3000@41", NULL},
	{"/EFI/Linux/ANOTHER-LONGER-NAME-OF-THE-SAME.EFI", NULL, "3000@41"},
	{"/loader/entries/b+3.conf", "=linux /c/linux\n", NULL},
	{"/loader/entries/b+2-1.conf", NULL, "=linux /c/linux\n"},
	END,
};
static const struct cut_file half_crowd[] = {
	{"/EFI/Linux/MINE/OWN.BIN", "20@42", NULL}, {"/EFI/Linux/.#1", "1@1", NULL},
	{"/EFI/Linux/.#2", "1@2", NULL}, {"/EFI/Linux/.#3", "1@3", NULL},
	{"/EFI/Linux/.#4", "1@4", NULL}, {"/EFI/Linux/.#5", "1@5", NULL},
	{"/EFI/Linux/.#6", "1@6", NULL}, {"/loader/entries/MINE/OWN.BIN", "20@42", NULL},
	END,
};
static const struct cut_file entry_crowd[] = {
	{"/loader/entries/MINE/OWN.BIN", "20@42", NULL}, {"/loader/entries/.#1", "1@1", NULL},
	{"/loader/entries/.#2", "1@2", NULL}, {"/loader/entries/.#3", "1@3", NULL},
	{"/loader/entries/.#4", "1@4", NULL}, {"/loader/entries/.#5", "1@5", NULL},
	END,
};

/* Both kernels do not fit: the old one goes first, and what stays can be booted. */
static const struct cut_file swapped_files[] = {
	FIXED,
	{"/loader/entries/old.conf", "=linux /k/old/linux\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /k/new/linux\n"},
	{"/loader/entries/rescue.conf", "=linux /k/rescue\n", "=linux /k/rescue\n"},
	{"/k/old/linux", "128000@36", NULL},
	{"/k/new/linux", NULL, "130000@37"},
	{"/k/rescue", "10000@38", "10000@38"},
	END,
};

/* The same with kernels beside the entries. */
static const struct cut_file swapped_below_loader_files[] = {
	FIXED,
	{"/loader/entries/old.conf", "=linux /loader/k/old\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /loader/k/new\n"},
	{"/loader/entries/rescue.conf", "=linux /loader/a/rescue\n",
		"=linux /loader/a/rescue\n"},
	{"/loader/k/old", "128000@36", NULL},
	{"/loader/k/new", NULL, "130000@37"},
	{"/loader/a/rescue", "10000@38", "10000@38"},
	{"/loader/a/old", "2000@39", NULL},
	{"/loader/entries/older.conf", "=linux /loader/a/old\n", NULL},
	END,
};
/* The same where there is no room even for a note of what goes. */
static const struct cut_file smaller_files[] = {
	FIXED,
	{"/loader/entries/old.conf", "=linux /k/old/linux\n", NULL},
	{"/loader/entries/new.conf", NULL, "=linux /k/new/linux\n"},
	{"/loader/entries/rescue.conf", "=linux /k/rescue\n", "=linux /k/rescue\n"},
	{"/k/old/linux", "128000@36", NULL},
	{"/k/new/linux", NULL, "120000@37"},
	{"/k/rescue", "10000@38", "10000@38"},
	END,
};
/* The same, and what stays has a kernel without a byte until then. */
static const struct cut_file empty_files[] = {
	FIXED,
	{"/loader/entries/old.conf", "=linux /k/old/linux\n", NULL},
	{"/loader/entries/new.conf", "=linux /k/new/linux\n", "=linux /k/new/linux\n"},
	{"/k/old/linux", "128000@36", NULL},
	{"/k/older/linux", "60000@40", NULL},
	{"/loader/entries/older.conf", "=linux /k/older/linux\n", NULL},
	{"/k/new/linux", "=", "70000@37"},
	END,
};
static const struct cut_file filler[] = {{"/FILLER.BIN", FILLER "@39", NULL}, END};

static const struct cut_workload debian = {
	.files = debian_files, .foreign = other_machine, .finds = {"/deb"}, .leaves = {"/deb/NOTE.TXT"},
};
static const struct cut_workload debian_then_next = {
	.files = debian_files, .foreign = other_machine, .other = next_files, .finds = {"/deb"},
	.leaves = {"/deb/NOTE.TXT"},
};
static const struct cut_workload leftover = {
	.files = leftover_files, .finds = {"/deb", "/initrd-26", "/initrd-27"},
	.unnamed = {"/deb/26", "/initrd-26"},
};
static const struct cut_workload waiting = {.files = waiting_files, .finds = {"/k"}};
static const struct cut_workload broken = {
	.files = broken_files, .foreign = entries_in_place, .finds = {"/k"},
};
static const struct cut_workload below_loader = {
	.files = below_loader_files, .foreign = private_folder,
};
static const struct cut_workload arch = {
	.files = arch_files, .foreign = other_machine,
	.finds = {"/vmlinuz-linux", "/initramfs-linux.img", "/initramfs-linux-fallback.img",
		"/vmlinuz-lts"},
	.leaves = {"/intel-ucode.img"},
};
static const struct cut_workload loader = {
	.files = loader_files, .foreign = beside_loader, .finds = {"/EFI/BOOT", "/img"},
	.leaves = {"/EFI/BOOT/GRUB.CFG"},
};
static const struct cut_workload forgotten = {.files = forgotten_files, .finds = {"/img"}};
static const struct cut_workload shim = {
	.files = shim_files, .foreign = beside_loader, .finds = {"/EFI/BOOT", "/EFI/debian"},
	.leaves = {"/EFI/BOOT/GRUB.CFG"}, .together = "/EFI/BOOT/",
};
static const struct cut_workload to_shim = {
	.files = to_shim_files, .foreign = folder_beside_loader, .finds = {"/EFI/BOOT"},
	.leaves = {"/EFI/BOOT/icons"},
};
static const struct cut_workload to_fallback = {
	.files = to_fallback_files, .finds = {"/EFI/BOOT", "/EFI/debian"},
};
static const struct cut_workload to_fallback_in_place = {
	.files = to_fallback_files, .foreign = folder_beside_loader,
	.finds = {"/EFI/BOOT", "/EFI/debian"}, .leaves = {"/EFI/BOOT/icons"},
};
static const struct cut_workload from_shim = {
	.files = from_shim_files, .foreign = folder_beside_loader,
	.manage = {"/EFI/AAA", "/EFI/BOOT"}, .exclude = {"/EFI/BOOT/icons"},
};
static const struct cut_workload counted = {.files = counted_files, .finds = {"/c"}};
static const struct cut_workload counted_in_place = {
	.files = counted_files, .foreign = foreign_folders, .finds = {"/c"},
};
static const struct cut_workload crowded[] = {
	{
		.files = crowded_image, .foreign = image_crowd, .exclude = {"/EFI/Linux/MINE"},
		.side_by_side = true,
	},
	{
		.files = crowded_entry, .foreign = entry_crowd,
		.exclude = {"/loader/entries/MINE"}, .finds = {"/c"}, .side_by_side = true,
	},
	{
		.files = half_crowded, .foreign = half_crowd,
		.exclude = {"/EFI/Linux/MINE", "/loader/entries/MINE"}, .finds = {"/c"},
	},
};
static const struct cut_workload swapped = {.files = swapped_files, .finds = {"/k"}};
static const struct cut_workload swapped_below_loader = {.files = swapped_below_loader_files};
static const struct cut_workload swapped_from_empty = {.files = empty_files, .finds = {"/k"}};

static const struct cut_workload swapped_without_room = {
	.files = smaller_files, .foreign = filler, .finds = {"/k"},
};

/* In the order of struct cut_effort. */
static const struct cut_normal normal = {
	{400, 30, 7, 61, 3, 5, 31, 16, 7},
	{40, 8, 11, 47, 17, 31, 67, 6, 7},
};

static void prove(const struct cut_shape *shape, const struct cut_workload *workload)
{
	struct cut_effort effort = cut_effort_for(shape, &normal);
	struct cut_case *c = cut_case_new(scratch, shape, workload, totals);

	cut_prove(c, &effort);
	cut_case_free(c);
}

START_TEST(test_kernels_in_folders)
{
	prove(shapes[_i], &debian);
}
END_TEST

START_TEST(test_kernels_that_nobody_names_any_more)
{
	prove(shapes[_i], &leftover);
}
END_TEST

START_TEST(test_an_image_goes_after_the_kernel_that_an_entry_waits_for)
{
	prove(shapes[_i], &waiting);
}
END_TEST

START_TEST(test_entries_that_boot_come_before_broken_ones)
{
	prove(shapes[_i], &broken);
}
END_TEST

START_TEST(test_kernels_below_loader)
{
	prove(shapes[_i], &below_loader);
}
END_TEST

START_TEST(test_kernels_in_the_root)
{
	prove(shapes[_i], &arch);
}
END_TEST

START_TEST(test_systemd_boot_is_updated)
{
	prove(shapes[_i], &loader);
}
END_TEST

START_TEST(test_a_forgotten_entry_is_nothing_to_boot)
{
	prove(shapes[_i], &forgotten);
}
END_TEST

START_TEST(test_shim_and_what_it_verifies_change_at_once)
{
	prove(shapes[_i], &shim);
}
END_TEST

START_TEST(test_a_loader_comes_after_what_it_starts)
{
	static const struct cut_workload *const workloads[] = {
		&to_shim, &to_fallback, &to_fallback_in_place, &from_shim};

	prove(&fat16, workloads[_i]);
}
END_TEST

START_TEST(test_counters)
{
	prove(shapes[_i], &counted);
}
END_TEST

START_TEST(test_counters_in_directories_that_are_edited)
{
	prove(shapes[_i], &counted_in_place);
}
END_TEST

START_TEST(test_names_for_which_there_is_no_room)
{
	prove(&fat12, &crowded[_i]);
}
END_TEST

START_TEST(test_primary_changes_after_the_power_cut)
{
	prove(shapes[_i], &debian_then_next);
}
END_TEST

START_TEST(test_old_goes_first_when_room_is_short)
{
	static const struct cut_workload *const workloads[] = {
		&swapped, &swapped_without_room, &swapped_from_empty, &swapped_below_loader};
	struct cut_effort effort = cut_effort_for(&fat12_small, &normal);
	struct cut_case *c = cut_case_new(scratch, &fat12_small, workloads[_i], totals);

	cut_prove(c, &effort);
	ck_assert(cut_case_removed_first(c));
	cut_case_free(c);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("powercut-boot");
	TCase *tc = tcase_create("what booting needs");

	tcase_set_timeout(tc, 600);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, test_kernels_in_folders, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_kernels_that_nobody_names_any_more, 0, N_SHAPES);
	tcase_add_loop_test(
		tc, test_an_image_goes_after_the_kernel_that_an_entry_waits_for, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_entries_that_boot_come_before_broken_ones, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_kernels_below_loader, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_kernels_in_the_root, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_systemd_boot_is_updated, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_a_forgotten_entry_is_nothing_to_boot, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_shim_and_what_it_verifies_change_at_once, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_a_loader_comes_after_what_it_starts, 0, 4);
	tcase_add_loop_test(tc, test_counters, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_counters_in_directories_that_are_edited, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_names_for_which_there_is_no_room, 0, 3);
	tcase_add_loop_test(tc, test_primary_changes_after_the_power_cut, 0, N_SHAPES);
	tcase_add_loop_test(tc, test_old_goes_first_when_room_is_short, 0, 4);
	return suite;
}

int main(void)
{
	static const struct cut_program program = {.make_suite = make_suite};

	return cut_main(&program, &scratch, (void **)&totals);
}
