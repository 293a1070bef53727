/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/txn.h"

/*
 * Entries in directories that stay where they are, because they hold what is not ours. The
 * directory is edited in memory, and each step that results changes one unit of it: the
 * sector of the device, which a power cut leaves whole. Later steps build on earlier ones.
 *
 * replace  one step: cluster, size, attributes and times of a short entry.
 * add      one step where the set finds room in one unit. Else the long-name slots in other
 *          units first (orphans until the short entry is there), the unit with the short entry last.
 *          Deleted slots bridge a gap before the first unit that is used.
 * rename   one step, where the old set lies in one unit that has room for the new one.
 * remove   the unit with the short entry first, then long-name slots in other units.
 * tidy     long-name slots that belong to nothing, unit by unit.
 *
 * Live slots after an end marker do not occur: fat_check() calls that damage.
 */

#define NO_SLOT UINT32_MAX

static uint32_t slots_per_unit(const struct fat_txn *txn)
{
	return blkdev_sector_size(txn->vol->dev) / FAT_SLOT_LEN;
}

static uint8_t *slot_at(const struct fat_dir_image *image, uint32_t slot)
{
	return image->bytes + (size_t)slot * FAT_SLOT_LEN;
}

static struct fat_editable *find_editable(struct fat_txn *txn, uint32_t cluster)
{
	for (struct fat_editable *e = txn->editables; e; e = e->next)
		if (e->image.first_cluster == cluster)
			return e;
	return NULL;
}

static int get_editable(struct fat_txn *txn, const struct fat_place *place,
	struct fat_editable **ret)
{
	struct fat_editable *e = find_editable(txn, place->dir_cluster);
	int r;

	if (!e) {
		e = calloc(1, sizeof *e);
		if (!e)
			return -ENOMEM;
		r = fat_dir_image_load(txn->vol, place->dir_cluster, place->dir_path, &e->image);
		if (r < 0) {
			free(e);
			return r;
		}
		e->next = txn->editables;
		txn->editables = e;
	}
	*ret = e;
	return 0;
}

void fat_editables_free(struct fat_txn *txn)
{
	while (txn->editables) {
		struct fat_editable *e = txn->editables;

		txn->editables = e->next;
		fat_dir_image_done(&e->image);
		free(e);
	}
}

static struct fat_step *push_step(struct fat_op *op)
{
	struct fat_step *steps = realloc(op->steps, ((size_t)op->n_steps + 1) * sizeof *steps);

	if (!steps)
		return NULL;
	op->steps = steps;
	steps[op->n_steps] = (struct fat_step){0};
	return &steps[op->n_steps++];
}

/* The cluster, or the whole fixed root, in which a unit lies. */
static void set_region(const struct fat_txn *txn, const struct fat_dir_image *image,
	struct fat_step *step)
{
	const struct fat_geometry *geo = &txn->vol->geo;

	if (!image->clusters) {
		step->region_start = geo->root_offset;
		step->region_end = geo->data_offset;
		return;
	}
	step->region_start = step->offset -
		(step->offset - geo->data_offset) % geo->cluster_size;
	step->region_end = step->region_start + geo->cluster_size;
}

/* Change @n slots from @slot on, all of one unit, to @bytes, as a step of @op. */
static int push_write(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image,
	uint32_t slot, uint32_t n, const uint8_t *bytes)
{
	uint32_t per_unit = slots_per_unit(txn), first = slot / per_unit * per_unit;
	size_t len = (size_t)per_unit * FAT_SLOT_LEN;
	struct fat_step *step = push_step(op);

	if (!step)
		return -ENOMEM;
	step->before = malloc(len);
	step->after = malloc(len);
	if (!step->before || !step->after)
		return -ENOMEM;
	step->kind = FAT_STEP_WRITE;
	step->offset = fat_dir_image_offset(txn->vol, image, first);
	set_region(txn, image, step);
	memcpy(step->before, slot_at(image, first), len);
	memcpy(slot_at(image, slot), bytes, (size_t)n * FAT_SLOT_LEN);
	memcpy(step->after, slot_at(image, first), len);
	return 0;
}

