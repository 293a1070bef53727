/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All ESPs and XBOOTLDRs that can be seen, and what they are to each other. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults-wrap.h"
#include "tests/machine.h"
#include "tests/suite.h"

enum { A, B, C };

#define UUID_A "aaaaaaaa-1111-4222-8333-000000000001"
#define UUID_B "bbbbbbbb-1111-4222-8333-000000000002"
#define UUID_C "cccccccc-1111-4222-8333-000000000003"
#define UUID_D "dddddddd-1111-4222-8333-000000000004"

static struct machine m;

static void setup(void)
{
	wrap_fault = (struct wrap_fault){0};
	machine_start(&m);
}

static void teardown(void)
{
	machine_stop(&m);
}

static void put_list(const char *text)
{
	machine_do(&m, "printf '%s' | mcopy -o -i a.img$esp - ::" MACHINE_LIST, text);
}

/* ---- a picture: a line for each ESP ---- */

static char reason[1024]; /* the last one why one cannot be used */

struct picture {
	char text[4096];
};

static const char *last_part(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : "-";
}

static void draw(const struct fes_esp *esp, char *ret, size_t len)
{
	static const char *const kinds[] = {"none", "other", "ESP", "XBOOTLDR"};
	static const char *const roles[] = {"other", "primary", "mirror"};
	const char *mount = fes_esp_get_mount(esp), *message = fes_esp_get_message(esp);

	(void)snprintf(ret, len, "%s %s %s %.4s %s %s %s\n", last_part(fes_esp_get_name(esp)),
		kinds[fes_esp_get_kind(esp)], roles[fes_esp_get_role(esp)],
		fes_esp_get_partuuid(esp) ? fes_esp_get_partuuid(esp) : "-",
		fes_esp_get_volume(esp) ? "volume" : "-", mount ? mount : "-",
		!message ? "fine" : strcmp(message, "missing") == 0 ? message : "unusable");
	if (message)
		(void)snprintf(reason, sizeof reason, "%s", message);
}

/* @primary as of fes_esps_new(), which has to return what this does. */
static int look(const char *primary, struct picture *ret)
{
	const struct fes_esp *esp;
	struct fes_esps *esps;
	int r = fes_esps_new(m.context, primary, &esps);

	*ret = (struct picture){""};
	if (r < 0)
		return r;
	for (size_t i = 0; (esp = fes_esps_get(esps, i)); i++) {
		size_t len = strlen(ret->text);

		draw(esp, ret->text + len, sizeof ret->text - len);
	}
	fes_esps_free(esps);
	return 0;
}

static void expect(const char *primary, const char *want)
{
	struct picture picture;

	ck_assert_int_eq(look(primary, &picture), 0);
	ck_assert_str_eq(picture.text, want);
}

START_TEST(test_the_list_gives_roles)
{
	put_list(UUID_A "\n" UUID_B "\n");
	expect(m.tags[A],
		"a.img:1 ESP primary aaaa volume - fine\n"
		"b.img:1 ESP mirror bbbb volume - fine\n"
		"c.img:1 ESP other cccc volume - fine\n");
}
END_TEST

START_TEST(test_without_a_primary_nobody_has_a_role)
{
	put_list(UUID_A "\n" UUID_B "\n");
	expect(NULL,
		"a.img:1 ESP other aaaa volume - fine\n"
		"b.img:1 ESP other bbbb volume - fine\n"
		"c.img:1 ESP other cccc volume - fine\n");
	ck_assert_str_eq(m.log, "");
}
END_TEST

START_TEST(test_who_is_on_the_list_only_is_missing)
{
	put_list(UUID_A "\n" UUID_D "\n");
	expect(m.paths[A],
		"a.img:1 ESP primary aaaa volume - fine\n"
		"b.img:1 ESP other bbbb volume - fine\n"
		"c.img:1 ESP other cccc volume - fine\n"
		"- ESP mirror dddd - - missing\n");
}
END_TEST

START_TEST(test_where_one_is_mounted_is_shown)
{
	machine_mount(&m, A, "/efi");
	machine_mount(&m, C, "/mnt");
	expect(NULL,
		"a.img:1 ESP primary aaaa volume /efi fine\n"
		"b.img:1 ESP other bbbb volume - fine\n"
		"c.img:1 ESP other cccc volume /mnt fine\n");
}
END_TEST

START_TEST(test_what_cannot_be_used_is_shown_with_the_reason)
{
	machine_do(&m, "dd if=/dev/zero of=b.img bs=1M seek=1 count=1 conv=notrunc status=none");
	expect(m.tags[A],
		"a.img:1 ESP primary aaaa volume - fine\n"
		"b.img:1 ESP other bbbb - - unusable\n"
		"c.img:1 ESP other cccc volume - fine\n");
	ck_assert_msg(strstr(reason, "b.img:1: not usable: no FAT boot sector") != NULL, "%s",
		reason);
}
END_TEST

/* That is no reason not to show the rest. */
START_TEST(test_a_list_that_makes_no_sense_is_told)
{
	put_list("yes\n");
	expect(m.paths[A],
		"a.img:1 ESP primary aaaa volume - fine\n"
		"b.img:1 ESP other bbbb volume - fine\n"
		"c.img:1 ESP other cccc volume - fine\n");
	ck_assert(machine_said(&m, "error: ", "line 1: 'yes'"));
}
END_TEST

