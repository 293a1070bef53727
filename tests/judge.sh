# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by the end-to-end tests: makes images with mkfs.fat and mtools, and judges what a sync
# left with fsck.fat, mtools and tests/fatfill, which share no code with the program under test.

set -Eeuo pipefail
trap 'echo "FAILED: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&2' ERR

export LC_ALL=C.UTF-8 TZ=UTC MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=0
export PATH=$PATH:/usr/sbin:/sbin

: "${FATESPSYNC:=./tools/fatespsync}"
: "${FATFILL:=./tests/fatfill}"

# The managed directories, as an extended regular expression for relative paths.
MANAGED='^(loader|efi/linux|efi/systemd)'
OWN='^loader/esp-sync\.was$' # what a sync writes for a mirror alone
PRIVATE='^loader/random-seed$|^loader/esp-sync\.was$|^loader/swtpm(/|$)|(^|/)\.#'

# What the trees below hold: path | on an old mirror | on the primary. BYTES@SEED or
# BYTES@SEED:DAY, where C is the cluster size and DAY the day of the modification time (default:
# SEED). The managed part tries each kind of change; what is foreign or private stays.
# shellcheck disable=SC2016
TREES='
loader/loader.conf|130@1|140@2
loader/entries.srel|6@3|6@3
loader/plain.cfg|100@4|100@4
loader/UPPER.CFG|-|50@5
loader/touched.cfg|77@6:1|77@6:2
loader/now-empty|900@7|0@8
loader/was-empty|0@9|20@10
loader/always-empty|-|0@11
loader/random-seed|32@12|32@13
loader/swtpm/tpm2-00.permall|700@14|-
loader/.#bootctlrandom-seed0123456789abcdef|32@15|-
loader/.#bootctlrandom-seedfedcba9876543210|-|32@16
loader/entries/debian.conf|200@17|200@17
loader/entries/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-26-amd64.conf|300@18|-
loader/entries/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-27-amd64.conf|-|300@19
loader/entries/9f0cbb5ae7a64c3ab9ef0a2bd1f5b5a1-6.1.0-28-amd64.conf|-|300@20
loader/entries/Mixed Case+3-1 Entry.conf|310@21|311@22
loader/entries/übergröße Ελλάδα 日本語.conf|40@23|41@24
loader/keys/auto/deep/PK.auth|C@25|C@26
loader/keys/auto/db.auth|C+1@27|C+1@27
loader/keys/gone/further/KEK.auth|2*C@28|-
loader/addons/new.addon.efi|-|C-1@29
EFI/Linux/6.1.0-26.efi|4*C+5@30|-
EFI/Linux/6.1.0-27.efi|-|5*C+1@31
EFI/Linux/equal.efi|3*C@32|3*C@32
EFI/Linux/other-bytes.efi|2*C@33:1|2*C@34:1
EFI/Linux/one-cluster.efi|-|C@35
EFI/Linux/arch+3.efi|3*C+7@36|-
EFI/Linux/arch+2-1.efi|-|3*C+7@36
EFI/Linux/arch.efi.extra.d/net.addon.efi|-|600@37
EFI/systemd/systemd-bootx64.efi|4*C+1@38|4*C+9@39
EFI/BOOT/BOOTX64.EFI|4*C@40|4*C+9@39
EFI/Microsoft/Boot/bootmgfw.efi|3*C+2@41|-
EFI/Microsoft/Boot/Fonts/segoe ui long name.ttf|2*C-1@42|-
EFI/debian/grub.cfg|120@43|-
grub/fonts/unicode.pf2|C@44|2*C@45
startup.nsh|33@46|-
A foreign file with a long name, übrig.txt|C+3@47|44@48
'
# Foreign paths of an old mirror that mtools can copy out in one go.
FOREIGN=('::/EFI/BOOT' '::/EFI/Microsoft' '::/EFI/debian' '::/grub' '::/startup.nsh'
	'::/A foreign file with a long name, übrig.txt')

