#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The demonstration works, and leaves nothing behind.

set -eu

scratch=$(mktemp -d "${TMPDIR:-/tmp}/test-demo.XXXXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 129' HUP INT TERM

status=0
TMPDIR=$scratch "${srcdir:-$(dirname "$0")/..}/images/demo.sh" || status=$?
if ((status != 0)); then
	exit $status
fi
if [[ -n $(ls -A "$scratch") ]]; then
	ls -A "$scratch"
	echo "FAILED: left in the scratch folder" >&2
	exit 1
fi
