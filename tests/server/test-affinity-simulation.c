/* SPDX-License-Identifier: MIT */
/*
 * What affinity is worth (contract C8): the registry's choices on a virtual clock, for chats, agents and one-shot
 * requests without any session header. Sockets, links and model servers are not here; a request's time on a worker is
 * what it must read anew, and what it answers. Everything random comes from one seed.
 *
 *   conversation: thinks -> waits -> runs on a worker -> gets the answer, thinks -> ... -> another one begins
 */
#include "worker-registry.h"

#include "limits.h"

#define SEED 20261
#define N_WORKERS 4
#define SLOTS 8
#define READ_BYTES_PER_SEC 20000 /* of a prompt that is not in the cache */
#define WRITE_BYTES_PER_SEC 200

typedef struct {
  guint least;
  guint most;
} Range;

typedef struct {
  const char *name;
  guint n_clients; /* that go through conversations one after the other */
  guint n_requests;
  guint shared_bytes; /* of the system prompt and tools that all have in common */
  gboolean is_agent;  /* in the shape of the Anthropic API, with tool results and moving cache marks */
  Range turns;
  Range says_bytes;
  Range answer_bytes;
  Range thinks_ms;
} Load;

/* Of conversations' next turns. */
typedef struct {
  double hits;    /* the share that came to the worker of the turn before */
  double spread;  /* requests of the busiest worker against the mean */
  double seconds; /* on the worker, mean */
  double waited;  /* seconds, mean */
} Figures;

typedef struct {
  GString *messages; /* elements of the array */
  guint turn;
  guint n_turns;
  int worker; /* that runs it; -1 otherwise */
  int last_worker;
  guint known_bytes; /* of the body, in the last worker's cache */
  guint body_bytes;
  guint run; /* tells the end of a run that was lost */
  gint64 waits_since;
  gboolean marked; /* its client moves cache marks along */
} Client;

typedef struct {
  gint64 at;
  guint client;
  guint run;
  gboolean ends; /* else it begins to wait */
} Event;

typedef struct {
  const Load *load;
  gboolean affinity;
  GRand *rand;
  gint64 now;
  GSequence *events; /* Owned Event by time */
  GQueue waiting;    /* client numbers */
  Client *clients;
  char *shared;
  MrWorkerRegistry *registry;
  MrWorkerSession sessions[N_WORKERS];
  guint served[N_WORKERS];
  gint64 leaves_at; /* request after which worker 0 is lost; 0 for never */
  guint n_served;
  guint n_next_turns;
  guint n_hits;
  gint64 run_us;
  gint64 waited_us;
} World;

static guint
pick (World *world, Range range)
{
  return (guint) g_rand_int_range (world->rand, (gint32) range.least, (gint32) range.most + 1);
}

static void
append_text (World *world, GString *out, guint length)
{
  for (guint i = 0; i < length; i++)
    g_string_append_c (out, i % 6 == 5 ? ' ' : (char) g_rand_int_range (world->rand, 'a', 'z' + 1));
}

static int
compare_events (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Event *left = a;
  const Event *right = b;

  return (left->at > right->at) - (left->at < right->at);
}

static void
schedule (World *world, gint64 after_us, guint client, gboolean ends)
{
  Event *event = g_new (Event, 1);

  *event = (Event){ world->now + after_us, client, world->clients[client].run, ends };
  g_sequence_insert_sorted (world->events, event, compare_events, NULL);
}

static void
say (World *world, Client *client)
{
  g_string_append (client->messages, client->messages->len > 0 ? "," : "");
  g_string_append (client->messages, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"");
  append_text (world, client->messages, pick (world, world->load->says_bytes));
  g_string_append (client->messages, "\"}]}");
}

static void
begin_conversation (World *world, guint number)
{
  Client *client = &world->clients[number];

  g_string_truncate (client->messages, 0);
  client->turn = 0;
  client->n_turns = pick (world, world->load->turns);
  client->last_worker = -1;
  client->known_bytes = 0;
  client->marked = world->load->is_agent && number % 2 == 0;
  say (world, client);
}

