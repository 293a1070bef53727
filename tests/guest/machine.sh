# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by what runs the installed program on a kernel of its own, after judge.sh. QEMU emulates the
# machine, so it runs anywhere. Its initrd holds a shell, kernel modules, the program with its libraries,
# tests/guest/init and tests/guest/sys.c, and files of cases: what is judged in the guest. LOGS is where
# the logs of a boot go, NAME.log and, with all that the guest's kernel and programs said,
# NAME-console.log.

GUEST=$(realpath "${srcdir:-$(dirname "$0")/../..}")/tests/guest
: "${GUEST_SYS:=./tests/guest/sys}"
: "${MAKE:=make}"

BOOT_SECONDS=600 # a limit for machines that are ten times slower
MIB=$((1024 * 1024))
OVMF=/usr/share/OVMF

# In the order in which they are loaded; what a kernel has built in is not there.
MODULES=(
	virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
	nls_cp437 nls_ascii fat vfat
	af_alg algif_hash
	efivarfs qemu_fw_cfg
)

# find_machine: what it is made of, or the test is skipped. Sets KERNEL and VERSION.
find_machine()
{
	local tool

	[[ $(uname -m) == x86_64 ]] || skip "the guest is for x86_64"
	KERNEL=$("$GUEST/kernel.sh") ||
		skip "no kernel for the guest (./bootstrap --with-guest gets one)"
	for tool in qemu-system-x86_64 cpio; do
		command -v "$tool" >/dev/null ||
			skip "no $tool (./bootstrap --with-guest installs it)"
	done
	VERSION=$(basename "$KERNEL"/boot/vmlinuz-*-cloud-amd64)
	VERSION=${VERSION#vmlinuz-}
}

need_firmware()
{
	[[ -r $OVMF/OVMF_CODE_4M.fd ]] || skip "no OVMF (./bootstrap --with-guest installs it)"
}

# ---- what the guest starts from ----

# Sets PROGRAM.
install_program()
{
	"$MAKE" -s install-strip DESTDIR="$SCRATCH/installed" >"$SCRATCH/install.log" 2>&1 ||
		fail "install: $(cat "$SCRATCH/install.log")"
	PROGRAM=$(find "$SCRATCH/installed" -path "*/sbin/fatespsync" -type f -perm -u+x)
}

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

# make_initrd CASES...: those files, and PROGRAM.
make_initrd()
{
	local program=${PROGRAM#"$SCRATCH/installed"}

	INITRD=$SCRATCH/initrd
	mkdir -p "$INITRD"/{bin,cases,proc,sys,dev,run,mnt,elsewhere,boot/efi,tmp}
	copy_program "$PROGRAM" "$program"
	copy_program /bin/dash /bin/sh
	copy_program "$GUEST_SYS" /bin/sys
	copy_modules
	cp "$@" "$INITRD/cases"
	sed "s,@SBINDIR@,${program%/*}," "$GUEST/init" >"$INITRD/init"
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

# make_esp NAME BYTES PARTUUID SERIAL [DIR]: a disk with a FAT32 volume that holds what DIR holds.
make_esp()
{
	truncate -s "$2" "$SCRATCH/$1.img"
	mkfs.fat -F 32 -s 1 -i "$4" "$SCRATCH/$1.img" >/dev/null
	[[ -z ${5:-} ]] || mcopy -s -i "$SCRATCH/$1.img" "$5"/* ::
	make_gpt "$SCRATCH/$1.disk" "$SCRATCH/$1.img" "$3"
}

# take_out NAME: the volume of that disk, as the guest left it.
take_out()
{
	dd if="$SCRATCH/$1.disk" of="$SCRATCH/$1.img" bs=1M skip=1 conv=sparse status=none \
		count="$(stat -c %s "$SCRATCH/$1.img")" iflag=count_bytes
}

# ---- the machine ----

# MACHINE is what QEMU is told; DEVICE[NAME] a disk that can be plugged in.
begin_machine()
{
	MACHINE=()
	declare -gA DEVICE=()
}

# start_kernel CASES: without firmware, or by it.
start_kernel()
{
	MACHINE+=(-kernel "$KERNEL/boot/vmlinuz-$VERSION" -initrd "$SCRATCH/initrd.cpio"
		-append "console=ttyS0 panic=-1 cases=$1")
}

# start_firmware VARIABLES: UEFI, which keeps its variables in that file. A new one has none.
start_firmware()
{
	[[ -e $1 ]] || cp "$OVMF/OVMF_VARS_4M.fd" "$1"
	MACHINE+=(-drive "if=pflash,format=raw,readonly=on,file=$OVMF/OVMF_CODE_4M.fd"
		-drive "if=pflash,format=raw,file=$1")
}

# add_disk NAME virtio-blk-pci|nvme [BLOCKDEV-OPTIONS [DEVICE-PROPERTIES]]
add_disk()
{
	MACHINE+=(-blockdev
		"driver=raw,node-name=$1,file.driver=file,file.filename=$SCRATCH/$1.disk${3:-}")
	describe_device "$1" "$2" "${4:-}"
}

# add_slow_disk NAME virtio-blk-pci|nvme [LIMIT]: one that takes a megabyte a second, or what QEMU is told
# as its limit.
add_slow_disk()
{
	local file=file.driver=file,file.filename=$SCRATCH/$1.disk

	MACHINE+=(-object "throttle-group,id=group-$1,${3:-x-bps-write=1000000}"
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

# open_monitor NAME: of that boot.
open_monitor()
{
	rm -f "$SCRATCH/$1".{in,out}
	mkfifo "$SCRATCH/$1".{in,out}
	exec {MONITOR_IN}<>"$SCRATCH/$1.in" {MONITOR_OUT}<>"$SCRATCH/$1.out"
	tell_monitor qmp_capabilities
}

run_qemu()
{
	timeout $BOOT_SECONDS qemu-system-x86_64 -accel tcg -m 512 -nodefaults -no-user-config \
		-display none -no-reboot -pidfile "$SCRATCH/$1.pid" \
		-serial "file:$LOGS/$1-console.log" -serial stdio \
		-chardev "pipe,id=monitor,path=$SCRATCH/$1" -mon chardev=monitor,mode=control \
		"${MACHINE[@]}" </dev/null || : # the guest tells how it went
}

# boot NAME DISK...: with these disks plugged in, until the guest has said its last line. What it wishes
# is done by wish_WORD.
boot()
{
	local boot=$1 line kind word rest disk
	shift

	for disk; do
		MACHINE+=(-device "${DEVICE[$disk]}")
	done
	rm -f "$LOGS/$boot.log" "$LOGS/$boot-console.log"
	open_monitor "$boot"
	ENDED=no
	while IFS= read -r line; do
		line=${line%$'\r'}
		read -r kind word rest <<<"$line"
		case $kind in
		ok | FAIL | fact) ;;
		host) "wish_$word" "$rest" ;;
		end) ENDED=yes ;;
		*) continue ;; # firmware writes there, too
		esac
		echo "$line" | tee -a "$LOGS/$boot.log"
	done < <(run_qemu "$boot")
	[[ $ENDED == yes ]] || fail "the guest did not get to its end: see $LOGS/$boot-console.log"
}

# judge CASE [ARGUMENT...]: in a subshell, which a test that fails ends.
judge()
{
	local said

	("$@") >"$SCRATCH/case.out" 2>&1 &
	if wait $!; then
		said="ok $*"
	else
		said="FAIL $*: $(tr "\n" " " <"$SCRATCH/case.out")"
	fi
	echo "$said" | tee -a "$LOGS/host.log"
}

# judge_cases BOOT...: as their logs tell.
judge_cases()
{
	local boot said='' n_ok n_fail

	for boot; do
		said+=$(cat "$LOGS/$boot.log")$'\n'
	done
	n_ok=$(grep -c '^ok ' <<<"$said" || :)
	n_fail=$(grep -c '^FAIL ' <<<"$said" || :)
	echo "$n_ok cases passed, $n_fail failed"
	((n_fail == 0 && n_ok > 0))
}
