#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The XBOOTLDR partition of a mirror's disk follows that of the primary's: what goes along, what is
# refused, and how that is told.
#
#   test-xbootldr.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

XBOOTLDR_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172
# Where partitions are, by number, in MiB.
FIRST=(0 1 4 7)
LENGTH=(0 3 3 2)
DISKS=()

# ---- disks ----

# on NUMBER COMMAND...: a function of disks.sh, about this partition.
on()
{
	local OFFSET=$((FIRST[$1] * MIB)) SIZE=$((LENGTH[$1] * MIB))
	shift

	"$@"
}

# disk IMAGE TYPE...: with these partitions, all of them FAT.
disk()
{
	local image=$1 made=$TOP/made.$* type n=0 lines=()
	shift

	for type; do
		n=$((n + 1))
		lines+=("start=$((FIRST[n] * 2048)), size=$((LENGTH[n] * 2048)), type=$type")
	done
	[[ -e $made ]] || make_gpt "$made" "${lines[@]}"
	cp --sparse=always "$made" "$image"
	for ((; n > 0; n--)); do
		on $n make_fat "$image" "ABCD000$n"
	done
}

# kernel IMAGE NUMBER NAME: with its entry, on a partition.
kernel()
{
	on "$2" put_text "$1" "/EFI/Linux/$3" "kernel $3"
	on "$2" put_text "$1" "/loader/entries/$3.conf" "linux /EFI/Linux/$3"
}

no_kernel()
{
	mdel -i "$1@@${FIRST[$2]}M" "::/EFI/Linux/$3" "::/loader/entries/$3.conf"
}

has_kernel()
{
	local path

	for path in "/loader/entries/$3.conf" "/EFI/Linux/$3"; do
		on "$2" get_text "$1" "$path" >/dev/null || fail "$1:$2: no $path"
	done
}

# dirs IMAGE NUMBER: for the functions above.
dirs()
{
	on "$2" make_dirs "$1" /loader /loader/entries /EFI /EFI/Linux
}

# A boot loader on the ESP of a.img, and a kernel on its XBOOTLDR; b.img and c.img are empty.
make_pairs()
{
	disk a.img $ESP_TYPE $XBOOTLDR_TYPE
	disk b.img $ESP_TYPE $XBOOTLDR_TYPE
	disk c.img $ESP_TYPE $XBOOTLDR_TYPE
	on 1 put_boot_files a.img
	dirs a.img 2
	kernel a.img 2 new
}

# pair_in_sync IMAGE...: both of its volumes.
pair_in_sync()
{
	on 1 in_sync "$@"
	on 2 in_sync "$@"
}

# partition_of IMAGE NUMBER: its bytes.
partition_of()
{
	on "$2" cut_out "$1" volume
	sha256sum <volume
	rm volume
}

# spoil IMAGE NUMBER: the chain of its first directory has no end.
spoil()
{
	on "$2" cut_out "$1" volume
	"$FATPOKE" volume fat 0 2 2 || fail "fatpoke"
	paste_in "$1" volume $((FIRST[$2] * MIB))
	rm volume
}

# ---- both go together ----

test_both_volumes_are_synced_and_reported()
{
	make_pairs
	run 0 --primary=a.img b.img c.img
	no_err
	out_has '^b\.img: synced, [0-9]+ changes' \
		'^b\.img:2 \(XBOOTLDR of b\.img\): synced, [0-9]+ changes' \
		'^c\.img:2 \(XBOOTLDR of c\.img\): synced' '^  new +/loader/entries/new\.conf'
	pair_in_sync b.img c.img
	refused 0 --json=short --primary=a.img b.img c.img
	json '.primaryXbootldr.volume == "a.img:2"' \
		'.mirrors | map(.state == "in-sync" and .xbootldr.state == "in-sync") | all' \
		'.mirrors[0].xbootldr.volume.volume == "b.img:2"'
}

