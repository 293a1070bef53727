#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ESPs are found on whole disks: in partition tables of each kind, whole and damaged, by their type
# and by tags.
#
#   test-finding.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

XBOOTLDR_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172
LINUX_TYPE=0fc63daf-8483-4772-8e79-3d69d8477de4

# gpt_line FIRST_MIB SIZE_MIB TYPE UUID
gpt_line()
{
	echo "start=$(($1 * 2048)), size=$(($2 * 2048)), type=$3, uuid=$4"
}

# mbr_line FIRST_MIB SIZE_MIB TYPE
mbr_line()
{
	echo "start=$(($1 * 2048)), size=$(($2 * 2048)), type=$3"
}

# synced IMAGE [OFFSET [SIZE]]: as in_sync, of any partition.
synced()
{
	look_into a.img
	look_into "$@"
	diff -r a.img.seen "$1.seen" >&2 || complain "$1: differs from a.img"
}

# ---- partition tables ----

test_the_esp_of_a_gpt_is_the_partition_with_its_type()
{
	make_disks
	make_gpt d.img "$(gpt_line 1 3 $LINUX_TYPE 11111111-1111-4222-8333-000000000001)" \
		"$(gpt_line 4 2 $ESP_TYPE $D)" \
		"$(gpt_line 6 2 $XBOOTLDR_TYPE 11111111-1111-4222-8333-000000000003)"
	make_fat d.img DDDD0001 LINUX $MIB $((3 * MIB))
	make_fat d.img DDDD0002 'ESP D' $((4 * MIB)) $((2 * MIB))
	make_fat d.img DDDD0003 XBOOTLDR $((6 * MIB)) $((2 * MIB))
	OFFSET=$((4 * MIB)) SIZE=$((2 * MIB)) table_of d.img >table

	run 0 --primary=a.img d.img
	err_has '^fatespsync: d\.img: its disk has an XBOOTLDR partition \(d\.img:3\), but the primary.s has none'
	out_has '^d\.img: synced, '
	synced d.img $((4 * MIB)) $((2 * MIB))
	[[ $(OFFSET=$((4 * MIB)) SIZE=$((2 * MIB)) table_of d.img) == "$(cat table)" ]] ||
		complain "other partitions or the table were written to"

	run 0 --json=short --disk=d.img list
	json '[.esps[] | select(.device | startswith("d.img"))
		| [.device, .type, .partUuid, .partitionSize, .volume.label]] == [
		["d.img:2", "ESP", "'$D'", 2097152, "ESP D"],
		["d.img:3", "XBOOTLDR", "11111111-1111-4222-8333-000000000003", 2097152, "XBOOTLDR"]]'
}

test_the_esp_of_an_mbr_is_the_partition_with_its_type()
{
	make_disks
	make_mbr d.img 1234abcd "$(mbr_line 1 1 83)" "$(mbr_line 2 4 ef)" "$(mbr_line 6 2 ea)"
	make_fat d.img DDDD0002 'ESP D' $((2 * MIB)) $((4 * MIB))
	make_fat d.img DDDD0003 XBOOTLDR $((6 * MIB)) $((2 * MIB))
	OFFSET=$((2 * MIB)) SIZE=$((4 * MIB)) table_of d.img >table
	boot_from $A
	DISKS+=(--disk=d.img)

	run 0 add d.img
	list_is a.img $A 1234abcd-02
	synced d.img $((2 * MIB)) $((4 * MIB))
	[[ $(OFFSET=$((2 * MIB)) SIZE=$((4 * MIB)) table_of d.img) == "$(cat table)" ]] ||
		complain "other partitions or the table were written to"
	run 0 diff
	out_has '^d\.img:2: in sync$'

	run 0 list
	out_has '^d\.img:2 +ESP +mirror +1234abcd-02 +DDDD-0002 +ESP D ' \
		'^d\.img:3 +XBOOTLDR +mirror +1234abcd-03 +DDDD-0003 '
	out_lacks '^d\.img:1'
}

test_the_primary_may_be_on_an_mbr()
{
	make_mbr d.img 1234abcd "$(mbr_line 1 8 ef)"
	make_fat d.img DDDD0001
	put_boot_files d.img
	make_disks
	boot_from 1234ABCD-01
	put_list d.img 1234ABCD-01 $B
	DISKS+=(--disk=d.img)
	run 0
	out_has '^b\.img:1: synced, '
	mv d.img a.img
	in_sync b.img
}

test_the_esp_may_be_a_logical_partition()
{
	make_disks
	make_mbr d.img 1234abcd "$(mbr_line 1 1 83)" "$(mbr_line 2 7 5)" "$(mbr_line 3 4 ef)"
	make_fat d.img DDDD0005 'ESP D' $((3 * MIB)) $((4 * MIB))
	boot_from $A
	put_list a.img $A 1234abcd-05
	DISKS+=(--disk=d.img)
	run 0
	out_has '^d\.img:5: synced, '
	synced d.img $((3 * MIB)) $((4 * MIB))
	refused 4 --primary=a.img d.img:2
	err_has '^fatespsync: d\.img: partition 2 is an extended partition'
}

