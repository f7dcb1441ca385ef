/* SPDX-License-Identifier: MIT */
/*
 * The worker protocol's messages: each type there and back against its text on the wire, what may be left out, what
 * is refused, and random damage.
 */
#include "message.h"

#include "error.h"
#include "limits.h"

#include <string.h>

#define SEED 20261120u
#define MUTATION_ROUNDS 50000

/* A message as we write it. @required: its members that cannot be left out, after `type`. */
typedef struct {
  MrMessageType type;
  MrMessageSender sender;
  const char *required;
  const char *wire;
} Sample;

static const Sample samples[] = {
  { MR_MESSAGE_REGISTER_ACK, MR_SENDER_SERVER, "worker_id models",
    "{\"type\":\"register_ack\",\"worker_id\":\"w\",\"models\":[]}" },
  { MR_MESSAGE_REGISTER_ACK, MR_SENDER_SERVER, "worker_id models",
    "{\"type\":\"register_ack\",\"worker_id\":\"w1\",\"models\":[\"a/b:c\",\"*\"],\"warnings\":[\"dropped \\\"x\\\"\"],"
    "\"protocol_version\":\"2026-04-bridge-v1\",\"extensions\":[\"request_errors\",\"response_start\"],"
    "\"window_bytes\":1048576}" },
  { MR_MESSAGE_REQUEST, MR_SENDER_SERVER, "request_id model endpoint_path is_streaming body",
    "{\"type\":\"request\",\"request_id\":\"r1\",\"model\":\"m\",\"endpoint_path\":\"/v1/messages?beta=true\","
    "\"is_streaming\":true,\"headers\":{\"accept\":\"*/*\",\"x-a\":\"1, 2\"},\"body\":\"{\\\"model\\\":\\\"m\\\"}\"}" },
  { MR_MESSAGE_REQUEST, MR_SENDER_SERVER, "request_id model endpoint_path is_streaming body",
    "{\"type\":\"request\",\"request_id\":\"r1\",\"model\":\"m\",\"endpoint_path\":\"/"
    "\",\"is_streaming\":false,\"body\":\"\"}" },
  { MR_MESSAGE_REQUEST, MR_SENDER_SERVER, "request_id model endpoint_path is_streaming body_bytes",
    "{\"type\":\"request\",\"request_id\":\"r1\",\"model\":\"m\",\"endpoint_path\":\"/"
    "\",\"is_streaming\":false,\"body_bytes\":0}" },
  { MR_MESSAGE_WINDOW_UPDATE, MR_SENDER_SERVER, "request_id bytes",
    "{\"type\":\"window_update\",\"request_id\":\"r1\",\"bytes\":524288}" },
  { MR_MESSAGE_CANCEL, MR_SENDER_SERVER, "request_id reason",
    "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":\"client_disconnect\"}" },
  { MR_MESSAGE_CANCEL, MR_SENDER_SERVER, "request_id reason",
    "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":\"timeout\"}" },
  { MR_MESSAGE_CANCEL, MR_SENDER_SERVER, "request_id reason",
    "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":\"graceful_shutdown\"}" },
  { MR_MESSAGE_CANCEL, MR_SENDER_SERVER, "request_id reason",
    "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":\"worker_disconnect\"}" },
  { MR_MESSAGE_CANCEL, MR_SENDER_SERVER, "request_id reason",
    "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":\"requeue_exhausted\"}" },
  { MR_MESSAGE_CANCEL, MR_SENDER_SERVER, "request_id reason",
    "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":\"server_shutdown\"}" },
  { MR_MESSAGE_CANCEL, MR_SENDER_SERVER, "request_id reason",
    "{\"type\":\"cancel\",\"request_id\":\"r1\",\"reason\":{\"other\":\"timeout\"}}" },
  { MR_MESSAGE_PING, MR_SENDER_SERVER, "", "{\"type\":\"ping\"}" },
  { MR_MESSAGE_PING, MR_SENDER_SERVER, "", "{\"type\":\"ping\",\"timestamp_unix_ms\":1795209798000}" },
  { MR_MESSAGE_GRACEFUL_SHUTDOWN, MR_SENDER_SERVER, "", "{\"type\":\"graceful_shutdown\"}" },
  { MR_MESSAGE_GRACEFUL_SHUTDOWN, MR_SENDER_SERVER, "",
    "{\"type\":\"graceful_shutdown\",\"reason\":\"any text\",\"drain_timeout_secs\":30}" },
  { MR_MESSAGE_MODELS_REFRESH, MR_SENDER_SERVER, "", "{\"type\":\"models_refresh\"}" },
  { MR_MESSAGE_MODELS_REFRESH, MR_SENDER_SERVER, "", "{\"type\":\"models_refresh\",\"reason\":\"asked\"}" },
  { MR_MESSAGE_REGISTER, MR_SENDER_WORKER, "worker_name models max_concurrent",
    "{\"type\":\"register\",\"worker_name\":\"gpu-1\",\"models\":[\"m\"],\"max_concurrent\":0}" },
  { MR_MESSAGE_REGISTER, MR_SENDER_WORKER, "worker_name models max_concurrent",
    "{\"type\":\"register\",\"worker_name\":\"na\xc3\xafve\",\"models\":[],\"max_concurrent\":9223372036854775807,"
    "\"current_load\":0,\"protocol_version\":\"2026-04-bridge-v1\",\"extensions\":[\"x\"]}" },
  { MR_MESSAGE_MODELS_UPDATE, MR_SENDER_WORKER, "models current_load",
    "{\"type\":\"models_update\",\"models\":[\"a\",\"b\"],\"current_load\":2}" },
  { MR_MESSAGE_RESPONSE_START, MR_SENDER_WORKER, "request_id status_code",
    "{\"type\":\"response_start\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"set-cookie\":\"a=1\",\"set-"
    "cookie\":\"b=2\"}}" },
  { MR_MESSAGE_RESPONSE_START, MR_SENDER_WORKER, "request_id status_code",
    "{\"type\":\"response_start\",\"request_id\":\"r\",\"status_code\":599}" },
  { MR_MESSAGE_RESPONSE_CHUNK, MR_SENDER_WORKER, "request_id chunk",
    "{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"data: {\\\"t\\\":\\\"\xe2\x82\xac\\\"}\\n\\n\"}" },
  { MR_MESSAGE_RESPONSE_CHUNK, MR_SENDER_WORKER, "request_id chunk",
    "{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"plain\"}" },
  { MR_MESSAGE_RESPONSE_CHUNK, MR_SENDER_WORKER, "request_id chunk",
    "{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"nul \\u0000 in it\"}" },
  { MR_MESSAGE_RESPONSE_COMPLETE, MR_SENDER_WORKER, "request_id status_code",
    "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":100}" },
  { MR_MESSAGE_RESPONSE_COMPLETE, MR_SENDER_WORKER, "request_id status_code",
    "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"content-type\":\"text/"
    "plain\"},"
    "\"body\":\"\",\"token_counts\":{\"prompt_tokens\":0,\"completion_tokens\":2,\"total_tokens\":9007199254740993}}" },
  { MR_MESSAGE_RESPONSE_COMPLETE, MR_SENDER_WORKER, "request_id status_code",
    "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":499,\"token_counts\":{\"completion_tokens\":"
    "2}}" },
  { MR_MESSAGE_RESPONSE_COMPLETE, MR_SENDER_WORKER, "request_id status_code",
    "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"body_bytes\":7}" },
  { MR_MESSAGE_WINDOW_UPDATE, MR_SENDER_WORKER, "request_id bytes",
    "{\"type\":\"window_update\",\"request_id\":\"r1\",\"bytes\":1}" },
  { MR_MESSAGE_PONG, MR_SENDER_WORKER, "current_load", "{\"type\":\"pong\",\"current_load\":1}" },
  { MR_MESSAGE_PONG, MR_SENDER_WORKER, "current_load",
    "{\"type\":\"pong\",\"current_load\":0,\"timestamp_unix_ms\":5}" },
  { MR_MESSAGE_ERROR, MR_SENDER_WORKER, "code message", "{\"type\":\"error\",\"code\":\"busy\",\"message\":\"\"}" },
  { MR_MESSAGE_ERROR, MR_SENDER_WORKER, "code message",
    "{\"type\":\"error\",\"request_id\":\"r\",\"code\":\"busy\",\"message\":\"no slot\\tfree\"}" },
};

/* Decodes a copy on the heap without a byte to spare; the message must not outlive @copy. */
static gboolean
decode (const char *text, gsize length, MrMessageSender sender, char **copy, MrMessage *message, GError **error)
{
  *copy = g_memdup2 (text, length);
  return mr_message_decode (*copy, length, sender, message, error);
}

static void
assert_refused (const char *text, gsize length, MrMessageSender sender, const char *expected)
{
  g_autofree char *copy = NULL;
  g_autoptr (GError) error = NULL;
  MrMessage message = { .type = MR_MESSAGE_N_TYPES };

  if (decode (text, length, sender, &copy, &message, &error))
    g_error ("accepted: %s", text);
  g_assert_error (error, MR_ERROR, MR_ERROR_PROTOCOL);
  g_assert_cmpint (message.type, ==, MR_MESSAGE_N_TYPES);
  if (strstr (error->message, expected) == NULL)
    g_error ("%s: '%s' says nothing of '%s'", text, error->message, expected);
}

static void
assert_round_trip (const char *text, gsize length, MrMessageSender sender, const char *expected)
{
  g_autofree char *copy = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) out = g_string_new (NULL);
  g_auto (MrMessage) message = { 0 };

  decode (text, length, sender, &copy, &message, &error);
  g_assert_no_error (error);
  mr_message_encode (&message, out);
  g_assert_cmpstr (out->str, ==, expected);
}

