#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What boot loader entries refer to goes along, wherever it is; what only the mirror's old entries
# referred to goes away; boot counters change names and nothing else.
#
#   test-entries.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

# Images of volumes, without partition tables.
DISKS=()
# A line of an SBAT table, and what systemd-boot says of itself.
# shellcheck disable=SC2016 # for printf(1)
SHIM='MZ UEFI SHIM\n$Version: 15.8 $\n'
SYSTEMD_BOOT='MZ #### LoaderInfo: systemd-boot 252.39 ####'

# ---- volumes ----

# unpack DIR: files and directories, as stdin says: PATH/ or PATH|TEXT, where printf(1) reads TEXT,
# or PATH|=BYTES@SEED.
unpack()
{
	local path text size

	mkdir -p "$1"
	while IFS='|' read -r path text; do
		[[ $path != */ ]] || { mkdir -p "$1$path"; continue; }
		mkdir -p "$1${path%/*}"
		case $text in
		=*)
			size=${text%@*}
			SCRATCH=$TOP write_bytes "$1$path" "${size#=}" "${text#*@}"
			;;
		*) printf %b "$text" >"$1$path" ;;
		esac
	done
	find "$1" -exec touch -d '2024-05-06 07:08:10' {} +
}

# volume IMAGE [FAT-TYPE]: with what stdin says.
volume()
{
	rm -rf "$1.tree"
	unpack "$1.tree"
	make_image "$1" "${2:-16}" 512 1 "${3:-8000}"
	[[ -z $(ls -A "$1.tree") ]] || put_tree "$1.tree" "$1"
}

