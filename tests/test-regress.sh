#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Bugs that a reviewer found, and none of them again. Each case runs alone:
# test-regress.sh [CASE...]

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

: "${FATPOKE:=./tests/fatpoke}"

# Cases with other managed or excluded paths set these, and MANAGED and PRIVATE of judge.sh.
OPTIONS=()

# ---- volumes ----

# make_pair: an empty primary and an empty mirror of other geometry.
make_pair()
{
	PRIMARY=$SCRATCH/primary.img
	MIRROR=$SCRATCH/mirror.img
	make_image "$PRIMARY" 16 512 1 5000 00000001
	make_image "$MIRROR" 12 512 4 2000 00000002
}

# make_dirs IMAGE PATH...
make_dirs()
{
	local image=$1
	shift

	mmd -i "$image" "${@/#/::/}"
}

# put_text IMAGE PATH TEXT
put_text()
{
	printf %s "$3" >"$SCRATCH/file"
	mcopy -D o -i "$1" "$SCRATCH/file" "::/$2"
}

# put_bytes IMAGE PATH COUNT SEED
put_bytes()
{
	write_bytes "$SCRATCH/file" "$3" "$4"
	mcopy -D o -i "$1" "$SCRATCH/file" "::/$2"
}

# poke IMAGE VERB...
poke()
{
	"$FATPOKE" "$@" || fail "fatpoke $*"
}

# checksum NAME: that of an 11-byte short name, in hexadecimal.
checksum()
{
	local sum=0 i

	for ((i = 0; i < 11; i++)); do
		sum=$((((sum << 7 | sum >> 1) + $(printf %d "'${1:i:1}")) & 255))
	done
	printf %02x "$sum"
}

# utf16 TEXT: in hexadecimal.
utf16()
{
	printf %s "$1" | iconv -t UTF-16LE | xxd -p | tr -d '\n'
}

# slots IMAGE PATH: the long-name slots and the short name of an entry, in hexadecimal.
slots()
{
	"$FATFILL" "$1" raw |
		awk -F '\t' -v path="$2" '$1 == path { split($2, word, " ")
			print substr(word[2], 1, length(word[2]) - 64 + 22) }'
}

# names IMAGE DIR: as mdir and ls tell them, which have to agree.
names()
{
	mdir -b -a -i "$1" "::$2" | sed -E 's,/$,,; s,.*/,,' | sort >"$SCRATCH/names.mdir"
	"$FATESPSYNC" --json=pretty ls "$1" "$2" |
		sed -n 's/^ *"name": "\(.*\)",*$/\1/p' | sort >"$SCRATCH/names.ls"
	compare "$1: mdir and ls differ on $2" "$SCRATCH/names.mdir" "$SCRATCH/names.ls"
	tr '\n' ' ' <"$SCRATCH/names.ls"
}

# ---- judging ----

# compare_trees [IGNORED]: the same managed entries and contents on both, but for paths that
# match.
compare_trees()
{
	local path

	list_tree "$PRIMARY" | grep -Ev "${1:-^$}" >"$PRIMARY.tree"
	list_tree "$MIRROR" | grep -Ev "${1:-^$}" >"$MIRROR.tree"
	compare "the entries differ" "$PRIMARY.tree" "$MIRROR.tree"
	while read -r path; do
		cmp <(mcopy -i "$PRIMARY" "::/$path" -) <(mcopy -i "$MIRROR" "::/$path" -) ||
			fail "$path: the contents differ"
	done < <(sed -n 's/\tattributes 2.*//p' "$PRIMARY.tree")
}

# judge_settled: nothing is left to be done.
judge_settled()
{
	"$FATESPSYNC" -q --primary="$PRIMARY" "${OPTIONS[@]}" diff "$MIRROR" ||
		fail "diff after a sync: exit $?"
	fingerprint "$MIRROR" >"$MIRROR.sum"
	run_sync "$PRIMARY" "${OPTIONS[@]}" "$MIRROR"
	[[ $(json_sum writes "$PRIMARY.json") == 0 ]] || fail "the second sync wrote"
	[[ $(fingerprint "$MIRROR") == "$(cat "$MIRROR.sum")" ]] ||
		fail "the second sync wrote and denies it"
}

