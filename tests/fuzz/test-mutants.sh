#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What we call clean, against programs that we did not write: of the volumes that the fuzzers'
# mutator makes and in which our check finds nothing, fsck.fat finds nothing either, and mtools reads
# the same names, sizes and contents as we do. test-check-fsck.sh asks the other way round.
# FATESPSYNC_TEST_QUICK=1 takes fewer, FATESPSYNC_TEST_FULL=1 many.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/judge.sh"

: "${builddir:=.}"
mutant=$builddir/tests/fuzz/mutant
: "${FATPOKE:=./tests/fatpoke}"

# judge_fsck IMAGE: its name and version, and the count of files; no more.
judge_fsck()
{
	fsck.fat -n "$1" >"$SCRATCH/fsck.log" 2>&1 && [[ $(wc -l <"$SCRATCH/fsck.log") == 2 ]] ||
		complain "$1: fsck.fat finds something" "$SCRATCH/fsck.log"
}

judge_ours()
{
	"$FATESPSYNC" check "$1" >"$SCRATCH/check.log" 2>&1 ||
		complain "$1: fatespsync check finds something" "$SCRATCH/check.log"
}

# is_refused IMAGE: mtools does not take
#   - a second FAT entry with an odd low byte; nobody else looks at it
#   - a link to the last cluster, by one off
is_refused()
{
	grep -q 'Initial bytes of fat is not 0xff' "$SCRATCH/mcopy.log" ||
		grep -q "Cluster # .* too big(0x$(printf %x "$("$FATPOKE" "$1" last)"))" \
			"$SCRATCH/mcopy.log"
}

# judge_mtools IMAGE: volumes with names that mtools, or the host, reads in another way are left out:
#   - a blank within a short name ends it for mtools, not for Linux and us
#   - half a surrogate pair is "_"
#   - 255 units can be more than the 255 bytes that the host has for a name
judge_mtools()
{
	rm -rf "$SCRATCH/ours" "$SCRATCH/theirs"
	mkdir "$SCRATCH/ours" "$SCRATCH/theirs"
	"$mutant" extract "$1" "$SCRATCH/ours" >"$SCRATCH/odd-names" 2>"$SCRATCH/extract.log" ||
		complain "$1: cannot be extracted" "$SCRATCH/extract.log"
	if [[ -s $SCRATCH/odd-names ]]; then
		n_odd=$((n_odd + 1))
		return
	fi
	if ! mcopy -s -n -i "$1" ::/ "$SCRATCH/theirs" </dev/null >"$SCRATCH/mcopy.log" 2>&1; then
		is_refused "$1" || complain "$1: mtools finds something" "$SCRATCH/mcopy.log"
		n_odd=$((n_odd + 1))
		return
	fi
	diff -r "$SCRATCH/ours" "$SCRATCH/theirs" >"$SCRATCH/diff.log" 2>&1 ||
		complain "$1: mtools reads something else" "$SCRATCH/diff.log"
}

# complain TEXT LOG
complain()
{
	failures=$((failures + 1))
	echo "FAILED: $1" >&2
	cat "$2" >&2
}

# judge_mutants FIRST COUNT
judge_mutants()
{
	local name image

	"$mutant" draw "$1" "$2" | "$mutant" write "$SCRATCH" >"$SCRATCH/names"
	while read -r name; do
		image=$SCRATCH/$name.img
		judge_ours "$image"
		judge_fsck "$image"
		judge_mtools "$image"
		rm "$image"
		n=$((n + 1))
	done <"$SCRATCH/names"
}

need_tools
make_scratch
failures=0 n=0 n_odd=0
# Code page 437 for short names, as we and Linux take it; mtools has 850.
echo 'default_codepage=437' >"$SCRATCH/mtoolsrc"
MTOOLSRC=$SCRATCH/mtoolsrc
count=600
[[ -z ${FATESPSYNC_TEST_QUICK:-} ]] || count=300
[[ -z ${FATESPSYNC_TEST_FULL:-} ]] || count=8000
for ((first = 1; first <= count; first += 300)); do
	judge_mutants "$first" 300
done
echo "$n clean volumes of $count, $n_odd of them not compared with mtools"
((failures == 0)) || fail "$failures times"
