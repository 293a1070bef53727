#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# FAT type x sector size x cluster size x state of the mirror: after a sync, programs that we did
# not write find the mirror sound, equal to its primary, and otherwise untouched. Every third
# primary has another geometry than its mirror. A third of them, FATESPSYNC_TEST_QUICK=1 takes a
# sixth and FATESPSYNC_TEST_FULL=1 all.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

# type, sector size, sectors per cluster
OTHERS=('12 512 8' '16 1024 2' '32 512 1' '16 4096 1' '12 2048 8' '32 2048 1' '16 512 64')

# print_cases: number, mirror's type, sector size, sectors per cluster, state
print_cases()
{
	local number=0 type sector spc state

	for type in 12 16 32; do
		for sector in 512 1024 2048 4096; do
			for ((spc = 1; spc * sector <= 32768; spc *= 2)); do
				for state in empty populated fragmented full; do
					echo "$number $type $sector $spc $state"
					number=$((number + 1))
				done
			done
		done
	done
}

# make_other_primary NUMBER GEOMETRY: one that differs from the mirror's.
make_other_primary()
{
	local other=${OTHERS[$1 / 3 % ${#OTHERS[@]}]}

	[[ $other != "$2" ]] || other=${OTHERS[($1 / 3 + 1) % ${#OTHERS[@]}]}
	# shellcheck disable=SC2086
	make_image "$SCRATCH/primary.img" $other
}

# prepare_mirror STATE CLUSTER_SIZE
prepare_mirror()
{
	local mirror=$SCRATCH/mirror.img keep

	keep=$(($(count_clusters "$2") + 4))
	case $1 in
	populated)
		make_mirror "$mirror" "$2"
		;;
	fragmented)
		put_empty_file "$mirror" FRAG.BIN
		"$FATFILL" "$mirror" fragment FRAG.BIN "$keep"
		make_mirror "$mirror" "$2"
		mren -i "$mirror" ::/EFI/Linux other
		mren -i "$mirror" ::/EFI/other LINUX
		;;
	full)
		make_mirror "$mirror" "$2"
		put_empty_file "$mirror" FILL.BIN
		"$FATFILL" "$mirror" fill FILL.BIN "$keep"
		;;
	esac
	judge_sound "$mirror"
}

# run_case NUMBER TYPE SECTOR SPC STATE
run_case()
{
	local number=$1 type=$2 sector=$3 spc=$4 state=$5
	local primary=$SCRATCH/primary.img mirror=$SCRATCH/mirror.img

	make_image "$mirror" "$type" "$sector" "$spc" 0 A5A50001 MIRROR
	prepare_mirror "$state" $((sector * spc))
	if ((number % 3 == 2)); then
		make_other_primary "$number" "$type $sector $spc"
	else
		make_image "$primary" "$type" "$sector" "$spc"
	fi
	make_primary "$primary" $((sector * spc))
	sync_and_judge "$primary" "$mirror"
	if ((number % 16 == 3)) && command -v strace >/dev/null; then
		judge_unwritten "$FATESPSYNC" -q --primary="$primary" "$mirror"
	fi
}

need_tools mren
use_memory 2000
make_scratch
if (($# > 0)); then
	run_case "$@"
	echo "$*" >>"$MATRIX_DONE"
	exit 0
fi

need_space 500
export TMPDIR=$SCRATCH MATRIX_DONE=$SCRATCH/done MADE_TREES=$SCRATCH/trees
touch "$MATRIX_DONE"
print_cases >"$SCRATCH/cases"
every=3
[[ -z ${FATESPSYNC_TEST_FULL:-} ]] || every=1
[[ -z ${FATESPSYNC_TEST_QUICK:-} ]] || every=6
awk -v every=$every '($1 + int($1 / 6)) % every == 0' "$SCRATCH/cases" >"$SCRATCH/some"
mv "$SCRATCH/some" "$SCRATCH/cases"

for ((C = 512; C <= 32768; C *= 2)); do
	make_tree "$MADE_TREES/old-$C" old $C
	make_tree "$MADE_TREES/new-$C" new $C
done

status=0
# shellcheck disable=SC2016
xargs -P 2 -L 1 bash -c '"$0" "$@" || { echo "FAILED: case $*"; exit 1; }' "$0" \
	<"$SCRATCH/cases" || status=1
echo "$(wc -l <"$MATRIX_DONE") of $(wc -l <"$SCRATCH/cases") combinations of FAT type, sector" \
	"size, cluster size and state are right"
exit $status
