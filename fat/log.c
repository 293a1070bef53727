/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>

#include "fat/internal.h"

void fat_report(const struct fat_volume *vol, const char *format, ...)
{
	char text[4096];
	va_list args;
	int prefix;

	if (!vol->log.emit)
		return;
	prefix = snprintf(text, sizeof text, "%.1024s: ", vol->name);
	va_start(args, format);
	(void)vsnprintf(text + prefix, sizeof text - (size_t)prefix, format, args);
	va_end(args);
	vol->log.emit(vol->log.userdata, text);
}
