/* SPDX-License-Identifier: MIT */
/* The choice of a worker: server/dispatch.c, against a reference that is written the long way. */
#include "dispatch.h"

#define N_WORKERS 6
#define N_ROUNDS 50000

typedef struct {
  MrDispatchWorker workers[N_WORKERS];
  MrDispatchWorker *pointers[N_WORKERS];
} Fleet;

static void
fleet_init (Fleet *fleet)
{
  for (guint i = 0; i < N_WORKERS; i++) {
    fleet->workers[i] = (MrDispatchWorker){ .models = g_hash_table_new (g_str_hash, g_str_equal), .max_concurrent = 1 };
    fleet->pointers[i] = &fleet->workers[i];
  }
}

static void
fleet_clear (Fleet *fleet)
{
  for (guint i = 0; i < N_WORKERS; i++)
    g_hash_table_unref (fleet->workers[i].models);
}

static void
test_model (void)
{
  Fleet fleet;

  fleet_init (&fleet);
  g_hash_table_add (fleet.workers[1].models, (gpointer) "a");
  g_hash_table_add (fleet.workers[2].models, (gpointer) "*");
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 2, &(MrDispatchNeed){ .model = "a" }), ==, 1);
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 2, &(MrDispatchNeed){ .model = "b" }), ==, -1);
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 3, &(MrDispatchNeed){ .model = "b" }), ==, 2);
  fleet.workers[2].draining = TRUE;
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 3, &(MrDispatchNeed){ .model = "b" }), ==, -1);
  g_assert_false (mr_dispatch_serves (&fleet.workers[2], &(MrDispatchNeed){ .model = "b" }));
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 0, &(MrDispatchNeed){ .model = "a" }), ==, -1);
  fleet_clear (&fleet);
}

static void
test_slots (void)
{
  Fleet fleet;

  fleet_init (&fleet);
  g_hash_table_add (fleet.workers[0].models, (gpointer) "a");
  fleet.workers[0].max_concurrent = 2;
  fleet.workers[0].reported_load = 1;
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 1, &(MrDispatchNeed){ .model = "a" }), ==, 0);
  fleet.workers[0].in_flight = 2;
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 1, &(MrDispatchNeed){ .model = "a" }), ==, -1);
  fleet.workers[0].in_flight = 0;
  fleet.workers[0].reported_load = 7;
  g_assert_cmpint (mr_dispatch_choose (fleet.pointers, 1, &(MrDispatchNeed){ .model = "a" }), ==, -1);
  fleet_clear (&fleet);
}

static void
test_rotation (void)
{
  Fleet fleet;
  guint counts[N_WORKERS] = { 0 };

  fleet_init (&fleet);
  for (guint i = 0; i < N_WORKERS; i++)
    g_hash_table_add (fleet.workers[i].models, (gpointer) "a");
  for (guint round = 1; round <= 5 * N_WORKERS; round++) {
    int chosen = mr_dispatch_choose (fleet.pointers, N_WORKERS, &(MrDispatchNeed){ .model = "a" });

    g_assert_cmpint (chosen, >=, 0);
    counts[chosen]++;
    fleet.workers[chosen].last_chosen = round;
  }
  for (guint i = 0; i < N_WORKERS; i++)
    g_assert_cmpuint (counts[i], ==, 5);
  fleet_clear (&fleet);
}

static int
reference_choose (Fleet *fleet, const char *model)
{
  int best = -1;
  double best_share = 2;

  for (int i = 0; i < N_WORKERS; i++) {
    MrDispatchWorker *worker = &fleet->workers[i];
    double share = (double) MAX (worker->reported_load, worker->in_flight) / worker->max_concurrent;

    if (worker->draining || share >= 1 ||
        !(g_hash_table_contains (worker->models, model) || g_hash_table_contains (worker->models, "*")))
      continue;
    if (best < 0 || share < best_share ||
        (share == best_share && worker->last_chosen < fleet->workers[best].last_chosen)) {
      best = i;
      best_share = share;
    }
  }
  return best;
}

static void
test_random (void)
{
  static const char *const names[] = { "a", "b", "*" };
  Fleet fleet;

  fleet_init (&fleet);
  for (guint round = 0; round < N_ROUNDS; round++) {
    MrDispatchWorker *worker = &fleet.workers[g_test_rand_int_range (0, N_WORKERS)];
    const char *model = names[g_test_rand_int_range (0, 2)];
    int chosen;

    g_hash_table_remove_all (worker->models);
    g_hash_table_add (worker->models, (gpointer) names[g_test_rand_int_range (0, 3)]);
    worker->max_concurrent = (guint) g_test_rand_int_range (1, 5);
    worker->reported_load = (guint) g_test_rand_int_range (0, 5);
    worker->in_flight = (guint) g_test_rand_int_range (0, 5);
    worker->draining = g_test_rand_int_range (0, 8) == 0;
    chosen = mr_dispatch_choose (fleet.pointers, N_WORKERS, &(MrDispatchNeed){ .model = model });
    g_assert_cmpint (chosen, ==, reference_choose (&fleet, model));
    if (chosen >= 0)
      fleet.workers[chosen].last_chosen = round + 1;
  }
  fleet_clear (&fleet);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/C1/model", test_model);
  g_test_add_func ("/contract/C1/free-slot", test_slots);
  g_test_add_func ("/contract/C2/ties-rotate", test_rotation);
  g_test_add_func ("/contract/C2/random-against-reference", test_random);
  return g_test_run ();
}
