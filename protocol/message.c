/* SPDX-License-Identifier: MIT */
/*
 * The messages of the worker protocol as tables: a row for each member that can stand in a message, and for each
 * type the members that it must and may have. Encode, decode and clear walk these tables. What the messages
 * cause is the business of the two programs.
 *
 *   server                                worker
 *     |  <---------------- register         |
 *     |  register_ack ---------------->     |
 *     |  request --------------------->     |
 *     |  <---------------- response_start   |   extension
 *     |  <---------------- response_chunk   |   any number
 *     |  <------------- response_complete   |   or error (extension); cancel may cross it
 */
#include "message.h"

#include "error.h"
#include "limits.h"

#include <string.h>

/* `reason` stands here twice, because in a cancel it is written in its own way. The order is that on the wire. */
typedef enum {
  MEMBER_TYPE,
  MEMBER_REQUEST_ID,
  MEMBER_WORKER_ID,
  MEMBER_WORKER_NAME,
  MEMBER_MODEL,
  MEMBER_MODELS,
  MEMBER_WARNINGS,
  MEMBER_ENDPOINT_PATH,
  MEMBER_IS_STREAMING,
  MEMBER_STATUS_CODE,
  MEMBER_HEADERS,
  MEMBER_BODY,
  MEMBER_BODY_BYTES,
  MEMBER_CHUNK,
  MEMBER_TOKEN_COUNTS,
  MEMBER_CANCEL_REASON,
  MEMBER_REASON,
  MEMBER_DRAIN_TIMEOUT_SECS,
  MEMBER_MAX_CONCURRENT,
  MEMBER_CURRENT_LOAD,
  MEMBER_TIMESTAMP_UNIX_MS,
  MEMBER_CODE,
  MEMBER_MESSAGE,
  MEMBER_PROTOCOL_VERSION,
  MEMBER_VERSION,
  MEMBER_EXTENSIONS,
  MEMBER_BYTES,
  MEMBER_WINDOW_BYTES,
  N_MEMBERS
} Member;

typedef enum {
  KIND_TAG, /* the type itself; written and read apart */
  KIND_STRING,
  KIND_ID, /* a string of at most MR_LIMIT_REQUEST_ID_BYTES */
  KIND_STRV,
  KIND_BOOL,
  KIND_COUNT,  /* gint64, not negative; -1 when absent */
  KIND_STATUS, /* gint64, 100 to 599 */
  KIND_HEADERS,
  KIND_PAYLOAD,
  KIND_USAGE,
  KIND_CANCEL_REASON,
} Kind;

typedef struct {
  const char *name;
  Kind kind;
  gsize offset;
} Field;

#define OFFSET(member) G_STRUCT_OFFSET (MrMessage, member)

