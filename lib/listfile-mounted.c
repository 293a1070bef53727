/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fat/fat.h"

#include "lib/listfile.h"
#include "lib/spec.h"

/*
 * A primary that is mounted belongs to the kernel: its list goes through the mount, where other
 * programs look for it at once, too. What a power cut leaves is up to the kernel's vfat, which
 * orders nothing; the new file is on the disk before it takes the old one's name, and no more can
 * be done from here.
 */

enum {
	TRIES = 10, /* for a name that nobody has */
};

struct writing {
	const char *mount_path;
	void (*report)(void *userdata, const char *message);
	void *userdata;
	int root, loader;   /* directories; -1: not open */
	char temporary[32]; /* a name in loader/; "": none is there */
};

/* bootctl's temporary files begin like this as well; no sync copies them. */
static const char temporary_prefix[] = ".#esp-sync";

static const char *advice(int error)
{
	switch (-error) {
	case EROFS:
		return "remount it for writing ('mount -o remount,rw')";
	case ENOSPC:
		return "remove something from that volume";
	case ENODEV:
		return "something else is mounted over it; unmount that";
	case EACCES:
	case EPERM:
		return "run this as root";
	case ENOTDIR:
	case EISDIR:
		return "move that out of the way";
	case EIO:
		return "see the kernel's messages ('dmesg')";
	default:
		return "mend that and run this again";
	}
}

/* "/boot/efi/loader: cannot be opened: Not a directory; move that out of the way" */
static int complain(const struct writing *w, const char *path, const char *what, int error)
{
	char message[1024];

	(void)snprintf(message, sizeof message, "%.700s%s: %s: %s; %s", w->mount_path, path, what,
		strerror(-error), advice(error));
	fat_log_sanitize(message);
	w->report(w->userdata, message);
	return error;
}

/* ---- directories ---- */

static int open_dir(int at, const char *path, int *ret)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fes_last_error();
	*ret = fd;
	return 0;
}

static int open_root(struct writing *w, dev_t device)
{
	struct stat st;
	int r = open_dir(AT_FDCWD, w->mount_path, &w->root);

	if (r == 0 && fstat(w->root, &st) < 0)
		r = fes_last_error();
	if (r == 0 && st.st_dev != device)
		r = -ENODEV;
	return r < 0 ? complain(w, "", "the volume cannot be reached there", r) : 0;
}

/* Made, and on the disk. */
static int make_loader(struct writing *w)
{
	if (mkdirat(w->root, "loader", 0755) < 0)
		return complain(w, "/loader", "cannot be made", fes_last_error());
	if (fsync(w->root) < 0)
		return complain(w, "/loader", "cannot be brought to the disk", fes_last_error());
	return 0;
}

static int open_loader(struct writing *w)
{
	int r = open_dir(w->root, "loader", &w->loader);

	if (r == -ENOENT) {
		r = make_loader(w);
		if (r < 0)
			return r;
		r = open_dir(w->root, "loader", &w->loader);
	}
	return r < 0 ? complain(w, "/loader", "cannot be opened", r) : 0;
}

/* ---- the new file ---- */

/* Nobody else can be there before us who matters: a name that is taken is only tried again. */
static void choose_name(struct writing *w)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(w->temporary, sizeof w->temporary, "%s%08lx%08lx", temporary_prefix,
		(unsigned long)getpid(), (unsigned long)now.tv_nsec);
}

/* Returns a file descriptor or a negative errno. */
static int create(struct writing *w)
{
	int error = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		int fd;

		choose_name(w);
		fd = openat(w->loader, w->temporary,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (fd >= 0)
			return fd;
		error = fes_last_error();
		if (error != -EEXIST)
			break;
	}
	w->temporary[0] = '\0';
	return error;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? fes_last_error() : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_temporary(struct writing *w, const char *text, size_t len)
{
	int fd = create(w), r;

	if (fd < 0)
		return complain(w, "/loader", "no file can be made in it", fd);
	r = write_all(fd, text, len);
	if (r == 0 && fsync(fd) < 0)
		r = fes_last_error();
	if (close(fd) < 0 && r == 0)
		r = fes_last_error();
	return r < 0 ? complain(w, "/loader/esp-sync", "cannot be written", r) : 0;
}

static int put_in_place(struct writing *w)
{
	if (renameat(w->loader, w->temporary, w->loader, "esp-sync") < 0)
		return complain(w, "/loader/esp-sync", "cannot be replaced", fes_last_error());
	w->temporary[0] = '\0';
	if (fsync(w->loader) < 0)
		return complain(w, "/loader/esp-sync", "was replaced, but may not be on the disk",
			fes_last_error());
	return 0;
}

/* ---- no file any more ---- */

static int remove_list(struct writing *w)
{
	if (unlinkat(w->loader, "esp-sync", 0) < 0) {
		int r = fes_last_error();

		return r == -ENOENT ? 0 : complain(w, "/loader/esp-sync", "cannot be removed", r);
	}
	if (fsync(w->loader) < 0)
		return complain(w, "/loader/esp-sync", "was removed, but may still be on the disk",
			fes_last_error());
	return 0;
}

static int open_and_remove(struct writing *w)
{
	int r = open_dir(w->root, "loader", &w->loader);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? complain(w, "/loader", "cannot be opened", r) : remove_list(w);
}

/* ---- all of it ---- */

static int open_and_write(struct writing *w, const char *text, size_t len)
{
	int r = open_loader(w);

	if (r == 0)
		r = write_temporary(w, text, len);
	return r < 0 ? r : put_in_place(w);
}

static void clean_up(const struct writing *w)
{
	/* What cannot be removed does no harm, and the reason has been told. */
	if (w->temporary[0])
		(void)unlinkat(w->loader, w->temporary, 0);
	if (w->loader >= 0)
		(void)close(w->loader);
	if (w->root >= 0)
		(void)close(w->root);
}

int fes_listfile_write_mounted(const char *mount_path, dev_t device, const char *text, size_t len,
	void (*report)(void *userdata, const char *message), void *userdata)
{
	struct writing w = {
		.mount_path = mount_path,
		.report = report,
		.userdata = userdata,
		.root = -1,
		.loader = -1,
	};
	int r = open_root(&w, device);

	if (r == 0)
		r = text ? open_and_write(&w, text, len) : open_and_remove(&w);
	clean_up(&w);
	return r;
}
