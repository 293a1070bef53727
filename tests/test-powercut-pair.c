/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * No power cut hurts a mirror's disk with an XBOOTLDR, whichever way kernels and entries move between
 * its two volumes: there is always something to boot on one of them, complete.
 */

#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/powercut-disk.h"

static char *scratch;
static struct cut_totals *totals;

/* ---- trees ---- */

#define END {NULL, NULL, NULL}
#define LOADER {"/EFI/systemd/systemd-bootx64.efi", "3000@10", "3100@11"}
#define NEW_DEFAULT {"/loader/loader.conf", "=default old*\n", "=default the new one*\n"}
#define MARKERS \
	{ \
		"/EFI/systemd/systemd-bootx64.efi", "/loader/loader.conf", "/loader/entries.srel" \
	}
#define SREL {"/loader/entries.srel", "=type1\n", "=type1 \n"}
#define NO_SREL_BEFORE {"/loader/entries.srel", NULL, "=type1 \n"}

/* An upgrade on both: a kernel with an entry, and an image, with a boot loader for them. */
static const struct cut_file upgraded_esp[] = {
	LOADER,
	NEW_DEFAULT,
	{"/EFI/Linux/tool.efi", "900@12", "1000@13"},
	END,
};
static const struct cut_file upgraded_xbootldr[] = {
	SREL,
	{"/loader/entries/old.conf", "=linux /m/old/linux\ninitrd /m/old/initrd\n", NULL},
	{"/loader/entries/new+3.conf", NULL, "=linux /m/new/linux\ninitrd /m/new/initrd\n"},
	{"/m/old/linux", "3000@1", NULL},
	{"/m/old/initrd", "2000@2", NULL},
	{"/m/new/linux", NULL, "3100@3"},
	{"/m/new/initrd", NULL, "2100@4"},
	{"/EFI/Linux/old.efi", "2500@5", NULL},
	{"/EFI/Linux/new+3.efi", NULL, "2600@6"},
	END,
};

/* All kernels move to the XBOOTLDR, which was just made. */
static const struct cut_file leaving_esp[] = {
	LOADER,
	NEW_DEFAULT,
	{"/loader/entries/old.conf", "=linux /m/old/linux\ninitrd /m/old/initrd\n", NULL},
	{"/m/old/linux", "3000@1", NULL},
	{"/m/old/initrd", "2000@2", NULL},
	{"/EFI/Linux/old.efi", "2500@5", NULL},
	{"/EFI/Linux/old.efi.extra.d/net.addon.efi", "600@7", NULL},
	END,
};
static const struct cut_file reached_xbootldr[] = {
	NO_SREL_BEFORE,
	{"/loader/entries/old.conf", NULL, "=linux /m/old/linux\ninitrd /m/old/initrd\n"},
	{"/m/old/linux", NULL, "3000@1"},
	{"/m/old/initrd", NULL, "2000@2"},
	{"/EFI/Linux/old.efi", NULL, "2500@5"},
	{"/EFI/Linux/old.efi.extra.d/net.addon.efi", NULL, "600@7"},
	END,
};

/* The same without an entry that changes on the ESP: nothing but images, and no loader.conf. */
static const struct cut_file images_leaving_esp[] = {
	{"/EFI/Linux/a.efi", "2500@5", NULL},
	{"/EFI/Linux/b+3.efi", "2000@6", NULL},
	{"/EFI/systemd/systemd-bootx64.efi", "3000@10", "3100@11"},
	END,
};
static const struct cut_file images_reaching_xbootldr[] = {
	{"/EFI/Linux/a.efi", NULL, "2500@5"},
	{"/EFI/Linux/b+2-1.efi", NULL, "2000@6"},
	END,
};

/* And back: the XBOOTLDR is emptied. */
static const struct cut_file reached_esp[] = {
	LOADER,
	NEW_DEFAULT,
	{"/loader/entries/old.conf", NULL, "=linux /m/old/linux\ninitrd /m/old/initrd\n"},
	{"/m/old/linux", NULL, "3000@1"},
	{"/m/old/initrd", NULL, "2000@2"},
	{"/EFI/Linux/old.efi", NULL, "2500@5"},
	END,
};
static const struct cut_file leaving_xbootldr[] = {
	SREL,
	{"/loader/entries/old.conf", "=linux /m/old/linux\ninitrd /m/old/initrd\n", NULL},
	{"/m/old/linux", "3000@1", NULL},
	{"/m/old/initrd", "2000@2", NULL},
	{"/EFI/Linux/old.efi", "2500@5", NULL},
	END,
};

