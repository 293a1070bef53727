/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/signals.h"
#include "tools/terminal.h"

static void close_volume(struct fes_volume **volume)
{
	fes_volume_close(*volume);
}

static void free_sync(struct fes_sync **sync)
{
	fes_sync_free(*sync);
}

#define CLEANUP_VOLUME __attribute__((cleanup(close_volume)))
#define CLEANUP_SYNC __attribute__((cleanup(free_sync)))

/* ---- sync, diff, status ---- */

static int configure_sync(const struct command *command, unsigned flags, struct fes_sync *sync)
{
	const struct options *options = command->options;
	int r = 0;

	fes_sync_set_flags(sync, options->sync_flags | flags);
	fes_sync_set_random_seed(sync, options->random_seed);

	if (options->primary)
		r = fes_sync_set_primary(sync, options->primary);
	for (size_t i = 0; r == 0 && i < options->n_managed; i++)
		r = fes_sync_add_managed(sync, options->managed[i]);
	for (size_t i = 0; r == 0 && i < options->n_excluded; i++)
		r = fes_sync_add_excluded(sync, options->excluded[i]);
	return r;
}

int worse_status(int a, int b)
{
	/* From harmless to bad. */
	static const int order[] = {STATUS_DONE, STATUS_DIFFERENT, STATUS_MISSING, STATUS_FAILED};

	for (size_t i = sizeof order / sizeof order[0]; i-- > 0;)
		if (a == order[i] || b == order[i])
			return order[i];
	return a;
}

/* To tell what is the matter with a mirror is what status is for: it has not failed itself. */
static int mirror_status(const struct fes_mirror *mirror, enum report_verb verb, bool strict)
{
	int told = verb == REPORT_STATUS ? STATUS_DIFFERENT : STATUS_DONE;

	switch (report_mirror_state(mirror, verb)) {
	case FES_MIRROR_IN_SYNC:
	case FES_MIRROR_SYNCED:
		return STATUS_DONE;
	case FES_MIRROR_DIFFERS:
		return STATUS_DIFFERENT;
	case FES_MIRROR_MISSING:
		return strict ? STATUS_MISSING : told;
	case FES_MIRROR_REFUSED:
	case FES_MIRROR_FAILED:
		break;
	}
	return verb == REPORT_STATUS ? STATUS_DIFFERENT : STATUS_FAILED;
}

/* A list that would be changed is a difference, though no mirror shows it. */
static int list_status(const struct fes_sync *sync, enum report_verb verb)
{
	return verb == REPORT_DIFF && fes_sync_list_changed(sync) ? STATUS_DIFFERENT : STATUS_DONE;
}

static int sync_status(const struct fes_sync *sync, enum report_verb verb, bool strict)
{
	size_t n_mirrors = fes_sync_get_n_mirrors(sync);
	int worst = list_status(sync, verb);

	for (size_t i = 0; i < n_mirrors; i++) {
		const struct fes_mirror *mirror = fes_sync_get_mirror(sync, i);
		const struct fes_mirror *xbootldr = fes_mirror_get_xbootldr(mirror);

		worst = worse_status(worst, mirror_status(mirror, verb, strict));
		if (xbootldr)
			worst = worse_status(worst, mirror_status(xbootldr, verb, strict));
	}
	return worst;
}

/* Only what writes needs care to be ended: other verbs leave signals as they are. */
static int run_watched(const struct command *command, struct fes_sync *sync, int *ret_signal)
{
	int r;

	signals_watch(command->context);
	r = fes_sync_run(sync);
	*ret_signal = signals_unwatch();
	return r;
}

static enum progress_mode choose_progress(const struct options *options)
{
	struct progress_surroundings surroundings = {
		.wish = options->progress,
		.err_terminal = isatty(STDERR_FILENO),
		.out_terminal = isatty(STDOUT_FILENO),
		.dumb = terminal_is_dumb(getenv("TERM")),
		.quiet = options->style.quiet,
		.json = options->style.json != REPORT_JSON_OFF,
	};

