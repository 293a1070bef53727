/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ESP and XBOOTLDR of a mirror's disk: what is found wrong with one before the first commit leaves both
 * as they were, and whatever fails later there is something to boot.
 */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fat/internal.h"
#include "lib/internal.h"
#include "tests/fixture.h"
#include "tests/suite.h"
#include "tests/testdev.h"

enum { FAT12 = 0, FAT16 = 1 };
enum { ESP, XBOOTLDR, N_SIDES };

static const char *const primary_names[] = {"primary ESP", "primary XBOOTLDR"};
static const char *const mirror_names[] = {"mirror ESP", "mirror XBOOTLDR"};

/* The two ESPs, or the two XBOOTLDRs. */
struct side {
	struct fixture *primary, *mirror;
	struct fes_volume *volume; /* the primary's */
	struct fes_tree *tree;
	struct fes_digester *digester;
	struct fault fault; /* of the mirror */
	struct trace trace;
	enum fes_mirror_state state;
	char message[512];
	size_t n_changes;
};

struct test {
	struct fes_context *context;
	struct fes_managed managed;
	struct side sides[N_SIDES];
	unsigned flags;
	bool alone;              /* the mirror's disk has no XBOOTLDR */
	const char *refused[N_SIDES]; /* why one cannot even be opened */
	uint64_t n_calls;        /* to both mirrors */
	uint64_t interrupted_at; /* 0: none */
	char log[8192];
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- what is on them ---- */

#define ENTRY(name_, text_) {.path = "/loader/entries/" name_ ".conf", .text = (text_)}
#define FILE_OF(path_, size_, seed_) {.path = (path_), .size = (size_), .seed = (seed_)}

/* The old kernel is on the ESP; the new one, and the old one, come to the XBOOTLDR. */
static const struct fixture_file old_esp[] = {
	ENTRY("old", "linux /EFI/Linux/old"),
	FILE_OF("/EFI/Linux/old", 3000, 1),
	FILE_OF("/EFI/systemd/systemd-bootx64.efi", 2000, 2),
	{.path = "/loader/loader.conf", .text = "default old"},
};
static const struct fixture_file old_xbootldr[] = {
	FILE_OF("/vmlinuz-foreign", 900, 3),
};
static const struct fixture_file new_esp[] = {
	FILE_OF("/EFI/systemd/systemd-bootx64.efi", 2100, 4),
	{.path = "/loader/loader.conf", .text = "default new"},
};
static const struct fixture_file new_xbootldr[] = {
	ENTRY("new", "linux /EFI/Linux/new"),
	ENTRY("old", "linux /EFI/Linux/old"),
	FILE_OF("/EFI/Linux/new", 3100, 5),
	FILE_OF("/EFI/Linux/old", 3000, 1),
};

/* ---- the test ---- */

static void take_message(void *userdata, enum fes_log_level level, const char *message)
{
	struct test *t = userdata;
	size_t len = strlen(t->log);

	(void)level;
	(void)snprintf(t->log + len, sizeof t->log - len, "%s\n", message);
}

static struct fes_volume *adopt(struct test *t, struct blkdev *dev, const char *name)
{
	struct fes_volume *volume;

