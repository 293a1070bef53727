#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The commands of README.md, as they stand there, on /dev/sda and /dev/sdb of a made-up machine: loop
# devices with these names in a /dev of their own, which needs root. What a machine does by itself is done
# here by functions: sfdisk(8) is followed by the nodes of new partitions, as the kernel and udev make
# them. efibootmgr(8) only says what it was given, since there are no EFI variables to write to.
#
#   test-readme-disks.sh [CASE...]    these; all of them without
#   test-readme-disks.sh --blocks     the names of the blocks that are run here
#
# shellcheck disable=SC2031 # FATESPSYNC_ROOT is of each case

BLOCKS=(look new-disk used-disk add boot-entry everyday dead-disk remove without-list)
[[ ${1:-} != --blocks ]] || {
	printf '%s\n' "${BLOCKS[@]}"
	exit
}

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

README=$(realpath "${srcdir:-$(dirname "$0")/..}")/tests/readme.sh
OLD=6f9619ff-8b86-d011-b42d-00c04fc964ff # the dead disk in README.md
DISKS=()

# ---- a machine ----

# In a mount namespace of its own, where nobody sees this /dev.
make_dev()
{
	mount -t tmpfs tmpfs /dev
	mknod -m 666 /dev/null c 1 3
	mknod -m 666 /dev/zero c 1 5
	mknod -m 666 /dev/random c 1 8
	mknod -m 666 /dev/urandom c 1 9
	ln -s /proc/self/fd /dev/fd
}

# plug NAME IMAGE: as a disk; the partitions that it has get nodes. LOOPS: who has to be let go.
plug()
{
	local loop sys=$FATESPSYNC_ROOT/sys

	loop=$(nsenter --mount="$OUTSIDE" losetup --find --show "$PWD/$2") || skip "no loop devices"
	LOOPS+=("$loop")
	mkdir -p "$sys/dev/block" "$sys/class/block" "$sys/devices/$1"
	mknod "/dev/$1" b 7 "${loop#/dev/loop}"
	echo "7:${loop#/dev/loop}" >"$sys/devices/$1/dev"
	echo $(($(stat -c %s "$2") / 512)) >"$sys/devices/$1/size"
	ln -s "../../devices/$1" "$sys/class/block/$1"
	ln -s "../../devices/$1" "$sys/dev/block/7:${loop#/dev/loop}"
	settle "$1" "$loop"
}