	return progress_choose(&surroundings);
}

/* That nothing can be shown is no reason not to sync. */
static void watch_progress(const struct command *command, struct fes_sync *sync)
{
	const struct options *options = command->options;
	struct progress **progress = &command->messages->progress;

	if (progress_start(options->progress, choose_progress(options), progress) == 0 && *progress)
		fes_sync_set_progress(sync, progress_note, *progress);
}

static void unwatch_progress(const struct command *command, struct fes_sync *sync)
{
	fes_sync_set_progress(sync, NULL, NULL);
	progress_stop(command->messages->progress);
	command->messages->progress = NULL;
}

/* What --strict makes an error must be told, even where warnings are not. */
static void tell_missing(const struct command *command, const struct fes_sync *sync)
{
	size_t n = fes_sync_get_n_mirrors(sync);

	if (!command->options->strict || !command->options->style.quiet)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct fes_mirror *mirror = fes_sync_get_mirror(sync, i);

		if (fes_mirror_get_state(mirror) == FES_MIRROR_MISSING)
			command->say(FES_LOG_ERROR, fes_mirror_get_spec(mirror), "missing");
	}
}

static void tell_note(const struct command *command, const struct fes_mirror *mirror,
	const char *note)
{
	const char *name = fes_mirror_get_name(mirror);

	command->say(FES_LOG_WARNING, name ? name : fes_mirror_get_spec(mirror), note);
}

/* Of what was not written to yet it would be no news. */
static void tell_lacking(const struct command *command, const struct fes_mirror *mirror)
{
	const char *lacking = fes_mirror_get_lacking(mirror);
	char note[256];

	if (!lacking || !*lacking)
		return;
	(void)snprintf(note, sizeof note, "does not boot: %s", lacking);
	tell_note(command, mirror, note);
}

static void tell_notes_of(const struct command *command, const struct fes_mirror *mirror,
	enum report_verb verb)
{
	const char *note;

	if (verb == REPORT_SYNC)
		tell_lacking(command, mirror);
	for (size_t i = 0; (note = fes_mirror_get_note(mirror, i)); i++)
		tell_note(command, mirror, note);
}

/* They are warnings. In a status they are what was asked for, and stand in the report. */
static void tell_notes(const struct command *command, const struct fes_sync *sync,
	enum report_verb verb)
{
	size_t n = fes_sync_get_n_mirrors(sync);

	if (verb == REPORT_STATUS || command->options->style.quiet)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct fes_mirror *mirror = fes_sync_get_mirror(sync, i);
		const struct fes_mirror *xbootldr = fes_mirror_get_xbootldr(mirror);

		tell_notes_of(command, mirror, verb);
		if (xbootldr)
			tell_notes_of(command, xbootldr, verb);
	}
}

int run_sync(const struct command *command, struct fes_sync *sync, enum report_verb verb,
	unsigned flags)
{
	struct report *report = command->report;
	int signal = 0;
	bool failed;
	int status;
	int r;

	r = configure_sync(command, flags | (verb == REPORT_SYNC ? 0 : FES_SYNC_DRY_RUN), sync);
	if (r == -EINVAL)
		return STATUS_USAGE;
	if (r < 0) {
		report->error = r;
		return STATUS_PRIMARY;
	}

	watch_progress(command, sync);
	r = verb == REPORT_SYNC ? run_watched(command, sync, &signal) : fes_sync_run(sync);
	unwatch_progress(command, sync);
	failed = r < 0 && r != -ECANCELED;
	status = failed ? STATUS_PRIMARY :
			  sync_status(sync, verb, command->options->strict);
	tell_missing(command, sync);
	tell_notes(command, sync, verb);
	if (signal)
		status = STATUS_SIGNAL + signal;
	if (failed)
		report->ops->sync_failed(report, sync, status);
	else
		report->ops->sync(report, sync, verb, status);
	return status;
}

