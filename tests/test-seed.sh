#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Random seeds: each mirror has one of its own, a new one after each sync that changed something,
# and nothing is left of the old one.

# shellcheck disable=SC2317
# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

SEED=::/loader/random-seed

# ---- helpers ----

# sync_with OPTION... MIRROR...: from $PRIMARY; has to succeed.
sync_with()
{
	"$FATESPSYNC" --json=short --primary="$PRIMARY" sync "$@" \
		>"$SCRATCH/json" 2>"$SCRATCH/log" ||
		fail "sync $*: exit $?: $(cat "$SCRATCH/log" "$SCRATCH/json")"
}

writes()
{
	json_sum writes "$SCRATCH/json"
}

# put_seed IMAGE BYTES: random ones, which go to $IMAGE.old-seed, too.
put_seed()
{
	head -c "$2" /dev/urandom >"$1.old-seed"
	mcopy -o -i "$1" "$1.old-seed" $SEED
}

# holds_part IMAGE FILE: whether one of up to 32 parts of the file, 16 bytes each, is anywhere in
# the image.
holds_part()
{
	local hex step

	hex=$(xxd -p -c 16 "$2" | grep -E '^.{32}$' | sed -E 's/../\\x&/g; s/.*/(&)/')
	step=$(($(wc -l <<<"$hex") / 32 + 1))
	LC_ALL=C grep -qaUP "$(awk -v step=$step 'NR % step == 0' <<<"$hex" | paste -sd '|')" "$1"
}

# change_primary: something that a sync brings.
change_primary()
{
	echo "timeout $RANDOM$RANDOM" | mcopy -o -i "$PRIMARY" - ::/loader/loader.conf
}

# expect_seed IMAGE SIZE: it is none that was there before, nor the primary's, and sound.
expect_seed()
{
	judge_sound "$1"
	seed_of "$1" >"$1.seed"
	[[ $(stat -c %s "$1.seed") == "$2" ]] || fail "$1: a seed of $(stat -c %s "$1.seed") bytes"
	! cmp -s -n 32 "$1.seed" <(head -c 32 /dev/zero) || fail "$1: an empty seed"
	cmp -s <(tail -c +33 "$1.seed") <(head -c $(($2 - 32)) /dev/zero) ||
		fail "$1: more than zeros behind the seed"
	[[ ! -e $1.old-seed ]] || ! holds_part "$1" "$1.old-seed" ||
		fail "$1: some of the old seed is left"
	! cmp -s "$1.seed" <(seed_of "$PRIMARY") || fail "$1: it has the primary's seed"
}

# expect_old_seed IMAGE: to the byte.
expect_old_seed()
{
	judge_sound "$1"
	cmp -s "$1.old-seed" <(seed_of "$1") || fail "$1: the seed is not as it was"
}

# expect_idle: that a second run finds nothing to do is the case of all modes but one.
expect_idle()
{
	judge_idle "$PRIMARY" "$@"
}

make_volumes()
{
	make_image "$PRIMARY" 16 512 4
	make_image "$MIRROR" 16 512 4 0 BBBB0002 MIRROR
	mmd -i "$PRIMARY" ::/loader ::/loader/entries ::/EFI ::/EFI/Linux
	echo 'title one' | mcopy -i "$PRIMARY" - ::/loader/entries/one.conf
	change_primary
	put_seed "$PRIMARY" 32
	rm -f "$MIRROR.old-seed"
}

# make_pair BYTES: in sync, then the mirror gets a seed of this size, and the primary changes.
make_pair()
{
	make_volumes
	sync_with --random-seed=never "$MIRROR"
	put_seed "$MIRROR" "$1"
	change_primary
}

note_is()
{
	jq -e --arg note "$1" '[.mirrors[].notes[]?] | any(test($note))' \
		<"$SCRATCH/json" >/dev/null ||
		fail "no note: $1: $(cat "$SCRATCH/json")"
}

# ---- cases ----

