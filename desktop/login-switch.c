/* SPDX-License-Identifier: MIT */
/*
 * Start at login, as a switch. Its state follows only when the system has said yes. See login-switch.h.
 */
#include "login-switch.h"

#include "autostart.h"

#define KEY "modelrelay-login-switch"

typedef struct {
  GtkSwitch *button; /* Borrowed: owns this; NULL once it is gone */
  GtkLabel *problem;
  GSettings *settings;       /* Owned */
  GCancellable *cancellable; /* Owned: ends with the switch */
  gboolean asked;            /* the value that is being asked for */
  guint pending;
  gulong handler;
} LoginSwitch;

static void
login_switch_free (LoginSwitch *login)
{
  g_object_unref (login->settings);
  g_object_unref (login->cancellable);
}

static void
login_switch_unref (gpointer login)
{
  g_rc_box_release_full (login, (GDestroyNotify) login_switch_free);
}

static void
on_button_gone (gpointer data)
{
  LoginSwitch *login = data;
  login->button = NULL;
  g_cancellable_cancel (login->cancellable);
  login_switch_unref (login);
}

static void
show_state (LoginSwitch *login, gboolean enabled)
{
  g_signal_handler_block (login->button, login->handler);
  gtk_switch_set_active (login->button, enabled);
  gtk_switch_set_state (login->button, enabled);
  g_signal_handler_unblock (login->button, login->handler);
}

static void
show_problem (LoginSwitch *login, const char *sentence)
{
  gtk_label_set_label (login->problem, sentence != NULL ? sentence : "");
  gtk_widget_set_visible (GTK_WIDGET (login->problem), sentence != NULL);
  if (sentence != NULL) {
    gtk_accessible_update_property (GTK_ACCESSIBLE (login->button), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, sentence, -1);
  } else {
    gtk_accessible_reset_property (GTK_ACCESSIBLE (login->button), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION);
  }
}

static void
on_set (GObject *source, GAsyncResult *result, gpointer data)
{
  LoginSwitch *login = data;
  g_autoptr (GError) error = NULL;
  gboolean set = mr_autostart_set_finish (result, &error);

  login->pending--;
  /* Only the last of several answers counts, and none when nobody looks any more. */
  if (login->button != NULL && login->pending == 0) {
    if (set) {
      g_settings_set_boolean (login->settings, "start-at-login", login->asked);
    }
    show_state (login, set ? login->asked : !login->asked);
    show_problem (login, set ? NULL : error->message);
  }
  login_switch_unref (login);
}

static gboolean
on_state_set (GtkSwitch *button, gboolean enabled, gpointer data)
{
  LoginSwitch *login = data;
  login->asked = enabled;
  login->pending++;
  show_problem (login, NULL);
  mr_autostart_set_async (enabled, login->cancellable, on_set, g_rc_box_acquire (login));
  return TRUE;
}

void
mr_login_switch_bind (GtkSwitch *button, GtkLabel *problem, GSettings *settings)
{
  LoginSwitch *login = g_rc_box_new0 (LoginSwitch);
  login->button = button;
  login->problem = problem;
  login->settings = g_object_ref (settings);
  login->cancellable = g_cancellable_new ();
  login->handler = g_signal_connect (button, "state-set", G_CALLBACK (on_state_set), login);
  g_object_set_data_full (G_OBJECT (button), KEY, login, on_button_gone);
  show_state (login, mr_autostart_is_enabled (g_settings_get_boolean (settings, "start-at-login")));
}
