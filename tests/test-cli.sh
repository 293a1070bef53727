#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The command line: verbs and options, exit statuses, what goes to stdout and what to stderr,
# text and JSON. That the bytes on the mirrors are right is the business of other tests.

set -u

: "${FATESPSYNC:?names the program to test}"
for tool in mkfs.fat mcopy mmd mdel mren; do
	command -v "$tool" >/dev/null || {
		echo "no $tool: skipped"
		exit 77
	}
done

LC_ALL=C.UTF-8
export LC_ALL
unset POSIXLY_CORRECT
scratch=$(mktemp -d "${TMPDIR:-/tmp}/test-cli.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT PIPE TERM
cd "$scratch" || exit 1
mkdir root
# A machine without disks.
FATESPSYNC_ROOT=$scratch/root
export FATESPSYNC_ROOT
failed=0

# ---- helpers ----

# fail TEXT: note a failure, with what the last command printed.
fail() {
	echo "FAIL: $*"
	echo "  command: $last"
	sed 's/^/  stdout: /' out
	sed 's/^/  stderr: /' err
	failed=1
}

# run STATUS ARGUMENT...: run the program; its output stays in the files out and err.
run() {
	expected=$1
	shift
	last="fatespsync $*"
	"$FATESPSYNC" "$@" >out 2>err
	got=$?
	[ $got -eq "$expected" ] || fail "exit status $got, not $expected"
}

# in_out REGEX, in_err REGEX: some line matches. not_in_out REGEX: none does.
in_out() {
	grep -Eq -e "$1" out || fail "stdout has no line like: $1"
}

in_err() {
	grep -Eq -e "$1" err || fail "stderr has no line like: $1"
}

not_in_out() {
	! grep -Eq -e "$1" out || fail "stdout has a line like: $1"
}

out_is() {
	printf '%s\n' "$1" | cmp -s - out || fail "stdout is not: $1"
}

no_out() {
	[ ! -s out ] || fail "stdout is not empty"
}

no_err() {
	[ ! -s err ] || fail "stderr is not empty"
}

# Every line on stderr names the program, but for the pointer to --help.
messages_are_signed() {
	! grep -Evq "^(fatespsync: |Try 'fatespsync --help')" err || fail "an unsigned message"
}

# usage_error REGEX ARGUMENT...: exit 2, a message that matches, nothing on stdout.
usage_error() {
	regex=$1
	shift
	run 2 "$@"
	no_out
	in_err "^fatespsync: .*$regex"
	in_err -- '--help'
	messages_are_signed
}

# json FILTER: stdout is one JSON value for which FILTER holds. Without jq(1), only that it looks
# like one object: brackets outside strings are balanced and nothing follows.
json() {
	if command -v jq >/dev/null; then
		[ "$(jq -s "length == 1 and (.[0] | $1)" out 2>/dev/null)" = true ] ||
			fail "JSON: not true: $1"
		return
	fi
	tr '\n' ' ' <out | awk '
		{
			gsub(/\\./, "")
			gsub(/"[^"]*"/, "")
			text = $0
			for (i = 1; i <= length(text); i++) {
				c = substr(text, i, 1)
				if (c == "{" || c == "[")
					depth++
				if (c == "}" || c == "]")
					depth--
				if (depth == 0 && c != "}" && c != " ")
					bad = 1
			}
			exit bad || depth != 0 || text !~ /^ *\{/
		}' || fail "not one JSON object"
}

# make_image FILE KIB MKFS-OPTION...
make_image() {
	image=$1
	truncate -s "$2K" "$image"
	shift 2
	mkfs.fat "$@" "$image" >/dev/null
}

# overwrite FILE OFFSET OCTAL...: put bytes into an image.
overwrite() {
	file=$1
	offset=$2
	shift 2
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$(printf '\\%s' "$@")" |
		dd of="$file" bs=1 seek="$offset" conv=notrunc status=none
}

# offset_of FILE TEXT: where TEXT first stands in an image, in bytes.
offset_of() {
	LC_ALL=C grep -abo -e "$2" "$1" | head -n 1 | cut -d: -f1 | grep .
}

# number_at FILE OFFSET: the 16-bit number there.
number_at() {
	od -An -tu2 -j"$2" -N2 "$1" | tr -d ' '
}

# fail() shows them, also before the first run().
: >out
: >err
last=none

# ---- images ----

set -e
make_image primary.img 16384 -F 16 -n PRIMARY -i 1234abcd
mmd -i primary.img ::EFI ::EFI/Linux ::EFI/other ::loader ::loader/entries
dd if=/dev/urandom of=big bs=1024 count=1024 status=none
dd if=/dev/urandom of=small bs=1000 count=20 status=none
: >empty
echo 'timeout 3' >loader.conf
mcopy -i primary.img big ::EFI/Linux/big.efi
mcopy -i primary.img small ::EFI/Linux/a+3.efi
mcopy -i primary.img empty ::EFI/Linux/empty.efi
mcopy -i primary.img loader.conf ::loader/loader.conf
mcopy -i primary.img loader.conf '::loader/entries/naïve 名.conf'
mcopy -i primary.img loader.conf ::EFI/other/fallback.efi
make_image empty.img 8192 -F 12 -i 0badcafe
cp primary.img same.img
echo 'no volume, just text' >text
set +e

# ---- help, version ----

run 0 --help
no_err
in_out '^Usage: fatespsync'
for word in sync diff status; do
	in_out "^  $word +\[MIRROR\.\.\.\]  +[a-z]"
done
in_out '^  add +MIRROR\.\.\.  +[a-z]'
in_out '^  remove +MIRROR\|UUID\.\.\.  +[a-z]'
in_out '^  replace +OLD NEW  +[a-z]'
for word in list wait; do
	in_out "^  $word  +[a-z]"
done
for word in check ls cat; do
	in_out "^  $word +VOLUME"
done
in_out '^ +--progress=auto\|yes\|no '
cp out help
run 0 -h
cmp -s out help || fail "-h is not --help"
run 0 --version
no_err
in_out '^fatespsync [0-9]+\.[0-9]+\.[0-9]+$'
run 0 --json=help
out_is 'pretty
short
off'

# ---- wrong usage ----

usage_error 'usage: .* list$' list same.img
usage_error 'usage: .* add MIRROR\.\.\.$' add
usage_error 'usage: .* remove MIRROR\|UUID\.\.\.$' remove
usage_error 'usage: .* replace OLD NEW$' replace
usage_error 'usage: .* replace OLD NEW$' replace same.img
usage_error 'usage: .* replace OLD NEW$' replace same.img same.img same.img
usage_error 'usage: .* wait$' wait same.img
usage_error 'VOLUME' check
usage_error 'VOLUME' ls
usage_error 'VOLUME' ls primary.img / /
usage_error 'PATH' cat primary.img
usage_error "--bogus" --bogus ls primary.img
usage_error "-Z" ls -qZ primary.img
usage_error "--qui" --qui ls primary.img
for mode in '' x Auto 'yes '; do
	usage_error "--progress=$mode: .*auto, yes, no" "--progress=$mode" same.img
done
usage_error "--help.*no argument" --help=me
usage_error "--primary.*argument" same.img --primary
usage_error "--disk.*argument" list --disk
usage_error "--strict.*no argument" --strict=yes
for mode in '' x Pretty 'short '; do
	usage_error '--json' "--json=$mode" ls primary.img
done
for mode in '' x Auto 'auto ' help 2; do
	usage_error '--random-seed' "--random-seed=$mode" diff same.img
done
usage_error "--random-seed.*argument" diff same.img --random-seed
for number in '' ' 1' 1s -1 +1 0x10 1.5 4294967296 99999999999999999999; do
	usage_error '--timeout' "--timeout=$number" ls primary.img
done
usage_error '--primary.*check' check --primary=primary.img same.img
usage_error '--dry-run.*ls' ls -n primary.img
usage_error '--quick.*cat' cat --quick primary.img /x
for option in --dry-run --manage=/x --exclude=/x --quick --force --strict --random-seed=auto; do
	for word in list wait; do
		usage_error "'${option%=*}' is not known to $word" $word $option
	done
done
for option in --primary=primary.img --dry-run --manage=/x --force --strict; do
	for word in check ls cat; do
		usage_error "'${option%=*}' is not known to $word" $word primary.img $option
	done
done
usage_error 'JSON' cat --json=short primary.img /loader/loader.conf
for path in relative '' / /EFI/../loader; do
	run 2 --primary primary.img "--manage=$path" same.img
	no_out
	messages_are_signed
	run 2 --primary primary.img "--exclude=$path" same.img
	no_out
done
cmp -s primary.img same.img || fail "wrong usage changed a mirror"

# ---- ls ----

run 0 ls primary.img
no_err
in_out '^D----  .*  EFI/$'
in_out '^D----  .*  loader/$'
in_out '^0 files, 2 directories, 0 B$'
run 0 ls primary.img /EFI/Linux
in_out '^----A +1\.0 MiB  [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}  big\.efi$'
in_out '^----A +19\.5 KiB  .*  a\+3\.efi$'
in_out '^----A +0 B  .*  empty\.efi$'
in_out '^3 files, 0 directories, 1\.0 MiB$'
run 0 ls primary.img --no-legend efi//LINUX/
not_in_out 'directories'
[ "$(wc -l <out)" -eq 3 ] || fail "not three entries"
run 0 ls primary.img /EFI/Linux/BIG.EFI
in_out 'big\.efi$'
run 0 ls primary.img /loader/entries
in_out '  naïve 名\.conf$'
run 0 ls -- primary.img /
in_out 'EFI/$'
run 0 -- ls primary.img
in_out 'EFI/$'
run 4 ls primary.img /no/such
no_out
in_err '^fatespsync: .*primary\.img.*/no/such'
run 4 ls primary.img /loader/loader.conf/x
in_err '/loader/loader\.conf/x'
for volume in missing text /; do
	run 4 ls "$volume"
	no_out
	in_err "^fatespsync: .*$volume"
	messages_are_signed
done

run 0 --json=pretty ls primary.img /EFI/Linux
no_err
json '.path == "/EFI/Linux" and (.entries | length) == 3'
json '.entries[] | select(.name == "big.efi") |
	.size == 1048576 and .directory == false and .attributes == 32 and (.modified | length) == 19'
[ "$(wc -l <out)" -gt 3 ] || fail "pretty JSON is not indented"
run 0 ls --json=short primary.img
json '.path == "/" and ([.entries[] | select(.directory)] | length) == 2'
[ "$(wc -l <out)" -eq 1 ] || fail "short JSON is not one line"
run 4 ls --json=short primary.img /no
json '.path == "/no" and .entries == []'
in_err '/no'

# ---- cat ----

run 0 cat primary.img /EFI/Linux/big.efi
no_err
cmp -s out big || fail "cat: not the file"
run 0 cat primary.img efi/linux/A+3.EFI
cmp -s out small || fail "cat: not the file"
run 0 cat primary.img /EFI/Linux/empty.efi
no_out
for path in / /EFI; do
	run 4 cat primary.img "$path"
	no_out
	in_err "primary\.img.*$path"
done
run 4 cat primary.img /missing
in_err 'primary\.img.*/missing'
run 4 cat missing /x
in_err 'missing'

# ---- names with odd characters ----

set -e
make_image odd.img 8192 -F 12
mcopy -i odd.img loader.conf '::Qescape.conf'
mcopy -i odd.img loader.conf '::Rlonely.conf'
# A long-name slot stands before the short entry; its first unit is its second byte.
escape_at=$(offset_of odd.img 'QESCAP~1CON')
lonely_at=$(offset_of odd.img 'RLONEL~1CON')
overwrite odd.img $((escape_at - 31)) 033 000
overwrite odd.img $((lonely_at - 31)) 000 330
set +e
run 0 ls odd.img
in_out '  \\x1bescape\.conf$'
in_out '  \\xed\\xa0\\x80lonely\.conf$'
[ "$(LC_ALL=C tr -d '\n\040-\176' <out | wc -c)" -eq 0 ] || fail "unprintable bytes on stdout"
run 0 ls --json=short odd.img
json '[.entries[].name] == ["\u001bescape.conf", "\\xed\\xa0\\x80lonely.conf"]'
bad_name=$(printf 'no\033such\377')
run 4 ls primary.img "/$bad_name"
in_err 'no\\x1bsuch\\xff'
run 4 check --json=short "$bad_name"
in_err 'no\\x1bsuch\\xff'
json '.volumes[0].volume.volume == "no\u001bsuch\\xff"'
cp primary.img ./-dash.img
run 0 ls -- -dash.img
cp primary.img list
run 0 ls ./list

# ---- check ----

run 0 check primary.img empty.img
no_err
out_is 'primary.img: clean
empty.img: clean'
run 0 check --no-legend primary.img
no_out
run 0 check -q primary.img
no_out
run 0 check --json=short -q primary.img empty.img
json '[.volumes[].state] == ["clean", "clean"] and .volumes[0].findings == []'
json '.volumes[0].volume | .volume == "primary.img" and .fatBits == 16 and .sectorSize == 512 and
	.serial == "1234-ABCD" and .label == "PRIMARY"'
json '.volumes[1].volume | .fatBits == 12 and (has("label") | not)'

# Cluster 100 is lost: in both copies it ends a chain that belongs to nobody.
set -e
make_image lost.img 8192 -F 12 -s 8
first_copy=$(($(number_at lost.img 14) * 512))
second_copy=$((first_copy + $(number_at lost.img 22) * 512))
overwrite lost.img $((first_copy + 150)) 377 017
overwrite lost.img $((second_copy + 150)) 377 017
# A file that is longer than its chain.
cp primary.img damaged.img
entry_at=$(offset_of damaged.img 'LOADER~1CON')
overwrite damaged.img $((entry_at + 30)) 001
set +e
run 1 check lost.img
no_err
in_out '^lost\.img: harmless: .*'
in_out '^lost\.img: 0 damage, 1 harmless$'
run 4 check damaged.img
in_out '^damaged\.img: damage: .*/loader/loader\.conf'
in_out '^damaged\.img: [1-9][0-9]* damage, '
run 4 check lost.img damaged.img primary.img missing
in_out '^primary\.img: clean$'
in_out '^missing: unreadable$'
in_err '^fatespsync: .*missing'
run 4 check --json=pretty lost.img damaged.img primary.img missing
json '[.volumes[].state] == ["harmless", "damage", "clean", "unreadable"]'
json '.volumes[1].findings[0] | .severity == "damage" and (.message | contains("loader.conf"))'
json '.volumes[3] | .volume.volume == "missing" and .findings == []'

# ---- no primary, no mirrors ----

# Neither firmware nor a mount tells: see tests/test-primary.sh.
for word in '' sync diff status 'sync same.img' 'add same.img' 'remove same.img' \
	'replace same.img same.img'; do
	# shellcheck disable=SC2086 # several arguments
	run 3 $word
	no_out
	in_err '^fatespsync: no primary: .*--primary='
	messages_are_signed
done
for word in '' diff 'wait --timeout=0'; do
	# shellcheck disable=SC2086
	run 0 --primary primary.img $word
	no_out
	no_err
done

# ---- status, diff, sync of mirrors in sync ----

run 0 --primary primary.img same.img
no_err
out_is 'same.img: in sync'
cp same.img seen.img
run 0 diff --primary=primary.img same.img
out_is 'same.img: in sync'
run 0 same.img -n --primary primary.img
out_is 'same.img: in sync'
run 0 --primary primary.img -v sync same.img
in_out '^  0 writes, '
run 0 status same.img --primary primary.img
no_err
in_out '^primary primary\.img$'
in_out '^mirror same\.img$'
in_out '^  type +FAT16, sectors of 512 B, clusters of 2\.0 KiB$'
in_out '^  size +1[56]\.[0-9] MiB$'
in_out '^  free +1[0-9]\.[0-9] MiB$'
in_out '^  serial +1234-ABCD$'
in_out '^  label +PRIMARY$'
in_out '^  state +in sync$'
cmp -s seen.img same.img || fail "a mirror in sync was written to"

# ---- ... that differ ----

cp empty.img mirror.img
run 1 diff --primary primary.img mirror.img same.img
no_err
in_out '^mirror\.img: would be synced, [0-9]+ changes, 1\.0 MiB of new contents$'
in_out '^  new       /EFI/Linux/$'
in_out '^  new       /EFI/Linux/big\.efi  1\.0 MiB$'
in_out '^  new       /loader/entries/naïve 名\.conf  10 B$'
in_out '^same\.img: in sync$'
not_in_out 'fallback'
cp out diffed
run 1 -n --primary primary.img mirror.img same.img
cmp -s out diffed || fail "sync --dry-run is not diff"
run 1 diff --no-legend --primary primary.img mirror.img same.img
not_in_out '^[^ ]'
run 1 diff -q --primary primary.img mirror.img
no_out
for mode in always auto never yes y true t on 1 no n false f off 0; do
	run 0 diff -q --primary primary.img --random-seed=$mode same.img
	no_out
done
run 1 status --primary primary.img same.img mirror.img
in_out '^  type +FAT12'
in_out '^  state +differs \(5 files.*, 1\.0 MiB\)$'
in_out '^  state +in sync$'
run 1 status --primary primary.img --json=short same.img mirror.img
no_err
json '.exitStatus == 1 and ([.mirrors[].state] == ["in-sync", "differs"])'
json '.primary | .volume == "primary.img" and .size == 16777216 and .clusterSize == 2048'
json '.mirrors[1] | .mirror == "mirror.img" and .volume.fatBits == 12 and .bytesWritten == 0'
json '[.mirrors[1].changes[] | select(.path == "/EFI/Linux/big.efi")] ==
	[{"kind": "new", "path": "/EFI/Linux/big.efi", "size": 1048576}]'
cmp -s empty.img mirror.img || fail "a dry run wrote"

run 0 --primary primary.img --manage=/EFI/other mirror.img
no_err
in_out '^mirror\.img: synced, [0-9]+ changes, 1\.[01] MiB written$'
in_out '^  new       /EFI/other/fallback\.efi  10 B$'
run 0 diff --primary primary.img --manage=/EFI/other mirror.img
run 0 cat mirror.img /EFI/Linux/big.efi
cmp -s out big || fail "the mirror has something else"

set -e
mren -i primary.img ::EFI/Linux/a+3.efi ::EFI/Linux/a+2-1.efi
mdel -i primary.img ::EFI/Linux/empty.efi
echo 'timeout 5' >loader.conf
mcopy -o -i primary.img loader.conf ::loader/loader.conf
set +e
run 1 diff --primary primary.img mirror.img --exclude /loader
not_in_out '/loader'
run 0 sync -v --primary primary.img mirror.img
in_out '^mirror\.img: synced, 3 changes, [0-9.]+ (B|KiB) written$'
in_out '^  renamed   /EFI/Linux/a\+3\.efi -> /EFI/Linux/a\+2-1\.efi$'
in_out '^  removed   /EFI/Linux/empty\.efi$'
in_out '^  changed   /loader/loader\.conf  10 B$'
in_out '^  [0-9]+ writes, [0-9]+ barriers, [0-9]+ bytes$'
run 0 --primary primary.img same.img --json=pretty
json '.exitStatus == 0 and .mirrors[0].state == "synced" and .mirrors[0].writes > 0'
json '[.mirrors[0].changes[].kind] | sort == ["contents", "removed", "renamed"]'
json '.mirrors[0].changes[] | select(.kind == "renamed") |
	.oldPath == "/EFI/Linux/a+3.efi" and .path == "/EFI/Linux/a+2-1.efi"'

# ---- failures ----

for bad in missing text / damaged.img; do
	run 3 --primary "$bad" same.img
	no_out
	in_err "^fatespsync: .*$bad"
	messages_are_signed
done
run 3 diff --primary missing same.img
no_out
run 3 status --primary missing same.img
no_out
run 3 status -q --json=short --primary missing same.img
json '.exitStatus == 3 and .mirrors == [] and (has("primary") | not)'
in_err 'missing'

cp empty.img mirror.img
run 4 --primary primary.img missing mirror.img text damaged.img primary.img
in_out '^missing: refused$'
in_out '^mirror\.img: synced, '
in_out '^text: refused$'
in_out '^damaged\.img: refused$'
in_out '^primary\.img: refused$'
for bad in missing text damaged.img primary.img; do
	in_err "^fatespsync: .*$bad"
done
messages_are_signed
cmp -s out /dev/null && fail "nothing on stdout"
run 4 -q --primary primary.img missing mirror.img
no_out
in_err 'missing'
cp empty.img mirror.img
run 4 diff --primary primary.img missing mirror.img
in_out '^mirror\.img: would be synced'
run 1 status --primary primary.img missing mirror.img
in_out '^mirror missing$'
in_out '^  state +refused: .*No such file'
run 4 --json=short --primary primary.img missing same.img
json '.exitStatus == 4 and ([.mirrors[].state] == ["refused", "in-sync"])'
json '.mirrors[0] | .mirror == "missing" and (.message | length) > 0 and (has("volume") | not)'

# ---- standard output that cannot be written to ----

# run_to STATUS FILE ARGUMENT...: as run, with stdout going to FILE.
run_to() {
	expected=$1
	file=$2
	shift 2
	last="fatespsync $* >$file"
	: >out
	"$FATESPSYNC" "$@" >"$file" 2>err
	got=$?
	[ $got -eq "$expected" ] || fail "exit status $got, not $expected"
}

if [ -c /dev/full ]; then
	for arguments in --help --version 'ls primary.img' 'ls --json=short primary.img' \
		'check primary.img' 'cat primary.img /loader/loader.conf' \
		'cat primary.img /EFI/Linux/big.efi' '--primary primary.img same.img' \
		'status --json=pretty --primary primary.img same.img'; do
		# shellcheck disable=SC2086 # several arguments
		run_to 4 /dev/full $arguments
		in_err '^fatespsync: cannot write to the standard output'
		[ "$(wc -l <err)" -eq 1 ] || fail "not one message"
	done
	run_to 0 /dev/full -q --primary primary.img same.img
	no_err
fi

# A closed standard stream must not become the number of a mirror that is opened.
last='fatespsync >&- 2>&-'
cp empty.img mirror.img
: >out
"$FATESPSYNC" -v --primary primary.img mirror.img missing <&- >&- 2>&-
got=$?
[ $got -eq 4 ] || fail "exit status $got, not 4"
run 0 diff --primary primary.img mirror.img
run 0 check mirror.img

[ $failed -eq 0 ] && echo "all is well"
exit $failed
