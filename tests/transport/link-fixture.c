/* SPDX-License-Identifier: MIT */
/*
 * See link-fixture.h.
 */
#include "link-fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_USEC (60 * G_USEC_PER_SEC)

/* --- the owner's side --- */

void
send_error (MrLink *link, const char *text)
{
  MrMessage message = { MR_MESSAGE_INIT (ERROR) };

  message.code = (char *) "test";
  message.text = (char *) text;
  mr_link_send (link, &message);
}

static void
on_message (MrLink *link, const MrMessage *message, gpointer data)
{
  Fixture *fixture = data;

  g_assert_cmpint (fixture->closed, ==, 0);
  fixture->received++;
  fixture->received_this_turn++;
  g_string_append (fixture->text, mr_message_type_name (message->type));
  if (message->payload.data != NULL) {
    g_string_append_c (fixture->text, ' ');
    g_string_append_len (fixture->text, message->payload.data, (gssize) MIN (message->payload.length, 64));
  }
  g_string_append_c (fixture->text, '\n');
  switch (fixture->reaction) {
  case DO_FREE:
    g_clear_pointer (&fixture->link, mr_link_free);
    break;
  case DO_CLOSE:
    mr_link_close (link, 4000, "enough");
    break;
  case DO_SEND:
    send_error (link, "an answer");
    break;
  case DO_NOTHING:
    break;
  }
}

static void
on_closed (MrLink *link, guint16 code, const char *reason, gpointer data)
{
  Fixture *fixture = data;

  g_assert_false (fixture->in_call);
  fixture->closed++;
  fixture->close_code = code;
  fixture->close_reason = g_strdup (reason);
  if (fixture->reaction == DO_FREE) {
    g_clear_pointer (&fixture->link, mr_link_free);
  }
}

static const MrLinkEvents events = { .message = on_message, .closed = on_closed };

void
close_link (Fixture *fixture, guint16 code, const char *reason)
{
  fixture->in_call = TRUE;
  mr_link_close (fixture->link, code, reason);
  fixture->in_call = FALSE;
}

/* --- fixture --- */

static void
set_up (Fixture *fixture, MrWebsocketRole role)
{
  int ends[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), ==, 0);
  fixture->reactor = mr_reactor_new (NULL);
  fixture->peer_role = role == MR_WEBSOCKET_SERVER ? MR_WEBSOCKET_CLIENT : MR_WEBSOCKET_SERVER;
  fixture->parser = mr_websocket_parser_new (fixture->peer_role, G_MAXINT32);
  fixture->peer = ends[1];
  fixture->text = g_string_new (NULL);
  fixture->link = mr_link_new (mr_connection_new (fixture->reactor, ends[0]), role, &events, fixture);
}

void
set_up_server (Fixture *fixture, gconstpointer data)
{
  set_up (fixture, MR_WEBSOCKET_SERVER);
}

void
set_up_client (Fixture *fixture, gconstpointer data)
{
  set_up (fixture, MR_WEBSOCKET_CLIENT);
}

static void
step (Fixture *fixture, gint64 deadline)
{
  g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  fixture->received_this_turn = 0;
  if (!g_main_context_iteration (NULL, FALSE)) {
    g_usleep (100);
  }
  fixture->most_in_a_turn = MAX (fixture->most_in_a_turn, fixture->received_this_turn);
}

void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_pointer (&fixture->link, mr_link_free);
  if (fixture->peer >= 0) {
    close (fixture->peer);
  }
  for (int i = 0; i < 20; i++) { /* a connection that finishes meets the end */
    g_main_context_iteration (NULL, FALSE);
  }
  mr_reactor_free (fixture->reactor);
  mr_websocket_parser_free (fixture->parser);
  g_string_free (fixture->text, TRUE);
  g_free (fixture->close_reason);
}

/* --- the peer's side --- */

