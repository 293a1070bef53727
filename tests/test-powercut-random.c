/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/powercut.h"

/*
 * Power cuts in syncs that nobody thought of: kernels in folders of all kinds, entries that name some
 * of them, images and counters, drawn at random for the mirror before and the primary after. Each number
 * draws the same each time. CUT_RANDOM=NUMBER in the environment tries one, and prints it.
 */

static char *scratch;
static struct cut_totals *totals;

enum {
	N_PAYLOAD = 9,
	N_ENTRIES = 5,
	N_IMAGES = 4,
	FILES_MAX = 40,
	TEXT_LEN = 120,
	FILLER_MAX = 16000, /* bytes; with most of it there is too little room for old and new */
	PER_CASE = 25, /* syncs in one process */
};

static const char *const payload[N_PAYLOAD] = {"/k/1/linux", "/k/1/initrd", "/k/2/linux",
	"/k/2/initrd", "/k/linux-3", "/k/a/b/linux-4", "/t/linux-5", "/t/initrd-5",
	"/loader/x/linux-6"};
static const char *const counters[] = {"", "+3", "+2-1", "+0-3"};

/* What is in place makes a directory one that is edited entry by entry. */
static const struct cut_file in_place[] = {
	{"/k/mine/NOTE.TXT", "300@90", NULL},
	{"/EFI/Linux/.#mine/keep.bin", "300@91", NULL},
	{"/loader/entries/.#mine/keep.bin", "300@92", NULL},
	{"/loader/swtpm/state", "300@93", NULL},
};
enum { N_IN_PLACE = sizeof in_place / sizeof *in_place };

struct draw {
	uint64_t random;
	struct cut_file files[FILES_MAX], foreign[N_IN_PLACE + 2];
	char paths[FILES_MAX][64], texts[2 * FILES_MAX][TEXT_LEN];
	size_t n_files, n_foreign, n_texts;
	bool there[N_PAYLOAD], named[N_PAYLOAD]; /* on the primary after */
	bool boots; /* ... */
	struct cut_workload workload;
};

static unsigned below(struct draw *d, unsigned n)
{
	return (unsigned)(cut_random(&d->random) >> 20) % n;
}

static char *new_text(struct draw *d)
{
	ck_assert_uint_lt(d->n_texts, 2 * FILES_MAX);
	return d->texts[d->n_texts++];
}

static void put(struct draw *d, const char *path, const char *before, const char *after)
{
	ck_assert_uint_lt(d->n_files, FILES_MAX - 1);
	if (!before && !after)
		return;
	(void)snprintf(d->paths[d->n_files], sizeof d->paths[0], "%s", path);
	d->files[d->n_files] = (struct cut_file){d->paths[d->n_files], before, after};
	d->n_files++;
}

/* A size and a seed; some change from before to after. */
static const char *draw_bytes(struct draw *d, unsigned seed)
{
	char *text = new_text(d);

	(void)snprintf(text, TEXT_LEN, "%u@%u", 400 + seed % 7 * 900, seed + below(d, 4) / 3 * 40);
	return text;
}

static void draw_payload(struct draw *d)
{
	for (unsigned i = 0; i < N_PAYLOAD; i++) {
		const char *before = below(d, 3) ? draw_bytes(d, i + 1) : NULL;
		const char *after = below(d, 3) ? draw_bytes(d, i + 1) : NULL;

		d->there[i] = after;
		put(d, payload[i], before, after);
	}
}

/* An entry's text; it names one file or two. */
static const char *draw_entry(struct draw *d, bool after)
{
	unsigned linux_file = below(d, N_PAYLOAD), initrd = below(d, 2 * N_PAYLOAD);
	char *text = new_text(d);
	int n = snprintf(text, TEXT_LEN, "=linux %s\n", payload[linux_file]);

	if (initrd < N_PAYLOAD)
		(void)snprintf(text + n, TEXT_LEN - (size_t)n, "initrd %s\n", payload[initrd]);
	if (!after)
		return text;
	d->named[linux_file] = true;
	if (initrd < N_PAYLOAD)
		d->named[initrd] = true;
	d->boots |= d->there[linux_file] && (initrd >= N_PAYLOAD || d->there[initrd]);
	return text;
}

/* The same text for both half of the time, and a name with another counter then and now. */
static void draw_choice(struct draw *d, const char *format, unsigned i,
	const char *(*draw)(struct draw *d, unsigned i, bool after))
{
	const char *before = below(d, 3) ? draw(d, i, false) : NULL;
	const char *after = below(d, 3) ? draw(d, i, true) : NULL;
	const char *old_counter = counters[below(d, 4)], *new_counter = counters[below(d, 4)];
	char old_path[64], new_path[64];

	(void)snprintf(old_path, sizeof old_path, format, i, below(d, 2) ? old_counter : "");
	(void)snprintf(new_path, sizeof new_path, format, i, below(d, 2) ? new_counter : "");
	if (strcmp(old_path, new_path) == 0) {
		put(d, old_path, before, after);
		return;
	}
	put(d, old_path, before, NULL);
	put(d, new_path, NULL, after);
}

static const char *entry_text(struct draw *d, unsigned i, bool after)
{
	(void)i;
	return draw_entry(d, after);
}

