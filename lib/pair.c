/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/boots.h"
#include "lib/needs.h"
#include "lib/work.h"

/*
 * A mirror is one volume or two: the ESP, and the XBOOTLDR partition of the same disk. systemd-boot
 * takes entries from both, and files of an entry from the volume that it is on. So kernels may move
 * from one to the other on the primary, and a disk on which only one of them has followed may have
 * none. Therefore they go together:
 *
 *   Both are checked, planned and laid out before either is written to, and all is copied and read
 *   back on both before the first commit on either. Until then a problem with one ends both, with
 *   their old contents.
 *
 *   Commits, when the XBOOTLDR gets something to boot: first what the ESP's entries refer
 *   to and the boot loader, which should be new before entries that it may have to understand; then
 *   all of the XBOOTLDR; then the ESP's entries, and what goes from it. Until all is new on the
 *   XBOOTLDR, what can be booted stays on the ESP; and afterwards there is something on the
 *   XBOOTLDR.
 *
 *   Else the ESP has it all in the end: it comes first, whole.
 *
 * So at any moment what could be booted at first, or what can be in the end, is there, complete.
 * Where room is short, what the primary no longer has goes first, but on neither volume the last
 * choice.
 */

struct pair {
	struct fes_work esp;
	struct fes_work xbootldr; /* no mirror: none */
	struct fes_work *volumes[2];
	size_t n;
	bool xbootldr_leads; /* it will have something to boot, no worse than the primary's ESP has */
};

static void begin(struct pair *pair, struct fes_mirror *mirror, const struct fes_run *run)
{
	*pair = (struct pair){.esp = {.mirror = mirror, .run = run}};
	if (mirror->xbootldr) {
		pair->xbootldr = (struct fes_work){
			.mirror = mirror->xbootldr, .esp = mirror, .run = run->xbootldr};
		pair->volumes[pair->n++] = &pair->xbootldr;
	}
	pair->volumes[pair->n++] = &pair->esp;
}

/* Stops at the first error. */
static int each(struct pair *pair, int (*step)(struct fes_work *work))
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < pair->n; i++)
		r = step(pair->volumes[i]);
	return r;
}

/*
 * Kernels may have moved to the primary's XBOOTLDR: to bring the ESP alone in line would take them
 * from this disk.
 */
static int require_xbootldr(struct pair *pair)
{
	const struct fes_run *run = pair->esp.run;
	struct fes_mirror *mirror = pair->esp.mirror;

	if (!run->xbootldr || mirror->xbootldr || mirror->shares_xbootldr || mirror->state != 0)
		return 0;
	if (run->flags & FES_SYNC_FORCE) {
		fes_log(run->context, FES_LOG_WARNING,
			"%s: its disk has no XBOOTLDR partition for what is on the primary's (%s)",
			mirror->volume->name, run->xbootldr->primary->name);
		return 0;
	}
	fes_volume_report(mirror->volume,
		"its disk has no XBOOTLDR partition, but the primary's has (%s): make one (GPT type bc13c2ff-59e6-4262-a352-b275fd6f7172) and format it, or go on without with --force",
		run->xbootldr->primary->name);
	pair->esp.error = -ENXIO;
	return -ENXIO;
}

/* What the volume will have to boot when it is in line: enum fes_bootable, or an error. */
static int gets_choice(const struct fes_work *work)
{
	return fes_choice_comes(work->comparison, &work->run->tree->needs->entries);
}

static int plan_xbootldr(struct pair *pair)
{
	int r = fes_work_plan(&pair->xbootldr);

	if (r < 0)
		return r;
	r = gets_choice(&pair->xbootldr);
	pair->xbootldr_leads = r > 0 && r >= (int)fes_tree_boots(pair->esp.run->tree);
	pair->xbootldr.error = r < 0 ? r : 0;
	return pair->xbootldr.error;
}

/* If one fails the other is planned nevertheless: it may have problems of its own to tell. */
static int plan(struct pair *pair)
{
	int r = 0, esp;

	if (pair->xbootldr.mirror) {
		r = plan_xbootldr(pair);
		pair->esp.keep_images = pair->xbootldr_leads && pair->xbootldr.mirror->n_changes > 0;
	}
	esp = fes_work_plan(&pair->esp);
	return r < 0 ? r : esp;
}

