/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fat/internal.h"
#include "lib/origin.h"
#include "tests/powercut.h"

/*
 * A state is judged three times over: bytes that nobody may change; what fat_check() says; and
 * every entry by its path, against the mirror as it was at first and the primary. The last two are
 * done once with each FAT copy in the first place.
 *
 * Contents are compared in the images, following the chains that the table in force gives.
 */

enum { NODES_MAX = 4096, ARENA_SIZE = 16 * 1024 * 1024 };

__attribute__((format(printf, 2, 3))) static bool fault(struct cut_judge *judge,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(judge->fault, sizeof judge->fault, format, args);
	va_end(args);
	return false;
}

static void keep_message(void *userdata, const char *message)
{
	struct cut_judge *judge = userdata;

	(void)fault(judge, "%s", message);
}

/* ---- snapshots ---- */

static void snapshot_init(struct cut_snapshot *s)
{
	*s = (struct cut_snapshot){
		.nodes = malloc(NODES_MAX * sizeof *s->nodes),
		.arena = malloc(ARENA_SIZE),
	};
	ck_assert_ptr_nonnull(s->nodes);
	ck_assert_ptr_nonnull(s->arena);
}

static void snapshot_done(struct cut_snapshot *s)
{
	free(s->nodes);
	free(s->arena);
}

static void *arena_take(struct cut_snapshot *s, size_t len)
{
	void *at = s->arena + s->used;

	s->used += (len + 15) / 16 * 16;
	cut_require(s->used <= ARENA_SIZE, "arena size");
	return at;
}

static const char *join(struct cut_snapshot *s, const char *dir, const char *name)
{
	size_t len = strlen(dir) + 1 + strlen(name) + 1;
	char *path = arena_take(s, len);

	(void)snprintf(path, len, "%s/%s", dir, name);
	return path;
}

/* The check that came before says that chains end. */
static void take_chain(struct cut_snapshot *s, const struct fat_volume *vol, struct cut_node *node)
{
	uint32_t *chain, n = 0;

	for (uint32_t c = node->first_cluster; fat_cluster_valid(vol, c); c = fat_next(vol, c))
		n++;
	chain = arena_take(s, n * sizeof *chain);
	n = 0;
	for (uint32_t c = node->first_cluster; fat_cluster_valid(vol, c); c = fat_next(vol, c))
		chain[n++] = c;
	node->chain = chain;
	node->n_chain = n;
}

static struct cut_node *take_entry(struct cut_snapshot *s, const struct fes_managed *managed,
	const struct fat_volume *vol, const char *dir, const struct fat_entry *entry)
{
	size_t len = (size_t)entry->n_slots * FAT_SLOT_LEN;
	struct cut_node *node = &s->nodes[s->n++];
	uint8_t *slots = arena_take(s, len);

	cut_require(s->n < NODES_MAX, "number of entries");
	memcpy(slots, entry->slots, len);
	*node = (struct cut_node){
		.path = join(s, dir, entry->name),
		.directory = entry->attributes & FAT_ATTR_DIRECTORY,
		.size = entry->size,
		.first_cluster = entry->first_cluster,
		.n_slots = entry->n_slots,
		.slots = slots,
	};
	node->role = fes_managed_role(managed, node->path);
	take_chain(s, vol, node);
	return node;
}

static int take_dir(struct cut_snapshot *s, const struct fes_managed *managed,
	struct fat_volume *vol, uint32_t cluster, const char *path)
{
	struct fat_entry entry;
	struct fat_dir *dir;
	int r = fat_dir_open(vol, cluster, path, &dir);

	if (r < 0)
		return r;
	while (r == 0 && fat_dir_next(dir, &entry) > 0) {
		const struct cut_node *node = take_entry(s, managed, vol, path, &entry);

		if (node->directory)
			r = take_dir(s, managed, vol, node->first_cluster, node->path);
	}
	fat_dir_close(dir);
	return r;
}

static int by_path(const void *a, const void *b)
{
	const struct cut_node *na = a, *nb = b;

	return strcmp(na->path, nb->path);
}

static int take_snapshot(struct cut_snapshot *s, const struct fes_managed *managed,
	struct fat_volume *vol, const uint8_t *image)
{
	int r;

