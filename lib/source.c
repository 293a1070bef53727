/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "lib/source.h"

struct source {
	struct fat_source base; /* first: a pointer to it is one to us */
	struct fes_volume *primary, *mirror;
	const struct fes_node *node;
	struct fes_digester *digester;
	struct fat_file *file;
	XXH3_state_t *state;
	size_t under_way; /* bytes that were given, and that nobody knows the fate of yet */
	struct fes_digest expected; /* of the primary's file, made before it is copied */
	struct fes_digest digest;   /* of what was copied */
};

static struct source *source_of(struct fat_source *base)
{
	return (struct source *)(void *)base;
}

static void clean(struct source *source)
{
	fat_file_close(source->file);
	(void)XXH3_freeState(source->state);
	source->file = NULL;
	source->state = NULL;
}

static int source_begin(struct fat_source *base, bool reading_back)
{
	struct source *source = source_of(base);
	const struct fes_node *node = source->node;
	int r;

	clean(source);
	source->state = XXH3_createState();
	if (!source->state || XXH3_128bits_reset(source->state) != XXH_OK)
		return -ENOMEM;
	if (reading_back) {
		fes_progress_read_back(source->mirror->progress);
		return 0;
	}
	r = fes_digester_get(source->digester, node, NULL, &source->expected);
	if (r < 0)
		return r;
	return fat_file_open(source->primary->fat, node->first_cluster, node->size, node->path,
		&source->file);
}

static int source_update(struct source *source, const void *buf, size_t len)
{
	return XXH3_128bits_update(source->state, buf, len) == XXH_OK ? 0 : -EINVAL;
}

/* When more is asked for, what was given before has been written. */
static void count_written(struct source *source, size_t next)
{
	fes_progress_add(source->mirror->progress, source->under_way);
	source->under_way = next;
}

static int source_read(struct fat_source *base, void *buf, size_t len)
{
	struct source *source = source_of(base);
	int64_t n = fat_file_read(source->file, buf, (len + 4095) / 4096 * 4096);

	if (n < 0) {
		fes_digester_note_error(source->digester, (int)n);
		return (int)n;
	}
	count_written(source, len);
	return (size_t)n < len ? -EUCLEAN : source_update(source, buf, len);
}

static int source_compare(struct fat_source *base, const void *buf, size_t len)
{
	fes_progress_add(source_of(base)->mirror->progress, len);
	return source_update(source_of(base), buf, len);
}

/*
 * A change of contents need not show in the directory. Only what two readings, one after the other,
 * found alike stood there all together at some time.
 */
static int end_reading(struct source *source, struct fes_digest digest)
{
	source->digest = digest;
	if (fes_digest_equal(source->expected, digest))
		return 0;
	atomic_store(&source->primary->changed, true);
	fes_volume_report(source->primary,
		"%s: changed while it was read; nothing was committed to %s; run again",
		source->node->path, source->mirror->name);
	return -ESTALE;
}

static int end_reading_back(struct source *source, struct fes_digest digest)
{
	if (fes_digest_equal(source->digest, digest))
		return 0;
	fes_volume_report(source->mirror,
		"%s: what was read back is not what was written: the device lost or changed data; "
		"nothing was committed",
		source->node->path);
	return -EIO;
}

static int source_end(struct fat_source *base, bool reading_back)
{
	struct source *source = source_of(base);
	XXH128_hash_t hash = XXH3_128bits_digest(source->state);
	struct fes_digest digest = {.high = hash.high64, .low = hash.low64};

	if (!reading_back)
		count_written(source, 0);
	clean(source);
	return reading_back ? end_reading_back(source, digest) : end_reading(source, digest);
}

struct fat_source *fes_source_new(struct fes_volume *primary, struct fes_volume *mirror,
	const struct fes_node *node, struct fes_digester *digester)
{
	struct source *source = malloc(sizeof *source);

	if (!source)
		return NULL;
	*source = (struct source){
		.base = {.size = node->size,
			.path = node->path,
			.begin = source_begin,
			.read = source_read,
			.compare = source_compare,
			.end = source_end},
		.primary = primary,
		.mirror = mirror,
		.node = node,
		.digester = digester,
	};
	return &source->base;
}

void fes_source_free(struct fat_source *base)
{
	if (!base)
		return;
	clean(source_of(base));
	free(source_of(base));
}
