/* SPDX-License-Identifier: MIT */
/*
 * The HTTP client: cancelling, back-pressure and uploads.
 */
#include "http-client-stage.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Cancelling --- */

static void
test_cancel_waiting (Fixture *fixture, gconstpointer data)
{
  const char *so_far = data;
  g_auto (Owner) owner = { 0 };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, so_far);
  settle ();
  mr_http_exchange_cancel (owner.exchange);
  expect_end_soon (fd);
  settle ();
  g_assert_cmpuint (owner.n_dones + owner.n_failures, ==, 0);
}

static void
test_cancel_connecting (Fixture *fixture, gconstpointer data)
{
  g_auto (Owner) owner = { 0 };

  start_get (&owner, fixture);
  mr_http_exchange_cancel (owner.exchange);
  g_clear_pointer (&fixture->client, mr_http_client_free);
  settle ();
  g_assert_cmpuint (owner.n_dones + owner.n_failures, ==, 0);
}

/* A callback may cancel, and what the same read gave besides is then dropped. */
static void
test_cancel_inside (Fixture *fixture, gconstpointer data)
{
  Edge edge = GPOINTER_TO_INT (data);
  g_auto (Owner) owner = { .cancel_at = edge };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, CHUNKED_HEAD "1\r\na\r\n");
  pump_until (owner.exchange == NULL);
  expect_end_soon (fd);
  g_assert_cmpuint (owner.n_datas, ==, edge == AT_HEAD ? 0 : 1);
  g_assert_cmpuint (owner.n_dones + owner.n_failures, ==, 0);
}

/* At the end there is nothing left to cancel, and it does no harm. The client may go as well. */
static void
test_free_at_end (Fixture *fixture, gconstpointer data)
{
  Edge edge = GPOINTER_TO_INT (data);
  g_auto (Owner) owner = { .cancel_at = edge, .free_at_end = &fixture->client };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, edge == AT_DONE ? LENGTH_ANSWER : "nonsense\r\n\r\n");
  pump_until (fixture->client == NULL);
  g_assert_cmpuint (owner.n_dones, ==, edge == AT_DONE);
  g_assert_cmpuint (owner.n_failures, ==, edge == AT_FAILED);
  expect_end_soon (fd);
}

/* --- Back-pressure --- */

static guint8
pattern (gsize i)
{
  return (guint8) (i * 31 + (i >> 12));
}

static GBytes *
make_pattern (gsize length)
{
  guint8 *bytes = g_malloc (length);

  for (gsize i = 0; i < length; i++)
    bytes[i] = pattern (i);
  return g_bytes_new_take (bytes, length);
}

/* The paused owner gets nothing, the backend can send no more than the kernel holds, and after the pause all arrives,
 * also when the backend has closed meanwhile. */
static void
test_pause (Fixture *fixture, gconstpointer data)
{
  const gsize total = 32 * 1024 * 1024;
  g_autoptr (GBytes) body = make_pattern (total);
  const char *bytes = g_bytes_get_data (body, NULL);
  g_autofree char *answer = g_strdup_printf ("HTTP/1.1 200 OK\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n", total);
  g_auto (Owner) owner = { .pause_at = AT_DATA };
  gsize sent = 0;
  gssize n;
  guint stalls = 0;
  gsize got;
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, answer);
  while (stalls < 100) {
    n = send (fd, bytes + sent, total - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    stalls = n > 0 ? 0 : stalls + 1;
    sent += MAX (n, 0);
    pump ();
  }
  g_assert_cmpuint (owner.n_datas, ==, 1);
  g_assert_cmpuint (sent, <, 16 * 1024 * 1024);
  got = owner.body->len;
  g_assert_cmpuint (got, <=, MR_LIMIT_TURN_BYTES);

  owner.pause_at = AT_NOTHING;
  mr_http_exchange_set_reading (owner.exchange, TRUE);
  backend_send (fd, bytes + sent, total - sent);
  close (fd);
  pump_until (owner.exchange == NULL);
  g_assert_no_error (owner.error);
  g_assert_cmpmem (owner.body->str, owner.body->len, bytes, total);
}

static void
test_pause_outlives_the_backend (Fixture *fixture, gconstpointer data)
{
  const char *answer = data;
  g_auto (Owner) owner = { .pause_at = AT_DATA };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, answer);
  pump_until (owner.body->len == 2);
  backend_say (fd, strstr (answer, "Length") != NULL ? "cd" : "2\r\ncd\r\n0\r\n\r\n");
  close (fd);
  settle ();
  g_assert_cmpuint (owner.n_datas, ==, 1);
  g_assert_nonnull (owner.exchange);
  mr_http_exchange_set_reading (owner.exchange, TRUE);
  expect_done (&owner, 200, "abcd");
}

