#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Whether a machine could boot from the primary and from each mirror, and what else may keep it from
# that: in "status", text and JSON, and in "add".
#
#   test-bootable.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

XBOOTLDR_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172
NO_LOADER='no boot loader in /EFI/BOOT'
NO_ENTRY='no boot entry in /loader/entries or /EFI/Linux'
NO_COMPLETE='no complete boot entry in /loader/entries or /EFI/Linux'
FIRMWARE='UEFI asks for FAT32 on system partitions, and this firmware may not read it'
SYSTEMD_BOOT='MZ #### LoaderInfo: systemd-boot 252.39-1 ####'

# ---- disks ----

# put_kernel IMAGE: a whole type #1 entry.
put_kernel()
{
	make_dirs "$1" /token /token/6.1
	put_text "$1" /token/6.1/linux "$(seq 4000)"
	put_text "$1" /token/6.1/initrd "$(seq 2000)"
	put_text "$1" /loader/entries/token-6.1.conf "$(printf '%s\n' 'title One' \
		'linux /token/6.1/linux' 'initrd /token/6.1/initrd')"
}

# make_booting: a.img boots systemd-boot from its list with b.img.
make_booting()
{
	list_disks $A $B
	mdel -i a.img@@$OFFSET ::/loader/entries/one.conf ::/EFI/Linux/one.efi
	put_text a.img /EFI/BOOT/BOOTX64.EFI "$SYSTEMD_BOOT"
	put_kernel a.img
}

# take IMAGE PATH: away.
take()
{
	mdel -i "$1@@$OFFSET" "::$2"
}

# empty IMAGE PATH: a file without a byte, a little newer each time.
empty()
{
	printf x >>emptied
	: >empty
	touch -d "@$((1700000000 + 2 * $(wc -c <emptied)))" empty
	mcopy -m -D o -i "$1@@$OFFSET" empty "::$2"
	rm empty
}

# block NAME: of the report, what stands below its headline, into the file out.
block()
{
	run 0 "${STATUS[@]}"
	awk -v head="$1" '$0 == head { on = 1; next } /^[a-z]/ { on = 0 } on' out >block
	mv block out
}
STATUS=(status)

# warnings_are LINE...: the warnings in out are these.
warnings_are()
{
	local seen

	seen=$(sed -n 's/^  warning   //p' out)
	[[ $seen == "$(printf '%s\n' "$@")" ]] || complain "not the warnings: $*"
}

# boots_is TEXT: "yes", or "no: ...".
boots_is()
{
	grep -qxF "  boots     $1" out || complain "it does not say: boots $1"
}

# says IMAGE BOOTS WARNING...: the block of the mirror IMAGE; nothing on stderr.
says()
{
	local boots=$2 head="mirror $1:1"

	[[ $1 != a.img ]] || head="primary $1:1"
	block "$head"
	shift 2
	boots_is "$boots"
	warnings_are "FAT12: $FIRMWARE" "$@"
	no_err
}

# ---- yes and no ----

test_primary_and_mirror_boot()
{
	make_booting
	run 0
	no_err
	says a.img yes
	says b.img yes
	refused 0 --json=short status
	json '.primary.boots == true and (.primary | has("lacking") | not)' \
		".primary.notes == [\"FAT12: $FIRMWARE\"]" \
		'.mirrors[0] | .boots == true and (has("lacking") | not)' \
		".mirrors[0].notes == [\"FAT12: $FIRMWARE\"]"
}

test_a_primary_without_mirrors_is_judged()
{
	make_disks
	boot_from $A
	says a.img yes '/loader/entries/one.conf: names nothing to boot (linux, uki, efi)'
	take a.img /EFI/BOOT/BOOTX64.EFI
	take a.img /EFI/Linux/one.efi
	take a.img /loader/entries/one.conf
	says a.img "no: $NO_LOADER, $NO_ENTRY"
	refused 0 --json=short status
	json '.primary.boots == false and .mirrors == [] and .exitStatus == 0' \
		".primary.lacking == \"$NO_LOADER, $NO_ENTRY\""
}

