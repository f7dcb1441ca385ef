/* SPDX-License-Identifier: MIT */
/*
 * Worker secrets with the real gnome-keyring: unlocked, locked, without any keyring, absent, appearing, dying.
 */
#include "keyring-stage.h"

#include <libsecret/secret.h>
#include <signal.h>
#include <string.h>

#define ANY_CODE (-1)
#define ONE "https://one.example.org"
#define TWO "https://two.example.org"
#define SECRET_ONE "swordfish-4711-one"
#define SECRET_TWO "swordfish-4711-two"

static void
drain_main_loop (void)
{
  while (g_main_context_iteration (NULL, FALSE)) {
    continue;
  }
}

/* --- one call, to its end --- */

typedef struct {
  gboolean done;
  gboolean success;
  GError *error;
} Answer;

static void
on_loaded (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  answer->success = mr_secrets_load_finish (MR_SECRETS (source), result, &answer->error);
  answer->done = TRUE;
}

static void
on_stored (GObject *source, GAsyncResult *result, gpointer data)
{
  Answer *answer = data;

  answer->success = mr_secrets_store_finish (MR_SECRETS (source), result, &answer->error);
  answer->done = TRUE;
}

static void
assert_answer (Answer *answer, GQuark domain, int code)
{
  wait_until (answer->done);
  if (domain == 0) {
    g_assert_no_error (answer->error);
    g_assert_true (answer->success);
  } else {
    g_assert_nonnull (answer->error);
    g_assert_cmpuint (answer->error->domain, ==, domain);
    g_assert_true (code == ANY_CODE || answer->error->code == code);
    g_assert_false (answer->success);
    g_assert_null (strstr (answer->error->message, "swordfish"));
  }
  g_clear_error (&answer->error);
  *answer = (Answer){ 0 };
}

static const char *const both[] = { ONE, TWO, NULL };

static void
load (Session *session, gboolean may_ask, GQuark domain, int code)
{
  Answer answer = { 0 };

  mr_secrets_load_async (session->secrets, both, may_ask, NULL, on_loaded, &answer);
  assert_answer (&answer, domain, code);
}

static void
store (Session *session, const char *url, const char *secret, GQuark domain, int code)
{
  Answer answer = { 0 };

  mr_secrets_store_async (session->secrets, url, secret, NULL, on_stored, &answer);
  g_assert_cmpstr (mr_secrets_peek (session->secrets, url), ==, secret); /* at once */
  assert_answer (&answer, domain, code);
}

static void
assert_state (Session *session, MrSecretsState state, const char *words)
{
  g_autofree char *sentence = mr_secrets_describe_state (session->secrets);

  g_assert_cmpint (mr_secrets_get_state (session->secrets), ==, state);
  if (words == NULL) {
    g_assert_null (sentence);
  } else {
    g_assert_nonnull (strstr (sentence, words));
  }
}

static void
assert_known (Session *session, const char *one, const char *two)
{
  g_assert_cmpstr (mr_secrets_peek (session->secrets, ONE), ==, one);
  g_assert_cmpstr (mr_secrets_peek (session->secrets, TWO), ==, two);
}

/* The app is started again: what is not in the keyring is forgotten. */
static void
start_again (Session *session)
{
  session_drop_secrets (session);
  session->secrets = mr_secrets_new ();
  assert_state (session, MR_SECRETS_UNKNOWN, NULL);
  assert_known (session, NULL, NULL);
}

/* --- tests --- */

