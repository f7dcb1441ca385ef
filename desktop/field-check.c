/* SPDX-License-Identifier: MIT */
/*
 * Values as the owner types them, and what is wrong with them. See field-check.h.
 */
#include "field-check.h"

#include "limits.h"
#include "worker-config.h"

#include <glib/gi18n-lib.h>
#include <langinfo.h>
#include <string.h>

#define MINUTES_PER_HOUR 60
#define HOURS_PER_HALF_DAY 12
#define HOURS_PER_DAY 24

/* As the kernel's NAME_MAX. */
#define PROGRAM_NAME_MAX_BYTES 255

/* Values that every check of the worker takes; the one in question is put in their place. */
static const char *good_relays[] = { "http://127.0.0.1", NULL };
static const char *all_models[] = { "*", NULL };
static const MrWorkerConfig good_config = {
  .proxy_urls = (char **) good_relays,
  .worker_secret = (char *) "secret",
  .backend_url = (char *) "http://127.0.0.1",
  .models = (char **) all_models,
  .provider = (char *) "local",
  .max_concurrency = (char *) "auto",
  .poll_interval_us = 30 * G_USEC_PER_SEC,
};

/* Why an address is not taken, as far as a person can mend it. */
static char *
describe_bad_url (const char *text, const char *example)
{
  const char *scheme = g_uri_peek_scheme (text);
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_ENCODED, NULL);
  if (*text == '\0') {
    /* Translators: %s is an example of an address */
    return g_strdup_printf (_ ("Enter an address like %s."), example);
  }
  if (scheme == NULL || strstr (text, "://") == NULL || !g_str_has_prefix (scheme, "http")) {
    return g_strdup (_ ("The address must begin with http:// or https://."));
  }
  if (uri != NULL &&
      (g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL)) {
    return g_strdup (_ ("The address must not have a user name, a “?” or a “#” in it."));
  }
  /* Translators: %s is an example of an address */
  return g_strdup_printf (_ ("This is not an address that can be used. It must look like %s."), example);
}

char *
mr_field_check_relay_url (const char *text)
{
  const char *relays[] = { text, NULL };
  MrWorkerConfig config = good_config;
  config.proxy_urls = (char **) relays;
  return mr_worker_config_check (&config, NULL) ? NULL : describe_bad_url (text, "https://relay.example.org");
}

char *
mr_field_check_backend_url (const char *text)
{
  MrWorkerConfig config = good_config;
  config.backend_url = (char *) text;
  return mr_worker_config_check (&config, NULL) ? NULL : describe_bad_url (text, "http://127.0.0.1:8080");
}

char *
mr_field_check_secret (const char *text)
{
  MrWorkerConfig config = good_config;
  config.worker_secret = (char *) text;
  if (*text == '\0') {
    return g_strdup (_ ("Enter the worker secret. Who runs the relay can tell it to you."));
  }
  return mr_worker_config_check (&config, NULL) ? NULL : g_strdup (_ ("The secret must be a single line of text."));
}

char *
mr_field_check_provider (const char *text)
{
  MrWorkerConfig config = good_config;
  config.provider = (char *) text;
  if (*text == '\0') {
    return g_strdup (_ ("Enter the name of the provider. On most relays it is “local”."));
  }
  if (mr_worker_config_check (&config, NULL)) {
    return NULL;
  }
  return g_strdup (strlen (text) > MR_LIMIT_MODEL_NAME_BYTES ? _ ("This name is too long.")
                                                             : _ ("The name must be a single line of text."));
}

char *
mr_field_check_worker_name (const char *text)
{
  MrWorkerConfig config = good_config;
  config.worker_name = *text != '\0' ? (char *) text : NULL;
  if (mr_worker_config_check (&config, NULL)) {
    return NULL;
  }
  return g_strdup (strlen (text) > MR_LIMIT_WORKER_NAME_BYTES ? _ ("This name is too long.")
                                                              : _ ("The name must be a single line of text."));
}

