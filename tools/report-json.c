/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/report-esps.h"
#include "tools/report-json.h"
#include "tools/text.h"

/*
 * The object grows while the verb runs and is printed by finish. Values go in through set() and
 * append(), which take each reference over and turn a missing one into the report's error.
 */

struct json_report {
	struct report base;
	json_t *root;
	json_t *list;     /* borrowed from root: the array that grows */
	json_t *volume;   /* borrowed from list: the volume being checked */
	json_t *findings; /* borrowed from volume */
};

static struct json_report *json_report_of(struct report *report)
{
	return (struct json_report *)report;
}

/* ---- pieces ---- */

static void keep_error(struct report *report, int error)
{
	if (report->error == 0)
		report->error = error;
}

static void set(struct report *report, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		keep_error(report, -ENOMEM);
}

static void append(struct report *report, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		keep_error(report, -ENOMEM);
}

/* Names need not be UTF-8, and one that is not must not cost the whole output. */
static void set_text(struct report *report, json_t *object, const char *key, const char *text)
{
	char *utf8;

	if (!text)
		return;
	utf8 = text_to_utf8(text);
	set(report, object, key, utf8 ? json_string(utf8) : NULL);
	free(utf8);
}

static void set_text_unless_empty(struct report *report, json_t *object, const char *key,
	const char *text)
{
	if (text && *text)
		set_text(report, object, key, text);
}

static void set_integer(struct report *report, json_t *object, const char *key, uint64_t value)
{
	set(report, object, key, json_integer((json_int_t)value));
}

/* A new object or array, put under @key of @object; NULL when memory is out. */
static json_t *set_child(struct report *report, json_t *object, const char *key, json_t *child)
{
	set(report, object, key, child);
	return json_object_get(object, key);
}

/* A new object at the end of @array; NULL when memory is out. */
static json_t *append_object(struct report *report, json_t *array)
{
	size_t i = json_array_size(array);

	append(report, array, json_object());
	return json_array_get(array, i);
}

static void set_volume(struct report *report, json_t *object, const char *key,
	const struct fes_volume *volume)
{
	json_t *child;

	if (!volume)
		return;
	child = set_child(report, object, key, json_object());
	set_text(report, child, "volume", fes_volume_get_name(volume));
	set_integer(report, child, "fatBits", fes_volume_get_fat_bits(volume));
	set_integer(report, child, "sectorSize", fes_volume_get_sector_size(volume));
	set_integer(report, child, "clusterSize", fes_volume_get_cluster_size(volume));
	set_integer(report, child, "size", fes_volume_get_size(volume));
	set_integer(report, child, "free", fes_volume_get_free(volume));
	set_text(report, child, "serial", fes_volume_get_serial(volume));
	set_text_unless_empty(report, child, "label", fes_volume_get_label(volume));
	set_text(report, child, "partUuid", fes_volume_get_partuuid(volume));
}

/* ---- sync, diff, status ---- */

static const char *state_word(enum fes_mirror_state state)
{
	switch (state) {
	case FES_MIRROR_IN_SYNC:
		return "in-sync";
	case FES_MIRROR_SYNCED:
		return "synced";
	case FES_MIRROR_DIFFERS:
		return "differs";
	case FES_MIRROR_REFUSED:
		return "refused";
	case FES_MIRROR_FAILED:
		return "failed";
	case FES_MIRROR_MISSING:
		return "missing";
	}
	return "unknown";
}

static const char *change_word(enum fes_change_kind kind)
{
	switch (kind) {
	case FES_CHANGE_NEW:
		return "new";
	case FES_CHANGE_CONTENTS:
		return "contents";
	case FES_CHANGE_REMOVED:
		return "removed";
	case FES_CHANGE_RENAMED:
		return "renamed";
	case FES_CHANGE_TOUCHED:
		return "touched";
	case FES_CHANGE_TIDIED:
		return "tidied";
	}
	return "unknown";
}

static void append_change(struct report *report, json_t *array, const struct fes_change *change)
{
	json_t *object = append_object(report, array);
	enum fes_change_kind kind = fes_change_get_kind(change);

	set_text(report, object, "kind", change_word(kind));
	if (kind == FES_CHANGE_TIDIED)
		return;

	set_text(report, object, "path", fes_change_get_path(change));
	set_text(report, object, "oldPath", fes_change_get_old_path(change));
	if (fes_change_is_directory(change))
		set(report, object, "directory", json_true());
	else
		set_integer(report, object, "size", fes_change_get_size(change));
}

/* Whether it could be booted from, and what it lacks for that. */
static void set_boots(struct report *report, json_t *object, const char *lacking)
{
	if (!lacking)
		return;
	set(report, object, "boots", json_boolean(!*lacking));
	set_text_unless_empty(report, object, "lacking", lacking);
}

static void append_text(struct report *report, json_t *array, const char *text)
{
	char *utf8 = text_to_utf8(text);

	append(report, array, utf8 ? json_string(utf8) : NULL);
	free(utf8);
}

