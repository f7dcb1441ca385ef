/* SPDX-License-Identifier: MIT */
/*
 * A fake model server on plain epoll, as cheap as can be, for scripts/bench. Shares no code with the product.
 *
 *   GET  /v1/models     one model, "bench"
 *   GET  /bench/closed  "ID TIME_NS" for each stream whose peer went away since the last time it was asked
 *   POST anything       answers as the body says: {"model":"bench","stream":true,"bench":{...},"pad":"..."}
 *
 * Members of "bench": id, size (of an event or of the whole body), and for a stream rate (turns a second, 0 = whenever
 * the socket takes more), burst (events a turn) and chunks or ms (its end). A "pad" is checked against the pattern.
 */
#include "backend-pace.h"
#include "bench-event.h"
#include "bench-tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_BYTES 8192
#define PREFIX_BYTES 4096
#define FRAME_BYTES 16
#define CLOSED_MAX 65536
#define EVENTS_PER_TURN 512

#define STREAM_HEAD                                                                                                    \
  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: "               \
  "chunked\r\n\r\n"
#define MODELS                                                                                                         \
  "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"}]}"

typedef enum { READING_HEAD, READING_BODY, STREAMING, SENDING_BODY } State;

typedef struct {
  Pace pace; /* first: the heap hands it back */
  int fd;
  State state;
  bool wants_out;
  bool stream;
  char in[IN_BYTES];
  size_t in_length;

  /* The request's body: its beginning is kept, the rest is checked as it comes. */
  char prefix[PREFIX_BYTES + 1];
  uint64_t body_length;
  uint64_t body_seen;
  uint64_t pad_at;
  bool pad_good;

  uint32_t id;
  uint32_t seq;
  uint64_t size;
  uint64_t rate;
  uint64_t burst;
  uint64_t chunks;
  uint64_t end_ns;
  uint64_t body_sent;

  /* Owned: what the socket did not take. */
  char *left;
  size_t left_length;
} Conn;

typedef struct {
  uint32_t id;
  uint64_t at_ns;
} Closed;

static int epoll_fd;
static Closed closed[CLOSED_MAX];
static size_t n_closed;
static char scratch[2 * BENCH_SLICE_MAX];

static void
conn_close (Conn *conn)
{
  if (conn->state == STREAMING && n_closed < CLOSED_MAX) {
    closed[n_closed++] = (Closed){ conn->id, bench_now_ns () };
  }
  pace_remove (&conn->pace);
  (void) close (conn->fd);
  free (conn->left);
  free (conn);
}

static void
conn_want_out (Conn *conn, bool want)
{
  struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | (want ? EPOLLOUT : 0), .data.ptr = conn };

  if (conn->wants_out != want) {
    conn->wants_out = want;
    (void) epoll_ctl (epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
  }
}

/* Sends, and keeps what the socket does not take. A broken socket shows in the next epoll turn. */
static void
conn_send (Conn *conn, const char *bytes, size_t length)
{
  ssize_t n = send (conn->fd, bytes, length, MSG_NOSIGNAL);
  size_t sent = n > 0 ? (size_t) n : 0;

  if (sent < length) {
    conn->left = bench_alloc (1, length - sent);
    conn->left_length = length - sent;
    memcpy (conn->left, bytes + sent, conn->left_length);
    conn_want_out (conn, true);
  }
}

static void
conn_send_left (Conn *conn)
{
  char *left = conn->left;
  size_t length = conn->left_length;

  conn->left = NULL;
  conn_send (conn, left, length);
  free (left);
}

