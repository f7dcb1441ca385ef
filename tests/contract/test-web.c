/* SPDX-License-Identifier: MIT */
/*
 * The relay's side of its web pages (contract I): paths, types, headers, caching, what a page weighs. What the pages do
 * is for a browser to show.
 */
#include "stage-admin.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define PAGES "/dashboard", "/setup", "/integrate"
#define BROWSER "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
#define GZIP "Accept-Encoding: gzip, deflate, br\r\n"
#define MAX_REQUESTS 15
#define MAX_BYTES (200 * 1024)

static MrtResponse *
ask (StageRelay *relay, const char *method, const char *path, const char *headers)
{
  return mrt_client_ask (relay->port, method, path, headers, NULL);
}

static void
check_security (MrtResponse *response)
{
  static const char *const expected[][2] = {
    { "content-security-policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
                                 "object-src 'none'" },
    { "cross-origin-opener-policy", "same-origin" },
    { "referrer-policy", "no-referrer" },
    { "x-content-type-options", "nosniff" },
    { "x-frame-options", "DENY" },
  };
  const char *permissions = mrt_head_get (response->head, "permissions-policy");

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpstr (mrt_head_get (response->head, expected[i][0]), ==, expected[i][1]);
  g_assert_nonnull (strstr (permissions, "camera=()"));
  g_assert_nonnull (strstr (permissions, "microphone=()"));
  g_assert_nonnull (strstr (permissions, "geolocation=()"));
  for (guint i = 0; i < response->head->names->len; i++)
    g_assert_false (g_str_has_prefix (response->head->names->pdata[i], "access-control-"));
}

/* --- what every page and asset has --- */

static const struct {
  const char *path;
  const char *type;
  const char *text; /* in it */
} files[] = {
  { "/dashboard", "text/html; charset=utf-8", "/web/dashboard.js" },
  { "/setup", "text/html; charset=utf-8", "/web/setup.js" },
  { "/integrate", "text/html; charset=utf-8", "/web/integrate.js" },
  { "/web/shell.css", "text/css; charset=utf-8", "prefers-color-scheme" },
  { "/web/not-found.js", "text/javascript; charset=utf-8", "startPage" },
  { "/web/dashboard.js", "text/javascript; charset=utf-8", "startPage" },
  { "/web/setup.js", "text/javascript; charset=utf-8", "startPage" },
  { "/web/integrate.js", "text/javascript; charset=utf-8", "startPage" },
  { "/web/dashboard.css", "text/css; charset=utf-8", "{" },
  { "/web/setup.css", "text/css; charset=utf-8", "{" },
  { "/web/integrate.css", "text/css; charset=utf-8", "{" },
  { "/web/po/de.po", "text/plain; charset=utf-8", "Language: de" },
  { "/favicon.svg", "image/svg+xml", "<svg" },
  { "/favicon.ico", "image/svg+xml", "<svg" },
};

static void
check_revalidation (StageRelay *relay, const char *path, const char *etag, const char *tags, const char *more,
                    guint status)
{
  g_autofree char *headers = g_strdup_printf ("If-None-Match: %s\r\n%s", tags, more);
  g_autoptr (MrtResponse) response = ask (relay, "GET", path, headers);

  g_assert_cmpuint (response->status, ==, status);
  check_security (response);
  if (status == 304) {
    g_assert_cmpuint (response->body.data->len, ==, 0);
    g_assert_cmpstr (mrt_head_get (response->head, "etag"), ==, etag);
    g_assert_cmpstr (mrt_head_get (response->head, "cache-control"), ==, "no-cache");
  }
}

static void
check_cached (StageRelay *relay, const char *path, const char *etag)
{
  g_autofree char *weak = g_strdup_printf ("\"other\", W/%s", etag);

  g_assert_true (etag[0] == '"' && strlen (etag) == 34);
  check_revalidation (relay, path, etag, etag, "", 304);
  check_revalidation (relay, path, etag, weak, "", 304);
  check_revalidation (relay, path, etag, "*", "", 304);
  check_revalidation (relay, path, etag, "\"other\"", "", 200);
  check_revalidation (relay, path, etag, etag, GZIP, 200); /* the tag of the other form */
}

