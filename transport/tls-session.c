/* SPDX-License-Identifier: MIT */
/*
 * TLS records over a descriptor. See tls-session.h. GnuTLS itself, and not GTlsConnection: that one runs each handshake
 * in a thread of a small shared pool, where a few silent peers keep out all others, and has no say in versions.
 */
#include "tls-session.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>

/* Forward secrecy and authenticated encryption only. */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-SHA1:%SERVER_PRECEDENCE"

struct _MrTlsSession {
  gnutls_session_t tls;
  MrTlsIdentity *identity; /* Owned; NULL for a client */
  MrTlsTrust *trust;       /* Owned; NULL for a server */
  char *host;              /* Owned; NULL for a server */
  int fd;                  /* Borrowed */
  GError *error;           /* Owned: why it broke; the first reason stays */
  gboolean handshaking : 1;
  gboolean resuming : 1; /* a record was made and has not left whole */
};

/* --- failures --- */

static void
set_error (MrTlsSession *self, GTlsError code, const char *message)
{
  if (self->error == NULL)
    self->error = g_error_new_literal (G_TLS_ERROR, (int) code, message);
}

static void
describe (MrTlsSession *self, int result)
{
  g_autofree char *text = NULL;

  switch (result) {
  case GNUTLS_E_PREMATURE_TERMINATION:
  case GNUTLS_E_PULL_ERROR:
  case GNUTLS_E_PUSH_ERROR:
    set_error (self, G_TLS_ERROR_EOF,
               self->handshaking ? "the other side closed the connection during the TLS handshake"
                                 : "the connection ended without the TLS close that belongs there");
    break;
  case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
  case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
  case GNUTLS_E_UNEXPECTED_PACKET:
  case GNUTLS_E_RECORD_OVERFLOW:
    set_error (self, G_TLS_ERROR_NOT_TLS, "the other side does not speak TLS 1.2 or newer");
    break;
  case GNUTLS_E_FATAL_ALERT_RECEIVED:
    text = g_strdup_printf ("the other side refused the TLS handshake: %s",
                            gnutls_alert_get_name (gnutls_alert_get (self->tls)));
    set_error (self, G_TLS_ERROR_HANDSHAKE, text);
    break;
  default:
    set_error (self, self->handshaking ? G_TLS_ERROR_HANDSHAKE : G_TLS_ERROR_MISC, gnutls_strerror (result));
  }
}

/* To close with bytes unread is a reset, which would overtake the alert. */
static void
say_why (MrTlsSession *self, int result)
{
  char scratch[16384];

  (void) gnutls_alert_send_appropriate (self->tls, result);
  (void) recv (self->fd, scratch, sizeof scratch, MSG_DONTWAIT);
}

/* -1 with errno: nothing to be done now, or broken for good. */
static int
stop (MrTlsSession *self, int result)
{
  if (result == GNUTLS_E_AGAIN) {
    errno = EAGAIN;
    return -1;
  }
  describe (self, result);
  if (self->handshaking)
    say_why (self, result);
  errno = result == GNUTLS_E_PUSH_ERROR ? EPIPE : ECONNRESET;
  return -1;
}