test_without_a_loader_it_does_not_boot()
{
	make_booting
	run 0
	take b.img /EFI/BOOT/BOOTX64.EFI
	STATUS=(--exclude=/EFI/BOOT status)
	says b.img "no: $NO_LOADER"
	empty b.img /EFI/BOOT/BOOTX64.EFI
	block 'mirror b.img:1'
	boots_is 'no: the boot loader in /EFI/BOOT is empty'
	refused 0 --json=short "${STATUS[@]}"
	json '.mirrors[0] | .state == "in-sync" and .boots == false' \
		'.mirrors[0].lacking == "the boot loader in /EFI/BOOT is empty"'
}

# The primary's problem is no difference: a sync could do nothing about it.
test_in_sync_and_not_booting_is_in_sync()
{
	make_booting
	take a.img /token/6.1/linux
	run 0
	says a.img "no: $NO_COMPLETE" \
		'/loader/entries/token-6.1.conf: /token/6.1/linux (linux) is missing'
	says b.img "no: $NO_COMPLETE" \
		'/loader/entries/token-6.1.conf: /token/6.1/linux (linux) is missing'
	refused 0 --json=short status
	json '.exitStatus == 0 and .primary.boots == false' ".primary.lacking == \"$NO_COMPLETE\"" \
		".mirrors[0] | .state == \"in-sync\" and .lacking == \"$NO_COMPLETE\""
}

# ---- refused ----

# A mirror that has something of its own may be the one to boot from.
test_one_refused_for_its_own_files_is_judged()
{
	make_booting
	run 0
	put_text b.img /loader/entries/mine.conf $'linux /token/6.1/linux\ninitrd /token/none\n'
	refused 1 status
	out_has '^  state +refused: has files that came after' \
		'^  warning +/loader/entries/mine\.conf: /token/none \(initrd\) is missing$'
	[[ $(grep -c '^  boots     yes$' out) == 2 ]] || complain 'one does not boot'
	take b.img /token/6.1/linux
	refused 1 --json=short status
	json '.mirrors[0] | .state == "refused" and .boots == false' \
		".mirrors[0].lacking == \"$NO_COMPLETE\"" \
		'.mirrors[0].message | contains("has files that came after")'
}

test_one_without_room_is_judged()
{
	make_booting
	run 0
	write_bytes big $((SIZE - 700000)) 2
	mcopy -i b.img@@$OFFSET big ::/foreign
	write_bytes kernel 2000000 1
	mcopy -i a.img@@$OFFSET kernel ::/EFI/Linux/large.efi
	refused 1 --json=short status
	json '.mirrors[0] | .state == "refused" and .boots == true' \
		'.mirrors[0].message | contains("too little room") or contains("free")'
}

# That is what it may have been refused for.
test_one_that_is_damaged_is_not_judged()
{
	make_booting
	run 0
	damage b.img
	refused 1 --json=short status
	json '.mirrors[0] | .state == "refused" and (has("boots") | not) and .notes == []'
}

test_a_refused_newcomer_is_told_why_and_no_more()
{
	make_booting
	take a.img /loader/esp-sync
	write_bytes big $((SIZE - 700000)) 2
	mcopy -i b.img@@$OFFSET big ::/foreign
	write_bytes kernel 2000000 1
	mcopy -i a.img@@$OFFSET kernel ::/EFI/Linux/large.efi
	refused 4 add b.img
	err_lacks 'does not boot'
}

# ---- entries ----

test_what_is_missing_beside_a_complete_entry_is_a_warning()
{
	local why='/loader/entries/old.conf: /token/6.0/initrd (initrd) is missing'

	make_booting
	put_text a.img /loader/entries/old.conf $'linux /token/6.1/linux\ninitrd /token/6.0/initrd\n'
	run 0
	says a.img yes "$why"
	says b.img yes "$why"
	refused 0 --json=short status
	json ".primary | .boots and (.notes | index(\"$why\") != null)" \
		".mirrors[0] | .boots and (.notes | index(\"$why\") != null)"
}

