/* SPDX-License-Identifier: MIT */
/* The way to a relay's HTTP port. See http.h. */
#include "http.h"

#include "ctl-error.h"
#include "fact.h"
#include "json.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>

#define UNIX_PREFIX "unix:"
#define CONNECT_TIMEOUT_SECS 10

static gboolean
is_this_machine (const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

  return g_ascii_strcasecmp (host, "localhost") == 0 || (address != NULL && g_inet_address_get_is_loopback (address));
}

/* Without slashes at its end; NULL when it is no address of a relay. */
static char *
make_base (const char *text, gboolean *local)
{
  g_autoptr (GUri) uri = g_uri_parse (text, SOUP_HTTP_URI_FLAGS, NULL);
  char *base;

  if (uri == NULL || g_uri_get_host (uri) == NULL || g_uri_get_userinfo (uri) != NULL ||
      g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL ||
      (strcmp (g_uri_get_scheme (uri), "http") != 0 && strcmp (g_uri_get_scheme (uri), "https") != 0))
    return NULL;
  *local = is_this_machine (g_uri_get_host (uri));
  base = g_uri_to_string (uri);
  while (g_str_has_suffix (base, "/"))
    base[strlen (base) - 1] = '\0';
  return base;
}

/* (transfer full): NULL with an error, or without one when @ca_file is NULL. */
static GTlsDatabase *
read_authorities (const char *ca_file, GError **error)
{
  g_autofree char *path = ca_file != NULL ? g_canonicalize_filename (ca_file, NULL) : NULL;
  g_autoptr (GError) failure = NULL;
  GTlsDatabase *authorities = path != NULL ? g_tls_file_database_new (path, &failure) : NULL;

  if (failure != NULL)
    mr_ctl_fail (error, MR_CTL_USAGE, "--ca-file \"%s\": %s", ca_file, failure->message);
  return authorities;
}

static SoupSession *
make_session (const char *text, gboolean local)
{
  g_autoptr (GSocketAddress) unix_address = NULL;
  SoupSession *session;

  if (g_str_has_prefix (text, UNIX_PREFIX))
    unix_address = g_unix_socket_address_new (text + strlen (UNIX_PREFIX));
  session = soup_session_new_with_options ("remote-connectable", unix_address, "timeout", CONNECT_TIMEOUT_SECS,
                                           "user-agent", "modelrelayctl/" MR_VERSION, NULL);
  /* Proxies are for other machines. */
  if (local)
    soup_session_set_proxy_resolver (session, NULL);
  return session;
}

MrHttpPlace *
mr_http_place_new (const char *text, const char *ca_file, GError **error)
{
  gboolean is_unix = g_str_has_prefix (text, UNIX_PREFIX "/");
  gboolean local = is_unix;
  g_autofree char *base = is_unix ? g_strdup ("http://localhost") : make_base (text, &local);
  g_autoptr (GTlsDatabase) authorities = NULL;
  MrHttpPlace *place;

  if (base == NULL) {
    mr_ctl_fail (error, MR_CTL_USAGE,
                 "\"%s\" is not a relay's address; it looks like http://host:8080, https://host or unix:/path", text);
    return NULL;
  }
  authorities = read_authorities (ca_file, error);
  if (authorities == NULL && ca_file != NULL)
    return NULL;
  place = g_new0 (MrHttpPlace, 1);
  place->place = g_strdup (text);
  place->base = g_steal_pointer (&base);
  place->session = make_session (text, local);
  if (authorities != NULL)
    soup_session_set_tls_database (place->session, authorities);
  return place;
}

void
mr_http_place_free (MrHttpPlace *place)
{
  if (place == NULL)
    return;
  g_clear_object (&place->session);
  g_free (place->base);
  g_free (place->place);
  g_free (place);
}

static gboolean
believe (SoupMessage *message, GTlsCertificate *certificate, GTlsCertificateFlags problems, gpointer data)
{
  return TRUE;
}

SoupMessage *
mr_http_message (MrHttpPlace *place, const char *method, const char *path, const char *secret)
{
  g_autofree char *uri = g_strconcat (place->base, path, NULL);
  SoupMessage *message = soup_message_new (method, uri);

  /* What is secret goes where it was sent, and nowhere else. */
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (place->believed)
    g_signal_connect (message, "accept-certificate", G_CALLBACK (believe), NULL);
  if (secret != NULL) {
    g_autofree char *bearer = g_strconcat ("Bearer ", secret, NULL);

    soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization", bearer);
  }
  return message;
}

gboolean
mr_http_fail_reach (const char *place, const GError *failure, GError **error)
{
  return mr_ctl_fail (error, MR_CTL_UNREACHABLE,
                      "cannot reach a relay at %s (%s); check the address and that modelrelay-server is running", place,
                      failure->message);
}

JsonNode *
mr_http_parse (GBytes *body)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  gsize length;
  const char *text = g_bytes_get_data (body, &length);
  MrJsonValue value;

  if (text == NULL || !mr_json_scan (text, length, &value, NULL) ||
      !json_parser_load_from_data (parser, text, (gssize) length, NULL))
    return NULL;
  return json_node_copy (json_parser_get_root (parser));
}

const char *
mr_http_error_text (JsonNode *answer)
{
  return answer != NULL ? mr_fact_string (answer, "error.message", NULL) : NULL;
}
