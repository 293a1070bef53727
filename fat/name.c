/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "fat/internal.h"

/*
 * Code page 437, what Linux takes for short names by default; the volume does not say which it
 * is. Decoding is one to one, so two different short names never look the same.
 */
static const uint16_t cp437[128] = {
	0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8,
	0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2,
	0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1,
	0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd,
	0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562,
	0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534,
	0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560,
	0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b,
	0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393,
	0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6,
	0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0,
	0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};

/* "FAT Long Directory Entries", ChkSum */
uint8_t fat_lfn_checksum(const uint8_t short_name[11])
{
	uint8_t sum = 0;

	for (int i = 0; i < 11; i++)
		sum = (uint8_t)(((sum & 1) << 7) + (sum >> 1) + short_name[i]);
	return sum;
}

static char *put_utf8(char *at, uint32_t c)
{
	if (c < 0x80) {
		*at++ = (char)c;
	} else if (c < 0x800) {
		*at++ = (char)(0xc0 | c >> 6);
		*at++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*at++ = (char)(0xe0 | c >> 12);
		*at++ = (char)(0x80 | (c >> 6 & 0x3f));
		*at++ = (char)(0x80 | (c & 0x3f));
	} else {
		*at++ = (char)(0xf0 | c >> 18);
		*at++ = (char)(0x80 | (c >> 12 & 0x3f));
		*at++ = (char)(0x80 | (c >> 6 & 0x3f));
		*at++ = (char)(0x80 | (c & 0x3f));
	}
	return at;
}

static char *put_short_byte(char *at, uint8_t byte, bool lower)
{
	if (lower && byte >= 'A' && byte <= 'Z')
		byte = (uint8_t)(byte + ('a' - 'A'));
	return put_utf8(at, byte < 0x80 ? byte : cp437[byte - 0x80]);
}

void fat_short_name_decode(const uint8_t short_name[11], uint8_t case_flags,
	char ret[FAT_NAME_MAX])
{
	int base = 8, ext = 3;
	char *at = ret;

	while (base > 0 && short_name[base - 1] == ' ')
		base--;
	while (ext > 0 && short_name[8 + ext - 1] == ' ')
		ext--;
	for (int i = 0; i < base; i++) {
		uint8_t byte = short_name[i];

		if (i == 0 && byte == FAT_SLOT_KANJI)
			byte = FAT_SLOT_DELETED;
		at = put_short_byte(at, byte, case_flags & FAT_CASE_BASE);
	}
	if (ext > 0)
		*at++ = '.';
	for (int i = 0; i < ext; i++)
		at = put_short_byte(at, short_name[8 + i], case_flags & FAT_CASE_EXT);
	*at = '\0';
}

void fat_utf16_decode(const uint16_t *units, size_t n_units, char ret[FAT_NAME_MAX])
{
	char *at = ret;

	for (size_t i = 0; i < n_units; i++) {
		uint32_t c = units[i];

		if (c >= 0xd800 && c < 0xdc00 && i + 1 < n_units && units[i + 1] >= 0xdc00 &&
			units[i + 1] < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (units[++i] - 0xdc00u);
		at = put_utf8(at, c);
	}
	*at = '\0';
}

static const struct fat_long_slot *long_slot(const uint8_t *slots, uint32_t i)
{
	return (const struct fat_long_slot *)(const void *)(slots + (size_t)i * FAT_SLOT_LEN);
}

size_t fat_lfn_units(const uint8_t *slots, uint32_t n_slots, uint16_t units[260])
{
	size_t n = 0;

	for (uint32_t i = n_slots - 1; i > 0; i--)
		for (int j = 0; j < FAT_LFN_UNITS; j++) {
			uint16_t unit = fat_long_slot_unit(long_slot(slots, i - 1), j);

			if (unit == 0)
				return n;
			units[n++] = unit;
		}
	return n;
}

/*
 * The next code point of valid or WTF-8 text, such as our own decoding makes. In what others wrote there
 * may be bytes that are no text: each of them is one that no name has.
 */
static uint32_t get_utf8(const uint8_t **at)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *p = *at;
	uint32_t c = *p++;
	int n = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0, more = n;
	bool alone = n == 0 && c >= 0x80;

	if (more > 0)
		c &= 0x3fu >> more;
	for (; more > 0 && (*p & 0xc0) == 0x80; more--)
		c = c << 6 | (*p++ & 0x3f);
	if (alone || more > 0 || c < least[n]) {
		p = *at + 1;
		c = 0x110000u + **at;
	}
	*at = p;
	return c;
}

static uint32_t fold(uint32_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xf6) || (c >= 0xf8 && c <= 0xfe))
		return c - 0x20;
	return c;
}

size_t fat_name_fold(const char *name, char ret[FAT_NAME_MAX])
{
	const uint8_t *at = (const uint8_t *)name;
	char *to = ret;

	while (*at) {
		char c[4];
		size_t len = (size_t)(put_utf8(c, fold(get_utf8(&at))) - c);

		if (len >= FAT_NAME_MAX - (size_t)(to - ret))
			break;
		memcpy(to, c, len);
		to += len;
	}
	*to = '\0';
	return (size_t)(to - ret);
}

bool fat_name_equal(const char *a, const char *b)
{
	const uint8_t *pa = (const uint8_t *)a, *pb = (const uint8_t *)b;

	while (*pa && *pb)
		if (fold(get_utf8(&pa)) != fold(get_utf8(&pb)))
			return false;
	return *pa == *pb;
}

/* FNV-1a: any spread will do, but it must be the same in every run. */
static uint32_t hash_slots(const uint8_t *slots, uint32_t n_slots, unsigned attempt)
{
	uint16_t units[260];
	size_t n = fat_lfn_units(slots, n_slots, units);
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ units[i]) * 16777619u;
	return (hash ^ attempt) * 16777619u;
}

void fat_short_name_alternative(const uint8_t *slots, uint32_t n_slots, unsigned attempt,
	uint8_t ret[11])
{
	const uint8_t *old = slots + (size_t)(n_slots - 1) * FAT_SLOT_LEN;
	uint32_t hash = hash_slots(slots, n_slots, attempt / 9);
	char tail[16];

	memset(ret, '_', 2);
	for (int i = 0; i < 2; i++)
		if ((old[i] >= 'A' && old[i] <= 'Z') || (old[i] >= '0' && old[i] <= '9'))
			ret[i] = old[i];
	snprintf(tail, sizeof tail, "%04X~%u", (unsigned)((hash >> 16 ^ hash) & 0xffff),
		1 + attempt % 9);
	memcpy(ret + 2, tail, 6);
	memcpy(ret + 8, old + 8, 3);
}

void fat_slots_set_short_name(uint8_t *slots, uint32_t n_slots, const uint8_t short_name[11])
{
	uint8_t sum = fat_lfn_checksum(short_name);

	for (uint32_t i = 0; i + 1 < n_slots; i++)
		slots[(size_t)i * FAT_SLOT_LEN + offsetof(struct fat_long_slot, checksum)] = sum;
	memcpy(slots + (size_t)(n_slots - 1) * FAT_SLOT_LEN, short_name, 11);
}
