/* SPDX-License-Identifier: MIT */
/*
 * Keys in a SQLite file when things break: a relay that is killed, a disk that is full or read-only, a file that is
 * damaged, gone, or of another version.
 */
#include "error.h"
#include "process.h"
#include "store-stage.h"

#include <glib/gstdio.h>
#include <pwd.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KILLS 50

static const char *program;

typedef struct {
  char *directory;
  char *path;
  char *url;
} File;

static void
file_set_up (File *file, gconstpointer data)
{
  file->directory = g_dir_make_tmp ("key-file-XXXXXX", NULL);
  file->path = g_build_filename (file->directory, "keys.db", NULL);
  file->url = g_strconcat ("sqlite:", file->path, NULL);
}

static void
file_tear_down (File *file, gconstpointer data)
{
  static const char *const suffixes[] = { "", "-wal", "-shm", "-journal", ".good" };

  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++) {
    g_autofree char *path = g_strconcat (file->path, suffixes[i], NULL);

    g_remove (path);
  }
  g_assert_cmpint (g_rmdir (file->directory), ==, 0);
  g_free (file->directory);
  g_free (file->path);
  g_free (file->url);
}

/* The first value of the last row. */
static int
keep_value (void *data, int n, char **values, char **names)
{
  char **value = data;

  g_free (*value);
  *value = g_strdup (values[0]);
  return 0;
}

static char *
run_sql (const char *path, const char *sql)
{
  char *value = NULL;
  sqlite3 *db;

  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  if (sqlite3_exec (db, sql, keep_value, &value, NULL) != SQLITE_OK)
    g_error ("%s: %s", sql, sqlite3_errmsg (db));
  sqlite3_close (db);
  return value;
}

static void
assert_create_fails (StoreStage *stage, const char *problem)
{
  const MrKeySpec spec = { .name = (char *) "no" };
  g_autoptr (GError) error = NULL;

  g_assert_null (stage_create (stage, &spec, NULL, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, problem));
  g_assert_cmpuint (mr_error_info (error->code)->http_status, ==, 503);
  g_assert_nonnull (strstr (mr_key_store_get_problem (stage->store), problem));
}

