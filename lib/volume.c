/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/internal.h"

/* ---- messages ---- */

/* The primary's problems can be found by several threads: the lock is held. */
static bool hold_message(struct fes_volume *volume, const char *message)
{
	char *longer;

	if (!volume->holding_back)
		return false;
	if (asprintf(&longer, "%s%s\n", volume->held ? volume->held : "", message) < 0)
		return false;
	free(volume->held);
	volume->held = longer;
	return true;
}

/* What fat/ reports about a volume: an error, and the reason if things fail. */
static void receive_error(void *userdata, const char *message)
{
	struct fes_volume *volume = userdata;
	char *copy = strdup(message);
	bool held;

	(void)pthread_mutex_lock(&volume->context->log_lock);
	held = hold_message(volume, message);
	if (copy) {
		free(volume->last_error);
		volume->last_error = copy;
	}
	(void)pthread_mutex_unlock(&volume->context->log_lock);
	if (!held)
		fes_log(volume->context, FES_LOG_ERROR, "%s", message);
}

void fes_volume_hold_back(struct fes_volume *volume)
{
	(void)pthread_mutex_lock(&volume->context->log_lock);
	volume->holding_back = true;
	(void)pthread_mutex_unlock(&volume->context->log_lock);
}

/* What was held back, which is the caller's then. */
static char *take_held(struct fes_volume *volume, bool go_on)
{
	char *held;

	(void)pthread_mutex_lock(&volume->context->log_lock);
	held = volume->held;
	volume->held = NULL;
	volume->holding_back = go_on;
	(void)pthread_mutex_unlock(&volume->context->log_lock);
	return held;
}

/* Nor is it a reason any more if something else fails. */
void fes_volume_forget_held(struct fes_volume *volume)
{
	free(take_held(volume, true));
	(void)pthread_mutex_lock(&volume->context->log_lock);
	free(volume->last_error);
	volume->last_error = NULL;
	(void)pthread_mutex_unlock(&volume->context->log_lock);
}

void fes_volume_let_go(struct fes_volume *volume)
{
	char *held = take_held(volume, false), *rest = held, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			fes_log(volume->context, FES_LOG_ERROR, "%s", line);
	free(held);
}

/* While a volume is being opened its messages are only kept: the opener knows better words. */
static void keep_message(void *userdata, const char *message)
{
	struct fes_volume *volume = userdata;

	free(volume->last_error);
	volume->last_error = strdup(message);
}

char *fes_volume_copy_error(struct fes_volume *volume)
{
	char *copy;

	(void)pthread_mutex_lock(&volume->context->log_lock);
	copy = volume->last_error ? strdup(volume->last_error) : NULL;
	(void)pthread_mutex_unlock(&volume->context->log_lock);
	return copy;
}

void fes_volume_report(struct fes_volume *volume, const char *format, ...)
{
	char text[4096];
	va_list args;
	int prefix = snprintf(text, sizeof text, "%.1024s: ", volume->name);

	va_start(args, format);
	(void)vsnprintf(text + prefix, sizeof text - (size_t)prefix, format, args);
	va_end(args);
	fes_log_one_line(text);
	receive_error(volume, text);
}

/* ---- opening ---- */

static const char *why_not_opened(int error)
{
	switch (-error) {
	case EROFS:
		return "it is read-only";
	case EACCES:
	case EPERM:
		return "permission denied; run this as root";
	case EISDIR:
		return "it is a directory";
	case ENODEV:
		return "it is neither a block device nor a file";
	case ERANGE:
		return "the partition lies outside the disk";
	default:
		return strerror(-error);
	}
}

static void report_not_opened(struct fes_volume *volume, const struct fes_spec *spec, bool writable,
	int error)
{
	char why[512];

	if (error == -EBUSY)
		fes_spec_blame(fes_host_root(&volume->context->host), spec, why, sizeof why);
	else
		(void)snprintf(why, sizeof why, "%s", why_not_opened(error));
	fes_volume_report(volume, "cannot be opened%s: %s", writable ? " for writing" : "", why);
}

/* Why it is no FAT volume is known; what it is instead helps more. */
static void describe_stranger(struct fes_volume *volume, const struct fes_spec *spec)
{
	char contents[256], *why = volume->last_error;
	int r = fes_spec_describe_contents(spec->path, spec->offset, spec->size, contents,
		sizeof contents);

	volume->last_error = NULL;
	if (r < 0 || asprintf(&volume->last_error, "%s; it holds %s", why ? why : volume->name,
			     contents) < 0)
		volume->last_error = why;
	else
		free(why);
}

