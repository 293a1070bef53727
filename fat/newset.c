/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <string.h>

#include "fat/internal.h"

/* Entry sets for names that are ours to choose. ASCII only: nobody needs more. */

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* @len characters, blanks behind; letters become capitals. */
static void put_part(uint8_t *to, size_t room, const char *from, size_t len)
{
	memset(to, ' ', room);
	for (size_t i = 0; i < len && i < room; i++)
		to[i] = (uint8_t)(is_lower(from[i]) ? from[i] - 'a' + 'A' : from[i]);
}

/* Whether the case flag @flag can show this part as it is; then it is added if it has to be. */
static bool case_fits(const char *part, size_t len, uint8_t flag, uint8_t *flags)
{
	bool lower = false, upper = false;

	for (size_t i = 0; i < len; i++) {
		lower |= is_lower(part[i]);
		upper |= is_upper(part[i]);
	}
	if (lower)
		*flags |= flag;
	return !(lower && upper);
}

static void put_unit(struct fat_long_slot *slot, int i, uint16_t unit)
{
	if (i < 5)
		slot->units1[i] = le16_of(unit);
	else if (i < 11)
		slot->units2[i - 5] = le16_of(unit);
	else
		slot->units3[i - 11] = le16_of(unit);
}

/* The part of the name with @ordinal; behind its end one 0, then 0xFFFF. */
static struct fat_long_slot long_slot(const char *name, size_t len, uint32_t ordinal)
{
	size_t at = (size_t)(ordinal - 1) * FAT_LFN_UNITS;
	struct fat_long_slot slot = {
		.ordinal = (uint8_t)ordinal,
		.attributes = FAT_ATTR_LONG_NAME,
	};

	if (at + FAT_LFN_UNITS >= len)
		slot.ordinal |= FAT_LFN_LAST;
	for (int i = 0; i < FAT_LFN_UNITS; i++, at++)
		put_unit(&slot, i, at < len ? (uint8_t)name[at] : at == len ? 0 : 0xffff);
	return slot;
}

/* "xyz.conf" is base and extension. */
struct parts {
	const char *base, *ext;
	size_t base_len, ext_len;
};

static struct parts split(const char *name)
{
	const char *dot = strrchr(name, '.');
	size_t len = strlen(name), base_len = dot ? (size_t)(dot - name) : len;
	size_t ext_len = dot ? len - base_len - 1 : 0;

	return (struct parts){name, name + len - ext_len, base_len, ext_len};
}

/* Whether a short entry is all that the name needs; @ret gets its name and case flags. */
static bool make_short(const struct parts *parts, struct fat_short_slot *ret)
{
	uint8_t flags = 0;

	if (parts->base_len > 8 || parts->ext_len > 3 || memchr(parts->base, '.', parts->base_len) ||
		!case_fits(parts->base, parts->base_len, FAT_CASE_BASE, &flags) ||
		!case_fits(parts->ext, parts->ext_len, FAT_CASE_EXT, &flags))
		return false;
	ret->case_flags = flags;
	put_part(ret->name, 8, parts->base, parts->base_len);
	put_part(ret->name + 8, 3, parts->ext, parts->ext_len);
	return true;
}

/* "XYZ~1": who takes the set gives it another one if that is taken. */
static void make_alias(const struct parts *parts, struct fat_short_slot *ret)
{
	size_t len = parts->base_len < 6 ? parts->base_len : 6;

	put_part(ret->name, 8, parts->base, len);
	memcpy(ret->name + len, "~1", 2);
	put_part(ret->name + 8, 3, parts->ext, parts->ext_len);
}

uint32_t fat_slots_make(const char *name, uint8_t attributes,
	uint8_t slots[FAT_SET_MAX_SLOTS * FAT_SLOT_LEN])
{
	struct fat_short_slot entry = {.attributes = attributes};
	struct parts parts = split(name);
	size_t len = strlen(name);
	uint32_t n_long = 0;

	assert(parts.base_len > 0 && len <= FAT_NAME_MAX_UNITS);
	if (!make_short(&parts, &entry)) {
		make_alias(&parts, &entry);
		n_long = (uint32_t)((len + FAT_LFN_UNITS - 1) / FAT_LFN_UNITS);
	}
	for (uint32_t i = 0; i < n_long; i++) {
		struct fat_long_slot slot = long_slot(name, len, n_long - i);

		memcpy(slots + (size_t)i * FAT_SLOT_LEN, &slot, sizeof slot);
	}
	memcpy(slots + (size_t)n_long * FAT_SLOT_LEN, &entry, sizeof entry);
	fat_slots_set_short_name(slots, n_long + 1, entry.name);
	return n_long + 1;
}
