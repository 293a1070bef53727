/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Random seeds: how they are made, and renewed where they stand. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/seed.h"
#include "tests/suite.h"
#include "tests/syncing.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- entropy that is known ---- */

static ssize_t count_up(void *buf, size_t len, unsigned flags)
{
	uint8_t *bytes = buf;

	ck_assert_uint_eq(flags, GRND_NONBLOCK);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)i;
	return (ssize_t)len;
}

static ssize_t give_nothing(void *buf, size_t len, unsigned flags)
{
	(void)buf;
	(void)len;
	(void)flags;
	errno = EAGAIN;
	return -1;
}

static ssize_t be_unknown(void *buf, size_t len, unsigned flags)
{
	(void)buf;
	(void)len;
	(void)flags;
	errno = ENOSYS;
	return -1;
}

static ssize_t refuse(void *buf, size_t len, unsigned flags)
{
	(void)buf;
	(void)len;
	(void)flags;
	errno = EIO;
	return -1;
}

/* Interrupted each other time, and then there is one byte. Each case has a process of its own. */
static ssize_t count_up_with_pauses(void *buf, size_t len, unsigned flags)
{
	static unsigned n_calls;

	(void)len;
	(void)flags;
	if (n_calls++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	*(uint8_t *)buf = (uint8_t)(n_calls / 2 - 1);
	return 1;
}

static struct fes_context *new_context(fes_entropy_fn entropy)
{
	struct fes_context *context;

	ck_assert_int_eq(fes_new(&context), 0);
	fes_set_entropy(context, entropy);
	return context;
}

/* ---- making one ---- */

static void expect_seed(fes_entropy_fn entropy, const void *old, size_t old_len, const char *want)
{
	struct fes_context *context = new_context(entropy);
	uint8_t seed[FES_SEED_LEN];
	char hex[2 * FES_SEED_LEN + 1];

	ck_assert_int_eq(fes_seed_mint(context, old, old_len, seed), 0);
	for (size_t i = 0; i < sizeof seed; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", seed[i]);
	ck_assert_str_eq(hex, want);
	fes_free(context);
}

/*
 * What another SHA-256 makes of it: length and bytes of 0 to 31, then length and bytes of the old
 * seed; lengths are 8 bytes, the lowest first.
 */
START_TEST(test_a_seed_is_the_digest_of_fresh_bytes_and_the_old_seed)
{
	uint8_t old[512];

	memset(old, 7, sizeof old);
	expect_seed(count_up, NULL, 0,
		"0fdb0cb65e42dd78707d8ef5f619dc7b62eb09a0c0fd4610bb8f024f96a0d71f");
	expect_seed(count_up, "old", 3,
		"4058260a7c0fcd3e94b312aa80cedae33188b1671ff37d0b062d71cfe7d48add");
	expect_seed(count_up, old, sizeof old,
		"13892d455496e78f6805a7aa6f9f2e9e4707fe5f8456c7d35052a955e94f59d7");
}
END_TEST

START_TEST(test_interruptions_and_short_answers_do_not_matter)
{
	expect_seed(count_up_with_pauses, NULL, 0,
		"0fdb0cb65e42dd78707d8ef5f619dc7b62eb09a0c0fd4610bb8f024f96a0d71f");
}
END_TEST

START_TEST(test_the_kernel_makes_each_seed_another)
{
	struct fes_context *context = new_context(NULL);
	uint8_t a[FES_SEED_LEN], b[FES_SEED_LEN];

	ck_assert_int_eq(fes_seed_mint(context, NULL, 0, a), 0);
	ck_assert_int_eq(fes_seed_mint(context, NULL, 0, b), 0);
	ck_assert_mem_ne(a, b, sizeof a);
	fes_free(context);
}
END_TEST

START_TEST(test_without_entropy_there_is_no_seed)
{
	struct fes_context *context = new_context(give_nothing);
	uint8_t seed[FES_SEED_LEN] = {0}, zeros[FES_SEED_LEN] = {0};

	ck_assert_int_eq(fes_seed_mint(context, "old", 3, seed), -EAGAIN);
	fes_set_entropy(context, be_unknown);
	ck_assert_int_eq(fes_seed_mint(context, "old", 3, seed), -EAGAIN);
	fes_set_entropy(context, refuse);
	ck_assert_int_eq(fes_seed_mint(context, "old", 3, seed), -EIO);
	ck_assert_mem_eq(seed, zeros, sizeof seed);
	fes_free(context);
}
END_TEST

/* ---- renewing one ---- */

struct test {
	struct esp *esp;
	struct fixture *f; /* of it */
	uint8_t *before;   /* its image as it was */
	const char *note;
};

static struct test *new_test(int type, uint32_t size, const char *command)
{
	const struct fixture_file files[] = {
		{.path = "/loader/random-seed", .size = size, .seed = 1},
		{.path = "/loader/loader.conf", .text = "timeout 3"},
	};
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->f = fixture_new(type, files, COUNT(files));
	if (command)
		fixture_do(t->f, "%s", command);
	t->esp = esp_new(t->f);
	fes_set_entropy(t->esp->context, count_up);
	side_check(&t->esp->side);
	t->before = malloc(t->f->size);
	ck_assert_ptr_nonnull(t->before);
	memcpy(t->before, t->f->bytes, t->f->size);
	return t;
}

static void free_test(struct test *t)
{
	esp_free(t->esp);
	free(t->before);
	free(t);
}

static void expect_renewed(struct test *t, uint32_t size)
{
	struct fat_entry entry = fixture_find(t->f, FES_SEED_PATH);
	uint64_t at = fat_cluster_offset(t->esp->side.volume->fat, entry.first_cluster);
	uint8_t want[FES_SEED_LEN];

	ck_assert_uint_eq(entry.size, size);
	ck_assert_int_eq(fes_seed_mint(t->esp->context, t->before + at, size, want), 0);
	ck_assert_mem_eq(t->f->bytes + at, want, sizeof want);
	for (uint32_t i = FES_SEED_LEN; i < size; i++)
		ck_assert_uint_eq(t->f->bytes[at + i], 0);
}

START_TEST(test_the_new_seed_is_made_of_the_old_one_and_takes_its_place)
{
	static const uint32_t sizes[] = {FES_SEED_LEN, 33, 512, 700, FES_SEED_LEN_MAX};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct test *t = new_test(_i, sizes[i], NULL);

		ck_assert_int_eq(fes_seed_renew(t->esp->side.volume, &t->note), 0);
		ck_assert_ptr_null(t->note);
		expect_renewed(t, sizes[i]);
		fixture_judge(t->f);
		free_test(t);
	}
}
END_TEST

static void expect_left_alone(struct test *t, const char *note)
{
	ck_assert_int_eq(fes_seed_renew(t->esp->side.volume, &t->note), 0);
	ck_assert_ptr_nonnull(t->note);
	ck_assert_ptr_nonnull(strstr(t->note, note));
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	ck_assert_str_eq(t->esp->messages.text, "");
	free_test(t);
}

START_TEST(test_the_read_only_attribute_is_honoured)
{
	const char *command = "mattrib +r -i x.img ::/loader/random-seed";

	expect_left_alone(new_test(_i, 32, command), "read-only");
}
END_TEST

START_TEST(test_what_no_boot_loader_takes_is_left_alone)
{
	const char *dir = "mdel -i x.img ::/loader/random-seed && "
			  "mmd -i x.img ::/loader/random-seed";

	expect_left_alone(new_test(_i, 31, NULL), "shorter");
	expect_left_alone(new_test(_i, 0, NULL), "shorter");
	expect_left_alone(new_test(_i, FES_SEED_LEN_MAX + 1, NULL), "longer");
	expect_left_alone(new_test(_i, 32, dir), "directory");
}
END_TEST

START_TEST(test_without_entropy_the_old_seed_stays)
{
	struct test *t = new_test(_i, 32, NULL);

	fes_set_entropy(t->esp->context, give_nothing);
	expect_left_alone(t, "gives no entropy");
	t = new_test(_i, 32, NULL);
	fes_set_entropy(t->esp->context, be_unknown);
	expect_left_alone(t, "gives no entropy");
}
END_TEST

START_TEST(test_a_kernel_that_refuses_is_told)
{
	struct test *t = new_test(_i, 32, NULL);

	fes_set_entropy(t->esp->context, refuse);
	ck_assert_int_eq(fes_seed_renew(t->esp->side.volume, &t->note), -EIO);
	ck_assert_ptr_nonnull(strstr(t->esp->messages.last, "esp: random seed"));
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	free_test(t);
}
END_TEST

START_TEST(test_a_device_that_fails_is_told)
{
	struct test *t = new_test(_i, 32, NULL);

	t->esp->side.fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	ck_assert_int_eq(fes_seed_renew(t->esp->side.volume, &t->note), -EIO);
	ck_assert_ptr_nonnull(strstr(t->esp->messages.last, FES_SEED_PATH));
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	free_test(t);
}
END_TEST

START_TEST(test_it_is_told_that_there_is_none)
{
	static const char *const commands[] = {
		"mdel -i x.img ::/loader/random-seed",
		"mdeltree -i x.img ::/loader",
		"mdeltree -i x.img ::/loader && echo x | mcopy -i x.img - ::/loader",
	};

	for (size_t i = 0; i < COUNT(commands); i++) {
		struct test *t = new_test(_i, 32, commands[i]);

		ck_assert_int_eq(fes_seed_renew(t->esp->side.volume, &t->note), -ENOENT);
		ck_assert_str_eq(t->esp->messages.text, "");
		free_test(t);
	}
}
END_TEST

/* ---- of a mirror that is synced ---- */

static const char loader_conf[] = "/loader/loader.conf";

/*
 * The seeds of primary and mirror have so many bytes, -1: there is none. The mirror is @old or in
 * sync but for that.
 */
static struct syncing *new_pair_of(int primary_size, int size, bool old)
{
	const struct fixture_file primary[] = {
		{.path = loader_conf, .text = "timeout 3"},
		{.path = FES_SEED_PATH, .size = (uint32_t)primary_size, .seed = 1},
	};
	const struct fixture_file mirror[] = {
		{.path = loader_conf, .text = "timeout 3"},
		{.path = FES_SEED_PATH, .size = (uint32_t)size, .seed = 2},
	};
	struct syncing *pair = syncing_new(fixture_new(1, primary, primary_size < 0 ? 1 : 2),
		fixture_new(0, mirror, size < 0 ? 1 : 2));

	fes_set_entropy(pair->context, count_up);
	if (old)
		fixture_do(pair->mirror.f,
			"printf old | mcopy -o -i x.img - ::/loader/loader.conf");
	return pair;
}

static struct syncing *new_pair(int size, bool old)
{
	return new_pair_of(FES_SEED_LEN, size, old);
}

static const uint8_t *seed_bytes(struct syncing *pair)
{
	uint32_t cluster = fixture_find(pair->mirror.f, FES_SEED_PATH).first_cluster;
	struct fat_volume *vol;
	uint64_t offset;

	ck_assert_int_eq(fat_open(pair->mirror.f->dev, "mirror", NULL, &vol), 0);
	offset = fat_cluster_offset(vol, cluster);
	fat_close(vol);
	return pair->mirror.f->bytes + offset;
}

static void expect_minted(struct syncing *pair, const uint8_t *old, size_t old_len)
{
	uint8_t want[FES_SEED_LEN];

	ck_assert_int_eq(fes_seed_mint(pair->context, old, old_len, want), 0);
	ck_assert_mem_eq(seed_bytes(pair), want, sizeof want);
	fixture_judge(pair->mirror.f);
}

static void expect_kept(struct syncing *pair, uint32_t size)
{
	fixture_expect_file(pair->mirror.f, FES_SEED_PATH, size, 2);
	fixture_judge(pair->mirror.f);
}

static void fill_seed(uint8_t *bytes, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = fixture_byte(2, i);
}

START_TEST(test_a_mirror_that_changes_gets_a_new_seed_in_its_place)
{
	struct syncing *pair = new_pair(512, true);
	uint32_t cluster = fixture_find(pair->mirror.f, FES_SEED_PATH).first_cluster;
	uint8_t old[512];

	fill_seed(old, sizeof old);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_SYNCED);
	ck_assert_uint_eq(fixture_find(pair->mirror.f, FES_SEED_PATH).first_cluster, cluster);
	expect_minted(pair, old, sizeof old);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	ck_assert_uint_eq(pair->stats.writes, 0);
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_mirror_that_changes_keeps_its_seed_when_that_is_wanted)
{
	struct syncing *pair = new_pair(512, true);

	pair->random_seed = FES_RANDOM_SEED_NEVER;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_SYNCED);
	expect_kept(pair, 512);
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_mirror_that_is_in_sync_gets_a_new_seed_only_when_that_is_wanted)
{
	struct syncing *pair = new_pair(512, false);
	uint8_t old[512];

	fill_seed(old, sizeof old);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	expect_kept(pair, 512);
	pair->random_seed = FES_RANDOM_SEED_ALWAYS;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	expect_minted(pair, old, sizeof old);
	syncing_free(pair);
}
END_TEST

