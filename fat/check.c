/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/check.h"

/*
 * The consistency check reads everything but file contents and writes nothing.
 *
 * One walk over all directories claims clusters for their owners, in a bitmap: a cluster that is
 * claimed already is a loop or a cross-link. That bounds the work by the number of clusters,
 * whatever the volume says. Directories wait in a queue, not on the call stack, because a hostile
 * volume nests them as deep as it has clusters. Who claimed a cluster is not stored; when a
 * finding needs it, the walk is done a second time, in the same order, watching those clusters.
 *
 * What hurts a reader, or would let a sync go wrong, is damage. What readers do not mind and
 * a sync can live with or tidies up is harmless. Both lists follow what Linux, EDK2, Windows,
 * GRUB, mtools and fsck.fat are known to mind.
 */

/* Directory names on the way up, from the end of the buffer to its front. */
static char *prepend(char *at, char *start, const char *text)
{
	size_t len = strlen(text), room = (size_t)(at - start);

	if (len > room) {
		memcpy(start, text + (len - room), room);
		return start;
	}
	return memcpy(at - len, text, len);
}

const char *check_path(const struct check *check, const struct check_place *place,
	char buf[CHECK_PATH_MAX])
{
	char *at = &buf[CHECK_PATH_MAX - 1];
	uint32_t dir = place->dir;

	*at = '\0';
	if (place->name)
		at = prepend(prepend(at, buf, place->name), buf, "/");
	for (; dir != 0 && at > buf; dir = check->dirs[dir].parent) {
		const char *name = check->dirs[dir].name;
		char number[32];

		if (!name) {
			snprintf(number, sizeof number, "<%" PRIu32 ">",
				check->dirs[dir].first_cluster);
			name = number;
		}
		at = prepend(prepend(at, buf, name), buf, "/");
	}
	if (at == buf) {
		memcpy(buf, "...", 3);
		for (size_t i = 3; ((uint8_t)buf[i] & 0xc0) == 0x80; i++)
			buf[i] = '.'; /* the rest of a character that was cut */
	}
	return *at == '\0' ? "/" : at;
}

