/* SPDX-License-Identifier: MIT */
/* Who holds a conversation: server/affinity.c. How well that steers whole loads is test-affinity-simulation.c's. */
#include "affinity.h"

#include "limits.h"

#include <string.h>

#define NOW MR_USEC_PER_SEC

/* A body's worth of text that is not all the same. */
static char *
make_text (guint seed, gsize length)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  char *text = g_malloc (length + 1);

  for (gsize i = 0; i < length; i++)
    text[i] = (char) g_rand_int_range (rand, 'a', 'z' + 1);
  text[length] = '\0';
  return text;
}

static void
note (MrAffinity *affinity, const char *session, const char *body, const char *worker)
{
  g_auto (MrAffinityKey) key = { 0 };

  mr_affinity_key_init (&key, "m", session, body, strlen (body));
  mr_affinity_note (affinity, &key, worker, NOW);
}

static double
share_at (MrAffinity *affinity, const char *model, const char *session, const char *body, const char *worker,
          gint64 now)
{
  g_auto (MrAffinityKey) key = { 0 };
  MrAffinityHolder holders[MR_AFFINITY_MAX_HOLDERS];
  guint n;

  mr_affinity_key_init (&key, model, session, body, strlen (body));
  n = mr_affinity_find_holders (affinity, &key, now, holders);
  g_assert_cmpuint (n, <=, MR_AFFINITY_MAX_HOLDERS);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpfloat (holders[i].share, >, 0);
    g_assert_cmpfloat (holders[i].share, <=, 1);
    if (g_str_equal (holders[i].worker_id, worker))
      return holders[i].share;
  }
  return 0;
}

static double
share (MrAffinity *affinity, const char *session, const char *body, const char *worker)
{
  return share_at (affinity, "m", session, body, worker, NOW);
}

#define HI "{\"role\":\"user\",\"content\":\"hi\"}"
#define HELLO "{\"role\":\"assistant\",\"content\":\"Hello! How can I help you today?\"}"
#define NEXT "{\"role\":\"user\",\"content\":\"Tell me a joke.\"}"

static void
test_short_chat (void)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  const char *next = "{\"messages\": [" HI ", " HELLO ", " NEXT "], \"model\": \"m\"}";

  g_assert_cmpfloat (share (affinity, NULL, next, "one"), ==, 0);
  note (affinity, NULL, "{\"model\":\"m\",\"messages\":[" HI "]}", "one");
  g_assert_cmpfloat (share (affinity, NULL, next, "one"), >, 0.5);
  g_assert_cmpfloat (share (affinity, NULL, next, "two"), ==, 0);
  g_assert_cmpfloat (share (affinity, NULL, "{\"model\":\"m\",\"messages\":[" NEXT "]}", "one"), ==, 0);
  g_assert_cmpfloat (share_at (affinity, "other", NULL, next, "one", NOW), ==, 0);
  note (affinity, NULL, next, "two");
  g_assert_cmpfloat (share (affinity, NULL, next, "two"), ==, 1);
  g_assert_cmpfloat (share (affinity, NULL, next, "one"), <, 1);
}

/* A prompt of another API in turns: each is the one before, an answer, and something new. */
static void
check_turns (const char *first, const char *second, const char *stranger)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();

  note (affinity, NULL, first, "one");
  g_assert_cmpfloat (share (affinity, NULL, second, "one"), >=, 0.3);
  g_assert_cmpfloat (share (affinity, NULL, stranger, "one"), <, 0.3);
}

