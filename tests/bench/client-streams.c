/* SPDX-License-Identifier: MIT */
/*
 * Mode `streams`: many streams at once. Every event is checked, and timed from the backend's stamp in it.
 *
 *   begin --ramp: streams start evenly--> --warm--> [ measured: ms ] --> each stream ends whole, soon after
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
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256
#define TAIL_MS 200
#define PATIENCE_MS 20000

typedef struct {
  int fd; /* -1: over */
  uint32_t id;
  uint32_t seq;
  uint64_t sent_at;
  bool has_first;
  bool has_last;
  bool has_done;
  Response response;
  char *partial;
  size_t partial_length;
} Stream;

typedef struct {
  const Options *options;
  int epoll_fd;
  Stream *streams;
  uint64_t n_started;
  uint64_t n_over;
  uint64_t now;
  uint64_t begin;
  uint64_t from;
  uint64_t to;
  Stream *reading; /* Borrowed: whose bytes are being taken apart */

  Histogram latency;
  Histogram first_byte;
  uint64_t chunks;
  uint64_t bytes;
  uint64_t all_chunks;
  uint64_t lost;
  uint64_t out_of_order;
  uint64_t corrupt;
  uint64_t refused;
  uint64_t broken;
} Run;

static void
stream_over (Run *run, Stream *stream)
{
  (void) close (stream->fd);
  free (stream->partial);
  stream->fd = -1;
  stream->partial = NULL;
  run->n_over++;
}

static void
take_event (Run *run, Stream *stream, const char *event)
{
  uint32_t seq;
  uint64_t sent_ns;

  run->all_chunks++;
  if (!bench_event_check (event, run->options->size, stream->id, &seq, &sent_ns, &stream->has_last)) {
    run->corrupt++;
    stream->seq++;
    return;
  }
  if (seq < stream->seq) {
    run->out_of_order++;
    return;
  }
  run->lost += seq - stream->seq;
  stream->seq = seq + 1;
  if (run->now >= run->from && run->now < run->to) {
    histogram_add (&run->latency, run->now - sent_ns);
    run->chunks++;
    run->bytes += run->options->size;
  }
}

static void
take_whole (Run *run, Stream *stream, const char *bytes)
{
  if (!stream->has_last) {
    take_event (run, stream, bytes);
  } else if (!stream->has_done && memcmp (bytes, BENCH_DONE, BENCH_DONE_BYTES) == 0) {
    stream->has_done = true;
  } else {
    run->corrupt++;
  }
}

/* Events come whole, in pieces and joined. */
static void
on_body (void *data, const char *bytes, size_t length)
{
  Run *run = data;
  Stream *stream = run->reading;

  if (!stream->has_first) {
    stream->has_first = true;
    histogram_add (&run->first_byte, run->now - stream->sent_at);
  }
  while (length > 0) {
    size_t whole = stream->has_last ? BENCH_DONE_BYTES : run->options->size;
    size_t part = whole - stream->partial_length < length ? whole - stream->partial_length : length;

    if (part == whole) {
      take_whole (run, stream, bytes);
    } else {
      memcpy (stream->partial + stream->partial_length, bytes, part);
      stream->partial_length += part;
      if (stream->partial_length == whole) {
        take_whole (run, stream, stream->partial);
        stream->partial_length = 0;
      }
    }
    bytes += part;
    length -= part;
  }
}

static void
on_readable (Run *run, Stream *stream)
{
  static char block[BENCH_SLICE_MAX];
  ssize_t n = recv (stream->fd, block, sizeof (block), 0);

  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  run->now = bench_now_ns ();
  run->reading = stream;
  if (n > 0) {
    (void) response_feed (&stream->response, block, (size_t) n, on_body, run);
  }
  if (n <= 0 || stream->response.state == RESPONSE_DONE || stream->response.state == RESPONSE_BROKEN) {
    if (stream->response.status != 200) {
      run->refused++;
    } else if (stream->response.state != RESPONSE_DONE || !stream->has_done || stream->partial_length > 0) {
      run->broken++;
    }
    stream_over (run, stream);
  }
}

