/* SPDX-License-Identifier: MIT */
/*
 * What a key store does whatever its database: one suite, run against SQLite and against a real PostgreSQL server.
 */
#include "store-stage.h"

#include "error.h"
#include "limits.h"
#include "postgres.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

static TestPostgres *server; /* of the whole run */
static char *directory;

static StoreStage *
open_stage (gconstpointer kind)
{
  static guint files;
  g_autofree char *url = NULL;

  if (strcmp (kind, "postgres") == 0)
    url = postgres_new_database (server);
  else
    url = g_strdup_printf ("sqlite:%s/new/%u.db", directory, ++files);

  StoreStage *stage = stage_new (url);
  g_assert_null (mr_key_store_get_problem (stage->store));
  return stage;
}

static void
test_create_and_find (gconstpointer kind)
{
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *id = NULL;
  g_autofree char *secret = stage_create_named (stage, "one", &id);
  g_autofree char *wrong = g_strdup (secret);
  MrKey *key = mr_key_store_find (stage->store, secret);

  g_assert_nonnull (key);
  g_assert_cmpstr (key->id, ==, id);
  g_assert_true (g_regex_match_simple ("^mr-[A-Za-z0-9_-]{43}$", secret, 0, 0));
  g_assert_true (mr_key_store_get (stage->store, id) == key);
  g_assert_cmpint (ABS (key->created_at - g_get_real_time () / G_USEC_PER_SEC), <=, 10);

  wrong[20] = wrong[20] == 'A' ? 'B' : 'A';
  g_assert_null (mr_key_store_find (stage->store, wrong));
  g_assert_null (mr_key_store_find (stage->store, ""));
  g_assert_null (mr_key_store_find (stage->store, key->prefix));
  g_assert_null (mr_key_store_get (stage->store, "x"));
}

static void
test_survives (gconstpointer kind)
{
  static const char *const models[] = { "llama*", "na\xc3\xafve \"model\"\n", "'); DROP TABLE keys; --", NULL };
  const MrKeySpec spec = { .name = (char *) "O'Neill $1 \xf0\x9f\xa6\x99",
                           .scope = MR_KEY_SCOPE_WORKER,
                           .models = (char **) models,
                           .requests_per_minute = G_MAXUINT,
                           .max_concurrent = 4000000000u,
                           .tokens_per_day = G_MAXINT64,
                           .priority = MR_PRIORITY_LOW,
                           .expires_at = 99999999999 };
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autoptr (GError) error = NULL;
  g_autofree char *secret = NULL;
  g_autoptr (MrKey) before = stage_create (stage, &spec, &secret, &error);
  MrKey *after;

  g_assert_no_error (error);
  g_assert_true (mr_key_store_find (stage->store, secret) == before);
  stage_reopen (stage);
  after = mr_key_store_get (stage->store, before->id);
  g_assert_nonnull (after);
  g_assert_true (after != before);
  g_assert_cmpint (after->last_used_at, ==, before->last_used_at);
  g_assert_cmpint (after->last_used_at, >, 0);
  g_assert_cmpint (after->created_at, ==, before->created_at);
  g_assert_cmpstr (after->prefix, ==, before->prefix);
  g_assert_cmpstr (after->spec.name, ==, spec.name);
  g_assert_cmpint (after->spec.scope, ==, spec.scope);
  g_assert_true (g_strv_equal ((const char *const *) after->spec.models, models));
  g_assert_cmpuint (after->spec.requests_per_minute, ==, spec.requests_per_minute);
  g_assert_cmpuint (after->spec.max_concurrent, ==, spec.max_concurrent);
  g_assert_cmpuint (after->spec.tokens_per_day, ==, spec.tokens_per_day);
  g_assert_cmpint (after->spec.priority, ==, spec.priority);
  g_assert_cmpint (after->spec.expires_at, ==, spec.expires_at);
  g_assert_true (mr_key_store_find (stage->store, secret) == after);
}

static void
test_no_models_is_not_every_model (gconstpointer kind)
{
  static const char *const none[] = { NULL };
  const MrKeySpec spec = { .name = (char *) "none", .models = (char **) none };
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *secret = NULL;
  g_autoptr (MrKey) key = stage_create (stage, &spec, &secret, NULL);
  g_autofree char *every = stage_create_named (stage, "every", NULL);

  stage_reopen (stage);
  g_assert_false (mr_key_allows_model (mr_key_store_find (stage->store, secret), "m"));
  g_assert_true (mr_key_allows_model (mr_key_store_find (stage->store, every), "m"));
}

static void
assert_order (StoreStage *stage, guint n)
{
  g_autoptr (GPtrArray) keys = mr_key_store_list (stage->store);

  g_assert_cmpuint (keys->len, ==, n);
  for (guint i = 0; i < n; i++) {
    const MrKey *key = keys->pdata[i];
    g_autofree char *name = g_strdup_printf ("key %u", i);

    g_assert_cmpstr (key->spec.name, ==, name);
  }
}

