/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/colour.h"
#include "tools/commands.h"
#include "tools/signals.h"
#include "tools/text.h"

/*
 * The command line. Messages go to stderr and begin with the program's name; what a verb found
 * goes to stdout.
 */

struct verb {
	const char *name;
	int (*run)(const struct command *command);
	const char *arguments;
	const char *summary;
	size_t min_args;
	size_t max_args;
	unsigned options; /* which kinds of options it understands: bits by enum option_class */
};

enum {
	TAKES_PRIMARY = 1 << OPTIONS_PRIMARY,
	TAKES_CHANGE = TAKES_PRIMARY | 1 << OPTIONS_DRY_RUN | 1 << OPTIONS_COPY,
	TAKES_ALL = TAKES_CHANGE | 1 << OPTIONS_STRICT,
};

static const struct verb verbs[] = {
	{"sync", command_sync, "[MIRROR...]", "make the mirrors equal to the primary (the default)",
		0, SIZE_MAX, TAKES_ALL},
	{"diff", command_diff, "[MIRROR...]", "show what a sync would do", 0, SIZE_MAX, TAKES_ALL},
	{"status", command_status, "[MIRROR...]", "describe the primary and the mirrors", 0,
		SIZE_MAX, TAKES_ALL},
	{"list", command_list, "", "show the ESPs that can be seen", 0, 0, TAKES_PRIMARY},
	{"add", command_add, "MIRROR...", "put mirrors on the list, and sync", 1, SIZE_MAX,
		TAKES_ALL},
	{"remove", command_remove, "MIRROR|UUID...", "take mirrors off the list, and sync", 1,
		SIZE_MAX, TAKES_ALL},
	{"replace", command_replace, "OLD NEW", "remove and add in one step", 2, 2, TAKES_ALL},
	{"wait", command_wait, "", "wait until all mirrors on the list are there", 0, 0,
		TAKES_PRIMARY},
	{"check", command_check, "VOLUME...", "check volumes for damage, without writing", 1,
		SIZE_MAX, 0},
	{"ls", command_ls, "VOLUME [PATH]", "list a directory", 1, 2, 0},
	{"cat", command_cat, "VOLUME PATH", "print a file", 2, 2, 0},
};

enum {
	N_VERBS = sizeof verbs / sizeof verbs[0],
	N_CLASSES = sizeof((struct options *)0)->last / sizeof((struct options *)0)->last[0],
	TIMEOUT_MAX = INT_MAX / 1000, /* seconds that fit as milliseconds */
};

/* ---- messages ---- */

/* What is only going on has no colour. */
static void say(enum fes_log_level level, const char *message)
{
	bool coloured = level <= FES_LOG_WARNING && colour_is_wanted(STDERR_FILENO);

	fputs("fatespsync: ", stderr);
	colour_begin(stderr, coloured, level == FES_LOG_ERROR ? COLOUR_BAD : COLOUR_WARNING);
	text_put(stderr, message);
	colour_end(stderr, coloured);
	fputc('\n', stderr);
}

static void say_of(enum fes_log_level level, const char *name, const char *message)
{
	char *text;

	if (asprintf(&text, "%s: %s", name, message) < 0) {
		say(level, message);
		return;
	}
	say(level, text);
	free(text);
}

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...)
{
	char *message;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&message, format, args);
	va_end(args);

	say(FES_LOG_ERROR, len < 0 ? "out of memory" : message);
	if (len >= 0)
		free(message);
}

static void suggest_help(void)
{
	fputs("Try 'fatespsync --help' for more information.\n", stderr);
}

static void print_message(void *userdata, enum fes_log_level level, const char *message)
{
	const struct messages *messages = userdata;

	if (level == FES_LOG_WARNING && messages->style->quiet)
		return;
	if (level == FES_LOG_INFO && !messages->style->verbose)
		return;
	progress_give_way(messages->progress);
	say(level, message);
	progress_go_on(messages->progress);
}

/*
 * No more than 40 lines: a verb and an option each have one of their own to be found at a glance,
 * which 24 have no room for.
 */
