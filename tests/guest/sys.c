/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/if_alg.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Plays the system's part in the guest, where there is nothing but a shell: a system call or two for
 * each verb. Checksums are the guest's kernel's.
 */

enum {
	LINE_LEN = 16,
	LINES_PER_KIB = 1024 / LINE_LEN,
	DIGEST_LEN = 32,
	CHUNK_LEN = 64 * 1024,
};

struct verb {
	const char *name;
	int (*run)(char **args); /* 0 or -1 with errno */
	int min_args, max_args;
	const char *arguments;
};

static int load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = (int)syscall(SYS_finit_module, fd, "", 0);
	(void)close(fd);
	return r < 0 && errno != EEXIST ? -1 : 0;
}

static int run_load(char **args)
{
	for (; *args; args++) {
		if (load_module(*args) < 0)
			return -1;
	}
	return 0;
}

static int run_mount(char **args)
{
	unsigned long flags = args[3] && strcmp(args[3], "ro") == 0 ? MS_RDONLY : 0;

	return mount(args[1], args[2], args[0], flags, NULL);
}

static int run_umount(char **args)
{
	return umount(args[0]);
}

static int run_apart(char **args)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return execvp(args[0], args);
}

static int run_mkdir(char **args)
{
	return mkdir(args[0], 0755);
}

static int run_rmdir(char **args)
{
	return rmdir(args[0]);
}

static int run_rename(char **args)
{
	return rename(args[0], args[1]);
}

static int run_unlink(char **args)
{
	return unlink(args[0]);
}

static int run_nap(char **args)
{
	long ms = strtol(args[0], NULL, 10);
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	return nanosleep(&time, NULL);
}

static int run_log(char **args)
{
	static char log[1024 * 1024];
	int n = klogctl(3 /* read all */, log, sizeof log);

	(void)args;
	return n < 0 || fwrite(log, 1, (size_t)n, stdout) != (size_t)n ? -1 : 0;
}

static int run_poweroff(char **args)
{
	(void)args;
	sync();
	return reboot(RB_POWER_OFF);
}

/* ---- files that tell whether they are whole ---- */

/* Each line is the same, so a file that was put together from two versions shows it. */
static int fill_file(FILE *file, char **args)
{
	long n_lines = strtol(args[1], NULL, 10) * LINES_PER_KIB;

	if (!file)
		return -1;
	while (n_lines-- > 0) {
		if (fprintf(file, "%-*.*s\n", LINE_LEN - 1, LINE_LEN - 1, args[2]) < 0)
			break;
	}
	return fclose(file) < 0 || n_lines >= 0 ? -1 : 0;
}

static int run_fill(char **args)
{
	return fill_file(fopen(args[0], "we"), args);
}

static int run_overwrite(char **args)
{
	return fill_file(fopen(args[0], "r+e"), args);
}

static int copy_contents(int from, int to)
{
	ssize_t n;

	while ((n = sendfile(to, from, NULL, CHUNK_LEN)) > 0)
		continue;
	return n < 0 ? -1 : 0;
}

