/* SPDX-License-Identifier: MIT */
/*
 * A TCP socket on the loopback interface in blocking style with deadlines, so that a test reads like a script. What
 * cannot be waited for ends the test with a message. What the bytes mean lives elsewhere.
 */
#pragma once

#include <glib.h>

/* How long a test waits for what must come. Generous: only a failing test takes so long. */
#define MRT_WAIT_MS 10000

/* How long a test watches that nothing comes. */
#define MRT_QUIET_MS 150

/** MrtStream: the socket, and bytes that were received but not used yet. */
typedef struct {
  int fd;
  GString *in;
} MrtStream;

/** MrtRead: what one attempt to receive gave. */
typedef enum { MRT_READ_DATA, MRT_READ_END, MRT_READ_RESET, MRT_READ_TIMEOUT } MrtRead;

/** mrt_now_ms: monotonic milliseconds. */
gint64 mrt_now_ms (void);

/** mrt_listen: a listening socket on a free port of 127.0.0.1. */
int mrt_listen (guint16 *port);

/** mrt_accept: (nullable) (transfer full): the next connection, or %NULL after @timeout_ms or when @fd was shut down.
 */
MrtStream *mrt_accept (int fd, int timeout_ms);

/** mrt_stream_connect: (transfer full): a connection to 127.0.0.1:@port; the test fails when nobody listens. */
MrtStream *mrt_stream_connect (guint16 port);

/** mrt_stream_connects: whether somebody listens on 127.0.0.1:@port. */
gboolean mrt_stream_connects (guint16 port);

void mrt_stream_free (MrtStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrtStream, mrt_stream_free)

/** mrt_stream_write: all of it. %FALSE when the peer has gone; the test fails when the peer does not read. */
gboolean mrt_stream_write (MrtStream *stream, const void *data, gsize length);

/** mrt_stream_write_text: the same for a string. */
gboolean mrt_stream_write_text (MrtStream *stream, const char *text);

/** mrt_stream_fill: waits for bytes and adds them to @in. A negative time waits for ever. */
MrtRead mrt_stream_fill (MrtStream *stream, int timeout_ms);

/**
 * mrt_stream_take_until:
 * @end: what ends the wanted text
 * @timeout_ms: negative for ever
 *
 * Returns: (nullable) (transfer full): the bytes up to and with @end; %NULL when the peer ended first; on a
 *   time-out the test fails
 */
char *mrt_stream_take_until (MrtStream *stream, const char *end, int timeout_ms);

/** mrt_stream_wait_end: drops what comes until the peer ends; %FALSE after @timeout_ms. */
gboolean mrt_stream_wait_end (MrtStream *stream, int timeout_ms);

/** mrt_stream_is_quiet: nothing comes and the peer does not end within @timeout_ms. */
gboolean mrt_stream_is_quiet (MrtStream *stream, int timeout_ms);

/** mrt_stream_half_close: says that we send no more. */
void mrt_stream_half_close (MrtStream *stream);

/** mrt_stream_reset: closes with RST. */
void mrt_stream_reset (MrtStream *stream);
