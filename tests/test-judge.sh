#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The judge of the end-to-end tests is not blind: it finds each of these faults in a mirror that
# it has just found right.

# shellcheck disable=SC2317
# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

# Each does one thing to $MIRROR that a sync must never do, or leaves out what it must do.
fault_changed_byte() { dd if=/dev/zero of="$MIRROR" bs=1 count=1 conv=notrunc status=none \
	seek=$(($(grep -abo -m 1 "$(head -c 40 "$PRIMARY.out/Linux/6.1.0-27.efi")" "$MIRROR" |
		head -n 1 | cut -d: -f1) + 5)); }
fault_changed_attribute() { mattrib +h -i "$MIRROR" ::/loader/plain.cfg; }
fault_changed_directory_attribute() { mattrib -h -i "$MIRROR" ::/loader/keys; }
fault_changed_time() { put_copy ::/loader/loader.conf ::/loader/loader.conf; }
fault_changed_case_of_a_name() { mren -i "$MIRROR" ::/loader/UPPER.CFG x.x &&
	mren -i "$MIRROR" ::/loader/x.x Upper.cfg; }
fault_missing_file() { mdel -i "$MIRROR" ::/EFI/Linux/equal.efi; }
fault_missing_empty_file() { mdel -i "$MIRROR" ::/loader/always-empty; }
fault_extra_file() { put_copy ::/loader/loader.conf ::/EFI/Linux/extra.efi; }
fault_extra_directory() { mmd -i "$MIRROR" ::/loader/keys/extra; }
fault_changed_foreign_file() { put_copy ::/loader/loader.conf ::/startup.nsh; }
fault_extra_foreign_file() { put_copy ::/loader/loader.conf ::/EFI/BOOT/extra; }
fault_moved_foreign_file() { mmove -i "$MIRROR" ::/startup.nsh ::/grub/; }
fault_foreign_attribute() { mattrib -h -i "$MIRROR" ::/startup.nsh; }
fault_copied_private_file() { put_copy ::/loader/random-seed ::/loader/random-seed; }
fault_copied_random_seed() { seed_of "$PRIMARY" | poke "$(find_seed)"; }
fault_removed_random_seed() { mdel -i "$MIRROR" ::/loader/random-seed; }
fault_removed_private_file() { mdel -i "$MIRROR" ::/loader/swtpm/tpm2-00.permall; }
fault_new_private_file() { put_copy ::/loader/loader.conf ::/loader/.#extra; }
fault_lost_cluster() { "$FATFILL" "$MIRROR" lose 1; }
fault_copies_differ() { "$FATFILL" "$MIRROR" differ 1; }
fault_orphaned_long_name() { "$FATFILL" "$MIRROR" orphan EFI/Linux/one-cluster.efi; }
fault_label() { mlabel -i "$MIRROR" ::OTHER; }
fault_serial() { mlabel -N 11112222 -i "$MIRROR" ::MIRROR; }
fault_dirty_flag() { printf '\001' | poke 65; }
fault_boot_code() { printf x | poke 200; }
fault_backup_boot_sector() { printf x | poke $((6 * 512 + 200)); }
fault_first_fat_entry() { printf '\360' | poke $((32 * 512)); }
fault_second_fat_entry() { printf '\367' | poke $((32 * 512 + 7)); }
fault_free_count() { printf '\001' | poke $((512 + 488)); }
fault_primary_written() { touch "$PRIMARY"; }

# poke OFFSET: bytes from stdin.
poke()
{
	dd of="$MIRROR" bs=1 seek="$1" conv=notrunc status=none
}

# number OFFSET BYTES: of the mirror's boot sector.
number()
{
	od -An -tu"$2" -j"$1" -N"$2" "$MIRROR"
}

# find_seed: where the mirror's stands. A search for its bytes would not do: one may be a newline.
find_seed()
{
	local cluster

	cluster=$(mshowfat -i "$MIRROR" ::/loader/random-seed | sed 's/.*<\([0-9]*\).*/\1/')
	echo $((($(number 14 2) + $(number 16 1) * $(number 36 4) + cluster - 2) * 512))
}

# put_copy SOURCE TARGET: from the primary, with another time.
put_copy()
{
	mcopy -o -n -i "$PRIMARY" "$1" "$SCRATCH/file" && touch -d 2020-01-01 "$SCRATCH/file" &&
		mcopy -o -m -i "$MIRROR" "$SCRATCH/file" "$2"
	rm -f "$SCRATCH/file"
}

need_tools mren mdel mmd mmove mlabel mshowfat
make_scratch
PRIMARY=$SCRATCH/primary.img
MIRROR=$SCRATCH/mirror.img
make_image "$PRIMARY" 32 512 1
make_image "$MIRROR" 32 512 1 0 A5A50001 MIRROR
make_primary "$PRIMARY" 512
make_mirror "$MIRROR" 512
sync_and_judge "$PRIMARY" "$MIRROR"
cmp -n 32 -i "$(find_seed):0" "$MIRROR" <(seed_of "$MIRROR")
cp --sparse=always "$MIRROR" "$SCRATCH/good"

missed=0
for fault in $(compgen -A function fault_); do
	cp --sparse=always "$SCRATCH/good" "$MIRROR"
	$fault
	if verdict=$(judge_after "$PRIMARY" "$MIRROR" 2>&1); then
		echo "NOT NOTICED: $fault"
		missed=1
	elif [[ $fault != fault_primary_written && $verdict == *'second sync'* ]]; then
		echo "NOT NOTICED but by the program itself: $fault: $verdict"
		missed=1
	fi
done
exit $missed
