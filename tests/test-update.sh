#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How much an update writes, and with how many barriers: as the program tells it and as strace
# counts it, which has to be the same.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

MIB=$((1024 * 1024))
UKI=$((60 * MIB))

# count_calls IMAGE: bytes and calls that wrote to it and barriers on it, by $SCRATCH/strace. A
# call that another thread interrupts stands on two lines, the file's name on the first alone.
count_calls()
{
	awk -v file="<$1>" '
		/<unfinished \.\.\.>$/ { mine[$1] = index($0, file); next }
		/ resumed>/ { if (!mine[$1]) next; mine[$1] = 0 }
		!/ resumed>/ { if (!index($0, file)) next }
		/(f|fdata)sync/ { barriers++; next }
		/write/ { writes++; bytes += $NF; next }
		{ print "unexpected: " $0 }
		END { print bytes + 0, writes + 0, barriers + 0 }' "$SCRATCH/strace"
}

# traced_sync PRIMARY MIRROR: sets BYTES, WRITES and BARRIERS.
traced_sync()
{
	local calls=write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range
	calls+=,ftruncate,fallocate,sendfile,copy_file_range,io_uring_setup
	local counted

	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
		strace -f -y -qq -s 0 -e trace="$calls" -o "$SCRATCH/strace" \
		"$FATESPSYNC" --json=short --primary="$1" sync "$2" >"$1.json" 2>"$1.log" ||
		fail "sync: exit $?: $(cat "$1.log" "$1.json")"
	BYTES=$(json_sum bytesWritten "$1.json")
	WRITES=$(json_sum writes "$1.json")
	BARRIERS=$(json_sum barriers "$1.json")
	counted=$(count_calls "$2")
	[[ $counted == "$BYTES $WRITES $BARRIERS" ]] ||
		fail "strace counts $counted, the program $BYTES $WRITES $BARRIERS"
	! grep -F io_uring "$SCRATCH/strace" >&2 || fail "writes that strace does not see"
}

# make_uki FILE: nothing that repeats.
make_uki()
{
	head -c $UKI /dev/urandom >"$1"
	touch -d '2024-05-06 07:08:10' "$1"
}

# make_volumes SECTORS_PER_CLUSTER
make_volumes()
{
	local i

	make_image "$PRIMARY" 32 512 "$1" $((1024 * 1024 / $1 - 3 * 1024))
	make_image "$MIRROR" 32 512 "$1" $((1024 * 1024 / $1 - 3 * 1024)) BBBB0002 MIRROR
	mkdir -p "$SCRATCH/tree/EFI/Linux" "$SCRATCH/tree/loader/entries"
	echo 'timeout 3' >"$SCRATCH/tree/loader/loader.conf"
	put_tree "$SCRATCH/tree" "$PRIMARY"
	for i in 1 2 3 4 5; do
		make_uki "$SCRATCH/uki"
		mcopy -m -i "$PRIMARY" "$SCRATCH/uki" "::/EFI/Linux/linux-6.1.0-$i.efi"
	done
	echo one >"$SCRATCH/uki"
	mcopy -m -i "$PRIMARY" "$SCRATCH/uki" ::/EFI/Linux/a+3.efi
}

judge_mirror()
{
	judge_sound "$MIRROR"
	list_tree "$PRIMARY" >"$PRIMARY.tree"
	list_mdir "$PRIMARY" >"$PRIMARY.mdir"
	list_attributes "$PRIMARY" >"$PRIMARY.attributes"
	judge_equal "$PRIMARY" "$MIRROR"
}

# compare_file NAME: as mtools reads it from both.
compare_file()
{
	cmp <(mcopy -i "$PRIMARY" "::/EFI/Linux/$1" -) <(mcopy -i "$MIRROR" "::/EFI/Linux/$1" -) ||
		fail "$1 differs"
}

test_new_uki()
{
	make_uki "$SCRATCH/uki"
	mcopy -o -m -i "$PRIMARY" "$SCRATCH/uki" ::/EFI/Linux/linux-6.1.0-3.efi
	traced_sync "$PRIMARY" "$MIRROR"
	echo "one UKI of 60 MiB among five: $BYTES bytes in $WRITES writes, $BARRIERS barriers"
	((BYTES >= UKI)) || fail "too little to be true"
	((BYTES <= UKI + MIB)) || fail "more than the UKI and 1 MiB"
	((BARRIERS <= 10)) || fail "more than ten barriers"
	judge_mirror
	compare_file linux-6.1.0-3.efi
	compare_file linux-6.1.0-4.efi
}

test_counter_rename()
{
	mren -i "$PRIMARY" ::/EFI/Linux/a+3.efi a+2-1.efi
	traced_sync "$PRIMARY" "$MIRROR"
	echo "a counter rename: $BYTES bytes in $WRITES writes, $BARRIERS barriers"
	((BYTES > 0 && BYTES < 65536)) || fail "not less than 64 KiB"
	judge_mirror
	compare_file a+2-1.efi
}

test_nothing()
{
	traced_sync "$PRIMARY" "$MIRROR"
	[[ "$BYTES $WRITES $BARRIERS" == '0 0 0' ]] || fail "wrote without need"
}

need_tools strace mren
need_space 1500
make_scratch
PRIMARY=$SCRATCH/primary.img
MIRROR=$SCRATCH/mirror.img
strace -o "$SCRATCH/strace" true 2>/dev/null || skip "strace may not trace"

make_volumes 8
run_sync "$PRIMARY" "$MIRROR"
judge_mirror
test_new_uki
test_counter_rename
test_nothing
