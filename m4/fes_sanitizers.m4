# SPDX-License-Identifier: LGPL-2.1-or-later

AC_DEFUN([FES_ARG_SANITIZERS], [
	AC_ARG_ENABLE([sanitizers],
		[AS_HELP_STRING([--enable-sanitizers],
			[build with AddressSanitizer and UndefinedBehaviorSanitizer])],
		[], [enable_sanitizers=no])
	AS_IF([test "x$enable_sanitizers" != xno], [
		FES_NEED_LINK_FLAGS([-fsanitize=address,undefined -fno-sanitize-recover=all],
			[--enable-sanitizers])
		FES_TRY_CFLAG([-fno-omit-frame-pointer])
	])
])
