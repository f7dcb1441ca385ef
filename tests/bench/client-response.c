/* SPDX-License-Identifier: MIT */
/*
 * The parser of client-response.h.
 */
#include "client-response.h"

#include <stdlib.h>
#include <string.h>

void
response_reset (Response *response)
{
  response->state = RESPONSE_HEAD;
  response->status = 0;
  response->closes = false;
  response->left = 0;
  response->head_length = 0;
}

static void
read_head (Response *response)
{
  const char *head = response->head;
  const char *length = strcasestr (head, "\r\ncontent-length:");

  response->status = strncmp (head, "HTTP/1.1 ", 9) == 0 ? atoi (head + 9) : 0;
  response->closes = strcasestr (head, "\r\nconnection: close") != NULL;
  response->head_length = 0;
  if (response->status == 0) {
    response->state = RESPONSE_BROKEN;
  } else if (strcasestr (head, "\r\ntransfer-encoding: chunked") != NULL) {
    response->state = RESPONSE_CHUNK_SIZE;
  } else if (length != NULL) {
    response->left = strtoull (length + strlen ("\r\ncontent-length:"), NULL, 10);
    response->state = response->left > 0 ? RESPONSE_LENGTH : RESPONSE_DONE;
  } else {
    response->state = response->status == 101 ? RESPONSE_DONE : RESPONSE_BROKEN;
  }
}

/* Takes bytes into the head buffer until it ends with @end. */
static size_t
take_until (Response *response, const char *bytes, size_t length, const char *end, bool *found)
{
  size_t end_length = strlen (end);
  size_t used = 0;

  *found = false;
  while (used < length && !*found && response->head_length < RESPONSE_HEAD_MAX) {
    response->head[response->head_length++] = bytes[used++];
    *found = response->head_length >= end_length &&
             memcmp (response->head + response->head_length - end_length, end, end_length) == 0;
  }
  response->head[response->head_length] = '\0';
  if (!*found && response->head_length == RESPONSE_HEAD_MAX) {
    response->state = RESPONSE_BROKEN;
  }
  return used;
}

static size_t
take_line (Response *response, const char *bytes, size_t length)
{
  bool found;
  size_t used = take_until (response, bytes, length, "\r\n", &found);

  if (!found) {
    return used;
  }
  if (response->state == RESPONSE_CHUNK_SIZE) {
    char *end = NULL;
    response->left = strtoull (response->head, &end, 16);
    response->state = end == response->head ? RESPONSE_BROKEN
                      : response->left > 0  ? RESPONSE_CHUNK_DATA
                                            : RESPONSE_TRAILER;
  } else if (response->head_length != 2) {
    response->state = response->state == RESPONSE_TRAILER ? RESPONSE_TRAILER : RESPONSE_BROKEN;
  } else {
    response->state = response->state == RESPONSE_TRAILER ? RESPONSE_DONE : RESPONSE_CHUNK_SIZE;
  }
  response->head_length = 0;
  return used;
}

static size_t
take_data (Response *response, const char *bytes, size_t length, ResponseBody body, void *data)
{
  size_t used = length < response->left ? length : (size_t) response->left;

  response->left -= used;
  if (response->left == 0) {
    response->state = response->state == RESPONSE_LENGTH ? RESPONSE_DONE : RESPONSE_CHUNK_END;
  }
  body (data, bytes, used);
  return used;
}

size_t
response_feed (Response *response, const char *bytes, size_t length, ResponseBody body, void *data)
{
  size_t used = 0;
  bool found;

  while (used < length && response->state != RESPONSE_DONE && response->state != RESPONSE_BROKEN) {
    if (response->state == RESPONSE_HEAD) {
      used += take_until (response, bytes + used, length - used, "\r\n\r\n", &found);
      if (found) {
        read_head (response);
      }
    } else if (response->state == RESPONSE_LENGTH || response->state == RESPONSE_CHUNK_DATA) {
      used += take_data (response, bytes + used, length - used, body, data);
    } else {
      used += take_line (response, bytes + used, length - used);
    }
  }
  return used;
}
