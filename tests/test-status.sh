#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What "status" tells of each mirror on the list, and what a run makes of mirrors that are missing,
# refused or failing, and of a primary that is unusable: exit statuses, and who is written to.
#
#   test-status.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

# ---- status ----

test_mirrors_in_sync()
{
	list_disks $A $B $C
	run 0
	refused 0 status
	no_err
	out_has '^primary a\.img:1$' '^mirror b\.img:1$' '^mirror c\.img:1$' "^  partuuid +$B$" \
		'^  serial +BBBB-0002$' '^  label +ESP C$' '^  type +FAT12, ' '^  state +in sync$'
	refused 0 --json=short status
	json '.exitStatus == 0 and .listChanged == false' ".list == [\"$A\", \"$B\", \"$C\"]" \
		".primary.partUuid == \"$A\" and .primary.serial == \"AAAA-0001\"" \
		'[.mirrors[] | [.volume.volume, .state, .changes]] ==
			[["b.img:1", "in-sync", []], ["c.img:1", "in-sync", []]]' \
		".mirrors[0] | .mirror == \"PARTUUID=$B\" and .volume.partUuid == \"$B\""
}

test_mirrors_that_differ()
{
	list_disks $A $B
	run 0
	put_text a.img /loader/loader.conf 'timeout 10'
	put_text a.img /loader/entries/two.conf 'title Two'
	refused 1 status
	out_has '^  state +differs \(2 files, 19 B\)$'
	refused 1 --json=short status
	json '.exitStatus == 1 and .mirrors[0].state == "differs"' \
		'[.mirrors[0].changes[] | [.kind, .path, .size]] ==
			[["new", "/loader/entries/two.conf", 9], ["contents", "/loader/loader.conf", 10]]'
}

test_mirrors_that_are_missing()
{
	list_disks $A $B $D
	run 0
	refused 1 status
	err_has "^fatespsync: PARTUUID=$D: missing: "
	out_has "^mirror PARTUUID=$D$" '^  state +missing$' '^  state +in sync$'
	refused 5 --strict status
	refused 1 --json=short status
	json '.mirrors[1] | .state == "missing" and (has("volume") or has("boots") | not)
		and .bytesWritten == 0'
}

test_mirrors_that_are_refused()
{
	list_disks $A $B $C
	put_boot_files b.img
	damage b.img
	wipe c.img $OFFSET 512
	refused 1 status
	out_has '^mirror b\.img:1$' '^  state +refused: damaged: .*/loader/loader\.conf.*fsck\.fat' \
		'^mirror c\.img:1$' "^  partuuid +$C$" '^  state +refused: .*no FAT boot sector'
	refused 1 --json=short status
	json '[.mirrors[].state] == ["refused", "refused"]' \
		'[.mirrors[].device] == ["b.img:1", "c.img:1"]' \
		'.mirrors[0].message | contains("damaged")' '.mirrors[1].message | contains("no FAT")'
}

test_whether_a_mirror_boots()
{
	list_disks $A $B $C
	refused 1 status
	out_has '^  boots +no: no boot loader in /EFI/BOOT, no boot entry in /loader/entries or /EFI/Linux$'
	run 0
	refused 0 status
	out_has '^  boots +no: no boot loader in /EFI/BOOT$'
	make_dirs b.img /EFI/BOOT
	put_text b.img /EFI/BOOT/BOOTAA64.EFI loader
	refused 0 --json=short status
	json '.mirrors[0] | .boots == true and (has("lacking") | not)' \
		'.mirrors[1] | .boots == false and .lacking == "no boot loader in /EFI/BOOT"'
	mdel -i b.img@@$OFFSET ::/loader/entries/one.conf ::/EFI/Linux/one.efi
	refused 1 --json=short status
	json '.mirrors[0] | .boots == false
		and .lacking == "no boot entry in /loader/entries or /EFI/Linux"'
}

# ---- missing ----

test_a_missing_mirror_is_a_warning()
{
	list_disks $A $D $B
	run 0
	err_has "^fatespsync: PARTUUID=$D: missing: it is on the list, but on none of the disks"
	out_has "^PARTUUID=$D: missing$" '^b\.img:1: synced, '
	in_sync b.img
	run 0 -q
	no_out
	no_err
	run 0 --json=short
	json '.exitStatus == 0 and [.mirrors[].state] == ["missing", "in-sync"]'
	run 0 diff
}

test_a_missing_mirror_is_an_error_if_that_is_asked_for()
{
	list_disks $A $D $B
	run 5 --strict
	out_has '^b\.img:1: synced, '
	in_sync b.img
	run 5 --strict --json=short
	json '.exitStatus == 5'
	run 5 --strict diff
	put_text a.img /loader/loader.conf 'timeout 10'
	run 5 --strict diff
}

test_a_mirror_that_is_named_cannot_be_missing()
{
	make_disks
	refused 4 --primary=a.img PARTUUID=$D
	err_has "^fatespsync: PARTUUID=$D: no block device has this partition"
}

# ---- refused, failing ----

