#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each mutant of mutants.list finds its lines and its test: "make check-mutants", which tries them,
# comes late and takes long.

exec "${srcdir:-$(dirname "$0")/..}/tests/mutants.sh" --fit
