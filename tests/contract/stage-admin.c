/* SPDX-License-Identifier: MIT */
/*
 * The administrator of stage-admin.h.
 */
#include "stage-admin.h"

#include <string.h>

MrtResponse *
stage_admin (StageRelay *relay, const char *method, const char *target, const char *body)
{
  return mrt_client_ask (relay->port, method, target, STAGE_AUTHORIZATION, body);
}

void
stage_key_clear (StageKey *key)
{
  g_free (key->id);
  g_free (key->secret);
  g_free (key->header);
}

StageKey
stage_create_key (StageRelay *relay, const char *spec)
{
  g_autoptr (JsonObject) object = stage_admin_json (relay, "POST", "/admin/keys", spec, 201);
  const char *secret = mrt_json_string (object, "secret");

  return (StageKey){ .id = g_strdup (mrt_json_string (object, "id")),
                     .secret = g_strdup (secret),
                     .header = g_strdup_printf ("Authorization: Bearer %s\r\n", secret) };
}

void
stage_revoke_key (StageRelay *relay, const StageKey *key)
{
  g_autofree char *path = g_strdup_printf ("/admin/keys/%s", key->id);
  g_autoptr (MrtResponse) response = stage_admin (relay, "DELETE", path, NULL);

  g_assert_cmpuint (response->status, ==, 204);
}

void
stage_check_admin_head (MrtResponse *response)
{
  g_assert_cmpstr (mrt_head_get (response->head, "cache-control"), ==, "no-store");
  g_assert_cmpstr (mrt_head_get (response->head, "x-content-type-options"), ==, "nosniff");
  for (guint i = 0; i < response->head->names->len; i++)
    g_assert_false (g_str_has_prefix (response->head->names->pdata[i], "access-control-"));
}

JsonObject *
stage_admin_json (StageRelay *relay, const char *method, const char *target, const char *body, guint status)
{
  g_autoptr (MrtResponse) response = stage_admin (relay, method, target, body);

  if (response->status != status)
    g_error ("%s %s: expected %u, got %u: %s", method, target, status, response->status, response->body.data->str);
  stage_check_admin_head (response);
  g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, "application/json");
  g_assert_null (strstr (response->body.data->str, STAGE_TOKEN));
  g_assert_null (strstr (response->body.data->str, STAGE_SECRET));
  return mrt_json_parse (response->body.data->str);
}

char *
stage_admin_error (StageRelay *relay, const char *method, const char *target, const char *body, guint status,
                   const char *code)
{
  g_autoptr (MrtResponse) response = stage_admin (relay, method, target, body);

  stage_check_admin_head (response);
  return stage_check_error (response, status, code);
}

char *
stage_member_names (JsonObject *object, const char *path)
{
  JsonObject *at = path != NULL ? json_node_get_object (mrt_json_get (object, path)) : object;
  g_autoptr (GList) names = json_object_get_members (at);
  g_autoptr (GString) list = g_string_new (NULL);

  for (GList *name = names; name != NULL; name = name->next)
    g_string_append_printf (list, "%s%s", list->len > 0 ? "|" : "", (const char *) name->data);
  return g_string_free (g_steal_pointer (&list), FALSE);
}

JsonObject *
stage_element (JsonObject *object, const char *path, guint i)
{
  return json_array_get_object_element (json_node_get_array (mrt_json_get (object, path)), i);
}

guint
stage_length (JsonObject *object, const char *path)
{
  return json_array_get_length (json_node_get_array (mrt_json_get (object, path)));
}

StageEvents *
stage_events (StageRelay *relay, const char *last_event_id)
{
  StageEvents *events = g_new0 (StageEvents, 1);
  g_autofree char *headers = last_event_id != NULL
                                 ? g_strdup_printf (STAGE_AUTHORIZATION "Last-Event-ID: %s\r\n", last_event_id)
                                 : g_strdup (STAGE_AUTHORIZATION);

  events->stream = mrt_client_open (relay->port, "GET", "/admin/events", headers, NULL);
  events->response = mrt_client_receive_head (events->stream, FALSE);
  g_assert_cmpuint (events->response->status, ==, 200);
  g_assert_cmpstr (mrt_head_get (events->response->head, "content-type"), ==, "text/event-stream");
  stage_check_admin_head (events->response);
  return events;
}

static void
forget (StageEvents *events)
{
  g_clear_pointer (&events->name, g_free);
  g_clear_pointer (&events->data, json_object_unref);
}

void
stage_events_free (StageEvents *events)
{
  if (events == NULL)
    return;
  forget (events);
  mrt_response_free (events->response);
  mrt_stream_free (events->stream);
  g_free (events);
}

static void
take (StageEvents *events, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  forget (events);
  g_assert_cmpuint (g_strv_length (lines), ==, 3);
  g_assert_true (g_str_has_prefix (lines[0], "id: "));
  g_assert_true (g_str_has_prefix (lines[1], "event: "));
  g_assert_true (g_str_has_prefix (lines[2], "data: "));
  events->id = g_ascii_strtoull (lines[0] + strlen ("id: "), NULL, 10);
  events->name = g_strdup (lines[1] + strlen ("event: "));
  events->data = mrt_json_parse (lines[2] + strlen ("data: "));
}

gboolean
stage_events_next (StageEvents *events, int timeout_ms)
{
  gint64 deadline = mrt_now_ms () + timeout_ms;
  MrtBody *body = &events->response->body;

  for (;;) {
    const char *start = body->data->str + events->at;
    const char *end = strstr (start, "\n\n");

    if (end != NULL) {
      g_autofree char *text = g_strndup (start, (gsize) (end - start));

      events->at += (gsize) (end - start) + 2;
      if (text[0] == ':')
        continue;
      take (events, text);
      return TRUE;
    }
    if (!mrt_body_wait (body, body->data->len + 1, (int) MAX (0, deadline - mrt_now_ms ())))
      return FALSE;
  }
}

JsonObject *
stage_events_expect (StageEvents *events, const char *name)
{
  do {
    if (!stage_events_next (events, MRT_WAIT_MS))
      g_error ("waited for the event %s; the stream was: %s", name, events->response->body.data->str);
  } while (!g_str_equal (events->name, name) &&
           (g_str_equal (events->name, "stats") || g_str_equal (events->name, "history")));
  g_assert_cmpstr (events->name, ==, name);
  return events->data;
}

JsonObject *
stage_events_wait (StageEvents *events, const char *name, const char *member, const char *value)
{
  do {
    if (!stage_events_next (events, MRT_WAIT_MS))
      g_error ("waited for the event %s with %s %s; the stream was: %s", name, member, value,
               events->response->body.data->str);
  } while (!g_str_equal (events->name, name) || g_strcmp0 (mrt_json_string (events->data, member), value) != 0);
  return events->data;
}
