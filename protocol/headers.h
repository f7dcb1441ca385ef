/* SPDX-License-Identifier: MIT */
/*
 * An ordered list of header fields with lower-case names, as the worker protocol carries them, and the rule
 * which fields travel (contract A4). No parsing of HTTP heads; that is libsoup's work in transport/.
 */
#pragma once

#include <glib.h>

/** MrHeader: one field. Both strings are owned by the list. */
typedef struct {
  char *name;
  char *value;
} MrHeader;

/** MrHeaders: the list. A plain struct, not thread-safe. */
typedef struct _MrHeaders MrHeaders;

MrHeaders *mr_headers_new (void);
void mr_headers_free (MrHeaders *headers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrHeaders, mr_headers_free)

/**
 * mr_headers_add:
 * @name: any case; stored in lower case
 * @value: bytes; what is not UTF-8 is read as ISO-8859-1 and converted
 *
 * Repeated names are joined with ", " (RFC 9110 5.3), except `set-cookie`, which stays apart. An original
 * peer keeps headers in a map, so this is the only form that loses nothing on the way to it.
 */
void mr_headers_add (MrHeaders *headers, const char *name, const char *value);

/** mr_headers_set: replaces every field of that name by this one. */
void mr_headers_set (MrHeaders *headers, const char *name, const char *value);

/** mr_headers_remove: removes every field of that name (any case). */
void mr_headers_remove (MrHeaders *headers, const char *name);

/** mr_headers_get: the first value of that name (any case), or %NULL. Borrowed. */
const char *mr_headers_get (const MrHeaders *headers, const char *name);

guint mr_headers_length (const MrHeaders *headers);

/** mr_headers_index: (transfer none): field @i, below mr_headers_length(). */
const MrHeader *mr_headers_index (const MrHeaders *headers, guint i);

/**
 * mr_headers_are_safe:
 *
 * Returns: %FALSE when a name is not an RFC 9110 token or a value has CR, LF or NUL: what came over a link
 *   is checked with this before it is written into an HTTP head
 */
gboolean mr_headers_are_safe (const MrHeaders *headers);

/**
 * mr_header_travels:
 * @name: a field name, any case
 * @connection: (nullable): value of the message's own `Connection` field, whose tokens are hop-by-hop too
 *
 * Returns: %FALSE for hop-by-hop fields (RFC 9110 7.6.1: connection, keep-alive, proxy-connection, te,
 *   trailer, transfer-encoding, upgrade, proxy-authenticate, proxy-authorization), `content-length`,
 *   `host`, `expect` (answered by the hop that saw it), `x-conversation-id`, and anything that @connection names
 */
gboolean mr_header_travels (const char *name, const char *connection);
