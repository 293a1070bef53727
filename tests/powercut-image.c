/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <fcntl.h>
#include <fts.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/powercut.h"

/* Volumes made by mkfs.fat and mtools, which share no code with what is tested. */

enum { DAY = 86400, YEAR_2024 = 1704067200, PATH_LEN = 512, ROOMY = 512 * 1024 * 1024 };

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[8192];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(command, sizeof command, format, args);
	va_end(args);
	ck_assert_int_lt(n, (int)sizeof command);
	ck_assert_msg(system(command) == 0, "failed: %s", command);
}

void cut_require(bool ok, const char *what)
{
	if (!ok)
		ck_abort_msg("failed: %s", what);
}

bool cut_tools_found(void)
{
	(void)setenv("TZ", "UTC", 1);
	(void)setenv("MTOOLSRC", "/dev/null", 1);
	(void)setenv("MTOOLS_SKIP_CHECK", "1", 1);
	if (system("for t in mkfs.fat fsck.fat mcopy mdel mmd; do "
		   "command -v $t >/dev/null || exit 1; done") == 0)
		return true;
	puts("mkfs.fat, fsck.fat or mtools not found: skipped");
	return false;
}

/* ext4 takes its time to make files where many were deleted seconds ago. */
static bool is_roomy(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize > ROOMY;
}

char *cut_scratch_make(void)
{
	const char *folder = getenv("TMPDIR");
	char *path;

	if (!folder)
		folder = is_roomy("/dev/shm") ? "/dev/shm" : "/tmp";
	if (asprintf(&path, "%s/fatespsync.XXXXXX", folder) < 0)
		return NULL;
	if (mkdtemp(path))
		return path;
	free(path);
	return NULL;
}

void cut_scratch_remove(char *path)
{
	char command[PATH_LEN];

	(void)snprintf(command, sizeof command, "rm -rf '%s'", path);
	if (!getenv("KEEP") && system(command) != 0)
		fprintf(stderr, "%s is left\n", path);
	free(path);
}

/* ---- files ---- */

static void write_bytes(FILE *f, unsigned long n, unsigned seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (unsigned long i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		cut_require(fputc((int)(x & 0xff), f) != EOF, "fputc");
	}
}

