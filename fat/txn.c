/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fat/txn.h"

/*
 * The write protocol. Nothing else changes a volume, but for the contents of a single file: see
 * overwrite.c.
 *
 * Managed directories are never edited. A new version of a directory is built whole, written
 * with everything below it into free clusters, and one write of one sector in its parent changes
 * the first cluster in one 32-byte entry.
 *
 *   prepare  Where an interrupted run made a directory grow in the last copy only, that copy is
 *            made to end it like the first. Barrier.
 *            New file contents and directories go into clusters that no entry reaches. Barrier.
 *            Their chains go into the FAT copies, the last copy first, a barrier after each, so
 *            that one copy is whole at any time. Lost clusters are freed along with that.
 *            Power cut: lost clusters, copies that differ only there.
 *   verify   All that was prepared is read back and compared. Then the caller gets a last look.
 *            Power cut or mismatch: as before.
 *   commit   One operation after the other: each write of a directory's sector is preceded by a
 *            look whether the sector is as planned, followed by a barrier and read back.
 *            Power cut: the operations before are done, the ones after are not; this one is or is
 *            not. Adding or removing an entry set that straddles sectors can leave long-name slots
 *            that belong to nothing; a directory that grows, FAT copies of which one has
 *            an empty cluster more at its end.
 *   release  What only the old versions used becomes free, first copy first, a barrier after
 *            each; then FSInfo, alone, and a barrier. Power cut: lost clusters, a wrong count.
 *            All of it is read back, too: a run that ends well has done what it says.
 *
 * Before the first write, before each operation and at the end the device is asked whether it still
 * is what was opened: what was written to one that is not need not be there.
 *
 * Nothing in the reserved region is written but FSInfo. A step that fails ends the run; what has
 * been committed stands, what was not is lost clusters, and the next run frees them.
 *
 * A caller may stop the run (fat_txn_set_poll()) up to the first commit. From there on it goes to
 * its end: the long part, copying and reading back, is over; what is left takes a few barriers, and
 * leaves the mirror with all of the new version instead of some.
 *
 * Where commits on several volumes belong together, all of these are prepared and verified before
 * the first commit on any, and between two commits on one there may be some on another.
 */

/* Linux and EDK2 begin FAT16 at 4085 clusters, FatFs and GRUB at 4086, Windows at 4087. */
static bool type_ambiguous(const struct fat_geometry *geo)
{
	return geo->type == FAT_TYPE_16 && geo->n_clusters < 4087;
}

int fat_txn_begin(struct fat_volume *vol, struct fat_txn **ret)
{
	struct fat_txn *txn;
	int r;

	if (!vol->checked)
		return -EUCLEAN;
	if (type_ambiguous(&vol->geo)) {
		fat_report(vol,
			"not written to: %" PRIu32 " clusters, which some drivers take for FAT12 and some for "
			"FAT16; make the volume anew, a little larger or smaller",
			vol->geo.n_clusters);
		return -ENOTSUP;
	}
	txn = calloc(1, sizeof *txn);
	if (!txn)
		return -ENOMEM;
	txn->vol = vol;
	r = fat_space_map_new(vol, &txn->space);
	if (r < 0) {
		free(txn);
		return r;
	}
	*ret = txn;
	return 0;
}

static void free_item(struct fat_item *item)
{
	free(item->extents.list);
	free(item->children);
	free(item);
}

static void free_op(struct fat_op *op)
{
	for (uint32_t i = 0; i < op->n_steps; i++) {
		free(op->steps[i].before);
		free(op->steps[i].after);
	}
	free(op->steps);
}

void fat_txn_free(struct fat_txn *txn)
{
	if (!txn)
		return;
	while (txn->items) {
		struct fat_item *item = txn->items;

		txn->items = item->next_owned;
		free_item(item);
	}
	for (uint32_t i = 0; i < txn->n_ops; i++)
		free_op(&txn->ops[i]);
	free(txn->ops);
	free(txn->grown);
	fat_editables_free(txn);
	fat_space_map_free(txn->space);
	free(txn);
}

/* ---- items ---- */

static struct fat_item *new_item(struct fat_txn *txn, struct fat_item from)
{
	struct fat_item *item = malloc(sizeof *item);

	if (!item)
		return NULL;
	*item = from;
	item->next_owned = txn->items;
	txn->items = item;
	return item;
}

