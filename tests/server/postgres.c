/* SPDX-License-Identifier: MIT */
/*
 * Starting and stopping PostgreSQL, which refuses to run as root: then it runs as nobody.
 */
#include "postgres.h"

#include "process.h"

#include <glob.h>
#include <glib/gstdio.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct _TestPostgres {
  char *bin;       /* directory of the server's programs */
  char *directory; /* temporary */
  char *data;
  guint16 port;
  guint databases;
  MrtProcess *process; /* NULL when it was killed */
};

static char *
find_programs (void)
{
  glob_t found = { 0 };
  char *bin;

  if (glob ("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0)
    g_error ("there is no PostgreSQL server: please install the package postgresql");
  bin = g_strdup (found.gl_pathv[found.gl_pathc - 1]);
  globfree (&found);
  return bin;
}

/* The kernel forgets on a change of user who is to be killed with us: setpriv says it again. */
static MrtProcess *
start_program (TestPostgres *server, const char *name, const char *const *arguments)
{
  g_autofree char *program = g_build_filename (server->bin, name, NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  static const char *const unprivileged[] = { "/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                                              "--pdeathsig=KILL" };

  for (guint i = 0; geteuid () == 0 && i < G_N_ELEMENTS (unprivileged); i++)
    g_ptr_array_add (argv, (gpointer) unprivileged[i]);
  g_ptr_array_add (argv, program);
  for (guint i = 0; arguments[i] != NULL; i++)
    g_ptr_array_add (argv, (gpointer) arguments[i]);
  g_ptr_array_add (argv, NULL);

  const char *const env[] = { "LC_ALL=C.UTF-8", NULL };
  return mrt_process_start ((const char *const *) argv->pdata, env);
}

static void
make_cluster (TestPostgres *server)
{
  g_autofree char *password = g_build_filename (server->directory, "password", NULL);
  g_autofree char *pwfile = g_strconcat ("--pwfile=", password, NULL);
  const char *const arguments[] = { "-D",   server->data, "-U", "relay", "-A", "scram-sha-256",
                                    pwfile, "-N",         "-E", "UTF8",  NULL };

  g_assert_true (g_file_set_contents (password, POSTGRES_PASSWORD "\n", -1, NULL));
  if (geteuid () == 0) {
    const struct passwd *nobody = getpwnam ("nobody");

    g_assert_cmpint (chown (server->directory, nobody->pw_uid, nobody->pw_gid), ==, 0);
    g_assert_cmpint (chown (password, nobody->pw_uid, nobody->pw_gid), ==, 0);
  }

  g_autoptr (MrtProcess) initdb = start_program (server, "initdb", arguments);
  int exit_code = mrt_process_wait_exit (initdb, 60000);
  if (exit_code != 0) {
    g_autofree char *log = mrt_process_get_log (initdb);

    g_error ("initdb ended with %d: %s", exit_code, log);
  }
}

static char *
database_url (TestPostgres *server, const char *name)
{
  return g_strdup_printf ("postgresql://relay:" POSTGRES_PASSWORD "@127.0.0.1:%u/%s", server->port, name);
}

void
postgres_restart (TestPostgres *server)
{
  g_autofree char *port = g_strdup_printf ("%u", server->port);
  g_autofree char *url = database_url (server, "postgres");
  const char *const arguments[] = {
    "-D", server->data, "-p", port, "-h", "127.0.0.1", "-k", server->directory, "-F", "-c", "log_statement=none", NULL
  };
  gint64 deadline_us = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  g_assert_null (server->process);
  server->process = start_program (server, "postgres", arguments);
  while (PQping (url) != PQPING_OK) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
    g_assert_cmpint (mrt_process_wait_exit (server->process, 20), ==, -1);
  }
}

TestPostgres *
postgres_start (void)
{
  TestPostgres *server = g_new0 (TestPostgres, 1);
  g_autoptr (GError) error = NULL;
  int fd = mrt_listen (&server->port);

  close (fd);
  server->bin = find_programs ();
  server->directory = g_dir_make_tmp ("postgres-XXXXXX", &error);
  g_assert_no_error (error);
  server->data = g_build_filename (server->directory, "data", NULL);
  make_cluster (server);
  postgres_restart (server);
  return server;
}

void
postgres_kill (TestPostgres *server)
{
  mrt_process_signal (server->process, SIGQUIT); /* "immediate": no connection is ended in order, nothing is saved */
  g_assert_cmpint (mrt_process_wait_exit (server->process, MRT_WAIT_MS), >=, 0);
  g_clear_pointer (&server->process, mrt_process_free);
}

static void
remove_tree (const char *path)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK)) {
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL) {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  }
  g_remove (path);
}

void
postgres_free (TestPostgres *server)
{
  if (server->process != NULL)
    postgres_kill (server);
  remove_tree (server->directory);
  g_free (server->directory);
  g_free (server->data);
  g_free (server->bin);
  g_free (server);
}

char *
postgres_run (const char *url, const char *sql)
{
  PGconn *connection = PQconnectdb (url);
  PGresult *result = PQexec (connection, sql);
  ExecStatusType status = PQresultStatus (result);
  char *value;

  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    g_error ("%s: %s", sql, PQerrorMessage (connection));
  value = g_strdup (PQntuples (result) > 0 ? PQgetvalue (result, 0, 0) : "");
  PQclear (result);
  PQfinish (connection);
  return value;
}

char *
postgres_new_database (TestPostgres *server)
{
  g_autofree char *name = g_strdup_printf ("test%u", ++server->databases);
  g_autofree char *sql = g_strdup_printf ("CREATE DATABASE %s", name);
  g_autofree char *url = database_url (server, "postgres");
  g_autofree char *nothing = postgres_run (url, sql);

  return database_url (server, name);
}