test_one_that_changed_by_itself_stops_that_disk()
{
	make_pairs
	run 0 --primary=a.img b.img c.img
	kernel b.img 2 mine
	kernel a.img 2 newer
	on 1 put_text a.img /loader/loader.conf 'timeout 30'
	run 4 --primary=a.img b.img c.img
	err_has '^fatespsync: b\.img:2: has files that came after it was synced from a\.img:2, .*mine.*--primary=b\.img\)' \
		'^fatespsync: b\.img: nothing was written to it, because the XBOOTLDR of its disk'
	out_has '^b\.img: refused$' '^b\.img:2 \(XBOOTLDR of b\.img\): refused$'
	pair_in_sync c.img
	has_kernel b.img 2 mine
	run 0 --primary=b.img a.img --force
	pair_in_sync b.img
}

test_a_dry_run_shows_both()
{
	make_pairs
	refused 1 diff --primary=a.img b.img
	out_has '^b\.img: would be synced' '^b\.img:2 \(XBOOTLDR of b\.img\): would be synced'
	refused 1 status --primary=a.img b.img
	out_has '^primary a\.img$' '^primary a\.img:2 \(XBOOTLDR of a\.img\)$' '^mirror b\.img$' \
		'^mirror b\.img:2 \(XBOOTLDR of b\.img\)$' \
		'^  boots +no: no boot loader in /EFI/BOOT, no boot entry'
}

test_one_that_differs_is_enough_for_the_exit_status()
{
	make_pairs
	run 0 --manage=/EFI/BOOT --primary=a.img b.img
	run 0 status --manage=/EFI/BOOT --primary=a.img b.img
	out_has '^  boots +yes$'
	kernel a.img 2 newer
	run 1 status --manage=/EFI/BOOT --primary=a.img b.img
	out_has '^  state +in sync$' '^  state +differs \(2 files'
	run 1 diff --manage=/EFI/BOOT --primary=a.img b.img
}

test_kernels_move_to_the_esp_and_back()
{
	make_pairs
	run 0 --primary=a.img b.img
	kernel a.img 1 new
	no_kernel a.img 2 new
	run 0 --primary=a.img b.img
	pair_in_sync b.img
	has_kernel b.img 1 new
	kernel a.img 2 new
	no_kernel a.img 1 new
	run 0 --primary=a.img b.img
	pair_in_sync b.img
	has_kernel b.img 2 new
}

test_the_first_xbootldr_of_a_disk_counts()
{
	make_pairs
	disk b.img $ESP_TYPE $XBOOTLDR_TYPE $XBOOTLDR_TYPE
	before=$(partition_of b.img 3)
	run 0 --primary=a.img b.img
	pair_in_sync b.img
	[[ $(partition_of b.img 3) == "$before" ]] || complain "the second XBOOTLDR was written to"
}

test_an_mbr_has_them_too()
{
	make_pairs
	make_mbr b.img 1234abcd "start=2048, size=6144, type=ef" "start=8192, size=6144, type=ea"
	on 1 make_fat b.img BBBB0001
	on 2 make_fat b.img BBBB0002
	run 0 --primary=a.img b.img
	pair_in_sync b.img
}

test_a_list_names_esps_only()
{
	make_pairs
	disk c.img $ESP_TYPE
	make_fat c.img CCCC0001 ESP $MIB $((3 * MIB))
	on 1 make_fat b.img BBBB0001
	DISKS=(--disk=a.img --disk=b.img --disk=c.img --primary=a.img)
	refused 4 add c.img
	err_has 'c\.img: its disk has no XBOOTLDR partition'
	run 0 add b.img
	pair_in_sync b.img
	kernel a.img 2 newer
	run 0
	out_has '^b\.img:2 \(XBOOTLDR of b\.img:1\): synced'
	pair_in_sync b.img
	run 0 --json=short status
	json '.list | length == 2'
}

# ---- one of them is not there, or is another ----

