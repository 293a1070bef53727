# SPDX-License-Identifier: LGPL-2.1-or-later

# Instrument everything for libFuzzer; the fuzzers themselves add libFuzzer's main(). Comparisons
# are not traced: the mutator knows what to try, and a FAT makes so many that it takes most of the
# time.
AC_DEFUN([FES_ARG_FUZZING], [
	AC_ARG_ENABLE([fuzzing],
		[AS_HELP_STRING([--enable-fuzzing],
			[instrument the libraries for libFuzzer (needs CC=clang)])],
		[], [enable_fuzzing=no])
	AS_IF([test "x$enable_fuzzing" != xno], [
		AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
			#ifndef __clang__
			#error "not clang"
			#endif
			]])],
			[], [AC_MSG_ERROR([--enable-fuzzing needs clang: configure with CC=clang])])
		FES_NEED_LINK_FLAGS([-fsanitize=fuzzer-no-link], [--enable-fuzzing])
		FES_TRY_CFLAG([-fno-sanitize-coverage=trace-cmp])
	])
	AM_CONDITIONAL([ENABLE_FUZZING], [test "x$enable_fuzzing" != xno])
])
