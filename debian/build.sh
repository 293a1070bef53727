#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Source and binary packages from what "make dist" made: make deb.
#
#   debian/build.sh TARBALL DIR
#
# They are built in a scratch folder, so no source tree is touched, and come to DIR, which is made anew.
# DEB_BUILD_OPTIONS is as dpkg-buildpackage(1) reads it: nocheck leaves the tests out.

set -eu -o pipefail

tarball=$(realpath "$1")
dir=$2

missing()
{
	echo "debian/build.sh: no $1: install the Debian package $2 (./bootstrap --with-guest does)" >&2
	exit 77
}
command -v dpkg-buildpackage >/dev/null || missing dpkg-buildpackage dpkg-dev
command -v dh >/dev/null || missing dh debhelper

scratch=$(mktemp -d "${TMPDIR:-/tmp}/fatespsync-deb.XXXXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 129' HUP INT TERM

tar -C "$scratch" -xf "$tarball"
cd "$scratch"/fatespsync-*/
version=$(dpkg-parsechangelog -S Version)
cp "$tarball" "../fatespsync_${version%-*}.orig.tar.gz"
# make's own variables would reach the package's
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS dpkg-buildpackage -us -uc -F -j"$(nproc)" </dev/null
cd - >/dev/null

rm -rf "$dir"
mkdir -p "$dir"
find "$scratch" -maxdepth 1 -type f -exec mv -t "$dir" {} +
