/* SPDX-License-Identifier: MIT */
/*
 * A real PostgreSQL server of a test: a new cluster in a temporary directory, on 127.0.0.1. It asks for a password, so
 * that tests can show that it does not leak.
 */
#pragma once

#include <glib.h>

#define POSTGRES_PASSWORD "s3cret-of-the-database"

typedef struct _TestPostgres TestPostgres;

/** postgres_start: (transfer full): a running server that answers. */
TestPostgres *postgres_start (void);

void postgres_free (TestPostgres *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestPostgres, postgres_free)

/** postgres_kill, postgres_restart: the server dies at once; and comes back on the same port. */
void postgres_kill (TestPostgres *server);
void postgres_restart (TestPostgres *server);

/** postgres_new_database: (transfer full): the URL of a new, empty database. */
char *postgres_new_database (TestPostgres *server);

/** postgres_run: a statement in the database of @url; (transfer full): the first value of its answer, or "". */
char *postgres_run (const char *url, const char *sql);