test_a_blank_mirror_gets_a_seed_of_its_own()
{
	make_volumes
	sync_with "$MIRROR"
	expect_seed "$MIRROR" 32
	expect_idle "$MIRROR"
}

test_a_mirror_that_has_all_but_a_seed_gets_one()
{
	make_volumes
	sync_with --random-seed=never "$MIRROR"
	[[ -z $(seed_of "$MIRROR") ]] || fail "a seed in spite of never"
	sync_with "$MIRROR"
	expect_seed "$MIRROR" 32
	expect_idle "$MIRROR"
}

test_where_the_primary_has_none_only_always_makes_one()
{
	make_volumes
	mdel -i "$PRIMARY" $SEED
	sync_with "$MIRROR"
	[[ -z $(seed_of "$MIRROR") ]] || fail "a seed that the primary has not"
	expect_idle "$MIRROR"
	sync_with --random-seed=always "$MIRROR"
	expect_seed "$MIRROR" 32
	change_primary
	cp "$MIRROR.seed" "$MIRROR.old-seed"
	sync_with "$MIRROR"
	expect_seed "$MIRROR" 32
}

test_a_mirror_that_changes_gets_a_new_seed()
{
	make_pair 32
	sync_with "$MIRROR"
	expect_seed "$MIRROR" 32
	expect_idle "$MIRROR"
	cmp -s <(seed_of "$MIRROR") "$MIRROR.seed" || fail "a second new seed"
}

test_a_long_seed_stays_as_long()
{
	make_pair 512
	sync_with "$MIRROR"
	expect_seed "$MIRROR" 512
	expect_idle "$MIRROR"
	make_pair 5000
	sync_with "$MIRROR"
	expect_seed "$MIRROR" 5000
}

test_a_short_seed_is_replaced_and_wiped()
{
	make_pair 31
	sync_with "$MIRROR"
	expect_seed "$MIRROR" 32
	expect_idle "$MIRROR"
	make_pair 0
	sync_with "$MIRROR"
	rm "$MIRROR.old-seed"
	expect_seed "$MIRROR" 32
}

test_never_leaves_it_alone()
{
	local word

	for word in never no off; do
		make_pair 32
		sync_with --random-seed=$word "$MIRROR"
		expect_old_seed "$MIRROR"
		expect_idle "$MIRROR"
	done
}

test_always_renews_it_though_nothing_else_is_to_do()
{
	make_pair 32
	sync_with --random-seed=never "$MIRROR"
	expect_old_seed "$MIRROR"
	sync_with --random-seed=always "$MIRROR"
	jq -e '.mirrors[0].state == "in-sync"' <"$SCRATCH/json" >/dev/null || fail "not in sync"
	[[ $(writes) == 1 ]] || fail "$(writes) writes"
	expect_seed "$MIRROR" 32
	cp "$MIRROR.seed" "$MIRROR.old-seed"
	sync_with --random-seed=yes "$MIRROR"
	expect_seed "$MIRROR" 32
	expect_idle "$MIRROR"
}

test_the_read_only_attribute_is_honoured()
{
	make_pair 32
	mattrib +r -i "$MIRROR" $SEED
	sync_with "$MIRROR"
	note_is 'random seed: .*read-only'
	expect_old_seed "$MIRROR"
	expect_idle "$MIRROR"
	sync_with --random-seed=always "$MIRROR"
	[[ $(writes) == 0 ]] || fail "wrote"
	note_is 'random seed: .*read-only'
	make_pair 20
	mattrib +r -i "$MIRROR" $SEED
	sync_with "$MIRROR"
	expect_old_seed "$MIRROR"
}

test_what_is_no_seed_is_left_alone()
{
	make_pair 40000
	sync_with "$MIRROR"
	note_is 'random seed: .*longer'
	expect_old_seed "$MIRROR"
	mdel -i "$MIRROR" $SEED
	mmd -i "$MIRROR" $SEED
	change_primary
	sync_with "$MIRROR"
	note_is 'random seed: .*directory'
	judge_sound "$MIRROR"
	expect_idle "$MIRROR"
}

