/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine.h"
#include "tests/sysroot.h"

const char *const machine_uuids[MACHINE_DISKS] = {
	"aaaaaaaa-1111-4222-8333-000000000001",
	"bbbbbbbb-1111-4222-8333-000000000002",
	"cccccccc-1111-4222-8333-000000000003",
};

enum { SIZE = 2304 * 1024 };

/* The disks as they were made; from machine_prepare() on, also in the processes of the cases. */
static uint8_t *made[MACHINE_DISKS];
static uint8_t *kept[MACHINE_DISKS]; /* and what a case makes the start */

bool machine_tools(void)
{
	return system("PATH=$PATH:/usr/sbin:/sbin;"
		      " for t in sfdisk mkfs.fat fsck.fat mcopy; do command -v $t >/dev/null ||"
		      " { echo \"$t is missing: skipped\" >&2; exit 1; }; done") == 0;
}

/* ---- the shell ---- */

static FILE *start_shell(const char *folder, const char *command)
{
	char script[4096];

	ck_assert_int_lt(snprintf(script, sizeof script,
				 "cd '%s' && PATH=$PATH:/usr/sbin:/sbin && esp=@@1M &&"
				 " MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8 &&"
				 " export MTOOLSRC MTOOLS_SKIP_CHECK LC_ALL && { %s; } 2>&1",
				 folder, command),
		(int)sizeof script);
	return popen(script, "re");
}

/* What it printed; free() it. *@status: its exit status. */
static char *run_shell(const char *folder, const char *command, int *status)
{
	FILE *pipe = start_shell(folder, command);
	char *output = calloc(1, 65536);
	int r;

	ck_assert_ptr_nonnull(pipe);
	ck_assert_ptr_nonnull(output);
	(void)fread(output, 1, 65535, pipe);
	r = pclose(pipe);
	*status = WIFEXITED(r) ? WEXITSTATUS(r) : -1;
	return output;
}

static void do_shell(const char *folder, const char *command)
{
	int status;
	char *output = run_shell(folder, command, &status);

	ck_assert_msg(status == 0, "%s: %s", command, output);
	free(output);
}

void machine_do(struct machine *machine, const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(command, sizeof command, format, args);
	va_end(args);
	do_shell(machine->root.path, command);
}

/* ---- disks ---- */

static void disk_path(const struct scratch *root, int i, char ret[PATH_MAX])
{
	(void)snprintf(ret, PATH_MAX, "%s/%c.img", root->path, 'a' + i);
}

/* Kernels are told of a new partition table with a sync(2), which would take its time. */
static void make_disk(const struct scratch *root, int i)
{
	char command[2048], name = (char)('a' + i);

	(void)snprintf(command, sizeof command,
		"set -e; d=%c.img; truncate -s %d $d;"
		" echo 'start=2048, size=2048, type=U, uuid=%s' |"
		" sfdisk -q --no-tell-kernel --label gpt $d;"
		" mkfs.fat -F 12 -s 1 -i %08x -n DISK-%c --offset 2048 $d 1024 >/dev/null;"
		" d=$d$esp; mmd -i $d ::/EFI ::/EFI/Linux ::/EFI/BOOT ::/loader;"
		" echo %s | mcopy -i $d - ::/EFI/Linux/linux.efi;"
		" echo foreign %c | mcopy -i $d - ::/EFI/BOOT/BOOTX64.EFI",
		name, SIZE, machine_uuids[i], 0x11111111 * (i + 1), 'A' + i,
		i == 0 ? "new" : "old", name);
	do_shell(root->path, command);
}

static void load(const struct scratch *root, int i, uint8_t *bytes)
{
	char path[PATH_MAX];
	FILE *file;

	disk_path(root, i, path);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(bytes, 1, SIZE, file), SIZE);
	ck_assert_int_eq(fclose(file), 0);
}

static void store(const struct scratch *root, int i)
{
	char path[PATH_MAX];
	FILE *file;

	disk_path(root, i, path);
	file = fopen(path, access(path, F_OK) == 0 ? "r+e" : "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(kept[i], 1, SIZE, file), SIZE);
	ck_assert_int_eq(fclose(file), 0);
}

void machine_prepare(void)
{
	struct scratch root;

	scratch_make(&root);
	for (int i = 0; i < MACHINE_DISKS; i++) {
		made[i] = malloc(SIZE);
		kept[i] = malloc(SIZE);
		ck_assert_ptr_nonnull(made[i]);
		ck_assert_ptr_nonnull(kept[i]);
		make_disk(&root, i);
		load(&root, i, made[i]);
	}
	scratch_remove(&root);
}

void machine_forget(void)
{
	for (int i = 0; i < MACHINE_DISKS; i++) {
		free(made[i]);
		free(kept[i]);
	}
}

void machine_keep(struct machine *machine)
{
	for (int i = 0; i < MACHINE_DISKS; i++)
		load(&machine->root, i, kept[i]);
}

void machine_restore(struct machine *machine)
{
	for (int i = 0; i < MACHINE_DISKS; i++)
		store(&machine->root, i);
}

/* ---- the machine ---- */

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct machine *machine = userdata;
	size_t len = strlen(machine->log);

	if (level == FES_LOG_INFO)
		return;
	(void)snprintf(machine->log + len, sizeof machine->log - len, "%s: %s\n",
		level == FES_LOG_ERROR ? "error" : "warning", message);
}