void check_text(const uint8_t *bytes, size_t len, char *ret)
{
	while (len > 0 && bytes[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		ret[i] = bytes[i] < 0x80 && bytes[i] >= 0x20 ? (char)bytes[i] : '?';
	ret[len] = '\0';
}

static void withhold(struct check *check, enum fat_severity severity)
{
	check->n_withheld++;
	if (severity > check->withheld_severity)
		check->withheld_severity = severity;
}

void check_finding(struct check *check, enum fat_severity severity,
	const struct check_place *place, const char *format, ...)
{
	char path[CHECK_PATH_MAX], text[CHECK_PATH_MAX * 2 + 512];
	int prefix = 0;
	va_list args;

	if (check->second_walk)
		return;
	if (severity == FAT_DAMAGE)
		check->result.n_damage++;
	else
		check->result.n_harmless++;
	if (check->result.n_damage + check->result.n_harmless > CHECK_MAX_FINDINGS) {
		withhold(check, severity);
		return;
	}
	if (!check->fn)
		return;
	if (place)
		prefix = snprintf(text, sizeof text, "%s: ", check_path(check, place, path));
	va_start(args, format);
	(void)vsnprintf(text + prefix, sizeof text - (size_t)prefix, format, args);
	va_end(args);
	fat_log_sanitize(text);
	check->fn(check->userdata, severity, text);
}

uint32_t check_dir_cluster(const struct check *check, uint32_t dir)
{
	uint32_t cluster = check->dirs[dir].first_cluster;

	return cluster ? cluster : check->vol->geo.root_cluster;
}

int check_watch_add(struct check *check, struct check_watch watch)
{
	if (check->n_watches == check->watches_room) {
		uint32_t room = check->watches_room ? check->watches_room * 2 : 16;
		struct check_watch *more = realloc(check->watches, room * sizeof *more);

		if (!more)
			return -ENOMEM;
		check->watches = more;
		check->watches_room = room;
	}
	check->watches[check->n_watches++] = watch;
	return 0;
}

/* The owners that the second walk was for. Those not found mean that the device changed. */
static void give_leftovers(struct check *check)
{
	for (uint32_t i = 0; i < check->n_watches; i++) {
		const struct check_watch *watch = &check->watches[i];

		if (watch->found)
			continue;
		if (watch->path)
			check_finding(check, FAT_DAMAGE, NULL,
				"%s: cluster %" PRIu32 " belongs to something else, too",
				watch->path, watch->cluster);
		else
			check_finding(check, FAT_DAMAGE, NULL,
				"the FAT copies differ on cluster %" PRIu32 ", which is in use",
				watch->cluster);
	}
}

static int find_owners(struct check *check)
{
	size_t len = (size_t)check->vol->geo.n_clusters / 8 + 1;
	int r;

	if (check->n_watches == 0)
		return 0;
	check->watched = calloc(len + 1, 1);
	if (!check->watched)
		return -ENOMEM;
	for (uint32_t i = 0; i < check->n_watches; i++)
		fat_bit_set(check->watched, check->watches[i].cluster);
	check->second_walk = true;
	r = check_tree(check);
	check->second_walk = false;
	if (r < 0)
		return r;
	give_leftovers(check);
	return 0;
}

static void count_lost(struct check *check)
{
	const struct fat_volume *vol = check->vol;
	uint32_t first = 0, n = 0;

	for (uint32_t i = 0; i < vol->geo.n_clusters; i++) {
		uint32_t value = fat_next(vol, i + 2);

		if (value == FAT_FREE || value == FAT_BAD || fat_bit_get(vol->reachable, i + 2))
			continue;
		if (n++ == 0)
			first = i + 2;
	}
	check->result.lost_clusters = n;
	if (n == 0)
		return;
	check_finding(check, FAT_HARMLESS, NULL,
		"lost clusters: %" PRIu32 " marked as used and in no file, the first is %" PRIu32
		"%s",
		n, first,
		check->n_unread_dirs ? " (or they belong to the damaged directories)" : "");
}

static int run_checks(struct check *check)
{
	int r;

	r = check_boot(check);
	if (r == 0)
		r = check_head(check);
	if (r == 0)
		r = check_tree(check);
	if (r == 0)
		r = check_copies(check);
	if (r == 0)
		r = find_owners(check);
	if (r < 0)
		return r;
	check_label(check);
	count_lost(check);
	return check_fsinfo(check);
}

static void give_rest(struct check *check)
{
	char text[64];

	if (check->n_withheld == 0 || !check->fn)
		return;
	snprintf(text, sizeof text, "and %" PRIu32 " more", check->n_withheld);
	check->fn(check->userdata, check->withheld_severity, text);
}

static void check_done(struct check *check)
{
	for (uint32_t i = 0; i < check->n_dirs; i++)
		free(check->dirs[i].name);
	for (uint32_t i = 0; i < check->n_watches; i++)
		free(check->watches[i].path);
	free(check->dirs);
	free(check->watches);
	free(check->watched);
}

int fat_check(struct fat_volume *vol, fat_finding_fn fn, void *userdata,
	struct fat_check_result *ret)
{
	struct check check = {.vol = vol, .fn = fn, .userdata = userdata};
	int r;

	vol->checked = false;
	if (!vol->reachable)
		vol->reachable = malloc(((size_t)vol->geo.n_clusters + 2) / 8 + 1);
	if (!vol->reachable)
		return -ENOMEM;
	r = run_checks(&check);
	if (r == 0)
		give_rest(&check);
	check_done(&check);
	if (r < 0)
		return r;
	vol->check = check.result;
	vol->checked = check.result.n_damage == 0;
	*ret = check.result;
	return 0;
}
