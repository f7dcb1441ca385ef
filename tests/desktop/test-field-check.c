/* SPDX-License-Identifier: MIT */
/*
 * What may be typed into the fields of the settings.
 */
#include "field-check.h"

#include <locale.h>
#include <string.h>

typedef char *(*Check) (const char *text);

static void
accepts (Check check, const char *text)
{
  g_autofree char *problem = check (text);
  g_assert_cmpstr (problem, ==, NULL);
}

/* @about: a part of the sentence */
static void
refuses (Check check, const char *text, const char *about)
{
  g_autofree char *problem = check (text);
  g_assert_nonnull (problem);
  g_assert_nonnull (strstr (problem, about));
}

static void
test_relay_url (void)
{
  accepts (mr_field_check_relay_url, "http://127.0.0.1:8080");
  accepts (mr_field_check_relay_url, "http://[::1]:8080/prefix");
  accepts (mr_field_check_relay_url, "https://relay.example.org");
  accepts (mr_field_check_relay_url, "ws://relay.example.org");
  refuses (mr_field_check_relay_url, "", "like https://relay.example.org");
  refuses (mr_field_check_relay_url, "relay.example.org:8080", "begin with http://");
  refuses (mr_field_check_relay_url, "ftp://relay.example.org", "begin with http://");
  refuses (mr_field_check_relay_url, "http://", "look like");
  refuses (mr_field_check_relay_url, "http://relay:99999", "look like");
  refuses (mr_field_check_relay_url, "http://me:secret@relay", "user name");
  refuses (mr_field_check_relay_url, "http://relay/?a=b", "user name");
}

static void
test_backend_url (void)
{
  accepts (mr_field_check_backend_url, "http://127.0.0.1:11434");
  refuses (mr_field_check_backend_url, "localhost:11434", "begin with http://");
  refuses (mr_field_check_backend_url, "", "like http://127.0.0.1:8080");
}

static void
test_names (void)
{
  g_autofree char *long_name = g_strnfill (300, 'x');
  accepts (mr_field_check_secret, "correct horse battery staple");
  refuses (mr_field_check_secret, "", "worker secret");
  refuses (mr_field_check_secret, "two\nlines", "single line");
  accepts (mr_field_check_provider, "local");
  refuses (mr_field_check_provider, "", "local");
  refuses (mr_field_check_provider, long_name, "too long");
  refuses (mr_field_check_provider, "a\tb", "single line");
  accepts (mr_field_check_worker_name, "");
  accepts (mr_field_check_worker_name, "Küche");
  refuses (mr_field_check_worker_name, long_name, "too long");
  accepts (mr_field_check_program, "blender");
  refuses (mr_field_check_program, "", "name of a program");
  refuses (mr_field_check_program, "/usr/bin/blender", "without its folder");
  refuses (mr_field_check_program, long_name, "too long");
}

static void
check_number (const char *text, gboolean good)
{
  g_autofree char *problem = mr_field_check_number (text, 1, 4096);
  g_assert_cmpint (problem == NULL, ==, good);
  if (!good) {
    g_assert_nonnull (strstr (problem, "from 1 to 4096"));
  }
}

static void
test_number (void)
{
  check_number ("1", TRUE);
  check_number (" 4096 ", TRUE);
  check_number ("0", FALSE);
  check_number ("4097", FALSE);
  check_number ("-1", FALSE);
  check_number ("1.5", FALSE);
  check_number ("", FALSE);
  check_number ("99999999999999999999", FALSE);
}

static void
check_time (const char *text, int expected)
{
  guint minutes = 9999;
  gboolean good = mr_field_parse_time (text, &minutes);
  g_autofree char *problem = mr_field_check_time (text);
  g_assert_cmpint (good, ==, expected >= 0);
  g_assert_cmpint (problem == NULL, ==, good);
  g_assert_cmpint ((int) minutes, ==, good ? expected : 9999);
}

static void
test_time (void)
{
  check_time ("0:00", 0);
  check_time (" 08:05", 485);
  check_time ("23:59 ", 1439);
  check_time ("20.30", 1230);
  check_time ("7", 420);
  check_time ("8:00 PM", 1200);
  check_time ("12:00 am", 0);
  check_time ("12:30 p.m.", 750);
  check_time ("24:00", -1);
  check_time ("12:60", -1);
  check_time ("12:5", -1);
  check_time ("13:00 pm", -1);
  check_time ("0:10 am", -1);
  check_time ("", -1);
  check_time ("noon", -1);
  check_time ("12:00x", -1);
  check_time ("123:00", -1);
  check_time ("-1:00", -1);
}

static void
test_time_round_trip (void)
{
  for (guint minutes = 0; minutes < 24 * 60; minutes++) {
    g_autofree char *text = mr_field_format_time (minutes);
    guint parsed;
    g_assert_true (mr_field_parse_time (text, &parsed));
    g_assert_cmpuint (parsed, ==, minutes);
  }
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/L2/relay-url", test_relay_url);
  g_test_add_func ("/contract/L2/backend-url", test_backend_url);
  g_test_add_func ("/contract/L2/names", test_names);
  g_test_add_func ("/contract/L2/number", test_number);
  g_test_add_func ("/contract/L2/time", test_time);
  g_test_add_func ("/contract/L2/time-round-trip", test_time_round_trip);
  return g_test_run ();
}
