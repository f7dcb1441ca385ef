/* SPDX-License-Identifier: MIT */
/*
 * Contract F4: a worker that breaks the protocol loses its link, its requests go to another one, and the relay
 * lives on. Also what looks odd and is allowed.
 */
#include "stage.h"

#include <string.h>

#define BAD "worker registration protocol error"

typedef void (*Misdeed) (MrtWebsocket *worker, const char *request_id);

/* A worker takes a request, misbehaves, and another worker answers. @code: 0 for any end */
static void
check_misdeed (Misdeed misdeed, guint code, const char *reason)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) bad = stage_join (relay, "bad", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (bad);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (MrtWebsocket) good = NULL;
  g_autofree char *again = NULL;
  g_autoptr (MrtResponse) response = NULL;

  misdeed (bad, id);
  if (code != 0)
    mrt_websocket_expect_close (bad, code, reason);
  else
    g_assert_cmpint (mrt_websocket_receive (bad, text, MRT_WAIT_MS), ==, MRT_MESSAGE_CLOSED);
  good = stage_join (relay, "good", "[\"m\"]", 1);
  again = stage_expect_body (good, STAGE_BODY);
  mrt_worker_complete (good, again, 200, NULL, "saved");
  response = mrt_client_receive (client);
  stage_check_ok (response, "saved");
}

static void
send_malformed (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send (worker, "{\"type\":\"pong\",");
}

static void
send_unknown_type (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send (worker, "{\"type\":\"telepathy\"}");
}

static void
send_no_type (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send (worker, "{\"current_load\":1}");
}

static void
send_missing_field (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send (worker, "{\"type\":\"response_complete\",\"request_id\":\"%s\"}", request_id);
}

static void
send_wrong_type (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send (worker, "{\"type\":\"response_chunk\",\"request_id\":\"%s\",\"chunk\":5}", request_id);
}

static void
send_array (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send (worker, "[]");
}

static void
send_binary (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | MRT_FRAME_BINARY, "\x02\x00\x00\x01x", 5);
}

static void
send_unmasked (MrtWebsocket *worker, const char *request_id)
{
  mrt_stream_write (worker->stream, "\x81\x02{}", 4);
}

static void
send_reserved_bits (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | 0x40 | MRT_FRAME_TEXT, "{}", 2);
}

static void
send_reserved_opcode (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | 0x3, "{}", 2);
}

static void
send_lone_continuation (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | MRT_FRAME_CONTINUATION, "{}", 2);
}

static void
send_fragmented_ping (MrtWebsocket *worker, const char *request_id)
{
  mrt_websocket_send_frame (worker, MRT_FRAME_PING, "x", 1);
}

static void
send_bad_utf8 (MrtWebsocket *worker, const char *request_id)
{
  static const char text[] = "{\"type\":\"pong\",\"current_load\":0,\"x\":\"\xff\"}";

  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | MRT_FRAME_TEXT, text, strlen (text));
}

/* Announces 1 GiB and sends nothing of it. */
static void
send_huge_announcement (MrtWebsocket *worker, const char *request_id)
{
  mrt_stream_write (worker->stream, "\x81\xff\x00\x00\x00\x00\x40\x00\x00\x00zzzz", 14);
}

static void
cut_off (MrtWebsocket *worker, const char *request_id)
{
  mrt_stream_write (worker->stream, "\x81\xfe\x10", 3);
  mrt_stream_half_close (worker->stream);
}

static void
test_messages (void)
{
  check_misdeed (send_malformed, 1002, BAD);
  check_misdeed (send_unknown_type, 1002, BAD);
  check_misdeed (send_no_type, 1002, BAD);
  check_misdeed (send_missing_field, 1002, BAD);
  check_misdeed (send_wrong_type, 1002, BAD);
  check_misdeed (send_array, 1002, BAD);
  check_misdeed (send_binary, 1002, BAD);
}

static void
test_frames (void)
{
  check_misdeed (send_unmasked, 0, NULL);
  check_misdeed (send_reserved_bits, 0, NULL);
  check_misdeed (send_reserved_opcode, 0, NULL);
  check_misdeed (send_lone_continuation, 0, NULL);
  check_misdeed (send_fragmented_ping, 0, NULL);
  check_misdeed (send_bad_utf8, 0, NULL);
  check_misdeed (cut_off, 0, NULL);
}

static void
test_too_big (void)
{
  check_misdeed (send_huge_announcement, 1009, "message too big");
}

static void
test_too_big_register (void)
{
  g_autofree char *name = g_strnfill (1024 * 1024, 'n');
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);

  mrt_websocket_send (worker, "{\"type\":\"register\",\"worker_name\":\"%s\",\"models\":[],\"max_concurrent\":1}",
                      name);
  mrt_websocket_expect_close (worker, 1009, "message too big");
}

