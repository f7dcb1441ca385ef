/* SPDX-License-Identifier: MIT */
/*
 * Connecting to PostgreSQL, statements and results, each with its deadline. What the statements are lives in
 * key-store-postgres.c.
 */
#include "key-postgres.h"

#include "limits.h"

#include <poll.h>
#include <string.h>

/* To connect, and for each statement. Then the connection counts as lost. */
#define DEADLINE_USEC (10 * MR_USEC_PER_SEC)

static void
ignore_notice (void *data, const PGresult *result)
{
}

gboolean
mr_postgres_fail_connection (MrPostgres *self, GError **error, const char *problem)
{
  return mr_key_backend_fail (&self->base, PQerrorMessage (self->connection), error, problem);
}

static gboolean
fail_result (MrPostgres *self, const PGresult *result, GError **error)
{
  const char *state = PQresultErrorField (result, PG_DIAG_SQLSTATE);
  g_autofree char *problem = NULL;

  if (state == NULL || PQstatus (self->connection) == CONNECTION_BAD)
    return mr_postgres_fail_connection (self, error, "the connection to PostgreSQL was lost");
  if (strcmp (state, "25006") == 0)
    problem = g_strdup ("the PostgreSQL database is read-only");
  else if (strcmp (state, "53100") == 0)
    problem = g_strdup ("the disk of the PostgreSQL server is full");
  else if (g_str_has_prefix (state, "57P"))
    problem = g_strdup ("the PostgreSQL server is shutting down or starting");
  else
    problem = g_strdup_printf ("PostgreSQL refused a statement (SQLSTATE %s)", state);
  return mr_key_backend_fail (&self->base, PQresultErrorMessage (result), error, problem);
}

/* FALSE at the deadline. What went wrong with the socket libpq finds out itself. */
static gboolean
wait_for_socket (MrPostgres *self, short events, gint64 deadline_us)
{
  struct pollfd fd = { .fd = PQsocket (self->connection), .events = events };
  gint64 left = deadline_us - g_get_monotonic_time ();

  return left > 0 && poll (&fd, 1, (int) (left / MR_USEC_PER_MSEC) + 1) != 0;
}

/* The last result of what was sent, or the first that failed. */
static PGresult *
wait_for_result (MrPostgres *self, GError **error)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_USEC;
  g_autoptr (MrPgResult) last = NULL;
  PGresult *result;

  do {
    int unsent;

    while ((unsent = PQflush (self->connection)) > 0 || PQisBusy (self->connection)) {
      if (!wait_for_socket (self, unsent > 0 ? POLLIN | POLLOUT : POLLIN, deadline_us)) {
        mr_key_backend_fail (&self->base, "time-out", error, "PostgreSQL did not answer in time");
        return NULL;
      }
      if (!PQconsumeInput (self->connection)) {
        mr_postgres_fail_connection (self, error, "the connection to PostgreSQL was lost");
        return NULL;
      }
    }
    result = PQgetResult (self->connection);
    if (result != NULL) {
      g_clear_pointer (&last, PQclear);
      last = result;
    }
  } while (result != NULL && PQresultStatus (result) != PGRES_FATAL_ERROR);

  if (last == NULL || (PQresultStatus (last) != PGRES_COMMAND_OK && PQresultStatus (last) != PGRES_TUPLES_OK)) {
    fail_result (self, last, error);
    return NULL;
  }
  return g_steal_pointer (&last);
}

PGresult *
mr_postgres_run (MrPostgres *self, const char *sql, const char *const *values, int n, GError **error)
{
  int sent = n > 0 ? PQsendQueryParams (self->connection, sql, n, NULL, values, NULL, NULL, 0)
                   : PQsendQuery (self->connection, sql);

  if (!sent) {
    mr_postgres_fail_connection (self, error, "the connection to PostgreSQL was lost");
    return NULL;
  }
  return wait_for_result (self, error);
}

gboolean
mr_postgres_execute (MrPostgres *self, const char *sql, GError **error)
{
  g_autoptr (MrPgResult) result = mr_postgres_run (self, sql, NULL, 0, error);

  return result != NULL;
}

gboolean
mr_postgres_connect (MrPostgres *self, GError **error)
{
  /* What the URL says itself counts before what stands in front of it, and less than what stands behind. */
  static const char *const names[] = { "fallback_application_name", "dbname", "client_encoding", NULL };
  const char *const values[] = { "modelrelay-server", self->url, "UTF8", NULL };
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_USEC;
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;

  self->connection = PQconnectStartParams (names, values, 1);
  PQsetNoticeReceiver (self->connection, ignore_notice, NULL);
  if (PQstatus (self->connection) == CONNECTION_BAD)
    status = PGRES_POLLING_FAILED;
  while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
    if (!wait_for_socket (self, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_us))
      return mr_key_backend_fail (&self->base, "time-out", error, "PostgreSQL did not answer in time");
    status = PQconnectPoll (self->connection);
  }
  if (status == PGRES_POLLING_FAILED)
    return mr_postgres_fail_connection (self, error, "cannot connect to PostgreSQL");
  PQsetnonblocking (self->connection, 1);
  return TRUE;
}
