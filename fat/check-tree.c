/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/check.h"

/*
 * The walk over everything that can be reached from the root. The second walk, which only looks
 * for the owners of watched clusters, must meet everything in the order of the first: what it
 * does may depend on vol->reachable and on the medium, never on what was found.
 */

static void give_cross_link(struct check *check, const struct check_watch *watch,
	const struct check_place *owner)
{
	char path[CHECK_PATH_MAX];

	check_finding(check, FAT_DAMAGE, NULL,
		"%s: cross-linked: cluster %" PRIu32 " belongs to %s, too", watch->path,
		watch->cluster, check_path(check, owner, path));
}

static const char *entry_text(uint32_t value, char buf[16])
{
	if (value == FAT_FREE || value == FAT_BAD || value == FAT_EOC)
		return value == FAT_FREE ? "free" : value == FAT_BAD ? "bad" : "the end";
	snprintf(buf, 16, "%" PRIu32, value);
	return buf;
}

static void give_copies_differ(struct check *check, const struct check_watch *watch,
	const struct check_place *owner)
{
	const char *others = watch->n_others ? ", and they differ on more clusters in use" : "";
	uint32_t value = fat_next(check->vol, watch->cluster);
	char first[16], second[16];

	check_finding(check, FAT_DAMAGE, owner,
		"FAT copies differ on cluster %" PRIu32
		" of it: next is %s in the first, %s in the second%s",
		watch->cluster, entry_text(value, first), entry_text(watch->value, second), others);
}

static void name_owner(struct check *check, const struct check_place *owner, uint32_t cluster)
{
	check->second_walk = false;
	for (uint32_t i = 0; i < check->n_watches; i++) {
		struct check_watch *watch = &check->watches[i];

		if (watch->cluster != cluster)
			continue;
		watch->found = true;
		if (watch->path)
			give_cross_link(check, watch, owner);
		else
			give_copies_differ(check, watch, owner);
	}
	check->second_walk = true;
}

static void claim(struct check *check, const struct check_place *place, uint32_t cluster)
{
	fat_bit_set(check->vol->reachable, cluster);
	if (check->second_walk && fat_bit_get(check->watched, cluster))
		name_owner(check, place, cluster);
}

/* Whether @cluster is among the first @n of the chain. */
static bool is_in_chain(const struct fat_volume *vol, uint32_t first, uint32_t n, uint32_t cluster)
{
	for (; n > 0; n--) {
		if (first == cluster)
			return true;
		first = fat_next(vol, first);
	}
	return false;
}

static void give_bad_link(struct check *check, const struct check_place *place, uint32_t from,
	uint32_t to)
{
	uint32_t last = check->vol->geo.n_clusters + 1;

	if (from == 0)
		check_finding(check, FAT_DAMAGE, place,
			"begins at cluster %" PRIu32 ", outside of 2 to %" PRIu32, to, last);
	else
		check_finding(check, FAT_DAMAGE, place,
			"cluster chain broken: cluster %" PRIu32 " links to %" PRIu32
			", outside of 2 to %" PRIu32,
			from, to, last);
}

static int put_off_cross_link(struct check *check, const struct check_place *place,
	uint32_t cluster)
{
	struct check_watch watch = {.cluster = cluster};
	char path[CHECK_PATH_MAX];
	int r;

	watch.path = strdup(check_path(check, place, path));
	if (!watch.path)
		return -ENOMEM;
	r = check_watch_add(check, watch);
	if (r < 0)
		free(watch.path);
	return r;
}

/* @cluster is claimed already, by this chain (@own) or by another. */
static int give_taken(struct check *check, const struct check_place *place, bool own,
	uint32_t from, uint32_t cluster)
{
	if (own)
		check_finding(check, FAT_DAMAGE, place,
			"cluster chain loops: cluster %" PRIu32 " links back to %" PRIu32, from,
			cluster);
	else if (check->n_watches < CHECK_MAX_FINDINGS && !check->second_walk)
		return put_off_cross_link(check, place, cluster);
	else
		check_finding(check, FAT_DAMAGE, place,
			"cross-linked: cluster %" PRIu32 " belongs to something else, too",
			cluster);
	return 0;
}

