/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Struct bodies and calls shared inside lib/ only. */

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "fat/fat.h"

#include "lib/fatespsync.h"
#include "lib/notes.h"
#include "lib/progress.h"
#include "lib/spec.h"

/* ---- context.c ---- */

/* As getrandom(2). */
typedef ssize_t (*fes_entropy_fn)(void *buf, size_t len, unsigned flags);

struct fes_context {
	fes_log_fn log;
	void *log_userdata;
	pthread_mutex_t log_lock; /* one call back at a time */
	unsigned timeout_seconds;
	struct fes_host host;
	atomic_bool interrupted;
	fes_entropy_fn entropy; /* NULL: getrandom() */
	atomic_int wake; /* see fes_wake_fd(); -1: nobody asked for it */
	bool muted; /* errors and warnings are only information */
	bool insisting; /* what was begun has to come to its end */
};

/* Whether to go on: 0, or -ECANCELED once fes_interrupt() was called. Logs nothing. */
int fes_poll(struct fes_context *context);

/*
 * A descriptor that can be read from once fes_interrupt() is called from now on, for poll(2); of
 * calls before, fes_poll() tells. -1 if there can be none. @context keeps it.
 */
int fes_wake_fd(struct fes_context *context);

void fes_log(struct fes_context *context, enum fes_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Have errors and warnings logged as information only: of tries that may fail. One thread's matter. */
void fes_mute(struct fes_context *context, bool mute);

/*
 * Have fes_poll() let everything go on, whatever fes_interrupt() said: for what must not be left
 * half done. One thread's matter.
 */
void fes_insist(struct fes_context *context, bool insist);

/* Keep @text one line whatever names are in it. Other control characters are for who prints it. */
void fes_log_one_line(char *text);

/* Bytes of @text to show, at most @max, which do not end within a character. For "%.*s". */
int fes_log_measure(const char *text, size_t max);

/* ---- volume.c ---- */

/* A device and its FAT volume, opened and closed together; what is known of it stays. */
struct fes_volume {
	struct fes_context *context;
	char *name;
	char *partuuid;
	struct blkdev *dev;     /* NULL once closed */
	struct fat_volume *fat; /* NULL once closed */
	int lock;               /* -1: none of its own */
	uint32_t disk_sector_size; /* bytes; 0: not known, as of an image without partitions */
	struct fat_info info;
	char serial[10];
	char *last_error;       /* the last message about it */
	bool shared;            /* somebody has it mounted: it may change, and memory know more than the medium */
	int mount;              /* a directory of that mount; -1: none that can be seen */
	dev_t mount_device;
	char *mount_path;       /* of a mount that shows all of it; or NULL */
	atomic_bool changed;    /* as a primary, while a mirror was made of it */
	struct fes_progress *progress; /* of the mirror that it is; NULL: it is none. Borrowed */
	bool holding_back;      /* messages are collected in @held instead of logged */
	char *held;
};

enum fes_open_mode {
	FES_OPEN_READ,   /* as it stands */
	FES_OPEN_SHARED, /* for reading: claimed, or if it is mounted or in use, shared */
	FES_OPEN_PROBE,  /* for reading, and refused for whatever would keep us from writing */
	FES_OPEN_WRITE,  /* claimed */
};

/*
 * Open what @spec resolved to. The lock is the caller's matter.
 * On failure @message (if not NULL) gets the reason that was logged; free() it.
 */
int fes_volume_open_spec(struct fes_context *context, const struct fes_spec *spec,
	enum fes_open_mode mode, struct fes_volume **ret, char **message);

/* Wait for the shared lock of what @spec is on. Returns a descriptor to close(), or an error (logged). */
int fes_lock_for_reading(struct fes_context *context, const struct fes_spec *spec);

/* Read boot sector and allocation table anew. Errors of fat_open(), reported. */
int fes_volume_reopen_fat(struct fes_volume *volume);

/*
 * Make a volume of a device, which is owned from success on. The door for test devices.
 */
int fes_volume_adopt(struct fes_context *context, struct blkdev *dev, const char *name,
	struct fes_volume **ret, char **message);

/* Close device and file system but keep what the getters tell. */
void fes_volume_release(struct fes_volume *volume);

/*
 * Keep messages about @volume back that may turn out to be about a passing state; then either drop
 * those that are held back, or log them and hold nothing back any more.
 */
void fes_volume_hold_back(struct fes_volume *volume);
void fes_volume_forget_held(struct fes_volume *volume);
void fes_volume_let_go(struct fes_volume *volume);

/* A copy of the last message about @volume, NULL when there was none (or no memory). */
char *fes_volume_copy_error(struct fes_volume *volume);

/* Log "name: text" as an error and remember it as the reason. */
void fes_volume_report(struct fes_volume *volume, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Check the file system and log the first damage. Returns 0, -EUCLEAN, or an error of fat_check().
 */
int fes_volume_require_sound(struct fes_volume *volume, struct fat_check_result *ret);

/* ---- settle.c ---- */

/* Find out whether @volume, which is what @spec names, is mounted: then it is shared. 0 or -ENOMEM. */
int fes_volume_find_mount(struct fes_volume *volume, const struct fes_spec *spec);

/*
 * Have what a file system that is mounted on a shared volume keeps in memory written to the medium.
 * Nothing to do for others. 0 or an error, reported.
 */
int fes_volume_settle(struct fes_volume *volume);

/*
 * Whether the allocation table, after settling, still is what was read.
 * Returns 0, -ESTALE or a device error; reported.
 */
int fes_volume_look_again(struct fes_volume *volume);

/* ---- managed.c ---- */

enum fes_role {
	FES_FOREIGN, /* not ours, or private, or excluded: stays as it is */
	FES_PARENT,  /* a directory on the way to something managed */
	FES_MANAGED,
};

struct fes_managed {
	char **paths;
	size_t n_paths;
	char **excluded;
	size_t n_excluded;
};

/* The default set. 0 or -ENOMEM; free with fes_managed_done(). */
int fes_managed_init(struct fes_managed *managed);
void fes_managed_done(struct fes_managed *managed);

/*
 * Whether @path is absolute, not the root, has no "." or "..", names that FAT can hold, and is
 * within the limits of lib/paths.h.
 */
bool fes_path_is_valid(const char *path);

/* -EINVAL when @path is not valid. */
int fes_managed_add(struct fes_managed *managed, const char *path);
int fes_managed_exclude(struct fes_managed *managed, const char *path);

/* Whether @path is excluded. Case does not matter. */
bool fes_managed_excludes(const struct fes_managed *managed, const char *path);

/* Whether @path is excluded, or private. */
bool fes_managed_is_left_alone(const struct fes_managed *managed, const char *path);

/* What @path ("/EFI/Linux/x.efi") is, as far as that does not depend on the volume. Case does not matter. */
enum fes_role fes_managed_role(const struct fes_managed *managed, const char *path);

/* Whether @path is or lies below @above, without case. */
bool fes_path_within(const char *path, const char *above);

/* ---- tree.c ---- */

struct fes_digest {
	uint64_t high;
	uint64_t low;
};

struct fes_node {
	struct fes_node *parent;    /* NULL: the root */
	struct fes_node **children; /* by key, in strcmp() order */
	size_t n_children;
	char *path;                 /* "/" for the root */
	const char *name;           /* the last part of path */
	const char *key;            /* the name folded: unique in a directory, as FAT demands */
	size_t id;                  /* index in tree->nodes */
	enum fes_role role;
	bool directory;
	bool on_the_way; /* a managed directory, of which only the way to what is managed in it matters */
	bool untidy; /* a directory with slots that belong to nothing; a file with a chain too long */
	bool holds_foreign; /* a directory with something foreign below */
	bool mixed;         /* ... that cannot move along when the directory does: see plan.c */
	bool complete;      /* a choice that could be booted: see choice.c */
	bool program;       /* ... of which no more is known than that it is an EFI program */
	bool shim;          /* of a primary: firmware finds it by itself, and it starts others */
	uint32_t size;
	uint32_t first_cluster; /* 0 for the root */
	uint32_t short_slot;
	uint32_t n_slots;
	uint8_t *slots;         /* the entry set as on disk */
};

struct fes_needs;

/* The managed part of a volume, with what is foreign inside managed directories. */
struct fes_tree {
	struct fes_volume *volume; /* borrowed */
	struct fes_needs *needs;   /* what is managed there beside; owned, NULL in a copy */
	struct fes_node *root;
	struct fes_node **nodes;
	size_t n_nodes;
	struct fes_block *blocks; /* memory of all nodes */
};

/*
 * Read the tree of @volume, a primary. Of two entries or images of one identity
 * (fes_bls_identity()) only one is managed: the one without a counter, or else the first.
 * Returns 0, -EUCLEAN (nested too deep; reported), -ENOMEM or a device error.
 */
int fes_tree_read(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_tree **ret);

/* The same of a mirror of @primary: see fes_needs_find_mirror(). */
int fes_tree_read_mirror(struct fes_volume *volume, const struct fes_managed *managed,
	const struct fes_tree *primary, bool force, struct fes_tree **ret);

/*
 * The tree of a primary as a mirror shall have it: without what the mirror's needs say is to be kept
 * there. Node ids are the same. @primary has to outlive it. 0 or -ENOMEM.
 */
int fes_tree_copy_for(const struct fes_tree *primary, const struct fes_needs *mirror,
	struct fes_tree **ret);
void fes_tree_free(struct fes_tree *tree);

/* What stands at @path, without case, or NULL. */
struct fes_node *fes_tree_find(const struct fes_tree *tree, const char *path);

/* The child that FAT takes for @like's namesake: without case. NULL when there is none. */
struct fes_node *fes_node_child(const struct fes_node *dir, const struct fes_node *like);

/* Whether @node is managed or a directory with something managed below. */
bool fes_node_leads_to_managed(const struct fes_node *node);

/*
 * Whether the name of the mirror's @m is not that of its twin @p to the letter. Managed roots and
 * what leads to them may differ in case.
 */
bool fes_node_name_differs(const struct fes_node *p, const struct fes_node *m);

/* Attributes and times but the access date. */
bool fes_node_same_meta(const struct fes_node *a, const struct fes_node *b);

/*
 * Whether the entry of the mirror's @m says what that of its twin @p does, but for names and contents.
 * The time of a directory tells when anything in it came or went: of one that others have files in,
 * too, it does not count.
 */
bool fes_node_same_entry(const struct fes_node *p, const struct fes_node *m);

/* Whether the trees are the same to the byte: nothing was changed in between. */
bool fes_tree_same(const struct fes_tree *a, const struct fes_tree *b);

static inline const struct fat_short_slot *fes_node_short(const struct fes_node *node)
{
	return (const struct fat_short_slot *)(const void *)(node->slots +
		(size_t)(node->n_slots - 1) * FAT_SLOT_LEN);
}

/* ---- digest.c ---- */

/* XXH3-128 of a file's contents. 0, -ECANCELED, -ENOMEM or an error of reading (reported). */
int fes_digest_file(struct fes_volume *volume, const struct fes_node *node,
	struct fes_digest *ret);

static inline bool fes_digest_equal(struct fes_digest a, struct fes_digest b)
{
	return a.high == b.high && a.low == b.low;
}

/*
 * Digests of the primary's files, made by a thread of its own, each once, however many mirrors ask.
 */
struct fes_digester;

int fes_digester_start(const struct fes_tree *primary, struct fes_digester **ret);
void fes_digester_stop(struct fes_digester *digester);

/* Ask for the digest of the primary's @node; does not wait. */
void fes_digester_want(struct fes_digester *digester, const struct fes_node *node);

/*
 * Wait for a digest that was asked for; the bytes of the file are added to  (may be NULL) as
 * they are read. 0 or the error of reading the file.
 */
int fes_digester_get(struct fes_digester *digester, const struct fes_node *node,
	struct fes_progress *progress, struct fes_digest *ret);

/* Whether fes_digester_get() would not wait. */
bool fes_digester_has(struct fes_digester *digester, const struct fes_node *node);

/* A file could not be read when it was copied. */
void fes_digester_note_error(struct fes_digester *digester, int error);

/* The first error of reading a file, or 0. To be interrupted is none. */
int fes_digester_error(struct fes_digester *digester);

/* ---- compare.c ---- */

/* How the files of two trees relate. Indexed by the primary's and the mirror's node ids. */
struct fes_comparison {
	const struct fes_tree *primary;
	const struct fes_tree *mirror;
	struct fes_node **twin;  /* [primary id]: the mirror's node of that path, or NULL */
	struct fes_node **back;  /* [mirror id]: the primary's, or NULL */
	bool *same;              /* [primary id]: files with twins: contents are equal */
	struct fes_digest *p_digest, *m_digest; /* where has_* says so */
	bool *p_has, *m_has;
};

/*
 * Pair nodes by path and files by contents. Reads the mirror's files where that is needed; with
 * @quick not where size, times and attributes are equal.
 *
 * Returns 0, -ENOMEM or a device error.
 */
int fes_compare(const struct fes_tree *primary, const struct fes_tree *mirror,
	struct fes_digester *digester, bool quick, struct fes_comparison **ret);
void fes_comparison_free(struct fes_comparison *comparison);

/*
 * Whether a sync decides what stands at @path on the mirror: then *@ret is the primary's node that comes
 * there, or stays, NULL for none. Else what the mirror has there, if anything, is its own.
 */
bool fes_comparison_settles(const struct fes_comparison *comparison, const char *path,
	const struct fes_node **ret);

/* ---- plan.c ---- */

enum fes_site_kind {
	FES_SITE_REBUILD, /* directory m becomes a new version of directory p */
	FES_SITE_REPLACE, /* file m gets the contents of file p */
	FES_SITE_TOUCH,   /* m gets attributes and times of p */
	FES_SITE_RENAME,  /* the entry of m becomes that of p in the same directory */
	FES_SITE_TIDY,    /* slots that belong to nothing go from directory m */
	FES_SITE_ADD,     /* p comes into the mirror's directory @m */
	FES_SITE_REMOVE,  /* m goes */
};

/* In this order a mirror boots between any two commits. */
enum fes_phase {
	FES_PHASE_PAYLOAD, /* what loader entries refer to */
	FES_PHASE_LOADER,  /* /loader, but for folders beside the entries */
	FES_PHASE_REMOVAL, /* what could be booted until then, and its payload */
};

struct fes_site {
	enum fes_site_kind kind;
	enum fes_phase phase;
	struct fes_node *p; /* of the primary, or NULL */
	struct fes_node *m; /* of the mirror */
	bool retains;       /* REBUILD: what is to be removed later still stays in */
};

struct fes_change {
	enum fes_change_kind kind;
	const char *path;
	const char *old_path;
	uint32_t size;
	bool directory;
};

struct fes_plan {
	const struct fes_comparison *comparison;
	struct fes_node **chain; /* [primary id]: the mirror's file whose clusters are kept */
	bool *moved;             /* [mirror id]: its clusters go on under another path */
	bool *retained;          /* [mirror id]: to be removed, but not before the loader entries */
	struct fes_site *sites;  /* in the order of commits */
	size_t n_sites;
	struct fes_change *changes; /* by path */
	size_t n_changes;
};

/*
 * Find out what to do. Pure, but for reading the mirror's loader entries. With @keep_images what can
 * be booted goes in FES_PHASE_REMOVAL only, because until then it may be nowhere else.
 *
 * Returns 0, -EEXIST (a managed name is taken by something foreign of the other kind; reported),
 * -ENOMEM or a device error.
 */
int fes_plan_make(const struct fes_comparison *comparison, bool keep_images,
	struct fes_plan **ret);
void fes_plan_free(struct fes_plan *plan);

/* ---- retain.c, rename.c, changes.c, order.c: parts of fes_plan_make() ---- */

/*
 * Mark what goes after the loader entries: plan->retained and retains of sites, or their phase. See
 * fes_plan_make(). Returns 0, -ENOMEM or a device error.
 */
int fes_plan_retain(struct fes_plan *plan, bool keep_images);

/* Fill plan->chain and plan->moved. 0 or -ENOMEM. */
int fes_plan_find_renames(struct fes_plan *plan);

/* Fill plan->changes. 0 or -ENOMEM. */
int fes_plan_list_changes(struct fes_plan *plan);

/* When what is at @node changes, unless it has to wait: FES_PHASE_PAYLOAD or FES_PHASE_LOADER. */
enum fes_phase fes_phase_of(const struct fes_node *node);

/* Bring plan->sites into the order of commits. 0 or -ENOMEM. */
int fes_plan_sort(struct fes_plan *plan);

/* ---- reference.c ---- */

/* What a mirror's type #1 entries refer to. */
struct fes_references;

/* @ignored [mirror id] (may be NULL): entries that do not count. 0 or -ENOMEM. */
int fes_references_new(const struct fes_tree *mirror, const bool *ignored,
	struct fes_references **ret);
void fes_references_free(struct fes_references *references);

/*
 * Whether some entry may need @node or what is below it. Errs on the side of yes: where an entry can
 * be read in two ways, both count.
 */
bool fes_references_has(const struct fes_references *references, const struct fes_node *node);

/* ---- choice.c ---- */

/*
 * Whether @node is managed and a boot loader offers it: a type #1 entry, or an image; whether it is one
 * in its place, managed or not.
 */
bool fes_node_is_choice(const struct fes_node *node);
bool fes_node_stands_as_choice(const struct fes_node *node);
bool fes_node_is_entry(const struct fes_node *node); /* a choice of type #1 */

/* Whether @node is a directory that belongs to an image which is a choice, now or formerly. */
bool fes_node_is_companion(const struct fes_node *node);

/*
 * Find out which choices could be booted as the volume is, managed or not: images that have any bytes, and
 * entries whose files are there and have some. 0, -ENOMEM or a device error.
 */
int fes_tree_judge_choices(struct fes_tree *tree);

/* Whether there is any choice. */
bool fes_tree_offers_choice(const struct fes_tree *tree);

/*
 * What can be booted: an entry that names neither kernel nor UKI may be of a system, or of a shell or a memory
 * test, which are no help to a system that is gone.
 */
enum fes_bootable {
	FES_BOOTS_NOTHING = 0,
	FES_BOOTS_PROGRAM,
	FES_BOOTS_SYSTEM,
};

/* The best that can be booted; whether a choice that was to boot a system cannot. */
enum fes_bootable fes_tree_boots(const struct fes_tree *tree);
bool fes_tree_lacks_system(const struct fes_tree *tree);

struct fes_type1s;

/*
 * The best that can be booted from the mirror once it is in sync, enum fes_bootable: of the primary, whose
 * @entries these are. That it is complete there is not enough, nor needed: it may name files that are not
 * mirrored, and those may be the mirror's own. Or -ENOMEM or a device error.
 */
int fes_choice_comes(const struct fes_comparison *comparison, const struct fes_type1s *entries);

/* Of choices with one identity have one managed only: see fes_tree_read(). 0 or -ENOMEM. */
int fes_tree_drop_doubles(struct fes_tree *tree);

/* ---- removals.c ---- */

/*
 * What a mirror can do without until the rest is there: what the primary no longer has and
 * nothing is renamed from, but for the last bootable choice and what the entries that stay may
 * refer to. Loader entries come first.
 */
struct fes_removals {
	const struct fes_node **nodes;
	size_t n;
	uint64_t bytes; /* that they free at least */
};

/*
 * To free @wanted bytes: what is running (@running: see struct fes_run) stays if that is enough. Returns
 * 0, -ENOMEM or a device error. Free with fes_removals_done().
 */
int fes_removals_find(const struct fes_plan *plan, const char *running, uint64_t wanted,
	struct fes_removals *ret);
void fes_removals_done(struct fes_removals *removals);

/* ---- apply.c ---- */

struct fes_own_file;

struct fes_apply {
	const struct fes_plan *plan; /* outlives the transaction, and so does all that it refers to */
	bool second_step; /* what the primary no longer has was removed before */
	struct fes_digester *digester;
	const char *running; /* see struct fes_run */
	const struct fes_own_file *own; /* what the mirror gets beside: lib/own.h */
	size_t n_own;
	int (*poll)(void *userdata); /* see fat_txn_set_poll() */
	void *userdata;
};

/* All that a plan changes, with a place on the mirror. At most one at a time for a volume. */
struct fes_transaction;

/*
 * Lay out a plan. Nothing is written.
 *
 * Returns 0, -ENOSPC (reported, unless *@ret_lacking, bytes, is more than 0: too little room now, and
 * removing first what the primary no longer has would make enough; @ret_lacking may be NULL), or an error
 * that was reported.
 */
int fes_transaction_new(const struct fes_apply *apply, uint64_t *ret_lacking,
	struct fes_transaction **ret);

/* Whether there was no room for apply->own: then it is left out. */
bool fes_transaction_leaves_out(const struct fes_transaction *transaction);

/* Lay out the plan's removals (fes_removals_find()) only, to free @wanted bytes. Errors as above. */
int fes_transaction_new_removals(const struct fes_apply *apply, uint64_t wanted,
	struct fes_transaction **ret);

/* NULL is fine. What was committed stays. */
void fes_transaction_free(struct fes_transaction *transaction);

/*
 * The steps, in this order: copy what is new and read it back; commit what loader entries refer to
 * (may be left out); commit the rest, and free what only the old versions used. See
 * fat_txn_prepare(), fat_txn_commit() and fat_txn_release() for the errors, which are reported; and
 * for what stands on the medium after one. fes_transaction_commit_payload() returns 1 if there was
 * any.
 */
int fes_transaction_prepare(struct fes_transaction *transaction);
int fes_transaction_commit_payload(struct fes_transaction *transaction);
int fes_transaction_finish(struct fes_transaction *transaction);

/* ---- same.c ---- */

/* Whether two volumes are, or overlap in, the same device or file, whatever their paths. */
bool fes_spec_same(const char *root, const struct fes_spec *a, const struct fes_spec *b);

/*
 * Whether the name that @spec was resolved from still stands for the same part of the same path, and
 * for the same partition. Nothing but errors is reported.
 *
 * Returns 0, -ESTALE (it does not; reported), or an error of fes_spec_resolve().
 */
int fes_spec_look_again(struct fes_host *host, const struct fes_spec *spec, fes_log_fn report,
	void *userdata);

/* Whether @device, of a mount, is what @spec names or overlaps it; loop devices are followed. */
bool fes_spec_on_device(const char *root, const struct fes_spec *spec, dev_t device);

/* Name what @seen is, with borrowed strings: for the two above. */
struct fes_spec fes_spec_of_seen(const struct fes_seen *seen);

/* ---- busy.c ---- */

/*
 * Whether the file that @spec names, or a part of it, is mounted through a loop device. Of a block
 * device opening it for writing tells. Returns 0, -EBUSY (not reported) or -ENOMEM.
 */
int fes_spec_require_unmounted(const char *root, const struct fes_spec *spec);

/* Say in @buf what makes @spec busy: "it is mounted at /mnt; unmount it first". Never fails. */
void fes_spec_blame(const char *root, const struct fes_spec *spec, char *buf, size_t len);

/* ---- lock.c ---- */

struct fes_lock_request {
	const struct fes_spec *spec; /* NULL: nothing to lock */
	bool exclusive;
	int result;    /* 0, -EAGAIN: somebody else holds it, or why it could not be locked */
	char why[512]; /* the same in words when it was reported, else "" */
};

struct fes_locks {
	int *fds;
	size_t n;
};

/*
 * Try to lock the disks and images of all requests, each once however many requests name it. With
 * @report_held a lock that somebody else holds is reported; any other failure always is.
 *
 * Returns 0 (look at the results) or -ENOMEM. Release with fes_locks_done().
 */
int fes_locks_try(struct fes_context *context, struct fes_lock_request *requests, size_t n,
	bool report_held, struct fes_locks *ret);
void fes_locks_done(struct fes_locks *locks);

/* How long to wait for locks, in milliseconds; some weeks at most. */
static inline unsigned fes_lock_patience(const struct fes_context *context)
{
	unsigned seconds = context->timeout_seconds;

	return seconds < UINT_MAX / 1000 ? seconds * 1000 : UINT_MAX;
}

/* Wait a little between two tries, and take that from *@left_ms. */
void fes_lock_pause(unsigned *left_ms);

/*
 * Wait for the lock of @path (see blkdev_lock_path()) as long as the context's timeout says.
 * Returns a file descriptor, -ECANCELED, or an error of blkdev_lock_path(). Logs nothing.
 */
int fes_lock_wait(struct fes_context *context, const char *path, bool exclusive);

/* ---- resolve.c ---- */

/* Finds out what the names of mirrors stand for, each in a thread of its own. */
struct fes_resolver;

/* What there is to do about the XBOOTLDR of a mirror's disk. */
enum fes_xbootldr_way {
	FES_XBOOTLDR_STAYS,      /* it is left alone */
	FES_XBOOTLDR_IS_MORE,    /* ... and told about, because the primary's disk has none */
	FES_XBOOTLDR_GOES_ALONG, /* it is resolved, too, and becomes mirror->xbootldr */
};

/* @mirrors are borrowed. Returns 0 or -ENOMEM. */
int fes_resolver_start(struct fes_context *context, struct fes_mirror *mirrors, size_t n,
	enum fes_xbootldr_way xbootldr, struct fes_resolver **ret);

/*
 * Wait up to @wait_ms milliseconds for all, then put what was found so far into the mirrors: spec and
 * resolved, or a refusal (logged). Returns how many are still unknown.
 */
size_t fes_resolver_collect(struct fes_resolver *resolver, unsigned wait_ms);

/* Wait for what is still under way, and forget it. */
void fes_resolver_stop(struct fes_resolver *resolver);

/* ---- holder.c ---- */

/* The process that holds the lock of @path, or 0 when that cannot be found out. */
long fes_lock_find_holder(const char *path);

/* ---- mirror.c ---- */

/* What all mirrors of a run share. */
struct fes_run {
	struct fes_context *context;
	struct fes_volume *primary;
	const struct fes_tree *tree; /* the primary's */
	const char *running; /* identity of the entry that was booted (LoaderEntrySelected); NULL: unknown */
	const struct fes_managed *managed;
	struct fes_digester *digester;
	unsigned flags;
	enum fes_random_seed random_seed;
	const struct fes_listener *listener; /* who is told how far it is; NULL: nobody */
	const struct fes_run *xbootldr; /* the same for the XBOOTLDR of the primary's disk; NULL: none */
};

struct fes_mirror {
	char *spec_text;
	struct fes_spec spec;
	bool listed; /* it comes from the list */
	bool resolved;
	bool locked;
	struct fes_volume *volume;
	enum fes_mirror_state state; /* 0: not dealt with yet */
	char *lacking; /* see fes_mirror_get_lacking() */
	bool stale; /* failed before any commit, because the primary changed */
	char *message;
	struct fes_notes notes; /* see fes_mirror_get_note() */
	struct blkdev_stats stats;
	struct fes_progress progress;
	struct fes_change *changes; /* owned, with their texts */
	size_t n_changes;
	struct fes_mirror *xbootldr; /* of the same disk, owned; NULL: none that is looked at */
	bool shares_xbootldr;        /* ... because it is the primary's */
};

/*
 * Whether the primary still is what run->tree was read from.
 * Returns 0, -ESTALE, -EUCLEAN, -ENOMEM or a device error; none is reported but -EUCLEAN.
 */
int fes_run_look_again(const struct fes_run *run);

/*
 * Bring one mirror in line, and its XBOOTLDR along with it; everything there is to say is in @mirror
 * afterwards. What was refused before (then it need not have a volume) stays so, and the other one of
 * the two is refused with it.
 */
void fes_mirror_sync(struct fes_mirror *mirror, const struct fes_run *run);

/*
 * Something worth knowing about a mirror that is no reason to refuse it: kept for who asks, each text
 * once, and not logged but for want of memory, because a run may come by here several times.
 */
void fes_mirror_note(struct fes_context *context, struct fes_mirror *mirror, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Note why nothing is done about a mirror, unless a reason is known already. */
void fes_mirror_refuse(struct fes_mirror *mirror, const char *message);
void fes_mirror_done(struct fes_mirror *mirror);

/* Note that a mirror of the list is not there. */
void fes_mirror_miss(struct fes_mirror *mirror);

/* As if nothing had been done about it yet; what it is and that it is locked stays. */
void fes_mirror_reset(struct fes_mirror *mirror);
