/* SPDX-License-Identifier: MIT */
/*
 * `top`: asks, draws, waits, and listens to keys and signals. What a frame looks like is top-frame.c's business, what a
 * terminal is terminal.c's.
 *
 *   ask -> answer -> draw -> wait an interval -> ask ...      keys, signals: draw or end, at any time
 */
#include "command.h"

#include "fact.h"
#include "terminal.h"
#include "top-frame.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define LEAST_INTERVAL_MS 200
#define KEY_CTRL_C 0x03
#define KEY_CTRL_L 0x0c
#define KEY_CTRL_Z 0x1a

typedef struct {
  const MrContext *context;
  MrSource *source; /* Owned */
  GMainLoop *loop;
  GCancellable *cancellable;
  MrSnapshot *snapshot; /* Owned: the last one that came */
  MrTopRates rates;
  MrCtlSort sort;
  char *problem; /* Owned, nullable: why the last question failed */
  guint timer;
  gboolean asking;
} Top;

static void
draw (Top *top)
{
  g_autoptr (GString) out = g_string_new (NULL);
  MrStyle style = top->context->style;
  MrTopFrame frame = { .snapshot = top->snapshot,
                       .rates = &top->rates,
                       .place = top->source->place,
                       .problem = top->problem,
                       .sort = top->sort,
                       .keys = TRUE };

  mr_terminal_get_size (&style.width, &frame.lines);
  mr_top_frame_render (&frame, &style, out);
  mr_terminal_draw (out->str, frame.lines);
}

static gboolean on_interval (gpointer data);

static void
on_snapshot (GObject *object, GAsyncResult *result, gpointer data)
{
  Top *top = data;
  g_autoptr (GError) error = NULL;
  MrSnapshot *snapshot = mr_snapshot_fetch_finish (result, &error);

  top->asking = FALSE;
  g_clear_pointer (&top->problem, g_free);
  if (snapshot != NULL) {
    mr_snapshot_free (top->snapshot);
    top->snapshot = snapshot;
    mr_top_rates_add (&top->rates, snapshot->answers[MR_ASK_STATISTICS], g_get_monotonic_time ());
  } else {
    top->problem = g_strdup (error->message);
  }
  if (g_cancellable_is_cancelled (top->cancellable))
    return;
  draw (top);
  top->timer =
      g_timeout_add (MAX (LEAST_INTERVAL_MS, (guint) (top->context->options->interval_us / 1000)), on_interval, top);
}

static gboolean
on_interval (gpointer data)
{
  Top *top = data;

  top->timer = 0;
  top->asking = TRUE;
  mr_snapshot_fetch_async (top->source, MR_TOP_KINDS, top->cancellable, on_snapshot, top);
  return G_SOURCE_REMOVE;
}

static void
press (Top *top, char key)
{
  static const char sorts[MR_CTL_N_SORTS] = { 'n', 'l', 't', 'r' };
  const char *sort = memchr (sorts, key, sizeof sorts);

  if (key == 'q' || key == 'Q' || key == KEY_CTRL_C)
    g_main_loop_quit (top->loop);
  else if (key == KEY_CTRL_Z)
    mr_terminal_suspend ();
  else if (key == 's')
    top->sort = (MrCtlSort) ((top->sort + 1) % MR_CTL_N_SORTS);
  else if (sort != NULL)
    top->sort = (MrCtlSort) (sort - sorts);
}

static gboolean
on_keys (int fd, GIOCondition condition, gpointer data)
{
  Top *top = data;
  char keys[64];
  gssize n = read (fd, keys, sizeof keys);

  /* A terminal that has gone. */
  if (n <= 0) {
    g_main_loop_quit (top->loop);
    return G_SOURCE_REMOVE;
  }
  /* Arrows and the like are sequences of several bytes, whose letters mean nothing here. */
  if (keys[0] != '\033')
    for (gssize i = 0; i < n; i++)
      press (top, keys[i]);
  draw (top);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_end_signal (gpointer data)
{
  g_main_loop_quit (((Top *) data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_resize (gpointer data)
{
  draw (data);
  return G_SOURCE_CONTINUE;
}

static void
run_live (Top *top)
{
  guint sources[] = {
    g_unix_signal_add (SIGINT, on_end_signal, top),      g_unix_signal_add (SIGTERM, on_end_signal, top),
    g_unix_signal_add (SIGHUP, on_end_signal, top),      g_unix_signal_add (SIGWINCH, on_resize, top),
    g_unix_fd_add (STDIN_FILENO, G_IO_IN, on_keys, top),
  };

  top->timer =
      g_timeout_add (MAX (LEAST_INTERVAL_MS, (guint) (top->context->options->interval_us / 1000)), on_interval, top);
  draw (top);
  g_main_loop_run (top->loop);
  mr_terminal_leave ();
  g_cancellable_cancel (top->cancellable);
  while (top->asking)
    g_main_context_iteration (NULL, TRUE);
  g_clear_handle_id (&top->timer, g_source_remove);
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++) {
    GSource *source = g_main_context_find_source_by_id (NULL, sources[i]);

    if (source != NULL)
      g_source_destroy (source);
  }
}

static void
print_once (Top *top)
{
  GString *out = g_string_new (NULL);
  const MrTopFrame frame = {
    .snapshot = top->snapshot, .rates = &top->rates, .place = top->source->place, .sort = top->sort, .lines = G_MAXUINT
  };

  mr_top_frame_render (&frame, &top->context->style, out);
  mr_command_print (out);
}

static void
print_json (Top *top)
{
  static const struct {
    MrQuestionKind kind;
    const char *name;
  } parts[] = {
    { MR_ASK_STATUS, "relay" },
    { MR_ASK_STATISTICS, "statistics" },
    { MR_ASK_WORKERS, "workers" },
    { MR_ASK_REQUESTS, "requests" },
  };
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    if (top->snapshot->answers[parts[i].kind] != NULL)
      json_object_set_member (object, parts[i].name, json_node_copy (top->snapshot->answers[parts[i].kind]));
  json_node_take_object (node, object);
  mr_command_print_json (node);
}

static gboolean
run_top (Top *top, GError **error)
{
  const MrCtlOptions *options = top->context->options;

  top->snapshot = mr_snapshot_fetch (top->source, MR_TOP_KINDS, error);
  if (top->snapshot == NULL)
    return FALSE;
  mr_top_rates_add (&top->rates, top->snapshot->answers[MR_ASK_STATISTICS], g_get_monotonic_time ());
  if (options->json)
    print_json (top);
  else if (options->once || !mr_terminal_enter ())
    print_once (top);
  else
    run_live (top);
  return TRUE;
}

gboolean
mr_command_top (const MrContext *context, GError **error)
{
  Top top = { .context = context, .sort = (MrCtlSort) context->options->sort };
  gboolean done;

  top.source = mr_context_open (context, error);
  if (top.source == NULL)
    return FALSE;
  top.loop = g_main_loop_new (NULL, FALSE);
  top.cancellable = g_cancellable_new ();
  done = run_top (&top, error);
  mr_snapshot_free (top.snapshot);
  g_free (top.problem);
  g_object_unref (top.cancellable);
  g_main_loop_unref (top.loop);
  mr_source_free (top.source);
  return done;
}
