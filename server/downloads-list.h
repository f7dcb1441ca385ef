/* SPDX-License-Identifier: MIT */
/*
 * A directory of packages, and the checksum of each. Blocks: for a thread of downloads.c.
 */
#pragma once

#include <gio/gio.h>

/** MrDownload: a package; does not change. */
typedef struct {
  char *name;
  guint64 size;
  gint64 changed_ns; /* since 1970: with the size, whether it is still the same file */
  char *sha256;      /* hexadecimal */
} MrDownload;

/** mr_download_is_name: letters, digits and `._+~-`, not beginning with a dot, at most 255: what a package's name is
 * made of. Such a name means itself in a URL, a header field, a path and a shell. */
gboolean mr_download_is_name (const char *name);

/**
 * mr_download_open:
 *
 * Returns: a descriptor of the regular file @name in @directory, which may be a link to it, with its size and time; -1
 * when there is none that can be read
 */
int mr_download_open (const char *directory, const char *name, guint64 *size, gint64 *changed_ns);

/**
 * mr_download_list:
 * @known: (nullable) (element-type MrDownload): an earlier list, for its checksums
 *
 * Returns: (transfer full) (element-type MrDownload): at most MR_LIMIT_DOWNLOAD_FILES, by name; incomplete once
 * @cancellable is cancelled
 */
GPtrArray *mr_download_list (const char *directory, const GPtrArray *known, GCancellable *cancellable);
