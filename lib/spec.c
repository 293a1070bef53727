/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <blkid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fat/blkdev.h"
#include "fat/ondisk.h"

#include "lib/spec.h"

enum {
	SECTOR = 512,
	LARGE_SECTOR = 4096,
	CONTENTS_MAX = 128,
};

/* The disk or file that is looked at, and who is told what is wrong with it. */
struct source {
	void (*report)(void *userdata, const char *message);
	void *userdata;
	const char *path;
	unsigned number;    /* the partition asked for; 0: none was */
	int fd;             /* for libblkid and libfdisk, */
	struct blkdev *dev; /* and for ourselves */
	dev_t device;       /* of a block device, else 0 */
	uint64_t size;      /* bytes */
};

/* Report "path: text" and return @error. %m stands for @error. */
__attribute__((format(printf, 3, 4)))
static int fail(const struct source *source, int error, const char *format, ...)
{
	char *text = NULL, *message = NULL;
	va_list args;
	int n;

	errno = -error;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;

	n = asprintf(&message, "%s: %s", source->path, text);
	free(text);
	if (n < 0)
		return -ENOMEM;
	source->report(source->userdata, message);
	free(message);
	return error;
}

static int fail_open(const struct source *source, int error)
{
	return fail(source, error, "cannot be opened: %m");
}

/* ---- what the user wrote ---- */

static bool is_tag(const char *spec)
{
	static const char *const tags[] = {"PARTUUID=", "UUID=", "LABEL=", "PARTLABEL="};
	size_t i;

	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (strncmp(spec, tags[i], strlen(tags[i])) == 0)
			return true;
	return false;
}

/* The node with a tag, or NULL. */
static char *evaluate_tag(const char *tag, const char *value)
{
	blkid_cache cache;
	char *path;

	/* A cache that nobody reads and that is not written to /run. */
	if (blkid_get_cache(&cache, "/dev/null") < 0)
		return NULL;
	path = blkid_evaluate_tag(tag, value, &cache);
	blkid_put_cache(cache);
	return path;
}

static int find_tag(const struct source *source, char **ret)
{
	char *tag, *value, *c, *path;

	tag = strdup(source->path);
	if (!tag)
		return -ENOMEM;
	value = strchr(tag, '=');
	*value++ = '\0';
	/* libblkid and udev know it in lower case; users copy it from anywhere. */
	if (strcmp(tag, "PARTUUID") == 0)
		for (c = value; *c; c++)
			*c = (char)tolower((unsigned char)*c);

	path = *value ? evaluate_tag(tag, value) : NULL;
	free(tag);
	if (!path)
		return fail(source, -ENOENT, "no block device has this %s",
			strncmp(source->path, "PART", 4) == 0 ? "partition" : "file system");
	*ret = path;
	return 0;
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
		return fail(source, -EINVAL, "\"%s\" is no partition number; the first is 1",
			digits);
	*ret = (unsigned)number;
	return 0;
}

/* Split PATH:N; what exists as it is written is not split. @number is 0 then. */
static int split(const struct source *source, char **path, unsigned *number)
{
	const char *digits = partition_suffix(source->path);
	struct stat st;
	char *copy;
	int r;

	*number = 0;
	if (digits && (stat(source->path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR)))
		digits = NULL;
	if (digits) {
		r = parse_number(source, digits, number);
		if (r < 0)
			return r;
	}
	copy = digits ? strndup(source->path, (size_t)(digits - 1 - source->path)) :
		strdup(source->path);
	if (!copy)
		return -ENOMEM;
	*path = copy;
	return 0;
}

/* ---- what stands at the front ---- */

static int read_boot_sector(const struct source *source, struct fat_boot_sector *ret)
{
	size_t len = blkdev_sector_size(source->dev);
	void *sector;
	int r;

	sector = blkdev_buffer_new(len);
	if (!sector)
		return -ENOMEM;
	r = blkdev_read(source->dev, 0, sector, len);
	if (r == 0)
		memcpy(ret, sector, sizeof(*ret));
	free(sector);
	return r < 0 ? fail(source, r, "cannot be read: %m") : 0;
}

static int fail_no_fat(const struct source *source)
{
	char contents[CONTENTS_MAX];
	int r;

	r = fes_spec_describe_contents(source->path, 0, 0, contents, sizeof(contents));
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(source, r, "cannot be read: %m");
	return fail(source, -EMEDIUMTYPE, "no FAT volume: it holds %s", contents);
}

