/* SPDX-License-Identifier: MIT */
/* The queue of waiting requests: server/job-queue.c, also by random sequences against a plain sorted array. */
#include "job-queue.h"

#define N_STEPS 100000
#define MAX_LENGTH 20

static MrJob *
job_new (const char *model, guint64 number)
{
  MrAdmission admission = { .model = g_strdup (model) };
  MrJob *job = mr_job_new (NULL, NULL, &admission);

  job->number = number;
  return job;
}

static gboolean
is_wanted (const MrDispatchNeed *need, gpointer user_data)
{
  return !need->binary && strchr (user_data, need->model[0]) != NULL;
}

static void
test_order (void)
{
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  MrJob *jobs[] = { job_new ("a", 1), job_new ("b", 2), job_new ("a", 3) };

  for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++)
    g_assert_true (mr_job_queue_push (queue, jobs[i], FALSE));
  g_assert_true (mr_job_queue_find (queue, is_wanted, (gpointer) "ab") == jobs[0]);
  g_assert_true (mr_job_queue_find (queue, is_wanted, (gpointer) "b") == jobs[1]);
  g_assert_null (mr_job_queue_find (queue, is_wanted, (gpointer) "c"));
  mr_job_queue_remove (queue, jobs[0]);
  g_assert_true (mr_job_queue_find (queue, is_wanted, (gpointer) "a") == jobs[2]);
  g_assert_true (mr_job_queue_push (queue, jobs[0], TRUE));
  g_assert_true (mr_job_queue_find (queue, is_wanted, (gpointer) "ab") == jobs[0]);
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
  MrJob *jobs[] = { job_new ("a", 1), job_new ("b", 2), job_new ("a", 3) };

  mr_job_queue_set_max_length (queue, 2);
  g_assert_true (mr_job_queue_push (queue, jobs[1], FALSE));
  g_assert_true (mr_job_queue_push (queue, jobs[2], FALSE));
  g_assert_false (mr_job_queue_push (queue, jobs[0], FALSE));
  g_assert_true (mr_job_queue_push (queue, jobs[0], TRUE));
  g_assert_cmpuint (mr_job_queue_get_length (queue), ==, 3);
  for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++) {
    mr_job_queue_remove (queue, jobs[i]);
    mr_job_free (jobs[i]);
  }
}

static MrJob *
reference_find (GPtrArray *waiting, const char *wanted)
{
  MrJob *first = NULL;

  for (guint i = 0; i < waiting->len; i++) {
    MrJob *job = g_ptr_array_index (waiting, i);

    if (strchr (wanted, job->admission.model[0]) != NULL && (first == NULL || job->number < first->number))
      first = job;
  }
  return first;
}

static void
random_push (MrJobQueue *queue, GPtrArray *waiting, GPtrArray *away, guint64 number)
{
  static const char *const models[] = { "a", "b", "c", "d" };
  gboolean returning = away->len > 0 && g_test_rand_int_range (0, 3) == 0;
  MrJob *job = returning ? g_ptr_array_steal_index (away, (guint) g_test_rand_int_range (0, (int) away->len))
                         : job_new (models[g_test_rand_int_range (0, 4)], number);
  gboolean taken = mr_job_queue_push (queue, job, returning);

  g_assert_cmpint (taken, ==, returning || waiting->len < MAX_LENGTH);
  if (taken)
    g_ptr_array_add (waiting, job);
  else
    mr_job_free (job);
}

static void
test_random (void)
{
  static const char *const wishes[] = { "a", "bc", "abcd", "d", "x", "ad" };
  g_autoptr (MrJobQueue) queue = mr_job_queue_new ();
  g_autoptr (GPtrArray) waiting = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_job_free);
  g_autoptr (GPtrArray) away = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_job_free);

  mr_job_queue_set_max_length (queue, MAX_LENGTH);
  for (guint64 step = 1; step <= N_STEPS; step++) {
    const char *wanted = wishes[g_test_rand_int_range (0, G_N_ELEMENTS (wishes))];
    MrJob *found = mr_job_queue_find (queue, is_wanted, (gpointer) wanted);

    g_assert_true (found == reference_find (waiting, wanted));
    g_assert_cmpuint (mr_job_queue_get_length (queue), ==, waiting->len);
    if (g_test_rand_int_range (0, 2) == 0) {
      random_push (queue, waiting, away, step);
    } else if (found != NULL) {
      guint at = 0;

      mr_job_queue_remove (queue, found);
      g_assert_true (g_ptr_array_find (waiting, found, &at));
      g_ptr_array_steal_index (waiting, at);
      if (away->len < MAX_LENGTH && g_test_rand_int_range (0, 2) == 0)
        g_ptr_array_add (away, found);
      else
        mr_job_free (found);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/C3/arrival-order-by-model", test_order);
  g_test_add_func ("/contract/C3/bound", test_bound);
  g_test_add_func ("/contract/C3/random-against-reference", test_random);
  return g_test_run ();
}
