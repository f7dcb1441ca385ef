/* SPDX-License-Identifier: MIT */
/*
 * The bus of bus-stage.h.
 */
#include "bus-stage.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define CONFIG                                                                                                         \
  "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN'\n"                                 \
  " 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>\n"                                                  \
  "<busconfig><listen>%s</listen><auth>EXTERNAL</auth>%s</busconfig>\n"

static char *
config_path (Bus *bus)
{
  return g_build_filename (bus->dir, "bus.conf", NULL);
}

static char *
find_program (const char *name)
{
  char *path = g_find_program_in_path (name);

  if (path == NULL)
    g_error ("%s is not installed", name);
  return path;
}

static GDBusConnection *
connect_client (Bus *bus)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  for (;;) {
    g_autoptr (GError) error = NULL;
    GDBusConnection *client = g_dbus_connection_new_for_address_sync (
        bus->address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, &error);

    if (client != NULL)
      return client;
    if (mrt_now_ms () > deadline)
      g_error ("no bus at %s: %s", bus->address, error->message);
    g_usleep (2000);
  }
}

void
bus_start (Bus *bus)
{
  g_autofree char *path = config_path (bus);
  g_autofree char *option = g_strconcat ("--config-file=", path, NULL);
  g_autofree char *program = find_program ("dbus-daemon");
  const char *argv[] = { program, option, "--nofork", "--nopidfile", NULL };

  bus->process = mrt_process_start (argv, NULL);
  bus->client = connect_client (bus);
}

void
bus_stop (Bus *bus)
{
  g_clear_object (&bus->client);
  mrt_process_signal (bus->process, SIGKILL);
  g_clear_pointer (&bus->process, mrt_process_free);
}

Bus *
bus_new (const char *policies)
{
  Bus *bus = g_new0 (Bus, 1);
  g_autofree char *path = NULL;
  g_autofree char *config = NULL;
  g_autoptr (GError) error = NULL;

  bus->dir = g_dir_make_tmp ("bus-XXXXXX", &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_chmod (bus->dir, 0755), ==, 0);
  bus->address = g_strdup_printf ("unix:path=%s/socket", bus->dir);
  bus->environment = g_strconcat ("DBUS_SESSION_BUS_ADDRESS=", bus->address, NULL);
  path = config_path (bus);
  config = g_strdup_printf (CONFIG, bus->address, policies);
  g_file_set_contents (path, config, -1, &error);
  g_assert_no_error (error);
  bus_start (bus);
  return bus;
}

void
bus_free (Bus *bus)
{
  g_autofree char *config = config_path (bus);
  g_autofree char *socket = g_build_filename (bus->dir, "socket", NULL);

  g_clear_object (&bus->client);
  mrt_process_free (bus->process);
  g_unlink (config);
  g_unlink (socket);
  g_rmdir (bus->dir);
  g_free (bus->dir);
  g_free (bus->address);
  g_free (bus->environment);
  g_free (bus);
}

/* --- our programs on it --- */

StageRelay *
bus_relay (Bus *bus, const char *option)
{
  const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, bus->environment, NULL };
  const char *argv[] = { stage_server_path (), "--listen", "127.0.0.1:0", "--dbus", "session", option, NULL };
  StageRelay *relay = g_new0 (StageRelay, 1);
  g_autofree char *line = NULL;

  relay->process = mrt_process_start (argv, env);
  line = mrt_process_wait_log (relay->process, "listening address=127.0.0.1:");
  relay->port = (guint16) g_ascii_strtoull (strstr (line, "127.0.0.1:") + strlen ("127.0.0.1:"), NULL, 10);
  return relay;
}

