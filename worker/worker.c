/* SPDX-License-Identifier: MIT */
/*
 * The composition root: one backend, one link per relay, and what is seen of them from outside. Decides nothing about
 * single requests.
 */
#include "worker.h"

#include "backend.h"
#include "exchange.h"
#include "log.h"
#include "relay-link.h"

struct _MrWorker {
  GObject parent_instance;

  MrWorkerContext context;
  MrBackend *backend; /* Owned; NULL while stopped */
  char **hidden;      /* Owned: models of the backend that are not offered */
  char **offered;     /* Owned: the others; the context shows them to the links */
  GPtrArray *links;   /* Owned: of MrRelayLink; empty while stopped and until the backend was asked once */
  GSource *notify;    /* Owned: tells the outside of changes, in a turn of its own; NULL when there are none */
};

G_DEFINE_FINAL_TYPE (MrWorker, mr_worker, G_TYPE_OBJECT)

enum { PROP_0, PROP_STATE, PROP_STATUS_TEXT, PROP_MODELS, PROP_LOAD, PROP_MAX_CONCURRENT, N_PROPS };

static GParamSpec *properties[N_PROPS];
static guint drained_signal;

static const char *const no_models[] = { NULL };

GType
mr_worker_state_get_type (void)
{
  static const GEnumValue values[] = {
    { MR_WORKER_STOPPED, "MR_WORKER_STOPPED", "stopped" },
    { MR_WORKER_CONNECTING, "MR_WORKER_CONNECTING", "connecting" },
    { MR_WORKER_CONNECTED, "MR_WORKER_CONNECTED", "connected" },
    { MR_WORKER_RELAYING, "MR_WORKER_RELAYING", "relaying" },
    { MR_WORKER_DRAINING, "MR_WORKER_DRAINING", "draining" },
    { MR_WORKER_ERROR, "MR_WORKER_ERROR", "error" },
    { 0 },
  };
  static gsize type;

  if (g_once_init_enter (&type)) {
    g_once_init_leave (&type, g_enum_register_static ("MrWorkerState", values));
  }
  return type;
}

/* --- what is seen from outside --- */

static gboolean
all_links_are_stopped (MrWorker *self)
{
  for (guint i = 0; i < self->links->len; i++) {
    if (mr_relay_link_get_state (g_ptr_array_index (self->links, i)) != MR_RELAY_STOPPED) {
      return FALSE;
    }
  }
  return TRUE;
}

/* Owners may do anything in their handlers, so they are called from a turn in which nobody else is half-way. */
static gboolean
on_notify (gpointer data)
{
  g_autoptr (MrWorker) self = g_object_ref (data);

  g_clear_pointer (&self->notify, g_source_unref);
  g_object_freeze_notify (G_OBJECT (self));
  for (guint i = PROP_STATE; i < N_PROPS; i++) {
    g_object_notify_by_pspec (G_OBJECT (self), properties[i]);
  }
  g_object_thaw_notify (G_OBJECT (self));
  if (self->context.draining && self->backend != NULL && all_links_are_stopped (self)) {
    mr_worker_stop (self);
    g_signal_emit (self, drained_signal, 0);
  }
  return G_SOURCE_REMOVE;
}

static void
queue_notify (MrWorker *self)
{
  if (self->notify != NULL) {
    return;
  }
  self->notify = g_idle_source_new ();
  g_source_set_priority (self->notify, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->notify, on_notify, self, NULL);
  g_source_attach (self->notify, g_main_context_get_thread_default ());
}

/* --- from the backend and the links --- */

static void
report_to_relays (MrWorker *self)
{
  for (guint i = 0; i < self->links->len; i++) {
    mr_relay_link_report (g_ptr_array_index (self->links, i));
  }
  queue_notify (self);
}

static void
on_link_changed (MrRelayLink *link, gpointer data)
{
  queue_notify (data);
}

static void
on_link_load_changed (MrRelayLink *link, gpointer data)
{
  report_to_relays (data);
}

static void
on_link_refresh (MrRelayLink *link, gpointer data)
{
  mr_worker_refresh_models (data);
}

static const MrRelayLinkEvents link_events = {
  .changed = on_link_changed,
  .load_changed = on_link_load_changed,
  .refresh = on_link_refresh,
};

