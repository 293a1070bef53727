#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which way a sync may go: the table of HACKING.md, "Direction", row by row. A mirror that has changed
# by itself is refused, and no other is.
#
#   test-direction.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

ORIGIN=/loader/esp-sync.was

# ---- what happens to disks ----

# put IMAGE PATH TEXT: two seconds after the one before, which is what FAT can tell.
put()
{
	CLOCK=$((CLOCK + 2))
	printf %s "$3" >put
	touch -d "@$CLOCK" put
	mcopy -m -D o -i "$1@@$OFFSET" put "::$2"
	rm put
}

# install IMAGE NAME: a kernel with its entry, as by the system that runs from there.
install()
{
	put "$1" "/EFI/Linux/$2.efi" "$(seq $((CLOCK % 1000)) 2000)"
	put "$1" "/loader/entries/$2.conf" "linux /EFI/Linux/$2.efi"
}

# uninstall IMAGE NAME
uninstall()
{
	mdel -i "$1@@$OFFSET" "::/EFI/Linux/$2.efi" "::/loader/entries/$2.conf"
}

# begin: a.img has been the primary and the others its mirrors, by a list; all are in sync.
begin()
{
	CLOCK=1700000000
	list_disks $A $B $C
	install a.img old
	install a.img counted+3
	put a.img /loader/random-seed 'a seed of 32 bytes, or about that'
	run 0
}

# begin_two: a.img and b.img, and no list.
begin_two()
{
	CLOCK=1700000000
	make_disks
	install a.img old
	run 0 --primary=a.img b.img
}

# has IMAGE NAME..., lacks IMAGE NAME...: the kernels.
has()
{
	local image=$1 name
	shift

	for name; do
		mdir -b -i "$image@@$OFFSET" "::/EFI/Linux/$name.efi" >/dev/null 2>&1 ||
			complain "$image: no $name"
	done
}

lacks()
{
	local image=$1 name
	shift

	for name; do
		! mdir -b -i "$image@@$OFFSET" "::/EFI/Linux/$name.efi" >/dev/null 2>&1 ||
			complain "$image: has $name"
	done
}

# source_is IMAGE UUID: what its origin names.
source_is()
{
	get_text "$1" $ORIGIN | grep -qx "source $2" || complain "$1: another source"
}

no_origin()
{
	! get_text "$1" $ORIGIN >/dev/null 2>&1 || complain "$1: has an origin"
}

# ---- what a sync says to that ----

# syncs ARGUMENT...: it ends well, and the next writes nothing.
syncs()
{
	run 0 "$@"
	err_lacks 'came after'
	refused 0 "$@"
}

# keeps IMAGE PATH ARGUMENT...: a sync refuses IMAGE for what it has at PATH, and writes nothing to it.
keeps()
{
	local image=$1 path=$2
	shift 2

	remember "$image"
	run 4 "$@"
	err_has "^fatespsync: $image(:1)?: has files that came after .*: this one would destroy .*$path.*--force"
	out_has "^$image(:1)?: refused$"
	unchanged "$image"
}

# ---- nothing of its own ----

test_a_first_sync_refuses_nothing()
{
	CLOCK=1700000000
	make_disks
	put_boot_files b.img
	install b.img mine
	syncs --primary=a.img b.img
	lacks b.img mine
	source_is b.img $A
	no_origin a.img
}

test_changes_of_the_primary_are_none_of_the_mirror()
{
	begin
	uninstall a.img old
	install a.img new
	put a.img /loader/loader.conf 'timeout 30'
	syncs
	in_sync b.img c.img
	has b.img new
	lacks b.img old
}

test_a_list_that_changes_is_no_change_of_a_mirror()
{
	begin
	run 0 remove c.img
	err_lacks 'came after'
	syncs
	run 0 add c.img
	err_lacks 'came after'
	syncs
	in_sync b.img c.img
	make_gpt d.img "$(esp_line $D)"
	make_fat d.img DDDD0004
	DISKS+=(--disk=d.img)
	run 0 replace c.img d.img
	err_lacks 'came after'
	syncs
	in_sync b.img d.img
}

