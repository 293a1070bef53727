# SPDX-License-Identifier: LGPL-2.1-or-later

# PTHREAD_CFLAGS and PTHREAD_LIBS: what gcc and clang need on every Linux.
AC_DEFUN([FES_PTHREAD], [
	AC_MSG_CHECKING([whether $CC links threads with -pthread])
	fes_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -pthread"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <pthread.h>]],
		[[pthread_t thread; return pthread_create(&thread, 0, 0, 0);]])],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no]); AC_MSG_ERROR([POSIX threads are needed])])
	CFLAGS=$fes_save_CFLAGS
	AC_SUBST([PTHREAD_CFLAGS], [-pthread])
	AC_SUBST([PTHREAD_LIBS], [-pthread])
])