/* Remember what the entry at @short_slot stands for: it may be free afterwards. */
static void note_old(const struct fat_txn *txn, struct fat_op *op, const struct fat_dir_image *image,
	uint32_t short_slot)
{
	struct fat_short_slot slot;

	memcpy(&slot, slot_at(image, short_slot), sizeof slot);
	op->old_cluster = fat_slot_cluster(txn->vol, &slot);
	op->old_directory = slot.attributes & FAT_ATTR_DIRECTORY;
}

/* ---- replace ---- */

static int replace(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image)
{
	const struct fat_item *item = op->item;
	const uint8_t *new_set = item->slots + (size_t)(item->n_slots - 1) * FAT_SLOT_LEN;
	struct fat_short_slot slot, want;

	memcpy(&slot, slot_at(image, op->place.short_slot), sizeof slot);
	memcpy(&want, new_set, sizeof want);
	note_old(txn, op, image, op->place.short_slot);
	memcpy(want.name, slot.name, sizeof want.name);
	want.case_flags = slot.case_flags;
	if (want.attributes & FAT_ATTR_DIRECTORY)
		want.size = le32_of(0);
	fat_slot_set_cluster(txn->vol, &want, item->first_cluster);
	return push_write(txn, op, image, op->place.short_slot, 1, (const uint8_t *)&want);
}

/* ---- remove ---- */

/* Mark the slots from @first to before @end as deleted; they lie in one unit. */
static int delete_slots(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image,
	uint32_t first, uint32_t end)
{
	uint8_t bytes[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];

	memcpy(bytes, slot_at(image, first), (size_t)(end - first) * FAT_SLOT_LEN);
	for (uint32_t i = 0; i < end - first; i++)
		bytes[(size_t)i * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	return push_write(txn, op, image, first, end - first, bytes);
}

/* The entry set that ends with short slot @slot, as it stands in the image now. */
static bool set_of_short_slot(const struct fat_dir_image *image, uint32_t short_slot,
	struct fat_set *ret)
{
	uint32_t slot = 0;

	while (fat_set_next(image->bytes, image->n_slots, &slot, ret) > 0)
		if (ret->short_slot == short_slot)
			return true;
	return false;
}

static int remove_set(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image)
{
	uint32_t per_unit = slots_per_unit(txn), end = op->place.short_slot + 1, first;
	struct fat_set set;
	int r = 0;

	if (!set_of_short_slot(image, op->place.short_slot, &set))
		return -EINVAL;
	note_old(txn, op, image, set.short_slot);
	first = end - set.n_slots;
	while (r == 0 && end > first) {
		uint32_t unit = (end - 1) / per_unit * per_unit;
		uint32_t from = unit > first ? unit : first;

		r = delete_slots(txn, op, image, from, end);
		end = from;
	}
	return r;
}

/* ---- add ---- */

/* The first slot that nobody has used yet: the end marker. */
static uint32_t end_marker(const struct fat_dir_image *image)
{
	uint32_t slot = 0;

	while (slot < image->n_slots && *slot_at(image, slot) != FAT_SLOT_END)
		slot++;
	return slot;
}

/*
 * Whether the set may stand at @slot: all slots free, or orphans that hold just what shall stand
 * there (an interrupted run left them). They cannot be those of a living set: its short entry would
 * follow them, where a free slot has to be.
 */
static bool fits_at(const struct fat_dir_image *image, uint32_t slot, const uint8_t *set,
	uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *at = slot_at(image, slot + i);

		if (*at == FAT_SLOT_DELETED || *at == FAT_SLOT_END)
			continue;
		if (i + 1 == n || memcmp(at, set + (size_t)i * FAT_SLOT_LEN, FAT_SLOT_LEN) != 0)
			return false;
	}
	return true;
}

/*
 * A lone short entry behind long-name slots that belong to nothing would be taken for theirs by
 * readers that do not look at checksums.
 */
static bool follows_long_slot(const struct fat_dir_image *image, uint32_t slot)
{
	const uint8_t *before = slot > 0 ? slot_at(image, slot - 1) : NULL;

	return before && *before != FAT_SLOT_DELETED && *before != FAT_SLOT_END &&
		fat_slot_is_long((const struct fat_short_slot *)(const void *)before);
}

