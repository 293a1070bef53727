#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Against a checker that we did not write: whatever fsck.fat -n complains about, fatespsync check
# complains about. First a table of single faults, then random ones: metadata is changed in one to
# four places, and what passes our check must pass fsck.fat. FATESPSYNC_TEST_QUICK=1 takes fewer.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

: "${FATPOKE:=./tests/fatpoke}"

KERNEL='/EFI/Linux/A long kernel name.efi' # four clusters
LOADER=/EFI/BOOT/BOOTX64.EFI               # three
CONF=/loader/loader.conf                   # one
EMPTY=/empty.txt

# name | FAT types | exit status | fsck.fat sees it | what has to be in our output | commands.
# p is fatpoke on the image; c PATH N its Nth cluster; f N the Nth free one; $last the last
# cluster, $dirty where the state byte is and $label the label.
# shellcheck disable=SC2016
FAULTS='
loop|12 16 32|4|y|loops|p fat 0 $(c "$KERNEL" 3) $(c "$KERNEL" 1)
loop to itself|12 16 32|4|y|loops|p fat 0 $(c "$CONF" 0) $(c "$CONF" 0)
directory loop|12 16 32|4|y|/loader/entries: |p fat 0 $(c /loader/entries 0) $(c /loader/entries 0)
cross-link|12 16 32|4|y|cross-linked|p fat 0 $(c "$KERNEL" 1) $(c "$LOADER" 1)
one chain twice|12 16 32|4|y|cross-linked|e "$CONF" 26 $(h $(c "$LOADER" 0))
directory as a file|12 16 32|4|y|/EFI, too|e "$CONF" 26 $(h $(c /EFI 0))
directory is its parent|12 16 32|4|y|/EFI/BOOT: |e /EFI/BOOT 26 $(h $(c /EFI 0))
free cluster in a chain|12 16 32|4|y|is marked free|p fat 0 $(c "$KERNEL" 2) 0
first cluster free|12 16 32|4|y|is marked free|p fat 0 $(c "$CONF" 0) 0
bad cluster in a chain|12 16 32|4|y|is marked bad|p fat 0 $(c "$KERNEL" 2) bad
link to 1|12 16 32|4|y|links to 1|p fat 0 $(c "$KERNEL" 1) 1
link out of range|12 16 32|4|y|outside of 2 to|p fat 0 $(c "$KERNEL" 1) $((last + 1))
start at 1|12 16 32|4|y|begins at cluster 1|e "$CONF" 26 0100
start out of range|12 16|4|y|begins at cluster|e "$CONF" 26 $(h $((last + 1)))
start far out of range|32|4|y|begins at cluster|e "$CONF" 20 ff0f
size without a cluster|12 16 32|4|y|and no cluster|e "$EMPTY" 28 07
chain too short|12 16 32|4|y|too short|p fat 0 $(c "$KERNEL" 1) end
size too large|12 16 32|4|y|too short|e "$LOADER" 30 01
chain too long|12 16 32|1|y|too long|e "$KERNEL" 28 01000000
empty file with a cluster|12 16 32|1|y|too long|e "$CONF" 28 00000000
lost cluster|12 16 32|1|y|lost clusters: 1|p fat 0 $(f 9) end
lost loop|12 16 32|1|y|lost clusters: 2|p fat 0 $(f 8) $(f 9) -- fat 0 $(f 9) $(f 8)
lost link out of range|12 16 32|1|y|lost clusters: 1|p fat 0 $(f 9) $((last + 1))
bad cluster unused|12 16|0|n||p fat 0 $(f 9) bad
directory without a cluster|12 16 32|4|y|/EFI/BOOT: |e /EFI/BOOT 20 0000 -- entry /EFI/BOOT 26 0000
directory with a size|12 16 32|1|y|/EFI/BOOT: |e /EFI/BOOT 28 01
no dot|12 16 32|4|y|/EFI/BOOT: |s /EFI/BOOT 0 0 e5
no dot-dot|12 16 32|4|y|/EFI/BOOT: |s /EFI/BOOT 1 0 e5
dot not a directory|12 16 32|4|y|/EFI/BOOT: |s /EFI/BOOT 0 11 00
dot elsewhere|12 16 32|4|y|/EFI/BOOT: |s /EFI/BOOT 0 26 $(h $(c /EFI 0))
dot-dot elsewhere|12 16 32|4|y|/EFI/BOOT: |s /EFI/BOOT 1 26 $(h $(c /loader 0))
dot-dot is the root cluster|32|1|y|/EFI: |s /EFI 1 26 0200
entry behind the end|12 16 32|4|n|behind the end mark|s /loader/entries 12 0 $(printf "HIDDEN  TXT " | od -An -tx1 | tr -d " \n")
duplicate short name|12 16 32|4|y|duplicate|e "$CONF" 0 $(printf "SECOND  CNF" | od -An -tx1 | tr -d " \n")
bad short name|12 16 32|1|y|not allowed|e "$EMPTY" 1 2a
blank first|12 16 32|1|y|not allowed|e "$EMPTY" 0 20
lower case in a short name|12 16 32|1|n|not allowed|e "$EMPTY" 1 61
stray dot entry|12 16 32|4|y|stray dot|e "$EMPTY" 0 2e
first long-name entry deleted|12 16 32|1|y|orphaned|s /EFI/Linux 2 0 e5
wrong order in a long name|12 16 32|1|y|orphaned|s /EFI/Linux 2 0 45
other checksum in a long name|12 16 32|1|y|orphaned|s /EFI/Linux 3 13 00
wrong checksum|12 16 32|1|y|wrong checksum|e "$KERNEL" 0 5a
long name without an entry|12 16 32|1|y|orphaned|e "$KERNEL" 0 e5
long-name type|12 16 32|1|y|type or cluster|s /EFI/Linux 2 12 01
long-name cluster|12 16 32|1|y|type or cluster|s /EFI/Linux 2 26 01
long-name end|12 16 32|1|n|not ended|s /EFI/Linux 2 30 2000
unknown attributes|12 16 32|1|n|unknown attribute|e "$CONF" 11 a0
label with a cluster|12 16 32|4|n|volume label with a cluster|e "$CONF" 11 08
high half of the cluster|12 16|1|n|high half|e "$CONF" 20 01
copies differ, used|12 16 32|4|y|FAT copies differ|p fat 2 $(c "$KERNEL" 1) end
copies differ, unused|12 16 32|1|y|FAT copies differ|p fat 2 $(f 9) end
copies differ in an end mark|12 16 32|1|y|FAT copies differ|p fat 2 $(c "$CONF" 0) $eof
copies differ in entry 1|12 16 32|1|y|FAT copies differ|p fat 2 1 $eof
entry 0 of both copies|12 16 32|4|y|seems corrupt|p fat 0 0 0xf8
entry 0 of the first copy|12 16 32|4|y|seems corrupt|p fat 1 0 0xf8
media byte|12 16 32|1|n|media byte|p fat 0 0 $media
top nibble|32|1|n|top four bits|p fat 0 $(c "$CONF" 0) 0x1fffffff
dirty|12 16 32|1|y|dirty|p byte $dirty 01
dirty in the FAT|16|1|y|dirty|p fat 0 1 0x7fff
dirty in the FAT|32|1|y|dirty|p fat 0 1 0x07ffffff
errors in the FAT|16|1|n|had errors|p fat 0 1 0xbfff
no label in the root|12 16 32|1|y|volume label|s / 0 0 e5
other label|12 16 32|1|y|volume label|p byte $label 58
bad label|12 16 32|1|y|not allowed|s / 0 0 2e
no extended signature|12 16 32|1|y|without serial|p byte $((label - 5)) 00
FSInfo signature|32|1|y|FSInfo|p byte 512 00
second FSInfo signature|32|1|y|FSInfo|p byte 996 00
third FSInfo signature|32|1|y|FSInfo|p byte 1022 00
free count|32|1|y|free count|p byte 1000 03000000
free count unknown|32|1|y|free count|p byte 1000 ffffffff
no FSInfo|32|1|y|FSInfo|p byte 48 0000
no backup boot sector|32|1|y|backup|p byte 50 0000
backup boot sector differs|32|1|y|backup|p byte 3075 58
'

