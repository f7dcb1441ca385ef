/* SPDX-License-Identifier: MIT */
/*
 * The day's sums: midnight, the file, and files that are none of ours.
 */
#include "today.h"

#include <glib/gstdio.h>

typedef struct {
  char *directory; /* Owned */
  char *state_dir; /* Owned: does not exist yet */
  char *path;      /* Owned */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("mr-today-XXXXXX", NULL);
  fixture->state_dir = g_build_filename (fixture->directory, "state", NULL);
  fixture->path = g_build_filename (fixture->state_dir, "today.json", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *aside = g_strconcat (fixture->path, ".damaged", NULL);

  g_remove (fixture->path);
  g_remove (aside);
  g_remove (fixture->state_dir);
  g_assert_cmpint (g_remove (fixture->directory), ==, 0);
  g_free (fixture->path);
  g_free (fixture->state_dir);
  g_free (fixture->directory);
}

static void
add (MrToday *today, const char *iso, guint requests)
{
  g_autoptr (GDateTime) local = g_date_time_new_from_iso8601 (iso, NULL);
  const MrSharingToday more = {
    .requests = requests,
    .failed = 1,
    .prompt_tokens = 100,
    .completion_tokens = G_MAXUINT32,
    .busy_seconds = 3,
  };

  mr_today_add (today, local, &more);
}

static guint64
requests_on (MrToday *today, const char *iso)
{
  g_autoptr (GDateTime) local = g_date_time_new_from_iso8601 (iso, NULL);
  MrSharingToday sums;

  mr_today_get (today, local, &sums);
  return sums.requests;
}

#define LATE "2026-11-21T23:59:59+01:00"
#define MIDNIGHT "2026-11-22T00:00:00+01:00"

static void
test_midnight (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrToday) today = mr_today_new (fixture->state_dir);

  g_assert_cmpuint (requests_on (today, LATE), ==, 0);
  add (today, "2026-11-21T00:00:00+01:00", 2);
  add (today, LATE, 3);
  g_assert_cmpuint (requests_on (today, LATE), ==, 5);
  g_assert_cmpuint (requests_on (today, MIDNIGHT), ==, 0);
  g_assert_cmpuint (requests_on (today, LATE), ==, 5);
  add (today, MIDNIGHT, 7);
  g_assert_cmpuint (requests_on (today, MIDNIGHT), ==, 7);
  /* The clock is set back, within the day and beyond it. */
  add (today, "2026-11-22T00:00:00+01:00", 1);
  g_assert_cmpuint (requests_on (today, MIDNIGHT), ==, 8);
  add (today, LATE, 1);
  g_assert_cmpuint (requests_on (today, LATE), ==, 1);
  g_assert_cmpuint (requests_on (today, MIDNIGHT), ==, 0);
}

static void
test_file (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDateTime) local = g_date_time_new_from_iso8601 (LATE, NULL);
  MrSharingToday sums;

  for (guint i = 1; i <= 3; i++) {
    g_autoptr (MrToday) today = mr_today_new (fixture->state_dir);
    add (today, LATE, 1);
    mr_today_save (today);
    add (today, LATE, 1);
    g_assert_cmpuint (requests_on (today, LATE), ==, 2 * i);
  }
  g_autoptr (MrToday) today = mr_today_new (fixture->state_dir);
  mr_today_get (today, local, &sums);
  g_assert_cmpuint (sums.requests, ==, 6);
  g_assert_cmpuint (sums.failed, ==, 6);
  g_assert_cmpuint (sums.prompt_tokens, ==, 600);
  g_assert_cmpuint (sums.completion_tokens, ==, 6 * (guint64) G_MAXUINT32);
  g_assert_cmpuint (sums.busy_seconds, ==, 18);
  g_assert_cmpuint (requests_on (today, MIDNIGHT), ==, 0);
}

static void
test_foreign_file (Fixture *fixture, gconstpointer data)
{
  static const char *const texts[] = {
    "",
    "{",
    "[[[[",
    "{\"date\":\"2026-11-21\"}",
    "{\"date\":7,\"requests\":1,\"failed\":0,\"prompt_tokens\":0,\"completion_tokens\":0,\"busy_seconds\":0}",
    "{\"date\":\"2026-11-21\",\"requests\":-1,\"failed\":0,\"prompt_tokens\":0,\"completion_tokens\":0,"
    "\"busy_seconds\":0}",
    "{\"date\":\"2026-11-21\",\"requests\":1e99,\"failed\":0,\"prompt_tokens\":0,\"completion_tokens\":0,"
    "\"busy_seconds\":0}",
    "{\"date\":\"2026-11-21\",\"requests\":1,\"failed\":0,\"prompt_tokens\":0,\"completion_tokens\":0,"
    "\"busy_seconds\":0}{}",
  };
  g_autofree char *aside = g_strconcat (fixture->path, ".damaged", NULL);

  g_assert_cmpint (g_mkdir (fixture->state_dir, 0700), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *kept = NULL;
    g_assert_true (g_file_set_contents (fixture->path, texts[i], -1, NULL));
    g_autoptr (MrToday) today = mr_today_new (fixture->state_dir);
    g_assert_cmpuint (requests_on (today, LATE), ==, 0);
    g_assert_false (g_file_test (fixture->path, G_FILE_TEST_EXISTS));
    g_assert_true (g_file_get_contents (aside, &kept, NULL, NULL));
    g_assert_cmpstr (kept, ==, texts[i]);
    add (today, LATE, 4);
    g_clear_pointer (&today, mr_today_free);
    g_autoptr (MrToday) again = mr_today_new (fixture->state_dir);
    g_assert_cmpuint (requests_on (again, LATE), ==, 4);
  }
}

/* Not even a file, or one that nobody would read to its end. */
static void
test_odd_file (Fixture *fixture, gconstpointer data)
{
  g_autofree char *large = g_strnfill (1000000, ' ');

  g_assert_cmpint (g_mkdir (fixture->state_dir, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (fixture->path, 0700), ==, 0);
  mr_today_free (mr_today_new (fixture->state_dir));
  g_assert_false (g_file_test (fixture->path, G_FILE_TEST_EXISTS));
  g_autofree char *aside = g_strconcat (fixture->path, ".damaged", NULL);
  g_assert_cmpint (g_rmdir (aside), ==, 0);
  g_assert_true (g_file_set_contents (fixture->path, large, -1, NULL));
  mr_today_free (mr_today_new (fixture->state_dir));
  g_assert_false (g_file_test (fixture->path, G_FILE_TEST_EXISTS));
}

/* A state directory that cannot be is no reason to stop. */
static void
test_no_directory (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MrToday) today = mr_today_new ("/dev/null/state");

  add (today, LATE, 4);
  mr_today_save (today);
  g_assert_cmpuint (requests_on (today, LATE), ==, 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/desktop/today/midnight", Fixture, NULL, set_up, test_midnight, tear_down);
  g_test_add ("/desktop/today/file", Fixture, NULL, set_up, test_file, tear_down);
  g_test_add ("/desktop/today/foreign-file", Fixture, NULL, set_up, test_foreign_file, tear_down);
  g_test_add ("/desktop/today/odd-file", Fixture, NULL, set_up, test_odd_file, tear_down);
  g_test_add ("/desktop/today/no-directory", Fixture, NULL, set_up, test_no_directory, tear_down);
  return g_test_run ();
}