static bool in_one_unit(uint32_t slot, uint32_t n, uint32_t per_unit)
{
	return slot / per_unit == (slot + n - 1) / per_unit;
}

/* Where to put @n slots: in one unit if that can be had, so that one write does it. */
static uint32_t find_room(const struct fat_txn *txn, const struct fat_dir_image *image,
	const uint8_t *set, uint32_t n)
{
	uint32_t per_unit = slots_per_unit(txn), straddling = NO_SLOT;

	for (uint32_t slot = 0; slot + n <= image->n_slots; slot++) {
		if (!fits_at(image, slot, set, n) || (n == 1 && follows_long_slot(image, slot)))
			continue;
		if (in_one_unit(slot, n, per_unit))
			return slot;
		if (straddling == NO_SLOT)
			straddling = slot;
	}
	return straddling;
}

/*
 * Deleted slots from the end marker up to @slot, unit by unit, so that no end marker stays before
 * the set. In the unit where the set begins they come with its write: see put_set().
 */
static int bridge_gap(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image,
	uint32_t slot)
{
	static const uint8_t deleted[FAT_SLOT_LEN] = {FAT_SLOT_DELETED};
	uint32_t per_unit = slots_per_unit(txn), from = end_marker(image);
	uint8_t bytes[4096];
	int r = 0;

	while (r == 0 && from < slot / per_unit * per_unit) {
		uint32_t end = (from / per_unit + 1) * per_unit;

		for (uint32_t i = 0; i < end - from; i++)
			memcpy(bytes + (size_t)i * FAT_SLOT_LEN, deleted, FAT_SLOT_LEN);
		r = push_write(txn, op, image, from, end - from, bytes);
		from = end;
	}
	return r;
}

static int put_set(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image,
	uint32_t slot, const uint8_t *set, uint32_t n)
{
	uint8_t bytes[4096 + FAT_SET_MAX_SLOTS * FAT_SLOT_LEN] = {0};
	uint32_t per_unit = slots_per_unit(txn), marker, first, end = slot + n;
	int r = bridge_gap(txn, op, image, slot);

	marker = end_marker(image);
	first = marker < slot ? marker : slot;
	for (uint32_t i = 0; i < slot - first; i++)
		bytes[(size_t)i * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	memcpy(bytes + (size_t)(slot - first) * FAT_SLOT_LEN, set, (size_t)n * FAT_SLOT_LEN);
	for (uint32_t from = first; r == 0 && from < end;) {
		uint32_t unit_end = (from / per_unit + 1) * per_unit;
		uint32_t to = unit_end < end ? unit_end : end;

		r = push_write(txn, op, image, from, to - from,
			bytes + (size_t)(from - first) * FAT_SLOT_LEN);
		from = to;
	}
	return r;
}

/* ---- growth ---- */

struct fat12_tail {
	uint32_t tail;
};

/*
 * On FAT12 the entry of the last cluster can lie in two units, and half a link is a wild one.
 * So its successor must have a number that leaves one half of the entry, 0xFFF so far, alone.
 */
static bool links_in_one_write(uint32_t cluster, const void *userdata)
{
	const struct fat12_tail *at = userdata;

	if (at->tail % 2 == 0)
		return (cluster & 0xff) == 0xff || (cluster & 0xf00) == 0xf00;
	return (cluster & 0xf) == 0xf || (cluster & 0xff0) == 0xff0;
}

static bool any_cluster(uint32_t cluster, const void *userdata)
{
	(void)cluster;
	(void)userdata;
	return true;
}

static bool tail_straddles(const struct fat_txn *txn, uint32_t tail)
{
	uint32_t unit = blkdev_sector_size(txn->vol->dev);
	uint64_t at = txn->vol->geo.fat_offset + tail + tail / 2;

	return txn->vol->geo.type == FAT_TYPE_12 && at % unit == unit - 1;
}

/*
 * Whether the entry of the tail will be 0xFFF, which links_in_one_write() counts on, when it is
 * linked: 0xFF8 to 0xFFE are end marks as well. A link in the second copy, left by an interrupted
 * run, is cut before.
 */
static bool will_end(const struct fat12_tail *at, unsigned copy, uint32_t raw)
{
	return raw == 0xfff || (copy > 0 && raw < 0xff7 && links_in_one_write(raw, at));
}

/* A cluster to grow by in @ret, 0 when there is none that can be linked safely. */
static int take_successor(struct fat_txn *txn, uint32_t tail, uint32_t *ret)
{
	bool straddles = tail_straddles(txn, tail);
	struct fat12_tail at = {tail};

	*ret = 0;
	for (unsigned copy = 0; straddles && copy < txn->vol->geo.n_fats; copy++) {
		uint32_t raw;
		int r = fat_table_read_raw(txn->vol, copy, tail, &raw);

		if (r < 0 || !will_end(&at, copy, raw))
			return r;
	}
	*ret = fat_space_map_take_one(txn->space, straddles ? links_in_one_write : any_cluster, &at);
	return 0;
}

static int append_to_image(const struct fat_txn *txn, struct fat_dir_image *image, uint32_t cluster)
{
	size_t old = (size_t)image->n_slots * FAT_SLOT_LEN, more = txn->vol->geo.cluster_size;
	uint32_t *clusters = realloc(image->clusters, (image->n_clusters + 1) * sizeof *clusters);
	uint8_t *bytes;

	if (!clusters)
		return -ENOMEM;
	image->clusters = clusters;
	bytes = blkdev_buffer_new(old + more);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, image->bytes, old);
	memset(bytes + old, 0, more);
	free(image->bytes);
	image->bytes = bytes;
	image->clusters[image->n_clusters++] = cluster;
	image->n_slots += (uint32_t)(more / FAT_SLOT_LEN);
	return 0;
}

