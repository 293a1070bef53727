/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/list.h"
#include "lib/listfile.h"
#include "lib/liststore.h"
#include "lib/mounts.h"
#include "lib/primary.h"

/* The way of a new list to the primary: through its mount, or past all mounts. */

struct store {
	struct fes_context *context;
	const struct fes_spec *spec;
	const char *expected; /* what stands there, NULL: no list */
	const char *text;     /* what shall; NULL: no list */
	bool began;           /* to write it */
};

static void log_error(void *userdata, const char *message)
{
	fes_log(userdata, FES_LOG_ERROR, "%s", message);
}

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

static size_t text_len(const struct store *store)
{
	return store->text ? strlen(store->text) : 0;
}

/* Now that it is claimed, or cannot be: it was found out before what the name stands for. */
static int look_again(const struct store *store)
{
	return fes_spec_look_again(&store->context->host, store->spec, log_message, store->context);
}

/* Somebody else may have changed it since it was read. The disk is locked now. */
static int require_expected(const struct store *store, struct fes_volume *volume)
{
	struct fes_list list = {0};
	char *text = NULL;
	size_t len;
	bool same;
	int r = fes_listfile_read(volume, &list);

	if (r == 0)
		r = fes_list_format(&list, &text, &len);
	fes_list_done(&list);
	if (r < 0 && r != -ENOENT)
		return r;
	same = text && store->expected ? strcmp(text, store->expected) == 0 :
					 !text && !store->expected;
	free(text);
	if (same)
		return 0;
	fes_volume_report(volume, "its list was changed by somebody else meanwhile; run again");
	return -ESTALE;
}

static int write_mounted(struct store *store, struct fes_volume *volume)
{
	const char *root = fes_host_root(&store->context->host);
	char *path;
	int r;

	if (!volume->mount_path) {
		fes_volume_report(volume,
			"its list cannot be changed: it is mounted or in use, but not where this process could see it");
		return -EBUSY;
	}
	if (asprintf(&path, "%s%s", root, volume->mount_path) < 0)
		return -ENOMEM;
	store->began = true;
	r = fes_listfile_write_mounted(path, volume->mount_device, store->text, text_len(store),
		log_error, store->context);
	free(path);
	return r;
}

static int write_volume(struct store *store)
{
	struct fat_check_result check;
	struct fes_volume *volume;
	int r = fes_volume_open_spec(store->context, store->spec, FES_OPEN_WRITE, &volume, NULL);

	if (r < 0)
		return r;
	r = look_again(store);
	if (r == 0)
		r = fes_volume_require_sound(volume, &check);
	store->began = r == 0;
	if (r == 0)
		r = fes_listfile_write_volume(volume, store->text, text_len(store));
	fes_volume_close(volume);
	return r;
}

static int store_locked(struct store *store)
{
	struct fes_volume *volume;
	bool shared;
	int r = fes_primary_open(store->context, store->spec, &volume);

	if (r < 0)
		return r;
	shared = volume->shared;
	r = look_again(store);
	if (r == 0)
		r = require_expected(store, volume);
	if (r == 0 && shared)
		r = write_mounted(store, volume);
	fes_volume_close(volume);
	return r < 0 || shared ? r : write_volume(store);
}

/* A device that failed late may have the new list already: then it gets the old one again. */
static void take_back(const struct store *store)
{
	struct store back = {store->context, store->spec, store->text, store->expected, false};
	int r;

	fes_mute(store->context, true);
	r = store_locked(&back);
	fes_mute(store->context, false);
	if (r < 0 && r != -ESTALE)
		fes_log(store->context, FES_LOG_ERROR,
			"%s: whether its list is the old or the new one cannot be seen (%s)",
			store->spec->name, strerror(-r));
}

int fes_list_store(struct fes_context *context, const struct fes_spec *spec,
	const char *expected, const char *text)
{
	struct store store = {context, spec, expected, text, false};
	int lock = fes_lock_wait(context, spec->lock_path, true), r;

	if (lock < 0) {
		if (lock != -ECANCELED)
			fes_log(context, FES_LOG_ERROR,
				"%s: its list cannot be changed: %s cannot be locked: %s",
				spec->name, spec->lock_path, strerror(-lock));
		return lock;
	}
	r = store_locked(&store);
	/* What stands there is not ours, even if it is the same, when another run came first. */
	if (r < 0 && store.began)
		take_back(&store);
	(void)close(lock);
	return r;
}
