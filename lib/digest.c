/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lib/internal.h"

/* Small enough to stay in a core's cache between reading and hashing. */
enum { PIECE = 256 * 1024 };

static int digest_stream(struct fes_volume *volume, struct fat_file *file, XXH3_state_t *state,
	uint8_t *buf)
{
	int64_t n = 1;
	int r = 0;

	if (XXH3_128bits_reset(state) != XXH_OK)
		return -ENOMEM;
	while (r == 0 && n > 0) {
		n = fat_file_read(file, buf, PIECE);
		if (n > 0 && XXH3_128bits_update(state, buf, (size_t)n) != XXH_OK)
			return -EINVAL;
		if (n > 0)
			fes_progress_add(volume->progress, (uint64_t)n);
		r = n < 0 ? (int)n : fes_poll(volume->context);
	}
	return r;
}

int fes_digest_file(struct fes_volume *volume, const struct fes_node *node, struct fes_digest *ret)
{
	XXH3_state_t *state = XXH3_createState();
	uint8_t *buf = blkdev_buffer_new(PIECE);
	struct fat_file *file = NULL;
	int r = -ENOMEM;

	if (state && buf)
		r = fat_file_open(volume->fat, node->first_cluster, node->size, node->path, &file);
	if (r == 0)
		r = digest_stream(volume, file, state, buf);
	if (r == 0) {
		XXH128_hash_t hash = XXH3_128bits_digest(state);

		*ret = (struct fes_digest){.high = hash.high64, .low = hash.low64};
	}
	fat_file_close(file);
	free(buf);
	(void)XXH3_freeState(state);
	return r;
}

/* ---- the primary's ---- */

enum job_state {
	JOB_NONE = 0,
	JOB_WANTED,
	JOB_DONE,
};

struct job {
	enum job_state state;
	int error;
	struct fes_digest digest;
};

/* The queue is in the order of wanting; each node is in it at most once. */
struct fes_digester {
	const struct fes_tree *tree;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *jobs; /* by node id */
	size_t *queue;
	size_t n_queued, n_taken;
	bool stopping;
	int error; /* the first one */
};

static bool take_job(struct fes_digester *d, size_t *ret)
{
	bool got;

	(void)pthread_mutex_lock(&d->lock);
	while (d->n_taken == d->n_queued && !d->stopping)
		(void)pthread_cond_wait(&d->changed, &d->lock);
	got = !d->stopping;
	if (got)
		*ret = d->queue[d->n_taken++];
	(void)pthread_mutex_unlock(&d->lock);
	return got;
}

static void finish_job(struct fes_digester *d, size_t id, int error, struct fes_digest digest)
{
	(void)pthread_mutex_lock(&d->lock);
	d->jobs[id] = (struct job){JOB_DONE, error, digest};
	if (d->error == 0 && error != -ECANCELED)
		d->error = error;
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
}

static void *run_jobs(void *userdata)
{
	struct fes_digester *d = userdata;
	size_t id;

	while (take_job(d, &id)) {
		struct fes_digest digest = {0};
		int r = fes_digest_file(d->tree->volume, d->tree->nodes[id], &digest);

		finish_job(d, id, r, digest);
	}
	return NULL;
}

static void digester_free(struct fes_digester *d)
{
	(void)pthread_cond_destroy(&d->changed);
	(void)pthread_mutex_destroy(&d->lock);
	free(d->jobs);
	free(d->queue);
	free(d);
}

int fes_digester_start(const struct fes_tree *primary, struct fes_digester **ret)
{
	struct fes_digester *d = calloc(1, sizeof *d);

	if (!d)
		return -ENOMEM;
	d->tree = primary;
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_cond_init(&d->changed, NULL);
	d->jobs = calloc(primary->n_nodes, sizeof *d->jobs);
	d->queue = calloc(primary->n_nodes, sizeof *d->queue);
	if (!d->jobs || !d->queue || pthread_create(&d->thread, NULL, run_jobs, d) != 0) {
		digester_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

void fes_digester_stop(struct fes_digester *d)
{
	if (!d)
		return;
	(void)pthread_mutex_lock(&d->lock);
	d->stopping = true;
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
	(void)pthread_join(d->thread, NULL);
	digester_free(d);
}

void fes_digester_want(struct fes_digester *d, const struct fes_node *node)
{
	(void)pthread_mutex_lock(&d->lock);
	if (d->jobs[node->id].state == JOB_NONE) {
		d->jobs[node->id].state = JOB_WANTED;
		d->queue[d->n_queued++] = node->id;
		(void)pthread_cond_broadcast(&d->changed);
	}
	(void)pthread_mutex_unlock(&d->lock);
}

int fes_digester_get(struct fes_digester *d, const struct fes_node *node, struct fes_digest *ret)
{
	const struct job *job = &d->jobs[node->id];
	int r;

	(void)pthread_mutex_lock(&d->lock);
	while (job->state == JOB_WANTED)
		(void)pthread_cond_wait(&d->changed, &d->lock);
	r = job->state == JOB_DONE ? job->error : -EINVAL;
	if (r == 0)
		*ret = job->digest;
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

bool fes_digester_has(struct fes_digester *d, const struct fes_node *node)
{
	bool has;

	(void)pthread_mutex_lock(&d->lock);
	has = d->jobs[node->id].state == JOB_DONE;
	(void)pthread_mutex_unlock(&d->lock);
	return has;
}

void fes_digester_note_error(struct fes_digester *d, int error)
{
	(void)pthread_mutex_lock(&d->lock);
	if (d->error == 0)
		d->error = error;
	(void)pthread_mutex_unlock(&d->lock);
}

int fes_digester_error(struct fes_digester *d)
{
	int error;

	(void)pthread_mutex_lock(&d->lock);
	error = d->error;
	(void)pthread_mutex_unlock(&d->lock);
	return error;
}