	ck_assert_int_eq(fes_volume_adopt(t->context, dev, name, &volume, NULL), 0);
	return volume;
}

static void open_primary(struct test *t, int i)
{
	struct side *side = &t->sides[i];
	struct fat_check_result check;
	struct blkdev *dev;

	ck_assert_int_eq(memdev_wrap(side->primary->bytes, side->primary->size, 512, &dev), 0);
	side->volume = adopt(t, dev, primary_names[i]);
	ck_assert_int_eq(fes_volume_require_sound(side->volume, &check), 0);
	ck_assert_int_eq(fes_tree_read(side->volume, &t->managed, &side->tree), 0);
	ck_assert_int_eq(fes_digester_start(side->tree, &side->digester), 0);
}

static struct test *test_with(struct fixture *primary_esp, struct fixture *primary_xbootldr,
	struct fixture *mirror_esp, struct fixture *mirror_xbootldr)
{
	struct test *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->sides[ESP].primary = primary_esp;
	t->sides[ESP].mirror = mirror_esp;
	t->sides[XBOOTLDR].primary = primary_xbootldr;
	t->sides[XBOOTLDR].mirror = mirror_xbootldr;
	ck_assert_int_eq(fes_new(&t->context), 0);
	fes_set_log(t->context, take_message, t);
	ck_assert_int_eq(fes_managed_init(&t->managed), 0);
	open_primary(t, ESP);
	open_primary(t, XBOOTLDR);
	return t;
}

/* Kernels move to the XBOOTLDR. */
static struct test *new_test(void)
{
	return test_with(fixture_new(FAT16, new_esp, COUNT(new_esp)),
		fixture_new(FAT16, new_xbootldr, COUNT(new_xbootldr)),
		fixture_new(FAT12, old_esp, COUNT(old_esp)),
		fixture_new(FAT12, old_xbootldr, COUNT(old_xbootldr)));
}

/* Kernels move to the ESP. */
static struct test *new_way_back(void)
{
	return test_with(fixture_new(FAT16, old_esp, COUNT(old_esp)),
		fixture_new(FAT16, old_xbootldr, COUNT(old_xbootldr)),
		fixture_new(FAT12, new_esp, COUNT(new_esp)),
		fixture_new(FAT12, new_xbootldr, COUNT(new_xbootldr)));
}

static void free_test(struct test *t)
{
	for (int i = 0; i < N_SIDES; i++) {
		struct side *side = &t->sides[i];

		fes_digester_stop(side->digester);
		fes_tree_free(side->tree);
		fes_volume_close(side->volume);
		fixture_free(side->primary);
		fixture_free(side->mirror);
		trace_done(&side->trace);
	}
	fes_managed_done(&t->managed);
	fes_free(t->context);
	free(t);
}

/* ---- a sync ---- */

static void count_call(void *userdata, enum testdev_op op)
{
	struct test *t = userdata;

	(void)op;
	if (++t->n_calls == t->interrupted_at)
		fes_interrupt(t->context);
}

struct stack {
	struct blkdev *below, *traced, *faulty;
};

static struct stack open_mirror(struct test *t, int i, struct fes_mirror *mirror)
{
	struct side *side = &t->sides[i];
	unsigned ops = side->fault.ops;
	struct stack stack = {0};
	struct blkdev *dev;

