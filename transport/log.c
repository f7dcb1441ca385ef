/* SPDX-License-Identifier: MIT */
/*
 * Where log lines go: to standard error or to the journal; and the way there for what libraries report through GLib.
 * How a line looks is log-format.c's business, which events there are that of those who log.
 */
#include "log.h"

#include "log-format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "trace", "debug", "info", "warn", "error" };

static MrLogLevel threshold = MR_LOG_INFO;
static MrLogFormat format = MR_LOG_FORMAT_TEXT;
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

void
mr_log_set_format (MrLogFormat wanted)
{
  if (wanted == MR_LOG_FORMAT_AUTO)
    wanted = g_log_writer_is_journald (STDERR_FILENO) ? MR_LOG_FORMAT_JOURNALD : MR_LOG_FORMAT_TEXT;
  format = wanted;
}

static void
format_now (char *text, gsize size)
{
  gint64 now = g_get_real_time ();
  time_t seconds = now / G_USEC_PER_SEC;
  struct tm utc;
  gsize length;

  gmtime_r (&seconds, &utc);
  length = strftime (text, size, "%Y-%m-%dT%H:%M:%S", &utc);
  (void) g_snprintf (text + length, size - length, ".%03dZ", (int) (now % G_USEC_PER_SEC / 1000));
}

/* One write a line, so that lines of several threads or processes never mix. A log that cannot be written is lost. */
static void
write_line (MrLogLevel level, const char *event, const MrLogField *fields, gsize n)
{
  g_autoptr (GString) line = g_string_sized_new (256);
  char time[32];
  gssize written;

  format_now (time, sizeof time);
  if (format == MR_LOG_FORMAT_JSON) {
    mr_log_append_json (line, time, level_names[level], event, fields, n);
  } else {
    g_string_append_printf (line, "%s ", time);
    mr_log_append_text (line, level_names[level], event, fields, n);
  }
  g_string_append_c (line, '\n');
  do
    written = write (STDERR_FILENO, line->str, line->len);
  while (written < 0 && errno == EINTR);
}

static void
add_entry_field (GArray *entry, const char *name, const char *value)
{
  /* A length that is stated makes GLib send the value as it is, whatever bytes are in it. */
  GLogField field = { name, value, (gssize) strlen (value) };

  g_array_append_val (entry, field);
}

/* One datagram an entry. FALSE when there is no journal, or it takes none. */
static gboolean
send_to_journal (MrLogLevel level, const char *event, const MrLogField *fields, gsize n)
{
  static const char *const priorities[] = { "7", "7", "6", "4", "3" };
  g_autoptr (GString) message = g_string_sized_new (256);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) entry = g_array_new (FALSE, FALSE, sizeof (GLogField));

  mr_log_append_text (message, level_names[level], event, fields, n);
  add_entry_field (entry, "MESSAGE", message->str);
  add_entry_field (entry, "PRIORITY", priorities[level]);
  add_entry_field (entry, "SYSLOG_IDENTIFIER", program_invocation_short_name);
  add_entry_field (entry, "MODELRELAY_EVENT", event);
  for (gsize i = 0; i < n; i++) {
    if (fields[i].value == NULL)
      continue;
    g_ptr_array_add (names, mr_log_journal_name (fields[i].name));
    add_entry_field (entry, names->pdata[names->len - 1], fields[i].value);
  }
  return g_log_writer_journald (G_LOG_LEVEL_MESSAGE, (const GLogField *) (gpointer) entry->data, entry->len, NULL) ==
         G_LOG_WRITER_HANDLED;
}

void
mr_log_write (MrLogLevel level, const char *event, ...)
{
  g_autoptr (GArray) fields = g_array_new (FALSE, FALSE, sizeof (MrLogField));
  MrLogField field;
  va_list pairs;

  va_start (pairs, event);
  while ((field.name = va_arg (pairs, const char *)) != NULL) {
    field.value = va_arg (pairs, const char *);
    g_array_append_val (fields, field);
  }
  va_end (pairs);

  if (format != MR_LOG_FORMAT_JOURNALD ||
      !send_to_journal (level, event, (const MrLogField *) (gpointer) fields->data, fields->len))
    write_line (level, event, (const MrLogField *) (gpointer) fields->data, fields->len);
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
