/* SPDX-License-Identifier: MIT */
/* Commands that change something: drain, refresh, cancel, and keys. See command.h. */
#include "command.h"

#include "ctl-error.h"
#include "fact.h"
#include "show.h"

#include <stdio.h>
#include <string.h>

/* A sentence, or as JSON what was changed. */
static void
print_done (const MrContext *context, const char *sentence, JsonNode *node)
{
  if (context->options->json) {
    mr_command_print_json (node);
  } else {
    GString *out = g_string_new (NULL);

    mr_style_append (&context->style, out, MR_COLOR_PLAIN, sentence);
    g_string_append_c (out, '\n');
    mr_command_print (out);
  }
}

static gboolean
do_it (MrSource *source, MrQuestionKind kind, const char *id, GError **error)
{
  const MrQuestion question = { .kind = kind, .id = id };
  g_autoptr (JsonNode) answer = mr_source_ask (source, &question, error);

  return answer != NULL;
}

gboolean
mr_command_drain (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);
  g_autoptr (JsonNode) list = source != NULL ? mr_source_list (source, MR_ASK_WORKERS, error) : NULL;
  g_autofree char *sentence = NULL;
  JsonNode *worker;

  if (list == NULL)
    return FALSE;
  worker = mr_command_resolve (list, "worker_id", "worker_name", "worker", context->arguments[0], error);
  if (worker == NULL || !do_it (source, MR_DO_DRAIN_WORKER, mr_fact_string (worker, "worker_id", ""), error))
    return FALSE;
  sentence = g_strdup_printf ("Worker %s gets no new requests and leaves when the %.0f it has are done.",
                              mr_fact_string (worker, "worker_name", "?"), mr_show_worker_load (worker));
  print_done (context, sentence, worker);
  return TRUE;
}

gboolean
mr_command_refresh (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);
  g_autoptr (JsonNode) list = source != NULL ? mr_source_list (source, MR_ASK_WORKERS, error) : NULL;
  g_autoptr (JsonNode) asked = NULL;
  g_autofree char *sentence = NULL;
  JsonNode *one = NULL;
  guint n = 0;

  if (list == NULL)
    return FALSE;
  if (context->arguments[0] != NULL) {
    one = mr_command_resolve (list, "worker_id", "worker_name", "worker", context->arguments[0], error);
    if (one == NULL)
      return FALSE;
  }
  for (guint i = 0; i < mr_fact_length (list); i++) {
    JsonNode *worker = mr_fact_item (list, i);

    if (one != NULL && worker != one)
      continue;
    if (!do_it (source, MR_DO_REFRESH_WORKER, mr_fact_string (worker, "worker_id", ""), error))
      return FALSE;
    n++;
  }
  sentence = one != NULL ? g_strdup_printf ("Worker %s looks at its backend's models again.",
                                            mr_fact_string (one, "worker_name", "?"))
                         : g_strdup_printf ("%u workers look at their backends' models again.", n);
  asked = mr_fact_wrap (one != NULL ? "worker" : "workers", one != NULL ? one : list);
  print_done (context, sentence, asked);
  return TRUE;
}

gboolean
mr_command_cancel (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);
  g_autoptr (JsonNode) list = source != NULL ? mr_source_list (source, MR_ASK_REQUESTS, error) : NULL;
  g_autofree char *sentence = NULL;
  JsonNode *request;

  if (list == NULL)
    return FALSE;
  request = mr_command_resolve (list, "id", "request_id", "request", context->arguments[0], error);
  if (request == NULL || !do_it (source, MR_DO_CANCEL_REQUEST, mr_fact_string (request, "id", ""), error))
    return FALSE;
  sentence = g_strdup_printf ("Request %s is cancelled.", mr_fact_string (request, "id", "?"));
  print_done (context, sentence, request);
  return TRUE;
}

/* --- Keys --- */

