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
#include "tests/fixture.h"
#include "tests/testdev.h"

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

static ssize_t refuse(void *buf, size_t len, unsigned flags)
{
	(void)buf;
	(void)len;
	(void)flags;
	errno = ENOSYS;
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
	fes_set_entropy(context, refuse);
	ck_assert_int_eq(fes_seed_mint(context, "old", 3, seed), -ENOSYS);
	ck_assert_mem_eq(seed, zeros, sizeof seed);
	fes_free(context);
}
END_TEST

/* ---- renewing one ---- */

struct test {
	struct fes_context *context;
	struct fixture *f;
	struct fault fault;
	struct blkdev *faulty;
	struct fes_volume *volume;
	uint8_t *before;
	char message[1024];
	const char *note;
};

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct test *t = userdata;

	(void)level;
	(void)snprintf(t->message, sizeof t->message, "%s", message);
}

static void open_volume(struct test *t)
{
	struct fat_check_result check;

	ck_assert_int_eq(faultdev_new(t->f->dev, &t->fault, &t->faulty), 0);
	ck_assert_int_eq(fes_volume_adopt(t->context, t->faulty, "esp", &t->volume, NULL), 0);
	ck_assert_int_eq(fes_volume_require_sound(t->volume, &check), 0);
}

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
	t->context = new_context(count_up);
	fes_set_log(t->context, take_message, t);
	open_volume(t);
	t->before = malloc(t->f->size);
	ck_assert_ptr_nonnull(t->before);
	memcpy(t->before, t->f->bytes, t->f->size);
	return t;
}

static void free_test(struct test *t)
{
	fes_volume_close(t->volume);
	fes_free(t->context);
	fixture_free(t->f);
	free(t->before);
	free(t);
}

static void expect_renewed(struct test *t, uint32_t size)
{
	struct fat_entry entry = fixture_find(t->f, FES_SEED_PATH);
	uint64_t at = fat_cluster_offset(t->volume->fat, entry.first_cluster);
	uint8_t want[FES_SEED_LEN];

	ck_assert_uint_eq(entry.size, size);
	ck_assert_int_eq(fes_seed_mint(t->context, t->before + at, size, want), 0);
	ck_assert_mem_eq(t->f->bytes + at, want, sizeof want);
	for (uint32_t i = FES_SEED_LEN; i < size; i++)
		ck_assert_uint_eq(t->f->bytes[at + i], 0);
}

START_TEST(test_the_new_seed_is_made_of_the_old_one_and_takes_its_place)
{
	static const uint32_t sizes[] = {FES_SEED_LEN, 33, 512, 700, FES_SEED_LEN_MAX};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct test *t = new_test(_i, sizes[i], NULL);

		ck_assert_int_eq(fes_seed_renew(t->volume, &t->note), 0);
		ck_assert_ptr_null(t->note);
		expect_renewed(t, sizes[i]);
		fixture_judge(t->f);
		free_test(t);
	}
}
END_TEST

static void expect_left_alone(struct test *t, const char *note)
{
	ck_assert_int_eq(fes_seed_renew(t->volume, &t->note), 0);
	ck_assert_ptr_nonnull(t->note);
	ck_assert_ptr_nonnull(strstr(t->note, note));
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	ck_assert_str_eq(t->message, "");
	free_test(t);
}

START_TEST(test_the_read_only_attribute_is_honoured)
{
	expect_left_alone(new_test(_i, 32, "mattrib +r -i x.img ::/loader/random-seed"), "read-only");
}
END_TEST

START_TEST(test_what_no_boot_loader_takes_is_left_alone)
{
	const char *dir = "mdel -i x.img ::/loader/random-seed && mmd -i x.img ::/loader/random-seed";

	expect_left_alone(new_test(_i, 31, NULL), "shorter");
	expect_left_alone(new_test(_i, 0, NULL), "shorter");
	expect_left_alone(new_test(_i, FES_SEED_LEN_MAX + 1, NULL), "longer");
	expect_left_alone(new_test(_i, 32, dir), "directory");
}
END_TEST

START_TEST(test_without_entropy_the_old_seed_stays)
{
	struct test *t = new_test(_i, 32, NULL);

	fes_set_entropy(t->context, give_nothing);
	expect_left_alone(t, "no entropy yet");
}
END_TEST

START_TEST(test_a_kernel_that_refuses_is_told)
{
	struct test *t = new_test(_i, 32, NULL);

	fes_set_entropy(t->context, refuse);
	ck_assert_int_eq(fes_seed_renew(t->volume, &t->note), -ENOSYS);
	ck_assert_ptr_nonnull(strstr(t->message, "esp: random seed"));
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	free_test(t);
}
END_TEST

START_TEST(test_a_device_that_fails_is_told)
{
	struct test *t = new_test(_i, 32, NULL);

	t->fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	ck_assert_int_eq(fes_seed_renew(t->volume, &t->note), -EIO);
	ck_assert_ptr_nonnull(strstr(t->message, FES_SEED_PATH));
	ck_assert_mem_eq(t->f->bytes, t->before, t->f->size);
	free_test(t);
}
END_TEST

START_TEST(test_it_is_known_whether_there_is_one)
{
	struct test *t = new_test(_i, 0, NULL);

	ck_assert_int_eq(fes_seed_is_there(t->volume), 1);
	free_test(t);
	t = new_test(_i, 0, "mdel -i x.img ::/loader/random-seed");
	ck_assert_int_eq(fes_seed_is_there(t->volume), 0);
	ck_assert_int_eq(fes_seed_renew(t->volume, &t->note), -ENOENT);
	free_test(t);
	t = new_test(_i, 0, "mdeltree -i x.img ::/loader && mmd -i x.img ::/loader ::/loader/random-seed");
	ck_assert_int_eq(fes_seed_is_there(t->volume), 0);
	free_test(t);
	t = new_test(_i, 0, "mdeltree -i x.img ::/loader && echo x | mcopy -i x.img - ::/loader");
	ck_assert_int_eq(fes_seed_is_there(t->volume), 0);
	ck_assert_int_eq(fes_seed_renew(t->volume, &t->note), -ENOENT);
	ck_assert_str_eq(t->message, "");
	free_test(t);
}
END_TEST

static void add_case(Suite *suite, const char *name, const TTest *const tests[], size_t n, int end)
{
	TCase *tcase = tcase_create(name);

	for (size_t i = 0; i < n; i++)
		tcase_add_loop_test(tcase, tests[i], 0, end);
	suite_add_tcase(suite, tcase);
}

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
		test_it_is_known_whether_there_is_one,
	};
	Suite *suite;
	SRunner *runner;
	int failed;

	if (!fixture_tools())
		return 77;
	suite = suite_create("seed");
	add_case(suite, "making", making, COUNT(making), 1);
	add_case(suite, "renewing", renewing, COUNT(renewing), FIXTURE_N_TYPES);
	add_case(suite, "leaving", leaving, COUNT(leaving), 1);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
