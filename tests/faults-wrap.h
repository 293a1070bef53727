/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls of libc and libxxhash that fail when they are told to. The linker's --wrap leads those of
 * fat/, lib/ and tools/ here (wrap_ldflags in Makefile.am), not those inside of libraries.
 */

#include <stdbool.h>
#include <stdint.h>

enum wrap_calls {
	WRAP_MEMORY =
		1 << 0, /* malloc() and its like; what needs memory to begin: a thread, a probe */
	WRAP_READ = 1 << 1,  /* pread() */
	WRAP_WRITE = 1 << 2, /* pwrite() */
	WRAP_SYNC = 1 << 3,  /* fdatasync() */
};

enum wrap_how {
	WRAP_ERROR, /* nothing is done and errno is set */
	WRAP_SHORT, /* a sector less than asked for, or nothing where it was one */
	WRAP_ODD,   /* a byte less */
	WRAP_ZERO,  /* 0 is returned and nothing is done */
};

struct wrap_fault {
	unsigned calls; /* WRAP_*; 0: all is well */
	enum wrap_how how;
	int error;      /* errno, positive; for memory it is what malloc() sets */
	uint64_t nth;   /* the call that fails, from 1 */
	bool sticky;    /* all later ones too */
	uint64_t inode; /* of the file whose calls count; 0: any */
	int told;       /* file descriptor that gets a byte for each call that fails; 0: none */
	_Atomic uint64_t n_calls, n_fired;
};

/* The one in force. Change it while nothing runs. */
extern struct wrap_fault wrap_fault;
