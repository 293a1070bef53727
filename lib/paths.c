/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fat/fat.h"

#include "lib/paths.h"

static const char *next_part(const char *path)
{
	return path + strspn(path, "/");
}

char *fes_path_fold(const char *path)
{
	char *folded = malloc(strlen(path) * 2 + 2), *to = folded; /* Latin-1 stays as long as it is */

	if (!folded)
		return NULL;
	for (const char *part = next_part(path); *part; part = next_part(part)) {
		char name[FAT_NAME_MAX], key[FAT_NAME_MAX];
		size_t len = strcspn(part, "/"), n = len < sizeof name ? len : sizeof name - 1;

		memcpy(name, part, n);
		name[n] = '\0';
		*to++ = '/';
		n = fat_name_fold(name, key);
		memcpy(to, key, n);
		to += n;
		part += len;
	}
	*to = '\0';
	return folded;
}

/* @folded is taken over; NULL: there was no memory for it. */
static int push(struct fes_paths *paths, char *folded)
{
	if (folded && paths->n == paths->room) {
		size_t room = paths->room ? paths->room * 2 : 16;
		char **list = realloc(paths->list, room * sizeof(*list));

		if (!list) {
			free(folded);
			return -ENOMEM;
		}
		paths->list = list;
		paths->room = room;
	}
	if (!folded)
		return -ENOMEM;
	paths->list[paths->n++] = folded;
	return 0;
}

int fes_paths_add(struct fes_paths *paths, const char *path)
{
	return push(paths, fes_path_fold(path));
}

int fes_paths_add_above(struct fes_paths *paths, const char *path)
{
	char *folded = fes_path_fold(path), *end = folded;
	int r = folded ? 0 : -ENOMEM;

	for (unsigned n = 0; r == 0 && n < FES_PATH_PARTS_MAX && *end; n++) {
		end = strchr(end + 1, '/');
		if (!end)
			break;
		r = push(paths, strndup(folded, (size_t)(end - folded)));
	}
	free(folded);
	return r;
}

int fes_paths_add_all(struct fes_paths *paths, const struct fes_paths *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->n; i++)
		r = push(paths, strdup(from->list[i]));
	return r;
}

static int by_text(const void *a, const void *b)
{
	const char *const *ta = a, *const *tb = b;

	return strcmp(*ta, *tb);
}

void fes_paths_settle(struct fes_paths *paths)
{
	size_t n = 0;

	if (paths->n == 0)
		return;
	qsort(paths->list, paths->n, sizeof(*paths->list), by_text);
	for (size_t i = 0; i < paths->n; i++)
		if (n > 0 && strcmp(paths->list[n - 1], paths->list[i]) == 0)
			free(paths->list[i]);
		else
			paths->list[n++] = paths->list[i];
	paths->n = n;
}

void fes_paths_done(struct fes_paths *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		free(paths->list[i]);
	free(paths->list);
	*paths = (struct fes_paths){0};
}

bool fes_paths_has(const struct fes_paths *paths, const char *folded)
{
	return paths->n > 0 && bsearch(&folded, paths->list, paths->n, sizeof(*paths->list), by_text);
}

static bool lies_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool fes_paths_cover(const struct fes_paths *paths, const char *folded)
{
	for (size_t i = 0; i < paths->n; i++)
		if (lies_in(folded, paths->list[i]))
			return true;
	return false;
}
