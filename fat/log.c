/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>

#include "fat/internal.h"

void fat_log_sanitize(char *text)
{
	uint8_t *at = (uint8_t *)text;

	for (; *at; at++) {
		if (*at < 0x20 || *at == 0x7f)
			*at = '?';
		else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) /* U+0080 to U+009F */
			at[0] = at[1] = '?';
	}
}

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
	fat_log_sanitize(text);
	vol->log.emit(vol->log.userdata, text);
}
