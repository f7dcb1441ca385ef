/* SPDX-License-Identifier: MIT */
/*
 * What a worker says of itself, made sane. See registration.h.
 */
#include "registration.h"

#include "limits.h"

#include <string.h>

#define DEFAULT_NAME "worker"

void
mr_registration_clear (MrRegistration *registration)
{
  g_clear_pointer (&registration->worker_name, g_free);
  g_clear_pointer (&registration->models, g_strfreev);
  g_clear_pointer (&registration->warnings, g_strfreev);
}

static void
warn (GPtrArray *warnings, const char *sentence)
{
  g_ptr_array_add (warnings, g_strdup (sentence));
}

/* Cuts to at most @max bytes without splitting a character. */
static gboolean
cut (char *text, gsize max)
{
  gsize length = strlen (text);

  if (length <= max)
    return FALSE;
  for (length = max; length > 0 && ((guchar) text[length] & 0xc0) == 0x80; length--)
    ;
  text[length] = '\0';
  return TRUE;
}

/* The name becomes a header field's value and a word in the log. */
static gboolean
replace_controls (char *text)
{
  gboolean changed = FALSE;

  for (char *p = text; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p)) {
      *p = '_';
      changed = TRUE;
    }
  return changed;
}

static char *
sane_name (const char *given, GPtrArray *warnings)
{
  g_autofree char *name = g_strstrip (g_strdup (given));

  if (name[0] == '\0') {
    warn (warnings, "The worker name was empty; it is called \"" DEFAULT_NAME "\".");
    return g_strdup (DEFAULT_NAME);
  }
  if (!g_str_equal (name, given))
    warn (warnings, "White space around the worker name was removed.");
  if (replace_controls (name))
    warn (warnings, "Control characters in the worker name were replaced.");
  if (cut (name, MR_LIMIT_WORKER_NAME_BYTES))
    warn (warnings, "The worker name was cut to " G_STRINGIFY (MR_LIMIT_WORKER_NAME_BYTES) " bytes.");
  return g_steal_pointer (&name);
}

static char **
sane_models (char *const *given, GPtrArray *warnings)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *models = g_ptr_array_new ();
  guint n_empty = 0;
  guint n_duplicates = 0;
  guint n_over = 0;
  guint n_long = 0;
  guint n_trimmed = 0;

  for (; given != NULL && *given != NULL; given++) {
    g_autofree char *name = g_strstrip (g_strdup (*given));

    if (name[0] == '\0')
      n_empty++;
    else if (strlen (name) > MR_LIMIT_MODEL_NAME_BYTES || replace_controls (name))
      n_long++;
    else if (g_hash_table_contains (seen, name))
      n_duplicates++;
    else if (models->len >= MR_LIMIT_MODELS)
      n_over++;
    else {
      n_trimmed += !g_str_equal (name, *given);
      g_hash_table_add (seen, name);
      g_ptr_array_add (models, g_steal_pointer (&name));
    }
  }
  if (n_trimmed > 0)
    g_ptr_array_add (warnings, g_strdup_printf ("White space around %u model names was removed.", n_trimmed));
  if (n_empty > 0)
    g_ptr_array_add (warnings, g_strdup_printf ("%u empty model names were dropped.", n_empty));
  if (n_long > 0)
    g_ptr_array_add (warnings, g_strdup_printf ("%u model names with control characters or over %d bytes were dropped.",
                                                n_long, MR_LIMIT_MODEL_NAME_BYTES));
  if (n_duplicates > 0)
    g_ptr_array_add (warnings, g_strdup_printf ("%u duplicate model names were dropped.", n_duplicates));
  if (n_over > 0)
    g_ptr_array_add (warnings,
                     g_strdup_printf ("%u models over the limit of %d were dropped.", n_over, MR_LIMIT_MODELS));
  g_ptr_array_add (models, NULL);
  return (char **) g_ptr_array_free (models, FALSE);
}

static guint
sane_concurrency (gint64 given, GPtrArray *warnings)
{
  if (given < 1) {
    warn (warnings, "max_concurrent was raised to 1.");
    return 1;
  }
  if (given > MR_LIMIT_MAX_CONCURRENT) {
    warn (warnings, "max_concurrent was lowered to " G_STRINGIFY (MR_LIMIT_MAX_CONCURRENT) ".");
    return MR_LIMIT_MAX_CONCURRENT;
  }
  return (guint) given;
}

void
mr_registration_init (MrRegistration *registration, const MrMessage *message)
{
  GPtrArray *warnings = g_ptr_array_new ();

  *registration = (MrRegistration){ 0 };
  registration->models = sane_models (message->models, warnings);
  if (message->type == MR_MESSAGE_REGISTER) {
    registration->worker_name = sane_name (message->worker_name, warnings);
    registration->max_concurrent = sane_concurrency (message->max_concurrent, warnings);
  }
  g_ptr_array_add (warnings, NULL);
  registration->warnings = (char **) g_ptr_array_free (warnings, FALSE);
}
