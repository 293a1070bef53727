/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/mounts.h"
#include "lib/spec.h"

/*
 * Not through libmount: Debian's needs libselinux and libpcre2, together more than a MiB in an
 * initramfs, for a file that a page of code reads. Source of the format: proc(5),
 * /proc/pid/mountinfo:
 *
 *     36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *     id parent device root path options optional... - type source super-options
 */

/* ---- one line ---- */

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

static bool is_escape(const char *text)
{
	return text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && is_octal(text[2]) &&
		is_octal(text[3]);
}

/* Blanks, line ends, backslashes and '#' are written as a backslash and three octal digits. */
static void decode_octal(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (is_escape(from)) {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				(from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static bool parse_device(const char *text, dev_t *ret)
{
	unsigned long maj, min;
	char *colon, *end;

	errno = 0;
	maj = strtoul(text, &colon, 10);
	if (colon == text || *colon != ':')
		return false;
	min = strtoul(colon + 1, &end, 10);
	if (errno != 0 || end == colon + 1 || *end || maj > UINT_MAX || min > UINT_MAX)
		return false;
	*ret = makedev((unsigned)maj, (unsigned)min);
	return true;
}

static bool has_option(const char *options, const char *option)
{
	size_t len = strlen(option);

	while (options) {
		/* strchr() finds the end of its string, too. */
		if (strncmp(options, option, len) == 0 && strchr(",", options[len]))
			return true;
		options = strchr(options, ',');
		options = options ? options + 1 : NULL;
	}
	return false;
}

/* The parts of a line, as they stand there. */
struct fields {
	char *device;
	char *root;
	char *path;
	char *options;
	char *type;
	char *super_options;
};

/* Cut the next field off *@rest, which is NULL at the end. A source can be of no bytes. */
static char *next_field(char **rest)
{
	return strsep(rest, " ");
}

/* Any number of optional fields end with a single dash. */
static void skip_optional(char **rest)
{
	const char *field;

	do {
		field = next_field(rest);
	} while (field && strcmp(field, "-") != 0);
}

/* Cut @line into its parts. */
static bool split(char *line, struct fields *ret)
{
	line[strcspn(line, "\n")] = '\0';
	(void)next_field(&line); /* id */
	(void)next_field(&line); /* parent */
	ret->device = next_field(&line);
	ret->root = next_field(&line);
	ret->path = next_field(&line);
	ret->options = next_field(&line);
	skip_optional(&line);
	ret->type = next_field(&line);
	(void)next_field(&line); /* source */
	ret->super_options = next_field(&line);
	return ret->super_options != NULL;
}

static void mount_done(struct fes_mount *mount)
{
	free(mount->root);
	free(mount->path);
	free(mount->type);
}

/* Returns 1 and a mount, 0 when the line makes no sense, or -ENOMEM. @line is cut to pieces. */
static int parse_line(char *line, struct fes_mount *ret)
{
	struct fes_mount mount = {0};
	struct fields fields;

	if (!split(line, &fields) || !parse_device(fields.device, &mount.device))
		return 0;
	decode_octal(fields.root);
	decode_octal(fields.path);
	decode_octal(fields.type);
	mount.read_only = has_option(fields.options, "ro") ||
		has_option(fields.super_options, "ro");
	mount.root = strdup(fields.root);
	mount.path = strdup(fields.path);
	mount.type = strdup(fields.type);
	if (!mount.root || !mount.path || !mount.type) {
		mount_done(&mount);
		return -ENOMEM;
	}
	*ret = mount;
	return 1;
}

/* ---- all of them ---- */

static int add_mount(struct fes_mounts *mounts, struct fes_mount *mount)
{
	struct fes_mount *more = realloc(mounts->mounts, (mounts->n + 1) * sizeof *more);

	if (!more) {
		mount_done(mount);
		return -ENOMEM;
	}
	mounts->mounts = more;
	mounts->mounts[mounts->n++] = *mount;
	return 0;
}

static int read_lines(FILE *file, struct fes_mounts *mounts)
{
	struct fes_mount mount;
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	errno = 0;
	while (r >= 0 && getline(&line, &room, file) >= 0) {
		r = parse_line(line, &mount);
		if (r > 0)
			r = add_mount(mounts, &mount);
		errno = 0;
	}
	if (r >= 0 && !feof(file))
		r = fes_last_error();
	free(line);
	return r < 0 ? r : 0;
}

int fes_mounts_read(const char *root, long pid, struct fes_mounts *ret)
{
	struct fes_mounts mounts = {0};
	char path[PATH_MAX], process[32] = "self";
	FILE *file;
	int r;

	if (pid != 0)
		(void)snprintf(process, sizeof process, "%ld", pid);
	(void)snprintf(path, sizeof path, "%s/proc/%s/mountinfo", root, process);
	file = fopen(path, "re");
	if (!file)
		return fes_last_error();
	r = read_lines(file, &mounts);
	(void)fclose(file);
	if (r < 0) {
		fes_mounts_done(&mounts);
		return r;
	}
	*ret = mounts;
	return 0;
}

void fes_mounts_done(struct fes_mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++)
		mount_done(&mounts->mounts[i]);
	free(mounts->mounts);
	*mounts = (struct fes_mounts){0};
}

/* ---- what is asked about them ---- */

/* An autofs is the trap that mounts the real thing over itself; who looks there springs it. */
const struct fes_mount *fes_mounts_at(const struct fes_mounts *mounts, const char *path)
{
	for (size_t i = mounts->n; i > 0; i--) {
		const struct fes_mount *mount = &mounts->mounts[i - 1];

		if (strcmp(mount->path, path) == 0 && strcmp(mount->type, "autofs") != 0)
			return mount;
	}
	return NULL;
}

/* More is better: not covered, then whole, then writable. */
static unsigned rate(const struct fes_mounts *mounts, const struct fes_mount *mount)
{
	unsigned visible = fes_mounts_at(mounts, mount->path) == mount;
	unsigned whole = strcmp(mount->root, "/") == 0;
	unsigned writable = !mount->read_only;

	return visible << 2 | whole << 1 | writable;
}

const struct fes_mount *fes_mounts_of(const struct fes_mounts *mounts, dev_t device)
{
	const struct fes_mount *best = NULL;

	for (size_t i = 0; i < mounts->n; i++) {
		const struct fes_mount *mount = &mounts->mounts[i];

		if (mount->device == device &&
			(!best || rate(mounts, mount) > rate(mounts, best)))
			best = mount;
	}
	return best;
}