/*
 * Follow a chain and claim its clusters. Returns 1 and their number, 0 when the chain is bad
 * (a finding was given or put off), or -ENOMEM.
 */
static int walk_chain(struct check *check, const struct check_place *place, uint32_t first,
	uint32_t *ret_n)
{
	struct fat_volume *vol = check->vol;
	uint32_t from = 0, cluster = first, n = 0;

	/* An end mark is none of an entry: there is no chain without a cluster. */
	while (n == 0 || cluster != FAT_EOC) {
		uint32_t value;

		if (!fat_cluster_valid(vol, cluster)) {
			give_bad_link(check, place, from, cluster);
			return 0;
		}
		if (fat_bit_get(vol->reachable, cluster))
			return give_taken(check, place, is_in_chain(vol, first, n, cluster), from,
				cluster);
		value = fat_next(vol, cluster);
		if (value == FAT_FREE || value == FAT_BAD) {
			check_finding(check, FAT_DAMAGE, place,
				"cluster chain broken: cluster %" PRIu32 " is marked %s", cluster,
				value == FAT_FREE ? "free" : "bad");
			return 0;
		}
		claim(check, place, cluster);
		n++;
		from = cluster;
		cluster = value;
	}
	*ret_n = n;
	return 1;
}

static int queue_dir(struct check *check, uint32_t parent, const char *name, uint32_t cluster)
{
	struct check_dir dir = {.first_cluster = cluster, .parent = parent};

	if (check->n_dirs == check->dirs_room) {
		uint32_t room = check->dirs_room ? check->dirs_room * 2 : 64;
		struct check_dir *more = reallocarray(check->dirs, room, sizeof *more);

		if (!more)
			return -ENOMEM;
		check->dirs = more;
		check->dirs_room = room;
	}
	if (name && check->names_len < CHECK_NAMES_MAX) {
		dir.name = strdup(name);
		if (!dir.name)
			return -ENOMEM;
		check->names_len += strlen(name) + 1;
	}
	check->dirs[check->n_dirs++] = dir;
	return 0;
}

/* The chain of a directory. Returns as walk_chain(). */
static int walk_dir_chain(struct check *check, const struct check_place *place, uint32_t first)
{
	const struct fat_geometry *geo = &check->vol->geo;
	uint32_t n = 0;
	int r;

	r = walk_chain(check, place, first, &n);
	if (r > 0 && (uint64_t)n * geo->cluster_size > (uint64_t)FAT_DIR_MAX_SLOTS * FAT_SLOT_LEN) {
		check_finding(check, FAT_DAMAGE, place,
			"directory with %" PRIu32 " clusters from %" PRIu32
			" on: more than the %u entries that any system reads",
			n, first, FAT_DIR_MAX_SLOTS);
		r = 0;
	}
	if (r == 0)
		check->n_unread_dirs++;
	return r;
}

static int check_subdir(struct check *check, const struct check_place *place,
	const struct fat_entry *entry)
{
	uint32_t size = le32_get(fat_entry_short(entry)->size);
	int r;

	if (size != 0)
		check_finding(check, FAT_HARMLESS, place,
			"directory with a size (%" PRIu32 "), which must be 0", size);
	if (entry->first_cluster == 0) {
		check_finding(check, FAT_DAMAGE, place,
			"directory without a cluster (0, which means the root)");
		check->n_unread_dirs++;
		return 0;
	}
	r = walk_dir_chain(check, place, entry->first_cluster);
	if (r <= 0)
		return r;
	return queue_dir(check, place->dir, entry->name, entry->first_cluster);
}

