/* SPDX-License-Identifier: MIT */
/*
 * Where the relay's facts come from: the admin API over HTTP, or D-Bus on the same machine. Both take the same
 * questions and give the same answers, so that nobody above has to know which one it is.
 *
 *   command -> mr_source_ask() -> GET /admin/workers   (source-http.c)
 *                              -> ListWorkers()        (source-dbus.c)
 */
#pragma once

#include "ctl-options.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef enum {
  MR_ASK_STATUS,     /* object: status, version, workers_connected, queue_depth, and what the source knows beside */
  MR_ASK_STATISTICS, /* object */
  MR_ASK_WORKERS,    /* array of objects, like all lists */
  MR_ASK_MODELS,
  MR_ASK_REQUESTS,
  MR_ASK_KEYS,
  MR_ASK_USAGE,         /* from, to */
  MR_ASK_LOCAL_WORKERS, /* on this machine's bus; none over HTTP */
  MR_DO_CREATE_KEY,     /* spec; object with a secret */
  MR_DO_REVOKE_KEY,     /* id, as the next three; the answer is null */
  MR_DO_DRAIN_WORKER,
  MR_DO_REFRESH_WORKER,
  MR_DO_CANCEL_REQUEST,
  MR_N_QUESTIONS
} MrQuestionKind;

typedef struct {
  MrQuestionKind kind;
  const char *id;
  const char *from; /* nullable, as the next one: YYYY-MM-DD */
  const char *to;
  JsonNode *spec; /* an object */
} MrQuestion;

typedef struct _MrSource MrSource;

typedef struct {
  /* @task returns a JsonNode, or an error of MR_CTL_ERROR; (transfer full). @question lives as long as the call. */
  void (*ask) (MrSource *source, const MrQuestion *question, GTask *task);
  void (*free) (MrSource *source);
} MrSourceClass;

/** MrSource: what every source's data begins with. */
struct _MrSource {
  const MrSourceClass *class;
  char *place; /* Owned: in words, for errors: "https://relay.example" */
};

/** mr_source_new: (transfer full): for the place that @options name; over D-Bus the relay is looked for now. */
MrSource *mr_source_new (const MrCtlOptions *options, GError **error);
void mr_source_free (MrSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrSource, mr_source_free)

/** mr_source_ask_async: @cancellable: (nullable) */
void mr_source_ask_async (MrSource *source, const MrQuestion *question, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer data);

/** mr_source_ask_finish: (transfer full): the answer; %NULL with an error of %MR_CTL_ERROR, or when cancelled. */
JsonNode *mr_source_ask_finish (MrSource *source, GAsyncResult *result, GError **error);

/** mr_source_ask: the same, waiting for the answer. */
JsonNode *mr_source_ask (MrSource *source, const MrQuestion *question, GError **error);

/** mr_source_list: (transfer full): a question without arguments. */
JsonNode *mr_source_list (MrSource *source, MrQuestionKind kind, GError **error);

/** mr_source_list_name: the name of the list in the admin API's answer: "workers"; %NULL for what is no list. */
const char *mr_source_list_name (MrQuestionKind kind);

/** mr_source_http_new, mr_source_dbus_new: @ca_file: (nullable), @token: (nullable) */
MrSource *mr_source_http_new (const char *url, const char *ca_file, const char *token, GError **error);
MrSource *mr_source_dbus_new (MrCtlBus bus, GError **error);
