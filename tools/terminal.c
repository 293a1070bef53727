/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "tools/terminal.h"

enum { DEFAULT_COLUMNS = 80, DEFAULT_ROWS = 24 };

bool terminal_is_dumb(const char *term)
{
	return !term || strcmp(term, "dumb") == 0;
}

struct terminal_size terminal_get_size(int fd)
{
	struct winsize size = {0};

	/* tcgetwinsize() came to glibc later than to the systems that we run on. */
	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		size = (struct winsize){0};
	return (struct terminal_size){
		.columns = size.ws_col ? size.ws_col : DEFAULT_COLUMNS,
		.rows = size.ws_row ? size.ws_row : DEFAULT_ROWS,
	};
}

bool terminal_is_taken(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group >= 0 && group != getpgrp();
}