	if (t->refused[i]) {
		mirror->spec_text = strdup(mirror_names[i]);
		fes_mirror_refuse(mirror, t->refused[i]);
		return stack;
	}
	ck_assert_int_eq(
		memdev_wrap(side->mirror->bytes, side->mirror->size, 512, &stack.below), 0);
	ck_assert_int_eq(tracedev_new(stack.below, &side->trace, &stack.traced), 0);
	ck_assert_int_eq(faultdev_new(stack.traced, &side->fault, &stack.faulty), 0);
	ck_assert_int_eq(tapdev_new(stack.faulty, count_call, t, &dev), 0);
	side->fault.ops = 0; /* opening is somebody else's matter */
	mirror->volume = adopt(t, dev, mirror_names[i]);
	side->fault.ops = ops;
	return stack;
}

static void close_stack(struct stack stack)
{
	blkdev_close(stack.faulty);
	blkdev_close(stack.traced);
	blkdev_close(stack.below);
}

static void keep_result(struct side *side, const struct fes_mirror *mirror)
{
	side->state = mirror->state;
	side->n_changes = mirror->n_changes;
	(void)snprintf(side->message, sizeof side->message, "%s",
		mirror->message ? mirror->message : "");
}

static struct fes_run run_of(struct test *t, int i)
{
	return (struct fes_run){
		.context = t->context,
		.primary = t->sides[i].volume,
		.tree = t->sides[i].tree,
		.managed = &t->managed,
		.digester = t->sides[i].digester,
		.flags = t->flags,
	};
}

static void sync_pair(struct test *t)
{
	struct fes_run run = run_of(t, ESP), xbootldr_run = run_of(t, XBOOTLDR);
	struct fes_mirror esp = {0};
	struct stack stacks[N_SIDES] = {{0}};

	run.xbootldr = &xbootldr_run;
	t->log[0] = '\0';
	t->n_calls = 0;
	stacks[ESP] = open_mirror(t, ESP, &esp);
	if (!t->alone) {
		esp.xbootldr = calloc(1, sizeof *esp.xbootldr);
		ck_assert_ptr_nonnull(esp.xbootldr);
		stacks[XBOOTLDR] = open_mirror(t, XBOOTLDR, esp.xbootldr);
	}
	fes_mirror_sync(&esp, &run);
	keep_result(&t->sides[ESP], &esp);
	if (esp.xbootldr)
		keep_result(&t->sides[XBOOTLDR], esp.xbootldr);
	fes_mirror_done(&esp);
	close_stack(stacks[ESP]);
	close_stack(stacks[XBOOTLDR]);
}

static void expect_states(struct test *t, enum fes_mirror_state esp,
	enum fes_mirror_state xbootldr)
{
	ck_assert_msg(t->sides[ESP].state == esp, "ESP: state %d:\n%s", t->sides[ESP].state, t->log);
	ck_assert_msg(t->sides[XBOOTLDR].state == xbootldr, "XBOOTLDR: state %d:\n%s",
		t->sides[XBOOTLDR].state, t->log);
}

/* ---- what is there ---- */

static bool has(struct test *t, int i, const char *path)
{
	return fixture_has(t->sides[i].mirror, path);
}

static bool has_entry(struct test *t, int i, const char *name)
{
	char conf[64], kernel[64];

	(void)snprintf(conf, sizeof conf, "/loader/entries/%s.conf", name);
	(void)snprintf(kernel, sizeof kernel, "/EFI/Linux/%s", name);
	if (has(t, i, conf))
		ck_assert_msg(has(t, i, kernel), "%s without its kernel", conf);
	return has(t, i, conf);
}

/* At any time. */
static void expect_something_to_boot(struct test *t)
{
	bool any = false;

	for (int i = 0; i < N_SIDES; i++) {
		(void)fixture_check(t->sides[i].mirror);
		any |= has_entry(t, i, "old");
		any |= has_entry(t, i, "new");
	}
	ck_assert_msg(any, "nothing to boot is left:\n%s", t->log);
}

static void expect_untouched(struct test *t)
{
	for (int i = 0; i < N_SIDES; i++)
		ck_assert_msg(!t->sides[i].trace.text, "%s: %s", mirror_names[i],
			t->sides[i].trace.text);
}

/* Kernels are where they were, and so is all the rest. */
static bool is_old(struct test *t)
{
	return has_entry(t, ESP, "old") && !has(t, XBOOTLDR, "/loader") &&
		fixture_find(t->sides[ESP].mirror, "/EFI/systemd/systemd-bootx64.efi").size == 2000;
}

static bool is_new(struct test *t)
{
	return !has_entry(t, ESP, "old") && has_entry(t, XBOOTLDR, "new") &&
		has_entry(t, XBOOTLDR, "old");
}

static void trace_writes(struct test *t)
{
	for (int i = 0; i < N_SIDES; i++) {
		trace_done(&t->sides[i].trace);
		t->sides[i].trace.ops = TESTDEV_WRITE | TESTDEV_FLUSH;
	}
}

/* A sync ends well, and the one after it writes nothing: all is tidy, too. */
static void expect_recovery(struct test *t)
{
	sync_pair(t);
	ck_assert_msg(t->sides[ESP].state <= FES_MIRROR_SYNCED, "%s", t->log);
	ck_assert_msg(t->sides[XBOOTLDR].state <= FES_MIRROR_SYNCED, "%s", t->log);
	trace_writes(t);
	sync_pair(t);
	expect_states(t, FES_MIRROR_IN_SYNC, FES_MIRROR_IN_SYNC);
	expect_untouched(t);
}

/* ---- when all goes well ---- */

START_TEST(test_both_become_equal)
{
	struct test *t = new_test();

	sync_pair(t);
	expect_states(t, FES_MIRROR_SYNCED, FES_MIRROR_SYNCED);
	ck_assert_str_eq(t->log, "");
	ck_assert(is_new(t));
	fixture_expect_file(t->sides[XBOOTLDR].mirror, "/EFI/Linux/new", 3100, 5);
	fixture_expect_file(t->sides[XBOOTLDR].mirror, "/vmlinuz-foreign", 900, 3);
	fixture_expect_file(t->sides[ESP].mirror, "/EFI/systemd/systemd-bootx64.efi", 2100, 4);
	expect_recovery(t);
	free_test(t);
}
END_TEST

START_TEST(test_kernels_move_back)
{
	struct test *t = new_way_back();

	sync_pair(t);
	expect_states(t, FES_MIRROR_SYNCED, FES_MIRROR_SYNCED);
	ck_assert(has_entry(t, ESP, "old"));
	ck_assert(!has(t, XBOOTLDR, "/loader"));
	expect_recovery(t);
	free_test(t);
}
END_TEST

START_TEST(test_what_is_equal_is_not_written_to)
{
	static const char *const files[] = {"/loader/loader.conf", "/EFI/Linux/new"};
	struct test *t = new_test();

	sync_pair(t);
	fixture_do(t->sides[!_i].mirror, "mdel -i x.img ::%s", files[!_i]);
	trace_writes(t);
	sync_pair(t);
	ck_assert_int_eq(t->sides[_i].state, FES_MIRROR_IN_SYNC);
	ck_assert_int_eq(t->sides[!_i].state, FES_MIRROR_SYNCED);
	ck_assert_ptr_null(t->sides[_i].trace.text);
	expect_recovery(t);
	free_test(t);
}
END_TEST

START_TEST(test_a_dry_run_writes_nothing)
{
	struct test *t = new_test();

	t->flags = FES_SYNC_DRY_RUN;
	trace_writes(t);
	sync_pair(t);
	expect_states(t, FES_MIRROR_DIFFERS, FES_MIRROR_DIFFERS);
	ck_assert_uint_gt(t->sides[ESP].n_changes, 0);
	ck_assert_uint_gt(t->sides[XBOOTLDR].n_changes, 0);
	expect_untouched(t);
	free_test(t);
}
END_TEST

/* ---- what is found before anything is written ---- */

static void expect_refusal(struct test *t, int i, const char *reason)
{
	trace_writes(t);
	sync_pair(t);
	expect_states(t, FES_MIRROR_REFUSED, FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->sides[i].message, reason) != NULL, "%s", t->sides[i].message);
	ck_assert_str_eq(t->sides[!i].message,
		i == ESP ? "mirror XBOOTLDR: nothing was written to it, because the ESP of its disk, mirror ESP, could not be brought in line"
			 : "mirror ESP: nothing was written to it, because the XBOOTLDR of its disk, mirror XBOOTLDR, could not be brought in line");
	expect_untouched(t);
	ck_assert(is_old(t));
}

