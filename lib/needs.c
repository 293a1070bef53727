/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/needs.h"

/*
 * Other systems' (Windows, firmware updates, the file system's own). No entry makes them ours.
 */
static const char *const off_limits[] = {
	"/EFI/Microsoft",
	"/EFI/UpdateCapsule",
	"/System Volume Information",
};

static bool is_off_limits(const char *path)
{
	for (size_t i = 0; i < sizeof off_limits / sizeof *off_limits; i++)
		if (fes_path_within(path, off_limits[i]))
			return true;
	return false;
}

void fes_needs_free(struct fes_needs *needs)
{
	if (!needs)
		return;
	fes_type1s_done(&needs->entries);
	for (size_t i = 0; i < needs->n_loaders; i++)
		free(needs->loaders[i].path);
	free(needs->loaders);
	fes_paths_done(&needs->files);
	fes_paths_done(&needs->dirs);
	fes_paths_done(&needs->leading);
	fes_paths_done(&needs->perhaps);
	fes_paths_done(&needs->kept);
	fes_paths_done(&needs->referred);
	fes_origin_done(&needs->origin);
	free(needs);
}

static void settle_paths(struct fes_needs *needs)
{
	fes_paths_settle(&needs->files);
	fes_paths_settle(&needs->dirs);
	fes_paths_settle(&needs->leading);
	fes_paths_settle(&needs->perhaps);
	fes_paths_settle(&needs->kept);
	fes_paths_settle(&needs->referred);
}

/* ---- entries ---- */

struct finder {
	struct fes_needs *needs;
	struct fes_volume *volume;
	const struct fes_managed *managed;
	const struct fes_tree *primary; /* NULL: it is the primary */
};

static int need_file(const struct finder *finder, const char *path)
{
	struct fes_needs *needs = finder->needs;
	int r;

	if (is_off_limits(path) || fes_managed_role(finder->managed, path) == FES_MANAGED)
		return 0;
	r = fes_paths_add(&needs->files, path);
	return r < 0 ? r : fes_paths_add_above(&needs->perhaps, path);
}

/* An EFI program may be another vendor's boot loader; a kernel in /EFI is that of the entry. */
static bool may_be_theirs(const struct finder *finder, const struct fes_bls_line *line,
	const char *path)
{
	const char *above = strcmp(line->key, "efi") == 0 ? "/EFI" : "/EFI/BOOT";

	return finder->primary && fes_path_within(path, above);
}

static int need_path(const struct finder *finder, const struct fes_bls_line *line, const char *path)
{
	return may_be_theirs(finder, line, path) ? 0 : need_file(finder, path);
}

static int need_line(const struct finder *finder, const struct fes_bls_line *line)
{
	int r = line->whole ? need_path(finder, line, line->whole) : 0;

	for (size_t i = 0; r == 0 && i < line->n_parts; i++)
		r = need_path(finder, line, line->parts[i]);
	return r;
}

/* What an entry that stays needs has to stay, too, unless the primary has it as well. */
static int keep_path(const struct finder *finder, const char *path)
{
	const struct fes_node *p = fes_tree_find(finder->primary, path);

	return p && p->role == FES_MANAGED ? 0 : fes_paths_add(&finder->needs->kept, path);
}

static int keep_line(const struct finder *finder, const struct fes_bls_line *line)
{
	int r = line->whole ? keep_path(finder, line->whole) : 0;

	for (size_t i = 0; r == 0 && i < line->n_parts; i++)
		r = keep_path(finder, line->parts[i]);
	return r;
}

static int refer(const struct finder *finder, const struct fes_type1 *entry)
{
	bool left_alone = fes_managed_is_left_alone(finder->managed, entry->path);
	int r = 0;

	for (size_t i = 0; r == 0 && i < entry->bls.n_lines; i++)
		if (!left_alone)
			r = need_line(finder, &entry->bls.lines[i]);
		else if (finder->primary)
			r = keep_line(finder, &entry->bls.lines[i]);
	return r;
}

