/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libfatespsync: make the EFI System Partitions of a machine equal to its primary one, on the
 * block devices themselves, so that a power cut at any moment leaves each of them bootable.
 *
 * Objects are opaque. Functions return 0 or a negative errno unless they say otherwise. Texts
 * returned as const char * are UTF-8 or as the caller gave them, and live as long as the object
 * that was asked. Two contexts never meet; one context belongs to one thread, though the library
 * uses more inside and calls back from them, one call at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fes_context;
struct fes_volume;
struct fes_entry;
struct fes_sync;
struct fes_mirror;
struct fes_change;

enum fes_partition_kind {
	FES_PARTITION_NONE = 0,     /* a volume that fills a disk or image */
	FES_PARTITION_OTHER = 1,
	FES_PARTITION_ESP = 2,      /* EFI System Partition */
	FES_PARTITION_XBOOTLDR = 3, /* Extended Boot Loader Partition */
};

enum fes_log_level {
	FES_LOG_ERROR = 1,   /* something was refused or failed; names volume, path and reason */
	FES_LOG_WARNING = 2, /* worth knowing, nothing failed */
	FES_LOG_INFO = 3,    /* what is going on */
};

typedef void (*fes_log_fn)(void *userdata, enum fes_log_level level, const char *message);

/* "1.0.0" */
const char *fes_version(void);

/* A context holds the log callback. Returns 0 or -ENOMEM. */
int fes_new(struct fes_context **ret);

/* NULL is fine. Objects made with @context must be gone. */
void fes_free(struct fes_context *context);

/* Messages go to @fn (NULL: nowhere), one line each, without newline. */
void fes_set_log(struct fes_context *context, fes_log_fn fn, void *userdata);

/*
 * Seconds to wait for disks and images that another run has locked; 30 at first. Mirrors that are
 * free are synced before.
 */
void fes_set_timeout(struct fes_context *context, unsigned seconds);

/*
 * Look for partitions on the disk or disk image @path only, and on those that were added before,
 * instead of on all disks of the machine. Paths that are given for a volume are not affected.
 * Returns 0 or -ENOMEM.
 */
int fes_add_disk(struct fes_context *context, const char *path);

/*
 * Put @root before /sys, /proc and mount points. For tests, which have no machine of their own.
 * Returns 0 or -ENOMEM.
 */
int fes_set_root(struct fes_context *context, const char *root);

/*
 * Ask fes_sync_run(), fes_wait() and whatever waits for a lock to stop at the next safe point, now
 * and as long as @context lives: between two tries to get a lock, two steps, two pieces of data.
 *
 * A mirror on which the first entry has been changed is finished nevertheless. The long part,
 * copying, is over then; what is left takes a few barriers. Each other mirror keeps the files that
 * it has, and is refused or has failed with a message that says so.
 *
 * May be called at any time from any thread, also from a signal handler.
 */
void fes_interrupt(struct fes_context *context);

/* ---- one volume ---- */

/*
 * Open the FAT volume @spec names, for reading:
 *   a partition's block device, or an image file with a FAT volume;
 *   a disk or disk image with a partition table: its ESP, or with ":N" partition N;
 *   PARTUUID=, UUID=, LABEL=, PARTLABEL= of a block device.
 *
 * Every failure is logged. Returns 0, or
 *   -ENOENT, -EACCES, ...  as open(2)
 *   -EINVAL        ":N" where N is no number of a partition, or behind a partition
 *   -EISDIR        a directory
 *   -ENOTUNIQ      several partitions have that tag, or the disk has several ESPs
 *   -EMEDIUMTYPE   no FAT volume and no partition table with an ESP
 *   -EUCLEAN       a FAT volume whose boot sector contradicts itself or the device
 *   -ENOTSUP       a FAT volume of a kind that is not handled
 *   -EAGAIN        another run holds the disk or image, and the time was up
 *   -ECANCELED     fes_interrupt() was called (not logged)
 */
int fes_volume_open(struct fes_context *context, const char *spec, struct fes_volume **ret);
void fes_volume_close(struct fes_volume *volume);

