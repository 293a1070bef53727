#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prints the folder that Debian's kernel for virtual machines stands in, as boot/vmlinuz-VERSION and
# lib/modules/VERSION; fails if there is none.
#
#   tests/guest/kernel.sh [--download]
#
# One that is installed will do. Installing it would put it into the boot menu of who only wants to
# test, so --download unpacks it in the user's cache, which checkouts share.

set -eu -o pipefail

CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/fatespsync/guest-kernel

# print_kernel DIR: DIR, if it holds one.
print_kernel()
{
	local image

	for image in "$1"/boot/vmlinuz-*-cloud-amd64; do
		if [[ -r $image && -d $1/lib/modules/${image#*/vmlinuz-}/kernel ]]; then
			echo "$1"
			return
		fi
	done
	return 1
}

# What the package that only names the latest one depends on.
name_package()
{
	apt-cache depends linux-image-cloud-amd64 |
		sed -n 's/^ *Depends: \(linux-image-.*-cloud-amd64\)$/\1/p' | head -n 1
}

# In one piece or not at all.
download_kernel()
{
	local package

	package=$(name_package)
	[[ -n $package ]] || return 1
	rm -rf "$CACHE.new"
	mkdir -p "$CACHE.new"
	(
		cd "$CACHE.new"
		apt-get -q download "$package" >&2
		dpkg -x "$package"_*.deb .
		rm "$package"_*.deb
	)
	rm -rf "$CACHE"
	mv "$CACHE.new" "$CACHE"
}

print_kernel '' || print_kernel "$CACHE" || {
	[[ ${1:-} == --download ]] || exit 1
	download_kernel
	print_kernel "$CACHE"
}
