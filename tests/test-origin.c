/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a mirror remembers of the sync that it had last, and what follows for the next one. */

#include <config.h>

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "lib/direction.h"
#include "tests/planning.h"
#include "tests/suite.h"

enum { FAT12 = 0, FAT16 = 1 };

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define UUID_A "0123abcd-0000-4000-8000-00000000000a"
#define UUID_B "0123abcd-0000-4000-8000-00000000000b"
#define UUID_C "0123abcd-0000-4000-8000-00000000000c"

static struct planning *p;
static struct fes_origin own, other; /* the mirror's; the primary's */

static void set_up(void)
{
	p = planning_new(NULL, NULL);
	p->messages.levels = 1u << FES_LOG_ERROR | 1u << FES_LOG_WARNING;
}

static void tear_down(void)
{
	fes_origin_done(&own);
	fes_origin_done(&other);
	planning_free(p);
}

static void name_side(struct side *side, const char *partuuid)
{
	side->volume->partuuid = strdup(partuuid);
	ck_assert_ptr_nonnull(side->volume->partuuid);
}

/* The mirror alone. */
static void open_mirror(const char *partuuid)
{
	side_open(&p->mirror, p->context, "esp");
	side_read(&p->mirror, &p->managed);
	name_side(&p->mirror, partuuid);
}

/* ---- as text ---- */

/* With a last line that fits. */
static char *sealed(const char *text, size_t len, size_t *ret_len)
{
	XXH128_hash_t hash = XXH3_128bits(text, len);
	char *whole = malloc(len + 64);

	ck_assert_ptr_nonnull(whole);
	memcpy(whole, text, len);
	*ret_len = len +
		(size_t)sprintf(whole + len, "tree %016" PRIx64 "%016" PRIx64 "\n",
			(uint64_t)hash.high64, (uint64_t)hash.low64);
	return whole;
}

static int parse_sealed(const char *text, size_t len)
{
	size_t whole_len;
	char *whole = sealed(text, len, &whole_len);
	int r = fes_origin_parse(whole, whole_len, &own);

	free(whole);
	return r;
}

static void expect_bad(const char *text)
{
	int r = parse_sealed(text, strlen(text));

	ck_assert_msg(r == -EBADMSG, "%d: %s", r, text);
	ck_assert(!own.known);
	ck_assert_ptr_null(own.source);
}

static uint64_t some_marks[] = {0, 1, 0x123456789abcdef0, UINT64_MAX};

static struct fes_origin some_origin(size_t n_marks)
{
	return (struct fes_origin){
		.known = true,
		.source = (char *)(uintptr_t)UUID_A,
		.marks = some_marks,
		.n_marks = n_marks,
	};
}

START_TEST(test_what_is_printed_can_be_parsed)
{
	struct fes_origin origin = some_origin((size_t)_i);
	size_t len;
	char *text = fes_origin_print(&origin, &len);

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(fes_origin_parse(text, len, &own), 0);
	ck_assert(own.known);
	ck_assert_str_eq(own.source, UUID_A);
	ck_assert_uint_eq(own.n_marks, (size_t)_i);
	ck_assert_mem_eq(own.marks, some_marks, (size_t)_i * sizeof *some_marks);
	free(text);
}
END_TEST

START_TEST(test_it_is_text_for_people)
{
	struct fes_origin origin = some_origin(3);
	size_t len;
	char *text = fes_origin_print(&origin, &len);
	const char *want = "\nsource " UUID_A "\nfile 0000000000000000\nfile 0000000000000001\n"
			   "file 123456789abcdef0\ntree ";

	ck_assert_int_eq(text[0], '#');
	ck_assert_ptr_eq(strstr(text, want), strchr(text, '\n'));
	ck_assert_int_eq(text[len - 1], '\n');
	free(text);
}
END_TEST

START_TEST(test_no_changed_byte_goes_unnoticed)
{
	struct fes_origin origin = some_origin(COUNT(some_marks));
	size_t len;
	char *text = fes_origin_print(&origin, &len);

	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ 1 << bit);
			ck_assert_int_eq(fes_origin_parse(text, len, &own), -EBADMSG);
			text[i] = (char)(text[i] ^ 1 << bit);
		}
	free(text);
}
END_TEST

