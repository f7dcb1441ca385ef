/* SPDX-License-Identifier: MIT */
/*
 * The worker's life under the owner's orders. Every order and every piece of news ends in apply(), which compares what
 * should be with what is; nothing else starts or drains a worker.
 *
 *   orders, quitting ------------------> |
 *   setup.h: settings and secrets -----> | apply() --> start or drain the present worker (crew.h)
 *   pause-watch.h: conditions, clock --> |
 *
 * A worker is never changed: with other settings, or resumed while it drains, it finishes beside its successor.
 */
#include "sharing-private.h"

#include "crew.h"
#include "pause-watch.h"
#include "setup.h"
#include "tally.h"

struct _MrSharing {
  GObject parent_instance;

  GSettings *settings; /* Owned */
  MrSecrets *secrets;  /* Owned */

  gboolean wanted;
  gboolean at_work;    /* what apply() decided last */
  MrSetup *setup;      /* Owned */
  MrCrew *crew;        /* Owned */
  GHashTable *watches; /* Owned: MrRelayWatch by URL */

  MrPauseWatch *pause; /* Owned */
  MrTally *tally;      /* Owned */

  guint changed; /* source: tells of it */
  guint quit;    /* source: the drain's deadline; 0 unless quitting */
  void (*done) (gpointer data);
  gpointer done_data;
};

G_DEFINE_FINAL_TYPE (MrSharing, mr_sharing, G_TYPE_OBJECT)

enum { CHANGED, RELAY_EVENT, N_SIGNALS };
static guint signals[N_SIGNALS];

static void apply (MrSharing *self);

static gboolean
on_changed (gpointer data)
{
  MrSharing *self = data;

  self->changed = 0;
  g_signal_emit (self, signals[CHANGED], 0);
  return G_SOURCE_REMOVE;
}

static void
queue_changed (MrSharing *self)
{
  if (self->changed == 0) {
    self->changed = g_idle_add_full (G_PRIORITY_DEFAULT, on_changed, self, NULL);
  }
}

/* --- from the workers --- */

static void
hide_models (MrSharing *self)
{
  g_auto (GStrv) hidden = g_settings_get_strv (self->settings, "hidden-models");
  MrWorker *worker = mr_crew_get_present (self->crew);

  if (worker != NULL) {
    mr_worker_set_hidden_models (worker, (const char *const *) hidden);
  }
}

static guint
on_look (gpointer data)
{
  MrSharing *self = data;

  mr_crew_count (self->crew);
  queue_changed (self);
  return mr_crew_get_running (self->crew);
}

static void
on_done (const MrSharingToday *more, guint64 events, gpointer data)
{
  MrSharing *self = data;

  mr_tally_add (self->tally, more, events);
}

static MrRelayWatch *
watch_of (MrSharing *self, const char *url)
{
  MrRelayWatch *watch = g_hash_table_lookup (self->watches, url);

  if (watch == NULL) {
    watch = g_new0 (MrRelayWatch, 1);
    g_hash_table_insert (self->watches, g_strdup (url), watch);
  }
  return watch;
}

/* Handlers may give orders, so that the worker is looked up again after each event. */
static void
tell_relay_events (MrSharing *self)
{
  MrWorker *worker = mr_crew_get_present (self->crew);
  MrWorkerRelay relay;
  MrSharingEvent event;

  for (guint i = 0; worker != NULL && mr_worker_get_relay (worker, i, &relay); i++) {
    MrWorkerState state = mr_worker_get_state (worker);
    gboolean at_work = state != MR_WORKER_DRAINING && state != MR_WORKER_STOPPED;
    if (at_work &&
        mr_relay_watch_update (watch_of (self, relay.url), g_str_equal (relay.state, "ready"), relay.failure, &event)) {
      g_signal_emit (self, signals[RELAY_EVENT], 0, (guint) event, relay.url);
    }
    worker = mr_crew_get_present (self->crew);
  }
}

