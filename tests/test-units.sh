#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# systemd takes the units as they are meant: nothing is unknown or missing, no job waits for itself, they
# may do what the program needs and little more. The helpers that they run tell the truth.
#
#   test-units.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

SOURCE=$(realpath -s "${srcdir:-$(dirname "$0")/..}")
BUILT=$(realpath -s "${builddir:-$(dirname "$0")/..}")
UNITS=(fatespsync.service fatespsync-late@.service fatespsync-status.service fatespsync-status.timer)
# What they run, and what that runs.
PROGRAMS=(check-status has-list is-mirror read-options wait-for-mirrors)
# What systemd-analyze calls 2.5, of 10.
EXPOSURE_MAX=25
SYSTEMD=/usr/lib/systemd/system
[[ -e $SYSTEMD/multi-user.target ]] || SYSTEMD=/lib/systemd/system

need_systemd()
{
	command -v systemd-analyze >/dev/null || { echo 'no systemd-analyze: not asked'; return 1; }
	[[ -e $SYSTEMD/multi-user.target ]] || { echo 'no units of systemd: not asked'; return 1; }
}

# place NAME TARGET: what is in integration/, as make install does.
place()
{
	local from=$SOURCE/integration/$1.in

	mkdir -p "${2%/*}"
	[[ -e $from ]] || from=${from%.in}
	sed -e "/^@hardening@\$/{r $SOURCE/integration/systemd/hardening
		d}" -e "s,@sbindir@,${ROOT-}/usr/sbin,g" -e "s,@sysconfdir@,${ROOT-}/etc,g" \
		-e "s,@pkglibexecdir@,${ROOT-}/usr/libexec/fatespsync,g" "$from" >"$2"
	chmod --reference="$from" "$2"
}

# stand_in NAME: for a unit of systemd that this machine lacks (Debian's are in systemd-boot).
stand_in()
{
	[[ -e root/usr/lib/systemd/system/$1 ]] || cat >"root/usr/lib/systemd/system/$1"
}

# A system with all units of systemd, ours enabled, boots counted, and what could fail looked at.
make_root()
{
	local unit etc=root/etc/systemd/system

	mkdir -p root/usr/lib/systemd $etc/{multi-user.target.wants,boot-complete.target.requires} \
		$etc/{basic,timers}.target.wants
	cp -r "$SYSTEMD" root/usr/lib/systemd/
	ln -s usr/lib root/lib
	for unit in "${UNITS[@]}"; do
		place "systemd/$unit" "root/usr/lib/systemd/system/$unit"
	done
	for unit in "${PROGRAMS[@]}"; do
		place $unit root/usr/libexec/fatespsync/$unit
	done
	mkdir root/usr/sbin
	ln -s "$FATESPSYNC" root/usr/sbin/fatespsync

	stand_in systemd-bless-boot.service <<-EOF
		[Unit]
		DefaultDependencies=no
		Requires=boot-complete.target
		After=local-fs.target boot-complete.target
		Conflicts=shutdown.target
		Before=shutdown.target
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/true
	EOF
	stand_in systemd-boot-update.service <<-EOF
		[Unit]
		DefaultDependencies=no
		After=local-fs.target
		Before=sysinit.target shutdown.target
		Conflicts=shutdown.target
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/true
	EOF
	ln -s $SYSTEMD/fatespsync.service $etc/multi-user.target.wants/
	ln -s $SYSTEMD/fatespsync-status.timer $etc/timers.target.wants/
	ln -s $SYSTEMD/systemd-boot-check-no-failures.service $etc/boot-complete.target.requires/
	ln -s $SYSTEMD/systemd-bless-boot.service $etc/basic.target.wants/
	ln -s $SYSTEMD/systemd-boot-update.service $etc/basic.target.wants/
}

# analyze ARGUMENT...: into "out"; what it says of others' programs, which are not there, is left out.
analyze()
{
	LAST="systemd-analyze $*"
	systemd-analyze --root="$PWD/root" --man=no "$@" >said 2>&1 || true
	grep -v 'is not executable: No such file or directory$' said >out || true
	: >err
}

