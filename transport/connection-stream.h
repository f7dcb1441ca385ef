/* SPDX-License-Identifier: MIT */
/*
 * A pollable GIOStream face of a connection, for libraries that want one (libsoup's server, GTls). Its
 * GSources hold no descriptor: the reactor makes them ready. The input face is metered: it hands out only as many bytes
 * as it was allowed, so that what belongs to the next reader stays in the connection.
 */
#pragma once

#include "connection.h"

#define MR_TYPE_CONNECTION_STREAM (mr_connection_stream_get_type ())
G_DECLARE_FINAL_TYPE (MrConnectionStream, mr_connection_stream, MR, CONNECTION_STREAM, GIOStream)

/**
 * mr_connection_stream_new:
 * @connection: a reference is taken; its events and reading are the stream's until mr_connection_stream_detach()
 * @allowance: bytes that may be read through the face; %G_MAXUINT64 for no limit
 */
GIOStream *mr_connection_stream_new (MrConnection *connection, guint64 allowance);

/**
 * mr_connection_stream_detach:
 *
 * The face lets go: from now on it reads as ended and drops writes. Reading on the connection is off and it has no
 * events.
 *
 * Returns: (transfer full) (nullable): the connection, %NULL when it was detached or closed before
 */
MrConnection *mr_connection_stream_detach (MrConnectionStream *stream);

/** mr_connection_stream_get_read: bytes that were read through the face. */
guint64 mr_connection_stream_get_read (MrConnectionStream *stream);
