/* SPDX-License-Identifier: MIT */
/*
 * The client of raw-client.h.
 */
#include "raw-client.h"

#include <string.h>

void
mrt_response_free (MrtResponse *response)
{
  if (response == NULL)
    return;
  if (response->owns_stream)
    mrt_stream_free (response->stream);
  mrt_head_free (response->head);
  mrt_body_clear (&response->body);
  g_free (response);
}

void
mrt_client_send (MrtStream *stream, const char *method, const char *target, const char *headers, const char *body)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "%s %s HTTP/1.1\r\nHost: relay.test\r\n%s", method, target, headers != NULL ? headers : "");
  if (body != NULL)
    g_string_append_printf (text, "Content-Type: application/json\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n",
                            strlen (body));
  g_string_append (text, "\r\n");
  if (body != NULL)
    g_string_append (text, body);
  mrt_stream_write (stream, text->str, text->len);
}

MrtResponse *
mrt_client_receive_head (MrtStream *stream, gboolean to_head_request)
{
  g_autofree char *text = mrt_stream_take_until (stream, "\r\n\r\n", MRT_WAIT_MS);
  MrtResponse *response;
  g_autofree char *status = NULL;

  if (text == NULL)
    g_error ("the connection ended without an answer; got: \"%s\"", stream->in->str);
  response = g_new0 (MrtResponse, 1);
  response->stream = stream;
  response->head = mrt_head_parse (text);
  status = mrt_head_word (response->head, 1);
  response->status = (guint) g_ascii_strtoull (status, NULL, 10);
  mrt_body_init (&response->body, stream, response->head,
                 to_head_request || response->status < 200 || response->status == 204 || response->status == 304,
                 FALSE);
  return response;
}

MrtResponse *
mrt_client_receive (MrtStream *stream)
{
  MrtResponse *response = mrt_client_receive_head (stream, FALSE);

  mrt_body_finish (&response->body, MRT_WAIT_MS);
  return response;
}

MrtStream *
mrt_client_open (guint16 port, const char *method, const char *target, const char *headers, const char *body)
{
  MrtStream *stream = mrt_stream_connect (port);

  mrt_client_send (stream, method, target, headers, body);
  return stream;
}

MrtResponse *
mrt_client_ask (guint16 port, const char *method, const char *target, const char *headers, const char *body)
{
  MrtStream *stream = mrt_client_open (port, method, target, headers, body);
  MrtResponse *response = mrt_client_receive_head (stream, strcmp (method, "HEAD") == 0);

  response->owns_stream = TRUE;
  mrt_body_finish (&response->body, MRT_WAIT_MS);
  return response;
}