static void
test_files (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autoptr (MrtResponse) response = ask (relay, "GET", files[i].path, NULL);

    g_test_message ("%s", files[i].path);
    g_assert_cmpuint (response->status, ==, 200);
    g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, files[i].type);
    g_assert_cmpstr (mrt_head_get (response->head, "cache-control"), ==, "no-cache");
    g_assert_cmpstr (mrt_head_get (response->head, "vary"), ==, "accept-encoding");
    g_assert_null (mrt_head_get (response->head, "content-encoding"));
    g_assert_nonnull (strstr (response->body.data->str, files[i].text));
    g_assert_null (strstr (response->body.data->str, STAGE_TOKEN));
    g_assert_null (strstr (response->body.data->str, STAGE_SECRET));
    check_security (response);
    check_cached (relay, files[i].path, mrt_head_get (response->head, "etag"));
  }
}

static void
test_head (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autoptr (MrtResponse) get = ask (relay, "GET", files[i].path, NULL);
    g_autoptr (MrtStream) stream = mrt_client_open (relay->port, "HEAD", files[i].path, NULL, NULL);
    g_autoptr (MrtResponse) head = mrt_client_receive_head (stream, TRUE);

    g_assert_cmpuint (head->status, ==, 200);
    g_assert_cmpstr (mrt_head_get (head->head, "etag"), ==, mrt_head_get (get->head, "etag"));
    g_assert_cmpstr (mrt_head_get (head->head, "content-length"), ==, mrt_head_get (get->head, "content-length"));
    check_security (head);
  }
}

static void
test_methods (void)
{
  static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "PATCH" };
  static const char *const paths[] = { "/", PAGES, "/web/setup.js", "/favicon.ico", "/downloads", "/downloads/x" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    for (guint k = 0; k < G_N_ELEMENTS (methods); k++) {
      g_autoptr (MrtResponse) response = ask (relay, methods[k], paths[i], "Origin: https://example.org\r\n");
      g_autofree char *message = stage_check_error (response, 405, "method_not_allowed");

      g_assert_cmpstr (mrt_head_get (response->head, "allow"), ==, "GET, HEAD");
      check_security (response);
    }
}

static void
test_redirect (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) response = ask (relay, "GET", "/", BROWSER);

  g_assert_cmpuint (response->status, ==, 302);
  g_assert_cmpstr (mrt_head_get (response->head, "location"), ==, "/dashboard");
  g_assert_cmpuint (response->body.data->len, ==, 0);
  check_security (response);
}

/* The same bytes, in fewer. */
static void
test_gzip (void)
{
  static const char *const refusals[] = { "", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: br, identity\r\n",
                                          "Accept-Encoding: gzippy\r\n" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) plain = ask (relay, "GET", "/web/shell.css", NULL);
  g_autoptr (MrtResponse) packed = ask (relay, "GET", "/web/shell.css", GZIP);
  g_autoptr (GZlibDecompressor) unpack = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP);
  g_autofree char *text = g_malloc0 (plain->body.data->len + 1);
  gsize n_read, n_written;
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (mrt_head_get (packed->head, "content-encoding"), ==, "gzip");
  g_assert_cmpstr (mrt_head_get (packed->head, "vary"), ==, "accept-encoding");
  g_assert_cmpstr (mrt_head_get (packed->head, "etag"), !=, mrt_head_get (plain->head, "etag"));
  g_assert_cmpuint (packed->body.data->len, <, plain->body.data->len);
  g_assert_cmpint (g_converter_convert (G_CONVERTER (unpack), packed->body.data->str, packed->body.data->len, text,
                                        plain->body.data->len, G_CONVERTER_INPUT_AT_END, &n_read, &n_written, &error),
                   ==, G_CONVERTER_FINISHED);
  g_assert_no_error (error);
  g_assert_cmpmem (text, n_written, plain->body.data->str, plain->body.data->len);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autoptr (MrtResponse) response = ask (relay, "GET", "/web/shell.css", refusals[i]);

    g_assert_null (mrt_head_get (response->head, "content-encoding"));
  }
}

/* --- where there is nothing --- */

