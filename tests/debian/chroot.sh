# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by what works in a Debian 12 that debootstrap made, after judge.sh.

: "${MAKE:=make}"
DEBIAN=$(realpath "${srcdir:-$(dirname "$0")/../..}")/tests/debian
LOGS=$(realpath "${builddir:-.}")/tests/debian

# enter_debian "$@": what a script begins with. It goes on with mounts that nobody else sees, and that go
# with it.
enter_debian()
{
	[[ $(id -u) == 0 ]] || skip "debootstrap and chroot need root"
	command -v debootstrap >/dev/null ||
		skip "no debootstrap (./bootstrap --with-guest installs it)"
	[[ -n ${DEBIAN_APART:-} ]] ||
		DEBIAN_APART=yes exec unshare --mount --propagation private "$0" "$@"
}

# make_root: sets ROOT. TMPDIR may be in memory, where device nodes are not allowed.
make_root()
{
	local tarball

	tarball=$("$DEBIAN/root.sh") || skip "no Debian 12: debootstrap failed, see above"
	[[ ${TMPDIR:-} != /dev/shm ]] || mount -o remount,bind,dev,suid,exec /dev/shm
	ROOT=$SCRATCH/root
	mkdir "$ROOT"
	tar -C "$ROOT" -xf "$tarball"
}

# in_root COMMAND...
in_root()
{
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
		DEBIAN_FRONTEND=noninteractive chroot "$ROOT" "$@" </dev/null
}

# logged_in_root COMMAND...: what it says goes to LOG.
logged_in_root()
{
	in_root "$@" >>"$LOG" 2>&1
}

# open_root: for apt, which answers itself; no service is started.
open_root()
{
	trap 'umount -l "$ROOT/proc"; rm -rf "$SCRATCH"' EXIT
	mount -t proc proc "$ROOT/proc"
	cp /etc/resolv.conf "$ROOT/etc/"
	echo 'APT::Get::Assume-Yes "true";' >"$ROOT/etc/apt/apt.conf.d/50yes"
	printf '%s\n' '#!/bin/sh' 'exit 101' >"$ROOT/usr/sbin/policy-rc.d"
	chmod +x "$ROOT/usr/sbin/policy-rc.d"
	logged_in_root apt-get update || skip "no mirror of Debian: see $LOG"
}

# Tests are left out: make check runs them. DEBS may name a folder with packages that are there already.
build_packages()
{
	if [[ -n ${DEBS:-} ]]; then
		cp -r "$DEBS" "$SCRATCH/debs"
		DEBS=$SCRATCH/debs
		return
	fi
	DEBS=$SCRATCH/debs
	DEB_BUILD_OPTIONS="nocheck ${DEB_BUILD_OPTIONS:-}" "$MAKE" -s deb DEB_DIR="$DEBS" \
		>"$LOGS/build.log" 2>&1 ||
		fail "the packages cannot be built: $(tail -n 20 "$LOGS/build.log")"
}