static void
test_unlocked (void)
{
  g_autoptr (Session) session = session_new ();

  session_start_keyring (session, PASSWORD);
  load (session, FALSE, 0, 0);
  assert_state (session, MR_SECRETS_AVAILABLE, NULL);
  assert_known (session, NULL, NULL);
  store (session, ONE, SECRET_ONE, 0, 0);
  store (session, TWO, "first", 0, 0);
  store (session, TWO, SECRET_TWO, 0, 0);

  start_again (session);
  load (session, FALSE, 0, 0);
  assert_known (session, SECRET_ONE, SECRET_TWO);
  g_assert_null (mr_secrets_peek (session->secrets, "https://other.example.org"));
  store (session, TWO, NULL, 0, 0);
  store (session, TWO, NULL, 0, 0); /* there is none */
  start_again (session);
  load (session, FALSE, 0, 0);
  assert_known (session, SECRET_ONE, NULL);
  g_assert_cmpuint (session->prompts, ==, 0);
}

static void
test_absent (void)
{
  g_autoptr (Session) session = session_new ();

  load (session, TRUE, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN);
  assert_state (session, MR_SECRETS_UNAVAILABLE, "until you quit");
  store (session, ONE, SECRET_ONE, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN);
  assert_state (session, MR_SECRETS_UNAVAILABLE, "until you quit");

  session_start_keyring (session, PASSWORD); /* and what was kept in memory is saved */
  wait_until (mr_secrets_get_state (session->secrets) == MR_SECRETS_AVAILABLE);
  store (session, TWO, SECRET_TWO, 0, 0); /* after the one that is being saved */
  start_again (session);
  load (session, FALSE, 0, 0);
  assert_known (session, SECRET_ONE, SECRET_TWO);
}