struct fat_item *fat_item_keep(struct fat_txn *txn, const uint8_t *slots, uint32_t n_slots,
	uint32_t first_cluster, bool fixed)
{
	return new_item(txn,
		(struct fat_item){.kind = FAT_ITEM_KEEP,
			.slots = slots,
			.n_slots = n_slots,
			.first_cluster = first_cluster,
			.fixed = fixed});
}

struct fat_item *fat_item_file(struct fat_txn *txn, const uint8_t *slots, uint32_t n_slots,
	struct fat_source *source)
{
	return new_item(txn,
		(struct fat_item){
			.kind = FAT_ITEM_FILE, .slots = slots, .n_slots = n_slots, .source = source});
}

struct fat_item *fat_item_dir(struct fat_txn *txn, const uint8_t *slots, uint32_t n_slots)
{
	return new_item(
		txn, (struct fat_item){.kind = FAT_ITEM_DIR, .slots = slots, .n_slots = n_slots});
}

int fat_item_add(struct fat_item *dir, struct fat_item *child)
{
	if (dir->n_children == dir->room) {
		uint32_t room = dir->room ? dir->room * 2 : 8;
		struct fat_child *children = realloc(dir->children, (size_t)room * sizeof *children);

		if (!children)
			return -ENOMEM;
		dir->children = children;
		dir->room = room;
	}
	dir->children[dir->n_children++] = (struct fat_child){.item = child};
	return 0;
}

/* ---- operations ---- */

static int push_op(struct fat_txn *txn, enum fat_op_kind kind, const struct fat_place *place,
	struct fat_item *item)
{
	if (txn->n_ops == txn->room) {
		uint32_t room = txn->room ? txn->room * 2 : 8;
		struct fat_op *ops = realloc(txn->ops, (size_t)room * sizeof *ops);

		if (!ops)
			return -ENOMEM;
		txn->ops = ops;
		txn->room = room;
	}
	txn->ops[txn->n_ops++] = (struct fat_op){.kind = kind, .place = *place, .item = item};
	return 0;
}

int fat_txn_replace(struct fat_txn *txn, const struct fat_place *place, struct fat_item *item)
{
	return push_op(txn, FAT_OP_REPLACE, place, item);
}

int fat_txn_add(struct fat_txn *txn, const struct fat_place *place, struct fat_item *item)
{
	return push_op(txn, FAT_OP_ADD, place, item);
}

int fat_txn_rename(struct fat_txn *txn, const struct fat_place *place, struct fat_item *item)
{
	return push_op(txn, FAT_OP_RENAME, place, item);
}

int fat_txn_remove(struct fat_txn *txn, const struct fat_place *place)
{
	return push_op(txn, FAT_OP_REMOVE, place, NULL);
}

int fat_txn_tidy(struct fat_txn *txn, const struct fat_place *place)
{
	return push_op(txn, FAT_OP_TIDY, place, NULL);
}

static int layout_items(struct fat_txn *txn)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < txn->n_ops; i++)
		if (txn->ops[i].item)
			r = fat_shadow_count(txn, txn->ops[i].item, txn->ops[i].place.dir_path);
	if (r < 0)
		return r;
	txn->counting = txn->needed_clusters > fat_space_map_clusters(txn->space);
	for (uint32_t i = 0; r == 0 && !txn->counting && i < txn->n_ops; i++)
		if (txn->ops[i].item)
			r = fat_shadow_layout(
				txn, txn->ops[i].item, txn->ops[i].place.dir_cluster);
	return r;
}

int fat_txn_layout(struct fat_txn *txn, struct fat_space *ret)
{
	uint64_t cluster_size = txn->vol->geo.cluster_size;
	uint64_t free_clusters = fat_space_map_clusters(txn->space);
	int r = layout_items(txn);

	for (uint32_t i = 0; r == 0 && i < txn->n_ops; i++)
		r = fat_edit_layout(txn, &txn->ops[i]);
	if (r == 0 && txn->counting)
		r = -ENOSPC;
	if (r == 0 || r == -ENOSPC)
		*ret = (struct fat_space){
			.needed = txn->needed_clusters * cluster_size,
			.free = free_clusters * cluster_size,
		};
	txn->laid_out = r == 0;
	return r;
}

/* ---- the phases ---- */

void fat_txn_set_poll(struct fat_txn *txn, int (*poll)(void *userdata), void *userdata)
{
	txn->poll = poll;
	txn->poll_userdata = userdata;
}