p() { "$FATPOKE" "$SCRATCH/damaged.img" "$@"; }
e() { p entry "$@"; }
s() { p slot "$@"; }
c() { p cluster "$@"; }
f() { p free "$1"; }
h() { printf '%02x%02x' $(($1 % 256)) $(($1 / 256)); } # a 16-bit number as it stands on disk

# make_original TYPE
make_original()
{
	local image=$SCRATCH/$1.img dir=$SCRATCH/tree i

	make_image "$image" "$1" 512 1
	mkdir -p "$dir/EFI/BOOT" "$dir/EFI/Linux" "$dir/loader/entries"
	write_bytes "$dir$LOADER" 1400 1
	write_bytes "$dir$KERNEL" 2048 2
	echo 'timeout 3' >"$dir$CONF"
	echo other >"$dir/loader/second.cnf"
	: >"$dir$EMPTY"
	put_tree "$dir" "$image"
	for i in 1 2 3 4 5 6; do
		echo "$i" >"$dir/an entry with the number $i.conf"
		mcopy -i "$image" "$dir/an entry with the number $i.conf" ::/loader
	done
	rm -rf "$dir"
	judge_sound "$image"
}

# run_checkers: sets ours (exit status) and theirs (y or n); output in ours.log and theirs.log.
run_checkers()
{
	local image=$SCRATCH/damaged.img status=0

	ours=0
	timeout 60 "$FATESPSYNC" check "$image" >"$SCRATCH/ours.log" 2>&1 || ours=$?
	timeout 60 fsck.fat -n "$image" >"$SCRATCH/theirs.log" 2>&1 || status=$?
	theirs=y
	if ((status == 0)) && [[ $(wc -l <"$SCRATCH/theirs.log") == 2 ]]; then
		theirs=n
	fi
}

