/* SPDX-License-Identifier: MIT */
/*
 * What a request asks for. See admission.h.
 */
#include "admission.h"

#include "json.h"

#include <libsoup/soup.h>
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

/* The name of a form field (RFC 7578 4.2), without a file's content being looked at. */
static char *
part_name (SoupMessageHeaders *headers)
{
  g_autofree char *disposition = NULL;
  g_autoptr (GHashTable) parameters = NULL;

  if (!soup_message_headers_get_content_disposition (headers, &disposition, &parameters) ||
      g_ascii_strcasecmp (disposition, "form-data") != 0)
    return NULL;
  return g_strdup (g_hash_table_lookup (parameters, "name"));
}

static char *
part_text (GBytes *part)
{
  gsize length;
  const char *data = g_bytes_get_data (part, &length);

  return length > 0 && g_utf8_validate_len (data, length, NULL) ? g_strndup (data, length) : NULL;
}

/* The parts that libsoup hands out are slices of the body. */
static void
take_model (GBytes *body, GBytes *part, MrAdmission *admission)
{
  const char *text = g_bytes_get_data (body, NULL);
  const char *value = g_bytes_get_data (part, &admission->model_length);

  g_free (admission->model);
  admission->model = part_text (part);
  admission->model_offset = value != NULL ? (gsize) (value - text) : 0;
}

static gboolean
read_form (const char *content_type, GBytes *body, MrAdmission *admission, GError **error)
{
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  SoupMultipart *form;

  soup_message_headers_append (headers, "Content-Type", content_type);
  form = soup_multipart_new_from_message (headers, body);
  if (form == NULL) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_INVALID_REQUEST,
                         "The request body is not valid multipart/form-data.");
    return FALSE;
  }
  for (int i = 0; i < soup_multipart_get_length (form); i++) {
    SoupMessageHeaders *part_headers = NULL;
    GBytes *part = NULL; /* Borrowed */
    g_autofree char *name = NULL;

    soup_multipart_get_part (form, i, &part_headers, &part);
    name = part_name (part_headers);
    if (g_strcmp0 (name, "model") == 0) {
      take_model (body, part, admission);
    } else if (g_strcmp0 (name, "stream") == 0) {
      g_autofree char *text = part_text (part);

      admission->is_streaming = g_strcmp0 (text, "true") == 0;
    }
  }
  soup_multipart_free (form);
  admission->binary = TRUE;
  return TRUE;
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