# sync_and_settle: after judge_before.
sync_and_settle()
{
	run_sync "$PRIMARY" "${OPTIONS[@]}" "$MIRROR"
	mv "$PRIMARY.json" "$SCRATCH/first.json"
	judge_sound "$MIRROR"
	judge_foreign "$MIRROR"
	judge_settled
}

sync_mirror()
{
	judge_before "$MIRROR"
	sync_and_settle
}

# refuse MESSAGE: the mirror is refused with this, and nothing is written.
refuse()
{
	local status=0

	fingerprint "$MIRROR" >"$MIRROR.sum"
	modified "$MIRROR" >"$MIRROR.modified"
	"$FATESPSYNC" --primary="$PRIMARY" "${OPTIONS[@]}" "$MIRROR" >"$SCRATCH/out" 2>&1 ||
		status=$?
	[[ $status == 4 ]] || fail "exit $status, not 4: $(cat "$SCRATCH/out")"
	grep -q "mirror\.img: $1" "$SCRATCH/out" || fail "not '$1': $(cat "$SCRATCH/out")"
	[[ $(fingerprint "$MIRROR") == "$(cat "$MIRROR.sum")" &&
		$(modified "$MIRROR") == "$(cat "$MIRROR.modified")" ]] ||
		fail "the refused mirror was written to"
}

# ---- foreign files in directories that the primary has not, or has otherwise ----

# make_kept_files: excluded and private ones on the mirror, beside what is to go.
make_kept_files()
{
	make_pair
	make_dirs "$PRIMARY" EFI EFI/Linux
	put_text "$PRIMARY" EFI/Linux/a.efi A
	make_dirs "$MIRROR" EFI EFI/Linux EFI/Linux/foo EFI/Linux/foo/deep loader loader/swtpm
	put_text "$MIRROR" EFI/Linux/a.efi A
	put_text "$MIRROR" EFI/Linux/foo/gone G
	put_text "$MIRROR" EFI/Linux/foo/keep.dat KEEP
	put_text "$MIRROR" EFI/Linux/foo/.#private PRIVATE
	put_text "$MIRROR" EFI/Linux/foo/deep/.#private DEEP
	put_text "$MIRROR" loader/random-seed SEED
	put_text "$MIRROR" loader/swtpm/state STATE
	put_text "$MIRROR" loader/gone G
}

test_foreign_files_survive_without_their_directory()
{
	local OPTIONS=(--exclude=/EFI/Linux/foo/keep.dat)
	local PRIVATE="$PRIVATE|^EFI/Linux/foo/keep.dat"

	make_kept_files
	sync_mirror
	compare_trees '^EFI/Linux/foo(/deep)?	'
	[[ $(names "$MIRROR" /EFI/Linux/foo) == '.#private deep keep.dat ' ]] || fail "foo"
	[[ $(names "$MIRROR" /EFI/Linux/foo/deep) == '.#private ' ]] || fail "foo/deep"
	[[ $(names "$MIRROR" /loader) == 'esp-sync.was random-seed swtpm ' ]] || fail "loader"
}

# The old entries still need a kernel in a folder that also holds something foreign: the kernel goes
# late, the foreign file never.
test_foreign_files_survive_a_late_removal()
{
	local OPTIONS=(--manage=/mid --exclude=/mid/6.1/keep.dat) MANAGED="$MANAGED|^mid"
	local PRIVATE="$PRIVATE|^mid/6.1/keep.dat"

	make_pair
	make_dirs "$MIRROR" loader loader/entries mid mid/6.1
	put_text "$MIRROR" mid/6.1/vmlinuz OLD
	put_text "$MIRROR" mid/6.1/keep.dat KEEP
	put_text "$MIRROR" loader/entries/old.conf 'linux /mid/6.1/vmlinuz'
	make_dirs "$PRIMARY" loader loader/entries mid mid/6.2
	put_text "$PRIMARY" mid/6.2/vmlinuz NEW
	put_text "$PRIMARY" loader/entries/new.conf 'linux /mid/6.2/vmlinuz'
	sync_mirror
	[[ $(names "$MIRROR" /mid/6.1) == 'keep.dat ' ]] || fail "mid/6.1"
}

