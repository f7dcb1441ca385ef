/* SPDX-License-Identifier: MIT */
/* A backend's address. See http-base.h. */
#include "http-base.h"

#include "error.h"

#include <string.h>

static char *
make_prefix (GUri *uri)
{
  g_autofree char *path = g_strdup (g_uri_get_path (uri));

  while (g_str_has_suffix (path, "/"))
    path[strlen (path) - 1] = '\0';
  if (g_uri_get_flags (uri) & (G_URI_FLAGS_ENCODED | G_URI_FLAGS_ENCODED_PATH))
    return g_steal_pointer (&path);
  return g_uri_escape_string (path, G_URI_RESERVED_CHARS_ALLOWED_IN_PATH, FALSE);
}

static char *
make_field (const MrHttpBase *base, guint16 default_port)
{
  gboolean is_ipv6 = strchr (base->name, ':') != NULL;
  GString *field = g_string_new (NULL);

  g_string_append_printf (field, is_ipv6 ? "[%s]" : "%s", base->name);
  if (base->port != default_port)
    g_string_append_printf (field, ":%u", base->port);
  return g_string_free (field, FALSE);
}

gboolean
mr_http_base_parse (GUri *uri, MrHttpBase *base, GError **error)
{
  const char *host = g_uri_get_host (uri);
  gboolean secure = g_ascii_strcasecmp (g_uri_get_scheme (uri), "https") == 0;
  guint16 default_port = secure ? 443 : 80;

  if ((!secure && g_ascii_strcasecmp (g_uri_get_scheme (uri), "http") != 0) || host == NULL || *host == '\0') {
    g_autofree char *text = g_uri_to_string_partial (uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY);

    g_set_error (error, MR_ERROR, MR_ERROR_CONFIG, "\"%s\" is not a backend's address (http://host[:port][/prefix])",
                 text);
    return FALSE;
  }
  base->dial = g_strdup (host);
  /* A zone is of this machine only (RFC 6874 4). */
  base->name = g_strndup (host, strcspn (host, "%"));
  base->port = g_uri_get_port (uri) > 0 ? (guint16) g_uri_get_port (uri) : default_port;
  base->secure = secure;
  base->field = make_field (base, default_port);
  base->prefix = make_prefix (uri);
  return TRUE;
}

void
mr_http_base_clear (MrHttpBase *base)
{
  g_clear_pointer (&base->name, g_free);
  g_clear_pointer (&base->dial, g_free);
  g_clear_pointer (&base->field, g_free);
  g_clear_pointer (&base->prefix, g_free);
}
