/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a verb found, on its way to stdout: as text for people or as JSON for programs. Both are
 * sets of the same functions, chosen once by report_new(), so that no verb knows which it feeds.
 *
 * Failures (memory) are kept until report_finish(), so that verbs need not look after each call.
 */

#include <stdbool.h>

#include "lib/fatespsync.h"

enum report_json {
	REPORT_JSON_OFF,
	REPORT_JSON_SHORT,  /* one line */
	REPORT_JSON_PRETTY, /* indented */
};

struct report_style {
	enum report_json json;
	bool quiet;     /* no text on syncs and checks; what was asked for (JSON, ls) is printed */
	bool verbose;   /* figures about the writing */
	bool no_legend; /* no headlines, no totals */
	bool colours;   /* on stdout */
};

/* The verbs that compare volumes. */
enum report_verb {
	REPORT_SYNC,
	REPORT_DIFF, /* and sync --dry-run */
	REPORT_STATUS,
};

enum report_health {
	REPORT_CLEAN,
	REPORT_HARMLESS,
	REPORT_DAMAGE,
	REPORT_UNREADABLE, /* not opened, or not checked to the end */
};

struct report;

struct report_ops {
	/* @sync was run and failed as a whole: there are no mirrors to show. */
	void (*sync_failed)(struct report *report, const struct fes_sync *sync, int exit_status);
	void (*sync)(struct report *report, const struct fes_sync *sync, enum report_verb verb,
		int exit_status);

	void (*esps)(struct report *report, const struct fes_esps *esps);

	/* For each that is still missing, NULL: the primary; then the end. */
	void (*missing)(struct report *report, const char *partuuid);
	void (*wait_end)(struct report *report, unsigned seconds, int exit_status);

	/* For each volume: begin, its findings, end. @volume is NULL when it was not opened. */
	void (*check_begin)(struct report *report, const char *spec,
		const struct fes_volume *volume);
	void (*check_finding)(struct report *report, enum fes_severity severity,
		const char *message);
	void (*check_end)(struct report *report, enum report_health health);

	/* Begin, the entries, end. */
	void (*list_begin)(struct report *report, const char *path);
	void (*list_entry)(struct report *report, const struct fes_entry *entry);
	void (*list_end)(struct report *report);

	/* Print what is not yet printed. */
	void (*finish)(struct report *report);
	void (*free)(struct report *report);
};

/* The beginning of every report. */
struct report {
	const struct report_ops *ops;
	struct report_style style;
	int error; /* the first failure as a negative errno, or 0 */
};

/* Returns 0 or -ENOMEM. */
int report_new(const struct report_style *style, struct report **ret);

/* Print what is not yet printed. Returns 0 or the first failure as a negative errno. */
int report_finish(struct report *report);
void report_free(struct report *report);

/*
 * The state of @mirror as @verb sees it: where a sync would only tidy up free space, status
 * says in sync.
 */
enum fes_mirror_state report_mirror_state(const struct fes_mirror *mirror,
	enum report_verb verb);