/* Paused in `head`, the body that came with it waits; and paused in `data`, every next piece does. */
static void
test_pause_each (Fixture *fixture, gconstpointer data)
{
  Edge edge = GPOINTER_TO_INT (data);
  g_auto (Owner) owner = { .pause_at = edge };
  int fd;

  start_get (&owner, fixture);
  fd = backend_answer (fixture, CHUNKED_HEAD "2\r\nab\r\n");
  pump_until (owner.n_heads == 1);
  settle ();
  g_assert_cmpuint (owner.n_datas, ==, edge == AT_HEAD ? 0 : 1);
  mr_http_exchange_set_reading (owner.exchange, TRUE);
  pump_until (owner.n_datas == 1);
  mr_http_exchange_set_reading (owner.exchange, FALSE);
  backend_say (fd, "1\r\nc\r\n0\r\n\r\n");
  settle ();
  g_assert_cmpuint (owner.n_datas, ==, 1);
  mr_http_exchange_set_reading (owner.exchange, TRUE);
  expect_done (&owner, 200, "abc");
  close (fd);
}

/* --- Uploads --- */

static void
test_upload (Fixture *fixture, gconstpointer data)
{
  const gsize total = 20 * 1024 * 1024;
  g_autoptr (GBytes) body = make_pattern (total);
  g_autoptr (GString) received = g_string_sized_new (total);
  g_autofree char *head = NULL;
  g_autofree char *length = g_strdup_printf ("\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n", total);
  g_auto (Owner) owner = { 0 };
  int fd;

  start (&owner, fixture->client, "POST", "/", body);
  fd = backend_accept (fixture);
  head = backend_read_head (fd);
  g_assert_nonnull (strstr (head, length));
  backend_read_bytes (fd, received, total);
  g_assert_cmpmem (received->str, received->len, g_bytes_get_data (body, NULL), total);
  backend_say (fd, LENGTH_ANSWER);
  expect_done (&owner, 200, "ok");

  /* It was sent whole, so the connection serves again. */
  g_auto (Owner) again = { 0 };
  g_autofree char *second = NULL;
  start_get (&again, fixture);
  second = backend_read_head (fd);
  backend_say (fd, LENGTH_ANSWER);
  expect_done (&again, 200, "ok");
  close (fd);
}

/* A backend that refuses an upload before it has read it; the body is then no longer sent. */
static void
test_early_answer (Fixture *fixture, gconstpointer data)
{
  static const char answer[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large";
  gboolean closes = GPOINTER_TO_INT (data);
  g_autoptr (GBytes) body = make_pattern (20 * 1024 * 1024);
  g_autoptr (GString) received = g_string_new (NULL);
  g_autofree char *head = NULL;
  g_auto (Owner) owner = { 0 };
  int fd;

  start (&owner, fixture->client, "POST", "/", body);
  fd = backend_accept (fixture);
  head = backend_read_head (fd);
  backend_read_bytes (fd, received, 100000);
  backend_say (fd, answer);
  if (closes)
    close (fd);
  expect_done (&owner, 413, "too large");
  if (!closes) {
    pump_until (!backend_read_some (fd, received, 65536));
    g_assert_cmpuint (received->len, <, g_bytes_get_size (body));
    close (fd);
  }
}

static void
add_tests (void)
{
  stage_add ("/contract/E2/cancel/connecting", NULL, test_cancel_connecting);
  stage_add ("/contract/E2/cancel/before-the-answer", "", test_cancel_waiting);
  stage_add ("/contract/E2/cancel/in-the-head", "HTTP/1.1 200 OK\r\n", test_cancel_waiting);
  stage_add ("/contract/E2/cancel/in-the-body", CHUNKED_HEAD "1\r\na\r\n", test_cancel_waiting);
  stage_add ("/contract/E2/cancel/inside-head", GINT_TO_POINTER (AT_HEAD), test_cancel_inside);
  stage_add ("/contract/E2/cancel/inside-data", GINT_TO_POINTER (AT_DATA), test_cancel_inside);
  stage_add ("/transport/http-client/free-inside/done", GINT_TO_POINTER (AT_DONE), test_free_at_end);
  stage_add ("/transport/http-client/free-inside/failed", GINT_TO_POINTER (AT_FAILED), test_free_at_end);
  stage_add ("/contract/D5/pause", NULL, test_pause);
  stage_add ("/contract/D5/pause-outlives-the-backend/length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
             test_pause_outlives_the_backend);
  stage_add ("/contract/D5/pause-outlives-the-backend/chunked", CHUNKED_HEAD "2\r\nab\r\n",
             test_pause_outlives_the_backend);
  stage_add ("/contract/D5/pause-inside/head", GINT_TO_POINTER (AT_HEAD), test_pause_each);
  stage_add ("/contract/D5/pause-inside/data", GINT_TO_POINTER (AT_DATA), test_pause_each);
  stage_add ("/transport/http-client/upload/whole", NULL, test_upload);
  stage_add ("/transport/http-client/upload/early-answer/stays", GINT_TO_POINTER (FALSE), test_early_answer);
  stage_add ("/transport/http-client/upload/early-answer/closes", GINT_TO_POINTER (TRUE), test_early_answer);
}

int
main (int argc, char **argv)
{
  return stage_main (argc, argv, add_tests);
}