static int find_references(const struct finder *finder)
{
	struct fes_type1s *entries = &finder->needs->entries;
	int r = fes_type1s_read(finder->volume, entries);

	for (size_t i = 0; r == 0 && i < entries->n; i++)
		r = refer(finder, &entries->list[i]);
	return r;
}

/* ---- what firmware starts ---- */

/* Calls @fn for what is in directory @path; a directory that is missing is empty. */
static int each_in(const struct finder *finder, const char *path,
	int (*fn)(const struct finder *finder, const char *dir, const struct fat_entry *entry))
{
	struct fat_entry entry;
	struct fat_dir *dir;
	int r = fat_lookup(finder->volume->fat, path, &entry);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0 || !(entry.attributes & FAT_ATTR_DIRECTORY))
		return r;
	r = fat_dir_open(finder->volume->fat, entry.first_cluster, path, &dir);
	if (r < 0)
		return r;
	while (r == 0 && fat_dir_next(dir, &entry) > 0)
		r = fn(finder, path, &entry);
	fat_dir_close(dir);
	return r;
}

static char *join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* @path is taken over. */
static int push_loader(struct fes_needs *needs, char *path, enum fes_loader_kind kind,
	uint32_t size)
{
	struct fes_boot_loader *more = realloc(needs->loaders, (needs->n_loaders + 1) * sizeof *more);

	if (!more) {
		free(path);
		return -ENOMEM;
	}
	needs->loaders = more;
	more[needs->n_loaders++] = (struct fes_boot_loader){path, kind, size};
	return need_file(&(struct finder){.needs = needs, .managed = &(struct fes_managed){0}}, path);
}

static int find_loader(const struct finder *finder, const char *dir, const struct fat_entry *entry)
{
	enum fes_loader_kind kind = FES_LOADER_OTHER;
	char *path;
	int r;

	if (entry->attributes & FAT_ATTR_DIRECTORY || !fes_loader_is_default_name(entry->name))
		return 0;
	path = join(dir, entry->name);
	if (!path)
		return -ENOMEM;
	r = fes_loader_find(finder->volume, path, &kind, NULL, 0);
	if (r == 0 && kind != FES_LOADER_OTHER)
		return push_loader(finder->needs, path, kind, entry->size);
	free(path);
	return r;
}

static bool has_shape(const char *name, const char *begin, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len > n && strncasecmp(name, begin, strlen(begin)) == 0 &&
		strcasecmp(name + len - n, end) == 0;
}

/*
 * What shim starts from its own directory: fbx64.efi (which reads the vendors' CSV files),
 * mmx64.efi, and without the former grubx64.efi, as it calls any second stage (shim, README.fallback).
 */
static int find_helper(const struct finder *finder, const char *dir, const struct fat_entry *entry)
{
	const char *name = entry->name;
	char *path;
	int r;

	if (entry->attributes & FAT_ATTR_DIRECTORY ||
		(!has_shape(name, "fb", ".efi") && !has_shape(name, "mm", ".efi") &&
			!has_shape(name, "grub", ".efi")))
		return 0;
	path = join(dir, name);
	r = path ? need_file(finder, path) : -ENOMEM;
	free(path);
	return r;
}

struct vendor {
	struct finder finder; /* first: a pointer to it is one to us */
	bool shim, csv;
	bool same; /* one of its shims is as long as one in /EFI/BOOT */
};

static bool is_as_long_as_shim(const struct fes_needs *needs, uint32_t size)
{
	for (size_t i = 0; i < needs->n_loaders; i++)
		if (needs->loaders[i].kind == FES_LOADER_SHIM && needs->loaders[i].size == size)
			return true;
	return false;
}

static int look_at_vendor_file(const struct finder *finder, const char *dir,
	const struct fat_entry *entry)
{
	struct vendor *vendor = (struct vendor *)(void *)(uintptr_t)finder;

	(void)dir;
	if (entry->attributes & FAT_ATTR_DIRECTORY)
		return 0;
	if (has_shape(entry->name, "shim", ".efi")) {
		vendor->shim = true;
		vendor->same |= is_as_long_as_shim(finder->needs, entry->size);
	}
	vendor->csv |= has_shape(entry->name, "BOOT", ".CSV");
	return 0;
}

