/* SPDX-License-Identifier: MIT */
/*
 * One candidate for each port, all asked at the same time; a candidate is asked one question after the other, until its
 * kind is known. See backend-finder.h.
 *
 *   /health -> /v1/models -> /api/tags -> /api/version -> /props -> /api/v0/models -> /version
 *      |           +---- nobody there: no candidate
 *      +---- a relay: no candidate
 */
#include "backend-finder.h"

#include "backend-models.h"
#include "fetch.h"
#include "json.h"
#include "limits.h"

#include <string.h>

/* What is asked, and what the answer has when it is the right one: status 200 alone says nothing, LM Studio has it for
 * every path. */
typedef enum { QUESTION_HEALTH, QUESTION_MODELS, QUESTION_TAGS, QUESTION_KINDS } QuestionIndex;

static const struct {
  const char *path;
  const char *member; /* of the JSON object that answers */
  const char *kind;   /* of who has it; NULL when that does not tell */
} questions[] = {
  [QUESTION_HEALTH] = { "/health", "workers_connected", NULL },
  [QUESTION_MODELS] = { "/v1/models", "data", NULL },
  [QUESTION_TAGS] = { "/api/tags", "models", NULL },
  [QUESTION_KINDS] = { "/api/version", "version", "Ollama" },
  { "/props", "default_generation_settings", "llama-server" },
  { "/api/v0/models", "data", "LM Studio" },
  { "/version", "version", "vLLM" },
};

/* Who usually has a port, in the order in which ports are looked at. */
static const struct {
  guint16 port;
  const char *kind;
} usual_ports[] = {
  { 8080, "llama-server" }, { 8081, "llama-server" }, { 8000, "vLLM" }, { 11434, "Ollama" },
  { 1234, "LM Studio" },    { 5001, "KoboldCpp" },    { 1337, "Jan" },  { 30000, "SGLang" },
};

typedef struct {
  GTask *task;          /* Owned while under way; NULL once it has returned */
  SoupSession *session; /* Owned */
  GCancellable *asking; /* Owned */
  GSource *cancelled;   /* Owned; NULL without a caller's cancellable */
  MrTimer deadline;
  GPtrArray *candidates; /* Owned: of Candidate */
  guint asked;           /* candidates that are not done */
} Search;

typedef struct {
  Search *search; /* Borrowed */
  GTask *asking;  /* Owned while a question is open: keeps the search */
  guint16 port;
  char *url;            /* Owned */
  guint question;       /* the present one */
  SoupMessage *message; /* Owned: of it */
  char **models;        /* Owned; NULL while no list came */
  const char *kind;     /* as the answers told */
  gboolean is_relay;
} Candidate;

void
mr_found_backend_free (MrFoundBackend *found)
{
  if (found == NULL) {
    return;
  }
  g_free (found->url);
  g_free (found->kind);
  g_strfreev (found->models);
  g_free (found);
}

static void
candidate_free (gpointer data)
{
  Candidate *candidate = data;

  g_clear_object (&candidate->message);
  g_free (candidate->url);
  g_strfreev (candidate->models);
  g_free (candidate);
}

static void
search_free (gpointer data)
{
  Search *search = data;

  g_object_unref (search->session);
  g_object_unref (search->asking);
  g_ptr_array_unref (search->candidates);
  g_free (search);
}

/* --- the end --- */

static const char *
kind_of_port (guint16 port)
{
  for (guint i = 0; i < G_N_ELEMENTS (usual_ports); i++) {
    if (usual_ports[i].port == port) {
      return usual_ports[i].kind;
    }
  }
  return "model server";
}

/* (transfer full) (nullable) */
static MrFoundBackend *
judge (Candidate *candidate)
{
  MrFoundBackend *found;

  if (candidate->is_relay || (candidate->models == NULL && candidate->kind == NULL)) {
    return NULL;
  }
  found = g_new0 (MrFoundBackend, 1);
  found->url = g_strdup (candidate->url);
  found->kind = g_strdup (candidate->kind != NULL ? candidate->kind : kind_of_port (candidate->port));
  found->models = candidate->models != NULL ? g_steal_pointer (&candidate->models) : g_new0 (char *, 1);
  return found;
}

/* Nothing of the search calls back from now on, except questions with answers that nobody wants. */
static GTask *
stop (Search *search)
{
  mr_timer_clear (&search->deadline);
  if (search->cancelled != NULL) {
    g_source_destroy (search->cancelled);
    g_clear_pointer (&search->cancelled, g_source_unref);
  }
  g_cancellable_cancel (search->asking);
  return g_steal_pointer (&search->task);
}