static void
test_round_trips (void)
{
  gboolean seen[MR_MESSAGE_N_TYPES] = { FALSE };

  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++) {
    const Sample *sample = &samples[i];
    g_autofree char *copy = NULL;
    g_auto (MrMessage) message = { 0 };

    assert_round_trip (sample->wire, strlen (sample->wire), sample->sender, sample->wire);
    g_assert_true (decode (sample->wire, strlen (sample->wire), sample->sender, &copy, &message, NULL));
    g_assert_cmpint (message.type, ==, sample->type);
    assert_refused (sample->wire, strlen (sample->wire), !sample->sender, "type");
    seen[sample->type] = TRUE;
  }
  for (guint i = 0; i < MR_MESSAGE_N_TYPES; i++)
    g_assert_true (seen[i]);
}

static void
test_truncated (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++) {
    for (gsize length = 0; length < strlen (samples[i].wire); length++)
      assert_refused (samples[i].wire, length, samples[i].sender, "malformed JSON");
  }
}

typedef enum { LEAVE_OUT, MAKE_NULL, MAKE_WRONG } Change;

/* The text of @sample with one of its members changed. */
static GString *
with_change (const Sample *sample, const char *member, Change change)
{
  GString *out = g_string_new ("{");
  MrJsonValue document, name, value;
  MrJsonIter iter;

  g_assert_true (mr_json_scan (sample->wire, strlen (sample->wire), &document, NULL));
  mr_json_iter_init (&iter, &document);
  while (mr_json_iter_next (&iter, &name, &value)) {
    g_autofree char *key = mr_json_dup_string (&name, NULL);
    gboolean changed = strcmp (key, member) == 0;

    if (changed && change == LEAVE_OUT)
      continue;
    g_string_append_printf (out, "%s\"%s\":", out->len > 1 ? "," : "", key);
    if (changed)
      g_string_append (out, change == MAKE_NULL ? "null" : value.type == MR_JSON_ARRAY ? "{}" : "[]");
    else
      g_string_append_len (out, value.text.data, value.text.length);
  }
  g_string_append_c (out, '}');
  return out;
}

