/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/messages.h"

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct messages *messages = userdata;
	size_t len = strlen(messages->text);

	if (messages->levels && !(messages->levels & 1u << level))
		return;
	messages->n++;
	(void)snprintf(messages->text + len, sizeof messages->text - len, "%s\n", message);
	(void)snprintf(messages->last, sizeof messages->last, "%s", message);
}

struct fes_context *messages_new_context(struct messages *messages)
{
	struct fes_context *context;

	ck_assert_int_eq(fes_new(&context), 0);
	fes_set_log(context, take_message, messages);
	return context;
}

void messages_clear(struct messages *messages)
{
	messages->n = 0;
	messages->text[0] = '\0';
	messages->last[0] = '\0';
}
