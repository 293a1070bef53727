#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What puts the program into an initramfs does so only when it is asked to, and there it runs only when
# the kernel's command line says so.
#
#   test-initramfs.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

SOURCE=$(realpath -s "${srcdir:-$(dirname "$0")/..}")/integration

# ---- initramfs-tools ----

# The hook in a system of its own, whose copy_exec notes what it was asked for.
make_hook()
{
	mkdir -p sys/etc/default sys/usr/sbin
	ln -s "$FATESPSYNC" sys/usr/sbin/fatespsync
	cat >hook-functions <<-EOF
		copy_exec() { echo "copy_exec \$*" >>asked; }
		manual_add_modules() { echo "manual_add_modules \$*" >>asked; }
	EOF
	sed "s,@sysconfdir@,$PWD/sys/etc,g" "$SOURCE/setting.in" >sys/setting
	chmod +x sys/setting
	sed -e "s,@sbindir@,$PWD/sys/usr/sbin,g" -e "s,@pkglibexecdir@,$PWD/sys,g" \
		-e "s,@sysconfdir@,$PWD/sys/etc,g" \
		-e "s,/usr/share/initramfs-tools/hook-functions,$PWD/hook-functions," \
		"$SOURCE/initramfs-tools/fatespsync.in" >hook
	chmod +x hook
	: >asked
}

# As mkinitramfs runs it.
run_hook()
{
	env CONFDIR=/etc/initramfs-tools DESTDIR="$PWD/tree" MODULES=most version=6.1.0 verbose=n \
		./hook "$@" >out 2>err || fail "the hook: $?"
	no_out
	no_err
}

test_the_hook_has_no_prerequisites()
{
	LAST='hook prereqs'
	make_hook
	echo 'FATESPSYNC_INITRAMFS=yes' >sys/etc/default/fatespsync
	run_hook prereqs
	[[ ! -s asked ]] || fail "$(cat asked)"
}

test_the_hook_copies_only_when_asked_to()
{
	local setting

	LAST=hook
	make_hook
	run_hook
	[[ ! -s asked ]] || fail "$(cat asked)"
	for setting in FATESPSYNC_INITRAMFS=no FATESPSYNC_INITRAMFS= FATESPSYNC_OPTIONS=--quick \
		'#FATESPSYNC_INITRAMFS=yes'; do
		echo "$setting" >sys/etc/default/fatespsync
		run_hook
		[[ ! -s asked ]] || fail "$setting: $(cat asked)"
	done
	echo 'FATESPSYNC_INITRAMFS=yes' >sys/etc/default/fatespsync
	run_hook
	[[ $(cat asked) == "copy_exec $PWD/sys/usr/sbin/fatespsync /sbin/fatespsync
manual_add_modules efivarfs" ]] || fail "$(cat asked)"
}

# Nor does what else is in the file keep update-initramfs from its end.
test_the_settings_are_not_executed()
{
	LAST=hook
	make_hook
	printf '%s\n' 'FATESPSYNC_INITRAMFS="yes"' 'touch executed' "it's (" 'exit 3' \
		>sys/etc/default/fatespsync
	run_hook
	[[ ! -e executed ]] || fail 'was executed'
	grep -q '^copy_exec' asked || fail 'was not copied'
}

# ---- dracut ----

# place_module: as it is installed.
place_module()
{
	local name

	for name in module-setup.sh sync-mirrors.sh; do
		sed "s,@sbindir@,$PWD,g" "$SOURCE/dracut/$name.in" >$name
	done
}

# in_dracut COMMAND: with the module's functions, and those of dracut that note what they are asked for.
in_dracut()
{
	# shellcheck disable=SC2016 # for another shell
	bash -u -c '
		require_binaries() { [[ -z ${LACKING:-} ]]; }
		inst_multiple() { echo "inst_multiple $*"; }
		inst_hook() { echo "inst_hook $*"; }
		instmods() { echo "instmods ${hostonly-unset} $*"; }
		hostonly=1 moddir=/usr/lib/dracut/modules.d/90fatespsync
		. "$1"
		'"$1" bash "$PWD/module-setup.sh"
}

test_the_module_comes_only_when_asked_for()
{
	local status=0

	place_module
	in_dracut check || status=$?
	((status == 255)) || fail "check: $status, not 255"
	status=0
	LACKING=1 in_dracut check || status=$?
	((status == 1)) || fail "check without the program: $status, not 1"
	[[ -z $(in_dracut depends) ]] || fail 'depends on others'
}

test_the_module_installs_what_runs()
{
	place_module
	[[ $(in_dracut install) == "inst_multiple $PWD/fatespsync
inst_hook pre-pivot 90 /usr/lib/dracut/modules.d/90fatespsync/sync-mirrors.sh" ]] ||
		fail "$(in_dracut install)"
	# Whatever the machine has that builds it.
	[[ $(in_dracut installkernel) == 'instmods  efivarfs' ]] || fail "$(in_dracut installkernel)"
}

# pre_pivot yes|no STATUS: with rd.fatespsync or not, and a program that ends with STATUS.
pre_pivot()
{
	printf '%s\n' '#!/bin/sh' 'echo "fatespsync $*" >&2' "exit $2" >fatespsync
	chmod +x fatespsync
	# shellcheck disable=SC2016 # for another shell
	sh -c '
		wanted=$2
		getargbool() { [ "$*" = "0 rd.fatespsync" ] && [ $wanted = yes ]; }
		ismounted() { return 0; }
		mount() { echo "mount $*"; }
		info() { echo "info $*"; }
		warn() { echo "warn $*"; }
		. "$1"
		echo goes on' sh "$PWD/sync-mirrors.sh" "$@" 2>err >out
}

test_nothing_runs_unless_the_command_line_says_so()
{
	LAST=pre-pivot
	place_module
	pre_pivot no 0
	[[ $(cat out) == 'goes on' ]] || complain 'something was done'
	no_err
}

test_a_sync_that_fails_does_not_hold_up_the_boot()
{
	LAST=pre-pivot
	place_module
	pre_pivot yes 0
	[[ $(cat err) == 'fatespsync ' ]] || complain 'not synced once'
	out_lacks '^warn'
	out_has '^goes on$'
	pre_pivot yes 4
	out_has '^warn .*not all mirrors' '^goes on$'
}

run_cases "$@"
