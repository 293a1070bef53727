#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What cannot be synced: each gives one message that names the volume and the reason, the right
# exit status, and changes not one byte of any image.

set -u

: "${FATESPSYNC:?names the program to test}"
LC_ALL=C.UTF-8 TZ=UTC MTOOLSRC=/dev/null
export LC_ALL TZ MTOOLSRC
PATH=$PATH:/usr/sbin:/sbin
for tool in mkfs.fat mcopy mmd mshowfat sfdisk; do
	command -v "$tool" >/dev/null || {
		echo "no $tool: skipped"
		exit 77
	}
done

FATESPSYNC=$(realpath -s "$FATESPSYNC") || exit 1
scratch=$(mktemp -d "${TMPDIR:-/tmp}/test-bad-input.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cd "$scratch" || exit 1
failed=0

# ---- helpers ----

die() {
	echo "cannot go on: $*" >&2
	exit 1
}

# fail TEXT: note a failure, with what the last run printed.
fail() {
	echo "FAIL: $*"
	echo "  command: $last"
	sed 's/^/  stdout: /' out
	sed 's/^/  stderr: /' err
	failed=1
}

skipped() {
	echo "skipped: $*"
}

have() {
	command -v "$1" >/dev/null && return
	skipped "$2: no $1"
	return 1
}

# new: fresh copies of the two sound volumes, and no others.
new() {
	rm -rf ./*.img ./*.txt
	cp --sparse=always ../"$base"/good-primary p.img || die "no space"
	cp --sparse=always ../"$base"/good-mirror m.img || die "no space"
}

sums() {
	find . -maxdepth 1 \( -name '*.img' -o -name '*.txt' \) -type f -exec b2sum {} + | sort
}

# What the program is run under: nothing, or the command that makes us another user.
user=

# refused STATUS REGEX ARGUMENT...: the run fails with this status; stderr has one line, which
# matches REGEX without regard to case; no image is changed.
refused() {
	status=$1 regex=$2
	shift 2
	last="${user:+$user }fatespsync $*"
	sums >sums.before
	# shellcheck disable=SC2086 # $user is several words
	$user "$FATESPSYNC" "$@" >out 2>err
	got=$?
	sums >sums.after
	[ "$got" -eq "$status" ] || fail "exit status $got, not $status"
	[ "$(wc -l <err)" -eq 1 ] || fail "not one line on stderr"
	grep -Eiq -e "$regex" err || fail "stderr does not match: $regex"
	cmp -s sums.before sums.after || fail "an image was changed"
}

# refused_both NAME REGEX: the volume NAME is refused as primary, and as mirror.
refused_both() {
	refused 3 "$1: .*($2)" --primary="$1" sync m.img
	refused 4 "$1: .*($2)" --primary=p.img sync "$1"
}

# ---- reading and damaging FAT16 volumes ----

# number IMAGE OFFSET BYTES: a little-endian number.
number() {
	od -An -v --endian=little -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# poke IMAGE OFFSET BYTE...: bytes in hexadecimal.
poke() {
	image=$1 offset=$2
	shift 2
	printf '%s' "$@" | xxd -r -p |
		dd of="$image" bs=1 seek="$offset" conv=notrunc status=none || die "dd"
}

# set_fat IMAGE CLUSTER VALUE: in every FAT copy of a FAT16 volume.
set_fat() {
	sector=$(number "$1" 11 2)
	fat=$(($(number "$1" 14 2) * sector))
	length=$(($(number "$1" 22 2) * sector))
	copies=$(number "$1" 16 1)
	while [ "$copies" -gt 0 ]; do
		copies=$((copies - 1))
		poke "$1" $((fat + copies * length + $2 * 2)) \
			"$(printf '%02x%02x' $(($3 % 256)) $(($3 / 256)))"
	done
}

# clusters IMAGE PATH: first and last cluster of a file in one piece: "5 44".
clusters() {
	text=$(mshowfat -i "$1" "::$2") || die "mshowfat $2"
	text=${text##*<} text=${text%%>*}
	echo "${text%-*} ${text#*-}"
}

first_cluster() {
	set -- "$(clusters "$@")"
	echo "${1% *}"
}

last_cluster() {
	set -- "$(clusters "$@")"
	echo "${1#* }"
}

# offset_of IMAGE TEXT: where TEXT stands first, in bytes.
offset_of() {
	place=$(grep -abo -m 1 -e "$2" "$1" | head -n 1)
	[ -n "$place" ] || die "no '$2' in $1"
	echo "${place%%:*}"
}

# ---- the sound volumes ----

# fill IMAGE GENERATION: a small ESP; files of two generations differ.
fill() {
	mkdir -p tree/loader/entries tree/EFI/Linux tree/EFI/BOOT
	echo "timeout $2" >tree/loader/loader.conf
	echo "title $2" >tree/loader/entries/one.conf
	echo first >tree/loader/AAA.CFG
	echo second >tree/loader/BBB.CFG
	seq "$2" 7000 >tree/EFI/Linux/kernel.efi
	seq "$2" 3000 >tree/EFI/Linux/other.efi
	echo boot >tree/EFI/BOOT/BOOTX64.EFI
	echo foreign >tree/foreign.txt
	mcopy -s -i "$1" tree/loader tree/EFI tree/foreign.txt :: || die "mcopy"
	rm -rf tree
}

# volume IMAGE SIZE [OPTION...]: an empty FAT16 volume with two FAT copies.
volume() {
	image=$1 size=$2
	shift 2
	truncate -s "$size" "$image" || die "truncate"
	mkfs.fat -F 16 -s 1 -S 512 "$@" "$image" >mkfs.log 2>&1 || die "$(cat mkfs.log)"
}

base=good
mkdir "$base" run || exit 1
volume $base/good-primary 2304K -i 11111111
fill $base/good-primary 1
volume $base/good-mirror 2304K -i 22222222
fill $base/good-mirror 2
cd run || exit 1

# The cases below mean nothing if these two are not synced.
new
last="fatespsync --primary=p.img sync m.img"
"$FATESPSYNC" --primary=p.img diff m.img >out 2>err
[ $? -eq 1 ] || fail "the sound volumes do not differ"
"$FATESPSYNC" --primary=p.img sync m.img >out 2>err || fail "the sound volumes are not synced"
[ ! -s err ] || fail "stderr is not empty"

# ---- no volume at all ----

test_missing_file() {
	new
	refused 3 'nothing\.img: .*no such file' --primary=nothing.img sync m.img
	refused 4 'nothing\.img: .*no such file' --primary=p.img sync nothing.img
	refused 3 'PARTUUID=00000000-ffff-.*no ' \
		--primary=PARTUUID=00000000-ffff-4000-8000-000000000000 sync m.img
	refused 3 'no/p\.img: .*no such file' --primary=no/p.img sync m.img
}

test_no_permission() {
	new
	chmod 000 p.img
	if [ "$(id -u)" -eq 0 ]; then
		have setpriv "no permission" || return
		user="setpriv --reuid=65534 --regid=65534 --clear-groups"
		chmod 755 "$scratch"
		chmod 666 m.img
		if ! $user "$FATESPSYNC" --version >/dev/null 2>&1; then
			skipped "no permission: nobody cannot run $FATESPSYNC"
			user=
			return
		fi
	fi
	# the checksums are taken by ourselves, whom the file refuses too unless we are root
	if [ -n "$user" ]; then
		refused 3 'p\.img: .*permission denied' --primary=p.img sync m.img
		refused 4 'p\.img: .*permission denied' --primary=m.img sync p.img
	else
		"$FATESPSYNC" --primary=p.img sync m.img >out 2>err
		got=$? last="fatespsync --primary=p.img sync m.img"
		[ $got -eq 3 ] || fail "exit status $got, not 3"
		grep -Eiq 'p\.img: .*permission denied' err || fail "no reason on stderr"
	fi
	user=
}

test_directory() {
	new
	mkdir -p mounted
	refused_both mounted 'is a directory'
	rmdir mounted
}

test_text_file() {
	new
	echo "all: world" >short.txt
	seq 1 100000 >long.txt
	refused_both short.txt 'text'
	refused_both long.txt 'text'
}

test_empty_image() {
	new
	: >empty.img
	truncate -s 2304K zero.img
	refused_both empty.img '0 bytes'
	refused_both zero.img 'zero'
}

test_truncated_image() {
	new
	head -c 1M ../$base/good-primary >half.img
	head -c 300 ../$base/good-primary >tiny.img
	head -c 512 ../$base/good-primary >boot.img
	refused_both half.img 'truncated|missing'
	refused_both tiny.img '300 bytes'
	refused_both boot.img 'truncated|missing'
}

test_other_file_systems() {
	new
	truncate -s 8M other.img
	if have mkfs.ext4 ext4; then
		mkfs.ext4 -q -F other.img >mkfs.log 2>&1 || die "$(cat mkfs.log)"
		refused_both other.img 'ext4'
	fi
	truncate -s 0 other.img && truncate -s 8M other.img
	if have mkfs.exfat exFAT; then
		mkfs.exfat other.img >mkfs.log 2>&1 || die "$(cat mkfs.log)"
		refused_both other.img 'exFAT'
	fi
	truncate -s 0 other.img && truncate -s 8M other.img
	if have mkfs.ntfs NTFS; then
		mkfs.ntfs -q -F other.img >mkfs.log 2>&1 || die "$(cat mkfs.log)"
		refused_both other.img 'NTFS'
	fi
}

# Where a version 0.90 superblock of md stands: in the last whole 64 KiB but one.
test_raid_member() {
	new
	size=$(stat -c %s p.img)
	cp p.img raid.img
	truncate -s $((size + 131072)) raid.img
	poke raid.img $((size + 65536)) fc4e2ba9 00000000 5a000000
	refused_both raid.img 'RAID'
}

# ---- partition tables ----

# disk IMAGE < SFDISK: a disk image of 16 MiB.
disk() {
	rm -f "$1"
	truncate -s 16M "$1"
	sfdisk -q "$1" >sfdisk.log 2>&1 || die "$(cat sfdisk.log)"
}

test_no_esp() {
	new
	printf 'label: gpt\n,5M,L\n,,L\n' | disk gpt.img
	printf 'label: dos\n,5M,c\n,,83\n' | disk mbr.img
	printf 'label: gpt\n' | disk bare.img
	refused_both gpt.img 'no EFI System Partition'
	refused_both mbr.img 'no EFI System Partition'
	refused_both bare.img 'no EFI System Partition'
	refused 3 'gpt\.img.*no partition 7' --primary=gpt.img:7 sync m.img
	refused 3 'gpt\.img.*partition number' --primary=gpt.img:0 sync m.img
	refused 3 'p\.img.*no partition 1' --primary=p.img:1 sync m.img
}

test_several_esps() {
	new
	printf 'label: gpt\n,5M,U\n,2M,L\n,,U\n' | disk two.img
	refused_both two.img 'several.*1, 3'
}

test_esp_without_fat() {
	new
	printf 'label: gpt\n,5M,U\n' | disk hollow.img
	refused_both hollow.img 'zero'
	refused 3 'hollow\.img:1: .*zero' --primary=hollow.img:1 sync m.img
}

test_truncated_disk() {
	new
	printf 'label: dos\n,12M,ef\n' | disk cut.img
	truncate -s 8M cut.img
	refused_both cut.img 'truncated|beyond'
}

# ---- damaged volumes; offsets are those of the FAT specification ----

test_bpb_says_more_than_there_is() {
	new
	cp p.img large.img
	poke large.img 19 ffff
	refused_both large.img 'truncated|missing|FAT is too small'
	cp p.img large.img
	truncate -s -512 large.img
	refused_both large.img 'truncated|missing'
}

test_bpb_contradicts_itself() {
	new
	cp p.img odd.img
	poke odd.img 13 03
	refused_both odd.img 'sectors per cluster|no FAT'
	cp p.img odd.img
	poke odd.img 22 0100
	refused_both odd.img 'FAT is too small'
	cp p.img odd.img
	poke odd.img 17 0000
	refused_both odd.img 'root directory'
}

test_looped_chain() {
	new
	cp p.img loop.img
	set_fat loop.img "$(last_cluster loop.img /EFI/Linux/kernel.efi)" \
		"$(first_cluster loop.img /EFI/Linux/kernel.efi)"
	refused_both loop.img 'kernel\.efi.*(cluster|loop)'
	cp p.img loop.img
	set_fat loop.img "$(first_cluster loop.img /loader)" "$(first_cluster loop.img /loader)"
	refused_both loop.img 'loader.*(cluster|loop)'
}

test_cross_linked_chains() {
	new
	cp p.img cross.img
	set_fat cross.img "$(last_cluster cross.img /EFI/Linux/kernel.efi)" \
		"$(last_cluster cross.img /EFI/Linux/other.efi)"
	refused_both cross.img '(kernel|other)\.efi.*cluster'
}

test_chain_out_of_range() {
	new
	for value in 65000 1 0; do
		cp p.img range.img
		set_fat range.img "$(first_cluster range.img /EFI/Linux/kernel.efi)" $value
		refused_both range.img 'kernel\.efi.*cluster'
	done
}

test_damage_among_foreign_files() {
	new
	cp p.img range.img
	set_fat range.img "$(first_cluster range.img /foreign.txt)" 65000
	refused_both range.img 'foreign\.txt.*cluster'
}

test_duplicate_names() {
	new
	cp p.img twice.img
	poke twice.img "$(offset_of twice.img 'BBB     CFG')" 414141
	refused_both twice.img 'AAA\.CFG.*duplicate|duplicate.*AAA\.CFG'
}

# ---- volumes that are there twice ----

test_primary_as_its_own_mirror() {
	new
	ln -s p.img link.img
	ln p.img hard.img
	refused 4 'p\.img.*primary' --primary=p.img sync p.img
	refused 4 'p\.img.*primary' --primary=p.img sync ./p.img
	refused 4 'link\.img.*primary' --primary=p.img sync link.img
	refused 4 'hard\.img.*primary' --primary=p.img sync hard.img
	refused 4 'p\.img.*primary' --primary=link.img sync p.img
}

test_primary_in_a_disk_as_its_own_mirror() {
	new
	printf 'label: gpt\nstart=2048,size=8192,type=U\n' | disk disk.img
	dd if=p.img of=disk.img bs=512 seek=2048 conv=notrunc status=none
	refused 4 'disk\.img:1.*primary' --primary=disk.img sync disk.img:1
	refused 4 'disk\.img.*primary' --primary=disk.img:1 sync disk.img
}

test_same_mirror_twice() {
	new
	ln -s m.img link.img
	refused 4 'm\.img.*(twice|same|more than once)' --primary=p.img sync m.img m.img
	refused 4 '(m|link)\.img.*(twice|same|more than once)' --primary=p.img sync m.img link.img
}

# ---- mirrors that cannot take what the primary has ----

# The figure must lie between what the files alone need and that plus some directories.
test_mirror_too_small() {
	new
	seq 1 300000 >kernel.txt
	mcopy -i p.img kernel.txt ::/EFI/Linux/large.efi || die "mcopy"
	truncate -s 256K small.img
	mkfs.fat -F 12 -s 1 small.img >mkfs.log 2>&1 || die "$(cat mkfs.log)"
	least=$(($(stat -c %s kernel.txt) - 262144))
	most=$(($(stat -c %s kernel.txt) + 65536))
	refused 4 'small\.img.*[0-9]+ bytes' --primary=p.img sync small.img
	grep -Eo '[0-9]+' err >figures
	awk -v least="$least" -v most="$most" \
		'$1 >= least && $1 <= most { n = 1 } END { exit !n }' figures ||
		fail "no figure from $least to $most"
	grep -Eiq 'missing|too few|short|more' err || fail "nothing is said to be missing"
}

test_read_only_image() {
	new
	chmod 444 m.img
	refused 4 'm\.img: .*read-only' --primary=p.img sync m.img
	chmod 644 m.img
	chmod 444 p.img
	last="fatespsync --primary=p.img sync m.img"
	"$FATESPSYNC" --primary=p.img sync m.img >out 2>err ||
		fail "a read-only primary is not good enough"
}

test_foreign_of_the_other_kind() {
	new
	echo file >file.txt
	mcopy -i p.img file.txt ::/extra.cfg || die "mcopy"

	mmd -i m.img ::/extra.cfg || die "mmd"
	refused 4 'm\.img: .*/extra\.cfg' --primary=p.img --manage=/extra.cfg sync m.img

	volume efi.img 2304K
	mcopy -i efi.img file.txt ::/EFI || die "mcopy"
	refused 4 'efi\.img: .*/EFI' --primary=p.img sync efi.img

	volume loader.img 2304K
	mcopy -i loader.img file.txt ::/LOADER || die "mcopy"
	refused 4 'loader\.img: .*/loader' --primary=p.img sync loader.img
}

# ---- one bad mirror does not hold back the others ----

test_good_mirror_beside_a_bad_one() {
	new
	echo nothing >bad.txt
	sha256sum p.img bad.txt >before
	last="fatespsync --primary=p.img sync bad.txt m.img"
	"$FATESPSYNC" --primary=p.img sync bad.txt m.img >out 2>err
	got=$?
	[ $got -eq 4 ] || fail "exit status $got, not 4"
	[ "$(wc -l <err)" -eq 1 ] || fail "not one line on stderr"
	sha256sum p.img bad.txt | cmp -s - before || fail "an image was changed"
	"$FATESPSYNC" --primary=p.img diff m.img >out 2>err || fail "the good mirror is not synced"
}

test_missing_file
test_no_permission
test_directory
test_text_file
test_empty_image
test_truncated_image
test_other_file_systems
test_raid_member
test_no_esp
test_several_esps
test_esp_without_fat
test_truncated_disk
test_bpb_says_more_than_there_is
test_bpb_contradicts_itself
test_looped_chain
test_cross_linked_chains
test_chain_out_of_range
test_damage_among_foreign_files
test_duplicate_names
test_primary_as_its_own_mirror
test_primary_in_a_disk_as_its_own_mirror
test_same_mirror_twice
test_mirror_too_small
test_read_only_image
test_foreign_of_the_other_kind
test_good_mirror_beside_a_bad_one
exit $failed
