/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boots.h"

/* ---- what it could start ---- */

static const char *why_no_choice(const struct fes_choices *choices)
{
	if (choices->n_complete > 0)
		return NULL;
	return choices->n > 0 ? "no complete boot entry in /loader/entries or /EFI/Linux" :
				"no boot entry in /loader/entries or /EFI/Linux";
}

/*
 * Each volume by itself: an entry refers to files of the volume that it is on, and what will come
 * takes room where its like is.
 */
static int judge_volume(const struct fes_boots_volume *judged, struct fes_choices *all)
{
	struct fes_choices choices = {0};
	int r = fes_boots_note_readers(judged);

	if (r == 0)
		r = fes_boots_add_choices(judged, &choices);
	if (r == 0)
		r = fes_boots_note_room(judged, choices.largest);
	all->n += choices.n;
	all->n_complete += choices.n_complete;
	return r;
}

/* ---- the disk ---- */

static char *join(const char *first, const char *second)
{
	char *text;

	if (!first || !second)
		return strdup(first ? first : second ? second : "");
	return asprintf(&text, "%s, %s", first, second) < 0 ? NULL : text;
}

int fes_boots_judge(const struct fes_boots_volume *esp, const struct fes_boots_volume *xbootldr,
	char **ret_lacking)
{
	struct fes_choices choices = {0};
	const char *no_loader;
	char *lacking;
	int r = fes_boots_find_loader(esp->volume, &no_loader);

	if (r == 0)
		r = judge_volume(esp, &choices);
	if (r == 0 && xbootldr)
		r = judge_volume(xbootldr, &choices);
	if (r < 0)
		return r;
	lacking = join(no_loader, why_no_choice(&choices));
	if (!lacking)
		return -ENOMEM;
	*ret_lacking = lacking;
	return 0;
}
