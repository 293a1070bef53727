/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fixture.h"
#include "tests/scratch.h"
#include "tests/testdev.h"

enum {
	SECTOR = 512,
	PIECE = 16384
};

static const char tools_path[] = "PATH=$PATH:/usr/sbin:/sbin; export PATH; "
				 "MTOOLSRC=/dev/null; export MTOOLSRC; MTOOLS_SKIP_CHECK=1; "
				 "export MTOOLS_SKIP_CHECK; LC_ALL=C.UTF-8; export LC_ALL; "
				 "SOURCE_DATE_EPOCH=1750000000; export SOURCE_DATE_EPOCH; ";

bool fixture_tools(void)
{
	static const char *const tools[] = {"mkfs.fat", "fsck.fat", "mcopy"};
	char command[512];

	for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
		(void)snprintf(command, sizeof command, "%scommand -v %s >/dev/null", tools_path,
			tools[i]);
		if (system(command) == 0)
			continue;
		(void)fprintf(stderr, "%s is missing: skipped\n", tools[i]);
		return false;
	}
	return true;
}

/* ---- a folder with the image in it ---- */

struct folder {
	struct scratch scratch;
	char image[256];
};

static struct folder folder_new(void)
{
	struct folder folder;

	scratch_make(&folder.scratch);
	(void)snprintf(folder.image, sizeof folder.image, "%s/x.img", folder.scratch.path);
	return folder;
}

static void folder_remove(const struct folder *folder)
{
	scratch_remove(&folder->scratch);
}

/* Zeros become holes: most of a FAT32 volume is. */
static void save_image(const struct fixture *f, const struct folder *folder)
{
	static const uint8_t zeros[PIECE];
	int fd = open(folder->image, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool written = true;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)f->size), 0);
	for (uint64_t at = 0; at < f->size; at += PIECE) {
		size_t len = f->size - at < PIECE ? (size_t)(f->size - at) : PIECE;

		if (memcmp(f->bytes + at, zeros, len) != 0)
			written &= pwrite(fd, f->bytes + at, len, (off_t)at) == (ssize_t)len;
	}
	ck_assert(written);
	ck_assert_int_eq(close(fd), 0);
}

/* The image is mapped, not read: what no test touches costs no memory and no time. */
static void map_image(struct fixture *f)
{
	int flags = MAP_PRIVATE | (f->bytes ? MAP_FIXED : 0);
	void *at = mmap(f->bytes, f->size, PROT_READ | PROT_WRITE, flags, f->fd, 0);

	ck_assert(at != MAP_FAILED);
	f->bytes = at;
}