# unplug NAME
unplug()
{
	local sys=$FATESPSYNC_ROOT/sys part

	for part in "$sys/devices/$1"/*/ "$sys/devices/$1"; do
		rm -f "$sys/dev/block/$(cat "$part/dev" 2>/dev/null)" \
			"$sys/class/block/$(basename "$part")" "/dev/$(basename "$part")"
	done
	rm -rf "${sys:?}/devices/$1"
}

# settle NAME LOOP: its partitions, as the kernel has them after it read the table.
settle()
{
	local real=/sys/class/block/${2#/dev/} sys=$FATESPSYNC_ROOT/sys part name attribute

	command partx --update "/dev/$1" 2>/dev/null || command partx --add "/dev/$1" 2>/dev/null || true
	for part in "$real/${2#/dev/}"p*; do
		[[ -e $part/dev ]] || continue
		name=$1${part##*p}
		[[ ! -e /dev/$name ]] || continue
		mknod "/dev/$name" b "$(cut -d: -f1 "$part/dev")" "$(cut -d: -f2 "$part/dev")"
		mkdir "$sys/devices/$1/$name"
		for attribute in dev size start partition; do
			cp "$part/$attribute" "$sys/devices/$1/$name/"
		done
		ln -s "../../devices/$1/$name" "$sys/class/block/$name"
		ln -s "../../devices/$1/$name" "$sys/dev/block/$(cat "$part/dev")"
	done
}

# Called by run_cases at the end of each case's shell.
let_go()
{
	local loop

	rm -f /dev/sd*
	for loop in "${LOOPS[@]}"; do
		nsenter --mount="$OUTSIDE" partx --delete "$loop" 2>/dev/null || true
		nsenter --mount="$OUTSIDE" losetup --detach "$loop" || true
	done
}

# make_machine UUID: booted from /dev/sda1, with this partition; sdb.img is an empty disk.
make_machine()
{
	LOOPS=()
	trap let_go EXIT
	SIZE=$((64 * MIB)) make_gpt sda.img "start=2048, size=131072, type=uefi, uuid=$1"
	make_fat sda.img AAAA0001 'ESP A' $MIB $((64 * MIB)) -F 32 -s 1
	put_boot_files sda.img
	put_text sda.img /loader/entries/one.conf 'linux /EFI/Linux/one.efi'
	mcopy -o -i sda.img@@$OFFSET - ::/EFI/BOOT/BOOTX64.EFI <<<'#### LoaderInfo: systemd-boot 252 ####'
	truncate -s 1200M sdb.img
	plug sda sda.img
	plug sdb sdb.img
	boot_from "$1"
}

# ---- what stands in README.md ----

# do_block NAME: none of its commands fails; 1 says only that something differs.
# shellcheck disable=SC2016
do_block()
{
	LAST="README.md, $1"
	"$README" "$1" >block
	export FATESPSYNC FATESPSYNC_ROOT
	export -f settle
	PATH=$(dirname "$FATESPSYNC"):$PATH bash -c '
		sfdisk() {
			# The kernel of this machine may read no tables by itself.
			command sfdisk --no-tell-kernel "$@" >sfdisk.log 2>&1 || { cat sfdisk.log; return 9; }
			settle sdb "$LOOP_SDB"
		}
		partx() { echo "partx: $*"; }
		efibootmgr() { echo "efibootmgr: $*"; }
		trap "status=\$?; ((status <= 1)) || exit \$status" ERR
		. ./block' >out 2>err </dev/null || complain "exit status $?"
}

# look_at NAME: what others see of the managed files on a partition, in NAME.seen.
look_at()
{
	rm -rf "$1.seen"
	mkdir "$1.seen"
	judge_sound "/dev/$1"
	list_tree "/dev/$1" >"$1.seen/tree"
	# it complains of a device that has no geometry
	mcopy -s -Q -n -i "/dev/$1" ::/loader ::/EFI/Linux "$1.seen" 2>mcopy.log || fail "$(cat mcopy.log)"
	find "$1.seen" \( -name random-seed -o -name esp-sync.was \) -delete
}

in_sync_disks()
{
	look_at sda1
	look_at sdb1
	diff -r sda1.seen sdb1.seen >&2 || complain "sdb1: differs from sda1"
}

test_a_second_disk()
{
	make_machine $A
	export LOOP_SDB=${LOOPS[1]}
	do_block look
	out_has '^/dev/sda1 +ESP +primary'
	do_block new-disk
	do_block add
	out_has '^/dev/sdb1: synced, ' '^mirror /dev/sdb1$' '^  state +in sync$'
	[[ $(grep -c '^  boots *yes$' out) == 2 ]] || complain "one of them does not boot"
	no_err
	do_block boot-entry
	out_has '^efibootmgr: --create --disk /dev/sdb --part 1 --label Second disk --loader \\EFI\\BOOT\\BOOTX64.EFI$'
	do_block everyday
	out_has '^/dev/sdb1: in sync$'
	in_sync_disks
}

test_a_second_disk_that_is_in_use()
{
	make_machine $A
	export LOOP_SDB=${LOOPS[1]}
	echo 'size=20MiB, type=linux' | sfdisk -q --no-tell-kernel --label gpt /dev/sdb >sfdisk.log 2>&1
	settle sdb "$LOOP_SDB"
	do_block used-disk
	run 0 add /dev/sdb2
	run 0 status
	out_has '^mirror /dev/sdb2$' '^  state +in sync$'
}

test_a_mirror_that_died()
{
	make_machine $A
	export LOOP_SDB=${LOOPS[1]}
	put_list sda.img $A $OLD
	do_block dead-disk
	out_has "^\(missing\) .*$OLD" '^/dev/sdb1: synced, ' '^  state +in sync$'
	! grep -q "$OLD" <(get_text sda.img /loader/esp-sync) || fail "the dead disk is on the list"
	in_sync_disks
}

# The other one was booted, and is the first disk now.
test_a_primary_that_died()
{
	make_machine $B
	export LOOP_SDB=${LOOPS[1]}
	put_list sda.img $OLD $B
	do_block dead-disk
	out_has "^\(missing\) .*$OLD" '^/dev/sdb1: synced, ' '^  state +in sync$'
	in_sync_disks
}

test_a_disk_that_does_not_come_back()
{
	make_machine $A
	put_list sda.img $A $OLD
	do_block remove
	! grep -q "$OLD" <(get_text sda.img /loader/esp-sync) || fail "the dead disk is on the list"
}

test_without_a_list()
{
	make_machine $A
	export LOOP_SDB=${LOOPS[1]}
	do_block new-disk
	do_block without-list
	out_has '^/dev/sdb1: synced, ' '^/dev/sdb1: clean$' 'Linux/$' '^timeout 3'
	in_sync_disks
}

# ---- all ----

[[ -n ${OUTSIDE:-} ]] || {
	((EUID == 0)) || skip "needs root, for loop devices"
	unshare --mount --propagation private true 2>/dev/null || skip "no mount namespaces"
	OUTSIDE=/proc/$$/ns/mnt
	export OUTSIDE
	unshare --mount --propagation private "$0" "$@"
	exit
}
need_tools losetup partx mknod nsenter
make_dev
run_cases "$@"
