/* SPDX-License-Identifier: MIT */
/*
 * The backend of scripted-backend.h: one thread accepts, one thread a connection reads the next request and either
 * answers it or hands it, with the connection, to the script.
 */
#include "scripted-backend.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct _MrtBackend {
  int fd;
  guint16 port;
  GThread *acceptor;
  GAsyncQueue *requests; /* of MrtBackendRequest */

  GMutex lock;         /* guards what follows */
  GHashTable *answers; /* path -> JSON */
  GPtrArray *threads;  /* of connections, joined at the end */
  GHashTable *reading; /* streams that a connection's thread waits on */
  gboolean stopping;
};

/* A stream and whose it is, on the way into its thread. */
typedef struct {
  MrtBackend *backend;
  MrtStream *stream;
} Connection;

static void
answer (MrtStream *stream, guint status, const char *headers, const char *body)
{
  g_autofree char *text =
      g_strdup_printf ("HTTP/1.1 %u Scripted\r\n%sContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s", status,
                       headers != NULL ? headers : "Content-Type: application/json\r\n", strlen (body), body);

  mrt_stream_write_text (stream, text);
}

static void
answer_poll (MrtBackend *backend, MrtStream *stream, const char *target)
{
  g_autofree char *path = g_strndup (target, strcspn (target, "?"));
  g_autofree char *body = NULL;

  g_mutex_lock (&backend->lock);
  body = g_strdup (g_hash_table_lookup (backend->answers, path));
  g_mutex_unlock (&backend->lock);
  if (body != NULL)
    answer (stream, 200, NULL, body);
  else
    answer (stream, 404, NULL, "{\"error\":{\"message\":\"not here\"}}");
}

/* The next request of a connection, or NULL at its end. */
static MrtBackendRequest *
read_request (MrtBackend *backend, MrtStream *stream)
{
  g_autofree char *text = mrt_stream_take_until (stream, "\r\n\r\n", -1);
  MrtBackendRequest *request;
  MrtBody body;

  if (text == NULL)
    return NULL;
  request = g_new0 (MrtBackendRequest, 1);
  request->backend = backend;
  request->head = mrt_head_parse (text);
  request->method = mrt_head_word (request->head, 0);
  request->target = mrt_head_word (request->head, 1);
  mrt_body_init (&body, stream, request->head, FALSE, TRUE);
  mrt_body_finish (&body, -1);
  request->body = g_steal_pointer (&body.data);
  return request;
}

static gpointer
serve_connection (gpointer data)
{
  Connection *connection = data;
  MrtBackend *backend = connection->backend;
  MrtStream *stream = connection->stream;
  MrtBackendRequest *request;

  g_free (connection);
  while ((request = read_request (backend, stream)) != NULL && strcmp (request->method, "GET") == 0) {
    answer_poll (backend, stream, request->target);
    mrt_backend_request_free (request);
  }
  g_mutex_lock (&backend->lock);
  g_hash_table_remove (backend->reading, stream);
  g_mutex_unlock (&backend->lock);
  if (request == NULL) {
    mrt_stream_free (stream);
    return NULL;
  }
  request->stream = stream;
  g_async_queue_push (backend->requests, request);
  return NULL;
}

static void
start_reading (MrtBackend *backend, MrtStream *stream)
{
  Connection *connection;

  g_mutex_lock (&backend->lock);
  if (backend->stopping) {
    mrt_stream_free (stream);
  } else {
    connection = g_new (Connection, 1);
    *connection = (Connection){ backend, stream };
    g_hash_table_add (backend->reading, stream);
    g_ptr_array_add (backend->threads, g_thread_new ("backend", serve_connection, connection));
  }
  g_mutex_unlock (&backend->lock);
}

static gpointer
accept_connections (gpointer data)
{
  MrtBackend *backend = data;
  MrtStream *stream;

  while ((stream = mrt_accept (backend->fd, -1)) != NULL)
    start_reading (backend, stream);
  return NULL;
}

MrtBackend *
mrt_backend_new (void)
{
  MrtBackend *backend = g_new0 (MrtBackend, 1);

  backend->fd = mrt_listen (&backend->port);
  backend->requests = g_async_queue_new_full ((GDestroyNotify) mrt_backend_request_free);
  g_mutex_init (&backend->lock);
  backend->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  backend->threads = g_ptr_array_new ();
  backend->reading = g_hash_table_new (NULL, NULL);
  mrt_backend_set_models (backend, "m");
  backend->acceptor = g_thread_new ("acceptor", accept_connections, backend);
  return backend;
}

