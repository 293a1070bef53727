#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All JSON that is printed is as fatespsync(8) says, and all that fatespsync(8) says is printed in
# some case: keys, types, words, and what may be left out.
#
#   test-json.sh [CASE...]   these; all of them without, and only then what no case printed is told

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"
# shellcheck source=tests/json-schema.sh
. "${srcdir:-$(dirname "$0")/..}/tests/json-schema.sh"

PAGE=$(realpath "${srcdir:-$(dirname "$0")/..}")/man/fatespsync.8

# prints OBJECT STATUS ARGUMENT...: as run, and what is printed is this object. Both forms are the same.
prints()
{
	local object=$1 status=$2
	shift 2

	run "$status" --json=short "$@"
	judge_json "$object"
	(($(wc -l <out) == 1)) || complain "--json=short: not one line"
}

# judge_json OBJECT: out, and remember what was seen.
judge_json()
{
	[[ -e $TOP/schema ]] || json_schema "$PAGE" >"$TOP/schema"
	jq -r --argjson schema "$(cat "$TOP/schema")" --arg object "$1" "$JSON_JUDGE" out >judged ||
		complain "no JSON"
	grep '^seen ' judged >>"$TOP/seen" || true
	! grep '^wrong ' judged >&2 || complain "that is not as the manual says"
}

# ---- sync, diff, status, add, remove, replace ----

test_changes_of_all_kinds()
{
	list_disks $A $B
	put_text a.img /EFI/Linux/old.efi "$(seq 2000)"
	put_text a.img /loader/gone.conf x
	prints sync 0
	mren -i a.img@@$OFFSET ::/EFI/Linux/old.efi new.efi
	mattrib -i a.img@@$OFFSET +r ::/EFI/Linux/one.efi
	mdel -i a.img@@$OFFSET ::/loader/gone.conf
	put_text a.img /loader/loader.conf 'timeout 10'
	make_dirs a.img /loader/keys
	cut_out b.img volume
	"$FATFILL" volume lose 2 >/dev/null
	paste_in b.img volume $OFFSET
	prints sync 1 diff
	prints sync 1 status
	prints sync 0
	prints sync 0
	json '.mirrors[0].state == "in-sync"'
}

test_mirrors_that_are_missing_or_refused()
{
	list_disks $A $B $C $D
	wipe c.img $OFFSET 512
	prints sync 1 status
	prints sync 4
	run 5 --json=pretty status --strict
	judge_json sync
}

test_mirrors_that_fail()
{
	list_disks $A 1234abcd-01
	SIZE=$((31 * MIB)) make_mbr d.img 1234abcd 'start=40960, size=16384, type=ef'
	make_fat d.img DDDD0001 ESP $((20 * MIB))
	DISKS+=(--disk=d.img)
	trap '' XFSZ
	ulimit -f $((20 * 1024 + 40))
	prints sync 4
	json '.mirrors[0].state == "failed"'
}

test_changes_of_the_list()
{
	make_disks
	boot_from $A
	prints sync 1 --dry-run add b.img
	prints sync 0 add b.img
	prints sync 0 replace $B c.img
	prints sync 0 remove $C
}

test_unusable_primaries()
{
	make_disks
	prints sync 3 status
	list_disks $A
	put_list a.img nonsense
	prints sync 3
	run 2 --json=yes
	no_out
}

test_a_primary_that_does_not_boot()
{
	list_disks $A
	mdel -i a.img@@$OFFSET ::/EFI/BOOT/BOOTX64.EFI
	prints sync 0 status
	json '.primary.boots == false'
}

# ---- XBOOTLDR ----

XBOOTLDR_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172

# make_pair IMAGE UUID: a disk with an ESP and an XBOOTLDR.
make_pair()
{
	make_gpt "$1" "start=2048, size=8192, type=$ESP_TYPE, uuid=$2" \
		"start=10240, size=6144, type=$XBOOTLDR_TYPE"
	make_fat "$1" "${2:0:4}0001" ESP $MIB $((4 * MIB))
	make_fat "$1" "${2:0:4}0002" BOOT $((5 * MIB)) $((3 * MIB))
}

test_xbootldr()
{
	make_pair a.img $A
	make_pair b.img $B
	put_boot_files a.img
	mmd -i a.img@@5M ::/loader ::/loader/entries
	put_text a.img /loader/entries/broken.conf 'linux /vmlinuz' $((5 * MIB))
	boot_from $A
	prints sync 0 add b.img
	prints sync 0 status
	json '.primaryXbootldr.notes | length > 0'
	prints list 0 list
}

# ---- list, wait ----

test_esps_in_all_roles()
{
	list_disks $A $B $D
	mount_at /efi a.img
	wipe b.img $OFFSET 512
	prints list 0 list
}

# A primary may be named that is no ESP, and --force takes mirrors that are none.
test_volumes_that_are_no_esps()
{
	make_disks
	cut_out a.img volume
	prints list 0 --primary=volume list
	json '[.esps[] | select(.role == "primary").type] == ["other"]'
	make_gpt b.img "$(esp_line $B ebd0a0a2-b9e5-4433-87c0-68b6b72699c7)"
	make_fat b.img BBBB0002
	put_list a.img $A $B
	boot_from $A
	prints list 0 list
	json '[.esps[] | select(.role == "mirror").type] == ["other"]'
}

test_what_is_waited_for()
{
	list_disks $A $B
	prints wait 0 wait
	list_disks $A $D
	prints wait 5 --timeout=0 wait
	boot_from $D
	prints wait 5 --timeout=0 wait
	json '.missing == [null]'
}

# ---- check, ls ----

test_volumes_in_all_states()
{
	make_disks
	put_boot_files b.img
	damage b.img
	cut_out c.img lost.img
	"$FATFILL" lost.img lose 1 >/dev/null
	prints check 4 check a.img b.img lost.img none.img
}

test_entries()
{
	make_disks
	prints ls 0 ls a.img /loader
	prints ls 4 ls a.img /none
}

# ---- all ----

run_cases "$@"
if (($# == 0)); then
	jq -r "$JSON_ALL" "$TOP/schema" | sort -u >"$TOP/documented"
	sort -u "$TOP/seen" | comm -23 "$TOP/documented" - >"$TOP/never"
	[[ ! -s $TOP/never ]] || fail "the manual has what no case prints: $(cat "$TOP/never")"
fi
