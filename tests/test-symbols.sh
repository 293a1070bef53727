#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The public header, the version script and the built shared library name the same functions, with
# versions of one form.

set -eu

: "${srcdir:=.}" "${builddir:=.}" "${NM:=nm}"
so=$builddir/lib/.libs/libfatespsync.so
scratch=$(mktemp -d "$builddir/tests/symbols.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

without_comments() {
	sed -e 's,/\*.*\*/,,' -e '\,/\*,,\,\*/,d' "$1"
}

# A declared function is a name with its parameter list behind it; a typedef of a function
# pointer has a closing parenthesis between the two.
without_comments "$srcdir/lib/fatespsync.h" |
	grep -o '\<fes_[a-z0-9_]*(' | tr -d '(' | LC_ALL=C sort -u >"$scratch/header"
without_comments "$srcdir/lib/libfatespsync.sym" |
	grep -o '\<fes_[a-z0-9_]*;' | tr -d ';' | LC_ALL=C sort -u >"$scratch/script"

if ! [ -s "$scratch/header" ]; then
	echo "no function found in lib/fatespsync.h: this test is broken"
	exit 1
fi
if ! diff -u "$scratch/header" "$scratch/script"; then
	echo "lib/fatespsync.h and lib/libfatespsync.sym differ"
	exit 1
fi

if ! [ -e "$so" ]; then
	echo "no shared library was built: only the version script was compared"
	exit 77
fi
# The version node itself is listed as an absolute symbol.
$NM -D --defined-only "$so" | awk '$2 != "A" { print $3 }' | LC_ALL=C sort -u >"$scratch/versioned"
sed 's/@.*//' "$scratch/versioned" >"$scratch/library"
if ! diff -u "$scratch/header" "$scratch/library"; then
	echo "lib/fatespsync.h and what $so exports differ"
	exit 1
fi

# Each with the version that it came with, so that a program needs no newer library than it uses.
awk '/\{$/ { node = $1 } /^\tfes_/ { sub(/;/, ""); print $1 "@@" node }' \
	"$srcdir/lib/libfatespsync.sym" | LC_ALL=C sort -u >"$scratch/nodes"
if ! diff -u "$scratch/nodes" "$scratch/versioned"; then
	echo "lib/libfatespsync.sym and the versions of the symbols in $so differ"
	exit 1
fi
if grep -v '@@LIBFATESPSYNC_1\.[0-9][0-9]*$' "$scratch/versioned"; then
	echo "these versions are not named LIBFATESPSYNC_1.N, as long as the soname is libfatespsync.so.1"
	exit 1
fi
