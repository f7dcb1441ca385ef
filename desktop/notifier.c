/* SPDX-License-Identifier: MIT */
/*
 * One story per relay, told by one notification that replaces itself:
 *
 *   lost --grace without a word--> "lost" shown --restored--> "back" shown
 *   lost --restored within grace--> nothing        refused --> "refused" shown at once
 *
 * Bad news of a kind that was shown within the quiet time wait for its end, if they still hold then; a "back" is then
 * not shown, but takes the bad news away. So do pausing, disconnecting, removing the relay, and the setting.
 */
#include "notifier-private.h"

#include <glib/gi18n-lib.h>

#define GRACE_MS 5000
#define QUIET_MS (5 * 60 * 1000)

#define N_EVENTS (MR_SHARING_EVENT_REFUSED + 1)

struct _MrNotifier {
  GApplication *application; /* Borrowed: outlives us */
  MrSharing *sharing;        /* Owned */
  GSettings *settings;       /* Owned */
  GHashTable *stories;       /* Owned: URL -> Story */
  guint grace_ms;
  guint quiet_ms;
};

typedef struct {
  MrNotifier *notifier;
  char *url;                /* Owned */
  guint wait;               /* source: `bad` is not shown yet */
  MrSharingEvent bad;       /* of `wait` */
  gboolean shown;           /* bad news stand on the screen */
  gint64 last_us[N_EVENTS]; /* monotonic; 0 for never */
} Story;

static char *
notification_id (const Story *story)
{
  return g_strconcat ("relay ", story->url, NULL);
}

/* Whatever was or was to be told is no longer so. */
static void
end_story (Story *story)
{
  g_autofree char *id = notification_id (story);

  g_clear_handle_id (&story->wait, g_source_remove);
  if (story->shown) {
    g_application_withdraw_notification (story->notifier->application, id);
    story->shown = FALSE;
  }
}

static void
story_free (gpointer data)
{
  Story *story = data;

  end_story (story);
  g_free (story->url);
  g_free (story);
}

static Story *
find_story (MrNotifier *notifier, const char *url)
{
  Story *story = g_hash_table_lookup (notifier->stories, url);

  if (story == NULL) {
    story = g_new0 (Story, 1);
    story->notifier = notifier;
    story->url = g_strdup (url);
    g_hash_table_insert (notifier->stories, story->url, story);
  }
  return story;
}

/* (transfer full) */
static GNotification *
make_notification (const Story *story, MrSharingEvent event)
{
  g_autoptr (GNotification) notification = NULL;
  g_autofree char *body = NULL;

  switch (event) {
  case MR_SHARING_EVENT_LOST:
    notification = g_notification_new (_ ("Connection to the relay lost"));
    body = g_strdup_printf (_ ("%s cannot be reached. ModelRelay keeps trying."), story->url);
    break;
  case MR_SHARING_EVENT_RESTORED:
    notification = g_notification_new (_ ("Connected again"));
    body = g_strdup_printf (_ ("%s can use this machine’s models again."), story->url);
    break;
  case MR_SHARING_EVENT_REFUSED:
  default:
    notification = g_notification_new (_ ("The relay refuses this machine"));
    body = g_strdup_printf (_ ("%s does not accept this machine. Please check the worker secret and the provider."),
                            story->url);
    g_notification_add_button (notification, _ ("Settings"), "app.preferences");
    break;
  }
  g_notification_set_body (notification, body);
  g_notification_set_default_action (notification, event == MR_SHARING_EVENT_REFUSED ? "app.preferences" : "app.open");
  return g_steal_pointer (&notification);
}

static void
show (Story *story, MrSharingEvent event)
{
  g_autofree char *id = notification_id (story);
  g_autoptr (GNotification) notification = make_notification (story, event);

  g_application_send_notification (story->notifier->application, id, notification);
  story->last_us[event] = g_get_monotonic_time ();
  story->shown = event != MR_SHARING_EVENT_RESTORED;
}

static gboolean
is_on (MrNotifier *notifier)
{
  return g_settings_get_boolean (notifier->settings, "notifications");
}

