#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The packages in a real Debian 12: make check-debian. They are built, judged by lintian, and installed
# with apt in a root that debootstrap made. Firmware and systemd-boot start it in QEMU from the primary,
# with systemd as process 1; what is judged there stands in tests/debian/cases.
#
# Its logs are tests/debian/debian.log and, with all that the system said, debian-console.log. Needs root,
# for debootstrap and chroot.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/judge.sh"
# shellcheck source=tests/guest/machine.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/guest/machine.sh"
# shellcheck source=tests/debian/chroot.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/debian/chroot.sh"

PRIMARY_UUID=a0000000-0000-4000-8000-00000000000f
MIRROR_UUID=a0000000-0000-4000-8000-000000000001
MACHINE_ID=0123456789abcdef0123456789abcdef
ESP_BYTES=$((100 * MIB))
ROOT_BYTES=$((1024 * MIB))
# A whole system takes its time where others compute, too.
BOOT_SECONDS=1800
# Beside those of machine.sh.
MODULES+=(crc16 mbcache jbd2 crc32c_generic libcrc32c ext4 autofs4)

need_host()
{
	local tool

	for tool in dpkg-buildpackage dpkg-deb dh lintian sfdisk mke2fs; do
		command -v "$tool" >/dev/null ||
			skip "no $tool (./bootstrap --with-guest installs it)"
	done
}

# ---- packages ----

