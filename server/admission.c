/* SPDX-License-Identifier: MIT */
/*
 * What a request asks for. See admission.h.
 */
#include "admission.h"

#include "json.h"

void
mr_admission_clear (MrAdmission *admission)
{
  g_clear_pointer (&admission->model, g_free);
}

gboolean
mr_admission_check (const char *path, GBytes *body, MrAdmission *admission, GError **error)
{
  enum { MODEL, STREAM, N_NAMES };
  static const char *const names[] = { "model", "stream" };
  MrJsonValue values[N_NAMES];
  g_autoptr (GError) local = NULL;
  g_autofree char *model = NULL;
  gsize length;
  const char *text = g_bytes_get_data (body, &length);

  if (!mr_json_scan_members (text != NULL ? text : "", length, names, values, N_NAMES, &local)) {
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_JSON, "The request body is not a JSON object: %s.", local->message);
    return FALSE;
  }
  if (values[MODEL].type != MR_JSON_STRING || (model = mr_json_dup_string (&values[MODEL], NULL)) == NULL ||
      model[0] == '\0') {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_MISSING_MODEL,
                         "The request body must name a \"model\": a string that is not empty.");
    return FALSE;
  }
  admission->api = mr_api_for_path (path);
  admission->model = g_steal_pointer (&model);
  admission->is_streaming = values[STREAM].type == MR_JSON_TRUE;
  return TRUE;
}