# with IMAGE: more files, over what is there.
with()
{
	rm -rf more
	unpack more
	(shopt -s dotglob && mcopy -s -p -m -D o -i "$1" more/* ::)
}

# without IMAGE PATH...: files, and directories with all that is in them.
without()
{
	local image=$1 path
	shift

	for path; do
		mdel -i "$image" "::$path" 2>/dev/null || mdeltree -i "$image" "::$path" ||
			fail "$image: no $path"
	done
}

# copy_of IMAGE: all its files, but for those that each volume has of its own, in IMAGE.seen.
copy_of()
{
	local seen=$1.seen

	rm -rf "$seen"
	mkdir "$seen"
	mcopy -s -Q -n -i "$1" '::/*' "$seen"
	rm -f "$seen/loader/esp-sync.was" "$seen/loader/random-seed"
}

# holds IMAGE: exactly what stdin says.
holds()
{
	rm -rf wanted
	unpack wanted
	copy_of "$1"
	diff -r wanted "$1.seen" >&2 || complain "$1: holds something else"
}

# raw_of IMAGE REGEX: slots, clusters and digests of what matches.
raw_of()
{
	"$FATFILL" "$1" raw | awk -F '\t' -v regex="$2" '$1 ~ regex' | sort
}

# clusters_of IMAGE PATH: where its contents are.
clusters_of()
{
	"$FATFILL" "$1" raw | awk -F '\t' -v path="${2#/}" 'tolower($1) == tolower(path)' |
		sed 's/.* clusters/clusters/' | grep . || fail "$1: no $2"
}

# ---- syncs ----

# What is foreign on m.img, as a regular expression for paths without leading slash.
STAYS='^$'

# settled OPTION...: m.img is sound, what is foreign was not touched, and nothing is left to do.
settled()
{
	judge_sound m.img
	diff m.img.raw <(raw_of m.img "$STAYS") >&2 || complain "foreign files were touched"
	unchanged p.img
	mkdir -p first
	cp out err first
	refused 0 --json=short "$@" --primary=p.img sync m.img
	json '.mirrors[0].state == "in-sync"' '.mirrors[0].writes == 0'
	refused 0 -q "$@" --primary=p.img diff m.img
	cp first/out first/err .
}

# run_sync_of OPTION...: p.img to m.img.
run_sync_of()
{
	remember p.img
	raw_of m.img "$STAYS" >m.img.raw
	run 0 --json=short "$@" --primary=p.img sync m.img
}

# synced OPTION...: and there was something to do.
synced()
{
	run_sync_of "$@"
	json '.mirrors[0].state == "synced"'
	settled "$@"
}

# synced_anew: to a mirror that was just made, and has no file.
synced_anew()
{
	volume m.img </dev/null
	synced
}

# synced_or_idle: there may have been nothing to do.
synced_or_idle()
{
	run_sync_of
	settled
}

# cheaply: the last sync wrote directories, no data.
cheaply()
{
	json '.mirrors[0].bytesWritten > 0' '.mirrors[0].bytesWritten < 65536'
}

# equal: all that p.img holds is on m.img, and nothing else.
equal()
{
	copy_of p.img
	copy_of m.img
	diff -r p.img.seen m.img.seen >&2 || complain "m.img differs from p.img"
}

# ---- what goes along ----

test_files_in_the_root_go_along()
{
	volume p.img <<-'EOF'
		/loader/entries/arch.conf|linux /vmlinuz-linux\ninitrd /initramfs-linux.img\n
		/vmlinuz-linux|=30000@1
		/initramfs-linux.img|=70000@2
	EOF
	volume m.img <<-'EOF'
		/startup.nsh|foreign
		/vmlinuz-other|foreign
	EOF
	STAYS='^startup|^vmlinuz-other'
	synced
	no_err
	holds m.img <<-'EOF'
		/loader/entries/arch.conf|linux /vmlinuz-linux\ninitrd /initramfs-linux.img\n
		/vmlinuz-linux|=30000@1
		/initramfs-linux.img|=70000@2
		/startup.nsh|foreign
		/vmlinuz-other|foreign
	EOF
}

# The same on each type of FAT, and the upgrade after it.
upgrade_on()
{
	volume p.img "$1" "$2" <<-'EOF'
		/loader/entries/token-6.1.conf|linux /token/6.1/linux\ninitrd /token/6.1/initrd\n
		/token/6.1/linux|=30000@1
		/token/6.1/initrd|=70000@2
	EOF
	volume m.img "$1" "$2" </dev/null
	synced
	equal
	without p.img /token/6.1 /loader/entries/token-6.1.conf
	with p.img <<-'EOF'
		/loader/entries/token-6.2.conf|linux /token/6.2/linux\ninitrd /token/6.2/initrd\n
		/token/6.2/linux|=30100@3
		/token/6.2/initrd|=70000@4
	EOF
	synced
	equal
	without p.img /token /loader/entries/token-6.2.conf
	# nothing is left to boot then
	synced --force
	equal
}

test_files_below_a_token_go_along_and_away_on_fat12()
{
	upgrade_on 12 4000
}

test_files_below_a_token_go_along_and_away_on_fat16()
{
	upgrade_on 16 5000
}

test_files_below_a_token_go_along_and_away_on_fat32()
{
	upgrade_on 32 65700
}

test_every_key_that_names_files_counts()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /a/linux\ninitrd /a/1\ninitrd /a/2\ndevicetree /a/dt\n
		/loader/entries/b.conf|uki /b/uki.efi\nextra /b/1.cred /b/2.cred\nextra /b/3.cred\n
		/loader/entries/c.conf|efi /c/shell.efi\ndevicetree-overlay /c/o1 /c/o2\n
		/loader/entries/d.conf|uki-url https://x/uki.efi\noptions initrd=/d/no\ntitle /d/no\n
		/a/linux|1
		/a/1|2
		/a/2|3
		/a/dt|4
		/b/uki.efi|5
		/b/1.cred|6
		/b/2.cred|7
		/b/3.cred|8
		/c/shell.efi|9
		/c/o1|10
		/c/o2|11
	EOF
	synced_anew
	no_err
	equal
}

test_entries_are_read_as_boot_loaders_do()
{
	local long

	long=$(printf '%4096s' '')
	volume p.img <<-EOF
		/loader/entries/crlf.conf|linux /a/crlf\r\ninitrd /a/crlf2\r\n
		/loader/entries/cr.conf|linux /a/cr\rinitrd /a/cr2\r
		/loader/entries/tabs.conf|\tlinux\t\t/a/tabs  \t\ninitrd\t/a/tabs2
		/loader/entries/noslash.conf|linux a/noslash\n
		/loader/entries/slashes.conf|linux //a///slashes\n
		/loader/entries/back.conf|linux \\\\\\\\a\\\\\\\\back\n
		/loader/entries/UPPER.CONF|LINUX /A/upper\n
		/loader/entries/long.conf|title $long\nlinux /a/long\n#$long\ninitrd $long/a/long2\n
		/loader/entries/quoted.conf|linux "/a/quoted"\n
		/loader/entries/comment.conf|#linux /a/no\n  # linux /a/no\n\nlinux /a/comment\n
		/a/crlf|1
		/a/crlf2|2
		/a/cr|3
		/a/cr2|4
		/a/tabs|5
		/a/tabs2|6
		/a/noslash|7
		/a/slashes|8
		/a/back|9
		/a/Upper|10
		/a/long|11
		/a/long2|12
		/a/quoted|13
		/a/comment|14
		/a/no|15
	EOF
	synced_anew
	no_err
	without p.img /a/no
	equal
}

test_blanks_in_an_initrd_are_read_both_ways()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /linux\ninitrd /ucode.img /initrd.img\n
		/loader/entries/b.conf|linux /linux\ninitrd /with blanks/in it.img\n
		/linux|1
		/ucode.img|2
		/initrd.img|3
		/with blanks/in it.img|4
	EOF
	synced_anew
	no_err
	equal
}

test_a_file_of_two_entries_stays_as_long_as_one_is_there()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /x/linux\ninitrd /x/a\n
		/loader/entries/b.conf|linux /x/linux\ninitrd /x/b\n
		/x/linux|=30000@1
		/x/a|2
		/x/b|3
	EOF
	synced_anew
	without p.img /loader/entries/a.conf /x/a
	synced
	cheaply
	equal
}

test_files_in_managed_directories_are_nothing_special()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /EFI/Linux/vmlinuz\ninitrd /loader/initrd\n
		/EFI/Linux/vmlinuz|1
		/EFI/Linux/other|2
		/loader/initrd|3
	EOF
	synced_anew
	no_err
	equal
}

test_files_in_a_directory_of_efi_go_along()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /EFI/arch/vmlinuz-1\ninitrd /EFI/arch/initrd\n
		/EFI/arch/vmlinuz-1|=30000@1
		/EFI/arch/initrd|2
		/EFI/arch/stray|3
	EOF
	volume m.img <<-'EOF'
		/EFI/debian/grubx64.efi|foreign
	EOF
	STAYS='^EFI/debian'
	synced
	no_err
	holds m.img <<-'EOF'
		/loader/entries/a.conf|linux /EFI/arch/vmlinuz-1\ninitrd /EFI/arch/initrd\n
		/EFI/arch/vmlinuz-1|=30000@1
		/EFI/arch/initrd|2
		/EFI/debian/grubx64.efi|foreign
	EOF
}

test_old_kernels_in_a_directory_of_efi_go_with_their_entries()
{
	volume p.img <<-'EOF'
		/loader/entries/a-1.conf|linux /EFI/arch/vmlinuz-1\n
		/EFI/arch/vmlinuz-1|=30000@1
	EOF
	synced_anew
	without p.img /loader/entries/a-1.conf /EFI/arch/vmlinuz-1
	with p.img <<-'EOF'
		/loader/entries/a-2.conf|linux /EFI/arch/vmlinuz-2\n
		/EFI/arch/vmlinuz-2|=30000@2
	EOF
	synced
	equal
}

# As long as the primary has it, it may be another system's.
test_a_program_of_efi_stays_when_its_entry_goes()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /linux\n
		/loader/entries/f.conf|efi /EFI/fedora/grubx64.efi\n
		/EFI/fedora/grubx64.efi|=30000@1
		/linux|2
	EOF
	synced_anew
	equal
	without p.img /loader/entries/f.conf
	STAYS='^EFI'
	synced
	equal
	without p.img /EFI/fedora
	STAYS='^$'
	synced
	equal
}

# It decides how the image boots.
test_what_an_image_takes_along_goes_with_it()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|uki /k/a+3.efi\n
		/loader/entries/b.conf|linux /linux\n
		/k/a+3.efi|=30000@1
		/k/a.efi.extra.d/x.cred|2
		/k/a.efi.extra.d/deep/y.raw|3
		/linux|4
	EOF
	volume m.img <<-'EOF'
		/k/b.efi.extra.d/x.cred|foreign
	EOF
	STAYS='^k/b'
	synced
	no_err
	with p.img <<-'EOF'
		/k/a.efi.extra.d/x.cred|another
		/k/a.efi.extra.d/z.addon.efi|5
	EOF
	synced
	with p.img <<-'EOF'
		/k/b.efi.extra.d/x.cred|foreign
	EOF
	equal
	without p.img /loader/entries/a.conf /k
	synced
	holds m.img <<-'EOF'
		/loader/entries/b.conf|linux /linux\n
		/linux|4
		/k/b.efi.extra.d/x.cred|foreign
	EOF
}

# ---- what does not go along ----

test_what_nobody_refers_to_is_not_copied()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /token/6.1/linux\n
		/token/6.1/linux|1
		/token/6.1/stray|2
		/token/6.1/deep/stray|2
		/token/6.0/linux|3
		/token/stray|4
		/stray|5
		/EFI/other/stray|6
	EOF
	synced_anew
	no_err
	holds m.img <<-'EOF'
		/loader/entries/a.conf|linux /token/6.1/linux\n
		/token/6.1/linux|1
	EOF
}

test_of_two_machines_only_ours_changes()
{
	volume p.img <<-'EOF'
		/loader/entries/ours-2.conf|linux /ours/2/linux\n
		/ours/2/linux|1
		/theirs/2/linux|stale
	EOF
	volume m.img <<-'EOF'
		/loader/entries/ours-1.conf|linux /ours/1/linux\n
		/ours/1/linux|2
		/theirs/1/linux|3
		/theirs/2/linux|4
	EOF
	STAYS='^theirs'
	synced
	no_err
	holds m.img <<-'EOF'
		/loader/entries/ours-2.conf|linux /ours/2/linux\n
		/ours/2/linux|1
		/theirs/1/linux|3
		/theirs/2/linux|4
	EOF
}

test_odd_paths_are_named_and_skipped()
{
	local long

	long=$(printf '%256s' '' | tr ' ' x)
	volume p.img <<-EOF
		/loader/entries/dots.conf|linux /linux\ninitrd /token/../secret\n
		/loader/entries/dot.conf|linux /linux\ninitrd /./secret\n
		/loader/entries/dir.conf|linux /linux\ninitrd /token\n
		/loader/entries/slash.conf|linux /linux\ninitrd /token/\n
		/loader/entries/root.conf|linux /linux\ninitrd /\n
		/loader/entries/long.conf|linux /linux\ninitrd /$long\n
		/loader/entries/chars.conf|linux /linux\ninitrd /a:b\n
		/linux|1
		/secret|2
		/token/secret|3
	EOF
	synced_anew
	err_has '/loader/entries/dots\.conf.*/token/\.\./secret' \
		'/loader/entries/dot\.conf.*/\./secret' \
		'/loader/entries/dir\.conf.*/token.*directory' \
		'/loader/entries/slash\.conf.*/token/' \
		'/loader/entries/root\.conf' \
		'/loader/entries/long\.conf' \
		'/loader/entries/chars\.conf.*/a:b'
	without p.img /secret /token
	equal
}

test_missing_files_are_reported_and_the_entry_goes_along()
{
	volume p.img <<-'EOF'
		/loader/entries/good.conf|linux /linux\n
		/loader/entries/bad.conf|linux /linux\ninitrd /token/initrd\nextra /token/x\n
		/loader/entries/worse.conf|linux /none\n
		/linux|1
		/token/x|2
	EOF
	synced_anew
	err_has '/loader/entries/bad\.conf.*/token/initrd.*missing' \
		'/loader/entries/worse\.conf.*/none.*missing'
	err_lacks '/loader/entries/good\.conf|/token/x|: linux /linux'
	equal
	# And so it does when the mirror has what the primary has not.
	volume m.img <<-'EOF'
		/loader/entries/bad.conf|linux /linux\ninitrd /token/initrd\nextra /token/x\n
		/token/initrd|3
	EOF
	synced
	err_has '/loader/entries/bad\.conf.*/token/initrd.*missing'
}

test_nothing_of_windows_is_ever_copied()
{
	volume p.img <<-'EOF'
		/loader/entries/windows.conf|efi /EFI/Microsoft/Boot/bootmgfw.efi\n
		/loader/entries/case.conf|efi \\efi\\microsoft\\boot\\bootmgr.efi\n
		/loader/entries/linux.conf|linux /linux\n
		/EFI/Microsoft/Boot/bootmgfw.efi|1
		/EFI/Microsoft/Boot/bootmgr.efi|2
		/linux|3
	EOF
	synced_anew
	err_has '/loader/entries/windows\.conf.*/EFI/Microsoft/Boot/bootmgfw\.efi'
	holds m.img <<-'EOF'
		/loader/entries/windows.conf|efi /EFI/Microsoft/Boot/bootmgfw.efi\n
		/loader/entries/case.conf|efi \\efi\\microsoft\\boot\\bootmgr.efi\n
		/loader/entries/linux.conf|linux /linux\n
		/linux|3
	EOF
	volume m.img <<-'EOF'
		/loader/entries/old.conf|efi /EFI/Microsoft/Boot/old.efi\n
		/EFI/Microsoft/Boot/bootmgfw.efi|theirs
		/EFI/Microsoft/Boot/old.efi|theirs
	EOF
	STAYS='^EFI'
	synced --force
}

test_an_entry_that_is_too_large_is_named()
{
	volume p.img <<-'EOF'
		/loader/entries/large.conf|=1100000@1
		/loader/entries/a.conf|linux /linux\n
		/linux|1
	EOF
	synced_anew
	err_has '/loader/entries/large\.conf.*too large'
	equal
}

# put_pair IMAGE: an ESP and an XBOOTLDR.
put_pair()
{
	local xbootldr=bc13c2ff-59e6-4262-a352-b275fd6f7172

	make_gpt "$1" "start=2048, size=6144, type=$ESP_TYPE" \
		"start=8192, size=6144, type=$xbootldr"
	make_fat "$1" ABCD0001 ESP $MIB $((3 * MIB))
	make_fat "$1" ABCD0002 XBOOTLDR $((4 * MIB)) $((3 * MIB))
}

test_entries_of_an_xbootldr_refer_to_files_on_it()
{
	put_pair p.img
	put_pair m.img
	mmd -i p.img@@4M ::/loader ::/loader/entries ::/token
	put_text p.img /loader/entries/a.conf 'linux /token/linux' $((4 * MIB))
	put_text p.img /token/linux 'the one' $((4 * MIB))
	mmd -i p.img@@1M ::/loader ::/token
	put_text p.img /token/linux 'another' $MIB
	run 0 --primary=p.img sync m.img
	no_err
	[[ $(get_text m.img /token/linux $((4 * MIB))) == 'the one' ]] || complain 'no kernel'
	! mdir -b -i m.img@@1M ::/token >/dev/null 2>&1 || complain 'the other went along'
	refused 0 --json=short --primary=p.img sync m.img
}

# ---- what goes away ----

test_old_kernels_go_with_their_entries_and_folders()
{
	volume p.img <<-'EOF'
		/loader/entries/new.conf|linux /token/6.2/linux\n
		/token/6.2/linux|=30000@1
	EOF
	volume m.img <<-'EOF'
		/loader/entries/old.conf|linux /token/6.1/linux\ninitrd /token/6.1/initrd\n
		/loader/entries/older.conf|linux /gone/deep/er/linux\ninitrd /initrd-old.img\n
		/token/6.1/linux|=30000@2
		/token/6.1/initrd|3
		/gone/deep/er/linux|4
		/initrd-old.img|5
	EOF
	synced
	no_err
	equal
}

test_foreign_files_keep_their_folder()
{
	volume p.img <<-'EOF'
		/loader/entries/new.conf|linux /token/6.2/linux\n
		/token/6.2/linux|1
	EOF
	volume m.img <<-'EOF'
		/loader/entries/old.conf|linux /token/6.1/linux\ninitrd /x/y/initrd\n
		/token/6.1/linux|2
		/token/6.1/notes.txt|foreign
		/token/notes.txt|foreign
		/x/y/initrd|3
		/x/z/notes.txt|foreign
	EOF
	STAYS='notes'
	synced
	holds m.img <<-'EOF'
		/loader/entries/new.conf|linux /token/6.2/linux\n
		/token/6.2/linux|1
		/token/6.1/notes.txt|foreign
		/token/notes.txt|foreign
		/x/z/notes.txt|foreign
	EOF
}

test_foreign_files_beside_what_is_referred_to_stay()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /x/linux-2\ninitrd /x/y/initrd\n
		/x/linux-2|=30000@1
		/x/y/initrd|2
	EOF
	volume m.img <<-'EOF'
		/loader/entries/a.conf|linux /x/linux-1\ninitrd /x/y/initrd\n
		/x/linux-1|=30000@3
		/x/y/initrd|4
		/x/A long name.txt|=3000@5
		/x/y/notes.txt|foreign
		/x/z/notes.txt|foreign
	EOF
	STAYS='[Aa] long|notes'
	synced
	holds m.img <<-'EOF'
		/loader/entries/a.conf|linux /x/linux-2\ninitrd /x/y/initrd\n
		/x/linux-2|=30000@1
		/x/y/initrd|2
		/x/A long name.txt|=3000@5
		/x/y/notes.txt|foreign
		/x/z/notes.txt|foreign
	EOF
}