static int better_of(int a, int b)
{
	return a > b ? a : b;
}

/* The best that can be booted from @esp or from @xbootldr, which may be missing. */
static int boots(const struct fes_tree *esp, const struct fes_tree *xbootldr)
{
	int of_esp = (int)fes_tree_boots(esp);

	return xbootldr ? better_of(of_esp, (int)fes_tree_boots(xbootldr)) : of_esp;
}

static int primary_boots(const struct fes_run *run)
{
	return boots(run->tree, run->xbootldr ? run->xbootldr->tree : NULL);
}

static bool anything_changed(const struct pair *pair)
{
	return pair->esp.mirror->n_changes > 0 ||
		(pair->xbootldr.mirror && pair->xbootldr.mirror->n_changes > 0);
}

/* Where else than on its ESP the primary could have had something to boot; NULL: nowhere. */
static const char *name_other_place(const struct pair *pair)
{
	const struct fes_run *run = pair->esp.run;
	const struct fes_mirror *mirror = pair->esp.mirror;

	if (run->xbootldr)
		return run->xbootldr->primary->name;
	return mirror->spec.xbootldr || mirror->xbootldr ? "no XBOOTLDR that could be copied" : NULL;
}

/*
 * What other boot loaders start (with --manage) is not looked into, so a primary without any entry may be
 * in order. But not one whose entries are broken; nor if the mirror got its own by a sync; nor where they
 * may have been on an XBOOTLDR, which is gone, or is no FAT volume.
 */
static bool should_have_choice(const struct pair *pair)
{
	const struct fes_run *run = pair->esp.run;

	return name_other_place(pair) || pair->esp.origin.known || fes_tree_offers_choice(run->tree);
}

/* An entry that lost its kernel is there to boot a system; without any such entry there may be none. */
static bool should_have_system(const struct pair *pair)
{
	const struct fes_run *run = pair->esp.run;

	return fes_tree_lacks_system(run->tree) ||
		(run->xbootldr && fes_tree_lacks_system(run->xbootldr->tree));
}

/* What the disk will have to boot, or an error. An XBOOTLDR that is the primary's stays. */
static int disk_gets_choice(const struct pair *pair)
{
	const struct fes_run *run = pair->esp.run;
	int esp = gets_choice(&pair->esp), xbootldr = FES_BOOTS_NOTHING;

	if (esp < 0)
		return esp;
	if (pair->xbootldr.mirror)
		xbootldr = gets_choice(&pair->xbootldr);
	else if (run->xbootldr)
		xbootldr = (int)fes_tree_boots(run->xbootldr->tree);
	return xbootldr < 0 ? xbootldr : better_of(esp, xbootldr);
}

/* What goes on to be said: how to get out of it. */
static void report_loss(struct pair *pair, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void report_loss(struct pair *pair, const char *format, ...)
{
	struct fes_volume *mirror = pair->esp.mirror->volume;
	bool known = pair->esp.origin.known; /* else it is no copy of the primary, which may have more */
	char what[4096];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof what, format, args);
	va_end(args);
	fes_volume_report(mirror, "%s; mend the primary%s%s%s; --force goes on", what,
		known ? ", or, if this is the one to keep, sync the other way round (--primary=" : "",
		known ? mirror->name : "", known ? ")" : "");
}

static void report_lost_choice(struct pair *pair, int will)
{
	const struct fes_run *run = pair->esp.run;
	const char *other = name_other_place(pair);
	bool has = primary_boots(run) > will;

	report_loss(pair,
		"there are complete boot entries%s on its disk, but %s on the primary's (%s%s%s)%s: going on would leave none here",
		will > FES_BOOTS_NOTHING ? " with a kernel" : "", has ? "those" : "none",
		run->primary->name, other ? ", " : "", other ? other : "",
		has ? " name files that are not mirrored" : "");
}

/*
 * A primary with nothing to boot may be one of which a volume was formatted by mistake, or that lost its
 * kernel when it was full, or to a power cut: then the mirror may be all that still boots. What is left to
 * boot on the primary does not help a mirror that does not get it.
 */