static void
test_list (gconstpointer kind)
{
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *first = NULL;

  assert_order (stage, 0);
  for (guint i = 0; i < 12; i++) {
    g_autofree char *name = g_strdup_printf ("key %u", i);
    g_autofree char *id = NULL;
    g_autofree char *secret = stage_create_named (stage, name, &id);

    if (i == 0)
      first = g_steal_pointer (&id);
  }
  g_assert_true (stage_revoke (stage, first, NULL));
  assert_order (stage, 12);
  stage_reopen (stage);
  assert_order (stage, 12);
  g_assert_true (mr_key_store_get (stage->store, first)->revoked);
}

static void
on_revoked_after_death (gboolean found, const GError *error, gpointer data)
{
  StoreStage *stage = *(StoreStage **) data;

  g_assert_no_error (error);
  g_assert_true (found);
  g_assert_cmpuint (stage->died->len, ==, 1);
  *(StoreStage **) data = NULL;
}

static void
test_revoke (gconstpointer kind)
{
  g_autoptr (StoreStage) stage = open_stage (kind);
  StoreStage *waiting = stage;
  gint64 deadline_us = stage_deadline ();
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_autofree char *secret = stage_create_named (stage, "doomed", &id);
  g_autofree char *other = stage_create_named (stage, "other", NULL);

  mr_key_store_revoke (stage->store, id, on_revoked_after_death, &waiting);
  g_assert_null (mr_key_store_find (stage->store, secret)); /* at once */
  g_assert_cmpuint (stage->died->len, ==, 0);               /* but not from within the call */
  while (waiting != NULL)
    stage_turn (deadline_us);
  g_assert_cmpstr (stage->died->pdata[0], ==, id);

  g_assert_true (stage_revoke (stage, id, &error));
  g_assert_no_error (error);
  g_assert_false (stage_revoke (stage, "1b4e28ba-2fa1-11d2-883f-0016d3cca427", &error));
  g_assert_no_error (error);
  g_assert_cmpuint (stage->died->len, ==, 1);

  stage_reopen (stage);
  g_assert_null (mr_key_store_find (stage->store, secret));
  g_assert_true (mr_key_store_get (stage->store, id)->revoked);
  g_assert_nonnull (mr_key_store_find (stage->store, other));
  g_assert_cmpuint (stage->died->len, ==, 1);
}

static void
test_expiry (gconstpointer kind)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  MrKeySpec spec = { .name = (char *) "short", .expires_at = now + 2 };
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *secret = NULL;
  g_autofree char *late_secret = NULL;
  g_autoptr (MrKey) key = stage_create (stage, &spec, &secret, NULL);

  spec.expires_at = now + 4;
  g_autoptr (MrKey) late = stage_create (stage, &spec, &late_secret, NULL);
  g_assert_true (mr_key_store_find (stage->store, secret) == key);
  stage_wait_died (stage, key->id);
  g_assert_cmpint (g_get_real_time (), >=, (now + 2) * G_USEC_PER_SEC);
  g_assert_cmpint (g_get_real_time (), <, (now + 3) * G_USEC_PER_SEC);
  g_assert_null (mr_key_store_find (stage->store, secret));
  g_assert_false (key->revoked);

  stage_reopen (stage);
  g_assert_null (mr_key_store_find (stage->store, secret));
  stage_wait_died (stage, late->id);
  g_assert_null (mr_key_store_find (stage->store, late_secret));
  g_assert_cmpuint (stage->died->len, ==, 2);
}

static void
test_worker_key (gconstpointer kind)
{
  const MrKeySpec spec = { .name = (char *) "gpu", .scope = MR_KEY_SCOPE_WORKER };
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *client = stage_create_named (stage, "client", NULL);
  g_autoptr (MrKey) key = NULL;

  g_assert_false (mr_key_store_has_worker_key (stage->store));
  key = stage_create (stage, &spec, NULL, NULL);
  g_assert_true (mr_key_store_has_worker_key (stage->store));
  stage_reopen (stage);
  g_assert_true (mr_key_store_has_worker_key (stage->store));
  g_assert_true (stage_revoke (stage, key->id, NULL));
  g_assert_false (mr_key_store_has_worker_key (stage->store));
}