skip()
{
	echo "$*: skipped"
	exit 77
}

fail()
{
	echo "FAILED: $*" >&2
	exit 1
}

need_tools()
{
	local tool

	for tool in mkfs.fat fsck.fat mcopy mdir mattrib "$@"; do
		command -v "$tool" >/dev/null || skip "no $tool"
	done
	[[ -x $FATESPSYNC ]] || fail "$FATESPSYNC is not there"
	[[ -x $FATFILL ]] || fail "$FATFILL is not there"
	FATESPSYNC=$(realpath -s "$FATESPSYNC")
	FATFILL=$(realpath -s "$FATFILL")
	export FATESPSYNC FATFILL
}

# need_space MIB: in the scratch folder's file system.
need_space()
{
	local have

	have=$(df --output=avail -BM "${TMPDIR:-/tmp}" | tail -n 1 | tr -dc 0-9)
	((have >= $1)) || skip "needs $1 MiB in ${TMPDIR:-/tmp}, has $have MiB"
}

# use_memory MIB: make the scratch folder in memory if there is so much room and TMPDIR does not say
# otherwise. Many small files in a row are slow on ext4.
use_memory()
{
	local have
	[[ -z ${TMPDIR:-} && -w /dev/shm ]] || return 0
	have=$(df --output=avail -BM /dev/shm | tail -n 1 | tr -dc 0-9)
	((have < $1)) || export TMPDIR=/dev/shm
}

# Sets SCRATCH, which goes away at exit unless KEEP is set.
make_scratch()
{
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/fatespsync.XXXXXXXX")
	if [[ -z ${KEEP:-} ]]; then
		trap 'rm -rf "$SCRATCH"' EXIT
		trap 'exit 129' HUP INT TERM
	fi
}

# ---- images ----

# make_image IMAGE TYPE SECTOR SECTORS_PER_CLUSTER [CLUSTERS [SERIAL [LABEL]]]
make_image()
{
	local image=$1 type=$2 sector=$3 spc=$4 clusters=${5:-0} sectors

	if ((clusters == 0)); then
		case $type in
		12) clusters=4000 ;;
		16) clusters=5000 ;;
		32) clusters=65700 ;;
		esac
	fi
	# 32 reserved sectors, two tables, 512 root entries: what mkfs.fat takes at most
	sectors=$((32 + 2 * (clusters * type / 8 / sector + 1) + 16384 / sector + clusters * spc))
	rm -f "$image"
	truncate -s $((sectors * sector)) "$image"
	mkfs.fat -F "$type" -S "$sector" -s "$spc" -i "${6:-1234ABCD}" -n "${7:-ESP}" "$image" \
		>"$image.log" 2>&1 || fail "mkfs.fat: $(cat "$image.log")"
	rm -f "$image.log"
}

# write_bytes FILE COUNT SEED: bytes that differ between seeds and between clusters.
write_bytes()
{
	if [[ ! -e $SCRATCH/seed ]]; then
		(set +o pipefail; seq 1000000 3000000 | tr -d '\n' | head -c 10000000 \
			>"$SCRATCH/seed")
	fi
	dd if="$SCRATCH/seed" of="$1" bs=64K iflag=skip_bytes,count_bytes \
		skip=$(($3 * 7919)) count="$2" status=none
}

