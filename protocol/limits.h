/* SPDX-License-Identifier: MIT */
/*
 * Every cap on what a peer can make us hold, with its reason and what happens at the cap.
 * Nothing else lives here. Sizes are bytes, times are microseconds, unless the name says otherwise.
 */

/* gcc's <limits.h> looks for the system's one along the quote path too, and finds this file on its way: pass it on.
 * (A guard and not `#pragma once`, which would stop that.) */
#ifdef _GCC_NEXT_LIMITS_H
#include_next <limits.h>
#endif

#ifndef MR_LIMITS_H
#define MR_LIMITS_H

#include <glib.h>

#define MR_USEC_PER_MSEC G_GINT64_CONSTANT (1000)
#define MR_USEC_PER_SEC G_GINT64_CONSTANT (1000000)

/* --- JSON --- */

/* Deepest nesting of arrays and objects. Tool schemas reach about 20; beyond the cap the text is refused. */
#define MR_LIMIT_JSON_DEPTH 256

/* --- HTTP intake --- */

/* Request line and header fields together. Claude Code sends about 2 KiB; above the cap 431. */
#define MR_LIMIT_HEAD_BYTES (32 * 1024)

/* Header fields in one head; above the cap 431. */
#define MR_LIMIT_HEAD_FIELDS 100

/* A request body. Long contexts with images reach tens of MiB; above the cap 413, unread. */
#define MR_LIMIT_REQUEST_BODY_BYTES (64 * 1024 * 1024)

/* What is read and thrown away after a 413, so that the client sees the answer and not a reset. */
#define MR_LIMIT_DRAIN_BYTES (1024 * 1024)
#define MR_LIMIT_DRAIN_USEC (2 * MR_USEC_PER_SEC)

/* From the first byte of a head (or the accept) to its end; then 408 and close (slowloris). */
#define MR_LIMIT_HEAD_USEC (15 * MR_USEC_PER_SEC)

/* A kept-alive connection without a request; then closed. */
#define MR_LIMIT_IDLE_USEC (60 * MR_USEC_PER_SEC)

/* Slowest average rate of a request body, after the grace; below it 408 and close. */
#define MR_LIMIT_BODY_BYTES_PER_SEC 1024
#define MR_LIMIT_BODY_GRACE_USEC (15 * MR_USEC_PER_SEC)

/* Pending connections in the kernel before accept. */
#define MR_LIMIT_BACKLOG 4096

/* How long accepting rests after EMFILE, ENFILE, ENOBUFS or ENOMEM. */
#define MR_LIMIT_ACCEPT_BACKOFF_USEC (100 * MR_USEC_PER_MSEC)

/* Connections accepted in one turn, so that a connect flood starves nobody. */
#define MR_LIMIT_ACCEPTS_PER_TURN 64

/* --- Connections --- */

/* Read from one socket in one turn, so that no socket starves another. */
#define MR_LIMIT_TURN_BYTES (64 * 1024)

/* What one client may leave unread in the relay; beyond it that one response is ended with an error. */
#define MR_LIMIT_CLIENT_UNSENT_BYTES (8 * 1024 * 1024)

/* Kernel's share of unsent data (TCP_NOTSENT_LOWAT), else 3-4 MB hide from back-pressure. */
#define MR_LIMIT_NOTSENT_LOWAT_BYTES (16 * 1024)

/* --- Worker link --- */

/* One WebSocket message: the largest body with every byte escaped (JSON has no raw byte that needs more than two), and
 * the rest of the message. Above the cap the link is closed with 1009. */
#define MR_LIMIT_MESSAGE_BYTES (2 * MR_LIMIT_REQUEST_BODY_BYTES + 1024 * 1024)

/* Strings in one list of a message (models, warnings); beyond the cap a protocol error. Far above what any peer means:
 * it only keeps a message of empty strings from growing to ten times its size. */
#define MR_LIMIT_MESSAGE_LIST 4096

/* Header fields in one message; beyond the cap a protocol error. Looking for repeated names costs their square. */
#define MR_LIMIT_MESSAGE_HEADERS 512

/* Before registration nothing larger than a register with 256 names of 256 bytes is due. */
#define MR_LIMIT_REGISTER_BYTES (256 * 1024)

/* Frames handled for one link in one turn. */
#define MR_LIMIT_TURN_MESSAGES 256

/* Waiting to be sent on one link; at the cap the link is closed, because its peer does not read. */
#define MR_LIMIT_LINK_UNSENT_BYTES (256 * 1024 * 1024)

/* From our close frame to the peer's; then the socket is closed. */
#define MR_LIMIT_CLOSE_USEC (2 * MR_USEC_PER_SEC)

/* From the upgrade to a valid register; then 1002. */
#define MR_LIMIT_REGISTER_USEC (10 * MR_USEC_PER_SEC)

/* A worker's models, and one name; the rest is dropped with a warning. */
#define MR_LIMIT_MODELS 256
#define MR_LIMIT_MODEL_NAME_BYTES 256

/* A worker's name; cut on a character boundary with a warning. */
#define MR_LIMIT_WORKER_NAME_BYTES 128

/* Requests a worker may take at once; lowered with a warning. */
#define MR_LIMIT_MAX_CONCURRENT 4096

/* After a cancel a worker has this long to say that the request is over; then its slot is freed. */
#define MR_LIMIT_CANCEL_GRACE_USEC (5 * MR_USEC_PER_SEC)

