/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A folder of a test case, in which a made-up /proc and /sys can stand. What goes wrong on the way
 * fails the running case. Paths begin with '/' and are taken from the folder.
 */

#include <stdbool.h>
#include <stddef.h>

struct scratch {
	char path[200];
};

/* Where folders and files of tests go that are nowhere else: TMPDIR, or /tmp. */
const char *scratch_parent(void);

void scratch_make(struct scratch *scratch);
void scratch_remove(const struct scratch *scratch); /* with all that is in it */

/* The same where no case runs, which is where nothing can fail one. Returns whether it is gone. */
bool scratch_try_remove(const struct scratch *scratch);

/* Write a file anew; folders that are missing are made. */
void scratch_write(const struct scratch *scratch, const char *path, const void *bytes, size_t len);
void scratch_write_text(const struct scratch *scratch, const char *path, const char *text);

void scratch_make_folder(const struct scratch *scratch, const char *path);

/* A symbolic link that says @target. */
void scratch_link(const struct scratch *scratch, const char *path, const char *target);
