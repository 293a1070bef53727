/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"
#include "lib/patience.h"

/*
 * Finding out what a mirror's name stands for reads from its disk, and a dying disk may take its time
 * for that. So each has a thread of its own, which never touches the mirror: what it found is taken
 * over when somebody collects it.
 */

/* What a name stands for. */
struct found {
	int result;
	char *message;
	struct fes_spec spec;
};

struct job {
	struct fes_resolver *resolver;
	struct fes_mirror *mirror;
	pthread_t thread;
	bool started;
	bool collected;
	/* What was found; the resolver's lock guards done, and with it the rest. */
	bool done;
	struct found found;
	struct found xbootldr; /* of its disk, if it goes along */
};

struct fes_resolver {
	struct fes_context *context;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum fes_xbootldr_way xbootldr;
	struct job *jobs;
	size_t n;
};

/* A name that is being resolved. */
struct asking {
	struct fes_context *context;
	struct found *found;
	bool again; /* the same disk was looked at before: warnings were given */
};

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct asking *asking = userdata;

	if (level == FES_LOG_ERROR || !asking->again)
		fes_log(asking->context, level, "%s", message);
	if (level == FES_LOG_ERROR && !asking->found->message)
		asking->found->message = strdup(message);
}

/* What is reported has a reason; what is not is said here. */
static void resolve(struct fes_context *context, const char *name, bool again, struct found *ret)
{
	struct asking asking = {context, ret, again};

	ret->result = fes_spec_resolve(&context->host, name, take_message, &asking, &ret->spec);
	if (ret->result < 0 && !ret->message) {
		char text[512];

		(void)snprintf(text, sizeof text, "%.400s: %s", name, strerror(-ret->result));
		take_message(&asking, FES_LOG_ERROR, text);
	}
}

static void *run_job(void *userdata)
{
	struct job *job = userdata;
	struct fes_resolver *resolver = job->resolver;

	resolve(resolver->context, job->mirror->spec_text, false, &job->found);
	if (job->found.spec.xbootldr && resolver->xbootldr == FES_XBOOTLDR_GOES_ALONG)
		resolve(resolver->context, job->found.spec.xbootldr, true, &job->xbootldr);
	(void)pthread_mutex_lock(&resolver->lock);
	job->done = true;
	(void)pthread_cond_broadcast(&resolver->changed);
	(void)pthread_mutex_unlock(&resolver->lock);
	return NULL;
}

int fes_resolver_start(struct fes_context *context, struct fes_mirror *mirrors, size_t n,
	enum fes_xbootldr_way xbootldr, struct fes_resolver **ret)
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
	resolver->xbootldr = xbootldr;
	resolver->n = n;
	(void)pthread_mutex_init(&resolver->lock, NULL);
	fes_cond_init(&resolver->changed);
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

/* Put what was found into @mirror. */
static void take_over(struct fes_mirror *mirror, const struct found *found)
{
	mirror->resolved = found->result == 0;
	if (mirror->resolved)
		mirror->spec = found->spec;
	else
		fes_mirror_refuse(mirror,
			found->message ? found->message : strerror(-found->result));
}

static void collect_xbootldr(struct job *job)
{
	struct fes_mirror *mirror = job->mirror, *xbootldr = calloc(1, sizeof *xbootldr);

	if (xbootldr)
		xbootldr->spec_text = strdup(mirror->spec.xbootldr);
	if (!xbootldr || !xbootldr->spec_text) {
		free(xbootldr);
		if (job->xbootldr.result == 0)
			fes_spec_done(&job->xbootldr.spec);
		fes_log(job->resolver->context, FES_LOG_ERROR, "%s: out of memory",
			mirror->spec.name);
		fes_mirror_refuse(mirror, "out of memory");
		return;
	}
	take_over(xbootldr, &job->xbootldr);
	mirror->xbootldr = xbootldr;
}

static void collect_one(struct job *job)
{
	const struct fes_resolver *resolver = job->resolver;
	struct fes_mirror *mirror = job->mirror;

	job->collected = true;
	take_over(mirror, &job->found);
	if (!mirror->resolved || !mirror->spec.xbootldr)
		return;
	if (resolver->xbootldr == FES_XBOOTLDR_GOES_ALONG)
		collect_xbootldr(job);
	if (resolver->xbootldr == FES_XBOOTLDR_IS_MORE)
		fes_log(resolver->context, FES_LOG_WARNING,
			"%s: its disk has an XBOOTLDR partition (%s), but the primary's has none: it is left alone, with what there may be to boot from it",
			mirror->spec.name, mirror->spec.xbootldr);
}

static size_t count_unknown(const struct fes_resolver *resolver)
{
	size_t n = 0;

	for (size_t i = 0; i < resolver->n; i++)
		n += !resolver->jobs[i].done;
	return n;
}

size_t fes_resolver_collect(struct fes_resolver *resolver, unsigned wait_ms)
{
	struct timespec end = fes_in_ms(wait_ms);
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

static void forget(struct found *found)
{
	if (found->result == 0)
		fes_spec_done(&found->spec);
}

void fes_resolver_stop(struct fes_resolver *resolver)
{
	for (size_t i = 0; i < resolver->n; i++) {
		struct job *job = &resolver->jobs[i];

		if (job->started)
			(void)pthread_join(job->thread, NULL);
		if (!job->collected)
			forget(&job->found);
		if (!job->collected)
			forget(&job->xbootldr);
		free(job->found.message);
		free(job->xbootldr.message);
	}
	(void)pthread_cond_destroy(&resolver->changed);
	(void)pthread_mutex_destroy(&resolver->lock);
	free(resolver->jobs);
	free(resolver);
}
