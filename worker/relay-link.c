/* SPDX-License-Identifier: MIT */
/*
 * One relay: the state machine of relay-link.h and the messages of a session. Which models there are, what they
 * cost and when to stop is in the context; back-off is backoff.h's arithmetic.
 */
#include "relay-link.h"

#include "backoff.h"
#include "limits.h"
#include "link-connect.h"
#include "log.h"
#include "relay-requests.h"

#include <string.h>

/* Beyond its drain a relay that restarts is looked for often for so long. */
#define RESTART_PATIENCE_USEC (10 * MR_USEC_PER_SEC)

#define OUR_EXTENSIONS                                                                                                 \
  (MR_EXTENSION_REQUEST_ERRORS | MR_EXTENSION_RESPONSE_START | MR_EXTENSION_BINARY_FRAMES |                            \
   MR_EXTENSION_LOAD_UPDATES | MR_EXTENSION_FLOW_CONTROL)

struct _MrRelayLink {
  MrWorkerContext *context; /* Borrowed: outlives us */
  const MrRelayLinkEvents *events;
  gpointer data;
  const char *url; /* Borrowed from the context's config, as the secret */
  const char *secret;
  GUri *uri; /* Owned */

  MrRelayState state;
  char *status; /* Owned */
  MrRelayFailure failure;
  gint64 restart_until_us; /* it said that it shuts down: it is looked for often until then */
  MrTimer timer;           /* WAITING: the next attempt; REGISTERING: the deadline */
  MrBackoff backoff;
  GCancellable *connecting; /* Owned: only while CONNECTING */

  /* Of the present session. */
  MrLink *link; /* Owned: from REGISTERING to its end */
  MrExtensions extensions;
  gint64 registered_us;
  gboolean relay_draining;   /* it said graceful_shutdown */
  gboolean at_once;          /* closed to register anew: no back-off */
  MrRelayRequests *requests; /* Owned: once registered, to the session's end */
  char **told_models;        /* Owned: what the relay was told last */
  guint told_load;
  guint told_concurrent;
};

static void connect_to_relay (MrRelayLink *self);

/* (transfer full status) */
static void
set_state (MrRelayLink *self, MrRelayState state, char *status)
{
  if (!mr_relay_state_can_become (self->state, state)) {
    g_critical ("relay link: %s does not lead to %s", mr_relay_state_name (self->state), mr_relay_state_name (state));
  }
  mr_log (MR_LOG_DEBUG, "relay link", "url", self->url, "from", mr_relay_state_name (self->state), "to",
          mr_relay_state_name (state), "status", status, NULL);
  self->state = state;
  g_free (self->status);
  self->status = status;
  self->events->changed (self, self->data);
}

/* --- what the relay is told --- */

static void
remember_told (MrRelayLink *self, char **models)
{
  g_strfreev (self->told_models);
  self->told_models = g_strdupv (models);
  self->told_load = self->context->load;
}

static void
send_models (MrRelayLink *self)
{
  const char *const none[] = { NULL };
  MrMessage message = { MR_MESSAGE_INIT (MODELS_UPDATE) };

  message.models = (char **) (self->context->draining ? none : self->context->models);
  message.current_load = self->context->load;
  mr_link_send (self->link, &message);
  remember_told (self, message.models);
}

static void
send_register (MrRelayLink *self)
{
  MrWorkerContext *context = self->context;
  const char *name = context->config->worker_name != NULL ? context->config->worker_name : g_get_host_name ();
  g_auto (GStrv) extensions = mr_extensions_to_strv (OUR_EXTENSIONS);
  MrMessage message = { MR_MESSAGE_INIT (REGISTER),
                        .worker_name = (char *) name,
                        .models = (char **) context->models,
                        .max_concurrent = context->max_concurrent,
                        .protocol_version = (char *) MR_PROTOCOL_VERSION,
                        .version = (char *) MR_VERSION,
                        .extensions = extensions };

  message.current_load = context->load;
  mr_link_send (self->link, &message);
  remember_told (self, message.models);
  self->told_concurrent = context->max_concurrent;
}

/* @timestamp_unix_ms: of the ping that it answers; -1 for one that nobody asked for (load_updates). */
static void
send_pong (MrRelayLink *self, gint64 timestamp_unix_ms)
{
  MrMessage message = { MR_MESSAGE_INIT (PONG) };

  message.current_load = self->context->load;
  message.timestamp_unix_ms = timestamp_unix_ms;
  mr_link_send (self->link, &message);
  self->told_load = self->context->load;
}

static void
close_link (MrRelayLink *self, guint16 code, const char *reason)
{
  mr_timer_clear (&self->timer);
  mr_link_close (self->link, code, reason);
  set_state (self, MR_RELAY_CLOSING, g_strdup_printf ("leaving %s: %s", self->url, reason));
}