static void set_day(const char *path, unsigned long day)
{
	struct timespec times[2] = {{.tv_sec = YEAR_2024 + (time_t)day * DAY}};

	times[1] = times[0];
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Writes the file and returns its day. */
static unsigned long write_spec(const char *path, const char *spec)
{
	unsigned long n, seed, day;
	FILE *f = fopen(path, "we");
	char *at;

	ck_assert_ptr_nonnull(f);
	if (*spec == '=') {
		ck_assert_int_ge(fputs(spec + 1, f), 0);
		ck_assert_int_eq(fclose(f), 0);
		return strlen(spec);
	}
	n = strtoul(spec, &at, 10);
	ck_assert_int_eq(*at, '@');
	seed = strtoul(at + 1, &at, 10);
	day = *at == ':' ? strtoul(at + 1, &at, 10) : seed;
	write_bytes(f, n, (unsigned)seed);
	ck_assert_int_eq(fclose(f), 0);
	return day;
}

/* Call @fn for every folder above @path, from position @from on. */
static void each_parent(char *path, size_t from, void (*fn)(const char *path))
{
	for (char *at = strchr(path + from, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		fn(path);
		*at = '/';
	}
}

static void make_folder(const char *path)
{
	(void)mkdir(path, 0755); /* it may be there already */
}

static void set_folder_day(const char *path)
{
	set_day(path, 33);
}


static void write_one(char *path, size_t from, const char *spec)
{
	each_parent(path, from, make_folder);
	if (path[strlen(path) - 1] != '/')
		set_day(path, write_spec(path, spec));
}

static void date_folders(char *path, size_t from, const char *spec)
{
	(void)spec;
	each_parent(path, from, set_folder_day);
}

static void remove_one(char *path, size_t from, const char *spec)
{
	(void)spec;
	(void)unlink(path); /* a folder, where the path ends in a slash */
	for (char *at = strrchr(path, '/'); at >= path + from; at = strrchr(path, '/')) {
		*at = '\0';
		if (rmdir(path) < 0)
			return; /* there is more in it */
	}
}

/* Do something for every file of the tree at @dir. */
static void each_file(const char *dir, const struct cut_file *files, bool after,
	void (*fn)(char *path, size_t from, const char *spec))
{
	for (const struct cut_file *f = files; f && f->path; f++) {
		const char *spec = after ? f->after : f->before;
		char path[PATH_LEN];

		if (!spec)
			continue;
		ck_assert_int_lt(snprintf(path, sizeof path, "%s%s", dir, f->path), PATH_LEN);
		fn(path, strlen(dir) + 1, spec);
	}
}

static void make_tree(const char *dir, const struct cut_file *files, bool after)
{
	each_file(dir, files, after, write_one);
	each_file(dir, files, after, date_folders);
}

static void remove_tree(const char *dir, const struct cut_file *files, bool after)
{
	each_file(dir, files, after, remove_one);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void put_tree(const char *dir, const char *image)
{
	run("cd '%s' && set -- * && { [ ! -e \"$1\" ] || mcopy -s -p -m -n -i '%s' -- \"$@\" ::; }",
		dir, image);
}

/* ---- volumes ---- */

static void format_volume(const char *image, const struct cut_shape *shape)
{
	unsigned n_fats = shape->n_fats ? shape->n_fats : 2;
	unsigned slots = shape->root_slots ? shape->root_slots : 512;
	unsigned fat = shape->n_clusters * shape->fat_bits / 8 / shape->sector_size + 1;
	unsigned root = slots * 32 / shape->sector_size, reserved = shape->fat_bits == 32 ? 32 : 1;
	unsigned long sectors = reserved + n_fats * fat + root +
		(unsigned long)shape->n_clusters * shape->cluster_sectors;
	char root_option[32] = "";

	if (shape->fat_bits != 32)
		(void)snprintf(root_option, sizeof root_option, "-r %u", slots);
	run("rm -f '%s' && truncate -s %lu '%s'", image, sectors * shape->sector_size, image);
	run("mkfs.fat -a -F %u -S %u -s %u -f %u %s -i 1234ABCD -n ESP '%s' >/dev/null",
		shape->fat_bits, shape->sector_size, shape->cluster_sectors, n_fats, root_option,
		image);
}

static struct cut_image load(const char *path)
{
	struct cut_image image = {0};
	struct stat st;
	FILE *f = fopen(path, "re");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fstat(fileno(f), &st), 0);
	image.size = (uint64_t)st.st_size;
	image.bytes = malloc(image.size);
	ck_assert_ptr_nonnull(image.bytes);
	ck_assert_uint_eq(fread(image.bytes, 1, image.size, f), image.size);
	ck_assert_int_eq(fclose(f), 0);
	return image;
}

struct cut_image cut_image_copy(const struct cut_image *image)
{
	struct cut_image copy = {.size = image->size, .bytes = malloc(image->size)};

	ck_assert_ptr_nonnull(copy.bytes);
	memcpy(copy.bytes, image->bytes, image->size);
	return copy;
}

/* Files side by side, every other of which goes away again. */
static void make_gaps(const char *dir, const char *image, const struct cut_shape *shape)
{
	unsigned long cluster = (unsigned long)shape->sector_size * shape->cluster_sectors;
	unsigned gap = shape->gap ? shape->gap : CUT_GAP;
	unsigned between = shape->gap ? shape->gap : CUT_BETWEEN;
	char path[PATH_LEN];

	if (shape->n_fragments == 0)
		return;
	run("rm -rf '%s/gaps' && mkdir '%s/gaps'", dir, dir);
	for (unsigned i = 0; i < shape->n_fragments; i++) {
		FILE *f;

		(void)snprintf(path, sizeof path, "%s/gaps/g%03ua", dir, i);
		f = fopen(path, "we");
		ck_assert_ptr_nonnull(f);
		write_bytes(f, gap * cluster, i);
		ck_assert_int_eq(fclose(f), 0);
		(void)snprintf(path, sizeof path, "%s/gaps/g%03ub", dir, i);
		f = fopen(path, "we");
		ck_assert_ptr_nonnull(f);
		write_bytes(f, between * cluster, i + 1000);
		ck_assert_int_eq(fclose(f), 0);
	}
	run("mmd -i '%s' ::/GAPS && cd '%s/gaps' && mcopy -i '%s' g* ::/GAPS && "
	    "mdel -i '%s' '::/GAPS/g*a'",
		image, dir, image, image);
}

/* What is foreign and has a second version goes away again. */
static void delete_again(const char *image, const struct cut_file *files)
{
	for (; files && files->path; files++)
		if (files->after)
			run("mdel -i '%s' '::%s'", image, files->path);
}

/* Fill the formatted volume in the file @image from a tree of files that is made for it. */
static void fill_volume(const char *dir, const char *image, const struct cut_file *files, bool after)
{
	char tree[PATH_LEN];

	(void)snprintf(tree, sizeof tree, "%s/tree", dir);
	ck_assert_int_eq(mkdir(tree, 0755), 0);
	make_tree(tree, files, after);
	put_tree(tree, image);
	remove_tree(tree, files, after);
}

static void save(const char *path, const struct cut_image *image)
{
	FILE *f = fopen(path, "we");

	cut_require(f != NULL, path);
	cut_require(fwrite(image->bytes, 1, image->size, f) == image->size, path);
	cut_require(fclose(f) == 0, path);
}

static void copy_file(const char *from, const char *to)
{
	struct cut_image image = load(from);

	save(to, &image);
	free(image.bytes);
}

/* Formatting takes longer than all the rest, and primaries are many. */
struct cut_image cut_make_primary(const char *dir, const struct cut_file *files, bool after)
{
	static const struct cut_shape shape = {
		.fat_bits = 12,
		.sector_size = 512,
		.cluster_sectors = 1,
		.n_clusters = 1500,
	};
	char formatted[PATH_LEN], image[PATH_LEN];

	(void)snprintf(formatted, sizeof formatted, "%s/formatted.img", dir);
	(void)snprintf(image, sizeof image, "%s/primary.img", dir);
	if (access(formatted, F_OK) < 0)
		format_volume(formatted, &shape);
	copy_file(formatted, image);
	fill_volume(dir, image, files, after);
	return load(image);
}

struct cut_image cut_make_mirror(const char *dir, const struct cut_shape *shape,
	const struct cut_file *foreign)
{
	char image[PATH_LEN];
	struct cut_image ret;

	(void)snprintf(image, sizeof image, "%s/mirror.img", dir);
	format_volume(image, shape);
	fill_volume(dir, image, foreign, false);
	delete_again(image, foreign);
	make_gaps(dir, image, shape);
	ret = load(image);
	ck_assert_int_eq(unlink(image), 0);
	return ret;
}

/* ---- fsck.fat ---- */

static bool begins_with_one_of(const char *line, const char *const *list)
{
	for (; *list; list++)
		if (strncmp(line, *list, strlen(*list)) == 0)
			return true;
	return false;
}

/* The program's name and version, and the summary: "file: 12 files, 34/5678 clusters". */
static bool is_frame(const char *line, const char *path)
{
	return strncmp(line, "fsck.fat ", 9) == 0 || strncmp(line, path, strlen(path)) == 0;
}

/*
 * While the FAT is being written, a power cut may leave half of an entry that lies in two sectors.
 * The judge came before: no chain that anybody reads leads there. fsck.fat counts clusters from 0
 * in this message.
 */
static bool is_half_an_entry(const char *line, const struct cut_image *image)
{
	unsigned cluster, value, max, sector_size = image->bytes[11] | (unsigned)image->bytes[12] << 8;

	return sscanf(line, "Cluster %u out of range (%u > %u).", &cluster, &value, &max) == 3 &&
		max < 4085 && (cluster + 2) * 3 / 2 % sector_size == sector_size - 1;
}

static bool line_allowed(const char *line, bool final, bool orphans)
{
	static const char *const orphaned[] = {
		"Orphaned long file name part",
		"  Auto-deleting.",
		"Leaving filesystem unchanged.",
		NULL,
	};
	static const char *const harmless[] = {
		"FATs differ but appear to be intact.",
		"  Using first FAT.",
		"Reclaiming unconnected clusters.",
		"Reclaimed ",
		"Free cluster summary wrong",
		"  Auto-correcting.",
		"Leaving filesystem unchanged.",
		NULL,
	};

	if ((!final || orphans) && begins_with_one_of(line, orphaned))
		return true;
	return !final && begins_with_one_of(line, harmless);
}

bool cut_fsck_accepts(const char *dir, const struct cut_image *image, bool final, bool orphans,
	char *complaint, size_t len)
{
	char path[PATH_LEN], command[PATH_LEN * 2], line[1024];
	bool fine = true;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/fsck.img", dir);
	save(path, image);
	(void)snprintf(command, sizeof command, "fsck.fat -n '%s' 2>&1", path);
	f = popen(command, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!fine || *line == '\0' || is_frame(line, path) ||
			line_allowed(line, final, orphans) ||
			(!final && is_half_an_entry(line, image)))
			continue;
		fine = false;
		(void)snprintf(complaint, len, "fsck.fat: %s", line);
	}
	(void)pclose(f); /* harmless findings have an exit status, too */
	(void)unlink(path);
	return fine;
}

/* ---- mtools ---- */

static bool same_file(const char *path, const struct cut_snapshot *s, const struct cut_node *node)
{
	struct cut_image file = load(path);
	bool same = file.size == node->size;

	for (uint32_t at = 0; same && at < node->size; at += 512) {
		uint32_t len = node->size - at < 512 ? node->size - at : 512;

		same = memcmp(file.bytes + at, cut_bytes_at(s, node, at), len) == 0;
	}
	free(file.bytes);
	return same;
}

static bool same_node(const char *dir, const struct cut_snapshot *s, const struct cut_node *node)
{
	char path[PATH_LEN];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s%s", dir, node->path);
	if (stat(path, &st) < 0)
		return false;
	return node->directory ? S_ISDIR(st.st_mode)
			       : S_ISREG(st.st_mode) && same_file(path, s, node);
}

/* The number of files and folders below @dir. */
static size_t count_nodes(const char *dir)
{
	char *const paths[] = {(char *)(uintptr_t)dir, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	size_t n = 0;

	cut_require(fts != NULL, "fts_open");
	while ((entry = fts_read(fts)))
		n += entry->fts_level > 0 && entry->fts_info != FTS_DP;
	(void)fts_close(fts);
	return n;
}

bool cut_mtools_agree(const char *dir, const struct cut_image *image,
	const struct cut_snapshot *snapshot, char *complaint, size_t len)
{
	char path[PATH_LEN], out[PATH_LEN];
	bool fine = true;

	(void)snprintf(path, sizeof path, "%s/mtools.img", dir);
	(void)snprintf(out, sizeof out, "%s/mtools", dir);
	save(path, image);
	run("mkdir '%s'", out);
	if (snapshot->n > 0)
		run("mcopy -s -n -Q -i '%s' '::*' '%s'", path, out);
	for (size_t i = 0; fine && i < snapshot->n; i++) {
		fine = same_node(out, snapshot, &snapshot->nodes[i]);
		if (!fine)
			(void)snprintf(complaint, len, "mtools: %s: not there, or not the same",
				snapshot->nodes[i].path);
	}
	if (fine && count_nodes(out) != snapshot->n) {
		fine = false;
		(void)snprintf(complaint, len, "mtools: %zu files and folders, not %zu",
			count_nodes(out), snapshot->n);
	}
	run("rm -r '%s' '%s'", out, path);
	return fine;
}
