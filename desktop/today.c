/* SPDX-License-Identifier: MIT */
/*
 * The day's sums in a small JSON file, replaced as a whole. See today.h.
 */
#include "today.h"

#include "json.h"
#include "log.h"

#include <glib/gstdio.h>

#define DATE_FORMAT "%Y-%m-%d"

/* Ours has about 150 bytes; what is larger is not ours. */
#define FILE_BYTES 4096

struct _MrToday {
  char *path;         /* Owned */
  GThreadPool *files; /* Owned: one thread, so that the last state is written last */
  char *date;         /* Owned: of the sums; NULL when there are none */
  MrSharingToday sums;
  gboolean dirty;
};

static const struct {
  const char *name;
  gsize offset;
} members[] = {
  { "requests", G_STRUCT_OFFSET (MrSharingToday, requests) },
  { "failed", G_STRUCT_OFFSET (MrSharingToday, failed) },
  { "prompt_tokens", G_STRUCT_OFFSET (MrSharingToday, prompt_tokens) },
  { "completion_tokens", G_STRUCT_OFFSET (MrSharingToday, completion_tokens) },
  { "busy_seconds", G_STRUCT_OFFSET (MrSharingToday, busy_seconds) },
};

static guint64 *
member_of (MrSharingToday *sums, guint i)
{
  return G_STRUCT_MEMBER_P (sums, members[i].offset);
}

/* (transfer full): the date; NULL when the text is none of ours. */
static char *
parse (const char *text, gsize length, MrSharingToday *sums)
{
  MrJsonValue document;
  if (!mr_json_scan (text, length, &document, NULL)) {
    return NULL;
  }
  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    MrJsonValue value = mr_json_member (&document, members[i].name);
    gint64 number;
    if (!mr_json_get_int (&value, &number) || number < 0) {
      return NULL;
    }
    *member_of (sums, i) = (guint64) number;
  }
  MrJsonValue date = mr_json_member (&document, "date");
  return mr_json_dup_string (&date, NULL);
}

static void
set_aside (const char *path)
{
  g_autofree char *aside = g_strconcat (path, ".damaged", NULL);
  g_rename (path, aside);
  mr_log (MR_LOG_WARN, "sums of the day set aside", "file", aside, NULL);
}

static void
read_file (MrToday *self)
{
  GStatBuf status;
  g_autofree char *text = NULL;
  gsize length;
  MrSharingToday sums = { 0 };

  if (g_stat (self->path, &status) != 0) {
    return;
  }
  if (S_ISREG (status.st_mode) && status.st_size <= FILE_BYTES &&
      g_file_get_contents (self->path, &text, &length, NULL)) {
    self->date = parse (text, length, &sums);
  }
  if (self->date != NULL) {
    self->sums = sums;
  } else {
    set_aside (self->path);
  }
}

/* In the pool's thread. */
static void
write_file (gpointer text, gpointer path)
{
  g_autofree char *contents = text;
  g_autofree char *directory = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_mkdir_with_parents (directory, 0700);
  if (!g_file_set_contents_full (path, contents, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error)) {
    mr_log (MR_LOG_WARN, "sums of the day not written", "error", error->message, NULL);
  }
}

MrToday *
mr_today_new (const char *state_dir)
{
  MrToday *self = g_new0 (MrToday, 1);

  self->path = g_build_filename (state_dir, "today.json", NULL);
  self->files = g_thread_pool_new (write_file, self->path, 1, FALSE, NULL);
  read_file (self);
  return self;
}

void
mr_today_free (MrToday *self)
{
  if (self == NULL) {
    return;
  }
  mr_today_save (self);
  g_thread_pool_free (self->files, FALSE, TRUE);
  g_free (self->path);
  g_free (self->date);
  g_free (self);
}

void
mr_today_add (MrToday *self, GDateTime *local, const MrSharingToday *more)
{
  MrSharingToday added = *more;
  g_autofree char *date = g_date_time_format (local, DATE_FORMAT);

  if (g_strcmp0 (date, self->date) != 0) {
    g_free (self->date);
    self->date = g_steal_pointer (&date);
    self->sums = (MrSharingToday){ 0 };
  }
  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    *member_of (&self->sums, i) += *member_of (&added, i);
  }
  self->dirty = TRUE;
}

void
mr_today_get (MrToday *self, GDateTime *local, MrSharingToday *sums)
{
  g_autofree char *date = g_date_time_format (local, DATE_FORMAT);
  const MrSharingToday none = { 0 };

  *sums = g_strcmp0 (date, self->date) == 0 ? self->sums : none;
}

void
mr_today_save (MrToday *self)
{
  g_autoptr (GString) text = NULL;

  if (!self->dirty) {
    return;
  }
  text = g_string_new ("{\"date\":");
  mr_json_append_cstring (text, self->date);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    g_string_append_printf (text, ",\"%s\":%" G_GUINT64_FORMAT, members[i].name, *member_of (&self->sums, i));
  }
  g_string_append (text, "}\n");
  self->dirty = FALSE;
  g_thread_pool_push (self->files, g_string_free (g_steal_pointer (&text), FALSE), NULL);
}