test_a_file_that_the_primary_refers_to_no_more_goes_though_it_is_there()
{
	volume p.img <<-'EOF'
		/loader/entries/new.conf|linux /linux-2\n
		/linux-1|1
		/linux-2|2
	EOF
	volume m.img <<-'EOF'
		/loader/entries/old.conf|linux /linux-1\n
		/linux-1|1
	EOF
	synced
	without p.img /linux-1
	equal
}

test_old_entries_take_nothing_along_that_they_do_not_own()
{
	volume p.img <<-'EOF'
		/loader/entries/new.conf|linux /linux\n
		/linux|1
	EOF
	volume m.img <<-'EOF'
		/loader/entries/odd.conf|linux /token/\ninitrd /token\ninitrd /token/../notes.txt\n
		/loader/entries/win.conf|efi /EFI/Microsoft/Boot/bootmgfw.efi\n
		/loader/entries/other.conf|efi /EFI/debian/grubx64.efi\n
		/token/notes.txt|foreign
		/notes.txt|foreign
		/EFI/Microsoft/Boot/bootmgfw.efi|theirs
		/EFI/debian/grubx64.efi|theirs
	EOF
	STAYS='^EFI|notes'
	synced
	holds m.img <<-'EOF'
		/loader/entries/new.conf|linux /linux\n
		/linux|1
		/token/notes.txt|foreign
		/notes.txt|foreign
		/EFI/Microsoft/Boot/bootmgfw.efi|theirs
		/EFI/debian/grubx64.efi|theirs
	EOF
}

