#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The tests are tested: a mutant is the program with one decision undone on which its promise rests,
# and the test that mutants.list names for it has to fail. Mutants are built and tried in copies of
# the source, one copy per processor. The last line says "N mutants, N caught".
#
#   tests/mutants.sh [NAME...]   all mutants, or these alone
#   tests/mutants.sh --fit       only whether each still finds its lines and its test

set -eu -o pipefail

here=$(cd "${srcdir:-$(dirname "$0")/..}" && pwd)
builddir=${builddir:-.}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mutants.XXXXXX")
mutants=$scratch/mutants
only_fit=false
if [[ ${1-} == --fit ]]; then
	only_fit=true
	shift
fi
only=("$@")
jobs=$(nproc)
limit=300 # seconds; a test that takes longer hangs

export FATESPSYNC_TEST_QUICK=1
unset MAKEFLAGS MFLAGS # they are of a make that this one has no part in
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

die()
{
	printf 'mutants: %s\n' "$*" >&2
	exit 1
}

# A folder for each mutant of the list: its texts, and a pair of files for each of its places.
read_list()
{
	mkdir "$mutants"
	awk -v top="$mutants" '
		function put(name, text) { printf "%s", text >(dir "/" name); close(dir "/" name) }
		function place_done() {
			if (old == new)
				return
			places++
			put("old." places, old)
			put("new." places, new)
			old = new = ""
		}
		/^#/ { next }
		/^mutant: / {
			place_done()
			dir = sprintf("%s/%03d", top, ++n)
			system("mkdir " dir)
			places = 0
		}
		/^(mutant|file|caught by): / {
			key = $0; sub(/: .*/, "", key); gsub(/ /, "-", key)
			sub(/^[^:]*: /, "")
			put(key, $0)
			next
		}
		/^@@$/ || /^$/ { place_done(); next }
		/^-/ { old = old substr($0, 2) "\n"; next }
		/^\+/ { new = new substr($0, 2) "\n"; next }
		/^ / { old = old substr($0, 2) "\n"; new = new substr($0, 2) "\n"; next }
		{ print FILENAME ":" FNR ": neither a field nor a changed line" >"/dev/stderr"; exit 1 }
		END { place_done() }' "$here/tests/mutants.list"
}

