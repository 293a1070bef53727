/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/edit.h"
#include "lib/efivar.h"
#include "lib/needs.h"
#include "lib/primary.h"
#include "lib/sync.h"

enum { ALL_FLAGS = FES_SYNC_DRY_RUN | FES_SYNC_QUICK | FES_SYNC_FORCE | FES_SYNC_BOOTS };

/* Mirrors whose disks take longer than GRACE_MS to say what they are come after the others. */
enum { GRACE_MS = 2000, SLICE_MS = 50, RESTARTS_MAX = 3 };

int fes_sync_new(struct fes_context *context, struct fes_sync **ret)
{
	struct fes_sync *sync = calloc(1, sizeof *sync);
	int r;

	if (!sync)
		return -ENOMEM;
	sync->context = context;
	sync->listener.context = context;
	r = fes_managed_init(&sync->managed);
	if (r < 0) {
		free(sync);
		return r;
	}
	*ret = sync;
	return 0;
}

void fes_sync_free(struct fes_sync *sync)
{
	if (!sync)
		return;
	for (size_t i = 0; i < sync->n_mirrors; i++)
		fes_mirror_done(&sync->mirrors[i]);
	free(sync->mirrors);
	fes_xbootldr_done(&sync->xbootldr);
	fes_primary_boots_done(&sync->boots);
	fes_tree_free(sync->tree);
	fes_volume_close(sync->primary);
	fes_spec_done(&sync->primary_spec);
	fes_list_done(&sync->list);
	fes_edits_done(sync);
	fes_managed_done(&sync->managed);
	free(sync->running);
	free(sync->primary_text);
	free(sync);
}

int fes_sync_set_primary(struct fes_sync *sync, const char *spec)
{
	char *copy;

	if (sync->ran)
		return -EALREADY;
	copy = strdup(spec);
	if (!copy)
		return -ENOMEM;
	free(sync->primary_text);
	sync->primary_text = copy;
	sync->primary_given = true;
	return 0;
}

int fes_sync_add_mirror(struct fes_sync *sync, const char *spec)
{
	if (sync->ran)
		return -EALREADY;
	sync->mirrors_given = true;
	return fes_sync_push_mirror(sync, spec, false);
}

int fes_sync_push_mirror(struct fes_sync *sync, const char *spec, bool listed)
{
	struct fes_mirror *mirrors;
	char *copy = strdup(spec);

	if (!copy)
		return -ENOMEM;
	mirrors = realloc(sync->mirrors, (sync->n_mirrors + 1) * sizeof *mirrors);
	if (!mirrors) {
		free(copy);
		return -ENOMEM;
	}
	sync->mirrors = mirrors;
	mirrors[sync->n_mirrors++] = (struct fes_mirror){.spec_text = copy, .listed = listed};
	return 0;
}

static int check_path(struct fes_sync *sync, const char *path, int r)
{
	if (r == -EINVAL)
		fes_log(sync->context, FES_LOG_ERROR,
			"'%s': not a path that can be managed or excluded: it must begin with '/', name something below the root, and have no '.' or '..' in it",
			path);
	return r;
}

int fes_sync_add_managed(struct fes_sync *sync, const char *path)
{
	if (sync->ran)
		return -EALREADY;
	return check_path(sync, path, fes_managed_add(&sync->managed, path));
}

int fes_sync_add_excluded(struct fes_sync *sync, const char *path)
{
	if (sync->ran)
		return -EALREADY;
	return check_path(sync, path, fes_managed_exclude(&sync->managed, path));
}

void fes_sync_set_flags(struct fes_sync *sync, unsigned flags)
{
	sync->flags = flags;
}

void fes_sync_set_random_seed(struct fes_sync *sync, enum fes_random_seed random_seed)
{
	sync->random_seed = random_seed;
}

void fes_sync_set_progress(struct fes_sync *sync, fes_progress_fn fn, void *userdata)
{
	sync->listener.fn = fn;
	sync->listener.userdata = userdata;
}