test_case_does_not_matter_on_the_way_to_a_file()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /token/6.1/LINUX\n
		/Token/6.1/Linux|1
	EOF
	volume m.img <<-'EOF'
		/TOKEN/notes.txt|foreign
	EOF
	STAYS='notes'
	synced
	[[ $(mcopy -i m.img ::/token/6.1/linux -) == 1 ]] || complain "no kernel"
}

# ---- names that are in the way ----

test_a_foreign_directory_in_the_place_of_a_file_is_refused()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /linux\n
		/linux|1
	EOF
	volume m.img <<-'EOF'
		/linux/notes.txt|foreign
	EOF
	refused 4 --primary=p.img sync m.img
	err_has "m\\.img: .*'linux'"
}

test_a_foreign_file_in_the_place_of_a_directory_is_refused()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /token/linux\n
		/token/linux|1
	EOF
	volume m.img <<-'EOF'
		/token|foreign
	EOF
	refused 4 --primary=p.img sync m.img
	err_has "m\\.img: .*'token'"
}

# ---- with other options ----

test_what_is_excluded_does_not_go_along()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /token/linux\ninitrd /token/initrd\ninitrd /ucode\n
		/token/linux|1
		/token/initrd|2
		/ucode|3
	EOF
	volume m.img <<-'EOF'
		/token/initrd|mine
		/loader/entries/old.conf|linux /token/initrd\n
	EOF
	refused 4 --primary=p.img --exclude=/token/initrd --exclude=/ucode sync m.img
	err_has "name files that are not mirrored"
	STAYS='initrd'
	synced --force --exclude=/token/initrd --exclude=/ucode
	err_has '/loader/entries/a\.conf.*/token/initrd' '/loader/entries/a\.conf.*/ucode'
	holds m.img <<-'EOF'
		/loader/entries/a.conf|linux /token/linux\ninitrd /token/initrd\ninitrd /ucode\n
		/token/linux|1
		/token/initrd|mine
	EOF
	volume m.img <<-'EOF'
		/token/old|mine
	EOF
	STAYS='^token'
	synced --exclude=/token
	holds m.img <<-'EOF'
		/loader/entries/a.conf|linux /token/linux\ninitrd /token/initrd\ninitrd /ucode\n
		/token/old|mine
		/ucode|3
	EOF
}

