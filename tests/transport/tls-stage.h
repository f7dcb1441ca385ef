/* SPDX-License-Identifier: MIT */
/*
 * Two connections with TLS, one of each end, whose bytes the test carries from one to the other, so that it can cut,
 * hold and spoil them; and the certificates that they show.
 */
#pragma once

#include "connection.h"
#include "error.h"
#include "limits.h"
#include "tls-files.h"

/** The files of all tests. */
typedef struct {
  char *directory;
  char *ca, *other_ca;
  char *cert, *key;
  char *other_cert, *other_key; /* by the other authority */
  char *expired_cert, *expired_key;
  char *foreign_cert, *foreign_key; /* for another host */
  char *self_cert, *self_key;
} TlsFiles;

extern TlsFiles files;

/** tls_files_make: once, before the first test; tls_files_remove(): after the last. */
void tls_files_make (void);
void tls_files_remove (void);

/** End: of a connection. */
typedef struct {
  MrConnection *connection;
  int wire; /* where the test takes and gives its bytes; non-blocking */
  GString *received;
  GError *error;
  guint n_drained;
  gboolean gone;
  gsize once; /* bytes to read for each `readable`; 0 for all */
} End;

typedef struct {
  MrReactor *reactor;
  End client;
  End server;
  gsize slice;   /* bytes that the wire moves in a turn and direction */
  gboolean held; /* nothing moves from the server to the client */
  gsize n_moved;
} Fixture;

/** tls_set_up: a server that shows this certificate, and a client that looks for @host. */
void tls_set_up (Fixture *fixture, const char *cert, const char *key, MrTlsTrust *trust, const char *host);
void tls_tear_down (Fixture *fixture);

/** tls_turn: moves what is on the wire, then one turn of the main loop. */
void tls_turn (Fixture *fixture);

void tls_write_text (End *end, const char *text);

/** tls_load: (transfer full): the test fails when it cannot. */
MrTlsIdentity *tls_load (const char *cert, const char *key);

#define wait_for(condition)                                                                                            \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 deadline_ = g_get_monotonic_time () + 10 * MR_USEC_PER_SEC;                                                 \
    while (!(condition)) {                                                                                             \
      g_assert_cmpint (g_get_monotonic_time (), <, deadline_);                                                         \
      tls_turn (fixture);                                                                                              \
    }                                                                                                                  \
  }                                                                                                                    \
  G_STMT_END
