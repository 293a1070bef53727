# SPDX-License-Identifier: LGPL-2.1-or-later

# HAVE_VERSION_SCRIPT: the linker can restrict what a shared library exports.
AC_DEFUN([FES_VERSION_SCRIPT], [
	AC_MSG_CHECKING([whether the linker takes version scripts])
	AS_ECHO(["CONFTEST_1 { global: main; local: *; };"]) > conftest.sym
	fes_save_LDFLAGS=$LDFLAGS
	LDFLAGS="$LDFLAGS -shared -fPIC -Wl,--version-script=conftest.sym"
	AC_LINK_IFELSE([AC_LANG_PROGRAM()],
		[fes_version_script=yes], [fes_version_script=no])
	LDFLAGS=$fes_save_LDFLAGS
	rm -f conftest.sym
	AC_MSG_RESULT([$fes_version_script])
	AM_CONDITIONAL([HAVE_VERSION_SCRIPT], [test "x$fes_version_script" = xyes])
])