test_a_disk_without_xbootldr_is_refused_unless_forced()
{
	make_pairs
	disk c.img $ESP_TYPE
	remember c.img
	run 4 --primary=a.img b.img c.img
	err_has '^fatespsync: c\.img: its disk has no XBOOTLDR partition, but the primary.s has \(a\.img:2\): make one \(GPT type bc13c2ff-59e6-4262-a352-b275fd6f7172\) and format it, or go on without with --force$'
	out_has '^c\.img: refused$' '^b\.img:2 \(XBOOTLDR of b\.img\): synced'
	unchanged c.img
	refused 1 status --primary=a.img c.img
	out_has '^  state +refused: its disk has no XBOOTLDR partition'
	run 0 --force --primary=a.img c.img
	err_has '^fatespsync: c\.img: its disk has no XBOOTLDR partition for what is on the primary.s'
	on 1 in_sync c.img
}

test_an_xbootldr_is_left_alone_where_the_primary_has_none()
{
	make_pairs
	disk a.img $ESP_TYPE
	on 1 put_boot_files a.img
	dirs b.img 2
	kernel b.img 2 own
	before=$(partition_of b.img 2)
	run 0 --primary=a.img b.img
	err_has '^fatespsync: b\.img: its disk has an XBOOTLDR partition \(b\.img:2\), but the primary.s has none: it is left alone'
	on 1 in_sync b.img
	[[ $(partition_of b.img 2) == "$before" ]] || complain "the XBOOTLDR was written to"
}

test_an_xbootldr_without_fat_is_left_out()
{
	make_pairs
	on 2 wipe a.img $((4 * MIB)) $((3 * MIB))
	dirs b.img 2
	kernel b.img 2 own
	disk c.img $ESP_TYPE
	before=$(partition_of b.img 2)
	run 0 --primary=a.img b.img c.img
	err_has '^fatespsync: a\.img:2: .*; so it is left out, and so are the XBOOTLDR partitions of mirrors$'
	[[ $(wc -l <err) == 1 ]] || complain "more than one warning"
	on 1 in_sync b.img c.img
	[[ $(partition_of b.img 2) == "$before" ]] || complain "the XBOOTLDR was written to"
}

test_nobody_names_an_xbootldr()
{
	make_pairs
	refused 4 --primary=a.img a.img:2
	err_has 'a\.img:2: this is the XBOOTLDR partition of the primary.s disk; it cannot be a mirror'
	refused 4 --primary=a.img b.img b.img:2
	err_has 'an XBOOTLDR partition goes along with the ESP of its disk; do not name it'
}

test_two_esps_of_a_disk_share_its_xbootldr()
{
	disk a.img $ESP_TYPE $XBOOTLDR_TYPE $ESP_TYPE
	on 1 put_boot_files a.img
	dirs a.img 2
	kernel a.img 2 new
	before=$(partition_of a.img 2)
	run 0 --primary=a.img:1 a.img:3
	no_err
	[[ $(partition_of a.img 2) == "$before" ]] || complain "the XBOOTLDR was written to"
	on 3 get_text a.img /loader/loader.conf >/dev/null || fail "nothing was synced"
	disk b.img $ESP_TYPE $XBOOTLDR_TYPE $ESP_TYPE
	refused 4 --primary=a.img:1 b.img:1 b.img:3
	err_has 'of this disk, with its XBOOTLDR partition, another ESP is named, too; name one'
}

# ---- something is the matter with one ----

test_a_damaged_one_of_the_primary_fails_the_run()
{
	make_pairs
	spoil a.img 2
	refused 3 --primary=a.img b.img
	err_has '^fatespsync: a\.img:2: damaged: '
	refused 3 --json=short --primary=a.img b.img
	json '.mirrors == []'
}

test_a_damaged_one_of_a_mirror_stops_that_disk_alone()
{
	make_pairs
	dirs b.img 2
	spoil b.img 2
	remember b.img
	run 4 --primary=a.img b.img c.img
	err_has '^fatespsync: b\.img:2: damaged: ' \
		'^fatespsync: b\.img: nothing was written to it, because the XBOOTLDR of its disk, b\.img:2, could not be brought in line$'
	out_has '^b\.img: refused$' '^b\.img:2 \(XBOOTLDR of b\.img\): refused$'
	unchanged b.img
	pair_in_sync c.img
	refused 4 --json=short --primary=a.img b.img
	json '.mirrors[0] | .state == "refused" and .xbootldr.state == "refused"'
}