test_foreign_files_are_not_replaced_by_a_file()
{
	local OPTIONS=(--exclude=/EFI/Linux/foo/keep.dat)

	make_kept_files
	put_text "$PRIMARY" EFI/Linux/foo FILE
	refuse '/EFI/Linux/foo: '
	mdel -i "$MIRROR" ::/EFI/Linux/foo/keep.dat
	refuse '/EFI/Linux/foo'
	mdel -i "$MIRROR" ::/EFI/Linux/foo/.#private ::/EFI/Linux/foo/deep/.#private
	sync_mirror
	compare_trees
}

test_foreign_files_survive_a_change_of_case()
{
	local OPTIONS=(--exclude=/EFI/Linux/foo/keep.dat)
	local PRIVATE="$PRIVATE|^EFI/Linux/[Ff]oo/keep.dat"

	make_kept_files
	make_dirs "$PRIMARY" EFI/Linux/Foo EFI/Linux/Foo/Deep
	put_text "$PRIMARY" EFI/Linux/Foo/new NEW
	judge_before "$MIRROR"
	sed -i 's,^EFI/Linux/foo/deep/,EFI/Linux/Foo/Deep/,; s,^EFI/Linux/foo/,EFI/Linux/Foo/,' \
		"$MIRROR.raw"
	sort -o "$MIRROR.raw" "$MIRROR.raw"
	sync_and_settle
	compare_trees
	[[ $(names "$MIRROR" /EFI/Linux) == 'Foo a.efi ' ]] || fail "Foo"
	[[ $(names "$MIRROR" /EFI/Linux/Foo) == '.#private Deep keep.dat new ' ]] || fail "Foo"
	grep -q '"kind": *"renamed", *"path": *"/EFI/Linux/Foo"' "$SCRATCH/first.json" ||
		fail "no rename: $(cat "$SCRATCH/first.json")"
}

# ---- little room ----

test_payload_of_an_entry_that_stays_is_not_removed_first()
{
	local OPTIONS=(--manage=/mid) MANAGED="$MANAGED|^mid"

	make_pair
	make_image "$MIRROR" 12 512 1 3500 00000002
	make_dirs "$MIRROR" loader loader/entries mid mid/6.1
	put_text "$MIRROR" loader/entries/debian.conf 'linux /mid/6.1/vmlinuz61'
	put_bytes "$MIRROR" mid/6.1/vmlinuz61 900000 100
	make_dirs "$PRIMARY" loader loader/entries mid mid/6.2
	put_text "$PRIMARY" loader/entries/debian.conf 'linux /mid/6.2/vmlinuz62'
	put_bytes "$PRIMARY" mid/6.2/vmlinuz62 920000 200
	refuse 'too small: [0-9]* bytes missing'

	# what no entry names may go first
	put_text "$MIRROR" loader/entries/debian.conf 'linux /mid/6.0/vmlinuz60'
	sync_mirror
	compare_trees
}

# make_full_directories: five mixed directories without a free slot, which get an entry each, and a
# file that can go. All the rest of the mirror but KEEP clusters is full.
make_full_directories()
{
	local keep=$1 dir i

	make_pair
	make_image "$MIRROR" 12 512 1 3000 00000002
	make_dirs "$PRIMARY" EFI EFI/Linux loader
	put_text "$PRIMARY" loader/loader.conf n
	make_dirs "$MIRROR" EFI loader
	for dir in A B C D E; do
		make_dirs "$PRIMARY" $dir $dir/M
		make_dirs "$MIRROR" $dir
		for ((i = 10; i < 24; i++)); do
			make_dirs "$MIRROR" $dir/D$i
		done
	done
	put_bytes "$MIRROR" loader/old.bin 100000 100
	put_empty_file "$MIRROR" FILL
	"$FATFILL" "$MIRROR" fill FILL "$keep"
	cp --sparse=always "$MIRROR" "$MIRROR.full"
}

