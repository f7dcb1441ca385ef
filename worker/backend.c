/* SPDX-License-Identifier: MIT */
/*
 * Asking the backend through SoupSession. One question is open at a time; a round of questions ends in conclude().
 *
 *   IDLE --poll, or the interval--> MODELS -> [TAGS] -> [PROPS] -> IDLE
 *                                      +------ deadline, error -----^
 */
#include "backend.h"

#include "backend-models.h"
#include "fetch.h"
#include "limits.h"
#include "log.h"

#include <string.h>

/* The whole round of questions. A local model server answers these in milliseconds. */
#define ROUND_TIMEOUT_USEC (10 * MR_USEC_PER_SEC)

typedef enum { STEP_MODELS, STEP_TAGS, STEP_PROPS, N_STEPS } Step;

static const char *const step_paths[N_STEPS] = { "/v1/models", "/api/tags", "/props" };

/* A question under way. It outlives a backend that no longer waits for it. */
typedef struct {
  MrBackend *backend; /* Borrowed; NULL once nobody waits for the answer */
  Step step;
  SoupMessage *message;      /* Owned */
  GCancellable *cancellable; /* Owned */
} Question;

struct _MrBackend {
  const MrWorkerConfig *config; /* Borrowed: outlives us */
  MrBackendChanged changed;
  gpointer data;

  SoupSession *session;      /* Owned */
  GTlsDatabase *authorities; /* Owned: of --ca-file, beside the system's; NULL without one */
  MrHeaders *headers;        /* Owned */
  char *base;                /* Owned: the URL without a slash at its end */
  MrTimer timer;             /* while asking: the round's deadline; else the next poll */
  Question *question;        /* Owned by its callbacks; NULL while idle */
  gboolean again;            /* poll once more after this round */

  char **found; /* Owned: this round's list; NULL while there was none */

  MrBackendState state;
  char *status;  /* Owned */
  char **models; /* Owned */
  char **listed; /* Owned */
  guint slots;
};

static void ask (MrBackend *self, Step step);

static void
question_free (Question *question)
{
  g_object_unref (question->message);
  g_object_unref (question->cancellable);
  g_free (question);
}

static void
drop_question (MrBackend *self)
{
  if (self->question != NULL) {
    self->question->backend = NULL;
    g_cancellable_cancel (self->question->cancellable);
    self->question = NULL;
  }
}

/* Ends the round. The owner may free us in the callback, so that comes last. */
static void
conclude (MrBackend *self, MrBackendState state, const char *status, const char *const *models, guint slots)
{
  const char *const none[] = { NULL };
  gboolean lists = state == MR_BACKEND_UP && self->found != NULL;
  const char *const *listed = lists ? (const char *const *) self->found : none;
  gboolean changed = state != self->state || !g_str_equal (status, self->status) ||
                     !g_strv_equal (models, (const char *const *) self->models) ||
                     !g_strv_equal (listed, (const char *const *) self->listed) || slots != self->slots;
  if (state != self->state) {
    mr_log (state == MR_BACKEND_UP ? MR_LOG_INFO : MR_LOG_WARN,
            state == MR_BACKEND_UP ? "backend available" : "backend unavailable", "url", self->base, "status", status,
            NULL);
  }
  if (changed) {
    self->state = state;
    g_free (self->status);
    self->status = g_strdup (status);
    g_strfreev (self->models);
    self->models = g_strdupv ((char **) models);
    g_strfreev (self->listed);
    self->listed = g_strdupv ((char **) listed);
    self->slots = slots;
  }
  g_clear_pointer (&self->found, g_strfreev);

  gboolean again = self->again;
  self->again = FALSE;
  if (again) {
    mr_backend_poll (self);
  } else {
    mr_timer_set (&self->timer, g_get_monotonic_time () + self->config->poll_interval_us);
  }
  if (changed) {
    self->changed (self, self->data);
  }
}

static void
conclude_down (MrBackend *self, const char *why)
{
  const char *const none[] = { NULL };
  g_autofree char *status = g_strdup_printf ("backend %s: %s", self->base, why);
  conclude (self, MR_BACKEND_DOWN, status, none, self->slots);
}

static void
conclude_up (MrBackend *self, guint slots)
{
  const char *const any[] = { "*", NULL };
  const char *const *models = (const char *const *) self->config->models;
  g_autofree char *status = NULL;

  if (!mr_worker_config_discovers_models (self->config)) {
    status = g_strdup ("backend answers");
  } else if (self->found == NULL) {
    models = any;
    status = g_strdup ("backend does not list its models");
  } else {
    models = (const char *const *) self->found;
    status = g_strdup_printf ("backend lists %u models", g_strv_length (self->found));
  }
  conclude (self, MR_BACKEND_UP, status, models, slots);
}

static void
ask_slots_or_conclude (MrBackend *self)
{
  if (mr_worker_config_get_max_concurrent (self->config) == 0) {
    ask (self, STEP_PROPS);
  } else {
    conclude_up (self, 0);
  }
}

static void
on_models (MrBackend *self, guint status, const char *text, gsize length)
{
  if (status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN) {
    conclude_down (self, "it wants credentials (--backend-header)");
    return;
  }
  if (status >= 500) {
    g_autofree char *why = g_strdup_printf ("it answers with status %u", status);
    conclude_down (self, why);
    return;
  }
  self->found = status == SOUP_STATUS_OK ? mr_backend_models_from_json (text, length) : NULL;
  gboolean empty = self->found == NULL || self->found[0] == NULL;
  if (empty && mr_worker_config_discovers_models (self->config)) {
    ask (self, STEP_TAGS);
  } else {
    ask_slots_or_conclude (self);
  }
}