static void
stream_start (Run *run, Stream *stream, uint32_t id)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = stream };
  char request[REQUEST_MAX];
  uint64_t end = run->to + TAIL_MS * BENCH_NS_PER_MS;
  size_t length = client_request (request, run->options, id, 0, (end - bench_now_ns ()) / BENCH_NS_PER_MS);

  stream->id = id;
  stream->partial = bench_alloc (1, run->options->size);
  response_reset (&stream->response);
  stream->fd = bench_connect (run->options->port);
  if (stream->fd < 0) {
    run->refused++;
    stream_over (run, stream);
    return;
  }
  bench_set_nonblocking (stream->fd);
  stream->sent_at = bench_now_ns ();
  if (!bench_send_all (stream->fd, request, length) ||
      epoll_ctl (run->epoll_fd, EPOLL_CTL_ADD, stream->fd, &event) != 0) {
    run->broken++;
    stream_over (run, stream);
  }
}

/* One turn: starts what is due, at most until @until. */
static void
turn (Run *run, uint64_t until)
{
  const Options *options = run->options;
  struct epoll_event events[EVENTS_PER_TURN];
  uint64_t now = bench_now_ns ();
  uint64_t due = run->begin + options->ramp_ms * BENCH_NS_PER_MS * run->n_started / options->count;
  uint64_t wake = until;
  struct timespec wait = { 0 };
  int n;

  if (run->n_started < options->count && due <= now) {
    stream_start (run, &run->streams[run->n_started], (uint32_t) run->n_started);
    run->n_started++;
    wake = now;
  } else if (run->n_started < options->count && due < wake) {
    wake = due;
  }
  if (wake > now) {
    wait.tv_sec = (time_t) ((wake - now) / BENCH_NS_PER_SEC);
    wait.tv_nsec = (long) ((wake - now) % BENCH_NS_PER_SEC);
  }
  n = epoll_pwait2 (run->epoll_fd, events, EVENTS_PER_TURN, &wait, NULL);
  for (int i = 0; i < n; i++) {
    on_readable (run, events[i].data.ptr);
  }
}

static void
run_until (Run *run, uint64_t until)
{
  while (run->n_over < run->options->count && bench_now_ns () < until) {
    turn (run, until);
  }
}

static void
print (const Run *run)
{
  uint64_t unfinished = run->options->count - run->n_over;
  const struct {
    const char *name;
    uint64_t value;
  } counts[] = {
    { "streams", run->options->count },
    { "ms", run->options->ms },
    { "chunks", run->chunks },
    { "bytes", run->bytes },
    { "all_chunks", run->all_chunks },
    { "errors", run->refused + run->broken + unfinished },
    { "refused", run->refused },
    { "broken", run->broken },
    { "unfinished", unfinished },
    { "lost", run->lost },
    { "out_of_order", run->out_of_order },
    { "corrupt", run->corrupt },
  };

  (void) printf ("{\"mode\":\"streams\"");
  for (size_t i = 0; i < sizeof (counts) / sizeof (counts[0]); i++) {
    (void) printf (",\"%s\":%llu", counts[i].name, (unsigned long long) counts[i].value);
  }
  histogram_print (&run->latency, "latency_us", stdout);
  histogram_print (&run->first_byte, "first_byte_us", stdout);
  process_print (stdout);
  (void) printf ("}\n");
}

int
client_streams (const Options *options)
{
  static Run run;

  if (options->size < BENCH_EVENT_MIN || options->size > BENCH_SLICE_MAX || options->count == 0) {
    errno = EINVAL;
    bench_die ("--size or --count");
  }
  run.options = options;
  run.epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  run.streams = bench_alloc (options->count, sizeof (Stream));
  process_baseline ();
  run.begin = bench_now_ns ();
  run.from = run.begin + (options->ramp_ms + options->warm_ms) * BENCH_NS_PER_MS;
  run.to = run.from + options->ms * BENCH_NS_PER_MS;
  run_until (&run, run.from);
  process_begin ();
  run_until (&run, run.to);
  process_end ();
  run_until (&run, run.to + PATIENCE_MS * BENCH_NS_PER_MS);
  print (&run);
  free (run.streams);
  return run.chunks > 0 ? 0 : 1;
}
