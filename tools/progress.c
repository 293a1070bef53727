/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/progress-line.h"
#include "tools/progress.h"
#include "tools/terminal.h"
#include "tools/text.h"

enum {
	DUE_MS = 500,
	REDRAW_MS = 200,
	TELL_MS = 10000,
	NAME_MIN = 12, /* columns that a name gets at least */
};

/* One mirror. */
struct line {
	const struct fes_mirror *mirror; /* to compare with only */
	char *name;
	enum fes_progress_phase phase;
	uint64_t done, total;
	uint64_t began_ms; /* the phase */
	uint64_t told_ms;  /* PROGRESS_TOLD: the last line about it */
};

struct progress {
	enum progress_wish wish;
	enum progress_mode mode;
	pthread_t thread;
	pthread_mutex_t lock; /* whoever prints has it */
	pthread_cond_t stop;
	bool stopping;
	uint64_t began_ms;
	struct line *lines;
	size_t n_lines;
	size_t n_drawn;         /* lines above the cursor that are ours */
	unsigned drawn_columns; /* of the terminal then */
};

/* ---- decisions ---- */

enum progress_mode progress_choose(const struct progress_surroundings *s)
{
	bool drawable = s->err_terminal && !s->dumb;

	if (s->wish == PROGRESS_NO)
		return PROGRESS_OFF;
	if (s->wish == PROGRESS_YES)
		return drawable ? PROGRESS_DRAWN : PROGRESS_TOLD;
	if (!drawable || s->quiet || (s->json && s->out_terminal))
		return PROGRESS_OFF;
	return PROGRESS_DRAWN;
}

bool progress_is_due(enum progress_wish wish, uint64_t elapsed_ms)
{
	return wish == PROGRESS_YES || elapsed_ms >= DUE_MS;
}

static uint64_t now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- drawing; the lock is held ---- */

static struct progress_figures figures_of(const struct line *line)
{
	return (struct progress_figures){
		.name = line->name,
		.phase = line->phase,
		.done = line->done,
		.total = line->total,
		.elapsed_ms = now_ms() - line->began_ms,
	};
}

static size_t name_columns(const struct progress *progress, size_t columns)
{
	size_t most = columns > PROGRESS_FIGURES + NAME_MIN ? columns - PROGRESS_FIGURES : NAME_MIN;
	size_t widest = 0;

	for (size_t i = 0; i < progress->n_lines; i++) {
		size_t name = progress_columns(progress->lines[i].name);

		if (name > widest)
			widest = name;
	}
	return widest < most ? widest : most;
}

/*
 * Go back to the first line of ours. After the window was made narrower nobody knows where that is:
 * some terminals wrap what stands there. Then it is left to scroll away.
 */
static void put_rewind(struct progress *progress, unsigned columns, FILE *out)
{
	if (progress->n_drawn > 0 && columns >= progress->drawn_columns)
		fprintf(out, "\033[%zuA\r\033[J", progress->n_drawn);
	progress->n_drawn = 0;
}

static void put_lines(struct progress *progress, struct terminal_size size, FILE *out)
{
	size_t room = size.rows > 2 ? size.rows - 1 : 1, n = progress->n_lines;
	size_t columns = size.columns - 1; /* the last one makes some terminals wrap */
	size_t name = name_columns(progress, columns);
	char text[PROGRESS_LINE_MAX];

	if (n > room)
		n = room - 1;
	for (size_t i = 0; i < n; i++) {
		struct progress_figures figures = figures_of(&progress->lines[i]);

		progress_line_draw(&figures, name, columns, text);
		fprintf(out, "%s\n", text);
	}
	if (n < progress->n_lines)
		fprintf(out, "and %zu more\n", progress->n_lines - n);
	progress->n_drawn = n < progress->n_lines ? n + 1 : n;
	progress->drawn_columns = size.columns;
}

/* All at once, so that nothing flickers. What cannot be drawn is missed by nobody. */
static void draw(struct progress *progress, bool lines)
{
	struct terminal_size size = terminal_get_size(STDERR_FILENO);
	char *frame = NULL;
	size_t len;
	FILE *out;

	if (!lines && progress->n_drawn == 0)
		return;
	if (terminal_is_taken(STDERR_FILENO)) {
		progress->n_drawn = 0;
		return;
	}
	out = open_memstream(&frame, &len);
	if (!out)
		return;
	put_rewind(progress, size.columns, out);
	if (lines)
		put_lines(progress, size, out);
	if (fclose(out) == 0)
		(void)fwrite(frame, 1, len, stderr);
	free(frame);
}

static void draw_if_due(struct progress *progress)
{
	if (progress_is_due(progress->wish, now_ms() - progress->began_ms))
		draw(progress, progress->n_lines > 0);
}

/* ---- telling; the lock is held ---- */

static void tell(struct line *line, void (*format)(const struct progress_figures *figures,
						char ret[PROGRESS_LINE_MAX]))
{
	struct progress_figures figures = figures_of(line);
	char text[PROGRESS_LINE_MAX];

	format(&figures, text);
	fprintf(stderr, "fatespsync: %s\n", text);
	line->told_ms = now_ms();
}

static void tell_if_due(struct progress *progress)
{
	for (size_t i = 0; i < progress->n_lines; i++)
		if (now_ms() - progress->lines[i].told_ms >= TELL_MS)
			tell(&progress->lines[i], progress_line_tell);
}

/* ---- mirrors; the lock is held ---- */

