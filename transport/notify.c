/* SPDX-License-Identifier: MIT */
/*
 * The notify protocol's datagrams. See notify.h. What the status says is its owner's business.
 */
#include "notify.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

/* A busy relay changes with every request. */
#define STATUS_INTERVAL_USEC (2 * G_USEC_PER_SEC)

struct _MrNotify {
  MrReactor *reactor;      /* Borrowed */
  GSocket *socket;         /* Owned; NULL when nobody listens */
  GSocketAddress *address; /* Owned; the same */
  MrNotifyStatus status_func;
  gpointer status_data;
  char *status; /* as it was sent last; nullable */
  gint64 status_us;
  MrTimer status_timer;
  gint64 watchdog_us; /* between two signs of life */
  MrTimer watchdog_timer;
};

/* (transfer full) (nullable): a path, or with '@' a name in the abstract namespace; other kinds are for virtual
 * machines */
static GSocketAddress *
parse_address (const char *text)
{
  if (text == NULL || (text[0] != '/' && text[0] != '@') || text[1] == '\0')
    return NULL;
  return text[0] == '/' ? g_unix_socket_address_new (text)
                        : g_unix_socket_address_new_with_type (text + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
}

/* A change of state has to arrive and comes seldom, so it may wait for room in the manager's queue. The rest comes
 * again. */
static gboolean
send_message (MrNotify *notify, const char *message, gboolean wait)
{
  if (notify->socket == NULL)
    return FALSE;
  g_socket_set_blocking (notify->socket, wait);
  return g_socket_send_to (notify->socket, notify->address, message, strlen (message), NULL, NULL) > 0;
}

/* (transfer full): as one line, for a line break would begin another assignment, and a status may quote a peer */
static char *
ask_status (MrNotify *notify)
{
  return g_strdelimit (notify->status_func (notify->status_data), "\r\n", ' ');
}

/* @status: (transfer full): was sent */
static void
note_status (MrNotify *notify, char *status)
{
  g_free (notify->status);
  notify->status = status;
  notify->status_us = mr_reactor_now (notify->reactor);
}

static void
send_state (MrNotify *notify, const char *state)
{
  g_autofree char *status = ask_status (notify);
  g_autofree char *message = g_strdup_printf ("%s\nSTATUS=%s", state, status);

  if (send_message (notify, message, TRUE))
    note_status (notify, g_steal_pointer (&status));
}

static void
on_status_due (MrTimer *timer)
{
  MrNotify *notify = MR_OWNER_OF (timer, MrNotify, status_timer);
  g_autofree char *status = ask_status (notify);
  g_autofree char *message = g_strconcat ("STATUS=", status, NULL);

  if (g_strcmp0 (status, notify->status) != 0 && send_message (notify, message, FALSE))
    note_status (notify, g_steal_pointer (&status));
}

static void
on_watchdog_due (MrTimer *timer)
{
  MrNotify *notify = MR_OWNER_OF (timer, MrNotify, watchdog_timer);

  (void) send_message (notify, "WATCHDOG=1", FALSE);
  mr_timer_set (timer, mr_reactor_now (notify->reactor) + notify->watchdog_us);
}

/* Half of what the manager allows; 0 without a watchdog, or with one that is for another process
 * (sd_watchdog_enabled(3)).
 */
static gint64
watchdog_interval (void)
{
  const char *pid = g_getenv ("WATCHDOG_PID");
  const char *interval = g_getenv ("WATCHDOG_USEC");
  guint64 usec;

  if (interval == NULL || !g_ascii_string_to_unsigned (interval, 10, 2, G_MAXINT64, &usec, NULL))
    return 0;
  return pid == NULL || g_ascii_strtoll (pid, NULL, 10) == getpid () ? (gint64) usec / 2 : 0;
}

MrNotify *
mr_notify_new (MrReactor *reactor, MrNotifyStatus status, gpointer data)
{
  MrNotify *notify = g_new0 (MrNotify, 1);

  notify->reactor = reactor;
  notify->status_func = status;
  notify->status_data = data;
  mr_timer_init (&notify->status_timer, reactor, on_status_due);
  mr_timer_init (&notify->watchdog_timer, reactor, on_watchdog_due);
  notify->address = parse_address (g_getenv ("NOTIFY_SOCKET"));
  if (notify->address == NULL)
    return notify;
  notify->socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  notify->watchdog_us = watchdog_interval ();
  if (notify->watchdog_us > 0)
    mr_timer_set (&notify->watchdog_timer, mr_reactor_now (reactor) + notify->watchdog_us);
  return notify;
}

void
mr_notify_free (MrNotify *notify)
{
  if (notify == NULL)
    return;
  mr_timer_clear (&notify->status_timer);
  mr_timer_clear (&notify->watchdog_timer);
  g_clear_object (&notify->socket);
  g_clear_object (&notify->address);
  g_free (notify->status);
  g_free (notify);
}

void
mr_notify_ready (MrNotify *notify)
{
  send_state (notify, "READY=1");
}

void
mr_notify_reloading (MrNotify *notify)
{
  g_autofree char *state = g_strdup_printf ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());

  send_state (notify, state);
}

void
mr_notify_stopping (MrNotify *notify, gint64 time_us)
{
  g_autofree char *state = g_strdup_printf ("STOPPING=1\nEXTEND_TIMEOUT_USEC=%" G_GINT64_FORMAT, time_us);

  send_state (notify, time_us > 0 ? state : "STOPPING=1");
}

void
mr_notify_status_changed (MrNotify *notify)
{
  if (notify->socket != NULL && notify->status_timer.position == 0)
    mr_timer_set (&notify->status_timer,
                  MAX (notify->status_us + STATUS_INTERVAL_USEC, mr_reactor_now (notify->reactor)));
}