# wanted MUTANT: whether it is one of those that were asked for.
wanted()
{
	local name

	((${#only[@]} > 0)) || return 0
	for name in "${only[@]}"; do
		[[ $name != "$(<"$1/mutant")" ]] || return 0
	done
	return 1
}

drop_unwanted()
{
	local mutant

	for mutant in "$mutants"/*; do
		wanted "$mutant" || rm -r "$mutant"
	done
	[[ -n $(ls "$mutants") ]] || die "no mutant has this name"
}

# Each "PROGRAM: CASE" of the list once; no case: all of the program.
tests_named()
{
	local mutant

	for mutant in "$mutants"/*; do
		printf '%s\n' "$(<"$mutant/caught-by")"
	done | sort -u
}

# substitute FILE OLD NEW: whole lines, which stand there just once.
substitute()
{
	perl -e '
		my ($file, $old, $new, $text) = (shift);
		local $/;
		sub slurp { open my $f, "<", $_[0] or die "$_[0]: $!\n"; return scalar(<$f>) // "" }
		($old, $new, $text) = (slurp(shift), slurp(shift), slurp($file));
		exit 1 if (() = $text =~ /^\Q$old\E/mg) != 1;
		$text =~ s/^\Q$old\E/$new/m;
		open my $f, ">", $file or die "$file: $!\n";
		print $f $text;' "$@"
}

mutate()
{
	local old

	for old in "$1"/old.*; do
		substitute "$2" "$old" "${old/%old.*/new.${old##*.}}" || return
	done
}

# fits MUTANT: whether its lines and its test are still there.
fits()
{
	local file test

	file=$(<"$1/file") test=$(<"$1/caught-by")
	[[ -e $here/tests/${test%%:*}.c ]] || {
		echo "$(<"$1/mutant"): there is no tests/${test%%:*}.c" >&2
		return 1
	}
	cat "$here/$file" >"$scratch/changed"
	mutate "$1" "$scratch/changed" || {
		echo "$(<"$1/mutant"): its lines do not stand in $file just once" >&2
		return 1
	}
}

check_fit()
{
	local mutant n=0

	for mutant in "$mutants"/*; do
		fits "$mutant" || n=$((n + 1))
	done
	((n == 0)) || die "$n fit no more: tests/mutants.list"
}

# build_copy PROGRAM...: the source as the tarball has it, configured and built.
build_copy()
{
	make -s -C "$builddir" distdir distdir="$scratch/1" &&
		cd "$scratch/1" &&
		# What a mutant no longer uses is no reason to stop.
		./configure -q --disable-shared --disable-dependency-tracking CFLAGS="-O1 -w" &&
		make -s -j"$jobs" "$@"
}

make_copies()
{
	local -a programs
	local i

	mapfile -t programs < <(tests_named | sed 's,:.*,,; s,^,tests/,' | sort -u)
	(build_copy "${programs[@]}") >"$scratch/log" 2>&1 || {
		cat "$scratch/log" >&2
		die "the copy of the source cannot be built"
	}
	for ((i = 2; i <= jobs; i++)); do
		cp -a "$scratch/1" "$scratch/$i"
	done
}

# run_test COPY "PROGRAM: CASE": the first fault that it finds, at which it ends.
run_test()
{
	local program=${2%%:*} case='' line tap pid tmp status=0

	[[ $2 != *": "* ]] || case=${2#*: }
	tmp=$(mktemp -d "$1/tmp.XXXXXX")
	exec {tap}< <(
		[[ -z $case ]] || export CK_RUN_CASE=$case
		TMPDIR=$tmp CK_TAP_LOG_FILE_NAME=- exec timeout $limit "$1/tests/$program" 2>&1
	)
	pid=$!
	while read -r -u "$tap" line; do
		[[ $line != *": Checks: 0,"* ]] || line="not ok :::nothing is tested"
		[[ $line == "not ok "* ]] || continue
		printf '%s' "${line#*:*:}"
		kill "$pid" 2>/dev/null || true
		break
	done
	exec {tap}<&-
	wait "$pid" || status=$?
	rm -rf "$tmp" 2>/dev/null || true # a case that was ended with its program may still write
	[[ $line == "not ok "* ]] || ((status == 0)) || printf 'error: exit status %d' "$status"
}

# What is no mutant has to pass.
check_some()
{
	local test fault

	while read -r test; do
		fault=$(run_test "$1" "$test")
		[[ -z $fault ]] || printf '%s fails: %s\n' "$test" "$fault" >>"$scratch/fails"
	done
}

check_tests()
{
	local i

	for ((i = 1; i <= jobs; i++)); do
		tests_named | awk -v i="$i" -v n="$jobs" 'NR % n == i % n' | check_some "$scratch/$i" &
	done
	wait
	[[ ! -e $scratch/fails ]] || die "without a mutant: $(<"$scratch/fails")"
}

# verdict COPY MUTANT: "caught", "escaped" or "error", and what there is to say.
verdict()
{
	local test fault

	test=$(<"$2/caught-by")
	mutate "$2" "$1/$(<"$2/file")"
	make -s -C "$1" "tests/${test%%:*}" >"$2/log" 2>&1 || {
		echo "error: does not compile: $(grep -m 1 error "$2/log")"
		return
	}
	fault=$(run_test "$1" "$test")
	case $fault in
	'') echo "escaped: $test passes" ;;
	error:*) echo "$fault" ;;
	*) echo "caught: ${fault:0:150}" ;;
	esac
}

# work COPY: try whatever mutant no other worker has taken.
work()
{
	local mutant file

	for mutant in "$mutants"/*; do
		mkdir "$mutant/taken" 2>/dev/null || continue
		file=$1/$(<"$mutant/file")
		cp "$file" "$mutant/whole"
		verdict "$1" "$mutant" >"$mutant/verdict"
		cp "$mutant/whole" "$file"
		printf '%-60s %s\n' "$(<"$mutant/mutant")" "$(<"$mutant/verdict")"
	done
}

read_list
((${#only[@]} == 0)) || drop_unwanted
check_fit
if $only_fit; then
	echo "all mutants fit"
	exit
fi
make_copies
check_tests
for ((i = 1; i <= jobs; i++)); do
	work "$scratch/$i" &
done
wait

n=$(find "$mutants" -mindepth 1 -maxdepth 1 | wc -l)
caught=$(cat "$mutants"/*/verdict | grep -c '^caught' || true)
echo "$SECONDS s"
echo "$n mutants, $caught caught"
((caught == n))