static void
test_new_file (File *file, gconstpointer data)
{
  g_autofree char *path = g_build_filename (file->directory, "a", "b", "keys.db", NULL);
  g_autofree char *outer = g_build_filename (file->directory, "a", NULL);
  g_autofree char *inner = g_path_get_dirname (path);
  g_autofree char *url = g_strconcat ("sqlite:", path, NULL);
  mode_t mask = umask (0);
  gint64 start = g_get_monotonic_time ();
  g_autoptr (StoreStage) stage = stage_new (url);
  g_autofree char *secret = NULL;
  GStatBuf info;

  g_test_message ("usable after %.1f ms", (double) (g_get_monotonic_time () - start) / 1000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
  secret = stage_create_named (stage, "k", NULL);
  umask (mask);
  g_assert_cmpint (g_stat (inner, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0700);

  static const char *const suffixes[] = { "", "-wal", "-shm" };
  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++) {
    g_autofree char *name = g_strconcat (path, suffixes[i], NULL);

    g_assert_cmpint (g_stat (name, &info), ==, 0);
    g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  }
  mr_key_store_free (g_steal_pointer (&stage->store));

  /* The secret itself is nowhere in it. */
  g_autofree char *contents = NULL;
  gsize length;
  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  g_assert_null (memmem (contents, length, secret, strlen (secret)));
  g_assert_nonnull (memmem (contents, length, secret, 11));
  g_remove (path);
  g_rmdir (inner);
  g_rmdir (outer);
}

static void
set_file_limit (rlim_t bytes)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = bytes;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

/* No file may grow: as on a full disk every write fails, and reading goes on. */
static void
test_full_disk (File *file, gconstpointer data)
{
  g_autoptr (StoreStage) stage = stage_new (file->url);
  g_autofree char *id = NULL;
  g_autofree char *doomed_id = NULL;
  g_autofree char *secret = stage_create_named (stage, "a", &id);
  g_autofree char *doomed = stage_create_named (stage, "doomed", &doomed_id);
  g_autoptr (GError) error = NULL;
  MrKey *key = mr_key_store_get (stage->store, id);

  set_file_limit (1);
  stage_note (stage, key, "m", 10, 1);
  stage_wait_degraded (stage);
  g_assert_true (mr_key_store_find (stage->store, secret) == key);
  assert_create_fails (stage, "disk full");

  g_assert_false (stage_revoke (stage, doomed_id, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, "no longer works on this relay"));
  g_assert_null (mr_key_store_find (stage->store, doomed));
  g_assert_cmpuint (stage->died->len, ==, 1);
  stage_note (stage, key, "m", 100, 1);

  set_file_limit (RLIM_INFINITY);
  stage_wait_ready (stage);
  stage_wait_usage (stage, "a m 2 110 2\n");
  g_assert_true (mr_key_store_get (stage->store, id) == key);
  stage_reopen (stage);
  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  g_assert_null (mr_key_store_find (stage->store, doomed));
  stage_wait_usage (stage, "a m 2 110 2\n");
  g_autoptr (GPtrArray) keys = mr_key_store_list (stage->store);
  g_assert_cmpuint (keys->len, ==, 2); /* nothing of the key that could not be created */
}

/* A disk that has room again only when the relay ends: what is due is written then. */
static void
test_last_chance (File *file, gconstpointer data)
{
  g_autoptr (StoreStage) stage = stage_new (file->url);
  g_autofree char *id = NULL;
  g_autofree char *secret = stage_create_named (stage, "a", &id);

  set_file_limit (1);
  stage_note (stage, NULL, "m", 10, 1);
  stage_wait_degraded (stage);
  g_assert_false (stage_revoke (stage, id, NULL));
  set_file_limit (RLIM_INFINITY);
  stage_reopen (stage);
  stage_wait_usage (stage, "- m 1 10 1\n");
  g_assert_null (mr_key_store_find (stage->store, secret));
}

/* Permissions do not bind root: then the test goes on as nobody. */
static void
drop_root (gboolean drop)
{
  static gboolean was_root;

  was_root = was_root || geteuid () == 0;
  if (was_root)
    g_assert_cmpint (seteuid (drop ? getpwnam ("nobody")->pw_uid : 0), ==, 0);
}

static void
test_read_only (File *file, gconstpointer data)
{
  StoreStage *stage = stage_new (file->url);
  g_autofree char *id = NULL;
  g_autofree char *secret = stage_create_named (stage, "a", &id);

  stage_free (stage);
  g_assert_cmpint (chmod (file->path, 0444), ==, 0);
  g_assert_cmpint (chmod (file->directory, 0555), ==, 0);
  drop_root (TRUE);
  stage = stage_new (file->url);
  g_assert_cmpstr (mr_key_store_get_problem (stage->store), ==, "the key database is read-only");
  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  assert_create_fails (stage, "read-only");
  stage_note (stage, mr_key_store_get (stage->store, id), "m", 5, 0);
  drop_root (FALSE);
  g_assert_cmpint (chmod (file->directory, 0700), ==, 0);
  g_assert_cmpint (chmod (file->path, 0600), ==, 0);
  stage_wait_ready (stage);
  stage_wait_usage (stage, "a m 1 5 0\n");
  stage_free (stage);
}

static void
test_no_place (File *file, gconstpointer data)
{
  g_autoptr (StoreStage) stage = NULL;

  g_assert_cmpint (g_mkdir (file->path, 0700), ==, 0); /* a directory where the file should be */
  stage = stage_new (file->url);
  g_assert_cmpstr (mr_key_store_get_problem (stage->store), ==, "the key database cannot be opened");
  assert_create_fails (stage, "cannot be opened");
  g_assert_null (strstr (mr_key_store_get_problem (stage->store), file->directory));
  g_assert_cmpint (g_rmdir (file->path), ==, 0);
  stage_wait_ready (stage);
  g_free (stage_create_named (stage, "k", NULL));
}

static void
assert_unchanged (const char *path, const char *contents, gsize length)
{
  g_autofree char *now = NULL;
  gsize n;

  g_assert_true (g_file_get_contents (path, &now, &n, NULL));
  g_assert_cmpmem (now, n, contents, length);
}

/* Not a database at all; then somebody puts the good file back, while the store runs. */
static void
test_not_a_database (File *file, gconstpointer data)
{
  static const char text[] = "This is not the database that you are looking for. It is only some text, but a lot of it,"
                             " so that nobody takes it for a database that is too short to have a header.\n";
  g_autofree char *good = g_strconcat (file->path, ".good", NULL);
  StoreStage *stage = stage_new (file->url);
  g_autofree char *secret = stage_create_named (stage, "a", NULL);

  stage_free (stage);
  g_assert_cmpint (g_rename (file->path, good), ==, 0);
  g_assert_true (g_file_set_contents (file->path, text, -1, NULL));
  stage = stage_new (file->url);
  g_assert_cmpstr (mr_key_store_get_problem (stage->store), ==, "the key database is damaged");
  assert_create_fails (stage, "damaged");
  assert_unchanged (file->path, text, sizeof text - 1);
  g_assert_cmpint (g_rename (good, file->path), ==, 0);
  stage_wait_ready (stage);
  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  stage_free (stage);
}

static void
test_malformed_page (File *file, gconstpointer data)
{
  g_autofree char *contents = NULL;
  StoreStage *stage = stage_new (file->url);
  gsize length;

  for (guint i = 0; i < 100; i++)
    g_free (stage_create_named (stage, "a key with a name of some length", NULL));
  stage_free (stage);
  g_assert_true (g_file_get_contents (file->path, &contents, &length, NULL));
  g_assert_cmpuint (length, >, 5 * 4096);
  memset (contents + 4096, 0x5a, length - 4096);
  g_assert_true (g_file_set_contents (file->path, contents, (gssize) length, NULL));
  stage = stage_new (file->url);
  g_assert_cmpstr (mr_key_store_get_problem (stage->store), ==, "the key database is damaged");
  stage_note (stage, NULL, "m", 1, 1);
  stage_free (stage);
  assert_unchanged (file->path, contents, length);
}

/* A file that is lost while the relay runs is not replaced by an empty one, in which every key would be dead. */
static void
test_lost_file (File *file, gconstpointer data)
{
  g_autofree char *good = g_strconcat (file->path, ".good", NULL);
  g_autofree char *wal = g_strconcat (file->path, "-wal", NULL);
  g_autoptr (StoreStage) stage = stage_new (file->url);
  g_autofree char *secret = stage_create_named (stage, "a", NULL);
  gint64 deadline_us = stage_deadline ();

  stage_reopen (stage); /* now all of it is in the file itself */
  set_file_limit (1);
  stage_note (stage, NULL, "m", 1, 1);
  stage_wait_degraded (stage);
  g_assert_cmpint (g_rename (file->path, good), ==, 0);
  g_remove (wal);
  set_file_limit (RLIM_INFINITY);
  while (strstr (mr_key_store_get_problem (stage->store), "cannot be opened") == NULL)
    stage_turn (deadline_us);
  g_assert_false (g_file_test (file->path, G_FILE_TEST_EXISTS));
  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  g_assert_true (g_file_set_contents (file->path, "", 0, NULL));
  while (strstr (mr_key_store_get_problem (stage->store), "become empty") == NULL)
    stage_turn (deadline_us);
  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  g_assert_cmpuint (stage->died->len, ==, 0);
  g_assert_cmpint (g_rename (good, file->path), ==, 0);
  stage_wait_ready (stage);
}

static void
test_newer_schema (File *file, gconstpointer data)
{
  StoreStage *stage = stage_new (file->url);
  g_autofree char *contents = NULL;
  gsize length;

  stage_free (stage);
  g_free (run_sql (file->path, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 99"));
  g_assert_true (g_file_get_contents (file->path, &contents, &length, NULL));
  stage = stage_new (file->url);
  g_assert_nonnull (strstr (mr_key_store_get_problem (stage->store), "newer version"));
  assert_create_fails (stage, "newer version");
  stage_free (stage);
  assert_unchanged (file->path, contents, length);
}

static void
test_memory (void)
{
  g_autoptr (StoreStage) stage = stage_new ("sqlite::memory:");
  g_autofree char *secret = stage_create_named (stage, "k", NULL);

  g_assert_nonnull (mr_key_store_find (stage->store, secret));
  g_assert_null (mr_key_store_get_problem (stage->store));
}

/* --- A relay that is killed --- */

typedef struct {
  MrKeyStore *store;
  GQueue ids; /* that may be revoked */
  guint in_flight;
} Writer;

static void
on_writer_created (MrKey *key, const char *secret, const GError *error, gpointer data)
{
  Writer *writer = data;

  g_assert_no_error (error);
  printf ("created %s %s\n", key->id, secret);
  g_queue_push_tail (&writer->ids, g_strdup (key->id));
  writer->in_flight--;
}

typedef struct {
  Writer *writer;
  char *id;
} Revocation;

static void
on_writer_revoked (gboolean found, const GError *error, gpointer data)
{
  Revocation *revocation = data;

  g_assert_no_error (error);
  g_assert_true (found);
  printf ("revoked %s\n", revocation->id);
  revocation->writer->in_flight--;
  g_free (revocation->id);
  g_free (revocation);
}

/* Creates keys, revokes each third one, and says what was asked for and what was confirmed, until it is killed. */
static G_NORETURN void
run_writer (const char *url)
{
  const MrKeyStoreEvents events = { NULL };
  const MrKeySpec spec = { .name = (char *) "k" };
  Writer writer = { .store = mr_key_store_new (url, &events, NULL, NULL) };

  setvbuf (stdout, NULL, _IOLBF, 0);
  printf ("ready\n");
  for (guint i = 0;; i++) {
    if (i % 3 == 2 && !g_queue_is_empty (&writer.ids)) {
      Revocation *revocation = g_new0 (Revocation, 1);

      revocation->writer = &writer;
      revocation->id = g_queue_pop_head (&writer.ids);
      printf ("revoking %s\n", revocation->id);
      mr_key_store_revoke (writer.store, revocation->id, on_writer_revoked, revocation);
    } else {
      mr_key_store_create (writer.store, &spec, on_writer_created, &writer);
    }
    mr_key_store_note_usage (writer.store, NULL, "m", NULL);
    writer.in_flight++;
    while (writer.in_flight > 3)
      g_main_context_iteration (NULL, TRUE);
  }
}

static MrtProcess *
start_writer (const char *url)
{
  const char *const argv[] = { program, "--writer", url, NULL };
  MrtProcess *process = mrt_process_start (argv, NULL);
  gint64 deadline_us = stage_deadline ();
  gboolean ready = FALSE;

  while (!ready) {
    g_autofree char *output = mrt_process_get_output (process);

    ready = g_str_has_prefix (output, "ready\n");
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
    g_usleep (500);
  }
  return process;
}

/* What the writer said of the life of each key. Key: secret or id. */
typedef struct {
  GHashTable *secrets; /* id to secret: creation was confirmed */
  GHashTable *asked;   /* ids whose revocation was asked for */
  GHashTable *revoked; /* ids whose revocation was confirmed */
} Word;

static void
take_word (Word *word, const char *output)
{
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);
  guint n = g_strv_length (lines);

  /* The last one has no end: it may be cut short. */
  for (guint i = 0; i + 1 < n; i++) {
    g_auto (GStrv) words = g_strsplit (lines[i], " ", -1);

    if (strcmp (words[0], "created") == 0)
      g_hash_table_insert (word->secrets, g_strdup (words[1]), g_strdup (words[2]));
    else if (strcmp (words[0], "revoking") == 0)
      g_hash_table_add (word->asked, g_strdup (words[1]));
    else if (strcmp (words[0], "revoked") == 0)
      g_hash_table_add (word->revoked, g_strdup (words[1]));
  }
}

static void
check_word (Word *word, const char *url)
{
  g_autoptr (StoreStage) stage = stage_new (url);
  GHashTableIter iter;
  gpointer id, secret;

  g_assert_null (mr_key_store_get_problem (stage->store));
  g_hash_table_iter_init (&iter, word->secrets);
  while (g_hash_table_iter_next (&iter, &id, &secret)) {
    g_assert_nonnull (mr_key_store_get (stage->store, id));
    if (g_hash_table_contains (word->revoked, id))
      g_assert_null (mr_key_store_find (stage->store, secret));
    else if (!g_hash_table_contains (word->asked, id))
      g_assert_nonnull (mr_key_store_find (stage->store, secret));
  }
}

static void
test_killed (File *file, gconstpointer data)
{
  Word word = { g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free),
                g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
                g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL) };

  for (guint i = 0; i < KILLS; i++) {
    guint lifetime_us = (guint) g_test_rand_int_range (0, 30000);
    g_autoptr (MrtProcess) process = start_writer (file->url);
    g_autofree char *output = NULL;
    g_autofree char *verdict = NULL;

    g_usleep (lifetime_us);
    mrt_process_signal (process, SIGKILL);
    g_assert_cmpint (mrt_process_wait_exit (process, MRT_WAIT_MS), ==, 128 + SIGKILL);
    output = mrt_process_get_output (process);
    take_word (&word, output);
    check_word (&word, file->url);
    verdict = run_sql (file->path, "PRAGMA integrity_check");
    g_assert_cmpstr (verdict, ==, "ok");
  }
  g_test_message ("%d kills: %u keys confirmed, %u revocations confirmed", KILLS, g_hash_table_size (word.secrets),
                  g_hash_table_size (word.revoked));
  g_assert_cmpuint (g_hash_table_size (word.secrets), >, KILLS);
  g_assert_cmpuint (g_hash_table_size (word.revoked), >, 0);
  g_hash_table_unref (word.secrets);
  g_hash_table_unref (word.asked);
  g_hash_table_unref (word.revoked);
}

static void
add (const char *path, void (*func) (File *, gconstpointer))
{
  g_test_add (path, File, NULL, file_set_up, func, file_tear_down);
}

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "--writer") == 0)
    run_writer (argv[2]);
  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  signal (SIGXFSZ, SIG_IGN);
  add ("/sqlite/contract/B7/new-file-is-private", test_new_file);
  add ("/sqlite/contract/F8/full-disk", test_full_disk);
  add ("/sqlite/contract/F8/last-chance", test_last_chance);
  add ("/sqlite/contract/F8/read-only", test_read_only);
  add ("/sqlite/contract/F8/no-place", test_no_place);
  add ("/sqlite/contract/F8/not-a-database", test_not_a_database);
  add ("/sqlite/contract/F8/malformed-page", test_malformed_page);
  add ("/sqlite/contract/F8/lost-file", test_lost_file);
  add ("/sqlite/contract/F8/newer-schema", test_newer_schema);
  add ("/sqlite/contract/F7/killed", test_killed);
  g_test_add_func ("/sqlite/memory", test_memory);
  return g_test_run ();
}
