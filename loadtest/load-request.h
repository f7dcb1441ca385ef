/* SPDX-License-Identifier: MIT */
/*
 * One request of a run: sends it, times its answer, and reports both to the tally. When the next one is due is the
 * run's business.
 */
#pragma once

#include "load-options.h"
#include "load-tally.h"

#include "http-client.h"

/** MrLoadQuestion: what every request of a run sends. */
typedef struct {
  const char *path;
  MrHeaders *headers; /* Owned */
  GBytes *body;       /* Owned */
  gboolean stream;
  gint64 timeout_us; /* 0 for none */
} MrLoadQuestion;

/** mr_load_question_new: (transfer full): @model: to ask for */
MrLoadQuestion *mr_load_question_new (const MrLoadOptions *options, const char *model);
void mr_load_question_free (MrLoadQuestion *question);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrLoadQuestion, mr_load_question_free)

/** mr_load_headers: (transfer full): that say who asks; @json: and that a JSON body follows. */
MrHeaders *mr_load_headers (const MrLoadOptions *options, gboolean json);

typedef struct _MrLoadRequest MrLoadRequest;

/** MrLoadRequestOver: it has ended and been counted, and is freed after the callback. */
typedef void (*MrLoadRequestOver) (MrLoadRequest *request, gpointer data);

/**
 * mr_load_request_start:
 * @due_us: from when on its time counts; monotonic
 * @tally: must outlive it
 *
 * No callback comes before this returns.
 *
 * Returns: (transfer none): owned by itself until @over, or until mr_load_request_stop()
 */
MrLoadRequest *mr_load_request_start (MrReactor *reactor, MrHttpClient *client, const MrLoadQuestion *question,
                                      gint64 due_us, MrLoadTally *tally, MrLoadRequestOver over, gpointer data);

/** mr_load_request_stop: closes its connection, counts it as stopped, frees it; no callback follows. */
void mr_load_request_stop (MrLoadRequest *request);