static void print_help(void)
{
	puts("Usage: fatespsync [OPTION...] [VERB] [ARGUMENT...]\n"
		"Make the EFI System Partitions of a machine equal to its primary one.\n"
		"\n"
		"Verbs:");
	for (size_t i = 0; i < N_VERBS; i++)
		printf("  %-7s %-14s  %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
	puts("\n"
		"Options of verbs that sync:\n"
		"      --primary=VOLUME         copy from this volume, not the booted ESP\n"
		"  -n, --dry-run                print what would be done, write nothing\n"
		"      --manage=PATH            one more directory or file to make equal\n"
		"      --exclude=PATH           leave this path alone\n"
		"      --quick                  equal size, times, attributes: equal contents\n"
		"      --random-seed=WHEN       auto: of changed mirrors; always: of all; never\n"
		"      --strict                 a mirror that is missing is an error\n"
		"      --force                  override a refusal that says so\n"
		"Options of all verbs:\n"
		"      --disk=PATH              look for partitions on this disk or image only\n"
		"      --timeout=SEC            wait so long for another run, or for mirrors\n"
		"      --json=pretty|short|off  print JSON\n"
		"      --progress=auto|yes|no   show how far it is (auto: on a terminal)\n"
		"  -q, --quiet                  print failures only\n"
		"  -v, --verbose                print more\n"
		"      --no-legend              leave out headlines and totals\n"
		"  -h, --help                   print this\n"
		"      --version                print the version\n"
		"\n"
		"MIRROR, VOLUME: partition, disk, image, PATH:N, PARTUUID=, UUID=, LABEL= or\n"
		"PARTLABEL=. Without MIRROR those on the list, /loader/esp-sync on the primary.\n"
		"Exit status: 0 done; 1 differences; 2 usage; 3 primary unusable; 4 refused or\n"
		"failed; 5 missing. The manual, fatespsync(8), has all of it.");
}

/* ---- options ---- */

enum option_value {
	OPTION_PRIMARY = 256, /* past every short option */
	OPTION_DISK,
	OPTION_STRICT,
	OPTION_MANAGE,
	OPTION_EXCLUDE,
	OPTION_QUICK,
	OPTION_RANDOM_SEED,
	OPTION_FORCE,
	OPTION_TIMEOUT,
	OPTION_JSON,
	OPTION_NO_LEGEND,
	OPTION_PROGRESS,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"primary", required_argument, NULL, OPTION_PRIMARY},
	{"disk", required_argument, NULL, OPTION_DISK},
	{"strict", no_argument, NULL, OPTION_STRICT},
	{"dry-run", no_argument, NULL, 'n'},
	{"manage", required_argument, NULL, OPTION_MANAGE},
	{"exclude", required_argument, NULL, OPTION_EXCLUDE},
	{"quick", no_argument, NULL, OPTION_QUICK},
	{"random-seed", required_argument, NULL, OPTION_RANDOM_SEED},
	{"force", no_argument, NULL, OPTION_FORCE},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"json", required_argument, NULL, OPTION_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"no-legend", no_argument, NULL, OPTION_NO_LEGEND},
	{"progress", required_argument, NULL, OPTION_PROGRESS},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

/* What main() does after an option or all of them: go on, or exit with a status. */
enum {
	GO_ON = -1,
};

static const char *option_name(int value)
{
	for (const struct option *option = long_options; option->name; option++) {
		if (option->val == value)
			return option->name;
	}
	return NULL;
}

/* Digits only: strtoul() alone would take blanks, signs and the empty string. */
static int parse_number(const char *text, unsigned max, unsigned *ret)
{
	unsigned long number;

	if (!*text || text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	errno = 0;
	number = strtoul(text, NULL, 10);
	if (errno == ERANGE || number > max)
		return -ERANGE;

	*ret = (unsigned)number;
	return 0;
}

static int take_timeout(struct options *options, const char *text)
{
	if (parse_number(text, TIMEOUT_MAX, &options->timeout) < 0) {
		complain("--timeout=%s: not a number of seconds from 0 to %d", text, TIMEOUT_MAX);
		suggest_help();
		return STATUS_USAGE;
	}
	options->has_timeout = true;
	return GO_ON;
}

static int take_json(struct options *options, const char *text)
{
	static const struct {
		const char *name;
		enum report_json json;
	} modes[] = {
		{"pretty", REPORT_JSON_PRETTY},
		{"short", REPORT_JSON_SHORT},
		{"off", REPORT_JSON_OFF},
	};

	if (strcmp(text, "help") == 0) {
		for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
			puts(modes[i].name);
		return STATUS_DONE;
	}

	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		if (strcmp(text, modes[i].name) == 0) {
			options->style.json = modes[i].json;
			return GO_ON;
		}
	}
	complain("--json=%s: not one of pretty, short, off", text);
	suggest_help();
	return STATUS_USAGE;
}