/* A client that asks for prompt caching marks its newest message, and no longer the one before. */
static char *
make_body (World *world, Client *client)
{
  const char *mark = client->marked ? ",\"cache_control\":{\"type\":\"ephemeral\"}}" : "}";
  gsize unclosed = client->messages->len - 1;

  if (world->load->is_agent)
    return g_strdup_printf ("{\"model\":\"m\",\"max_tokens\":1000,\"messages\":[%.*s%s],\"system\":\"%s\"}",
                            (int) unclosed, client->messages->str, mark, world->shared);
  return g_strdup_printf (
      "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},%s],\"stream\":true}", world->shared,
      client->messages->str);
}

static void
start (World *world, guint number, MrWorkerSession *session)
{
  Client *client = &world->clients[number];
  guint answer_bytes = pick (world, world->load->answer_bytes);
  gint64 run_us;

  client->worker = (int) (session - world->sessions);
  session->dispatch.in_flight++;
  world->served[client->worker]++;
  if (client->turn > 0) {
    world->n_next_turns++;
    world->n_hits += client->worker == client->last_worker;
  }
  if (client->worker != client->last_worker)
    client->known_bytes = world->load->shared_bytes; /* every worker has soon read that */
  run_us = (client->body_bytes - client->known_bytes) * MR_USEC_PER_SEC / READ_BYTES_PER_SEC +
           answer_bytes * MR_USEC_PER_SEC / WRITE_BYTES_PER_SEC;
  world->run_us += run_us;
  world->waited_us += world->now - client->waits_since;
  world->n_served++;
  client->known_bytes = client->body_bytes;
  client->last_worker = client->worker;
  schedule (world, run_us, number, TRUE);
}

static void
pump (World *world)
{
  const MrDispatchNeed need = { .name = "m" };

  while (world->waiting.length > 0 && mr_worker_registry_can_take (world->registry, &need)) {
    guint number = GPOINTER_TO_UINT (g_queue_pop_head (&world->waiting));
    g_autofree char *body = make_body (world, &world->clients[number]);
    g_auto (MrAffinityKey) key = { 0 };
    const char *model = NULL;

    mr_affinity_key_init (&key, need.name, NULL, body, strlen (body));
    world->clients[number].body_bytes = (guint) strlen (body);
    start (world, number,
           mr_worker_registry_choose (world->registry, &need, world->affinity ? &key : NULL, world->now, &model));
    g_assert_cmpstr (model, ==, "m");
  }
}

static void
end (World *world, guint number)
{
  Client *client = &world->clients[number];

  world->sessions[client->worker].dispatch.in_flight--;
  client->worker = -1;
  client->run++;
  if (++client->turn < client->n_turns) {
    g_string_append (client->messages, ",{\"role\":\"assistant\",\"content\":\"");
    append_text (world, client->messages, pick (world, world->load->answer_bytes));
    g_string_append (client->messages, "\"}");
    say (world, client);
  } else {
    begin_conversation (world, number);
  }
  schedule (world, pick (world, world->load->thinks_ms) * MR_USEC_PER_MSEC, number, FALSE);
}

/* What it ran goes back to the head of the queue. */
static void
lose_worker (World *world)
{
  world->leaves_at = 0;
  mr_worker_registry_remove (world->registry, &world->sessions[0]);
  for (guint i = 0; i < world->load->n_clients; i++) {
    if (world->clients[i].worker != 0)
      continue;
    world->clients[i].worker = -1;
    world->clients[i].run++;
    world->clients[i].waits_since = world->now;
    g_queue_push_head (&world->waiting, GUINT_TO_POINTER (i));
  }
}

static void
step (World *world)
{
  GSequenceIter *first = g_sequence_get_begin_iter (world->events);
  const Event event = *(const Event *) g_sequence_get (first);

  g_sequence_remove (first);
  world->now = event.at;
  if (event.run != world->clients[event.client].run)
    return;
  if (event.ends) {
    end (world, event.client);
  } else {
    world->clients[event.client].waits_since = world->now;
    g_queue_push_tail (&world->waiting, GUINT_TO_POINTER (event.client));
  }
  pump (world);
  if (world->leaves_at > 0 && world->n_served >= world->leaves_at) {
    lose_worker (world);
    pump (world);
  }
}

