/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Variables that boot loaders leave in EFI, as efivarfs shows them. Private to lib/. */

#include <stddef.h>

enum {
	FES_UUID_MAX = 37,      /* bytes of a GUID as text, with its NUL */
	FES_ENTRY_ID_MAX = 256, /* of the name of an entry */
};

/*
 * The UUID of the partition that firmware started the boot loader from (variable
 * LoaderDevicePartUUID of systemd's Boot Loader Interface), in lower case.
 * @root: see struct fes_host.
 *
 * Returns 0, or
 *   -ENOENT   no such variable, no EFI, efivarfs not mounted
 *   -EBADMSG  it holds no UUID
 *   -EBUSY    the kernel limits how often it is read, still after some tries
 *   -EACCES, -EIO, ... as open(2) and read(2)
 */
int fes_efivar_loader_partuuid(const char *root, char ret[FES_UUID_MAX]);

/*
 * The file name of the entry or image that was booted (variable LoaderEntrySelected), in lower case;
 * older versions leave its counter in. Errors as above; a name that is not ASCII is -EBADMSG.
 */
int fes_efivar_loader_entry(const char *root, char ret[FES_ENTRY_ID_MAX]);
