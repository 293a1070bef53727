/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/loader.h"

/* What a program is called by the loader's makers, in their own files. */
static const char systemd_start[] = "#### LoaderInfo: "; /* systemd, src/boot/boot.c */
static const char systemd_end[] = " ####";
static const char systemd_product[] = "systemd-boot ";
static const char shim_start[] = "UEFI SHIM\n$Version"; /* shim, version.c.in */
static const char shim_end[] = " $";
static const char shim_component[] = "\nshim,"; /* shim, data/sbat.csv */

enum { VERSION_MAX = 128 }; /* bytes; what is longer is no version */

struct span {
	const char *start; /* NULL: not found */
	size_t len;
};

/* From behind the first @text in @span on. */
static struct span find(struct span span, const char *text)
{
	const char *at = memmem(span.start, span.len, text, strlen(text));
	size_t passed;

	if (!at)
		return (struct span){0};
	at += strlen(text);
	passed = (size_t)(at - span.start);
	return (struct span){at, span.len - passed};
}

/* What stands in front of @end, if that is near and can be shown. */
static struct span cut(struct span span, const char *end)
{
	struct span near = {span.start, span.len < VERSION_MAX ? span.len : VERSION_MAX};
	struct span behind = find(near, end);

	if (!behind.start)
		return (struct span){0};
	span.len = near.len - behind.len - strlen(end);
	for (size_t i = 0; i < span.len; i++)
		if (span.start[i] < ' ' || span.start[i] > '~')
			return (struct span){0};
	return span;
}

static bool begins_with(struct span span, const char *text)
{
	return span.len >= strlen(text) && memcmp(span.start, text, strlen(text)) == 0;
}

/*
 * A line of an SBAT table, "shim,4,UEFI shim,shim,1,https://..." (shim, SBAT.md), not one of the
 * list of what is revoked, "shim,2", which other programs carry along.
 */
static bool has_shim_component(struct span program)
{
	struct span rest = program;

	while ((rest = find(rest, shim_component)).start) {
		size_t n = 0;

		while (n < rest.len && rest.start[n] >= '0' && rest.start[n] <= '9')
			n++;
		if (n > 0 && n < rest.len && rest.start[n] == ',')
			return true;
	}
	return false;
}

static void set_version(char *version, size_t len, const char *prefix, struct span text)
{
	if (version && len > 0)
		(void)snprintf(version, len, "%s%.*s", prefix, (int)text.len,
			text.start ? text.start : "");
}

/* Behind @info, the start of what systemd's programs say of themselves. */
static enum fes_loader_kind identify_systemd(struct span info, char *version, size_t version_len)
{
	struct span text = cut(info, systemd_end);

	if (!text.start || !begins_with(text, systemd_product))
		return FES_LOADER_OTHER;
	set_version(version, version_len, "", text);
	return FES_LOADER_SYSTEMD_BOOT;
}

/* Behind @info, the start of what shim says of itself. */
static enum fes_loader_kind identify_shim(struct span info, char *version, size_t version_len)
{
	struct span text = {0};

	if (begins_with(info, ": "))
		text = cut((struct span){info.start + 2, info.len - 2}, shim_end);
	if (text.start)
		set_version(version, version_len, "shim ", text);
	return FES_LOADER_SHIM;
}

enum fes_loader_kind fes_loader_identify(const void *bytes, size_t len, char *version,
	size_t version_len)
{
	struct span program = {bytes, len}, info;

	set_version(version, version_len, "", (struct span){0});
	if (len == 0)
		return FES_LOADER_NONE;
	info = find(program, systemd_start);
	if (info.start)
		return identify_systemd(info, version, version_len);
	info = find(program, shim_start);
	if (info.start)
		return identify_shim(info, version, version_len);
	return has_shim_component(program) ? FES_LOADER_SHIM : FES_LOADER_OTHER;
}

/* ---- on a volume ---- */

static int identify_file(struct fes_volume *volume, const char *path, const struct fat_entry *entry,
	enum fes_loader_kind *ret, char *version, size_t version_len)
{
	void *bytes = NULL;
	int64_t n = fes_file_load(volume, entry->first_cluster, entry->size, path, &bytes);

