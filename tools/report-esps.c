/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/colour.h"
#include "tools/report-esps.h"
#include "tools/text.h"

/* A table of ESPs, its columns as wide as what is in them. */

enum column {
	COLUMN_DEVICE,
	COLUMN_TYPE,
	COLUMN_ROLE,
	COLUMN_PARTUUID,
	COLUMN_SERIAL,
	COLUMN_LABEL,
	COLUMN_SIZE,
	COLUMN_FREE,
	COLUMN_MOUNTED,
	N_COLUMNS,
};

static const char *const headings[N_COLUMNS] = {"DEVICE", "TYPE", "ROLE", "PARTUUID", "SERIAL",
	"LABEL", "SIZE", "FREE", "MOUNTED"};

/* Sizes of one row, for as long as it is printed. */
struct row {
	const char *cells[N_COLUMNS];
	char size[TEXT_SIZE_MAX], free[TEXT_SIZE_MAX];
};

const char *report_esp_role(const struct fes_esp *esp)
{
	switch (fes_esp_get_role(esp)) {
	case FES_ESP_OTHER:
		return "other";
	case FES_ESP_PRIMARY:
		return "primary";
	case FES_ESP_MIRROR:
		return "mirror";
	}
	return "unknown";
}

const char *report_esp_kind(const struct fes_esp *esp)
{
	switch (fes_esp_get_kind(esp)) {
	case FES_PARTITION_ESP:
		return "ESP";
	case FES_PARTITION_XBOOTLDR:
		return "XBOOTLDR";
	case FES_PARTITION_NONE:
	case FES_PARTITION_OTHER:
		return "other";
	}
	return "unknown";
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void fill_row(const struct fes_esp *esp, struct row *row)
{
	const struct fes_volume *volume = fes_esp_get_volume(esp);
	const char *name = fes_esp_get_name(esp);

	*row = (struct row){.cells = {
		[COLUMN_DEVICE] = name ? name : "(missing)",
		[COLUMN_TYPE] = report_esp_kind(esp),
		[COLUMN_ROLE] = report_esp_role(esp),
		[COLUMN_PARTUUID] = or_dash(fes_esp_get_partuuid(esp)),
		[COLUMN_SERIAL] = or_dash(volume ? fes_volume_get_serial(volume) : NULL),
		[COLUMN_LABEL] = or_dash(volume ? fes_volume_get_label(volume) : NULL),
		[COLUMN_SIZE] = "-",
		[COLUMN_FREE] = "-",
		[COLUMN_MOUNTED] = or_dash(fes_esp_get_mount(esp)),
	}};
	if (name) {
		text_format_size(fes_esp_get_size(esp), row->size);
		row->cells[COLUMN_SIZE] = row->size;
	}
	if (volume) {
		text_format_size(fes_volume_get_free(volume), row->free);
		row->cells[COLUMN_FREE] = row->free;
	}
}

static void widen(size_t width[N_COLUMNS], const char *const cells[N_COLUMNS])
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (strlen(cells[i]) > width[i])
			width[i] = strlen(cells[i]);
}

static void print_cells(const size_t width[N_COLUMNS], const char *const cells[N_COLUMNS])
{
	for (size_t i = 0; i < N_COLUMNS; i++) {
		text_put(stdout, cells[i]);
		if (i + 1 < N_COLUMNS)
			printf("%*s", (int)(width[i] - strlen(cells[i]) + 2), "");
	}
}

static void print_headings(const struct report_style *style, const size_t width[N_COLUMNS])
{
	colour_begin(stdout, style->colours, COLOUR_HEADLINE);
	print_cells(width, headings);
	colour_end(stdout, style->colours);
	putchar('\n');
}

/* Why one cannot be used does not fit into a table. */
static void print_reasons(const struct fes_esps *esps)
{
	const struct fes_esp *esp;

	for (size_t i = 0; (esp = fes_esps_get(esps, i)); i++) {
		if (!fes_esp_get_message(esp) || !fes_esp_get_name(esp))
			continue;
		text_put(stdout, fes_esp_get_message(esp));
		putchar('\n');
	}
}

void report_esps_print(const struct report_style *style, const struct fes_esps *esps)
{
	size_t width[N_COLUMNS] = {0};
	const struct fes_esp *esp;
	struct row row;

	if (!style->no_legend)
		widen(width, headings);
	for (size_t i = 0; (esp = fes_esps_get(esps, i)); i++) {
		fill_row(esp, &row);
		widen(width, row.cells);
	}
	if (!style->no_legend)
		print_headings(style, width);
	for (size_t i = 0; (esp = fes_esps_get(esps, i)); i++) {
		fill_row(esp, &row);
		print_cells(width, row.cells);
		putchar('\n');
	}
	if (!style->no_legend)
		print_reasons(esps);
}
