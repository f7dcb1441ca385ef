/* SPDX-License-Identifier: MIT */
/*
 * Modes that do one thing after the other on a blocking socket: `ttfb`, `cancel` and `body`.
 */
#include "bench-event.h"
#include "bench-tool.h"
#include "client-response.h"
#include "client.h"
#include "histogram.h"
#include "process-sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_SEC 30
#define GAP_NS (4 * BENCH_NS_PER_MS)
#define CANCELS_MAX 10000
#define CANCEL_PATIENCE_NS (3 * BENCH_NS_PER_SEC)
#define CONTROL_TEXT_MAX (256 * 1024)

typedef struct {
  int fd;
  Response response;
  uint64_t first_at; /* 0: no byte of the body yet */
  uint64_t seen;
  uint64_t total; /* of a body that is checked; 0: not checked */
  bool corrupt;
  char *text; /* (nullable): where the body goes */
} Exchange;

static void
on_body (void *data, const char *bytes, size_t length)
{
  static char expected[BENCH_SLICE_MAX];
  Exchange *exchange = data;

  if (exchange->first_at == 0) {
    exchange->first_at = bench_now_ns ();
  }
  if (exchange->total > 0) {
    bench_body_fill (expected, exchange->total, exchange->seen, length);
    exchange->corrupt = exchange->corrupt || memcmp (expected, bytes, length) != 0;
  }
  if (exchange->text != NULL && exchange->seen + length < CONTROL_TEXT_MAX) {
    memcpy (exchange->text + exchange->seen, bytes, length);
  }
  exchange->seen += length;
}

static bool
exchange_open (Exchange *exchange, uint16_t port)
{
  struct timeval timeout = { .tv_sec = TIMEOUT_SEC };

  exchange->fd = bench_connect (port);
  return exchange->fd >= 0 && setsockopt (exchange->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof (timeout)) == 0;
}

static void
exchange_reset (Exchange *exchange)
{
  response_reset (&exchange->response);
  exchange->first_at = 0;
  exchange->seen = 0;
  exchange->corrupt = false;
}

/* Reads once. Returns: false when nothing more will come. */
static bool
exchange_read (Exchange *exchange)
{
  static char block[BENCH_SLICE_MAX];
  ssize_t n = recv (exchange->fd, block, sizeof (block), 0);

  if (n > 0) {
    (void) response_feed (&exchange->response, block, (size_t) n, on_body, exchange);
  }
  return n > 0 && exchange->response.state != RESPONSE_DONE && exchange->response.state != RESPONSE_BROKEN;
}

static bool
exchange_finish (Exchange *exchange)
{
  while (exchange_read (exchange)) {
  }
  return exchange->response.state == RESPONSE_DONE && exchange->response.status == 200 && !exchange->corrupt;
}

static void
gap (void)
{
  struct timespec wait = { .tv_nsec = GAP_NS };

  (void) nanosleep (&wait, NULL);
}

static void
print_result (const char *mode, const Histogram *histogram, const char *name, uint64_t errors)
{
  (void) printf ("{\"mode\":\"%s\",\"errors\":%llu", mode, (unsigned long long) errors);
  histogram_print (histogram, name, stdout);
  process_print (stdout);
  (void) printf ("}\n");
}

int
client_ttfb (const Options *options)
{
  static Histogram first_byte;
  Exchange exchange = { 0 };
  char request[REQUEST_MAX];
  uint64_t errors = 0;

  if (!exchange_open (&exchange, options->port)) {
    bench_die ("connect");
  }
  process_baseline ();
  process_begin ();
  for (uint64_t i = 0; i < options->total && errors == 0; i++) {
    size_t length = client_request (request, options, (uint32_t) i, 1, 0);
    uint64_t sent_at = bench_now_ns ();

    exchange_reset (&exchange);
    if (bench_send_all (exchange.fd, request, length) && exchange_finish (&exchange)) {
      histogram_add (&first_byte, exchange.first_at - sent_at);
    } else {
      errors++;
    }
    gap ();
  }
  process_end ();
  (void) close (exchange.fd);
  print_result ("ttfb", &first_byte, "first_byte_us", errors);
  return errors > 0;
}

/* --- Cancels --- */

