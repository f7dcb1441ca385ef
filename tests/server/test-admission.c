/* SPDX-License-Identifier: MIT */
/* What is read from a request body: server/admission.c. */
#include "admission.h"

static void
check (const char *path, const char *body, const char *model, gboolean streaming)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (body, strlen (body));
  g_auto (MrAdmission) admission = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (mr_admission_check (path, "application/json", bytes, &admission, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (admission.model, ==, model);
  g_assert_cmpint (admission.is_streaming, ==, streaming);
}

static void
check_refused (const char *body, MrErrorCode code, const char *part)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (body, strlen (body));
  g_auto (MrAdmission) admission = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (mr_admission_check ("/v1/chat/completions", NULL, bytes, &admission, &error));
  g_assert_error (error, MR_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_null (admission.model);
}

static void
test_model_and_stream (void)
{
  check ("/v1/chat/completions", "{\"model\":\"a\"}", "a", FALSE);
  check ("/v1/chat/completions", " {\"stream\" : true , \"model\":\"a/b:c\"} ", "a/b:c", TRUE);
  check ("/v1/chat/completions", "{\"mo\\u0064el\":\"\\u00e9\",\"stream\":\"true\"}", "é", FALSE);
  check ("/v1/chat/completions", "{\"model\":\"a\",\"model\":\"b\",\"stream\":true,\"stream\":false}", "b", FALSE);
  check ("/v1/chat/completions", "{\"x\":{\"model\":\"inner\",\"stream\":true},\"model\":\"outer\"}", "outer", FALSE);
  check ("/v1/chat/completions", "{\"model\":\"a\",\"stream\":1}", "a", FALSE);
}

/* Where the model's value is: with its quotes in JSON, without in a form. */
static void
test_model_place (void)
{
  static const struct {
    const char *type;
    const char *body;
    const char *value;
  } cases[] = {
    { "application/json", "{\"model\":\"x\", \"model\" : \"a\\u0062\"}", "\"a\\u0062\"" },
    { "multipart/form-data; boundary=q",
      "--q\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\nwhisper\r\n"
      "--q\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--q--\r\n",
      "whisper-1" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = g_bytes_new_static (cases[i].body, strlen (cases[i].body));
    g_auto (MrAdmission) admission = { 0 };

    g_assert_true (mr_admission_check ("/v1/audio/transcriptions", cases[i].type, bytes, &admission, NULL));
    g_assert_cmpmem (cases[i].body + admission.model_offset, admission.model_length, cases[i].value,
                     strlen (cases[i].value));
  }
}

static void
test_refused (void)
{
  check_refused ("", MR_ERROR_INVALID_JSON, "JSON");
  check_refused ("{\"model\":\"a\"", MR_ERROR_INVALID_JSON, "byte");
  check_refused ("[{\"model\":\"a\"}]", MR_ERROR_INVALID_JSON, "object");
  check_refused ("{\"model\":\"a\"} x", MR_ERROR_INVALID_JSON, "byte");
  check_refused ("{}", MR_ERROR_MISSING_MODEL, "model");
  check_refused ("{\"model\":null}", MR_ERROR_MISSING_MODEL, "model");
  check_refused ("{\"model\":\"\"}", MR_ERROR_MISSING_MODEL, "model");
  check_refused ("{\"model\":7}", MR_ERROR_MISSING_MODEL, "model");
  check_refused ("{\"model\":\"\\ud800\"}", MR_ERROR_MISSING_MODEL, "model");
  check_refused ("{\"model\":\"a\\u0000b\"}", MR_ERROR_MISSING_MODEL, "model");
}

static void
test_api (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("{\"model\":\"a\"}", 13);
  g_auto (MrAdmission) admission = { 0 };

  g_assert_true (mr_admission_check ("/v1/messages/count_tokens", NULL, bytes, &admission, NULL));
  g_assert_cmpint (admission.api, ==, MR_API_ANTHROPIC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/A2/model-and-stream", test_model_and_stream);
  g_test_add_func ("/contract/A5/refused", test_refused);
  g_test_add_func ("/admission/api", test_api);
  g_test_add_func ("/admission/model-place", test_model_place);
  return g_test_run ();
}