/* The end of the first file's chain is free. */
static void damage(struct fixture *f, const char *path)
{
	uint32_t cluster = fixture_find(f, path).first_cluster;
	uint8_t *entry;

	fixture_open(f);
	entry = f->bytes + f->vol->geo.fat_offset + (size_t)cluster * 3 / 2;
	fixture_close(f);
	entry[0] = entry[1] = 0;
}

START_TEST(test_a_damaged_one_keeps_the_other_from_being_written_to)
{
	struct test *t = new_test();

	damage(t->sides[_i].mirror, _i == ESP ? "/EFI/Linux/old" : "/vmlinuz-foreign");
	trace_writes(t);
	sync_pair(t);
	expect_states(t, FES_MIRROR_REFUSED, FES_MIRROR_REFUSED);
	ck_assert_msg(strstr(t->sides[_i].message, "damaged") != NULL, "%s", t->sides[_i].message);
	ck_assert_ptr_nonnull(strstr(t->sides[!_i].message, "could not be brought in line"));
	expect_untouched(t);
	free_test(t);
}
END_TEST

START_TEST(test_what_both_have_to_tell_is_told)
{
	struct test *t = new_test();

	damage(t->sides[ESP].mirror, "/EFI/Linux/old");
	damage(t->sides[XBOOTLDR].mirror, "/vmlinuz-foreign");
	sync_pair(t);
	expect_states(t, FES_MIRROR_REFUSED, FES_MIRROR_REFUSED);
	ck_assert_ptr_nonnull(strstr(t->sides[ESP].message, "damaged"));
	ck_assert_ptr_nonnull(strstr(t->sides[XBOOTLDR].message, "damaged"));
	free_test(t);
}
END_TEST

