/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/colour.h"
#include "tools/report-esps.h"
#include "tools/report-json.h"
#include "tools/report.h"
#include "tools/text.h"

/*
 * Text for people. Sizes are rounded and names are escaped: programs take the JSON.
 */

struct text_report {
	struct report base;
	const char *volume_name; /* of the volume being checked */
	uint64_t n_harmless;
	uint64_t n_damage;
	uint64_t n_files; /* listed */
	uint64_t n_directories;
	uint64_t size; /* bytes in these files */
};

static struct text_report *text_report_of(struct report *report)
{
	return (struct text_report *)report;
}

/* ---- pieces ---- */

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void put_size(uint64_t bytes)
{
	char text[TEXT_SIZE_MAX];

	text_format_size(bytes, text);
	fputs(text, stdout);
}

/* What a mirror's changes amount to. */
struct totals {
	uint64_t n_changes;
	uint64_t n_files;
	uint64_t n_directories;
	uint64_t size; /* bytes of files whose contents have to be written */
};

static bool change_has_data(const struct fes_change *change)
{
	enum fes_change_kind kind = fes_change_get_kind(change);

	return kind == FES_CHANGE_NEW || kind == FES_CHANGE_CONTENTS;
}

static struct totals add_up(const struct fes_mirror *mirror)
{
	struct totals totals = {.n_changes = fes_mirror_get_n_changes(mirror)};

	for (size_t i = 0; i < totals.n_changes; i++) {
		const struct fes_change *change = fes_mirror_get_change(mirror, i);

		if (fes_change_get_kind(change) == FES_CHANGE_TIDIED)
			continue;
		if (fes_change_is_directory(change))
			totals.n_directories++;
		else
			totals.n_files++;
		if (change_has_data(change))
			totals.size += fes_change_get_size(change);
	}
	return totals;
}

static const char *mirror_name(const struct fes_mirror *mirror)
{
	const char *name = fes_mirror_get_name(mirror);

	return name ? name : fes_mirror_get_spec(mirror);
}

/* @message behind "@name: ", when that is how it begins. */
static const char *without_name(const char *message, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(message, name, len) == 0 && strncmp(message + len, ": ", 2) == 0)
		return message + len + 2;
	return message;
}

/* The name stands before it already. */
static void put_reason(const struct fes_mirror *mirror)
{
	const char *message = fes_mirror_get_message(mirror);

	if (!message)
		return;
	message = without_name(message, mirror_name(mirror));
	message = without_name(message, fes_mirror_get_spec(mirror));
	fputs(": ", stdout);
	text_put(stdout, message);
}

static void put_coloured(const struct report_style *style, enum colour colour, const char *text)
{
	colour_begin(stdout, style->colours, colour);
	fputs(text, stdout);
	colour_end(stdout, style->colours);
}

static const char *directory_mark(bool directory)
{
	return directory ? "/" : "";
}

/* ---- sync, diff ---- */

static const char *change_word(enum fes_change_kind kind)
{
	switch (kind) {
	case FES_CHANGE_NEW:
		return "new";
	case FES_CHANGE_CONTENTS:
		return "changed";
	case FES_CHANGE_REMOVED:
		return "removed";
	case FES_CHANGE_RENAMED:
		return "renamed";
	case FES_CHANGE_TOUCHED:
		return "touched";
	case FES_CHANGE_TIDIED:
		return "tidied";
	}
	return "other";
}

static void put_change(const struct fes_change *change)
{
	enum fes_change_kind kind = fes_change_get_kind(change);
	const char *mark = directory_mark(fes_change_is_directory(change));
	const char *path = fes_change_get_path(change);
	const char *old_path = fes_change_get_old_path(change);

	printf("  %-9s ", change_word(kind));
	if (kind == FES_CHANGE_TIDIED) {
		fputs("free space\n", stdout);
		return;
	}

	if (old_path) {
		text_put(stdout, old_path);
		printf("%s -> ", mark);
	}
	text_put(stdout, path);
	fputs(mark, stdout);
	if (change_has_data(change) && !fes_change_is_directory(change)) {
		fputs("  ", stdout);
		put_size(fes_change_get_size(change));
	}
	putchar('\n');
}

