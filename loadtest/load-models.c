/* SPDX-License-Identifier: MIT */
/* The list of models. See load-models.h. */
#include "load-models.h"

#include "error.h"
#include "json.h"
#include "load-answer.h"
#include "load-request.h"

#include <string.h>

#define MODELS_PATH "/v1/models"
#define PATIENCE_US (30 * G_USEC_PER_SEC)

struct _MrLoadModels {
  MrHttpExchange *exchange; /* Borrowed: its client's */
  MrTimer timer;
  MrLoadAnswer *answer; /* Owned: says what is wrong with it */
  GString *body;        /* Owned */
  MrLoadModelsDone done;
  gpointer data;
};

static void
question_free (MrLoadModels *question)
{
  mr_timer_clear (&question->timer);
  mr_load_answer_free (question->answer);
  g_string_free (question->body, TRUE);
  g_free (question);
}

static void
end (MrLoadModels *question, const char *model, const char *problem, gboolean reached)
{
  question->done (model, problem, reached, question->data);
  question_free (question);
}

static void
on_head (MrHttpExchange *exchange, guint status, const MrHeaders *headers, gpointer data)
{
  MrLoadModels *question = data;

  question->answer = mr_load_answer_new (status, mr_headers_get (headers, "content-type"), FALSE);
}

static void
on_data (MrHttpExchange *exchange, const char *bytes, gsize length, gpointer data)
{
  MrLoadModels *question = data;

  mr_load_answer_feed (question->answer, bytes, length);
  if (question->body->len + length <= MR_LOAD_MAX_ANSWER_BYTES)
    g_string_append_len (question->body, bytes, (gssize) length);
}

/* (transfer full) (nullable): data[0].id */
static char *
first_model (const GString *body)
{
  static const char *const names[] = { "data" };
  MrJsonValue list;
  MrJsonValue entry;
  MrJsonValue id;
  MrJsonIter iter;

  if (!mr_json_scan_members (body->str, body->len, names, &list, 1, NULL) || list.type != MR_JSON_ARRAY ||
      !mr_json_iter_init (&iter, &list) || !mr_json_iter_next (&iter, NULL, &entry))
    return NULL;
  id = mr_json_member (&entry, "id");
  return mr_json_dup_string (&id, NULL);
}

static void
on_done (MrHttpExchange *exchange, gpointer data)
{
  MrLoadModels *question = data;
  g_autofree char *wrong = mr_load_answer_end (question->answer);
  g_autofree char *model = wrong == NULL ? first_model (question->body) : NULL;
  g_autofree char *problem = NULL;

  if (wrong != NULL)
    problem = g_strdup_printf ("the server does not tell its models (%s)", wrong);
  else if (model == NULL)
    problem = g_strdup ("the server has no model now; start a worker, or name one with --model");
  end (question, model, problem, TRUE);
}

static void
on_failed (MrHttpExchange *exchange, const GError *error, gpointer data)
{
  gboolean reached = g_error_matches (error, MR_ERROR, MR_ERROR_BACKEND_PROTOCOL);
  g_autofree char *problem = g_strdup_printf ("the server cannot be reached (%s)", error->message);

  end (data, NULL, reached ? "the server does not answer in HTTP" : problem, reached);
}

static void
on_timeout (MrTimer *timer)
{
  MrLoadModels *question = MR_OWNER_OF (timer, MrLoadModels, timer);

  mr_http_exchange_cancel (question->exchange);
  end (question, NULL, "the server does not tell its models (timeout)", FALSE);
}

static const MrHttpExchangeEvents exchange_events = {
  .head = on_head,
  .data = on_data,
  .done = on_done,
  .failed = on_failed,
};

MrLoadModels *
mr_load_models_ask (MrReactor *reactor, MrHttpClient *client, const MrLoadOptions *options, MrLoadModelsDone done,
                    gpointer data)
{
  g_autoptr (MrHeaders) headers = mr_load_headers (options, FALSE);
  MrLoadModels *question = g_new0 (MrLoadModels, 1);

  question->body = g_string_new (NULL);
  question->done = done;
  question->data = data;
  mr_timer_init (&question->timer, reactor, on_timeout);
  mr_timer_set (&question->timer, g_get_monotonic_time () + PATIENCE_US);
  question->exchange = mr_http_client_request (client, "GET", MODELS_PATH, headers, NULL, &exchange_events, question);
  return question;
}

void
mr_load_models_stop (MrLoadModels *question)
{
  mr_http_exchange_cancel (question->exchange);
  question_free (question);
}
