# SPDX-License-Identifier: LGPL-2.1-or-later

# FES_NEED_TOOL(PROGRAM, PACKAGE): the tests run PROGRAM, which is often in a folder that a
# user's PATH has not.
AC_DEFUN([FES_NEED_TOOL], [
	AC_PATH_PROG(AS_TR_SH([fes_tool_$1]), [$1], [no], [$PATH:/usr/sbin:/sbin])
	AS_IF([test "x$AS_TR_SH([fes_tool_$1])" = xno],
		[fes_missing="$fes_missing $1 (Debian package $2);"])
])

AC_DEFUN([FES_ARG_TESTS], [
	AC_ARG_ENABLE([tests],
		[AS_HELP_STRING([--disable-tests],
			[do without the tests and what they need (check, dosfstools, mtools, ...)])],
		[], [enable_tests=yes])
	AS_IF([test "x$enable_tests" != xno], [
		PKG_CHECK_MODULES([CHECK], [check >= 0.15], [],
			[AC_MSG_ERROR([the tests need the library check (Debian package check); run ./bootstrap, or configure with --disable-tests])])
		fes_missing=
		FES_NEED_TOOL([mkfs.fat], [dosfstools])
		FES_NEED_TOOL([fsck.fat], [dosfstools])
		FES_NEED_TOOL([mcopy], [mtools])
		FES_NEED_TOOL([sfdisk], [fdisk])
		FES_NEED_TOOL([xxd], [xxd])
		AS_IF([test -n "$fes_missing"],
			[AC_MSG_ERROR([the tests need$fes_missing run ./bootstrap, or configure with --disable-tests])])
	])
	AM_CONDITIONAL([ENABLE_TESTS], [test "x$enable_tests" != xno])
])
