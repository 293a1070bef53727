/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sync_esp(), the last step of a tool that has changed the EFI System Partition.
 *
 *   cc sync-esp.c $(pkg-config --cflags --libs libfatespsync) -o sync-esp
 *   ./sync-esp [PRIMARY [MIRROR...]]     without: that of this machine, and those on its list
 */
#include <fatespsync.h>
#include <stdio.h>

static void print_message(void *userdata, enum fes_log_level level, const char *message)
{
	(void)userdata;
	if (level <= FES_LOG_WARNING)
		fprintf(stderr, "sync-esp: %s\n", message);
}

/* A mirror that is missing is no failure: it is made equal when it is there again. */
static int is_stale(const struct fes_mirror *mirror)
{
	enum fes_mirror_state state = fes_mirror_get_state(mirror);

	printf("%s: %llu bytes written\n", fes_mirror_get_spec(mirror),
		(unsigned long long)fes_mirror_get_bytes_written(mirror));
	return state == FES_MIRROR_REFUSED || state == FES_MIRROR_FAILED;
}

/* @names: the primary and the mirrors, NULL behind the last. Returns how many mirrors are stale. */
static int sync_esp(struct fes_context *context, char **names)
{
	struct fes_sync *sync;
	int n_stale = 0, r = fes_sync_new(context, &sync);

	if (r < 0)
		return r;
	if (*names)
		r = fes_sync_set_primary(sync, *names++);
	while (r == 0 && *names)
		r = fes_sync_add_mirror(sync, *names++);
	if (r == 0)
		r = fes_sync_run(sync);
	for (size_t i = 0; r == 0 && i < fes_sync_get_n_mirrors(sync); i++)
		n_stale += is_stale(fes_sync_get_mirror(sync, i));
	fes_sync_free(sync);
	return r < 0 ? r : n_stale;
}

int main(int argc, char **argv)
{
	struct fes_context *context;
	int r = fes_new(&context);

	if (r == 0) {
		fes_set_log(context, print_message, NULL);
		r = sync_esp(context, argc > 0 ? argv + 1 : argv);
		fes_free(context);
	}
	return r != 0;
}