static const Field fields[N_MEMBERS] = {
  [MEMBER_TYPE] = { "type", KIND_TAG, OFFSET (type) },
  [MEMBER_REQUEST_ID] = { "request_id", KIND_ID, OFFSET (request_id) },
  [MEMBER_WORKER_ID] = { "worker_id", KIND_STRING, OFFSET (worker_id) },
  [MEMBER_WORKER_NAME] = { "worker_name", KIND_STRING, OFFSET (worker_name) },
  [MEMBER_MODEL] = { "model", KIND_STRING, OFFSET (model) },
  [MEMBER_MODELS] = { "models", KIND_STRV, OFFSET (models) },
  [MEMBER_WARNINGS] = { "warnings", KIND_STRV, OFFSET (warnings) },
  [MEMBER_ENDPOINT_PATH] = { "endpoint_path", KIND_STRING, OFFSET (endpoint_path) },
  [MEMBER_IS_STREAMING] = { "is_streaming", KIND_BOOL, OFFSET (is_streaming) },
  [MEMBER_STATUS_CODE] = { "status_code", KIND_STATUS, OFFSET (status_code) },
  [MEMBER_HEADERS] = { "headers", KIND_HEADERS, OFFSET (headers) },
  [MEMBER_BODY] = { "body", KIND_PAYLOAD, OFFSET (payload) },
  [MEMBER_BODY_BYTES] = { "body_bytes", KIND_COUNT, OFFSET (body_bytes) },
  [MEMBER_CHUNK] = { "chunk", KIND_PAYLOAD, OFFSET (payload) },
  [MEMBER_TOKEN_COUNTS] = { "token_counts", KIND_USAGE, OFFSET (token_counts) },
  [MEMBER_CANCEL_REASON] = { "reason", KIND_CANCEL_REASON, OFFSET (reason) },
  [MEMBER_REASON] = { "reason", KIND_STRING, OFFSET (reason) },
  [MEMBER_DRAIN_TIMEOUT_SECS] = { "drain_timeout_secs", KIND_COUNT, OFFSET (drain_timeout_secs) },
  [MEMBER_MAX_CONCURRENT] = { "max_concurrent", KIND_COUNT, OFFSET (max_concurrent) },
  [MEMBER_CURRENT_LOAD] = { "current_load", KIND_COUNT, OFFSET (current_load) },
  [MEMBER_TIMESTAMP_UNIX_MS] = { "timestamp_unix_ms", KIND_COUNT, OFFSET (timestamp_unix_ms) },
  [MEMBER_CODE] = { "code", KIND_STRING, OFFSET (code) },
  [MEMBER_MESSAGE] = { "message", KIND_STRING, OFFSET (text) },
  [MEMBER_PROTOCOL_VERSION] = { "protocol_version", KIND_STRING, OFFSET (protocol_version) },
  [MEMBER_VERSION] = { "version", KIND_STRING, OFFSET (version) },
  [MEMBER_EXTENSIONS] = { "extensions", KIND_STRV, OFFSET (extensions) },
  [MEMBER_BYTES] = { "bytes", KIND_COUNT, OFFSET (bytes) },
  [MEMBER_WINDOW_BYTES] = { "window_bytes", KIND_COUNT, OFFSET (window_bytes) },
};

#define BIT(member) (1u << MEMBER_##member)

/* Sets of members, as bits. */
typedef struct {
  const char *name;
  guint senders; /* set of MrMessageSender */
  guint32 required;
  guint32 optional;
} TypeInfo;

static const TypeInfo types[MR_MESSAGE_N_TYPES] = {
  [MR_MESSAGE_REGISTER_ACK] = { "register_ack", MR_SENDER_SERVER, BIT (WORKER_ID) | BIT (MODELS),
                                BIT (WARNINGS) | BIT (PROTOCOL_VERSION) | BIT (EXTENSIONS) | BIT (WINDOW_BYTES) },
  [MR_MESSAGE_REQUEST] = { "request", MR_SENDER_SERVER,
                           BIT (REQUEST_ID) | BIT (MODEL) | BIT (ENDPOINT_PATH) | BIT (IS_STREAMING),
                           BIT (HEADERS) | BIT (BODY) | BIT (BODY_BYTES) },
  [MR_MESSAGE_CANCEL] = { "cancel", MR_SENDER_SERVER, BIT (REQUEST_ID) | BIT (CANCEL_REASON), 0 },
  [MR_MESSAGE_PING] = { "ping", MR_SENDER_SERVER, 0, BIT (TIMESTAMP_UNIX_MS) },
  [MR_MESSAGE_GRACEFUL_SHUTDOWN] = { "graceful_shutdown", MR_SENDER_SERVER, 0,
                                     BIT (REASON) | BIT (DRAIN_TIMEOUT_SECS) },
  [MR_MESSAGE_MODELS_REFRESH] = { "models_refresh", MR_SENDER_SERVER, 0, BIT (REASON) },
  [MR_MESSAGE_REGISTER] = { "register", MR_SENDER_WORKER, BIT (WORKER_NAME) | BIT (MODELS) | BIT (MAX_CONCURRENT),
                            BIT (PROTOCOL_VERSION) | BIT (VERSION) | BIT (CURRENT_LOAD) | BIT (EXTENSIONS) },
  [MR_MESSAGE_MODELS_UPDATE] = { "models_update", MR_SENDER_WORKER, BIT (MODELS) | BIT (CURRENT_LOAD), 0 },
  [MR_MESSAGE_RESPONSE_START] = { "response_start", MR_SENDER_WORKER, BIT (REQUEST_ID) | BIT (STATUS_CODE),
                                  BIT (HEADERS) },
  [MR_MESSAGE_RESPONSE_CHUNK] = { "response_chunk", MR_SENDER_WORKER, BIT (REQUEST_ID) | BIT (CHUNK), 0 },
  [MR_MESSAGE_RESPONSE_COMPLETE] = { "response_complete", MR_SENDER_WORKER, BIT (REQUEST_ID) | BIT (STATUS_CODE),
                                     BIT (HEADERS) | BIT (BODY) | BIT (BODY_BYTES) | BIT (TOKEN_COUNTS) },
  [MR_MESSAGE_PONG] = { "pong", MR_SENDER_WORKER, BIT (CURRENT_LOAD), BIT (TIMESTAMP_UNIX_MS) },
  [MR_MESSAGE_ERROR] = { "error", MR_SENDER_WORKER, BIT (CODE) | BIT (MESSAGE), BIT (REQUEST_ID) },
  [MR_MESSAGE_WINDOW_UPDATE] = { "window_update", MR_SENDER_SERVER | MR_SENDER_WORKER, BIT (REQUEST_ID) | BIT (BYTES),
                                 0 },
};

