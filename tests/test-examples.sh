#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The examples for fleets do what they say with what the program really tells: metrics from each kind
# of status, units and the play for Ansible.
#
#   test-examples.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

EXAMPLES=$(realpath "${srcdir:-$(dirname "$0")/..}/examples")

# ---- metrics ----

# put_program: the program on the PATH, where the examples look for it.
put_program()
{
	[[ -e $PWD/bin/fatespsync ]] && return
	mkdir "$PWD/bin"
	ln -s "$FATESPSYNC" "$PWD/bin/fatespsync"
	PATH=$PWD/bin:$PATH
}

# metrics [STATUS-OPTION...]: into metrics.prom, checked as node_exporter would.
metrics()
{
	put_program
	mkdir -p collected
	LAST="fatespsync-metrics collected ${DISKS[*]} $*"
	"$EXAMPLES/fatespsync-metrics" collected "${DISKS[@]}" "$@" >out 2>err ||
		complain "exit status $?"
	no_out
	[[ $(ls -A collected) == fatespsync.prom ]] || complain "left: $(ls -A collected)"
	[[ $(stat -c %a collected/fatespsync.prom) == 644 ]] || complain "others cannot read it"
	cp collected/fatespsync.prom metrics.prom
	judge_format metrics.prom
}

# judge_format FILE: Prometheus' text format, without what node_exporter or promtool find fault with.
judge_format()
{
	awk -f - "$1" <<-'AWK' || complain "not Prometheus' format: $(cat "$1")"
		function wrong(what) { print FILENAME ":" NR ": " what ": " $0 >"/dev/stderr"; failed = 1 }
		/^# HELP [a-z_]+ [^ ].*$/ { if ($3 in helped) wrong("again"); helped[$3]; current = $3; next }
		/^# TYPE [a-z_]+ gauge$/ {
			if ($3 != current || $3 in typed) wrong("not below its HELP")
			typed[$3]
			next
		}
		/^[a-z_]+({([a-z_]+="([^"\\]|\\\\|\\"|\\n)*",?)+})? -?[0-9]+(\.[0-9]+)?$/ {
			name = $0
			sub(/[{ ].*/, "", name)
			series = $0
			sub(/ [^ ]*$/, "", series)
			if (name != current || !(name in typed)) wrong("not below its TYPE")
			if (series in seen) wrong("again")
			seen[series]
			next
		}
		{ wrong("not understood") }
		END { exit failed || NR == 0 }
	AWK
	[[ -z $(tail -c 1 "$1") ]] || complain "no newline at the end"
	command -v promtool >/dev/null || return 0
	promtool check metrics <"$1" >promtool.out 2>&1 || complain "promtool: $(cat promtool.out)"
}

# has LINE...: these samples, "fatespsync_" left out.
has()
{
	local line

	for line; do
		grep -qxF "fatespsync_$line" metrics.prom ||
			complain "not there: $line: $(cat metrics.prom)"
	done
}

# lacks NAME...: no samples of these.
lacks()
{
	local name

	for name; do
		! grep -E "^(# .... )?fatespsync_${name}[ {]" metrics.prom >&2 || complain "there: $name"
	done
}

# mirror UUID NAME [TYPE]: the labels.
mirror()
{
	printf '{partuuid="%s",name="%s",type="%s"}' "$1" "$2" "${3:-esp}"
}

test_metrics_of_mirrors_in_sync()
{
	local b free

	list_disks $A $B $C
	run 0
	metrics
	b=$(mirror $B b.img:1)
	has 'up 1' 'exit_status 0' 'listed 3' "mirror_in_sync$b 1" "mirror_missing$b 0" \
		"mirror_in_sync$(mirror $C c.img:1) 1" "mirror_bootable$b 0" \
		"primary_bootable$(mirror $A a.img:1) 1" \
		"mirror_state{partuuid=\"$B\",name=\"b.img:1\",type=\"esp\",state=\"in-sync\"} 1" \
		"mirror_state{partuuid=\"$B\",name=\"b.img:1\",type=\"esp\",state=\"differs\"} 0"
	"$FATESPSYNC" "${DISKS[@]}" --json=short status >status.json
	free=$(jq '.mirrors[0].volume.free' status.json)
	has "mirror_free_bytes$b $free" \
		"mirror_size_bytes$b $(jq '.mirrors[0].volume.size' status.json)" \
		"mirror_notes$b $(jq '.mirrors[0].notes | length' status.json)" \
		"primary_notes$(mirror $A a.img:1) $(jq '.primary.notes | length' status.json)"
	make_dirs b.img /EFI/BOOT
	put_text b.img /EFI/BOOT/BOOTX64.EFI loader
	metrics
	has "mirror_bootable$b 1"
}

test_metrics_of_a_mirror_that_differs()
{
	list_disks $A $B
	run 0
	put_text a.img /loader/loader.conf 'timeout 10'
	metrics --quick
	has 'up 1' 'exit_status 1' "mirror_in_sync$(mirror $B b.img:1) 0" \
		"mirror_state{partuuid=\"$B\",name=\"b.img:1\",type=\"esp\",state=\"differs\"} 1"
}