static void
check_member_of (const Sample *sample, const char *member, gboolean required)
{
  g_autoptr (GString) absent = with_change (sample, member, LEAVE_OUT);
  g_autoptr (GString) null = with_change (sample, member, MAKE_NULL);
  g_autoptr (GString) wrong = with_change (sample, member, MAKE_WRONG);

  assert_refused (wrong->str, wrong->len, sample->sender, member);
  if (required) {
    assert_refused (absent->str, absent->len, sample->sender, member);
    assert_refused (null->str, null->len, sample->sender, member);
  } else {
    assert_round_trip (absent->str, absent->len, sample->sender, absent->str);
    assert_round_trip (null->str, null->len, sample->sender, absent->str);
  }
}

static void
test_required_and_optional (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (samples); i++) {
    g_autofree char *list = g_strconcat ("type ", samples[i].required, NULL);
    g_auto (GStrv) required = g_strsplit (list, " ", -1);
    MrJsonValue document, name, value;
    MrJsonIter iter;

    mr_json_scan (samples[i].wire, strlen (samples[i].wire), &document, NULL);
    mr_json_iter_init (&iter, &document);
    while (mr_json_iter_next (&iter, &name, &value)) {
      g_autofree char *member = mr_json_dup_string (&name, NULL);
      check_member_of (&samples[i], member, g_strv_contains ((const char *const *) required, member));
    }
  }
}

