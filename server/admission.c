/* SPDX-License-Identifier: MIT */
/*
 * What a request asks for. See admission.h.
 */
#include "admission.h"

#include "form.h"
#include "limits.h"

#include <string.h>

void
mr_admission_clear (MrAdmission *admission)
{
  g_clear_pointer (&admission->model, g_free);
}

static gboolean
missing_model (GError **error)
{
  g_set_error_literal (error, MR_ERROR, MR_ERROR_MISSING_MODEL,
                       "The request body must name a \"model\": a string that is not empty.");
  return FALSE;
}

static gboolean
read_json (GBytes *body, MrAdmission *admission, GError **error)
{
  enum { MODEL, STREAM, N_NAMES };
  static const char *const names[] = { "model", "stream" };
  MrJsonValue values[N_NAMES];
  g_autoptr (GError) local = NULL;
  gsize length;
  const char *text = g_bytes_get_data (body, &length);

  if (!mr_json_scan_members (text != NULL ? text : "", length, names, values, N_NAMES, &local)) {
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_JSON, "The request body is not a JSON object: %s.", local->message);
    return FALSE;
  }
  if (values[MODEL].type == MR_JSON_STRING) {
    admission->model = mr_json_dup_string (&values[MODEL], NULL);
    admission->model_offset = (gsize) (values[MODEL].text.data - text);
    admission->model_length = values[MODEL].text.length;
  }
  admission->is_streaming = values[STREAM].type == MR_JSON_TRUE;
  return TRUE;
}

static char *
span_text (MrSpan span)
{
  return span.length > 0 && g_utf8_validate_len (span.data, span.length, NULL) ? g_strndup (span.data, span.length)
                                                                               : NULL;
}

static void
take_field (const char *name, MrSpan content, const char *body, MrAdmission *admission)
{
  if (g_strcmp0 (name, "model") == 0) {
    g_free (admission->model);
    admission->model = span_text (content);
    admission->model_offset = (gsize) (content.data - body);
    admission->model_length = content.length;
  } else if (g_strcmp0 (name, "stream") == 0) {
    admission->is_streaming = content.length == 4 && memcmp (content.data, "true", 4) == 0;
  }
}

static gboolean
read_form (const char *content_type, GBytes *bytes, MrAdmission *admission, GError **error)
{
  gsize length;
  const char *data = g_bytes_get_data (bytes, &length);
  const char *body = data != NULL ? data : "";
  gboolean malformed = TRUE;
  MrFormIter iter;
  MrSpan content;
  char *name;

  if (mr_form_iter_init (&iter, content_type, body, length))
    while (mr_form_iter_next (&iter, &name, &content, &malformed)) {
      take_field (name, content, body, admission);
      g_free (name);
    }
  if (malformed)
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                 "The request body is not multipart/form-data with a boundary, a last delimiter and at most %d parts.",
                 MR_LIMIT_FORM_PARTS);
  admission->binary = TRUE;
  return !malformed;
}

gboolean
mr_admission_check (const char *path, const char *content_type, GBytes *body, MrAdmission *admission, GError **error)
{
  g_auto (MrAdmission) read = { .api = mr_api_for_path (path) };
  gboolean is_form = content_type != NULL && g_ascii_strncasecmp (content_type, "multipart/form-data", 19) == 0;

  if (is_form ? !read_form (content_type, body, &read, error) : !read_json (body, &read, error))
    return FALSE;
  if (read.model == NULL || read.model[0] == '\0')
    return missing_model (error);
  *admission = read;
  read.model = NULL;
  return TRUE;
}
