/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The list, /loader/esp-sync: the partition UUIDs of all ESPs of a machine, and what more of them
 * is managed or left alone. The same file is on each of them, so that each can be the primary.
 * Pure: from text to text. Private to lib/.
 *
 *     # comments and blank lines stay where they are
 *     3f2504e0-4f89-41d3-9a0c-0305e82c3301
 *     6F9619FF-8B86-D011-B42D-00C04FC964FF   # second disk
 *     manage /EFI/BOOT
 *     exclude /loader/keys
 */

#include <stdbool.h>
#include <stddef.h>

#define FES_LIST_PATH "/loader/esp-sync"

enum {
	FES_LIST_MAX = 64 * 1024, /* bytes: more is no list */
	FES_LIST_UUID_MAX = 37,   /* bytes of a UUID, GPT's or MBR's, with its NUL */
};

enum fes_list_kind {
	FES_LIST_TEXT, /* comment or blank */
	FES_LIST_UUID,
	FES_LIST_MANAGE,
	FES_LIST_EXCLUDE,
};

struct fes_list_line {
	enum fes_list_kind kind;
	char *text;  /* the line as it stands, with its line end if it has one */
	char *value; /* UUID in lower case; path; NULL for TEXT */
};

struct fes_list {
	struct fes_list_line *lines;
	size_t n;
};

/*
 * Parse @len bytes. @report gets one message, which begins with "line N: " where one line is to
 * blame: a word that is not known, a UUID that is none or that stands there twice, a path that
 * fes_managed_add() would refuse, too long a file, NUL bytes (UTF-16), a byte order mark.
 *
 * A '#' begins a comment at the start of a line or after a blank; blanks around a value, CRLF and
 * a missing last newline are fine. Blanks inside a path are part of it.
 *
 * Returns 0, -EBADMSG (reported) or -ENOMEM. Free with fes_list_done(); one that is all zero is an
 * empty list.
 */
int fes_list_parse(const char *text, size_t len,
	void (*report)(void *userdata, const char *message), void *userdata, struct fes_list *ret);
void fes_list_done(struct fes_list *list);

/* Whether @text is a partition UUID in any case: 8-4-4-4-12 hex digits, or MBR's 8-2. */
bool fes_list_is_uuid(const char *text);

/* Whether @uuid (any case) is on it. */
bool fes_list_has(const struct fes_list *list, const char *uuid);
size_t fes_list_count_uuids(const struct fes_list *list);

/*
 * Put @uuid behind the last UUID (in lower case), or at the end. The line ends as others do.
 *
 * Returns 0, or
 *   -EINVAL  it is no UUID
 *   -EEXIST  it is there already
 *   -EFBIG   the text would be longer than FES_LIST_MAX
 *   -ENOMEM
 */
int fes_list_add(struct fes_list *list, const char *uuid);

/* 0, or -ENOENT when it is not there. Comments on lines of their own stay. */
int fes_list_remove(struct fes_list *list, const char *uuid);

/*
 * @new takes the place of @old; a comment behind it stays. -ENOENT when @old is not there; else
 * as fes_list_add().
 */
int fes_list_replace(struct fes_list *list, const char *old, const char *new);

/* The whole text, NUL-terminated (its length in *@ret_len); free() it. 0 or -ENOMEM. */
int fes_list_format(const struct fes_list *list, char **ret, size_t *ret_len);
