#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Firmware and systemd-boot start from mirrors: make check-boot. A primary is made and synced to a blank
# disk; then QEMU with OVMF, which emulates a whole machine, has only that disk. The story goes on with
# both disks, with counted boots, an upgrade, and power cuts while it is synced. tests/boot/cases is what
# is done in the guest; each boot's logs are tests/boot/NAME.log and NAME-console.log.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/judge.sh"
# shellcheck source=tests/guest/machine.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/guest/machine.sh"
SOURCE=$(realpath "${srcdir:-$(dirname "$0")/../..}")/tests/boot
# shellcheck source=tests/boot/system.sh
. "$SOURCE/system.sh"
# shellcheck source=tests/boot/cuts.sh
. "$SOURCE/cuts.sh"

LOGS=${builddir:-.}/tests/boot
# What does not boot is waited for so long.
BOOT_SECONDS=200
PRIMARY_UUID=b0000000-1111-4222-8333-00000000000a
MIRROR_UUID=b0000000-1111-4222-8333-00000000000b

# ---- cases ----

# has_fact BOOT NAME VALUE
has_fact()
{
	grep -qixF "fact $2 $3" "$LOGS/$1.log" ||
		fail "not '$2 $3': $(grep '^fact ' "$LOGS/$1.log" | tr '\n' ' ')"
}

# ---- disks ----

# make_volume_disk NAME UUID SECTORS_PER_CLUSTER CLUSTERS SERIAL [DIR]: with what DIR holds.
make_volume_disk()
{
	local volume=$SCRATCH/$1.img

	make_image "$volume" 32 512 "$3" "$4" "$5"
	[[ -z ${6:-} ]] || put_tree "$6" "$volume"
	make_gpt "$SCRATCH/$1.disk" "$volume" "$2"
}

make_disks()
{
	make_system "$SCRATCH/system"
	printf '%s\n' "$PRIMARY_UUID" "$MIRROR_UUID" >"$SCRATCH/system/loader/esp-sync"
	make_volume_disk primary "$PRIMARY_UUID" 8 66000 AAAA0001 "$SCRATCH/system"
	make_volume_disk mirror "$MIRROR_UUID" 4 80000 BBBB0002
}

# names NAME DIR: of what is in there on that disk.
names()
{
	mdir -b -i "$SCRATCH/$1.disk@@1M" "::$2" | sed 's,/$,,; s,.*/,,' | sort
}

# has_names NAME DIR WORD...: exactly these.
has_names()
{
	local found wanted

	found=$(names "$1" "$2")
	wanted=$(printf '%s\n' "${@:3}" | sort)
	[[ $found == "$wanted" ]] || fail "$2 on $1 has $found"
}

# ---- boots ----

# boot_disks BOOT TASK VARIABLES DISK...: from the first of them.
boot_disks()
{
	local name=$1 task=$2 variables=$3 disk n=0
	shift 3

	begin_machine
	start_firmware "$SCRATCH/$variables"
	MACHINE+=(-fw_cfg "name=opt/fatespsync/task,string=say_how_it_was_started $task"
		-device virtio-rng-pci) # without, there is no entropy so early
	for disk; do
		add_boot_disk "$disk" $# $((n++))
	done
	boot "$name" "$@" | sed -u "s/^/$name: /"
}

# add_boot_disk NAME HOW_MANY WHICH: one alone is left to the firmware's own order. The mirror that
# others are plugged in with takes five writes a second, so that one can look on.
add_boot_disk()
{
	if (($2 == 1)); then
		add_disk "$1" virtio-blk-pci
	elif [[ $1 == mirror ]]; then
		add_slow_disk "$1" virtio-blk-pci x-iops-write=5
	else
		add_disk "$1" virtio-blk-pci '' ",\"bootindex\":$3"
	fi
}

# boot_alone DISK: as a machine that has no other; in the background.
boot_alone()
{
	(boot_disks "$1" '' "variables-$1" "$1") &
	WAITED+=($!)
}

# What became of them the logs tell.
await_boots()
{
	local pid

	for pid in "${WAITED[@]}"; do
		wait "$pid" || :
	done
	WAITED=()
}

# ---- the story ----

a_blank_disk_becomes_a_mirror()
{
	"$FATESPSYNC" --disk="$SCRATCH/primary.disk" --disk="$SCRATCH/mirror.disk" \
		--primary="$SCRATCH/primary.disk"
	take_out mirror
	judge_sound "$SCRATCH/mirror.img"
	has_names mirror "/$TOKEN" 7.0.1 7.0.2
}