static void take_info(struct fes_volume *volume)
{
	fat_get_info(volume->fat, &volume->info);
	if (volume->info.has_serial)
		(void)snprintf(volume->serial, sizeof volume->serial, "%04" PRIX32 "-%04" PRIX32,
			volume->info.serial >> 16, volume->info.serial & 0xffff);
}

/* Take over the name given; everything else is filled in later. */
static struct fes_volume *new_volume(struct fes_context *context, const char *name,
	const char *partuuid)
{
	struct fes_volume *volume = calloc(1, sizeof *volume);

	if (!volume)
		return NULL;
	volume->context = context;
	volume->lock = -1;
	volume->mount = -1;
	volume->name = strdup(name);
	volume->partuuid = partuuid ? strdup(partuuid) : NULL;
	if (!volume->name || (partuuid && !volume->partuuid)) {
		fes_volume_close(volume);
		return NULL;
	}
	return volume;
}

/* Open the file system on volume->dev; why it fails goes to @emit. */
static int open_fat(struct fes_volume *volume, void (*emit)(void *userdata, const char *message))
{
	struct fat_log log = {emit, volume}, receive = {receive_error, volume};
	int r = fat_open(volume->dev, volume->name, &log, &volume->fat);

	if (r < 0)
		return r;
	fat_set_log(volume->fat, &receive);
	take_info(volume);
	return 0;
}

/* Give the reason of a failure to the caller and drop the volume. */
static int give_up(struct fes_volume *volume, int error, char **message)
{
	if (message) {
		*message = volume->last_error;
		volume->last_error = NULL;
	}
	fes_volume_close(volume);
	return error;
}

static unsigned flags_of(enum fes_open_mode mode)
{
	switch (mode) {
	case FES_OPEN_READ:
		return 0;
	case FES_OPEN_SHARED:
		return BLKDEV_CLAIM;
	case FES_OPEN_PROBE:
		return BLKDEV_CLAIM | BLKDEV_PROBE;
	case FES_OPEN_WRITE:
		return BLKDEV_WRITABLE;
	}
	return 0;
}

/* What is mounted is read as well as that can be done. */
static int open_shared(struct fes_volume *volume, const struct fes_spec *spec)
{
	volume->shared = true;
	return blkdev_open_path(spec->path, 0, spec->offset, spec->size, &volume->dev);
}

static int open_device(struct fes_volume *volume, const struct fes_spec *spec,
	enum fes_open_mode mode)
{
	bool sharing = mode == FES_OPEN_SHARED || mode == FES_OPEN_READ;
	int r = blkdev_open_path(spec->path, flags_of(mode), spec->offset, spec->size,
		&volume->dev);

	if (r == -EBUSY && mode == FES_OPEN_SHARED)
		r = open_shared(volume, spec);
	if (r == 0)
		r = sharing ? fes_volume_find_mount(volume, spec) :
			      fes_spec_require_unmounted(fes_host_root(&volume->context->host), spec);
	if (r < 0)
		report_not_opened(volume, spec, mode == FES_OPEN_WRITE, r);
	return r < 0 ? r : fes_volume_settle(volume);
}

/* An image does not know of what disk it is; its partition table, if there is one, does. */
static uint32_t disk_sector_size(const struct fes_volume *volume, const struct fes_spec *spec)
{
	if (blkdev_get_identity(volume->dev).block)
		return blkdev_sector_size(volume->dev);
	return spec->sector_size;
}

int fes_volume_open_spec(struct fes_context *context, const struct fes_spec *spec,
	enum fes_open_mode mode, struct fes_volume **ret, char **message)
{
	struct fes_volume *volume = new_volume(context, spec->name, spec->partuuid);
	int r;

	if (!volume)
		return -ENOMEM;
	r = open_device(volume, spec, mode);
	if (r < 0)
		return give_up(volume, r, message);
	volume->disk_sector_size = disk_sector_size(volume, spec);
	r = open_fat(volume, keep_message);
	if (r == -EMEDIUMTYPE)
		describe_stranger(volume, spec);
	if (r < 0 && volume->last_error)
		fes_log(context, FES_LOG_ERROR, "%s", volume->last_error);
	if (r < 0)
		return give_up(volume, r, message);
	*ret = volume;
	return 0;
}

int fes_volume_reopen_fat(struct fes_volume *volume)
{
	fat_close(volume->fat);
	volume->fat = NULL;
	return open_fat(volume, receive_error);
}

int fes_volume_adopt(struct fes_context *context, struct blkdev *dev, const char *name,
	struct fes_volume **ret, char **message)
{
	struct fes_volume *volume = new_volume(context, name, NULL);
	int r;

