/* SPDX-License-Identifier: MIT */
/*
 * Embeddings of the demonstration backend, pure: unit vectors from a hash of the text. Equal texts have equal vectors;
 * what they mean plays no part.
 */
#pragma once

#include <json-glib/json-glib.h>

/**
 * mr_demo_embeddings:
 * @request: the request's document: `input`, `dimensions`, `encoding_format`, `model`
 * @default_model: answered under when the request names none
 * @prompt_tokens: (out): the pieces that were read
 * @error: return location
 *
 * Returns: (transfer full): the answer's body, or %NULL with %MR_ERROR_INVALID_REQUEST
 */
char *mr_demo_embeddings (JsonObject *request, const char *default_model, guint *prompt_tokens, GError **error);