/* What the backend saw since the last time: "ID TIME" lines, which it forgets. */
static void
read_closed (const Options *options, uint64_t *seen_at, uint64_t *n_seen)
{
  static char text[CONTROL_TEXT_MAX];
  static const char request[] = "GET /bench/closed HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  Exchange exchange = { .text = text };

  if (!exchange_open (&exchange, options->control) || !bench_send_all (exchange.fd, request, sizeof (request) - 1) ||
      !exchange_finish (&exchange)) {
    bench_die ("the backend does not answer");
  }
  (void) close (exchange.fd);
  text[exchange.seen] = '\0';
  for (char *line = strtok (text, "\n"); line != NULL; line = strtok (NULL, "\n")) {
    char *end;
    uint64_t id = strtoull (line, &end, 10);
    if (id < options->total && seen_at[id] == 0) {
      seen_at[id] = strtoull (end, NULL, 10);
      (*n_seen)++;
    }
  }
}

/* Returns: when the stream was closed, at its first byte; 0 when there was none. */
static uint64_t
cancel_one (const Options *options, uint32_t id)
{
  Exchange exchange = { 0 };
  char request[REQUEST_MAX];
  size_t length = client_request (request, options, id, 1000000, 0);
  uint64_t closed_at = 0;

  if (!exchange_open (&exchange, options->port)) {
    return 0;
  }
  if (bench_send_all (exchange.fd, request, length)) {
    while (exchange.first_at == 0 && exchange_read (&exchange)) {
    }
  }
  if (exchange.first_at != 0 && exchange.response.status == 200) {
    closed_at = bench_now_ns ();
  }
  (void) close (exchange.fd);
  return closed_at;
}

int
client_cancel (const Options *options)
{
  static Histogram histogram;
  static uint64_t closed_at[CANCELS_MAX];
  static uint64_t seen_at[CANCELS_MAX];
  uint64_t n_seen = 0;
  uint64_t errors = 0;
  uint64_t deadline;

  if (options->total > CANCELS_MAX || options->control == 0) {
    errno = EINVAL;
    bench_die ("--total or --control");
  }
  read_closed (options, seen_at, &n_seen);
  memset (seen_at, 0, sizeof (seen_at));
  n_seen = 0;
  for (uint32_t i = 0; i < options->total; i++) {
    closed_at[i] = cancel_one (options, i);
    gap ();
  }
  deadline = bench_now_ns () + CANCEL_PATIENCE_NS;
  while (n_seen < options->total && bench_now_ns () < deadline) {
    read_closed (options, seen_at, &n_seen);
    gap ();
  }
  for (uint64_t i = 0; i < options->total; i++) {
    if (closed_at[i] == 0 || seen_at[i] == 0) {
      errors++;
    } else {
      histogram_add (&histogram, seen_at[i] > closed_at[i] ? seen_at[i] - closed_at[i] : 0);
    }
  }
  print_result ("cancel", &histogram, "close_us", errors);
  return histogram.count == 0;
}

/* --- Bodies --- */

static bool
send_pad (int fd, uint64_t total)
{
  for (uint64_t at = 0; at < total;) {
    size_t length = total - at < BENCH_SLICE_MAX ? (size_t) (total - at) : BENCH_SLICE_MAX;

    if (!bench_send_all (fd, bench_pattern (at, length), length)) {
      return false;
    }
    at += length;
  }
  return bench_send_all (fd, "\"}", 2);
}

int
client_body (const Options *options)
{
  static Histogram latency;
  Exchange exchange = { .total = options->size };
  char request[REQUEST_MAX];
  size_t length = client_request_body (request, options);
  uint64_t errors = 0;
  uint64_t begin = bench_now_ns ();
  double seconds;

  process_baseline ();
  process_begin ();
  if (!exchange_open (&exchange, options->port)) {
    bench_die ("connect");
  }
  for (uint64_t i = 0; i < options->total && errors == 0; i++) {
    uint64_t sent_at = bench_now_ns ();

    exchange_reset (&exchange);
    if (bench_send_all (exchange.fd, request, length) && send_pad (exchange.fd, options->upload) &&
        exchange_finish (&exchange) && exchange.seen == options->size) {
      histogram_add (&latency, bench_now_ns () - sent_at);
    } else {
      errors++;
    }
  }
  seconds = (double) (bench_now_ns () - begin) / (double) BENCH_NS_PER_SEC;
  process_end ();
  (void) close (exchange.fd);
  (void) printf ("{\"mode\":\"body\",\"errors\":%llu,\"mb_per_second\":%.1f", (unsigned long long) errors,
                 (double) (options->upload + options->size) * (double) latency.count / seconds / 1e6);
  histogram_print (&latency, "latency_us", stdout);
  process_print (stdout);
  (void) printf ("}\n");
  return errors > 0;
}
