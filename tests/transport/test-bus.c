/* SPDX-License-Identifier: MIT */
/*
 * Which bus is chosen, and what names are made of workers' names. Joining real buses is tested with the real programs
 * (contract M1).
 */
#include "bus.h"

#include <glib/gstdio.h>
#include <string.h>

#define SYSTEM "unix:path=/var/run/dbus/system_bus_socket"
#define INVOCATION "INVOCATION_ID=0123456789abcdef"
#define SESSION "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1/bus"

typedef struct {
  MrBusChoice choice;
  const char *environment[4];
  gint64 parent;
  const char *address;
} Row;

static void
test_choice (void)
{
  static const Row rows[] = {
    { MR_BUS_NONE, { SESSION }, 2, NULL },
    { MR_BUS_SYSTEM, { NULL }, 2, SYSTEM },
    { MR_BUS_SYSTEM, { SESSION, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/x" }, 2, "unix:path=/x" },
    { MR_BUS_SESSION, { SESSION }, 2, "unix:path=/run/user/1/bus" },
    { MR_BUS_SESSION, { NULL }, 2, NULL },
    { MR_BUS_SESSION, { "XDG_RUNTIME_DIR=/nonexistent" }, 2, "unix:path=/nonexistent/bus" },
    { MR_BUS_SESSION, { "DBUS_SESSION_BUS_ADDRESS=autolaunch:" }, 2, NULL },
    { MR_BUS_SESSION, { "DBUS_SESSION_BUS_ADDRESS=unix:path=/x;autolaunch:" }, 2, NULL },
    { MR_BUS_SESSION, { "DBUS_SESSION_BUS_ADDRESS=", "XDG_RUNTIME_DIR=/a b" }, 2, "unix:path=/a%20b/bus" },
    { MR_BUS_AUTO, { NULL }, 1, NULL },
    { MR_BUS_AUTO, { SESSION }, 2, "unix:path=/run/user/1/bus" },
    { MR_BUS_AUTO, { "XDG_RUNTIME_DIR=/nonexistent" }, 2, NULL },
    /* A system unit. */
    { MR_BUS_AUTO, { INVOCATION }, 1, SYSTEM },
    { MR_BUS_AUTO, { INVOCATION, "SYSTEMD_EXEC_PID=77" }, 1, SYSTEM },
    { MR_BUS_AUTO, { INVOCATION, "XDG_RUNTIME_DIR=/nonexistent" }, 1, SYSTEM },
    /* A user unit; one that a unit's process started; one that a unit's process left behind. */
    { MR_BUS_AUTO, { INVOCATION, SESSION, "SYSTEMD_EXEC_PID=77" }, 900, "unix:path=/run/user/1/bus" },
    { MR_BUS_AUTO, { INVOCATION, SESSION }, 1, "unix:path=/run/user/1/bus" },
    { MR_BUS_AUTO, { INVOCATION, "SYSTEMD_EXEC_PID=76" }, 76, NULL },
    { MR_BUS_AUTO, { INVOCATION, "SYSTEMD_EXEC_PID=76" }, 1, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *address = mr_bus_find_address (rows[i].choice, rows[i].environment, 77, rows[i].parent);

    g_test_message ("row %u", i);
    g_assert_cmpstr (address, ==, rows[i].address);
  }
}

static void
test_session_socket (void)
{
  g_autofree char *dir = g_dir_make_tmp ("runtime-XXXXXX", NULL);
  g_autofree char *variable = g_strconcat ("XDG_RUNTIME_DIR=", dir, NULL);
  g_autofree char *path = g_build_filename (dir, "bus", NULL);
  g_autofree char *expected = g_strconcat ("unix:path=", path, NULL);
  const char *environment[] = { variable, NULL };
  g_autofree char *address = NULL;

  g_assert_null (mr_bus_find_address (MR_BUS_AUTO, environment, 77, 2));
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  address = mr_bus_find_address (MR_BUS_AUTO, environment, 77, 2);
  g_assert_cmpstr (address, ==, expected);
  g_unlink (path);
  g_rmdir (dir);
}

static void
check_name (const char *text, const char *expected)
{
  g_autofree char *name = mr_bus_dup_name ("org.example.", text);

  g_assert_cmpstr (name, ==, expected);
  g_assert_true (g_dbus_is_name (name));
}

static void
test_names (void)
{
  g_autofree char *plain = g_strnfill (300, 'a');
  g_autofree char *odd = g_strnfill (300, '.');
  g_autofree char *long_plain = mr_bus_dup_name ("org.example.", plain);
  g_autofree char *long_odd = mr_bus_dup_name ("org.example.", odd);

  check_name ("gpu-box-1", "org.example.gpu-box-1");
  check_name ("1st", "org.example._31st");
  check_name ("a.b c", "org.example.a_2eb_20c");
  check_name ("a_2eb", "org.example.a_5f2eb");
  check_name ("\303\266", "org.example._c3_b6");
  check_name ("-", "org.example.-");
  check_name ("", "org.example._");
  g_assert_cmpuint (strlen (long_plain), ==, 255);
  g_assert_true (g_dbus_is_name (long_plain));
  g_assert_cmpuint (strlen (long_odd), ==, 255);
  g_assert_true (g_dbus_is_name (long_odd));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/choice", test_choice);
  g_test_add_func ("/bus/session-socket", test_session_socket);
  g_test_add_func ("/bus/names", test_names);
  return g_test_run ();
}
