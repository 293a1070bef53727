/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The list as a file: /loader/esp-sync on a volume, or on one that is mounted. Private to lib/. */

#include <stddef.h>
#include <sys/types.h>

struct fes_list;
struct fes_volume;

/*
 * Read and parse the list of @volume, in whatever case its name is.
 *
 * Returns 0, or
 *   -ENOENT   there is no list (not reported)
 *   -EBADMSG  it is none that fes_list_parse() understands
 *   -ENOTDIR  /loader is a file
 *   -EISDIR   it is a directory
 *   -EUCLEAN  its cluster chain ends early
 *   -ENOMEM   (not reported)
 * or a device error. Free with fes_list_done().
 */
int fes_listfile_read(struct fes_volume *volume, struct fes_list *ret);

/*
 * Make @text (@len bytes) the list of @volume, which is open for writing and has passed
 * fes_volume_require_sound() since: in a transaction that a power cut leaves done or not done, and
 * that changes nothing else. An entry that is there keeps its name and attributes; a missing
 * /loader is made. With @text NULL there is no list any more, which is fine if there was none.
 *
 * All is reported but -EFBIG, -ENOMEM and -ECANCELED. Returns 0, after which the volume must be
 * checked anew before it is changed again; or, with the list as it was,
 *   -EFBIG      more than FES_LIST_MAX bytes
 *   -ENOTDIR    /loader is a file
 *   -EISDIR     the list is a directory
 *   -ENOSPC     no room
 *   -ECANCELED  fes_interrupt() was called
 *   -EIO, ...   the device failed: whether the list is the old or the new one has to be looked up
 * or another error of fat_txn_layout() and fat_txn_run(). After an error of fat_txn_run() the
 * volume can only be closed.
 */
int fes_listfile_write_volume(struct fes_volume *volume, const char *text, size_t len);

/*
 * Make @text the list of the file system mounted at @mount_path: under another name first, then in
 * the place of the old one, and on the disk when this returns. A missing loader/ is made. With
 * @text NULL there is no list any more, which is fine if there was none.
 *
 * @device is what has to be mounted there: something else may cover it by now. @report gets one
 * message for every failure: what, where, why and what to do.
 *
 * Returns 0, or an errno of the system call that failed, -EROFS, -ENOSPC and -EACCES among them;
 * -ENODEV when something else is mounted there. The list is as it was, but for an error of the very
 * last step, which brings the change of the name to the disk; then the message says so.
 */
int fes_listfile_write_mounted(const char *mount_path, dev_t device, const char *text, size_t len,
	void (*report)(void *userdata, const char *message), void *userdata);
