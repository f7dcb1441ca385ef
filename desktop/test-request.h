/* SPDX-License-Identifier: MIT */
/*
 * One short chat request to a relay, as any client of it would send it: shows that an answer comes all the way from the
 * model server of this machine. Prompt and answer are not kept or logged.
 *
 *   POST <relay>/v1/chat/completions {"model", "messages", "stream": true}  ->  text, text, ... [DONE]
 */
#pragma once

#include <gio/gio.h>

/** MrTestRequest: what to ask. Borrowed; copied by the call. */
typedef struct {
  const char *relay_url;
  const char *ca_file;        /* (nullable): or empty: the system's certificates */
  const char *api_key;        /* (nullable): or empty: none */
  const char *model;          /* one of @offered */
  const char *const *offered; /* the models that this machine offers */
} MrTestRequest;

/** MrTestAnswer: how it went. */
typedef struct {
  gint64 first_text_ms;     /* from the request to the first text */
  gint64 total_ms;          /* from the request to the end */
  gint64 completion_tokens; /* as the model server counted; -1 when it did not say */
  char *worker_name;        /* (nullable): of the machine that answered, where the relay tells */
} MrTestAnswer;

void mr_test_answer_free (MrTestAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrTestAnswer, mr_test_answer_free)

/** MrTestRequestText: the next piece of the answer (UTF-8). Never after the end of the request. */
typedef void (*MrTestRequestText) (const char *text, gpointer user_data);

/**
 * mr_test_request_async:
 * @on_text: is called with @user_data as text comes
 *
 * Gives up after a minute of silence.
 */
void mr_test_request_async (const MrTestRequest *request, MrTestRequestText on_text, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);

/**
 * mr_test_request_finish:
 *
 * Returns: (transfer full): %NULL with an error whose message is a sentence: the relay's own where it has one.
 * %G_IO_ERROR_PERMISSION_DENIED when the relay asks for an API key (or for another one), %G_IO_ERROR_CANCELLED when
 * cancelled.
 */
MrTestAnswer *mr_test_request_finish (GAsyncResult *result, GError **error);