static void put_changes(const struct fes_mirror *mirror)
{
	size_t n_changes = fes_mirror_get_n_changes(mirror);

	for (size_t i = 0; i < n_changes; i++)
		put_change(fes_mirror_get_change(mirror, i));
}

static void put_new_contents(uint64_t size)
{
	if (size == 0)
		return;
	fputs(", ", stdout);
	put_size(size);
	fputs(" of new contents", stdout);
}

/* "/dev/sdb2 (XBOOTLDR of /dev/sdb1)"; @esp is NULL for an ESP. */
static void put_name(const char *name, const char *esp)
{
	text_put(stdout, name);
	if (!esp)
		return;
	fputs(" (XBOOTLDR of ", stdout);
	text_put(stdout, esp);
	putchar(')');
}

/* Why a mirror was refused or failed stands on stderr. */
static void put_headline(const struct report_style *style, const struct fes_mirror *mirror,
	const char *esp)
{
	struct totals totals = add_up(mirror);

	put_name(mirror_name(mirror), esp);
	fputs(": ", stdout);
	switch (fes_mirror_get_state(mirror)) {
	case FES_MIRROR_IN_SYNC:
		put_coloured(style, COLOUR_GOOD, "in sync");
		break;
	case FES_MIRROR_SYNCED:
		put_coloured(style, COLOUR_GOOD, "synced");
		printf(", %" PRIu64 " change%s, ", totals.n_changes, plural(totals.n_changes));
		put_size(fes_mirror_get_bytes_written(mirror));
		fputs(" written", stdout);
		break;
	case FES_MIRROR_DIFFERS:
		put_coloured(style, COLOUR_WARNING, "would be synced");
		printf(", %" PRIu64 " change%s", totals.n_changes, plural(totals.n_changes));
		put_new_contents(totals.size);
		break;
	case FES_MIRROR_REFUSED:
		put_coloured(style, COLOUR_BAD, "refused");
		break;
	case FES_MIRROR_FAILED:
		put_coloured(style, COLOUR_BAD, "failed");
		break;
	case FES_MIRROR_MISSING:
		put_coloured(style, COLOUR_BAD, "missing");
		break;
	}
	putchar('\n');
}

static void put_figures(const struct fes_mirror *mirror)
{
	uint64_t writes = fes_mirror_get_writes(mirror);
	uint64_t barriers = fes_mirror_get_barriers(mirror);
	uint64_t bytes = fes_mirror_get_bytes_written(mirror);

	printf("  %" PRIu64 " write%s, %" PRIu64 " barrier%s, %" PRIu64 " byte%s\n", writes,
		plural(writes), barriers, plural(barriers), bytes, plural(bytes));
}

static void put_mirror(const struct report_style *style, const struct fes_mirror *mirror,
	const char *esp)
{
	enum fes_mirror_state state = fes_mirror_get_state(mirror);

	if (!style->no_legend)
		put_headline(style, mirror, esp);
	if (state == FES_MIRROR_SYNCED || state == FES_MIRROR_DIFFERS)
		put_changes(mirror);
	if (style->verbose && !style->no_legend && state != FES_MIRROR_DIFFERS)
		put_figures(mirror);
}

/* ---- status ---- */

static void put_field(const char *name, const char *value)
{
	if (!value || !*value)
		return;
	printf("  %-9s ", name);
	text_put(stdout, value);
	putchar('\n');
}

static void put_size_field(const char *name, uint64_t bytes)
{
	char text[TEXT_SIZE_MAX];

	text_format_size(bytes, text);
	put_field(name, text);
}

static void put_volume(const struct fes_volume *volume)
{
	char cluster_size[TEXT_SIZE_MAX];

	text_format_size(fes_volume_get_cluster_size(volume), cluster_size);
	printf("  %-9s FAT%u, sectors of %" PRIu32 " B, clusters of %s\n", "type",
		fes_volume_get_fat_bits(volume), fes_volume_get_sector_size(volume),
		cluster_size);
	put_size_field("size", fes_volume_get_size(volume));
	put_size_field("free", fes_volume_get_free(volume));
	put_field("serial", fes_volume_get_serial(volume));
	put_field("label", fes_volume_get_label(volume));
	put_field("partuuid", fes_volume_get_partuuid(volume));
}

