#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Real initramfs of a Debian 12 with the program in them: make check-initramfs. Firmware and systemd-boot
# start them in QEMU from the primary; what they left on the mirror is judged from outside. Each boot's logs
# are tests/debian/NAME.log and NAME-console.log. Needs root, for debootstrap and chroot, and a mirror of
# Debian.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/judge.sh"
# shellcheck source=tests/guest/machine.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/guest/machine.sh"
# shellcheck source=tests/debian/chroot.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/debian/chroot.sh"

LOG=$LOGS/initramfs.log
PRIMARY_UUID=d0000000-0000-4000-8000-00000000000f
MIRROR_UUID=d0000000-0000-4000-8000-000000000001
ESP_BYTES=$((200 * MIB))
DRIVERS=(virtio_pci virtio_blk ext4)

# ---- initramfs ----

# What is in kernel packages, and what their maintainer scripts do to it.
put_kernel()
{
	mkdir -p "$ROOT/lib/modules"
	cp -r "$KERNEL/lib/modules/$VERSION" "$ROOT/lib/modules"
	cp "$KERNEL/boot/config-$VERSION" "$ROOT/boot"
	in_root depmod "$VERSION"
}

put_program()
{
	cp "$DEBS"/fatespsync_*.deb "$ROOT/tmp"
	logged_in_root bash -c 'apt-get install --no-install-recommends /tmp/fatespsync_*.deb' ||
		fail "apt: see $LOG"
	echo 'FATESPSYNC_INITRAMFS=yes' >"$ROOT/etc/default/fatespsync"
}

# Nothing runs there by itself: a script does what one would do in its rescue shell.
make_by_initramfs_tools()
{
	local script=$ROOT/etc/initramfs-tools/scripts/local-bottom/sync

	printf '%s\n' 'MODULES=list' 'COMPRESS=gzip' >"$ROOT/etc/initramfs-tools/conf.d/test"
	printf '%s\n' "${DRIVERS[@]}" >"$ROOT/etc/initramfs-tools/modules"
	cat >"$script" <<-'END'
		#!/bin/sh
		[ "$1" != prereqs ] || exit 0
		modprobe efivarfs
		mount -t efivarfs -o ro efivarfs /sys/firmware/efi/efivars
		fatespsync
	END
	chmod +x "$script"
	logged_in_root mkinitramfs -o /tmp/initramfs-tools "$VERSION" || fail "mkinitramfs: see $LOG"
	mv "$ROOT/tmp/initramfs-tools" "$SCRATCH"
}

make_by_dracut()
{
	logged_in_root dracut --no-hostonly --gzip --add-drivers "${DRIVERS[*]}" \
		-m 'base rootfs-block kernel-modules udev-rules fatespsync' \
		/tmp/dracut "$VERSION" || fail "dracut: see $LOG"
	mv "$ROOT/tmp/dracut" "$SCRATCH"
}

# ---- disks ----

# What they go over to: it says that it is there, and that is all.
make_system_disk()
{
	INITRD=$SCRATCH/system
	mkdir -p "$INITRD"/{bin,sbin,dev,proc,sys,run,tmp}
	copy_program /bin/dash /bin/sh
	copy_program "$GUEST_SYS" /bin/sys
	cat >"$INITRD/sbin/init" <<-'END'
		#!/bin/sh
		echo "ok the_system_is_reached" >/dev/ttyS1
		echo "end" >/dev/ttyS1
		/bin/sys poweroff
	END
	chmod +x "$INITRD/sbin/init"
	truncate -s $((64 * MIB)) "$SCRATCH/system.disk"
	mke2fs -q -t ext4 -d "$INITRD" "$SCRATCH/system.disk"
}

# make_entry DIR NAME INITRD [OPTION]
make_entry()
{
	printf '%s\n' "title $2" 'linux /test/linux' "initrd /test/$3" \
		"options console=ttyS0 panic=-1 root=/dev/vdc rootfstype=ext4 ro ${4:-}" \
		>"$1/loader/entries/$2.conf"
}