test_a_mirror_that_lost_a_file_says_so_before_it_is_synced()
{
	make_booting
	run 0
	take b.img /token/6.1/initrd
	refused 1 status
	out_has '^  state +differs ' "^  boots +no: $NO_COMPLETE$" \
		'^  warning +/loader/entries/token-6\.1\.conf: /token/6\.1/initrd \(initrd\) is missing$'
	no_err
	run 0
	says b.img yes
}

test_blanks_in_initrd_are_read_both_ways()
{
	make_booting
	put_text a.img '/token/6.1/my initrd' one
	put_text a.img /token/6.1/ucode two
	put_text a.img /loader/entries/path.conf $'linux /token/6.1/linux\ninitrd /token/6.1/my initrd\n'
	put_text a.img /loader/entries/paths.conf \
		$'linux /token/6.1/linux\r\ninitrd\t/token/6.1/ucode  token/6.1/initrd \r\n'
	run 0
	says a.img yes
	says b.img yes
	take a.img /token/6.1/ucode
	take a.img '/token/6.1/my initrd'
	run 0
	says b.img yes '/loader/entries/path.conf: /token/6.1/my initrd (initrd) is missing' \
		'/loader/entries/paths.conf: /token/6.1/ucode (initrd) is missing'
}

test_kernels_and_images_without_a_byte_do_not_boot()
{
	make_booting
	empty a.img /token/6.1/linux
	empty a.img /EFI/Linux/one.efi
	run 0
	says b.img "no: $NO_COMPLETE" '/loader/entries/token-6.1.conf: /token/6.1/linux (linux) is empty' \
		'/EFI/Linux/one.efi: is empty'
}

# refuses_to_go_on: the mirror is the only one left that boots. "diff" and "status" say so, too.
refuses_to_go_on()
{
	cp b.img before.img
	refused 4
	err_has "^fatespsync: b\.img:1: there are complete boot entries on its disk, but none on the primary.s \(a\.img:1\): .*--primary=b\.img:1.*--force"
	refused 4 diff
	err_has "complete boot entries on its disk"
	refused 1 status
	out_has "^  state +refused: there are complete boot entries" "^  boots +yes$"
	cmp b.img before.img || complain "the mirror was written to"
}

test_a_primary_that_does_not_boot_takes_nothing_from_a_mirror_that_does()
{
	make_booting
	run 0
	cp a.img whole.img
	take a.img /token/6.1/linux
	refuses_to_go_on
	empty a.img /token/6.1/linux
	refuses_to_go_on
	cp whole.img a.img
	empty a.img /token/6.1/initrd
	refused 4
	err_has "line 3: initrd /token/6\.1/initrd: is empty, so this entry cannot be booted"
	refuses_to_go_on
	cp whole.img a.img
	take a.img /loader/entries/token-6.1.conf
	refuses_to_go_on
	put_text a.img /loader/entries/gone.conf "linux /gone/linux"
	refuses_to_go_on

	run 0 --force
	! mdir -b -i b.img@@$OFFSET ::/token >/dev/null 2>&1 || complain "the kernel is still there"
}

# A shim needs its second stage, which a mirror with systemd-boot does not have.
test_a_shim_alone_takes_no_boot_loader_from_a_mirror()
{
	make_booting
	run 0
	put_text a.img /EFI/BOOT/BOOTX64.EFI "$(printf 'UEFI SHIM\n$Version: 15.8 $')"
	cp b.img before.img
	refused 4
	err_has "^fatespsync: b\.img:1: its boot loader in /EFI/BOOT has something to start, but the primary.s \(a\.img:1\) would have nothing here: .*--primary=b\.img:1.*--force"
	refused 1 status
	out_has "^  state +refused: its boot loader" "^  boots +yes$"
	cmp b.img before.img || complain "the mirror was written to"
	put_text a.img /EFI/BOOT/grubx64.efi GRUB
	run 0
	says b.img yes
}