/* Firmware updates wait in a directory of a vendor's. */
static int need_vendor(const struct finder *finder, const char *path)
{
	char *capsules = join(path, "fw");
	int r = capsules ? fes_paths_add(&finder->needs->kept, capsules) : -ENOMEM;

	free(capsules);
	return r < 0 ? r : fes_paths_add(&finder->needs->dirs, path);
}

/*
 * A directory in /EFI with a shim, the one that is in /EFI/BOOT, and the CSV file that tells shim's
 * fallback what to start. Other vendors' are other systems'.
 */
static int find_vendor(const struct finder *finder, const char *dir, const struct fat_entry *entry)
{
	struct vendor vendor = {.finder = *finder};
	char *path;
	int r;

	if (!(entry->attributes & FAT_ATTR_DIRECTORY))
		return 0;
	path = join(dir, entry->name);
	if (!path)
		return -ENOMEM;
	r = is_off_limits(path) ? 0 : each_in(&vendor.finder, path, look_at_vendor_file);
	if (r == 0 && vendor.shim && vendor.csv && vendor.same)
		r = need_vendor(finder, path);
	free(path);
	return r;
}

static bool has_shim(const struct fes_needs *needs)
{
	for (size_t i = 0; i < needs->n_loaders; i++)
		if (needs->loaders[i].kind == FES_LOADER_SHIM)
			return true;
	return false;
}

static int find_loaders(const struct finder *finder)
{
	int r = each_in(finder, "/EFI/BOOT", find_loader);

	if (r < 0 || !has_shim(finder->needs))
		return r;
	r = each_in(finder, "/EFI/BOOT", find_helper);
	return r < 0 ? r : each_in(finder, "/EFI", find_vendor);
}

/* ---- what is in /loader beside entries ---- */

/* One of no bytes is filled by systemd-stub, so it counts as none. */
static int read_mixin(struct fes_volume *volume, struct fes_needs *needs)
{
	struct fat_entry entry;
	struct fat_file *file;
	uint8_t *buf;
	int64_t n;
	int r = fat_lookup(volume->fat, FES_MIXIN_PATH, &entry);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0 || entry.attributes & FAT_ATTR_DIRECTORY)
		return r;
	needs->mixin_len = entry.size;
	if (entry.size == 0 || entry.size > sizeof needs->mixin)
		return 0;
	buf = blkdev_buffer_new(4096);
	if (!buf)
		return -ENOMEM;
	r = fat_file_open(volume->fat, entry.first_cluster, entry.size, FES_MIXIN_PATH, &file);
	n = r == 0 ? fat_file_read(file, buf, 4096) : r;
	if (r == 0)
		fat_file_close(file);
	if (n > 0)
		memcpy(needs->mixin, buf, (size_t)n);
	explicit_bzero(buf, 4096);
	free(buf);
	return n < 0 ? (int)n : 0;
}