/* With --force partitions of any type are put on it. */
START_TEST(test_what_is_on_the_list_is_shown_whatever_its_type)
{
	machine_do(&m, "sfdisk -q --no-tell-kernel --part-type b.img 1 L;"
		       " sfdisk -q --no-tell-kernel --part-type c.img 1 L");
	put_list(UUID_A "\n" UUID_B "\n");
	expect(m.paths[A],
		"a.img:1 ESP primary aaaa volume - fine\n"
		"b.img:1 other mirror bbbb volume - fine\n");
}
END_TEST

/* ---- XBOOTLDR ---- */

/* The first 512 KiB of disk @i stay its ESP, the rest becomes what sfdisk(8) reads in @more. */
static void partition(int i, const char *uuid, const char *more)
{
	machine_do(&m, "printf '%s\\n' 'label: gpt' 'start=2048, size=1024, type=U, uuid=%s' %s |"
		       " sfdisk -q --no-tell-kernel %c.img;"
		       " mkfs.fat --offset 2048 %c.img 512 >/dev/null;"
		       " mkfs.fat --offset 3072 %c.img 512 >/dev/null",
		"%s", uuid, more, 'a' + i, 'a' + i, 'a' + i);
}

#define XBOOTLDR "start=3072, size=1024, type=bc13c2ff-59e6-4262-a352-b275fd6f7172, "

START_TEST(test_an_xbootldr_is_what_the_esp_of_its_disk_is)
{
	partition(A, UUID_A, "'" XBOOTLDR "uuid=" UUID_D "'");
	partition(B, UUID_B, "'" XBOOTLDR "uuid=eeeeeeee-1111-4222-8333-000000000005'");
	machine_do(&m, "mmd -i a.img$esp ::/loader");
	put_list(UUID_A "\n" UUID_B "\n");
	expect(m.tags[A],
		"a.img:1 ESP primary aaaa volume - fine\n"
		"a.img:2 XBOOTLDR primary dddd volume - fine\n"
		"b.img:1 ESP mirror bbbb volume - fine\n"
		"b.img:2 XBOOTLDR mirror eeee volume - fine\n"
		"c.img:1 ESP other cccc volume - fine\n");
}
END_TEST

/* A second ESP beside the primary does not make a mirror of what is copied from. */
START_TEST(test_the_xbootldr_beside_the_primary_belongs_to_it)
{
	partition(A, UUID_A, "'start=3072, size=512, type=U, uuid=" UUID_D "'"
			     " 'start=3584, size=512, type=bc13c2ff-59e6-4262-a352-b275fd6f7172,"
			     " uuid=eeeeeeee-1111-4222-8333-000000000005'");
	machine_do(&m, "mkfs.fat --offset 3072 a.img 256 >/dev/null;"
		       " mkfs.fat --offset 3584 a.img 256 >/dev/null;"
		       " mmd -i a.img$esp ::/loader; rm b.img c.img");
	put_list(UUID_A "\n" UUID_D "\n");
	expect(m.tags[A],
		"a.img:1 ESP primary aaaa volume - fine\n"
		"a.img:2 ESP mirror dddd volume - fine\n"
		"a.img:3 XBOOTLDR primary eeee volume - fine\n");
}
END_TEST

/* ---- without memory ---- */

/* Returns whether there was such an allocation. */
static bool look_without_memory(uint64_t nth, bool sticky, const struct picture *want)
{
	struct picture picture;
	int r;

	wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth, .sticky = sticky};
	r = look(m.tags[A], &picture);
	wrap_fault.calls = 0;
	ck_assert(r == 0 || (wrap_fault.n_fired > 0 && r == -ENOMEM));
	if (r == 0)
		ck_assert_str_eq(picture.text, want->text);
	return wrap_fault.n_fired > 0;
}

START_TEST(test_without_memory_nothing_is_shown_that_is_not_so)
{
	struct picture want;
	uint64_t nth;

	put_list(UUID_A "\n" UUID_B "\n" UUID_D "\n");
	machine_mount(&m, A, "/efi");
	machine_do(&m, "dd if=/dev/zero of=c.img bs=1M seek=1 count=1 conv=notrunc status=none");
	ck_assert_int_eq(look(m.tags[A], &want), 0);
	for (nth = 1; look_without_memory(nth, false, &want); nth++)
		;
	ck_assert_uint_gt(nth, 100);
	for (nth = 1; look_without_memory(nth, true, &want); nth++)
		;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_the_list_gives_roles,
		test_without_a_primary_nobody_has_a_role,
		test_who_is_on_the_list_only_is_missing,
		test_where_one_is_mounted_is_shown,
		test_what_cannot_be_used_is_shown_with_the_reason,
		test_a_list_that_makes_no_sense_is_told,
		test_what_is_on_the_list_is_shown_whatever_its_type,
		test_an_xbootldr_is_what_the_esp_of_its_disk_is,
		test_the_xbootldr_beside_the_primary_belongs_to_it,
		test_without_memory_nothing_is_shown_that_is_not_so,
	};
	TCase *tc = tcase_create("esps");
	Suite *suite = suite_create("esps");

	if (!machine_tools())
		return 77;
	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, machine_prepare, machine_forget);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