test_a_list_edited_by_hand_is_no_change_of_a_mirror()
{
	begin
	put a.img /loader/esp-sync "# by hand
$A
$B
"
	syncs
	in_sync b.img
}

test_nothing_is_written_where_nothing_happened()
{
	begin
	refused 0
	refused 0 status
	refused 0 diff
}

test_booting_is_no_change_of_its_own()
{
	begin
	mren -i "b.img@@$OFFSET" ::/loader/entries/counted+3.conf counted+2-1.conf
	mren -i "b.img@@$OFFSET" ::/EFI/Linux/counted+3.efi counted.efi
	put b.img /loader/random-seed 'another seed, of another length'
	put b.img '/loader/.#bootctl0123' 'left behind'
	syncs
	in_sync b.img
	mren -i "b.img@@$OFFSET" ::/loader/entries/counted+3.conf counted+2-1.conf
	uninstall a.img counted+3
	syncs
	in_sync b.img
}

test_what_a_mirror_lost_comes_back()
{
	begin
	uninstall b.img old
	mdel -i "b.img@@$OFFSET" ::/loader/loader.conf
	syncs
	in_sync b.img
}

# ---- something of its own ----

test_a_kernel_that_came_by_itself_is_kept()
{
	begin
	install b.img mine
	keeps b.img /EFI/Linux/mine.efi
	in_sync c.img
	has b.img mine
	refused 1 status
	out_has 'refused: has files that came after'
	refused 4 --json=short
	json '[.mirrors[] | .state] == ["refused", "in-sync"]' '.mirrors[0].writes == 0'
	run 4 -v
	err_has 'b\.img:1: /EFI/Linux/mine\.efi: ' 'b\.img:1: /loader/entries/mine\.conf: '
}

test_a_file_that_was_changed_is_kept()
{
	begin
	put b.img /loader/loader.conf 'timeout 9'
	keeps b.img /loader/loader.conf
	put a.img /loader/loader.conf 'timeout 9'
	syncs
}

# A power cut leaves such files where somebody copied through a mount. There is nothing in them to keep.
test_a_file_without_a_byte_gets_its_contents_back()
{
	begin
	put b.img /EFI/Linux/old.efi ''
	put b.img /loader/loader.conf ''
	syncs
	in_sync b.img
	put b.img /EFI/Linux/mine.efi ''
	keeps b.img /EFI/Linux/mine.efi
}

test_it_is_said_of_some_files_and_how_many_there_are()
{
	begin
	install b.img mine
	install b.img more
	keeps b.img '/EFI/Linux/mine\.efi, /EFI/Linux/more\.efi and 2 more; '
	err_has '\(--primary=b\.img:1\); --force goes on$'
}

test_the_other_way_round_is_a_way_out()
{
	begin
	install b.img mine
	keeps b.img mine
	syncs --primary=b.img
	has a.img mine
	has c.img mine
	boot_from $A
	syncs
}

test_both_may_get_the_same()
{
	begin
	install a.img new
	CLOCK=$((CLOCK - 4))
	install b.img new
	syncs
	CLOCK=$((CLOCK + 100))
	put b.img /EFI/Linux/other.efi same
	put a.img /EFI/Linux/other.efi same
	syncs
	uninstall a.img new
	mdel -i "a.img@@$OFFSET" ::/EFI/Linux/other.efi
	syncs
	lacks b.img new other
}

test_equal_from_the_beginning_is_known_from_then_on()
{
	begin
	put a.img /EFI/Linux/other.efi same
	CLOCK=$((CLOCK - 2))
	put b.img /EFI/Linux/other.efi same
	CLOCK=$((CLOCK - 2))
	put c.img /EFI/Linux/other.efi same
	syncs
	mdel -i "a.img@@$OFFSET" ::/EFI/Linux/other.efi
	syncs
	lacks b.img other
}

