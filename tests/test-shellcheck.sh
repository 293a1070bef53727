#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each shell script that is shipped passes shellcheck; those of the tests do, too, but for its remarks on
# style. These take a minute, so that is for make lint.
#
#   test-shellcheck.sh [--all]

set -eu -o pipefail

cd "${srcdir:-$(dirname "$0")/..}"
command -v shellcheck >/dev/null || { echo 'no shellcheck: skipped'; exit 77; }

# is_script FILE: its first lines say so. What make has made of another file is that one once more.
is_script()
{
	[[ ! -e $1.in ]] &&
		head -n 3 "$1" | grep -qaE '^#! ?/bin/(ba|da)?sh|^# shellcheck shell='
}

# find_scripts FOLDER...
find_scripts()
{
	local file

	while IFS= read -r file; do
		! is_script "$file" || printf '%s\n' "$file"
	done < <(find "$@" -type f ! -name '*.log' | sort)
}

folders=()
for folder in bootstrap .ci completion examples images integration; do
	[[ ! -e $folder ]] || folders+=("$folder")
done

# What is installed where this runs is of no matter, so nothing outside is followed.
mapfile -t scripts < <(
	find_scripts "${folders[@]}"
	# Below it there may be built packages.
	[[ ! -d debian ]] || find_scripts debian -maxdepth 1
)
((${#scripts[@]} > 10)) || { echo 'scripts are not found: this test is broken'; exit 1; }
printf '%s\n' "${scripts[@]}"
printf '%s\0' "${scripts[@]}" | xargs -0 -n 4 -P "$(nproc)" shellcheck -x -e SC1091

[[ ${1:-} == --all ]] || exit 0
# Variables of one are used in another.
mapfile -t scripts < <(find_scripts tests)
printf '%s\0' "${scripts[@]}" | xargs -0 -n 4 -P "$(nproc)" shellcheck -x -S warning -e SC2034
