/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/faults-program.h"
#include "tests/faults-wrap.h"

void *__wrap_malloc(size_t size);

/* libjansson has calls of its own; what memory it gets comes from here. */
__attribute__((constructor)) static void take_fault(void)
{
	const char *text = getenv(FAULT_VARIABLE);
	unsigned how = 0, sticky = 0;
	struct wrap_fault *f = &wrap_fault;

	if (!text)
		return;
	json_set_alloc_funcs(__wrap_malloc, free);
	if (sscanf(text, "%u %u %d %" SCNu64 " %u %" SCNu64 " %d", &f->calls, &how, &f->error,
		    &f->nth, &sticky, &f->inode, &f->told) != 7)
		abort();
	f->how = how;
	f->sticky = sticky;
}