static void put_difference(const struct report_style *style, const struct fes_mirror *mirror)
{
	struct totals totals = add_up(mirror);
	const char *separator = "";

	put_coloured(style, COLOUR_WARNING, "differs");
	fputs(" (", stdout);
	if (totals.n_files > 0) {
		printf("%" PRIu64 " file%s", totals.n_files, plural(totals.n_files));
		separator = ", ";
	}
	if (totals.n_directories > 0) {
		printf("%s%" PRIu64 " director%s", separator, totals.n_directories,
			totals.n_directories == 1 ? "y" : "ies");
		separator = ", ";
	}
	if (totals.size > 0) {
		fputs(separator, stdout);
		put_size(totals.size);
	}
	putchar(')');
}

static void put_state(const struct report_style *style, const struct fes_mirror *mirror)
{
	printf("  %-9s ", "state");
	switch (report_mirror_state(mirror, REPORT_STATUS)) {
	case FES_MIRROR_IN_SYNC:
	case FES_MIRROR_SYNCED:
		put_coloured(style, COLOUR_GOOD, "in sync");
		break;
	case FES_MIRROR_DIFFERS:
		put_difference(style, mirror);
		break;
	case FES_MIRROR_REFUSED:
		put_coloured(style, COLOUR_BAD, "refused");
		put_reason(mirror);
		break;
	case FES_MIRROR_FAILED:
		put_coloured(style, COLOUR_BAD, "failed");
		put_reason(mirror);
		break;
	case FES_MIRROR_MISSING:
		put_coloured(style, COLOUR_BAD, "missing");
		break;
	}
	putchar('\n');
}

static void put_boots(const struct report_style *style, const char *lacking)
{
	if (!lacking)
		return;
	printf("  %-9s ", "boots");
	put_coloured(style, *lacking ? COLOUR_BAD : COLOUR_GOOD, *lacking ? "no" : "yes");
	printf("%s%s\n", *lacking ? ": " : "", lacking);
}

static void put_warning(const struct report_style *style, const char *text)
{
	fputs("  ", stdout);
	put_coloured(style, COLOUR_WARNING, "warning");
	fputs("   ", stdout);
	text_put(stdout, text);
	putchar('\n');
}

static void put_mirror_notes(const struct report_style *style, const struct fes_mirror *mirror)
{
	const char *note;

	for (size_t i = 0; (note = fes_mirror_get_note(mirror, i)); i++)
		put_warning(style, note);
}

static void put_primary_notes(const struct report_style *style, const struct fes_sync *sync,
	const char *(*get)(const struct fes_sync *sync, size_t i))
{
	const char *note;

	for (size_t i = 0; (note = get(sync, i)); i++)
		put_warning(style, note);
}

static void put_role(const struct report_style *style, const char *role, const char *name,
	const char *esp)
{
	colour_begin(stdout, style->colours, COLOUR_HEADLINE);
	printf("%s ", role);
	put_name(name, esp);
	colour_end(stdout, style->colours);
	putchar('\n');
}

static void put_primary_status(const struct report_style *style, const struct fes_sync *sync)
{
	const struct fes_volume *primary = fes_sync_get_primary(sync);
	const struct fes_volume *xbootldr = fes_sync_get_primary_xbootldr(sync);
	const char *name = fes_volume_get_name(primary);

	put_role(style, "primary", name, NULL);
	put_volume(primary);
	put_boots(style, fes_sync_get_primary_lacking(sync));
	put_primary_notes(style, sync, fes_sync_get_primary_note);
	if (!xbootldr)
		return;
	putchar('\n');
	put_role(style, "primary", fes_volume_get_name(xbootldr), name);
	put_volume(xbootldr);
	put_primary_notes(style, sync, fes_sync_get_primary_xbootldr_note);
}