static void
on_tags (MrBackend *self, guint status, const char *text, gsize length)
{
  g_auto (GStrv) names = status == SOUP_STATUS_OK ? mr_backend_models_from_json (text, length) : NULL;
  if (names != NULL) {
    g_strfreev (self->found);
    self->found = g_steal_pointer (&names);
  }
  ask_slots_or_conclude (self);
}

/* Only the first question tells whether the backend is there; a failed later one tells nothing. */
static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  MrBackend *self = question->backend;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = mr_fetch_finish (result, &error);
  guint status = answer != NULL ? soup_message_get_status (question->message) : 0;
  gsize length = 0;
  const char *text = answer != NULL ? g_bytes_get_data (answer, &length) : NULL;

  if (self != NULL) {
    self->question = NULL;
    if (question->step == STEP_PROPS) {
      conclude_up (self, status == SOUP_STATUS_OK ? mr_backend_slots_from_json (text, length) : 0);
    } else if (question->step == STEP_TAGS) {
      on_tags (self, status, text, length);
    } else if (error != NULL) {
      conclude_down (self, error->message);
    } else {
      on_models (self, status, text, length);
    }
  }
  question_free (question);
}

/* Asked when the system's authorities do not know the certificate. */
static gboolean
on_certificate (SoupMessage *message, GTlsCertificate *certificate, GTlsCertificateFlags flags,
                GTlsDatabase *authorities)
{
  GUri *uri = soup_message_get_uri (message);
  g_autoptr (GSocketConnectable) identity =
      g_network_address_new (g_uri_get_host (uri), (guint16) g_uri_get_port (uri));

  return g_tls_database_verify_chain (authorities, certificate, G_TLS_DATABASE_PURPOSE_AUTHENTICATE_SERVER, identity,
                                      NULL, G_TLS_DATABASE_VERIFY_NONE, NULL, NULL) == 0;
}

static void
ask (MrBackend *self, Step step)
{
  g_autofree char *url = g_strconcat (self->base, step_paths[step], NULL);
  Question *question = g_new0 (Question, 1);

  question->backend = self;
  question->step = step;
  question->message = soup_message_new (SOUP_METHOD_GET, url);
  question->cancellable = g_cancellable_new ();
  for (guint i = 0; i < mr_headers_length (self->headers); i++) {
    const MrHeader *header = mr_headers_index (self->headers, i);
    soup_message_headers_append (soup_message_get_request_headers (question->message), header->name, header->value);
  }
  if (self->authorities != NULL) {
    g_signal_connect_object (question->message, "accept-certificate", G_CALLBACK (on_certificate), self->authorities,
                             0);
  }
  self->question = question;
  mr_fetch_async (self->session, question->message, question->cancellable, on_answer, question);
}

static void
on_timer (MrTimer *timer)
{
  MrBackend *self = MR_OWNER_OF (timer, MrBackend, timer);
  if (self->question == NULL) {
    mr_backend_poll (self);
    return;
  }
  drop_question (self);
  conclude_down (self, "it does not answer in time");
}

MrBackend *
mr_backend_new (MrReactor *reactor, const MrWorkerConfig *config, MrBackendChanged changed, gpointer data)
{
  MrBackend *self = g_new0 (MrBackend, 1);
  self->config = config;
  self->changed = changed;
  self->data = data;
  self->session = mr_fetch_session_new ();
  if (config->ca_file != NULL) {
    g_autofree char *path = g_canonicalize_filename (config->ca_file, NULL);
    self->authorities = g_tls_file_database_new (path, NULL);
  }
  self->headers = mr_worker_config_dup_backend_headers (config);
  self->base = g_strdup (config->backend_url);
  for (gsize length = strlen (self->base); length > 0 && self->base[length - 1] == '/'; length--) {
    self->base[length - 1] = '\0';
  }
  self->status = g_strdup ("backend not asked yet");
  self->models = g_new0 (char *, 1);
  self->listed = g_new0 (char *, 1);
  mr_timer_init (&self->timer, reactor, on_timer);
  return self;
}

void
mr_backend_free (MrBackend *self)
{
  if (self == NULL) {
    return;
  }
  mr_timer_clear (&self->timer);
  drop_question (self);
  g_object_unref (self->session);
  g_clear_object (&self->authorities);
  mr_headers_free (self->headers);
  g_free (self->base);
  g_free (self->status);
  g_strfreev (self->found);
  g_strfreev (self->models);
  g_strfreev (self->listed);
  g_free (self);
}

void
mr_backend_poll (MrBackend *self)
{
  if (self->question != NULL) {
    self->again = TRUE;
    return;
  }
  mr_timer_set (&self->timer, g_get_monotonic_time () + ROUND_TIMEOUT_USEC);
  ask (self, STEP_MODELS);
}

MrBackendState
mr_backend_get_state (MrBackend *self)
{
  return self->state;
}

const char *
mr_backend_get_status (MrBackend *self)
{
  return self->status;
}

const char *const *
mr_backend_get_models (MrBackend *self)
{
  return (const char *const *) self->models;
}

const char *const *
mr_backend_get_listed (MrBackend *self)
{
  return (const char *const *) self->listed;
}

guint
mr_backend_get_slots (MrBackend *self)
{
  return self->slots;
}