static gboolean
goes_on (int result)
{
  return result == GNUTLS_E_INTERRUPTED || result == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

/* --- life --- */

static int
on_certificate (gnutls_session_t tls)
{
  MrTlsSession *self = gnutls_session_get_ptr (tls);

  return mr_tls_trust_check (self->trust, tls, self->host, self->error == NULL ? &self->error : NULL) ? 0 : -1;
}

static MrTlsSession *
session_new (unsigned int end, gnutls_certificate_credentials_t credentials)
{
  static const gnutls_datum_t http_1_1 = { (unsigned char *) "http/1.1", 8 };
  static gsize initialised;
  static gnutls_priority_t priorities; /* kept for the life of the process */
  MrTlsSession *self = g_new0 (MrTlsSession, 1);

  if (g_once_init_enter (&initialised)) {
    if (gnutls_priority_init (&priorities, PRIORITIES, NULL) < 0)
      g_error ("GnuTLS does not know the priorities %s", PRIORITIES);
    g_once_init_leave (&initialised, 1);
  }
  self->handshaking = TRUE;
  self->fd = -1;
  gnutls_init (&self->tls, end | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
  gnutls_priority_set (self->tls, priorities);
  gnutls_credentials_set (self->tls, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_alpn_set_protocols (self->tls, &http_1_1, 1, 0);
  gnutls_session_set_ptr (self->tls, self);
  return self;
}

MrTlsSession *
mr_tls_session_new_server (MrTlsIdentity *identity)
{
  MrTlsSession *self = session_new (GNUTLS_SERVER, mr_tls_identity_get_credentials (identity));

  self->identity = mr_tls_identity_ref (identity);
  return self;
}

MrTlsSession *
mr_tls_session_new_client (MrTlsTrust *trust, const char *host)
{
  MrTlsSession *self = session_new (GNUTLS_CLIENT, mr_tls_trust_get_credentials (trust));

  self->trust = mr_tls_trust_ref (trust);
  self->host = g_strdup (host);
  /* RFC 6066 3: no numeric addresses. */
  if (!g_hostname_is_ip_address (host))
    gnutls_server_name_set (self->tls, GNUTLS_NAME_DNS, host, strlen (host));
  gnutls_session_set_verify_function (self->tls, on_certificate);
  return self;
}

void
mr_tls_session_free (MrTlsSession *session)
{
  if (session == NULL)
    return;
  gnutls_deinit (session->tls);
  mr_tls_identity_unref (session->identity);
  mr_tls_trust_unref (session->trust);
  g_free (session->host);
  g_clear_error (&session->error);
  g_free (session);
}

void
mr_tls_session_set_fd (MrTlsSession *session, int fd)
{
  session->fd = fd;
  gnutls_transport_set_int (session->tls, fd);
}

/* --- handshake --- */

gboolean
mr_tls_session_is_handshaking (MrTlsSession *session)
{
  return session->handshaking;
}

gboolean
mr_tls_session_handshake (MrTlsSession *session)
{
  int result;

  do
    result = gnutls_handshake (session->tls);
  while (goes_on (result));
  if (result < 0)
    return stop (session, result) == 0;
  session->handshaking = FALSE;
  return TRUE;
}

gboolean
mr_tls_session_wants_to_write (MrTlsSession *session)
{
  return gnutls_record_get_direction (session->tls) == 1;
}

/* --- records --- */

gssize
mr_tls_session_read (MrTlsSession *session, void *buffer, gsize length)
{
  gssize n;

  if (session->handshaking) {
    errno = EAGAIN;
    return -1;
  }
  do
    n = gnutls_record_recv (session->tls, buffer, length);
  while (goes_on ((int) n));
  return n >= 0 ? n : stop (session, (int) n);
}

gboolean
mr_tls_session_has_pending (MrTlsSession *session)
{
  return gnutls_record_check_pending (session->tls) > 0;
}

gssize
mr_tls_session_write (MrTlsSession *session, const void *data, gsize length)
{
  gssize n;

  if (session->handshaking) {
    errno = EAGAIN;
    return -1;
  }
  do {
    /* A record that was made is sent on by asking for nothing new. */
    if (session->resuming)
      n = gnutls_record_send (session->tls, NULL, 0);
    else
      n = gnutls_record_send (session->tls, data, length);
    session->resuming = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
  } while (n == GNUTLS_E_INTERRUPTED);
  return n >= 0 ? n : stop (session, (int) n);
}

gboolean
mr_tls_session_say_goodbye (MrTlsSession *session)
{
  return session->handshaking || session->error != NULL || gnutls_bye (session->tls, GNUTLS_SHUT_WR) != GNUTLS_E_AGAIN;
}

const GError *
mr_tls_session_get_error (MrTlsSession *session)
{
  return session->error;
}
