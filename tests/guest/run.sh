#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The installed program on a kernel of its own: make check-guest. QEMU emulates the machine, so it runs
# anywhere; the initrd holds a shell, kernel modules, the program with its libraries, and
# tests/guest/sys.c. What is judged in the guest stands in the cases-* files; fsck.fat and
# tests/fatfill judge the disks once more, from outside.
#
#   tests/guest/run.sh [explicit|mounted|alone]...
#
# Each name is a boot. Its logs are tests/guest/NAME.log and, with all that the guest's kernel and
# programs said, tests/guest/NAME-console.log.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/judge.sh"

SOURCE=$(realpath "${srcdir:-$(dirname "$0")/../..}")/tests/guest
: "${GUEST_SYS:=./tests/guest/sys}"
: "${MAKE:=make}"
LOGS=${builddir:-.}/tests/guest

LIBRARIES_MAX=$((2 * 1024 * 1024))
BOOT_SECONDS=600 # a limit for machines that are ten times slower
MIB=$((1024 * 1024))
OVMF=/usr/share/OVMF
SECTORS_4096=',"logical_block_size":4096,"physical_block_size":4096'

# In the order in which they are loaded; what a kernel has built in is not there.
MODULES=(
	virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
	nls_cp437 nls_ascii fat vfat
	af_alg algif_hash
	efivarfs
)

# ---- what the guest starts from ----

# copy_program FILE TARGET: with the libraries that it needs.
copy_program()
{
	local library

	mkdir -p "$INITRD/${2%/*}"
	cp "$1" "$INITRD/$2"
	while read -r library; do
		[[ -e $INITRD/$library ]] || cp -L --parents "$library" "$INITRD"
	done < <(list_libraries "$1")
}

list_libraries()
{
	ldd "$1" | sed -nE 's,^.*[[:space:]](/[^ ]*) \(0x[0-9a-f]*\)$,\1,p'
}

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

copy_modules()
{
	local name file

	mkdir "$INITRD/modules"
	for name in "${MODULES[@]}"; do
		file=$(find "$KERNEL/lib/modules/$VERSION/kernel" -name "$name.ko*" -print -quit)
		case $file in
		*.ko) cp "$file" "$INITRD/modules" ;;
		*.ko.xz) xz -dc "$file" >"$INITRD/modules/$name.ko" ;;
		*) continue ;;
		esac
		echo "$name.ko" >>"$INITRD/modules/order"
	done
}

make_initrd()
{
	local program

	INITRD=$SCRATCH/initrd
	mkdir -p "$INITRD"/{bin,cases,proc,sys,dev,run,mnt,elsewhere,boot/efi,tmp}
	"$MAKE" -s install-strip DESTDIR="$SCRATCH/installed" >"$SCRATCH/install.log" 2>&1 ||
		fail "install: $(cat "$SCRATCH/install.log")"
	program=$(find "$SCRATCH/installed" -name fatespsync -type f -perm -u+x)
	judge_size "$program"
	copy_program "$program" "${program#"$SCRATCH/installed"}"
	copy_program /bin/dash /bin/sh
	copy_program "$GUEST_SYS" /bin/sys
	copy_modules
	cp "$SOURCE"/cases-* "$INITRD/cases"
	program=${program#"$SCRATCH/installed"}
	sed "s,@SBINDIR@,${program%/*}," "$SOURCE/init" >"$INITRD/init"
	chmod +x "$INITRD/init"
	(cd "$INITRD" && find . | cpio -o -H newc --quiet) >"$SCRATCH/initrd.cpio"
}

# ---- disks ----

# Each volume begins 1 MiB into its disk, with 1 MiB behind it for the second partition table.

make_disk()
{
	truncate -s $(($(stat -c %s "$2") + 2 * MIB)) "$1"
	dd if="$2" of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
}

# make_gpt DISK VOLUME PARTUUID: the ESP is the second partition.
make_gpt()
{
	make_disk "$1" "$2"
	printf '%s\n' 'label: gpt' 'first-lba: 34' 'start=34, size=100' \
		"start=2048, size=$(($(stat -c %s "$2") / 512)), type=U, name=ESP, uuid=$3" |
		sfdisk -q "$1" >"$1.log" 2>&1 || fail "sfdisk: $(cat "$1.log")"
}

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

# take_out NAME: the volume of that disk, as the guest left it.
take_out()
{
	dd if="$SCRATCH/$1.disk" of="$SCRATCH/$1.img" bs=1M skip=1 conv=sparse status=none \
		count="$(stat -c %s "$SCRATCH/$1.img")" iflag=count_bytes
}

# ---- the machine ----

# add_disk NAME virtio-blk-pci|nvme [BLOCKDEV-OPTIONS [DEVICE-PROPERTIES]]
add_disk()
{
	MACHINE+=(-blockdev
		"driver=raw,node-name=$1,file.driver=file,file.filename=$SCRATCH/$1.disk${3:-}")
	describe_device "$1" "$2" "${4:-}"
}

# add_slow_disk NAME virtio-blk-pci|nvme: one that takes a megabyte a second.
add_slow_disk()
{
	local file=file.driver=file,file.filename=$SCRATCH/$1.disk

	MACHINE+=(-object "throttle-group,id=group-$1,x-bps-write=1000000"
		-blockdev "driver=raw,node-name=file-$1,$file"
		-blockdev "driver=throttle,throttle-group=group-$1,node-name=$1,file=file-$1")
	describe_device "$1" "$2" ''
}

# As both the command line and the monitor take it.
describe_device()
{
	DEVICE[$1]="{\"driver\":\"$2\",\"drive\":\"$1\",\"serial\":\"$1\",\"id\":\"$1\"$3}"
}

tell_monitor()
{
	echo "{\"execute\":\"$1\"${2:+,\"arguments\":$2}}" >&"$MONITOR_IN"
}

# await_monitor WORD: in one of its lines.
await_monitor()
{
	local line

	while read -r -t $BOOT_SECONDS line <&"$MONITOR_OUT"; do
		[[ $line != *'"error"'* ]] || fail "QEMU: $line"
		[[ $line != *"$1"* ]] || return 0
	done
	fail "QEMU does not say $1"
}

# do_wish plug|unplug NAME: until it is done, which takes the guest's help to unplug.
do_wish()
{
	case $1 in
	plug)
		tell_monitor device_add "${DEVICE[$2]}"
		await_monitor '"return"'
		;;
	unplug)
		tell_monitor device_del "{\"id\":\"$2\"}"
		await_monitor '"DEVICE_DELETED", "data": {"device": "'"$2"
		;;
	esac
}

