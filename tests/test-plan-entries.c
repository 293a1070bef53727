/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans: what an entry says beside its contents, how contents are compared, and messages. */

#include <config.h>

#include <check.h>

#include "tests/plans.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- only times or attributes; untidy directories ---- */

START_TEST(test_other_attributes_write_no_data)
{
	struct planning *t = plan_new_common();
	uint32_t a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi").first_cluster;

	fixture_do(t->primary.f, "mattrib +r -i x.img ::/EFI/Linux/a.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "touched /EFI/Linux/a.efi\n");
	plan_expect_kept(t, "/EFI/Linux/a.efi", a);
	ck_assert_uint_ne(fixture_find(t->mirror.f, "/EFI/Linux/a.efi").attributes & 1, 0);
	planning_free(t);
}
END_TEST

START_TEST(test_other_attributes_of_a_directory_are_one_touch)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f,
		"mattrib +h -i x.img ::/EFI/Linux/sub; mattrib +s -i x.img ::/loader");
	plan_expect_and_settle(t, "payload: touch /EFI/Linux/sub\n"
				  "loader: touch /loader\n"
				  "touched /EFI/Linux/sub\n"
				  "touched /loader\n");
	planning_free(t);
}
END_TEST

/* The new version below alone would leave the directory's own entry as it was. */
START_TEST(test_other_attributes_of_a_directory_go_with_what_changed_below)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f, "echo other >x; mcopy -o -i x.img x ::/EFI/Linux/sub/deep/c.efi; "
				 "mattrib +h -i x.img ::/EFI/Linux/sub");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux/sub\n"
				  "touched /EFI/Linux/sub\n"
				  "contents /EFI/Linux/sub/deep/c.efi\n");
	ck_assert_uint_ne(fixture_find(t->mirror.f, "/EFI/Linux/sub").attributes & 2, 0);
	planning_free(t);
}
END_TEST

/* /TOKEN with a kernel, made at . */
static void make_token(struct fixture *f, unsigned epoch)
{
	fixture_do(f,
		"export SOURCE_DATE_EPOCH=%u; mmd -i x.img ::/TOKEN; "
		"echo kernel >linux; touch -d @1700000000 linux; mcopy -m -i x.img linux ::/TOKEN; "
		"printf 'linux /TOKEN/linux\n' >t.conf; touch -d @1700000000 t.conf; "
		"mcopy -m -i x.img t.conf ::/loader/entries",
		epoch);
}

/* kernel-install deletes a kernel's folder when its plugins are through. */
START_TEST(test_the_time_of_a_directory_on_the_way_to_a_kernel_does_not_count)
{
	struct planning *t = plan_new_common();

	make_token(t->primary.f, 1750000000);
	make_token(t->mirror.f, 1740000000);
	plan_expect(t, "");
	planning_drop(t);
	fixture_do(t->primary.f, "mattrib +h -i x.img ::/TOKEN");
	plan_expect_and_settle(t, "payload: touch /TOKEN\n"
				  "touched /TOKEN\n");
	planning_free(t);
}
END_TEST

/* Of /EFI only the way through it matters. */
START_TEST(test_attributes_of_a_parent_are_its_volumes_own)
{
	struct planning *t = plan_new_common();

	fixture_do(t->primary.f, "mattrib +h -i x.img ::/EFI");
	plan_expect(t, "");
	planning_free(t);
}
END_TEST

START_TEST(test_an_access_date_is_no_change)
{
	struct planning *t = plan_new_common();
	struct fat_entry entry = fixture_find(t->primary.f, "/EFI/Linux/a.efi");
	struct fat_entry dir = fixture_find(t->primary.f, "/EFI/Linux");

	fixture_open(t->primary.f);
	t->primary.f->bytes[fat_cluster_offset(t->primary.f->vol, dir.first_cluster) +
			    entry.short_slot * FAT_SLOT_LEN + 18] ^= 1;
	plan_expect(t, "");
	planning_free(t);
}
END_TEST

START_TEST(test_leftovers_of_long_names_are_tidied_up)
{
	struct planning *t = plan_new_common();
	struct fat_entry orphan;
	uint64_t dir;

	fixture_do(t->mirror.f, ": >'a long name.efi'; mcopy -i x.img a* ::/EFI/Linux/sub/");
	orphan = fixture_find(t->mirror.f, "/EFI/Linux/sub/a long name.efi");
	fixture_open(t->mirror.f);
	dir = fat_cluster_offset(
		t->mirror.f->vol, fixture_find(t->mirror.f, "/EFI/Linux/sub").first_cluster);
	fixture_close(t->mirror.f);
	t->mirror.f->bytes[dir + orphan.short_slot * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux/sub\n"
				  "touched /EFI/Linux/sub\n");
	planning_free(t);
}
END_TEST

