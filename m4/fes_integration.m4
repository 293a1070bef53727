# SPDX-License-Identifier: LGPL-2.1-or-later

# FES_PLAIN_FOLDERS
# -----------------
# The places that make writes into scripts and units. There shells, systemd, alpm and make's own sed each
# have characters that mean something, and each its own way to quote them.
AC_DEFUN([FES_PLAIN_FOLDERS], [
	for fes_name in prefix exec_prefix sbindir libexecdir sysconfdir; do
		eval "fes_folder=\$$fes_name"
		fes_own=`AS_ECHO(["$fes_folder"]) | sed ['s/[$]{prefix}//g; s/[$]{exec_prefix}//g']`
		AS_CASE([$fes_own], [[*[!A-Za-z0-9_./+~-]*]],
			[AC_MSG_ERROR([$fes_name is '$fes_folder', but scripts and units will name this folder, and may do so only if it is made of A-Z a-z 0-9 _ . / + ~ -])])
	done
])

# FES_ARG_FOLDER(NAME, BELOW-PREFIX, WHAT)
# ----------------------------------------
# --with-NAME=DIR, and AC_SUBST of NAME. Below the prefix unless somebody says otherwise, so that an
# install for trial writes nowhere else. With "no" nothing of that kind is installed.
AC_DEFUN([FES_ARG_FOLDER], [
	AC_ARG_WITH([$1],
		[AS_HELP_STRING([--with-$1=DIR], [$3 (default: PREFIX/$2)])],
		[AS_IF([test "x$withval" = xyes], [$1='${prefix}/$2'], [$1=$withval])],
		[$1='${prefix}/$2'])
	AC_SUBST([$1])
	AM_CONDITIONAL(m4_translit([WITH_$1], [a-z], [A-Z]), [test "x$[]$1" != xno])
])

# FES_ARG_DEBIAN_HOOKS
# --------------------
# Those in /etc that Debian's kernels and update-initramfs(8) run. Others have no use for them.
AC_DEFUN([FES_ARG_DEBIAN_HOOKS], [
	AC_ARG_WITH([debian-hooks],
		[AS_HELP_STRING([--with-debian-hooks],
			[install hooks into SYSCONFDIR/kernel and SYSCONFDIR/initramfs])],
		[], [with_debian_hooks=no])
	AM_CONDITIONAL([WITH_DEBIAN_HOOKS], [test "x$with_debian_hooks" = xyes])
])