/* As dd(1) leaves it. */
START_TEST(test_a_mirror_that_has_the_primarys_seed_gets_a_new_one)
{
	const struct fixture_file files[] = {
		{.path = loader_conf, .text = "timeout 3"},
		{.path = FES_SEED_PATH, .size = FES_SEED_LEN, .seed = 2},
	};
	struct syncing *pair = syncing_new(fixture_new(1, files, COUNT(files)),
		fixture_new(0, files, COUNT(files)));
	uint8_t old[FES_SEED_LEN];

	fes_set_entropy(pair->context, count_up);
	fill_seed(old, sizeof old);
	pair->random_seed = FES_RANDOM_SEED_NEVER;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	expect_kept(pair, FES_SEED_LEN);
	pair->random_seed = FES_RANDOM_SEED_AUTO;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	expect_minted(pair, old, sizeof old);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	ck_assert_uint_eq(pair->stats.writes, 0);
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_mirror_without_a_seed_gets_one)
{
	struct syncing *pair = new_pair(-1, _i);

	ck_assert_int_eq(syncing_run(pair), _i ? FES_MIRROR_SYNCED : FES_MIRROR_IN_SYNC);
	ck_assert_uint_eq(fixture_find(pair->mirror.f, FES_SEED_PATH).size, FES_SEED_LEN);
	expect_minted(pair, NULL, 0);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	ck_assert_uint_eq(pair->stats.writes, 0);
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_seed_that_is_too_short_is_replaced_and_wiped)
{
	struct syncing *pair = new_pair(31, _i);
	const uint8_t *old_place = seed_bytes(pair);
	uint8_t old[31], zeros[512] = {0};

	fill_seed(old, sizeof old);
	ck_assert_int_eq(syncing_run(pair), _i ? FES_MIRROR_SYNCED : FES_MIRROR_IN_SYNC);
	expect_minted(pair, old, sizeof old);
	ck_assert_ptr_ne(seed_bytes(pair), old_place);
	ck_assert_mem_eq(old_place, zeros, sizeof zeros);
	syncing_free(pair);
}
END_TEST

