/* SPDX-License-Identifier: MIT */
/*
 * Queue, dispatch, job states and requeues together, driven by random events, against invariants that a person can
 * read: no slot is oversold, the keys have their turns by priority and age among those a worker could take, no key runs
 * more than it may, nobody goes round more than the cap allows, and nobody is forgotten. The relay's own pump is a loop
 * over the same calls.
 */
#include "job-queue.h"

#include "limits.h"

#define N_EVENTS 150000
#define N_WORKERS 5
#define MAX_JOBS 60
#define MAX_REQUEUES 3
#define N_KEYS 5

typedef struct {
  MrDispatchWorker dispatch;
  GPtrArray *jobs; /* Borrowed: dispatched to it */
  gboolean connected;
} Worker;

typedef struct {
  MrJobQueue *queue;
  Worker workers[N_WORKERS];
  MrDispatchWorker *candidates[N_WORKERS];
  guint n_candidates;
  GPtrArray *jobs; /* Owned: every one that lives */
  guint64 arrivals;
  guint64 assignments;
  MrKey *keys[N_KEYS];
  guint64 turns[N_KEYS + 1]; /* the assignment that was each key's last turn; the last is of jobs without one */
  gint64 now;
  guint64 ended;
  guint64 requeued;
} World;

static const char *const models[] = { "a", "b", "c" };
static const char *const fallbacks[] = { "a", "c", NULL }; /* behind the alias */

static void
note_candidates (World *world)
{
  world->n_candidates = 0;
  for (guint i = 0; i < N_WORKERS; i++)
    if (world->workers[i].connected)
      world->candidates[world->n_candidates++] = &world->workers[i].dispatch;
}

static Worker *
owner_of (World *world, MrDispatchWorker *dispatch)
{
  for (guint i = 0; i < N_WORKERS; i++)
    if (&world->workers[i].dispatch == dispatch)
      return &world->workers[i];
  g_assert_not_reached ();
}

static gboolean
can_take (const MrDispatchNeed *need, gpointer data)
{
  World *world = data;

  return mr_dispatch_choose (world->candidates, world->n_candidates, need, NULL, NULL).worker >= 0;
}

/* --- What ought to be, said the long way --- */

static gboolean
reference_lists (const Worker *worker, const MrJob *job)
{
  GHashTable *set = worker->dispatch.models;

  if (g_hash_table_contains (set, "*"))
    return TRUE;
  if (g_str_equal (job->admission.model, "alias"))
    return g_hash_table_contains (set, "a") || g_hash_table_contains (set, "c");
  return g_hash_table_contains (set, job->admission.model);
}

static gboolean
reference_can_take (World *world, const MrJob *job)
{
  for (guint i = 0; i < N_WORKERS; i++) {
    Worker *worker = &world->workers[i];

    if (worker->connected && !worker->dispatch.draining && worker->jobs->len < worker->dispatch.max_concurrent &&
        worker->dispatch.reported_load < worker->dispatch.max_concurrent &&
        (worker->dispatch.takes_binary || !job->admission.binary) && reference_lists (worker, job))
      return TRUE;
  }
  return FALSE;
}

static guint
key_index (World *world, const MrJob *job)
{
  guint i = 0;

  while (i < N_KEYS && world->keys[i] != job->key)
    i++;
  return i;
}

/* Requests of the key that are on some worker. */
static guint
count_running (World *world, const MrKey *key)
{
  guint running = 0;

  for (guint i = 0; i < N_WORKERS; i++)
    for (guint k = 0; k < world->workers[i].jobs->len; k++)
      running += ((MrJob *) g_ptr_array_index (world->workers[i].jobs, k))->key == key;
  return running;
}

static gboolean
reference_may_run (World *world, const MrJob *job)
{
  guint most = job->key != NULL ? job->key->spec.max_concurrent : 0;

  return most == 0 || count_running (world, job->key) < most;
}

static gboolean
reference_is_before (World *world, const MrJob *a, const MrJob *b)
{
  gint64 bands[] = { a->key != NULL ? a->key->spec.priority : MR_PRIORITY_NORMAL,
                     b->key != NULL ? b->key->spec.priority : MR_PRIORITY_NORMAL };
  guint64 turns[] = { world->turns[key_index (world, a)], world->turns[key_index (world, b)] };

  bands[0] = MAX (bands[0] - (world->now - a->arrived_us) / MR_LIMIT_AGING_USEC, 0);
  bands[1] = MAX (bands[1] - (world->now - b->arrived_us) / MR_LIMIT_AGING_USEC, 0);
  if (bands[0] != bands[1])
    return bands[0] < bands[1];
  return turns[0] != turns[1] ? turns[0] < turns[1] : a->number < b->number;
}