const struct fes_volume *fes_sync_get_primary(const struct fes_sync *sync)
{
	return sync->primary;
}

const struct fes_volume *fes_sync_get_primary_xbootldr(const struct fes_sync *sync)
{
	return sync->xbootldr.volume;
}

size_t fes_sync_get_n_mirrors(const struct fes_sync *sync)
{
	return sync->n_mirrors;
}

const struct fes_mirror *fes_sync_get_mirror(const struct fes_sync *sync, size_t i)
{
	return i < sync->n_mirrors ? &sync->mirrors[i] : NULL;
}

/* ---- which is which ---- */

static void log_message(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

/* Nothing was done about it yet, and it is known what it is. */
static bool is_ready(const struct fes_mirror *mirror)
{
	return mirror->state == 0 && mirror->resolved;
}

/* Try to lock the primary, and the mirrors that are ready. */
static int take_locks(struct fes_sync *sync, bool report_held)
{
	size_t n = sync->n_mirrors + 1;
	struct fes_lock_request *requests = calloc(n, sizeof *requests);
	int r;

	if (!requests)
		return -ENOMEM;
	requests[sync->n_mirrors].spec = &sync->primary_spec;
	for (size_t i = 0; i < sync->n_mirrors; i++) {
		if (is_ready(&sync->mirrors[i]))
			requests[i].spec = &sync->mirrors[i].spec;
		requests[i].exclusive = !(sync->flags & FES_SYNC_DRY_RUN);
	}
	r = fes_locks_try(sync->context, requests, n, report_held, &sync->locks);
	for (size_t i = 0; r == 0 && i < sync->n_mirrors; i++) {
		sync->mirrors[i].locked = requests[i].spec && requests[i].result == 0;
		if (requests[i].why[0])
			fes_mirror_refuse(&sync->mirrors[i], requests[i].why);
	}
	if (r == 0)
		r = requests[sync->n_mirrors].result;
	free(requests);
	return r;
}

/* ---- the primary ---- */

static int require_content(struct fes_sync *sync)
{
	if (fes_node_leads_to_managed(sync->tree->root) || sync->flags & FES_SYNC_FORCE)
		return 0;
	fes_volume_report(sync->primary,
		"holds nothing of what is to be mirrored (%s, ...): is it the right one? Going on would empty the mirrors; --force does",
		sync->managed.paths[0]);
	return -ENODATA;
}

/* Nobody could open such a file; that a damaged name is left out should still be said. */
static void warn_of_names(struct fes_sync *sync, const struct fes_tree *tree)
{
	for (size_t i = 1; i < tree->n_nodes; i++)
		if (strchr(tree->nodes[i]->name, '/'))
			fes_log(sync->context, FES_LOG_WARNING,
				"%s: %s: not mirrored: its name has a '/' in it",
				tree->volume->name, tree->nodes[i]->path);
}

int fes_sync_read_volume(struct fes_sync *sync, const struct fes_spec *spec,
	struct fes_volume **volume, struct fes_tree **tree)
{
	int r;

	fes_volume_close(*volume);
	*volume = NULL;
	r = fes_primary_open(sync->context, spec, volume);
	if (r == 0)
		r = fes_spec_look_again(&sync->context->host, spec, log_message, sync->context);
	if (r == 0)
		r = fes_primary_read(*volume, &sync->managed, tree);
	if (r == 0)
		warn_of_names(sync, *tree);
	return r;
}

static int open_primary(struct fes_sync *sync)
{
	int r = fes_sync_read_volume(sync, &sync->primary_spec, &sync->primary, &sync->tree);

	return r < 0 ? r : require_content(sync);
}

/* Once, however often the primary is read. */
static int warn_of_entries(struct fes_sync *sync)
{
	bool judged = sync->flags & FES_SYNC_BOOTS;
	int r = 0;

	if (sync->began)
		return 0;
	if (sync->xbootldr.tree)
		r = fes_needs_warn(sync->xbootldr.tree->needs, &sync->managed, sync->xbootldr.tree,
			judged);
	return r < 0 ? r : fes_needs_warn(sync->tree->needs, &sync->managed, sync->tree, judged);
}

/* Not known where something else than systemd-boot started the system: then nothing is spared for it. */
static void find_running(struct fes_sync *sync)
{
	char id[FES_ENTRY_ID_MAX];

	if (!sync->running && fes_efivar_loader_entry(fes_host_root(&sync->context->host), id) == 0)
		sync->running = strdup(id);
}

/* ---- mirrors, side by side ---- */

struct job {
	struct fes_mirror *mirror;
	const struct fes_run *run;
	pthread_t thread;
	bool started;
};

/* A volume of a mirror that is being opened. */
struct opening {
	struct fes_mirror *mirror;
	const struct fes_run *run;
};

static void take_error(void *userdata, enum fes_log_level level, const char *message)
{
	struct opening *opening = userdata;

	fes_log(opening->run->context, level, "%s", message);
	if (!opening->mirror->message)
		opening->mirror->message = strdup(message);
}

/*
 * Its name was looked up before it was locked and claimed: meanwhile the disk may have been
 * partitioned anew, or another have got its node.
 */
static void open_mirror(struct fes_mirror *mirror, const struct fes_run *run)
{
	struct opening opening = {mirror, run};
	bool dry_run = run->flags & FES_SYNC_DRY_RUN;
	int r;

	fes_progress_attach(&mirror->progress, run->listener, mirror);
	fes_progress_begin(&mirror->progress, FES_PROGRESS_CHECK, 0);
	r = fes_volume_open_spec(run->context, &mirror->spec,
		dry_run ? FES_OPEN_PROBE : FES_OPEN_WRITE, &mirror->volume, &mirror->message);

	if (r == 0)
		r = fes_spec_look_again(&run->context->host, &mirror->spec, take_error,
			&opening);
	if (r < 0 && !mirror->message)
		fes_sync_refuse(run->context, mirror, strerror(-r));
	if (r == 0) {
		mirror->volume->progress = &mirror->progress;
		return;
	}
	fes_mirror_refuse(mirror, strerror(-r));
	fes_volume_close(mirror->volume);
	mirror->volume = NULL;
}

static void end_progress(struct fes_mirror *mirror)
{
	if (mirror->xbootldr)
		fes_progress_end(&mirror->xbootldr->progress);
	fes_progress_end(&mirror->progress);
}

/* Opening reads, too, and a dying disk may take its time for that. */
static void *run_job(void *userdata)
{
	struct job *job = userdata;
	struct fes_mirror *mirror = job->mirror;

	open_mirror(mirror, job->run);
	if (mirror->state == 0 && mirror->xbootldr && mirror->xbootldr->state == 0)
		open_mirror(mirror->xbootldr, job->run);
	if (mirror->state == 0)
		fes_mirror_sync(mirror, job->run);
	end_progress(mirror);
	return NULL;
}

/* Deal with those that are locked. */
static int run_mirrors(struct fes_sync *sync, const struct fes_run *run)
{
	struct job *jobs = calloc(sync->n_mirrors + 1, sizeof *jobs);

	if (!jobs)
		return -ENOMEM;
	for (size_t i = 0; i < sync->n_mirrors; i++) {
		jobs[i] = (struct job){.mirror = &sync->mirrors[i], .run = run};
		if (jobs[i].mirror->state != 0 || !jobs[i].mirror->locked)
			continue;
		jobs[i].started = pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) == 0;
		if (!jobs[i].started)
			(void)run_job(&jobs[i]);
	}
	for (size_t i = 0; i < sync->n_mirrors; i++)
		if (jobs[i].started)
			(void)pthread_join(jobs[i].thread, NULL);
	free(jobs);
	return 0;
}

