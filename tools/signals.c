/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "tools/signals.h"

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

enum { N_NUMBERS = sizeof numbers / sizeof numbers[0] };

/* A handler is given nothing but the signal's number; hence the program's only variables. */
static struct fes_context *_Atomic watched;
static atomic_int caught; /* the first signal, or 0 */
static bool pipe_ignored; /* from the beginning */

static void interrupt_watched(int number)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&caught, &none, number)) {
		fes_interrupt(atomic_load(&watched));
		return;
	}
	/* Sent again: it is delivered, and kills, when this handler returns. */
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static bool is_handled_by(int number, void (*handler)(int number))
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == handler;
}

void signals_watch(struct fes_context *context)
{
	/* What is being read or written goes on: the library looks for itself where to stop. */
	struct sigaction action = {.sa_handler = interrupt_watched, .sa_flags = SA_RESTART};

	atomic_store(&watched, context);
	atomic_store(&caught, 0);
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < N_NUMBERS; i++)
		if (!is_handled_by(numbers[i], SIG_IGN))
			(void)sigaction(numbers[i], &action, NULL);
	/* That nobody reads a message about one mirror is no reason to leave the others. */
	pipe_ignored = is_handled_by(SIGPIPE, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
}

int signals_unwatch(void)
{
	for (size_t i = 0; i < N_NUMBERS; i++)
		if (is_handled_by(numbers[i], interrupt_watched))
			(void)signal(numbers[i], SIG_DFL);
	if (!pipe_ignored)
		(void)signal(SIGPIPE, SIG_DFL);
	return atomic_load(&caught);
}

void signals_die(int number)
{
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}
