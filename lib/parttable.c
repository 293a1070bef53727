/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libfdisk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/spec.h"

/*
 * The types in a GPT and in an MBR. The ESP: UEFI Specification 2.10, sections 5.3.3 and 5.2.2.
 * XBOOTLDR: UAPI.1 Boot Loader Specification, "The Partitions".
 */
static const char esp_guid[] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
static const char xbootldr_guid[] = "bc13c2ff-59e6-4262-a352-b275fd6f7172";

enum {
	MBR_TYPE_ESP = 0xef,
	MBR_TYPE_XBOOTLDR = 0xea,
	MBR_TYPE_PROTECTIVE = 0xee,
};

static bool type_is(struct fdisk_partition *partition, const char *guid, unsigned code)
{
	struct fdisk_parttype *type = fdisk_partition_get_type(partition);
	const char *string;

	if (!type)
		return false;
	string = fdisk_parttype_get_string(type);
	if (string)
		return guid && strcasecmp(string, guid) == 0;
	return fdisk_parttype_get_code(type) == code;
}

static enum fes_partition_kind kind_of(struct fdisk_partition *partition)
{
	if (type_is(partition, esp_guid, MBR_TYPE_ESP))
		return FES_PARTITION_ESP;
	if (type_is(partition, xbootldr_guid, MBR_TYPE_XBOOTLDR))
		return FES_PARTITION_XBOOTLDR;
	return FES_PARTITION_OTHER;
}

/* Numbers from a disk: false when they do not fit. */
static bool to_bytes(uint64_t sectors, uint64_t sector_size, uint64_t *ret)
{
	return !__builtin_mul_overflow(sectors, sector_size, ret);
}

static void copy_lower(char *to, size_t len, const char *from)
{
	size_t i;

	for (i = 0; i + 1 < len && from[i]; i++)
		to[i] = (char)tolower((unsigned char)from[i]);
	to[i] = '\0';
}

/*
 * An MBR has no partition UUIDs; the kernel, udev and libblkid make them of the disk's signature
 * ("0x1234abcd" to libfdisk) and the number.
 */
static void make_mbr_uuid(struct fdisk_context *fdisk, struct fes_partition *partition)
{
	char *id = NULL;
	uint32_t signature;

	if (fdisk_get_disklabel_id(fdisk, &id) < 0 || !id)
		return;
	signature = (uint32_t)strtoul(id, NULL, 16);
	free(id);
	if (signature == 0)
		return; /* nobody's own: all disks without one would have it */
	(void)snprintf(partition->uuid, sizeof(partition->uuid), "%08" PRIx32 "-%02x", signature,
		partition->number);
}

static int add_partition(struct fes_parttable *table, struct fdisk_context *fdisk,
	struct fdisk_partition *partition)
{
	const char *uuid = fdisk_partition_get_uuid(partition);
	const char *name = fdisk_partition_get_name(partition);
	uint64_t sector_size = fdisk_get_sector_size(fdisk);
	struct fes_partition *partitions;
	struct fes_partition new = {
		.number = (unsigned)fdisk_partition_get_partno(partition) + 1,
		.kind = kind_of(partition),
		.is_container = fdisk_partition_is_container(partition) == 1,
	};

	/* What is larger than 2^64 bytes cannot lie in the disk; the caller finds that out. */
	if (!to_bytes(fdisk_partition_get_start(partition), sector_size, &new.offset) ||
		!to_bytes(fdisk_partition_get_size(partition), sector_size, &new.size))
		new.offset = new.size = UINT64_MAX;
	if (name)
		(void)snprintf(new.label, sizeof(new.label), "%s", name);
	if (uuid)
		copy_lower(new.uuid, sizeof(new.uuid), uuid);
	else if (fdisk_is_label(fdisk, DOS))
		make_mbr_uuid(fdisk, &new);