static int note_grown(struct fat_txn *txn, uint32_t cluster)
{
	uint32_t *grown = realloc(txn->grown, ((size_t)txn->n_grown + 1) * sizeof *grown);

	if (!grown)
		return -ENOMEM;
	txn->grown = grown;
	grown[txn->n_grown++] = cluster;
	return 0;
}

static int report_full(const struct fat_txn *txn, const struct fat_dir_image *image, uint32_t n)
{
	fat_report(txn->vol, "%s: the directory is full: %" PRIu32
		" slots in a row are needed and it cannot grow; remove something from it",
		image->path, n);
	return -ENOSPC;
}

/* Let the directory grow by one cluster, as a step of its own before the set is put there. */
static int grow(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image, uint32_t n)
{
	struct fat_step *step;
	uint32_t tail, cluster;
	int r;

	if (!image->clusters || image->n_slots >= FAT_DIR_MAX_SLOTS)
		return report_full(txn, image, n);
	txn->needed_clusters++;
	tail = image->clusters[image->n_clusters - 1];
	txn->counting |= fat_space_map_clusters(txn->space) == 0;
	if (txn->counting)
		return append_to_image(txn, image, 2); /* nothing will be written there */
	r = take_successor(txn, tail, &cluster);
	if (r < 0)
		return r;
	if (cluster == 0)
		return report_full(txn, image, n);
	step = push_step(op);
	if (!step)
		return -ENOMEM;
	*step = (struct fat_step){.kind = FAT_STEP_LINK, .tail = tail, .cluster = cluster};
	r = note_grown(txn, cluster);
	return r < 0 ? r : append_to_image(txn, image, cluster);
}

/* The volume label is no name: a directory EFI on a volume labelled EFI is nothing unusual. */
static bool is_label(const struct fat_dir_image *image, uint32_t short_slot)
{
	return fat_slot_is_label(
		(const struct fat_short_slot *)(const void *)slot_at(image, short_slot));
}

/*
 * The entry set as it shall stand: cluster filled in, short name changed if it is taken by
 * another than the entry at short slot @except.
 */