static void
test_usage (gconstpointer kind)
{
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *secret = stage_create_named (stage, "a", NULL);
  MrKey *key = mr_key_store_find (stage->store, secret);
  g_autofree char *nothing = NULL;

  stage_note (stage, key, "m1", 10, 5);
  stage_note (stage, key, "m1", -1, 5);
  mr_key_store_note_usage (stage->store, key, "m2", NULL);
  mr_key_store_note_usage (stage->store, NULL, "m1", NULL);
  g_assert_cmpuint (key->limit.tokens_today, ==, 20);
  stage_wait_usage (stage, "- m1 1 0 0\na m1 2 10 10\na m2 1 0 0\n");

  stage_note (stage, key, "m1", 100, 0); /* written by the end of the store */
  stage_reopen (stage);
  key = mr_key_store_find (stage->store, secret);
  stage_note (stage, key, "m1", 1000, 0);
  stage_note (stage, key, "bad\xff name", G_MAXINT64, G_MAXINT64);
  stage_wait_usage (stage, "- m1 1 0 0\na bad\xef\xbf\xbd name 1 1000000000 1000000000\na m1 4 1110 10\na m2 1 0 0\n");
  nothing = stage_query (stage, 0, stage_today () - 1);
  g_assert_cmpstr (nothing, ==, "");
}

/* Days that are over can only be made by writing to the database itself. */
static void
write_days (const StoreStage *stage)
{
  const char *table = g_str_has_prefix (stage->url, "sqlite:") ? "usage" : "modelrelay_usage";
  g_autofree char *sql = g_strdup_printf ("INSERT INTO %s VALUES (100, '', 'b', 1, 2, 3), (100, '', 'a', 4, 5, 6),"
                                          " (102, 'x', 'a', 7, 8, 9), (103, '', 'a', 1, 1, 1)",
                                          table);
  sqlite3 *db;

  if (strcmp (table, "usage") != 0) {
    g_free (postgres_run (stage->url, sql));
    return;
  }
  g_assert_cmpint (sqlite3_open (stage->url + strlen ("sqlite:"), &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (db);
}

static void
test_usage_by_day (gconstpointer kind)
{
  static const struct {
    gint64 from, to;
    const char *rows;
  } cases[] = {
    { 0, 99, "" },
    { 100, 100, "100 - a 4 5 6\n100 - b 1 2 3\n" },
    { 101, 102, "102 - a 7 8 9\n" },
    { 102, G_MAXINT64, "102 - a 7 8 9\n103 - a 1 1 1\n" },
    { 103, 102, "" },
    { G_MININT64, 101, "100 - a 4 5 6\n100 - b 1 2 3\n" },
  };
  g_autoptr (StoreStage) stage = open_stage (kind);

  write_days (stage);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *rows = stage_query (stage, cases[i].from, cases[i].to);

    g_assert_cmpstr (rows, ==, cases[i].rows);
  }
}

static void
test_budget_survives (gconstpointer kind)
{
  const MrKeySpec spec = { .name = (char *) "budget", .tokens_per_day = 1000 };
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *secret = NULL;
  g_autoptr (MrKey) key = stage_create (stage, &spec, &secret, NULL);
  gint64 retry_after_us;

  stage_note (stage, key, "m", 600, 100);
  stage_note (stage, key, "n", 299, 0);
  stage_reopen (stage);
  MrKey *found = mr_key_store_find (stage->store, secret);
  g_assert_cmpuint (found->limit.tokens_today, ==, 999);
  g_assert_true (mr_rate_limit_has_tokens (&found->limit, 1000, g_get_real_time () / G_USEC_PER_SEC, &retry_after_us));
  stage_note (stage, found, "m", 1, 0);
  stage_reopen (stage);
  found = mr_key_store_find (stage->store, secret);
  g_assert_cmpuint (found->limit.tokens_today, ==, 1000);
  g_assert_false (mr_rate_limit_has_tokens (&found->limit, 1000, g_get_real_time () / G_USEC_PER_SEC, &retry_after_us));
}

static void
on_one_of_many (MrKey *key, const char *secret, const GError *error, gpointer data)
{
  g_assert_no_error (error);
  g_ptr_array_add (data, g_strdup (secret));
}

static void
test_many (gconstpointer kind)
{
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autoptr (GPtrArray) secrets = g_ptr_array_new_with_free_func (g_free);
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < 1000; i++) {
    g_autofree char *name = g_strdup_printf ("key %u", i);
    const MrKeySpec spec = { .name = name };

    mr_key_store_create (stage->store, &spec, on_one_of_many, secrets);
  }
  while (secrets->len < 1000)
    stage_turn (start + 60 * G_USEC_PER_SEC);
  g_test_message ("%s: 1000 keys created at once in %.0f ms", (const char *) kind,
                  (double) (g_get_monotonic_time () - start) / 1000);
  assert_order (stage, 1000);

  mr_key_store_free (g_steal_pointer (&stage->store));
  StoreStage *again;
  start = g_get_monotonic_time ();
  again = stage_new (stage->url);
  g_test_message ("%s: 1000 keys loaded in %.1f ms", (const char *) kind,
                  (double) (g_get_monotonic_time () - start) / 1000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
  for (guint i = 0; i < 1000; i++)
    g_assert_nonnull (mr_key_store_find (again->store, secrets->pdata[i]));
  assert_order (again, 1000);
  stage_free (again);
}

/* The cap on usage in memory does not lose requests, only the names of their models. */
static void
test_many_models (gconstpointer kind)
{
  g_autoptr (StoreStage) stage = open_stage (kind);
  g_autofree char *rows = NULL;
  guint64 requests = 0;
  g_auto (GStrv) lines = NULL;
  guint n;

  for (guint i = 0; i < MR_LIMIT_USAGE_ROWS + 50; i++) {
    g_autofree char *model = g_strdup_printf ("model-%u", i);

    mr_key_store_note_usage (stage->store, NULL, model, NULL);
  }
  rows = stage_query (stage, G_MININT64, G_MAXINT64);
  lines = g_strsplit (rows, "\n", -1);
  n = g_strv_length (lines) - 1; /* behind the last end there is nothing */
  for (guint i = 0; i < n; i++) {
    g_auto (GStrv) words = g_strsplit (lines[i], " ", -1);

    requests += g_ascii_strtoull (words[3], NULL, 10);
  }
  g_assert_cmpuint (n, ==, MR_LIMIT_USAGE_ROWS + 1);
  g_assert_cmpuint (requests, ==, MR_LIMIT_USAGE_ROWS + 50);
}

static void
never_called (MrKey *key, const char *secret, const GError *error, gpointer data)
{
  g_assert_not_reached ();
}

static void
test_end_calls_nobody (gconstpointer kind)
{
  g_autoptr (StoreStage) stage = open_stage (kind);
  const MrKeySpec spec = { .name = (char *) "k" };
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < 10; i++)
    mr_key_store_create (stage->store, &spec, never_called, NULL);
  mr_key_store_free (g_steal_pointer (&stage->store));
  g_assert_cmpint (g_get_monotonic_time () - start, <, 3 * G_USEC_PER_SEC);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static void
test_urls (void)
{
  static const char *const good[] = { "sqlite:/x/y.db", "sqlite::memory:", "postgresql://u@h/d",
                                      "postgres://u:p%40@[::1]:5432/d?sslmode=require" };
  static const char *const bad[] = { "",
                                     "keys.db",
                                     "sqlite:",
                                     "sqlite:keys.db",
                                     "mysql://u:s3cret@h/d",
                                     "postgresql",
                                     "sqlite::mem",
                                     "postgresql://u:s3cret%zz@h/d" };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_true (mr_key_store_check_url (good[i], &error));
    g_assert_no_error (error);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    const MrKeyStoreEvents events = { NULL };

    g_assert_false (mr_key_store_check_url (bad[i], &error));
    g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
    g_assert_null (strstr (error->message, "s3cret"));
    g_assert_true (strstr (error->message, "sqlite:/") != NULL || strstr (error->message, "postgresql://") != NULL);
    g_clear_error (&error);
    g_assert_null (mr_key_store_new (bad[i], &events, NULL, &error));
    g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  }
}

