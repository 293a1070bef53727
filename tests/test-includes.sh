#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Arrows point downwards only: tools -> lib -> fat. Devices are touched in one file, and below
# tools/ nothing prints or exits. HACKING.md says why.

set -eu

: "${srcdir:=.}" "${CC:=cc}"
cd "$srcdir"
failed=0

fail() {
	printf '%s\n' "$*"
	failed=1
}

# includes_of FOLDER: every quoted include below it, as "file:line:path".
includes_of() {
	grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1"/*.[ch] |
		sed 's/#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/; s/:[[:space:]]*\([^:]*\)$/:\1/'
}

# may_include FOLDER REGEX: all that is quoted in FOLDER matches.
may_include() {
	folder=$1
	allowed=$2
	found=$(includes_of "$folder" | grep -vE ":($allowed)\$") || return 0
	fail "$folder/ may include only $allowed:
$found"
}

# calls PATTERN FILE...: lines outside comments that match, as "file:line:text".
calls() {
	pattern=$1
	shift
	awk -v pattern="$pattern" '
		FNR == 1 { comment = 0 }
		{
			line = $0
			gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", line)
			if (comment) {
				if (!index(line, "*/"))
					next
				sub(/^.*\*\//, "", line)
				comment = 0
			}
			if (index(line, "/*")) {
				sub(/\/\*.*$/, "", line)
				comment = 1
			}
			sub(/\/\/.*$/, "", line)
			if ((" " line) ~ ("[^A-Za-z0-9_](" pattern ")"))
				print FILENAME ":" FNR ":" $0
		}' "$@"
}

may_include fat 'fat/[a-z0-9_-]+\.h'
may_include lib '(lib|fat)/[a-z0-9_-]+\.h'
may_include tools 'lib/fatespsync\.h|tools/[a-z0-9_-]+\.h'
if grep -n '#[[:space:]]*include[[:space:]]*"' lib/fatespsync.h; then
	fail "the public header includes one that is not installed"
fi

for file in fat/*.c lib/*.c tools/*.c tests/*.c tests/fuzz/*.c; do
	first=$(grep -m1 '^#include' "$file" || true)
	[ "$first" = '#include <config.h>' ] || fail "$file: the first include is not <config.h>"
done

for header in fat/*.h lib/*.h tools/*.h tests/*.h tests/fuzz/*.h; do
	# -w: "#pragma once" in a main file is worth a warning to compilers.
	# shellcheck disable=SC2086 # CC is a command with its options
	$CC -D_GNU_SOURCE -w -fsyntax-only -I. -x c "$header" || fail "$header does not compile alone"
done

# A primary that is mounted has its file system synced, and its list written there. A terminal tells
# how wide it is.
devices='(preadv?2?|pwritev?2?|fdatasync|fsync|syncfs|sync_file_range|flock|ioctl)[ \t]*\\(|BLK[A-Z]+[A-Z0-9]*[^A-Za-z0-9_]'
for file in fat/*.[ch] lib/*.[ch] tools/*.[ch]; do
	case $file in
	fat/blkdev_file.c | lib/settle.c | lib/listfile-mounted.c | tools/terminal.c) continue ;;
	esac
	found=$(calls "$devices" "$file")
	[ -z "$found" ] || fail "device calls belong in fat/blkdev_file.c:
$found"
done

# Each barrier has its place in a protocol.
for file in fat/*.[ch] lib/*.[ch] tools/*.[ch]; do
	case $file in
	fat/blkdev.[ch] | fat/medium.c) continue ;;
	esac
	found=$(calls 'blkdev_flush[ \t]*\\(' "$file")
	[ -z "$found" ] || fail "barriers are fat_barrier():
$found"
done

# Only partitions are opened for writing, and what they are is for fes_spec_resolve() to find out: a
# disk that was open for writing would have udev read its partition table anew when it is closed.
# The list is written through the mount of a primary.
writing='(O_RDWR|O_WRONLY|O_CREAT|BLKDEV_WRITABLE)[^A-Za-z0-9_]|fopen[ \t]*\\([^,]*,[ \t]*"[^"]*[wa+]'
for file in fat/*.c lib/*.c tools/*.c; do
	case $file in
	fat/blkdev_file.c | lib/volume.c | lib/listfile-mounted.c) continue ;;
	esac
	found=$(calls "$writing" "$file")
	[ -z "$found" ] || fail "nothing else opens files or devices for writing:
$found"
done

# Whatever a device does not need: blocks freed, all file systems of the machine written back.
needless='(posix_)?fallocate[ \t]*\\(|sync[ \t]*\\([ \t]*\\)|BLK(DISCARD|SECDISCARD|ZEROOUT|RRPART|PG)[^A-Za-z0-9_]'
found=$(calls "$needless" fat/*.c lib/*.c tools/*.c)
[ -z "$found" ] || fail "devices are only read, written and flushed:
$found"

printing='(v?f?printf|v?dprintf|puts|fputs|putchar|putc|fputc|perror|psignal|exit|_exit|_Exit|quick_exit|abort)[ \t]*\\('
found=$(calls "$printing" fat/*.[ch] lib/*.[ch])
[ -z "$found" ] || fail "nothing below tools/ prints or exits:
$found"

exit $failed