# What other boot loaders start is not looked into: that may be all that the primary has.
test_a_primary_that_boots_in_another_way_takes_a_disk_over()
{
	make_disks
	boot_from $A
	put_list a.img $A $B
	take a.img /loader/entries/one.conf
	take a.img /EFI/Linux/one.efi
	make_dirs a.img /EFI/debian
	put_text a.img /EFI/debian/grubx64.efi GRUB
	make_dirs b.img /EFI /EFI/Linux
	put_text b.img /EFI/Linux/old.efi old
	run 0 --manage=/EFI/debian
	no_err

	# From then on it is known where its entries come from.
	put_text a.img /EFI/Linux/new.efi new
	run 0 --manage=/EFI/debian
	take a.img /EFI/Linux/new.efi
	refused 4 --manage=/EFI/debian
	err_has "complete boot entries on its disk.*--primary=b\.img:1"
}

test_a_broken_primary_does_not_take_a_disk_over_that_boots()
{
	make_booting
	make_dirs b.img /EFI /EFI/Linux
	put_text b.img /EFI/Linux/old.efi old
	take a.img /token/6.1/linux
	refused 4
	err_has "complete boot entries on its disk, but none on the primary.s \(a\.img:1\)"
	err_lacks "--primary="
}

# What is left to boot on the primary is another system's, or finds its place kept: a mirror does not get it.
test_what_only_the_primary_can_boot_takes_nothing_from_a_mirror()
{
	make_booting
	make_dirs a.img /EFI/Microsoft /EFI/Microsoft/Boot
	put_text a.img /EFI/Microsoft/Boot/bootmgfw.efi windows
	put_text a.img /loader/entries/windows.conf "efi /EFI/Microsoft/Boot/bootmgfw.efi"
	run 0
	take a.img /token/6.1/linux
	refused 4
	err_has "complete boot entries on its disk, but those on the primary.s \(a\.img:1\) name files that are not mirrored: .*--force"
	refused 1 status
	out_has "^  state +refused: there are complete boot entries" "^  boots +yes$"

	put_text a.img /token/6.1/linux "$(seq 4000)"
	run 0
	put_text b.img /EFI/BOOT/BOOTX64.EFI GRUB
	put_text a.img /EFI/BOOT/vmlinuz kernel
	put_text a.img /loader/entries/token-6.1.conf "linux /EFI/BOOT/vmlinuz"
	refused 4
	err_has "name files that are not mirrored" "--force replaces it"
	run 0 --force
	run 0 status
	out_lacks "^  boots +no"
}

test_what_a_mirror_keeps_and_boots_from_is_no_reason_to_refuse()
{
	make_booting
	take a.img /loader/entries/token-6.1.conf
	put_text a.img /loader/entries/own.conf "linux /own/linux"
	run 0 --exclude=/own
	make_dirs b.img /own
	put_text b.img /own/linux kernel
	put_text a.img /loader/loader.conf "timeout 8"
	run 0 --exclude=/own
	[[ $(get_text b.img /own/linux) == kernel ]] || complain "the kernel is gone"
	put_text a.img /loader/entries/own.conf "linux /token/6.1/gone"
	refused 4 --exclude=/own
}

test_a_primary_with_another_kernel_takes_a_broken_one_along()
{
	make_booting
	make_dirs a.img /token/6.2
	put_text a.img /token/6.2/linux "$(seq 3000)"
	put_text a.img /loader/entries/token-6.2.conf "linux /token/6.2/linux"
	run 0
	empty a.img /token/6.1/linux
	run 0
	err_has "^fatespsync: a\.img:1: /loader/entries/token-6\.1\.conf: line 2: linux /token/6\.1/linux: is empty, so this entry cannot be booted"
	says b.img yes "/loader/entries/token-6.1.conf: /token/6.1/linux (linux) is empty"
}

