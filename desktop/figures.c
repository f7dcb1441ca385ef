/* SPDX-License-Identifier: MIT */
/*
 * Plain formatting. See figures.h.
 */
#include "figures.h"

#include <glib/gi18n-lib.h>
#include <string.h>

char *
mr_figures_count (guint64 count)
{
  return g_strdup_printf ("%'" G_GUINT64_FORMAT, count);
}

char *
mr_figures_span (guint64 seconds)
{
  if (seconds < 60)
    return g_strdup_printf (_ ("%u s"), (guint) seconds);
  if (seconds < 3600)
    return g_strdup_printf (_ ("%u min %u s"), (guint) (seconds / 60), (guint) (seconds % 60));
  return mr_figures_total (seconds);
}

char *
mr_figures_total (guint64 seconds)
{
  guint minutes = (guint) (seconds / 60);

  if (minutes < 60)
    return g_strdup_printf (_ ("%u min"), minutes);
  return g_strdup_printf (_ ("%u h %u min"), minutes / 60, minutes % 60);
}

char *
mr_figures_place (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;

  if (host == NULL || *host == '\0')
    return g_strdup (url);
  if (g_uri_get_port (uri) < 0)
    return g_strdup (host);
  return g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, g_uri_get_port (uri));
}
