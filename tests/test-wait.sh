#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# "wait" ends as soon as all that is on the list is there, or names what is missing.
#
#   test-wait.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

# come IMAGE...: each a moment after the one before, while something else goes on.
come()
{
	local image

	for image; do
		sleep 0.2
		mv "$image.gone" "$image"
	done &
}

test_it_ends_at_once_when_all_are_there()
{
	list_disks $A $B $C
	refused 0 wait
	no_out
	no_err
	refused 0 --json=short wait --timeout=7
	json '. == {"missing": [], "timeout": 7, "exitStatus": 0}'
}

test_it_ends_at_once_without_a_list()
{
	make_disks
	boot_from $A
	refused 0 wait
	put_list a.img $A
	refused 0 wait
}

test_it_names_what_is_missing()
{
	list_disks $A $B $C $D
	rm b.img
	refused 5 wait --timeout=0
	out_has "^PARTUUID=$B: missing$" "^PARTUUID=$D: missing$"
	out_lacks "$A|$C"
	refused 5 --json=short wait --timeout=0
	json ". == {\"missing\": [\"$B\", \"$D\"], \"timeout\": 0, \"exitStatus\": 5}"
	refused 5 -q wait --timeout=1
	no_out
}

test_it_ends_when_the_last_one_comes()
{
	list_disks $A $B $C
	mv b.img b.img.gone
	mv c.img c.img.gone
	come c.img b.img
	run 0 wait --timeout=50
	no_out
	[[ -e b.img && -e c.img ]] || complain 'too early'
	wait
}

test_it_waits_for_the_primary_and_its_list()
{
	list_disks $A $B
	mv a.img a.img.gone
	mv b.img b.img.gone
	come a.img b.img
	run 0 wait --timeout=50
	[[ -e a.img && -e b.img ]] || complain 'too early'
	wait
	mv a.img a.img.gone
	come a.img
	run 0 wait --primary=a.img --timeout=50
	wait
}

test_it_says_when_the_primary_is_missing()
{
	list_disks $A $B
	rm a.img
	refused 5 wait --timeout=0
	out_has '^the primary: missing$'
	err_has "firmware booted from partition $A, which is on none of the disks"
	refused 5 --json=short wait --timeout=0
	json '.missing == [null] and .exitStatus == 5'
	refused 5 --primary=a.img wait --timeout=0
	err_has '^fatespsync: a\.img: cannot be opened: No such file or directory'
}

test_a_primary_on_none_of_the_disks_that_are_searched_is_there()
{
	list_disks $A $B
	DISKS=(--disk=b.img)
	refused 0 --primary=a.img wait --timeout=0
}

test_nothing_is_waited_for_with_a_list_that_is_unusable()
{
	list_disks $A nonsense
	refused 3 wait
	no_out
	err_has "^fatespsync: a\.img:1: /loader/esp-sync: line 2: 'nonsense'"
	refused 3 --json=short wait
	json '.missing == [] and .exitStatus == 3'
}

test_a_list_that_is_mended_meanwhile_counts()
{
	list_disks $A $B $D
	mv a.img a.img.gone
	put_list a.img.gone $A $B
	come a.img
	run 0 wait --timeout=50
	wait
}

run_cases "$@"
