/* SPDX-License-Identifier: MIT */
/*
 * A worker link over a connection, either end. See link.h. The frames are websocket.c's, the sockets connection.c's,
 * the JSON message.c's; here is when to read, send, ping and close.
 *
 *   readable -> one read -> parser -> up to MR_LIMIT_TURN_MESSAGES messages -> owner
 *                             ^ the rest on the next turn, before anything more is read
 */
#include "link.h"

#include "limits.h"
#include "log.h"

#include <string.h>
#include <sys/random.h>

#define MAX_REASON_BYTES 123
#define MAX_HEADER_BYTES 14
#define N_MASKS 64

#define MAX_FRAME_HEAD_BYTES (4 + MR_LIMIT_REQUEST_ID_BYTES)

typedef enum { LINK_OPEN, LINK_CLOSING, LINK_OVER } MrLinkState;

/* In a GRcBox: the owner has one reference, and whoever calls the owner holds another, since he may free the link. */
struct _MrLink {
  MrConnection *connection; /* Owned; closed or finishing once OVER */
  MrReactor *reactor;       /* Borrowed: outlives the link */
  MrWebsocketRole role;
  MrWebsocketParser *parser; /* Owned */
  MrLinkState state;

  const MrLinkEvents *events; /* Borrowed, with @data: the owner's; not used once OVER */
  gpointer data;

  gboolean frames_allowed;

  gboolean backlog; /* the parser may hold more messages: nothing is read until they are out */
  MrTimer turn;     /* goes on with the backlog */
  MrTimer watch;    /* while OPEN: the next look at the silence; while CLOSING: the deadline */

  guint16 close_code; /* while CLOSING: ours */
  char *close_reason; /* Owned, as @close_code; also keeps the peer's reason for the owner */

  gint64 last_received_us;
  gint64 last_ping_us;
  gint64 ping_after_us;
  gint64 dead_after_us;
  char *silence_reason; /* Owned */

  guint32 masks[N_MASKS]; /* of a client, ahead of need: the kernel is asked once for many frames */
  guint masks_left;
};

static void on_readable (MrConnection *connection, gpointer data);
static void on_drained (MrConnection *connection, gpointer data);
static void on_gone (MrConnection *connection, const GError *error, gpointer data);

static const MrConnectionEvents connection_events = {
  .readable = on_readable,
  .drained = on_drained,
  .gone = on_gone,
};

static void
destroy (gpointer box)
{
  MrLink *link = box;

  mr_connection_unref (link->connection);
  mr_websocket_parser_free (link->parser);
  g_free (link->close_reason);
  g_free (link->silence_reason);
}

static void
unhold (MrLink *link)
{
  g_rc_box_release_full (link, destroy);
}

/* --- the end --- */

static void
stop (MrLink *link)
{
  link->state = LINK_OVER;
  mr_timer_clear (&link->turn);
  mr_timer_clear (&link->watch);
}

/* Lets what is queued go out, and tells the owner. Only from the reactor's calls, and last in them. */
static void
end (MrLink *link, guint16 code, const char *reason)
{
  MrLink *held = g_rc_box_acquire (link);

  stop (link);
  mr_connection_finish (link->connection, MR_LIMIT_CLOSE_USEC);
  link->events->closed (link, code, reason, link->data);
  unhold (held);
}

/* --- sending --- */

static guint32
take_mask (MrLink *link)
{
  if (link->role == MR_WEBSOCKET_SERVER) {
    return 0;
  }
  if (link->masks_left == 0) {
    /* The kernel promises up to 256 bytes whole. */
    if (getrandom (link->masks, sizeof link->masks, 0) != sizeof link->masks) {
      g_error ("getrandom: the kernel has no random bytes");
    }
    link->masks_left = N_MASKS;
  }
  return link->masks[--link->masks_left];
}

/* One WebSocket frame of @head and @body. */
static void
send_frame (MrLink *link, MrWebsocketOpcode opcode, MrSpan head, MrSpan body)
{
  guint32 mask = take_mask (link);
  guint8 header[MAX_HEADER_BYTES];
  gsize length = head.length + body.length;
  gsize header_bytes = mr_websocket_frame_header (header, link->role, opcode, length, mask);
  guint8 *room = mr_connection_append (link->connection, header_bytes + length);

  if (room == NULL) {
    return;
  }
  memcpy (room, header, header_bytes);
  room += header_bytes;
  if (head.length > 0) {
    memcpy (room, head.data, head.length);
  }
  if (body.length > 0) {
    memcpy (room + head.length, body.data, body.length);
  }
  if (link->role == MR_WEBSOCKET_CLIENT) {
    mr_websocket_mask (room, length, mask);
  }
}

