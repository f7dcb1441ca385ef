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

/* The worker for one real name, without affinity. */
static int
choose (Fleet *fleet, guint n, const char *name)
{
  const MrDispatchChoice choice =
      mr_dispatch_choose (fleet->pointers, n, &(MrDispatchNeed){ .name = name }, NULL, NULL);

  g_assert_cmpstr (choice.model, ==, choice.worker < 0 ? NULL : name);
  return choice.worker;
}

static void
test_model (void)
{
  Fleet fleet;

  fleet_init (&fleet);
  g_hash_table_add (fleet.workers[1].models, (gpointer) "a");
  g_hash_table_add (fleet.workers[2].models, (gpointer) "*");
  g_assert_cmpint (choose (&fleet, 2, "a"), ==, 1);
  g_assert_cmpint (choose (&fleet, 2, "b"), ==, -1);
  g_assert_cmpint (choose (&fleet, 3, "b"), ==, 2);
  fleet.workers[2].draining = TRUE;
  g_assert_cmpint (choose (&fleet, 3, "b"), ==, -1);
  g_assert_false (mr_dispatch_serves (&fleet.workers[2], &(MrDispatchNeed){ .name = "b" }));
  g_assert_cmpint (choose (&fleet, 0, "a"), ==, -1);
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
  g_assert_cmpint (choose (&fleet, 1, "a"), ==, 0);
  fleet.workers[0].in_flight = 2;
  g_assert_cmpint (choose (&fleet, 1, "a"), ==, -1);
  fleet.workers[0].in_flight = 0;
  fleet.workers[0].reported_load = 7;
  g_assert_cmpint (choose (&fleet, 1, "a"), ==, -1);
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
    int chosen = choose (&fleet, N_WORKERS, "a");

    g_assert_cmpint (chosen, >=, 0);
    counts[chosen]++;
    fleet.workers[chosen].last_chosen = round;
  }
  for (guint i = 0; i < N_WORKERS; i++)
    g_assert_cmpuint (counts[i], ==, 5);
  fleet_clear (&fleet);
}

typedef struct {
  double held[N_WORKERS];
} Shares;

static double
share_of (guint i, gpointer user_data)
{
  return ((Shares *) user_data)->held[i];
}

static void
test_names_in_order (void)
{
  static const char *const names[] = { "big", "small", NULL };
  const MrDispatchNeed need = { .name = "alias", .models = names };
  Fleet fleet;
  MrDispatchChoice choice;

  fleet_init (&fleet);
  g_hash_table_add (fleet.workers[0].models, (gpointer) "small");
  g_hash_table_add (fleet.workers[1].models, (gpointer) "big");
  g_hash_table_add (fleet.workers[2].models, (gpointer) "alias"); /* a client's name is no model's */
  g_assert_true (mr_dispatch_serves (&fleet.workers[0], &need));
  g_assert_true (mr_dispatch_serves (&fleet.workers[1], &need));
  g_assert_false (mr_dispatch_serves (&fleet.workers[2], &need));
  choice = mr_dispatch_choose (fleet.pointers, 3, &need, NULL, NULL);
  g_assert_cmpint (choice.worker, ==, 1);
  g_assert_true (choice.model == names[0]);

  fleet.workers[1].in_flight = 1; /* busy: the next name */
  choice = mr_dispatch_choose (fleet.pointers, 3, &need, NULL, NULL);
  g_assert_cmpint (choice.worker, ==, 0);
  g_assert_true (choice.model == names[1]);

  g_hash_table_add (fleet.workers[3].models, (gpointer) "*"); /* serves the first name as well as any */
  choice = mr_dispatch_choose (fleet.pointers, 4, &need, NULL, NULL);
  g_assert_cmpint (choice.worker, ==, 3);
  g_assert_true (choice.model == names[0]);

  fleet.workers[0].in_flight = fleet.workers[3].in_flight = 1;
  choice = mr_dispatch_choose (fleet.pointers, 4, &need, NULL, NULL);
  g_assert_cmpint (choice.worker, ==, -1);
  g_assert_null (choice.model);
  fleet_clear (&fleet);
}

