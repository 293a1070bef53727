/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults-program.h"
#include "tests/faults-wrap.h"
#include "tests/faults.h"

/*
 * The whole program on image files, with a call that fails: it ends with the exit status that the
 * manual page promises, and with a message.
 */

enum {
	STATUS_DONE = 0,
	STATUS_PRIMARY = 3,
	STATUS_FAILED = 4,
	ARGS_MAX = 24
};

static const char *program(void)
{
	static char path[512];
	const char *builddir = getenv("builddir");

	(void)snprintf(path, sizeof path, "%s/tests/faulty-fatespsync", builddir ? builddir : ".");
	return path;
}

struct ending {
	int status;
	bool spoke; /* on stderr */
	bool fired;
};

static void set_fault(const struct wrap_fault *fault, int told)
{
	char text[128];

	(void)snprintf(text, sizeof text, "%u %u %d %" PRIu64 " %u %" PRIu64 " %d", fault->calls,
		(unsigned)fault->how, fault->error, fault->nth, (unsigned)fault->sticky,
		fault->inode, told);
	(void)setenv(FAULT_VARIABLE, text, 1);
}

static void become_program(
	const char *const *args, const struct wrap_fault *fault, int err, int told)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	set_fault(fault, told);
	if (dup2(null, 1) == 1 && dup2(err, 2) == 2)
		(void)execv(program(), (char *const *)(uintptr_t)args);
	_exit(127);
}

static int scratch_file(void)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof path, "%s/fatespsync.XXXXXX", scratch_parent());
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(path), 0);
	return fd;
}

static bool has_bytes(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_size > 0;
}

static struct ending run_program(const char *const *args, const struct wrap_fault *fault)
{
	int err = scratch_file(), told = scratch_file(), status;
	struct ending ending;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		become_program(args, fault, err, told);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
	ending = (struct ending){WEXITSTATUS(status), has_bytes(err), has_bytes(told)};
	ck_assert_int_eq(close(err), 0);
	ck_assert_int_eq(close(told), 0);
	fault_totals->programs += ending.fired;
	return ending;
}

/* ---- sync ---- */

static void sync_args(const struct fault_bench *bench, const char **args, char *primary, size_t len,
	const char *more)
{
	const struct cut_workload *workload = bench->subject->workload;
	size_t n = 0;

	(void)snprintf(primary, len, "--primary=%s", bench->primary_path);
	args[n++] = "fatespsync";
	args[n++] = primary;
	for (size_t i = 0; i < CUT_PATHS_MAX && workload->manage[i]; i++) {
		args[n++] = "--manage";
		args[n++] = workload->manage[i];
	}
	if (more)
		args[n++] = more;
	args[n++] = "sync";
	args[n++] = bench->mirror_paths[0];
	args[n] = NULL;
}

static struct ending run_sync(
	const struct fault_bench *bench, const struct wrap_fault *fault, const char *more)
{
	const char *args[ARGS_MAX];
	char primary[320];

	sync_args(bench, args, primary, sizeof primary, more);
	return run_program(args, fault);
}

static void judge(struct fault_bench *bench, struct ending ending, const char *what)
{
	struct cut_image *image = &bench->mirrors[0].image;
	FILE *f = fopen(bench->mirror_paths[0], "re");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(image->bytes, 1, image->size, f), image->size);
	ck_assert_int_eq(fclose(f), 0);
	fault_totals->states++;
	ck_assert_msg(ending.status != STATUS_PRIMARY ||
			      memcmp(image->bytes, bench->start.bytes, image->size) == 0,
		"%s: written to", what);
	ck_assert_msg(cut_judge(bench->judge, image, ending.status == STATUS_DONE), "%s: %s", what,
		bench->judge->fault);
	if (ending.status != STATUS_DONE)
		fault_bench_recover(bench, 0, what);
	fault_image_write(bench->mirror_paths[0], &bench->start);
}

struct way {
	const char *name;
	unsigned calls;
	int error;
	bool of_primary;
	uint64_t step;
};

static const struct way ways[] = {
	{"pread of the mirror", WRAP_READ, EIO, false, 11},
	{"pwrite of the mirror", WRAP_WRITE, EIO, false, 7},
	{"fdatasync of the mirror", WRAP_SYNC, EIO, false, 7},
	{"pread of the primary", WRAP_READ, EIO, true, 11},
};
enum {
	N_WAYS = sizeof ways / sizeof *ways
};