test_metrics_of_a_mirror_that_is_missing()
{
	local d

	list_disks $A $B $D
	run 0
	metrics
	d=$(mirror $D "PARTUUID=$D")
	has 'up 1' 'exit_status 1' "mirror_in_sync$d 0" "mirror_missing$d 1" \
		"mirror_in_sync$(mirror $B b.img:1) 1"
	! grep -F "mirror_bootable$d" metrics.prom >&2 || complain 'who knows?'
	! grep -F "mirror_free_bytes$d" metrics.prom >&2 || complain 'who knows?'
	metrics --strict
	has 'up 1' 'exit_status 5' "mirror_missing$d 1"
}

test_metrics_of_a_mirror_that_is_refused()
{
	list_disks $A $B $C
	put_boot_files b.img
	damage b.img
	run 4
	metrics
	has 'up 1' 'exit_status 1' "mirror_in_sync$(mirror $B b.img:1) 0" \
		"mirror_in_sync$(mirror $C c.img:1) 1" \
		"mirror_state{partuuid=\"$B\",name=\"b.img:1\",type=\"esp\",state=\"refused\"} 1"
}

# Each file that differs is told: more than fits into an argument.
test_metrics_of_a_mirror_of_which_very_much_differs()
{
	local names

	mkdir bin collected
	names=$(seq -f '{"kind": "new", "path": "/EFI/Linux/kernel-%06.0f.efi"}' -s , 4000)
	cat >bin/fatespsync <<-END
		#!/bin/sh
		cat <<EOF
		{"list": ["$B"], "mirrors": [{"mirror": "b.img", "state": "differs", "notes": [],
		"changes": [$names]}]}
		EOF
		exit 1
	END
	chmod +x bin/fatespsync
	(($(wc -c <bin/fatespsync) > 128 * 1024)) || fail 'too little differs'
	PATH=$PWD/bin:$PATH metrics
	has 'up 1' 'exit_status 1' "mirror_in_sync$(mirror '' b.img) 0"
}

test_metrics_without_a_list()
{
	make_disks
	boot_from $A
	metrics
	has 'up 1' 'exit_status 0' 'listed 0' "primary_bootable$(mirror $A a.img:1) 1"
	lacks mirror_in_sync mirror_state mirror_missing mirror_free_bytes
}

test_metrics_of_a_primary_that_is_broken()
{
	list_disks $A $B
	damage a.img
	metrics
	has 'up 0' 'exit_status 3'
	lacks mirror_in_sync mirror_state
	err_has '^fatespsync: a\.img(:1)?: damaged: '
}

test_metrics_of_a_machine_without_esp()
{
	make_disks
	metrics
	has 'up 0' 'exit_status 3'
}

test_metrics_when_status_does_not_even_begin()
{
	make_disks
	metrics --no-such-option
	has 'up 0' 'exit_status 2'
	lacks listed
}

test_metrics_escape_labels()
{
	local name=$'b "new"\\disk.img'

	list_disks $A $B
	mv b.img "$name"
	DISKS=(--disk=a.img "--disk=$name")
	metrics
	has "mirror_in_sync$(mirror $B 'b \"new\"\\disk.img:1') 0"
}

test_metrics_of_xbootldr()
{
	local type=bc13c2ff-59e6-4262-a352-b275fd6f7172 image n

	make_disks
	for n in A B; do
		image=${n,,}.img
		make_gpt "$image" "start=2048, size=6144, type=$ESP_TYPE, uuid=${!n}" \
			"start=8192, size=6144, type=$type, uuid=${n}${n}000000-0000-4000-8000-000000000001"
		make_fat "$image" "${n}${n}${n}${n}0001" ESP $MIB $((3 * MIB))
		make_fat "$image" "${n}${n}${n}${n}0002" BOOT $((4 * MIB)) $((3 * MIB))
	done
	put_boot_files a.img
	put_list a.img $A $B
	boot_from $A
	DISKS=(--disk=a.img --disk=b.img)
	run 0
	metrics
	has "mirror_in_sync$(mirror $B b.img:1) 1" \
		"mirror_in_sync$(mirror bb000000-0000-4000-8000-000000000001 b.img:2 xbootldr) 1"
	grep -qF "primary_free_bytes$(mirror aa000000-0000-4000-8000-000000000001 a.img:2 xbootldr) " \
		metrics.prom || complain 'no room of the primary'"'"'s XBOOTLDR'
}

