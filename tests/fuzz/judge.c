/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/judge.h"

enum {
	SLOT = 32,
	FREE_COUNT_AT = 488, /* in FSInfo */
	READ_ONLY = 0x01,
	SEED_MIN = 32,
	SEED_MAX = 32768,
};

void judge_begin(struct judge *judge, const struct fuzz_seed *primary, struct fuzz_seed *mirror,
	const struct reader_rules *rules)
{
	judge->mirror = mirror;
	judge->rules = *rules;
	judge->primary_sound = reader_read(&judge->primary, primary->bytes, primary->size, rules);
	judge->mirror_sound = reader_read(&judge->before, mirror->bytes, mirror->size, rules);
	fuzz_seed_mark(mirror);
}

void judge_end(struct judge *judge)
{
	reader_done(&judge->primary);
	reader_done(&judge->before);
}

void judge_untouched(const struct judge *judge)
{
	if (judge->mirror->n_old > judge->mirror->mark)
		fuzz_fail("written to at %" PRIu64 ", although it was not synced",
			judge->mirror->old[judge->mirror->mark].offset);
}

static const uint8_t *short_of(const struct reader_node *node)
{
	return node->slots + (size_t)(node->n_slots - 1) * SLOT;
}

/* ---- the random seed ---- */

static const char seed_path[] = "/loader/random-seed";

static bool is_seed(const struct reader_node *node)
{
	return strcasecmp(node->path, seed_path) == 0 && !node->directory;
}

static bool is_seed_to_write(const struct reader_node *node)
{
	return is_seed(node) && !(short_of(node)[11] & READ_ONLY) && node->size <= SEED_MAX;
}

/* Where it stands: its clusters are written to. */
static bool is_renewed(const struct reader_node *node)
{
	return is_seed_to_write(node) && node->size >= SEED_MIN;
}

static bool primary_has_seed(const struct judge *judge)
{
	const struct reader_node *p = reader_find(&judge->primary, seed_path);

	return p && is_seed(p);
}

/* ---- what a sync writes for the mirror alone ---- */

static bool is_origin(const struct reader_node *node)
{
	return strcasecmp(node->path, "/loader/esp-sync.was") == 0 && !node->directory;
}

/* Becomes another file. A seed does where it is too short to be renewed, and is wiped. */
static bool is_replaced(const struct judge *judge, const struct reader_node *node)
{
	return is_origin(node) ||
		(is_seed_to_write(node) && node->size < SEED_MIN && primary_has_seed(judge));
}

static bool is_made(const struct judge *judge, const struct reader_node *node)
{
	return is_origin(node) ||
		(is_seed(node) && node->size == SEED_MIN && primary_has_seed(judge));
}

/* ---- what was written ---- */

/* Of the reserved region only the free count of FSInfo may change. */
static bool reserved_write_allowed(const struct judge *judge, const struct fuzz_old_sector *old)
{
	const uint8_t *now = judge->mirror->bytes + old->offset;

	if (old->offset != judge->before.fsinfo_offset)
		return false;
	return memcmp(now, old->bytes, FREE_COUNT_AT) == 0 &&
		memcmp(now + FREE_COUNT_AT + 4, old->bytes + FREE_COUNT_AT + 4,
			512 - FREE_COUNT_AT - 4) == 0;
}

/* FAT[0], FAT[1], and what follows the last entry. */
static void judge_fat_write(const struct judge *judge, const struct fuzz_old_sector *old)
{
	const struct reader *before = &judge->before;
	uint64_t used = (((uint64_t)before->n_clusters + 2) * before->bits + 7) / 8;
	uint64_t start = (old->offset - before->fat_offset) % before->fat_size;

	for (unsigned i = 0; i < 512; i++) {
		uint64_t at = start + i;

		if (at >= before->bits / 4 && at < used)
			continue;
		if (judge->mirror->bytes[old->offset + i] != old->bytes[i])
			fuzz_fail("byte %" PRIu64 " of a FAT was changed", at);
	}
}

static bool is_label(const uint8_t *slot)
{
	return (slot[11] & 0x3f) != 0x0f && slot[11] & 0x08 && *slot != 0 && *slot != 0xe5;
}

static void judge_root_write(const struct judge *judge, const struct fuzz_old_sector *old)
{
	for (unsigned i = 0; i < 512; i += SLOT)
		if (is_label(old->bytes + i) &&
			memcmp(old->bytes + i, judge->mirror->bytes + old->offset + i, SLOT) != 0)
			fuzz_fail("a label was changed at %" PRIu64, old->offset + i);
}

static bool is_foreign_cluster(const struct judge *judge, uint32_t cluster)
{
	const struct reader *before = &judge->before;

	for (size_t i = 0; i < before->n_nodes; i++) {
		const struct reader_node *node = &before->nodes[i];

		if (node->role != READER_FOREIGN || is_renewed(node) || is_replaced(judge, node))
			continue;
		for (uint32_t j = 0; j < node->n_chain; j++)
			if (node->chain[j] == cluster)
				return true;
	}
	return false;
}

static void judge_write(const struct judge *judge, const struct fuzz_old_sector *old)
{
	const struct reader *before = &judge->before;
	uint32_t cluster = reader_cluster_at(before, old->offset);

	if (old->offset < before->fat_offset) {
		if (!reserved_write_allowed(judge, old))
			fuzz_fail("the reserved region was changed at %" PRIu64, old->offset);
	} else if (old->offset < before->root_offset) {
		judge_fat_write(judge, old);
	} else if (cluster == 0 || cluster == before->root_cluster) {
		judge_root_write(judge, old);
	} else if (cluster >= before->n_clusters + 2) {
		fuzz_fail("written behind the last cluster");
	} else if (is_foreign_cluster(judge, cluster)) {
		fuzz_fail("cluster %" PRIu32 " is foreign and was written to", cluster);
	}
}

