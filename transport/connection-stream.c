/* SPDX-License-Identifier: MIT */
/*
 * The GIOStream face of a connection: three small GObjects (stream, input, output) over one MrConnection. The
 * connection is read only while somebody waits on the input's GSource, which the connection's events make ready.
 */
#include "connection-stream.h"

#include "limits.h"

#include <errno.h>

#define FACE_TYPE_INPUT (face_input_get_type ())
G_DECLARE_FINAL_TYPE (FaceInput, face_input, FACE, INPUT, GInputStream)
#define FACE_TYPE_OUTPUT (face_output_get_type ())
G_DECLARE_FINAL_TYPE (FaceOutput, face_output, FACE, OUTPUT, GOutputStream)

struct _MrConnectionStream {
  GIOStream parent;
  MrConnection *connection; /* Owned; NULL once detached or closed */
  FaceInput *input;         /* Owned */
  FaceOutput *output;       /* Owned */
  GSource *waiting;         /* Owned, nullable: the last GSource that was made for the input */
  guint64 allowance;
  guint64 bytes_read;
};

struct _FaceInput {
  GInputStream parent;
  MrConnectionStream *stream; /* Borrowed: owns this */
};

struct _FaceOutput {
  GOutputStream parent;
  MrConnectionStream *stream; /* Borrowed: owns this */
};

static void face_input_pollable_init (GPollableInputStreamInterface *iface);
static void face_output_pollable_init (GPollableOutputStreamInterface *iface);

G_DEFINE_FINAL_TYPE (MrConnectionStream, mr_connection_stream, G_TYPE_IO_STREAM)
G_DEFINE_FINAL_TYPE_WITH_CODE (FaceInput, face_input, G_TYPE_INPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, face_input_pollable_init))
G_DEFINE_FINAL_TYPE_WITH_CODE (FaceOutput, face_output, G_TYPE_OUTPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_OUTPUT_STREAM, face_output_pollable_init))

static void
wake_reader (MrConnectionStream *self)
{
  if (self->waiting != NULL && !g_source_is_destroyed (self->waiting))
    g_source_set_ready_time (self->waiting, 0);
  g_clear_pointer (&self->waiting, g_source_unref);
}

static void
on_readable (MrConnection *connection, gpointer data)
{
  mr_connection_set_reading (connection, FALSE);
  wake_reader (data);
}

static void
on_gone (MrConnection *connection, const GError *error, gpointer data)
{
  wake_reader (data);
}

static const MrConnectionEvents stream_events = { .readable = on_readable, .gone = on_gone };

/* --- input --- */

static gssize
face_input_read_nonblocking (GPollableInputStream *pollable, void *buffer, gsize count, GError **error)
{
  MrConnectionStream *self = FACE_INPUT (pollable)->stream;
  gssize n;

  if (self == NULL || self->connection == NULL)
    return 0;
  if (count > self->allowance)
    count = (gsize) self->allowance;
  if (count == 0) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "Nothing more may be read");
    return -1;
  }
  n = mr_connection_read (self->connection, buffer, count);
  if (n > 0) {
    self->bytes_read += (guint64) n;
    if (self->allowance != G_MAXUINT64)
      self->allowance -= (guint64) n;
  } else if (n < 0) {
    int code = errno;

    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (code), g_strerror (code));
  }
  return n;
}

static gssize
face_input_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  return face_input_read_nonblocking (G_POLLABLE_INPUT_STREAM (stream), buffer, count, error);
}

static gboolean
face_input_is_readable (GPollableInputStream *pollable)
{
  MrConnectionStream *self = FACE_INPUT (pollable)->stream;

  return self == NULL || self->connection == NULL || !mr_connection_is_open (self->connection);
}

static GSource *
face_input_create_source (GPollableInputStream *pollable, GCancellable *cancellable)
{
  MrConnectionStream *self = FACE_INPUT (pollable)->stream;
  GSource *source = g_pollable_source_new_full (pollable, NULL, cancellable);

  if (face_input_is_readable (pollable)) {
    g_source_set_ready_time (source, 0);
    return source;
  }
  g_clear_pointer (&self->waiting, g_source_unref);
  self->waiting = g_source_ref (source);
  if (self->allowance > 0)
    mr_connection_set_reading (self->connection, TRUE);
  return source;
}

static void
face_input_class_init (FaceInputClass *klass)
{
  G_INPUT_STREAM_CLASS (klass)->read_fn = face_input_read;
}

static void
face_input_init (FaceInput *self)
{
}