static int find_swtpm(struct fes_volume *volume, struct fes_needs *needs)
{
	struct fat_entry entry;
	int r = fat_lookup(volume->fat, "/loader/swtpm", &entry);

	needs->has_swtpm = r == 0;
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

int fes_needs_find(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_needs **ret)
{
	struct finder finder = {.volume = volume, .managed = managed};
	int r;

	finder.needs = calloc(1, sizeof *finder.needs);
	if (!finder.needs)
		return -ENOMEM;
	r = find_references(&finder);
	if (r == 0)
		r = find_loaders(&finder);
	if (r == 0)
		r = read_mixin(volume, finder.needs);
	if (r == 0)
		r = find_swtpm(volume, finder.needs);
	if (r < 0) {
		fes_needs_free(finder.needs);
		return r;
	}
	settle_paths(finder.needs);
	*ret = finder.needs;
	return 0;
}

/* ---- mirrors ---- */

/* A shim that is to become systemd-boot may be another system's; the other way round it is ours. */
static bool is_foreign(enum fes_loader_kind theirs, enum fes_loader_kind ours)
{
	return theirs == FES_LOADER_OTHER ||
		(theirs == FES_LOADER_SHIM && ours == FES_LOADER_SYSTEMD_BOOT);
}

/* Whether the mirror's file at @path came there by a sync, and was not changed since. 1, 0 or an error. */
static int came_by_sync(const struct finder *finder, const char *path)
{
	struct fat_entry entry;
	char *folded;
	bool has;
	int r = fat_lookup(finder->volume->fat, path, &entry);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	folded = fes_path_fold(path);
	if (!folded)
		return -ENOMEM;
	has = fes_origin_has(&finder->needs->origin,
		fes_origin_mark_at(folded, fat_entry_short(&entry)));
	free(folded);
	return has;
}

/* What a foreign loader starts is beside it. */
static int keep_if_foreign(const struct finder *finder, const char *path, enum fes_loader_kind ours)
{
	enum fes_loader_kind kind = FES_LOADER_NONE;
	int r;

	if (fes_managed_role(finder->managed, path) == FES_MANAGED ||
		fes_managed_excludes(finder->managed, path))
		return 0; /* the user has decided */
	r = fes_loader_find(finder->volume, path, &kind, NULL, 0);
	if (r < 0 || !is_foreign(kind, ours))
		return r;
	r = came_by_sync(finder, path);
	if (r != 0)
		return r < 0 ? r : 0;
	finder->needs->other_loader = path;
	return fes_paths_add(&finder->needs->kept, "/EFI/BOOT");
}

/* One that is neither systemd-boot nor shim is copied when an entry refers to it. */
static bool is_other_loader(const struct fes_tree *tree, const struct fes_node *node)
{
	if (node->directory || node->role != FES_MANAGED ||
		!fes_loader_is_default_name(node->name) ||
		!fat_name_equal(node->parent->path, "/EFI/BOOT"))
		return false;
	for (size_t i = 0; i < tree->needs->n_loaders; i++)
		if (fat_name_equal(tree->needs->loaders[i].path, node->path))
			return false;
	return true;
}

static int keep_foreign_loader(const struct finder *finder)
{
	const struct fes_tree *primary = finder->primary;
	int r = 0;

	for (size_t i = 0; r == 0 && i < primary->needs->n_loaders; i++)
		r = keep_if_foreign(finder, primary->needs->loaders[i].path,
			primary->needs->loaders[i].kind);
	for (size_t i = 1; r == 0 && i < primary->n_nodes; i++)
		if (is_other_loader(primary, primary->nodes[i]))
			r = keep_if_foreign(finder, primary->nodes[i]->path, FES_LOADER_OTHER);
	return r;
}

/* A secret that was made on the mirror protects what was sealed there. */
static int keep_mixin(const struct finder *finder, const struct fes_needs *primary, bool force)
{
	struct fes_needs *needs = finder->needs;
	bool same = needs->mixin_len == primary->mixin_len &&
		needs->mixin_len <= sizeof needs->mixin &&
		memcmp(needs->mixin, primary->mixin, needs->mixin_len) == 0;

	if (needs->mixin_len == 0 || same || fes_managed_excludes(finder->managed, FES_MIXIN_PATH))
		return 0;
	needs->replaces_mixin = force && primary->mixin_len > 0;
	if (needs->replaces_mixin)
		return 0;
	needs->other_mixin = primary->mixin_len > 0;
	return fes_paths_add(&needs->kept, FES_MIXIN_PATH);
}

static bool is_needed(const struct finder *finder, const char *path)
{
	return !is_off_limits(path) && !fes_path_within(path, "/EFI/BOOT") &&
		fes_managed_role(finder->managed, path) != FES_MANAGED;
}

static int find_referred(const struct finder *finder)
{
	struct fes_needs *needs = finder->needs;
	int r = fes_origin_read(finder->volume, &needs->origin);

	for (size_t i = 0; r == 0 && i < needs->origin.referred.n; i++) {
		const char *path = needs->origin.referred.list[i];

		if (!is_needed(finder, path))
			continue;
		r = fes_paths_add(&needs->referred, path);
		if (r == 0)
			r = fes_paths_add_above(&needs->perhaps, path);
	}
	return r;
}

static int take_over(struct fes_needs *needs, const struct fes_needs *primary)
{
	int r = fes_paths_add_all(&needs->files, &primary->files);

	if (r == 0)
		r = fes_paths_add_all(&needs->dirs, &primary->dirs);
	if (r == 0)
		r = fes_paths_add_all(&needs->leading, &primary->leading);
	return r < 0 ? r : fes_paths_add_all(&needs->kept, &primary->kept);
}

int fes_needs_find_mirror(struct fes_volume *mirror, const struct fes_managed *managed,
	const struct fes_tree *primary, bool force, struct fes_needs **ret)
{
	struct finder finder = {.volume = mirror, .managed = managed, .primary = primary};
	int r;

	finder.needs = calloc(1, sizeof *finder.needs);
	if (!finder.needs)
		return -ENOMEM;
	r = find_references(&finder);
	if (r == 0)
		r = find_referred(&finder);
	if (r == 0)
		r = read_mixin(mirror, finder.needs);
	if (r == 0)
		r = take_over(finder.needs, primary->needs);
	if (r == 0 && !force)
		r = keep_foreign_loader(&finder);
	if (r == 0)
		r = keep_mixin(&finder, primary->needs, force);
	if (r < 0) {
		fes_needs_free(finder.needs);
		return r;
	}
	settle_paths(finder.needs);
	*ret = finder.needs;
	return 0;
}

/* ---- roles ---- */

static enum fes_role role_of_folded(const struct fes_needs *needs, enum fes_role role,
	const char *folded, bool directory)
{
	if (fes_paths_cover(&needs->kept, folded))
		return FES_FOREIGN;
	if (role == FES_MANAGED || fes_paths_cover(&needs->dirs, folded))
		return FES_MANAGED;
	if (!directory)
		return fes_paths_has(&needs->files, folded) || fes_paths_has(&needs->referred, folded)
			? FES_MANAGED : role;
	if (role == FES_PARENT)
		return FES_PARENT;
	return fes_paths_has(&needs->leading, folded) || fes_paths_has(&needs->perhaps, folded)
		? FES_MANAGED : role;
}

int fes_needs_role(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *path, bool directory)
{
	enum fes_role role = fes_managed_role(managed, path);
	char *folded;

	if (!needs || fes_managed_is_left_alone(managed, path))
		return (int)role;
	folded = fes_path_fold(path);
	if (!folded)
		return -ENOMEM;
	role = role_of_folded(needs, role, folded, directory);
	free(folded);
	return (int)role;
}

bool fes_needs_referred(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded)
{
	return fes_paths_has(&needs->referred, folded) && !fes_paths_has(&needs->files, folded) &&
		!fes_paths_cover(&needs->dirs, folded) &&
		fes_managed_role(managed, folded) != FES_MANAGED;
}

bool fes_needs_perhaps(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded)
{
	return fes_paths_has(&needs->perhaps, folded) && !fes_paths_has(&needs->leading, folded) &&
		!fes_paths_cover(&needs->dirs, folded) &&
		fes_managed_role(managed, folded) != FES_MANAGED;
}

static int keep_file(struct fes_needs *needs, struct fes_paths *files, const char *folded)
{
	int r = fes_paths_add(files, folded);

	return r < 0 ? r : fes_paths_add_above(&needs->leading, folded);
}

int fes_needs_settle(struct fes_needs *needs, const struct fes_tree *tree)
{
	struct fes_paths files = {0};
	int r = 0;

	fes_paths_done(&needs->leading);
	for (size_t i = 1; r == 0 && i < tree->n_nodes; i++) {
		const struct fes_node *node = tree->nodes[i];
		char *folded;

		if (node->directory || node->role != FES_MANAGED)
			continue;
		folded = fes_path_fold(node->path);
		if (!folded)
			r = -ENOMEM;
		else if (fes_paths_has(&needs->files, folded))
			r = keep_file(needs, &files, folded);
		free(folded);
	}
	if (r < 0) {
		fes_paths_done(&files);
		return r;
	}
	fes_paths_done(&needs->files);
	fes_paths_done(&needs->perhaps);
	needs->files = files;
	settle_paths(needs);
	return 0;
}
