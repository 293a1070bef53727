/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/edit.h"
#include "lib/liststore.h"

/*
 * First everything is checked, with a dry run for what shall come onto the list; then the list is
 * written to the primary, and the sync that follows carries it to all others.
 */

static const char header[] =
	"# The EFI System Partitions of this machine, by partition UUID; see fatespsync(8).\n";

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

/* ---- what was asked for ---- */

static int push_edit(struct fes_sync *sync, const char *old, const char *new)
{
	struct fes_edit *larger, edit = {0};

	if (sync->ran)
		return -EALREADY;
	larger = realloc(sync->edits, (sync->n_edits + 1) * sizeof *larger);
	if (!larger)
		return -ENOMEM;
	sync->edits = larger;
	edit.old = old ? strdup(old) : NULL;
	edit.new = new ? strdup(new) : NULL;
	larger[sync->n_edits++] = edit;
	return (old && !edit.old) || (new && !edit.new) ? -ENOMEM : 0;
}

int fes_sync_add_to_list(struct fes_sync *sync, const char *spec)
{
	return push_edit(sync, NULL, spec);
}

int fes_sync_remove_from_list(struct fes_sync *sync, const char *spec)
{
	return push_edit(sync, spec, NULL);
}

int fes_sync_replace_on_list(struct fes_sync *sync, const char *spec, const char *new_spec)
{
	return push_edit(sync, spec, new_spec);
}

void fes_edits_done(struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_edits; i++) {
		free(sync->edits[i].old);
		free(sync->edits[i].new);
		free(sync->edits[i].old_uuid);
		free(sync->edits[i].new_uuid);
	}
	free(sync->edits);
	free(sync->old_list);
}

const char *fes_sync_get_listed(const struct fes_sync *sync, size_t i)
{
	for (size_t line = 0; line < sync->list.n; line++)
		if (sync->list.lines[line].kind == FES_LIST_UUID && i-- == 0)
			return sync->list.lines[line].value;
	return NULL;
}

bool fes_sync_list_changed(const struct fes_sync *sync)
{
	return sync->list_changed;
}

/* ---- refusing ---- */

/* Show @text as a mirror that is refused; @logged: the reason was told before. */
static int refuse_logged(struct fes_sync *sync, const char *text, const char *message)
{
	int r = fes_sync_push_mirror(sync, text, false);

	if (r < 0)
		return r;
	sync->edit_refused = true;
	fes_mirror_refuse(&sync->mirrors[sync->n_mirrors - 1], message);
	return 0;
}

