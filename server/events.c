/* SPDX-License-Identifier: MIT */
/*
 * Streams of events and what they missed. See events.h.
 */
#include "events.h"

#include "admin-report.h"
#include "limits.h"
#include "log.h"
#include "response.h"

#include <string.h>

#define FLUSH_USEC (250 * MR_USEC_PER_MSEC)
#define STATS_USEC MR_USEC_PER_SEC

/* Proxies close what is silent for half a minute. */
#define COMMENT_USEC (15 * MR_USEC_PER_SEC)
#define COMMENT ":\n\n"

typedef struct {
  MrEvents *events;
  MrResponse *response; /* Owned */
  gboolean behind;      /* too much is unread: to be cut */
} Listener;

/* A request that is not over, or whose end was not told yet. */
typedef struct {
  GList link; /* in MrEvents.changed_requests, while @changed */
  gboolean changed;
  gboolean told;    /* readers know of it */
  const MrJob *job; /* Borrowed; NULL once it is over */
  char *id;
  char *worker_id; /* nullable: who has it, which its job no longer knows at the end */
  char *worker_name;
  MrRequestFacts last; /* once it is over */
} Request;

/* A worker that changed. */
typedef struct {
  GList link;                     /* in MrEvents.changed_workers */
  const MrWorkerSession *session; /* Borrowed; NULL once it is gone */
  char *id;
  char *name;
} Worker;

struct _MrEvents {
  MrAdminParts parts;
  GPtrArray *listeners; /* Owned Listener */
  gboolean stopped;

  GQueue ring; /* Owned GBytes: the events up to @last_id, the oldest first */
  gsize ring_bytes;
  guint64 last_id;
  gboolean missed; /* something changed while nobody listened: the ring has a gap */

  GHashTable *requests; /* Owned Request by job id */
  GQueue changed_requests;
  guint n_unknown;     /* of those that are over before readers knew of them */
  GHashTable *workers; /* Owned Worker by id */
  GQueue changed_workers;
  gboolean stats_changed;

  gint64 flushed_us;
  gint64 stats_us; /* when the figures were last told */
  MrTimer flush;
  MrTimer comment;
};

static void
listener_free (gpointer data)
{
  Listener *listener = data;

  mr_response_free (listener->response);
  g_free (listener);
}

static void
request_free (gpointer data)
{
  Request *request = data;

  g_free (request->id);
  g_free (request->worker_id);
  g_free (request->worker_name);
  mr_request_facts_clear (&request->last);
  g_free (request);
}

static void
worker_free (gpointer data)
{
  Worker *worker = data;

  g_free (worker->id);
  g_free (worker->name);
  g_free (worker);
}

/* --- streams --- */

static void
write_text (Listener *listener, const char *text, gsize length)
{
  if (mr_response_get_unsent (listener->response) > MR_LIMIT_EVENT_UNSENT_BYTES)
    listener->behind = TRUE;
  else
    mr_response_chunk (listener->response, text, length);
}

static void
write_bytes (Listener *listener, GBytes *event)
{
  gsize length;
  const char *text = g_bytes_get_data (event, &length);

  write_text (listener, text, length);
}

static GBytes *
make_event (guint64 id, const char *name, const char *json)
{
  char *text = g_strdup_printf ("id: %" G_GUINT64_FORMAT "\nevent: %s\ndata: %s\n\n", id, name, json);

  return g_bytes_new_take (text, strlen (text));
}

void
mr_events_tell (MrEvents *events, const char *name, const char *json)
{
  GBytes *event = make_event (++events->last_id, name, json);

  g_queue_push_tail (&events->ring, event);
  events->ring_bytes += g_bytes_get_size (event);
  while (events->ring.length > MR_LIMIT_EVENT_RING || events->ring_bytes > MR_LIMIT_EVENT_RING_BYTES) {
    GBytes *oldest;

    if (events->ring.length == 1) /* the only one, and larger than the ring: for those who listen now */
      break;
    oldest = g_queue_pop_head (&events->ring);
    events->ring_bytes -= g_bytes_get_size (oldest);
    g_bytes_unref (oldest);
  }
  for (guint i = 0; i < events->listeners->len; i++)
    write_bytes (g_ptr_array_index (events->listeners, i), event);
}

/* @node: (transfer full) */
static void
tell (MrEvents *events, const char *name, JsonNode *node)
{
  g_autofree char *json = json_to_string (node, FALSE);

  json_node_unref (node);
  mr_events_tell (events, name, json);
}

