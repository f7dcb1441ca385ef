/* SPDX-License-Identifier: MIT */
/*
 * One connected worker. See worker-session.h.
 */
#include "worker-session.h"

#include "credit.h"
#include "limits.h"
#include "log.h"
#include "registration.h"

#include <string.h>

#define PROTOCOL_ERROR "worker registration protocol error"
#define DRAINED_BY_US "graceful shutdown complete"
#define DRAINED_ITSELF "worker drained"
#define HEARTBEAT_TIMED_OUT "worker heartbeat timed out"
#define KNOWN_EXTENSIONS                                                                                               \
  (MR_EXTENSION_REQUEST_ERRORS | MR_EXTENSION_RESPONSE_START | MR_EXTENSION_BINARY_FRAMES |                            \
   MR_EXTENSION_LOAD_UPDATES | MR_EXTENSION_FLOW_CONTROL)

typedef struct {
  MrWorkerSession *session;
  char *id;
  MrJob *job;    /* Borrowed; NULL after a cancel, while the worker has not confirmed it */
  MrTimer grace; /* set after a cancel */

  /* With binary_frames. */
  GBytes *body; /* Owned, nullable: the request's, while some of it is to be sent */
  gsize body_sent;
  MrCredit upload;
  MrCreditWindow answer;
  guint64 answer_left; /* of a body that follows its response_complete */
  MrMessage complete;  /* that response_complete: its status and token counts */
} Slot;

static void
slot_free (gpointer data)
{
  Slot *slot = data;

  mr_timer_clear (&slot->grace);
  g_clear_pointer (&slot->body, g_bytes_unref);
  g_free (slot->id);
  g_free (slot);
}

/* --- slots --- */

static void
note_slots (MrWorkerSession *session)
{
  session->dispatch.in_flight = g_hash_table_size (session->slots);
}

/* What the worker reported counted the request that has just ended. */
static void
remove_slot (MrWorkerSession *session, Slot *slot)
{
  if (slot->job != NULL)
    slot->job->session = NULL;
  g_hash_table_remove (session->slots, slot->id);
  note_slots (session);
  if (session->dispatch.reported_load > 0)
    session->dispatch.reported_load--;
}

static void
slots_changed (MrWorkerSession *session)
{
  if (session->dispatch.draining && session->deadline.position != 0 && g_hash_table_size (session->slots) == 0) {
    mr_timer_clear (&session->deadline);
    mr_link_close (session->link, MR_CLOSE_NORMAL, DRAINED_BY_US);
  }
  session->events->changed (session, session->data);
}

static void
on_grace_over (MrTimer *timer)
{
  Slot *slot = MR_OWNER_OF (timer, Slot, grace);
  MrWorkerSession *session = slot->session;

  remove_slot (session, slot);
  session->events->zombie (session, session->data);
  slots_changed (session);
}

static gboolean
has (MrWorkerSession *session, MrExtensions extension)
{
  return (session->extensions & extension) != 0;
}

/* As much of the request's body as the worker has room for. */
static void
send_body (MrWorkerSession *session, Slot *slot)
{
  gsize size;
  const char *data = g_bytes_get_data (slot->body, &size);

  while (slot->body_sent < size) {
    gsize length = mr_credit_take (&slot->upload, MIN (size - slot->body_sent, MR_LIMIT_BODY_FRAME_BYTES));
    const MrFrame frame = { .kind = MR_FRAME_REQUEST_BODY,
                            .last = slot->body_sent + length == size,
                            .request_id = { slot->id, strlen (slot->id) },
                            .payload = { data + slot->body_sent, length } };

    if (length == 0)
      return;
    mr_link_send_frame (session->link, &frame);
    slot->body_sent += length;
  }
  g_clear_pointer (&slot->body, g_bytes_unref);
}

static Slot *
slot_new (MrWorkerSession *session, MrJob *job)
{
  Slot *slot = g_new0 (Slot, 1);

  slot->session = session;
  slot->id = g_strdup (job->id);
  slot->job = job;
  slot->upload = MR_CREDIT_UNLIMITED;
  slot->answer.window = G_MAXINT64;
  if (has (session, MR_EXTENSION_FLOW_CONTROL)) {
    slot->upload.available = session->window_bytes;
    slot->answer.window = session->window_bytes;
  }
  mr_timer_init (&slot->grace, session->reactor, on_grace_over);
  g_hash_table_insert (session->slots, slot->id, slot);
  note_slots (session);
  return slot;
}