/* That of bootctl(1) is a boolean. */
static int take_random_seed(struct options *options, const char *text)
{
	int yes = text_parse_boolean(text);

	if (yes >= 0)
		options->random_seed = yes ? FES_RANDOM_SEED_ALWAYS : FES_RANDOM_SEED_NEVER;
	else if (strcmp(text, "always") == 0)
		options->random_seed = FES_RANDOM_SEED_ALWAYS;
	else if (strcmp(text, "auto") == 0)
		options->random_seed = FES_RANDOM_SEED_AUTO;
	else if (strcmp(text, "never") == 0)
		options->random_seed = FES_RANDOM_SEED_NEVER;
	else {
		complain("--random-seed=%s: not one of always, auto, never", text);
		suggest_help();
		return STATUS_USAGE;
	}
	return GO_ON;
}

static int take_progress(struct options *options, const char *text)
{
	int yes = text_parse_boolean(text);

	if (yes < 0 && strcmp(text, "auto") != 0) {
		complain("--progress=%s: not one of auto, yes, no", text);
		suggest_help();
		return STATUS_USAGE;
	}
	options->progress = yes < 0 ? PROGRESS_AUTO : yes ? PROGRESS_YES : PROGRESS_NO;
	return GO_ON;
}

static int refuse_option(char **argv)
{
	/* getopt(3) leaves 0 for an unknown long option, its value where it takes no argument. */
	if (optopt == 0)
		complain("unknown or ambiguous option '%s'", argv[optind - 1]);
	else if (option_name(optopt))
		complain("option '--%s' takes no argument", option_name(optopt));
	else
		complain("unknown option '-%c'", optopt);
	suggest_help();
	return STATUS_USAGE;
}

static int refuse_missing_argument(void)
{
	complain("option '--%s' needs an argument", option_name(optopt));
	suggest_help();
	return STATUS_USAGE;
}

/* The options that only some verbs understand. Returns a bit of enum option_class, or 0. */
static unsigned take_class_option(struct options *options, int value)
{
	switch (value) {
	case OPTION_PRIMARY:
		options->primary = optarg;
		return 1 << OPTIONS_PRIMARY;
	case 'n':
		options->sync_flags |= FES_SYNC_DRY_RUN;
		return 1 << OPTIONS_DRY_RUN;
	case OPTION_MANAGE:
		options->managed[options->n_managed++] = optarg;
		return 1 << OPTIONS_COPY;
	case OPTION_EXCLUDE:
		options->excluded[options->n_excluded++] = optarg;
		return 1 << OPTIONS_COPY;
	case OPTION_QUICK:
		options->sync_flags |= FES_SYNC_QUICK;
		return 1 << OPTIONS_COPY;
	case OPTION_FORCE:
		options->sync_flags |= FES_SYNC_FORCE;
		return 1 << OPTIONS_COPY;
	case OPTION_STRICT:
		options->strict = true;
		return 1 << OPTIONS_STRICT;
	default:
		return 0;
	}
}

static void note_option(struct options *options, unsigned class, int value)
{
	options->given |= class;
	for (size_t i = 0; i < N_CLASSES; i++)
		if (class & 1U << i)
			options->last[i] = option_name(value);
}

static int take_option(struct options *options, int value, char **argv)
{
	unsigned class = take_class_option(options, value);

	if (class) {
		note_option(options, class, value);
		return GO_ON;
	}

	switch (value) {
	case OPTION_DISK:
		options->disks[options->n_disks++] = optarg;
		return GO_ON;
	case OPTION_RANDOM_SEED:
		note_option(options, 1 << OPTIONS_COPY, value);
		return take_random_seed(options, optarg);
	case OPTION_TIMEOUT:
		return take_timeout(options, optarg);
	case OPTION_JSON:
		return take_json(options, optarg);
	case 'q':
		options->style.quiet = true;
		return GO_ON;
	case 'v':
		options->style.verbose = true;
		return GO_ON;
	case OPTION_NO_LEGEND:
		options->style.no_legend = true;
		return GO_ON;
	case OPTION_PROGRESS:
		return take_progress(options, optarg);
	case 'h':
		print_help();
		return STATUS_DONE;
	case OPTION_VERSION:
		printf("fatespsync %s\n", fes_version());
		return STATUS_DONE;
	case ':':
		return refuse_missing_argument();
	default:
		return refuse_option(argv);
	}
}

static int parse_options(int argc, char **argv, struct options *options)
{
	int status = GO_ON;
	int value;

	opterr = 0;
	while (status == GO_ON) {
		value = getopt_long(argc, argv, ":nqvh", long_options, NULL);
		if (value < 0)
			break;
		status = take_option(options, value, argv);
	}
	return status;
}

