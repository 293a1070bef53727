/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Block devices in a made-up /sys: folders below /sys/devices, and links to them as Linux makes them.
 * A device is known by the path of its folder there, "pci/block/sda/sda1"; numbers are texts.
 */

#include "tests/scratch.h"

/* Write an attribute, which ends with a newline. */
void sysroot_put(const struct scratch *root, const char *dir, const char *name, const char *text);

/* @number: "8:1"; @size: in units of 512 bytes. */
void sysroot_put_device(const struct scratch *root, const char *dir, const char *number,
	const char *size);
void sysroot_put_partition(const struct scratch *root, const char *dir, const char *number,
	const char *partition, const char *start, const char *size);

/* The loop device at @dir shows what is behind @offset (bytes) in @file. */
void sysroot_put_backing(const struct scratch *root, const char *dir, const char *file,
	const char *offset);