static void set_mirror_notes(struct report *report, json_t *object, const struct fes_mirror *mirror)
{
	json_t *notes = set_child(report, object, "notes", json_array());
	const char *note;

	for (size_t i = 0; (note = fes_mirror_get_note(mirror, i)); i++)
		append_text(report, notes, note);
}

static void fill_mirror(struct report *report, json_t *object, const struct fes_mirror *mirror,
	enum report_verb verb)
{
	size_t n_changes = fes_mirror_get_n_changes(mirror);
	json_t *changes;

	set_text(report, object, "mirror", fes_mirror_get_spec(mirror));
	set_text(report, object, "device", fes_mirror_get_name(mirror));
	set_text(report, object, "partUuid", fes_mirror_get_partuuid(mirror));
	set_volume(report, object, "volume", fes_mirror_get_volume(mirror));
	set_text(report, object, "state", state_word(report_mirror_state(mirror, verb)));
	set_text(report, object, "message", fes_mirror_get_message(mirror));
	set_boots(report, object, fes_mirror_get_lacking(mirror));
	set_mirror_notes(report, object, mirror);

	changes = set_child(report, object, "changes", json_array());
	for (size_t i = 0; i < n_changes; i++)
		append_change(report, changes, fes_mirror_get_change(mirror, i));

	set_integer(report, object, "bytesWritten", fes_mirror_get_bytes_written(mirror));
	set_integer(report, object, "writes", fes_mirror_get_writes(mirror));
	set_integer(report, object, "barriers", fes_mirror_get_barriers(mirror));
}

static void append_mirror(struct report *report, json_t *array, const struct fes_mirror *mirror,
	enum report_verb verb)
{
	const struct fes_mirror *xbootldr = fes_mirror_get_xbootldr(mirror);
	json_t *object = append_object(report, array);

	fill_mirror(report, object, mirror, verb);
	if (xbootldr)
		fill_mirror(report, set_child(report, object, "xbootldr", json_object()),
			xbootldr, verb);
}

static void set_primary_notes(struct report *report, json_t *object, const struct fes_sync *sync,
	const char *(*get)(const struct fes_sync *sync, size_t i))
{
	json_t *notes = set_child(report, object, "notes", json_array());
	const char *note;

	for (size_t i = 0; (note = get(sync, i)); i++)
		append_text(report, notes, note);
}

/* Whether the primary boots, and what is noted of it, where that was asked for. */
static void set_primary_boots(struct report *report, json_t *root, const struct fes_sync *sync)
{
	json_t *primary = json_object_get(root, "primary");
	json_t *xbootldr = json_object_get(root, "primaryXbootldr");

	if (!primary || !fes_sync_get_primary_lacking(sync))
		return;
	set_boots(report, primary, fes_sync_get_primary_lacking(sync));
	set_primary_notes(report, primary, sync, fes_sync_get_primary_note);
	if (xbootldr)
		set_primary_notes(report, xbootldr, sync, fes_sync_get_primary_xbootldr_note);
}

static void set_primary(struct report *report, const struct fes_sync *sync)
{
	json_t *root = json_report_of(report)->root;

	set_volume(report, root, "primary", fes_sync_get_primary(sync));
	set_volume(report, root, "primaryXbootldr", fes_sync_get_primary_xbootldr(sync));
	set_primary_boots(report, root, sync);
}

static void set_list(struct report *report, const struct fes_sync *sync)
{
	struct json_report *json = json_report_of(report);
	json_t *list = set_child(report, json->root, "list", json_array());
	const char *uuid;

	for (size_t i = 0; (uuid = fes_sync_get_listed(sync, i)); i++)
		append(report, list, json_string(uuid));
	set(report, json->root, "listChanged", json_boolean(fes_sync_list_changed(sync)));
}

static void json_sync_failed(struct report *report, const struct fes_sync *sync, int exit_status)
{
	struct json_report *json = json_report_of(report);

	set_primary(report, sync);
	set(report, json->root, "mirrors", json_array());
	set_integer(report, json->root, "exitStatus", (uint64_t)exit_status);
}

static void json_sync(struct report *report, const struct fes_sync *sync, enum report_verb verb,
	int exit_status)
{
	struct json_report *json = json_report_of(report);
	size_t n_mirrors = fes_sync_get_n_mirrors(sync);
	json_t *mirrors;

	set_primary(report, sync);
	mirrors = set_child(report, json->root, "mirrors", json_array());
	for (size_t i = 0; i < n_mirrors; i++)
		append_mirror(report, mirrors, fes_sync_get_mirror(sync, i), verb);
	set_list(report, sync);
	set_integer(report, json->root, "exitStatus", (uint64_t)exit_status);
}

/* ---- list, wait ---- */

static void append_esp(struct report *report, json_t *array, const struct fes_esp *esp)
{
	json_t *object = append_object(report, array);

	set_text(report, object, "device", fes_esp_get_name(esp));
	set_text(report, object, "type", report_esp_kind(esp));
	set_text(report, object, "role", report_esp_role(esp));
	set(report, object, "missing", json_boolean(!fes_esp_get_name(esp)));
	set_text(report, object, "partUuid", fes_esp_get_partuuid(esp));
	if (fes_esp_get_name(esp))
		set_integer(report, object, "partitionSize", fes_esp_get_size(esp));
	set_volume(report, object, "volume", fes_esp_get_volume(esp));
	set_text(report, object, "mountedAt", fes_esp_get_mount(esp));
	set_text(report, object, "message", fes_esp_get_message(esp));
}