void
mr_worker_session_send (MrWorkerSession *session, MrJob *job)
{
  Slot *slot = slot_new (session, job);
  gsize length;
  const char *body = g_bytes_get_data (job->body, &length);
  MrMessage message = { MR_MESSAGE_INIT (REQUEST),
                        .request_id = job->id,
                        .model = job->model,
                        .endpoint_path = job->endpoint_path,
                        .is_streaming = job->admission.is_streaming,
                        .headers = job->headers };

  job->session = session;
  session->n_requests++;
  if (!has (session, MR_EXTENSION_BINARY_FRAMES)) {
    message.payload = (MrSpan){ body != NULL ? body : "", length };
    mr_link_send (session->link, &message);
    return;
  }
  message.body_bytes = (gint64) length;
  mr_link_send (session->link, &message);
  slot->body = g_bytes_ref (job->body);
  send_body (session, slot);
}

void
mr_worker_session_return_credit (MrWorkerSession *session, MrJob *job, gsize unsent)
{
  Slot *slot = g_hash_table_lookup (session->slots, job->id);
  guint64 due = slot != NULL ? mr_credit_window_give_back (&slot->answer, unsent) : 0;
  MrMessage update = { MR_MESSAGE_INIT (WINDOW_UPDATE), .request_id = job->id, .bytes = (gint64) due };

  if (due > 0 && has (session, MR_EXTENSION_FLOW_CONTROL))
    mr_link_send (session->link, &update);
}

void
mr_worker_session_cancel (MrWorkerSession *session, MrJob *job, const char *reason)
{
  Slot *slot = g_hash_table_lookup (session->slots, job->id);

  slot->job = NULL;
  job->session = NULL;
  g_clear_pointer (&slot->body, g_bytes_unref);
  mr_timer_set (&slot->grace, mr_reactor_now (session->reactor) + MR_LIMIT_CANCEL_GRACE_USEC);
  mr_link_send (session->link,
                &(MrMessage){ MR_MESSAGE_INIT (CANCEL), .request_id = slot->id, .reason = (char *) reason });
}

/* --- registration --- */

static void
set_models (MrWorkerSession *session, char **models)
{
  g_strfreev (session->models);
  session->models = models;
  g_hash_table_remove_all (session->dispatch.models);
  for (char **model = models; *model != NULL; model++)
    g_hash_table_add (session->dispatch.models, *model);
}

static void
set_load (MrWorkerSession *session, gint64 load)
{
  session->dispatch.reported_load = (guint) CLAMP (load, 0, MR_LIMIT_MAX_CONCURRENT);
}

static void
send_ack (MrWorkerSession *session, char **warnings)
{
  g_auto (GStrv) extensions = mr_extensions_to_strv (session->extensions);
  MrMessage ack = { MR_MESSAGE_INIT (REGISTER_ACK),
                    .worker_id = session->id,
                    .models = session->models,
                    .warnings = warnings,
                    .protocol_version = (char *) MR_PROTOCOL_VERSION,
                    .extensions = extensions };

  if (has (session, MR_EXTENSION_FLOW_CONTROL))
    ack.window_bytes = (gint64) session->window_bytes;
  mr_link_send (session->link, &ack);
}