test_growth_of_mixed_directories_is_counted()
{
	local OPTIONS=(--manage=/{A,B,C,D,E}/M) MANAGED="$MANAGED|^[a-e]/m"
	local clusters status fitted=0 refused=0
	# mtools takes the number of the very last cluster for too big
	local -x MTOOLS_SKIP_CHECK=1

	make_full_directories 20
	# 216 clusters are there for it all
	for ((clusters = 199; clusters <= 207; clusters++)); do
		cp --sparse=always "$MIRROR.full" "$MIRROR"
		put_bytes "$PRIMARY" EFI/Linux/uki.efi $((clusters * 512)) 200
		status=0
		"$FATESPSYNC" -q --primary="$PRIMARY" "${OPTIONS[@]}" diff "$MIRROR" \
			>"$SCRATCH/out" 2>&1 || status=$?
		if [[ $status == 1 ]]; then
			[[ $refused == 0 ]] || fail "$clusters fit, but fewer did not"
			sync_mirror
			compare_trees
			fitted=$((fitted + 1))
		else
			refused=$((refused + 1))
			refuse "too small: $((refused * 512)) bytes missing"
		fi
	done
	((fitted && refused)) || fail "$fitted fitted, $refused were refused"
}

# ---- long-name slots ----

# make_orphans DIR NAME: long-name slots at the end of a directory of the mirror, whose checksum is
# that of the short name NAME.
make_orphans()
{
	local first=2 sum

	sum=$(checksum "$2")
	[[ $1 != / ]] || first=1
	put_text "$MIRROR" "${1#/}/foreign-long-name.dat" ''
	poke "$MIRROR" slot "$1" $first 13 "$sum" -- slot "$1" $((first + 1)) 13 "$sum" -- \
		slot "$1" $((first + 2)) 0 "$(printf '%064d' 0)"
}

test_orphaned_slots_name_nobody()
{
	local orphan='^Orphaned long file name part "foreign-long-name.dat"$|^  Auto-deleting.$'

	make_pair
	make_dirs "$PRIMARY" EFI EFI/LINUX
	put_text "$PRIMARY" EFI/LINUX/A.EFI A

	make_orphans / 'EFI        '
	judge_before "$MIRROR"
	run_sync "$PRIMARY" "$MIRROR"
	judge_foreign "$MIRROR"
	[[ $(names "$MIRROR" /) == 'EFI ' ]] || fail "the root holds $(names "$MIRROR" /)"
	compare_trees
	judge_settled
	fsck.fat -n "$MIRROR" >"$SCRATCH/fsck" || true
	[[ $(grep -Ec "$orphan" "$SCRATCH/fsck") == 2 ]] || fail "the orphans are gone"
	! grep -Ev "$orphan|^fsck.fat |^Leaving filesystem unchanged|files, |^$" "$SCRATCH/fsck" ||
		fail "fsck.fat finds more"

	make_image "$MIRROR" 16 512 4 5000
	make_dirs "$MIRROR" EFI
	make_orphans /EFI 'LINUX      '
	judge_before "$MIRROR"
	run_sync "$PRIMARY" "$MIRROR"
	judge_foreign "$MIRROR"
	[[ $(names "$MIRROR" /EFI) == 'LINUX ' ]] || fail "EFI holds $(names "$MIRROR" /EFI)"
	compare_trees
	judge_settled
}

test_wrong_long_name_slots_are_no_difference()
{
	make_pair
	make_dirs "$PRIMARY" EFI EFI/Linux
	put_text "$PRIMARY" EFI/Linux/a-long-name-here.efi A
	# type of the first, cluster of the second
	poke "$PRIMARY" slot /EFI/Linux 2 12 01 -- slot /EFI/Linux 3 26 0100
	sync_mirror
	[[ $(names "$MIRROR" /EFI/Linux) == 'a-long-name-here.efi ' ]] || fail "the name"

	make_dirs "$MIRROR" EFI/Linux/foreign
	put_text "$PRIMARY" EFI/Linux/another-long-name.efi B
	poke "$PRIMARY" slot /EFI/Linux 5 12 01 -- slot /EFI/Linux 6 26 0100
	local OPTIONS=(--exclude=/EFI/Linux/foreign) PRIVATE="$PRIVATE|^EFI/Linux/foreign"
	sync_mirror
	[[ $(names "$MIRROR" /EFI/Linux) == \
		'a-long-name-here.efi another-long-name.efi foreign ' ]] || fail "the names"
}

