/* SPDX-License-Identifier: MIT */
/* The queue of waiting requests: server/job-queue.c, also by random sequences against a plain array. */
#include "job-queue.h"

#include "limits.h"

#define N_STEPS 100000
#define MAX_LENGTH 40

static MrKey *
key_new (MrPriority priority, guint max_concurrent)
{
  MrKey *key = g_new0 (MrKey, 1);

  g_ref_count_init (&key->references);
  key->spec.priority = priority;
  key->spec.max_concurrent = max_concurrent;
  return key;
}

static MrJob *
job_new (const char *model, MrKey *key, guint64 number)
{
  MrAdmission admission = { .model = g_strdup (model) };
  MrJob *job = mr_job_new (NULL, NULL, &admission);

  job->number = number;
  job->key = key != NULL ? mr_key_ref (key) : NULL;
  return job;
}

static void
push (MrJobQueue *queue, MrJob *job)
{
  g_assert_true (mr_job_queue_push (queue, job, FALSE));
}

static gboolean
is_wanted (const MrDispatchNeed *need, gpointer user_data)
{
  return !need->binary && strchr (user_data, need->name[0]) != NULL;
}

static MrJob *
find (MrJobQueue *queue, const char *wanted, gint64 now)
{
  return mr_job_queue_find (queue, is_wanted, (gpointer) wanted, now);
}

/* Takes the next job, and says its number; 0 when there is none. */
static guint64
serve (MrJobQueue *queue, const char *wanted, gint64 now)
{
  MrJob *job = find (queue, wanted, now);
  guint64 number;

  if (job == NULL)
    return 0;
  number = job->number;
  mr_job_queue_remove_served (queue, job);
  mr_job_free (job);
  return number;
}

static void
check_order (MrJobQueue *queue, const char *wanted, gint64 now, const guint64 *numbers)
{
  for (; *numbers != 0; numbers++)
    g_assert_cmpuint (serve (queue, wanted, now), ==, *numbers);
  g_assert_cmpuint (serve (queue, wanted, now), ==, 0);
}

static void
test_order (void)
{
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  MrJob *jobs[] = { job_new ("a", NULL, 1), job_new ("b", NULL, 2), job_new ("a", NULL, 3) };

  for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++)
    push (queue, jobs[i]);
  g_assert_true (find (queue, "ab", 0) == jobs[0]);
  g_assert_true (find (queue, "b", 0) == jobs[1]);
  g_assert_null (find (queue, "c", 0));
  mr_job_queue_remove_served (queue, jobs[0]);
  g_assert_true (find (queue, "a", 0) == jobs[2]);
  g_assert_true (mr_job_queue_push (queue, jobs[0], TRUE));
  g_assert_true (find (queue, "ab", 0) == jobs[0]);
  for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++) {
    mr_job_queue_remove (queue, jobs[i]);
    mr_job_free (jobs[i]);
  }
  g_assert_cmpuint (mr_job_queue_get_length (queue), ==, 0);
}

static void
test_bound (void)
{
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  MrJob *jobs[] = { job_new ("a", NULL, 1), job_new ("b", NULL, 2), job_new ("a", NULL, 3) };

  mr_job_queue_set_max_length (queue, 2);
  push (queue, jobs[1]);
  push (queue, jobs[2]);
  g_assert_false (mr_job_queue_push (queue, jobs[0], FALSE));
  g_assert_true (mr_job_queue_push (queue, jobs[0], TRUE));
  g_assert_cmpuint (mr_job_queue_get_length (queue), ==, 3);
  for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++) {
    mr_job_queue_remove (queue, jobs[i]);
    mr_job_free (jobs[i]);
  }
}

/* A batch of one key, one without a key, and a person who comes late: each in turn. */
static void
test_round_robin (void)
{
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  g_autoptr (MrKey) batch = key_new (MR_PRIORITY_NORMAL, 0);
  g_autoptr (MrKey) person = key_new (MR_PRIORITY_NORMAL, 0);

  for (guint i = 1; i <= 4; i++)
    push (queue, job_new (i % 2 == 0 ? "a" : "b", batch, i));
  push (queue, job_new ("a", NULL, 5));
  push (queue, job_new ("a", NULL, 6));
  g_assert_cmpuint (serve (queue, "ab", 0), ==, 1);
  push (queue, job_new ("b", person, 7));
  g_assert_cmpuint (serve (queue, "ab", 0), ==, 5);
  g_assert_cmpuint (serve (queue, "ab", 0), ==, 7);
  push (queue, job_new ("b", person, 8));          /* its turn is remembered though nothing of it waited */
  g_assert_cmpuint (serve (queue, "b", 0), ==, 3); /* of the key whose turn it is what can be taken */
  check_order (queue, "ab", 0, (const guint64[]){ 6, 8, 2, 4, 0 });
}