static void
test_refused (void)
{
  static const struct {
    MrMessageSender sender;
    const char *text;
    const char *says;
  } cases[] = {
    { MR_SENDER_WORKER, "", "malformed JSON" },
    { MR_SENDER_WORKER, "[]", "malformed JSON" },
    { MR_SENDER_WORKER, "null", "malformed JSON" },
    { MR_SENDER_WORKER, "{}", "without a type" },
    { MR_SENDER_WORKER, "{\"type\":1}", "without a type" },
    { MR_SENDER_WORKER, "{\"type\":\"nonsense\"}", "type" },
    { MR_SENDER_WORKER, "{\"type\":\"Pong\",\"current_load\":1}", "type" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\\u0000\",\"current_load\":1}", "type" },
    { MR_SENDER_WORKER, "{\"type\":\"\\ud800\",\"current_load\":1}", "type" },
    { MR_SENDER_WORKER, "{\"type\":\"\"}", "type" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\",\"current_load\":1}{}", "malformed JSON" },
    { MR_SENDER_WORKER, "\xef\xbb\xbf{\"type\":\"pong\",\"current_load\":1}", "malformed JSON" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\",\"current_load\":-1}", "current_load" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\",\"current_load\":1.0}", "current_load" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\",\"current_load\":1e400}", "current_load" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\",\"current_load\":\"1\"}", "current_load" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\",\"current_load\":9223372036854775808}", "current_load" },
    { MR_SENDER_WORKER, "{\"type\":\"pong\",\"current_load\":1,\"current_load\":null}", "current_load" },
    { MR_SENDER_WORKER, "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":99}", "status_code" },
    { MR_SENDER_WORKER, "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":600}", "status_code" },
    { MR_SENDER_WORKER,
      "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"a\":1}}", "headers" },
    { MR_SENDER_WORKER,
      "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"a\\u0000\":\"b\"}}",
      "headers" },
    { MR_SENDER_WORKER,
      "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"a\":null}}", "headers" },
    { MR_SENDER_WORKER,
      "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"token_counts\":{\"total_tokens\":-1}"
      "}",
      "token_counts" },
    { MR_SENDER_WORKER, "{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"\\ud800\"}", "chunk" },
    { MR_SENDER_WORKER, "{\"type\":\"response_chunk\",\"request_id\":\"a\\u0000b\",\"chunk\":\"\"}", "request_id" },
    { MR_SENDER_WORKER, "{\"type\":\"response_chunk\",\"request_id\":7,\"chunk\":\"\"}", "request_id" },
    { MR_SENDER_WORKER, "{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[\"a\",1],\"max_concurrent\":1}",
      "models" },
    { MR_SENDER_WORKER, "{\"type\":\"register\",\"worker_name\":\"w\",\"models\":[\"a\",null],\"max_concurrent\":1}",
      "models" },
    { MR_SENDER_WORKER, "{\"type\":\"register\",\"worker_name\":\"w\\u0000\",\"models\":[],\"max_concurrent\":1}",
      "worker_name" },
    { MR_SENDER_SERVER, "{\"type\":\"cancel\",\"request_id\":\"r\",\"reason\":\"because\"}", "reason" },
    { MR_SENDER_SERVER, "{\"type\":\"cancel\",\"request_id\":\"r\",\"reason\":{}}", "reason" },
    { MR_SENDER_SERVER, "{\"type\":\"cancel\",\"request_id\":\"r\",\"reason\":{\"other\":1}}", "reason" },
    { MR_SENDER_SERVER,
      "{\"type\":\"request\",\"request_id\":\"r\",\"model\":\"m\",\"endpoint_path\":\"/"
      "\",\"is_streaming\":1,\"body\":\"\"}",
      "is_streaming" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused (cases[i].text, strlen (cases[i].text), cases[i].sender, cases[i].says);
  assert_refused ("{\"type\":\"pong\",\"current_load\":1}\0", 33, MR_SENDER_WORKER, "malformed JSON");
}

static void
test_tolerated (void)
{
  static const char *const cases[][2] = {
    { " {\"new\":[{\"type\":1}],\"current_load\" : 3,\"type\":\"pong\",\"body\":7}\n",
      "{\"type\":\"pong\",\"current_load\":3}" },
    { "{\"type\":\"ping\",\"type\":\"\\u0070ong\",\"current_load\":1,\"current_load\":2}",
      "{\"type\":\"pong\",\"current_load\":2}" },
    { "{\"type\":\"pong\",\"\\u0063urrent_load\":4,\"timestamp_unix_ms\":null}",
      "{\"type\":\"pong\",\"current_load\":4}" },
    { "{\"type\":\"response_start\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"A\":\"1\",\"a\":\"2\"}}",
      "{\"type\":\"response_start\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"a\":\"1, 2\"}}" },
    { "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{},\"token_counts\":{\"x\":"
      "1,\"total_tokens\":null}}",
      "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200}" },
    { "{\"type\":\"register\",\"worker_name\":\"\",\"models\":[\"\"],\"max_concurrent\":4294967296,\"extensions\":[],"
      "\"protocol_version\":\"\"}",
      "{\"type\":\"register\",\"worker_name\":\"\",\"models\":[\"\"],\"max_concurrent\":4294967296}" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_round_trip (cases[i][0], strlen (cases[i][0]), MR_SENDER_WORKER, cases[i][1]);
}

static void
test_absent_fields (void)
{
  static const char text[] = "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":204}";
  g_auto (MrMessage) message = { 0 };

  g_assert_true (mr_message_decode (text, strlen (text), MR_SENDER_WORKER, &message, NULL));
  g_assert_null (message.headers);
  g_assert_null (message.payload.data);
  g_assert_false (mr_usage_is_known (&message.token_counts));
  g_assert_cmpint (message.current_load, ==, -1);
  g_assert_cmpint (message.timestamp_unix_ms, ==, -1);
  g_assert_cmpint (message.drain_timeout_secs, ==, -1);

  mr_message_clear (&message);
  g_assert_null (message.request_id);
}

static void
test_payload_is_borrowed (void)
{
  static const char plain[] = "{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"plain\"}";
  static const char escaped[] = "{\"type\":\"response_chunk\",\"request_id\":\"r\",\"chunk\":\"\\u0000\\n\"}";
  g_auto (MrMessage) borrowed = { 0 }, owned = { 0 };

  g_assert_true (mr_message_decode (plain, strlen (plain), MR_SENDER_WORKER, &borrowed, NULL));
  g_assert_true (borrowed.payload.data > plain && borrowed.payload.data < plain + sizeof plain);
  g_assert_cmpmem (borrowed.payload.data, borrowed.payload.length, "plain", 5);
  g_assert_null (borrowed.unescaped);

  g_assert_true (mr_message_decode (escaped, strlen (escaped), MR_SENDER_WORKER, &owned, NULL));
  g_assert_cmpmem (owned.payload.data, owned.payload.length, "\0\n", 2);
}

static void
test_encode_by_hand (void)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (MrHeaders) headers = mr_headers_new ();
  char *empty[] = { NULL };

  mr_message_encode (
      &(MrMessage){ MR_MESSAGE_INIT (CANCEL), .request_id = "r", .reason = "a\"b", .reason_is_other = TRUE }, out);
  g_assert_cmpstr (out->str, ==, "{\"type\":\"cancel\",\"request_id\":\"r\",\"reason\":{\"other\":\"a\\\"b\"}}");

  g_string_truncate (out, 0);
  mr_message_encode (&(MrMessage){ MR_MESSAGE_INIT (REGISTER_ACK), .worker_id = "w", .warnings = empty }, out);
  g_assert_cmpstr (out->str, ==, "{\"type\":\"register_ack\",\"worker_id\":\"w\",\"models\":[]}");

  g_string_truncate (out, 0);
  mr_message_encode (&(MrMessage){ MR_MESSAGE_INIT (RESPONSE_COMPLETE), .request_id = "r", .status_code = 200,
                                   .headers = headers, .payload = { "", 0 } },
                     out);
  g_assert_cmpstr (out->str, ==,
                   "{\"type\":\"response_complete\",\"request_id\":\"r\",\"status_code\":200,\"body\":\"\"}");

  g_string_truncate (out, 0);
  mr_message_encode (&(MrMessage){ MR_MESSAGE_INIT (REQUEST), .request_id = "r", .model = "m", .endpoint_path = "/",
                                   .payload = { "", 0 } },
                     out);
  g_assert_cmpstr (out->str, ==,
                   "{\"type\":\"request\",\"request_id\":\"r\",\"model\":\"m\",\"endpoint_path\":\"/\","
                   "\"is_streaming\":false,\"body\":\"\"}");
}

static void
check_list_of (guint n_models, gboolean expected)
{
  g_autoptr (GString) text = g_string_new ("{\"type\":\"models_update\",\"current_load\":0,\"models\":[\"\"");
  g_auto (MrMessage) message = { 0 };

  for (guint i = 1; i < n_models; i++)
    g_string_append (text, ",\"\"");
  g_string_append (text, "]}");
  g_assert_cmpint (mr_message_decode (text->str, text->len, MR_SENDER_WORKER, &message, NULL), ==, expected);
}

static void
check_headers_of (guint n_headers, gboolean expected)
{
  g_autoptr (GString) text =
      g_string_new ("{\"type\":\"response_start\",\"request_id\":\"r\",\"status_code\":200,\"headers\":{\"x\":\"\"");
  g_auto (MrMessage) message = { 0 };

  for (guint i = 1; i < n_headers; i++)
    g_string_append_printf (text, ",\"x%u\":\"\"", i);
  g_string_append (text, "}}");
  g_assert_cmpint (mr_message_decode (text->str, text->len, MR_SENDER_WORKER, &message, NULL), ==, expected);
}

static void
test_caps (void)
{
  check_list_of (MR_LIMIT_MESSAGE_LIST, TRUE);
  check_list_of (MR_LIMIT_MESSAGE_LIST + 1, FALSE);
  check_headers_of (MR_LIMIT_MESSAGE_HEADERS, TRUE);
  check_headers_of (MR_LIMIT_MESSAGE_HEADERS + 1, FALSE);
}

static void
test_type_names (void)
{
  g_assert_cmpstr (mr_message_type_name (MR_MESSAGE_RESPONSE_CHUNK), ==, "response_chunk");
  for (guint i = 0; i < MR_MESSAGE_N_TYPES; i++)
    g_assert_nonnull (mr_message_type_name (i));
}

static void
test_extensions (void)
{
  static const char *const names[] = {
    "future_frames", "response_start", "", "request_errors", "response_start", NULL
  };
  g_auto (GStrv) both = mr_extensions_to_strv (MR_EXTENSION_REQUEST_ERRORS | MR_EXTENSION_RESPONSE_START);
  g_auto (GStrv) none = mr_extensions_to_strv (0);

  g_assert_cmpuint (mr_extensions_from_strv (NULL), ==, 0);
  g_assert_cmpuint (mr_extensions_from_strv (names), ==, MR_EXTENSION_REQUEST_ERRORS | MR_EXTENSION_RESPONSE_START);
  g_assert_cmpuint (mr_extensions_from_strv (names + 4), ==, MR_EXTENSION_RESPONSE_START);
  g_assert_cmpuint (mr_extensions_from_strv ((const char *const *) both), ==,
                    MR_EXTENSION_REQUEST_ERRORS | MR_EXTENSION_RESPONSE_START);
  g_assert_cmpuint (g_strv_length (none), ==, 0);
}

/* What damage leaves decodable must also be encodable and stay the same from then on. */
static void
test_mutations (void)
{
  static const char spice[] = "{}[]\",:\\u0123456789truefalsn \0\xc3\xff";
  g_autoptr (GRand) random = g_rand_new_with_seed (SEED);
  guint n_decoded = 0;

  g_test_message ("seed %u", SEED);
  for (guint round = 0; round < MUTATION_ROUNDS; round++) {
    const Sample *sample = &samples[g_rand_int_range (random, 0, G_N_ELEMENTS (samples))];
    g_autoptr (GString) text = g_string_new (sample->wire);
    g_autoptr (GString) out = g_string_new (NULL);
    g_autofree char *copy = NULL;
    g_autoptr (GError) error = NULL;
    g_auto (MrMessage) message = { 0 };

    for (gint32 i = g_rand_int_range (random, 1, 4); i > 0; i--) {
      char byte = spice[g_rand_int_range (random, 0, sizeof spice - 1)];
      gsize at = (gsize) g_rand_int_range (random, 0, text->len);

      if (g_rand_boolean (random))
        text->str[at] = byte;
      else
        g_string_insert_len (text, at, &byte, 1);
    }
    if (decode (text->str, text->len, sample->sender, &copy, &message, &error)) {
      mr_message_encode (&message, out);
      assert_round_trip (out->str, out->len, sample->sender, out->str);
      n_decoded++;
    } else {
      g_assert_error (error, MR_ERROR, MR_ERROR_PROTOCOL);
    }
  }
  g_test_message ("%u of %u decoded", n_decoded, MUTATION_ROUNDS);
  g_assert_cmpuint (n_decoded, >, MUTATION_ROUNDS / 20);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/protocol/message/round-trips", test_round_trips);
  g_test_add_func ("/protocol/message/truncated", test_truncated);
  g_test_add_func ("/protocol/message/required-and-optional", test_required_and_optional);
  g_test_add_func ("/contract/F4/refused", test_refused);
  g_test_add_func ("/protocol/message/tolerated", test_tolerated);
  g_test_add_func ("/protocol/message/absent-fields", test_absent_fields);
  g_test_add_func ("/protocol/message/payload-is-borrowed", test_payload_is_borrowed);
  g_test_add_func ("/protocol/message/encode-by-hand", test_encode_by_hand);
  g_test_add_func ("/protocol/message/caps", test_caps);
  g_test_add_func ("/protocol/message/type-names", test_type_names);
  g_test_add_func ("/protocol/message/extensions", test_extensions);
  g_test_add_func ("/contract/F4/random-damage", test_mutations);
  return g_test_run ();
}