static bool any_written(const struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_mirrors; i++) {
		const struct fes_mirror *xbootldr = sync->mirrors[i].xbootldr;

		if (sync->mirrors[i].stats.writes > 0 || (xbootldr && xbootldr->stats.writes > 0))
			return true;
	}
	return false;
}

static const char *why_left(int r, bool written)
{
	switch (-r) {
	case ECANCELED:
		return written ? "interrupted before the commit: its files are as they were; run again" :
				 "interrupted; nothing was written to it";
	case ENOMEM:
		return "out of memory";
	case ESTALE:
	case EAGAIN:
		return "the primary was being written to, or locked, while this one was waited for; run again";
	default:
		return "the primary could not be read again; the files of this one are as they were";
	}
}

/* One that is to be done again may have been written to, though nothing was committed. */
static void refuse_left(struct fes_context *context, struct fes_mirror *mirror, int r)
{
	bool written = mirror->stats.writes > 0;

	if (mirror->state != 0)
		return;
	if (mirror->xbootldr && mirror->xbootldr->stats.writes > 0)
		refuse_left(context, mirror->xbootldr, r);
	fes_sync_refuse(context, mirror, why_left(r, written));
	if (written)
		mirror->state = FES_MIRROR_FAILED;
}

static void refuse_rest(struct fes_sync *sync, int r)
{
	for (size_t i = 0; i < sync->n_mirrors; i++)
		refuse_left(sync->context, &sync->mirrors[i], r);
}

