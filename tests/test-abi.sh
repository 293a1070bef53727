#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The library offers what lib/libfatespsync.api and lib/libfatespsync.abi say, which are committed:
# so no change of what programs rely on goes unnoticed.
#
#   test-abi.sh            compare
#   test-abi.sh --update   write both anew ("make update-abi"). That something went or changed is
#                          refused as long as the soname is the same; with FORCE=1 it is done.
#
# The .api is text: soname, version of each symbol, declarations with the values of enumerators. The
# .abi is made by abidw(1) from the library itself and knows the size of each type. What is
# behind the opaque structs is in neither.

set -eu

: "${srcdir:=.}" "${builddir:=.}" "${FORCE:=0}"
api=$srcdir/lib/libfatespsync.api
abi=$srcdir/lib/libfatespsync.abi
so=$builddir/lib/.libs/libfatespsync.so
la=$builddir/lib/libfatespsync.la
scratch=$(mktemp -d "$builddir/tests/abi.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# ---- what there is ----

print_soname() {
	sed -n "s/^dlname='\(..*\)'/soname \1/p" "$la"
}

print_symbols() {
	awk '/\{$/ { node = $1 } /^\tfes_/ { sub(/;/, ""); print "symbol", $1, node }' \
		"$srcdir/lib/libfatespsync.sym"
}

print_api() {
	print_soname
	{
		print_symbols
		awk -f "$srcdir/lib/api.awk" "$srcdir/lib/fatespsync.h"
	} >"$scratch/unsorted"
	LC_ALL=C sort "$scratch/unsorted"
}

# have_abi: whether abidw and abidiff can do their work here; says why not.
have_abi() {
	if ! command -v abidw >/dev/null || ! command -v abidiff >/dev/null; then
		echo "no abidw, abidiff (Debian package abigail-tools): only texts were compared"
	elif ! [ -e "$so" ]; then
		echo "no shared library was built: only texts were compared"
	elif [ "$(getconf LONG_BIT)" != 64 ]; then
		echo "lib/libfatespsync.abi is of 64 bits: only texts were compared"
	elif ! readelf -S "$so" | grep -q '\.debug_info'; then
		echo "$so was built without -g: only texts were compared"
	else
		return 0
	fi
	return 1
}

# What the structures have inside does not count: all that is not in the one header is left out.
# Headers are known by their names in a folder; a path would have to be the compiler's.
print_abi() {
	abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-architecture --no-elf-needed \
		--drop-undefined-syms --exported-interfaces-only --no-parameter-names \
		--headers-dir "$scratch/include" --drop-private-types "$so"
}

compare_abi() {
	abidiff --no-architecture --headers-dir2 "$scratch/include" --drop-private-types \
		"$abi" "$so"
}

# ---- update ----

# lost: what the committed .api has and this build has not.
lost() {
	LC_ALL=C sort "$api" >"$scratch/old"
	LC_ALL=C sort "$scratch/api" | LC_ALL=C comm -23 "$scratch/old" -
}

may_update() {
	[ -e "$api" ] && [ "$FORCE" != 1 ] || return 0
	[ "$(head -n 1 "$api")" = "$(head -n 1 "$scratch/api")" ] || return 0
	lost >"$scratch/lost"
	[ -s "$scratch/lost" ] || return 0
	cat "$scratch/lost"
	cat <<-END
		This went or is different, so programs break that were built before. Keep it, or let
		the library have a new soname (-version-info in Makefile.am). If none of it was ever
		released, or a parameter has only got another name: make update-abi FORCE=1
	END
	return 1
}

update() {
	may_update || exit 1
	if ! [ -e "$so" ]; then
		echo "no shared library was built: nothing is written"
		exit 1
	fi
	have_abi || exit 1
	print_abi >"$scratch/abi"
	cp "$scratch/api" "$api"
	cp "$scratch/abi" "$abi"
}

# ---- compare ----

say_what_to_do() {
	cat <<-END
		If that is meant, run make update-abi and commit what it writes. HACKING.md has
		the rules.
	END
	exit 1
}

compare() {
	# without a shared library there is no soname
	[ -e "$so" ] || sed -i "1i\\$(head -n 1 "$api")" "$scratch/api"
	if ! diff -u "$api" "$scratch/api"; then
		echo "The interface of the library is another one."
		say_what_to_do
	fi
	have_abi || return 0
	if ! compare_abi >"$scratch/abidiff" 2>&1; then
		cat "$scratch/abidiff"
		echo "The shared library is another one for programs that were built before."
		say_what_to_do
	fi
}

mkdir "$scratch/include"
cp "$srcdir/lib/fatespsync.h" "$scratch/include"
print_api >"$scratch/api"
case ${1-} in
--update) update ;;
*) compare ;;
esac
