/* SPDX-License-Identifier: MIT */
/*
 * Choosing whom to ask, and asking.
 *
 *   start, or a name on the bus comes or goes --> choose() --> mutter: watches that fire
 *                 ^                                      \---> X server, screen saver: ask, wait, ask ...
 *                 +------------- who fails is left out ------------+
 */
#include "idle-watch.h"

#include "idle-x11.h"

#include <string.h>
#include <unistd.h>

#define MUTTER_NAME "org.gnome.Mutter.IdleMonitor"
#define MUTTER_PATH "/org/gnome/Mutter/IdleMonitor/Core"
#define SAVER_NAME "org.freedesktop.ScreenSaver"
#define SAVER_PATH "/org/freedesktop/ScreenSaver"

#define MINUTE_MS (60 * 1000)

/* The owner is back: that long may it take until we notice. */
#define POLL_MS (10 * 1000)

/* In the order of preference. */
typedef enum { ASK_MUTTER, ASK_X11, ASK_SAVER, N_SOURCES } Source;

/* A name that may or may not be on the bus. */
typedef struct {
  guint watch;
  gboolean settled; /* the bus has answered */
  char *owner;      /* Owned: NULL while nobody has it */
} Name;

struct _MrIdleWatch {
  guint minutes;
  void (*changed) (gpointer data);
  gpointer data;

  GCancellable *life;   /* Owned */
  GDBusConnection *bus; /* Owned: NULL while or when there is none */
  gboolean bus_answered;
  Name mutter;
  Name saver;

  GCancellable *asking; /* Owned: of the present choice; NULL while there is none */
  Source source;        /* the present choice; N_SOURCES for nobody */
  gboolean broken[N_SOURCES];
  guint subscription; /* of Mutter's signal */
  guint32 idle_watch; /* Mutter's, 0 for none */
  guint32 active_watch;
  gboolean awaits_input; /* an active watch is there, or asked for */
  guint poll;            /* source */

  gboolean known; /* somebody tells, or may still */
  gboolean idle;
};

static void choose (MrIdleWatch *self);

static void
set (MrIdleWatch *self, gboolean known, gboolean idle)
{
  if (known != self->known || idle != self->idle) {
    self->known = known;
    self->idle = idle;
    self->changed (self->data);
  }
}

/* Returns: %TRUE for an answer that nobody waits for any more: @self may be gone */
static gboolean
is_late (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
leave_out (MrIdleWatch *self)
{
  self->broken[self->source] = TRUE;
  choose (self);
}

/* --- org.gnome.Mutter.IdleMonitor --- */

static void
call_mutter (MrIdleWatch *self, const char *method, GVariant *arguments, const char *reply_type,
             GAsyncReadyCallback callback)
{
  g_dbus_connection_call (self->bus, self->mutter.owner, MUTTER_PATH, MUTTER_NAME, method, arguments,
                          reply_type != NULL ? G_VARIANT_TYPE (reply_type) : NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                          callback != NULL ? self->asking : NULL, callback, self);
}

static void
on_active_watch (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  MrIdleWatch *self = data;

  if (reply != NULL) {
    g_variant_get (reply, "(u)", &self->active_watch);
  } else if (!is_late (error)) {
    leave_out (self);
  }
}

/* The session is idle: let the next input be told. */
static void
become_idle (MrIdleWatch *self)
{
  if (!self->awaits_input) {
    self->awaits_input = TRUE;
    call_mutter (self, "AddUserActiveWatch", NULL, "(u)", on_active_watch);
  }
  set (self, TRUE, TRUE);
}

static void
on_watch_fired (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
                GVariant *parameters, gpointer data)
{
  MrIdleWatch *self = data;
  guint32 id;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(u)"))) {
    return;
  }
  g_variant_get (parameters, "(u)", &id);
  if (id == self->idle_watch) {
    become_idle (self);
  } else if (id == self->active_watch) {
    self->active_watch = 0;
    self->awaits_input = FALSE;
    set (self, TRUE, FALSE);
  }
}

static void
on_idle_watch (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  MrIdleWatch *self = data;

  if (reply != NULL) {
    g_variant_get (reply, "(u)", &self->idle_watch);
  } else if (!is_late (error)) {
    leave_out (self);
  }
}

static void
on_mutter_time (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  MrIdleWatch *self = data;
  guint64 idle_ms = 0;

  if (reply == NULL) {
    if (!is_late (error)) {
      leave_out (self);
    }
    return;
  }
  g_variant_get (reply, "(t)", &idle_ms);
  if (idle_ms >= (guint64) self->minutes * MINUTE_MS) {
    become_idle (self);
  } else {
    set (self, TRUE, FALSE);
  }
}

/* First the watch, then the question: so no moment is left between them. */
static void
ask_mutter (MrIdleWatch *self)
{
  self->subscription =
      g_dbus_connection_signal_subscribe (self->bus, self->mutter.owner, MUTTER_NAME, "WatchFired", MUTTER_PATH, NULL,
                                          G_DBUS_SIGNAL_FLAGS_NONE, on_watch_fired, self, NULL);
  call_mutter (self, "AddIdleWatch", g_variant_new ("(t)", (guint64) self->minutes * MINUTE_MS), "(u)", on_idle_watch);
  call_mutter (self, "GetIdletime", NULL, "(t)", on_mutter_time);
}

static void
leave_mutter (MrIdleWatch *self)
{
  const guint32 watches[] = { self->idle_watch, self->active_watch };

  g_dbus_connection_signal_unsubscribe (self->bus, self->subscription);
  for (guint i = 0; i < G_N_ELEMENTS (watches); i++) {
    if (watches[i] != 0 && self->mutter.owner != NULL) {
      call_mutter (self, "RemoveWatch", g_variant_new ("(u)", watches[i]), NULL, NULL);
    }
  }
  self->subscription = 0;
  self->idle_watch = 0;
  self->active_watch = 0;
  self->awaits_input = FALSE;
}

