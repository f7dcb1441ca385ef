/* SPDX-License-Identifier: MIT */
/*
 * Events as text and as JSON, so written that no value can look like a field, an event or a line of its own. See
 * log-format.h.
 */
#include "log-format.h"

#include <string.h>

static gboolean
needs_quotes (const char *value)
{
  if (*value == '\0')
    return TRUE;
  for (const char *p = value; *p != '\0'; p++) {
    if (!g_ascii_isgraph (*p) || *p == '"' || *p == '\\' || *p == '=')
      return TRUE;
  }
  return FALSE;
}

/* Line separators and the invisible formatting characters could make one line look like two, or like another. */
static gboolean
is_harmless (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return g_unichar_isprint (c) && type != G_UNICODE_LINE_SEPARATOR && type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

static void
append_escape (GString *line, gunichar c, gboolean json)
{
  if (c == '"' || c == '\\')
    g_string_append_printf (line, "\\%c", (char) c);
  else if (c == '\n')
    g_string_append (line, "\\n");
  else if (json && c > 0xffff)
    g_string_append_printf (line, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
  else
    g_string_append_printf (line, "\\u%04x", c);
}

/* The two formats differ only where JSON does not know the text's escape. */
static void
append_quoted (GString *line, const char *value, gboolean json)
{
  gsize left = strlen (value);

  g_string_append_c (line, '"');
  while (left > 0) {
    gunichar c = g_utf8_get_char_validated (value, left);
    gsize length = 1;

    if (c == (gunichar) -1 || c == (gunichar) -2) {
      if (json)
        g_string_append (line, "\\ufffd");
      else
        g_string_append_printf (line, "\\x%02x", (guchar) *value);
    } else {
      length = g_utf8_next_char (value) - value;
      if (c != '"' && c != '\\' && is_harmless (c))
        g_string_append_len (line, value, length);
      else
        append_escape (line, c, json);
    }
    value += length;
    left -= length;
  }
  g_string_append_c (line, '"');
}

void
mr_log_append_text (GString *line, const char *level, const char *event, const MrLogField *fields, gsize n)
{
  g_string_append_printf (line, "%-5s %s", level, event);
  for (gsize i = 0; i < n; i++) {
    if (fields[i].value == NULL)
      continue;
    g_string_append_printf (line, " %s=", fields[i].name);
    if (needs_quotes (fields[i].value))
      append_quoted (line, fields[i].value, FALSE);
    else
      g_string_append (line, fields[i].value);
  }
}

static void
append_member (GString *line, const char *name, const char *value)
{
  g_string_append_printf (line, ",\"%s\":", name);
  append_quoted (line, value, TRUE);
}

void
mr_log_append_json (GString *line, const char *time, const char *level, const char *event, const MrLogField *fields,
                    gsize n)
{
  g_string_append_printf (line, "{\"time\":\"%s\"", time);
  append_member (line, "level", level);
  append_member (line, "event", event);
  for (gsize i = 0; i < n; i++) {
    if (fields[i].value != NULL)
      append_member (line, fields[i].name, fields[i].value);
  }
  g_string_append_c (line, '}');
}

char *
mr_log_journal_name (const char *field)
{
  char *name = g_strconcat ("MODELRELAY_", field, NULL);

  for (char *p = name; *p != '\0'; p++)
    *p = g_ascii_isalnum (*p) ? g_ascii_toupper (*p) : '_';
  return name;
}