char *
mr_field_check_program (const char *text)
{
  if (*text == '\0') {
    return g_strdup (_ ("Enter the name of a program."));
  }
  if (strchr (text, '/') != NULL) {
    return g_strdup (_ ("Enter the program’s name alone, without its folder."));
  }
  return strlen (text) > PROGRAM_NAME_MAX_BYTES ? g_strdup (_ ("This name is too long.")) : NULL;
}

char *
mr_field_check_number (const char *text, guint min, guint max)
{
  g_autofree char *stripped = g_strstrip (g_strdup (text));
  guint64 number;
  if (g_ascii_string_to_unsigned (stripped, 10, min, max, &number, NULL)) {
    return NULL;
  }
  return g_strdup_printf (_ ("Enter a whole number from %u to %u."), min, max);
}

char *
mr_field_check_time (const char *text)
{
  guint minutes;
  if (mr_field_parse_time (text, &minutes)) {
    return NULL;
  }
  g_autofree char *example = mr_field_format_time (20 * MINUTES_PER_HOUR);
  /* Translators: %s is a time of day, e.g. 20:00 */
  return g_strdup_printf (_ ("Enter a time like %s."), example);
}

/* Reads an unsigned number of at most two digits; moves @text behind it. */
static gboolean
take_number (const char **text, guint *number)
{
  const char *at = *text;
  guint value = 0;
  while (g_ascii_isdigit (*at) && at - *text < 2) {
    value = value * 10 + (guint) (*at++ - '0');
  }
  gboolean taken = at != *text;
  *text = at;
  *number = value;
  return taken;
}

/* What follows the digits: nothing, or the half of the day. */
static gboolean
take_half (const char *text, gboolean *named, gboolean *afternoon)
{
  g_autofree char *half = g_strstrip (g_utf8_casefold (text, -1));
  g_autofree char *am = g_utf8_casefold (nl_langinfo (AM_STR), -1);
  g_autofree char *pm = g_utf8_casefold (nl_langinfo (PM_STR), -1);
  *named = *half != '\0';
  *afternoon = *named && (g_str_equal (half, "pm") || g_str_equal (half, "p.m.") || g_str_equal (half, pm));
  return !*named || *afternoon || g_str_equal (half, "am") || g_str_equal (half, "a.m.") || g_str_equal (half, am);
}

gboolean
mr_field_parse_time (const char *text, guint *minutes)
{
  guint hour, minute = 0;
  gboolean named, afternoon;
  while (g_ascii_isspace (*text)) {
    text++;
  }
  if (!take_number (&text, &hour)) {
    return FALSE;
  }
  if (*text == ':' || *text == '.') {
    const char *digits = ++text;
    if (!take_number (&text, &minute) || text - digits != 2) {
      return FALSE;
    }
  }
  if (!take_half (text, &named, &afternoon) || minute >= MINUTES_PER_HOUR || hour >= HOURS_PER_DAY) {
    return FALSE;
  }
  if (named) {
    if (hour == 0 || hour > HOURS_PER_HALF_DAY) {
      return FALSE;
    }
    hour = hour % HOURS_PER_HALF_DAY + (afternoon ? HOURS_PER_HALF_DAY : 0);
  }
  *minutes = hour * MINUTES_PER_HOUR + minute;
  return TRUE;
}

char *
mr_field_format_time (guint minutes)
{
  const char *locale_way = nl_langinfo (T_FMT);
  gboolean halves = strstr (locale_way, "%r") != NULL || strstr (locale_way, "%I") != NULL ||
                    strstr (locale_way, "%l") != NULL || strstr (locale_way, "%p") != NULL;
  g_autoptr (GDateTime) time = g_date_time_new_utc (2000, 1, 1, (int) (minutes / MINUTES_PER_HOUR) % HOURS_PER_DAY,
                                                    (int) (minutes % MINUTES_PER_HOUR), 0);
  return g_strstrip (g_date_time_format (time, halves ? "%-l:%M %p" : "%H:%M"));
}
