/* SPDX-License-Identifier: MIT */
/*
 * See prefs-stage.h.
 */
#include "prefs-stage.h"

#define DEADLINE_US (10 * G_USEC_PER_SEC)

struct _MrApplication {
  GtkApplication parent_instance;

  MrReactor *reactor;
  GSettings *settings;
  MrSecrets *secrets;
  MrConditions *conditions;
  MrSharing *sharing;
};

G_DEFINE_FINAL_TYPE (MrApplication, mr_application, GTK_TYPE_APPLICATION)

static void
load_style (void)
{
  g_autoptr (GtkCssProvider) provider = gtk_css_provider_new ();
  gtk_css_provider_load_from_resource (provider, "/org/modelrelay/Desktop/style.css");
  gtk_style_context_add_provider_for_display (gdk_display_get_default (), GTK_STYLE_PROVIDER (provider),
                                              GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
}

/* There can be but one in a process: GTK does not take back what it shows on the bus before the main loop has run. */
static MrApplication *
get_application (void)
{
  static MrApplication *self = NULL;
  g_autoptr (GError) error = NULL;
  if (self == NULL) {
    self = g_object_new (mr_application_get_type (), "flags", G_APPLICATION_NON_UNIQUE, NULL);
    g_application_register (G_APPLICATION (self), NULL, &error);
    g_assert_no_error (error);
    load_style ();
  }
  return self;
}

MrApplication *
prefs_stage_new (void)
{
  MrApplication *self = get_application ();
  g_autofree char *state_dir = g_build_filename (g_get_user_state_dir (), "modelrelay-desktop", NULL);
  self->reactor = mr_reactor_new (NULL);
  self->settings = g_settings_new ("org.modelrelay.Desktop");
  self->secrets = mr_secrets_new ();
  self->conditions = mr_conditions_new ();
  self->sharing = mr_sharing_new (self->reactor, self->settings, self->secrets, self->conditions, state_dir);
  return self;
}

static void
note_done (gpointer data)
{
  *(gboolean *) data = TRUE;
}

static gboolean
is_set (gpointer data)
{
  return *(gboolean *) data;
}

static void
on_secrets_loaded (GObject *source, GAsyncResult *result, gpointer data)
{
  note_done (data);
}

/* The secrets do one thing after the other: with a load everything before it has ended. */
void
prefs_stage_settle_secrets (MrApplication *self)
{
  static const char *const none[] = { NULL };
  gboolean done = FALSE;
  mr_secrets_load_async (self->secrets, none, FALSE, NULL, on_secrets_loaded, &done);
  prefs_stage_wait (is_set, &done);
}

void
prefs_stage_free (MrApplication *self)
{
  gboolean done = FALSE;
  prefs_stage_settle_secrets (self);
  mr_sharing_quit (self->sharing, 1, note_done, &done);
  prefs_stage_wait (is_set, &done);
  g_clear_object (&self->sharing);
  g_clear_object (&self->conditions);
  g_clear_object (&self->secrets);
  /* The memory backend is one for all tests of a program. */
  g_auto (GStrv) keys = NULL;
  g_autoptr (GSettingsSchema) schema = NULL;
  g_object_get (self->settings, "settings-schema", &schema, NULL);
  keys = g_settings_schema_list_keys (schema);
  for (char **key = keys; *key != NULL; key++) {
    g_settings_reset (self->settings, *key);
  }
  g_clear_object (&self->settings);
  prefs_stage_turn ();
  g_clear_pointer (&self->reactor, mr_reactor_free);
}

/* --- the main loop --- */

void
prefs_stage_turn (void)
{
  while (g_main_context_iteration (NULL, FALSE)) {
  }
}

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
prefs_stage_wait (gboolean (*condition) (gpointer data), gpointer data)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_US;
  guint tick = g_timeout_add (20, on_tick, NULL);
  while (!condition (data)) {
    g_main_context_iteration (NULL, TRUE);
    if (g_get_monotonic_time () >= deadline) {
      g_error ("what was waited for does not come");
    }
  }
  g_source_remove (tick);
}

/* --- widgets --- */

static GtkWidget *
find (GtkWidget *widget, const char *id)
{
  if (g_strcmp0 (gtk_buildable_get_buildable_id (GTK_BUILDABLE (widget)), id) == 0) {
    return widget;
  }
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child)) {
    GtkWidget *found = find (child, id);
    if (found != NULL) {
      return found;
    }
  }
  return NULL;
}

GtkWidget *
prefs_stage_find (GtkWidget *root, const char *id)
{
  GtkWidget *widget = find (root, id);
  if (widget == NULL) {
    g_error ("there is no %s", id);
  }
  return widget;
}

void
prefs_stage_type (GtkWidget *root, const char *id, const char *text)
{
  gtk_editable_set_text (GTK_EDITABLE (prefs_stage_find (root, id)), text);
}

void
prefs_stage_click (GtkWidget *root, const char *id)
{
  GtkWidget *button = prefs_stage_find (root, id);
  g_assert_true (gtk_widget_is_sensitive (button));
  g_signal_emit_by_name (button, "clicked");
}

static gboolean
is_control (GtkWidget *widget)
{
  return GTK_IS_ENTRY (widget) || GTK_IS_PASSWORD_ENTRY (widget) || GTK_IS_SPIN_BUTTON (widget) ||
         GTK_IS_SWITCH (widget) || GTK_IS_CHECK_BUTTON (widget) || GTK_IS_DROP_DOWN (widget) ||
         (GTK_IS_BUTTON (widget) && gtk_button_get_icon_name (GTK_BUTTON (widget)) != NULL);
}

/* What is inside of a control is GTK's. */
void
prefs_stage_check_names (GtkWidget *root)
{
  if (is_control (root)) {
    gboolean named = gtk_test_accessible_has_property (GTK_ACCESSIBLE (root), GTK_ACCESSIBLE_PROPERTY_LABEL) ||
                     gtk_test_accessible_has_relation (GTK_ACCESSIBLE (root), GTK_ACCESSIBLE_RELATION_LABELLED_BY);
    if (!named) {
      g_error ("a %s (%s) has no name", G_OBJECT_TYPE_NAME (root),
               gtk_buildable_get_buildable_id (GTK_BUILDABLE (root)));
    }
    return;
  }
  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL;
       child = gtk_widget_get_next_sibling (child)) {
    prefs_stage_check_names (child);
  }
}

/* --- what the windows ask --- */

MrReactor *
mr_application_get_reactor (MrApplication *self)
{
  return self->reactor;
}

GSettings *
mr_application_get_settings (MrApplication *self)
{
  return self->settings;
}

MrSecrets *
mr_application_get_secrets (MrApplication *self)
{
  return self->secrets;
}

MrConditions *
mr_application_get_conditions (MrApplication *self)
{
  return self->conditions;
}

MrSharing *
mr_application_get_sharing (MrApplication *self)
{
  return self->sharing;
}

static void
mr_application_class_init (MrApplicationClass *klass)
{
}

static void
mr_application_init (MrApplication *self)
{
}