START_TEST(test_an_xbootldr_gets_no_seed)
{
	struct syncing *pair = new_pair(_i ? 512 : -1, true);

	pair->kind = FES_PARTITION_XBOOTLDR;
	pair->random_seed = FES_RANDOM_SEED_ALWAYS;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_SYNCED);
	if (_i)
		expect_kept(pair, 512);
	else
		ck_assert(!fixture_has(pair->mirror.f, FES_SEED_PATH));
	syncing_free(pair);
}
END_TEST

START_TEST(test_what_the_primary_has_not_is_made_only_when_that_is_wanted)
{
	struct syncing *pair = new_pair_of(-1, -1, true);

	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_SYNCED);
	ck_assert(!fixture_has(pair->mirror.f, FES_SEED_PATH));
	pair->random_seed = FES_RANDOM_SEED_ALWAYS;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	expect_minted(pair, NULL, 0);
	syncing_free(pair);
}
END_TEST

START_TEST(test_what_is_excluded_gets_no_seed)
{
	struct syncing *pair = new_pair(_i ? 512 : -1, true);

	ck_assert_int_eq(fes_managed_exclude(&pair->managed, "/LOADER/random-seed"), 0);
	pair->random_seed = FES_RANDOM_SEED_ALWAYS;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_SYNCED);
	if (_i)
		expect_kept(pair, 512);
	else
		ck_assert(!fixture_has(pair->mirror.f, FES_SEED_PATH));
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_dry_run_writes_no_seed)
{
	struct syncing *pair = new_pair(_i ? 512 : -1, false);

	pair->flags = FES_SYNC_DRY_RUN;
	pair->random_seed = FES_RANDOM_SEED_ALWAYS;
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	ck_assert_uint_eq(pair->stats.writes, 0);
	ck_assert_str_eq(pair->note, "");
	syncing_free(pair);
}
END_TEST

