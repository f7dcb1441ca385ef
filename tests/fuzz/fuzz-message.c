/* SPDX-License-Identifier: MIT */
/*
 * Messages of the worker protocol from either side: what was decoded and is encoded again decodes to the same, and
 * encodes to the same text.
 */
#include "error.h"
#include "fuzz.h"
#include "message.h"

#include <string.h>

/* Optional text that is empty is not sent. */
static gboolean
same_text (const char *a, const char *b)
{
  return g_strcmp0 (a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static gboolean
same_list (char **a, char **b)
{
  static char *none[] = { NULL };

  return g_strv_equal ((const char *const *) (a != NULL ? a : none), (const char *const *) (b != NULL ? b : none));
}

static gboolean
same_headers (const MrHeaders *a, const MrHeaders *b)
{
  guint n = a != NULL ? mr_headers_length (a) : 0;

  if (n != (b != NULL ? mr_headers_length (b) : 0))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const MrHeader *one = mr_headers_index (a, i);
    const MrHeader *other = mr_headers_index (b, i);

    if (!g_str_equal (one->name, other->name) || !g_str_equal (one->value, other->value))
      return FALSE;
  }
  return TRUE;
}

static gboolean
same_span (const MrSpan *a, const MrSpan *b)
{
  return (a->data == NULL) == (b->data == NULL) && a->length == b->length &&
         (a->length == 0 || memcmp (a->data, b->data, a->length) == 0);
}

static void
check_same (const MrMessage *a, const MrMessage *b)
{
  g_assert (a->type == b->type);
  g_assert (same_text (a->request_id, b->request_id) && same_text (a->worker_id, b->worker_id));
  g_assert (same_text (a->worker_name, b->worker_name) && same_text (a->model, b->model));
  g_assert (same_text (a->endpoint_path, b->endpoint_path) && same_text (a->protocol_version, b->protocol_version));
  g_assert (same_text (a->reason, b->reason) && a->reason_is_other == b->reason_is_other);
  g_assert (same_text (a->code, b->code) && same_text (a->text, b->text));
  g_assert (same_list (a->models, b->models) && same_list (a->warnings, b->warnings));
  g_assert (same_list (a->extensions, b->extensions));
  g_assert (same_headers (a->headers, b->headers));
  g_assert (same_span (&a->payload, &b->payload));
  g_assert (a->is_streaming == b->is_streaming);
  g_assert (a->max_concurrent == b->max_concurrent && a->current_load == b->current_load);
  g_assert (a->status_code == b->status_code && a->timestamp_unix_ms == b->timestamp_unix_ms);
  g_assert (a->drain_timeout_secs == b->drain_timeout_secs);
  g_assert (a->body_bytes == b->body_bytes && a->bytes == b->bytes && a->window_bytes == b->window_bytes);
  g_assert (memcmp (&a->token_counts, &b->token_counts, sizeof a->token_counts) == 0);
}

static void
check_sender (const char *text, gsize length, MrMessageSender sender)
{
  g_autoptr (GString) encoded = g_string_new (NULL);
  g_autoptr (GString) encoded_again = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (MrMessage) message = { MR_MESSAGE_INIT (PING) };
  g_auto (MrMessage) again = { MR_MESSAGE_INIT (PING) };

  if (!mr_message_decode (text, length, sender, &message, &error)) {
    g_assert (error != NULL && error->domain == MR_ERROR && error->code == MR_ERROR_PROTOCOL);
    g_assert (g_utf8_validate (error->message, -1, NULL));
    g_assert (message.type == MR_MESSAGE_PING && message.request_id == NULL && message.unescaped == NULL);
    return;
  }
  g_assert (error == NULL && mr_message_type_name (message.type) != NULL);
  mr_message_encode (&message, encoded);
  g_assert (mr_message_decode (encoded->str, encoded->len, sender, &again, NULL));
  check_same (&message, &again);
  mr_message_encode (&again, encoded_again);
  g_assert (g_string_equal (encoded, encoded_again));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  check_sender ((const char *) data, length, MR_SENDER_SERVER);
  check_sender ((const char *) data, length, MR_SENDER_WORKER);
  return 0;
}