# make_tree DIR old|new CLUSTER_SIZE [PATTERN]: the files of TREES whose path matches.
make_tree()
{
	local dir=$1 which=$2 C=$3 pattern=${4:-.} path old new spec seed day parent

	while IFS='|' read -r path old new; do
		spec=$new
		[[ $which == old ]] && spec=$old
		[[ -n $path && $spec != - && $path =~ $pattern ]] || continue
		parent=$dir/$path
		mkdir -p "${parent%/*}"
		seed=${spec#*@} day=${spec#*:}
		[[ $spec == *:* ]] || day=$seed
		write_bytes "$dir/$path" $((${spec%@*})) "${seed%:*}"
		touch -d "2024-$((day % 12 + 1))-$((day % 28 + 1)) 10:$((10 + day % 50)):$((10 + \
			day % 25 * 2))" "$dir/$path"
	done <<<"$TREES"
	find "$dir" -type d -exec touch -d '2024-02-03 04:05:06' {} +
}

# put_tree DIR IMAGE: all that is in DIR, times included.
put_tree()
{
	(shopt -s dotglob && mcopy -s -p -m -n -i "$2" "$1"/* ::) ||
		fail "mcopy to $2"
}

# put_whole_tree old|new IMAGE CLUSTER_SIZE: $MADE_TREES may hold it already, to save time.
put_whole_tree()
{
	local made=${MADE_TREES:-/nonexistent}/$1-$3

	if [[ -d $made ]]; then
		put_tree "$made" "$2"
		return
	fi
	make_tree "$SCRATCH/$1" "$1" "$3"
	put_tree "$SCRATCH/$1" "$2"
	rm -rf "${SCRATCH:?}/$1"
}

# put_empty_file IMAGE NAME
put_empty_file()
{
	: >"$SCRATCH/$2"
	mcopy -i "$1" "$SCRATCH/$2" ::
	rm "$SCRATCH/$2"
}

# make_primary IMAGE CLUSTER_SIZE: the new tree, with attributes that the old one has not.
make_primary()
{
	put_whole_tree new "$1" "$2"
	mattrib +r +h +s -i "$1" ::/loader/entries.srel ::/EFI/Linux/one-cluster.efi
	mattrib +h -a -i "$1" ::/loader/keys ::/loader/keys/auto/db.auth ::/loader/UPPER.CFG
}

# make_mirror IMAGE CLUSTER_SIZE: the old tree, and foreign files.
make_mirror()
{
	put_whole_tree old "$1" "$2"
	mattrib +r +h +s -i "$1" ::/EFI/Microsoft/Boot/bootmgfw.efi ::/startup.nsh
	mattrib +r -i "$1" ::/loader/plain.cfg
}

# count_clusters CLUSTER_SIZE: what old and new managed files need beside each other, at most:
# the contents that the mirror has not, and every directory once more with all names of both.
count_clusters()
{
	local C=$1 path old new spec sum=0 parent name
	local -A known=() slots=()

	while IFS='|' read -r path old new; do
		[[ -z $path ]] || known[${old%:*}]=1
	done <<<"$TREES"
	while IFS='|' read -r path old new; do
		[[ ${path,,} =~ $MANAGED ]] || continue
		if [[ $new != - && -z ${known[${new%:*}]:-} && ! $path =~ $PRIVATE ]]; then
			spec=${new%@*}
			sum=$((sum + (spec + C - 1) / C))
		fi
		# one sector is not split between sets that may go later, so a quarter is lost
		while [[ $path == */* ]]; do
			parent=${path%/*} name=${path##*/}
			[[ $parent != EFI ]] || break
			if [[ -z ${slots[/$path]:-} ]]; then
				slots[/$path]=1
				slots[$parent]=$((${slots[$parent]:-3} + 2 + ${#name} / 13))
			fi
			path=$parent
		done
	done <<<"$TREES"
	for path in "${!slots[@]}"; do
		[[ $path == /* ]] || sum=$((sum + (slots[$path] * 40 + C - 1) / C))
	done
	echo "$sum"
}

# ---- judging ----

# fingerprint IMAGE: of its bytes, quick for sparse images.
fingerprint()
{
	tar -cS --mtime=@0 --owner=0 --group=0 -C "${1%/*}" "${1##*/}" | sha256sum
}

# modified IMAGE: when it was last written to.
modified()
{
	stat -c %y "$1"
}

# json_sum FIELD FILE: over all mirrors.
json_sum()
{
	grep -Eo "\"$1\": *[0-9]+" "$2" | awk -F: '{ n += $2 } END { print n + 0 }'
}

# Managed directories may be called by other case on a mirror.
canonical_roots()
{
	sed -E 's,^(::/)?loader(/|$),\1loader\2,I; s,^(::/)?EFI/Linux(/|$),\1EFI/Linux\2,I
		s,^(::/)?EFI/systemd(/|$),\1EFI/systemd\2,I'
}

# list_mdir IMAGE: what mdir prints of the managed directories, a line per entry with its
# directory; short names only where there is no long one. A root may be missing.
list_mdir()
{
	{ mdir -/ -a -i "$1" ::/loader ::/EFI/Linux ::/EFI/systemd 2>/dev/null || true; } |
		sed -E 's/^.{12}(.*[0-9]:[0-9]{2}[ap]?  .+)$/            \1/' |
		awk '/^Directory for / { dir = substr($0, 15); next }
			/^Total files listed/ { total = 1 }
			total { next }
			/^ Volume |^ *[0-9]+ files? |^\.\.? +<DIR>|^$/ { next }
			{ print dir "\t" $0 }' |
		canonical_roots | grep -Ev '^::/loader/swtpm|^::/loader	.* (random-seed|swtpm) *$' |
		grep -Ev '	(swtpm .*|esp-sync was .*|.*  \.#.*)$' | sort
}

# list_attributes IMAGE
list_attributes()
{
	{ mattrib -/ -X -i "$1" ::/loader ::/EFI/Linux ::/EFI/systemd 2>/dev/null || true; } |
		sed -E 's,^([A-Z]*) ::/(.*)$,\2\t\1,' | canonical_roots |
		grep -Evi '^(loader|efi/linux|efi/systemd)	' |
		awk -F '\t' -v private="$(awk_regex "$PRIVATE")" '$1 !~ private' | sort
}

# awk takes escapes out of a -v value once more.
awk_regex()
{
	printf %s "${1//\\/\\\\}"
}

# list_tree IMAGE: what fatfill sees of the managed directories.
list_tree()
{
	"$FATFILL" "$1" tree | canonical_roots |
		awk -F '\t' -v managed="$(awk_regex "$MANAGED")" \
			-v private="$(awk_regex "$PRIVATE")" \
			'tolower($1) ~ managed "/" && $1 !~ private' | sort
}

# list_foreign IMAGE: every slot and cluster that a sync has to leave alone. The random seed gets
# other contents where it stands.
list_foreign()
{
	"$FATFILL" "$1" raw |
		awk -F '\t' -v managed="$(awk_regex "$MANAGED")" \
			-v private="$(awk_regex "$PRIVATE")" -v own="$(awk_regex "$OWN")" \
			'tolower($1) == "loader/random-seed" { sub(/ contents .*/, "") }
			(tolower($1) !~ managed "(/|$)" || $1 ~ private) && $1 !~ own' | sort
}

# seed_of IMAGE: its bytes, none where there is no random seed.
seed_of()
{
	mcopy -i "$1" ::/loader/random-seed - 2>/dev/null || true
}

# copy_out IMAGE DIR: the managed directories as mtools reads them, and DIR.times.
copy_out()
{
	local path

	mkdir "$2"
	mcopy -s -p -m -n -i "$1" ::/loader ::/EFI/Linux ::/EFI/systemd "$2" ||
		fail "$1: mtools cannot read it"
	for path in "$2"/*; do
		case ${path##*/} in
		loader | Linux | systemd) ;;
		[Ll]*[Xx]) mv "$path" "$2/Linux" ;;
		[Ll]*) mv "$path" "$2/loader" ;;
		*) mv "$path" "$2/systemd" ;;
		esac
	done
	find "$2" -mindepth 2 -printf '%P\t%y %s %T@\n' |
		sed -E 's/(\td) [0-9]+/\1/' |
		awk -F '\t' -v private="$(awk_regex "$PRIVATE")" '$1 !~ private' |
		sort >"$2.times"
	rm -rf "$2/loader/random-seed" "$2/loader/esp-sync.was" "$2/loader/swtpm"
	find "$2" -name '.#*' -exec rm -rf {} +
}