static guint
count_requests (MrRelayLink *self)
{
  return self->requests != NULL ? mr_relay_requests_get_count (self->requests) : 0;
}

/* The relay counts its own requests itself; it takes the larger one of its count and what it was told (contract C1). */
static gboolean
relay_knows_load (MrRelayLink *self)
{
  return MAX (self->told_load, count_requests (self)) == self->context->load;
}

static gboolean
relay_knows_models (MrRelayLink *self)
{
  return self->context->draining || g_strv_equal ((const char *const *) self->told_models, self->context->models);
}

void
mr_relay_link_report (MrRelayLink *self)
{
  if (self->state != MR_RELAY_READY) {
    return;
  }
  gboolean idle = count_requests (self) == 0;
  if (self->context->draining && idle) {
    close_link (self, MR_CLOSE_NORMAL, "worker drained");
  } else if (!self->context->draining && idle && self->told_concurrent != self->context->max_concurrent) {
    self->at_once = TRUE; /* only a registration carries the number */
    close_link (self, MR_CLOSE_NORMAL, "registering a new capacity");
  } else if (relay_knows_models (self) && relay_knows_load (self)) {
    return;
  } else if (relay_knows_models (self) && (self->extensions & MR_EXTENSION_LOAD_UPDATES)) {
    send_pong (self, -1);
  } else {
    send_models (self);
  }
}

/* --- requests --- */

static void
on_load_changed (gpointer data)
{
  MrRelayLink *self = data;
  self->events->load_changed (self, self->data);
}

static void
on_unreachable (gpointer data)
{
  MrRelayLink *self = data;
  self->events->refresh (self, self->data);
}

static const MrRelayRequestsEvents requests_events = {
  .load_changed = on_load_changed,
  .unreachable = on_unreachable,
};

static void
on_request (MrRelayLink *self, const MrMessage *request)
{
  gboolean draining = self->context->draining || self->relay_draining;

  if (!mr_relay_requests_take (self->requests, request, draining)) {
    close_link (self, MR_CLOSE_PROTOCOL_ERROR, "request id is in use");
  }
}

static void
on_frame (MrLink *link, const char *request_id, const MrFrame *frame, gpointer data)
{
  MrRelayLink *self = data;

  if (!mr_relay_requests_take_body (self->requests, request_id, frame->payload)) {
    close_link (self, MR_CLOSE_PROTOCOL_ERROR, "more of a request body than was announced or allowed");
  }
}

/* --- the session --- */

static void
on_register_ack (MrRelayLink *self, const MrMessage *ack)
{
  if (ack->protocol_version != NULL && !g_str_equal (ack->protocol_version, MR_PROTOCOL_VERSION)) {
    close_link (self, MR_CLOSE_PROTOCOL_ERROR, "the relay speaks another version of the protocol");
    return;
  }
  for (char **warning = ack->warnings; warning != NULL && *warning != NULL; warning++) {
    mr_log (MR_LOG_WARN, "registration warning", "url", self->url, "warning", *warning, NULL);
  }
  mr_timer_clear (&self->timer);
  mr_link_watch_silence (self->link, 0, MR_LIMIT_WORKER_SILENCE_USEC, "relay is silent");
  self->extensions = mr_extensions_from_strv ((const char *const *) ack->extensions) & OUR_EXTENSIONS;
  if (self->extensions & MR_EXTENSION_BINARY_FRAMES) {
    mr_link_allow_frames (self->link);
  }
  self->registered_us = mr_reactor_now (self->context->reactor);
  self->restart_until_us = 0;
  self->failure = MR_RELAY_FAILURE_NONE;
  self->requests = mr_relay_requests_new (
      self->context, self->link, self->extensions,
      ack->window_bytes > 0 ? (guint64) ack->window_bytes : MR_LIMIT_STREAM_WINDOW_BYTES, &requests_events, self);

  g_autofree char *models = g_strjoinv (",", ack->models);
  mr_log (MR_LOG_INFO, "registered", "url", self->url, "worker_id", ack->worker_id, "models", models, NULL);
  set_state (self, MR_RELAY_READY, g_strdup_printf ("connected to %s", self->url));
  mr_relay_link_report (self); /* of what changed since the register */
}

static void
on_graceful_shutdown (MrRelayLink *self, const MrMessage *message)
{
  self->relay_draining = TRUE;
  self->restart_until_us = mr_reactor_now (self->context->reactor) + RESTART_PATIENCE_USEC +
                           MAX (message->drain_timeout_secs, 0) * MR_USEC_PER_SEC;
  mr_log (MR_LOG_INFO, "graceful shutdown", "url", self->url, "by", "relay", "reason", message->reason, NULL);
}