static int require_choice(struct pair *pair)
{
	int now = boots(pair->esp.tree, pair->xbootldr.tree), will;

	if (now == FES_BOOTS_NOTHING)
		return 0;
	will = disk_gets_choice(pair);
	if (will < 0)
		pair->esp.error = will;
	if (will < 0 || will >= now ||
		!(will == FES_BOOTS_NOTHING ? should_have_choice(pair) : should_have_system(pair)))
		return pair->esp.error;
	report_lost_choice(pair, will);
	pair->esp.error = -ENODATA;
	return pair->esp.error;
}

/*
 * A primary without a boot loader in /EFI/BOOT may be in order: firmware may have boot entries of its own. But
 * not one whose loader there is broken; nor if the mirror got its own by a sync.
 */
static bool should_have_loader(const struct pair *pair)
{
	return pair->esp.origin.known ||
		fes_loaders_any_comes(pair->esp.comparison, &pair->esp.run->tree->needs->loaders);
}

/* 1, 0, or an error. */
static int loses_loader(const struct pair *pair)
{
	int r = fes_loaders_will_start(pair->esp.comparison, &pair->esp.run->tree->needs->loaders);
	const char *lacking;

	if (r != 0 || !should_have_loader(pair))
		return r < 0 ? r : 0;
	r = fes_boots_find_loader(pair->esp.mirror->volume, &lacking);
	return r < 0 ? r : !lacking;
}

static int require_loader(struct pair *pair)
{
	int r = loses_loader(pair);

	if (r > 0)
		report_loss(pair,
			"its boot loader in /EFI/BOOT has something to start, but the primary's (%s) would have nothing here: it is missing, empty, or a shim alone",
			pair->esp.run->primary->name);
	pair->esp.error = r > 0 ? -ENODATA : r;
	return pair->esp.error;
}

/* A sync takes from no disk what it boots from. */
static int require_booting(struct pair *pair)
{
	int r;

	if (pair->esp.run->flags & FES_SYNC_FORCE || !anything_changed(pair))
		return 0;
	r = require_choice(pair);
	return r < 0 ? r : require_loader(pair);
}

static int commit(struct pair *pair)
{
	struct fes_work *first = &pair->esp, *second = &pair->xbootldr;
	int r = 0;

	if (pair->xbootldr_leads) {
		r = fes_work_commit_payload(&pair->esp);
		first = &pair->xbootldr;
		second = &pair->esp;
	}
	if (r == 0)
		r = fes_work_finish(first);
	return r < 0 || !second->mirror ? r : fes_work_finish(second);
}

static int carry_out(struct pair *pair)
{
	int r = each(pair, fes_work_prepare);

	if (r == 0)
		r = each(pair, fes_work_look_again);
	return r < 0 ? r : commit(pair);
}

/* First what only removes, then look again what is left to do. */
static int make_room(struct pair *pair)
{
	int r;

	if (pair->esp.lacks_room == 0 && pair->xbootldr.lacks_room == 0)
		return 0;
	r = each(pair, fes_work_plan_removals);
	if (r == 0)
		r = carry_out(pair);
	return r < 0 ? r : each(pair, fes_work_plan_rest);
}

/* Files of its own that found no room beside the old contents may do so when these are gone. */
static void catch_up(struct pair *pair)
{
	if (!pair->esp.own_left_out && !pair->xbootldr.own_left_out)
		return;
	if (each(pair, fes_work_plan_left_out) == 0)
		(void)carry_out(pair);
	for (size_t i = 0; i < pair->n; i++)
		fes_work_forgive(pair->volumes[i]);
}

static bool anything_to_do(const struct pair *pair)
{
	return fes_work_is_due(&pair->esp) ||
		(pair->xbootldr.mirror && fes_work_is_due(&pair->xbootldr));
}

/* Each volume knows its own error. */
static void do_it(struct pair *pair)
{
	int r = make_room(pair);

	if (r == 0)
		r = carry_out(pair);
	if (r == 0)
		catch_up(pair);
}

