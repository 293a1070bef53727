#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# "add" puts mirrors on the list of all ESPs and syncs them, or refuses and leaves every byte of
# every disk as it was.
#
#   test-add.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

E=eeeeeeee-1111-4222-8333-00000000000e
LINUX_TYPE=0fc63daf-8483-4772-8e79-3d69d8477de4

# begin: make_disks, with a list of a.img and b.img, in sync.
begin()
{
	list_disks $A $B
	run 0
}

# make_disk IMAGE UUID SERIAL [TYPE]: one more disk, which is searched.
make_disk()
{
	make_gpt "$1" "$(esp_line "$2" "${4:-$ESP_TYPE}")"
	make_fat "$1" "$3"
	DISKS+=("--disk=$1")
}

# refuses MESSAGE ARGUMENT...: without a list, and with one.
refuses()
{
	local message=$1 list
	shift

	for list in no with; do
		[[ $list == no ]] || put_list a.img $A $B
		refused 4 add "$@"
		err_has "$message"
		out_has ': refused$'
		out_lacks 'list|synced'
	done
	refused 4 --json=short add "$@"
	json '.exitStatus == 4 and .listChanged == false' \
		'.mirrors | all(.state == "refused" and .writes == 0 and (.message != null))'
}

# ---- what is added ----

test_a_new_list_gets_the_primary_too()
{
	make_disks
	boot_from $A
	run 0 add b.img
	err_lacks '^fatespsync: a\.img'
	out_has '^a\.img:1: the list now holds 2 ESPs$' '^b\.img:1: synced, '
	get_text a.img /loader/esp-sync | head -n 1 | grep -q '^#' || complain 'no word on what it is'
	list_is a.img $A $B
	in_sync b.img
	run 0 --json=short
	json '[.mirrors[] | [.state, .writes]] == [["in-sync", 0]]'
}

test_all_get_the_new_list()
{
	begin
	run 0 --json=short add c.img
	json ".list == [\"$A\", \"$B\", \"$C\"] and .listChanged and .exitStatus == 0" \
		'[.mirrors[] | [.volume.volume, .state]] == [["b.img:1", "synced"], ["c.img:1", "synced"]]'
	list_is b.img $A $B $C
	in_sync b.img c.img
	run 0
	out_has '^b\.img:1: in sync$' '^c\.img:1: in sync$'
}

test_several_at_once()
{
	make_disks
	boot_from $A
	run 0 add c.img PARTUUID=$B
	list_is a.img $A $C $B
	in_sync b.img c.img
}

test_one_that_is_named_twice_is_added_once()
{
	make_disks
	boot_from $A
	run 0 add b.img b.img:1 'LABEL=ESP B'
	list_is a.img $A $B
	in_sync b.img
}

test_one_that_is_on_the_list_is_synced()
{
	begin
	put_text a.img /loader/loader.conf 'timeout 9'
	run 0 -v add b.img
	err_has 'b\.img: is on the list already'
	out_has '^b\.img:1: synced, 1 change, '
	out_lacks 'the list'
	in_sync b.img
	run 0 --json=short add b.img
	json '.listChanged == false and .mirrors[0].state == "in-sync"'
}

test_a_mirror_that_is_missing_does_not_keep_others_off()
{
	list_disks $A $D
	run 0 add b.img
	err_has "PARTUUID=$D: missing"
	list_is b.img $A $D $B
	run 5 --strict add c.img
	list_is c.img $A $D $B $C
}

test_a_dry_run_writes_nothing()
{
	make_disks
	boot_from $A
	refused 1 -n add b.img
	out_has '^a\.img:1: the list would hold 2 ESPs$' '^b\.img:1: would be synced, '
	refused 1 -n --json=short add b.img
	json ".list == [\"$A\", \"$B\"] and .listChanged and .mirrors[0].state == \"differs\""
}

test_foreign_files_on_it_stay()
{
	make_disks
	make_dirs b.img /EFI /EFI/Microsoft
	put_text b.img /EFI/Microsoft/bootmgfw.efi theirs
	boot_from $A
	run 0 add b.img
	[[ $(get_text b.img /EFI/Microsoft/bootmgfw.efi) == theirs ]] || complain 'it is gone'
}

# ---- what is refused ----

