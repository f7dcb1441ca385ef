/* SPDX-License-Identifier: MIT */
/*
 * Sockets that a service manager passes: transport/listener.c. They are descriptors 3 to 5 here: one of TCP, one of
 * AF_UNIX, and a datagram socket.
 */
#include "error.h"
#include "listener.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char *socket_file;

static void
on_accepted (int fd, gpointer user_data)
{
  guint *n_accepted = user_data;

  close (fd);
  ++*n_accepted;
}

static void
connect_to (GSocketAddress *address)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (connection);
}

static void
wait_for (const guint *n, guint expected)
{
  gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (*n < expected && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (*n, ==, expected);
}

static void
test_tcp (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  guint n_accepted = 0;
  g_autoptr (MrListener) listener = mr_listener_new_passed (reactor, 0, on_accepted, &n_accepted, NULL);
  const char *address = mr_listener_get_address (listener);
  g_autoptr (GSocketAddress) parsed = NULL;

  g_assert_true (g_str_has_prefix (address, "127.0.0.1:"));
  g_assert_cmpint (fcntl (3, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpint (fcntl (3, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
  parsed = g_inet_socket_address_new_from_string ("127.0.0.1",
                                                  (guint) g_ascii_strtoull (strchr (address, ':') + 1, NULL, 10));
  connect_to (parsed);
  wait_for (&n_accepted, 1);
}

/* The manager goes on listening there, so the file is its own. */
static void
test_unix (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  guint n_accepted = 0;
  MrListener *listener = mr_listener_new_passed (reactor, 1, on_accepted, &n_accepted, NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (socket_file);
  g_autofree char *expected = g_strconcat ("unix:", socket_file, NULL);

  g_assert_cmpstr (mr_listener_get_address (listener), ==, expected);
  connect_to (address);
  wait_for (&n_accepted, 1);
  mr_listener_free (listener);
  g_assert_true (g_file_test (socket_file, G_FILE_TEST_EXISTS));
}

static void
test_datagram_is_refused (void)
{
  g_autoptr (MrReactor) reactor = mr_reactor_new (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (mr_listener_new_passed (reactor, 2, on_accepted, NULL, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
}

static void
test_count (void)
{
  g_autofree char *ours = g_strdup (g_getenv ("LISTEN_PID"));

  g_assert_cmpuint (mr_listener_count_passed (), ==, 3);
  g_setenv ("LISTEN_PID", "1", TRUE); /* inherited from a parent that they were meant for */
  g_assert_cmpuint (mr_listener_count_passed (), ==, 0);
  g_setenv ("LISTEN_PID", ours, TRUE);
  g_setenv ("LISTEN_FDS", "many", TRUE);
  g_assert_cmpuint (mr_listener_count_passed (), ==, 0);
  g_unsetenv ("LISTEN_FDS");
  g_assert_cmpuint (mr_listener_count_passed (), ==, 0);
}

static void
pass (int number, int fd)
{
  g_assert_cmpint (fd, >=, 0);
  if (fd != number) {
    g_assert_cmpint (dup2 (fd, number), ==, number);
    close (fd);
  }
}

/* Before GLib opens descriptors of its own. */
static void
pass_sockets (void)
{
  struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_un file = { .sun_family = AF_UNIX };
  char pid[16];

  (void) g_snprintf (pid, sizeof pid, "%d", getpid ());
  socket_file = g_strdup_printf ("%s/modelrelay-passed-%s", g_get_tmp_dir (), pid);
  g_strlcpy (file.sun_path, socket_file, sizeof file.sun_path);
  pass (3, socket (AF_INET, SOCK_STREAM, 0));
  g_assert_cmpint (bind (3, (struct sockaddr *) &loopback, sizeof loopback), ==, 0);
  pass (4, socket (AF_UNIX, SOCK_STREAM, 0));
  g_assert_cmpint (bind (4, (struct sockaddr *) &file, sizeof file), ==, 0);
  g_assert_cmpint (listen (3, 8), ==, 0);
  g_assert_cmpint (listen (4, 8), ==, 0);
  pass (5, socket (AF_INET, SOCK_DGRAM, 0));
  g_setenv ("LISTEN_PID", pid, TRUE);
  g_setenv ("LISTEN_FDS", "3", TRUE);
}

int
main (int argc, char **argv)
{
  int result;

  pass_sockets ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/N1/passed-socket", test_tcp);
  g_test_add_func ("/contract/N1/passed-socket-file-stays", test_unix);
  g_test_add_func ("/contract/N1/passed-datagram-socket-is-refused", test_datagram_is_refused);
  g_test_add_func ("/listener/passed-to-whom", test_count);
  result = g_test_run ();
  (void) g_unlink (socket_file);
  g_free (socket_file);
  return result;
}
