/* SPDX-License-Identifier: MIT */
/*
 * Log lines on standard error: time, level, event, fields; and the way there for what libraries report through
 * GLib. Which events there are is the business of those who log.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "trace", "debug", "info", "warn", "error" };

static MrLogLevel threshold = MR_LOG_INFO;
static GLogLevelFlags fatal_levels;

gboolean
mr_log_level_from_string (const char *name, MrLogLevel *level)
{
  for (guint i = 0; i < G_N_ELEMENTS (level_names); i++) {
    if (strcmp (name, level_names[i]) == 0) {
      *level = i;
      return TRUE;
    }
  }
  return FALSE;
}

void
mr_log_set_level (MrLogLevel level)
{
  threshold = level;
}

gboolean
mr_log_is_enabled (MrLogLevel level)
{
  return level >= threshold;
}

static void
append_time (GString *line)
{
  gint64 now = g_get_real_time ();
  time_t seconds = now / G_USEC_PER_SEC;
  struct tm utc;
  char text[32];

  gmtime_r (&seconds, &utc);
  strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  g_string_append_printf (line, "%s.%03dZ", text, (int) (now % G_USEC_PER_SEC / 1000));
}

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
append_quoted (GString *line, const char *value)
{
  gsize left = strlen (value);

  g_string_append_c (line, '"');
  while (left > 0) {
    gunichar c = g_utf8_get_char_validated (value, left);
    gsize length = 1;

    if (c == (gunichar) -1 || c == (gunichar) -2) {
      g_string_append_printf (line, "\\x%02x", (guchar) *value);
    } else {
      length = g_utf8_next_char (value) - value;
      if (c == '"' || c == '\\')
        g_string_append_printf (line, "\\%c", (char) c);
      else if (c == '\n')
        g_string_append (line, "\\n");
      else if (is_harmless (c))
        g_string_append_len (line, value, length);
      else
        g_string_append_printf (line, "\\u%04x", c);
    }
    value += length;
    left -= length;
  }
  g_string_append_c (line, '"');
}

/* One write a line, so that lines of several threads or processes never mix. A log that cannot be written is lost. */
static void
write_line (const GString *line)
{
  gssize written;

  do
    written = write (STDERR_FILENO, line->str, line->len);
  while (written < 0 && errno == EINTR);
}

void
mr_log_write (MrLogLevel level, const char *event, ...)
{
  g_autoptr (GString) line = g_string_sized_new (256);
  const char *name;
  va_list fields;

  append_time (line);
  g_string_append_printf (line, " %-5s %s", level_names[level], event);

  va_start (fields, event);
  while ((name = va_arg (fields, const char *)) != NULL) {
    const char *value = va_arg (fields, const char *);

    if (value == NULL)
      continue;
    g_string_append_printf (line, " %s=", name);
    if (needs_quotes (value))
      append_quoted (line, value);
    else
      g_string_append (line, value);
  }
  va_end (fields);

  g_string_append_c (line, '\n');
  write_line (line);
}

static MrLogLevel
level_from_glib (GLogLevelFlags flags)
{
  if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return MR_LOG_ERROR;
  if (flags & G_LOG_LEVEL_WARNING)
    return MR_LOG_WARN;
  return flags & G_LOG_LEVEL_MESSAGE ? MR_LOG_INFO : MR_LOG_DEBUG;
}

static const char *
find_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++) {
    if (strcmp (fields[i].key, key) == 0 && fields[i].length == -1)
      return fields[i].value;
  }
  return NULL;
}

static GLogWriterOutput
glib_writer (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *domain = find_field (fields, n_fields, "GLIB_DOMAIN");
  const char *message = find_field (fields, n_fields, "MESSAGE");
  /* GLib itself ends the program after a fatal message of the old interface; of the new one that is the writer's duty.
   */
  gboolean ours_to_end = find_field (fields, n_fields, "GLIB_OLD_LOG_API") == NULL;

  if (!g_log_writer_default_would_drop (flags, domain))
    mr_log (level_from_glib (flags), "library message", "domain", domain, "message", message, NULL);
  if (ours_to_end && (flags & fatal_levels) != 0)
    abort ();
  return G_LOG_WRITER_HANDLED;
}

void
mr_log_install_glib_writer (void)
{
  /* The mask that G_DEBUG set can only be read by setting it. */
  fatal_levels = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_always_fatal (fatal_levels);
  g_log_set_writer_func (glib_writer, NULL, NULL);
}