START_TEST(test_no_missing_or_added_end_goes_unnoticed)
{
	struct fes_origin origin = some_origin(COUNT(some_marks));
	size_t len;
	char *text = fes_origin_print(&origin, &len), *more = calloc(len + 512, 1);

	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(fes_origin_parse(text, i, &own), -EBADMSG);
	memcpy(more, text, len);
	for (size_t i = len + 1; i <= len + 512; i++)
		ck_assert_int_eq(fes_origin_parse(more, i, &own), -EBADMSG);
	free(more);
	free(text);
}
END_TEST

START_TEST(test_comments_and_empty_lines_mean_nothing)
{
	static const char text[] = "# one\n\nsource 1234-ABCD\n#file x\n\nfile 00000000000000ff\n#\n";

	ck_assert_int_eq(parse_sealed(text, strlen(text)), 0);
	ck_assert_str_eq(own.source, "1234-ABCD");
	ck_assert_uint_eq(own.n_marks, 1);
	ck_assert_uint_eq(own.marks[0], 0xff);
}
END_TEST

START_TEST(test_what_entries_referred_to_can_be_parsed_as_it_was_printed)
{
	struct fes_origin origin = some_origin(1);
	char *text;
	size_t len;

	ck_assert_int_eq(fes_paths_add(&origin.referred, "/a/linux"), 0);
	ck_assert_int_eq(fes_paths_add(&origin.programs, "/EFI/a/b.efi"), 0);
	text = fes_origin_print(&origin, &len);
	ck_assert_int_eq(fes_origin_parse(text, len, &own), 0);
	ck_assert_uint_eq(own.referred.n, 1);
	ck_assert_uint_eq(own.programs.n, 1);
	ck_assert(fes_paths_has(&own.referred, origin.referred.list[0]));
	ck_assert(fes_paths_has(&own.programs, origin.programs.list[0]));
	fes_paths_done(&origin.referred);
	fes_paths_done(&origin.programs);
	free(text);
}
END_TEST

/* The digest is no secret: anybody can make a file that has the right one. */
START_TEST(test_a_file_that_makes_no_sense_is_not_whole)
{
	expect_bad("");
	expect_bad("# nothing else\n");
	expect_bad("file 0000000000000001\n");
	expect_bad("source a\nsource a\n");
	expect_bad("source a");
	expect_bad("source a\nfile 0000000000000001");
	expect_bad("source \n");
	expect_bad("source a b\n");
	expect_bad("source a\033[2J\n");
	expect_bad("source /dev/sda1\n");
	expect_bad("source 0123456789012345678901234567890123456789012345678901234567890123\n");
	expect_bad("source a\nfile 1\n");
	expect_bad("source a\nfile 000000000000000g\n");
	expect_bad("source a\nfile 000000000000000A\n");
	expect_bad("source a\nfile 00000000000000001\n");
	expect_bad("source a\nfile  000000000000001\n");
	expect_bad("source a\nfile 0000000000000001 \n");
	expect_bad("source a\nfile 0000000000000002\nfile 0000000000000001\n");
	expect_bad("source a\nfile 0000000000000001\nfile 0000000000000001\n");
	expect_bad("source a\ntree 00000000000000000000000000000000\n");
	expect_bad("source a\nwhat 0000000000000001\n");
	expect_bad("source a\n file 0000000000000001\n");
	ck_assert_int_eq(parse_sealed("source a\0\n", 10), -EBADMSG);
	ck_assert_int_eq(parse_sealed("source a\nfile 0000000\0" "00000001\n", 31), -EBADMSG);
}
END_TEST

START_TEST(test_the_longest_source_is_taken)
{
	static const char text[] =
		"source 012345678901234567890123456789012345678901234567890123456789012\n";

	ck_assert_int_eq(parse_sealed(text, strlen(text)), 0);
	ck_assert_uint_eq(strlen(own.source), FES_ORIGIN_NAME_MAX - 1);
}
END_TEST

START_TEST(test_marks_are_found)
{
	struct fes_origin origin = some_origin(COUNT(some_marks)), none = {0};

	for (size_t i = 0; i < COUNT(some_marks); i++)
		ck_assert(fes_origin_has(&origin, some_marks[i]));
	ck_assert(!fes_origin_has(&origin, 2));
	ck_assert(!fes_origin_has(&origin, UINT64_MAX - 1));
	ck_assert(!fes_origin_has(&none, 0));
}
END_TEST

