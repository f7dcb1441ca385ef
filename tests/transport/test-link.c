/* SPDX-License-Identifier: MIT */
/*
 * A link over a socket pair: the other end is this test, which speaks raw frames (link-fixture.h). What a foreign
 * WebSocket implementation makes of a link is in tests/npm.
 */
#include "link-fixture.h"

#include "limits.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PONG_TEXT "{\"type\":\"pong\",\"current_load\":1}"
#define REGISTRATION "worker registration protocol error"

/* --- receiving and sending --- */

static void
test_receive (Fixture *fixture, gconstpointer data)
{
  peer_send (fixture, MR_WEBSOCKET_TEXT, PONG_TEXT);
  peer_send (fixture, MR_WEBSOCKET_TEXT,
             "{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"data: \xc3\xbc\\n\\n\"}");
  wait_received (fixture, 2);
  g_assert_cmpstr (fixture->text->str, ==, "pong\nresponse_chunk data: \xc3\xbc\n\n\n");
  g_assert_cmpint (mr_link_get_last_received (fixture->link), >, g_get_monotonic_time () - 60 * MR_USEC_PER_SEC);
  g_assert_cmpstr (mr_link_get_remote_address (fixture->link), ==, "unix");
}

static void
test_send (Fixture *fixture, gconstpointer data)
{
  send_error (fixture->link, "one");
  send_error (fixture->link, "two");
  g_assert_cmpint (mr_link_get_unsent (fixture->link), >, 0);
  assert_frame (fixture, MR_WEBSOCKET_TEXT, "{\"type\":\"error\",\"code\":\"test\",\"message\":\"one\"}");
  assert_frame (fixture, MR_WEBSOCKET_TEXT, "{\"type\":\"error\",\"code\":\"test\",\"message\":\"two\"}");
  g_assert_cmpint (mr_link_get_unsent (fixture->link), ==, 0);
}

static void
test_masks_differ (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GHashTable) masks = g_hash_table_new (NULL, NULL);

  for (int i = 0; i < 200; i++) {
    send_error (fixture->link, "same");
    (void) wait_frame (fixture, MR_WEBSOCKET_TEXT);
    g_hash_table_add (masks, GUINT_TO_POINTER (fixture->last_mask));
  }
  g_assert_cmpint (g_hash_table_size (masks), >, 195);
}

static void
test_large_both_ways (Fixture *fixture, gconstpointer data)
{
  const gsize length = 8 * 1024 * 1024;
  g_autofree char *filler = g_strnfill (length, 'z');
  g_autofree char *text =
      g_strconcat ("{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"", filler, "\"}", NULL);
  MrWebsocketMessage frame;

  peer_send (fixture, MR_WEBSOCKET_TEXT, text);
  wait_received (fixture, 1);
  send_error (fixture->link, filler);
  frame = wait_frame (fixture, MR_WEBSOCKET_TEXT);
  g_assert_cmpint (frame.length, ==, length + strlen ("{\"type\":\"error\",\"code\":\"test\",\"message\":\"\"}"));
}

static void
test_send_in_callback (Fixture *fixture, gconstpointer data)
{
  fixture->reaction = DO_SEND;
  peer_send (fixture, MR_WEBSOCKET_TEXT, PONG_TEXT);
  assert_frame (fixture, MR_WEBSOCKET_TEXT, "{\"type\":\"error\",\"code\":\"test\",\"message\":\"an answer\"}");
}

static void
test_free_in_callback (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) stream = g_byte_array_new ();

  for (int i = 0; i < 3; i++) {
    append_frame (stream, fixture->peer_role, MR_WEBSOCKET_TEXT, PONG_TEXT, strlen (PONG_TEXT));
  }
  fixture->reaction = DO_FREE;
  peer_write (fixture, stream->data, stream->len);
  wait_end (fixture);
  g_assert_cmpint (fixture->received, ==, 1);
  g_assert_cmpint (fixture->closed, ==, 0);
}

static void
test_free_in_closed (Fixture *fixture, gconstpointer data)
{
  fixture->reaction = DO_FREE;
  peer_send (fixture, MR_WEBSOCKET_CLOSE,
             "\x0f\xa0"
             "bye");
  wait_closed (fixture, 4000, "bye");
  g_assert_null (fixture->link);
  assert_close_frame (fixture, 4000, "bye");
  wait_end (fixture);
}

