/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SIGINT, SIGTERM and SIGHUP while mirrors are being written to. */

#include "lib/fatespsync.h"

/*
 * From now on the first of these signals interrupts what is done with @context (fes_interrupt());
 * the second ends the program at once. One that was ignored stays so, as nohup(1) wants it.
 * SIGPIPE is ignored meanwhile: who reads the messages may go, the mirrors are dealt with.
 */
void signals_watch(struct fes_context *context);

/* No longer. Returns the number of the signal that came, or 0. @context may go then. */
int signals_unwatch(void);

/*
 * End as if signal @number had never been caught, so that whoever waits for the program sees what
 * ended it: a shell ends the script, too, and systemd takes it for an orderly stop. Returns only
 * where signals do not kill, as in the first process of a container.
 */
void signals_die(int number);
