/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tools/report.h"

/* Print @esps as a table to stdout. */
void report_esps_print(const struct report_style *style, const struct fes_esps *esps);

/* The words for them, in text and JSON. */
const char *report_esp_role(const struct fes_esp *esp);
const char *report_esp_kind(const struct fes_esp *esp);