test_sectors_of_4096_bytes()
{
	make_disks
	make_gpt4096 d.img $D
	make_fat d.img DDDD0001 'ESP D' $OFFSET $SIZE -S 4096 -s 1
	table_of d.img >table
	boot_from $A
	DISKS+=(--disk=d.img)
	run 0 list
	out_has "^d\.img:1 +ESP +other +$D +DDDD-0001 +ESP D +8\.0 MiB "
	run 0 add d.img
	out_has '^d\.img:1: synced, '
	in_sync d.img
	[[ $(table_of d.img) == "$(cat table)" ]] || complain "the table was written to"
	run 0 status
	out_has '^mirror d\.img:1$' '^  type +FAT12, sectors of 4096 B,' '^  state +in sync$'
	run 0 --primary=d.img
	out_has '^a\.img:1: in sync$'
}

test_partition_tables_are_not_written_to()
{
	local image

	list_disks $A $B $C
	for image in a.img b.img c.img; do
		table_of $image >$image.table
	done
	run 0
	in_sync b.img c.img
	run 0 remove b.img
	run 0 replace c.img b.img
	run 0 add c.img
	for image in a.img b.img c.img; do
		[[ $(table_of $image) == "$(cat $image.table)" ]] ||
			complain "$image: the table was written to"
	done
}

test_several_esps_of_one_disk_have_to_be_told_apart()
{
	make_disks
	make_gpt d.img "$(gpt_line 1 3 $ESP_TYPE $D)" \
		"$(gpt_line 4 3 $ESP_TYPE 11111111-1111-4222-8333-000000000002)"
	make_fat d.img DDDD0001 'ESP D' $MIB $((3 * MIB))
	make_fat d.img DDDD0002 'ESP D2' $((4 * MIB)) $((3 * MIB))
	boot_from $A
	DISKS+=(--disk=d.img)

	refused 4 --primary=a.img d.img
	err_has '^fatespsync: d\.img: has several EFI System Partitions \(1, 2\); .*PATH:N'
	refused 4 add d.img
	err_has 'd\.img: has several EFI System Partitions \(1, 2\)'
	run 0 --primary=a.img d.img:2
	synced d.img $((4 * MIB)) $((3 * MIB))
	run 0 add d.img:1 d.img:2
	list_is a.img $A $D 11111111-1111-4222-8333-000000000002
	synced d.img $MIB $((3 * MIB))
	synced d.img $((4 * MIB)) $((3 * MIB))
	run 0 diff
	out_has '^d\.img:1: in sync$' '^d\.img:2: in sync$'
}

# ---- damaged tables ----

test_a_damaged_gpt_is_replaced_by_its_backup_and_said()
{
	list_disks $A $B
	wipe a.img 512 512
	wipe b.img 512 512
	table_of b.img >table
	run 0
	err_has '^fatespsync: a\.img: The primary GPT table is corrupt, .*Repair it' \
		'^fatespsync: b\.img: The primary GPT table is corrupt, .*Repair it'
	in_sync b.img
	[[ $(table_of b.img) == "$(cat table)" ]] || complain "the table was written to"
	run 0 --json=short list
	json '[.esps[].partUuid] == ["'$A'", "'$B'", "'$C'"]'
}

test_a_damaged_backup_gpt_is_said()
{
	list_disks $A $B
	wipe b.img $((OFFSET + SIZE + MIB - 512)) 512
	run 0
	err_has '^fatespsync: b\.img: The backup GPT table is corrupt, .*Repair it'
	in_sync b.img
}

test_a_gpt_that_is_damaged_twice_is_refused()
{
	list_disks $A $B
	wipe b.img 512 512
	wipe b.img $((OFFSET + SIZE + MIB - 512)) 512
	remember b.img
	run 4 --primary=a.img b.img
	err_has '^fatespsync: b\.img: has a protective MBR but no readable GPT'
	run 3 --primary=b.img a.img
	err_has '^fatespsync: b\.img: has a protective MBR but no readable GPT'
	run 4
	err_has '^fatespsync: b\.img: has a protective MBR but no readable GPT' \
		"PARTUUID=$B: is on the list and may be on a disk that cannot be read"
	unchanged b.img
}

test_partitions_that_overlap_are_refused()
{
	make_disks
	make_mbr d.img 1234abcd "$(mbr_line 1 8 ef)"
	make_fat d.img DDDD0001
	# The second entry of the table is the first once more.
	dd if=d.img of=d.img bs=1 skip=446 seek=462 count=16 conv=notrunc status=none
	refused 4 --primary=a.img d.img:1
	err_has '^fatespsync: d\.img: partitions 1 and 2 overlap'
	refused 4 --primary=a.img d.img:2
}