static int check_file(struct check *check, const struct check_place *place,
	const struct fat_entry *entry)
{
	uint32_t need = fat_clusters_for(check->vol, entry->size), n = 0;
	int r;

	if (entry->first_cluster == 0) {
		if (entry->size > 0)
			check_finding(check, FAT_DAMAGE, place,
				"size of %" PRIu32 " bytes and no cluster (0)", entry->size);
		return 0;
	}
	r = walk_chain(check, place, entry->first_cluster, &n);
	if (r <= 0)
		return r;
	if (n < need)
		check_finding(check, FAT_DAMAGE, place,
			"cluster chain too short: %" PRIu32 " clusters from %" PRIu32
			" on, but %" PRIu32 " bytes need %" PRIu32,
			n, entry->first_cluster, entry->size, need);
	if (n > need)
		check_finding(check, FAT_HARMLESS, place,
			"cluster chain too long: %" PRIu32 " clusters from %" PRIu32
			" on, but %" PRIu32 " bytes need %" PRIu32,
			n, entry->first_cluster, entry->size, need);
	return 0;
}

static bool is_own_dot(const struct check_place *place, const struct fat_entry *entry)
{
	return place->dir != 0 && entry->short_slot < 2 && fat_slot_is_dot(fat_entry_short(entry));
}

static int check_set(struct check *check, uint32_t dir, const struct fat_entry *entry,
	unsigned problems, struct check_names *names)
{
	struct check_place place = {.dir = dir, .name = entry->name};
	int r;

	check_set_problems(check, &place, problems);
	check_entry_fields(check, &place, entry);
	if (is_own_dot(&place, entry))
		return 0;
	if (fat_slot_is_label(fat_entry_short(entry))) {
		check_label_entry(check, &place, entry);
		return 0;
	}
	r = check_entry_names(check, &place, entry, names);
	if (r < 0)
		return r;
	if (entry->attributes & FAT_ATTR_DIRECTORY)
		return check_subdir(check, &place, entry);
	return check_file(check, &place, entry);
}

static int check_sets(struct check *check, uint32_t dir, const struct fat_dir_image *image,
	struct check_names *names)
{
	uint32_t slot = 0;
	struct fat_set set;
	int r;

	while (fat_set_next(image->bytes, image->n_slots, &slot, &set) > 0) {
		struct fat_entry entry;

		fat_set_decode(check->vol, image->bytes, &set, &entry);
		r = check_set(check, dir, &entry, set.problems, names);
		if (r < 0)
			return r;
	}
	check_set_problems(check, &(struct check_place){.dir = dir}, set.problems);
	return 0;
}

static int check_image(struct check *check, uint32_t dir, const struct fat_dir_image *image)
{
	struct check_names names;
	int r;

	r = check_names_new(&names);
	if (r < 0)
		return r;
	if (dir != 0)
		check_dots(check, dir, image);
	check_slots(check, dir, image);
	r = check_sets(check, dir, image, &names);
	check_names_done(&names);
	return r;
}

static int check_dir(struct check *check, uint32_t dir)
{
	struct check_place place = {.dir = dir};
	struct fat_dir_image image;
	char path[CHECK_PATH_MAX];
	int r;

	r = fat_dir_image_load(check->vol, check->dirs[dir].first_cluster,
		check_path(check, &place, path), &image);
	if (r < 0)
		return r;
	r = check_image(check, dir, &image);
	fat_dir_image_done(&image);
	return r;
}

static void forget_dirs(struct check *check)
{
	for (uint32_t i = 0; i < check->n_dirs; i++)
		free(check->dirs[i].name);
	check->n_dirs = 0;
	check->names_len = 0;
	check->n_unread_dirs = 0;
}

int check_tree(struct check *check)
{
	struct fat_volume *vol = check->vol;
	struct check_place root = {.dir = 0};
	int r;

	forget_dirs(check);
	memset(vol->reachable, 0, ((size_t)vol->geo.n_clusters + 2) / 8 + 1);
	r = queue_dir(check, 0, NULL, 0);
	if (r < 0)
		return r;
	if (vol->geo.type == FAT_TYPE_32) {
		r = walk_dir_chain(check, &root, vol->geo.root_cluster);
		if (r <= 0)
			return r;
	}
	for (uint32_t i = 0; i < check->n_dirs; i++) {
		r = check_dir(check, i);
		if (r < 0)
			return r;
	}
	return 0;
}
