/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/spec.h"

enum { CONTENTS_MAX = 128 };

/* The disk or file that is looked at, and what of it was asked for. */
struct source {
	struct fes_disk disk;
	const char *root; /* see fes_host_root() */
	unsigned number;  /* the partition asked for; 0: none was */
};

/* ---- what the user wrote ---- */

static const char *const tags[] = {"PARTUUID", "UUID", "LABEL", "PARTLABEL"};

/* The tag that "TAG=VALUE" begins with, or NULL. */
static const char *find_tag_name(const char *spec)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		size_t len = strlen(tags[i]);

		if (strncmp(spec, tags[i], len) == 0 && spec[len] == '=')
			return tags[i];
	}
	return NULL;
}

static int fail_without(const struct source *source, const struct fes_scan *scan, const char *tag)
{
	const char *what = strncmp(tag, "PART", 4) == 0 ? "partition" : "file system";

	if (scan->n_unreadable == 0)
		return fes_disk_fail(&source->disk, -ENOENT, "no block device has this %s", what);
	return fes_disk_fail(&source->disk, -ENOENT,
		"no block device has this %s; but %zu of the disks could not be read (as root?)",
		what, scan->n_unreadable);
}

/* The one that has the tag. A second one is a copy, and which of them is meant cannot be known. */
static int choose_seen(const struct source *source, const struct fes_scan *scan, const char *tag,
	const struct fes_seen **ret)
{
	const char *value = source->disk.path + strlen(tag) + 1;
	const struct fes_seen *found = NULL;

	for (size_t i = 0; *value && i < scan->n; i++) {
		if (!fes_seen_has_tag(&scan->seen[i], tag, value))
			continue;
		if (found)
			return fes_disk_fail(&source->disk, -ENOTUNIQ,
				"both %s and %s have it: one is a copy; give it another one, or name the right one by its path",
				found->name, scan->seen[i].name);
		found = &scan->seen[i];
	}
	if (!found)
		return fail_without(source, scan, tag);
	*ret = found;
	return 0;
}

static int find_tag(const struct source *source, struct fes_host *host, const char *tag,
	char **path, unsigned *number)
{
	const struct fes_scan *scan;
	const struct fes_seen *seen = NULL;
	int r;

	r = fes_host_scan(host, source->disk.report, source->disk.userdata, &scan);
	if (r == 0)
		r = choose_seen(source, scan, tag, &seen);
	if (r < 0 || !seen)
		return r;
	*number = seen->node ? 0 : seen->number;
	*path = strdup(seen->node ? seen->node : seen->disk);
	return *path ? 0 : -ENOMEM;
}

/* Where the number begins in "PATH:N", or NULL. */
static const char *partition_suffix(const char *spec)
{
	const char *colon = strrchr(spec, ':');

	if (!colon || colon == spec || colon[1] == '\0')
		return NULL;
	if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return NULL;
	return colon + 1;
}

static int parse_number(const struct source *source, const char *digits, unsigned *ret)
{
	unsigned long number;

	errno = 0;
	number = strtoul(digits, NULL, 10);
	/* More than any partition table has. */
	if (errno != 0 || number == 0 || number > 65535)
		return fes_disk_fail(&source->disk, -EINVAL,
			"\"%s\" is no partition number; the first is 1", digits);
	*ret = (unsigned)number;
	return 0;
}

/* Split PATH:N; what exists as it is written is not split. @number is 0 then. */
static int split(const struct source *source, char **path, unsigned *number)
{
	const char *text = source->disk.path, *digits = partition_suffix(text);
	struct stat st;
	char *copy;
	int r;

	*number = 0;
	if (digits && (stat(text, &st) == 0 || (errno != ENOENT && errno != ENOTDIR)))
		digits = NULL;
	if (digits) {
		r = parse_number(source, digits, number);
		if (r < 0)
			return r;
	}
	copy = digits ? strndup(text, (size_t)(digits - 1 - text)) : strdup(text);
	if (!copy)
		return -ENOMEM;
	*path = copy;
	return 0;
}

static int locate(const struct source *source, struct fes_host *host, char **path,
	unsigned *number)
{
	const char *tag = find_tag_name(source->disk.path);

	if (source->disk.path[0] == '\0')
		return fes_disk_fail(&source->disk, -ENOENT, "an empty name is no volume");
	return tag ? find_tag(source, host, tag, path, number) : split(source, path, number);
}