static void
send_close_frame (MrLink *link, guint16 code, const char *reason)
{
  char payload[2 + MAX_REASON_BYTES];
  gsize length = strlen (reason);

  if (code == MR_CLOSE_NO_STATUS) {
    send_frame (link, MR_WEBSOCKET_CLOSE, (MrSpan){ 0 }, (MrSpan){ 0 });
    return;
  }
  payload[0] = (char) (code >> 8);
  payload[1] = (char) code;
  memcpy (payload + 2, reason, length);
  send_frame (link, MR_WEBSOCKET_CLOSE, (MrSpan){ payload, 2 + length }, (MrSpan){ 0 });
}

/* At the cap the link is given up, because its peer does not read. */
static gboolean
has_room (MrLink *link, gsize length)
{
  if (link->state != LINK_OPEN) {
    return FALSE;
  }
  if (length > MR_LIMIT_LINK_UNSENT_BYTES - MIN (mr_link_get_unsent (link), MR_LIMIT_LINK_UNSENT_BYTES)) {
    mr_link_close (link, MR_CLOSE_POLICY, "peer does not read");
    return FALSE;
  }
  return TRUE;
}

void
mr_link_send (MrLink *link, const MrMessage *message)
{
  g_autoptr (GString) text = NULL;

  if (link->state != LINK_OPEN) {
    return;
  }
  text = g_string_sized_new (256 + message->payload.length);
  mr_message_encode (message, text);
  if (has_room (link, text->len)) {
    send_frame (link, MR_WEBSOCKET_TEXT, (MrSpan){ text->str, text->len }, (MrSpan){ 0 });
  }
}

void
mr_link_send_frame (MrLink *link, const MrFrame *frame)
{
  gsize length = mr_frame_header_length (frame);
  guint8 head[MAX_FRAME_HEAD_BYTES];

  g_return_if_fail (length <= sizeof head);
  if (has_room (link, length + frame->payload.length)) {
    mr_frame_write_header (frame, head);
    send_frame (link, MR_WEBSOCKET_BINARY, (MrSpan){ (const char *) head, length }, frame->payload);
  }
}

void
mr_link_allow_frames (MrLink *link)
{
  link->frames_allowed = TRUE;
}

static void
send_pong (MrLink *link, const MrWebsocketMessage *ping)
{
  if (has_room (link, ping->length)) {
    send_frame (link, MR_WEBSOCKET_PONG, (MrSpan){ ping->data, ping->length }, (MrSpan){ 0 });
  }
}

/* --- closing --- */

static char *
cut_reason (const char *reason)
{
  gsize length = MIN (strlen (reason), MAX_REASON_BYTES);
  gsize complete = 0;

  if (length > 0) {
    (void) mr_utf8_complete_length (reason, length, &complete);
  }
  return g_strndup (reason, complete);
}

static void
start_closing (MrLink *link, guint16 code, const char *reason)
{
  link->state = LINK_CLOSING;
  link->close_code = code;
  link->close_reason = cut_reason (reason);
  send_close_frame (link, code, link->close_reason);
}

void
mr_link_close (MrLink *link, guint16 code, const char *reason)
{
  if (link->state != LINK_OPEN) {
    return;
  }
  start_closing (link, code, reason);
  mr_timer_set (&link->watch, mr_reactor_now (link->reactor) + MR_LIMIT_CLOSE_USEC);
}

/* RFC 6455 7.1.7: says why, and does not wait for a peer that no longer makes sense. */
static void
fail (MrLink *link, guint16 code, const char *reason)
{
  if (link->state == LINK_OPEN) {
    start_closing (link, code, reason);
  }
  end (link, link->close_code, link->close_reason);
}

static void
fail_protocol (MrLink *link, const char *detail)
{
  mr_log (MR_LOG_DEBUG, "protocol error", "remote_address", mr_link_get_remote_address (link), "error", detail, NULL);
  fail (link, MR_CLOSE_PROTOCOL_ERROR,
        link->role == MR_WEBSOCKET_SERVER ? "worker registration protocol error" : "protocol error");
}

