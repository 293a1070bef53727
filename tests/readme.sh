#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# readme.sh [NAME]: the block of README.md with this name, "```sh NAME" or "```console NAME", as it is to
# be run or compared; without NAME the names of all blocks with commands.

set -euo pipefail

readme=$(realpath "${srcdir:-$(dirname "$0")/..}")/README.md

if (($# == 0)); then
	sed -nE 's/^ *```sh ([a-z-]+)$/\1/p' "$readme"
	exit
fi

# Blocks inside a list are indented by as much as their first line.
awk -v name="$1" '
	!inside && $1 ~ /^```(sh|console)$/ && $2 == name { inside = 1; indent = index($0, "`"); next }
	inside && $1 == "```" { inside = 0; found = 1 }
	inside { print substr($0, indent) }
	END { exit !found }' "$readme" || {
	echo "readme.sh: README.md has no block '$1'" >&2
	exit 1
}