static void
test_priority_and_aging (void)
{
  static const MrPriority priorities[] = { MR_PRIORITY_LOW, MR_PRIORITY_NORMAL, MR_PRIORITY_HIGH };
  static const struct {
    gint64 now;
    guint64 order[4];
  } rows[] = {
    { 0, { 3, 2, 1, 0 } },
    { MR_LIMIT_AGING_USEC - 1, { 3, 2, 1, 0 } },
    { MR_LIMIT_AGING_USEC, { 2, 3, 1, 0 } }, /* the second is as high as the third, and came first */
    { 2 * MR_LIMIT_AGING_USEC, { 1, 2, 3, 0 } },
    { 50 * MR_LIMIT_AGING_USEC, { 1, 2, 3, 0 } },
  };

  for (gsize row = 0; row < G_N_ELEMENTS (rows); row++) {
    g_autoptr (MrJobQueue) queue = mr_job_queue_new ();

    for (guint i = 0; i < G_N_ELEMENTS (priorities); i++) {
      g_autoptr (MrKey) key = key_new (priorities[i], 0);

      push (queue, job_new ("a", key, i + 1));
    }
    find (queue, "a", 0);
    check_order (queue, "a", rows[row].now, rows[row].order);
  }
}

/* However many of high priority come, one of low priority has its turn after two rises. */
static void
test_nobody_starves (void)
{
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  g_autoptr (MrKey) low = key_new (MR_PRIORITY_LOW, 0);
  g_autoptr (MrKey) high = key_new (MR_PRIORITY_HIGH, 0);
  gint64 now = 0;
  MrJob *job;

  push (queue, job_new ("a", low, 1));
  for (guint64 number = 2;; number++) {
    MrJob *newer = job_new ("a", high, number);

    newer->arrived_us = now;
    push (queue, newer);
    job = find (queue, "a", now);
    mr_job_queue_remove_served (queue, job);
    if (job->key == low)
      break;
    mr_job_free (job);
    now += MR_LIMIT_AGING_USEC / 10;
    g_assert_cmpint (now, <, 3 * MR_LIMIT_AGING_USEC);
  }
  mr_job_free (job);
  g_assert_cmpint (now, ==, 2 * MR_LIMIT_AGING_USEC);
  while (serve (queue, "a", now) != 0)
    continue;
}

static void
test_max_concurrent (void)
{
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  g_autoptr (MrKey) key = key_new (MR_PRIORITY_HIGH, 2);

  push (queue, job_new ("a", key, 1));
  push (queue, job_new ("b", key, 2));
  push (queue, job_new ("a", NULL, 3));
  key->limit.running = 2;
  g_assert_cmpuint (serve (queue, "ab", 0), ==, 3);
  g_assert_cmpuint (serve (queue, "ab", 0), ==, 0);
  push (queue, job_new ("c", key, 4));
  g_assert_cmpuint (serve (queue, "abc", 0), ==, 0);
  key->limit.running = 1;
  check_order (queue, "abc", 0, (const guint64[]){ 1, 2, 4, 0 });
}

typedef struct {
  guint asked[26];
  gboolean answer;
} Questions;

static gboolean
count_question (const MrDispatchNeed *need, gpointer user_data)
{
  Questions *questions = user_data;

  questions->asked[need->name[0] - 'a']++;
  return questions->answer;
}

static void
test_one_question_for_each_need (void)
{
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  guint64 number = 0;

  for (guint i = 0; i < 30; i++) {
    g_autoptr (MrKey) key = key_new ((MrPriority) (i % MR_N_PRIORITIES), 0);

    for (guint k = 0; k < 10; k++)
      push (queue, job_new (k % 2 == 0 ? "a" : "b", key, ++number));
  }
  for (guint i = 0; i < 2; i++) {
    Questions questions = { .answer = i == 1 };

    mr_job_queue_find (queue, count_question, &questions, 0);
    g_assert_cmpuint (questions.asked[0], <=, 1);
    g_assert_cmpuint (questions.asked[1], <=, 1);
    g_assert_cmpuint (questions.asked[0] + questions.asked[1], >=, 1);
  }
  while (serve (queue, "ab", 0) != 0)
    continue;
}

