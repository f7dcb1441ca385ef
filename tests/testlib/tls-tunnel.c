/* SPDX-License-Identifier: MIT */
/* Plain sockets behind TLS. See tls-tunnel.h. */
#include "tls-tunnel.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct _MrtTunnel {
  SSL_CTX *context;
  gboolean to_tls;
  int listener;
  guint16 port;
  guint16 target;
  GThread *acceptor;
  GPtrArray *pumps; /* of Pump; the acceptor's until it has ended */
};

/* One connection: a thread between two sockets, which are closed when it has been joined. */
typedef struct {
  MrtTunnel *tunnel;
  GThread *thread;
  MrtStream *plain;
  MrtStream *secret;
} Pump;

static void
set_blocking (MrtStream *stream)
{
  g_assert_cmpint (fcntl (stream->fd, F_SETFL, 0), ==, 0);
}

/* Both are over: the plain side hears in which way, the TLS one just ends. */
static void
end_both (Pump *pump, gboolean clean)
{
  if (clean)
    (void) shutdown (pump->plain->fd, SHUT_RDWR);
  else
    mrt_stream_reset (pump->plain);
  (void) shutdown (pump->secret->fd, SHUT_RDWR);
}

/* TRUE to go on; else @clean says how it ended. */
static gboolean
move_from_tls (Pump *pump, SSL *ssl, gboolean *clean)
{
  char buffer[16384];
  int n = SSL_read (ssl, buffer, sizeof buffer);
  int error = SSL_get_error (ssl, n);

  if (n > 0)
    return send (pump->plain->fd, buffer, (size_t) n, MSG_NOSIGNAL) == n;
  *clean = error == SSL_ERROR_ZERO_RETURN;
  return error == SSL_ERROR_WANT_READ;
}

static gboolean
move_to_tls (Pump *pump, SSL *ssl, gboolean *clean)
{
  char buffer[16384];
  gssize n = recv (pump->plain->fd, buffer, sizeof buffer, 0);

  if (n > 0)
    return SSL_write (ssl, buffer, (int) n) == n;
  *clean = TRUE;
  (void) SSL_shutdown (ssl);
  return FALSE;
}

static gboolean
pump_once (Pump *pump, SSL *ssl, gboolean *clean)
{
  struct pollfd fds[] = { { .fd = pump->secret->fd, .events = POLLIN }, { .fd = pump->plain->fd, .events = POLLIN } };

  if (SSL_pending (ssl) > 0)
    return move_from_tls (pump, ssl, clean);
  if (poll (fds, G_N_ELEMENTS (fds), -1) < 0)
    return FALSE;
  if (fds[0].revents != 0 && !move_from_tls (pump, ssl, clean))
    return FALSE;
  return fds[1].revents == 0 || move_to_tls (pump, ssl, clean);
}

static gpointer
run_pump (gpointer data)
{
  Pump *pump = data;
  SSL *ssl = SSL_new (pump->tunnel->context);
  gboolean clean = FALSE;

  set_blocking (pump->plain);
  set_blocking (pump->secret);
  SSL_set_fd (ssl, pump->secret->fd);
  SSL_clear_mode (ssl, SSL_MODE_AUTO_RETRY);
  if (pump->tunnel->to_tls) {
    SSL_set1_host (ssl, "localhost");
    SSL_set_tlsext_host_name (ssl, "localhost");
  }
  if ((pump->tunnel->to_tls ? SSL_connect (ssl) : SSL_accept (ssl)) == 1)
    while (pump_once (pump, ssl, &clean))
      continue;
  SSL_free (ssl);
  end_both (pump, clean);
  return NULL;
}

static gpointer
run_acceptor (gpointer data)
{
  MrtTunnel *tunnel = data;
  MrtStream *accepted;

  while ((accepted = mrt_accept (tunnel->listener, -1)) != NULL) {
    Pump *pump = g_new0 (Pump, 1);
    MrtStream *opened = mrt_stream_connect (tunnel->target);

    pump->tunnel = tunnel;
    pump->plain = tunnel->to_tls ? accepted : opened;
    pump->secret = tunnel->to_tls ? opened : accepted;
    pump->thread = g_thread_new ("pump", run_pump, pump);
    g_ptr_array_add (tunnel->pumps, pump);
  }
  return NULL;
}