test_an_alias_equal_to_its_long_name_is_copied()
{
	local OPTIONS=() PRIVATE="$PRIVATE|^EFI/Linux/foreign" long

	make_pair
	make_dirs "$PRIMARY" EFI EFI/Linux
	put_text "$PRIMARY" EFI/Linux/vmlinuz-x KERNEL
	# as Linux makes it
	long=41$(utf16 vmlin)0f00$(checksum 'VMLINUZ    ')$(utf16 uz)0000ffffffffffff0000ffffffff
	poke "$PRIMARY" slot /EFI/Linux 2 0 "$long" -- \
		slot /EFI/Linux 3 0 "$(printf 'VMLINUZ    ' | xxd -p)"
	long+=$(printf 'VMLINUZ    ' | xxd -p)
	[[ $(slots "$PRIMARY" EFI/Linux/vmlinuz) == "$long" ]] || fail "poked it wrongly"

	sync_mirror
	compare_trees
	[[ $(slots "$MIRROR" EFI/Linux/vmlinuz) == "$long" ]] || fail "not verbatim"
	[[ $(names "$MIRROR" /EFI/Linux) == 'vmlinuz ' ]] || fail "the name"

	make_image "$MIRROR" 16 512 4 5000
	make_dirs "$MIRROR" EFI EFI/Linux EFI/Linux/foreign
	OPTIONS=(--exclude=/EFI/Linux/foreign)
	sync_mirror
	compare_trees
	[[ $(slots "$MIRROR" EFI/Linux/vmlinuz) == "$long" ]] || fail "not verbatim where mixed"
}

