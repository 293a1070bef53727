#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the program does on a terminal, which script(1) makes, and does not do elsewhere: progress and
# colours.

# shellcheck disable=SC2016 # what stands in single quotes is for the shell on the terminal

set -u

: "${FATESPSYNC:?names the program to test}" "${FATPOKE:?names a program that damages images}"
for tool in mkfs.fat mcopy mmd script flock stty; do
	command -v "$tool" >/dev/null || {
		echo "no $tool: skipped"
		exit 77
	}
done

LC_ALL=C.UTF-8
TERM=xterm
SHELL=/bin/sh # which script(1) starts
export LC_ALL TERM SHELL FATESPSYNC
unset NO_COLOR SYSTEMD_COLORS COLORTERM
scratch=$(mktemp -d "${TMPDIR:-/tmp}/test-terminal.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT PIPE TERM
cd "$scratch" || exit 1
mkdir root
FATESPSYNC_ROOT=$scratch/root
export FATESPSYNC_ROOT
failed=0
escape=$(printf '\033')

# ---- helpers ----

fail() {
	echo "FAIL: $*"
	echo "  command: $last"
	cat -v seen out err 2>/dev/null | sed 's/^/  /'
	failed=1
}

# run ARGUMENT...: the program without a terminal; its output stays in the files out and err.
run() {
	last="fatespsync $*"
	rm -f seen
	"$FATESPSYNC" "$@" >out 2>err </dev/null
}

# on_terminal COMMAND: a shell command on a terminal; what it prints stays in the file seen.
on_terminal() {
	last=$1
	rm -f out err
	script -qefc "$1" typescript </dev/null >/dev/null
	shown
}

# Without what script(1) says, a line before and two after, and without carriage returns at line ends.
shown() {
	tr -d "\r" <typescript | sed 1d | sed '$d' | sed '$d' >seen
}

# What a reader sees in the end, without colours: all behind the last time that lines were taken back.
left_over() {
	awk -v escape="$escape" '
		{ gsub(escape "\\[[0-9]*m", ""); text = text $0 "\n" }
		END {
			n = split(text, frames, escape "\\[J")
			printf "%s", frames[n]
		}' seen
}

has() {
	grep -Eq -e "$2" "$1" || fail "$1 has no line like: $2"
}

has_not() {
	! grep -Eq -e "$2" "$1" || fail "$1 has a line like: $2"
}

make_volume() {
	mkfs.fat -C -F 16 "$1" 16384 >/dev/null
	mmd -i "$1" ::/EFI ::/EFI/Linux
}

make_mirror() {
	rm -f "$1"
	cp empty "$1"
}

head -c 3000000 /dev/urandom >kernel
make_volume empty
cp empty primary
mcopy -i primary kernel ::/EFI/Linux/new.efi

# ---- progress ----

# Elsewhere than on a terminal there is none, unless it is asked for.
make_mirror mirror
run --primary=primary mirror
[ ! -s err ] || fail "something on stderr"
has_not out "$escape"

make_mirror mirror
run --primary=primary --progress=yes mirror
for phase in check copy flush verify commit; do
	has err "^fatespsync: mirror: $phase: "
done
has err '^fatespsync: mirror: copy: 2\.8 MiB in [0-9]+\.[0-9] s'
has_not err "$escape"
! grep -Evq '^fatespsync: mirror: [a-z]+: ' err || fail "a line of another kind"
has out '^mirror: synced'
has_not out check

# Whole lines do not disturb JSON, nor does --quiet keep them away.
make_mirror mirror
run --primary=primary --progress=yes --json=short --quiet mirror
has err '^fatespsync: mirror: copy: '
[ "$(wc -l <out)" -eq 1 ] || fail "more than the JSON on stdout"

# On a terminal each phase is drawn in place of the one before, and nothing of it is left.
make_mirror mirror
on_terminal '"$FATESPSYNC" --primary=primary --progress=yes mirror'
for phase in check 'copy +0%  0 B of 2\.8 MiB' flush 'verify +0%' commit; do
	has seen "mirror  $phase"
done
has seen "^$escape\[1A$escape\[Jmirror  "
left_over >rest
has rest '^mirror: synced'
has_not rest 'mirror  (copy|commit)'
has_not rest "$escape\[[0-9]*[A-K]"

# No: none. A run that is short: none, either.
make_mirror mirror
on_terminal '"$FATESPSYNC" --primary=primary --progress=no mirror'
has_not seen 'mirror  (check|copy|commit)'

# What cannot go back with the cursor gets lines.
make_mirror mirror
on_terminal 'TERM=dumb "$FATESPSYNC" --primary=primary --progress=yes mirror'
has seen '^fatespsync: mirror: copy: 2\.8 MiB in '
has_not seen "$escape"

# Several mirrors have a line each; messages stand between them, on lines of their own.
make_mirror mirror
make_mirror second
make_mirror third
printf 'no volume\n' >stranger
on_terminal '"$FATESPSYNC" --primary=primary --progress=yes mirror stranger second third'
has seen "^$escape\[3A"
has seen "^($escape\[[1-3]A$escape\[J)?fatespsync: ($escape\[31m)?stranger: .*a text file"
has_not seen '[a-z%0-9] +fatespsync: '
left_over >rest
for mirror in mirror second third; do
	has rest "^$mirror: synced"
done

# No line is wider than the window.
mkdir -p "a-folder-with-a-name/that-is-longer/than-it-need-be"
long=a-folder-with-a-name/that-is-longer/than-it-need-be/mirror.img
make_mirror $long
on_terminal "stty cols 40; \"\$FATESPSYNC\" --primary=primary --progress=yes $long >/dev/null"
has seen 'a-f\.\.\..*img  copy'
sed "s/$escape\[[0-9]*[A-Za-z]//g" seen | awk 'length() > 40 { exit 1 }' ||
	fail "a line is wider than the window"

# Nor are there more lines than fit. All mirrors are held, so that all are waited for.
for mirror in mirror second third; do
	make_mirror $mirror
done
on_terminal 'stty rows 3; flock mirror flock second flock third \
	"$FATESPSYNC" --primary=primary --progress=yes --timeout=1 mirror second third 2>&1'
has seen '^and 2 more'
has_not seen "$escape\[[3-9]A"

# In the background nothing is drawn: the terminal belongs to somebody else then.
make_mirror mirror
on_terminal 'bash -c '\''set -m; "$FATESPSYNC" --primary=primary --progress=yes mirror & wait'\'
has seen '^mirror: .*synced'
has_not seen 'mirror  check'

# By itself it comes when a sync takes long: here somebody else holds the mirror until it has come.
make_mirror mirror
rm -f let-go
(
	flock 9
	while ! [ -e let-go ]; do
		sleep 0.1
	done
) 9<mirror &
while flock -n mirror true; do
	sleep 0.1
done
last='fatespsync --primary=primary --timeout=100 mirror, while somebody holds the mirror'
rm -f out err typescript
script -qefc '"$FATESPSYNC" --primary=primary --timeout=100 mirror' typescript </dev/null >/dev/null &
tries=0
while [ $tries -lt 900 ] && ! grep -q 'mirror  wait' typescript 2>/dev/null; do
	sleep 0.1
	tries=$((tries + 1))
done
touch let-go
wait
shown
has seen 'mirror  wait'
left_over >rest
has rest '^mirror: synced'
has_not rest wait

# That does not hold for --quiet, nor for JSON on the same terminal.
for option in --quiet --json=short; do
	make_mirror mirror
	on_terminal "flock mirror \"\$FATESPSYNC\" --primary=primary --timeout=1 $option mirror"
	has_not seen 'mirror  wait'
	has_not seen "$escape\[[0-9]*[A-K]"
done

# Nonsense is refused.
run --primary=primary --progress=perhaps mirror
has err "^fatespsync: --progress=perhaps: not one of auto, yes, no"

# ---- colours ----

# same_words COMMAND: on a terminal it prints what it prints elsewhere, apart from colours.
# Progress would come on a machine that is slow enough.
same_words() {
	last=$1
	sh -c "$1" >out 2>err </dev/null
	cp out want
	has_not out "$escape"
	has_not err "$escape"
	on_terminal "$1 2>/dev/null"
	sed "s/$escape\[[0-9]*m//g" seen | cmp -s - want || fail "other words than without a terminal"
}

make_mirror mirror
cp empty damaged
"$FATPOKE" damaged entry /EFI 26 ffff # its first cluster
same_words '"$FATESPSYNC" --progress=no --primary=primary status mirror primary'
has seen "^$escape\[1mprimary primary$escape\[0m\$"
has seen "^  state     $escape\[33mdiffers$escape\[0m \("
has seen "^  boots     $escape\[31mno$escape\[0m: "
same_words '"$FATESPSYNC" --progress=no --primary=primary diff mirror'
has seen "^mirror: $escape\[33mwould be synced$escape\[0m, "
same_words '"$FATESPSYNC" check primary damaged absent'
has seen "^primary: $escape\[32mclean$escape\[0m\$"
has seen "^damaged: $escape\[31mdamage$escape\[0m: "
has seen "^absent: $escape\[31munreadable$escape\[0m\$"
same_words '"$FATESPSYNC" --disk=primary list'
has seen "^$escape\[1mDEVICE .* MOUNTED$escape\[0m\$"
same_words '"$FATESPSYNC" --progress=no --primary=primary --json=pretty status mirror'
has_not seen "$escape"

on_terminal '"$FATESPSYNC" --progress=no --primary=primary mirror stranger'
has seen "^fatespsync: $escape\[31mstranger: .*$escape\[0m\$"
has seen "mirror: $escape\[32msynced$escape\[0m, "
has seen "^stranger: $escape\[31mrefused$escape\[0m\$"
same_words '"$FATESPSYNC" --progress=no --primary=primary mirror'
has seen "^mirror: $escape\[32min sync$escape\[0m\$"

# stdout and stderr each for itself.
on_terminal '"$FATESPSYNC" --progress=no --primary=primary mirror stranger >file'
has seen "^fatespsync: $escape\[31mstranger: "
has_not file "$escape"
on_terminal '"$FATESPSYNC" --progress=no --primary=primary mirror stranger 2>file'
has seen "$escape\[31mrefused"
has_not file "$escape"

# As the user wishes.
for wish in NO_COLOR=1 NO_COLOR= SYSTEMD_COLORS=0 SYSTEMD_COLORS=off TERM=dumb; do
	on_terminal "$wish \"\$FATESPSYNC\" --progress=no --primary=primary mirror stranger"
	has seen '^mirror: in sync'
	has_not seen "$escape"
done
for wish in SYSTEMD_COLORS=1 SYSTEMD_COLORS=16; do
	last="$wish fatespsync --primary=primary mirror stranger"
	env "$wish" NO_COLOR=1 "$FATESPSYNC" --progress=no --primary=primary mirror stranger >out 2>err </dev/null
	has out "^mirror: $escape\[32min sync"
	has err "^fatespsync: $escape\[31mstranger: "
done

exit $failed