static int prepare_set(struct fat_txn *txn, const struct fat_op *op,
	const struct fat_dir_image *image, uint32_t except, uint8_t *set)
{
	const struct fat_item *item = op->item;
	size_t len = (size_t)item->n_slots * FAT_SLOT_LEN;
	struct fat_nameset *names = fat_nameset_new();
	uint8_t short_name[11];
	struct fat_short_slot entry;
	bool renamed = false;
	struct fat_set other;
	uint32_t slot = 0;
	int r = names ? 0 : -ENOMEM;

	while (r == 0 && fat_set_next(image->bytes, image->n_slots, &slot, &other) > 0)
		if (other.short_slot != except && !is_label(image, other.short_slot))
			r = fat_names_enter_fixed(names,
				slot_at(image, other.short_slot + 1 - other.n_slots), other.n_slots);
	if (r == 0)
		r = fat_names_enter_name(names, item->slots, item->n_slots);
	if (r == 0)
		r = fat_names_enter_alias(names, item->slots, item->n_slots, &renamed, short_name);
	fat_nameset_free(names);
	if (r == -EEXIST) {
		char name[FAT_NAME_MAX];

		fat_slots_name(item->slots, item->n_slots, name);
		fat_report(txn->vol,
			"%s: '%s' collides with a foreign entry there; move that out of the way",
			image->path, name);
	}
	if (r < 0)
		return r;
	memcpy(set, item->slots, len);
	fat_slots_normalise(set, item->n_slots);
	if (renamed)
		fat_slots_set_short_name(set, item->n_slots, short_name);
	memcpy(&entry, set + len - FAT_SLOT_LEN, sizeof entry);
	fat_slot_set_cluster(txn->vol, &entry, item->first_cluster);
	if (entry.attributes & FAT_ATTR_DIRECTORY)
		entry.size = le32_of(0);
	memcpy(set + len - FAT_SLOT_LEN, &entry, sizeof entry);
	return 0;
}

static int add_set(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image)
{
	uint8_t set[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN];
	uint32_t n = op->item->n_slots, slot = 0;
	int r = prepare_set(txn, op, image, NO_SLOT, set);

	while (r == 0 && (slot = find_room(txn, image, set, n)) == NO_SLOT)
		r = grow(txn, op, image, n);
	if (r < 0)
		return r;
	op->place.short_slot = slot + n - 1;
	return put_set(txn, op, image, slot, set, n);
}

/* ---- rename ---- */

/* The slots of the old set are deleted by the same write. */
static bool follows_foreign_long_slot(const struct fat_dir_image *image, uint32_t slot,
	const struct fat_set *old)
{
	bool after_old = slot <= old->short_slot + 1 && slot + old->n_slots > old->short_slot + 1;

	return !after_old && follows_long_slot(image, slot);
}

/* The lowest run of @n slots in [from, end) that are free or belong to the old set; or NO_SLOT. */
static uint32_t find_room_beside(const struct fat_dir_image *image, uint32_t from, uint32_t end,
	const struct fat_set *old, uint32_t n)
{
	uint32_t run = 0;

	for (uint32_t slot = from; slot < end; slot++) {
		uint8_t first = *slot_at(image, slot);
		bool is_old = slot <= old->short_slot && slot + old->n_slots > old->short_slot;

		run = is_old || first == FAT_SLOT_DELETED || first == FAT_SLOT_END ? run + 1 : 0;
		if (run >= n && !(n == 1 && follows_foreign_long_slot(image, slot, old)))
			return slot + 1 - n;
	}
	return NO_SLOT;
}

/* Whether the names differ in case only and take the same slots. */
static bool only_case_differs(const struct fat_dir_image *image, const struct fat_set *old,
	const struct fat_item *item)
{
	char before[FAT_NAME_MAX], after[FAT_NAME_MAX];

	if (old->n_slots != item->n_slots)
		return false;
	fat_slots_name(slot_at(image, old->short_slot + 1 - old->n_slots), old->n_slots, before);
	fat_slots_name(item->slots, item->n_slots, after);
	return fat_name_equal(before, after);
}

/*
 * In place, unit by unit, the short entry last. Its name and with it the checksums stay, so in
 * between the long name is partly in the old case and partly in the new: the same to a reader.
 */
static int recase_set(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image,
	const struct fat_set *old)
{
	uint8_t set[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN], short_name[11];
	uint32_t per_unit = slots_per_unit(txn), first = old->short_slot + 1 - old->n_slots;
	uint32_t end = old->short_slot + 1;
	int r = prepare_set(txn, op, image, old->short_slot, set);

	if (r < 0)
		return r;
	note_old(txn, op, image, old->short_slot);
	memcpy(short_name, slot_at(image, old->short_slot), sizeof short_name);
	fat_slots_set_short_name(set, old->n_slots, short_name);
	for (uint32_t from = first; r == 0 && from < end;) {
		uint32_t unit_end = (from / per_unit + 1) * per_unit;
		uint32_t to = unit_end < end ? unit_end : end;

		r = push_write(txn, op, image, from, to - from,
			set + (size_t)(from - first) * FAT_SLOT_LEN);
		from = to;
	}
	return r;
}