static void
conclude (Search *search)
{
  g_autoptr (GTask) task = stop (search);
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) mr_found_backend_free);

  for (guint i = 0; i < search->candidates->len; i++) {
    MrFoundBackend *backend = judge (g_ptr_array_index (search->candidates, i));
    if (backend != NULL) {
      g_ptr_array_add (found, backend);
    }
  }
  g_task_return_pointer (task, found, (GDestroyNotify) g_ptr_array_unref);
}

static void
on_deadline (MrTimer *timer)
{
  conclude (MR_OWNER_OF (timer, Search, deadline));
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  g_autoptr (GTask) task = stop (g_task_get_task_data (data));

  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the search was cancelled");
  return G_SOURCE_REMOVE;
}

/* --- questions --- */

static void ask (Candidate *candidate);

static gboolean
has_member (GBytes *answer, const char *name)
{
  MrJsonValue value;
  gsize length;
  const char *text = g_bytes_get_data (answer, &length);

  return mr_json_scan_members (text, length, &name, &value, 1, NULL) && value.type != MR_JSON_NONE;
}

static void
take_answer (Candidate *candidate, GBytes *answer)
{
  guint question = candidate->question;

  if (soup_message_get_status (candidate->message) != SOUP_STATUS_OK ||
      !has_member (answer, questions[question].member)) {
    return;
  }
  if (question == QUESTION_HEALTH) {
    candidate->is_relay = TRUE;
  } else if (question == QUESTION_MODELS || (question == QUESTION_TAGS && candidate->models == NULL)) {
    gsize length;
    const char *text = g_bytes_get_data (answer, &length);
    candidate->models = mr_backend_models_from_json (text, length);
  }
  candidate->kind = questions[question].kind;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Candidate *candidate = data;
  g_autoptr (GTask) task = g_steal_pointer (&candidate->asking);
  g_autoptr (GBytes) answer = mr_fetch_finish (result, NULL);
  Search *search = candidate->search;

  if (search->task == NULL) {
    return;
  }
  gboolean gone = answer == NULL && candidate->question == QUESTION_HEALTH;
  if (answer != NULL) {
    take_answer (candidate, answer);
  }
  candidate->question++;
  if (!gone && !candidate->is_relay && candidate->kind == NULL && candidate->question < G_N_ELEMENTS (questions)) {
    ask (candidate);
  } else if (--search->asked == 0) {
    conclude (search);
  }
}

static void
ask (Candidate *candidate)
{
  Search *search = candidate->search;
  g_autofree char *url = g_strconcat (candidate->url, questions[candidate->question].path, NULL);

  g_clear_object (&candidate->message);
  candidate->message = soup_message_new (SOUP_METHOD_GET, url);
  candidate->asking = g_object_ref (search->task);
  mr_fetch_async (search->session, candidate->message, search->asking, on_answer, candidate);
}

static void
add_candidate (Search *search, guint16 port)
{
  Candidate *candidate = g_new0 (Candidate, 1);

  candidate->search = search;
  candidate->port = port;
  candidate->url = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_ptr_array_add (search->candidates, candidate);
}

void
mr_find_backends_async (MrReactor *reactor, const guint16 *ports, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Search *search = g_new0 (Search, 1);

  g_task_set_source_tag (task, mr_find_backends_async);
  g_task_set_task_data (task, search, search_free);
  search->task = task;
  search->session = mr_fetch_session_new ();
  search->asking = g_cancellable_new ();
  search->candidates = g_ptr_array_new_with_free_func (candidate_free);
  for (guint i = 0; ports == NULL && i < G_N_ELEMENTS (usual_ports); i++) {
    add_candidate (search, usual_ports[i].port);
  }
  for (; ports != NULL && *ports != 0; ports++) {
    add_candidate (search, *ports);
  }
  if (cancellable != NULL) {
    search->cancelled = g_cancellable_source_new (cancellable);
    g_task_attach_source (task, search->cancelled, G_SOURCE_FUNC (on_cancelled));
  }
  mr_timer_init (&search->deadline, reactor, on_deadline);
  mr_timer_set (&search->deadline, g_get_monotonic_time () + MR_LIMIT_FIND_BACKENDS_USEC);
  search->asked = search->candidates->len;
  for (guint i = 0; i < search->candidates->len; i++) {
    ask (g_ptr_array_index (search->candidates, i));
  }
}

GPtrArray *
mr_find_backends_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