__attribute__((format(printf, 3, 4)))
static int refuse(struct fes_sync *sync, const char *text, const char *format, ...)
{
	char *why, *message;
	va_list args;
	int n, r;

	va_start(args, format);
	n = vasprintf(&why, format, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	n = asprintf(&message, "%s: %s", text, why);
	free(why);
	if (n < 0)
		return -ENOMEM;
	fes_log(sync->context, FES_LOG_ERROR, "%s", message);
	r = refuse_logged(sync, text, message);
	free(message);
	return r;
}

/* Keeps the first reason why a name stands for nothing. */
struct reason {
	struct fes_context *context;
	char *message;
};

static void take_reason(void *userdata, enum fes_log_level level, const char *message)
{
	struct reason *reason = userdata;

	if (level != FES_LOG_ERROR)
		fes_log(reason->context, level, "%s", message);
	else if (!reason->message)
		reason->message = strdup(message);
}

static int refuse_unknown(struct fes_sync *sync, const char *text, const char *reason,
	const char *advice)
{
	char *message;
	int r;

	if (!reason || asprintf(&message, "%s%s", reason, advice) < 0)
		return -ENOMEM;
	fes_log(sync->context, FES_LOG_ERROR, "%s", message);
	r = refuse_logged(sync, text, message);
	free(message);
	return r;
}

/* Returns 1 and what @text stands for; 0 when it was refused, with @advice; or -ENOMEM. */
static int resolve(struct fes_sync *sync, const char *text, const char *advice,
	struct fes_spec *ret)
{
	struct reason reason = {.context = sync->context};
	int r = fes_spec_resolve(&sync->context->host, text, take_reason, &reason, ret);

	if (r == 0)
		r = 1;
	else if (r != -ENOMEM)
		r = refuse_unknown(sync, text, reason.message, advice);
	free(reason.message);
	return r;
}

/* ---- who goes ---- */

static int find_old_uuid(struct fes_sync *sync, struct fes_edit *edit)
{
	static const char tag[] = "PARTUUID=";
	bool tagged = strncmp(edit->old, tag, sizeof tag - 1) == 0;
	const char *uuid = tagged ? edit->old + sizeof tag - 1 : edit->old;
	struct fes_spec spec;
	int r;

	/* Its disk may be gone: what looks like a UUID is not looked for. */
	if (fes_list_is_uuid(uuid)) {
		edit->old_uuid = strdup(uuid);
		return edit->old_uuid ? 0 : -ENOMEM;
	}
	r = resolve(sync, edit->old,
		"; if its disk is gone, name it by its partition UUID (see 'fatespsync list')", &spec);
	if (r <= 0)
		return r;
	edit->old_uuid = spec.partuuid;
	spec.partuuid = NULL;
	fes_spec_done(&spec);
	return edit->old_uuid ? 0 : refuse(sync, edit->old, "has no partition UUID, so it is on no list");
}

static int check_old(struct fes_sync *sync, struct fes_edit *edit)
{
	const char *primary = sync->primary_spec.partuuid;
	int r = find_old_uuid(sync, edit);

	if (r < 0 || !edit->old_uuid)
		return r;
	if (!fes_list_has(&sync->list, edit->old_uuid))
		return refuse(sync, edit->old, "is not on the list of %s", sync->primary_spec.name);
	if (primary && strcasecmp(edit->old_uuid, primary) == 0)
		return refuse(sync, edit->old,
			"is the primary; to take it off, run this with another one as --primary");
	return 0;
}

/* ---- who comes ---- */

/* What a message calls overridable was overridden for whoever is on the list. */
static bool is_accepted(const struct fes_sync *sync, const char *uuid)
{
	return sync->flags & FES_SYNC_FORCE || fes_list_has(&sync->list, uuid);
}

static int check_type(struct fes_sync *sync, const struct fes_edit *edit, const struct fes_spec *spec)
{
	if (!spec->partuuid)
		return refuse(sync, edit->new,
			"has no partition UUID to put on the list: it is no partition, or its table cannot be read");
	if (spec->kind == FES_PARTITION_ESP || is_accepted(sync, spec->partuuid))
		return 0;
	return refuse(sync, edit->new,
		"is no EFI System Partition by its type, so firmware may not boot from it; set the type (sfdisk --part-type, 'U' or 'ef'), or use --force");
}

/* What gives a copy another partition UUID. That of an MBR's partition comes from its disk. */
static const char *uuid_tool(const char *uuid)
{
	return strlen(uuid) > sizeof "1234abcd-01" ? "sfdisk --part-uuid" : "sfdisk --disk-id";
}

/* The first two partitions with @uuid. Returns how many there are, up to two. */
static size_t find_holders(const struct fes_scan *scan, const char *uuid,
	const struct fes_seen *ret[2])
{
	size_t n = 0;

	for (size_t i = 0; i < scan->n && n < 2; i++)
		if (fes_seen_has_tag(&scan->seen[i], "PARTUUID", uuid))
			ret[n++] = &scan->seen[i];
	return n;
}

/* The list knows no more than its UUID: what has that must be what was named, and no other. */
static int check_unique(struct fes_sync *sync, const struct fes_edit *edit,
	const struct fes_spec *spec)
{
	const char *primary = sync->primary_spec.partuuid, *uuid = spec->partuuid;
	const struct fes_seen *holders[2];
	const struct fes_scan *scan;
	struct fes_spec found;
	size_t n;
	int r = fes_host_scan(&sync->context->host, log_message, sync->context, &scan);

	if (r < 0)
		return r;
	if (primary && strcasecmp(uuid, primary) == 0)
		return refuse(sync, edit->new,
			"is the primary, or a copy with the same partition UUID (%s): give a copy another one (%s)",
			uuid, uuid_tool(uuid));
	n = find_holders(scan, uuid, holders);
	if (n == 0)
		return refuse(sync, edit->new,
			"cannot be found by its partition UUID (%s) among the disks that are searched; see --disk",
			uuid);
	if (n > 1)
		return refuse(sync, edit->new,
			"both %s and %s have its partition UUID (%s): give the copy another one (%s)",
			holders[0]->name, holders[1]->name, uuid, uuid_tool(uuid));
	found = fes_spec_of_seen(holders[0]);
	if (fes_spec_same(fes_host_root(&sync->context->host), spec, &found))
		return 0;
	return refuse(sync, edit->new,
		"is not among the disks that are searched, where %s has its partition UUID (%s): give the copy another one (%s), and see --disk",
		holders[0]->name, uuid, uuid_tool(uuid));
}

/* The serial of what is at @name, "" when it cannot be read: that is told when it is synced. */
static void read_serial(struct fes_sync *sync, const char *name, char ret[16])
{
	struct fes_volume *volume;
	struct fes_spec spec;

	ret[0] = '\0';
	fes_mute(sync->context, true);
	if (fes_spec_resolve(&sync->context->host, name, log_message, sync->context, &spec) == 0) {
		if (fes_volume_open_spec(sync->context, &spec, FES_OPEN_READ, &volume, NULL) == 0) {
			(void)snprintf(ret, 16, "%s", volume->serial);
			fes_volume_close(volume);
		}
		fes_spec_done(&spec);
	}
	fes_mute(sync->context, false);
}

static bool has_serial(struct fes_sync *sync, const char *name, const char *serial)
{
	char found[16];

	read_serial(sync, name, found);
	return strcmp(found, serial) == 0;
}

/* The ESP of the list that has the serial @serial, but for that of @edit. */
static const char *find_twin_on_list(struct fes_sync *sync, const struct fes_edit *edit,
	const char *serial)
{
	const char *uuid;
	char tag[64];

	for (size_t i = 0; (uuid = fes_sync_get_listed(sync, i)); i++) {
		(void)snprintf(tag, sizeof tag, "PARTUUID=%s", uuid);
		if (strcasecmp(uuid, edit->new_uuid) != 0 && has_serial(sync, tag, serial))
			return uuid;
	}
	return NULL;
}

/* Who has the serial @serial already: the primary, what else comes, or is on the list. */
static const char *find_twin(struct fes_sync *sync, const struct fes_edit *edit, const char *serial)
{
	if (strcmp(sync->primary->serial, serial) == 0)
		return sync->primary_spec.name;
	for (const struct fes_edit *other = sync->edits; other < edit; other++)
		if (other->new_uuid && strcasecmp(other->new_uuid, edit->new_uuid) != 0 &&
			has_serial(sync, other->new, serial))
			return other->new;
	return find_twin_on_list(sync, edit, serial);
}

static int check_serial(struct fes_sync *sync, const struct fes_edit *edit)
{
	const char *twin;
	char serial[16];

	if (is_accepted(sync, edit->new_uuid))
		return 0;
	read_serial(sync, edit->new, serial);
	twin = serial[0] ? find_twin(sync, edit, serial) : NULL;
	if (!twin)
		return 0;
	return refuse(sync, edit->new,
		"has the serial number of %s (%s), as copies made with dd(1) have, and /etc/fstab cannot tell them apart; give it one of its own (mlabel -n), or use --force",
		twin, serial);
}

static int copy_managed(struct fes_sync *to, const struct fes_sync *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->managed.n_paths; i++)
		r = fes_managed_add(&to->managed, from->managed.paths[i]);
	for (size_t i = 0; r == 0 && i < from->managed.n_excluded; i++)
		r = fes_managed_exclude(&to->managed, from->managed.excluded[i]);
	return r;
}