/* Not by us: over D-Bus. It is to last, as the owner's own word does. */
static gboolean
was_drained_from_outside (MrSharing *self)
{
  MrWorker *worker = mr_crew_get_present (self->crew);
  MrWorkerState state = worker != NULL ? mr_worker_get_state (worker) : MR_WORKER_CONNECTING;

  return self->at_work && (state == MR_WORKER_DRAINING || state == MR_WORKER_STOPPED);
}

static void
on_workers_changed (gpointer data)
{
  g_autoptr (MrSharing) self = g_object_ref (data);

  if (was_drained_from_outside (self)) {
    mr_sharing_pause (self, MR_PAUSED_UNTIL_RESUMED);
  }

  if (mr_crew_get_running (self->crew) > 0) {
    mr_tally_wake (self->tally);
  }
  queue_changed (self);
  tell_relay_events (self);
}

static void
on_worker_drained (gpointer data)
{
  apply (data);
}

static const MrCrewEvents crew_events = {
  .changed = on_workers_changed,
  .drained = on_worker_drained,
  .done = on_done,
};

/* The worker owns its configuration, so that it gets another one of the same contents. */
static void
hire (MrSharing *self)
{
  g_autoptr (MrWorkerConfig) config = mr_sharing_new_config (self->settings, self->secrets, NULL);

  if (config != NULL) {
    mr_crew_hire (self->crew, g_steal_pointer (&config));
    hide_models (self);
  }
}

/* --- what should be --- */

static gboolean
on_quit (gpointer data)
{
  g_autoptr (MrSharing) self = g_object_ref (data);
  void (*done) (gpointer data) = g_steal_pointer (&self->done);

  self->quit = 0;
  mr_crew_drop_all (self->crew);
  mr_tally_save (self->tally);
  done (self->done_data);
  return G_SOURCE_REMOVE;
}

static void
quit_within (MrSharing *self, guint milliseconds)
{
  g_clear_handle_id (&self->quit, g_source_remove);
  self->quit = g_timeout_add (milliseconds, on_quit, self);
}

static void
start_working (MrSharing *self)
{
  MrWorker *worker = mr_crew_get_present (self->crew);

  if (worker != NULL && mr_worker_get_state (worker) == MR_WORKER_DRAINING) {
    mr_crew_retire (self->crew);
  }
  if (mr_crew_get_present (self->crew) == NULL) {
    hire (self);
  }
  worker = mr_crew_get_present (self->crew);
  if (worker != NULL) {
    mr_worker_start (worker);
  }
}

static void
apply (MrSharing *self)
{
  MrWorker *worker = mr_crew_get_present (self->crew);

  mr_pause_watch_decide (self->pause, self->wanted);
  self->at_work =
      self->wanted && mr_setup_is_complete (self->setup) && mr_sharing_get_pause (self)->reason == MR_PAUSE_NONE;
  if (self->at_work) {
    start_working (self);
  } else if (worker != NULL) {
    mr_worker_drain (worker);
  }
  if (self->quit != 0 && mr_crew_all_have_stopped (self->crew)) {
    quit_within (self, 0);
  }
  queue_changed (self);
}

static void
on_facts_changed (gpointer data)
{
  apply (data);
}

static void
on_setup_changed (gboolean other, gpointer data)
{
  MrSharing *self = data;

  if (other) {
    mr_crew_retire (self->crew);
  }
  apply (self);
}

static void
on_setting_changed (GSettings *settings, const char *key, gpointer data)
{
  MrSharing *self = data;

  if (g_str_equal (key, "hidden-models")) {
    hide_models (self);
  }
  apply (self);
}

/* --- orders --- */

void
mr_sharing_connect (MrSharing *self)
{
  g_return_if_fail (MR_IS_SHARING (self));
  self->wanted = TRUE;
  mr_setup_begin (self->setup);
  apply (self);
}

void
mr_sharing_disconnect (MrSharing *self)
{
  g_return_if_fail (MR_IS_SHARING (self));
  self->wanted = FALSE;
  mr_setup_end (self->setup);
  g_hash_table_remove_all (self->watches);
  apply (self);
}

