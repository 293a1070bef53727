#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The list on the primary, /loader/esp-sync: what it says is done, what cannot be understood stops
# everything before the first write, and changing it leaves all else of it alone.
#
#   test-esp-list.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

# set_list TEXT: make_disks with exactly this as the list, as printf(1) reads it.
set_list()
{
	make_disks
	boot_from $A
	# shellcheck disable=SC2059
	printf "$1" >list
	mcopy -D o -i a.img@@$OFFSET list ::/loader/esp-sync
}

# text_is TEXT: all of the list, as printf(1) reads it, on a.img and images $2...
text_is()
{
	local text=$1 image
	shift

	for image in a.img "$@"; do
		# shellcheck disable=SC2059
		cmp <(printf "$text") <(get_text "$image" /loader/esp-sync) || complain "$image: the list"
	done
}

# hashes COUNT: a comment of so many bytes.
hashes()
{
	head -c "$1" /dev/zero | tr '\0' '#'
}

# refuses REGEX: with this list, every verb that needs one, with nothing written anywhere.
refuses()
{
	local verb

	for verb in sync diff status 'add c.img' "remove $B" 'replace b.img c.img' \
		'wait --timeout=0'; do
		# shellcheck disable=SC2086 # several arguments
		refused 3 $verb
		err_has "^fatespsync: a\.img:1: /loader/esp-sync: $1"
	done
}

# ---- parsing ----

test_a_word_that_is_not_known_stops_everything_and_its_line_is_named()
{
	set_list "# ours\n$A\n$B\n\nmirror $C\n"
	refuses "line 5: 'mirror' is no partition UUID, 'manage' or 'exclude'"
}

test_a_uuid_with_a_slip_stops_everything()
{
	set_list "$A\n${B%b}x\n"
	refuses "line 2: '${B%b}x' is no partition UUID"
}

test_a_uuid_that_stands_there_twice_stops_everything()
{
	set_list "$A\n$B\n${A^^}\n"
	refuses "line 3: $A stands on line 1 already"
}

test_words_behind_a_uuid_stop_everything()
{
	set_list "$A\n$B second disk\n"
	refuses "line 2: 'second disk' behind the UUID is no comment"
}

test_paths_that_cannot_be_managed_stop_everything()
{
	set_list "$A\nmanage EFI/BOOT\n"
	refuses "line 2: 'EFI/BOOT' is no path below the root"
	set_list "$A\nexclude /loader/../EFI\n"
	refuses "line 2: '/loader/../EFI' is no path below the root"
	set_list "$A\nmanage\n"
	refuses "line 2: 'manage' needs a path"
}

test_what_editors_make_of_a_text_stops_everything()
{
	set_list ''
	printf '%s\n' $A $B | iconv -t UTF-16LE >list
	mcopy -D o -i a.img@@$OFFSET list ::/loader/esp-sync
	refuses '.*UTF-16'
	set_list "\xef\xbb\xbf$A\n$B\n"
	refuses 'line 1: begins with a byte order mark'
}

test_more_than_64_kib_are_no_list()
{
	set_list "$A\n$B\n$(hashes 65536)\n"
	refuses '65611 bytes are too many for a list, which has 65536 at most'
}

test_a_directory_is_no_list()
{
	make_disks
	boot_from $A
	make_dirs a.img /loader/esp-sync
	refuses 'Is a directory; move it out of the way'
}

test_a_file_in_the_place_of_loader_is_no_place_for_a_list()
{
	make_disks
	boot_from $A
	mdeltree -i a.img@@$OFFSET ::/loader
	put_text a.img /loader 'a file'
	refused 3
	err_has '^fatespsync: a\.img:1: /loader: Not a directory; move it out of the way$'
}

test_a_list_without_the_primary_stops_everything()
{
	local verb

	set_list "$B\n$C\n"
	for verb in sync diff status 'add c.img' 'remove b.img' "replace $C b.img"; do
		# shellcheck disable=SC2086 # several arguments
		refused 3 $verb
		err_has "^fatespsync: a\.img:1: its own partition UUID \($A\) is not on its list .*--primary="
	done
}

# ---- what it says is done ----

test_comments_blanks_and_line_ends_of_any_kind()
{
	set_list "\r\n# one\r\n\t ${A^^}\t# two\r\n${B^^}   #three\r\n   $C"
	run 0
	no_err
	in_sync b.img c.img
	run 0 --json=short status
	json ".list == [\"$A\", \"$B\", \"$C\"]"
}