/* The same, but an entry was forgotten there: it names a kernel that is long gone. */
static const struct cut_file forgotten_on_xbootldr[] = {
	SREL,
	{"/loader/entries/gone.conf", "=linux /m/gone/linux\n", "=linux /m/gone/linux\n"},
	{"/loader/entries/old.conf", "=linux /m/old/linux\ninitrd /m/old/initrd\n", NULL},
	{"/m/old/linux", "3000@1", NULL},
	{"/m/old/initrd", "2000@2", NULL},
	{"/EFI/Linux/old.efi", "2500@5", NULL},
	END,
};

/* One moves there while another moves back, each as an image and as an entry. */
static const struct cut_file crossing_esp[] = {
	LOADER,
	NEW_DEFAULT,
	{"/loader/entries/a.conf", "=linux /m/a/linux\n", NULL},
	{"/m/a/linux", "3000@1", NULL},
	{"/EFI/Linux/c.efi", "2500@5", NULL},
	{"/loader/entries/b.conf", NULL, "=linux /m/b/linux\n"},
	{"/m/b/linux", NULL, "2900@2"},
	{"/EFI/Linux/d.efi", NULL, "2400@6"},
	END,
};
static const struct cut_file crossing_xbootldr[] = {
	SREL,
	{"/loader/entries/a.conf", NULL, "=linux /m/a/linux\n"},
	{"/m/a/linux", NULL, "3000@1"},
	{"/EFI/Linux/c.efi", NULL, "2500@5"},
	{"/loader/entries/b.conf", "=linux /m/b/linux\n", NULL},
	{"/m/b/linux", "2900@2", NULL},
	{"/EFI/Linux/d.efi", "2400@6", NULL},
	END,
};

/* An image on the one is an entry with a kernel on the other. */
static const struct cut_file image_on_esp[] = {
	{"/EFI/Linux/a.efi", "2500@5", NULL},
	{"/loader/loader.conf", "=timeout 3\n", "=timeout 3\n"},
	END,
};
static const struct cut_file entry_on_xbootldr[] = {
	{"/loader/entries/a.conf", NULL, "=linux /m/a/linux\n"},
	{"/m/a/linux", NULL, "3000@1"},
	END,
};
static const struct cut_file entry_on_esp[] = {
	{"/loader/entries/a.conf", NULL, "=linux /m/a/linux\n"},
	{"/m/a/linux", NULL, "3000@1"},
	{"/loader/loader.conf", "=timeout 3\n", "=timeout 3\n"},
	END,
};
static const struct cut_file image_on_xbootldr[] = {
	{"/EFI/Linux/a.efi", "2500@5", NULL},
	END,
};

static const struct cut_file foreign_files[] = {
	{"/EFI/Microsoft/Boot/bootmgfw.efi", "1538@41", NULL},
	{"/vmlinuz-foreign", "515@47", NULL},
	{"/loader/random-seed", "32@48", NULL},
	END,
};

static const struct cut_disk_workload workloads[] = {
	{
		.files = {upgraded_esp, upgraded_xbootldr},
		.foreign = {foreign_files, foreign_files},
		.markers = MARKERS,
		.manage = {"/m"},
		.leads = true,
	},
	{
		.files = {leaving_esp, reached_xbootldr},
		.foreign = {foreign_files, NULL},
		.markers = MARKERS,
		.manage = {"/m"},
		.leads = true,
	},
	{.files = {images_leaving_esp, images_reaching_xbootldr}, .leads = true},
	{
		.files = {reached_esp, leaving_xbootldr},
		.foreign = {foreign_files, foreign_files},
		.markers = MARKERS,
		.manage = {"/m"},
	},
	{
		.files = {reached_esp, forgotten_on_xbootldr},
		.markers = MARKERS,
		.manage = {"/m"},
	},
	{
		.files = {crossing_esp, crossing_xbootldr},
		.markers = MARKERS,
		.manage = {"/m"},
		.leads = true,
	},
	{
		.files = {image_on_esp, entry_on_xbootldr},
		.manage = {"/m"},
		.leads = true,
	},
	{.files = {entry_on_esp, image_on_xbootldr}, .manage = {"/m"}},
};

