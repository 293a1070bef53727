/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spec.h"

enum {
	LOOK_AT = 64 * 1024, /* bytes that tell text and nothing from something */
	SECTOR = 512,
};

/* How messages call what libblkid has a terser word for. */
static const struct {
	const char *type;
	const char *text;
} known_types[] = {
	{"LVM2_member", "an LVM physical volume"},
	{"btrfs", "a Btrfs file system"},
	{"crypto_LUKS", "an encrypted volume (crypto_LUKS)"},
	{"exfat", "an exFAT file system"},
	{"iso9660", "an ISO 9660 file system"},
	{"ntfs", "an NTFS file system"},
	{"swap", "swap space"},
	{"vfat", "a FAT file system"},
	{"xfs", "an XFS file system"},
};

/* One pass over the superblocks of @probe; the first that is found goes to @type. */
static int probe_usage(blkid_probe probe, int filter, int usage, char *type, size_t len)
{
	const char *found;

	if (blkid_probe_enable_superblocks(probe, 1) < 0 ||
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE) < 0 ||
		blkid_probe_filter_superblocks_usage(probe, filter, usage) < 0)
		return -ENOMEM;
	/* Damage that libblkid cannot read, like nothing, leaves the answer to others. */
	if (blkid_do_fullprobe(probe) != 0)
		return 0;
	if (blkid_probe_lookup_value(probe, "TYPE", &found, NULL) < 0)
		return 0;
	(void)snprintf(type, len, "%s", found);
	return 1;
}

static int probe_part(blkid_probe probe, int fd, uint64_t offset, uint64_t size, char *type,
	size_t len)
{
	int r;

	if (blkid_probe_set_device(probe, fd, (blkid_loff_t)offset, (blkid_loff_t)size) < 0)
		return FES_CONTENTS_NONE;

	r = probe_usage(probe, BLKID_FLTR_ONLYIN, BLKID_USAGE_RAID, type, len);
	if (r != 0)
		return r < 0 ? r : FES_CONTENTS_RAID;
	r = probe_usage(probe, BLKID_FLTR_NOTIN, BLKID_USAGE_RAID, type, len);
	if (r != 0)
		return r < 0 ? r : FES_CONTENTS_FILE_SYSTEM;
	return FES_CONTENTS_NONE;
}

int fes_contents_probe(int fd, uint64_t offset, uint64_t size, char *type, size_t len)
{
	blkid_probe probe;
	int r;

	probe = blkid_new_probe();
	if (!probe)
		return -ENOMEM;
	r = probe_part(probe, fd, offset, size, type, len);
	blkid_free_probe(probe);
	return r;
}

static int look_up_tag(blkid_probe probe, int fd, uint64_t offset, uint64_t size, const char *tag,
	char *value, size_t len)
{
	const char *found;

	if (blkid_probe_set_device(probe, fd, (blkid_loff_t)offset, (blkid_loff_t)size) < 0)
		return 0;
	if (blkid_probe_enable_superblocks(probe, 1) < 0 ||
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL) < 0)
		return -ENOMEM;
	if (blkid_do_safeprobe(probe) == 0 &&
		blkid_probe_lookup_value(probe, tag, &found, NULL) == 0)
		(void)snprintf(value, len, "%s", found);
	return 0;
}

int fes_contents_tag(int fd, uint64_t offset, uint64_t size, const char *tag, char *value,
	size_t len)
{
	blkid_probe probe;
	int r;

	value[0] = '\0';
	probe = blkid_new_probe();
	if (!probe)
		return -ENOMEM;
	r = look_up_tag(probe, fd, offset, size, tag, value, len);
	blkid_free_probe(probe);
	return r;
}

static const char *article(const char *word)
{
	return strchr("aeiouAEIOU", word[0]) ? "an" : "a";
}

static void describe_type(int usage, const char *type, char *buf, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++) {
		if (strcmp(known_types[i].type, type) == 0) {
			(void)snprintf(buf, len, "%s", known_types[i].text);
			return;
		}
	}
	if (usage == FES_CONTENTS_RAID)
		(void)snprintf(buf, len, "a RAID member (%s)", type);
	else
		(void)snprintf(buf, len, "%s %s file system", article(type), type);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static bool is_text(const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (bytes[i] == 0x7f || (bytes[i] < ' ' && !strchr("\t\n\r\f\b\033", bytes[i])))
			return false;
	/* strchr() finds the end of its string too. */
	return !memchr(bytes, 0, len);
}

static void describe_bytes(const uint8_t *bytes, size_t len, char *buf, size_t buf_len)
{
	if (len == 0)
		(void)snprintf(buf, buf_len, "nothing (0 bytes)");
	else if (is_text(bytes, len))
		(void)snprintf(buf, buf_len, "a text file");
	else if (len < SECTOR)
		(void)snprintf(buf, buf_len, "only %zu bytes, too few for a boot sector", len);
	else if (is_zero(bytes, len) && len < LOOK_AT)
		(void)snprintf(buf, buf_len, "nothing (all zeroes)");
	else if (is_zero(bytes, len))
		(void)snprintf(buf, buf_len, "nothing (all zeroes in the first %zu KiB)",
			len / 1024);
	else
		(void)snprintf(buf, buf_len, "no file system that is known");
}

static int describe_beginning(FILE *file, uint64_t offset, size_t want, char *buf, size_t len)
{
	uint8_t *bytes;
	size_t n;
	int r = 0;

	bytes = malloc(want);
	if (!bytes)
		return -ENOMEM;
	errno = 0;
	if (fseeko(file, (off_t)offset, SEEK_SET) < 0)
		r = fes_last_error();
	n = r == 0 ? fread(bytes, 1, want, file) : 0;
	if (ferror(file))
		r = fes_last_error();
	if (r == 0)
		describe_bytes(bytes, n, buf, len);
	free(bytes);
	return r;
}

static int describe_file(FILE *file, uint64_t offset, uint64_t size, char *buf, size_t len)
{
	char type[64];
	int usage;

	usage = fes_contents_probe(fileno(file), offset, size, type, sizeof(type));
	if (usage < 0)
		return usage;
	if (usage != FES_CONTENTS_NONE) {
		describe_type(usage, type, buf, len);
		return 0;
	}
	return describe_beginning(file, offset, size > 0 && size < LOOK_AT ? (size_t)size : LOOK_AT,
		buf, len);
}

int fes_spec_describe_contents(const char *path, uint64_t offset, uint64_t size, char *buf,
	size_t len)
{
	FILE *file;
	int r;

	/* Not a device of fat/, which has whole sectors only: a text file may be shorter. */
	file = fopen(path, "re");
	if (!file)
		return fes_last_error();
	r = describe_file(file, offset, size, buf, len);
	(void)fclose(file);
	return r;
}