gboolean
mr_events_are_heard (MrEvents *events)
{
  return events->listeners->len > 0;
}

/* --- what changed --- */

static void
forget_changes (MrEvents *events)
{
  mr_timer_clear (&events->flush);
  mr_timer_clear (&events->comment);
  g_queue_init (&events->changed_requests);
  g_queue_init (&events->changed_workers);
  g_hash_table_remove_all (events->requests);
  g_hash_table_remove_all (events->workers);
  events->n_unknown = 0;
  events->stats_changed = FALSE;
}

static void
arm_flush (MrEvents *events, gint64 due_us)
{
  if (events->flush.position == 0 || events->flush.deadline_us > due_us)
    mr_timer_set (&events->flush, due_us);
}

static void
note_change (MrEvents *events)
{
  events->stats_changed = TRUE;
  arm_flush (events, MAX (mr_reactor_now (events->parts.reactor), events->flushed_us + FLUSH_USEC));
}

static Worker *
note_worker (MrEvents *events, const MrWorkerSession *session)
{
  Worker *worker = g_hash_table_lookup (events->workers, session->id);

  if (worker == NULL) {
    worker = g_new0 (Worker, 1);
    worker->session = session;
    worker->id = g_strdup (session->id);
    worker->name = g_strdup (session->name);
    worker->link.data = worker;
    g_hash_table_insert (events->workers, worker->id, worker);
    g_queue_push_tail_link (&events->changed_workers, &worker->link);
  }
  return worker;
}

static Request *
find_request (MrEvents *events, const MrJob *job)
{
  Request *request = g_hash_table_lookup (events->requests, job->id);

  if (request == NULL) {
    request = g_new0 (Request, 1);
    request->job = job;
    request->id = g_strdup (job->id);
    request->link.data = request;
    g_hash_table_insert (events->requests, request->id, request);
  }
  return request;
}

static void
note_whose (Request *request, const MrJob *job)
{
  if (!mr_job_is_over (job)) {
    g_clear_pointer (&request->worker_id, g_free);
    g_clear_pointer (&request->worker_name, g_free);
  }
  if (job->session != NULL && request->worker_id == NULL) {
    request->worker_id = g_strdup (job->session->id);
    request->worker_name = g_strdup (job->session->name);
  }
}

static void
note_over (MrEvents *events, Request *request, const MrJob *job)
{
  request->job = NULL;
  mr_request_facts_init (&request->last, job, mr_reactor_now (events->parts.reactor));
  if (request->last.worker_id == NULL) {
    request->last.worker_id = g_steal_pointer (&request->worker_id);
    request->last.worker_name = g_steal_pointer (&request->worker_name);
  }
}

static void
drop_request (MrEvents *events, Request *request)
{
  if (request->changed)
    g_queue_unlink (&events->changed_requests, &request->link);
  g_hash_table_remove (events->requests, request->id);
}

static void
on_job_changed (MrRelay *relay, const MrJob *job, gpointer data)
{
  MrEvents *events = data;
  gboolean over = mr_job_is_over (job);
  Request *request;

  if (events->listeners->len == 0) {
    events->missed = TRUE;
    return;
  }
  note_change (events);
  if (job->session != NULL)
    note_worker (events, job->session);
  request = find_request (events, job);
  note_whose (request, job);
  if (over && !request->told && events->n_unknown++ >= MR_LIMIT_EVENT_REQUESTS) {
    drop_request (events, request);
    return;
  }
  if (over)
    note_over (events, request, job);
  if (!request->changed) {
    request->changed = TRUE;
    g_queue_push_tail_link (&events->changed_requests, &request->link);
  }
}

static void
on_worker_changed (MrRelay *relay, const MrWorkerSession *session, MrWorkerChange change, gpointer data)
{
  MrEvents *events = data;

  if (events->listeners->len == 0) {
    events->missed = TRUE;
    return;
  }
  note_change (events);
  if (change == MR_WORKER_LEFT)
    note_worker (events, session)->session = NULL;
  else
    note_worker (events, session);
}

static const MrRelayObserver observer = { .job_changed = on_job_changed, .worker_changed = on_worker_changed };

/* --- telling it --- */

static JsonNode *
gone_worker (const Worker *worker)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();

  json_builder_begin_object (out);
  json_builder_set_member_name (out, "worker_id");
  json_builder_add_string_value (out, worker->id);
  json_builder_set_member_name (out, "worker_name");
  json_builder_add_string_value (out, worker->name);
  json_builder_end_object (out);
  return json_builder_get_root (out);
}