/* How messages call it: "/dev/sda1", "disk.img:1", "esp.img". */
const char *fes_volume_get_name(const struct fes_volume *volume);
unsigned fes_volume_get_fat_bits(const struct fes_volume *volume);        /* 12, 16, 32 */
uint32_t fes_volume_get_sector_size(const struct fes_volume *volume);     /* bytes */
uint32_t fes_volume_get_cluster_size(const struct fes_volume *volume);    /* bytes */
uint64_t fes_volume_get_size(const struct fes_volume *volume);            /* bytes */
uint64_t fes_volume_get_free(const struct fes_volume *volume);            /* bytes */
const char *fes_volume_get_serial(const struct fes_volume *volume);       /* "1234-ABCD" or NULL */
const char *fes_volume_get_label(const struct fes_volume *volume);        /* "" when none */
const char *fes_volume_get_partuuid(const struct fes_volume *volume);     /* lower case, or NULL */

enum fes_severity {
	FES_HARMLESS = 1, /* no reader is hurt, the next sync or fsck tidies up */
	FES_DAMAGE = 2,   /* some reader is; a sync refuses this volume */
};

typedef void (*fes_finding_fn)(void *userdata, enum fes_severity severity, const char *message);

/*
 * Check @volume; each finding goes to @fn and is not logged.
 *
 * Returns 0 clean, FES_HARMLESS or FES_DAMAGE: the worst found; or a negative errno.
 */
int fes_volume_check(struct fes_volume *volume, fes_finding_fn fn, void *userdata);

/* Return 0 to go on; anything else ends the listing, which returns it. */
typedef int (*fes_entry_fn)(void *userdata, const struct fes_entry *entry);
typedef int (*fes_data_fn)(void *userdata, const void *data, size_t len);

/*
 * Call @fn for every entry of directory @path ("/" is the root), or for the file @path.
 * Returns 0, -ENOENT (logged), what @fn returned, or a device error.
 */
int fes_volume_list(struct fes_volume *volume, const char *path, fes_entry_fn fn, void *userdata);
const char *fes_entry_get_name(const struct fes_entry *entry);
bool fes_entry_is_directory(const struct fes_entry *entry);
uint32_t fes_entry_get_size(const struct fes_entry *entry);       /* bytes */
uint8_t fes_entry_get_attributes(const struct fes_entry *entry);  /* FAT attribute byte */
/* "2026-11-22 10:00:00": local time of whoever wrote it, FAT has no zone. "" when unset. */
const char *fes_entry_get_modified(const struct fes_entry *entry);

/* Give the contents of file @path to @fn, piece by piece. -EISDIR for a directory (logged). */
int fes_volume_read(struct fes_volume *volume, const char *path, fes_data_fn fn, void *userdata);

/* ---- synchronising ---- */

enum fes_sync_flags {
	FES_SYNC_DRY_RUN = 1 << 0, /* find out and write nothing */
	FES_SYNC_QUICK = 1 << 1,   /* equal size, times and attributes: equal, unread */
	FES_SYNC_FORCE = 1 << 2,   /* override what a message names as overridable */
	FES_SYNC_BOOTS = 1 << 3,   /* find out, too, whether the primary and the mirrors boot */
};

/* Returns 0 or -ENOMEM. @context is borrowed. */
int fes_sync_new(struct fes_context *context, struct fes_sync **ret);
void fes_sync_free(struct fes_sync *sync);

/*
 * @spec as for fes_volume_open(). Mirrors keep the order in which they are added. Nothing is
 * opened yet.
 *
 * Without a primary it is the ESP that firmware started the boot loader from (EFI variable
 * LoaderDevicePartUUID), or where that is not known the one mounted at /efi, /boot or /boot/efi.
 * Without mirrors it is the other ESPs on the primary's list, /loader/esp-sync.
 *
 * Return 0, -ENOMEM, or -EALREADY: it was run before, and there is no second time.
 */
int fes_sync_set_primary(struct fes_sync *sync, const char *spec);
int fes_sync_add_mirror(struct fes_sync *sync, const char *spec);

/*
 * More managed directories or files, and paths that are left alone: "/EFI/BOOT". Excluding wins.
 * Managed at first: /loader, /EFI/Linux, /EFI/systemd.
 *
 * Return 0, -EINVAL (logged: not absolute, "..", empty, or the root), -ENOMEM, or -EALREADY: it was
 * run before.
 */
