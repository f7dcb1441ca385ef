/* SPDX-License-Identifier: MIT */
/* Commands that only look: status, workers, models, requests, usage. See command.h. */
#include "command.h"

#include "ctl-error.h"
#include "fact.h"
#include "show.h"

#include <stdio.h>
#include <string.h>

#define BIT(kind) (1u << (kind))

/* Every answer to a list, as the admin API gives it. */
static void
print_list_json (MrQuestionKind kind, JsonNode *list)
{
  g_autoptr (JsonNode) node = mr_fact_wrap (mr_source_list_name (kind), list);

  mr_command_print_json (node);
}

static JsonNode *
ask_list (const MrContext *context, MrQuestionKind kind, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);

  return source != NULL ? mr_source_list (source, kind, error) : NULL;
}

static void
print_status_json (const MrSnapshot *snapshot)
{
  static const struct {
    MrQuestionKind kind;
    const char *name;
  } parts[] = {
    { MR_ASK_STATUS, "relay" },  { MR_ASK_STATISTICS, "statistics" },       { MR_ASK_WORKERS, "workers" },
    { MR_ASK_MODELS, "models" }, { MR_ASK_LOCAL_WORKERS, "local_workers" },
  };
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    json_object_set_member (object, parts[i].name, json_node_copy (snapshot->answers[parts[i].kind]));
  json_node_take_object (node, object);
  mr_command_print_json (node);
}

gboolean
mr_command_status (const MrContext *context, GError **error)
{
  g_autoptr (MrSource) source = mr_context_open (context, error);
  g_autoptr (MrSnapshot) snapshot = NULL;
  GString *out;

  if (source == NULL)
    return FALSE;
  snapshot = mr_snapshot_fetch (source,
                                BIT (MR_ASK_STATUS) | BIT (MR_ASK_STATISTICS) | BIT (MR_ASK_WORKERS) |
                                    BIT (MR_ASK_MODELS) | BIT (MR_ASK_LOCAL_WORKERS),
                                error);
  if (snapshot == NULL)
    return FALSE;
  if (context->options->json) {
    print_status_json (snapshot);
    return TRUE;
  }
  out = g_string_new (NULL);
  mr_show_status (&context->style, out, snapshot, source->place);
  mr_command_print (out);
  return TRUE;
}

static gboolean
show_list (const MrContext *context, MrQuestionKind kind,
           void (*show) (const MrStyle *style, GString *out, JsonNode *list), GError **error)
{
  g_autoptr (JsonNode) list = ask_list (context, kind, error);
  GString *out;

  if (list == NULL)
    return FALSE;
  if (context->options->json) {
    print_list_json (kind, list);
    return TRUE;
  }
  out = g_string_new (NULL);
  show (&context->style, out, list);
  mr_command_print (out);
  return TRUE;
}

static void
show_all_requests (const MrStyle *style, GString *out, JsonNode *list)
{
  mr_show_requests (style, out, list, G_MAXUINT);
}

gboolean
mr_command_workers (const MrContext *context, GError **error)
{
  return show_list (context, MR_ASK_WORKERS, mr_show_workers, error);
}

gboolean
mr_command_models (const MrContext *context, GError **error)
{
  return show_list (context, MR_ASK_MODELS, mr_show_models, error);
}

gboolean
mr_command_requests (const MrContext *context, GError **error)
{
  return show_list (context, MR_ASK_REQUESTS, show_all_requests, error);
}

gboolean
mr_command_keys_list (const MrContext *context, GError **error)
{
  return show_list (context, MR_ASK_KEYS, mr_show_keys, error);
}

/* --- Usage --- */

static gboolean
check_day (const char *option, const char *text, GError **error)
{
  guint year, month, day;
  int end = 0;

  if (text == NULL)
    return TRUE;
  if (strlen (text) == 10 && sscanf (text, "%4u-%2u-%2u%n", &year, &month, &day, &end) == 3 && end == 10 &&
      g_date_valid_dmy ((GDateDay) day, (GDateMonth) month, (GDateYear) year))
    return TRUE;
  return mr_ctl_fail (error, MR_CTL_USAGE, "--%s: \"%s\" is not a day; it looks like 2026-01-31", option, text);
}

/* What --key means: an id, a name, or the first characters of the id. */
static gboolean
is_key (JsonNode *row, const char *wanted)
{
  const char *id = mr_fact_string (row, "key_id", "");

  return strcmp (mr_fact_string (row, "key_name", ""), wanted) == 0 || strcmp (id, wanted) == 0 ||
         (strlen (wanted) >= 4 && g_str_has_prefix (id, wanted));
}

static JsonNode *
filter_usage (const MrCtlOptions *options, JsonNode *list)
{
  JsonNode *node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *kept = json_array_new ();

  for (guint i = 0; i < mr_fact_length (list); i++) {
    JsonNode *row = mr_fact_item (list, i);

    if ((options->model == NULL || strcmp (mr_fact_string (row, "model", ""), options->model) == 0) &&
        (options->key == NULL || is_key (row, options->key)))
      json_array_add_element (kept, json_node_copy (row));
  }
  json_node_take_array (node, kept);
  return node;
}

gboolean
mr_command_usage (const MrContext *context, GError **error)
{
  const MrCtlOptions *options = context->options;
  const MrQuestion question = { .kind = MR_ASK_USAGE, .from = options->from, .to = options->to };
  g_autoptr (MrSource) source = NULL;
  g_autoptr (JsonNode) all = NULL;
  g_autoptr (JsonNode) list = NULL;
  GString *out;

  if (!check_day ("from", options->from, error) || !check_day ("to", options->to, error))
    return FALSE;
  source = mr_context_open (context, error);
  all = source != NULL ? mr_source_ask (source, &question, error) : NULL;
  if (all == NULL)
    return FALSE;
  list = filter_usage (options, all);
  if (options->json) {
    print_list_json (MR_ASK_USAGE, list);
    return TRUE;
  }
  out = g_string_new (NULL);
  mr_show_usage (&context->style, out, list);
  mr_command_print (out);
  return TRUE;
}
