/* SPDX-License-Identifier: MIT */
/* Whom a client believes, and what is read from files and options for TLS. */
#include "tls-pin.h"
#include "tls-stage.h"

#include <string.h>

/* --- whom a client believes --- */

typedef struct {
  const char *name;
  char **cert, **key;
  char **ca_file; /* nullable */
  char **pinned;  /* nullable: the certificate whose pin is given */
  const char *host;
  const char *problem; /* NULL: believed */
} Trust;

static const Trust trusts[] = {
  { "own-authority", &files.cert, &files.key, &files.ca, NULL, "localhost", NULL },
  { "address", &files.cert, &files.key, &files.ca, NULL, "127.0.0.1", NULL },
  { "other-authority", &files.cert, &files.key, &files.other_ca, NULL, "localhost", "issuer" },
  { "system", &files.cert, &files.key, NULL, NULL, "localhost", "issuer" },
  { "expired", &files.expired_cert, &files.expired_key, &files.ca, NULL, "localhost", "expired" },
  { "other-host", &files.foreign_cert, &files.foreign_key, &files.ca, NULL, "localhost", "not for the host localhost" },
  { "other-address", &files.foreign_cert, &files.foreign_key, &files.ca, NULL, "127.0.0.1", "host 127.0.0.1" },
  { "self-signed", &files.self_cert, &files.self_key, &files.ca, NULL, "localhost", "issuer" },
  { "pin", &files.self_cert, &files.self_key, NULL, &files.self_cert, "localhost", NULL },
  { "pin-whatever-host", &files.foreign_cert, &files.foreign_key, NULL, &files.foreign_cert, "localhost", NULL },
  { "wrong-pin", &files.cert, &files.key, NULL, &files.self_cert, "localhost", "its pin is sha256:" },
  { "pin-and-authority", &files.cert, &files.key, &files.ca, &files.cert, "localhost", NULL },
  { "pin-without-authority", &files.self_cert, &files.self_key, &files.ca, &files.self_cert, "localhost", "issuer" },
  { "authority-without-pin", &files.cert, &files.key, &files.ca, &files.self_cert, "localhost", "its pin is sha256:" },
};

static void
test_trust (gconstpointer data)
{
  const Trust *row = data;
  Fixture whole = { NULL };
  Fixture *fixture = &whole;
  g_autofree char *pin = row->pinned != NULL ? mrt_certificate_pin (*row->pinned) : NULL;
  const char *pins[] = { pin, NULL };
  g_autoptr (MrTlsTrust) trust =
      mr_tls_trust_new (row->ca_file != NULL ? *row->ca_file : NULL, MR_TLS_FILE_INSTEAD, pins, NULL);

  tls_set_up (fixture, *row->cert, *row->key, trust, row->host);
  tls_write_text (&fixture->client, "hello");
  if (row->problem == NULL) {
    wait_for (fixture->server.received->len == 5);
  } else {
    wait_for (fixture->client.gone && fixture->server.gone);
    g_assert_error (fixture->client.error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
    g_assert_nonnull (strstr (fixture->client.error->message, row->problem));
    g_assert_cmpuint (fixture->server.received->len, ==, 0);
  }
  tls_tear_down (fixture);
}

/* --- what is read from files and options --- */

static void
check_identity_fails (const char *cert, const char *key, const char *part, const char *file)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mr_tls_identity_new (cert, key, &error));
  g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
  if (strstr (error->message, part) == NULL || strstr (error->message, file) == NULL)
    g_error ("\"%s\" does not say \"%s\" and \"%s\"", error->message, part, file);
}