static void
test_free_while_open (Fixture *fixture, gconstpointer data)
{
  mr_link_watch_silence (fixture->link, 1, 0, NULL);
  g_clear_pointer (&fixture->link, mr_link_free);
  wait_end (fixture);
  g_assert_cmpint (fixture->closed, ==, 0);
}

static void
test_close_in_callback (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) stream = g_byte_array_new ();

  for (int i = 0; i < 3; i++) {
    append_frame (stream, fixture->peer_role, MR_WEBSOCKET_TEXT, PONG_TEXT, strlen (PONG_TEXT));
  }
  append_frame (stream, fixture->peer_role, MR_WEBSOCKET_BINARY, "x", 1);
  append_frame (stream, fixture->peer_role, MR_WEBSOCKET_CLOSE, "\x03\xe8", 2);
  fixture->reaction = DO_CLOSE;
  peer_write (fixture, stream->data, stream->len);
  assert_close_frame (fixture, 4000, "enough");
  wait_closed (fixture, 4000, "enough");
  g_assert_cmpint (fixture->received, ==, 1);
}

/* More than fits into a turn, then the end: everything arrives, in order, in bounded turns, before `closed`. */
static void
test_backlog (Fixture *fixture, gconstpointer data)
{
  const int n = 20 * MR_LIMIT_TURN_MESSAGES + 7;
  g_autoptr (GByteArray) stream = g_byte_array_new ();
  g_autoptr (GString) expected = g_string_new (NULL);

  for (int i = 0; i < n; i++) {
    g_autofree char *text = g_strdup_printf ("{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"%d\"}", i);

    append_frame (stream, fixture->peer_role, MR_WEBSOCKET_TEXT, text, strlen (text));
    g_string_append_printf (expected, "response_chunk %d\n", i);
  }
  peer_write (fixture, stream->data, stream->len);
  shutdown (fixture->peer, SHUT_WR);
  wait_closed (fixture, MR_CLOSE_ABNORMAL, "");
  g_assert_cmpstr (fixture->text->str, ==, expected->str);
  g_assert_cmpint (fixture->most_in_a_turn, ==, MR_LIMIT_TURN_MESSAGES);
}

static void
test_control_frames (Fixture *fixture, gconstpointer data)
{
  peer_send (fixture, MR_WEBSOCKET_PONG, "unasked");
  peer_send (fixture, MR_WEBSOCKET_PING, "are you there?");
  peer_send (fixture, MR_WEBSOCKET_PING, "");
  assert_frame (fixture, MR_WEBSOCKET_PONG, "are you there?");
  assert_frame (fixture, MR_WEBSOCKET_PONG, "");
  g_assert_cmpint (fixture->received, ==, 0);
}

/* --- closing --- */

static void
test_peer_closes (Fixture *fixture, gconstpointer data)
{
  send_error (fixture->link, "before");
  peer_send (fixture, MR_WEBSOCKET_CLOSE,
             "\x03\xe9"
             "going");
  wait_closed (fixture, MR_CLOSE_GOING_AWAY, "going");
  (void) wait_frame (fixture, MR_WEBSOCKET_TEXT);
  assert_close_frame (fixture, MR_CLOSE_GOING_AWAY, "going");
  wait_end (fixture);
  send_error (fixture->link, "after");
  mr_link_close (fixture->link, 1000, "after");
}

static void
test_peer_closes_without_code (Fixture *fixture, gconstpointer data)
{
  peer_send (fixture, MR_WEBSOCKET_CLOSE, "");
  wait_closed (fixture, MR_CLOSE_NO_STATUS, "");
  assert_close_frame (fixture, MR_CLOSE_NO_STATUS, "");
  wait_end (fixture);
}

static void
test_we_close (Fixture *fixture, gconstpointer data)
{
  close_link (fixture, MR_CLOSE_POLICY, "worker authentication failed");
  send_error (fixture->link, "too late");
  close_link (fixture, MR_CLOSE_NORMAL, "again");
  assert_close_frame (fixture, MR_CLOSE_POLICY, "worker authentication failed");
  peer_send (fixture, MR_WEBSOCKET_TEXT, PONG_TEXT);
  peer_send (fixture, MR_WEBSOCKET_PING, "still?");
  g_assert_cmpint (fixture->closed, ==, 0);
  peer_send (fixture, MR_WEBSOCKET_CLOSE,
             "\x0f\xa0"
             "other");
  wait_closed (fixture, MR_CLOSE_POLICY, "worker authentication failed");
  g_assert_cmpint (fixture->received, ==, 0);
  wait_end (fixture);
}