static MrJob *
reference_first (World *world)
{
  MrJob *first = NULL;

  for (guint i = 0; i < world->jobs->len; i++) {
    MrJob *job = g_ptr_array_index (world->jobs, i);

    if (job->state == MR_JOB_QUEUED && (first == NULL || reference_is_before (world, job, first)) &&
        reference_may_run (world, job) && reference_can_take (world, job))
      first = job;
  }
  return first;
}

/* --- What is --- */

/* The job's states keep the count that the queue goes by. */
static void
check_running (World *world)
{
  for (guint i = 0; i < N_KEYS; i++)
    g_assert_cmpuint (world->keys[i]->limit.running, ==, count_running (world, world->keys[i]));
}

static void
pump (World *world)
{
  MrJob *job;

  note_candidates (world);
  check_running (world);
  while ((job = mr_job_queue_find (world->queue, can_take, world, world->now)) != NULL) {
    const MrDispatchNeed need = mr_job_need (job);
    MrDispatchChoice choice = mr_dispatch_choose (world->candidates, world->n_candidates, &need, NULL, NULL);
    Worker *worker = owner_of (world, world->candidates[choice.worker]);

    g_assert_true (job == reference_first (world));
    g_assert_true (reference_lists (worker, job));
    mr_job_queue_remove_served (world->queue, job);
    g_assert_true (mr_job_set_state (job, MR_JOB_DISPATCHED));
    worker->dispatch.last_chosen = ++world->assignments;
    world->turns[key_index (world, job)] = world->assignments;
    g_ptr_array_add (worker->jobs, job);
    worker->dispatch.in_flight = worker->jobs->len;
    check_running (world);
    g_assert_cmpuint (worker->jobs->len, <=, worker->dispatch.max_concurrent);
    if (job->key != NULL && job->key->spec.max_concurrent > 0)
      g_assert_cmpuint (job->key->limit.running, <=, job->key->spec.max_concurrent);
  }
  g_assert_null (reference_first (world));
}

static void
end_job (World *world, MrJob *job, MrJobState state)
{
  if (job->state == MR_JOB_QUEUED)
    mr_job_queue_remove (world->queue, job);
  g_assert_true (mr_job_set_state (job, state));
  g_assert_true (g_ptr_array_remove (world->jobs, job));
  world->ended++;
}

static void
arrive (World *world)
{
  guint model = (guint) g_test_rand_int_range (0, 4);
  guint key = (guint) g_test_rand_int_range (0, N_KEYS + 1);
  MrAdmission admission = { .model = g_strdup (model < 3 ? models[model] : "alias"),
                            .binary = g_test_rand_int_range (0, 5) == 0 };
  MrJob *job;

  if (world->jobs->len >= MAX_JOBS) {
    g_free (admission.model);
    return;
  }
  job = mr_job_new (NULL, NULL, &admission);
  job->number = ++world->arrivals;
  job->arrived_us = world->now;
  job->models = model < 3 ? NULL : g_strdupv ((char **) fallbacks);
  job->key = key < N_KEYS ? mr_key_ref (world->keys[key]) : NULL;
  g_ptr_array_add (world->jobs, job);
  g_assert_true (mr_job_queue_push (world->queue, job, FALSE));
  g_assert_true (mr_job_set_state (job, MR_JOB_QUEUED));
}

/* The client leaves, the time is up, or the answer is there. */
static void
finish_one (World *world)
{
  MrJob *job;

  if (world->jobs->len == 0)
    return;
  job = g_ptr_array_index (world->jobs, (guint) g_test_rand_int_range (0, (int) world->jobs->len));
  for (guint i = 0; i < N_WORKERS; i++)
    g_ptr_array_remove (world->workers[i].jobs, job);
  for (guint i = 0; i < N_WORKERS; i++)
    world->workers[i].dispatch.in_flight = world->workers[i].jobs->len;
  if (job->state == MR_JOB_DISPATCHED && g_test_rand_int_range (0, 2) == 0)
    g_assert_true (mr_job_set_state (job, MR_JOB_STREAMING));
  end_job (world, job,
           job->state == MR_JOB_QUEUED || g_test_rand_int_range (0, 3) == 0 ? MR_JOB_CANCELLED : MR_JOB_DONE);
}

