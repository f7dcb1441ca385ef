/* SPDX-License-Identifier: MIT */
/*
 * Keys in PostgreSQL: several relays on one database, and a server that dies, refuses, is silent or read-only.
 */
#include "error.h"
#include "postgres.h"
#include "process.h"
#include "store-stage.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static TestPostgres *server; /* of the whole run */

static StoreStage *
open_stage (char **url)
{
  StoreStage *stage;

  *url = postgres_new_database (server);
  stage = stage_new (*url);
  g_assert_null (mr_key_store_get_problem (stage->store));
  return stage;
}

static void
wait_found (StoreStage *stage, const char *secret, gint64 deadline_us)
{
  while (mr_key_store_find (stage->store, secret) == NULL)
    stage_turn (deadline_us);
}

static void
test_created_elsewhere (void)
{
  g_autofree char *url = NULL;
  g_autofree char *id = NULL;
  g_autoptr (StoreStage) one = open_stage (&url);
  g_autoptr (StoreStage) other = stage_new (url);
  g_autofree char *secret = stage_create_named (one, "k", &id);
  gint64 start = g_get_monotonic_time ();

  wait_found (other, secret, start + G_USEC_PER_SEC);
  g_test_message ("known elsewhere after %.1f ms", (double) (g_get_monotonic_time () - start) / 1000);
  g_assert_cmpstr (mr_key_store_get (other->store, id)->spec.name, ==, "k");
}

static void
test_revoked_elsewhere (void)
{
  g_autofree char *url = NULL;
  g_autofree char *id = NULL;
  g_autoptr (StoreStage) one = open_stage (&url);
  g_autofree char *secret = stage_create_named (one, "k", &id);
  g_autoptr (StoreStage) other = stage_new (url);
  gint64 start;

  g_assert_nonnull (mr_key_store_find (other->store, secret));
  g_assert_true (stage_revoke (one, id, NULL));
  start = g_get_monotonic_time ();
  while (other->died->len == 0)
    stage_turn (start + G_USEC_PER_SEC);
  g_test_message ("dead elsewhere after %.1f ms", (double) (g_get_monotonic_time () - start) / 1000);
  g_assert_cmpstr (other->died->pdata[0], ==, id);
  g_assert_null (mr_key_store_find (other->store, secret));
}

static void
test_budget_shared (void)
{
  const MrKeySpec spec = { .name = (char *) "k", .tokens_per_day = 1000 };
  g_autofree char *url = NULL;
  g_autofree char *secret = NULL;
  g_autoptr (StoreStage) one = open_stage (&url);
  g_autoptr (MrKey) key = stage_create (one, &spec, &secret, NULL);
  g_autoptr (StoreStage) other = stage_new (url);
  MrKey *there = mr_key_store_find (other->store, secret);
  gint64 deadline_us;

  g_assert_nonnull (there);
  for (guint64 round = 1; round <= 2; round++) {
    g_assert_true (mr_key_store_find (one->store, secret) == key);
    stage_note (one, key, "m", 300, 100);
    stage_note (other, there, "m", 70, 30);
    deadline_us = g_get_monotonic_time () + 3 * G_USEC_PER_SEC; /* one to write, two to read */
    while (there->limit.tokens_today < 500 * round || key->limit.tokens_today < 500 * round)
      stage_turn (deadline_us);
    g_assert_cmpuint (there->limit.tokens_today, ==, 500 * round);
    g_assert_cmpuint (key->limit.tokens_today, ==, 500 * round);
  }
  stage_wait_usage (other, "k m 4 740 260\n");
}

static char *
capture_log (int *saved)
{
  char *path = NULL;
  int fd = g_file_open_tmp ("log-XXXXXX", &path, NULL);

  *saved = dup (STDERR_FILENO);
  dup2 (fd, STDERR_FILENO);
  close (fd);
  return path;
}

static char *
end_capture (char *path, int saved)
{
  char *log = NULL;

  dup2 (saved, STDERR_FILENO);
  close (saved);
  g_assert_true (g_file_get_contents (path, &log, NULL, NULL));
  g_remove (path);
  g_free (path);
  return log;
}

static guint
count (const char *log, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (log, text, -1);

  return g_strv_length (parts) - 1;
}

static void
assert_says_nothing_secret (StoreStage *stage, const char *log)
{
  g_assert_null (strstr (mr_key_store_get_problem (stage->store), POSTGRES_PASSWORD));
  g_assert_null (strstr (mr_key_store_get_problem (stage->store), "127.0.0.1"));
  g_assert_null (strstr (mr_key_store_get_problem (stage->store), "relay"));
  g_assert_null (strstr (log, POSTGRES_PASSWORD));
  g_assert_null (strstr (log, "wrong-password"));
}