	s->image = image;
	s->data_offset = vol->geo.data_offset;
	s->cluster_size = vol->geo.cluster_size;
	s->n = 0;
	s->used = 0;
	r = take_dir(s, managed, vol, 0, "");
	qsort(s->nodes, s->n, sizeof *s->nodes, by_path);
	return r;
}

const struct cut_node *cut_snapshot_find(const struct cut_snapshot *s, const char *path)
{
	struct cut_node key = {.path = path};

	return bsearch(&key, s->nodes, s->n, sizeof *s->nodes, by_path);
}

const uint8_t *cut_bytes_at(const struct cut_snapshot *s, const struct cut_node *node,
	uint32_t offset)
{
	uint32_t cluster = node->chain[offset / s->cluster_size];

	return s->image + s->data_offset + (uint64_t)(cluster - 2) * s->cluster_size +
		offset % s->cluster_size;
}

static bool same_contents(const struct cut_snapshot *sa, const struct cut_node *a,
	const struct cut_snapshot *sb, const struct cut_node *b)
{
	if (a->size != b->size)
		return false;
	for (uint32_t at = 0; at < a->size; at += 512) {
		uint32_t len = a->size - at < 512 ? a->size - at : 512;

		if (memcmp(cut_bytes_at(sa, a, at), cut_bytes_at(sb, b, at), len) != 0)
			return false;
	}
	return true;
}

/* ---- entries ---- */

/* Attributes and times, which change together with contents; the access date is nobody's. */
static bool same_meta(const struct cut_node *a, const struct cut_node *b)
{
	const struct fat_short_slot *sa, *sb;

	sa = (const struct fat_short_slot *)(const void *)&a
		->slots[(size_t)(a->n_slots - 1) * FAT_SLOT_LEN];
	sb = (const struct fat_short_slot *)(const void *)&b
		->slots[(size_t)(b->n_slots - 1) * FAT_SLOT_LEN];
	return sa->attributes == sb->attributes && sa->create_centis == sb->create_centis &&
		memcmp(&sa->create_time, &sb->create_time, 4) == 0 &&
		memcmp(&sa->write_time, &sb->write_time, 4) == 0;
}

static bool is_version(const struct cut_snapshot *now, const struct cut_node *node,
	const struct cut_snapshot *of)
{
	const struct cut_node *version = cut_snapshot_find(of, node->path);

	if (!version || version->directory != node->directory)
		return false;
	if (node->role == FES_PARENT)
		return true;
	return same_meta(node, version) &&
		(node->directory || same_contents(now, node, of, version));
}

static bool is_untouched(const struct cut_snapshot *now, const struct cut_node *node,
	const struct cut_snapshot *before)
{
	const struct cut_node *old = cut_snapshot_find(before, node->path);

	if (!old || old->n_slots != node->n_slots || old->n_chain != node->n_chain ||
		memcmp(old->slots, node->slots, (size_t)node->n_slots * FAT_SLOT_LEN) != 0 ||
		(node->n_chain > 0 &&
			memcmp(old->chain, node->chain, node->n_chain * sizeof *node->chain) != 0))
		return false;
	/* A foreign directory holds what is foreign; its clusters are compared like a file's. */
	for (uint32_t i = 0; i < node->n_chain; i++) {
		uint64_t offset = now->data_offset +
			(uint64_t)(node->chain[i] - 2) * now->cluster_size;

		if (memcmp(now->image + offset, before->image + offset, now->cluster_size) != 0)
			return false;
	}
	return true;
}

/* What a sync writes for the mirror alone. It need not be there. */
static bool is_own(const struct cut_node *node)
{
	return fat_name_equal(node->path, FES_ORIGIN_PATH);
}

static bool is_whole_origin(const struct cut_snapshot *now, const struct cut_node *node)
{
	char *text = malloc(node->size + 512);
	struct fes_origin origin;
	bool whole;

	ck_assert_ptr_nonnull(text);
	for (uint32_t at = 0; at < node->size; at += 512)
		memcpy(text + at, cut_bytes_at(now, node, at), 512);
	whole = fes_origin_parse(text, node->size, &origin) == 0;
	if (whole)
		fes_origin_done(&origin);
	free(text);
	return whole;
}