static void
pump_free (gpointer data)
{
  Pump *pump = data;

  /* Wakes it wherever it waits; a socket that it has reset is closed already. */
  (void) shutdown (pump->secret->fd, SHUT_RDWR);
  g_thread_join (pump->thread);
  mrt_stream_free (pump->plain);
  mrt_stream_free (pump->secret);
  g_free (pump);
}

static MrtTunnel *
tunnel_new (SSL_CTX *context, gboolean to_tls, guint16 port)
{
  MrtTunnel *tunnel = g_new0 (MrtTunnel, 1);

  /* OpenSSL writes to sockets whose other end has gone. */
  (void) signal (SIGPIPE, SIG_IGN);
  tunnel->context = context;
  tunnel->to_tls = to_tls;
  tunnel->target = port;
  tunnel->listener = mrt_listen (&tunnel->port);
  tunnel->pumps = g_ptr_array_new_with_free_func (pump_free);
  tunnel->acceptor = g_thread_new ("tunnel", run_acceptor, tunnel);
  return tunnel;
}

MrtTunnel *
mrt_tunnel_to_tls (guint16 port, const char *ca_file)
{
  SSL_CTX *context = SSL_CTX_new (TLS_client_method ());

  g_assert_cmpint (SSL_CTX_load_verify_locations (context, ca_file, NULL), ==, 1);
  SSL_CTX_set_verify (context, SSL_VERIFY_PEER, NULL);
  return tunnel_new (context, TRUE, port);
}

MrtTunnel *
mrt_tunnel_from_tls (const char *cert_file, const char *key_file, guint16 port)
{
  SSL_CTX *context = SSL_CTX_new (TLS_server_method ());

  g_assert_cmpint (SSL_CTX_use_certificate_chain_file (context, cert_file), ==, 1);
  g_assert_cmpint (SSL_CTX_use_PrivateKey_file (context, key_file, SSL_FILETYPE_PEM), ==, 1);
  return tunnel_new (context, FALSE, port);
}

void
mrt_tunnel_free (MrtTunnel *tunnel)
{
  if (tunnel == NULL)
    return;
  (void) shutdown (tunnel->listener, SHUT_RDWR);
  g_thread_join (tunnel->acceptor);
  g_ptr_array_unref (tunnel->pumps);
  close (tunnel->listener);
  SSL_CTX_free (tunnel->context);
  g_free (tunnel);
}

guint16
mrt_tunnel_get_port (MrtTunnel *tunnel)
{
  return tunnel->port;
}

/* (transfer full): %NULL when there is no handshake */
static char *
shake_hands (guint16 port, int version)
{
  g_autoptr (MrtStream) stream = mrt_stream_connect (port);
  SSL_CTX *context = SSL_CTX_new (TLS_client_method ());
  SSL *ssl;
  char *pin = NULL;

  /* OpenSSL itself wants no version below 1.2 at its usual level. */
  SSL_CTX_set_security_level (context, 0);
  SSL_CTX_set_min_proto_version (context, version);
  SSL_CTX_set_max_proto_version (context, version);
  ssl = SSL_new (context);
  set_blocking (stream);
  SSL_set_fd (ssl, stream->fd);
  if (SSL_connect (ssl) == 1) {
    X509 *shown = SSL_get1_peer_certificate (ssl);

    pin = mrt_certificate_pin_of (shown);
    X509_free (shown);
  }
  SSL_free (ssl);
  SSL_CTX_free (context);
  return pin;
}

gboolean
mrt_tls_try_version (guint16 port, int version)
{
  g_autofree char *pin = shake_hands (port, version);

  return pin != NULL;
}

char *
mrt_tls_dup_shown_pin (guint16 port)
{
  return shake_hands (port, 0);
}
