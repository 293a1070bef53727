/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <blkid.h>
#include <errno.h>
#include <libfdisk.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "tests/faults-wrap.h"

struct wrap_fault wrap_fault;

enum {
	SECTOR = 512
};

/* The one decision; what is wrapped asks it and forwards. */
static bool fires(unsigned call)
{
	uint64_t n;

	if ((wrap_fault.calls & call) == 0)
		return false;
	n = atomic_fetch_add(&wrap_fault.n_calls, 1) + 1;
	if (n < wrap_fault.nth || (n > wrap_fault.nth && !wrap_fault.sticky))
		return false;
	(void)atomic_fetch_add(&wrap_fault.n_fired, 1);
	if (wrap_fault.told > 0 && write(wrap_fault.told, "x", 1) != 1)
		abort();
	return true;
}

/* ---- memory ---- */

static bool out_of_memory(void)
{
	if (!fires(WRAP_MEMORY))
		return false;
	errno = ENOMEM;
	return true;
}

/* Declare what the linker calls the one and the other, and begin the former. */
#define WRAP(type_, name_, arguments_)   \
	type_ __real_##name_ arguments_; \
	type_ __wrap_##name_ arguments_; \
	type_ __wrap_##name_ arguments_

WRAP(void *, malloc, (size_t size))
{
	return out_of_memory() ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, (size_t n, size_t size))
{
	return out_of_memory() ? NULL : __real_calloc(n, size);
}

WRAP(void *, realloc, (void *old, size_t size))
{
	return out_of_memory() ? NULL : __real_realloc(old, size);
}

WRAP(void *, reallocarray, (void *old, size_t n, size_t size))
{
	return out_of_memory() ? NULL : __real_reallocarray(old, n, size);
}

WRAP(int, posix_memalign, (void **ret, size_t alignment, size_t size))
{
	return out_of_memory() ? ENOMEM : __real_posix_memalign(ret, alignment, size);
}

WRAP(char *, strdup, (const char *text))
{
	return out_of_memory() ? NULL : __real_strdup(text);
}

WRAP(char *, strndup, (const char *text, size_t len))
{
	return out_of_memory() ? NULL : __real_strndup(text, len);
}

/* What *@ret is after a failure is not defined: let nobody rely on it. */
WRAP(int, vasprintf, (char **ret, const char *format, va_list args))
{
	if (!out_of_memory())
		return __real_vasprintf(ret, format, args);
	*ret = (char *)-1;
	return -1;
}

int __wrap_asprintf(char **ret, const char *format, ...);

int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = __wrap_vasprintf(ret, format, args);
	va_end(args);
	return n;
}

WRAP(XXH3_state_t *, XXH3_createState, (void))
{
	return out_of_memory() ? NULL : __real_XXH3_createState();
}

WRAP(blkid_probe, blkid_new_probe, (void))
{
	return out_of_memory() ? NULL : __real_blkid_new_probe();
}

WRAP(struct fdisk_context *, fdisk_new_context, (void))
{
	return out_of_memory() ? NULL : __real_fdisk_new_context();
}

WRAP(int, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *userdata))
{
	return out_of_memory() ? EAGAIN : __real_pthread_create(thread, attr, fn, userdata);
}

/* ---- system calls ---- */

static bool counts(int fd)
{
	struct stat st;

	return wrap_fault.inode == 0 || (fstat(fd, &st) == 0 && st.st_ino == wrap_fault.inode);
}

/* How many of @len bytes are transferred, or less than 0 for the error. */
static ssize_t fall_short(size_t len)
{
	switch (wrap_fault.how) {
	case WRAP_SHORT:
		return (ssize_t)(len > SECTOR ? len - SECTOR : 0);
	case WRAP_ODD:
		return (ssize_t)len - 1;
	case WRAP_ZERO:
		return 0;
	case WRAP_ERROR:
		break;
	}
	errno = wrap_fault.error;
	return -1;
}

WRAP(ssize_t, pread, (int fd, void *buf, size_t len, off_t offset))
{
	ssize_t n;

	if (!counts(fd) || !fires(WRAP_READ))
		return __real_pread(fd, buf, len, offset);
	n = fall_short(len);
	return n <= 0 ? n : __real_pread(fd, buf, (size_t)n, offset);
}

WRAP(ssize_t, pwrite, (int fd, const void *buf, size_t len, off_t offset))
{
	ssize_t n;

	if (!counts(fd) || !fires(WRAP_WRITE))
		return __real_pwrite(fd, buf, len, offset);
	n = fall_short(len);
	return n <= 0 ? n : __real_pwrite(fd, buf, (size_t)n, offset);
}

/* The real one would take long and prove nothing: the power stays on. */
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	if (!counts(fd) || !fires(WRAP_SYNC))
		return 0;
	errno = wrap_fault.error;
	return -1;
}