static bool judge_own(struct cut_judge *judge, const struct cut_node *node)
{
	const struct cut_snapshot *now = &judge->now;

	return is_untouched(now, node, &judge->before) || is_whole_origin(now, node) ||
		fault(judge, "%s: neither as before nor whole", node->path);
}

/* A directory that the primary has no more stays for what is not the primary's. */
static bool holds_foreign(const struct cut_snapshot *now, const struct cut_node *dir)
{
	size_t len = strlen(dir->path);

	for (size_t i = 0; i < now->n; i++)
		if (now->nodes[i].role == FES_FOREIGN &&
			strncmp(now->nodes[i].path, dir->path, len) == 0 &&
			now->nodes[i].path[len] == '/')
			return true;
	return false;
}

/* ---- random seeds ---- */

static bool is_seed(const struct cut_judge *judge, const struct cut_node *node)
{
	return strcasecmp(node->path, FES_SEED_PATH) == 0 && !node->directory &&
		!fes_managed_excludes(judge->managed, node->path);
}

/* Behind the seed each byte is what it was or zero; a sector is never torn. */
static bool is_renewed(const struct cut_snapshot *now, const struct cut_node *node,
	const struct cut_snapshot *before, const struct cut_node *old)
{
	if (old->n_slots != node->n_slots || old->n_chain != node->n_chain ||
		memcmp(old->slots, node->slots, (size_t)node->n_slots * FAT_SLOT_LEN) != 0 ||
		memcmp(old->chain, node->chain, node->n_chain * sizeof *node->chain) != 0)
		return false;
	for (uint32_t i = FES_SEED_LEN; i < node->n_chain * now->cluster_size; i++)
		if (*cut_bytes_at(now, node, i) != 0 &&
			*cut_bytes_at(now, node, i) != *cut_bytes_at(before, old, i))
			return false;
	return true;
}

/* It was renewed where it stood, or made; but it is not the primary's. */
static bool judge_seed(struct cut_judge *judge, const struct cut_node *node)
{
	const struct cut_node *old = cut_snapshot_find(&judge->before, node->path);
	const struct cut_node *p = cut_snapshot_find(judge->target, node->path);

	if (is_untouched(&judge->now, node, &judge->before))
		return true;
	if (p && same_contents(&judge->now, node, judge->target, p))
		return fault(judge, "%s: is the primary's", node->path);
	if (old && old->size >= FES_SEED_LEN)
		return is_renewed(&judge->now, node, &judge->before, old) ||
			fault(judge, "%s: neither as it was nor renewed", node->path);
	return (p && node->size == FES_SEED_LEN) ||
		fault(judge, "%s: where does it come from?", node->path);
}

/* Equal states shall be seen to be equal, and those of two runs are, if their seeds are. */
ssize_t cut_entropy(void *buf, size_t len, unsigned flags)
{
	(void)flags;
	memset(buf, 0x5e, len);
	return (ssize_t)len;
}

/* ---- all entries ---- */

/* Something that only entries of before named. */
static bool is_untold(const struct cut_judge *judge, const struct cut_node *node)
{
	const struct cut_node *after = cut_snapshot_find(&judge->after, node->path);

	return judge->untold_stay && (!after || after->role == FES_FOREIGN) &&
		strncmp(node->path, "/loader/", 8) != 0 && strncmp(node->path, "/EFI/", 5) != 0;
}

static bool judge_node(struct cut_judge *judge, const struct cut_node *node, bool final)
{
	const struct cut_snapshot *now = &judge->now;

	if (is_own(node))
		return judge_own(judge, node);
	if (is_seed(judge, node))
		return judge_seed(judge, node);
	if (node->role == FES_FOREIGN)
		return is_untouched(now, node, &judge->before) ||
			fault(judge, "%s: foreign, and not as it was", node->path);
	if (is_version(now, node, judge->target))
		return true;
	if (final && is_untold(judge, node))
		return true;
	if (final && node->role == FES_MANAGED && !(node->directory && holds_foreign(now, node)))
		return fault(judge, "%s: not as on the primary", node->path);
	return is_version(now, node, &judge->before) || is_version(now, node, &judge->after) ||
		is_version(now, node, &judge->other) ||
		fault(judge, "%s: neither as before nor as on the primary", node->path);
}