START_TEST(test_sorted_marks_are_there_once)
{
	uint64_t marks[] = {5, 1, 5, UINT64_MAX, 0, 1, 5};

	ck_assert_uint_eq(fes_origin_sort(marks, COUNT(marks)), 4);
	ck_assert_uint_eq(marks[0], 0);
	ck_assert_uint_eq(marks[1], 1);
	ck_assert_uint_eq(marks[2], 5);
	ck_assert_uint_eq(marks[3], UINT64_MAX);
	ck_assert_uint_eq(fes_origin_sort(marks, 0), 0);
}
END_TEST

/* ---- marks ---- */

/* A file of 100 bytes in a tree of its own. */
struct file {
	struct fes_node root, dirs[8], node;
	struct fat_short_slot slot;
	char paths[9][256], keys[9][FAT_NAME_MAX];
};

static void make_file(struct file *file, const char *path)
{
	struct fes_node *above = &file->root;
	size_t n = 0;

	memset(file, 0, sizeof *file);
	file->root.path = (char *)(uintptr_t)"/";
	file->slot = (struct fat_short_slot){.write_date = le16_of(0x5555), .write_time = le16_of(0x1111)};
	for (const char *at = path; at; n++) {
		const char *next = strchr(at + 1, '/');
		struct fes_node *node = next ? &file->dirs[n] : &file->node;
		size_t len = next ? (size_t)(next - path) : strlen(path);

		memcpy(file->paths[n], path, len);
		node->path = file->paths[n];
		node->name = strrchr(node->path, '/') + 1;
		(void)fat_name_fold(node->name, file->keys[n]);
		node->key = file->keys[n];
		node->parent = above;
		above = node;
		at = next;
	}
	file->node.size = 100;
	file->node.n_slots = 1;
	file->node.slots = (uint8_t *)&file->slot;
}

static uint64_t mark_of(const char *path)
{
	struct file file;

	make_file(&file, path);
	return fes_origin_mark(&file.node);
}

static void expect_same_mark(const char *a, const char *b)
{
	ck_assert_msg(mark_of(a) == mark_of(b), "%s, %s", a, b);
}

static void expect_other_mark(const char *a, const char *b)
{
	ck_assert_msg(mark_of(a) != mark_of(b), "%s, %s", a, b);
}

START_TEST(test_a_mark_knows_the_path)
{
	expect_same_mark("/EFI/Linux/a.efi", "/EFI/Linux/a.efi");
	expect_other_mark("/EFI/Linux/a.efi", "/EFI/Linux/b.efi");
	expect_other_mark("/EFI/Linux/a.efi", "/EFI/systemd/a.efi");
	expect_other_mark("/a/b/c", "/b/a/c");
	expect_other_mark("/ab/c", "/a/bc");
	expect_other_mark("/a/c", "/c");
}
END_TEST

START_TEST(test_a_mark_does_not_know_case)
{
	expect_same_mark("/EFI/Linux/a.efi", "/efi/LINUX/A.efi");
	expect_same_mark("/loader/Größe", "/LOADER/GRÖßE");
}
END_TEST

START_TEST(test_a_mark_does_not_know_counters)
{
	expect_same_mark("/loader/entries/x+3.conf", "/loader/entries/x.conf");
	expect_same_mark("/loader/entries/x+2-1.conf", "/LOADER/Entries/X+0-3.conf");
	expect_same_mark("/EFI/Linux/x+10.efi", "/EFI/Linux/x.efi");
	expect_other_mark("/loader/entries/x+.conf", "/loader/entries/x.conf");
	expect_other_mark("/loader/entries/x+3.txt", "/loader/entries/x.txt");
}
END_TEST

START_TEST(test_where_nobody_counts_a_plus_is_a_plus)
{
	expect_other_mark("/loader/x+3.conf", "/loader/x.conf");
	expect_other_mark("/EFI/Linux/sub/x+3.efi", "/EFI/Linux/sub/x.efi");
	expect_other_mark("/EFI/systemd/x+3.efi", "/EFI/systemd/x.efi");
}
END_TEST