static void
test_not_found (void)
{
  static const char *const paths[] = { "/nothing",
                                       "/404",
                                       "/404.html",
                                       "/web/",
                                       "/web/none.js",
                                       "/web/setup.js.gz",
                                       "/web/shell.js",
                                       "/web/dashboard.html",
                                       "/web/../dashboard",
                                       "/dashboard/",
                                       "/po/de.po",
                                       "/web/po/xx.po",
                                       "/v1" };
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (MrtResponse) page = ask (relay, "GET", paths[i], BROWSER);
    g_autoptr (MrtResponse) json = ask (relay, "GET", paths[i], "Accept: application/json\r\n");
    g_autoptr (MrtResponse) any = ask (relay, "GET", paths[i], "Accept: */*\r\n");
    g_autoptr (MrtResponse) posted = ask (relay, "POST", paths[i], BROWSER);

    g_test_message ("%s", paths[i]);
    g_assert_cmpuint (page->status, ==, 404);
    g_assert_cmpstr (mrt_head_get (page->head, "content-type"), ==, "text/html; charset=utf-8");
    g_assert_cmpstr (mrt_head_get (page->head, "cache-control"), ==, "no-store");
    g_assert_nonnull (strstr (page->body.data->str, "/web/not-found.js"));
    check_security (page);
    g_free (stage_check_error (json, 404, "not_found"));
    g_free (stage_check_error (any, 404, "not_found"));
    g_free (stage_check_error (posted, 404, "not_found"));
  }
}

/* --- what a page weighs --- */

typedef struct {
  StageRelay *relay;
  GHashTable *seen;
  GQueue due;
  gsize bytes;
} Load;

/* @reference: as it stands in a file of @folder */
static void
add_reference (Load *load, const char *folder, const char *reference)
{
  char *path = reference[0] == '.' ? g_strconcat (folder, reference + 2, NULL) : g_strdup (reference);

  g_assert_true (path[0] == '/' && path[1] != '/'); /* no outside resource */
  if (g_hash_table_add (load->seen, path))
    g_queue_push_tail (&load->due, path);
}

static void
add_references (Load *load, const char *text)
{
  g_autoptr (GRegex) regex =
      g_regex_new ("(?:<(?:link|script|img)[^>]* (?:href|src)=\"([^\"]+)\")"
                   "|(?:^(?:import|export)[^'\";]*?(?:from "
                   ")?['\"]([^'\"]+)['\"])|(?:import\\('([^']+)'\\))|(?:url\\(\"?([^\")]+)\"?\\))",
                   G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  for (g_regex_match (regex, text, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL))
    for (int i = 1; i < g_match_info_get_match_count (match); i++) {
      g_autofree char *reference = g_match_info_fetch (match, i);

      if (reference[0] == '/' || g_str_has_prefix (reference, "./") || strstr (reference, "://") != NULL)
        add_reference (load, "/web/", reference);
    }
}

/* Everything that a browser fetches to show it, as a browser asks for it. */
static void
load_page (StageRelay *relay, const char *path)
{
  Load load = { relay, g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL), G_QUEUE_INIT, 0 };
  const char *due;

  add_reference (&load, "/", path);
  add_reference (&load, "/", "/web/po/de.po");
  while ((due = g_queue_pop_head (&load.due)) != NULL) {
    g_autoptr (MrtResponse) plain = ask (relay, "GET", due, NULL);
    g_autoptr (MrtResponse) packed = ask (relay, "GET", due, GZIP);

    g_test_message ("%s: %s of %s bytes", path, due, mrt_head_get (packed->head, "content-length"));
    g_assert_cmpuint (plain->status, ==, 200);
    load.bytes += packed->body.data->len;
    add_references (&load, plain->body.data->str);
  }
  g_test_message ("%s: %u requests, %" G_GSIZE_FORMAT " bytes", path, g_hash_table_size (load.seen), load.bytes);
  g_assert_cmpuint (g_hash_table_size (load.seen), >=, 6); /* what was looked for was found */
  g_assert_cmpuint (g_hash_table_size (load.seen), <=, MAX_REQUESTS);
  g_assert_cmpuint (load.bytes, <=, MAX_BYTES);
  g_hash_table_unref (load.seen);
}

static void
test_weight (void)
{
  static const char *const pages[] = { PAGES };
  g_autoptr (StageRelay) relay = stage_relay (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (pages); i++)
    load_page (relay, pages[i]);
}

/* --- what the pages ask --- */