static void
lose_worker (World *world, Worker *worker)
{
  worker->connected = FALSE;
  while (worker->jobs->len > 0) {
    MrJob *job = g_ptr_array_steal_index (worker->jobs, 0);

    if (g_test_rand_int_range (0, 4) == 0) { /* the client had a byte already */
      g_assert_true (mr_job_set_state (job, MR_JOB_STREAMING));
      end_job (world, job, MR_JOB_FAILED);
    } else if (job->requeues >= MAX_REQUEUES) {
      end_job (world, job, MR_JOB_FAILED);
    } else {
      job->requeues++;
      world->requeued++;
      g_assert_true (mr_job_set_state (job, MR_JOB_QUEUED));
      g_assert_true (mr_job_queue_push (world->queue, job, TRUE));
    }
  }
  worker->dispatch.in_flight = 0;
}

static void
change_worker (World *world)
{
  Worker *worker = &world->workers[g_test_rand_int_range (0, N_WORKERS)];
  guint choice = (guint) g_test_rand_int_range (0, 4);

  if (worker->connected && choice == 0) {
    lose_worker (world, worker);
  } else if (!worker->connected) {
    worker->connected = TRUE;
    worker->dispatch.max_concurrent = (guint) g_test_rand_int_range (1, 5);
    worker->dispatch.takes_binary = g_test_rand_int_range (0, 2) == 0;
    worker->dispatch.draining = FALSE;
    worker->dispatch.reported_load = 0;
    g_hash_table_remove_all (worker->dispatch.models);
    g_hash_table_add (worker->dispatch.models,
                      (gpointer) (g_test_rand_int_range (0, 4) == 0 ? "*" : models[g_test_rand_int_range (0, 3)]));
  } else if (choice == 1) {
    worker->dispatch.draining = !worker->dispatch.draining;
  } else {
    worker->dispatch.reported_load = (guint) g_test_rand_int_range (0, (int) worker->dispatch.max_concurrent + 2);
  }
}

static void
check_nobody_is_forgotten (World *world)
{
  guint queued = 0;
  guint dispatched = 0;

  for (guint i = 0; i < world->jobs->len; i++) {
    MrJob *job = g_ptr_array_index (world->jobs, i);

    g_assert_false (mr_job_is_over (job));
    g_assert_cmpuint (job->requeues, <=, MAX_REQUEUES);
    queued += job->state == MR_JOB_QUEUED;
    dispatched += job->state == MR_JOB_DISPATCHED;
  }
  g_assert_cmpuint (queued, ==, mr_job_queue_get_length (world->queue));
  for (guint i = 0; i < N_WORKERS; i++)
    dispatched -= world->workers[i].jobs->len;
  g_assert_cmpuint (dispatched, ==, 0);
  g_assert_cmpuint (world->arrivals, ==, world->ended + world->jobs->len);
}

static void
test_random_events (void)
{
  World world = { .queue = mr_job_queue_new (), .jobs = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_job_free) };

  for (guint i = 0; i < N_WORKERS; i++) {
    world.workers[i].jobs = g_ptr_array_new ();
    world.workers[i].dispatch.models = g_hash_table_new (g_str_hash, g_str_equal);
  }
  for (guint i = 0; i < N_KEYS; i++) {
    world.keys[i] = g_new0 (MrKey, 1);
    g_ref_count_init (&world.keys[i]->references);
    world.keys[i]->spec.priority = (MrPriority) (i % MR_N_PRIORITIES);
    world.keys[i]->spec.max_concurrent = i < 3 ? 2 : 0;
  }
  for (guint event = 0; event < N_EVENTS; event++) {
    guint choice = (guint) g_test_rand_int_range (0, 20);

    world.now += g_test_rand_int_range (0, (int) MR_LIMIT_AGING_USEC / 10);
    if (choice < 9)
      arrive (&world);
    else if (choice < 18)
      finish_one (&world);
    else
      change_worker (&world);
    pump (&world);
    check_nobody_is_forgotten (&world);
  }
  g_test_message ("%u arrived, %u ended, %u requeued", (guint) world.arrivals, (guint) world.ended,
                  (guint) world.requeued);
  g_assert_cmpuint (world.requeued, >, 100);
  g_ptr_array_set_size (world.jobs, 0);
  g_ptr_array_unref (world.jobs);
  mr_job_queue_free (world.queue);
  for (guint i = 0; i < N_KEYS; i++)
    mr_key_unref (world.keys[i]);
  for (guint i = 0; i < N_WORKERS; i++) {
    g_ptr_array_unref (world.workers[i].jobs);
    g_hash_table_unref (world.workers[i].dispatch.models);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/C4/random-events-against-invariants", test_random_events);
  return g_test_run ();
}
