/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <sha2.h>

#include "lib/file.h"
#include "lib/seed.h"

static_assert(FES_SEED_LEN == SHA256_DIGEST_LENGTH, "a seed is a digest");

void fes_set_entropy(struct fes_context *context, fes_entropy_fn fn)
{
	context->entropy = fn;
}

/* ---- a new seed ---- */

static bool is_without_entropy(int error)
{
	return error == EAGAIN || error == ENOSYS;
}

/* Early after boot the kernel may have nothing yet: that is no reason to hold up a boot. */
static int get_entropy(struct fes_context *context, uint8_t *buf, size_t len)
{
	fes_entropy_fn entropy = context->entropy ? context->entropy : getrandom;

	for (size_t done = 0; done < len;) {
		ssize_t n = entropy(buf + done, len - done, GRND_NONBLOCK);

		if (n < 0 && errno != EINTR)
			return is_without_entropy(errno) ? -EAGAIN : -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

/* The length goes first, so that no two pairs of seeds are the same bytes. */
static void hash_with_length(SHA2_CTX *hash, const void *bytes, size_t len)
{
	uint8_t length[8];

	for (unsigned i = 0; i < sizeof length; i++)
		length[i] = (uint8_t)((uint64_t)len >> (8 * i));
	SHA256Update(hash, length, sizeof length);
	if (len > 0)
		SHA256Update(hash, bytes, len);
}

int fes_seed_mint(struct fes_context *context, const void *old, size_t old_len,
	uint8_t ret[FES_SEED_LEN])
{
	uint8_t fresh[FES_SEED_LEN];
	SHA2_CTX hash;
	int r = get_entropy(context, fresh, sizeof fresh);

	if (r < 0)
		return r;
	SHA256Init(&hash);
	hash_with_length(&hash, fresh, sizeof fresh);
	hash_with_length(&hash, old, old ? old_len : 0);
	SHA256Final(ret, &hash);
	explicit_bzero(&hash, sizeof hash);
	explicit_bzero(fresh, sizeof fresh);
	return 0;
}

/* ---- the one of a volume ---- */

static const char *why_left_alone(const struct fat_entry *entry)
{
	if (fes_file_is_dir(entry))
		return "random seed: is a directory; left as it is";
	if (entry->attributes & FAT_ATTR_READ_ONLY)
		return "random seed: has the read-only attribute; left as it is";
	if (entry->size < FES_SEED_LEN)
		return "random seed: is shorter than 32 bytes; left as it is";
	if (entry->size > FES_SEED_LEN_MAX)
		return "random seed: is longer than any boot loader takes; left as it is";
	return NULL;
}

static int mint_from(struct fes_volume *volume, const void *old, uint32_t size,
	uint8_t ret[FES_SEED_LEN])
{
	int r = fes_seed_mint(volume->context, old, size, ret);

	if (r < 0 && r != -EAGAIN)
		fes_volume_report(volume, "random seed: the kernel gives no entropy: %s",
			strerror(-r));
	return r;
}

int fes_seed_mint_from(struct fes_volume *volume, uint32_t first_cluster, uint32_t size,
	uint8_t ret[FES_SEED_LEN])
{
	void *old = NULL;
	int64_t n;
	int r;

	assert(size <= FES_SEED_LEN_MAX);
	if (size == 0)
		return mint_from(volume, NULL, 0, ret);
	n = fes_file_load(volume, first_cluster, size, FES_SEED_PATH, &old);
	if (n < 0)
		return (int)n;
	r = mint_from(volume, old, size, ret);
	explicit_bzero(old, size);
	free(old);
	return r;
}

static int load(const struct fes_seed_place *place, void **ret)
{
	int64_t n = fes_file_load(place->volume, place->first_cluster, place->size, FES_SEED_PATH, ret);

	return n < 0 ? (int)n : 0;
}

static void drop(void *seed, size_t size)
{
	if (seed)
		explicit_bzero(seed, size);
	free(seed);
}

int fes_seed_equal(const struct fes_seed_place *a, const struct fes_seed_place *b)
{
	void *first = NULL, *second = NULL;
	int r;

	if (a->size != b->size || a->size < FES_SEED_LEN || a->size > FES_SEED_LEN_MAX)
		return 0;
	r = load(a, &first);
	if (r == 0)
		r = load(b, &second);
	if (r == 0)
		r = memcmp(first, second, a->size) == 0;
	drop(first, a->size);
	drop(second, a->size);
	return r;
}

static int renew(struct fes_volume *volume, const struct fat_entry *entry, const char **ret_note)
{
	uint8_t seed[FES_SEED_LEN];
	int r = fes_seed_mint_from(volume, entry->first_cluster, entry->size, seed);

	if (r == -EAGAIN) {
		*ret_note = "random seed: left as it is, because the kernel gives no entropy";
		return 0;
	}
	if (r == 0)
		r = fat_file_overwrite(volume->fat, entry->first_cluster, entry->size,
			FES_SEED_PATH, seed, sizeof seed);
	explicit_bzero(seed, sizeof seed);
	return r;
}

int fes_seed_renew(struct fes_volume *volume, const char **ret_note)
{
	struct fat_entry entry;
	int r = fes_file_find(volume, FES_SEED_PATH, &entry);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret_note = why_left_alone(&entry);
	return *ret_note ? 0 : renew(volume, &entry, ret_note);
}
