#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Big, deep, full and untidy volumes. Each case runs alone: test-scale.sh [CASE...]

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

# ---- many, deep, long ----

# make_wide_tree DIR: 2,000 files in one directory, 200 directories ten deep, a name of 250
# characters, an empty file and files of one cluster for cluster sizes of 512 bytes to 4 KiB.
make_wide_tree()
{
	local i branch path

	mkdir -p "$1/loader/entries" "$1/EFI/Linux" "$1/EFI/systemd"
	# mtools takes minutes for short names that begin alike
	for ((i = 0; i < 2000; i++)); do
		printf 'title entry %d\n' "$i" >"$1/loader/entries/$i entry of many.conf"
	done
	for ((branch = 0; branch < 20; branch++)); do
		path=$1/EFI/Linux/branch-$branch.extra.d/2/3/4/five/6/7/8/nine/level-10
		mkdir -p "$path"
		echo "leaf $branch" >"$path/leaf.cred"
	done
	path=$(printf '%0245d' 1)
	echo long >"$1/EFI/Linux/$path.conf"
	echo image >"$1/EFI/Linux/one.efi" # something to boot
	: >"$1/EFI/systemd/empty.efi"
	for i in 512 1024 2048 4096; do
		write_bytes "$1/EFI/systemd/cluster-$i.efi" "$i" "$i"
	done
}

test_many_deep_and_long_to_other_geometries()
{
	local primary=$SCRATCH/primary.img mirrors=()

	make_image "$primary" 32 512 1
	make_wide_tree "$SCRATCH/wide"
	put_tree "$SCRATCH/wide" "$primary"
	rm -rf "$SCRATCH/wide"

	make_image "$SCRATCH/equal.img" 32 512 1 0 00000001
	make_image "$SCRATCH/fat12.img" 12 2048 1 0 00000002
	make_image "$SCRATCH/fat16.img" 16 1024 2 0 00000003
	make_image "$SCRATCH/fat32.img" 32 4096 1 0 00000004
	make_mirror "$SCRATCH/fat16.img" 2048
	mirrors=("$SCRATCH"/{equal,fat12,fat16,fat32}.img)
	sync_and_judge "$primary" "${mirrors[@]}"

	mren -i "$primary" '::/loader/entries/1234 entry of many.conf' 'renamed entry.conf'
	mdel -i "$primary" '::/loader/entries/7 entry of many.conf'
	sync_and_judge "$primary" "${mirrors[@]}"
}

# ---- a big file ----

test_a_file_of_one_gib()
{
	local primary=$SCRATCH/primary.img mirror=$SCRATCH/mirror.img big=EFI/Linux/big.efi
	local size=$((1024 * 1024 * 1024)) have

	have=$(df --output=avail -BM "$SCRATCH" | tail -n 1 | tr -dc 0-9)
	if ((have < 6 * 1024)); then
		echo "a file of 1 GiB: needs 6 GiB in $SCRATCH, has $have MiB: skipped"
		return 0
	fi
	make_image "$primary" 32 512 8 1040000
	make_image "$mirror" 32 512 8 1040000 00000001
	mkdir -p "$SCRATCH/tree/EFI/Linux"
	: >"$SCRATCH/tree/$big"
	put_tree "$SCRATCH/tree" "$primary"
	"$FATFILL" "$primary" grow "$big" "$size"
	"$FATFILL" "$primary" mark "$big" 1000

	list_tree "$primary" >"$primary.tree"
	"$FATFILL" "$mirror" meta >"$mirror.meta"
	run_sync "$primary" "$mirror"
	judge_sound "$mirror"
	"$FATFILL" "$mirror" meta | cmp - "$mirror.meta" || fail "boot sectors changed"
	list_tree "$mirror" >"$mirror.tree"
	compare "the entries differ" "$primary.tree" "$mirror.tree"
	cmp <(mcopy -i "$primary" "::/$big" -) <(mcopy -i "$mirror" "::/$big" -) ||
		fail "the contents differ"
	run_sync "$primary" "$mirror"
	[[ $(json_sum writes "$primary.json") == 0 ]] || fail "the second sync wrote"
}

# ---- little space ----

# put_file IMAGE PATH BYTES SEED
put_file()
{
	write_bytes "$SCRATCH/file" "$3" "$4"
	mcopy -o -i "$1" "$SCRATCH/file" "::/$2"
}