static void
on_session_message (MrRelayLink *self, const MrMessage *message)
{
  switch (message->type) {
  case MR_MESSAGE_REQUEST:
    on_request (self, message);
    break;
  case MR_MESSAGE_CANCEL:
    mr_relay_requests_cancel (self->requests, message);
    break;
  case MR_MESSAGE_WINDOW_UPDATE:
    mr_relay_requests_add_credit (self->requests, message);
    break;
  case MR_MESSAGE_PING:
    send_pong (self, message->timestamp_unix_ms);
    break;
  case MR_MESSAGE_MODELS_REFRESH:
    self->events->refresh (self, self->data);
    break;
  case MR_MESSAGE_GRACEFUL_SHUTDOWN:
    on_graceful_shutdown (self, message);
    break;
  default:
    close_link (self, MR_CLOSE_PROTOCOL_ERROR, "message out of turn");
    break;
  }
}

static void
on_message (MrLink *link, const MrMessage *message, gpointer data)
{
  MrRelayLink *self = data;

  if (self->state == MR_RELAY_READY) {
    on_session_message (self, message);
  } else if (self->state == MR_RELAY_REGISTERING && message->type == MR_MESSAGE_REGISTER_ACK) {
    on_register_ack (self, message);
  } else if (self->state == MR_RELAY_REGISTERING) {
    close_link (self, MR_CLOSE_PROTOCOL_ERROR, "message before register_ack");
  }
}

static void
on_drained (MrLink *link, gpointer data)
{
  MrRelayLink *self = data;
  if (self->requests != NULL) {
    mr_relay_requests_resume (self->requests);
  }
}

/* --- the end of a session --- */

static void
wait_for_next (MrRelayLink *self, gint64 wait_us, char *status)
{
  g_autofree char *wait = g_strdup_printf ("%" G_GINT64_FORMAT, wait_us / MR_USEC_PER_MSEC);
  const char *event = self->state == MR_RELAY_CONNECTING ? "cannot connect to proxy" : "disconnected from proxy";
  mr_log (MR_LOG_WARN, event, "url", self->url, "status", status, "retry_ms", wait, NULL);
  mr_timer_set (&self->timer, g_get_monotonic_time () + wait_us);
  set_state (self, MR_RELAY_WAITING, status);
}

/* A relay that restarts is coming back, though its drain may take a while. */
static gint64
next_wait_us (MrRelayLink *self)
{
  if (mr_reactor_now (self->context->reactor) < self->restart_until_us) {
    return MR_BACKOFF_RESTART_USEC;
  }
  return mr_backoff_next_us (&self->backoff, g_random_int ());
}

/* The relay serves the requests elsewhere. */
static gboolean
end_session (MrRelayLink *self)
{
  gboolean had_requests = count_requests (self) > 0;

  mr_timer_clear (&self->timer);
  if (self->requests != NULL) {
    mr_relay_requests_lose (self->requests);
  }
  g_clear_pointer (&self->requests, mr_relay_requests_free);
  g_clear_pointer (&self->link, mr_link_free);
  return had_requests;
}

static void
on_closed (MrLink *link, guint16 code, const char *reason, gpointer data)
{
  MrRelayLink *self = data;
  g_autofree char *status = self->relay_draining ? g_strdup_printf ("%s is restarting", self->url)
                                                 : mr_relay_failure_describe_close (self->url, code, reason);
  gboolean registered = self->registered_us > 0;
  gint64 lived_us = registered ? mr_reactor_now (self->context->reactor) - self->registered_us : 0;
  gboolean load_changed = end_session (self);

  mr_backoff_session_ended (&self->backoff, lived_us);
  if (self->context->draining) {
    self->failure = MR_RELAY_FAILURE_NONE;
    set_state (self, MR_RELAY_STOPPED, g_steal_pointer (&status));
  } else if (self->at_once) {
    connect_to_relay (self);
  } else {
    self->failure = self->relay_draining ? MR_RELAY_FAILURE_NONE : mr_relay_failure_from_close (code, registered);
    wait_for_next (self, next_wait_us (self), g_steal_pointer (&status));
  }
  if (load_changed) {
    self->events->load_changed (self, self->data);
  }
}

static const MrLinkEvents link_events = {
  .message = on_message,
  .frame = on_frame,
  .closed = on_closed,
  .drained = on_drained,
};