static void
tell_workers (MrEvents *events)
{
  GList *link;

  while ((link = g_queue_pop_head_link (&events->changed_workers)) != NULL) {
    const Worker *worker = link->data;

    if (worker->session != NULL)
      tell (events, "worker", mr_admin_report_worker (&events->parts, worker->session));
    else
      tell (events, "worker_gone", gone_worker (worker));
  }
  g_hash_table_remove_all (events->workers);
}

static void
tell_requests (MrEvents *events)
{
  GList *link;

  while ((link = g_queue_pop_head_link (&events->changed_requests)) != NULL) {
    Request *request = link->data;

    request->changed = FALSE;
    request->told = TRUE;
    if (request->job != NULL) {
      tell (events, "request", mr_admin_report_request (&events->parts, request->job));
    } else {
      tell (events, "request", mr_admin_report_facts (&request->last));
      g_hash_table_remove (events->requests, request->id);
    }
  }
  events->n_unknown = 0;
}

static void
remove_listener (MrEvents *events, Listener *listener)
{
  g_ptr_array_remove (events->listeners, listener);
  if (events->listeners->len == 0) {
    events->missed = events->missed || events->stats_changed;
    forget_changes (events);
  }
}

static void
cut_slow (MrEvents *events)
{
  for (guint i = events->listeners->len; i > 0; i--) {
    Listener *listener = g_ptr_array_index (events->listeners, i - 1);

    if (listener->behind) {
      mr_log (MR_LOG_WARN, "event stream cut", "reason", "its reader is too slow", NULL);
      remove_listener (events, listener);
    }
  }
}

static void
flush (MrEvents *events)
{
  gint64 now = mr_reactor_now (events->parts.reactor);

  events->flushed_us = now;
  tell_workers (events);
  tell_requests (events);
  if (events->stats_changed && now >= events->stats_us + STATS_USEC) {
    events->stats_changed = FALSE;
    events->stats_us = now;
    tell (events, "stats", mr_admin_report_stats (&events->parts));
  }
  if (events->stats_changed)
    arm_flush (events, events->stats_us + STATS_USEC);
  cut_slow (events);
}

static void
on_flush (MrTimer *timer)
{
  flush (MR_OWNER_OF (timer, MrEvents, flush));
}

static void
on_comment (MrTimer *timer)
{
  MrEvents *events = MR_OWNER_OF (timer, MrEvents, comment);

  for (guint i = 0; i < events->listeners->len; i++)
    write_text (g_ptr_array_index (events->listeners, i), COMMENT, strlen (COMMENT));
  mr_timer_set (timer, mr_reactor_now (events->parts.reactor) + COMMENT_USEC);
}

/* --- readers come and go --- */

static void
on_gone (MrResponse *response, gpointer user_data)
{
  Listener *listener = user_data;

  remove_listener (listener->events, listener);
}

static void
on_drained (MrResponse *response, gpointer user_data)
{
}

static const MrResponseEvents response_events = { .gone = on_gone, .drained = on_drained };

static char *
snapshot (MrEvents *events)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (events->parts.relay);
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (out);
  json_builder_set_member_name (out, "workers");
  json_builder_add_value (out, mr_admin_report_workers (&events->parts));
  json_builder_set_member_name (out, "requests");
  json_builder_begin_array (out);
  for (guint i = 0; i < jobs->len && i < MR_LIMIT_EVENT_REQUESTS; i++)
    json_builder_add_value (out, mr_admin_report_request (&events->parts, g_ptr_array_index (jobs, i)));
  json_builder_end_array (out);
  json_builder_set_member_name (out, "requests_total");
  json_builder_add_int_value (out, jobs->len);
  json_builder_set_member_name (out, "stats");
  json_builder_add_value (out, mr_admin_report_stats (&events->parts));
  json_builder_end_object (out);
  root = json_builder_get_root (out);
  return json_to_string (root, FALSE);
}

static void
forget_ring (MrEvents *events)
{
  g_queue_clear_full (&events->ring, (GDestroyNotify) g_bytes_unref);
  events->ring_bytes = 0;
}

