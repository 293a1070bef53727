/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Little-endian integers as they stand on disk: bytes in a struct, so that they overlay any
 * buffer at any alignment and cannot be added or compared by accident.
 */

#include <stdint.h>

typedef struct {
	uint8_t byte[2];
} le16_t;

typedef struct {
	uint8_t byte[4];
} le32_t;

static inline uint16_t le16_get(le16_t v)
{
	return (uint16_t)(v.byte[0] | v.byte[1] << 8);
}

static inline le16_t le16_of(uint16_t v)
{
	return (le16_t){{(uint8_t)v, (uint8_t)(v >> 8)}};
}

static inline uint32_t le32_get(le32_t v)
{
	return (uint32_t)v.byte[0] | (uint32_t)v.byte[1] << 8 | (uint32_t)v.byte[2] << 16 |
		(uint32_t)v.byte[3] << 24;
}

static inline le32_t le32_of(uint32_t v)
{
	return (le32_t){{(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)}};
}