/* It could be written again by then. */
START_TEST(test_a_sync_that_fails_leaves_the_seed)
{
	struct syncing *pair = new_pair(512, true);

	pair->mirror.fault = (struct fault){.ops = TESTDEV_RECHECK, .error = -ESTALE, .nth = 1};
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_REFUSED);
	ck_assert_uint_eq(pair->stats.writes, 0);
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_mirror_is_synced_where_getrandom_is_unknown)
{
	struct syncing *pair = new_pair(_i ? 512 : -1, true);

	fes_set_entropy(pair->context, be_unknown);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_SYNCED);
	ck_assert_ptr_nonnull(strstr(pair->note, "gives no entropy"));
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_mirror_is_synced_without_entropy_and_that_is_noted)
{
	struct syncing *pair = new_pair(_i ? 512 : -1, true);

	fes_set_entropy(pair->context, give_nothing);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_SYNCED);
	ck_assert_ptr_nonnull(strstr(pair->note, "gives no entropy"));
	if (_i)
		expect_kept(pair, 512);
	else
		ck_assert(!fixture_has(pair->mirror.f, FES_SEED_PATH));
	syncing_free(pair);
}
END_TEST

/* The last write of a good sync is that of the seed; the one before is another's. */
static enum fes_mirror_state sync_with_last_write_failing(struct syncing *pair)
{
	struct syncing *good = new_pair(FES_SEED_LEN, true);

