/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fat/check.h"

/* What the slots of one directory say, clusters aside. */

int check_names_new(struct check_names *ret)
{
	struct check_names names = {fat_nameset_new(), fat_nameset_new()};

	if (!names.raw || !names.folded) {
		check_names_done(&names);
		return -ENOMEM;
	}
	*ret = names;
	return 0;
}

void check_names_done(struct check_names *names)
{
	fat_nameset_free(names->raw);
	fat_nameset_free(names->folded);
}

/* Legal bytes of a short name: FAT specification, "Short Directory Entries"; 0x05 is 0xE5. */
static bool short_byte_valid(uint8_t byte, size_t i)
{
	if (i == 0 && byte == FAT_SLOT_KANJI)
		return true;
	if (byte < 0x20 || byte == 0x7f || (byte >= 'a' && byte <= 'z'))
		return false;
	return !strchr("\"*+,./:;<=>?[\\]|", byte);
}

static bool short_name_valid(const struct fat_short_slot *slot)
{
	for (size_t i = 0; i < sizeof slot->name; i++)
		if (!short_byte_valid(slot->name[i], i))
			return false;
	return slot->name[0] != ' ';
}

static bool long_name_valid(const char *name)
{
	for (const uint8_t *at = (const uint8_t *)name; *at; at++)
		if (*at < 0x20 || strchr("\"*/:<>?\\|", *at))
			return false;
	return true;
}

static void check_name_bytes(struct check *check, const struct check_place *place,
	const struct fat_entry *entry)
{
	const struct fat_short_slot *slot = fat_entry_short(entry);

	if (fat_slot_is_dot(slot)) {
		check_finding(check, FAT_DAMAGE, place,
			"stray dot entry in slot %" PRIu32 ", which some systems take for a file",
			entry->short_slot);
		return;
	}
	if (!short_name_valid(slot))
		check_finding(check, FAT_HARMLESS, place,
			"short name with characters that are not allowed (slot %" PRIu32 ")",
			entry->short_slot);
	if (entry->n_slots > 1 && !long_name_valid(entry->name))
		check_finding(check, FAT_HARMLESS, place,
			"long name with characters that are not allowed (slot %" PRIu32 ")",
			entry->short_slot);
}

/*
 * FAT_CASE_* are the only ones with a meaning to FAT; Windows keeps encryption flags beside them.
 * fsck.fat 4.2 takes this bit for "has no short name".
 */
static bool case_flags_odd(const struct fat_entry *entry)
{
	const struct fat_short_slot *slot = fat_entry_short(entry);

	if (fat_slot_is_dot(slot))
		return slot->case_flags != 0;
	return entry->n_slots == 1 && slot->case_flags & 0x20;
}

void check_entry_fields(struct check *check, const struct check_place *place,
	const struct fat_entry *entry)
{
	const struct fat_short_slot *slot = fat_entry_short(entry);
	uint8_t unknown = entry->attributes & FAT_ATTR_UNKNOWN;
	uint8_t kind = entry->attributes & (FAT_ATTR_VOLUME | FAT_ATTR_DIRECTORY);

	if (unknown)
		check_finding(check, FAT_HARMLESS, place,
			"unknown attribute bits 0x%02x; GRUB does not see it", unknown);
	if (kind == (FAT_ATTR_VOLUME | FAT_ATTR_DIRECTORY))
		check_finding(check, FAT_HARMLESS, place,
			"marked both as a directory and as a volume label");
	if (case_flags_odd(entry))
		check_finding(check, FAT_HARMLESS, place, "unknown case flags 0x%02x",
			slot->case_flags);
	if (check->vol->geo.type != FAT_TYPE_32 && le16_get(slot->cluster_high) != 0)
		check_finding(check, FAT_HARMLESS, place,
			"first cluster %" PRIu32 " has a high half (0x%04x), which only FAT32 has",
			entry->first_cluster, le16_get(slot->cluster_high));
}

/* Returns 1 when @name is taken, 0 when not, or -ENOMEM. */
static int add_folded(struct check_names *names, const char *name)
{
	char folded[FAT_NAME_MAX];
	size_t len = fat_name_fold(name, folded);
	int r = fat_nameset_add(names->folded, folded, len);

	return r < 0 ? r : r == 0;
}

/* The short name of an entry with a long one is a name too: a reader finds the entry by both. */
static int check_alias(struct check *check, const struct check_place *place,
	const struct fat_entry *entry, struct check_names *names)
{
	char alias[FAT_NAME_MAX];
	int r;

	if (entry->n_slots == 1)
		return 0;
	fat_short_name_decode(fat_entry_short(entry)->name, 0, alias);
	if (fat_name_equal(alias, entry->name))
		return 0;
	r = add_folded(names, alias);
	if (r > 0)
		check_finding(check, FAT_DAMAGE, place,
			"its short name %s is also the name of another entry of the directory",
			alias);
	return r < 0 ? r : 0;
}

int check_entry_names(struct check *check, const struct check_place *place,
	const struct fat_entry *entry, struct check_names *names)
{
	const struct fat_short_slot *slot = fat_entry_short(entry);
	char short_name[FAT_NAME_MAX];
	int r;

	if (check->second_walk)
		return 0;
	check_name_bytes(check, place, entry);
	r = fat_nameset_add(names->raw, slot->name, sizeof slot->name);
	if (r < 0)
		return r;
	if (r == 0) {
		fat_short_name_decode(slot->name, 0, short_name);
		check_finding(check, FAT_DAMAGE, place,
			"duplicate: another entry of the directory has the short name %s, too",
			short_name);
		return 0;
	}
	r = add_folded(names, entry->name);
	if (r > 0)
		check_finding(check, FAT_DAMAGE, place,
			"duplicate: another entry of the directory has the same name but for case");
	if (r < 0)
		return r;
	return check_alias(check, place, entry, names);
}