static void
conn_send_text (Conn *conn, const char *status, const char *body, size_t length)
{
  int head = snprintf (scratch, BENCH_SLICE_MAX,
                       "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status, length);

  if (length > BENCH_SLICE_MAX) {
    length = BENCH_SLICE_MAX;
  }
  memcpy (scratch + head, body, length);
  conn_send (conn, scratch, (size_t) head + length);
}

/* --- Answers --- */

static size_t
add_frame (size_t at, const char *bytes, size_t length)
{
  int head = snprintf (scratch + at, FRAME_BYTES, "%zx\r\n", length);

  memcpy (scratch + at + head, bytes, length);
  memcpy (scratch + at + (size_t) head + length, "\r\n", 2);
  return at + (size_t) head + length + 2;
}

/* One turn of a stream: a burst of events, each in an HTTP chunk of its own, in one send. */
static void
stream_turn (Conn *conn, uint64_t now)
{
  static char event[BENCH_SLICE_MAX];
  bool last = false;
  size_t at = 0;

  for (uint64_t i = 0; i < conn->burst && !last && at + conn->size + FRAME_BYTES * 4 < sizeof (scratch); i++) {
    last = now >= conn->end_ns || conn->seq + 1 == conn->chunks;
    bench_event_fill (event, conn->size, conn->id, conn->seq++, bench_now_ns (), last);
    at = add_frame (at, event, conn->size);
  }
  if (last) {
    at = add_frame (at, BENCH_DONE, BENCH_DONE_BYTES);
    memcpy (scratch + at, "0\r\n\r\n", 5);
    at += 5;
    conn->state = READING_HEAD;
    pace_remove (&conn->pace);
    conn_want_out (conn, false);
  }
  conn_send (conn, scratch, at);
}

static void
stream_start (Conn *conn)
{
  uint64_t now = bench_now_ns ();

  conn->state = STREAMING;
  conn_send (conn, STREAM_HEAD, sizeof (STREAM_HEAD) - 1);
  if (conn->left == NULL) {
    stream_turn (conn, now);
  }
  if (conn->state != STREAMING) {
    return;
  }
  if (conn->rate == 0) {
    conn_want_out (conn, true);
  } else {
    /* Phases are spread evenly by the golden ratio, however the streams began. */
    uint64_t period = BENCH_NS_PER_SEC / conn->rate;
    uint32_t phase = conn->id * UINT32_C (2654435769);
    pace_add (&conn->pace, now + period / 8 + (phase * period >> 32));
  }
}

static void
on_due (Conn *conn, uint64_t now)
{
  uint64_t period = BENCH_NS_PER_SEC / conn->rate;
  uint64_t due = conn->pace.due_ns + period;

  if (conn->left == NULL) {
    stream_turn (conn, now);
  }
  if (conn->state == STREAMING) {
    pace_move (&conn->pace, due + period < now ? now + period : due);
  }
}

static void
body_turn (Conn *conn)
{
  while (conn->left == NULL && conn->body_sent < conn->size) {
    uint64_t left = conn->size - conn->body_sent;
    size_t length = left < BENCH_SLICE_MAX ? (size_t) left : BENCH_SLICE_MAX;

    bench_body_fill (scratch, conn->size, conn->body_sent, length);
    conn->body_sent += length;
    conn_send (conn, scratch, length);
  }
  if (conn->body_sent == conn->size) {
    conn->state = READING_HEAD;
  }
}

static void
body_start (Conn *conn)
{
  int head = snprintf (scratch, BENCH_SLICE_MAX,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %llu\r\n\r\n",
                       (unsigned long long) conn->size);
  size_t total = (size_t) head;

  conn->state = SENDING_BODY;
  conn->body_sent = 0;
  /* A small answer goes out in one piece with its head. */
  if (conn->size <= BENCH_SLICE_MAX) {
    bench_body_fill (scratch + head, conn->size, 0, (size_t) conn->size);
    conn->body_sent = conn->size;
    total += (size_t) conn->size;
  }
  conn_send (conn, scratch, total);
  body_turn (conn);
}

static void
send_closed (Conn *conn)
{
  static char text[BENCH_SLICE_MAX];
  size_t at = 0;
  size_t told = 0;

  for (; told < n_closed && at + 64 < sizeof (text); told++) {
    at += (size_t) snprintf (text + at, 64, "%u %llu\n", closed[told].id, (unsigned long long) closed[told].at_ns);
  }
  n_closed -= told;
  memmove (closed, closed + told, n_closed * sizeof (closed[0]));
  conn_send_text (conn, "200 OK", text, at);
}

/* --- Requests --- */

static uint64_t
member (const char *text, const char *name, uint64_t otherwise)
{
  const char *at = text != NULL ? strstr (text, name) : NULL;

  return at != NULL ? strtoull (at + strlen (name), NULL, 10) : otherwise;
}

static void
read_parameters (Conn *conn)
{
  const char *bench = strstr (conn->prefix, "\"bench\":{");
  const char *pad = strstr (conn->prefix, "\"pad\":\"");
  uint64_t ms = member (bench, "\"ms\":", 0);

  conn->stream = strstr (conn->prefix, "\"stream\":true") != NULL;
  conn->id = (uint32_t) member (bench, "\"id\":", 0);
  conn->size = member (bench, "\"size\":", 180);
  conn->rate = member (bench, "\"rate\":", 0);
  conn->burst = member (bench, "\"burst\":", 1);
  conn->chunks = member (bench, "\"chunks\":", UINT32_MAX);
  conn->end_ns = ms > 0 ? bench_now_ns () + ms * BENCH_NS_PER_MS : UINT64_MAX;
  conn->seq = 0;
  conn->pad_at = pad != NULL ? (uint64_t) (pad - conn->prefix) + strlen ("\"pad\":\"") : UINT64_MAX;
  conn->pad_good = true;
  if (conn->size < BENCH_EVENT_MIN) {
    conn->size = BENCH_EVENT_MIN;
  }
  if (conn->stream && conn->size > BENCH_SLICE_MAX) {
    conn->size = BENCH_SLICE_MAX;
  }
}

/* @bytes stand at @offset of the body; its last two close the document. */
static void
check_pad (Conn *conn, const char *bytes, uint64_t offset, size_t length)
{
  uint64_t from = offset > conn->pad_at ? offset : conn->pad_at;
  uint64_t to = offset + length < conn->body_length - 2 ? offset + length : conn->body_length - 2;

  if (from < to) {
    const char *pattern = bench_pattern (from - conn->pad_at, (size_t) (to - from));
    conn->pad_good = conn->pad_good && memcmp (bytes + (from - offset), pattern, (size_t) (to - from)) == 0;
  }
}

static void
answer (Conn *conn)
{
  if (!conn->pad_good) {
    conn->state = READING_HEAD;
    conn_send_text (conn, "422 Unprocessable Content", "{}", 2);
  } else if (conn->stream) {
    stream_start (conn);
  } else {
    body_start (conn);
  }
}

static void
take_body (Conn *conn, const char *bytes, size_t length)
{
  uint64_t kept_limit = conn->body_length < PREFIX_BYTES ? conn->body_length : PREFIX_BYTES;
  uint64_t offset = conn->body_seen;

  if (offset < kept_limit) {
    size_t room = (size_t) (kept_limit - offset);
    size_t kept = length < room ? length : room;

    memcpy (conn->prefix + offset, bytes, kept);
    conn->body_seen += kept;
    if (conn->body_seen == kept_limit) {
      conn->prefix[kept_limit] = '\0';
      read_parameters (conn);
      check_pad (conn, conn->prefix, 0, (size_t) kept_limit);
    }
    bytes += kept;
    length -= kept;
    offset += kept;
  }
  if (length > 0) {
    check_pad (conn, bytes, offset, length);
    conn->body_seen += length;
  }
  if (conn->body_seen == conn->body_length) {
    answer (conn);
  }
}

static void
take_head (Conn *conn, const char *head)
{
  const char *length = strcasestr (head, "\r\ncontent-length:");

  if (strncmp (head, "GET /v1/models ", 15) == 0) {
    conn_send_text (conn, "200 OK", MODELS, sizeof (MODELS) - 1);
  } else if (strncmp (head, "GET /bench/closed ", 18) == 0) {
    send_closed (conn);
  } else if (strncmp (head, "POST ", 5) == 0 && length != NULL) {
    conn->state = READING_BODY;
    conn->body_length = strtoull (length + strlen ("\r\ncontent-length:"), NULL, 10);
    conn->body_seen = 0;
    take_body (conn, "", 0);
  } else {
    conn_send_text (conn, "404 Not Found", "{}", 2);
  }
}

/* Takes whole heads and whatever there is of a body out of the input. */
static void
conn_parse (Conn *conn)
{
  size_t at = 0;

  while (at < conn->in_length && conn->left == NULL && (conn->state == READING_HEAD || conn->state == READING_BODY)) {
    if (conn->state == READING_HEAD) {
      char *end = memmem (conn->in + at, conn->in_length - at, "\r\n\r\n", 4);
      if (end == NULL) {
        break;
      }
      end[2] = '\0';
      take_head (conn, conn->in + at);
      at = (size_t) (end + 4 - conn->in);
    } else {
      uint64_t missing = conn->body_length - conn->body_seen;
      size_t length = conn->in_length - at < missing ? conn->in_length - at : (size_t) missing;
      take_body (conn, conn->in + at, length);
      at += length;
    }
  }
  conn->in_length -= at;
  memmove (conn->in, conn->in + at, conn->in_length);
}

/* Returns: false when the connection is gone. */
static bool
conn_read (Conn *conn)
{
  static char block[BENCH_SLICE_MAX];
  bool large = conn->state == READING_BODY && conn->in_length == 0;
  size_t room = large ? sizeof (block) : sizeof (conn->in) - conn->in_length;
  ssize_t n = recv (conn->fd, large ? block : conn->in + conn->in_length, room, 0);

  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    return false;
  }
  if (n > 0 && large) {
    uint64_t missing = conn->body_length - conn->body_seen;
    take_body (conn, block, (uint64_t) n < missing ? (size_t) n : (size_t) missing);
  } else if (n > 0) {
    conn->in_length += (size_t) n;
    conn_parse (conn);
  }
  return true;
}

