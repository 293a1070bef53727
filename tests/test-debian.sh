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

# Nobody notices one that is missing: then a new boot loader waits for the next boot.
the_triggers_are_those_that_are_documented()
{
	diff <(sed -n 's/^| new files in \(.*\) | `debian\/fatespsync.triggers` |$/\1/p' HACKING.md |
		grep -o '/[a-z/]*' | sort) \
		<(sed -n 's/^interest-noawait \(\/.*\)/\1/p' debian/fatespsync.triggers | sort) >&2 ||
		fail "debian/fatespsync.triggers and HACKING.md differ"
}

# An example that another package has is where the list of them says.
examples_are_where_their_list_says()
{
	local file folder

	while read -r file folder; do
		grep -F "| \`${file##*/}\` |" examples/README.md | grep -qF "\`/$folder\`" ||
			fail "examples/README.md does not say that ${file##*/} is in /$folder"
	done < <(grep ' usr/share/doc/' debian/*.install | cut -d: -f2-)
}

# run_postinst ARGUMENT...: in a system below SCRATCH, whose sync-hook fails.
run_postinst()
{
	local hook=$SCRATCH/usr/libexec/fatespsync/sync-hook

	rm -rf "${SCRATCH:?}"/{usr,run,called}
	mkdir -p "${hook%/*}" "$SCRATCH/run/systemd/system"
	printf '%s\n' '#!/bin/sh' "echo \"\$*\" >>$SCRATCH/called" 'exit 7' >"$hook"
	chmod +x "$hook"
	sed -e "s,\([[:blank:]]\)/usr/,\1$SCRATCH/usr/,g" -e "s, /run/, $SCRATCH/run/,g" \
		debian/fatespsync.postinst >"$SCRATCH/postinst"
	sh "$SCRATCH/postinst" "$@" || fail "postinst $*: $?"
}

# No trigger is kept for a package that is not configured.
the_package_syncs_when_it_is_configured_and_when_it_is_triggered()
{
	local arguments

	make_scratch
	for arguments in 'configure' 'configure 0.0.1-1' 'triggered fatespsync'; do
		# shellcheck disable=SC2086 # words
		run_postinst $arguments
		[[ $(cat "$SCRATCH/called" 2>/dev/null) == '--now dpkg' ]] ||
			fail "postinst $arguments did not sync once"
	done
	[[ ! -e $SCRATCH/run/fatespsync ]] || fail "postinst triggered: it is about to be late"
	run_postinst configure ''
	[[ -d $SCRATCH/run/fatespsync ]] || fail "postinst configure: mirrors are not late"
	run_postinst abort-upgrade 0.0.1-1
	[[ ! -e $SCRATCH/called ]] || fail "postinst abort-upgrade: synced"
	export DPKG_ROOT=/mnt
	run_postinst configure
	[[ ! -e $SCRATCH/called ]] || fail "postinst: synced for another system"
	unset DPKG_ROOT
}

# The package did not bring them, but nobody else reads them.
purge_takes_the_settings_along_and_nothing_less_does()
{
	local settings verb

	make_scratch
	settings=$SCRATCH/etc/default/fatespsync
	mkdir -p "${settings%/*}"
	for verb in remove upgrade disappear abort-install purge purge; do
		[[ $verb == purge ]] || echo FATESPSYNC_OPTIONS= >"$settings"
		DPKG_ROOT=$SCRATCH sh debian/fatespsync.postrm $verb || fail "postrm $verb: $?"
		[[ $verb == purge || -e $settings ]] || fail "postrm $verb: the settings are gone"
		[[ $verb != purge || ! -e $settings ]] || fail "postrm purge: the settings are left"
	done
}

the_package_syncs_when_it_is_configured_and_when_it_is_triggered
examples_are_where_their_list_says
purge_takes_the_settings_along_and_nothing_less_does
the_symbols_file_has_what_the_library_exports
the_triggers_are_those_that_are_documented
the_version_is_that_of_configure