/* ---- the partition table ---- */

static const struct fes_partition *find_number(const struct fes_parttable *table, unsigned number)
{
	for (size_t i = 0; i < table->n_partitions; i++)
		if (table->partitions[i].number == number)
			return &table->partitions[i];
	return NULL;
}

static const struct fes_partition *find_kind(const struct fes_parttable *table,
	enum fes_partition_kind kind, size_t *n)
{
	const struct fes_partition *first = NULL;

	*n = 0;
	for (size_t i = 0; i < table->n_partitions; i++) {
		if (table->partitions[i].kind != kind)
			continue;
		if ((*n)++ == 0)
			first = &table->partitions[i];
	}
	return first;
}

static int fail_several(const struct source *source, const struct fes_parttable *table)
{
	char numbers[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < table->n_partitions && len < sizeof(numbers) - 16; i++) {
		if (table->partitions[i].kind != FES_PARTITION_ESP)
			continue;
		len += (size_t)snprintf(numbers + len, sizeof(numbers) - len, "%s%u",
			len > 0 ? ", " : "", table->partitions[i].number);
	}
	return fes_disk_fail(&source->disk, -ENOTUNIQ,
		"has several EFI System Partitions (%s); name one with PATH:N", numbers);
}

static int choose_esp(const struct source *source, const struct fes_parttable *table,
	const struct fes_partition **ret)
{
	size_t n;

	*ret = find_kind(table, FES_PARTITION_ESP, &n);
	if (n > 1)
		return fail_several(source, table);
	if (n == 1)
		return 0;
	return fes_disk_fail(&source->disk, -EMEDIUMTYPE,
		"has a partition table (%s) but no EFI System Partition (type %s); "
		"name one with PATH:N",
		table->type,
		strcmp(table->type, "gpt") == 0 ? "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" : "ef");
}

static int choose_number(const struct source *source, const struct fes_parttable *table,
	const struct fes_partition **ret)
{
	const struct fes_partition *partition = find_number(table, source->number);

	if (!partition)
		return fes_disk_fail(&source->disk, -EMEDIUMTYPE, "has no partition %u",
			source->number);
	if (partition->is_container)
		return fes_disk_fail(&source->disk, -EMEDIUMTYPE,
			"partition %u is an extended partition; name one inside it",
			source->number);
	*ret = partition;
	return 0;
}

static bool overlap(const struct fes_partition *a, const struct fes_partition *b)
{
	return !a->is_container && !b->is_container && a->offset - b->offset < b->size;
}

/* What is written to one of two that overlap destroys the other, and both may be ours. */
static int refuse_overlap(const struct source *source, const struct fes_parttable *table,
	const struct fes_partition *partition)
{
	for (size_t i = 0; i < table->n_partitions; i++) {
		const struct fes_partition *other = &table->partitions[i];

		if (other != partition && (overlap(partition, other) || overlap(other, partition)))
			return fes_disk_fail(&source->disk, -EUCLEAN,
				"partitions %u and %u overlap; mend its partition table first",
				partition->number, other->number);
	}
	return 0;
}

/* The partition that was asked for, or the ESP; or NULL and @error. */
static const struct fes_partition *choose_partition(const struct source *source,
	const struct fes_parttable *table, int *error)
{
	const struct fes_partition *partition = NULL;

	*error = source->number > 0 ? choose_number(source, table, &partition) :
		choose_esp(source, table, &partition);
	if (*error < 0 || !partition)
		return NULL;
	if (partition->offset > source->disk.size ||
		partition->size > source->disk.size - partition->offset) {
		*error = fes_disk_fail(&source->disk, -EUCLEAN,
			"partition %u reaches beyond the end; is the image truncated?",
			partition->number);
		return NULL;
	}
	*error = refuse_overlap(source, table, partition);
	return *error < 0 ? NULL : partition;
}

/* What libfdisk did not like; it got along all the same. */
static int pass_warning(const struct source *source, const struct fes_parttable *table)
{
	char *message;

	if (!table->warning)
		return 0;
	if (asprintf(&message, "%s: %s Repair it, for instance with 'sfdisk' or 'gdisk'.",
		    source->disk.path, table->warning) < 0)
		return -ENOMEM;
	source->disk.report(source->disk.userdata, FES_LOG_WARNING, message);
	free(message);
	return 0;
}