/* ---- the partition table ---- */

static const struct fes_partition *find_number(const struct fes_parttable *table, unsigned number)
{
	size_t i;

	for (i = 0; i < table->n_partitions; i++)
		if (table->partitions[i].number == number)
			return &table->partitions[i];
	return NULL;
}

static size_t count_esps(const struct fes_parttable *table, const struct fes_partition **last)
{
	size_t i, n = 0;

	for (i = 0; i < table->n_partitions; i++) {
		if (!table->partitions[i].is_esp)
			continue;
		*last = &table->partitions[i];
		n++;
	}
	return n;
}

static int fail_several(const struct source *source, const struct fes_parttable *table)
{
	char numbers[256] = "";
	size_t i, len = 0;

	for (i = 0; i < table->n_partitions && len < sizeof(numbers) - 16; i++) {
		if (!table->partitions[i].is_esp)
			continue;
		len += (size_t)snprintf(numbers + len, sizeof(numbers) - len, "%s%u",
			len > 0 ? ", " : "", table->partitions[i].number);
	}
	return fail(source, -ENOTUNIQ,
		"has several EFI System Partitions (%s); name one with PATH:N", numbers);
}

static int choose_esp(const struct source *source, const struct fes_parttable *table,
	const struct fes_partition **ret)
{
	size_t n = count_esps(table, ret);

	if (n > 1)
		return fail_several(source, table);
	if (n == 1)
		return 0;
	if (table->protective_only)
		return fail(source, -EMEDIUMTYPE,
			"has a protective MBR but no readable GPT: truncated or damaged");
	return fail(source, -EMEDIUMTYPE,
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
		return fail(source, -EMEDIUMTYPE, "has no partition %u", source->number);
	if (partition->is_container)
		return fail(source, -EMEDIUMTYPE,
			"partition %u is an extended partition; name one inside it",
			source->number);
	*ret = partition;
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
	if (partition->offset > source->size ||
		partition->size > source->size - partition->offset) {
		*error = fail(source, -EUCLEAN,
			"partition %u reaches beyond the end; is the image truncated?",
			partition->number);
		return NULL;
	}
	return partition;
}

static bool is_gpt(const struct fes_parttable *table)
{
	return strcmp(table->type, "gpt") == 0;
}

/*
 * Read the partition table. An image does not say how large its sectors are: 512 bytes unless
 * only with 4096 there is a table. A GPT of the other size shows as its protective MBR alone.
 */
static int read_table(const struct source *source, struct fes_parttable *ret)
{
	struct fes_parttable table, other;
	bool is_file = source->device == 0;
	int r;

	r = fes_parttable_read(source->fd, source->path, is_file ? SECTOR : 0, &table);
	if (r < 0)
		return r;
	if (!is_file || is_gpt(&table) || (table.type[0] && !table.protective_only)) {
		*ret = table;
		return 0;
	}

	r = fes_parttable_read(source->fd, source->path, LARGE_SECTOR, &other);
	if (r < 0) {
		fes_parttable_done(&table);
		return r;
	}
	if (is_gpt(&other) || !table.type[0]) {
		fes_parttable_done(&table);
		*ret = other;
		return 0;
	}
	fes_parttable_done(&other);
	*ret = table;
	return 0;
}

/* Boot code of exFAT, NTFS and others stands where an MBR has its entries. */
static int table_is_boot_code(const struct source *source, const struct fes_parttable *table,
	const struct fat_boot_sector *boot)
{
	char type[CONTENTS_MAX];
	int usage;

	if (strcmp(table->type, "dos") != 0)
		return 0;
	if (fes_boot_has_mbr_entries(boot, source->size / SECTOR))
		return 0;
	usage = fes_contents_probe(source->fd, 0, 0, type, sizeof(type));
	return usage < 0 ? usage : usage != FES_CONTENTS_NONE;
}

/*
 * Look at the front of a disk or image. @table stays empty (no type) when it is a volume itself.
 */
static int look(const struct source *source, struct fes_parttable *table)
{
	struct fes_parttable found;
	struct fat_boot_sector boot;
	bool bare;
	int r;

	if (source->size < sizeof(boot))
		return fail_no_fat(source);
	r = read_boot_sector(source, &boot);
	if (r < 0)
		return r;

	bare = fes_boot_has_bpb(&boot);
	if (bare && !fes_boot_has_mbr_entries(&boot, source->size / SECTOR))
		return 0;

	r = read_table(source, &found);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(source, r, "its partition table cannot be read: %m");
	r = found.type[0] ? table_is_boot_code(source, &found, &boot) : !bare;
	if (r != 0) {
		fes_parttable_done(&found);
		return r < 0 ? r : fail_no_fat(source);
	}
	*table = found;
	return 0;
}

/* ---- putting it together ---- */

/* The node of a device number, or NULL. */
static char *node_of(dev_t device)
{
	return blkid_devno_to_devname(device);
}

static char *dup_or_null(const char *string)
{
	return string[0] ? strdup(string) : NULL;
}

/* Fill in what is known; on -ENOMEM @ret is freed by the caller. */
static int fill(struct fes_spec *ret, const char *path, const char *lock_path, const char *name,
	const char *partuuid)
{
	ret->path = strdup(path);
	ret->lock_path = strdup(lock_path);
	ret->name = strdup(name);
	ret->partuuid = dup_or_null(partuuid);
	if (!ret->path || !ret->lock_path || !ret->name || (partuuid[0] && !ret->partuuid))
		return -ENOMEM;
	return 0;
}

static int refuse_raid(const struct source *source, int fd, const struct fes_spec *spec)
{
	struct source named = *source;
	char type[CONTENTS_MAX];
	int usage;

	usage = fes_contents_probe(fd, spec->offset, spec->size, type, sizeof(type));
	if (usage != FES_CONTENTS_RAID)
		return usage < 0 ? usage : 0;
	named.path = spec->name;
	return fail(&named, -EMEDIUMTYPE, "is a RAID member (%s); name the array instead", type);
}

static int resolve_file_partition(const struct source *source, const struct fes_parttable *table,
	struct fes_spec *ret)
{
	const struct fes_partition *partition;
	char *name = NULL;
	int r;

	partition = choose_partition(source, table, &r);
	if (!partition)
		return r;
	if (source->number > 0 && asprintf(&name, "%s:%u", source->path, source->number) < 0)
		return -ENOMEM;

	ret->offset = partition->offset;
	ret->size = partition->size;
	r = fill(ret, source->path, source->path, name ? name : source->path, partition->uuid);
	free(name);
	return r;
}

static int fail_no_table(const struct source *source)
{
	return fail(source, -EMEDIUMTYPE,
		"is a FAT volume without a partition table, so it has no partition %u",
		source->number);
}

static int resolve_file(const struct source *source, struct fes_spec *ret)
{
	struct fes_parttable table = {0};
	int r;

	r = look(source, &table);
	if (r < 0)
		return r;

	if (table.type[0])
		r = resolve_file_partition(source, &table, ret);
	else if (source->number > 0)
		r = fail_no_table(source);
	else
		r = fill(ret, source->path, source->path, source->path, "");
	fes_parttable_done(&table);
	return r < 0 ? r : refuse_raid(source, source->fd, ret);
}

static int fail_no_node(const struct source *source, unsigned number)
{
	return fail(source, -ENXIO,
		"the kernel has no device for partition %u; run \"partx --add\" on the disk",
		number);
}

/* A partition that the table and the kernel see at one place. */
static int find_node(const struct source *source, const struct fes_partition *partition,
	char **ret)
{
	uint64_t offset, size;
	dev_t device;
	char *node;

	if (!fes_sysfs_find_partition(
		    source->device, partition->number, &device, &offset, &size))
		return fail_no_node(source, partition->number);
	if (offset != partition->offset || size != partition->size)
		return fail(source, -EUCLEAN,
			"the kernel sees partition %u elsewhere than its table says; "
			"run \"partprobe\"",
			partition->number);
	node = node_of(device);
	if (!node)
		return fail_no_node(source, partition->number);
	*ret = node;
	return 0;
}

/* Look for a RAID signature in a node that is not open yet. */
static int refuse_raid_node(const struct source *source, const struct fes_spec *spec)
{
	struct source named = *source;
	int fd, r;

	named.path = spec->name;
	fd = open(spec->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_open(&named, fes_last_error());
	r = refuse_raid(&named, fd, spec);
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
	r = find_node(source, partition, &node);
	if (r < 0)
		return r;
	r = fill(ret, node, source->path, node, partition->uuid);
	free(node);
	return r < 0 ? r : refuse_raid_node(source, ret);
}

static int resolve_disk(const struct source *source, struct fes_spec *ret)
{
	struct fes_parttable table = {0};
	int r;

	r = look(source, &table);
	if (r < 0)
		return r;

	if (table.type[0]) {
		r = resolve_disk_partition(source, &table, ret);
	} else if (source->number > 0) {
		r = fail_no_table(source);
	} else {
		r = fill(ret, source->path, source->path, source->path, "");
		if (r == 0)
			r = refuse_raid(source, source->fd, ret);
	}
	fes_parttable_done(&table);
	return r;
}

static void copy_uuid(const struct fes_parttable *table, unsigned number, char *uuid, size_t len)
{
	const struct fes_partition *partition = find_number(table, number);

	if (partition)
		(void)snprintf(uuid, len, "%s", partition->uuid);
}

/*
 * The UUID of partition @number of @disk; "" when it cannot be seen, for instance because one may
 * read the partition but not the disk.
 */
static int find_uuid(const char *disk, unsigned number, char *uuid, size_t len)
{
	struct fes_parttable table;
	int fd, r;

	uuid[0] = '\0';
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	r = fes_parttable_read(fd, disk, 0, &table);
	(void)close(fd);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	copy_uuid(&table, number, uuid, len);
	fes_parttable_done(&table);
	return 0;
}

/* The node of the disk that a partition is on, or of the partition where it cannot be found. */
static char *find_disk(const struct source *source)
{
	char *node = NULL;
	dev_t device;

	if (fes_sysfs_find_disk(source->device, &device))
		node = node_of(device);
	return node ? node : strdup(source->path);
}

static int resolve_partition_node(const struct source *source, unsigned number,
	struct fes_spec *ret)
{
	char uuid[sizeof((struct fes_partition *)0)->uuid];
	char *disk;
	int r;

	if (source->number > 0)
		return fail(source, -EINVAL, "is a partition and has no partition %u of its own",
			source->number);
	disk = find_disk(source);
	if (!disk)
		return -ENOMEM;
	r = find_uuid(disk, number, uuid, sizeof(uuid));
	if (r == 0)
		r = fill(ret, source->path, disk, source->path, uuid);
	free(disk);
	return r < 0 ? r : refuse_raid(source, source->fd, ret);
}

static int resolve_block(struct source *source, struct fes_spec *ret)
{
	unsigned number;

	if (fes_sysfs_partition_number(source->device, &number))
		return resolve_partition_node(source, number, ret);
	return resolve_disk(source, ret);
}

static int check_type(const struct source *source, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return fail(source, -EISDIR,
			"is a directory; name the partition or image, not where it is mounted");
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return fail(source, -ENODEV, "is neither a file nor a block device");
	return 0;
}

static int open_source(struct source *source)
{
	struct stat st;
	int r;

	if (stat(source->path, &st) < 0)
		return fail_open(source, fes_last_error());
	r = check_type(source, &st);
	if (r < 0)
		return r;

	r = blkdev_open_path(source->path, false, 0, 0, &source->dev);
	if (r < 0)
		return fail_open(source, r);
	source->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (source->fd < 0)
		return fail_open(source, fes_last_error());
	source->device = S_ISBLK(st.st_mode) ? st.st_rdev : 0;
	/* A file that is shorter than a sector has a size, too. */
	source->size = S_ISBLK(st.st_mode) ? blkdev_size(source->dev) : (uint64_t)st.st_size;
	return 0;
}

static void close_source(struct source *source)
{
	if (source->fd >= 0)
		(void)close(source->fd);
	blkdev_close(source->dev);
}

static int resolve_path(struct source *source, struct fes_spec *ret)
{
	int r;

	r = open_source(source);
	if (r == 0)
		r = source->device ? resolve_block(source, ret) : resolve_file(source, ret);
	close_source(source);
	return r;
}

static int locate(const struct source *source, char **path, unsigned *number)
{
	if (source->path[0] == '\0')
		return fail(source, -ENOENT, "an empty name is no volume");
	if (!is_tag(source->path))
		return split(source, path, number);
	*number = 0;
	return find_tag(source, path);
}

int fes_spec_resolve(const char *spec, void (*report)(void *userdata, const char *message),
	void *userdata, struct fes_spec *ret)
{
	struct source source = {
		.report = report, .userdata = userdata, .path = spec, .fd = -1};
	struct fes_spec resolved = {0};
	char *path = NULL;
	int r;

	r = locate(&source, &path, &source.number);
	if (r < 0 || !path)
		return r;

	source.path = path;
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
	*spec = (struct fes_spec){0};
}
