/* SPDX-License-Identifier: MIT */
/*
 * Mode `requests`: answers in one piece, over kept-alive connections that each ask again as soon as they are answered.
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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256
#define PATIENCE_MS 10000

typedef struct {
  int fd;
  uint64_t sent_at;
  uint64_t seen;
  Response response;
} Asker;

typedef struct {
  const Options *options;
  char request[REQUEST_MAX];
  size_t request_length;
  int epoll_fd;
  uint64_t n_sent;
  uint64_t n_over;
  uint64_t errors;
  uint64_t corrupt;
  uint64_t reconnects;
  Asker *reading; /* Borrowed: whose bytes are being taken apart */
  Histogram latency;
} Run;

static void
on_body (void *data, const char *bytes, size_t length)
{
  static char expected[BENCH_SLICE_MAX];
  Run *run = data;
  Asker *asker = run->reading;

  if (asker->seen + length > run->options->size) {
    run->corrupt++;
    return;
  }
  bench_body_fill (expected, run->options->size, asker->seen, length);
  run->corrupt += memcmp (expected, bytes, length) != 0;
  asker->seen += length;
}

static void
ask (Run *run, Asker *asker)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = asker };

  if (run->n_sent == run->options->total) {
    return;
  }
  if (asker->fd < 0) {
    asker->fd = bench_connect (run->options->port);
    if (asker->fd < 0) {
      bench_die ("connect");
    }
    bench_set_nonblocking (asker->fd);
    (void) epoll_ctl (run->epoll_fd, EPOLL_CTL_ADD, asker->fd, &event);
  }
  response_reset (&asker->response);
  asker->seen = 0;
  asker->sent_at = bench_now_ns ();
  run->n_sent++;
  /* A connection that is gone shows in the next turn. */
  (void) bench_send_all (asker->fd, run->request, run->request_length);
}

static void
on_readable (Run *run, Asker *asker)
{
  static char block[BENCH_SLICE_MAX];
  ssize_t n = recv (asker->fd, block, sizeof (block), 0);
  bool done;

  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  run->reading = asker;
  if (n > 0) {
    (void) response_feed (&asker->response, block, (size_t) n, on_body, run);
  }
  done = asker->response.state == RESPONSE_DONE;
  if (n > 0 && !done && asker->response.state != RESPONSE_BROKEN) {
    return;
  }
  run->n_over++;
  if (done && asker->response.status == 200 && asker->seen == run->options->size) {
    histogram_add (&run->latency, bench_now_ns () - asker->sent_at);
  } else {
    run->errors++;
  }
  if (!done || asker->response.closes) {
    (void) close (asker->fd);
    asker->fd = -1;
    run->reconnects++;
  }
  ask (run, asker);
}

static void
run_all (Run *run, Asker *askers)
{
  struct epoll_event events[EVENTS_PER_TURN];
  int n = 1;

  for (uint64_t i = 0; i < run->options->count; i++) {
    askers[i].fd = -1;
    ask (run, &askers[i]);
  }
  while (run->n_over < run->options->total && n > 0) {
    n = epoll_wait (run->epoll_fd, events, EVENTS_PER_TURN, PATIENCE_MS);
    for (int i = 0; i < n; i++) {
      on_readable (run, events[i].data.ptr);
    }
  }
}

int
client_requests (const Options *options)
{
  static Run run;
  Asker *askers = bench_alloc (options->count, sizeof (Asker));
  uint64_t begin;
  double seconds;

  run.options = options;
  run.request_length = client_request_body (run.request, options);
  memcpy (run.request + run.request_length, "\"}", 2);
  run.request_length += 2;
  run.epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  process_baseline ();
  process_begin ();
  begin = bench_now_ns ();
  run_all (&run, askers);
  seconds = (double) (bench_now_ns () - begin) / (double) BENCH_NS_PER_SEC;
  process_end ();
  run.errors += options->total - run.n_over;
  (void) printf ("{\"mode\":\"requests\",\"requests\":%llu,\"seconds\":%.3f,\"per_second\":%.0f,\"errors\":%llu,"
                 "\"corrupt\":%llu,\"reconnects\":%llu",
                 (unsigned long long) run.n_over, seconds, (double) run.n_over / seconds,
                 (unsigned long long) run.errors, (unsigned long long) run.corrupt,
                 (unsigned long long) run.reconnects);
  histogram_print (&run.latency, "latency_us", stdout);
  process_print (stdout);
  (void) printf ("}\n");
  free (askers);
  return run.latency.count > 0 ? 0 : 1;
}