static void
test_we_close_and_peer_is_silent (Fixture *fixture, gconstpointer data)
{
  gint64 start = g_get_monotonic_time ();

  close_link (fixture, MR_CLOSE_NORMAL, "graceful shutdown complete");
  wait_closed (fixture, MR_CLOSE_NORMAL, "graceful shutdown complete");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, MR_LIMIT_CLOSE_USEC);
  assert_close_frame (fixture, MR_CLOSE_NORMAL, "graceful shutdown complete");
  wait_end (fixture);
}

static void
test_we_close_and_peer_goes (Fixture *fixture, gconstpointer data)
{
  close_link (fixture, MR_CLOSE_NORMAL, "graceful shutdown complete");
  assert_close_frame (fixture, MR_CLOSE_NORMAL, "graceful shutdown complete");
  close (fixture->peer);
  fixture->peer = -1;
  wait_closed (fixture, MR_CLOSE_NORMAL, "graceful shutdown complete");
}

static void
test_peer_goes (Fixture *fixture, gconstpointer data)
{
  close (fixture->peer);
  fixture->peer = -1;
  wait_closed (fixture, MR_CLOSE_ABNORMAL, "");
}

static void
test_peer_goes_while_we_write (Fixture *fixture, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (4 * 1024 * 1024, 'z');

  send_error (fixture->link, filler);
  (void) g_main_context_iteration (NULL, FALSE);
  close (fixture->peer);
  fixture->peer = -1;
  wait_closed (fixture, MR_CLOSE_ABNORMAL, "");
}

/* 123 bytes are allowed; the characters of three bytes end on that limit, or one or two bytes before it. */
static void
test_reason_is_cut (Fixture *fixture, gconstpointer data)
{
  const char *prefix = data;
  g_autoptr (GString) reason = g_string_new (prefix);
  g_autofree char *cut = NULL;

  while (reason->len < 200) {
    g_string_append (reason, "\xe2\x82\xac");
  }
  cut = g_strndup (reason->str, strlen (prefix) + (123 - strlen (prefix)) / 3 * 3);
  close_link (fixture, MR_CLOSE_NORMAL, reason->str);
  assert_close_frame (fixture, MR_CLOSE_NORMAL, cut);
  peer_send (fixture, MR_WEBSOCKET_CLOSE, "\x03\xe8");
  wait_closed (fixture, MR_CLOSE_NORMAL, cut);
}

/* --- what the peer does wrong --- */

typedef struct {
  const char *name;
  MrWebsocketOpcode opcode;
  const char *payload;
  guint16 code;
  const char *server_reason;
  const char *client_reason;
} Wrong;

static const Wrong wrong[] = {
  { "binary", MR_WEBSOCKET_BINARY, PONG_TEXT, 1002, REGISTRATION, "protocol error" },
  { "not-json", MR_WEBSOCKET_TEXT, "hello", 1002, REGISTRATION, "protocol error" },
  { "unknown-type", MR_WEBSOCKET_TEXT, "{\"type\":\"hello\"}", 1002, REGISTRATION, "protocol error" },
  { "both-sides-type", MR_WEBSOCKET_TEXT, "{\"type\":\"register\",\"worker_name\":1}", 1002, REGISTRATION,
    "protocol error" },
  { "reserved-opcode", 0x3, "", 1002, REGISTRATION, "protocol error" },
  { "not-utf8", MR_WEBSOCKET_TEXT, "\xff", 1007, "invalid UTF-8", "invalid UTF-8" },
  { "bad-close-code", MR_WEBSOCKET_CLOSE, "\x03\xed", 1002, REGISTRATION, "protocol error" },
  { "too-big", MR_WEBSOCKET_TEXT, "{                                                                    }", 1009,
    "message too big", "message too big" },
};

static void
test_wrong (Fixture *fixture, gconstpointer data)
{
  const Wrong *row = data;
  const char *reason = fixture->peer_role == MR_WEBSOCKET_CLIENT ? row->server_reason : row->client_reason;

  mr_link_set_max_message (fixture->link, 64);
  peer_send (fixture, row->opcode, row->payload);
  peer_send (fixture, MR_WEBSOCKET_TEXT, PONG_TEXT);
  wait_closed (fixture, row->code, reason);
  assert_close_frame (fixture, row->code, reason);
  wait_end (fixture);
  g_assert_cmpint (fixture->received, ==, 0);
}