/* (transfer full): on its way to the relay */
static MrRelayLink *
start_link (MrWorker *self, guint relay)
{
  MrRelayLink *link = mr_relay_link_new (&self->context, relay, &link_events, self);

  mr_relay_link_start (link);
  return link;
}

/* A registration names models and capacity, so links wait for the first word about the backend. */
static void
start_links (MrWorker *self)
{
  if (self->links->len > 0 || self->context.draining || mr_backend_get_state (self->backend) == MR_BACKEND_UNKNOWN) {
    return;
  }
  for (guint i = 0; self->context.config->proxy_urls[i] != NULL; i++) {
    g_ptr_array_add (self->links, start_link (self, i));
  }
}

/* @models: what the backend has to offer */
static void
set_offered (MrWorker *self, const char *const *models)
{
  g_autoptr (GStrvBuilder) offered = g_strv_builder_new ();

  for (; *models != NULL; models++) {
    if (!g_strv_contains ((const char *const *) self->hidden, *models)) {
      g_strv_builder_add (offered, *models);
    }
  }
  g_strfreev (self->offered);
  self->offered = g_strv_builder_end (offered);
  self->context.models = (const char *const *) self->offered;
}

static void
on_backend_changed (MrBackend *backend, gpointer data)
{
  MrWorker *self = data;
  guint configured = mr_worker_config_get_max_concurrent (self->context.config);

  set_offered (self, mr_backend_get_models (backend));
  self->context.max_concurrent = configured > 0 ? configured : MAX (1, mr_backend_get_slots (backend));
  start_links (self);
  report_to_relays (self);
}

void
mr_worker_set_hidden_models (MrWorker *self, const char *const *names)
{
  g_return_if_fail (MR_IS_WORKER (self));
  g_strfreev (self->hidden);
  self->hidden = g_strdupv ((char **) names);
  if (self->backend != NULL) {
    set_offered (self, mr_backend_get_models (self->backend));
    report_to_relays (self);
  }
}

/* --- life --- */

static void
take_back_drain (MrWorker *self)
{
  self->context.draining = FALSE;
  for (guint i = 0; i < self->links->len; i++) {
    mr_relay_link_undrain (g_ptr_array_index (self->links, i));
  }
  start_links (self);
  queue_notify (self);
}

void
mr_worker_start (MrWorker *self)
{
  g_autoptr (GUri) backend_url = NULL;
  g_autoptr (MrTlsTrust) backend_trust = NULL;

  g_return_if_fail (MR_IS_WORKER (self));
  if (self->context.draining) {
    take_back_drain (self);
  }
  if (self->backend != NULL) {
    return;
  }
  backend_url = g_uri_parse (self->context.config->backend_url, G_URI_FLAGS_ENCODED, NULL);
  backend_trust = mr_worker_config_new_backend_trust (self->context.config, NULL);
  self->context.client = mr_http_client_new (self->context.reactor, backend_url, NULL);
  if (backend_trust != NULL) {
    mr_http_client_set_trust (self->context.client, backend_trust);
  }
  self->backend = mr_backend_new (self->context.reactor, self->context.config, on_backend_changed, self);
  mr_backend_poll (self->backend);
  queue_notify (self);
}

static void
drop_everything (MrWorker *self)
{
  g_ptr_array_set_size (self->links, 0);
  set_offered (self, no_models);
  self->context.draining = FALSE;
  g_clear_pointer (&self->backend, mr_backend_free);
  g_clear_pointer (&self->context.client, mr_http_client_free);
}

void
mr_worker_stop (MrWorker *self)
{
  g_return_if_fail (MR_IS_WORKER (self));
  drop_everything (self);
  queue_notify (self);
}

void
mr_worker_drain (MrWorker *self)
{
  g_return_if_fail (MR_IS_WORKER (self));
  if (self->backend == NULL || self->context.draining) {
    return;
  }
  mr_log (MR_LOG_INFO, "graceful shutdown", "by", "worker", NULL);
  self->context.draining = TRUE;
  for (guint i = 0; i < self->links->len; i++) {
    mr_relay_link_drain (g_ptr_array_index (self->links, i));
  }
  queue_notify (self);
}