static void
world_init (World *world, const Load *load)
{
  GString *shared = g_string_new (NULL);

  world->load = load;
  world->now = MR_USEC_PER_SEC;
  world->rand = g_rand_new_with_seed (SEED);
  world->events = g_sequence_new (g_free);
  world->registry = mr_worker_registry_new ();
  world->clients = g_new0 (Client, load->n_clients);
  append_text (world, shared, load->shared_bytes);
  world->shared = g_string_free (shared, FALSE);
  for (guint i = 0; i < N_WORKERS; i++) {
    static char *models[] = { (char *) "m", NULL };
    MrWorkerSession *session = &world->sessions[i];

    session->id = g_strdup_printf ("worker-%u", i);
    session->models = models;
    session->dispatch.models = g_hash_table_new (g_str_hash, g_str_equal);
    session->dispatch.max_concurrent = SLOTS;
    g_hash_table_add (session->dispatch.models, models[0]);
    mr_worker_registry_add (world->registry, session);
  }
  for (guint i = 0; i < load->n_clients; i++) {
    world->clients[i].messages = g_string_new (NULL);
    world->clients[i].worker = -1;
    begin_conversation (world, i);
    schedule (world, pick (world, (Range){ 0, 20000 }) * MR_USEC_PER_MSEC, i, FALSE);
  }
}

static void
world_clear (World *world)
{
  for (guint i = 0; i < world->load->n_clients; i++)
    g_string_free (world->clients[i].messages, TRUE);
  mr_worker_registry_free (world->registry);
  for (guint i = 0; i < N_WORKERS; i++) {
    g_hash_table_unref (world->sessions[i].dispatch.models);
    g_free (world->sessions[i].id);
  }
  g_queue_clear (&world->waiting);
  g_sequence_free (world->events);
  g_rand_free (world->rand);
  g_free (world->clients);
  g_free (world->shared);
}

/* @loses_worker: in the middle of it; the figures are then those of the second half. */
static Figures
simulate (const Load *load, gboolean affinity, gboolean loses_worker)
{
  World world = { .affinity = affinity, .leaves_at = loses_worker ? load->n_requests / 2 : 0 };
  Figures figures = { 0 };
  guint most = 0;
  guint all = 0;
  guint n_workers = loses_worker ? N_WORKERS - 1 : N_WORKERS;

  world_init (&world, load);
  while (world.n_served < load->n_requests) {
    gboolean whole = world.leaves_at > 0;

    step (&world);
    if (whole && world.leaves_at == 0) {
      memset (world.served, 0, sizeof world.served);
      world.n_hits = world.n_next_turns = 0;
    }
  }
  for (guint i = 0; i < N_WORKERS; i++) {
    most = MAX (most, world.served[i]);
    all += world.served[i];
  }
  figures.hits = world.n_next_turns > 0 ? (double) world.n_hits / world.n_next_turns : 0;
  figures.spread = (double) most * n_workers / all;
  figures.seconds = (double) world.run_us / MR_USEC_PER_SEC / world.n_served;
  figures.waited = (double) world.waited_us / MR_USEC_PER_SEC / world.n_served;
  g_test_message ("%-34s affinity %-3s%s hits %5.1f %%, spread %.2f, on the worker %.2f s, waited %.3f s, busy %.0f %%",
                  load->name, affinity ? "on," : "off", loses_worker ? " worker lost," : "", 100 * figures.hits,
                  figures.spread, figures.seconds, figures.waited,
                  100.0 * (double) world.run_us / (double) world.now / (N_WORKERS * SLOTS));
  world_clear (&world);
  return figures;
}

static const Load chats = { "chats", 40, 6000, 0, FALSE, { 2, 12 }, { 10, 600 }, { 100, 3000 }, { 3000, 60000 } };
static const Load busy_chats = { "chats, busy",  90, 6000, 0, FALSE, { 2, 12 }, { 10, 600 }, { 100, 3000 },
                                 { 3000, 60000 } };
