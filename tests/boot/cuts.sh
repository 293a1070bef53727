# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by tests/boot/run.sh: takes the power from the guest while it syncs an upgrade from 7.0.1 to
# 7.0.3, at each of three stages, and judges what is on the mirror then.
#
# What the stages are is told by names on the mirror, not by time: "prepared", nothing can be
# seen yet; "kernel", the new kernel is there, its entry is not; "entry", the new entry is there, the old
# kernel as well.

# stage_of NAME: how far the sync of the upgrade has come on that disk.
stage_of()
{
	local kernels entries

	kernels=$(names "$1" "/$TOKEN")
	entries=$(names "$1" /loader/entries)
	if [[ $kernels != *7.0.3* ]]; then
		echo prepared
	elif [[ $entries != *7.0.3* ]]; then
		echo kernel
	elif [[ $kernels == *7.0.1* ]]; then
		echo entry
	else
		echo all
	fi
}

# wish_look_on: until the machine is killed, before the sync does its last part. A process that stands
# still has written what it would have written if it had been killed then.
wish_look_on()
{
	local pid stage

	read -r pid <"$SCRATCH/upgrade.pid"
	while stop "$pid"; do
		stage=$(stage_of mirror)
		[[ $stage != entry ]] || kill -KILL "$pid"
		cp --sparse=always "$SCRATCH/mirror.disk" "$SCRATCH/cut-$stage.disk"
		[[ $stage != entry ]] || break
		kill -CONT "$pid"
		sleep 0.01
	done
	ENDED=yes
}

# stop PID: with all its threads, one of which may be writing yet.
stop()
{
	kill -STOP "$1" 2>/dev/null || return
	while grep -qs '^State:.[^TZ]' /proc/"$1"/task/*/status; do
		sleep 0.01
	done
}

# kernel_dir VERSION: where the system got it from.
kernel_dir()
{
	if [[ $1 == 7.0.3 ]]; then
		echo "$SCRATCH/system/new"
	else
		echo "$SCRATCH/system/$TOKEN/$1"
	fi
}

# judge_entries NAME: on that disk each has its kernel, whole.
judge_entries()
{
	local entries entry version file

	entries=$(names "$1" /loader/entries)
	[[ -n $entries ]] || fail "no entries"
	while read -r entry; do
		version=${entry#"$TOKEN-"}
		version=${version%.conf}
		version=${version%+*}
		for file in linux initrd; do
			mtype -i "$SCRATCH/$1.disk@@1M" "::/$TOKEN/$version/$file" |
				cmp - "$(kernel_dir "$version")/$file" ||
				fail "$entry: $file is not whole"
		done
	done <<<"$entries"
}

# a_cut_leaves_entries_whole STAGE: what a power cut then has left.
a_cut_leaves_entries_whole()
{
	local name=cut-$1 status=0

	[[ -e $SCRATCH/$name.disk ]] || fail "nobody saw it"
	[[ $(stage_of "$name") == "$1" ]] || fail "not at that stage"
	truncate -r "$SCRATCH/mirror.img" "$SCRATCH/$name.img"
	take_out "$name"
	! cmp -s "$SCRATCH/$name.img" "$SCRATCH/mirror.img" || fail "not written to"
	judge_interrupted "$SCRATCH/$name.img"
	"$FATESPSYNC" check "$SCRATCH/$name.img" || status=$?
	((status <= 1)) || fail "check: exit $status"
	judge_entries "$name"
}

# a_cut_is_mended STAGE: by the next sync.
a_cut_is_mended()
{
	local disk=$SCRATCH/cut-$1.disk

	"$FATESPSYNC" --primary="$SCRATCH/primary.disk" sync "$disk"
	take_out "cut-$1"
	judge_sound "$SCRATCH/cut-$1.img"
	has_names "cut-$1" "/$TOKEN" 7.0.2 7.0.3
	has_names "cut-$1" /loader/entries "$TOKEN-7.0.2.conf" "$TOKEN-7.0.3+3.conf"
	judge_entries "cut-$1"
}

power_cuts()
{
	local stage

	take_out mirror # as it is before
	boot_disks upgrade the_power_goes_while_an_upgrade_is_synced variables-both primary mirror
	for stage in prepared kernel entry; do
		judge a_cut_leaves_entries_whole $stage
		boot_alone cut-$stage
	done
	await_boots
	judge the_mirror_boots cut-prepared 7.0.2
	judge the_mirror_boots cut-kernel 7.0.2
	judge the_mirror_boots cut-entry 7.0.3
	for stage in prepared kernel entry; do
		judge a_cut_is_mended $stage
	done
}