static const char *const cancel_reasons[] = {
  "client_disconnect", "timeout", "graceful_shutdown", "worker_disconnect", "requeue_exhausted",
  "server_shutdown",   NULL,
};

static const struct {
  const char *name;
  gsize offset;
} token_counts[] = {
  { "prompt_tokens", G_STRUCT_OFFSET (MrUsage, prompt_tokens) },
  { "completion_tokens", G_STRUCT_OFFSET (MrUsage, completion_tokens) },
  { "total_tokens", G_STRUCT_OFFSET (MrUsage, total_tokens) },
};

const char *
mr_message_type_name (MrMessageType type)
{
  g_return_val_if_fail (type < MR_MESSAGE_N_TYPES, NULL);

  return types[type].name;
}

void
mr_message_clear (MrMessage *message)
{
  guint32 members = types[message->type].required | types[message->type].optional;

  for (guint i = 0; i < N_MEMBERS; i++) {
    gpointer field = G_STRUCT_MEMBER_P (message, fields[i].offset);

    if ((members & (1u << i)) == 0)
      continue;
    if (fields[i].kind == KIND_STRING || fields[i].kind == KIND_ID || fields[i].kind == KIND_CANCEL_REASON)
      g_free (*(char **) field);
    else if (fields[i].kind == KIND_STRV)
      g_strfreev (*(char ***) field);
    else if (fields[i].kind == KIND_HEADERS)
      mr_headers_free (*(MrHeaders **) field);
  }
  if (message->unescaped != NULL)
    g_string_free (message->unescaped, TRUE);
  memset (message, 0, sizeof *message);
}

/* --- Encoding --- */

static void
append_int (GString *out, gint64 number)
{
  char text[24];

  g_string_append_len (out, text, g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, number));
}

static void
append_strv (GString *out, char *const *strings)
{
  g_string_append_c (out, '[');
  for (guint i = 0; strings != NULL && strings[i] != NULL; i++) {
    if (i > 0)
      g_string_append_c (out, ',');
    mr_json_append_cstring (out, strings[i]);
  }
  g_string_append_c (out, ']');
}

static void
append_headers (GString *out, const MrHeaders *headers)
{
  g_string_append_c (out, '{');
  for (guint i = 0; i < mr_headers_length (headers); i++) {
    const MrHeader *header = mr_headers_index (headers, i);

    if (i > 0)
      g_string_append_c (out, ',');
    mr_json_append_cstring (out, header->name);
    g_string_append_c (out, ':');
    mr_json_append_cstring (out, header->value);
  }
  g_string_append_c (out, '}');
}

static void
append_usage (GString *out, const MrUsage *usage)
{
  char separator = '{';

  for (gsize i = 0; i < G_N_ELEMENTS (token_counts); i++) {
    gint64 count = G_STRUCT_MEMBER (gint64, usage, token_counts[i].offset);

    if (count < 0)
      continue;
    g_string_append_printf (out, "%c\"%s\":%" G_GINT64_FORMAT, separator, token_counts[i].name, count);
    separator = ',';
  }
  g_string_append_c (out, '}');
}