# complain TEXT: and show both outputs.
complain()
{
	failures=$((failures + 1))
	echo "FAILED: $*: ours $ours, fsck.fat complains: $theirs" >&2
	cat "$SCRATCH/ours.log" "$SCRATCH/theirs.log" >&2
}

# run_fault TYPE NAME STATUS SEEN TEXT COMMANDS
run_fault()
{
	local last eof media dirty=37 label=43

	# shellcheck disable=SC2034
	case $1 in
	12) eof=0xff8 media=0xff0 ;;
	16) eof=0xfff8 media=0xfff0 ;;
	32) eof=0x0ffffff8 media=0x0ffffff0 dirty=65 label=71 ;;
	esac
	cp --sparse=always "$SCRATCH/$1.img" "$SCRATCH/damaged.img"
	# shellcheck disable=SC2034
	last=$(p last)
	eval "$6"
	run_checkers
	[[ $theirs == "$4" ]] || complain "FAT$1, $2: fsck.fat changed its mind"
	[[ $ours == "$3" ]] || complain "FAT$1, $2: exit status, not $3"
	grep -qF -- "$5" "$SCRATCH/ours.log" || [[ -z $5 ]] || complain "FAT$1, $2: no '$5'"
}

run_faults()
{
	local name types status seen text commands type n=0

	while IFS='|' read -r name types status seen text commands; do
		for type in $types; do
			run_fault "$type" "$name" "$status" "$seen" "$text" "$commands"
			n=$((n + 1))
		done
	done <<<"$FAULTS"
	echo "$n single faults"
}

# run_noise COUNT SECONDS: what fsck.fat would destroy must be damage, too.
run_noise()
{
	local severe='share clusters|Contains a|Circular|Duplicate|Bad start' seed type
	local n=0 clean=0 end=$((SECONDS + $2))

	severe+='|Expected a valid|both appear to be corrupt|Internal error'
	for ((seed = 1; seed <= $1 && SECONDS < end; seed++)); do
		type=$((seed % 8 == 0 ? 32 : seed % 2 ? 12 : 16))
		cp --sparse=always "$SCRATCH/$type.img" "$SCRATCH/damaged.img"
		p noise "$seed"
		run_checkers
		n=$((n + 1))
		((ours > 0)) || clean=$((clean + 1))
		case $ours in
		0) [[ $theirs == n ]] || complain "FAT$type, noise $seed: it is not clean" ;;
		1)
			! grep -qE "$severe" "$SCRATCH/theirs.log" ||
				complain "FAT$type, noise $seed: it is not harmless"
			;;
		3 | 4) ;;
		*) complain "FAT$type, noise $seed: exit status" ;;
		esac
	done
	echo "$n random faults, $clean of them without effect"
}

need_tools
[[ -x $FATPOKE ]] || fail "$FATPOKE is not there"
make_scratch
failures=0
for type in 12 16 32; do
	make_original "$type"
done
run_faults
if [[ -n ${FATESPSYNC_TEST_QUICK:-} ]]; then
	run_noise 60 20
else
	run_noise 500 90
fi
((failures == 0)) || fail "$failures times"
