/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/internal.h"

enum { DEFAULT_TIMEOUT = 30 }; /* seconds */

const char *fes_version(void)
{
	return PACKAGE_VERSION;
}

int fes_new(struct fes_context **ret)
{
	struct fes_context *context = calloc(1, sizeof *context);

	if (!context)
		return -ENOMEM;
	if (pthread_mutex_init(&context->log_lock, NULL) != 0) {
		free(context);
		return -ENOMEM;
	}
	(void)pthread_mutex_init(&context->host.lock, NULL);
	context->timeout_seconds = DEFAULT_TIMEOUT;
	atomic_init(&context->wake, -1);
	*ret = context;
	return 0;
}

void fes_free(struct fes_context *context)
{
	if (!context)
		return;
	fes_host_forget(&context->host);
	(void)pthread_mutex_destroy(&context->host.lock);
	for (size_t i = 0; i < context->host.n_disks; i++)
		free(context->host.disks[i]);
	free(context->host.disks);
	free(context->host.root);
	(void)pthread_mutex_destroy(&context->log_lock);
	if (context->wake >= 0)
		(void)close(context->wake);
	free(context);
}

void fes_set_log(struct fes_context *context, fes_log_fn fn, void *userdata)
{
	context->log = fn;
	context->log_userdata = userdata;
}

void fes_set_timeout(struct fes_context *context, unsigned seconds)
{
	context->timeout_seconds = seconds;
}

int fes_add_disk(struct fes_context *context, const char *path)
{
	struct fes_host *host = &context->host;
	char **disks = realloc(host->disks, (host->n_disks + 1) * sizeof *disks);
	char *copy = strdup(path);

	if (disks)
		host->disks = disks;
	if (!disks || !copy) {
		free(copy);
		return -ENOMEM;
	}
	disks[host->n_disks++] = copy;
	return 0;
}

int fes_set_root(struct fes_context *context, const char *root)
{
	char *copy = strdup(root);

	if (!copy)
		return -ENOMEM;
	free(context->host.root);
	context->host.root = copy;
	return 0;
}

/* In a signal handler, too: errno is that of what was interrupted. */
void fes_interrupt(struct fes_context *context)
{
	const uint64_t one = 1;
	int error = errno, wake;

	atomic_store(&context->interrupted, true);
	wake = atomic_load(&context->wake);
	/* When it cannot be written to, it has been written to often enough. */
	if (wake >= 0 && write(wake, &one, sizeof one) < 0)
		errno = error;
}

int fes_wake_fd(struct fes_context *context)
{
	if (atomic_load(&context->wake) < 0)
		atomic_store(&context->wake, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	return atomic_load(&context->wake);
}

int fes_poll(struct fes_context *context)
{
	return atomic_load(&context->interrupted) && !context->insisting ? -ECANCELED : 0;
}

void fes_insist(struct fes_context *context, bool insist)
{
	context->insisting = insist;
}

void fes_mute(struct fes_context *context, bool mute)
{
	context->muted = mute;
}

void fes_log_one_line(char *text)
{
	for (; *text; text++)
		if (*text == '\n' || *text == '\r')
			*text = '?';
}

int fes_log_measure(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len <= max)
		return (int)len;
	for (len = max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	return (int)len;
}

void fes_log(struct fes_context *context, enum fes_log_level level, const char *format, ...)
{
	char text[4096];
	va_list args;

	if (!context->log)
		return;
	if (context->muted)
		level = FES_LOG_INFO;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fes_log_one_line(text);
	(void)pthread_mutex_lock(&context->log_lock);
	context->log(context->log_userdata, level, text);
	(void)pthread_mutex_unlock(&context->log_lock);
}
