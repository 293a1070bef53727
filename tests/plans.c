/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/plans.h"
#include "tests/suite.h"

const struct fixture_file plan_common[PLAN_N_COMMON] = {
	{.path = "/EFI/Linux/a.efi", .size = 3000, .seed = 1},
	{.path = "/EFI/Linux/b.efi", .size = 1500, .seed = 2},
	{.path = "/EFI/Linux/sub/deep/c.efi", .size = 600, .seed = 3},
	{.path = "/EFI/Linux/sub/deep/d.efi", .size = 700, .seed = 4},
	{.path = "/EFI/Linux/sub/e.efi", .size = 800, .seed = 5},
	{.path = "/EFI/systemd/systemd-bootx64.efi", .size = 900, .seed = 6},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/loader/entries/a.conf", .text = "title A\nlinux /EFI/Linux/a.efi"},
};

struct planning *plan_new_common(void)
{
	return planning_new(fixture_new(FAT16, plan_common, PLAN_N_COMMON),
		fixture_new(FAT12, plan_common, PLAN_N_COMMON));
}

/* ---- as text ---- */

static void print(char *text, const char *a, const char *b, const char *c, const char *d)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, PLAN_TEXT_LEN - len, "%s%s%s%s\n", a, b, c, d);
}

static void print_site(char *text, const struct fes_site *site)
{
	static const char *const phases[] = {"payload: ", "loader: ", "removal: "};
	static const char *const kinds[] = {
		"rebuild ", "replace ", "touch ", "rename ", "tidy ", "add ", "remove "};
	const struct fes_node *node = site->p ? site->p : site->m;

	print(text, phases[site->phase], kinds[site->kind], node->path,
		site->retains ? ", retaining" : "");
}

static void print_change(char *text, const struct fes_change *change)
{
	static const char *const kinds[] = {
		NULL, "new ", "contents ", "removed ", "renamed ", "touched ", "tidied "};

	print(text, kinds[change->kind], change->path, change->old_path ? " from " : "",
		change->old_path ? change->old_path : "");
}

void plan_print(char text[PLAN_TEXT_LEN], const struct fes_plan *plan)
{
	text[0] = '\0';
	for (size_t i = 0; i < plan->n_sites; i++)
		print_site(text, &plan->sites[i]);
	for (size_t i = 0; i < plan->n_changes; i++)
		print_change(text, &plan->changes[i]);
}

void plan_expect(struct planning *t, const char *text)
{
	int r = planning_make(t);
	char found[PLAN_TEXT_LEN];

	ck_assert_msg(r == 0, "%d: %s", r, t->messages.text);
	plan_print(found, t->plan);
	ck_assert_str_eq(found, text);
}

void plan_settle(struct planning *t)
{
	struct fes_apply apply = {.plan = t->plan, .digester = t->digester};
	struct fes_transaction *transaction;
	int r = fes_transaction_new(&apply, NULL, &transaction);

	ck_assert_msg(r == 0, "%d: %s", r, t->messages.text);
	r = fes_transaction_prepare(transaction);
	if (r == 0)
		r = fes_transaction_finish(transaction);
	fes_transaction_free(transaction);
	ck_assert_msg(r == 0, "%d: %s", r, t->messages.text);
	plan_expect(t, "");
	planning_drop(t);
	fixture_judge(t->mirror.f);
	ck_assert_str_eq(t->messages.text, "");
}

void plan_expect_and_settle(struct planning *t, const char *text)
{
	plan_expect(t, text);
	plan_settle(t);
}

void plan_expect_kept(struct planning *t, const char *path, uint32_t cluster)
{
	ck_assert_uint_eq(fixture_find(t->mirror.f, path).first_cluster, cluster);
}

void plan_manage(struct planning *t, const char *path)
{
	ck_assert_int_eq(fes_managed_add(&t->managed, path), 0);
}

void plan_exclude(struct planning *t, const char *path)
{
	ck_assert_int_eq(fes_managed_exclude(&t->managed, path), 0);
}

/* ---- suites ---- */

static void prepare(void)
{
	fixture_prepare(plan_common, PLAN_N_COMMON);
}

void plan_add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n, int loops)
{
	TCase *tc = suite_add_case(suite, name, tests, n, loops);

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, prepare, fixture_forget);
}