test_metrics_stay_when_they_cannot_be_written()
{
	list_disks $A $B
	put_program
	mkdir collected
	echo old >collected/fatespsync.prom
	mkdir broken
	printf '#!/bin/sh\nexit 5\n' >broken/jq
	chmod +x broken/jq
	! PATH=$PWD/broken:$PATH "$EXAMPLES/fatespsync-metrics" collected "${DISKS[@]}" >out 2>err ||
		complain 'success'
	[[ $(cat collected/*) == old && $(ls -A collected) == fatespsync.prom ]] ||
		complain "changed: $(ls -A collected)"
	! "$EXAMPLES/fatespsync-metrics" no/such/folder "${DISKS[@]}" >out 2>err || complain 'success'
}

test_metrics_on_stdout()
{
	list_disks $A $B
	put_program
	"$EXAMPLES/fatespsync-metrics" - "${DISKS[@]}" >metrics.prom 2>err
	judge_format metrics.prom
	has 'up 1' 'exit_status 1'
}

# ---- units ----

test_units_are_understood_by_systemd()
{
	if ! command -v systemd-analyze >/dev/null; then
		echo '  no systemd-analyze: not looked at'
		return
	fi
	mkdir units
	cp "$EXAMPLES"/fatespsync-metrics.service "$EXAMPLES"/fatespsync-metrics.timer units
	# the script is not installed
	sed -i 's,^ExecStart=/usr/local/sbin/,ExecStart=/bin/true ,' units/fatespsync-metrics.service
	SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no units/* >out 2>&1 ||
		complain "exit status $?: $(cat out)"
	! grep fatespsync out >&2 || complain 'a warning'
}

# ---- scripts ----

test_scripts_are_clean()
{
	if ! command -v shellcheck >/dev/null; then
		echo '  no shellcheck: not looked at'
		return
	fi
	shellcheck "$EXAMPLES/fatespsync-metrics" || complain "exit status $?"
}

# ---- Ansible ----

# have_ansible: says so where it is not.
have_ansible()
{
	if ! command -v ansible-playbook >/dev/null; then
		echo '  no ansible-playbook (Debian package ansible-core): the play was not run'
		return 1
	fi
	export HOME=$PWD ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_NOCOLOR=1
	export ANSIBLE_LOCAL_TEMP=$PWD/ansible ANSIBLE_REMOTE_TEMP=$PWD/ansible
	unset ANSIBLE_CONFIG
}

# play STATUS CHANGED MIRROR... [OPTION...]: on this machine, with the images as its disks. CHANGED
# tasks have to have changed something.
play()
{
	local expected=$1 changed=$2 status=0 mirrors=()
	shift 2

	while (($#)) && [[ $1 != -* ]]; do
		mirrors+=("$1")
		shift
	done
	jq -n --arg program "$FATESPSYNC" --arg folder "$PWD" \
		'{fatespsync_package: "", fatespsync_become: false, fatespsync_mirrors: $ARGS.positional,
		fatespsync_command: [$program, "--disk=\($folder)/a.img", "--disk=\($folder)/b.img"]}' \
		--args "${mirrors[@]}" >vars.json
	LAST="ansible-playbook fatespsync.yml $*"
	ansible-playbook -c local -i localhost, -e @vars.json "$@" \
		"$EXAMPLES/ansible/fatespsync.yml" >out 2>err </dev/null || status=$?
	[[ $status == "$expected" ]] || complain "exit status $status, not $expected: $(cat out)"
	grep -q " changed=$changed " out || complain "not $changed tasks changed: $(cat out)"
}

test_play_is_valid()
{
	if command -v yamllint >/dev/null; then
		yamllint -s "$EXAMPLES/ansible/fatespsync.yml" || complain 'yamllint'
	else
		echo '  no yamllint: not looked at'
	fi
	have_ansible || return 0
	ansible-playbook --syntax-check -i localhost, "$EXAMPLES/ansible/fatespsync.yml" \
		>out 2>err </dev/null || complain "$(cat out)"
	! grep -i warning err >&2 || complain 'a warning'
}

# Each play takes seconds, so one case has all of them.
test_play_keeps_mirrors_in_sync()
{
	have_ansible || return 0
	[[ -z ${FATESPSYNC_TEST_QUICK:-} ]] || return 0
	make_disks
	boot_from $A
	remember a.img b.img
	play 0 1 "$PWD/b.img" --check
	unchanged a.img b.img

	play 0 1 "$PWD/b.img"
	list_is b.img $A $B
	in_sync b.img
	remember a.img b.img
	play 0 0 "PARTUUID=$B"
	unchanged a.img b.img

	put_list a.img $A $B $D
	play 2 2 "PARTUUID=$B"
	in_sync b.img
	grep -q "PARTUUID=$D: missing" out || complain "it is not told which: $(cat out)"
}

# A disk is dead that is on the list and in the inventory, and another one has never been there.
test_play_syncs_the_others_when_one_is_not_found()
{
	have_ansible || return 0
	[[ -z ${FATESPSYNC_TEST_QUICK:-} ]] || return 0
	list_disks $A $D
	play 2 1 "PARTUUID=$D" "$PWD/none.img" "$PWD/b.img"
	list_is a.img $A $D $B
	in_sync b.img
	grep -q "PARTUUID=$D: missing" out || complain "not told: the mirror that is missing: $(cat out)"
	grep -q 'none.img: cannot be opened' out || complain "not told: what was not found: $(cat out)"

	put_text a.img /loader/loader.conf 'timeout 10'
	play 2 2 "PARTUUID=$D" "$PWD/b.img"
	in_sync b.img
}

run_cases "$@"
