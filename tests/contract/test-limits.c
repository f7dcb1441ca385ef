/* SPDX-License-Identifier: MIT */
/*
 * Contract E5: what costs the relay something has a bound before anybody is trusted. The timers are the real ones, so
 * these tests take the 15 seconds that a client is given; all of them wait at the same time.
 */
#include "tls-stage.h"

#define N_SLOW 1000
#define N_SLOW_TLS 100
#define SLOW_MS 15000

static void
test_connection_cap (void)
{
  g_autoptr (StageRelay) relay = stage_relay ("--max-connections", "16", NULL);
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (MrtStream) extra = NULL;
  g_autoptr (MrtResponse) refused = NULL;
  g_autoptr (MrtStream) again = NULL;
  g_autoptr (MrtResponse) served = NULL;

  for (int i = 0; i < 16; i++) {
    g_autoptr (MrtResponse) response = NULL;

    g_ptr_array_add (held, mrt_client_open (relay->port, "GET", "/health", NULL, NULL));
    response = mrt_client_receive (g_ptr_array_index (held, i));
    g_assert_cmpuint (response->status, ==, 200);
  }
  extra = mrt_stream_connect (relay->port);
  refused = mrt_client_receive (extra);
  g_assert_cmpuint (refused->status, ==, 503);
  g_assert_nonnull (mrt_head_get (refused->head, "retry-after"));
  g_ptr_array_remove_index (held, 0);
  while (served == NULL || served->status != 200) {
    g_clear_pointer (&served, mrt_response_free);
    g_clear_pointer (&again, mrt_stream_free);
    again = mrt_stream_connect (relay->port);
    mrt_client_send (again, "GET", "/health", NULL, NULL);
    served = mrt_client_receive (again);
  }
}

/* Clients that connect to a TLS port and say nothing, or begin a handshake and stop. */
static GPtrArray *
begin_slow_handshakes (TlsStage *tls)
{
  static const char record[] = { 22, 3, 1, 1, 0, 1 };
  GPtrArray *slow = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);

  for (guint i = 0; i < N_SLOW_TLS; i++) {
    MrtStream *stream = mrt_stream_connect (tls->tls_port);

    g_ptr_array_add (slow, stream);
    if (i % 2 == 0)
      g_assert_true (mrt_stream_write (stream, record, sizeof record));
  }
  return slow;
}

/* They hold up no other handshake, and their time is bounded as well. */
static void
check_slow_handshakes (TlsStage *tls, GPtrArray *slow)
{
  for (guint i = 0; i < slow->len; i++)
    g_assert_true (mrt_stream_wait_end (g_ptr_array_index (slow, i), SLOW_MS + MRT_WAIT_MS));
  stage_wait_health (&tls->relay, "queue_depth", 0, MRT_WAIT_MS);
}

/* Slow heads, slow bodies and slow handshakes are ended, cost next to nothing meanwhile, and hold up nobody. */
static void
test_slowloris (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (GPtrArray) slow = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  g_autoptr (TlsStage) tls = tls_stage_new (NULL);
  g_autoptr (GPtrArray) slow_tls = begin_slow_handshakes (tls);
  g_autoptr (MrtStream) slow_body = NULL;
  g_autoptr (MrtResponse) body_answer = NULL;
  gint64 start = mrt_now_ms ();
  gsize rss = mrt_process_get_rss_bytes (relay->process);
  gint64 asked;

  for (int i = 0; i < N_SLOW; i++) {
    g_ptr_array_add (slow, mrt_stream_connect (relay->port));
    g_assert_true (mrt_stream_write_text (g_ptr_array_index (slow, i), "GET / HTTP/1.1\r\nX-Slow: "));
  }
  slow_body = mrt_stream_connect (relay->port);
  g_assert_true (
      mrt_stream_write_text (slow_body, "POST " STAGE_CHAT " HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n{"));
  asked = mrt_now_ms ();
  stage_wait_health (relay, "queue_depth", 0, MRT_WAIT_MS);
  stage_wait_health (&tls->relay, "queue_depth", 0, MRT_WAIT_MS);
  g_assert_cmpint (mrt_now_ms () - asked, <, 500);
  g_assert_cmpuint (mrt_process_get_rss_bytes (relay->process), <, rss + (gsize) N_SLOW * 4096);
  for (int i = 0; i < N_SLOW; i++)
    g_assert_true (mrt_stream_wait_end (g_ptr_array_index (slow, i), SLOW_MS + MRT_WAIT_MS));
  g_assert_cmpint (mrt_now_ms () - start, >=, SLOW_MS);
  body_answer = mrt_client_receive (slow_body);
  g_assert_cmpuint (body_answer->status, ==, 408);
  check_slow_handshakes (tls, slow_tls);
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/E5/connection-cap", test_connection_cap);
  g_test_add_func ("/contract/E5/slowloris", test_slowloris);
  return g_test_run ();
}