test_an_unformatted_one_of_a_mirror_stops_that_disk()
{
	make_pairs
	wipe b.img $((4 * MIB)) $MIB
	refused 4 --primary=a.img b.img
	err_has '^fatespsync: b\.img:2: '
	on 2 make_fat b.img BBBB0002
	wipe b.img $MIB $MIB
	refused 4 --primary=a.img b.img
	err_has '^fatespsync: b\.img: '
	out_has '^b\.img: refused$' '^b\.img:2 \(XBOOTLDR of b\.img\): refused$'
}

test_too_little_room_on_one_stops_that_disk()
{
	make_pairs
	head -c $((2 * MIB)) /dev/zero | mcopy -i "a.img@@4M" - ::/EFI/Linux/large
	head -c $((2 * MIB)) /dev/zero | mcopy -i "b.img@@4M" - ::/foreign
	refused 4 --primary=a.img b.img
	err_has '^fatespsync: b\.img:2: too small: '
}

test_a_primary_that_was_emptied_empties_no_mirror()
{
	make_pairs
	mdel -i "a.img@@1M" ::/EFI/Linux/one.efi ::/loader/entries/one.conf
	run 0 --primary=a.img b.img
	on 2 make_fat a.img AAAA0002
	refused 4 --primary=a.img b.img
	err_has '^fatespsync: b\.img: there are complete boot entries on its disk, but none on the primary.s \(a\.img, a\.img:2\)'
	run 0 --force --primary=a.img b.img
	! mdir -b -i "b.img@@4M" ::/loader >/dev/null 2>&1 || fail "the XBOOTLDR is not empty"
}

# ---- without memory ----

# The nth allocation of those that count fails; the program tells that on descriptor 9.
sync_without_memory()
{
	FATESPSYNC_FAULT="1 0 12 $1 0 0 9" "$FAULTY" --primary=a.img d.img >out 2>err 9>told
}

something_to_boot()
{
	local at

	for at in 1M 4M; do
		! mdir -b -i "$1@@$at" ::/loader/entries/new.conf >/dev/null 2>&1 ||
			mdir -b -i "$1@@$at" ::/EFI/Linux/new >/dev/null 2>&1 || return 1
	done
	mdir -b -i "$1@@1M" ::/loader/entries/new.conf >/dev/null 2>&1 ||
		mdir -b -i "$1@@4M" ::/loader/entries/new.conf >/dev/null 2>&1
}

# The first ones, when names are resolved, are tried one by one.
next_allocation()
{
	local step=41

	[[ -z ${FATESPSYNC_TEST_QUICK-} ]] || step=173
	[[ -z ${FATESPSYNC_TEST_FULL-} ]] || step=1
	(($1 > 60)) || step=1
	echo $(($1 + step))
}

test_without_memory_there_is_something_to_boot()
{
	local nth=1 status

	make_pairs
	dirs b.img 1
	kernel b.img 1 new
	while :; do
		cp --sparse=always b.img d.img
		status=0
		sync_without_memory "$nth" || status=$?
		[[ -s told ]] || break
		[[ $status == [034] ]] || fail "allocation $nth: exit status $status: $(cat err)"
		[[ $status == 0 || -s err ]] || fail "allocation $nth: nothing is said"
		something_to_boot d.img || fail "allocation $nth: nothing to boot"
		run 0 --primary=a.img d.img
		nth=$(next_allocation "$nth")
	done
	((nth > 300)) || fail "only $nth allocations"
	pair_in_sync d.img
}

FAULTY=$(realpath -s "$(dirname "$FATPOKE")/faulty-fatespsync")
run_cases "$@"
