/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs. Each calls the library and feeds a report; none reads options or prints itself. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/fatespsync.h"
#include "tools/progress.h"
#include "tools/report.h"

/* Other programs rely on these numbers. */
enum exit_status {
	STATUS_DONE = 0,
	STATUS_DIFFERENT = 1, /* diff, status: not in sync; check: harmless findings */
	STATUS_USAGE = 2,
	STATUS_PRIMARY = 3, /* the primary or its list is unusable, nothing was written */
	STATUS_FAILED = 4,  /* a mirror was refused or failed; a volume is damaged, unreadable */
	STATUS_MISSING = 5, /* wait, and with --strict: a mirror is missing */
	STATUS_SIGNAL = 128, /* plus the number of the signal that ended a sync */
};

/* To which verbs an option means something. */
enum option_class {
	OPTIONS_PRIMARY, /* where to copy from */
	OPTIONS_DRY_RUN, /* of what may write */
	OPTIONS_COPY,    /* what to copy, and how */
	OPTIONS_STRICT,
};

/* Strings are borrowed from argv. */
struct options {
	const char *primary; /* NULL: the one that the library finds */
	const char **disks;
	size_t n_disks;
	const char **managed;
	size_t n_managed;
	const char **excluded;
	size_t n_excluded;
	unsigned sync_flags; /* FES_SYNC_* */
	enum fes_random_seed random_seed;
	bool strict;
	bool has_timeout;
	unsigned timeout; /* seconds */
	enum progress_wish progress;
	struct report_style style;
	unsigned given;          /* enum option_class: of which kinds options were given */
	const char *last[4];     /* of each kind, by its number: the last one given, to name it */
};

/* What messages depend on. */
struct messages {
	const struct report_style *style;
	struct progress *progress; /* that gives way to them; NULL: there is none */
};

/* What a verb works with. All is borrowed. */
struct command {
	struct fes_context *context;
	const struct options *options;
	struct report *report;
	struct messages *messages;
	void (*say)(enum fes_log_level level, const char *name, const char *message); /* on stderr */
	char **args; /* what follows the verb */
	size_t n_args;
};

/* MIRROR...: make the mirrors equal to the primary, or with --dry-run as command_diff(). */
int command_sync(const struct command *command);

/* MIRROR...: tell what a sync would do. */
int command_diff(const struct command *command);

/* MIRROR...: describe the primary and the mirrors. */
int command_status(const struct command *command);

/* What can be seen: ESPs and XBOOTLDRs. */
int command_list(const struct command *command);

/* MIRROR...: change the list, then as command_sync(). */
int command_add(const struct command *command);
int command_remove(const struct command *command);

/* OLD NEW */
int command_replace(const struct command *command);

int command_wait(const struct command *command);

/* VOLUME... */
int command_check(const struct command *command);

/* VOLUME [PATH] */
int command_ls(const struct command *command);

/* VOLUME PATH: the bytes go to stdout, past the report. */
int command_cat(const struct command *command);

/* All return an enum exit_status. */

/* The worse of two: what failed is worse than what is missing. */
int worse_status(int a, int b);

/* Run @sync, configured but for what options and @flags (FES_SYNC_*) say, and report it. */
int run_sync(const struct command *command, struct fes_sync *sync, enum report_verb verb,
	unsigned flags);