void check_label_entry(struct check *check, const struct check_place *place,
	const struct fat_entry *entry)
{
	const struct fat_short_slot *slot = fat_entry_short(entry);

	if (entry->first_cluster != 0)
		check_finding(check, FAT_DAMAGE, place,
			"volume label with a cluster (%" PRIu32 "), which must be 0",
			entry->first_cluster);
	if (le32_get(slot->size) != 0)
		check_finding(check, FAT_HARMLESS, place,
			"volume label with a size (%" PRIu32 "), which must be 0",
			le32_get(slot->size));
	if (place->dir != 0) {
		check_finding(
			check, FAT_HARMLESS, place, "volume label outside of the root directory");
		return;
	}
	if (check->second_walk)
		return;
	if (check->n_labels++ == 0)
		memcpy(check->label, slot->name, sizeof check->label);
	else
		check_finding(check, FAT_HARMLESS, place, "another volume label");
}

void check_set_problems(struct check *check, const struct check_place *place, unsigned problems)
{
	const char *where = place->name ? "before it " : "at the end ";

	if (problems & FAT_SET_CHECKSUM)
		check_finding(check, FAT_HARMLESS, place,
			"long name with a wrong checksum; only the short name is seen");
	else if (problems & FAT_SET_ORPHAN)
		check_finding(check, FAT_HARMLESS, place,
			"orphaned long-name entries %sin the directory", where);
	if (problems & FAT_SET_FIELDS)
		check_finding(check, FAT_HARMLESS, place,
			"long name with a type or cluster field that is not 0; Windows and EDK2 do "
			"not see it");
	if (problems & FAT_SET_PADDING)
		check_finding(check, FAT_HARMLESS, place,
			"long name not ended as it must be; Windows does not see it");
}

static const struct fat_short_slot *slot_at(const struct fat_dir_image *image, uint32_t slot)
{
	return (const struct fat_short_slot *)(const void *)(image->bytes +
		(size_t)slot * FAT_SLOT_LEN);
}

/* Whether there is a dot entry with this name; what it points to is looked at by the caller. */
static bool is_dot_entry(const struct fat_short_slot *slot, const char *name)
{
	return memcmp(slot->name, name, sizeof slot->name) == 0 &&
		slot->attributes & FAT_ATTR_DIRECTORY;
}

static void check_dot(struct check *check, const struct check_place *place,
	const struct fat_short_slot *slot)
{
	uint32_t own = check_dir_cluster(check, place->dir);
	uint32_t cluster = fat_slot_cluster(check->vol, slot);

	if (!is_dot_entry(slot, ".          "))
		check_finding(check, FAT_DAMAGE, place,
			"no '.' entry in the first slot of the directory (cluster %" PRIu32 ")",
			own);
	else if (cluster != own)
		check_finding(check, FAT_DAMAGE, place,
			"'.' points to cluster %" PRIu32 ", the directory begins at %" PRIu32,
			cluster, own);
}

static void check_dot_dot(struct check *check, const struct check_place *place,
	const struct fat_short_slot *slot)
{
	uint32_t parent = check->dirs[check->dirs[place->dir].parent].first_cluster;
	uint32_t cluster = fat_slot_cluster(check->vol, slot);

	if (!is_dot_entry(slot, "..         "))
		check_finding(check, FAT_DAMAGE, place,
			"no '..' entry in the second slot of the directory (cluster %" PRIu32 ")",
			check_dir_cluster(check, place->dir));
	else if (cluster != parent && parent == 0 && cluster == check->vol->geo.root_cluster)
		check_finding(check, FAT_HARMLESS, place,
			"'..' points to the root by its cluster %" PRIu32 " instead of 0", cluster);
	else if (cluster != parent)
		check_finding(check, FAT_DAMAGE, place,
			"'..' points to cluster %" PRIu32 ", the parent directory is %" PRIu32,
			cluster, parent);
}

void check_dots(struct check *check, uint32_t dir, const struct fat_dir_image *image)
{
	struct check_place place = {.dir = dir};

	check_dot(check, &place, slot_at(image, 0));
	check_dot_dot(check, &place, slot_at(image, 1));
}

static void check_slots_after_end(struct check *check, const struct check_place *place,
	const struct fat_dir_image *image, uint32_t end)
{
	for (uint32_t i = end + 1; i < image->n_slots; i++) {
		uint8_t first = slot_at(image, i)->name[0];

		if (first == FAT_SLOT_END || first == FAT_SLOT_DELETED)
			continue;
		check_finding(check, FAT_DAMAGE, place,
			"entry in slot %" PRIu32 " behind the end mark in slot %" PRIu32
			": Linux sees it, firmware does not",
			i, end);
		return;
	}
}

void check_slots(struct check *check, uint32_t dir, const struct fat_dir_image *image)
{
	struct check_place place = {.dir = dir};
	uint32_t i;

	for (i = 0; i < image->n_slots && slot_at(image, i)->name[0] != FAT_SLOT_END; i++) {
		const struct fat_short_slot *slot = slot_at(image, i);

		if (slot->name[0] == FAT_SLOT_DELETED ||
			(slot->attributes & FAT_ATTR_LONG_MASK) != FAT_ATTR_LONG_NAME)
			continue;
		if (slot->attributes & FAT_ATTR_UNKNOWN)
			check_finding(check, FAT_HARMLESS, &place,
				"long-name entry in slot %" PRIu32
				" with unknown attribute bits 0x%02x",
				i, slot->attributes & FAT_ATTR_UNKNOWN);
	}
	check_slots_after_end(check, &place, image, i);
}
