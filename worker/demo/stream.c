/* SPDX-License-Identifier: MIT */
/* See stream.h. */
#include "stream.h"

#include <gio/gio.h>
#include <math.h>

/* Pieces written in one go when the rate allows for more: it bounds what waits for a client that does not read. */
#define MAX_PIECES_AT_ONCE 64

/* POLLRDHUP: the peer has closed or half-closed. GLib has no name for it. */
#define CONDITION_PEER_CLOSED ((GIOCondition) 0x2000)

struct _MrDemoSlots {
  guint n_free;
  double tokens_per_second;
  GQueue waiting; /* Borrowed: Stream; each is also in `all` */
  GQueue all;     /* Owned: Stream */
};

typedef struct {
  MrDemoSlots *slots; /* Borrowed: outlives every stream */
  SoupServerMessage *message;
  const MrDemoApi *api;
  MrDemoAnswer *answer;
  GSource *peer_closed;
  guint timer;
  gint64 started_us; /* 0 while waiting for a slot */
  guint written;     /* pieces handed to libsoup */
  gboolean ended;    /* and the end after them */
  gboolean complete; /* the kernel has it all */
} Stream;

void
mr_demo_log (const char *path, const char *outcome, guint prompt_tokens, guint completion_tokens)
{
  g_printerr ("request %s outcome=%s prompt_tokens=%u completion_tokens=%u\n", path, outcome, prompt_tokens,
              completion_tokens);
}

static void start_waiting (MrDemoSlots *slots);

static void
stream_free (Stream *stream)
{
  MrDemoSlots *slots = stream->slots;
  g_queue_remove (&slots->all, stream);
  g_queue_remove (&slots->waiting, stream);
  if (stream->started_us != 0)
    slots->n_free++;
  g_clear_handle_id (&stream->timer, g_source_remove);
  g_source_destroy (stream->peer_closed);
  g_source_unref (stream->peer_closed);
  g_signal_handlers_disconnect_by_data (stream->message, stream);
  g_object_unref (stream->message);
  mr_demo_answer_free (stream->answer);
  g_free (stream);
}

static void
end_stream (Stream *stream)
{
  MrDemoSlots *slots = stream->slots;
  mr_demo_log (stream->api->path, stream->complete ? "completed" : "cancelled", stream->answer->prompt_tokens,
               stream->written);
  stream_free (stream);
  start_waiting (slots);
}

static gboolean
on_peer_closed (GSocket *socket, GIOCondition condition, gpointer data)
{
  Stream *stream = data;
  g_autoptr (SoupServerMessage) message = g_object_ref (stream->message);
  end_stream (stream);
  /* A paused message notices nothing by itself: take the connection from it, and with the last reference it closes. */
  g_autoptr (GIOStream) connection = soup_server_message_steal_connection (message);
  g_io_stream_close (connection, NULL, NULL);
  return G_SOURCE_REMOVE;
}

/* When piece @i is due; a piece takes its time before it is there, as from a model. */
static gint64
due_us (const Stream *stream, guint i)
{
  double rate = stream->slots->tokens_per_second;
  return rate > 0 ? stream->started_us + (gint64) ((i + 1) * G_USEC_PER_SEC / rate) : stream->started_us;
}

static void
append_events (Stream *stream, GString *events)
{
  gsize length = events->len;
  soup_message_body_append_take (soup_server_message_get_response_body (stream->message),
                                 (guchar *) g_string_free (events, FALSE), length);
  soup_server_message_unpause (stream->message);
}

static void
write_events (Stream *stream)
{
  GString *events = g_string_new (NULL);
  guint end = MIN (stream->answer->pieces->len, stream->written + MAX_PIECES_AT_ONCE);
  gint64 now = g_get_monotonic_time ();
  for (; stream->written < end && due_us (stream, stream->written) <= now; stream->written++)
    stream->api->write_piece (stream->answer, stream->written, events);
  stream->ended = stream->written == stream->answer->pieces->len;
  if (stream->ended)
    stream->api->write_end (stream->answer, events);
  append_events (stream, events);
  if (stream->ended)
    soup_message_body_complete (soup_server_message_get_response_body (stream->message));
}