/* --- Against a reference that looks at everything --- */

enum { N_KEYS = 6 };

typedef struct {
  MrJobQueue *queue;
  GPtrArray *waiting; /* Owned */
  GPtrArray *away;    /* Owned: served, and may return */
  MrKey *keys[N_KEYS];
  guint64 turns[N_KEYS + 1]; /* the last: of jobs without a key */
  guint64 last_turn;
  guint64 arrivals;
  gint64 now;
} World;

static guint64 *
turn_of (World *world, const MrJob *job)
{
  guint i = 0;

  while (i < N_KEYS && world->keys[i] != job->key)
    i++;
  return &world->turns[i];
}

static gboolean
reference_is_before (World *world, const MrJob *a, const MrJob *b)
{
  const MrJob *jobs[] = { a, b };
  gint64 bands[2];

  for (guint i = 0; i < 2; i++) {
    bands[i] = jobs[i]->key != NULL ? (gint64) jobs[i]->key->spec.priority : MR_PRIORITY_NORMAL;
    bands[i] = MAX (bands[i] - (world->now - jobs[i]->arrived_us) / MR_LIMIT_AGING_USEC, 0);
  }
  if (bands[0] != bands[1])
    return bands[0] < bands[1];
  if (*turn_of (world, a) != *turn_of (world, b))
    return *turn_of (world, a) < *turn_of (world, b);
  return a->number < b->number;
}

static MrJob *
reference_find (World *world, const char *wanted)
{
  MrJob *first = NULL;

  for (guint i = 0; i < world->waiting->len; i++) {
    MrJob *job = g_ptr_array_index (world->waiting, i);
    guint most = job->key != NULL ? job->key->spec.max_concurrent : 0;

    if (strchr (wanted, job->admission.model[0]) != NULL && (most == 0 || job->key->limit.running < most) &&
        (first == NULL || reference_is_before (world, job, first)))
      first = job;
  }
  return first;
}

static void
random_push (World *world)
{
  static const char *const models[] = { "a", "b", "c", "d" };
  gboolean returning = world->away->len > 0 && g_test_rand_int_range (0, 3) == 0;
  guint key = (guint) g_test_rand_int_range (0, N_KEYS + 1);
  MrJob *job;
  gboolean taken;

  if (returning) {
    job = g_ptr_array_steal_index (world->away, (guint) g_test_rand_int_range (0, (int) world->away->len));
  } else {
    job = job_new (models[g_test_rand_int_range (0, 4)], key < N_KEYS ? world->keys[key] : NULL, ++world->arrivals);
    job->arrived_us = world->now;
  }
  taken = mr_job_queue_push (world->queue, job, returning);
  g_assert_cmpint (taken, ==, returning || world->waiting->len < MAX_LENGTH);
  if (taken)
    g_ptr_array_add (world->waiting, job);
  else
    mr_job_free (job);
}

static void
random_take (World *world, MrJob *found)
{
  gboolean served = g_test_rand_int_range (0, 4) > 0;
  guint at = (guint) g_test_rand_int_range (0, (int) world->waiting->len);
  MrJob *job = found;

  if (served) {
    mr_job_queue_remove_served (world->queue, job);
    *turn_of (world, job) = ++world->last_turn;
    g_assert_true (g_ptr_array_find (world->waiting, job, &at));
  } else { /* any other, from the middle */
    job = g_ptr_array_index (world->waiting, at);
    mr_job_queue_remove (world->queue, job);
  }
  g_ptr_array_steal_index (world->waiting, at);
  if (world->away->len < MAX_LENGTH && g_test_rand_int_range (0, 2) == 0)
    g_ptr_array_add (world->away, job);
  else
    mr_job_free (job);
}