test_a_managed_directory_goes_along_whole()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /token/6.1/linux\ninitrd /initrd\n
		/token/6.1/linux|1
		/token/6.1/stray|2
		/token/deep/stray|3
		/token/keep-out/stray|4
		/initrd|5
	EOF
	volume m.img <<-'EOF'
		/token/6.1/old|6
		/token/keep-out/mine|7
		/loader/entries/old.conf|linux /token/6.1/old\n
	EOF
	STAYS='^token/keep-out/'
	synced --manage=/token --exclude=/token/keep-out
	holds m.img <<-'EOF'
		/loader/entries/a.conf|linux /token/6.1/linux\ninitrd /initrd\n
		/token/6.1/linux|1
		/token/6.1/stray|2
		/token/deep/stray|3
		/token/keep-out/mine|7
		/initrd|5
	EOF
}

test_a_dry_run_shows_what_goes_along()
{
	volume p.img <<-'EOF'
		/loader/entries/a.conf|linux /token/linux\n
		/token/linux|1
	EOF
	volume m.img <<-'EOF'
		/loader/entries/old.conf|linux /linux-old\n
		/linux-old|2
	EOF
	refused 1 --primary=p.img diff m.img
	out_has '/token/linux|/token$' '/linux-old'
}

# ---- boot counters ----