# ---- units ----

test_units_are_valid()
{
	need_systemd || return 0
	make_root
	analyze verify "${UNITS[@]/@/@0b5c3e40-1111-4222-8333-00000000000a}"
	no_out
	sed -i '/^ExecStart=/s,fatespsync ,elsewhere ,' root/usr/lib/systemd/system/fatespsync.service
	systemd-analyze --root="$PWD/root" --man=no verify fatespsync.service >out 2>&1 || true
	out_has 'elsewhere'
}

test_no_unit_waits_for_itself()
{
	local unit=root/usr/lib/systemd/system/fatespsync.service

	need_systemd || return 0
	make_root
	analyze verify multi-user.target graphical.target
	out_lacks 'cycle|fatespsync'
	analyze verify fatespsync-status.timer fatespsync-status.service
	no_out

	# Nor is that because nobody looked. Which unit of the cycle is named first, and which job is
	# dropped, changes from run to run.
	sed -i 's/^After=multi-user\.target/After=/' $unit
	analyze verify multi-user.target graphical.target
	out_has 'ordering cycle .*fatespsync\.service|dependency on fatespsync\.service'
}

# property UNIT NAME: its values.
property()
{
	sed -n "s/^$2=//p" "$SOURCE/integration/systemd/$1"* | tr ' ' '\n'
}

test_the_boot_unit_is_after_all_that_changes_an_esp_at_boot()
{
	local unit

	for unit in multi-user.target boot-complete.target systemd-bless-boot.service \
		systemd-boot-update.service systemd-boot-random-seed.service; do
		property fatespsync.service.in After | grep -qxF "$unit" || fail "not after $unit"
	done
	[[ -z $(property fatespsync.service.in Requires)$(property fatespsync.service.in Wants) ]] ||
		fail 'something is pulled in'
}

test_units_may_do_little()
{
	local unit exposure

	need_systemd || return 0
	make_root
	for unit in fatespsync.service fatespsync-late@0.service fatespsync-status.service; do
		systemd-analyze --root="$PWD/root" security --offline=true --no-pager \
			--threshold=$EXPOSURE_MAX $unit >out 2>&1 || fail "$unit: $(tail -n 1 out)"
		exposure=$(sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p' out)
		[[ -n $exposure ]] || fail "$unit: $(cat out)"
		echo "$unit: exposure $exposure"
	done
}

# Each has all that stands in one file, and nothing of its own that would take some of it back.
test_units_are_equally_confined()
{
	local unit own

	sed -n 's/^\([A-Z][A-Za-z]*\)=.*/\1/p' "$SOURCE/integration/systemd/hardening" | sort -u >names
	for unit in "$SOURCE"/integration/systemd/*.service.in; do
		[[ $(grep -cx '@hardening@' "$unit") == 1 ]] || fail "${unit##*/}: not confined"
		own=$(sed -n 's/^\([A-Z][A-Za-z]*\)=.*/\1/p' "$unit" | sort -u | comm -12 - names)
		[[ -z $own ]] || fail "${unit##*/}: has a $own= of its own"
	done
}

