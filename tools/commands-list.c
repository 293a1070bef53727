/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"

/* The verbs around the list of ESPs. */

static void free_sync(struct fes_sync **sync)
{
	fes_sync_free(*sync);
}

static void free_esps(struct fes_esps **esps)
{
	fes_esps_free(*esps);
}

#define CLEANUP_SYNC __attribute__((cleanup(free_sync)))
#define CLEANUP_ESPS __attribute__((cleanup(free_esps)))

int command_list(const struct command *command)
{
	CLEANUP_ESPS struct fes_esps *esps = NULL;
	int r = fes_esps_new(command->context, command->options->primary, &esps);

	if (r < 0) {
		command->report->error = r;
		return STATUS_FAILED;
	}
	command->report->ops->esps(command->report, esps);
	return STATUS_DONE;
}

/* ---- add, remove, replace ---- */

static int change_list(const struct command *command, struct fes_sync *sync, unsigned flags, int r)
{
	bool dry_run = (command->options->sync_flags & FES_SYNC_DRY_RUN) != 0;

	/* Whether they boot now would not tell whether they will. */
	if (dry_run)
		flags &= ~(unsigned)FES_SYNC_BOOTS;
	if (r == 0)
		return run_sync(command, sync, dry_run ? REPORT_DIFF : REPORT_SYNC, flags);
	command->report->error = r;
	return STATUS_PRIMARY;
}

static int change_by_each(const struct command *command,
	int (*change)(struct fes_sync *sync, const char *spec), unsigned flags)
{
	CLEANUP_SYNC struct fes_sync *sync = NULL;
	int r = fes_sync_new(command->context, &sync);

	for (size_t i = 0; r == 0 && i < command->n_args; i++)
		r = change(sync, command->args[i]);
	return change_list(command, sync, flags, r);
}

/* Who makes a mirror has time to see to it that it boots. */
int command_add(const struct command *command)
{
	return change_by_each(command, fes_sync_add_to_list, FES_SYNC_BOOTS);
}

int command_remove(const struct command *command)
{
	return change_by_each(command, fes_sync_remove_from_list, 0);
}

int command_replace(const struct command *command)
{
	CLEANUP_SYNC struct fes_sync *sync = NULL;
	int r = fes_sync_new(command->context, &sync);

	if (r == 0)
		r = fes_sync_replace_on_list(sync, command->args[0], command->args[1]);
	return change_list(command, sync, FES_SYNC_BOOTS, r);
}

/* ---- wait ---- */

enum { WAIT_SECONDS = 90 }; /* as long as systemd waits for a device */

static void report_missing(void *userdata, const char *partuuid)
{
	const struct command *command = userdata;

	command->report->ops->missing(command->report, partuuid);
}

static int wait_status(int r)
{
	switch (r) {
	case 0:
		return STATUS_DONE;
	case -ETIMEDOUT:
		return STATUS_MISSING;
	default:
		return STATUS_PRIMARY;
	}
}

int command_wait(const struct command *command)
{
	const struct options *options = command->options;
	unsigned seconds = options->has_timeout ? options->timeout : WAIT_SECONDS;
	int r;

	r = fes_wait(command->context, options->primary, seconds, report_missing,
		(void *)(uintptr_t)command);
	if (r == -ENOMEM)
		command->report->error = r;
	command->report->ops->wait_end(command->report, seconds, wait_status(r));
	return wait_status(r);
}
