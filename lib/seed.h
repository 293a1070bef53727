/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The random seed that systemd-boot hands to the kernel, FES_SEED_PATH: each ESP has one of its own
 * (systemd, "Random Seeds"; bootctl(1) random-seed). Private to lib/.
 */

#include "lib/own.h"

enum { FES_SEED_LEN = 32 };

/*
 * Make a new seed: SHA-256 of fresh bytes from the kernel and of the old seed (@old may be NULL), each
 * with its length in front as bootctl does, so that it is never worse than the old one.
 *
 * Returns 0, -EAGAIN (the kernel has no entropy yet; not reported), or another errno of getrandom().
 */
int fes_seed_mint(struct fes_context *context, const void *old, size_t old_len,
	uint8_t ret[FES_SEED_LEN]);

/* Whether @volume has a seed, of whatever size: 1, 0 or a negative errno. */
int fes_seed_is_there(struct fes_volume *volume);

/*
 * Renew the seed of @volume where it stands: the new one takes the place of the old one's first 32
 * bytes in one sector write, and once that is durable what else the file holds is zeroed; the entry stays as it is.
 * One with the read-only attribute, or one shorter than 32 bytes, is left alone.
 *
 * *@ret_note gets a static text that says why it was left alone, or NULL. Returns 0 or an error, reported; -ENOENT (not reported): there is none.
 */
int fes_seed_renew(struct fes_volume *volume, const char **ret_note);
