/* SPDX-License-Identifier: MIT */
/*
 * modelrelayctl's way to a relay's HTTP port: an address as a person writes it, a session for it, and what went wrong
 * in words. Used by the admin API's source and by `test`.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

typedef struct {
  char *place;          /* Owned: as it was given */
  char *base;           /* Owned: without a slash at its end */
  SoupSession *session; /* Owned */
  gboolean believed;    /* whatever its certificate says */
} MrHttpPlace;

/**
 * mr_http_place_new:
 * @text: `http://host:port`, `https://host/below`, or `unix:/path`
 * @ca_file: (nullable): PEM: the authorities to believe instead of the system's
 *
 * Returns: (transfer full): %NULL with %MR_CTL_USAGE for anything else, or a file that cannot be read
 */
MrHttpPlace *mr_http_place_new (const char *text, const char *ca_file, GError **error);
void mr_http_place_free (MrHttpPlace *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHttpPlace, mr_http_place_free)

/** mr_http_message: (transfer full): a request to @path, with this secret as its bearer. @secret: (nullable) */
SoupMessage *mr_http_message (MrHttpPlace *place, const char *method, const char *path, const char *secret);

/** mr_http_fail_reach: %MR_CTL_UNREACHABLE: @failure is what the connection said. Returns: %FALSE */
gboolean mr_http_fail_reach (const char *place, const GError *failure, GError **error);

/** mr_http_parse: (transfer full): a JSON document from outside, checked first; %NULL when it is none. */
JsonNode *mr_http_parse (GBytes *body);

/** mr_http_error_text: (transfer none): the sentence in an error answer of the relay's; %NULL when there is none. */
const char *mr_http_error_text (JsonNode *answer);