int fes_edit_new_side_run(const struct fes_sync *sync, unsigned flags, struct fes_sync **ret)
{
	struct fes_sync *side;
	int r = fes_sync_new(sync->context, &side);

	if (r < 0)
		return r;
	side->beside = true;
	side->listener = sync->listener;
	fes_sync_set_flags(side, flags);
	r = fes_sync_set_primary(side, sync->primary_text);
	if (r == 0)
		r = copy_managed(side, sync);
	if (r < 0) {
		fes_sync_free(side);
		return r;
	}
	*ret = side;
	return 0;
}

/* Whether it could be synced: sound, enough room, nothing in the way. */
static int try_new(struct fes_sync *sync, const struct fes_edit *edit)
{
	const struct fes_mirror *mirror;
	struct fes_sync *side;
	unsigned flags = sync->flags & ~(unsigned)FES_SYNC_BOOTS;
	int r = fes_edit_new_side_run(sync, flags | FES_SYNC_DRY_RUN, &side);

	if (r < 0)
		return r;
	r = fes_sync_add_mirror(side, edit->new);
	if (r == 0)
		r = fes_sync_run(side);
	mirror = fes_sync_get_mirror(side, 0);
	if (r == 0 && (mirror->state == FES_MIRROR_REFUSED || mirror->state == FES_MIRROR_FAILED))
		r = refuse_logged(sync, edit->new, mirror->message ? mirror->message : "refused");
	fes_sync_free(side);
	return r;
}

static int check_new(struct fes_sync *sync, struct fes_edit *edit)
{
	struct fes_spec spec;
	int r = resolve(sync, edit->new, "", &spec);

	if (r <= 0)
		return r;
	r = check_type(sync, edit, &spec);
	if (r == 0 && !sync->edit_refused)
		r = check_unique(sync, edit, &spec);
	edit->new_uuid = spec.partuuid;
	spec.partuuid = NULL;
	fes_spec_done(&spec);
	if (r == 0 && !sync->edit_refused)
		r = check_serial(sync, edit);
	return r == 0 && !sync->edit_refused ? try_new(sync, edit) : r;
}

