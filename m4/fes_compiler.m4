# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compiler flags of our own go into FES_CFLAGS and FES_LDFLAGS, so that CFLAGS and LDFLAGS stay
# the user's.

# FES_TRY_CFLAG(FLAG): add FLAG to FES_CFLAGS if the compiler takes it beside those. -Werror,
# because clang only warns of a warning that it does not know.
AC_DEFUN([FES_TRY_CFLAG], [
	AC_MSG_CHECKING([whether $CC takes $1])
	fes_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS $FES_CFLAGS -Werror $1"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
		[AC_MSG_RESULT([yes]); FES_CFLAGS="$FES_CFLAGS $1"],
		[AC_MSG_RESULT([no])])
	CFLAGS=$fes_save_CFLAGS
])

# FES_NEED_LINK_FLAGS(FLAGS, OPTION): FLAGS for compiler and linker, or an error naming OPTION.
AC_DEFUN([FES_NEED_LINK_FLAGS], [
	AC_MSG_CHECKING([whether $CC links with $1])
	fes_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS $1"
	AC_LINK_IFELSE([AC_LANG_PROGRAM()],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no]); AC_MSG_ERROR([$2: $CC does not link with $1])])
	CFLAGS=$fes_save_CFLAGS
	FES_CFLAGS="$FES_CFLAGS $1"
	FES_LDFLAGS="$FES_LDFLAGS $1"
])

AC_DEFUN([FES_WARNINGS], [
	AC_SUBST([FES_CFLAGS])
	AC_SUBST([FES_LDFLAGS])
	m4_foreach_w([fes_flag], [
		-Wall
		-Wextra
		-Wcast-qual
		-Wconversion
		-Wformat-security
		-Wimplicit-fallthrough
		-Wmissing-prototypes
		-Wold-style-definition
		-Wpointer-arith
		-Wshadow
		-Wstrict-prototypes
		-Wundef
		-Wvla
		-Wwrite-strings
	], [FES_TRY_CFLAG(fes_flag)])
])

AC_DEFUN([FES_ARG_WERROR], [
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [make every compiler warning an error])],
		[], [enable_werror=no])
	AS_IF([test "x$enable_werror" != xno], [FES_CFLAGS="$FES_CFLAGS -Werror"])
])