static void
test_config (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--public-url", "https://relay.example.org", NULL);
  g_autoptr (JsonObject) config = stage_admin_json (relay, "GET", "/admin/config", NULL, 200);
  g_autofree char *names = stage_member_names (config, NULL);
  g_autofree char *addresses = mrt_json_strings (config, "addresses");
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", relay->port);
  g_autofree char *closed = NULL;
  g_autoptr (MrtResponse) refused = NULL;

  g_assert_cmpstr (names, ==, "version|provider|addresses|public_url|require_api_keys|worker_secret_set|downloads");
  g_assert_cmpstr (addresses, ==, address);
  g_assert_cmpstr (mrt_json_string (config, "public_url"), ==, "https://relay.example.org");
  g_assert_cmpstr (mrt_json_string (config, "provider"), ==, "local");
  g_assert_false (mrt_json_bool (config, "require_api_keys"));
  g_assert_true (mrt_json_bool (config, "worker_secret_set"));
  g_assert_cmpuint (stage_length (config, "downloads"), ==, 0);
  refused = ask (relay, "GET", "/admin/config", NULL);
  closed = stage_check_error (refused, 403, "forbidden");
}

static JsonArray *
array_at (JsonObject *object, const char *path)
{
  return json_node_get_array (mrt_json_get (object, path));
}

static double
sum_of (JsonObject *object, const char *path)
{
  JsonArray *array = array_at (object, path);
  double sum = 0;

  for (guint i = 0; i < json_array_get_length (array); i++)
    sum += json_array_get_double_element (array, i);
  return sum;
}

static gint64
last_of (JsonObject *object, const char *path)
{
  JsonArray *array = array_at (object, path);

  return json_array_get_int_element (array, json_array_get_length (array) - 1);
}

static void
serve_with_tokens (MrtWebsocket *worker)
{
  g_autofree char *id = mrt_worker_take (worker);

  mrt_websocket_send (worker,
                      "{\"type\":\"response_complete\",\"request_id\":\"%s\",\"status_code\":200,\"body\":\"{}\","
                      "\"token_counts\":{\"prompt_tokens\":1,\"completion_tokens\":50,\"total_tokens\":51}}",
                      id);
}

static void
check_history (JsonObject *shown)
{
  g_autofree char *names = stage_member_names (shown, NULL);

  g_assert_cmpstr (names, ==, "interval_s|end|columns|models");
  g_assert_cmpint (mrt_json_int (shown, "interval_s"), ==, 10);
  g_assert_cmpint (last_of (shown, "columns.workers"), ==, 1);
  g_assert_cmpint (last_of (shown, "columns.slots"), ==, 3);
  g_assert_cmpint (last_of (shown, "columns.running"), ==, 0);
  g_assert_cmpfloat (sum_of (shown, "columns.completed_per_second"), ==, 0.1);
  g_assert_cmpfloat (sum_of (shown, "columns.tokens_per_second"), ==, 5);
  g_assert_cmpfloat (sum_of (shown, "models.m"), ==, 5);
}

/* A sample of the real relay, told live and kept. */
static void
test_history (void)
{
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, NULL);
  g_autoptr (MrtWebsocket) worker = stage_join (relay, "w", "[\"m\"]", 3);
  g_autoptr (StageEvents) events = stage_events (relay, NULL);
  g_autoptr (MrtStream) client = stage_post (relay, STAGE_BODY);
  g_autoptr (MrtResponse) answer = NULL;
  g_autoptr (JsonObject) kept = NULL;
  gint64 deadline = mrt_now_ms () + 3 * MRT_WAIT_MS;

  serve_with_tokens (worker);
  answer = mrt_client_receive (client);
  g_assert_cmpuint (answer->status, ==, 200);
  do
    g_assert_true (stage_events_next (events, (int) MAX (0, deadline - mrt_now_ms ())));
  while (!g_str_equal (events->name, "history") || !mrt_json_has (events->data, "models.m"));
  check_history (events->data);
  kept = stage_admin_json (relay, "GET", "/admin/history", NULL, 200);
  check_history (kept);
}

/* --- downloads --- */

#define BIG_BYTES (5 * 1024 * 1024 + 77)

static char *
make_directory (guint8 *big)
{
  char *directory = g_dir_make_tmp ("modelrelay-web-XXXXXX", NULL);
  g_autofree char *package = g_build_filename (directory, "modelrelay-worker_1.0~rc1+b2_amd64.deb", NULL);
  g_autofree char *small = g_build_filename (directory, "a.tar.gz", NULL);
  g_autofree char *hidden = g_build_filename (directory, ".hidden", NULL);
  g_autofree char *odd = g_build_filename (directory, "two words", NULL);
  g_autofree char *folder = g_build_filename (directory, "folder", NULL);

  for (guint i = 0; i < BIG_BYTES; i++)
    big[i] = (guint8) (i * 31 ^ i >> 9);
  g_assert_true (g_file_set_contents (package, (const char *) big, BIG_BYTES, NULL));
  g_assert_true (g_file_set_contents (small, "small", -1, NULL));
  g_assert_true (g_file_set_contents (hidden, "hidden", -1, NULL));
  g_assert_true (g_file_set_contents (odd, "odd", -1, NULL));
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  return directory;
}