static void
on_register (MrWorkerSession *session, const MrMessage *message)
{
  g_auto (MrRegistration) registration = { 0 };
  g_autofree char *models = NULL;
  g_autofree char *slots = NULL;

  if (session->registered ||
      (message->protocol_version != NULL && !g_str_equal (message->protocol_version, MR_PROTOCOL_VERSION))) {
    mr_log (MR_LOG_WARN, "worker refused", "reason", session->registered ? "second register" : "protocol version",
            "protocol_version", message->protocol_version, "address", session->address, NULL);
    mr_link_close (session->link, MR_CLOSE_PROTOCOL_ERROR, PROTOCOL_ERROR);
    return;
  }
  mr_timer_clear (&session->deadline);
  mr_registration_init (&registration, message);
  session->registered = TRUE;
  session->name = g_steal_pointer (&registration.worker_name);
  session->dispatch.max_concurrent = registration.max_concurrent;
  session->extensions = mr_extensions_from_strv ((const char *const *) message->extensions) & KNOWN_EXTENSIONS;
  session->dispatch.takes_binary = has (session, MR_EXTENSION_BINARY_FRAMES);
  if (session->dispatch.takes_binary)
    mr_link_allow_frames (session->link);
  set_models (session, g_steal_pointer (&registration.models));
  session->version = g_strdup (message->version);
  set_load (session, message->current_load);
  mr_link_set_max_message (session->link, MR_LIMIT_MESSAGE_BYTES);
  send_ack (session, registration.warnings);
  models = g_strjoinv (",", session->models);
  slots = g_strdup_printf ("%u", session->dispatch.max_concurrent);
  mr_log (MR_LOG_INFO, "worker registered", "worker", session->name, "worker_id", session->id, "models", models,
          "max_concurrent", slots, "address", session->address, NULL);
  session->events->registered (session, session->data);
}

static void
on_models_update (MrWorkerSession *session, const MrMessage *message)
{
  g_auto (MrRegistration) update = { 0 };
  g_autofree char *models = NULL;

  mr_registration_init (&update, message);
  /* A worker that drained on its own and lists models again is back; one that we drain is not. */
  if (session->deadline.position == 0 && update.models[0] != NULL)
    session->dispatch.draining = FALSE;
  set_models (session, g_steal_pointer (&update.models));
  set_load (session, message->current_load);
  models = g_strjoinv (",", session->models);
  mr_log (MR_LOG_INFO, "worker models", "worker", session->name, "models", models, NULL);
  session->events->changed (session, session->data);
}

/* --- words about requests --- */

static void
on_complete (MrWorkerSession *session, Slot *slot, const MrMessage *message)
{
  MrJob *job = slot->job;

  if (message->body_bytes > 0) {
    slot->answer_left = (guint64) message->body_bytes;
    slot->complete = (MrMessage){ MR_MESSAGE_INIT (RESPONSE_COMPLETE), .status_code = message->status_code };
    slot->complete.token_counts = message->token_counts;
    if (job != NULL)
      session->events->body_follows (session, job, message, session->data);
    return;
  }

  remove_slot (session, slot);
  if (job != NULL)
    session->events->completed (session, job, message, session->data);
  slots_changed (session);
}

static void
on_error (MrWorkerSession *session, Slot *slot, const MrMessage *message)
{
  MrErrorCode code = mr_error_from_worker_code (message->code);
  MrJob *job = slot->job;

  remove_slot (session, slot);
  if (job != NULL && code == MR_ERROR_DRAINING) {
    session->dispatch.draining = TRUE;
  } else if (job != NULL && code == MR_ERROR_BUSY) {
    /* Full for a reason that we cannot see: nothing more for it until it has told its load. */
    session->dispatch.reported_load = session->dispatch.max_concurrent;
    mr_link_send (session->link, &(MrMessage){ MR_MESSAGE_INIT (PING) });
  }
  if (job != NULL)
    session->events->failed (session, job, code, session->data);
  slots_changed (session);
}

static void
on_window_update (MrWorkerSession *session, Slot *slot, const MrMessage *message)
{
  mr_credit_add (&slot->upload, (guint64) message->bytes);
  if (slot->body != NULL)
    send_body (session, slot);
}