static int check_edit(struct fes_sync *sync, struct fes_edit *edit)
{
	int r = edit->old ? check_old(sync, edit) : 0;

	if (r < 0 || sync->edit_refused || !edit->new)
		return r;
	return check_new(sync, edit);
}

/* ---- the new list ---- */

/* A new list: a line that says what it is, and the primary. */
static int begin_list(struct fes_sync *sync)
{
	int r;

	if (sync->list.n == 0) {
		r = fes_list_parse(header, sizeof header - 1, NULL, NULL, &sync->list);
		if (r < 0)
			return r;
	}
	return fes_list_add(&sync->list, sync->primary_spec.partuuid);
}

static int change(struct fes_sync *sync, const struct fes_edit *edit)
{
	int r;

	if (edit->old && edit->new && strcasecmp(edit->old_uuid, edit->new_uuid) == 0)
		return 0;
	if (edit->new && fes_list_has(&sync->list, edit->new_uuid)) {
		fes_log(sync->context, FES_LOG_INFO, "%s: is on the list already", edit->new);
		return edit->old ? fes_list_remove(&sync->list, edit->old_uuid) : 0;
	}
	if (!edit->new)
		r = fes_list_remove(&sync->list, edit->old_uuid);
	else if (edit->old)
		r = fes_list_replace(&sync->list, edit->old_uuid, edit->new_uuid);
	else
		r = fes_list_add(&sync->list, edit->new_uuid);
	return r == -ENOENT ? 0 : r; /* named twice: gone already */
}

static int change_all(struct fes_sync *sync)
{
	int r = 0;

	if (fes_list_count_uuids(&sync->list) == 0)
		r = begin_list(sync);
	for (size_t i = 0; r == 0 && i < sync->n_edits; i++)
		r = change(sync, &sync->edits[i]);
	if (r == -EFBIG)
		fes_log(sync->context, FES_LOG_ERROR, "%s: %s would become longer than %d bytes",
			sync->primary_spec.name, FES_LIST_PATH, FES_LIST_MAX);
	return r;
}

/* ---- writing it ---- */

static int store(struct fes_sync *sync, const char *expected, const char *text)
{
	return fes_list_store(sync->context, &sync->primary_spec, expected, text);
}

static int require_uuid(struct fes_sync *sync)
{
	if (!sync->primary_spec.partuuid) {
		fes_log(sync->context, FES_LOG_ERROR,
			"%s: has no partition UUID, so it can be on no list: it is no partition, or its table cannot be read",
			sync->primary_spec.name);
		return -ENOKEY;
	}
	if (fes_list_count_uuids(&sync->list) == 0)
		return 0;
	return fes_sync_require_listed(sync);
}

static int format_old(struct fes_sync *sync)
{
	size_t len;

	return sync->has_list ? fes_list_format(&sync->list, &sync->old_list, &len) : 0;
}

int fes_edit_take_old_list(struct fes_sync *sync)
{
	struct fes_list old = {0};
	int r = 0;

	if (sync->old_list)
		r = fes_list_parse(sync->old_list, strlen(sync->old_list), NULL, NULL, &old);
	if (r < 0)
		return r;
	fes_list_done(&sync->list);
	sync->list = old;
	return 0;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int write_list(struct fes_sync *sync)
{
	char *text;
	size_t len;
	int r = fes_list_format(&sync->list, &text, &len);
	bool change = r == 0 && !text_equal(sync->old_list, text);

	if (r < 0)
		return r;
	if (change && !(sync->flags & FES_SYNC_DRY_RUN))
		r = store(sync, sync->old_list, text);
	free(text);
	sync->list_changed = change && r == 0;
	return r;
}

/* Change the list here and on the primary. */
static int change_list(struct fes_sync *sync)
{
	int r = change_all(sync);

	if (r == 0)
		r = write_list(sync);
	if (r < 0)
		(void)fes_edit_take_old_list(sync); /* only for who asks what is on it */
	return r;
}

/* What is wrong with each is told, not only with the first. */
static int check_all(struct fes_sync *sync)
{
	bool refused = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sync->n_edits; i++) {
		sync->edit_refused = false;
		r = check_edit(sync, &sync->edits[i]);
		refused |= sync->edit_refused;
	}
	sync->edit_refused = refused;
	return r;
}

int fes_edit_list(struct fes_sync *sync)
{
	int r = require_uuid(sync);

	if (r == 0)
		r = format_old(sync);
	if (r == 0)
		r = check_all(sync);
	if (r < 0 || sync->edit_refused)
		return r;
	return change_list(sync);
}