static void
remove_directory (const char *directory)
{
  static const char *const names[] = {
    "modelrelay-worker_1.0~rc1+b2_amd64.deb", "a.tar.gz", ".hidden", "two words", "folder", ""
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (directory, names[i], NULL);

    g_assert_cmpint (g_remove (path), ==, 0);
  }
}

static void
check_list (StageRelay *relay, const guint8 *big)
{
  g_autoptr (MrtResponse) response = ask (relay, "GET", "/downloads", NULL);
  g_autoptr (JsonObject) list = mrt_json_parse (response->body.data->str);
  g_autoptr (JsonObject) config = stage_admin_json (relay, "GET", "/admin/config", NULL, 200);
  g_autofree char *hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256, big, BIG_BYTES);
  JsonObject *first;
  JsonObject *second;

  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, "application/json");
  check_security (response);
  g_assert_cmpuint (stage_length (list, "downloads"), ==, 2);
  g_assert_cmpuint (stage_length (config, "downloads"), ==, 2);
  first = stage_element (list, "downloads", 0);
  second = stage_element (list, "downloads", 1);
  g_assert_cmpstr (mrt_json_string (first, "name"), ==, "a.tar.gz");
  g_assert_cmpint (mrt_json_int (first, "size"), ==, 5);
  g_assert_cmpstr (mrt_json_string (second, "url"), ==, "/downloads/modelrelay-worker_1.0~rc1+b2_amd64.deb");
  g_assert_cmpint (mrt_json_int (second, "size"), ==, BIG_BYTES);
  g_assert_cmpstr (mrt_json_string (second, "sha256"), ==, hash);
}

static void
check_file (StageRelay *relay, const char *path, const guint8 *big)
{
  g_autoptr (MrtResponse) response = ask (relay, "GET", path, NULL);
  g_autofree char *length = g_strdup_printf ("%d", BIG_BYTES);

  g_assert_cmpuint (response->status, ==, 200);
  g_assert_cmpstr (mrt_head_get (response->head, "content-type"), ==, "application/octet-stream");
  g_assert_cmpstr (mrt_head_get (response->head, "content-length"), ==, length);
  g_assert_cmpstr (mrt_head_get (response->head, "content-disposition"), ==,
                   "attachment; filename=\"modelrelay-worker_1.0~rc1+b2_amd64.deb\"");
  check_security (response);
  g_assert_cmpint (response->body.state, ==, MRT_BODY_COMPLETE);
  g_assert_cmpmem (response->body.data->str, response->body.data->len, big, BIG_BYTES);
}

static void
check_head_of_file (StageRelay *relay, const char *path)
{
  g_autoptr (MrtStream) stream = mrt_client_open (relay->port, "HEAD", path, NULL, NULL);
  g_autoptr (MrtResponse) head = mrt_client_receive_head (stream, TRUE);
  g_autoptr (MrtResponse) next = NULL;

  g_assert_cmpuint (head->status, ==, 200);
  mrt_client_send (stream, "GET", "/health", NULL, NULL); /* the connection goes on */
  next = mrt_client_receive (stream);
  g_assert_cmpuint (next->status, ==, 200);
}

static void
test_downloads (void)
{
  static const char *const nothing[] = { "/downloads/",
                                         "/downloads/none",
                                         "/downloads/..",
                                         "/downloads/../stage.c",
                                         "/downloads/%2e%2e%2fetc%2fpasswd",
                                         "/downloads/..%2f..%2fetc%2fpasswd",
                                         "/downloads/.hidden",
                                         "/downloads/%2ehidden",
                                         "/downloads/folder",
                                         "/downloads/two%20words",
                                         "/downloads//etc/passwd",
                                         "/downloads/%2fetc%2fpasswd",
                                         "/downloads/a.tar.gz%00",
                                         "/downloads/a.tar.gz/",

                                         "/downloads/folder/x" };
  g_autofree guint8 *big = g_malloc (BIG_BYTES);
  g_autofree char *directory = make_directory (big);
  g_autoptr (StageRelay) relay = stage_relay (STAGE_ADMIN, "--downloads-dir", directory, NULL);

  check_list (relay, big);
  check_list (relay, big); /* with the checksums of before */
  check_file (relay, "/downloads/modelrelay-worker_1.0~rc1+b2_amd64.deb", big);
  check_file (relay, "/downloads/modelrelay-worker_1.0%7Erc1%2Bb2_amd64.deb?x=1", big);
  check_head_of_file (relay, "/downloads/a.tar.gz");
  for (guint i = 0; i < G_N_ELEMENTS (nothing); i++) {
    g_autoptr (MrtResponse) response = ask (relay, "GET", nothing[i], NULL);

    g_test_message ("%s", nothing[i]);
    g_free (stage_check_error (response, 404, "not_found"));
  }
  remove_directory (directory);
}

