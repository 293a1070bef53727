#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How long a sync takes that finds nothing to do, beside cmp on the extracted files and beside
# mtools and cmp on the same images; what memory it takes; and how fast a first sync writes,
# beside dd. ROUNDS (9) interleaved runs, medians, page cache warm.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

ROUNDS=${ROUNDS:-9}
N_UKIS=5
UKI_MIB=56

# make_content DIR
make_content()
{
	local i

	mkdir -p "$1/EFI/Linux" "$1/EFI/systemd" "$1/loader/entries"
	for ((i = 1; i <= N_UKIS; i++)); do
		head -c $((UKI_MIB * 1024 * 1024 + i * 4321)) /dev/urandom \
			>"$1/EFI/Linux/debian-6.12.$i.efi"
	done
	for ((i = 1; i <= 20; i++)); do
		echo "title entry $i" >"$1/loader/entries/0123456789abcdef-6.12.$i.conf"
	done
	head -c 130000 /dev/urandom >"$1/EFI/systemd/systemd-bootx64.efi"
	echo 'timeout 3' >"$1/loader/loader.conf"
}

make_esp()
{
	make_image "$1" 32 512 8 130000 "$2"
}

# milliseconds COMMAND...: how long it took, to the microsecond.
milliseconds()
{
	local start=$EPOCHREALTIME end

	"$@" >/dev/null || fail "$*"
	end=$EPOCHREALTIME
	awk -v us=$((${end/[.,]/} - ${start/[.,]/})) 'BEGIN { printf "%.3f\n", us / 1000 }'
}

# sample NAME COMMAND...: one more measurement.
sample()
{
	local name=$1
	shift

	milliseconds "$@" >>"$SCRATCH/$name.times"
}

median()
{
	sort -n "$SCRATCH/$1.times" | awk '{ v[NR] = $1 }
		END { printf "%.1f\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# ---- what is compared ----

ours()
{
	"$FATESPSYNC" -q --primary="$PRIMARY" "${MIRRORS[@]:0:$1}"
}

# One cmp for each file, as a script would do it.
cmp_files()
{
	local i file

	for ((i = 1; i <= $1; i++)); do
		for file in "${FILES[@]}"; do
			cmp -s "$SCRATCH/p/$file" "$SCRATCH/m$i/$file" || return 1
		done
	done
}

# cmp at its best: a single process, a single file with all contents.
cmp_one()
{
	cmp -s "$SCRATCH/all.p" "$SCRATCH/all.m"
}

# mtools copies both sides out, cmp compares.
mtools_compare()
{
	local i file

	rm -rf "$SCRATCH"/x.p
	copy_to "$PRIMARY" "$SCRATCH/x.p"
	for ((i = 1; i <= $1; i++)); do
		rm -rf "$SCRATCH/x.m"
		copy_to "${MIRRORS[i - 1]}" "$SCRATCH/x.m"
		for file in "${FILES[@]}"; do
			cmp -s "$SCRATCH/x.p/$file" "$SCRATCH/x.m/$file" || return 1
		done
	done
}

copy_to()
{
	mkdir -p "$2/EFI"
	mcopy -s -n -i "$1" ::/loader "$2"
	mcopy -s -n -i "$1" ::/EFI/Linux ::/EFI/systemd "$2/EFI"
}

# ---- figures ----

# peak_memory N_MIRRORS: KiB.
peak_memory()
{
	/usr/bin/time -f %M -o "$SCRATCH/memory" "$FATESPSYNC" -q --primary="$PRIMARY" \
		"${MIRRORS[@]:0:$1}" && tail -n 1 "$SCRATCH/memory"
}

# row LABEL NAME BASE: a line of the table, with BASE's time as a part of it.
row()
{
	awk -v label="$1" -v t="$(median "$2")" -v base="$(median "$3")" -v size="$4" \
		'BEGIN { printf "  %-44s %9.1f ms %8.0f MiB/s %9.2f\n", label, t, \
			size / 1048576 / (t / 1000), base / t }'
}

measure_no_change()
{
	local round

	for ((round = 0; round < ROUNDS; round++)); do
		sample ours1 ours 1
		sample cmp1 cmp_files 1
		sample one1 cmp_one
		sample mtools1 mtools_compare 1
		sample ours4 ours 4
		sample cmp4 cmp_files 4
		sample mtools4 mtools_compare 4
	done
	rm -rf "$SCRATCH/x.p" "$SCRATCH/x.m"
	echo "Nothing to do, $((SIZE / 1048576)) MiB in ${#FILES[@]} files, $(nproc) processors," \
		"median of $ROUNDS interleaved runs;"
	echo "the last column is our time divided by theirs:"
	row 'one mirror: fatespsync' ours1 ours1 "$SIZE"
	row '  cmp, one process a file' cmp1 ours1 "$SIZE"
	row '  cmp, once, all in a single file' one1 ours1 "$SIZE"
	row '  mcopy of both sides, and cmp' mtools1 ours1 "$SIZE"
	row 'four mirrors: fatespsync' ours4 ours4 $((4 * SIZE))
	row '  cmp, one process a file' cmp4 ours4 $((4 * SIZE))
	row '  mcopy of all sides, and cmp' mtools4 ours4 $((4 * SIZE))
}

measure_memory()
{
	[[ -x /usr/bin/time ]] || {
		echo "Peak memory: no /usr/bin/time"
		return 0
	}
	echo "Peak memory (kernel's maximum resident set): $(peak_memory 1) KiB with one mirror," \
		"$(peak_memory 4) KiB with four"
}

first_sync()
{
	"$FATESPSYNC" -q --primary="$PRIMARY" "$SCRATCH/first.img"
}

dd_copy()
{
	dd if="$SCRATCH/all.p" of="$SCRATCH/first.img" bs=1M conv=fdatasync status=none
}

measure_first_sync()
{
	local round

	for ((round = 0; round < 3; round++)); do
		make_esp "$SCRATCH/first.img" 0000FFFF
		sample first first_sync
		rm "$SCRATCH/first.img"
		sample dd dd_copy
		rm "$SCRATCH/first.img"
	done
	echo "First sync of an empty mirror, median of 3 interleaved runs (ours writes, reads" \
		"back and compares):"
	row 'fatespsync' first first "$SIZE"
	row '  dd conv=fdatasync of the same bytes' dd first "$SIZE"
}

need_tools cmp
need_space 5000
make_scratch
PRIMARY=$SCRATCH/primary.img
MIRRORS=()

make_content "$SCRATCH/p"
mapfile -t FILES < <(cd "$SCRATCH/p" && find . -type f -printf '%P\n' | sort)
SIZE=$(find "$SCRATCH/p" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
make_esp "$PRIMARY" 00000000
put_tree "$SCRATCH/p" "$PRIMARY"
for i in 1 2 3 4; do
	MIRRORS+=("$SCRATCH/mirror$i.img")
	make_esp "$SCRATCH/mirror$i.img" "0000000$i"
	cp -r "$SCRATCH/p" "$SCRATCH/m$i"
done
ours 4
cat "${FILES[@]/#/$SCRATCH/p/}" >"$SCRATCH/all.p"
cp "$SCRATCH/all.p" "$SCRATCH/all.m"
# nothing that was just written shall be on its way to the disk while we measure
sync -f "$SCRATCH"

measure_no_change
measure_memory
rm -rf "$SCRATCH"/m[1-4] "$SCRATCH/all.m" "${MIRRORS[@]:1}"
measure_first_sync