static void
conn_write (Conn *conn)
{
  if (conn->left != NULL) {
    conn_send_left (conn);
  } else if (conn->state == STREAMING && conn->rate == 0) {
    stream_turn (conn, bench_now_ns ());
  }
  if (conn->left == NULL && conn->state == SENDING_BODY) {
    body_turn (conn);
  }
  if (conn->left == NULL && !(conn->state == STREAMING && conn->rate == 0)) {
    conn_want_out (conn, false);
  }
}

static void
on_conn (Conn *conn, uint32_t events)
{
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 || ((events & EPOLLIN) != 0 && !conn_read (conn))) {
    conn_close (conn);
  } else if ((events & EPOLLOUT) != 0) {
    conn_write (conn);
  }
}

static void
on_accept (int listener)
{
  int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

  while (fd >= 0) {
    Conn *conn = bench_alloc (1, sizeof (*conn));
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = conn };

    conn->fd = fd;
    bench_set_nonblocking (fd);
    (void) epoll_ctl (epoll_fd, EPOLL_CTL_ADD, fd, &event);
    fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  }
}

static void
run (int listener)
{
  struct epoll_event events[EVENTS_PER_TURN];

  while (true) {
    struct timespec wait = { 0 };
    bool bounded = pace_wait (bench_now_ns (), &wait);
    int n = epoll_pwait2 (epoll_fd, events, EVENTS_PER_TURN, bounded ? &wait : NULL, NULL);

    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr == NULL) {
        on_accept (listener);
      } else {
        on_conn (events[i].data.ptr, events[i].events);
      }
    }
    for (Pace *pace = pace_due (bench_now_ns ()); pace != NULL; pace = pace_due (bench_now_ns ())) {
      on_due ((Conn *) pace, bench_now_ns ());
    }
  }
}

int
main (int argc, char **argv)
{
  uint16_t port = argc > 1 ? (uint16_t) bench_number ("port", argv[1]) : 0;
  struct epoll_event event = { .events = EPOLLIN };
  int listener;

  bench_tool_init ();
  listener = bench_listen (&port);
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (epoll_fd < 0 || epoll_ctl (epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0) {
    bench_die ("epoll");
  }
  (void) printf ("listening on %u\n", port);
  (void) fflush (stdout);
  run (listener);
}
