#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run the fuzzers, each for FUZZ_SECONDS (30) from a copy of its corpus: "make fuzz". They are built
# in a scratch folder unless the present build has them. A finding fails, and is printed as the line
# that belongs into the corpus.
#
#   fuzz.sh [TARGET...]       run: entry, volume, sync, or all
#   fuzz.sh pack TARGET DIR   print the corpus again, with what the inputs in DIR add to it
#
# With FUZZ_DIR corpora and findings are kept there, and are what the next run begins with.
# FUZZ_OPTIONS goes to libFuzzer.

set -eu -o pipefail

: "${srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}" "${builddir:=$srcdir}" "${MAKE:=make}"
: "${FUZZ_SECONDS:=30}" "${FUZZ_OPTIONS:=}"
export srcdir
# A large quarantine makes most runs wait for the kernel to give memory.
export ASAN_OPTIONS=quarantine_size_mb=1:malloc_context_size=8${ASAN_OPTIONS:+:$ASAN_OPTIONS}

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
trap 'exit 129' HUP INT TERM

targets=(entry volume sync)

# have_all: fuzzers are in $fuzzers.
have_all()
{
	local target

	for target in "${targets[@]}"; do
		[[ -x $fuzzers/fuzz-$target ]] || return 1
	done
}

# find_fuzzers: sets $fuzzers, the folder.
find_fuzzers()
{
	fuzzers=$builddir/tests/fuzz
	! have_all || return 0
	fuzzers=$scratch/build/tests/fuzz
	echo "fuzz: building the fuzzers in $scratch" >&2
	"$MAKE" -s -C "$builddir" distdir distdir="$scratch/source" >"$scratch/log" 2>&1 &&
		mkdir "$scratch/build" && cd "$scratch/build" &&
		"$scratch/source/configure" CC=clang --enable-sanitizers --enable-fuzzing \
			>>"$scratch/log" 2>&1 &&
		"$MAKE" -j"$(nproc)" "${targets[@]/#/tests/fuzz/fuzz-}" \
			>>"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
}

# unpack TARGET DIR
unpack()
{
	local name hex

	mkdir -p "$2"
	while read -r name hex; do
		[[ $name == '#'* ]] || xxd -r -p <<<"$hex" >"$2/$name"
	done <"$srcdir/tests/fuzz/corpus-$1"
}

print_line()
{
	printf '%s %s\n' "$1" "$(xxd -p "$2" | tr -d '\n')"
}

# run TARGET
run()
{
	local dir=${FUZZ_DIR:-$scratch}/$1 finding

	unpack "$1" "$dir/corpus"
	mkdir -p "$dir/findings"
	# shellcheck disable=SC2086 # a list
	if ! "$fuzzers/fuzz-$1" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 \
		-max_len=580 -print_final_stats=1 -artifact_prefix="$dir/findings/" \
		$FUZZ_OPTIONS "$dir/corpus" >"$dir/log" 2>&1; then
		grep -v '^#[0-9]' "$dir/log" >&2
		for finding in "$dir"/findings/*; do
			print_line "${finding##*/}" "$finding" >&2
		done
		echo "fuzz: FAILED: $1" >&2
		return 1
	fi
	awk -v target="$1" '
		/number_of_executed_units/ { n = $2 }
		/average_exec_per_sec/ { rate = $2 }
		END { print "fuzz: " target ": " n " executions, " rate " a second, no finding" }
	' "$dir/log"
}

# The name of a sample is a digest; all others were given by somebody and stay. Samples are chosen by
# the branches that they take, not by how often, or there would be thousands.
pack()
{
	local kept=$scratch/kept all=$scratch/all min=$scratch/min file hex

	unpack "$1" "$all"
	mkdir "$min"
	"$fuzzers/fuzz-$1" -merge=1 -use_counters=0 -timeout=10 "$min" "$all" "$2" >"$scratch/log" 2>&1 ||
		{ cat "$scratch/log" >&2; return 1; }
	grep -v '^sample-' "$srcdir/tests/fuzz/corpus-$1" | tee "$kept"
	for file in "$min"/*; do
		hex=$(xxd -p "$file" | tr -d '\n')
		[[ -z $hex ]] || grep -q " $hex\$" "$kept" ||
			echo "sample-$(sha1sum <"$file" | head -c 8) $hex"
	done | sort
}

find_fuzzers
if [[ ${1:-} == pack ]]; then
	pack "$2" "$(realpath "$3")"
	exit
fi
[[ $# -gt 0 ]] || set -- "${targets[@]}"
for target; do
	run "$target"
done