# copy_out_foreign IMAGE DIR
copy_out_foreign()
{
	mkdir "$2"
	mcopy -s -p -m -n -i "$1" "${FOREIGN[@]}" "$2" || fail "$1: mtools cannot read it"
}

# judge_before MIRROR: remember all that a sync must not change.
judge_before()
{
	"$FATFILL" "$1" meta >"$1.meta"
	list_foreign "$1" >"$1.raw"
	rm -rf "$1.foreign"
	! grep -q '^EFI/Microsoft' "$1.raw" || copy_out_foreign "$1" "$1.foreign"
}

# judge_primary PRIMARY: remember what every mirror shall look like.
judge_primary()
{
	modified "$1" >"$1.modified"
	list_tree "$1" >"$1.tree"
	list_mdir "$1" >"$1.mdir"
	list_attributes "$1" >"$1.attributes"
	rm -rf "$1.out"
	copy_out "$1" "$1.out"
	[[ -s $1.tree && -s $1.mdir && -s $1.attributes && -s $1.out.times ]] ||
		fail "$1: the judge sees nothing"
}

# compare WHAT FILE FILE
compare()
{
	diff -u "$2" "$3" >&2 || fail "$1"
}

# judge_sound IMAGE: fsck.fat may say its name and the totals, nothing else.
judge_sound()
{
	local text

	text=$(fsck.fat -n "$1" 2>&1) || fail "$1: fsck.fat: $text"
	[[ $(wc -l <<<"$text") == 2 && $text == 'fsck.fat '*$'\n'"$1: "*' files, '*' clusters' ]] ||
		fail "$1: fsck.fat: $text"
}