static void
test_wrong_direction (Fixture *fixture, gconstpointer data)
{
  gboolean server = fixture->peer_role == MR_WEBSOCKET_CLIENT;

  peer_send (fixture, MR_WEBSOCKET_TEXT, server ? "{\"type\":\"ping\"}" : PONG_TEXT);
  wait_closed (fixture, 1002, server ? REGISTRATION : "protocol error");
}

static void
test_wrong_mask (Fixture *fixture, gconstpointer data)
{
  fixture->peer_role = fixture->peer_role == MR_WEBSOCKET_CLIENT ? MR_WEBSOCKET_SERVER : MR_WEBSOCKET_CLIENT;
  peer_send (fixture, MR_WEBSOCKET_TEXT, PONG_TEXT);
  wait_closed (fixture, 1002, fixture->peer_role == MR_WEBSOCKET_SERVER ? REGISTRATION : "protocol error");
}

static void
test_announced_too_big (Fixture *fixture, gconstpointer data)
{
  peer_write (fixture, "\x81\xff\0\0\0\0\x08\x10\0\x01mask", 14); /* 129 MiB and one byte, none of them sent */
  wait_closed (fixture, MR_CLOSE_TOO_BIG, "message too big");
  assert_close_frame (fixture, MR_CLOSE_TOO_BIG, "message too big");
}

static void
test_peer_does_not_read (Fixture *fixture, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (48 * 1024 * 1024, 'z');

  fixture->in_call = TRUE;
  for (int i = 0; i < 5; i++) {
    send_error (fixture->link, filler);
  }
  g_assert_cmpint (mr_link_get_unsent (fixture->link), >, 5 * 48 * 1024 * 1024);
  send_error (fixture->link, filler);
  g_assert_cmpint (mr_link_get_unsent (fixture->link), <=, MR_LIMIT_LINK_UNSENT_BYTES + 125);
  fixture->in_call = FALSE;
  wait_closed (fixture, MR_CLOSE_POLICY, "peer does not read");
}

/* --- silence --- */

static void
assert_ping (MrWebsocketMessage frame)
{
  g_autofree char *text = g_strndup (frame.data, frame.length);

  g_assert_true (g_str_has_prefix (text, "{\"type\":\"ping\",\"timestamp_unix_ms\":"));
  g_assert_cmpint (ABS (g_ascii_strtoll (strrchr (text, ':') + 1, NULL, 10) - g_get_real_time () / 1000), <, 60000);
}

/* A ping for every 50 ms of silence (never more, maybe fewer on a busy machine), then the end. */
static void
test_silence_pings_then_closes (Fixture *fixture, gconstpointer data)
{
  gint64 start = g_get_monotonic_time ();
  guint pings = 1;
  MrWebsocketMessage frame;

  mr_link_watch_silence (fixture->link, 50 * MR_USEC_PER_MSEC, MR_USEC_PER_SEC, "worker heartbeat timed out");
  assert_ping (wait_frame (fixture, MR_WEBSOCKET_TEXT));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 50 * MR_USEC_PER_MSEC);
  wait_closed (fixture, MR_CLOSE_NORMAL, "worker heartbeat timed out");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, MR_USEC_PER_SEC);
  while ((frame = wait_any_frame (fixture)).opcode == MR_WEBSOCKET_TEXT) {
    assert_ping (frame);
    pings++;
  }
  g_assert_cmpint (frame.close_code, ==, MR_CLOSE_NORMAL);
  g_assert_cmpint (pings, >=, 2);
  g_assert_cmpint (pings, <=, 20);
}

static void
test_silence_broken_by_life (Fixture *fixture, gconstpointer data)
{
  static const MrWebsocketOpcode life[] = { MR_WEBSOCKET_PONG, MR_WEBSOCKET_PING };

  mr_link_watch_silence (fixture->link, 15 * MR_USEC_PER_MSEC, 10 * MR_USEC_PER_SEC, "dead");
  for (int i = 0; i < 6; i++) {
    gint64 before = mr_link_get_last_received (fixture->link);

    (void) wait_frame (fixture, MR_WEBSOCKET_TEXT);
    peer_send (fixture, life[i % 2], "");
    if (life[i % 2] == MR_WEBSOCKET_PING) {
      (void) wait_frame (fixture, MR_WEBSOCKET_PONG);
      g_assert_cmpint (mr_link_get_last_received (fixture->link), >, before);
    }
  }
  g_assert_cmpint (fixture->closed, ==, 0);
}

