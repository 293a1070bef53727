#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Another program can be built with what make install leaves behind, and with that alone: the
# example program, against shared and static library, found by pkg-config. It syncs. What make
# install made is gone after make uninstall.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

: "${builddir:=.}" "${CC:=cc}" "${CXX:=c++}" "${MAKE:=make}" "${SANITIZERS:=}"
builddir=$(realpath "$builddir")
read -ra cc <<<"$CC"
read -ra cxx <<<"$CXX"
read -ra sanitizers <<<"$SANITIZERS"
warnings=(-Wall -Wextra -Wpedantic -Werror)

# install_library: header, libraries, libfatespsync.pc and examples, into $installed.
install_library()
{
	installed=$SCRATCH/installed
	# a make that is below another one does not get its jobs
	env -u MAKEFLAGS -u MFLAGS "$MAKE" -s -C "$builddir" DESTDIR="$installed" install \
		>install.log 2>&1 || fail "make install: $(cat install.log)"
	PKG_CONFIG_PATH=$(dirname "$(find "$installed" -name libfatespsync.pc)")
	PKG_CONFIG_SYSROOT_DIR=$installed
	export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
	example=$(find "$installed" -path '*/examples/sync-esp.c')
	[[ -n $example ]] || fail "the example was not installed"
	libdir=$(pkg-config --variable=libdir libfatespsync)
	[[ $libdir == "$installed"/* ]] || libdir=$installed$libdir
}

# flags OPTION...: as an array of words, in $flags.
flags()
{
	read -ra flags <<<"$(pkg-config "$@" libfatespsync)"
}

# judge_header COMPILER...: the header is enough, and raises no warning.
judge_header()
{
	flags --cflags
	printf '#include <fatespsync.h>\nint main(void) { return fes_version() == NULL; }\n' >header
	"$@" "${warnings[@]}" "${flags[@]}" -fsyntax-only header || fail "$*: the header is no good"
}

# judge_example: what was built as ./sync-esp makes a mirror equal, once.
judge_example()
{
	local primary=$SCRATCH/primary.img mirror=$SCRATCH/mirror.img

	make_image "$primary" 16 512 4 5000 AAAA0001
	make_primary "$primary" 2048
	make_image "$mirror" 32 512 1 65700 BBBB0002
	make_mirror "$mirror" 512
	judge_primary "$primary"
	judge_before "$mirror"
	./sync-esp "$primary" "$mirror" >out 2>err || fail "exit $?: $(cat out err)"
	grep -qxE "$mirror: [1-9][0-9]* bytes written" out || fail "first run: $(cat out)"
	judge_after "$primary" "$mirror"

	modified "$mirror" >modified.before
	./sync-esp "$primary" "$mirror" >out 2>err || fail "again: exit $?: $(cat out err)"
	[[ $(cat out) == "$mirror: 0 bytes written" ]] || fail "again: $(cat out)"
	[[ $(modified "$mirror") == "$(cat modified.before)" ]] || fail "again: it wrote"

	! ./sync-esp "$primary" no.img >out 2>err || fail "success without a mirror"
	grep -q '^sync-esp: no\.img: ' err || fail "nobody is told: $(cat err)"
}

test_header_alone()
{
	judge_header "${cc[@]}" -x c -std=c99
	judge_header "${cc[@]}" -x c -std=gnu11
	if command -v "${cxx[0]}" >/dev/null; then
		judge_header "${cxx[@]}" -x c++ -std=c++11
		judge_header "${cxx[@]}" -x c++
	else
		echo "  no $CXX (Debian package g++): the header was not tried in C++"
	fi
}

test_example_is_short()
{
	local lines

	lines=$(wc -l <"$example")
	((lines < 60)) || fail "the example has $lines lines"
}

test_example_with_shared_library()
{
	if [[ ! -e $libdir/libfatespsync.so ]]; then
		echo "  no shared library was built"
		return
	fi
	flags --cflags --libs
	"${cc[@]}" "${warnings[@]}" "${sanitizers[@]}" -o sync-esp "$example" "${flags[@]}" ||
		fail "cc: exit $?"
	readelf -d sync-esp | grep 'NEEDED.*\[libfatespsync\.so\.1\]' >/dev/null ||
		fail "not linked to it"
	export LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
	judge_example
	readelf -V sync-esp | grep 'LIBFATESPSYNC_1\.0' >/dev/null || fail "no version is asked for"
}

test_example_with_static_library()
{
	if [[ ! -e $libdir/libfatespsync.a ]] || ((${#sanitizers[@]})); then
		echo "  no static library was built, or one with sanitizers"
		return
	fi
	# A folder in which the linker finds no other. What the library itself needs may be shared:
	# Debian has no libfdisk.a.
	mkdir static
	cp "$libdir/libfatespsync.a" static
	flags --static --cflags --libs
	"${cc[@]}" "${warnings[@]}" -Lstatic -o sync-esp "$example" "${flags[@]}" ||
		fail "cc: exit $?"
	! readelf -d sync-esp | grep "NEEDED.*libfatespsync" || fail "it is not in the program"
	judge_example
}

# uninstall: what is in $installed, from a copy of it, $left.
uninstall()
{
	left=$SCRATCH/left
	rm -rf "$left"
	cp -a "$installed" "$left"
	if (($#)); then
		find "$left" -type d -path "$1" -exec touch {}/foreign \;
	fi
	env -u MAKEFLAGS -u MFLAGS "$MAKE" -s -C "$builddir" DESTDIR="$left" uninstall \
		>uninstall.log 2>&1 || fail "make uninstall: $(cat uninstall.log)"
	find "$left" -name '*fatespsync*' >found
}

test_uninstall_leaves_no_folder_of_ours()
{
	uninstall
	[[ ! -s found ]] || fail "left: $(cat found)"
	uninstall '*/libexec/fatespsync'
	[[ $(wc -l <found) == 1 ]] || fail "left: $(cat found)"
	[[ -e $(cat found)/foreign ]] || fail "a file of somebody else is gone"
}

need_tools pkg-config readelf "${cc[0]}"
use_memory 100
need_space 100
make_scratch
cd "$SCRATCH"
install_library
for name in $(compgen -A function test_); do
	echo "$name"
	# a case's environment ends with it
	("$name")
done