static void
test_shapes (void)
{
  g_autofree char *text = make_text (1, 2000);
  g_autofree char *first = g_strdup_printf ("{\"prompt\":\"%s\"}", text);
  g_autofree char *second = g_strdup_printf ("{\"prompt\":\"%s and the answer, and more\"}", text);

  check_turns (first, second, "{\"prompt\":\"something else\"}");
  check_turns ("{\"input\":[" HI "]}",
               "{\"input\":[" HI
               ",{\"type\":\"reasoning\",\"summary\":[]},{\"type\":\"function_call\",\"name\":\"ls\"},"
               "{\"type\":\"function_call_output\",\"output\":\"a b c\"}]}",
               "{\"input\":[" NEXT "]}");
  check_turns ("{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}]}",
               "{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"},{\"content\":\"hello\",\"role\":\"assistant\"},"
               "{\"content\":\"well\",\"role\":\"user\"}]}",
               "{\"messages\":[{\"content\":\"hi\",\"role\":\"system\"}]}");
  /* Instructions and tools come first in the prompt, wherever they stand in the body. */
  check_turns ("{\"messages\":[" HI "],\"tools\":[1],\"system\":\"be brief\"}",
               "{\"system\":\"be brief\",\"messages\":[" HI "," HELLO "," NEXT "],\"tools\":[1]}",
               "{\"system\":\"be long\",\"messages\":[" HI "," HELLO "," NEXT "],\"tools\":[1]}");
}

static char *
make_chat (const char *system, guint topic, guint n_turns)
{
  GString *body = g_string_new ("{\"messages\":[");

  g_string_append_printf (body, "{\"role\":\"system\",\"content\":\"%s\"}", system);
  for (guint i = 0; i < n_turns; i++) {
    if (i > 0)
      g_string_append_printf (body, ",{\"role\":\"assistant\",\"content\":\"answer %u to %u\"}", i, topic);
    g_string_append_printf (body, ",{\"role\":\"user\",\"content\":\"question %u about %u\"}", i, topic);
  }
  g_string_append (body, "]}");
  return g_string_free (body, FALSE);
}

/* Far beyond the marks that count, and with a long text that all have in common, each is still known by itself. */
static void
test_long_conversations (void)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  g_autofree char *system = make_text (2, 50000);

  for (guint turn = 1; turn <= 150; turn++)
    for (guint topic = 0; topic < 10; topic++) {
      g_autofree char *worker = g_strdup_printf ("worker-%u", topic);
      g_autofree char *body = make_chat (system, topic, turn);

      if (turn > 1)
        g_assert_cmpfloat (share (affinity, NULL, body, worker), >, 0.9);
      for (guint other = 0; other < 10 && turn > 1; other++) {
        g_autofree char *other_worker = g_strdup_printf ("worker-%u", other);

        g_assert_true (other == topic || share (affinity, NULL, body, other_worker) == 0);
      }
      note (affinity, NULL, body, worker);
    }
}

static void
test_common_beginning (void)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  g_autofree char *system = make_text (3, 50000);

  for (guint topic = 0; topic < 20; topic++) {
    g_autofree char *body = make_chat (system, topic, 1);
    double held = share (affinity, NULL, body, "one");

    if (topic > 0 && topic <= MR_AFFINITY_COMMON)
      g_assert_cmpfloat (held, >, 0.5);
    else
      g_assert_cmpfloat (held, ==, 0);
    note (affinity, NULL, body, "one");
  }
}

/* The same request again and again is no conversation that goes on. */
static void
test_repeats (void)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  g_autofree char *body = make_chat ("be brief", 1, 3);

  for (guint i = 0; i < 20; i++) {
    double held = share (affinity, NULL, body, "one");

    g_assert_cmpfloat (held, ==, i > 0 && i <= MR_AFFINITY_COMMON ? 1 : 0);
    note (affinity, NULL, body, "one");
  }
}