void
mr_worker_refresh_models (MrWorker *self)
{
  g_return_if_fail (MR_IS_WORKER (self));
  if (self->backend != NULL) {
    mr_backend_poll (self->backend);
  }
}

void
mr_worker_reconnect (MrWorker *self)
{
  g_return_if_fail (MR_IS_WORKER (self));
  for (guint i = 0; i < self->links->len && !self->context.draining; i++) {
    MrRelayLink **link = (MrRelayLink **) &g_ptr_array_index (self->links, i);

    if (mr_relay_link_get_state (*link) != MR_RELAY_READY || self->context.load == 0) {
      mr_relay_link_free (*link);
      *link = start_link (self, i);
    }
  }
  report_to_relays (self);
}

MrWorkerState
mr_worker_get_state (MrWorker *self)
{
  gboolean connected = FALSE;
  gboolean failed = FALSE;

  g_return_val_if_fail (MR_IS_WORKER (self), MR_WORKER_STOPPED);
  for (guint i = 0; i < self->links->len; i++) {
    MrRelayLink *link = g_ptr_array_index (self->links, i);
    connected |= mr_relay_link_get_state (link) == MR_RELAY_READY;
    failed |= mr_relay_link_get_failure (link) != MR_RELAY_FAILURE_NONE;
  }
  if (self->backend == NULL) {
    return MR_WORKER_STOPPED;
  }
  if (self->context.draining) {
    return MR_WORKER_DRAINING;
  }
  if (connected) {
    return self->context.load > 0 ? MR_WORKER_RELAYING : MR_WORKER_CONNECTED;
  }
  return failed ? MR_WORKER_ERROR : MR_WORKER_CONNECTING;
}

char *
mr_worker_get_status_text (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), NULL);
  if (self->backend == NULL) {
    return g_strdup ("stopped");
  }
  g_autoptr (GString) text = g_string_new (mr_backend_get_status (self->backend));
  for (guint i = 0; i < self->links->len; i++) {
    g_string_append_printf (text, "; %s", mr_relay_link_get_status (g_ptr_array_index (self->links, i)));
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

const char *const *
mr_worker_get_models (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), NULL);
  return self->context.models;
}

gboolean
mr_worker_get_backend_is_up (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), FALSE);
  return self->backend != NULL && mr_backend_get_state (self->backend) == MR_BACKEND_UP;
}

const char *const *
mr_worker_get_backend_models (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), NULL);
  return self->backend != NULL ? mr_backend_get_listed (self->backend) : no_models;
}

static int
compare_age (gconstpointer a, gconstpointer b)
{
  const MrWorkerRequest *left = a;
  const MrWorkerRequest *right = b;

  return (left->started_us > right->started_us) - (left->started_us < right->started_us);
}

static void
append_requests (MrWorker *self, guint relay, GArray *requests)
{
  g_autoptr (GPtrArray) exchanges = g_ptr_array_new ();

  mr_relay_link_append_exchanges (g_ptr_array_index (self->links, relay), exchanges);
  for (guint i = 0; i < exchanges->len; i++) {
    MrExchangeFacts facts = mr_exchange_get_facts (g_ptr_array_index (exchanges, i));
    MrWorkerRequest request = { facts.request_id, facts.model, self->context.config->proxy_urls[relay],
                                facts.started_us, facts.events };

    g_array_append_val (requests, request);
  }
}

void
mr_worker_foreach_request (MrWorker *self, void (*visit) (const MrWorkerRequest *request, gpointer data), gpointer data)
{
  g_autoptr (GArray) requests = g_array_new (FALSE, FALSE, sizeof (MrWorkerRequest));

  g_return_if_fail (MR_IS_WORKER (self));
  for (guint i = 0; i < self->links->len; i++) {
    append_requests (self, i, requests);
  }
  g_array_sort (requests, compare_age);
  for (guint i = 0; i < requests->len; i++) {
    visit (&g_array_index (requests, MrWorkerRequest, i), data);
  }
}

static void
add_events (const MrWorkerRequest *request, gpointer data)
{
  MrWorkerTotals *totals = data;
  totals->events += request->events;
}

void
mr_worker_get_totals (MrWorker *self, MrWorkerTotals *totals)
{
  g_return_if_fail (MR_IS_WORKER (self));
  *totals = self->context.totals;
  mr_worker_foreach_request (self, add_events, totals);
}

