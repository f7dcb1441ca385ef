/* SPDX-License-Identifier: MIT */
/*
 * The relay's web pages (contract I) and what they load, from its own binary: paths, types, caching, security headers.
 * What the pages show comes from the admin and client API; the packages at /downloads/ are downloads.c's.
 */
#pragma once

#include "downloads.h"

typedef struct _MrWeb MrWeb;

/** mr_web_new: @downloads: borrowed, outlives the MrWeb. */
MrWeb *mr_web_new (MrDownloads *downloads);
void mr_web_free (MrWeb *web);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrWeb, mr_web_free)

/** mr_web_owns: %TRUE for `/`, each page and asset, `/downloads` and everything below. */
gboolean mr_web_owns (MrWeb *web, const char *path);

/** mr_web_take: @response: (transfer full): to a request for one of those paths, whatever its method. */
void mr_web_take (MrWeb *web, MrResponse *response);

/** mr_web_is_for_page: %TRUE for what a browser asks when somebody enters an address or follows a link. */
gboolean mr_web_is_for_page (const MrHttpRequest *request);

/** mr_web_fail_not_found: 404 as a page. @response: (transfer full) */
void mr_web_fail_not_found (MrWeb *web, MrResponse *response);