/* --- the beginning of one --- */

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MrConnection) connection = mr_link_connect_finish (result, &error);
  MrRelayLink *self = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    return; /* self may be gone */
  }
  g_clear_object (&self->connecting);
  if (connection == NULL) {
    self->failure = mr_relay_failure_from_error (error);
    wait_for_next (self, next_wait_us (self), g_strdup_printf ("cannot reach %s: %s", self->url, error->message));
    return;
  }
  mr_log (MR_LOG_INFO, "connected to proxy", "url", self->url, NULL);
  mr_connection_set_water (connection, MR_LIMIT_WORKER_HIGH_BYTES, MR_LIMIT_WORKER_LOW_BYTES);
  self->link = mr_link_new (g_steal_pointer (&connection), MR_WEBSOCKET_CLIENT, &link_events, self);
  send_register (self);
  mr_timer_set (&self->timer, g_get_monotonic_time () + MR_LIMIT_REGISTER_USEC);
  set_state (self, MR_RELAY_REGISTERING, g_strdup_printf ("registering with %s", self->url));
}

static void
connect_to_relay (MrRelayLink *self)
{
  const MrWorkerConfig *config = self->context->config;

  self->extensions = 0;
  self->registered_us = 0;
  self->relay_draining = FALSE;
  self->at_once = FALSE;
  self->connecting = g_cancellable_new ();
  mr_link_connect_async (self->context->reactor, self->uri, self->context->relay_trust, config->provider, self->secret,
                         self->connecting, on_connected, self);
  set_state (self, MR_RELAY_CONNECTING,
             self->failure != MR_RELAY_FAILURE_NONE ? g_strdup (self->status)
                                                    : g_strdup_printf ("connecting to %s", self->url));
}

static void
on_timer (MrTimer *timer)
{
  MrRelayLink *self = MR_OWNER_OF (timer, MrRelayLink, timer);
  if (self->state == MR_RELAY_WAITING) {
    connect_to_relay (self);
  } else {
    close_link (self, MR_CLOSE_PROTOCOL_ERROR, "no register_ack");
  }
}

/* --- life --- */

MrRelayLink *
mr_relay_link_new (MrWorkerContext *context, guint relay, const MrRelayLinkEvents *events, gpointer data)
{
  MrRelayLink *self = g_new0 (MrRelayLink, 1);
  self->context = context;
  self->events = events;
  self->data = data;
  self->url = context->config->proxy_urls[relay];
  self->secret = mr_worker_config_get_secret (context->config, relay);
  self->uri = g_uri_parse (self->url, G_URI_FLAGS_ENCODED, NULL);
  self->status = g_strdup ("stopped");
  mr_timer_init (&self->timer, context->reactor, on_timer);
  return self;
}

static void
stop_connecting (MrRelayLink *self)
{
  mr_timer_clear (&self->timer);
  if (self->connecting != NULL) {
    g_cancellable_cancel (self->connecting);
    g_clear_object (&self->connecting);
  }
}

void
mr_relay_link_free (MrRelayLink *self)
{
  if (self == NULL) {
    return;
  }
  stop_connecting (self);
  mr_relay_requests_free (self->requests);
  g_clear_pointer (&self->link, mr_link_free);
  g_uri_unref (self->uri);
  g_strfreev (self->told_models);
  g_free (self->status);
  g_free (self);
}

void
mr_relay_link_start (MrRelayLink *self)
{
  connect_to_relay (self);
}

void
mr_relay_link_drain (MrRelayLink *self)
{
  switch (self->state) {
  case MR_RELAY_CONNECTING:
  case MR_RELAY_WAITING:
    stop_connecting (self);
    self->failure = MR_RELAY_FAILURE_NONE;
    set_state (self, MR_RELAY_STOPPED, g_strdup ("stopped"));
    break;
  case MR_RELAY_REGISTERING:
    close_link (self, MR_CLOSE_NORMAL, "worker drained");
    break;
  case MR_RELAY_READY:
    send_models (self); /* also when nothing was offered: the word that no request is wanted */
    mr_relay_link_report (self);
    break;
  default:
    break;
  }
}

void
mr_relay_link_undrain (MrRelayLink *self)
{
  switch (self->state) {
  case MR_RELAY_STOPPED:
    connect_to_relay (self);
    break;
  case MR_RELAY_CLOSING:
    self->at_once = TRUE;
    break;
  default:
    mr_relay_link_report (self); /* it was told that there are no models */
    break;
  }
}

MrRelayState
mr_relay_link_get_state (MrRelayLink *self)
{
  return self->state;
}

const char *
mr_relay_link_get_status (MrRelayLink *self)
{
  return self->status;
}

MrRelayFailure
mr_relay_link_get_failure (MrRelayLink *self)
{
  return self->failure;
}

void
mr_relay_link_append_exchanges (MrRelayLink *self, GPtrArray *exchanges)
{
  if (self->requests != NULL) {
    mr_relay_requests_append_to (self->requests, exchanges);
  }
}