test_what_is_excluded_is_left_alone()
{
	local path

	for path in /loader /LOADER/random-seed; do
		make_pair 32
		mcopy -i "$PRIMARY" "$PRIMARY.old-seed" ::/EFI/Linux/x.efi
		sync_with --random-seed=always --exclude=$path "$MIRROR"
		expect_old_seed "$MIRROR"
		mdel -i "$MIRROR" $SEED
		sync_with --random-seed=always --exclude=$path "$MIRROR"
		[[ -z $(seed_of "$MIRROR") ]] || fail "a seed in spite of --exclude=$path"
	done
}

test_a_dry_run_writes_and_tells_nothing_of_seeds()
{
	local verb

	make_pair 32
	sync_with --random-seed=never "$MIRROR"
	for verb in diff status 'sync --dry-run'; do
		# shellcheck disable=SC2086
		"$FATESPSYNC" --primary="$PRIMARY" $verb --random-seed=always "$MIRROR" \
			>"$SCRATCH/out" 2>&1 || fail "$verb: exit $?: $(cat "$SCRATCH/out")"
		! grep -i seed "$SCRATCH/out" || fail "$verb tells of a seed"
	done
	expect_old_seed "$MIRROR"
}

test_mirrors_have_different_seeds()
{
	local other=$SCRATCH/other.img

	make_volumes
	make_image "$other" 12 512 4 0 CCCC0003 OTHER
	sync_with "$MIRROR" "$other"
	expect_seed "$MIRROR" 32
	expect_seed "$other" 32
	! cmp -s "$MIRROR.seed" "$other.seed" || fail "two mirrors have one seed"
	expect_idle "$MIRROR" "$other"
}

test_the_primary_is_never_written()
{
	make_pair 32
	fingerprint "$PRIMARY" >"$SCRATCH/sum"
	sync_with --random-seed=always "$MIRROR"
	[[ $(fingerprint "$PRIMARY") == "$(cat "$SCRATCH/sum")" ]] || fail "the primary changed"
}

test_an_xbootldr_gets_none()
{
	local partition

	for partition in primary mirror; do
		truncate -s 40M "$SCRATCH/$partition-disk.img"
		sfdisk -q "$SCRATCH/$partition-disk.img" <<-END
			label: gpt
			start=1MiB, size=16MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
			start=20MiB, size=16MiB, type=BC13C2FF-59E6-4262-A352-B275FD6F7172
		END
	done
	make_volumes
	for partition in primary mirror; do
		put_partitions "$partition"
	done
	PRIMARY=$SCRATCH/primary-disk.img sync_with --random-seed=always "$SCRATCH/mirror-disk.img"
	[[ -n $(seed_of "$SCRATCH/mirror-disk.img@@1M") ]] || fail "no seed on the ESP"
	[[ -z $(seed_of "$SCRATCH/mirror-disk.img@@20M") ]] || fail "a seed on the XBOOTLDR"
}

# put_partitions primary|mirror: the primary's ESP and XBOOTLDR have both something in /loader.
put_partitions()
{
	local disk=$SCRATCH/$1-disk.img offset

	for offset in 1 20; do
		mkfs.fat -F 16 -i "$RANDOM" --offset $((offset * 2048)) "$disk" 16384 \
			>/dev/null 2>&1
		[[ $1 == primary ]] || continue
		mmd -i "$disk@@${offset}M" ::/loader ::/loader/entries
		echo 'title x' | mcopy -i "$disk@@${offset}M" - "::/loader/entries/$offset.conf"
		mcopy -i "$disk@@${offset}M" "$PRIMARY.old-seed" $SEED
	done
}

need_tools mmd mdel jq xxd sfdisk
use_memory 200
make_scratch
PRIMARY=$SCRATCH/primary.img
MIRROR=$SCRATCH/mirror.img
for case in $(compgen -A function test_); do
	echo "$case"
	$case
done