# make_synced_pair TYPE SECTOR SPC: FILL.BIN is an empty file on the mirror.
make_synced_pair()
{
	PRIMARY=$SCRATCH/primary.img
	MIRROR=$SCRATCH/mirror.img
	make_image "$PRIMARY" "$1" "$2" "$3"
	make_image "$MIRROR" "$1" "$2" "$3" 0 00000001
	make_primary "$PRIMARY" $(($2 * $3))
	make_mirror "$MIRROR" $(($2 * $3))
	put_empty_file "$MIRROR" FILL.BIN
	run_sync "$PRIMARY" "$MIRROR"
}

test_a_removal_from_a_full_volume()
{
	local geometry

	for geometry in '12 512 2' '16 1024 1' '32 512 1'; do
		# shellcheck disable=SC2086
		make_synced_pair $geometry
		mdel -i "$PRIMARY" ::/EFI/Linux/equal.efi
		"$FATFILL" "$MIRROR" fill FILL.BIN 0
		sync_and_judge "$PRIMARY" "$MIRROR"
		[[ $("$FATFILL" "$MIRROR" free) != 0 ]] || fail "nothing was freed"
	done
}

test_what_does_not_fit_is_refused()
{
	local geometry status

	for geometry in '12 512 2' '16 1024 1' '32 512 1'; do
		# shellcheck disable=SC2086
		make_synced_pair $geometry
		put_file "$PRIMARY" EFI/Linux/more.efi 100000 1000
		"$FATFILL" "$MIRROR" fill FILL.BIN 5
		fingerprint "$MIRROR" >"$MIRROR.sum"
		modified "$MIRROR" >"$MIRROR.modified"
		status=0
		"$FATESPSYNC" --primary="$PRIMARY" sync "$MIRROR" >"$SCRATCH/out" 2>&1 || status=$?
		[[ $status == 4 ]] || fail "exit $status, not 4: $(cat "$SCRATCH/out")"
		grep -q "mirror.img.*[0-9]\{4,\}.*bytes" "$SCRATCH/out" ||
			fail "no figures: $(cat "$SCRATCH/out")"
		[[ $(fingerprint "$MIRROR") == "$(cat "$MIRROR.sum")" &&
			$(modified "$MIRROR") == "$(cat "$MIRROR.modified")" ]] ||
			fail "the refused mirror was written to"
	done
}

test_old_and_new_that_do_not_fit_together()
{
	local geometry cluster

	for geometry in '12 512 4' '16 1024 2' '32 512 1'; do
		# shellcheck disable=SC2086
		make_synced_pair $geometry
		put_file "$PRIMARY" EFI/Linux/goes.efi 300000 1000
		run_sync "$PRIMARY" "$MIRROR"
		mdel -i "$PRIMARY" ::/EFI/Linux/goes.efi
		put_file "$PRIMARY" EFI/Linux/comes.efi 290000 1100
		cluster=${geometry#* }
		cluster=$((${cluster% *} * ${cluster#* }))
		# half of the new file has room beside the old one
		"$FATFILL" "$MIRROR" fill FILL.BIN $((150000 / cluster))
		sync_and_judge "$PRIMARY" "$MIRROR"
	done
}

# ---- untidy volumes ----

# make_untidy TYPE VERB ARGUMENT: what an interrupted run or another driver leaves.
make_untidy()
{
	make_synced_pair "$1" 512 2
	"$FATFILL" "$MIRROR" "$2" "$3"
	! (judge_sound "$MIRROR" 2>/dev/null) || fail "$2 did nothing that fsck.fat sees"
	[[ $("$FATESPSYNC" check "$MIRROR" >/dev/null 2>&1; echo $?) == 1 ]] ||
		fail "check does not call $2 harmless"
}

test_leftovers_are_tidied()
{
	local type

	for type in 12 16 32; do
		make_untidy $type lose 10
		sync_and_judge "$PRIMARY" "$MIRROR"
		make_untidy $type differ 10
		sync_and_judge "$PRIMARY" "$MIRROR"
		make_untidy $type orphan \
			loader/entries/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-28-amd64.conf
		mdel -i "$PRIMARY" \
			::/loader/entries/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-28-amd64.conf
		sync_and_judge "$PRIMARY" "$MIRROR"
	done
}

need_tools mren mdel
need_space 1000
make_scratch
TOP=$SCRATCH
for name in "${@:-$(compgen -A function test_)}"; do
	for case in $name; do
		SCRATCH=$TOP/$case
		mkdir "$SCRATCH"
		echo "$case"
		$case
		rm -rf "$SCRATCH"
	done
done
SCRATCH=$TOP