MrtProcess *
bus_worker (Bus *bus, const char *name, guint16 relay_port, guint16 backend_port)
{
  const char *env[] = { "WORKER_SECRET=" STAGE_SECRET, bus->environment, NULL };
  g_autofree char *proxy_url = g_strdup_printf ("http://127.0.0.1:%u", relay_port);
  g_autofree char *backend_url = g_strdup_printf ("http://127.0.0.1:%u", backend_port);
  const char *argv[] = { stage_worker_path (), "--proxy-url", proxy_url, "--backend-url", backend_url,
                         "--worker-name",      name,          "--dbus",  "session",       NULL };

  return mrt_process_start (argv, env);
}

/* --- calls --- */

static GVariant *
call_bus (Bus *bus, const char *method, GVariant *parameters, GError **error)
{
  return g_dbus_connection_call_sync (bus->client, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE,
                                      MRT_WAIT_MS, NULL, error);
}

char *
bus_owner (Bus *bus, const char *name)
{
  g_autoptr (GVariant) reply = call_bus (bus, "GetNameOwner", g_variant_new ("(s)", name), NULL);
  char *owner = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(s)", &owner);
  return owner;
}

void
bus_wait_name (Bus *bus, const char *name)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  for (;;) {
    g_autofree char *owner = bus_owner (bus, name);

    if (owner != NULL)
      return;
    if (mrt_now_ms () > deadline)
      g_error ("nobody owns %s", name);
    g_usleep (2000);
  }
}

static GVariant *
call (Bus *bus, const char *name, const char *interface, const char *method, GVariant *parameters, GError **error)
{
  const char *path = g_str_has_prefix (name, BUS_WORKER) ? BUS_WORKER_PATH : BUS_SERVER_PATH;

  return g_dbus_connection_call_sync (bus->client, name, path, interface, method, parameters, NULL,
                                      G_DBUS_CALL_FLAGS_NONE, MRT_WAIT_MS, NULL, error);
}

static const char *
interface_of (const char *name)
{
  return g_str_has_prefix (name, BUS_WORKER) ? BUS_WORKER : BUS_SERVER;
}

GVariant *
bus_call (Bus *bus, const char *name, const char *method, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = call (bus, name, interface_of (name), method, parameters, &error);

  g_assert_no_error (error);
  return reply;
}

char *
bus_call_fails (Bus *bus, const char *name, const char *method, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (bus, name, interface_of (name), method, parameters, &error);

  g_assert_null (reply);
  g_assert_nonnull (error);
  return g_dbus_error_get_remote_error (error);
}

GVariant *
bus_get (Bus *bus, const char *name, const char *property)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (bus, name, "org.freedesktop.DBus.Properties", "Get",
                                     g_variant_new ("(ss)", interface_of (name), property), &error);
  GVariant *value;

  g_assert_no_error (error);
  g_variant_get (reply, "(v)", &value);
  return value;
}

void
bus_wait_property (Bus *bus, const char *name, const char *property, const char *text)
{
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  for (;;) {
    g_autoptr (GVariant) value = bus_get (bus, name, property);
    g_autofree char *printed = g_variant_print (value, FALSE);

    if (g_str_equal (printed, text))
      return;
    if (mrt_now_ms () > deadline)
      g_error ("%s of %s is %s instead of %s", property, name, printed, text);
    g_usleep (5000);
  }
}

char *
bus_run (Bus *bus, int *status, const char *program, ...)
{
  const char *env[] = { bus->environment, NULL };
  g_autofree char *path = find_program (program);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (MrtProcess) process = NULL;
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;
  va_list more;
  int code;

  va_start (more, program);
  for (const char *argument = path; argument != NULL; argument = va_arg (more, const char *))
    g_ptr_array_add (argv, (gpointer) argument);
  va_end (more);
  g_ptr_array_add (argv, NULL);
  process = mrt_process_start ((const char *const *) argv->pdata, env);
  code = mrt_process_wait_exit (process, MRT_WAIT_MS);
  g_assert_cmpint (code, >=, 0);
  if (status != NULL)
    *status = code;
  output = mrt_process_get_output (process);
  errors = mrt_process_get_log (process);
  return g_strconcat (output, errors, NULL);
}
