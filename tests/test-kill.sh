#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Killed or interrupted at any moment, the program leaves mirrors that are sound, with every managed
# file wholly old or wholly new; the next run ends in sync, and the one after it writes nothing.
#
#   test-kill.sh [CASE...]   these; all of them without
#
# SIGKILL before the k-th write, for every k, leaves all that it can leave but for what a single
# write was torn into; that, and whatever else nobody thought of, is left to random moments.
# FATESPSYNC_TEST_FULL=1 takes every k and hundreds of random moments on tens of MiB.

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

# type, sector size, sectors per cluster, clusters
VOLUMES=('12 512 32 4000' '16 512 16 8000' '32 512 1 131072')

MIB=$((1024 * 1024))
BIG=$((3 * MIB)) RANDOM_KILLS=9 RANDOM_SIGNALS=3 CHOSEN_KILLS=3 CHOSEN_SIGNALS=2
if [[ -n ${FATESPSYNC_TEST_FULL:-} ]]; then
	BIG=$((16 * MIB)) RANDOM_KILLS=300 RANDOM_SIGNALS=60 CHOSEN_KILLS=10000 CHOSEN_SIGNALS=20
elif [[ -n ${FATESPSYNC_TEST_QUICK:-} ]]; then
	RANDOM_KILLS=3 RANDOM_SIGNALS=1 CHOSEN_KILLS=1 CHOSEN_SIGNALS=1
fi

# ---- volumes ----

# put_big IMAGE NAME BYTES: nothing that repeats.
put_big()
{
	head -c "$3" /dev/urandom >"$SCRATCH/big"
	touch -d '2024-05-06 07:08:10' "$SCRATCH/big"
	mcopy -m -i "$1" "$SCRATCH/big" "::/EFI/Linux/$2"
	rm "$SCRATCH/big"
}

# list_files IMAGE: a digest of each managed file, as mtools reads it.
list_files()
{
	rm -rf "$1.out"
	copy_out "$1" "$1.out"
	(cd "$1.out" && find . -type f -exec md5sum {} +) | sort
}

make_volumes()
{
	local volume type

	PRIMARY=$SCRATCH/primary.img
	make_image "$PRIMARY" 16 512 16 8000
	make_primary "$PRIMARY" 8192
	put_big "$PRIMARY" kernel.efi $BIG
	put_big "$PRIMARY" another.efi $((BIG / 4))
	list_files "$PRIMARY" >"$PRIMARY.files"
	list_tree "$PRIMARY" >"$PRIMARY.tree"
	for volume in "${VOLUMES[@]}"; do
		type=${volume%% *}
		# shellcheck disable=SC2086
		make_image "$SCRATCH/$type.img" $volume 0000000"${type:0:1}" MIRROR
		make_mirror "$SCRATCH/$type.img" 8192
		put_big "$SCRATCH/$type.img" kernel.efi $BIG
		judge_before "$SCRATCH/$type.img"
		list_files "$SCRATCH/$type.img" >"$SCRATCH/$type.img.files"
		list_tree "$SCRATCH/$type.img" >"$SCRATCH/$type.img.tree"
		cp --sparse=always "$SCRATCH/$type.img" "$SCRATCH/$type.old"
	done
}

# renew TYPE: sets MIRROR, as it was at first.
renew()
{
	MIRROR=$SCRATCH/$1.img
	cp --sparse=always "$SCRATCH/$1.old" "$MIRROR"
}

# ---- judging ----

# judge_among WHAT FILE KNOWN...: each line of FILE is one of KNOWN.
judge_among()
{
	local what=$1 file=$2
	shift 2

	! sort -u "$@" | comm -23 "$file" - | grep . >&2 || fail "$what"
}

# judge_killed: MIRROR is what a power cut may leave. Counts what was left.
judge_killed()
{
	local status=0

	"$FATESPSYNC" check "$MIRROR" >"$MIRROR.check" 2>&1 || status=$?
	((status <= 1)) || fail "check: exit $status: $(cat "$MIRROR.check")"
	judge_interrupted "$MIRROR"
	list_files "$MIRROR" >"$MIRROR.files.now"
	judge_among "$MIRROR: neither old nor new" "$MIRROR.files.now" "$MIRROR.files" \
		"$PRIMARY.files"
	list_tree "$MIRROR" >"$MIRROR.tree.now"
	judge_among "$MIRROR: entries neither old nor new" "$MIRROR.tree.now" "$MIRROR.tree" \
		"$PRIMARY.tree"
	judge_foreign "$MIRROR"
	if cmp -s "$MIRROR.files" "$MIRROR.files.now"; then
		N_OLD=$((N_OLD + 1))
	elif cmp -s "$PRIMARY.files" "$MIRROR.files.now"; then
		N_NEW=$((N_NEW + 1))
	else
		N_BETWEEN=$((N_BETWEEN + 1))
	fi
}