gboolean
mr_worker_get_relay (MrWorker *self, guint i, MrWorkerRelay *relay)
{
  g_return_val_if_fail (MR_IS_WORKER (self), FALSE);
  if (i >= g_strv_length (self->context.config->proxy_urls)) {
    return FALSE;
  }
  relay->url = self->context.config->proxy_urls[i];
  relay->state = mr_relay_state_name (MR_RELAY_STOPPED);
  relay->status = "stopped";
  relay->failure = MR_RELAY_FAILURE_NONE;
  if (i < self->links->len) {
    MrRelayLink *link = g_ptr_array_index (self->links, i);
    relay->state = mr_relay_state_name (mr_relay_link_get_state (link));
    relay->status = mr_relay_link_get_status (link);
    relay->failure = mr_relay_link_get_failure (link);
  }
  return TRUE;
}

const char *
mr_worker_get_name (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), NULL);
  return self->context.config->worker_name != NULL ? self->context.config->worker_name : g_get_host_name ();
}

const char *
mr_worker_get_backend_url (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), NULL);
  return self->context.config->backend_url;
}

guint
mr_worker_get_load (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), 0);
  return self->context.load;
}

guint
mr_worker_get_max_concurrent (MrWorker *self)
{
  g_return_val_if_fail (MR_IS_WORKER (self), 0);
  return self->context.max_concurrent;
}

/* --- GObject --- */

static void
mr_worker_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  MrWorker *self = MR_WORKER (object);

  switch (id) {
  case PROP_STATE:
    g_value_set_enum (value, mr_worker_get_state (self));
    break;
  case PROP_STATUS_TEXT:
    g_value_take_string (value, mr_worker_get_status_text (self));
    break;
  case PROP_MODELS:
    g_value_set_boxed (value, mr_worker_get_models (self));
    break;
  case PROP_LOAD:
    g_value_set_uint (value, self->context.load);
    break;
  case PROP_MAX_CONCURRENT:
    g_value_set_uint (value, self->context.max_concurrent);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
mr_worker_finalize (GObject *object)
{
  MrWorker *self = MR_WORKER (object);

  drop_everything (self);
  if (self->notify != NULL) {
    g_source_destroy (self->notify);
    g_source_unref (self->notify);
  }
  g_ptr_array_unref (self->links);
  mr_tls_trust_unref (self->context.relay_trust);
  g_strfreev (self->hidden);
  g_strfreev (self->offered);
  mr_headers_free (self->context.backend_headers);
  mr_worker_config_free (self->context.config);
  G_OBJECT_CLASS (mr_worker_parent_class)->finalize (object);
}

static void
mr_worker_class_init (MrWorkerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  object_class->finalize = mr_worker_finalize;
  object_class->get_property = mr_worker_get_property;
  properties[PROP_STATE] = g_param_spec_enum ("state", NULL, NULL, MR_TYPE_WORKER_STATE, MR_WORKER_STOPPED, flags);
  properties[PROP_STATUS_TEXT] = g_param_spec_string ("status-text", NULL, NULL, NULL, flags);
  properties[PROP_MODELS] = g_param_spec_boxed ("models", NULL, NULL, G_TYPE_STRV, flags);
  properties[PROP_LOAD] = g_param_spec_uint ("load", NULL, NULL, 0, G_MAXUINT, 0, flags);
  properties[PROP_MAX_CONCURRENT] = g_param_spec_uint ("max-concurrent", NULL, NULL, 0, G_MAXUINT, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
  drained_signal = g_signal_new ("drained", MR_TYPE_WORKER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mr_worker_init (MrWorker *self)
{
  self->links = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_relay_link_free);
  self->hidden = g_new0 (char *, 1);
  set_offered (self, no_models);
}

MrWorker *
mr_worker_new (MrReactor *reactor, MrWorkerConfig *config)
{
  MrWorker *self = g_object_new (MR_TYPE_WORKER, NULL);

  self->context.reactor = reactor;
  self->context.config = config;
  self->context.relay_trust = mr_worker_config_new_relay_trust (config, NULL);
  self->context.backend_headers = mr_worker_config_dup_backend_headers (config);
  self->context.max_concurrent = MAX (1, mr_worker_config_get_max_concurrent (config));
  return self;
}
