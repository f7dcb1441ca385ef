/* SPDX-License-Identifier: MIT */
/*
 * Routes of the admin API about keys and their usage (contract G3, G4). What the key store does takes its time: the
 * answer waits, and its client may go meanwhile. See admin-private.h.
 */
#include "admin-private.h"

#include "admin-report.h"
#include "json.h"
#include "limits.h"
#include "log.h"

#include <string.h>

#define BAD_CURSOR "The parameter \"after\" must be the \"next\" of the page before."
#define NO_SUCH_KEY "There is no key with this id; GET /admin/keys lists them."

/* --- who waits --- */

/* An answer that waits for the key store. */
typedef struct {
  GList link; /* in MrAdmin.waiting */
  MrAdmin *admin;
  MrResponse *response; /* Owned; NULL once its client has gone */
  char *key;            /* nullable: of usage, only this key's */
  char *model;          /* nullable: of usage, only this model's */
  guint limit;
  guint64 after; /* rows of usage on the pages before */
} Waiting;

static void
on_gone (MrResponse *response, gpointer user_data)
{
  Waiting *waiting = user_data;

  g_clear_pointer (&waiting->response, mr_response_free);
}

static void
on_drained (MrResponse *response, gpointer user_data)
{
}

static const MrResponseEvents response_events = { .gone = on_gone, .drained = on_drained };

static Waiting *
wait_for_store (const MrAdminCall *call)
{
  Waiting *waiting = g_new0 (Waiting, 1);

  waiting->admin = call->admin;
  waiting->response = call->response;
  waiting->link.data = waiting;
  g_queue_push_tail_link (&call->admin->waiting, &waiting->link);
  mr_response_watch (waiting->response, &response_events, waiting);
  return waiting;
}

static void
waiting_free (Waiting *waiting)
{
  g_queue_unlink (&waiting->admin->waiting, &waiting->link);
  mr_response_free (waiting->response);
  g_free (waiting->key);
  g_free (waiting->model);
  g_free (waiting);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Waiting, waiting_free)

void
mr_admin_drop_waiting (MrAdmin *admin)
{
  while (admin->waiting.head != NULL)
    waiting_free (admin->waiting.head->data);
}

static void
fail_waiting (Waiting *waiting, const GError *error)
{
  MrErrorCode code = error->domain == MR_ERROR ? (MrErrorCode) error->code : MR_ERROR_INTERNAL;

  mr_admin_fail (g_steal_pointer (&waiting->response), code, error->message);
}

/* --- what there is --- */

/* The index of the first entry after the one that the cursor names; -1 when it names none. */
static gint64
find_start (GPtrArray *keys, const char *after)
{
  for (guint i = 0; after != NULL && i < keys->len; i++)
    if (g_str_equal (((const MrKey *) g_ptr_array_index (keys, i))->id, after))
      return (gint64) i + 1;
  return after == NULL ? 0 : -1;
}

static JsonNode *
page_of_keys (GPtrArray *keys, guint start, guint limit)
{
  g_autoptr (JsonBuilder) out = json_builder_new ();
  guint end = start + MIN (limit, keys->len - start);

  json_builder_begin_array (out);
  for (guint i = start; i < end; i++)
    json_builder_add_value (out, mr_admin_report_key (g_ptr_array_index (keys, i)));
  json_builder_end_array (out);
  return mr_admin_new_page ("keys", json_builder_get_root (out),
                            end < keys->len ? ((const MrKey *) g_ptr_array_index (keys, end - 1))->id : NULL);
}

void
mr_admin_on_keys (const MrAdminCall *call)
{
  g_autoptr (GPtrArray) keys = mr_key_store_list (call->admin->parts.store);
  gint64 start = find_start (keys, g_hash_table_lookup (call->query, "after"));
  guint limit;

  if (start < 0) {
    mr_admin_fail (call->response, MR_ERROR_INVALID_REQUEST, BAD_CURSOR);
    return;
  }
  limit = mr_admin_read_limit (call);
  if (limit > 0)
    mr_admin_send (call->response, 200, page_of_keys (keys, (guint) start, limit));
}

void
mr_admin_on_key (const MrAdminCall *call)
{
  const MrKey *key = mr_key_store_get (call->admin->parts.store, call->id);

  if (key == NULL)
    mr_admin_fail (call->response, MR_ERROR_NOT_FOUND, NO_SUCH_KEY);
  else
    mr_admin_send (call->response, 200, mr_admin_report_key (key));
}

/* --- creating --- */

