/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/primary.h"
#include "lib/sync.h"

/* The XBOOTLDR of the primary's disk, which boot loaders read beside the ESP. */

/* The last error, to be told or not. */
struct error {
	char text[512];
};

static void keep_error(void *userdata, enum fes_log_level level, const char *message)
{
	struct error *error = userdata;

	if (level == FES_LOG_ERROR)
		(void)snprintf(error->text, sizeof error->text, "%s", message);
}

/* Only whether it is a FAT volume matters here. Nobody else logs anything meanwhile. */
static int probe(struct fes_sync *sync, struct error *error)
{
	struct fes_volume *volume;
	bool muted = sync->context->muted;
	char *message = NULL;
	int r;

	fes_mute(sync->context, true);
	r = fes_volume_open_spec(sync->context, &sync->xbootldr.spec, FES_OPEN_READ, &volume, &message);
	fes_mute(sync->context, muted);
	if (r == 0)
		fes_volume_close(volume);
	if (message)
		keep_error(error, FES_LOG_ERROR, message);
	free(message);
	return r == -EMEDIUMTYPE || r == -ENOMEM ? r : 0;
}

static int find(struct fes_sync *sync, struct error *error)
{
	int r = fes_spec_resolve(&sync->context->host, sync->primary_spec.xbootldr, keep_error, error,
		&sync->xbootldr.spec);

	if (r < 0)
		return r;
	r = probe(sync, error);
	if (r < 0)
		fes_spec_done(&sync->xbootldr.spec);
	return r;
}

int fes_xbootldr_find(struct fes_sync *sync)
{
	struct error error = {""};
	int r;

	if (!sync->primary_spec.xbootldr)
		return 0;
	r = find(sync, &error);
	if (r == -EMEDIUMTYPE) {
		fes_log(sync->context, FES_LOG_WARNING,
			"%s; so it is left out, and so are the XBOOTLDR partitions of mirrors",
			error.text);
		return 0;
	}
	if (r < 0 && r != -ENOMEM)
		fes_log(sync->context, FES_LOG_ERROR, "%s", error.text);
	sync->xbootldr.there = r == 0;
	return r;
}

int fes_xbootldr_open(struct fes_sync *sync)
{
	struct fes_xbootldr *xbootldr = &sync->xbootldr;

	if (!xbootldr->there)
		return 0;
	fes_volume_close(xbootldr->volume);
	xbootldr->volume = NULL;
	return fes_primary_open(sync->context, &xbootldr->spec, &xbootldr->volume);
}

int fes_xbootldr_begin(struct fes_sync *sync, struct fes_run *run)
{
	struct fes_xbootldr *xbootldr = &sync->xbootldr;
	int r;

	if (!xbootldr->there)
		return 0;
	r = fes_sync_read_volume(sync, &xbootldr->spec, &xbootldr->volume, &xbootldr->tree);
	if (r < 0)
		return r;
	xbootldr->run = *run;
	xbootldr->run.primary = xbootldr->volume;
	xbootldr->run.tree = xbootldr->tree;
	xbootldr->run.digester = NULL;
	r = fes_digester_start(xbootldr->tree, &xbootldr->run.digester);
	if (r == 0)
		run->xbootldr = &xbootldr->run;
	return r;
}

int fes_xbootldr_end(struct fes_sync *sync, struct fes_run *run)
{
	struct fes_xbootldr *xbootldr = &sync->xbootldr;
	int r = xbootldr->run.digester ? fes_digester_error(xbootldr->run.digester) : 0;

	fes_digester_stop(xbootldr->run.digester);
	fes_tree_free(xbootldr->tree);
	xbootldr->run.digester = NULL;
	xbootldr->tree = NULL;
	run->xbootldr = NULL;
	return r;
}

void fes_xbootldr_done(struct fes_xbootldr *xbootldr)
{
	fes_tree_free(xbootldr->tree);
	fes_volume_close(xbootldr->volume);
	fes_spec_done(&xbootldr->spec);
}
