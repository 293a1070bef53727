/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/source.h"

static struct fes_bytes_source *source_of(struct fat_source *base)
{
	return (struct fes_bytes_source *)(void *)base;
}

static int begin(struct fat_source *base, bool reading_back)
{
	(void)reading_back;
	source_of(base)->at = 0;
	return 0;
}

static int read_bytes(struct fat_source *base, void *buf, size_t len)
{
	struct fes_bytes_source *source = source_of(base);

	memcpy(buf, source->bytes + source->at, len);
	source->at += len;
	return 0;
}

static int compare_bytes(struct fat_source *base, const void *buf, size_t len)
{
	struct fes_bytes_source *source = source_of(base);

	source->differs |= memcmp(buf, source->bytes + source->at, len) != 0;
	source->at += len;
	return 0;
}

static int end(struct fat_source *base, bool reading_back)
{
	struct fes_bytes_source *source = source_of(base);

	(void)reading_back;
	if (!source->differs)
		return 0;
	fes_volume_report(source->volume,
		"%s: what was read back is not what was written: the device lost or changed data; "
		"nothing was committed",
		base->path);
	return -EIO;
}

struct fes_bytes_source fes_source_of_bytes(struct fes_volume *volume, const char *path,
	const void *bytes, uint32_t len)
{
	return (struct fes_bytes_source){
		.base = {.size = len,
			.path = path,
			.begin = begin,
			.read = read_bytes,
			.compare = compare_bytes,
			.end = end},
		.volume = volume,
		.bytes = bytes,
	};
}
