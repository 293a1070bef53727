#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Two runs never work on one mirror at the same time: the second waits up to --timeout, or refuses.
#
#   test-concurrent.sh [CASE...]   these; all of them without

# shellcheck source=tests/judge.sh
. "${srcdir:-$(dirname "$0")/..}/tests/judge.sh"

SYNC=(--json=short) # what runs of the program have in common

# renew: PRIMARY, MIRROR and OTHER, another mirror, as they were at first.
renew()
{
	PRIMARY=$SCRATCH/primary.img MIRROR=$SCRATCH/mirror.img OTHER=$SCRATCH/other.img
	if [[ ! -e $PRIMARY.made ]]; then
		make_image "$PRIMARY.made" 16 512 4 6000
		make_primary "$PRIMARY.made" 2048
		make_image "$MIRROR.made" 12 512 16 4000 00000002 MIRROR
		make_mirror "$MIRROR.made" 8192
	fi
	cp --sparse=always "$PRIMARY.made" "$PRIMARY"
	cp --sparse=always "$MIRROR.made" "$MIRROR"
	cp --sparse=always "$MIRROR.made" "$OTHER"
}

# expect STATUS STATE [WORDS...]: of the run that wrote to out and err; WORDS are said.
expect()
{
	local word

	[[ $STATUS == "$1" ]] || fail "exit $STATUS: $(cat "$SCRATCH/out" "$SCRATCH/err")"
	[[ $(jq -r '.mirrors[-1].state' "$SCRATCH/out") == "$2" ]] || fail "$(cat "$SCRATCH/out")"
	for word in "${@:3}"; do
		grep -qF -- "$word" "$SCRATCH/err" || fail "no '$word': $(cat "$SCRATCH/err")"
	done
}

# run OPTION...: sets STATUS.
run()
{
	STATUS=0
	timeout 60 "$FATESPSYNC" "${SYNC[@]}" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || STATUS=$?
}

# ---- a run that is held ----

# hold_run: begin a sync of MIRROR that stops when it is about to write for the fourth time. Sets
# HELD, the process, and HELD_BY, what it is traced with.
hold_run()
{
	rm -f "$SCRATCH/held"
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -qq -o "$SCRATCH/held" \
		-e trace=pwrite64 -e inject=pwrite64:signal=STOP:when=4 \
		"$FATESPSYNC" "${SYNC[@]}" --primary="$PRIMARY" "$MIRROR" \
		>"$SCRATCH/held.out" 2>"$SCRATCH/held.err" &
	HELD_BY=$!
	until grep -q 'stopped by SIGSTOP' "$SCRATCH/held" 2>/dev/null; do
		kill -0 $HELD_BY 2>/dev/null || fail "not held: $(cat "$SCRATCH/held.err")"
		sleep 0.01
	done
	HELD=$(cat /proc/$HELD_BY/task/$HELD_BY/children)
	HELD=${HELD% }
}

end_held_run()
{
	kill -CONT "$HELD"
	wait "$HELD_BY" || fail "the first: $(cat "$SCRATCH/held.err")"
	[[ $(jq -r '.mirrors[0].state' "$SCRATCH/held.out") == synced ]] ||
		fail "the first: $(cat "$SCRATCH/held.out")"
}

# begin_run OPTION...: in the background. Sets PID.
begin_run()
{
	timeout 60 "$FATESPSYNC" "${SYNC[@]}" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" &
	PID=$!
}

end_run()
{
	STATUS=0
	wait "$PID" || STATUS=$?
}

judge_mirror()
{
	judge_sound "$1"
	list_tree "$PRIMARY" >"$PRIMARY.tree"
	list_tree "$1" >"$1.tree"
	compare "$1 is not equal" "$PRIMARY.tree" "$1.tree"
}

test_the_second_run_refuses_when_its_time_is_up()
{
	local timeout

	renew
	hold_run
	fingerprint "$MIRROR" >"$MIRROR.sum"
	for timeout in 0 1; do
		run --timeout=$timeout --primary="$PRIMARY" "$MIRROR"
		expect 4 refused "$MIRROR: process $HELD holds the lock of $MIRROR" --timeout
		run --timeout=$timeout --primary="$OTHER" "$MIRROR" --force
		expect 4 refused "process $HELD"
	done
	run --timeout=0 --primary="$MIRROR" "$OTHER"
	[[ $STATUS == 3 ]] || fail "from a mirror that is written to: exit $STATUS"
	run --timeout=0 check "$MIRROR"
	[[ $STATUS == 4 ]] || fail "check of a mirror that is written to: exit $STATUS"
	[[ $(fingerprint "$MIRROR") == "$(cat "$MIRROR.sum")" ]] || fail "something was written"
	end_held_run
	judge_mirror "$MIRROR"
}

test_the_second_run_waits_and_finds_all_in_sync()
{
	renew
	hold_run
	begin_run --timeout=1000 --primary="$PRIMARY" "$MIRROR"
	sleep 0.3
	kill -0 $PID || fail "it did not wait: $(cat "$SCRATCH/err")"
	end_held_run
	end_run
	expect 0 in-sync
	[[ $(json_sum writes "$SCRATCH/out") == 0 ]] || fail "the second wrote"
	judge_mirror "$MIRROR"
}

# ---- a lock of somebody else ----

