/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/internal.h"

/*
 * Who holds a lock, as /proc/locks tells it:
 *
 *     1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
 *
 * with the process and the file's device and inode; "->" before FLOCK is one who waits. Source:
 * Linux, Documentation/filesystems/proc.rst. It is for messages: /proc may be missing, the process
 * gone or in another namespace, and some file systems give stat(2) another device.
 */

/* The process of a line about the file @wanted, else 0. Takes the line apart. */
static long holder_in_line(char *line, const char *wanted)
{
	enum { KIND = 1, PROCESS = 4, FILE_ID = 5, N_WORDS };
	char *words[N_WORDS], *rest = line;

	for (size_t i = 0; i < N_WORDS; i++) {
		words[i] = strtok_r(rest, " \n", &rest);
		if (!words[i])
			return 0;
	}
	if (strcmp(words[KIND], "FLOCK") != 0 || strcmp(words[FILE_ID], wanted) != 0)
		return 0;
	return strtol(words[PROCESS], NULL, 10);
}

long fes_lock_find_holder(const char *path)
{
	char wanted[64], line[256];
	long holder = 0;
	struct stat st;
	FILE *file;

	if (stat(path, &st) < 0)
		return 0;
	(void)snprintf(wanted, sizeof wanted, "%02x:%02x:%ju", major(st.st_dev), minor(st.st_dev),
		(uintmax_t)st.st_ino);
	file = fopen("/proc/locks", "re");
	if (!file)
		return 0;
	while (holder <= 0 && fgets(line, sizeof line, file))
		holder = holder_in_line(line, wanted);
	(void)fclose(file);
	return holder > 0 ? holder : 0;
}
