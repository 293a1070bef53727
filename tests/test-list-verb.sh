#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What "list" shows of the ESPs and XBOOTLDRs on the disks, as text and as JSON.
#
#   test-list-verb.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

XBOOTLDR_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172

test_list_shows_what_each_one_is()
{
	list_disks $A $B $D
	mount_at /boot/efi a.img
	make_gpt e.img "$(esp_line 11111111-1111-4222-8333-000000000001)"
	DISKS+=(--disk=e.img)
	run 0 list
	no_err
	out_has '^DEVICE +TYPE +ROLE +PARTUUID +SERIAL +LABEL +SIZE +FREE +MOUNTED$' \
		"^a\.img:1 +ESP +primary +$A +AAAA-0001 +ESP A +8\.0 MiB +7\.9 MiB +/boot/efi$" \
		"^b\.img:1 +ESP +mirror +$B +BBBB-0002 +ESP B +8\.0 MiB +7\.9 MiB +-$" \
		"^c\.img:1 +ESP +other +$C +CCCC-0003 +ESP C +8\.0 MiB +7\.9 MiB +-$" \
		'^e\.img:1 +ESP +other +1.* +- +- +8\.0 MiB +- +-$' \
		"^\(missing\) +ESP +mirror +$D +- +- +- +- +-$" '^e\.img:1: not usable: no FAT'
	cp out shown
	run 0 list --no-legend
	[[ $(tr -s ' ' <out) == "$(sed '1d; /^e\.img:1:/d' shown | tr -s ' ')" ]] ||
		complain "not the same rows"

	run 0 --json=pretty list
	json '[.esps[] | [.device, .type, .role, .missing, .partUuid]] == [
		["a.img:1", "ESP", "primary", false, "'$A'"],
		["b.img:1", "ESP", "mirror", false, "'$B'"],
		["c.img:1", "ESP", "other", false, "'$C'"],
		["e.img:1", "ESP", "other", false, "11111111-1111-4222-8333-000000000001"],
		[null, "ESP", "mirror", true, "'$D'"]]' \
		'.esps[0].mountedAt == "/boot/efi" and .esps[0].partitionSize == 8388608' \
		'.esps[0].volume | .fatBits == 12 and .sectorSize == 512 and .serial == "AAAA-0001"
			and .label == "ESP A" and .free < .size' \
		'.esps[1] | (has("mountedAt") or has("message")) | not' \
		'.esps[3] | (has("volume") | not) and (.message | contains("no FAT"))' \
		'.esps[4] | (has("device") or has("volume") or has("partitionSize")) | not'
}

test_list_gives_xbootldr_the_role_of_its_disk()
{
	make_disks
	make_gpt d.img "start=2048, size=6144, type=$ESP_TYPE, uuid=$D" \
		"start=8192, size=6144, type=$XBOOTLDR_TYPE"
	make_fat d.img DDDD0001 'ESP D' $MIB $((3 * MIB))
	make_fat d.img DDDD0002 'BOOT D' $((4 * MIB)) $((3 * MIB))
	DISKS+=(--disk=d.img)
	boot_from $A
	run 0 list
	out_has '^d\.img:2 +XBOOTLDR +other '
	put_list a.img $A $D
	run 0 list
	out_has '^d\.img:2 +XBOOTLDR +mirror '
	run 0 list --primary=d.img:1
	out_has '^d\.img:2 +XBOOTLDR +primary '
}

test_list_shows_a_primary_that_is_on_none_of_the_disks_that_are_searched()
{
	list_disks $A $B
	DISKS=(--disk=b.img)
	run 0 --json=short --primary=a.img list
	json '[.esps[] | [.device, .role, .missing]] ==
		[["b.img:1", "mirror", false], ["a.img", "primary", false]]' \
		".esps[1].partUuid == \"$A\" and .esps[1].volume.label == \"ESP A\"" \
		'.esps[1].partitionSize == 8388608'
	cut_out a.img bare.img
	run 0 --json=short --primary=bare.img list
	json '[.esps[] | select(.role == "primary") | .device] == ["bare.img"]'
}

test_list_says_what_it_cannot_show()
{
	list_disks $A nonsense
	DISKS+=(--disk=none.img)
	run 0 --json=short list
	json '(.esps | length) == 3 and .esps[0].role == "primary"'
	err_has '^fatespsync: none\.img: cannot be opened: No such file' \
		"^fatespsync: a\.img:1: /loader/esp-sync: line 2: 'nonsense'"
	run 0 --primary=none.img list
	err_has '^fatespsync: none\.img: cannot be opened: No such file'
	out_has '^a\.img:1 +ESP +other '
}

test_list_without_a_disk_is_empty()
{
	DISKS=()
	run 0 --json=short list
	json '. == {"esps": []}'
	run 0 list
	[[ $(wc -l <out) == 1 ]] || complain 'more than a headline'
	run 0 list --no-legend
	no_out
}

test_list_without_a_primary_shows_all_the_same()
{
	make_disks
	run 0 --json=short list
	json '[.esps[] | [.device, .role]] ==
		[["a.img:1", "other"], ["b.img:1", "other"], ["c.img:1", "other"]]'
}

run_cases "$@"
