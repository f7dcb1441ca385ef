/* SPDX-License-Identifier: MIT */
/*
 * bench-client: the load client of scripts/bench. Options and requests; the modes have files of their own. With an API
 * key in BENCH_API_KEY each request carries it.
 */
#include "client.h"

#include "bench-tool.h"
#include "process-sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POST_HEAD                                                                                                      \
  "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s%s%s"                  \
  "Content-Length: %zu\r\n\r\n"

typedef struct {
  const char *name;
  int (*run) (const Options *options);
} Mode;

static const Mode modes[] = {
  { "streams", client_streams }, { "requests", client_requests }, { "ttfb", client_ttfb },
  { "cancel", client_cancel },   { "body", client_body },         { "idle", client_idle },
  { "links", client_links },
};

typedef struct {
  const char *name;
  size_t offset;
} Number;

static const Number numbers[] = {
  { "--count", offsetof (Options, count) },  { "--total", offsetof (Options, total) },
  { "--rate", offsetof (Options, rate) },    { "--burst", offsetof (Options, burst) },
  { "--size", offsetof (Options, size) },    { "--upload", offsetof (Options, upload) },
  { "--ms", offsetof (Options, ms) },        { "--warm", offsetof (Options, warm_ms) },
  { "--ramp", offsetof (Options, ramp_ms) }, { "--hold", offsetof (Options, hold_ms) },
};

static size_t
post (char *out, const char *body, size_t more)
{
  size_t length = strlen (body);
  const char *key = getenv ("BENCH_API_KEY");
  int head = snprintf (out, REQUEST_MAX, POST_HEAD, key != NULL ? "Authorization: Bearer " : "", key != NULL ? key : "",
                       key != NULL ? "\r\n" : "", length + more);

  memcpy (out + head, body, length);
  return (size_t) head + length;
}

size_t
client_request (char *out, const Options *options, uint32_t id, uint64_t chunks, uint64_t ms)
{
  char body[REQUEST_MAX / 2];
  char end[64];

  (void) snprintf (end, sizeof (end), chunks > 0 ? "\"chunks\":%llu" : "\"ms\":%llu",
                   (unsigned long long) (chunks > 0 ? chunks : ms));
  (void) snprintf (
      body, sizeof (body),
      "{\"model\":\"bench\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Say something.\"}],"
      "\"bench\":{\"id\":%u,\"size\":%llu,\"rate\":%llu,\"burst\":%llu,%s}}",
      id, (unsigned long long) options->size, (unsigned long long) options->rate, (unsigned long long) options->burst,
      end);
  return post (out, body, 0);
}

size_t
client_request_body (char *out, const Options *options)
{
  char body[REQUEST_MAX / 2];

  (void) snprintf (body, sizeof (body),
                   "{\"model\":\"bench\",\"stream\":false,\"messages\":[{\"role\":\"user\",\"content\":\"Say "
                   "something.\"}],\"bench\":{\"size\":%llu},\"pad\":\"",
                   (unsigned long long) options->size);
  return post (out, body, (size_t) options->upload + 2);
}

static void
set_number (Options *options, const char *name, const char *value)
{
  for (size_t i = 0; i < sizeof (numbers) / sizeof (numbers[0]); i++) {
    if (strcmp (name, numbers[i].name) == 0) {
      *(uint64_t *) (void *) ((char *) options + numbers[i].offset) = bench_number (name, value);
      return;
    }
  }
  errno = EINVAL;
  bench_die (name);
}

int
main (int argc, char **argv)
{
  Options options = { .count = 1, .total = 1, .burst = 1, .size = 180, .ms = 1000 };

  bench_tool_init ();
  for (int i = 2; i + 1 < argc; i += 2) {
    if (strcmp (argv[i], "--pid") == 0) {
      process_watch (argv[i + 1]);
    } else if (strcmp (argv[i], "--port") == 0) {
      options.port = (uint16_t) bench_number (argv[i], argv[i + 1]);
    } else if (strcmp (argv[i], "--control") == 0) {
      options.control = (uint16_t) bench_number (argv[i], argv[i + 1]);
    } else {
      set_number (&options, argv[i], argv[i + 1]);
    }
  }
  for (size_t i = 0; argc % 2 == 0 && i < sizeof (modes) / sizeof (modes[0]); i++) {
    if (strcmp (argv[1], modes[i].name) == 0) {
      return modes[i].run (&options);
    }
  }
  (void) fputs ("usage: bench-client streams|requests|ttfb|cancel|body|idle|links --port N [--OPTION N]...\n", stderr);
  return 2;
}