/* Of the quiet time for news of this kind. */
static guint
remaining_ms (const Story *story, MrSharingEvent event)
{
  gint64 end_us = story->last_us[event] + (gint64) story->notifier->quiet_ms * 1000;
  gint64 now_us = g_get_monotonic_time ();

  return story->last_us[event] > 0 && end_us > now_us ? (guint) ((end_us - now_us) / 1000 + 1) : 0;
}

static gboolean
on_waited (gpointer data)
{
  Story *story = data;

  story->wait = 0;
  if (is_on (story->notifier)) {
    show (story, story->bad);
  }
  return G_SOURCE_REMOVE;
}

static void
tell_bad (Story *story, MrSharingEvent event)
{
  guint grace_ms = event == MR_SHARING_EVENT_LOST ? story->notifier->grace_ms : 0;

  g_clear_handle_id (&story->wait, g_source_remove);
  story->bad = event;
  story->wait = g_timeout_add (MAX (grace_ms, remaining_ms (story, event)), on_waited, story);
}

static void
on_relay_event (MrSharing *sharing, guint event, const char *url, gpointer data)
{
  MrNotifier *notifier = data;
  Story *story = find_story (notifier, url);

  if (event != MR_SHARING_EVENT_RESTORED) {
    tell_bad (story, event);
  } else if (story->shown && is_on (notifier) && remaining_ms (story, event) == 0) {
    g_clear_handle_id (&story->wait, g_source_remove);
    show (story, event);
  } else {
    end_story (story);
  }
}

/* The connection is as the owner, or a rule of the owner's, wants it: that is no news. */
static void
on_sharing_changed (MrSharing *sharing, gpointer data)
{
  MrNotifier *notifier = data;
  MrSharingState state = mr_sharing_get_state (sharing);
  gboolean at_rest = state == MR_SHARING_DISCONNECTED || state == MR_SHARING_PAUSED;
  g_auto (GStrv) relays = g_settings_get_strv (notifier->settings, "relays");
  GHashTableIter iter;
  gpointer url;
  gpointer story;

  g_hash_table_iter_init (&iter, notifier->stories);
  while (g_hash_table_iter_next (&iter, &url, &story)) {
    if (at_rest) {
      end_story (story);
    } else if (!g_strv_contains ((const char *const *) relays, url)) {
      g_hash_table_iter_remove (&iter);
    }
  }
}

static void
on_switched (GSettings *settings, const char *key, gpointer data)
{
  MrNotifier *notifier = data;
  GHashTableIter iter;
  gpointer story;

  g_hash_table_iter_init (&iter, notifier->stories);
  while (!is_on (notifier) && g_hash_table_iter_next (&iter, NULL, &story)) {
    end_story (story);
  }
}

MrNotifier *
mr_notifier_new_timed (GApplication *application, MrSharing *sharing, GSettings *settings, guint grace_ms,
                       guint quiet_ms)
{
  MrNotifier *notifier = g_new0 (MrNotifier, 1);

  notifier->application = application;
  notifier->sharing = g_object_ref (sharing);
  notifier->settings = g_object_ref (settings);
  notifier->stories = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, story_free);
  notifier->grace_ms = grace_ms;
  notifier->quiet_ms = quiet_ms;
  g_signal_connect (sharing, "relay-event", G_CALLBACK (on_relay_event), notifier);
  g_signal_connect (sharing, "changed", G_CALLBACK (on_sharing_changed), notifier);
  g_signal_connect (settings, "changed::notifications", G_CALLBACK (on_switched), notifier);
  return notifier;
}

MrNotifier *
mr_notifier_new (GApplication *application, MrSharing *sharing, GSettings *settings)
{
  return mr_notifier_new_timed (application, sharing, settings, GRACE_MS, QUIET_MS);
}

void
mr_notifier_free (MrNotifier *notifier)
{
  if (notifier == NULL) {
    return;
  }
  g_signal_handlers_disconnect_by_data (notifier->sharing, notifier);
  g_signal_handlers_disconnect_by_data (notifier->settings, notifier);
  g_hash_table_unref (notifier->stories);
  g_object_unref (notifier->settings);
  g_object_unref (notifier->sharing);
  g_free (notifier);
}
