/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include "lib/sync.h"

/* Mirrors that cannot be mirrors, because they are the primary, or each other. */

void fes_sync_refuse(struct fes_context *context, struct fes_mirror *mirror, const char *why)
{
	char *text;

	if (mirror->state != 0)
		return;
	if (asprintf(&text, "%s: %s", mirror->spec_text, why) < 0)
		text = NULL;
	fes_log(context, FES_LOG_ERROR, "%s", text ? text : why);
	fes_mirror_refuse(mirror, text ? text : why);
	free(text);
}

static bool is_same(const char *root, const struct fes_mirror *a, const struct fes_mirror *b)
{
	return a && b && a->resolved && b->resolved && fes_spec_same(root, &a->spec, &b->spec);
}

/* Why @a and @b cannot both be mirrors; NULL: they can. */
static const char *why_not_both(const char *root, const struct fes_mirror *a,
	const struct fes_mirror *b)
{
	if (is_same(root, a, b))
		return "this mirror is named more than once; name it once";
	if (is_same(root, a->xbootldr, b) || is_same(root, a, b->xbootldr))
		return "an XBOOTLDR partition goes along with the ESP of its disk; do not name it";
	if (is_same(root, a->xbootldr, b->xbootldr))
		return "of this disk, with its XBOOTLDR partition, another ESP is named, too; name one";
	return NULL;
}

/* Of the primary's own disk boot loaders read the same XBOOTLDR, whichever ESP they come from. */
static void drop_shared_xbootldr(const struct fes_sync *sync, const char *root,
	struct fes_mirror *mirror)
{
	struct fes_mirror *xbootldr = mirror->xbootldr;

	if (!xbootldr || !xbootldr->resolved ||
		!fes_spec_same(root, &sync->xbootldr.spec, &xbootldr->spec))
		return;
	fes_mirror_done(xbootldr);
	free(xbootldr);
	mirror->xbootldr = NULL;
	mirror->shares_xbootldr = true;
}

static const char *why_not_primary(const struct fes_sync *sync, const char *root,
	const struct fes_mirror *mirror)
{
	if (fes_spec_same(root, &sync->primary_spec, &mirror->spec))
		return "this is the primary itself; it cannot be its own mirror";
	if (sync->xbootldr.there && fes_spec_same(root, &sync->xbootldr.spec, &mirror->spec))
		return "this is the XBOOTLDR partition of the primary's disk; it cannot be a mirror";
	return NULL;
}

static void refuse_both(struct fes_sync *sync, struct fes_mirror *a, struct fes_mirror *b,
	const char *why)
{
	fes_sync_refuse(sync->context, a, why);
	if (b->state == 0)
		fes_mirror_refuse(b, a->message ? a->message : why);
}

/* Which of two names of one mirror was a slip cannot be known, so none of them is touched. */
void fes_sync_refuse_twins(struct fes_sync *sync)
{
	const char *root = fes_host_root(&sync->context->host);

	for (size_t i = 0; i < sync->n_mirrors; i++) {
		struct fes_mirror *a = &sync->mirrors[i];
		const char *why;

		if (!a->resolved)
			continue;
		drop_shared_xbootldr(sync, root, a);
		why = why_not_primary(sync, root, a);
		if (why) {
			fes_sync_refuse(sync->context, a, why);
			continue;
		}
		for (size_t j = i + 1; j < sync->n_mirrors; j++) {
			why = why_not_both(root, a, &sync->mirrors[j]);
			if (why)
				refuse_both(sync, a, &sync->mirrors[j], why);
		}
	}
}
