#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prints the tarball of a fresh Debian 12 with systemd and systemd-boot; makes it if there is none of this
# month. It is in the user's cache, which checkouts share. Needs root, debootstrap and a mirror of Debian.

set -eu -o pipefail

# What the system has, and what the tests need; what fatespsync depends on comes with it, so that no
# network is needed later. apt says if that is not enough.
PACKAGES=(
	systemd-sysv dbus udev kmod systemd-boot
	dosfstools mtools
	libfdisk1 libjansson4 libmd0 libxxhash0
)
CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/fatespsync
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

key=$(printf '%s\n' "$(date +%Y-%m)" "${PACKAGES[@]}" | sha256sum | cut -c -16)
tarball=$CACHE/debian-12-$key.tar

if [[ ! -e $tarball ]]; then
	mkdir -p "$CACHE"
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/fatespsync-root.XXXXXXXX")
	trap 'rm -rf --one-file-system "$scratch"' EXIT
	trap 'exit 129' HUP INT TERM
	include=$(IFS=, && echo "${PACKAGES[*]}")
	debootstrap --variant=minbase --include="$include" bookworm "$scratch/root" "$MIRROR" \
		>"$scratch/log" 2>&1 </dev/null || {
		tail -n 20 "$scratch/log" >&2
		exit 1
	}
	rm -rf "$scratch"/root/var/cache/apt/archives/*.deb "$scratch"/root/var/lib/apt/lists/*
	# In one piece or not at all, and not beside those of other months.
	tar -C "$scratch/root" -cf "$tarball.new" .
	rm -f "$CACHE"/debian-12-*.tar
	mv "$tarball.new" "$tarball"
fi
echo "$tarball"