/* A text that is none of the protocol's words goes as the other kind. */
static void
append_cancel_reason (GString *out, const MrMessage *message)
{
  gboolean is_other = message->reason_is_other || !g_strv_contains (cancel_reasons, message->reason);

  if (is_other)
    g_string_append (out, "{\"other\":");
  mr_json_append_cstring (out, message->reason);
  if (is_other)
    g_string_append_c (out, '}');
}

static gboolean
is_absent (const Field *field, const MrMessage *message)
{
  gconstpointer at = G_STRUCT_MEMBER_P (message, field->offset);

  switch (field->kind) {
  case KIND_STRING:
  case KIND_ID:
    return *(char *const *) at == NULL || **(char *const *) at == '\0';
  case KIND_STRV:
    return *(char **const *) at == NULL || **(char **const *) at == NULL;
  case KIND_COUNT:
    return *(const gint64 *) at < 0;
  case KIND_HEADERS:
    return *(MrHeaders *const *) at == NULL || mr_headers_length (*(MrHeaders *const *) at) == 0;
  case KIND_PAYLOAD:
    return ((const MrSpan *) at)->data == NULL;
  case KIND_USAGE:
    return !mr_usage_is_known (at);
  default:
    return FALSE;
  }
}

static void
append_field (GString *out, const Field *field, const MrMessage *message)
{
  gconstpointer at = G_STRUCT_MEMBER_P (message, field->offset);
  const MrSpan *span = at;

  switch (field->kind) {
  case KIND_TAG:
    break;
  case KIND_STRING:
  case KIND_ID:
    mr_json_append_cstring (out, *(char *const *) at);
    break;
  case KIND_STRV:
    append_strv (out, *(char **const *) at);
    break;
  case KIND_BOOL:
    g_string_append (out, *(const gboolean *) at ? "true" : "false");
    break;
  case KIND_COUNT:
  case KIND_STATUS:
    append_int (out, *(const gint64 *) at);
    break;
  case KIND_HEADERS:
    append_headers (out, *(MrHeaders *const *) at);
    break;
  case KIND_PAYLOAD:
    mr_json_append_string (out, span->data, span->length);
    break;
  case KIND_USAGE:
    append_usage (out, at);
    break;
  case KIND_CANCEL_REASON:
    append_cancel_reason (out, message);
    break;
  }
}

void
mr_message_encode (const MrMessage *message, GString *out)
{
  const TypeInfo *type = &types[message->type];

  g_string_append (out, "{\"type\":\"");
  g_string_append (out, type->name);
  g_string_append_c (out, '"');
  for (guint i = 0; i < N_MEMBERS; i++) {
    guint32 bit = 1u << i;

    if ((type->required & bit) == 0 && ((type->optional & bit) == 0 || is_absent (&fields[i], message)))
      continue;
    g_string_append (out, ",\"");
    g_string_append (out, fields[i].name);
    g_string_append (out, "\":");
    append_field (out, &fields[i], message);
  }
  g_string_append_c (out, '}');
}

/* --- Decoding --- */

static gboolean
wrong (GError **error, const char *what)
{
  g_set_error_literal (error, MR_ERROR, MR_ERROR_JSON, what);
  return FALSE;
}

static gboolean
decode_string (const MrJsonValue *value, char **string, GError **error)
{
  *string = mr_json_dup_string (value, error);
  return *string != NULL;
}

static gboolean
decode_strv (const MrJsonValue *value, char ***strv, GError **error)
{
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  MrJsonIter iter;
  MrJsonValue element;

  if (value->type != MR_JSON_ARRAY)
    return wrong (error, "not an array");
  mr_json_iter_init (&iter, value);
  while (mr_json_iter_next (&iter, NULL, &element)) {
    char *string;

    if (strings->len == MR_LIMIT_MESSAGE_LIST)
      return wrong (error, "too many entries");
    if (!decode_string (&element, &string, error))
      return FALSE;
    g_ptr_array_add (strings, string);
  }
  g_ptr_array_add (strings, NULL);
  *strv = (char **) g_ptr_array_free (g_steal_pointer (&strings), FALSE);
  return TRUE;
}