/* --- receiving --- */

static void
take_text (MrLink *link, const MrWebsocketMessage *frame)
{
  MrMessageSender sender = link->role == MR_WEBSOCKET_SERVER ? MR_SENDER_WORKER : MR_SENDER_SERVER;
  g_auto (MrMessage) message = { 0 };
  g_autoptr (GError) error = NULL;

  if (!mr_message_decode (frame->data, frame->length, sender, &message, &error)) {
    fail_protocol (link, error->message);
    return;
  }
  link->events->message (link, &message, link->data);
}

static void
take_binary (MrLink *link, const MrWebsocketMessage *message)
{
  MrMessageSender sender = link->role == MR_WEBSOCKET_SERVER ? MR_SENDER_WORKER : MR_SENDER_SERVER;
  char request_id[MR_LIMIT_REQUEST_ID_BYTES + 1];
  g_autoptr (GError) error = NULL;
  MrFrame frame;

  if (!link->frames_allowed) {
    fail_protocol (link, "a binary message that was not negotiated");
  } else if (!mr_frame_decode (message->data, message->length, sender, &frame, &error)) {
    fail_protocol (link, error->message);
  } else {
    memcpy (request_id, frame.request_id.data, frame.request_id.length);
    request_id[frame.request_id.length] = '\0';
    link->events->frame (link, request_id, &frame, link->data);
  }
}

static void
take_close (MrLink *link, const MrWebsocketMessage *frame)
{
  if (link->state == LINK_OPEN) {
    g_autofree char *reason = g_strndup (frame->data, frame->length);

    start_closing (link, frame->close_code, reason);
  }
  end (link, link->close_code, link->close_reason);
}

static void
take_failure (MrLink *link, const GError *error)
{
  switch (mr_websocket_parser_get_close_code (link->parser)) {
  case MR_CLOSE_TOO_BIG:
    fail (link, MR_CLOSE_TOO_BIG, "message too big");
    break;
  case MR_CLOSE_BAD_DATA:
    fail (link, MR_CLOSE_BAD_DATA, "invalid UTF-8");
    break;
  default:
    fail_protocol (link, error->message);
  }
}

static void
take_frame (MrLink *link, const MrWebsocketMessage *frame)
{
  if (link->state == LINK_CLOSING && frame->opcode != MR_WEBSOCKET_CLOSE) {
    return;
  }
  switch (frame->opcode) {
  case MR_WEBSOCKET_TEXT:
    take_text (link, frame);
    break;
  case MR_WEBSOCKET_PING:
    send_pong (link, frame);
    break;
  case MR_WEBSOCKET_CLOSE:
    take_close (link, frame);
    break;
  case MR_WEBSOCKET_BINARY:
    take_binary (link, frame);
    break;
  default: /* a pong: it counted as life already */
    break;
  }
}

static void
take_frames (MrLink *link)
{
  MrWebsocketResult result = MR_WEBSOCKET_MESSAGE;
  MrLink *held = g_rc_box_acquire (link);

  for (guint i = 0; i < MR_LIMIT_TURN_MESSAGES && result == MR_WEBSOCKET_MESSAGE && link->state != LINK_OVER; i++) {
    g_autoptr (GError) error = NULL;
    MrWebsocketMessage frame;

    result = mr_websocket_parser_next (link->parser, &frame, &error);
    if (result == MR_WEBSOCKET_MESSAGE) {
      take_frame (link, &frame);
    } else if (result == MR_WEBSOCKET_FAILED) {
      take_failure (link, error);
    }
  }
  link->backlog = result == MR_WEBSOCKET_MESSAGE;
  if (link->backlog && link->state != LINK_OVER) {
    mr_timer_set (&link->turn, mr_reactor_now (link->reactor) + 1);
  }
  unhold (held);
}

static void
on_turn (MrTimer *timer)
{
  take_frames (MR_OWNER_OF (timer, MrLink, turn));
}

static void
on_readable (MrConnection *connection, gpointer data)
{
  MrLink *link = data;
  char bytes[MR_LIMIT_TURN_BYTES];
  gssize n;

  if (link->backlog) {
    return;
  }
  n = mr_connection_read (connection, bytes, sizeof bytes);
  if (n > 0) {
    link->last_received_us = mr_reactor_now (link->reactor);
    mr_websocket_parser_feed (link->parser, bytes, (gsize) n);
    take_frames (link);
  }
}