START_TEST(test_a_mark_knows_size_and_time)
{
	struct file file;
	uint64_t mark;

	make_file(&file, "/EFI/Linux/a.efi");
	mark = fes_origin_mark(&file.node);
	file.node.size = 101;
	ck_assert_uint_ne(fes_origin_mark(&file.node), mark);
	file.node.size = 100;
	file.slot.write_date = le16_of(0x5556);
	ck_assert_uint_ne(fes_origin_mark(&file.node), mark);
	file.slot.write_date = le16_of(0x5555);
	file.slot.write_time = le16_of(0x1112);
	ck_assert_uint_ne(fes_origin_mark(&file.node), mark);
	file.slot.write_time = le16_of(0x1111);
	ck_assert_uint_eq(fes_origin_mark(&file.node), mark);
}
END_TEST

START_TEST(test_a_mark_does_not_know_what_booting_or_reading_changes)
{
	struct file file;
	uint64_t mark;

	make_file(&file, "/EFI/Linux/a.efi");
	mark = fes_origin_mark(&file.node);
	memcpy(file.slot.name, "OTHER~1 EFI", 11);
	file.slot.access_date = le16_of(1);
	file.slot.attributes = FAT_ATTR_READ_ONLY;
	file.slot.cluster_low = le16_of(7);
	file.node.first_cluster = 7;
	file.node.short_slot = 9;
	ck_assert_uint_eq(fes_origin_mark(&file.node), mark);
}
END_TEST

/* What is on disks today is read by the programs of tomorrow, on other machines. */
START_TEST(test_marks_stay_what_they_are)
{
	ck_assert_uint_eq(mark_of("/loader/entries/x+3.conf"), UINT64_C(0x2a035233c088fcb2));
	ck_assert_uint_eq(mark_of("/EFI/Linux/a.efi"), UINT64_C(0x9a043c41f0012e7));
}
END_TEST

/* ---- on a volume ---- */

static void read_from(const struct fixture_file *files, size_t n_files)
{
	p->mirror.f = fixture_new(FAT12, files, n_files);
	open_mirror(UUID_B);
	ck_assert_int_eq(fes_origin_read(p->mirror.volume, &own), 0);
}

START_TEST(test_an_origin_is_read)
{
	size_t len;
	struct fes_origin origin = some_origin(COUNT(some_marks));
	char *text = fes_origin_print(&origin, &len);
	struct fixture_file files[] = {{.path = "/loader/x", .text = "x"}};

	p->mirror.f = fixture_new(FAT12, files, COUNT(files));
	fixture_do(
		p->mirror.f, "printf '%%s' '%s' | mcopy -i x.img - ::/loader/esp-sync.was", text);
	open_mirror(UUID_B);
	ck_assert_int_eq(fes_origin_read(p->mirror.volume, &own), 0);
	ck_assert(own.known);
	ck_assert_uint_eq(own.n_marks, COUNT(some_marks));
	ck_assert_str_eq(p->messages.text, "");
	free(text);
}
END_TEST

START_TEST(test_without_one_nothing_is_known_and_nothing_said)
{
	static const struct fixture_file files[] = {{.path = "/loader", .text = "a file"}};

	read_from(NULL, 0);
	ck_assert(!own.known);
	side_close(&p->mirror);
	fixture_free(p->mirror.f);
	read_from(files, COUNT(files));
	ck_assert(!own.known);
	ck_assert_str_eq(p->messages.text, "");
}
END_TEST

START_TEST(test_one_that_is_not_whole_is_told_of)
{
	static const struct fixture_file files[][1] = {
		{{.path = FES_ORIGIN_PATH, .text = "source a"}},
		{{.path = FES_ORIGIN_PATH "/", .text = ""}},
		{{.path = FES_ORIGIN_PATH, .size = 5000, .seed = 1}},
	};

	read_from(files[_i], 1);
	ck_assert(!own.known);
	ck_assert_str_eq(p->messages.text,
		"esp: /loader/esp-sync.was: damaged: what this ESP was synced from is not known any more\n");
}
END_TEST

/* Without reading any of it. */
START_TEST(test_one_that_is_far_too_large_is_not_whole)
{
	static const struct fixture_file files[] = {{.path = FES_ORIGIN_PATH, .text = "x"}};
	struct fat_entry entry;
	uint8_t *at;

	p->mirror.f = fixture_new(FAT12, files, COUNT(files));
	open_mirror(UUID_B);
	entry = fixture_find(p->mirror.f, FES_ORIGIN_PATH);
	at = memmem(p->mirror.f->bytes, p->mirror.f->size, entry.slots, FAT_SLOT_LEN);
	ck_assert_ptr_nonnull(at);
	memset(at + 28, 0xff, 4);
	ck_assert_int_eq(fes_origin_read(p->mirror.volume, &own), 0);
	ck_assert(!own.known);
	ck_assert_ptr_nonnull(strstr(p->messages.text, "damaged"));
}
END_TEST