firmware_starts_the_mirror_without_a_boot_entry()
{
	has_fact fallback partition "$MIRROR_UUID"
	has_fact fallback loader '\EFI\BOOT\BOOTX64.EFI'
}

a_type_1_entry_of_the_mirror_boots()
{
	has_fact fallback entry 7.0.2
}

the_loader_counts_down_on_the_mirror()
{
	has_names mirror /loader/entries "$TOKEN-7.0.1+3.conf" "$TOKEN-7.0.2+2-1.conf"
}

a_boot_entry_starts_the_mirrors_loader()
{
	has_fact uki partition "$MIRROR_UUID"
	has_fact uki loader '\EFI\systemd\systemd-bootx64.efi'
}

a_uki_of_the_mirror_boots()
{
	has_fact uki entry 7.0.0
	has_fact uki selected uki-7.0.0.efi
}

the_mirror_alone()
{
	judge a_blank_disk_becomes_a_mirror
	boot_disks fallback 'firmware_gets_a_boot_entry the_loader_gets_an_entry_for_once' \
		variables mirror
	judge firmware_starts_the_mirror_without_a_boot_entry
	judge a_type_1_entry_of_the_mirror_boots
	judge the_loader_counts_down_on_the_mirror
	boot_disks uki '' variables mirror
	judge a_boot_entry_starts_the_mirrors_loader
	judge a_uki_of_the_mirror_boots
}

the_system_was_started_from_the_primary()
{
	has_fact both partition "$PRIMARY_UUID"
	has_fact both entry 7.0.2
}

both_have_the_same_entries()
{
	has_names primary /loader/entries "$TOKEN-7.0.1+3.conf" "$TOKEN-7.0.2.conf"
	has_names mirror /loader/entries "$TOKEN-7.0.1+3.conf" "$TOKEN-7.0.2.conf"
}

both_have_the_same_contents()
{
	local name

	for name in primary mirror; do
		mkdir "$SCRATCH/$name"
		mcopy -s -n -i "$SCRATCH/$name.disk@@1M" ::/EFI ::/loader/entries \
			::/loader/loader.conf "::/$TOKEN" "$SCRATCH/$name"
	done
	diff -r "$SCRATCH/primary" "$SCRATCH/mirror"
}

# seed_of NAME: as text.
seed_of()
{
	mtype -i "$SCRATCH/$1.disk@@1M" ::/loader/random-seed | xxd -p -c 64
}

each_has_a_seed_of_its_own()
{
	local primary mirror

	primary=$(seed_of primary)
	mirror=$(seed_of mirror)
	((${#primary} == 64 && ${#mirror} == 64)) || fail "not of 32 bytes: $primary $mirror"
	[[ $primary != "$mirror" ]] || fail "one seed for both"
}

# the_mirror_has_another_seed_than SEED: nobody but the sync could change it.
the_mirror_has_another_seed_than()
{
	[[ $(seed_of mirror) != "$1" ]] || fail "it is the same"
}

# the_mirror_boots DISK VERSION
the_mirror_boots()
{
	has_fact "$1" partition "$MIRROR_UUID"
	has_fact "$1" entry "$2"
}

nothing_is_counted_any_more()
{
	has_fact blessed selected "$TOKEN-7.0.2.conf"
	has_names blessed /loader/entries "$TOKEN-7.0.1+3.conf" "$TOKEN-7.0.2.conf"
}

both_disks()
{
	local seed

	seed=$(seed_of mirror || :)
	boot_disks both what_was_blessed_is_synced variables-both primary mirror
	judge the_system_was_started_from_the_primary
	judge both_have_the_same_entries
	judge both_have_the_same_contents
	judge each_has_a_seed_of_its_own
	judge the_mirror_has_another_seed_than "$seed"
	cp --sparse=always "$SCRATCH/mirror.disk" "$SCRATCH/blessed.disk"
	boot_alone blessed
	await_boots
	judge the_mirror_boots blessed 7.0.2
	judge nothing_is_counted_any_more
}

find_machine
need_firmware
need_loader
need_tools sfdisk objcopy mdir xxd
use_memory 1500
need_space 1500
make_scratch

mkdir -p "$LOGS"
rm -f "$LOGS"/*.log
install_program
make_initrd "$SOURCE/cases"
make_disks
the_mirror_alone
both_disks
power_cuts
judge_cases host fallback uki both blessed upgrade cut-prepared cut-kernel cut-entry || exit 1
