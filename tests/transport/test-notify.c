/* SPDX-License-Identifier: MIT */
/*
 * What a service manager hears: transport/notify.c, with a socket of our own in its place.
 */
#include "notify.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_USEC (10 * G_USEC_PER_SEC)

typedef struct {
  MrReactor *reactor;
  MrNotify *notify;
  GSocket *manager;
  char *path; /* of its socket; NULL for one in the abstract namespace */
  const char *status;
} Stage;

static char *
dup_status (gpointer data)
{
  Stage *stage = data;

  return g_strdup (stage->status);
}

static void
listen_as_manager (Stage *stage, gboolean abstract)
{
  g_autofree char *name = g_strdup_printf ("modelrelay-test-notify-%d", getpid ());
  g_autoptr (GSocketAddress) address = NULL;
  g_autofree char *variable = NULL;
  g_autoptr (GError) error = NULL;

  if (abstract) {
    address = g_unix_socket_address_new_with_type (name, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
    variable = g_strconcat ("@", name, NULL);
  } else {
    stage->path = g_build_filename (g_get_tmp_dir (), name, NULL);
    (void) g_unlink (stage->path);
    address = g_unix_socket_address_new (stage->path);
    variable = g_strdup (stage->path);
  }
  stage->manager = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
  g_assert_no_error (error);
  g_socket_bind (stage->manager, address, FALSE, &error);
  g_assert_no_error (error);
  g_socket_set_blocking (stage->manager, FALSE);
  g_setenv ("NOTIFY_SOCKET", variable, TRUE);
}

static void
open_stage (Stage *stage, gboolean abstract)
{
  stage->status = "as it is";
  stage->reactor = mr_reactor_new (NULL);
  listen_as_manager (stage, abstract);
  stage->notify = mr_notify_new (stage->reactor, dup_status, stage);
}

static void
close_stage (Stage *stage)
{
  mr_notify_free (stage->notify);
  mr_reactor_free (stage->reactor);
  g_clear_object (&stage->manager);
  if (stage->path != NULL)
    (void) g_unlink (stage->path);
  g_free (stage->path);
  g_unsetenv ("NOTIFY_SOCKET");
  g_unsetenv ("WATCHDOG_USEC");
  g_unsetenv ("WATCHDOG_PID");
}

/* (transfer full) (nullable): what is there now */
static char *
receive (Stage *stage)
{
  char buffer[1024];
  gssize length = g_socket_receive (stage->manager, buffer, sizeof buffer, NULL, NULL);

  return length > 0 ? g_strndup (buffer, (gsize) length) : NULL;
}

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* (transfer full) (nullable): what comes within @time_us */
static char *
wait_for_message (Stage *stage, gint64 time_us)
{
  gint64 end = g_get_monotonic_time () + time_us;
  guint tick = g_timeout_add (5, on_tick, NULL);
  char *message = receive (stage);

  while (message == NULL && g_get_monotonic_time () < end) {
    g_main_context_iteration (NULL, TRUE);
    message = receive (stage);
  }
  g_source_remove (tick);
  return message;
}

static void
assert_message (Stage *stage, const char *expected)
{
  g_autofree char *message = wait_for_message (stage, PATIENCE_USEC);

  g_assert_cmpstr (message, ==, expected);
}

static void
test_states (void)
{
  Stage stage = { NULL };
  gint64 before = g_get_monotonic_time ();
  g_autofree char *reloading = NULL;
  gint64 time;

  open_stage (&stage, FALSE);
  mr_notify_ready (stage.notify);
  assert_message (&stage, "READY=1\nSTATUS=as it is");
  mr_notify_reloading (stage.notify);
  reloading = wait_for_message (&stage, PATIENCE_USEC);
  g_assert_true (g_str_has_prefix (reloading, "RELOADING=1\nMONOTONIC_USEC="));
  time = g_ascii_strtoll (strchr (strchr (reloading, '\n'), '=') + 1, NULL, 10);
  g_assert_cmpint (time, >=, before);
  g_assert_cmpint (time, <=, g_get_monotonic_time ());
  mr_notify_stopping (stage.notify, 0);
  assert_message (&stage, "STOPPING=1\nSTATUS=as it is");
  mr_notify_stopping (stage.notify, 40 * G_USEC_PER_SEC);
  assert_message (&stage, "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=as it is");
  close_stage (&stage);
}

static void
test_status_is_throttled (void)
{
  Stage stage = { NULL };
  gint64 start;

  open_stage (&stage, FALSE);
  mr_notify_ready (stage.notify);
  assert_message (&stage, "READY=1\nSTATUS=as it is");
  start = g_get_monotonic_time ();
  stage.status = "busy";
  for (guint i = 0; i < 100; i++)
    mr_notify_status_changed (stage.notify);
  assert_message (&stage, "STATUS=busy");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 1900 * 1000);
  mr_notify_status_changed (stage.notify); /* it has not, really */
  g_assert_null (wait_for_message (&stage, 2200 * 1000));
  close_stage (&stage);
}

/* A status may quote a relay, and a line break would begin an assignment of its own. */
static void
test_status_is_one_line (void)
{
  Stage stage = { NULL };

  open_stage (&stage, TRUE);
  stage.status = "refused us: no\nMAINPID=1\r\nREADY=0";
  mr_notify_ready (stage.notify);
  assert_message (&stage, "READY=1\nSTATUS=refused us: no MAINPID=1  READY=0");
  close_stage (&stage);
}

static void
test_watchdog (void)
{
  Stage stage = { NULL };
  gint64 start = g_get_monotonic_time ();

  g_setenv ("WATCHDOG_USEC", "100000", TRUE);
  open_stage (&stage, FALSE);
  for (guint i = 0; i < 3; i++)
    assert_message (&stage, "WATCHDOG=1");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 3 * 50 * 1000);
  close_stage (&stage);
}

static void
test_watchdog_of_another (void)
{
  Stage stage = { NULL };

  g_setenv ("WATCHDOG_USEC", "20000", TRUE);
  g_setenv ("WATCHDOG_PID", "1", TRUE);
  open_stage (&stage, FALSE);
  g_assert_null (wait_for_message (&stage, 200 * 1000));
  close_stage (&stage);
}

static void
test_nobody_listens (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  Stage stage = { .status = "unheard" };
  const char *addresses[] = { NULL, "", "/", "relative", "vsock:2:1234", "/nowhere/at/all" };

  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++) {
    g_autoptr (MrNotify) notify = NULL;

    if (addresses[i] != NULL)
      g_setenv ("NOTIFY_SOCKET", addresses[i], TRUE);
    notify = mr_notify_new (reactor, dup_status, &stage);
    mr_notify_ready (notify);
    mr_notify_status_changed (notify);
    while (g_main_context_iteration (NULL, FALSE))
      ;
    mr_notify_stopping (notify, 0);
  }
  g_unsetenv ("NOTIFY_SOCKET");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/N1/states", test_states);
  g_test_add_func ("/contract/N1/status-is-throttled", test_status_is_throttled);
  g_test_add_func ("/notify/status-is-one-line", test_status_is_one_line);
  g_test_add_func ("/contract/N1/watchdog", test_watchdog);
  g_test_add_func ("/notify/watchdog-of-another", test_watchdog_of_another);
  g_test_add_func ("/notify/nobody-listens", test_nobody_listens);
  return g_test_run ();
}