void
mr_sharing_pause (MrSharing *self, gint64 until_unix)
{
  g_return_if_fail (MR_IS_SHARING (self));
  g_settings_set_int64 (self->settings, "paused-until", until_unix);
}

void
mr_sharing_resume (MrSharing *self)
{
  g_return_if_fail (MR_IS_SHARING (self));
  g_settings_set_int64 (self->settings, "paused-until", 0);
}

void
mr_sharing_hand_back (MrSharing *self)
{
  g_return_if_fail (MR_IS_SHARING (self));
  mr_crew_drop_all (self->crew);
  mr_sharing_pause (self, MR_PAUSED_UNTIL_RESUMED);
  apply (self);
}

void
mr_sharing_refresh_models (MrSharing *self)
{
  g_return_if_fail (MR_IS_SHARING (self));
  if (mr_crew_get_present (self->crew) != NULL) {
    mr_worker_refresh_models (mr_crew_get_present (self->crew));
  }
}

void
mr_sharing_set_model_shared (MrSharing *self, const char *model, gboolean shared)
{
  g_return_if_fail (MR_IS_SHARING (self));
  g_auto (GStrv) hidden = g_settings_get_strv (self->settings, "hidden-models");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (char **name = hidden; *name != NULL; name++) {
    if (!g_str_equal (*name, model)) {
      g_strv_builder_add (builder, *name);
    }
  }
  if (!shared) {
    g_strv_builder_add (builder, model);
  }
  g_auto (GStrv) names = g_strv_builder_end (builder);
  g_settings_set_strv (self->settings, "hidden-models", (const char *const *) names);
}

void
mr_sharing_quit (MrSharing *self, guint seconds, void (*done) (gpointer data), gpointer data)
{
  g_return_if_fail (MR_IS_SHARING (self));
  self->done = done;
  self->done_data = data;
  quit_within (self, seconds * 1000);
  mr_sharing_disconnect (self);
}

/* --- how it is --- */

guint
mr_sharing_get_running (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), 0);
  return mr_crew_get_running (self->crew);
}

void
mr_sharing_foreach_request (MrSharing *self, void (*visit) (const MrWorkerRequest *request, gpointer data),
                            gpointer data)
{
  g_return_if_fail (MR_IS_SHARING (self));
  mr_crew_foreach_request (self->crew, visit, data);
}

static MrSharingState
state_of_worker (MrWorker *worker)
{
  switch (worker != NULL ? mr_worker_get_state (worker) : MR_WORKER_STOPPED) {
  case MR_WORKER_CONNECTED:
  case MR_WORKER_RELAYING:
    return mr_worker_get_backend_is_up (worker) ? MR_SHARING_CONNECTED : MR_SHARING_ERROR;
  case MR_WORKER_ERROR:
    return MR_SHARING_ERROR;
  case MR_WORKER_STOPPED:
  case MR_WORKER_CONNECTING:
  case MR_WORKER_DRAINING:
  default:
    return MR_SHARING_CONNECTING;
  }
}

MrSharingState
mr_sharing_get_state (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), MR_SHARING_DISCONNECTED);
  if (mr_sharing_get_running (self) > 0) {
    return MR_SHARING_RELAYING;
  }
  if (!self->wanted || mr_setup_get_problem (self->setup) != NULL) {
    return MR_SHARING_DISCONNECTED;
  }
  if (mr_pause_watch_get_verdict (self->pause)->reason != MR_PAUSE_NONE) {
    return MR_SHARING_PAUSED;
  }
  return state_of_worker (mr_crew_get_present (self->crew));
}

gboolean
mr_sharing_is_wanted (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), FALSE);
  return self->wanted;
}