/* Who reads slowly, or not at all, costs a piece of the file, keeps nobody from anything, and may go. */
static void
test_download_back_pressure (void)
{
  g_autofree guint8 *big = g_malloc (BIG_BYTES);
  g_autofree char *directory = make_directory (big);
  g_autofree char *huge = g_build_filename (directory, "huge.bin", NULL);
  g_autoptr (StageRelay) relay = NULL;
  g_autoptr (GPtrArray) streams = g_ptr_array_new_with_free_func ((GDestroyNotify) mrt_stream_free);
  guint fds;
  gsize rss;
  gint64 deadline = mrt_now_ms () + MRT_WAIT_MS;

  g_assert_true (g_file_set_contents (huge, "", 0, NULL));
  g_assert_cmpint (truncate (huge, G_GINT64_CONSTANT (4) << 30), ==, 0);
  relay = stage_relay ("--downloads-dir", directory, NULL);
  check_file (relay, "/downloads/modelrelay-worker_1.0~rc1+b2_amd64.deb", big); /* all that is made once is there */
  fds = mrt_process_count_fds (relay->process);
  rss = mrt_process_get_rss_bytes (relay->process);
  for (guint i = 0; i < 20; i++) {
    MrtStream *stream = mrt_client_open (relay->port, "GET", "/downloads/huge.bin", NULL, NULL);
    g_autoptr (MrtResponse) response = mrt_client_receive_head (stream, FALSE);

    g_assert_cmpuint (response->status, ==, 200);
    mrt_body_wait (&response->body, 1, MRT_WAIT_MS);
    g_ptr_array_add (streams, stream);
  }
  check_file (relay, "/downloads/modelrelay-worker_1.0~rc1+b2_amd64.deb", big);
  g_assert_cmpuint (mrt_process_get_rss_bytes (relay->process), <, rss + 40 * 1024 * 1024);
  g_ptr_array_set_size (streams, 0);
  while (mrt_process_count_fds (relay->process) > fds && mrt_now_ms () < deadline)
    g_usleep (10000);
  g_assert_cmpuint (mrt_process_count_fds (relay->process), <=, fds);
  g_assert_cmpint (g_remove (huge), ==, 0);
  remove_directory (directory);
}

static void
test_no_downloads (void)
{
  g_autoptr (StageRelay) relay = stage_relay (NULL);
  g_autoptr (MrtResponse) list = ask (relay, "GET", "/downloads", NULL);
  g_autoptr (MrtResponse) file = ask (relay, "GET", "/downloads/a", NULL);

  stage_check_ok (list, "{\"downloads\":[]}");
  g_free (stage_check_error (file, 404, "not_found"));
}

int
main (int argc, char **argv)
{
  stage_init (argc, argv);
  g_test_add_func ("/contract/I/files", test_files);
  g_test_add_func ("/contract/I/head", test_head);
  g_test_add_func ("/contract/I/methods", test_methods);
  g_test_add_func ("/contract/I4/redirect", test_redirect);
  g_test_add_func ("/contract/I4/not-found", test_not_found);
  g_test_add_func ("/contract/I/gzip", test_gzip);
  g_test_add_func ("/contract/I/weight", test_weight);
  g_test_add_func ("/contract/I1/history", test_history);
  g_test_add_func ("/contract/I2/config", test_config);
  g_test_add_func ("/contract/I2/downloads", test_downloads);
  g_test_add_func ("/contract/I2/download-back-pressure", test_download_back_pressure);
  g_test_add_func ("/contract/I2/no-downloads", test_no_downloads);
  return g_test_run ();
}