static void
test_server_dies (void)
{
  const MrKeySpec spec = { .name = (char *) "no" };
  g_autofree char *url = NULL;
  g_autofree char *id = NULL;
  g_autofree char *doomed_id = NULL;
  g_autoptr (StoreStage) stage = open_stage (&url);
  g_autofree char *secret = stage_create_named (stage, "a", &id);
  g_autofree char *doomed = stage_create_named (stage, "doomed", &doomed_id);
  g_autoptr (GError) error = NULL;
  MrKey *key = mr_key_store_get (stage->store, id);
  int saved;
  char *path = capture_log (&saved);

  stage_note (stage, key, "m", 1, 0);
  postgres_kill (server);
  stage_wait_degraded (stage); /* by itself: nothing is asked of the database */
  stage_note (stage, key, "m", 10, 0);
  g_assert_true (mr_key_store_find (stage->store, secret) == key);
  g_assert_null (stage_create (stage, &spec, NULL, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_STORE);
  g_clear_error (&error);
  g_assert_false (stage_revoke (stage, doomed_id, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_STORE);
  g_assert_null (mr_key_store_find (stage->store, doomed));
  g_assert_cmpuint (stage->died->len, ==, 1);

  g_autofree char *problem = g_strdup (mr_key_store_get_problem (stage->store));
  postgres_restart (server);
  stage_wait_ready (stage);
  stage_wait_usage (stage, "a m 2 11 0\n");

  g_autofree char *log = end_capture (path, saved);
  g_assert_cmpuint (count (log, "key store degraded"), ==, 1);
  g_assert_cmpuint (count (log, "key store ready"), ==, 1);
  g_assert_null (strstr (log, POSTGRES_PASSWORD));
  g_assert_null (strstr (problem, POSTGRES_PASSWORD));
  stage_reopen (stage);
  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  g_assert_null (mr_key_store_find (stage->store, doomed));
}

/* What other relays did while the connection was lost is known after it. */
static void
test_missed_notifications (void)
{
  g_autofree char *url = NULL;
  g_autofree char *id = NULL;
  g_autoptr (StoreStage) one = open_stage (&url);
  g_autofree char *secret = stage_create_named (one, "k", &id);
  g_autoptr (StoreStage) other = stage_new (url);

  postgres_kill (server);
  stage_wait_degraded (other);
  stage_wait_degraded (one);
  postgres_restart (server);
  g_free (postgres_run (url, "UPDATE modelrelay_keys SET revoked_at = 1"));
  stage_wait_died (other, id);
  stage_wait_died (one, id);
  stage_wait_ready (other);
  g_assert_null (mr_key_store_find (other->store, secret));
}

static void
ignore_usage (const MrUsageRow *rows, gsize n, const GError *error, gpointer data)
{
}

/* The connection is cut at any moment, also within COMMIT: nothing is lost and nothing counted twice. */
static void
test_exactly_once (void)
{
  g_autofree char *url = NULL;
  g_autoptr (StoreStage) stage = open_stage (&url);
  g_autofree char *expected = NULL;
  guint n = 0;

  for (guint round = 0; round < 6; round++) {
    gint64 until_us;

    stage_wait_ready (stage);
    until_us = g_get_monotonic_time () + g_test_rand_int_range (50000, 300000);
    while (g_get_monotonic_time () < until_us) {
      stage_note (stage, NULL, "m", 1, 2);
      n++;
      stage_turn (stage_deadline ());
      mr_key_store_query_usage (stage->store, 0, 0, ignore_usage, NULL);
    }
    stage_note (stage, NULL, "m", 1, 2);
    n++;
    mr_key_store_query_usage (stage->store, 0, 0, ignore_usage, NULL); /* writes what is there */
    g_usleep ((gulong) g_test_rand_int_range (0, 3000));
    g_free (postgres_run (url, "SELECT pg_terminate_backend (pid) FROM pg_stat_activity"
                               " WHERE application_name = 'modelrelay-server' AND datname = current_database ()"));
    stage_wait_degraded (stage);
  }
  stage_wait_ready (stage);
  expected = g_strdup_printf ("- m %u %u %u\n", n, n, 2 * n);
  stage_wait_usage (stage, expected);
}

static void
test_wrong_password (void)
{
  g_autofree char *url = postgres_new_database (server);
  g_auto (GStrv) parts = g_strsplit (url, POSTGRES_PASSWORD, 2);
  g_autofree char *wrong = g_strconcat (parts[0], "wrong-password", parts[1], NULL);
  int saved;
  char *path = capture_log (&saved);
  g_autoptr (StoreStage) stage = stage_new (wrong);
  g_autofree char *log = end_capture (path, saved);

  g_assert_cmpstr (mr_key_store_get_problem (stage->store), ==, "cannot connect to PostgreSQL");
  g_assert_cmpuint (count (log, "key store degraded"), ==, 1);
  g_assert_nonnull (strstr (log, "password authentication failed")); /* the operator is told why */
  assert_says_nothing_secret (stage, log);
}

/* A server that accepts and never says a word: the start waits for two seconds, and nothing else waits at all. */
static void
test_silent_server (void)
{
  guint16 port;
  int fd = mrt_listen (&port);
  g_autofree char *url = g_strdup_printf ("postgresql://relay:" POSTGRES_PASSWORD "@127.0.0.1:%u/x", port);
  gint64 start = g_get_monotonic_time ();
  StoreStage *stage = stage_new (url);

  g_assert_cmpint (g_get_monotonic_time () - start, >=, 1900000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 3 * G_USEC_PER_SEC);
  g_assert_nonnull (strstr (mr_key_store_get_problem (stage->store), "did not answer in time"));
  start = g_get_monotonic_time ();
  stage_note (stage, NULL, "m", 1, 1);
  g_assert_null (mr_key_store_find (stage->store, "mr-x"));
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC / 2);

  /* The end of the connection ends the thread, so that nothing is left of it at the end. */
  g_autoptr (MrtStream) peer = mrt_accept (fd, MRT_WAIT_MS);
  g_assert_nonnull (peer);
  mrt_stream_reset (peer);
  close (fd);
  start = g_get_monotonic_time ();
  stage_free (stage);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 3 * G_USEC_PER_SEC);
}