/* (transfer full): the key that the first argument names. */
static JsonNode *
find_key (const MrContext *context, MrSource *source, GError **error)
{
  g_autoptr (JsonNode) list = mr_source_list (source, MR_ASK_KEYS, error);
  JsonNode *key = list != NULL ? mr_command_resolve (list, "id", "name", "key", context->arguments[0], error) : NULL;

  return key != NULL ? json_node_copy (key) : NULL;
}

gboolean
mr_command_keys_show (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);
  g_autoptr (JsonNode) key = source != NULL ? find_key (context, source, error) : NULL;
  GString *out;

  if (key == NULL)
    return FALSE;
  if (context->options->json) {
    mr_command_print_json (key);
    return TRUE;
  }
  out = g_string_new (NULL);
  mr_show_key (&context->style, out, key);
  mr_command_print (out);
  return TRUE;
}

gboolean
mr_command_keys_revoke (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);
  g_autoptr (JsonNode) key = source != NULL ? find_key (context, source, error) : NULL;
  g_autofree char *sentence = NULL;

  if (key == NULL || !do_it (source, MR_DO_REVOKE_KEY, mr_fact_string (key, "id", ""), error))
    return FALSE;
  sentence = g_strdup_printf ("Key %s is revoked; what ran with it has ended.", mr_fact_string (key, "name", "?"));
  json_object_set_boolean_member (json_node_get_object (key), "revoked", TRUE);
  json_object_set_boolean_member (json_node_get_object (key), "live", FALSE);
  print_done (context, sentence, key);
  return TRUE;
}

static void
add_text (JsonObject *spec, const char *name, const char *text)
{
  if (text != NULL)
    json_object_set_string_member (spec, name, text);
}

static void
add_limit (JsonObject *spec, const char *name, guint limit)
{
  if (limit > 0)
    json_object_set_int_member (spec, name, limit);
}

/* The relay checks what the members hold; only its form of a time is not a person's. */
static JsonNode *
make_spec (const MrCtlOptions *options, const char *name)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *spec = json_object_new ();
  g_autofree char *end_of_day = options->expires != NULL && strlen (options->expires) == 10
                                    ? g_strconcat (options->expires, "T00:00:00Z", NULL)
                                    : NULL;

  add_text (spec, "name", name);
  add_text (spec, "scope", options->scope);
  add_text (spec, "priority", options->priority);
  add_text (spec, "expires_at", end_of_day != NULL ? end_of_day : options->expires);
  add_limit (spec, "requests_per_minute", options->requests_per_minute);
  add_limit (spec, "max_concurrent", options->max_concurrent);
  add_limit (spec, "tokens_per_day", options->tokens_per_day);
  if (options->models != NULL) {
    JsonArray *models = json_array_new ();

    for (char **model = options->models; *model != NULL; model++)
      json_array_add_string_element (models, *model);
    json_object_set_array_member (spec, "models", models);
  }
  json_node_take_object (node, spec);
  return node;
}

gboolean
mr_command_keys_create (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);
  g_autoptr (JsonNode) spec = make_spec (context->options, context->arguments[0]);
  const MrQuestion question = { .kind = MR_DO_CREATE_KEY, .spec = spec };
  g_autoptr (JsonNode) key = source != NULL ? mr_source_ask (source, &question, error) : NULL;
  GString *out;

  if (key == NULL)
    return FALSE;
  if (context->options->json) {
    mr_command_print_json (key);
    return TRUE;
  }
  /* Apart from the secret: `keys create NAME > file` makes a file for --api-key-file. */
  fprintf (stderr, "Key %s was made. Its secret is shown this once:\n", mr_fact_string (key, "id", "?"));
  out = g_string_new (NULL);
  mr_style_append (&context->style, out, MR_COLOR_ACCENT, mr_fact_string (key, "secret", ""));
  g_string_append_c (out, '\n');
  mr_command_print (out);
  return TRUE;
}