# judge_next: the next run ends in sync, the one after it has nothing to do.
judge_next()
{
	run_sync "$PRIMARY" "$MIRROR"
	judge_sound "$MIRROR"
	list_files "$MIRROR" >"$MIRROR.files.now"
	compare "$MIRROR: contents differ" "$PRIMARY.files" "$MIRROR.files.now"
	list_tree "$MIRROR" >"$MIRROR.tree.now"
	compare "$MIRROR: entries differ" "$PRIMARY.tree" "$MIRROR.tree.now"
	judge_foreign "$MIRROR"
	run_sync "$PRIMARY" "$MIRROR"
	[[ $(json_sum writes "$PRIMARY.json") == 0 ]] || fail "$MIRROR: the run after writes"
}

begin_count()
{
	N_OLD=0 N_BETWEEN=0 N_NEW=0
}

# print_count WHAT
print_count()
{
	echo "$((N_OLD + N_BETWEEN + N_NEW)) $1: $N_OLD left the old state, $N_BETWEEN one between" \
		"two commits, $N_NEW the new one"
}

# ---- runs that are cut short ----

# run_cut SIGNAL K: sync MIRROR, with SIGNAL when it is about to write for the K-th time. Sets
# STATUS; writes come from one thread, and strace counts by thread.
run_cut()
{
	STATUS=0
	{
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -qq \
			-o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal="$1":when="$2" \
			"${PROGRAM[@]}" --json=short --primary="$PRIMARY" "$MIRROR" \
			>"$MIRROR.json" 2>"$MIRROR.log"
	} 2>/dev/null || STATUS=$?
}

# run_random SIGNAL MILLISECONDS: the same at some moment. Sets STATUS.
run_random()
{
	local pid

	STATUS=0
	"${PROGRAM[@]}" --json=short --primary="$PRIMARY" "$MIRROR" >"$MIRROR.json" \
		2>"$MIRROR.log" &
	pid=$!
	sleep "$(printf '0.%03d' "$2")"
	kill -s "$1" $pid 2>/dev/null || true
	wait $pid 2>/dev/null || STATUS=$?
}

milliseconds()
{
	echo "$((${EPOCHREALTIME/./} / 1000))"
}

# measure TYPE: sets WRITES and DURATION (in ms) of a whole sync.
measure()
{
	local started

	renew "$1"
	started=$(milliseconds)
	run_sync "$PRIMARY" "$MIRROR"
	DURATION=$(($(milliseconds) - started + 2))
	((DURATION < 1000)) || DURATION=999
	WRITES=$(json_sum writes "$PRIMARY.json")
}

# choose_writes N: that many of 1 to WRITES; most of them near the end, where the tables are
# written and commits are made.
choose_writes()
{
	local k

	if (($1 >= WRITES)); then
		seq 1 "$WRITES"
		return
	fi
	echo $((RANDOM % WRITES + 1))
	for ((k = 1; k < $1; k++)); do
		echo $((WRITES - RANDOM % 30 % WRITES))
	done
}

# ---- cases ----

test_killed_before_a_write()
{
	local volume k

	begin_count
	for volume in "${VOLUMES[@]}"; do
		measure "${volume%% *}"
		for k in $(choose_writes $CHOSEN_KILLS); do
			renew "${volume%% *}"
			run_cut KILL "$k"
			[[ $STATUS == 137 ]] || fail "write $k of $WRITES: exit $STATUS"
			judge_killed
			judge_next
		done
	done
	print_count 'kills before some write'
}

test_killed_at_random_moments()
{
	local i type missed=0

	begin_count
	for ((i = 0; i < RANDOM_KILLS; i++)); do
		type=${VOLUMES[i % 3]%% *}
		((i >= 3)) || { measure "$type"; TIMES[i]=$DURATION; }
		renew "$type"
		run_random KILL $((RANDOM % TIMES[i % 3]))
		[[ $STATUS == 0 || $STATUS == 137 ]] || fail "exit $STATUS: $(cat "$MIRROR.log")"
		[[ $STATUS == 137 ]] || missed=$((missed + 1))
		judge_killed
		judge_next
	done
	print_count "kills at random moments ($missed too late)"
}

# judge_report NUMBER: what was said of an interrupted run is valid, and true.
judge_report()
{
	local state

	jq -e --argjson status $((128 + $1)) '.exitStatus == $status and (.mirrors | length == 1)' \
		"$MIRROR.json" >/dev/null || fail "report: $(cat "$MIRROR.json")"
	state=$(jq -r '.mirrors[0].state' "$MIRROR.json")
	case $state in
	synced) cmp -s "$PRIMARY.files" "$MIRROR.files.now" || fail 'synced: not true' ;;
	failed) grep -q 'interrupted before the commit' "$MIRROR.log" || fail 'why failed?' ;;
	refused) grep -q 'nothing was written' "$MIRROR.log" || fail 'why refused?' ;;
	*) fail "report: $(cat "$MIRROR.json")" ;;
	esac
	[[ $state == synced ]] || cmp -s "$MIRROR.files" "$MIRROR.files.now" || fail "$state: changed"
}