test_an_image_alone_boots()
{
	make_booting
	mdeltree -i a.img@@$OFFSET ::/loader/entries ::/token
	put_text a.img /EFI/Linux/one.efi "$(seq 1000)"
	run 0
	says a.img yes
	says b.img yes
}

# ---- with an XBOOTLDR ----

# pair_disk IMAGE UUID: an ESP and an XBOOTLDR, 3 MiB each, at 1 MiB and 4 MiB.
pair_disk()
{
	make_gpt "$1" "start=2048, size=6144, type=$ESP_TYPE, uuid=$2" \
		"start=8192, size=6144, type=$XBOOTLDR_TYPE"
	make_fat "$1" ABCD0001 ESP $MIB $((3 * MIB))
	make_fat "$1" ABCD0002 BOOT $((4 * MIB)) $((3 * MIB))
}

on_xbootldr()
{
	local OFFSET=$((4 * MIB))

	"$@"
}

# make_pairs: the loader of a.img is on its ESP, the rest on its XBOOTLDR.
make_pairs()
{
	pair_disk a.img $A
	pair_disk b.img $B
	make_dirs a.img /EFI /EFI/BOOT
	put_text a.img /EFI/BOOT/BOOTX64.EFI "$SYSTEMD_BOOT"
	make_dirs a.img /loader
	put_list a.img $A $B
	boot_from $A
	on_xbootldr make_dirs a.img /loader /loader/entries
	on_xbootldr put_kernel a.img
	DISKS=(--disk=a.img --disk=b.img)
}

test_entries_on_an_xbootldr_have_their_files_there()
{
	local why='/loader/entries/token-6.1.conf: /token/6.1/linux (linux) is missing'

	make_pairs
	run 0
	says a.img yes
	says b.img yes
	refused 0 --json=short status
	json ".primaryXbootldr.notes == [\"FAT12: $FIRMWARE\"]" '.primaryXbootldr | has("boots") | not' \
		".mirrors[0].xbootldr.notes == [\"FAT12: $FIRMWARE\"]" \
		'.mirrors[0] | .boots and (.xbootldr | has("boots") | not)'

	# on the ESP it is of no use
	make_dirs a.img /token /token/6.1
	put_text a.img /token/6.1/linux "$(seq 4000)"
	on_xbootldr take a.img /token/6.1/linux
	run 0 --force
	says a.img "no: $NO_COMPLETE"
	says b.img "no: $NO_COMPLETE"
	block 'primary a.img:2 (XBOOTLDR of a.img:1)'
	warnings_are "FAT12: $FIRMWARE" "$why"
	block 'mirror b.img:2 (XBOOTLDR of b.img:1)'
	warnings_are "FAT12: $FIRMWARE" "$why"
	refused 0 --json=short status
	json ".primaryXbootldr.notes[1] == \"$why\"" ".mirrors[0].xbootldr.notes[1] == \"$why\"" \
		'.primary.boots == false and .mirrors[0].boots == false'
}

test_a_primary_with_an_xbootldr_and_without_mirrors()
{
	make_pairs
	take a.img /loader/esp-sync
	says a.img yes
	block 'primary a.img:2 (XBOOTLDR of a.img:1)'
	warnings_are "FAT12: $FIRMWARE"
}

test_both_are_judged_when_one_of_them_is_refused()
{
	make_pairs
	run 0
	on_xbootldr put_text b.img /loader/entries/mine.conf 'linux /none'
	refused 1 --json=short status
	json '.mirrors[0] | .boots and .xbootldr.state == "refused"' \
		'.mirrors[0].xbootldr.notes | index("/loader/entries/mine.conf: /none (linux) is missing") != null' \
		'.mirrors[0].xbootldr.message | contains("has files that came after")'
	on_xbootldr take b.img /token/6.1/linux
	refused 1 status
	out_has "^  boots +no: $NO_COMPLETE$"
}

