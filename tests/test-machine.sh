#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A machine's disks over some years: mirrors come, go, are replaced, get full, break. After each
# run what it left on every disk is judged whole; and the run after it writes nothing.

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

F=ffffffff-1111-4222-8333-00000000000f

# ---- disks ----

# fill IMAGE primary|mirror CLUSTER_SIZE SERIAL LABEL MKFS-OPTION...: put a volume with the tree
# of judge.sh into it.
fill()
{
	local image=$1 which=$2 cluster=$3 serial=$4 label=$5
	shift 5

	truncate -s $SIZE volume
	mkfs.fat -i "$serial" -n "$label" "$@" volume >volume.log || fail "mkfs.fat"
	"make_$which" volume "$cluster"
	paste_in "$image" volume $OFFSET
	rm volume volume.log
}

# make_machine: the primary a.img; b.img and c.img, which has sectors of 4096 bytes, with an old
# system and foreign files.
make_machine()
{
	make_gpt a.img "$(esp_line $A)"
	make_gpt b.img "$(esp_line $B)"
	make_gpt4096 c.img $C
	fill a.img primary 1024 AAAA0001 'ESP A' -F 16 -s 2
	fill b.img mirror 4096 BBBB0002 'ESP B' -F 12 -s 8
	fill c.img mirror 4096 CCCC0003 'ESP C' -S 4096 -s 1
	boot_from $A
}

# upgrade N: the primary's system, to the next one.
upgrade()
{
	local esp=a.img@@$OFFSET

	write_bytes kernel $((100000 + $1)) $((200 + $1))
	write_bytes entry $((200 + $1)) $((300 + $1))
	mcopy -i $esp kernel "::/EFI/Linux/7.0.$1.efi"
	mcopy -i $esp entry "::/loader/entries/system-7.0.$1.conf"
	mcopy -o -i $esp entry ::/loader/loader.conf
	[[ $1 == 1 ]] ||
		mdel -i $esp "::/EFI/Linux/7.0.$(($1 - 1)).efi" \
			"::/loader/entries/system-7.0.$(($1 - 1)).conf"
}

# ---- judging ----

# before IMAGE...: remember all that the next run must not change.
before()
{
	local image

	for image; do
		table_of "$image" >"$image.table"
		cut_out "$image" "$image.esp"
		judge_before "$image.esp"
	done
}

# after IMAGE...: they are equal to the primary, nothing else changed, and another run writes
# nothing.
after()
{
	local image

	rm -rf a.img.esp*
	cut_out a.img a.img.esp
	judge_primary a.img.esp
	for image; do
		cut_out "$image" "$image.esp"
		judge_sound "$image.esp"
		judge_foreign "$image.esp"
		judge_equal a.img.esp "$image.esp"
		judge_contents a.img.esp "$image.esp"
		[[ $(table_of "$image") == "$(cat "$image.table")" ]] ||
			complain "$image: the table was written to"
	done
}

# idle STATUS: another run writes nothing.
idle()
{
	refused "$1" --json=short
	json '.mirrors | all(.writes == 0)'
}

# ---- the years ----

test_the_disks_of_a_machine()
{
	make_machine
	table_of a.img >a.table

	before b.img c.img
	run 0 add b.img c.img
	err_lacks '^fatespsync: a\.img'
	after b.img c.img
	idle 0

	upgrade 1
	before b.img c.img
	run 0
	after b.img c.img
	idle 0

	# a disk is taken out, and comes back
	mv c.img c.gone
	upgrade 2
	before b.img
	run 5 wait --timeout=0
	run 0
	err_has "PARTUUID=$C: missing"
	after b.img
	idle 0
	mv c.gone c.img
	before c.img
	run 0
	out_has '^b\.img:1: in sync$' '^c\.img:1: synced, '
	after b.img c.img
	idle 0

	# a disk is replaced by a new one
	rm b.img
	make_gpt f.img "$(esp_line $F)"
	make_fat f.img FFFF0006 'ESP F'
	DISKS=(--disk=a.img --disk=c.img --disk=f.img)
	before c.img f.img
	run 0 replace $B f.img
	after c.img f.img
	list_is f.img $A $F $C
	idle 0

	# one gets full
	truncate -s $((SIZE - 700000)) most
	mcopy -i f.img@@$OFFSET most ::/
	upgrade 3
	write_bytes big 500000 400
	mcopy -i a.img@@$OFFSET big ::/EFI/Linux/big.efi
	remember f.img
	before c.img
	run 4
	err_has '^fatespsync: f\.img:1: .*bytes'
	unchanged f.img
	after c.img
	idle 4
	mdel -i f.img@@$OFFSET ::/most
	before f.img
	run 0
	after c.img f.img
	idle 0

	# one is damaged, and made anew
	damage c.img
	upgrade 4
	remember c.img
	before f.img
	run 4
	err_has '^fatespsync: c\.img:1: damaged: '
	unchanged c.img
	after f.img
	idle 4
	make_fat c.img CCCC0004 'ESP C' $OFFSET $SIZE -S 4096 -s 1
	before c.img
	run 0
	after c.img f.img
	idle 0

	# the primary's disk dies: another one is booted
	mv a.img a.gone
	mv f.img a.img
	DISKS=(--disk=a.img --disk=c.img)
	boot_from $F
	run 0 remove $A
	list_is a.img $F $C
	before c.img
	upgrade 5
	run 0
	after c.img
	idle 0
	[[ $(table_of a.gone) == "$(cat a.table)" ]] || complain 'a.img: the table was written to'
}

run_cases "$@"