test_interrupted_before_a_write()
{
	local volume k i=0 signals=(INT TERM HUP) numbers=(2 15 1)

	begin_count
	for volume in "${VOLUMES[@]}"; do
		measure "${volume%% *}"
		for k in $(choose_writes $CHOSEN_SIGNALS); do
			renew "${volume%% *}"
			run_cut "${signals[i % 3]}" "$k"
			[[ $STATUS == $((128 + numbers[i % 3])) ]] ||
				fail "write $k of $WRITES: exit $STATUS: $(cat "$MIRROR.log")"
			judge_killed
			judge_report "${numbers[i % 3]}"
			judge_next
			i=$((i + 1))
		done
	done
	print_count 'interruptions before some write'
	((N_BETWEEN == 0)) || fail 'stopped between two commits'
}

# Before the program has begun to watch them, and when it is done, signals end it at once.
test_interrupted_at_random_moments()
{
	local i type

	begin_count
	for ((i = 0; i < RANDOM_SIGNALS; i++)); do
		type=${VOLUMES[i % 3]%% *}
		((i >= 3)) || { measure "$type"; TIMES[i]=$DURATION; }
		renew "$type"
		run_random TERM $((RANDOM % TIMES[i % 3]))
		[[ $STATUS == 0 || $STATUS == 143 ]] || fail "exit $STATUS: $(cat "$MIRROR.log")"
		judge_killed
		[[ $STATUS == 0 || ! -s $MIRROR.json ]] || judge_report 15
		judge_next
	done
	print_count 'interruptions at random moments'
	((N_BETWEEN == 0)) || fail 'stopped between two commits'
}

test_an_ignored_signal_stays_ignored()
{
	local PROGRAM=("$FATESPSYNC")

	renew 12
	trap '' HUP
	run_cut HUP 3
	trap - HUP
	[[ $STATUS == 0 ]] || fail "exit $STATUS: $(cat "$MIRROR.log")"
	judge_next
}

# The message about a mirror that is none finds no reader.
test_a_reader_that_went_stops_no_sync()
{
	local log

	renew 12
	exec {log}> >(:)
	wait $! || true # it may have been waited for already
	STATUS=0
	env --default-signal=PIPE "$FATESPSYNC" -q --primary="$PRIMARY" /dev/null "$MIRROR" \
		2>&"$log" || STATUS=$?
	exec {log}>&-
	[[ $STATUS == 4 ]] || fail "exit $STATUS"
	judge_next
}

# ---- while it waits for a lock ----

# naps: how often the run has slept so far. It does between two tries to get a lock.
naps()
{
	awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$PID/status" 2>/dev/null || echo 0
}

# begin_waiting ARGUMENT...: a run that waits for the lock of MIRROR. Sets PID.
begin_waiting()
{
	renew 12
	exec {LOCK}<"$MIRROR"
	flock $LOCK
	"${PROGRAM[@]}" --json=short --timeout=100000 "$@" "$MIRROR" >"$MIRROR.json" \
		2>"$MIRROR.log" {LOCK}<&- &
	PID=$!
	until (($(naps) > 20)); do
		kill -0 $PID || fail "it does not wait: $(cat "$MIRROR.log")"
		sleep 0.01
	done
}

# end_waiting: sets STATUS.
end_waiting()
{
	STATUS=0
	wait "$PID" 2>/dev/null || STATUS=$?
	exec {LOCK}<&-
	cmp "$MIRROR" "$SCRATCH/12.old" || fail "something was written"
}

test_waiting_for_a_lock_is_interrupted()
{
	begin_waiting --primary="$PRIMARY" sync
	kill -TERM $PID
	end_waiting
	[[ $STATUS == 143 ]] || fail "exit $STATUS: $(cat "$MIRROR.log")"
	cp "$MIRROR.files" "$MIRROR.files.now"
	judge_report 15
}

# Both are sent while it is stopped, so that nothing is done between them.
test_a_second_signal_ends_it_at_once()
{
	begin_waiting --primary="$PRIMARY" sync
	kill -STOP $PID
	kill -TERM $PID
	kill -HUP $PID
	kill -CONT $PID
	end_waiting
	[[ $STATUS == 129 || $STATUS == 143 ]] || fail "exit $STATUS"
	[[ ! -s $MIRROR.json && ! -s $MIRROR.log ]] || fail "it went on: $(cat "$MIRROR.json" "$MIRROR.log")"
}

test_what_only_reads_ends_at_once()
{
	begin_waiting --primary="$PRIMARY" diff
	kill -TERM $PID
	end_waiting
	[[ $STATUS == 143 && ! -s $MIRROR.json ]] || fail "exit $STATUS: $(cat "$MIRROR.json")"
}

need_tools strace jq flock md5sum
need_space 1000
make_scratch
# Shells ignore SIGINT in what they do not wait for, nohup SIGHUP.
PROGRAM=(env "--default-signal=HUP,INT,TERM" "$FATESPSYNC")
make_volumes
for name in "${@:-$(compgen -A function test_)}"; do
	for case in $name; do
		echo "$case"
		$case
	done
done