START_TEST(test_too_little_room_on_one_keeps_the_other_from_being_written_to)
{
	struct test *t = new_test();

	t->flags = _i % 2 ? FES_SYNC_DRY_RUN : 0;
	fixture_do(t->sides[XBOOTLDR].mirror,
		"head -c 2000000 /dev/urandom | mcopy -i x.img - ::/fill 2>/dev/null; true");
	expect_refusal(t, XBOOTLDR, "too small");
	free_test(t);
}
END_TEST

START_TEST(test_one_that_cannot_be_opened_keeps_the_other_from_being_written_to)
{
	struct test *t = new_test();

	t->refused[_i] = "it is mounted";
	expect_refusal(t, _i, "it is mounted");
	ck_assert_uint_gt(t->sides[!_i].n_changes, 0);
	free_test(t);
}
END_TEST

/* Somebody formatted the primary's XBOOTLDR. */
static struct test *new_emptied(void)
{
	return test_with(fixture_new(FAT16, new_esp, COUNT(new_esp)),
		fixture_new(FAT16, old_xbootldr, COUNT(old_xbootldr)),
		fixture_new(FAT12, new_esp, COUNT(new_esp)),
		fixture_new(FAT12, new_xbootldr, COUNT(new_xbootldr)));
}

START_TEST(test_a_primary_without_entries_does_not_empty_a_disk_that_has_some)
{
	struct test *t = new_emptied();

	trace_writes(t);
	sync_pair(t);
	ck_assert_int_eq(t->sides[XBOOTLDR].state, FES_MIRROR_REFUSED);
	ck_assert_ptr_nonnull(strstr(t->log, "mirror ESP: there are complete boot entries on its disk, but none on the primary's"));
	expect_untouched(t);
	t->flags = FES_SYNC_FORCE;
	sync_pair(t);
	expect_states(t, FES_MIRROR_IN_SYNC, FES_MIRROR_SYNCED);
	ck_assert(!has(t, XBOOTLDR, "/loader"));
	free_test(t);
}
END_TEST

START_TEST(test_disks_without_any_entries_are_no_reason_to_stop)
{
	struct test *t = test_with(fixture_new(FAT16, new_esp, COUNT(new_esp)),
		fixture_new(FAT16, old_xbootldr, COUNT(old_xbootldr)),
		fixture_new(FAT12, old_xbootldr, COUNT(old_xbootldr)),
		fixture_new(FAT12, old_xbootldr, COUNT(old_xbootldr)));

	sync_pair(t);
	expect_states(t, FES_MIRROR_SYNCED, FES_MIRROR_IN_SYNC);
	free_test(t);
}
END_TEST

START_TEST(test_a_disk_without_xbootldr_is_refused)
{
	struct test *t = new_test();

	t->alone = true;
	trace_writes(t);
	sync_pair(t);
	ck_assert_int_eq(t->sides[ESP].state, FES_MIRROR_REFUSED);
	ck_assert_str_eq(t->sides[ESP].message,
		"mirror ESP: its disk has no XBOOTLDR partition, but the primary's has (primary XBOOTLDR): "
		"make one (GPT type bc13c2ff-59e6-4262-a352-b275fd6f7172) and format it, or go on without with --force");
	expect_untouched(t);
	free_test(t);
}
END_TEST