/* A message cut inside of a character, with a ping between its fragments. */
static void
test_fragments (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (worker);
  g_autofree char *text = g_strdup_printf (
      "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,\"body\":\"\xe2\x82\xac\"}", id);
  gsize cut = (gsize) (strchr (text, '\xe2') - text) + 1;
  g_autoptr (GString) pong = g_string_new (NULL);
  g_autoptr (MrtResponse) response = NULL;

  mrt_websocket_send_frame (worker, MRT_FRAME_TEXT, text, cut);
  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | MRT_FRAME_PING, "hi", 2);
  g_assert_cmpint (mrt_websocket_receive (worker, pong, MRT_WAIT_MS), ==, MRT_MESSAGE_PONG);
  g_assert_cmpstr (pong->str, ==, "hi");
  mrt_websocket_send_frame (worker, MRT_FRAME_CONTINUATION, text + cut, 1);
  mrt_websocket_send_frame (worker, MRT_FRAME_CONTINUATION, "", 0);
  mrt_websocket_send_frame (worker, MRT_FRAME_FIN | MRT_FRAME_CONTINUATION, text + cut + 1, strlen (text + cut + 1));
  response = mrt_client_receive (client);
  stage_check_ok (response, "\xe2\x82\xac");
}

static void
test_byte_by_byte (void)
{
  static const char registration[] =
      "{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[\"m\"],\"max_concurrent\":1}";
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = mrt_worker_connect_secret (relay->port, STAGE_SECRET);
  g_autoptr (JsonObject) ack = NULL;
  gsize length = strlen (registration);
  guint8 head[] = { 0x81, (guint8) (0x80 | length), 0, 0, 0, 0 };

  mrt_stream_write (worker->stream, head, sizeof head);
  for (gsize i = 0; i < length; i++)
    mrt_stream_write (worker->stream, registration + i, 1);
  ack = mrt_websocket_expect (worker, "register_ack");
}

/* Words about requests that the relay does not know (any more) are no offence. */
static void
test_unknown_request (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);
  g_autoptr (MrtStream) client = NULL;
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_chunk (worker, "no-such-request", "data: x\n\n");
  mrt_worker_complete (worker, "no-such-request", 200, NULL, "x");
  mrt_worker_fail (worker, "no-such-request", "cancelled");
  mrt_websocket_sync (worker);
  client = stage_post (relay, STAGE_BODY);
  stage_serve (worker, "fine");
  response = mrt_client_receive (client);
  stage_check_ok (response, "fine");
}

/* One worker must not be able to answer another one's request. */
static void
test_foreign_request (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) owner = stage_join (relay, "owner", "[\"m\"]", 1);
  g_autoptr (MrtWebsocket) thief = stage_join (relay, "thief", "[\"other\"]", 1);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autofree char *id = mrt_worker_take (owner);
  g_autoptr (MrtResponse) response = NULL;

  mrt_worker_complete (thief, id, 200, NULL, "stolen");
  mrt_websocket_sync (thief);
  g_assert_true (mrt_stream_is_quiet (client, MRT_QUIET_MS));
  mrt_worker_complete (owner, id, 200, NULL, "mine");
  response = mrt_client_receive (client);
  stage_check_ok (response, "mine");
}

static void
test_clean_close (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 1);

  mrt_websocket_close (worker, 1000, "bye");
  mrt_websocket_expect_close (worker, 1000, NULL);
  g_assert_true (mrt_stream_wait_end (worker->stream, MRT_WAIT_MS));
  stage_wait_health (relay, "workers_connected", 0, MRT_WAIT_MS);
}

/* Garbage from a fixed seed on many links: the relay answers afterwards. */
static void
test_random_garbage (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (GRand) random = g_rand_new_with_seed (20260404);
  g_autoptr (MrtWebsocket) worker = NULL;

  g_test_message ("seed 20260404");
  for (guint i = 0; i < 100; i++) {
    g_autoptr (MrtWebsocket) bad = stage_join (relay, "bad", "[\"other\"]", 1);
    guint8 bytes[200];

    for (guint n = 0; n < sizeof bytes; n++)
      bytes[n] = (guint8) g_rand_int_range (random, 0, 256);
    mrt_stream_write (bad->stream, bytes, sizeof bytes);
    mrt_stream_half_close (bad->stream);
    g_assert_true (mrt_stream_wait_end (bad->stream, MRT_WAIT_MS));
  }
  stage_wait_health (relay, "workers_connected", 0, MRT_WAIT_MS);
  worker = stage_join (relay, "good", "[\"m\"]", 1);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/F4/broken-messages", test_messages);
  g_test_add_func ("/contract/F4/broken-frames", test_frames);
  g_test_add_func ("/contract/F4/message-too-big", test_too_big);
  g_test_add_func ("/contract/F4/register-too-big", test_too_big_register);
  g_test_add_func ("/contract/F4/random-garbage", test_random_garbage);
  g_test_add_func ("/contract/protocol/fragments", test_fragments);
  g_test_add_func ("/contract/protocol/byte-by-byte", test_byte_by_byte);
  g_test_add_func ("/contract/protocol/unknown-request", test_unknown_request);
  g_test_add_func ("/contract/protocol/foreign-request", test_foreign_request);
  g_test_add_func ("/contract/protocol/clean-close", test_clean_close);
  return g_test_run ();
}