static bool any_left(const struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_mirrors; i++)
		if (sync->mirrors[i].state == 0)
			return true;
	return false;
}

static bool any_ready(const struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_mirrors; i++)
		if (is_ready(&sync->mirrors[i]))
			return true;
	return false;
}

static bool any_locked(const struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_mirrors; i++)
		if (sync->mirrors[i].locked)
			return true;
	return false;
}

static void end(struct fes_sync *sync, struct fes_run *run)
{
	int r = fes_xbootldr_end(sync, run);

	if (run->digester && sync->read_error == 0)
		sync->read_error = fes_digester_error(run->digester);
	if (sync->read_error == 0)
		sync->read_error = r;
	fes_digester_stop(run->digester);
	fes_tree_free(sync->tree);
	run->digester = NULL;
	sync->tree = NULL;
}

/* Read the primary, or read it anew. */
static int begin(struct fes_sync *sync, struct fes_run *run)
{
	int r;

	end(sync, run);
	r = open_primary(sync);
	if (r < 0)
		return r;
	find_running(sync);
	run->primary = sync->primary;
	run->tree = sync->tree;
	run->running = sync->running;
	r = fes_xbootldr_begin(sync, run);
	if (r == 0)
		r = warn_of_entries(sync);
	if (r == 0)
		r = fes_sync_judge_primary(sync);
	if (r == 0)
		r = fes_digester_start(sync->tree, &run->digester);
	sync->began |= r == 0;
	return r;
}

/* A primary that is mounted may change while it is copied. One that is not should not. */
static bool may_restart(const struct fes_sync *sync)
{
	const struct fes_volume *xbootldr = sync->xbootldr.volume;

	return (sync->primary->shared || (xbootldr && xbootldr->shared)) &&
		sync->restarts < RESTARTS_MAX;
}

static void log_restart(struct fes_sync *sync)
{
	sync->restarts++;
	fes_log(sync->context, FES_LOG_INFO, "%s: changed while it was read; reading it again",
		sync->primary->name);
}

/* Of the primary. */
static void each_volume(struct fes_sync *sync, void (*do_it)(struct fes_volume *volume))
{
	if (sync->primary)
		do_it(sync->primary);
	if (sync->xbootldr.volume)
		do_it(sync->xbootldr.volume);
}

static size_t reset_stale(struct fes_sync *sync)
{
	size_t n = 0;

	for (size_t i = 0; i < sync->n_mirrors; i++) {
		const struct fes_mirror *xbootldr = sync->mirrors[i].xbootldr;

		if (!sync->mirrors[i].stale && !(xbootldr && xbootldr->stale))
			continue;
		fes_mirror_reset(&sync->mirrors[i]);
		n++;
	}
	return n;
}

