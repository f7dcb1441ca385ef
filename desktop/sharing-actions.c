/* SPDX-License-Identifier: MIT */
/*
 * One function an order, and when it makes sense. See sharing-actions.h.
 */
#include "sharing-actions.h"

#define HOUR_SECONDS 3600

static void
on_connect (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  mr_sharing_connect (data);
}

static void
on_disconnect (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  mr_sharing_disconnect (data);
}

static void
on_pause (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  mr_sharing_pause (data, MR_PAUSED_UNTIL_RESUMED);
}

static void
on_pause_hour (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  mr_sharing_pause (data, g_get_real_time () / G_USEC_PER_SEC + HOUR_SECONDS);
}

static void
on_pause_tomorrow (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  mr_sharing_pause (data, mr_pause_tomorrow (now));
}

static void
on_resume (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  mr_sharing_resume (data);
}

static void
on_toggle_pause (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  if (mr_sharing_get_pause (data)->reason == MR_PAUSE_BY_OWNER)
    mr_sharing_resume (data);
  else
    mr_sharing_pause (data, MR_PAUSED_UNTIL_RESUMED);
}

static void
on_hand_back (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  mr_sharing_hand_back (data);
}

static void
on_refresh_models (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  mr_sharing_refresh_models (data);
}

static void
set_enabled (GActionMap *map, const char *name, gboolean enabled)
{
  g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (map, name)), enabled);
}

static void
on_changed (MrSharing *sharing, GActionMap *map)
{
  gboolean wanted = mr_sharing_is_wanted (sharing);
  gboolean paused = mr_sharing_get_pause (sharing)->reason == MR_PAUSE_BY_OWNER;

  set_enabled (map, "connect", !wanted);
  set_enabled (map, "disconnect", wanted);
  set_enabled (map, "pause", wanted && !paused);
  set_enabled (map, "pause-hour", wanted);
  set_enabled (map, "pause-tomorrow", wanted);
  set_enabled (map, "resume", paused);
  set_enabled (map, "toggle-pause", wanted || paused);
  set_enabled (map, "hand-back", mr_sharing_get_state (sharing) == MR_SHARING_RELAYING);
  set_enabled (map, "refresh-models", mr_sharing_get_worker (sharing) != NULL);
}

void
mr_sharing_actions_add (GActionMap *map, MrSharing *sharing)
{
  static const GActionEntry entries[] = {
    { "connect", on_connect },
    { "disconnect", on_disconnect },
    { "pause", on_pause },
    { "pause-hour", on_pause_hour },
    { "pause-tomorrow", on_pause_tomorrow },
    { "resume", on_resume },
    { "toggle-pause", on_toggle_pause },
    { "hand-back", on_hand_back },
    { "refresh-models", on_refresh_models },
  };

  g_action_map_add_action_entries (map, entries, G_N_ELEMENTS (entries), sharing);
  g_signal_connect_object (sharing, "changed", G_CALLBACK (on_changed), map, 0);
  on_changed (sharing, map);
}