START_TEST(test_force_goes_on_without_xbootldr)
{
	struct test *t = new_test();

	t->alone = true;
	t->flags = FES_SYNC_FORCE;
	sync_pair(t);
	ck_assert_int_eq(t->sides[ESP].state, FES_MIRROR_SYNCED);
	ck_assert_str_eq(t->log,
		"mirror ESP: its disk has no XBOOTLDR partition for what is on the primary's (primary XBOOTLDR)\n");
	ck_assert(!has_entry(t, ESP, "old"));
	free_test(t);
}
END_TEST

/* ---- what comes up before the first commit ---- */

/* Since the tree was read, an entry of the primary got another time. */
static void touch(struct side *side, const char *dir_path, const char *path)
{
	struct fat_entry dir = fixture_find(side->primary, dir_path);
	struct fat_entry file = fixture_find(side->primary, path);
	uint8_t *slot = side->primary->bytes +
		fat_cluster_offset(side->volume->fat, dir.first_cluster) +
		(size_t)file.short_slot * FAT_SLOT_LEN;

	slot[offsetof(struct fat_short_slot, write_time)] ^= 0x20;
}

START_TEST(test_a_primary_that_changes_keeps_both_from_being_committed)
{
	struct test *t = new_test();

	if (_i == ESP)
		touch(&t->sides[ESP], "/EFI/systemd", "/EFI/systemd/systemd-bootx64.efi");
	else
		touch(&t->sides[XBOOTLDR], "/EFI/Linux", "/EFI/Linux/new");
	sync_pair(t);
	expect_states(t, FES_MIRROR_FAILED, FES_MIRROR_FAILED);
	ck_assert_ptr_nonnull(strstr(t->sides[_i].message, "changed while it was read"));
	ck_assert_ptr_nonnull(strstr(t->sides[!_i].message, "its files are as they were, because"));
	ck_assert(is_old(t));
	expect_something_to_boot(t);
	free_test(t);
}
END_TEST

/* The nth call of a kind to one of the two fails. Returns whether there was an nth one. */
static bool sync_with_fault(struct test *t, int i, unsigned ops, uint64_t nth)
{
	struct side *side = &t->sides[i];

	fixture_reset(t->sides[ESP].mirror);
	fixture_reset(t->sides[XBOOTLDR].mirror);
	side->fault = (struct fault){.ops = ops, .error = -EIO, .nth = nth, .sticky = true};
	sync_pair(t);
	side->fault.nth = 0;
	return side->fault.n_fired > 0;
}

/* Of what one device does up to its first commit nothing may have an effect on the other. */
static void expect_both_or_none(struct test *t, int i, uint64_t n_prepared, uint64_t nth)
{
	ck_assert_int_eq(t->sides[i].state, FES_MIRROR_FAILED);
	expect_something_to_boot(t);
	if (nth <= n_prepared)
		ck_assert_msg(is_old(t), "write %llu", (unsigned long long)nth);
}

static uint64_t count_lines(const char *text, const char *begin)
{
	uint64_t n = 0;

	for (; text && *text; text = strchr(text, '\n') + 1)
		n += strncmp(text, begin, strlen(begin)) == 0;
	return n;
}

/* Interrupted before the commits: so many writes are there to prepare. */
static uint64_t count_prepared(struct test *t, int i)
{
	uint64_t n;

	touch(&t->sides[ESP], "/EFI/systemd", "/EFI/systemd/systemd-bootx64.efi");
	trace_writes(t);
	sync_pair(t);
	n = count_lines(t->sides[i].trace.text, "write");
	touch(&t->sides[ESP], "/EFI/systemd", "/EFI/systemd/systemd-bootx64.efi");
	return n;
}

START_TEST(test_a_write_that_fails_leaves_something_to_boot)
{
	struct test *t = new_test();
	uint64_t n_prepared = count_prepared(t, _i), nth = 1;

	ck_assert_uint_gt(n_prepared, 2);
	for (; sync_with_fault(t, _i, TESTDEV_WRITE, nth); nth++) {
		expect_both_or_none(t, _i, n_prepared, nth);
		expect_recovery(t);
		ck_assert(is_new(t));
	}
	ck_assert_uint_gt(nth, n_prepared + 2);
	free_test(t);
}
END_TEST

