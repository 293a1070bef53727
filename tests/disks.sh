# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the end-to-end tests of disks with partition tables: makes disk images with sfdisk,
# runs the program on them in a made-up machine, and judges what it left. No case needs root, a
# loop device, or anything of the machine that it runs on.
#
# A case is a function test_*; it runs in a scratch folder of its own, which also holds the
# machine's /sys and /proc (FATESPSYNC_ROOT).

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

: "${FATPOKE:=./tests/fatpoke}"

MIB=$((1024 * 1024))
ESP_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b
# Partition UUIDs: that of the ESP on a.img is A, and so on.
A=aaaaaaaa-1111-4222-8333-00000000000a
B=bbbbbbbb-1111-4222-8333-00000000000b
C=cccccccc-1111-4222-8333-00000000000c
# shellcheck disable=SC2034 # one that no disk has at first
D=dddddddd-1111-4222-8333-00000000000d
# Where the only partition of most disks is, in bytes.
OFFSET=$MIB
SIZE=$((8 * MIB))
# Where the program looks for partitions.
DISKS=(--disk=a.img --disk=b.img --disk=c.img)

# ---- disks ----

# write_table IMAGE: what stdin says. Kernels are told with a sync(2), which takes its time.
write_table()
{
	sfdisk -q --no-tell-kernel "$1" >"$1.log" 2>&1 || fail "sfdisk: $(cat "$1.log")"
	rm "$1.log"
}

# make_gpt IMAGE LINE...: a disk image with a GPT; each LINE is a partition as sfdisk(8) reads it.
make_gpt()
{
	local image=$1
	shift

	rm -f "$image"
	truncate -s $((OFFSET + SIZE + MIB)) "$image"
	printf '%s\n' 'label: gpt' "$@" | write_table "$image"
}

# make_mbr IMAGE SIGNATURE LINE...
make_mbr()
{
	local image=$1 signature=$2
	shift 2

	rm -f "$image"
	truncate -s $((OFFSET + SIZE + MIB)) "$image"
	printf '%s\n' 'label: dos' "label-id: 0x$signature" "$@" |
		write_table "$image"
}

# make_gpt4096 IMAGE UUID: one ESP, on a disk with sectors of 4096 bytes. sfdisk(8) knows only
# those of 512 bytes in images.
make_gpt4096()
{
	local first=$((OFFSET / 4096)) last=$(((OFFSET + SIZE) / 4096 - 1))

	rm -f "$1"
	truncate -s $((OFFSET + SIZE + MIB)) "$1"
	printf '%s\n' g n 1 $first $last t 1 x u "$2" r w | fdisk -b 4096 "$1" >"$1.log" 2>&1 ||
		fail "fdisk: $(cat "$1.log")"
	rm "$1.log"
}