# A primary and an equal mirror with counters, and data that would be seen.
make_counted()
{
	volume p.img <<-'EOF'
		/loader/entries/a+3.conf|linux /linux\n
		/loader/entries/b.conf|linux /linux\n
		/EFI/Linux/uki+3.efi|=300000@1
		/EFI/Linux/uki.efi.extra.d/x.cred|2
		/linux|=300000@3
	EOF
	cp p.img m.img
}

# renamed DIR OLD NEW: the primary's counter changes, and that costs no data.
renamed()
{
	local before

	before=$(clusters_of m.img "$1/$2")
	mren -i p.img "::$1/$2" "$3"
	synced
	cheaply
	no_err
	equal
	[[ $(clusters_of m.img "$1/$3") == "$before" ]] || complain "$1/$3 was copied"
}

test_a_counter_of_an_entry_changes_its_name_only()
{
	make_counted
	renamed /loader/entries a+3.conf a+2-1.conf
	renamed /loader/entries a+2-1.conf a+0-3.conf
	renamed /loader/entries a+0-3.conf a.conf
	renamed /loader/entries a.conf a+10.conf
	renamed /loader/entries a+10.conf a+9-1.conf
	renamed /loader/entries b.conf b+3.conf
}

test_a_counter_of_an_image_changes_its_name_only()
{
	make_counted
	renamed /EFI/Linux uki+3.efi uki+2-1.efi
	renamed /EFI/Linux uki+2-1.efi uki.efi
	renamed /EFI/Linux uki.efi uki+10-0.efi
}

test_the_primarys_counter_wins()
{
	make_counted
	mren -i m.img ::/loader/entries/a+3.conf a+0-3.conf
	mren -i m.img ::/loader/entries/b.conf b+1-2.conf
	mren -i m.img ::/EFI/Linux/uki+3.efi uki.efi
	synced
	cheaply
	equal
}

test_the_primarys_case_wins()
{
	make_counted
	mren -i m.img ::/loader/entries/a+3.conf A+1.CONF
	mren -i m.img ::/EFI/Linux/uki+3.efi UKI.EFI
	synced
	cheaply
	equal
}

test_two_names_of_one_identity_become_one()
{
	make_counted
	with m.img <<-'EOF'
		/loader/entries/a+2-1.conf|linux /linux\n
		/loader/entries/a.conf|linux /other\n
		/loader/entries/b+3.conf|linux /linux\n
		/EFI/Linux/uki.efi|=300000@1
		/EFI/Linux/UKI+1-2.EFI|4
	EOF
	synced
	cheaply
	equal
}

