#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which ESP is the primary when nobody says so: the one that firmware booted, else the one that is
# mounted where system tools write to. When that is not clear nothing is written.
#
#   test-primary.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

XBOOTLDR_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172

# primary_is DEVICE
primary_is()
{
	run 0 --json=short list
	json "[.esps[] | select(.role == \"primary\" and .type == \"ESP\") | .device] == [\"$1\"]"
}

# no_primary REGEX...: no verb that needs one goes on, and each says this.
no_primary()
{
	local verb

	for verb in sync diff status 'add c.img' 'remove b.img' 'replace b.img c.img'; do
		# shellcheck disable=SC2086 # several arguments
		refused 3 $verb
		no_out
		err_has "$@"
	done
	refused 3 --json=short
	json '.exitStatus == 3 and .mirrors == []'
}

# ---- what firmware booted ----

test_the_esp_that_was_booted_is_the_primary()
{
	list_disks $A $B $C
	primary_is a.img:1
	run 0
	no_err
	in_sync b.img c.img
	boot_from $B
	primary_is b.img:1
	run 0
	out_has '^a\.img:1: in sync$' '^c\.img:1: in sync$'
}

test_the_variable_may_lack_its_end()
{
	list_disks $A $B
	boot_from $A ''
	primary_is a.img:1
}

test_what_follows_the_end_of_the_variable_does_not_count()
{
	list_disks $A $B
	boot_from $A '\x00\x00\x41\x00'
	primary_is a.img:1
}

test_the_option_counts_more_than_firmware()
{
	list_disks $A $B $C
	boot_from $D
	run 0 --primary=a.img
	in_sync b.img c.img
	boot_from $A
	run 0 --primary=PARTUUID=$B
	out_has '^a\.img:1: in sync$' '^c\.img:1: in sync$'
}

# make_beside: d.img with an ESP, D, and an XBOOTLDR, C, instead of c.img.
make_beside()
{
	make_disks
	rm c.img
	make_gpt d.img "start=2048, size=8192, type=$ESP_TYPE, uuid=$D" \
		"start=10240, size=8192, type=$XBOOTLDR_TYPE, uuid=$C"
	make_fat d.img DDDD0001 'ESP D' $MIB $((4 * MIB))
	make_fat d.img DDDD0002 'BOOT D' $((5 * MIB)) $((4 * MIB))
	DISKS=(--disk=a.img --disk=b.img --disk=d.img)
}

test_when_an_xbootldr_was_booted_it_is_the_esp_beside_it()
{
	make_beside
	boot_from $C
	primary_is d.img:1
}

test_a_variable_that_names_no_partition_is_said()
{
	local text

	for text in nonsense "$A$A" '' "${A/-/_}"; do
		list_disks $A $B
		boot_from "$text"
		no_primary 'LoaderDevicePartUUID.* holds no partition UUID; .*--primary='
	done
}

test_a_booted_partition_that_is_not_there_is_named()
{
	list_disks $A $B
	boot_from $D
	no_primary "firmware booted from partition $D, which is on none of the disks.*--primary="
}

test_a_booted_partition_that_two_have_is_refused_and_both_are_named()
{
	list_disks $A $B
	cp --sparse=always a.img d.img
	DISKS+=(--disk=d.img)
	no_primary 'a\.img:1 and d\.img:1'
}

# ---- what is mounted ----

test_without_the_variable_it_is_the_esp_that_is_mounted()
{
	local path

	for path in /efi /boot /boot/efi; do
		make_disks
		rm -rf root
		mount_at /mnt b.img
		mount_at $path a.img
		primary_is a.img:1
		put_list a.img $A $C
		run 0
		no_err
		in_sync c.img
	done
}

test_of_several_that_are_mounted_the_first_place_counts()
{
	make_disks
	mount_at /boot/efi a.img
	primary_is a.img:1
	mount_at /boot b.img
	primary_is b.img:1
	mount_at /efi c.img
	primary_is c.img:1
}

test_two_of_the_list_that_are_mounted_have_to_be_told_apart()
{
	list_disks $A $B
	rm -r root/sys
	mount_at /boot/efi b.img
	mount_at /efi a.img
	no_primary 'a\.img:1.* b\.img:1, which is on the list, is mounted at /boot/efi,.*--primary=a\.img:1 or --primary=b\.img:1$'
	err_lacks 'irmware booted'
}

test_an_xbootldr_that_is_mounted_is_no_primary()
{
	make_beside
	mount_at /boot d.img $((5 * MIB)) $((4 * MIB))
	mount_at /boot/efi a.img
	primary_is a.img:1
}

test_what_covers_a_mount_point_counts()
{
	make_disks
	mount_at /boot b.img
	mount_at /boot a.img
	primary_is a.img:1
}

test_what_was_booted_counts_more_than_what_is_mounted()
{
	make_disks
	boot_from $A
	mount_at /boot/efi c.img
	put_list a.img $A $B
	primary_is a.img:1
	run 0
	in_sync b.img
}

test_when_neither_is_known_the_option_is_asked_for()
{
	list_disks $A $B
	rm -r root/sys
	mount_at /mnt a.img
	no_primary 'LoaderDevicePartUUID.*none is mounted at /efi, /boot or /boot/efi.*--primary='
}

# ---- which of two ----

test_a_mirror_that_is_mounted_where_tools_write_may_be_the_primary()
{
	local path

	for path in /efi /boot /boot/efi; do
		list_disks $A $B $C
		mount_at $path c.img
		no_primary 'a\.img:1.* c\.img:1, which is on the list, is mounted at '$path',.*--primary=a\.img:1 or --primary=c\.img:1$'
		refused 3 b.img
		err_has 'c\.img:1, which is on the list, is mounted at'
		rm -rf root
	done
}

test_then_the_option_says_which()
{
	list_disks $A $B $C
	mount_at /boot/efi b.img
	remember b.img
	run 4 --primary=a.img
	err_has 'b\.img:1: .*mounted at /boot/efi'
	unchanged b.img
	in_sync c.img

	put_boot_files b.img
	put_list b.img $A $B $C
	put_text b.img /loader/loader.conf 'timeout 4'
	run 0 --primary=b.img:1
	mv a.img d.img
	mv b.img a.img
	in_sync c.img d.img
}

# ---- mounted volumes ----

test_a_primary_that_is_mounted_is_read()
{
	list_disks $A $B
	mount_at /boot/efi a.img
	remember a.img
	run 0 -v
	err_has '^fatespsync: a\.img:1: is in use: reading it as it is being written'
	unchanged a.img
	in_sync b.img
}

test_a_mirror_that_is_mounted_is_refused()
{
	list_disks $A $B $C
	mount_at /mnt b.img
	remember b.img
	run 4
	err_has '^fatespsync: b\.img:1: .*mounted at /mnt through a loop device; unmount it first$'
	out_has 'refused$' '^c\.img:1: synced, '
	unchanged b.img
	in_sync c.img
	run 4 --force --primary=a.img b.img
	unchanged b.img
	run 1 --json=short status
	json '.mirrors[0] | .state == "refused" and (.message | contains("mounted at /mnt"))'
	run 0 --json=short list
	json '.esps[1].mountedAt == "/mnt"'
}

test_a_mirror_is_not_held_up_by_a_mount_of_its_disks_other_partition()
{
	make_beside
	boot_from $A
	put_list a.img $A $D
	mount_at /srv d.img $((5 * MIB)) $((4 * MIB))
	run 0
	out_has '^d\.img:1: synced, '
}

run_cases "$@"