# Boot loaders read the XBOOTLDR of their disk, whichever ESP of it they are on.
test_a_second_esp_of_the_disk_shares_its_xbootldr()
{
	make_pairs
	make_gpt c.img "start=2048, size=6144, type=$ESP_TYPE, uuid=$C" \
		"start=8192, size=6144, type=$XBOOTLDR_TYPE" "start=14336, size=4096, type=$ESP_TYPE"
	cut_out a.img both $MIB $((6 * MIB))
	paste_in c.img both $MIB
	make_fat c.img ABCD0003 ESP $((7 * MIB)) $((2 * MIB))
	DISKS=(--disk=c.img)
	run 0 --primary=c.img:1 c.img:3
	run 0 --primary=c.img:1 status c.img:3
	[[ $(grep -c '^  boots     yes$' out) == 2 ]] || complain 'one does not boot'
	out_lacks 'XBOOTLDR of c\.img:3'
}

# ---- room, firmware ----

test_too_little_room_for_one_more_kernel()
{
	local free needed=614400

	make_booting
	write_bytes kernel 613000 1
	mcopy -i a.img@@$OFFSET kernel ::/EFI/Linux/large.efi
	run 0
	says b.img yes
	write_bytes big $((SIZE - 1200000)) 2
	mcopy -i b.img@@$OFFSET big ::/foreign
	refused 0 --json=short status
	free=$(jq '.mirrors[0].volume.free' out)
	((free < needed)) || fail "$free bytes are free: the test does not try what it should"
	says a.img yes
	says b.img yes \
		"no room for a further kernel: $free bytes are free, the largest one here takes $needed"
}

# type_is WARNING MKFS-OPTION...: of a mirror made so.
type_is()
{
	local warning=$1
	shift

	make_booting
	make_fat b.img BBBB0002 'ESP B' $OFFSET $SIZE "$@"
	run 0
	no_err
	block 'mirror b.img:1'
	boots_is yes
	warnings_are "$warning"
}

test_file_systems_that_firmware_may_not_read()
{
	type_is "FAT16: $FIRMWARE" -F 16 -s 1
	type_is 'FAT32 with only 16100 clusters: this firmware may not read it, much of it takes fewer than 65525 for damage; format it with smaller clusters' \
		-F 32 -s 1
	run 0 --json=short status
	json '.mirrors[0].notes | length == 1 and (.[0] | startswith("FAT32 with only 16100 clusters"))'
}

test_fat32_of_the_usual_size_has_no_warning()
{
	SIZE=$((40 * MIB)) make_booting
	SIZE=$((40 * MIB)) make_gpt b.img "start=2048, size=81920, type=$ESP_TYPE, uuid=$B"
	make_fat b.img BBBB0002 'ESP B' $OFFSET $((40 * MIB)) -F 32 -s 1
	run 0
	block 'mirror b.img:1'
	boots_is yes
	warnings_are
}

test_sectors_unlike_those_of_the_disk()
{
	make_booting
	make_gpt4096 b.img $B
	make_fat b.img BBBB0002 'ESP B' $OFFSET $SIZE -S 4096 -s 1
	run 0
	says b.img yes
	make_fat b.img BBBB0002 'ESP B'
	run 0
	says b.img yes 'the file system has sectors of 512 bytes, the disk has sectors of 4096: Linux does not mount that, and this firmware may not read it'
	make_booting
	make_fat b.img BBBB0002 'ESP B' $OFFSET $SIZE -S 4096 -s 1
	run 0
	says b.img yes 'the file system has sectors of 4096 bytes, the disk has sectors of 512: Windows does not mount that, and this firmware may not read it'
}

# ---- another boot loader ----

# once REGEX FILE: stands there, and on one line only.
once()
{
	[[ $(grep -Ec "$1" "$2") == 1 ]] || complain "$2 has not one line like: $1"
}

