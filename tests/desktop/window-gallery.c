/* SPDX-License-Identifier: MIT */
/*
 * Pictures of the main window in its states, for the eye and for the documentation:
 *
 *   with-session --display window-gallery SCENE PICTURE.png WIDTH HEIGHT [TEXT-SCALE]
 *
 * GTK_THEME=Adwaita:dark makes it dark, LANGUAGE=de with LC_ALL=C.UTF-8 German.
 */
#include "window-stage.h"

#include <libintl.h>
#include <math.h>
#include <stdlib.h>

static void
fill_history (void)
{
  window_stage.rate = 41;
  for (guint i = 30; i < MR_SHARING_HISTORY_SECONDS; i++)
    window_stage.history[i] = (guint) (i < 70 ? 22 + 6 * sin (i / 2.0) : i < 82 ? 0 : 42 + 9 * sin (i / 3.0));
}

static void
show_first (void)
{
}

static void
show_idle (void)
{
  window_stage_serve ("llama-3.1-8b-instruct", "qwen2.5-coder-14b", "nomic-embed-text", NULL);
  g_hash_table_add (window_stage.hidden, g_strdup ("nomic-embed-text"));
  window_stage.today = (MrSharingToday){ 12, 0, 3410, 18922, 754 };
}

static void
show_relaying (void)
{
  show_idle ();
  fill_history ();
  window_stage_run ("llama-3.1-8b-instruct", "https://relay.example", 74, 1240);
  window_stage_run ("qwen2.5-coder-14b", "https://relay.example", 3, 87);
  window_stage.headline = "Relaying 2 requests";
}

static void
show_paused (void)
{
  show_idle ();
  window_stage.state = MR_SHARING_PAUSED;
  window_stage.pause = (MrPauseVerdict){ .reason = MR_PAUSE_BY_OWNER, .until_unix = 1 };
  window_stage.headline = "Paused";
  window_stage.details = "Paused until 14:30.";
  window_stage.tray_problem = "There is no tray to show the icon. On GNOME it needs the AppIndicator extension.";
}

static void
show_error (void)
{
  show_idle ();
  window_stage.models[0] = NULL;
  window_stage.backend_is_up = FALSE;
  window_stage.state = MR_SHARING_ERROR;
  window_stage.headline = "The model server does not answer";
  window_stage.details =
      "Connected to https://relay.example.\nThe model server at http://127.0.0.1:8000 does not answer. "
      "Start it, or change its address in the settings.";
  window_stage.secrets = MR_SECRETS_LOCKED;
  window_stage.keyring_problem = "The keyring is locked. Unlock it so that the worker secrets can be read.";
}

static void
show_many (void)
{
  static char names[STAGE_MAX][80];

  show_relaying ();
  for (guint i = 0; i < 12; i++) {
    g_snprintf (names[i], sizeof names[i], "some-publisher/a-model-with-a-very-long-name-%u-instruct-q4_k_m.gguf", i);
    window_stage.models[i] = names[i];
  }
  window_stage.models[12] = NULL;
  window_stage.requests[0].model = names[0];
  window_stage.requests[1].relay_url = (char *) "https://relay-with-a-long-name.department.company.example:8443/";
  window_stage.today = (MrSharingToday){ 1234567, 321, 987654321, 123456789, 80000 };
}

static const struct {
  const char *name;
  void (*show) (void);
} scenes[] = {
  { "first", show_first },   { "idle", show_idle },   { "relaying", show_relaying },
  { "paused", show_paused }, { "error", show_error }, { "many", show_many },
};

static void
save (GtkWindow *window, const char *path)
{
  g_autoptr (GdkPaintable) paintable = gtk_widget_paintable_new (GTK_WIDGET (window));
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  g_autoptr (GskRenderNode) node = NULL;
  g_autoptr (GdkTexture) texture = NULL;
  int width = gtk_widget_get_width (GTK_WIDGET (window));
  int height = gtk_widget_get_height (GTK_WIDGET (window));

  gdk_paintable_snapshot (paintable, snapshot, width, height);
  node = gtk_snapshot_free_to_node (snapshot);
  texture = gsk_renderer_render_texture (gtk_native_get_renderer (GTK_NATIVE (window)), node, NULL);
  if (!gdk_texture_save_to_png (texture, path))
    g_error ("cannot write %s", path);
}

static gboolean
on_time (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  g_autoptr (MrApplication) application = NULL;
  gboolean drawn = FALSE;
  GtkWindow *window;

  if (argc < 5)
    g_error ("usage: %s SCENE PICTURE.png WIDTH HEIGHT [TEXT-SCALE]", argv[0]);
  bindtextdomain (GETTEXT_PACKAGE, MR_LOCALE_DIR);
  textdomain (GETTEXT_PACKAGE);
  application = window_stage_new ();
  if (argc > 5)
    g_object_set (gtk_settings_get_default (), "gtk-xft-dpi", (int) (96 * 1024 * atof (argv[5])), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (scenes); i++)
    if (g_str_equal (scenes[i].name, argv[1]))
      scenes[i].show ();
  window_stage_changed ();
  window = mr_window_new (application);
  gtk_window_set_default_size (window, atoi (argv[3]), atoi (argv[4]));
  gtk_window_present (window);
  /* Banners slide in. */
  g_timeout_add (700, on_time, &drawn);
  while (!drawn)
    g_main_context_iteration (NULL, TRUE);
  save (window, argv[2]);
  gtk_window_destroy (window);
  return EXIT_SUCCESS;
}
