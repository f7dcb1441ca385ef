/* SPDX-License-Identifier: MIT */
/*
 * Pages and assets by their paths. See web.h. The files are in web/; web/pack puts them into the binary, each also as
 * gzip.
 */
#include "web.h"

#include "web-resources.h"

#include <string.h>

#define START_PAGE "/dashboard"
#define NOT_FOUND_PATH "/404"
#define DOWNLOADS_PATH "/downloads"
#define TAG_LENGTH 32

/* One form of a file. */
typedef struct {
  GBytes *bytes; /* Owned; points into the binary */
  char *etag;
} Form;

typedef struct {
  const char *type;
  Form plain;
  Form gzip;
} Asset;

struct _MrWeb {
  MrDownloads *downloads; /* Borrowed */
  GHashTable *assets;     /* Owned Asset by path */
};

/* Where a file of that kind is, and what it is. */
static const struct {
  const char *suffix;
  const char *prefix;
  gboolean keeps_suffix;
  const char *type;
} kinds[] = {
  { ".html", "/", FALSE, "text/html; charset=utf-8" },
  { ".css", "/web/", TRUE, "text/css; charset=utf-8" },
  { ".js", "/web/", TRUE, "text/javascript; charset=utf-8" },
  { ".po", "/web/", TRUE, "text/plain; charset=utf-8" },
  { ".svg", "/", TRUE, "image/svg+xml" },
};

static const struct {
  const char *name;
  const char *value;
} security_fields[] = {
  { "content-security-policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
                               "object-src 'none'" },
  { "cross-origin-opener-policy", "same-origin" },
  { "permissions-policy", "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), "
                          "fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), "
                          "payment=(), picture-in-picture=(), publickey-credentials-get=(), usb=(), "
                          "xr-spatial-tracking=()" },
  { "referrer-policy", "no-referrer" },
  { "x-content-type-options", "nosniff" },
  { "x-frame-options", "DENY" },
};

/* --- what there is --- */

static void
asset_free (gpointer data)
{
  Asset *asset = data;

  g_bytes_unref (asset->plain.bytes);
  g_bytes_unref (asset->gzip.bytes);
  g_free (asset->plain.etag);
  g_free (asset->gzip.etag);
  g_free (asset);
}

static void
read_form (const char *name, const char *suffix, Form *form)
{
  g_autofree char *path = g_strdup_printf ("/%s%s", name, suffix);
  g_autofree char *hash = NULL;

  form->bytes = g_resource_lookup_data (mr_web_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_assert (form->bytes != NULL);
  hash = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, form->bytes);
  form->etag = g_strdup_printf ("\"%.*s\"", TAG_LENGTH, hash);
}

static void
add_asset (MrWeb *web, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_has_suffix (name, kinds[i].suffix)) {
      gsize length = strlen (name) - (kinds[i].keeps_suffix ? 0 : strlen (kinds[i].suffix));
      Asset *asset = g_new0 (Asset, 1);

      asset->type = kinds[i].type;
      read_form (name, "", &asset->plain);
      read_form (name, ".gz", &asset->gzip);
      g_hash_table_insert (web->assets, g_strdup_printf ("%s%.*s", kinds[i].prefix, (int) length, name), asset);
    }
}

/* @folder: ends with '/' */
static void
add_assets (MrWeb *web, const char *folder)
{
  g_auto (GStrv) names =
      g_resource_enumerate_children (mr_web_get_resource (), folder, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);

  for (char **name = names; name != NULL && *name != NULL; name++) {
    g_autofree char *path = g_strconcat (folder + 1, *name, NULL);

    add_asset (web, path);
  }
}

static const Asset *
find_asset (MrWeb *web, const char *path)
{
  return g_hash_table_lookup (web->assets, g_str_equal (path, "/favicon.ico") ? "/favicon.svg" : path);
}

/* --- what the client can take --- */

static gboolean
is_zero_weight (const char *parameters)
{
  const char *q = strstr (parameters, "q=");

  return q != NULL && g_ascii_strtod (q + 2, NULL) <= 0;
}

static gboolean
takes_gzip (const MrHttpRequest *request)
{
  const char *header = mr_http_request_header (request, "accept-encoding");
  g_auto (GStrv) items = g_strsplit (header != NULL ? header : "", ",", -1);

  for (char **item = items; *item != NULL; item++) {
    const char *coding = g_strstrip (*item);
    gsize length = strcspn (coding, "; \t");

    if (length == strlen ("gzip") && g_ascii_strncasecmp (coding, "gzip", length) == 0)
      return !is_zero_weight (coding + length);
  }
  return FALSE;
}

/* RFC 9110, section 13.1.2: by weak comparison. */
static gboolean
has_already (const MrHttpRequest *request, const char *etag)
{
  const char *header = mr_http_request_header (request, "if-none-match");
  g_auto (GStrv) tags = g_strsplit (header != NULL ? header : "", ",", -1);

  for (char **item = tags; *item != NULL; item++) {
    const char *tag = g_strstrip (*item);

    if (g_str_equal (tag, "*") || g_str_equal (g_str_has_prefix (tag, "W/") ? tag + 2 : tag, etag))
      return TRUE;
  }
  return FALSE;
}