static void make_context(struct machine *machine)
{
	ck_assert_int_eq(fes_new(&machine->context), 0);
	ck_assert_int_eq(fes_set_root(machine->context, machine->root.path), 0);
	for (int i = 0; i < MACHINE_DISKS; i++)
		ck_assert_int_eq(fes_add_disk(machine->context, machine->paths[i]), 0);
	fes_set_log(machine->context, take_message, machine);
	machine->log[0] = '\0';
}

void machine_start(struct machine *machine)
{
	scratch_make(&machine->root);
	for (int i = 0; i < MACHINE_DISKS; i++) {
		disk_path(&machine->root, i, machine->paths[i]);
		(void)snprintf(machine->tags[i], sizeof machine->tags[i], "PARTUUID=%s",
			machine_uuids[i]);
		memcpy(kept[i], made[i], SIZE);
	}
	machine_restore(machine);
	make_context(machine);
}

void machine_stop(struct machine *machine)
{
	fes_free(machine->context);
	scratch_remove(&machine->root);
}

void machine_reboot(struct machine *machine)
{
	fes_free(machine->context);
	make_context(machine);
}

void machine_boot_from(struct machine *machine, const char *uuid)
{
	unsigned char bytes[4 + 2 * 40] = {6};
	size_t len = strlen(uuid);

	ck_assert_uint_le(len, 40);
	for (size_t i = 0; i < len; i++)
		bytes[4 + 2 * i] = (unsigned char)uuid[i];
	scratch_write(&machine->root,
		"/sys/firmware/efi/efivars/"
		"LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
		bytes, 4 + 2 * len);
}

static void mount_as(struct machine *machine, int i, const char *path, const char *number)
{
	char mounts[PATH_MAX], old[4096] = "", file[PATH_MAX], dir[64];
	FILE *stream;

	(void)snprintf(dir, sizeof dir, "virtual/block/loop%d", i);
	sysroot_put_device(&machine->root, dir, number, "2048");
	sysroot_put_backing(&machine->root, dir, machine->paths[i], "1048576");
	(void)snprintf(file, sizeof file, "%s/proc/self/mountinfo", machine->root.path);
	stream = fopen(file, "re");
	if (stream) {
		old[fread(old, 1, sizeof old - 1, stream)] = '\0';
		ck_assert_int_eq(fclose(stream), 0);
	}
	(void)snprintf(mounts, sizeof mounts, "%s%d 1 %s / %s rw - vfat /dev/loop%d rw\n", old,
		i + 10, number, path, i);
	scratch_write_text(&machine->root, "/proc/self/mountinfo", mounts);
}

void machine_mount(struct machine *machine, int i, const char *path)
{
	char number[16];

	(void)snprintf(number, sizeof number, "7:%d", i);
	mount_as(machine, i, path, number);
}

/* Whoever opens it looks whether it is on that device. */
void machine_mount_folder(struct machine *machine, int i, const char *path)
{
	char number[32];
	struct stat st;

	scratch_make_folder(&machine->root, path);
	ck_assert_int_eq(stat(machine->root.path, &st), 0);
	(void)snprintf(number, sizeof number, "%u:%u", major(st.st_dev), minor(st.st_dev));
	mount_as(machine, i, path, number);
}

/* ---- looking ---- */

char *machine_read(struct machine *machine, int i, const char *path)
{
	char command[PATH_MAX + 64], *text;
	int status;

	(void)snprintf(command, sizeof command, "mtype -i %c.img$esp '::%s' 2>&1", 'a' + i, path);
	text = run_shell(machine->root.path, command, &status);
	if (status == 0)
		return text;
	free(text);
	return NULL;
}

void machine_expect(struct machine *machine, int i, const char *path, const char *text)
{
	char *found = machine_read(machine, i, path);

	ck_assert_msg(text ? found && strcmp(found, text) == 0 : !found,
		"%s on disk %c is:\n%s\nand not:\n%s\n%s", path, 'a' + i, found ? found : "(none)",
		text ? text : "(none)", machine->log);
	free(found);
}

void machine_expect_sound(struct machine *machine, int i)
{
	char command[512], *output, *second, *last;
	int status;

	(void)snprintf(command, sizeof command,
		"dd if=%c.img of=x.fat bs=1M skip=1 count=1 status=none; fsck.fat -n x.fat",
		'a' + i);
	output = run_shell(machine->root.path, command, &status);
	second = strchr(output, '\n');
	last = strstr(output, "\nx.fat: ");
	ck_assert_msg(status == 0 && second && second == last, "disk %c: %s%s", 'a' + i, output,
		machine->log);
	free(output);
}

bool machine_is_kept(struct machine *machine, int i)
{
	uint8_t *bytes = malloc(SIZE);
	FILE *file = fopen(machine->paths[i], "re");
	bool same;

	ck_assert_ptr_nonnull(bytes);
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(bytes, 1, SIZE, file), SIZE);
	ck_assert_int_eq(fclose(file), 0);
	same = memcmp(bytes, kept[i], SIZE) == 0;
	free(bytes);
	return same;
}

bool machine_said(const struct machine *machine, const char *begin, const char *text)
{
	char log[sizeof machine->log], *rest = log, *line;

	memcpy(log, machine->log, sizeof log);
	while ((line = strsep(&rest, "\n")))
		if (strncmp(line, begin, strlen(begin)) == 0 && strstr(line, text))
			return true;
	return false;
}

ino_t machine_inode(const struct machine *machine, int i)
{
	struct stat st;

	ck_assert_int_eq(stat(machine->paths[i], &st), 0);
	return st.st_ino;
}
