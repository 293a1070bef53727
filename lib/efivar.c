/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/efivar.h"
#include "lib/list.h"
#include "lib/spec.h"

/*
 * A file of efivarfs is four bytes of attributes and the variable's value, here UTF-16LE with a NUL
 * at its end, which some loaders leave out. Name and vendor: systemd, "Boot Loader Interface".
 */
#define LOADER_PARTUUID \
	"/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

enum {
	ATTRIBUTES_LEN = 4, /* bytes */
	UUID_UNITS = 36,    /* UTF-16 units, without the NUL */
	READ_MAX = 512,     /* bytes; a value that is longer is no UUID */
};

/*
 * The kernel limits how often users but root read variables, and says EINTR meanwhile. systemd
 * tries as often.
 */
enum {
	TRIES_AT_ONCE = 20,
	TRIES_MAX = 25,
	PAUSE_MS = 50,
};

static ssize_t read_patiently(int fd, uint8_t *buf, size_t len)
{
	for (unsigned i = 1;; i++) {
		ssize_t n = read(fd, buf, len);

		if (n >= 0)
			return n;
		if (errno != EINTR)
			return fes_last_error();
		if (i == TRIES_MAX)
			return -EBUSY;
		if (i >= TRIES_AT_ONCE)
			(void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
	}
}

/* The bytes of the file @path. Returns how many, or a negative errno. */
static ssize_t read_variable(const char *path, uint8_t buf[READ_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return fes_last_error();
	n = read_patiently(fd, buf, READ_MAX);
	(void)close(fd);
	return n;
}

/* What follows a NUL counts no more. */
static int decode_uuid(const uint8_t *value, size_t len, char ret[FES_UUID_MAX])
{
	char text[FES_UUID_MAX] = "";

	for (size_t i = 0; 2 * i + 1 < len; i++) {
		unsigned unit = value[2 * i] | (unsigned)value[2 * i + 1] << 8;

		if (unit == 0)
			break;
		if (unit > 0x7f || i == UUID_UNITS)
			return -EBADMSG;
		text[i] = (char)tolower((int)unit);
	}
	if (!fes_list_is_uuid(text))
		return -EBADMSG;
	memcpy(ret, text, sizeof text);
	return 0;
}

int fes_efivar_loader_partuuid(const char *root, char ret[FES_UUID_MAX])
{
	uint8_t bytes[READ_MAX] = {0};
	char path[PATH_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof path, "%s%s", root, LOADER_PARTUUID);
	n = read_variable(path, bytes);
	if (n < 0)
		return (int)n;
	/* A variable that was created but never written; a real one has its attributes. */
	if (n == 0)
		return -ENOENT;
	if (n < ATTRIBUTES_LEN || n == READ_MAX)
		return -EBADMSG;
	return decode_uuid(bytes + ATTRIBUTES_LEN, (size_t)n - ATTRIBUTES_LEN, ret);
}
