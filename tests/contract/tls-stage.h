/* SPDX-License-Identifier: MIT */
/*
 * A relay that speaks TLS, and OpenSSL between it and the test: its `port` is a plain one, so that everything in
 * stage.h goes over TLS.
 */
#pragma once

#include "stage.h"
#include "tls-tunnel.h"

typedef struct {
  char *directory;
  MrtAuthority *authority;
  char *ca, *cert, *key; /* files */
  MrtTunnel *tunnel;
  guint16 tls_port;
  StageRelay relay; /* its port is the tunnel's */
} TlsStage;

/** tls_stage_new: (transfer full): a relay with these options beside (the last is NULL), and a certificate for
 * localhost and 127.0.0.1. */
TlsStage *tls_stage_new (const char *option, ...);
void tls_stage_free (TlsStage *stage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TlsStage, tls_stage_free)

/** tls_stage_file: (transfer full): a path in the stage's directory. */
char *tls_stage_file (TlsStage *stage, const char *name);

/** tls_stage_relay: (transfer full): a process of the relay alone, on a free port that is returned in @port. */
MrtProcess *tls_stage_relay (const char *cert, const char *key, guint16 *port, const char *const *more);
