/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a context says, kept for a test to look at. */

#include "lib/fatespsync.h"

struct messages {
	unsigned levels;  /* bits 1 << FES_LOG_...: what is kept and counted; 0: all */
	unsigned n;       /* so many came */
	char text[16384]; /* all of them, a line each */
	char last[4096];  /* the last one alone */
};

/* A new context whose messages go to @messages, which is borrowed. Fails the running case. */
struct fes_context *messages_new_context(struct messages *messages);

/* Forget what was said so far. */
void messages_clear(struct messages *messages);