/* @name as it can be printed; NULL when memory is out. */
static char *copy_printable(const char *name)
{
	char *copy = NULL;
	size_t len;
	FILE *out = open_memstream(&copy, &len);

	if (!out)
		return NULL;
	text_put(out, name);
	if (fclose(out) == 0)
		return copy;
	free(copy);
	return NULL;
}

static struct line *find_line(struct progress *progress, const struct fes_mirror *mirror)
{
	for (size_t i = 0; i < progress->n_lines; i++)
		if (progress->lines[i].mirror == mirror)
			return &progress->lines[i];
	return NULL;
}

static struct line *add_line(struct progress *progress, const struct fes_mirror *mirror)
{
	struct line *lines = realloc(progress->lines, (progress->n_lines + 1) * sizeof *lines);
	const char *name = fes_mirror_get_name(mirror);

	if (!lines)
		return NULL;
	progress->lines = lines;
	lines += progress->n_lines;
	*lines = (struct line){.mirror = mirror};
	lines->name = copy_printable(name ? name : fes_mirror_get_spec(mirror));
	if (!lines->name)
		return NULL;
	progress->n_lines++;
	return lines;
}

static void drop_line(struct progress *progress, struct line *line)
{
	size_t behind = progress->n_lines - 1 - (size_t)(line - progress->lines);

	free(line->name);
	memmove(line, line + 1, behind * sizeof *line);
	progress->n_lines--;
}

static void begin_phase(struct line *line, enum fes_progress_phase phase, uint64_t done,
	uint64_t total)
{
	line->phase = phase;
	line->done = done;
	line->total = total;
	line->began_ms = line->told_ms = now_ms();
}

static void end_phase(struct progress *progress, struct line *line)
{
	if (progress->mode == PROGRESS_TOLD && line->phase != 0)
		tell(line, progress_line_tell_end);
}

static void note(struct progress *progress, const struct fes_mirror *mirror,
	enum fes_progress_phase phase, uint64_t done, uint64_t total)
{
	struct line *line = find_line(progress, mirror);

	if (!line && phase != FES_PROGRESS_DONE)
		line = add_line(progress, mirror);
	if (!line)
		return;
	if (phase == line->phase && done >= line->done) {
		line->done = done;
		return;
	}
	end_phase(progress, line);
	begin_phase(line, phase, done, total);
	if (phase == FES_PROGRESS_DONE)
		drop_line(progress, line);
	if (progress->mode == PROGRESS_DRAWN)
		draw_if_due(progress);
}

void progress_note(void *userdata, const struct fes_mirror *mirror, enum fes_progress_phase phase,
	uint64_t done, uint64_t total)
{
	struct progress *progress = userdata;

	(void)pthread_mutex_lock(&progress->lock);
	note(progress, mirror, phase, done, total);
	(void)pthread_mutex_unlock(&progress->lock);
}

void progress_give_way(struct progress *progress)
{
	if (!progress)
		return;
	(void)pthread_mutex_lock(&progress->lock);
	if (progress->mode == PROGRESS_DRAWN)
		draw(progress, false);
}

void progress_go_on(struct progress *progress)
{
	if (!progress)
		return;
	if (progress->mode == PROGRESS_DRAWN)
		draw_if_due(progress);
	(void)pthread_mutex_unlock(&progress->lock);
}

/* ---- the thread ---- */

static struct timespec later(unsigned ms)
{
	struct timespec when = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &when);
	when.tv_nsec += (long)ms * 1000000;
	when.tv_sec += when.tv_nsec / 1000000000;
	when.tv_nsec %= 1000000000;
	return when;
}

static void *keep_up(void *userdata)
{
	struct progress *progress = userdata;

	(void)pthread_mutex_lock(&progress->lock);
	while (!progress->stopping) {
		struct timespec when = later(REDRAW_MS);

		(void)pthread_cond_timedwait(&progress->stop, &progress->lock, &when);
		if (progress->stopping)
			break;
		if (progress->mode == PROGRESS_DRAWN)
			draw_if_due(progress);
		else
			tell_if_due(progress);
	}
	(void)pthread_mutex_unlock(&progress->lock);
	return NULL;
}

/* Signals are for the thread that waits for the sync. */
static int start_thread(struct progress *progress)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&progress->thread, NULL, keep_up, progress);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void init_locks(struct progress *progress)
{
	pthread_condattr_t monotonic;

	(void)pthread_mutex_init(&progress->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&progress->stop, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

static void free_progress(struct progress *progress)
{
	while (progress->n_lines > 0)
		drop_line(progress, &progress->lines[0]);
	free(progress->lines);
	(void)pthread_cond_destroy(&progress->stop);
	(void)pthread_mutex_destroy(&progress->lock);
	free(progress);
}

int progress_start(enum progress_wish wish, enum progress_mode mode, struct progress **ret)
{
	struct progress *progress;
	int r;

	*ret = NULL;
	if (mode == PROGRESS_OFF)
		return 0;
	progress = calloc(1, sizeof *progress);
	if (!progress)
		return -ENOMEM;
	progress->wish = wish;
	progress->mode = mode;
	progress->began_ms = now_ms();
	init_locks(progress);
	r = start_thread(progress);
	if (r < 0) {
		free_progress(progress);
		return r;
	}
	*ret = progress;
	return 0;
}

void progress_stop(struct progress *progress)
{
	if (!progress)
		return;
	(void)pthread_mutex_lock(&progress->lock);
	progress->stopping = true;
	(void)pthread_cond_signal(&progress->stop);
	if (progress->mode == PROGRESS_DRAWN)
		draw(progress, false);
	(void)pthread_mutex_unlock(&progress->lock);
	(void)pthread_join(progress->thread, NULL);
	free_progress(progress);
}
