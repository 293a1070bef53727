#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which lines and branches of fat/ and lib/ are run: "make coverage". Built with clang in a scratch
# folder from a copy of the sources.
#
#   coverage.sh fuzz          by the corpora of the fuzzers
#   coverage.sh [TEST...]     by these tests (tests/test-name), by default all of "make check"
#
# COVERAGE_DIR keeps profile, build and a report with the source lines (index.html) there.

set -eu -o pipefail

: "${srcdir:=$(cd "$(dirname "$0")/.." && pwd)}" "${builddir:=$srcdir}" "${MAKE:=make}"

for tool in clang llvm-profdata llvm-cov; do
	command -v "$tool" >/dev/null || { echo "coverage: no $tool" >&2; exit 1; }
done
if [[ -n ${COVERAGE_DIR:-} ]]; then
	mkdir -p "$COVERAGE_DIR"
	scratch=$(realpath "$COVERAGE_DIR")
else
	scratch=$(mktemp -d)
	trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
	trap 'exit 129' HUP INT TERM
fi
# All runs of one program share a few files, and some run as nobody.
export LLVM_PROFILE_FILE=$scratch/profile/%4m.profraw
chmod a+rx "$scratch"
umask 0

# Convenience libraries only: with shared ones each object would be there twice.
build()
{
	[[ ! -e $scratch/build/Makefile ]] || return 0
	"$MAKE" -s -C "$builddir" distdir distdir="$scratch/source"
	mkdir "$scratch/build"
	cd "$scratch/build"
	"$scratch/source/configure" -q --disable-shared CC=clang \
		CFLAGS='-g -O1 -fprofile-instr-generate -fcoverage-mapping'
	"$MAKE" -s -j"$(nproc)" all
}

# report FOLDER
report()
{
	local objects=() object

	for object in tools/fatespsync tests/test-* tests/fatpoke tests/fuzz/test-corpus-*; do
		[[ ! -x $object || -d $object || $object == *.sh ]] || objects+=(-object "$object")
	done
	echo
	echo "$1/"
	llvm-cov report "${objects[@]:1}" -instr-profile="$scratch/profile/all" \
		-show-region-summary=false "$scratch/source/$1"/*.c |
		sed "s,^$scratch/source/,,; /^-*\$/d"
	[[ -z ${COVERAGE_DIR:-} ]] || llvm-cov show "${objects[@]:1}" -format=html \
		-show-branches=count -instr-profile="$scratch/profile/all" \
		-output-dir="$scratch/$1" "$scratch/source/$1"/*.c
}

build >&2
cd "$scratch/build"
rm -rf "$scratch/profile"
mkdir "$scratch/profile"
if [[ $* == fuzz ]]; then
	set -- tests/fuzz/test-corpus-entry tests/fuzz/test-corpus-volume \
		tests/fuzz/test-corpus-sync
fi
"$MAKE" -s -j"$(nproc)" check ${1:+TESTS="$*"} >&2 ||
	echo "coverage: some of them failed; this is what they ran" >&2
llvm-profdata merge -o "$scratch/profile/all" "$scratch"/profile/*.profraw
report fat
report lib