# What fsck.fat may say of an interrupted sync.
HARMLESS='^(fsck\.fat |FATs differ but appear to be intact\.|  Using first FAT\.)'
HARMLESS+='|^(Reclaiming unconnected clusters\.|Reclaimed |Free cluster summary wrong)'
HARMLESS+='|^(  Auto-correcting\.|Leaving filesystem unchanged\.|Orphaned long file name part)'
HARMLESS+='|^(  Auto-deleting\.|$)|: [0-9]+ files, [0-9]+/[0-9]+ clusters$'

# judge_interrupted IMAGE: fsck.fat finds nothing but what is harmless.
judge_interrupted()
{
	fsck.fat -n "$1" >"$1.fsck" 2>&1 || true
	! grep -Ev "$HARMLESS" "$1.fsck" >&2 || fail "$1: fsck.fat finds damage"
}

# judge_foreign MIRROR: since judge_before.
judge_foreign()
{
	"$FATFILL" "$1" meta >"$1.meta.now"
	compare "$1: boot sectors, FAT[0], FAT[1] or label changed" "$1.meta" "$1.meta.now"
	list_foreign "$1" >"$1.raw.now"
	grep -q '^EFI	' "$1.raw" || sed -i '/^EFI	/d' "$1.raw.now"
	grep -qi '^loader/random-seed	' "$1.raw" || sed -i '/^loader\/random-seed	/d' "$1.raw.now"
	compare "$1: foreign files changed" "$1.raw" "$1.raw.now"
	[[ -d $1.foreign ]] || return 0
	rm -rf "$1.foreign.now"
	copy_out_foreign "$1" "$1.foreign.now"
	diff -r "$1.foreign" "$1.foreign.now" >&2 || fail "$1: foreign contents changed"
}

# judge_equal PRIMARY MIRROR: names, attributes and times.
judge_equal()
{
	list_tree "$2" >"$2.tree"
	compare "$2: the entries differ" "$1.tree" "$2.tree"
	list_mdir "$2" >"$2.mdir"
	compare "$2: mdir sees differences" "$1.mdir" "$2.mdir"
	list_attributes "$2" >"$2.attributes"
	compare "$2: mattrib sees differences" "$1.attributes" "$2.attributes"
}