static void
write_text_file (const char *path, const char *first, const char *second)
{
  g_autofree char *one = NULL;
  g_autofree char *two = NULL;
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (first, &one, NULL, NULL));
  g_assert_true (g_file_get_contents (second, &two, NULL, NULL));
  text = g_strconcat (one, two, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_identity (void)
{
  g_autoptr (MrTlsIdentity) identity = tls_load (files.cert, files.key);
  g_autoptr (MrTlsIdentity) same = tls_load (files.cert, files.key);
  g_autoptr (MrTlsIdentity) other = tls_load (files.other_cert, files.other_key);
  g_autoptr (MrTlsIdentity) chain = NULL;
  g_autofree char *end = mrt_certificate_end (files.cert);
  g_autofree char *pin = mrt_certificate_pin (files.cert);
  g_autofree char *same_pin = mr_tls_pin_parse (pin, NULL);
  g_autoptr (GDateTime) expiry = g_date_time_new_from_unix_utc (mr_tls_identity_get_expiry (identity));
  g_autofree char *expiry_text = g_date_time_format (expiry, "%Y-%m-%dT%H:%M:%SZ");
  g_autofree char *missing = g_build_filename (files.directory, "missing.pem", NULL);
  g_autofree char *mixed = g_build_filename (files.directory, "mixed.pem", NULL);

  g_assert_cmpstr (expiry_text, ==, end);
  g_assert_cmpstr (mr_tls_identity_get_pin (identity), ==, same_pin);
  g_assert_true (mr_tls_identity_equal (identity, same));
  g_assert_false (mr_tls_identity_equal (identity, other));
  g_assert_false (mr_tls_identity_equal (identity, NULL));
  check_identity_fails (missing, files.key, "--tls-cert", "missing.pem");
  check_identity_fails (files.cert, missing, "--tls-key", "missing.pem");
  check_identity_fails (files.key, files.key, "no PEM certificate", files.key);
  check_identity_fails (files.cert, files.cert, "no PEM private key", files.cert);
  check_identity_fails (files.cert, files.other_key, "not the key of the certificate", files.other_key);
  write_text_file (mixed, files.cert, files.ca);
  chain = tls_load (mixed, files.key);
  write_text_file (mixed, files.ca, files.cert);
  check_identity_fails (mixed, files.key, "order", mixed);
}

static void
test_pins (void)
{
  static const char hex[] = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  static const char *const bad[] = {
    "",
    "sha256:",
    "sha256/",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg",
    "sha1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "sha256/ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze",
    "sha256/ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8",
    "sha256/ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=\n",
  };
  g_autofree char *lower = mr_tls_pin_parse (hex, NULL);
  g_autofree char *upper =
      mr_tls_pin_parse ("sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL);
  g_autofree char *base64 = mr_tls_pin_parse ("sha256/ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=", NULL);

  g_assert_cmpstr (lower, ==, hex);
  g_assert_cmpstr (upper, ==, hex);
  g_assert_cmpstr (base64, ==, hex);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (mr_tls_pin_parse (bad[i], &error));
    g_assert_error (error, MR_ERROR, MR_ERROR_CONFIG);
    g_assert_nonnull (strstr (error->message, "--pin"));
  }
}

static void
test_authorities (void)
{
  const char *const wrong_pin[] = { "abc", NULL };
  g_autoptr (GError) missing = NULL;
  g_autoptr (GError) no_pem = NULL;
  g_autoptr (GError) pin = NULL;

  g_assert_null (mr_tls_trust_new ("/nowhere/ca.pem", MR_TLS_FILE_INSTEAD, NULL, &missing));
  g_assert_error (missing, MR_ERROR, MR_ERROR_CONFIG);
  g_assert_nonnull (strstr (missing->message, "--ca-file \"/nowhere/ca.pem\""));
  g_assert_null (mr_tls_trust_new (files.key, MR_TLS_FILE_INSTEAD, NULL, &no_pem));
  g_assert_nonnull (strstr (no_pem->message, "no PEM certificate"));
  g_assert_null (mr_tls_trust_new (NULL, MR_TLS_FILE_INSTEAD, wrong_pin, &pin));
  g_assert_nonnull (strstr (pin->message, "--pin \"abc\""));
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  tls_files_make ();
  for (gsize i = 0; i < G_N_ELEMENTS (trusts); i++) {
    g_autofree char *path = g_strconcat ("/tls/trust/", trusts[i].name, NULL);

    g_test_add_data_func (path, &trusts[i], test_trust);
  }
  g_test_add_func ("/tls/identity", test_identity);
  g_test_add_func ("/tls/pins", test_pins);
  g_test_add_func ("/tls/authorities", test_authorities);
  status = g_test_run ();
  tls_files_remove ();
  return status;
}