static bool judge_nodes(struct cut_judge *judge, bool final)
{
	for (size_t i = 0; i < judge->now.n; i++)
		if (!judge_node(judge, &judge->now.nodes[i], final))
			return false;
	return true;
}

static bool is_mirrored_in(const struct cut_snapshot *s, const struct cut_node *node)
{
	const struct cut_node *there = cut_snapshot_find(s, node->path);

	return there && there->directory == node->directory && there->role != FES_FOREIGN;
}

/* What is foreign, and what is there before and after, is there all the time. */
static bool judge_missing(struct cut_judge *judge)
{
	for (size_t i = 0; i < judge->before.n; i++) {
		const struct cut_node *node = &judge->before.nodes[i];

		if (is_own(node))
			continue;
		if (node->role != FES_FOREIGN &&
			!(is_mirrored_in(&judge->after, node) && is_mirrored_in(judge->target, node)))
			continue;
		if (!cut_snapshot_find(&judge->now, node->path))
			return fault(judge, "%s: gone", node->path);
	}
	return true;
}

static bool judge_complete(struct cut_judge *judge)
{
	for (size_t i = 0; i < judge->target->n; i++) {
		const struct cut_node *node = &judge->target->nodes[i];

		if (node->role == FES_MANAGED && !cut_snapshot_find(&judge->now, node->path))
			return fault(judge, "%s: missing", node->path);
	}
	return true;
}

/* ---- does it boot ---- */

static bool ends_with(const char *path, const char *ending)
{
	size_t len = strlen(path), n = strlen(ending);

	return len > n && strcasecmp(path + len - n, ending) == 0;
}

/* Nothing further down: a boot loader does not look there. */
static bool is_file_in(const struct cut_node *node, const char *dir, const char *ending)
{
	size_t len = strlen(dir);

	return !node->directory && strncasecmp(node->path, dir, len) == 0 &&
		!strchr(node->path + len, '/') && ends_with(node->path + len, ending);
}

static bool is_loader_entry(const struct cut_node *node)
{
	return is_file_in(node, "/loader/entries/", ".conf");
}

static bool is_choice(const struct cut_node *node)
{
	return is_loader_entry(node) || is_file_in(node, "/EFI/Linux/", ".efi");
}

/* One without a byte is as good as none. */
static bool has_file(const struct cut_snapshot *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->nodes[i].directory && s->nodes[i].size > 0 &&
			fat_name_equal(s->nodes[i].path, path))
			return true;
	return false;
}

static bool names_file(const char *key)
{
	return strcmp(key, "linux") == 0 || strcmp(key, "initrd") == 0 || strcmp(key, "efi") == 0 ||
		strcmp(key, "devicetree") == 0;
}

/* One path, or several. */
static bool has_files(const struct cut_snapshot *s, const char *value)
{
	char text[512], *rest = text, *path;

	if (has_file(s, value))
		return true;
	(void)snprintf(text, sizeof text, "%s", value);
	while ((path = strsep(&rest, " ")))
		if (!has_file(s, path))
			return false;
	return true;
}

static bool line_lacks_file(const struct cut_snapshot *s, const char *line, char lacking[512])
{
	char key[32];

	return sscanf(line, "%31s %511[^\n]", key, lacking) == 2 && names_file(key) &&
		!has_files(s, lacking);
}

static bool lacks_file(const struct cut_snapshot *s, const struct cut_node *entry, char lacking[512])
{
	char text[4096], *line, *rest = text;

	cut_require(entry->size < sizeof text, "size of a loader entry");
	for (uint32_t i = 0; i < entry->size; i++)
		text[i] = (char)*cut_bytes_at(s, entry, i);
	text[entry->size] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (line_lacks_file(s, line, lacking))
			return true;
	return false;
}