/* In words, by one of the functions of sharing-private.h. */
static char *
describe (MrSharing *self, char *(*sentence) (const MrSharingFacts *facts))
{
  g_autofree char *pause = mr_pause_watch_describe (self->pause);
  guint running = mr_sharing_get_running (self);
  MrWorker *worker = mr_sharing_get_worker (self);
  const MrSharingFacts facts = {
    .state = mr_sharing_get_state (self),
    .wanted = self->wanted,
    .running = running,
    .running_earlier = running - (worker != NULL ? mr_worker_get_load (worker) : 0),
    .problem = mr_setup_get_problem (self->setup),
    .pause = pause,
    .worker = worker,
  };

  return sentence (&facts);
}

char *
mr_sharing_dup_headline (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), NULL);
  return describe (self, mr_sharing_headline);
}

char *
mr_sharing_dup_details (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), NULL);
  return describe (self, mr_sharing_details);
}

char *
mr_sharing_dup_config_problem (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), NULL);
  return g_strdup (mr_setup_get_problem (self->setup));
}

const MrPauseVerdict *
mr_sharing_get_pause (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), NULL);
  return mr_pause_watch_get_verdict (self->pause);
}

MrWorker *
mr_sharing_get_worker (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), NULL);
  return mr_crew_get_present (self->crew);
}

gboolean
mr_sharing_is_model_shared (MrSharing *self, const char *model)
{
  g_return_val_if_fail (MR_IS_SHARING (self), FALSE);
  g_auto (GStrv) hidden = g_settings_get_strv (self->settings, "hidden-models");
  return !g_strv_contains ((const char *const *) hidden, model);
}

void
mr_sharing_get_today (MrSharing *self, MrSharingToday *today)
{
  g_return_if_fail (MR_IS_SHARING (self));
  mr_crew_count (self->crew);
  mr_tally_get_today (self->tally, today);
}

double
mr_sharing_get_rate (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), 0);
  return mr_rate_get (mr_tally_get_rate (self->tally));
}

const guint *
mr_sharing_get_history (MrSharing *self)
{
  g_return_val_if_fail (MR_IS_SHARING (self), NULL);
  return mr_tally_get_rate (self->tally)->history;
}

/* --- GObject --- */

static void
mr_sharing_finalize (GObject *object)
{
  MrSharing *self = MR_SHARING (object);

  g_signal_handlers_disconnect_by_data (self->settings, self);
  mr_setup_free (self->setup);
  mr_crew_free (self->crew);
  g_clear_handle_id (&self->changed, g_source_remove);
  g_clear_handle_id (&self->quit, g_source_remove);
  g_hash_table_unref (self->watches);
  mr_pause_watch_free (self->pause);
  mr_tally_free (self->tally);
  g_object_unref (self->secrets);
  g_object_unref (self->settings);
  G_OBJECT_CLASS (mr_sharing_parent_class)->finalize (object);
}

static void
mr_sharing_class_init (MrSharingClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mr_sharing_finalize;
  signals[CHANGED] = g_signal_new ("changed", MR_TYPE_SHARING, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[RELAY_EVENT] = g_signal_new ("relay-event", MR_TYPE_SHARING, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                       G_TYPE_NONE, 2, G_TYPE_UINT, G_TYPE_STRING);
}

static void
mr_sharing_init (MrSharing *self)
{
  self->watches = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

MrSharing *
mr_sharing_new (MrReactor *reactor, GSettings *settings, MrSecrets *secrets, MrConditions *conditions,
                const char *state_dir)
{
  MrSharing *self = g_object_new (MR_TYPE_SHARING, NULL);

  self->settings = g_object_ref (settings);
  self->secrets = g_object_ref (secrets);
  self->crew = mr_crew_new (reactor, &crew_events, self);
  self->setup = mr_setup_new (settings, secrets, on_setup_changed, self);
  self->pause = mr_pause_watch_new (settings, conditions, on_facts_changed, self);
  self->tally = mr_tally_new (state_dir, on_look, self);
  g_signal_connect (settings, "changed", G_CALLBACK (on_setting_changed), self);
  apply (self);
  return self;
}
