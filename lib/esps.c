/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mounts.h"
#include "lib/sync.h"

/* All ESPs and XBOOTLDRs that can be seen, and what they are to each other. */

struct fes_esp {
	char *name;
	char *disk;
	enum fes_partition_kind kind;
	enum fes_esp_role role;
	char *partuuid;
	uint64_t size;
	char *mount;
	char *message;
	struct fes_volume *volume;
};

struct fes_esps {
	struct fes_context *context;
	struct fes_sync *sync; /* knows the primary and its list */
	struct fes_mounts mounts;
	struct fes_esp *esps;
	size_t n;
};

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

static char *dup_or_null(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

static int push_esp(struct fes_esps *esps, struct fes_esp **ret)
{
	struct fes_esp *larger = realloc(esps->esps, (esps->n + 1) * sizeof *larger);

	if (!larger)
		return -ENOMEM;
	esps->esps = larger;
	larger[esps->n] = (struct fes_esp){0};
	*ret = &larger[esps->n++];
	return 0;
}

/* ---- one of them ---- */

static void keep_reason(void *userdata, enum fes_log_level level, const char *message)
{
	struct fes_esp *esp = userdata;

	if (level == FES_LOG_ERROR && !esp->message)
		esp->message = strdup(message);
}

static int find_mount(struct fes_esps *esps, struct fes_esp *esp, const struct fes_spec *spec)
{
	const char *root = fes_host_root(&esps->context->host);

	for (size_t i = 0; i < esps->mounts.n; i++) {
		if (!fes_spec_on_device(root, spec, esps->mounts.mounts[i].device))
			continue;
		esp->mount = strdup(esps->mounts.mounts[i].path);
		return esp->mount ? 0 : -ENOMEM;
	}
	return 0;
}

/* What cannot be used is shown with the reason, and never without one. */
static int require_reason(const struct fes_esp *esp, int r)
{
	return r == 0 || (r != -ENOMEM && esp->message) ? 0 : -ENOMEM;
}

static int open_volume(struct fes_esps *esps, struct fes_esp *esp, const struct fes_spec *spec)
{
	int r;

	fes_mute(esps->context, true);
	r = fes_volume_open_spec(esps->context, spec, FES_OPEN_READ, &esp->volume, &esp->message);
	fes_mute(esps->context, false);
	if (r == 0)
		fes_volume_release(esp->volume);
	return require_reason(esp, r);
}

static int look_into(struct fes_esps *esps, struct fes_esp *esp)
{
	struct fes_spec spec;
	int r = fes_spec_resolve(&esps->context->host, esp->name, keep_reason, esp, &spec);

	if (r < 0)
		return require_reason(esp, r);
	r = find_mount(esps, esp, &spec);
	if (r == 0)
		r = open_volume(esps, esp, &spec);
	fes_spec_done(&spec);
	return r;
}

static enum fes_esp_role role_of(const struct fes_esps *esps, const struct fes_seen *seen)
{
	const char *primary = esps->sync->primary_spec.name;

	if (primary && strcmp(primary, seen->name) == 0)
		return FES_ESP_PRIMARY;
	if (!seen->uuid[0])
		return FES_ESP_OTHER;
	if (esps->sync->primary_spec.partuuid &&
		strcasecmp(esps->sync->primary_spec.partuuid, seen->uuid) == 0)
		return FES_ESP_PRIMARY;
	return fes_list_has(&esps->sync->list, seen->uuid) ? FES_ESP_MIRROR : FES_ESP_OTHER;
}

static int add_seen(struct fes_esps *esps, const struct fes_seen *seen)
{
	struct fes_esp *esp;
	int r = push_esp(esps, &esp);

	if (r < 0)
		return r;
	*esp = (struct fes_esp){
		.name = strdup(seen->name),
		.disk = strdup(seen->disk),
		.kind = seen->kind,
		.role = seen->kind == FES_PARTITION_XBOOTLDR ? FES_ESP_OTHER : role_of(esps, seen),
		.partuuid = dup_or_null(seen->uuid),
		.size = seen->size,
	};
	if (!esp->name || !esp->disk || (seen->uuid[0] && !esp->partuuid))
		return -ENOMEM;
	return look_into(esps, esp);
}

/* ---- all of them ---- */

static bool has_on_disk(const struct fes_esps *esps, const char *disk, enum fes_esp_role role)
{
	for (size_t i = 0; i < esps->n; i++)
		if (esps->esps[i].disk && strcmp(esps->esps[i].disk, disk) == 0 &&
			esps->esps[i].kind != FES_PARTITION_XBOOTLDR && esps->esps[i].role == role)
			return true;
	return false;
}

/* XBOOTLDR is to its disk what the ESP there is; beside the primary it is what is copied from. */
static void give_roles(struct fes_esps *esps)
{
	for (size_t i = 0; i < esps->n; i++) {
		struct fes_esp *esp = &esps->esps[i];

		if (esp->kind != FES_PARTITION_XBOOTLDR || !esp->disk)
			continue;
		if (has_on_disk(esps, esp->disk, FES_ESP_PRIMARY))
			esp->role = FES_ESP_PRIMARY;
		else if (has_on_disk(esps, esp->disk, FES_ESP_MIRROR))
			esp->role = FES_ESP_MIRROR;
	}
}

/* --force puts partitions of any type on the list. */
static bool is_shown(const struct fes_esps *esps, const struct fes_seen *seen)
{
	return seen->kind == FES_PARTITION_ESP || seen->kind == FES_PARTITION_XBOOTLDR ||
		role_of(esps, seen) != FES_ESP_OTHER;
}

static int add_all_seen(struct fes_esps *esps, const struct fes_scan *scan)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < scan->n; i++)
		if (is_shown(esps, &scan->seen[i]))
			r = add_seen(esps, &scan->seen[i]);
	return r;
}