START_TEST(test_a_volume_is_called_by_its_partition_then_by_its_serial)
{
	char name[FES_ORIGIN_NAME_MAX];

	p->mirror.f = fixture_new_mkfs("-F 12 -s 1 -i 1234abcd x.img 1024", NULL, 0);
	open_mirror("0123ABCD-0000-4000-8000-00000000000A");
	fes_origin_name_source(p->mirror.volume, name);
	ck_assert_str_eq(name, UUID_A);
	free(p->mirror.volume->partuuid);
	p->mirror.volume->partuuid = NULL;
	fes_origin_name_source(p->mirror.volume, name);
	ck_assert_str_eq(name, "1234-ABCD");
	p->mirror.volume->serial[0] = '\0';
	fes_origin_name_source(p->mirror.volume, name);
	ck_assert_str_eq(name, "-");
	p->mirror.volume->partuuid = strdup("not a name\n");
	fes_origin_name_source(p->mirror.volume, name);
	ck_assert_str_eq(name, "-");
}
END_TEST

START_TEST(test_a_volume_without_a_name_is_nobodys_source)
{
	struct fes_origin nameless = {.known = true, .source = (char *)(uintptr_t) "-"}, unknown = {0};
	struct fes_origin of_a = some_origin(0);

	p->mirror.f = fixture_new(FAT12, NULL, 0);
	open_mirror(UUID_A);
	ck_assert(fes_origin_names(&of_a, p->mirror.volume));
	ck_assert(!fes_origin_names(&unknown, p->mirror.volume));
	free(p->mirror.volume->partuuid);
	p->mirror.volume->partuuid = NULL;
	ck_assert(!fes_origin_names(&of_a, p->mirror.volume));
	p->mirror.volume->serial[0] = '\0';
	ck_assert(!fes_origin_names(&nameless, p->mirror.volume));
}
END_TEST

/* ---- what would be lost, and what is to be remembered ---- */

static const struct fixture_file of_a[] = {
	{.path = "/EFI/Linux/same.efi", .size = 3000, .seed = 1},
	{.path = "/EFI/Linux/new.efi", .size = 1000, .seed = 2},
	{.path = "/EFI/Linux/renamed.efi", .size = 1500, .seed = 3},
	{.path = "/loader/loader.conf", .text = "timeout 3"},
	{.path = "/loader/random-seed", .size = 32, .seed = 4},
};

static const struct fixture_file of_b[] = {
	{.path = "/EFI/Linux/same.efi", .size = 3000, .seed = 1},
	{.path = "/EFI/Linux/old.efi", .size = 2000, .seed = 5},
	{.path = "/EFI/Linux/before.efi", .size = 1500, .seed = 3},
	{.path = "/EFI/Other/foreign.efi", .size = 1600, .seed = 7},
	{.path = "/loader/loader.conf", .text = "timeout 5"},
	{.path = "/loader/boot-secret-mixin", .size = 32, .seed = 8},
	{.path = "/loader/random-seed", .size = 32, .seed = 6},
};

/* Of what the mirror has, what goes: in the order of paths. */
static const char *const goes[] = {"/EFI/Linux/old.efi", "/loader/loader.conf"};

static void make_plan_of(const struct fixture_file *a, size_t n_a, const struct fixture_file *b, size_t n_b)
{
	p->primary.f = fixture_new(FAT16, a, n_a);
	p->mirror.f = fixture_new(FAT12, b, n_b);
	ck_assert_int_eq(planning_make(p), 0);
	name_side(&p->primary, UUID_A);
	name_side(&p->mirror, UUID_B);
}

static void make_plan(void)
{
	make_plan_of(of_a, COUNT(of_a), of_b, COUNT(of_b));
}

static const struct fes_node *node_at(const struct side *side, const char *path)
{
	for (size_t i = 0; i < side->tree->n_nodes; i++)
		if (strcmp(side->tree->nodes[i]->path, path) == 0)
			return side->tree->nodes[i];
	ck_abort_msg("%s", path);
	return NULL;
}

