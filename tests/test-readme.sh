#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# README.md shows what "make demo" prints, and each of its blocks of commands is run by some test.

set -euo pipefail

top=$(realpath "${srcdir:-$(dirname "$0")/..}")

fail()
{
	echo "FAILED: $*" >&2
	exit 1
}

# Not run on made-up disks: .ci/run does the first, and make check-readme the others.
elsewhere=(try debian-package install)

diff <("$top/tests/readme.sh" | grep -vxF "$(printf '%s\n' "${elsewhere[@]}")" | sort) \
	<("$top/tests/test-readme-disks.sh" --blocks | sort) ||
	fail "README.md: a block of commands that no test runs, or that is gone"
[[ $("$top/tests/readme.sh" try) == './bootstrap && make demo
./bootstrap && make check' ]] || fail "README.md: .ci/run runs other commands than 'try'"

# Commands stand in blocks with a name, or nobody would run them.
(($(grep -cE '^ *```(sh|console) [a-z-]+$' "$top/README.md") == $(grep -cE '^ *```$' "$top/README.md"))) ||
	fail "README.md: a block without a name, which nobody would run"

# "..." stands for any number of lines. All else has to follow one another as it stands there.
demo=$(mktemp "${TMPDIR:-/tmp}/test-readme.XXXXXXXX")
trap 'rm -f "$demo"' EXIT
trap 'exit 129' HUP INT TERM
"$top/images/demo.sh" >"$demo" || exit
"$top/tests/readme.sh" session | awk '
	FNR == NR { printed[++n] = $0; next }
	$0 == "..." { gap = 1; next }
	{
		if (!gap && at && printed[at + 1] != $0) {
			print "README.md: after \"" printed[at] "\" comes \"" printed[at + 1] "\", not: " $0
			exit failed = 1
		}
		for (i = at + 1; i <= n && printed[i] != $0; i++)
			;
		if (i > n) {
			print "README.md: make demo does not print: " $0
			exit failed = 1
		}
		at = i
		gap = 0
	}
	END { exit failed || !at }' "$demo" - || fail "README.md does not show what make demo prints"
