/* SPDX-License-Identifier: MIT */
/*
 * Reading a backend's answers to discovery: lists of models and the slot count. Pure; who asks is backend.h.
 */
#pragma once

#include <glib.h>

/**
 * mr_backend_models_from_json:
 * @text: the answer to `GET /v1/models` (`data[].id`) or to Ollama's `GET /api/tags` (`models[].name`)
 *
 * Names are taken once each, in order; empty, overlong and unprintable ones and `*` are left out, as is everything
 * above %MR_LIMIT_MODELS.
 *
 * Returns: (transfer full) (nullable): the names; %NULL when the text is no such list
 */
char **mr_backend_models_from_json (const char *text, gsize length);

/**
 * mr_backend_slots_from_json:
 * @text: the answer to llama-server's `GET /props`
 *
 * Returns: `total_slots`, at most %MR_LIMIT_MAX_CONCURRENT; 0 when it does not say
 */
guint mr_backend_slots_from_json (const char *text, gsize length);