static void remember(struct fes_origin *origin, const char *source)
{
	fes_origin_done(origin);
	origin->known = true;
	origin->source = strdup(source);
	origin->marks = calloc(16, sizeof *origin->marks);
}

static void remember_file(struct fes_origin *origin, const char *path)
{
	origin->marks[origin->n_marks++] = fes_origin_mark(node_at(&p->mirror, path));
	origin->n_marks = fes_origin_sort(origin->marks, origin->n_marks);
}

static void expect_lost(const char *const *paths, size_t n)
{
	struct fes_lost lost;

	ck_assert_int_eq(fes_lost_find(p->plan, &own, &other, &lost), 0);
	ck_assert_uint_eq(lost.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(lost.nodes[i]->path, paths[i]);
	fes_lost_done(&lost);
}

START_TEST(test_a_first_sync_loses_nothing)
{
	make_plan();
	expect_lost(NULL, 0);
	remember(&other, UUID_C); /* the primary has been a mirror, but not of this one */
	expect_lost(NULL, 0);
}
END_TEST

/* The mirror was synced from @source, and what of it goes is lost but for what has a mark. */
static void expect_marks_to_count(const char *source)
{
	remember(&own, source);
	expect_lost(goes, 2);
	remember_file(&own, "/loader/loader.conf");
	expect_lost(goes, 1);
}

START_TEST(test_what_the_mirror_does_not_remember_came_by_itself)
{
	make_plan();
	expect_marks_to_count(UUID_A);
	remember_file(&own, "/EFI/Linux/old.efi");
	expect_lost(NULL, 0);
}
END_TEST

START_TEST(test_it_does_not_matter_from_whom_it_was_synced)
{
	make_plan();
	expect_marks_to_count(UUID_C);
}
END_TEST

START_TEST(test_what_the_primary_remembers_it_has_given_up)
{
	make_plan();
	remember(&own, UUID_A);
	remember(&other, UUID_C);
	remember_file(&other, "/loader/loader.conf");
	expect_lost(goes, 1);
}
END_TEST

START_TEST(test_the_source_of_the_primary_is_looked_at_without_an_origin_of_its_own)
{
	make_plan();
	remember(&other, UUID_B);
	expect_lost(goes, 2);
	remember_file(&other, "/EFI/Linux/old.efi");
	remember_file(&other, "/loader/loader.conf");
	expect_lost(NULL, 0);
}
END_TEST

START_TEST(test_an_origin_that_names_the_mirror_itself_is_a_copy)
{
	make_plan();
	remember(&own, UUID_B);
	expect_lost(NULL, 0);
	remember(&other, UUID_B); /* it was copied from the primary, with its origin */
	expect_lost(NULL, 0);
}
END_TEST

/* Images without a partition table go by their serials, which dd(1) copies, too. */
START_TEST(test_two_volumes_of_one_name_are_no_copies)
{
	make_plan();
	free(p->primary.volume->partuuid);
	p->primary.volume->partuuid = strdup(UUID_B);
	remember(&own, UUID_B);
	expect_lost(goes, 2);
}
END_TEST

/* A power cut leaves such files where somebody copied through a mount. */
START_TEST(test_contents_without_a_byte_cannot_be_lost_but_a_name_can)
{
	static const struct fixture_file torn[] = {
		{.path = "/EFI/Linux/mine.efi"},
		{.path = "/EFI/Linux/new.efi"},
	};
	static const char *const mine[] = {"/EFI/Linux/mine.efi"};

	make_plan_of(of_a, COUNT(of_a), torn, COUNT(torn));
	remember(&own, UUID_A);
	expect_lost(mine, 1);
}
END_TEST

START_TEST(test_what_is_to_be_remembered_is_all_that_there_is_and_will_be)
{
	static const char *const had[] = {"/EFI/Linux/same.efi", "/EFI/Linux/old.efi",
		"/EFI/Linux/before.efi", "/loader/loader.conf"};
	static const char *const gets[] = {"/EFI/Linux/same.efi", "/EFI/Linux/new.efi",
		"/EFI/Linux/renamed.efi", "/loader/loader.conf"};
	struct fes_origin now;
	bool due;

	make_plan();
	ck_assert_int_eq(fes_origin_renew(p->comparison, &own, &now, &due), 0);
	ck_assert(due);
	ck_assert(now.known);
	ck_assert_str_eq(now.source, UUID_A);
	for (size_t i = 0; i < COUNT(had); i++)
		ck_assert(fes_origin_has(&now, fes_origin_mark(node_at(&p->mirror, had[i]))));
	for (size_t i = 0; i < COUNT(gets); i++)
		ck_assert(fes_origin_has(&now, fes_origin_mark(node_at(&p->primary, gets[i]))));
	ck_assert(!fes_origin_has(&now,
		fes_origin_mark(node_at(&p->mirror, "/loader/random-seed"))));
	ck_assert(!fes_origin_has(&now,
		fes_origin_mark(node_at(&p->mirror, "/loader/boot-secret-mixin"))));
	ck_assert_uint_le(now.n_marks, COUNT(had) + COUNT(gets));
	own = now;
	expect_lost(NULL, 0);
}
END_TEST

/* Make it due or not by what @own is; then @own is the new one. */
static bool renew(void)
{
	struct fes_origin now;
	bool due;

	ck_assert_int_eq(fes_origin_renew(p->comparison, &own, &now, &due), 0);
	fes_origin_done(&own);
	own = now;
	return due;
}

START_TEST(test_it_is_written_when_it_would_tell_something_new)
{
	make_plan();
	ck_assert(renew());
	ck_assert(!renew());
	free(own.source);
	own.source = strdup(UUID_C);
	ck_assert(renew());
	ck_assert(!renew());
	own.n_marks--;
	ck_assert(renew());
	ck_assert(!renew());
}
END_TEST

static void add_old_marks(size_t n)
{
	own.marks = reallocarray(own.marks, own.n_marks + n, sizeof *own.marks);
	for (size_t i = 0; i < n; i++)
		own.marks[own.n_marks++] = i + 1;
	own.n_marks = fes_origin_sort(own.marks, own.n_marks);
}

START_TEST(test_marks_from_before_are_kept_up_to_a_number)
{
	size_t n;

	make_plan();
	ck_assert(renew());
	n = own.n_marks;
	add_old_marks(1024);
	ck_assert(!renew());
	ck_assert_uint_eq(own.n_marks, n + 1024);
	add_old_marks(1025);
	ck_assert(!renew());
	ck_assert_uint_eq(own.n_marks, n);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_it_is_text_for_people,
		test_no_changed_byte_goes_unnoticed,
		test_no_missing_or_added_end_goes_unnoticed,
		test_what_entries_referred_to_can_be_parsed_as_it_was_printed,
		test_comments_and_empty_lines_mean_nothing,
		test_a_file_that_makes_no_sense_is_not_whole,
		test_the_longest_source_is_taken,
		test_marks_are_found,
		test_sorted_marks_are_there_once,
		test_a_mark_knows_the_path,
		test_a_mark_does_not_know_case,
		test_a_mark_does_not_know_counters,
		test_where_nobody_counts_a_plus_is_a_plus,
		test_a_mark_knows_size_and_time,
		test_a_mark_does_not_know_what_booting_or_reading_changes,
		test_marks_stay_what_they_are,
		test_an_origin_is_read,
		test_without_one_nothing_is_known_and_nothing_said,
		test_one_that_is_far_too_large_is_not_whole,
		test_a_volume_is_called_by_its_partition_then_by_its_serial,
		test_a_volume_without_a_name_is_nobodys_source,
		test_a_first_sync_loses_nothing,
		test_what_the_mirror_does_not_remember_came_by_itself,
		test_it_does_not_matter_from_whom_it_was_synced,
		test_what_the_primary_remembers_it_has_given_up,
		test_the_source_of_the_primary_is_looked_at_without_an_origin_of_its_own,
		test_an_origin_that_names_the_mirror_itself_is_a_copy,
		test_two_volumes_of_one_name_are_no_copies,
		test_contents_without_a_byte_cannot_be_lost_but_a_name_can,
		test_what_is_to_be_remembered_is_all_that_there_is_and_will_be,
		test_it_is_written_when_it_would_tell_something_new,
		test_marks_from_before_are_kept_up_to_a_number,
	};
	Suite *suite = suite_create("origin");
	TCase *tc = tcase_create("origin");

	if (!fixture_tools())
		return 77;
	tcase_add_checked_fixture(tc, set_up, tear_down);
	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, test_what_is_printed_can_be_parsed, 0, COUNT(some_marks) + 1);
	tcase_add_loop_test(tc, test_one_that_is_not_whole_is_told_of, 0, 3);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