static void
write_whole (Stream *stream)
{
  GString *body = g_string_new (NULL);
  stream->api->write_whole (stream->answer, body);
  stream->written = stream->answer->pieces->len;
  stream->ended = TRUE;
  gsize length = body->len;
  soup_server_message_set_response (stream->message, "application/json; charset=utf-8", SOUP_MEMORY_TAKE,
                                    g_string_free (body, FALSE), length);
  soup_server_message_unpause (stream->message);
}

static gboolean
on_due (gpointer data)
{
  Stream *stream = data;
  stream->timer = 0;
  if (stream->answer->stream)
    write_events (stream);
  else
    write_whole (stream);
  return G_SOURCE_REMOVE;
}

/* Waits until the next piece of a stream, or the last one of a whole answer, is due. */
static void
schedule (Stream *stream)
{
  guint n = stream->answer->pieces->len;
  guint next = stream->answer->stream ? stream->written + 1 : n;
  gint64 wait_us = n > 0 ? due_us (stream, MIN (next, n) - 1) - g_get_monotonic_time () : 0;
  double wait_ms = ceil ((double) MAX (wait_us, 0) / 1000);
  stream->timer = g_timeout_add ((guint) MIN (wait_ms, G_MAXINT), on_due, stream);
}

/* The previous events are with the kernel: only now are the next ones made, so a slow client costs no memory. */
static void
on_wrote_chunk (SoupServerMessage *message, Stream *stream)
{
  if (stream->ended) {
    /* libsoup ends a chunked body in a thread; a client that has seen the end may close before we hear of it. */
    stream->complete = TRUE;
    g_source_destroy (stream->peer_closed);
  } else {
    schedule (stream);
  }
}

static void
start_stream (Stream *stream)
{
  stream->started_us = g_get_monotonic_time ();
  stream->slots->n_free--;
  soup_server_message_set_status (stream->message, SOUP_STATUS_OK, NULL);
  if (!stream->answer->stream) {
    schedule (stream);
    return;
  }

  SoupMessageHeaders *headers = soup_server_message_get_response_headers (stream->message);
  SoupMessageBody *body = soup_server_message_get_response_body (stream->message);
  soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  soup_message_headers_set_content_type (headers, "text/event-stream", NULL);
  soup_message_headers_replace (headers, "X-Accel-Buffering", "no");
  soup_message_body_set_accumulate (body, FALSE);
  GString *events = g_string_new (NULL);
  stream->api->write_begin (stream->answer, events);
  if (events->len > 0) {
    append_events (stream, events);
  } else {
    g_string_free (events, TRUE);
    schedule (stream);
  }
}

static void
start_waiting (MrDemoSlots *slots)
{
  while (slots->n_free > 0 && !g_queue_is_empty (&slots->waiting))
    start_stream (g_queue_pop_head (&slots->waiting));
}

MrDemoSlots *
mr_demo_slots_new (guint n, double tokens_per_second)
{
  MrDemoSlots *slots = g_new0 (MrDemoSlots, 1);
  slots->n_free = n;
  slots->tokens_per_second = tokens_per_second;
  return slots;
}

void
mr_demo_slots_free (MrDemoSlots *slots)
{
  if (slots == NULL)
    return;
  while (!g_queue_is_empty (&slots->all))
    stream_free (g_queue_peek_head (&slots->all));
  g_free (slots);
}

void
mr_demo_slots_answer (MrDemoSlots *slots, SoupServerMessage *message, GSocket *socket, const MrDemoApi *api,
                      MrDemoAnswer *answer)
{
  Stream *stream = g_new0 (Stream, 1);
  stream->slots = slots;
  stream->message = g_object_ref (message);
  stream->api = api;
  stream->answer = answer;
  stream->peer_closed = g_socket_create_source (socket, G_IO_HUP | G_IO_ERR | CONDITION_PEER_CLOSED, NULL);
  g_source_set_callback (stream->peer_closed, G_SOURCE_FUNC (on_peer_closed), stream, NULL);
  g_source_attach (stream->peer_closed, g_main_context_get_thread_default ());
  g_signal_connect (message, "wrote-chunk", G_CALLBACK (on_wrote_chunk), stream);
  g_signal_connect_swapped (message, "finished", G_CALLBACK (end_stream), stream);
  g_queue_push_tail (&slots->all, stream);
  g_queue_push_tail (&slots->waiting, stream);
  soup_server_message_pause (message);
  start_waiting (slots);
}