/* ---- putting it together ---- */

static char *dup_or_null(const char *string)
{
	return string[0] ? strdup(string) : NULL;
}

/* Fill in what is known; on -ENOMEM @ret is freed by the caller. */
static int fill(struct fes_spec *ret, const char *path, const char *lock_path, const char *name)
{
	ret->path = strdup(path);
	ret->lock_path = strdup(lock_path);
	ret->name = strdup(name);
	return ret->path && ret->lock_path && ret->name ? 0 : -ENOMEM;
}

/*
 * What the partition table says about @partition. Boot loaders take the first XBOOTLDR of the disk
 * that they were started from.
 */
static int fill_partition(struct fes_spec *ret, const char *disk,
	const struct fes_parttable *table, const struct fes_partition *partition)
{
	const struct fes_partition *xbootldr;
	size_t n;

	ret->kind = partition->kind;
	ret->sector_size = table->sector_size;
	ret->partuuid = dup_or_null(partition->uuid);
	if (partition->uuid[0] && !ret->partuuid)
		return -ENOMEM;
	xbootldr = find_kind(table, FES_PARTITION_XBOOTLDR, &n);
	if (!xbootldr || partition->kind == FES_PARTITION_XBOOTLDR)
		return 0;
	if (asprintf(&ret->xbootldr, "%s:%u", disk, xbootldr->number) >= 0)
		return 0;
	ret->xbootldr = NULL; /* it may hold anything now */
	return -ENOMEM;
}

static int refuse_raid(const struct source *source, int fd, const struct fes_spec *spec)
{
	struct fes_disk named = source->disk;
	char type[CONTENTS_MAX];
	int usage;

	usage = fes_contents_probe(fd, spec->offset, spec->size, type, sizeof(type));
	if (usage != FES_CONTENTS_RAID)
		return usage < 0 ? usage : 0;
	named.path = spec->name;
	return fes_disk_fail(&named, -EMEDIUMTYPE, "is a RAID member (%s); name the array instead",
		type);
}

static int resolve_file_partition(const struct source *source, const struct fes_parttable *table,
	struct fes_spec *ret)
{
	const char *path = source->disk.path;
	const struct fes_partition *partition;
	char *name = NULL;
	int r;

	partition = choose_partition(source, table, &r);
	if (!partition)
		return r;
	if (source->number > 0 && asprintf(&name, "%s:%u", path, source->number) < 0)
		return -ENOMEM;

	ret->offset = partition->offset;
	ret->size = partition->size;
	r = fill(ret, path, path, name ? name : path);
	free(name);
	return r < 0 ? r : fill_partition(ret, path, table, partition);
}

static int fail_no_table(const struct source *source)
{
	return fes_disk_fail(&source->disk, -EMEDIUMTYPE,
		"is a FAT volume without a partition table, so it has no partition %u",
		source->number);
}

/* A disk or image that is a volume itself. */
static int resolve_whole(const struct source *source, struct fes_spec *ret)
{
	const char *path = source->disk.path;

	return source->number > 0 ? fail_no_table(source) : fill(ret, path, path, path);
}

static int resolve_file(const struct source *source, struct fes_spec *ret)
{
	struct fes_parttable table = {0};
	int r;

	r = fes_disk_look(&source->disk, &table);
	if (r == 0)
		r = pass_warning(source, &table);
	if (r == 0)
		r = table.type[0] ? resolve_file_partition(source, &table, ret)
				  : resolve_whole(source, ret);
	fes_parttable_done(&table);
	return r < 0 ? r : refuse_raid(source, source->disk.fd, ret);
}