/* --- answers --- */

static void
add_security (MrResponse *response)
{
  for (gsize i = 0; i < G_N_ELEMENTS (security_fields); i++)
    mr_headers_set (mr_response_get_fields (response), security_fields[i].name, security_fields[i].value);
}

static void
send_form (MrResponse *response, guint status, const Asset *asset, const Form *form)
{
  MrHeaders *fields = mr_response_get_fields (response);
  gsize length;
  const char *data = g_bytes_get_data (form->bytes, &length);

  mr_headers_set (fields, "content-type", asset->type);
  mr_headers_set (fields, "vary", "accept-encoding");
  if (form == &asset->gzip)
    mr_headers_set (fields, "content-encoding", "gzip");
  mr_response_send (response, status, NULL, data, length);
  mr_response_free (response);
}

static const Form *
choose_form (const Asset *asset, const MrHttpRequest *request)
{
  return takes_gzip (request) ? &asset->gzip : &asset->plain;
}

static void
send_asset (MrResponse *response, const Asset *asset)
{
  const MrHttpRequest *request = mr_response_get_request (response);
  MrHeaders *fields = mr_response_get_fields (response);
  const Form *form = choose_form (asset, request);

  mr_headers_set (fields, "etag", form->etag);
  mr_headers_set (fields, "cache-control", "no-cache"); /* kept, and asked for again each time: a 304 */
  if (has_already (request, form->etag)) {
    mr_headers_set (fields, "vary", "accept-encoding");
    mr_response_send (response, 304, NULL, NULL, 0);
    mr_response_free (response);
  } else {
    send_form (response, 200, asset, form);
  }
}

static void
redirect (MrResponse *response)
{
  MrHeaders *fields = mr_response_get_fields (response);

  mr_headers_set (fields, "location", START_PAGE);
  mr_headers_set (fields, "cache-control", "no-cache");
  mr_response_send (response, 302, NULL, NULL, 0);
  mr_response_free (response);
}

static void
on_downloads (MrResponse *response, JsonNode *list, gpointer user_data)
{
  MrHeaders *fields = mr_response_get_fields (response);
  g_autoptr (JsonNode) entries = list;
  g_autofree char *array = json_to_string (entries, FALSE);
  g_autofree char *json = g_strdup_printf ("{\"downloads\":%s}", array);

  mr_headers_set (fields, "content-type", "application/json");
  mr_headers_set (fields, "cache-control", "no-cache");
  mr_response_send (response, 200, NULL, json, strlen (json));
  mr_response_free (response);
}

static gboolean
is_reading (const MrHttpRequest *request)
{
  return g_str_equal (request->method, "GET") || g_str_equal (request->method, "HEAD");
}

gboolean
mr_web_is_for_page (const MrHttpRequest *request)
{
  const char *accept = mr_http_request_header (request, "accept");

  return is_reading (request) && accept != NULL && strstr (accept, "text/html") != NULL;
}

void
mr_web_fail_not_found (MrWeb *web, MrResponse *response)
{
  const Asset *page = find_asset (web, NOT_FOUND_PATH);

  add_security (response);
  mr_headers_set (mr_response_get_fields (response), "cache-control", "no-store");
  send_form (response, 404, page, choose_form (page, mr_response_get_request (response)));
}

gboolean
mr_web_owns (MrWeb *web, const char *path)
{
  return g_str_equal (path, "/") || g_str_equal (path, DOWNLOADS_PATH) ||
         g_str_has_prefix (path, MR_DOWNLOADS_PREFIX) ||
         (find_asset (web, path) != NULL && !g_str_equal (path, NOT_FOUND_PATH));
}

void
mr_web_take (MrWeb *web, MrResponse *response)
{
  const MrHttpRequest *request = mr_response_get_request (response);

  add_security (response);
  if (!is_reading (request)) {
    mr_headers_set (mr_response_get_fields (response), "allow", "GET, HEAD");
    mr_response_fail (response, MR_ERROR_METHOD_NOT_ALLOWED,
                      "This path does not know the method; the Allow header lists those it does.");
    mr_response_free (response);
  } else if (g_str_equal (request->path, "/")) {
    redirect (response);
  } else if (g_str_equal (request->path, DOWNLOADS_PATH)) {
    mr_downloads_list (web->downloads, response, on_downloads, NULL);
  } else if (g_str_has_prefix (request->path, MR_DOWNLOADS_PREFIX)) {
    mr_downloads_send (web->downloads, response, request->path + strlen (MR_DOWNLOADS_PREFIX));
  } else {
    send_asset (response, find_asset (web, request->path));
  }
}

MrWeb *
mr_web_new (MrDownloads *downloads)
{
  MrWeb *web = g_new0 (MrWeb, 1);

  web->downloads = downloads;
  web->assets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, asset_free);
  add_assets (web, "/");
  add_assets (web, "/po/");
  return web;
}

void
mr_web_free (MrWeb *web)
{
  if (web == NULL)
    return;
  g_hash_table_unref (web->assets);
  g_free (web);
}
