/* SPDX-License-Identifier: MIT */
/*
 * Keeps the intake's TLS identity up to date: reads the files of --tls-cert and --tls-key, watches them, and warns of
 * an end that is near. What a certificate is, is tls-identity.h's business.
 *
 *   start, SIGHUP ----------------------------------+
 *   a change in one of their directories -> settle -+-> read both -> they match: new connections get them
 *   once a day -------------------------------------+             -> else: a warning, and the old ones stay
 */
#pragma once

#include "http-intake.h"
#include "server-config.h"

typedef struct _MrCertificate MrCertificate;

/** mr_certificate_new: everything is borrowed and outlives it; does nothing yet. */
MrCertificate *mr_certificate_new (MrReactor *reactor, const MrServerConfig *config, MrHttpIntake *intake);
void mr_certificate_free (MrCertificate *certificate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrCertificate, mr_certificate_free)

/**
 * mr_certificate_start:
 *
 * Reads the files that the configuration names now and watches their directories; harmless a second time. Without
 * --tls-cert new connections are plain.
 *
 * Returns: %FALSE with %MR_ERROR_CONFIG, and nothing has changed
 */
gboolean mr_certificate_start (MrCertificate *certificate, GError **error);