bool cut_snapshot_has_choice(const struct cut_snapshot *s)
{
	char lacking[512];

	for (size_t i = 0; i < s->n; i++)
		if (is_choice(&s->nodes[i]) && s->nodes[i].size > 0 &&
			!(is_loader_entry(&s->nodes[i]) && lacks_file(s, &s->nodes[i], lacking)))
			return true;
	return false;
}

/* As it was on the mirror, or is on the primary. */
static bool lacks_file_there(const struct cut_judge *judge, const struct cut_node *entry,
	const struct cut_snapshot *version)
{
	char lacking[512];

	return is_version(&judge->now, entry, version) &&
		lacks_file(version, cut_snapshot_find(version, entry->path), lacking);
}

static bool judge_entry(struct cut_judge *judge, const struct cut_node *entry)
{
	char lacking[512];

	return !lacks_file(&judge->now, entry, lacking) ||
		lacks_file_there(judge, entry, &judge->before) ||
		lacks_file_there(judge, entry, &judge->after) ||
		lacks_file_there(judge, entry, &judge->other) ||
		fault(judge, "%s: names %s, which is not there", entry->path, lacking);
}

/* "/EFI/Linux/x+2-1.efi" takes along what is in "/EFI/Linux/x.efi.extra.d/". */
static void companion_of(const struct cut_node *image, char *path, size_t len)
{
	const char *counter = strrchr(image->path, '+');
	int n = counter ? (int)(counter - image->path) : (int)strlen(image->path) - 4;

	(void)snprintf(path, len, "%.*s.efi.extra.d/", n, image->path);
}

/* An image that is not the new one has what it took along before. */
static bool judge_image(struct cut_judge *judge, const struct cut_node *image)
{
	char dir[512];

	if (is_version(&judge->now, image, &judge->after) ||
		!is_version(&judge->now, image, &judge->before))
		return true;
	companion_of(image, dir, sizeof dir);
	for (size_t i = 0; i < judge->before.n; i++) {
		const char *path = judge->before.nodes[i].path;

		if (strncmp(path, dir, strlen(dir)) == 0 && !cut_snapshot_find(&judge->now, path))
			return fault(judge, "%s: without %s", image->path, path);
	}
	return true;
}

static bool judge_choice(struct cut_judge *judge, const struct cut_node *node)
{
	if (is_loader_entry(node))
		return judge_entry(judge, node);
	return !is_choice(node) || judge_image(judge, node);
}

/* In the same directory, with names that differ in nothing but a counter: "x.conf", "x+2-1.conf". */
static bool same_identity(const struct cut_node *a, const struct cut_node *b)
{
	const char *name_a = strrchr(a->path, '/'), *name_b = strrchr(b->path, '/');
	size_t stem_a = strcspn(name_a, "+") , stem_b = strcspn(name_b, "+");

	if (name_a[stem_a] == '\0')
		stem_a -= strlen(strrchr(name_a, '.'));
	if (name_b[stem_b] == '\0')
		stem_b -= strlen(strrchr(name_b, '.'));
	return name_a - a->path == name_b - b->path && stem_a == stem_b &&
		strncasecmp(a->path, b->path, (size_t)(name_a - a->path)) == 0 &&
		strncasecmp(name_a, name_b, stem_a) == 0 &&
		strcasecmp(strrchr(name_a, '.'), strrchr(name_b, '.')) == 0;
}

/* The name of the other one, which the boot loader may count, too. */
static const struct cut_node *find_double(const struct cut_snapshot *s, const struct cut_node *node)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_choice(&s->nodes[i]) && strcmp(s->nodes[i].path, node->path) != 0 &&
			same_identity(&s->nodes[i], node))
			return &s->nodes[i];
	return NULL;
}

static bool judge_doubles(struct cut_judge *judge)
{
	for (size_t i = 0; i < judge->now.n; i++) {
		const struct cut_node *node = &judge->now.nodes[i], *other;

		other = is_choice(node) ? find_double(&judge->now, node) : NULL;
		if (other && !judge->side_by_side && !find_double(&judge->before, node))
			return fault(judge, "%s: beside %s", node->path, other->path);
	}
	return true;
}