static void judge_writes(const struct judge *judge)
{
	const struct fuzz_seed *mirror = judge->mirror;

	for (size_t i = mirror->mark; i < mirror->n_old; i++)
		judge_write(judge, &mirror->old[i]);
}

/* ---- entries ---- */

/* Attributes, creation and modification; the access date is nobody's. */
static bool same_meta(const struct reader_node *a, const struct reader_node *b)
{
	const uint8_t *sa = short_of(a), *sb = short_of(b);

	return sa[11] == sb[11] && memcmp(sa + 13, sb + 13, 5) == 0 &&
		memcmp(sa + 22, sb + 22, 4) == 0;
}

static bool same_contents(const struct reader *ra, const struct reader_node *a,
	const struct reader *rb, const struct reader_node *b)
{
	if (a->size != b->size)
		return false;
	for (uint64_t at = 0; at < a->size; at += 512) {
		size_t len = a->size - at < 512 ? (size_t)(a->size - at) : 512;

		if (memcmp(reader_bytes(ra, a, (uint32_t)at), reader_bytes(rb, b, (uint32_t)at),
			    len) != 0)
			return false;
	}
	return true;
}

/* The case of managed roots, and of what leads to them, is the mirror's own. */
static bool same_name(const struct judge *judge, const struct reader_node *p,
	const struct reader_node *m)
{
	char parent[4096];
	size_t len = (size_t)(p->name - p->path) - 1;
	const struct reader_node *dir;

	if (strcmp(p->name, m->name) == 0)
		return true;
	memcpy(parent, p->path, len);
	parent[len] = '\0';
	dir = reader_find(&judge->primary, parent);
	return !dir || dir->role != READER_MANAGED;
}

static void judge_managed(const struct judge *judge, const struct reader *now,
	const struct reader_node *p)
{
	const struct reader_node *m = reader_find(now, p->path);
	uint32_t clusters;

	if (!m)
		fuzz_fail("%s: missing", p->path);
	if (m->directory != p->directory || !same_name(judge, p, m) || !same_meta(p, m))
		fuzz_fail("%s: another kind, name, time or attributes", p->path);
	if (p->directory)
		return;
	if (!same_contents(&judge->primary, p, now, m))
		fuzz_fail("%s: other contents", p->path);
	clusters = (uint32_t)(((uint64_t)m->size + now->cluster_size - 1) / now->cluster_size);
	if (m->n_chain != clusters)
		fuzz_fail("%s: a chain of %" PRIu32 " clusters", p->path, m->n_chain);
}

static bool same_chain(const struct reader_node *a, const struct reader_node *b)
{
	return a->n_chain == b->n_chain &&
		(a->n_chain == 0 || memcmp(a->chain, b->chain, a->n_chain * sizeof *a->chain) == 0);
}

/* Its clusters were not written to: judge_writes(). */
static void judge_foreign(const struct reader *now, const struct reader_node *old)
{
	const struct reader_node *node = reader_find(now, old->path);

	if (!node)
		fuzz_fail("%s: foreign, and gone", old->path);
	if (node->n_slots != old->n_slots || !same_chain(node, old) ||
		memcmp(node->slots, old->slots, (size_t)old->n_slots * SLOT) != 0)
		fuzz_fail("%s: foreign, and not as it was", old->path);
}

/* A directory that the primary lacks stays as long as there is something foreign below. */
static bool holds_foreign(const struct reader *now, const struct reader_node *dir)
{
	size_t len = strlen(dir->path);

	for (size_t i = 0; i < now->n_nodes; i++) {
		const struct reader_node *node = &now->nodes[i];

		if (node->role == READER_FOREIGN && strncmp(node->path, dir->path, len) == 0 &&
			node->path[len] == '/')
			return true;
	}
	return false;
}

/* Nothing is there that is neither the primary's nor was there before and is foreign. */
static void judge_origin(const struct judge *judge, const struct reader *now,
	const struct reader_node *node)
{
	const struct reader *from = node->role == READER_FOREIGN ? &judge->before : &judge->primary;

	if (node->role == READER_PARENT || reader_find(from, node->path))
		return;
	if (is_made(judge, node))
		return;
	if (!node->directory || !holds_foreign(now, node))
		fuzz_fail("%s: where does it come from?", node->path);
}

static void judge_entries(const struct judge *judge, const struct reader *now)
{
	for (size_t i = 0; i < judge->primary.n_nodes; i++)
		if (judge->primary.nodes[i].role == READER_MANAGED)
			judge_managed(judge, now, &judge->primary.nodes[i]);
	for (size_t i = 0; i < judge->before.n_nodes; i++)
		if (judge->before.nodes[i].role == READER_FOREIGN &&
			!is_replaced(judge, &judge->before.nodes[i]))
			judge_foreign(now, &judge->before.nodes[i]);
	for (size_t i = 0; i < now->n_nodes; i++)
		judge_origin(judge, now, &now->nodes[i]);
}

void judge_synced(const struct judge *judge)
{
	struct reader now;

	if (!judge->primary_sound)
		fuzz_fail("synced from an unsound primary: %s", judge->primary.why);
	if (!judge->mirror_sound)
		fuzz_fail("synced an unsound mirror: %s", judge->before.why);
	judge_writes(judge);
	if (!reader_read(&now, judge->mirror->bytes, judge->mirror->size, &judge->rules))
		fuzz_fail("unsound after the sync: %s", now.why);
	if (now.n_lost > 0)
		fuzz_fail("%" PRIu32 " lost clusters", now.n_lost);
	if (!now.copies_equal)
		fuzz_fail("the FAT copies differ");
	judge_entries(judge, &now);
	reader_done(&now);
}