static void put_mirror_status(const struct report_style *style, const struct fes_mirror *mirror,
	const char *esp)
{
	const struct fes_volume *volume = fes_mirror_get_volume(mirror);

	putchar('\n');
	put_role(style, "mirror", mirror_name(mirror), esp);
	if (volume)
		put_volume(volume);
	else
		put_field("partuuid", fes_mirror_get_partuuid(mirror));
	put_state(style, mirror);
	put_boots(style, fes_mirror_get_lacking(mirror));
	put_mirror_notes(style, mirror);
}

static void put_list_change(const struct fes_sync *sync, enum report_verb verb)
{
	uint64_t n = 0;

	if (!fes_sync_list_changed(sync))
		return;
	while (fes_sync_get_listed(sync, n))
		n++;
	text_put(stdout, fes_volume_get_name(fes_sync_get_primary(sync)));
	printf(": the list %s %" PRIu64 " ESP%s\n", verb == REPORT_SYNC ? "now holds" : "would hold",
		n, plural(n));
}

/* ---- the functions of report.h ---- */

static void text_sync_failed(struct report *report, const struct fes_sync *sync, int exit_status)
{
	/* Why stands on stderr already. */
	(void)report;
	(void)sync;
	(void)exit_status;
}

/* @esp: the name of the ESP beside @mirror, if that is an XBOOTLDR. */
static void put_one(const struct report *report, const struct fes_mirror *mirror, const char *esp,
	enum report_verb verb)
{
	if (verb == REPORT_STATUS)
		put_mirror_status(&report->style, mirror, esp);
	else
		put_mirror(&report->style, mirror, esp);
}

static void text_sync(struct report *report, const struct fes_sync *sync, enum report_verb verb,
	int exit_status)
{
	size_t n_mirrors = fes_sync_get_n_mirrors(sync);

	(void)exit_status;
	if (report->style.quiet)
		return;

	if (verb == REPORT_STATUS)
		put_primary_status(&report->style, sync);
	else if (!report->style.no_legend)
		put_list_change(sync, verb);

	for (size_t i = 0; i < n_mirrors; i++) {
		const struct fes_mirror *mirror = fes_sync_get_mirror(sync, i);
		const struct fes_mirror *xbootldr = fes_mirror_get_xbootldr(mirror);

		put_one(report, mirror, NULL, verb);
		if (xbootldr)
			put_one(report, xbootldr, mirror_name(mirror), verb);
	}
}

static void text_esps(struct report *report, const struct fes_esps *esps)
{
	report_esps_print(&report->style, esps);
}

static void text_missing(struct report *report, const char *partuuid)
{
	if (report->style.quiet)
		return;
	if (partuuid)
		printf("PARTUUID=%s: ", partuuid);
	else
		fputs("the primary: ", stdout);
	put_coloured(&report->style, COLOUR_BAD, "missing");
	putchar('\n');
}

static void text_wait_end(struct report *report, unsigned seconds, int exit_status)
{
	/* What is missing was printed; what else is wrong stands on stderr. */
	(void)report;
	(void)seconds;
	(void)exit_status;
}

static void text_check_begin(struct report *report, const char *spec,
	const struct fes_volume *volume)
{
	struct text_report *text = text_report_of(report);

	text->volume_name = volume ? fes_volume_get_name(volume) : spec;
	text->n_harmless = 0;
	text->n_damage = 0;
}

static void text_check_finding(struct report *report, enum fes_severity severity,
	const char *message)
{
	struct text_report *text = text_report_of(report);
	bool damage = severity == FES_DAMAGE;

	if (damage)
		text->n_damage++;
	else
		text->n_harmless++;
	if (report->style.quiet)
		return;

	text_put(stdout, text->volume_name);
	fputs(": ", stdout);
	put_coloured(&report->style, damage ? COLOUR_BAD : COLOUR_WARNING,
		damage ? "damage" : "harmless");
	fputs(": ", stdout);
	text_put(stdout, message);
	putchar('\n');
}

