/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The random seed that systemd-boot hands to the kernel, FES_SEED_PATH: each ESP has one of its own
 * (systemd, "Random Seeds"; bootctl(1) random-seed). Private to lib/.
 */

#include "lib/own.h"

enum {
	FES_SEED_LEN = 32,
	FES_SEED_LEN_MAX = 32 * 1024, /* systemd-boot takes no longer one */
};

/* Have @fn called instead of getrandom(2), which it is like; NULL: getrandom() again. For tests. */
void fes_set_entropy(struct fes_context *context, fes_entropy_fn fn);

/*
 * Make a new seed: SHA-256 of fresh bytes from the kernel and of the old seed (@old may be NULL),
 * each with its length in front as bootctl does, so that it is never worse than the old one.
 *
 * Returns 0, -EAGAIN (the kernel has no entropy yet, or no getrandom() at all; not reported),
 * or another errno of getrandom(), not reported either.
 */
int fes_seed_mint(struct fes_context *context, const void *old, size_t old_len,
	uint8_t ret[FES_SEED_LEN]);

/*
 * The same with the old seed of @volume in the chain that begins at @first_cluster: @size bytes,
 * not more than FES_SEED_LEN_MAX, 0: none.
 *
 * Returns 0, -EAGAIN (not reported), -ENOMEM (not reported), or an error of getrandom() or of
 * reading, reported.
 */
int fes_seed_mint_from(struct fes_volume *volume, uint32_t first_cluster, uint32_t size,
	uint8_t ret[FES_SEED_LEN]);

/* A seed in the chain of @volume that begins at @first_cluster. */
struct fes_seed_place {
	struct fes_volume *volume;
	uint32_t first_cluster;
	uint32_t size;
};

/*
 * Whether @a and @b are the same bytes, and such as boot loaders take. 1, 0, -ENOMEM (not reported) or an
 * error of reading, reported.
 */
int fes_seed_equal(const struct fes_seed_place *a, const struct fes_seed_place *b);

/*
 * Renew the seed of @volume where it stands: see fat_file_overwrite(). The entry stays as it is,
 * and so does the length.
 *
 * It is left alone if it has the read-only attribute, which systemd-boot honours as well; if it is
 * shorter than FES_SEED_LEN or longer than FES_SEED_LEN_MAX, or no file; and if the kernel has no
 * entropy yet. *@ret_note gets a static text that says which, or NULL; unless there is none.
 *
 * Returns 0, -ENOENT (there is none; not reported), -ENOMEM (not reported), or an error of
 * fat_lookup(), fat_file_overwrite() or getrandom(), reported.
 */
int fes_seed_renew(struct fes_volume *volume, const char **ret_note);