/* One that is on none of the disks that are searched. */
static int add_primary(struct fes_esps *esps)
{
	const struct fes_spec *spec = &esps->sync->primary_spec;
	struct fes_esp *esp;
	int r;

	for (size_t i = 0; i < esps->n; i++)
		if (esps->esps[i].role == FES_ESP_PRIMARY)
			return 0;
	if (!spec->name)
		return 0;
	r = push_esp(esps, &esp);
	if (r < 0)
		return r;
	*esp = (struct fes_esp){
		.name = strdup(spec->name),
		.disk = strdup(spec->lock_path),
		.kind = spec->kind,
		.role = FES_ESP_PRIMARY,
		.partuuid = dup_or_null(spec->partuuid),
		.size = spec->size,
	};
	if (!esp->name || !esp->disk || (spec->partuuid && !esp->partuuid))
		return -ENOMEM;
	r = look_into(esps, esp);
	if (esp->volume && esp->size == 0)
		esp->size = fes_volume_get_size(esp->volume);
	return r;
}

static bool is_seen(const struct fes_esps *esps, const char *uuid)
{
	for (size_t i = 0; i < esps->n; i++)
		if (esps->esps[i].partuuid && strcasecmp(esps->esps[i].partuuid, uuid) == 0)
			return true;
	return false;
}

static int add_missing(struct fes_esps *esps)
{
	const char *uuid;
	int r = 0;

	for (size_t i = 0; r == 0 && (uuid = fes_sync_get_listed(esps->sync, i)); i++) {
		struct fes_esp *esp;

		if (is_seen(esps, uuid))
			continue;
		r = push_esp(esps, &esp);
		if (r < 0)
			return r;
		esp->kind = FES_PARTITION_ESP;
		esp->role = FES_ESP_MIRROR;
		esp->partuuid = strdup(uuid);
		esp->message = strdup("missing");
		r = esp->partuuid && esp->message ? 0 : -ENOMEM;
	}
	return r;
}

/* Why nobody knows of a primary is only information, for there is a lot to see without one. */
static int find_primary(struct fes_esps *esps, const char *primary)
{
	int r = fes_sync_new(esps->context, &esps->sync);

	if (r == 0 && primary)
		r = fes_sync_set_primary(esps->sync, primary);
	if (r < 0)
		return r;
	fes_mute(esps->context, !primary);
	r = fes_sync_find_primary(esps->sync);
	fes_mute(esps->context, false);
	if (r == 0)
		r = fes_sync_read_list(esps->sync);
	return r == -ENOMEM ? r : 0;
}

static int fill(struct fes_esps *esps, const char *primary)
{
	const struct fes_scan *scan;
	int r;

	fes_host_forget(&esps->context->host);
	r = fes_host_scan(&esps->context->host, log_message, esps->context, &scan);
	if (r == 0)
		r = find_primary(esps, primary);
	if (r < 0 || !esps->sync)
		return r;
	r = fes_mounts_read(fes_host_root(&esps->context->host), 0, &esps->mounts);
	if (r < 0 && r != -ENOMEM)
		r = 0; /* a system without /proc */
	if (r == 0)
		r = add_all_seen(esps, scan);
	if (r == 0)
		r = add_primary(esps);
	if (r == 0)
		r = add_missing(esps);
	if (r == 0)
		give_roles(esps);
	return r;
}

int fes_esps_new(struct fes_context *context, const char *primary, struct fes_esps **ret)
{
	struct fes_esps *esps = calloc(1, sizeof *esps);
	int r;

	if (!esps)
		return -ENOMEM;
	esps->context = context;
	r = fill(esps, primary);
	if (r < 0) {
		fes_esps_free(esps);
		return r;
	}
	*ret = esps;
	return 0;
}

void fes_esps_free(struct fes_esps *esps)
{
	if (!esps)
		return;
	for (size_t i = 0; i < esps->n; i++) {
		fes_volume_close(esps->esps[i].volume);
		free(esps->esps[i].name);
		free(esps->esps[i].disk);
		free(esps->esps[i].partuuid);
		free(esps->esps[i].mount);
		free(esps->esps[i].message);
	}
	free(esps->esps);
	fes_mounts_done(&esps->mounts);
	fes_sync_free(esps->sync);
	free(esps);
}

/* ---- what is known ---- */

const struct fes_esp *fes_esps_get(const struct fes_esps *esps, size_t i)
{
	return i < esps->n ? &esps->esps[i] : NULL;
}

const char *fes_esp_get_name(const struct fes_esp *esp)
{
	return esp->name;
}

enum fes_partition_kind fes_esp_get_kind(const struct fes_esp *esp)
{
	return esp->kind;
}

enum fes_esp_role fes_esp_get_role(const struct fes_esp *esp)
{
	return esp->role;
}

const char *fes_esp_get_partuuid(const struct fes_esp *esp)
{
	return esp->partuuid;
}

uint64_t fes_esp_get_size(const struct fes_esp *esp)
{
	return esp->size;
}

const char *fes_esp_get_mount(const struct fes_esp *esp)
{
	return esp->mount;
}

const char *fes_esp_get_message(const struct fes_esp *esp)
{
	return esp->message;
}

const struct fes_volume *fes_esp_get_volume(const struct fes_esp *esp)
{
	return esp->volume;
}