	if (!volume)
		return -ENOMEM;
	volume->dev = dev;
	r = open_fat(volume, keep_message);
	if (r < 0) {
		volume->dev = NULL;
		return give_up(volume, r, message);
	}
	*ret = volume;
	return 0;
}

static void log_spec_problem(void *userdata, enum fes_log_level level, const char *message)
{
	fes_log(userdata, level, "%s", message);
}

int fes_lock_for_reading(struct fes_context *context, const struct fes_spec *spec)
{
	int fd = fes_lock_wait(context, spec->lock_path, false);

	if (fd == -EAGAIN)
		fes_log(context, FES_LOG_ERROR, "%s: another run holds it; waited %u seconds",
			spec->name, context->timeout_seconds);
	else if (fd < 0 && fd != -ECANCELED)
		fes_log(context, FES_LOG_ERROR, "%s: cannot be locked: %s", spec->name,
			why_not_opened(fd));
	return fd;
}

static int open_text(struct fes_context *context, const char *text, struct fes_volume **ret)
{
	struct fes_spec spec = {0};
	int lock, r;

	r = fes_spec_resolve(&context->host, text, log_spec_problem, context, &spec);
	if (r < 0)
		return r;
	lock = fes_lock_for_reading(context, &spec);
	r = lock < 0 ? lock : fes_volume_open_spec(context, &spec, FES_OPEN_READ, ret, NULL);
	fes_spec_done(&spec);
	if (r < 0 && lock >= 0)
		(void)close(lock);
	if (r == 0)
		(*ret)->lock = lock;
	return r;
}

int fes_volume_open(struct fes_context *context, const char *text, struct fes_volume **ret)
{
	int r = open_text(context, text, ret);

	if (r == -ENOMEM)
		fes_log(context, FES_LOG_ERROR, "%s: out of memory", text);
	return r;
}

void fes_volume_release(struct fes_volume *volume)
{
	if (volume->fat)
		take_info(volume);
	fat_close(volume->fat);
	blkdev_close(volume->dev);
	volume->fat = NULL;
	volume->dev = NULL;
}

void fes_volume_close(struct fes_volume *volume)
{
	if (!volume)
		return;
	fat_close(volume->fat);
	blkdev_close(volume->dev);
	if (volume->lock >= 0)
		(void)close(volume->lock);
	if (volume->mount >= 0)
		(void)close(volume->mount);
	free(volume->mount_path);
	free(volume->held);
	free(volume->name);
	free(volume->partuuid);
	free(volume->last_error);
	free(volume);
}

/* ---- soundness ---- */

struct damage {
	char *first;
	uint32_t n;
};

static void note_damage(void *userdata, enum fat_severity severity, const char *message)
{
	struct damage *damage = userdata;

	if (severity != FAT_DAMAGE)
		return;
	if (damage->n++ == 0)
		damage->first = strdup(message);
}

int fes_volume_require_sound(struct fes_volume *volume, struct fat_check_result *ret)
{
	struct damage damage = {0};
	int r = fat_check(volume->fat, note_damage, &damage, ret);

	if (r == 0 && ret->n_damage > 1)
		fes_volume_report(volume, "damaged: %s (and %" PRIu32
			" more; see 'fatespsync check'); repair it with fsck.fat or make it anew",
			damage.first ? damage.first : "", ret->n_damage - 1);
	else if (r == 0 && ret->n_damage == 1)
		fes_volume_report(volume,
			"damaged: %s; repair it with fsck.fat or make it anew",
			damage.first ? damage.first : "");
	free(damage.first);
	if (r < 0)
		return r;
	return ret->n_damage > 0 ? -EUCLEAN : 0;
}

/* ---- what is known ---- */

const char *fes_volume_get_name(const struct fes_volume *volume)
{
	return volume->name;
}

unsigned fes_volume_get_fat_bits(const struct fes_volume *volume)
{
	return volume->info.type;
}

uint32_t fes_volume_get_sector_size(const struct fes_volume *volume)
{
	return volume->info.sector_size;
}

uint32_t fes_volume_get_cluster_size(const struct fes_volume *volume)
{
	return volume->info.cluster_size;
}

uint64_t fes_volume_get_size(const struct fes_volume *volume)
{
	return volume->info.size;
}

uint64_t fes_volume_get_free(const struct fes_volume *volume)
{
	return (uint64_t)volume->info.free_clusters * volume->info.cluster_size;
}

const char *fes_volume_get_serial(const struct fes_volume *volume)
{
	return volume->serial[0] ? volume->serial : NULL;
}

const char *fes_volume_get_label(const struct fes_volume *volume)
{
	return volume->info.label;
}

const char *fes_volume_get_partuuid(const struct fes_volume *volume)
{
	return volume->partuuid;
}
