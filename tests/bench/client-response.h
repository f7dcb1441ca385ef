/* SPDX-License-Identifier: MIT */
/*
 * Takes an HTTP/1.1 answer apart as it comes: head, Content-Length or chunked body. No sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONSE_HEAD_MAX 2048

typedef enum {
  RESPONSE_HEAD,
  RESPONSE_LENGTH,
  RESPONSE_CHUNK_SIZE,
  RESPONSE_CHUNK_DATA,
  RESPONSE_CHUNK_END,
  RESPONSE_TRAILER,
  RESPONSE_DONE,
  RESPONSE_BROKEN,
} ResponseState;

typedef struct {
  ResponseState state;
  int status;
  bool closes;
  uint64_t left;
  char head[RESPONSE_HEAD_MAX + 1]; /* also one line of chunk framing */
  size_t head_length;
} Response;

typedef void (*ResponseBody) (void *data, const char *bytes, size_t length);

void response_reset (Response *response);

/** response_feed: hands on what is body. Returns: bytes used, less than @length only at the end or when broken. */
size_t response_feed (Response *response, const char *bytes, size_t length, ResponseBody body, void *data);
