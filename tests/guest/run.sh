#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The installed program on a kernel of its own: make check-guest. What is judged in the guest stands in
# the cases-* files; fsck.fat and tests/fatfill judge the disks once more, from outside.
#
#   tests/guest/run.sh [explicit|mounted|alone]...
#
# Each name is a boot. Its logs are tests/guest/NAME.log and, with all that the guest's kernel and
# programs said, tests/guest/NAME-console.log.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/judge.sh"
# shellcheck source=tests/guest/machine.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/guest/machine.sh"

LOGS=${builddir:-.}/tests/guest
LIBRARIES_MAX=$((2 * 1024 * 1024))
SECTORS_4096=',"logical_block_size":4096,"physical_block_size":4096'

# judge_size PROGRAM: with what it needs beside libc.
judge_size()
{
	local library bytes

	bytes=$(stat -L -c %s "$1")
	while read -r library; do
		case ${library##*/} in
		libc.so* | ld-linux*) ;;
		libasan* | libubsan*) return ;;
		*) bytes=$((bytes + $(stat -L -c %s "$library"))) ;;
		esac
	done < <(list_libraries "$1")
	echo "the program and its libraries, libc apart: $bytes bytes"
	((bytes < LIBRARIES_MAX)) || fail "more than $LIBRARIES_MAX bytes"
}

# ---- disks ----

# make_gpt_4096 DISK VOLUME PARTUUID: sfdisk cannot be told about the sectors of an image.
make_gpt_4096()
{
	local end=$((256 + $(stat -c %s "$2") / 4096 - 1))

	make_disk "$1" "$2"
	printf '%s\n' g n 1 256 $end t 1 x u "$3" r w |
		fdisk -b 4096 --wipe=never --wipe-partitions=never "$1" >"$1.log" 2>&1
	fdisk -b 4096 -l "$1" | grep -qF 'EFI System' || fail "fdisk: $(cat "$1.log")"
}

# make_mbr DISK VOLUME ID
make_mbr()
{
	make_disk "$1" "$2"
	printf '%s\n' 'label: dos' "label-id: 0x$3" \
		"start=2048, size=$(($(stat -c %s "$2") / 512)), type=ef" |
		sfdisk -q "$1" >"$1.log" 2>&1 || fail "sfdisk: $(cat "$1.log")"
}

# make_mirror_disk NAME gpt|gpt_4096|mbr UUID TYPE [SECTOR]: an old mirror.
make_mirror_disk()
{
	local volume=$SCRATCH/$1.img sector=${5:-512}

	make_image "$volume" "$4" "$sector" $((4096 / sector)) "$(clusters_of "$4")" "$SERIAL"
	SERIAL=$(printf %08X $((16#$SERIAL + 1)))
	make_mirror "$volume" 512
	judge_before "$volume"
	"make_$2" "$SCRATCH/$1.disk" "$volume" "$3"
}

# Enough for a few kernels.
clusters_of()
{
	case $1 in
	12) echo 4000 ;;
	16) echo 8000 ;;
	esac
}

make_primary_disk()
{
	local volume=$SCRATCH/primary.img

	make_image "$volume" 32 512 1 80000
	make_primary "$volume" 512
	make_gpt "$SCRATCH/primary.disk" "$volume" "$PRIMARY_UUID"
}

# ---- the machine ----

# wish_plug NAME
wish_plug()
{
	tell_monitor device_add "${DEVICE[$1]}"
	await_monitor '"return"'
}

# wish_unplug NAME: until it is done, which takes the guest's help.
wish_unplug()
{
	tell_monitor device_del "{\"id\":\"$1\"}"
	await_monitor '"DEVICE_DELETED", "data": {"device": "'"$1"
}

# judge_disks BOOT NAME...: from outside, if the guest came to the end of each case.
judge_disks()
{
	local boot=$1 name
	shift

	! grep -q '^FAIL ' "$LOGS/$boot.log" || return 0
	for name; do
		take_out "$name"
		judge_sound "$SCRATCH/$name.img"
		judge_foreign "$SCRATCH/$name.img"
	done
}

boot_explicit()
{
	begin_machine
	start_kernel cases-explicit
	make_primary_disk
	make_mirror_disk gpt gpt a0000000-0000-4000-8000-000000000001 16
	make_mirror_disk mbr mbr a0000002 16
	make_mirror_disk big-sectors gpt_4096 a0000000-0000-4000-8000-000000000003 12 4096
	make_mirror_disk slow gpt a0000000-0000-4000-8000-000000000004 16
	make_mirror_disk slow-nvme gpt a0000000-0000-4000-8000-000000000005 16
	make_mirror_disk readonly gpt a0000000-0000-4000-8000-000000000006 16
	add_disk primary virtio-blk-pci
	add_disk gpt nvme
	add_disk mbr virtio-blk-pci
	add_disk big-sectors virtio-blk-pci '' "$SECTORS_4096"
	add_disk readonly virtio-blk-pci ,read-only=on
	add_slow_disk slow virtio-blk-pci
	add_slow_disk slow-nvme nvme
	boot explicit primary gpt mbr big-sectors readonly slow slow-nvme
	judge_disks explicit gpt mbr big-sectors slow slow-nvme
}

boot_mounted()
{
	begin_machine
	start_kernel cases-mounted
	make_primary_disk
	make_mirror_disk gpt gpt a0000000-0000-4000-8000-000000000001 16
	make_mirror_disk mbr mbr a0000002 16
	add_disk primary virtio-blk-pci
	add_disk gpt nvme
	add_disk mbr virtio-blk-pci
	boot mounted primary gpt mbr
	judge_disks mounted gpt mbr
}

# With firmware that keeps variables.
boot_alone()
{
	need_firmware
	begin_machine
	start_kernel cases-alone
	start_firmware "$SCRATCH/variables"
	make_primary_disk
	make_mirror_disk gpt gpt a0000000-0000-4000-8000-000000000001 16
	make_mirror_disk mbr mbr a0000002 16
	make_mirror_disk late gpt a0000000-0000-4000-8000-000000000003 16
	make_mirror_disk spare gpt a0000000-0000-4000-8000-000000000004 16
	make_mirror_disk new gpt_4096 a0000000-0000-4000-8000-000000000005 12 4096
	add_disk primary virtio-blk-pci
	add_disk gpt nvme
	add_disk mbr virtio-blk-pci
	add_disk late nvme
	add_disk spare virtio-blk-pci
	add_disk new virtio-blk-pci '' "$SECTORS_4096"
	boot alone primary gpt mbr spare
	judge_disks alone gpt mbr late spare new
}

find_machine
need_tools sfdisk fdisk
use_memory 1000
need_space 1000
make_scratch
PRIMARY_UUID=a0000000-0000-4000-8000-00000000000f
SERIAL=BBBB0001 # the next mirror's

install_program
judge_size "$PROGRAM"
make_initrd "$GUEST"/cases-*
(($# > 0)) || set -- explicit mounted alone
for name; do
	echo "boot: $name"
	"boot_$name"
done
judge_cases "$@" || exit 1
