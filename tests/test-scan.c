/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking at all disks, some of which are named twice, are not there, or do not answer. */

#include <config.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "lib/internal.h"
#include "tests/faults-wrap.h"
#include "tests/machine.h"
#include "tests/suite.h"

enum { A, B, C };

static struct machine m;
static struct fes_host host;

/* ---- a disk that does not answer: calls of blkdev_open_path() come here ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static const char *silent; /* the path of one that lets nobody open it; NULL: none */

int __real_blkdev_open_path(
	const char *path, unsigned flags, uint64_t offset, uint64_t size, struct blkdev **ret);
int __wrap_blkdev_open_path(
	const char *path, unsigned flags, uint64_t offset, uint64_t size, struct blkdev **ret);

int __wrap_blkdev_open_path(
	const char *path, unsigned flags, uint64_t offset, uint64_t size, struct blkdev **ret)
{
	(void)pthread_mutex_lock(&lock);
	while (silent && strcmp(path, silent) == 0)
		(void)pthread_cond_wait(&released, &lock);
	(void)pthread_mutex_unlock(&lock);
	return __real_blkdev_open_path(path, flags, offset, size, ret);
}

static void silence(const char *path)
{
	(void)pthread_mutex_lock(&lock);
	silent = path;
	(void)pthread_cond_broadcast(&released);
	(void)pthread_mutex_unlock(&lock);
}

static unsigned count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	ck_assert_int_eq(closedir(dir), 0);
	return n;
}

/* It answers, and who waited for it gets time to end. A sanitizer may have a thread of its own. */
static void release(unsigned n_threads)
{
	silence(NULL);
	for (int i = 0; i < 1000 && count_threads() > n_threads; i++)
		(void)usleep(1000);
}

/* ---- clocks: calls of clock_gettime(2) come here ---- */

static time_t hurry;  /* seconds that have gone by already for whoever waits */
static time_t offset; /* seconds by which somebody is about to set back the time of day */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = __real_clock_gettime(clock, ret);

	ret->tv_sec -= hurry;
	if (clock == CLOCK_REALTIME)
		ret->tv_sec += offset;
	return r;
}