/* Whether a file of the primary could not be read: somebody has failed for that, and stays so. */
static bool any_unreadable(const struct fes_sync *sync, const struct fes_run *run)
{
	struct fes_digester *xbootldr = sync->xbootldr.run.digester;

	return fes_digester_error(run->digester) < 0 ||
		(xbootldr && fes_digester_error(xbootldr) < 0);
}

/*
 * Deal with those that are locked; and again with those for which the primary changed while they were
 * copied, which nothing was committed to.
 */
static int run_until_stable(struct fes_sync *sync, struct fes_run *run)
{
	bool again;
	int r;

	do {
		again = may_restart(sync);
		if (again)
			each_volume(sync, fes_volume_hold_back);
		r = run_mirrors(sync, run);
		again = again && r == 0 && reset_stale(sync) > 0;
		if (again && !any_unreadable(sync, run))
			each_volume(sync, fes_volume_forget_held);
		each_volume(sync, fes_volume_let_go);
		if (again) {
			log_restart(sync);
			r = begin(sync, run);
		}
	} while (again && r == 0);
	return r;
}

/*
 * Deal with all mirrors that can be locked now. Between two rounds no lock is held, so that somebody
 * may write to the primary: each reads it anew, and none keeps it claimed.
 */
static int run_round(struct fes_sync *sync, struct fes_run *run, bool last)
{
	int r = fes_poll(sync->context);

	if (r == 0)
		r = take_locks(sync, last);
	if (r == 0 && (!sync->began || any_locked(sync)))
		r = begin(sync, run);
	if (r == 0 && run->digester)
		r = run_until_stable(sync, run);
	end(sync, run);
	each_volume(sync, fes_volume_release);
	fes_locks_done(&sync->locks);
	return r;
}

/* Wait for what the names stand for, not for long. Returns how many are still unknown. */
static size_t resolve_mirrors(struct fes_sync *sync, unsigned wait_ms)
{
	size_t unknown = fes_resolver_collect(sync->resolver, SLICE_MS);

	for (unsigned ms = SLICE_MS; ms < wait_ms && unknown > 0; ms += SLICE_MS)
		if (fes_poll(sync->context) == 0)
			unknown = fes_resolver_collect(sync->resolver, SLICE_MS);
	fes_sync_refuse_twins(sync);
	return unknown;
}

/* That somebody else has locked it, or the primary. */
static void tell_waiting(struct fes_sync *sync)
{
	for (size_t i = 0; i < sync->n_mirrors; i++) {
		struct fes_mirror *mirror = &sync->mirrors[i];

		if (!is_ready(mirror))
			continue;
		fes_progress_attach(&mirror->progress, &sync->listener, mirror);
		fes_progress_begin(&mirror->progress, FES_PROGRESS_WAIT, 0);
	}
}

/*
 * Round after round until all are dealt with, or the time for locks is up and it is known of all what
 * they are.
 */
static int run_rounds(struct fes_sync *sync, struct fes_run *run)
{
	unsigned left_ms = fes_lock_patience(sync->context);
	size_t unknown = resolve_mirrors(sync, GRACE_MS);

	for (;;) {
		bool last = left_ms == 0;
		int r = run_round(sync, run, last);

		if ((r < 0 && r != -EAGAIN) || (r == 0 && !any_left(sync)))
			return r;
		if (last && (r < 0 || unknown == 0))
			return r;
		if (!last && (r < 0 || any_ready(sync))) {
			tell_waiting(sync);
			fes_lock_pause(&left_ms);
		}
		unknown = resolve_mirrors(sync, unknown > 0 ? SLICE_MS : 0);
	}
}

/* Whether it was the primary that failed, and not just its time. */
static bool is_failure(int r)
{
	return r < 0 && r != -ESTALE && r != -EAGAIN && r != -ECANCELED;
}