	partitions = realloc(table->partitions, (table->n_partitions + 1) * sizeof(*partitions));
	if (!partitions)
		return -ENOMEM;
	partitions[table->n_partitions++] = new;
	table->partitions = partitions;
	return 0;
}

static bool is_real(struct fdisk_partition *partition)
{
	return fdisk_partition_is_used(partition) == 1 && fdisk_partition_has_partno(partition) &&
		fdisk_partition_has_start(partition) && fdisk_partition_has_size(partition) &&
		fdisk_partition_get_size(partition) > 0;
}

static int add_partitions(struct fes_parttable *table, struct fdisk_context *fdisk,
	struct fdisk_table *from)
{
	struct fdisk_partition *partition;
	struct fdisk_iter *iter;
	size_t n_protective = 0;
	int r = 0;

	iter = fdisk_new_iter(FDISK_ITER_FORWARD);
	if (!iter)
		return -ENOMEM;
	while (r == 0 && fdisk_table_next_partition(from, iter, &partition) == 0) {
		if (!is_real(partition))
			continue;
		if (type_is(partition, NULL, MBR_TYPE_PROTECTIVE))
			n_protective++;
		r = add_partition(table, fdisk, partition);
	}
	fdisk_free_iter(iter);
	table->protective_only = n_protective > 0 && n_protective == table->n_partitions;
	return r;
}

static int read_label(struct fdisk_context *fdisk, struct fes_parttable *table)
{
	struct fdisk_table *from = NULL;
	int r;

	(void)snprintf(table->type, sizeof(table->type), "%s",
		fdisk_label_get_name(fdisk_get_label(fdisk, NULL)));

	r = fdisk_get_partitions(fdisk, &from);
	if (r < 0)
		return r == -ENOMEM ? -ENOMEM : -EIO;
	r = add_partitions(table, fdisk, from);
	fdisk_unref_table(from);
	return r;
}

static int read_disk(struct fdisk_context *fdisk, const char *path, uint32_t sector_size,
	struct fes_parttable *table)
{
	int r;

	if (sector_size > 0) {
		r = fdisk_save_user_sector_size(fdisk, sector_size, sector_size);
		if (r < 0)
			return -ENOMEM;
	}
	/* Not by a descriptor of ours: when it is done with one of those it calls fsync(2). */
	r = fdisk_assign_device(fdisk, path, 1);
	if (r < 0)
		return r == -ENOMEM ? -ENOMEM : -EIO;

	table->sector_size = (uint32_t)fdisk_get_sector_size(fdisk);
	r = fdisk_has_label(fdisk) ? read_label(fdisk, table) : 0;
	/* Opened for reading: there is nothing to sync, hence nothing to fail. */
	(void)fdisk_deassign_device(fdisk, 1);
	return r;
}

/* Of a damaged GPT libfdisk says in a warning that it uses the backup. Questions stay unanswered. */
static int take_question(struct fdisk_context *fdisk, struct fdisk_ask *ask, void *userdata)
{
	struct fes_parttable *table = userdata;
	const char *text;

	(void)fdisk;
	if (fdisk_ask_get_type(ask) != FDISK_ASKTYPE_WARNX)
		return -EINVAL;
	text = fdisk_ask_print_get_mesg(ask);
	if (!table->warning && text)
		table->warning = strdup(text);
	return 0;
}

int fes_parttable_read(const char *path, uint32_t sector_size, struct fes_parttable *ret)
{
	struct fes_parttable table = {0};
	struct fdisk_context *fdisk;
	int r;

	fdisk = fdisk_new_context();
	if (!fdisk)
		return -ENOMEM;
	(void)fdisk_set_ask(fdisk, take_question, &table);

	r = read_disk(fdisk, path, sector_size, &table);
	fdisk_unref_context(fdisk);
	if (r < 0) {
		fes_parttable_done(&table);
		return r;
	}
	*ret = table;
	return 0;
}

void fes_parttable_done(struct fes_parttable *table)
{
	free(table->partitions);
	free(table->warning);
	*table = (struct fes_parttable){0};
}
