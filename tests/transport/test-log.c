/* SPDX-License-Identifier: MIT */
/*
 * Log lines as text and as JSON: their form, their escaping, levels, and what GLib's own log makes of them. The journal
 * is test-log-journal.c's business.
 */
#include "json.h"
#include "log.h"
#include "log-capture.h"

#include <string.h>

/* The line without its time, which was checked. */
static const char *
after_time (const char *line)
{
  g_assert_true (g_regex_match_simple ("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z ", line, 0, 0));
  return strchr (line, ' ') + 1;
}

static void
test_form (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  log_capture_begin ();
  mr_log_write (MR_LOG_INFO, "request dispatched", "request_id", "r-1", "worker", "gpu/0", NULL);
  mr_log_write (MR_LOG_ERROR, "backend error", "left_out", NULL, "status", "502", NULL);
  text = log_capture_end ();
  lines = g_strsplit (text, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, 3);
  g_assert_cmpstr (after_time (lines[0]), ==, "info  request dispatched request_id=r-1 worker=gpu/0");
  g_assert_cmpstr (after_time (lines[1]), ==, "error backend error status=502");
  g_assert_cmpstr (lines[2], ==, "");
}

static void
test_time_is_now (void)
{
  g_autoptr (GDateTime) before = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) logged = NULL;
  g_autofree char *text = NULL;
  GTimeSpan behind;

  log_capture_begin ();
  mr_log_write (MR_LOG_INFO, "x", NULL);
  text = log_capture_end ();
  *strchr (text, ' ') = '\0';
  logged = g_date_time_new_from_iso8601 (text, NULL);
  g_assert_nonnull (logged);
  behind = g_date_time_difference (logged, before);
  g_assert_cmpint (behind, >, -G_TIME_SPAN_MILLISECOND);
  g_assert_cmpint (behind, <, 10 * G_TIME_SPAN_SECOND);
}

static void
test_no_forged_lines (void)
{
  static const struct {
    const char *value;
    const char *shown;
  } cases[] = {
    { "plain:/-_.,[]", "plain:/-_.,[]" },
    { "", "\"\"" },
    { "two words", "\"two words\"" },
    { "a=b", "\"a=b\"" },
    { "a\nb\r\tc", "\"a\\nb\\u000d\\u0009c\"" },
    { "say \"x\\\"", "\"say \\\"x\\\\\\\"\"" },
    { "\x1b[31m", "\"\\u001b[31m\"" },
    { "\xff\xc3", "\"\\xff\\xc3\"" },
    { "Grüße", "\"Grüße\"" },
    { "\u2028\u2029\u202e\xc2\x85", "\"\\u2028\\u2029\\u202e\\u0085\"" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *expected = g_strdup_printf ("warn  event field=%s\n", cases[i].shown);
    g_autofree char *text = NULL;

    log_capture_begin ();
    mr_log_write (MR_LOG_WARN, "event", "field", cases[i].value, NULL);
    text = log_capture_end ();
    g_assert_cmpstr (after_time (text), ==, expected);
  }
}

/* One line of JSON, with its time checked and cut off. */
static char *
log_as_json (const char *name, const char *value)
{
  g_autofree char *line = NULL;

  mr_log_set_format (MR_LOG_FORMAT_JSON);
  log_capture_begin ();
  mr_log_write (MR_LOG_WARN, "request dispatched", "request_id", "r-1", "left_out", NULL, name, value, NULL);
  line = log_capture_end ();
  mr_log_set_format (MR_LOG_FORMAT_TEXT);
  g_assert_true (g_regex_match_simple (
      "^{\"time\":\"\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z\",\"level\":", line, 0, 0));
  return g_strdup (strstr (line, "\"level\""));
}

static void
test_json_form (void)
{
  g_autofree char *plain = log_as_json ("worker", "gpu/0 Grüße 😀");
  g_autofree char *nasty = log_as_json ("worker", "a\"b\\c\nd\x1b\x7f\xff\u2028\u202e\xc2\x85\U000e0001");

  g_assert_cmpstr (plain, ==,
                   "\"level\":\"warn\",\"event\":\"request dispatched\",\"request_id\":\"r-1\","
                   "\"worker\":\"gpu/0 Grüße 😀\"}\n");
  g_assert_cmpstr (nasty, ==,
                   "\"level\":\"warn\",\"event\":\"request dispatched\",\"request_id\":\"r-1\","
                   "\"worker\":\"a\\\"b\\\\c\\nd\\u001b\\u007f\\ufffd\\u2028\\u202e\\u0085\\udb40\\udc01\"}\n");
}

static char *
random_value (void)
{
  GString *value = g_string_new (NULL);

  for (int i = g_test_rand_int_range (0, 20); i > 0; i--) {
    gunichar c = (gunichar) g_test_rand_int_range (1, 0x110000);

    switch (g_test_rand_int_range (0, 4)) {
    case 0:
      g_string_append_c (value, (char) g_test_rand_int_range (1, 256));
      break;
    case 1:
      g_string_append_c (value, "\"\\\n,:{}"[g_test_rand_int_range (0, 7)]);
      break;
    default:
      if (g_unichar_validate (c))
        g_string_append_unichar (value, c);
    }
  }
  return g_string_free (value, FALSE);
}

/* Whatever the value, one line and one valid object, from which text comes back as it was. */
static void
test_json_random (void)
{
  static const char *const names[] = { "level", "event", "request_id", "nasty" };

  for (guint i = 0; i < 3000; i++) {
    g_autofree char *value = random_value ();
    g_autofree char *tail = log_as_json ("nasty", value);
    g_autofree char *object = g_strconcat ("{", tail, NULL);
    g_autofree char *read_back = NULL;
    g_autoptr (GError) error = NULL;
    MrJsonValue members[G_N_ELEMENTS (names)];

    g_assert_true (strchr (object, '\n') == object + strlen (object) - 1);
    g_assert_true (g_utf8_validate (object, -1, NULL));
    mr_json_scan_members (object, strlen (object), names, members, G_N_ELEMENTS (names), &error);
    g_assert_no_error (error);
    read_back = mr_json_dup_string (&members[3], &error);
    g_assert_no_error (error);
    if (g_utf8_validate (value, -1, NULL))
      g_assert_cmpstr (read_back, ==, value);
  }
}

static void
test_levels (void)
{
  static const char *const names[] = { "trace", "debug", "info", "warn", "error" };
  g_autofree char *text = NULL;
  MrLogLevel level = MR_LOG_WARN;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_assert_true (mr_log_level_from_string (names[i], &level));
    g_assert_cmpuint (level, ==, i);
  }
  level = MR_LOG_WARN;
  g_assert_false (mr_log_level_from_string ("INFO", &level));
  g_assert_false (mr_log_level_from_string ("", &level));
  g_assert_cmpuint (level, ==, MR_LOG_WARN);

  mr_log_set_level (MR_LOG_WARN);
  g_assert_false (mr_log_is_enabled (MR_LOG_INFO));
  g_assert_true (mr_log_is_enabled (MR_LOG_WARN));
  log_capture_begin ();
  mr_log (MR_LOG_INFO, "quiet", NULL);
  mr_log (MR_LOG_ERROR, "loud", NULL);
  text = log_capture_end ();
  mr_log_set_level (MR_LOG_INFO);
  g_assert_cmpstr (after_time (text), ==, "error loud\n");
}

