/* SPDX-License-Identifier: MIT */
/* Asks the server which model to use: the first of /v1/models. One question, before a run. */
#pragma once

#include "load-options.h"

#include "http-client.h"

typedef struct _MrLoadModels MrLoadModels;

/**
 * MrLoadModelsDone:
 * @model: (nullable): the first model; %NULL with @problem, a sentence
 * @reached: whether the server answered at all
 *
 * The question is freed after the callback.
 */
typedef void (*MrLoadModelsDone) (const char *model, const char *problem, gboolean reached, gpointer data);

/**
 * mr_load_models_ask:
 *
 * No callback comes before this returns.
 *
 * Returns: (transfer none): the question, owned by itself until @done or mr_load_models_stop()
 */
MrLoadModels *mr_load_models_ask (MrReactor *reactor, MrHttpClient *client, const MrLoadOptions *options,
                                  MrLoadModelsDone done, gpointer data);

/** mr_load_models_stop: no callback follows. */
void mr_load_models_stop (MrLoadModels *question);
