/* SPDX-License-Identifier: MIT */
/*
 * How sharing stands, in words for the owner: a headline, and sentences that name what failed and what to do.
 */
#include "sharing-private.h"

#include <glib/gi18n-lib.h>

static char *
running_headline (const MrSharingFacts *facts)
{
  guint n = facts->running;

  if (!facts->wanted || facts->pause != NULL) {
    return g_strdup_printf (ngettext ("Finishing %u request", "Finishing %u requests", n), n);
  }
  return g_strdup_printf (ngettext ("Relaying %u request", "Relaying %u requests", n), n);
}

char *
mr_sharing_headline (const MrSharingFacts *facts)
{
  switch (facts->state) {
  case MR_SHARING_CONNECTING:
    return g_strdup (_ ("Connecting…"));
  case MR_SHARING_CONNECTED:
    return g_strdup (_ ("Connected"));
  case MR_SHARING_RELAYING:
    return running_headline (facts);
  case MR_SHARING_PAUSED:
    return g_strdup (_ ("Paused"));
  case MR_SHARING_ERROR:
    return g_strdup (mr_worker_get_backend_is_up (facts->worker) ? _ ("No connection to a relay")
                                                                 : _ ("The model server does not answer"));
  case MR_SHARING_DISCONNECTED:
  default:
    return g_strdup (facts->wanted ? _ ("The settings are not complete") : _ ("Disconnected"));
  }
}

char *
mr_sharing_describe_failure (const char *relay_url, MrRelayFailure failure)
{
  switch (failure) {
  case MR_RELAY_FAILURE_NAME:
    return g_strdup_printf (
        _ ("The name in %s cannot be found. Check the relay’s address, and whether the internet can be reached."),
        relay_url);
  case MR_RELAY_FAILURE_CONNECT:
    return g_strdup_printf (_ ("Nothing answers at %s. Check the relay’s address, and whether the relay runs."),
                            relay_url);
  case MR_RELAY_FAILURE_TLS:
    return g_strdup_printf (_ ("There is no secure connection to %s: its certificate was not accepted. Check the "
                               "relay’s address and this machine’s clock, or choose the relay’s certificate file in "
                               "the settings."),
                            relay_url);
  case MR_RELAY_FAILURE_NOT_A_RELAY:
    return g_strdup_printf (_ ("Something answers at %s, but it is no relay. Check the relay’s address."), relay_url);
  case MR_RELAY_FAILURE_REFUSED:
    return g_strdup_printf (
        _ ("%s refused this machine. Check the worker secret and the provider, or ask who runs the relay."), relay_url);
  case MR_RELAY_FAILURE_LOST:
    return g_strdup_printf (_ ("The connection to %s was lost. It will be tried again by itself."), relay_url);
  case MR_RELAY_FAILURE_NONE:
  default:
    return NULL;
  }
}

static void
add_line (GString *text, const char *line)
{
  if (text->len > 0) {
    g_string_append_c (text, '\n');
  }
  g_string_append (text, line);
}

static void
add_relays (GString *text, MrWorker *worker)
{
  MrWorkerRelay relay;

  for (guint i = 0; mr_worker_get_relay (worker, i, &relay); i++) {
    g_autofree char *line = NULL;
    if (g_str_equal (relay.state, "ready")) {
      line = g_strdup_printf (_ ("Connected to %s."), relay.url);
    } else if (relay.failure != MR_RELAY_FAILURE_NONE) {
      line = mr_sharing_describe_failure (relay.url, relay.failure);
    } else {
      line = g_strdup_printf (_ ("Connecting to %s…"), relay.url);
    }
    add_line (text, line);
  }
}

static char *
describe_models (MrWorker *worker)
{
  const char *url = mr_worker_get_backend_url (worker);
  guint shared = g_strv_length ((char **) mr_worker_get_models (worker));
  guint listed = g_strv_length ((char **) mr_worker_get_backend_models (worker));

  if (!mr_worker_get_backend_is_up (worker)) {
    return g_strdup_printf (
        _ ("The model server at %s does not answer. Start it, or change its address in the settings."), url);
  }
  if (listed == 0) {
    return g_strdup_printf (_ ("The model server at %s has no models. Load one there."), url);
  }
  if (shared == 0) {
    return g_strdup (_ ("No model is shared. Switch one on."));
  }
  return g_strdup_printf (ngettext ("Sharing %u model of %s.", "Sharing %u models of %s.", shared), shared, url);
}

char *
mr_sharing_details (const MrSharingFacts *facts)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (facts->problem != NULL && facts->wanted) {
    add_line (text, facts->problem);
  }
  if (facts->pause != NULL && facts->wanted) {
    add_line (text, facts->pause);
  }
  if (facts->worker != NULL && facts->wanted && facts->problem == NULL && facts->pause == NULL) {
    MrWorkerState state = mr_worker_get_state (facts->worker);
    add_relays (text, facts->worker);
    if (state != MR_WORKER_CONNECTING || mr_worker_get_backend_is_up (facts->worker)) {
      g_autofree char *models = describe_models (facts->worker);
      add_line (text, models);
    }
  }
  if (facts->running_earlier > 0) {
    g_autofree char *earlier =
        g_strdup_printf (ngettext ("%u request is being finished with the earlier settings.",
                                   "%u requests are being finished with the earlier settings.", facts->running_earlier),
                         facts->running_earlier);
    add_line (text, earlier);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