START_TEST(test_a_chain_too_long_is_replaced)
{
	struct planning *t = plan_new_common();
	struct fat_entry b = fixture_find(t->mirror.f, "/EFI/Linux/b.efi");
	uint32_t tail, end;

	fixture_open(t->mirror.f);
	end = t->mirror.f->vol->geo.n_clusters + 1;
	for (tail = b.first_cluster; fat_next(t->mirror.f->vol, tail) != FAT_EOC;)
		tail = fat_next(t->mirror.f->vol, tail);
	fat_table_set(t->mirror.f->vol, tail, end);
	fat_table_set(t->mirror.f->vol, end, FAT_EOC);
	ck_assert_int_ge(fat_table_write(t->mirror.f->vol, 0), 1);
	ck_assert_int_ge(fat_table_write(t->mirror.f->vol, 1), 1);
	fixture_close(t->mirror.f);
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "contents /EFI/Linux/b.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/b.efi", 1500, 2);
	planning_free(t);
}
END_TEST

/* ---- quick ---- */

/* A bit in the mirror's file that no size and no time tells of. */
static struct planning *new_rotten(void)
{
	struct planning *t = plan_new_common();
	struct fat_entry a = fixture_find(t->mirror.f, "/EFI/Linux/a.efi");

	fixture_open(t->mirror.f);
	t->mirror.f->bytes[fat_cluster_offset(t->mirror.f->vol, a.first_cluster) + 77] ^= 1;
	fixture_close(t->mirror.f);
	return t;
}

START_TEST(test_contents_are_compared)
{
	struct planning *t = new_rotten();

	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "contents /EFI/Linux/a.efi\n");
	fixture_expect_file(t->mirror.f, "/EFI/Linux/a.efi", 3000, 1);
	planning_free(t);
}
END_TEST

START_TEST(test_quick_takes_size_times_and_attributes_for_the_contents)
{
	struct planning *t = new_rotten();

	t->quick = true;
	plan_expect(t, "");
	ck_assert_ptr_null(t->primary.trace.text);
	ck_assert_ptr_null(t->mirror.trace.text);
	fixture_do(t->primary.f, "mattrib +r -i x.img ::/EFI/Linux/a.efi");
	plan_expect(t, "payload: rebuild /EFI/Linux\n"
		       "contents /EFI/Linux/a.efi\n");
	planning_free(t);
}
END_TEST

START_TEST(test_quick_still_finds_renames)
{
	struct planning *t = plan_new_common();

	t->quick = true;
	fixture_do(t->primary.f, "mren -i x.img ::/EFI/Linux/a.efi other.efi");
	plan_expect_and_settle(t, "payload: rebuild /EFI/Linux\n"
				  "renamed /EFI/Linux/other.efi from /EFI/Linux/a.efi\n");
	planning_free(t);
}
END_TEST

/* Only what can decide something: sizes differ, so nothing is read. */
START_TEST(test_files_of_another_size_are_not_read)
{
	static const struct fixture_file primary[] = {
		{.path = "/EFI/Linux/a.efi", .size = 900, .seed = 1},
		{.path = "/EFI/Linux/new.efi", .size = 901, .seed = 2}};
	static const struct fixture_file mirror[] = {
		{.path = "/EFI/Linux/a.efi", .size = 902, .seed = 3},
		{.path = "/EFI/Linux/old.efi", .size = 903, .seed = 4}};
	struct planning *t = PLANNING_OF(primary, mirror);

	plan_expect(t, "payload: rebuild /EFI/Linux\n"
		       "contents /EFI/Linux/a.efi\n"
		       "new /EFI/Linux/new.efi\n"
		       "removed /EFI/Linux/old.efi\n");
	ck_assert_ptr_null(t->primary.trace.text);
	ck_assert_ptr_null(t->mirror.trace.text);
	planning_free(t);
}
END_TEST

/* ---- messages ---- */

START_TEST(test_names_with_newlines_are_logged_in_one_line)
{
	struct messages messages = {0};
	struct fes_context *context = messages_new_context(&messages);

	fes_log(context, FES_LOG_ERROR, "esp.img: %s", "/loader/a\n\rb: not mirrored");
	ck_assert_str_eq(messages.text, "esp.img: /loader/a??b: not mirrored\n");
	fes_free(context);
}
END_TEST

static void add_entries(Suite *suite)
{
	const TTest *const tests[] = {
		test_other_attributes_write_no_data,
		test_other_attributes_of_a_directory_are_one_touch,
		test_the_time_of_a_directory_on_the_way_to_a_kernel_does_not_count,
		test_other_attributes_of_a_directory_go_with_what_changed_below,
		test_attributes_of_a_parent_are_its_volumes_own,
		test_an_access_date_is_no_change,
		test_leftovers_of_long_names_are_tidied_up,
		test_a_chain_too_long_is_replaced,
		test_contents_are_compared,
		test_quick_takes_size_times_and_attributes_for_the_contents,
		test_quick_still_finds_renames,
		test_files_of_another_size_are_not_read,
		test_names_with_newlines_are_logged_in_one_line,
	};

	plan_add_case(suite, "entries", tests, COUNT(tests), 1);
}

int main(void)
{
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("plan-entries");
	add_entries(suite);
	return suite_run(suite);
}