/* Look for a RAID signature in a node that is not open yet. */
static int refuse_raid_node(const struct source *source, const struct fes_spec *spec)
{
	struct fes_disk named = source->disk;
	int fd, r;

	named.path = spec->name;
	fd = open(spec->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fes_disk_fail(&named, fes_last_error(), "cannot be opened: %m");
	r = refuse_raid(source, fd, spec);
	(void)close(fd);
	return r;
}

static int resolve_disk_partition(const struct source *source, const struct fes_parttable *table,
	struct fes_spec *ret)
{
	const struct fes_partition *partition;
	char *node = NULL;
	int r;

	partition = choose_partition(source, table, &r);
	if (!partition)
		return r;
	r = fes_disk_find_node(&source->disk, source->root, partition, &node);
	if (r < 0)
		return r;
	r = fill(ret, node, source->disk.path, node);
	free(node);
	if (r == 0)
		r = fill_partition(ret, source->disk.path, table, partition);
	return r < 0 ? r : refuse_raid_node(source, ret);
}

static int resolve_disk(const struct source *source, struct fes_spec *ret)
{
	struct fes_parttable table = {0};
	int r;

	r = fes_disk_look(&source->disk, &table);
	if (r == 0)
		r = pass_warning(source, &table);
	if (r == 0 && table.type[0]) {
		r = resolve_disk_partition(source, &table, ret);
	} else if (r == 0) {
		r = resolve_whole(source, ret);
		if (r == 0)
			r = refuse_raid(source, source->disk.fd, ret);
	}
	fes_parttable_done(&table);
	return r;
}

static int fill_from_table(const struct source *source, const char *disk, unsigned number,
	const struct fes_parttable *table, struct fes_spec *ret)
{
	const struct fes_partition *partition = find_number(table, number);
	struct source whole = *source;
	int r;

	whole.disk.path = disk;
	r = pass_warning(&whole, table);
	if (r < 0 || !partition)
		return r;
	r = refuse_overlap(&whole, table, partition);
	return r < 0 ? r : fill_partition(ret, disk, table, partition);
}

/*
 * What the partition table says about partition @number of @disk; nothing when that cannot be seen,
 * for instance because one may read the partition but not the disk.
 */
static int look_up_partition(const struct source *source, const char *disk, unsigned number,
	struct fes_spec *ret)
{
	struct fes_parttable table;
	int r = fes_parttable_read(disk, 0, &table);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = fill_from_table(source, disk, number, &table, ret);
	fes_parttable_done(&table);
	return r;
}

/* The node of the disk that a partition is on, or of the partition where it cannot be found. */
static char *find_disk(const struct source *source)
{
	char *node = NULL;
	dev_t device;

	if (fes_sysfs_find_disk(source->root, source->disk.device, &device))
		node = fes_disk_node_of(device);
	return node ? node : strdup(source->disk.path);
}

static int resolve_partition_node(const struct source *source, unsigned number,
	struct fes_spec *ret)
{
	const char *path = source->disk.path;
	char *disk;
	int r;

	if (source->number > 0)
		return fes_disk_fail(&source->disk, -EINVAL,
			"is a partition and has no partition %u of its own", source->number);
	disk = find_disk(source);
	if (!disk)
		return -ENOMEM;
	r = fill(ret, path, disk, path);
	if (r == 0)
		r = look_up_partition(source, disk, number, ret);
	free(disk);
	return r < 0 ? r : refuse_raid(source, source->disk.fd, ret);
}

static int resolve_block(const struct source *source, struct fes_spec *ret)
{
	unsigned number;

	if (fes_sysfs_partition_number(source->root, source->disk.device, &number))
		return resolve_partition_node(source, number, ret);
	return resolve_disk(source, ret);
}

static int resolve_path(struct source *source, struct fes_spec *ret)
{
	int r;

	r = fes_disk_open(&source->disk);
	if (r == 0)
		r = source->disk.device ? resolve_block(source, ret) : resolve_file(source, ret);
	fes_disk_close(&source->disk);
	return r;
}

int fes_spec_resolve(struct fes_host *host, const char *spec, fes_log_fn report, void *userdata,
	struct fes_spec *ret)
{
	struct source source = {
		.disk = {.report = report, .userdata = userdata, .path = spec, .fd = -1},
		.root = fes_host_root(host),
	};
	struct fes_spec resolved = {0};
	char *path = NULL;
	int r;

	r = locate(&source, host, &path, &source.number);
	if (r < 0 || !path)
		return r;

	source.disk.path = path;
	resolved.spec = strdup(spec);
	r = resolved.spec ? resolve_path(&source, &resolved) : -ENOMEM;
	free(path);
	if (r < 0) {
		fes_spec_done(&resolved);
		return r;
	}
	*ret = resolved;
	return 0;
}

void fes_spec_done(struct fes_spec *spec)
{
	free(spec->spec);
	free(spec->path);
	free(spec->lock_path);
	free(spec->name);
	free(spec->partuuid);
	free(spec->xbootldr);
	*spec = (struct fes_spec){0};
}
