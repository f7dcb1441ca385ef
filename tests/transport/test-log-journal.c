/* SPDX-License-Identifier: MIT */
/*
 * Entries of the journal, as they leave the process: GLib's own implementation of the journal's protocol is in use,
 * only its two looks at fixed paths in /run (getpeername, sendmsg) are led to a socket of this test. What arrives there
 * is read after https://systemd.io/JOURNAL_NATIVE_PROTOCOL/.
 */
#include "log.h"
#include "log-capture.h"
#include "log-format.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define JOURNAL_STDOUT "/run/systemd/journal/stdout"

static struct sockaddr_un journal_address = { .sun_family = AF_UNIX };
static int journal = -1;
static gboolean stderr_is_journal;

ssize_t
sendmsg (int fd, const struct msghdr *message, int flags)
{
  const struct sockaddr_un *to = message->msg_name;
  struct msghdr led = *message;

  if (to != NULL && to->sun_family == AF_UNIX && strcmp (to->sun_path, JOURNAL_SOCKET) == 0) {
    led.msg_name = &journal_address;
    led.msg_namelen = sizeof journal_address;
  }
  return syscall (SYS_sendmsg, fd, &led, flags);
}

int
getpeername (int fd, struct sockaddr *address, socklen_t *length)
{
  static const struct sockaddr_un journal_stdout = { .sun_family = AF_UNIX, .sun_path = JOURNAL_STDOUT };

  if (fd != STDERR_FILENO || !stderr_is_journal)
    return (int) syscall (SYS_getpeername, fd, address, length);
  g_assert_cmpuint (*length, >=, sizeof journal_stdout);
  memcpy (address, &journal_stdout, sizeof journal_stdout);
  *length = sizeof journal_stdout;
  return 0;
}

static void
journal_start (void)
{
  g_autofree char *directory = g_dir_make_tmp ("test-log-journal-XXXXXX", NULL);
  struct timeval deadline = { .tv_sec = 10 };

  g_assert_nonnull (directory);
  g_snprintf (journal_address.sun_path, sizeof journal_address.sun_path, "%s/socket", directory);
  journal = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (journal, >=, 0);
  g_assert_cmpint (bind (journal, (struct sockaddr *) &journal_address, sizeof journal_address), ==, 0);
  g_assert_cmpint (setsockopt (journal, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline), ==, 0);
}

static void
journal_stop (void)
{
  g_autofree char *directory = g_path_get_dirname (journal_address.sun_path);

  close (journal);
  g_assert_cmpint (unlink (journal_address.sun_path), ==, 0);
  g_assert_cmpint (rmdir (directory), ==, 0);
}

/* (transfer full): field -> GBytes of the next entry; each field once. */
static GHashTable *
journal_read (void)
{
  GHashTable *fields = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  char data[65536];
  gssize n = recv (journal, data, sizeof data, 0);
  const char *p = data, *end = data + n;

  g_assert_cmpint (n, >, 0);
  while (p < end) {
    const char *name_end = memchr (p, '\n', (gsize) (end - p));
    const char *equals = memchr (p, '=', (gsize) (end - p));
    const char *value;
    guint64 length;

    g_assert_nonnull (name_end);
    if (equals != NULL && equals < name_end) {
      value = equals + 1;
      length = (guint64) (name_end - value);
      name_end = equals;
    } else {
      g_assert_cmpint (end - name_end, >, 8);
      memcpy (&length, name_end + 1, sizeof length);
      length = GUINT64_FROM_LE (length);
      value = name_end + 1 + sizeof length;
    }
    g_assert_cmpuint (length, <, end - value);
    g_assert_cmpint (value[length], ==, '\n');
    g_assert_true (g_hash_table_insert (fields, g_strndup (p, (gsize) (name_end - p)), g_bytes_new (value, length)));
    p = value + length + 1;
  }
  return fields;
}

