#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The tarball of a commit has the same bytes wherever and whenever it is made: make check-dist. What is
# not committed is left out.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

: "${MAKE:=make}"
SOURCE=$(realpath "${srcdir:-$(dirname "$0")/..}")

# make_tarball NAME UMASK [VARIABLE=VALUE...]: SCRATCH/NAME.tar.gz, from a clone of its own.
make_tarball()
{
	local name=$1 clone=$SCRATCH/$1

	(
		umask "$2"
		unset SOURCE_DATE_EPOCH MAKEFLAGS MAKELEVEL
		git clone -q "$SOURCE" "$clone"
		cd "$clone"
		env "${@:3}" bash -c "./bootstrap --no-install && '$MAKE' dist"
	) >"$SCRATCH/$name.log" 2>&1 </dev/null || fail "$name: $(tail -n 20 "$SCRATCH/$name.log")"
	mv "$clone"/fatespsync-*.tar.gz "$SCRATCH/$name.tar.gz"
}

# Another one of the same contents, from the tarball alone.
remake_tarball()
{
	mkdir "$SCRATCH/again"
	tar -C "$SCRATCH/again" --strip-components=1 -xf "$SCRATCH/one.tar.gz"
	(
		cd "$SCRATCH/again"
		./configure && "$MAKE" dist
	) >"$SCRATCH/again.log" 2>&1 </dev/null || fail "again: $(tail -n 20 "$SCRATCH/again.log")"
	mv "$SCRATCH"/again/fatespsync-*.tar.gz "$SCRATCH/again.tar.gz"
}

# judge_same NAME
judge_same()
{
	cmp "$SCRATCH/one.tar.gz" "$SCRATCH/$1.tar.gz" && return
	diff <(tar -tvf "$SCRATCH/one.tar.gz") <(tar -tvf "$SCRATCH/$1.tar.gz") >&2 || :
	fail "the tarball is not the same: $1"
}

git -C "$SOURCE" rev-parse --git-dir >/dev/null 2>&1 || skip "not a clone"
use_memory 100
make_scratch
make_tarball one 022 TZ=UTC
make_tarball two 077 TZ=Asia/Tokyo LC_ALL=C
judge_same two
remake_tarball
judge_same again
echo "the same tarball three times: $(sha256sum <"$SCRATCH/one.tar.gz" | cut -c -16)"