int fat_txn_poll(const struct fat_txn *txn)
{
	return txn->poll ? txn->poll(txn->poll_userdata) : 0;
}

/* Write the dirty sectors of one copy, and the barrier if there was anything to write. */
static int write_copy(struct fat_volume *vol, unsigned copy)
{
	int64_t n = fat_table_write(vol, copy);

	if (n < 0)
		return (int)n;
	return n > 0 ? fat_barrier(vol) : 0;
}

static int write_copies_last_first(struct fat_volume *vol)
{
	int r = 0;

	for (unsigned copy = vol->geo.n_fats; r == 0 && copy-- > 0;)
		r = write_copy(vol, copy);
	return r;
}

static int write_copies_first_first(struct fat_volume *vol)
{
	int r = 0;

	for (unsigned copy = 0; r == 0 && copy < vol->geo.n_fats; copy++)
		r = write_copy(vol, copy);
	return r;
}

static int verify_copies(struct fat_volume *vol)
{
	int r = 0;

	for (unsigned copy = 0; r == 0 && copy < vol->geo.n_fats; copy++)
		r = fat_table_verify(vol, copy);
	return r;
}

static int touch_difference(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata)
{
	(void)value;
	(void)userdata;
	fat_table_touch(vol, cluster);
	return 0;
}

static int cut_stale_link(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata)
{
	bool *any = userdata;

	(void)value;
	if (!fat_bit_get(vol->reachable, cluster))
		return 0;
	*any = true;
	return fat_table_copy_entry(vol, 1, cluster);
}

static int refuse_stale_link(struct fat_volume *vol, uint32_t cluster, uint32_t value, void *userdata)
{
	(void)value;
	(void)userdata;
	if (!fat_bit_get(vol->reachable, cluster))
		return 0;
	fat_report(vol, "FAT copy 2 cannot be made equal to copy 1 on cluster %" PRIu32
		": the device lost a write", cluster);
	return -EIO;
}

/*
 * Where an interrupted run made a directory grow, it goes on in the second FAT copy only, into a
 * cluster that counts as lost and may be the next to be written to. So that link goes first.
 */
static int cut_stale_links(struct fat_volume *vol)
{
	bool any = false;
	int r;

	if (!vol->check.fat_copies_differ || vol->geo.n_fats < 2)
		return 0;
	r = fat_table_compare(vol, 1, cut_stale_link, &any);
	if (r < 0 || !any)
		return r;
	r = fat_barrier(vol);
	return r < 0 ? r : fat_table_compare(vol, 1, refuse_stale_link, NULL);
}

/* What an interrupted run left: lost clusters, and FAT copies that are not alike. */
static int tidy_table(struct fat_volume *vol)
{
	uint32_t end = vol->geo.n_clusters + 2;

	for (uint32_t c = 2; vol->check.lost_clusters > 0 && c < end; c++)
		if (fat_next(vol, c) != FAT_FREE && fat_next(vol, c) != FAT_BAD &&
			!fat_bit_get(vol->reachable, c))
			fat_table_set(vol, c, FAT_FREE);
	if (vol->check.fat_copies_differ && vol->geo.n_fats > 1)
		return fat_table_compare(vol, 1, touch_difference, NULL);
	return 0;
}

/* A directory grows by a cluster of zeros. */
static int write_zeros(struct fat_volume *vol, uint32_t cluster)
{
	uint8_t *zeros = blkdev_buffer_new(vol->geo.cluster_size);
	int r;

	if (!zeros)
		return -ENOMEM;
	memset(zeros, 0, vol->geo.cluster_size);
	r = blkdev_write(vol->dev, fat_cluster_offset(vol, cluster), zeros, vol->geo.cluster_size);
	if (r < 0)
		fat_report(vol, "cannot write cluster %" PRIu32 ": %s", cluster, strerror(-r));
	free(zeros);
	return r;
}

static int prepare_data(struct fat_txn *txn)
{
	bool any = txn->n_grown > 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < txn->n_grown; i++)
		r = write_zeros(txn->vol, txn->grown[i]);
	for (uint32_t i = 0; r == 0 && i < txn->n_ops; i++)
		if (txn->ops[i].item) {
			r = fat_data_write(txn, txn->ops[i].item);
			any = true;
		}
	return r < 0 || !any ? r : fat_barrier(txn->vol);
}