test_two_names_of_which_none_is_the_primarys_become_one()
{
	make_counted
	mren -i m.img ::/loader/entries/a+3.conf a+1.conf
	mren -i m.img ::/EFI/Linux/uki+3.efi uki+1.efi
	with m.img <<-'EOF'
		/loader/entries/a+2-1.conf|linux /linux\n
		/EFI/Linux/uki+0-3.efi|=300000@1
	EOF
	synced
	cheaply
	equal
}

test_a_counter_and_contents_can_change_together()
{
	make_counted
	mren -i p.img ::/loader/entries/a+3.conf a+2-1.conf
	mren -i p.img ::/EFI/Linux/uki+3.efi uki.efi
	with p.img <<-'EOF'
		/loader/entries/a+2-1.conf|linux /linux\noptions quiet\n
		/EFI/Linux/uki.efi|=300000@5
	EOF
	synced
	no_err
	equal
}

test_of_two_names_on_the_primary_one_is_mirrored()
{
	make_counted
	with p.img <<-'EOF'
		/loader/entries/a.conf|linux /linux\n
		/EFI/Linux/uki+1-2.efi|6
	EOF
	synced
	err_has '[^+]a\.conf.*a\+3\.conf|a\+3\.conf.*[^+]a\.conf' \
		'uki\+3\.efi.*uki\+1-2\.efi|uki\+1-2\.efi.*uki\+3\.efi'
	copy_of m.img
	(($(find m.img.seen/loader/entries -name 'a[.+]*' | wc -l) == 1)) ||
		complain "not one of the entry's names"
	(($(find m.img.seen/EFI/Linux -type f -name 'uki[.+]*.efi' | wc -l) == 1)) ||
		complain "not one of the image's names"
	# When the wrong one is gone, so is the warning.
	without p.img /loader/entries/a+3.conf /EFI/Linux/uki+1-2.efi
	synced_or_idle
	no_err
	equal
}

test_names_that_only_look_counted_are_names()
{
	volume p.img <<-'EOF'
		/loader/entries/a+b.conf|linux /linux\n
		/loader/entries/a.conf|linux /linux\noptions 1\n
		/loader/entries/+3.conf|linux /linux\noptions 2\n
		/loader/entries/+.conf|linux /linux\noptions 3\n
		/loader/entries/x.conf|linux /linux\noptions 4\n
		/loader/entries/x+3-.conf|linux /linux\noptions 5\n
		/loader/entries/x+3-1-2.conf|linux /linux\noptions 6\n
		/loader/entries/x++3.conf|linux /linux\noptions 7\n
		/loader/readme+3.conf|1
		/loader/readme.conf|2
		/EFI/Linux/deep/x+3.efi|3
		/EFI/Linux/deep/x.efi|4
		/linux|5
	EOF
	synced_anew
	no_err
	equal
}

test_a_counted_entry_keeps_its_files()
{
	make_counted
	mren -i p.img ::/loader/entries/a+3.conf a+2-1.conf
	mdel -i p.img ::/loader/entries/b.conf
	synced
	cheaply
	equal
	mren -i p.img ::/loader/entries/a+2-1.conf a.conf
	synced
	cheaply
	equal
}

# ---- what firmware starts ----

test_systemd_boot_in_efi_boot_goes_along()
{
	volume p.img <<-EOF
		/EFI/BOOT/BOOTX64.EFI|$SYSTEMD_BOOT
		/EFI/BOOT/stray.efi|1
		/loader/loader.conf|timeout 3\n
	EOF
	volume m.img <<-EOF
		/EFI/BOOT/icons/x.png|foreign
	EOF
	STAYS=icons/
	synced
	no_err
	holds m.img <<-EOF
		/EFI/BOOT/BOOTX64.EFI|$SYSTEMD_BOOT
		/EFI/BOOT/icons/x.png|foreign
		/loader/loader.conf|timeout 3\n
	EOF
	volume m.img <<-EOF
		/EFI/BOOT/BOOTX64.EFI|${SYSTEMD_BOOT/252/251}
	EOF
	synced
	no_err
}

test_shim_goes_along_with_what_it_needs()
{
	volume p.img <<-EOF
		/EFI/BOOT/BOOTX64.EFI|$SHIM
		/EFI/BOOT/fbx64.efi|1
		/EFI/BOOT/mmx64.efi|2
		/EFI/BOOT/stray.efi|3
		/EFI/debian/shimx64.efi|$SHIM
		/EFI/debian/fbx64.efi|4
		/EFI/debian/mmx64.efi|5
		/EFI/debian/BOOTX64.CSV|6
		/EFI/other/grubx64.efi|7
		/loader/loader.conf|timeout 3\n
	EOF
	volume m.img <<-EOF
		/EFI/other/theirs.efi|foreign
	EOF
	STAYS=theirs
	synced
	no_err
	holds m.img <<-EOF
		/EFI/BOOT/BOOTX64.EFI|$SHIM
		/EFI/BOOT/fbx64.efi|1
		/EFI/BOOT/mmx64.efi|2
		/EFI/debian/shimx64.efi|$SHIM
		/EFI/debian/fbx64.efi|4
		/EFI/debian/mmx64.efi|5
		/EFI/debian/BOOTX64.CSV|6
		/EFI/other/theirs.efi|foreign
		/loader/loader.conf|timeout 3\n
	EOF
}