/* What json-glib would cut or change is refused: a NUL, a lone surrogate. */
static gboolean
check_strings (const MrJsonValue *value, GError **error)
{
  MrJsonIter iter;
  MrJsonValue name;
  MrJsonValue member;

  if (value->type == MR_JSON_STRING) {
    g_autofree char *text = mr_json_dup_string (value, error);

    return text != NULL;
  }
  if (!mr_json_iter_init (&iter, value))
    return TRUE;
  while (mr_json_iter_next (&iter, &name, &member)) {
    g_autofree char *text = name.type == MR_JSON_STRING ? mr_json_dup_string (&name, error) : NULL;

    if ((name.type == MR_JSON_STRING && text == NULL) || !check_strings (&member, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
scan_object (const char *text, gsize length, GError **error)
{
  MrJsonValue value;
  g_autoptr (GError) wrong = NULL;

  if (length > MR_LIMIT_ADMIN_BODY_BYTES) {
    g_set_error (error, MR_ERROR, MR_ERROR_REQUEST_TOO_LARGE, "The request body is larger than %u bytes.",
                 MR_LIMIT_ADMIN_BODY_BYTES);
    return FALSE;
  }
  if (!mr_json_scan (text, length, &value, &wrong) || !check_strings (&value, &wrong)) {
    g_set_error (error, MR_ERROR, MR_ERROR_INVALID_JSON, "The request body is not valid JSON: %s", wrong->message);
    return FALSE;
  }
  if (value.type != MR_JSON_OBJECT) {
    g_set_error_literal (error, MR_ERROR, MR_ERROR_INVALID_JSON, "The request body must be a JSON object.");
    return FALSE;
  }
  return TRUE;
}

static gboolean
read_body (GBytes *body, MrKeySpec *spec, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  gsize length;
  const char *text = g_bytes_get_data (body, &length);

  return scan_object (text != NULL ? text : "", length, error) &&
         json_parser_load_from_data (parser, text, (gssize) length, error) &&
         mr_admin_read_key_spec (json_node_get_object (json_parser_get_root (parser)), spec, error);
}

static void
on_created (MrKey *key, const char *secret, const GError *error, gpointer data)
{
  g_autoptr (Waiting) waiting = data;
  JsonNode *node;

  if (error == NULL)
    mr_log (MR_LOG_INFO, "key created", "key", key->id, "name", key->spec.name, "scope",
            mr_key_scope_name (key->spec.scope), NULL);
  if (waiting->response == NULL)
    return;
  if (error != NULL) {
    fail_waiting (waiting, error);
    return;
  }
  node = mr_admin_report_key (key);
  json_object_set_string_member (json_node_get_object (node), "secret", secret);
  mr_admin_send (g_steal_pointer (&waiting->response), 201, node);
}

void
mr_admin_on_create_key (const MrAdminCall *call)
{
  g_auto (MrKeySpec) spec = { NULL };
  g_autoptr (GError) error = NULL;

  if (!read_body (mr_response_get_request (call->response)->body, &spec, &error))
    mr_admin_fail (call->response, error->domain == MR_ERROR ? (MrErrorCode) error->code : MR_ERROR_INVALID_JSON,
                   error->message);
  else
    mr_key_store_create (call->admin->parts.store, &spec, on_created, wait_for_store (call));
}

/* --- revoking --- */

static void
on_revoked (gboolean found, const GError *error, gpointer data)
{
  g_autoptr (Waiting) waiting = data;

  if (waiting->response == NULL)
    return;
  if (error != NULL)
    fail_waiting (waiting, error);
  else if (found)
    mr_admin_send_nothing (g_steal_pointer (&waiting->response));
  else
    mr_admin_fail (g_steal_pointer (&waiting->response), MR_ERROR_NOT_FOUND, NO_SUCH_KEY);
}

void
mr_admin_on_revoke_key (const MrAdminCall *call)
{
  mr_key_store_revoke (call->admin->parts.store, call->id, on_revoked, wait_for_store (call));
}

/* --- usage --- */

static gboolean
is_wanted (const Waiting *waiting, const MrUsageRow *row)
{
  return (waiting->key == NULL || g_str_equal (row->key_id, waiting->key)) &&
         (waiting->model == NULL || g_str_equal (row->model, waiting->model));
}

static JsonNode *
page_of_usage (const Waiting *waiting, const MrUsageRow *rows, gsize n)
{
  g_autoptr (GArray) page = g_array_new (FALSE, FALSE, sizeof (MrUsageRow));
  g_autofree char *next = NULL;
  guint64 seen = 0;

  for (gsize i = 0; i < n; i++) {
    if (!is_wanted (waiting, &rows[i]) || ++seen <= waiting->after)
      continue;
    if (page->len == waiting->limit) {
      next = g_strdup_printf ("%" G_GUINT64_FORMAT, seen - 1);
      break;
    }
    g_array_append_val (page, rows[i]);
  }
  return mr_admin_new_page ("usage", mr_admin_report_usage ((const MrUsageRow *) (gpointer) page->data, page->len),
                            next);
}

static void
on_usage (const MrUsageRow *rows, gsize n, const GError *error, gpointer data)
{
  g_autoptr (Waiting) waiting = data;

  if (waiting->response == NULL)
    return;
  if (error != NULL)
    fail_waiting (waiting, error);
  else
    mr_admin_send (g_steal_pointer (&waiting->response), 200, page_of_usage (waiting, rows, n));
}

void
mr_admin_on_usage (const MrAdminCall *call)
{
  const char *cursor = g_hash_table_lookup (call->query, "after");
  guint64 after = 0;
  g_autoptr (GError) error = NULL;
  gint64 from;
  gint64 to;
  guint limit;
  Waiting *waiting;

  if (cursor != NULL && !g_ascii_string_to_unsigned (cursor, 10, 0, G_MAXUINT32, &after, NULL)) {
    mr_admin_fail (call->response, MR_ERROR_INVALID_REQUEST, BAD_CURSOR);
    return;
  }
  if (!mr_admin_report_read_days (g_hash_table_lookup (call->query, "from"), g_hash_table_lookup (call->query, "to"),
                                  &from, &to, &error)) {
    mr_admin_fail (call->response, MR_ERROR_INVALID_REQUEST, error->message);
    return;
  }
  if ((limit = mr_admin_read_limit (call)) == 0)
    return;
  waiting = wait_for_store (call);
  waiting->key = g_strdup (g_hash_table_lookup (call->query, "key"));
  waiting->model = g_strdup (g_hash_table_lookup (call->query, "model"));
  waiting->limit = limit;
  waiting->after = after;
  mr_key_store_query_usage (call->admin->parts.store, from, to, on_usage, waiting);
}