static bool all_are_of(const struct cut_judge *judge, const struct cut_snapshot *version)
{
	for (size_t i = 0; i < judge->now.n; i++) {
		const struct cut_node *node = &judge->now.nodes[i];

		if (strncmp(node->path, judge->together, strlen(judge->together)) == 0 &&
			!node->directory && node->role == FES_MANAGED &&
			!is_version(&judge->now, node, version))
			return false;
	}
	return true;
}

static bool judge_together(struct cut_judge *judge)
{
	return !judge->together || all_are_of(judge, &judge->before) ||
		all_are_of(judge, &judge->after) || all_are_of(judge, &judge->other) ||
		fault(judge, "%s...: some old, some new", judge->together);
}

/* ---- what firmware starts ---- */

/* Tells the two of these tests apart. */
static bool is_shim(const struct cut_snapshot *s, const struct cut_node *loader)
{
	static const char mark[] = "UEFI SHIM\n";
	size_t len = strlen(mark);

	return loader->size >= len && memcmp(cut_bytes_at(s, loader, 0), mark, len) == 0;
}

/* A vendor's list for shim's fallback. */
static bool has_csv(const struct cut_snapshot *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct cut_node *node = &s->nodes[i];

		if (strncasecmp(node->path, "/EFI/", 5) == 0 && node->size > 0 &&
			ends_with(node->path, "/BOOTX64.CSV"))
			return true;
	}
	return false;
}

/* Whether the one that firmware finds by itself starts something, and what it starts does. */
static bool has_loader(const struct cut_snapshot *s)
{
	const struct cut_node *loader = cut_snapshot_find(s, "/EFI/BOOT/BOOTX64.EFI");

	if (!loader || loader->size == 0)
		return false;
	return !is_shim(s, loader) || has_file(s, "/EFI/BOOT/grubx64.efi") ||
		(has_file(s, "/EFI/BOOT/fbx64.efi") && has_csv(s));
}

static bool judge_boot(struct cut_judge *judge)
{
	if (!judge_doubles(judge) || !judge_together(judge))
		return false;
	if (judge->has_choices && !cut_snapshot_has_choice(&judge->now))
		return fault(judge, "nothing to boot is left");
	if (judge->has_loaders && !has_loader(&judge->now))
		return fault(judge, "no boot loader is left that starts anything");
	for (size_t i = 0; i < judge->now.n; i++)
		if (!judge_choice(judge, &judge->now.nodes[i]))
			return false;
	return true;
}

/* ---- one view ---- */

struct checking {
	struct cut_judge *judge;
	bool final;
	bool fine;
};

static bool is_orphan(const char *message)
{
	return strstr(message, "orphaned long-name entries") != NULL;
}

static bool is_expected(const char *message)
{
	static const char *const expected[] = {
		"lost clusters: ",
		"the FAT copies differ on ",
		"free count in the FSInfo sector wrong",
	};

	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		if (strncmp(message, expected[i], strlen(expected[i])) == 0)
			return true;
	return is_orphan(message);
}

static void judge_finding(void *userdata, enum fat_severity severity, const char *message)
{
	struct checking *checking = userdata;

	if (!checking->fine)
		return;
	if (!checking->final && severity == FAT_HARMLESS && is_expected(message))
		return;
	if (checking->judge->orphans_stay && is_orphan(message))
		return;
	checking->fine = fault(checking->judge, "fat_check: %s", message);
}

static bool judge_volume(struct cut_judge *judge, struct fat_volume *vol, const uint8_t *image,
	bool final)
{
	struct checking checking = {judge, final, true};
	struct fat_check_result result;

	if (fat_check(vol, judge_finding, &checking, &result) < 0)
		return fault(judge, "fat_check failed");
	if (!checking.fine)
		return false;
	if (take_snapshot(&judge->now, judge->managed, vol, image) < 0)
		return fault(judge, "the tree cannot be read");
	return judge_nodes(judge, final) && judge_missing(judge) &&
		(!final || judge_complete(judge)) && judge_boot(judge);
}

/* A device for reading over the image, which volume calls leave alone. */
static struct blkdev *device_of(const struct cut_image *image)
{
	struct blkdev *dev;

	cut_require(memdev_wrap(image->bytes, image->size, 512, &dev) == 0, "memdev");
	return dev;
}

