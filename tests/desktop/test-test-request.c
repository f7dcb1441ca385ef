/* SPDX-License-Identifier: MIT */
/*
 * The test request, against a real relay with a real worker, and against scripted answers.
 *   test-test-request RELAY WORKER BACKEND
 */
#include "test-request.h"

#include "relay-stage.h"
#include "scripted-backend.h"

#include <string.h>

static const char *relay_path;
static const char *worker_path;
static const char *backend_path;
static const char *const offered[] = { "demo", NULL };

typedef struct {
  GString *text;
  guint pieces;
  MrTestAnswer *answer;
  GError *error;
  gboolean over;
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_string_free (outcome->text, TRUE);
  mr_test_answer_free (outcome->answer);
  g_clear_error (&outcome->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
on_text (const char *text, gpointer data)
{
  Outcome *outcome = data;
  g_assert_false (outcome->over);
  g_string_append (outcome->text, text);
  outcome->pieces++;
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Outcome *outcome = data;
  outcome->answer = mr_test_request_finish (result, &outcome->error);
  outcome->over = TRUE;
}

static void
begin (Outcome *outcome, const char *url, const char *model, const char *key, GCancellable *cancellable)
{
  const MrTestRequest request = { .relay_url = url, .api_key = key, .model = model, .offered = offered };
  outcome->text = g_string_new (NULL);
  mr_test_request_async (&request, on_text, cancellable, on_done, outcome);
}

static void
wait_over (Outcome *outcome)
{
  while (!outcome->over) {
    g_main_context_iteration (NULL, TRUE);
  }
}

static void
test_through_the_relay (void)
{
  g_autoptr (RelayStageProgram) backend = relay_stage_backend (backend_path);
  g_autoptr (RelayStageProgram) relay = relay_stage_relay (relay_path, NULL);
  g_autoptr (MrtProcess) worker = relay_stage_worker (worker_path, relay, backend);
  g_autofree char *socket_url = g_strconcat ("ws", relay->url + strlen ("http"), "/", NULL);
  g_auto (Outcome) outcome = { 0 };

  begin (&outcome, socket_url, "demo", NULL, NULL);
  wait_over (&outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.pieces, >, 1);
  g_assert_cmpuint (outcome.text->len, >, 5);
  g_assert_cmpint (outcome.answer->first_text_ms, <=, outcome.answer->total_ms);
  g_assert_cmpint (outcome.answer->completion_tokens, >, 0);
  g_assert_cmpstr (outcome.answer->worker_name, ==, "stage");
}

static void
test_not_offered (void)
{
  g_auto (Outcome) outcome = { 0 };
  begin (&outcome, "http://127.0.0.1:1", "another", NULL, NULL);
  wait_over (&outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

static void
test_key_wanted (void)
{
  g_autoptr (RelayStageProgram) relay = relay_stage_relay (relay_path, "--require-api-keys=true");
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) wrong = { 0 };

  begin (&outcome, relay->url, "demo", NULL, NULL);
  wait_over (&outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  g_assert_nonnull (strstr (outcome.error->message, "asks clients for an API key"));
  begin (&wrong, relay->url, "demo", "mr-wrong", NULL);
  wait_over (&wrong);
  g_assert_error (wrong.error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  g_assert_null (strstr (wrong.error->message, "mr-wrong"));
}

static void
test_cancelled (void)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", mrt_backend_get_port (backend));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };

  begin (&outcome, url, "demo", NULL, cancellable);
  g_cancellable_cancel (cancellable);
  wait_over (&outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A relay that a thread plays: takes one request and gives this answer. */
typedef struct {
  MrtBackend *backend;
  const char *answer;
  char *seen; /* the request's body and authorization */
} Play;

static gpointer
play (gpointer data)
{
  Play *script = data;
  g_autoptr (MrtBackendRequest) request = mrt_backend_accept (script->backend);
  const char *authorization = mrt_head_get (request->head, "authorization");
  script->seen =
      g_strconcat (request->target, " ", authorization != NULL ? authorization : "", " ", request->body->str, NULL);
  mrt_backend_write (request, script->answer);
  return NULL;
}

static void
run_play (const char *answer, const char *key, Outcome *outcome, char **seen)
{
  g_autoptr (MrtBackend) backend = mrt_backend_new ();
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u/prefix/", mrt_backend_get_port (backend));
  Play script = { backend, answer, NULL };
  GThread *thread = g_thread_new ("play", play, &script);

  begin (outcome, url, "demo", key, NULL);
  wait_over (outcome);
  g_thread_join (thread);
  *seen = script.seen;
}

#define HEAD(status, type) "HTTP/1.1 " status "\r\nConnection: close\r\nContent-Type: " type "\r\n\r\n"

static void
test_answers (void)
{
  static const struct {
    const char *answer;
    const char *text;  /* what was reported before the end */
    const char *about; /* a part of the error; NULL when it is to work */
  } cases[] = {
    { HEAD ("200 OK", "text/event-stream") "data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\r\n\r\n"
                                           ": comment\n\ndata:{\"choices\":[{\"delta\":{\"content\":\"llo\"}}]}\n\n"
                                           "data: {\"choices\":[],\"usage\":{\"completion_tokens\":7}}\n\n"
                                           "data: [DONE]\n\n",
      "Hello", NULL },
    { HEAD ("200 OK", "text/event-stream") "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"Hm\"}}]}\n\n"
                                           "data: [DONE]\n\n",
      "Hm", NULL },
    { HEAD ("200 OK", "text/event-stream") "data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\n\n", "He",
      "broke off" },
    { HEAD ("200 OK", "text/event-stream") "data: {\"error\":{\"message\":\"The worker was lost.\"}}\n\n", "",
      "The worker was lost." },
    { HEAD ("200 OK", "text/event-stream") "data: [DONE]\n\n", "", "without any text" },
    { HEAD ("503 Service Unavailable", "application/json") "{\"error\":{\"message\":\"The queue is full.\"}}", "",
      "The queue is full." },
    { HEAD ("404 Not Found", "text/html") "<html>", "", "404" },
    { HEAD ("200 OK", "text/html") "<html>", "", "broke off" },
    { "no http at all\r\n\r\n", "", "cannot be reached" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Outcome) outcome = { 0 };
    g_autofree char *seen = NULL;
    run_play (cases[i].answer, "mr-key", &outcome, &seen);
    g_assert_true (g_str_has_prefix (seen, "/prefix/v1/chat/completions Bearer mr-key {\"model\":\"demo\""));
    g_assert_cmpstr (outcome.text->str, ==, cases[i].text);
    if (cases[i].about == NULL) {
      g_assert_no_error (outcome.error);
      g_assert_cmpint (outcome.answer->completion_tokens, ==, i == 0 ? 7 : -1);
    } else if (outcome.error == NULL || strstr (outcome.error->message, cases[i].about) == NULL) {
      g_error ("case %u: %s", i, outcome.error != NULL ? outcome.error->message : "worked");
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 4);
  relay_path = argv[1];
  worker_path = argv[2];
  backend_path = argv[3];
  g_test_add_func ("/contract/L2/test-request", test_through_the_relay);
  g_test_add_func ("/contract/L2/test-request-model", test_not_offered);
  g_test_add_func ("/contract/L2/test-request-key", test_key_wanted);
  g_test_add_func ("/contract/L2/test-request-cancelled", test_cancelled);
  g_test_add_func ("/contract/L2/test-request-answers", test_answers);
  return g_test_run ();
}