test_another_programs_lock_counts()
{
	local lock kind

	renew
	for kind in --exclusive --shared; do
		exec {lock}<"$MIRROR"
		flock $kind "$lock"
		run --timeout=0 --primary="$PRIMARY" "$MIRROR"
		expect 4 refused "$MIRROR: process "
		exec {lock}<&-
	done
	exec {lock}<"$PRIMARY"
	flock --shared "$lock"
	run --timeout=0 --primary="$PRIMARY" "$MIRROR"
	expect 0 synced
	flock --exclusive "$lock"
	run --timeout=0 --primary="$PRIMARY" "$MIRROR"
	[[ $STATUS == 3 ]] || fail "a locked primary: exit $STATUS"
	exec {lock}<&-
	judge_mirror "$MIRROR"
}

# The other mirror is done first; the locked one is, when it is let go.
test_a_locked_mirror_holds_up_no_other()
{
	local lock

	renew
	exec {lock}<"$MIRROR"
	flock "$lock"
	begin_run --timeout=1000 --primary="$PRIMARY" "$MIRROR" "$OTHER" {lock}<&-
	until "$FATESPSYNC" -q --timeout=0 --primary="$PRIMARY" diff "$OTHER" 2>/dev/null; do
		kill -0 $PID || fail "it did not wait: $(cat "$SCRATCH/err")"
		sleep 0.02
	done
	cmp "$MIRROR" "$MIRROR.made" || fail "the locked one was written to"
	exec {lock}<&-
	end_run
	expect 0 synced
	judge_mirror "$MIRROR"
	judge_mirror "$OTHER"
}

# While a mirror is waited for, nobody is kept from writing to the primary: then it is another one.
test_a_primary_that_changes_meanwhile_is_read_again()
{
	local lock

	renew
	exec {lock}<"$MIRROR"
	flock "$lock"
	begin_run --timeout=1000 --primary="$PRIMARY" "$MIRROR" "$OTHER" {lock}<&-
	until "$FATESPSYNC" -q --timeout=0 --primary="$PRIMARY" diff "$OTHER" 2>/dev/null; do
		kill -0 $PID || fail "it did not wait: $(cat "$SCRATCH/err")"
		sleep 0.02
	done
	echo another >"$SCRATCH/file"
	mcopy -o -i "$PRIMARY" "$SCRATCH/file" ::/loader/loader.conf
	exec {lock}<&-
	end_run
	[[ $STATUS == 0 ]] || fail "exit $STATUS: $(cat "$SCRATCH/err")"
	"$FATESPSYNC" cat "$MIRROR" /loader/loader.conf >"$SCRATCH/copied" || fail "no loader.conf"
	cmp "$SCRATCH/file" "$SCRATCH/copied" || fail "the locked one got what had been there before"
}

# ---- many at once ----

# many COUNT TIMEOUT: so many runs at once on MIRROR; their reports go to SCRATCH/many.*.
many()
{
	local i pids=()

	for ((i = 0; i < $1; i++)); do
		timeout 100 "$FATESPSYNC" "${SYNC[@]}" --timeout="$2" --primary="$PRIMARY" "$MIRROR" \
			>"$SCRATCH/many.$i" 2>"$SCRATCH/err.$i" &
		pids+=($!)
	done
	STATUSES=
	for i in "${pids[@]}"; do
		STATUS=0
		wait "$i" || STATUS=$?
		STATUSES+=" $STATUS"
	done
}

test_of_many_runs_one_does_it()
{
	renew
	many 10 1000
	[[ $STATUSES == ' 0 0 0 0 0 0 0 0 0 0' ]] || fail "exit$STATUSES: $(cat "$SCRATCH"/err.*)"
	[[ $(cat "$SCRATCH"/many.* | grep -c '"state": *"synced"') == 1 ]] ||
		fail "not just one wrote: $(cat "$SCRATCH"/many.*)"
	judge_mirror "$MIRROR"
	renew
	many 10 0
	[[ $STATUSES =~ ^(\ [04])+$ && $STATUSES == *0* ]] ||
		fail "exit$STATUSES: $(cat "$SCRATCH"/err.*)"
	judge_mirror "$MIRROR"
}

# Each has what the other waits for, and both come to an end. What one of them wrote the other would not
# overwrite without being told to.
test_opposite_directions_do_not_wait_for_each_other()
{
	local i pid

	renew
	for ((i = 0; i < 5; i++)); do
		timeout 100 "$FATESPSYNC" -q --force --timeout=1000 --primary="$MIRROR" "$PRIMARY" "$OTHER" \
			2>"$SCRATCH/err.$i" &
		pid=$!
		run --force --timeout=1000 --primary="$PRIMARY" "$MIRROR" "$OTHER"
		wait $pid || [[ $? == 4 ]] || fail "backwards: $(cat "$SCRATCH/err.$i")"
		[[ $STATUS == 0 || $STATUS == 4 ]] || fail "forwards: $(cat "$SCRATCH/err")"
		echo "$i" >"$SCRATCH/file"
		mcopy -o -i "$PRIMARY" "$SCRATCH/file" ::/loader/loader.conf
		! grep -hv -e 'changed' -e 'came after' "$SCRATCH/err" "$SCRATCH/err.$i" >&2 || fail "what is that?"
	done
	run --force --primary="$PRIMARY" "$MIRROR" "$OTHER"
	[[ $STATUS == 0 ]] || fail "$(cat "$SCRATCH/err")"
	judge_sound "$PRIMARY"
	judge_mirror "$MIRROR"
	judge_mirror "$OTHER"
}

need_tools strace jq flock timeout
need_space 200
make_scratch
for name in "${@:-$(compgen -A function test_)}"; do
	for case in $name; do
		echo "$case"
		$case
	done
done
