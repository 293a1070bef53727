/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The JSON half of tools/report.h: one object on stdout, printed at the end. */

#include "tools/report.h"

/* Returns a report for @style, or NULL when memory is out. Use report_new() instead. */
struct report *report_json_new(const struct report_style *style);
