#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The blocks of README.md that install, as they stand there, in a Debian 12 that has nothing of ours: make
# check-readme. Its log is tests/debian/readme.log. Needs root, for debootstrap and chroot, and a mirror of
# Debian.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/judge.sh"
# shellcheck source=tests/debian/chroot.sh
. "${srcdir:-$(dirname "$0")/../..}/tests/debian/chroot.sh"

SOURCE=$(realpath "${srcdir:-$(dirname "$0")/../..}")
LOG=$LOGS/readme.log

# A machine as somebody has it who begins; yes is what everybody answers to apt.
make_machine()
{
	make_root
	open_root
	logged_in_root apt-get install sudo build-essential || skip "no mirror of Debian: see $LOG"
}

# What a clone holds that is made now.
copy_source()
{
	"$MAKE" -s distdir distdir="$ROOT/root/fatespsync" >>"$LOG" 2>&1
	chmod -R u+w "$ROOT/root/fatespsync"
}

# do_block NAME: none of its commands fails.
do_block()
{
	echo "$1 (${SECONDS}s)"
	"$SOURCE/tests/readme.sh" "$1" >"$ROOT/root/block"
	logged_in_root env DEB_BUILD_OPTIONS=nocheck bash -c 'cd /root/fatespsync && set -ex && . /root/block' ||
		fail "README.md, $1: $(tail -n 20 "$LOG")"
}

# judge_installed: the program runs, and what starts it is where it is looked for.
judge_installed()
{
	local file

	logged_in_root fatespsync --version || fail "$1: no program that runs"
	for file in /usr/lib/kernel/install.d/99-zz-fatespsync.install \
		/usr/libexec/fatespsync/sync-hook /usr/share/man/man8/fatespsync.8*; do
		compgen -G "$ROOT$file" >/dev/null || fail "$1: no $file"
	done
	for file in systemd/system/fatespsync.service udev/rules.d/90-fatespsync.rules; do
		[[ -e $ROOT/usr/lib/$file || -e $ROOT/lib/$file ]] || fail "$1: no $file"
	done
}

enter_debian "$@"
: >"$LOG"
make_scratch
make_machine
copy_source
do_block install
judge_installed install
logged_in_root make -C /root/fatespsync uninstall || fail "make uninstall: $(tail -n 20 "$LOG")"
! find "$ROOT"/usr "$ROOT"/etc -name '*fatespsync*' | grep . || fail "make uninstall left these"
logged_in_root make -C /root/fatespsync distclean || fail "make distclean: $(tail -n 20 "$LOG")"
do_block debian-package
judge_installed debian-package
logged_in_root dpkg --status fatespsync || fail "dpkg does not know the package"
echo "done (${SECONDS}s)"