/* Between two copies is a good moment to stop: they differ on clusters that no entry reaches. */
static int prepare_copies(struct fat_txn *txn)
{
	int r = 0;

	for (unsigned copy = txn->vol->geo.n_fats; r == 0 && copy-- > 0;) {
		r = fat_txn_poll(txn);
		if (r == 0)
			r = write_copy(txn->vol, copy);
	}
	return r;
}

static int prepare(struct fat_txn *txn)
{
	struct fat_volume *vol = txn->vol;
	int r = cut_stale_links(vol);

	if (r == 0)
		r = prepare_data(txn);
	if (r < 0)
		return r;
	fat_table_clean(vol);
	r = tidy_table(vol);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < txn->n_grown; i++)
		fat_table_set(vol, txn->grown[i], FAT_EOC);
	for (uint32_t i = 0; i < txn->n_ops; i++)
		if (txn->ops[i].item)
			fat_chains_enter(txn, txn->ops[i].item);
	return prepare_copies(txn);
}

static int verify_zeros(struct fat_volume *vol, uint32_t cluster)
{
	size_t len = vol->geo.cluster_size;
	uint8_t *found = blkdev_buffer_new(len);
	int r;

	if (!found)
		return -ENOMEM;
	r = blkdev_read(vol->dev, fat_cluster_offset(vol, cluster), found, len);
	for (size_t i = 0; r == 0 && i < len; i++)
		if (found[i] != 0)
			r = -EIO;
	if (r < 0)
		fat_report(vol, "cluster %" PRIu32 " cannot be read back as written: %s", cluster,
			strerror(-r));
	free(found);
	return r;
}

static int verify(struct fat_txn *txn)
{
	int r = verify_copies(txn->vol);

	for (uint32_t i = 0; r == 0 && i < txn->n_grown; i++)
		r = verify_zeros(txn->vol, txn->grown[i]);
	for (uint32_t i = 0; r == 0 && i < txn->n_ops; i++)
		if (txn->ops[i].item)
			r = fat_data_verify(txn, txn->ops[i].item);
	fat_table_clean(txn->vol);
	return r;
}

static int write_unit(struct fat_volume *vol, const struct fat_step *step, uint8_t *buf)
{
	uint32_t unit = blkdev_sector_size(vol->dev);
	uint64_t offset;
	uint8_t *at;
	size_t len;
	int r;

	fat_surrounding_block(vol, step->offset, step->region_start, step->region_end, &offset,
		&len);
	at = buf + (step->offset - offset);
	r = blkdev_read(vol->dev, offset, buf, len);
	if (r == 0 && memcmp(at, step->before, unit) != 0) {
		fat_report(vol,
			"the directory sector at byte %" PRIu64
			" was changed by somebody else; nothing was written over it",
			step->offset);
		return -ESTALE;
	}
	if (r == 0) {
		memcpy(at, step->after, unit);
		r = blkdev_write(vol->dev, offset, buf, len);
	}
	if (r < 0)
		fat_report(vol, "cannot change the directory sector at byte %" PRIu64 ": %s",
			step->offset, strerror(-r));
	return r;
}

static int read_back_unit(struct fat_volume *vol, const struct fat_step *step, uint8_t *buf)
{
	uint32_t unit = blkdev_sector_size(vol->dev);
	int r = blkdev_read(vol->dev, step->offset, buf, unit);

	if (r == 0 && memcmp(buf, step->after, unit) != 0)
		r = -EIO;
	if (r < 0)
		fat_report(vol, "the directory sector at byte %" PRIu64
			" cannot be read back as written: %s", step->offset, strerror(-r));
	return r;
}

static int run_write_step(struct fat_volume *vol, const struct fat_step *step)
{
	uint8_t *buf = blkdev_buffer_new(blkdev_physical_size(vol->dev));
	int r;

	if (!buf)
		return -ENOMEM;
	r = write_unit(vol, step, buf);
	if (r == 0)
		r = fat_barrier(vol);
	if (r == 0)
		r = read_back_unit(vol, step, buf);
	free(buf);
	return r;
}

static int run_link_step(struct fat_volume *vol, const struct fat_step *step)
{
	int r;

	fat_table_set(vol, step->tail, step->cluster);
	r = write_copies_last_first(vol);
	if (r == 0)
		r = verify_copies(vol);
	fat_table_clean(vol);
	return r;
}