int fes_sync_add_managed(struct fes_sync *sync, const char *path);
int fes_sync_add_excluded(struct fes_sync *sync, const char *path);

/*
 * Bits of enum fes_sync_flags. With others, which may be of a later version and hold the run back
 * from something, fes_sync_run() does nothing.
 */
void fes_sync_set_flags(struct fes_sync *sync, unsigned flags);

enum fes_random_seed {
	FES_RANDOM_SEED_AUTO = 0,   /* of each mirror that is changed, or has the primary's */
	FES_RANDOM_SEED_ALWAYS = 1, /* of each mirror */
	FES_RANDOM_SEED_NEVER = 2,
};

/*
 * When to renew the random seed of a mirror, /loader/random-seed, which each ESP has of its own and
 * which is never copied.
 */
void fes_sync_set_random_seed(struct fes_sync *sync, enum fes_random_seed random_seed);

/*
 * Change the list on the primary first: put the ESP @spec on it, take an ESP off it, or put @new_spec
 * in the place of one. Then all ESPs of the new list are synced, so that it reaches them. A new list
 * gets the primary, too. Whom to take off may be named by partition UUID, since its disk may be gone;
 * if it is there, it gets the new list as well, whatever comes of that.
 *
 * All changes of a run are made, or none: an ESP that is refused, or cannot be synced, leaves the
 * list as it was; so does a run that fails as a whole or is interrupted. Not together with
 * fes_sync_add_mirror(): fes_sync_run() refuses that.
 *
 * Return 0, -ENOMEM, or -EALREADY: it was run before.
 */
int fes_sync_add_to_list(struct fes_sync *sync, const char *spec);
int fes_sync_remove_from_list(struct fes_sync *sync, const char *spec);
int fes_sync_replace_on_list(struct fes_sync *sync, const char *spec, const char *new_spec);

/* What is being done about a mirror, about in this order. */
enum fes_progress_phase {
	FES_PROGRESS_WAIT = 1,    /* somebody else has locked it or the primary */
	FES_PROGRESS_CHECK = 2,   /* its file system is checked, its directories are read */
	FES_PROGRESS_COMPARE = 3, /* its files are read that may be the same as the primary's */
	FES_PROGRESS_PRIMARY = 4, /* it waits until the primary's have been read */
	FES_PROGRESS_COPY = 5,    /* new contents are written to it */
	FES_PROGRESS_FLUSH = 6,   /* they are made durable, and tables are written */
	FES_PROGRESS_VERIFY = 7,  /* they are read back */
	FES_PROGRESS_COMMIT = 8,  /* directories are changed, what only the old versions used is freed */
	FES_PROGRESS_DONE = 9,    /* this was all */
};

/*
 * @mirror is in @phase, of whose @total bytes @done are through. They are those of file contents, and
 * known when the phase begins; @total is 0 where there are none, or it is not known.
 *
 * @mirror, which may be an XBOOTLDR, lives until the call returns, or for as long as @sync if it is one
 * of those that fes_sync_get_mirror() gives. It may be asked what it is: fes_mirror_get_spec(),
 * fes_mirror_get_name(), fes_mirror_get_partuuid(). Nothing else may be called but fes_interrupt().
 */
typedef void (*fes_progress_fn)(void *userdata, const struct fes_mirror *mirror,
	enum fes_progress_phase phase, uint64_t done, uint64_t total);

/*
 * Have fes_sync_run() tell @fn (NULL, as at first: nobody) how far it is with each mirror: whenever a
 * phase begins or ends, and in between at most ten times a second for each mirror. It is called from
 * several threads, never while it or the log callback runs, and holds up the mirror meanwhile.
 *
 * Phases that have nothing to do are left out. One that has failed ends with FES_PROGRESS_DONE as well,
 * and if the primary has changed meanwhile, a mirror begins anew after that. An ESP that is to be added
 * to the list is tried by itself first.
 */
void fes_sync_set_progress(struct fes_sync *sync, fes_progress_fn fn, void *userdata);