static void
test_random (void)
{
  static const char *const wishes[] = { "a", "bc", "abcd", "d", "x", "ad" };
  World world = { .queue = mr_job_queue_new (),
                  .waiting = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_job_free),
                  .away = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_job_free) };

  for (guint i = 0; i < N_KEYS; i++)
    world.keys[i] = key_new ((MrPriority) (i % MR_N_PRIORITIES), i < 3 ? 0 : 2);
  mr_job_queue_set_max_length (world.queue, MAX_LENGTH);
  for (guint step = 0; step < N_STEPS; step++) {
    const char *wanted = wishes[g_test_rand_int_range (0, G_N_ELEMENTS (wishes))];
    MrJob *found;

    world.now += g_test_rand_int_range (0, (int) MR_LIMIT_AGING_USEC / 10);
    world.keys[g_test_rand_int_range (0, N_KEYS)]->limit.running = (guint) g_test_rand_int_range (0, 4);
    found = find (world.queue, wanted, world.now);
    g_assert_true (found == reference_find (&world, wanted));
    g_assert_cmpuint (mr_job_queue_get_length (world.queue), ==, world.waiting->len);
    if (g_test_rand_int_range (0, 2) == 0)
      random_push (&world);
    else if (found != NULL)
      random_take (&world, found);
  }
  mr_job_queue_free (world.queue);
  g_ptr_array_unref (world.waiting);
  g_ptr_array_unref (world.away);
  for (guint i = 0; i < N_KEYS; i++)
    mr_key_unref (world.keys[i]);
}

/* --- Time --- */

static double
time_finds (MrJobQueue *queue, const char *wanted, gint64 now)
{
  enum { ROUNDS = 200 };
  gint64 began = g_get_monotonic_time ();

  for (guint i = 0; i < ROUNDS; i++)
    g_assert_true ((find (queue, wanted, now) != NULL) == (wanted[0] != 'x'));
  return (double) (g_get_monotonic_time () - began) / ROUNDS;
}

static void
test_cost (void)
{
  enum { LENGTH = 10000, KEYS = 1000, NEEDS = 20 };
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_key_unref);
  gint64 began = g_get_monotonic_time ();
  double some, none, full;

  for (guint i = 0; i < KEYS; i++)
    g_ptr_array_add (keys, key_new ((MrPriority) (i % MR_N_PRIORITIES), 1));
  for (guint64 i = 0; i < LENGTH; i++) {
    char model[] = { (char) ('a' + (i / KEYS + i) % NEEDS), '\0' };

    push (queue, job_new (model, g_ptr_array_index (keys, i % KEYS), i + 1));
  }
  g_test_message ("pushing, the job's own making included: %.2f us each",
                  (double) (g_get_monotonic_time () - began) / LENGTH);
  some = time_finds (queue, "abcdefghijklmnopqrst", 1);
  none = time_finds (queue, "x", 1);
  for (guint i = 0; i < KEYS; i++)
    ((MrKey *) g_ptr_array_index (keys, i))->limit.running = 1;
  g_assert_null (find (queue, "abcdefghijklmnopqrst", 2));
  full = time_finds (queue, "x", 2);
  g_test_message (
      "finding among %d jobs, %d keys, %d needs: %.1f us; none can be taken: %.1f us; all keys full: %.1f us", LENGTH,
      KEYS, NEEDS, some, none, full);
  for (guint i = 0; i < KEYS; i++)
    ((MrKey *) g_ptr_array_index (keys, i))->limit.running = 0;
  began = g_get_monotonic_time ();
  while (serve (queue, "abcdefghijklmnopqrst", 2 * MR_LIMIT_AGING_USEC) != 0)
    continue;
  g_test_message ("finding, taking and freeing all: %.1f us each", (double) (g_get_monotonic_time () - began) / LENGTH);
  g_assert_cmpfloat (MAX (MAX (some, none), full), <, 500); /* of a loaded machine under a sanitizer */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/C3/arrival-order-by-model", test_order);
  g_test_add_func ("/contract/C3/bound", test_bound);
  g_test_add_func ("/contract/C7/keys-in-turn", test_round_robin);
  g_test_add_func ("/contract/C7/priority-and-aging", test_priority_and_aging);
  g_test_add_func ("/contract/C7/nobody-starves", test_nobody_starves);
  g_test_add_func ("/contract/B6/max-concurrent-waits", test_max_concurrent);
  g_test_add_func ("/contract/C7/one-question-for-each-need", test_one_question_for_each_need);
  g_test_add_func ("/contract/C7/random-against-reference", test_random);
  g_test_add_func ("/contract/C7/cost", test_cost);
  return g_test_run ();
}