	ck_assert_int_eq(syncing_run(good), FES_MIRROR_SYNCED);
	pair->mirror.fault = (struct fault){
		.ops = TESTDEV_WRITE, .error = -EIO, .nth = good->stats.writes};
	syncing_free(good);
	return syncing_run(pair);
}

START_TEST(test_a_mirror_fails_whose_files_are_in_sync_but_not_its_seed)
{
	struct syncing *pair = new_pair(FES_SEED_LEN, true);

	ck_assert_int_eq(sync_with_last_write_failing(pair), FES_MIRROR_FAILED);
	ck_assert_uint_eq(pair->mirror.fault.n_fired, 1);
	ck_assert_ptr_nonnull(strstr(pair->message, "in sync, but its random seed"));
	expect_kept(pair, FES_SEED_LEN);
	pair->mirror.fault = (struct fault){0};
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_IN_SYNC);
	ck_assert_uint_eq(pair->stats.writes, 0);
	syncing_free(pair);
}
END_TEST

START_TEST(test_a_mirror_fails_when_the_kernel_refuses)
{
	struct syncing *pair = new_pair(FES_SEED_LEN, true);

	fes_set_entropy(pair->context, refuse);
	ck_assert_int_eq(syncing_run(pair), FES_MIRROR_FAILED);
	ck_assert_ptr_nonnull(strstr(pair->message, strerror(EIO)));
	expect_kept(pair, FES_SEED_LEN);
	syncing_free(pair);
}
END_TEST

int main(void)
{
	const TTest *const making[] = {
		test_a_seed_is_the_digest_of_fresh_bytes_and_the_old_seed,
		test_interruptions_and_short_answers_do_not_matter,
		test_the_kernel_makes_each_seed_another,
		test_without_entropy_there_is_no_seed,
	};
	const TTest *const renewing[] = {
		test_the_new_seed_is_made_of_the_old_one_and_takes_its_place,
	};
	const TTest *const leaving[] = {
		test_the_read_only_attribute_is_honoured,
		test_what_no_boot_loader_takes_is_left_alone,
		test_without_entropy_the_old_seed_stays,
		test_a_kernel_that_refuses_is_told,
		test_a_device_that_fails_is_told,
		test_it_is_told_that_there_is_none,
	};
	const TTest *const synced[] = {
		test_a_mirror_that_changes_gets_a_new_seed_in_its_place,
		test_a_mirror_that_changes_keeps_its_seed_when_that_is_wanted,
		test_a_mirror_that_is_in_sync_gets_a_new_seed_only_when_that_is_wanted,
		test_a_mirror_that_has_the_primarys_seed_gets_a_new_one,
		test_a_mirror_fails_whose_files_are_in_sync_but_not_its_seed,
		test_a_mirror_fails_when_the_kernel_refuses,
		test_a_sync_that_fails_leaves_the_seed,
		test_what_the_primary_has_not_is_made_only_when_that_is_wanted,
	};
	const TTest *const synced_both[] = {
		test_a_mirror_without_a_seed_gets_one,
		test_a_seed_that_is_too_short_is_replaced_and_wiped,
		test_an_xbootldr_gets_no_seed,
		test_what_is_excluded_gets_no_seed,
		test_a_dry_run_writes_no_seed,
		test_a_mirror_is_synced_without_entropy_and_that_is_noted,
		test_a_mirror_is_synced_where_getrandom_is_unknown,
	};
	Suite *suite;

	if (!fixture_tools())
		return 77;
	suite = suite_create("seed");
	(void)suite_add_case(suite, "making", making, COUNT(making), 1);
	(void)suite_add_case(suite, "renewing", renewing, COUNT(renewing), FIXTURE_N_TYPES);
	(void)suite_add_case(suite, "leaving", leaving, COUNT(leaving), 1);
	(void)suite_add_case(suite, "synced", synced, COUNT(synced), 1);
	(void)suite_add_case(suite, "synced, both ways", synced_both, COUNT(synced_both), 2);
	return suite_run(suite);
}