test_lines_about_paths_take_effect()
{
	set_list "$A\nmanage /EFI/BOOT\n$B\nexclude /loader/entries\nmanage /boot notes.txt\n"
	put_text a.img '/boot notes.txt' hello
	run 0
	[[ $(get_text b.img /EFI/BOOT/BOOTX64.EFI) == 'a boot loader' ]] || complain 'not managed'
	[[ $(get_text b.img '/boot notes.txt') == hello ]] || complain 'not managed'
	! mdir -i b.img@@$OFFSET ::/loader/entries >/dev/null 2>&1 || complain 'not excluded'
	run 0 --json=short status
	json '.mirrors[0] | .state == "in-sync" and .boots == true'
	run 1 diff --manage=/EFI --exclude=/EFI/Linux --primary=a.img c.img
	out_has 'new +/EFI/BOOT/$' 'new +/boot notes\.txt '
	out_lacks '/EFI/Linux|/loader/entries'
}

test_no_list_is_no_error()
{
	make_disks
	boot_from $A
	refused 0
	no_out
	no_err
	refused 0 -v
	err_has "^fatespsync: a\.img:1: has no list /loader/esp-sync, .*'fatespsync add' makes one"
	refused 0 diff
	refused 0 status
	refused 0 --strict
	refused 0 --json=short
	json '.mirrors == [] and .list == [] and .listChanged == false and .exitStatus == 0' \
		'.primary.volume == "a.img:1"'
	refused 0 wait --timeout=0
	for text in '' '# nothing yet\n'; do
		set_list "$text"
		refused 0
		no_err
	done
}

test_the_primary_alone_is_no_error()
{
	set_list "$A\n"
	refused 0
	no_out
	no_err
	refused 0 --strict status
	out_has '^primary a\.img:1$'
	out_lacks '^mirror'
	refused 0 --json=short
	json ".mirrors == [] and .list == [\"$A\"] and .exitStatus == 0"
	refused 0 wait --timeout=0
}

test_mirrors_that_are_named_need_not_be_on_it()
{
	set_list "$A\n$B\n"
	remember b.img
	run 0 c.img
	in_sync c.img
	unchanged b.img
}

# ---- changing it ----

test_changing_it_leaves_all_else_as_it_is()
{
	set_list "# first\n\n  ${A^^}  # system\nexclude /loader/x y\n$B# no comment of its own\n#last"
	refuses "line 5: "
	set_list "# first\n\n  ${A^^}  # system\nexclude /loader/x y\n$B # it\n\n#last"
	run 0 add c.img
	text_is "# first\n\n  ${A^^}  # system\nexclude /loader/x y\n$B # it\n$C\n\n#last" b.img c.img
	run 0 replace b.img PARTUUID=$B
	text_is "# first\n\n  ${A^^}  # system\nexclude /loader/x y\n$B # it\n$C\n\n#last"
	run 0 remove c.img
	text_is "# first\n\n  ${A^^}  # system\nexclude /loader/x y\n$B # it\n\n#last" b.img c.img
	run 0 replace b.img c.img
	text_is "# first\n\n  ${A^^}  # system\nexclude /loader/x y\n$C # it\n\n#last" b.img c.img
}

test_new_lines_end_as_the_others()
{
	set_list "$A\r\n# end\r\n"
	run 0 add b.img
	text_is "$A\r\n$B\r\n# end\r\n" b.img
	set_list "$A"
	run 0 add b.img
	text_is "$A\n$B\n" b.img
}

test_it_does_not_grow_beyond_64_kib()
{
	set_list "$A\n$(hashes 65490)\n"
	refused 3 add b.img
	err_has '^fatespsync: a\.img:1: /loader/esp-sync would become longer than 65536 bytes'
	set_list "$A\n$(hashes 65461)\n"
	run 0 add b.img
	[[ $(get_text b.img /loader/esp-sync | wc -c) == 65536 ]] || complain 'not all of it'
}

test_its_entry_keeps_its_name_and_attributes()
{
	make_disks
	boot_from $A
	put_text a.img /loader/ESP-Sync "$A
"
	mattrib +r +h -i a.img@@$OFFSET ::/loader/ESP-Sync
	run 0 add b.img
	[[ $(mdir -b -a -i a.img@@$OFFSET ::/loader | grep -i sync) == ::/loader/ESP-Sync ]] ||
		complain 'it has another name'
	[[ $(mattrib -i a.img@@$OFFSET ::/loader/ESP-Sync) == *' A'*'HR '* ]] ||
		complain "$(mattrib -i a.img@@$OFFSET ::/loader/ESP-Sync)"
	in_sync b.img
}

test_it_is_made_with_its_directory()
{
	make_disks
	boot_from $A
	mdeltree -i a.img@@$OFFSET ::/loader
	run 0 add b.img
	list_is a.img $A $B
	[[ $(mdir -b -i a.img@@$OFFSET ::/loader) == ::/loader/esp-sync ]] || complain 'other names'
	in_sync b.img
}

run_cases "$@"
