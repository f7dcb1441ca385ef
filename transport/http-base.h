/* SPDX-License-Identifier: MIT */
/*
 * A backend's address, taken apart as http-client needs it. Pure.
 */
#pragma once

#include <glib.h>

typedef struct {
  char *name; /* host name or numeric address, without brackets and zone: what a certificate must be for */
  char *dial; /* the same with its zone: what to connect to */
  guint16 port;
  gboolean secure; /* https */
  char *field;     /* value of the Host field */
  char *prefix;    /* of every path, percent-encoded; without a slash at its end */
} MrHttpBase;

/** mr_http_base_parse: %FALSE with %MR_ERROR_CONFIG for anything but `http://host[:port][/prefix]` or `https:`; @base
 * is cleared by mr_http_base_clear() otherwise. */
gboolean mr_http_base_parse (GUri *uri, MrHttpBase *base, GError **error);

void mr_http_base_clear (MrHttpBase *base);
