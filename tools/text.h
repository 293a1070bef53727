/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and sizes as people and programs can safely be shown them. */

#include <stdint.h>
#include <stdio.h>

enum {
	TEXT_SIZE_MAX = 32, /* bytes of a formatted size with its NUL */
};

/*
 * Print @text to @out. Control characters and what is not UTF-8 appear as \x1b: a name on a
 * volume must not be able to talk to the terminal, or to begin a line of its own.
 */
void text_put(FILE *out, const char *text);

/*
 * A copy of @text in which each byte that is not UTF-8 stands as \xed. FAT names have no
 * backslash, so different names stay different. free() it; NULL when memory is out.
 */
char *text_to_utf8(const char *text);

/* Format @bytes as "17 B", "60.1 MiB". */
void text_format_size(uint64_t bytes, char ret[TEXT_SIZE_MAX]);

/* What systemd's programs take for a boolean, in any case: 1, 0, or -EINVAL. */
int text_parse_boolean(const char *text);