static void load_image(struct fixture *f, const struct folder *folder)
{
	struct stat st;

	if (f->fd >= 0)
		ck_assert_int_eq(close(f->fd), 0);
	f->fd = open(folder->image, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(f->fd, 0);
	ck_assert_int_eq(fstat(f->fd, &st), 0);
	ck_assert(!f->bytes || (uint64_t)st.st_size == f->size);
	f->size = (uint64_t)st.st_size;
	map_image(f);
}

static char *run_in(const struct folder *folder, const char *command, int *status)
{
	size_t len = 0, n, size = strlen(command) + sizeof tools_path + 300;
	char *script = malloc(size), *output = malloc(65536);
	FILE *pipe;
	int r;

	ck_assert_ptr_nonnull(script);
	ck_assert_ptr_nonnull(output);
	(void)snprintf(
		script, size, "exec 2>&1; cd '%s' && %s%s", folder->scratch.path, tools_path,
		command);
	pipe = popen(script, "r");
	ck_assert_ptr_nonnull(pipe);
	while (len < 65535 && (n = fread(output + len, 1, 65535 - len, pipe)) > 0)
		len += n;
	output[len] = '\0';
	r = pclose(pipe);
	*status = WIFEXITED(r) ? WEXITSTATUS(r) : -1;
	free(script);
	return output;
}

static char *run(struct fixture *f, int *status, const char *command)
{
	struct folder folder = folder_new();
	char *output;
	int r;

	if (f->bytes)
		save_image(f, &folder);
	output = run_in(&folder, command, &r);
	if (!status && r != 0)
		(void)fprintf(stderr, "%s\n%s\n", command, output);
	if (status || r == 0)
		load_image(f, &folder);
	folder_remove(&folder);
	ck_assert(status || r == 0);
	if (status)
		*status = r;
	return output;
}

char *fixture_shell(struct fixture *f, int *status, const char *format, ...)
{
	char command[8192];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(command, sizeof command, format, args);
	va_end(args);
	ck_assert_int_lt(len, (int)sizeof command);
	return run(f, status, command);
}

void fixture_do(struct fixture *f, const char *format, ...)
{
	char command[8192];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(command, sizeof command, format, args);
	va_end(args);
	ck_assert_int_lt(len, (int)sizeof command);
	free(run(f, NULL, command));
}

/* ---- making it ---- */

/* "mmd" for each parent of @path that no earlier path had. */
static void script_parents(FILE *script, const struct fixture_file *files, size_t i)
{
	const char *path = files[i].path;

	for (const char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		size_t len = (size_t)(at - path) + 1;
		bool made = false;

		for (size_t j = 0; j < i; j++)
			made |= strncmp(files[j].path, path, len) == 0;
		if (!made)
			(void)fprintf(script, " '::%.*s'", (int)len - 1, path);
	}
}

static void script_contents(FILE *script, const struct fixture_file *file)
{
	if (file->text) {
		(void)fprintf(script, "mcopy -i x.img - '::%s' <<'END_OF_TEXT'\n%s\nEND_OF_TEXT\n",
			file->path, file->text);
		return;
	}
	(void)fprintf(script, "head -c %u seed%u | mcopy -i x.img - '::%s'\n", file->size,
		file->seed, file->path);
}

static void write_pattern(const struct folder *folder, uint8_t seed, uint32_t size)
{
	uint8_t *bytes = malloc(size + 1u);
	char path[300];
	FILE *file;

	ck_assert_ptr_nonnull(bytes);
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = fixture_byte(seed, i);
	(void)snprintf(path, sizeof path, "%s/seed%u", folder->scratch.path, seed);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
	free(bytes);
}

static void write_patterns(const struct folder *folder, const struct fixture_file *files, size_t n)
{
	for (unsigned seed = 0; seed < 256; seed++) {
		uint32_t size = 0;
		bool any = false;

		for (size_t i = 0; i < n; i++)
			if (!files[i].text && files[i].seed == seed) {
				any = true;
				size = files[i].size > size ? files[i].size : size;
			}
		if (any)
			write_pattern(folder, (uint8_t)seed, size);
	}
}

static char *make_script(const char *mkfs, const struct fixture_file *files, size_t n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *script = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(script);
	(void)fprintf(script,
		"set -e\nmkfs.fat -i 1234ABCD -C %s\ndirs() { test $# -eq 0 || "
		"mmd -i x.img \"$@\"; }\ndirs",
		mkfs);
	for (size_t i = 0; i < n; i++)
		script_parents(script, files, i);
	(void)fprintf(script, "\n");
	for (size_t i = 0; i < n; i++)
		if (files[i].path[strlen(files[i].path) - 1] != '/')
			script_contents(script, &files[i]);
	ck_assert_int_eq(fclose(script), 0);
	return text;
}

/* A fixture without a device; fd and image are to come. */
static struct fixture *fixture_alloc(void)
{
	struct fixture *f = calloc(1, sizeof *f);

	ck_assert_ptr_nonnull(f);
	f->fd = -1;
	return f;
}

struct fixture *fixture_new_mkfs(const char *mkfs, const struct fixture_file *files, size_t n_files)
{
	struct fixture *f = fixture_alloc();
	char *script = make_script(mkfs, files, n_files), *output;
	struct folder folder = folder_new();
	int status;

	write_patterns(&folder, files, n_files);
	output = run_in(&folder, script, &status);
	if (status == 0)
		load_image(f, &folder);
	else
		(void)fprintf(stderr, "%s\n%s\n", script, output);
	folder_remove(&folder);
	ck_assert_int_eq(status, 0);
	free(output);
	free(script);
	ck_assert_int_eq(memdev_wrap(f->bytes, f->size, SECTOR, &f->dev), 0);
	return f;
}

static struct fixture *new_of_type(int type, const struct fixture_file *files, size_t n_files)
{
	static const char *const mkfs[FIXTURE_N_TYPES] = {
		"-F 12 -s 1 -r 64 -n ESP x.img 1024",
		"-F 16 -s 1 -r 64 -n ESP x.img 4096",
		"-F 32 -s 1 -n ESP x.img 36864",
	};

	return fixture_new_mkfs(mkfs[type], files, n_files);
}

/* From fixture_prepare() on, also in the processes of the cases. */
static const struct fixture_file *prepared_files;
static struct fixture *prepared[FIXTURE_N_TYPES];

void fixture_prepare(const struct fixture_file *files, size_t n_files)
{
	prepared_files = files;
	for (int type = 0; type < FIXTURE_N_TYPES; type++)
		prepared[type] = new_of_type(type, files, n_files);
}

void fixture_forget(void)
{
	prepared_files = NULL;
	for (int type = 0; type < FIXTURE_N_TYPES; type++)
		fixture_free(prepared[type]);
}

struct fixture *fixture_new(int type, const struct fixture_file *files, size_t n_files)
{
	struct fixture *f;

	if (!files || files != prepared_files)
		return new_of_type(type, files, n_files);
	f = fixture_alloc();
	f->fd = dup(prepared[type]->fd);
	ck_assert_int_ge(f->fd, 0);
	f->size = prepared[type]->size;
	map_image(f);
	ck_assert_int_eq(memdev_wrap(f->bytes, f->size, SECTOR, &f->dev), 0);
	return f;
}

void fixture_free(struct fixture *f)
{
	fixture_close(f);
	blkdev_close(f->dev);
	ck_assert_int_eq(munmap(f->bytes, f->size), 0);
	ck_assert_int_eq(close(f->fd), 0);
	free(f);
}

void fixture_reset(struct fixture *f)
{
	fixture_close(f);
	map_image(f);
	f->messages[0] = '\0';
}

/* ---- the volume ---- */

static void take_message(void *userdata, const char *message)
{
	struct fixture *f = userdata;
	size_t len = strlen(f->messages);

	ck_assert_ptr_null(strchr(message, '\n'));
	(void)snprintf(f->messages + len, sizeof f->messages - len, "%s\n", message);
}

void fixture_close(struct fixture *f)
{
	fat_close(f->vol);
	f->vol = NULL;
}

static void print_finding(void *userdata, enum fat_severity severity, const char *message)
{
	if (!userdata || severity == FAT_DAMAGE)
		(void)fprintf(stderr, "finding %d: %s\n", (int)severity, message);
}

static struct fat_check_result check_volume(struct fat_volume *vol)
{
	struct fat_check_result result;
	int damage_only = 1;

	ck_assert_int_eq(fat_check(vol, print_finding, &damage_only, &result), 0);
	ck_assert_uint_eq(result.n_damage, 0);
	return result;
}

void fixture_open(struct fixture *f)
{
	struct fat_log log = {take_message, f};

	fixture_close(f);
	ck_assert_int_eq(fat_open(f->dev, "test", &log, &f->vol), 0);
	(void)check_volume(f->vol);
}

struct fat_check_result fixture_check(struct fixture *f)
{
	struct fat_check_result result;
	struct fat_volume *vol;

	ck_assert_int_eq(fat_open(f->dev, "test", NULL, &vol), 0);
	result = check_volume(vol);
	fat_close(vol);
	return result;
}

static void expect_no_finding(struct fixture *f)
{
	struct fat_check_result result;
	struct fat_volume *vol;

	ck_assert_int_eq(fat_open(f->dev, "test", NULL, &vol), 0);
	ck_assert_int_eq(fat_check(vol, print_finding, NULL, &result), 0);
	fat_close(vol);
	ck_assert_uint_eq(result.n_damage + result.n_harmless, 0);
}

/* Its name and version, and the count of files: two lines and no more. */
void fixture_fill_but(struct fixture *f, uint32_t n_left)
{
	struct fat_info info;

	fixture_open(f);
	fat_get_info(f->vol, &info);
	fixture_close(f);
	fixture_do(f, "head -c %u /dev/zero | mcopy -i x.img - ::/fill",
		(info.free_clusters - n_left) * info.cluster_size);
}

void fixture_judge(struct fixture *f)
{
	int status;
	char *output = fixture_shell(f, &status, "fsck.fat -n x.img");
	char *second = strchr(output, '\n'), *end = second ? strchr(second + 1, '\n') : NULL;
	bool good = status == 0 && end && end[1] == '\0' &&
		    strncmp(second + 1, "x.img: ", 7) == 0 && strstr(second, " clusters\n");

	if (!good)
		(void)fprintf(stderr, "%s", output);
	ck_assert(good);
	free(output);
	expect_no_finding(f);
}

/* ---- looking ---- */

static int find(struct fixture *f, const char *path, struct fat_entry *ret)
{
	struct fat_volume *vol;
	int r;

	ck_assert_int_eq(fat_open(f->dev, "test", NULL, &vol), 0);
	r = fat_lookup(vol, path, ret);
	fat_close(vol);
	return r;
}

struct fat_entry fixture_find(struct fixture *f, const char *path)
{
	struct fat_entry entry;

	ck_assert_msg(find(f, path, &entry) == 0, "%s is not there", path);
	return entry;
}

bool fixture_has(struct fixture *f, const char *path)
{
	struct fat_entry entry;
	int r = find(f, path, &entry);

	ck_assert(r == 0 || r == -ENOENT || r == -ENOTDIR);
	return r == 0;
}

static void expect_bytes(const uint8_t *bytes, uint32_t size, uint8_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		if (bytes[i] != fixture_byte(seed, i))
			ck_abort_msg(
				"byte %u is %u and not %u", i, bytes[i], fixture_byte(seed, i));
}

static void expect_our_reading(struct fixture *f, const char *path, uint32_t size, uint8_t seed)
{
	struct fat_entry entry = fixture_find(f, path);
	size_t room = (size / 4096 + 1) * 4096;
	uint8_t *buf = malloc(room);
	struct fat_volume *vol;
	struct fat_file *file;

	ck_assert_ptr_nonnull(buf);
	ck_assert_uint_eq(entry.size, size);
	ck_assert_int_eq(fat_open(f->dev, "test", NULL, &vol), 0);
	ck_assert_int_eq(fat_file_open(vol, entry.first_cluster, entry.size, path, &file), 0);
	ck_assert_int_eq(fat_file_read(file, buf, room), size);
	expect_bytes(buf, size, seed);
	fat_file_close(file);
	fat_close(vol);
	free(buf);
}

void fixture_expect_file(struct fixture *f, const char *path, uint32_t size, uint8_t seed)
{
	struct folder folder = folder_new();
	char command[2048], *output;
	int status;

	expect_our_reading(f, path, size, seed);
	save_image(f, &folder);
	write_pattern(&folder, seed, size);
	(void)snprintf(
		command, sizeof command, "mcopy -i x.img '::%s' - | cmp - seed%u", path, seed);
	output = run_in(&folder, command, &status);
	folder_remove(&folder);
	ck_assert_msg(status == 0, "mtools: %s: %s", path, output);
	free(output);
}

/* ---- entry sets ---- */

static uint8_t checksum(const uint8_t *name)
{
	unsigned sum = 0;

	for (int i = 0; i < 11; i++)
		sum = ((sum >> 1 | sum << 7) + name[i]) & 0xff;
	return (uint8_t)sum;
}

/* Where the 13 UTF-16 units stand in a long-name slot. */
static const uint8_t unit_offsets[] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};