# make_longest_names CHARACTER...: names of 254 characters of three bytes and this one. mtools
# reads such names, but takes none as an argument.
make_longest_names()
{
	local wide last slot=2 end name

	make_image "$PRIMARY" 16 512 1 5000
	make_dirs "$PRIMARY" EFI EFI/Linux
	for last; do
		name=$(printf '%0*d' $((255 - ${#slot})) 0)$slot
		put_text "$PRIMARY" "EFI/Linux/$name" "$last"
		slot=$((slot + 21))
	done
	wide=$(utf16 文文文文文文)
	slot=2
	for last; do
		# the last 8 characters stand first
		poke "$PRIMARY" slot /EFI/Linux $slot 14 "${wide:0:8}$(utf16 "$last")" -- \
			slot /EFI/Linux $slot 1 "${wide:0:20}"
		for ((end = slot + 20, slot++; slot < end; slot++)); do
			poke "$PRIMARY" slot /EFI/Linux $slot 1 "${wide:0:20}" -- \
				slot /EFI/Linux $slot 14 "$wide" -- \
				slot /EFI/Linux $slot 28 "${wide:0:8}"
		done
		slot=$((end + 1))
	done
}

# compare_longest CHARACTER...
compare_longest()
{
	local long last

	long=$(printf '文%.0s' {1..254})
	list_tree "$PRIMARY" >"$PRIMARY.tree"
	list_tree "$MIRROR" >"$MIRROR.tree"
	compare "the entries differ" "$PRIMARY.tree" "$MIRROR.tree"
	[[ $(wc -l <"$MIRROR.tree") == "$#" ]] || fail "not $# names"
	for last; do
		grep -q "^EFI/Linux/$long$last	" "$MIRROR.tree" || fail "a name is cut"
		mdir -a -i "$MIRROR" ::/EFI/Linux | grep "$long$last$" >/dev/null ||
			fail "mdir sees another"
		[[ $("$FATESPSYNC" cat "$MIRROR" "/EFI/Linux/$long$last") == "$last" ]] ||
			fail "the contents of another"
	done
}

test_names_of_255_wide_characters()
{
	local characters

	make_pair
	for characters in 一 '一 二' 二; do
		# shellcheck disable=SC2086
		make_longest_names $characters
		sync_mirror
		# shellcheck disable=SC2086
		compare_longest $characters
	done
}

# ---- mixed directories ----

test_a_directory_that_is_there_for_a_foreign_one_is_no_difference()
{
	local OPTIONS=(--exclude=/EFI/Linux/foo/keep) PRIVATE="$PRIVATE|^EFI/Linux/foo/keep"

	make_pair
	make_dirs "$PRIMARY" EFI EFI/Linux
	put_text "$PRIMARY" EFI/Linux/a A
	make_dirs "$MIRROR" EFI EFI/Linux EFI/Linux/foo EFI/Linux/foo/keep
	put_text "$MIRROR" EFI/Linux/foo/keep/it K
	mcopy -p -m -i "$PRIMARY" ::/EFI/Linux/a "$SCRATCH/a"
	mcopy -m -i "$MIRROR" "$SCRATCH/a" ::/EFI/Linux
	sync_mirror

	put_text "$MIRROR" EFI/Linux/foo/goes G
	sync_mirror
	compare_trees '^EFI/Linux/foo	'
	[[ $(names "$MIRROR" /EFI/Linux/foo) == 'keep ' ]] || fail "foo"
}

test_orphaned_slots_in_a_mixed_directory_are_tidied_once()
{
	local OPTIONS=(--exclude=/EFI/Linux/keep) PRIVATE="$PRIVATE|^EFI/Linux/keep"

	make_pair
	make_dirs "$PRIMARY" EFI EFI/Linux
	put_text "$PRIMARY" EFI/Linux/a A
	make_dirs "$MIRROR" EFI EFI/Linux EFI/Linux/keep
	put_text "$MIRROR" EFI/Linux/orphan-long-name.x O
	put_text "$MIRROR" EFI/Linux/zz A
	"$FATFILL" "$MIRROR" orphan EFI/Linux/orphan-long-name.x
	! (judge_sound "$MIRROR" 2>/dev/null) || fail "fsck.fat sees no orphan"
	sync_mirror
	compare_trees

	put_text "$MIRROR" EFI/Linux/another-long-name.x O
	"$FATFILL" "$MIRROR" orphan EFI/Linux/another-long-name.x
	sync_mirror
	compare_trees
}

test_a_rename_in_a_mixed_directory_costs_little()
{
	local OPTIONS=(--exclude=/EFI/Linux/keep) PRIVATE="$PRIVATE|^EFI/Linux/keep" bytes

	make_pair
	make_dirs "$PRIMARY" EFI EFI/Linux
	put_bytes "$PRIMARY" EFI/Linux/linux-6.1+3.efi $((1024 * 1024)) 100
	make_dirs "$MIRROR" EFI EFI/Linux EFI/Linux/keep
	sync_mirror
	mren -i "$PRIMARY" ::/EFI/Linux/linux-6.1+3.efi linux-6.1+2-1.efi
	sync_mirror
	compare_trees
	bytes=$(json_sum bytesWritten "$SCRATCH/first.json")
	((bytes > 0 && bytes < 65536)) || fail "a rename wrote $bytes bytes"
}

# ---- names that meet ----

# make_old_kernel PATH: on the mirror, and the entry that names it.
make_old_kernel()
{
	make_pair
	make_dirs "$MIRROR" loader loader/entries mid mid/keep
	[[ $1 != */*/* ]] || make_dirs "$MIRROR" "${1%/*}"
	put_text "$MIRROR" "$1" OLD
	put_text "$MIRROR" loader/entries/d.conf "linux /$1"
	make_dirs "$PRIMARY" loader loader/entries mid
}

test_a_deferred_removal_meets_a_name_of_other_case()
{
	local OPTIONS MANAGED="$MANAGED|^mid" PRIVATE="$PRIVATE|^mid/keep" exclude

	for exclude in /mid/keep /elsewhere; do
		OPTIONS=(--manage=/mid --exclude="$exclude")
		make_old_kernel mid/Vmlinuz
		put_text "$PRIMARY" mid/vmlinuz NEW
		put_text "$PRIMARY" loader/entries/d.conf 'linux /mid/vmlinuz'
		[[ $exclude == /mid/keep ]] || mrd -i "$MIRROR" ::/mid/keep
		sync_mirror
		compare_trees
		! "$FATFILL" "$MIRROR" tree | grep '^mid/V' || fail "the old name stays"
	done
}

test_a_deferred_removal_meets_another_kind()
{
	local OPTIONS MANAGED="$MANAGED|^mid" PRIVATE="$PRIVATE|^mid/keep" exclude

	for exclude in /mid/keep /elsewhere; do
		OPTIONS=(--manage=/mid --exclude="$exclude")
		make_old_kernel mid/6.1/vmlinuz
		put_text "$PRIMARY" mid/6.1 FILE
		put_text "$PRIMARY" loader/entries/d.conf 'linux /mid/6.1'
		[[ $exclude == /mid/keep ]] || mrd -i "$MIRROR" ::/mid/keep
		sync_mirror
		compare_trees
	done
}

test_a_label_is_in_nobodys_way()
{
	local label

	for label in LOADER EFI; do
		make_pair
		make_image "$PRIMARY" 16 512 1 5000 00000001 "$label"
		make_image "$MIRROR" 12 512 4 2000 00000002 "$label"
		make_dirs "$PRIMARY" loader EFI EFI/Linux
		put_text "$PRIMARY" loader/loader.conf CONF
		put_text "$PRIMARY" EFI/Linux/a.efi A
		sync_mirror
		compare_trees
		put_text "$PRIMARY" loader/loader.conf 'OTHER CONF'
		sync_mirror
		compare_trees
		"$FATFILL" "$MIRROR" meta |
			grep "^label 0 $(printf '%-11s' "$label" | xxd -p)" >/dev/null ||
				fail "the label"
	done
}

# ---- killed ----

# milliseconds: since some moment.
milliseconds()
{
	echo "$((${EPOCHREALTIME/./} / 1000))"
}

# kill_sync PRIMARY MILLISECONDS: returns whether it was killed.
kill_sync()
{
	local status=0

	timeout --foreground --preserve-status -s KILL \
		"$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))" \
		"$FATESPSYNC" -q --primary="$1" "$MIRROR" >"$SCRATCH/out" 2>&1 || status=$?
	[[ $status == 0 || $status == 137 ]] || fail "exit $status: $(cat "$SCRATCH/out")"
	[[ $status == 137 ]]
}

test_a_killed_sync_leaves_a_sound_mirror()
{
	local other=$SCRATCH/other.img primary i started time status killed=0

	make_pair
	make_image "$MIRROR" 16 512 4 8000 00000002
	make_primary "$PRIMARY" 512
	make_image "$other" 16 512 1 5000
	make_mirror "$other" 512
	put_bytes "$PRIMARY" EFI/Linux/big.efi 1200000 300
	put_bytes "$other" EFI/Linux/big.efi 1000000 400
	make_mirror "$MIRROR" 2048
	started=$(milliseconds)
	run_sync "$PRIMARY" "$MIRROR"
	time=$(($(milliseconds) - started + 2))
	judge_before "$MIRROR"

	for ((i = 0; i < 25; i++)); do
		primary=$PRIMARY
		((i % 2)) || primary=$other
		! kill_sync "$primary" $((RANDOM % time + 1)) || killed=$((killed + 1))
		status=0
		"$FATESPSYNC" check "$MIRROR" >"$SCRATCH/out" 2>&1 || status=$?
		[[ $status -le 1 ]] || fail "check: exit $status: $(cat "$SCRATCH/out")"
		judge_foreign "$MIRROR"
	done
	echo "killed $killed of 25, each within $time ms"
	((killed)) || fail "nothing was killed"
	sync_and_judge "$other" "$MIRROR"
	sync_and_judge "$PRIMARY" "$MIRROR"
}

need_tools mdel mmd mrd mren iconv xxd timeout
[[ -x $FATPOKE ]] || fail "$FATPOKE is not there"
FATPOKE=$(realpath -s "$FATPOKE")
need_space 100
make_scratch
TOP=$SCRATCH
for name in "${@:-$(compgen -A function test_)}"; do
	for case in $name; do
		echo "$case"
		mkdir "$TOP/$case"
		(
			SCRATCH=$TOP/$case
			$case
		)
		rm -rf "${TOP:?}/$case"
	done
done
