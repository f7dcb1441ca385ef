/* SPDX-License-Identifier: MIT */
/*
 * Secrets, failures by address, and addresses behind proxies. See auth.h.
 */
#include "auth.h"

#include "error.h"
#include "limits.h"

#include <string.h>

#define FREE_FAILURES 3
#define FIRST_COOLDOWN_USEC MR_USEC_PER_SEC
#define LONGEST_COOLDOWN_USEC (60 * MR_USEC_PER_SEC)
#define FORGET_USEC (600 * MR_USEC_PER_SEC)

typedef struct {
  char *address;
  guint failures;
  gint64 last_us;
  gint64 cooldown_us; /* 0 before the first one */
  GList link;         /* in MrAuthFailures.by_age */
} Record;

struct _MrAuthFailures {
  GHashTable *records; /* address -> Record, owned */
  GQueue by_age;       /* the one that failed longest ago first */
};

gboolean
mr_auth_secret_matches (const char *secret, const char *given)
{
  gsize secret_length = strlen (secret);
  gsize given_length = strlen (given);
  guint difference = secret_length != given_length || secret_length == 0;

  for (gsize i = 0; i < given_length; i++)
    difference |= (guint) (guchar) (given[i] ^ secret[secret_length > 0 ? i % secret_length : 0]);
  return difference == 0;
}

static void
record_free (gpointer data)
{
  Record *record = data;

  g_free (record->address);
  g_free (record);
}

MrAuthFailures *
mr_auth_failures_new (void)
{
  MrAuthFailures *failures = g_new0 (MrAuthFailures, 1);

  failures->records = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, record_free);
  g_queue_init (&failures->by_age);
  return failures;
}

void
mr_auth_failures_free (MrAuthFailures *failures)
{
  if (failures == NULL)
    return;
  g_hash_table_unref (failures->records);
  g_free (failures);
}

static void
forget (MrAuthFailures *failures, Record *record)
{
  g_queue_unlink (&failures->by_age, &record->link);
  g_hash_table_remove (failures->records, record->address);
}

gint64
mr_auth_failures_get_wait (MrAuthFailures *failures, const char *address, gint64 now_us)
{
  Record *record = g_hash_table_lookup (failures->records, address);

  if (record == NULL)
    return 0;
  if (now_us - record->last_us >= FORGET_USEC) {
    forget (failures, record);
    return 0;
  }
  return MAX (0, record->last_us + record->cooldown_us - now_us);
}

gboolean
mr_auth_failures_is_refused (MrAuthFailures *failures, const char *address, gint64 now_us)
{
  return mr_auth_failures_get_wait (failures, address, now_us) > 0;
}

void
mr_auth_failures_note_failure (MrAuthFailures *failures, const char *address, gint64 now_us)
{
  Record *record = g_hash_table_lookup (failures->records, address);

  if (record == NULL) {
    if (failures->by_age.length >= MR_LIMIT_AUTH_PEERS)
      forget (failures, failures->by_age.head->data);
    record = g_new0 (Record, 1);
    record->address = g_strdup (address);
    record->link.data = record;
    g_hash_table_insert (failures->records, record->address, record);
  } else {
    g_queue_unlink (&failures->by_age, &record->link);
  }
  g_queue_push_tail_link (&failures->by_age, &record->link);
  record->last_us = now_us;
  record->failures++;
  if (record->failures == FREE_FAILURES)
    record->cooldown_us = FIRST_COOLDOWN_USEC;
  else if (record->failures > FREE_FAILURES)
    record->cooldown_us = MIN (record->cooldown_us * 2, LONGEST_COOLDOWN_USEC);
}

void
mr_auth_failures_note_success (MrAuthFailures *failures, const char *address)
{
  Record *record = g_hash_table_lookup (failures->records, address);

  if (record != NULL)
    forget (failures, record);
}

GPtrArray *
mr_auth_parse_proxies (const char *const *texts, GError **error)
{
  g_autoptr (GPtrArray) masks = g_ptr_array_new_with_free_func (g_object_unref);

  for (; texts != NULL && *texts != NULL; texts++) {
    GInetAddressMask *mask = g_inet_address_mask_new_from_string (*texts, NULL);

    if (mask == NULL) {
      g_set_error (error, MR_ERROR, MR_ERROR_CONFIG,
                   "--trusted-proxy: \"%s\" is no network: an address like ::1 or a range like 10.0.0.0/8 is allowed",
                   *texts);
      return NULL;
    }
    g_ptr_array_add (masks, mask);
  }
  return g_steal_pointer (&masks);
}

static gboolean
is_trusted (const char *address, const GPtrArray *proxies)
{
  g_autoptr (GInetAddress) parsed = g_inet_address_new_from_string (address);

  if (parsed == NULL)
    return g_str_equal (address, "unix");
  for (guint i = 0; i < proxies->len; i++)
    if (g_inet_address_mask_matches (g_ptr_array_index (proxies, i), parsed))
      return TRUE;
  return FALSE;
}

/* The address in one element of a list: `1.2.3.4`, `1.2.3.4:80`, `[::1]:80`, or RFC 7239's `for="[::1]:80";proto=...`.
 */
static char *
element_address (const char *element, gboolean rfc7239)
{
  g_autofree char *copy = g_strdup (element);
  char *at = g_strstrip (copy);
  char *colon;

  if (rfc7239) {
    g_auto (GStrv) pairs = g_strsplit (at, ";", -1);
    char *found = NULL;

    for (char **pair = pairs; *pair != NULL && found == NULL; pair++)
      if (g_ascii_strncasecmp (g_strstrip (*pair), "for=", 4) == 0)
        found = element_address (*pair + 4, FALSE);
    return found;
  }
  if (at[0] == '"') {
    at++;
    at[strcspn (at, "\"")] = '\0';
  }
  if (at[0] == '[') {
    at++;
    at[strcspn (at, "]")] = '\0';
  } else if ((colon = strchr (at, ':')) != NULL && strchr (colon + 1, ':') == NULL) {
    *colon = '\0';
  }
  return g_hostname_is_ip_address (at) ? g_strdup (at) : NULL;
}

char *
mr_auth_client_address (const char *peer, const char *forwarded, const char *x_forwarded_for, const GPtrArray *proxies)
{
  const char *list = forwarded != NULL ? forwarded : x_forwarded_for;
  g_autofree char *address = g_strdup (peer);
  g_auto (GStrv) elements = g_strsplit (list != NULL ? list : "", ",", -1);

  for (guint i = g_strv_length (elements); i > 0 && is_trusted (address, proxies); i--) {
    char *next = element_address (elements[i - 1], forwarded != NULL);

    if (next == NULL)
      break;
    g_free (address);
    address = next;
  }
  return g_steal_pointer (&address);
}
