#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What bash offers behind a line, with the real program looking at made-up disks. Of zsh's file only
# that zsh can read it, where there is one; tests/test-man.sh compares what both know with --help.
#
#   test-completion.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

COMPLETION=$(realpath "${srcdir:-$(dirname "$0")/..}")/completion
BASH_COMPLETION=/usr/share/bash-completion/bash_completion

# ---- asking ----

# In a shell of its own, since bash-completion heeds neither -e nor -u. COMP_WORDS are those of
# readline, which cuts at "=" and ":", too. In the place of lsblk(8) and find(1) for /dev/disk stand
# functions.
# shellcheck disable=SC2016
ASK='
. '"$BASH_COMPLETION"'
. "$COMPLETION/fatespsync"
lsblk() { printf "%b" "$LSBLK" | if [[ $* == *PARTTYPE* ]]; then cat; else awk "{ print \$1, \$3 }"; fi; }
find() { [[ $1 != /dev/disk/by-partuuid ]] || printf "%s\n" $BY_PARTUUID; }
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
read -ra COMP_WORDS < <(sed "s/[=:]\+/ & /g" <<<"$1")
[[ $1 != *[\ =:] ]] || COMP_WORDS+=("")
case $1 in *[=:]) unset "COMP_WORDS[-1]"; COMP_WORDS+=("") ;; esac
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_fatespsync fatespsync "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"
'

# ask LINE: leaves what is offered in out, sorted.
ask()
{
	LAST="completion of: $1"
	PATH=$(dirname "$FATESPSYNC"):$PATH COMPLETION=$COMPLETION LSBLK=${LSBLK:-} \
		BY_PARTUUID=${BY_PARTUUID:-} bash -c "$ASK" ask "$1" 2>err | sort >out
	no_err
}

# offers LINE WORD...: these and no others.
offers()
{
	ask "$1"
	shift
	diff <(printf '%s\n' "$@" | sort) out || complain "that was not expected"
}

# offers_among LINE WORD...: these, and perhaps others.
offers_among()
{
	local word

	ask "$1"
	shift
	for word; do
		grep -qFx -e "$word" out || complain "does not offer $word"
	done
}

offers_nothing()
{
	ask "$1"
	no_out
}

# ---- verbs, options, values ----

test_verbs()
{
	offers 'fatespsync ' sync diff status list add remove replace wait check ls cat
	offers 'fatespsync re' remove replace
	offers 'fatespsync --quick -n s' sync status
	offers 'fatespsync --timeout 3 w' wait
	offers_nothing 'fatespsync x'
}

test_options_of_each_verb()
{
	local common='--disk= --timeout= --progress= --quiet --verbose --no-legend --help --version'
	local sync='--primary= --dry-run --manage= --exclude= --quick --random-seed= --strict --force'
	local verb

	# shellcheck disable=SC2086 # words
	for verb in '' sync diff status add remove replace; do
		offers "fatespsync $verb -" $common --json= $sync
	done
	# shellcheck disable=SC2086
	for verb in list wait; do
		offers "fatespsync $verb --" $common --json= --primary=
	done
	# shellcheck disable=SC2086
	for verb in check ls; do
		offers "fatespsync $verb -" $common --json=
	done
	# shellcheck disable=SC2086
	offers 'fatespsync cat -' $common
	offers 'fatespsync status --no' --no-legend
}

# What is offered is what the program takes.
test_values()
{
	local word

	offers 'fatespsync --json=' pretty short off help
	offers 'fatespsync --json s' short
	offers 'fatespsync --random-seed=' auto always never
	for word in auto always never; do
		run 3 --random-seed=$word
	done
	for word in pretty short off; do
		run 0 --json=$word list
	done
	offers_nothing 'fatespsync --timeout='
	offers_nothing 'fatespsync --quick='
}

# ---- disks ----

LINE='fatespsync --disk=a.img --disk=b.img --disk=c.img'

test_remove_offers_the_listed_mirrors()
{
	list_disks $A $B $D
	offers "$LINE remove " $B $D
	offers "$LINE remove ${D:0:4}" $D
	offers "$LINE replace " $B $D
	offers_nothing "$LINE remove ${A:0:4}"
}

test_add_offers_esps_that_are_not_on_the_list()
{
	list_disks $A $B
	touch other.img
	offers "$LINE add c" c.img c.img:1
	offers_among "$LINE add " c.img PARTUUID=
	offers_among "$LINE replace $B " c.img PARTUUID=
}

# Of a user who may not look at disks.
test_add_offers_what_lsblk_says_where_the_program_finds_none()
{
	LSBLK="$ESP_TYPE $B /dev/sdb1\n0fc63daf-8483-4772-8e79-3d69d8477de4 $C /dev/sdb2\n"
	offers 'fatespsync --disk=none.img add /dev/sdb' /dev/sdb1
}

test_volumes_are_partitions_tags_and_images()
{
	LSBLK='disk - /dev/sdx\npart - /dev/sdx1\npart - /dev/sdx2\n'
	touch image.img
	offers 'fatespsync check /dev/sdx' /dev/sdx /dev/sdx1 /dev/sdx2
	offers 'fatespsync status /dev/sdx' /dev/sdx1 /dev/sdx2
	offers 'fatespsync --primary=/dev/sdx' /dev/sdx1 /dev/sdx2
	offers 'fatespsync --disk=/dev/sdx' /dev/sdx
	offers 'fatespsync --disk /dev/sdx' /dev/sdx
	offers_among 'fatespsync diff i' image.img
	offers 'fatespsync diff PART' PARTUUID= PARTLABEL=
}

# readline puts them behind the "=" that is there.
test_partition_uuids()
{
	BY_PARTUUID="$A $B odd\\x20one"
	offers 'fatespsync diff PARTUUID=' $A $B
	offers "fatespsync diff PARTUUID=${B:0:3}" $B
	offers "fatespsync --primary=PARTUUID=" $A $B
	offers_nothing 'fatespsync diff PARTUUID=0'
}

test_paths_inside_a_volume()
{
	list_disks $A
	put_text a.img '/EFI/Linux/two words.efi' x
	offers "$LINE ls a.img " /EFI/ /loader/
	offers "$LINE cat a.img /EFI/Linux/" /EFI/Linux/one.efi '/EFI/Linux/two words.efi'
	offers "$LINE ls a.img:1 /loader/l" /loader/loader.conf
	offers "$LINE --manage=/E" /EFI/
	offers "$LINE --primary=a.img --exclude=/loader/e" /loader/entries/ /loader/esp-sync
	offers_nothing "$LINE ls a.img /none/"
}

# ---- zsh ----

test_zsh_can_read_its_file()
{
	if ! command -v zsh >/dev/null; then
		echo 'no zsh: its file is not tried'
		return
	fi
	zsh -n "$COMPLETION/_fatespsync" || fail "zsh cannot read completion/_fatespsync"
}

[[ -r $BASH_COMPLETION ]] || skip "no bash-completion (./bootstrap installs it)"
run_cases "$@"