START_TEST(test_a_read_that_fails_leaves_something_to_boot)
{
	struct test *t = new_test();
	uint64_t nth = 1;

	for (; sync_with_fault(t, _i, TESTDEV_READ, nth); nth++)
		expect_something_to_boot(t);
	ck_assert_uint_gt(nth, 20);
	free_test(t);
}
END_TEST

/* Up to the first commit on either it stops both, then it stops none. */
START_TEST(test_an_interruption_stops_both_or_none)
{
	struct test *t = new_test();
	bool stopped = true;

	for (uint64_t k = 1; stopped; k++) {
		fixture_reset(t->sides[ESP].mirror);
		fixture_reset(t->sides[XBOOTLDR].mirror);
		t->interrupted_at = k;
		sync_pair(t);
		atomic_store(&t->context->interrupted, false);
		for (int i = 0; i < N_SIDES; i++) {
			fes_digester_stop(t->sides[i].digester);
			ck_assert_int_eq(fes_digester_start(t->sides[i].tree,
				&t->sides[i].digester), 0);
		}
		stopped = t->sides[ESP].state != FES_MIRROR_SYNCED;
		if (stopped) {
			ck_assert(is_old(t));
			ck_assert_ptr_nonnull(strstr(t->sides[ESP].message, "interrupted"));
			ck_assert_ptr_nonnull(strstr(t->sides[XBOOTLDR].message, "interrupted"));
		}
	}
	expect_states(t, FES_MIRROR_SYNCED, FES_MIRROR_SYNCED);
	ck_assert(is_new(t));
	free_test(t);
}
END_TEST

/* ---- what fails between the commits ---- */

START_TEST(test_who_is_half_done_says_so)
{
	struct test *t = new_test();
	uint64_t n_prepared = count_prepared(t, XBOOTLDR);

	ck_assert(sync_with_fault(t, XBOOTLDR, TESTDEV_WRITE, n_prepared + 1));
	expect_states(t, FES_MIRROR_FAILED, FES_MIRROR_FAILED);
	ck_assert_str_eq(t->sides[ESP].message,
		"mirror ESP: only a part was changed, because the XBOOTLDR of its disk, mirror XBOOTLDR, could not be brought in line");
	fixture_expect_file(t->sides[ESP].mirror, "/EFI/systemd/systemd-bootx64.efi", 2100, 4);
	ck_assert(has_entry(t, ESP, "old"));
	expect_recovery(t);
	free_test(t);
}
END_TEST

START_TEST(test_who_comes_first_and_is_done_stays_so)
{
	struct test *t = new_way_back();

	t->sides[XBOOTLDR].fault = (struct fault){.ops = TESTDEV_WRITE, .error = -EIO, .nth = 1};
	sync_pair(t);
	/* Nothing is prepared on the XBOOTLDR, from which all goes: its first write is a commit. */
	expect_states(t, FES_MIRROR_SYNCED, FES_MIRROR_FAILED);
	t->sides[XBOOTLDR].fault.nth = 0;
	ck_assert(has_entry(t, ESP, "old"));
	ck_assert(has_entry(t, XBOOTLDR, "new"));
	expect_recovery(t);
	free_test(t);
}
END_TEST

/* Kernels move to the ESP beside what is on the XBOOTLDR of the primary: an entry and a file. */
static struct test *new_way_back_beside(const struct fixture_file other[2])
{
	return test_with(fixture_new(FAT16, old_esp, COUNT(old_esp)), fixture_new(FAT16, other, 2),
		fixture_new(FAT12, new_esp, COUNT(new_esp)),
		fixture_new(FAT12, new_xbootldr, COUNT(new_xbootldr)));
}

static void expect_esp_first(struct test *t, int type)
{
	uint64_t nth = 1;

	for (; sync_with_fault(t, type, TESTDEV_WRITE, nth); nth++)
		expect_something_to_boot(t);
	ck_assert(has_entry(t, ESP, "old"));
	ck_assert(has(t, XBOOTLDR, "/loader/entries/other.conf"));
	ck_assert_uint_gt(nth, 5);
	free_test(t);
}

