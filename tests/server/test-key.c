/* SPDX-License-Identifier: MIT */
/* A key by itself: globs, life, names: server/key.c. Secrets: server/key-secret.c. */
#include "key.h"

#include "key-secret.h"

#include <string.h>

static MrKey *
make_key (const char *const *models)
{
  static const guint8 hash[MR_KEY_HASH_BYTES];
  const MrKeySpec spec = { .name = (char *) "k", .models = (char **) models };

  return mr_key_new ("id", "mr-prefix", hash, &spec, 1);
}

static void
test_globs (void)
{
  static const struct {
    const char *glob, *model;
    gboolean allowed;
  } cases[] = {
    { "llama3", "llama3", TRUE },
    { "llama3", "llama3.1", FALSE },
    { "llama3", "Llama3", FALSE },
    { "llama*", "llama", TRUE },
    { "llama*", "llama3:70b/q4", TRUE },
    { "*", "", TRUE },
    { "", "", TRUE },
    { "", "x", FALSE },
    { "*:70b", "llama3:70b", TRUE },
    { "*:70b", "llama3:70b:70", FALSE },
    { "a*b*c", "a-b-b-c", TRUE },
    { "a*b*c", "a-c-b", FALSE },
    { "a**c", "abc", TRUE },
    { "gpt-?", "gpt-4", TRUE },
    { "gpt-?", "gpt-", FALSE },
    { "gpt-?", "gpt-40", FALSE },
    { "?", "\xc3\xa9", TRUE },
    { "??", "\xc3\xa9", FALSE },
    { "*?", "\xf0\x9f\xa6\x99", TRUE },
    { "[ab]", "a", FALSE },
    { "[ab]", "[ab]", TRUE },
    { "a\\*", "a\\b", TRUE },
    { "*", "\xff", FALSE },
    { "?", "\xf0", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *const models[] = { cases[i].glob, NULL };
    g_autoptr (MrKey) key = make_key (models);

    g_test_message ("%s %s", cases[i].glob, cases[i].model);
    g_assert_cmpint (mr_key_allows_model (key, cases[i].model), ==, cases[i].allowed);
  }
}

static void
test_lists (void)
{
  static const char *const none[] = { NULL };
  static const char *const two[] = { "a", "b*", NULL };
  g_autoptr (MrKey) every = make_key (NULL);
  g_autoptr (MrKey) nothing = make_key (none);
  g_autoptr (MrKey) some = make_key (two);

  g_assert_true (mr_key_allows_model (every, "x"));
  g_assert_false (mr_key_allows_model (nothing, "x"));
  g_assert_true (mr_key_allows_model (some, "bcd"));
  g_assert_false (mr_key_allows_model (some, "c"));
}

/* Many stars and a long name cost their product at most, not a power of it. */
static void
test_glob_cost (void)
{
  g_autofree char *model = g_strnfill (10000, 'a');
  const char *const models[] = { "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", NULL };
  g_autoptr (MrKey) key = make_key (models);
  gint64 start = g_get_monotonic_time ();

  g_assert_false (mr_key_allows_model (key, model));
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
}

static void
test_life (void)
{
  g_autoptr (MrKey) key = make_key (NULL);

  g_assert_true (mr_key_is_live (key, 0));
  key->spec.expires_at = 100;
  g_assert_true (mr_key_is_live (key, 99));
  g_assert_false (mr_key_is_live (key, 100));
  key->spec.expires_at = 0;
  key->revoked = TRUE;
  g_assert_false (mr_key_is_live (key, 0));
}

static void
test_names (void)
{
  MrKeyScope scope = MR_KEY_SCOPE_WORKER;
  MrPriority priority = MR_PRIORITY_LOW;

  for (MrKeyScope i = MR_KEY_SCOPE_CLIENT; i <= MR_KEY_SCOPE_WORKER; i++) {
    g_assert_true (mr_key_scope_from_name (mr_key_scope_name (i), &scope));
    g_assert_cmpint (scope, ==, i);
  }
  for (MrPriority i = 0; i < MR_N_PRIORITIES; i++) {
    g_assert_true (mr_priority_from_name (mr_priority_name (i), &priority));
    g_assert_cmpint (priority, ==, i);
  }
  g_assert_cmpstr (mr_key_scope_name (MR_KEY_SCOPE_CLIENT), ==, "client");
  g_assert_cmpstr (mr_priority_name (MR_PRIORITY_HIGH), ==, "high");
  g_assert_false (mr_key_scope_from_name ("Client", &scope));
  g_assert_false (mr_priority_from_name ("", &priority));
  g_assert_cmpint (priority, ==, MR_PRIORITY_LOW);
}

static void
test_secret (void)
{
  g_autofree char *secret = mr_key_secret_new ();
  g_autofree char *other = mr_key_secret_new ();
  const MrKeySpec spec = { .name = (char *) "k" };
  g_autoptr (MrKey) key = mr_key_new_with_secret (secret, &spec, 7);
  static const guint8 of_abc[] = { 0xba, 0x78, 0x16, 0xbf };
  guint8 hash[MR_KEY_HASH_BYTES];

  g_assert_true (g_regex_match_simple ("^mr-[A-Za-z0-9_-]{43}$", secret, 0, 0));
  g_assert_cmpstr (secret, !=, other);
  g_assert_cmpuint (strlen (key->prefix), ==, 11);
  g_assert_true (g_str_has_prefix (secret, key->prefix));
  g_assert_true (g_uuid_string_is_valid (key->id));
  mr_key_secret_hash (secret, hash);
  g_assert_cmpmem (hash, sizeof hash, key->hash, sizeof key->hash);
  mr_key_secret_hash ("abc", hash);
  g_assert_cmpmem (hash, 4, of_abc, 4); /* FIPS 180-2, B.1 */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/B6/globs", test_globs);
  g_test_add_func ("/contract/B6/lists-of-globs", test_lists);
  g_test_add_func ("/server/key/glob-cost", test_glob_cost);
  g_test_add_func ("/contract/B3/life", test_life);
  g_test_add_func ("/server/key/names", test_names);
  g_test_add_func ("/contract/G3/secret", test_secret);
  return g_test_run ();
}
