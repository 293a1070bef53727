/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/own.h"
#include "lib/paths.h"

/* What boots a machine with systemd-boot. */
static const char *const default_paths[] = {"/loader", "/EFI/Linux", "/EFI/systemd"};

/*
 * Inside managed directories, yet each volume's own: the seed must differ between volumes, where a
 * volume's files come from is told of itself, the software TPM's state belongs to the volume the
 * system was started from. A firmware update is taken once, from the volume where it waits: fwupd
 * puts it beside systemd-boot, others where UEFI 2.10, 8.5.5, says.
 */
static const char *const private_paths[] = {FES_SEED_PATH, FES_ORIGIN_PATH, "/loader/swtpm",
	"/EFI/systemd/fw", "/EFI/UpdateCapsule"};

/* bootctl's temporary files; left behind by a crash they mean nothing elsewhere. */
static const char private_prefix[] = ".#";

static size_t part_len(const char *path)
{
	return strcspn(path, "/");
}

static const char *next_part(const char *path)
{
	return path + strspn(path, "/");
}

static bool parts_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	char pa[FAT_NAME_MAX], pb[FAT_NAME_MAX];

	if (a_len >= sizeof pa || b_len >= sizeof pb)
		return false;
	memcpy(pa, a, a_len);
	memcpy(pb, b, b_len);
	pa[a_len] = pb[b_len] = '\0';
	return fat_name_equal(pa, pb);
}

bool fes_path_within(const char *path, const char *above)
{
	path = next_part(path);
	above = next_part(above);
	while (*above) {
		size_t a = part_len(path), b = part_len(above);

		if (a == 0 || !parts_equal(path, a, above, b))
			return false;
		path = next_part(path + a);
		above = next_part(above + b);
	}
	return true;
}

bool fes_path_is_valid(const char *path)
{
	const char *part = next_part(path);
	size_t n_parts = 0, total = 0;

	if (*path != '/' || *part == '\0')
		return false;
	while (*part) {
		size_t len = part_len(part);

		total += 1 + len;
		if (++n_parts > FES_PATH_PARTS_MAX || total > FES_PATH_LEN_MAX)
			return false;
		if (len >= FAT_NAME_MAX || (len == 1 && part[0] == '.') ||
			(len == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part = next_part(part + len);
	}
	return true;
}

static int push(char ***list, size_t *n, const char *path)
{
	char **more;
	char *copy;

	if (!fes_path_is_valid(path))
		return -EINVAL;
	copy = strdup(path);
	more = copy ? realloc(*list, (*n + 1) * sizeof *more) : NULL;
	if (!more) {
		free(copy);
		return -ENOMEM;
	}
	more[(*n)++] = copy;
	*list = more;
	return 0;
}

int fes_managed_add(struct fes_managed *managed, const char *path)
{
	return push(&managed->paths, &managed->n_paths, path);
}

int fes_managed_exclude(struct fes_managed *managed, const char *path)
{
	return push(&managed->excluded, &managed->n_excluded, path);
}

int fes_managed_init(struct fes_managed *managed)
{
	*managed = (struct fes_managed){0};
	for (size_t i = 0; i < sizeof default_paths / sizeof *default_paths; i++) {
		int r = fes_managed_add(managed, default_paths[i]);

		if (r < 0) {
			fes_managed_done(managed);
			return r;
		}
	}
	return 0;
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void fes_managed_done(struct fes_managed *managed)
{
	free_list(managed->paths, managed->n_paths);
	free_list(managed->excluded, managed->n_excluded);
	*managed = (struct fes_managed){0};
}

static bool within_any(const char *path, char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fes_path_within(path, list[i]))
			return true;
	return false;
}

static bool is_private(const char *path)
{
	for (const char *part = next_part(path); *part; part = next_part(part + part_len(part)))
		if (strncmp(part, private_prefix, strlen(private_prefix)) == 0)
			return true;
	for (size_t i = 0; i < sizeof private_paths / sizeof *private_paths; i++)
		if (fes_path_within(path, private_paths[i]))
			return true;
	return false;
}

bool fes_managed_excludes(const struct fes_managed *managed, const char *path)
{
	return within_any(path, managed->excluded, managed->n_excluded);
}

bool fes_managed_is_left_alone(const struct fes_managed *managed, const char *path)
{
	return fes_managed_excludes(managed, path) || is_private(path);
}

enum fes_role fes_managed_role(const struct fes_managed *managed, const char *path)
{
	if (fes_managed_is_left_alone(managed, path))
		return FES_FOREIGN;
	if (within_any(path, managed->paths, managed->n_paths))
		return FES_MANAGED;
	for (size_t i = 0; i < managed->n_paths; i++)
		if (fes_path_within(managed->paths[i], path))
			return FES_PARENT;
	return FES_FOREIGN;
}