test_force_goes_on_and_says_what_went()
{
	begin
	install b.img mine
	run 0 --force
	err_has '^fatespsync: b\.img:1: files that came after .*--force: /EFI/Linux/mine\.efi, /loader/entries/mine\.conf$'
	in_sync b.img c.img
	syncs
}

test_a_renamed_file_is_not_lost()
{
	begin
	mren -i "b.img@@$OFFSET" ::/EFI/Linux/old.efi older.efi
	syncs
	in_sync b.img
}

test_a_dry_run_refuses_what_a_sync_refuses()
{
	begin
	install b.img mine
	refused 4 diff
	err_has 'b\.img:1: has files that came after'
	refused 4 -n --primary=a.img b.img
}

# ---- the roles change ----

test_the_primary_of_yesterday_is_a_mirror_of_today()
{
	begin
	boot_from $B
	install b.img new
	uninstall b.img old
	syncs
	has a.img new
	lacks a.img old
	source_is a.img $B
	source_is c.img $B
}

test_what_it_got_after_the_last_sync_is_kept()
{
	begin
	install a.img late
	boot_from $B
	install b.img new
	keeps a.img /EFI/Linux/late.efi
	err_has 'after b\.img:1 was synced from it'
	has c.img new
}

test_roles_may_change_back_and_forth()
{
	local i

	begin
	for i in 1 2 3; do
		boot_from $B
		install b.img "b$i"
		syncs
		uninstall b.img "b$i"
		syncs
		boot_from $A
		install a.img "a$i"
		syncs
		boot_from $C
		uninstall c.img "a$i"
		put c.img /loader/loader.conf "c$i"
		syncs
	done
	install a.img late
	boot_from $C
	keeps a.img late
	boot_from $B
	keeps a.img late
}

test_roles_that_change_while_all_are_equal_are_remembered()
{
	begin
	boot_from $B
	syncs
	source_is a.img $B
	install a.img mine
	keeps a.img mine
}

# ---- three disks ----

test_the_primary_died_and_a_mirror_takes_its_place()
{
	begin
	mv a.img a.away
	DISKS=(--disk=b.img --disk=c.img)
	boot_from $B
	install b.img new
	uninstall b.img old
	run 0
	err_lacks 'came after'
	has c.img new
	lacks c.img old
	source_is c.img $B
}

# dead: as above; then a.img comes back.
come_back()
{
	test_the_primary_died_and_a_mirror_takes_its_place
	mv a.away a.img
	DISKS=(--disk=a.img --disk=b.img --disk=c.img)
}

test_it_comes_back_as_a_mirror()
{
	come_back
	syncs
	has a.img new
	lacks a.img old
}

test_it_comes_back_as_a_mirror_with_something_of_its_own()
{
	come_back
	install a.img late
	keeps a.img late
}

test_it_comes_back_as_the_primary()
{
	come_back
	boot_from $A
	keeps b.img /EFI/Linux/new.efi
	err_has 'this one would destroy /EFI/Linux/new\.efi, /loader/entries/new\.conf; .*--primary=b\.img:1'
	lacks c.img new
	has c.img old
	syncs --primary=b.img
	has a.img new
	has c.img new
}

test_another_one_was_booted_meanwhile()
{
	begin
	mv a.img a.away
	DISKS=(--disk=b.img --disk=c.img)
	install c.img mine
	boot_from $B
	install b.img new
	keeps c.img mine
	err_has 'c\.img:1: has files that came after it was synced from another ESP \(aaaaaaaa-'
}

test_an_esp_that_was_a_mirror_elsewhere_can_be_added()
{
	begin_two
	make_gpt d.img "$(esp_line $D)"
	make_fat d.img DDDD0004
	put_boot_files d.img
	DISKS+=(--disk=d.img)
	install d.img foreign
	run 0 --primary=d.img c.img
	put_list a.img $A $B
	boot_from $A
	run 0 add c.img
	lacks c.img foreign
	syncs
}

# ---- backups and copies ----

test_a_mirror_out_of_a_backup_is_synced()
{
	begin
	cp b.img b.backup
	install a.img new
	uninstall a.img old
	syncs
	mv b.backup b.img
	install a.img newer
	syncs
	in_sync b.img
}