static void
on_drained (MrConnection *connection, gpointer data)
{
  MrLink *link = data;

  if (link->state == LINK_OPEN && link->events->drained != NULL) {
    link->events->drained (link, link->data);
  }
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  MrLink *link = data;

  if (link->state == LINK_CLOSING) {
    end (link, link->close_code, link->close_reason);
  } else {
    end (link, MR_CLOSE_ABNORMAL, "");
  }
}

/* --- silence --- */

static void
send_ping (MrLink *link)
{
  MrMessage ping = { MR_MESSAGE_INIT (PING) };

  ping.timestamp_unix_ms = g_get_real_time () / MR_USEC_PER_MSEC;
  mr_link_send (link, &ping);
}

/* Sets the timer to the next moment at which silence would mean something. What comes in meanwhile only moves
 * last_received_us, so a busy link costs no timer work; the timer finds out when it fires. */
static void
look_again (MrLink *link)
{
  gint64 next = G_MAXINT64;

  if (link->ping_after_us > 0) {
    next = MAX (link->last_received_us, link->last_ping_us) + link->ping_after_us;
  }
  if (link->dead_after_us > 0) {
    next = MIN (next, link->last_received_us + link->dead_after_us);
  }
  if (next < G_MAXINT64) {
    mr_timer_set (&link->watch, next);
  } else {
    mr_timer_clear (&link->watch);
  }
}

static void
look_at_silence (MrLink *link)
{
  gint64 now = mr_reactor_now (link->reactor);

  if (link->dead_after_us > 0 && now - link->last_received_us >= link->dead_after_us) {
    fail (link, MR_CLOSE_NORMAL, link->silence_reason);
    return;
  }
  if (link->ping_after_us > 0 && now - MAX (link->last_received_us, link->last_ping_us) >= link->ping_after_us) {
    link->last_ping_us = now;
    send_ping (link);
  }
  if (link->state == LINK_OPEN) {
    look_again (link);
  }
}

static void
on_watch (MrTimer *timer)
{
  MrLink *link = MR_OWNER_OF (timer, MrLink, watch);

  if (link->state == LINK_CLOSING) {
    mr_connection_close (link->connection);
    end (link, link->close_code, link->close_reason);
  } else {
    look_at_silence (link);
  }
}

void
mr_link_watch_silence (MrLink *link, gint64 ping_after_us, gint64 dead_after_us, const char *reason)
{
  g_free (link->silence_reason);
  link->silence_reason = g_strdup (reason);
  link->ping_after_us = ping_after_us;
  link->dead_after_us = dead_after_us;
  if (link->state == LINK_OPEN) {
    look_again (link);
  }
}

/* --- the owner's side --- */

MrLink *
mr_link_new (MrConnection *connection, MrWebsocketRole role, const MrLinkEvents *events, gpointer data)
{
  MrLink *link = g_rc_box_new0 (MrLink);

  link->connection = connection;
  link->reactor = mr_connection_get_reactor (connection);
  link->role = role;
  link->events = events;
  link->data = data;
  link->parser = mr_websocket_parser_new (role, MR_LIMIT_MESSAGE_BYTES);
  link->last_received_us = mr_reactor_now (link->reactor);
  mr_timer_init (&link->turn, link->reactor, on_turn);
  mr_timer_init (&link->watch, link->reactor, on_watch);
  mr_connection_set_events (connection, &connection_events, link);
  mr_connection_set_reading (connection, TRUE);
  return link;
}

void
mr_link_free (MrLink *link)
{
  if (link == NULL) {
    return;
  }
  if (link->state != LINK_OVER) {
    stop (link);
    mr_connection_close (link->connection);
  }
  unhold (link);
}

void
mr_link_set_max_message (MrLink *link, gsize bytes)
{
  mr_websocket_parser_set_max (link->parser, bytes);
}

gint64
mr_link_get_last_ping (MrLink *link)
{
  return link->last_ping_us;
}

gint64
mr_link_get_last_received (MrLink *link)
{
  return link->last_received_us;
}

gsize
mr_link_get_unsent (MrLink *link)
{
  return mr_connection_get_unsent (link->connection);
}

const char *
mr_link_get_remote_address (MrLink *link)
{
  return mr_connection_get_remote_address (link->connection);
}

MrReactor *
mr_link_get_reactor (MrLink *link)
{
  return link->reactor;
}
