/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Boot loader entries of type #1, as text (UAPI.1 Boot Loader Specification, "Type #1 Boot Loader
 * Specification Entries"), and the names of entries. Knows of no volume. Private to lib/.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * A line that names files of the volume that the entry is on. Where a value has blanks in it, readers
 * differ: for some it is one path, for others several. So there are two readings, and files that
 * either finds are enough.
 */
struct fes_bls_line {
	const char *key;  /* "linux", lower case; static */
	unsigned number;  /* from 1 */
	char *value;      /* without blanks, and without quotes, around it */
	char *whole;      /* as one path: "/a/b"; NULL: none that a FAT volume can hold */
	char **parts;     /* as several, if @value has blanks and the key allows it */
	size_t n_parts;   /* 0: it cannot be read so, or one of them is no path */
};

struct fes_bls {
	struct fes_bls_line *lines; /* those that name files, in their order */
	size_t n_lines;
	bool has_url; /* it has "uki-url": what is booted is not on the volume */
};

/*
 * Find the lines of an entry that name files: linux, initrd, efi, uki, devicetree, devicetree-overlay,
 * extra. Keys in any case, lines ended by LF, CR LF, CR or NUL, of any length; blanks and tabs around
 * keys and values do not matter. initrd, devicetree-overlay and extra can be read as several paths.
 *
 * Paths are normalised: they begin with one '/', '\' counts as '/', there is one between two parts and
 * none at the end; parts lose dots at their end, as names on FAT do. One with "." or "..",
 * with a part that is too long or a character that FAT cannot hold, with a '/' at its end, without
 * any part, or beyond what lib/paths.h sets as limits, is none.
 *
 * @text need not end with NUL and may hold any bytes. Returns 0 or -ENOMEM; free with
 * fes_bls_done().
 */
int fes_bls_parse(const char *text, size_t len, struct fes_bls *ret);
void fes_bls_done(struct fes_bls *bls);

/*
 * The identity of an entry or image: its file name without the counter, "x.conf" of "x+2-1.conf", in the
 * form that fat_name_fold() gives, so that equal ones compare equal with strcmp(). The counter is
 * "+LEFT" or "+LEFT-DONE", decimal digits up to INT_MAX, at the last '+', right before ".conf" or ".efi"
 * (in any case), with something in front of it.
 *
 * @ret has FAT_NAME_MAX bytes. Returns whether there was a counter.
 */
bool fes_bls_identity(const char *name, char *ret);

/*
 * The directory with what the image at @path takes along (systemd-stub(7)): "/a/X.EFI.extra.d" of
 * "/a/x+3.efi", the last part as fes_bls_identity() gives it. free() it; NULL: out of memory.
 */
char *fes_bls_companion(const char *path);

/*
 * Whether boot counting has found the entry or image of this name bad: it has a counter, as above,
 * whose LEFT is 0.
 */
bool fes_bls_is_bad(const char *name);

/*
 * Whether boot loaders take a file of this name in /loader/entries for an entry, or one in /EFI/Linux
 * for an image: ending in ".conf" or ".efi", beginning neither with '.' nor with "auto-" (systemd,
 * src/boot/boot.c).
 */
bool fes_bls_is_entry_name(const char *name);
bool fes_bls_is_image_name(const char *name);

/* Whether it is @line that says what is started: a kernel, an UKI or an EFI program; or an initrd. */
bool fes_bls_is_program(const struct fes_bls_line *line);
bool fes_bls_is_initrd(const struct fes_bls_line *line);

/* Whether it is known to start a system: with a kernel or an UKI, not just any EFI program. */
bool fes_bls_starts_system(const struct fes_bls *bls);