test_what_is_no_esp_by_its_type_needs_force()
{
	make_disks
	make_disk d.img $D DDDD0001 $LINUX_TYPE
	boot_from $A
	refuses '^fatespsync: d\.img:1: is no EFI System Partition by its type, .*--force' d.img:1
	refuses '^fatespsync: d\.img: has a partition table \(gpt\) but no EFI System Partition' d.img
	run 0 --force add d.img:1
	list_is d.img $A $B $D
	run 0 add d.img:1
	run 0
	run 0 --json=short list
	json '[.esps[] | select(.device == "d.img:1") | [.type, .role]] == [["other", "mirror"]]' \
		'.esps | all(.missing == false)'
}

test_what_is_no_partition_is_refused()
{
	make_disks
	truncate -s 4M bare.img
	mkfs.fat bare.img >mkfs.log
	DISKS+=(--disk=bare.img)
	boot_from $A
	refuses '^fatespsync: bare\.img: has no partition UUID to put on the list' bare.img
	refuses '^fatespsync: bare\.img: has no partition UUID' --force bare.img
}

test_what_is_no_fat_is_refused()
{
	make_disks
	make_gpt d.img "$(esp_line $D)"
	make_gpt e.img "$(esp_line $E)"
	truncate -s $SIZE ext4
	mkfs.ext4 -q ext4
	paste_in e.img ext4 $OFFSET
	DISKS+=(--disk=d.img --disk=e.img)
	boot_from $A
	refuses '^fatespsync: d\.img: not usable: no FAT boot sector .*it holds nothing' d.img
	refuses '^fatespsync: e\.img: not usable: no FAT boot sector .*ext4' e.img
	refuses 'e\.img: not usable' --force e.img
}

test_a_damaged_one_is_refused()
{
	make_disks
	make_disk d.img $D DDDD0001
	put_boot_files d.img
	damage d.img
	boot_from $A
	refuses '^fatespsync: d\.img: damaged: .*fsck\.fat' d.img
	refuses '^fatespsync: d\.img: damaged: ' --force d.img
}

test_one_that_is_too_small_is_refused()
{
	make_disks
	make_gpt d.img "start=2048, size=128, type=$ESP_TYPE, uuid=$D"
	make_fat d.img DDDD0001 ESP $OFFSET $((64 * 1024))
	DISKS+=(--disk=d.img)
	write_bytes big $((128 * 1024)) 1
	mcopy -i a.img@@$OFFSET big ::/EFI/Linux
	boot_from $A
	refuses '^fatespsync: d\.img: .*(room|fit|space)' d.img
}

test_the_primary_itself_is_refused()
{
	make_disks
	boot_from $A
	refuses "^fatespsync: a\.img: is the primary, or a copy with the same partition UUID \($A\)" a.img
	refuses 'is the primary' --force "PARTUUID=$A"
}

test_a_copy_with_the_same_partition_uuid_is_refused_and_both_are_named()
{
	make_disks
	make_disk d.img $B DDDD0001
	boot_from $A
	refuses "^fatespsync: d\.img: both b\.img:1 and d\.img:1 have its partition UUID \($B\)" d.img
	refuses "b\.img:1 and d\.img:1" --force b.img
	refuses "b\.img:1 and d\.img:1" "PARTUUID=$B"
}

test_a_copy_of_an_mbr_disk_needs_another_signature()
{
	make_disks
	make_mbr d.img 1234abcd 'start=2048, size=16384, type=ef'
	make_fat d.img DDDD0001
	cp d.img e.img
	DISKS+=(--disk=d.img --disk=e.img)
	boot_from $A
	refuses 'd\.img:1 and e\.img:1 have its partition UUID \(1234abcd-01\): .*sfdisk --disk-id' d.img
}

test_only_what_was_named_is_written_to()
{
	make_disks
	make_gpt d.img "$(esp_line $B)"
	make_fat d.img DDDD0001
	boot_from $A
	refuses "^fatespsync: d\.img: .*b\.img:1.* its partition UUID \($B\)" d.img
	refuses 'b\.img:1' --force d.img
}

test_a_serial_number_that_another_one_has_needs_force()
{
	make_disks
	make_disk d.img $D AAAA0001
	boot_from $A
	refuses '^fatespsync: d\.img: has the serial number of a\.img:1 \(AAAA-0001\).*--force' d.img
	make_fat d.img BBBB0002
	put_list a.img $A $B
	refused 4 add d.img
	err_has "^fatespsync: d\.img: has the serial number of .*$B \(BBBB-0002\).*--force"
	run 0 --force add d.img
	list_is d.img $A $B $D
	in_sync b.img d.img
	run 0 add d.img
}

test_a_serial_number_that_two_new_ones_have_needs_force()
{
	make_disks
	make_disk d.img $D BBBB0002
	boot_from $A
	refuses '^fatespsync: d\.img: has the serial number of b\.img \(BBBB-0002\).*--force' b.img d.img
	run 0 --force add b.img d.img
	in_sync b.img d.img
}