test_a_refused_mirror_does_not_keep_the_others_from_being_synced()
{
	list_disks $A $B $C
	put_boot_files b.img
	damage b.img
	remember b.img
	run 4
	err_has '^fatespsync: b\.img:1: damaged: '
	out_has '^b\.img:1: refused$' '^c\.img:1: synced, '
	unchanged b.img
	in_sync c.img
	run 4 --json=short
	json '.exitStatus == 4 and [.mirrors[].state] == ["refused", "in-sync"]'
	run 4 diff
}

test_refused_is_worse_than_missing()
{
	list_disks $A $D $B $C
	wipe b.img $OFFSET 512
	run 4 --strict
	in_sync c.img
	run 4 --strict --json=short
	json '.exitStatus == 4 and [.mirrors[].state] == ["missing", "refused", "in-sync"]'
}

test_a_full_mirror_is_refused()
{
	list_disks $A $B $C
	write_bytes big $((SIZE / 2)) 1
	mcopy -i b.img@@$OFFSET big ::/foreign
	mcopy -i a.img@@$OFFSET big ::/EFI/Linux/big.efi
	remember b.img
	run 4
	err_has '^fatespsync: b\.img:1: .*bytes'
	out_has '^b\.img:1: refused$'
	unchanged b.img
	in_sync c.img
}

test_a_failing_mirror_does_not_keep_the_others_from_being_synced()
{
	list_disks $A 1234abcd-01 $B $C
	SIZE=$((31 * MIB)) make_mbr d.img 1234abcd 'start=40960, size=16384, type=ef'
	make_fat d.img DDDD0001 ESP $((20 * MIB))
	DISKS+=(--disk=d.img)
	# what lies behind the largest file that this process may write cannot be written
	trap '' XFSZ
	ulimit -f $((15 * 1024))
	run 4
	err_has '^fatespsync: d\.img:1: .*File too large'
	out_has '^d\.img:1: (failed|refused)$' '^b\.img:1: synced, ' '^c\.img:1: synced, '
	in_sync b.img c.img
	run 4 --json=short
	json '.exitStatus == 4 and [.mirrors[1, 2].state] == ["in-sync", "in-sync"]' \
		'.mirrors[0] | .state != "synced" and (.message | contains("File too large"))'
	run 4 --strict
}

# ---- the primary ----

# unusable REGEX: nothing is written, whatever is asked for.
unusable()
{
	local verb

	for verb in sync diff status 'add c.img' "remove $B" "replace $B c.img" \
		'--primary=a.img b.img' '--primary=a.img --force b.img'; do
		# shellcheck disable=SC2086 # several arguments
		refused 3 $verb
		no_out
		err_has "$1"
	done
	refused 3 --json=short
	json '.exitStatus == 3 and .mirrors == []'
}

test_a_damaged_primary_touches_no_mirror()
{
	list_disks $A $B $C
	damage a.img
	unusable '^fatespsync: a\.img(:1)?: damaged: .*/loader/loader\.conf'
}

test_a_primary_that_is_no_fat_touches_no_mirror()
{
	list_disks $A $B $C
	wipe a.img $OFFSET 512
	unusable '^fatespsync: a\.img(:1)?: not usable: no FAT boot sector'
}

test_a_truncated_primary_touches_no_mirror()
{
	list_disks $A $B $C
	truncate -s $((3 * MIB)) a.img
	unusable '^fatespsync: a\.img: has a protective MBR but no readable GPT'

	make_disks
	make_mbr d.img 1234abcd "start=2048, size=$((SIZE / 512)), type=ef"
	make_fat d.img DDDD0001
	put_boot_files d.img
	put_list d.img 1234abcd-01 $B $C
	truncate -s $((3 * MIB)) d.img
	mv d.img a.img
	boot_from 1234abcd-01
	unusable '^fatespsync: a\.img: partition 1 reaches beyond the end; is the image truncated\?'
}

test_a_primary_that_cannot_be_read_touches_no_mirror()
{
	local nth status

	list_disks $A $B $C
	remember b.img c.img
	for nth in 1 8 20; do
		status=0
		LAST="fatespsync, whose reads of a.img fail from number $nth on"
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -qq -o trace \
			-P "$PWD/a.img" -e trace=read,pread64 \
			-e inject=read,pread64:error=EIO:when=$nth+ \
			"$FATESPSYNC" "${DISKS[@]}" --primary=a.img >out 2>err || status=$?
		[[ $status == 3 ]] || complain "exit status $status, not 3"
		err_has '^fatespsync: a\.img.*: Input/output error'
		unchanged b.img c.img
	done
}

test_a_primary_that_is_not_there_touches_no_mirror()
{
	list_disks $A $B $C
	rm a.img
	unusable "^fatespsync: a\.img: cannot be opened: No such file or directory"
}

test_a_primary_that_holds_nothing_empties_no_mirror()
{
	make_disks
	put_boot_files b.img
	refused 3 --primary=c.img b.img
	err_has '^fatespsync: c\.img: holds nothing of what is to be mirrored .*--force'
	run 0 --primary=c.img --force b.img
	! mdir -b -i b.img@@$OFFSET ::/loader/loader.conf >/dev/null 2>&1 || complain 'one is left'
}

need_tools strace
run_cases "$@"