/* --- the polled ones --- */

static void ask (MrIdleWatch *self);

static gboolean
on_poll (gpointer data)
{
  MrIdleWatch *self = data;

  self->poll = 0;
  ask (self);
  return G_SOURCE_REMOVE;
}

/* A session in use cannot be idle before the missing time has passed. */
static void
take_time (MrIdleWatch *self, gint64 idle_ms)
{
  gint64 missing_ms = (gint64) self->minutes * MINUTE_MS - idle_ms;

  self->poll = g_timeout_add ((guint) MAX (missing_ms, POLL_MS), on_poll, self);
  set (self, TRUE, missing_ms <= 0);
}

static void
on_x11_time (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  gint64 idle_ms = mr_idle_x11_query_finish (result, &error);
  MrIdleWatch *self = data;

  if (error == NULL) {
    take_time (self, idle_ms);
  } else if (!is_late (error)) {
    leave_out (self);
  }
}

static void
on_saver_time (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  MrIdleWatch *self = data;
  guint32 idle_ms = 0;

  if (reply != NULL) {
    g_variant_get (reply, "(u)", &idle_ms); /* Plasma counts milliseconds */
    take_time (self, idle_ms);
  } else if (!is_late (error)) {
    leave_out (self);
  }
}

static void
ask_saver (MrIdleWatch *self)
{
  g_dbus_connection_call (self->bus, self->saver.owner, SAVER_PATH, SAVER_NAME, "GetSessionIdleTime", NULL,
                          G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, self->asking, on_saver_time, self);
}

/* --- whom to ask --- */

static void
stop_asking (MrIdleWatch *self)
{
  g_cancellable_cancel (self->asking);
  g_clear_object (&self->asking);
  g_clear_handle_id (&self->poll, g_source_remove);
  if (self->subscription != 0) {
    leave_mutter (self);
  }
}

static gboolean
is_there (MrIdleWatch *self, Source source)
{
  switch (source) {
  case ASK_MUTTER:
    return self->mutter.owner != NULL;
  case ASK_X11:
    return mr_idle_x11_is_session ((const char *const *) environ);
  case ASK_SAVER:
    return self->saver.owner != NULL;
  case N_SOURCES:
  default:
    return TRUE;
  }
}

static void
ask (MrIdleWatch *self)
{
  switch (self->source) {
  case ASK_MUTTER:
    ask_mutter (self);
    break;
  case ASK_X11:
    mr_idle_x11_query_async (self->asking, on_x11_time, self);
    break;
  case ASK_SAVER:
    ask_saver (self);
    break;
  case N_SOURCES:
  default:
    set (self, FALSE, FALSE);
  }
}

static void
choose (MrIdleWatch *self)
{
  stop_asking (self);
  if (!self->bus_answered || (self->bus != NULL && (!self->mutter.settled || !self->saver.settled))) {
    return;
  }
  self->source = ASK_MUTTER;
  while (self->source < N_SOURCES && (self->broken[self->source] || !is_there (self, self->source))) {
    self->source++;
  }
  self->asking = g_cancellable_new ();
  ask (self);
}

static Name *
name_of (MrIdleWatch *self, const char *name)
{
  return g_str_equal (name, MUTTER_NAME) ? &self->mutter : &self->saver;
}

/* Somebody new deserves a new try. */
static void
on_owner (MrIdleWatch *self, const char *name, const char *owner)
{
  Name *entry = name_of (self, name);

  stop_asking (self);
  entry->settled = TRUE;
  g_free (entry->owner);
  entry->owner = g_strdup (owner);
  memset (self->broken, 0, sizeof self->broken);
  choose (self);
}

static void
on_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  on_owner (data, name, owner);
}

static void
on_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  on_owner (data, name, NULL);
}

static void
on_bus (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_finish (result, &error);
  MrIdleWatch *self = data;

  if (is_late (error)) {
    return;
  }
  self->bus_answered = TRUE;
  if (bus != NULL) {
    self->bus = g_steal_pointer (&bus);
    self->mutter.watch = g_bus_watch_name_on_connection (self->bus, MUTTER_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                         on_appeared, on_vanished, self, NULL);
    self->saver.watch = g_bus_watch_name_on_connection (self->bus, SAVER_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                        on_appeared, on_vanished, self, NULL);
  }
  choose (self);
}

MrIdleWatch *
mr_idle_watch_new (guint minutes, void (*changed) (gpointer data), gpointer data)
{
  MrIdleWatch *self = g_new0 (MrIdleWatch, 1);

  self->minutes = minutes;
  self->changed = changed;
  self->data = data;
  self->known = TRUE;
  self->life = g_cancellable_new ();
  g_bus_get (G_BUS_TYPE_SESSION, self->life, on_bus, self);
  return self;
}

static void
clear_name (Name *name)
{
  if (name->watch != 0) {
    g_bus_unwatch_name (name->watch);
  }
  g_free (name->owner);
}

void
mr_idle_watch_free (MrIdleWatch *self)
{
  if (self == NULL) {
    return;
  }
  g_cancellable_cancel (self->life);
  g_object_unref (self->life);
  stop_asking (self);
  clear_name (&self->mutter);
  clear_name (&self->saver);
  g_clear_object (&self->bus);
  g_free (self);
}

guint
mr_idle_watch_get_minutes (MrIdleWatch *self)
{
  return self->minutes;
}

gboolean
mr_idle_watch_get (MrIdleWatch *self, gboolean *known)
{
  *known = self->known;
  return self->idle;
}