/* Last of all: whatever goes wrong with it, there is a new version to boot. */
static void renew_seed(struct pair *pair)
{
	if (pair->esp.error == 0 && pair->xbootldr.error == 0)
		(void)fes_work_renew_seed(&pair->esp, anything_changed(pair));
}

static struct fes_boots_volume judged(const struct fes_work *work)
{
	unsigned flags = work->run->flags;

	return (struct fes_boots_volume){
		.volume = work->mirror->volume,
		.notes = flags & FES_SYNC_BOOTS ? &work->mirror->notes : NULL,
		.lost_clusters = flags & FES_SYNC_DRY_RUN ? work->check.lost_clusters : 0,
	};
}

/* What boot loaders read beside the ESP. If that is the primary's, so are its notes. */
static struct fes_boots_volume judged_xbootldr(const struct pair *pair)
{
	const struct fes_run *run = pair->esp.run;

	if (pair->xbootldr.mirror)
		return judged(&pair->xbootldr);
	if (run->xbootldr && pair->esp.mirror->shares_xbootldr)
		return (struct fes_boots_volume){.volume = run->xbootldr->primary};
	return (struct fes_boots_volume){0};
}

/* The boot loader of which the mirror's own is kept is noted when that is found out. */
static const char *kept_loader(const struct pair *pair)
{
	const struct fes_tree *tree = pair->esp.tree;

	return tree && tree->needs ? tree->needs->other_loader : NULL;
}

static int judge_disk(struct pair *pair)
{
	struct fes_boots_volume esp = judged(&pair->esp), xbootldr = judged_xbootldr(pair);
	const struct fes_run *run = pair->esp.run;
	int r;

	r = fes_boots_judge(&esp, xbootldr.volume ? &xbootldr : NULL, &pair->esp.mirror->lacking);
	if (r < 0 || !(run->flags & FES_SYNC_BOOTS))
		return r;
	return fes_loaders_compare(run->primary, &run->tree->needs->loaders, esp.volume,
		kept_loader(pair), esp.notes);
}

static bool failed(const struct pair *pair)
{
	return pair->esp.error < 0 || pair->xbootldr.error < 0;
}

/*
 * Whether the disk as it is can be booted from; that is not known when it cannot be read. When all
 * was written before, this is no failure any more.
 */
static void judge(struct pair *pair)
{
	unsigned flags = pair->esp.run->flags;
	int r;

	if (!(flags & (FES_SYNC_DRY_RUN | FES_SYNC_BOOTS)) || failed(pair))
		return;
	r = judge_disk(pair);
	if (flags & FES_SYNC_DRY_RUN)
		pair->esp.error = r;
}

static bool all_read(const struct pair *pair)
{
	return pair->esp.tree && (!pair->xbootldr.mirror || pair->xbootldr.tree);
}

/*
 * One that was refused for what a sync would do to it is sound, and may be the one to boot from.
 * That is settled by then and remains the reason: an error here is only logged.
 */
static void judge_refused(struct pair *pair)
{
	const struct fes_run *run = pair->esp.run;

	if (run->flags & FES_SYNC_DRY_RUN && failed(pair) && all_read(pair) &&
		fes_poll(run->context) == 0)
		(void)judge_disk(pair);
}

static void settle(struct pair *pair)
{
	struct fes_work *esp = &pair->esp, *xbootldr = &pair->xbootldr;

	fes_work_settle(esp, xbootldr->mirror ? xbootldr : NULL);
	if (xbootldr->mirror)
		fes_work_settle(xbootldr, esp);
}

static void done(struct pair *pair)
{
	for (size_t i = 0; i < pair->n; i++)
		fes_work_done(pair->volumes[i]);
}

void fes_mirror_sync(struct fes_mirror *mirror, const struct fes_run *run)
{
	struct pair pair;
	int r;

	begin(&pair, mirror, run);
	r = require_xbootldr(&pair);
	if (r == 0)
		r = plan(&pair);
	if (r == 0)
		r = require_booting(&pair);
	if (r == 0 && anything_to_do(&pair) && !(run->flags & FES_SYNC_DRY_RUN))
		do_it(&pair);
	if (r == 0)
		renew_seed(&pair);
	judge(&pair);
	settle(&pair);
	judge_refused(&pair);
	done(&pair);
}