/* The first reader: from now on changes are noted. */
static void
begin_noting (MrEvents *events)
{
  g_autoptr (GPtrArray) jobs = mr_relay_list_jobs (events->parts.relay);
  gint64 now = mr_reactor_now (events->parts.reactor);

  if (events->missed) {
    forget_ring (events);
    events->last_id++; /* nobody who read the last event before the gap is up to date */
    events->missed = FALSE;
  }
  for (guint i = 0; i < jobs->len; i++) {
    const MrJob *job = g_ptr_array_index (jobs, i);
    Request *request = find_request (events, job);

    request->told = TRUE;
    note_whose (request, job);
  }
  events->stats_us = now;
  mr_timer_set (&events->comment, now + COMMENT_USEC);
}

/* The events after the one that the reader saw last; FALSE when they are not all there. */
static gboolean
replay (MrEvents *events, Listener *listener)
{
  const char *text = mr_http_request_header (mr_response_get_request (listener->response), "last-event-id");
  guint64 seen;

  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 0, events->last_id, &seen, NULL) ||
      events->last_id - seen > events->ring.length)
    return FALSE;
  for (GList *at = g_queue_peek_nth_link (&events->ring, events->ring.length - (guint) (events->last_id - seen));
       at != NULL; at = at->next)
    write_bytes (listener, at->data);
  return TRUE;
}

static void
begin_stream (MrResponse *response)
{
  g_autoptr (MrHeaders) headers = mr_headers_new ();

  mr_headers_set (headers, "content-type", "text/event-stream");
  mr_headers_set (headers, "x-accel-buffering", "no"); /* nginx passes events on at once */
  mr_response_begin (response, 200, headers, -1);
}

static void
add_listener (MrEvents *events, MrResponse *response)
{
  Listener *listener = g_new0 (Listener, 1);

  if (events->listeners->len == 0)
    begin_noting (events);
  listener->events = events;
  listener->response = response;
  g_ptr_array_add (events->listeners, listener);
  mr_response_watch (response, &response_events, listener);
  begin_stream (response);
  if (!replay (events, listener)) {
    g_autofree char *json = snapshot (events);
    g_autoptr (GBytes) event = make_event (events->last_id, "snapshot", json);

    write_bytes (listener, event);
  }
}

void
mr_events_take (MrEvents *events, MrResponse *response)
{
  if (events->stopped) {
    mr_response_fail (response, MR_ERROR_SHUTTING_DOWN, "The relay is shutting down.");
    mr_response_free (response);
  } else if (g_str_equal (mr_response_get_request (response)->method, "HEAD")) {
    begin_stream (response);
    mr_response_end (response);
    mr_response_free (response);
  } else if (events->listeners->len >= MR_LIMIT_EVENT_STREAMS) {
    g_autofree char *message = g_strdup_printf ("At most %u event streams may be open.", MR_LIMIT_EVENT_STREAMS);

    mr_response_fail (response, MR_ERROR_RATE_LIMIT, message);
    mr_response_free (response);
  } else {
    add_listener (events, response);
  }
}

void
mr_events_end_streams (MrEvents *events)
{
  if (events->listeners->len == 0)
    return;
  events->stats_us = 0; /* the last figures do not wait for their second */
  flush (events);
  for (guint i = 0; i < events->listeners->len; i++)
    mr_response_end (((Listener *) g_ptr_array_index (events->listeners, i))->response);
  g_ptr_array_set_size (events->listeners, 0);
  forget_changes (events);
}

void
mr_events_stop (MrEvents *events)
{
  events->stopped = TRUE;
  mr_events_end_streams (events);
}

MrEvents *
mr_events_new (const MrAdminParts *parts)
{
  MrEvents *events = g_new0 (MrEvents, 1);

  events->parts = *parts;
  events->listeners = g_ptr_array_new_with_free_func (listener_free);
  events->requests = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, request_free);
  events->workers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, worker_free);
  /* Ids of a relay that ran before are not taken for this one's; exact in a reader's floating point for 200 years. */
  events->last_id = (guint64) g_get_real_time ();
  mr_timer_init (&events->flush, parts->reactor, on_flush);
  mr_timer_init (&events->comment, parts->reactor, on_comment);
  mr_relay_observe (parts->relay, &observer, events);
  return events;
}

void
mr_events_free (MrEvents *events)
{
  if (events == NULL)
    return;
  mr_relay_unobserve (events->parts.relay, events);
  g_ptr_array_unref (events->listeners);
  forget_changes (events);
  forget_ring (events);
  g_hash_table_unref (events->requests);
  g_hash_table_unref (events->workers);
  g_free (events);
}