# The mirror is empty but for another system's file.
make_esps()
{
	local esp=$SCRATCH/esp loader=$ROOT/usr/lib/systemd/boot/efi/systemd-bootx64.efi

	mkdir -p "$esp"/{EFI/BOOT,EFI/systemd,loader/entries,test} "$SCRATCH/foreign/EFI/Other"
	cp "$loader" "$esp/EFI/systemd"
	cp "$loader" "$esp/EFI/BOOT/BOOTX64.EFI"
	printf '%s\n' "$PRIMARY_UUID" "$MIRROR_UUID" >"$esp/loader/esp-sync"
	head -c 32 /dev/urandom >"$esp/loader/random-seed"
	cp "$KERNEL/boot/vmlinuz-$VERSION" "$esp/test/linux"
	cp "$SCRATCH"/{dracut,initramfs-tools} "$esp/test"
	make_entry "$esp" dracut dracut
	make_entry "$esp" dracut-sync dracut rd.fatespsync
	make_entry "$esp" initramfs-tools initramfs-tools
	make_esp primary $ESP_BYTES $PRIMARY_UUID aaaa0001 "$esp"
	head -c 5000 /dev/urandom >"$SCRATCH/foreign/EFI/Other/other.efi"
	make_esp mirror $ESP_BYTES $MIRROR_UUID bbbb0001 "$SCRATCH/foreign"
}

# ---- boots ----

# boot_entry NAME: what has to be synced then is at least which entry it is.
boot_entry()
{
	echo "$1 (${SECONDS}s)"
	printf '%s\n' 'timeout 0' "default $1.conf" >"$SCRATCH/loader.conf"
	mcopy -o -i "$SCRATCH/primary.disk@@1M" "$SCRATCH/loader.conf" ::/loader/loader.conf
	begin_machine
	start_firmware "$SCRATCH/variables"
	MACHINE+=(-m 1024 -device virtio-rng-pci)
	add_disk primary virtio-blk-pci '' ',"bootindex":1'
	add_disk mirror virtio-blk-pci
	add_disk system virtio-blk-pci
	boot "$1" primary mirror system
}

# copy_tree NAME: the managed files of that disk.
copy_tree()
{
	local tree=$SCRATCH/$1.tree

	take_out "$1"
	rm -rf "$tree"
	mkdir "$tree"
	mcopy -s -n -i "$SCRATCH/$1.img" ::/loader ::/EFI/systemd ::/EFI/BOOT ::/test "$tree"
	rm -f "$tree"/loader/{random-seed,esp-sync.was}
}

the_mirror_is_as_before()
{
	cmp "$SCRATCH/mirror.before" "$SCRATCH/mirror.disk"
}

the_mirror_equals_the_primary()
{
	copy_tree primary
	copy_tree mirror
	diff -r "$SCRATCH/primary.tree" "$SCRATCH/mirror.tree"
	judge_sound "$SCRATCH/mirror.img"
	mcopy -o -i "$SCRATCH/mirror.img" ::/EFI/Other/other.efi "$SCRATCH/other.efi"
	cmp "$SCRATCH/foreign/EFI/Other/other.efi" "$SCRATCH/other.efi"
}

enter_debian "$@"
find_machine
need_firmware
need_tools mke2fs sfdisk
use_memory 2000
need_space 2000
make_scratch
rm -f "$LOGS"/{host,initramfs,dracut,dracut-sync,initramfs-tools}*.log

echo "packages (${SECONDS}s)"
build_packages

echo "system (${SECONDS}s)"
make_root
open_root
logged_in_root apt-get install --no-install-recommends initramfs-tools-core busybox dracut-core ||
	skip "no mirror of Debian: see $LOG"
put_kernel
put_program

echo "initramfs (${SECONDS}s)"
make_by_initramfs_tools
make_by_dracut
make_system_disk
make_esps

cp --sparse=always "$SCRATCH/mirror.disk" "$SCRATCH/mirror.before"
boot_entry dracut
judge the_mirror_is_as_before
boot_entry dracut-sync
judge the_mirror_equals_the_primary
boot_entry initramfs-tools
judge the_mirror_equals_the_primary
echo "done (${SECONDS}s)"
judge_cases dracut dracut-sync initramfs-tools host || exit 1