static void
set_read_only (const char *url, const char *value)
{
  g_autofree char *name = postgres_run (url, "SELECT current_database ()");
  g_autofree char *sql = g_strdup_printf (
      "BEGIN READ WRITE; ALTER DATABASE %s SET default_transaction_read_only = %s; COMMIT", name, value);

  g_free (postgres_run (url, sql));
}

static void
test_read_only (void)
{
  const MrKeySpec spec = { .name = (char *) "no" };
  g_autofree char *url = NULL;
  g_autoptr (StoreStage) stage = open_stage (&url);
  g_autofree char *secret = stage_create_named (stage, "k", NULL);
  g_autoptr (GError) error = NULL;

  set_read_only (url, "on");
  stage_reopen (stage);
  g_assert_cmpstr (mr_key_store_get_problem (stage->store), ==, "the PostgreSQL database is read-only");
  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  g_assert_null (stage_create (stage, &spec, NULL, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_STORE);
  set_read_only (url, "off");
  stage_wait_ready (stage);
  g_free (stage_create_named (stage, "yes", NULL));
}

static void
test_newer_schema (void)
{
  g_autofree char *url = NULL;
  g_autoptr (StoreStage) stage = open_stage (&url);
  g_autofree char *version = NULL;

  g_free (postgres_run (url, "UPDATE modelrelay_schema SET version = 99; DROP TABLE modelrelay_usage"));
  stage_reopen (stage);
  g_assert_nonnull (strstr (mr_key_store_get_problem (stage->store), "newer version"));
  version = postgres_run (url, "SELECT version || coalesce (to_regclass ('modelrelay_usage')::text, '-')"
                               " FROM modelrelay_schema");
  g_assert_cmpstr (version, ==, "99-");
}

/* Many relays on a database that has no tables yet: one makes them, the others wait for it. */
static void
test_first_start_together (void)
{
  g_autofree char *url = postgres_new_database (server);
  g_autofree char *rows = NULL;
  g_autofree char *argument = g_strconcat ("--open=", url, NULL);
  MrtProcess *relays[8];

  for (gsize i = 0; i < G_N_ELEMENTS (relays); i++) {
    g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
    const char *const program[] = { self, argument, NULL };

    relays[i] = mrt_process_start (program, NULL);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (relays); i++) {
    int exit_code = mrt_process_wait_exit (relays[i], 30000);
    g_autofree char *log = mrt_process_get_log (relays[i]);

    g_test_message ("%s", log);
    g_assert_cmpint (exit_code, ==, 0);
    mrt_process_free (relays[i]);
  }
  rows = postgres_run (url, "SELECT count (*) FROM modelrelay_schema");
  g_assert_cmpstr (rows, ==, "1");
}

static int
run_opener (const char *url)
{
  g_autoptr (StoreStage) stage = stage_new (url);

  return mr_key_store_get_problem (stage->store) == NULL ? 0 : 1;
}

int
main (int argc, char **argv)
{
  int result;

  if (argc == 2 && g_str_has_prefix (argv[1], "--open="))
    return run_opener (argv[1] + strlen ("--open="));
  g_test_init (&argc, &argv, NULL);
  server = postgres_start ();
  g_test_add_func ("/postgres/contract/B3/created-elsewhere", test_created_elsewhere);
  g_test_add_func ("/postgres/contract/B3/revoked-elsewhere", test_revoked_elsewhere);
  g_test_add_func ("/postgres/contract/B6/budget-is-shared", test_budget_shared);
  g_test_add_func ("/postgres/contract/F8/server-dies", test_server_dies);
  g_test_add_func ("/postgres/contract/F8/missed-notifications", test_missed_notifications);
  g_test_add_func ("/postgres/contract/F8/exactly-once", test_exactly_once);
  g_test_add_func ("/postgres/contract/B7/wrong-password", test_wrong_password);
  g_test_add_func ("/postgres/contract/F8/silent-server", test_silent_server);
  g_test_add_func ("/postgres/contract/F8/read-only", test_read_only);
  g_test_add_func ("/postgres/contract/F8/newer-schema", test_newer_schema);
  g_test_add_func ("/postgres/server/key-store/first-start-together", test_first_start_together);
  result = g_test_run ();
  postgres_free (server);
  return result;
}
