#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each hook, run as its caller runs it: it ends well whatever becomes of the sync, tells what is not in
# sync on stderr alone, and in a maintainer script leaves the work to dpkg.
#
#   test-hooks.sh [CASE...]   these; all of them without

# shellcheck source=tests/disks.sh
. "${srcdir:-$(dirname "$0")/..}/tests/disks.sh"

VERSION=6.1.0-42-amd64
TOKEN=0123456789abcdef0123456789abcdef
SOURCE=$(realpath -s "${srcdir:-$(dirname "$0")/..}")
REAL=$(realpath -s "$FATESPSYNC")

# ---- a system with the hooks installed ----

# install_script NAME FOLDER: from integration/, as make does.
install_script()
{
	local target=$PWD/sys$2/${1##*/}

	mkdir -p "${target%/*}"
	sed -e "s,@sbindir@,$PWD/sys/usr/sbin,g" -e "s,@sysconfdir@,$PWD/sys/etc,g" \
		-e "s,@pkglibexecdir@,$PWD/sys/usr/libexec/fatespsync,g" \
		"$SOURCE/integration/$1.in" >"$target"
	chmod +x "$target"
}

# write_program PATH: what stdin says.
write_program()
{
	mkdir -p "${1%/*}"
	cat >"$1"
	chmod +x "$1"
}

# A fatespsync that notes its arguments in "calls". The ESPs that it sees are in "esps", those with a
# list in "lists", those that cannot be read in "damaged", what a sync ends with in "status".
make_stub()
{
	write_program sys/usr/sbin/fatespsync <<-EOF
		#!/bin/bash
		cd $PWD
		echo "\$*" >>calls
		[[ ! -t 0 && \$(readlink /proc/self/fd/0) == /dev/null ]] || echo 'stdin is used' >>wrong
		words=()
		for word; do [[ \$word == -* ]] || words+=("\$word"); done
		case " \$* " in
		*' list '*) exec cat esps ;;
		*' ls '*)
			! grep -qx "\${words[1]}" damaged || exit 4
			((\${#words[@]} == 2)) || exec grep -qx "\${words[1]}" lists
			exit 0
			;;
		esac
		echo '/dev/sdb1: some report'
		echo 'fatespsync: PARTUUID=b: some reason' >&2
		exit \$(cat status)
	EOF
	echo '/dev/sda1  ESP  primary  aaaa  -' >esps
	echo 0 >status
	echo /dev/sda1 >lists
	: >damaged
}

# A dpkg with the package in the state "dpkg-state", and triggers noted in "triggers".
make_dpkg()
{
	write_program bin/dpkg-query <<-EOF
		#!/bin/sh
		cat $PWD/dpkg-state
		[ -s $PWD/dpkg-state ]
	EOF
	write_program bin/dpkg-trigger <<-EOF
		#!/bin/sh
		[ ! -e $PWD/no-triggers ] || exit 2
		echo "\$*" >>$PWD/triggers
	EOF
	printf installed >dpkg-state
}

install_all()
{
	install_script has-list /usr/libexec/fatespsync
	install_script read-options /usr/libexec/fatespsync
	install_script setting /usr/libexec/fatespsync
	install_script sync-hook /usr/libexec/fatespsync
	install_script kernel-install/99-zz-fatespsync.install /usr/lib/kernel/install.d
	install_script debian/postinst.d/zz-zz-fatespsync /etc/kernel/postinst.d
	install_script debian/postrm.d/zz-zz-fatespsync /etc/kernel/postrm.d
	install_script debian/post-update.d/zz-zz-fatespsync /etc/initramfs/post-update.d
	install_script mkinitcpio/zz-fatespsync /usr/lib/initcpio/post
	install_script pacman/zz-zz-fatespsync.hook /usr/share/libalpm/hooks
	make_dpkg
	PATH=$PWD/bin:$PATH
	echo kernel >vmlinuz
	echo initrd >initrd.img
}

make_system()
{
	install_all
	make_stub
}

use_real_program()
{
	mkdir -p sys/usr/sbin
	ln -sf "$REAL" sys/usr/sbin/fatespsync
}

# set_settings LINE...
set_settings()
{
	mkdir -p sys/etc/default
	printf '%s\n' "$@" >sys/etc/default/fatespsync
}

# ---- the callers ----

# call COMMAND...: as those below; it has to end with 0.
call()
{
	local status=0

	LAST=$*
	timeout 120 "$@" >out 2>err || status=$?
	((status == 0)) || complain "status $status"
	[[ ! -e wrong ]] || complain "$(cat wrong)"
}

# systemd 252's shell script, and the program of later ones.
kernel_install()
{
	mkdir -p "boot/$TOKEN" conf
	echo layout=bls >conf/install.conf
	call env KERNEL_INSTALL_CONF_ROOT="$PWD/conf" BOOT_ROOT="$PWD/boot" MACHINE_ID=$TOKEN \
		KERNEL_INSTALL_PLUGINS="$PWD/sys/usr/lib/kernel/install.d/99-zz-fatespsync.install" \
		"${KERNEL_INSTALL[@]}" "$@"
}

# As systemd 262 runs it.
plugin_262()
{
	call env LC_COLLATE=C.UTF-8 KERNEL_INSTALL_VERBOSE="${SAID_VERBOSE:-0}" \
		KERNEL_INSTALL_IMAGE_TYPE=pe KERNEL_INSTALL_MACHINE_ID=$TOKEN \
		KERNEL_INSTALL_ENTRY_TOKEN=$TOKEN KERNEL_INSTALL_BOOT_ROOT=/efi \
		KERNEL_INSTALL_LAYOUT=bls KERNEL_INSTALL_INITRD_GENERATOR=dracut \
		KERNEL_INSTALL_UKI_GENERATOR= KERNEL_INSTALL_BOOT_ENTRY_TYPE=type1 \
		KERNEL_INSTALL_STAGING_AREA=/var/tmp/kernel-install.staging.x \
		KERNEL_INSTALL_ENTRY_NAME=$TOKEN-$VERSION \
		sys/usr/lib/kernel/install.d/99-zz-fatespsync.install "$@"
}

plugin_add()
{
	plugin_262 add $VERSION /efi/$TOKEN/$VERSION "$PWD/vmlinuz" "$PWD/initrd.img"
}

plugin_remove()
{
	plugin_262 remove $VERSION /efi/$TOKEN/$VERSION
}

# As the maintainer scripts of linux-image do; debconf is on stdin and stdout, if they are open.
run_kernel_parts()
{
	call env DEB_MAINT_PARAMS="$2" run-parts --verbose --exit-on-error --arg=$VERSION \
		--arg="/boot/vmlinuz-$VERSION" "sys/etc/kernel/$1"
	sed -i '/^run-parts: executing /d' err out
}

postinst()
{
	run_kernel_parts postinst.d "'configure' '6.1.0-41-amd64'"
}

postrm()
{
	run_kernel_parts postrm.d "'remove'"
}

# As update-initramfs(8) does.
post_update()
{
	call run-parts --arg=$VERSION --arg="/boot/initrd.img-$VERSION" \
		sys/etc/initramfs/post-update.d
}

mkinitcpio()
{
	call env KERNELVERSION=6.9.1-arch1-1 KERNELDESTINATION=/boot/vmlinuz-linux \
		sys/usr/lib/initcpio/post/zz-fatespsync /usr/lib/modules/6.9.1-arch1-1/vmlinuz \
		/boot/initramfs-linux.img
}

# alpm splits the line at blanks and runs it without a shell.
pacman()
{
	local words

	read -ra words < <(sed -n 's/^Exec *= *//p' sys/usr/share/libalpm/hooks/zz-zz-fatespsync.hook)
	call "${words[@]}"
}

CALLERS=(plugin_add plugin_remove postinst postrm post_update mkinitcpio pacman)

# find_kernel_install: one that takes a root for its configuration from the environment.
find_kernel_install()
{
	command -v kernel-install >/dev/null || { echo 'no kernel-install: not asked'; return 1; }
	KERNEL_INSTALL=(kernel-install)
}

# ---- what the stub was asked for ----

synced_once()
{
	[[ $(grep -vcE '(^| )(list|ls)( |$)' calls) == 1 ]] || complain "calls: $(cat calls)"
	rm calls
}

not_synced()
{
	! grep -qvE '(^| )(list|ls)( |$)' calls 2>/dev/null || complain "calls: $(cat calls)"
	rm -f calls
}

# warned REGEX: once, by the hook.
warned()
{
	[[ $(grep -cE '^fatespsync \(.*\): ' err) == 1 ]] || complain 'not one warning'
	err_has "^fatespsync \(.*\): .*$1"
}

triggered_once()
{
	[[ $(cat triggers) == '--no-await fatespsync' ]] || complain "triggers: $(cat triggers)"
	rm triggers
}

# ---- cases ----

test_each_hook_syncs_once()
{
	local caller

	make_system
	for caller in "${CALLERS[@]}"; do
		"$caller"
		synced_once
		no_out
		err_has '^/dev/sdb1: some report$'
		err_lacks '^fatespsync \('
	done
}

# comes_behind FOLDER NAME...: of the hooks there, as those who run them sort names, ours is the last.
comes_behind()
{
	local folder=$1 last
	shift

	last=$(cd "sys$folder" && printf '%s\n' "$@" * | LC_ALL=C sort | tail -n 1)
	[[ $last == *fatespsync* ]] || fail "$folder: $last comes behind ours"
}

# Whatever copies to the ESP, and whatever signs in place there.
test_each_hook_is_the_last_one()
{
	make_system
	comes_behind /usr/lib/kernel/install.d 90-loaderentry.install 91-sbctl.install 90-uki-copy.install
	comes_behind /etc/kernel/postinst.d zz-sbctl zz-systemd-boot zz-update-grub
	comes_behind /etc/kernel/postrm.d zz-sbctl zz-systemd-boot zz-update-grub
	comes_behind /etc/initramfs/post-update.d systemd-boot zz-sbctl zz-update-grub
	comes_behind /usr/lib/initcpio/post sbctl
	comes_behind /usr/share/libalpm/hooks 90-mkinitcpio-install.hook zz-sbctl.hook
}

test_each_hook_ends_well_whatever_the_sync_ends_with()
{
	local caller status

	make_system
	for status in 1 2 3 4 5 99; do
		echo $status >status
		for caller in "${CALLERS[@]}"; do
			"$caller"
			synced_once
			no_out
			warned 'fatespsync'
		done
	done
}

test_a_warning_says_what_to_do()
{
	make_system
	echo 3 >status
	postinst
	warned 'nothing was synced.* run: fatespsync$'
	echo 4 >status
	postinst
	warned 'not all mirrors .* are in sync.* run: fatespsync$'
	echo 5 >status
	postinst
	warned 'is missing.* run: fatespsync\. .*: fatespsync remove UUID, or fatespsync replace UUID NEW$'
	echo 143 >status
	postinst
	warned 'ended early \(status 143\).* Run: fatespsync$'
}

# Without them, another primary or no disk at all may be looked at, and all seem well. With others,
# nothing might be done, or told.
test_a_warning_names_the_options_of_the_settings()
{
	local run='fatespsync --primary=PARTUUID=1 --disk=/dev/\*'

	make_system
	set_settings 'FATESPSYNC_OPTIONS="--primary=PARTUUID=1  --disk /dev/* -qn --json pretty --progress=no"'
	echo 3 >status
	postinst
	warned "nothing was synced.* run: $run\$"
	echo 4 >status
	postinst
	warned "not all mirrors .* are in sync.* run: $run\$"
	echo 5 >status
	postinst
	warned "is missing.* run: $run\. .*: $run remove UUID, or $run replace UUID NEW\$"
	echo 143 >status
	postinst
	warned "ended early \(status 143\).* Run: $run\$"
}

test_kernel_install_runs_it()
{
	make_system
	find_kernel_install || return 0
	kernel_install add $VERSION "$PWD/vmlinuz" "$PWD/initrd.img"
	synced_once
	no_out
	echo 4 >status
	kernel_install remove $VERSION
	synced_once
	no_out
	warned 'not all mirrors'
}

test_the_plugin_talks_only_when_it_should()
{
	make_system
	plugin_add
	no_out
	SAID_VERBOSE=1 plugin_add
	out_has 'mirrors of the EFI System Partition'
}

test_the_plugin_ignores_other_verbs()
{
	make_system
	plugin_262 inspect
	plugin_262
	not_synced
	no_out
	no_err
}

test_closed_streams_do_no_harm()
{
	local hook

	make_system
	echo 4 >status
	for hook in sys/etc/kernel/post*.d/* sys/etc/initramfs/post-update.d/*; do
		call "$hook" $VERSION /boot/vmlinuz <&-
		synced_once
		warned 'not all mirrors'
		"$hook" $VERSION /boot/vmlinuz <&- >&- 2>&- || fail "$hook: $?"
		synced_once
		[[ ! -e wrong ]] || fail "$(cat wrong)"
	done
}

# As of "dpkg -i ... 2>&1 | head".
test_a_reader_that_is_gone_does_no_harm()
{
	local hook gone status

	make_system
	exec {gone}> >(:)
	wait $!
	for status in 0 4; do
		echo $status >status
		for hook in sys/etc/kernel/post*.d/* sys/etc/initramfs/post-update.d/*; do
			env --default-signal=PIPE "$hook" $VERSION /boot/vmlinuz >&$gone 2>&1 ||
				fail "$hook: $?"
			synced_once
		done
	done
	exec {gone}>&-
}

test_a_root_without_devices_is_left_alone()
{
	local hook

	make_system
	unshare -rm true 2>unshare.log || { echo "  no namespaces: not looked at"; return 0; }
	for hook in sys/etc/kernel/post*.d/* sys/etc/initramfs/post-update.d/*; do
		call unshare -rm sh -c "mount -t tmpfs none /dev && exec \"\$0\" $VERSION /boot/vmlinuz" "$hook"
		not_synced
		no_out
		no_err
	done
}

test_in_a_maintainer_script_dpkg_is_told()
{
	local caller

	make_system
	export DPKG_RUNNING_VERSION=1.21.22 DPKG_MAINTSCRIPT_NAME=postinst \
		DPKG_MAINTSCRIPT_PACKAGE=linux-image-$VERSION
	for caller in "${CALLERS[@]}"; do
		"$caller"
		triggered_once
		not_synced
		no_out
		no_err
	done
	find_kernel_install || return 0
	kernel_install add $VERSION "$PWD/vmlinuz"
	triggered_once
	not_synced
}

test_a_package_that_is_on_its_way_is_told()
{
	local state

	make_system
	export DPKG_MAINTSCRIPT_PACKAGE=linux-image-$VERSION
	for state in unpacked half-configured triggers-pending triggers-awaited; do
		printf %s "$state" >dpkg-state
		postinst
		triggered_once
		not_synced
	done
}

test_the_triggered_script_syncs_now()
{
	make_system
	export DPKG_RUNNING_VERSION=1.21.22 DPKG_MAINTSCRIPT_PACKAGE=fatespsync
	call sys/usr/libexec/fatespsync/sync-hook --now dpkg
	synced_once
	no_out
	[[ ! -e triggers ]] || fail 'a trigger was left'
}

test_what_dpkg_did_not_install_syncs_by_itself()
{
	local state

	make_system
	export DPKG_RUNNING_VERSION=1.21.22 DPKG_MAINTSCRIPT_PACKAGE=linux-image-$VERSION
	for state in '' not-installed config-files half-installed; do
		printf %s "$state" >dpkg-state
		postinst
		synced_once
	done
	printf installed >dpkg-state
	touch no-triggers
	postinst
	synced_once
	[[ ! -e triggers ]] || fail 'a trigger was left'
}

test_another_system_that_is_put_together_is_none_of_ours()
{
	make_system
	DPKG_ROOT=/mnt DPKG_MAINTSCRIPT_PACKAGE=linux-image-$VERSION postinst
	[[ ! -e calls && ! -e triggers ]] || fail 'something was done'
}

test_hooks_of_a_removed_package_are_silent()
{
	local caller

	make_system
	rm sys/usr/sbin/fatespsync
	for caller in "${CALLERS[@]}"; do
		"$caller"
		no_out
		no_err
	done
	rm -r sys/usr/libexec
	for caller in plugin_add plugin_remove postinst postrm post_update mkinitcpio; do
		"$caller"
		no_out
		no_err
	done
}

test_a_machine_without_an_esp_is_silent()
{
	local caller

	make_system
	: >esps
	echo 3 >status
	for caller in "${CALLERS[@]}"; do
		"$caller"
		not_synced
		no_out
		no_err
	done
}

# Its primary is known to firmware, and nobody has made a list.
test_a_primary_without_a_list_is_silent()
{
	local caller

	make_system
	printf '%s\n' '/dev/sda1  ESP  primary  aaaa  -' '/dev/sdb1  ESP  other  bbbb  -' >esps
	: >lists
	for caller in "${CALLERS[@]}"; do
		"$caller"
		not_synced
		no_out
		no_err
	done
}

test_a_list_that_only_another_esp_has_is_enough()
{
	make_system
	printf '%s\n' '/dev/sda1  ESP  primary  aaaa  -' '/dev/sdb1  ESP  other  bbbb  -' >esps
	echo /dev/sdb1 >lists
	postinst
	synced_once
}

test_a_primary_that_cannot_be_read_is_not_silent()
{
	make_system
	: >lists
	echo /dev/sda1 >damaged
	echo 3 >status
	postinst
	synced_once
	warned 'nothing was synced'
}

test_esps_without_a_list_are_silent()
{
	make_system
	: >lists
	printf '%s\n' '/dev/sda1  ESP  other  aaaa  -' '/dev/sda2  XBOOTLDR  other  bbbb  -' >esps
	echo 3 >status
	postinst
	not_synced
	no_err
}

# Then a machine has mirrors, and nobody knows which way.
test_a_list_without_a_primary_is_not_silent()
{
	make_system
	printf '%s\n' '/dev/sda1  ESP  other  aaaa  -' '/dev/sdb1  ESP  other  bbbb  -' >esps
	echo /dev/sdb1 >lists
	echo 3 >status
	postinst
	synced_once
	warned 'nothing was synced'
}

test_settings_are_passed_on()
{
	local disk='disk*'

	make_system
	touch "$disk" disk1
	set_settings "FATESPSYNC_OPTIONS='--disk=$disk --exclude=/EFI/x  --quick'"
	postinst
	[[ $(grep -v ' ls ' calls) == "--timeout=5 -q --no-legend --disk=$disk list
--strict --disk=$disk --exclude=/EFI/x --quick" ]] || complain "calls: $(cat calls)"
	set_settings "FATESPSYNC_OPTIONS='--exclude /x --disk $disk'"
	rm calls
	postinst
	[[ $(grep -v ' ls ' calls) == "--timeout=5 -q --no-legend --disk=$disk list
--strict --exclude /x --disk $disk" ]] || complain "calls: $(cat calls)"
	set_settings FATESPSYNC_OPTIONS=--primary=PARTUUID=1234
	rm calls
	: >esps
	postinst
	[[ $(cat calls) == '--strict --primary=PARTUUID=1234' ]] || complain "calls: $(cat calls)"
}

test_a_disk_of_the_settings_that_is_gone_is_not_silent()
{
	make_system
	set_settings 'FATESPSYNC_OPTIONS=--disk=gone'
	: >esps
	: >lists
	echo 3 >status
	postinst
	synced_once
	warned 'nothing was synced'
}

# A slip there would end the hook, and dpkg with it.
test_the_settings_are_not_executed()
{
	local line

	make_system
	for line in "it's" 'a (' 'exit 3' 'X=$Y_IS_NOT_SET' 'FATESPSYNC_OPTIONS="--quick' 'touch executed' \
		'false' $'\xff\xfe'; do
		set_settings 'FATESPSYNC_OPTIONS=--disk=/dev/x' "$line"
		echo 4 >status
		postinst
		warned 'not all mirrors'
		err_has '^/dev/sdb1: some report$'
		synced_once
	done
	[[ ! -e executed ]] || fail 'was executed'
	rm sys/etc/default/fatespsync
	mkdir sys/etc/default/fatespsync
	postinst
	synced_once
}

# options_are WORDS LINE...: with these lines as settings.
options_are()
{
	set_settings "${@:2}"
	postinst
	[[ $(tail -n 1 calls) == "--strict${1:+ $1}" ]] || complain "${*:2}: calls: $(cat calls)"
	rm calls
}

test_the_last_line_of_a_setting_counts()
{
	make_system
	export FATESPSYNC_OPTIONS=--force
	options_are --force '# FATESPSYNC_OPTIONS=--quick' 'XFATESPSYNC_OPTIONS=--quick'
	options_are '' 'FATESPSYNC_OPTIONS='
	options_are '' 'FATESPSYNC_OPTIONS=""'
	options_are --quick 'FATESPSYNC_OPTIONS=--strict' $' \tFATESPSYNC_OPTIONS=--quick \r' \
		' # FATESPSYNC_OPTIONS=' FATESPSYNC_INITRAMFS=no
	options_are '--quick --disk=/dev/x' 'FATESPSYNC_OPTIONS="--quick  --disk=/dev/x" '
	options_are '--quick --disk=/dev/x' "FATESPSYNC_OPTIONS='--quick --disk=/dev/x'"
	options_are '--exclude="/EFI/a b"' 'FATESPSYNC_OPTIONS=--exclude="/EFI/a b"'
	options_are '--exclude=$HOME `id` \' 'FATESPSYNC_OPTIONS=--exclude=$HOME `id` \'
	printf FATESPSYNC_OPTIONS=--quick >sys/etc/default/fatespsync
	postinst
	[[ $(tail -n 1 calls) == '--strict --quick' ]] || complain "calls: $(cat calls)"
}

# ---- with the program ----

# add_kernel NAME, remove_kernel NAME: on the primary.
add_kernel()
{
	put_text a.img "/EFI/Linux/$1.efi" "$(seq 2000) $1"
}

remove_kernel()
{
	mdel -i a.img@@$OFFSET "::/EFI/Linux/$1.efi"
}

test_a_kernel_goes_to_the_mirrors_and_away_again()
{
	install_all
	use_real_program
	list_disks $A $B $C
	export FATESPSYNC_OPTIONS="${DISKS[*]}"
	postinst
	in_sync b.img c.img

	add_kernel new
	plugin_add
	no_out
	err_has '^  new +/EFI/Linux/new\.efi'
	err_lacks '^fatespsync \('
	in_sync b.img c.img

	remember b.img c.img
	post_update
	postinst
	unchanged b.img c.img

	remove_kernel new
	plugin_remove
	err_has '^  removed +/EFI/Linux/new\.efi'
	in_sync b.img c.img
}

test_a_missing_mirror_holds_up_nothing()
{
	install_all
	use_real_program
	list_disks $A $B $D
	export FATESPSYNC_OPTIONS="${DISKS[*]}"
	postinst
	no_out
	err_has "^fatespsync: PARTUUID=$D: missing"
	warned 'is missing'
	in_sync b.img
}

test_a_damaged_mirror_is_named()
{
	install_all
	use_real_program
	list_disks $A $B $C
	export FATESPSYNC_OPTIONS="${DISKS[*]}"
	postinst
	damage b.img
	add_kernel new
	plugin_add
	err_has '^fatespsync: b\.img:1: '
	warned 'not all mirrors'
	in_sync c.img
}

test_a_machine_without_mirrors_is_silent()
{
	install_all
	use_real_program
	make_disks
	export FATESPSYNC_OPTIONS="${DISKS[*]}"
	remember a.img b.img
	postinst
	no_err
	boot_from $A
	postinst
	no_err
	put_list a.img $A
	remember a.img
	postinst
	no_err
	unchanged a.img b.img
}

test_a_list_that_no_primary_was_found_for_is_told()
{
	install_all
	use_real_program
	make_disks
	make_dirs b.img /loader
	put_list b.img $A $B
	export FATESPSYNC_OPTIONS="${DISKS[*]}"
	postinst
	err_has 'no primary: '
	warned 'nothing was synced'
}

run_cases "$@"
