/* SPDX-License-Identifier: MIT */
/*
 * The packages that the operator offers (`--downloads-dir`): their list and their bytes. The disk is read on a small
 * pool of threads, never on the main loop; what a slow client has not taken is not read yet.
 */
#pragma once

#include "response.h"
#include "server-config.h"

#include <json-glib/json-glib.h>

/* Where the files are; without the slash, their list. */
#define MR_DOWNLOADS_PREFIX "/downloads/"

typedef struct _MrDownloads MrDownloads;

/** MrDownloadsListed: @response: (transfer full); @list: (transfer full): an array of objects: name, size, sha256, url.
 */
typedef void (*MrDownloadsListed) (MrResponse *response, JsonNode *list, gpointer user_data);

/** mr_downloads_new: both are borrowed; the directory is looked up in @config each time. */
MrDownloads *mr_downloads_new (MrReactor *reactor, const MrServerConfig *config);

/** mr_downloads_free: cuts what is being sent; nobody is called back any more. */
void mr_downloads_free (MrDownloads *downloads);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrDownloads, mr_downloads_free)

/**
 * mr_downloads_list:
 * @response: (transfer full): that waits; dropped when its client goes
 *
 * The list is empty without a directory, and of one that cannot be read. Checksums are made once for each file.
 */
void mr_downloads_list (MrDownloads *downloads, MrResponse *response, MrDownloadsListed listed, gpointer user_data);

/**
 * mr_downloads_send:
 * @response: (transfer full): to a GET or HEAD
 * @name: as it stands in the URL, still percent-encoded
 *
 * Sends a file of the directory, or 404.
 */
void mr_downloads_send (MrDownloads *downloads, MrResponse *response, const char *name);
