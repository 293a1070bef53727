#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make-seeds.sh DIR: make the seed volumes of the fuzzers, with mkfs.fat, mtools and tests/fatfill
# ($FATFILL). Each is written as "od -A x -t x1" prints it: lines equal to the one before are left
# out, so that an empty FAT32 volume is a few lines, and anybody can read and compare them.

set -eu -o pipefail

export LC_ALL=C.UTF-8 TZ=UTC MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
export SOURCE_DATE_EPOCH=1750000000 PATH=$PATH:/usr/sbin:/sbin
: "${FATFILL:=./tests/fatfill}"

# path | on an old volume | on a new one. BYTES@NAME (C: the cluster size) are bytes that say NAME
# and where they stand, equal for equal names; "=TEXT" a line of text. Paths at the end are foreign.
TREES='
loader/loader.conf|=default arch*|=default debian*
loader/entries/arch+3.conf|=efi /EFI/Linux/arch.efi|-
loader/entries/arch+2-1.conf|-|=efi /EFI/Linux/arch.efi
loader/entries/debian-6.1.0-26-amd64.conf|=linux /EFI/Linux/6.1.0-26.efi|-
loader/entries/debian-6.1.0-27-amd64.conf|-|=linux /EFI/Linux/6.1.0-27.efi
loader/random-seed|32@seed|32@SEED
loader/keys/auto/PK.auth|C+1@PK|C@KEY
loader/empty|0@empty|0@empty
loader/übergröße 日本語.txt|40@text|41@text
EFI/Linux/6.1.0-26.efi|3*C+5@kernel26|-
EFI/Linux/6.1.0-27.efi|-|4*C+1@kernel27
EFI/Linux/arch.efi|2*C@arch|2*C@arch
EFI/Linux/old-name.efi|2*C+7@name|-
EFI/Linux/new name, a longer one.efi|-|2*C+7@name
EFI/Linux/arch.efi.extra.d/net.addon.efi|-|C@net
EFI/systemd/systemd-bootx64.efi|2*C+1@boot1|2*C+9@boot2
EFI/BOOT/BOOTX64.EFI|2*C@fallback|C@FALLBACK
EFI/Microsoft/Boot/boot manager.efi|C+2@windows|-
startup.nsh|33@nsh|-
A foreign file, übrig.txt|C+3@foreign|-
'

# print_bytes COUNT NAME: 16 bytes that name the sector, over and over.
print_bytes()
{
	local at sector

	for ((at = 0; at < $1; at += 512)); do
		printf -v sector '%-9.9s%06d\n' "$2" $((at / 512))
		sector=$sector$sector$sector$sector
		sector=$sector$sector$sector$sector
		printf '%.*s' $(($1 - at)) "$sector$sector"
	done
}

# make_tree DIR old|new CLUSTER_SIZE
make_tree()
{
	local path file old new spec day=2025-05-06 C=$3

	while IFS='|' read -r path old new; do
		spec=$new
		[[ $2 == new ]] || spec=$old
		[[ -n $path && $spec != - ]] || continue
		file=$1/$path
		mkdir -p "${file%/*}"
		case $spec in
		=*) printf '%s\n' "${spec#=}" ;;
		*) print_bytes $((${spec%@*})) "${spec#*@}" ;;
		esac >"$file"
	done <<<"$TREES"
	[[ $2 == new ]] || day=2025-03-04
	find "$1" -exec touch -d "$day 04:05:06" {} +
}

# make_volume NAME old|new|none CLUSTER_SIZE KIB MKFS_OPTION...
make_volume()
{
	local name=$1 tree=$2 size=$3 kib=$4

	image=$scratch/$name.img
	shift 4
	mkfs.fat -i 1234ABCD -n ESP -C "$@" "$image" "$kib" >/dev/null
	[[ $tree != none ]] || return 0
	make_tree "$scratch/tree" "$tree" "$size"
	(cd "$scratch/tree" && mcopy -s -p -m -n -i "$image" -- * ::)
	rm -r "$scratch/tree"
}

# add_file NAME: an empty one in the root, for fatfill.
add_file()
{
	: >"$scratch/$1"
	mcopy -m -i "$image" "$scratch/$1" ::
}

[[ $# == 1 ]] || { echo "usage: make-seeds.sh DIR" >&2; exit 2; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

make_volume fat12-old old 512 256 -F 12 -s 1 -r 32
make_volume fat12-new new 1024 384 -F 12 -s 2 -r 64
make_volume fat12-full old 512 128 -F 12 -s 1 -r 32
add_file FULL
"$FATFILL" "$image" fill FULL 9
make_volume fat12-half-done old 512 256 -F 12 -s 1 -r 32
"$FATFILL" "$image" lose 5
"$FATFILL" "$image" differ 3
"$FATFILL" "$image" orphan loader/entries/arch+3.conf
make_volume fat12-fragmented old 512 192 -F 12 -s 1 -r 32
add_file FRAGMENT
"$FATFILL" "$image" fragment FRAGMENT 60
make_volume fat12-one-copy new 512 256 -F 12 -s 1 -r 32 -f 1
make_volume fat12-4096 old 4096 1024 -F 12 -S 4096 -s 1 -r 128
make_volume fat16-old old 512 2200 -F 16 -s 1 -r 32
make_volume fat16-new new 512 2200 -F 16 -s 1 -r 32
make_volume fat16-empty none 512 2200 -F 16 -s 1 -r 16
make_volume fat32-old old 512 33600 -F 32 -s 1
make_volume fat32-new new 512 33600 -F 32 -s 1

for image in "$scratch"/*.img; do
	name=${image##*/}
	od -A x -t x1 "$image" >"$1/${name%.img}.od"
done