# An upload to Debian would be more; see debian/*lintian-overrides for what is overridden.
judge_by_lintian()
{
	lintian --allow-root --fail-on error,warning "$DEBS"/*.changes ||
		fail "lintian finds faults"
}

# make_package NAME VERSION: of the files and scripts in SCRATCH/NAME, as NAME.deb among the packages.
make_package()
{
	mkdir -p "$SCRATCH/$1/DEBIAN"
	cat >"$SCRATCH/$1/DEBIAN/control" <<-END
		Package: $1
		Version: $2
		Architecture: all
		Maintainer: nobody <nobody@example.org>
		Description: for a test
	END
	dpkg-deb --root-owner-group -b "$SCRATCH/$1" "$DEBS/$1.deb" >/dev/null
}

# make_kernel_package VERSION: with maintainer scripts that do what those of linux-image-* do.
make_kernel_package()
{
	local name=linux-image-$1 script

	mkdir -p "$SCRATCH/$name"/{boot,DEBIAN,"lib/modules/$1"}
	{ echo "kernel $1" && head -c 300000 /dev/urandom; } >"$SCRATCH/$name/boot/vmlinuz-$1"
	for script in postinst postrm; do
		cat >"$SCRATCH/$name/DEBIAN/$script" <<-END
			#!/bin/sh
			set -e
			case $script,\$1 in
			postinst,configure | postrm,remove) ;;
			*) exit 0 ;;
			esac
			[ ! -d /etc/kernel/$script.d ] || DEB_MAINT_PARAMS="\$*" run-parts --report --exit-on-error \\
				--arg=$1 --arg=/boot/vmlinuz-$1 /etc/kernel/$script.d
		END
		chmod +x "$SCRATCH/$name/DEBIAN/$script"
	done
	make_package "$name" "$1"
}

# make_loader_package NAME FOLDER: which loaders are installed from; dpkg tells that it has changed.
make_loader_package()
{
	mkdir -p "$SCRATCH/$1$2"
	echo new >"$SCRATCH/$1$2/test.efi"
	make_package "$1" 1
}

# ---- the system ----

make_system()
{
	make_root
	echo "$MACHINE_ID" >"$ROOT/etc/machine-id"
	echo debian >"$ROOT/etc/hostname"
	echo "PARTUUID=$PRIMARY_UUID /boot/efi vfat umask=0077 0 0" >"$ROOT/etc/fstab"
	echo 'root=none' >"$ROOT/etc/kernel/cmdline"
	mkdir -p "$ROOT"/{cases,boot/efi}
	cp "$DEBIAN/cases" "$ROOT/cases"
	cp "$DEBS"/*.deb "$ROOT/cases"
	cp "$FATFILL" "$ROOT/cases/fatfill"
	cp "$DEBIAN/fatespsync-cases.service" "$ROOT/etc/systemd/system"
	in_root systemctl -q enable fatespsync-cases.service
	# Nobody logs in, and nothing is downloaded.
	in_root systemctl -q mask serial-getty@ttyS0.service getty@tty1.service apt-daily.timer \
		apt-daily-upgrade.timer
}

# As who makes an image does it: no systemd runs, and there is no ESP.
the_package_is_installed_by_apt()
{
	local log=$SCRATCH/apt.log

	cp "$DEBS"/fatespsync_*.deb "$ROOT/tmp"
	in_root bash -c 'apt-get install -y --no-install-recommends /tmp/fatespsync_*.deb' \
		>"$log" 2>&1 || fail "apt: $(cat "$log")"
	! grep -iE '^fatespsync|mirror' "$log" || fail "said something where there is no ESP"
	rm "$ROOT"/tmp/*.deb
}

make_root_disk()
{
	truncate -s $ROOT_BYTES "$SCRATCH/root.disk"
	mke2fs -q -t ext4 -d "$ROOT" "$SCRATCH/root.disk"
	rm -rf --one-file-system "$ROOT"
}

make_small_initrd()
{
	INITRD=$SCRATCH/initrd
	mkdir -p "$INITRD"/{bin,proc,sys,dev,root,run}
	copy_program /bin/dash /bin/sh
	copy_program "$GUEST_SYS" /bin/sys
	copy_program "$(command -v switch_root)" /bin/switch_root
	copy_modules
	cp "$DEBIAN/init" "$INITRD/init"
	chmod +x "$INITRD/init"
	(cd "$INITRD" && find . | cpio -o -H newc --quiet) >"$SCRATCH/initrd.cpio"
}

# The primary starts this system whatever kernels come and go; the mirror is empty but for another
# system's file.
make_esps()
{
	local esp=$SCRATCH/esp loader=$SCRATCH/loader.efi

	cp "$ROOT/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$loader"
	mkdir -p "$esp"/{EFI/BOOT,EFI/systemd,loader/entries,"$MACHINE_ID",test}
	cp "$loader" "$esp/EFI/systemd/systemd-bootx64.efi"
	cp "$loader" "$esp/EFI/BOOT/BOOTX64.EFI"
	printf '%s\n' 'timeout 0' 'default test.conf' >"$esp/loader/loader.conf"
	echo type1 >"$esp/loader/entries.srel"
	head -c 32 /dev/urandom >"$esp/loader/random-seed"
	printf '%s\n' "$PRIMARY_UUID" "$MIRROR_UUID" >"$esp/loader/esp-sync"
	cp "$KERNEL/boot/vmlinuz-$VERSION" "$esp/test/linux"
	cp "$SCRATCH/initrd.cpio" "$esp/test/initrd"
	printf '%s\n' 'title Test' 'linux /test/linux' 'initrd /test/initrd' \
		'options console=ttyS0 panic=-1 quiet systemd.journald.forward_to_console=0' \
		>"$esp/loader/entries/test.conf"
	make_esp primary $ESP_BYTES $PRIMARY_UUID aaaa0001 "$esp"
	mkdir -p "$SCRATCH/foreign/EFI/Other"
	head -c 5000 /dev/urandom >"$SCRATCH/foreign/EFI/Other/other.efi"
	make_esp mirror $ESP_BYTES $MIRROR_UUID bbbb0001 "$SCRATCH/foreign"
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

boot_debian()
{
	begin_machine
	start_firmware "$SCRATCH/variables"
	MACHINE+=(-m 1024 -smp 2 -device virtio-rng-pci)
	add_disk primary virtio-blk-pci '' ',"bootindex":1'
	add_disk mirror virtio-blk-pci
	add_disk root virtio-blk-pci
	boot debian primary mirror root
}

# From outside, after all that.
the_mirror_is_sound()
{
	take_out mirror
	fsck.fat -n "$SCRATCH/mirror.img" >"$SCRATCH/fsck.log" ||
		fail "fsck.fat: $(cat "$SCRATCH/fsck.log")"
	mcopy -i "$SCRATCH/mirror.img" ::/EFI/Other/other.efi "$SCRATCH/other.efi"
	cmp "$SCRATCH/foreign/EFI/Other/other.efi" "$SCRATCH/other.efi" ||
		fail "a foreign file was changed"
}

enter_debian "$@"
find_machine
need_firmware
need_host
need_tools mke2fs
use_memory 3000
need_space 3000
make_scratch
mkdir -p "$LOGS"
rm -f "$LOGS"/{build,debian,debian-console}.log

echo "packages (${SECONDS}s)"
build_packages
judge_by_lintian
make_kernel_package 7.0.1-test
make_kernel_package 7.0.2-test
make_loader_package test-loader /usr/lib/systemd/boot/efi
make_loader_package test-grub /usr/lib/grub/x86_64-efi-signed

echo "system (${SECONDS}s)"
make_system
the_package_is_installed_by_apt
make_small_initrd
make_esps
make_root_disk

echo "boot (${SECONDS}s)"
boot_debian
the_mirror_is_sound
echo "done (${SECONDS}s)"
judge_cases debian || exit 1