static gboolean
journal_is_empty (void)
{
  char byte;

  return recv (journal, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

static void
check_field (GHashTable *entry, const char *name, const char *expected)
{
  GBytes *value = g_hash_table_lookup (entry, name);

  g_assert_nonnull (value);
  g_assert_cmpmem (g_bytes_get_data (value, NULL), g_bytes_get_size (value), expected, strlen (expected));
}

static void
test_entry (void)
{
  g_autoptr (GHashTable) entry = NULL;

  mr_log_set_format (MR_LOG_FORMAT_JOURNALD);
  mr_log_write (MR_LOG_INFO, "request dispatched", "request_id", "r-1", "worker", "gpu 0", "model", "m:70b", "none",
                NULL, NULL);
  entry = journal_read ();
  g_assert_cmpuint (g_hash_table_size (entry), ==, 7);
  check_field (entry, "MESSAGE", "info  request dispatched request_id=r-1 worker=\"gpu 0\" model=m:70b");
  check_field (entry, "PRIORITY", "6");
  check_field (entry, "SYSLOG_IDENTIFIER", "test-log-journal");
  check_field (entry, "MODELRELAY_EVENT", "request dispatched");
  check_field (entry, "MODELRELAY_REQUEST_ID", "r-1");
  check_field (entry, "MODELRELAY_WORKER", "gpu 0");
  check_field (entry, "MODELRELAY_MODEL", "m:70b");
}

static void
test_priorities (void)
{
  static const char *const expected[] = { "7", "7", "6", "4", "3" };

  mr_log_set_format (MR_LOG_FORMAT_JOURNALD);
  for (guint level = MR_LOG_TRACE; level <= MR_LOG_ERROR; level++) {
    g_autoptr (GHashTable) entry = NULL;

    mr_log_write (level, "x", NULL);
    entry = journal_read ();
    check_field (entry, "PRIORITY", expected[level]);
  }
}

/* A value with line ends and field names in it stays one value; nothing in MESSAGE looks like a second line. */
static void
test_no_forged_fields (void)
{
  static const char *const values[] = {
    "x\nPRIORITY=0\nMESSAGE=forged\n", "\n\n", "", "=", "\xff\xfe raw \x1b[31m", "PRIORITY\n\x01",
  };

  mr_log_set_format (MR_LOG_FORMAT_JOURNALD);
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (GHashTable) entry = NULL;
    GBytes *message;

    mr_log_write (MR_LOG_INFO, "event", "field", values[i], NULL);
    entry = journal_read ();
    g_assert_cmpuint (g_hash_table_size (entry), ==, 5);
    check_field (entry, "MODELRELAY_FIELD", values[i]);
    check_field (entry, "PRIORITY", "6");
    message = g_hash_table_lookup (entry, "MESSAGE");
    g_assert_null (memchr (g_bytes_get_data (message, NULL), '\n', g_bytes_get_size (message)));
  }
}

static void
test_names (void)
{
  static const struct {
    const char *field;
    const char *name;
  } cases[] = {
    { "request_id", "MODELRELAY_REQUEST_ID" },
    { "x-y z", "MODELRELAY_X_Y_Z" },
    { "a1=\n", "MODELRELAY_A1__" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = mr_log_journal_name (cases[i].field);

    g_assert_cmpstr (name, ==, cases[i].name);
  }
}

/* Entries when standard error is the journal's, text in every other case. */
static void
test_auto (void)
{
  g_autoptr (GHashTable) entry = NULL;
  g_autofree char *silent = NULL;
  g_autofree char *text = NULL;

  log_capture_begin ();
  stderr_is_journal = TRUE;
  mr_log_set_format (MR_LOG_FORMAT_AUTO);
  mr_log_write (MR_LOG_INFO, "to the journal", NULL);
  stderr_is_journal = FALSE;
  silent = log_capture_end ();
  entry = journal_read ();
  check_field (entry, "MODELRELAY_EVENT", "to the journal");
  g_assert_cmpstr (silent, ==, "");

  log_capture_begin ();
  mr_log_set_format (MR_LOG_FORMAT_AUTO);
  mr_log_write (MR_LOG_INFO, "to the terminal", NULL);
  text = log_capture_end ();
  g_assert_true (g_str_has_suffix (text, "Z info  to the terminal\n"));
  g_assert_true (journal_is_empty ());
}

/* Nobody listens: the line is not lost. */
static void
test_no_journal (void)
{
  struct sockaddr_un kept = journal_address;
  g_autofree char *text = NULL;

  mr_log_set_format (MR_LOG_FORMAT_JOURNALD);
  journal_address.sun_path[strlen (journal_address.sun_path) - 1] = 'X';
  log_capture_begin ();
  mr_log_write (MR_LOG_ERROR, "backend error", "status", "502", NULL);
  text = log_capture_end ();
  journal_address = kept;
  g_assert_true (g_str_has_suffix (text, "Z error backend error status=502\n"));
  g_assert_true (journal_is_empty ());
}

/* Comes last: the writer stays. */
static void
test_library_message (void)
{
  g_autoptr (GHashTable) entry = NULL;

  mr_log_set_format (MR_LOG_FORMAT_JOURNALD);
  mr_log_install_glib_writer ();
  g_log ("Some-Library", G_LOG_LEVEL_MESSAGE, "it said \"%s\"", "no\n");
  entry = journal_read ();
  check_field (entry, "MODELRELAY_EVENT", "library message");
  check_field (entry, "MODELRELAY_DOMAIN", "Some-Library");
  check_field (entry, "MODELRELAY_MESSAGE", "it said \"no\n\"");
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/contract/H2/journal/entry", test_entry);
  g_test_add_func ("/contract/H2/journal/priorities", test_priorities);
  g_test_add_func ("/contract/H2/journal/no-forged-fields", test_no_forged_fields);
  g_test_add_func ("/transport/log/journal/names", test_names);
  g_test_add_func ("/contract/H2/journal/auto", test_auto);
  g_test_add_func ("/transport/log/journal/no-journal", test_no_journal);
  g_test_add_func ("/transport/log/journal/library-message", test_library_message);
  journal_start ();
  status = g_test_run ();
  journal_stop ();
  return status;
}