/* A primary that cannot be read through fails the run, unless a mirror could do without that part. */
static int run_all(struct fes_sync *sync)
{
	struct fes_run run = {
		.context = sync->context,
		.managed = &sync->managed,
		.flags = sync->flags,
		.random_seed = sync->random_seed,
		.listener = &sync->listener,
	};
	int r = run_rounds(sync, &run);

	if (!sync->began)
		return r;
	refuse_rest(sync, r);
	if (!is_failure(r))
		r = sync->read_error;
	return any_written(sync) ? 0 : r;
}

static enum fes_xbootldr_way how_xbootldr_goes(const struct fes_sync *sync)
{
	if (sync->xbootldr.there)
		return FES_XBOOTLDR_GOES_ALONG;
	return sync->primary_spec.xbootldr ? FES_XBOOTLDR_STAYS : FES_XBOOTLDR_IS_MORE;
}

static int sync_mirrors(struct fes_sync *sync)
{
	int r = fes_xbootldr_find(sync);

	if (r == 0)
		r = fes_resolver_start(sync->context, sync->mirrors, sync->n_mirrors,
			how_xbootldr_goes(sync), &sync->resolver);
	if (r < 0)
		return r;
	r = run_all(sync);
	for (size_t i = 0; i < sync->n_mirrors; i++)
		end_progress(&sync->mirrors[i]);
	fes_resolver_stop(sync->resolver);
	return r;
}

int fes_sync_find_primary(struct fes_sync *sync)
{
	int r = 0;

	if (!sync->primary_text)
		r = fes_find_default_primary(sync->context, &sync->primary_text);
	return r < 0 ? r : fes_spec_resolve(&sync->context->host, sync->primary_text, log_message,
		sync->context, &sync->primary_spec);
}

static int sync_listed(struct fes_sync *sync)
{
	int r = fes_sync_take_list(sync);

	if (r < 0)
		return r;
	return sync->n_mirrors > 0 ? sync_mirrors(sync) : fes_sync_judge_primary_alone(sync);
}

static int run_once(struct fes_sync *sync)
{
	int r;

	if (!sync->beside)
		fes_host_forget(&sync->context->host);
	r = fes_sync_find_primary(sync);
	if (r == 0)
		r = fes_sync_read_list(sync);
	if (r == 0)
		r = fes_sync_require_sole_primary(sync);
	/* Two lists may have the same size, and be written within the two seconds that FAT can tell. */
	if (sync->n_edits > 0)
		sync->flags &= ~(unsigned)FES_SYNC_QUICK;
	if (r == 0 && sync->n_edits > 0)
		r = fes_edit_list(sync);
	if (r < 0 || sync->edit_refused)
		return r;
	r = sync_listed(sync);
	return sync->n_edits > 0 ? fes_edit_settle(sync, r) : r;
}

/* What the caller cannot have meant, or what this version cannot do. */
static int check_request(struct fes_sync *sync)
{
	unsigned unknown = sync->flags & ~(unsigned)ALL_FLAGS;

	if (unknown) {
		fes_log(sync->context, FES_LOG_ERROR,
			"flags 0x%x are none that this version of the library knows (%s)", unknown,
			fes_version());
		return -EINVAL;
	}
	if (sync->mirrors_given && sync->n_edits > 0) {
		fes_log(sync->context, FES_LOG_ERROR,
			"mirrors were named, and changes of the list, too: a change of the list syncs all that are on it, and no others");
		return -EINVAL;
	}
	return 0;
}

int fes_sync_run(struct fes_sync *sync)
{
	int r;

	if (sync->ran)
		return -EALREADY;
	sync->ran = true;
	r = check_request(sync);
	if (r == 0)
		r = run_once(sync);
	if (r == -ECANCELED)
		refuse_rest(sync, r);
	if (r == -ENOMEM)
		fes_log(sync->context, FES_LOG_ERROR, "%s: out of memory",
			sync->primary_text ? sync->primary_text : "the primary");
	return r;
}
