/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "fat/fat.h"

#include "lib/primary.h"

enum {
	TRIES = 6,
	FIRST_PAUSE_MS = 100, /* twice as long after each try: 3.1 seconds in all */
};

int fes_primary_open(struct fes_context *context, const struct fes_spec *spec,
	struct fes_volume **ret)
{
	struct fes_volume *volume;
	int r = fes_volume_open_spec(context, spec, FES_OPEN_SHARED, &volume, NULL);

	if (r < 0)
		return r;
	if (volume->shared)
		fes_log(context, FES_LOG_INFO, "%s: is in use: reading it as it is being written",
			volume->name);
	*ret = volume;
	return 0;
}

static int read_once(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_tree **ret)
{
	struct fat_check_result check;
	int r = fes_volume_require_sound(volume, &check);

	if (r == 0)
		r = fes_poll(volume->context);
	return r < 0 ? r : fes_tree_read(volume, managed, ret);
}

/* Two passes, each after what is in memory has reached the medium. */
static int read_twice(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_tree **ret)
{
	struct fes_tree *first = NULL, *second = NULL;
	bool same = false;
	int r = fes_volume_settle(volume);

	if (r == 0)
		r = fes_volume_reopen_fat(volume);
	if (r == 0)
		r = read_once(volume, managed, &first);
	if (r < 0)
		return r;
	r = fes_volume_look_again(volume);
	if (r == 0)
		r = fes_tree_read(volume, managed, &second);
	if (r == 0)
		same = fes_tree_same(first, second);
	fes_tree_free(second);
	if (r == 0 && same) {
		*ret = first;
		return 0;
	}
	fes_tree_free(first);
	return r < 0 ? r : -ESTALE;
}

static bool is_passing(int r)
{
	return r == -ESTALE || r == -EUCLEAN;
}

static void pause_ms(unsigned ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&time, NULL);
}

static int read_shared(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_tree **ret)
{
	unsigned ms = FIRST_PAUSE_MS;
	int r = -ESTALE;

	fes_volume_hold_back(volume);
	for (unsigned i = 0; i < TRIES && is_passing(r); i++) {
		if (i > 0) {
			pause_ms(ms);
			ms *= 2;
			fes_volume_forget_held(volume);
		}
		r = fes_poll(volume->context);
		if (r == 0)
			r = read_twice(volume, managed, ret);
	}
	if (r == -ESTALE)
		fes_volume_forget_held(volume); /* where it changed at last does not matter */
	fes_volume_let_go(volume);
	if (r == -ESTALE)
		fes_volume_report(volume,
			"is being written to all the time; run again when that is over");
	return r;
}

int fes_primary_read(struct fes_volume *volume, const struct fes_managed *managed,
	struct fes_tree **ret)
{
	return volume->shared ? read_shared(volume, managed, ret) : read_once(volume, managed, ret);
}