/* No more paths can be given than there are arguments. */
static int init_options(struct options *options, int argc)
{
	size_t n = (size_t)argc;

	options->managed = calloc(n, sizeof *options->managed);
	options->excluded = calloc(n, sizeof *options->excluded);
	options->disks = calloc(n, sizeof *options->disks);
	if (!options->managed || !options->excluded || !options->disks)
		return -ENOMEM;
	return 0;
}

static void free_options(struct options *options)
{
	free(options->managed);
	free(options->excluded);
	free(options->disks);
}

/* ---- verbs ---- */

/* The verb named @word, or NULL. */
static const struct verb *find_verb(const char *word)
{
	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(word, verbs[i].name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* An option that was given and means nothing to @verb, or NULL. */
static const char *stray_option(const struct verb *verb, const struct options *options)
{
	for (size_t i = 0; i < N_CLASSES; i++)
		if (options->given & ~verb->options & 1U << i)
			return options->last[i];
	return NULL;
}

/* Returns GO_ON, or STATUS_USAGE after having said why. */
static int check_usage(const struct verb *verb, const struct options *options, size_t n_args)
{
	const char *stray = stray_option(verb, options);

	if (stray)
		complain("option '--%s' is not known to %s", stray, verb->name);
	else if (n_args < verb->min_args || n_args > verb->max_args)
		complain("usage: fatespsync [OPTION...] %s%s%s", verb->name,
			*verb->arguments ? " " : "", verb->arguments);
	else if (verb->run == command_cat && options->style.json != REPORT_JSON_OFF)
		complain("cat prints the bytes of the file, not JSON");
	else
		return GO_ON;

	suggest_help();
	return STATUS_USAGE;
}

/* For tests: a root with a /sys and a /proc of its own. */
static int configure_context(struct fes_context *context, const struct options *options)
{
	const char *root = secure_getenv("FATESPSYNC_ROOT");
	int r = root ? fes_set_root(context, root) : 0;

	if (options->has_timeout)
		fes_set_timeout(context, options->timeout);
	for (size_t i = 0; r == 0 && i < options->n_disks; i++)
		r = fes_add_disk(context, options->disks[i]);
	return r;
}

static int run_verb(const struct verb *verb, struct options *options, char **args,
	size_t n_args)
{
	struct messages messages = {.style = &options->style};
	struct command command = {
		.options = options,
		.messages = &messages,
		.say = say_of,
		.args = args,
		.n_args = n_args,
	};
	int status = STATUS_FAILED;
	int r;

	options->style.colours = colour_is_wanted(STDOUT_FILENO);
	r = fes_new(&command.context);
	if (r == 0)
		r = configure_context(command.context, options);
	if (r == 0)
		r = report_new(&options->style, &command.report);
	if (r == 0) {
		fes_set_log(command.context, print_message, &messages);
		status = verb->run(&command);
		r = report_finish(command.report);
	}
	report_free(command.report);
	fes_free(command.context);

	if (r < 0) {
		complain("%s", strerror(-r));
		return status > STATUS_DONE ? status : STATUS_FAILED;
	}
	return status;
}

static int run(int argc, char **argv, struct options *options)
{
	const struct verb *verb = NULL;
	int status;

	if (init_options(options, argc) < 0) {
		complain("%s", strerror(ENOMEM));
		return STATUS_FAILED;
	}

	status = parse_options(argc, argv, options);
	if (status != GO_ON)
		return status;

	if (optind < argc)
		verb = find_verb(argv[optind]);
	if (verb)
		optind++;
	else
		verb = &verbs[0];

	status = check_usage(verb, options, (size_t)(argc - optind));
	if (status != GO_ON)
		return status;
	return run_verb(verb, options, argv + optind, (size_t)(argc - optind));
}

/* A full disk or a vanished reader often shows only when the last bytes leave the buffer. */
static int close_output(int status)
{
	bool failed = ferror(stdout) != 0;

	errno = 0;
	if (fflush(stdout) == 0 && fclose(stdout) == 0 && !failed)
		return status;

	/* A write that failed long ago has left no reason. */
	if (errno != 0)
		complain("cannot write to the standard output: %s", strerror(errno));
	else
		complain("cannot write to the standard output");
	return STATUS_FAILED;
}

/*
 * A standard stream that is closed must not become the number of a device that is opened later,
 * or messages would be written to that device. Writing to what is opened here fails.
 */
static int occupy_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* The lowest free number is taken, and those below @fd are not free. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
			return -errno;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int status;

	if (occupy_standard_streams() < 0)
		return STATUS_FAILED;

	status = run(argc, argv, &options);
	free_options(&options);
	status = close_output(status);
	if (status > STATUS_SIGNAL)
		signals_die(status - STATUS_SIGNAL);
	return status;
}
