#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# "remove" takes mirrors off the list of all ESPs, whether their disks are there or not; "replace"
# does that and "add" in one step.
#
#   test-remove.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

# begin: all three on the list, in sync.
begin()
{
	list_disks $A $B $C
	run 0
}

# refuses MESSAGE VERB ARGUMENT...: and nothing is written.
refuses()
{
	local message=$1
	shift

	refused 4 "$@"
	err_has "$message"
	out_has ': refused$'
	refused 4 --json=short "$@"
	json '.listChanged == false and .exitStatus == 4' \
		'.mirrors | all(.state == "refused" and .writes == 0 and (.message | length) > 0)'
}

# ---- remove ----

test_it_goes_from_all_lists()
{
	local name

	for name in b.img:1 PARTUUID=$B ${B^^} UUID=BBBB-0002; do
		begin
		run 0 remove "$name"
		no_err
		out_has '^a\.img:1: the list now holds 2 ESPs$' '^c\.img:1: synced, 1 change, '
		list_is a.img $A $C
		list_is c.img $A $C
		list_is b.img $A $C
		in_sync c.img
	done
}

test_booted_from_it_does_not_take_the_others_for_its_mirrors()
{
	begin
	run 0 remove b.img
	boot_from $B
	refused 3
	err_has "^fatespsync: b\.img:1: its own partition UUID \($B\) is not on its list"
}

test_its_other_files_stay_as_they_were()
{
	begin
	put_text a.img /loader/loader.conf 'timeout 5'
	run 0 remove b.img
	in_sync c.img
	[[ $(get_text b.img /loader/entries/one.conf) == 'title One' ]] || complain 'one is gone'
}

test_one_whose_disk_is_gone_goes_by_its_uuid()
{
	local name

	for name in $B PARTUUID=$B ${B^^}; do
		begin
		rm b.img
		run 0 --json=short remove "$name"
		json ".list == [\"$A\", \"$C\"] and .listChanged" '[.mirrors[].state] == ["synced"]'
		list_is a.img $A $C
		list_is c.img $A $C
		run 0
		err_lacks "PARTUUID=$B"
	done
}

test_one_whose_disk_is_gone_does_not_go_by_its_path()
{
	begin
	mv b.img b.gone
	refuses '^fatespsync: b\.img: .*by its partition UUID .*fatespsync list' remove b.img
	refuses 'no block device has this file system' remove 'LABEL=ESP B'
}

test_several_at_once_and_twice()
{
	begin
	run 0 remove b.img $B c.img
	list_is a.img $A
	list_is b.img $A
	list_is c.img $A
	run 0
	no_out
}

test_one_that_is_not_on_the_list_is_refused()
{
	list_disks $A $B
	refuses '^fatespsync: c\.img: is not on the list of a\.img:1$' remove c.img
	refuses "^fatespsync: $D: is not on the list" remove $D
	mdel -i a.img@@$OFFSET ::/loader/esp-sync
	refuses '^fatespsync: b\.img: is not on the list' remove b.img
}

test_the_primary_is_refused()
{
	begin
	for name in a.img $A PARTUUID=$A; do
		refuses "^fatespsync: $name: is the primary; .*--primary" remove "$name"
	done
	refuses 'is the primary' remove a.img --force
	run 0 --primary=b.img remove a.img
	list_is a.img $B $C
	list_is c.img $B $C
}

test_what_has_no_partition_uuid_is_refused()
{
	begin
	cut_out b.img bare.img
	refuses '^fatespsync: bare\.img: has no partition UUID, so it is on no list' remove bare.img
}

test_when_one_is_refused_none_is_removed()
{
	begin
	refuses 'a\.img: is the primary' remove b.img a.img
	refuses 'none\.img: ' remove none.img b.img
}

test_a_dry_run_removes_nothing()
{
	begin
	refused 1 -n remove b.img
	out_has '^a\.img:1: the list would hold 2 ESPs$'
	refused 1 -n --json=short remove b.img
	json ".list == [\"$A\", \"$C\"] and .listChanged and .exitStatus == 1"
}

test_it_goes_though_its_copy_of_the_list_cannot_be_changed()
{
	begin
	mount_at /mnt b.img
	remember b.img
	run 0 remove b.img
	err_has '^fatespsync: b\.img:1: .*mounted at /mnt' \
		'^fatespsync: b\.img: is off the list, but its own copy of the list still names it'
	list_is a.img $A $C
	unchanged b.img
}

test_it_goes_though_another_mirror_is_refused()
{
	begin
	damage c.img
	remember c.img
	run 4 remove b.img
	list_is a.img $A $C
	list_is b.img $A $C
	unchanged c.img
}

# ---- replace ----

test_the_new_one_takes_the_place_of_the_old_one()
{
	list_disks $A $B $D
	run 0
	run 0 replace b.img c.img
	list_is a.img $A $C $D
	list_is b.img $A $C $D
	in_sync c.img
	run 0 --json=short
	json '[.mirrors[] | [.state, .writes]] == [["in-sync", 0], ["missing", 0]]'
}

test_the_old_one_may_be_gone()
{
	list_disks $A $B
	rm b.img
	run 0 --json=short replace $B c.img
	json ".list == [\"$A\", \"$C\"] and .listChanged and .exitStatus == 0" \
		'.mirrors[0].volume.volume == "c.img:1" and .mirrors[0].state == "synced"'
	in_sync c.img
}

test_one_that_replaces_itself_stays()
{
	begin
	refused 0 replace b.img b.img
	list_is a.img $A $B $C
	refused 0 replace b.img PARTUUID=$B
	list_is a.img $A $B $C
}

test_when_the_new_one_is_on_the_list_the_old_one_goes()
{
	begin
	run 0 replace b.img c.img
	list_is a.img $A $C
	list_is b.img $A $C
}

test_neither_takes_the_place_of_the_primary()
{
	begin
	refuses 'a\.img: is the primary; ' replace a.img b.img
	refuses 'a\.img: is the primary, or a copy' replace b.img a.img
}

test_when_the_new_one_is_refused_the_old_one_stays()
{
	list_disks $A $B
	refuses 'none\.img: ' replace b.img none.img
	refuses "$D: is not on the list" replace $D c.img
	put_boot_files c.img
	damage c.img
	refuses 'c\.img: damaged: ' replace b.img c.img
	list_is a.img $A $B
}

test_a_dry_run_replaces_nothing()
{
	list_disks $A $B
	refused 1 -n replace b.img c.img
	out_has '^a\.img:1: the list would hold 2 ESPs$' '^c\.img:1: would be synced, '
}

run_cases "$@"
