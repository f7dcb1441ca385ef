/* SPDX-License-Identifier: MIT */
/*
 * What a request asks for: reads `model` and `stream` from the body without altering a byte (contract A2). Pure.
 */
#pragma once

#include "error.h"

#include <glib.h>

/** MrAdmission: plain data; @model is owned, see mr_admission_clear(). */
typedef struct {
  MrApi api;
  char *model;
  gsize model_offset; /* where its value is in the body, with the quotes of a JSON string */
  gsize model_length;
  gboolean is_streaming;
  gboolean binary; /* the body is no text: only a worker with binary_frames can take it */
} MrAdmission;

void mr_admission_clear (MrAdmission *admission);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrAdmission, mr_admission_clear)

/**
 * mr_admission_check:
 * @path: path of an inference endpoint
 * @content_type: (nullable): the request's; `multipart/form-data` is read for its fields `model` and `stream`, anything
 * else as JSON
 * @admission: (out caller-allocates): untouched on failure
 * @error: return location
 *
 * `stream` counts only when it is the JSON value `true`, or the form field `true`.
 *
 * Returns: %FALSE with %MR_ERROR_INVALID_JSON (the message says where reading stopped) or %MR_ERROR_MISSING_MODEL
 */
gboolean mr_admission_check (const char *path, const char *content_type, GBytes *body, MrAdmission *admission,
                             GError **error);
