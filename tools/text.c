/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/text.h"

static bool byte_within(char byte, uint8_t low, uint8_t high)
{
	return (uint8_t)byte >= low && (uint8_t)byte <= high;
}

static bool is_tail(char byte)
{
	return byte_within(byte, 0x80, 0xbf);
}

/*
 * Bytes of the character at @text, or 0 when there is no whole valid one. Source: The Unicode
 * Standard, table 3-7, Well-Formed UTF-8 Byte Sequences. The NUL is no tail, so nothing is read
 * past the end.
 */
static size_t character_length(const char *text)
{
	uint8_t lead = (uint8_t)text[0];

	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return is_tail(text[1]) ? 2 : 0;
	if (lead >= 0xe0 && lead <= 0xef) {
		uint8_t low = lead == 0xe0 ? 0xa0 : 0x80;
		uint8_t high = lead == 0xed ? 0x9f : 0xbf;

		return byte_within(text[1], low, high) && is_tail(text[2]) ? 3 : 0;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		uint8_t low = lead == 0xf0 ? 0x90 : 0x80;
		uint8_t high = lead == 0xf4 ? 0x8f : 0xbf;

		return byte_within(text[1], low, high) && is_tail(text[2]) && is_tail(text[3])
			? 4
			: 0;
	}
	return 0;
}

/* U+0000 to U+001F, U+007F to U+009F. */
static bool is_control(const char *text, size_t len)
{
	if (len == 1)
		return byte_within(text[0], 0x00, 0x1f) || text[0] == 0x7f;

	return len == 2 && (uint8_t)text[0] == 0xc2 && byte_within(text[1], 0x80, 0x9f);
}

void text_put(FILE *out, const char *text)
{
	while (*text) {
		size_t len = character_length(text);

		if (len > 0 && !is_control(text, len)) {
			(void)fwrite(text, 1, len, out); /* out's error flag is looked at last */
			text += len;
			continue;
		}
		fprintf(out, "\\x%02x", (unsigned)(uint8_t)*text);
		text++;
	}
}

char *text_to_utf8(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	char *copy = malloc(strlen(text) * strlen("\\xed") + 1);
	char *end = copy;

	if (!copy)
		return NULL;

	while (*text) {
		size_t len = character_length(text);

		if (len > 0) {
			memcpy(end, text, len);
			end += len;
			text += len;
			continue;
		}
		*end++ = '\\';
		*end++ = 'x';
		*end++ = digits[(uint8_t)*text >> 4];
		*end++ = digits[(uint8_t)*text & 0x0f];
		text++;
	}
	*end = '\0';
	return copy;
}

void text_format_size(uint64_t bytes, char ret[TEXT_SIZE_MAX])
{
	static const char units[] = "KMGTPE";
	uint64_t unit = 1024;
	size_t i = 0;

	if (bytes < unit) {
		snprintf(ret, TEXT_SIZE_MAX, "%u B", (unsigned)bytes);
		return;
	}

	/* The tenth is rounded down, so that what is left free is never overstated. */
	while (i + 2 < sizeof units && bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	snprintf(ret, TEXT_SIZE_MAX, "%u.%u %ciB", (unsigned)(bytes / unit),
		(unsigned)(bytes % unit / (unit / 1024) * 10 / 1024), units[i]);
}

int text_parse_boolean(const char *text)
{
	static const char *const yes[] = {"1", "yes", "y", "true", "t", "on"};
	static const char *const no[] = {"0", "no", "n", "false", "f", "off"};

	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
		if (strcasecmp(text, yes[i]) == 0)
			return 1;
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
		if (strcasecmp(text, no[i]) == 0)
			return 0;
	return -EINVAL;
}
