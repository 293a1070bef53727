#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What debian/ repeats of the rest of the tree is still the same there. The packages themselves are
# tried by make check-debian.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

cd "${srcdir:-$(dirname "$0")/..}"

# What package builds would be stopped by.
the_symbols_file_has_what_the_library_exports()
{
	diff <(grep -o '\<fes_[a-z0-9_]*;' lib/libfatespsync.sym | tr -d ';' | sort) \
		<(sed -n 's/^ \(fes_[a-z0-9_]*\)@.*/\1/p' debian/libfatespsync1.symbols | sort) >&2 ||
		fail "debian/libfatespsync1.symbols and lib/libfatespsync.sym differ"
}

the_version_is_that_of_configure()
{
	local upstream packaged

	upstream=$(sed -n 's/^AC_INIT(\[fatespsync\], \[\(.*\)\])$/\1/p' configure.ac)
	packaged=$(sed -n '1s/^fatespsync (\(.*\)-[^-]*) .*/\1/p' debian/changelog)
	[[ -n $upstream && $upstream == "$packaged" ]] ||
		fail "configure.ac is of version $upstream, debian/changelog of $packaged"
}

the_symbols_file_has_what_the_library_exports
the_version_is_that_of_configure