START_TEST(test_an_xbootldr_that_gets_nothing_to_boot_does_not_come_first)
{
	static const struct fixture_file theirs[] = {
		ENTRY("other", "efi /EFI/Microsoft/Boot/bootmgfw.efi"),
		FILE_OF("/EFI/Microsoft/Boot/bootmgfw.efi", 1500, 6),
	};

	expect_esp_first(new_way_back_beside(theirs), _i);
}
END_TEST

START_TEST(test_an_xbootldr_that_gets_a_memory_test_does_not_come_first)
{
	static const struct fixture_file memory_test[] = {
		ENTRY("other", "efi /memtest/mt.efi"),
		FILE_OF("/memtest/mt.efi", 1500, 6),
	};

	expect_esp_first(new_way_back_beside(memory_test), _i);
}
END_TEST

/* Also where something else could be booted meanwhile. */
START_TEST(test_an_image_that_moves_is_on_one_of_the_two_all_the_time)
{
	static const struct fixture_file image[] = {FILE_OF("/EFI/Linux/image.efi", 2500, 7)};
	static const struct fixture_file image_beside_old[] = {
		ENTRY("old", "linux /EFI/Linux/old"),
		FILE_OF("/EFI/Linux/old", 3000, 1),
		FILE_OF("/EFI/Linux/image.efi", 2500, 7),
	};
	struct test *t = test_with(fixture_new(FAT16, old_esp, COUNT(old_esp)),
		fixture_new(FAT16, image, COUNT(image)),
		fixture_new(FAT12, image_beside_old, COUNT(image_beside_old)),
		fixture_new(FAT12, old_xbootldr, COUNT(old_xbootldr)));
	uint64_t nth = 1;

	for (; sync_with_fault(t, _i, TESTDEV_WRITE, nth); nth++)
		ck_assert(has(t, ESP, image->path) || has(t, XBOOTLDR, image->path));
	ck_assert(!has(t, ESP, image->path));
	ck_assert(has(t, XBOOTLDR, image->path));
	free_test(t);
}
END_TEST

static void add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n, int loops)
{
	TCase *tc = suite_add_case(suite, name, tests, n, loops);

	tcase_set_timeout(tc, 120);
}

static Suite *make_suite(void)
{
	const TTest *const once[] = {
		test_both_become_equal,
		test_kernels_move_back,
		test_a_dry_run_writes_nothing,
		test_what_both_have_to_tell_is_told,
		test_a_primary_without_entries_does_not_empty_a_disk_that_has_some,
		test_disks_without_any_entries_are_no_reason_to_stop,
		test_a_disk_without_xbootldr_is_refused,
		test_force_goes_on_without_xbootldr,
		test_an_interruption_stops_both_or_none,
		test_who_is_half_done_says_so,
		test_who_comes_first_and_is_done_stays_so,
	};
	const TTest *const either[] = {
		test_what_is_equal_is_not_written_to,
		test_a_damaged_one_keeps_the_other_from_being_written_to,
		test_too_little_room_on_one_keeps_the_other_from_being_written_to,
		test_one_that_cannot_be_opened_keeps_the_other_from_being_written_to,
		test_a_primary_that_changes_keeps_both_from_being_committed,
		test_a_write_that_fails_leaves_something_to_boot,
		test_a_read_that_fails_leaves_something_to_boot,
		test_an_xbootldr_that_gets_nothing_to_boot_does_not_come_first,
		test_an_xbootldr_that_gets_a_memory_test_does_not_come_first,
		test_an_image_that_moves_is_on_one_of_the_two_all_the_time,
	};
	Suite *suite = suite_create("pair");

	add_case(suite, "both", once, COUNT(once), 1);
	add_case(suite, "either", either, COUNT(either), N_SIDES);
	return suite;
}

int main(void)
{

	if (!fixture_tools())
		return 77;
	return suite_run(make_suite());
}