# judge_contents PRIMARY MIRROR: every byte.
judge_contents()
{
	rm -rf "$2.out"
	copy_out "$2" "$2.out"
	compare "$2: times or sizes differ" "$1.out.times" "$2.out.times"
	diff -r "$1.out" "$2.out" >&2 || fail "$2: contents differ"
}

# judge_seed PRIMARY MIRROR: it has a random seed if the primary has, but not the same.
judge_seed()
{
	seed_of "$1" >"$1.seed"
	seed_of "$2" >"$2.seed"
	[[ -s $1.seed ]] || return 0
	[[ -s $2.seed ]] || fail "$2: no random seed"
	! cmp -s "$1.seed" "$2.seed" || fail "$2: it has the primary's random seed"
}

# judge_idle PRIMARY MIRROR...: nothing is left to be done, and nothing is written.
judge_idle()
{
	local primary=$1 mirror
	shift

	"$FATESPSYNC" -q --primary="$primary" diff "$@" >"$primary.log" 2>&1 ||
		fail "diff after a sync: exit $?: $(cat "$primary.log")"
	for mirror; do
		fingerprint "$mirror" >"$mirror.sum"
		modified "$mirror" >"$mirror.modified"
	done
	"$FATESPSYNC" --json=short --primary="$primary" sync "$@" >"$primary.json" \
		2>"$primary.log" || fail "second sync: exit $?: $(cat "$primary.log")"
	grep -q '"writes"' "$primary.json" || fail "no figures: $(cat "$primary.json")"
	[[ $(json_sum writes "$primary.json") == 0 ]] ||
		fail "the second sync wrote: $(cat "$primary.json")"
	for mirror; do
		[[ $(fingerprint "$mirror") == "$(cat "$mirror.sum")" ]] ||
			fail "$mirror: the second sync changed it"
		[[ $(modified "$mirror") == "$(cat "$mirror.modified")" ]] ||
			fail "$mirror: the second sync wrote to it"
	done
}

# judge_unwritten COMMAND...: no call that writes, on any file but the terminal and pipes.
judge_unwritten()
{
	local calls=write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync,sync_file_range
	calls+=,ftruncate,fallocate,sendfile,copy_file_range,io_uring_setup

	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
		strace -f -y -qq -s 0 -e trace="$calls" -o "$SCRATCH/strace" "$@" >/dev/null ||
		fail "under strace: exit $?"
	! grep -E '\.img>|io_uring' "$SCRATCH/strace" >&2 || fail "writes were issued"
}

# run_sync PRIMARY MIRROR...
run_sync()
{
	local primary=$1
	shift

	"$FATESPSYNC" --json=short --primary="$primary" sync "$@" >"$primary.json" \
		2>"$primary.log" || fail "sync: exit $?: $(cat "$primary.log" "$primary.json")"
}

# judge_after PRIMARY MIRROR...: all of it; judge_primary and judge_before were called before.
judge_after()
{
	local primary=$1 mirror
	shift

	for mirror; do
		judge_sound "$mirror"
		judge_foreign "$mirror"
		judge_equal "$primary" "$mirror"
		judge_contents "$primary" "$mirror"
		judge_seed "$primary" "$mirror"
		"$FATESPSYNC" -q check "$mirror" >"$primary.log" 2>&1 ||
			fail "$mirror: check: exit $?: $(cat "$primary.log")"
	done
	judge_idle "$primary" "$@"
	[[ $(modified "$primary") == "$(cat "$primary.modified")" ]] ||
		fail "$primary: the primary was written to"
}

# sync_and_judge PRIMARY MIRROR...
sync_and_judge()
{
	local primary=$1 mirror
	shift

	judge_primary "$primary"
	for mirror; do
		judge_before "$mirror"
	done
	run_sync "$primary" "$@"
	judge_after "$primary" "$@"
}