static int run_copy(char **args)
{
	int from = open(args[0], O_RDONLY | O_CLOEXEC), to = -1, r = -1;

	if (from >= 0)
		to = open(args[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (to >= 0)
		r = copy_contents(from, to);
	if (to >= 0 && close(to) < 0)
		r = -1;
	if (from >= 0)
		(void)close(from);
	return r;
}

static bool lines_equal(FILE *file, char first[LINE_LEN + 1])
{
	char line[LINE_LEN];
	size_t n;

	if (fread(first, 1, LINE_LEN, file) != LINE_LEN)
		return false;
	while ((n = fread(line, 1, LINE_LEN, file)) == LINE_LEN) {
		if (memcmp(line, first, LINE_LEN) != 0)
			return false;
	}
	return n == 0 && !ferror(file);
}

static int run_whole(char **args)
{
	FILE *file = fopen(args[0], "re");
	char first[LINE_LEN + 1] = "";
	bool whole;

	if (!file)
		return -1;
	whole = lines_equal(file, first);
	(void)fclose(file);
	if (!whole) {
		errno = EBADMSG;
		return -1;
	}
	printf("%.*s\n", (int)strcspn(first, " \n"), first);
	return 0;
}

/* ---- EFI variables ---- */

/* A text: four bytes of attributes, then UTF-16; what is not ASCII becomes a question mark. */
static int run_text(char **args)
{
	FILE *file = fopen(args[0], "re");
	unsigned char c[2];

	if (!file)
		return -1;
	for (int i = 0; i < 4; i++)
		(void)getc(file); /* one cannot seek there */
	while (fread(c, 1, sizeof c, file) == sizeof c && (c[0] || c[1]))
		(void)putchar(c[1] || c[0] > 126 ? '?' : c[0]);
	(void)fclose(file);
	return putchar('\n') < 0 ? -1 : 0;
}

/* ---- checksums ---- */

/* A socket for one digest, see Linux, Documentation/crypto/userspace-if.rst. */
static int open_digest(void)
{
	struct sockaddr_alg address = {
		.salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256"};
	int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -1;
	r = bind(fd, (struct sockaddr *)&address, sizeof address);
	if (r == 0)
		r = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	(void)close(fd);
	return r;
}

static int digest_file(int file, int digest, unsigned char ret[DIGEST_LEN])
{
	static char chunk[CHUNK_LEN];
	ssize_t n;

	while ((n = read(file, chunk, sizeof chunk)) > 0) {
		if (send(digest, chunk, (size_t)n, MSG_MORE) != n)
			return -1;
	}
	if (n < 0 || send(digest, NULL, 0, 0) < 0)
		return -1;
	return read(digest, ret, DIGEST_LEN) == DIGEST_LEN ? 0 : -1;
}

static int print_digest(const char *access_path, const char *path)
{
	int file = open(access_path, O_RDONLY | O_CLOEXEC), digest = open_digest(), r = -1;
	unsigned char bytes[DIGEST_LEN];

	if (file >= 0 && digest >= 0)
		r = digest_file(file, digest, bytes);
	if (file >= 0)
		(void)close(file);
	if (digest >= 0)
		(void)close(digest);
	for (size_t i = 0; r == 0 && i < DIGEST_LEN; i++)
		printf("%02x", bytes[i]);
	if (r == 0)
		printf(" %s\n", path);
	return r;
}

static int print_entry(const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_D:
		printf("directory %s\n", entry->fts_path);
		return 0;
	case FTS_F:
		return print_digest(entry->fts_accpath, entry->fts_path);
	default:
		fprintf(stderr, "%s: ", entry->fts_path);
		errno = entry->fts_errno;
		return -1;
	}
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int run_sum(char **args)
{
	FTSENT *entry;
	FTS *tree;
	int r = 0;

	if (chdir(args[0]) < 0)
		return -1;
	tree = fts_open(args + 1, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (!tree)
		return -1;
	while (r == 0 && (entry = fts_read(tree)))
		r = print_entry(entry);
	(void)fts_close(tree);
	return r;
}

static const struct verb verbs[] = {
	{"load", run_load, 1, 100, "MODULE..."},
	{"mount", run_mount, 3, 4, "TYPE SOURCE DIR [ro]"},
	{"umount", run_umount, 1, 1, "DIR"},
	{"apart", run_apart, 1, 100, "COMMAND...: in a mount namespace of its own"},
	{"mkdir", run_mkdir, 1, 1, "DIR"},
	{"rmdir", run_rmdir, 1, 1, "DIR"},
	{"rename", run_rename, 2, 2, "OLD NEW"},
	{"unlink", run_unlink, 1, 1, "FILE"},
	{"nap", run_nap, 1, 1, "MILLISECONDS"},
	{"log", run_log, 0, 0, ": what the kernel said"},
	{"poweroff", run_poweroff, 0, 0, ""},
	{"fill", run_fill, 3, 3, "FILE KIB WORD: the same line again and again"},
	{"overwrite", run_overwrite, 3, 3, "FILE KIB WORD: the same, without cutting it off first"},
	{"whole", run_whole, 1, 1, "FILE: print the word that it is filled with"},
	{"copy", run_copy, 2, 2, "FROM TO"},
	{"text", run_text, 1, 1, "VARIABLE: print what an EFI variable says"},
	{"sum", run_sum, 2, 100, "DIR NAME...: SHA-256 of all files below DIR/NAME"},
};

enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

static int print_usage(void)
{
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(stderr, "sys %s %s\n", verbs[i].name, verbs[i].arguments);
	return 2;
}

static int run_verb(const struct verb *verb, char **args)
{
	if (verb->run(args) < 0 || fflush(stdout) != 0) {
		fprintf(stderr, "sys %s", verb->name);
		for (; *args; args++)
			fprintf(stderr, " %s", *args);
		fprintf(stderr, ": %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < N_VERBS; i++) {
		const struct verb *verb = &verbs[i];

		if (strcmp(argv[1], verb->name) == 0 && argc - 2 >= verb->min_args &&
			argc - 2 <= verb->max_args)
			return run_verb(verb, argv + 2);
	}
	return print_usage();
}
