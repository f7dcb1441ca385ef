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
  gboolean is_streaming;
} MrAdmission;

void mr_admission_clear (MrAdmission *admission);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MrAdmission, mr_admission_clear)

/**
 * mr_admission_check:
 * @path: path of an inference endpoint
 * @admission: (out caller-allocates): untouched on failure
 * @error: return location
 *
 * `stream` counts only when it is the JSON value `true`.
 *
 * Returns: %FALSE with %MR_ERROR_INVALID_JSON (the message says where reading stopped) or %MR_ERROR_MISSING_MODEL
 */
gboolean mr_admission_check (const char *path, GBytes *body, MrAdmission *admission, GError **error);