/* The writer can be installed only once in a process, so each of these runs in one of its own. */
static void
run_glib_message (GLogLevelFlags level)
{
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  mr_log_install_glib_writer ();
  g_log ("Some-Library", level, "it said \"%s\"", "no\n");
}

static void
test_glib_warning (void)
{
  if (g_test_subprocess ()) {
    run_glib_message (G_LOG_LEVEL_WARNING);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*Z warn  library message domain=Some-Library message=\"it said \\\"no\\n\\\"\"\n*");
}

static void
test_glib_critical_is_fatal (void)
{
  if (g_test_subprocess ()) {
    run_glib_message (G_LOG_LEVEL_CRITICAL);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*Z error library message domain=Some-Library message=*");
}

static void
test_glib_structured_critical_is_fatal (void)
{
  if (g_test_subprocess ()) {
    g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    mr_log_install_glib_writer ();
    g_log_structured ("Some-Library", G_LOG_LEVEL_CRITICAL, "MESSAGE", "%s", "structured");
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*Z error library message domain=Some-Library message=structured\n*");
}

static void
test_glib_debug_is_dropped (void)
{
  if (g_test_subprocess ()) {
    g_unsetenv ("G_MESSAGES_DEBUG");
    mr_log_set_level (MR_LOG_TRACE);
    run_glib_message (G_LOG_LEVEL_DEBUG);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched ("*library message*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transport/log/form", test_form);
  g_test_add_func ("/transport/log/time-is-now", test_time_is_now);
  g_test_add_func ("/transport/log/no-forged-lines", test_no_forged_lines);
  g_test_add_func ("/contract/H2/json/form", test_json_form);
  g_test_add_func ("/contract/H2/json/random", test_json_random);
  g_test_add_func ("/transport/log/levels", test_levels);
  g_test_add_func ("/transport/log/glib/warning", test_glib_warning);
  g_test_add_func ("/transport/log/glib/critical-is-fatal", test_glib_critical_is_fatal);
  g_test_add_func ("/transport/log/glib/structured-critical-is-fatal", test_glib_structured_critical_is_fatal);
  g_test_add_func ("/transport/log/glib/debug-is-dropped", test_glib_debug_is_dropped);
  return g_test_run ();
}