static void
on_request_word (MrWorkerSession *session, const MrMessage *message)
{
  Slot *slot = message->request_id != NULL ? g_hash_table_lookup (session->slots, message->request_id) : NULL;

  if (slot == NULL) {
    /* Late words about a request that is over are dropped without comment (contract E3). */
    if (message->type == MR_MESSAGE_ERROR && message->request_id == NULL)
      mr_log (MR_LOG_WARN, "worker error", "worker", session->name, "code", message->code, NULL);
    return;
  }
  if (message->type == MR_MESSAGE_RESPONSE_COMPLETE)
    on_complete (session, slot, message);
  else if (message->type == MR_MESSAGE_ERROR)
    on_error (session, slot, message);
  else if (message->type == MR_MESSAGE_WINDOW_UPDATE)
    on_window_update (session, slot, message);
  else if (slot->job != NULL && message->type == MR_MESSAGE_RESPONSE_START)
    session->events->started (session, slot->job, message, session->data);
  else if (!mr_credit_window_receive (&slot->answer, message->payload.length))
    mr_link_close (session->link, MR_CLOSE_PROTOCOL_ERROR, PROTOCOL_ERROR);
  else if (slot->job != NULL)
    session->events->chunk (session, slot->job, message->payload, session->data);
}

/* FALSE when the peer broke the rules of frames and windows. */
static gboolean
take_frame (MrWorkerSession *session, Slot *slot, const MrFrame *frame)
{
  gboolean is_body = frame->kind == MR_FRAME_RESPONSE_BODY;

  if (!mr_credit_window_receive (&slot->answer, frame->payload.length) ||
      (is_body ? frame->payload.length > slot->answer_left : slot->answer_left > 0))
    return FALSE;
  if (slot->job != NULL)
    session->events->chunk (session, slot->job, frame->payload, session->data);
  if (is_body) {
    slot->answer_left -= frame->payload.length;
    if (slot->answer_left == 0) {
      MrMessage complete = slot->complete;

      on_complete (session, slot, &complete);
    }
  }
  return TRUE;
}

static void
on_frame (MrLink *link, const char *request_id, const MrFrame *frame, gpointer data)
{
  MrWorkerSession *session = data;
  Slot *slot = g_hash_table_lookup (session->slots, request_id);

  if (slot != NULL && !take_frame (session, slot, frame))
    mr_link_close (link, MR_CLOSE_PROTOCOL_ERROR, PROTOCOL_ERROR);
}

static void
on_message (MrLink *link, const MrMessage *message, gpointer data)
{
  MrWorkerSession *session = data;

  if (!session->registered || message->type == MR_MESSAGE_REGISTER) {
    if (message->type == MR_MESSAGE_REGISTER)
      on_register (session, message);
    else
      mr_link_close (link, MR_CLOSE_PROTOCOL_ERROR, PROTOCOL_ERROR);
    return;
  }
  switch (message->type) {
  case MR_MESSAGE_MODELS_UPDATE:
    on_models_update (session, message);
    break;
  case MR_MESSAGE_PONG:
    if (message->timestamp_unix_ms >= 0)
      session->rtt_us = mr_reactor_now (session->reactor) - mr_link_get_last_ping (link);
    set_load (session, message->current_load);
    session->events->changed (session, session->data);
    break;
  default:
    on_request_word (session, message);
  }
}

/* --- the end --- */

/* Whatever it still had is over for this worker. */
static void
lose_jobs (MrWorkerSession *session)
{
  g_autoptr (GList) slots = g_hash_table_get_values (session->slots);

  session->dispatch.draining = TRUE;
  for (GList *item = slots; item != NULL; item = item->next) {
    Slot *slot = item->data;
    MrJob *job = slot->job;

    remove_slot (session, slot);
    if (job != NULL)
      session->events->job_lost (session, job, session->data);
  }
}

static void
on_closed (MrLink *link, guint16 code, const char *reason, gpointer data)
{
  MrWorkerSession *session = data;
  g_autofree char *number = g_strdup_printf ("%u", code);

  session->left_in_order = g_strcmp0 (reason, DRAINED_BY_US) == 0 || g_strcmp0 (reason, DRAINED_ITSELF) == 0;
  if (g_strcmp0 (reason, HEARTBEAT_TIMED_OUT) == 0)
    mr_log (MR_LOG_WARN, HEARTBEAT_TIMED_OUT, "worker", session->name, "worker_id", session->id, NULL);
  else if (session->left_in_order)
    mr_log (MR_LOG_INFO, "worker drained", "worker", session->name, "worker_id", session->id, NULL);
  mr_log (MR_LOG_INFO, "worker disconnected", "worker", session->name, "worker_id", session->id, "code", number,
          "reason", reason, NULL);
  lose_jobs (session);
  session->events->closed (session, session->data);
}