static bool judge_view(struct cut_judge *judge, const struct cut_image *image, bool final)
{
	struct blkdev *dev = device_of(image);
	struct fat_log log = {keep_message, judge};
	struct fat_volume *vol;
	bool fine;

	if (fat_open(dev, "state", &log, &vol) < 0) {
		blkdev_close(dev);
		return false;
	}
	fine = judge_volume(judge, vol, image->bytes, final);
	fat_close(vol);
	blkdev_close(dev);
	return fine;
}

static uint8_t *copy_at(const struct cut_judge *judge, const struct cut_image *image, unsigned copy)
{
	return image->bytes + judge->geo.fat_offset + copy * judge->geo.fat_size;
}

static void swap_copies(const struct cut_judge *judge, const struct cut_image *image)
{
	uint8_t *a = copy_at(judge, image, 0), *b = copy_at(judge, image, 1);

	for (uint64_t i = 0; i < judge->geo.fat_size; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static bool copies_equal(const struct cut_judge *judge, const struct cut_image *image)
{
	return judge->geo.n_fats < 2 ||
		memcmp(copy_at(judge, image, 0), copy_at(judge, image, 1),
			judge->geo.fat_size) == 0;
}

/* ---- bytes that nobody changes ---- */

static bool same_bytes(const struct cut_judge *judge, const struct cut_image *image, uint64_t from,
	uint64_t to)
{
	return memcmp(image->bytes + from, judge->start + from, to - from) == 0;
}

static bool judge_reserved(struct cut_judge *judge, const struct cut_image *image)
{
	uint64_t count = judge->geo.fsinfo_offset + offsetof(struct fat_fsinfo, free_clusters);
	uint64_t end = judge->geo.fat_offset;
	bool fine;

	if (judge->geo.fsinfo_offset == 0)
		fine = same_bytes(judge, image, 0, end);
	else
		fine = same_bytes(judge, image, 0, count) &&
			same_bytes(judge, image, count + 4, end);
	return fine || fault(judge, "the reserved region was changed");
}

/* FAT[0], FAT[1], and what comes after the last entry. */
static bool judge_fat_edges(struct cut_judge *judge, const struct cut_image *image)
{
	uint64_t head = judge->geo.type * 2 / 8;
	uint64_t entries = ((uint64_t)judge->geo.n_clusters + 2) * judge->geo.type;
	uint64_t tail = (entries + 7) / 8;

	for (unsigned copy = 0; copy < judge->geo.n_fats; copy++) {
		uint64_t at = judge->geo.fat_offset + copy * judge->geo.fat_size;

		if (!same_bytes(judge, image, at, at + head))
			return fault(judge, "FAT[0] or FAT[1] of copy %u were changed", copy + 1);
		if (!same_bytes(judge, image, at + tail, at + judge->geo.fat_size))
			return fault(judge, "the end of FAT copy %u was changed", copy + 1);
	}
	return true;
}

static bool judge_bytes(struct cut_judge *judge, const struct cut_image *image)
{
	const struct fat_geometry *geo = &judge->geo;
	uint64_t end = geo->data_offset + (uint64_t)geo->n_clusters * geo->cluster_size;

	if (!judge_reserved(judge, image) || !judge_fat_edges(judge, image))
		return false;
	if (judge->label_offset &&
		!same_bytes(judge, image, judge->label_offset, judge->label_offset + FAT_SLOT_LEN))
		return fault(judge, "the label was changed");
	return same_bytes(judge, image, end, image->size) ||
		fault(judge, "something was written behind the last cluster");
}

bool cut_judge(struct cut_judge *judge, const struct cut_image *image, bool final)
{
	bool fine;

	*judge->fault = '\0';
	if (!judge_bytes(judge, image) || !judge_view(judge, image, final))
		return false;
	if (copies_equal(judge, image))
		return true;
	swap_copies(judge, image);
	fine = judge_view(judge, image, final);
	swap_copies(judge, image);
	if (!fine) {
		char why[sizeof judge->fault];

		memcpy(why, judge->fault, sizeof why);
		(void)fault(judge, "through FAT copy 2: %.900s", why);
	}
	return fine;
}

/* ---- reachable ---- */

static void add_reachable(const struct cut_image *image, uint8_t *bits)
{
	struct blkdev *dev = device_of(image);
	struct fat_check_result result;
	struct fat_volume *vol;

	cut_require(fat_open(dev, "state", NULL, &vol) == 0, "fat_open");
	cut_require(fat_check(vol, NULL, NULL, &result) == 0, "fat_check");
	for (uint32_t i = 0; i < (vol->geo.n_clusters + 2) / 8 + 1; i++)
		bits[i] |= vol->reachable[i];
	fat_close(vol);
	blkdev_close(dev);
}

void cut_judge_reachable(struct cut_judge *judge, const struct cut_image *image, uint8_t *bits)
{
	add_reachable(image, bits);
	if (copies_equal(judge, image))
		return;
	swap_copies(judge, image);
	add_reachable(image, bits);
	swap_copies(judge, image);
}

/* ---- begin and end ---- */

static void take_image(struct cut_snapshot *s, const struct fes_managed *managed,
	const struct cut_image *image, struct fat_geometry *ret)
{
	struct blkdev *dev = device_of(image);
	struct fat_volume *vol;

	ck_assert_int_eq(fat_open(dev, "image", NULL, &vol), 0);
	ck_assert_int_eq(take_snapshot(s, managed, vol, image->bytes), 0);
	*ret = vol->geo;
	fat_close(vol);
	blkdev_close(dev);
}

static uint64_t find_label(const struct fat_geometry *geo, const uint8_t *image)
{
	uint64_t at = geo->root_cluster
		? geo->data_offset + (uint64_t)(geo->root_cluster - 2) * geo->cluster_size
		: geo->root_offset;

	for (unsigned i = 0; i < 16; i++, at += FAT_SLOT_LEN)
		if ((image[at + 11] & FAT_ATTR_LONG_MASK) == FAT_ATTR_VOLUME)
			return at;
	return 0;
}

/* Whether there is something to boot, and something that boots it, at any time. */
static void expect_choices(struct cut_judge *judge)
{
	judge->has_choices = cut_snapshot_has_choice(&judge->before) &&
		cut_snapshot_has_choice(&judge->after) &&
		(judge->other.n == 0 || cut_snapshot_has_choice(&judge->other));
	judge->has_loaders = has_loader(&judge->before) && has_loader(&judge->after) &&
		(judge->other.n == 0 || has_loader(&judge->other));
}

void cut_judge_set_primary(struct cut_judge *judge, const struct cut_image *primary)
{
	struct fat_geometry unused;

	take_image(&judge->after, judge->of_primary, primary, &unused);
	expect_choices(judge);
}

static void take_primaries(struct cut_judge *judge, const struct cut_image *primary,
	const struct cut_image *other)
{
	struct fat_geometry unused;

	take_image(&judge->after, judge->of_primary, primary, &unused);
	if (other->bytes)
		take_image(&judge->other, judge->of_primary, other, &unused);
}

void cut_judge_init(struct cut_judge *judge, const struct fes_managed *managed,
	const struct cut_image *start, const struct cut_image *primary,
	const struct cut_image *other)
{
	*judge = (struct cut_judge){
		.managed = managed, .of_primary = managed, .start = start->bytes};
	judge->target = &judge->after;
	snapshot_init(&judge->other);
	snapshot_init(&judge->before);
	snapshot_init(&judge->after);
	snapshot_init(&judge->now);
	take_primaries(judge, primary, other);
	take_image(&judge->before, managed, start, &judge->geo);
	expect_choices(judge);
	judge->label_offset = find_label(&judge->geo, start->bytes);
}

void cut_judge_narrow(struct cut_judge *judge, const struct fes_managed *of_primary,
	const struct cut_image *primary, const struct cut_image *other)
{
	judge->of_primary = of_primary;
	take_primaries(judge, primary, other);
}

void cut_judge_done(struct cut_judge *judge)
{
	snapshot_done(&judge->before);
	snapshot_done(&judge->after);
	snapshot_done(&judge->other);
	snapshot_done(&judge->now);
}