static int commit(struct fat_txn *txn, const struct fat_op *op)
{
	int r = fat_recheck_device(txn->vol);

	for (uint32_t i = 0; r == 0 && i < op->n_steps; i++) {
		const struct fat_step *step = &op->steps[i];

		r = step->kind == FAT_STEP_LINK ? run_link_step(txn->vol, step)
						: run_write_step(txn->vol, step);
	}
	return r;
}

static bool fsinfo_valid(const struct fat_fsinfo *info)
{
	return le32_get(info->lead_signature) == FAT_FSINFO_LEAD &&
		le32_get(info->struct_signature) == FAT_FSINFO_STRUCT &&
		le32_get(info->trail_signature) == FAT_FSINFO_TRAIL;
}

static int write_fsinfo(struct fat_volume *vol, const struct fat_fsinfo *info, uint8_t *buf)
{
	uint32_t unit = blkdev_sector_size(vol->dev);
	int r;

	memcpy(buf, info, sizeof *info);
	r = blkdev_write(vol->dev, vol->geo.fsinfo_offset, buf, unit);
	if (r == 0)
		r = fat_barrier(vol);
	if (r == 0)
		r = blkdev_read(vol->dev, vol->geo.fsinfo_offset, buf, unit);
	return r == 0 && memcmp(buf, info, sizeof *info) != 0 ? -EIO : r;
}

/* A hint that mtools takes for the truth. A sector that is none is left alone. */
static int update_fsinfo(struct fat_volume *vol)
{
	uint32_t unit = blkdev_sector_size(vol->dev);
	struct fat_fsinfo info;
	uint8_t *buf;
	int r;

	if (vol->geo.fsinfo_offset == 0)
		return 0;
	buf = blkdev_buffer_new(unit);
	if (!buf)
		return -ENOMEM;
	r = blkdev_read(vol->dev, vol->geo.fsinfo_offset, buf, unit);
	memcpy(&info, buf, sizeof info);
	if (r == 0 && fsinfo_valid(&info) && le32_get(info.free_clusters) != fat_count_free(vol)) {
		info.free_clusters = le32_of(fat_count_free(vol));
		r = write_fsinfo(vol, &info, buf);
	}
	if (r < 0)
		fat_report(vol, "cannot update the free count: %s", strerror(-r));
	free(buf);
	return r;
}

static int release(struct fat_txn *txn)
{
	bool any;
	int r = fat_release_old(txn, &any);

	if (r == 0 && any)
		r = write_copies_first_first(txn->vol);
	if (r == 0 && any)
		r = verify_copies(txn->vol);
	fat_table_clean(txn->vol);
	return r < 0 ? r : update_fsinfo(txn->vol);
}

int fat_txn_prepare(struct fat_txn *txn)
{
	struct fat_volume *vol = txn->vol;
	int r;

	if ((txn->n_ops > 0 && !txn->laid_out) || txn->prepared)
		return -EINVAL;
	vol->checked = false;
	r = fat_recheck_device(vol);
	if (r == 0)
		r = prepare(txn);
	if (r == 0)
		r = verify(txn);
	txn->prepared = r == 0;
	return fat_blame_device(txn->vol, r);
}

uint32_t fat_txn_count(const struct fat_txn *txn)
{
	return txn->n_ops;
}

int fat_txn_commit(struct fat_txn *txn, uint32_t end)
{
	int r = 0;

	if (!txn->prepared || end > txn->n_ops)
		return -EINVAL;
	while (r == 0 && txn->n_committed < end)
		r = commit(txn, &txn->ops[txn->n_committed++]);
	txn->prepared = r == 0;
	return fat_blame_device(txn->vol, r);
}

int fat_txn_release(struct fat_txn *txn)
{
	int r;

	if (!txn->prepared || txn->n_committed < txn->n_ops)
		return -EINVAL;
	txn->prepared = false;
	r = release(txn);
	if (r == 0)
		r = fat_recheck_device(txn->vol);
	return fat_blame_device(txn->vol, r);
}

int fat_txn_run(struct fat_txn *txn, int (*before_commit)(void *userdata), void *userdata)
{
	int r = fat_txn_prepare(txn);

	if (r == 0 && before_commit)
		r = before_commit(userdata);
	if (r == 0)
		r = fat_txn_poll(txn);
	if (r == 0)
		r = fat_txn_commit(txn, txn->n_ops);
	return r < 0 ? r : fat_txn_release(txn);
}