test_a_primary_out_of_a_backup_is_synced_from()
{
	begin
	cp a.img a.backup
	install a.img new
	uninstall a.img old
	syncs
	mv a.backup a.img
	syncs
	lacks b.img new
	has b.img old
}

# copy FROM TO: as dd(1) does, the partition.
copy()
{
	cut_out "$1" volume
	paste_in "$2" volume "$OFFSET"
	rm volume
}

test_a_copy_of_the_primary_is_nothing_of_its_own()
{
	begin
	copy a.img b.img
	uninstall a.img old
	syncs
	lacks b.img old
	boot_from $B # now a.img has an origin, too
	install b.img new
	syncs
	boot_from $A
	install a.img newer
	copy a.img b.img
	uninstall a.img newer
	syncs
	source_is b.img $A
	lacks b.img newer
}

test_a_copy_of_a_mirror_is_as_that()
{
	begin
	copy b.img c.img
	uninstall a.img old
	syncs
	install c.img mine
	keeps c.img mine
}

# ---- runs that are cut short ----

# cut_at N [ARGUMENT...]: a sync of b.img is killed as it is about to write for the N-th time. Whether
# it came to that.
cut_at()
{
	local n=$1
	shift

	! { ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -qq -o /dev/null \
		-e trace=pwrite64 -e inject=pwrite64:signal=KILL:when="$n" "$FATESPSYNC" \
		"${DISKS[@]}" --primary=a.img "$@" b.img >out 2>err; } 2>/dev/null
}