static void
test_sessions (void)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  g_autofree char *a = make_chat ("x", 1, 1);
  g_autofree char *a2 = make_chat ("x", 1, 2);
  g_autofree char *b = make_chat ("y", 2, 1);
  g_autofree char *b2 = make_chat ("y", 2, 2);

  for (guint i = 0; i < 20; i++) { /* a header counts whatever is asked */
    g_autofree char *body = make_chat ("z", i, 1);

    g_assert_cmpfloat (share (affinity, "s", body, "one"), ==, i > 0 ? 1 : 0);
    note (affinity, "s", body, "one");
  }
  /* Two threads of one session on two workers: each goes on where it was. */
  note (affinity, "t", a, "one");
  note (affinity, "t", b, "two");
  g_assert_cmpfloat (share (affinity, "t", a2, "one"), ==, 1);
  g_assert_cmpfloat (share (affinity, "t", a2, "two"), ==, 0);
  g_assert_cmpfloat (share (affinity, "t", b2, "two"), ==, 1);
  g_assert_cmpfloat (share (affinity, "t", "{\"messages\":[" HI "]}", "two"), ==, 1);
  /* A session that is not known yet: the prefix. */
  g_assert_cmpfloat (share (affinity, "u", b2, "two"), >, 0.3);
  /* A body that is no JSON has a session at best. */
  note (affinity, "v", "--form", "three");
  g_assert_cmpfloat (share (affinity, "v", "--another form", "three"), ==, 1);
  g_assert_cmpfloat (share (affinity, NULL, "--another form", "three"), ==, 0);
}

static void
test_sessions_in_body (void)
{
  static const char *const formats[] = { "{\"prompt_cache_key\":\"k\",\"user\":\"%u\",\"prompt\":\"%u\"}",
                                         "{\"metadata\":{\"user_id\":\"k\"},\"user\":\"%u\",\"prompt\":\"%u\"}",
                                         "{\"user\":\"k\",\"seed\":%u,\"prompt\":\"%u\"}" };

  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    g_autoptr (MrAffinity) affinity = mr_affinity_new ();

    for (guint i = 0; i < 20; i++) {
      char body[100];
      gboolean counts = i > 0 && (f == 0 || i <= MR_AFFINITY_COMMON); /* a user may be a whole program */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      g_snprintf (body, sizeof body, formats[f], i, i);
#pragma GCC diagnostic pop
      g_assert_cmpfloat (share (affinity, NULL, body, "one"), ==, counts ? 1 : 0);
      note (affinity, NULL, body, "one");
    }
  }
}

static void
test_forgetting (void)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  g_autofree char *body = make_chat ("x", 1, 3);

  note (affinity, "s", body, "one");
  g_assert_cmpfloat (share_at (affinity, "m", "s", body, "one", NOW + MR_LIMIT_AFFINITY_USEC - 1), ==, 1);
  g_assert_cmpfloat (share_at (affinity, "m", "s", body, "one", NOW + MR_LIMIT_AFFINITY_USEC), ==, 0);
  mr_affinity_forget_worker (affinity, "one");
  mr_affinity_forget_worker (affinity, "never seen");
  g_assert_cmpfloat (share (affinity, "s", body, "one"), ==, 0);
  note (affinity, "s", body, "one"); /* it came back, with an empty cache */
  g_assert_cmpfloat (share (affinity, "s", body, "one"), ==, 1);
}

/* Memory: never above the bound, and empty again when all has expired. */
static void
test_bound (void)
{
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  MrAffinityMark marks[MR_AFFINITY_MAX_MARKS];
  MrAffinityKey key = { .marks = marks, .n_marks = MR_AFFINITY_MAX_MARKS };
  MrAffinityHolder holders[MR_AFFINITY_MAX_HOLDERS];
  gint64 now = NOW;

  for (guint64 i = 0; i < 2000; i++) {
    key.session = (i << 32) + 1000;
    for (guint k = 0; k < MR_AFFINITY_MAX_MARKS; k++)
      marks[k] = (MrAffinityMark){ (i << 32) + k + 1, 1 };
    mr_affinity_note (affinity, &key, "one", ++now);
    g_assert_cmpuint (mr_affinity_get_size (affinity), <=, MR_LIMIT_AFFINITY_ENTRIES);
  }
  g_assert_cmpuint (mr_affinity_get_size (affinity), ==, MR_LIMIT_AFFINITY_ENTRIES);
  g_assert_cmpuint (mr_affinity_find_holders (affinity, &key, now, holders), ==, 1);
  mr_affinity_note (affinity, &(MrAffinityKey){ .session = 1 }, "one", now + MR_LIMIT_AFFINITY_USEC);
  g_assert_cmpuint (mr_affinity_get_size (affinity), ==, 1);
}

