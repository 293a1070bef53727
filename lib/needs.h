/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What booting needs beside the managed directories, as found on a volume: the files that its type
 * #1 entries refer to, wherever they are, and the boot loader that firmware starts by itself.
 * Private to lib/.
 */

#include "lib/internal.h"
#include "lib/loader.h"
#include "lib/origin.h"
#include "lib/paths.h"
#include "lib/type1.h"

#define FES_MIXIN_PATH "/loader/boot-secret-mixin"

struct fes_needs {
	struct fes_type1s entries;
	struct fes_loaders loaders;
	bool has_swtpm;
	uint8_t mixin[64]; /* FES_MIXIN_PATH */
	size_t mixin_len;  /* of the file; 0: none; more than @mixin has: unread */

	/* What follows from that. */
	struct fes_paths files;   /* managed if they are files */
	struct fes_paths programs; /* of these, or in one, what may be another system's all the same */
	struct fes_paths dirs;    /* managed with all below: vendor directories of shim, and ... */
	struct fes_paths companions; /* ... of images */
	struct fes_paths leading; /* managed if they are directories; what else is in them is foreign */
	struct fes_paths perhaps; /* the same, if something managed is in them */
	struct fes_paths kept;    /* not managed, whatever else says so */

	/* Of a mirror: files that entries referred to once, if its origin has their marks. */
	struct fes_origin origin;
	struct fes_paths referred;
	struct fes_paths waiting; /* of those that it lists, what stays for now */

	/* Of a mirror: why something is kept. */
	const char *other_loader; /* the path, in the primary's needs; NULL: none */
	bool other_mixin;
	bool replaces_mixin; /* by force */
};

/*
 * Find out what booting from @volume, a primary, needs. Nothing is logged but errors.
 * Returns 0, -EUCLEAN, -ENOMEM or a device error. Free with fes_needs_free().
 */
int fes_needs_find(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_needs **ret);

/*
 * What is managed on @mirror, where @primary, a tree with its needs, is the primary: that, and the
 * files that only the mirror's entries refer to. But not an "efi" program in /EFI, nor anything in
 * /EFI/BOOT: that may be somebody else's; and not what was not ours already when a sync brought the
 * entry. Another boot loader than systemd-boot or shim in the
 * place of the primary's is kept, and so is another boot secret; unless @force is set. Errors as
 * above.
 */
int fes_needs_find_mirror(struct fes_volume *mirror, const struct fes_managed *managed,
	const struct fes_tree *primary, bool force, struct fes_needs **ret);

/* NULL is fine. */
void fes_needs_free(struct fes_needs *needs);

/* What is at @path on that volume. -ENOMEM, or an enum fes_role. @needs may be NULL. */
int fes_needs_role(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *path, bool directory);

/* Whether @folded is a file that is managed only if the mirror's origin has its mark. */
bool fes_needs_referred(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded);

/* Whether @folded, a directory that is managed, is so only because it leads to something. */
bool fes_needs_leads(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded);

/* Whether @folded is a directory that is managed only if something managed is in it. */
bool fes_needs_perhaps(const struct fes_needs *needs, const struct fes_managed *managed,
	const char *folded);

/*
 * When the tree of a primary was read: what is referred to and not there leads nowhere. 0 or
 * -ENOMEM.
 */
int fes_needs_settle(struct fes_needs *needs, const struct fes_tree *tree);

/*
 * Log, as warnings, what is odd about the primary's entries: references that are no paths, or lead
 * to what is never copied, entries that are not looked into, files that are missing; names of which
 * only one can be copied; and what is not copied though it matters. Not, if that is @judged
 * (lib/boots.h), what keeps an entry from being booted. Beyond some it is only told that there are
 * more.
 */
int fes_needs_warn(const struct fes_needs *needs, const struct fes_managed *managed,
	const struct fes_tree *tree, bool judged);