static int run_mirrors(const struct command *command, enum report_verb verb, unsigned flags)
{
	CLEANUP_SYNC struct fes_sync *sync = NULL;
	int r = fes_sync_new(command->context, &sync);

	for (size_t i = 0; r == 0 && i < command->n_args; i++)
		r = fes_sync_add_mirror(sync, command->args[i]);
	if (r == 0)
		return run_sync(command, sync, verb, flags);
	command->report->error = r;
	return STATUS_PRIMARY;
}

int command_sync(const struct command *command)
{
	bool dry_run = (command->options->sync_flags & FES_SYNC_DRY_RUN) != 0;

	return run_mirrors(command, dry_run ? REPORT_DIFF : REPORT_SYNC, 0);
}

int command_diff(const struct command *command)
{
	return run_mirrors(command, REPORT_DIFF, 0);
}

int command_status(const struct command *command)
{
	return run_mirrors(command, REPORT_STATUS, FES_SYNC_BOOTS);
}

/* ---- check ---- */

static void report_finding(void *userdata, enum fes_severity severity, const char *message)
{
	struct report *report = userdata;

	report->ops->check_finding(report, severity, message);
}

static enum report_health check_health(int r)
{
	if (r < 0)
		return REPORT_UNREADABLE;
	if (r == FES_DAMAGE)
		return REPORT_DAMAGE;
	if (r == FES_HARMLESS)
		return REPORT_HARMLESS;
	return REPORT_CLEAN;
}

static enum report_health check_volume(const struct command *command, const char *spec)
{
	CLEANUP_VOLUME struct fes_volume *volume = NULL;
	struct report *report = command->report;
	enum report_health health;
	int r;

	r = fes_volume_open(command->context, spec, &volume);
	report->ops->check_begin(report, spec, volume);
	if (r == 0)
		r = fes_volume_check(volume, report_finding, report);

	health = check_health(r);
	report->ops->check_end(report, health);
	return health;
}

static int health_status(enum report_health health)
{
	switch (health) {
	case REPORT_CLEAN:
		return STATUS_DONE;
	case REPORT_HARMLESS:
		return STATUS_DIFFERENT;
	case REPORT_DAMAGE:
	case REPORT_UNREADABLE:
		break;
	}
	return STATUS_FAILED;
}

int command_check(const struct command *command)
{
	int worst = STATUS_DONE;

	for (size_t i = 0; i < command->n_args; i++) {
		int status = health_status(check_volume(command, command->args[i]));

		if (status > worst)
			worst = status;
	}
	return worst;
}

/* ---- ls, cat ---- */

static int report_entry(void *userdata, const struct fes_entry *entry)
{
	struct report *report = userdata;

	report->ops->list_entry(report, entry);
	return 0;
}

int command_ls(const struct command *command)
{
	CLEANUP_VOLUME struct fes_volume *volume = NULL;
	const char *path = command->n_args > 1 ? command->args[1] : "/";
	struct report *report = command->report;
	int r;

	report->ops->list_begin(report, path);
	r = fes_volume_open(command->context, command->args[0], &volume);
	if (r < 0)
		return STATUS_FAILED;

	r = fes_volume_list(volume, path, report_entry, report);
	if (r < 0)
		return STATUS_FAILED;
	report->ops->list_end(report);
	return STATUS_DONE;
}

static int write_data(void *userdata, const void *data, size_t len)
{
	FILE *out = userdata;

	/* Why is told when stdout is closed; here it only ends the reading. */
	return fwrite(data, 1, len, out) == len ? 0 : -EIO;
}

int command_cat(const struct command *command)
{
	CLEANUP_VOLUME struct fes_volume *volume = NULL;
	int r;

	r = fes_volume_open(command->context, command->args[0], &volume);
	if (r < 0)
		return STATUS_FAILED;

	r = fes_volume_read(volume, command->args[1], write_data, stdout);
	return r < 0 ? STATUS_FAILED : STATUS_DONE;
}
