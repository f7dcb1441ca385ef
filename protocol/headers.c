/* SPDX-License-Identifier: MIT */
/*
 * The list of header fields: storage, joining of repeated names, and which fields travel. How fields are read
 * from and written into an HTTP head is the business of transport/.
 */
#include "headers.h"

#include <string.h>

struct _MrHeaders {
  GArray *fields; /* Owned: of MrHeader */
};

static void
clear_field (gpointer data)
{
  MrHeader *field = data;

  g_free (field->name);
  g_free (field->value);
}

MrHeaders *
mr_headers_new (void)
{
  MrHeaders *headers = g_new (MrHeaders, 1);

  headers->fields = g_array_new (FALSE, FALSE, sizeof (MrHeader));
  g_array_set_clear_func (headers->fields, clear_field);
  return headers;
}

void
mr_headers_free (MrHeaders *headers)
{
  if (headers == NULL)
    return;
  g_array_unref (headers->fields);
  g_free (headers);
}

static MrHeader *
find_field (const MrHeaders *headers, const char *name)
{
  for (guint i = 0; i < headers->fields->len; i++) {
    MrHeader *field = &g_array_index (headers->fields, MrHeader, i);

    if (g_ascii_strcasecmp (field->name, name) == 0)
      return field;
  }
  return NULL;
}

static char *
dup_as_utf8 (const char *value)
{
  if (g_utf8_validate (value, -1, NULL))
    return g_strdup (value);

  GString *converted = g_string_new (NULL);
  for (const char *at = value; *at != '\0'; at++)
    g_string_append_unichar (converted, (guchar) *at);
  return g_string_free (converted, FALSE);
}

void
mr_headers_add (MrHeaders *headers, const char *name, const char *value)
{
  g_autofree char *text = dup_as_utf8 (value);
  MrHeader *same = g_ascii_strcasecmp (name, "set-cookie") == 0 ? NULL : find_field (headers, name);

  if (same != NULL) {
    char *joined = g_strconcat (same->value, ", ", text, NULL);
    g_free (same->value);
    same->value = joined;
  } else {
    MrHeader field = { g_ascii_strdown (name, -1), g_steal_pointer (&text) };
    g_array_append_val (headers->fields, field);
  }
}

void
mr_headers_set (MrHeaders *headers, const char *name, const char *value)
{
  /* Copied first: the caller's strings may be of the fields that go. */
  MrHeader field = { g_ascii_strdown (name, -1), dup_as_utf8 (value) };

  mr_headers_remove (headers, field.name);
  g_array_append_val (headers->fields, field);
}

void
mr_headers_remove (MrHeaders *headers, const char *name)
{
  g_autofree char *gone = g_ascii_strdown (name, -1);

  for (guint i = headers->fields->len; i > 0; i--) {
    if (strcmp (g_array_index (headers->fields, MrHeader, i - 1).name, gone) == 0)
      g_array_remove_index (headers->fields, i - 1);
  }
}

const char *
mr_headers_get (const MrHeaders *headers, const char *name)
{
  const MrHeader *field = find_field (headers, name);

  return field != NULL ? field->value : NULL;
}

guint
mr_headers_length (const MrHeaders *headers)
{
  return headers->fields->len;
}

const MrHeader *
mr_headers_index (const MrHeaders *headers, guint i)
{
  g_return_val_if_fail (i < headers->fields->len, NULL);

  return &g_array_index (headers->fields, MrHeader, i);
}

/* RFC 9110 5.6.2 */
static gboolean
is_token (const char *text)
{
  if (*text == '\0')
    return FALSE;
  for (const char *at = text; *at != '\0'; at++) {
    if (!g_ascii_isalnum (*at) && strchr ("!#$%&'*+-.^_`|~", *at) == NULL)
      return FALSE;
  }
  return TRUE;
}

gboolean
mr_headers_are_safe (const MrHeaders *headers)
{
  for (guint i = 0; i < headers->fields->len; i++) {
    const MrHeader *field = mr_headers_index (headers, i);

    if (!is_token (field->name) || strpbrk (field->value, "\r\n") != NULL)
      return FALSE;
  }
  return TRUE;
}

/* @list: comma-separated tokens with optional white space around them */
static gboolean
list_names (const char *list, const char *name)
{
  g_auto (GStrv) tokens = g_strsplit (list, ",", -1);

  for (guint i = 0; tokens[i] != NULL; i++) {
    if (g_ascii_strcasecmp (g_strstrip (tokens[i]), name) == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
mr_header_travels (const char *name, const char *connection)
{
  static const char *const stays[] = {
    "connection",         "keep-alive",          "proxy-connection", "te",   "trailer", "transfer-encoding", "upgrade",
    "proxy-authenticate", "proxy-authorization", "content-length",   "host", "expect",  "x-conversation-id",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (stays); i++) {
    if (g_ascii_strcasecmp (name, stays[i]) == 0)
      return FALSE;
  }
  return connection == NULL || !list_names (connection, name);
}
