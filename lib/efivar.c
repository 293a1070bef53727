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
#define EFIVARS "/sys/firmware/efi/efivars"
#define LOADER_VENDOR "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

enum {
	ATTRIBUTES_LEN = 4, /* bytes */
	READ_MAX = 1024,    /* bytes; a value that is longer is neither a UUID nor a name */
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

/*
 * The text of variable @name, with the attributes cut off. Returns how many bytes there are in @buf,
 * which has READ_MAX, or a negative errno.
 */
static ssize_t read_text(const char *root, const char *name, uint8_t *buf)
{
	char path[PATH_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof path, "%s" EFIVARS "/%s-" LOADER_VENDOR, root, name);
	n = read_variable(path, buf);
	if (n < 0)
		return n;
	/* A variable that was created but never written; a real one has its attributes. */
	if (n == 0)
		return -ENOENT;
	if (n < ATTRIBUTES_LEN || n == READ_MAX)
		return -EBADMSG;
	memmove(buf, buf + ATTRIBUTES_LEN, (size_t)n - ATTRIBUTES_LEN);
	return n - ATTRIBUTES_LEN;
}

/* What follows a NUL counts no more. What is not ASCII is -EBADMSG, and so is what does not fit. */
static int decode_text(const uint8_t *value, size_t len, char *ret, size_t room)
{
	size_t n = 0;

	for (; 2 * n + 1 < len; n++) {
		unsigned unit = value[2 * n] | (unsigned)value[2 * n + 1] << 8;

		if (unit == 0)
			break;
		if (unit > 0x7f || n + 1 >= room)
			return -EBADMSG;
		ret[n] = (char)tolower((int)unit);
	}
	ret[n] = '\0';
	return 0;
}

static int read_variable_text(const char *root, const char *name, char *ret, size_t room)
{
	uint8_t bytes[READ_MAX] = {0};
	ssize_t n = read_text(root, name, bytes);

	return n < 0 ? (int)n : decode_text(bytes, (size_t)n, ret, room);
}

int fes_efivar_loader_partuuid(const char *root, char ret[FES_UUID_MAX])
{
	char text[FES_UUID_MAX];
	int r = read_variable_text(root, "LoaderDevicePartUUID", text, sizeof text);

	if (r < 0)
		return r;
	if (!fes_list_is_uuid(text))
		return -EBADMSG;
	memcpy(ret, text, sizeof text);
	return 0;
}

int fes_efivar_loader_entry(const char *root, char ret[FES_ENTRY_ID_MAX])
{
	char text[FES_ENTRY_ID_MAX];
	int r = read_variable_text(root, "LoaderEntrySelected", text, sizeof text);

	if (r < 0)
		return r;
	memcpy(ret, text, sizeof text);
	return 0;
}