test_one_that_is_on_no_disk_that_is_searched_is_refused()
{
	make_disks
	boot_from $A
	DISKS=(--disk=a.img)
	refused 4 add b.img
	err_has "^fatespsync: b\.img: cannot be found by its partition UUID \($B\) .*--disk"
}

test_a_name_that_nothing_has_is_refused()
{
	make_disks
	boot_from $A
	refuses '^fatespsync: none\.img: cannot be opened: No such file' none.img
	refuses "^fatespsync: PARTUUID=$D: no block device has this partition" PARTUUID=$D
	refuses "^fatespsync: c\.img: has no partition 7" c.img:7
}

test_one_that_is_mounted_is_refused()
{
	make_disks
	boot_from $A
	mount_at /mnt c.img
	refuses 'c\.img: .*mounted at /mnt' c.img
	refuses 'c\.img: .*mounted at /mnt' --force c.img
}

test_when_one_is_refused_none_is_added()
{
	make_disks
	boot_from $A
	refuses 'none\.img' b.img none.img
	refuses 'none\.img' none.img c.img
}

test_what_is_wrong_with_each_is_told()
{
	make_disks
	make_disk d.img $D DDDD0001 $LINUX_TYPE
	boot_from $A
	refused 4 add none.img b.img d.img:1 a.img
	err_has '^fatespsync: none\.img: ' '^fatespsync: d\.img:1: ' '^fatespsync: a\.img: '
	refused 4 --json=short add none.img b.img d.img:1 a.img
	json '[.mirrors[] | [.mirror, .state]] == [["none.img", "refused"],
			["d.img:1", "refused"], ["a.img", "refused"]]' \
		'.mirrors[0].message | contains("No such file")' \
		'.mirrors[1].message | contains("--force")' \
		'.mirrors[2].message | contains("is the primary")'
}

# hold IMAGE: as if another run read it.
hold()
{
	exec {HELD}<"$1"
	flock -s $HELD
}

test_one_that_cannot_be_synced_leaves_no_list_behind()
{
	make_disks
	boot_from $A
	hold b.img
	run 4 --timeout=0 add b.img
	err_has 'b\.img:1: process .* holds the lock' '^fatespsync: a\.img:1: the list is again as it was$'
	no_list a.img
	exec {HELD}<&-
	run 0 add b.img
	in_sync b.img
}

test_one_that_cannot_be_synced_leaves_the_list_as_it_was()
{
	begin
	hold c.img
	run 4 --timeout=0 --json=short add c.img
	json '.listChanged == false and .exitStatus == 4'
	list_is a.img $A $B
	in_sync b.img
	exec {HELD}<&-
	run 0 add c.img
	in_sync b.img c.img
}

test_a_primary_without_a_partition_uuid_has_no_list()
{
	make_disks
	cut_out a.img bare.img
	refused 3 --primary=bare.img add b.img
	err_has '^fatespsync: bare\.img: has no partition UUID, so it can be on no list'
}

test_a_primary_that_holds_nothing_is_refused()
{
	make_disks
	refused 3 --primary=c.img add b.img
	err_has '^fatespsync: c\.img: holds nothing of what is to be mirrored .*--force'
	run 0 --force --primary=c.img add b.img
	list_is b.img $C $B
}

need_tools mkfs.ext4
test_a_disk_without_a_signature_has_no_uuid_of_its_own()
{
	make_disks
	make_mbr d.img 00000000 "start=$((OFFSET / 512)), size=$((SIZE / 512)), type=ef"
	make_fat d.img DDDD0001
	boot_from $A
	DISKS+=(--disk=d.img)
	refused 4 add d.img
	err_has '^fatespsync: d\.img: has no partition UUID'
}

# Both write the same list: the one that comes late must not take it for its own.
test_an_esp_can_be_added_twice_at_once()
{
	local first second

	list_disks $A
	for _ in 1 2 3; do
		make_disks
		put_list a.img $A
		"$FATESPSYNC" "${DISKS[@]}" -q add b.img 2>first.err &
		"$FATESPSYNC" "${DISKS[@]}" -q add b.img 2>second.err && second=0 || second=$?
		wait $! && first=0 || first=$?
		[[ "$first $second" =~ ^([03])\ ([03])$ && "$first$second" != 33 ]] ||
			fail "exit $first and $second: $(cat first.err second.err)"
		list_is a.img $A $B
		run 0
		list_is b.img $A $B
	done
}

run_cases "$@"