static void
test_no_bus (void)
{
  g_autoptr (MrSecrets) secrets = NULL;
  Answer answer = { 0 };

  g_setenv ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", TRUE);
  secrets = mr_secrets_new ();
  mr_secrets_load_async (secrets, both, TRUE, NULL, on_loaded, &answer);
  assert_answer (&answer, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpint (mr_secrets_get_state (secrets), ==, MR_SECRETS_UNAVAILABLE);
  mr_secrets_store_async (secrets, ONE, SECRET_ONE, NULL, on_stored, &answer);
  assert_answer (&answer, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (mr_secrets_peek (secrets, ONE), ==, SECRET_ONE);
  drain_main_loop ();
  g_unsetenv ("DBUS_SESSION_BUS_ADDRESS");
}

/* One secret is in the keyring, which is locked like after a login without password. */
static Session *
session_new_locked (void)
{
  Session *session = session_new ();

  session_start_keyring (session, PASSWORD);
  store (session, ONE, SECRET_ONE, 0, 0);
  wait_until (mr_secrets_get_state (session->secrets) == MR_SECRETS_AVAILABLE);
  session_stop_keyring (session);
  start_again (session);
  session_start_keyring (session, NULL);
  return session;
}

static void
test_locked (void)
{
  g_autoptr (Session) session = session_new_locked ();

  load (session, FALSE, SECRET_ERROR, SECRET_ERROR_IS_LOCKED);
  assert_state (session, MR_SECRETS_LOCKED, "locked");
  assert_known (session, NULL, NULL);
  store (session, TWO, SECRET_TWO, SECRET_ERROR, SECRET_ERROR_IS_LOCKED);
  assert_state (session, MR_SECRETS_LOCKED, "locked");
  g_assert_cmpuint (session->prompts, ==, 0);
  load (session, TRUE, SECRET_ERROR, SECRET_ERROR_IS_LOCKED); /* the owner turns away */
  assert_state (session, MR_SECRETS_LOCKED, "locked");
  g_assert_cmpuint (session->prompts, ==, 1);

  session_unlock (session->desk, PASSWORD); /* by somebody else */
  wait_until (mr_secrets_get_state (session->secrets) == MR_SECRETS_AVAILABLE);
  assert_known (session, SECRET_ONE, SECRET_TWO);
  store (session, "https://three.example.org", "swordfish", 0, 0); /* after the one that is being saved */
  start_again (session);
  load (session, TRUE, 0, 0);
  assert_known (session, SECRET_ONE, SECRET_TWO);
  g_assert_cmpuint (session->prompts, ==, 1);
}

static void
test_prompt (void)
{
  g_autoptr (Session) session = session_new_locked ();

  session->at_prompt = session_unlock;
  load (session, TRUE, 0, 0);
  assert_state (session, MR_SECRETS_AVAILABLE, NULL);
  assert_known (session, SECRET_ONE, NULL);
  g_assert_cmpuint (session->prompts, ==, 1);
  store (session, ONE, NULL, 0, 0);
  store (session, TWO, SECRET_TWO, 0, 0);
}

/* Forgotten while it is locked: it does not come back when it is unlocked. */
static void
test_forgotten_while_locked (void)
{
  g_autoptr (Session) session = session_new_locked ();

  store (session, ONE, NULL, SECRET_ERROR, SECRET_ERROR_IS_LOCKED);
  session->at_prompt = session_unlock;
  load (session, TRUE, 0, 0);
  assert_known (session, NULL, NULL);
  store (session, TWO, SECRET_TWO, 0, 0);
  start_again (session);
  load (session, FALSE, 0, 0);
  assert_known (session, NULL, SECRET_TWO);
}

static void
test_no_keyring (void)
{
  g_autoptr (Session) session = session_new ();

  session_start_keyring (session, NULL);
  load (session, TRUE, 0, 0); /* nothing is missed */
  assert_state (session, MR_SECRETS_AVAILABLE, NULL);
  store (session, TWO, NULL, 0, 0);
  store (session, ONE, SECRET_ONE, SECRET_ERROR, SECRET_ERROR_NO_SUCH_OBJECT);
  assert_state (session, MR_SECRETS_LOCKED, "no keyring yet");
  g_assert_cmpuint (session->prompts, ==, 0);
  load (session, TRUE, SECRET_ERROR, SECRET_ERROR_NO_SUCH_OBJECT); /* the owner turns away */
  assert_state (session, MR_SECRETS_LOCKED, "no keyring yet");
  g_assert_cmpuint (session->prompts, ==, 1);

  session->at_prompt = session_create;
  load (session, TRUE, 0, 0);
  assert_state (session, MR_SECRETS_AVAILABLE, NULL);
  store (session, TWO, SECRET_TWO, 0, 0);
  start_again (session);
  load (session, FALSE, 0, 0);
  assert_known (session, SECRET_ONE, SECRET_TWO);
}

static void
test_restarted (void)
{
  g_autoptr (Session) session = session_new ();

  session_start_keyring (session, PASSWORD);
  load (session, FALSE, 0, 0);
  store (session, ONE, SECRET_ONE, 0, 0);
  session_stop_keyring (session);
  session_start_keyring (session, PASSWORD);
  store (session, TWO, SECRET_TWO, 0, 0); /* with a key of the new one */
  session_stop_keyring (session);
  session_start_keyring (session, NULL);
  wait_until (mr_secrets_get_state (session->secrets) == MR_SECRETS_LOCKED);
  assert_known (session, SECRET_ONE, SECRET_TWO);
  session_stop_keyring (session);
  store (session, TWO, "swordfish-new", G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN);
  assert_state (session, MR_SECRETS_UNAVAILABLE, "until you quit");

  session_start_keyring (session, PASSWORD);
  wait_until (mr_secrets_get_state (session->secrets) == MR_SECRETS_AVAILABLE);
  assert_known (session, SECRET_ONE, "swordfish-new");
  store (session, ONE, "swordfish-newer", 0, 0);
  start_again (session);
  load (session, FALSE, 0, 0);
  assert_known (session, "swordfish-newer", "swordfish-new");
  g_assert_cmpuint (session->prompts, ==, 0);
}

static void
test_dies_at_work (void)
{
  g_autoptr (Session) session = session_new ();
  Answer loaded = { 0 };
  Answer stored = { 0 };

  session_start_keyring (session, PASSWORD);
  g_subprocess_send_signal (session->daemon, SIGSTOP);
  mr_secrets_load_async (session->secrets, both, TRUE, NULL, on_loaded, &loaded);
  mr_secrets_store_async (session->secrets, ONE, SECRET_ONE, NULL, on_stored, &stored);
  drain_main_loop ();
  g_assert_false (loaded.done);
  session_stop_keyring (session);
  assert_answer (&loaded, G_DBUS_ERROR, ANY_CODE); /* as far as it had come */
  assert_answer (&stored, G_DBUS_ERROR, ANY_CODE);
  assert_state (session, MR_SECRETS_UNAVAILABLE, "until you quit");
  session_start_keyring (session, PASSWORD);
  wait_until (mr_secrets_get_state (session->secrets) == MR_SECRETS_AVAILABLE);
  load (session, FALSE, 0, 0); /* after the one that is being saved */
  assert_known (session, SECRET_ONE, NULL);
}

/* Whatever is on its way at the same time, the last value is the one that stays. */
static void
test_order (void)
{
  enum { N = 20 };
  g_autoptr (Session) session = session_new ();
  Answer answers[3 * N] = { 0 };

  session_start_keyring (session, PASSWORD);
  for (guint i = 0; i < N; i++) {
    g_autofree char *secret = g_strdup_printf ("swordfish-%u", i);
    mr_secrets_store_async (session->secrets, ONE, secret, NULL, on_stored, &answers[3 * i]);
    mr_secrets_load_async (session->secrets, both, FALSE, NULL, on_loaded, &answers[3 * i + 1]);
    mr_secrets_store_async (session->secrets, TWO, i % 2 == 0 ? secret : NULL, NULL, on_stored, &answers[3 * i + 2]);
    g_main_context_iteration (NULL, FALSE);
    assert_known (session, secret, i % 2 == 0 ? secret : NULL);
  }
  for (guint i = 0; i < 3 * N; i++) {
    assert_answer (&answers[i], 0, 0);
    assert_known (session, "swordfish-19", NULL);
  }
  start_again (session);
  load (session, FALSE, 0, 0);
  assert_known (session, "swordfish-19", NULL);
}

static void
test_cancelled (void)
{
  g_autoptr (Session) session = session_new_locked ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Answer answers[2] = { 0 };

  g_subprocess_send_signal (session->daemon, SIGSTOP);
  mr_secrets_load_async (session->secrets, both, TRUE, cancellable, on_loaded, &answers[0]);
  mr_secrets_load_async (session->secrets, both, TRUE, cancellable, on_loaded, &answers[1]);
  drain_main_loop ();
  g_cancellable_cancel (cancellable);
  assert_answer (&answers[0], G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_answer (&answers[1], G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_state (session, MR_SECRETS_UNKNOWN, NULL);
  g_subprocess_send_signal (session->daemon, SIGCONT);
  load (session, FALSE, SECRET_ERROR, SECRET_ERROR_IS_LOCKED);
  g_assert_cmpuint (session->prompts, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/L3/secrets/unlocked", test_unlocked);
  g_test_add_func ("/contract/L3/secrets/absent", test_absent);
  g_test_add_func ("/contract/L3/secrets/no-bus", test_no_bus);
  g_test_add_func ("/desktop/secrets/locked", test_locked);
  g_test_add_func ("/desktop/secrets/prompt", test_prompt);
  g_test_add_func ("/desktop/secrets/forgotten-while-locked", test_forgotten_while_locked);
  g_test_add_func ("/desktop/secrets/no-keyring", test_no_keyring);
  g_test_add_func ("/desktop/secrets/restarted", test_restarted);
  g_test_add_func ("/desktop/secrets/dies-at-work", test_dies_at_work);
  g_test_add_func ("/desktop/secrets/order", test_order);
  g_test_add_func ("/desktop/secrets/cancelled", test_cancelled);
  return g_test_run ();
}