/*
 * Do it, once per object. Mirrors are handled side by side, a thread each; the failure of one
 * changes nothing for the others.
 *
 * Returns 0 when the primary was usable and every mirror was dealt with (ask each), or
 *   -EINVAL      mirrors are given and the list is to be changed, or there is a flag that this
 *                version does not know; nothing was opened
 *   -EUCLEAN     the primary is damaged, or the XBOOTLDR partition beside it
 *   -ENODATA     the primary holds nothing of the managed set (overridable)
 *   -ECANCELED   fes_interrupt() was called before the primary was read: each mirror says so
 *   any error of fes_volume_open() for the primary
 *   -EBADMSG     its list cannot be understood
 *   -ENOKEY      it is not on its list
 *   -ENOTUNIQ    also: another ESP of the list is mounted where system tools write to
 *   -ESTALE      it, or its list, does not stand still
 *   -EALREADY    it was run before
 * All but the last are logged, and no mirror was written to. No list, or none but the primary on it:
 * success, and no mirrors.
 */
int fes_sync_run(struct fes_sync *sync);

/* What is on the primary's list in the end, lower case; NULL behind the last. */
const char *fes_sync_get_listed(const struct fes_sync *sync, size_t i);

/* Whether the list was changed (dry run: would be). */
bool fes_sync_list_changed(const struct fes_sync *sync);

/* Valid after fes_sync_run(); NULL when the primary could not be opened. */
const struct fes_volume *fes_sync_get_primary(const struct fes_sync *sync);

/*
 * The XBOOTLDR partition of the primary's disk: the first one, as boot loaders take it. NULL when
 * there is none, when it holds no FAT volume, or when it could not be opened.
 */
const struct fes_volume *fes_sync_get_primary_xbootldr(const struct fes_sync *sync);

/*
 * With FES_SYNC_BOOTS, of the primary, and of the XBOOTLDR beside it: as fes_mirror_get_lacking() and
 * fes_mirror_get_note().
 */
const char *fes_sync_get_primary_lacking(const struct fes_sync *sync);
const char *fes_sync_get_primary_note(const struct fes_sync *sync, size_t i);
const char *fes_sync_get_primary_xbootldr_note(const struct fes_sync *sync, size_t i);
size_t fes_sync_get_n_mirrors(const struct fes_sync *sync);
const struct fes_mirror *fes_sync_get_mirror(const struct fes_sync *sync, size_t i);

enum fes_mirror_state {
	FES_MIRROR_IN_SYNC = 1, /* nothing to do */
	FES_MIRROR_SYNCED = 2,  /* brought in sync by this run */
	FES_MIRROR_DIFFERS = 3, /* dry run: there is something to do */
	FES_MIRROR_REFUSED = 4, /* nothing was written to it, for the reason given */
	FES_MIRROR_FAILED = 5,  /* an error on the way; its last committed state stands */
	FES_MIRROR_MISSING = 6, /* it is on the list, but there is no such partition */
};

enum fes_mirror_state fes_mirror_get_state(const struct fes_mirror *mirror);
const char *fes_mirror_get_spec(const struct fes_mirror *mirror);     /* as given */
const char *fes_mirror_get_name(const struct fes_mirror *mirror);     /* "/dev/sdb1"; NULL: not found */
const char *fes_mirror_get_partuuid(const struct fes_mirror *mirror); /* lower case, or NULL */
const char *fes_mirror_get_message(const struct fes_mirror *mirror);  /* why refused or failed, or NULL */
const struct fes_volume *fes_mirror_get_volume(const struct fes_mirror *mirror); /* or NULL */

/*
 * The XBOOTLDR partition of the mirror's disk, which goes along with that of the primary's: what is
 * said of a mirror here holds for it, too, though it is named by its disk and number. NULL when the
 * disk or the primary's has none, or it is the primary's.
 *
 * A problem with one of the two that is found before the first change to either leaves both as they
 * are.
 */
const struct fes_mirror *fes_mirror_get_xbootldr(const struct fes_mirror *mirror);

/*
 * After a dry run, or with FES_SYNC_BOOTS: what the mirror lacks to be booted from as it is now, in
 * words, "" when it lacks nothing; NULL when that is not known. That of an ESP is about both volumes
 * of its disk.
 */