/* A link on which nothing came for this long is dead, seen from the worker. */
#define MR_LIMIT_WORKER_SILENCE_USEC (90 * MR_USEC_PER_SEC)

/* Model names that were seen once and now wait in the queue (contract C6); the oldest is forgotten. */
#define MR_LIMIT_SEEN_MODELS 4096

/* Parts of a form, and the lines before a part's content; clients send a handful of parts with two lines each. */
#define MR_LIMIT_FORM_PARTS 1024
#define MR_LIMIT_FORM_HEAD_BYTES (8 * 1024)

/* Requests that wait rise by one priority band for every so long, so that none starves (contract C7). */
#define MR_LIMIT_AGING_USEC (10 * MR_USEC_PER_SEC)

/* Keys without a waiting request whose turn the queue remembers; the one served longest ago is forgotten, and comes first
 * when it comes again. */
#define MR_LIMIT_QUEUE_TURNS 4096

/* Prefix windows and sessions that are remembered for affinity (contract C8); the one used longest ago is forgotten, and
 * each after an hour without use: a model server has long given its cache to others by then. */
#define MR_LIMIT_AFFINITY_ENTRIES 65536
#define MR_LIMIT_AFFINITY_USEC (3600 * MR_USEC_PER_SEC)

/* Models with figures of their own in /metrics; further ones are counted as "(other)". */
#define MR_LIMIT_STAT_MODELS 512

/* Keys in the key store, globs of a key, and bytes of a key's name and of a glob. */
#define MR_LIMIT_KEYS 100000
#define MR_LIMIT_KEY_MODELS 64
#define MR_LIMIT_KEY_NAME_BYTES 128

/* Rows of usage (key, model and day) that wait in memory while the database cannot be written; further ones are added up
 * without their model. */
#define MR_LIMIT_USAGE_ROWS 65536

/* Addresses whose failed authentications are remembered; the oldest is forgotten. */
#define MR_LIMIT_AUTH_PEERS 10000

/* A request's id on a link; ours are UUIDs. A longer one is a protocol error. */
#define MR_LIMIT_REQUEST_ID_BYTES 256

/* A request's window in each direction (flow_control): what a slow taker may leave in the relay, and in the worker. */
#define MR_LIMIT_STREAM_WINDOW_BYTES (1024 * 1024)

/* A body leaves in binary frames of this size, so that others on the link come between. */
#define MR_LIMIT_BODY_FRAME_BYTES (64 * 1024)

/* --- Admin API --- */

/* The body of a request to the admin API; the largest key is a few KiB. Above the cap 413. */
#define MR_LIMIT_ADMIN_BODY_BYTES (64 * 1024)

/* Entries of one page of a list; a `limit` above it is refused with 400. */
#define MR_LIMIT_ADMIN_PAGE 1000

/* Days that one question for usage may span; above the cap 400. */
#define MR_LIMIT_ADMIN_USAGE_DAYS 366

/* Streams of events that are open at once; beyond the cap 429. */
#define MR_LIMIT_EVENT_STREAMS 64

/* What a reader of events may leave unread in the relay; beyond it its stream is cut. Room for a large fleet's
 * snapshot. */
#define MR_LIMIT_EVENT_UNSENT_BYTES (4 * 1024 * 1024)

/* Events that are kept for readers who come back; who missed more than these gets a snapshot. */
#define MR_LIMIT_EVENT_RING 1000
#define MR_LIMIT_EVENT_RING_BYTES (1024 * 1024)

/* Requests in a snapshot, and requests that may come and end between two flushes and still have an event of their own;
 * further ones show in the figures only. */
#define MR_LIMIT_EVENT_REQUESTS 500

/* --- Downloads --- */

/* Packages that are listed; further ones are not. */
#define MR_LIMIT_DOWNLOAD_FILES 100

/* Packages that are being sent at once, each with a descriptor and a piece in memory; beyond the cap 429. */
#define MR_LIMIT_DOWNLOADS 64

/* --- Backend --- */

/* A buffered (not streamed) answer in the worker; above the cap response_too_large. */
#define MR_LIMIT_RESPONSE_BODY_BYTES (64 * 1024 * 1024)

/* An event held back while looking for its usage; a larger one passes uncounted. */
#define MR_LIMIT_USAGE_EVENT_BYTES (1024 * 1024)

/* Idle connections kept to one backend, and for how long (llama-server closes after 5 s). */
#define MR_LIMIT_BACKEND_IDLE 64
#define MR_LIMIT_BACKEND_IDLE_USEC (4 * MR_USEC_PER_SEC)

/* Backend connect. */
#define MR_LIMIT_CONNECT_USEC (10 * MR_USEC_PER_SEC)

/* A backend's list of models or properties (a chat template is in it); a longer one counts as no answer. */
#define MR_LIMIT_DISCOVERY_BYTES (1024 * 1024)

/* Waiting to be sent on one link of a worker: above the first no more is read from its backends, until the second. */
#define MR_LIMIT_WORKER_HIGH_BYTES (4 * 1024 * 1024)
#define MR_LIMIT_WORKER_LOW_BYTES (1024 * 1024)

/* Trying out a relay, all steps together: a person waits for it. */
#define MR_LIMIT_PROBE_USEC (15 * MR_USEC_PER_SEC)

/* Looking for model servers on this machine, all together: what is not there refuses at once. */
#define MR_LIMIT_FIND_BACKENDS_USEC (2 * MR_USEC_PER_SEC)

#endif