static const struct {
  const char *name;
  GTestDataFunc func;
} tests[] = {
  { "contract/B3/create-and-find", test_create_and_find },
  { "contract/B6/limits-survive", test_survives },
  { "contract/B6/no-models-is-not-every-model", test_no_models_is_not_every_model },
  { "contract/G3/list-in-order-of-creation", test_list },
  { "contract/B3/revoke", test_revoke },
  { "contract/B3/expiry", test_expiry },
  { "contract/B5/worker-key", test_worker_key },
  { "contract/G4/usage-adds-up", test_usage },
  { "contract/G4/usage-by-day", test_usage_by_day },
  { "contract/B6/budget-survives-a-restart", test_budget_survives },
  { "server/key-store/a-thousand-keys", test_many },
  { "server/key-store/usage-is-bounded", test_many_models },
  { "server/key-store/end-calls-nobody", test_end_calls_nobody },
};

static void
remove_files (void)
{
  g_autofree char *inner = g_build_filename (directory, "new", NULL);
  g_autoptr (GDir) dir = g_dir_open (inner, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (inner, name, NULL);

    g_remove (path);
  }
  g_rmdir (inner);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  directory = g_dir_make_tmp ("key-store-XXXXXX", NULL);
  server = postgres_start ();
  g_test_add_func ("/server/key-store/urls", test_urls);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree char *sqlite = g_strconcat ("/sqlite/", tests[i].name, NULL);
    g_autofree char *postgres = g_strconcat ("/postgres/", tests[i].name, NULL);

    g_test_add_data_func (sqlite, "sqlite", tests[i].func);
    g_test_add_data_func (postgres, "postgres", tests[i].func);
  }
  result = g_test_run ();
  postgres_free (server);
  remove_files ();
  g_free (directory);
  return result;
}
