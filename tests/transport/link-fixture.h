/* SPDX-License-Identifier: MIT */
/*
 * A link on one end of a socket pair, and the test on the other, with raw frames. Every wait turns the main loop and
 * has a deadline.
 */
#pragma once

#include "link.h"

typedef enum { DO_NOTHING, DO_FREE, DO_CLOSE, DO_SEND } Reaction;

typedef struct {
  MrReactor *reactor;
  MrLink *link;              /* Owned; NULL once freed */
  MrWebsocketRole peer_role; /* of the test's end */
  MrWebsocketParser *parser; /* Owned: of the test's end */
  int peer;                  /* Owned */
  guint32 last_mask;
  Reaction reaction;
  gboolean in_call; /* a call of the owner's is under way: `closed` must not come */
  guint received;
  guint received_this_turn;
  guint most_in_a_turn;
  GString *text; /* Owned: what the messages said, in order */
  guint closed;
  guint16 close_code;
  char *close_reason; /* Owned */
} Fixture;

/* set_up_server, set_up_client: the link's role. */
void set_up_server (Fixture *fixture, gconstpointer data);
void set_up_client (Fixture *fixture, gconstpointer data);
void tear_down (Fixture *fixture, gconstpointer data);

/* The owner's side: one message; a close that checks that `closed` does not come from within. */
void send_error (MrLink *link, const char *text);
void close_link (Fixture *fixture, guint16 code, const char *reason);

/* The peer's side. */
void append_frame (GByteArray *stream, MrWebsocketRole role, MrWebsocketOpcode opcode, const char *payload,
                   gsize length);
void peer_write (Fixture *fixture, const void *data, gsize length);
void peer_send (Fixture *fixture, MrWebsocketOpcode opcode, const char *payload);
MrWebsocketMessage wait_any_frame (Fixture *fixture);
MrWebsocketMessage wait_frame (Fixture *fixture, MrWebsocketOpcode opcode);
void assert_frame (Fixture *fixture, MrWebsocketOpcode opcode, const char *payload);
void assert_close_frame (Fixture *fixture, guint16 code, const char *reason);

/* wait_end: the link's side of the socket ends, and nothing more comes before that. */
void wait_end (Fixture *fixture);

/* What the link's owner was told. */
void wait_received (Fixture *fixture, guint n);
void wait_closed (Fixture *fixture, guint16 code, const char *reason);