# calls_of SET...: the system calls in them.
calls_of()
{
	local name
	local -A seen=()
	set -- "$@"

	while (($#)); do
		name=$1
		shift
		[[ -z ${seen[$name]:-} ]] || continue
		seen[$name]=1
		if [[ $name == @* ]]; then
			mapfile -t inside < <(systemd-analyze syscall-filter "$name" |
				sed -n 's/^    \([^ #].*\)/\1/p')
			set -- "$@" "${inside[@]}"
		else
			echo "$name"
		fi
	done | sort -u
}

# Their filter, as systemd reads it: the first line says that it allows, those with ~ take away.
allowed_calls()
{
	local line

	: >allowed
	while read -r line; do
		# shellcheck disable=SC2086 # a list of words
		calls_of ${line#\~} >named
		if [[ $line == ~* ]]; then
			comm -23 allowed named >left
		else
			sort -u allowed named >left
		fi
		mv left allowed
	done < <(sed -n 's/^SystemCallFilter=//p' "$SOURCE/integration/systemd/hardening")
}

# watched ARGUMENT...: the program, its system calls in "calls".
watched()
{
	local status=0

	strace -f -qq -e signal=none -o trace "$FATESPSYNC" "$@" >/dev/null 2>&1 || status=$?
	((status <= 5)) || fail "$* ended with $status"
	sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' trace >>calls
}

test_units_may_do_what_the_program_does()
{
	need_systemd || return 0
	command -v strace >/dev/null || { echo 'no strace: not asked'; return 0; }
	strace true 2>/dev/null || { echo 'strace may not trace: not asked'; return 0; }
	list_disks $A $B $C $D
	mount_at /efi a.img $OFFSET $SIZE
	allowed_calls
	grep -qx pwrite64 allowed || fail 'no system calls were found'
	watched "${DISKS[@]}" -q wait --timeout=1
	watched "${DISKS[@]}" --strict
	watched "${DISKS[@]}" --strict status
	watched "${DISKS[@]}" list
	watched list
	watched ls a.img /loader/esp-sync
	watched cat a.img /loader/esp-sync
	sort -u calls | comm -23 - allowed >out
	[[ ! -s out ]] || fail "not allowed: $(tr '\n' ' ' <out)"
}

# ---- what make has made ----

test_places_are_those_of_configure()
{
	local file path made=0

	for file in "$BUILT"/integration/* "$BUILT"/integration/{systemd,kernel-install,pacman}/*; do
		[[ -f $file && $file != *.in ]] || continue
		! grep -n '@[a-z]*dir@' "$file" || fail "$file: places were left out"
		while read -r path; do
			made=$((made + 1))
			[[ $path == /* ]] || fail "$file: $path"
			[[ -x $BUILT/integration/${path##*/} || -x $BUILT/tools/${path##*/} ]] ||
				fail "$file: $path: nothing of that name is installed"
		done < <(sed -nE 's/^(Exec[A-Za-z]*|Exec|program|has_list|read_options|setting|hook) ?= ?-?([^ ]*).*/\2/p' \
			"$file")
	done
	((made >= 12)) || fail "only $made places"
}

# configured OPTION...: without a compiler it ends soon, whatever it thinks of them.
configured()
{
	LAST="configure $*"
	: >out
	! "$SOURCE/configure" CC=false "$@" >out 2>err || complain 'configured without a compiler'
}

# Quoting would have to be another one in each file that names them.
test_places_with_odd_characters_are_refused()
{
	local option name

	for option in --prefix='/tmp/a b' --prefix=/a,b --prefix='/a&b' --exec-prefix=/a%b --sbindir='/a$b' \
		--libexecdir='${prefix}/a;b' --sysconfdir='/a"b' --sysconfdir="/a'b" --sbindir='/a\b' \
		--libexecdir=/ü --sbindir='${home}/b' --prefix=$'/a\nb'; do
		configured "$option"
		name=${option%%=*}
		name=${name#--}
		err_has "^configure: error: ${name/-/_} is '" ' only if it is made of'
	done
	configured --prefix="$PWD/A-Z_0.9/+~" --exec-prefix='${prefix}/x' --sbindir='${exec_prefix}/sbin' \
		--libexecdir='${prefix}/lib' --sysconfdir=/etc
	err_lacks 'made of'
	configured
	err_lacks 'made of'
}

# ---- the rule ----

test_the_rule_is_about_partitions_that_are_added()
{
	local rule=$SOURCE/integration/udev/90-fatespsync.rules

	grep -qx 'ACTION!="add", GOTO="fatespsync_end"' "$rule" || fail 'not only for "add"'
	# Every line is made of keys, operators and strings, and each jump has its label.
	! grep -vE '^(#.*)?$' "$rule" |
		grep -vE '^([A-Z]+(\{[A-Z_]+\})?(==|!=|\+=|=)"[^"]*"(, |$))+$' ||
		fail 'lines that udev does not understand'
	[[ $(grep -c 'LABEL="fatespsync_end"' "$rule") == 1 ]] || fail 'no label'
	! udevadm verify --help >/dev/null 2>&1 || udevadm verify "$rule" || fail 'udevadm verify'
}

# ---- helpers ----

# place_helpers: with the real program.
place_helpers()
{
	local name

	ROOT=$PWD/sys
	mkdir -p sys/usr/sbin
	ln -s "$FATESPSYNC" sys/usr/sbin/fatespsync
	for name in "${PROGRAMS[@]}"; do
		place $name sys/usr/libexec/fatespsync/$name
	done
	HELPERS=sys/usr/libexec/fatespsync
}

# helper STATUS NAME ARGUMENT...
helper()
{
	local wanted=$1 status=0
	shift

	LAST=$*
	"$HELPERS/$1" "${@:2}" >out 2>err || status=$?
	((status == wanted)) || complain "status $status, not $wanted"
}

# read_as WORDS LINE...: as read-options tells them.
read_as()
{
	local words
	read -ra words <<<"$1"

	helper 0 read-options "${words[@]}"
	[[ $(cat out) == "$(printf '%s\n' "${@:2}")" ]] || complain 'read otherwise'
	no_err
}

test_options_are_read_as_the_program_reads_them()
{
	place_helpers
	read_as ''
	read_as '--disk=a --disk b --di=c --dis d' --disk=a --disk=b --disk=c --disk=d
	read_as '--primary a=b --pri=c' --primary=a=b --primary=c
	read_as '--exclude --disk=a --manage -q' --exclude=--disk=a --manage=-q
	read_as '--quie --quick --json pretty --no' --quiet --quick --json=pretty --no-legend
	read_as '-qn -v' --quiet --dry-run --verbose
	read_as '--disk=' --disk=
	# What the program refuses, and what is none.
	read_as '--d --p=x --quiets --quiet=x -xq' --d --p=x --quiets --quiet=x -x --quiet
	read_as 'b - -- -q --di a' b - -- -q --di a
	read_as '--force --disk' --force --disk
	helper 0 read-options --disk 'a b' '--primary= *'
	[[ $(cat out) == $'--disk=a b\n--primary= *' ]] || complain 'read otherwise'
}

test_all_options_are_known_that_there_are()
{
	local names

	place_helpers
	names=$(sed -nE "s/^(with_value|without)='(.*)'$/\\2/p" "$HELPERS/read-options" | tr ' ' '\n' | sort)
	[[ $names == "$("$FATESPSYNC" --help | sed -nE 's/^  (-.,|   ) --([a-z-]+).*/\2/p' | sort)" ]] ||
		fail "others than --help names: $names"
	names=$(sed -n "s/^with_value='\(.*\)'$/\1/p" "$HELPERS/read-options" | tr ' ' '\n' | sort)
	[[ $names == "$("$FATESPSYNC" --help | sed -nE 's/^  (-.,|   ) --([a-z-]+)=.*/\2/p' | sort)" ]] ||
		fail "others than --help names have values: $names"
}

# Else hooks and units would do nothing, and say nothing, where the program itself finds all.
test_a_value_may_be_a_word_of_its_own()
{
	place_helpers
	make_disks
	make_dirs c.img /loader
	put_list c.img $A $C
	helper 0 is-mirror $A --primary c.img --disk a.img --disk c.img
	helper 1 is-mirror $A --primary c.img --disk b.img --disk c.img
	helper 0 has-list --disk a.img --disk c.img --quick
	helper 1 has-list --disk a.img --exclude --disk=c.img
	helper 0 has-list --primary elsewhere.img
	helper 0 wait-for-mirrors 0 --primary c.img --disk a.img --disk c.img --manage --primary=b.img
	helper 5 wait-for-mirrors 0 --pri c.img --di c.img
	no_out
	err_lacks 'usage|--help'

	list_disks $A
	make_dirs b.img /loader
	put_list b.img $A $B
	helper 1 check-status --disk a.img --disk b.img --primary a.img
	err_has "PARTUUID=$B"
}

test_only_mirrors_are_mirrors()
{
	place_helpers
	list_disks $A $B
	helper 0 is-mirror $B "${DISKS[@]}" --quick
	no_out
	no_err
	helper 1 is-mirror $A "${DISKS[@]}"
	helper 1 is-mirror $C "${DISKS[@]}"
	helper 1 is-mirror $D "${DISKS[@]}"
	helper 1 is-mirror '' "${DISKS[@]}"
	helper 1 is-mirror $A "${DISKS[@]}" --primary=a.img
	# From the other side it is.
	make_dirs c.img /loader
	put_list c.img $A $C
	helper 0 is-mirror $A --primary=c.img "${DISKS[@]}"
	no_out
	no_err
}

# --force takes partitions of any type. The XBOOTLDR beside a mirror is on no list.
test_mirrors_of_any_type_are_mirrors()
{
	place_helpers
	list_disks $A $B $C
	make_gpt b.img "$(esp_line $B ebd0a0a2-b9e5-4433-87c0-68b6b72699c7)"
	make_fat b.img BBBB0002
	helper 0 is-mirror $B "${DISKS[@]}"
	truncate -s $((OFFSET + SIZE + 4 * MIB)) c.img
	printf '%s\n' 'label: gpt' "$(esp_line $C)" \
		"size=4096, type=bc13c2ff-59e6-4262-a352-b275fd6f7172, uuid=$D" | write_table c.img
	helper 0 is-mirror $C "${DISKS[@]}"
	helper 1 is-mirror $D "${DISKS[@]}"
}

# note_calls: what the program is asked for from now on is noted in "calls".
note_calls()
{
	rm sys/usr/sbin/fatespsync
	cat >sys/usr/sbin/fatespsync <<-EOF
		#!/bin/sh
		echo "\$*" >>$PWD/calls
		exec $FATESPSYNC "\$@"
	EOF
	chmod +x sys/usr/sbin/fatespsync
}

# Who reads no list while somebody has locked the primary's disk sees no mirrors on it.
test_a_late_mirror_is_asked_for_with_the_patience_of_its_sync()
{
	local timeout

	place_helpers
	list_disks $A $B
	note_calls
	helper 0 is-mirror $B "${DISKS[@]}"
	timeout=$(property fatespsync-late@.service.in ExecStart | grep '^--timeout=')
	grep -qe "$timeout .*list\$" calls || complain "not $timeout: $(cat calls)"
	# That of the settings counts for the sync, too.
	helper 0 is-mirror $B "${DISKS[@]}" --timeout 5
	grep -qe ' --timeout=5 list$' calls || complain "not that of the settings: $(cat calls)"
}

test_a_mirror_that_is_gone_is_missing_and_no_late_one()
{
	place_helpers
	list_disks $A $B
	rm b.img
	helper 1 is-mirror $B --disk=a.img
}

# Nothing but the settings says which is the primary.
test_the_primary_of_the_settings_is_waited_for()
{
	local options

	place_helpers
	make_disks
	put_list a.img $A $B
	helper 0 wait-for-mirrors 0 --primary=a.img "${DISKS[@]}" --quick --exclude=/x --strict
	no_out
	no_err
	helper 5 wait-for-mirrors 0 --primary=a.img --disk=a.img
	err_lacks 'usage|--help'
	# The unit hands them on.
	options=$(property fatespsync.service.in ExecStartPre | tail -n 1)
	[[ $options == "\$FATESPSYNC_OPTIONS" ]] || fail "the unit: $options"
}

test_only_machines_with_a_list_are_looked_at()
{
	place_helpers
	make_disks
	boot_from $A
	helper 1 has-list "${DISKS[@]}" --quick
	no_out
	no_err
	helper 0 has-list --primary=elsewhere.img
	put_list a.img $A $B
	helper 0 has-list "${DISKS[@]}"
	# One that cannot be understood is one.
	put_list a.img nonsense
	helper 0 has-list "${DISKS[@]}"
	make_disks
	make_dirs b.img /loader
	put_list b.img $A $B
	helper 0 has-list "${DISKS[@]}"
	helper 1 has-list --disk=a.img
	no_out
	no_err
	wipe a.img $OFFSET 512
	helper 0 has-list --disk=a.img
	no_out
	no_err
}

# Then nobody knows whether there is a list.
test_disks_of_the_settings_that_are_gone_are_told()
{
	place_helpers
	make_disks
	boot_from $A
	helper 1 has-list --disk=a.img --disk=b.img
	helper 0 has-list --disk=a.img --disk=gone.img
	helper 0 has-list --disk gone.img --quick
	no_out
	no_err
}

# What somebody has locked may have a list, and the run has the time to wait for it.
test_what_is_locked_is_left_to_the_run()
{
	local image lock

	place_helpers
	make_disks
	boot_from $A
	SECONDS=0
	for image in a.img b.img; do
		exec {lock}<$image
		flock $lock
		helper 0 has-list --disk=a.img --disk=b.img
		no_out
		no_err
		exec {lock}<&-
	done
	((SECONDS < 30)) || complain "$SECONDS seconds"
	helper 1 has-list --disk=a.img --disk=b.img
}

test_a_status_that_is_good_is_told()
{
	place_helpers
	list_disks $A $B
	put_text a.img /loader/entries/one.conf 'linux /EFI/Linux/one.efi'
	put_text a.img /EFI/BOOT/BOOTX64.EFI '#### LoaderInfo: systemd-boot 252 ####'
	run 0
	helper 0 check-status "${DISKS[@]}"
	out_has '^primary a\.img:1$' '^  state +in sync$'
	no_err
}

test_a_stale_mirror_makes_a_failure()
{
	place_helpers
	list_disks $A $B
	helper 1 check-status "${DISKS[@]}"
	out_has '^  state +differs'
	err_has "^fatespsync: the mirrors are not all in sync: .* run: fatespsync ${DISKS[*]}\$"
	helper 1 check-status -q "${DISKS[@]}" --primary PARTUUID=$A --json=short
	err_has " run: fatespsync ${DISKS[*]} --primary=PARTUUID=$A\$"
}

test_without_options_none_are_named()
{
	place_helpers
	helper 3 check-status
	err_has '^fatespsync: the mirrors are not all in sync: .* run: fatespsync$'
	! grep -q 'check-status --' "$SOURCE/integration/systemd/fatespsync-status.service.in" ||
		fail 'the unit has options of its own'
}

test_a_missing_mirror_makes_a_failure()
{
	place_helpers
	list_disks $A $B $D
	run 0
	helper 5 check-status "${DISKS[@]}"
	out_has '^  state +missing$'
	err_has "PARTUUID=$D: missing" '^fatespsync: the mirrors are not all in sync'
}

# The primary's boot loader is nobody's whom we know, so the mirror has none.
test_a_mirror_that_does_not_boot_makes_a_failure()
{
	place_helpers
	list_disks $A $B
	run 0
	run 0 status
	out_has '^  boots +yes$' '^  boots +no: '
	helper 1 check-status "${DISKS[@]}"
	err_has '^fatespsync: b\.img:1: is in sync, but does not boot: no boot loader in /EFI/BOOT$'
}

# A list without mirrors asks for nothing, so that without this all mirrors would be dropped in silence.
test_a_list_that_has_lost_its_mirrors_makes_a_failure()
{
	local uuid

	place_helpers
	list_disks $A $B $C
	run 0
	for uuid in '' "$A" '# nothing'; do
		put_list a.img "$uuid"
		helper 1 check-status "${DISKS[@]}"
		err_has "^fatespsync: b\.img:1: .* run: fatespsync ${DISKS[*]} add PARTUUID=$B\." \
			"^fatespsync: c\.img:1: .* run: fatespsync ${DISKS[*]} add PARTUUID=$C\."
	done
	# What is told to be done makes it good again.
	run 0 add PARTUUID=$B PARTUUID=$C
	helper 1 check-status "${DISKS[@]}"
	err_lacks 'names no mirror'

	mdel -i a.img@@$OFFSET ::/loader/esp-sync
	put_list b.img "  ${A^^} # the first" $'manage /x\r' "$B"$'\r'
	helper 1 check-status "${DISKS[@]}" --quick
	err_has "PARTUUID=$B" "PARTUUID=$C"
	helper 0 check-status --disk=a.img
	no_err
}

# An XBOOTLDR partition has a UUID, too, which no list names.
test_a_list_that_has_lost_its_mirrors_makes_a_failure_beside_xbootldr()
{
	place_helpers
	list_disks $A
	make_dirs b.img /loader
	put_list b.img $A $B
	truncate -s $((OFFSET + SIZE + 4 * MIB)) a.img
	printf '%s\n' 'label: gpt' "$(esp_line $A)" \
		"size=4096, type=bc13c2ff-59e6-4262-a352-b275fd6f7172, uuid=$D" | write_table a.img
	make_fat a.img AAAA0009 BOOT $((OFFSET + SIZE)) $((2 * MIB))
	helper 1 check-status "${DISKS[@]}"
	out_has '^primary a\.img:2 \(XBOOTLDR of a\.img:1\)$' "^  partuuid +$D$"
	err_has "^fatespsync: b\.img:1: .* run: fatespsync ${DISKS[*]} add PARTUUID=$B\."
}

test_mirrors_that_were_taken_off_the_list_are_not_missed()
{
	place_helpers
	list_disks $A $B $C
	run 0
	run 0 remove PARTUUID=$B PARTUUID=$C
	helper 0 check-status "${DISKS[@]}"
	no_err
	# Nor is what another machine left.
	put_list c.img $C $D
	helper 0 check-status "${DISKS[@]}"
	no_err
}

# What else is said to make the report another, or none.
test_no_option_or_colour_hides_that_a_mirror_does_not_boot()
{
	local options

	place_helpers
	list_disks $A $B
	run 0
	for options in -q --quiet --quie -v -qv --verbose --no-legend --json=short '--json pretty' --j=short \
		'-q --quick --json=short' --version --help '--progress=yes -nq'; do
		# shellcheck disable=SC2086 # words
		helper 1 check-status "${DISKS[@]}" $options
		err_has '^fatespsync: b\.img:1: is in sync, but does not boot: no boot loader in /EFI/BOOT$'
		out_has '^primary a\.img:1$'
	done
	SYSTEMD_COLORS=1 helper 1 check-status "${DISKS[@]}"
	err_has '^fatespsync: b\.img:1: is in sync, but does not boot: no boot loader in /EFI/BOOT$'
	# What follows an option that takes a value is none, and what is wrong stays wrong.
	helper 2 check-status "${DISKS[@]}" --exclude -q
	err_has "'-q': not a path"
	helper 2 check-status "${DISKS[@]}" -qx
	helper 2 check-status "${DISKS[@]}" --quiets
}

# Where firmware starts something else, both have nothing that we would know: then equal is enough.
test_a_primary_that_does_not_boot_asks_no_more_of_its_mirror()
{
	place_helpers
	list_disks $A $B
	mdel -i a.img@@$OFFSET ::/EFI/BOOT/BOOTX64.EFI
	run 0
	helper 0 check-status "${DISKS[@]}"
	no_err
}

run_cases "$@"
