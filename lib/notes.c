/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"
#include "lib/notes.h"

static bool has(const struct fes_notes *notes, const char *text)
{
	for (size_t i = 0; i < notes->n; i++)
		if (strcmp(notes->list[i], text) == 0)
			return true;
	return false;
}

/* @text is taken over. */
static int keep(struct fes_notes *notes, char *text)
{
	char **more;

	if (has(notes, text)) {
		free(text);
		return 0;
	}
	more = realloc(notes->list, (notes->n + 1) * sizeof(*more));
	if (!more) {
		free(text);
		return -ENOMEM;
	}
	notes->list = more;
	notes->list[notes->n++] = text;
	return 0;
}

int fes_notes_add(struct fes_notes *notes, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	if (!notes)
		return 0;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	fes_log_one_line(text);
	return keep(notes, text);
}

const char *fes_notes_get(const struct fes_notes *notes, size_t i)
{
	return i < notes->n ? notes->list[i] : NULL;
}

void fes_notes_done(struct fes_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		free(notes->list[i]);
	free(notes->list);
	*notes = (struct fes_notes){0};
}
