/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which boot loader an EFI program is. Private to lib/. */

#include "lib/internal.h"

enum fes_loader_kind {
	FES_LOADER_NONE = 0, /* no such file, or one without a byte */
	FES_LOADER_OTHER,
	FES_LOADER_SYSTEMD_BOOT,
	FES_LOADER_SHIM,
};

enum { FES_LOADER_MAX = 16 * 1024 * 1024 }; /* bytes; what is larger is OTHER, unread */

/*
 * Look into an EFI program. systemd-boot says "#### LoaderInfo: systemd-boot VERSION ####" (its
 * stub says systemd-stub), shim "UEFI SHIM\n$Version: VERSION $" or, in its SBAT table, a line that
 * begins with "shim,", a number and a comma. The whole is searched, as bootctl 252 does, and the
 * first LoaderInfo decides; it need not be a sound PE file.
 *
 * @version (may be NULL) gets "systemd-boot 252.39-1", "shim 15.8" and the like, "" when unknown.
 */
enum fes_loader_kind fes_loader_identify(const void *bytes, size_t len, char *version,
	size_t version_len);

/*
 * The same of a file. A directory is OTHER. Returns 0, -EUCLEAN, -ENOMEM or a device error.
 */
int fes_loader_find(struct fes_volume *volume, const char *path, enum fes_loader_kind *ret,
	char *version, size_t version_len);

/*
 * Whether @name is what firmware starts from /EFI/BOOT, for whichever machine: BOOTX64.EFI,
 * BOOTAA64.EFI and the others that UEFI Specification 2.10, section 3.5.1.1, lists, in any case.
 * (Not "BOOT.EFI", "BOOTMGFW.EFI" and what else there may be.)
 */
bool fes_loader_is_default_name(const char *name);

/* The boot loaders in /EFI/BOOT that firmware starts, of whichever machine. */
struct fes_loaders {
	struct fes_loader_file {
		char *path;    /* owned */
		uint32_t size; /* bytes */
		enum fes_loader_kind kind;
		char version[64]; /* "systemd-boot 252.39-1", "" when unknown */
	} *list;
	size_t n;
};

/* Returns 0, -EUCLEAN, -ENOMEM or a device error. Free with fes_loaders_done(). */
int fes_loaders_read(struct fes_volume *volume, struct fes_loaders *ret);
void fes_loaders_done(struct fes_loaders *loaders);

/*
 * Call @fn with the path of each directory in /EFI but /EFI/BOOT, until it returns anything but 0: a
 * vendor has its boot loader there. Returns what @fn did, 0, -ENOMEM, or an error of fat_dir_open(),
 * reported.
 */
typedef int (*fes_vendor_fn)(void *userdata, const char *path);
int fes_vendors_each(struct fes_volume *volume, fes_vendor_fn fn, void *userdata);

/* Whether it is one that this program takes care of. */
static inline bool fes_loader_is_known(enum fes_loader_kind kind)
{
	return kind == FES_LOADER_SYSTEMD_BOOT || kind == FES_LOADER_SHIM;
}
