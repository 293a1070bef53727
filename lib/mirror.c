/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

/* What there is to know of a mirror. */

/* They go together. */
static void refuse_xbootldr(struct fes_mirror *esp)
{
	struct fes_mirror *xbootldr = esp->xbootldr;
	char *text;

	if (!xbootldr || xbootldr->state != 0)
		return;
	if (asprintf(&text, "%s: nothing was written to it, because the ESP of its disk, %s, could not be brought in line",
		    xbootldr->resolved ? xbootldr->spec.name : xbootldr->spec_text,
		    esp->resolved ? esp->spec.name : esp->spec_text) < 0)
		text = NULL;
	fes_mirror_refuse(xbootldr, text ? text : "its ESP could not be brought in line");
	free(text);
}

void fes_mirror_refuse(struct fes_mirror *mirror, const char *message)
{
	mirror->state = FES_MIRROR_REFUSED;
	if (!mirror->message)
		mirror->message = strdup(message);
	refuse_xbootldr(mirror);
}

void fes_mirror_miss(struct fes_mirror *mirror)
{
	mirror->state = FES_MIRROR_MISSING;
	mirror->message = strdup("missing: it is on the list, but on none of the disks that can be seen");
}

void fes_mirror_note(struct fes_context *context, struct fes_mirror *mirror, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (fes_notes_add(&mirror->notes, "%s", text) < 0)
		fes_log(context, FES_LOG_WARNING, "%s: %s",
			mirror->resolved ? mirror->spec.name : mirror->spec_text, text);
}

const char *fes_mirror_get_note(const struct fes_mirror *mirror, size_t i)
{
	return fes_notes_get(&mirror->notes, i);
}

static void free_changes(struct fes_mirror *mirror)
{
	for (size_t i = 0; i < mirror->n_changes; i++) {
		free((char *)(uintptr_t)mirror->changes[i].path);
		free((char *)(uintptr_t)mirror->changes[i].old_path);
	}
	free(mirror->changes);
}

void fes_mirror_reset(struct fes_mirror *mirror)
{
	if (mirror->xbootldr)
		fes_mirror_reset(mirror->xbootldr);
	fes_volume_close(mirror->volume);
	mirror->volume = NULL;
	fes_notes_done(&mirror->notes);
	free_changes(mirror);
	mirror->changes = NULL;
	mirror->n_changes = 0;
	free(mirror->message);
	mirror->message = NULL;
	free(mirror->lacking);
	mirror->lacking = NULL;
	mirror->state = 0;
	mirror->stale = false;
}

void fes_mirror_done(struct fes_mirror *mirror)
{
	if (mirror->xbootldr)
		fes_mirror_done(mirror->xbootldr);
	free(mirror->xbootldr);
	fes_volume_close(mirror->volume);
	if (mirror->resolved)
		fes_spec_done(&mirror->spec);
	fes_notes_done(&mirror->notes);
	free_changes(mirror);
	free(mirror->message);
	free(mirror->lacking);
	free(mirror->spec_text);
}

/* ---- results ---- */

enum fes_mirror_state fes_mirror_get_state(const struct fes_mirror *mirror)
{
	return mirror->state;
}

const char *fes_mirror_get_spec(const struct fes_mirror *mirror)
{
	return mirror->spec_text;
}

const char *fes_mirror_get_name(const struct fes_mirror *mirror)
{
	return mirror->resolved ? mirror->spec.name : NULL;
}

const char *fes_mirror_get_partuuid(const struct fes_mirror *mirror)
{
	return mirror->resolved ? mirror->spec.partuuid : NULL;
}

const char *fes_mirror_get_message(const struct fes_mirror *mirror)
{
	return mirror->message;
}

const struct fes_volume *fes_mirror_get_volume(const struct fes_mirror *mirror)
{
	return mirror->volume;
}

const struct fes_mirror *fes_mirror_get_xbootldr(const struct fes_mirror *mirror)
{
	return mirror->xbootldr;
}

const char *fes_mirror_get_lacking(const struct fes_mirror *mirror)
{
	return mirror->lacking;
}

uint64_t fes_mirror_get_bytes_written(const struct fes_mirror *mirror)
{
	return mirror->stats.bytes_written;
}

uint64_t fes_mirror_get_writes(const struct fes_mirror *mirror)
{
	return mirror->stats.writes;
}

uint64_t fes_mirror_get_barriers(const struct fes_mirror *mirror)
{
	return mirror->stats.flushes;
}

size_t fes_mirror_get_n_changes(const struct fes_mirror *mirror)
{
	return mirror->n_changes;
}

const struct fes_change *fes_mirror_get_change(const struct fes_mirror *mirror, size_t i)
{
	return i < mirror->n_changes ? &mirror->changes[i] : NULL;
}

enum fes_change_kind fes_change_get_kind(const struct fes_change *change)
{
	return change->kind;
}

const char *fes_change_get_path(const struct fes_change *change)
{
	return change->path;
}

const char *fes_change_get_old_path(const struct fes_change *change)
{
	return change->old_path;
}

uint32_t fes_change_get_size(const struct fes_change *change)
{
	return change->size;
}

bool fes_change_is_directory(const struct fes_change *change)
{
	return change->directory;
}