open_monitor()
{
	rm -f "$SCRATCH"/monitor.*
	mkfifo "$SCRATCH/monitor.in" "$SCRATCH/monitor.out"
	exec {MONITOR_IN}<>"$SCRATCH/monitor.in" {MONITOR_OUT}<>"$SCRATCH/monitor.out"
	tell_monitor qmp_capabilities
}

run_qemu()
{
	timeout $BOOT_SECONDS qemu-system-x86_64 -accel tcg -m 512 -nodefaults -no-user-config \
		-display none -no-reboot \
		-kernel "$KERNEL/boot/vmlinuz-$VERSION" -initrd "$SCRATCH/initrd.cpio" \
		-append "console=ttyS0 panic=-1 cases=cases-$1" \
		-serial "file:$LOGS/$1-console.log" -serial stdio \
		-chardev "pipe,id=monitor,path=$SCRATCH/monitor" -mon chardev=monitor,mode=control \
		"${MACHINE[@]}" </dev/null
}

# boot NAME DISK...: with these disks plugged in; counts what the guest says.
boot()
{
	local boot=$1 line kind word disk ended=no
	shift

	for disk; do
		MACHINE+=(-device "${DEVICE[$disk]}")
	done
	open_monitor
	while IFS= read -r line; do
		line=${line%$'\r'}
		read -r kind word disk <<<"$line"
		case $kind in
		ok) N_OK=$((N_OK + 1)) ;;
		FAIL) N_FAIL=$((N_FAIL + 1)) ;;
		host) do_wish "$word" "$disk" ;;
		end) ended=yes ;;
		*) continue ;; # firmware writes there, too
		esac
		echo "$line" | tee -a "$LOGS/$boot.log"
	done < <(run_qemu "$boot")
	[[ $ended == yes ]] || fail "the guest did not get to its end: see $LOGS/$boot-console.log"
}

# judge_disks NAME...: from outside, if the guest came to the end of each case.
judge_disks()
{
	local name

	((N_FAIL == 0)) || return 0
	for name; do
		take_out "$name"
		judge_sound "$SCRATCH/$name.img"
		judge_foreign "$SCRATCH/$name.img"
	done
}

begin_machine()
{
	MACHINE=()
	declare -gA DEVICE=()
	SERIAL=BBBB0001
}

boot_explicit()
{
	begin_machine
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
	judge_disks gpt mbr big-sectors slow slow-nvme
}

boot_mounted()
{
	begin_machine
	make_primary_disk
	make_mirror_disk gpt gpt a0000000-0000-4000-8000-000000000001 16
	make_mirror_disk mbr mbr a0000002 16
	add_disk primary virtio-blk-pci
	add_disk gpt nvme
	add_disk mbr virtio-blk-pci
	boot mounted primary gpt mbr
	judge_disks gpt mbr
}

# With firmware that keeps variables.
boot_alone()
{
	[[ -r $OVMF/OVMF_CODE_4M.fd ]] || skip "no OVMF (./bootstrap --with-guest installs it)"
	begin_machine
	cp "$OVMF/OVMF_VARS_4M.fd" "$SCRATCH/variables"
	MACHINE+=(-drive "if=pflash,format=raw,readonly=on,file=$OVMF/OVMF_CODE_4M.fd"
		-drive "if=pflash,format=raw,file=$SCRATCH/variables")
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
	judge_disks gpt mbr late spare new
}

[[ $(uname -m) == x86_64 ]] || skip "the guest is for x86_64"
KERNEL=$("$SOURCE/kernel.sh") || skip "no kernel for the guest (./bootstrap --with-guest gets one)"
for tool in qemu-system-x86_64 cpio; do
	command -v "$tool" >/dev/null || skip "no $tool (./bootstrap --with-guest installs it)"
done
need_tools sfdisk fdisk
use_memory 1000
need_space 1000
make_scratch
VERSION=$(basename "$KERNEL"/boot/vmlinuz-*-cloud-amd64)
VERSION=${VERSION#vmlinuz-}
PRIMARY_UUID=a0000000-0000-4000-8000-00000000000f
N_OK=0 N_FAIL=0

make_initrd
(($# > 0)) || set -- explicit mounted alone
for name; do
	rm -f "$LOGS/$name.log" "$LOGS/$name-console.log"
	echo "boot: $name"
	"boot_$name"
done
echo "$N_OK cases passed, $N_FAIL failed"
((N_FAIL == 0 && N_OK > 0)) || exit 1
