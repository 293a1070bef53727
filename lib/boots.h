/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a machine could boot from an ESP, and what may keep it from that. Private to lib/. */

#include "lib/internal.h"
#include "lib/loader.h"

/* A volume that is judged; borrowed. */
struct fes_boots_volume {
	struct fes_volume *volume;
	struct fes_notes *notes; /* get what is worth a warning; NULL: nobody asks */
	uint32_t lost_clusters;  /* in use by nobody, and freed by the next sync */
};

/*
 * Find out whether a machine could boot from @esp, with @xbootldr beside it (NULL: none), as they
 * are: there has to be a boot loader where firmware looks for one, and an entry or image that is
 * complete. *@ret_lacking says in words what is lacking, "" if nothing; free() it.
 *
 * Noted are entries that are not complete, what may keep firmware from reading a volume, and that
 * there is no room for a further kernel.
 *
 * Returns 0, -EUCLEAN, -ENOMEM or a device error; what was noted before stays.
 */
int fes_boots_judge(const struct fes_boots_volume *esp, const struct fes_boots_volume *xbootldr,
	char **ret_lacking);

/* ---- boots-volume.c ---- */

/* Note what may keep firmware, or other systems, from reading the file system. 0 or -ENOMEM. */
int fes_boots_note_readers(const struct fes_boots_volume *judged);

/* Note if less than @needed bytes are free, as much as the largest kernel takes. 0 or -ENOMEM. */
int fes_boots_note_room(const struct fes_boots_volume *judged, uint64_t needed);

/* ---- boots-choices.c ---- */

/* What of a volume can be booted. */
struct fes_choices {
	size_t n;          /* entries and images */
	size_t n_complete;
	uint64_t largest;  /* what the largest complete one takes, bytes in whole clusters */
};

/* Add those of @judged to @ret, and note what each lacks. Errors of fes_boots_judge(). */
int fes_boots_add_choices(const struct fes_boots_volume *judged, struct fes_choices *ret);

/* ---- boots-shim.c ---- */

/* What a shim in /EFI/BOOT may start. Files without a byte are none. */
struct fes_shim_stages {
	bool second;        /* beside it */
	bool fallback, csv; /* beside it, and what that reads, in another directory of /EFI */
};

/* Note a file beside shim; a vendor's, in another directory of /EFI. */
void fes_shim_note_beside(struct fes_shim_stages *stages, const char *name, uint32_t size);
void fes_shim_note_vendors(struct fes_shim_stages *stages, const char *name, uint32_t size);

bool fes_shim_starts(const struct fes_shim_stages *stages);

/*
 * Whether a shim in /EFI/BOOT of @esp has something to start: grub*.efi beside it, or fb*.efi and a
 * vendor's BOOT*.CSV in another directory of /EFI (shim, README.fallback). 1, 0, or an error of
 * fes_boots_judge().
 */
int fes_boots_shim_starts(struct fes_volume *esp);

/* ---- boots-after.c ---- */

/* Whether a sync brings the mirror any of the primary's @loaders, or leaves it as it is there. */
bool fes_loaders_any_comes(const struct fes_comparison *comparison, const struct fes_loaders *loaders);

/*
 * Whether there is something to start from /EFI/BOOT of the mirror once it is in sync with a primary that
 * has these @loaders, as fes_boots_find_loader() would say then: 1, 0, or an error of fes_boots_judge().
 */
int fes_loaders_will_start(const struct fes_comparison *comparison, const struct fes_loaders *loaders);

/* ---- boots-loaders.c ---- */

/*
 * What is lacking to start something from /EFI/BOOT of @esp, in words; NULL: nothing. Errors of
 * fes_boots_judge().
 */
int fes_boots_find_loader(struct fes_volume *esp, const char **ret_lacking);

/*
 * Note in @notes what a machine would start from @mirror in place of what it starts from @primary,
 * whose @loaders are these. Not of @told (may be NULL), a path that somebody has told about; nor of a
 * mirror without any, which lacks more. Errors of fes_boots_judge().
 */
int fes_loaders_compare(struct fes_volume *primary, const struct fes_loaders *loaders,
	struct fes_volume *mirror, const char *told, struct fes_notes *notes);
