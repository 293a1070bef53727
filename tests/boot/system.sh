# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by tests/boot/run.sh: makes what a system with systemd-boot has on its ESP. All kernels are
# Debian's, made different by what is appended to them, and all start the guest's initrd; the word
# "entry" of the command line tells which of them it was.

EFI_FILES=/usr/lib/systemd/boot/efi
TOKEN=0123456789abcdef0123456789abcdef
OPTIONS='console=ttyS0 panic=-1 cases=cases'

need_loader()
{
	local file

	for file in systemd-bootx64.efi linuxx64.efi.stub; do
		[[ -r $EFI_FILES/$file ]] ||
			skip "no $EFI_FILES/$file (./bootstrap --with-guest installs it)"
	done
}

# make_kernel DIR VERSION: its linux and initrd.
make_kernel()
{
	mkdir -p "$1"
	{ cat "$KERNEL/boot/vmlinuz-$VERSION" && echo "$2"; } >"$1/linux"
	# zeros belong to no archive
	{ cat "$SCRATCH/initrd.cpio" && head -c $((${2##*.} * 512)) /dev/zero; } >"$1/initrd"
}

# make_entry FILE VERSION: of type #1, with the keys that kernel-install(8) writes.
make_entry()
{
	cat >"$1" <<-END
		title      System $2
		version    $2
		machine-id $TOKEN
		sort-key   system
		options    $OPTIONS entry=$2
		linux      /$TOKEN/$2/linux
		initrd     /$TOKEN/$2/initrd
	END
}

# round_up NUMBER UNIT
round_up()
{
	echo $((($1 + $2 - 1) / $2 * $2))
}

# make_uki FILE VERSION: see systemd-stub(7). Each section gets its own place in memory, behind the stub.
make_uki()
{
	local linux=$KERNEL/boot/vmlinuz-$VERSION place=$((16#100000)) args=() section file

	printf '%s\n' ID=system 'PRETTY_NAME=System' "VERSION_ID=$2" >"$SCRATCH/osrel"
	printf %s "$OPTIONS entry=$2" >"$SCRATCH/cmdline"
	for section in osrel cmdline linux initrd; do
		case $section in
		linux) file=$linux ;;
		initrd) file=$SCRATCH/initrd.cpio ;;
		*) file=$SCRATCH/$section ;;
		esac
		args+=(--add-section ".$section=$file" --change-section-vma ".$section=$place")
		place=$((place + $(round_up "$(stat -c %s "$file")" $((16#100000)))))
	done
	objcopy "${args[@]}" "$EFI_FILES/linuxx64.efi.stub" "$1"
}

# make_system DIR: two kernels and an older one as a UKI. /new is for an upgrade, and nothing to a
# boot loader.
make_system()
{
	mkdir -p "$1"/{EFI/BOOT,EFI/systemd,EFI/Linux,loader/entries}
	cp "$EFI_FILES/systemd-bootx64.efi" "$1/EFI/systemd"
	cp "$EFI_FILES/systemd-bootx64.efi" "$1/EFI/BOOT/BOOTX64.EFI"
	printf '%s\n' 'timeout 0' "default $TOKEN-*" >"$1/loader/loader.conf"
	echo type1 >"$1/loader/entries.srel"
	head -c 32 /dev/urandom >"$1/loader/random-seed"
	make_uki "$1/EFI/Linux/uki-7.0.0.efi" 7.0.0
	make_kernel "$1/$TOKEN/7.0.1" 7.0.1
	make_kernel "$1/$TOKEN/7.0.2" 7.0.2
	make_entry "$1/loader/entries/$TOKEN-7.0.1+3.conf" 7.0.1
	make_entry "$1/loader/entries/$TOKEN-7.0.2+3.conf" 7.0.2
	make_kernel "$1/new" 7.0.3
	make_entry "$1/new/entry.conf" 7.0.3
}
