/* SPDX-License-Identifier: MIT */
/*
 * The client of the tray's helper, with shell scripts in the helper's place.
 */
#include "indicator-client.h"
#include "wait.h"

#include <glib/gstdio.h>
#include <string.h>

#define BUS_NAME ":1.7"

typedef struct {
  char *directory;
  char *script; /* notes each start in "started", and its orderly end in "ended" */
  MrIndicatorClient *client;
  guint notified;
} Fixture;

static char *
in_directory (Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->directory, name, NULL);
}

static void
on_notify (GObject *object, GParamSpec *property, Fixture *fixture)
{
  fixture->notified++;
}

/* A helper that does what @body says. */
static void
start (Fixture *fixture, const char *body)
{
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\necho \"$1\" >>'%s/started'\n%s\n", fixture->directory, body);

  g_assert_true (g_file_set_contents_full (fixture->script, text, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
  fixture->client = mr_indicator_client_new (fixture->script, BUS_NAME);
  g_signal_connect (fixture->client, "notify::visible", G_CALLBACK (on_notify), fixture);
}

static guint
count_starts (Fixture *fixture)
{
  g_autofree char *path = in_directory (fixture, "started");
  g_autofree char *text = NULL;
  guint n = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  for (const char *at = strchr (text, '\n'); at != NULL; at = strchr (at + 1, '\n'))
    n++;
  return n;
}

static gboolean
has_ended (Fixture *fixture)
{
  g_autofree char *path = in_directory (fixture, "ended");

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("modelrelay-indicator-XXXXXX", NULL);
  fixture->script = in_directory (fixture, "helper");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  const char *names[] = { "helper", "started", "ended" };

  if (fixture->client != NULL)
    g_assert_finalize_object (fixture->client);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = in_directory (fixture, names[i]);
    g_unlink (path);
  }
  g_assert_cmpint (g_rmdir (fixture->directory), ==, 0);
  g_free (fixture->directory);
  g_free (fixture->script);
}

static void
check_problem (Fixture *fixture, const char *words)
{
  g_autofree char *problem = mr_indicator_client_dup_problem (fixture->client);

  g_assert_nonnull (problem);
  if (strstr (problem, words) == NULL)
    g_error ("\"%s\" is not in: %s", words, problem);
}

static void
test_visible (Fixture *fixture, gconstpointer data)
{
  g_autofree char *body = g_strdup_printf ("echo visible; cat; echo x >'%s/end'; mv '%s/end' '%s/ended'",
                                           fixture->directory, fixture->directory, fixture->directory);
  g_autofree char *path = in_directory (fixture, "started");
  g_autofree char *told = NULL;

  start (fixture, body);
  g_assert_false (mr_indicator_client_is_settled (fixture->client));
  wait_until (mr_indicator_client_get_visible (fixture->client));
  g_assert_true (mr_indicator_client_is_settled (fixture->client));
  g_assert_null (mr_indicator_client_dup_problem (fixture->client));
  g_assert_cmpuint (fixture->notified, ==, 1);
  g_assert_true (g_file_get_contents (path, &told, NULL, NULL));
  g_assert_cmpstr (told, ==, BUS_NAME "\n");
  /* Nothing but the end of its input tells the helper to go. */
  g_assert_false (has_ended (fixture));
  g_assert_finalize_object (g_steal_pointer (&fixture->client));
  wait_until (has_ended (fixture));
}

static void
test_hidden (Fixture *fixture, gconstpointer data)
{
  g_setenv ("XDG_CURRENT_DESKTOP", "ubuntu:GNOME", TRUE);
  start (fixture, "echo hidden; exec cat");
  check_problem (fixture, "There is no tray icon");
  wait_until (mr_indicator_client_is_settled (fixture->client));
  g_assert_false (mr_indicator_client_get_visible (fixture->client));
  g_assert_cmpuint (fixture->notified, ==, 1);
  check_problem (fixture, "AppIndicator");
  g_setenv ("XDG_CURRENT_DESKTOP", "sway", TRUE);
  check_problem (fixture, "this desktop shows no tray");
}

static void
test_comes_and_goes (Fixture *fixture, gconstpointer data)
{
  start (fixture, "echo visible; echo visible; echo hidden; echo nonsense; echo visible; exec cat");
  /* The same again is no news. */
  wait_until (fixture->notified == 3);
  g_assert_true (mr_indicator_client_get_visible (fixture->client));
}

static void
test_killed (Fixture *fixture, gconstpointer data)
{
  gint64 begin_us;

  start (fixture, "echo visible; [ $(wc -l <\"${0%/*}/started\") -gt 1 ] && exec cat; exit 1");
  wait_until (mr_indicator_client_get_visible (fixture->client));
  wait_until (!mr_indicator_client_get_visible (fixture->client));
  begin_us = g_get_monotonic_time ();
  wait_until (mr_indicator_client_get_visible (fixture->client));
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, G_USEC_PER_SEC);
  g_assert_cmpuint (count_starts (fixture), ==, 2);
}

static void
test_back_off (Fixture *fixture, gconstpointer data)
{
  gint64 begin_us = g_get_monotonic_time ();

  start (fixture, "exit 1");
  wait_until (count_starts (fixture) == 3);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, >=, 480 * 1000);
  g_assert_true (mr_indicator_client_is_settled (fixture->client));
  g_assert_false (mr_indicator_client_get_visible (fixture->client));
}

static void
test_missing (Fixture *fixture, gconstpointer data)
{
  fixture->client = mr_indicator_client_new ("/nonexistent/modelrelay-indicator", BUS_NAME);
  g_assert_true (mr_indicator_client_is_settled (fixture->client));
  g_assert_false (mr_indicator_client_get_visible (fixture->client));
  check_problem (fixture, "could not be started");
}

static void
test_no_bus (Fixture *fixture, gconstpointer data)
{
  fixture->client = mr_indicator_client_new (fixture->script, NULL);
  g_assert_true (mr_indicator_client_is_settled (fixture->client));
  check_problem (fixture, "session bus");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  const struct {
    const char *path;
    void (*test) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/contract/L6/indicator-client/visible", test_visible },
    { "/contract/L6/indicator-client/hidden", test_hidden },
    { "/indicator-client/comes-and-goes", test_comes_and_goes },
    { "/indicator-client/killed", test_killed },
    { "/indicator-client/back-off", test_back_off },
    { "/indicator-client/missing", test_missing },
    { "/indicator-client/no-bus", test_no_bus },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
  return g_test_run ();
}