static void
test_silence_of_a_worker (Fixture *fixture, gconstpointer data)
{
  mr_link_watch_silence (fixture->link, 0, 30 * MR_USEC_PER_MSEC, "relay went silent");
  assert_close_frame (fixture, MR_CLOSE_NORMAL, "relay went silent");
  wait_closed (fixture, MR_CLOSE_NORMAL, "relay went silent");
}

static void
test_silence_can_be_switched_off (Fixture *fixture, gconstpointer data)
{
  mr_link_watch_silence (fixture->link, 1, 2, "dead");
  mr_link_watch_silence (fixture->link, 0, 0, NULL);
  peer_send (fixture, MR_WEBSOCKET_PING, "x");
  assert_frame (fixture, MR_WEBSOCKET_PONG, "x");
  g_assert_cmpint (fixture->closed, ==, 0);
}

/* --- */

static void
add (const char *name, void (*set_up_role) (Fixture *, gconstpointer), gconstpointer data,
     void (*test) (Fixture *, gconstpointer))
{
  g_autofree char *path = g_strconcat ("/transport/link/", name, NULL);

  g_test_add (path, Fixture, data, set_up_role, test, tear_down);
}

static void
add_both (const char *name, gconstpointer data, void (*test) (Fixture *, gconstpointer))
{
  g_autofree char *server = g_strconcat ("server/", name, NULL);
  g_autofree char *client = g_strconcat ("client/", name, NULL);

  add (server, set_up_server, data, test);
  add (client, set_up_client, data, test);
}

static void
add_tests (void)
{
  add ("receive", set_up_server, NULL, test_receive);
  add_both ("send", NULL, test_send);
  add ("masks-differ", set_up_client, NULL, test_masks_differ);
  add ("large-both-ways", set_up_server, NULL, test_large_both_ways);
  add ("send-in-callback", set_up_server, NULL, test_send_in_callback);
  add ("free-in-callback", set_up_server, NULL, test_free_in_callback);
  add ("free-in-closed", set_up_server, NULL, test_free_in_closed);
  add ("free-while-open", set_up_server, NULL, test_free_while_open);
  add ("close-in-callback", set_up_server, NULL, test_close_in_callback);
  add ("backlog", set_up_server, NULL, test_backlog);
  add_both ("control-frames", NULL, test_control_frames);
  add_both ("peer-closes", NULL, test_peer_closes);
  add_both ("peer-closes-without-code", NULL, test_peer_closes_without_code);
  add_both ("we-close", NULL, test_we_close);
  add ("we-close-and-peer-is-silent", set_up_server, NULL, test_we_close_and_peer_is_silent);
  add ("we-close-and-peer-goes", set_up_server, NULL, test_we_close_and_peer_goes);
  add ("peer-goes", set_up_client, NULL, test_peer_goes);
  add ("peer-goes-while-we-write", set_up_server, NULL, test_peer_goes_while_we_write);
  add ("reason-is-cut/to-123", set_up_server, "", test_reason_is_cut);
  add ("reason-is-cut/to-121", set_up_server, "1", test_reason_is_cut);
  add ("reason-is-cut/to-122", set_up_server, "12", test_reason_is_cut);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree char *name = g_strconcat ("wrong/", wrong[i].name, NULL);

    add_both (name, &wrong[i], test_wrong);
  }
  add_both ("wrong/direction", NULL, test_wrong_direction);
  add_both ("wrong/mask", NULL, test_wrong_mask);
  add ("wrong/announced-too-big", set_up_server, NULL, test_announced_too_big);
  add ("peer-does-not-read", set_up_server, NULL, test_peer_does_not_read);
  add ("silence/pings-then-closes", set_up_server, NULL, test_silence_pings_then_closes);
  add ("silence/broken-by-life", set_up_server, NULL, test_silence_broken_by_life);
  add ("silence/of-a-worker", set_up_client, NULL, test_silence_of_a_worker);
  add ("silence/can-be-switched-off", set_up_server, NULL, test_silence_can_be_switched_off);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_tests ();
  return g_test_run ();
}