void
mrt_backend_free (MrtBackend *backend)
{
  GHashTableIter iter;
  gpointer stream;

  if (backend == NULL)
    return;
  g_mutex_lock (&backend->lock);
  backend->stopping = TRUE;
  g_hash_table_iter_init (&iter, backend->reading);
  while (g_hash_table_iter_next (&iter, &stream, NULL))
    shutdown (((MrtStream *) stream)->fd, SHUT_RDWR);
  g_mutex_unlock (&backend->lock);
  shutdown (backend->fd, SHUT_RDWR);
  g_thread_join (backend->acceptor);
  for (guint i = 0; i < backend->threads->len; i++)
    g_thread_join (backend->threads->pdata[i]);
  close (backend->fd);
  g_async_queue_unref (backend->requests);
  g_ptr_array_unref (backend->threads);
  g_hash_table_unref (backend->reading);
  g_hash_table_unref (backend->answers);
  g_mutex_clear (&backend->lock);
  g_free (backend);
}

guint16
mrt_backend_get_port (MrtBackend *backend)
{
  return backend->port;
}

void
mrt_backend_set_answer (MrtBackend *backend, const char *path, const char *body)
{
  g_mutex_lock (&backend->lock);
  g_hash_table_insert (backend->answers, g_strdup (path), g_strdup (body));
  g_mutex_unlock (&backend->lock);
}

void
mrt_backend_set_models (MrtBackend *backend, const char *ids)
{
  g_auto (GStrv) list = g_strsplit (ids, ",", -1);
  g_autoptr (GString) body = g_string_new ("{\"object\":\"list\",\"data\":[");

  for (guint i = 0; list[i] != NULL; i++)
    g_string_append_printf (body, "%s{\"id\":\"%s\",\"object\":\"model\"}", i > 0 ? "," : "", list[i]);
  g_string_append (body, "]}");
  mrt_backend_set_answer (backend, "/v1/models", body->str);
}

MrtBackendRequest *
mrt_backend_accept (MrtBackend *backend)
{
  MrtBackendRequest *request = g_async_queue_timeout_pop (backend->requests, MRT_WAIT_MS * 1000);

  if (request == NULL)
    g_error ("no request reached the backend");
  return request;
}

gboolean
mrt_backend_is_quiet (MrtBackend *backend, int timeout_ms)
{
  g_autoptr (MrtBackendRequest) request = g_async_queue_timeout_pop (backend->requests, (guint64) timeout_ms * 1000);

  return request == NULL;
}

void
mrt_backend_request_free (MrtBackendRequest *request)
{
  if (request == NULL)
    return;
  if (request->stream != NULL && request->answered)
    start_reading (request->backend, request->stream);
  else
    mrt_stream_free (request->stream);
  mrt_head_free (request->head);
  g_free (request->method);
  g_free (request->target);
  g_string_free (request->body, TRUE);
  g_free (request);
}

void
mrt_backend_write (MrtBackendRequest *request, const char *text)
{
  mrt_stream_write_text (request->stream, text);
}

void
mrt_backend_answer (MrtBackendRequest *request, guint status, const char *headers, const char *body)
{
  answer (request->stream, status, headers, body);
  request->answered = TRUE;
}

void
mrt_backend_sse_head (MrtBackendRequest *request)
{
  mrt_backend_write (request,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}

void
mrt_backend_chunk (MrtBackendRequest *request, const char *data, gsize length)
{
  g_autoptr (GString) chunk = g_string_new (NULL);

  g_string_printf (chunk, "%" G_GSIZE_MODIFIER "x\r\n", length);
  g_string_append_len (chunk, data, (gssize) length);
  g_string_append (chunk, "\r\n");
  mrt_stream_write (request->stream, chunk->str, chunk->len);
}

void
mrt_backend_event (MrtBackendRequest *request, const char *text)
{
  mrt_backend_chunk (request, text, strlen (text));
}

void
mrt_backend_end (MrtBackendRequest *request)
{
  mrt_backend_write (request, "0\r\n\r\n");
  request->answered = TRUE;
}

gboolean
mrt_backend_wait_gone (MrtBackendRequest *request, int timeout_ms)
{
  return mrt_stream_wait_end (request->stream, timeout_ms);
}