/* Whatever a client sends: no crash, and never more marks than are allowed. */
static void
test_hostile_bodies (void)
{
  g_autofree char *good = make_chat ("be \\\"brief\\\"", 7, 12);
  gsize length = strlen (good);

  for (guint i = 0; i < 50000; i++) {
    g_autofree char *body = g_strdup (good);
    g_auto (MrAffinityKey) key = { 0 };

    for (int n = g_test_rand_int_range (0, 3); n >= 0; n--)
      body[g_test_rand_int_range (0, (int) length)] = "{}[]\",:\\ 1a"[g_test_rand_int_range (0, 11)];
    mr_affinity_key_init (&key, "m", NULL, body, (gsize) g_test_rand_int_range ((int) length - 3, (int) length + 1));
    g_assert_cmpuint (key.n_marks, <=, MR_AFFINITY_MAX_MARKS);
    for (guint k = 0; k < key.n_marks; k++)
      g_assert_true (key.marks[k].held > 0 && key.marks[k].held <= 1);
  }
}

static void
print_cost (const char *what, const char *body)
{
  enum { ROUNDS = 500 };
  g_autoptr (MrAffinity) affinity = mr_affinity_new ();
  gsize length = strlen (body);
  gint64 began = g_get_monotonic_time ();
  gint64 hashed;
  gint64 chosen;

  for (guint i = 0; i < ROUNDS; i++) {
    g_auto (MrAffinityKey) key = { 0 };

    mr_affinity_key_init (&key, "m", NULL, body, length);
    g_assert_cmpuint (key.n_marks, >, 0);
  }
  hashed = g_get_monotonic_time ();
  for (guint i = 0; i < ROUNDS; i++) {
    g_auto (MrAffinityKey) key = { 0 };
    MrAffinityHolder holders[MR_AFFINITY_MAX_HOLDERS];

    key.n_marks = MR_AFFINITY_MAX_MARKS;
    key.marks = g_new0 (MrAffinityMark, MR_AFFINITY_MAX_MARKS);
    for (guint k = 0; k < MR_AFFINITY_MAX_MARKS; k++)
      key.marks[k] = (MrAffinityMark){ (i << 8) + k, 1 };
    mr_affinity_find_holders (affinity, &key, NOW, holders);
    mr_affinity_note (affinity, &key, "one", NOW);
  }
  chosen = g_get_monotonic_time ();
  g_test_message ("%s, %" G_GSIZE_FORMAT " bytes: %.1f us; finding and noting 64 new marks: %.1f us", what, length,
                  (double) (hashed - began) / ROUNDS, (double) (chosen - hashed) / ROUNDS);
  g_assert_cmpint (hashed - began, <, ROUNDS * 2000); /* of a loaded machine under a sanitizer */
}

static void
test_cost (void)
{
  g_autofree char *text = make_text (4, 50000);
  g_autofree char *one_message = make_chat (text, 1, 1);
  g_autofree char *many_messages = make_chat ("x", 1, 475);

  print_cost ("one long message", one_message);
  print_cost ("950 messages", many_messages);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/C8/short-chat", test_short_chat);
  g_test_add_func ("/contract/C8/shapes-of-prompts", test_shapes);
  g_test_add_func ("/contract/C8/long-conversations", test_long_conversations);
  g_test_add_func ("/contract/C8/common-beginning", test_common_beginning);
  g_test_add_func ("/contract/C8/repeats", test_repeats);
  g_test_add_func ("/contract/C8/sessions", test_sessions);
  g_test_add_func ("/contract/C8/sessions-in-body", test_sessions_in_body);
  g_test_add_func ("/contract/C8/forgetting", test_forgetting);
  g_test_add_func ("/contract/C8/bound", test_bound);
  g_test_add_func ("/contract/C8/hostile-bodies", test_hostile_bodies);
  g_test_add_func ("/contract/C8/cost", test_cost);
  return g_test_run ();
}