const char *fes_mirror_get_lacking(const struct fes_mirror *mirror);

/*
 * What else there is to know of the mirror, a line each, NULL behind the last: what was left as it is,
 * and with FES_SYNC_BOOTS what may keep it from booting, or the next kernel from getting there. These
 * are worth a warning, but not logged.
 */
const char *fes_mirror_get_note(const struct fes_mirror *mirror, size_t i);
uint64_t fes_mirror_get_bytes_written(const struct fes_mirror *mirror);
uint64_t fes_mirror_get_writes(const struct fes_mirror *mirror);
uint64_t fes_mirror_get_barriers(const struct fes_mirror *mirror);

enum fes_change_kind {
	FES_CHANGE_NEW = 1,
	FES_CHANGE_CONTENTS = 2, /* and perhaps times, attributes */
	FES_CHANGE_REMOVED = 3,
	FES_CHANGE_RENAMED = 4, /* same contents, other name: no data is written */
	FES_CHANGE_TOUCHED = 5, /* only times or attributes; or long-name leftovers tidied up */
	FES_CHANGE_TIDIED = 6,  /* no file: lost clusters freed, FAT copies or free count evened out */
};

/* What differed, in the order of paths; with FES_SYNC_DRY_RUN what a sync would do. */
size_t fes_mirror_get_n_changes(const struct fes_mirror *mirror);
const struct fes_change *fes_mirror_get_change(const struct fes_mirror *mirror, size_t i);
enum fes_change_kind fes_change_get_kind(const struct fes_change *change);
const char *fes_change_get_path(const struct fes_change *change);
const char *fes_change_get_old_path(const struct fes_change *change); /* RENAMED, else NULL */
uint32_t fes_change_get_size(const struct fes_change *change);        /* bytes; 0 for directories */
bool fes_change_is_directory(const struct fes_change *change);

/* ---- looking around ---- */

enum fes_esp_role {
	FES_ESP_OTHER = 0,   /* on no list that is known */
	FES_ESP_PRIMARY = 1, /* or the XBOOTLDR next to it */
	FES_ESP_MIRROR = 2,  /* on the primary's list, or the XBOOTLDR next to one that is */
};

struct fes_esps;
struct fes_esp;

/*
 * Find all ESPs and XBOOTLDRs that can be seen, by disk and number; the primary, wherever it is
 * (@primary: as for fes_sync_set_primary(), NULL: see there); and those that are only on its list.
 * Without a primary nobody has a role.
 *
 * Returns 0 or -ENOMEM. Free with fes_esps_free().
 */
int fes_esps_new(struct fes_context *context, const char *primary, struct fes_esps **ret);
void fes_esps_free(struct fes_esps *esps);

/* NULL behind the last. */
const struct fes_esp *fes_esps_get(const struct fes_esps *esps, size_t i);

const char *fes_esp_get_name(const struct fes_esp *esp);      /* "/dev/sda1"; NULL: missing */
enum fes_partition_kind fes_esp_get_kind(const struct fes_esp *esp);
enum fes_esp_role fes_esp_get_role(const struct fes_esp *esp);
const char *fes_esp_get_partuuid(const struct fes_esp *esp);  /* lower case, or NULL */
uint64_t fes_esp_get_size(const struct fes_esp *esp);         /* of the partition, bytes */
const char *fes_esp_get_mount(const struct fes_esp *esp);     /* a mount point, or NULL */
const char *fes_esp_get_message(const struct fes_esp *esp);   /* why it cannot be used, or NULL */
const struct fes_volume *fes_esp_get_volume(const struct fes_esp *esp); /* or NULL */

typedef void (*fes_missing_fn)(void *userdata, const char *partuuid);

/*
 * Wait until the primary and all that is on its list can be seen, up to @seconds.
 *
 * Returns 0, -ETIMEDOUT (each that is missing goes to @fn, NULL for the primary), -ECANCELED, or an
 * error of fes_sync_run() about the primary or its list (logged).
 */
int fes_wait(struct fes_context *context, const char *primary, unsigned seconds, fes_missing_fn fn,
	void *userdata);

#ifdef __cplusplus
}
#endif
