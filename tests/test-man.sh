#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manual pages are clean, and --help, fatespsync(8) and both completions know the same verbs and
# options; esp-sync(5) knows the words of a list that lib/list.c knows.

set -euo pipefail

export LC_ALL=C.UTF-8
top=$(realpath "${srcdir:-$(dirname "$0")/..}")
: "${FATESPSYNC:=./tools/fatespsync}"
page=$top/man/fatespsync.8
failed=0

fail()
{
	echo "FAILED: $*" >&2
	failed=1
}

# same NAME FILE: what stands in FILE is what --help says, in $scratch/NAME.
same()
{
	diff "$scratch/$1" "$scratch/$2" >&2 || fail "'<' is known to --help only, '>' to $2 only"
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/test-man.XXXXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 129' HUP INT TERM

# ---- --help ----

"$FATESPSYNC" --help >"$scratch/help"
awk 'length > 80 { exit 1 }' "$scratch/help" || fail "--help has lines of more than 80 columns"
(($(wc -l <"$scratch/help") <= 40)) || fail "--help has more than 40 lines"

sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$scratch/help" | sort >"$scratch/verbs"
grep -oE '^  (-.,|   ) --[a-z-]+' "$scratch/help" | grep -oE -e '--?[a-z-]+' | sort >"$scratch/options"
[[ $(wc -l <"$scratch/verbs") -ge 11 && $(wc -l <"$scratch/options") -ge 17 ]] ||
	fail "--help: verbs or options are not found in it"

# ---- fatespsync(8) ----

# section NAME: its lines.
section()
{
	awk -v name="$1" '/^\.Sh / { found = $0 == ".Sh " name } found' "$page"
}

section VERBS | sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' | sort >"$scratch/verbs-man"
section OPTIONS | grep '^\.It Fl' | grep -oE 'Fl (Fl )?[a-z-]+' |
	sed 's/^Fl Fl /--/; s/^Fl /-/' | sort >"$scratch/options-man"
section SYNOPSIS | sed -n 's/^\.\(Op \)\?Cm //p' | tr -s '| ' '\n' | sort -u |
	grep -v '^Op$' >"$scratch/verbs-synopsis"
same verbs verbs-man
same options options-man
same verbs verbs-synopsis

# ---- completion ----

bash -c 'complete() { :; }; . "$1"; _init_completion() { return 1; }
	declare -f _fatespsync' bash "$top/completion/fatespsync" |
	sed -n "s/.*verbs='\(.*\)'.*/\1/p" | tr ' ' '\n' | sort >"$scratch/verbs-bash"
{
	# shellcheck disable=SC2016
	bash -c 'complete() { :; }; . "$1"; _fatespsync_options sync' bash \
		"$top/completion/fatespsync" | tr ' ' '\n' | tr -d =
	grep -e '^-.$' "$scratch/options" # too short to be completed
} | sort >"$scratch/options-bash"
sed -n "/local -a verbs=(/,/^\t)/s/^\t\t'\([a-z]*\):.*/\1/p" "$top/completion/_fatespsync" | sort >"$scratch/verbs-zsh"
sed -n '/^_fatespsync()/,$p' "$top/completion/_fatespsync" |
	sed -n '/\[/{ s/\[.*//; s/([^)]*)//g; p }' | grep -oE -e '--?[a-z][a-z-]*' |
	sort -u >"$scratch/options-zsh"
same verbs verbs-bash
same options options-bash
same verbs verbs-zsh
same options options-zsh

# ---- esp-sync(5) ----

sed -n 's/.*span_is(word, "\([a-z]*\)").*/\1/p' "$top/lib/list.c" | sort >"$scratch/words"
sed -n '/^\.Sh FORMAT/,/^\.Sh CHANGING/s/^\.It Cm \([a-z]*\) .*/\1/p' "$top/man/esp-sync.5" |
	sort >"$scratch/words-man"
diff "$scratch/words" "$scratch/words-man" >&2 || fail "esp-sync.5: other words than lib/list.c"

# ---- mdoc ----

# Which pages refer to which is no question to this machine, which may have none of them.
lint()
{
	mandoc -Tlint -Wstyle "$1" 2>&1 |
		{ grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' || true; }
}

if ! command -v mandoc >/dev/null; then
	((failed == 0)) || exit 1
	echo 'no mandoc (./bootstrap installs it): all but the form of the pages is right: skipped'
	exit 77
fi
for file in "$top"/man/*.[0-9]; do
	# A page that is another one under a second name: that one is looked at.
	[[ $(head -c 4 "$file") != '.so ' ]] || continue
	faults=$(lint "$file" || true)
	[[ -z $faults ]] || fail "$file: mandoc finds fault with it: $faults"
done

exit $failed
