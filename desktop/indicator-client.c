/* SPDX-License-Identifier: MIT */
/*
 * Keeps the helper running and hears from it. See indicator-client.h.
 *
 *   started -> "visible" | "hidden" ... -> its output ends -> (back-off) -> started
 *
 * The end of its output is the end of the helper: it holds nothing else open.
 */
#include "indicator-client.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* The first restart is felt as none; a helper that cannot live costs a start a minute. */
#define FIRST_DELAY_MS 100
#define LAST_DELAY_MS 60000
/* A helper that lived this long was well: the next restart is a first one. */
#define WELL_AFTER_US (30 * G_USEC_PER_SEC)

struct _MrIndicatorClient {
  GObject parent;
  char *path;
  char *bus_name;            /* (nullable) */
  GSubprocess *helper;       /* (nullable): while it runs */
  GDataInputStream *output;  /* (nullable): of the helper */
  GCancellable *cancellable; /* of the reading */
  gint64 started_us;         /* monotonic */
  guint delay_ms;            /* before the next restart */
  guint restart_id;
  gboolean settled;
  gboolean visible;
  char *start_problem; /* (nullable): why the helper could not be started */
};

enum {
  PROP_0,
  PROP_VISIBLE,
  N_PROPERTIES,
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (MrIndicatorClient, mr_indicator_client, G_TYPE_OBJECT)

static void start_helper (MrIndicatorClient *self);

/* Tells also what is not new to `visible`: a reader may have waited for is_settled(). */
static void
set_visible (MrIndicatorClient *self, gboolean visible)
{
  if (self->settled && self->visible == visible)
    return;
  self->settled = TRUE;
  self->visible = visible;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_VISIBLE]);
}

static gboolean
on_restart_due (gpointer data)
{
  MrIndicatorClient *self = data;

  self->restart_id = 0;
  start_helper (self);
  return G_SOURCE_REMOVE;
}

static void
on_helper_gone (MrIndicatorClient *self)
{
  g_clear_object (&self->output);
  g_clear_object (&self->helper);
  if (g_get_monotonic_time () - self->started_us >= WELL_AFTER_US)
    self->delay_ms = FIRST_DELAY_MS;
  self->restart_id = g_timeout_add (self->delay_ms, on_restart_due, self);
  self->delay_ms = MIN (self->delay_ms * 4, LAST_DELAY_MS);
  set_visible (self, FALSE);
}

static void read_line (MrIndicatorClient *self);

static void
on_line (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL, &error);
  MrIndicatorClient *self = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* and the client is gone */
  if (line == NULL) {
    on_helper_gone (self);
    return;
  }
  read_line (self);
  if (g_str_equal (line, "visible"))
    set_visible (self, TRUE);
  else if (g_str_equal (line, "hidden"))
    set_visible (self, FALSE);
}

static void
read_line (MrIndicatorClient *self)
{
  g_data_input_stream_read_line_async (self->output, G_PRIORITY_DEFAULT, self->cancellable, on_line, self);
}

static void
start_helper (MrIndicatorClient *self)
{
  g_autoptr (GError) error = NULL;

  self->helper = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, self->path,
                                   self->bus_name, NULL);
  g_clear_pointer (&self->start_problem, g_free);
  if (self->helper == NULL) {
    /* It will not come by itself: a part of the installation is missing. */
    self->start_problem =
        g_strdup_printf (_ ("There is no tray icon: a part of ModelRelay could not be started (%s)."), error->message);
    set_visible (self, FALSE);
    return;
  }
  self->started_us = g_get_monotonic_time ();
  self->output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->helper));
  read_line (self);
}

MrIndicatorClient *
mr_indicator_client_new (const char *path, const char *bus_name)
{
  MrIndicatorClient *self = g_object_new (MR_TYPE_INDICATOR_CLIENT, NULL);

  self->path = g_strdup (path);
  self->bus_name = g_strdup (bus_name);
  if (bus_name != NULL)
    start_helper (self);
  else
    set_visible (self, FALSE);
  return self;
}

gboolean
mr_indicator_client_get_visible (MrIndicatorClient *client)
{
  return client->visible;
}

gboolean
mr_indicator_client_is_settled (MrIndicatorClient *client)
{
  return client->settled;
}

char *
mr_indicator_client_dup_problem (MrIndicatorClient *client)
{
  const char *desktop = g_getenv ("XDG_CURRENT_DESKTOP");

  if (client->visible)
    return NULL;
  if (client->bus_name == NULL)
    return g_strdup (_ ("There is no tray icon: the desktop’s session bus cannot be reached."));
  if (client->start_problem != NULL)
    return g_strdup (client->start_problem);
  if (desktop != NULL && strstr (desktop, "GNOME") != NULL)
    return g_strdup (_ ("There is no tray icon: GNOME shows one only with the extension “AppIndicator and "
                        "KStatusNotifierItem Support”."));
  return g_strdup (_ ("There is no tray icon: this desktop shows no tray."));
}

static void
mr_indicator_client_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  g_value_set_boolean (value, MR_INDICATOR_CLIENT (object)->visible);
}

static void
mr_indicator_client_dispose (GObject *object)
{
  MrIndicatorClient *self = MR_INDICATOR_CLIENT (object);

  g_clear_handle_id (&self->restart_id, g_source_remove);
  g_cancellable_cancel (self->cancellable);
  /* Ends the helper; a pipe does not block on its close. */
  if (self->helper != NULL)
    g_output_stream_close (g_subprocess_get_stdin_pipe (self->helper), NULL, NULL);
  g_clear_object (&self->output);
  g_clear_object (&self->helper);
  G_OBJECT_CLASS (mr_indicator_client_parent_class)->dispose (object);
}

static void
mr_indicator_client_finalize (GObject *object)
{
  MrIndicatorClient *self = MR_INDICATOR_CLIENT (object);

  g_clear_object (&self->cancellable);
  g_free (self->path);
  g_free (self->bus_name);
  g_free (self->start_problem);
  G_OBJECT_CLASS (mr_indicator_client_parent_class)->finalize (object);
}

static void
mr_indicator_client_class_init (MrIndicatorClientClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->get_property = mr_indicator_client_get_property;
  object_class->dispose = mr_indicator_client_dispose;
  object_class->finalize = mr_indicator_client_finalize;
  properties[PROP_VISIBLE] =
      g_param_spec_boolean ("visible", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
mr_indicator_client_init (MrIndicatorClient *self)
{
  self->cancellable = g_cancellable_new ();
  self->delay_ms = FIRST_DELAY_MS;
}