# make_fat IMAGE SERIAL [LABEL [OFFSET [SIZE [MKFS-OPTION...]]]]: a volume in a partition.
make_fat()
{
	local image=$1 serial=$2 label=${3:-ESP} offset=${4:-$OFFSET} size=${5:-$SIZE}
	shift $(($# < 5 ? $# : 5))

	rm -f "$image.fat"
	truncate -s "$size" "$image.fat"
	mkfs.fat -i "$serial" -n "$label" "$@" "$image.fat" >"$image.log" 2>&1 ||
		fail "mkfs.fat: $(cat "$image.log")"
	paste_in "$image" "$image.fat" "$offset"
	rm "$image.fat" "$image.log"
}

# paste_in IMAGE FILE OFFSET: the bytes of a file over those of the image.
paste_in()
{
	dd if="$2" of="$1" bs=64K conv=notrunc oflag=seek_bytes seek="$3" status=none
}

# cut_out IMAGE FILE [OFFSET [SIZE]]: a copy of a partition.
cut_out()
{
	dd if="$1" of="$2" bs=64K iflag=skip_bytes,count_bytes conv=sparse skip="${3:-$OFFSET}" \
		count="${4:-$SIZE}" status=none
	truncate -s "${4:-$SIZE}" "$2"
}

# wipe IMAGE OFFSET SIZE: zeros.
wipe()
{
	dd if=/dev/zero of="$1" bs=512 conv=notrunc oflag=seek_bytes iflag=count_bytes seek="$2" \
		count="$3" status=none
}

# esp_line UUID [TYPE]: the only partition, for make_gpt.
esp_line()
{
	echo "start=$((OFFSET / 512)), size=$((SIZE / 512)), type=${2:-$ESP_TYPE}, uuid=$1"
}

# ---- files on them ----

# put_text IMAGE PATH TEXT [OFFSET]
put_text()
{
	printf %s "$3" >put_text
	mcopy -D o -i "$1@@${4:-$OFFSET}" put_text "::$2"
	rm put_text
}

# get_text IMAGE PATH [OFFSET]
get_text()
{
	mcopy -i "$1@@${3:-$OFFSET}" "::$2" -
}

# make_dirs IMAGE PATH...
make_dirs()
{
	local image=$1
	shift

	mmd -i "$image@@$OFFSET" "${@/#/::}"
}

# put_boot_files IMAGE: a few, so that the volume could be booted.
put_boot_files()
{
	make_dirs "$1" /loader /loader/entries /EFI /EFI/BOOT /EFI/Linux
	put_text "$1" /EFI/BOOT/BOOTX64.EFI 'a boot loader'
	put_text "$1" /EFI/Linux/one.efi "$(seq 3000)"
	put_text "$1" /loader/loader.conf 'timeout 3'
	put_text "$1" /loader/entries/one.conf 'title One'
}

# damage IMAGE: a file that is longer than its cluster chain.
damage()
{
	cut_out "$1" "$1.esp"
	"$FATPOKE" "$1.esp" entry /loader/loader.conf 28 ffff0000 || fail "$1: fatpoke"
	paste_in "$1" "$1.esp" "$OFFSET"
	rm "$1.esp"
}

# put_list IMAGE LINE...: as its list.
put_list()
{
	local image=$1
	shift

	put_text "$image" /loader/esp-sync "$(printf '%s\n' "$@")
"
}

# list_is IMAGE LINE...: its list holds these UUIDs, comments left out.
list_is()
{
	local image=$1
	shift

	[[ $(get_text "$image" /loader/esp-sync | grep -v '^#') == "$(printf '%s\n' "$@")" ]] ||
		fail "$image: the list: $(get_text "$image" /loader/esp-sync)"
}

# no_list IMAGE
no_list()
{
	! mdir -b -i "$1@@$OFFSET" ::/loader/esp-sync >/dev/null 2>&1 || fail "$1: has a list"
}

# make_disks: a.img, which could be booted from, and b.img, c.img, which are empty; one ESP each.
make_disks()
{
	local made=$TOP/made

	if [[ ! -d $made ]]; then
		mkdir "$made"
		make_gpt "$made/a.img" "$(esp_line $A), name=\"disk a\""
		make_gpt "$made/b.img" "$(esp_line $B), name=\"disk b\""
		make_gpt "$made/c.img" "$(esp_line $C), name=\"disk c\""
		make_fat "$made/a.img" AAAA0001 'ESP A'
		make_fat "$made/b.img" BBBB0002 'ESP B'
		make_fat "$made/c.img" CCCC0003 'ESP C'
		put_boot_files "$made/a.img"
	fi
	cp --sparse=always "$made"/[abc].img .
}

# list_disks UUID...: make_disks, with a list of these on a.img, which was booted from.
list_disks()
{
	make_disks
	put_list a.img "$@"
	boot_from $A
}

# ---- the machine ----

# boot_from UUID [END]: what firmware says. The variable's value ends with END.
boot_from()
{
	local dir=$FATESPSYNC_ROOT/sys/firmware/efi/efivars

	mkdir -p "$dir"
	printf '\6\0\0\0%b' "$(printf %s "${1^^}" | sed 's/./&\\x00/g')${2-\\x00\\x00}" \
		>"$dir/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
}

# mount_at PATH IMAGE [OFFSET [SIZE]]: as if it were mounted there, through a loop device.
mount_at()
{
	local root=$FATESPSYNC_ROOT minor loop

	mkdir -p "$root/proc/self" "$root$1"
	touch "$root/proc/self/mountinfo"
	minor=$(wc -l <"$root/proc/self/mountinfo")
	loop=$root/sys/dev/block/7:$minor
	mkdir -p "$loop/loop"
	realpath "$2" >"$loop/loop/backing_file"
	echo "${3:-$OFFSET}" >"$loop/loop/offset"
	echo $((${4:-$SIZE} / 512)) >"$loop/size"
	echo "$((minor + 30)) 25 7:$minor / $1 rw,relatime shared:1 - vfat /dev/loop$minor rw" \
		>>"$root/proc/self/mountinfo"
}

# ---- running ----

# run STATUS ARGUMENT...: the program, which has to exit so; its output stays in out and err.
run()
{
	local status=0 expected=$1
	shift

	LAST="fatespsync ${DISKS[*]} $*"
	timeout 60 "$FATESPSYNC" "${DISKS[@]}" "$@" >out 2>err || status=$?
	[[ $status == "$expected" ]] || complain "exit status $status, not $expected"
	! grep -Ev "^(fatespsync: |Try 'fatespsync --help')" err || complain "an unsigned message"
}

# complain TEXT: with what the last run printed.
complain()
{
	fail "$1
  command: $LAST
$(sed 's/^/  stdout: /' out)
$(sed 's/^/  stderr: /' err)"
}

# out_has REGEX..., err_has REGEX...: some line matches each.
out_has()
{
	local regex

	for regex; do
		grep -Eq -e "$regex" out || complain "stdout has no line like: $regex"
	done
}

err_has()
{
	local regex

	for regex; do
		grep -Eq -e "$regex" err || complain "stderr has no line like: $regex"
	done
}

out_lacks()
{
	! grep -Eq -e "$1" out || complain "stdout has a line like: $1"
}

err_lacks()
{
	! grep -Eq -e "$1" err || complain "stderr has a line like: $1"
}

no_out()
{
	[[ ! -s out ]] || complain "stdout is not empty"
}

no_err()
{
	[[ ! -s err ]] || complain "stderr is not empty"
}

# json FILTER...: stdout is one JSON value for which each is true.
json()
{
	local all='length == 1' filter

	for filter; do
		all+=" and (.[0] | $filter)"
	done
	[[ $(jq -s "$all" out 2>&1) == true ]] || complain "JSON: not true: $*"
}

# ---- judging ----

# state_of IMAGE...: their bytes, and when they were written to.
state_of()
{
	stat -c '%n %y' "$@"
	tar -cS --mtime=@0 --owner=0 --group=0 "$@" | sha256sum
}

# remember IMAGE...: their state.
remember()
{
	local image

	for image; do
		state_of "$image" >"$image.remembered"
	done
}

# unchanged IMAGE...: since remember.
unchanged()
{
	local image

	for image; do
		[[ $(state_of "$image") == "$(cat "$image.remembered")" ]] ||
			complain "$image: was written to"
	done
}

# refused STATUS ARGUMENT...: as run, and no image of this folder is written to.
refused()
{
	local before

	before=$(state_of ./*.img)
	run "$@"
	diff <(echo "$before") <(state_of ./*.img) || complain "an image was written to"
}

# look_into IMAGE [OFFSET [SIZE]]: what others see of the managed files in a partition, in
# IMAGE.seen, a folder.
look_into()
{
	local seen=$1.seen

	rm -rf "$seen"
	mkdir "$seen"
	cut_out "$1" "$seen/volume" "${@:2}"
	judge_sound "$seen/volume"
	list_tree "$seen/volume" >"$seen/tree"
	mcopy -s -Q -n -i "$seen/volume" ::/loader ::/EFI/Linux "$seen"
	rm "$seen/volume"
	find "$seen" \( -name random-seed -o -name esp-sync.was -o -name '.#*' \) -delete
}

# in_sync IMAGE...: the managed files are those of a.img, as others see them, and the volume is
# sound.
in_sync()
{
	local image

	look_into a.img
	for image; do
		look_into "$image"
		diff -r a.img.seen "$image.seen" >&2 || complain "$image: differs from a.img"
	done
}

# table_of IMAGE: all that is outside its only partition.
table_of()
{
	{ head -c "$OFFSET" "$1" && tail -c +$((OFFSET + SIZE + 1)) "$1"; } | sha256sum
}

# run_cases [CASE...]: all without.
run_cases()
{
	local cases=("$@") name

	((${#cases[@]})) || mapfile -t cases < <(compgen -A function test_)
	need_tools sfdisk fdisk jq mmd mdel mdeltree timeout
	[[ -x $FATPOKE ]] || fail "$FATPOKE is not there"
	FATPOKE=$(realpath -s "$FATPOKE")
	use_memory 200
	need_space 200
	make_scratch
	TOP=$SCRATCH
	for name in "${cases[@]}"; do
		echo "$name"
		mkdir "$TOP/$name"
		(
			SCRATCH=$TOP/$name
			cd "$SCRATCH"
			export FATESPSYNC_ROOT=$SCRATCH/root
			mkdir "$FATESPSYNC_ROOT"
			"$name"
		)
		rm -rf "${TOP:?}/$name"
	done
}