static void expect_status(const struct way *way, struct ending ending, const char *what)
{
	if (!ending.fired)
		ck_assert_msg(
			ending.status == STATUS_DONE, "%s: exit status %d", what, ending.status);
	else if (!way->of_primary)
		ck_assert_msg(
			ending.status == STATUS_FAILED, "%s: exit status %d", what, ending.status);
	else
		ck_assert_msg(ending.status == STATUS_PRIMARY || ending.status == STATUS_FAILED,
			"%s: exit status %d", what, ending.status);
	ck_assert_msg(ending.spoke == ending.fired, "%s: messages", what);
}

static bool try_call(struct fault_bench *bench, const struct way *way, uint64_t nth, bool sticky)
{
	const char *path = way->of_primary ? bench->primary_path : bench->mirror_paths[0];
	struct wrap_fault fault = {
		.calls = way->calls, .error = way->error, .nth = nth, .sticky = sticky};
	struct ending ending;
	struct stat st;
	char what[128];

	ck_assert_int_eq(stat(path, &st), 0);
	fault.inode = st.st_ino;
	ending = run_sync(bench, &fault, NULL);
	(void)snprintf(what, sizeof what, "%s number %d%s", way->name, (int)nth,
		sticky ? " and all later ones" : "");
	expect_status(way, ending, what);
	judge(bench, ending, what);
	return ending.fired;
}

START_TEST(test_the_exit_status_tells_which_side_failed)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("upgrade on FAT12"));
	uint64_t step = faults_step(ways[_i].step);

	for (uint64_t nth = 1; try_call(bench, &ways[_i], nth, false); nth += step)
		;
	for (uint64_t nth = 1; try_call(bench, &ways[_i], nth, true); nth += 3 * step)
		;
}
END_TEST

static bool try_memory(struct fault_bench *bench, uint64_t nth, bool sticky, const char *more)
{
	struct wrap_fault fault = {.calls = WRAP_MEMORY, .nth = nth, .sticky = sticky};
	struct ending ending = run_sync(bench, &fault, more);
	char what[128];

	(void)snprintf(what, sizeof what, "%s allocation %d%s", more, (int)nth,
		sticky ? " and all later ones" : "");
	ck_assert_msg(ending.status == STATUS_DONE || ending.status == STATUS_PRIMARY ||
			      ending.status == STATUS_FAILED,
		"%s: exit status %d", what, ending.status);
	ck_assert_msg(ending.spoke || ending.status == STATUS_DONE,
		"%s: exit status %d, no message", what, ending.status);
	judge(bench, ending, what);
	return ending.fired;
}

START_TEST(test_the_program_says_so_when_memory_is_out)
{
	struct fault_bench *bench = fault_bench_of(fault_subject_find("upgrade on FAT12"));
	uint64_t step = faults_full() ? 5 : faults_step(41);
	const char *more = _i == 0 ? "--json=off" : "--json=short";

	for (uint64_t nth = 1; try_memory(bench, nth, false, more); nth += step)
		;
	for (uint64_t nth = 1; try_memory(bench, nth, true, more); nth += step)
		;
}
END_TEST

/* ---- looking ---- */

START_TEST(test_verbs_that_look_say_so_when_memory_is_out)
{
	static const char *const verbs[] = {"check", "ls", "cat"};
	struct fault_bench *bench = fault_bench_of(fault_subject_find("upgrade on FAT12"));
	const char *args[] = {"fatespsync", verbs[_i], bench->mirror_paths[0],
		_i == 2 ? "/EFI/BOOT/BOOTX64.EFI" : NULL, NULL};
	struct wrap_fault fault = {.calls = WRAP_MEMORY, .nth = 1};
	struct ending ending = {.fired = true};

	for (; ending.fired; fault.nth += faults_step(5)) {
		ending = run_program(args, &fault);
		ck_assert_msg(ending.status == (ending.fired ? STATUS_FAILED : STATUS_DONE),
			"allocation %d: exit status %d", (int)fault.nth, ending.status);
		ck_assert_msg(
			ending.spoke == ending.fired, "allocation %d: messages", (int)fault.nth);
	}
}
END_TEST

void faults_add_program_cases(Suite *suite)
{
	TCase *tc = tcase_create("program");

	tcase_set_timeout(tc, 600);
	tcase_add_unchecked_fixture(tc, fault_benches_prepare, NULL);
	tcase_add_loop_test(tc, test_the_exit_status_tells_which_side_failed, 0, N_WAYS);
	tcase_add_loop_test(tc, test_the_program_says_so_when_memory_is_out, 0, 2);
	tcase_add_loop_test(tc, test_verbs_that_look_say_so_when_memory_is_out, 0, 3);
	suite_add_tcase(suite, tc);
}