static gboolean
decode_bool (const MrJsonValue *value, gboolean *boolean, GError **error)
{
  if (value->type != MR_JSON_TRUE && value->type != MR_JSON_FALSE)
    return wrong (error, "not a boolean");
  *boolean = value->type == MR_JSON_TRUE;
  return TRUE;
}

static gboolean
decode_int (const MrJsonValue *value, gint64 min, gint64 max, gint64 *number, GError **error)
{
  gint64 decoded;

  if (!mr_json_get_int (value, &decoded) || decoded < min || decoded > max) {
    g_set_error (error, MR_ERROR, MR_ERROR_JSON, "not an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min,
                 max);
    return FALSE;
  }
  *number = decoded;
  return TRUE;
}

static gboolean
decode_headers (const MrJsonValue *value, MrHeaders **headers, GError **error)
{
  g_autoptr (MrHeaders) decoded = mr_headers_new ();
  MrJsonIter iter;
  MrJsonValue name_value, text_value;
  guint n_fields = 0;

  if (value->type != MR_JSON_OBJECT)
    return wrong (error, "not an object");
  mr_json_iter_init (&iter, value);
  while (mr_json_iter_next (&iter, &name_value, &text_value)) {
    g_autofree char *name = NULL, *text = NULL;

    if (n_fields++ == MR_LIMIT_MESSAGE_HEADERS)
      return wrong (error, "too many fields");
    if (!decode_string (&name_value, &name, error) || !decode_string (&text_value, &text, error))
      return FALSE;
    mr_headers_add (decoded, name, text);
  }
  *headers = g_steal_pointer (&decoded);
  return TRUE;
}

static gboolean
decode_payload (const MrJsonValue *value, MrMessage *message, GError **error)
{
  if (value->type != MR_JSON_STRING)
    return wrong (error, "not a string");
  if (!value->escaped) {
    message->payload = (MrSpan){ value->text.data + 1, value->text.length - 2 };
    return TRUE;
  }
  message->unescaped = g_string_sized_new (value->text.length);
  if (!mr_json_append_unescaped (message->unescaped, value, error))
    return FALSE;
  message->payload = (MrSpan){ message->unescaped->str, message->unescaped->len };
  return TRUE;
}