test_an_image_that_ends_too_early_is_refused()
{
	make_disks
	make_mbr d.img 1234abcd "$(mbr_line 1 8 ef)"
	make_fat d.img DDDD0001
	truncate -s $((5 * MIB)) d.img
	refused 4 --primary=a.img d.img
	err_has '^fatespsync: d\.img: partition 1 reaches beyond the end; is the image truncated\?'
	refused 3 --primary=d.img a.img
	err_has '^fatespsync: d\.img: partition 1 reaches beyond the end'
}

# ---- which disks are searched ----

test_only_disks_that_are_named_are_searched()
{
	list_disks $A $B $C
	DISKS=(--disk=a.img --disk=c.img)
	run 0 list --json=short
	json '[.esps[] | [.device, .role, .missing]] == [["a.img:1", "primary", false],
		["c.img:1", "mirror", false], [null, "mirror", true]]'
	remember b.img
	run 0
	err_has "^fatespsync: PARTUUID=$B: missing: "
	in_sync c.img
	unchanged b.img
	DISKS=(--disk=b.img)
	run 3
	err_has "partition $A, which is on none of the disks"
}

test_a_disk_that_is_not_there_is_said()
{
	list_disks $A $B
	DISKS+=(--disk=none.img --disk=.)
	run 0
	err_has '^fatespsync: none\.img: cannot be opened: No such file or directory$' \
		'^fatespsync: \.: is a directory'
	in_sync b.img
}

test_a_disk_that_is_named_twice_is_one_disk()
{
	list_disks $A $B
	ln -s b.img link.img
	ln c.img hard.img
	DISKS=(--disk=a.img --disk=a.img --disk=b.img --disk=./b.img "--disk=$PWD/b.img"
		--disk=link.img --disk=c.img --disk=hard.img)
	run 0
	no_err
	in_sync b.img
	run 0 add link.img hard.img
	in_sync b.img c.img
	run 0 --json=short list
	json '[.esps[].device] == ["a.img:1", "b.img:1", "c.img:1"]'
}

test_a_disk_with_something_else_on_it_is_no_trouble()
{
	list_disks $A $B
	head -c 100000 /dev/zero >zeros.img
	seq 10000 >text.img
	: >empty.img
	truncate -s 4M bare.img
	mkfs.fat bare.img >mkfs.log
	DISKS+=(--disk=zeros.img --disk=text.img --disk=empty.img --disk=bare.img)
	run 0
	no_err
	in_sync b.img
	run 0 --json=short list
	json '(.esps | length) == 3'
}

# ---- tags ----

test_volumes_are_found_by_tags()
{
	local tag

	make_disks
	for tag in "PARTUUID=$B" "PARTUUID=${B^^}" UUID=BBBB-0002 UUID=bbbb-0002 'LABEL=ESP B' \
		'PARTLABEL=disk b'; do
		run 0 --json=short ls "$tag"
		no_err
		json '.entries == []'
		run 1 --json=short --primary=a.img diff "$tag"
		json '.mirrors[0].volume.volume == "b.img:1"'
		run 0 --json=short --primary="$tag" --force diff c.img
		json '.primary.volume == "b.img:1"'
	done
	run 0 --primary='PARTLABEL=disk a' UUID=BBBB-0002 'LABEL=ESP C'
	in_sync b.img c.img
}

test_a_volume_that_fills_its_image_is_found_by_tags()
{
	make_disks
	cut_out b.img bare.img
	DISKS=(--disk=bare.img)
	run 0 --primary=a.img UUID=BBBB-0002
	out_has '^bare\.img: synced, '
	run 0 --primary=a.img 'LABEL=ESP B'
	out_has '^bare\.img: in sync$'
}

test_a_tag_that_nothing_has_is_refused()
{
	local tag

	make_disks
	for tag in "PARTUUID=$D" UUID=1111-1111 'LABEL=esp b' 'PARTLABEL=Disk b' PARTUUID= LABEL=; do
		refused 4 --primary=a.img "$tag"
		err_has "^fatespsync: $tag: no block device has this (partition|file system)"
		refused 3 --primary="$tag" a.img
	done
}

test_a_tag_that_two_have_is_refused_and_both_are_named()
{
	local tag

	make_disks
	cp --sparse=always b.img d.img
	DISKS+=(--disk=d.img)
	for tag in "PARTUUID=$B" UUID=BBBB-0002 'LABEL=ESP B' 'PARTLABEL=disk b'; do
		refused 4 --primary=a.img "$tag"
		err_has "^fatespsync: $tag: both b\.img:1 and d\.img:1 have it: one is a copy"
		refused 3 --primary="$tag" a.img
		err_has 'b\.img:1 and d\.img:1'
	done
	boot_from $A
	put_list a.img $A $B $C
	remember b.img d.img
	run 4
	err_has 'b\.img:1 and d\.img:1'
	unchanged b.img d.img
	in_sync c.img
}

run_cases "$@"