static void put_long_slot(uint8_t *slot, const char *name, size_t ordinal, bool last, uint8_t sum)
{
	size_t len = strlen(name);

	memset(slot, 0, FAT_SLOT_LEN);
	slot[0] = (uint8_t)(ordinal | (last ? 0x40 : 0));
	slot[11] = 0x0f;
	slot[13] = sum;
	for (size_t i = 0; i < 13; i++) {
		size_t at = (ordinal - 1) * 13 + i;
		unsigned unit = at < len ? (uint8_t)name[at] : at == len ? 0 : 0xffff;

		slot[unit_offsets[i]] = (uint8_t)unit;
		slot[unit_offsets[i] + 1] = (uint8_t)(unit >> 8);
	}
}

uint32_t fixture_set(uint8_t *slots, const char *long_name, const char *short_name,
	uint8_t attributes, uint32_t size)
{
	size_t n_long = long_name ? (strlen(long_name) + 12) / 13 : 0;
	uint8_t *entry = slots + n_long * FAT_SLOT_LEN;

	ck_assert_uint_eq(strlen(short_name), 11);
	memset(entry, 0, FAT_SLOT_LEN);
	memcpy(entry, short_name, 11);
	entry[11] = attributes;
	entry[14] = entry[22] = 0x42; /* some time ... */
	entry[16] = entry[24] = 0x21;
	entry[17] = entry[25] = 0x5a; /* ... in 2025 */
	entry[18] = 0x21;
	entry[19] = 0x5a;
	for (int i = 0; i < 4; i++)
		entry[28 + i] = (uint8_t)(size >> (8 * i));
	for (size_t i = 0; i < n_long; i++)
		put_long_slot(
			slots + i * FAT_SLOT_LEN, long_name, n_long - i, i == 0, checksum(entry));
	return (uint32_t)n_long + 1;
}