static const Load chats_with_system_prompt = {
  "chats, 2 KiB system prompt", 40, 6000, 2048, FALSE, { 2, 12 }, { 10, 600 }, { 100, 3000 }, { 3000, 60000 }
};
static const Load agents_16k = {
  "agents, 16 KiB in common", 16, 6000, 16384, TRUE, { 20, 20 }, { 100, 4000 }, { 50, 1500 }, { 200, 3000 }
};
static const Load agents_50k = {
  "agents, 50 KiB in common", 16, 6000, 51200, TRUE, { 20, 20 }, { 100, 4000 }, { 50, 1500 }, { 200, 3000 }
};
static const Load busy_agents = {
  "agents, 50 KiB in common, busy", 30, 6000, 51200, TRUE, { 20, 20 }, { 100, 4000 }, { 50, 1500 }, { 200, 3000 }
};
static const Load one_shots = { "one-shots", 28, 10000, 0, FALSE, { 1, 1 }, { 100, 4000 }, { 50, 1000 }, { 0, 3000 } };
static const Load one_shots_in_common = {
  "one-shots, 4 KiB in common", 28, 10000, 4096, FALSE, { 1, 1 }, { 50, 500 }, { 50, 1000 }, { 0, 3000 }
};

static void
test_chats (void)
{
  Figures off = simulate (&chats, FALSE, FALSE);
  Figures on = simulate (&chats, TRUE, FALSE);
  Figures system_prompt = simulate (&chats_with_system_prompt, TRUE, FALSE);

  g_assert_cmpfloat (off.hits, <, 0.4);
  g_assert_cmpfloat (on.hits, >=, 0.9);
  g_assert_cmpfloat (on.spread, <=, 1.5);
  g_assert_cmpfloat (on.seconds, <, off.seconds);
  g_assert_cmpfloat (system_prompt.hits, >=, 0.9);
  g_assert_cmpfloat (system_prompt.spread, <=, 1.5);
}

static void
test_agents (void)
{
  const Load *loads[] = { &agents_16k, &agents_50k };

  for (gsize i = 0; i < G_N_ELEMENTS (loads); i++) {
    Figures off = simulate (loads[i], FALSE, FALSE);
    Figures on = simulate (loads[i], TRUE, FALSE);

    g_assert_cmpfloat (off.hits, <, 0.4);
    g_assert_cmpfloat (on.hits, >=, 0.95);
    g_assert_cmpfloat (on.spread, <=, 1.5);
    g_assert_cmpfloat (on.seconds, <, off.seconds);
  }
}

/* The more slots are taken, the more often a turn finds its worker full or too busy, and goes elsewhere at once. */
static void
test_busy (void)
{
  const Load *loads[] = { &busy_chats, &busy_agents };

  for (gsize i = 0; i < G_N_ELEMENTS (loads); i++) {
    Figures off = simulate (loads[i], FALSE, FALSE);
    Figures on = simulate (loads[i], TRUE, FALSE);

    g_assert_cmpfloat (on.hits, >=, 0.8);
    g_assert_cmpfloat (on.spread, <=, 1.5);
    g_assert_cmpfloat (on.seconds, <, off.seconds);
    g_assert_cmpfloat (on.waited, <=, off.waited + 0.05);
  }
}

static void
test_one_shots (void)
{
  const Load *loads[] = { &one_shots, &one_shots_in_common };

  for (gsize i = 0; i < G_N_ELEMENTS (loads); i++) {
    Figures off = simulate (loads[i], FALSE, FALSE);
    Figures on = simulate (loads[i], TRUE, FALSE);

    g_assert_cmpfloat (on.spread, <=, 1.2);
    g_assert_cmpfloat (on.spread, <=, off.spread + 0.05);
    g_assert_cmpfloat (on.waited, <=, off.waited + 0.01);
  }
}

/* Those that it had go to others, once. */
static void
test_worker_leaves (void)
{
  Figures agents = simulate (&agents_50k, TRUE, TRUE);
  Figures talks = simulate (&chats, TRUE, TRUE);

  g_assert_cmpfloat (agents.hits, >=, 0.9);
  g_assert_cmpfloat (agents.spread, <=, 1.5);
  g_assert_cmpfloat (talks.hits, >=, 0.85);
  g_assert_cmpfloat (talks.spread, <=, 1.5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_message ("seed %u, %u workers with %u slots", SEED, N_WORKERS, SLOTS);
  g_test_add_func ("/contract/C8/simulation/chats", test_chats);
  g_test_add_func ("/contract/C8/simulation/agents", test_agents);
  g_test_add_func ("/contract/C8/simulation/busy", test_busy);
  g_test_add_func ("/contract/C8/simulation/one-shots", test_one_shots);
  g_test_add_func ("/contract/C8/simulation/worker-leaves", test_worker_leaves);
  return g_test_run ();
}
