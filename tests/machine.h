/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A made-up machine for tests of whole runs: disk images with a GPT and an ESP each, in a folder
 * in which a /proc and a /sys can be made, too. Disk 0 is newer than the others. What goes wrong on
 * the way fails the running case.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/fatespsync.h"
#include "tests/scratch.h"

enum {
	MACHINE_DISKS = 3,
	MACHINE_OFFSET = 1024 * 1024, /* bytes, of the ESP on its disk */
};

/* Of the ESP of disk @i; the serial number is 1111-1111 and so on. */
extern const char *const machine_uuids[MACHINE_DISKS];

#define MACHINE_LIST "/loader/esp-sync"

struct machine {
	struct scratch root;               /* of /proc and /sys, "/a.img" and so on */
	char paths[MACHINE_DISKS][PATH_MAX];
	char tags[MACHINE_DISKS][64];      /* "PARTUUID=..." */
	struct fes_context *context;       /* which knows these disks and this root */
	char log[16384];                   /* "error: ...\n" and "warning: ...\n" */
};

/* Whether sfdisk, mkfs.fat, fsck.fat and mtools are there; says on stderr what is missing. */
bool machine_tools(void);

/* Make the disks once for all cases: an unchecked fixture of their test case; its counterpart. */
void machine_prepare(void);
void machine_forget(void);

void machine_start(struct machine *machine);
void machine_stop(struct machine *machine);

/* A new context and no messages. */
void machine_reboot(struct machine *machine);

/* All disks as they are now become what they are at the start, and after machine_restore(). */
void machine_keep(struct machine *machine);
void machine_restore(struct machine *machine);

/* Run a shell command in the folder, in which $esp is "@@1M", for mtools. It must end well. */
void machine_do(struct machine *machine, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The file @path of the ESP on disk @i, for mtools; NULL: there is none. free() it. */
char *machine_read(struct machine *machine, int i, const char *path);

/* It is @text; NULL: there is none. */
void machine_expect(struct machine *machine, int i, const char *path, const char *text);

/* fsck.fat finds nothing on disk @i. */
void machine_expect_sound(struct machine *machine, int i);

/* Whether no byte of disk @i differs from what machine_keep() kept. */
bool machine_is_kept(struct machine *machine, int i);

/* The log has a line that begins with @begin ("error: ") and holds @text. */
bool machine_said(const struct machine *machine, const char *begin, const char *text);

/* Number of the file that disk @i is. */
ino_t machine_inode(const struct machine *machine, int i);

/* Firmware started the boot loader from the partition @uuid. */
void machine_boot_from(struct machine *machine, const char *uuid);

/* The kernel shows the ESP of disk @i as loop device 7:@i, mounted at @path ("/efi"). */
void machine_mount(struct machine *machine, int i, const char *path);

/* The same with an empty folder there that can be written to. No kernel carries that over. */
void machine_mount_folder(struct machine *machine, int i, const char *path);