static void
face_input_pollable_init (GPollableInputStreamInterface *iface)
{
  iface->is_readable = face_input_is_readable;
  iface->create_source = face_input_create_source;
  iface->read_nonblocking = face_input_read_nonblocking;
}

/* --- output: the connection takes everything --- */

static gssize
face_output_write_nonblocking (GPollableOutputStream *pollable, const void *buffer, gsize count, GError **error)
{
  MrConnectionStream *self = FACE_OUTPUT (pollable)->stream;

  if (self == NULL || self->connection == NULL || !mr_connection_is_open (self->connection)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "The connection has gone");
    return -1;
  }
  mr_connection_write (self->connection, buffer, count);
  return (gssize) count;
}

static gssize
face_output_write (GOutputStream *stream, const void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  return face_output_write_nonblocking (G_POLLABLE_OUTPUT_STREAM (stream), buffer, count, error);
}

static gboolean
face_output_is_writable (GPollableOutputStream *pollable)
{
  return TRUE;
}

static GSource *
face_output_create_source (GPollableOutputStream *pollable, GCancellable *cancellable)
{
  GSource *source = g_pollable_source_new_full (pollable, NULL, cancellable);

  g_source_set_ready_time (source, 0);
  return source;
}

static void
face_output_class_init (FaceOutputClass *klass)
{
  G_OUTPUT_STREAM_CLASS (klass)->write_fn = face_output_write;
}

static void
face_output_init (FaceOutput *self)
{
}

static void
face_output_pollable_init (GPollableOutputStreamInterface *iface)
{
  iface->is_writable = face_output_is_writable;
  iface->create_source = face_output_create_source;
  iface->write_nonblocking = face_output_write_nonblocking;
}

/* --- the stream --- */

static GInputStream *
mr_connection_stream_get_input_stream (GIOStream *stream)
{
  return G_INPUT_STREAM (MR_CONNECTION_STREAM (stream)->input);
}

static GOutputStream *
mr_connection_stream_get_output_stream (GIOStream *stream)
{
  return G_OUTPUT_STREAM (MR_CONNECTION_STREAM (stream)->output);
}

MrConnection *
mr_connection_stream_detach (MrConnectionStream *self)
{
  MrConnection *connection = g_steal_pointer (&self->connection);

  if (connection == NULL)
    return NULL;
  mr_connection_set_reading (connection, FALSE);
  mr_connection_set_events (connection, NULL, NULL);
  wake_reader (self);
  return connection;
}

/* Whoever closes the face is done with the connection: what it wrote is still sent. */
static gboolean
mr_connection_stream_close (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  g_autoptr (MrConnection) connection = mr_connection_stream_detach (MR_CONNECTION_STREAM (stream));

  if (connection != NULL)
    mr_connection_finish (connection, MR_LIMIT_DRAIN_USEC);
  return TRUE;
}

static void
mr_connection_stream_finalize (GObject *object)
{
  MrConnectionStream *self = MR_CONNECTION_STREAM (object);

  (void) mr_connection_stream_close (G_IO_STREAM (self), NULL, NULL);
  self->input->stream = NULL;
  self->output->stream = NULL;
  g_clear_object (&self->input);
  g_clear_object (&self->output);
  g_clear_pointer (&self->waiting, g_source_unref);
  G_OBJECT_CLASS (mr_connection_stream_parent_class)->finalize (object);
}

static void
mr_connection_stream_class_init (MrConnectionStreamClass *klass)
{
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = mr_connection_stream_finalize;
  stream_class->get_input_stream = mr_connection_stream_get_input_stream;
  stream_class->get_output_stream = mr_connection_stream_get_output_stream;
  stream_class->close_fn = mr_connection_stream_close;
}

static void
mr_connection_stream_init (MrConnectionStream *self)
{
  self->input = g_object_new (FACE_TYPE_INPUT, NULL);
  self->input->stream = self;
  self->output = g_object_new (FACE_TYPE_OUTPUT, NULL);
  self->output->stream = self;
}

GIOStream *
mr_connection_stream_new (MrConnection *connection, guint64 allowance)
{
  MrConnectionStream *self = g_object_new (MR_TYPE_CONNECTION_STREAM, NULL);

  self->connection = mr_connection_ref (connection);
  self->allowance = allowance;
  mr_connection_set_reading (connection, FALSE);
  mr_connection_set_events (connection, &stream_events, self);
  return G_IO_STREAM (self);
}

guint64
mr_connection_stream_get_read (MrConnectionStream *self)
{
  return self->bytes_read;
}