	if (n >= 0)
		*ret = fes_loader_identify(bytes, (size_t)n, version, version_len);
	free(bytes);
	return n < 0 ? (int)n : 0;
}

int fes_loader_find(struct fes_volume *volume, const char *path, enum fes_loader_kind *ret,
	char *version, size_t version_len)
{
	struct fat_entry entry;
	int r = fes_file_find(volume, path, &entry);

	if (r < 0)
		return r;
	if (r > 0 && !fes_file_is_dir(&entry) && entry.size <= FES_LOADER_MAX)
		return identify_file(volume, path, &entry, ret, version, version_len);
	set_version(version, version_len, "", (struct span){0});
	*ret = r > 0 ? FES_LOADER_OTHER : FES_LOADER_NONE;
	return 0;
}

bool fes_loader_is_default_name(const char *name)
{
	static const char *const names[] = {
		"BOOTIA32.EFI",
		"BOOTX64.EFI",
		"BOOTIA64.EFI",
		"BOOTARM.EFI",
		"BOOTAA64.EFI",
		"BOOTRISCV32.EFI",
		"BOOTRISCV64.EFI",
		"BOOTRISCV128.EFI",
		"BOOTLOONGARCH32.EFI",
		"BOOTLOONGARCH64.EFI",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (fat_name_equal(name, names[i]))
			return true;
	return false;
}

/* ---- those of a volume ---- */

/* Of a volume that is being read. */
struct reading {
	struct fes_volume *volume;
	struct fes_loaders loaders;
};

static int push(struct fes_loaders *loaders, char *path)
{
	struct fes_loader_file *list =
		reallocarray(loaders->list, loaders->n + 1, sizeof(*loaders->list));

	if (!list) {
		free(path);
		return -ENOMEM;
	}
	loaders->list = list;
	list[loaders->n++] = (struct fes_loader_file){.path = path};
	return 0;
}

static int take(void *userdata, const char *dir, const struct fat_entry *entry)
{
	struct reading *reading = userdata;
	struct fes_loader_file *file;
	char *path;
	int r;

	if (fes_file_is_dir(entry) || !fes_loader_is_default_name(entry->name))
		return 0;
	if (asprintf(&path, "%s/%s", dir, entry->name) < 0)
		return -ENOMEM;
	r = push(&reading->loaders, path);
	if (r < 0)
		return r;
	file = &reading->loaders.list[reading->loaders.n - 1];
	file->size = entry->size;
	return fes_loader_find(reading->volume, path, &file->kind, file->version,
		sizeof file->version);
}

int fes_loaders_read(struct fes_volume *volume, struct fes_loaders *ret)
{
	struct reading reading = {.volume = volume};
	int r = fes_file_each(volume, "/EFI/BOOT", take, &reading);

	if (r < 0) {
		fes_loaders_done(&reading.loaders);
		return r;
	}
	*ret = reading.loaders;
	return 0;
}

void fes_loaders_done(struct fes_loaders *loaders)
{
	for (size_t i = 0; i < loaders->n; i++)
		free(loaders->list[i].path);
	free(loaders->list);
	*loaders = (struct fes_loaders){0};
}

/* ---- vendors ---- */

struct vendors {
	fes_vendor_fn fn;
	void *userdata;
};

static int visit(void *userdata, const char *dir, const struct fat_entry *entry)
{
	const struct vendors *vendors = userdata;
	char *path;
	int r;

	if (!fes_file_is_dir(entry) || fat_name_equal(entry->name, "BOOT"))
		return 0;
	if (asprintf(&path, "%s/%s", dir, entry->name) < 0)
		return -ENOMEM;
	r = vendors->fn(vendors->userdata, path);
	free(path);
	return r;
}

int fes_vendors_each(struct fes_volume *volume, fes_vendor_fn fn, void *userdata)
{
	struct vendors vendors = {fn, userdata};

	return fes_file_each(volume, "/EFI", visit, &vendors);
}