static void text_check_end(struct report *report, enum report_health health)
{
	struct text_report *text = text_report_of(report);

	if (report->style.quiet || report->style.no_legend)
		return;

	text_put(stdout, text->volume_name);
	fputs(": ", stdout);
	switch (health) {
	case REPORT_CLEAN:
		put_coloured(&report->style, COLOUR_GOOD, "clean");
		break;
	case REPORT_UNREADABLE:
		put_coloured(&report->style, COLOUR_BAD, "unreadable");
		break;
	case REPORT_HARMLESS:
	case REPORT_DAMAGE:
		printf("%" PRIu64 " damage, %" PRIu64 " harmless", text->n_damage, text->n_harmless);
		break;
	}
	putchar('\n');
}

static void text_list_begin(struct report *report, const char *path)
{
	/* The path is what the user just typed. */
	(void)report;
	(void)path;
}

/* The letters of mattrib(1), and D for a directory. */
static void put_attributes(uint8_t attributes)
{
	static const struct {
		uint8_t bit;
		char letter;
	} letters[] = {
		{0x10, 'D'},
		{0x01, 'R'},
		{0x02, 'H'},
		{0x04, 'S'},
		{0x20, 'A'},
	};

	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		putchar(attributes & letters[i].bit ? letters[i].letter : '-');
}

static void text_list_entry(struct report *report, const struct fes_entry *entry)
{
	struct text_report *text = text_report_of(report);
	bool directory = fes_entry_is_directory(entry);
	const char *modified = fes_entry_get_modified(entry);
	char size[TEXT_SIZE_MAX] = "-";

	if (directory) {
		text->n_directories++;
	} else {
		text->n_files++;
		text->size += fes_entry_get_size(entry);
		text_format_size(fes_entry_get_size(entry), size);
	}

	put_attributes(fes_entry_get_attributes(entry));
	printf("  %10s  %-19s  ", size, modified);
	text_put(stdout, fes_entry_get_name(entry));
	puts(directory_mark(directory));
}

static void text_list_end(struct report *report)
{
	struct text_report *text = text_report_of(report);

	if (report->style.no_legend || report->style.quiet)
		return;

	printf("%" PRIu64 " file%s, %" PRIu64 " director%s, ", text->n_files,
		plural(text->n_files), text->n_directories,
		text->n_directories == 1 ? "y" : "ies");
	put_size(text->size);
	putchar('\n');
}

static void text_finish(struct report *report)
{
	(void)report;
}

static void text_free(struct report *report)
{
	free(text_report_of(report));
}

static const struct report_ops text_ops = {
	.sync_failed = text_sync_failed,
	.sync = text_sync,
	.esps = text_esps,
	.missing = text_missing,
	.wait_end = text_wait_end,
	.check_begin = text_check_begin,
	.check_finding = text_check_finding,
	.check_end = text_check_end,
	.list_begin = text_list_begin,
	.list_entry = text_list_entry,
	.list_end = text_list_end,
	.finish = text_finish,
	.free = text_free,
};

static struct report *text_new(const struct report_style *style)
{
	struct text_report *text = calloc(1, sizeof *text);

	if (!text)
		return NULL;
	text->base.ops = &text_ops;
	text->base.style = *style;
	return &text->base;
}

/* ---- either kind ---- */

int report_new(const struct report_style *style, struct report **ret)
{
	struct report *report;

	report = style->json == REPORT_JSON_OFF ? text_new(style) : report_json_new(style);
	if (!report)
		return -ENOMEM;
	*ret = report;
	return 0;
}

int report_finish(struct report *report)
{
	report->ops->finish(report);
	return report->error;
}

void report_free(struct report *report)
{
	if (report)
		report->ops->free(report);
}

enum fes_mirror_state report_mirror_state(const struct fes_mirror *mirror, enum report_verb verb)
{
	enum fes_mirror_state state = fes_mirror_get_state(mirror);
	size_t n_changes = fes_mirror_get_n_changes(mirror);

	if (verb != REPORT_STATUS || state != FES_MIRROR_DIFFERS)
		return state;

	for (size_t i = 0; i < n_changes; i++) {
		const struct fes_change *change = fes_mirror_get_change(mirror, i);

		if (fes_change_get_kind(change) != FES_CHANGE_TIDIED)
			return state;
	}
	return FES_MIRROR_IN_SYNC;
}
