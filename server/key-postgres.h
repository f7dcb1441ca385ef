/* SPDX-License-Identifier: MIT */
/*
 * A connection to PostgreSQL that is used from the key database's thread. libpq is used asynchronously even so, because
 * only then each step has a deadline (10 s). What a failure means to an operator is said here, without host, user or
 * password; what libpq says goes into the detail.
 */
#pragma once

#include "key-database.h"

#include <libpq-fe.h>

typedef struct {
  MrKeyBackend base;
  char *url;   /* Owned: may hold a password */
  char *relay; /* Owned: names this process in the database */
  PGconn *connection;
} MrPostgres;

typedef PGresult MrPgResult;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MrPgResult, PQclear)

/** mr_postgres_connect: only the look-up of a host name has no deadline of its own; it holds up the thread alone. */
gboolean mr_postgres_connect (MrPostgres *self, GError **error);

/**
 * mr_postgres_run:
 * @sql: one statement with its @n values as text; or several statements without values
 *
 * Returns: (transfer full) (nullable): the last result; %NULL when one failed
 */
PGresult *mr_postgres_run (MrPostgres *self, const char *sql, const char *const *values, int n, GError **error);

gboolean mr_postgres_execute (MrPostgres *self, const char *sql, GError **error);

/** mr_postgres_fail_connection: @problem and what libpq says of the connection. Returns: %FALSE */
gboolean mr_postgres_fail_connection (MrPostgres *self, GError **error, const char *problem);