/* ---- volumes without room ---- */

/* Old and new do not fit beside each other on the ESP, ... */
static const struct cut_file tight_esp[] = {
	{"/EFI/Linux/small.efi", "1000@1", NULL},
	{"/EFI/Linux/old.efi", "60000@2", NULL},
	{"/EFI/systemd/systemd-bootx64.efi", "3000@10", "50000@11"},
	END,
};
static const struct cut_file roomy_xbootldr[] = {
	{"/loader/entries/new.conf", NULL, "=linux /m/new/linux\n"},
	{"/m/new/linux", NULL, "3000@3"},
	END,
};
/* ... or on the XBOOTLDR, ... */
static const struct cut_file roomy_esp[] = {
	{"/loader/loader.conf", "=timeout 3\n", "=timeout 5\n"},
	{"/EFI/Linux/tool.efi", "1000@1", NULL},
	END,
};
static const struct cut_file tight_xbootldr[] = {
	{"/loader/entries/old.conf", "=linux /m/linux-old\n", NULL},
	{"/loader/entries/rescue.conf", "=linux /m/linux-rescue\n", "=linux /m/linux-rescue\n"},
	{"/loader/entries/new.conf", NULL, "=linux /m/linux-new\n"},
	{"/m/linux-old", "60000@2", NULL},
	{"/m/linux-rescue", "2000@3", "2000@3"},
	{"/m/linux-new", NULL, "61000@4"},
	END,
};
static const struct cut_disk_workload tight[] = {
	{
		.files = {tight_esp, roomy_xbootldr},
		.n_clusters = {170, 0},
		.manage = {"/m"},
		.leads = true,
		.tight = true,
	},
	{
		.files = {roomy_esp, tight_xbootldr},
		.n_clusters = {0, 200},
		.manage = {"/m"},
		.leads = true,
		.tight = true,
	},
	/* ... or on neither. */
	{
		.files = {tight_esp, tight_xbootldr},
		.n_clusters = {170, 200},
		.manage = {"/m"},
		.leads = true,
		.tight = true,
	},
};

/* ---- cases ---- */

static struct cut_effort effort(void)
{
	/* In the order of the struct: states and hidden ones per epoch; every so many of the rest. */
	static const struct cut_effort full = {CUT_EXHAUSTIVE, 40, 1, 0, 0, 31, 1, 256, 3};
	static const struct cut_effort normal = {CUT_EXHAUSTIVE, 40, 1, 0, 0, 61, 3, 64, 5};
	static const struct cut_effort quick = {24, 6, 17, 0, 0, 97, 97, 6, 7};

	if (cut_level() == CUT_FULL)
		return full;
	return cut_level() == CUT_QUICK ? quick : normal;
}

static void prove(const struct cut_disk_workload *workload, bool removes_first)
{
	struct cut_disk *disk = cut_disk_new(scratch, workload, totals);
	struct cut_effort how = effort();

	ck_assert_msg(cut_disk_prove(disk, &how), "%s", cut_disk_fault(disk));
	ck_assert(cut_disk_removed_first(disk) == removes_first);
	cut_disk_free(disk);
}

START_TEST(test_there_is_always_something_to_boot)
{
	prove(&workloads[_i], false);
}
END_TEST

START_TEST(test_there_is_always_something_to_boot_where_room_is_short)
{
	prove(&tight[_i], true);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("powercut-pair");
	TCase *tc = tcase_create("pair");

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, test_there_is_always_something_to_boot, 0,
		sizeof workloads / sizeof *workloads);
	tcase_add_loop_test(tc, test_there_is_always_something_to_boot_where_room_is_short, 0,
		sizeof tight / sizeof *tight);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	static const struct cut_program program = {.make_suite = make_suite};

	return cut_main(&program, &scratch, (void **)&totals);
}
