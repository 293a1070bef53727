/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What there is to know of something, a line each. Private to lib/. */

#include <stddef.h>

struct fes_notes {
	char **list; /* in the order in which they came, each text once; owned */
	size_t n;
};

/*
 * Keep a line; one that is there already changes nothing. Zeroes are no notes. NULL: nobody wants
 * to know.
 *
 * Returns 0 or -ENOMEM.
 */
int fes_notes_add(struct fes_notes *notes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* NULL behind the last. */
const char *fes_notes_get(const struct fes_notes *notes, size_t i);

/* Forget all; there are none then. */
void fes_notes_done(struct fes_notes *notes);
