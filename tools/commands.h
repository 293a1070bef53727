/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs. Each calls the library and feeds a report; none reads options or prints itself. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/fatespsync.h"
#include "tools/report.h"

/* Other programs rely on these numbers. */
enum exit_status {
	STATUS_DONE = 0,
	STATUS_DIFFERENT = 1, /* diff, status: not in sync; check: harmless findings */
	STATUS_USAGE = 2,
	STATUS_PRIMARY = 3, /* the primary is unusable, nothing was written */
	STATUS_FAILED = 4,  /* a mirror was refused or failed; a volume is damaged, unreadable */
	STATUS_SIGNAL = 128, /* plus the number of the signal that ended a sync */
};

/* Strings are borrowed from argv. */
struct options {
	const char *primary;
	const char **managed;
	size_t n_managed;
	const char **excluded;
	size_t n_excluded;
	unsigned sync_flags; /* FES_SYNC_* */
	bool has_timeout;
	unsigned timeout; /* seconds */
	struct report_style style;
	const char *sync_option; /* one that was given and means nothing to check, ls and cat */
};

/* What a verb works with. All is borrowed. */
struct command {
	struct fes_context *context;
	const struct options *options;
	struct report *report;
	char **args; /* what follows the verb */
	size_t n_args;
};

/* MIRROR...: make the mirrors equal to the primary, or with --dry-run as command_diff(). */
int command_sync(const struct command *command);

/* MIRROR...: tell what a sync would do. */
int command_diff(const struct command *command);

/* MIRROR...: describe the primary and the mirrors. */
int command_status(const struct command *command);

/* VOLUME... */
int command_check(const struct command *command);

/* VOLUME [PATH] */
int command_ls(const struct command *command);

/* VOLUME PATH: the bytes go to stdout, past the report. */
int command_cat(const struct command *command);

/* All return an enum exit_status. */