void
peer_write (Fixture *fixture, const void *data, gsize length)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;

  while (length > 0) {
    gssize n = send (fixture->peer, data, length, MSG_NOSIGNAL);

    if (n > 0) {
      data = (const char *) data + n;
      length -= (gsize) n;
    } else {
      g_assert_cmpint (errno, ==, EAGAIN);
      step (fixture, deadline);
    }
  }
}

void
append_frame (GByteArray *stream, MrWebsocketRole role, MrWebsocketOpcode opcode, const char *payload, gsize length)
{
  guint8 header[14];
  gsize start = stream->len;
  guint32 mask = 0x1a2b3c4d;
  gsize header_length = mr_websocket_frame_header (header, role, opcode, length, mask);

  g_byte_array_append (stream, header, (guint) header_length);
  g_byte_array_append (stream, (const guint8 *) payload, (guint) length);
  if (role == MR_WEBSOCKET_CLIENT) {
    mr_websocket_mask (stream->data + start + header_length, length, mask);
  }
}

void
peer_send (Fixture *fixture, MrWebsocketOpcode opcode, const char *payload)
{
  g_autoptr (GByteArray) stream = g_byte_array_new ();

  append_frame (stream, fixture->peer_role, opcode, payload, strlen (payload));
  peer_write (fixture, stream->data, stream->len);
}

/* Feeds the parser from the socket; FALSE at the link's end of stream. */
static gboolean
peer_read (Fixture *fixture)
{
  static char bytes[65536];
  gssize n = recv (fixture->peer, bytes, sizeof bytes, 0);

  if (n > 0) {
    if (n >= 6) {
      memcpy (&fixture->last_mask, bytes + 2, sizeof fixture->last_mask);
    }
    mr_websocket_parser_feed (fixture->parser, bytes, (gsize) n);
  } else if (n < 0) {
    g_assert_cmpint (errno, ==, EAGAIN);
  }
  return n != 0;
}

MrWebsocketMessage
wait_any_frame (Fixture *fixture)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;
  MrWebsocketMessage frame;

  for (;;) {
    g_autoptr (GError) error = NULL;
    MrWebsocketResult result = mr_websocket_parser_next (fixture->parser, &frame, &error);

    g_assert_no_error (error);
    if (result == MR_WEBSOCKET_MESSAGE) {
      return frame;
    }
    step (fixture, deadline);
    g_assert_true (peer_read (fixture));
  }
}

MrWebsocketMessage
wait_frame (Fixture *fixture, MrWebsocketOpcode opcode)
{
  MrWebsocketMessage frame = wait_any_frame (fixture);

  g_assert_cmpint (frame.opcode, ==, opcode);
  return frame;
}

void
assert_frame (Fixture *fixture, MrWebsocketOpcode opcode, const char *payload)
{
  MrWebsocketMessage frame = wait_frame (fixture, opcode);

  g_assert_cmpmem (frame.data, frame.length, payload, strlen (payload));
}

void
assert_close_frame (Fixture *fixture, guint16 code, const char *reason)
{
  MrWebsocketMessage frame = wait_frame (fixture, MR_WEBSOCKET_CLOSE);

  g_assert_cmpint (frame.close_code, ==, code);
  g_assert_cmpmem (frame.data, frame.length, reason, strlen (reason));
}

void
wait_end (Fixture *fixture)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;
  MrWebsocketMessage frame;

  while (peer_read (fixture)) {
    g_assert_cmpint (mr_websocket_parser_next (fixture->parser, &frame, NULL), ==, MR_WEBSOCKET_NEED_MORE);
    step (fixture, deadline);
  }
}

void
wait_received (Fixture *fixture, guint n)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;

  while (fixture->received < n) {
    step (fixture, deadline);
  }
  g_assert_cmpint (fixture->received, ==, n);
}

void
wait_closed (Fixture *fixture, guint16 code, const char *reason)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_USEC;

  while (fixture->closed == 0) {
    step (fixture, deadline);
  }
  g_assert_cmpint (fixture->closed, ==, 1);
  g_assert_cmpint (fixture->close_code, ==, code);
  g_assert_cmpstr (fixture->close_reason, ==, reason);
}