# each_cut CASE [ARGUMENT...]: what CASE says to each moment in which a sync of b.img can be cut, or to
# some of them; tests/test-powercut has them all.
each_cut()
{
	local n=0 step=$((${FATESPSYNC_TEST_FULL:-0} ? 1 : 3)) case=$1
	shift

	begin_two
	install a.img new
	put a.img /loader/loader.conf 'timeout 30'
	uninstall a.img old
	${PREPARE:-:}
	mkdir start
	cp --sparse=always a.img b.img start
	while
		n=$((n + step))
		cp --sparse=always start/* .
		cut_at "$n" "$@"
	do
		"$case"
	done
	((n > 10)) || fail "only $n writes"
	rm -r start
}

next_goes_on()
{
	syncs --primary=a.img b.img
	in_sync b.img
}

test_a_sync_that_was_cut_goes_on()
{
	each_cut next_goes_on
}

primary_goes_on_first()
{
	install a.img newer
	uninstall a.img new
	put a.img /loader/loader.conf 'timeout 300'
	next_goes_on
}

test_a_primary_that_changes_after_the_cut_is_synced_from()
{
	each_cut primary_goes_on_first
}

mirror_gets_something()
{
	put b.img /EFI/Linux/mine.efi mine
	keeps b.img /EFI/Linux/mine.efi --primary=a.img b.img
}

test_a_mirror_that_changes_after_the_cut_is_refused()
{
	each_cut mirror_gets_something
}

mirror_has_something()
{
	install b.img mine
}

test_a_forced_sync_that_was_cut_is_continued_or_refused_as_before()
{
	PREPARE=mirror_has_something
	each_cut continue_forced --force
	PREPARE=
}

continue_forced()
{
	timeout 60 "$FATESPSYNC" "${DISKS[@]}" --primary=a.img b.img >out 2>err || [[ $? -eq 4 ]] ||
		complain 'neither'
	if grep -q refused out; then
		has b.img mine old
		run 0 --force --primary=a.img b.img
	fi
	next_goes_on
}

# ---- without room ----

# fill_but N: no room on b.img but for so many clusters.
fill_but()
{
	local free

	timeout 60 "$FATESPSYNC" --json=short status --primary=a.img b.img >out 2>err || true
	free=$(jq '.mirrors[0].volume | .free - '"$1"' * .clusterSize' out)
	head -c "$free" /dev/zero >fill
	mcopy -i "b.img@@$OFFSET" fill ::/fill
	rm fill
}

# Where it does not fit beside the old contents it comes when these are gone.
test_what_is_copied_needs_no_room_for_the_origin()
{
	local n refused=0

	begin_two
	install a.img new
	uninstall a.img old
	for n in {1..12}; do
		cp --sparse=always b.img b.start
		fill_but "$n"
		timeout 60 "$FATESPSYNC" "${DISKS[@]}" --primary=a.img b.img >out 2>err || refused=$n
		if ! grep -q refused out; then
			in_sync b.img
			source_is b.img $A
			err_lacks .
			mdel -i "b.img@@$OFFSET" ::/EFI/Linux/new.efi
			syncs --primary=a.img b.img
		fi
		mv b.start b.img
	done
	((refused > 0 && refused < 10)) || fail "refused up to $refused clusters"
}

test_no_room_at_all_is_told_and_no_failure()
{
	begin_two
	mdel -i "b.img@@$OFFSET" ::$ORIGIN
	fill_but 0
	refused 0 --primary=a.img b.img
	err_has '^fatespsync: b\.img: too little room for files of its own, /loader/esp-sync\.was '
	out_has '^b\.img: in sync$'
	no_origin b.img
	mdel -i "b.img@@$OFFSET" ::/fill
	syncs --primary=a.img b.img
	source_is b.img $A
}

# ---- what else may be ----

test_a_file_of_1980_and_of_the_same_size_is_not_noticed()
{
	CLOCK=$(date -d '1980-01-01 00:00' +%s)
	make_disks
	put a.img /loader/loader.conf 'timeout 3'
	run 0 --primary=a.img b.img
	CLOCK=$((CLOCK - 2))
	put b.img /loader/loader.conf 'timeout 5'
	syncs --primary=a.img b.img
	CLOCK=$((CLOCK - 2))
	put b.img /loader/loader.conf 'timeout 55'
	keeps b.img /loader/loader.conf --primary=a.img b.img
	CLOCK=$((CLOCK - 2))
	put b.img /loader/loader.conf 'timeout 5'
	CLOCK=$((CLOCK - 2))
	put b.img /EFI/Linux/mine.efi mine
	keeps b.img /EFI/Linux/mine.efi --primary=a.img b.img
}

test_a_damaged_origin_is_as_none()
{
	begin
	install b.img mine
	keeps b.img mine
	put b.img $ORIGIN 'nothing that makes sense'
	run 0
	err_has '^fatespsync: b\.img:1: /loader/esp-sync\.was: damaged: '
	lacks b.img mine
	source_is b.img $A
	syncs
	no_err
}

test_quick_refuses_as_much()
{
	begin
	install b.img mine
	keeps b.img mine --quick
	uninstall b.img mine
	install a.img new
	run 0 --quick
	in_sync b.img c.img
}

test_what_was_excluded_for_once_is_still_known()
{
	begin
	install a.img new
	run 0 --exclude=/EFI/Linux
	uninstall a.img old
	put a.img /loader/loader.conf 'timeout 30'
	run 0 --exclude=/EFI/Linux
	has b.img old
	syncs
	lacks b.img old
}

test_what_never_was_managed_is_the_mirrors_own()
{
	begin
	make_dirs a.img /EFI/extra
	make_dirs b.img /EFI/extra
	put a.img /EFI/extra/file one
	put b.img /EFI/extra/file two-and-more
	syncs
	keeps b.img /EFI/extra/file --manage=/EFI/extra
	run 0 --manage=/EFI/extra --force
	put a.img /EFI/extra/file three-and-more
	syncs --manage=/EFI/extra
}

test_without_a_place_there_is_no_origin()
{
	begin_two
	no_origin c.img
	put_boot_files c.img
	install c.img mine
	run 0 --exclude=/loader --primary=a.img c.img
	no_origin c.img
	refused 0 --exclude=/loader --primary=a.img c.img
	run 0 --exclude=$ORIGIN --primary=a.img c.img
	no_origin c.img
	lacks c.img mine
}

need_tools strace
run_cases "$@"