test_another_loader_on_the_primary_stays_there()
{
	volume p.img <<-'EOF'
		/EFI/BOOT/BOOTX64.EFI|MZ another
		/loader/loader.conf|timeout 3\n
	EOF
	volume m.img <<-'EOF'
		/EFI/BOOT/BOOTX64.EFI|MZ the mirror's own
	EOF
	STAYS=^EFI
	synced
	volume m.img </dev/null
	STAYS='^$'
	synced
	holds m.img <<-'EOF'
		/loader/loader.conf|timeout 3\n
	EOF
}

test_another_loader_on_a_mirror_stays_unless_forced()
{
	volume p.img <<-EOF
		/EFI/BOOT/BOOTX64.EFI|$SYSTEMD_BOOT
		/loader/entries/a.conf|linux /linux\n
		/linux|1
	EOF
	volume m.img <<-'EOF'
		/EFI/BOOT/BOOTX64.EFI|MZ another
	EOF
	STAYS=^EFI/BOOT/
	synced
	err_has 'm\.img.*/EFI/BOOT/BOOTX64\.EFI'
	holds m.img <<-'EOF'
		/EFI/BOOT/BOOTX64.EFI|MZ another
		/loader/entries/a.conf|linux /linux\n
		/linux|1
	EOF
	run 0 --primary=p.img status m.img
	out_has '/EFI/BOOT/BOOTX64\.EFI'
	STAYS='^$'
	synced --force
	equal
}

# ---- what is each volume's own ----

test_state_of_a_volume_is_not_copied()
{
	volume p.img <<-'EOF'
		/loader/loader.conf|timeout 3\n
		/loader/random-seed|0123456789abcdef0123456789abcdef
		/loader/swtpm/tpm2-00.permall|1
		/loader/.#bootctlrandom-seed0123456789abcdef|2
		/loader/entries/.#a.conf|linux /linux\n
		/linux|3
	EOF
	volume m.img <<-'EOF'
		/loader/swtpm/tpm2-00.permall|theirs
	EOF
	STAYS=swtpm/
	synced
	err_has '/loader/swtpm'
	holds m.img <<-'EOF'
		/loader/loader.conf|timeout 3\n
		/loader/entries/
		/loader/swtpm/tpm2-00.permall|theirs
	EOF
}

test_firmware_updates_wait_on_their_volume()
{
	volume p.img <<-'EOF'
		/EFI/systemd/fw/fwupd-1.cap|=3000@1
		/EFI/systemd/systemd-bootx64.efi|1
		/EFI/UpdateCapsule/1.cap|=3000@2
		/loader/loader.conf|timeout 3\n
	EOF
	volume m.img <<-'EOF'
		/EFI/systemd/fw/fwupd-2.cap|=3000@3
		/EFI/systemd/systemd-bootx64.efi|1
		/EFI/UpdateCapsule/2.cap|=3000@4
		/loader/loader.conf|timeout 3\n
	EOF
	STAYS='^EFI/systemd/fw(/|$)|^EFI/UpdateCapsule'
	refused 0 --manage=/EFI --primary=p.img diff m.img
	without p.img /EFI/systemd/systemd-bootx64.efi
	with p.img <<-'EOF'
		/EFI/systemd/systemd-bootx64.efi|2
	EOF
	synced --manage=/EFI
	no_err
	holds m.img <<-'EOF'
		/EFI/systemd/fw/fwupd-2.cap|=3000@3
		/EFI/systemd/systemd-bootx64.efi|2
		/EFI/UpdateCapsule/2.cap|=3000@4
		/loader/loader.conf|timeout 3\n
	EOF
	# one that came to the mirror since is nothing that a sync could destroy
	with m.img <<-'EOF'
		/EFI/systemd/fw/fwupd-3.cap|3
	EOF
	refused 0 --primary=p.img diff m.img
}

test_a_boot_secret_is_copied_where_there_is_none()
{
	volume p.img <<-'EOF'
		/loader/boot-secret-mixin|0123456789abcdef0123456789abcdef
	EOF
	synced_anew
	no_err
	equal
	volume m.img <<-'EOF'
		/loader/boot-secret-mixin|
	EOF
	synced
	no_err
	equal
}

test_another_boot_secret_stays_unless_forced()
{
	volume p.img <<-'EOF'
		/loader/boot-secret-mixin|0123456789abcdef0123456789abcdef
		/loader/loader.conf|timeout 3\n
	EOF
	volume m.img <<-'EOF'
		/loader/boot-secret-mixin|theirs
	EOF
	STAYS=mixin
	synced
	err_has 'm\.img.*boot-secret-mixin'
	holds m.img <<-'EOF'
		/loader/boot-secret-mixin|theirs
		/loader/loader.conf|timeout 3\n
	EOF
	STAYS='^$'
	synced --force
	equal
}

need_tools mren
run_cases "$@"
