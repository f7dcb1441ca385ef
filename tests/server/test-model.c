/* SPDX-License-Identifier: MIT */
/*
 * Queue, dispatch, job states and requeues together, driven by random events, against invariants that a person can
 * read: no slot is oversold, who came first is served first among those a worker could take, nobody goes round more
 * than the cap allows, and nobody is forgotten. The relay's own pump is a loop over the same calls.
 */
#include "job-queue.h"

#define N_EVENTS 150000
#define N_WORKERS 5
#define MAX_JOBS 60
#define MAX_REQUEUES 3

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
  guint64 ended;
  guint64 requeued;
} World;

static const char *const models[] = { "a", "b", "c" };

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

  return mr_dispatch_choose (world->candidates, world->n_candidates, need) >= 0;
}

/* What could be served at all, said the long way. */
static gboolean
reference_can_take (World *world, const MrJob *job)
{
  for (guint i = 0; i < N_WORKERS; i++) {
    Worker *worker = &world->workers[i];
    GHashTable *set = worker->dispatch.models;

    if (worker->connected && !worker->dispatch.draining && worker->jobs->len < worker->dispatch.max_concurrent &&
        worker->dispatch.reported_load < worker->dispatch.max_concurrent &&
        (worker->dispatch.takes_binary || !job->admission.binary) &&
        (g_hash_table_contains (set, job->admission.model) || g_hash_table_contains (set, "*")))
      return TRUE;
  }
  return FALSE;
}

static MrJob *
reference_first (World *world)
{
  MrJob *first = NULL;

  for (guint i = 0; i < world->jobs->len; i++) {
    MrJob *job = g_ptr_array_index (world->jobs, i);

    if (job->state == MR_JOB_QUEUED && (first == NULL || job->number < first->number) &&
        reference_can_take (world, job))
      first = job;
  }
  return first;
}

static void
pump (World *world)
{
  MrJob *job;

  note_candidates (world);
  while ((job = mr_job_queue_find (world->queue, can_take, world)) != NULL) {
    const MrDispatchNeed need = mr_job_need (job);
    int chosen = mr_dispatch_choose (world->candidates, world->n_candidates, &need);
    Worker *worker = owner_of (world, world->candidates[chosen]);

    g_assert_true (job == reference_first (world));
    mr_job_queue_remove (world->queue, job);
    g_assert_true (mr_job_set_state (job, MR_JOB_DISPATCHED));
    worker->dispatch.last_chosen = ++world->assignments;
    g_ptr_array_add (worker->jobs, job);
    worker->dispatch.in_flight = worker->jobs->len;
    g_assert_cmpuint (worker->jobs->len, <=, worker->dispatch.max_concurrent);
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
  MrAdmission admission = { .model = g_strdup (models[g_test_rand_int_range (0, 3)]),
                            .binary = g_test_rand_int_range (0, 5) == 0 };
  MrJob *job;

  if (world->jobs->len >= MAX_JOBS) {
    g_free (admission.model);
    return;
  }
  job = mr_job_new (NULL, NULL, &admission);
  job->number = ++world->arrivals;
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
  for (guint event = 0; event < N_EVENTS; event++) {
    guint choice = (guint) g_test_rand_int_range (0, 20);

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
