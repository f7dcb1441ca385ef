/* SPDX-License-Identifier: MIT */
/*
 * The shapes of the generating APIs, pure: each reads its request into an answer and writes the answer whole or as
 * Server-Sent Events. stream.c decides when which part is written.
 */
#pragma once

#include "answer.h"

/**
 * MrDemoApi:
 * @read: reads what is this API's own; %FALSE with %MR_ERROR_INVALID_REQUEST
 * @write_whole: the body of an answer that is not streamed
 * @write_begin: the events before the first piece
 * @write_piece: the event of piece @i
 * @write_end: the events after the last piece
 */
typedef struct {
  const char *path;
  gboolean (*read) (MrDemoAnswer *answer, JsonObject *request, GError **error);
  void (*write_whole) (const MrDemoAnswer *answer, GString *out);
  void (*write_begin) (const MrDemoAnswer *answer, GString *out);
  void (*write_piece) (const MrDemoAnswer *answer, guint i, GString *out);
  void (*write_end) (const MrDemoAnswer *answer, GString *out);
} MrDemoApi;

extern const MrDemoApi mr_demo_chat;
extern const MrDemoApi mr_demo_completions;
extern const MrDemoApi mr_demo_responses;
extern const MrDemoApi mr_demo_messages;