static void setup(void)
{
	wrap_fault = (struct wrap_fault){0};
	machine_start(&m);
	host = (struct fes_host){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static void teardown(void)
{
	fes_host_forget(&host);
	machine_stop(&m);
}

/* ---- a look ---- */

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct machine *machine = userdata;
	size_t len = strlen(machine->log);

	(void)snprintf(machine->log + len, sizeof machine->log - len, "%s: %s\n",
		level == FES_LOG_ERROR ? "error" : level == FES_LOG_WARNING ? "warning" : "info",
		message);
}

static const struct fes_scan *look(char **disks, size_t n)
{
	const struct fes_scan *scan;

	host.disks = disks;
	host.n_disks = n;
	ck_assert_int_eq(fes_host_scan(&host, take_message, &m, &scan), 0);
	return scan;
}

static const struct fes_scan *look_at_all(void)
{
	return look((char *[]){m.paths[A], m.paths[B], m.paths[C]}, 3);
}

static const struct fes_scan *look_in_a_hurry(void)
{
	const struct fes_scan *scan;

	hurry = 4;
	scan = look_at_all();
	hurry = 0;
	return scan;
}

static void expect_seen(const struct fes_seen *seen, int i)
{
	char name[PATH_MAX + 8];

	(void)snprintf(name, sizeof name, "%s:1", m.paths[i]);
	ck_assert_str_eq(seen->disk, m.paths[i]);
	ck_assert_str_eq(seen->name, name);
	ck_assert_ptr_null(seen->node);
	ck_assert_uint_eq(seen->number, 1);
	ck_assert_uint_eq(seen->offset, MACHINE_OFFSET);
	ck_assert_uint_eq(seen->size, 1024 * 1024);
	ck_assert_int_eq(seen->kind, FES_PARTITION_ESP);
	ck_assert_str_eq(seen->uuid, machine_uuids[i]);
}

START_TEST(test_all_disks_are_looked_at)
{
	const struct fes_scan *scan = look_at_all();

	ck_assert_uint_eq(scan->n, 3);
	for (int i = A; i <= C; i++)
		expect_seen(&scan->seen[i], i);
	ck_assert_uint_eq(scan->n_unreadable, 0);
	ck_assert_str_eq(m.log, "");
}
END_TEST

START_TEST(test_what_was_seen_is_known_until_it_is_forgotten)
{
	const struct fes_scan *scan = look_at_all();

	machine_do(&m, "rm b.img");
	ck_assert_ptr_eq(look_at_all(), scan);
	fes_host_forget(&host);
	ck_assert_uint_eq(look_at_all()->n, 2);
}
END_TEST

START_TEST(test_a_volume_without_a_partition_table_is_seen)
{
	const struct fes_scan *scan;
	char path[PATH_MAX];

	machine_do(&m, "mkfs.fat -C x.img 1024 >/dev/null");
	(void)snprintf(path, sizeof path, "%s/x.img", m.root.path);
	scan = look((char *[]){path}, 1);
	ck_assert_uint_eq(scan->n, 1);
	ck_assert_str_eq(scan->seen[0].name, path);
	ck_assert_uint_eq(scan->seen[0].number, 0);
	ck_assert_uint_eq(scan->seen[0].size, 1024 * 1024);
	ck_assert_int_eq(scan->seen[0].kind, FES_PARTITION_NONE);
}
END_TEST

START_TEST(test_what_holds_nothing_is_nothing_to_warn_of)
{
	const struct fes_scan *scan;

	machine_do(&m, "truncate -s 0 a.img && truncate -s 1M a.img; echo text >b.img");
	scan = look_at_all();
	ck_assert_uint_eq(scan->n, 1);
	ck_assert_uint_eq(scan->n_unreadable, 0);
	ck_assert(!machine_said(&m, "warning: ", "") && !machine_said(&m, "error: ", ""));
	ck_assert(machine_said(&m, "info: ", "b.img: no FAT volume: it holds a text file"));
}
END_TEST

START_TEST(test_a_disk_whose_table_is_damaged_is_named)
{
	machine_do(&m, "dd if=/dev/zero of=b.img bs=512 seek=1 count=33 conv=notrunc status=none;"
		       " truncate -s -64K b.img");
	ck_assert_uint_eq(look_at_all()->n, 2);
	ck_assert(machine_said(&m, "warning: ", "b.img: has a protective MBR but no readable GPT"));
}
END_TEST

/* ---- disks that are not there ---- */

START_TEST(test_a_disk_that_is_not_there_is_named)
{
	const struct fes_scan *scan;

	machine_do(&m, "rm b.img");
	scan = look_at_all();
	ck_assert_uint_eq(scan->n, 2);
	expect_seen(&scan->seen[0], A);
	expect_seen(&scan->seen[1], C);
	ck_assert_uint_eq(scan->n_unreadable, 1);
	ck_assert(machine_said(&m, "warning: ", "b.img: cannot be opened: No such file"));
}
END_TEST

START_TEST(test_a_disk_that_cannot_be_read_is_named)
{
	wrap_fault = (struct wrap_fault){
		.error = EIO,
		.nth = 1,
		.sticky = true,
		.inode = machine_inode(&m, B),
		.calls = WRAP_READ,
	};
	ck_assert_uint_eq(look_at_all()->n, 2);
	ck_assert(machine_said(&m, "warning: ", "b.img: cannot be read: Input/output error"));
}
END_TEST

/* ---- disks that are alike ---- */

START_TEST(test_a_disk_that_is_named_twice_is_looked_at_once)
{
	char link[PATH_MAX];
	const struct fes_scan *scan;

	scratch_link(&m.root, "/link.img", "a.img");
	(void)snprintf(link, sizeof link, "%s/link.img", m.root.path);
	scan = look((char *[]){m.paths[A], m.paths[B], m.paths[A], link}, 4);
	ck_assert_uint_eq(scan->n, 2);
	expect_seen(&scan->seen[0], A);
	expect_seen(&scan->seen[1], B);
}
END_TEST

START_TEST(test_disks_that_are_not_there_are_not_one)
{
	machine_do(&m, "rm a.img b.img");
	(void)look((char *[]){m.paths[A], m.paths[B]}, 2);
	ck_assert(machine_said(&m, "warning: ", "a.img: cannot be opened"));
	ck_assert(machine_said(&m, "warning: ", "b.img: cannot be opened"));
}
END_TEST

START_TEST(test_a_copy_is_not_the_same_disk)
{
	struct fes_spec spec;

	machine_do(&m, "cp a.img c.img");
	(void)look_at_all();
	ck_assert_int_eq(fes_spec_resolve(&host, m.tags[A], take_message, &m, &spec), -ENOTUNIQ);
	ck_assert(machine_said(&m, "error: ", "a.img:1"));
	ck_assert(machine_said(&m, "error: ", "c.img:1"));
}
END_TEST

START_TEST(test_partitions_are_counted_from_1)
{
	char name[PATH_MAX + 8];
	struct fes_spec spec;

	(void)snprintf(name, sizeof name, "%s:0", m.paths[A]);
	(void)look_at_all();
	ck_assert_int_eq(fes_spec_resolve(&host, name, take_message, &m, &spec), -EINVAL);
	ck_assert(machine_said(&m, "error: ", "\"0\" is no partition number; the first is 1"));
}
END_TEST

/* ---- disks that do not answer ---- */

START_TEST(test_a_disk_that_does_not_answer_is_gone_on_without)
{
	unsigned n_threads = count_threads();
	const struct fes_scan *scan;

	silence(m.paths[B]);
	scan = look_in_a_hurry();
	ck_assert_uint_eq(scan->n, 2);
	expect_seen(&scan->seen[0], A);
	expect_seen(&scan->seen[1], C);
	ck_assert_uint_eq(scan->n_unreadable, 1);
	ck_assert(machine_said(&m, "warning: ", "b.img: does not answer; gone on without it"));
	release(n_threads);
}
END_TEST

/* Else this would take a day. */
START_TEST(test_nobody_waits_longer_because_the_clock_is_set)
{
	unsigned n_threads = count_threads();

	silence(m.paths[B]);
	offset = 24 * 60 * 60;
	ck_assert_uint_eq(look_in_a_hurry()->n, 2);
	offset = 0;
	release(n_threads);
}
END_TEST

/* What it says then nobody wants to know, and who asked is not there any more. */
START_TEST(test_a_disk_that_answers_when_all_is_over_does_no_harm)
{
	unsigned n_threads = count_threads();

	silence(m.paths[B]);
	(void)look_in_a_hurry();
	fes_host_forget(&host);
	memset(&host, 0xff, sizeof host);
	release(n_threads);
	host = (struct fes_host){.lock = PTHREAD_MUTEX_INITIALIZER};
}
END_TEST

/* ---- without memory ---- */

static bool look_without_memory(uint64_t nth, bool sticky)
{
	char *disks[] = {m.paths[A], m.paths[B]};
	const struct fes_scan *scan;
	int r;

	host.disks = disks;
	host.n_disks = 2;
	wrap_fault = (struct wrap_fault){.calls = WRAP_MEMORY, .nth = nth, .sticky = sticky};
	r = fes_host_scan(&host, take_message, &m, &scan);
	wrap_fault.calls = 0;
	/* Without a thread of its own a disk is looked at all the same. */
	ck_assert(r == -ENOMEM || (r == 0 && scan->n == 2));
	ck_assert(r == 0 || wrap_fault.n_fired > 0);
	fes_host_forget(&host);
	return wrap_fault.n_fired > 0;
}

START_TEST(test_without_memory_nothing_is_overlooked)
{
	uint64_t nth;

	for (nth = 1; look_without_memory(nth, false); nth++)
		;
	ck_assert_uint_gt(nth, 20);
	for (nth = 1; look_without_memory(nth, true); nth++)
		;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_all_disks_are_looked_at,
		test_what_was_seen_is_known_until_it_is_forgotten,
		test_a_volume_without_a_partition_table_is_seen,
		test_what_holds_nothing_is_nothing_to_warn_of,
		test_a_disk_whose_table_is_damaged_is_named,
		test_a_disk_that_is_not_there_is_named,
		test_a_disk_that_cannot_be_read_is_named,
		test_a_disk_that_is_named_twice_is_looked_at_once,
		test_disks_that_are_not_there_are_not_one,
		test_a_copy_is_not_the_same_disk,
		test_partitions_are_counted_from_1,
		test_a_disk_that_does_not_answer_is_gone_on_without,
		test_nobody_waits_longer_because_the_clock_is_set,
		test_a_disk_that_answers_when_all_is_over_does_no_harm,
		test_without_memory_nothing_is_overlooked,
	};
	TCase *tc = tcase_create("scan");
	Suite *suite = suite_create("scan");

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