static const MrLinkEvents link_events = { .message = on_message, .frame = on_frame, .closed = on_closed };

static void
on_deadline (MrTimer *timer)
{
  MrWorkerSession *session = MR_OWNER_OF (timer, MrWorkerSession, deadline);

  if (session->registered) {
    mr_link_close (session->link, MR_CLOSE_NORMAL, "graceful shutdown timed out");
    lose_jobs (session);
  } else {
    mr_link_close (session->link, MR_CLOSE_PROTOCOL_ERROR, PROTOCOL_ERROR);
  }
}

void
mr_worker_session_drain (MrWorkerSession *session, gint64 timeout_us)
{
  MrMessage goodbye = { MR_MESSAGE_INIT (GRACEFUL_SHUTDOWN), .reason = (char *) "server shutting down" };

  session->dispatch.draining = TRUE;
  if (session->registered) {
    goodbye.drain_timeout_secs = (timeout_us + MR_USEC_PER_SEC - 1) / MR_USEC_PER_SEC;
    mr_link_send (session->link, &goodbye);
  }
  if (g_hash_table_size (session->slots) > 0)
    mr_timer_set (&session->deadline, mr_reactor_now (session->reactor) + timeout_us);
  else
    mr_link_close (session->link, MR_CLOSE_NORMAL, DRAINED_BY_US);
}

void
mr_worker_session_refresh (MrWorkerSession *session)
{
  mr_link_send (session->link, &(MrMessage){ MR_MESSAGE_INIT (MODELS_REFRESH) });
}

void
mr_worker_session_dismiss (MrWorkerSession *session)
{
  session->dispatch.draining = TRUE;
  mr_link_close (session->link, MR_CLOSE_POLICY, MR_WORKER_AUTH_FAILED);
}

gint64
mr_worker_session_get_last_seen (MrWorkerSession *session)
{
  gint64 ago = mr_reactor_now (session->reactor) - mr_link_get_last_received (session->link);

  return (g_get_real_time () - ago) / MR_USEC_PER_SEC;
}

MrWorkerSession *
mr_worker_session_new (MrConnection *connection, const MrWorkerSettings *settings, const MrWorkerSessionEvents *events,
                       gpointer data)
{
  MrWorkerSession *session = g_new0 (MrWorkerSession, 1);

  session->reactor = mr_connection_get_reactor (connection);
  session->id = g_uuid_string_random ();
  session->models = g_new0 (char *, 1);
  session->window_bytes = settings->window_bytes;
  session->events = events;
  session->data = data;
  session->address = g_strdup (settings->address);
  session->key = settings->key != NULL ? mr_key_ref (settings->key) : NULL;
  session->connected_at = g_get_real_time () / MR_USEC_PER_SEC;
  session->rtt_us = -1;
  session->dispatch.models = g_hash_table_new (g_str_hash, g_str_equal);
  session->slots = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, slot_free);
  session->link = mr_link_new (connection, MR_WEBSOCKET_SERVER, &link_events, session);
  mr_link_set_max_message (session->link, MR_LIMIT_REGISTER_BYTES);
  mr_link_watch_silence (session->link, settings->heartbeat_us, settings->pong_timeout_us, HEARTBEAT_TIMED_OUT);
  mr_timer_init (&session->deadline, session->reactor, on_deadline);
  mr_timer_set (&session->deadline, mr_reactor_now (session->reactor) + MR_LIMIT_REGISTER_USEC);
  return session;
}

void
mr_worker_session_free (MrWorkerSession *session)
{
  if (session == NULL)
    return;
  mr_timer_clear (&session->deadline);
  mr_link_free (session->link);
  g_hash_table_unref (session->slots);
  g_hash_table_unref (session->dispatch.models);
  g_strfreev (session->models);
  g_clear_pointer (&session->key, mr_key_unref);
  g_free (session->address);
  g_free (session->version);
  g_free (session->name);
  g_free (session->id);
  g_free (session);
}