static int rename_set(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image)
{
	uint8_t set[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN], unit[4096];
	uint32_t per_unit = slots_per_unit(txn), n = op->item->n_slots, first, slot;
	struct fat_set old;
	int r;

	if (!set_of_short_slot(image, op->place.short_slot, &old))
		return -EINVAL;
	if (only_case_differs(image, &old, op->item))
		return recase_set(txn, op, image, &old);
	first = old.short_slot / per_unit * per_unit;
	slot = find_room_beside(image, first, first + per_unit, &old, n);
	if (slot == NO_SLOT || old.short_slot + 1 - old.n_slots < first)
		return -EXDEV;
	r = prepare_set(txn, op, image, old.short_slot, set);
	if (r < 0)
		return r;
	note_old(txn, op, image, old.short_slot);
	memcpy(unit, slot_at(image, first), (size_t)per_unit * FAT_SLOT_LEN);
	for (uint32_t i = old.short_slot + 1 - old.n_slots; i <= old.short_slot; i++)
		unit[(size_t)(i - first) * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	for (uint32_t i = end_marker(image); i < slot; i++)
		unit[(size_t)(i - first) * FAT_SLOT_LEN] = FAT_SLOT_DELETED;
	memcpy(unit + (size_t)(slot - first) * FAT_SLOT_LEN, set, (size_t)n * FAT_SLOT_LEN);
	op->place.short_slot = slot + n - 1;
	return push_write(txn, op, image, first, per_unit, unit);
}

/* ---- tidy ---- */

/* Mark the slots of all entry sets, orphans not among them. */
static void mark_used(const struct fat_dir_image *image, uint8_t *used)
{
	struct fat_set set;
	uint32_t at = 0;

	while (fat_set_next(image->bytes, image->n_slots, &at, &set) > 0)
		for (uint32_t i = 0; i < set.n_slots; i++)
			fat_bit_set(used, set.short_slot - i);
}

static int tidy_unit(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image,
	const uint8_t *used, uint32_t first, uint32_t end)
{
	uint32_t per_unit = slots_per_unit(txn);
	uint8_t unit[4096];
	bool any = false;

	memcpy(unit, slot_at(image, first), (size_t)per_unit * FAT_SLOT_LEN);
	for (uint32_t slot = first; slot < first + per_unit && slot < end; slot++) {
		uint8_t *at = unit + (size_t)(slot - first) * FAT_SLOT_LEN;

		if (fat_bit_get(used, slot) || *at == FAT_SLOT_DELETED)
			continue;
		*at = FAT_SLOT_DELETED;
		any = true;
	}
	return any ? push_write(txn, op, image, first, per_unit, unit) : 0;
}

static int tidy_dir(struct fat_txn *txn, struct fat_op *op, struct fat_dir_image *image)
{
	uint32_t end = end_marker(image), per_unit = slots_per_unit(txn);
	uint8_t *used = calloc(image->n_slots / 8 + 1, 1);
	int r = used ? 0 : -ENOMEM;

	if (r == 0)
		mark_used(image, used);
	for (uint32_t first = 0; r == 0 && first < end; first += per_unit)
		r = tidy_unit(txn, op, image, used, first, end);
	free(used);
	return r;
}

int fat_edit_layout(struct fat_txn *txn, struct fat_op *op)
{
	struct fat_editable *editable;
	int r = get_editable(txn, &op->place, &editable);

	if (r < 0)
		return r;
	if (op->kind == FAT_OP_ADD)
		return add_set(txn, op, &editable->image);
	if (op->kind == FAT_OP_RENAME)
		return rename_set(txn, op, &editable->image);
	if (op->kind == FAT_OP_TIDY)
		return tidy_dir(txn, op, &editable->image);
	return op->kind == FAT_OP_REPLACE ? replace(txn, op, &editable->image)
					  : remove_set(txn, op, &editable->image);
}
