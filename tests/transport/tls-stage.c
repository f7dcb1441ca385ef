/* SPDX-License-Identifier: MIT */
/* Two ends and the wire between them. See tls-stage.h. */
#include "tls-stage.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TlsFiles files;

static void
on_readable (MrConnection *connection, gpointer data)
{
  End *end = data;
  char buffer[4096];
  gssize n;

  do {
    n = mr_connection_read (connection, buffer, end->once > 0 ? end->once : sizeof buffer);
    if (n > 0)
      g_string_append_len (end->received, buffer, n);
  } while (n > 0 && end->once == 0);
}

static void
on_drained (MrConnection *connection, gpointer data)
{
  ((End *) data)->n_drained++;
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  End *end = data;

  end->gone = TRUE;
  end->error = error != NULL ? g_error_copy (error) : NULL;
}

static const MrConnectionEvents events = { .readable = on_readable, .drained = on_drained, .gone = on_gone };

static void
end_set_up (End *end, MrReactor *reactor, MrTlsSession *session)
{
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
  end->connection = mr_connection_new (reactor, fds[0]);
  end->wire = fds[1];
  end->received = g_string_new (NULL);
  mr_connection_start_tls (end->connection, session);
  mr_connection_set_events (end->connection, &events, end);
  mr_connection_set_reading (end->connection, TRUE);
}

static void
end_tear_down (End *end)
{
  mr_connection_unref (end->connection);
  if (end->wire >= 0)
    close (end->wire);
  g_string_free (end->received, TRUE);
  g_clear_error (&end->error);
}

MrTlsIdentity *
tls_load (const char *cert, const char *key)
{
  g_autoptr (GError) error = NULL;
  MrTlsIdentity *identity = mr_tls_identity_new (cert, key, &error);

  g_assert_no_error (error);
  return identity;
}

void
tls_set_up (Fixture *fixture, const char *cert, const char *key, MrTlsTrust *trust, const char *host)
{
  g_autoptr (MrTlsIdentity) identity = tls_load (cert, key);

  fixture->reactor = mr_reactor_new (NULL);
  fixture->slice = 65536;
  end_set_up (&fixture->server, fixture->reactor, mr_tls_session_new_server (identity));
  end_set_up (&fixture->client, fixture->reactor, mr_tls_session_new_client (trust, host));
}

void
tls_tear_down (Fixture *fixture)
{
  end_tear_down (&fixture->client);
  end_tear_down (&fixture->server);
  mr_reactor_free (fixture->reactor);
}

/* --- the wire --- */

/* What is taken must have room: both sockets have the same size of buffer, and the taker's is looked at first. */
static void
move (Fixture *fixture, End *from, End *to)
{
  char buffer[65536];
  gssize n;

  if (from->wire < 0 || to->wire < 0)
    return;
  n = recv (from->wire, buffer, MIN (fixture->slice, sizeof buffer), MSG_PEEK);
  if (n > 0)
    n = send (to->wire, buffer, (gsize) n, MSG_NOSIGNAL);
  if (n > 0) {
    g_assert_cmpint (recv (from->wire, buffer, (gsize) n, 0), ==, n);
    fixture->n_moved += (gsize) n;
  } else if (n == 0) {
    (void) shutdown (to->wire, SHUT_WR);
  }
}

void
tls_turn (Fixture *fixture)
{
  move (fixture, &fixture->client, &fixture->server);
  if (!fixture->held)
    move (fixture, &fixture->server, &fixture->client);
  g_main_context_iteration (NULL, FALSE);
}

void
tls_write_text (End *end, const char *text)
{
  mr_connection_write (end->connection, text, strlen (text));
}

/* --- files --- */

static char *
name_file (const char *name)
{
  return g_build_filename (files.directory, name, NULL);
}

void
tls_files_make (void)
{
  g_autoptr (MrtAuthority) authority = NULL;
  g_autoptr (MrtAuthority) other = NULL;

  files.directory = mrt_directory_new ();
  files.ca = name_file ("ca.pem");
  files.other_ca = name_file ("other-ca.pem");
  files.cert = name_file ("cert.pem");
  files.key = name_file ("key.pem");
  files.other_cert = name_file ("other-cert.pem");
  files.other_key = name_file ("other-key.pem");
  files.expired_cert = name_file ("expired-cert.pem");
  files.expired_key = name_file ("expired-key.pem");
  files.foreign_cert = name_file ("foreign-cert.pem");
  files.foreign_key = name_file ("foreign-key.pem");
  files.self_cert = name_file ("self-cert.pem");
  files.self_key = name_file ("self-key.pem");
  authority = mrt_authority_new ("First authority", files.ca);
  other = mrt_authority_new ("Other authority", files.other_ca);
  mrt_authority_issue (authority, "DNS:localhost,IP:127.0.0.1", 5 * MRT_DAY_SECS, files.cert, files.key);
  mrt_authority_issue (other, "DNS:localhost", 5 * MRT_DAY_SECS, files.other_cert, files.other_key);
  mrt_authority_issue (authority, "DNS:localhost", -60, files.expired_cert, files.expired_key);
  mrt_authority_issue (authority, "DNS:relay.example", 5 * MRT_DAY_SECS, files.foreign_cert, files.foreign_key);
  mrt_authority_issue (NULL, "DNS:localhost", 5 * MRT_DAY_SECS, files.self_cert, files.self_key);
}

void
tls_files_remove (void)
{
  char **const names[] = { &files.ca,           &files.other_ca,    &files.cert,         &files.key,
                           &files.other_cert,   &files.other_key,   &files.expired_cert, &files.expired_key,
                           &files.foreign_cert, &files.foreign_key, &files.self_cert,    &files.self_key };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_clear_pointer (names[i], g_free);
  mrt_directory_remove (g_steal_pointer (&files.directory));
}