static const char *image_text(struct draw *d, unsigned i, bool after)
{
	d->boots |= after;
	return draw_bytes(d, 20 + i);
}

static void draw_choices(struct draw *d)
{
	for (unsigned i = 0; i < N_ENTRIES; i++)
		draw_choice(d, "/loader/entries/e%u%s.conf", i, entry_text);
	for (unsigned i = 0; below(d, 2) && i < N_IMAGES; i++)
		draw_choice(d, "/EFI/Linux/i%u%s.efi", i, image_text);
}

static bool any_named_below(const struct draw *d, const char *dir)
{
	for (unsigned i = 0; i < N_PAYLOAD; i++)
		if (d->there[i] && d->named[i] && strncmp(payload[i], dir, strlen(dir)) == 0)
			return true;
	return false;
}

/* What the primary has, and none of its entries names, is not mirrored, nor are its folders then. */
static void find_unnamed(struct draw *d)
{
	static const char *const dirs[] = {"/k/", "/k/1/", "/k/2/", "/k/a/", "/k/a/b/", "/t/"};
	const char **unnamed = d->workload.unnamed;

	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		if (!any_named_below(d, dirs[i]))
			*unnamed++ = dirs[i];
	for (unsigned i = 0; i < N_PAYLOAD; i++)
		if (d->there[i] && !d->named[i] && strncmp(payload[i], "/loader/", 8) != 0)
			*unnamed++ = payload[i];
}

static const char *draw_filler(struct draw *d)
{
	char *text = new_text(d);

	(void)snprintf(text, TEXT_LEN, "%u@94", below(d, FILLER_MAX));
	return text;
}

static void draw_workload(struct draw *d, unsigned number)
{
	static const char conf[] = "/loader/loader.conf";

	*d = (struct draw){.random = number * UINT64_C(0x9e3779b97f4a7c15) + 1};
	put(d, conf, "=timeout 3\n", below(d, 2) ? "=timeout 5\n" : "=timeout 3\n");
	draw_payload(d);
	draw_choices(d);
	find_unnamed(d);
	for (unsigned i = 0; i < N_IN_PLACE; i++)
		if (below(d, 3) == 0)
			d->foreign[d->n_foreign++] = in_place[i];
	d->foreign[d->n_foreign++] = (struct cut_file){"/FILLER.BIN", draw_filler(d), NULL};
	d->workload.files = d->files;
	d->workload.untold_stay = true;
	d->workload.foreign = d->foreign;
	d->workload.finds[0] = "/k";
	d->workload.finds[1] = "/t";
	d->workload.leaves[0] = "/k/mine";
}

static void print_workload(const struct draw *d)
{
	for (size_t i = 0; i < d->n_files; i++)
		printf("%s\n    before %s\n    after  %s\n", d->files[i].path,
			d->files[i].before ? d->files[i].before : "-",
			d->files[i].after ? d->files[i].after : "-");
	for (size_t i = 0; i < d->n_foreign; i++)
		printf("foreign %s\n", d->foreign[i].path);
	(void)fflush(stdout);
}

static void prove(unsigned number, bool print)
{
	static const struct cut_shape shape = {
		.fat_bits = 12, .sector_size = 512, .cluster_sectors = 1, .n_clusters = 130};
	static const struct cut_effort effort = {.states_per_epoch = 3, .hidden_per_epoch = 1,
		.recover_every = 13, .final_every = 97};
	struct draw *d = malloc(sizeof *d);
	struct cut_case *c;
	struct write_log *log;
	enum fes_mirror_state state;

	draw_workload(d, number);
	if (print)
		print_workload(d);
	if (!d->boots) { /* it is refused unless the mirror does not boot either */
		free(d);
		return;
	}
	c = cut_case_new(scratch, &shape, &d->workload, totals);
	state = cut_record(c, NULL, &log);
	ck_assert_msg(state == FES_MIRROR_SYNCED || state == FES_MIRROR_IN_SYNC ||
			(state == FES_MIRROR_REFUSED && cut_case_lacked_room(c)), "number %u: %s", number,
		cut_case_fault(c));
	if (state != FES_MIRROR_REFUSED)
		ck_assert_msg(cut_enumerate(c, log, &effort), "number %u: %s", number, cut_case_fault(c));
	write_log_free(log);
	cut_case_free(c);
	free(d);
}

START_TEST(test_syncs_drawn_at_random)
{
	const char *number = getenv("CUT_RANDOM");

	if (number) {
		if (_i == 0)
			prove((unsigned)atoi(number), true);
		return;
	}
	for (unsigned i = 0; i < PER_CASE; i++)
		prove((unsigned)_i * PER_CASE + i, false);
}
END_TEST

static Suite *make_suite(void)
{
	static const int n_cases[] = {[CUT_QUICK] = 1, [CUT_NORMAL] = 4, [CUT_FULL] = 80};
	Suite *suite = suite_create("powercut-random");
	TCase *tc = tcase_create("drawn");

	tcase_set_timeout(tc, 600);
	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, test_syncs_drawn_at_random, 0, n_cases[cut_level()]);
	return suite;
}

int main(void)
{
	static const struct cut_program program = {.make_suite = make_suite};

	return cut_main(&program, &scratch, (void **)&totals);
}
