/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * tests/faulty-fatespsync is the program with the calls of faults-wrap.h. What fails is told in its
 * environment: the members of struct wrap_fault from calls to told, as numbers with blanks between.
 */
#define FAULT_VARIABLE "FATESPSYNC_FAULT"