static gboolean
decode_usage (const MrJsonValue *value, MrUsage *usage, GError **error)
{
  if (value->type != MR_JSON_OBJECT)
    return wrong (error, "not an object");
  for (gsize i = 0; i < G_N_ELEMENTS (token_counts); i++) {
    MrJsonValue count = mr_json_member (value, token_counts[i].name);

    if (count.type != MR_JSON_NONE && count.type != MR_JSON_NULL &&
        !decode_int (&count, 0, G_MAXINT64, G_STRUCT_MEMBER_P (usage, token_counts[i].offset), error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
decode_cancel_reason (const MrJsonValue *value, MrMessage *message, GError **error)
{
  if (value->type == MR_JSON_OBJECT) {
    MrJsonValue other = mr_json_member (value, "other");

    message->reason_is_other = TRUE;
    return decode_string (&other, &message->reason, error);
  }
  if (!decode_string (value, &message->reason, error))
    return FALSE;
  if (!g_strv_contains (cancel_reasons, message->reason))
    return wrong (error, "not a known reason");
  return TRUE;
}

static gboolean
decode_field (const Field *field, const MrJsonValue *value, MrMessage *message, GError **error)
{
  gpointer at = G_STRUCT_MEMBER_P (message, field->offset);

  switch (field->kind) {
  case KIND_STRING:
    return decode_string (value, at, error);
  case KIND_ID:
    if (value->text.length > MR_LIMIT_REQUEST_ID_BYTES)
      return wrong (error, "too long");
    return decode_string (value, at, error);
  case KIND_STRV:
    return decode_strv (value, at, error);
  case KIND_BOOL:
    return decode_bool (value, at, error);
  case KIND_COUNT:
    return decode_int (value, 0, G_MAXINT64, at, error);
  case KIND_STATUS:
    return decode_int (value, 100, 599, at, error);
  case KIND_HEADERS:
    return decode_headers (value, at, error);
  case KIND_PAYLOAD:
    return decode_payload (value, message, error);
  case KIND_USAGE:
    return decode_usage (value, at, error);
  case KIND_CANCEL_REASON:
    return decode_cancel_reason (value, message, error);
  case KIND_TAG:
    break;
  }
  return TRUE;
}

static gboolean
decode_type (const MrJsonValue *value, MrMessageSender sender, MrMessageType *type, GError **error)
{
  if (value->type != MR_JSON_STRING) {
    g_set_error (error, MR_ERROR, MR_ERROR_PROTOCOL, "message without a type");
    return FALSE;
  }

  /* Written with escapes by nobody, so that nothing is allocated as a rule. */
  g_autofree char *unescaped = value->escaped ? mr_json_dup_string (value, NULL) : NULL;
  const char *name = unescaped != NULL ? unescaped : value->text.data + 1;
  gsize length = unescaped != NULL ? strlen (unescaped) : value->text.length - 2;
  for (guint i = 0; i < MR_MESSAGE_N_TYPES; i++) {
    if ((types[i].senders & sender) != 0 && strlen (types[i].name) == length &&
        memcmp (types[i].name, name, length) == 0) {
      *type = i;
      return TRUE;
    }
  }
  g_set_error (error, MR_ERROR, MR_ERROR_PROTOCOL, "message of a type that is not known");
  return FALSE;
}

/* Fills the fields of the message's type. On failure what was filled so far is left for mr_message_clear(). */
static gboolean
decode_fields (const MrJsonValue *values, MrMessage *message, GError **error)
{
  const TypeInfo *type = &types[message->type];

  for (guint i = 0; i < N_MEMBERS; i++) {
    gboolean required = (type->required & (1u << i)) != 0;
    gboolean optional = (type->optional & (1u << i)) != 0;
    g_autoptr (GError) problem = NULL;

    if (required && values[i].type == MR_JSON_NONE) {
      g_set_error (error, MR_ERROR, MR_ERROR_PROTOCOL, "%s without \"%s\"", type->name, fields[i].name);
      return FALSE;
    }
    if (!required && (!optional || values[i].type == MR_JSON_NONE || values[i].type == MR_JSON_NULL))
      continue;
    if (!decode_field (&fields[i], &values[i], message, &problem)) {
      g_set_error (error, MR_ERROR, MR_ERROR_PROTOCOL, "\"%s\" of %s: %s", fields[i].name, type->name,
                   problem->message);
      return FALSE;
    }
  }
  return TRUE;
}

/* A request has its body in itself or in the frames that follow. */
static gboolean
check_body (const MrMessage *message, GError **error)
{
  if ((message->payload.data != NULL && message->body_bytes >= 0) ||
      (message->type == MR_MESSAGE_REQUEST && message->payload.data == NULL && message->body_bytes < 0)) {
    g_set_error (error, MR_ERROR, MR_ERROR_PROTOCOL, "%s needs one of \"body\" and \"body_bytes\"",
                 types[message->type].name);
    return FALSE;
  }
  return TRUE;
}

gboolean
mr_message_decode (const char *text, gsize length, MrMessageSender sender, MrMessage *message, GError **error)
{
  const char *names[N_MEMBERS];
  MrJsonValue values[N_MEMBERS];
  MrMessage decoded = { MR_MESSAGE_INIT (PING) };
  g_autoptr (GError) problem = NULL;

  for (guint i = 0; i < N_MEMBERS; i++)
    names[i] = fields[i].name;
  if (!mr_json_scan_members (text, length, names, values, N_MEMBERS, &problem)) {
    g_set_error (error, MR_ERROR, MR_ERROR_PROTOCOL, "malformed JSON: %s", problem->message);
    return FALSE;
  }
  if (!decode_type (&values[MEMBER_TYPE], sender, &decoded.type, error))
    return FALSE;
  if (!decode_fields (values, &decoded, error) || !check_body (&decoded, error)) {
    mr_message_clear (&decoded);
    return FALSE;
  }
  *message = decoded;
  return TRUE;
}
