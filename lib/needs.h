/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What booting needs beside the managed directories, as found on a volume: the files that its entries
 * refer to, wherever they are, and the boot loader that firmware starts. Private to lib/.
 */

#include "lib/internal.h"
#include "lib/loader.h"
#include "lib/type1.h"

/* Paths, folded, in strcmp() order, each once. */
struct fes_paths {
	char **list;
	size_t n;
	size_t room;
};

struct fes_needs {
	struct fes_paths files;  /* managed if they are files */
	struct fes_paths dirs;   /* managed whole: vendor directories of shim */
	struct fes_paths above;  /* directories that lead to these: managed if they hold any, with what else is in them foreign */
	struct fes_paths kept;   /* never managed on this volume, whatever else says so */
};
