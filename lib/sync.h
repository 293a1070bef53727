/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of a run share: sync.c (rounds), listed.c (mirrors from the list). */

#include "lib/boots.h"
#include "lib/internal.h"
#include "lib/list.h"

/* A change of the list: @old goes, @new comes; each may be NULL, but not both. */
struct fes_edit {
	char *old, *new;
	char *old_uuid, *new_uuid; /* once they are known */
};

/* The XBOOTLDR of the primary's disk, if it has one that goes along. */
struct fes_xbootldr {
	bool there;
	struct fes_spec spec;
	struct fes_volume *volume; /* see fes_sync for this and the rest */
	struct fes_tree *tree;
	struct fes_run run;        /* about it */
};

/* Whether a machine can boot from the primary: with FES_SYNC_BOOTS. */
struct fes_primary_boots {
	char *lacking; /* see fes_sync_get_primary_lacking() */
	struct fes_notes notes;
	struct fes_notes xbootldr_notes;
};

/* A whole run: the primary, then every mirror in a thread of its own. */
struct fes_sync {
	struct fes_context *context;
	char *primary_text;  /* NULL: to be found */
	bool primary_given;  /* by the user */
	struct fes_spec primary_spec;
	struct fes_volume *primary;
	struct fes_tree *tree; /* of the primary */
	struct fes_xbootldr xbootldr;
	struct fes_primary_boots boots;
	struct fes_managed managed;
	struct fes_list list;  /* the primary's; empty when it has none */
	bool has_list;         /* on the primary, if only one of no bytes */
	struct fes_edit *edits;
	size_t n_edits;
	bool edit_refused;
	bool list_changed;     /* dry run: would be */
	char *old_list;        /* its text before it was changed; NULL: there was none */
	unsigned flags;
	enum fes_random_seed random_seed;
	struct fes_listener listener;
	struct fes_mirror *mirrors;
	size_t n_mirrors;
	bool mirrors_given; /* by the user: the list does not matter */
	bool beside;        /* another run, which has looked at all disks just now */
	struct fes_resolver *resolver; /* while it runs */
	struct fes_locks locks;
	unsigned restarts; /* how often the primary was read anew, because it changed */
	int read_error;    /* of the primary's files */
	char *running;     /* see struct fes_run */
	bool began;        /* the primary was read */
	bool ran;
};

/* One more mirror; @listed: if it is not there it is missing, not refused. 0 or -ENOMEM. */
int fes_sync_push_mirror(struct fes_sync *sync, const char *spec, bool listed);

/*
 * Open one of the primary's volumes, in the place of *@volume, which may be NULL, and read its
 * tree. Returns 0 or an error of fes_primary_open() and so on, reported.
 */
int fes_sync_read_volume(struct fes_sync *sync, const struct fes_spec *spec,
	struct fes_volume **volume, struct fes_tree **tree);

/* ---- twins.c ---- */

/* Log why nothing is done about a mirror, and note it there, unless a reason is known already. */
void fes_sync_refuse(struct fes_context *context, struct fes_mirror *mirror, const char *why);

/* Refuse what cannot be a mirror beside the others, of those of which it is known what they are. */
void fes_sync_refuse_twins(struct fes_sync *sync);

/* ---- xbootldr.c ---- */

/*
 * Find the XBOOTLDR of the primary's disk. One that is no FAT volume does not go along, which is
 * told; what else is wrong with one is found out when it is read. Returns 0 or an error of
 * fes_spec_resolve(), reported.
 */
int fes_xbootldr_find(struct fes_sync *sync);

/*
 * Open and read it, if there is one, and put what mirrors need of it into @run. Then forget that
 * again: returns the first error of reading its files.
 */
int fes_xbootldr_begin(struct fes_sync *sync, struct fes_run *run);
int fes_xbootldr_end(struct fes_sync *sync, struct fes_run *run);

void fes_xbootldr_done(struct fes_xbootldr *xbootldr);

/* Open it without reading its tree. Errors of fes_primary_open(), reported. */
int fes_xbootldr_open(struct fes_sync *sync);

/* ---- boots-primary.c ---- */

/*
 * If that is asked for, find out whether the primary boots, of which both volumes are open. What
 * cannot be read, which is reported, leaves it unknown. Returns 0 or -ENOMEM.
 */
int fes_sync_judge_primary(struct fes_sync *sync);

/* The same of one that has no mirrors, and is not open. Errors of fes_sync_run(), reported. */
int fes_sync_judge_primary_alone(struct fes_sync *sync);

void fes_primary_boots_done(struct fes_primary_boots *boots);

/* ---- default.c ---- */

/*
 * The primary when none is named: the ESP that firmware started the boot loader from, or where that
 * is not known the one that is mounted at /efi, /boot or /boot/efi. *@ret can be resolved; free()
 * it.
 *
 * Returns 0, -ENOENT (neither is there), -ENOMEM, or an errno of reading the variable; reported.
 */
int fes_find_default_primary(struct fes_context *context, char **ret);

/*
 * Whether @seen is mounted where system tools look for the ESP: *@ret is that mount point, or NULL.
 * Returns 0 or -ENOMEM (not reported).
 */
int fes_find_usual_mount(struct fes_context *context, const struct fes_seen *seen,
	const char **ret);

/* ---- listed.c ---- */

/*
 * Read the primary's list into sync->list. Returns 0 (also when there is none), -EBADMSG (it is
 * unusable), or an error of fes_volume_open(); reported.
 */
int fes_sync_read_list(struct fes_sync *sync);

/* Whether the primary is on its own list: 0 or -ENOKEY, reported. */
int fes_sync_require_listed(struct fes_sync *sync);

/*
 * Unless the user named the primary: whether another ESP of its list is mounted where system tools
 * write to. Returns 0, -ENOTUNIQ (reported) or -ENOMEM.
 */
int fes_sync_require_sole_primary(struct fes_sync *sync);

/*
 * Take over what it says: more paths to manage and exclude, and the mirrors unless the user named
 * some.
 *
 * Returns 0, -ENOKEY (the primary is not on its list; reported) or -ENOMEM.
 */
int fes_sync_take_list(struct fes_sync *sync);

/* Find out which volume is the primary. 0 or an error, reported. */
int fes_sync_find_primary(struct fes_sync *sync);
