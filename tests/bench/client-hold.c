/* SPDX-License-Identifier: MIT */
/*
 * Modes that hold connections which do nothing: `idle` for clients, `links` for workers. What they cost is memory.
 */
#include "bench-tool.h"
#include "client.h"
#include "process-sample.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_SEC 10
#define ANSWER_MAX 4096
#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* Reads until the answer holds @text. */
static bool
await (int fd, const char *text)
{
  char answer[ANSWER_MAX + 1];
  size_t length = 0;

  while (length < ANSWER_MAX) {
    ssize_t n = recv (fd, answer + length, ANSWER_MAX - length, 0);

    if (n <= 0) {
      return false;
    }
    length += (size_t) n;
    if (memmem (answer, length, text, strlen (text)) != NULL) {
      return true;
    }
  }
  return false;
}

static bool
open_idle (int fd, uint64_t number)
{
  static const char request[] = "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

  (void) number;
  return bench_send_all (fd, request, sizeof (request) - 1) && await (fd, "\"bench\"");
}

/* A text frame (RFC 6455) whose mask is zero, which leaves the text as it is. */
static bool
send_frame (int fd, const char *text)
{
  size_t length = strlen (text);
  char frame[256 + 8] = { (char) 0x81, (char) (0x80 | 126), (char) (length >> 8), (char) (length & 0xff) };

  memcpy (frame + 8, text, length);
  return bench_send_all (fd, frame, 8 + length);
}

static bool
open_link (int fd, uint64_t number)
{
  const char *secret = getenv ("WORKER_SECRET");
  char text[512];

  (void) snprintf (text, sizeof (text),
                   "GET /v1/worker/connect?provider=local HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
                   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WEBSOCKET_KEY "\r\n"
                   "X-Worker-Secret: %s\r\n\r\n",
                   secret != NULL ? secret : "");
  if (!bench_send_all (fd, text, strlen (text)) || !await (fd, "\r\n\r\n")) {
    return false;
  }
  (void) snprintf (
      text, 256,
      "{\"type\":\"register\",\"worker_name\":\"bench-%llu\",\"models\":[\"bench-idle\"],\"max_concurrent\":1,"
      "\"protocol_version\":\"2026-04-bridge-v1\",\"extensions\":[\"request_errors\",\"response_start\"]}",
      (unsigned long long) number);
  return send_frame (fd, text) && await (fd, "register_ack");
}

static int
hold (const Options *options, const char *mode, bool (*open_one) (int fd, uint64_t number))
{
  struct timespec wait = { .tv_sec = (time_t) (options->hold_ms / 1000),
                           .tv_nsec = (long) (options->hold_ms % 1000) * (long) BENCH_NS_PER_MS };
  struct timeval timeout = { .tv_sec = TIMEOUT_SEC };
  uint64_t errors = 0;

  process_baseline ();
  process_begin ();
  for (uint64_t i = 0; i < options->count; i++) {
    int fd = bench_connect (options->port);

    if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof (timeout)) != 0 || !open_one (fd, i)) {
      errors++;
    }
  }
  process_end ();
  (void) printf ("{\"mode\":\"%s\",\"held\":%llu,\"errors\":%llu", mode, (unsigned long long) (options->count - errors),
                 (unsigned long long) errors);
  process_print (stdout);
  (void) printf ("}\n");
  (void) fflush (stdout);
  (void) nanosleep (&wait, NULL);
  return errors > 0;
}

int
client_idle (const Options *options)
{
  return hold (options, "idle", open_idle);
}

int
client_links (const Options *options)
{
  return hold (options, "links", open_link);
}