static void json_esps(struct report *report, const struct fes_esps *esps)
{
	json_t *array = set_child(report, json_report_of(report)->root, "esps", json_array());
	const struct fes_esp *esp;

	for (size_t i = 0; (esp = fes_esps_get(esps, i)); i++)
		append_esp(report, array, esp);
}

static json_t *missing_list(struct report *report)
{
	struct json_report *json = json_report_of(report);

	if (!json->list)
		json->list = set_child(report, json->root, "missing", json_array());
	return json->list;
}

static void json_missing(struct report *report, const char *partuuid)
{
	append(report, missing_list(report), partuuid ? json_string(partuuid) : json_null());
}

static void json_wait_end(struct report *report, unsigned seconds, int exit_status)
{
	(void)missing_list(report);
	set_integer(report, json_report_of(report)->root, "timeout", seconds);
	set_integer(report, json_report_of(report)->root, "exitStatus", (uint64_t)exit_status);
}

/* ---- check ---- */

static const char *health_word(enum report_health health)
{
	switch (health) {
	case REPORT_CLEAN:
		return "clean";
	case REPORT_HARMLESS:
		return "harmless";
	case REPORT_DAMAGE:
		return "damage";
	case REPORT_UNREADABLE:
		return "unreadable";
	}
	return "unknown";
}

static void json_check_begin(struct report *report, const char *spec,
	const struct fes_volume *volume)
{
	struct json_report *json = json_report_of(report);

	if (!json->list)
		json->list = set_child(report, json->root, "volumes", json_array());
	json->volume = append_object(report, json->list);

	if (volume) {
		set_volume(report, json->volume, "volume", volume);
	} else {
		json_t *object = set_child(report, json->volume, "volume", json_object());

		set_text(report, object, "volume", spec);
	}
	json->findings = set_child(report, json->volume, "findings", json_array());
}

static void json_check_finding(struct report *report, enum fes_severity severity,
	const char *message)
{
	struct json_report *json = json_report_of(report);
	json_t *object = append_object(report, json->findings);

	set_text(report, object, "severity", severity == FES_DAMAGE ? "damage" : "harmless");
	set_text(report, object, "message", message);
}

static void json_check_end(struct report *report, enum report_health health)
{
	set_text(report, json_report_of(report)->volume, "state", health_word(health));
}

/* ---- ls ---- */

static void json_list_begin(struct report *report, const char *path)
{
	struct json_report *json = json_report_of(report);

	set_text(report, json->root, "path", path);
	json->list = set_child(report, json->root, "entries", json_array());
}

static void json_list_entry(struct report *report, const struct fes_entry *entry)
{
	struct json_report *json = json_report_of(report);
	json_t *object = append_object(report, json->list);
	bool directory = fes_entry_is_directory(entry);

	set_text(report, object, "name", fes_entry_get_name(entry));
	set(report, object, "directory", json_boolean(directory));
	if (!directory)
		set_integer(report, object, "size", fes_entry_get_size(entry));
	set_integer(report, object, "attributes", fes_entry_get_attributes(entry));
	set_text_unless_empty(report, object, "modified", fes_entry_get_modified(entry));
}

static void json_list_end(struct report *report)
{
	(void)report;
}

/* ---- either ---- */

static void json_finish(struct report *report)
{
	struct json_report *json = json_report_of(report);
	size_t flags = report->style.json == REPORT_JSON_PRETTY ? JSON_INDENT(2) : JSON_COMPACT;

	if (report->error < 0 || json_object_size(json->root) == 0)
		return;
	/* A failed write shows in stdout's error flag, and there with its reason. */
	if (json_dumpf(json->root, stdout, flags) < 0 && !ferror(stdout)) {
		keep_error(report, -ENOMEM);
		return;
	}
	putchar('\n');
}

static void json_free(struct report *report)
{
	struct json_report *json = json_report_of(report);

	json_decref(json->root);
	free(json);
}

static const struct report_ops json_ops = {
	.sync_failed = json_sync_failed,
	.sync = json_sync,
	.esps = json_esps,
	.missing = json_missing,
	.wait_end = json_wait_end,
	.check_begin = json_check_begin,
	.check_finding = json_check_finding,
	.check_end = json_check_end,
	.list_begin = json_list_begin,
	.list_entry = json_list_entry,
	.list_end = json_list_end,
	.finish = json_finish,
	.free = json_free,
};

struct report *report_json_new(const struct report_style *style)
{
	struct json_report *json = calloc(1, sizeof *json);

	if (!json)
		return NULL;
	json->root = json_object();
	if (!json->root) {
		free(json);
		return NULL;
	}
	json->base.ops = &json_ops;
	json->base.style = *style;
	return &json->base;
}
