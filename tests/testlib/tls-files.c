/* SPDX-License-Identifier: MIT */
/* Certificates for tests. See tls-files.h. */
#include "tls-files.h"

#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

struct _MrtAuthority {
  EVP_PKEY *key;
  X509 *certificate;
};

static void
add_extension (X509 *certificate, int nid, const char *value)
{
  X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, NULL, nid, value);

  g_assert_nonnull (extension);
  X509_add_ext (certificate, extension, -1);
  X509_EXTENSION_free (extension);
}

static X509 *
certificate_new (EVP_PKEY *key, const char *name, gint64 end_secs)
{
  static long serial = 1;
  X509 *certificate = X509_new ();

  X509_set_version (certificate, X509_VERSION_3);
  ASN1_INTEGER_set (X509_get_serialNumber (certificate), serial++);
  X509_gmtime_adj (X509_getm_notBefore (certificate), -10 * MRT_DAY_SECS);
  X509_gmtime_adj (X509_getm_notAfter (certificate), (long) end_secs);
  X509_set_pubkey (certificate, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (certificate), "CN", MBSTRING_ASC, (const unsigned char *) name, -1,
                              -1, 0);
  return certificate;
}

typedef void (*WriteFunc) (FILE *out, gpointer thing);

static void
write_certificate (FILE *out, gpointer thing)
{
  g_assert_cmpint (PEM_write_X509 (out, thing), ==, 1);
}

static void
write_key (FILE *out, gpointer thing)
{
  g_assert_cmpint (PEM_write_PrivateKey (out, thing, NULL, NULL, 0, NULL, NULL), ==, 1);
}

static void
write_file (const char *file, WriteFunc func, gpointer thing)
{
  g_autofree char *beside = g_strconcat (file, ".new", NULL);
  FILE *out = fopen (beside, "w");

  g_assert_nonnull (out);
  func (out, thing);
  g_assert_cmpint (fclose (out), ==, 0);
  g_assert_cmpint (g_chmod (beside, 0600), ==, 0);
  g_assert_cmpint (g_rename (beside, file), ==, 0);
}

MrtAuthority *
mrt_authority_new (const char *name, const char *ca_file)
{
  MrtAuthority *authority = g_new0 (MrtAuthority, 1);

  authority->key = EVP_EC_gen ("P-256");
  authority->certificate = certificate_new (authority->key, name, 10 * MRT_DAY_SECS);
  X509_set_issuer_name (authority->certificate, X509_get_subject_name (authority->certificate));
  add_extension (authority->certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension (authority->certificate, NID_key_usage, "critical,keyCertSign");
  X509_sign (authority->certificate, authority->key, EVP_sha256 ());
  write_file (ca_file, write_certificate, authority->certificate);
  return authority;
}

void
mrt_authority_free (MrtAuthority *authority)
{
  if (authority == NULL)
    return;
  X509_free (authority->certificate);
  EVP_PKEY_free (authority->key);
  g_free (authority);
}

void
mrt_authority_issue (MrtAuthority *authority, const char *names, gint64 end_secs, const char *cert_file,
                     const char *key_file)
{
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *certificate = certificate_new (key, "relay.test", end_secs);

  X509_set_issuer_name (certificate, X509_get_subject_name (authority != NULL ? authority->certificate : certificate));
  add_extension (certificate, NID_subject_alt_name, names);
  X509_sign (certificate, authority != NULL ? authority->key : key, EVP_sha256 ());
  write_file (cert_file, write_certificate, certificate);
  write_file (key_file, write_key, key);
  X509_free (certificate);
  EVP_PKEY_free (key);
}

static X509 *
read_certificate (const char *file)
{
  FILE *in = fopen (file, "r");
  X509 *certificate;

  g_assert_nonnull (in);
  certificate = PEM_read_X509 (in, NULL, NULL, NULL);
  (void) fclose (in);
  g_assert_nonnull (certificate);
  return certificate;
}

char *
mrt_certificate_pin_of (X509 *certificate)
{
  unsigned char *key = NULL;
  int length = i2d_X509_PUBKEY (X509_get_X509_PUBKEY (certificate), &key);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  g_autofree char *base64 = NULL;

  g_assert_cmpint (EVP_Digest (key, (size_t) length, digest, &n, EVP_sha256 (), NULL), ==, 1);
  base64 = g_base64_encode (digest, n);
  OPENSSL_free (key);
  return g_strconcat ("sha256/", base64, NULL);
}

char *
mrt_certificate_pin (const char *cert_file)
{
  X509 *certificate = read_certificate (cert_file);
  char *pin = mrt_certificate_pin_of (certificate);

  X509_free (certificate);
  return pin;
}

char *
mrt_certificate_end (const char *cert_file)
{
  X509 *certificate = read_certificate (cert_file);
  struct tm end;
  char text[32];

  g_assert_cmpint (ASN1_TIME_to_tm (X509_get0_notAfter (certificate), &end), ==, 1);
  X509_free (certificate);
  g_assert_cmpuint (strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &end), >, 0);
  return g_strdup (text);
}

char *
mrt_directory_new (void)
{
  char *directory = g_dir_make_tmp ("mr-tls-XXXXXX", NULL);

  g_assert_nonnull (directory);
  return directory;
}

static void
remove_tree (const char *path)
{
  GDir *entries = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL) {
    g_autofree char *inside = g_build_filename (path, name, NULL);

    remove_tree (inside);
  }
  g_clear_pointer (&entries, g_dir_close);
  (void) g_remove (path);
}

void
mrt_directory_remove (char *directory)
{
  remove_tree (directory);
  g_free (directory);
}
