/* SPDX-License-Identifier: MIT */
/*
 * The stage of the HTTP client's tests: a backend that the test plays by hand over raw sockets, in the same thread, in
 * turns with the main loop; and an owner that notes what an exchange tells it. No test is here.
 */
#pragma once

#include "http-client.h"

#include "error.h"
#include "limits.h"

#define STAGE_DEADLINE_USEC (20 * G_USEC_PER_SEC)
#define LENGTH_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* Runs the loop until @condition is true, which must happen before the deadline. */
#define pump_until(condition)                                                                                          \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    gint64 pump_deadline = g_get_monotonic_time () + STAGE_DEADLINE_USEC;                                              \
    while (!(condition)) {                                                                                             \
      pump ();                                                                                                         \
      if (g_get_monotonic_time () > pump_deadline)                                                                     \
        g_error ("%s:%d: %s did not come true", __FILE__, __LINE__, #condition);                                       \
    }                                                                                                                  \
  }                                                                                                                    \
  G_STMT_END

/** pump: one turn of the main loop, or a short rest when there is nothing to do. */
void pump (void);

/** settle: runs the loop until everything that the sockets hold now has been dealt with. */
void settle (void);

/** stage_add: a test with a Fixture around it, which checks that no descriptor is left over. */
#define stage_add(path, data, function) g_test_add (path, Fixture, data, stage_set_up, function, stage_tear_down)

/** stage_main: runs the tests that @add_tests adds; http_proxy is set to a closed port. */
int stage_main (int argc, char **argv, void (*add_tests) (void));

/* --- The backend --- */

typedef struct {
  MrReactor *reactor;
  MrHttpClient *client;
  int listener;
  guint16 port;
  guint n_accepted;
} Fixture;

void stage_set_up (Fixture *fixture, gconstpointer data);
void stage_tear_down (Fixture *fixture, gconstpointer data);

/** open_listener: a non-blocking listening socket on the loopback address of @family. */
int open_listener (int family, guint16 *port);
MrHttpClient *new_client (MrReactor *reactor, const char *base);

/** backend_accept: the next connection; non-blocking. */
int backend_accept (Fixture *fixture);
gboolean nobody_connects (Fixture *fixture);

void backend_send (int fd, const char *data, gsize length);
void backend_say (int fd, const char *text);

/** backend_read_some: appends what has come, at most @most bytes; %FALSE at the end of the connection or after a reset.
 */
gboolean backend_read_some (int fd, GString *into, gsize most);

/** backend_read_head: (transfer full): a request's head, as text. */
char *backend_read_head (int fd);
void backend_read_bytes (int fd, GString *into, gsize total);

/** backend_answer: takes a connection and a GET, gives that answer. */
int backend_answer (Fixture *fixture, const char *answer);
gboolean backend_sees_end (int fd);

/** expect_end_soon: the client closes this connection within 100 ms; then it is closed here as well. */
void expect_end_soon (int fd);
void close_with_reset (int fd);

/* --- The owner of an exchange --- */

typedef enum { AT_NOTHING, AT_HEAD, AT_DATA, AT_DONE, AT_FAILED } Edge;

typedef struct {
  MrHttpExchange *exchange; /* NULL once it is over */
  guint status;
  GString *body;
  guint n_heads, n_datas, n_dones, n_failures;
  GError *error;
  Edge cancel_at;
  Edge pause_at;
  MrHttpClient **free_at_end;
} Owner;

void owner_clear (Owner *owner);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Owner, owner_clear)

/** start: an exchange whose owner is @owner. */
void start (Owner *owner, MrHttpClient *client, const char *method, const char *path, GBytes *body);
void start_get (Owner *owner, Fixture *fixture);
void expect_done (Owner *owner, guint status, const char *body);
void expect_failed (Owner *owner, MrErrorCode code);

/** fill_pool: one whole exchange; its connection goes into the pool. */
int fill_pool (Fixture *fixture);