test_a_mirror_that_would_start_something_else()
{
	make_booting
	make_dirs b.img /EFI /EFI/BOOT
	put_text b.img /EFI/BOOT/BOOTX64.EFI GRUB
	run 0
	block 'mirror b.img:1'
	boots_is yes
	once 'warning +/EFI/BOOT/BOOTX64\.EFI.* start something else' out
	no_err
	STATUS=(--exclude=/EFI/BOOT status)
	says b.img yes '/EFI/BOOT/BOOTX64.EFI would start something else: it is neither systemd-boot nor shim, on the primary it is systemd-boot'
	run 0 --force
	STATUS=(status)
	says b.img yes
}

# What the primary starts now is not mirrored, so the mirror starts what it got before.
test_a_primary_that_starts_something_else_now()
{
	make_booting
	run 0
	put_text a.img /EFI/BOOT/BOOTX64.EFI GRUB
	run 0
	says b.img yes '/EFI/BOOT/BOOTX64.EFI would start something else: it is systemd-boot, on the primary it is neither systemd-boot nor shim'
}

# That is what a power cut leaves of one that was copied through a mount: nobody misses it.
test_a_boot_loader_without_a_byte_is_replaced()
{
	make_booting
	make_dirs b.img /EFI /EFI/BOOT
	empty b.img /EFI/BOOT/BOOTX64.EFI
	run 0
	no_err
	says b.img yes
	empty b.img /EFI/BOOT/BOOTX64.EFI
	refused 1 status
	out_has "^  boots +no: the boot loader in /EFI/BOOT is empty$"
	no_err
	run 0
	no_err
	says b.img yes
}

test_a_mirror_for_another_machine()
{
	make_booting
	make_dirs b.img /EFI /EFI/BOOT
	put_text b.img /EFI/BOOT/BOOTAA64.EFI "$SYSTEMD_BOOT"
	run 0 --exclude=/EFI/BOOT
	STATUS=(--exclude=/EFI/BOOT status)
	says b.img yes 'there is no /EFI/BOOT/BOOTX64.EFI, which on the primary is systemd-boot: a machine that starts from there would start nothing from this disk'
}

# ---- other verbs ----

test_add_tells_what_to_expect_of_the_new_one()
{
	make_booting
	take a.img /loader/esp-sync
	make_dirs b.img /EFI /EFI/BOOT
	put_text b.img /EFI/BOOT/BOOTX64.EFI GRUB
	run 0 add b.img
	once '^fatespsync: b\.img:1: /EFI/BOOT/BOOTX64\.EFI.* start something else' err
	once "^fatespsync: b\.img:1: FAT12: " err
	err_lacks 'does not boot|a\.img'
	take b.img /EFI/BOOT/BOOTX64.EFI
	run 0 --json=short add --exclude=/EFI/BOOT b.img
	err_has "^fatespsync: b\.img:1: does not boot: $NO_LOADER$"
	json ".mirrors[0] | .boots == false and .lacking == \"$NO_LOADER\"" \
		".mirrors[0].notes == [\"FAT12: $FIRMWARE\"]"
	run 0 -q add --exclude=/EFI/BOOT c.img
	no_err
	no_out
}

# What a sync will bring is not there yet.
test_add_tried_dry_does_not_judge()
{
	make_booting
	take a.img /loader/esp-sync
	run 1 -n add b.img
	no_err
}

test_sync_and_diff_do_not_judge()
{
	make_booting
	refused 1 diff
	no_err
	refused 1 --json=short diff
	json ".mirrors[0] | .boots == false and .lacking == \"$NO_LOADER, $NO_ENTRY\" and .notes == []" \
		'.primary | has("boots") or has("notes") | not'
	run 0 --json=short
	no_err
	json '.mirrors[0] | .notes == [] and (has("boots") | not)'
}

run_cases "$@"
