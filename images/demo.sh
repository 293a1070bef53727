#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# demo.sh [DIR]: three disk images with a GPT and an ESP each, of different geometry, are brought
# in sync, and programs that have nothing to do with fatespsync look at the result. With DIR the
# images stay there.

set -euo pipefail

export LC_ALL=C.UTF-8 MTOOLSRC=/dev/null
export PATH=$PATH:/usr/sbin:/sbin
: "${FATESPSYNC:=./tools/fatespsync}"

for tool in sfdisk mkfs.fat fsck.fat mcopy mattrib mlabel; do
	command -v "$tool" >/dev/null || {
		echo "no $tool: skipped"
		exit 77
	}
done
[[ -x $FATESPSYNC ]] || {
	echo "$FATESPSYNC is not there" >&2
	exit 1
}
FATESPSYNC=$(realpath -s "$FATESPSYNC")

if (($# > 0)); then
	mkdir -p "$1"
	dir=$(realpath "$1")
else
	dir=$(mktemp -d "${TMPDIR:-/tmp}/fatespsync-demo.XXXXXXXX")
	trap 'rm -rf "$dir"' EXIT
	trap 'exit 129' HUP INT TERM
fi
cd "$dir"

say()
{
	printf '\n## %s\n' "$*"
}

# run EXPECTED_STATUS ARGUMENT...
run()
{
	local expected=$1 status=0
	shift

	echo "\$ fatespsync $*"
	"$FATESPSYNC" "$@" || status=$?
	[[ $status == "$expected" ]] || {
		echo "exit status $status, not $expected" >&2
		exit 1
	}
}

# make_disk IMAGE MIB TYPE SECTOR SECTORS_PER_CLUSTER SERIAL LABEL: the ESP begins at 1 MiB.
make_disk()
{
	rm -f "$1"
	truncate -s $(($2 + 2))M "$1"
	printf 'label: gpt\nstart=2048, size=%dM, type=U, name=ESP\n' "$2" | sfdisk -q "$1"
	mkfs.fat --offset=$((1024 * 1024 / $4)) -F "$3" -S "$4" -s "$5" -i "$6" -n "$7" \
		"$1" $(($2 * 1024)) >mkfs.log 2>&1 || {
		cat mkfs.log >&2
		exit 1
	}
	rm mkfs.log
}

# make_file PATH KIB TEXT: contents that begin with TEXT.
make_file()
{
	mkdir -p "${1%/*}"
	yes "$3" | head -c $(($2 * 1024)) >"$1" || true
}

make_entry()
{
	mkdir -p tree/loader/entries
	printf 'title   Debian GNU/Linux\nversion %s\nlinux   /EFI/Linux/%s\n' "$1" "$2" \
		>"tree/loader/entries/0123456789abcdef0123456789abcdef-$1.conf"
}

# fill_disk IMAGE DATE: move what is in tree/ to its ESP. All of it has this time, so that what differs does
# not depend on how fast this runs.
fill_disk()
{
	find tree -exec touch -d "$2 12:00" {} +
	mcopy -s -m -i "$1@@1M" tree/* ::
	rm -rf tree
}

make_primary()
{
	make_disk disk1.img 96 32 512 1 1111AAAA PRIMARY
	make_file tree/EFI/BOOT/BOOTX64.EFI 120 '#### LoaderInfo: systemd-boot 257 ####'
	make_file tree/EFI/systemd/systemd-bootx64.efi 120 '#### LoaderInfo: systemd-boot 257 ####'
	make_file tree/EFI/Linux/debian-6.12.48.efi 14000 'kernel 6.12.48'
	make_file tree/EFI/Linux/debian-6.12.57+3.efi 15000 'kernel 6.12.57'
	make_entry 6.12.48 debian-6.12.48.efi
	make_entry 6.12.57 debian-6.12.57+3.efi
	printf 'timeout 3\ndefault 0123456789abcdef*\n' >tree/loader/loader.conf
	printf 'type1\n' >tree/loader/entries.srel
	head -c 32 /dev/urandom >tree/loader/random-seed
	fill_disk disk1.img 2026-11-20
}

# A mirror that was in use a kernel ago, beside another system.
make_old_mirror()
{
	make_disk disk2.img 80 16 2048 2 2222BBBB BACKUP
	make_file tree/EFI/Microsoft/Boot/bootmgfw.efi 1500 'Windows Boot Manager'
	make_file tree/EFI/BOOT/BOOTX64.EFI 110 '#### LoaderInfo: systemd-boot 256 ####'
	make_file tree/EFI/systemd/systemd-bootx64.efi 110 '#### LoaderInfo: systemd-boot 256 ####'
	make_file tree/EFI/Linux/debian-6.12.43.efi 13000 'kernel 6.12.43'
	make_file tree/EFI/Linux/debian-6.12.48+1-2.efi 14000 'kernel 6.12.48'
	make_entry 6.12.43 debian-6.12.43.efi
	make_entry 6.12.48 debian-6.12.48+1-2.efi
	printf 'timeout 5\n' >tree/loader/loader.conf
	head -c 32 /dev/urandom >tree/loader/random-seed
	fill_disk disk2.img 2026-10-01
}

make_new_mirror()
{
	make_disk disk3.img 300 32 4096 1 3333CCCC SPARE
	make_file tree/EFI/vendor/fwupdx64.efi 60 'firmware updater'
	make_file tree/readme.txt 1 'This disk belongs to the workshop.'
	fill_disk disk3.img 2026-09-01
}

# copy_out IMAGE DIR: what mtools reads from its ESP.
copy_out()
{
	rm -rf "$2"
	mkdir "$2"
	mcopy -s -m -n -i "$1@@1M" ::/ "$2"
}

PARTS=(loader EFI/BOOT EFI/Linux EFI/systemd)
OWN=(random-seed esp-sync.was) # of each volume

# judge IMAGE MIB
judge()
{
	local part

	dd if="$1" of=esp.img bs=1M skip=1 count="$2" conv=sparse status=none
	fsck.fat -n esp.img >fsck.log || {
		cat fsck.log >&2
		exit 1
	}
	echo "$1: fsck.fat: $(tail -n 1 fsck.log)"
	rm -f esp.img fsck.log

	copy_out "$1" after
	for part in "${PARTS[@]}"; do
		diff -rq "${OWN[@]/#/--exclude=}" "primary/$part" "after/$part"
	done
	! cmp -s primary/loader/random-seed after/loader/random-seed || {
		echo "$1: the random seed is that of disk1.img" >&2
		exit 1
	}
	for part in "before-$1" after; do
		(cd "$part" && rm -rf "${PARTS[@]}")
		find "$part" -mindepth 1 -type d -empty -delete
	done
	diff -rq "before-$1" after
	echo "$1: mtools: ${PARTS[*]} as on disk1.img, another random seed, the rest as before"
	rm -rf after
}

say "Three disks with a GPT and an ESP each"
make_primary
make_old_mirror
make_new_mirror
copy_out disk1.img primary
copy_out disk2.img before-disk2.img
copy_out disk3.img before-disk3.img
echo "disk1.img: FAT32, sectors of  512 bytes, clusters of  512 bytes: what the machine boots from"
echo "disk2.img: FAT16, sectors of 2048 bytes, clusters of 4096 bytes: a kernel behind, and Windows"
echo "disk3.img: FAT32, sectors of 4096 bytes, clusters of 4096 bytes: new, with a vendor's files"

say "How are they?"
run 1 --primary=disk1.img status disk2.img disk3.img

say "Make them equal"
run 0 --primary=disk1.img sync disk2.img disk3.img

say "And now?"
run 0 --primary=disk1.img status disk2.img disk3.img

say "What others say"
judge disk2.img 80
judge disk3.img 300
rm -rf primary before-*
if (($# > 0)); then
	say "The images are in $dir"
fi
