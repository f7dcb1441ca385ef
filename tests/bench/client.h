/* SPDX-License-Identifier: MIT */
/*
 * The load client's options and its modes, each in a file of its own. Each mode prints one JSON object on one line.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REQUEST_MAX 1024

typedef struct {
  uint16_t port;    /* what is measured */
  uint16_t control; /* the fake backend */
  uint64_t count;
  uint64_t total;
  uint64_t rate;
  uint64_t burst;
  uint64_t size;
  uint64_t upload;
  uint64_t ms;
  uint64_t warm_ms;
  uint64_t ramp_ms;
  uint64_t hold_ms;
} Options;

/** client_request: a POST for a stream that ends after @chunks events, or after @ms where @chunks is 0.
 *  Returns: its length */
size_t client_request (char *out, const Options *options, uint32_t id, uint64_t chunks, uint64_t ms);

/** client_request_body: a POST that asks for one body of options->size bytes and carries options->upload bytes of pad;
 *  only the head and the text before the pad are written. */
size_t client_request_body (char *out, const Options *options);

/* --- Modes; each returns the exit status --- */

/** client_streams: many streams at once; latency of every event, loss, order. */
int client_streams (const Options *options);

/** client_requests: answers in one piece over kept-alive connections. */
int client_requests (const Options *options);

/** client_ttfb: one short stream after the other; time to the first byte. */
int client_ttfb (const Options *options);

/** client_cancel: closes each stream at its first byte; time until the backend sees it. */
int client_cancel (const Options *options);

/** client_body: big bodies both ways, one after the other. */
int client_body (const Options *options);

/** client_idle: kept-alive connections that have had one answer each. */
int client_idle (const Options *options);

/** client_links: registered workers without a request; the secret is in WORKER_SECRET. */
int client_links (const Options *options);