/* Two workers, the first of which holds a share. */
static void
test_load_guard (void)
{
  static const struct {
    guint capacity[2];
    guint load[2];
    double held;
    int chosen;
  } rows[] = {
    { { 8, 8 }, { 0, 0 }, 0.3, 0 }, { { 8, 8 }, { 1, 0 }, 0.29, 1 }, /* the least that counts */
    { { 8, 8 }, { 2, 0 }, 0.3, 0 }, { { 8, 8 }, { 3, 0 }, 1, 1 },    /* two requests more */
    { { 16, 16 }, { 9, 6 }, 1, 0 }, { { 16, 16 }, { 10, 6 }, 1, 1 }, /* half as much again */
    { { 8, 8 }, { 8, 7 }, 1, 1 },                                    /* no free slot */
    { { 16, 4 }, { 10, 2 }, 1, 0 },                                  /* 2 of 4 are 8 of 16 */
    { { 16, 4 }, { 12, 2 }, 1, 0 }, { { 16, 4 }, { 13, 2 }, 1, 1 },
    { { 4, 16 }, { 3, 2 }, 1, 1 },  { { 4, 16 }, { 2, 2 }, 1, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fleet fleet;
    Shares shares = { { rows[i].held, 0 } };
    MrDispatchChoice choice;

    fleet_init (&fleet);
    for (guint k = 0; k < 2; k++) {
      g_hash_table_add (fleet.workers[k].models, (gpointer) "a");
      fleet.workers[k].max_concurrent = rows[i].capacity[k];
      fleet.workers[k].in_flight = rows[i].load[k];
    }
    fleet.workers[0].last_chosen = 1;
    choice = mr_dispatch_choose (fleet.pointers, 2, &(MrDispatchNeed){ .name = "a" }, share_of, &shares);
    g_assert_cmpint (choice.worker, ==, rows[i].chosen);
    fleet_clear (&fleet);
  }
}

/* --- Against a reference that is written the long way, in floating point --- */

static double
relative_load (const MrDispatchWorker *worker)
{
  return (double) MAX (worker->reported_load, worker->in_flight) / worker->max_concurrent;
}

static gboolean
reference_can_take (const MrDispatchWorker *worker, const char *model)
{
  return !worker->draining && relative_load (worker) < 1 &&
         (g_hash_table_contains (worker->models, model) || g_hash_table_contains (worker->models, "*"));
}

/* Of those that can take @model: a rank by what a worker holds (0 where that does not count), then by load. */
static int
reference_best (Fleet *fleet, const char *model, const double *held)
{
  int best = -1;

  for (int i = 0; i < N_WORKERS; i++) {
    const MrDispatchWorker *worker = &fleet->workers[i];
    const MrDispatchWorker *other = best < 0 ? NULL : &fleet->workers[best];

    if (!reference_can_take (worker, model))
      continue;
    if (other == NULL || held[i] > held[best] ||
        (held[i] == held[best] &&
         (relative_load (worker) < relative_load (other) ||
          (relative_load (worker) == relative_load (other) && worker->last_chosen < other->last_chosen))))
      best = i;
  }
  return best;
}

static int
reference_choose (Fleet *fleet, const char *model, const Shares *shares)
{
  double held[N_WORKERS] = { 0 };
  int least = reference_best (fleet, model, held);

  for (int i = 0; least >= 0 && i < N_WORKERS; i++) {
    const MrDispatchWorker *worker = &fleet->workers[i];
    double load = relative_load (worker) * worker->max_concurrent;
    double scaled = relative_load (&fleet->workers[least]) * worker->max_concurrent;

    if (shares->held[i] >= 0.3 && (load <= scaled + 2 + 1e-9 || load <= 1.5 * scaled + 1e-9))
      held[i] = shares->held[i];
  }
  return reference_best (fleet, model, held);
}

static void
test_random (void)
{
  static const char *const names[] = { "a", "b", "*" };
  static const char *const both[] = { "b", "a", NULL };
  Fleet fleet;
  Shares shares = { { 0 } };
  guint by_affinity = 0;

  fleet_init (&fleet);
  for (guint round = 0; round < N_ROUNDS; round++) {
    guint changed = (guint) g_test_rand_int_range (0, N_WORKERS);
    MrDispatchWorker *worker = &fleet.workers[changed];
    MrDispatchNeed need = { .name = "a", .models = g_test_rand_int_range (0, 2) == 0 ? both : NULL };
    MrDispatchChoice choice;
    int expected = -1;

    g_hash_table_remove_all (worker->models);
    g_hash_table_add (worker->models, (gpointer) names[g_test_rand_int_range (0, 3)]);
    worker->max_concurrent = (guint) g_test_rand_int_range (1, 13);
    worker->reported_load = (guint) g_test_rand_int_range (0, 10);
    worker->in_flight = (guint) g_test_rand_int_range (0, 10);
    worker->draining = g_test_rand_int_range (0, 8) == 0;
    shares.held[changed] = g_test_rand_int_range (0, 5) / 4.0;
    choice = mr_dispatch_choose (fleet.pointers, N_WORKERS, &need, share_of, &shares);
    if (need.models != NULL)
      expected = reference_choose (&fleet, "b", &shares);
    g_assert_cmpstr (choice.model, ==, choice.worker < 0 ? NULL : expected >= 0 ? "b" : "a");
    if (expected < 0)
      expected = reference_choose (&fleet, "a", &shares);
    g_assert_cmpint (choice.worker, ==, expected);
    if (choice.worker >= 0) {
      fleet.workers[choice.worker].last_chosen = round + 1;
      by_affinity += shares.held[choice.worker] >= 0.3;
    }
  }
  g_assert_cmpuint (by_affinity, >, N_ROUNDS / 10);
  fleet_clear (&fleet);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/C1/model", test_model);
  g_test_add_func ("/contract/C1/free-slot", test_slots);
  g_test_add_func ("/contract/C2/ties-rotate", test_rotation);
  g_test_add_func ("/contract/C2/names-in-order", test_names_in_order);
  g_test_add_func ("/contract/C8/load-guard", test_load_guard);
  g_test_add_func ("/contract/C2/random-against-reference", test_random);
  return g_test_run ();
}
