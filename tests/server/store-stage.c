/* SPDX-License-Identifier: MIT */
/*
 * Waiting for what a key store says.
 */
#include "store-stage.h"

#include <string.h>

static void
on_died (MrKeyStore *store, MrKey *key, gpointer data)
{
  StoreStage *stage = data;

  g_assert_false (mr_key_is_live (key, g_get_real_time () / G_USEC_PER_SEC));
  g_ptr_array_add (stage->died, g_strdup (key->id));
}

static void
open_store (StoreStage *stage)
{
  const MrKeyStoreEvents events = { .died = on_died };
  g_autoptr (GError) error = NULL;

  stage->store = mr_key_store_new (stage->url, &events, stage, &error);
  g_assert_no_error (error);
}

StoreStage *
stage_new (const char *url)
{
  StoreStage *stage = g_new0 (StoreStage, 1);

  stage->url = g_strdup (url);
  stage->died = g_ptr_array_new_with_free_func (g_free);
  open_store (stage);
  return stage;
}

void
stage_free (StoreStage *stage)
{
  mr_key_store_free (stage->store);
  g_ptr_array_unref (stage->died);
  g_free (stage->url);
  g_free (stage);
}

void
stage_reopen (StoreStage *stage)
{
  mr_key_store_free (stage->store);
  open_store (stage);
}

static gboolean
on_wake (gpointer data)
{
  return G_SOURCE_REMOVE;
}

void
stage_turn (gint64 deadline_us)
{
  guint id = g_timeout_add (5, on_wake, NULL);

  g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
  g_main_context_iteration (NULL, TRUE);
  if (g_main_context_find_source_by_id (NULL, id) != NULL)
    g_source_remove (id);
}

gint64
stage_deadline (void)
{
  return g_get_monotonic_time () + STAGE_WAIT_USEC;
}

void
stage_wait_ready (StoreStage *stage)
{
  gint64 deadline_us = stage_deadline ();

  while (mr_key_store_get_problem (stage->store) != NULL)
    stage_turn (deadline_us);
}

void
stage_wait_degraded (StoreStage *stage)
{
  gint64 deadline_us = stage_deadline ();

  while (mr_key_store_get_problem (stage->store) == NULL)
    stage_turn (deadline_us);
}

void
stage_wait_died (StoreStage *stage, const char *id)
{
  gint64 deadline_us = stage_deadline ();

  while (!g_ptr_array_find_with_equal_func (stage->died, id, g_str_equal, NULL))
    stage_turn (deadline_us);
}

typedef struct {
  gboolean done;
  MrKey *key;
  char *secret;
  gboolean found;
  GString *rows;
  GError *error;
} Answer;

static void
on_created (MrKey *key, const char *secret, const GError *error, gpointer data)
{
  Answer *answer = data;

  answer->done = TRUE;
  answer->key = key != NULL ? mr_key_ref (key) : NULL;
  answer->secret = g_strdup (secret);
  answer->error = error != NULL ? g_error_copy (error) : NULL;
  g_assert_true ((key != NULL) == (error == NULL));
}

MrKey *
stage_create (StoreStage *stage, const MrKeySpec *spec, char **secret, GError **error)
{
  gint64 deadline_us = stage_deadline ();
  Answer answer = { 0 };

  mr_key_store_create (stage->store, spec, on_created, &answer);
  g_assert_false (answer.done); /* never from within the call */
  while (!answer.done)
    stage_turn (deadline_us);
  if (answer.error != NULL)
    g_propagate_error (error, answer.error);
  else if (secret != NULL)
    *secret = g_steal_pointer (&answer.secret);
  g_free (answer.secret);
  return answer.key;
}

char *
stage_create_named (StoreStage *stage, const char *name, char **id)
{
  const MrKeySpec spec = { .name = (char *) name, .priority = MR_PRIORITY_NORMAL };
  g_autoptr (GError) error = NULL;
  char *secret = NULL;
  g_autoptr (MrKey) key = stage_create (stage, &spec, &secret, &error);

  g_assert_no_error (error);
  if (id != NULL)
    *id = g_strdup (key->id);
  return secret;
}

static void
on_revoked (gboolean found, const GError *error, gpointer data)
{
  Answer *answer = data;

  answer->done = TRUE;
  answer->found = found;
  answer->error = error != NULL ? g_error_copy (error) : NULL;
}

gboolean
stage_revoke (StoreStage *stage, const char *id, GError **error)
{
  gint64 deadline_us = stage_deadline ();
  Answer answer = { 0 };

  mr_key_store_revoke (stage->store, id, on_revoked, &answer);
  g_assert_false (answer.done);
  while (!answer.done)
    stage_turn (deadline_us);
  if (answer.error != NULL)
    g_propagate_error (error, answer.error);
  return answer.found && answer.error == NULL;
}

static void
on_usage (const MrUsageRow *rows, gsize n, const GError *error, gpointer data)
{
  Answer *answer = data;

  answer->done = TRUE;
  answer->error = error != NULL ? g_error_copy (error) : NULL;
  for (gsize i = 0; i < n; i++)
    g_string_append_printf (
        answer->rows, "%" G_GINT64_FORMAT " %s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
        rows[i].day, rows[i].key_name != NULL ? rows[i].key_name : "-", rows[i].model, rows[i].requests,
        rows[i].prompt_tokens, rows[i].completion_tokens);
}

char *
stage_query (StoreStage *stage, gint64 from, gint64 to)
{
  gint64 deadline_us = stage_deadline ();
  Answer answer = { .rows = g_string_new (NULL) };

  mr_key_store_query_usage (stage->store, from, to, on_usage, &answer);
  g_assert_false (answer.done);
  while (!answer.done)
    stage_turn (deadline_us);
  g_assert_no_error (answer.error);
  return g_string_free (answer.rows, FALSE);
}

gint64
stage_today (void)
{
  return g_get_real_time () / G_USEC_PER_SEC / 86400;
}

void
stage_wait_usage (StoreStage *stage, const char *expected)
{
  gint64 deadline_us = stage_deadline ();
  g_autofree char *seen = NULL;

  do {
    g_autofree char *today = g_strdup_printf ("%" G_GINT64_FORMAT " ", stage_today ());
    g_autoptr (GString) rows = NULL;

    stage_turn (deadline_us);
    g_free (seen);
    seen = stage_query (stage, stage_today (), stage_today ());
    rows = g_string_new (seen);
    g_string_replace (rows, today, "", 0);
    g_free (seen);
    seen = g_string_free (g_steal_pointer (&rows), FALSE);
    if (g_get_monotonic_time () > deadline_us - G_USEC_PER_SEC)
      g_assert_cmpstr (seen, ==, expected);
  } while (strcmp (seen, expected) != 0);
}

void
stage_note (StoreStage *stage, MrKey *key, const char *model, gint64 prompt_tokens, gint64 completion_tokens)
{
  const MrUsage usage = { prompt_tokens, completion_tokens, -1 };

  mr_key_store_note_usage (stage->store, key, model, &usage);
}
