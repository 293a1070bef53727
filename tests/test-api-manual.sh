#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libfatespsync(3) has each function of lib/fatespsync.h as it is declared there, and each type and
# value, and nothing else; its example compiles.

set -eu

: "${srcdir:=.}" "${builddir:=.}" "${CC:=cc}"
page=$srcdir/man/libfatespsync.3
scratch=$(mktemp -d "$builddir/tests/api-manual.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# declared NAME: what api.awk printed, of one sort.
declared() {
	awk -f "$srcdir/lib/api.awk" "$srcdir/lib/fatespsync.h" >"$scratch/api"
	case $1 in
	functions) grep -v '^typedef' "$scratch/api" | grep ')$' ;;
	callbacks) sed -n 's/^typedef .*(\*\(.*\))(.*/\1/p' "$scratch/api" ;;
	values) sed -n 's/^enum [^:(]*: \([A-Z0-9_]*\) = .*/\1/p' "$scratch/api" ;;
	esac
}

# A function is declared by an .Ft with its type, and an .Fn below it; others mention it.
documented_functions() {
	awk '
	/^\.Ft / { type = substr($0, 5); gsub(/"/, "", type); typed = NR }
	/^\.Fn fes_[a-z0-9_]+ / && NR == typed + 1 {
		name = $2
		rest = substr($0, length(".Fn " name " ") + 1)
		n = split(rest, words, "\"")
		arguments = ""
		for (i = 1; i <= n; i++)
			if (words[i] !~ /^ *$/)
				arguments = arguments (arguments == "" ? "" : ", ") words[i]
		print type (type ~ /\*$/ ? "" : " ") name "(" arguments ")"
	}' "$page"
}

documented() {
	case $1 in
	functions) documented_functions ;;
	callbacks) sed -n 's/^\.It Vt \(fes_[a-z_]*_fn\)$/\1/p' "$page" ;;
	values) grep '^\.\(Dv\|Pq Dv\|It Dv\) ' "$page" | grep -o 'FES_[A-Z0-9_]*' ;;
	esac
}

print_example() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/ { /^\./d; /^The last step/d; /^booted:/d
		s/\\e/\\/g; p }' "$page"
}

for sort in functions callbacks values; do
	declared $sort | LC_ALL=C sort >"$scratch/declared"
	documented $sort | LC_ALL=C sort -u >"$scratch/documented"
	if ! [ -s "$scratch/declared" ]; then
		echo "no $sort found in lib/fatespsync.h: this test is broken"
		exit 1
	fi
	if ! diff -u "$scratch/declared" "$scratch/documented"; then
		echo "lib/fatespsync.h and man/libfatespsync.3 have other $sort"
		exit 1
	fi
done

# Names in running text.
grep -o 'fes_[a-z0-9_]*' "$page" | LC_ALL=C sort -u >"$scratch/mentioned"
grep -o 'fes_[a-z0-9_]*' "$srcdir/lib/fatespsync.h" | LC_ALL=C sort -u >"$scratch/known"
if LC_ALL=C comm -23 "$scratch/mentioned" "$scratch/known" | grep .; then
	echo "man/libfatespsync.3 mentions these, and lib/fatespsync.h does not have them"
	exit 1
fi

print_example >"$scratch/example.c"
# shellcheck disable=SC2086 # CC may have options
$CC -std=c11 -Wall -Wextra -Werror -I "$srcdir/lib" -fsyntax-only "$scratch/example.c"

if ! command -v mandoc >/dev/null; then
	echo "no mandoc: the page was not checked for mistakes"
	exit 0
fi
# Pages that are not installed here are no mistake.
mandoc -T lint "$page" 2>/dev/null | grep -v 'referenced manual not found' >"$scratch/lint" || true
if [ -s "$scratch/lint" ]; then
	cat "$scratch/lint"
	exit 1
fi
