/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/internal.h"

/*
 * Finding out what a mirror's name stands for reads from its disk, and a dying disk may take its time
 * for that. So each has a thread of its own, which never touches the mirror: what it found is taken
 * over when somebody collects it.
 */

struct job {
	struct fes_resolver *resolver;
	struct fes_mirror *mirror;
	pthread_t thread;
	bool started;
	bool collected;
	/* What was found; the resolver's lock guards done, and with it the rest. */
	bool done;
	int result;
	char *message;
	struct fes_spec spec;
};

struct fes_resolver {
	struct fes_context *context;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *jobs;
	size_t n;
};

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct job *job = userdata;

	fes_log(job->resolver->context, level, "%s", message);
	if (level == FES_LOG_ERROR && !job->message)
		job->message = strdup(message);
}

/* What is reported has a reason; what is not is said here. */
static void *run_job(void *userdata)
{
	struct job *job = userdata;
	const char *name = job->mirror->spec_text;
	int r = fes_spec_resolve(&job->resolver->context->host, name, take_message, job, &job->spec);

	if (r < 0 && !job->message) {
		char text[512];

		(void)snprintf(text, sizeof text, "%.400s: %s", name, strerror(-r));
		take_message(job, FES_LOG_ERROR, text);
	}
	(void)pthread_mutex_lock(&job->resolver->lock);
	job->result = r;
	job->done = true;
	(void)pthread_cond_broadcast(&job->resolver->changed);
	(void)pthread_mutex_unlock(&job->resolver->lock);
	return NULL;
}

int fes_resolver_start(struct fes_context *context, struct fes_mirror *mirrors, size_t n,
	struct fes_resolver **ret)
{
	struct fes_resolver *resolver = calloc(1, sizeof *resolver);

	if (!resolver)
		return -ENOMEM;
	resolver->jobs = calloc(n + 1, sizeof *resolver->jobs);
	if (!resolver->jobs) {
		free(resolver);
		return -ENOMEM;
	}
	resolver->context = context;
	resolver->n = n;
	(void)pthread_mutex_init(&resolver->lock, NULL);
	(void)pthread_cond_init(&resolver->changed, NULL);
	for (size_t i = 0; i < n; i++) {
		struct job *job = &resolver->jobs[i];

		*job = (struct job){.resolver = resolver, .mirror = &mirrors[i]};
		job->done = job->collected = mirrors[i].state != 0;
		if (job->done)
			continue;
		job->started = pthread_create(&job->thread, NULL, run_job, job) == 0;
		if (!job->started)
			(void)run_job(job);
	}
	*ret = resolver;
	return 0;
}

static void collect_one(struct job *job)
{
	job->collected = true;
	job->mirror->resolved = job->result == 0;
	if (job->result < 0)
		fes_mirror_refuse(job->mirror, job->message ? job->message
							    : strerror(-job->result));
	else
		job->mirror->spec = job->spec;
}

static size_t count_unknown(const struct fes_resolver *resolver)
{
	size_t n = 0;

	for (size_t i = 0; i < resolver->n; i++)
		n += !resolver->jobs[i].done;
	return n;
}

/* A time of day, as pthread_cond_timedwait() wants it. */
static struct timespec in_ms(unsigned ms)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_REALTIME, &time);
	time.tv_nsec += (long)ms * 1000000;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

size_t fes_resolver_collect(struct fes_resolver *resolver, unsigned wait_ms)
{
	struct timespec end = in_ms(wait_ms);
	size_t unknown;
	int r = 0;

	(void)pthread_mutex_lock(&resolver->lock);
	while (r == 0 && count_unknown(resolver) > 0)
		r = pthread_cond_timedwait(&resolver->changed, &resolver->lock, &end);
	unknown = count_unknown(resolver);
	for (size_t i = 0; i < resolver->n; i++)
		if (resolver->jobs[i].done && !resolver->jobs[i].collected)
			collect_one(&resolver->jobs[i]);
	(void)pthread_mutex_unlock(&resolver->lock);
	return unknown;
}

void fes_resolver_stop(struct fes_resolver *resolver)
{
	for (size_t i = 0; i < resolver->n; i++) {
		struct job *job = &resolver->jobs[i];

		if (job->started)
			(void)pthread_join(job->thread, NULL);
		if (!job->collected && job->result == 0)
			fes_spec_done(&job->spec);
		free(job->message);
	}
	(void)pthread_cond_destroy(&resolver->changed);
	(void)pthread_mutex_destroy(&resolver->lock);
	free(resolver->jobs);
	free(resolver);
}
